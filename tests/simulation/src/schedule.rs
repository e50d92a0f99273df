//! One run: random steps, then quiet (`quiet.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use archive::Times;
use archive::catalog::{Claim, PartitionStrategy, RestoreIdentity};
use archive::segment::Compression;
use backup_batch::{Backup, Invocation as BackupInvocation};
use config::{BackupSettings, RestoreSettings, TargetName};
use host::Budget;
use kafka::{CommittedOffset, Delivery, Isolation, KafkaSettings, Selection, TopicPartition};
use kernel::clock::{Clock, Millis};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use restore_batch::{Invocation as RestoreInvocation, Restore};
use store::testing::{Delete, MemoryStore};
use store::{ObjectStore, StoreKind, StoreSettings};
use telemetry::LogLevel;
use tokio::task::JoinHandle;

use super::bucket::{Line, SimBucket};
use super::chaos::{Chaos, SimClock};
use super::source::SimSource;
use super::target::{CLUSTER, SimTarget};
use super::verdict::{self, Verdict};
use super::world::{self, Entry, World};

/// The source topic.
pub(crate) const TOPIC: &str = "orders";
pub(super) const GROUP: &str = "backup";
/// The number of spans in an object that a checkpoint has no room for.
pub(crate) const SPANS: usize = 3;
/// The application that writes transactions.
pub(super) const APP: &str = "app";

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// Decides everything.
    pub seed: u64,
    /// Random steps before the quiet end.
    pub steps: usize,
    /// Failed requests in a thousand.
    pub errors: u32,
    /// How records are restored. Without transactions one restore runs at a time: two write records
    /// twice, until the older one meets the newer one's checkpoint.
    pub delivery: Delivery,
}

/// What happened in a run. It shows that the runs reach the interesting cases.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcome {
    /// Invocations that began before the quiet end.
    pub invocations: usize,
    /// Of those, ended by a kill.
    pub kills: usize,
    /// Segments in the bucket at the end.
    pub segments: usize,
    /// Records restored.
    pub restored: usize,
    /// Generations of the topic.
    pub generations: usize,
    /// Recorded gaps.
    pub gaps: usize,
    /// Logs that lost their end.
    pub truncations: usize,
    /// Records that an at-least-once restore wrote again.
    pub repeated: usize,
    /// Partitions whose restore stopped, because Kafka forgot its progress.
    pub lost: usize,
    /// Records that a restore of a time range left out.
    pub left_out: usize,
    /// Targets that were deleted during their restore.
    pub deleted: usize,
    /// Of those, the ones whose restore is refused permanently.
    pub dead: usize,
    /// Transactions that a slow target's brokers ended.
    pub timed_out: usize,
    /// Topics that a restore of another id claimed.
    pub rivals: usize,
    /// Partitions whose offsets were all translated.
    pub translated: usize,
    /// Offsets whose target offset was unknown, so that records may repeat.
    pub inexact: usize,
}

impl std::iter::Sum for Outcome {
    fn sum<I: Iterator<Item = Self>>(outcomes: I) -> Self {
        outcomes.fold(Self::default(), |sum, one| Self {
            invocations: sum.invocations + one.invocations,
            kills: sum.kills + one.kills,
            segments: sum.segments + one.segments,
            restored: sum.restored + one.restored,
            generations: sum.generations + one.generations,
            gaps: sum.gaps + one.gaps,
            truncations: sum.truncations + one.truncations,
            repeated: sum.repeated + one.repeated,
            lost: sum.lost + one.lost,
            left_out: sum.left_out + one.left_out,
            deleted: sum.deleted + one.deleted,
            dead: sum.dead + one.dead,
            timed_out: sum.timed_out + one.timed_out,
            rivals: sum.rivals + one.rivals,
            translated: sum.translated + one.translated,
            inexact: sum.inexact + one.inexact,
        })
    }
}

/// Runs a schedule.
///
/// # Errors
/// What the oracle found wrong. The same schedule finds it again.
pub fn run(schedule: Schedule) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    runtime.block_on(Simulation::new(schedule).run())
}

