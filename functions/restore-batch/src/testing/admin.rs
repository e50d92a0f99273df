//! Groups, configs and access control lists of a cluster in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kafka::{
    Acl, ClusterAdministration, ClusterChanges, ClusterDescription, CommittedOffset, EachPartition, GroupListing, GroupOffset,
    GroupOffsets, Groups, KafkaError, KafkaErrorKind, Result, Right, ScramUser, TopicConfigs, TopicPartition,
};
use kernel::clock::Millis;

/// A cluster without records. Its content is in [`State`], which tests read and change.
#[derive(Debug, Default)]
pub(crate) struct FakeAdmin {
    state: Mutex<State>,
}

/// The content of the cluster, its failures, and the requests.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) groups: BTreeMap<String, FakeGroup>,
    pub(crate) topics: BTreeMap<String, FakeTopic>,
    /// The config keys that the brokers know, with the values of topics without their own.
    pub(crate) defaults: BTreeMap<String, String>,
    /// Config keys whose values the brokers do not report to this user where a topic has its own.
    pub(crate) hidden: BTreeSet<String>,
    /// Config keys that a policy of the cluster refuses to set. It refuses the whole call.
    pub(crate) refused: BTreeSet<String>,
    pub(crate) acls: BTreeSet<Acl>,
    /// Principals for which the cluster accepts no entry.
    pub(crate) foreign: BTreeSet<String>,
    pub(crate) users: Vec<ScramUser>,
    pub(crate) description: ClusterDescription,
    pub(crate) faults: Vec<Fault>,
    /// Calls by method, and all changes under [`CHANGES`].
    pub(crate) calls: BTreeMap<&'static str, usize>,
}

/// Counts calls of every method that changes something.
pub(crate) const CHANGES: &str = "changes";

/// A group; it is in use unless its state is `Empty`.
#[derive(Debug, Clone)]
pub(crate) struct FakeGroup {
    pub(crate) listing: GroupListing,
    pub(crate) offsets: BTreeMap<TopicPartition, CommittedOffset>,
}

/// A topic: the timestamps of its records by partition, from offset 0 on, and its own configs.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeTopic {
    pub(crate) partitions: Vec<Vec<Millis>>,
    pub(crate) own: BTreeMap<String, String>,
}

/// A call that fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// The method's name, or [`CHANGES`].
    pub(crate) of: &'static str,
    /// Which of its calls, from 1.
    pub(crate) nth: usize,
    pub(crate) kind: KafkaErrorKind,
    /// The cluster executed the request; only its response is lost.
    pub(crate) is_done: bool,
}

impl Default for State {
    fn default() -> Self {
        let defaults = [("cleanup.policy", "delete"), ("min.insync.replicas", "1"), ("retention.ms", "604800000")];
        Self {
            groups: BTreeMap::new(),
            topics: BTreeMap::new(),
            defaults: defaults.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            hidden: BTreeSet::new(),
            refused: BTreeSet::new(),
            acls: BTreeSet::new(),
            foreign: BTreeSet::new(),
            users: Vec::new(),
            description: ClusterDescription { id: Some("memory".to_owned()), brokers: Vec::new(), rights: Some([Right::Describe].into()) },
            faults: Vec::new(),
            calls: BTreeMap::new(),
        }
    }
}

impl Default for FakeGroup {
    fn default() -> Self {
        Self::in_state("Empty")
    }
}

impl FakeGroup {
    /// A group without offsets.
    pub(crate) fn in_state(state: &str) -> Self {
        let listing = GroupListing { state: state.to_owned(), kind: "Classic".to_owned(), is_simple: false };
        Self { listing, offsets: BTreeMap::new() }
    }
}

impl FakeTopic {
    /// A topic with this many empty partitions.
    pub(crate) fn empty(partitions: usize) -> Self {
        Self { partitions: vec![Vec::new(); partitions], own: BTreeMap::new() }
    }
}

impl State {
    fn has(&self, partition: &TopicPartition) -> bool {
        self.records(partition).is_some()
    }

    fn records(&self, partition: &TopicPartition) -> Option<&Vec<Millis>> {
        self.topics.get(&partition.topic)?.partitions.get(usize::try_from(partition.partition).ok()?)
    }

    fn configs(&self, topic: &FakeTopic) -> TopicConfigs {
        let own = topic.own.clone();
        let mut effective = self.defaults.clone();
        effective.extend(own.clone());
        let inherited = self.defaults.iter().filter(|(name, _)| own.contains_key(*name) && !self.hidden.contains(*name));
        TopicConfigs { inherited: inherited.map(|(name, value)| (name.clone(), value.clone())).collect(), own, effective }
    }

    /// The group, for changes.
    fn unused(&mut self, group: &str) -> Result<Option<&mut FakeGroup>> {
        match self.groups.get_mut(group) {
            Some(found) if found.listing.state != "Empty" => Err(error(KafkaErrorKind::GroupInUse, group)),
            found => Ok(found),
        }
    }

