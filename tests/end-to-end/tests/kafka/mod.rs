//! What Kafka and its administrators do to a backup and to a restore, on a real Kafka, and how the
//! program reacts.

mod acls;
mod administration;
mod applications;
mod as_of;
mod brokers;
mod changes;
mod claims;
mod configs;
mod configured;
mod finish;
mod gaps;
mod groups;
mod identities;
mod large;
mod lost;
mod old_formats;
mod patterns;
mod plan;
mod rate;
mod replicas;
mod slow;
mod snapshots;
mod targets;
mod times;
mod topics;
mod transactions;
mod translated;
mod whole_cluster;

use std::ops::Range;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::Runner;
use serde_json::{Value, json};

/// A moment in 2026 that is in the past for all tests.
const LONG_AGO: i64 = 1_767_225_600_000;

/// Records of a partition with their numbers as values.
fn numbered(partition: i32, numbers: Range<i64>) -> Vec<Record> {
    numbers.map(|n| Record::new(partition, LONG_AGO + n).key(format!("key {n}")).value(format!("value {n}"))).collect()
}

/// The group that [`Runner::backup_config`] names.
fn group_of(topic: &str) -> String {
    format!("backup-of-{topic}")
}

/// The last report's entry of a partition.
#[track_caller]
fn of_partition(reports: &[Value], partition: i32) -> &Value {
    let report = reports.last().expect("a report");
    // In the report of a restore they are inside their topic.
    let entries = report["topics"][0]["partitions"].as_array().or(report["partitions"].as_array()).expect("a report with partitions");
    entries.iter().find(|entry| entry["partition"] == partition).expect("an entry of this partition")
}

/// Records in the segments that these runs wrote.
fn records_in(reports: &[Value]) -> u64 {
    reports.iter().map(|report| report["records"].as_u64().expect("a report")).sum()
}

/// Restores a backup (`orders`, `orders@2`) into a topic of a new name. Returns what Kafka's own
/// client reads there.
#[track_caller]
fn restored(kafka: &Kafka, runner: &Runner, backup: &str) -> Vec<Record> {
    let copy = unique("copy");
    runner.restore(&runner.restore_config(backup, &copy, json!({"RESTORE_ID": copy})));
    kafka.dump(&copy, Read::Uncommitted)
}

/// Asserts that the backup of `topic` is sound and has all records of the topic.
#[track_caller]
fn assert_restorable(kafka: &Kafka, runner: &Runner, backup: &Path, topic: &str) {
    runner.verify(backup).succeeded();
    assert_identical(&kafka.dump(topic, Read::Committed), &restored(kafka, runner, topic));
}

/// Waits until `made` is true for a running program, or it has ended.
fn until_it_has(child: &mut Child, made: impl Fn() -> bool) {
    while !made() && child.try_wait().expect("it was started").is_none() {
        sleep(Duration::from_millis(20));
    }
}

/// How many files of this ending are below a folder.
fn files_below(folder: &Path, ending: &str) -> usize {
    let Ok(entries) = folder.read_dir() else { return 0 };
    let below = |path: &Path| if path.is_dir() { files_below(path, ending) } else { usize::from(path.to_string_lossy().ends_with(ending)) };
    entries.flatten().map(|entry| below(&entry.path())).sum()
}
