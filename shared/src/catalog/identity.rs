//! What a restore id stands for: one object for the whole restore, created before its first record is written and never replaced.

use serde::{Deserialize, Serialize};

use crate::catalog::{RESTORE_FORMAT, names};
use crate::clock::Millis;
use crate::config::{PartitionStrategy, RestoreSettings, Times};
use crate::kafka::{TopicFacts, TopicId};
use crate::store::{ObjectStore, StoreError, StoreErrorKind};
use crate::{Error, Result, failpoint};

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
    /// Its id when the restore began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// Its number of partitions when the restore began: by these records are placed, also when it gets more.
    pub partitions: i32,
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

impl RestoreIdentity {
    /// The version to write.
    pub fn format_of(times: Times) -> u32 {
        if times.are_all() { RESTORE_FORMAT } else { OF_SOME_TIME }
    }

    /// Reads it. `None`: no restore of this id has written anything.
    ///
    /// # Errors
    /// What the store says; one that cannot be read is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str) -> Result<Option<Self>> {
        let name = names::restore_json(restore_id);
        let object = match store.get(&name).await {
            Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => return Ok(None),
            other => other?,
        };
        let damaged = |what: String| StoreError::new(StoreErrorKind::Damaged, store.location(&name), what);
        let found: Self = serde_json::from_slice(&object.body)
            .map_err(|error| damaged(format!("it cannot be read ({error}); with a new RESTORE_ID the restore starts again")))?;
        if found.format_version > OF_SOME_TIME {
            return Err(damaged(format!("written by a newer version (format {}); use that version", found.format_version)).into());
        }
        Ok(Some(found))
    }

    /// Creates it. When another invocation was faster, its own is returned.
    ///
    /// # Errors
    /// What the store says.
    pub async fn begin(self, store: &dyn ObjectStore, restore_id: &str) -> Result<Self> {
        let name = names::restore_json(restore_id);
        let body = serde_json::to_vec_pretty(&self).map_err(|error| Error::Refused(error.to_string()))?;
        failpoint!("restore::identity::before");
        match store.create(&name, body.into()).await {
            Ok(_) => {
                failpoint!("restore::identity::after");
                Ok(self)
            }
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => {
                let gone = || Error::Refused(format!("{}: was there and is gone; run again", store.location(&name)));
                Self::load(store, restore_id).await?.ok_or_else(gone)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses what is not this restore: a restore id belongs to one source, one target, one choice of records and one way to place them, for good.
    ///
    /// # Errors
    /// Which of them differs, and what to do.
    pub fn check(&self, source: &str, settings: &RestoreSettings) -> Result<()> {
        let RestoreSettings { restore_topic: topic, restore_id, strategy, times, .. } = settings;
        if (self.source.as_str(), self.topic.as_str()) != (source, topic.as_str()) {
            return other(restore_id, format!("is the restore of {:?} into {:?}: name these two", self.source, self.topic));
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

    /// Refuses a target of the same name that is another topic (`now`), or none: what was restored went with the old one.
    ///
    /// # Errors
    /// That it is so, and what to do.
    pub fn check_topic(&self, now: Option<&TopicFacts>, restore_id: &str) -> Result<()> {
        match (&self.topic_id, now.map(|now| &now.id)) {
            (_, None) => other(
                restore_id,
                format!("restored into a topic {:?} that is not there any more: name the cluster that has it", self.topic),
            ),
            (Some(then), Some(Some(now))) if then != now => other(
                restore_id,
                format!(
                    "restored into a topic {:?} that was deleted since, and the one of that name is another one: it stays as it is",
                    self.topic
                ),
            ),
            _ => Ok(()),
        }
    }
}

fn other(restore_id: &str, what: String) -> Result<()> {
    Err(Error::Refused(format!(
        "RESTORE_ID {restore_id:?} {what}, or choose a new RESTORE_ID to begin another restore; nothing was written"
    )))
}
