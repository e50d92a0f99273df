//! A backup of one partition and a target topic in memory, for the small tests of this crate.
//! `tests/simulation` tests faults.
#![allow(clippy::unwrap_used)]

pub(crate) mod admin;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archive::Times;
use archive::catalog::{Packing, PartitionStrategy, names};
use archive::segment::SegmentWriter;
use archive::testing::{add_generation, add_segment_of, generation, spec};
use async_trait::async_trait;
use config::{RestoreSettings, TargetName};
use host::Budget;
use kafka::{
    ClusterFacts, CommittedOffset, Delivery, Extent, KafkaError, KafkaErrorKind, KafkaSettings, NewTopic, Queued, RecordWriter, Result,
    Selection, TargetCluster, TopicFacts, WriterName, Written,
};
use kernel::clock::{Clock, Millis};
use kernel::record::{Record, TimestampType};
use store::testing::MemoryStore;
use store::{ObjectStore, StoreKind, StoreSettings};
use telemetry::LogLevel;

use crate::{Invocation, Restore, RestoreReport};

/// The content of the target: source offsets, as in the values.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    exists: bool,
    pub(crate) records: Vec<i64>,
    /// The sizes of its transactions.
    pub(crate) transactions: Vec<usize>,
    pub(crate) progress: Option<CommittedOffset>,
    /// The names of its writers, which fence one another if they are equal.
    pub(crate) writers: Vec<String>,
    /// What it was last created with.
    pub(crate) created: BTreeMap<String, String>,
    /// The offset of a record is this times its number; 0 is 1.
    pub(crate) scatter: i64,
    /// The brokers do not report the offsets of a transaction's records.
    pub(crate) hides_places: bool,
    /// The next transaction is aborted, and uses an offset all the same.
    pub(crate) aborts: bool,
    /// A policy of the cluster refuses topics with this config.
    pub(crate) refuses: Option<(&'static str, &'static str)>,
}

/// Instead of a source offset: another producer's record, or a marker.
pub(crate) const NOTHING: i64 = -1;

impl Topic {
    /// The offset of a record.
    pub(crate) fn place(&self, number: usize) -> i64 {
        i64::try_from(number).unwrap() * self.scatter.max(1)
    }
}

/// The target, and the bucket with the backup of `orders`.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    topic: Arc<Mutex<Topic>>,
    pub(crate) bucket: Arc<MemoryStore>,
    pub(crate) settings: RestoreSettings,
    pub(crate) clock: Arc<AtomicI64>,
}

/// A restore of `orders`.
pub(crate) fn settings() -> RestoreSettings {
    RestoreSettings {
        kafka: KafkaSettings::default(),
        store: StoreSettings { kind: StoreKind::Folder("/memory".into()), prefix: String::new() },
        topics: Selection::of_names(["orders"]),
        target: TargetName::new("restored"),
        backup_cluster: None,
        partitions: None,
        as_of: None,
        restore_id: Some("drill".to_owned()),
        delivery: Delivery::ExactlyOnce,
        strategy: PartitionStrategy::Same,
        retry: Duration::from_secs(60),
        threads: 1,
        max_segments: None,
        bytes_per_second: None,
        memory_limit: None,
        time_budget: None,
        replication_factor: None,
        anyway: Vec::new(),
        skip_damaged: false,
        times: Times::default(),
        groups: Selection::of_names(["billing"]),
        finish: BTreeSet::new(),
        log_level: LogLevel::Error,
    }
}

impl Fake {
    pub(crate) fn new() -> Self {
        let bucket = Arc::new(MemoryStore::new());
        add_generation(&bucket, &generation("orders"));
        let settings = settings();
        Self { topic: Arc::default(), bucket, settings, clock: Arc::default() }
    }

    pub(crate) fn topic(&self) -> MutexGuard<'_, Topic> {
        self.topic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a segment of this range that has records only at some offsets. Returns its name.
    pub(crate) async fn segment_with_holes(&self, stretch: Range<i64>, has_record: impl Fn(i64) -> bool) -> String {
        let mut writer = SegmentWriter::new(spec("orders", 0, stretch.start), 1);
        for offset in stretch.clone().filter(|offset| has_record(*offset)) {
            let (value, timestamp_type) = (offset.to_string(), TimestampType::CreateTime);
            let record = Record { offset, timestamp: offset, timestamp_type, key: None, value: Some(value.as_bytes()), headers: &[] };
            writer.append(&record).unwrap();
        }
        let finished = writer.finish(stretch.end).await.unwrap();
        let name = names::segment("orders", 0, stretch.start, Packing::Gzip);
        self.bucket.overwrite(&name, finished.body.to_bytes());
        self.bucket.overwrite(&names::sidecar(&name), finished.sha256);
        name
    }

