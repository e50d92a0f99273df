//! Where to begin: our own commit says it, where its segment is in the bucket; where it is missing, foreign or expired, or the topic is another
//! one, the bucket does.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{
    BackupCommit, Found, Generation, Generations, Lineage, NewReason, Packing, TopicIdentity, find_last, find_next, names,
};
use archive::{Error, Result};
use kafka::{KafkaError, KafkaErrorKind, TopicFacts, TopicPartition};
use store::{StoreError, StoreErrorKind, Version};
use tokio::sync::Mutex;

use crate::Run;
use crate::plan::Candidate;
use crate::publish::ChainEnd;

/// How often the number of a new generation may go to another cluster's topic.
const NUMBERS_TAKEN: usize = 5;

/// What the workers of one invocation know of a topic.
#[derive(Debug)]
pub(crate) struct TopicState {
    name: String,
    pub(crate) facts: TopicFacts,
    identity: TopicIdentity,
    /// What our own commits say.
    known: Known,
    /// Its generations in the bucket, once somebody needed them.
    lineage: Mutex<Option<Lineage>>,
}

impl TopicState {
    pub(crate) fn new(name: &str, cluster: Option<String>, facts: TopicFacts, known: Known) -> Self {
        let identity = TopicIdentity { cluster, topic: facts.id.clone() };
        Self { name: name.to_owned(), facts, identity, known, lineage: Mutex::new(None) }
    }

    pub(crate) fn identity(&self) -> &TopicIdentity {
        &self.identity
    }
}

/// What our own commits say of a topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The oldest and the newest generation that they name: those were in the bucket before.
    pub(crate) oldest: Option<u32>,
    pub(crate) newest: Option<u32>,
    /// Partitions that they name a segment of, and the generation that it is in.
    pub(crate) begun: BTreeMap<i32, u32>,
    /// Partitions that lost their ends, as a second look of this invocation shows.
    pub(crate) cut: BTreeSet<i32>,
}

impl Known {
    /// Adds a commit that names a generation.
    pub(crate) fn add(&mut self, number: u32) {
        self.oldest = Some(self.oldest.map_or(number, |oldest| oldest.min(number)));
        self.newest = self.newest.max(Some(number));
    }

    /// Partitions that have a segment where `lineage` has them.
    fn begun_in(&self, lineage: &Lineage) -> BTreeSet<i32> {
        let begun = self.begun.iter().filter(|(partition, number)| lineage.of(**partition).generation == **number);
        begun.map(|(partition, _)| *partition).collect()
    }
}

/// Where a stretch begins.
#[derive(Debug, Clone)]
pub(crate) struct Resume {
    pub(crate) generation: Generation,
    pub(crate) start: i64,
    /// There never was a segment of this partition in this generation, as far as anybody knows.
    pub(crate) is_first: bool,
    /// The group did not know it, the bucket did: start of the last segment.
    pub(crate) found: Option<i64>,
}

impl Run {
    /// Finds out where to begin with a partition.
    pub(crate) async fn resume(&self, candidate: &Candidate) -> Result<Resume> {
        self.check_not_cut(&candidate.partition)?;
        let topic = self.topic(&candidate.partition.topic)?;
        let lineage = self.lineage(topic).await?;
        let generation = lineage.of(candidate.partition.partition).clone();
        if let Some(commit) = candidate.commit.as_ref().filter(|commit| commit.folder == generation.folder()) {
            if self.is_same_log(candidate, commit, &generation).await? {
                // Nothing was there to be backed up when it was made.
                if commit.next == 0 {
                    return Ok(Resume { generation, start: 0, is_first: true, found: None });
                }
                if !candidate.is_stored {
                    self.check_stored(&candidate.partition, commit, &generation).await?;
                }
                return Ok(Resume { generation, start: commit.next, is_first: false, found: None });
            }
            return self.begin_truncated(topic, candidate.partition.partition, &generation).await;
        }
        let store = self.backup.store.as_ref();
        let partition = candidate.partition.partition;
        let Some(last) = find_last(store, &generation.folder(), partition, 0).await? else {
            let is_first = !lineage.newest().begun.contains(&partition);
            if !is_first {
                tracing::warn!(
                    topic = candidate.partition.topic,
                    partition,
                    "topic.json says that segments of this partition were in the bucket, and none is, nor has the group a commit: what Kafka still \
                     holds is backed up again. If no expiry rule of the bucket deleted them, somebody or something else did"
                );
            }
            return Ok(Resume { generation, start: 0, is_first, found: None });
        };
        let manifest = self.adopt_one(partition, &last, &generation).await?;
        let end = ChainEnd { segment: last.name, manifest, was_read: false };
        let manifest = &end.manifest;
        let known = self.commit_of(&generation, manifest.start, manifest.next);
        if self.is_same_log(candidate, &known, &generation).await? {
            self.check_end(&candidate.partition, &known, &end).await?;
            tracing::info!(
                topic = candidate.partition.topic,
                partition,
                "the group has no commit of this backup: continuing at offset {} behind the last segment in the bucket",
                manifest.next
            );
            return Ok(Resume { generation, start: manifest.next, is_first: false, found: Some(manifest.start) });
        }
        self.begin_truncated(topic, partition, &generation).await
    }

