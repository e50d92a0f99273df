//! A log that lost its end: an unclean election, or a cluster that was restored to an older state.
//!
//! What was backed up and what the log is now are two logs, so a new generation begins. One
//! response is not enough for that: an isolated leader that does not know it yet repeatedly returns
//! an end that is too low. So the first invocation that sees it only records a doubt in the commit,
//! and reads nothing. A later one decides:
//!
//! * The log still ends too low: it lost its end.
//! * It does not: either the first response was wrong, or the log has grown again since. The last
//!   segment in the bucket decides which.
//! * A leader of a newer epoch reported the truncation to the reader: the log lost its end, however
//!   long it is now.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::time::Duration;

use archive::catalog::{BackupCommit, Doubt, Generation, find_last};
use archive::segment::{ReadOptions, SegmentReader};
use archive::{Error, Result};
use kafka::{KafkaError, KafkaErrorKind, OffsetRange, TopicPartition};
use kernel::clock::{Millis, age};
use kernel::lock;
use kernel::record::Record;

use crate::Backup;
use crate::candidate::Candidate;
use crate::publish::{ChainEnd, unsound};
use crate::read::GIVEN_UP;
use crate::work::Run;

/// A second check counts after this time, or after RETRY_UPLOAD_SECONDS if that is shorter. By
/// then, an isolated broker usually is no leader any more.
const SECOND_LOOK: Millis = 60_000;

const WAIT: Duration = Duration::from_millis(250);

/// How a segment and the log compare, at offsets with records in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// All records are equal.
    Same,
    /// One record differs.
    Other,
    /// There are no such offsets.
    Nothing,
}

impl Backup {
    fn is_second_look(&self, doubt: &Doubt, started: Millis) -> bool {
        let pause = self.settings.retry_upload.as_millis().try_into().unwrap_or(SECOND_LOOK).min(SECOND_LOOK);
        age(doubt.at, started) >= pause
    }

    /// Whether the log of a partition is known to be truncated below the commit, without another
    /// request.
    pub(crate) fn is_surely_cut(&self, commit: &BackupCommit, range: &OffsetRange, started: Millis) -> bool {
        commit.doubt.as_ref().is_some_and(|doubt| {
            let is_too_low = range.high_watermark < doubt.next.unwrap_or(commit.next);
            doubt.cut.is_some() || (is_too_low && self.is_second_look(doubt, started))
        })
    }
}

impl Run {
    /// Whether the log still is the one that was backed up to `commit`. Checks it only if there is
    /// a reason.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Unavailable`] if a later invocation has to decide.
    pub(crate) async fn is_same_log(&self, candidate: &Candidate, commit: &BackupCommit, generation: &Generation) -> Result<bool> {
        let partition = &candidate.partition;
        let is_too_low = self.ends_below(candidate, commit.next).await?;
        let Some(doubt) = &commit.doubt else {
            if is_too_low {
                self.begin_to_doubt(partition, commit, None, None).await?;
                return Err(not_sure_yet(partition, commit.next));
            }
            return Ok(true);
        };
        if doubt.cut.is_some() {
            return Ok(false);
        }
        // The bucket can be ahead of the group: a cluster that was restored to an older state has
        // the older commit, too.
        let end = if is_too_low { None } else { self.end_of_chain(partition, commit, generation).await? };
        let next = end.as_ref().map_or(commit.next, |end| end.manifest.next);
        if is_too_low || self.ends_below(candidate, next).await? {
            return if self.backup.is_second_look(doubt, self.started) { Ok(false) } else { Err(not_sure_yet(partition, next)) };
        }
        let compared = match &end {
            Some(end) => self.compare(partition, end).await?,
            None => Compared::Nothing,
        };
        // If it is unknown, nothing is lost, but copied once more.
        if compared != Compared::Same {
            return Err(self.leave_to_the_next(partition, commit, next).await?);
        }
        tracing::info!(
            topic = partition.topic,
            partition = partition.partition,
            "the log has not lost its end: an earlier response was wrong"
        );
        self.note_doubt(partition, &BackupCommit { doubt: None, ..commit.clone() }).await?;
        Ok(true)
    }

    /// If the bucket decides where to start: whether the log contains the end of the chain, as far
    /// as that can be known.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Unavailable`] if it does not: the next invocation begins a new generation.
    pub(crate) async fn check_end(&self, partition: &TopicPartition, known: &BackupCommit, end: &ChainEnd) -> Result<()> {
        if self.compare(partition, end).await? != Compared::Other {
            return Ok(());
        }
        Err(self.leave_to_the_next(partition, known, end.manifest.next).await?)
    }

