//! What `finish` will change in the target cluster, and the values before. Stored before the first
//! change, so that all of it can be repeated and undone, whatever is killed.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{Acl, CommittedOffset, GroupOffset};
use kernel::clock::Millis;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind, Version};

use crate::catalog::names;
use crate::catalog::objects::{check_version, read_json, write_json};
use crate::catalog::snapshot_object::{LARGEST_JSON, LARGEST_OBJECT, pack, unpack};
use crate::{Error, Result};

/// How often to merge with concurrent writes.
const TRIES: usize = 5;

/// The content of `@restore/<restore id>/@finish/intents.json.gz`. The value before the first
/// change of a thing stays in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intents {
    /// See [`Intents::FORMAT`].
    pub format_version: u32,
    /// The restore that it belongs to:
    /// [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    pub run: String,
    /// The snapshots that contain the commits of groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Offsets of consumer groups: by group, topic and partition of the target.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, BTreeMap<String, BTreeMap<i32, Change<GroupPlace>>>>,
    /// Groups for which Kafka has accepted all of that: later commits are their own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub given: BTreeSet<String>,
    /// How often an undo of all of this began or ended.
    #[serde(default)]
    pub undos: u64,
    /// Configs: by topic of the target and name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, BTreeMap<String, Change<String>>>,
    /// Entries of access control lists that did not exist before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub acls: BTreeSet<Acl>,
    /// When they were last written.
    pub at: Millis,
}

/// From the value before to the value after; `None`: no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<T> {
    /// Before its first change.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub before: Option<T>,
    /// The value that `finish` sets.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub after: Option<T>,
    /// It was undone, and not changed since: a value set by someone else now is the value before
    /// the next change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undone: bool,
}

impl<T> Change<T> {
    /// From one to the other.
    pub fn new(before: Option<T>, after: Option<T>) -> Self {
        Self { before, after, undone: false }
    }
}

/// A group's commit on a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlace {
    /// The next offset to read.
    pub offset: i64,
    /// Its metadata.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}

impl GroupPlace {
    /// What to commit.
    pub fn to_committed(&self) -> CommittedOffset {
        CommittedOffset { next: self.offset, metadata: self.metadata.clone() }
    }
}

impl From<&GroupOffset> for GroupPlace {
    fn from(committed: &GroupOffset) -> Self {
        Self { offset: committed.offset, metadata: committed.metadata.clone() }
    }
}

impl Intents {
    /// The current version.
    pub const FORMAT: u32 = 1;

    /// Empty, of the restore `run`.
    pub fn none(run: &str) -> Self {
        Self { format_version: Self::FORMAT, run: run.to_owned(), ..Self::default() }
    }

