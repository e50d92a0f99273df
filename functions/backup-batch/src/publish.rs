//! Makes a segment durable, then commits it: segment, `.sha256`, commit, in this order. Each step
//! can find that another invocation did it.

use archive::catalog::{BackupCommit, Gap, GapReason, Generation, SegmentEntry, find_last, find_next, names};
use archive::segment::{FinishedSegment, Manifest, ReadOptions, SegmentError, SegmentReader};
use archive::{Error, Result};
use futures::try_join;
use kafka::{KafkaError, KafkaErrorKind, TopicPartition};
use kernel::failpoint;
use store::{Body, StoreError, StoreErrorKind};

use crate::Progress;
use crate::read::Ready;
use crate::resume::Resume;
use crate::work::Run;

/// What is in the bucket, with its offset committed.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Ours, or that of another invocation that is ahead.
    pub(crate) commit: BackupCommit,
    pub(crate) records: u64,
    pub(crate) log_bytes: u64,
    pub(crate) stored_bytes: u64,
    pub(crate) gap: Option<Gap>,
    /// Another invocation had already written it.
    pub(crate) adopted: bool,
    /// Whether the chain ends where this invocation has read to.
    pub(crate) is_as_read: bool,
}

/// The result for what was read.
#[derive(Debug)]
pub(crate) enum Published {
    /// It is in the bucket, or the same records from another invocation, and it is committed.
    Stored(Stored),
    /// Another invocation was faster, and has records that this one did not read: see
    /// [`Run::adopt_unread`].
    Unread(ChainEnd),
}

/// The last segment of a chain.
#[derive(Debug)]
pub(crate) struct ChainEnd {
    pub(crate) segment: String,
    pub(crate) manifest: Manifest,
    /// Whether this invocation has read the same.
    pub(crate) was_read: bool,
}

impl Run {
    /// Makes durable what was read, and commits it.
    pub(crate) async fn make_durable(&self, ready: &Ready) -> Result<Published> {
        let partition = &ready.candidate.partition;
        let Some(finished) = &ready.finished else {
            return self.commit_up_to(ready, ready.commit.clone()).await.map(Published::Stored);
        };
        // What was read belongs to this topic only if the topic is unchanged after the last record:
        // ids are never reused.
        try_join!(self.check_identity(&partition.topic), self.see_stored(partition, &ready.resume))?;
        match self.publish(partition, &ready.resume, finished).await? {
            None => self.commit_own(ready, finished).await.map(Published::Stored),
            Some(end) if end.was_read => self.commit_others(ready, &end).await.map(Published::Stored),
            Some(end) => Ok(Published::Unread(end)),
        }
    }

    /// Continues after segments that another invocation wrote and this one did not read, once the
    /// log is known to contain them. Nothing may be reading the partition meanwhile.
    pub(crate) async fn adopt_unread(&self, ready: &Ready, end: &ChainEnd) -> Result<Stored> {
        self.check_adopted(&ready.candidate, &ready.resume.generation, end).await?;
        self.commit_others(ready, end).await
    }

    async fn commit_own(&self, ready: &Ready, finished: &FinishedSegment) -> Result<Stored> {
        let manifest = &finished.manifest;
        let stored = self.commit_up_to(ready, ready.commit.clone()).await?;
        let stored = Stored {
            records: manifest.records,
            log_bytes: manifest.log_bytes,
            stored_bytes: finished.body.len() as u64,
            gap: manifest.gap.clone(),
            adopted: false,
            ..stored
        };
        self.hint_at_small_segments(ready, &stored);
        if let Some(gap) = stored.gap.as_ref().filter(|gap| gap.reason == GapReason::LogStartMoved) {
            let TopicPartition { topic, partition } = &ready.candidate.partition;
            tracing::warn!(
                topic,
                partition,
                "offsets {} to {} were deleted from the topic (retention or DeleteRecords) before they could be backed up; \
                 the gap is recorded in the segment. Back up more often, or raise the topic's retention",
                gap.from,
                gap.to
            );
        }
        Ok(stored)
    }

