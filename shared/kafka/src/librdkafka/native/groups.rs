//! Consumer groups: which exist, and what they committed.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys::*;

use super::admin::{Options, Pending, array, c_string, list};
use super::admin_ops::{code, elements, name};
use super::code::{Code, Failure};
use super::handle::Handle;
use super::text;
use crate::{GroupListing, TopicPartition};

// See `code.rs`.
unsafe extern "C" {
    fn rd_kafka_ConsumerGroupListing_state(listing: *const rd_kafka_ConsumerGroupListing_t) -> c_int;
    fn rd_kafka_ConsumerGroupListing_type(listing: *const rd_kafka_ConsumerGroupListing_t) -> c_int;
    fn rd_kafka_consumer_group_state_name(state: c_int) -> *const c_char;
    fn rd_kafka_consumer_group_type_name(kind: c_int) -> *const c_char;
    fn rd_kafka_list_groups(rk: *mut rd_kafka_t, group: *const c_char, groups: *mut *const rd_kafka_group_list, timeout_ms: c_int)
    -> c_int;
}

/// librdkafka's name for a state or type that it does not know.
const UNKNOWN: &str = "Unknown";

/// What the brokers report about their groups.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    pub(crate) groups: BTreeMap<String, GroupListing>,
    /// Why brokers did not report their groups; librdkafka does not always say which.
    pub(crate) failures: Vec<Failure>,
}

/// The commits of a group. -1001 and below: none.
pub(crate) type Offsets = BTreeMap<TopicPartition, Result<(i64, String), Code>>;

impl Options {
    /// An offset that a transaction is about to change is an error of its partition.
    fn requiring_stable(self, stable: bool) -> Result<Self, Failure> {
        // SAFETY: valid options; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_AdminOptions_set_require_stable_offsets(self.as_ptr(), c_int::from(stable)))? };
        Ok(self)
    }
}

