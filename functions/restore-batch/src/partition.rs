//! One source partition: its checkpoint, what comes next, and the writer that takes it.

use shared::catalog::{Checkpoint, RestoreProgress, Run as OffsetRun, SegmentEntry, find_next, names, pair};
use shared::config::PartitionStrategy;
use shared::kafka::{Delivery, RecordWriter, WriterName};
use shared::store::{StoreError, StoreErrorKind, Version};
use shared::{Error, Result};

use crate::archives::Archive;
use crate::{Run, lock};

/// A checkpoint is written before more runs than this wait for one: they stand in a commit's metadata, which has 4,096 bytes.
const RUNS_BETWEEN_CHECKPOINTS: usize = 24;

/// How often a checkpoint is read again and merged when others write it too.
const CHECKPOINT_TRIES: usize = 5;

/// What comes next for a partition.
#[derive(Debug)]
pub(crate) enum Next {
    /// An archive of the Python tool.
    Archive(Archive),
    /// One of our segments, from the progress on.
    Segment(SegmentEntry),
}

/// The restore of one source partition under way.
pub(crate) struct PartitionRestore<'r> {
    pub(crate) run: &'r Run,
    pub(crate) partition: i32,
    pub(crate) checkpoint: Checkpoint,
    version: Option<Version>,
    pub(crate) writer: Option<Box<dyn RecordWriter>>,
    /// Runs that no checkpoint tells of yet.
    pending_runs: Vec<OffsetRun>,
}

impl Run {
    /// Restores what comes next of a partition, up to `left` segments.
    pub(crate) async fn restore_partition(&self, partition: i32, left: &mut u64) -> Result<()> {
        let mut restore = PartitionRestore::load(self, partition).await?;
        lock(&self.report).see(&restore.checkpoint);
        let mut following = restore.next().await?;
        while let Some(next) = following {
            if restore.writer.is_none() {
                self.check(&next).await?;
                // Opening settles and fences; only now is the progress final, and it can be further than the checkpoint said.
                if restore.open_writer().await? {
                    following = restore.next().await?;
                    if following.is_none() {
                        restore.save(true).await?;
                    }
                    continue;
                }
            }
            match next {
                Next::Archive(archive) => restore.replay_archive(&archive).await?,
                Next::Segment(entry) => restore.replay_segment(&entry).await?,
            }
            *left -= 1;
            let ends = *left == 0 || self.is_spent();
            following = if ends { None } else { restore.next().await? };
            // Another invocation can have gone further meanwhile.
            if restore.save(following.is_none()).await? && !ends {
                following = restore.next().await?;
            }
            lock(&self.report).see(&restore.checkpoint);
            if ends {
                return Ok(());
            }
        }
        let folder = names::partition_prefix(&self.source.folder, partition);
        tracing::info!("waiting for more files in {}", self.restore.store.location(&folder));
        lock(&self.report).caught_up(partition);
        Ok(())
    }

    /// A checkpoint of another restore that had the same id tells nothing of this one.
    async fn check_checkpoint(&self, found: &Checkpoint) -> Result<()> {
        if found.run == self.known_identity().await?.run {
            return Ok(());
        }
        let name = names::checkpoint(&self.restore.settings.restore_id, found.partition);
        let location = self.restore.store.location(&name);
        Err(Error::Refused(format!("{location} is of another restore that had the same RESTORE_ID; choose a new RESTORE_ID")))
    }

    fn writer_name(&self, partition: i32) -> WriterName {
        let id = format!("kafka-backup-restore.{}.{partition}", self.restore.settings.restore_id);
        WriterName { topic: self.restore.settings.restore_topic.clone(), id }
    }
}

impl<'r> PartitionRestore<'r> {
    async fn load(run: &'r Run, partition: i32) -> Result<Self> {
        let found = Checkpoint::load(run.restore.store.as_ref(), &run.restore.settings.restore_id, partition).await?;
        let (checkpoint, version) = match found {
            Some((found, version)) => {
                run.check_checkpoint(&found).await?;
                (found, Some(version))
            }
            None => (Checkpoint::new(partition), None),
        };
        Ok(Self { run, partition, checkpoint, version, writer: None, pending_runs: Vec::new() })
    }

