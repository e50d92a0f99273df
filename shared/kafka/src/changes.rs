//! What can be changed of a cluster beside records: groups' offsets, configs, access control lists.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kernel::clock::Millis;

use crate::{Acl, ClusterAdministration, CommittedOffset, Result, TopicPartition};

/// What became of each partition of a request, or why it was refused.
pub type EachPartition<T = ()> = BTreeMap<TopicPartition, Result<T>>;

/// Changes a cluster, one thing at a time. Every method can be repeated: it says what is to be there, and not what to add. Callers may run several at the
/// same time.
///
/// After an error of a whole call nobody knows whether the change was made, unless it says otherwise: its answer may be lost.
#[async_trait]
pub trait ClusterChanges: ClusterAdministration {
    /// Commits these offsets, with their metadata and without a leader epoch, for a group without members; a group that is not there is made.
    /// A coordinator that is not there yet is waited for, as for reading. One request, or a few where the metadata are large.
    ///
    /// # Errors
    /// [`KafkaErrorKind::GroupInUse`](crate::KafkaErrorKind::GroupInUse) when the group has members: nothing is written then, unless the answer to an
    /// earlier try was lost and members came since. Of a partition: it is not there, or this user may not read its topic.
    async fn commit_group(&self, group: &str, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> Result<EachPartition>;

    /// Takes committed offsets of a group away. One that is not there, and a group or a topic that is not there, are no errors.
    ///
    /// # Errors
    /// [`KafkaErrorKind::GroupInUse`](crate::KafkaErrorKind::GroupInUse), of a partition or of the group: members are subscribed to the topic.
    async fn forget_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<EachPartition>;

    /// Sets configs of a topic, or takes them away where the value is `None`: all of them or, on an error, none. Others stay as they are
    /// (IncrementalAlterConfigs, KIP-339). The controller answers before all brokers know: for about a second
    /// [`topic_configs`](ClusterAdministration::topic_configs) may have what was before.
    ///
    /// # Errors
    /// What the brokers refuse: a value, a config that they do not know, what their policy does not allow.
    async fn alter_configs(&self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<()>;

    /// Adds entries to access control lists; one that is there already stays. For each of `acls`, in their order, whether it was taken. Brokers learn of
    /// it after the answer, as of configs.
    ///
    /// # Errors
    /// Of an entry: [`KafkaErrorKind::Unsupported`](crate::KafkaErrorKind::Unsupported) where the cluster has no authorizer, and for words that this
    /// version cannot send (`UNKNOWN`, `USER`, `DELEGATION_TOKEN`, …): nothing is sent of that entry.
    async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>>;

    /// Takes just these entries away; one that is not there is no error. For each of `acls`, in their order. Brokers learn of it after the answer.
    ///
    /// # Errors
    /// As for [`create_acls`](Self::create_acls).
    async fn delete_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>>;

    /// The first offset of each partition whose record has this timestamp or a later one; `None`: there is none. Of a compacted or empty partition,
    /// too. A few requests for all. Records without a timestamp count as older than all others;
    /// markers of transactions count as records.
    ///
    /// # Errors
    /// Of a partition: it is not there, or no leader answers for it.
    async fn offsets_at(&self, partitions: &[TopicPartition], time: Millis) -> Result<EachPartition<Option<i64>>>;
}