    /// Whether something was not undone, according to these.
    pub fn has_more_to_undo(&self) -> bool {
        self.groups.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values).any(|change| !change.undone)
            || self.configs.values().flat_map(BTreeMap::values).any(|change| !change.undone)
    }

    /// Whether something was changed and not undone. Entries of access control lists have no such
    /// mark: without other changes they count as not undone.
    pub fn are_in_effect(&self) -> bool {
        self.has_more_to_undo() || (self.groups.is_empty() && self.configs.is_empty() && !self.acls.is_empty())
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.configs.is_empty() && self.acls.is_empty()
    }

    /// Reads them. `None`: nothing was changed yet.
    ///
    /// # Errors
    /// An error of the store; unreadable intents are never treated as missing. Or they belong to
    /// another restore with the same id.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str, run: &str) -> Result<Option<Self>> {
        Ok(Self::load_versioned(store, restore_id, run).await?.map(|(found, _)| found))
    }

    async fn load_versioned(store: &dyn ObjectStore, restore_id: &str, run: &str) -> Result<Option<(Self, Version)>> {
        let name = names::intents(restore_id);
        let object = match store.get(&name).await {
            Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => return Ok(None),
            other => other?,
        };
        let found: Self = unpack(&object.body, LARGEST_JSON).map_err(|error| {
            let what = format!(
                "it cannot be read ({error}): it contains what finish changed, and the values before. Restore a copy of \
                    it"
            );
            StoreError::new(StoreErrorKind::Damaged, store.location(&name), what)
        })?;
        check_version(store, &name, found.format_version, Self::FORMAT)?;
        if found.run != run {
            let location = store.location(&name);
            return Err(Error::taken(format!("{location} belongs to another restore with the same RESTORE_ID; choose a new RESTORE_ID")));
        }
        Ok(Some((found, object.version)))
    }

    /// Adds these to the stored ones, before anything is changed. Returns all of them.
    ///
    /// # Errors
    /// An error of the store, or repeated concurrent writes.
    pub async fn note(self, store: &dyn ObjectStore, restore_id: &str) -> Result<Self> {
        let run = self.run.clone();
        Self::update(store, restore_id, &run, |found| found.map_or_else(|| self.clone(), |found| found.and(&self))).await
    }

    /// Records groups that were given all of their offsets, unless an undo began since these
    /// intents were read.
    ///
    /// # Errors
    /// As [`note`](Self::note).
    pub async fn note_given(&self, store: &dyn ObjectStore, restore_id: &str, given: &BTreeSet<String>, at: Millis) -> Result<Self> {
        let add = |found: Option<Self>| {
            let mut found = found.unwrap_or_else(|| Self::none(&self.run));
            if found.undos == self.undos {
                found.given.extend(given.iter().cloned());
                found.at = at;
            }
            found
        };
        Self::update(store, restore_id, &self.run, add).await
    }

    /// Before and after an undo of the offsets given to groups: what they commit meanwhile is not
    /// what they continue with. `whole`: all of it was undone.
    ///
    /// # Errors
    /// As [`note`](Self::note).
    pub async fn forget_given(store: &dyn ObjectStore, restore_id: &str, run: &str, whole: bool, at: Millis) -> Result<Self> {
        let forget = |found: Option<Self>| {
            let found = found.unwrap_or_else(|| Self::none(run));
            let mut found = Self { given: BTreeSet::new(), undos: found.undos + 1, at, ..found };
            if whole {
                found
                    .groups
                    .values_mut()
                    .flat_map(BTreeMap::values_mut)
                    .flat_map(BTreeMap::values_mut)
                    .for_each(|change| change.undone = true);
                found.configs.values_mut().flat_map(BTreeMap::values_mut).for_each(|change| change.undone = true);
            }
            found
        };
        Self::update(store, restore_id, run, forget).await
    }

    /// Replaces the stored intents by the result of `change`, if they differ.
    async fn update(store: &dyn ObjectStore, restore_id: &str, run: &str, change: impl Fn(Option<Self>) -> Self) -> Result<Self> {
        let name = names::intents(restore_id);
        for _ in 0..TRIES {
            let found = Self::load_versioned(store, restore_id, run).await?;
            // With a million offsets each copy counts.
            let (found, version) = found.unzip();
            let mut now = change(found.clone());
            let at = now.at;
            if let Some(found) = found {
                now.at = found.at;
                if now == found {
                    return Ok(now);
                }
            }
            now.at = at;
            let body = pack(&now, LARGEST_JSON, LARGEST_OBJECT).map_err(|error| {
                let location = store.location(&name);
                Error::unfit(format!(
                    "{location}: the changes cannot be stored, so nothing is changed: {error}. Select fewer groups \
                     (RESTORE_GROUPS)"
                ))
            })?;
            let written = match &version {
                None => store.create(&name, body).await,
                Some(version) => store.replace(&name, body.to_bytes(), version).await,
            };
            match written {
                Ok(_) => return Ok(now),
                Err(StoreError { kind: StoreErrorKind::AlreadyExists | StoreErrorKind::Changed, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let location = store.location(&name);
        Err(Error::raced(format!("{location} is written by other processes all the time: check whether finish runs several times")))
    }

    /// The union of both. The value before is the first one of a thing.
    fn and(mut self, later: &Self) -> Self {
        for (group, topics) in &later.groups {
            let known = self.groups.entry(group.clone()).or_default();
            for (topic, partitions) in topics {
                merge(known.entry(topic.clone()).or_default(), partitions);
            }
        }
        for (topic, configs) in &later.configs {
            merge(self.configs.entry(topic.clone()).or_default(), configs);
        }
        self.acls.extend(later.acls.iter().cloned());
        if self.snapshots.is_empty() {
            self.snapshots.clone_from(&later.snapshots);
        }
        self.at = later.at;
        self
    }
}

fn merge<K: Ord + Clone, T: Clone + PartialEq>(known: &mut BTreeMap<K, Change<T>>, later: &BTreeMap<K, Change<T>>) {
    for (key, change) in later {
        match known.get_mut(key) {
            // Someone has set it since the undo: the next undo restores that value.
            Some(known) if known.undone && change.before != known.before && change.before != known.after => {
                known.clone_from(change);
            }
            Some(known) => (known.after, known.undone) = (change.after.clone(), false),
            None => _ = known.insert(key.clone(), change.clone()),
        }
    }
}

/// The content of `@restore/<restore id>/@finish/done.json`: written when a function has made all
/// changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishDone {
    /// See [`Intents::FORMAT`].
    pub format_version: u32,
    /// The restore that it belongs to.
    pub run: String,
    /// RESTORE_FINISH.
    pub parts: BTreeSet<String>,
    /// Time of writing.
    pub at: Millis,
}

impl FinishDone {
    /// Whether a function has done these parts.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn has(store: &dyn ObjectStore, restore_id: &str, run: &str, parts: &BTreeSet<String>) -> Result<bool> {
        let found = read_json::<Self>(store, &names::finish_done(restore_id)).await?;
        Ok(found.is_some_and(|(found, _)| found.run == run && found.parts.is_superset(parts)))
    }

    /// Writes it. If another invocation was faster, its object counts.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn write(&self, store: &dyn ObjectStore, restore_id: &str) -> Result<()> {
        let name = names::finish_done(restore_id);
        let found = read_json::<Self>(store, &name).await?;
        let version = found.as_ref().map(|(_, version)| version);
        let mut all = self.clone();
        all.parts.extend(found.iter().filter(|(found, _)| found.run == self.run).flat_map(|(found, _)| found.parts.iter().cloned()));
        write_json(&all, store, &name, version).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;

    fn intents(offset: i64, before: Option<i64>) -> Intents {
        let place = |offset| GroupPlace { offset, metadata: String::new() };
        let change = Change::new(before.map(place), Some(place(offset)));
        let groups = BTreeMap::from([("billing".to_owned(), BTreeMap::from([("orders".to_owned(), BTreeMap::from([(0, change)]))]))]);
        Intents { groups, at: 1, ..Intents::none("1-a") }
    }

    #[tokio::test]
    async fn what_was_there_before_the_first_change_is_kept() {
        let store = MemoryStore::new();
        assert_eq!(Intents::load(&store, "drill", "1-a").await.unwrap(), None);
        intents(7, Some(3)).note(&store, "drill").await.unwrap();
        let again = Intents { at: 2, ..intents(7, Some(7)) }.note(&store, "drill").await.unwrap();
        assert_eq!(again.groups, intents(7, Some(3)).groups);
        let found = Intents::load(&store, "drill", "1-a").await.unwrap().unwrap();
        assert_eq!(found, intents(7, Some(3)), "nothing new: it is not written again");
        intents(7, Some(5)).note(&store, "other").await.unwrap();
        let others = intents(7, Some(6)).note(&store, "other").await.unwrap();
        assert_eq!(others.groups, intents(7, Some(5)).groups, "the earliest counts");
        Intents::forget_given(&store, "other", "1-a", true, 2).await.unwrap();
        let others = intents(7, Some(6)).note(&store, "other").await.unwrap();
        assert_eq!(others.groups, intents(7, Some(6)).groups, "what someone has set since all was taken back");
        let configs = BTreeMap::from([("orders".to_owned(), BTreeMap::from([("flush.ms".to_owned(), Change::new(None, None))]))]);
        Intents { configs, at: 3, ..Intents::none("1-a") }.note(&store, "drill").await.unwrap();
        let found = Intents::load(&store, "drill", "1-a").await.unwrap().unwrap();
        assert_eq!((&found.groups, found.configs.len(), found.at), (&intents(7, Some(3)).groups, 1, 3));
        let given = BTreeSet::from(["billing".to_owned()]);
        found.note_given(&store, "drill", &given, 4).await.unwrap();
        assert_eq!(Intents::load(&store, "drill", "1-a").await.unwrap().unwrap().given, given);
        assert!(Intents::forget_given(&store, "drill", "1-a", false, 4).await.unwrap().given.is_empty());
        assert!(found.note_given(&store, "drill", &given, 5).await.unwrap().given.is_empty(), "read before that");
        let error = Intents::load(&store, "drill", "2-b").await.unwrap_err();
        assert!(error.to_string().contains("another restore"), "{error}");
        store.overwrite(&names::intents("drill"), b"no gzip".to_vec());
        let error = Intents::load(&store, "drill", "1-a").await.unwrap_err();
        assert!(error.to_string().contains("cannot be read"), "{error}");
    }
}
