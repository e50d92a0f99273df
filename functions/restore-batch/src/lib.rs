//! `restore-batch`: each invocation replays the next segments into a topic, according to a checkpoint object in the bucket.
//!
//! Exactly once across kills and doubled invocations, because progress is committed in the same Kafka transaction as the records:
//!
//! 1. `source.rs`: which partitions the backup has. `identity.rs`: what the restore id stands for, which topic it goes into, and that no other
//!    restore goes there; noted before the first record, and compared in each invocation and before anything is called complete.
//!    `missing.rs`: what was backed up, as snapshots say, and is not there.
//!    `target.rs`: the topic to write to, created when it does not exist, checked before the first record.
//! 2. `partition.rs`: for each partition the checkpoint, then the next segment or archive behind it, which `coming.rs` looks up and opens ahead.
//! 3. The writer is opened: that settles what a killed invocation left, fences an older one that still runs, and tells the progress of the last
//!    transaction. The larger of that and the checkpoint counts.
//! 4. `replay.rs`: verified records are written; each transaction takes its progress along. The checkpoint follows every few seconds.

mod archives;
mod coming;
mod configs;
mod function;
mod identity;
mod missing;
mod pace;
mod partition;
mod replay;
mod report;
mod source;
mod strategy;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use archive::catalog::{RestoreIdentity, bucket_id};
use archive::segment::ReadOptions;
use archive::{Error, Result};
use config::RestoreSettings;
use host::{Budget, Event, work_together};
use kafka::TargetCluster;
use kernel::clock::{Clock, Millis};
use kernel::{in_full, lock};
use store::ObjectStore;
use tokio::sync::OnceCell;
use tracing::Instrument;

use identity::Begun;
use missing::Known;
pub use report::{PartitionReport, RestoreReport};
use source::Source;
use target::TargetTopic;

/// The handler: made once for a process, used for any number of invocations, also at the same time.
#[derive(Debug, Clone)]
pub struct Restore {
    cluster: Arc<dyn TargetCluster>,
    store: Arc<dyn ObjectStore>,
    settings: Arc<RestoreSettings>,
    clock: Arc<dyn Clock>,
    /// Stands for the bucket in the names of restores.
    store_id: String,
    /// Members decompressed at once; 1 decompresses in place.
    decompressors: usize,
    /// What was backed up.
    known: Arc<Known>,
}

/// What one invocation is asked to do.
#[derive(Clone)]
pub struct Invocation {
    /// Which source partitions.
    pub event: Event,
    /// How much time and memory.
    pub budget: Budget,
    /// Told of every step forward.
    pub progress: Option<ProgressFn>,
}

/// Called with a source partition, the records written by this invocation, and the object they came from.
pub type ProgressFn = Arc<dyn Fn(i32, u64, &str) + Send + Sync>;

impl Invocation {
    /// Every partition, within this budget.
    pub fn new(budget: Budget) -> Self {
        Self { event: Event::default(), budget, progress: None }
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation").field("event", &self.event).field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Restore {
    /// A handler for these settings.
    pub fn new(cluster: Arc<dyn TargetCluster>, store: Arc<dyn ObjectStore>, settings: RestoreSettings, clock: Arc<dyn Clock>) -> Self {
        let store_id = bucket_id(store.as_ref());
        let decompressors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cluster, store, settings: Arc::new(settings), clock, store_id, decompressors, known: Arc::default() }
    }

    /// Decompresses in place, on the calling thread: for simulations that must repeat themselves exactly.
    #[must_use]
    pub fn single_threaded(mut self) -> Self {
        self.decompressors = 1;
        self
    }

    /// What each worker may use of the memory to read.
    pub(crate) fn read_options(&self, budget: &Budget) -> ReadOptions {
        let options = ReadOptions { workers: self.decompressors, ..ReadOptions::default() };
        // Archives of the Python tool are held in memory.
        let largest_archive = (budget.memory / 4 / self.settings.threads.max(1) as u64).min(options.largest_archive);
        ReadOptions { stretch: budget.stretch_bytes(self.settings.threads).min(options.stretch), largest_archive, ..options }
    }

