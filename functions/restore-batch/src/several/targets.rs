//! A cluster with any number of topics to restore into, in memory, and the bucket with their
//! backups.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archive::catalog::names;
use async_trait::async_trait;
use config::RestoreSettings;
use host::{Budget, Event};
use kafka::{
    ClusterFacts, CommittedOffset, Delivery, Extent, KafkaError, KafkaErrorKind, NewTopic, Queued, RecordWriter, Result, TargetCluster,
    TopicFacts, TopicId, WriterName, Written,
};
use kernel::clock::{Clock, Millis};
use kernel::lock;
use kernel::record::Record;
use store::testing::{CountingStore, Delete, MemoryStore};

use crate::testing::settings;
use crate::{Invocation, Restore, RestoreReport};

/// A topic: how many records each partition has.
#[derive(Debug, Clone)]
struct Topic {
    id: TopicId,
    partitions: Vec<i64>,
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, Topic>,
    progress: BTreeMap<String, CommittedOffset>,
    created: u64,
    /// Deleted from the bucket once a topic is created.
    doomed: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Targets {
    state: Arc<Mutex<State>>,
    pub(super) bucket: Arc<MemoryStore>,
    pub(super) settings: RestoreSettings,
    pub(super) clock: Arc<AtomicI64>,
    /// Requests to the cluster.
    pub(super) requests: Arc<AtomicU64>,
}

impl Targets {
    pub(super) fn new() -> Self {
        // Long after all snapshots of these tests.
        let clock = Arc::new(AtomicI64::new(1_795_957_500_000));
        Self { state: Arc::default(), bucket: Arc::new(MemoryStore::new()), settings: settings(), clock, requests: Arc::default() }
    }

    pub(super) fn restore(&self) -> Restore {
        Restore::new(Arc::new(self.clone()), self.bucket.clone(), self.settings.clone(), Arc::new(self.clone())).single_threaded()
    }

    pub(super) async fn invoke(&self) -> RestoreReport {
        self.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap()
    }

    /// One invocation of a new process: its report, and the requests to the bucket and to the
    /// cluster.
    pub(super) async fn counted(&self, event: Event) -> (RestoreReport, u64, u64) {
        let store = Arc::new(CountingStore::new(self.bucket.clone()));
        let restore = Restore::new(Arc::new(self.clone()), store.clone(), self.settings.clone(), Arc::new(self.clone())).single_threaded();
        let before = self.requests.load(Ordering::Relaxed);
        let report = restore.invoke(&Invocation { event, ..Invocation::new(Budget::unlimited(None)) }).await.unwrap();
        (report, store.counts().total(), self.requests.load(Ordering::Relaxed) - before)
    }

    /// Why nothing begins.
    pub(super) async fn refused(&self) -> String {
        let before = lock(&self.state).created;
        let error = self.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err();
        assert!(!error.is_retryable() && lock(&self.state).created == before, "{error}");
        error.to_string()
    }

    /// Deletes this object once the restore has begun.
    pub(super) async fn break_after_noting(&self, name: &str) {
        lock(&self.state).doomed = Some(name.to_owned());
    }

    pub(super) fn values(&self, topic: &str, partition: usize) -> i64 {
        lock(&self.state).topics[topic].partitions[partition]
    }

    pub(super) fn partitions(&self, topic: &str) -> Option<usize> {
        Some(lock(&self.state).topics.get(topic)?.partitions.len())
    }

    /// A topic that exists already, with this many records in each partition.
    pub(super) fn put(&self, topic: &str, partitions: usize, records: i64) {
        lock(&self.state).put(topic, vec![records; partitions]);
    }

    pub(super) fn delete(&self, topic: &str) {
        lock(&self.state).topics.remove(topic);
    }

    fn asked(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

impl State {
    fn put(&mut self, topic: &str, partitions: Vec<i64>) {
        self.created += 1;
        let id = format!("{:022}", self.created).parse().unwrap();
        self.topics.insert(topic.to_owned(), Topic { id, partitions });
    }

    fn facts(&self, topic: &str) -> Option<TopicFacts> {
        let topic = self.topics.get(topic)?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap();
        Some(TopicFacts { id: Some(topic.id.clone()), partitions, replication_factor: Some(1), configs: BTreeMap::new() })
    }
}

impl Clock for Targets {
    fn now(&self) -> Millis {
        self.clock.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TargetCluster for Targets {
    async fn cluster(&self) -> Result<ClusterFacts> {
        self.asked();
        Ok(ClusterFacts { id: Some("memory".to_owned()), brokers: 1 })
    }

    async fn describe(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.asked();
        Ok(lock(&self.state).facts(topic))
    }

    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.describe(topic).await
    }

    async fn find_all(&self, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>> {
        self.asked();
        let state = lock(&self.state);
        Ok(topics.iter().filter_map(|topic| Some((topic.clone(), state.facts(topic)?))).collect())
    }

    async fn create(&self, new: &NewTopic) -> Result<()> {
        self.asked();
        let doomed = {
            let mut state = lock(&self.state);
            if state.topics.contains_key(&new.name) {
                return Err(KafkaError::new(KafkaErrorKind::TopicExists, &new.name, "exists"));
            }
            state.put(&new.name, vec![0; usize::try_from(new.partitions).unwrap()]);
            state.doomed.take()
        };
        if let Some(doomed) = doomed {
            self.bucket.delete(&doomed).await.unwrap();
            self.bucket.delete(&names::sidecar(&doomed)).await.unwrap();
        }
        Ok(())
    }

    async fn extents(&self, topic: &str, _partitions: i32) -> Result<Vec<Extent>> {
        self.asked();
        Ok(lock(&self.state).topics[topic].partitions.iter().map(|end| Extent { start: 0, end: *end }).collect())
    }

    async fn open(&self, writer: &WriterName, _delivery: Delivery) -> Result<Box<dyn RecordWriter>> {
        self.asked();
        Ok(Box::new(Writer { targets: self.clone(), name: writer.clone(), open: BTreeMap::new() }))
    }
}

#[derive(Debug)]
struct Writer {
    targets: Targets,
    name: WriterName,
    open: BTreeMap<i32, i64>,
}

#[async_trait]
impl RecordWriter for Writer {
    fn transaction_timeout(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn progress(&mut self) -> Result<Option<CommittedOffset>> {
        Ok(lock(&self.targets.state).progress.get(&self.name.id).cloned())
    }

    fn write(&mut self, partition: i32, _record: &Record<'_>) -> Result<Queued> {
        *self.open.entry(partition).or_default() += 1;
        Ok(Queued::Taken)
    }

    async fn room(&mut self) -> Result<()> {
        Ok(())
    }

    async fn flush(&mut self) -> Result<Vec<Written>> {
        let state = lock(&self.targets.state);
        let ends = &state.topics[&self.name.topic].partitions;
        let written = |(partition, count): (&i32, &i64)| Written {
            partition: *partition,
            first: Some(ends[usize::try_from(*partition).unwrap()]),
            count: *count,
        };
        Ok(self.open.iter().map(written).collect())
    }

    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()> {
        let mut state = lock(&self.targets.state);
        state.progress.insert(self.name.id.clone(), progress.clone());
        let topic = state.topics.get_mut(&self.name.topic).unwrap();
        for (partition, count) in std::mem::take(&mut self.open) {
            topic.partitions[usize::try_from(partition).unwrap()] += count;
        }
        Ok(())
    }
}
