//! Administration requests, for source and target.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::errors::{self, Doing};
use super::native::{Code, Failure, Listed};
use super::source::RdKafkaSource;
use super::target::RdKafkaTarget;
use super::tries::Asker;
use super::waiting::watched;
use super::{configs, group_offsets, loaded};
use crate::{
    Acl, Broker, ClusterAdministration, ClusterDescription, GroupListing, GroupOffsets, Groups, KafkaError, KafkaErrorKind, NO_AUTHORIZER,
    Result, Right, ScramUser, TopicConfigs,
};

/// Time limit of the search for groups of other kinds.
const OTHERS: Duration = Duration::from_secs(10);

/// The broker config that names the authorizer; empty without one.
const AUTHORIZER: &str = "authorizer.class.name";

/// librdkafka's ListConsumerGroups omits groups of Streams, shares and Connect. An older request
/// finds them. Those that are not classic have the state and kind `Unknown`, as do states of new
/// kinds that librdkafka does not know.
///
/// All of these leave out the groups of a coordinator that moves, without an error. So all
/// coordinators are asked between two lists ([`loaded`]): a group that the first list lacks is in
/// the second one.
///
/// [`groups`](ClusterAdministration::groups) and
/// [`group_offsets`](ClusterAdministration::group_offsets) require an asker with a group.
///
/// Entries for resources and operations that librdkafka does not know (users and delegation tokens)
/// have the words `UNKNOWN`.
#[async_trait]
impl ClusterAdministration for Asker {
    async fn cluster(&self) -> Result<ClusterDescription> {
        describe(self).await
    }

    async fn groups(&self) -> Result<Groups> {
        let mut before = list_consumer_groups(self).await?.groups;
        let moving = loaded::why_groups_may_be_missing(self).await;
        let mut is_last = false;
        loop {
            let Listed { groups, failures } = list_consumer_groups(self).await?;
            let mut groups: BTreeMap<_, _> = std::mem::take(&mut before).into_iter().chain(groups).collect();
            let mut missing: Vec<String> = failures.into_iter().map(|failure| failure.text).chain(moving.clone()).collect();
            match all_groups(self, &groups).await {
                Ok(others) => groups.extend(others),
                // A group may have been deleted between the lists.
                Err(_) if missing.is_empty() && !is_last => {
                    is_last = true;
                    continue;
                }
                Err(failure) => missing.push(format!("could not look for Streams groups and share groups: {}", failure.text)),
            }
            return Ok(Groups { groups, missing });
        }
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        Ok(group_offsets::read(self, groups).await)
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        configs::of_topics(self, topics).await
    }

    async fn acls(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        let subject = "the cluster's access control lists";
        let cluster = allowed(self, cluster, subject, Doing::DescribeAcls).await?;
        let mut tries = self.tries(subject, Doing::DescribeAcls);
        let acls = loop {
            match tries.handle().acls(tries.limit()).await {
                Ok(acls) => break acls,
                Err(failure) => tries.again(failure).await?,
            }
        };
        if !acls.is_empty() {
            return Ok(acls);
        }
        // An empty list: librdkafka returns the same for a refusal, and for a cluster without an
        // authorizer.
        let what = match has_authorizer(self, cluster.brokers.first()).await? {
            Some(false) => format!("{NO_AUTHORIZER} ({AUTHORIZER}), so there are none"),
            Some(true) if cluster.rights.is_some() => return Ok(Vec::new()),
            _ => format!(
                "the cluster returns none, and reports neither whether this user may read them nor its {AUTHORIZER}, so \
                 this can be a refusal"
            ),
        };
        Err(KafkaError::new(KafkaErrorKind::Unsupported, subject, what))
    }

    async fn users(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        let subject = "the cluster's SCRAM users";
        allowed(self, cluster, subject, Doing::DescribeUsers).await?;
        let mut tries = self.tries(subject, Doing::DescribeUsers);
        loop {
            let (handle, limit, start) = (tries.handle(), tries.limit(), Instant::now());
            let asked = Arc::clone(&handle);
            match watched(&handle, || handle.observer().hopeless(start), move || asked.scram_users(limit)).await {
                Ok(users) => return Ok(users),
                Err(failure) => tries.again(failure).await?,
            }
        }
    }
}

#[async_trait]
impl ClusterAdministration for RdKafkaSource {
    async fn cluster(&self) -> Result<ClusterDescription> {
        self.asker.cluster().await
    }

    async fn groups(&self) -> Result<Groups> {
        self.asker.groups().await
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        self.asker.group_offsets(groups).await
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        self.asker.topic_configs(topics).await
    }

    async fn acls(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        self.asker.acls(cluster).await
    }

