//! What the bucket has of each log, and whether it agrees with the snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use archive::catalog::{
    BackedUp, Completeness, Gap, Generation, LogSnapshot, PartitionSnapshot, PartitionStates, Snapshot, TopicSnapshot, list_segments, names,
};
use kafka::TopicId;
use store::ObjectStore;
use store::testing::MemoryStore;

use super::history::History;
use super::witness::Attempt;
use crate::oracle;
use crate::world::Entry;

type Check = Result<(), String>;

/// All generations of a topic in the bucket.
pub(super) async fn generations(bucket: &MemoryStore, topic: &str) -> Result<Vec<Generation>, String> {
    let mut found = Vec::new();
    for number in 1.. {
        let Ok(object) = bucket.get(&names::topic_json(&names::topic_folder(topic, number))).await else { break };
        found.push(serde_json::from_slice(&object.body).map_err(|error| error.to_string())?);
    }
    Ok(found)
}

/// The end of a partition's chain, 0 without segments.
pub(super) async fn end_of_chain(bucket: &Arc<MemoryStore>, folder: &str, partition: i32) -> Result<i64, String> {
    let (entries, _) = list_segments(bucket.as_ref(), folder, partition, "").await.map_err(|error| error.to_string())?;
    let Some(last) = entries.last() else { return Ok(0) };
    Ok(oracle::read(bucket, &last.name).await?.0.next)
}

/// The content of a partition's folder.
#[derive(Debug, Default)]
struct Chain {
    records: BTreeMap<i64, u64>,
    gaps: Vec<Gap>,
    /// The end of each segment, by name.
    ends: BTreeMap<String, i64>,
    end: i64,
}

/// How snapshots are judged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Judged {
    pub(super) complete: usize,
    pub(super) open: usize,
    pub(super) diverged: usize,
}

/// All chains, each read once.
pub(super) struct Chains<'a> {
    bucket: &'a Arc<MemoryStore>,
    history: &'a History,
    read: BTreeMap<String, Chain>,
    ids: BTreeMap<String, Option<TopicId>>,
}

impl<'a> Chains<'a> {
    pub(super) fn new(bucket: &'a Arc<MemoryStore>, history: &'a History) -> Self {
        Self { bucket, history, read: BTreeMap::new(), ids: BTreeMap::new() }
    }

    /// Checks all snapshots, in the order of their names.
    pub(super) async fn check(&mut self, snapshots: &[(&Attempt, &Snapshot)]) -> Result<Judged, String> {
        let (mut backed_up, mut judged) = (BackedUp::default(), Judged::default());
        for (attempt, snapshot) in snapshots.iter().rev() {
            backed_up.add(*snapshot);
            for (name, topic) in &snapshot.topics {
                for state in topic.states() {
                    let Some(partition) = topic.partitions.get(&state.partition) else { continue };
                    let (number, verdict) = (state.partition, backed_up.judge(state));
                    judged.complete += usize::from(verdict == Completeness::Complete);
                    judged.open += usize::from(verdict == Completeness::Open);
                    judged.diverged += usize::from(verdict == Completeness::Diverged);
                    let checked = self.check_partition(attempt, snapshot, (name, topic), number, partition, verdict).await;
                    checked.map_err(|what| format!("{}: {name}/{number}: {what}: {partition:?}", attempt.name))?;
                }
            }
        }
        Ok(judged)
    }

