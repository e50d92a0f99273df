//! What a restore id stands for: one object for the whole restore, created before anything else of it and never replaced.

use std::collections::{BTreeMap, BTreeSet};

use kernel::clock::Millis;
use kernel::failpoint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{ObjectStore, StoreError, StoreErrorKind, Version};

use crate::catalog::{PartitionStrategy, RESTORE_FORMAT, names};
use crate::{Error, Result, Times};

/// What a restore is asked to do. A restore id belongs to one such choice, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreChoice {
    /// BACKUP_TOPIC_NAME, as it was written.
    pub topics: Vec<String>,
    /// RESTORE_EXCLUDE_TOPIC_NAMES.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// BACKUP_CLUSTER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_cluster: Option<String>,
    /// BACKUP_PARTITIONS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<BTreeSet<i32>>,
    /// RESTORE_AS_OF: a time, or `latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// RESTORE_TOPIC_NAME, as it was written.
    pub target: String,
    /// The cluster that is written to, where clusters have ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// How records are placed.
    pub strategy: PartitionStrategy,
    /// Which records.
    #[serde(default, skip_serializing_if = "Times::are_all")]
    pub times: Times,
}

/// The content of `@restore/<restore id>/restore.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreIdentity {
    /// See [`RESTORE_FORMAT`].
    pub format_version: u32,
    /// What was asked for.
    pub choice: RestoreChoice,
    /// The snapshots that the cuts are of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// What is restored, in the order of the folders' names.
    pub topics: Vec<RestoredTopic>,
    /// Tells this restore from others that had the same id: checkpoints and the progress inside of transactions name it.
    pub run: String,
    /// When it began.
    pub at: Millis,
}

/// A topic of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredTopic {
    /// Folder of the generation that is restored.
    pub folder: String,
    /// The topic that it goes into.
    pub target: String,
    /// For each partition the offset at which its restore ends (exclusive): every partition that is restored is here. `None`: whatever is backed up
    /// is restored, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuts: Option<BTreeMap<i32, i64>>,
    /// What the topic was at the moment to which it is restored; `None`: what `topic.json` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<TopicThen>,
}

/// What a topic was at some moment, as a snapshot says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicThen {
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each partition, where the cluster told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Configs that differed from the brokers' defaults; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configs: Option<BTreeMap<String, String>>,
}

impl RestoreChoice {
    /// The one topic that is restored, as it was written; `None`: there can be several.
    pub fn only(&self) -> Option<&str> {
        match &self.topics[..] {
            [only] if names::parse_topic(only).is_some_and(|(topic, _)| !topic.contains(['*', '?', '^'])) => Some(only),
            _ => None,
        }
    }

