//! Segments of one worker that are being made durable.
//!
//! If partitions have a little each, most of an invocation would be spent waiting for a slow store.
//! So a worker reads the next partitions while the segments of several are made durable. Each goes
//! through its own steps in order, and there is at most one per partition.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use archive::Result;
use kafka::TopicPartition;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::publish::Published;
use crate::read::Ready;
use crate::room::HeldBefore;
use crate::work::Run;

/// Segments of all workers of a process that are made durable at the same time: parallel requests
/// to the bucket.
pub(crate) const AT_ONCE: usize = 64;
/// Of one worker.
const OF_A_WORKER: usize = 16;

/// The result for a segment.
pub(crate) struct Settled {
    pub(crate) ready: Ready,
    pub(crate) published: Result<Published>,
    /// Whether no time was left when it was durable.
    pub(crate) is_late: bool,
}

/// See the module.
pub(crate) struct Settling {
    run: Arc<Run>,
    /// Tasks of their own: a store that throttles lets requests wait for earlier ones, and the
    /// worker sends some that are not polled together with these.
    under_way: JoinSet<Settled>,
    /// Their partitions, and whether there is something to write for them.
    partitions: BTreeMap<TopicPartition, bool>,
    /// Bytes that they hold together.
    held: watch::Sender<usize>,
    most: usize,
}

impl Settling {
    pub(crate) fn new(run: Arc<Run>) -> Self {
        let most = (AT_ONCE / run.backup.settings.threads.max(1)).clamp(1, OF_A_WORKER);
        Self { run, under_way: JoinSet::new(), partitions: BTreeMap::new(), held: watch::channel(0).0, most }
    }

    /// Starts to make a segment durable. There is none of its partition yet.
    pub(crate) fn begin(&mut self, mut ready: Ready) {
        let (run, held, bytes) = (self.run.clone(), self.held.clone(), ready.bytes());
        self.partitions.insert(ready.candidate.partition.clone(), ready.is_segment);
        held.send_modify(|held| *held += bytes);
        let settled = async move {
            let published = run.make_durable(&ready).await;
            ready.let_go();
            held.send_modify(|held| *held -= bytes);
            Settled { ready, published, is_late: run.is_late() }
        };
        self.under_way.spawn(settled.in_current_span());
    }

    /// Waits for the next one. `None`: there is none.
    pub(crate) async fn next(&mut self) -> Option<Settled> {
        let settled = self.under_way.join_next().await?.unwrap_or_else(|ended| resume_unwind(ended.into_panic()));
        self.partitions.remove(&settled.ready.candidate.partition);
        Some(settled)
    }

    /// What they hold.
    pub(crate) fn held(&self) -> HeldBefore {
        self.held.subscribe()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether one has to finish before another may start.
    pub(crate) fn is_full(&self) -> bool {
        self.under_way.len() >= self.most
    }

    pub(crate) fn has(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    /// The number of segments.
    pub(crate) fn segments(&self) -> u64 {
        self.partitions.values().filter(|is_segment| **is_segment).count() as u64
    }
}

impl fmt::Debug for Settling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settling").field("partitions", &self.partitions).finish_non_exhaustive()
    }
}
