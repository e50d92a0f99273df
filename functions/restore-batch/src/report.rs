//! What an invocation did and what is left.

use std::collections::BTreeMap;

use archive::Error;
use archive::catalog::{Checkpoint, FinishedTopic, Gap, RestoreIdentity, RestoredTopic, names};
use kernel::clock::Millis;
use kernel::in_full;
use serde::Serialize;
use store::Throttling;

use crate::Restore;
use crate::source::Source;
use crate::target::TargetTopic;

/// The result of one invocation. Serialises to the JSON that users and platforms get.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// `restore-batch`.
    pub function: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// Whether nothing failed.
    pub succeeded: bool,
    /// RESTORE_ID.
    pub restore_id: String,
    /// Distinguishes this restore from others with the same id; empty before it has begun.
    #[serde(skip)]
    pub(crate) run: String,
    /// RESTORE_AS_OF: the requested moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// The snapshots that define the cuts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Their moments, in the same order: what is restored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Millis>,
    /// Records written by this invocation.
    pub records: u64,
    /// Offsets that are in no backup: the sum of all topics.
    #[serde(skip_serializing_if = "is_none")]
    pub gap_offsets: i64,
    /// Whether every source partition of this invocation has nothing left to restore.
    pub caught_up: bool,
    /// How many partitions of the whole restore have something to restore, and how many of these
    /// are at their cuts; absent if it has no end.
    #[serde(flatten)]
    pub done: Option<DonePartitions>,
    /// Source offsets up to the cuts of the others, an upper bound; absent if it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets_left: Option<u64>,
    /// When all of them were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Millis>,
    /// When `finish` last changed the target; absent if it did not, or all of it was undone. Only
    /// the command line looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_applied_at: Option<Millis>,
    /// Whether this invocation recorded it: exactly one does.
    #[serde(skip)]
    pub has_finished: bool,
    /// Duration in milliseconds.
    pub duration_ms: Millis,
    /// How the bucket's service throttled requests.
    #[serde(skip_serializing_if = "Throttling::is_none")]
    pub throttling: Throttling,
    /// How long threads waited for BYTES_PER_SECOND, in milliseconds, in total.
    #[serde(skip_serializing_if = "is_zero")]
    pub rate_limited_ms: u64,
    /// Each topic.
    pub topics: Vec<TopicReport>,
    /// Notes for the reader.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The progress of a restore with cuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DonePartitions {
    /// Partitions with something to restore.
    pub partitions_to_restore: u64,
    /// Those of them that are restored up to their cuts.
    pub partitions_done: u64,
}

/// The result of one invocation for one topic.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TopicReport {
    /// The topic, with its generation if there are several: `orders@1`.
    pub source: String,
    /// The target topic.
    pub target: String,
    /// Records written by this invocation.
    pub records: u64,
    /// Records written by the whole restore, as far as this invocation knows.
    pub records_in_all: u64,
    /// Offsets that are in no backup: the sum of all partitions.
    #[serde(skip_serializing_if = "is_none")]
    pub gap_offsets: i64,
    /// Whether every source partition of this invocation has nothing left to restore.
    pub caught_up: bool,
    /// Each source partition of this invocation.
    pub partitions: Vec<PartitionReport>,
    /// What the whole restore skips because it is damaged or missing, as the user asked: what was
    /// known when it began, and once it is finished all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Configs of the original topic that the target does not have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub wanted_configs: BTreeMap<String, String>,
    /// Once the restore is complete and verified: shell commands that set the configs of the
    /// original. Text from the bucket is quoted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// Notes for the reader.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why this invocation could restore nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the error is transient: the next invocation can succeed without any change by the
    /// operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
}

/// The result of one invocation for one source partition.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PartitionReport {
    /// The partition.
    pub partition: i32,
    /// Records written by this invocation.
    pub records: u64,
    /// Records written by the whole restore.
    pub records_in_all: u64,
    /// Every record below this source offset is in the target, or was skipped.
    pub next: i64,
    /// Archives of the Python tool that were finished.
    #[serde(skip_serializing_if = "is_zero")]
    pub python_archives: u64,
    /// Whether nothing is left to restore.
    pub caught_up: bool,
    /// Records that this invocation skipped, because they are outside of RESTORE_FROM and
    /// RESTORE_UNTIL.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Offsets that are in no backup, of everything restored so far: they were deleted from the
    /// topic after the first backup and before they were read.
    #[serde(skip_serializing_if = "is_none")]
    pub gap_offsets: i64,
    /// The ranges of those, and what was deleted before the first backup; the first 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// What was skipped because it is damaged or missing, as the user asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the error is transient: the next invocation can succeed without any change by the
    /// operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_none(offsets: &i64) -> bool {
    *offsets == 0
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u64) -> bool {
    *number == 0
}

