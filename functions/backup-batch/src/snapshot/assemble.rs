//! Combines the responses, and marks inconsistencies.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{
    BackupCommit, Covered, GroupSnapshot, LogSnapshot, OffsetSnapshot, PartitionSnapshot, RestoreCommit, Snapshot, Told, TopicSnapshot,
};
use kafka::{GroupListing, GroupOffset, GroupOffsets, OffsetRange, TopicConfigs, TopicFacts, TopicPartition};
use kernel::clock::Millis;
use kernel::in_full;

use super::Scope;
use super::read::Answers;
use crate::Backup;

/// Configs that delete or refuse records: the effective value matters, wherever it is set.
const EFFECTIVE: [&str; 5] = ["cleanup.policy", "max.message.bytes", "min.insync.replicas", "retention.bytes", "retention.ms"];

/// How many partitions of a group without an offset are named, each with its reason.
const NAMED: usize = 5;

impl Backup {
    pub(super) fn assemble(&self, scope: Scope<'_>, answers: Answers, every: Millis) -> Snapshot {
        let Answers { from, until, brokers, acls, users, configs, groups, offsets, commits, mut ranges, topics: now, offsets_again } =
            answers;
        let mut topics = BTreeMap::new();
        for name in scope.wanted {
            let Some(facts) = scope.topics.get(name) else {
                let why = "it does not exist, or may not be described".to_owned();
                topics.insert(name.clone(), without_numbers(None, Told::Absent(why.clone()), why));
                continue;
            };
            let (configs, effective) = configs_of(name, &configs);
            let changed = what_changed(facts, now.get(name));
            let mut topic = TopicSnapshot { effective, ..without_numbers(Some(facts), configs, String::new()) };
            topic.why = changed;
            if topic.why.is_none() {
                topic.folder = newest_folder(name, &commits);
                let partitions = (0..facts.partitions).map(|number| {
                    let partition = TopicPartition::new(name.as_str(), number);
                    let range = ranges.remove(&partition);
                    (number, partition_of(commits.get(&partition), range, topic.folder.as_deref()))
                });
                topic.partitions = partitions.collect();
            }
            topics.insert(name.clone(), topic);
        }
        let (topic_names, exclude_topic_names) = self.settings.topics.entries();
        Snapshot {
            format_version: Snapshot::FORMAT,
            program: concat!("kafka-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
            cluster_id: scope.cluster.map(str::to_owned),
            group_id: self.settings.group.clone(),
            topic_names,
            exclude_topic_names,
            from,
            until,
            interval_seconds: u64::try_from(every / 1000).unwrap_or(0),
            groups: groups_of(groups, offsets, &offsets_again, &topics),
            topics,
            brokers,
            acls,
            users,
            earlier: BTreeMap::new(),
            covers: Covered::default(),
        }
    }
}

fn without_numbers(facts: Option<&TopicFacts>, configs: Told<BTreeMap<String, String>>, why: String) -> TopicSnapshot {
    TopicSnapshot {
        folder: None,
        id: facts.and_then(|facts| facts.id.clone()),
        partition_count: facts.map_or(0, |facts| facts.partitions),
        replication_factor: facts.and_then(|facts| facts.replication_factor),
        configs,
        effective: BTreeMap::new(),
        partitions: BTreeMap::new(),
        why: Some(why),
    }
}

/// Its own configs, and those of [`EFFECTIVE`].
fn configs_of(
    topic: &str,
    all: &kafka::Result<BTreeMap<String, kafka::Result<TopicConfigs>>>,
) -> (Told<BTreeMap<String, String>>, BTreeMap<String, String>) {
    let absent = |why: String| (Told::Absent(why), BTreeMap::new());
    match all.as_ref().map(|all| all.get(topic)) {
        Ok(Some(Ok(configs))) => {
            let effective = EFFECTIVE.iter().filter_map(|key| Some(((*key).to_owned(), configs.effective.get(*key)?.clone())));
            (Told::All(configs.own.clone()), effective.collect())
        }
        Ok(Some(Err(error))) | Err(error) => absent(in_full(error)),
        Ok(None) => absent("the cluster did not report them".to_owned()),
    }
}

/// Why offsets that were read between these two responses may not belong to this topic.
fn what_changed(before: &TopicFacts, after: Option<&kafka::Result<TopicFacts>>) -> Option<String> {
    match after {
        Some(Ok(after)) if after.id == before.id => None,
        Some(Ok(_)) => Some("it was created again while its offsets were read".to_owned()),
        Some(Err(error)) => Some(in_full(error)),
        None => Some("it was deleted, or hidden from this user, while its offsets were read".to_owned()),
    }
}

/// The folder of the newest generation in the topic's commits.
fn newest_folder(topic: &str, commits: &BTreeMap<TopicPartition, BackupCommit>) -> Option<String> {
    let of_topic = commits.iter().filter(|(partition, _)| partition.topic == topic).map(|(_, commit)| commit);
    of_topic.max_by_key(|commit| commit.generation()).map(|commit| commit.folder.clone())
}

fn partition_of(commit: Option<&BackupCommit>, range: Option<kafka::Result<OffsetRange>>, topic_folder: Option<&str>) -> PartitionSnapshot {
    let (log, why) = match range {
        Some(Ok(OffsetRange { log_start, end, high_watermark })) => (Some(LogSnapshot { log_start, end, high_watermark }), None),
        Some(Err(error)) => (None, Some(in_full(&error))),
        None => (None, Some("it had no leader".to_owned())),
    };
    let backed_up = commit.map(|commit| commit.next);
    PartitionSnapshot {
        folder: commit.map(|commit| commit.folder.clone()).filter(|folder| Some(folder.as_str()) != topic_folder),
        backed_up,
        // The commit was read first, so a growing log cannot end below it. The two ends were read
        // one after the other: a log that lost its end can have grown in between.
        diverged: log.zip(backed_up).is_some_and(|(log, backed_up)| log.end.min(log.high_watermark) < backed_up),
        log,
        why,
    }
}

fn groups_of(
    listed: Told<BTreeMap<String, GroupListing>>,
    mut offsets: BTreeMap<String, kafka::Result<GroupOffsets>>,
    again: &BTreeMap<String, kafka::Result<GroupOffsets>>,
    topics: &BTreeMap<String, TopicSnapshot>,
) -> Told<BTreeMap<String, GroupSnapshot>> {
    let mut all = |known: BTreeMap<String, GroupListing>| {
        let group = |(name, listing): (String, GroupListing)| {
            let group = group_of(listing, offsets.remove(&name), again.get(&name), topics)?;
            Some((name, group))
        };
        known.into_iter().filter_map(group).collect()
    };
    match listed {
        Told::All(known) => Told::All(all(known)),
        Told::Partial { known, why } => Told::Partial { known: all(known), why },
        Told::Absent(why) => Told::Absent(why),
    }
}

/// `None`: its commits are those of a backup or a restore.
fn group_of(
    listing: GroupListing,
    offsets: Option<kafka::Result<GroupOffsets>>,
    again: Option<&kafka::Result<GroupOffsets>>,
    topics: &BTreeMap<String, TopicSnapshot>,
) -> Option<GroupSnapshot> {
    let again = again.and_then(|again| again.as_ref().ok());
    // One response is enough to recognise it.
    if again.into_iter().chain(offsets.iter().flatten()).any(is_of_a_backup) {
        return None;
    }
    let mut group =
        GroupSnapshot { state: listing.state, kind: listing.kind, simple: listing.is_simple, offsets: BTreeMap::new(), why: None };
    let offsets = match offsets {
        Some(Ok(offsets)) => offsets,
        Some(Err(error)) => return Some(GroupSnapshot { why: Some(in_full(&error)), ..group }),
        None => return Some(GroupSnapshot { why: Some("its coordinator did not report it".to_owned()), ..group }),
    };
    group.why = why_some_are_missing(&offsets);
    for (partition, offset) in offsets {
        let Ok(offset) = offset else { continue };
        let has_moved = again.is_some_and(|again| match again.get(&partition) {
            Some(Ok(now)) => now.offset != offset.offset,
            Some(Err(_)) => false,
            None => true,
        });
        let foreign = is_foreign(&partition, &offset, topics);
        let GroupOffset { offset, metadata, pending } = offset;
        let offset = OffsetSnapshot { offset, metadata, pending, moved: has_moved, foreign };
        group.offsets.entry(partition.topic).or_default().insert(partition.partition, offset);
    }
    Some(group)
}

/// Whether its commits are those of a backup or a restore.
fn is_of_a_backup(offsets: &GroupOffsets) -> bool {
    let mut known = offsets.values().flatten();
    known.any(|offset| BackupCommit::is_one(&offset.metadata) || RestoreCommit::is_one(&offset.metadata))
}

fn why_some_are_missing(offsets: &GroupOffsets) -> Option<String> {
    let failed: Vec<(&TopicPartition, &kafka::KafkaError)> =
        offsets.iter().filter_map(|(partition, offset)| Some((partition, offset.as_ref().err()?))).collect();
    let named: BTreeSet<String> = failed.iter().take(NAMED).map(|(partition, error)| format!("{partition}: {}", in_full(*error))).collect();
    let more = if failed.len() > NAMED { format!("; and {} more", failed.len() - NAMED) } else { String::new() };
    (!failed.is_empty()).then(|| format!("{}{more}", named.into_iter().collect::<Vec<_>>().join("; ")))
}

/// For a topic that is backed up: whether it is an offset of another log than the one whose numbers
/// are in the snapshot.
fn is_foreign(partition: &TopicPartition, offset: &GroupOffset, topics: &BTreeMap<String, TopicSnapshot>) -> bool {
    let Some(topic) = topics.get(&partition.topic) else { return false };
    if topic.why.is_some() {
        return true;
    }
    let log = topic.partitions.get(&partition.partition).and_then(|partition| partition.log);
    log.is_some_and(|log| offset.offset > log.high_watermark)
}
