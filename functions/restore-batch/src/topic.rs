//! One topic of an invocation.

use std::sync::{Arc, Mutex, OnceLock};

use archive::{Error, Result};
use kernel::{in_full, lock};
use tokio::sync::OnceCell;

use crate::Restore;
use crate::identity::Begun;
use crate::partition::{NearlyDone, PartitionRestore};
use crate::ready::Ready;
use crate::report::TopicReport;
use crate::source::Source;
use crate::target::TargetTopic;
use crate::work::Shared;

/// A running restore of one topic.
#[derive(Debug)]
pub(crate) struct TopicRestore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) restore: Restore,
    pub(crate) source: Source,
    pub(crate) target: TargetTopic,
    /// The restore as recorded in the bucket.
    pub(crate) found: OnceCell<Begun>,
    /// The same once the target may be written to.
    pub(crate) begun: OnceCell<Begun>,
    pub(crate) report: Mutex<TopicReport>,
    /// Why the target cannot take anything. Checked when there is something to write, because a
    /// complete restore may get its original configs back.
    refusal: OnceLock<Option<Error>>,
}

impl TopicRestore {
    /// Finds the target, or creates it. `accepted`: accepted losses of the backup.
    ///
    /// # Errors
    /// The target is not the topic of the earlier invocations; or an error of Kafka or of the
    /// bucket.
    pub(crate) async fn prepare(shared: Arc<Shared>, source: Source, accepted: Vec<String>) -> Result<Self> {
        let restore = shared.restore.clone();
        let target = restore.target(&source, &shared).await?;
        let mut report = TopicReport::new(&restore, &source, &target);
        report.notes.extend(accepted);
        if let Some(newest) = source.newer.last().filter(|_| source.cuts.is_none()) {
            tracing::warn!(topic = source.folder, "restoring {}, although {newest} is newer", source.name);
        }
        let (found, begun) = (OnceCell::new(), OnceCell::new());
        Ok(Self { shared, restore, source, target, found, begun, report: Mutex::new(report), refusal: OnceLock::new() })
    }

    /// Restores the next segments of a partition, up to `left`. Its result must be settled. Errors
    /// are in the report. `nearly_done` is called when it will end soon.
    pub(crate) async fn restore<'r>(
        &'r self,
        partition: i32,
        ready: Option<Ready>,
        left: &mut u64,
        nearly_done: &'r NearlyDone<'r>,
    ) -> Option<PartitionRestore<'r>> {
        match self.restore_partition(partition, ready, left, nearly_done).await {
            Ok(restored) => Some(restored),
            Err(error) => {
                self.fail(partition, error).await;
                None
            }
        }
    }

    /// Records the progress of a partition. Errors are in the report.
    pub(crate) async fn settle(&self, restored: PartitionRestore<'_>) {
        let partition = restored.partition;
        if let Err(error) = self.settle_partition(restored).await {
            self.fail(partition, error).await;
        }
    }

    async fn fail(&self, partition: i32, error: Error) {
        if self.refusal().is_some() {
            return;
        }
        let error = self.cause(error).await;
        tracing::error!(topic = self.source.folder, partition, "{}", in_full(&error));
        lock(&self.report).fail(partition, &error);
    }

    /// Refuses a target that cannot take the restore; checked once.
    pub(crate) fn check_target(&self) -> Result<()> {
        let refusal = self.refusal.get_or_init(|| self.restore.check_target(&self.source, &self.target).err());
        refusal.as_ref().map_or(Ok(()), |refusal| Err(Error::unfit(refusal.to_string())))
    }

    /// Why the target cannot take it, if that was found.
    pub(crate) fn refusal(&self) -> Option<&Error> {
        self.refusal.get()?.as_ref()
    }

    /// At the end of the invocation: a target that cannot take it, or is another one now.
    pub(crate) async fn end(&self) -> Result<()> {
        match self.refusal() {
            Some(refusal) => Err(Error::unfit(refusal.to_string())),
            None => self.confirm_at_the_end().await,
        }
    }
}
