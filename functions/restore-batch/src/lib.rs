//! `restore-batch`: each invocation replays the next segments into topics, according to checkpoint
//! objects in the bucket.
//!
//! Exactly once across kills and concurrent invocations, because progress is committed in the same
//! Kafka transaction as the records. A restore is of one topic, which it follows permanently, or of
//! topics up to a cut of each partition, where it ends. A topic that fails does not stop the
//! others.
//!
//! 1. `scope.rs`: which topics, and up to which offsets (`cuts.rs`; `as_of.rs` for a moment).
//!    `newer.rs`: what is newer than the newest snapshot of then.
//!    `source.rs`: what the backup of one topic has. `missing.rs`: what was backed up, according to
//!    snapshots, and is missing. `identity.rs`: the choice of the restore id, the target of each
//!    folder, and that no other restore has it. All of this is recorded before the first record,
//!    and compared in each invocation and before anything is called complete.
//! 2. `work.rs`: workers take partitions off one queue; `writers.rs` decides how many. `topic.rs`:
//!    one topic of it. `target.rs`: the target topic, created if it does not exist, checked before
//!    the first record.
//! 3. `partition.rs`: for each partition the checkpoint (`progress.rs`), then the next segment or
//!    archive, which `coming.rs` finds and opens ahead. `ready.rs` does this for the next
//!    partitions while one is restored. Opening the writer settles what a killed
//!    invocation left, fences an older one that still runs, and returns the progress of the last
//!    transaction. The larger of that and the checkpoint counts.
//! 4. `replay.rs`: writes verified records. Each transaction includes its progress, and `rate.rs`
//!    keeps to BYTES_PER_SECOND. The checkpoint follows every few seconds.
//! 5. `end.rs`: marks a partition at its cut, and when all are, records that permanently.
//!
//! `finish/` does what is left for the applications when all records are restored. `translate/`
//! finds the target positions of source offsets. `plan.rs` does only the first step, and writes
//! nothing. `together.rs` sends requests about many topics in parallel.

mod archives;
mod as_of;
mod coming;
mod configs;
mod cuts;
mod end;
mod finish;
mod function;
mod identity;
mod missing;
mod newer;
mod pace;
mod partition;
mod plan;
mod progress;
mod rate;
mod ready;
mod replay;
mod report;
mod scope;
#[cfg(test)]
mod several;
mod source;
mod strategy;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod together;
mod topic;
mod translate;
mod work;
mod writers;

use std::fmt;
use std::sync::{Arc, OnceLock};

use archive::Result;
use archive::catalog::{Intents, bucket_id};
use archive::segment::{ReadAhead, ReadBudget, ReadOptions};
use config::RestoreSettings;
use host::{Budget, Event, HeldBack, RateLimit, processors};
use kafka::{ClusterChanges, ClusterFacts, TargetCluster};
use kernel::clock::Clock;
use kernel::in_full;
use store::ObjectStore;

pub use finish::{AclsReport, ConfigReport, Finish, FinishReport, FinishRequest, GroupReport, OffsetReport, PrincipalReport, State};
use missing::Known;
pub use plan::{Plan, PlannedTopic};
pub use report::{DonePartitions, PartitionReport, RestoreReport, TopicReport};
use target::TargetTopic;
pub use translate::{Place, SourceOffset, TranslatedOffset};
use work::Work;

/// A checkpoint with more spans has 10 kB, every few seconds.
const SPANS_PER_OBJECT: usize = 1_000;

/// The handler: created once per process, used for any number of invocations, even at the same
/// time.
#[derive(Debug, Clone)]
pub struct Restore {
    cluster: Arc<dyn TargetCluster>,
    store: Arc<dyn ObjectStore>,
    settings: Arc<RestoreSettings>,
    clock: Arc<dyn Clock>,
    /// RESTORE_ID, or a name derived from the choice: known once the cluster's id is.
    id: Arc<OnceLock<String>>,
    /// Identifies the bucket in the names of restores.
    store_id: String,
    /// Members that are decompressed in parallel; 1 decompresses in place.
    decompressors: usize,
    reads_ahead: bool,
    /// Spans per object, once a checkpoint has more.
    spans_per_object: usize,
    /// What was backed up.
    known: Arc<Known>,
    /// BYTES_PER_SECOND.
    rate: RateLimit,
    /// For the work at the end.
    admin: Option<Arc<dyn ClusterChanges>>,
}

/// What one invocation should do.
#[derive(Clone)]
pub struct Invocation {
    /// Which source partitions.
    pub event: Event,
    /// Time and memory.
    pub budget: Budget,
    /// Called for every step forward.
    pub progress: Option<ProgressFn>,
}

