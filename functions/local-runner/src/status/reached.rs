//! How far the chain of each partition reaches, compared with a snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use archive::catalog::{LogSnapshot, PartitionSnapshot, Snapshot, TopicSnapshot};
use archive::segment::chain_ends;
use kafka::TopicId;
use kernel::clock::Millis;
use store::ObjectStore;

use crate::places::folder_of;

/// Whether the chains contain everything that a topic contained at the time of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Reached,
    NotReached,
    /// The topic is not in the snapshot, or had another id.
    Other,
}

/// The part of the newest snapshot that is in the bucket.
#[derive(Debug)]
pub(super) struct Reached {
    /// Time of that snapshot.
    pub(super) until: Millis,
    topics: BTreeMap<String, Topic>,
}

#[derive(Debug)]
struct Topic {
    id: Option<TopicId>,
    partitions: BTreeMap<i32, Chain>,
}

/// One partition.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// `None`: it was never backed up.
    folder: Option<String>,
    /// All offsets below are in the bucket.
    pub(super) next: i64,
    /// As in the newest snapshot.
    log: Option<LogSnapshot>,
    diverged: bool,
    why: Option<String>,
}

impl Reached {
    /// Reads the ends of the chains that are incomplete in the newest snapshot: a few requests for
    /// each.
    pub(super) async fn of(store: &Arc<dyn ObjectStore>, newest: &Snapshot) -> Result<Self> {
        let mut topics = BTreeMap::new();
        for (name, topic) in &newest.topics {
            let folder = match &topic.folder {
                Some(folder) => Some(folder.clone()),
                None => folder_of(store.as_ref(), name, topic.id.as_ref()).await?,
            };
            let chain = |(number, partition): (&i32, &PartitionSnapshot)| (*number, Chain::of(folder.as_deref(), partition));
            topics.insert(name.clone(), Topic { id: topic.id.clone(), partitions: topic.partitions.iter().map(chain).collect() });
        }
        let mut reached = Self { until: newest.until, topics };
        reached.look_at_open_chains(store).await?;
        Ok(reached)
    }

    async fn look_at_open_chains(&mut self, store: &Arc<dyn ObjectStore>) -> Result<()> {
        let all = self.topics.values_mut().flat_map(|topic| &mut topic.partitions);
        let (places, chains): (Vec<_>, Vec<_>) = all.filter_map(|(number, chain)| Some((chain.open_at(*number)?, chain))).unzip();
        for (chain, end) in chains.into_iter().zip(chain_ends(store, places).await) {
            chain.next = chain.next.max(end?.unwrap_or(0));
        }
        Ok(())
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// Compares each topic with a snapshot of the same series.
    pub(super) fn judge(&self, snapshot: &Snapshot) -> BTreeMap<String, Verdict> {
        let verdict = |(name, topic): (&String, &Topic)| {
            let then = snapshot.topics.get(name).filter(|then| then.id == topic.id);
            (name.clone(), then.map_or(Verdict::Other, |then| topic.verdict(then)))
        };
        self.topics.iter().map(verdict).collect()
    }

    /// The partitions that are also in a snapshot, and whether its log end is reached.
    pub(super) fn partitions<'a>(
        &'a self,
        then: &'a Snapshot,
    ) -> impl Iterator<Item = (&'a str, i32, &'a Chain, &'a PartitionSnapshot, bool)> {
        self.topics
            .iter()
            .filter_map(|(name, topic)| Some((name, topic, then.topics.get(name).filter(|then| then.id == topic.id)?)))
            .flat_map(|(name, topic, then)| {
                topic.partitions.iter().filter_map(move |(number, chain)| {
                    let partition = then.partitions.get(number)?;
                    Some((name.as_str(), *number, chain, partition, chain.has_reached(then, partition)))
                })
            })
    }

    /// The first partition of a topic whose end in the newest snapshot is not in the bucket, and
    /// how many more there are.
    pub(super) fn behind(&self, topic: &str) -> Option<String> {
        let chains = &self.topics.get(topic)?.partitions;
        let mut behind = chains.iter().filter_map(|(number, chain)| {
            let log = chain.log.filter(|log| !chain.diverged && log.end > log.log_start && log.end > chain.next)?;
            Some(format!("partition {number} ended at offset {}, and its backup reaches {}", log.end, chain.next))
        });
        let first = behind.next()?;
        Some(match behind.count() {
            0 => first,
            more => format!("{first} (and {more} more)"),
        })
    }

    /// Of a topic: lag, offsets held by transactions, lost offsets, and notes on partitions.
    pub(super) fn numbers(&self, topic: &str) -> (i64, i64, i64, Vec<String>) {
        let (mut lag, mut held, mut lost, mut notes) = (0, 0, 0, Vec::new());
        for (number, chain) in self.topics.get(topic).into_iter().flat_map(|topic| &topic.partitions) {
            if let Some(log) = chain.log {
                let next = if chain.diverged { log.log_start } else { chain.next.max(log.log_start) };
                lag += (log.end - next).max(0);
                held += (log.high_watermark - log.end.max(next)).max(0);
                if chain.folder.is_some() && !chain.diverged {
                    lost += (log.log_start - chain.next).max(0);
                }
            }
            if chain.diverged {
                notes.push(format!("partition {number}: the log lost its end; a new generation begins"));
            }
            notes.extend(chain.why.as_ref().map(|why| format!("partition {number}: {why}")));
        }
        if held > 0 {
            notes.push(format!("an open transaction holds {held} offsets"));
        }
        (lag, held, lost, notes)
    }
}

impl Topic {
    fn verdict(&self, then: &TopicSnapshot) -> Verdict {
        // Without numbers, the contents at that time are unknown.
        let is_known = then.why.is_none() && then.partitions.len() >= usize::try_from(then.partition_count).unwrap_or(0);
        let all = then
            .partitions
            .iter()
            .all(|(number, partition)| self.partitions.get(number).is_some_and(|chain| chain.has_reached(then, partition)));
        if is_known && all { Verdict::Reached } else { Verdict::NotReached }
    }
}

impl Chain {
    /// From the snapshot alone. `folder` is the topic's.
    fn of(folder: Option<&str>, partition: &PartitionSnapshot) -> Self {
        Self {
            folder: partition.folder.as_deref().or(folder).map(str::to_owned),
            next: partition.backed_up.unwrap_or(0),
            log: partition.log,
            diverged: partition.diverged,
            why: partition.why.clone(),
        }
    }

    /// Where to look for later segments, if there can be some.
    fn open_at(&self, number: i32) -> Option<(String, i32, i64)> {
        let is_open = self.log.is_none_or(|log| log.end > self.next && log.end > log.log_start);
        let folder = self.folder.as_ref().filter(|_| is_open && !self.diverged)?;
        Some((folder.clone(), number, self.next))
    }

    /// Whether it contains everything that the log contained then. A log of another generation is
    /// not in this chain.
    fn has_reached(&self, topic: &TopicSnapshot, then: &PartitionSnapshot) -> bool {
        let Some(log) = then.log else { return false };
        let folder = then.folder.as_ref().or(topic.folder.as_ref()).filter(|_| then.backed_up.is_some());
        let is_of_this_chain = folder.is_none() || folder == self.folder.as_ref();
        log.end == log.log_start || (is_of_this_chain && !then.diverged && log.end <= self.next)
    }
}
