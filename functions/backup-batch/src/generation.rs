//! Which generation contains each partition. Finds it in the bucket, or begins one: writes
//! `topic.json`, and keeps it up to date.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{BackupCommit, Found, Generation, Generations, Lineage, NewReason, Packing, TopicIdentity, names};
use archive::{Error, Result};
use futures::StreamExt;
use kafka::{KafkaError, KafkaErrorKind, TopicFacts, TopicPartition};
use kernel::lock;
use store::Version;
use tokio::sync::Mutex;

use crate::resume::Resume;
use crate::settling::AT_ONCE;
use crate::work::Run;

/// How often another cluster's topic may take the number of a new generation.
const NUMBERS_TAKEN: usize = 5;

/// What the workers of one invocation know of a topic.
#[derive(Debug)]
pub(crate) struct TopicState {
    name: String,
    pub(crate) facts: TopicFacts,
    identity: TopicIdentity,
    /// What our own commits show.
    known: Known,
    /// Its generations in the bucket, once needed.
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

/// What our own commits show of a topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The oldest and the newest generation in them: those were in the bucket before.
    pub(crate) oldest: Option<u32>,
    pub(crate) newest: Option<u32>,
    /// Partitions with a segment in them, and its generation.
    pub(crate) begun: BTreeMap<i32, u32>,
    /// Partitions that lost their ends, as a second check in this invocation shows.
    pub(crate) cut: BTreeSet<i32>,
}

impl Known {
    /// Adds a commit.
    pub(crate) fn add(&mut self, partition: i32, commit: &BackupCommit) {
        let number = commit.generation();
        // The commit of offset 0 shows that topic.json is written, and names no segment.
        if commit.next > 0 {
            self.begun.insert(partition, number);
        }
        self.oldest = Some(self.oldest.map_or(number, |oldest| oldest.min(number)));
        self.newest = self.newest.max(Some(number));
    }

    /// Partitions with a segment in their generation of `lineage`.
    fn begun_in(&self, lineage: &Lineage) -> BTreeSet<i32> {
        let begun = self.begun.iter().filter(|(partition, number)| lineage.of(**partition).generation == **number);
        begun.map(|(partition, _)| *partition).collect()
    }
}

impl Run {
    /// Writes what is needed to create an empty topic again. A commit of offset 0 records that, so
    /// that later invocations do not ask the bucket.
    pub(crate) async fn note_empty_topic(&self, partition: &TopicPartition) {
        if self.is_spent() {
            return;
        }
        let noted = async {
            let lineage = self.find_or_begin(self.topic(&partition.topic)?).await?;
            // Nothing was backed up, so the first records are due, however recent this is.
            let commit = BackupCommit { at: 0, ..self.commit_of(lineage.of(partition.partition), 0, 0) };
            self.commit(partition, commit).await
        };
        if let Err(error) = noted.await {
            self.fail(partition, &error);
        }
    }

