//! What a restore id stands for: one object for the whole restore, created before anything else of it and never replaced.

use kernel::clock::Millis;
use kernel::failpoint;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind, Version};

use crate::catalog::{PartitionStrategy, RESTORE_FORMAT, names};
use crate::{Error, Result, Times};

/// Of a restore of some time only: a program that does not know of such a one refuses it, and does not restore the rest.
const OF_SOME_TIME: u32 = 2;

/// The content of `@restore/<restore id>/restore.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreIdentity {
    /// See [`Self::format_of`].
    pub format_version: u32,
    /// Folder of the generation that is restored.
    pub source: String,
    /// RESTORE_TOPIC_NAME.
    pub topic: String,
    /// The cluster that has it, where clusters have ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// How records are placed.
    pub strategy: PartitionStrategy,
    /// Which records are restored.
    #[serde(default, skip_serializing_if = "Times::are_all")]
    pub times: Times,
    /// Tells this restore from others that had the same id: checkpoints and the progress inside of transactions name it.
    pub run: String,
    /// When it began.
    pub at: Millis,
}

/// What an invocation is asked to restore.
#[derive(Debug, Clone, Copy)]
pub struct RestoreChoice<'a> {
    /// RESTORE_ID.
    pub restore_id: &'a str,
    /// Folder of the generation.
    pub source: &'a str,
    /// BACKUP_TOPIC_NAME. Without a number it goes with whichever generation the restore began.
    pub asked: &'a str,
    /// RESTORE_TOPIC_NAME.
    pub topic: &'a str,
    /// The cluster that is written to, where clusters have ids.
    pub cluster_id: Option<&'a str>,
    /// How records are placed.
    pub strategy: PartitionStrategy,
    /// Which records.
    pub times: Times,
}

impl RestoreIdentity {
    /// The version to write.
    pub fn format_of(times: Times) -> u32 {
        if times.are_all() { RESTORE_FORMAT } else { OF_SOME_TIME }
    }

    /// Reads it. `None`: no restore of this id has begun.
    ///
    /// # Errors
    /// What the store says; one that cannot be read is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str) -> Result<Option<Self>> {
        let Some((found, _)) = read_json::<Self>(store, &names::restore_json(restore_id)).await? else { return Ok(None) };
        check_version(store, &names::restore_json(restore_id), found.format_version, OF_SOME_TIME)?;
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

    /// Refuses what is not this restore: a restore id belongs to one source, one target, one choice of records and one way to place them, for good.
    ///
    /// # Errors
    /// Which of them differs, and what to do.
    pub fn check(&self, choice: &RestoreChoice<'_>) -> Result<()> {
        let RestoreChoice { restore_id, source, asked, topic, cluster_id, strategy, times } = choice;
        let of = names::parse_topic_folder(&self.source);
        if self.source != *source
            && names::parse_topic(asked).is_some_and(|(asked, number)| number.is_none() && of.is_some_and(|of| of.0 == asked))
        {
            return Err(Error::raced(format!(
                "another invocation began restore {restore_id:?} a moment ago, with the generation in {:?}; the next invocation continues it",
                self.source
            )));
        }
        if (self.source.as_str(), self.topic.as_str()) != (*source, *topic) {
            let of = of.map_or_else(|| self.source.clone(), |(topic, number)| names::generation(topic, number));
            let what = format!("is the restore of {of:?} into {:?}: name these two (BACKUP_TOPIC_NAME, RESTORE_TOPIC_NAME)", self.topic);
            return other(restore_id, what);
        }
        if let Some((then, now)) = self.cluster_id.as_deref().zip(*cluster_id).filter(|(then, now)| then != now) {
            return other(
                restore_id,
                format!("restores into cluster {then:?}, and this is cluster {now:?}: name the brokers of the first"),
            );
        }
        if self.strategy != *strategy {
            let what = format!("began with RESTORE_PARTITION_STRATEGY={0}, and records would be misplaced: set {0}", self.strategy.name());
            return other(restore_id, what);
        }
        if self.times != *times {
            return other(
                restore_id,
                format!("restores records {}, and not {times}: set RESTORE_FROM and RESTORE_UNTIL as they were", self.times),
            );
        }
        Ok(())
    }
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
