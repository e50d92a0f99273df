//! What the backup contains.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{
    Generation, Generations, Lineage, MOST_PARTITIONS, RestoreIdentity, RestoredTopic, TopicThen, find_next, names, what_is_there,
};
use archive::{Error, Result};
use config::RestoreSettings;
use host::Event;
use kafka::{TopicId, TopicPartition};

use crate::Restore;
use crate::together::try_at_once;

/// The backup of one generation of a topic.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its folder: `orders`, `orders@2`.
    pub(crate) folder: String,
    /// As people write it: `orders` if it is the only one, `orders@1`.
    pub(crate) name: String,
    /// The content of `topic.json`; the Python tool wrote none.
    pub(crate) generation: Option<Generation>,
    /// With the older generations that contain some partitions.
    lineage: Option<Lineage>,
    /// Its accepted losses.
    pub(crate) accepted: Vec<String>,
    /// The other generations of the topic, as people write them: it was created again, its log lost
    /// its end, or they belong to other clusters.
    pub(crate) older: Vec<String>,
    pub(crate) newer: Vec<String>,
    /// Partitions that `topic.json` counts, without anything in the bucket.
    pub(crate) absent: Vec<i32>,
    /// Every partition that has a folder or should have one, in order.
    pub(crate) all_partitions: Vec<i32>,
    /// Those of this invocation.
    pub(crate) partitions: Vec<i32>,
    /// The target topic.
    pub(crate) target: String,
    /// Where the restore of each partition ends; `None`: it follows the backup.
    pub(crate) cuts: Option<BTreeMap<i32, i64>>,
    /// Whether the snapshot of its moment has its configs; `None`: it is of no moment.
    pub(crate) has_told: Option<bool>,
}

impl Source {
    /// The generations of its partitions, newest first.
    pub(crate) fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.lineage.iter().flat_map(Lineage::all)
    }

    /// The folder of a partition: an older generation's, if only others lost the ends of their
    /// logs.
    pub(crate) fn folder_of(&self, partition: i32) -> String {
        self.lineage.as_ref().map_or_else(|| self.folder.clone(), |lineage| lineage.of(partition).folder())
    }

    /// Where the restore of a partition ends.
    pub(crate) fn cut_of(&self, partition: i32) -> Option<i64> {
        self.cuts.as_ref().map(|cuts| cuts.get(&partition).copied().unwrap_or(0))
    }

    /// Id of the topic of a partition's segments, if known.
    pub(crate) fn topic_id_of(&self, partition: i32) -> Option<&TopicId> {
        self.lineage.as_ref()?.of(partition).topic_id.as_ref()
    }

    /// Partitions that the target needs so that each record goes to its own. No more than any topic
    /// has, whatever the bucket contains.
    pub(crate) fn partition_count(&self) -> i32 {
        let found = self.all_partitions.last().map_or(0, |last| last.saturating_add(1));
        self.generation.as_ref().map_or(found, |generation| generation.partitions.max(found)).min(MOST_PARTITIONS)
    }
}

impl Source {
    /// Its entry in restore.json if it is followed.
    pub(crate) fn followed(&self) -> RestoredTopic {
        RestoredTopic { folder: self.folder.clone(), target: self.target.clone(), cuts: None, then: None, accepted: Vec::new() }
    }

    /// With the topic's properties at some moment.
    pub(crate) fn back_to(mut self, then: &TopicThen) -> Self {
        if let Some(generation) = &mut self.generation {
            generation.partitions = then.partitions;
            generation.replication_factor = then.replication_factor.or(generation.replication_factor);
            if let Some(configs) = &then.configs {
                generation.configs.clone_from(configs);
            }
        }
        self.has_told = Some(then.configs.is_some());
        self.all_partitions.retain(|number| *number < then.partitions);
        self
    }

