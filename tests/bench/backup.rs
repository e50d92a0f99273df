//! How long one invocation takes if each of many partitions has new records and the store is slow.
//! There are PARTITIONS partitions, twenty to a topic, each with ten new records. Bucket and Kafka
//! are in memory. A request to the bucket takes MILLISECONDS, one to Kafka two milliseconds. Prints
//! a table, and the same as one JSON object a line: seconds, CPU seconds, peak memory, and requests
//! to the bucket and to Kafka with 4, 16 and 64 threads.
//!
//!     bench-backup PARTITIONS MILLISECONDS [THREADS…]

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod memory;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use archive::catalog::{BackupCommit, Generation, bucket_id};
use archive::testing::{add_generation, add_segment, generation};
use async_trait::async_trait;
use backup_batch::{Backup, Invocation};
use config::{BackupSettings, Raw};
use host::Budget;
use kafka::{CommittedOffset, OffsetRange, PartitionReader, Rights, SourceCluster, TopicFacts, TopicPartition};
use kernel::record::{Record, TimestampType};
use kernel::{clock, lock};
use store::ObjectStore;
use store::testing::{CountingStore, Fault, FaultyStore, MemoryStore};

use memory::peak_megabytes;
use usage::cpu_seconds;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PARTITIONS_OF_A_TOPIC: i32 = 20;
const CLUSTER: &str = "bench";
/// The duration of a request to Kafka.
const KAFKA: Duration = Duration::from_millis(2);
/// Offsets that are backed up before the first invocation, and new records for each invocation.
const BEFORE: i64 = 10;
const NEW: i64 = 10;
/// Seconds between two scheduled invocations, less the time to start and connect.
const SCHEDULE: f64 = 295.0;

#[derive(Debug)]
struct Cluster {
    topics: usize,
    end: AtomicI64,
    requests: AtomicUsize,
    commits: Mutex<BTreeMap<TopicPartition, CommittedOffset>>,
}

impl Cluster {
    async fn request(&self, count: usize) {
        self.requests.fetch_add(count, Ordering::Relaxed);
        tokio::time::sleep(KAFKA).await;
    }

    fn topic(number: usize) -> String {
        format!("topic-with-a-name-of-usual-length-{number}")
    }

    /// The bucket after a backup of this cluster, with our commits for all partitions.
    async fn back_up(&self, store: &MemoryStore) {
        for topic in (0..self.topics).map(Self::topic) {
            let begun = (0..PARTITIONS_OF_A_TOPIC).collect();
            let cluster_id = Some(CLUSTER.to_owned());
            add_generation(store, &Generation { partitions: PARTITIONS_OF_A_TOPIC, cluster_id, begun, ..generation(&topic) });
            for number in 0..PARTITIONS_OF_A_TOPIC {
                add_segment(store, &topic, number, 0..BEFORE, 0).await;
                let commit = BackupCommit {
                    version: BackupCommit::VERSION,
                    next: BEFORE,
                    folder: topic.clone(),
                    segment: 0,
                    at: clock::system().now(),
                    topic_id: None,
                    cluster_id: Some(CLUSTER.to_owned()),
                    store: bucket_id(store),
                    doubt: None,
                };
                lock(&self.commits).insert(TopicPartition::new(topic.as_str(), number), commit.to_committed());
            }
        }
    }
}

/// Shared with its readers.
#[derive(Debug, Clone)]
struct Source(Arc<Cluster>);

#[async_trait]
impl SourceCluster for Source {
    async fn describe(&self, topics: &[String]) -> kafka::Result<BTreeMap<String, kafka::Result<TopicFacts>>> {
        self.0.request(1).await;
        let facts = TopicFacts { id: None, partitions: PARTITIONS_OF_A_TOPIC, replication_factor: Some(3), configs: BTreeMap::new() };
        Ok(topics.iter().map(|name| (name.clone(), Ok(facts.clone()))).collect())
    }

    async fn names(&self) -> kafka::Result<BTreeSet<String>> {
        self.0.request(1).await;
        Ok((0..self.0.topics).map(Cluster::topic).collect())
    }

    async fn rights(&self, _topics: &[String]) -> kafka::Result<Rights> {
        Ok(Rights::default())
    }

    fn cluster_id(&self) -> Option<String> {
        Some(CLUSTER.to_owned())
    }

    async fn configs(&self, _topic: &str) -> kafka::Result<Option<BTreeMap<String, String>>> {
        self.0.request(1).await;
        Ok(None)
    }

    async fn offsets(&self, partitions: &[TopicPartition]) -> kafka::Result<BTreeMap<TopicPartition, kafka::Result<OffsetRange>>> {
        self.0.request(3).await;
        let end = self.0.end.load(Ordering::Relaxed);
        Ok(partitions.iter().map(|one| (one.clone(), Ok(OffsetRange { log_start: 0, end, high_watermark: end }))).collect())
    }

    fn ask_anew(&self) -> kafka::Result<()> {
        Ok(())
    }

    async fn committed(&self, partitions: &[TopicPartition]) -> kafka::Result<BTreeMap<TopicPartition, CommittedOffset>> {
        self.0.request(1).await;
        let commits = lock(&self.0.commits);
        Ok(partitions.iter().filter_map(|partition| Some((partition.clone(), commits.get(partition)?.clone()))).collect())
    }

