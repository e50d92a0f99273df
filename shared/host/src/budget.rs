//! How much time and memory one invocation may use. The number of records is a setting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kernel::clock::{Clock, Millis};

/// Set once, by any thread: finish work in progress, start nothing new.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Requests a stop.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was requested.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The budget of one invocation.
#[derive(Debug, Clone)]
pub struct Budget {
    /// When the platform ends the invocation; `None` if that is unknown or there is no limit.
    pub deadline: Option<Millis>,
    /// Memory the process may use, in bytes.
    pub memory: u64,
    /// A stop request.
    pub stop: StopSignal,
}

impl Budget {
    /// Default memory: that of the smallest function in a cloud.
    pub const DEFAULT_MEMORY: u64 = 128 << 20;

    /// Memory of the process without any record: code, TLS, SDK clients, librdkafka's threads.
    const BASE_MEMORY: u64 = 40 << 20;

    /// The end of an invocation that starts now, with this time limit.
    pub fn end(now: Millis, length: Duration) -> Millis {
        now.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
    }

    /// No deadline, and the given or default memory.
    pub fn unlimited(memory: Option<u64>) -> Self {
        Self { deadline: None, memory: memory.unwrap_or(Self::DEFAULT_MEMORY), stop: StopSignal::default() }
    }

    /// With this many bytes less, which are used for something else than records.
    #[must_use]
    pub fn without(&self, bytes: u64) -> Self {
        Self { memory: self.memory.saturating_sub(bytes), ..self.clone() }
    }

    /// Bytes of memory for records and their processing.
    pub fn for_records(&self) -> u64 {
        self.memory.saturating_sub(Self::BASE_MEMORY)
    }

    /// Whether to start nothing new, so that everything read is durable before the deadline. That
    /// reserves a third of the time, at most ten seconds.
    pub fn is_spent(&self, started: Millis, clock: &dyn Clock) -> bool {
        self.is_spent_with(started, clock, 0)
    }

    /// Like [`Self::is_spent`], if uploading what was read takes `upload` milliseconds more.
    pub fn is_spent_with(&self, started: Millis, clock: &dyn Clock, upload: Millis) -> bool {
        self.stop.is_set()
            || self.deadline.is_some_and(|deadline| {
                let margin = ((deadline - started) / 3).clamp(0, 10_000);
                clock.now().saturating_add(upload) >= deadline - margin
            })
    }

    /// Bytes of compressed segment per worker, for `threads` workers.
    pub fn segment_bytes(&self, threads: usize) -> usize {
        self.part_of_one(2, threads).max(1 << 20)
    }

    /// Bytes that Kafka's client may queue per worker, for `threads` workers. A higher limit is no
    /// faster.
    pub fn queue_bytes(&self, threads: usize) -> usize {
        self.response_bytes(threads).min(32 << 20)
    }

    /// Bytes of memory that one response of a broker may use, per worker, for `threads` workers.
    /// This limits the throughput of a distant broker, so it grows with the memory.
    pub fn response_bytes(&self, threads: usize) -> usize {
        self.part_of_one(5, threads).max(1 << 20)
    }

    /// Bytes that a reader of segments may decompress at a time, per worker, for `threads` workers.
    /// The same amount is being fetched, and the same amount waits.
    pub fn stretch_bytes(&self, threads: usize) -> u64 {
        self.part_of_one(12, threads).max(128 << 10) as u64
    }

    /// Bytes that readers of segments may prefetch, for all workers together. They share it, so
    /// their number does not matter.
    pub fn ahead_bytes(&self) -> u64 {
        self.part_of_one(4, 1) as u64
    }

    /// One of `parts` equal parts of a worker's share of the memory for records.
    fn part_of_one(&self, parts: u64, threads: usize) -> usize {
        let left = self.for_records().max(8 << 20);
        usize::try_from(left / parts / threads.max(1) as u64).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments, the queue, and a response that is decompressed after it.
    #[test]
    fn all_of_it_fits_in_the_memory() {
        for memory in [128, 256, 1769, 10_240].map(|mib: u64| mib << 20) {
            for threads in [1, 2, 8] {
                let budget = Budget::unlimited(Some(memory));
                let of_one = budget.segment_bytes(threads) + budget.queue_bytes(threads) + budget.response_bytes(threads);
                assert!((of_one * threads) as u64 + Budget::BASE_MEMORY <= memory, "{memory} {threads}");
            }
        }
    }

    /// What the tests of Kafka's client rely on.
    #[test]
    fn what_kafkas_client_gets_of_the_memory() {
        let of = |mib: u64| {
            let budget = Budget::unlimited(Some(mib << 20));
            (budget.queue_bytes(1), budget.response_bytes(1))
        };
        let bytes = [(18_454_937, 18_454_937), (33_554_432, 98_985_574), (33_554_432, 362_597_580), (33_554_432, 2_139_095_040)];
        assert_eq!([128, 512, 1769, 10_240].map(of), bytes);
    }

    #[test]
    fn a_response_grows_with_the_memory_and_the_queue_does_not() {
        let of = |mib: u64, threads| {
            let budget = Budget::unlimited(Some(mib << 20));
            (budget.queue_bytes(threads) >> 20, budget.response_bytes(threads) >> 20)
        };
        assert_eq!([of(128, 1), of(128, 2), of(1769, 1), of(1769, 4)], [(17, 17), (8, 8), (32, 345), (32, 86)]);
    }
}