    /// Why the backup has no configs of the original; `None`: it has them, or there were none.
    pub(crate) fn why_without_configs(&self) -> Option<&'static str> {
        match (&self.generation, self.has_told) {
            (_, Some(true)) => None,
            (Some(original), _) if !original.configs.is_empty() => None,
            (_, Some(false)) => Some("it could not read them, as without the right DescribeConfigs on the topic"),
            (None, None) => Some("it has no topic.json, as the Python tool wrote none"),
            // topic.json has no reason.
            (Some(_), None) => Some("the topic had none of its own, or the backup has no right to read them: `check` shows which"),
        }
    }

    /// The message for a topic whose newest generation is empty, while older ones may not be.
    pub(crate) fn note_on_emptiness(&self, settings: &RestoreSettings) -> Option<String> {
        let is_empty = self.all_partitions.is_empty() && !self.older.is_empty() && settings.backup_cluster.is_none();
        is_empty.then(|| {
            format!(
                "the newest generation, {}, is empty: the topic was created again, and is restored empty. The previous \
                 one is {}: to restore that, exclude the topic here (RESTORE_EXCLUDE_TOPIC_NAMES), and name that \
                 generation",
                self.name,
                self.older.join(", ")
            )
        })
    }

    /// The message for a partition that has nothing to restore, but had.
    pub(crate) fn what_is_lost(&self, partition: i32) -> Option<String> {
        let was_there = self.generation.as_ref().is_some_and(|generation| generation.begun.contains(&partition));
        was_there.then(|| {
            format!(
                "every segment of {}/{partition} is missing: according to {}/topic.json there were some",
                self.folder_of(partition),
                self.folder
            )
        })
    }

    /// An addition if the beginning of a partition is missing: in a compacted topic it is more than
    /// old records.
    pub(crate) fn compaction_advice(&self) -> &'static str {
        let is_compacted = self.generation.as_ref().is_some_and(Generation::is_compacted);
        if is_compacted {
            ". The topic is compacted: keys whose last value was in them are lost. The backup of such a topic must \
             not expire by age"
        } else {
            ""
        }
    }
}

/// Whether an event includes this partition; its topic can be named in several ways.
pub(crate) fn is_for(event: &Event, folder: &str, partition: i32) -> bool {
    let is_named = event.topic.as_ref().is_none_or(|only| is_name_of(only, folder));
    is_named && Event { topic: None, ..event.clone() }.includes(&TopicPartition::new(folder, partition))
}

/// Whether this name means the folder: its own, the topic's, or that of the generation.
pub(crate) fn is_name_of(name: &str, folder: &str) -> bool {
    let of = names::parse_topic_folder(folder);
    name == folder || of.is_some_and(|(topic, number)| name == topic || name == names::generation(topic, number))
}

impl Restore {
    /// The backup of the single topic of this restore.
    pub(crate) async fn source_of_one(&self, event: &Event, noted: Option<&RestoreIdentity>) -> Result<Source> {
        let wanted = self.settings.topics.names().next().unwrap_or_default();
        let began_with = noted.and_then(|noted| Some(noted.topics.first()?.folder.as_str()));
        self.source(wanted, event, began_with).await
    }

    /// The backups of these topics with their entries in restore.json, in the same order. Some in
    /// parallel.
    pub(crate) async fn sources_of(&self, topics: impl IntoIterator<Item = &RestoredTopic>) -> Result<Vec<Source>> {
        try_at_once(topics.into_iter().map(|topic| self.source_with_cuts(topic, Vec::new())).collect()).await
    }

    /// The backup of a topic with its entry in restore.json. `partitions` are those of this
    /// invocation.
    pub(crate) async fn source_with_cuts(&self, topic: &RestoredTopic, partitions: Vec<i32>) -> Result<Source> {
        let (of, number) = names::parse_topic_folder(&topic.folder).unwrap_or((&topic.folder, 1));
        let lineage = Generations::of(self.store.as_ref(), of).lineage(number).await?;
        if lineage.is_none() && !self.settings.skip_damaged && !topic.cuts.iter().flatten().all(|(_, cut)| *cut == 0) {
            let location = self.store.location(&names::topic_json(&topic.folder));
            return Err(Error::lost(format!(
                "{location} is missing, but existed when this restore began. Restore it, or set SKIP_DAMAGED=true"
            )));
        }
        let generation = lineage.as_ref().map(|lineage| lineage.newest().clone());
        let all_partitions = topic.cuts.iter().flatten().map(|(partition, _)| *partition).collect();
        let source = Source {
            folder: topic.folder.clone(),
            name: if number == 1 { of.to_owned() } else { names::generation(of, number) },
            generation,
            lineage,
            accepted: topic.accepted.clone(),
            older: Vec::new(),
            newer: Vec::new(),
            absent: Vec::new(),
            all_partitions,
            partitions,
            target: topic.target.clone(),
            cuts: topic.cuts.clone(),
            has_told: None,
        };
        Ok(match &topic.then {
            Some(then) => source.back_to(then),
            None => source,
        })
    }

