//! One source partition: its next segment or archive, and its writer.

use archive::catalog::{Done, PartitionStrategy, RestoreCommit, RestoreProgress, SegmentEntry, Spans, names, pair};
use archive::{Error, Result};
use host::Paced;
use kafka::{Delivery, KafkaErrorKind, RecordWriter, WriterName};
use kernel::clock::{Millis, age};
use kernel::{in_full, lock};

use crate::Progress;
use crate::archives::Archive;
use crate::coming::Coming;
use crate::pace::Pace;
use crate::progress::Committed;
use crate::ready::Ready;
use crate::replay::Open;
use crate::topic::TopicRestore;

/// With transactions, which include the progress, a checkpoint is for observers, and in case Kafka
/// forgets the progress. (One per transaction in builds with failpoints.)
const BETWEEN_CHECKPOINTS: Millis = if cfg!(feature = "failpoints") { 0 } else { 10_000 };

/// With so few segments left, the next partitions are looked up.
const NEARLY_DONE: usize = 8;

/// What is next for a partition.
#[derive(Debug)]
pub(crate) enum Next {
    /// An archive of the Python tool.
    Archive(Archive),
    /// One of our segments, from the progress.
    Segment(SegmentEntry),
}

/// The Python tool's archives. They are older than our segments: none follows the last one.
#[derive(Debug)]
pub(crate) enum Archives {
    /// The next one was found, as far as the checkpoint goes.
    Found(Archive),
    /// There may be more.
    ToFind,
    Done,
}

/// The state of the writer. Records can be written only while it is open.
#[derive(Debug)]
pub(crate) enum WriterState {
    /// This invocation has not opened it: the checkpoint in the bucket does not depend on it.
    Unopened,
    Open(Box<dyn RecordWriter>),
    /// All that was written is committed.
    Closed,
    /// It was dropped with what was not committed. `leaves_records`: without transactions some of
    /// that can be in the target.
    GivenUp {
        leaves_records: bool,
    },
    /// A commit was requested and its result is unknown.
    InDoubt,
}

/// A running restore of one source partition.
pub(crate) struct PartitionRestore<'r> {
    pub(crate) topic: &'r TopicRestore,
    pub(crate) partition: i32,
    /// The source offset at which its restore ends; `None`: it follows the backup.
    pub(crate) cut: Option<i64>,
    /// What is committed.
    pub(crate) committed: Committed<'r>,
    /// The progress of what was written. The uncommitted part is in `open`.
    pub(crate) reached: RestoreProgress,
    pub(crate) open: Open,
    /// The size of the next transaction.
    pub(crate) pace: Pace,
    /// The largest record that was written, in its own batch and without compression, in bytes.
    pub(crate) largest: u64,
    pub(crate) writer: WriterState,
    pub(crate) coming: Coming,
    archives: Archives,
    /// Another invocation is ahead: what is being replayed is behind.
    pub(crate) is_overtaken: bool,
    /// The last segment does not count as replayed: it was outside the time range, or has to be
    /// read again.
    pub(crate) is_uncounted: bool,
    /// Start of a segment that was damaged in one read and valid in another.
    pub(crate) doubted: Option<i64>,
    /// The share of BYTES_PER_SECOND.
    pub(crate) paced: Paced,
    /// Called when it will end soon.
    nearly_done: &'r NearlyDone<'r>,
    /// Nothing was left to restore.
    is_at_end: bool,
}

/// Called when the restore of a partition will end soon; it may be called many times.
pub(crate) type NearlyDone<'r> = dyn Fn() + Send + Sync + 'r;

