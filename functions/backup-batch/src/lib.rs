//! `backup-batch`: each invocation moves what comes next of Kafka partitions into the bucket, one segment at a time, and commits the offset.
//!
//! An invocation is stateless, and safe to run twice, at the same time, or to kill at any instruction, because of the order of its steps:
//!
//! 1. `topics.rs`: which topics TOPIC_NAMES takes. `plan.rs`: what is there to do (a few requests for all partitions). `candidate.rs`: which partitions are due, the most neglected one first.
//!    `snapshot.rs`: takes a snapshot of the cluster, when one is due.
//! 2. `work.rs`: workers take partitions off a queue. While segments are made durable (`settling.rs`) the next one is read.
//! 3. `generation.rs`: which generation a partition is in; begins one, and writes `topic.json`. `resume.rs`: where to begin in it. Our own commit says
//!    it, and its segment is seen before another is stored behind it; where that is missing, foreign or expired, the bucket does. `lost_end.rs`: whether the log still is the one that was backed up.
//! 4. `read.rs`: reads `[start, next)` into a segment; `turn.rs` keeps the reader for the one behind it, `uploads.rs`
//!    says when it has to end so that the upload is done in time, `room.rs` how much memory it may hold, `compressors.rs` how much compression takes.
//!    It keeps to BYTES_PER_SECOND (`host::RateLimit`).
//! 5. `publish.rs`: creates the segment (never replacing one), then its `.sha256`, then commits `next`. A kill between any two steps leaves work
//!    that the next invocation adopts.
//! 6. `recovery_point.rs`: how old what is safe is. `report.rs`: what became of each partition.
//!    `hints.rs`: which settings would serve better.

mod candidate;
mod check;
mod compare;
mod compressors;
mod function;
mod generation;
mod hints;
mod lost_end;
mod plan;
mod publish;
mod read;
mod recovery_point;
mod report;
mod resume;
mod room;
mod settling;
mod snapshot;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod topics;
mod turn;
mod uploads;
mod work;

use std::fmt;
use std::sync::{Arc, Mutex};

use archive::Result;
use archive::segment::Lanes;
use compressors::Compressors;
use config::{BackupSettings, ConfigError};
use futures::StreamExt;
use hints::Hints;
use host::{Budget, Event, HeldBack, RateLimit, processors, work_together};
use kafka::{ClusterAdministration, SourceCluster, TopicPartition};
use kernel::clock::Clock;
use kernel::lock;
use store::ObjectStore;
use tracing::Instrument;

pub use check::{CheckReport, TopicCheck};
pub use compare::{Comparison, TopicComparison};
use recovery_point::RecoveryPoints;
pub use report::{BackupReport, PartitionReport};
use snapshot::Taken;
pub use topics::Ends;
use topics::Seen;
use uploads::Uploads;
use work::{Run, Worker};

/// The handler: made once for a process, used for any number of invocations, also at the same time.
#[derive(Debug, Clone)]
pub struct Backup {
    source: Arc<dyn SourceCluster>,
    store: Arc<dyn ObjectStore>,
    settings: Arc<BackupSettings>,
    clock: Arc<dyn Clock>,
    /// Stands in commits for the bucket.
    store_id: String,
    /// Members compressed at once.
    compressors: Compressors,
    /// Their buffers, from segment to segment.
    lanes: Lanes,
    /// What earlier invocations saw.
    seen: Arc<Mutex<Seen>>,
    /// How fast the bucket takes segments.
    uploads: Uploads,
    /// BYTES_PER_SECOND.
    rate: RateLimit,
    /// What snapshots are read from; `None`: none are taken.
    administration: Option<Arc<dyn ClusterAdministration>>,
    /// The snapshots that are known to be there.
    taken: Arc<Mutex<Taken>>,
    /// Where partitions ended, and when.
    recovery_points: Arc<Mutex<RecoveryPoints>>,
    /// What was said already.
    hints: Arc<Hints>,
}

/// What one invocation is asked to do.
#[derive(Clone)]
pub struct Invocation {
    /// Which partitions.
    pub event: Event,
    /// How much time and memory.
    pub budget: Budget,
    /// Write part-filled segments however young the last one is.
    pub flush: bool,
    /// Read no further than these offsets, as [`Backup::ends`] gave them; partitions that are not named are left alone.
    pub up_to: Option<Arc<Ends>>,
    /// Told of every step forward.
    pub progress: Option<ProgressFn>,
}

