//! How far readers read ahead: as far as the store is slow, and as memory allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use store::Part;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::budget::{ReadBudget, ReadPermit};
use super::object::Segment;
use super::stretch::Stretch;

/// Requests ahead, at first: enough for a store that is near.
const FIRST: usize = 4;
/// Requests ahead, at most, of all readers that share a budget.
const MOST: usize = 64;

/// What readers may ask a store for before it is wanted. They share memory and requests; how far ahead one partition is read is its own affair: twice as
/// far each time that the store was waited for. What is wanted now needs none of it, so readers never wait for each other.
#[derive(Debug, Clone)]
pub struct ReadAhead {
    budget: ReadBudget,
    requests: Arc<Semaphore>,
    depth: Arc<AtomicUsize>,
}

/// Leave for one request ahead, and for what it brings.
#[derive(Debug)]
pub struct AheadPermit {
    memory: ReadPermit,
    _request: OwnedSemaphorePermit,
}

impl ReadAhead {
    /// As far as this memory allows.
    pub fn new(budget: ReadBudget) -> Self {
        Self { budget, requests: Arc::new(Semaphore::new(MOST)), depth: Arc::new(AtomicUsize::new(FIRST)) }
    }

    /// The same memory and requests for one more partition.
    #[must_use]
    pub fn for_another(&self) -> Self {
        Self { depth: Arc::new(AtomicUsize::new(FIRST)), ..self.clone() }
    }

    /// How many requests are to be ahead.
    pub fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// What was asked for ahead was not there yet when it was wanted.
    pub fn note_wait(&self) {
        // Two at the same time count as one.
        self.depth.store((self.depth() * 2).min(MOST), Ordering::Relaxed);
    }

    /// Leave for a request that brings so many bytes, if there is room.
    pub fn permit(&self, bytes: u64) -> Option<AheadPermit> {
        let request = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        Some(AheadPermit { memory: self.budget.try_take(bytes)?, _request: request })
    }

    /// Room for so many bytes that are there already.
    pub fn room(&self, bytes: u64) -> Option<ReadPermit> {
        self.budget.try_take(bytes)
    }

    /// All the memory that is shared, in bytes.
    pub fn memory(&self) -> u64 {
        self.budget.bytes()
    }
}

impl AheadPermit {
    /// The request is done: what it brought still takes memory.
    #[must_use]
    pub fn answered(self) -> ReadPermit {
        self.memory
    }
}

/// A stretch that was asked for before it is wanted. Dropped, it is given up.
pub(super) struct Fetch {
    pub(super) stretch: Stretch,
    has_arrived: Arc<AtomicBool>,
    task: JoinSet<crate::Result<Fetched>>,
}

/// What was fetched, as it is in the store.
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    /// The `.sha256`, where it was fetched too and is there.
    pub(super) sidecar: Option<Part>,
    _memory: Option<ReadPermit>,
}

impl Fetched {
    pub(super) fn now(bytes: Bytes) -> Self {
        Self { bytes, sidecar: None, _memory: None }
    }
}

impl Fetch {
    /// Asks for a stretch if there is room; with the last one of a segment that is read as a whole, for the `.sha256` too.
    pub(super) fn begin(segment: &Arc<Segment>, stretch: Stretch, is_whole: bool, ahead: &ReadAhead) -> Option<Self> {
        let range = stretch.range(segment);
        let permit = ahead.permit(range.end - range.start)?;
        let wants_sidecar = is_whole && stretch.is_last(segment);
        let has_arrived = Arc::new(AtomicBool::new(false));
        let (segment, arrived) = (Arc::clone(segment), Arc::clone(&has_arrived));
        let mut task = JoinSet::new();
        task.spawn(async move {
            let sidecar = async { if wants_sidecar { segment.fetch_sidecar().await.ok().flatten() } else { None } };
            let (bytes, sidecar) = futures::join!(segment.fetch(range), sidecar);
            arrived.store(true, Ordering::Relaxed);
            Ok(Fetched { bytes: bytes?, sidecar, _memory: Some(permit.answered()) })
        });
        Some(Self { stretch, has_arrived, task })
    }

    /// Whether it is there.
    pub(super) fn has_arrived(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_arrived)
    }

    /// What came. `None` where it failed: what failed a while ago may succeed now.
    pub(super) async fn wait(mut self) -> Option<Fetched> {
        match self.task.join_next().await? {
            Ok(fetched) => fetched.ok(),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