impl TopicRestore {
    /// Restores the next segments of a partition, up to `left`. Its result must be settled.
    /// `nearly_done` is called when it will end soon.
    pub(crate) async fn restore_partition<'r>(
        &'r self,
        partition: i32,
        ready: Option<Ready>,
        left: &mut u64,
        nearly_done: &'r NearlyDone<'r>,
    ) -> Result<PartitionRestore<'r>> {
        let ready = match ready {
            Some(ready) => ready,
            None => self.make_ready(partition).await?,
        };
        let mut restore = PartitionRestore::new(self, partition, ready, nearly_done);
        lock(&self.report).see(&restore.committed.checkpoint);
        match restore.go_on(left).await {
            Ok(()) => Ok(restore),
            Err(error) => Err(restore.failed(error).await),
        }
    }

    /// Notes how far the restore of a partition is, of which all that was written is committed.
    pub(crate) async fn settle_partition(&self, mut restore: PartitionRestore<'_>) -> Result<()> {
        if let Err(error) = restore.settle().await {
            return Err(restore.failed(error).await);
        }
        lock(&self.report).see(&restore.committed.checkpoint);
        Ok(())
    }

    /// It includes the run: a new writer fences the previous one, and another restore with the same
    /// RESTORE_ID (of another bucket, or into another topic) must not fence this one.
    fn writer_name(&self, run: &str, partition: i32) -> WriterName {
        let id = format!("{}{}.{run}.{}.{partition}", RestoreCommit::GROUPS, self.restore.id(), self.source.folder);
        WriterName { topic: self.source.target.clone(), id }
    }
}

impl<'r> PartitionRestore<'r> {
    fn new(topic: &'r TopicRestore, partition: i32, ready: Ready, nearly_done: &'r NearlyDone<'r>) -> Self {
        let Ready { checkpoint, version, archives, coming } = ready;
        let committed = Committed::new(topic, partition, checkpoint, version);
        Self {
            topic,
            partition,
            cut: topic.source.cut_of(partition),
            reached: committed.checkpoint.progress.clone(),
            committed,
            open: Open::default(),
            pace: Pace::new(topic.restore.settings.kafka.transaction_timeout()),
            largest: 0,
            writer: WriterState::Unopened,
            coming,
            archives,
            is_overtaken: false,
            is_uncounted: false,
            doubted: None,
            paced: topic.restore.rate.thread(),
            nearly_done,
            is_at_end: false,
        }
    }

    /// Keeps what can be kept, and gives the error for the report.
    async fn failed(&mut self, error: Error) -> Error {
        self.give_up(&error).await;
        let topic = self.topic;
        lock(&topic.report).see(&self.committed.checkpoint);
        match error {
            Error::Kafka(refused) if refused.kind == KafkaErrorKind::RecordTooLarge => {
                topic.restore.too_large(&topic.source, &topic.target, self.largest, refused).into()
            }
            error => error,
        }
    }

    /// Restores up to `left` segments, and commits them.
    async fn go_on(&mut self, left: &mut u64) -> Result<()> {
        while let Some(next) = self.next().await? {
            self.tell_if_nearly_done(*left);
            if !self.is_open() {
                self.check(&next).await?;
                // Opening settles and fences; only now is the progress final, and it can be ahead
                // of the checkpoint.
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
                return self.end_writing().await;
            }
        }
        self.tell_if_nearly_done(*left);
        self.check_lost()?;
        self.end_writing().await?;
        self.is_at_end = true;
        Ok(())
    }

    /// Commits what is open. Nothing is written or read any more.
    async fn end_writing(&mut self) -> Result<()> {
        self.commit_open().await?;
        if self.is_open() {
            self.writer = WriterState::Closed;
        }
        self.coming.give_up();
        Ok(())
    }

    /// Notes how far it is. The next partition may be restored meanwhile.
    async fn settle(&mut self) -> Result<()> {
        self.close().await?;
        if self.is_at_end { self.tell_end().await } else { Ok(()) }
    }

    fn tell_if_nearly_done(&self, left: u64) {
        let is_last = |segments: usize| segments <= NEARLY_DONE && (segments as u64) < left;
        if self.is_at_cut() || self.coming.left().is_some_and(is_last) {
            (self.nearly_done)();
        }
    }

    /// Nothing is left to restore: permanently if there is a cut, otherwise for now.
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

