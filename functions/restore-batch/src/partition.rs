//! One source partition: its checkpoint, what comes next, and the writer that takes it.

use archive::catalog::{
    Checkpoint, Done, Gap, GapReason, PartitionStrategy, RestoreCommit, RestoreProgress, SegmentEntry, Span, names, pair,
};
use archive::{Error, Result};
use kafka::{Delivery, KafkaErrorKind, RecordWriter, WriterName};
use kernel::clock::{Millis, age};
use kernel::{in_full, lock};
use store::{StoreError, StoreErrorKind, Version};

use crate::Progress;
use crate::archives::Archive;
use crate::coming::Coming;
use crate::pace::Pace;
use crate::replay::Open;
use crate::topic::TopicRestore;

/// A checkpoint is written when more spans than this wait for one: they stand in a commit's metadata, which has 4,096 bytes.
const SPANS_BETWEEN_CHECKPOINTS: usize = 24;

/// With transactions, which take the progress along, a checkpoint is for those who look, and for the day that Kafka forgets the progress. (One
/// behind each transaction where kills beside each step are tested.)
const BETWEEN_CHECKPOINTS: Millis = if cfg!(feature = "failpoints") { 0 } else { 10_000 };

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
#[expect(clippy::struct_excessive_bools, reason = "2026-11-29: until its rewrite for many topics, into progress, transaction and loop")]
pub(crate) struct PartitionRestore<'r> {
    pub(crate) topic: &'r TopicRestore,
    pub(crate) partition: i32,
    /// The source offset at which its restore ends; `None`: it goes on with whatever is backed up.
    pub(crate) cut: Option<i64>,
    /// What is committed.
    pub(crate) checkpoint: Checkpoint,
    version: Option<Version>,
    /// How far what was written is. What of it is not committed is in `open`.
    pub(crate) reached: RestoreProgress,
    pub(crate) open: Open,
    /// How much the next transaction takes along.
    pub(crate) pace: Pace,
    /// No record that was written has more bytes, in a batch of its own and without compression.
    pub(crate) largest: u64,
    pub(crate) writer: Option<Box<dyn RecordWriter>>,
    pub(crate) coming: Coming,
    /// The Python tool's archives are older than our segments: none comes behind the last one.
    archives_are_done: bool,
    /// Spans that no checkpoint tells of yet.
    pending_spans: Vec<Span>,
    /// Another invocation has gone further meanwhile: what is being replayed is behind.
    pub(crate) is_overtaken: bool,
    /// The last segment does not count as one that was replayed: it was of another time, or has to be read once more.
    pub(crate) is_uncounted: bool,
    /// Where a segment starts that was damaged once and sound once.
    pub(crate) doubted: Option<i64>,
    /// Whether something was left out that no checkpoint tells of yet.
    is_untold: bool,
    /// Whether the checkpoint in the bucket says that this invocation is at work.
    has_begun: bool,
    /// Whether a commit was asked for and nobody knows what became of it.
    in_doubt: bool,
}

impl TopicRestore {
    /// Restores what comes next of a partition, up to `left` segments.
    pub(crate) async fn restore_partition(&self, partition: i32, left: &mut u64) -> Result<()> {
        let mut restore = PartitionRestore::load(self, partition).await?;
        lock(&self.report).see(&restore.checkpoint);
        let ended = restore.go_on(left).await;
        if let Err(error) = &ended {
            restore.give_up(error).await;
        }
        lock(&self.report).see(&restore.checkpoint);
        ended.map_err(|error| match error {
            Error::Kafka(refused) if refused.kind == KafkaErrorKind::RecordTooLarge => {
                self.restore.too_large(&self.source, &self.target, restore.largest, refused).into()
            }
            error => error,
        })
    }

    /// A checkpoint of another restore that had the same id tells nothing of this one.
    async fn check_checkpoint(&self, found: &Checkpoint) -> Result<()> {
        if found.run == self.known().await?.identity.run {
            return Ok(());
        }
        let name = names::checkpoint(self.restore.id(), &self.source.folder, found.partition);
        let location = self.restore.store.location(&name);
        Err(Error::taken(format!("{location} is of another restore that had the same RESTORE_ID; choose a new RESTORE_ID")))
    }

