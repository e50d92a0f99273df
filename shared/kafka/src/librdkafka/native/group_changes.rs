//! AlterConsumerGroupOffsets (the protocol's OffsetCommit, from outside of a group) and
//! DeleteConsumerGroupOffsets (OffsetDelete).

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys::*;

use super::admin::{Options, Pending, array, c_string, commit_list, list};
use super::admin_ops::{code, elements, name};
use super::code::{Code, Failure};
use super::handle::Handle;
use crate::{CommittedOffset, TopicPartition};

/// The result of each partition of a request.
pub(crate) type Changed = BTreeMap<TopicPartition, Result<(), Code>>;

impl Handle {
    /// OffsetCommit for `group`, from outside of it: one request to its coordinator. Sends
    /// metadata, and -1 as leader epoch. librdkafka looks up the coordinator of each group, and
    /// needs no group of its own. A partition that the response omits has failed ([`Code::FAIL`]).
    pub(crate) async fn commit<'o>(
        self: &Arc<Self>,
        group: &str,
        offsets: impl IntoIterator<Item = (&'o TopicPartition, &'o CommittedOffset)>,
        timeout: Duration,
    ) -> Result<Changed, Failure> {
        let pending = {
            let group = c_string(group)?;
            let list = commit_list(offsets)?;
            unanswered(&list);
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, timeout);
            // SAFETY: a C string and a valid list, copied into the request object, which the
            // request copies.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                let mut request = rd_kafka_AlterConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                rd_kafka_AlterConsumerGroupOffsets(rk, &raw mut request, 1, options, queue);
                rd_kafka_AlterConsumerGroupOffsets_destroy(request);
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_AlterConsumerGroupOffsets_result(event.as_ptr());
            changed(array(rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count), count))
        }
    }

    /// OffsetDelete for `group`: one request to its coordinator. A partition that the response
    /// omits is absent.
    pub(crate) async fn delete_offsets(
        self: &Arc<Self>,
        group: &str,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Changed, Failure> {
        let pending = {
            let group = c_string(group)?;
            let list = list(partitions, Offset::Invalid)?;
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS, timeout);
            // SAFETY: a C string and a valid list, copied into the request object, which the
            // request copies.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                let mut request = rd_kafka_DeleteConsumerGroupOffsets_new(group.as_ptr(), list.ptr());
                rd_kafka_DeleteConsumerGroupOffsets(rk, &raw mut request, 1, options, queue);
                rd_kafka_DeleteConsumerGroupOffsets_destroy(request);
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_DeleteConsumerGroupOffsets_result(event.as_ptr());
            changed(array(rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &raw mut count), count))
        }
    }
}

/// Writes a failure into each element. librdkafka copies the list into the request and sets the
/// results of the response. So a partition that the response omits does not look committed.
fn unanswered(list: &TopicPartitionList) {
    // SAFETY: a valid list without other references; the field is a C enum, an int, and this code
    // is one of that enum's.
    unsafe {
        for element in elements(list.ptr()) {
            (&raw const (*element).err).cast_mut().cast::<c_int>().write(Code::FAIL.0);
        }
    }
}

/// # Safety
/// `groups` are results of groups.
unsafe fn changed(groups: &[*const rd_kafka_group_result_t]) -> Result<Changed, Failure> {
    let mut changed = Changed::new();
    for group in groups {
        // SAFETY: the caller's promise; what is read is copied.
        unsafe {
            let error = rd_kafka_group_result_error(*group);
            if !error.is_null() {
                return Err(Failure::read(error));
            }
            let one = |element| (name(element), code(element).check().map_err(|failure| failure.code));
            changed.extend(elements(rd_kafka_group_result_partitions(*group)).map(one));
        }
    }
    Ok(changed)
}