    /// A partition without anything in the bucket: usually it never had a record. And one whose end
    /// existed, and no longer does.
    fn check_lost(&mut self) -> Result<()> {
        let nothing_yet = self.reached.next == 0 && self.reached.inside.is_none();
        let Some(what) = self.topic.source.what_is_lost(self.partition).filter(|_| nothing_yet) else {
            let loss = self.topic.restore.loss_at_end(&self.topic.source, self.partition, self.reached.next).transpose()?;
            loss.into_iter().for_each(|what| self.committed.skip(what));
            return Ok(());
        };
        let (settings, advice) = (&self.topic.restore.settings, self.topic.source.compaction_advice());
        if settings.skip_damaged || settings.is_allowed("expired") || settings.is_allowed("missing") {
            self.committed.skip(format!("{what}{advice}"));
            return Ok(());
        }
        Err(Error::lost(format!(
            "{what}{advice}. Restore them, or continue without them: RESTORE_ANYWAY=expired if the bucket's lifecycle \
             rules deleted them, otherwise SKIP_DAMAGED=true"
        )))
    }

    /// Commits what is open, and records that it is all.
    async fn close(&mut self) -> Result<()> {
        self.commit_open().await?;
        if !matches!(self.writer, WriterState::Unopened) {
            self.topic.confirm(self.committed.checkpoint.records).await?;
            self.save(true).await?;
        }
        Ok(())
    }

    /// Keeps what can be kept after an error: segments that were completely written before it, and
    /// a checkpoint that shows whether there is more.
    async fn give_up(&mut self, error: &Error) {
        // The invocation that fences this one continues the work, and records its progress.
        let has_begun = !matches!(self.writer, WriterState::Unopened);
        if !has_begun || matches!(error, Error::Kafka(error) if error.kind == KafkaErrorKind::Fenced) {
            return;
        }
        // What the writer refused is lost with it. The last checksum of a segment in progress was
        // not compared.
        if !matches!(error, Error::Kafka(_))
            && self.reached.inside.is_none()
            && let Err(error) = self.commit_open().await
        {
            tracing::warn!(partition = self.partition, "earlier records are not committed: {}", in_full(&error));
        }
        if !matches!(self.writer, WriterState::InDoubt)
            && let Err(error) = self.save(true).await
        {
            tracing::warn!(partition = self.partition, "the checkpoint is not written: {}", in_full(&error));
        }
    }

    /// What follows the written records: the Python tool's archives first, because they are older,
    /// then our segments by offset.
    async fn next(&mut self) -> Result<Option<Next>> {
        let (store, folder) = (self.topic.restore.store.as_ref(), &self.topic.source.folder_of(self.partition));
        if self.is_at_cut() {
            return Ok(None);
        }
        if self.reached.inside.is_none() && !matches!(self.archives, Archives::Done) {
            if let Archives::Found(archive) = std::mem::replace(&mut self.archives, Archives::ToFind) {
                return Ok(Some(Next::Archive(archive)));
            }
            if let Some(archive) = Archive::find_next(store, folder, self.partition, self.reached.archives.as_ref()).await? {
                return Ok(Some(Next::Archive(archive)));
            }
            self.archives = Archives::Done;
        }
        let from = self.reached.inside.unwrap_or(self.reached.next);
        match self.coming.segment(from).await? {
            None => Ok(None),
            // All of it is after the cut. What is missing up to the cut is reported at the end.
            Some(entry) if self.cut.is_some_and(|cut| entry.start >= cut) => Ok(None),
            // Without a writer the final progress is unknown: what is missing may be in the target.
            Some(entry) if entry.start == from || !self.is_open() => Ok(Some(Next::Segment(entry))),
            Some(entry) => self.skip_missing(from, entry).map(Some),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.writer, WriterState::Open(_))
    }

    /// Whether nothing below the cut is left.
    pub(crate) fn is_at_cut(&self) -> bool {
        self.cut.is_some_and(|cut| self.reached.next >= cut)
    }

    /// This offset, or the cut if that is lower.
    pub(crate) fn up_to_cut(&self, offset: i64) -> i64 {
        self.cut.map_or(offset, |cut| cut.min(offset))
    }

