//! What must be true at the end. For each generation of each partition, the union of segments is
//! the log, without overlap and with recorded gaps only. The restored topic has the records of the
//! segments, or those of the requested time range, once each, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use archive::Times;
use archive::catalog::{Checkpoint, Gap, Generation, list_segments, names};
use archive::segment::{Manifest, ReadOptions, SegmentReader, Sidecar};
use kafka::Delivery;
use store::ObjectStore;
use store::testing::MemoryStore;

use super::schedule::{NEWEST, Outcome, TOPIC, folder_of, owner, restore_id, restored};
use super::translation::Whole;
use super::world::{Content, Entry, Log, Topic, World, time_of};

type Check = Result<(), String>;

/// A generation, and the topic at the time when the next one began.
struct Life {
    folder: String,
    generation: Generation,
    topic: Topic,
}

/// Returns the partitions that are restored completely, each with its restore.
pub(crate) async fn check(
    world: &World,
    bucket: &Arc<MemoryStore>,
    delivery: Delivery,
    times: Times,
    outcome: &mut Outcome,
) -> Result<Vec<(String, String, Whole)>, String> {
    let (current, mut incarnations) = {
        let state = world.lock();
        let current = state.topics[TOPIC].clone();
        let buried = state.buried.iter().filter(|(name, _)| name == TOPIC).map(|(_, topic)| topic.clone());
        if let Some(problem) = state.wrong.first() {
            return Err(problem.clone());
        }
        (current.clone(), buried.chain([current]).collect::<Vec<_>>())
    };
    let (mut lives, mut whole): (Vec<Life>, _) = (Vec::new(), Vec::new());
    for number in 1.. {
        let folder = names::topic_folder(TOPIC, number);
        let Ok(object) = bucket.get(&names::topic_json(&folder)).await else { break };
        let generation: Generation = serde_json::from_slice(&object.body).map_err(|error| error.to_string())?;
        let id = generation.topic_id.clone().ok_or("a generation without a topic id")?;
        // A log that lost its end keeps its topic's id: the older one comes first.
        let found = incarnations.iter().position(|topic| topic.id == id);
        let topic = incarnations.remove(found.ok_or_else(|| format!("{folder}: no topic ever had id {id}, or two generations have it"))?);
        outcome.generations += 1;
        lives.push(Life { folder, generation, topic });
    }
    for (index, life) in lives.iter().enumerate() {
        let later: Vec<&Life> = lives[index + 1..].iter().filter(|later| later.topic.id == life.topic.id).collect();
        let partitions = later.last().unwrap_or(&life).topic.logs.len();
        for partition in 0..partitions {
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            // It begins in this generation or an older one of the same topic, and continues there
            // until it begins again.
            let of_topic = || lives[..=index].iter().rev().filter(|older| older.topic.id == life.topic.id);
            let begins = of_topic().find(|older| older.generation.begins(number)).ok_or("a partition that never began")?;
            let again = later.iter().position(|later| later.generation.begins(number));
            let last = again.map_or(later.last(), |again| again.checked_sub(1).and_then(|before| later.get(before))).unwrap_or(&life);
            let is_current = life.topic.id == current.id && again.is_none() && incarnations.iter().all(|topic| topic.id != current.id);
            let Some(log) = last.topic.logs.get(partition) else { continue };
            let (mut records, gaps, end) =
                check_partition(bucket, &begins.folder, partition, &last.topic, log, is_current, outcome).await?;
            let stored = records.len();
            records.retain(|_, value| {
                times.from.is_none_or(|from| from <= time_of(*value)) && times.until.is_none_or(|until| time_of(*value) < until)
            });
            let values: Vec<u64> = records.values().copied().collect();
            outcome.left_out += stored - values.len();
            for restored in [life.folder.as_str(), NEWEST] {
                if world.lock().dead.contains(restored) || folder_of(bucket, restored).await.as_ref() != Some(&life.folder) {
                    continue;
                }
                let is_whole = check_restored(world, restored, partition, &values, delivery, outcome)?;
                let id = owner(world, bucket, restored).await.unwrap_or_else(|| restore_id(restored));
                if is_whole && delivery == Delivery::ExactlyOnce {
                    check_told(bucket, &id, &life.folder, partition, values.len() as u64, &gaps).await?;
                }
                if is_whole && end > 0 && times.are_all() {
                    let (folder, target, records) = (life.folder.clone(), super::schedule::restored(restored), records.clone());
                    whole.push((restored.to_owned(), id, Whole { folder, target, partition, records, end, is_cut: false }));
                }
            }
        }
    }
    match incarnations.iter().find(|topic| topic.id == current.id) {
        // Also an empty one: it must exist again.
        Some(_) => Err("the topic that is there now was never backed up".to_owned()),
        None => Ok(whole),
    }
}

