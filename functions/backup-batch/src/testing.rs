//! One topic of one partition in memory, for the small tests of this crate. `tests/simulation`
//! tests faults.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use archive::segment::{Compression, LARGEST_RECORD};
use async_trait::async_trait;
use config::BackupSettings;
use host::Budget;
use kafka::{
    Acl, ClusterAdministration, ClusterDescription, CommittedOffset, GroupListing, GroupOffset, GroupOffsets, Groups, Isolation,
    KafkaError, KafkaErrorKind, KafkaSettings, OffsetRange, PartitionReader, Result, Right, Rights, ScramUser, Selection, SourceCluster,
    TopicConfigs, TopicFacts, TopicPartition,
};
use kernel::clock::{Clock, Millis};
use kernel::record::{Record, TimestampType};
use store::testing::{Delete, MemoryStore};
use store::{StoreKind, StoreSettings};
use telemetry::LogLevel;

use crate::snapshot::tests::{broker, denied};
use crate::{Backup, BackupReport, Invocation};

/// The content of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Offsets with a record; the others below `end` are compacted, or control records.
    pub(crate) records: Vec<i64>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) high_watermark: i64,
    pub(crate) commit: Option<CommittedOffset>,
    /// From this offset it is another log than it was.
    pub(crate) is_other_from: Option<i64>,
    /// Who reads from this offset learns that the log was truncated at the second one.
    pub(crate) cut: Option<(i64, i64)>,
    /// Additional bytes of a record; a codec compresses them to less than half.
    pub(crate) size: usize,
    /// The offset of a record that no backup accepts.
    pub(crate) giant: Option<i64>,
    pub(crate) now: Millis,
    /// Of all topics except one.
    pub(crate) id: u64,
    /// Topics in addition to `orders`, each with one partition and no record.
    pub(crate) others: BTreeSet<String>,
    /// Consumer groups in addition to the backup's, with what they committed.
    pub(crate) groups: BTreeMap<String, (GroupListing, BTreeMap<TopicPartition, GroupOffset>)>,
    /// Of this user on the cluster; `None`: all.
    pub(crate) rights: Option<BTreeSet<Right>>,
    /// This user may not read lists and users.
    pub(crate) refuses: bool,
    /// Why the cluster has no access control lists.
    pub(crate) has_no_acls: Option<&'static str>,
    /// Requests for a snapshot.
    pub(crate) asked: usize,
    /// Milliseconds of each of them.
    pub(crate) each_request_takes: Millis,
    pub(crate) created_again_when_committed_is_asked: bool,
    /// No partition has one.
    pub(crate) has_no_leader: bool,
    /// Partitions of `orders` in addition to the first, with the same records, and the same commit.
    pub(crate) more_partitions: i32,
}

/// The cluster, its bucket, and a backup of 10 records a segment, each minute.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fake {
    log: Arc<Mutex<Log>>,
    pub(crate) bucket: Arc<MemoryStore>,
}

impl Fake {
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds records, each after the previous one.
    pub(crate) fn write(&self, count: i64) {
        let mut log = self.log();
        let from = log.high_watermark;
        log.records.extend(from..from + count);
        log.high_watermark += count;
        log.end = log.high_watermark;
    }

    fn padding(&self, offset: i64) -> Vec<u8> {
        let mut state = offset as u64 + 1;
        let mut noise = || {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..self.log().size).map(|at| if at % 5 < 2 { noise() } else { 0 }).collect()
    }

    pub(crate) fn advance(&self, millis: Millis) {
        self.log().now += millis;
    }

    pub(crate) fn backup(&self) -> Backup {
        self.backup_of(Selection::of_names(["orders"]))
    }

    pub(crate) fn backup_of(&self, topics: Selection) -> Backup {
        let settings = BackupSettings {
            kafka: KafkaSettings::default(),
            store: StoreSettings { kind: StoreKind::Folder("/memory".into()), prefix: String::new() },
            topics,
            group: "backup".to_owned(),
            snapshots: None,
            metrics_max_topics: 50,
            records_per_segment: 10,
            retry_upload: Duration::from_secs(60),
            threads: 1,
            max_segments: None,
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            isolation: Isolation::ReadCommitted,
            compression: Compression::Gzip(1),
            log_level: LogLevel::Error,
        };
        Backup::new(Arc::new(self.clone()), self.bucket.clone(), settings, Arc::new(self.clone())).single_threaded()
    }

    pub(crate) async fn invoke(&self) -> BackupReport {
        self.backup().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap()
    }

    /// The names of all segments, without folder and ending.
    pub(crate) fn segments(&self) -> Vec<i64> {
        self.segments_in("orders")
    }

    /// Those of a generation.
    pub(crate) fn segments_in(&self, folder: &str) -> Vec<i64> {
        let (names, prefix) = (self.bucket.snapshot(), format!("{folder}/0/"));
        let starts = names.keys().filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix(".tar.gz")?.parse().ok());
        starts.collect()
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.bucket.delete(name).await.unwrap();
    }
}

impl Clock for Fake {
    fn now(&self) -> Millis {
        self.log().now
    }
}