/// Called at each step forward.
pub type ProgressFn = Arc<dyn Fn(&Progress<'_>) + Send + Sync>;

/// A step forward.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The partition that is read.
    pub partition: &'a TopicPartition,
    /// The offset that was reached.
    pub position: i64,
    /// The offset at which this invocation ends.
    pub end: i64,
    /// Bytes of the records that were read with this step.
    pub bytes: u64,
}

impl Invocation {
    /// Everything the settings name, within this budget.
    pub fn new(budget: Budget) -> Self {
        Self { event: Event::default(), budget, flush: false, up_to: None, progress: None }
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("event", &self.event).field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Backup {
    /// A handler for these settings.
    pub fn new(source: Arc<dyn SourceCluster>, store: Arc<dyn ObjectStore>, settings: BackupSettings, clock: Arc<dyn Clock>) -> Self {
        let store_id = archive::catalog::bucket_id(store.as_ref());
        let memory = settings.memory_limit.unwrap_or(Budget::DEFAULT_MEMORY);
        let compressors = Compressors::fitting(&settings, processors(), memory);
        let rate = RateLimit::new(settings.bytes_per_second);
        Self {
            source,
            store,
            settings: Arc::new(settings),
            clock,
            store_id,
            compressors,
            lanes: Lanes::default(),
            seen: Arc::default(),
            uploads: Uploads::default(),
            rate,
            administration: None,
            taken: Arc::default(),
            recovery_points: Arc::default(),
            hints: Arc::default(),
        }
    }

    /// The same; takes snapshots of the cluster, as far as the settings have any.
    #[must_use]
    pub fn with_snapshots_of(mut self, administration: Arc<dyn ClusterAdministration>) -> Self {
        self.administration = Some(administration);
        self
    }

    /// Whether a backup with these settings has room for records in so many bytes of memory.
    ///
    /// # Errors
    /// The tables of the compression leave none.
    pub fn check_memory(settings: &BackupSettings, memory: u64) -> Result<(), ConfigError> {
        Compressors::fitting(settings, processors(), memory).check(settings, memory)
    }

    /// Compresses in place, on the calling thread: for simulations that must repeat themselves exactly.
    #[must_use]
    pub fn single_threaded(mut self) -> Self {
        self.compressors = Compressors::new(self.settings.compression, self.settings.threads, 1);
        self
    }

    /// Runs one invocation. A partition that fails does not stop the others: its error stands in the report.
    ///
    /// # Errors
    /// What concerns all partitions: Kafka cannot be reached, no topic exists.
    pub async fn invoke(&self, invocation: &Invocation) -> Result<BackupReport> {
        let held_back = HeldBack::begin(self.store.as_ref(), &self.rate);
        let mut report = self.work(invocation).await;
        let throttling = held_back.by_store();
        if let Ok(report) = &mut report {
            let (waited_ms, note) = held_back.by_rate(report.duration_ms);
            (report.throttling, report.rate_limited_ms) = (throttling, waited_ms);
            report.notes.extend(note);
        }
        report
    }

    async fn work(&self, invocation: &Invocation) -> Result<BackupReport> {
        let started = self.clock.now();
        let mut plan = self.plan(invocation, started).await?;
        let empty = std::mem::take(&mut plan.empty);
        let run = Arc::new(Run::new(self.clone(), invocation.clone(), started, plan));
        let note = |partition: TopicPartition| {
            let run = run.clone();
            async move { run.note_empty_topic(&partition).await }
        };
        futures::stream::iter(empty).for_each_concurrent(settling::AT_ONCE, note).await;
        let worker = |number| {
            let span = tracing::info_span!("worker", thread = format!("Kafka Consumer {number}"));
            Worker::new(run.clone()).work().instrument(span)
        };
        let workers = work_together((0..self.settings.threads).map(worker));
        futures::join!(workers, run.find_topics());
        let mut report = lock(&run.report).clone();
        let now = self.clock.now();
        report.finish(started, now);
        report.recovery_point_seconds = self.recovery_point_seconds(&report, now);
        report.snapshot_age_seconds = self.snapshot_age_seconds(invocation, now);
        Ok(report)
    }
}
