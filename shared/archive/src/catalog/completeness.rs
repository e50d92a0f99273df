//! Whether the bucket has everything that a snapshot saw of a partition, as far as snapshots show.
//! The only place that decides this for lists and restores.

use std::collections::BTreeMap;

/// The part of a snapshot's partition that its completeness depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionState<'s> {
    /// Its folder; `None`: nothing of it is in the bucket.
    pub folder: Option<&'s str>,
    /// Its number.
    pub partition: i32,
    /// Everything below this offset was in the bucket; `None`: no commit shows any.
    pub backed_up: Option<i64>,
    /// The range of its log; `None` if unknown.
    pub log: Option<LogRange>,
    /// Its log had lost its end: what was backed up is of another log.
    pub diverged: bool,
}

/// The offsets in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    /// The first one.
    pub start: i64,
    /// The end for readers, exclusive. A restore of this moment ends here.
    pub end: i64,
}

/// A snapshot, a topic of one, or a summary: anything with states of partitions.
pub trait PartitionStates {
    /// Every partition, including those without data.
    fn states(&self) -> impl Iterator<Item = PartitionState<'_>>;
}

/// What snapshots show about a partition of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Everything below the end in the snapshot is in the bucket, except what its log no longer
    /// contained and recorded gaps.
    Complete,
    /// No snapshot shows it. The chain of segments can have reached that end since the newest
    /// snapshot: the partition is complete if the chain in its folder has.
    Open,
    /// The log had lost its end: up to the end in the snapshot, the bucket may have the records of
    /// the older log.
    Diverged,
    /// The snapshot does not contain the end of the partition.
    Unknown,
}

/// How far partitions were backed up, according to snapshots. Go from the newest snapshot to the
/// oldest: [`add`](Self::add) it, then [`judge`](Self::judge) its partitions. No snapshot has to
/// stay in memory for that.
#[derive(Debug, Default)]
pub struct BackedUp(BTreeMap<String, BTreeMap<i32, i64>>);

impl BackedUp {
    /// Adds what this snapshot shows in the bucket. Ignores logs that lost their end: they are not
    /// the logs that were backed up.
    pub fn add(&mut self, snapshot: &impl PartitionStates) {
        for PartitionState { folder, partition, backed_up, diverged, .. } in snapshot.states() {
            let (Some(folder), Some(backed_up), false) = (folder, backed_up, diverged) else { continue };
            let known = self.0.entry(folder.to_owned()).or_default().entry(partition).or_default();
            *known = backed_up.max(*known);
        }
    }

    /// Judges a partition of a snapshot by that snapshot and the newer ones, which must have been
    /// added. Only numbers of the same generation count.
    pub fn judge(&self, state: PartitionState<'_>) -> Completeness {
        let Some(log) = state.log else { return Completeness::Unknown };
        if state.diverged {
            return Completeness::Diverged;
        }
        // Nothing is missing from an empty log.
        if log.end <= log.start {
            return Completeness::Complete;
        }
        let backed_up = state.folder.and_then(|folder| self.0.get(folder)?.get(&state.partition));
        if backed_up.is_some_and(|backed_up| *backed_up >= log.end) { Completeness::Complete } else { Completeness::Open }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::catalog::{LogSnapshot, Snapshot};
    use crate::testing::snapshot;

    fn of(folder: &str, log_start: i64, backed_up: i64, end: i64) -> Snapshot {
        let mut snapshot = snapshot(0, [("orders", folder, 0, backed_up)]);
        let partition = snapshot.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap();
        partition.log = Some(LogSnapshot { log_start, end, high_watermark: end });
        partition.diverged = end < backed_up;
        snapshot
    }

    /// For the last one given, with the others before it as the newer ones.
    fn judge(newest_first: &[Snapshot]) -> Completeness {
        let mut backed_up = BackedUp::default();
        newest_first.iter().for_each(|snapshot| backed_up.add(snapshot));
        backed_up.judge(newest_first.last().unwrap().states().next().unwrap())
    }

    #[test]
    fn a_later_snapshot_of_the_same_folder_says_that_it_is_complete() {
        assert_eq!(judge(&[of("orders", 0, 10, 12), of("orders", 0, 4, 10)]), Completeness::Complete);
        assert_eq!(judge(&[of("orders", 0, 9, 12), of("orders", 0, 4, 10)]), Completeness::Open);
        assert_eq!(judge(&[of("orders@2", 0, 10, 12), of("orders", 0, 4, 10)]), Completeness::Open, "another generation");
        assert_eq!(judge(&[of("orders", 0, 10, 10)]), Completeness::Complete, "it shows that itself");
    }

    /// The numbers of a log that lost its end and of the one that was backed up belong to different
    /// records.
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

    #[test]
    fn a_partition_without_numbers_is_unknown() {
        let mut changed = of("orders", 0, 10, 10);
        changed.topics.get_mut("orders").unwrap().partition_count = 3;
        let mut backed_up = BackedUp::default();
        backed_up.add(&changed);
        let judged: Vec<_> = changed.states().map(|state| (state.partition, backed_up.judge(state))).collect();
        assert_eq!(judged, [(0, Completeness::Complete), (1, Completeness::Unknown), (2, Completeness::Unknown)]);
    }
}