/// A running invocation.
type Running = (JoinHandle<Verdict>, Arc<Chaos>, Handler);

/// The handler of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handler {
    Backup,
    Restore,
}

/// The random settings.
#[derive(Debug, Clone, Copy)]
struct Shape {
    records_per_segment: u64,
    threads: usize,
    max_segments: Option<u64>,
    compression: Compression,
}

pub(crate) struct Simulation {
    pub(super) schedule: Schedule,
    rng: SmallRng,
    pub(crate) world: World,
    pub(crate) bucket: Arc<MemoryStore>,
    pub(crate) clock: Arc<SimClock>,
    pub(super) alive: Vec<Running>,
    /// The time range of restores.
    pub(super) times: Times,
    /// Fixed settings instead of random ones.
    fixed: Option<Shape>,
    /// Partitions that return no records for this long after they are opened.
    pub(super) silent: BTreeMap<TopicPartition, Millis>,
    /// The target of restores, if it is not the topic named after the folder.
    pub(super) target: Option<String>,
    pub(super) line: Line,
    /// Extra bytes of each record, which the oracle ignores.
    pub(super) padding: usize,
    pub(super) outcome: Outcome,
}

impl Simulation {
    fn new(schedule: Schedule) -> Self {
        let world = World::default();
        let mut rng = SmallRng::seed_from_u64(schedule.seed);
        world.lock().create(TOPIC, rng.random_range(1..4));
        world.lock().is_slow = schedule.seed % 7 == 4;
        world.lock().hides_places = (schedule.seed % 3 == 1).then_some(schedule.seed);
        Self {
            schedule,
            rng,
            world,
            bucket: Arc::new(MemoryStore::new()),
            clock: Arc::default(),
            alive: Vec::new(),
            times: times(schedule.seed),
            fixed: None,
            silent: BTreeMap::new(),
            target: None,
            line: Line::default(),
            padding: 0,
            outcome: Outcome::default(),
        }
    }

    /// One partition with two segments of two records, and no random settings.
    pub(crate) fn small() -> Self {
        let mut simulation = Self::new(Schedule { seed: 0, steps: 0, errors: 0, delivery: Delivery::ExactlyOnce });
        let shape = Shape { records_per_segment: 2, threads: 1, max_segments: Some(2), compression: Compression::Gzip(1) };
        simulation.fixed = Some(shape);
        simulation.world = World::default();
        {
            let mut state = simulation.world.lock();
            state.create(TOPIC, 1);
            let values: Vec<_> = (0..4).map(|_| Entry::Record(state.value())).collect();
            if let Some(log) = state.log(&TopicPartition::new(TOPIC, 0)) {
                log.entries = values;
            }
        }
        simulation
    }

    /// One more partition like the first.
    pub(super) fn add_full_partition(&mut self) {
        if let Some(topic) = self.world.lock().topics.get_mut(TOPIC) {
            topic.logs.push(super::world::Log::default());
        }
        let added = self.world.lock().topics[TOPIC].logs.len() - 1;
        self.write(added, 4);
    }

    /// Writes records to a partition.
    pub(super) fn write(&mut self, partition: usize, count: usize) {
        let mut state = self.world.lock();
        let entries: Vec<_> = (0..count).map(|_| Entry::Record(state.value())).collect();
        if let Some(topic) = state.topics.get_mut(TOPIC) {
            topic.logs[partition].entries.extend(entries);
        }
    }

    /// A segment of a small simulation has this many records.
    pub(super) fn take_records(&mut self, records_per_segment: u64) {
        self.fixed = self.fixed.map(|shape| Shape { records_per_segment, ..shape });
    }

    /// An invocation of a small simulation ends after this many segments.
    pub(super) fn take_segments(&mut self, max_segments: u64) {
        self.fixed = self.fixed.map(|shape| Shape { max_segments: Some(max_segments), ..shape });
    }