    /// Eight digits that stand for this choice.
    pub fn digits(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl RestoreIdentity {
    /// Reads it. `None`: no restore of this id has begun.
    ///
    /// # Errors
    /// What the store says; one that cannot be read is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str) -> Result<Option<Self>> {
        let name = names::restore_json(restore_id);
        let Some((found, _)) = read_json::<Self>(store, &name).await? else { return Ok(None) };
        check_version(store, &name, found.format_version, RESTORE_FORMAT)?;
        // A folder is part of names, so one that is none would lead anywhere.
        if let Some(bad) = found.topics.iter().find(|topic| names::parse_topic_folder(&topic.folder).is_none_or(|(of, _)| of.contains('/')))
        {
            let what = format!("it names the folder {:?}, which is none of a topic", bad.folder);
            return Err(StoreError::new(StoreErrorKind::Damaged, store.location(&name), what).into());
        }
        Ok(Some(found))
    }

    /// Creates it. When another invocation was faster, its own is returned.
    ///
    /// # Errors
    /// What the store says.
    pub async fn begin(self, store: &dyn ObjectStore, restore_id: &str) -> Result<Self> {
        let name = names::restore_json(restore_id);
        failpoint!("restore::identity::before");
        if write_json(&self, store, &name, None).await? {
            failpoint!("restore::identity::after");
            return Ok(self);
        }
        let gone = || Error::raced(format!("{}: was there and is gone; run again", store.location(&name)));
        Self::load(store, restore_id).await?.ok_or_else(gone)
    }

    /// Whether it ends by itself: all that it restores is known.
    pub fn is_cut(&self) -> bool {
        self.topics.iter().all(|topic| topic.cuts.is_some())
    }

    /// Refuses what is not this restore.
    ///
    /// # Errors
    /// What differs, and what to do.
    pub fn check(&self, restore_id: &str, now: &RestoreChoice) -> Result<()> {
        let then = &self.choice;
        match (then.only(), now.only()) {
            (Some(_), Some(asked)) => self.check_only(restore_id, asked, &now.target)?,
            _ if are_same(&then.topics, &now.topics) && are_same(&then.excluded, &now.excluded) && then.target == now.target => {}
            _ => {
                let excluded = if then.excluded.is_empty() { String::new() } else { format!(" less {:?}", then.excluded) };
                let what = format!(
                    "is the restore of {:?}{excluded} into {:?}: name these (BACKUP_TOPIC_NAME, RESTORE_EXCLUDE_TOPIC_NAMES, RESTORE_TOPIC_NAME)",
                    then.topics, then.target
                );
                return other(restore_id, what);
            }
        }
        if let Some((then, now)) = then.cluster_id.as_deref().zip(now.cluster_id.as_deref()).filter(|(then, now)| then != now) {
            return other(
                restore_id,
                format!("restores into cluster {then:?}, and this is cluster {now:?}: name the brokers of the first"),
            );
        }
        if then.strategy != now.strategy {
            let what = format!("began with RESTORE_PARTITION_STRATEGY={0}, and records would be misplaced: set {0}", then.strategy.name());
            return other(restore_id, what);
        }
        if then.times != now.times {
            return other(
                restore_id,
                format!("restores records {}, and not {}: set RESTORE_FROM and RESTORE_UNTIL as they were", then.times, now.times),
            );
        }
        let as_of = |choice: &RestoreChoice| choice.as_of.clone().unwrap_or_else(|| "none".to_owned());
        if then.as_of != now.as_of {
            let what = format!("began with RESTORE_AS_OF {}, and not {}: set it as it was", as_of(then), as_of(now));
            return other(restore_id, what);
        }
        if then.partitions != now.partitions {
            return other(restore_id, "began with other BACKUP_PARTITIONS: set them as they were".to_owned());
        }
        if then.backup_cluster != now.backup_cluster {
            let what = format!("began with BACKUP_CLUSTER {}: set it as it was", then.backup_cluster.as_deref().unwrap_or("none"));
            return other(restore_id, what);
        }
        Ok(())
    }

    /// The same restore can be asked for as `orders` and as `orders@2`: without a number it goes with whichever generation the restore began.
    fn check_only(&self, restore_id: &str, asked: &str, target: &str) -> Result<()> {
        let [RestoredTopic { folder, target: then, .. }] = &self.topics[..] else {
            return Err(Error::bug(format!("restore {restore_id:?} of one topic has {}", self.topics.len())));
        };
        let of = names::parse_topic_folder(folder);
        let is_of_this = names::parse_topic(asked)
            .zip(of)
            .is_some_and(|((asked, asked_number), (of, number))| asked == of && asked_number.is_none_or(|asked| asked == number));
        let into = of.map_or_else(|| target.to_owned(), |(topic, _)| target.replace("{topic}", topic));
        if is_of_this && *then == into {
            return Ok(());
        }
        let of = of.map_or_else(|| folder.clone(), |(topic, number)| names::generation(topic, number));
        other(restore_id, format!("is the restore of {of:?} into {then:?}: name these two (BACKUP_TOPIC_NAME, RESTORE_TOPIC_NAME)"))
    }
}

/// Whether two lists say the same, in whichever order.
fn are_same(one: &[String], other: &[String]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}

/// Reads an object of a restore. `None`: it is not there.
pub(super) async fn read_json<T: DeserializeOwned>(store: &dyn ObjectStore, name: &str) -> Result<Option<(T, Version)>> {
    let object = match store.get(name).await {
        Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => return Ok(None),
        other => other?,
    };
    let damaged = |error| format!("it cannot be read ({error}); with a new RESTORE_ID the restore starts again");
    let found = serde_json::from_slice(&object.body)
        .map_err(|error| StoreError::new(StoreErrorKind::Damaged, store.location(name), damaged(error)))?;
    Ok(Some((found, object.version)))
}

/// Writes an object of a restore where none was, or in place of the one that was read. False when another invocation was faster.
pub(super) async fn write_json<T: Serialize>(
    object: &T,
    store: &dyn ObjectStore,
    name: &str,
    unchanged_since: Option<&Version>,
) -> Result<bool> {
    let body = serde_json::to_vec_pretty(object).map_err(|error| Error::bug(error.to_string()))?;
    let written = match unchanged_since {
        None => store.create(name, body.into()).await,
        Some(version) => store.replace(name, body.into(), version).await,
    };
    match written {
        Ok(_) => Ok(true),
        Err(StoreError { kind: StoreErrorKind::AlreadyExists | StoreErrorKind::Changed, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Refuses what a newer program wrote.
pub(super) fn check_version(store: &dyn ObjectStore, name: &str, found: u32, known: u32) -> Result<()> {
    if found <= known {
        return Ok(());
    }
    let what = format!("written by a newer version (format {found}); use that version");
    Err(StoreError::new(StoreErrorKind::Damaged, store.location(name), what).into())
}

fn other(restore_id: &str, what: String) -> Result<()> {
    Err(Error::taken(format!("RESTORE_ID {restore_id:?} {what}, or choose a new RESTORE_ID to begin another restore; nothing was written")))
}
