//! `backup-batch`: each invocation moves the next stretch of Kafka partitions into the bucket, one segment at a time, and commits the offset.
//!
//! An invocation is stateless, and safe to run twice, at the same time, or to kill at any instruction, because of the order of its steps:
//!
//! 1. `plan.rs`: what is there to do, most neglected partition first (a few requests for all partitions).
//! 2. `resume.rs`: where to begin. Our own commit says it; where that is missing, foreign or expired, the bucket does.
//! 3. `stretch.rs`: read `[start, next)` into a segment; `turn.rs` keeps the reader for the one behind it.
//! 4. `publish.rs`: create the segment (never replacing one), then its `.sha256`, then commit `next`. A kill between any two steps leaves work
//!    that the next invocation adopts.

mod function;
mod plan;
mod publish;
mod report;
mod resume;
mod stretch;
mod turn;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use shared::clock::{Clock, Millis};
use shared::config::BackupSettings;
use shared::host::{Budget, Event};
use shared::kafka::{SourceCluster, TopicPartition};
use shared::segment::Lanes;
use shared::store::ObjectStore;
use shared::{Result, in_full};
use tokio::task::JoinSet;
use tracing::Instrument;

use plan::Candidate;
pub use report::{BackupReport, PartitionReport};
use resume::TopicState;
use turn::Turn;

/// The handler: made once for a process, used for any number of invocations, also at the same time.
#[derive(Debug, Clone)]
pub struct Backup {
    source: Arc<dyn SourceCluster>,
    store: Arc<dyn ObjectStore>,
    settings: Arc<BackupSettings>,
    clock: Arc<dyn Clock>,
    /// Stands in commits for the bucket.
    store_id: String,
    /// Members compressed at once; 1 compresses in place.
    compressors: usize,
    /// Their buffers, from segment to segment.
    lanes: Lanes,
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
    pub up_to: Option<Arc<BTreeMap<TopicPartition, i64>>>,
    /// Told of every step forward.
    pub progress: Option<ProgressFn>,
}

/// Called with a partition, the offset reached, and the end it works towards.
pub type ProgressFn = Arc<dyn Fn(&TopicPartition, i64, i64) + Send + Sync>;

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
        let store_id = shared::catalog::bucket_id(store.as_ref());
        let compressors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { source, store, settings: Arc::new(settings), clock, store_id, compressors, lanes: Lanes::default() }
    }

    /// Compresses in place, on the calling thread: for simulations that must repeat themselves exactly.
    #[must_use]
    pub fn single_threaded(mut self) -> Self {
        self.compressors = 1;
        self
    }

    /// Runs one invocation. A partition that fails does not stop the others: its error stands in the report.
    ///
    /// # Errors
    /// What concerns all partitions: Kafka cannot be reached, no topic exists.
    pub async fn invoke(&self, invocation: &Invocation) -> Result<BackupReport> {
        let started = self.clock.now();
        let plan = self.plan(invocation, started).await?;
        let run = Arc::new(Run {
            backup: self.clone(),
            invocation: invocation.clone(),
            started,
            topics: plan
                .topics
                .into_iter()
                .map(|(name, facts)| (name.clone(), TopicState::new(&name, facts, plan.newest.get(&name).copied())))
                .collect(),
            queue: Mutex::new(plan.work.into()),
            report: Mutex::new(plan.report),
        });
        let mut workers = JoinSet::new();
        for number in 0..self.settings.threads {
            let span = tracing::info_span!("worker", thread = format!("Kafka Consumer {number}"));
            workers.spawn(Run::work(run.clone()).instrument(span));
        }
        // A panic of a worker is a panic of the invocation: nothing is hidden, and nothing durable depends on it.
        while let Some(ended) = workers.join_next().await {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
        let mut report = lock(&run.report).clone();
        report.finish(started, self.clock.now());
        Ok(report)
    }
}

/// One invocation under way, shared by its workers.
#[derive(Debug)]
struct Run {
    backup: Backup,
    invocation: Invocation,
    started: Millis,
    topics: HashMap<String, TopicState>,
    queue: Mutex<VecDeque<Candidate>>,
    report: Mutex<BackupReport>,
}

impl Run {
    /// Takes partitions off the queue until it is empty, the budget is spent, or MAX_SEGMENTS_PER_INVOCATION segments are written.
    async fn work(self: Arc<Self>) {
        let mut left = self.backup.settings.max_segments.unwrap_or(u64::MAX);
        let (mut turn, mut again) = (Turn::default(), None);
        while left > 0 && !self.is_spent() {
            let Some(candidate) = again.take().or_else(|| lock(&self.queue).pop_front()) else { return };
            turn.at(&candidate.partition);
            match self.next_segment(&candidate, &mut turn).await {
                Ok(None) => {}
                Ok(Some(done)) => {
                    left -= 1;
                    lock(&self.report).add(&candidate.partition, &done);
                    let further = candidate.after(&done);
                    match (self.is_due(&further), turn.is_over()) {
                        (true, false) => again = Some(further),
                        (true, true) => lock(&self.queue).push_back(further),
                        (false, _) => {}
                    }
                }
                Err(error) => {
                    tracing::error!(topic = candidate.partition.topic, partition = candidate.partition.partition, "{}", in_full(&error));
                    lock(&self.report).fail(&candidate.partition, &error);
                }
            }
        }
    }

    fn is_spent(&self) -> bool {
        self.invocation.budget.is_spent(self.started, self.backup.clock.as_ref())
    }
}

/// The state behind a mutex is only ever replaced whole, so a panic elsewhere leaves it sound.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