    /// The run is in it: whoever opens a writer fences the one before, and another restore that happens to have the same RESTORE_ID (of another bucket,
    /// or into another topic) must not fence this one.
    fn writer_name(&self, run: &str, partition: i32) -> WriterName {
        let id = format!("{}{}.{run}.{}.{partition}", RestoreCommit::GROUPS, self.restore.id(), self.source.folder);
        WriterName { topic: self.source.target.clone(), id }
    }
}

impl<'r> PartitionRestore<'r> {
    async fn load(topic: &'r TopicRestore, partition: i32) -> Result<Self> {
        let found = Checkpoint::load(topic.restore.store.as_ref(), topic.restore.id(), &topic.source.folder, partition).await?;
        let (checkpoint, version) = match found {
            Some((found, version)) => {
                topic.check_checkpoint(&found).await?;
                (found, Some(version))
            }
            None => (Checkpoint::new(partition), None),
        };
        let store = &topic.restore.store;
        Ok(Self {
            topic,
            partition,
            cut: topic.source.cut_of(partition),
            reached: checkpoint.progress.clone(),
            checkpoint,
            version,
            open: Open::default(),
            pace: Pace::new(topic.restore.settings.kafka.transaction_timeout()),
            largest: 0,
            writer: None,
            coming: Coming::new(
                store.clone(),
                &topic.source.folder_of(partition),
                partition,
                topic.restore.read_options(&topic.shared.invocation.budget),
                topic.restore.settings.times,
            ),
            archives_are_done: false,
            pending_spans: Vec::new(),
            is_overtaken: false,
            is_uncounted: false,
            doubted: None,
            is_untold: false,
            has_begun: false,
            in_doubt: false,
        })
    }

    async fn go_on(&mut self, left: &mut u64) -> Result<()> {
        while let Some(next) = self.next().await? {
            if self.writer.is_none() {
                self.topic.check(&next).await?;
                // Opening settles and fences; only now is the progress final, and it can be further than the checkpoint said.
                self.open_writer().await?;
                continue;
            }
            self.coming.looks_ahead = *left > 1 || self.is_uncounted;
            (self.is_overtaken, self.is_uncounted) = (false, false);
            match next {
                Next::Archive(archive) => self.replay_archive(&archive).await?,
                Next::Segment(entry) => self.replay_segment(&entry).await?,
            }
            *left -= u64::from(!self.is_uncounted);
            if *left == 0 || self.topic.shared.is_spent() {
                return self.close().await;
            }
        }
        self.check_lost()?;
        self.close().await?;
        self.tell_end().await
    }

    /// Nothing is left to restore: for good where there is a cut, otherwise for now.
    async fn tell_end(&mut self) -> Result<()> {
        let TopicRestore { restore, source, shared, .. } = self.topic;
        if let Some(noted) = shared.identity.get().filter(|_| self.cut.is_some()) {
            Done::mark(restore.store.as_ref(), restore.id(), &noted.run, &source.folder, self.partition).await?;
            shared.count_done();
        } else {
            let folder = names::partition_prefix(&source.folder_of(self.partition), self.partition);
            tracing::info!("waiting for more files in {}", restore.store.location(&folder));
        }
        lock(&self.topic.report).caught_up(self.partition);
        Ok(())
    }

    /// A partition of which nothing is in the bucket: as a rule nothing was ever written to it. And one whose end was there, and is not any more.
    fn check_lost(&mut self) -> Result<()> {
        let nothing_yet = self.reached.next == 0 && self.reached.inside.is_none();
        let Some(what) = self.topic.source.what_is_lost(self.partition).filter(|_| nothing_yet) else {
            let loss = self.topic.restore.loss_at_end(&self.topic.source, self.partition, self.reached.next).transpose()?;
            loss.into_iter().for_each(|what| self.skip(what));
            return Ok(());
        };
        let (settings, advice) = (&self.topic.restore.settings, self.topic.source.compaction_advice());
        if settings.skip_damaged || settings.is_allowed("expired") || settings.is_allowed("missing") {
            self.skip(format!("{what}{advice}"));
            return Ok(());
        }
        Err(Error::lost(format!(
            "{what}{advice}. Put them back, or go on without them: RESTORE_ANYWAY=expired if the bucket's rules deleted them, else SKIP_DAMAGED=true"
        )))
    }

