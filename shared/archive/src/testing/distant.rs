//! A distant store.

use std::collections::BTreeMap;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::channel::oneshot::{Sender, channel};
use kernel::lock;
use store::{Body, Object, ObjectStore, Page, Part, Result, Version};

/// Turns that all tasks get before the clock advances: more than any chain of tasks that wake each
/// other.
const TURNS: usize = 200;

/// A store with latency, on its own clock, which advances only when nothing else can run. So times
/// are exact and a test takes none. Counts its requests. Only for a runtime of one thread, and work
/// that stays on it.
#[derive(Debug, Clone)]
pub struct DistantStore {
    inner: Arc<dyn ObjectStore>,
    latency: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    now: Duration,
    /// By the time of its response.
    under_way: BTreeMap<(Duration, u64), Sender<()>>,
    requests: u64,
    most: usize,
    reads: BTreeMap<String, u32>,
}

impl DistantStore {
    /// Each response of `inner` takes this long.
    pub fn new(inner: Arc<dyn ObjectStore>, latency: Duration) -> Self {
        Self { inner, latency, state: Arc::default() }
    }

    /// The result of `work`, and its duration.
    pub async fn time<T>(&self, work: impl Future<Output = T>) -> (T, Duration) {
        let begun = lock(&self.state).now;
        let mut work = pin!(work);
        loop {
            for _ in 0..TURNS {
                if let Some(done) = work.as_mut().now_or_never() {
                    return (done, lock(&self.state).now - begun);
                }
                tokio::task::yield_now().await;
            }
            let mut state = lock(&self.state);
            let Some(((now, _), answer)) = state.under_way.pop_first() else { panic!("nothing is waited for, and nothing proceeds") };
            state.now = now;
            // The task that waited for it may have given up.
            _ = answer.send(());
        }
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        lock(&self.state).requests
    }

    /// How many requests were in progress at the same time, at most.
    pub fn most_under_way(&self) -> usize {
        lock(&self.state).most
    }

    /// How often each object, or part of it, was read.
    pub fn reads(&self) -> BTreeMap<String, u32> {
        lock(&self.state).reads.clone()
    }

    async fn answer(&self) {
        let (answer, answered) = channel();
        {
            let mut state = lock(&self.state);
            state.requests += 1;
            state.under_way.retain(|_, answer| !answer.is_canceled());
            let (at, number) = (state.now + self.latency, state.requests);
            state.under_way.insert((at, number), answer);
            state.most = state.most.max(state.under_way.len());
        }
        _ = answered.await;
    }

    fn count(&self, name: &str) {
        *lock(&self.state).reads.entry(name.to_owned()).or_default() += 1;
    }
}

#[async_trait]
impl ObjectStore for DistantStore {
    fn location(&self, name: &str) -> String {
        self.inner.location(name)
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        self.answer().await;
        self.inner.create(name, body).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.answer().await;
        self.inner.replace(name, body, unchanged_since).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.count(name);
        self.answer().await;
        self.inner.get(name).await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.count(name);
        self.answer().await;
        self.inner.get_range(name, range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        self.answer().await;
        self.inner.list(prefix, after, limit).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.answer().await;
        self.inner.folders(prefix).await
    }
}