    async fn users(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        self.asker.users(cluster).await
    }
}

#[async_trait]
impl ClusterAdministration for RdKafkaTarget {
    async fn cluster(&self) -> Result<ClusterDescription> {
        self.asker.cluster().await
    }

    async fn groups(&self) -> Result<Groups> {
        self.about_groups()?.groups().await
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        self.about_groups()?.group_offsets(groups).await
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        let mut found = self.asker.topic_configs(topics).await?;
        configs::add_inherited(&self.asker, &mut found).await?;
        Ok(found)
    }

    async fn acls(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        self.asker.acls(cluster).await
    }

    async fn users(&self, cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        self.asker.users(cluster).await
    }
}

/// DescribeCluster; without this user's permissions if the brokers do not support them.
async fn describe(asker: &Asker) -> Result<ClusterDescription> {
    let mut tries = asker.tries("the cluster", Doing::DescribeCluster);
    let mut with_rights = true;
    loop {
        match tries.handle().describe_cluster(with_rights, tries.limit()).await {
            Ok(cluster) => return Ok(cluster),
            Err(failure) if with_rights && errors::kind(&failure) == KafkaErrorKind::Unsupported => with_rights = false,
            Err(failure) => tries.again(failure).await?,
        }
    }
}

/// The cluster, if this user may describe it, or if the cluster does not report that.
///
/// # Errors
/// [`KafkaErrorKind::Denied`].
async fn allowed<'c>(
    asker: &Asker,
    known: Option<&'c ClusterDescription>,
    subject: &str,
    doing: Doing,
) -> Result<Cow<'c, ClusterDescription>> {
    let cluster = match known {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(describe(asker).await?),
    };
    match &cluster.rights {
        Some(rights) if !rights.contains(&Right::Describe) => {
            Err(asker.errors().error(subject, doing, Code::CLUSTER_AUTHORIZATION_FAILED.into(), None))
        }
        _ => Ok(cluster),
    }
}

/// ListConsumerGroups. Transient errors are retried; then the groups of the brokers that responded
/// are returned.
///
/// # Errors
/// No broker reports a group, and not all of them respond.
async fn list_consumer_groups(asker: &Asker) -> Result<Listed> {
    let mut tries = asker.tries("all consumer groups", Doing::ListGroups);
    let mut groups = BTreeMap::new();
    loop {
        let failures = match tries.handle().list_consumer_groups(tries.limit()).await {
            Ok(listed) => {
                groups.extend(listed.groups);
                listed.failures
            }
            Err(failure) => vec![failure],
        };
        let Some(first) = failures.iter().find(|failure| errors::is_transient(failure.code)).or(failures.first()).cloned() else {
            return Ok(Listed { groups, failures });
        };
        match tries.again(first).await {
            Ok(()) => {}
            Err(error) if groups.is_empty() => return Err(error),
            Err(_) => return Ok(Listed { groups, failures }),
        }
    }
}

/// All groups of any kind, without those that are `known`. A list that lacks one of these is
/// incomplete.
async fn all_groups(asker: &Asker, known: &BTreeMap<String, GroupListing>) -> Result<BTreeMap<String, GroupListing>, Failure> {
    let (handle, limit, start) = (asker.handle(), asker.limit().min(OTHERS), Instant::now());
    let asked = Arc::clone(&handle);
    let call = move || {
        let (groups, outcome) = asked.list_all_groups(limit);
        outcome.map(|()| groups)
    };
    let mut groups = watched(&handle, || handle.observer().hopeless(start), call).await?;
    if let Some(group) = known.keys().find(|group| !groups.contains_key(*group)) {
        return Err(Failure::new(Code::FAIL, format!("the list of all groups lacks {group}")));
    }
    groups.retain(|group, _| !known.contains_key(group));
    Ok(groups)
}

/// Whether the cluster has an authorizer, as one of its brokers reports. `None` if it does not.
async fn has_authorizer(asker: &Asker, broker: Option<&Broker>) -> Result<Option<bool>> {
    let Some(broker) = broker else { return Ok(None) };
    let mut tries = asker.tries(format!("broker {}", broker.id), Doing::DescribeConfigs);
    loop {
        match tries.handle().describe_broker_configs(broker.id, tries.limit()).await {
            Ok(entries) => return Ok(entries.iter().find(|entry| entry.name == AUTHORIZER).map(|entry| !entry.value.is_empty())),
            Err(failure) => match errors::kind(&failure) {
                // Only an authorizer can refuse.
                KafkaErrorKind::Denied => return Ok(Some(true)),
                KafkaErrorKind::Unsupported => return Ok(None),
                _ => tries.again(failure).await?,
            },
        }
    }
}