    /// Adds a segment with a record for each of these offsets. Returns its name.
    pub(crate) async fn segment(&self, offsets: Range<i64>) -> String {
        self.segment_of(offsets, 1).await
    }

    /// With values of at least this many bytes.
    pub(crate) async fn segment_of(&self, offsets: Range<i64>, bytes: usize) -> String {
        add_segment_of(&self.bucket, "orders", 0, offsets, 0, bytes).await
    }

    pub(crate) fn restore(&self) -> Restore {
        self.restore_from(self.bucket.clone())
    }

    /// From a store that may be worse than the bucket.
    pub(crate) fn restore_from(&self, store: Arc<dyn ObjectStore>) -> Restore {
        Restore::new(Arc::new(self.clone()), store, self.settings.clone(), Arc::new(self.clone())).single_threaded()
    }

    pub(crate) async fn invoke(&self) -> RestoreReport {
        self.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap()
    }
}

impl Clock for Fake {
    fn now(&self) -> Millis {
        self.clock.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TargetCluster for Fake {
    async fn cluster(&self) -> Result<ClusterFacts> {
        Ok(ClusterFacts { id: Some("memory".to_owned()), brokers: 1 })
    }

    async fn describe(&self, _topic: &str) -> Result<Option<TopicFacts>> {
        let facts = TopicFacts {
            id: Some("0000000000000000000001".parse().unwrap()),
            partitions: 1,
            replication_factor: Some(1),
            configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
        };
        Ok(self.topic().exists.then_some(facts))
    }

    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.describe(topic).await
    }

    async fn find_all(&self, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>> {
        let mut found = BTreeMap::new();
        for topic in topics {
            found.extend(self.describe(topic).await?.map(|facts| (topic.clone(), facts)));
        }
        Ok(found)
    }

    async fn create(&self, new: &NewTopic) -> Result<()> {
        let mut topic = self.topic();
        if let Some((name, value)) = topic.refuses.filter(|(name, value)| new.configs.get(*name).is_some_and(|set| set == value)) {
            return Err(KafkaError::new(KafkaErrorKind::InvalidConfig, &new.name, format!("{name}={value} is too large")));
        }
        (topic.exists, topic.created) = (true, new.configs.clone());
        Ok(())
    }

    async fn extents(&self, _topic: &str, _partitions: i32) -> Result<Vec<Extent>> {
        let topic = self.topic();
        let end = topic.place(topic.records.len());
        Ok(vec![Extent { start: 0, end }])
    }

    async fn open(&self, writer: &WriterName, _delivery: Delivery) -> Result<Box<dyn RecordWriter>> {
        self.topic().writers.push(writer.id.clone());
        Ok(Box::new(Writer { fake: self.clone(), open: Vec::new(), flushed: 0 }))
    }
}

#[derive(Debug)]
struct Writer {
    fake: Fake,
    open: Vec<i64>,
    /// Those of them whose offsets were reported.
    flushed: usize,
}

#[async_trait]
impl RecordWriter for Writer {
    fn transaction_timeout(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn progress(&mut self) -> Result<Option<CommittedOffset>> {
        Ok(self.fake.topic().progress.clone())
    }

    fn write(&mut self, _partition: i32, record: &Record<'_>) -> Result<Queued> {
        self.open.push(std::str::from_utf8(record.value.unwrap()).unwrap().parse().unwrap());
        Ok(Queued::Taken)
    }

    async fn room(&mut self) -> Result<()> {
        Ok(())
    }

    async fn flush(&mut self) -> Result<Vec<Written>> {
        let topic = self.fake.topic();
        let mut written = Vec::new();
        for number in topic.records.len() + std::mem::replace(&mut self.flushed, self.open.len())..topic.records.len() + self.open.len() {
            Written::add(&mut written, 0, (!topic.hides_places).then(|| topic.place(number)));
        }
        Ok(written)
    }

    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()> {
        self.flushed = 0;
        let mut topic = self.fake.topic();
        if std::mem::take(&mut topic.aborts) {
            topic.records.push(NOTHING);
            return Err(KafkaError::new(KafkaErrorKind::Aborted, "restored", "aborted"));
        }
        if !self.open.is_empty() {
            topic.transactions.push(self.open.len());
        }
        topic.records.append(&mut self.open);
        topic.progress = Some(progress.clone());
        Ok(())
    }
}
