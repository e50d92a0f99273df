//! Reads `[start, next)` of a partition into a segment.

use std::ops::ControlFlow;
use std::time::Duration;

use archive::catalog::{BackupCommit, Gap, GapReason};
use archive::segment::{FinishedSegment, SegmentErrorKind, SegmentSpec, SegmentWriter};
use archive::{Error, Result};
use kafka::{KafkaError, KafkaErrorKind, OffsetRange, PartitionReader, TopicPartition};
use kernel::clock::{Millis, rfc3339};
use kernel::lock;

use crate::Progress;
use crate::candidate::Candidate;
use crate::resume::Resume;
use crate::room::{HeldBefore, Room};
use crate::turn::Turn;
use crate::uploads::Share;
use crate::work::Run;

/// How long a fetch waits before the budget is checked again.
const WAIT: Duration = Duration::from_millis(250);

/// After this long without new records, although there are more, what was read is written.
const STALLED: Millis = 60_000;

/// If nothing was read yet, waiting partitions go first: after a tenth of the invocation's time,
/// within these limits. A connection needs its time, too.
const FIRST_LOOK: std::ops::RangeInclusive<Millis> = 1_000..=10_000;

/// After this long the partition is given up for this invocation. Aborted transactions are read in
/// silence, and the next invocation reads them again from their beginning.
pub(crate) const GIVEN_UP: Millis = 900_000;

/// An invocation that ends after this long without records reports it. Otherwise, an aborted
/// transaction that takes longer than an invocation would silently block its partition.
const SILENT: Millis = 5_000;

/// How often retention may overtake the reader before the partition is left to the next invocation.
const OVERTAKEN: usize = 5;

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// NUMBER_OF_MESSAGE_PER_BACKUP_FILE, the memory budget or the deadline.
    Full,
    /// The partition's end.
    CaughtUp,
    /// Before this offset: its record cannot be stored. The next segment, which starts with it,
    /// reports that.
    Before(i64),
}

impl Ended {
    /// Where the segment ends, if the reader is at `position`.
    fn next(self, position: i64) -> i64 {
        if let Self::Before(offset) = self { offset } else { position }
    }
}

/// A segment that was read, and is not durable yet.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) candidate: Candidate,
    pub(crate) resume: Resume,
    /// `None`: there was nothing to read, but the bucket was ahead of the group, and the commit
    /// updates the group.
    pub(crate) finished: Option<FinishedSegment>,
    /// There is something to write. Stays true when the memory is freed.
    pub(crate) is_segment: bool,
    /// What is committed if no other invocation is faster.
    pub(crate) commit: BackupCommit,
    /// The partition goes back to the queue when it is durable.
    pub(crate) returns: bool,
    /// Its part of the held bytes.
    share: Share,
}

impl Ready {
    /// Bytes of memory until it is durable.
    pub(crate) fn bytes(&self) -> usize {
        self.finished.as_ref().map_or(0, |finished| finished.body.len())
    }

    /// Frees them.
    pub(crate) fn let_go(&mut self) {
        self.finished = None;
        self.share.set(0);
    }
}

impl Run {
    /// Reads the partition's next segment. `None` if it turned out that none is due. Nothing
    /// durable follows from it.
    pub(crate) async fn read_segment(&self, candidate: &Candidate, turn: &mut Turn, before: HeldBefore) -> Result<Option<Ready>> {
        tracing::info!("started polling on {}", candidate.partition.topic);
        turn.at(&candidate.partition);
        let resume = self.resume_or_begin(candidate).await?;
        let mut room = self.room(before, turn.largest_record());
        let (finished, last, next) = match (self.read(candidate, &resume, turn, &mut room).await?, resume.found) {
            (Some((finished, next)), _) => (Some(finished), resume.start, next),
            (None, Some(last)) => (None, last, resume.start),
            (None, None) => {
                self.see_stored(&candidate.partition, &resume).await?;
                return Ok(None);
            }
        };
        let commit = self.commit_of(&resume.generation, last, next);
        let is_segment = finished.is_some();
        let Room { mut share, .. } = room;
        share.set(finished.as_ref().map_or(0, |finished| finished.body.len() as u64));
        Ok(Some(Ready { candidate: candidate.clone(), resume, finished, is_segment, commit, returns: false, share }))
    }

