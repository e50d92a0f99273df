//! The time, injected, so that tests need no sleeping.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z, the unit of Kafka's timestamps.
pub type Millis = i64;

/// For people: RFC 3339 in UTC, or the number if no calendar has the time.
pub fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// How much clocks of different machines may differ.
pub const SKEW: Millis = 5 * 60_000;

/// How long ago a stored time was. A time in the future was written by a clock that was ahead. Its
/// age is unknown, and waiting for it could take years, so it counts as very old.
pub fn age(stored: Millis, now: Millis) -> Millis {
    if stored > now.saturating_add(SKEW) { Millis::MAX } else { now.saturating_sub(stored) }
}

/// A source of the time.
pub trait Clock: Debug + Send + Sync {
    /// Now, in milliseconds since the epoch.
    fn now(&self) -> Millis;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
    }
}

/// The machine's clock, as a shared object.
pub fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_still_to_come_was_long_ago() {
        let ages = [(40, 60), (100, 0), (100 + SKEW, -SKEW), (101 + SKEW, Millis::MAX), (Millis::MAX, Millis::MAX)];
        for (stored, expected) in ages {
            assert_eq!(age(stored, 100), expected, "{stored}");
        }
    }
}
