//! `topic.json`: one generation of a topic for each topic id. Another id under the same name is
//! another topic, and a log that lost its end is another log: neither is ever mixed with the old
//! one.

use std::collections::{BTreeMap, BTreeSet};

use kafka::TopicId;
use kernel::clock::Millis;
use serde::{Deserialize, Serialize};

use crate::catalog::{Packing, names};

/// The identity of a topic, whatever its name, as far as its cluster reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicIdentity {
    /// Id of the cluster; `None` if it has none.
    pub cluster: Option<String>,
    /// Id of the topic; `None` on brokers older than 2.8.
    pub topic: Option<TopicId>,
}

/// Whether a generation belongs to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    Same,
    /// An id is missing: the name decides.
    Unknown,
    /// Another topic, perhaps of the same cluster.
    AnotherTopic,
    AnotherCluster,
}

/// More than any topic has. A number from a bucket is limited before it is used as a count.
pub const MOST_PARTITIONS: i32 = 100_000;

/// The content of `topic.json`: the identity of a generation, and what is needed to create the
/// topic again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Version of this object's format.
    pub format_version: u32,
    /// The topic's name.
    pub topic: String,
    /// 1 for the first.
    pub generation: u32,
    /// The topic's id, if the cluster has ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// Id of the topic's cluster, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Number of partitions, the largest seen.
    pub partitions: i32,
    /// Replicas of each partition, if the cluster reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Partitions with a segment that a later backup than their first one knew, in this generation
    /// or in an earlier one that it continues. If nothing of them is in the bucket, it was lost.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub begun: BTreeSet<i32>,
    /// Configs that differed from the broker's defaults, and `min.insync.replicas` if it differed
    /// from Kafka's default.
    pub configs: BTreeMap<String, String>,
    /// The packing of every segment of this generation: one start offset has one name, so two
    /// invocations never create two segments of it.
    pub packing: Packing,
    /// Why it began.
    pub reason: NewReason,
    /// Partitions that begin in it; the others stay in the previous generation of the same topic.
    /// `None`: all begin in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins: Option<BTreeSet<i32>>,
    /// When it began.
    pub at: Millis,
    /// The prefix of the names of the backup's snapshots, once there is one: if none exists, they
    /// were lost. See [`names::snapshot_prefix`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<String>,
    /// `false` if a store that should have refused it replaced the first one by this object: see
    /// [`Generations::begin`](crate::catalog::Generations::begin).
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub is_create_only: bool,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_yes(value: &bool) -> bool {
    *value
}

/// Why a generation began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewReason {
    /// The first backup of this name.
    First,
    /// The topic was deleted and created again: it has another id.
    Recreated,
    /// The earlier generations are of topics in other clusters.
    AnotherCluster,
    /// A partition's log ends below what was already backed up: an unclean election, or a cluster
    /// that was restored to an older state.
    Truncated,
}

impl Generation {
    /// The current version of `topic.json`.
    pub const FORMAT: u32 = 1;

    /// Its folder.
    pub fn folder(&self) -> String {
        names::topic_folder(&self.topic, self.generation)
    }

    /// Every partition that the topic had.
    pub fn all_partitions(&self) -> BTreeSet<i32> {
        (0..self.partitions.min(MOST_PARTITIONS)).chain(self.begun.iter().copied()).collect()
    }

    /// Whether the topic was compacted: then its oldest segments contain keys whose last value is
    /// there.
    pub fn is_compacted(&self) -> bool {
        self.configs.get("cleanup.policy").is_some_and(|policy| policy.contains("compact"))
    }

    /// Whether a partition begins in it.
    pub fn begins(&self, partition: i32) -> bool {
        self.begins.as_ref().is_none_or(|begins| begins.contains(&partition))
    }

    /// Whether this generation belongs to the topic. If an id is unknown, the name decides.
    pub fn is(&self, topic: &TopicIdentity) -> bool {
        matches!(self.likeness(topic), Likeness::Same | Likeness::Unknown)
    }

    pub(super) fn likeness(&self, topic: &TopicIdentity) -> Likeness {
        if self.is_of_another_cluster(topic) {
            return Likeness::AnotherCluster;
        }
        match (&self.topic_id, &topic.topic) {
            (Some(mine), Some(theirs)) if mine == theirs => Likeness::Same,
            (Some(_), Some(_)) => Likeness::AnotherTopic,
            _ => Likeness::Unknown,
        }
    }

    pub(super) fn is_of_another_cluster(&self, topic: &TopicIdentity) -> bool {
        matches!((&self.cluster_id, &topic.cluster), (Some(mine), Some(theirs)) if mine != theirs)
    }
}
