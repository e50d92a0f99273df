use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock;

/// When the requests of the current invocation have to be complete. The host sets it at the start
/// of each invocation. A store that shares it (clones do) neither waits nor retries beyond it.
/// Initially unset: no limit.
#[derive(Debug, Clone, Default)]
pub struct Deadline(Arc<Mutex<Option<Instant>>>);

impl Deadline {
    /// A deadline that limits nothing until it is set.
    pub fn unset() -> Self {
        Self::default()
    }

    /// Sets it, for every clone, to this long from now; `None` unsets it.
    pub fn set(&self, left: Option<Duration>) {
        // A time too far away to be represented is as good as none.
        let at = left.and_then(|left| Instant::now().checked_add(left));
        *lock(&self.0) = at;
    }

    /// Sets it for an invocation that ends after this time. Reserves a tenth of it, at most a
    /// second, for the report. So a store that hangs is reported before the platform kills the
    /// invocation.
    pub fn set_for_invocation(&self, left: Option<Duration>) {
        self.set(left.map(|left| left - (left / 10).min(Duration::from_secs(1))));
    }

    /// The time left, zero if it has passed; `None` if there is no limit.
    pub fn remaining(&self) -> Option<Duration> {
        let at = *lock(&self.0);
        at.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_to_report_is_left() {
        let deadline = Deadline::unset();
        for (left, requests) in [(900_000, 899_000), (10_000, 9_000), (3_000, 2_700), (0, 0)] {
            deadline.set_for_invocation(Some(Duration::from_millis(left)));
            assert!(deadline.remaining().is_some_and(|remaining| remaining <= Duration::from_millis(requests)), "{left}");
        }
        deadline.set_for_invocation(None);
        assert_eq!(deadline.remaining(), None);
    }
}