const PYTHON_NOTE: &str = "archives of the Python tool have values only: keys, headers and timestamps were not kept, and a value \
    with line feeds was split into several records, which cannot be detected";

const GROUPS_NOTE: &str = "consumer groups are not restored, and their old offsets do not apply to this topic. Reset each group \
    separately, to a time that is not later than the timestamp of any record that it still has to read, or to \
    the earliest offset: docs/consumer-groups.md. A later time skips records in silence";

const FINISH_NOTE: &str = "consumer groups, configs and access control lists are not restored yet: `local-runner finish` shows the \
    changes, and makes them with --apply; functions do it with RESTORE_FINISH. Each group continues at \
    exactly its next record, if finish runs before its consumers";

/// Which generation is restored, if there are several.
fn generations_note(source: &Source, asked: &str) -> Option<String> {
    let Source { name, older, newer, .. } = source;
    let of = source.generation.as_ref().and_then(|generation| generation.cluster_id.as_ref());
    let of = of.map_or_else(String::new, |cluster| format!(" (of cluster {cluster:?})"));
    if let Some(newest) = newer.last() {
        let began = if names::parse_topic(asked).is_some_and(|(_, number)| number.is_none()) { ", with which it began" } else { "" };
        return Some(format!(
            "this is the restore of {name:?}{of}{began}, and newer generations of the topic are in the bucket: {}. \
             The topic was created again, its log lost its end, or they belong to another cluster (see topic.json). To \
             restore the newest: BACKUP_TOPIC_NAME={newest}, with a new RESTORE_ID and another RESTORE_TOPIC_NAME",
            newer.join(", ")
        ));
    }
    (!older.is_empty()).then(|| {
        format!(
            "this is the restore of {name:?}{of}, the newest generation of the topic. Older ones are in the bucket: {}. To restore one of them: \
             BACKUP_TOPIC_NAME={}, with a new RESTORE_ID and another RESTORE_TOPIC_NAME",
            older.join(", "),
            older.first().map_or("", String::as_str)
        )
    })
}

fn absent_note(source: &Source) -> Option<String> {
    let lost = source.generation.as_ref().map(|generation| &generation.begun);
    let absent: Vec<String> =
        source.absent.iter().filter(|partition| lost.is_none_or(|lost| !lost.contains(partition))).map(i32::to_string).collect();
    (!absent.is_empty()).then(|| {
        format!(
            "these partitions have no records in the backup, like partitions that were never written to: {}. In the \
             target they are empty",
            absent.join(", ")
        )
    })
}

/// A topic that is less safe than the original.
fn replicas_note(source: &Source, target: &TargetTopic) -> Option<String> {
    let (before, now) = source.generation.as_ref()?.replication_factor.zip(target.facts.replication_factor)?;
    let brokers = target.cluster.brokers;
    let why = if brokers < before { format!(": the cluster has {brokers} brokers") } else { String::new() };
    (now < before).then(|| format!("the target has {now} replicas of each partition, and the original had {before}{why}"))
}

impl RestoreReport {
    pub(crate) fn new(restore: &Restore, noted: Option<&RestoreIdentity>) -> Self {
        let mut notes = Vec::new();
        if !restore.settings.times.are_all() {
            notes.push(format!("only records {} are restored (RESTORE_FROM, RESTORE_UNTIL)", restore.settings.times));
        }
        notes.extend(noted.iter().flat_map(|noted| noted.accepted.iter().cloned()));
        Self {
            function: "restore-batch",
            version: telemetry::VERSION,
            restore_id: restore.id().to_owned(),
            run: noted.map(|noted| noted.run.clone()).unwrap_or_default(),
            as_of: noted.and_then(|noted| noted.choice.as_of.clone()),
            snapshots: noted.map(|noted| noted.snapshots.clone()).unwrap_or_default(),
            moments: noted.map(|noted| noted.moments.clone()).unwrap_or_default(),
            notes,
            ..Self::default()
        }
    }

