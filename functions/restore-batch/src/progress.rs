//! The progress of a source partition: what is committed, and the checkpoint object that follows
//! it.

use archive::catalog::{Checkpoint, Gap, GapReason, PartitionStrategy, RestoreProgress, Span, Spans, names};
use archive::{Error, Result};
use kafka::Delivery;
use store::{StoreError, StoreErrorKind, Version};

use crate::topic::TopicRestore;

/// How often a checkpoint is read again and merged if others write it too.
const TRIES: usize = 5;

/// What is committed of a partition. The checkpoint in the bucket can be behind, never ahead.
pub(crate) struct Committed<'r> {
    topic: &'r TopicRestore,
    partition: i32,
    pub(crate) checkpoint: Checkpoint,
    version: Option<Version>,
    /// Committed spans that are in no checkpoint yet.
    pub(crate) pending: Spans,
    /// Whether something was skipped that is in no checkpoint yet.
    pub(crate) is_untold: bool,
}

impl<'r> Committed<'r> {
    /// The state in the bucket.
    pub(crate) fn new(topic: &'r TopicRestore, partition: i32, checkpoint: Checkpoint, version: Option<Version>) -> Self {
        Self { topic, partition, checkpoint, version, pending: Spans::default(), is_untold: false }
    }

    /// Records what was skipped, for the report and permanently.
    pub(crate) fn skip(&mut self, what: String) {
        tracing::warn!(topic = self.topic.source.folder, partition = self.partition, "skipped: {what}");
        if !self.checkpoint.skipped.contains(&what) {
            self.checkpoint.skipped.push(what);
            self.is_untold = true;
        }
    }

    /// Records offsets that the backup never had, for the report and permanently.
    pub(crate) fn tell_gap(&mut self, gap: &Gap) {
        if !self.checkpoint.gaps.note(gap) {
            return;
        }
        self.is_untold = true;
        let (topic, partition, Gap { from, to, .. }) = (&self.topic.source.folder, self.partition, gap);
        match gap.reason {
            GapReason::LogStartMoved => tracing::warn!(
                topic,
                partition,
                "offsets {from} to {to} are not in the backup: they were deleted from the topic before they were backed up"
            ),
            GapReason::BeforeFirstBackup => {
                tracing::info!(topic, partition, "offsets {from} to {to} are not in the backup: they were deleted before the first one");
            }
        }
    }

    /// Advances the progress without a commit: what is in between was skipped. `is_certain`: none
    /// of its records is in the target.
    pub(crate) fn go_past(&mut self, reached: &RestoreProgress, is_certain: bool) {
        if is_certain && self.topic.restore.settings.strategy == PartitionStrategy::Same {
            self.pending.add(Span::nothing(self.checkpoint.progress.next, reached.next));
        }
        self.checkpoint.progress = reached.clone();
    }

    /// Writes the checkpoint. Another invocation can have written one in between. With transactions
    /// the two are merged, because both contain only committed records. Without, two concurrent
    /// ones would write records twice, and this one stops. `settled`: nothing will be committed
    /// after it.
    pub(crate) async fn save(&mut self, settled: bool) -> Result<()> {
        let restore = &self.topic.restore;
        let (store, id, folder) = (restore.store.as_ref(), restore.id(), &self.topic.source.folder);
        self.checkpoint.settled = settled;
        for _ in 0..TRIES {
            // They stay pending until they are in the bucket: the next commit includes them.
            self.checkpoint.spans.unite(&self.pending);
            self.checkpoint.put_spans_away(store, id, folder, restore.spans_per_object).await?;
            self.checkpoint.at = restore.clock.now();
            match self.checkpoint.save(store, id, folder, self.version.as_ref()).await {
                Ok(version) => {
                    self.version = Some(version);
                    self.is_untold = false;
                    self.pending = Spans::default();
                    return Ok(());
                }
                Err(StoreError { kind: StoreErrorKind::Changed | StoreErrorKind::AlreadyExists, .. }) => self.merge_newer().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::raced(format!(
            "the checkpoint of {folder}/{} is written by other processes all the time: check whether several restores \
             with this RESTORE_ID are running",
            self.partition
        )))
    }

    async fn merge_newer(&mut self) -> Result<()> {
        let restore = &self.topic.restore;
        let (id, folder) = (restore.id(), &self.topic.source.folder);
        if restore.settings.delivery == Delivery::AtLeastOnce {
            return Err(Error::taken(format!(
                "another process runs restore {id:?} on {folder}/{}: with DELIVERY=at-least-once two concurrent ones \
                 write records twice; this one stops",
                self.partition
            )));
        }
        if let Some((newer, version)) = Checkpoint::load(restore.store.as_ref(), id, folder, self.partition).await? {
            self.topic.check_checkpoint(&newer).await?;
            let mine = std::mem::replace(&mut self.checkpoint, newer);
            // If not, the other one is still running.
            self.checkpoint.settled &= mine.settled;
            self.checkpoint.progress = self.checkpoint.progress.clone().merge(mine.progress);
            self.checkpoint.records = self.checkpoint.records.max(mine.records);
            self.checkpoint.bytes = self.checkpoint.bytes.max(mine.bytes);
            self.checkpoint.spans.unite(&mine.spans);
            self.checkpoint.gaps = std::mem::take(&mut self.checkpoint.gaps).merge(mine.gaps);
            for what in mine.skipped {
                self.skip(what);
            }
            self.version = Some(version);
        } else {
            self.version = None;
        }
        Ok(())
    }
}

impl TopicRestore {
    /// The checkpoint of a partition, with the version to replace.
    pub(crate) async fn checkpoint_of(&self, partition: i32) -> Result<(Checkpoint, Option<Version>)> {
        let (store, id, folder) = (self.restore.store.as_ref(), self.restore.id(), &self.source.folder);
        let Some((found, version)) = Checkpoint::load(store, id, folder, partition).await? else {
            return Ok((Checkpoint::new(partition), None));
        };
        self.check_checkpoint(&found).await?;
        Ok((found, Some(version)))
    }

    /// A checkpoint of another restore with the same id says nothing about this one.
    async fn check_checkpoint(&self, found: &Checkpoint) -> Result<()> {
        if found.run == self.known().await?.identity.run {
            return Ok(());
        }
        let name = names::checkpoint(self.restore.id(), &self.source.folder, found.partition);
        let location = self.restore.store.location(&name);
        Err(Error::taken(format!("{location} belongs to another restore with the same RESTORE_ID; choose a new RESTORE_ID")))
    }
}
