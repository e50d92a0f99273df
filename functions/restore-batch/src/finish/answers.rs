//! Results for single items of a combined request.

use std::collections::BTreeMap;

use kafka::{EachPartition, GroupOffsets, KafkaError, TopicConfigs, TopicPartition};
use kernel::in_full;

use super::report::FinishReport;

/// The commits of a group, or why they are unknown.
pub(super) fn committed_by(group: &str, now: &mut BTreeMap<String, kafka::Result<GroupOffsets>>) -> (GroupOffsets, Option<String>) {
    match now.remove(group) {
        Some(Ok(committed)) => (committed, None),
        Some(Err(error)) => (GroupOffsets::new(), Some(in_full(&error))),
        None => (GroupOffsets::new(), None),
    }
}

/// The configs of a topic; the report contains why they are unknown.
pub(super) fn configs_of(
    topic: &str,
    now: &mut BTreeMap<String, kafka::Result<TopicConfigs>>,
    report: &mut FinishReport,
) -> Option<TopicConfigs> {
    match now.remove(topic) {
        Some(Ok(configs)) => return Some(configs),
        Some(Err(error)) => report.leave(format!("the configs of {topic:?} are unknown: {}", in_full(&error))),
        None => report.leave(format!("topic {topic:?} does not exist")),
    }
    None
}

/// The result of each of these partitions.
pub(super) fn of_each<'p>(
    partitions: impl Iterator<Item = &'p TopicPartition>,
    done: &Result<EachPartition, KafkaError>,
) -> BTreeMap<TopicPartition, Result<(), String>> {
    let outcome = |at: &TopicPartition| match done {
        Err(error) => Err(in_full(error)),
        Ok(each) => match each.get(at) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(in_full(error)),
            None => Err("Kafka did not report the result; run this again".to_owned()),
        },
    };
    partitions.map(|at| (at.clone(), outcome(at))).collect()
}