    pub(crate) fn topic(&self, name: &str) -> Result<&TopicState> {
        self.topics.get(name).ok_or_else(|| Error::Refused(format!("topic {name:?} is not part of this invocation")))
    }

    /// The generations to write to: those of this topic, whichever numbers they have, else a new one.
    pub(crate) async fn lineage(&self, topic: &TopicState) -> Result<Lineage> {
        let mut known = topic.lineage.lock().await;
        if let Some(lineage) = known.as_ref() {
            return Ok(lineage.clone());
        }
        let generations = Generations::of(self.backup.store.as_ref(), &topic.name);
        let found = generations.find(&topic.identity, topic.known.oldest).await?;
        let lineage = match found {
            // Also where only the newest of several is missing: an older chain must not take what a newer one has.
            Found { newest, .. } if topic.known.newest > Some(newest) => return Err(self.not_the_bucket(topic)),
            Found { ours: Some((ours, version)), newest, .. } => {
                let number = ours.newest().generation;
                if number < newest {
                    tracing::info!(
                        topic = topic.name,
                        "continuing generation {:?}: the newer ones of this name, up to number {newest}, are of other topics or clusters",
                        ours.newest().folder()
                    );
                }
                // A commit follows a segment: before the first one nobody knows what the store does, for whoever began may have been killed.
                if topic.known.newest != Some(number) {
                    generations.prove(ours.newest()).await?;
                }
                self.refresh(topic, &generations, &ours, &version).await?;
                ours
            }
            found => self.begin(topic, found, None).await?,
        };
        *known = Some(lineage.clone());
        Ok(lineage)
    }

    /// Keeps up to date what re-creates the topic.
    async fn refresh(&self, topic: &TopicState, generations: &Generations<'_>, lineage: &Lineage, version: &Version) -> Result<()> {
        let (name, now, found) = (topic.name.as_str(), topic.facts.partitions, lineage.newest());
        if found.partitions < now {
            tracing::warn!(
                topic = name,
                "partitions were added: {} before, {now} now; new ones are backed up from their beginning, and keys may have moved to others",
                found.partitions,
            );
        }
        let configs = self.backup.source.configs(name).await?;
        let facts = TopicFacts { configs: configs.unwrap_or_else(|| found.configs.clone()), ..topic.facts.clone() };
        generations.refresh(found, version, &topic.identity, &facts, &topic.known.begun_in(lineage)).await
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
        let folder = names::topic_folder(&topic.name, topic.known.newest.unwrap_or(1));
        let place = self.backup.store.location(&names::topic_json(&folder));
        Error::Refused(format!(
            "consumer group {:?} says that {:?} was backed up here, but {place} is missing; nothing was read. Is this the right bucket or folder, and \
             is it mounted? To begin a new backup here, choose a new GROUP_ID",
            self.backup.settings.group, topic.name
        ))
    }

    /// Begins a partition again, in a newer generation than `old`. The partitions that lost nothing stay where they are.
    async fn begin_truncated(&self, topic: &TopicState, partition: i32, old: &Generation) -> Result<Resume> {
        let is_newer = |lineage: &Lineage| lineage.of(partition).generation > old.generation;
        let mut known = topic.lineage.lock().await;
        let lineage = match known.as_ref().filter(|lineage| is_newer(lineage)) {
            Some(lineage) => lineage.clone(),
            None => {
                let generations = Generations::of(self.backup.store.as_ref(), &topic.name);
                match generations.find(&topic.identity, Some(old.generation)).await? {
                    // Another invocation has begun it.
                    Found { ours: Some((lineage, _)), .. } if is_newer(&lineage) => {
                        generations.prove(lineage.of(partition)).await?;
                        lineage
                    }
                    mut found => {
                        found.reason = Some(NewReason::Truncated);
                        self.begin(topic, found, Some(partition)).await?
                    }
                }
            }
        };
        let generation = lineage.of(partition).clone();
        *known = Some(lineage);
        Ok(Resume { generation, start: 0, is_first: true, found: None })
    }

