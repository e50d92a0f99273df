//! How long the bucket needs for what is held, as measured. Reading ends in time for that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kernel::clock::{Clock, Millis};
use kernel::lock;
use store::RetryPolicy;

/// A smaller upload takes as long as a request does, at any rate.
const TELLING_BYTES: u64 = 1 << 20;

/// Unless it takes this long.
const TELLING_TIME: Millis = 5_000;

/// The rate of all uploads together. Clones share it, and it outlives an invocation: a slow line is
/// known at the start of the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploads(Arc<Mutex<Measured>>);

#[derive(Debug, Default)]
struct Measured {
    /// Bytes per second; `None`: nothing was measured yet.
    rate: Option<f64>,
    under_way: u32,
    /// The number of parallel uploads, summed over the milliseconds until `at`.
    load: f64,
    at: Millis,
}

/// An upload in progress.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    uploads: &'a Uploads,
    clock: &'a dyn Clock,
    started: Millis,
    load: f64,
}

impl Uploads {
    pub(crate) fn begin<'a>(&'a self, clock: &'a dyn Clock) -> Upload<'a> {
        let mut measured = lock(&self.0);
        let started = clock.now();
        measured.pass_to(started);
        measured.under_way += 1;
        Upload { uploads: self, clock, started, load: measured.load }
    }

    /// How long this many bytes take. Until something is measured, at the lowest bandwidth that
    /// requests are tried with.
    pub(crate) fn time_for(&self, bytes: u64) -> Millis {
        let rate = lock(&self.0).rate.unwrap_or(RetryPolicy::SLOWEST_LINE as f64);
        (bytes as f64 * 1000.0 / rate) as Millis
    }
}

impl Upload<'_> {
    /// All of it is in the bucket.
    pub(crate) fn done(self, bytes: u64) {
        let (sample, is_telling) = self.sample(bytes);
        let mut measured = lock(&self.uploads.0);
        measured.rate = match (measured.rate, is_telling) {
            (None, false) => None,
            (None, true) => Some(sample),
            // The line has at least this rate.
            (Some(rate), false) => Some(rate.max(sample)),
            // A line that gets slower is believed immediately.
            (Some(rate), true) => Some(sample.min((3.0 * rate + sample) / 4.0)),
        };
    }

    /// It was not done in this time: the line has a lower, unknown rate. The next estimate is half
    /// of it.
    pub(crate) fn given_up(self, bytes: u64) {
        if self.time() >= TELLING_TIME {
            let sample = self.sample(bytes).0 / 2.0;
            let mut measured = lock(&self.uploads.0);
            measured.rate = Some(measured.rate.map_or(sample, |rate| rate.min(sample)));
        }
    }

    fn time(&self) -> Millis {
        (self.clock.now() - self.started).max(1)
    }

    /// The rate of the whole line in bytes per second, of which this upload had a share, and
    /// whether it exceeds the duration of a bare request.
    fn sample(&self, bytes: u64) -> (f64, bool) {
        let time = self.time();
        let mut measured = lock(&self.uploads.0);
        measured.pass_to(self.started + time);
        let sharing = ((measured.load - self.load) / time as f64).max(1.0);
        // For an upload of no bytes the rate would be zero, and the time for others infinite.
        let rate = (bytes.max(1) as f64 * 1000.0 / time as f64) * sharing;
        (rate, bytes >= TELLING_BYTES || time >= TELLING_TIME)
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let mut measured = lock(&self.uploads.0);
        measured.pass_to(self.clock.now());
        measured.under_way -= 1;
    }
}

impl Measured {
    fn pass_to(&mut self, now: Millis) {
        self.load += f64::from(self.under_way) * (now - self.at).max(0) as f64;
        self.at = self.at.max(now);
    }
}

/// Bytes that all workers hold and that are not in the bucket yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<AtomicU64>);

/// One segment's part of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    held: Held,
    bytes: u64,
}

impl Held {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn share(&self) -> Share {
        Share { held: self.clone(), bytes: 0 }
    }
}

impl Share {
    pub(crate) fn set(&mut self, bytes: u64) {
        self.held.0.fetch_add(bytes, Ordering::Relaxed);
        self.held.0.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;

    #[derive(Debug, Default)]
    struct Now(AtomicI64);

    impl Now {
        fn pass(&self, millis: Millis) {
            self.0.fetch_add(millis, Ordering::Relaxed);
        }
    }

    impl Clock for Now {
        fn now(&self) -> Millis {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn upload(uploads: &Uploads, clock: &Now, bytes: u64, millis: Millis) {
        let upload = uploads.begin(clock);
        clock.pass(millis);
        upload.done(bytes);
    }

    #[test]
    fn the_slowest_line_is_reckoned_with_until_one_was_measured() {
        let (uploads, clock) = (Uploads::default(), Now::default());
        assert_eq!(uploads.time_for(1 << 20), 4_000);
        upload(&uploads, &clock, 100, 300);
        assert_eq!(uploads.time_for(1 << 20), 4_000, "a small object says nothing of the line");
        upload(&uploads, &clock, 10 << 20, 1_000);
        assert_eq!(uploads.time_for(100 << 20), 10_000);
    }

    #[test]
    fn a_line_that_gets_slower_is_believed_at_once_and_a_faster_one_by_and_by() {
        let (uploads, clock) = (Uploads::default(), Now::default());
        upload(&uploads, &clock, 8_000_000, 1_000);
        upload(&uploads, &clock, 4_000_000, 1_000);
        assert_eq!(uploads.time_for(4_000_000), 1_000);
        upload(&uploads, &clock, 8_000_000, 1_000);
        assert_eq!(uploads.time_for(5_000_000), 1_000);
    }

    /// One small object that had to wait does not make all later segments small.
    #[test]
    fn an_outlier_is_forgotten() {
        let (uploads, clock) = (Uploads::default(), Now::default());
        upload(&uploads, &clock, 1_000, 20_000);
        assert_eq!(uploads.time_for(1_000), 20_000);
        upload(&uploads, &clock, 100_000, 100);
        assert_eq!(uploads.time_for(1_000_000), 1_000);
    }

    #[test]
    fn uploads_at_the_same_time_share_the_line() {
        let (uploads, clock) = (Uploads::default(), Now::default());
        let (one, other) = (uploads.begin(&clock), uploads.begin(&clock));
        clock.pass(1_000);
        one.done(5_000_000);
        assert_eq!(uploads.time_for(10_000_000), 1_000);
        drop(other);
        upload(&uploads, &clock, 5_000_000, 1_000);
        assert_eq!(uploads.time_for(5_000_000), 1_000, "alone on it");
    }

    #[test]
    fn what_was_given_up_says_how_slow_the_line_is() {
        let (uploads, clock) = (Uploads::default(), Now::default());
        for (millis, time) in [(1_000, 4_000), (100_000, 200_000)] {
            let upload = uploads.begin(&clock);
            clock.pass(millis);
            upload.given_up(1 << 20);
            assert_eq!(uploads.time_for(1 << 20), time, "an immediate failure says nothing");
        }
    }

    #[test]
    fn a_share_is_held_as_long_as_it_lives() {
        let held = Held::default();
        let (mut one, mut other) = (held.share(), held.share());
        one.set(10);
        other.set(5);
        one.set(3);
        assert_eq!(held.bytes(), 8);
        drop(one);
        assert_eq!(held.bytes(), 5);
    }
}
