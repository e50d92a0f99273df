//! How far ahead readers read: as much as the store's latency requires and memory allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use store::Part;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::budget::{ReadBudget, ReadPermit};
use super::object::Segment;
use super::stretch::Stretch;

/// Requests ahead, at first: enough for a nearby store.
const FIRST: usize = 4;
/// Requests ahead of an object of which all is read: most segments are so many stretches, or fewer.
const WHOLE: usize = 8;
/// The most requests ahead, of all readers that share a budget.
const MOST: usize = 64;

/// What readers may prefetch. They share memory and requests. The depth is per partition, and
/// doubles each time that the reader had to wait for the store. What is needed now uses none of it,
/// so readers never wait for each other.
#[derive(Debug, Clone)]
pub struct ReadAhead {
    budget: ReadBudget,
    requests: Arc<Semaphore>,
    depth: Arc<AtomicUsize>,
}

/// The permission for one request ahead, and for its data.
#[derive(Debug)]
pub struct AheadPermit {
    memory: ReadPermit,
    _request: OwnedSemaphorePermit,
}

impl ReadAhead {
    /// As far ahead as this memory allows.
    pub fn new(budget: ReadBudget) -> Self {
        Self { budget, requests: Arc::new(Semaphore::new(MOST)), depth: Arc::new(AtomicUsize::new(FIRST)) }
    }

    /// With the same memory and requests, for one more partition.
    #[must_use]
    pub fn for_another(&self) -> Self {
        Self { depth: Arc::new(AtomicUsize::new(FIRST)), ..self.clone() }
    }

    /// The same memory and requests for one more object, of which all is read.
    #[must_use]
    pub fn for_whole(&self) -> Self {
        Self { depth: Arc::new(AtomicUsize::new(WHOLE)), ..self.clone() }
    }

    /// How many requests should be ahead.
    pub fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// A prefetched range had not arrived when it was needed.
    pub fn note_wait(&self) {
        // Two at the same time count as one.
        self.depth.store((self.depth() * 2).min(MOST), Ordering::Relaxed);
    }

    /// The permission for a request of this many bytes, if there is room.
    pub fn permit(&self, bytes: u64) -> Option<AheadPermit> {
        let request = Arc::clone(&self.requests).try_acquire_owned().ok()?;
        Some(AheadPermit { memory: self.budget.try_take(bytes)?, _request: request })
    }

    /// Room for this many bytes that have arrived already.
    pub fn room(&self, bytes: u64) -> Option<ReadPermit> {
        self.budget.try_take(bytes)
    }

    /// All the shared memory, in bytes.
    pub fn memory(&self) -> u64 {
        self.budget.bytes()
    }
}

impl AheadPermit {
    /// The request is complete: its data still use memory.
    #[must_use]
    pub fn answered(self) -> ReadPermit {
        self.memory
    }
}

/// A stretch that is prefetched. Dropping it cancels the request.
pub(super) struct Fetch {
    pub(super) stretch: Stretch,
    has_arrived: Arc<AtomicBool>,
    task: JoinSet<crate::Result<Fetched>>,
}

/// What was fetched, as stored.
pub(super) struct Fetched {
    pub(super) bytes: Bytes,
    /// The `.sha256`, if it was fetched too and exists.
    pub(super) sidecar: Option<Part>,
    _memory: Option<ReadPermit>,
}

impl Fetched {
    pub(super) fn now(bytes: Bytes) -> Self {
        Self { bytes, sidecar: None, _memory: None }
    }
}

impl Fetch {
    /// Requests a stretch if there is room. With the last one of a segment that is read as a whole,
    /// requests the `.sha256` too.
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

    /// Whether it has arrived.
    pub(super) fn has_arrived(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_arrived)
    }

    /// The data. `None` if the request failed: a retry may succeed now.
    pub(super) async fn wait(mut self) -> Option<Fetched> {
        match self.task.join_next().await? {
            Ok(fetched) => fetched.ok(),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}