    /// A hole in the chain: segments were deleted. It is skipped only if the user asked for that,
    /// and then recorded.
    fn skip_missing(&mut self, from: i64, entry: SegmentEntry) -> Result<Next> {
        let settings = &self.topic.restore.settings;
        let location = self.topic.restore.store.location(&entry.name);
        let what = format!(
            "offsets {from} to {} of {}/{} are missing: the next segment is {location}",
            entry.start,
            self.topic.source.folder_of(self.partition),
            self.partition
        );
        // Before everything that is left, as an expiry of old objects deletes them.
        let in_front = from == 0 && self.reached.inside.is_none();
        let what = what + if in_front { self.topic.source.compaction_advice() } else { "" };
        let is_allowed = settings.skip_damaged || (in_front && settings.is_allowed("expired"));
        if !is_allowed {
            let expired = if in_front { ", or RESTORE_ANYWAY=expired if the bucket's lifecycle rules delete old segments," } else { "" };
            return Err(Error::lost(format!("{what}. Restore the missing segments{expired} or set SKIP_DAMAGED=true to skip them")));
        }
        self.committed.skip(what);
        self.reached.next = entry.start;
        self.reached.inside = None;
        Ok(Next::Segment(entry))
    }

    /// Opens the writer and merges its progress, which can be ahead of the checkpoint.
    ///
    /// With transactions the group has progress from now on, and the checkpoint shows that. If it
    /// is missing later, Kafka has forgotten it, and it is unknown what was committed after the
    /// checkpoint.
    async fn open_writer(&mut self) -> Result<()> {
        let settings = &self.topic.restore.settings;
        let identity = &self.topic.begin().await?.identity;
        let name = self.topic.writer_name(&identity.run, self.partition);
        let mut writer = self.topic.restore.cluster.open(&name, settings.delivery).await?;
        self.pace.fit(writer.transaction_timeout());
        let committed = writer.progress().await?;
        // Kafka's progress is deleted with the topic.
        if committed.is_none() && self.committed.checkpoint.records > 0 {
            self.topic.confirm(self.committed.checkpoint.records).await?;
        }
        let before = self.reached.clone();
        let found = committed.as_ref().and_then(|committed| RestoreCommit::read(committed, &identity.run));
        // Nothing that was skipped since the checkpoint is in the target, if the content of the
        // target is known.
        let is_certain = match &self.writer {
            WriterState::GivenUp { leaves_records } => !leaves_records,
            _ => found.is_some() || self.committed.checkpoint.settled,
        };
        match found {
            Some(commit) => {
                let checkpoint = &mut self.committed.checkpoint;
                checkpoint.records = checkpoint.records.max(commit.records);
                checkpoint.bytes = checkpoint.bytes.max(commit.bytes);
                self.committed.pending.unite(&commit.spans);
                checkpoint.progress = checkpoint.progress.clone().merge(commit.progress.clone());
                self.reached = before.merge(commit.progress);
            }
            None if settings.delivery == Delivery::ExactlyOnce => {
                if !self.committed.checkpoint.settled {
                    self.refuse_lost_progress(&name.id)?;
                }
                let (records, bytes) = (self.committed.checkpoint.records, self.committed.checkpoint.bytes);
                writer.commit(&RestoreCommit::new(&identity.run, before, records, bytes).to_committed()).await?;
            }
            None => {}
        }
        self.writer = WriterState::Open(writer);
        self.committed.checkpoint.run.clone_from(&identity.run);
        self.committed.go_past(&self.reached, is_certain);
        self.save(false).await
    }

    fn refuse_lost_progress(&self, group: &str) -> Result<()> {
        let topic = self.topic;
        let what = format!(
            "the progress of {}/{} in Kafka is missing (group {group:?}: it expired, offsets.retention.minutes, or \
             was deleted; with DELIVERY=at-least-once there never was any) and the last run of this restore was \
             killed, so it is unknown which records after offset {} of the source are in {:?}",
            topic.source.folder, self.partition, self.committed.checkpoint.progress.next, topic.source.target
        );
        if topic.restore.settings.is_allowed("lost-progress") {
            tracing::warn!("{what}; continuing there anyway (RESTORE_ANYWAY=lost-progress)");
            return Ok(());
        }
        Err(Error::lost(format!(
            "{what}. Restore into a new topic with a new RESTORE_ID; or check the end of the topic, and continue with \
             RESTORE_ANYWAY=lost-progress if they are not there"
        )))
    }

