//! Makes a segment durable, then says so: segment, `.sha256`, commit, in this order. Each step can find that another invocation took it.

use archive::catalog::{BackupCommit, Generation, SegmentEntry, find_last, find_next, names};
use archive::segment::{FinishedSegment, Manifest, ReadOptions, SegmentError, SegmentReader};
use archive::{Error, Result};
use kafka::{KafkaError, KafkaErrorKind, TopicPartition};
use kernel::failpoint;
use store::{StoreError, StoreErrorKind};

use crate::Run;
use crate::resume::Resume;

/// The last segment of a chain.
#[derive(Debug)]
pub(crate) struct ChainEnd {
    pub(crate) segment: String,
    pub(crate) manifest: Manifest,
    /// Whether this invocation has read the same.
    pub(crate) was_read: bool,
}

impl Run {
    /// Creates the segment and its `.sha256`. Where the name is taken, what stands there is adopted, and the end of the chain behind it returned:
    /// nothing stored is ever replaced.
    pub(crate) async fn publish(
        &self,
        partition: &TopicPartition,
        resume: &Resume,
        finished: &FinishedSegment,
    ) -> Result<Option<ChainEnd>> {
        let store = self.backup.store.as_ref();
        let name = names::segment(&resume.generation.folder(), partition.partition, resume.start, resume.generation.packing);
        failpoint!("backup::segment::before");
        match store.create(&name, finished.body.clone()).await {
            Ok(_) => {
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

    /// Walks to the end of the chain that somebody else wrote. `read` is what this invocation would have written.
    async fn adopt(&self, partition: &TopicPartition, resume: &Resume, read: &Manifest) -> Result<ChainEnd> {
        let store = self.backup.store.as_ref();
        let folder = resume.generation.folder();
        let gone = || Error::Refused(format!("{partition}: the segment at offset {} was there and is gone; run again", resume.start));
        let first = find_next(store, &folder, partition.partition, resume.start).await?.filter(|entry| entry.start == resume.start);
        let mut manifest = self.adopt_one(partition.partition, &first.ok_or_else(gone)?, &resume.generation).await?;
        let last = find_last(store, &folder, partition.partition, resume.start).await?.ok_or_else(gone)?;
        let mut was_read = has_read(read, &manifest);
        if last.start != resume.start {
            manifest = self.adopt_one(partition.partition, &last, &resume.generation).await?;
            was_read = false;
        }
        tracing::info!("{} holds offsets up to {} already: another invocation wrote them", store.location(&last.name), manifest.next);
        Ok(ChainEnd { segment: last.name, manifest, was_read })
    }

    /// Reads the manifest of a segment that another invocation wrote, and repairs what a kill left missing.
    pub(crate) async fn adopt_one(&self, partition: i32, entry: &SegmentEntry, generation: &Generation) -> Result<Manifest> {
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
                // Read through, with every check: a damaged segment must not get a digest that says it is sound.
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

    /// What says that everything before `next` is in the bucket, and `last` begins the segment that ends there.
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

    /// Commits, unless the group is further already: a paused invocation that wakes late must not undo a later one. (Kafka has no
    /// compare-and-set for offsets; should a commit still go back, the next invocation finds the segments there and adopts them.)
    pub(crate) async fn commit(&self, partition: &TopicPartition, commit: BackupCommit) -> Result<BackupCommit> {
        if let Some(theirs) = self.committed(partition).await? {
            if (theirs.generation(), theirs.next) >= (commit.generation(), commit.next) {
                return Ok(theirs);
            }
            // Whether what was read is of the log that was backed up is to be decided first.
            if theirs.doubt.is_some() && theirs.folder == commit.folder {
                let what = "another invocation doubts that its log still is the one that was backed up; the next one looks closer";
                return Err(KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what).into());
            }
        }
        failpoint!("backup::commit::before");
        self.backup.source.commit(partition, &commit.to_committed()).await?;
        failpoint!("backup::commit::after");
        Ok(commit)
    }

    /// What the group says of a partition now, where that is of this backup and of this topic.
    pub(crate) async fn committed(&self, partition: &TopicPartition) -> Result<Option<BackupCommit>> {
        let topic = self.topic(&partition.topic)?.identity();
        let there = self.backup.source.committed(std::slice::from_ref(partition)).await?;
        Ok(there.get(partition).and_then(|committed| BackupCommit::read(committed, &self.backup.store_id, topic)))
    }
}

/// Whether what was read has all that is in a segment with the same start, and nothing else there.
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
                "{what}. The backup goes on behind this segment, and cannot while it is not sound: move it and its .sha256 away, and what Kafka \
                 still holds of it is backed up again"
            );
            Error::Segment(SegmentError { kind, object, what })
        }
        error => error,
    }
}