    /// Records that the log is another one. The next invocation finds all partitions with such a
    /// record, and begins one generation for them.
    async fn leave_to_the_next(&self, partition: &TopicPartition, commit: &BackupCommit, next: i64) -> Result<Error> {
        self.begin_to_doubt(partition, commit, Some(commit.next), None).await?;
        Ok(another_log(partition, next))
    }

    /// Asks again, with a client that knows no leader yet: the offsets of the plan can be older
    /// than the commit.
    async fn ends_below(&self, candidate: &Candidate, next: i64) -> Result<bool> {
        if candidate.range.high_watermark >= next {
            return Ok(false);
        }
        self.backup.source.ask_anew()?;
        let fresh = self.fresh_range(&candidate.partition).await?;
        Ok(fresh.is_some_and(|range| range.high_watermark < next))
    }

    /// Records a new doubt; for `cut` and `next` see [`Doubt`].
    async fn begin_to_doubt(&self, partition: &TopicPartition, commit: &BackupCommit, cut: Option<i64>, next: Option<i64>) -> Result<()> {
        let doubt = Some(Doubt { at: self.backup.clock.now(), cut, next });
        self.note_doubt(partition, &BackupCommit { doubt, ..commit.clone() }).await
    }

    /// Records a doubt in the commit, or removes it, unless another invocation has made progress
    /// meanwhile.
    async fn note_doubt(&self, partition: &TopicPartition, commit: &BackupCommit) -> Result<()> {
        let place = |commit: &BackupCommit| (commit.generation(), commit.next);
        match self.committed(partition).await? {
            Some(theirs) if place(&theirs) > place(commit) => return Ok(()),
            // What is certain stays.
            Some(theirs) if place(&theirs) == place(commit) && theirs.doubt.as_ref().is_some_and(|doubt| doubt.cut.is_some()) => {
                return Ok(());
            }
            _ => {}
        }
        Ok(self.backup.source.commit(partition, &commit.to_committed()).await?)
    }

    /// Records that a truncation was reported to a reader, so that the partition is not read before
    /// a new generation has begun. Records nothing if only what was just read, and is discarded,
    /// belongs to the old log.
    pub(crate) async fn note_truncation(&self, partition: &TopicPartition, error: &Error) -> Result<()> {
        let Error::Kafka(KafkaError { kind: KafkaErrorKind::Truncated { end }, .. }) = error else { return Ok(()) };
        lock(&self.cut).insert(partition.clone());
        let folder = self.find_or_begin(self.topic(&partition.topic)?).await?.of(partition.partition).folder();
        match self.committed(partition).await?.filter(|commit| commit.folder == folder) {
            Some(commit) if commit.next > *end => self.begin_to_doubt(partition, &commit, Some(*end), None).await,
            _ => Ok(()),
        }
    }

    /// A partition with a reported truncation is left to the next invocation.
    pub(crate) fn check_not_cut(&self, partition: &TopicPartition) -> Result<()> {
        if !lock(&self.cut).contains(partition) {
            return Ok(());
        }
        let what = "its log lost its end during this invocation; the next one begins a new generation";
        Err(KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into())
    }

    /// Before the backup continues after a segment that it did not read: whether the log contains
    /// its records. The group alone does not show that: a cluster that was restored to an older
    /// state has its older commits, too.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Unavailable`] if it does not. Then a later invocation decides, or begins a
    /// new generation.
    pub(crate) async fn check_adopted(&self, candidate: &Candidate, generation: &Generation, end: &ChainEnd) -> Result<()> {
        let (partition, next) = (&candidate.partition, end.manifest.next);
        let is_too_low = self.ends_below(candidate, next).await?;
        if !is_too_low && self.compare(partition, end).await? != Compared::Other {
            return Ok(());
        }
        // Others can have begun a newer generation meanwhile, which this does not concern.
        let commit = self.committed(partition).await?.filter(|commit| commit.folder == generation.folder() && commit.next <= next);
        let Some(commit) = commit else { return Err(another_log(partition, next)) };
        if !is_too_low {
            return Err(self.leave_to_the_next(partition, &commit, next).await?);
        }
        self.begin_to_doubt(partition, &commit, None, Some(next)).await?;
        Err(not_sure_yet(partition, next))
    }

