//! The number of requests of an invocation does not depend on the number of objects.
//!
//! Only segments at both ends of the chain are read, so those are real. Between them, objects with
//! the right names are enough.

use std::fmt;
use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use archive::catalog::{Generations, Packing, names};
use archive::segment::{Compression, FinishedSegment, SegmentSpec, SegmentWriter};
use archive::testing;
use backup_batch::Backup;
use config::{BackupSettings, RestoreSettings};
use end_to_end::kafka::{Kafka, unique};
use end_to_end::proxy::Proxy;
use end_to_end::runner::{Runner, Store};
use end_to_end::services::require_kafka;
use host::Budget;
use kafka::{RdKafkaSource, RdKafkaTarget, SourceCluster, TopicPartition};
use kernel::record::{Record, TimestampType};
use kernel::{Deadline, clock};
use restore_batch::Restore;
use serde_json::{Value, json};
use store::ObjectStore;
use store::testing::{CountingStore, MemoryStore};
use tokio::task::JoinSet;

/// Every partition of every test has as many records as segments are made, and some more.
const RECORDS: i64 = 50_100;
const QUEUE: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn with_100_000_objects_in_memory() {
    let Some(kafka) = require_kafka() else { return };
    let bucket = Bucket { store: Arc::new(CountingStore::new(Arc::new(MemoryStore::new()))), proxy: None, folder: None };
    assert_constant(&kafka, &Runner::on_folder(&kafka), &bucket, &[100, 10_000, 100_000]).await;
}

/// A hundred thousand requests would take minutes, so the objects between the ends are put into
/// MinIO's own folder.
#[tokio::test(flavor = "multi_thread")]
async fn with_100_000_objects_in_minio() {
    let (Some(kafka), Some(store)) = (require_kafka(), crate::buckets::minio()) else { return };
    let Store::Minio(minio, prefix) = &store else { return };
    let folder = minio.data.join(&minio.bucket).join(prefix);
    let (runner, bucket) = behind_a_counting_proxy(&kafka, &store, Some(folder)).await;
    assert_constant(&kafka, &runner, &bucket, &[100, 10_000, 100_000]).await;
}

/// Fewer segments, because each of them costs a PUT request.
#[tokio::test(flavor = "multi_thread")]
async fn with_2_000_objects_in_azurite() {
    let (Some(kafka), Some(store)) = (require_kafka(), crate::buckets::azurite()) else { return };
    let (runner, bucket) = behind_a_counting_proxy(&kafka, &store, None).await;
    assert_constant(&kafka, &runner, &bucket, &[100, 2_000]).await;
}

/// A quiet partition that was backed up every few minutes: the cost of each small segment decides
/// how long a restore takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_segment_costs_a_restore_two_requests() {
    const SEGMENTS: u64 = 500;
    let Some(kafka) = require_kafka() else { return };
    let bucket = Bucket { store: Arc::new(CountingStore::new(Arc::new(MemoryStore::new()))), proxy: None, folder: None };
    let topic = kafka.create_topic("quiet", 1, &[]);
    kafka.bulk(&topic, SEGMENTS, 50);
    let runner = Runner::on_folder(&kafka);
    let handlers = Handlers { runner: &runner, bucket: &bucket, topic: &topic };
    handlers.back_up(&unique("group"), 0).await;
    for start in 1..SEGMENTS as i64 {
        let segment = handlers.bucket.segment(&topic, start).await;
        bucket.store.create(&names::segment(&topic, 0, start, Packing::Gzip), segment.body).await.expect("it is new");
        bucket.store.create(&sidecar(&topic, start), bytes::Bytes::from(segment.sha256).into()).await.expect("it is new");
    }
    let restore = handlers.restore(json!({"MAX_SEGMENTS_PER_INVOCATION": 0}));
    let (report, cost) = bucket.measure(restore.invoke(&restore_batch::Invocation::new(Budget::unlimited(None)))).await;
    let report = report.expect("Kafka and the bucket answer");
    assert!(report.succeeded && report.caught_up && report.records == SEGMENTS, "{report:?}");
    println!("restore of {SEGMENTS} segments: {cost}");
    assert!(cost.calls < 2 * SEGMENTS + 30, "{cost}: the segment and its .sha256, and some for all of them");
}

struct Bucket {
    store: Arc<CountingStore>,
    /// Counts the requests that the adapter makes for the handlers' calls.
    proxy: Option<Proxy>,
    /// The folder where MinIO stores the objects under the prefix.
    folder: Option<PathBuf>,
}

