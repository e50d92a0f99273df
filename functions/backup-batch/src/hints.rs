//! What is said once in a process, because a setting could serve its owner better.

use std::sync::atomic::{AtomicBool, Ordering};

use host::Budget;
use kafka::TopicPartition;

use crate::work::Run;

/// Which of them were said already.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    large_record: AtomicBool,
}

impl Run {
    /// Says that records are too large for the memory, and how much is enough.
    pub(crate) fn hint_at_large_record(&self, partition: &TopicPartition, record: u64) {
        let (backup, memory) = (&self.backup, self.invocation.budget.memory);
        let (threads, needed) = (backup.settings.threads, needed_memory(record, backup.settings.threads, backup.compressors.tables));
        if needed <= memory || backup.hints.large_record.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            topic = partition.topic,
            partition = partition.partition,
            "a record of {} MB needs more memory than MEMORY_LIMIT_MB ({}): the process can exceed its limit while it reads such records, and be killed \
             for it. Raise MEMORY_LIMIT_MB, and the memory of the function, to {}, or lower NUMBER_OF_KAFKA_THREADS ({threads})",
            record.div_ceil(1_000_000),
            memory >> 20,
            needed.div_ceil(1 << 20),
        );
    }
}

/// Memory that is enough for records of this size: each thread has one that is queued, one that is being read, its copy, and what that is compressed to.
fn needed_memory(record: u64, threads: usize, tables: u64) -> u64 {
    let base = Budget::DEFAULT_MEMORY - Budget::unlimited(None).for_records();
    base + tables + record.saturating_mul(4).saturating_mul(threads as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_that_is_asked_for_is_enough() {
        assert_eq!(needed_memory(50_000_000, 1, 2 << 20).div_ceil(1 << 20), 233);
        assert!(needed_memory(5_000_000, 1, 2 << 20) < Budget::DEFAULT_MEMORY);
    }
}
