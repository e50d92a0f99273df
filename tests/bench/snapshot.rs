//! What a snapshot of a large cluster costs: TOPICS topics of PARTITIONS partitions each, and
//! GROUPS groups that have each committed on ten partitions. Kafka is a stand-in that takes
//! MILLISECONDS for each request. Prints one JSON object a line for an invocation that takes a
//! snapshot, and for the next one, which does not: seconds, CPU seconds, requests and peak memory.
//!
//!     bench-snapshot TOPICS PARTITIONS GROUPS MILLISECONDS

#![allow(clippy::print_stdout)]

mod memory;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use archive::catalog::{BackupCommit, bucket_id};
use async_trait::async_trait;
use backup_batch::{Backup, Invocation};
use config::{BackupSettings, Raw};
use host::Budget;
use kafka::{
    Acl, ClusterAdministration, ClusterDescription, CommittedOffset, GroupListing, GroupOffset, GroupOffsets, Groups, KafkaError,
    KafkaErrorKind, OffsetRange, PartitionReader, Right, Rights, ScramUser, SourceCluster, TopicConfigs, TopicFacts, TopicPartition,
};
use kernel::clock;
use store::testing::MemoryStore;

use memory::peak_megabytes;
use usage::cpu_seconds;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Parallel requests about groups, as in the adapter.
const AT_ONCE: usize = 16;

#[derive(Debug)]
struct Cluster {
    topics: usize,
    partitions: i32,
    groups: usize,
    latency: Duration,
    requests: AtomicUsize,
    /// The commits of the backup's group: everything is backed up.
    commits: std::sync::Mutex<BTreeMap<TopicPartition, CommittedOffset>>,
}

impl Cluster {
    async fn request(&self, count: usize) {
        self.requests.fetch_add(count, Ordering::Relaxed);
        let waves = u32::try_from(count.div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
        tokio::time::sleep(self.latency * waves).await;
    }

    /// Every partition has a commit of the backup, as in a backup that has run before.
    fn back_up_everything(&self, store: &str) {
        let mut commits = kernel::lock(&self.commits);
        for topic in (0..self.topics).map(Self::topic) {
            for number in 0..self.partitions {
                let commit = BackupCommit {
                    version: BackupCommit::VERSION,
                    next: 123_456_789,
                    folder: topic.clone(),
                    segment: 123_400_000,
                    at: clock::system().now(),
                    topic_id: None,
                    cluster_id: Some("bench".to_owned()),
                    store: store.to_owned(),
                    doubt: None,
                };
                commits.insert(TopicPartition::new(topic.as_str(), number), commit.to_committed());
            }
        }
    }

    fn topic(number: usize) -> String {
        format!("topic-with-a-name-of-usual-length-{number}")
    }
}

#[async_trait]
impl SourceCluster for Cluster {
    async fn describe(&self, topics: &[String]) -> kafka::Result<BTreeMap<String, kafka::Result<TopicFacts>>> {
        self.request(1).await;
        let facts = TopicFacts { id: None, partitions: self.partitions, replication_factor: Some(3), configs: BTreeMap::new() };
        Ok(topics.iter().map(|name| (name.clone(), Ok(facts.clone()))).collect())
    }

    async fn names(&self) -> kafka::Result<BTreeSet<String>> {
        self.request(1).await;
        Ok((0..self.topics).map(Self::topic).collect())
    }

    async fn rights(&self, _topics: &[String]) -> kafka::Result<Rights> {
        Ok(Rights::default())
    }

    fn cluster_id(&self) -> Option<String> {
        Some("bench".to_owned())
    }

    async fn configs(&self, _topic: &str) -> kafka::Result<Option<BTreeMap<String, String>>> {
        Ok(None)
    }

    async fn offsets(&self, partitions: &[TopicPartition]) -> kafka::Result<BTreeMap<TopicPartition, kafka::Result<OffsetRange>>> {
        self.request(3).await;
        // Nothing to read: another benchmark measures the cost of records.
        let range = OffsetRange { log_start: 123_456_789, end: 123_456_789, high_watermark: 123_456_789 };
        Ok(partitions.iter().map(|partition| (partition.clone(), Ok(range))).collect())
    }

    fn ask_anew(&self) -> kafka::Result<()> {
        Ok(())
    }

    async fn committed(&self, partitions: &[TopicPartition]) -> kafka::Result<BTreeMap<TopicPartition, CommittedOffset>> {
        self.request(1).await;
        let commits = kernel::lock(&self.commits);
        Ok(partitions.iter().filter_map(|partition| Some((partition.clone(), commits.get(partition)?.clone()))).collect())
    }

    async fn commit(&self, partition: &TopicPartition, offset: &CommittedOffset) -> kafka::Result<()> {
        kernel::lock(&self.commits).insert(partition.clone(), offset.clone());
        Ok(())
    }