    /// Begins a generation, if the topic still is the one this invocation knows: a paused invocation that wakes late must not begin one for a
    /// topic that is gone. With `cut`, a partition that lost its end, and with it those of which the same is known.
    async fn begin(&self, topic: &TopicState, mut found: Found, cut: Option<i32>) -> Result<Lineage> {
        let (backup, name) = (&self.backup, topic.name.as_str());
        let generations = Generations::of(backup.store.as_ref(), name);
        let reason = found.reason.unwrap_or(NewReason::First);
        let begins: Option<BTreeSet<i32>> = cut.map(|cut| topic.known.cut.iter().copied().chain([cut]).collect());
        for _ in 0..NUMBERS_TAKEN {
            self.check_identity(name).await?;
            let number = found.newest + 1;
            // Of the partitions that stay where they are, it is known on.
            let begun =
                found.ours.iter().flat_map(|(lineage, _)| lineage.newest().begun.iter().copied().chain(topic.known.begun_in(lineage)));
            let begun = begun.filter(|partition| begins.as_ref().is_some_and(|begins| !begins.contains(partition))).collect();
            if reason != NewReason::First {
                tracing::warn!(topic = name, "{}", why(topic, number, &reason, begins.as_ref()));
            }
            let generation = Generation {
                format_version: Generation::FORMAT,
                topic: name.to_owned(),
                generation: number,
                topic_id: topic.identity.topic.clone(),
                cluster_id: topic.identity.cluster.clone(),
                partitions: topic.facts.partitions,
                replication_factor: topic.facts.replication_factor,
                begun,
                configs: backup.source.configs(name).await?.unwrap_or_default(),
                packing: Packing::from(backup.settings.compression),
                reason: reason.clone(),
                begins: begins.clone(),
                at: backup.clock.now(),
                is_create_only: true,
            };
            let begun = generations.begin(generation).await?;
            if begun.begins.is_none() && begun.is(&topic.identity) {
                generations.prove(&begun).await?;
                return Ok(Lineage::of_one(begun));
            }
            // Where it does not go on with older ones, the number went to another cluster's topic, or to other partitions, or this is another topic now.
            found = generations.find(&topic.identity, Some(number)).await?;
            if let Some((lineage, _)) = found.ours.take_if(|(lineage, _)| cut.is_none_or(|cut| lineage.of(cut).generation >= number)) {
                generations.prove(lineage.newest()).await?;
                return Ok(lineage);
            }
        }
        Err(another_topic(name))
    }

    /// Checks that the topic still has the id it had when the invocation began.
    pub(crate) async fn check_identity(&self, name: &str) -> Result<()> {
        let topic = self.topic(name)?;
        let mut now = self.backup.source.describe(&[name.to_owned()]).await?;
        match now.remove(name).transpose()? {
            Some(facts) if facts.id == topic.facts.id && self.backup.source.cluster_id() == topic.identity.cluster => Ok(()),
            _ => Err(another_topic(name)),
        }
    }
}

fn another_topic(name: &str) -> Error {
    let what =
        "was deleted or created again during this invocation; nothing was written of it, the next invocation begins a new generation";
    KafkaError::new(KafkaErrorKind::Unavailable, format!("topic {name:?}"), what).into()
}

fn why(topic: &TopicState, number: u32, reason: &NewReason, begins: Option<&BTreeSet<i32>>) -> String {
    let (name, folder) = (&topic.name, names::topic_folder(&topic.name, number));
    match reason {
        NewReason::Truncated => format!(
            "partitions {:?} of {name:?} end below what was backed up (unclean election, or a cluster restored to an older state): their logs are others \
             now. They begin again in generation {folder:?}; the other partitions stay where they are, and what was backed up stays readable",
            begins.into_iter().flatten().collect::<Vec<_>>()
        ),
        NewReason::AnotherCluster => format!(
            "what is in the bucket of {name:?} is of another cluster, and this one is {:?}: beginning generation {folder:?}, the others stay as they \
             are. Where two clusters share a place on purpose, give each a STORAGE_PREFIX of its own",
            topic.identity.cluster.as_deref().unwrap_or("unknown")
        ),
        _ => format!(
            "topic {name:?} has another topic id than the one that was backed up: it was deleted and created again; beginning generation {folder:?}, \
             the old one stays readable"
        ),
    }
}