    /// Runs one invocation. A partition that fails does not stop the others: its error stands in the report.
    ///
    /// # Errors
    /// What concerns all partitions: there is no such backup, the target cannot take it, Kafka or the bucket cannot be reached.
    pub async fn invoke(&self, invocation: &Invocation) -> Result<RestoreReport> {
        let started = self.clock.now();
        let identity = self.noted().await?;
        // First: what is backed up after this is no loss.
        self.inventory().await?;
        let source = self.source(&invocation.event, identity.as_ref()).await?;
        let accepted = self.compare(&source, identity.as_ref()).await?;
        let cluster = self.cluster.cluster().await?;
        if let Some(identity) = &identity {
            self.check_identity(identity, &source, cluster.id.as_deref())?;
        }
        if identity.is_none() && !self.settings.times.are_all() {
            self.refuse_archives_without_times(&source).await?;
        }
        let (target, identity) = self.target(&source, cluster, identity).await?;
        let mut report = RestoreReport::new(self, &source, &target);
        report.notes.extend(accepted);
        if let Some(newest) = source.newer.last() {
            tracing::warn!(topic = self.settings.backup_topic, "restoring {}, and {newest} is newer", source.name);
        }
        let run = Arc::new(Run {
            restore: self.clone(),
            invocation: invocation.clone(),
            started,
            queue: Mutex::new(turns(&source.partitions, started)),
            source,
            target,
            identity,
            found: OnceCell::new(),
            begun: OnceCell::new(),
            report: Mutex::new(report),
            refusal: OnceLock::new(),
        });
        let worker = |number| {
            let thread = if number == 0 { "Kafka Producer".to_owned() } else { format!("Kafka Producer {number}") };
            Run::work(run.clone()).instrument(tracing::info_span!("worker", thread))
        };
        work_together((0..self.settings.threads).map(worker)).await;
        if let Some(refusal) = run.refusal() {
            return Err(Error::unfit(refusal.to_string()));
        }
        run.confirm_at_the_end().await?;
        let mut report = lock(&run.report).clone();
        report.finish(started, self.clock.now());
        if report.caught_up {
            let (commands, notes) = self.configs_to_give_back(&run.source, &run.target).await;
            report.commands = commands;
            report.notes.extend(notes);
            report.tell_of_groups();
        }
        Ok(report)
    }
}

/// One invocation under way, shared by its workers.
#[derive(Debug)]
struct Run {
    restore: Restore,
    invocation: Invocation,
    started: Millis,
    source: Source,
    target: TargetTopic,
    /// What the restore id stands for, where it was noted when this invocation looked.
    identity: Option<RestoreIdentity>,
    /// What the restore is, as the bucket has it.
    found: OnceCell<Begun>,
    /// The same once the target may be written to.
    begun: OnceCell<Begun>,
    queue: Mutex<VecDeque<i32>>,
    report: Mutex<RestoreReport>,
    /// Why the target cannot take anything; looked at when there is something to write, for what is restored may get the configs of its old life.
    refusal: OnceLock<Option<Error>>,
}

/// The partitions, beginning with another one each time: those that cannot be written just now do not keep the same others waiting for ever.
fn turns(partitions: &[i32], now: Millis) -> VecDeque<i32> {
    let mut turns: VecDeque<i32> = partitions.iter().copied().collect();
    // Schedules are as regular as clocks: the time is stirred (a step of SplitMix64).
    let stirred = now.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    turns.rotate_left(usize::try_from(stirred).unwrap_or(0) % partitions.len().max(1));
    turns
}

impl Run {
    /// Takes partitions off the queue until it is empty, the budget is spent, or MAX_SEGMENTS_PER_INVOCATION segments are replayed.
    async fn work(self: Arc<Self>) {
        let mut left = self.restore.settings.max_segments.unwrap_or(u64::MAX);
        while left > 0 && !self.is_spent() && self.refusal().is_none() {
            let Some(partition) = lock(&self.queue).pop_front() else { return };
            if let Err(error) = self.restore_partition(partition, &mut left).await
                && self.refusal().is_none()
            {
                let error = self.cause(error).await;
                tracing::error!(topic = self.source.folder, partition, "{}", in_full(&error));
                lock(&self.report).fail(partition, &error);
            }
        }
    }

    fn refusal(&self) -> Option<&Error> {
        self.refusal.get()?.as_ref()
    }

    fn is_spent(&self) -> bool {
        self.invocation.budget.is_spent(self.started, self.restore.clock.as_ref())
    }
}
