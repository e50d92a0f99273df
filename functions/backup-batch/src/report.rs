//! What an invocation did and what is left.

use std::collections::BTreeMap;

use archive::Error;
use archive::catalog::{BackedUpEnds, BackupCommit, Gap, GapReason};
use kafka::{OffsetRange, TopicPartition};
use kernel::clock::Millis;
use kernel::in_full;
use serde::Serialize;
use store::Throttling;

use crate::publish::Stored;

/// The result of one invocation. Serialises to the JSON that users and platforms get.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BackupReport {
    /// `backup-batch`.
    pub function: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// Whether nothing failed.
    pub succeeded: bool,
    /// Segments written.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their logs, uncompressed.
    pub log_bytes: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// Offsets that are not in the bucket yet, over all partitions, including those that open
    /// transactions hold back.
    pub lag_records: i64,
    /// Offsets that retention deleted before they were read.
    pub gap_records: i64,
    /// Duration in milliseconds.
    pub duration_ms: Millis,
    /// The recovery point of the oldest partition, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_point_seconds: Option<u64>,
    /// The age of the newest known snapshot of the cluster, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_age_seconds: Option<u64>,
    /// The snapshot of the cluster that this invocation stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// How the bucket's service throttled requests.
    #[serde(skip_serializing_if = "Throttling::is_none")]
    pub throttling: Throttling,
    /// How long threads waited for BYTES_PER_SECOND, in milliseconds, in total.
    #[serde(skip_serializing_if = "is_nothing")]
    pub rate_limited_ms: u64,
    /// Each partition of this invocation.
    pub partitions: Vec<PartitionReport>,
    /// Errors of whole topics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Warnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Known partitions of topics that could not be described.
    #[serde(skip)]
    pub(crate) undescribed: Vec<TopicPartition>,
    /// How many of those errors are transient.
    #[serde(skip)]
    passing_errors: usize,
    #[serde(skip)]
    by_partition: BTreeMap<TopicPartition, PartitionReport>,
}

/// The result of one invocation for one partition.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PartitionReport {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Folder of the generation, once something was backed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Segments written.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their logs, uncompressed.
    pub log_bytes: u64,
    /// Bytes stored.
    pub stored_bytes: u64,
    /// Everything below this offset is in the bucket.
    pub next: Option<i64>,
    /// The partition's end when the invocation began.
    pub end: i64,
    /// Offsets between the two, and those that open transactions hold back: none of them is in the
    /// bucket.
    pub lag_records: i64,
    /// The lag in bytes, uncompressed, by the average of what this invocation read; absent if it
    /// read nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<i64>,
    /// Distance from the last stable offset to the high watermark: held back by open transactions.
    /// Part of the lag.
    #[serde(skip_serializing_if = "is_zero")]
    pub held_by_transactions: i64,
    /// The end of the log, including what is held back.
    #[serde(skip)]
    pub(crate) high_watermark: i64,
    /// Below this offset, nothing of the current log is left to back up; absent if the log could
    /// not be checked.
    #[serde(skip)]
    pub(crate) reached: Option<i64>,
    /// Offsets that were deleted before they could be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Segments that another invocation had already written.
    #[serde(skip_serializing_if = "is_nothing")]
    pub adopted: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the error is transient: the next invocation can succeed without any change by the
    /// operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_nothing(number: &u64) -> bool {
    *number == 0
}

impl BackupReport {
    pub(crate) fn new() -> Self {
        Self { function: "backup-batch", version: telemetry::VERSION, ..Self::default() }
    }

    fn of(&mut self, partition: &TopicPartition) -> &mut PartitionReport {
        self.by_partition.entry(partition.clone()).or_insert_with(|| PartitionReport {
            topic: partition.topic.clone(),
            partition: partition.partition,
            ..PartitionReport::default()
        })
    }

    pub(crate) fn see(&mut self, partition: &TopicPartition, range: &OffsetRange, held: i64, commit: Option<&BackupCommit>) {
        let report = self.of(partition);
        report.end = range.end;
        report.next = commit.map(|commit| commit.next);
        report.folder = commit.map(|commit| commit.folder.clone());
        report.held_by_transactions = held;
        // A log that ends below what was backed up is another log; nothing of it is in the
        // bucket yet.
        let next = report.next.filter(|next| *next <= range.high_watermark);
        report.high_watermark = range.high_watermark;
        let next = next.unwrap_or(range.log_start);
        report.reached = Some(next);
        report.lag_records = (range.end - next).max(0) + held.min((range.high_watermark - next).max(0));
    }

    pub(crate) fn add(&mut self, partition: &TopicPartition, stored: &Stored) {
        let report = self.of(partition);
        report.segments += u64::from(!stored.adopted);
        report.adopted += u64::from(stored.adopted);
        report.records += stored.records;
        report.log_bytes += stored.log_bytes;
        report.stored_bytes += stored.stored_bytes;
        (report.next, report.reached) = (Some(stored.commit.next), Some(stored.commit.next));
        report.folder = Some(stored.commit.folder.clone());
        report.gaps.extend(stored.gap.clone());
        // A transaction that ended meanwhile holds nothing back any more.
        report.held_by_transactions = report.held_by_transactions.min(report.high_watermark - stored.commit.next).max(0);
        report.lag_records = (report.end - stored.commit.next).max(0) + report.held_by_transactions;
        let read = i64::try_from(report.log_bytes).unwrap_or(i64::MAX);
        report.lag_bytes =
            i64::try_from(report.records).ok().filter(|records| *records > 0).map(|records| read / records * report.lag_records);
    }

