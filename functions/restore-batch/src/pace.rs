//! The size of a transaction: as much as the target accepts well within the brokers' limit
//! (`transaction.timeout.ms`).
//!
//! A broker aborts a transaction that lasts longer, with all its records: a restore whose
//! transactions never fit would never restore anything. So the first one is small, and the next
//! ones follow the measured rate. Each invocation learns it again.

use std::time::Duration;

use kernel::clock::Millis;

/// Bytes of the first transaction: within five minutes even at 60 bytes per second.
const FIRST: usize = 16 << 10;

/// Most bytes of a transaction: more would not be faster. (Few in builds with failpoints, so that
/// the tests find many.)
const MOST: usize = if cfg!(feature = "failpoints") { 12 << 10 } else { 16 << 20 };

/// Bytes that are always allowed. A single record is always accepted.
const LEAST: usize = 4 << 10;

/// The longest duration of a transaction, because readers of the target wait for its end.
const LONGEST: Millis = 10_000;

/// A transaction uses this part of the brokers' limit: a target can get slower, and bytes compress
/// more or less.
const PART: Millis = 8;

/// A transaction that took less than this part of its allowed time says little about the rate.
const QUICK: Millis = 16;

/// The size of the next transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Bytes of records that it may contain.
    pub(crate) bytes: usize,
    /// How long it may last.
    pub(crate) lasts: Millis,
}

impl Pace {
    /// For an unknown target, whose brokers abort transactions after `timeout`.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { bytes: FIRST.min(MOST), lasts: lasts(timeout) }
    }

    /// The brokers abort transactions after `timeout`: the assumption before they were asked may be
    /// longer.
    pub(crate) fn fit(&mut self, timeout: Duration) {
        self.lasts = lasts(timeout);
    }

    /// A transaction of this size was committed, after this wait for the brokers, in milliseconds.
    pub(crate) fn took(&mut self, bytes: usize, waited: Millis) {
        let is_full = bytes >= self.bytes / 2;
        if waited <= self.lasts / QUICK {
            if is_full {
                self.bytes = self.bytes.saturating_mul(4).min(MOST);
            }
        } else if is_full || waited > self.lasts {
            let in_time = u128::try_from(self.lasts).unwrap_or(0) * bytes as u128 / u128::try_from(waited).unwrap_or(1).max(1);
            let fits = usize::try_from(in_time).unwrap_or(MOST);
            self.bytes = fits.min(self.bytes.saturating_mul(2)).clamp(LEAST.min(MOST), MOST);
        }
    }
}

/// The longest duration of a transaction.
fn lasts(timeout: Duration) -> Millis {
    (Millis::try_from(timeout.as_millis()).unwrap_or(Millis::MAX) / PART).clamp(1, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_MINUTES: Duration = Duration::from_secs(300);

    #[test]
    fn a_fast_target_gets_large_transactions_soon() {
        let mut pace = Pace::new(FIVE_MINUTES);
        for _ in 0..5 {
            pace.took(pace.bytes, 100);
        }
        assert_eq!((pace.bytes, pace.lasts), (MOST, LONGEST));
    }

    /// A quota lets brokers respond immediately, and accept the next request that much later: the
    /// wait of a transaction is the time of the previous one.
    #[test]
    fn no_transaction_of_a_slow_target_lasts_as_long_as_brokers_allow() {
        for (timeout, rate) in [(300_000, 1_000), (300_000, 56_000), (300_000, 5_000_000), (10_000, 20_000), (10_000, 1_000_000)] {
            let mut pace = Pace::new(Duration::from_millis(timeout));
            let (mut before, mut sum, mut time) = (0, 0, 0);
            for _ in 0..200 {
                let bytes = pace.bytes;
                let waited = Millis::try_from(before * 1000 / rate).unwrap_or(Millis::MAX);
                assert!(
                    waited < Millis::try_from(timeout).unwrap_or(0) * 3 / 4,
                    "{bytes} bytes at {rate} bytes a second: {waited} ms of {timeout}"
                );
                pace.took(bytes, waited);
                (before, sum, time) = (bytes, sum + bytes, time + waited);
            }
            assert!(time > 0 && sum > rate / 2, "{rate}");
        }
    }

    #[test]
    fn a_transaction_fits_what_the_brokers_allow() {
        let mut pace = Pace::new(FIVE_MINUTES);
        pace.took(pace.bytes, 1);
        let bytes = pace.bytes;
        pace.fit(Duration::from_millis(4_000));
        assert_eq!((pace.bytes, pace.lasts), (bytes, 500));
    }

    #[test]
    fn a_target_that_gets_slow_gets_less_and_then_more_again() {
        let mut pace = Pace::new(FIVE_MINUTES);
        (0..5).for_each(|_| pace.took(pace.bytes, 1));
        pace.took(MOST, 160_000);
        assert_eq!(pace.bytes, MOST / 16);
        pace.took(100, 5_000);
        assert_eq!(pace.bytes, MOST / 16, "a commit takes its time however little it commits");
        (0..5).for_each(|_| pace.took(pace.bytes, 1));
        assert_eq!(pace.bytes, MOST);
    }
}
