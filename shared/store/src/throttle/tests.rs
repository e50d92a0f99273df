//! A store in virtual time that throttles, and tasks that send requests to it.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kernel::Deadline;

use super::*;
use crate::retry::Retry;
use crate::{Result, StoreError, StoreErrorKind};

const LATENCY: Duration = Duration::from_millis(40);

/// Whether the store throttles its request of this number, from 0, at this time.
type Rule = dyn Fn(u64, Duration) -> bool + Send + Sync;

struct Service {
    rule: Box<Rule>,
    start: Instant,
    requests: AtomicU64,
    retry: Retry,
}

impl Service {
    fn new(deadline: Option<Duration>, rule: impl Fn(u64, Duration) -> bool + Send + Sync + 'static) -> Arc<Self> {
        let of_invocation = Deadline::unset();
        of_invocation.set(deadline);
        let retry = Retry::new(RetryPolicy::default(), &of_invocation);
        Arc::new(Self { rule: Box::new(rule), start: Instant::now(), requests: AtomicU64::new(0), retry })
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn answer(&self) -> Result<()> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let is_throttled = (self.rule)(number, self.start.elapsed());
        tokio::time::sleep(LATENCY).await;
        if is_throttled { Err(StoreError::new(StoreErrorKind::Throttled, "s3://b/x", "slow down")) } else { Ok(()) }
    }

    async fn request(&self) -> Result<()> {
        self.retry.run("s3://b/x", 0, |_| self.answer()).await
    }

    /// So many tasks with so many requests each, sequentially. Returns the duration.
    async fn work(self: &Arc<Self>, tasks: u64, each: u64) -> Duration {
        let all = (0..tasks).map(|_| async {
            for _ in 0..each {
                self.request().await.unwrap();
            }
        });
        futures::future::join_all(all).await;
        self.start.elapsed()
    }
}

/// In the middle of the work and over all of it: no request fails, and there are at most 1.5 times
/// as many as without throttling.
#[tokio::test(start_paused = true)]
async fn one_503_in_three_for_a_minute_fails_nothing_and_costs_few_requests() {
    for deadline in [None, Some(Duration::from_secs(900))] {
        for (tasks, each) in [(1, 500), (16, 500), (64, 500)] {
            let service = Service::new(deadline, |number, time| number % 3 == 2 && time < Duration::from_secs(60));
            service.work(tasks, each).await;
            let (requests, without) = (service.requests(), tasks * each);
            assert!(requests * 2 <= without * 3, "{tasks} tasks: {requests} requests instead of {without}");
            let throttling = service.retry.throttling();
            assert_eq!(throttling.answers, requests - without);
            assert!(throttling.waited_ms > 0);
        }
    }
}

/// The same by chance, and with all work within the minute. It must finish then, too.
#[tokio::test(start_paused = true)]
async fn work_goes_on_while_the_store_throttles() {
    for tasks in [1, 16, 64] {
        let service = Service::new(Some(Duration::from_secs(900)), |_, _| rand::random::<f64>() < 1.0 / 3.0);
        let time = service.work(tasks, 320 / tasks).await;
        assert!(service.requests() < 320 * 2, "{tasks} tasks: {} requests", service.requests());
        assert!(time < Duration::from_secs(600), "{tasks} tasks: {} s", time.as_secs());
    }
}

/// A store that accepts so many requests per second, as a token bucket. However many tasks there
/// are, it gets few more requests than it accepts, and its capacity is used.
#[tokio::test(start_paused = true)]
async fn requests_settle_at_what_the_store_takes() {
    for rate in [4_u32, 50, 500] {
        for tasks in [1, 16, 64] {
            let tokens = Mutex::new((f64::from(rate) / 2.0, Duration::ZERO));
            let service = Service::new(None, move |_, now| {
                let mut tokens = lock(&tokens);
                let refilled = tokens.0 + (now - tokens.1).as_secs_f64() * f64::from(rate);
                *tokens = (refilled.min(f64::from(rate) / 2.0), now);
                let is_empty = tokens.0 < 1.0;
                tokens.0 -= if is_empty { 0.0 } else { 1.0 };
                is_empty
            });
            let work = u64::from(rate).max(32) * 64;
            let time = service.work(tasks, work / tasks).await;
            let ratio = service.requests() as f64 / work as f64;
            // Each task waits for its answers.
            let fastest = f64::from(rate).min(tasks as f64 / LATENCY.as_secs_f64());
            let used = work as f64 / time.as_secs_f64() / fastest;
            assert!(ratio <= 1.5, "{rate} a second, {tasks} tasks: {ratio:.2} times the requests");
            assert!(used >= 0.4, "{rate} a second, {tasks} tasks: {:.0} % of what it takes", used * 100.0);
        }
    }
}