    /// What comes behind the progress: the Python tool's archives first, because they are older, then our segments by offset.
    async fn next(&mut self) -> Result<Option<Next>> {
        let (store, folder) = (self.run.restore.store.as_ref(), &self.run.source.folder);
        let progress = &self.checkpoint.progress;
        if progress.inside.is_none()
            && let Some(archive) = Archive::find_next(store, folder, self.partition, progress.archives.as_ref()).await?
        {
            return Ok(Some(Next::Archive(archive)));
        }
        let from = progress.inside.unwrap_or(progress.next);
        match find_next(store, folder, self.partition, from).await? {
            None => Ok(None),
            Some(entry) if entry.start == from => Ok(Some(Next::Segment(entry))),
            Some(entry) => self.skip_missing(from, entry).map(Some),
        }
    }

    /// A hole in the chain: segments were taken away. Only gone over when the user said so, and then noted.
    fn skip_missing(&mut self, from: i64, entry: SegmentEntry) -> Result<Next> {
        let settings = &self.run.restore.settings;
        let location = self.run.restore.store.location(&entry.name);
        let what = format!(
            "offsets {from} to {} of {}/{} are missing: the next segment is {location}",
            entry.start, self.run.source.folder, self.partition
        );
        // In front of all that is left, as an expiry of old objects takes them away.
        let in_front = from == 0 && self.checkpoint.progress.inside.is_none();
        let is_allowed = settings.skip_damaged || (in_front && settings.is_allowed("expired"));
        if !is_allowed {
            let expired = if in_front { ", or RESTORE_ANYWAY=expired if the bucket's rules delete old segments," } else { "" };
            return Err(Error::Refused(format!(
                "{what}. Put the missing segments back{expired} or set SKIP_DAMAGED=true to go on without them"
            )));
        }
        self.skip(what);
        self.checkpoint.progress.next = entry.start;
        self.checkpoint.progress.inside = None;
        Ok(Next::Segment(entry))
    }

    /// Notes what was left out, for the report and for good.
    pub(crate) fn skip(&mut self, what: String) {
        tracing::warn!(partition = self.partition, "skipped: {what}");
        if !self.checkpoint.skipped.contains(&what) {
            self.checkpoint.skipped.push(what);
        }
    }

    /// Opens the writer and merges its progress. Whether that was further than the checkpoint.
    ///
    /// With transactions the group has progress from now on, and the checkpoint says that it has: should it be missing one day, then because
    /// Kafka forgot it, and nobody knows what was committed behind the checkpoint.
    async fn open_writer(&mut self) -> Result<bool> {
        let settings = &self.run.restore.settings;
        let mut writer = self.run.restore.cluster.open(&self.run.writer_name(self.partition), settings.delivery).await?;
        let committed = writer.progress().await?;
        let identity = self.run.begin().await?;
        let before = self.checkpoint.progress.clone();
        match committed.as_ref().and_then(|committed| RestoreProgress::read(committed, &identity.run)) {
            Some((progress, runs)) => {
                self.checkpoint.progress = before.clone().merge(progress);
                self.checkpoint.note(runs);
            }
            None if settings.delivery == Delivery::ExactlyOnce => {
                if !self.checkpoint.settled {
                    self.refuse_lost_progress()?;
                }
                writer.commit(&before.to_committed(&identity.run, &[])).await?;
            }
            None => {}
        }
        self.writer = Some(writer);
        self.checkpoint.run.clone_from(&identity.run);
        self.save(false).await?;
        Ok(self.checkpoint.progress != before)
    }