async fn behind_a_counting_proxy(kafka: &Kafka, store: &Store, folder: Option<PathBuf>) -> (Runner, Bucket) {
    let (store, proxy) = store.behind(Proxy::counting);
    let runner = Runner::on(kafka, store);
    let settings = config::store_settings(&runner.raw(&runner.backup_config(&["any"], Value::Null))).expect("a good configuration");
    let store = store::open(&settings, &Deadline::unset()).await.expect("a good store");
    (runner, Bucket { store: Arc::new(CountingStore::new(store)), proxy: Some(proxy), folder })
}

/// The cost of an invocation: store calls of the handler, and requests of the store's adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    calls: u64,
    requests: usize,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, {} HTTP requests", self.calls, self.requests)
    }
}

async fn assert_constant(kafka: &Kafka, runner: &Runner, bucket: &Bucket, sizes: &[i64]) {
    let topic = kafka.create_topic("counted", 1, &[]);
    kafka.bulk(&topic, RECORDS as u64, 50);
    let handlers = Handlers { runner, bucket, topic: &topic };
    let group = unique("group");
    handlers.back_up(&group, 0).await;
    handlers.back_up(&group, 1).await;
    let (mut next, mut costs) = (2, Vec::new());
    for objects in sizes {
        let last = handlers.segment_of(objects / 2 - 1).await;
        bucket.fill(&topic, next..objects / 2 - 1, last).await;
        let found = handlers.back_up(&unique("group"), objects / 2).await;
        let known = handlers.back_up_twice(&unique("group"), objects / 2 + 1).await;
        next = objects / 2 + 3;
        let (first, second) = handlers.restore_twice().await;
        println!("{objects} objects in {}", bucket.store.location(""));
        println!("  backup, its commit lost: {found}\n  backup: {known}\n  restore, the first: {first}\n  restore, another: {second}");
        assert!(found.calls < 64, "{found}: without the commit, it grows with the logarithm");
        costs.push([known, first, second]);
    }
    assert!(costs.windows(2).all(|pair| pair[0] == pair[1]), "{costs:?}");
}

struct Handlers<'a> {
    runner: &'a Runner,
    bucket: &'a Bucket,
    topic: &'a str,
}

impl Handlers<'_> {
    /// One invocation, which has to write the segment that starts at `start`.
    async fn back_up(&self, group: &str, start: i64) -> Cost {
        let backup = self.backup(group);
        self.invoke_backup(&backup, start).await
    }

    /// Two invocations of the same group. Returns the cost of the second, which finds a commit.
    async fn back_up_twice(&self, group: &str, start: i64) -> Cost {
        let backup = self.backup(group);
        self.invoke_backup(&backup, start).await;
        self.invoke_backup(&backup, start + 1).await
    }

    async fn invoke_backup(&self, backup: &Backup, start: i64) -> Cost {
        let (report, cost) = self.bucket.measure(backup.invoke(&backup_batch::Invocation::new(Budget::unlimited(None)))).await;
        let report = report.expect("Kafka and the bucket answer");
        assert!(report.succeeded && report.segments == 1 && report.partitions[0].next == Some(start + 1), "{report:?}");
        cost
    }

    fn backup(&self, group: &str) -> Backup {
        let (source, settings) = self.source(group);
        Backup::new(Arc::new(source), self.bucket.store.clone(), settings, clock::system())
    }

    fn source(&self, group: &str) -> (RdKafkaSource, BackupSettings) {
        let more = json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 1, "GROUP_ID": group});
        let settings = BackupSettings::from_raw(&self.runner.raw(&self.runner.backup_config(&[self.topic], more))).expect("good");
        (RdKafkaSource::connect(&settings.kafka, group, settings.isolation, QUEUE).expect("good settings"), settings)
    }

    /// With the log's record at that offset: the end of a chain is compared with it.
    async fn segment_of(&self, start: i64) -> FinishedSegment {
        let (source, _) = self.source("nobody");
        let mut reader = source.open(&TopicPartition::new(self.topic, 0), start).await.expect("it is there");
        let mut writer = self.bucket.writer(self.topic, start).await;
        while writer.records() == 0 {
            reader.fetch(Duration::from_secs(1)).await.expect("Kafka answers");
            reader.drain(&mut |record| {
                writer.append(record).expect("it fits");
                ControlFlow::Break(())
            });
        }
        writer.finish(start + 1).await.expect("it is complete")
    }

    /// A restore into a new topic. `more` are further keys.
    fn restore(&self, more: Value) -> Restore {
        let config = self.runner.restore_config(self.topic, &unique("copy"), more);
        let settings = RestoreSettings::from_raw(&self.runner.raw(&config)).expect("good");
        let target = RdKafkaTarget::connect(&settings.kafka, QUEUE).expect("good settings");
        Restore::new(Arc::new(target), self.bucket.store.clone(), settings, clock::system())
    }

    /// The first two invocations of a restore into a new topic.
    async fn restore_twice(&self) -> (Cost, Cost) {
        let restore = self.restore(Value::Null);
        let mut costs = [None; 2];
        for (number, cost) in (1..).zip(&mut costs) {
            let invocation = restore_batch::Invocation::new(Budget::unlimited(None));
            let (report, measured) = self.bucket.measure(restore.invoke(&invocation)).await;
            let report = report.expect("Kafka and the bucket answer");
            assert!(report.succeeded && report.records == 1 && report.topics[0].partitions[0].next == number, "{report:?}");
            *cost = Some(measured);
        }
        costs.map(|cost| cost.expect("measured")).into()
    }
}

