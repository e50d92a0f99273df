//! Where to start in a partition. Our own commit decides, if its segment is in the bucket. If the
//! commit is missing, foreign or expired, or the topic is another one, the bucket decides.

use archive::catalog::{BackupCommit, Generation, Lineage, find_last, find_next, names};
use archive::{Error, Result};
use kafka::TopicPartition;
use store::{StoreError, StoreErrorKind};

use crate::candidate::Candidate;
use crate::publish::ChainEnd;
use crate::work::Run;

/// Where to start.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    pub(crate) generation: Generation,
    pub(crate) start: i64,
    /// There never was a segment of this partition in this generation, as far as is known.
    pub(crate) is_first: bool,
    /// The bucket was ahead of the group: start of the last segment.
    pub(crate) found: Option<i64>,
    /// The commit of ours that decides. Its segment has to be checked in the bucket before the next
    /// one is stored.
    pub(crate) unseen: Option<BackupCommit>,
}

impl Run {
    /// Finds out where to start in a partition, and writes what is missing for that: `topic.json`
    /// of a new generation, a `.sha256` that a kill left out.
    pub(crate) async fn resume_or_begin(&self, candidate: &Candidate) -> Result<Resume> {
        self.check_not_cut(&candidate.partition)?;
        let lineage = self.find_or_begin(self.topic(&candidate.partition.topic)?).await?;
        let generation = lineage.of(candidate.partition.partition);
        match candidate.commit.as_ref().filter(|commit| commit.folder == generation.folder()) {
            Some(commit) => self.behind_the_commit(candidate, commit, generation).await,
            None => self.behind_the_bucket(candidate, &lineage, generation).await,
        }
    }

    async fn behind_the_commit(&self, candidate: &Candidate, commit: &BackupCommit, generation: &Generation) -> Result<Resume> {
        if !self.is_same_log(candidate, commit, generation).await? {
            return self.begin_truncated(&candidate.partition, generation).await;
        }
        let generation = generation.clone();
        // There was nothing to back up when it was committed.
        if commit.next == 0 {
            return Ok(Resume { generation, start: 0, is_first: true, found: None, unseen: None });
        }
        let unseen = (!candidate.is_stored).then(|| commit.clone());
        Ok(Resume { generation, start: commit.next, is_first: false, found: None, unseen })
    }

    /// The group has no commit of this backup.
    async fn behind_the_bucket(&self, candidate: &Candidate, lineage: &Lineage, generation: &Generation) -> Result<Resume> {
        let TopicPartition { topic, partition } = &candidate.partition;
        let Some(last) = find_last(self.backup.store.as_ref(), &generation.folder(), *partition, 0).await? else {
            let is_first = !lineage.newest().begun.contains(partition);
            if !is_first {
                tracing::warn!(
                    topic,
                    partition,
                    "according to topic.json, segments of this partition were in the bucket, but none exists, and the group \
                     has no commit: what Kafka still has is backed up again. If no lifecycle rule of the bucket deleted them, \
                     find out what did"
                );
            }
            return Ok(Resume { generation: generation.clone(), start: 0, is_first, found: None, unseen: None });
        };
        let manifest = self.read_and_mend(*partition, &last, generation).await?;
        let (start, next) = (manifest.start, manifest.next);
        let known = self.commit_of(generation, start, next);
        if !self.is_same_log(candidate, &known, generation).await? {
            return self.begin_truncated(&candidate.partition, generation).await;
        }
        self.check_end(&candidate.partition, &known, &ChainEnd { segment: last.name, manifest, was_read: false }).await?;
        tracing::info!(
            topic,
            partition,
            "the group has no commit of this backup: continuing at offset {next} after the last segment in the bucket"
        );
        Ok(Resume { generation: generation.clone(), start: next, is_first: false, found: Some(start), unseen: None })
    }

    /// Checks the segment of the commit to continue after, unless this invocation has. Nothing is
    /// stored before this.
    pub(crate) async fn see_stored(&self, partition: &TopicPartition, resume: &Resume) -> Result<()> {
        match &resume.unseen {
            Some(commit) => self.check_stored_and_mend(partition, commit, &resume.generation).await,
            None => Ok(()),
        }
    }

    /// Checks that the segment of a commit is in the bucket, and writes its `.sha256` if only that
    /// is missing. A store that was restored to an older state (a snapshot, a lagging replica) has
    /// less than the group, and a backup that continues there would leave a hole. Usually one
    /// request.
    async fn check_stored_and_mend(&self, partition: &TopicPartition, commit: &BackupCommit, generation: &Generation) -> Result<()> {
        let (store, number) = (self.backup.store.as_ref(), partition.partition);
        let segment = names::segment(&commit.folder, number, commit.segment, generation.packing);
        match store.get(&names::sidecar(&segment)).await {
            Ok(_) => return Ok(()),
            // An archived segment cannot be read, but exists.
            Err(StoreError { kind: StoreErrorKind::NotFound | StoreErrorKind::Other, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match find_next(store, &commit.folder, number, commit.segment).await? {
            Some(entry) if entry.start == commit.segment && entry.sidecar => Ok(()),
            Some(entry) if entry.start == commit.segment => self.read_and_mend(number, &entry, generation).await.map(drop),
            None if find_next(store, &commit.folder, number, 0).await?.is_none() => {
                tracing::warn!(
                    topic = partition.topic,
                    partition = number,
                    "no segment of this partition is in the bucket any more; continuing at offset {}. If no lifecycle rule of \
                     the bucket deleted them, find out what did",
                    commit.next
                );
                Ok(())
            }
            _ => Err(self.not_stored(partition, commit, &segment)),
        }
    }

    fn not_stored(&self, partition: &TopicPartition, commit: &BackupCommit, segment: &str) -> Error {
        let (group, place) = (&self.backup.settings.group, self.backup.store.location(segment));
        let word = kernel::shell::quote(group).unwrap_or("GROUP_ID".into());
        let servers = kernel::shell::quote(&self.backup.settings.kafka.bootstrap_servers).unwrap_or("BOOTSTRAP_SERVERS".into());
        Error::lost(format!(
            "according to consumer group {group:?}, {partition} is backed up to offset {}, but the segment that ends \
             there is missing: {place}. Others of this partition exist; nothing was stored, because records after a \
             hole would be lost in a restore. Check whether the bucket or folder was restored to an older state. \
             Restore the segment and its .sha256. If they are lost permanently, delete the group's offset: \
             kafka-consumer-groups.sh --bootstrap-server {servers} --delete-offsets --group {word} --topic {}:{}. Then \
             the bucket decides where to continue, and what Kafka still has is backed up again",
            commit.next, partition.topic, partition.partition
        ))
    }
}