    pub(crate) fn fail(&mut self, partition: &TopicPartition, error: &Error) {
        let report = self.of(partition);
        report.error = Some(in_full(error));
        report.retryable = Some(error.is_retryable());
    }

    pub(crate) fn fail_topic(&mut self, error: &Error) {
        let error_in_full = in_full(error);
        tracing::error!("{error_in_full}");
        self.errors.push(error_in_full);
        self.passing_errors += usize::from(error.is_retryable());
    }

    /// No snapshot of the cluster, for this reason.
    pub(crate) fn fail_snapshot(&mut self, error: &Error) {
        self.fail_object("no snapshot of the cluster was stored", error);
    }

    /// The ends of this run are not in the bucket.
    pub(crate) fn fail_ends(&mut self, error: &Error) {
        let what = "the ends of this run were not stored, so verify does not miss what it stored until the next snapshot includes it";
        self.fail_object(what, error);
    }

    fn fail_object(&mut self, what: &str, error: &Error) {
        let what = format!("{what}: {}", in_full(error));
        tracing::error!("{what}");
        self.errors.push(what);
        self.passing_errors += usize::from(error.is_retryable());
    }

    /// Where the chains end now that this invocation extended.
    pub(crate) fn extended(&self) -> BackedUpEnds {
        let mut ends = BackedUpEnds::new();
        for of in self.by_partition.values().filter(|of| of.has_moved()) {
            if let Some((folder, next)) = of.folder.clone().zip(of.next) {
                ends.entry(folder).or_default().insert(of.partition, next);
            }
        }
        ends
    }

    /// Whether all errors are transient: the next invocation can succeed without any change by the
    /// operator.
    pub(crate) fn is_retryable(&self) -> bool {
        let of_partitions = || self.partitions.iter().all(|one| one.error.is_none() || one.retryable == Some(true));
        self.errors.len() == self.passing_errors && of_partitions()
    }

    pub(crate) fn finish(&mut self, started: Millis, now: Millis) {
        self.partitions = std::mem::take(&mut self.by_partition).into_values().collect();
        let all = &self.partitions;
        self.segments = all.iter().map(|one| one.segments).sum();
        self.records = all.iter().map(|one| one.records).sum();
        self.log_bytes = all.iter().map(|one| one.log_bytes).sum();
        self.stored_bytes = all.iter().map(|one| one.stored_bytes).sum();
        self.lag_records = all.iter().map(|one| one.lag_records).sum();
        let lost = |gap: &&Gap| gap.reason == GapReason::LogStartMoved;
        self.gap_records = all.iter().flat_map(|one| &one.gaps).filter(lost).map(|gap| gap.to - gap.from).sum();
        self.succeeded = self.errors.is_empty() && all.iter().all(|one| one.error.is_none());
        self.duration_ms = now - started;
    }

    /// Whether everything readable of this invocation's partitions is in the bucket.
    pub fn is_caught_up(&self) -> bool {
        self.succeeded && self.partitions.iter().all(|one| one.lag_records <= one.held_by_transactions)
    }

    /// Whether this invocation wrote or adopted anything.
    pub fn has_moved(&self) -> bool {
        self.partitions.iter().any(PartitionReport::has_moved)
    }
}

impl PartitionReport {
    /// Whether this invocation wrote or adopted anything of it.
    pub fn has_moved(&self) -> bool {
        self.segments + self.adopted > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(end: i64, high_watermark: i64, next: Option<i64>) -> BackupReport {
        let (folder, store) = (String::from("orders"), String::new());
        let commit = next.map(|next| BackupCommit {
            version: BackupCommit::VERSION,
            next,
            folder,
            segment: 0,
            at: 0,
            topic_id: None,
            cluster_id: None,
            store,
            doubt: None,
        });
        let mut report = BackupReport::new();
        let range = OffsetRange { log_start: 3, end, high_watermark };
        report.see(&TopicPartition::new("orders", 0), &range, range.held_by_transactions(), commit.as_ref());
        report.finish(0, 0);
        report
    }

    #[test]
    fn caught_up_is_what_has_nothing_left() {
        let lags = [(10, 10, None, 7), (10, 10, Some(4), 6), (10, 10, Some(10), 0), (8, 10, Some(9), 1)];
        for (end, high_watermark, next, lag) in lags {
            let report = seen(end, high_watermark, next);
            assert_eq!((report.lag_records, report.is_caught_up()), (lag, lag <= 2), "{end} {high_watermark} {next:?}");
        }
    }

    /// An open transaction keeps records out of the bucket, and no one can read them: they are lag,
    /// and nothing to wait for.
    #[test]
    fn what_a_transaction_holds_is_lag() {
        let mut report = seen(8, 20, Some(8));
        assert_eq!((report.lag_records, report.partitions[0].held_by_transactions, report.is_caught_up()), (12, 12, true));
        let partition = report.partitions.remove(0);
        report.by_partition.insert(TopicPartition::new("orders", 0), partition);
        let (folder, store) = (String::from("orders"), String::new());
        let commit = BackupCommit {
            version: BackupCommit::VERSION,
            next: 15,
            folder,
            segment: 8,
            at: 0,
            cluster_id: None,
            topic_id: None,
            store,
            doubt: None,
        };
        let stored = Stored { commit, records: 7, log_bytes: 70, stored_bytes: 7, gap: None, adopted: false, is_as_read: true };
        report.add(&TopicPartition::new("orders", 0), &stored);
        report.finish(0, 0);
        assert_eq!((report.lag_records, report.partitions[0].held_by_transactions), (5, 5), "it ended while the partition was read");
    }

    #[test]
    fn a_log_that_lost_its_end_has_everything_left() {
        assert_eq!(seen(10, 10, Some(50)).lag_records, 7);
    }
}
