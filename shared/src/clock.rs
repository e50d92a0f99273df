//! The time, injected, so that tests never sleep on it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z, the unit of Kafka's timestamps.
pub type Millis = i64;

/// For people: RFC 3339 in UTC, or the bare number of a time that no calendar has.
pub fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// Tells the time.
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

/// The machine's clock, ready to be shared.
pub fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}
