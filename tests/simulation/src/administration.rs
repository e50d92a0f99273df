//! The simulated Kafka except its logs: consumer groups, the rights of the backup's user, and the
//! trait that reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use kafka::{
    Acl, Broker, ClusterAdministration, ClusterDescription, CommittedOffset, GroupListing, GroupOffset, GroupOffsets, Groups, KafkaError,
    KafkaErrorKind, Result, Right, ScramUser, TopicConfigs, TopicPartition,
};

use super::chaos::{Area, Chaos, Fate, Request};
use super::source::unavailable;
use super::world::{State, World};

/// Groups without committed offsets, and what the backup's user may see.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// Groups that have committed nothing.
    pub(crate) idle: BTreeSet<String>,
    /// Offsets that open transactions will commit.
    pub(crate) pending: BTreeMap<(String, TopicPartition), CommittedOffset>,
    /// Topics that the user may not describe.
    pub(crate) hidden: BTreeSet<String>,
    /// The user may not describe the cluster: it sees half of the groups, no users and no access
    /// control lists.
    pub(crate) is_confined: bool,
    /// Configs set on topics.
    pub(crate) configs: BTreeMap<String, BTreeMap<String, String>>,
    /// The same before the last change of a topic, for stale answers.
    pub(crate) configs_before: BTreeMap<String, BTreeMap<String, String>>,
    /// Access control lists of the source cluster.
    pub(crate) acls: BTreeSet<Acl>,
    /// Access control lists of the target cluster.
    pub(crate) target_acls: BTreeSet<Acl>,
    /// Groups that have members in the target cluster.
    pub(crate) members: BTreeSet<String>,
}

impl State {
    /// All groups.
    pub(crate) fn group_names(&self) -> BTreeSet<String> {
        let committed = self.groups.keys().chain(self.around.pending.keys()).map(|(group, _)| group);
        committed.chain(&self.around.idle).cloned().collect()
    }

    /// Those that the backup's user sees.
    fn visible_groups(&self) -> impl Iterator<Item = String> {
        let is_confined = self.around.is_confined;
        self.group_names().into_iter().filter(move |group| !is_confined || is_even(group))
    }
}

/// One half of all names.
fn is_even(name: &str) -> bool {
    name.bytes().last().is_some_and(|last| last % 2 == 0)
}

#[derive(Debug)]
pub(crate) struct SimAdministration {
    pub(crate) world: World,
    pub(crate) chaos: Arc<Chaos>,
}

impl SimAdministration {
    /// A request that only reads.
    async fn ask<T>(&self, name: &str, what: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        let fate = self.chaos.request(Request::read(Area::Source, name)).await;
        let answer = what(&self.world.lock());
        self.chaos.answered().await;
        if fate == Fate::Answered { answer } else { Err(unavailable("no answer")) }
    }

    fn offsets_of(&self, group: &str, state: &State) -> GroupOffsets {
        let of_group = state.groups.iter().filter(|((of, place), _)| of == group && !state.around.hidden.contains(&place.topic));
        let one = |(place, committed): (&(String, TopicPartition), &CommittedOffset)| {
            let CommittedOffset { next, metadata } = committed.clone();
            let offset = GroupOffset { offset: next, metadata, pending: state.around.pending.contains_key(place) };
            (place.1.clone(), if self.chaos.is_late() { Err(unavailable("the coordinator moves")) } else { Ok(offset) })
        };
        of_group.map(one).collect()
    }
}

#[async_trait]
impl ClusterAdministration for SimAdministration {
    async fn cluster(&self) -> Result<ClusterDescription> {
        let describe = |state: &State| ClusterDescription {
            id: Some(state.cluster.clone()),
            brokers: vec![Broker { id: 1, host: "simulation".to_owned(), port: 9092, rack: None }],
            rights: Some(if state.around.is_confined { BTreeSet::new() } else { [Right::Describe].into() }),
        };
        self.ask("cluster", |state| Ok(describe(state))).await
    }

    async fn groups(&self) -> Result<Groups> {
        let listing = |name: String| (name, GroupListing { state: "Stable".to_owned(), kind: "Classic".to_owned(), is_simple: false });
        self.ask("groups", |state| {
            let mut found = Groups { groups: state.visible_groups().map(listing).collect(), missing: Vec::new() };
            if self.chaos.is_late() {
                found.groups.retain(|name, _| name.len() % 2 == 0);
                found.missing.push("broker 2 did not answer".to_owned());
            }
            Ok(found)
        })
        .await
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        let mut found = BTreeMap::new();
        for group in groups {
            found.insert(group.clone(), self.ask(group, |state| Ok(self.offsets_of(group, state))).await);
        }
        Ok(found)
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        self.ask("configs", |state| {
            let is_there = |name: &&String| state.topics.contains_key(*name) && !state.around.hidden.contains(*name);
            let own = |name: &String| state.around.configs.get(name).cloned().unwrap_or_default();
            let of = |name: &String| (name.clone(), Ok(TopicConfigs { own: own(name), ..TopicConfigs::default() }));
            Ok(topics.iter().filter(is_there).map(of).collect())
        })
        .await
    }

    async fn acls(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        self.ask("acls", |state| of_the_cluster(state, state.around.acls.iter().cloned().collect())).await
    }

    async fn users(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        self.ask("users", |state| of_the_cluster(state, Vec::new())).await
    }
}

fn of_the_cluster<T>(state: &State, what: T) -> Result<T> {
    if !state.around.is_confined {
        return Ok(what);
    }
    Err(KafkaError::new(KafkaErrorKind::Denied, "the cluster", "this user may not describe it"))
}
