//! What there is in a cluster beside records: brokers, consumer groups, configs, access control lists, users. Read only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Result, Right, TopicPartition};

/// In the reason why there are no access control lists of a cluster that cannot have any.
pub const NO_AUTHORIZER: &str = "the brokers have no authorizer";

/// Reads what a snapshot of a cluster holds. Nothing here changes anything, joins a group or waits for records.
///
/// What this user may not read is [`KafkaErrorKind::Denied`](crate::KafkaErrorKind::Denied), and what a cluster does not have
/// [`KafkaErrorKind::Unsupported`](crate::KafkaErrorKind::Unsupported): never an answer that looks as if there was nothing.
#[async_trait]
pub trait ClusterAdministration: Debug + Send + Sync {
    /// The brokers, and what this user may do with the cluster as a whole.
    async fn cluster(&self) -> Result<ClusterDescription>;

    /// All groups that this user may see, each once, in order, whatever their kind. A cluster leaves out those that it may not describe and does not
    /// say so, unless this user may [`Describe`](Right::Describe) the cluster.
    ///
    /// # Errors
    /// Brokers did not tell of their groups, and no group is known of the others.
    async fn groups(&self) -> Result<Groups>;

    /// What each of these groups has committed, or why its coordinator does not tell. One request for each group, a few at once. With
    /// transactional commits under way an offset is asked for again for about a second, and then told as [`pending`](GroupOffset::pending). A group that
    /// is not there has committed nothing.
    ///
    /// A cluster leaves out topics that this user may not describe, and does not say so.
    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>>;

    /// Configs of each of these topics, or why the cluster does not tell them. A few requests for all. Topics that are not there are absent.
    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>>;

    /// All access control lists. `cluster` is what [`cluster`](Self::cluster) said a moment ago; without it the cluster is asked once more.
    ///
    /// # Errors
    /// [`Denied`](crate::KafkaErrorKind::Denied) without Describe on the cluster; [`Unsupported`](crate::KafkaErrorKind::Unsupported) where no
    /// authorizer is configured, or where no list could as well be a refusal.
    async fn acls(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>>;

    /// The SCRAM users. Kafka gives out neither salts nor keys. `cluster`: see [`acls`](Self::acls).
    async fn users(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>>;
}

/// A cluster as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterDescription {
    /// `None` where it has none.
    pub id: Option<String>,
    /// Those that are up.
    pub brokers: Vec<Broker>,
    /// What this user may do with the cluster (KIP-430); `None` where it does not tell.
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
    /// Why brokers did not tell of theirs.
    pub missing: Vec<String>,
}

/// What a cluster says of a group without being asked about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// `Stable`, `Empty`, …, as Kafka's tools write it; `Unknown` where the cluster does not tell.
    pub state: String,
    /// `Classic` or `Consumer` (KIP-848), as Kafka's tools write it; `Unknown` where the cluster does not tell, and for Streams groups and share groups.
    pub kind: String,
    /// Without the protocol of consumer groups: its commits are of clients that assign partitions to themselves.
    pub is_simple: bool,
}

/// What a group has committed. A partition without a commit is absent.
pub type GroupOffsets = BTreeMap<TopicPartition, Result<GroupOffset>>;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    /// The next offset to be read.
    pub offset: i64,
    /// What stands beside it; empty when there is nothing.
    pub metadata: String,
    /// A transactional commit was under way: this is the offset before it. A partition without a commit before it is absent.
    pub pending: bool,
}

/// Configs of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicConfigs {
    /// Those that differ from the brokers' defaults, and `min.insync.replicas` where it differs from Kafka's.
    pub own: BTreeMap<String, String>,
    /// All, with the values that hold. Those that a broker hides are absent.
    pub effective: BTreeMap<String, String>,
    /// What would hold of those in `own` without them: what the brokers have, or Kafka. Those of which the cluster does not tell are absent; so are times
    /// (`retention.ms`, `segment.ms`, …) where this user may not [describe configs](Right::DescribeConfigs) of the cluster, and from a source.
    pub inherited: BTreeMap<String, String>,
}

/// An entry of an access control list. The words are those of Kafka's tools; one that this version does not know is its number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Acl {
    /// `TOPIC`, `GROUP`, `CLUSTER`, `TRANSACTIONAL_ID`, `USER`, …
    pub resource: String,
    /// The resource's name, or what names of resources begin with.
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
    /// The words of entries that can be written just as they are, and that name one thing: no `ANY`, no `MATCH`, and nothing that librdkafka 2.12.1 has
    /// no number for.
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

    /// What of it this program cannot write, and the word. `None`: all of it can be written.
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