    /// An invocation of a small simulation ends when nothing is left.
    pub(super) fn take_any_number_of_segments(&mut self) {
        self.fixed = self.fixed.map(|shape| Shape { max_segments: None, ..shape });
    }

    /// Starts an invocation.
    pub(crate) fn start(&mut self, handler: Handler, chaos: Arc<Chaos>) -> JoinHandle<Verdict> {
        match handler {
            Handler::Backup => {
                let (backup, mut invocation) = (self.backup(chaos), BackupInvocation::new(Budget::unlimited(None)));
                invocation.flush = true;
                tokio::spawn(async move { verdict::of_backup(backup.invoke(&invocation).await) })
            }
            Handler::Restore => {
                let (restore, invocation) =
                    (self.restore(chaos, TOPIC, &restore_id(TOPIC)), RestoreInvocation::new(Budget::unlimited(None)));
                tokio::spawn(async move { verdict::of_restore(restore.invoke(&invocation).await) })
            }
        }
    }

    fn shape(&mut self) -> Shape {
        // A segment of a slow target needs more than one transaction.
        let records = if self.world.lock().is_slow { 12..60 } else { 1..12 };
        self.fixed.unwrap_or_else(|| Shape {
            records_per_segment: self.rng.random_range(records),
            threads: self.rng.random_range(1..4),
            max_segments: self.rng.random_bool(0.8).then(|| self.rng.random_range(1..6)),
            compression: if self.rng.random_bool(0.5) { Compression::Gzip(1) } else { Compression::Zstd(1) },
        })
    }

    async fn run(mut self) -> Result<Outcome, String> {
        for _ in 0..self.schedule.steps {
            self.step().await?;
            for _ in 0..self.rng.random_range(0..60) {
                tokio::task::yield_now().await;
            }
            self.judge_the_ended().await?;
        }
        self.finish().await
    }

    /// Asserts that ended invocations did not panic, and that a fault explains each failure.
    async fn judge_the_ended(&mut self) -> Result<(), String> {
        for (mut task, chaos, handler) in std::mem::take(&mut self.alive) {
            if task.is_finished() {
                verdict::of_ended(&mut task).await?;
            } else {
                self.alive.push((task, chaos, handler));
            }
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..100) {
            0..30 => self.append(),
            30..55 => self.start_backup(),
            55..68 => self.start_restore(),
            68..74 => self.end_transaction(),
            74..79 => self.trim(),
            79..83 => self.compact(),
            83..90 => self.clock.advance(self.rng.random_range(0..100_000)),
            90..95 => self.meddle(),
            95..96 if self.rng.random_bool(0.5) => self.delete_target(),
            95..96 => self.add_partition(),
            96..97 => self.forget_restore().await,
            97..98 => {
                let partitions = self.rng.random_range(1..4);
                self.world.lock().create(TOPIC, partitions);
            }
            _ => self.truncate().await?,
        }
        Ok(())
    }

    /// An unclean leader election: a log loses its end, including some of what was backed up. The
    /// loss cannot be detected after the log has grown past that end, so a backup runs first. No
    /// log is cut while a process still reads it.
    async fn truncate(&mut self) -> Result<(), String> {
        if self.alive.iter().any(|(task, chaos, _)| !task.is_finished() && !chaos.is_killed()) {
            return Ok(());
        }
        self.back_up_everything().await?;
        let before = self.generations().await;
        {
            let mut state = self.world.lock();
            let topic = state.topics[TOPIC].clone();
            let partition = self.rng.random_range(0..topic.logs.len());
            let (start, end) = (topic.logs[partition].start, topic.logs[partition].stable());
            if end - start < 2 {
                return Ok(());
            }
            let to = self.rng.random_range(start + 1..end);
            state.buried.push((TOPIC.to_owned(), topic));
            if let Some(topic) = state.topics.get_mut(TOPIC) {
                topic.logs[partition].cut(to);
            }
        }
        self.outcome.truncations += 1;
        self.back_up_everything().await?;
        if self.generations().await == before + 1 { Ok(()) } else { Err("a log that lost its end did not begin a generation".to_owned()) }
    }

