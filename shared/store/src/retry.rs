use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kernel::{Deadline, in_full};
use tokio::time::{Instant, timeout_at};

use super::policy::RetryPolicy;
use super::throttle::{Again, Throttle, Turn};
use super::{Result, StoreError, StoreErrorKind, Throttling};

/// Maximum size of a small object (`topic.json`, a checkpoint, a `.sha256`), to compute the timeout
/// of a read, in bytes.
pub(super) const SMALL_OBJECT: u64 = 1 << 20;

/// Maximum size of a range to compute a timeout with: a requested range may be longer than its
/// object.
pub(super) const LARGEST_STRETCH: u64 = 64 << 20;

/// With less time left, a throttled request is not retried.
const LAST_TRY: Duration = Duration::from_millis(250);

/// Sends requests with retries by a policy, within a deadline.
#[derive(Debug, Clone, Default)]
pub(super) struct Retry {
    pub(super) policy: RetryPolicy,
    pub(super) deadline: Deadline,
    /// Bytes that concurrent requests transfer.
    moving: Arc<AtomicU64>,
    /// Shared by all requests when the store throttles.
    throttle: Arc<Throttle>,
}

impl Retry {
    /// For the requests of one store.
    pub(super) fn new(policy: RetryPolicy, deadline: &Deadline) -> Self {
        Self { policy, deadline: deadline.clone(), moving: Arc::default(), throttle: Arc::default() }
    }

    #[cfg(test)]
    pub(super) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// How all requests so far were throttled.
    pub(super) fn throttling(&self) -> Throttling {
        self.throttle.throttling()
    }

