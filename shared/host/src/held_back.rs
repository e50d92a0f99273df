//! What slows an invocation down besides its work: a store that throttles, and BYTES_PER_SECOND.

use store::{ObjectStore, Throttling};

use crate::RateLimit;

/// The state of both at the start of the invocation. They are counted per process.
#[derive(Debug)]
pub struct HeldBack<'a> {
    store: &'a dyn ObjectStore,
    rate: &'a RateLimit,
    throttling: Throttling,
    waited_ms: u64,
}

impl<'a> HeldBack<'a> {
    /// Starts to count for an invocation.
    pub fn begin(store: &'a dyn ObjectStore, rate: &'a RateLimit) -> Self {
        Self { store, rate, throttling: store.throttling(), waited_ms: rate.waited_ms() }
    }

    /// How much the store has throttled it. Also logs this.
    pub fn by_store(&self) -> Throttling {
        let throttling = self.store.throttling().since(self.throttling);
        throttling.log();
        throttling
    }

    /// How long threads have waited for the rate limit, in milliseconds, and a note for the report
    /// if that was much of the invocation's time.
    pub fn by_rate(&self, duration_ms: i64) -> (u64, Option<String>) {
        (self.rate.waited_ms() - self.waited_ms, self.rate.note(self.waited_ms, duration_ms))
    }
}
