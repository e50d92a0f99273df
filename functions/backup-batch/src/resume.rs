//! Where to begin: our own commit says it, where its segment is in the bucket; where it is missing, foreign or expired, or the topic is another
//! one, the bucket does.

use std::collections::BTreeSet;

use shared::catalog::{BackupCommit, Generation, Generations, NewReason, find_last, find_next, names};
use shared::kafka::{KafkaError, KafkaErrorKind, TopicFacts, TopicPartition};
use shared::segment::Packing;
use shared::store::{StoreError, StoreErrorKind, Version};
use shared::{Error, Result};
use tokio::sync::Mutex;

use crate::Run;
use crate::plan::Candidate;

/// What the workers of one invocation know of a topic.
#[derive(Debug)]
pub(crate) struct TopicState {
    name: String,
    pub(crate) facts: TopicFacts,
    /// The newest generation that our own commits name: it was in the bucket before they were made.
    committed: Option<u32>,
    /// The newest generation in the bucket, once somebody needed it.
    generation: Mutex<Option<Generation>>,
}

impl TopicState {
    pub(crate) fn new(name: &str, facts: TopicFacts, committed: Option<u32>) -> Self {
        Self { name: name.to_owned(), facts, committed, generation: Mutex::new(None) }
    }
}

/// Where a stretch begins.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    pub(crate) generation: Generation,
    pub(crate) start: i64,
    /// There is no segment of this partition yet in this generation.
    pub(crate) is_first: bool,
    /// The group did not know it, the bucket did: start of the last segment.
    pub(crate) found: Option<i64>,
}

impl Run {
    /// Finds out where to begin with a partition.
    pub(crate) async fn resume(&self, candidate: &Candidate) -> Result<Resume> {
        let topic = self.topic(&candidate.partition.topic)?;
        let generation = self.generation(topic).await?;
        if let Some(commit) = candidate.commit.as_ref().filter(|commit| commit.folder == generation.folder()) {
            if self.still_holds(candidate, commit.next).await? {
                if !candidate.is_stored {
                    self.check_stored(&candidate.partition, commit, &generation).await?;
                }
                return Ok(Resume { generation, start: commit.next, is_first: false, found: None });
            }
            return self.begin_truncated(topic, &generation).await;
        }
        let store = self.backup.store.as_ref();
        let partition = candidate.partition.partition;
        let Some(last) = find_last(store, &generation.folder(), partition, 0).await? else {
            return Ok(Resume { generation, start: 0, is_first: true, found: None });
        };
        let manifest = self.adopt_one(partition, &last, &generation).await?;
        if self.still_holds(candidate, manifest.next).await? {
            tracing::info!(
                topic = candidate.partition.topic,
                partition,
                "the group has no commit of this backup: continuing at offset {} behind the last segment in the bucket",
                manifest.next
            );
            return Ok(Resume { generation, start: manifest.next, is_first: false, found: Some(manifest.start) });
        }
        self.begin_truncated(topic, &generation).await
    }

    pub(crate) fn topic(&self, name: &str) -> Result<&TopicState> {
        self.topics.get(name).ok_or_else(|| Error::Refused(format!("topic {name:?} is not part of this invocation")))
    }

    /// The generation to write to: the newest in the bucket if it is of this topic id, else a new one.
    async fn generation(&self, topic: &TopicState) -> Result<Generation> {
        let mut known = topic.generation.lock().await;
        if let Some(generation) = known.as_ref() {
            return Ok(generation.clone());
        }
        let generations = Generations::of(self.backup.store.as_ref(), &topic.name);
        let generation = match generations.newest(topic.committed.unwrap_or(1)).await? {
            Some((found, version)) if found.is(topic.facts.id.as_ref()) => {
                self.refresh(topic, &generations, &found, &version).await?;
                found
            }
            Some((found, _)) => self.begin(topic, found.generation + 1, NewReason::Recreated).await?,
            None if topic.committed.is_some() => return Err(self.not_the_bucket(topic)),
            None => self.begin(topic, 1, NewReason::First).await?,
        };
        *known = Some(generation.clone());
        Ok(generation)
    }

    /// Keeps up to date what re-creates the topic.
    async fn refresh(&self, topic: &TopicState, generations: &Generations<'_>, found: &Generation, version: &Version) -> Result<()> {
        let (name, now) = (topic.name.as_str(), topic.facts.partitions);
        if found.partitions < now {
            tracing::warn!(
                topic = name,
                "partitions were added: {} before, {now} now; new ones are backed up from their beginning, and keys may have moved to others",
                found.partitions,
            );
        }
        let configs = self.backup.source.configs(name).await?;
        let facts = TopicFacts { configs: configs.unwrap_or_else(|| found.configs.clone()), ..topic.facts.clone() };
        generations.refresh(found, version, &facts, self.begun.get(&found.folder()).unwrap_or(&BTreeSet::new())).await
    }

