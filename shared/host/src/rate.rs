//! BYTES_PER_SECOND: limits the rate of records over all threads of a process, so that the cluster
//! does not notice.
//!
//! Why not a crate: a record, or a response of a broker, can be larger than the bytes of a second,
//! and its size is known only after the transfer. `governor` refuses amounts above its burst, and
//! needs its own timers. `leaky-bucket` needs the amount in advance. The rest is one line.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::lock;
use tokio::time::{Instant, sleep};

/// Idle time that can be caught up: at most half a second's bytes then come in one burst.
const CREDIT: Duration = Duration::from_millis(500);

/// Shorter waits are combined.
const SHORTEST: Duration = Duration::from_millis(20);

/// A limit that threads share. Clones share it too.
#[derive(Clone, Default)]
pub struct RateLimit(Option<Arc<Limiter>>);

struct Limiter {
    bytes_per_second: u64,
    /// The time at which all bytes so far would have been transferred at this rate.
    paid: Mutex<Option<Instant>>,
    /// How long threads have waited, in milliseconds.
    waited: AtomicU64,
}

/// The share of one thread: bytes that it has transferred, and when it may continue.
#[derive(Debug, Default)]
pub struct Paced {
    limit: RateLimit,
    /// Transferred, and not yet added to the shared limit.
    bytes: u64,
    due: Option<Instant>,
}

impl RateLimit {
    /// A limit in bytes per second; `None`: no limit.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        let limiter = |bytes: u64| Limiter { bytes_per_second: bytes.max(1), paid: Mutex::default(), waited: AtomicU64::default() };
        Self(bytes_per_second.map(|bytes| Arc::new(limiter(bytes))))
    }

    /// The share of one thread. It waits for what others have transferred before.
    pub fn thread(&self) -> Paced {
        let due = self.0.as_ref().and_then(|limiter| *lock(&limiter.paid));
        Paced { limit: self.clone(), bytes: 0, due }
    }

    /// Bytes that a thread transfers before it waits.
    fn at_once(&self) -> u64 {
        self.0.as_ref().map_or(u64::MAX, |limiter| (limiter.bytes_per_second / 4).max(1))
    }

    /// Bytes that may be prefetched per partition, for this many reading threads. Bytes that are
    /// fetched in vain load the cluster, and are not counted here.
    pub fn read_ahead(&self, threads: usize) -> usize {
        /// Smaller fetches would mean many requests for few bytes.
        const LEAST: u64 = 64 << 10;
        let each = self.0.as_ref().map(|_| (self.at_once() / threads.max(1) as u64).max(LEAST));
        each.and_then(|each| usize::try_from(each).ok()).unwrap_or(usize::MAX)
    }

    /// How long threads have waited so far, in milliseconds, in total.
    pub fn waited_ms(&self) -> u64 {
        self.0.as_ref().map_or(0, |limiter| limiter.waited.load(Ordering::Relaxed))
    }

    /// For the report, if the limit slowed the invocation down. `before`: how long threads had
    /// waited when it started.
    pub fn note(&self, before: u64, duration_ms: i64) -> Option<String> {
        let waited = self.waited_ms() - before;
        let limiter = self.0.as_ref().filter(|_| i128::from(waited) * 10 >= i128::from(duration_ms.max(1)))?;
        Some(format!(
            "BYTES_PER_SECOND ({}) slowed this invocation down: threads waited {:.1} s in total",
            limiter.bytes_per_second,
            waited as f64 / 1000.0
        ))
    }
}

impl Limiter {
    /// Adds transferred bytes. Returns when the next ones may follow.
    fn moved(&self, bytes: u64, now: Instant) -> Instant {
        let mut paid = lock(&self.paid);
        let from = paid.map_or(now, |paid| paid.max(now.checked_sub(CREDIT).unwrap_or(now)));
        // A year is as good as any longer time, and can be added to a time.
        let takes = (bytes as f64 / self.bytes_per_second as f64).min(366.0 * 24.0 * 3600.0);
        let next = from + Duration::from_secs_f64(takes);
        *paid = Some(next);
        next
    }
}

impl Paced {
    /// Adds bytes of this thread. Returns whether it should wait before it continues.
    pub fn add(&mut self, bytes: usize) -> bool {
        self.bytes += bytes as u64;
        self.bytes >= self.limit.at_once()
    }

