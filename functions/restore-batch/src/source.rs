//! What the backup has.

use shared::catalog::{Generation, Generations, Lineage, names};
use shared::host::Event;
use shared::{Error, Result};

use crate::Restore;

/// The backup of one generation of a topic.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its folder: `orders`, `orders@2`.
    pub(crate) folder: String,
    /// What `topic.json` says; the Python tool wrote none.
    pub(crate) generation: Option<Generation>,
    /// The same with the older generations that some partitions are in.
    lineage: Option<Lineage>,
    /// The folder of the generation behind it, when there is one: the topic was created again, or its log lost its end.
    pub(crate) newer: Option<String>,
    /// Every partition that has a folder, in order.
    pub(crate) all_partitions: Vec<i32>,
    /// Those of them that this invocation is to look after.
    pub(crate) partitions: Vec<i32>,
}

impl Source {
    /// The folder that a partition is in: where only others lost the ends of their logs, that of an older generation.
    pub(crate) fn folder_of(&self, partition: i32) -> String {
        self.lineage.as_ref().map_or_else(|| self.folder.clone(), |lineage| lineage.of(partition).folder())
    }

    /// Partitions that the target needs to take each record to where it came from.
    pub(crate) fn partition_count(&self) -> i32 {
        let found = self.all_partitions.last().map_or(0, |last| last.saturating_add(1));
        self.generation.as_ref().map_or(found, |generation| generation.partitions.max(found))
    }
}

impl Restore {
    /// Finds the backup in the bucket.
    pub(crate) async fn source(&self, event: &Event) -> Result<Source> {
        let folder = self.settings.backup_topic.clone();
        let (topic, number) = names::parse_topic_folder(&folder)
            .ok_or_else(|| Error::Refused(format!("BACKUP_TOPIC_NAME {folder:?} is not a topic's folder")))?;
        if let Some(only) = event.topic.as_ref().filter(|only| **only != folder && *only != topic) {
            return Err(Error::Refused(format!("the event names topic {only:?}, but this function restores {folder:?}; nothing was read")));
        }
        let generations = Generations::of(self.store.as_ref(), topic);
        let lineage = generations.lineage(number).await?;
        let generation = lineage.as_ref().map(|lineage| lineage.newest().clone());
        let newer = generations.has(number + 1).await?.then(|| names::topic_folder(topic, number + 1));
        let mut all_partitions = Vec::new();
        let folders = lineage.as_ref().map_or_else(|| vec![folder.clone()], |lineage| lineage.all().map(Generation::folder).collect());
        for folder in folders {
            let there = self.store.folders(&format!("{folder}/")).await?;
            let there = there.iter().filter_map(|name| names::parse_partition(names::file_name(name)));
            all_partitions
                .extend(there.filter(|partition| lineage.as_ref().is_none_or(|lineage| lineage.of(*partition).folder() == folder)));
        }
        all_partitions.sort_unstable();
        if all_partitions.is_empty() && generation.is_none() {
            let there = self.store.folders("").await?;
            let there: Vec<&str> = there.iter().map(String::as_str).filter(|name| !name.starts_with('@')).collect();
            let there = if there.is_empty() { "nothing is there".to_owned() } else { format!("there are: {}", there.join(", ")) };
            return Err(Error::Refused(format!("no backup of {folder:?} at {}; {there}. Set BACKUP_TOPIC_NAME", self.store.location(""))));
        }
        let partitions = all_partitions
            .iter()
            .copied()
            .filter(|partition| {
                Event { topic: None, ..event.clone() }.includes(&shared::kafka::TopicPartition::new(folder.as_str(), *partition))
            })
            .collect();
        Ok(Source { folder, generation, lineage, newer, all_partitions, partitions })
    }
}
