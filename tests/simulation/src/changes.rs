//! What `finish` changes in the target cluster: offsets of groups, configs, access control lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use kafka::{
    Acl, Broker, ClusterAdministration, ClusterChanges, ClusterDescription, CommittedOffset, EachPartition, GroupListing, GroupOffset,
    GroupOffsets, Groups, KafkaError, KafkaErrorKind, Result, Right, ScramUser, TopicConfigs, TopicPartition,
};
use kernel::clock::Millis;

use super::chaos::{Area, Chaos, Fate, Request};
use super::source::unavailable;
use super::target::CLUSTER;
use super::world::{Entry, State, World, offset, time_of};

/// The configs that the brokers know, with the values of topics that have none of their own.
const DEFAULTS: [(&str, &str); 10] = [
    ("cleanup.policy", "delete"),
    ("compression.type", "producer"),
    ("flush.ms", "9"),
    ("max.message.bytes", "1048588"),
    ("message.timestamp.after.max.ms", "3600000"),
    ("message.timestamp.before.max.ms", "9223372036854775807"),
    ("message.timestamp.type", "CreateTime"),
    ("retention.bytes", "-1"),
    ("retention.ms", "604800000"),
    ("segment.ms", "604800000"),
];

/// The target, as its administrator sees it. Source and target share a world. State without a topic
/// of the target is ignored here.
#[derive(Debug)]
pub(crate) struct SimChanges {
    pub(crate) world: World,
    pub(crate) chaos: Arc<Chaos>,
}

impl SimChanges {
    /// A request that only reads.
    async fn ask<T>(&self, name: &str, what: impl FnOnce(&State) -> T) -> Result<T> {
        let fate = self.chaos.request(Request::read(Area::Target, name)).await;
        let answer = what(&self.world.lock());
        self.chaos.answered().await;
        if fate == Fate::Answered { Ok(answer) } else { Err(unavailable("no answer")) }
    }

    /// A request that changes something. If the answer is lost, it is unknown whether it did.
    async fn change<T>(&self, name: &str, what: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let fate = self.chaos.request(Request::write(Area::Target, name)).await;
        if fate == Fate::Lost {
            return Err(unavailable("no answer"));
        }
        let answer = what(&mut self.world.lock());
        self.chaos.answered().await;
        if fate == Fate::Answered { answer } else { Err(unavailable("the answer was lost")) }
    }

    fn offsets_of(&self, group: &str, state: &State) -> GroupOffsets {
        let of_group = state.groups.iter().filter(|((of, _), _)| of == group);
        let one = |((_, at), committed): (&(String, TopicPartition), &CommittedOffset)| {
            let CommittedOffset { next, metadata } = committed.clone();
            let offset = GroupOffset { offset: next, metadata, pending: false };
            (at.clone(), if self.chaos.is_late() { Err(unavailable("the coordinator moves")) } else { Ok(offset) })
        };
        of_group.map(one).collect()
    }

    /// For about a second a broker returns the previous state.
    fn configs_of(&self, topic: &str, state: &State) -> TopicConfigs {
        let late = state.around.configs_before.get(topic).filter(|_| self.chaos.is_late());
        let own = late.or_else(|| state.around.configs.get(topic)).cloned().unwrap_or_default();
        let defaults = || DEFAULTS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let inherited = defaults().filter(|(name, _)| own.contains_key(name)).collect();
        TopicConfigs { effective: defaults().chain(own.clone()).collect(), inherited, own }
    }
}

/// Refuses to change the offsets of a group with members.
fn without_members(state: &State, group: &str) -> Result<()> {
    if state.around.members.contains(group) {
        return Err(KafkaError::new(KafkaErrorKind::GroupInUse, group, "it has members"));
    }
    Ok(())
}

fn missing(at: &TopicPartition) -> KafkaError {
    KafkaError::new(KafkaErrorKind::UnknownTopic, at.to_string(), "it is not there")
}

#[async_trait]
impl ClusterAdministration for SimChanges {
    async fn cluster(&self) -> Result<ClusterDescription> {
        let broker = Broker { id: 1, host: "simulation".to_owned(), port: 9092, rack: None };
        self.ask("cluster", |_| ClusterDescription {
            id: Some(CLUSTER.to_owned()),
            brokers: vec![broker],
            rights: Some([Right::Describe].into()),
        })
        .await
    }

