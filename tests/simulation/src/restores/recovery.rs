//! A cluster, its backup, and its restores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use archive::Times;
use archive::catalog::{Checkpoint, PartitionStrategy, names};
use archive::segment::Compression;
use backup_batch::{Backup, Invocation as BackupInvocation};
use config::{AsOf, BackupSettings, RestoreSettings, SnapshotSettings, TargetName};
use host::{Budget, Event};
use kafka::{Delivery, Isolation, KafkaSettings, Pattern, Selection, TopicId, TopicPartition};
use kernel::clock::Millis;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use restore_batch::{Invocation, Restore, RestoreReport};
use store::testing::{Delete, MemoryStore};
use store::{StoreKind, StoreSettings};
use telemetry::LogLevel;

use crate::administration::SimAdministration;
use crate::bucket::{Line, SimBucket};
use crate::chaos::{Chaos, SimClock};
use crate::gate::digest;
use crate::quiet::{BEGINS_AGAIN, LOOKS_AGAIN, SECOND_LOOK};
use crate::schedule::SPANS;
use crate::source::SimSource;
use crate::target::SimTarget;
use crate::world::{Entry, Log, Topic, World};

/// Id of the source cluster. The target cluster has another id, although both have the same topics
/// here.
const CLUSTER: &str = "kafka-1";
const GROUP: &str = "backup";
/// The application that writes transactions.
pub(super) const APP: &str = "app";
/// The prefix of restore targets. They are not backed up.
pub(super) const COPIES: &str = "restored-";
/// The time between two snapshots.
pub(super) const SNAPSHOTS: Millis = 10_000;
/// A value plus this number has a timestamp decades ahead.
const FUTURE: u64 = 1 << 40;
/// The limit of invocations until everything is caught up. A run that needs more never ends.
pub(super) const PATIENCE: usize = 500;

/// The options of a restore.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) id: String,
    /// RESTORE_TOPIC_NAME.
    pub(super) target: String,
    pub(super) as_of: Option<Millis>,
    pub(super) anyway: Vec<String>,
}

impl Asked {
    /// All topics, each into its own target.
    pub(super) fn of_all(id: &str) -> Self {
        Self { id: id.to_owned(), target: format!("{COPIES}{}", TargetName::TOPIC), as_of: None, anyway: Vec::new() }
    }

    pub(super) fn target_of(&self, topic: &str) -> String {
        TargetName::new(self.target.as_str()).of(topic)
    }
}

pub(super) fn shard(number: u32) -> Event {
    Event { shard: Some((number, 2)), ..Event::default() }
}

pub(super) struct Recovery {
    pub(super) rng: SmallRng,
    pub(super) world: World,
    pub(super) bucket: Arc<MemoryStore>,
    pub(super) clock: Arc<SimClock>,
    /// A fixed number of records in a segment, instead of a random one. Then restores take one
    /// partition after another, to its end.
    pub(super) segment: Option<u64>,
    /// CONSUMER_GROUPS and RESTORE_GROUPS.
    pub(super) groups: Selection,
}

impl Recovery {
    /// A cluster without topics.
    pub(super) fn new(seed: u64) -> Self {
        let world = World::default();
        world.lock().cluster = CLUSTER.to_owned();
        world.lock().hides_places = (seed % 3 == 2).then_some(seed);
        let rng = SmallRng::seed_from_u64(seed);
        Self { rng, world, bucket: Arc::new(MemoryStore::new()), clock: Arc::default(), segment: None, groups: Selection::default() }
    }

    /// Three topics, backed up: one is empty, and one has an empty partition.
    pub(super) async fn small() -> Result<Self, String> {
        let mut recovery = Self::new(0);
        recovery.segment = Some(2);
        for (topic, partitions) in [("bills", 1), ("clicks", 2), ("orders", 3)] {
            recovery.world.lock().create(topic, partitions);
        }
        for (topic, partition, count) in [("bills", 0, 3), ("orders", 0, 5), ("orders", 2, 2)] {
            recovery.write(topic, partition, count);
        }
        recovery.back_up_everything().await?;
        Ok(recovery)
    }

    /// Writes records to a partition.
    pub(super) fn write(&mut self, topic: &str, partition: usize, count: usize) {
        let entries: Vec<Entry> = (0..count).map(|_| Entry::Record(self.value())).collect();
        if let Some(topic) = self.world.lock().topics.get_mut(topic) {
            topic.logs[partition].entries.extend(entries);
        }
    }