    /// Every partition of every topic in the report.
    pub fn all_partitions(&self) -> impl Iterator<Item = (&TopicReport, &PartitionReport)> + Clone {
        self.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |partition| (topic, partition)))
    }

    /// Whether the errors, if any, are transient: a later invocation can succeed without any change
    /// by the operator.
    pub fn heals(&self) -> bool {
        self.topics.iter().all(|topic| topic.retryable != Some(false) && topic.partitions.iter().all(|one| one.retryable != Some(false)))
    }

    /// At the end of a restore that put records into the target.
    pub(crate) fn tell_of_groups(&mut self) {
        let is_whole = |topic: &TopicReport| topic.caught_up && topic.records_in_all > 0;
        if self.caught_up && self.topics.iter().any(is_whole) {
            self.notes.push(if self.done.is_some() { FINISH_NOTE } else { GROUPS_NOTE }.to_owned());
        }
    }

    pub(crate) fn finish(&mut self, started: Millis, now: Millis) {
        self.records = self.topics.iter().map(|one| one.records).sum();
        self.gap_offsets = self.topics.iter().map(|one| one.gap_offsets).sum();
        self.caught_up = self.topics.iter().all(|one| one.caught_up);
        self.succeeded = self.topics.iter().all(|one| one.error.is_none() && one.partitions.iter().all(|one| one.error.is_none()));
        self.duration_ms = now - started;
    }
}

impl TopicReport {
    pub(crate) fn new(restore: &Restore, source: &Source, target: &TargetTopic) -> Self {
        let mut notes: Vec<String> = Vec::new();
        if source.cuts.is_none() {
            notes.extend(generations_note(source, restore.settings.topics.names().next().unwrap_or_default()));
            notes.extend(absent_note(source));
        }
        let mut skipped = Vec::new();
        match source.cuts {
            None => notes.extend(source.accepted.clone()),
            Some(_) => skipped.clone_from(&source.accepted),
        }
        notes.extend(replicas_note(source, target));
        Self {
            source: source.name.clone(),
            target: source.target.clone(),
            partitions: pending(&source.partitions),
            wanted_configs: target.wanted_configs.clone(),
            skipped,
            notes,
            ..Self::default()
        }
    }

    /// For a topic that was not checked.
    pub(crate) fn of(topic: &RestoredTopic, partitions: &[i32]) -> Self {
        let (source, skipped) = (topic.folder.clone(), topic.accepted.clone());
        Self { source, target: topic.target.clone(), partitions: pending(partitions), skipped, ..Self::default() }
    }

    pub(crate) fn of_finished(topic: &FinishedTopic) -> Self {
        let mut report = Self { source: topic.folder.clone(), target: topic.target.clone(), caught_up: true, ..Self::default() };
        report.sum_up(topic);
        report
    }

    /// Adds what is known of the whole restore.
    pub(crate) fn sum_up(&mut self, topic: &FinishedTopic) {
        self.records_in_all = topic.records;
        self.gap_offsets = topic.gap_offsets;
        self.skipped.clone_from(&topic.skipped);
    }

    fn partition(&mut self, partition: i32) -> Option<&mut PartitionReport> {
        self.partitions.iter_mut().find(|one| one.partition == partition)
    }

    pub(crate) fn see(&mut self, checkpoint: &Checkpoint) {
        if let Some(report) = self.partition(checkpoint.partition) {
            report.records_in_all = checkpoint.records;
            report.next = checkpoint.progress.next;
            report.skipped.clone_from(&checkpoint.skipped);
            report.gap_offsets = checkpoint.gaps.lost;
            report.gaps.clone_from(&checkpoint.gaps.first);
        }
    }

    pub(crate) fn wrote(&mut self, partition: i32, records: u64, left_out: u64) {
        if let Some(report) = self.partition(partition) {
            report.records += records;
            report.left_out += left_out;
        }
    }

    pub(crate) fn read_archive(&mut self, partition: i32, done: bool) {
        if let Some(report) = self.partition(partition) {
            report.python_archives += u64::from(done);
        }
        if !self.notes.iter().any(|note| note == PYTHON_NOTE) {
            self.notes.push(PYTHON_NOTE.to_owned());
        }
    }

    pub(crate) fn caught_up(&mut self, partition: i32) {
        if let Some(report) = self.partition(partition) {
            report.caught_up = true;
        }
    }

    pub(crate) fn fail(&mut self, partition: i32, error: &Error) {
        if let Some(report) = self.partition(partition) {
            report.error = Some(in_full(error));
            report.retryable = Some(error.is_retryable());
        }
    }

    /// At the end of the invocation. `error`: of the whole topic.
    pub(crate) fn finish(&mut self, error: Option<&Error>) {
        self.error = error.map(|error| in_full(error));
        self.retryable = error.map(Error::is_retryable);
        if !self.partitions.is_empty() {
            self.records = self.partitions.iter().map(|one| one.records).sum();
            self.records_in_all = self.partitions.iter().map(|one| one.records_in_all).sum();
            self.gap_offsets = self.partitions.iter().map(|one| one.gap_offsets).sum();
        }
        self.caught_up = error.is_none() && self.partitions.iter().all(|one| one.caught_up);
    }
}

fn pending(partitions: &[i32]) -> Vec<PartitionReport> {
    partitions.iter().map(|partition| PartitionReport { partition: *partition, ..PartitionReport::default() }).collect()
}
