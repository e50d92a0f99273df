//! The bucket of the simulation: a store in memory, with the same faults as Kafka.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use kernel::clock::{Clock, Millis};
use kernel::lock;
use store::testing::MemoryStore;
use store::{Body, Object, ObjectStore, Page, Part, Result, StoreError, StoreErrorKind, Version};

use super::chaos::{Area, Chaos, Fate, Request, SimClock};

#[derive(Debug)]
pub(crate) struct SimBucket {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) chaos: Arc<Chaos>,
    pub(crate) line: Line,
}

/// The line to the bucket. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Arc<Mutex<Speed>>);

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Speed {
    /// The speed of uploads. `None`: they take no time.
    pub(crate) bytes_a_second: Option<u64>,
    /// When requests are cancelled, as the store's adapters do at the end of an invocation.
    pub(crate) deadline: Option<Millis>,
}

impl Line {
    /// Uploads up to this size take no time.
    const SMALL: usize = 1000;
    /// Work parallel to an upload gets a turn this often.
    const STEP: Millis = 20;

    pub(crate) fn set(&self, speed: Speed) {
        *lock(&self.0) = speed;
    }

    /// Lets an upload's time pass, at most until the deadline. Returns whether it arrived.
    async fn carry(&self, bytes: usize, clock: &SimClock) -> bool {
        let Speed { bytes_a_second, deadline } = *lock(&self.0);
        let Some(rate) = bytes_a_second.filter(|_| bytes > Self::SMALL) else { return true };
        let takes = Millis::try_from(bytes as u64 * 1000 / rate).unwrap_or(Millis::MAX);
        let (arrives, deadline) = (clock.now() + takes, deadline.unwrap_or(Millis::MAX));
        while clock.now() < arrives.min(deadline) {
            clock.advance(Self::STEP.min(arrives.min(deadline) - clock.now()));
            tokio::task::yield_now().await;
        }
        arrives <= deadline
    }
}

impl SimBucket {
    fn unavailable(&self, name: &str) -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, self.store.location(name), "no answer")
    }

    async fn read<T>(&self, name: &str, request: impl Future<Output = Result<T>>) -> Result<T> {
        if self.chaos.request(Request::read(Area::Bucket, name)).await != Fate::Answered {
            return Err(self.unavailable(name));
        }
        let answer = request.await;
        self.chaos.answered().await;
        answer
    }

    async fn write<T>(&self, sent: Request, request: impl Future<Output = Result<T>>) -> Result<T> {
        let name = sent.name.clone();
        let fate = self.chaos.request(sent).await;
        if fate == Fate::Lost {
            return Err(self.unavailable(&name));
        }
        let answer = request.await;
        self.chaos.answered().await;
        if fate == Fate::Answered { answer } else { Err(self.unavailable(&name)) }
    }
}

#[async_trait]
impl ObjectStore for SimBucket {
    fn location(&self, name: &str) -> String {
        self.store.location(name)
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        if !self.line.carry(body.len(), &self.chaos.clock).await {
            return Err(self.unavailable(name));
        }
        self.write(Request::create(Area::Bucket, name), self.store.create(name, body)).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.write(Request::write(Area::Bucket, name), self.store.replace(name, body, unchanged_since)).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.read(name, self.store.get(name)).await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.read(name, self.store.get_range(name, range)).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        self.read(prefix, self.store.list(prefix, after, limit)).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.read(prefix, self.store.folders(prefix)).await
    }
}
