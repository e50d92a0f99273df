//! A partition with something to read, and whether it is due.

use archive::catalog::BackupCommit;
use kafka::{OffsetRange, TopicPartition};
use kernel::clock::{Millis, age, rfc3339};

use crate::work::Run;
use crate::{Backup, Invocation};

/// Brokers abort a transaction of a living producer after at most this time (default of
/// `transaction.max.timeout.ms`).
const LONGEST_TRANSACTION: Millis = 15 * 60_000;

/// After this many RETRY_UPLOAD_SECONDS without a backup, an open transaction that holds records
/// counts as hanging.
const PAUSES_IN_PATIENCE: Millis = 3;

/// A partition with something to read.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) partition: TopicPartition,
    /// The partition's offsets when the invocation began; reading stops at `end`.
    pub(crate) range: OffsetRange,
    /// Our own last commit for exactly this topic. `None`: the bucket decides where to start.
    pub(crate) commit: Option<BackupCommit>,
    /// This invocation has seen the commit's segment in the bucket.
    pub(crate) is_stored: bool,
    /// It returned no records for a while, and the others went first.
    pub(crate) was_silent: bool,
}

impl Candidate {
    /// Offsets between the last backup and the end. Without a commit all of them, including those
    /// that were deleted: the bucket knows which of them it has, and a new commit saves asking it
    /// again.
    pub(crate) fn pending(&self) -> i64 {
        (self.range.end - self.commit.as_ref().map_or(0, |commit| commit.next)).max(0)
    }

    /// The log ends below the commit: it is not the log that was backed up.
    fn is_truncated(&self) -> bool {
        self.commit.as_ref().is_some_and(|commit| self.range.high_watermark < commit.next)
    }

    /// Whether an open transaction seems to hold it back permanently: there is nothing to back up
    /// before it, and there was nothing for long.
    fn is_stuck(&self, pause: Millis, now: Millis) -> bool {
        let patience = pause.saturating_mul(PAUSES_IN_PATIENCE).max(LONGEST_TRANSACTION);
        self.pending() == 0 && self.commit.as_ref().is_none_or(|commit| age(commit.at, now) >= patience)
    }

    /// The same partition after a segment that was just written, or will be.
    pub(crate) fn after(&self, commit: &BackupCommit) -> Self {
        // Reading may have passed the end as of the start of the invocation.
        let high_watermark = self.range.high_watermark.max(commit.next);
        Self { commit: Some(commit.clone()), is_stored: true, range: OffsetRange { high_watermark, ..self.range }, ..self.clone() }
    }
}

impl Backup {
    /// Whether to write a segment of this partition now: a full one always, a partial one if the
    /// last one is old enough.
    pub(crate) fn is_due(&self, candidate: &Candidate, invocation: &Invocation, now: Millis) -> bool {
        let pending = candidate.pending();
        let is_old = || {
            let pause = Millis::try_from(self.settings.retry_upload.as_millis()).unwrap_or(Millis::MAX);
            candidate.commit.as_ref().is_none_or(|commit| age(commit.at, now) >= pause)
        };
        let is_full = u64::try_from(pending).unwrap_or(0) >= self.settings.records_per_segment;
        if candidate.commit.as_ref().is_some_and(|commit| commit.doubt.is_some()) {
            candidate.range.end > candidate.range.log_start
        } else if candidate.is_truncated() {
            true
        } else {
            pending > 0 && (is_full || invocation.flush || is_old())
        }
    }

    /// Logs the offsets that an open transaction holds back: readers of committed records cannot
    /// read them yet. Most transactions end soon. While one hangs, nothing of the partition can be
    /// backed up, and in time retention deletes the waiting records.
    pub(crate) fn tell_held(&self, candidate: &Candidate, held: i64, now: Millis) {
        if held <= 0 {
            return;
        }
        let Candidate { partition, range, commit, .. } = candidate;
        let waiting = format!(
            "offsets {} to {} wait for an open transaction. If this persists: kafka-transactions.sh find-hanging, \
             then abort",
            range.high_watermark - held,
            range.high_watermark
        );
        let (topic, number) = (partition.topic.as_str(), partition.partition);
        let pause = Millis::try_from(self.settings.retry_upload.as_millis()).unwrap_or(Millis::MAX);
        if !candidate.is_stuck(pause, now) {
            tracing::info!(topic, partition = number, "{waiting}");
        } else {
            let since = commit.as_ref().map_or_else(|| "yet".to_owned(), |commit| format!("since {}", rfc3339(commit.at)));
            tracing::warn!(
                topic,
                partition = number,
                "nothing of this partition was backed up {since}: {waiting}. Otherwise retention deletes them"
            );
        }
    }
}

impl Run {
    /// Whether another segment of this partition should follow in the same invocation.
    pub(crate) fn is_due(&self, candidate: &Candidate) -> bool {
        self.backup.is_due(candidate, &self.invocation, self.backup.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_stays_open_is_told_from_one_that_is_just_open() {
        const MINUTE: Millis = 60_000;
        let stuck = |next: i64, minutes: Millis, pause: Millis| {
            let (folder, store) = (String::from("orders"), String::new());
            let commit = BackupCommit {
                version: BackupCommit::VERSION,
                next,
                folder,
                segment: 0,
                at: 0,
                cluster_id: None,
                topic_id: None,
                store,
                doubt: None,
            };
            let range = OffsetRange { log_start: 0, end: 10, high_watermark: 20 };
            let partition = TopicPartition::new("orders", 0);
            let candidate = Candidate { partition, range, commit: Some(commit), is_stored: false, was_silent: false };
            candidate.is_stuck(pause * MINUTE, minutes * MINUTE)
        };
        assert!(!stuck(10, 14, 1), "a producer that lives may take this long");
        assert!(stuck(10, 15, 1) && stuck(10, 90, 30));
        assert!(!stuck(10, 89, 30), "backups are rare");
        assert!(!stuck(9, 90, 1), "there is something to read before it");
    }
}
