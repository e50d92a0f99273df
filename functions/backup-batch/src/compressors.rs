//! How many groups are compressed in parallel, so that the codec's tables fit into the memory.

use archive::segment::Compression;
use config::{BackupSettings, ConfigError};
use host::Budget;

/// Parallel compression, and the memory for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compressors {
    /// Groups per worker that are compressed in parallel; 1 compresses in place.
    pub(crate) each: usize,
    /// Bytes of the tables of all workers.
    pub(crate) tables: u64,
}

impl Compressors {
    /// As many as there are processors, but at most half of the memory for records: slower rather
    /// than larger.
    pub(crate) fn fitting(settings: &BackupSettings, processors: usize, memory: u64) -> Self {
        let half = Budget::unlimited(Some(memory)).for_records() / 2;
        let of = |each| Self::new(settings.compression, settings.threads, each);
        (2..=processors).rev().map(of).find(|compressors| compressors.tables <= half).unwrap_or_else(|| of(1))
    }

    /// A worker passes on one group more than are compressed in parallel, before it waits.
    pub(crate) fn new(compression: Compression, threads: usize, each: usize) -> Self {
        let lanes = if each > 1 { threads * (each + 1) } else { threads };
        Self { each, tables: (lanes * compression.table_bytes()) as u64 }
    }

    /// Refuses a level whose tables leave no memory for records.
    pub(crate) fn check(self, settings: &BackupSettings, memory: u64) -> Result<(), ConfigError> {
        let budget = Budget::unlimited(Some(memory));
        let most = budget.for_records() / 4 * 3;
        if self.tables <= most {
            return Ok(());
        }
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let enough = memory - budget.for_records() + self.tables / 3 * 4 + (1 << 20);
        let problem = format!(
            "COMPRESSION: the tables of this level need {} MiB with NUMBER_OF_KAFKA_THREADS = {}, and MEMORY_LIMIT_MB \
             ({}) has {} MiB for records and tables: choose a lower level or fewer threads, or raise MEMORY_LIMIT_MB \
             to {}",
            mib(self.tables),
            settings.threads,
            memory >> 20,
            budget.for_records() >> 20,
            mib(enough)
        );
        Err(ConfigError { problems: vec![problem] })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::testing::Fake;

    fn settings(compression: Compression, threads: usize) -> BackupSettings {
        BackupSettings { compression, threads, ..(*Arc::clone(&Fake::default().backup().settings)).clone() }
    }

    #[test]
    fn tables_take_half_of_the_memory_at_most_or_there_is_one() {
        for compression in [Compression::Gzip(3), Compression::Gzip(12), Compression::Zstd(9), Compression::Zstd(19)] {
            for (threads, memory) in [(1, 128 << 20), (3, 128 << 20), (1, 1769 << 20), (8, 1769 << 20)] {
                let compressors = Compressors::fitting(&settings(compression, threads), 6, memory);
                let half = Budget::unlimited(Some(memory)).for_records() / 2;
                assert!((1..=6).contains(&compressors.each), "{compressors:?}");
                assert!(compressors.tables <= half || compressors.each == 1, "{compression:?} {threads} {memory}: {compressors:?}");
            }
        }
        let cheap = Compressors::fitting(&settings(Compression::Gzip(3), 1), 6, 1769 << 20);
        assert_eq!(cheap.each, 6, "as many as there are processors");
    }

    #[test]
    fn a_level_that_the_memory_does_not_hold_is_refused_with_what_is_enough() {
        let of = |threads, memory: u64| {
            let settings = settings(Compression::Zstd(19), threads);
            Compressors::fitting(&settings, 2, memory).check(&settings, memory)
        };
        of(1, 128 << 20).unwrap();
        let error = of(8, 128 << 20).unwrap_err().to_string();
        assert!(error.starts_with("COMPRESSION: the tables of this level need ") && error.contains("MEMORY_LIMIT_MB (128)"), "{error}");
        let enough: u64 = error.rsplit(' ').next().unwrap().parse().unwrap();
        of(8, enough << 20).unwrap();
    }
}