    async fn commit_others(&self, ready: &Ready, end: &ChainEnd) -> Result<Stored> {
        let commit = self.commit_of(&ready.resume.generation, end.manifest.start, end.manifest.next);
        self.commit_up_to(ready, commit).await
    }

    /// Commits, and counts nothing as written by this invocation.
    async fn commit_up_to(&self, ready: &Ready, commit: BackupCommit) -> Result<Stored> {
        let partition = &ready.candidate.partition;
        let commit = self.commit(partition, commit).await?;
        self.tell_progress(&Progress { partition, position: commit.next, end: ready.candidate.range.end, bytes: 0 });
        let is_as_read = (&commit.folder, commit.next) == (&ready.commit.folder, ready.commit.next);
        Ok(Stored { commit, records: 0, log_bytes: 0, stored_bytes: 0, gap: None, adopted: true, is_as_read })
    }

    /// Creates the segment and its `.sha256`. If the name is taken, adopts the existing segment,
    /// and returns the end of its chain: nothing stored is ever replaced.
    async fn publish(&self, partition: &TopicPartition, resume: &Resume, finished: &FinishedSegment) -> Result<Option<ChainEnd>> {
        let store = self.backup.store.as_ref();
        let name = names::segment(&resume.generation.folder(), partition.partition, resume.start, resume.generation.packing);
        failpoint!("backup::segment::before");
        match self.upload(&name, &finished.body).await {
            Ok(()) => {
                failpoint!("backup::segment::after");
                tracing::info!("Created Successful Backupfile {}", store.location(&name));
                self.create_sidecar(&name, &finished.sha256).await?;
                Ok(None)
            }
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => {
                self.adopt(partition, resume, &finished.manifest).await.map(Some)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates an object, and measures how long that takes.
    async fn upload(&self, name: &str, body: &Body) -> store::Result<()> {
        let (backup, bytes) = (&self.backup, body.len() as u64);
        let upload = backup.uploads.begin(backup.clock.as_ref());
        let created = backup.store.create(name, body.clone()).await;
        match &created {
            Ok(_) => upload.done(bytes),
            Err(error) if error.is_retryable() => upload.given_up(bytes),
            Err(_) => {}
        }
        created.map(drop)
    }

    /// Walks to the end of the chain that another invocation wrote. `read` is what this invocation
    /// would have written.
    async fn adopt(&self, partition: &TopicPartition, resume: &Resume, read: &Manifest) -> Result<ChainEnd> {
        let store = self.backup.store.as_ref();
        let folder = resume.generation.folder();
        let gone = || Error::raced(format!("{partition}: the segment at offset {} existed and is gone; run again", resume.start));
        let first = find_next(store, &folder, partition.partition, resume.start).await?.filter(|entry| entry.start == resume.start);
        let mut manifest = self.read_and_mend(partition.partition, &first.ok_or_else(gone)?, &resume.generation).await?;
        let last = find_last(store, &folder, partition.partition, resume.start).await?.ok_or_else(gone)?;
        let mut was_read = has_read(read, &manifest);
        if last.start != resume.start {
            manifest = self.read_and_mend(partition.partition, &last, &resume.generation).await?;
            was_read = false;
        }
        tracing::info!("{} already has offsets up to {}: another invocation wrote them", store.location(&last.name), manifest.next);
        Ok(ChainEnd { segment: last.name, manifest, was_read })
    }

    /// Reads the manifest of a segment that another invocation wrote, and repairs what a kill left
    /// missing.
    pub(crate) async fn read_and_mend(&self, partition: i32, entry: &SegmentEntry, generation: &Generation) -> Result<Manifest> {
        self.read_adopted(partition, entry, generation).await.map_err(unsound)
    }

    async fn read_adopted(&self, partition: i32, entry: &SegmentEntry, generation: &Generation) -> Result<Manifest> {
        let store = &self.backup.store;
        let mut reader = SegmentReader::open(store.clone(), &entry.name, ReadOptions::default()).await?;
        let manifest = reader.manifest().clone();
        reader.belongs_to(&generation.folder(), generation.topic_id.as_ref(), partition, entry.start)?;
        let sidecar = names::sidecar(&entry.name);
        match store.get(&sidecar).await {
            Ok(_) => {}
            Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => {
                tracing::info!("{} has no .sha256 (its writer was stopped in between): writing it", store.location(&entry.name));
                // Reads all of it, with every check: a damaged segment must not get a digest that
                // calls it valid.
                while reader.next_group().await?.is_some() {}
                if let Some(sha256) = reader.sha256() {
                    self.create_sidecar(&entry.name, sha256).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(manifest)
    }

    async fn create_sidecar(&self, segment: &str, sha256: &str) -> Result<()> {
        let store = self.backup.store.as_ref();
        let name = names::sidecar(segment);
        failpoint!("backup::sidecar::before");
        match store.create(&name, sha256.as_bytes().to_vec().into()).await {
            Ok(_) => {
                failpoint!("backup::sidecar::after");
                tracing::info!("Created Successful Backup sha256 file of {}", store.location(&name));
            }
            // Two adopters can repair the same one: both computed it from the same bytes.
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The commit for everything before `next` in the bucket, whose last segment starts at `last`.
    pub(crate) fn commit_of(&self, generation: &Generation, last: i64, next: i64) -> BackupCommit {
        BackupCommit {
            version: BackupCommit::VERSION,
            next,
            folder: generation.folder(),
            segment: last,
            at: self.backup.clock.now(),
            topic_id: generation.topic_id.clone(),
            cluster_id: generation.cluster_id.clone(),
            store: self.backup.store_id.clone(),
            doubt: None,
        }
    }

    /// Commits, unless the group is ahead: a paused invocation that wakes up late must not undo a
    /// later one. (Kafka has no compare-and-set for offsets. If a commit still moves back, the next
    /// invocation finds the segments and adopts them.)
    pub(crate) async fn commit(&self, partition: &TopicPartition, commit: BackupCommit) -> Result<BackupCommit> {
        if let Some(theirs) = self.committed(partition).await? {
            if (theirs.generation(), theirs.next) >= (commit.generation(), commit.next) {
                return Ok(theirs);
            }
            // Whether what was read belongs to the log that was backed up has to be decided first.
            if theirs.doubt.is_some() && theirs.folder == commit.folder {
                let what = "another invocation doubts that its log still is the one that was backed up; the next one checks it";
                return Err(KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into());
            }
        }
        failpoint!("backup::commit::before");
        self.backup.source.commit(partition, &commit.to_committed()).await?;
        failpoint!("backup::commit::after");
        Ok(commit)
    }

    /// The group's current commit of a partition, if it belongs to this backup and this topic.
    pub(crate) async fn committed(&self, partition: &TopicPartition) -> Result<Option<BackupCommit>> {
        let topic = self.topic(&partition.topic)?.identity();
        let there = self.backup.source.committed(std::slice::from_ref(partition)).await?;
        Ok(there.get(partition).and_then(|committed| BackupCommit::read(committed, &self.backup.store_id, topic)))
    }
}

/// Whether what was read has exactly the records of a segment with the same start.
fn has_read(read: &Manifest, stored: &Manifest) -> bool {
    let further = read.members.get(stored.members.len());
    stored.next <= read.next
        && read.members.starts_with(&stored.members)
        && further.is_none_or(|further| further.first_offset >= stored.next)
}

/// Adds what to do about a damaged segment at the end of a chain.
pub(crate) fn unsound(error: Error) -> Error {
    match error {
        Error::Segment(SegmentError { kind, object, what }) => {
            let what = format!(
                "{what}. The backup cannot continue after this damaged segment: move it and its .sha256 away, and what \
                 Kafka still has of it is backed up again"
            );
            Error::Segment(SegmentError { kind, object, what })
        }
        error => error,
    }
}
