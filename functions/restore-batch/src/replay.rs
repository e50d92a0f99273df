//! A segment's records into the target: verified first, then written, then committed together with
//! the progress.

use archive::catalog::{Gap, SegmentEntry};
use archive::segment::{Manifest, RecordGroup, SegmentError, SegmentErrorKind, SegmentReader};
use archive::{Error, Result};
use kafka::{Delivery, Queued, Written};
use kernel::clock::Millis;
use kernel::record::Record;

use crate::Restore;
use crate::pace::Pace;
use crate::partition::{Next, PartitionRestore, WriterState};
use crate::strategy::Chooser;
use crate::topic::TopicRestore;

/// The most ranges of source offsets in a transaction; a source with holes has many.
const TRANSACTION_STRETCHES: usize = 1 << 16;

/// The content of the next transaction.
#[derive(Debug, Default)]
pub(crate) struct Open {
    pub(crate) records: u64,
    /// Records outside the time range that it skips.
    pub(crate) left_out: u64,
    pub(crate) bytes: usize,
    /// Time spent waiting for the brokers, in milliseconds.
    pub(crate) waited: Millis,
    /// Source offsets in it, as (first, count) of consecutive ones.
    pub(crate) sources: Vec<(i64, i64)>,
    /// Where they went, as far as the brokers have them.
    pub(crate) written: Vec<Written>,
    since: Option<Millis>,
    /// The locations of the segments and archives that end in it.
    pub(crate) finished: Vec<String>,
    /// The name of the last object with records in it.
    pub(crate) last: String,
}

impl Open {
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.records += 1;
        self.bytes += record.size();
        match self.sources.last_mut() {
            Some((first, count)) if *first + *count == record.offset => *count += 1,
            _ => self.sources.push((record.offset, 1)),
        }
    }

    pub(crate) fn is_full(&mut self, pace: Pace, now: Millis) -> bool {
        let since = *self.since.get_or_insert(now);
        self.is_heavy(pace) || now - since >= pace.lasts
    }

    /// Checked for each record: it does not ask for the time.
    pub(crate) fn is_heavy(&self, pace: Pace) -> bool {
        self.bytes >= pace.bytes || self.sources.len() >= TRANSACTION_STRETCHES || self.waited >= pace.lasts
    }
}

impl TopicRestore {
    /// Whether SKIP_DAMAGED covers it: what is damaged stays unreadable, but what is only too new
    /// or too large for this program does not.
    pub(crate) fn may_skip(&self, damage: &SegmentError) -> bool {
        use SegmentErrorKind::{ChecksumMismatch, Damaged, Misplaced};
        self.restore.settings.skip_damaged && matches!(damage.kind, Damaged | ChecksumMismatch | Misplaced)
    }

    /// Reads a whole segment with new requests, and writes nothing of it.
    async fn read_again(&self, partition: i32, entry: &SegmentEntry) -> Result<()> {
        let Self { restore, source, shared, .. } = self;
        let mut reader = SegmentReader::open(restore.store.clone(), &entry.name, restore.read_options(&shared.invocation.budget)).await?;
        reader.belongs_to(&source.folder_of(partition), source.topic_id_of(partition), partition, entry.start)?;
        while let Some(group) = reader.next_group().await? {
            let mut records = group.records();
            while records.next()?.is_some() {}
        }
        Ok(())
    }

    fn check_segment(&self, manifest: &Manifest) -> Result<()> {
        self.restore.check_segment(&self.source, &self.target, manifest, self.restore.clock.now())
    }
}

