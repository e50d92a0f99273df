//! Applications that store their own offsets continue in the restored cluster as if nothing had
//! been lost: a Kafka Streams application with exactly-once, and plain consumers.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use end_to_end::cluster::Cluster;
use end_to_end::kafka::Kafka;
use end_to_end::record::Record;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::json;
use tempfile::TempDir;

use crate::kafka::LONG_AGO;

const INPUT: &str = "words";
const OUTPUT: &str = "counts-of-words";
const APPLICATION: &str = "word-count";
const PARTITIONS: i32 = 3;
/// Records before and after the loss of the cluster.
const BEFORE: usize = 120;
const AFTER: usize = 90;
/// Of the records before: how many the consumers have processed.
const PROCESSED: usize = 50;

/// The words at these positions of the input, round-robin over its partitions. No two records are
/// the same.
fn words(places: std::ops::Range<usize>) -> Vec<Record> {
    let word = |place: usize| ["alpha", "beta", "gamma", "delta", "epsilon"][place * place % 5];
    let partition = |place| i32::try_from(place).expect("small") % PARTITIONS;
    places.map(|place| Record::new(partition(place), LONG_AGO).key(format!("{place}")).value(word(place))).collect()
}

/// How often each word is in the input.
fn counted(places: usize) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for record in words(0..places) {
        let word = record.value.expect("a word").0;
        *counts.entry(String::from_utf8(word).expect("UTF-8")).or_default() += 1;
    }
    counts
}

/// Runs the application with an empty state folder until it has counted `records` more. Returns its
/// final counts.
fn run_streams(kafka: &Kafka, application: &str, output: &str, records: usize) -> BTreeMap<String, u64> {
    let state = TempDir::new().expect("a temporary folder");
    let folder = state.path().to_str().expect("UTF-8");
    let printed = print(kafka.java("Counts").args([application, INPUT, output, folder, &records.to_string()]));
    serde_json::from_str(&printed).expect("counts")
}

/// A member of the group reads this many more records, and commits. Returns what it reads.
fn consume(kafka: &Kafka, group: &str, records: usize) -> Vec<Record> {
    let commits_itself = format!("enable.auto.commit={}", group == "auto");
    let printed = print(kafka.java("Consume").args([group, INPUT, &records.to_string(), &commits_itself]));
    printed.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

fn print(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().expect("java/run starts");
    assert!(output.status.success(), "{command:?} failed, see above");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// By partition, and within it in their order.
fn sorted(mut records: Vec<Record>) -> Vec<Record> {
    records.sort_by_key(|record| record.partition);
    records
}

#[test]
fn a_streams_application_and_plain_consumers_go_on_in_the_restored_cluster() {
    let Some(shared) = require_kafka() else { return };
    let lost = Cluster::start(&shared, 1);
    let from = &lost.kafka;
    from.create_topic_named(INPUT, PARTITIONS, &[]);
    from.create_topic_named(OUTPUT, 2, &[("cleanup.policy", "compact")]);
    from.produce(INPUT, &words(0..BEFORE));
    assert_eq!(run_streams(from, APPLICATION, OUTPUT, BEFORE), counted(BEFORE));
    let mut read = ["auto", "sync"].map(|group| consume(from, group, PROCESSED));
    let runner = Runner::on_folder(from);
    // The names of its internal topics contain its name.
    let topics = [INPUT, OUTPUT, &format!("{APPLICATION}-*")];
    let keys = json!({"GROUP_ID": "backup", "SNAPSHOT_SECONDS": 1, "MAX_SEGMENTS_PER_INVOCATION": 0});
    runner.run([Path::new("backup"), &runner.backup_config(&topics, keys), Path::new("--once")]).succeeded();
    drop(lost);

    let new = Cluster::start(&shared, 1);
    let to = &new.kafka;
    let keys = json!({
        "BACKUP_TOPIC_NAME": ["*"], "RESTORE_AS_OF": "latest", "RESTORE_ID": "dr", "BOOTSTRAP_SERVERS": to.bootstrap,
        // The records are old, and the brokers' retention is a week.
        "RESTORE_ANYWAY": "retention",
    });
    let config = runner.restore_config("*", "{topic}", keys);
    runner.run([Path::new("restore"), &config]).succeeded();
    runner.run([Path::new("finish"), &config, Path::new("--apply")]).succeeded();

    to.produce(INPUT, &words(BEFORE..BEFORE + AFTER));
    assert_eq!(run_streams(to, APPLICATION, OUTPUT, AFTER), counted(BEFORE + AFTER));
    let all = BEFORE + AFTER;
    to.create_topic_named("again", 2, &[]);
    assert_eq!(run_streams(to, "uninterrupted", "again", all), counted(all));
    for (group, read) in ["auto", "sync"].into_iter().zip(&mut read) {
        read.extend(consume(to, group, all - PROCESSED));
        let mut expected = words(0..all);
        expected.sort_by_key(|record| record.partition);
        assert_eq!(sorted(std::mem::take(read)), expected, "{group}: each record once, in the order of its partition");
    }
}