    /// Reads from the resume point. Retention that overtakes the reader becomes a gap at the
    /// beginning of the segment, never a silent jump.
    async fn read(
        &self,
        candidate: &Candidate,
        resume: &Resume,
        turn: &mut Turn,
        room: &mut Room,
    ) -> Result<Option<(FinishedSegment, i64)>> {
        let mut range = candidate.range;
        for _ in 0..OVERTAKEN {
            let gap = (range.log_start > resume.start).then_some(Gap {
                from: resume.start,
                to: range.log_start,
                reason: if resume.is_first { GapReason::BeforeFirstBackup } else { GapReason::LogStartMoved },
            });
            match self.read_from(candidate, resume, gap, turn, room).await {
                Err(Error::Kafka(KafkaError { kind: KafkaErrorKind::OffsetOutOfRange, .. })) => {
                    range = self.fresh_range(&candidate.partition).await?.unwrap_or(range);
                    if range.high_watermark < resume.start {
                        return Err(ends_below(&candidate.partition, range.high_watermark, resume.start));
                    }
                }
                // Only what was just read belongs to the old log: it is discarded and read again.
                Err(Error::Kafka(KafkaError { kind: KafkaErrorKind::Truncated { end }, .. })) if end >= resume.start => {
                    range = self.fresh_range(&candidate.partition).await?.unwrap_or(range);
                }
                other => return other,
            }
        }
        let what = "retention deletes records faster than they can be read; the next invocation retries";
        Err(KafkaError::new(KafkaErrorKind::Unavailable, candidate.partition.to_string(), what).into())
    }

