//! What the cluster answers about many things at once, one thing at a time.

use std::collections::BTreeMap;

use kafka::{EachPartition, GroupOffsets, KafkaError, TopicConfigs, TopicPartition};
use kernel::in_full;

use super::report::FinishReport;

/// What a group has committed, and why that is not known.
pub(super) fn committed_by(group: &str, now: &mut BTreeMap<String, kafka::Result<GroupOffsets>>) -> (GroupOffsets, Option<String>) {
    match now.remove(group) {
        Some(Ok(committed)) => (committed, None),
        Some(Err(error)) => (GroupOffsets::new(), Some(in_full(&error))),
        None => (GroupOffsets::new(), None),
    }
}

/// The configs of a topic; the report says why they are not known.
pub(super) fn configs_of(
    topic: &str,
    now: &mut BTreeMap<String, kafka::Result<TopicConfigs>>,
    report: &mut FinishReport,
) -> Option<TopicConfigs> {
    match now.remove(topic) {
        Some(Ok(configs)) => return Some(configs),
        Some(Err(error)) => report.leave(format!("the configs of {topic:?} are not known: {}", in_full(&error))),
        None => report.leave(format!("topic {topic:?} is not there")),
    }
    None
}

/// What became of each of these partitions.
pub(super) fn of_each<'p>(
    partitions: impl Iterator<Item = &'p TopicPartition>,
    done: &Result<EachPartition, KafkaError>,
) -> BTreeMap<TopicPartition, Result<(), String>> {
    let outcome = |at: &TopicPartition| match done {
        Err(error) => Err(in_full(error)),
        Ok(each) => match each.get(at) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(in_full(error)),
            None => Err("Kafka did not say what became of it; run this again".to_owned()),
        },
    };
    partitions.map(|at| (at.clone(), outcome(at))).collect()
}
