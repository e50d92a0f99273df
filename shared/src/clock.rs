//! The time, injected, so that tests never sleep on it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z, the unit of Kafka's timestamps.
pub type Millis = i64;

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