/// Walks the chain of one partition. Returns its values by their offsets, its gaps, and its end.
async fn check_partition(
    bucket: &Arc<MemoryStore>,
    folder: &str,
    partition: usize,
    topic: &Topic,
    log: &Log,
    is_current: bool,
    outcome: &mut Outcome,
) -> Result<(BTreeMap<i64, u64>, Vec<Gap>, i64), String> {
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let (entries, _) = list_segments(bucket.as_ref(), folder, number, "").await.map_err(|error| error.to_string())?;
    let last = entries.last().map(|entry| entry.name.clone());
    let (mut expected, mut values, mut gaps) = (0, BTreeMap::new(), Vec::new());
    for entry in entries {
        let place = &entry.name;
        outcome.segments += 1;
        if entry.start != expected {
            return Err(format!("{place}: starts at {}, but the one before ends at {expected}: a gap or an overlap", entry.start));
        }
        let (manifest, records, sidecar) = read(bucket, place).await?;
        // Only the last segment of a topic that was then deleted may lack it: no later backup
        // adopts that segment.
        if sidecar != Sidecar::Matches && (is_current || Some(place) != last.as_ref()) {
            return Err(format!("{place}: its .sha256 is missing"));
        }
        if manifest.topic_id.as_ref() != Some(&topic.id) {
            return Err(format!("{place}: mixes topics: {:?}", manifest.topic_id));
        }
        check_records(place, &manifest, &records, log)?;
        outcome.gaps += usize::from(manifest.gap.is_some());
        gaps.extend(manifest.gap.clone());
        values.extend(records);
        expected = manifest.next;
    }
    if is_current && expected != log.stable() && log.stable() > log.start.max(expected) {
        return Err(format!("{folder}/{partition}: caught up at {expected}, but the log ends at {}", log.stable()));
    }
    Ok((values, gaps, expected))
}

/// A segment has every readable record of its range of offsets, and no other.
fn check_records(place: &str, manifest: &Manifest, records: &BTreeMap<i64, u64>, log: &Log) -> Check {
    if manifest.next > log.end() {
        return Err(format!("{place}: covers offsets up to {}, but the log ended at {}", manifest.next, log.end()));
    }
    let gap_end = manifest.gap.as_ref().map_or(manifest.start, |gap| gap.to);
    if gap_end > log.start && gap_end > manifest.start {
        return Err(format!("{place}: records a gap up to {gap_end}, but the log starts at {}", log.start));
    }
    for at in manifest.start..manifest.next {
        let stored = records.get(&at);
        match (log.entry(at), stored) {
            (Some(Entry::Record(truth)), Some(value)) if truth == value => {}
            (Some(Entry::Record(_)), None) if at < gap_end => {}
            (Some(Entry::Compacted(truth)), value) if value.is_none_or(|value| value == truth) => {}
            (Some(Entry::Hole), None) => {}
            (truth, stored) => return Err(format!("{place}: offset {at} is {truth:?} in the log and {stored:?} in the segment")),
        }
    }
    match records.keys().find(|at| !(manifest.start..manifest.next).contains(at)) {
        Some(at) => Err(format!("{place}: holds offset {at}, which is outside of [{}, {})", manifest.start, manifest.next)),
        None => Ok(()),
    }
}

pub(crate) async fn read(bucket: &Arc<MemoryStore>, name: &str) -> Result<(Manifest, BTreeMap<i64, u64>, Sidecar), String> {
    let store: Arc<dyn ObjectStore> = bucket.clone();
    let mut reader = SegmentReader::open(store, name, ReadOptions::default()).await.map_err(|error| error.to_string())?;
    let mut records = BTreeMap::new();
    while let Some(group) = reader.next_group().await.map_err(|error| error.to_string())? {
        let mut group = group.records();
        while let Some(record) = group.next().map_err(|error| error.to_string())? {
            let value = Content::copy(&record).known().map_err(|why| format!("{name}: offset {}: {why}", record.offset))?;
            if records.insert(record.offset, value).is_some() {
                return Err(format!("{name}: offset {} is there twice", record.offset));
            }
        }
    }
    let manifest = reader.manifest().clone();
    Ok((manifest, records, reader.sidecar()))
}

/// Returns whether it is complete. Otherwise its progress was lost.
fn check_restored(
    world: &World,
    folder: &str,
    partition: usize,
    values: &[u64],
    delivery: Delivery,
    outcome: &mut Outcome,
) -> Result<bool, String> {
    let state = world.lock();
    let log = state.topics.get(&restored(folder)).and_then(|topic| topic.logs.get(partition));
    let mut there: Vec<u64> = log
        .iter()
        .flat_map(|log| &log.entries)
        .filter_map(|entry| if let Entry::Record(value) = entry { Some(*value) } else { None })
        .collect();
    outcome.restored += there.len();
    if delivery == Delivery::AtLeastOnce {
        let mut known = std::collections::BTreeSet::new();
        let before = there.len();
        there.retain(|value| known.insert(*value));
        outcome.repeated += before - there.len();
    }
    let is_lost = state.lost.contains(&(folder.to_owned(), i32::try_from(partition).unwrap_or(i32::MAX)));
    outcome.lost += usize::from(is_lost);
    if there == values || (is_lost && values.starts_with(&there)) {
        return Ok(!is_lost);
    }
    let at = there.iter().zip(values).position(|(left, right)| left != right).unwrap_or(there.len().min(values.len()));
    Err(format!("{folder}/{partition}: restored {} records, stored {}; they differ from number {at} on", there.len(), values.len()))
}

/// The number of records that a restore reports is the actual number, whenever it was killed. The
/// same holds for gaps.
async fn check_told(bucket: &Arc<MemoryStore>, id: &str, folder: &str, partition: usize, records: u64, gaps: &[Gap]) -> Check {
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let found = Checkpoint::load(bucket.as_ref(), id, folder, number).await.map_err(|error| error.to_string())?;
    let checkpoint = found.map_or_else(|| Checkpoint::new(number), |(checkpoint, _)| checkpoint);
    if checkpoint.records != records {
        return Err(format!("{folder}/{partition}: the checkpoint tells of {} records, and {records} were restored", checkpoint.records));
    }
    if checkpoint.gaps.first != gaps {
        return Err(format!("{folder}/{partition}: the checkpoint tells of {:?}, and the segments of {gaps:?}", checkpoint.gaps));
    }
    Ok(())
}