    /// The end of the chain of a commit.
    async fn end_of_chain(&self, partition: &TopicPartition, commit: &BackupCommit, generation: &Generation) -> Result<Option<ChainEnd>> {
        let store = self.backup.store.as_ref();
        let Some(last) = find_last(store, &commit.folder, partition.partition, commit.segment).await? else { return Ok(None) };
        let manifest = self.read_and_mend(partition.partition, &last, generation).await?;
        Ok(Some(ChainEnd { segment: last.name, manifest, was_read: false }))
    }

    /// Compares the end of a chain with the log at the same offsets: if it is equal, so is
    /// everything before. Records that compaction or retention removed do not count.
    async fn compare(&self, partition: &TopicPartition, end: &ChainEnd) -> Result<Compared> {
        let ChainEnd { segment, manifest, .. } = end;
        let first = manifest.members.last().map_or(manifest.start, |member| member.first_offset);
        let log_start = self.fresh_range(partition).await?.map_or(first, |range| range.log_start);
        let from = first.max(log_start);
        if from >= manifest.next {
            return Ok(Compared::Nothing);
        }
        let stored = self.digests(segment, first).await?;
        // A reader with another isolation level sees records that the segment rightly does not
        // have.
        let sees_as_much = manifest.isolation_level == self.backup.settings.isolation;
        let clock = &self.backup.clock;
        let mut reader = self.backup.source.open(partition, from).await?;
        let mut compared = if stored.is_empty() { Compared::Same } else { Compared::Nothing };
        let mut moved = (reader.position(), clock.now());
        while reader.position() < manifest.next && compared != Compared::Other {
            match reader.fetch(WAIT).await {
                Ok(()) => {}
                Err(KafkaError { kind: KafkaErrorKind::Truncated { end }, .. }) if end < manifest.next => return Ok(Compared::Other),
                // Retention was faster.
                Err(KafkaError { kind: KafkaErrorKind::OffsetOutOfRange, .. }) => return Ok(Compared::Nothing),
                Err(error) => return Err(error.into()),
            }
            reader.drain(&mut |record| {
                match stored.get(&record.offset) {
                    _ if record.offset >= manifest.next => return ControlFlow::Break(()),
                    Some(stored) if *stored == digest(record) => compared = Compared::Same,
                    None if !sees_as_much => {}
                    _ => compared = Compared::Other,
                }
                if compared == Compared::Other { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if reader.position() != moved.0 {
                moved = (reader.position(), clock.now());
            }
            let waited = clock.now().saturating_sub(moved.1);
            if reader.position() < manifest.next && compared != Compared::Other && (waited >= GIVEN_UP || self.is_spent()) {
                return Err(not_compared(partition, &self.backup.store.location(segment), reader.position()));
            }
        }
        Ok(compared)
    }

    /// The records of a segment from an offset.
    async fn digests(&self, segment: &str, from: i64) -> Result<BTreeMap<i64, u64>> {
        let mut reader = SegmentReader::open(self.backup.store.clone(), segment, ReadOptions::default()).await?;
        reader.seek(from);
        let mut digests = BTreeMap::new();
        while let Some(group) = reader.next_group().await.map_err(unsound)? {
            let mut records = group.records();
            while let Some(record) = records.next()? {
                digests.insert(record.offset, digest(&record));
            }
        }
        Ok(digests)
    }
}

/// Whether a reader learned that the log lost its end.
pub(crate) fn is_truncation(error: &Error) -> bool {
    matches!(error, Error::Kafka(KafkaError { kind: KafkaErrorKind::Truncated { .. }, .. }))
}

fn digest(record: &Record<'_>) -> u64 {
    let mut hash = DefaultHasher::new();
    (record.timestamp, record.key, record.value).hash(&mut hash);
    hash.finish()
}

fn another_log(partition: &TopicPartition, next: i64) -> Error {
    let what = format!(
        "its log is not the one that was backed up to offset {next}: the last records of the backup differ from \
         those in the log at the same offsets, as after a restore of the cluster to an older state. Nothing was \
         stored for it. The next invocation begins a new generation"
    );
    KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into()
}

fn not_compared(partition: &TopicPartition, segment: &str, position: i64) -> Error {
    let what = format!(
        "no records received from offset {position}, and before the backup continues after {segment} it compares \
         the segment's end with the log. Check that the partition's leader is up. An open transaction, or a large \
         aborted one, can be the reason: the next invocation retries"
    );
    KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into()
}

fn not_sure_yet(partition: &TopicPartition, next: i64) -> Error {
    let what = format!(
        "its log ends below {next}, up to which it is backed up, according to its leader. An isolated broker can \
         report that for a while: a later invocation checks again, and begins a new generation if it is true \
         (unclean election, or a cluster restored to an older state). Until then nothing of it is backed up"
    );
    KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into()
}