    /// Number of generations in the bucket.
    pub(super) async fn generations(&self) -> u32 {
        let mut number = 0;
        let there = |number| archive::catalog::names::topic_json(&archive::catalog::names::topic_folder(TOPIC, number));
        while self.bucket.get(&there(number + 1)).await.is_ok() {
            number += 1;
        }
        number
    }

    /// Writes to a random partition: plain records, records of a transaction, aborted ones.
    fn append(&mut self) {
        let kind = self.rng.random_range(0..10);
        let count = self.rng.random_range(1..12);
        let mut state = self.world.lock();
        let partitions = state.topics[TOPIC].logs.len();
        let partition = self.rng.random_range(0..partitions);
        for _ in 0..count {
            let value = state.value();
            let log = state.topics.get_mut(TOPIC).map(|topic| &mut topic.logs[partition]);
            let entry = match kind {
                0 => Entry::Hole,
                1 | 2 => Entry::Open(value, APP.to_owned()),
                _ => Entry::Record(value),
            };
            if let Some(log) = log {
                log.entries.push(entry);
            }
        }
    }

    fn end_transaction(&mut self) {
        let commit = self.rng.random_range(0..2) == 0;
        self.world.lock().end_transaction(APP, commit);
    }

    /// Retention or DeleteRecords.
    fn trim(&mut self) {
        let mut state = self.world.lock();
        let logs = state.topics.get_mut(TOPIC).map(|topic| &mut topic.logs);
        for log in logs.into_iter().flatten() {
            let to = self.rng.random_range(log.start..=log.stable());
            log.start = to;
        }
    }

    /// Compaction: some records are gone, their offsets stay.
    fn compact(&mut self) {
        let mut state = self.world.lock();
        let logs = state.topics.get_mut(TOPIC).map(|topic| &mut topic.logs);
        for entry in logs.into_iter().flatten().flat_map(|log| &mut log.entries) {
            if let Entry::Record(value) = entry
                && self.rng.random_range(0..8) == 0
            {
                *entry = Entry::Compacted(*value);
            }
        }
    }

    /// Someone else changes the group's offsets.
    fn meddle(&mut self) {
        let mut state = self.world.lock();
        let partition = self.rng.random_range(0..state.topics[TOPIC].logs.len());
        let place = (GROUP.to_owned(), TopicPartition::new(TOPIC, i32::try_from(partition).unwrap_or(0)));
        match self.rng.random_range(0..3) {
            0 => drop(state.groups.remove(&place)),
            1 => drop(state.groups.insert(place, CommittedOffset { next: self.rng.random_range(0..50), metadata: String::new() })),
            _ => {
                if let Some(committed) = state.groups.get_mut(&place) {
                    committed.next = self.rng.random_range(0..=committed.next + 10);
                }
            }
        }
    }

    /// Kafka forgets the progress of restores, as it does after a week without a commit. Or someone
    /// deletes a restore's target and checkpoints, to begin it again under the same id.
    async fn forget_restore(&mut self) {
        if self.rng.random_bool(0.5) {
            self.world.lock().groups.retain(|(group, _), _| group == GROUP);
            return;
        }
        if self.is_restoring() {
            return;
        }
        let folder = self.some_restored();
        for name in self.bucket.snapshot().keys().filter(|name| name.starts_with(&format!("@restore/{}/", restore_id(&folder)))) {
            drop(self.bucket.delete(name).await);
        }
        let mut state = self.world.lock();
        state.topics.remove(&restored(&folder));
        state.producers.retain(|id, _| !id.starts_with(&format!("kafka-backup-restore.{}.", restore_id(&folder))));
    }

