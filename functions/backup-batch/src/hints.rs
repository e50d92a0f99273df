//! Hints about settings that could be better, logged once per process.

use std::sync::atomic::{AtomicBool, Ordering};

use host::Budget;
use kafka::TopicPartition;

use crate::publish::Stored;
use crate::read::Ready;
use crate::work::Run;

/// A segment that ends at NUMBER_OF_MESSAGE_PER_BACKUP_FILE below this size is small: its requests
/// dominate its cost. In bytes.
const SMALL_SEGMENT: u64 = 256 << 10;
/// The number of small segments left to write that causes a hint.
const MANY: u64 = 100;
/// The target size of a segment, in bytes.
const GOOD_SEGMENT: u64 = 16 << 20;
/// A segment and its `.sha256`.
const OBJECTS: u64 = 2;

/// Which hints were logged.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    large_record: AtomicBool,
    small_segments: AtomicBool,
}

impl Run {
    /// Hints that records are too large for the memory, and how much is enough.
    pub(crate) fn hint_at_large_record(&self, partition: &TopicPartition, record: u64) {
        let (backup, memory) = (&self.backup, self.invocation.budget.memory);
        let (threads, needed) = (backup.settings.threads, needed_memory(record, backup.settings.threads, backup.compressors.tables));
        if needed <= memory || backup.hints.large_record.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            topic = partition.topic,
            partition = partition.partition,
            "a record of {} MB needs more memory than MEMORY_LIMIT_MB ({}): the process can exceed its limit while it \
             reads such records, and be killed. Raise MEMORY_LIMIT_MB, and the memory of the function, to {}, or lower \
             NUMBER_OF_KAFKA_THREADS ({threads})",
            record.div_ceil(1_000_000),
            memory >> 20,
            needed.div_ceil(1 << 20),
        );
    }

    /// Hints that many small segments are left to write, and how many fewer they could be.
    pub(crate) fn hint_at_small_segments(&self, ready: &Ready, stored: &Stored) {
        let limit = self.backup.settings.records_per_segment;
        let waiting = u64::try_from(ready.candidate.range.end - stored.commit.next).unwrap_or(0);
        let Some(hint) = small_segments(&ready.candidate.partition, stored, limit, waiting) else { return };
        if !self.backup.hints.small_segments.swap(true, Ordering::Relaxed) {
            tracing::warn!(topic = ready.candidate.partition.topic, partition = ready.candidate.partition.partition, "{hint}");
        }
    }
}

fn small_segments(partition: &TopicPartition, stored: &Stored, limit: u64, waiting: u64) -> Option<String> {
    let is_cut_by_records = stored.records >= limit;
    if !is_cut_by_records || stored.stored_bytes >= SMALL_SEGMENT || waiting / limit < MANY {
        return None;
    }
    let fitting = limit.saturating_mul(GOOD_SEGMENT) / stored.stored_bytes.max(1);
    let better = 10_u64.saturating_pow(fitting.ilog10());
    let objects = |limit: u64| waiting.div_ceil(limit) * OBJECTS;
    Some(format!(
        "partition {partition}: segments of {} kB with {waiting} records waiting. NUMBER_OF_MESSAGE_PER_BACKUP_FILE={limit} makes {} objects of them, \
         {better} would make {}. Each object costs requests now and in every list, verify and restore",
        stored.stored_bytes.div_ceil(1000),
        objects(limit),
        objects(better),
    ))
}

/// Enough memory for records of this size: each thread has one that is queued, one that is being
/// read, its copy, and its compressed form.
fn needed_memory(record: u64, threads: usize, tables: u64) -> u64 {
    let base = Budget::DEFAULT_MEMORY - Budget::unlimited(None).for_records();
    base + tables + record.saturating_mul(4).saturating_mul(threads as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use archive::catalog::BackupCommit;

    use super::*;

    fn stored(records: u64, stored_bytes: u64) -> Stored {
        let commit = BackupCommit {
            version: BackupCommit::VERSION,
            next: 0,
            folder: "orders".to_owned(),
            segment: 0,
            at: 0,
            cluster_id: None,
            topic_id: None,
            store: String::new(),
            doubt: None,
        };
        Stored { commit, records, log_bytes: 0, stored_bytes, gap: None, adopted: false, is_as_read: true }
    }

    #[test]
    fn small_segments_are_named_with_what_would_make_fewer() {
        let hint = |stored: &Stored, waiting| small_segments(&TopicPartition::new("orders", 0), stored, 1000, waiting);
        let said = hint(&stored(1000, 12_000), 4_000_000).unwrap();
        assert!(said.starts_with("partition orders/0: segments of 12 kB with 4000000 records waiting. "), "{said}");
        assert!(said.contains("NUMBER_OF_MESSAGE_PER_BACKUP_FILE=1000 makes 8000 objects of them, 1000000 would make 8."), "{said}");
        assert_eq!(hint(&stored(1000, 12_000), 99_999), None, "not many");
        assert_eq!(hint(&stored(1000, SMALL_SEGMENT), 4_000_000), None, "not small");
        assert_eq!(hint(&stored(999, 12_000), 4_000_000), None, "it is not the number of records that ended it");
    }

    #[test]
    fn the_memory_that_is_asked_for_is_enough() {
        assert_eq!(needed_memory(50_000_000, 1, 2 << 20).div_ceil(1 << 20), 233);
        assert!(needed_memory(5_000_000, 1, 2 << 20) < Budget::DEFAULT_MEMORY);
    }
}
