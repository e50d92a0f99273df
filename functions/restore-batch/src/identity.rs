//! Whether a restore may begin, and that it is the same one ever after.

use shared::catalog::RestoreIdentity;
use shared::{Error, Result};

use crate::source::Source;
use crate::target::TargetTopic;
use crate::{Restore, Run};

impl Restore {
    /// What the restore id stands for already, if this invocation may go on with it.
    pub(crate) async fn begun(&self, source: &Source) -> Result<Option<RestoreIdentity>> {
        let id = &self.settings.restore_id;
        let found = RestoreIdentity::load(self.store.as_ref(), id).await?;
        if let Some(found) = &found {
            found.check(&source.folder, &self.settings)?;
        }
        Ok(found)
    }

    /// What this invocation takes the restore for.
    fn identity(&self, source: &Source, target: &TargetTopic) -> RestoreIdentity {
        let at = self.clock.now();
        RestoreIdentity {
            format_version: RestoreIdentity::format_of(self.settings.times),
            source: source.folder.clone(),
            topic: self.settings.restore_topic.clone(),
            topic_id: target.facts.id.clone(),
            partitions: target.facts.partitions,
            strategy: self.settings.strategy,
            times: self.settings.times,
            run: format!("{at}-{}", self.store_id),
            at,
        }
    }
}

impl Run {
    /// Before the first record of a whole restore: refuses a target that holds records already, because they would stand beside the restored
    /// ones, or be the same ones. From then on what the target holds is known to be ours, whatever is killed.
    pub(crate) async fn begin(&self) -> Result<&RestoreIdentity> {
        let begin = || async {
            let Restore { cluster, store, settings, .. } = &self.restore;
            let now = self.restore.identity(&self.source, &self.target);
            if !cluster.is_empty(&settings.restore_topic, self.target.facts.partitions).await? {
                // Perhaps with the records of another invocation of this restore, which began a moment ago.
                if let Some(found) = self.begun().await? {
                    return Ok(found);
                }
                self.restore.refuse_unless_empty()?;
            }
            let begun = now.begin(store.as_ref(), &settings.restore_id).await?;
            begun.check(&self.source.folder, settings)?;
            begun.check_topic(Some(&self.target.facts), &settings.restore_id)?;
            Ok(begun)
        };
        self.identity.get_or_try_init(begin).await
    }

    /// The restore that a checkpoint has to be of. Another invocation can have begun it since this one looked.
    pub(crate) async fn known_identity(&self) -> Result<&RestoreIdentity> {
        let id = &self.restore.settings.restore_id;
        let missing = || {
            Error::Refused(format!("restore {id:?} has checkpoints in the bucket but no restore.json beside them; choose a new RESTORE_ID"))
        };
        let look = || async { self.begun().await?.ok_or_else(missing) };
        self.identity.get_or_try_init(look).await
    }

    async fn begun(&self) -> Result<Option<RestoreIdentity>> {
        let found = self.restore.begun(&self.source).await?;
        if let Some(found) = &found {
            found.check_topic(Some(&self.target.facts), &self.restore.settings.restore_id)?;
        }
        Ok(found)
    }
}