/// Requests that were in progress together are one reason to slow down; the next ones are half as
/// many.
#[tokio::test(start_paused = true)]
async fn all_requests_slow_down_together() {
    let (seen, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let service = Service::new(None, |number, _| number < 64);
    let (under_way, at_most) = (seen.clone(), most.clone());
    let request = || {
        let (service, under_way, at_most) = (service.clone(), under_way.clone(), at_most.clone());
        async move {
            let counted = |_| {
                let (service, under_way, at_most) = (service.clone(), under_way.clone(), at_most.clone());
                async move {
                    let now = under_way.fetch_add(1, Ordering::Relaxed) + 1;
                    if service.requests() >= 64 {
                        at_most.fetch_max(now, Ordering::Relaxed);
                    }
                    let answer = service.answer().await;
                    under_way.fetch_sub(1, Ordering::Relaxed);
                    answer
                }
            };
            service.retry.run("s3://b/x", 0, counted).await.unwrap();
        }
    };
    futures::future::join_all((0..64).map(|_| request())).await;
    assert_eq!(service.requests(), 128);
    assert!((32..=34).contains(&most.load(Ordering::Relaxed)), "{most:?}");
}

#[tokio::test(start_paused = true)]
async fn every_request_waits_as_long_as_the_store_asks() {
    let service = Service::new(None, |_, _| false);
    let is_first = AtomicBool::new(true);
    let asked = service.retry.run("s3://b/x", 0, |_| {
        let is_first = is_first.swap(false, Ordering::Relaxed);
        async move {
            let slow = StoreError::new(StoreErrorKind::Throttled, "s3://b/x", "slow down").asking_to_wait(Some("7"));
            if is_first { Err(slow) } else { Ok(()) }
        }
    });
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        service.request().await.unwrap();
        assert!(service.start.elapsed() >= Duration::from_secs(7));
    };
    let (asked, ()) = tokio::join!(asked, other);
    asked.unwrap();
    assert!(service.start.elapsed() >= Duration::from_secs(7));
    // The one of a second later waited six.
    assert!((12_900..13_500).contains(&service.retry.throttling().waited_ms), "{:?}", service.retry.throttling());
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_patience_ends_and_the_error_says_what_to_do() {
    let service = Service::new(None, |_, _| true);
    let failed = futures::future::join_all((0..64).map(|_| service.request())).await;
    let time = service.start.elapsed();
    for error in failed.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.kind, StoreErrorKind::Throttled);
        assert!(error.what.contains("NUMBER_OF_KAFKA_THREADS"), "{error}");
    }
    assert!((300..330).contains(&time.as_secs()), "{time:?}");
    assert!(service.requests() < 64 * 4, "{}", service.requests());
    // Much later it begins again.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let again = Instant::now();
    service.request().await.unwrap_err();
    assert!(again.elapsed() >= Duration::from_secs(300), "{:?}", again.elapsed());
}

#[tokio::test(start_paused = true)]
async fn with_a_deadline_only_that_ends_it() {
    for seconds in [2, 60, 900] {
        let service = Service::new(Some(Duration::from_secs(seconds)), |_, _| true);
        let failed = futures::future::join_all((0..16).map(|_| service.request())).await;
        assert!(failed.iter().all(Result::is_err));
        let left = Duration::from_secs(seconds).saturating_sub(service.start.elapsed());
        assert!(left <= Duration::from_secs(1), "{left:?} of {seconds} s were left");
    }
}

#[tokio::test(start_paused = true)]
async fn throttled_tries_are_no_failures() {
    let service = Service::new(Some(Duration::from_secs(900)), |number, _| number < 40);
    service.request().await.unwrap();
    assert_eq!(service.requests(), 41);
}

/// A request that is cancelled while it waits, or is in progress, takes no place of another.
#[tokio::test(start_paused = true)]
async fn a_cancelled_request_leaves_its_place() {
    let service = Service::new(None, |number, _| number < 3);
    service.request().await.unwrap();
    for _ in 0..5 {
        let two = futures::future::join(service.request(), service.request());
        timeout(Duration::from_millis(20), two).await.unwrap_err();
    }
    service.request().await.unwrap();
    assert_eq!(service.retry.throttle().state().under_way, 0);
}
