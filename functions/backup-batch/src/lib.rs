//! `backup-batch`: each invocation moves the next stretch of Kafka partitions into the bucket, one segment at a time, and commits the offset.
//!
//! An invocation is stateless, and safe to run twice, at the same time, or to kill at any instruction, because of the order of its steps:
//!
//! 1. `plan.rs`: what is there to do, most neglected partition first (a few requests for all partitions).
//! 2. `resume.rs`: where to begin. Our own commit says it; where that is missing, foreign or expired, the bucket does. `lost_end.rs`: whether the
//!    log still is the one that was backed up.
//! 3. `stretch.rs`: read `[start, next)` into a segment; `turn.rs` keeps the reader for the one behind it.
//! 4. `publish.rs`: create the segment (never replacing one), then its `.sha256`, then commit `next`. A kill between any two steps leaves work
//!    that the next invocation adopts. Meanwhile the next segment is read already.

mod function;
mod lost_end;
mod plan;
mod publish;
mod report;
mod resume;
mod stretch;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use archive::catalog::BackupCommit;
use archive::segment::Lanes;
use archive::{Error, Result};
use config::BackupSettings;
use futures::StreamExt;
use host::{Budget, Event};
use kafka::{SourceCluster, TopicPartition};
use kernel::clock::{Clock, Millis};
use kernel::in_full;
use store::ObjectStore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;

use plan::Candidate;
pub use report::{BackupReport, PartitionReport};
use resume::TopicState;
use stretch::{Durable, Ready, Stretch, nothing_came};
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
        let store_id = archive::catalog::bucket_id(store.as_ref());
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
                .map(|(name, facts)| {
                    (name.clone(), TopicState::new(&name, plan.cluster.clone(), facts, plan.known.get(&name).cloned().unwrap_or_default()))
                })
                .collect(),
            queue: Mutex::new(plan.work.into()),
            report: Mutex::new(plan.report),
            cut: Mutex::default(),
        });
        let note = |partition: TopicPartition| {
            let run = run.clone();
            async move { run.note_empty(&partition).await }
        };
        futures::stream::iter(plan.empty).for_each_concurrent(self.settings.threads.max(1), note).await;
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
    /// Partitions whose logs lost their ends while they were read.
    cut: Mutex<BTreeSet<TopicPartition>>,
}

impl Run {
    /// Writes what re-creates a topic in which nothing is yet. The commit of offset 0 remembers it, so that no further invocation asks the bucket.
    async fn note_empty(&self, partition: &TopicPartition) {
        if self.is_spent() {
            return;
        }
        let noted = async {
            let lineage = self.lineage(self.topic(&partition.topic)?).await?;
            // Nothing was backed up, so the first records are due however short a while ago this is.
            let commit = BackupCommit { at: 0, ..self.commit_of(lineage.of(partition.partition), 0, 0) };
            self.commit(partition, commit).await
        };
        if let Err(error) = noted.await {
            self.fail(partition, &error);
        }
    }