    fn settle(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Some(limiter) = self.limit.0.as_ref().filter(|_| bytes > 0) {
            self.due = Some(limiter.moved(bytes, Instant::now()));
        }
    }

    /// How long it has to wait before it may continue; zero if the wait is too short to matter.
    pub fn left(&mut self) -> Duration {
        self.settle();
        let left = self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        if left >= SHORTEST { left } else { Duration::ZERO }
    }

    /// Waits for part of that time, at most `most`. Returns whether there was anything to wait for.
    pub async fn wait(&mut self, most: Duration) -> bool {
        let left = self.left();
        if left.is_zero() {
            return false;
        }
        let start = Instant::now();
        sleep(left.min(most)).await;
        if let Some(limiter) = &self.limit.0 {
            limiter.waited.fetch_add(u64::try_from(start.elapsed().as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
        true
    }
}

impl Drop for Paced {
    /// Its bytes count for later threads.
    fn drop(&mut self) {
        self.settle();
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimit").field(&self.0.as_ref().map(|limiter| limiter.bytes_per_second)).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(bytes_per_second: u64) -> Arc<Limiter> {
        RateLimit::new(Some(bytes_per_second)).0.unwrap()
    }

    /// Alternating threads, with amounts below and far above what a second allows, some of them
    /// late: together they keep the rate within 10 %.
    #[test]
    fn the_rate_is_kept_over_all_threads() {
        for (threads, amount) in [(1, 10), (4, 999), (16, 1_000), (3, 25_000), (64, 77)] {
            let (limiter, start) = (limiter(1_000), Instant::now());
            let mut due = vec![start; threads];
            let mut bytes = 0;
            // The thread that may continue first is next, up to 15 ms late.
            while let Some(next) = due.iter_mut().min() {
                if *next >= start + 300 * SECOND {
                    break;
                }
                let late = Duration::from_millis(bytes % 16);
                *next = limiter.moved(amount, *next + late);
                bytes += amount;
            }
            let rate = bytes as f64 / 300.0;
            // The last transfer is waited for later.
            let most = 1_100.0 + (threads as u64 * amount) as f64 / 300.0;
            assert!(rate >= 900.0 && rate <= most, "{threads} threads, {amount} bytes each time: {rate} bytes a second");
        }
    }

    #[test]
    fn time_in_which_nothing_moved_is_hardly_made_up_for() {
        let (limiter, start) = (limiter(1_000), Instant::now());
        assert_eq!(limiter.moved(1_000, start), start + SECOND);
        let later = start + 100 * SECOND;
        assert_eq!(limiter.moved(1_000, later), later + SECOND / 2);
        assert_eq!(limiter.moved(1_000, later), later + SECOND * 3 / 2);
    }

    #[test]
    fn a_new_thread_waits_for_what_others_have_moved() {
        let limit = RateLimit::new(Some(1));
        assert_eq!(limit.thread().left(), Duration::ZERO);
        limit.thread().add(usize::MAX);
        assert!(limit.thread().left() > 300 * 24 * 3600 * SECOND);
    }

    #[tokio::test]
    async fn without_a_limit_nothing_waits() {
        let limit = RateLimit::new(None);
        let mut paced = limit.thread();
        assert!(!paced.add(1 << 40));
        assert!(!paced.wait(SECOND).await);
        assert_eq!((limit.at_once(), limit.waited_ms(), limit.note(0, 0)), (u64::MAX, 0, None));
        assert_eq!(limit.read_ahead(4), usize::MAX);
    }

    #[test]
    fn little_is_read_ahead_at_a_low_rate() {
        for (rate, ahead) in [(1, 64 << 10), (16 << 20, 1 << 20), (1 << 40, 1 << 36)] {
            assert_eq!(RateLimit::new(Some(rate)).read_ahead(4), ahead);
        }
    }

    #[tokio::test]
    async fn what_is_waited_is_counted_and_told() {
        let limit = RateLimit::new(Some(1_000));
        let mut paced = limit.thread();
        assert!(!paced.add(249) && paced.add(999_751));
        assert!(paced.wait(Duration::from_millis(30)).await);
        assert!(limit.waited_ms() >= 30 && paced.left() > 900 * SECOND);
        assert!(limit.note(0, 100).unwrap().contains("BYTES_PER_SECOND (1000)"));
        assert_eq!(limit.note(0, 1_000_000), None);
    }
}