    /// The value of a new record. Some have future timestamps.
    pub(super) fn value(&mut self) -> u64 {
        let value = self.world.lock().value();
        if self.rng.random_bool(0.2) { value + FUTURE } else { value }
    }

    pub(super) fn quiet(&self) -> Arc<Chaos> {
        Chaos::new(1, self.clock.clone(), None, 0)
    }

    /// A backup of every topic except restored ones, with snapshots.
    pub(super) fn backup(&mut self, chaos: Arc<Chaos>, max_segments: Option<u64>) -> Backup {
        let parse = |texts: &[&str]| texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
        let source = SimSource::new(self.world.clone(), chaos.clone(), GROUP, BTreeMap::new());
        let administration = SimAdministration { world: self.world.clone(), chaos: chaos.clone() };
        let settings = BackupSettings {
            kafka: KafkaSettings { bootstrap_servers: "simulation:9092".to_owned(), ..KafkaSettings::default() },
            store: StoreSettings { kind: StoreKind::Folder("/simulation".into()), prefix: String::new() },
            topics: Selection::new(parse(&["*"]), parse(&[&format!("{COPIES}*")])).unwrap_or_default(),
            group: GROUP.to_owned(),
            snapshots: Some(SnapshotSettings { every: Duration::from_millis(SNAPSHOTS.unsigned_abs()), groups: self.groups.clone() }),
            metrics_max_topics: 50,
            records_per_segment: self.segment.unwrap_or_else(|| self.rng.random_range(1..12)),
            retry_upload: Duration::from_secs(60),
            threads: 2,
            max_segments,
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            isolation: Isolation::ReadCommitted,
            compression: Compression::Zstd(1),
            log_level: LogLevel::Error,
        };
        Backup::new(Arc::new(source), Arc::new(self.bucket_for(chaos)), settings, self.clock.clone())
            .single_threaded()
            .with_snapshots_of(Arc::new(administration))
    }

    fn bucket_for(&self, chaos: Arc<Chaos>) -> SimBucket {
        SimBucket { store: self.bucket.clone(), chaos, line: Line::default() }
    }

    pub(super) fn restore(&mut self, chaos: Arc<Chaos>, asked: &Asked) -> Restore {
        let threads = if self.segment.is_some() { 1 } else { self.rng.random_range(1..4) };
        let max_segments = (self.segment.is_none() && self.rng.random_bool(0.5)).then(|| self.rng.random_range(1..6));
        self.restore_with(chaos, asked, threads, max_segments)
    }

    pub(super) fn restore_with(&self, chaos: Arc<Chaos>, asked: &Asked, threads: usize, max_segments: Option<u64>) -> Restore {
        let target = SimTarget { world: self.world.clone(), chaos: chaos.clone() };
        let every = Pattern::parse("*").into_iter().collect();
        let settings = RestoreSettings {
            kafka: KafkaSettings { bootstrap_servers: "simulation:9092".to_owned(), ..KafkaSettings::default() },
            store: StoreSettings { kind: StoreKind::Folder("/simulation".into()), prefix: String::new() },
            topics: Selection::new(every, Vec::new()).unwrap_or_default(),
            target: TargetName::new(asked.target.as_str()),
            backup_cluster: None,
            partitions: None,
            as_of: asked.as_of.map(AsOf::Time),
            restore_id: Some(asked.id.clone()),
            delivery: Delivery::ExactlyOnce,
            strategy: PartitionStrategy::Same,
            retry: Duration::from_secs(60),
            threads,
            max_segments,
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            replication_factor: None,
            anyway: asked.anyway.clone(),
            skip_damaged: false,
            times: Times::default(),
            groups: self.groups.clone(),
            finish: BTreeSet::new(),
            log_level: LogLevel::Error,
        };
        let bucket = Arc::new(self.bucket_for(chaos));
        Restore::new(Arc::new(target), bucket, settings, self.clock.clone()).single_threaded().with_spans_per_object(SPANS)
    }

    /// Backs up until nothing is left. Takes a snapshot if there is none for the current interval.
    pub(super) async fn back_up_everything(&mut self) -> Result<(), String> {
        for _ in 0..PATIENCE {
            let quiet = self.quiet();
            let mut invocation = BackupInvocation::new(Budget::unlimited(None));
            invocation.flush = true;
            let report = self.backup(quiet, None).invoke(&invocation).await.map_err(|error| format!("a quiet backup failed: {error}"))?;
            let errors = report.errors.iter().map(String::as_str);
            match errors.chain(report.partitions.iter().filter_map(|one| one.error.as_deref())).next() {
                Some(error) if error.contains(LOOKS_AGAIN) => self.clock.advance(SECOND_LOOK),
                Some(error) if error.contains(BEGINS_AGAIN) => {}
                Some(error) => return Err(format!("a quiet backup failed: {error}")),
                None if !report.has_moved() => return Ok(()),
                None => {}
            }
        }
        Err("the backup never catches up".to_owned())
    }