    /// Finds the backup of a topic in the bucket: the named generation, the one with which this
    /// restore began, or the newest.
    pub(crate) async fn source(&self, wanted: &str, event: &Event, began_with: Option<&str>) -> Result<Source> {
        let (topic, asked) =
            names::parse_topic(wanted).ok_or_else(|| Error::request(format!("BACKUP_TOPIC_NAME {wanted:?} is not the name of a topic")))?;
        let generations = Generations::of(self.store.as_ref(), topic);
        let looked_at = asked.or(began_with.and_then(names::parse_topic_folder).map(|(_, number)| number)).unwrap_or(1);
        let (later, first) = futures::join!(generations.later(), generations.with_places(looked_at));
        let later = later?;
        let began_with = began_with.and_then(names::parse_topic_folder).filter(|(of, _)| *of == topic);
        let is_open = asked.is_none() && began_with.is_none();
        let number = match asked.or(began_with.map(|(_, number)| number)) {
            Some(number) => number,
            None => self.newest(&generations, topic, &later).await?,
        };
        if is_open {
            self.refuse_older(topic, number, &later)?;
        }
        let folder = names::topic_folder(topic, number);
        let (name, others) = (names::generation(topic, number), self.others(&generations, number, &later).await?);
        if let Some(only) = event.topic.as_ref().filter(|only| !is_name_of(only, &folder)) {
            return Err(Error::request(format!("the event names topic {only:?}, but this function restores {wanted:?}; nothing was read")));
        }
        let (older, newer): (Vec<u32>, Vec<u32>) = others.into_iter().partition(|other| *other < number);
        let name = if number == 1 && newer.is_empty() { topic.to_owned() } else { name };
        let named = |numbers: Vec<u32>| numbers.into_iter().map(|other| names::generation(topic, other)).collect::<Vec<_>>();
        // As a rule there is one generation, and it was looked at meanwhile.
        let (mut lineage, mut places) = if number == looked_at { first? } else { generations.with_places(number).await? };
        if lineage.is_none() && !places.is_empty() {
            // A backup may have just begun.
            (lineage, places) = generations.with_places(number).await?;
        }
        let generation = lineage.as_ref().map(|lineage| lineage.newest().clone());
        let accepted = if generation.is_none() { self.accepted_without_topic_json(&folder, places.keys()).await? } else { None };
        let accepted = accepted.into_iter().collect();
        let absent = places.iter().filter(|(_, place)| !place.is_there).map(|(partition, _)| *partition).collect();
        let all_partitions: Vec<i32> =
            places.iter().filter(|(_, place)| place.is_there || place.has_begun).map(|(partition, _)| *partition).collect();
        if all_partitions.is_empty() && generation.is_none() {
            if let Some(missing) = self.inventory_so_far().and_then(|inventory| inventory.missing_folder(&folder)) {
                return Err(Error::lost(format!("{missing}. Restore it; nothing was written")));
            }
            let there = what_is_there(self.store.as_ref()).await?;
            return Err(Error::request(format!("no backup of {name:?} at {}; {there}. Set BACKUP_TOPIC_NAME", self.store.location(""))));
        }
        if is_open && !self.has_cuts() && all_partitions.is_empty() && !older.is_empty() {
            return Err(Error::request(format!(
                "the newest generation of {topic:?}, {name}, is empty: the topic was created again, and no record of it \
                 was backed up. Nothing was written. Choose one: BACKUP_TOPIC_NAME={} is the previous one, and \
                 BACKUP_TOPIC_NAME={name} the empty topic",
                older.last().map_or(String::new(), |older| names::generation(topic, *older))
            )));
        }
        if let Some(number) = event.partition.filter(|number| !places.contains_key(number)) {
            return Err(Error::request(format!("the event names partition {number}, which {name:?} does not have; nothing was read")));
        }
        let chosen = self.settings.partitions.as_ref();
        if let Some(number) = chosen.and_then(|chosen| chosen.iter().find(|number| !places.contains_key(number))) {
            return Err(Error::request(format!(
                "BACKUP_PARTITIONS names partition {number}, which {name:?} does not have; nothing was read"
            )));
        }
        let partitions =
            all_partitions.iter().copied().filter(|partition| self.is_chosen(*partition) && is_for(event, &folder, *partition)).collect();
        let (older, newer) = (named(older), named(newer));
        let (target, cuts, has_told) = (self.settings.target.of(topic), None, None);
        Ok(Source { folder, name, generation, lineage, accepted, older, newer, absent, all_partitions, partitions, target, cuts, has_told })
    }

