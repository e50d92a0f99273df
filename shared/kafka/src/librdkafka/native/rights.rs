//! Requests that also return the permissions of this client's user (KIP-430).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::*;

use super::admin::{Options, Pending, array, c_string};
use super::code::Failure;
use super::handle::Handle;
use super::text;
use crate::Right;

impl Options {
    /// The response also includes this user's permissions.
    pub(super) fn with_rights(self) -> Result<Self, Failure> {
        // SAFETY: valid options; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_AdminOptions_set_include_authorized_operations(self.as_ptr(), 1))? };
        Ok(self)
    }
}

impl Handle {
    /// DescribeTopics: the permissions on each topic that this user may see; `None` if the broker
    /// does not report them. `topics` has no duplicates.
    pub(crate) async fn rights_on_topics(
        self: &Arc<Self>,
        topics: &[String],
        timeout: Duration,
    ) -> Result<BTreeMap<String, Option<BTreeSet<Right>>>, Failure> {
        let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout).with_rights()?;
        let event = self.ask_about_topics(topics, options)?.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_DescribeTopics_result(event.as_ptr());
            let topics = array(rd_kafka_DescribeTopics_result_topics(result, &raw mut count), count);
            let seen = topics.iter().filter(|topic| rd_kafka_TopicDescription_error(**topic).is_null());
            Ok(seen
                .map(|topic| {
                    let mut count = 0;
                    let operations = rd_kafka_TopicDescription_authorized_operations(*topic, &raw mut count);
                    (text(rd_kafka_TopicDescription_name(*topic)), rights(operations, count))
                })
                .collect())
        }
    }

    /// DescribeGroups: the permissions on a group; `None` if the broker does not report them.
    pub(crate) async fn rights_on_group(self: &Arc<Self>, group: &str, timeout: Duration) -> Result<Option<BTreeSet<Right>>, Failure> {
        let pending = {
            let group = c_string(group)?;
            let mut pointer = group.as_ptr();
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout).with_rights()?;
            // SAFETY: an array of one C string, which the request copies.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                rd_kafka_DescribeConsumerGroups(rk, &raw mut pointer, 1, options, queue);
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_DescribeConsumerGroups_result(event.as_ptr());
            let Some(group) = array(rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count), count).first() else {
                return Ok(None);
            };
            let error = rd_kafka_ConsumerGroupDescription_error(*group);
            if !error.is_null() {
                return Err(Failure::read(error));
            }
            let operations = rd_kafka_ConsumerGroupDescription_authorized_operations(*group, &raw mut count);
            Ok(rights(operations, count))
        }
    }
}

/// The permissions in a response; `None` if it has none.
///
/// # Safety
/// `operations` is null or has `count` elements.
pub(super) unsafe fn rights(operations: *const rd_kafka_AclOperation_t, count: usize) -> Option<BTreeSet<Right>> {
    // As integers: a broker that is newer than librdkafka may know more operations than the enum of
    // its bindings. SAFETY: the caller's promise; C has an int there.
    let codes: &[c_int] = unsafe { array(operations.cast(), count) };
    (!operations.is_null()).then(|| codes.iter().filter_map(|code| Right::of(*code)).collect())
}