    fn alter(&mut self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<()> {
        let is_refused =
            |(name, value): (&String, &Option<String>)| !self.defaults.contains_key(name) || value.is_some() && self.refused.contains(name);
        if let Some((name, _)) = changes.iter().find(|change| is_refused(*change)) {
            return Err(error(KafkaErrorKind::InvalidConfig, &format!("{topic} {name}")));
        }
        let Some(topic) = self.topics.get_mut(topic) else { return Err(error(KafkaErrorKind::UnknownTopic, topic)) };
        for (name, value) in changes {
            match value {
                Some(value) => _ = topic.own.insert(name.clone(), value.clone()),
                None => _ = topic.own.remove(name),
            }
        }
        Ok(())
    }

    /// Counts a call. Returns its fault, if there is one.
    fn count(&mut self, names: &[&'static str]) -> Option<Fault> {
        let mut met = None;
        for name in names {
            let nth = self.calls.entry(name).or_default();
            *nth += 1;
            let nth = *nth;
            met = met.or(self.faults.iter().find(|fault| fault.of == *name && fault.nth == nth).copied());
        }
        met
    }
}

fn error(kind: KafkaErrorKind, subject: &str) -> KafkaError {
    KafkaError::new(kind, subject, "refused by the cluster in memory")
}

impl FakeAdmin {
    /// The current content of the cluster.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<T>(&self, names: &[&'static str], what: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        match state.count(names) {
            None => what(&mut state),
            Some(fault) => {
                if fault.is_done {
                    what(&mut state)?;
                }
                Err(error(fault.kind, names[0]))
            }
        }
    }
}

#[async_trait]
impl ClusterAdministration for FakeAdmin {
    async fn cluster(&self) -> Result<ClusterDescription> {
        self.call(&["cluster"], |state| Ok(state.description.clone()))
    }

    async fn groups(&self) -> Result<Groups> {
        let listing = |(name, group): (&String, &FakeGroup)| (name.clone(), group.listing.clone());
        self.call(&["groups"], |state| Ok(Groups { groups: state.groups.iter().map(listing).collect(), missing: Vec::new() }))
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        let offset = |(partition, committed): (&TopicPartition, &CommittedOffset)| {
            let CommittedOffset { next, metadata } = committed.clone();
            (partition.clone(), Ok(GroupOffset { offset: next, metadata, pending: false }))
        };
        self.call(&["group_offsets"], |state| {
            let of = |name: &String| state.groups.get(name).map_or_else(BTreeMap::new, |group| group.offsets.iter().map(offset).collect());
            Ok(groups.iter().map(|name| (name.clone(), Ok(of(name)))).collect())
        })
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        self.call(&["topic_configs"], |state| {
            let of = |name: &String| Some((name.clone(), Ok(state.configs(state.topics.get(name)?))));
            Ok(topics.iter().filter_map(of).collect())
        })
    }

    async fn acls(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        self.call(&["acls"], |state| Ok(state.acls.iter().cloned().collect()))
    }

    async fn users(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        self.call(&["users"], |state| Ok(state.users.clone()))
    }
}

#[async_trait]
impl ClusterChanges for FakeAdmin {
    async fn commit_group(&self, group: &str, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> Result<EachPartition> {
        self.call(&["commit_group", CHANGES], |state| {
            state.unused(group)?;
            let (there, missing): (Vec<_>, Vec<_>) = offsets.iter().partition(|(partition, _)| state.has(partition));
            if !there.is_empty() {
                let committed = there.iter().map(|(partition, offset)| ((*partition).clone(), (*offset).clone()));
                state.groups.entry(group.to_owned()).or_default().offsets.extend(committed);
            }
            let there = there.into_iter().map(|(partition, _)| (partition.clone(), Ok(())));
            let missing = missing.into_iter().map(|(partition, _)| {
                let missing = error(KafkaErrorKind::UnknownTopic, &partition.to_string());
                (partition.clone(), Err(missing))
            });
            Ok(there.chain(missing).collect())
        })
    }

    async fn forget_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<EachPartition> {
        self.call(&["forget_offsets", CHANGES], |state| {
            if let Some(group) = state.unused(group)? {
                group.offsets.retain(|partition, _| !partitions.contains(partition));
            }
            Ok(partitions.iter().map(|partition| (partition.clone(), Ok(()))).collect())
        })
    }

    async fn alter_configs(&self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<()> {
        self.call(&["alter_configs", CHANGES], |state| state.alter(topic, changes))
    }

    async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        self.call(&["create_acls", CHANGES], |state| {
            let mut create = |acl: &Acl| match state.foreign.contains(&acl.principal) {
                true => Err(error(KafkaErrorKind::Other, &acl.principal)),
                false => {
                    state.acls.insert(acl.clone());
                    Ok(())
                }
            };
            Ok(acls.iter().map(&mut create).collect())
        })
    }

    async fn delete_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        self.call(&["delete_acls", CHANGES], |state| {
            state.acls.retain(|acl| !acls.contains(acl));
            Ok(acls.iter().map(|_| Ok(())).collect())
        })
    }

