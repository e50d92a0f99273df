//! One rate limit for all requests of a store, adapted as TCP adapts its window. A store that
//! throttles (503, 429, SlowDown, ServerBusy) halves the number of concurrent requests, and all of
//! them back off. Successful responses raise the number again, by one per round trip.
//!
//! If one request at a time is still too much, there is also a gap between two requests. It
//! doubles, and shrinks slowly.
//!
//! Why not a crate: Amazon's SDK has a limiter, but only for its own retries, which know no
//! deadline and do not apply to Azure. `tower`'s limits are fixed. `governor` and `leaky-bucket`
//! need a rate, which is unknown here.

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use kernel::lock;
use tokio::sync::{Mutex as Queue, Notify};
use tokio::time::{Instant, sleep_until, timeout};

use super::Throttling;
use super::policy::RetryPolicy;

/// The longest gap between two requests. Including backoff, a store gets at least this rate, to
/// show that it accepts requests again.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// A shorter gap counts as none.
const SHORTEST_GAP: Duration = Duration::from_millis(10);
/// The longest `Retry-After` that is respected.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// At this many concurrent requests, there is no limit.
const NO_LIMIT: f64 = 1000.0;
/// A throttled response after this long without one starts a new slow-down.
const FORGOTTEN: Duration = Duration::from_secs(120);
/// The minimum interval between two log lines about a slow-down.
const TOLD: Duration = Duration::from_secs(300);
/// A request that is throttled for this many times the patience is given up, even if the store
/// accepts others.
const OWN_PATIENCE: u32 = 6;

/// Decides when requests may start.
pub(super) struct Throttle {
    state: Mutex<State>,
    /// Requests start in order of arrival. Only the first waiting request checks the state.
    queue: Queue<()>,
    /// A request has ended.
    ended: Notify,
}

#[derive(Debug)]
struct State {
    under_way: usize,
    /// The most concurrent requests. Infinite until the store throttles.
    limit: f64,
    gap: Duration,
    /// How long the last throttled response makes all requests wait; zero after a successful one.
    pause: Duration,
    not_before: Option<Instant>,
    /// Counts slow-downs. Responses to requests from before the last one are ignored.
    epoch: u64,
    /// Since when every response is a throttled one.
    since: Option<Instant>,
    last: Option<Instant>,
    told: Option<Instant>,
    throttling: Throttling,
}

/// A request in progress.
pub(super) struct Turn<'a> {
    throttle: &'a Throttle,
    epoch: u64,
}

/// What a request waits for.
enum Wait {
    Until(Instant),
    AnEnd,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { state: Mutex::new(State::new()), queue: Queue::default(), ended: Notify::new() }
    }
}

