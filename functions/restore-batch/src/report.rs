//! What an invocation did and what it left.

use std::collections::BTreeMap;

use archive::Error;
use archive::catalog::{Checkpoint, Gap, names};
use kernel::clock::Millis;
use kernel::in_full;
use serde::Serialize;

use crate::Restore;
use crate::source::Source;
use crate::target::TargetTopic;

/// What one invocation did. Serialises to the JSON that users and platforms get.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// `restore-batch`.
    pub function: &'static str,
    /// Whether nothing failed.
    pub succeeded: bool,
    /// RESTORE_ID.
    pub restore_id: String,
    /// The topic, with its generation where there are several: `orders@1`.
    pub source: String,
    /// The topic written to.
    pub target: String,
    /// Records written by this invocation.
    pub records: u64,
    /// Offsets that are in no backup: the sum of the partitions'.
    #[serde(skip_serializing_if = "is_none")]
    pub gap_offsets: i64,
    /// Whether every source partition of this invocation has nothing left to restore.
    pub caught_up: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: Millis,
    /// Each source partition.
    pub partitions: Vec<PartitionReport>,
    /// Configs that the original topic had and the target does not have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub wanted_configs: BTreeMap<String, String>,
    /// Once the restore is complete and verified: what gives the target the configs of the original, for a shell. Whatever is from the bucket is quoted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// What the reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What one invocation did for one source partition.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PartitionReport {
    /// The partition.
    pub partition: i32,
    /// Records written by this invocation.
    pub records: u64,
    /// Records written by the whole restore.
    pub records_in_all: u64,
    /// Every record below this source offset is in the target, or was left out.
    pub next: i64,
    /// Archives of the Python tool that were finished.
    #[serde(skip_serializing_if = "is_zero")]
    pub python_archives: u64,
    /// Whether nothing is left to restore.
    pub caught_up: bool,
    /// Records that this invocation left out, because they are of other times than RESTORE_FROM and RESTORE_UNTIL ask for.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// Offsets that are in no backup, of all that is restored so far: they were deleted from the topic after the first backup and before they were read.
    #[serde(skip_serializing_if = "is_none")]
    pub gap_offsets: i64,
    /// Where they were, and what was gone before the first backup; the first 50 of such stretches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// What was left out because it is damaged or missing, as asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the next invocation can succeed without anybody doing something.
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

const PYTHON_NOTE: &str = "archives of the Python tool hold values only: keys, headers and timestamps were not kept, and a value with line feeds was \
                           split into several, which cannot be told from others";

const GROUPS_NOTE: &str = "consumer groups are not restored, and their old offsets are not those of this topic. Reset each group on its own, with a time \
                           that is not later than the timestamp of any record that it has still to read, or to the earliest offset: \
                           docs/consumer-groups.md. A later time skips records in silence";

/// Which generation is restored, where there are several.
fn generations_note(source: &Source, asked: &str) -> Option<String> {
    let Source { name, older, newer, .. } = source;
    let of = source.generation.as_ref().and_then(|generation| generation.cluster_id.as_ref());
    let of = of.map_or_else(String::new, |cluster| format!(" (of cluster {cluster:?})"));
    if let Some(newest) = newer.last() {
        let began = if names::parse_topic(asked).is_some_and(|(_, number)| number.is_none()) { ", with which it began" } else { "" };
        return Some(format!(
            "this is the restore of {name:?}{of}{began}, and newer generations of the topic are in the bucket: {}. The topic was created again, its log \
             lost its end, or they are of another cluster (topic.json says which). To restore the newest: BACKUP_TOPIC_NAME={newest}, with a new \
             RESTORE_ID and another RESTORE_TOPIC_NAME",
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
            "nothing of these partitions is in the backup, as of partitions in which nothing was written: {}. The target has them, empty",
            absent.join(", ")
        )
    })
}

/// A topic that is less safe than the original was.
fn replicas_note(source: &Source, target: &TargetTopic) -> Option<String> {
    let (before, now) = source.generation.as_ref()?.replication_factor.zip(target.facts.replication_factor)?;
    let brokers = target.cluster.brokers;
    let why = if brokers < before { format!(": the cluster has {brokers} brokers") } else { String::new() };
    (now < before).then(|| format!("the target has {now} replicas of each partition, and the original had {before}{why}"))
}

impl RestoreReport {
    pub(crate) fn new(restore: &Restore, source: &Source, target: &TargetTopic) -> Self {
        let settings = &restore.settings;
        let partitions =
            source.partitions.iter().map(|partition| PartitionReport { partition: *partition, ..PartitionReport::default() }).collect();
        let mut notes: Vec<String> = generations_note(source, &settings.backup_topic).into_iter().collect();
        notes.extend(absent_note(source));
        notes.extend(source.accepted.clone());
        if !settings.times.are_all() {
            notes.push(format!("only records {} are restored (RESTORE_FROM, RESTORE_UNTIL)", settings.times));
        }
        notes.extend(replicas_note(source, target));
        Self {
            function: "restore-batch",
            restore_id: settings.restore_id.clone(),
            source: source.name.clone(),
            target: settings.restore_topic.clone(),
            partitions,
            wanted_configs: target.wanted_configs.clone(),
            notes,
            ..Self::default()
        }
    }

    fn of(&mut self, partition: i32) -> Option<&mut PartitionReport> {
        self.partitions.iter_mut().find(|one| one.partition == partition)
    }

    pub(crate) fn see(&mut self, checkpoint: &Checkpoint) {
        if let Some(report) = self.of(checkpoint.partition) {
            report.records_in_all = checkpoint.records;
            report.next = checkpoint.progress.next;
            report.skipped.clone_from(&checkpoint.skipped);
            report.gap_offsets = checkpoint.gaps.lost;
            report.gaps.clone_from(&checkpoint.gaps.first);
        }
    }

    pub(crate) fn wrote(&mut self, partition: i32, records: u64, left_out: u64) {
        if let Some(report) = self.of(partition) {
            report.records += records;
            report.left_out += left_out;
        }
    }

    pub(crate) fn read_archive(&mut self, partition: i32, done: bool) {
        if let Some(report) = self.of(partition) {
            report.python_archives += u64::from(done);
        }
        if !self.notes.iter().any(|note| note == PYTHON_NOTE) {
            self.notes.push(PYTHON_NOTE.to_owned());
        }
    }

    pub(crate) fn caught_up(&mut self, partition: i32) {
        if let Some(report) = self.of(partition) {
            report.caught_up = true;
        }
    }

    pub(crate) fn fail(&mut self, partition: i32, error: &Error) {
        if let Some(report) = self.of(partition) {
            report.error = Some(in_full(error));
            report.retryable = Some(error.is_retryable());
        }
    }

    /// At the end of a restore that put records into the target.
    pub(crate) fn tell_of_groups(&mut self) {
        if self.partitions.iter().any(|one| one.records_in_all > 0) {
            self.notes.push(GROUPS_NOTE.to_owned());
        }
    }

    pub(crate) fn finish(&mut self, started: Millis, now: Millis) {
        self.records = self.partitions.iter().map(|one| one.records).sum();
        self.gap_offsets = self.partitions.iter().map(|one| one.gap_offsets).sum();
        self.caught_up = self.partitions.iter().all(|one| one.caught_up);
        self.succeeded = self.partitions.iter().all(|one| one.error.is_none());
        self.duration_ms = now - started;
    }
}