    async fn offsets_at(&self, partitions: &[TopicPartition], time: Millis) -> Result<EachPartition<Option<i64>>> {
        self.call(&["offsets_at"], |state| {
            let first = |partition: &TopicPartition| {
                let records = state.records(partition).ok_or_else(|| error(KafkaErrorKind::UnknownTopic, &partition.to_string()))?;
                Ok(records.iter().zip(0..).find(|(timestamp, _)| **timestamp >= time).map(|(_, offset)| offset))
            };
            Ok(partitions.iter().map(|partition| (partition.clone(), first(partition))).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next: i64) -> CommittedOffset {
        CommittedOffset { next, metadata: "m".to_owned() }
    }

    fn orders() -> FakeAdmin {
        let admin = FakeAdmin::default();
        admin.state().topics.insert("orders".to_owned(), FakeTopic { partitions: vec![vec![10, 20]], ..FakeTopic::empty(0) });
        admin
    }

    #[tokio::test]
    async fn groups_are_made_changed_and_refused_while_they_have_members() {
        let admin = orders();
        admin.state().groups.insert("live".to_owned(), FakeGroup::in_state("Stable"));
        let [there, missing] = [TopicPartition::new("orders", 0), TopicPartition::new("orders", 1)];
        let offsets = BTreeMap::from([(there.clone(), at(1)), (missing.clone(), at(2))]);
        assert_eq!(admin.commit_group("live", &offsets).await.unwrap_err().kind, KafkaErrorKind::GroupInUse);
        let each = admin.commit_group("new", &offsets).await.unwrap();
        assert!(each[&there].is_ok() && each[&missing].as_ref().is_err_and(|error| error.kind == KafkaErrorKind::UnknownTopic));
        let read = admin.group_offsets(&["new".to_owned()]).await.unwrap().remove("new").unwrap().unwrap();
        assert_eq!(read[&there].as_ref().unwrap().offset, 1);
        admin.forget_offsets("new", std::slice::from_ref(&there)).await.unwrap();
        assert!(admin.state().groups["new"].offsets.is_empty());
        assert_eq!(admin.groups().await.unwrap().groups.len(), 2);
        assert_eq!(admin.offsets_at(std::slice::from_ref(&there), 11).await.unwrap()[&there].as_ref().unwrap(), &Some(1));
        assert_eq!(admin.state().calls[CHANGES], 3);
    }

    #[tokio::test]
    async fn a_config_that_is_refused_leaves_all_as_it_was() {
        let admin = orders();
        admin.state().refused.insert("retention.ms".to_owned());
        let change = |changes: &[(&str, Option<&str>)]| -> BTreeMap<String, Option<String>> {
            changes.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
        };
        for refused in ["retention.ms", "nobody.knows"] {
            let error = admin.alter_configs("orders", &change(&[("cleanup.policy", Some("compact")), (refused, Some("1"))])).await;
            assert_eq!(error.unwrap_err().kind, KafkaErrorKind::InvalidConfig);
        }
        assert!(admin.state().topics["orders"].own.is_empty());
        admin.alter_configs("orders", &change(&[("cleanup.policy", Some("compact")), ("retention.ms", None)])).await.unwrap();
        let configs = admin.topic_configs(&["orders".to_owned()]).await.unwrap().remove("orders").unwrap().unwrap();
        assert_eq!((configs.effective["cleanup.policy"].as_str(), configs.inherited["cleanup.policy"].as_str()), ("compact", "delete"));
    }

    #[tokio::test]
    async fn an_answer_that_is_lost_leaves_the_change() {
        let admin = orders();
        admin.state().foreign.insert("User:foreign".to_owned());
        let acl = |principal: &str| {
            let [resource, name, pattern] = ["TOPIC", "orders", "LITERAL"].map(str::to_owned);
            let [host, operation, permission] = ["*", "READ", "ALLOW"].map(str::to_owned);
            Acl { resource, name, pattern, principal: principal.to_owned(), host, operation, permission }
        };
        let lost = Fault { of: CHANGES, nth: 1, kind: KafkaErrorKind::Unavailable, is_done: true };
        admin.state().faults = vec![lost, Fault { of: "acls", nth: 2, is_done: false, ..lost }];
        let both = [acl("User:alice"), acl("User:foreign")];
        assert_eq!(admin.create_acls(&both).await.unwrap_err().kind, KafkaErrorKind::Unavailable);
        assert_eq!(admin.acls(None).await.unwrap(), both[..1]);
        assert!(admin.acls(None).await.is_err());
        let again = admin.create_acls(&both).await.unwrap();
        assert!(again[0].is_ok() && again[1].is_err());
        admin.delete_acls(&both).await.unwrap();
        assert!(admin.state().acls.is_empty() && admin.users(None).await.unwrap().is_empty());
        assert!(admin.cluster().await.unwrap().rights.is_some());
    }
}
