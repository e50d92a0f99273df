//! Records which process writes which snapshot: the bucket as it sees it, and its clock.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use kernel::clock::{Clock, Millis};
use kernel::lock;
use store::{Body, Object, ObjectStore, Page, Part, Result, Version};

use crate::bucket::SimBucket;
use crate::chaos::SimClock;

/// The clock of a machine, which is ahead of the true one.
#[derive(Debug)]
pub(super) struct SkewedClock {
    pub(super) clock: Arc<SimClock>,
    pub(super) ahead: AtomicI64,
}

impl SkewedClock {
    pub(super) fn ahead(&self) -> Millis {
        self.ahead.load(Ordering::Relaxed)
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Millis {
        self.clock.now() + self.ahead()
    }
}

/// A snapshot that a process wrote or tried to write.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) body: Bytes,
    /// How far its clock was ahead.
    pub(super) ahead: Millis,
    /// When its invocation began, by the true clock.
    pub(super) started: Millis,
    /// Which backup it is of.
    pub(super) backup: usize,
    /// The last segment of each partition in the bucket, by the common prefix of their names.
    pub(super) last_segments: BTreeMap<String, String>,
}

/// The attempts of all processes.
pub(super) type Attempts = Arc<Mutex<Vec<Attempt>>>;

#[derive(Debug)]
pub(super) struct WitnessedBucket {
    pub(super) inner: SimBucket,
    pub(super) clock: Arc<SkewedClock>,
    pub(super) started: Arc<AtomicI64>,
    pub(super) backup: usize,
    pub(super) attempts: Attempts,
}

impl WitnessedBucket {
    fn attempt(&self, name: &str, body: &Body) -> Attempt {
        let objects = self.inner.store.snapshot();
        let segment = |name: &str| Some((name.rsplit_once('/')?.0.to_owned(), name.to_owned()));
        let is_segment = |name: &&String| !name.starts_with('@') && (name.ends_with(".tar.gz") || name.ends_with(".tar.zst"));
        Attempt {
            name: name.to_owned(),
            body: body.to_bytes(),
            ahead: self.clock.ahead(),
            started: self.started.load(Ordering::Relaxed),
            backup: self.backup,
            last_segments: objects.keys().filter(is_segment).filter_map(|name| segment(name)).collect(),
        }
    }
}

#[async_trait]
impl ObjectStore for WitnessedBucket {
    fn location(&self, name: &str) -> String {
        self.inner.location(name)
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        if archive::catalog::names::parse_snapshot(name).is_some() {
            lock(&self.attempts).push(self.attempt(name, &body));
        }
        self.inner.create(name, body).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.inner.replace(name, body, unchanged_since).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.inner.get(name).await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.inner.get_range(name, range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        self.inner.list(prefix, after, limit).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.folders(prefix).await
    }
}
