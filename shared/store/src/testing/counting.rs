use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use super::Operation;
use crate::{Body, Object, ObjectStore, Page, Part, Result, Throttling, Version};

/// Counts the requests to a store, for reports and for tests that promise a number of requests.
/// Clones share their counts.
///
/// A call counts once however often its adapter retries, and even if it fails.
#[derive(Debug, Clone)]
pub struct CountingStore {
    inner: Arc<dyn ObjectStore>,
    counts: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    calls: [AtomicU64; Operation::ALL.len()],
    bytes_written: AtomicU64,
    bytes_read: AtomicU64,
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    calls: [u64; Operation::ALL.len()],
    /// Bytes of the objects created and replaced, including failed tries.
    pub bytes_written: u64,
    /// Bytes of the content that was read.
    pub bytes_read: u64,
}

impl Counts {
    /// How many calls of `operation`.
    pub fn of(&self, operation: Operation) -> u64 {
        self.calls[operation as usize]
    }

    /// How many calls of any kind.
    pub fn total(&self) -> u64 {
        self.calls.iter().sum()
    }

    /// The difference to `earlier`, a reading of the same store.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            calls: std::array::from_fn(|index| self.calls[index] - earlier.calls[index]),
            bytes_written: self.bytes_written - earlier.bytes_written,
            bytes_read: self.bytes_read - earlier.bytes_read,
        }
    }
}

impl CountingStore {
    /// Counts the calls that pass through to `inner`.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, counts: Arc::default() }
    }

    /// The counts of this moment.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            calls: std::array::from_fn(|index| read(&self.counts.calls[index])),
            bytes_written: read(&self.counts.bytes_written),
            bytes_read: read(&self.counts.bytes_read),
        }
    }

    fn call(&self, operation: Operation) {
        self.counts.calls[operation as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn written(&self, bytes: usize) {
        self.counts.bytes_written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn read(&self, bytes: usize) {
        self.counts.bytes_read.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[async_trait]
impl ObjectStore for CountingStore {
    fn location(&self, name: &str) -> String {
        self.inner.location(name)
    }

    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn throttling(&self) -> Throttling {
        self.inner.throttling()
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        self.call(Operation::Create);
        self.written(body.len());
        self.inner.create(name, body).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.call(Operation::Replace);
        self.written(body.len());
        self.inner.replace(name, body, unchanged_since).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.call(Operation::Get);
        self.inner.get(name).await.inspect(|object| self.read(object.body.len()))
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.call(Operation::GetRange);
        self.inner.get_range(name, range).await.inspect(|part| self.read(part.bytes.len()))
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        self.call(Operation::List);
        self.inner.list(prefix, after, limit).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.call(Operation::Folders);
        self.inner.folders(prefix).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::MemoryStore;

    #[tokio::test]
    async fn calls_are_counted_by_operation_also_failed_ones() {
        let store = CountingStore::new(Arc::new(MemoryStore::new()));
        store.create("a", Bytes::from_static(b"123").into()).await.unwrap();
        store.create("a", Bytes::from_static(b"123").into()).await.unwrap_err();
        let before = store.counts();
        store.get_range("a", 1..2).await.unwrap();
        let counts = store.counts();
        assert_eq!((counts.of(Operation::Create), counts.bytes_written, counts.bytes_read, counts.total()), (2, 6, 1, 3));
        assert_eq!((counts.since(&before).total(), counts.since(&before).of(Operation::GetRange)), (1, 1));
    }
}