    /// Commits what was written since the last commit, if anything.
    pub(crate) async fn commit_open(&mut self) -> Result<()> {
        match self.writer {
            WriterState::Open(_) if self.reached != self.committed.checkpoint.progress => return self.commit().await,
            // What was written was dropped with it; what was skipped was not.
            WriterState::GivenUp { leaves_records } => self.committed.go_past(&self.reached, !leaves_records),
            WriterState::Open(_) | WriterState::Closed | WriterState::Unopened | WriterState::InDoubt => {}
        }
        Ok(())
    }

    /// Waits until everything written is with the brokers, and commits it together with the
    /// progress.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        let topic = self.topic;
        // The transaction moves the progress past what was skipped, and it would never be reported
        // again.
        if self.committed.is_untold {
            self.save(false).await?;
        }
        let identity = &topic.known().await?.identity;
        let before = topic.restore.clock.now();
        {
            let WriterState::Open(writer) = &mut self.writer else { return Err(Error::bug("commit without a writer")) };
            // Recorded with the records, which are committed later if anything fails before.
            self.open.written.extend(writer.flush().await?);
        }
        let spans = if identity.choice.strategy == PartitionStrategy::Same { self.open_spans() } else { Spans::default() };
        let in_all = (self.committed.checkpoint.records + self.open.records, self.committed.checkpoint.bytes + self.open.bytes as u64);
        let commit = RestoreCommit::new(&identity.run, self.reached.clone(), in_all.0, in_all.1);
        let mut with_spans = commit.clone().with(self.with_pending(&spans));
        let mut fits = with_spans.fits();
        if !fits && !self.committed.pending.is_empty() {
            self.save(false).await?;
            with_spans = commit.with(spans.clone());
            fits = with_spans.fits();
        }
        let open = std::mem::take(&mut self.open);
        let WriterState::Open(writer) = &mut self.writer else { return Err(Error::bug("commit without a writer")) };
        if let Err(error) = writer.commit(&with_spans.to_committed()).await {
            self.writer = WriterState::InDoubt;
            return Err(error.into());
        }
        // Not earlier: the records of a failed transaction are nowhere.
        self.committed.pending.unite(&spans);
        if open.records > 0 {
            self.pace.took(open.bytes, open.waited + topic.restore.clock.now() - before);
        }
        let offsets = u64::try_from(self.reached.next - self.committed.checkpoint.progress.next).unwrap_or(0);
        self.committed.checkpoint.progress = self.reached.clone();
        (self.committed.checkpoint.records, self.committed.checkpoint.bytes) = in_all;
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
        // Without transactions the checkpoint is the only progress.
        let is_due = topic.restore.settings.delivery == Delivery::AtLeastOnce
            || !fits
            || age(self.committed.checkpoint.at, topic.restore.clock.now()) >= BETWEEN_CHECKPOINTS;
        if is_due {
            self.save(false).await?;
        }
        Ok(())
    }

    /// Where the records of the next commit are.
    fn open_spans(&self) -> Spans {
        let covered = self.committed.checkpoint.progress.next..self.reached.next;
        pair(covered, &self.open.sources, &self.open.written).into_iter().collect()
    }

    fn with_pending(&self, spans: &Spans) -> Spans {
        let mut all = self.committed.pending.clone();
        all.unite(spans);
        all
    }

    /// Writes the checkpoint, and merges what another invocation wrote in between. `settled`:
    /// nothing will be committed after it.
    pub(crate) async fn save(&mut self, settled: bool) -> Result<()> {
        self.committed.save(settled).await?;
        let before = self.reached.clone();
        self.reached = before.clone().merge(self.committed.checkpoint.progress.clone());
        self.is_overtaken |= self.reached != before;
        Ok(())
    }
}
