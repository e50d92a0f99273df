//! What a cluster has in addition to records: brokers, consumer groups, configs, access control
//! lists, users. Read-only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Result, Right, TopicPartition};

/// The reason why a cluster without an authorizer has no access control lists.
pub const NO_AUTHORIZER: &str = "the brokers have no authorizer";

/// Reads the content of a snapshot of a cluster. Changes nothing, joins no group and waits for no
/// records.
///
/// A missing permission is [`KafkaErrorKind::Denied`](crate::KafkaErrorKind::Denied), and a missing
/// feature of the cluster [`KafkaErrorKind::Unsupported`](crate::KafkaErrorKind::Unsupported).
/// Neither ever looks like an empty result.
#[async_trait]
pub trait ClusterAdministration: Debug + Send + Sync {
    /// The brokers, and the permissions of this user on the cluster.
    async fn cluster(&self) -> Result<ClusterDescription>;

    /// All groups that this user may see, each once, in order, of any kind. A cluster silently
    /// omits groups that this user may not describe, unless the user may
    /// [`Describe`](Right::Describe) the cluster.
    ///
    /// # Errors
    /// Brokers did not report their groups, and no group of the others is known.
    async fn groups(&self) -> Result<Groups>;

    /// The committed offsets of each of these groups, or why its coordinator does not report them.
    /// One request per group, some in parallel. If a transactional commit is in progress, the
    /// offset is requested again for about a second, then reported as
    /// [`pending`](GroupOffset::pending). A group that does not exist has no commits.
    ///
    /// A cluster silently omits topics that this user may not describe.
    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>>;

    /// Configs of each of these topics, or why the cluster does not report them. A few requests in
    /// total. Topics that do not exist are absent.
    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>>;

    /// All access control lists. `cluster` is a recent result of [`cluster`](Self::cluster);
    /// without it, that is requested again.
    ///
    /// # Errors
    /// [`Denied`](crate::KafkaErrorKind::Denied) without Describe on the cluster.
    /// [`Unsupported`](crate::KafkaErrorKind::Unsupported) if no authorizer is configured, or if an
    /// empty list could also be a refusal.
    async fn acls(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>>;

    /// The SCRAM users. Kafka reveals neither salts nor keys. `cluster`: see [`acls`](Self::acls).
    async fn users(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>>;
}

/// A cluster's description of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterDescription {
    /// `None` if it has none.
    pub id: Option<String>,
    /// The brokers that are up.
    pub brokers: Vec<Broker>,
    /// The permissions of this user on the cluster (KIP-430); `None` if the cluster does not report
    /// them.
    pub rights: Option<BTreeSet<Right>>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// `node.id`.
    pub id: i32,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// `broker.rack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
}

/// The groups of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// By name.
    pub groups: BTreeMap<String, GroupListing>,
    /// Why some brokers did not report their groups.
    pub missing: Vec<String>,
}

/// What a cluster reports about a group without describing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// `Stable`, `Empty`, …, as Kafka's tools write it; `Unknown` if the cluster does not report
    /// it.
    pub state: String,
    /// `Classic` or `Consumer` (KIP-848), as Kafka's tools write it; `Unknown` if the cluster does
    /// not report it, and for Streams groups and share groups.
    pub kind: String,
    /// Without the consumer group protocol: its commits are from clients with manual assignment.
    pub is_simple: bool,
}

/// The committed offsets of a group. A partition without a commit is absent.
pub type GroupOffsets = BTreeMap<TopicPartition, Result<GroupOffset>>;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    /// The next offset to read.
    pub offset: i64,
    /// The commit's metadata; empty if there are none.
    pub metadata: String,
    /// A transactional commit was in progress: this is the offset before it. A partition without an
    /// earlier commit is absent.
    pub pending: bool,
}

/// Configs of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicConfigs {
    /// Those that differ from the brokers' defaults, and `min.insync.replicas` if it differs from
    /// Kafka's default.
    pub own: BTreeMap<String, String>,
    /// All effective values. Those that a broker hides are absent.
    pub effective: BTreeMap<String, String>,
    /// The values of `own` without the topic's setting: the brokers' or Kafka's defaults. Absent if
    /// the cluster does not report them. Times (`retention.ms`, `segment.ms`, …) are also absent if
    /// this user may not [describe configs](Right::DescribeConfigs) of the cluster, and from a
    /// source.
    pub inherited: BTreeMap<String, String>,
}

/// An access control entry, in the words of Kafka's tools. A word that this version does not know
/// is its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Acl {
    /// `TOPIC`, `GROUP`, `CLUSTER`, `TRANSACTIONAL_ID`, `USER`, …
    pub resource: String,
    /// The resource's name, or the prefix of names.
    pub name: String,
    /// `LITERAL` or `PREFIXED`.
    pub pattern: String,
    /// `User:alice`.
    pub principal: String,
    /// An address, or `*`.
    pub host: String,
    /// `READ`, `WRITE`, …
    pub operation: String,
    /// `ALLOW` or `DENY`.
    pub permission: String,
}

impl Acl {
    /// The words of entries that can be written exactly, and that name one resource: no `ANY`, no
    /// `MATCH`, and nothing that librdkafka 2.12.1 has no number for.
    const RESOURCES: [&str; 4] = ["TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID"];
    const PATTERNS: [&str; 2] = ["LITERAL", "PREFIXED"];
    const OPERATIONS: [&str; 11] = [
        "ALL",
        "READ",
        "WRITE",
        "CREATE",
        "DELETE",
        "ALTER",
        "DESCRIBE",
        "CLUSTER_ACTION",
        "DESCRIBE_CONFIGS",
        "ALTER_CONFIGS",
        "IDEMPOTENT_WRITE",
    ];
    const PERMISSIONS: [&str; 2] = ["DENY", "ALLOW"];

    /// The part of the entry that this program cannot write, and its word. `None`: the entry can be
    /// written.
    pub fn unknown_word(&self) -> Option<(&'static str, &str)> {
        let words: [(&'static str, &[&str], &str); 4] = [
            ("resource", &Self::RESOURCES, &self.resource),
            ("pattern", &Self::PATTERNS, &self.pattern),
            ("operation", &Self::OPERATIONS, &self.operation),
            ("permission", &Self::PERMISSIONS, &self.permission),
        ];
        words.into_iter().find(|(_, known, word)| !known.contains(word)).map(|(what, _, word)| (what, word))
    }
}

/// A user that logs in with SCRAM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScramUser {
    /// Its name.
    pub name: String,
    /// Its mechanisms (`SCRAM-SHA-256`, `SCRAM-SHA-512`) with their iterations.
    pub mechanisms: BTreeMap<String, i32>,
}
