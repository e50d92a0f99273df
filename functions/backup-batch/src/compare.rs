//! Compares the bucket with Kafka: whether every selected topic is in it, as the same topic, and
//! how far.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{Generations, Lineage, TopicIdentity, names};
use archive::segment::chain_ends;
use archive::{Error, Result};
use futures::{StreamExt, stream};
use kafka::{OffsetRange, TopicFacts, TopicPartition};
use kernel::in_full;
use serde::Serialize;

use crate::Backup;
use crate::topics::partitions_of;

/// Topics that are looked up in the bucket in parallel.
const AT_ONCE: usize = 16;

/// What [`Backup::compare`] found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Comparison {
    /// The cluster's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Each topic of the selection.
    pub topics: Vec<TopicComparison>,
    /// Information that is no problem.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A topic in Kafka and in the bucket.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TopicComparison {
    /// Its name.
    pub topic: String,
    /// The folder of its newest generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Its partitions in Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Offsets in the logs that the bucket does not have yet.
    pub lag: i64,
    /// Differences that the next backup resolves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Differences that should not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

impl Comparison {
    /// Whether there is no problem.
    pub fn is_sound(&self) -> bool {
        self.topics.iter().all(|topic| topic.problems.is_empty())
    }
}

impl Backup {
    /// Compares the bucket with the cluster. Reads no record, commits nothing, writes nothing.
    /// Topics that this user may not describe are invisible: run it with permission to describe
    /// all.
    ///
    /// # Errors
    /// Kafka or the bucket is unreachable, or TOPIC_NAMES matches no topic.
    pub async fn compare(&self) -> Result<Comparison> {
        let selected = self.selected().await?.names;
        let names: Vec<String> = selected.iter().cloned().collect();
        let mut described = self.source.describe(&names).await?;
        let cluster_id = self.source.cluster_id();
        let mut facts = BTreeMap::new();
        let mut topics: BTreeMap<String, TopicComparison> = BTreeMap::new();
        for topic in names {
            let mut found = TopicComparison { topic: topic.clone(), ..TopicComparison::default() };
            match described.remove(&topic) {
                Some(Ok(of)) => {
                    found.partitions = Some(of.partitions);
                    facts.insert(topic.clone(), of);
                }
                Some(Err(error)) => found.problems.push(in_full(&Error::from(error))),
                None => found.problems.push("it does not exist in Kafka, or this user may not describe it".to_owned()),
            }
            topics.insert(topic, found);
        }
        let stored = stream::iter(facts.clone()).map(|(topic, of)| self.stored(topic, of, cluster_id.clone()));
        let stored: Vec<(String, TopicFacts, Result<Option<Lineage>>)> = stored.buffered(AT_ONCE).collect().await;
        let mut lineages = BTreeMap::new();
        for (topic, of, lineage) in stored {
            let Some(found) = topics.get_mut(&topic) else { continue };
            match lineage {
                Ok(Some(lineage)) => {
                    found.folder = Some(lineage.newest().folder());
                    self.compare_description(&lineage, &of, found).await?;
                    lineages.insert(topic, lineage);
                }
                Ok(None) => found.problems.push(format!(
                    "the bucket has no backup of it (id {}): the next backup starts one",
                    of.id.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string)
                )),
                Err(error) => found.problems.push(in_full(&error)),
            }
        }
        facts.retain(|topic, _| lineages.contains_key(topic));
        let partitions = partitions_of(&facts);
        let place = |partition: &TopicPartition| (lineages[&partition.topic].of(partition.partition).folder(), partition.partition, 0);
        // Before the logs: a running backup extends chains, which would otherwise seem to be
        // behind.
        let ends = chain_ends(&self.store, partitions.iter().map(place).collect()).await;
        let ranges = self.source.offsets(&partitions).await?;
        for (partition, end) in partitions.iter().zip(ends) {
            let Some(found) = topics.get_mut(&partition.topic) else { continue };
            match (end, ranges.get(partition)) {
                (Ok(end), Some(Ok(range))) => compare_ends(partition, end, range, found),
                (Ok(_), Some(Err(error))) => found.problems.push(format!("{partition}: {error}")),
                (Ok(_), None) => found.problems.push(format!("{partition}: it has no leader, so the end of its log is unknown")),
                (Err(error), _) => found.problems.push(in_full(&error)),
            }
        }
        let notes = self.gone(&selected).await?;
        Ok(Comparison { cluster_id, topics: topics.into_values().collect(), notes })
    }

    async fn stored(&self, topic: String, facts: TopicFacts, cluster: Option<String>) -> (String, TopicFacts, Result<Option<Lineage>>) {
        let identity = TopicIdentity { cluster, topic: facts.id.clone() };
        let found = Generations::of(self.store.as_ref(), &topic).find(&identity, None).await;
        (topic, facts, found.map(|found| found.ours.map(|(lineage, _)| lineage)))
    }

    async fn compare_description(&self, lineage: &Lineage, facts: &TopicFacts, found: &mut TopicComparison) -> Result<()> {
        let (stored, folder) = (lineage.newest(), lineage.newest().folder());
        match facts.partitions - stored.partitions {
            0 => {}
            more @ 1.. => found.notes.push(format!("{folder}/topic.json lacks {more} of its partitions; the next backup adds them")),
            fewer => found.problems.push(format!("{folder}/topic.json has {} partitions more than Kafka", -fewer)),
        }
        let Some(configs) = self.source.configs(&found.topic).await? else {
            found.notes.push("its configs are not compared. Missing ACL: this user needs DescribeConfigs on the topic".to_owned());
            return Ok(());
        };
        let names: BTreeSet<&String> = configs.keys().chain(stored.configs.keys()).collect();
        for name in names.into_iter().filter(|name| configs.get(*name) != stored.configs.get(*name)) {
            let value = |value: Option<&String>| value.map_or_else(|| "not set".to_owned(), |value| format!("{value:?}"));
            let (now, then) = (value(configs.get(name)), value(stored.configs.get(name)));
            found.notes.push(format!("{name} is {now} in Kafka, and {then} in {folder}/topic.json"));
        }
        Ok(())
    }

    /// Topics in the bucket that are not in Kafka.
    async fn gone(&self, selected: &BTreeSet<String>) -> Result<Vec<String>> {
        let there = self.source.names().await?;
        let folders = self.store.folders("").await?;
        let topics: BTreeSet<&str> =
            folders.iter().filter_map(|folder| names::parse_topic_folder(folder)).map(|(topic, _)| topic).collect();
        let gone = topics.into_iter().filter(|topic| !there.contains(*topic) && !selected.contains(*topic));
        let note = |topic| format!("topic {topic:?} is in the bucket and not in Kafka, or this user may not describe it");
        Ok(gone.map(note).collect())
    }
}