impl Bucket {
    async fn measure<T>(&self, work: impl Future<Output = T>) -> (T, Cost) {
        let requests = || self.proxy.as_ref().map_or(0, |proxy| proxy.tally().requests());
        let before = (self.store.counts(), requests());
        let result = work.await;
        let cost = Cost { calls: self.store.counts().since(&before.0).total(), requests: requests() - before.1 };
        (result, cost)
    }

    /// Segments of one offset each, from `from` to the one that ends at `to`, and their `.sha256`.
    /// Only the last is real.
    async fn fill(&self, topic: &str, starts: Range<i64>, last: FinishedSegment) {
        let [model, model_sidecar] = [names::segment(topic, 0, 0, Packing::Gzip), sidecar(topic, 0)];
        let segments: Vec<_> = starts.clone().map(|start| names::segment(topic, 0, start, Packing::Gzip)).collect();
        let sidecars: Vec<_> = starts.clone().map(|start| sidecar(topic, start)).collect();
        for (model, copies) in [(model, segments), (model_sidecar, sidecars)] {
            match &self.folder {
                Some(folder) => copy_in(folder, &model, &copies),
                None => self.copy(&model, copies).await,
            }
        }
        self.store.create(&names::segment(topic, 0, starts.end, Packing::Gzip), last.body).await.expect("it is new");
        self.store.create(&sidecar(topic, starts.end), bytes::Bytes::from(last.sha256).into()).await.expect("it is new");
    }

    async fn copy(&self, model: &str, copies: Vec<String>) {
        let body = self.store.get(model).await.expect("it is there").body;
        let mut under_way = JoinSet::new();
        for name in copies {
            if under_way.len() == 32 {
                under_way.join_next().await;
            }
            let (store, body) = (self.store.clone(), body.clone());
            under_way.spawn(async move { store.create(&name, body.into()).await.expect("it is new") });
        }
        under_way.join_all().await;
    }

    /// A segment with a record that is in no log.
    async fn segment(&self, topic: &str, start: i64) -> FinishedSegment {
        let record =
            Record { offset: start, timestamp: 1, timestamp_type: TimestampType::CreateTime, key: None, value: None, headers: &[] };
        let mut writer = self.writer(topic, start).await;
        writer.append(&record).expect("it fits");
        writer.finish(start + 1).await.expect("it is complete")
    }

    async fn writer(&self, topic: &str, start: i64) -> SegmentWriter {
        let (generation, _) = Generations::of(self.store.as_ref(), topic).get(1).await.expect("a complete one").expect("it is there");
        let spec = SegmentSpec { topic_id: generation.topic_id, compression: Compression::Gzip(3), ..testing::spec(topic, 0, start) };
        SegmentWriter::new(spec, 1)
    }
}

fn sidecar(topic: &str, start: i64) -> String {
    names::sidecar(&names::segment(topic, 0, start, Packing::Gzip))
}

/// MinIO stores a small object as one file, `xl.meta`, which does not contain its name.
fn copy_in(folder: &std::path::Path, model: &str, copies: &[String]) {
    let content = fs::read(folder.join(model).join("xl.meta")).expect("MinIO keeps small objects so");
    for name in copies {
        fs::create_dir(folder.join(name)).expect("it is new");
        fs::write(folder.join(name).join("xl.meta"), &content).expect("there is room");
    }
}
