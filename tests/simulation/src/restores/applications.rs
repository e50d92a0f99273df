//! A cluster whose applications must be able to continue: consumer groups, configs, access control
//! lists, and the options of `finish`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use config::FinishPart;
use kafka::{Acl, CommittedOffset, Pattern, Selection, TopicPartition};
use restore_batch::{Finish, FinishReport, FinishRequest};

use super::recovery::{Asked, COPIES, Recovery};
use crate::changes::SimChanges;
use crate::chaos::Chaos;
use crate::world::Entry;

/// The prefix of all applications' groups.
const APPLICATION: &str = "app-";

/// A group on a partition.
pub(super) type Place = (String, TopicPartition);

/// What applications find in the target cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) offsets: BTreeMap<Place, CommittedOffset>,
    pub(super) configs: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) acls: BTreeSet<Acl>,
}

pub(super) struct Applications {
    pub(super) recovery: Recovery,
    pub(super) asked: Asked,
    /// The content before the first `finish`.
    pub(super) before: Content,
    /// Commits of consumers that started in the restored cluster.
    pub(super) own: BTreeMap<Place, CommittedOffset>,
    /// Those of them that started without an offset of `finish`.
    pub(super) began: BTreeSet<Place>,
    /// Configs that someone has set there, by topic and name.
    pub(super) set: BTreeMap<(String, String), String>,
    /// Topics that were deleted in the target cluster.
    pub(super) gone: BTreeSet<String>,
    /// `finish` and undo run at the same time.
    pub(super) is_mixed: bool,
}

pub(super) fn acl(resource: &str, pattern: &str, name: &str, principal: &str) -> Acl {
    let [resource, pattern, name, principal] = [resource, pattern, name, principal].map(str::to_owned);
    let [host, operation, permission] = ["*", "READ", "ALLOW"].map(str::to_owned);
    Acl { resource, name, pattern, principal, host, operation, permission }
}

impl Applications {
    /// A cluster with these topics and their numbers of partitions, without records.
    pub(super) fn new(mut recovery: Recovery, topics: &[(&str, usize)]) -> Self {
        let pattern = Pattern::parse(&format!("{APPLICATION}*")).into_iter().collect();
        recovery.groups = Selection::new(pattern, Vec::new()).unwrap_or_default();
        {
            let mut state = recovery.world.lock();
            for (topic, partitions) in topics {
                state.create(topic, *partitions);
            }
            state.around.acls = [
                acl("TOPIC", "LITERAL", "orders", "User:alice"),
                acl("TOPIC", "LITERAL", "elsewhere", "User:alice"),
                acl("GROUP", "LITERAL", "app-1", "User:alice"),
                acl("GROUP", "PREFIXED", "app-", "User:bob"),
            ]
            .into();
            state.around.target_acls =
                [acl("GROUP", "PREFIXED", "app-", "User:bob"), acl("TOPIC", "LITERAL", "elsewhere", "User:carol")].into();
        }
        let asked = Asked { anyway: ["behind", "retention"].map(str::to_owned).into(), ..Asked::of_all("drill") };
        let applications = Self {
            recovery,
            asked,
            before: Content::default(),
            own: BTreeMap::new(),
            began: BTreeSet::new(),
            set: BTreeMap::new(),
            gone: BTreeSet::new(),
            is_mixed: false,
        };
        topics.iter().for_each(|(topic, _)| applications.configure(topic));
        applications
    }

    /// Sets the permanent configs of a source topic.
    pub(super) fn configure(&self, topic: &str) {
        let configs: &[(&str, &str)] = match topic {
            "orders" => &[("flush.ms", "1000"), ("retention.ms", "86400000")],
            "bills" => &[("cleanup.policy", "compact")],
            _ => &[],
        };
        let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.recovery.world.lock().around.configs.insert(topic.to_owned(), configs);
    }

    /// Appends entries to a log, wherever it is.
    pub(super) fn append(&self, topic: &str, partition: usize, entries: impl IntoIterator<Item = Entry>) {
        if let Some(log) = self.recovery.world.lock().log(&Recovery::place(topic, partition)) {
            log.entries.extend(entries);
        }
    }

    pub(super) fn commit(&self, group: &str, at: TopicPartition, next: i64, metadata: &str) {
        let offset = CommittedOffset { next, metadata: metadata.to_owned() };
        self.recovery.world.lock().commit((group.to_owned(), at), offset);
    }

    /// A consumer of the restored cluster commits.
    pub(super) fn commit_own(&mut self, group: &str, at: TopicPartition, next: i64) {
        let metadata = format!("own-{}", self.recovery.world.lock().value());
        let place = (group.to_owned(), at.clone());
        let now = self.recovery.world.lock().groups.get(&place).cloned();
        if !self.own.contains_key(&place) && (now.is_none() || now.as_ref() == self.before.offsets.get(&place)) {
            self.began.insert(place);
        }
        self.commit(group, at.clone(), next, &metadata);
        self.own.insert((group.to_owned(), at), CommittedOffset { next, metadata });
    }

    /// Someone sets a config of a restored topic.
    pub(super) fn set_config(&mut self, topic: &str, name: &str) {
        let value = format!("7777{}", self.recovery.world.lock().value());
        let mut state = self.recovery.world.lock();
        state.around.configs_before.remove(topic);
        if let Some(own) = state.around.configs.get_mut(topic) {
            own.insert(name.to_owned(), value.clone());
            self.set.insert((topic.to_owned(), name.to_owned()), value);
        }
    }

    pub(super) fn content(&self) -> Content {
        let state = self.recovery.world.lock();
        let is_there = |topic: &str| topic.starts_with(COPIES) && state.topics.contains_key(topic);
        let offsets = state.groups.iter().filter(|((group, at), _)| group.starts_with(APPLICATION) && is_there(&at.topic));
        let configs = state.around.configs.iter().filter(|(topic, _)| is_there(topic));
        Content {
            offsets: offsets.map(|(place, offset)| (place.clone(), offset.clone())).collect(),
            configs: configs.map(|(topic, configs)| (topic.clone(), configs.clone())).collect(),
            acls: state.around.target_acls.clone(),
        }
    }

    /// The command, in a process with these faults.
    pub(super) fn command(&self, chaos: &Arc<Chaos>) -> Finish {
        let restore = self.recovery.restore_with(chaos.clone(), &self.asked, 1, None);
        Finish::new(restore, Arc::new(SimChanges { world: self.recovery.world.clone(), chaos: chaos.clone() }))
    }

    /// Runs it to its end, or until it is killed, which returns `None`.
    pub(super) async fn run(&self, chaos: Arc<Chaos>, undo: bool) -> Option<archive::Result<FinishReport>> {
        let command = self.command(&chaos);
        let under_way = tokio::spawn(async move { command.run(&request(undo)).await });
        while !under_way.is_finished() && !chaos.is_killed() {
            tokio::task::yield_now().await;
        }
        under_way.abort();
        under_way.await.ok()
    }

    pub(super) async fn run_quietly(&self, undo: bool) -> Result<FinishReport, String> {
        let report = self.run(self.recovery.quiet(), undo).await.ok_or("a quiet finish was killed, or panicked")?;
        report.map_err(|error| error.to_string())
    }
}

pub(super) fn request(undo: bool) -> FinishRequest {
    FinishRequest { parts: FinishPart::ALL.into(), apply: true, undo }
}