    /// Takes partitions off the queue until it is empty, the budget is spent, or MAX_SEGMENTS_PER_INVOCATION segments are written; those that
    /// were silent come last, whatever was written. While one segment is made durable the next one is read: should that have been for nothing,
    /// nothing durable came of it.
    async fn work(self: Arc<Self>) {
        let mut left = self.backup.settings.max_segments.unwrap_or(u64::MAX);
        let (mut turn, mut again, mut ready, mut silent) = (Turn::default(), None, None::<Ready>, Vec::<Candidate>::new());
        loop {
            let may_read = left > u64::from(ready.as_ref().is_some_and(|ready| ready.is_segment)) && !self.is_spent();
            let mut candidate = if may_read { again.take().or_else(|| lock(&self.queue).pop_front()) } else { None };
            if candidate.is_none() && ready.is_none() {
                match silent.pop() {
                    None => return,
                    Some(last) if self.is_spent() => {
                        let from = last.commit.as_ref().map_or(0, |commit| commit.next);
                        self.fail(&last.partition, &nothing_came(&last.partition, from, self.first_look()));
                        continue;
                    }
                    last => candidate = last,
                }
            }
            let (held, before) = watch::channel(ready.as_ref().map_or(0, Ready::bytes));
            let settle = async {
                let mut segment = ready.take()?;
                let result = self.make_durable(&segment).await;
                segment.let_go();
                held.send_replace(0);
                Some((segment, result, self.is_spent()))
            };
            let read = async { Some(self.read_segment(candidate.as_ref()?, &mut turn, before).await) };
            let (settled, mut read) = futures::future::join(settle, read).await;

            if let Some((segment, result, is_late)) = settled {
                let result = match result {
                    Ok(Durable::Committed(done)) => Ok(done),
                    Ok(Durable::Others(end)) => {
                        turn.leave(&segment.candidate.partition);
                        self.adopt_unread(&segment, &end).await
                    }
                    Err(error) => Err(error),
                };
                let is_as_read = self.note(&segment, result, &mut left, &mut turn);
                // What was read behind it, or was to be, does not begin where the chain ends.
                let is_void = |other: &Candidate| !is_as_read && other.partition == segment.candidate.partition;
                again = again.filter(|other| !is_void(other));
                // The time that is left when it is late was for the segment before.
                read = read.filter(|_| !is_late && !candidate.as_ref().is_some_and(is_void));
            }
            match (candidate, read) {
                (_, Some(Ok(Some(mut segment)))) => {
                    let further = segment.candidate.after(&segment.commit);
                    match (self.is_due(&further), turn.is_over()) {
                        (true, false) => again = Some(further),
                        (is_due, _) => segment.returns = is_due,
                    }
                    ready = Some(segment);
                }
                (Some(candidate), Some(Ok(None))) if turn.has_ended_in_silence() => {
                    silent.push(Candidate { is_stored: true, was_silent: true, ..candidate })
                }
                (Some(candidate), Some(Err(error))) => {
                    // By now the segment before is committed, or given up.
                    if let Err(failed) = self.note_truncation(&candidate.partition, &error).await {
                        self.fail(&candidate.partition, &failed);
                    }
                    self.fail(&candidate.partition, &error);
                }
                _ => {}
            }
        }
    }

    /// Notes what became of a segment; its partition goes back to the queue unless it is being read on. Whether the chain ends where it does.
    fn note(&self, segment: &Ready, result: Result<Stretch>, left: &mut u64, turn: &mut Turn) -> bool {
        let partition = &segment.candidate.partition;
        let done = match result {
            Ok(done) => done,
            Err(error) => {
                self.fail(partition, &error);
                return false;
            }
        };
        // Where only a commit was missing nothing was written: partitions in which nothing happens do not use up the others' invocations.
        *left = left.saturating_sub(u64::from(segment.is_segment));
        lock(&self.report).add(partition, &done);
        let is_as_read = (&done.commit.folder, done.commit.next) == (&segment.commit.folder, segment.commit.next);
        if !is_as_read {
            turn.leave(partition);
        }
        // Where another invocation has begun a newer generation meanwhile, the next invocation begins there; this one would go over the old one.
        let is_overtaken = done.commit.folder != segment.commit.folder;
        let further = segment.candidate.after(&done.commit);
        if (segment.returns || !is_as_read) && !is_overtaken && self.is_due(&further) {
            lock(&self.queue).push_back(further);
        }
        is_as_read
    }

    fn fail(&self, partition: &TopicPartition, error: &Error) {
        tracing::error!(topic = partition.topic, partition = partition.partition, "{}", in_full(error));
        lock(&self.report).fail(partition, error);
    }

    fn is_spent(&self) -> bool {
        self.invocation.budget.is_spent(self.started, self.backup.clock.as_ref())
    }
}

/// The state behind a mutex is only ever replaced whole, so a panic elsewhere leaves it sound.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