    /// Commits what is open, and notes that it is all.
    async fn close(&mut self) -> Result<()> {
        self.commit_open().await?;
        if self.has_begun {
            self.topic.confirm(self.checkpoint.records).await?;
            self.save(true).await?;
        }
        Ok(())
    }

    /// Keeps what can be kept after an error: segments that were written whole before it, and a checkpoint that says whether there is more.
    async fn give_up(&mut self, error: &Error) {
        // Whoever fences goes on with the work, and says how far it is.
        if !self.has_begun || matches!(error, Error::Kafka(error) if error.kind == KafkaErrorKind::Fenced) {
            return;
        }
        // What the writer refused is lost with it. Of a segment that was begun, its last checksum was not compared.
        if !matches!(error, Error::Kafka(_))
            && self.reached.inside.is_none()
            && let Err(error) = self.commit_open().await
        {
            tracing::warn!(partition = self.partition, "what was written before is not committed: {}", in_full(&error));
        }
        if !self.in_doubt
            && let Err(error) = self.save(true).await
        {
            tracing::warn!(partition = self.partition, "the checkpoint is not written: {}", in_full(&error));
        }
    }

    /// What comes behind what was written: the Python tool's archives first, because they are older, then our segments by offset.
    async fn next(&mut self) -> Result<Option<Next>> {
        let (store, folder) = (self.topic.restore.store.as_ref(), &self.topic.source.folder_of(self.partition));
        if self.is_at_cut() {
            return Ok(None);
        }
        if self.reached.inside.is_none() && !self.archives_are_done {
            if let Some(archive) = Archive::find_next(store, folder, self.partition, self.reached.archives.as_ref()).await? {
                return Ok(Some(Next::Archive(archive)));
            }
            self.archives_are_done = true;
        }
        let from = self.reached.inside.unwrap_or(self.reached.next);
        match self.coming.segment(from).await? {
            None => Ok(None),
            // All of it is behind the cut. What is missing up to there is told at the end.
            Some(entry) if self.cut.is_some_and(|cut| entry.start >= cut) => Ok(None),
            // Without a writer it is not known yet how far the restore is: what is missing may be in the target.
            Some(entry) if entry.start == from || self.writer.is_none() => Ok(Some(Next::Segment(entry))),
            Some(entry) => self.skip_missing(from, entry).map(Some),
        }
    }