    /// One invocation, to its end or until it is killed, which returns `None`.
    pub(super) async fn invoke(&mut self, chaos: Arc<Chaos>, asked: &Asked, event: Event) -> Option<archive::Result<RestoreReport>> {
        let restore = self.restore(chaos.clone(), asked);
        let invocation = Invocation { event, ..Invocation::new(Budget::unlimited(None)) };
        let under_way = tokio::spawn(async move { restore.invoke(&invocation).await });
        while !under_way.is_finished() && !chaos.is_killed() {
            tokio::task::yield_now().await;
        }
        under_way.abort();
        under_way.await.ok()
    }

    /// Someone deletes a topic, and perhaps creates another of that name.
    pub(super) fn delete(&self, topic: &str, makes_another: bool) {
        let mut state = self.world.lock();
        if let Some(old) = state.topics.get(topic).cloned() {
            state.buried.push((topic.to_owned(), old));
        }
        state.delete(topic);
        if makes_another {
            state.create(topic, crate::world::MOST_PARTITIONS);
        }
    }

    /// Every topic, existing or deleted, by id.
    pub(super) fn incarnations(&self) -> BTreeMap<TopicId, Topic> {
        let state = self.world.lock();
        let buried = state.buried.iter().map(|(_, topic)| topic);
        buried.chain(state.topics.values()).map(|topic| (topic.id.clone(), topic.clone())).collect()
    }

    /// The topics that are backed up.
    pub(super) fn sources(&self) -> BTreeMap<String, Topic> {
        let state = self.world.lock();
        state.topics.iter().filter(|(name, _)| !name.starts_with(COPIES)).map(|(name, topic)| (name.clone(), topic.clone())).collect()
    }

    /// The records of each partition of a topic.
    pub(super) fn records(&self, topic: &str) -> BTreeMap<usize, Vec<u64>> {
        let state = self.world.lock();
        let logs = state.topics.get(topic).into_iter().flat_map(|topic| topic.logs.iter().enumerate());
        logs.map(|(partition, log)| (partition, below(log, log.end()))).collect()
    }

    /// All that an invocation could have changed.
    pub(super) fn digest(&self) -> u64 {
        let state = self.world.lock();
        digest(&(&state.topics, &state.groups, &state.producers, self.bucket.snapshot()))
    }

    /// Whether a partition of an unfinished restore is marked as restored up to its cut.
    pub(super) fn is_done(&self, id: &str, folder: &str, partition: i32) -> bool {
        let (begin, end) = (format!("@restore/{id}/@done/"), format!("/{folder}/{partition}"));
        !self.is_marked(id) && self.bucket.snapshot().keys().any(|name| name.starts_with(&begin) && name.ends_with(&end))
    }

    /// Whether the end of a restore is recorded.
    pub(super) fn is_marked(&self, id: &str) -> bool {
        self.bucket.snapshot().contains_key(&names::finished(id))
    }

    /// Leaves a checkpoint like that of a killed invocation: it opened a writer after another one
    /// had done everything.
    pub(super) async fn leave_at_work(&self, id: &str, folder: &str, partition: i32) -> Result<(), String> {
        let found = Checkpoint::load(self.bucket.as_ref(), id, folder, partition).await.map_err(|error| error.to_string())?;
        let (mut checkpoint, version) = found.ok_or("no checkpoint")?;
        checkpoint.settled = false;
        let saved = checkpoint.save(self.bucket.as_ref(), id, folder, Some(&version)).await;
        saved.map(drop).map_err(|error| error.to_string())
    }

    /// As if the invocation had been killed before it recorded the end.
    pub(super) async fn forget_the_end(&self, id: &str) -> Result<(), String> {
        self.bucket.delete(&names::finished(id)).await.map_err(|error| error.to_string())
    }

    pub(super) fn place(topic: &str, partition: usize) -> TopicPartition {
        TopicPartition::new(topic, i32::try_from(partition).unwrap_or(i32::MAX))
    }
}

/// The records of a log up to an offset.
pub(super) fn below(log: &Log, cut: i64) -> Vec<u64> {
    let entries = log.entries.iter().take(usize::try_from(cut).unwrap_or(0));
    entries.filter_map(|entry| if let Entry::Record(value) = entry { Some(*value) } else { None }).collect()
}