impl PartitionRestore<'_> {
    /// Refuses what the target cannot accept, before anything is written. Damage is found when the
    /// segment is read.
    pub(crate) async fn check(&mut self, next: &Next) -> Result<()> {
        let topic = self.topic;
        topic.check_target()?;
        match next {
            Next::Archive(archive) => topic.restore.refuse_without_times(archive),
            Next::Segment(entry) => {
                let Ok(reader) = self.coming.open(entry).await else { return Ok(()) };
                topic.check_segment(reader.manifest())?;
                self.coming.keep(entry, reader, self.reached.next);
                Ok(())
            }
        }
    }

    /// Replays a segment from the progress. A damaged one is refused, or skipped and recorded if
    /// the user asked for that: permanently, so one bad read is not enough.
    pub(crate) async fn replay_segment(&mut self, entry: &SegmentEntry) -> Result<()> {
        let damage = match self.replay_verified(entry).await {
            Err(Error::Segment(damage)) if self.topic.may_skip(&damage) => damage,
            other => return other,
        };
        // A segment that was read once without damage is never skipped.
        if self.doubted == Some(entry.start) {
            return Err(damage.into());
        }
        tracing::warn!(partition = self.partition, "{damage}; reading it a second time before it is skipped");
        match self.topic.read_again(self.partition, entry).await {
            Err(Error::Segment(damage)) if self.topic.may_skip(&damage) => self.leave_out(entry, &damage).await,
            Err(error) => Err(error),
            Ok(()) => {
                self.doubted = Some(entry.start);
                self.take_back().await?;
                self.is_uncounted = true;
                Ok(())
            }
        }
    }

    /// Small segments share transactions: each is completely verified before its first record is
    /// written. A larger one has its own transactions, because its end is verified after the rest
    /// is written.
    async fn replay_verified(&mut self, entry: &SegmentEntry) -> Result<()> {
        let topic = self.topic;
        let mut reader = self.coming.open(entry).await?;
        reader.belongs_to(
            &topic.source.folder_of(self.partition),
            topic.source.topic_id_of(self.partition),
            self.partition,
            entry.start,
        )?;
        let end = self.up_to_cut(reader.manifest().next);
        if let Some(gap) = &reader.manifest().gap {
            let gap = Gap { to: self.up_to_cut(gap.to), ..gap.clone() };
            self.committed.tell_gap(&gap);
        }
        if reader.manifest().is_out_of(topic.restore.settings.times) {
            return self.go_past(entry, reader.manifest()).await;
        }
        topic.check_segment(reader.manifest())?;
        self.largest = self.largest.max(reader.manifest().largest_record);
        let chooser = Chooser::new(topic.known().await?, self.partition);
        if self.reached.next > entry.start {
            reader.seek(self.reached.next);
        }
        let is_short = reader.check_if_short().await?;
        if !is_short {
            self.commit_open().await?;
        }
        if self.is_overtaken {
            return Ok(());
        }
        // The reader returns the last group only after the whole object was verified, so the last
        // transaction depends on that too.
        while let Some(group) = reader.next_group().await? {
            self.coming.read_ahead(&mut reader);
            self.reached.inside = Some(entry.start);
            self.open.last.clone_from(&entry.name);
            let is_out_of_time = self.write_group(&group, chooser).await?;
            // First: what another invocation has reached may be the cut.
            if self.is_overtaken {
                return Ok(());
            }
            if self.is_at_cut() {
                break;
            }
            let spent = is_out_of_time || topic.shared.is_spent();
            if spent && self.reached.next < end {
                return self.commit_open().await;
            }
            if self.open.is_full(self.pace, topic.restore.clock.now()) || spent {
                self.commit().await?;
            }
            if self.is_overtaken {
                return Ok(());
            }
        }
        self.reached.next = end;
        self.reached.inside = None;
        self.open.finished.push(topic.restore.store.location(&entry.name));
        if !is_short || self.open.is_full(self.pace, topic.restore.clock.now()) {
            self.commit().await?;
        }
        Ok(())
    }

    /// Skips a segment unread; it does not count as replayed.
    async fn go_past(&mut self, entry: &SegmentEntry, manifest: &Manifest) -> Result<()> {
        let topic = self.topic;
        let Restore { store, settings, clock, .. } = &topic.restore;
        tracing::info!("nothing to restore of file {}: no record is {}", store.location(&entry.name), settings.times);
        self.reached.next = self.up_to_cut(manifest.next);
        self.reached.inside = None;
        self.open.left_out += manifest.records;
        self.is_uncounted = true;
        if self.open.is_full(self.pace, clock.now()) { self.commit().await } else { Ok(()) }
    }

    /// Writes the records of a group, in as many transactions as the target requires. Returns
    /// whether it stopped early because the time was up. (A clock that is read twice can move
    /// back in between, and then the rest of the group would be lost.)
    async fn write_group(&mut self, group: &RecordGroup, chooser: Chooser) -> Result<bool> {
        let times = self.topic.restore.settings.times;
        let mut records = group.records();
        while let Some(record) = records.next()? {
            if let Some(cut) = self.cut.filter(|cut| record.offset >= *cut) {
                self.reached.next = cut;
                return Ok(false);
            }
            if times.include(record.timestamp) {
                self.write(chooser.choose(record.offset, record.key), &record).await?;
            } else {
                self.open.left_out += 1;
            }
            self.reached.next = record.offset + 1;
            if self.open.is_heavy(self.pace) || self.would_outlast() {
                self.commit().await?;
                let is_out_of_time = self.topic.shared.is_spent();
                if self.is_overtaken || is_out_of_time {
                    return Ok(is_out_of_time);
                }
            }
            if self.keep_to_rate().await {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes a record, and waits if the writer's queue is full.
    pub(crate) async fn write(&mut self, partition: i32, record: &Record<'_>) -> Result<()> {
        let clock = &self.topic.restore.clock;
        let WriterState::Open(writer) = &mut self.writer else { return Err(Error::bug("no writer")) };
        while writer.write(partition, record)? == Queued::Full {
            let before = clock.now();
            writer.room().await?;
            self.open.waited += clock.now() - before;
        }
        self.open.add(record);
        self.paced.add(record.size());
        Ok(())
    }

    /// Back to the state before a damaged segment, without uncommitted records of it. What was
    /// written in an open transaction is dropped with the writer.
    async fn take_back(&mut self) -> Result<()> {
        if self.reached.inside.is_none() {
            return self.commit_open().await;
        }
        let before = self.committed.checkpoint.progress.clone();
        let leaves_records = self.topic.restore.settings.delivery == Delivery::AtLeastOnce && self.open.records > 0;
        (self.writer, self.open, self.reached) = (WriterState::GivenUp { leaves_records }, Open::default(), before);
        Ok(())
    }

    /// Continues after a damaged segment.
    async fn leave_out(&mut self, entry: &SegmentEntry, damage: &SegmentError) -> Result<()> {
        self.take_back().await?;
        let after = archive::catalog::find_next(
            self.topic.restore.store.as_ref(),
            &self.topic.source.folder_of(self.partition),
            self.partition,
            entry.start + 1,
        )
        .await?;
        let from = self.reached.next;
        let end = self.up_to_cut(after.as_ref().map_or(entry.start + 1, |after| after.start)).max(from);
        // After the last segment it is unknown where a damaged one ended.
        let upto = if after.is_some() { format!("to {end}") } else { "to the unknown end of the last segment".to_owned() };
        self.committed.skip(format!("offsets {from} {upto}: {damage}"));
        self.reached.next = end;
        self.reached.inside = None;
        Ok(())
    }
}
