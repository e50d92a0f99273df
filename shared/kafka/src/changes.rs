//! What can be changed in a cluster in addition to records: offsets of groups, configs, access
//! control lists.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kernel::clock::Millis;

use crate::{Acl, ClusterAdministration, CommittedOffset, Result, TopicPartition};

/// The result for each partition of a request.
pub type EachPartition<T = ()> = BTreeMap<TopicPartition, Result<T>>;

/// Changes a cluster, one thing at a time. Every method is idempotent: it sets a state, and adds
/// nothing. Callers may run several at the same time.
///
/// After an error of a whole call, it is unknown whether the change was made, unless the error says
/// otherwise: the response may be lost.
#[async_trait]
pub trait ClusterChanges: ClusterAdministration {
    /// Commits these offsets, with their metadata and without a leader epoch, for a group without
    /// members; creates the group if necessary. Waits for a coordinator as reading does. One
    /// request, or a few if the metadata are large.
    ///
    /// # Errors
    /// [`KafkaErrorKind::GroupInUse`](crate::KafkaErrorKind::GroupInUse) if the group has members.
    /// Nothing is written then, unless the response to an earlier try was lost and members joined
    /// since. Per partition: it does not exist, or this user may not read its topic.
    async fn commit_group(&self, group: &str, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> Result<EachPartition>;

    /// Deletes committed offsets of a group. An offset, group or topic that does not exist is no
    /// error.
    ///
    /// # Errors
    /// [`KafkaErrorKind::GroupInUse`](crate::KafkaErrorKind::GroupInUse), of a partition or of the
    /// group: members are subscribed to the topic.
    async fn forget_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<EachPartition>;

    /// Sets configs of a topic, or deletes those whose value is `None`: all of them or, on an
    /// error, none. Others do not change (IncrementalAlterConfigs, KIP-339). The controller
    /// responds before all brokers know: for about a second
    /// [`topic_configs`](ClusterAdministration::topic_configs) may return the old values.
    ///
    /// # Errors
    /// What the brokers refuse: an invalid value, an unknown config, or a violation of their
    /// policy.
    async fn alter_configs(&self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<()>;

    /// Creates access control entries; an existing one stays. Returns the result for each of
    /// `acls`, in order. As with configs, brokers learn of it after the response.
    ///
    /// # Errors
    /// Per entry: [`KafkaErrorKind::Unsupported`](crate::KafkaErrorKind::Unsupported) if the
    /// cluster has no authorizer, and for words that this version cannot send (`UNKNOWN`, `USER`,
    /// `DELEGATION_TOKEN`, …). Such an entry is not sent.
    async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>>;

    /// Deletes exactly these entries; one that does not exist is no error. Returns the result for
    /// each of `acls`, in order. Brokers learn of it after the response.
    ///
    /// # Errors
    /// As for [`create_acls`](Self::create_acls).
    async fn delete_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>>;

    /// The first offset of each partition whose record has this timestamp or a later one; `None` if
    /// there is none. Works for compacted and empty partitions too. A few requests in total.
    /// Records without a timestamp count as older than all others; transaction markers count as
    /// records.
    ///
    /// # Errors
    /// Per partition: it does not exist, or no leader responds for it.
    async fn offsets_at(&self, partitions: &[TopicPartition], time: Millis) -> Result<EachPartition<Option<i64>>>;
}
