//! The recovery point: the age of what is safe.
//!
//! The process remembers the ends of each partition, and when they were read. Once a backup has
//! reached such an end, everything that the partition had at that moment is in the bucket, as far
//! as a reader with ISOLATION_LEVEL gets it.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{TopicFacts, TopicId, TopicPartition};
use kernel::clock::Millis;
use kernel::lock;

use crate::report::BackupReport;
use crate::{Backup, Invocation};

/// How many ends of a partition are remembered that no backup has reached yet.
const MOST_ENDS: usize = 8;

/// What this process knows of each partition.
#[derive(Debug, Default)]
pub(crate) struct RecoveryPoints {
    of: BTreeMap<TopicPartition, Sightings>,
}

#[derive(Debug)]
struct Sightings {
    topic_id: Option<TopicId>,
    /// The newest moment whose end was reached; before there is one, the initial value of
    /// [`RecoveryPoints::see`].
    safe_until: Millis,
    /// Ends that were not reached yet, with the moments before their requests: both increase.
    ends: Vec<(Millis, i64)>,
}

impl RecoveryPoints {
    /// Records that a partition was checked, and its end if known. It was requested after `at`.
    ///
    /// A partition that is new to the process is taken as safe until its last commit, or until now
    /// if there is none: nothing else is known.
    fn see(&mut self, partition: &TopicPartition, topic_id: Option<&TopicId>, end: Option<i64>, committed: Option<Millis>, at: Millis) {
        let unknown =
            || Sightings { topic_id: topic_id.cloned(), safe_until: committed.map_or(at, |committed| committed.min(at)), ends: Vec::new() };
        let seen = self.of.entry(partition.clone()).or_insert_with(unknown);
        let Some(end) = end else { return };
        // A topic that was created again came after everything that was safe of the old one; its
        // ends are others.
        if seen.topic_id.as_ref() != topic_id {
            seen.topic_id = topic_id.cloned();
            seen.ends.clear();
        }
        // A log that lost its end can reach the old one again with other records.
        seen.ends.retain(|(_, before)| *before <= end);
        match seen.ends.last_mut() {
            Some((when, _)) if *when > at => {}
            Some((when, before)) if *before == end => *when = at,
            _ => seen.ends.push((at, end)),
        }
        if seen.ends.len() > MOST_ENDS {
            thin_out(&mut seen.ends);
        }
    }

    /// Everything of the partition below `next` is in the bucket.
    fn reach(&mut self, partition: &TopicPartition, next: i64) {
        let Some(seen) = self.of.get_mut(partition) else { return };
        let reached = seen.ends.partition_point(|(_, end)| *end <= next);
        if let Some((when, _)) = seen.ends.drain(..reached).next_back() {
            seen.safe_until = seen.safe_until.max(when);
        }
    }

    fn safe_until(&self, partition: &TopicPartition) -> Option<Millis> {
        self.of.get(partition).map(|seen| seen.safe_until)
    }
}

/// Forgets every other end except the last. That makes a recovery point look older than it is,
/// never younger.
fn thin_out(ends: &mut Vec<(Millis, i64)>) {
    let (mut at, last) = (0, ends.len() - 1);
    ends.retain(|_| {
        at += 1;
        at % 2 == 1 || at > last
    });
}

impl Backup {
    /// Records topics that could not be described: what this process knows of them gets older.
    pub(crate) fn see_undescribed(
        &self,
        invocation: &Invocation,
        wanted: &BTreeSet<String>,
        topics: &BTreeMap<String, TopicFacts>,
        at: Millis,
        report: &mut BackupReport,
    ) {
        let mut points = lock(&self.recovery_points);
        if invocation.event.topic.is_none() {
            points.of.retain(|partition, _| wanted.contains(&partition.topic));
        }
        for topic in wanted.iter().filter(|topic| !topics.contains_key(*topic)) {
            if !points.of.keys().any(|partition| partition.topic == *topic) {
                points.see(&TopicPartition::new(topic.as_str(), 0), None, None, None, at);
            }
            let known = points.of.keys().filter(|partition| partition.topic == *topic && invocation.event.includes(partition));
            report.undescribed.extend(known.cloned());
        }
    }

    /// Records the end of a partition, `None` if unknown. It was requested after `at`.
    pub(crate) fn see_end(
        &self,
        partition: &TopicPartition,
        topic_id: Option<&TopicId>,
        end: Option<i64>,
        committed: Option<Millis>,
        at: Millis,
    ) {
        lock(&self.recovery_points).see(partition, topic_id, end, committed, at);
    }

    /// The recovery point of the oldest partition of this invocation: now minus the newest moment
    /// at which everything that the partition had is in the bucket.
    ///
    /// It is never less than the true age, once the process has seen an end that the backup
    /// reached. Until then, for a partition that is not caught up, it is only the age of the last
    /// commit that the process found, or, without one, of what the process knows: missing records
    /// can be older. It excludes what open transactions hold back.
    pub(crate) fn recovery_point_seconds(&self, report: &BackupReport, now: Millis) -> Option<u64> {
        let mut points = lock(&self.recovery_points);
        let mut partitions = report.undescribed.clone();
        for one in &report.partitions {
            let partition = TopicPartition::new(one.topic.as_str(), one.partition);
            if let Some(reached) = one.reached {
                points.reach(&partition, reached);
            }
            partitions.push(partition);
        }
        let oldest = partitions.iter().filter_map(|partition| points.safe_until(partition)).min()?;
        Some(seconds_since(oldest, now))
    }
}