    /// Checks that the segment of a commit is in the bucket, and writes its `.sha256` where that alone is missing. A store that was set back (a
    /// snapshot, a replica that lags) says less than the group, and a backup that goes on there leaves a hole. One request, as a rule.
    async fn check_stored(&self, partition: &TopicPartition, commit: &BackupCommit, generation: &Generation) -> Result<()> {
        let (store, number) = (self.backup.store.as_ref(), partition.partition);
        let segment = names::segment(&commit.folder, number, commit.segment, generation.packing);
        match store.get(&names::sidecar(&segment)).await {
            Ok(_) => return Ok(()),
            // What is archived cannot be read, and is there.
            Err(StoreError { kind: StoreErrorKind::NotFound | StoreErrorKind::Other, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match find_next(store, &commit.folder, number, commit.segment).await? {
            Some(entry) if entry.start == commit.segment && entry.sidecar => Ok(()),
            Some(entry) if entry.start == commit.segment => self.adopt_one(number, &entry, generation).await.map(drop),
            None if find_next(store, &commit.folder, number, 0).await?.is_none() => {
                tracing::warn!(
                    topic = partition.topic,
                    partition = number,
                    "no segment of this partition is in the bucket any more; going on at offset {}. If no expiry rule of the bucket deleted them, \
                     somebody or something else did",
                    commit.next
                );
                Ok(())
            }
            _ => Err(self.not_stored(partition, commit, &segment)),
        }
    }

    fn not_stored(&self, partition: &TopicPartition, commit: &BackupCommit, segment: &str) -> Error {
        let (group, place) = (&self.backup.settings.group, self.backup.store.location(segment));
        Error::Refused(format!(
            "consumer group {group:?} says that {partition} is backed up to offset {}, but the segment that ends there is missing: {place}. Others of \
             this partition are there; nothing was read, since behind a hole it would be lost in a restore. Was the bucket or folder set back to an \
             older state? Put the segment and its .sha256 back. If they are gone for good, take the group's offset away: kafka-consumer-groups.sh \
             --delete-offsets --group {group} --topic {}:{}. Then the bucket decides where to go on, and what Kafka still holds is backed up again",
            commit.next, partition.topic, partition.partition
        ))
    }

    /// Going on behind what is not there would leave a hole that nobody sees before a restore.
    fn not_the_bucket(&self, topic: &TopicState) -> Error {
        let folder = names::topic_folder(&topic.name, topic.committed.unwrap_or(1));
        let place = self.backup.store.location(&names::topic_json(&folder));
        Error::Refused(format!(
            "consumer group {:?} says that {:?} was backed up here, but {place} is missing; nothing was read. Is this the right bucket or folder, and \
             is it mounted? To begin a new backup here, choose a new GROUP_ID",
            self.backup.settings.group, topic.name
        ))
    }

    /// Whether the log still holds (or once held) offset `next`, so that the backup can go on there. Asked once more before the answer is
    /// no: the offsets of the plan can be older than the commit.
    async fn still_holds(&self, candidate: &Candidate, next: i64) -> Result<bool> {
        if candidate.range.high_watermark >= next {
            return Ok(true);
        }
        let fresh = self.fresh_range(&candidate.partition).await?;
        Ok(fresh.is_none_or(|range| range.high_watermark >= next))
    }

    async fn begin_truncated(&self, topic: &TopicState, old: &Generation) -> Result<Resume> {
        let mut known = topic.generation.lock().await;
        let generation = match known.as_ref() {
            Some(newer) if newer.generation > old.generation => newer.clone(),
            _ => self.begin(topic, old.generation + 1, NewReason::Truncated).await?,
        };
        *known = Some(generation.clone());
        Ok(Resume { generation, start: 0, is_first: true, found: None })
    }

    /// Begins a generation, if the topic still is the one this invocation knows: a paused invocation that wakes late must not begin one for a
    /// topic that is gone.
    async fn begin(&self, topic: &TopicState, number: u32, reason: NewReason) -> Result<Generation> {
        let name = topic.name.as_str();
        self.check_identity(name).await?;
        let backup = &self.backup;
        if reason != NewReason::First {
            tracing::warn!(topic = name, "{}", why(name, number, &reason));
        }
        let generation = Generation {
            format_version: Generation::FORMAT,
            topic: name.to_owned(),
            generation: number,
            topic_id: topic.facts.id.clone(),
            partitions: topic.facts.partitions,
            begun: BTreeSet::new(),
            configs: backup.source.configs(name).await?.unwrap_or_default(),
            packing: Packing::from(backup.settings.compression),
            reason,
            at: backup.clock.now(),
        };
        let begun = Generations::of(backup.store.as_ref(), name).begin(generation).await?;
        if begun.is(topic.facts.id.as_ref()) { Ok(begun) } else { Err(another_topic(name)) }
    }

    /// Checks that the topic still has the id it had when the invocation began.
    pub(crate) async fn check_identity(&self, name: &str) -> Result<()> {
        let known = &self.topic(name)?.facts;
        let mut now = self.backup.source.describe(&[name.to_owned()]).await?;
        match now.remove(name).transpose()? {
            Some(facts) if facts.id == known.id => Ok(()),
            _ => Err(another_topic(name)),
        }
    }
}

fn another_topic(name: &str) -> Error {
    let what =
        "was deleted or created again during this invocation; nothing was written of it, the next invocation begins a new generation";
    KafkaError::new(KafkaErrorKind::Unavailable, format!("topic {name:?}"), what).into()
}

fn why(name: &str, number: u32, reason: &NewReason) -> String {
    let folder = names::topic_folder(name, number);
    match reason {
        NewReason::Truncated => format!(
            "a partition of {name:?} ends below what was backed up (unclean election, or a cluster set back): its log is another one now; \
             beginning generation {folder:?}, the old one stays readable"
        ),
        _ => format!(
            "topic {name:?} has another topic id: it was deleted and created again; beginning generation {folder:?}, the old one stays readable"
        ),
    }
}
