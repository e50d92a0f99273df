//! What holds an invocation back that is not its work: a store that throttles, and BYTES_PER_SECOND.

use store::{ObjectStore, Throttling};

use crate::RateLimit;

/// Both as they were when the invocation began. They are counted for the whole process.
#[derive(Debug)]
pub struct HeldBack<'a> {
    store: &'a dyn ObjectStore,
    rate: &'a RateLimit,
    throttling: Throttling,
    waited_ms: u64,
}

impl<'a> HeldBack<'a> {
    /// The invocation begins.
    pub fn begin(store: &'a dyn ObjectStore, rate: &'a RateLimit) -> Self {
        Self { store, rate, throttling: store.throttling(), waited_ms: rate.waited_ms() }
    }

    /// How much the store has slowed it down. The log says so, too.
    pub fn by_store(&self) -> Throttling {
        let throttling = self.store.throttling().since(self.throttling);
        throttling.log();
        throttling
    }

    /// How long threads have waited for the rate, in milliseconds, and what a report says of that when it was much of the invocation's time.
    pub fn by_rate(&self, duration_ms: i64) -> (u64, Option<String>) {
        (self.rate.waited_ms() - self.waited_ms, self.rate.note(self.waited_ms, duration_ms))
    }
}