    /// The generation that a name without a number means.
    async fn newest(&self, generations: &Generations<'_>, topic: &str, later: &BTreeSet<u32>) -> Result<u32> {
        let Some(cluster) = &self.settings.backup_cluster else { return generations.newest(later).await };
        generations.newest_of(cluster, later).await?.ok_or_else(|| {
            let location = self.store.location("");
            Error::request(format!(
                "no generation of topic {topic:?} at {location} belongs to cluster {cluster:?} (BACKUP_CLUSTER); nothing \
                 was read"
            ))
        })
    }

    /// The newest existing generation is not the newest that was backed up: an older state must not
    /// pass for it.
    fn refuse_older(&self, topic: &str, number: u32, later: &BTreeSet<u32>) -> Result<()> {
        let Some(inventory) = self.inventory_so_far() else { return Ok(()) };
        let numbers = inventory.folders.keys().filter_map(|folder| names::parse_topic_folder(folder)).filter(|(of, _)| *of == topic);
        let newer = numbers.map(|(_, newer)| newer).filter(|newer| *newer > number && !later.contains(newer)).max();
        let missing = newer.and_then(|newer| inventory.missing_folder(&names::topic_folder(topic, newer)));
        missing.map_or(Ok(()), |missing| {
            Err(Error::lost(format!(
                "{missing}. Restore it. To restore an older generation of the topic, name it: BACKUP_TOPIC_NAME={}. \
                 Nothing was written",
                names::generation(topic, number)
            )))
        })
    }

    /// The other generations in the bucket.
    async fn others(&self, generations: &Generations<'_>, number: u32, later: &BTreeSet<u32>) -> Result<BTreeSet<u32>> {
        let mut others = later.clone();
        others.remove(&number);
        if number > 1 && generations.has_first().await? {
            others.insert(1);
        }
        Ok(others)
    }

    /// Segments have a `topic.json`; the Python tool's archives have none. Without it the
    /// partitions of the topic are unknown: the message, if that was accepted.
    async fn accepted_without_topic_json(&self, folder: &str, partitions: impl Iterator<Item = &i32>) -> Result<Option<String>> {
        for partition in partitions {
            if find_next(self.store.as_ref(), folder, *partition, 0).await?.is_none() {
                continue;
            }
            let what = format!(
                "{} is missing, although there are segments: the topic's number of partitions, and its configs, are \
                 unknown",
                self.store.location(&names::topic_json(folder))
            );
            if self.settings.skip_damaged {
                let what = format!(
                    "{what}. Only the partitions that have a folder in {folder:?} are restored (SKIP_DAMAGED); if it \
                     continues an older generation, the others are there"
                );
                tracing::warn!("{what}");
                return Ok(Some(what));
            }
            return Err(Error::lost(format!(
                "{what}. Nothing was written. Restore it (if the bucket keeps versions, an older one). If it is lost \
                 permanently: create the target topic with its partitions, and set SKIP_DAMAGED=true to restore the \
                 partitions that have a folder"
            )));
        }
        Ok(None)
    }
}
