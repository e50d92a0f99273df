//! A snapshot: the state of a cluster at one moment, and the progress of its backup. It is the
//! inventory that later commands compare with the bucket.

use std::collections::BTreeMap;

use kafka::{Acl, Broker, ScramUser, TopicId};
use kernel::clock::Millis;
use serde::{Deserialize, Serialize};

use crate::catalog::{Covered, LogRange, MOST_PARTITIONS, PartitionState, PartitionStates};

/// The content of `@cluster/<cluster id>/<GROUP_ID>/<YYYY>/<MM>/<DD>/<HHMMSS>Z.json.gz`. Created
/// once, never replaced.
///
/// It is read in this order: groups, our own commits, the logs' offsets, topic ids again, groups
/// again. So a group's commit is at most what the log then contained, and what was backed up is at
/// most the log's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// See [`Snapshot::FORMAT`].
    pub format_version: u32,
    /// Name and version of the program that took it.
    pub program: String,
    /// Id of the cluster; `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// GROUP_ID of the backup.
    pub group_id: String,
    /// TOPIC_NAMES and EXCLUDE_TOPIC_NAMES, as written.
    pub topic_names: Vec<String>,
    /// See `topic_names`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_topic_names: Vec<String>,
    /// Before the first request about consumer groups. Only topics, brokers, configs, access
    /// control lists and users were requested earlier.
    pub from: Millis,
    /// When all offsets had been read. The time in its name is this one, rounded up.
    pub until: Millis,
    /// SNAPSHOT_SECONDS.
    pub interval_seconds: u64,
    /// Every existing topic of the selection, by name.
    pub topics: BTreeMap<String, TopicSnapshot>,
    /// Consumer groups except those of backups and restores, by name.
    pub groups: Told<BTreeMap<String, GroupSnapshot>>,
    /// Brokers that were up.
    pub brokers: Told<Vec<Broker>>,
    /// Access control lists.
    pub acls: Told<Vec<Acl>>,
    /// SCRAM users.
    pub users: Told<Vec<ScramUser>>,
    /// What other snapshots of the same day show in the bucket, and the numbers of this one do not:
    /// topics that this user may not see any more, topics that were created again, and expired
    /// commits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub earlier: BackedUpEnds,
    /// Those snapshots: a reader of this one need not read them to know what was in the bucket.
    #[serde(default, skip_serializing_if = "Covered::is_empty")]
    pub covers: Covered,
}

/// By folder and partition, the offset below which everything was in the bucket.
pub type BackedUpEnds = BTreeMap<String, BTreeMap<i32, i64>>;

/// What the cluster reported, or why it did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told<T> {
    /// Everything.
    All(T),
    /// What this user could see.
    Partial {
        /// What was reported.
        known: T,
        /// Why there can be more.
        why: String,
    },
    /// Nothing, for this reason.
    Absent(String),
}

impl<T> Told<T> {
    /// What was reported.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::All(known) | Self::Partial { known, .. } => Some(known),
            Self::Absent(_) => None,
        }
    }

    /// Why there can be more.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::All(_) => None,
            Self::Partial { why, .. } | Self::Absent(why) => Some(why),
        }
    }
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSnapshot {
    /// Folder of the generation of its commits, the newest if they differ; `None`: nothing of it is
    /// known to be in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// `None` on brokers older than 2.8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TopicId>,
    /// Number of partitions.
    pub partition_count: i32,
    /// Replicas of each partition, if the cluster reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Configs that differ from the brokers' defaults.
    pub configs: Told<BTreeMap<String, String>>,
    /// The effective values of configs that delete or refuse records, wherever they are set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub effective: BTreeMap<String, String>,
    /// By number. Empty with `why`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partitions: BTreeMap<i32, PartitionSnapshot>,
    /// Why it has no numbers, or not of each partition: it was deleted, or created again, while
    /// they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl TopicSnapshot {
    /// Folder of the generation of a partition's `backed_up`.
    pub fn folder_of<'a>(&'a self, partition: &'a PartitionSnapshot) -> Option<&'a str> {
        partition.folder.as_deref().or(self.folder.as_deref())
    }
}

impl PartitionStates for TopicSnapshot {
    fn states(&self) -> impl Iterator<Item = PartitionState<'_>> {
        (0..self.partition_count.min(MOST_PARTITIONS)).map(|partition| {
            let of = self.partitions.get(&partition);
            PartitionState {
                folder: of.map_or(self.folder.as_deref(), |of| self.folder_of(of)),
                partition,
                backed_up: of.and_then(|of| of.backed_up),
                log: of.and_then(|of| of.log).map(|log| LogRange { start: log.log_start, end: log.end }),
                diverged: of.is_some_and(|of| of.diverged),
            }
        })
    }
}

impl PartitionStates for Snapshot {
    fn states(&self) -> impl Iterator<Item = PartitionState<'_>> {
        self.topics.values().flat_map(PartitionStates::states)
    }
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionSnapshot {
    /// Folder of `backed_up`, if it is not the topic's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Everything below this offset was in the bucket; `None`: no commit shows any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backed_up: Option<i64>,
    /// Log start, end and high watermark; `None` with `why`.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogSnapshot>,
    /// Its log ended below what was backed up: it lost its end, and the two numbers are of
    /// different logs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub diverged: bool,
    /// Why the log is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The offsets in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSnapshot {
    /// The first offset still in the log.
    pub log_start: i64,
    /// The end for readers with ISOLATION_LEVEL: the last stable offset, or the high watermark.
    pub end: i64,
    /// High watermark.
    pub high_watermark: i64,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSnapshot {
    /// `Stable`, `Empty`, …
    pub state: String,
    /// `Classic`, `Consumer`, …
    pub kind: String,
    /// Its commits are of clients with manual assignment.
    #[serde(default, skip_serializing_if = "is_false")]
    pub simple: bool,
    /// By topic and partition, of every topic, whether backed up or not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offsets: BTreeMap<String, BTreeMap<i32, OffsetSnapshot>>,
    /// Why its offsets, or some of them, are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A group's commit on a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetSnapshot {
    /// The next offset to read.
    pub offset: i64,
    /// Its metadata.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// A transactional commit was in progress: this is the offset before it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pending: bool,
    /// It had another value when it was read again, after the logs' ends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub moved: bool,
    /// It was committed under another id of the topic than that of the logs' numbers, or is above
    /// the high watermark: a topic that was created again, or lost its end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub foreign: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_false(value: &bool) -> bool {
    !*value
}

impl Snapshot {
    /// The current version.
    pub const FORMAT: u32 = 1;
}