    /// Whether nothing below the cut is left.
    pub(crate) fn is_at_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.reached.next >= cut)
    }

    /// This offset, or the cut where that is lower.
    pub(crate) fn up_to_cut(&self, offset: i64) -> i64 {
        self.cut.map_or(offset, |cut| cut.min(offset))
    }

    /// A hole in the chain: segments were taken away. Only gone over when the user said so, and then noted.
    fn skip_missing(&mut self, from: i64, entry: SegmentEntry) -> Result<Next> {
        let settings = &self.topic.restore.settings;
        let location = self.topic.restore.store.location(&entry.name);
        let what = format!(
            "offsets {from} to {} of {}/{} are missing: the next segment is {location}",
            entry.start,
            self.topic.source.folder_of(self.partition),
            self.partition
        );
        // In front of all that is left, as an expiry of old objects takes them away.
        let in_front = from == 0 && self.reached.inside.is_none();
        let what = what + if in_front { self.topic.source.compaction_advice() } else { "" };
        let is_allowed = settings.skip_damaged || (in_front && settings.is_allowed("expired"));
        if !is_allowed {
            let expired = if in_front { ", or RESTORE_ANYWAY=expired if the bucket's rules delete old segments," } else { "" };
            return Err(Error::lost(format!(
                "{what}. Put the missing segments back{expired} or set SKIP_DAMAGED=true to go on without them"
            )));
        }
        self.skip(what);
        self.reached.next = entry.start;
        self.reached.inside = None;
        Ok(Next::Segment(entry))
    }

    /// Notes what was left out, for the report and for good.
    pub(crate) fn skip(&mut self, what: String) {
        tracing::warn!(partition = self.partition, "skipped: {what}");
        if !self.checkpoint.skipped.contains(&what) {
            self.checkpoint.skipped.push(what);
            self.is_untold = true;
        }
    }

    /// Tells of offsets that the backup never had, for the report and for good.
    pub(crate) fn tell_gap(&mut self, gap: &Gap) {
        let gap = &Gap { to: self.cut.map_or(gap.to, |cut| cut.min(gap.to)), ..gap.clone() };
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

    /// Opens the writer and merges its progress, which can be further than the checkpoint.
    ///
    /// With transactions the group has progress from now on, and the checkpoint says that it has: should it be missing one day, then because
    /// Kafka forgot it, and nobody knows what was committed behind the checkpoint.
    async fn open_writer(&mut self) -> Result<()> {
        let settings = &self.topic.restore.settings;
        let identity = &self.topic.begin().await?.identity;
        let name = self.topic.writer_name(&identity.run, self.partition);
        let mut writer = self.topic.restore.cluster.open(&name, settings.delivery).await?;
        self.pace.fit(writer.transaction_timeout());
        let committed = writer.progress().await?;
        // Kafka's progress goes with the topic.
        if committed.is_none() && self.checkpoint.records > 0 {
            self.topic.confirm(self.checkpoint.records).await?;
        }
        let before = self.reached.clone();
        match committed.as_ref().and_then(|committed| RestoreCommit::read(committed, &identity.run)) {
            Some(commit) => {
                self.reached = before.clone().merge(commit.progress);
                self.checkpoint.records = self.checkpoint.records.max(commit.records);
                self.checkpoint.note(commit.spans);
            }
            None if settings.delivery == Delivery::ExactlyOnce => {
                if !self.checkpoint.settled {
                    self.refuse_lost_progress(&name.id)?;
                }
                writer.commit(&RestoreCommit::new(&identity.run, before.clone(), self.checkpoint.records, &[]).to_committed()).await?;
            }
            None => {}
        }
        self.writer = Some(writer);
        self.checkpoint.run.clone_from(&identity.run);
        self.checkpoint.progress = self.reached.clone();
        self.has_begun = true;
        self.save(false).await
    }

    fn refuse_lost_progress(&self, group: &str) -> Result<()> {
        let topic = self.topic;
        let what = format!(
            "the progress of {}/{} in Kafka is gone (group {group:?}: it expired, offsets.retention.minutes, or was deleted) and the last run of \
             this restore was killed, so nobody knows which records after offset {} of the source are in {:?}",
            topic.source.folder, self.partition, self.checkpoint.progress.next, topic.source.target
        );
        if topic.restore.settings.is_allowed("lost-progress") {
            tracing::warn!("{what}; going on there all the same (RESTORE_ANYWAY=lost-progress)");
            return Ok(());
        }
        Err(Error::lost(format!(
            "{what}. Restore into a new topic with a new RESTORE_ID; or look at the end of the topic, and go on with RESTORE_ANYWAY=lost-progress if \
             they are not there"
        )))
    }

    /// Commits what was written since the last commit, if anything was.
    pub(crate) async fn commit_open(&mut self) -> Result<()> {
        if self.writer.is_none() {
            // What was written was given up with it; what was left out is not.
            self.checkpoint.progress = self.reached.clone();
        }
        if self.reached == self.checkpoint.progress { Ok(()) } else { self.commit().await }
    }

    /// Waits until everything written is with the brokers, and commits it together with the progress.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        let topic = self.topic;
        // The transaction takes the progress past what was left out, and nobody would look at it again.
        if self.is_untold {
            self.save(false).await?;
        }
        let identity = &topic.known().await?.identity;
        let Some(writer) = self.writer.as_mut() else { return Err(Error::bug("commit without a writer")) };
        let before = topic.restore.clock.now();
        let written = writer.flush().await?;
        let open = std::mem::take(&mut self.open);
        if identity.choice.strategy == PartitionStrategy::Same {
            self.pending_spans.extend(pair(&open.sources, &written));
        }
        let in_all = self.checkpoint.records + open.records;
        let commit = RestoreCommit::new(&identity.run, self.reached.clone(), in_all, &self.pending_spans);
        self.in_doubt = true;
        writer.commit(&commit.to_committed()).await?;
        self.in_doubt = false;
        if open.records > 0 {
            self.pace.took(open.bytes, open.waited + topic.restore.clock.now() - before);
        }
        let offsets = u64::try_from(self.reached.next - self.checkpoint.progress.next).unwrap_or(0);
        self.checkpoint.progress = self.reached.clone();
        self.checkpoint.records = in_all;
        lock(&topic.report).wrote(self.partition, open.records, open.left_out);
        for location in &open.finished {
            tracing::info!("restore successful of file {location}");
        }
        if let Some(tell) = topic.shared.invocation.progress.as_ref().filter(|_| open.records > 0) {
            tell(&Progress {
                topic: &topic.source.target,
                partition: self.partition,
                records: open.records,
                bytes: open.bytes as u64,
                offsets,
                object: &open.last,
                done: topic.shared.done(),
            });
        }
        // Without transactions the checkpoint is the only progress there is.
        let is_due = topic.restore.settings.delivery == Delivery::AtLeastOnce
            || self.pending_spans.len() >= SPANS_BETWEEN_CHECKPOINTS
            || age(self.checkpoint.at, topic.restore.clock.now()) >= BETWEEN_CHECKPOINTS;
        if is_due {
            self.save(false).await?;
        }
        Ok(())
    }

    /// Writes the checkpoint. Another invocation can have written one in between: with transactions the two are merged, because each tells
    /// of committed records only; without, two at once would write records twice, and this one stops. `settled`: nothing will be committed
    /// behind it.
    pub(crate) async fn save(&mut self, settled: bool) -> Result<()> {
        let store = self.topic.restore.store.as_ref();
        let (restore_id, folder) = (self.topic.restore.id(), &self.topic.source.folder);
        self.checkpoint.settled = settled;
        for _ in 0..CHECKPOINT_TRIES {
            self.checkpoint.note(std::mem::take(&mut self.pending_spans));
            self.checkpoint.put_spans_away(store, restore_id, folder).await?;
            self.checkpoint.at = self.topic.restore.clock.now();
            match self.checkpoint.save(store, restore_id, folder, self.version.as_ref()).await {
                Ok(version) => {
                    self.version = Some(version);
                    self.is_untold = false;
                    let before = self.reached.clone();
                    self.reached = before.clone().merge(self.checkpoint.progress.clone());
                    self.is_overtaken |= self.reached != before;
                    return Ok(());
                }
                Err(StoreError { kind: StoreErrorKind::Changed | StoreErrorKind::AlreadyExists, .. }) => {
                    self.merge_newer().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::raced(format!(
            "the checkpoint of {}/{} is written by others all the time: are several restores of one RESTORE_ID running?",
            self.topic.source.folder, self.partition
        )))
    }

    async fn merge_newer(&mut self) -> Result<()> {
        let (restore_id, folder) = (self.topic.restore.id(), &self.topic.source.folder);
        if self.topic.restore.settings.delivery == Delivery::AtLeastOnce {
            return Err(Error::taken(format!(
                "another restore of {restore_id:?} works on partition {}: with DELIVERY=at-least-once two at once write records twice; this one stops",
                self.partition
            )));
        }
        if let Some((newer, version)) = Checkpoint::load(self.topic.restore.store.as_ref(), restore_id, folder, self.partition).await? {
            self.topic.check_checkpoint(&newer).await?;
            let mine = std::mem::replace(&mut self.checkpoint, newer);
            // If not, the other one is at work.
            self.checkpoint.settled &= mine.settled;
            self.checkpoint.progress = self.checkpoint.progress.clone().merge(mine.progress);
            self.checkpoint.records = self.checkpoint.records.max(mine.records);
            self.checkpoint.note(mine.spans);
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