    async fn open(&self, partition: &TopicPartition, _from: i64) -> kafka::Result<Box<dyn PartitionReader>> {
        Err(KafkaError::new(KafkaErrorKind::Unsupported, partition.to_string(), "there is nothing to read here"))
    }
}

#[async_trait]
impl ClusterAdministration for Cluster {
    async fn cluster(&self) -> kafka::Result<ClusterDescription> {
        self.request(1).await;
        Ok(ClusterDescription { id: self.cluster_id(), brokers: Vec::new(), rights: Some([Right::Describe].into()) })
    }

    async fn groups(&self) -> kafka::Result<Groups> {
        self.request(3).await;
        let listing = GroupListing { state: "Stable".to_owned(), kind: "Classic".to_owned(), is_simple: false };
        let groups = (0..self.groups).map(|number| (format!("group-{number}"), listing.clone())).collect();
        Ok(Groups { groups, missing: Vec::new() })
    }

    async fn group_offsets(&self, groups: &[String]) -> kafka::Result<BTreeMap<String, kafka::Result<GroupOffsets>>> {
        self.request(groups.len()).await;
        let offset = GroupOffset { offset: 123_456_780, metadata: String::new(), pending: false };
        let of_group = |index: usize| -> GroupOffsets {
            let partitions = (0..10).map(|number| TopicPartition::new(Self::topic((index + number) % self.topics), 0));
            partitions.map(|partition| (partition, Ok(offset.clone()))).collect()
        };
        Ok(groups.iter().enumerate().map(|(index, name)| (name.clone(), Ok(of_group(index)))).collect())
    }

    async fn topic_configs(&self, topics: &[String]) -> kafka::Result<BTreeMap<String, kafka::Result<TopicConfigs>>> {
        self.request(topics.len().div_ceil(100)).await;
        let config = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let own = BTreeMap::from([config("cleanup.policy", "compact"), config("retention.ms", "-1")]);
        let configs = TopicConfigs { effective: own.clone(), inherited: BTreeMap::new(), own };
        Ok(topics.iter().map(|name| (name.clone(), Ok(configs.clone()))).collect())
    }

    async fn acls(&self, _cluster: Option<&ClusterDescription>) -> kafka::Result<Vec<Acl>> {
        self.request(1).await;
        Ok(Vec::new())
    }

    async fn users(&self, _cluster: Option<&ClusterDescription>) -> kafka::Result<Vec<ScramUser>> {
        self.request(1).await;
        Ok(Vec::new())
    }
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [topics, partitions, groups, latency] = &arguments[..] else {
        return Err("bench-snapshot TOPICS PARTITIONS GROUPS MILLISECONDS".into());
    };
    let store = Arc::new(MemoryStore::new());
    let cluster = Arc::new(Cluster {
        topics: topics.parse()?,
        partitions: partitions.parse()?,
        groups: groups.parse()?,
        latency: Duration::from_millis(latency.parse()?),
        requests: AtomicUsize::new(0),
        commits: std::sync::Mutex::default(),
    });
    let config = [
        ("BOOTSTRAP_SERVERS", "bench:9092"),
        ("TOPIC_NAMES", "*"),
        ("GROUP_ID", "bench"),
        ("FILESYSTEM_TYPE", "LINUX"),
        ("FILESYSTEM_BACKUP_DIR", "/not/used"),
        ("SNAPSHOT_SECONDS", "86400"),
    ]
    .map(|(key, value)| (key.into(), value.into()));
    let settings = BackupSettings::from_raw(&Raw::load(None, config)?)?;
    cluster.back_up_everything(&bucket_id(store.as_ref()));
    let backup = Backup::new(cluster.clone(), store.clone(), settings, clock::system()).with_snapshots_of(cluster.clone());
    for name in ["with a snapshot", "between two"] {
        let (begin, cpu, before) = (Instant::now(), cpu_seconds()?, cluster.requests.load(Ordering::Relaxed));
        let report = backup.invoke(&Invocation::new(Budget::unlimited(None))).await?;
        if let Some(error) = report.errors.first() {
            return Err(error.clone().into());
        }
        let size = report.snapshot.as_ref().and_then(|name| Some(store.snapshot().get(name)?.len())).unwrap_or(0);
        println!(
            "{{\"name\":\"{name}\",\"wall\":{:.3},\"cpu\":{:.2},\"memory\":{:.1},\"requests\":{},\"stored\":{size}}}",
            begin.elapsed().as_secs_f64(),
            cpu_seconds()? - cpu,
            peak_megabytes()?,
            cluster.requests.load(Ordering::Relaxed) - before,
        );
    }
    Ok(())
}