    async fn read_from(
        &self,
        candidate: &Candidate,
        resume: &Resume,
        gap: Option<Gap>,
        turn: &mut Turn,
        room: &mut Room,
    ) -> Result<Option<(FinishedSegment, i64)>> {
        let (backup, partition, end) = (&self.backup, &candidate.partition, candidate.range.end);
        let (limit, from, mut bytes) = (backup.settings.records_per_segment, gap.as_ref().map_or(resume.start, |gap| gap.to), 0);
        let mut writer = SegmentWriter::with_lanes(self.spec(partition, resume, gap), backup.compressors.each, backup.lanes.clone());
        let mut reader = self.reader(partition, from, turn).await?;
        let (mut moved, mut paced) = ((reader.position(), backup.clock.now()), backup.rate.thread());
        let ended = loop {
            let mut failed = None;
            let before = *room.before.borrow();
            if room.has_room(&writer, before) && paced.left().is_zero() {
                reader.drain(&mut |record| {
                    if let Err(error) = writer.append(record) {
                        failed = Some((record.offset, error));
                        return ControlFlow::Break(());
                    }
                    let stop = writer.records() >= limit || writer.is_busy() || !room.has_room(&writer, before);
                    bytes += record.size() as u64;
                    if paced.add(record.size()) || stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
            }
            match failed {
                // The records before it are worth more than an error.
                Some((offset, error)) if error.kind == SegmentErrorKind::TooLarge && writer.records() > 0 => break Ended::Before(offset),
                Some((_, error)) => return Err(error.into()),
                None => {}
            }
            let position = reader.position();
            if position != moved.0 {
                moved = (position, backup.clock.now());
                self.tell_progress(&Progress { partition, position, end, bytes: std::mem::take(&mut bytes) });
            }
            room.share.set(writer.expected_bytes());
            if writer.records() >= limit || room.is_full(&writer) {
                break Ended::Full;
            }
            if position >= end {
                break Ended::CaughtUp;
            }
            if self.is_spent_when_shrunk(&mut writer, room).await {
                let waited = backup.clock.now().saturating_sub(moved.1);
                if writer.records() == 0 && position <= resume.start && waited >= SILENT {
                    return Err(nothing_came(partition, position, waited));
                }
                break Ended::Full;
            }
            if room.wait(&mut writer).await || paced.wait(WAIT).await {
                moved.1 = backup.clock.now();
                continue;
            }
            let waited = backup.clock.now().saturating_sub(moved.1);
            match reader.fetch(WAIT).await {
                Ok(()) if waited >= STALLED && writer.records() > 0 => break Ended::Full,
                Ok(()) if self.is_put_off(candidate, &writer, waited) => {
                    turn.end_in_silence();
                    return Ok(None);
                }
                Ok(()) if waited >= GIVEN_UP => return Err(nothing_came(partition, position, waited)),
                Ok(()) => {}
                // A durable prefix is worth more than an error: the next invocation meets the cause
                // at its first step.
                Err(error) if writer.records() > 0 && self.is_sound_until(partition, position, &error).await? => break Ended::Full,
                Err(error) => return Err(error.into()),
            }
        };
        let next = ended.next(reader.position());
        match ended {
            Ended::Full => turn.keep(reader, writer.raw_bytes()),
            Ended::CaughtUp | Ended::Before(_) => drop(reader),
        }
        self.hint_at_large_record(partition, turn.note_record(writer.largest_record()));
        let is_due = ended != Ended::CaughtUp || self.is_due_after_reading(candidate, writer.records());
        if next > resume.start && is_due { Ok(Some((writer.finish(next).await?, next))) } else { Ok(None) }
    }

    /// The reader of the previous segment, or a new one.
    async fn reader(&self, partition: &TopicPartition, from: i64, turn: &mut Turn) -> Result<Box<dyn PartitionReader>> {
        match turn.take(from) {
            Some(reader) => Ok(reader),
            None => Ok(self.backup.source.open(partition, from).await?),
        }
    }

    /// Whether no time is left, even when the data waiting for compression is as small as it will
    /// be: two large records seem to be more than the line can transfer.
    async fn is_spent_when_shrunk(&self, writer: &mut SegmentWriter, room: &mut Room) -> bool {
        while self.is_spent() {
            if !writer.can_shrink() {
                return true;
            }
            writer.shrink().await;
            room.share.set(writer.expected_bytes());
        }
        false
    }

    /// Whether what was read up to `position` belongs to one log, although `error` followed it.
    async fn is_sound_until(&self, partition: &TopicPartition, position: i64, error: &KafkaError) -> Result<bool> {
        match error.kind {
            KafkaErrorKind::Truncated { .. } => Ok(false),
            // Retention has overtaken the reader. Otherwise the log lost its end at an unknown
            // offset.
            KafkaErrorKind::OffsetOutOfRange => Ok(self.fresh_range(partition).await?.is_some_and(|range| range.log_start > position)),
            _ => Ok(true),
        }
    }

    /// Whether others go first, because no records arrive and they wait.
    fn is_put_off(&self, candidate: &Candidate, writer: &SegmentWriter, waited: Millis) -> bool {
        waited >= self.first_look() && writer.records() == 0 && !candidate.was_silent && !lock(&self.queue).is_empty()
    }

    /// How long others wait for a partition without records.
    pub(crate) fn first_look(&self) -> Millis {
        let time = self.invocation.budget.deadline.map_or(Millis::MAX, |deadline| deadline.saturating_sub(self.started));
        (time / 10).clamp(*FIRST_LOOK.start(), *FIRST_LOOK.end())
    }

    /// Compaction and aborted transactions can leave fewer records than the offsets suggested: then
    /// the segment is partial after all.
    fn is_due_after_reading(&self, candidate: &Candidate, records: u64) -> bool {
        let mut seen = candidate.clone();
        let first = seen.commit.as_ref().map_or(0, |commit| commit.next);
        seen.range.end = first.saturating_add(i64::try_from(records).unwrap_or(i64::MAX)).max(first + 1);
        seen.range.high_watermark = seen.range.high_watermark.max(seen.range.end);
        // As many as there were, counted from the commit, wherever the log starts.
        seen.range.log_start = seen.range.log_start.min(first);
        self.is_due(&seen)
    }

    fn spec(&self, partition: &TopicPartition, resume: &Resume, gap: Option<Gap>) -> SegmentSpec {
        let settings = &self.backup.settings;
        SegmentSpec {
            topic: partition.topic.clone(),
            topic_id: resume.generation.topic_id.clone(),
            partition: partition.partition,
            start: resume.start,
            isolation: settings.isolation,
            gap,
            compression: resume.generation.packing.compression(settings.compression),
            created_at: rfc3339(self.backup.clock.now()),
        }
    }

    /// The current offsets of a partition; `None` if it has no leader.
    pub(crate) async fn fresh_range(&self, partition: &TopicPartition) -> Result<Option<OffsetRange>> {
        Ok(self.backup.source.offsets(std::slice::from_ref(partition)).await?.remove(partition).transpose()?)
    }

    pub(crate) fn tell_progress(&self, step: &Progress<'_>) {
        if let Some(progress) = &self.invocation.progress {
            progress(step);
        }
    }
}

fn ends_below(partition: &TopicPartition, end: i64, start: i64) -> Error {
    let what = format!("its log now ends at offset {end}, below {start}, the start of this segment; the next invocation checks it");
    KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into()
}

pub(crate) fn nothing_came(partition: &TopicPartition, position: i64, waited: Millis) -> Error {
    let what = format!(
        "no records received from offset {position} for {} s. Check that the partition's leader is up. If a large \
         transaction was aborted there, reading through it takes longer: raise the time limit of the invocation \
         (it waits up to {} s without records). If the records are in remote (tiered) storage, Kafka 3.6 and 3.7 \
         abort after the Kafka property fetch.wait.max.ms: set it to 5000",
        waited / 1000,
        GIVEN_UP / 1000
    );
    KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into()
}