/// Whole seconds; 0 for the future.
pub(crate) fn seconds_since(then: Millis, now: Millis) -> u64 {
    u64::try_from(now.saturating_sub(then) / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use host::{Budget, Event};
    use kafka::Selection;

    use super::*;
    use crate::testing::Fake;

    fn orders() -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    /// The ends of a new partition, then what was reached: until when it is safe.
    fn safe_until(ends: &[(Millis, i64)], next: i64) -> Millis {
        let mut points = RecoveryPoints::default();
        ends.iter().for_each(|(at, end)| points.see(&orders(), None, Some(*end), None, *at));
        points.reach(&orders(), next);
        points.safe_until(&orders()).unwrap()
    }

    async fn age(backup: &Backup) -> Option<u64> {
        invoke(backup, Event::default()).await.recovery_point_seconds
    }

    async fn invoke(backup: &Backup, event: Event) -> BackupReport {
        backup.invoke(&Invocation { event, ..Invocation::new(Budget::unlimited(None)) }).await.unwrap()
    }

    #[test]
    fn the_newest_end_that_was_reached_counts() {
        let ends = [(1_000, 10), (2_000, 10), (3_000, 15), (4_000, 40)];
        assert_eq!([9, 10, 14, 15, 39, 40, 50].map(|next| safe_until(&ends, next)), [1_000, 2_000, 2_000, 3_000, 3_000, 4_000, 4_000]);
    }

    #[test]
    fn the_memory_is_bounded_and_errs_towards_an_older_age() {
        let ends: Vec<(Millis, i64)> = (1..=1_000).map(|at| (at * 1_000, at)).collect();
        for next in [1, 17, 500, 999, 1_000] {
            let until = safe_until(&ends, next);
            assert!(until <= next * 1_000, "{next}: {until}");
        }
        assert_eq!(safe_until(&ends, 1_000), 1_000_000);
        assert!(safe_until(&ends, 999) > 900_000, "a partition that is nearly caught up is known to be");
    }

    /// Offsets of another log mean nothing, wherever they are.
    #[test]
    fn ends_of_another_log_are_forgotten() {
        assert_eq!(safe_until(&[(1_000, 50), (2_000, 10), (3_000, 90)], 60), 2_000);
        let mut points = RecoveryPoints::default();
        let ids = ["0000000000000000000001", "0000000000000000000002"].map(|id| id.parse::<TopicId>().ok());
        points.see(&orders(), ids[0].as_ref(), Some(5), None, 1_000);
        points.see(&orders(), ids[1].as_ref(), Some(9), None, 2_000);
        points.reach(&orders(), 7);
        assert_eq!(points.safe_until(&orders()), Some(1_000), "end 5 was that of a topic that is gone");
    }

    #[tokio::test]
    async fn a_topic_that_nobody_writes_to_is_safe() {
        let fake = Fake::default();
        let backup = fake.backup();
        assert_eq!(age(&backup).await, Some(0), "it never held anything");
        fake.write(3);
        assert_eq!(age(&backup).await, Some(0));
        fake.advance(86_400_000);
        assert_eq!(age(&backup).await, Some(0));
    }

    #[tokio::test]
    async fn what_is_not_backed_up_yet_gets_older_until_it_is() {
        let fake = Fake::default();
        let backup = fake.backup();
        fake.write(3);
        assert_eq!(age(&backup).await, Some(0));
        for expected in [10, 20, 30] {
            // Neither full nor old enough for a segment.
            fake.write(1);
            fake.advance(10_000);
            assert_eq!(age(&backup).await, Some(expected));
        }
        fake.advance(30_000);
        assert_eq!(age(&backup).await, Some(0));
    }

    /// What a new process finds was last safe at its commit.
    #[tokio::test]
    async fn a_new_process_goes_by_the_last_commit() {
        let fake = Fake::default();
        fake.write(3);
        fake.invoke().await;
        fake.write(2);
        fake.advance(40_000);
        assert_eq!(age(&fake.backup()).await, Some(40), "not caught up");
        fake.advance(20_000);
        assert_eq!(age(&fake.backup()).await, Some(0), "caught up");
    }

    #[tokio::test]
    async fn a_partition_that_cannot_be_read_keeps_getting_older() {
        let fake = Fake::default();
        let backup = fake.backup();
        fake.write(3);
        assert_eq!(age(&backup).await, Some(0));
        fake.log().has_no_leader = true;
        for expected in [50, 100] {
            fake.advance(50_000);
            let report = invoke(&backup, Event::default()).await;
            assert!(!report.succeeded && report.recovery_point_seconds == Some(expected), "{report:?}");
        }
        fake.log().has_no_leader = false;
        assert_eq!(age(&backup).await, Some(0));
    }

    /// The topic is named, and does not exist (any more): what is known of it is not forgotten.
    #[tokio::test]
    async fn a_topic_that_is_gone_keeps_getting_older() {
        let fake = Fake::default();
        fake.log().others = ["users".to_owned()].into();
        let backup = fake.backup_of(Selection::of_names(["orders", "users", "never-there"]));
        assert_eq!(age(&backup).await, Some(0));
        fake.log().others.clear();
        fake.advance(70_000);
        let report = invoke(&backup, Event::default()).await;
        assert_eq!((report.recovery_point_seconds, report.errors.len()), (Some(70), 2), "{report:?}");
        let orders = Event { topic: Some("orders".into()), ..Event::default() };
        assert_eq!(invoke(&backup, orders).await.recovery_point_seconds, Some(0), "of the partitions of this invocation");
    }
}