    /// Finds the generations of the topics whose partitions come first in the queue, many in
    /// parallel: workers would look them up one after another. A failure is left to the worker that
    /// needs it.
    pub(crate) async fn find_topics(&self) {
        let settings = &self.backup.settings;
        let most =
            settings.max_segments.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX).saturating_mul(settings.threads));
        let mut topics: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for candidate in lock(&self.queue).iter().take(most) {
            if seen.insert(candidate.partition.topic.clone()) {
                topics.push(candidate.partition.topic.clone());
            }
        }
        if topics.len() <= settings.threads {
            return;
        }
        let find = |topic: String| async move {
            let is_needed = !self.is_spent() && !lock(&self.queue).is_empty();
            if let (true, Ok(topic)) = (is_needed, self.topic(&topic)) {
                _ = self.find_or_begin(topic).await;
            }
        };
        futures::stream::iter(topics).for_each_concurrent(AT_ONCE, find).await;
    }

    /// The generations to write to: those of this topic, whatever their numbers, or a new one,
    /// whose `topic.json` this writes.
    pub(crate) async fn find_or_begin(&self, topic: &TopicState) -> Result<Lineage> {
        let mut known = topic.lineage.lock().await;
        if let Some(lineage) = known.as_ref() {
            return Ok(lineage.clone());
        }
        let generations = Generations::of(self.backup.store.as_ref(), &topic.name);
        let found = generations.find(&topic.identity, topic.known.oldest).await?;
        let lineage = match found {
            // Even if only the newest of several is missing: an older chain must not get records
            // that a newer one has.
            Found { newest, .. } if topic.known.newest > Some(newest) => {
                return Err(self.backup.not_the_bucket(&topic.name, topic.known.newest.unwrap_or(1)));
            }
            Found { ours: Some((ours, version)), newest, .. } => {
                let number = ours.newest().generation;
                if number < newest {
                    tracing::info!(
                        topic = topic.name,
                        "continuing generation {:?}: the newer ones of this name, up to number {newest}, belong to other topics \
                         or clusters",
                        ours.newest().folder()
                    );
                }
                // A commit follows a segment. Before the first one it is unknown what the store
                // does, because the invocation that began may have been killed.
                if topic.known.newest != Some(number) {
                    generations.prove(ours.newest()).await?;
                }
                self.refresh_topic_json(topic, &generations, &ours, &version).await?;
                ours
            }
            found => self.begin(topic, found, None).await?,
        };
        *known = Some(lineage.clone());
        Ok(lineage)
    }

    /// Updates what is needed to create the topic again.
    async fn refresh_topic_json(
        &self,
        topic: &TopicState,
        generations: &Generations<'_>,
        lineage: &Lineage,
        version: &Version,
    ) -> Result<()> {
        let (name, now, found) = (topic.name.as_str(), topic.facts.partitions, lineage.newest());
        if found.partitions < now {
            tracing::warn!(
                topic = name,
                "partitions were added: {} before, {now} now; the new ones are backed up from their start, and keys may \
                 have moved to others",
                found.partitions,
            );
        }
        let configs = self.backup.source.configs(name).await?;
        let facts = TopicFacts { configs: configs.unwrap_or_else(|| found.configs.clone()), ..topic.facts.clone() };
        let begun = topic.known.begun_in(lineage);
        if let Some(error) = self.backup.missing_snapshots(found).await {
            lock(&self.report).fail_topic(&error);
        }
        generations.refresh(found, version, &topic.identity, &facts, &begun, self.backup.snapshots_taken()).await
    }

    /// Begins a partition again, in a newer generation than `old`. The partitions that lost nothing
    /// stay where they are.
    pub(crate) async fn begin_truncated(&self, partition: &TopicPartition, old: &Generation) -> Result<Resume> {
        let (topic, partition) = (self.topic(&partition.topic)?, partition.partition);
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
        Ok(Resume { generation, start: 0, is_first: true, found: None, unseen: None })
    }

    /// Begins a generation, if the topic is still the one that this invocation knows: a paused
    /// invocation that wakes up late must not begin one for a deleted topic. With `cut`: a
    /// partition that lost its end, together with others that are known to have.
    async fn begin(&self, topic: &TopicState, mut found: Found, cut: Option<i32>) -> Result<Lineage> {
        let (backup, name) = (&self.backup, topic.name.as_str());
        let generations = Generations::of(backup.store.as_ref(), name);
        let reason = found.reason.unwrap_or(NewReason::First);
        let begins: Option<BTreeSet<i32>> = cut.map(|cut| topic.known.cut.iter().copied().chain([cut]).collect());
        for _ in 0..NUMBERS_TAKEN {
            self.check_identity(name).await?;
            let number = found.newest + 1;
            // Partitions that stay where they are stay known.
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
                snapshots: backup.snapshots_taken(),
                is_create_only: true,
            };
            let begun = generations.begin(generation).await?;
            if begun.begins.is_none() && begun.is(&topic.identity) {
                generations.prove(&begun).await?;
                return Ok(Lineage::of_one(begun));
            }
            // If it does not continue older ones, another cluster's topic or other partitions got
            // the number, or this is another topic now.
            found = generations.find(&topic.identity, Some(number)).await?;
            if let Some((lineage, _)) = found.ours.take_if(|(lineage, _)| cut.is_none_or(|cut| lineage.of(cut).generation >= number)) {
                generations.prove(lineage.newest()).await?;
                return Ok(lineage);
            }
        }
        Err(another_topic(name))
    }

    /// Checks that the topic still has the id that it had when the invocation began.
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
    let what = "was deleted or created again during this invocation; nothing was written for it, the next invocation \
         begins a new generation";
    KafkaError::new(KafkaErrorKind::Unavailable, format!("topic {name:?}"), what).into()
}

fn why(topic: &TopicState, number: u32, reason: &NewReason, begins: Option<&BTreeSet<i32>>) -> String {
    let (name, folder) = (&topic.name, names::topic_folder(&topic.name, number));
    match reason {
        NewReason::Truncated => format!(
            "partitions {:?} of {name:?} end below what was backed up (unclean election, or a cluster restored to an \
             older state): they are other logs now. They begin again in generation {folder:?}; the other partitions \
             stay where they are, and what was backed up stays readable",
            begins.into_iter().flatten().collect::<Vec<_>>()
        ),
        NewReason::AnotherCluster => format!(
            "the backup of {name:?} in the bucket belongs to another cluster, and this one is {:?}: beginning \
             generation {folder:?}; the others are not changed. If two clusters share a bucket on purpose, give each \
             its own STORAGE_PREFIX",
            topic.identity.cluster.as_deref().unwrap_or("unknown")
        ),
        _ => format!(
            "topic {name:?} has another topic id than the one that was backed up: it was deleted and created again; beginning generation {folder:?}, \
             the old one stays readable"
        ),
    }
}
