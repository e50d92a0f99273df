//! `topic.json`: one generation of a topic for each topic id. Another id under the same name is another topic, and a log that lost
//! its end is another log: neither is ever mixed with the old one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::names;
use crate::clock::Millis;
use crate::kafka::{TopicFacts, TopicId};
use crate::segment::Packing;
use crate::store::{ObjectStore, StoreError, StoreErrorKind, Version};
use crate::{Error, Result, failpoint};

/// More than any topic has. What a bucket says is bounded before it is counted through.
const MOST_PARTITIONS: i32 = 100_000;

/// What `topic.json` holds: the identity of a generation, and what re-creates the topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Version of this object's format.
    pub format_version: u32,
    /// The topic's name.
    pub topic: String,
    /// 1 for the first.
    pub generation: u32,
    /// The topic's id, where the cluster has ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// Number of partitions, the largest that was seen.
    pub partitions: i32,
    /// Partitions of which a later backup than their first one knew a segment: nothing of them in the bucket is a loss, and not just no records.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub begun: BTreeSet<i32>,
    /// Configs that differed from the broker's defaults.
    pub configs: BTreeMap<String, String>,
    /// How every segment of this generation is packed: one start offset has one name, so two invocations never make two segments of it.
    pub packing: Packing,
    /// Why it began.
    pub reason: NewReason,
    /// When it began.
    pub at: Millis,
}

/// Why a generation began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewReason {
    /// The first backup of this name.
    First,
    /// The topic was deleted and created again: it has another id.
    Recreated,
    /// A partition's log ends below what was already backed up: an unclean election, or a cluster set back to an older state.
    Truncated,
}

impl Generation {
    /// The current version of `topic.json`.
    pub const FORMAT: u32 = 1;

    /// The folder it lives in.
    pub fn folder(&self) -> String {
        names::topic_folder(&self.topic, self.generation)
    }

    /// Every partition that the topic had.
    pub fn all_partitions(&self) -> BTreeSet<i32> {
        (0..self.partitions.min(MOST_PARTITIONS)).chain(self.begun.iter().copied()).collect()
    }

    /// Whether the topic was compacted: its oldest segments hold keys that have their last value there.
    pub fn is_compacted(&self) -> bool {
        self.configs.get("cleanup.policy").is_some_and(|policy| policy.contains("compact"))
    }

    /// Whether the topic that now has the name is this one. Where either id is unknown, the name decides.
    pub fn is(&self, id: Option<&TopicId>) -> bool {
        match (&self.topic_id, id) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        }
    }
}

/// The generations of one topic in the bucket.
#[derive(Debug, Clone, Copy)]
pub struct Generations<'a> {
    store: &'a dyn ObjectStore,
    topic: &'a str,
}

impl<'a> Generations<'a> {
    /// Those of `topic`.
    pub fn of(store: &'a dyn ObjectStore, topic: &'a str) -> Self {
        Self { store, topic }
    }

    /// Reads one generation. `None` when there is none of that number.
    ///
    /// # Errors
    /// What the store says; a `topic.json` that cannot be read is never treated as missing.
    pub async fn get(&self, generation: u32) -> Result<Option<(Generation, Version)>> {
        let name = names::topic_json(&names::topic_folder(self.topic, generation));
        let object = match self.store.get(&name).await {
            Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => return Ok(None),
            other => other?,
        };
        let damaged = |what: String| StoreError::new(StoreErrorKind::Damaged, self.store.location(&name), what);
        let found: Generation = serde_json::from_slice(&object.body).map_err(|error| damaged(format!("cannot be read: {error}")))?;
        if found.format_version > Generation::FORMAT {
            return Err(damaged(format!("written by a newer version (format {}); use that version", found.format_version)).into());
        }
        Ok(Some((found, object.version)))
    }

    /// Whether there is one of that number. Asks for its name only, so that nobody needs the right to read it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn has(&self, generation: u32) -> Result<bool> {
        let name = names::topic_json(&names::topic_folder(self.topic, generation));
        let page = self.store.list(&name, "", 1).await?;
        Ok(page.objects.iter().any(|object| object.name == name))
    }

    /// The newest generation from number `known` on; one request more than there are newer ones.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn newest(&self, known: u32) -> Result<Option<(Generation, Version)>> {
        let mut newest = None;
        for generation in known.max(1).. {
            match self.get(generation).await? {
                Some(found) => newest = Some(found),
                None => break,
            }
        }
        Ok(newest)
    }

    /// Begins the generation behind `previous`. When another invocation was faster, its generation is returned.
    ///
    /// # Errors
    /// What the store says.
    pub async fn begin(&self, new: Generation) -> Result<Generation> {
        let name = names::topic_json(&new.folder());
        let body = serde_json::to_vec_pretty(&new).map_err(|error| Error::Refused(error.to_string()))?;
        failpoint!("backup::topic::before");
        match self.store.create(&name, body.into()).await {
            Ok(_) => {
                failpoint!("backup::topic::after");
                Ok(new)
            }
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => self
                .get(new.generation)
                .await?
                .map(|(found, _)| found)
                .ok_or_else(|| Error::Refused(format!("{}: was there and is gone; run again", self.store.location(&name)))),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps what re-creates the topic up to date: partitions that were added or have `begun`, configs that were changed, the id that a topic got
    /// when its cluster learned of ids. Losing a race is no harm.
    ///
    /// # Errors
    /// What the store says.
    pub async fn refresh(&self, known: &Generation, version: &Version, facts: &TopicFacts, begun: &BTreeSet<i32>) -> Result<()> {
        let mut fresh = known.clone();
        fresh.partitions = fresh.partitions.max(facts.partitions);
        fresh.begun.extend(begun);
        fresh.configs.clone_from(&facts.configs);
        fresh.topic_id = fresh.topic_id.or_else(|| facts.id.clone());
        if fresh == *known {
            return Ok(());
        }
        let body = serde_json::to_vec_pretty(&fresh).map_err(|error| Error::Refused(error.to_string()))?;
        failpoint!("backup::refresh::before");
        match self.store.replace(&names::topic_json(&known.folder()), body.into(), version).await {
            Ok(_) | Err(StoreError { kind: StoreErrorKind::Changed, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        failpoint!("backup::refresh::after");
        Ok(())
    }
}
