//! How much one invocation may use: time and memory. The number of records is a setting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kernel::clock::{Clock, Millis};

/// Set once, from anywhere: finish what is begun, begin nothing new.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Asks for a stop.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The budget of one invocation.
#[derive(Debug, Clone)]
pub struct Budget {
    /// When the platform ends the invocation; `None` when it is not known or there is no limit.
    pub deadline: Option<Millis>,
    /// Memory the process may use, in bytes.
    pub memory: u64,
    /// A stop from outside.
    pub stop: StopSignal,
}

impl Budget {
    /// Memory when nobody says otherwise: the smallest function that a cloud offers.
    pub const DEFAULT_MEMORY: u64 = 128 << 20;

    /// What the process needs before it holds a single record: code, TLS, SDK clients, librdkafka's own threads.
    const BASE_MEMORY: u64 = 40 << 20;

    /// When an invocation ends that begins now and may take so long.
    pub fn end(now: Millis, length: Duration) -> Millis {
        now.saturating_add(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))
    }

    /// No deadline, and the memory given or the default.
    pub fn unlimited(memory: Option<u64>) -> Self {
        Self { deadline: None, memory: memory.unwrap_or(Self::DEFAULT_MEMORY), stop: StopSignal::default() }
    }

    /// The same less so many bytes of memory, which are for something else than records.
    #[must_use]
    pub fn without(&self, bytes: u64) -> Self {
        Self { memory: self.memory.saturating_sub(bytes), ..self.clone() }
    }

    /// Bytes of memory for records and what works on them.
    pub fn for_records(&self) -> u64 {
        self.memory.saturating_sub(Self::BASE_MEMORY)
    }

    /// Whether nothing may begin any more, so that what was read is durable before the deadline. A third of the time, and at most ten seconds,
    /// is left for that.
    pub fn is_spent(&self, started: Millis, clock: &dyn Clock) -> bool {
        self.is_spent_with(started, clock, 0)
    }

    /// The same when what was read takes `upload` more milliseconds to be in the bucket.
    pub fn is_spent_with(&self, started: Millis, clock: &dyn Clock, upload: Millis) -> bool {
        self.stop.is_set()
            || self.deadline.is_some_and(|deadline| {
                let margin = ((deadline - started) / 3).clamp(0, 10_000);
                clock.now().saturating_add(upload) >= deadline - margin
            })
    }

    /// Bytes of compressed segment that one of `threads` workers may hold.
    pub fn segment_bytes(&self, threads: usize) -> usize {
        self.part_of_one(2, threads).max(1 << 20)
    }

    /// Bytes that Kafka's client may queue for one of `threads` workers. More than that is no faster.
    pub fn queue_bytes(&self, threads: usize) -> usize {
        self.response_bytes(threads).min(32 << 20)
    }

    /// Bytes that what a broker sends at once for one of `threads` workers may become in memory. It is this that bounds what a distant broker
    /// sends in a second, so it grows with the memory.
    pub fn response_bytes(&self, threads: usize) -> usize {
        self.part_of_one(5, threads).max(1 << 20)
    }

    /// Bytes that a reader of segments may unpack in one go for one of `threads` workers, while it fetches as many, and as many wait.
    pub fn stretch_bytes(&self, threads: usize) -> u64 {
        self.part_of_one(12, threads).max(128 << 10) as u64
    }

    /// Bytes that readers of segments may have fetched before they are wanted, all workers together. They share it, so their number does not matter.
    pub fn ahead_bytes(&self) -> u64 {
        self.part_of_one(4, 1) as u64
    }

    /// One part of the memory for records, if so many are made of what each of `threads` workers has of it.
    fn part_of_one(&self, parts: u64, threads: usize) -> usize {
        let left = self.for_records().max(8 << 20);
        usize::try_from(left / parts / threads.max(1) as u64).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments, what is queued, and a response that is unpacked behind it.
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

    /// What the tests of Kafka's client rest on.
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