    fn refuse_lost_progress(&self) -> Result<()> {
        let run = self.run;
        let group = run.writer_name(self.partition).id;
        let what = format!(
            "the progress of {}/{} in Kafka is gone (group {group:?}: it expired, offsets.retention.minutes, or was deleted) and the last run of \
             this restore was killed, so nobody knows which records after offset {} of the source are in {:?}",
            run.source.folder, self.partition, self.checkpoint.progress.next, run.restore.settings.restore_topic
        );
        if run.restore.settings.is_allowed("lost-progress") {
            tracing::warn!("{what}; going on there all the same (RESTORE_ANYWAY=lost-progress)");
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{what}. Restore into a new topic with a new RESTORE_ID; or look at the end of the topic, and go on with RESTORE_ANYWAY=lost-progress if \
             they are not there"
        )))
    }

    /// Waits until everything written is with the brokers, and commits it together with the progress.
    pub(crate) async fn commit(&mut self, progress: RestoreProgress, records: u64, sources: &[(i64, i64)]) -> Result<()> {
        if self.pending_runs.len() >= RUNS_BETWEEN_CHECKPOINTS {
            self.save(false).await?;
        }
        let identity = self.run.known_identity().await?;
        let Some(writer) = self.writer.as_mut() else { return Err(Error::Refused("commit without a writer".into())) };
        let written = writer.flush().await?;
        if identity.strategy == PartitionStrategy::Same {
            self.pending_runs.extend(pair(sources, &written));
        }
        writer.commit(&progress.to_committed(&identity.run, &self.pending_runs)).await?;
        self.checkpoint.progress = progress;
        self.checkpoint.records += records;
        lock(&self.run.report).wrote(self.partition, records);
        // Without transactions the checkpoint is the only progress there is.
        if self.run.restore.settings.delivery == Delivery::AtLeastOnce {
            self.save(false).await?;
        }
        Ok(())
    }

    /// Writes the checkpoint. Another invocation can have written one in between: with transactions the two are merged, because each tells
    /// of committed records only; without, two at once would write records twice, and this one stops. `settled`: nothing will be committed
    /// behind it. Whether there was one to merge with.
    pub(crate) async fn save(&mut self, settled: bool) -> Result<bool> {
        let store = self.run.restore.store.as_ref();
        let restore_id = &self.run.restore.settings.restore_id;
        self.checkpoint.settled = settled;
        let mut merged = false;
        for _ in 0..CHECKPOINT_TRIES {
            self.checkpoint.note(std::mem::take(&mut self.pending_runs));
            self.checkpoint.put_runs_away(store, restore_id).await?;
            self.checkpoint.at = self.run.restore.clock.now();
            match self.checkpoint.save(store, restore_id, self.version.as_ref()).await {
                Ok(version) => {
                    self.version = Some(version);
                    return Ok(merged);
                }
                Err(StoreError { kind: StoreErrorKind::Changed | StoreErrorKind::AlreadyExists, .. }) => {
                    self.merge_newer().await?;
                    merged = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Refused(format!(
            "the checkpoint of partition {} is written by others all the time: are several restores of one RESTORE_ID running?",
            self.partition
        )))
    }

    async fn merge_newer(&mut self) -> Result<()> {
        let restore_id = &self.run.restore.settings.restore_id;
        if self.run.restore.settings.delivery == Delivery::AtLeastOnce {
            return Err(Error::Refused(format!(
                "another restore of {restore_id:?} works on partition {}: with DELIVERY=at-least-once two at once write records twice; this one stops",
                self.partition
            )));
        }
        if let Some((newer, version)) = Checkpoint::load(self.run.restore.store.as_ref(), restore_id, self.partition).await? {
            self.run.check_checkpoint(&newer).await?;
            let mine = std::mem::replace(&mut self.checkpoint, newer);
            // The other one is at work.
            self.checkpoint.settled = false;
            self.checkpoint.progress = self.checkpoint.progress.clone().merge(mine.progress);
            self.checkpoint.records = self.checkpoint.records.max(mine.records);
            self.checkpoint.note(mine.runs);
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