/// Called for each step forward.
pub type ProgressFn = Arc<dyn Fn(&Progress<'_>) + Send + Sync>;

/// A step forward.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The target topic.
    pub topic: &'a str,
    /// The source partition.
    pub partition: i32,
    /// Records that this step wrote, and their bytes.
    pub records: u64,
    /// See `records`.
    pub bytes: u64,
    /// Source offsets of this step.
    pub offsets: u64,
    /// The object of the records.
    pub object: &'a str,
    /// The progress of the whole restore; `None` if it has no end.
    pub done: Option<DonePartitions>,
}

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
        let decompressors = processors();
        let rate = RateLimit::new(settings.bytes_per_second);
        let id = Arc::new(settings.restore_id.clone().map_or_else(OnceLock::new, OnceLock::from));
        Self {
            cluster,
            store,
            settings: Arc::new(settings),
            clock,
            id,
            store_id,
            decompressors,
            reads_ahead: true,
            spans_per_object: SPANS_PER_OBJECT,
            known: Arc::default(),
            rate,
            admin: None,
        }
    }

    /// Prefetches nothing, and decompresses in place, on the calling thread: for simulations that
    /// must be reproducible.
    #[must_use]
    pub fn single_threaded(mut self) -> Self {
        (self.decompressors, self.reads_ahead) = (1, false);
        self
    }

    /// With an interface for changes of the cluster other than records.
    #[must_use]
    pub fn with_administration(mut self, admin: Arc<dyn ClusterChanges>) -> Self {
        self.admin = Some(admin);
        self
    }

    /// The work that is left when all records are restored. `None` without an administration.
    pub fn finisher(&self) -> Option<Finish> {
        self.admin.clone().map(|admin| Finish::new(self.clone(), admin))
    }

    /// Moves spans out of a checkpoint sooner: for simulations, in which a restore has few.
    #[must_use]
    pub fn with_spans_per_object(mut self, spans: usize) -> Self {
        self.spans_per_object = spans;
        self
    }

    /// The name of this restore in the bucket and in Kafka. Empty before the first invocation of
    /// one without a RESTORE_ID.
    pub fn id(&self) -> &str {
        self.id.get().map_or("", String::as_str)
    }

    /// Adds to the report of a finished restore the commands that set the configs of the originals.
    ///
    /// # Errors
    /// An error of the bucket or of Kafka.
    pub async fn tell_of_configs(&self, report: &mut RestoreReport) -> Result<()> {
        let Some(noted) = self.noted().await? else { return Ok(()) };
        let cluster = self.cluster.cluster().await?;
        for (topic, of) in noted.topics.iter().zip(&mut report.topics).filter(|(_, of)| of.error.is_none()) {
            let source = self.source_with_cuts(topic, Vec::new()).await?;
            if let Some(facts) = self.cluster.describe(&source.target).await? {
                let target = TargetTopic::new(&source, facts, cluster.clone());
                self.tell_of_configs_of(&source, &target, of).await;
            }
        }
        Ok(())
    }

    /// Adds to the report of a finished restore when `finish` last changed the target. Not being
    /// able to tell is a note: the restore itself is whole.
    pub async fn tell_of_finish(&self, report: &mut RestoreReport) {
        match Intents::load(self.store.as_ref(), self.id(), &report.run).await {
            Ok(intents) => report.finish_applied_at = intents.filter(Intents::are_in_effect).map(|intents| intents.at),
            Err(error) => report.notes.push(format!("it is unknown whether finish was applied: {}", in_full(&error))),
        }
    }

    /// Whether it ends when its whole choice is restored; otherwise it follows the backup.
    pub fn ends_by_itself(&self) -> bool {
        self.has_cuts()
    }

    /// Names a restore without a RESTORE_ID: the same name for the same choice and cluster.
    fn name(&self, cluster: &ClusterFacts) {
        let choice = self.choice(cluster.id.clone());
        self.id.get_or_init(|| {
            let what = match choice.only() {
                Some(topic) => format!("{topic}-to-{}", self.settings.target.of(topic)),
                None => "cluster".to_owned(),
            };
            // A choice has at most 8 digits, and an id 200 characters.
            let what: String = what.chars().take(150).collect();
            format!("{what}-{}", choice.digits())
        });
    }

    /// Each worker's limits for reading.
    pub(crate) fn read_options(&self, budget: &Budget) -> ReadOptions {
        let options = ReadOptions { workers: self.decompressors, ..ReadOptions::default() };
        // Archives of the Python tool are held in memory.
        let largest_archive = (budget.memory / 4 / self.settings.threads.max(1) as u64).min(options.largest_archive);
        ReadOptions { stretch: budget.stretch_bytes(self.settings.threads).min(options.stretch), largest_archive, ..options }
    }

    /// What the workers of one invocation share for prefetching; `None` for simulations that must
    /// be reproducible.
    pub(crate) fn read_ahead(&self, budget: &Budget) -> Option<ReadAhead> {
        self.reads_ahead.then(|| ReadAhead::new(ReadBudget::new(budget.ahead_bytes())))
    }

    /// Runs one invocation. A partition or a topic that fails does not stop the others: its error
    /// is in the report.
    ///
    /// # Errors
    /// An error of all of it: there is no such backup, the target is unfit, Kafka or the bucket is
    /// unreachable.
    pub async fn invoke(&self, invocation: &Invocation) -> Result<RestoreReport> {
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

    async fn work(&self, invocation: &Invocation) -> Result<RestoreReport> {
        let started = self.clock.now();
        let cluster = self.cluster.cluster().await?;
        self.name(&cluster);
        let noted = self.noted().await?;
        if let Some(noted) = &noted {
            noted.check(self.id(), &self.choice(cluster.id.clone()))?;
            if let Some(report) = self.finished(noted, started).await? {
                return Ok(report);
            }
        }
        // First: what is backed up after this is no loss.
        self.inventory().await?;
        let work = match noted {
            Some(noted) if noted.is_cut() => Work::go_on(self, invocation, noted, cluster, started).await?,
            None if self.has_cuts() => {
                let noted = self.begin_with_cuts(&cluster).await?;
                Work::go_on(self, invocation, noted, cluster, started).await?
            }
            noted => Work::of_one(self, invocation, noted, cluster, started).await?,
        };
        work.run().await
    }
}
