//! What `finish` will do, did, and left.

use std::collections::BTreeMap;

use kernel::clock::Millis;
use serde::Serialize;

use super::FinishRequest;
use crate::Restore;

/// The result of `finish`. Serialises to the JSON that users and platforms get.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FinishReport {
    /// `restore-batch`.
    pub function: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// RESTORE_ID.
    pub restore_id: String,
    /// Whether everything requested is as it should be; without `applied`, whether it can be.
    pub succeeded: bool,
    /// Whether changes were to be made.
    pub applied: bool,
    /// Whether changes were to be undone.
    pub undo: bool,
    /// The snapshots with the commits of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Each group on each topic.
    pub groups: Vec<GroupReport>,
    /// Each config that differs, or differed.
    pub configs: Vec<ConfigReport>,
    /// Access control lists.
    pub acls: AclsReport,
    /// What could not be done, and what to do about it.
    pub left: Vec<String>,
    /// Commands for a shell: what this program cannot do. Text from the bucket is quoted.
    pub commands: Vec<String>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Duration in milliseconds.
    pub duration_ms: Millis,
}

/// The state of one thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is as it should be.
    AsItShouldBe,
    /// It has to be changed.
    #[default]
    ToDo,
    /// It was changed.
    Done,
    /// It is not changed, for a reason.
    Left,
}

/// A consumer group on a topic.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GroupReport {
    /// The group.
    pub group: String,
    /// The source topic.
    pub source: String,
    /// The target topic.
    pub target: String,
    /// Its offsets on each partition.
    pub offsets: Vec<OffsetReport>,
}

/// An offset of a group on a partition.
#[derive(Debug, Clone, Default, Serialize)]
pub struct OffsetReport {
    /// The partition.
    pub partition: i32,
    /// Its commit in the source cluster.
    pub from: i64,
    /// The offset that it gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// At most this many records are processed again, because their positions are not known
    /// exactly.
    #[serde(skip_serializing_if = "is_zero")]
    pub may_repeat: i64,
    /// Offsets from there to the last restored record: what it still has to read.
    pub lag: i64,
    /// Its state.
    pub state: State,
    /// Why it is not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A config of a topic.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ConfigReport {
    /// The target topic.
    pub topic: String,
    /// The config.
    pub name: String,
    /// Its current value; `None`: the brokers' value.
    pub from: Option<String>,
    /// The value that it gets.
    pub to: Option<String>,
    /// Its state.
    pub state: State,
    /// Why it is not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Access control lists.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AclsReport {
    /// Entries that are missing, or were added or deleted.
    pub changed: u64,
    /// Entries that exist already.
    pub as_they_should_be: u64,
    /// The state of the missing ones.
    pub state: State,
    /// Their principals, for information.
    pub principals: Vec<PrincipalReport>,
}

/// A principal of entries.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PrincipalReport {
    /// `User:alice`.
    pub principal: String,
    /// From which hosts.
    pub hosts: Vec<String>,
    /// How many of its entries are missing.
    pub entries: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// In a function's report: the most offsets per group, only those that are left.
const MOST_OFFSETS: usize = 50;

impl FinishReport {
    pub(super) fn new(restore: &Restore, request: &FinishRequest) -> Self {
        Self {
            function: "restore-batch",
            version: telemetry::VERSION,
            restore_id: restore.id().to_owned(),
            applied: request.apply,
            undo: request.undo,
            ..Self::default()
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_whole(&self) -> bool {
        let is_left = |state: State| state == State::Left;
        self.left.is_empty()
            && !self.groups.iter().flat_map(|group| &group.offsets).any(|one| is_left(one.state))
            && !self.configs.iter().any(|one| is_left(one.state))
            && !is_left(self.acls.state)
    }

    /// Records that something is not changed.
    pub(super) fn leave(&mut self, what: String) {
        tracing::warn!("{what}");
        self.left.push(what);
    }

    pub(super) fn end(&mut self, started: Millis, now: Millis) {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for group in &self.groups {
            for one in group.offsets.iter().filter(|one| one.state == State::Left) {
                let why = one.why.clone().unwrap_or_default();
                *counts.entry(format!("group {:?} on {:?}: {why}", group.group, group.target)).or_default() += 1;
            }
        }
        let many = |(what, count): (String, u64)| if count > 1 { format!("{what} ({count} partitions)") } else { what };
        self.left.extend(counts.into_iter().map(many));
        let configs = self.configs.iter().filter(|one| one.state == State::Left);
        let left = configs.map(|one| format!("config {} of {:?}: {}", one.name, one.topic, one.why.as_deref().unwrap_or_default()));
        self.left.extend(left.collect::<Vec<_>>());
        self.succeeded = self.left.is_empty();
        self.duration_ms = now - started;
    }

    /// For platforms that limit responses: of groups only what is left.
    #[must_use]
    pub fn short(mut self) -> Self {
        for group in &mut self.groups {
            group.offsets.retain(|one| one.state == State::Left || one.may_repeat > 0);
            group.offsets.truncate(MOST_OFFSETS);
        }
        self.groups.retain(|group| !group.offsets.is_empty());
        self.groups.truncate(MOST_OFFSETS);
        self.configs.retain(|one| one.state == State::Left);
        self.configs.truncate(MOST_OFFSETS);
        self.left.truncate(MOST_OFFSETS);
        self
    }
}
