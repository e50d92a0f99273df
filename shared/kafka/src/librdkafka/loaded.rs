//! Whether all coordinators of groups respond.
//!
//! A group is in one partition of an internal topic, by the hash of its name, and the leader of
//! that partition is its coordinator. ListGroups returns the groups of all partitions that a broker
//! has loaded. While a coordinator moves (a broker restarts, or does not respond for some seconds)
//! no broker returns its groups, and none reports an error: the list looks complete. A request for
//! one group does report that its coordinator is not ready, so one name for each partition shows
//! it.

use std::collections::BTreeMap;

use super::group_offsets;
use super::source;
use super::tries::Asker;
use crate::{KafkaError, KafkaErrorKind};

/// Kafka's internal topic of groups.
const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Its partitions, unless offsets.topic.num.partitions says otherwise.
const DEFAULT_PARTITIONS: i32 = 50;

/// Waits until the coordinators of all partitions have responded. A group is in a list from before
/// that or in one from after it, unless its coordinator moved twice.
///
/// Returns the reason why groups may be missing; `None`: all responded, or the internal topic does
/// not exist (there are no groups, or the service has none). To a user without permission to see
/// that topic it has the default number of partitions. A coordinator does not report to a user
/// without permission for groups with such names.
pub(super) async fn why_groups_may_be_missing(asker: &Asker) -> Option<String> {
    let group = asker.group()?;
    let partitions = match source::describe(asker, &[OFFSETS_TOPIC.to_owned()]).await {
        Ok(topics) => topics.get(OFFSETS_TOPIC)?.partitions,
        Err(_) => DEFAULT_PARTITIONS,
    };
    let names: Vec<String> = one_for_each(group, partitions).into_values().collect();
    let answers = group_offsets::read(asker, &names).await;
    // Other errors are about the name.
    let is_of_the_coordinator = |error: &KafkaError| error.kind == KafkaErrorKind::Unavailable;
    let silent: Vec<_> = answers.into_values().filter_map(Result::err).filter(is_of_the_coordinator).collect();
    let first = silent.first()?;
    let count = silent.len();
    Some(format!("{count} of {partitions} coordinators of groups do not respond, so their groups may be missing: {}", first.what))
}

/// A group name for each partition of the internal topic. They begin with `prefix`: a user can have
/// permissions for names that begin like its own group.
fn one_for_each(prefix: &str, partitions: i32) -> BTreeMap<i32, String> {
    let mut names = BTreeMap::new();
    let wanted = usize::try_from(partitions).unwrap_or(0);
    // Names are spread evenly: of so many, one is in each partition.
    for number in 0..wanted.saturating_mul(64) {
        let name = format!("{prefix}.{number}");
        names.entry(partition_of(&name, partitions)).or_insert(name);
        if names.len() == wanted {
            break;
        }
    }
    names
}

/// `Utils.abs(groupId.hashCode()) % partitions`, as in Kafka's `GroupCoordinatorService`.
fn partition_of(group: &str, partitions: i32) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partitions
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of Java's `"…".hashCode()`.
    #[test]
    fn a_group_is_in_the_partition_of_its_hash() {
        for (group, hash) in [("", 0), ("a", 97), ("kafka-backup", 1_162_883_657), ("polygenelubricants", i32::MIN), ("é", 233)] {
            assert_eq!(partition_of(group, i32::MAX), i32::checked_abs(hash).unwrap_or(0) % i32::MAX, "{group}");
        }
    }

    #[test]
    fn there_is_a_name_for_each_partition() {
        for partitions in [1, 5, 50, 1_000] {
            let names = one_for_each("kafka-backup", partitions);
            assert_eq!(names.keys().copied().collect::<Vec<_>>(), (0..partitions).collect::<Vec<_>>());
            assert!(names.iter().all(|(partition, name)| partition_of(name, partitions) == *partition));
        }
        assert!(one_for_each("kafka-backup", 0).is_empty());
    }
}