    /// Someone deletes the target of a restore. Perhaps they, or an application that writes to it,
    /// create another topic of the same name.
    fn delete_target(&mut self) {
        let folder = self.some_restored();
        let makes_another = self.rng.random_bool(0.5);
        let mut state = self.world.lock();
        if !state.topics.contains_key(&restored(&folder)) {
            return;
        }
        state.delete(&restored(&folder));
        if makes_another {
            state.create(&restored(&folder), world::MOST_PARTITIONS);
        }
        state.deleted.insert(folder);
        drop(state);
        self.outcome.deleted += 1;
    }

    fn is_restoring(&self) -> bool {
        self.alive.iter().any(|(task, chaos, what)| *what == Handler::Restore && !task.is_finished() && !chaos.is_killed())
    }

    fn add_partition(&mut self) {
        let mut state = self.world.lock();
        if let Some(topic) = state.topics.get_mut(TOPIC).filter(|topic| topic.logs.len() < super::world::MOST_PARTITIONS) {
            topic.logs.push(super::world::Log::default());
        }
    }

    fn chaos(&mut self) -> Arc<Chaos> {
        let kill_at = self.rng.random_bool(0.5).then(|| self.rng.random_range(0..80));
        self.outcome.invocations += 1;
        self.outcome.kills += usize::from(kill_at.is_some());
        Chaos::new(self.rng.random(), self.clock.clone(), kill_at, self.schedule.errors)
    }

    fn start_backup(&mut self) {
        let chaos = self.chaos();
        let backup = self.backup(chaos.clone());
        let mut invocation = BackupInvocation::new(self.budget());
        invocation.flush = self.rng.random_bool(0.5);
        self.alive.push((tokio::spawn(async move { verdict::of_backup(backup.invoke(&invocation).await) }), chaos, Handler::Backup));
    }

    fn start_restore(&mut self) {
        if self.schedule.delivery == Delivery::AtLeastOnce && self.is_restoring() {
            return;
        }
        let chaos = self.chaos();
        let folder = self.some_restored();
        // Two restores of the newest generation may have different generations.
        let id = if folder != NEWEST && self.rng.random_bool(0.15) { rival_id(&folder) } else { restore_id(&folder) };
        let restore = self.restore(chaos.clone(), &folder, &id);
        let invocation = RestoreInvocation::new(self.budget());
        self.alive.push((tokio::spawn(async move { verdict::of_restore(restore.invoke(&invocation).await) }), chaos, Handler::Restore));
    }

    /// The generation for a restore: one of the first two, or the newest.
    fn some_restored(&mut self) -> String {
        match self.rng.random_range(1..4) {
            3 => NEWEST.to_owned(),
            generation => archive::catalog::names::topic_folder(TOPIC, generation),
        }
    }

    fn budget(&mut self) -> Budget {
        let deadline = self.rng.random_bool(0.3).then(|| self.clock.now() + self.rng.random_range(1..400));
        Budget { deadline, ..Budget::unlimited(None) }
    }

    pub(super) fn backup(&mut self, chaos: Arc<Chaos>) -> Backup {
        let source = SimSource::new(self.world.clone(), chaos.clone(), GROUP, self.silent.clone()).with_padding(self.padding);
        let bucket = SimBucket { store: self.bucket.clone(), chaos, line: self.line.clone() };
        let shape = self.shape();
        let settings = BackupSettings {
            kafka: KafkaSettings { bootstrap_servers: "simulation:9092".to_owned(), ..KafkaSettings::default() },
            store: StoreSettings { kind: StoreKind::Folder("/simulation".into()), prefix: String::new() },
            topics: Selection::of_names([TOPIC]),
            group: GROUP.to_owned(),
            snapshots: None,
            metrics_max_topics: 50,
            records_per_segment: shape.records_per_segment,
            retry_upload: Duration::from_secs(60),
            threads: shape.threads,
            max_segments: shape.max_segments,
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            isolation: Isolation::ReadCommitted,
            compression: shape.compression,
            log_level: LogLevel::Error,
        };
        Backup::new(Arc::new(source), Arc::new(bucket), settings, self.clock.clone()).single_threaded()
    }