#[async_trait]
impl SourceCluster for Fake {
    async fn describe(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicFacts>>> {
        let facts = TopicFacts {
            id: Some(format!("{:022}", self.log().id + 1).parse().unwrap()),
            partitions: 1 + self.log().more_partitions,
            replication_factor: None,
            configs: BTreeMap::new(),
        };
        let others = self.log().others.clone();
        let is_there = |topic: &&String| *topic == "orders" || others.contains(*topic);
        Ok(topics.iter().filter(is_there).map(|topic| (topic.clone(), Ok(facts.clone()))).collect())
    }

    async fn names(&self) -> Result<BTreeSet<String>> {
        Ok(self.log().others.iter().cloned().chain(["orders".to_owned()]).collect())
    }

    async fn rights(&self, _topics: &[String]) -> Result<Rights> {
        Ok(Rights::default())
    }

    fn cluster_id(&self) -> Option<String> {
        Some("memory".to_owned())
    }

    fn ask_anew(&self) -> Result<()> {
        Ok(())
    }

    async fn configs(&self, _topic: &str) -> Result<Option<BTreeMap<String, String>>> {
        Ok(None)
    }

    async fn offsets(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, Result<OffsetRange>>> {
        let log = self.log();
        if log.has_no_leader {
            return Ok(BTreeMap::new());
        }
        let range = OffsetRange { log_start: log.start, end: log.end, high_watermark: log.high_watermark };
        let empty = OffsetRange { log_start: 0, end: 0, high_watermark: 0 };
        Ok(partitions.iter().map(|one| (one.clone(), Ok(if one.topic == "orders" { range } else { empty }))).collect())
    }

    async fn committed(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
        let mut log = self.log();
        log.id += u64::from(std::mem::take(&mut log.created_again_when_committed_is_asked));
        Ok(partitions.iter().filter(|one| one.topic == "orders").filter_map(|one| Some((one.clone(), log.commit.clone()?))).collect())
    }

    async fn commit(&self, partition: &TopicPartition, offset: &CommittedOffset) -> Result<()> {
        if partition.topic == "orders" {
            self.log().commit = Some(offset.clone());
        }
        Ok(())
    }

    async fn open(&self, _partition: &TopicPartition, from: i64) -> Result<Box<dyn PartitionReader>> {
        Ok(Box::new(Reader { fake: self.clone(), position: from, fetched_to: from }))
    }
}

impl Fake {
    fn answer(&self) -> MutexGuard<'_, Log> {
        let mut log = self.log();
        log.asked += 1;
        log.now += log.each_request_takes;
        log
    }
}

#[async_trait]
impl ClusterAdministration for Fake {
    async fn cluster(&self) -> Result<ClusterDescription> {
        let rights = self.answer().rights.clone().unwrap_or_else(|| [Right::Describe].into());
        Ok(ClusterDescription { id: Some("memory".to_owned()), brokers: vec![broker()], rights: Some(rights) })
    }

    async fn groups(&self) -> Result<Groups> {
        let groups = self.answer().groups.iter().map(|(name, (listing, _))| (name.clone(), listing.clone())).collect();
        Ok(Groups { groups, missing: Vec::new() })
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        let log = self.answer();
        let offsets =
            |name: &String| log.groups[name].1.iter().map(|(partition, offset)| (partition.clone(), Ok(offset.clone()))).collect();
        Ok(groups.iter().map(|name| (name.clone(), Ok(offsets(name)))).collect())
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        drop(self.answer());
        Ok(topics.iter().map(|name| (name.clone(), Ok(TopicConfigs::default()))).collect())
    }

    async fn acls(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        let log = self.answer();
        match log.has_no_acls {
            Some(why) => Err(KafkaError::new(KafkaErrorKind::Unsupported, "access control lists", why)),
            None if log.refuses => Err(denied("access control lists")),
            None => Ok(Vec::new()),
        }
    }

    async fn users(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        if self.answer().refuses { Err(denied("SCRAM users")) } else { Ok(Vec::new()) }
    }
}

#[derive(Debug)]
struct Reader {
    fake: Fake,
    position: i64,
    fetched_to: i64,
}

#[async_trait]
impl PartitionReader for Reader {
    async fn fetch(&mut self, _wait: Duration) -> Result<()> {
        let log = self.fake.log();
        if let Some((_, end)) = log.cut.filter(|(from, _)| self.position >= *from) {
            return Err(KafkaError::new(KafkaErrorKind::Truncated { end }, "orders/0", "it was truncated"));
        }
        self.fetched_to = log.cut.map_or(log.end, |(from, _)| from.min(log.end));
        Ok(())
    }

    fn drain(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>) {
        let offsets: Vec<i64> =
            self.fake.log().records.iter().copied().filter(|at| (self.position..self.fetched_to).contains(at)).collect();
        for offset in offsets {
            let is_other = self.fake.log().is_other_from.is_some_and(|from| offset >= from);
            let mut value = format!("{offset}{}", if is_other { ", another" } else { "" }).into_bytes();
            value.extend(self.fake.padding(offset));
            if self.fake.log().giant == Some(offset) {
                value.resize(LARGEST_RECORD as usize, 0);
            }
            self.position = offset + 1;
            let record =
                Record { offset, timestamp: 0, timestamp_type: TimestampType::CreateTime, key: None, value: Some(&value), headers: &[] };
            if visit(&record).is_break() {
                return;
            }
        }
        self.position = self.position.max(self.fetched_to);
    }

    fn position(&self) -> i64 {
        self.position
    }
}