    async fn commit(&self, partition: &TopicPartition, offset: &CommittedOffset) -> kafka::Result<()> {
        self.0.request(1).await;
        lock(&self.0.commits).insert(partition.clone(), offset.clone());
        Ok(())
    }

    async fn open(&self, _partition: &TopicPartition, from: i64) -> kafka::Result<Box<dyn PartitionReader>> {
        Ok(Box::new(Reader { cluster: self.0.clone(), position: from, fetched: from }))
    }
}

#[derive(Debug)]
struct Reader {
    cluster: Arc<Cluster>,
    position: i64,
    fetched: i64,
}

#[async_trait]
impl PartitionReader for Reader {
    async fn fetch(&mut self, _wait: Duration) -> kafka::Result<()> {
        // The cost on an existing connection: offset, epoch and records.
        self.cluster.request(1).await;
        self.fetched = self.cluster.end.load(Ordering::Relaxed);
        Ok(())
    }

    fn drain(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>) {
        while self.position < self.fetched {
            let offset = self.position;
            let value = [b'v'; 1000];
            let (timestamp, timestamp_type) = (offset, TimestampType::CreateTime);
            self.position += 1;
            if visit(&Record { offset, timestamp, timestamp_type, key: None, value: Some(&value), headers: &[] }).is_break() {
                return;
            }
        }
    }

    fn position(&self) -> i64 {
        self.position
    }
}

fn settings(threads: usize) -> Result<BackupSettings> {
    let threads = threads.to_string();
    let keys = [
        ("BOOTSTRAP_SERVERS", "bench:9092"),
        ("TOPIC_NAMES", "*"),
        ("GROUP_ID", "bench"),
        ("FILESYSTEM_TYPE", "LINUX"),
        ("FILESYSTEM_BACKUP_DIR", "/not/used"),
        ("SNAPSHOT_SECONDS", "0"),
        ("MAX_SEGMENTS_PER_INVOCATION", "0"),
        ("MEMORY_LIMIT_MB", "1769"),
        ("LOG_LEVEL", "50"),
        ("NUMBER_OF_KAFKA_THREADS", &threads),
    ];
    Ok(BackupSettings::from_raw(&Raw::load(None, keys.map(|(key, value)| (key.into(), value.into())))?)?)
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse()).collect::<std::result::Result<_, _>>()?;
    let [partitions, latency, threads @ ..] = &arguments[..] else {
        return Err("bench-backup PARTITIONS MILLISECONDS [THREADS…]".into());
    };
    let threads = if threads.is_empty() { &[4, 16, 64] } else { threads };
    let cluster = Arc::new(Cluster {
        topics: partitions.div_ceil(usize::try_from(PARTITIONS_OF_A_TOPIC)?),
        end: AtomicI64::new(BEFORE),
        requests: AtomicUsize::new(0),
        commits: Mutex::default(),
    });
    let memory = Arc::new(MemoryStore::new());
    cluster.back_up(&memory).await;
    let pause = Duration::from_millis(u64::try_from(*latency)?);
    let store = Arc::new(CountingStore::new(Arc::new(FaultyStore::new(memory, move |_, _| Fault::Delay(pause)))));
    let bucket: Arc<dyn ObjectStore> = store.clone();
    eprintln!(
        "{:>8} {:>9} {:>8} {:>9} {:>15} {:>18} {:>15}",
        "threads", "seconds", "CPU s", "peak MB", "to the bucket", "to Kafka", "shards of 300 s"
    );
    for threads in threads.iter().copied() {
        cluster.end.fetch_add(NEW, Ordering::Relaxed);
        let backup = Backup::new(Arc::new(Source(cluster.clone())), bucket.clone(), settings(threads)?, clock::system());
        let (begin, cpu, asked, objects) = (Instant::now(), cpu_seconds()?, cluster.requests.load(Ordering::Relaxed), store.counts());
        let report = backup.invoke(&Invocation { flush: true, ..Invocation::new(Budget::unlimited(Some(1769 << 20))) }).await?;
        let (wall, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
        let expected = u64::try_from(cluster.topics)? * u64::try_from(PARTITIONS_OF_A_TOPIC)?;
        if !report.succeeded || report.segments != expected || report.lag_records != 0 {
            return Err(format!("{} of {expected} segments, lag {}: {:?}", report.segments, report.lag_records, report.errors).into());
        }
        let (requests, bucket) = (cluster.requests.load(Ordering::Relaxed) - asked, store.counts().since(&objects).total());
        let (peak, shards) = (peak_megabytes()?, (wall / SCHEDULE).ceil());
        eprintln!("{threads:>8} {wall:>9.1} {cpu:>8.1} {peak:>9.0} {bucket:>15} {requests:>18} {shards:>15}");
        println!(
            "{{\"name\":\"{threads} threads\",\"wall\":{wall:.3},\"cpu\":{cpu:.2},\"memory\":{peak:.1},\"requests\":{requests},\"bucket\":{bucket},\
             \"shards\":{shards}}}"
        );
    }
    Ok(())
}