fn compare_ends(partition: &TopicPartition, end: Option<i64>, range: &OffsetRange, found: &mut TopicComparison) {
    // The first segment of a generation starts at 0, whatever is left of the log.
    let (next, begins) = (end.unwrap_or(0), range.log_start);
    if next > range.high_watermark {
        found.problems.push(format!(
            "{partition}: the bucket has offsets up to {next}, but the log ends at {}: it lost its end, or is another log",
            range.high_watermark
        ));
        return;
    }
    if end.is_some() && next < begins {
        found.problems.push(format!(
            "{partition}: offsets {next} to {begins} were deleted from Kafka and are not in the bucket; the next backup records the gap"
        ));
    }
    found.lag += (range.end - next.max(begins)).max(0);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use archive::catalog::Generation;
    use archive::testing::{add_generation, generation};
    use kafka::{Pattern, Selection};

    use super::*;
    use crate::testing::Fake;

    async fn compare(fake: &Fake) -> Comparison {
        let parse = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        fake.backup_of(Selection::new(parse(&["*"]), parse(&[])).unwrap()).compare().await.unwrap()
    }

    #[tokio::test]
    async fn a_backup_that_is_behind_is_no_problem() {
        let fake = Fake::default();
        fake.write(10);
        fake.invoke().await;
        fake.write(3);
        let found = compare(&fake).await;
        let orders = &found.topics[0];
        assert!(found.is_sound() && found.notes.is_empty(), "{found:?}");
        assert_eq!((orders.folder.as_deref(), orders.partitions, orders.lag), (Some("orders"), Some(1), 3));
    }

    #[tokio::test]
    async fn what_differs_from_kafka_is_told() {
        let fake = Fake::default();
        fake.write(10);
        fake.invoke().await;
        add_generation(&fake.bucket, &generation("old"));
        fake.log().others = ["new".to_owned()].into();
        let found = compare(&fake).await;
        assert!(!found.is_sound() && found.topics[0].problems[0].contains("the bucket has no backup of it"), "{found:?}");
        assert!(found.notes.len() == 1 && found.notes[0].contains("\"old\" is in the bucket and not in Kafka"), "{found:?}");
        // A log that lost its end, or whose start was deleted before it was read.
        fake.log().others.clear();
        (fake.log().end, fake.log().high_watermark) = (7, 7);
        assert!(compare(&fake).await.topics[0].problems[0].contains("offsets up to 10, but the log ends at 7"));
        (fake.log().start, fake.log().end, fake.log().high_watermark) = (15, 20, 20);
        let found = compare(&fake).await;
        assert!(found.topics[0].problems[0].contains("offsets 10 to 15 were deleted") && found.topics[0].lag == 5, "{found:?}");
        // Another topic of the same name.
        fake.log().id = 2;
        assert!(compare(&fake).await.topics[0].problems[0].contains("no backup of it"));
    }

    #[tokio::test]
    async fn partitions_that_are_gone_from_kafka_are_a_problem() {
        let fake = Fake::default();
        add_generation(&fake.bucket, &Generation { partitions: 3, ..generation("orders") });
        let found = compare(&fake).await;
        assert!(found.topics[0].problems[0].contains("has 2 partitions more than Kafka"), "{found:?}");
    }
}
