//! `backup-batch`: each invocation copies the next records of Kafka partitions into the bucket, one
//! segment at a time, and commits the offset.
//!
//! An invocation is stateless. It is safe to run twice, to run at the same time as another, and to
//! kill at any instruction, because of the order of its steps:
//!
//! 1. `topics.rs`: which topics TOPIC_NAMES selects. `folders.rs`: which of them are new, and which
//!    have lost their folder. `plan.rs`: what there is to do (a few requests
//!    for all partitions). `candidate.rs`: which partitions are due, the most neglected one first.
//!    `snapshot.rs`: takes a snapshot of the cluster, if one is due.
//! 2. `work.rs`: workers take partitions off a queue. While segments are made durable
//!    (`settling.rs`) they read the next one.
//! 3. `generation.rs`: which generation contains a partition; begins one, and writes `topic.json`.
//!    `resume.rs`: where to start in it. Our own commit decides, and its segment is checked before
//!    the next one is stored. If the commit is missing, foreign or expired, the bucket decides.
//!    `lost_end.rs`: whether the log still is the one that was backed up.
//! 4. `read.rs`: reads `[start, next)` into a segment. `turn.rs` keeps the reader for the next one.
//!    `uploads.rs` computes when reading has to end so that the upload is done in time. `room.rs`
//!    limits its memory, `compressors.rs` that of compression. Reading keeps to BYTES_PER_SECOND
//!    (`host::RateLimit`).
//! 5. `publish.rs`: creates the segment (never replacing one), then its `.sha256`, then commits
//!    `next`. A kill between any two steps leaves work that the next invocation adopts.
//! 6. `snapshot.rs` again: how far this run came, which the next snapshot will show.
//!    `recovery_point.rs`: the age of what is safe. `report.rs`: the result of each partition.
//!    `hints.rs`: which settings could be better.

mod candidate;
mod check;
mod compare;
mod compressors;
mod folders;
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

/// The handler: created once per process, used for any number of invocations, even at the same
/// time.
#[derive(Debug, Clone)]
pub struct Backup {
    source: Arc<dyn SourceCluster>,
    store: Arc<dyn ObjectStore>,
    settings: Arc<BackupSettings>,
    clock: Arc<dyn Clock>,
    /// Identifies the bucket in commits.
    store_id: String,
    /// Members that are compressed in parallel.
    compressors: Compressors,
    /// Their buffers, reused from segment to segment.
    lanes: Lanes,
    /// What earlier invocations saw.
    seen: Arc<Mutex<Seen>>,
    /// The upload rate to the bucket.
    uploads: Uploads,
    /// BYTES_PER_SECOND.
    rate: RateLimit,
    /// The source of snapshots; `None`: none are taken.
    administration: Option<Arc<dyn ClusterAdministration>>,
    /// The known snapshots.
    taken: Arc<Mutex<Taken>>,
    /// The ends of partitions, and when they were read.
    recovery_points: Arc<Mutex<RecoveryPoints>>,
    /// Which hints were logged.
    hints: Arc<Hints>,
}

/// What one invocation should do.
#[derive(Clone)]
pub struct Invocation {
    /// Which partitions.
    pub event: Event,
    /// Time and memory.
    pub budget: Budget,
    /// Write partial segments however recent the last one is.
    pub flush: bool,
    /// Read up to these offsets, as [`Backup::ends`] returned them; partitions that are not in it
    /// are skipped.
    pub up_to: Option<Arc<Ends>>,
    /// Called for every step forward.
    pub progress: Option<ProgressFn>,
}

/// Called for each step forward.
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
    /// Everything that the settings name, within this budget.
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

    /// With snapshots of the cluster, if the settings have any.
    #[must_use]
    pub fn with_snapshots_of(mut self, administration: Arc<dyn ClusterAdministration>) -> Self {
        self.administration = Some(administration);
        self
    }

    /// Whether a backup with these settings has room for records in this much memory, in bytes.
    ///
    /// # Errors
    /// The tables of the compression leave none.
    pub fn check_memory(settings: &BackupSettings, memory: u64) -> Result<(), ConfigError> {
        Compressors::fitting(settings, processors(), memory).check(settings, memory)
    }

    /// Compresses in place, on the calling thread: for simulations that must be reproducible.
    #[must_use]
    pub fn single_threaded(mut self) -> Self {
        self.compressors = Compressors::new(self.settings.compression, self.settings.threads, 1);
        self
    }

    /// Runs one invocation. A partition that fails does not stop the others: its error is in the
    /// report.
    ///
    /// # Errors
    /// A problem of all partitions: Kafka is unreachable, no topic exists.
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
        let (empty, cluster) = (std::mem::take(&mut plan.empty), plan.cluster.clone());
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
        self.store_ends(cluster.as_deref(), self.clock.now(), &mut report).await;
        let now = self.clock.now();
        report.finish(started, now);
        report.recovery_point_seconds = self.recovery_point_seconds(&report, now);
        report.snapshot_age_seconds = self.snapshot_age_seconds(invocation, now);
        Ok(report)
    }
}
