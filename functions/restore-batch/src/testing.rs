//! A backup of one partition and a target topic in memory, for the small tests of this crate. What goes wrong is for `tests/simulation`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archive::Times;
use archive::catalog::PartitionStrategy;
use archive::testing::{add_generation, add_segment, generation};
use async_trait::async_trait;
use config::RestoreSettings;
use host::Budget;
use kafka::{
    ClusterFacts, CommittedOffset, Delivery, Extent, KafkaSettings, NewTopic, Queued, RecordWriter, Result, TargetCluster, TopicFacts,
    WriterName, Written,
};
use kernel::clock::{Clock, Millis};
use kernel::record::Record;
use store::testing::MemoryStore;
use store::{StoreKind, StoreSettings};
use telemetry::LogLevel;

use crate::{Invocation, Restore, RestoreReport};

/// What the target has: source offsets, as the values tell them.
#[derive(Debug, Default)]
pub(crate) struct Topic {
    exists: bool,
    pub(crate) records: Vec<i64>,
    /// The sizes of its transactions.
    pub(crate) transactions: Vec<usize>,
    pub(crate) progress: Option<CommittedOffset>,
}

/// The target, and the bucket with the backup of `orders`.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    topic: Arc<Mutex<Topic>>,
    pub(crate) bucket: Arc<MemoryStore>,
    pub(crate) settings: RestoreSettings,
}

impl Fake {
    pub(crate) fn new() -> Self {
        let bucket = Arc::new(MemoryStore::new());
        add_generation(&bucket, &generation("orders"));
        let settings = RestoreSettings {
            kafka: KafkaSettings::default(),
            store: StoreSettings { kind: StoreKind::Folder("/memory".into()), prefix: String::new() },
            backup_topic: "orders".to_owned(),
            restore_topic: "restored".to_owned(),
            restore_id: "drill".to_owned(),
            delivery: Delivery::ExactlyOnce,
            strategy: PartitionStrategy::Same,
            retry: Duration::from_secs(60),
            threads: 1,
            max_segments: None,
            memory_limit: None,
            time_budget: None,
            replication_factor: None,
            anyway: Vec::new(),
            skip_damaged: false,
            times: Times::default(),
            log_level: LogLevel::Error,
        };
        Self { topic: Arc::default(), bucket, settings }
    }

    pub(crate) fn topic(&self) -> MutexGuard<'_, Topic> {
        self.topic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a segment with a record for each of these offsets. Its name.
    pub(crate) async fn segment(&self, offsets: Range<i64>) -> String {
        add_segment(&self.bucket, "orders", 0, offsets, 0).await
    }

    pub(crate) fn restore(&self) -> Restore {
        let restore = Restore::new(Arc::new(self.clone()), self.bucket.clone(), self.settings.clone(), Arc::new(self.clone()));
        restore.single_threaded()
    }

    pub(crate) async fn invoke(&self) -> RestoreReport {
        self.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap()
    }
}

impl Clock for Fake {
    fn now(&self) -> Millis {
        0
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

    async fn create(&self, _topic: &NewTopic) -> Result<()> {
        self.topic().exists = true;
        Ok(())
    }

    async fn extents(&self, _topic: &str, _partitions: i32) -> Result<Vec<Extent>> {
        let end = i64::try_from(self.topic().records.len()).unwrap();
        Ok(vec![Extent { start: 0, end }])
    }

    async fn open(&self, _writer: &WriterName, _delivery: Delivery) -> Result<Box<dyn RecordWriter>> {
        Ok(Box::new(Writer { fake: self.clone(), open: Vec::new() }))
    }
}

#[derive(Debug)]
struct Writer {
    fake: Fake,
    open: Vec<i64>,
}

#[async_trait]
impl RecordWriter for Writer {
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
        let first = i64::try_from(self.fake.topic().records.len()).unwrap();
        Ok(vec![Written { partition: 0, first, count: i64::try_from(self.open.len()).unwrap() }])
    }

    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()> {
        let mut topic = self.fake.topic();
        if !self.open.is_empty() {
            topic.transactions.push(self.open.len());
        }
        topic.records.append(&mut self.open);
        topic.progress = Some(progress.clone());
        Ok(())
    }
}