impl Handle {
    /// ListConsumerGroups: one request per broker. Only groups whose protocol type is `consumer` or
    /// empty: librdkafka drops those of share groups, Streams groups (KIP-1071) and Connect. A
    /// group that it returns twice (its issue 5417) is included once.
    pub(crate) async fn list_consumer_groups(self: &Arc<Self>, timeout: Duration) -> Result<Listed, Failure> {
        let pending = {
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, timeout);
            // SAFETY: a valid instance, options and queue.
            Pending::send(self, &options, |rk, options, queue| unsafe { rd_kafka_ListConsumerGroups(rk, options, queue) })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_ListConsumerGroups_result(event.as_ptr());
            let valid = array(rd_kafka_ListConsumerGroups_result_valid(result, &raw mut count), count);
            let groups = valid.iter().map(|group| listing(*group)).collect();
            let errors = array(rd_kafka_ListConsumerGroups_result_errors(result, &raw mut count), count);
            Ok(Listed { groups, failures: errors.iter().map(|error| Failure::read(*error)).collect() })
        }
    }

    /// All groups of any protocol: ListGroups and DescribeGroups in their first versions, one each
    /// per broker. Blocks. Of groups that are not classic only the name is known. With a failure of
    /// one broker, the groups of others can be included. librdkafka can lose such a failure:
    /// compare the groups with those that are known.
    pub(crate) fn list_all_groups(&self, wait: Duration) -> (BTreeMap<String, GroupListing>, Result<(), Failure>) {
        let millis = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
        let mut list = ptr::null();
        // SAFETY: a valid instance, and a place for the answer, which is ours when there is one.
        let code = Code(unsafe { rd_kafka_list_groups(self.as_ptr(), ptr::null(), &raw mut list, millis) });
        if list.is_null() {
            return (BTreeMap::new(), code.check());
        }
        // SAFETY: a list with its count; what is read is copied before it is freed, once. Fields
        // are read one by one, because the code in a group can be one that librdkafka's enum does
        // not have.
        unsafe {
            let count = usize::try_from((*list).group_cnt).unwrap_or(0);
            let group = |at| {
                let group = (*list).groups.cast_const().wrapping_add(at);
                (text((*group).group), classic(&text((*group).state), &text((*group).protocol_type)))
            };
            let groups = (0..count).map(group).collect();
            rd_kafka_group_list_destroy(list);
            (groups, code.check())
        }
    }

    /// OffsetFetch of all commits of a group, or of one partition, through its coordinator. Of all,
    /// Kafka omits what this user may not see; of one it reports an error. `stable`: a partition
    /// for which a transaction is about to commit returns [`Code::UNSTABLE_OFFSET_COMMIT`] instead
    /// of its offset.
    ///
    /// Only for a client with a group of its own: librdkafka reports some errors to that group's
    /// coordinator search, and crashes without one (its issue 5040). It does not retry by itself.
    pub(crate) async fn group_offsets(
        self: &Arc<Self>,
        group: &str,
        only: Option<&TopicPartition>,
        stable: bool,
        timeout: Duration,
    ) -> Result<Offsets, Failure> {
        let pending = {
            let group = c_string(group)?;
            let only = only.map(|only| list(std::slice::from_ref(only), Offset::Invalid)).transpose()?;
            let list = only.as_ref().map_or(ptr::null_mut(), TopicPartitionList::ptr);
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout);
            let options = options.requiring_stable(stable)?;
            // SAFETY: a C string and a valid list, copied into the request object, which the
            // request copies. No list means all partitions.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                let mut request = rd_kafka_ListConsumerGroupOffsets_new(group.as_ptr(), list);
                rd_kafka_ListConsumerGroupOffsets(rk, &raw mut request, 1, options, queue);
                rd_kafka_ListConsumerGroupOffsets_destroy(request);
            })
        };
        let event = pending.answer().await?;
        let (mut count, mut offsets) = (0, Offsets::new());
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_ListConsumerGroupOffsets_result(event.as_ptr());
            for group in array(rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count), count) {
                let error = rd_kafka_group_result_error(*group);
                if !error.is_null() {
                    return Err(Failure::read(error));
                }
                offsets.extend(elements(rd_kafka_group_result_partitions(*group)).map(|element| (name(element), offset(element))));
            }
        }
        Ok(offsets)
    }
}

/// # Safety
/// `group` points to a listing.
unsafe fn listing(group: *const rd_kafka_ConsumerGroupListing_t) -> (String, GroupListing) {
    // SAFETY: the caller's promise; the names of states and types are strings that librdkafka
    // keeps, for any number.
    unsafe {
        let state = text(rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(group)));
        let kind = text(rd_kafka_consumer_group_type_name(rd_kafka_ConsumerGroupListing_type(group)));
        let is_simple = rd_kafka_ConsumerGroupListing_is_simple_consumer_group(group) != 0;
        (text(rd_kafka_ConsumerGroupListing_group_id(group)), GroupListing { state, kind, is_simple })
    }
}

/// DescribeGroups about a group. A group that is not classic is reported as dead, without a
/// protocol.
fn classic(state: &str, protocol_type: &str) -> GroupListing {
    let (state, kind) = if protocol_type.is_empty() { (UNKNOWN, UNKNOWN) } else { (state, "Classic") };
    GroupListing { state: state.to_owned(), kind: kind.to_owned(), is_simple: false }
}

/// # Safety
/// `element` points to an element of an answered list.
unsafe fn offset(element: *const rd_kafka_topic_partition_t) -> Result<(i64, String), Code> {
    // SAFETY: the caller's promise; the metadata of an element are null or have the size next to
    // them.
    unsafe {
        code(element).check().map_err(|failure| failure.code)?;
        let metadata = array((*element).metadata.cast::<u8>(), (*element).metadata_size);
        Ok(((*element).offset, String::from_utf8_lossy(metadata).into_owned()))
    }
}
