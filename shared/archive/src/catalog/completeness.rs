//! Whether the bucket has all that a snapshot saw of a partition, as far as snapshots tell.

use std::collections::BTreeMap;

use crate::catalog::{PartitionSnapshot, Snapshot, TopicSnapshot};

/// What snapshots tell of a partition of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Everything below the end that the snapshot saw is in the bucket, except for what its log no longer held and recorded gaps.
    Complete,
    /// No snapshot says so. The chain of segments can have reached that end since the newest one.
    Open,
    /// The log had lost its end: up to the end that the snapshot saw, the bucket may have the records of the older log.
    Diverged,
    /// The snapshot does not know where the partition ended.
    Unknown,
}

/// How far partitions were backed up, as snapshots say. Go from the newest snapshot to the oldest: [`add`](Self::add) it, then [`judge`](Self::judge)
/// its partitions. No snapshot has to stay in memory for that.
#[derive(Debug, Default)]
pub struct BackedUp(BTreeMap<String, BTreeMap<i32, i64>>);

impl BackedUp {
    /// Counts what this snapshot says was in the bucket. Not of a log that lost its end: it is another one than was backed up.
    pub fn add(&mut self, snapshot: &Snapshot) {
        for topic in snapshot.topics.values() {
            for (number, partition) in &topic.partitions {
                let (Some(folder), Some(backed_up)) = (topic.folder_of(partition), partition.backed_up) else { continue };
                if !partition.diverged {
                    let known = self.0.entry(folder.to_owned()).or_default().entry(*number).or_insert(0);
                    *known = backed_up.max(*known);
                }
            }
        }
    }

    /// Judges a partition of a snapshot by that snapshot and the newer ones, which must have been added. Only numbers of the same generation count.
    pub fn judge(&self, topic: &TopicSnapshot, number: i32, partition: &PartitionSnapshot) -> Completeness {
        let Some(log) = partition.log else { return Completeness::Unknown };
        if partition.diverged {
            return Completeness::Diverged;
        }
        // Where a log holds nothing, nothing is missing.
        if log.end <= log.log_start {
            return Completeness::Complete;
        }
        let backed_up = topic.folder_of(partition).and_then(|folder| self.0.get(folder)?.get(&number));
        if backed_up.is_some_and(|backed_up| *backed_up >= log.end) { Completeness::Complete } else { Completeness::Open }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::catalog::LogSnapshot;
    use crate::testing::snapshot;

    fn of(folder: &str, log_start: i64, backed_up: i64, end: i64) -> Snapshot {
        let mut snapshot = snapshot(0, [("orders", folder, 0, backed_up)]);
        let partition = snapshot.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap();
        partition.log = Some(LogSnapshot { log_start, end, high_watermark: end });
        partition.diverged = end < backed_up;
        snapshot
    }

    /// Of the last one given, with the others before it as the newer ones.
    fn judge(newest_first: &[Snapshot]) -> Completeness {
        let mut backed_up = BackedUp::default();
        newest_first.iter().for_each(|snapshot| backed_up.add(snapshot));
        let topic = &newest_first.last().unwrap().topics["orders"];
        backed_up.judge(topic, 0, &topic.partitions[&0])
    }

    #[test]
    fn a_later_snapshot_of_the_same_folder_says_that_it_is_complete() {
        assert_eq!(judge(&[of("orders", 0, 10, 12), of("orders", 0, 4, 10)]), Completeness::Complete);
        assert_eq!(judge(&[of("orders", 0, 9, 12), of("orders", 0, 4, 10)]), Completeness::Open);
        assert_eq!(judge(&[of("orders@2", 0, 10, 12), of("orders", 0, 4, 10)]), Completeness::Open, "another generation");
        assert_eq!(judge(&[of("orders", 0, 10, 10)]), Completeness::Complete, "it says so itself");
    }

    /// The numbers of a log that lost its end and of the one that was backed up are of different records.
    #[test]
    fn a_log_that_lost_its_end_is_not_complete_and_says_nothing_of_others() {
        assert_eq!(judge(&[of("orders", 0, 10, 8)]), Completeness::Diverged);
        assert_eq!(judge(&[of("orders", 0, 10, 8), of("orders", 0, 4, 9)]), Completeness::Open);
    }

    #[test]
    fn nothing_is_missing_of_an_empty_log_and_an_unknown_end_is_unknown() {
        assert_eq!(judge(&[of("orders", 10, 4, 10)]), Completeness::Complete);
        let mut unknown = of("orders", 0, 4, 10);
        unknown.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap().log = None;
        assert_eq!(judge(&[unknown]), Completeness::Unknown);
    }
}
