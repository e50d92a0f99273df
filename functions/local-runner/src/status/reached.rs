//! How far the chain of each partition is, and whether that is as far as a snapshot says.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use archive::catalog::{Generations, LogSnapshot, PartitionSnapshot, Snapshot, TopicSnapshot, find_last, names};
use futures::{StreamExt, TryStreamExt, stream};
use kafka::TopicId;
use kernel::clock::Millis;
use store::ObjectStore;

use crate::list::manifest;

/// Requests under way at the same time.
const AT_ONCE: usize = 16;

/// Whether the chains hold all that a topic held when a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Reached,
    NotReached,
    /// It is not in the snapshot, or was another topic then.
    Other,
}

/// What the bucket holds of what the newest snapshot names.
#[derive(Debug)]
pub(super) struct Reached {
    /// When that snapshot was taken.
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
    /// `None`: nothing of it was ever backed up.
    folder: Option<String>,
    /// Everything below is in the bucket.
    pub(super) next: i64,
    /// As the newest snapshot has it.
    log: Option<LogSnapshot>,
    diverged: bool,
    why: Option<String>,
}

impl Reached {
    /// Looks at the chains that the newest snapshot leaves open: a few requests for each of those.
    pub(super) async fn of(store: &Arc<dyn ObjectStore>, newest: &Snapshot) -> Result<Self> {
        let mut topics = BTreeMap::new();
        for (name, topic) in &newest.topics {
            let folder = match &topic.folder {
                Some(folder) => Some(folder.clone()),
                None => folder_of(store.as_ref(), name, topic).await?,
            };
            let chains = topic.partitions.iter().map(|(number, partition)| chain(store, folder.as_deref(), *number, partition));
            let partitions = stream::iter(chains).buffer_unordered(AT_ONCE).try_collect().await?;
            topics.insert(name.clone(), Topic { id: topic.id.clone(), partitions });
        }
        Ok(Self { until: newest.until, topics })
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// What a snapshot of the same series says of each topic.
    pub(super) fn judge(&self, snapshot: &Snapshot) -> BTreeMap<String, Verdict> {
        let verdict = |(name, topic): (&String, &Topic)| {
            let then = snapshot.topics.get(name).filter(|then| then.id == topic.id);
            (name.clone(), then.map_or(Verdict::Other, |then| topic.verdict(then)))
        };
        self.topics.iter().map(verdict).collect()
    }

    /// Each partition that a snapshot names as well: whether its end of then is reached.
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

    /// Of a topic: lag, what transactions hold, what is lost, and what to say of single partitions.
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
                notes.push(format!("partition {number} lost its end, and begins again in a new generation"));
            }
            notes.extend(chain.why.as_ref().map(|why| format!("partition {number}: {why}")));
        }
        if held > 0 {
            notes.push(format!("an open transaction holds {held} offsets back"));
        }
        (lag, held, lost, notes)
    }
}

impl Topic {
    fn verdict(&self, then: &TopicSnapshot) -> Verdict {
        // Where it has no numbers, nobody knows what there was.
        let is_known = then.why.is_none() && then.partitions.len() >= usize::try_from(then.partition_count).unwrap_or(0);
        let all = then
            .partitions
            .iter()
            .all(|(number, partition)| self.partitions.get(number).is_some_and(|chain| chain.has_reached(then, partition)));
        if is_known && all { Verdict::Reached } else { Verdict::NotReached }
    }
}

impl Chain {
    /// Whether it holds all that the log held then. What a log that is another one since held is not in this chain.
    fn has_reached(&self, topic: &TopicSnapshot, then: &PartitionSnapshot) -> bool {
        let Some(log) = then.log else { return false };
        let folder = then.folder.as_ref().or(topic.folder.as_ref()).filter(|_| then.backed_up.is_some());
        let is_of_this_chain = folder.is_none() || folder == self.folder.as_ref();
        log.end == log.log_start || (is_of_this_chain && !then.diverged && log.end <= self.next)
    }
}

async fn chain(store: &Arc<dyn ObjectStore>, folder: Option<&str>, number: i32, partition: &PartitionSnapshot) -> Result<(i32, Chain)> {
    let folder = partition.folder.as_deref().or(folder);
    let mut chain = Chain {
        folder: folder.map(str::to_owned),
        next: partition.backed_up.unwrap_or(0),
        log: partition.log,
        diverged: partition.diverged,
        why: partition.why.clone(),
    };
    let is_open = partition.log.is_none_or(|log| log.end > chain.next && log.end > log.log_start);
    if let Some(folder) = folder.filter(|_| is_open && !partition.diverged)
        && let Some(last) = find_last(store.as_ref(), folder, number, chain.next).await?
    {
        chain.next = chain.next.max(manifest(store, &last).await?.next);
    }
    Ok((number, chain))
}

/// The folder of a topic that no commit tells of: that of the newest generation with its id.
async fn folder_of(store: &dyn ObjectStore, name: &str, topic: &TopicSnapshot) -> Result<Option<String>> {
    let generations = Generations::of(store, name);
    for number in generations.later().await?.into_iter().rev().chain([1]) {
        if let Some((generation, _)) = generations.get(number).await?
            && (generation.topic_id == topic.id || generation.topic_id.is_none() || topic.id.is_none())
        {
            return Ok(Some(names::topic_folder(name, number)));
        }
    }
    Ok(None)
}
