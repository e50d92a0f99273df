//! Queries the cluster, in the order that the numbers of a snapshot rely on.

use std::collections::BTreeMap;

use archive::Result;
use archive::catalog::{BackupCommit, RestoreCommit, Told};
use kafka::{
    Acl, Broker, ClusterAdministration, ClusterDescription, GroupListing, GroupOffsets, Groups, KafkaError, KafkaErrorKind, OffsetRange,
    Right, ScramUser, TopicConfigs, TopicFacts, TopicPartition,
};
use kernel::clock::Millis;
use kernel::in_full;

use super::{Pace, Scope};
use crate::Backup;
use crate::topics::partitions_of;

/// The result of [`Backup::read_cluster`].
pub(super) struct Answers {
    /// Before the first request about groups.
    pub(super) from: Millis,
    /// After the last one about logs and topics.
    pub(super) until: Millis,
    pub(super) brokers: Told<Vec<Broker>>,
    pub(super) acls: Told<Vec<Acl>>,
    pub(super) users: Told<Vec<ScramUser>>,
    /// Of the topics that the cluster described.
    pub(super) configs: kafka::Result<BTreeMap<String, kafka::Result<TopicConfigs>>>,
    /// Those that should be in the snapshot, according to their names.
    pub(super) groups: Told<BTreeMap<String, GroupListing>>,
    pub(super) offsets: BTreeMap<String, kafka::Result<GroupOffsets>>,
    pub(super) commits: BTreeMap<TopicPartition, BackupCommit>,
    pub(super) ranges: BTreeMap<TopicPartition, kafka::Result<OffsetRange>>,
    /// The topics after the offsets were read.
    pub(super) topics: BTreeMap<String, kafka::Result<TopicFacts>>,
    /// The groups' offsets, read again.
    pub(super) offsets_again: BTreeMap<String, kafka::Result<GroupOffsets>>,
}

impl Backup {
    /// # Errors
    /// An error of commits, logs and topics, without which there is no snapshot. Other missing
    /// parts are recorded in the result.
    pub(super) async fn read_cluster(
        &self,
        administration: &dyn ClusterAdministration,
        pace: &Pace<'_>,
        scope: Scope<'_>,
    ) -> Result<Answers> {
        let names: Vec<String> = scope.topics.keys().cloned().collect();
        let of_the_cluster = async {
            let cluster = administration.cluster().await;
            let known = cluster.as_ref().ok();
            let (acls, users) = futures::join!(administration.acls(known), administration.users(known));
            (cluster, acls, users)
        };
        let ((cluster, acls, users), configs) = futures::join!(of_the_cluster, administration.topic_configs(&names));
        pace.check()?;

        let from = self.clock.now();
        let listed = administration.groups().await;
        // Permissions can change meanwhile: a user with them before and after saw everything.
        let sees_all = may_see_all(&cluster).zip(may_see_all(&administration.cluster().await)).map(|(before, after)| before && after);
        let groups = self.groups_to_ask(listed, sees_all);
        let asked: Vec<String> = groups.known().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let offsets = administration.group_offsets(&asked).await?;
        pace.check()?;

        let partitions = partitions_of(scope.topics);
        let committed = self.source.committed(&partitions).await?;
        let commits = self.our_commits(committed, scope.topics, scope.cluster).of;
        let ranges = self.source.offsets(&partitions).await?;
        let topics = self.source.describe(&names).await?;
        if self.source.cluster_id().as_deref() != scope.cluster {
            let what = "another cluster responds under these addresses now; the next invocation checks again";
            return Err(KafkaError::new(KafkaErrorKind::Unavailable, "the snapshot of the cluster", what).into());
        }
        let until = self.clock.now();
        pace.check()?;

        let offsets_again = administration.group_offsets(&asked).await?;
        Ok(Answers {
            from,
            until,
            brokers: told(cluster.map(|cluster| cluster.brokers)),
            acls: told(acls),
            users: told(users),
            configs,
            groups,
            offsets,
            commits,
            ranges,
            topics,
            offsets_again,
        })
    }

    /// Those of CONSUMER_GROUPS, without the one that stores the progress of this backup, and
    /// without those of restores: a restore's group has no commits while its first transaction is
    /// open.
    fn groups_to_ask(&self, listed: kafka::Result<Groups>, sees_all: Option<bool>) -> Told<BTreeMap<String, GroupListing>> {
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => return Told::Absent(in_full(&error)),
        };
        let is_wanted = |name: &str| {
            *name != self.settings.group
                && !name.starts_with(RestoreCommit::GROUPS)
                && self.settings.snapshots.as_ref().is_some_and(|settings| settings.groups.takes_group(name))
        };
        let known = listed.groups.into_iter().filter(|(name, _)| is_wanted(name)).collect();
        let mut why = listed.missing;
        why.extend(why_groups_are_hidden(sees_all).map(str::to_owned));
        if why.is_empty() { Told::All(known) } else { Told::Partial { known, why: why.join("; ") } }
    }
}

/// The message if the cluster may omit groups, given the result of [`may_see_all`].
pub(crate) fn why_groups_are_hidden(sees_all: Option<bool>) -> Option<&'static str> {
    match sees_all {
        Some(true) => None,
        Some(false) => Some(
            "a cluster silently omits those that this user may not describe; with the permission Describe on the \
             cluster it shows all",
        ),
        None => Some("this cluster does not report whether it shows all of them to this user"),
    }
}

/// Whether the cluster omits no group; `None`: unknown.
pub(crate) fn may_see_all(cluster: &kafka::Result<ClusterDescription>) -> Option<bool> {
    cluster.as_ref().ok()?.rights.as_ref().map(|rights| rights.contains(&Right::Describe))
}

fn told<T>(answer: kafka::Result<T>) -> Told<T> {
    answer.map_or_else(|error| Told::Absent(in_full(&error)), Told::All)
}