    async fn groups(&self) -> Result<Groups> {
        self.ask("groups", |state| {
            let listing = |group: String| {
                let listed = if state.around.members.contains(&group) { "Stable" } else { "Empty" };
                (group, GroupListing { state: listed.to_owned(), kind: "Classic".to_owned(), is_simple: false })
            };
            let names = state.group_names().into_iter().chain(state.around.members.clone());
            let mut found = Groups { groups: names.map(listing).collect(), missing: Vec::new() };
            if self.chaos.is_late() {
                found.groups.retain(|name, _| name.len() % 2 == 0);
                found.missing.push("broker 2 did not answer".to_owned());
            }
            found
        })
        .await
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        let mut found = BTreeMap::new();
        for group in groups {
            found.insert(group.clone(), self.ask(group, |state| self.offsets_of(group, state)).await);
        }
        Ok(found)
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        self.ask("configs", |state| {
            let there = topics.iter().filter(|name| state.topics.contains_key(*name));
            there.map(|name| (name.clone(), Ok(self.configs_of(name, state)))).collect()
        })
        .await
    }

    async fn acls(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        self.ask("acls", |state| state.around.target_acls.iter().cloned().collect()).await
    }

    async fn users(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        self.ask("users", |_| Vec::new()).await
    }
}

#[async_trait]
impl ClusterChanges for SimChanges {
    async fn commit_group(&self, group: &str, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> Result<EachPartition> {
        self.change(group, |state| {
            without_members(state, group)?;
            let mut each = EachPartition::new();
            for (at, offset) in offsets {
                let is_there = state.log(at).is_some();
                if is_there {
                    state.commit((group.to_owned(), at.clone()), offset.clone());
                }
                each.insert(at.clone(), if is_there { Ok(()) } else { Err(missing(at)) });
            }
            Ok(each)
        })
        .await
    }

    async fn forget_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<EachPartition> {
        self.change(group, |state| {
            without_members(state, group)?;
            state.groups.retain(|(of, at), _| of != group || !partitions.contains(at));
            Ok(partitions.iter().map(|at| (at.clone(), Ok(()))).collect())
        })
        .await
    }

    async fn alter_configs(&self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<()> {
        self.change(topic, |state| {
            if let Some(name) = changes.keys().find(|name| DEFAULTS.iter().all(|(known, _)| known != name)) {
                return Err(KafkaError::new(KafkaErrorKind::InvalidConfig, topic, format!("{name} is not known")));
            }
            if !state.topics.contains_key(topic) {
                return Err(KafkaError::new(KafkaErrorKind::UnknownTopic, topic, "it is not there"));
            }
            let own = state.around.configs.entry(topic.to_owned()).or_default();
            state.around.configs_before.insert(topic.to_owned(), own.clone());
            for (name, value) in changes {
                match value {
                    Some(value) => _ = own.insert(name.clone(), value.clone()),
                    None => _ = own.remove(name),
                }
            }
            Ok(())
        })
        .await
    }

    async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        self.change("acls", |state| {
            state.around.target_acls.extend(acls.iter().cloned());
            Ok(acls.iter().map(|_| Ok(())).collect())
        })
        .await
    }

    async fn delete_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        self.change("acls", |state| {
            state.around.target_acls.retain(|acl| !acls.contains(acl));
            Ok(acls.iter().map(|_| Ok(())).collect())
        })
        .await
    }

    async fn offsets_at(&self, partitions: &[TopicPartition], time: Millis) -> Result<EachPartition<Option<i64>>> {
        self.ask("offsets", |state| {
            let first = |at: &TopicPartition| {
                let number = usize::try_from(at.partition).unwrap_or(usize::MAX);
                let log = state.topics.get(&at.topic).and_then(|topic| topic.logs.get(number)).ok_or_else(|| missing(at))?;
                let is_young = |entry: &Entry| matches!(entry, Entry::Record(value) if time_of(*value) >= time);
                Ok(log.entries.iter().position(is_young).map(offset))
            };
            partitions.iter().map(|at| (at.clone(), first(at))).collect()
        })
        .await
    }
}