    pub(super) fn restore(&mut self, chaos: Arc<Chaos>, folder: &str, id: &str) -> Restore {
        let topic = self.target.clone().unwrap_or_else(|| restored(folder));
        self.restore_into(chaos, &asked(folder), &topic, id)
    }

    /// A restore of a folder into a topic.
    pub(super) fn restore_into(&mut self, chaos: Arc<Chaos>, asked: &str, topic: &str, id: &str) -> Restore {
        let target = SimTarget { world: self.world.clone(), chaos: chaos.clone() };
        let bucket = SimBucket { store: self.bucket.clone(), chaos, line: self.line.clone() };
        let shape = self.shape();
        let settings = RestoreSettings {
            kafka: KafkaSettings { bootstrap_servers: "simulation:9092".to_owned(), ..KafkaSettings::default() },
            store: StoreSettings { kind: StoreKind::Folder("/simulation".into()), prefix: String::new() },
            topics: Selection::of_names([asked]),
            target: TargetName::new(topic),
            backup_cluster: None,
            partitions: None,
            as_of: None,
            restore_id: Some(id.to_owned()),
            delivery: self.schedule.delivery,
            strategy: PartitionStrategy::Same,
            retry: Duration::from_secs(60),
            threads: shape.threads,
            max_segments: shape.max_segments,
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            replication_factor: None,
            anyway: Vec::new(),
            skip_damaged: false,
            times: self.times,
            groups: Selection::of_names(["billing"]),
            finish: BTreeSet::new(),
            log_level: LogLevel::Error,
        };
        Restore::new(Arc::new(target), Arc::new(bucket), settings, self.clock.clone()).single_threaded().with_spans_per_object(SPANS)
    }
}

/// Every fifth schedule restores only the records of a time range.
fn times(seed: u64) -> Times {
    if seed % 5 != 2 {
        return Times::default();
    }
    let mut rng = SmallRng::seed_from_u64(!seed);
    let from = rng.random_range(0..60);
    let until = from + rng.random_range(1..120);
    let moment = |value| world::EPOCH + value;
    Times { from: rng.random_bool(0.7).then(|| moment(from)), until: rng.random_bool(0.7).then(|| moment(until)) }
}

/// In place of a folder: the restore of the topic, without the number of a generation.
pub(crate) const NEWEST: &str = "newest";

/// BACKUP_TOPIC_NAME of the restore of a folder.
fn asked(folder: &str) -> String {
    let generation = archive::catalog::names::parse_topic_folder(folder).filter(|_| folder != NEWEST);
    generation.map_or_else(|| TOPIC.to_owned(), |(topic, number)| archive::catalog::names::generation(topic, number))
}

/// The folder of a restore: that of the newest generation at its start.
pub(crate) async fn folder_of(bucket: &MemoryStore, restored: &str) -> Option<String> {
    if restored != NEWEST {
        return Some(restored.to_owned());
    }
    RestoreIdentity::load(bucket, &restore_id(NEWEST))
        .await
        .ok()
        .flatten()
        .and_then(|identity| identity.topics.into_iter().next())
        .map(|topic| topic.folder)
}

/// The id of the restore of a generation.
pub(crate) fn restore_id(folder: &str) -> String {
    format!("restore-{folder}")
}

/// The id of another restore of it, into the same topic.
pub(crate) fn rival_id(folder: &str) -> String {
    format!("rival-{folder}")
}

/// The restore that has claimed the target topic of a generation.
pub(crate) async fn owner(world: &World, bucket: &MemoryStore, folder: &str) -> Option<String> {
    let name = restored(folder);
    let id = world.lock().topics.get(&name)?.id.clone();
    let object = bucket.get(&archive::catalog::names::claim(Some(CLUSTER), Some(&id), &name)).await.ok()?;
    serde_json::from_slice(&object.body).ok().map(|claim: Claim| claim.restore_id)
}

/// The target topic of a generation.
pub(crate) fn restored(folder: &str) -> String {
    format!("restored-{}", folder.replace('@', "-"))
}