    async fn check_partition(
        &mut self,
        attempt: &Attempt,
        snapshot: &Snapshot,
        (name, topic): (&str, &TopicSnapshot),
        number: i32,
        partition: &PartitionSnapshot,
        verdict: Completeness,
    ) -> Check {
        if let Some(folder) = topic.folder_of(partition).map(str::to_owned) {
            if self.id(&folder).await? != topic.id {
                return Err(format!("{folder} is of topic {:?}, and it of {:?}", self.ids[&folder], topic.id));
            }
            let last = attempt.last_segments.get(&format!("{folder}/{number}"));
            let chain = self.chain(&folder, number).await?;
            // The end of the chain in the bucket when the snapshot was written.
            let end = last.and_then(|last| chain.ends.get(last)).copied().unwrap_or(0);
            if end < partition.backed_up.unwrap_or(0) {
                return Err(format!("the bucket had it up to {end} then"));
            }
        }
        let (Some(log), Completeness::Complete) = (partition.log, verdict) else { return Ok(()) };
        if log.end <= log.log_start {
            return Ok(());
        }
        let folder = topic.folder_of(partition).ok_or("complete without a folder")?.to_owned();
        let lives = self.lives(attempt, snapshot, (name, topic), number, log);
        let history = self.history;
        let chain = self.chain(&folder, number).await?;
        if chain.end < log.end {
            return Err(format!("it is called complete, and the chain in {folder} ends at {}", chain.end));
        }
        if lives.iter().any(|entries| covers(chain, entries, log)) {
            return Ok(());
        }
        // The log lost its end and grew to its old length before the next check. Numbers do not
        // distinguish the two logs (decision 0005). Still, the bucket has only records of that log,
        // each from one of its lives.
        let has_grown_again = log.end.min(log.high_watermark) >= partition.backed_up.unwrap_or(0);
        let all = topic.id.as_ref().map(|id| history.all_lives(id, number)).unwrap_or_default();
        if has_grown_again
            && all.len() > 1
            && (log.log_start..log.end)
                .all(|at| all.iter().any(|life| covers(chain, life, LogSnapshot { log_start: at, end: at + 1, ..log })))
        {
            return Ok(());
        }
        Err(format!("it is called complete, and {folder} does not have the records of that log"))
    }

    /// The possible contents of the log when its offsets were read.
    fn lives(
        &self,
        attempt: &Attempt,
        snapshot: &Snapshot,
        (name, topic): (&str, &TopicSnapshot),
        number: i32,
        log: LogSnapshot,
    ) -> Vec<Vec<Entry>> {
        let moments = self.history.between(snapshot.from - attempt.ahead, snapshot.until - attempt.ahead);
        let mut lives: Vec<usize> = moments
            .iter()
            .filter_map(|moment| moment.topics.get(name).filter(|then| Some(&then.id) == topic.id.as_ref())?.log(number))
            .filter(|then| then.stable == log.end)
            .map(|then| then.life)
            .collect();
        lives.dedup();
        let Some(id) = &topic.id else { return Vec::new() };
        let backed_up = topic.partitions.get(&number).and_then(|partition| partition.backed_up).unwrap_or(0);
        lives.into_iter().flat_map(|life| self.history.lives_from(id, number, life, backed_up)).map(<[Entry]>::to_vec).collect()
    }

    async fn id(&mut self, folder: &str) -> Result<Option<TopicId>, String> {
        if !self.ids.contains_key(folder) {
            let object = self.bucket.get(&names::topic_json(folder)).await.map_err(|error| error.to_string())?;
            let generation: Generation = serde_json::from_slice(&object.body).map_err(|error| error.to_string())?;
            self.ids.insert(folder.to_owned(), generation.topic_id);
        }
        Ok(self.ids[folder].clone())
    }

    async fn chain(&mut self, folder: &str, partition: i32) -> Result<&Chain, String> {
        let key = format!("{folder}/{partition}");
        if !self.read.contains_key(&key) {
            let (entries, _) = list_segments(self.bucket.as_ref(), folder, partition, "").await.map_err(|error| error.to_string())?;
            let mut chain = Chain::default();
            for entry in entries {
                let (manifest, records, _) = oracle::read(self.bucket, &entry.name).await?;
                chain.records.extend(records);
                chain.gaps.extend(manifest.gap);
                chain.ends.insert(entry.name, manifest.next);
                chain.end = manifest.next;
            }
            self.read.insert(key.clone(), chain);
        }
        Ok(&self.read[&key])
    }
}

/// Whether a chain has every record of a log, except recorded gaps.
fn covers(chain: &Chain, entries: &[Entry], log: LogSnapshot) -> bool {
    let is_gone = |at: i64| chain.gaps.iter().any(|gap| (gap.from..gap.to).contains(&at));
    (log.log_start..log.end).all(|at| match usize::try_from(at).ok().and_then(|at| entries.get(at)) {
        Some(Entry::Record(value)) => chain.records.get(&at) == Some(value) || (is_gone(at) && !chain.records.contains_key(&at)),
        Some(_) => !chain.records.contains_key(&at),
        None => false,
    })
}