impl Throttle {
    /// Waits until a request may start. `None`: the time left is too short, or the store has
    /// accepted no request for too long.
    ///
    /// A request must not wait for a second one while it is in progress: with a limit of one, the
    /// second would never start.
    pub(super) async fn turn(&self, left: Option<Duration>, again: Option<&Again<'_>>) -> Option<Turn<'_>> {
        let start = Instant::now();
        if let Some(epoch) = self.state().admit_freely(start) {
            return Some(Turn { throttle: self, epoch });
        }
        let queued = async {
            let _first = self.queue.lock().await;
            loop {
                let wait = match self.state().admit(Instant::now()) {
                    Ok(epoch) => return Some(Turn { throttle: self, epoch }),
                    Err(wait) => wait,
                };
                if again.is_some_and(|again| self.is_hopeless(left, again)) {
                    return None;
                }
                match wait {
                    Wait::Until(time) if left.is_some_and(|left| time >= start + left) => return None,
                    Wait::Until(time) => sleep_until(time).await,
                    Wait::AnEnd => self.ended.notified().await,
                }
            }
        };
        let turn = match left {
            Some(left) => timeout(left, queued).await.ok().flatten(),
            None => queued.await,
        };
        self.state().throttling.waited_ms += u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        turn
    }

    /// Whether to give up a request that was throttled before. With a deadline, only the deadline
    /// ends it.
    pub(super) fn is_hopeless(&self, left: Option<Duration>, again: &Again<'_>) -> bool {
        let patience = again.policy.patience;
        let all = || self.state().since.is_some_and(|since| since.elapsed() >= patience);
        left.is_none() && (all() || again.first.elapsed() >= patience * OWN_PATIENCE)
    }

    /// How requests were throttled so far.
    pub(super) fn throttling(&self) -> Throttling {
        self.state().throttling
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// A request that was throttled before.
pub(super) struct Again<'a> {
    pub(super) policy: &'a RetryPolicy,
    /// When it was throttled first.
    pub(super) first: Instant,
}

impl Turn<'_> {
    /// The store accepted the request.
    pub(super) fn answered(&self) {
        self.throttle.state().answered(self.epoch);
    }

    /// The store throttled the request, with its `Retry-After` if there is one. Returns whether to
    /// log this.
    pub(super) fn throttled(&self, policy: &RetryPolicy, asked: Option<Duration>, left: Option<Duration>) -> bool {
        let jitter = 0.5 + rand::random::<f64>() / 2.0;
        let wait = |pause: Duration| match (asked, left) {
            (Some(asked), _) => asked.min(LONGEST_ASKED).max(pause),
            // The rest of an invocation is long enough for another try.
            (None, Some(left)) => pause.mul_f64(jitter).min(left / 2),
            (None, None) => pause.mul_f64(jitter),
        };
        self.throttle.state().throttled(self.epoch, policy, wait)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.throttle.state().under_way -= 1;
        self.throttle.ended.notify_one();
    }
}

impl State {
    fn new() -> Self {
        Self {
            under_way: 0,
            limit: f64::INFINITY,
            gap: Duration::ZERO,
            pause: Duration::ZERO,
            not_before: None,
            epoch: 0,
            since: None,
            last: None,
            told: None,
            throttling: Throttling::default(),
        }
    }

    /// Starts a request that has nothing to wait for. While there is a limit, all requests use the
    /// queue.
    fn admit_freely(&mut self, now: Instant) -> Option<u64> {
        if self.limit.is_finite() { None } else { self.admit(now).ok() }
    }

    fn admit(&mut self, now: Instant) -> Result<u64, Wait> {
        if let Some(time) = self.not_before.filter(|time| *time > now) {
            return Err(Wait::Until(time));
        }
        if (self.under_way + 1) as f64 > self.limit {
            return Err(Wait::AnEnd);
        }
        self.not_before = (!self.gap.is_zero()).then(|| now + self.gap);
        self.under_way += 1;
        Ok(self.epoch)
    }

    fn answered(&mut self, epoch: u64) {
        self.since = None;
        if epoch != self.epoch || self.limit.is_infinite() {
            return;
        }
        self.pause = Duration::ZERO;
        if self.gap.is_zero() {
            self.limit += 1.0 / self.limit;
        } else {
            self.gap = Some(self.gap.mul_f64(0.85)).filter(|gap| *gap >= SHORTEST_GAP).unwrap_or_default();
        }
        if self.limit > NO_LIMIT {
            self.limit = f64::INFINITY;
        }
    }

    /// `wait` computes how long all requests wait, from the pause that is due. Returns whether to
    /// log this.
    fn throttled(&mut self, epoch: u64, policy: &RetryPolicy, wait: impl Fn(Duration) -> Duration) -> bool {
        let now = Instant::now();
        if self.last.is_none_or(|last| now - last >= FORGOTTEN) {
            self.since = None;
        }
        self.throttling.answers += 1;
        self.last = Some(now);
        self.since.get_or_insert(now);
        // Requests in progress together are throttled together: one reason to slow down, not many.
        if epoch == self.epoch {
            self.epoch += 1;
            let busy = self.limit.min(self.under_way as f64);
            if busy <= 1.0 {
                self.gap = (self.gap * 2).clamp(policy.first_pause, LONGEST_GAP.max(policy.first_pause));
            }
            self.limit = (busy / 2.0).max(1.0);
            self.pause = (self.pause * 2).clamp(policy.first_pause, policy.longest_pause);
        }
        self.not_before = self.not_before.max(Some(now + wait(self.pause)));
        let is_told = self.told.is_some_and(|told| now - told < TOLD);
        if !is_told {
            self.told = Some(now);
        }
        !is_told
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