    /// Sends the request that `call` starts, and retries it on transient errors, with the number of
    /// the try (from 1). `bytes` is how much of an object it transfers. `call` must not wait for
    /// another `run`: see [`Throttle::turn`].
    ///
    /// A throttled response does not count as a failure as long as there is time: the store is
    /// available, and accepts the request later.
    pub(super) async fn run<T, F>(&self, location: &str, bytes: u64, mut call: impl FnMut(u32) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let (mut number, mut failures) = (1, 0);
        let mut throttled: Option<(Instant, StoreError)> = None;
        loop {
            let again = throttled.as_ref().map(|(first, _)| Again { policy: &self.policy, first: *first });
            let Some(turn) = self.throttle.turn(self.deadline.remaining(), again.as_ref()).await else {
                return Err(self.given_up(location, throttled));
            };
            let error = match self.once(location, bytes, call(number)).await {
                Ok(value) => {
                    turn.answered();
                    return Ok(value);
                }
                Err(error) => error,
            };
            number += 1;
            if error.kind == StoreErrorKind::Throttled {
                let first = throttled.map_or_else(Instant::now, |(first, _)| first);
                self.slow_down(&turn, &error);
                drop(turn);
                if self.is_over(first) {
                    return Err(self.given_up(location, Some((first, error))));
                }
                throttled = Some((first, error));
                continue;
            }
            if !error.is_retryable() && error.kind != StoreErrorKind::WrongEndpoint {
                turn.answered();
            }
            drop(turn);
            failures += 1;
            let pause = self.pause(failures);
            if failures >= self.tries(error.kind) || self.deadline.remaining().is_some_and(|remaining| remaining <= pause) {
                return Err(error);
            }
            let next = format!("retrying in {} ms, try {failures} of {}", pause.as_millis(), self.policy.tries);
            match failures {
                // One warning per request: operators see that something is wrong, and not every
                // retry.
                1 => tracing::warn!("{}; {next}", in_full(&error)),
                _ => tracing::debug!("{}; {next}", in_full(&error)),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes all requests of the store wait. Only the first throttled response is logged; the end
    /// of the invocation logs their number.
    fn slow_down(&self, turn: &Turn<'_>, error: &StoreError) {
        if turn.throttled(&self.policy, error.retry_after, self.deadline.remaining()) {
            tracing::warn!("{}; slowing down all requests and retrying until the store accepts them", in_full(error));
        } else {
            tracing::debug!("{}; retrying", in_full(error));
        }
    }

    /// Whether a request that was throttled since `first` is not retried.
    fn is_over(&self, first: Instant) -> bool {
        let left = self.deadline.remaining();
        left.is_some_and(|left| left <= LAST_TRY) || self.throttle.is_hopeless(left, &Again { policy: &self.policy, first })
    }

    /// The error of a request that the store did not accept.
    fn given_up(&self, location: &str, throttled: Option<(Instant, StoreError)>) -> StoreError {
        const ADVICE: &str = "Send fewer concurrent requests (NUMBER_OF_KAFKA_THREADS, concurrent invocations), write larger segments \
            (NUMBER_OF_MESSAGE_PER_BACKUP_FILE), or raise the limits of the bucket's service";
        let (waited, error) = match throttled {
            Some((first, error)) => (first.elapsed().as_secs(), error),
            None => (0, StoreError::new(StoreErrorKind::Throttled, location, "the store throttled requests before this one was sent")),
        };
        let end = match self.deadline.remaining() {
            Some(_) => "the invocation has no time left to wait".to_owned(),
            None => format!("gave up after {waited} s"),
        };
        StoreError { what: format!("{}; {end}. {ADVICE}", error.what), ..error }
    }

    /// One try. It may exceed its timeout while other requests are in progress: the parts of an
    /// object share a slow line, and would otherwise all time out together on every retry. A
    /// request alone on the line gives up.
    async fn once<T>(&self, location: &str, bytes: u64, call: impl Future<Output = Result<T>>) -> Result<T> {
        let _moving = Moving::begin(&self.moving, bytes);
        let (start, left, mut call) = (Instant::now(), self.deadline.remaining(), pin!(call));
        let mut limit = self.limit(bytes, left);
        loop {
            if let Ok(answer) = timeout_at(start + limit, &mut call).await {
                return answer;
            }
            let shared = self.limit(self.moving.load(Ordering::Relaxed), left);
            if shared <= limit {
                return Err(no_answer(location, limit));
            }
            limit = shared;
        }
    }

    /// Transient errors are retried often. Damage in transit and an address that never answered are
    /// retried a few times.
    fn tries(&self, kind: StoreErrorKind) -> u32 {
        match kind {
            StoreErrorKind::Unavailable => self.policy.tries,
            StoreErrorKind::Damaged | StoreErrorKind::WrongEndpoint => self.policy.tries.min(3),
            _ => 1,
        }
    }

    /// The timeout of a try, given the time left, while the line transfers `bytes`.
    fn limit(&self, bytes: u64, left: Option<Duration>) -> Duration {
        let limit = self.policy.try_time + Duration::from_secs(bytes / self.policy.slowest_line);
        left.map_or(limit, |left| limit.min(left))
    }

    fn pause(&self, number: u32) -> Duration {
        let bound = self.policy.first_pause.saturating_mul(1 << (number - 1).min(16)).min(self.policy.longest_pause);
        bound.mul_f64(rand::random())
    }
}

/// Counts bytes until it is dropped.
struct Moving<'a> {
    all: &'a AtomicU64,
    bytes: u64,
}

impl<'a> Moving<'a> {
    fn begin(all: &'a AtomicU64, bytes: u64) -> Self {
        all.fetch_add(bytes, Ordering::Relaxed);
        Self { all, bytes }
    }
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn no_answer(location: &str, limit: Duration) -> StoreError {
    let what = format!("timeout after {:.1} s, so whether the request took effect is unknown", limit.as_secs_f64());
    StoreError::new(StoreErrorKind::Unavailable, location, what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;
    use std::future;
    use std::sync::Mutex;

    use kernel::clock;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use telemetry::{LogLevel, LogLine, LogStyle};

    fn retry() -> Retry {
        let policy = RetryPolicy { first_pause: Duration::ZERO, ..RetryPolicy::default() };
        Retry::new(policy, &Deadline::unset())
    }

    async fn tries(retry: &Retry, kind: StoreErrorKind) -> u32 {
        let tries = Cell::new(0);
        let failing = |number| {
            tries.set(number);
            future::ready(Err::<(), _>(StoreError::new(kind, "x", "y")))
        };
        assert_eq!(retry.run("x", 0, failing).await.unwrap_err().kind, kind);
        tries.get()
    }

    #[tokio::test]
    async fn only_what_can_pass_is_tried_again() {
        let retry = retry();
        assert_eq!(tries(&retry, StoreErrorKind::Unavailable).await, 8);
        assert_eq!(tries(&retry, StoreErrorKind::WrongEndpoint).await, 3);
        for kind in [StoreErrorKind::AlreadyExists, StoreErrorKind::Changed, StoreErrorKind::Denied, StoreErrorKind::NotFound] {
            assert_eq!(tries(&retry, kind).await, 1, "{kind:?}");
        }
    }

    /// One line for each request that does not succeed immediately, with the root cause, whatever
    /// LOG_LEVEL hides below WARNING.
    #[tokio::test]
    async fn the_first_failure_of_a_request_is_a_warning() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let memory = lines.clone();
        let sink = Box::new(move |_, line: &str| memory.lock().unwrap().push(line.to_owned()));
        let log = LogLine::new(LogLevel::Warning, LogStyle::PythonTool, clock::system(), Arc::default(), sink);
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(log));
        let failing = |_| future::ready(Err::<(), _>(StoreError::new(StoreErrorKind::Unavailable, "x", "away").caused_by("reset by peer")));
        // Another test that warns there for the first time just now can have found no subscriber,
        // which is cached for all.
        for _ in 0..100 {
            tracing::callsite::rebuild_interest_cache();
            retry().run("x", 0, failing).await.unwrap_err();
            if !lines.lock().unwrap().is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let lines = lines.lock().unwrap();
        assert!(lines.len() == 1 && lines[0].contains("x: away: reset by peer; retrying in 0 ms, try 1 of 8"), "{lines:?}");
    }

    #[tokio::test]
    async fn nothing_is_tried_again_after_the_deadline() {
        let retry = retry();
        retry.deadline.set(Some(Duration::ZERO));
        assert_eq!(tries(&retry, StoreErrorKind::Unavailable).await, 1);
        retry.deadline.set(None);
        assert_eq!(tries(&retry, StoreErrorKind::Unavailable).await, 8);
    }

    #[tokio::test]
    async fn a_try_ends_with_the_deadline() {
        let retry = retry();
        retry.deadline.set(Some(Duration::ZERO));
        let error = retry.run("x", 0, |_| future::pending::<Result<()>>()).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
    }

    #[test]
    fn a_large_object_may_take_longer() {
        let retry = retry();
        assert_eq!(retry.limit(0, None), Duration::from_secs(20));
        assert_eq!(retry.limit(64 << 20, None), Duration::from_secs(20 + 256));
    }

    /// A try has no timeout of its own here: others on the line extend it, alone it has none.
    #[tokio::test]
    async fn a_try_may_take_as_long_as_all_that_share_the_line() {
        let policy = RetryPolicy { try_time: Duration::ZERO, slowest_line: 1, ..RetryPolicy::default() };
        let retry = Retry::new(policy, &Deadline::unset());
        let dead = async || retry.once("x", 0, future::pending::<Result<()>>()).await.unwrap_err().kind;
        assert_eq!(dead().await, StoreErrorKind::Unavailable);
        let _others = Moving::begin(&retry.moving, 3600);
        let slow = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        };
        retry.once("x", 0, slow).await.unwrap();
        // The deadline does not wait for others.
        retry.deadline.set(Some(Duration::ZERO));
        assert_eq!(dead().await, StoreErrorKind::Unavailable);
    }

    /// A request that ends early, or is cancelled, is not counted any more.
    #[tokio::test]
    async fn only_what_is_under_way_counts() {
        let retry = retry();
        let seen = |_| async { Ok(retry.moving.load(Ordering::Relaxed)) };
        assert_eq!(retry.run("x", 5, seen).await.unwrap(), 5);
        let mut given_up = Box::pin(retry.run("x", 7, |_| future::pending::<Result<()>>()));
        assert!(futures::poll!(&mut given_up).is_pending());
        assert_eq!(retry.run("x", 5, seen).await.unwrap(), 12);
        drop(given_up);
        assert_eq!(retry.run("x", 5, seen).await.unwrap(), 5);
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let retry = Retry::default();
        for number in 1..100 {
            assert!(retry.pause(number) <= Duration::from_millis(100 << (number - 1).min(10)).min(Duration::from_secs(10)));
        }
    }
}
