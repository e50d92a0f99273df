//! Topics that are deleted and created again, or get more partitions.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use end_to_end::cluster::Cluster;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::{Runner, finish};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{assert_restorable, files_below, numbered, restored, until_it_has};

/// Smaller than before: all of its offsets were backed up once, from another topic. Larger than
/// before: its end is above the old one.
#[test]
fn a_topic_created_again_is_a_new_generation_and_each_can_be_restored() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("again", 2, &[]);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    let first = back_up(&kafka, &runner, &backup, &topic, 0..100);
    create_again(&kafka, &topic);
    let smaller = back_up(&kafka, &runner, &backup, &topic, 1000..1030);
    create_again(&kafka, &topic);
    let larger = back_up(&kafka, &runner, &backup, &topic, 2000..2300);
    runner.verify(&backup).succeeded();
    let all = [(format!("{topic}@1"), &first), (format!("{topic}@2"), &smaller), (format!("{topic}@3"), &larger), (topic.clone(), &larger)];
    for (generation, records) in all {
        assert_identical(records, &restored(&kafka, &runner, &generation));
    }
    // The printed choices work: the newest, or all of them by their numbers.
    let named = |more: &[&str]| {
        let outcome = runner.run([Path::new("list"), &backup].into_iter().chain(more.iter().map(Path::new))).succeeded();
        outcome.reports().iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect::<BTreeSet<String>>()
    };
    let numbered: Vec<String> = (1..=3).map(|number| format!("{topic}@{number}")).collect();
    assert_eq!(named(&[]), numbered.iter().cloned().collect());
    assert_eq!(named(&["--topic", &topic]), numbered[2..].iter().cloned().collect());
    assert_eq!(named(&["--topic", &numbered[0]]), numbered[..1].iter().cloned().collect());
}

/// A restore that began with the only generation keeps it when its topic is created again.
#[test]
fn a_restore_goes_on_with_the_generation_that_it_began_with() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("goes-on", 1, &[]);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10}));
    let first = numbered(0, 0..30);
    kafka.produce(&topic, &first);
    runner.back_up(&backup);
    let copy = unique("copy");
    let restore = runner.restore_config(&topic, &copy, Value::Null);
    runner.run([Path::new("restore"), &restore, Path::new("--once")]).succeeded();
    assert!(kafka.dump(&copy, Read::Uncommitted).len() < first.len(), "there is something left");
    kafka.delete_topic(&topic);
    kafka.create_topic_named(&topic, 1, &[]);
    let second = numbered(0, 500..505);
    kafka.produce(&topic, &second);
    runner.back_up(&backup);

    let outcome = runner.run([Path::new("restore"), &restore, Path::new("--until-caught-up")]).succeeded();
    assert_identical(&first, &kafka.dump(&copy, Read::Uncommitted));
    let report = outcome.reports().pop().expect("a report");
    let note = report["topics"][0]["notes"].to_string();
    assert!(report["topics"][0]["source"] == format!("{topic}@1") && note.contains(&format!("BACKUP_TOPIC_NAME={topic}@2")), "{report}");
    assert!(outcome.stderr.contains(&format!("{topic}@2 is newer")), "{}", outcome.stderr);
    assert_identical(&second, &restored(&kafka, &runner, &topic));
}

/// Each restart of the broker raises the leader epoch. It begins at 0 again with the new topic,
/// which librdkafka takes for stale metadata. A process that keeps running backs the new topic up
/// all the same.
#[test]
fn a_topic_created_again_with_a_lower_leader_epoch_is_read_by_the_same_process() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start(&shared, 1);
    let kafka = &cluster.kafka;
    let topic = kafka.create_topic("epoch", 1, &[]);
    for _ in 0..2 {
        cluster.kill(1);
        cluster.resume(1);
    }
    kafka.produce(&topic, &numbered(0, 0..100));
    let runner = Runner::on_folder(kafka);
    let backup = runner.backup_config(&[&topic], json!({"RETRY_UPLOAD_SECONDS": 1, "TIME_BUDGET_SECONDS": 20}));
    let mut child = runner.spawn([Path::new("backup"), &backup]);
    until_it_has(&mut child, || files_below(&runner.backups(), ".sha256") == 1);
    create_again_with(kafka, &topic, 1);
    kafka.produce(&topic, &numbered(0, 1000..1030));
    until_it_has(&mut child, || files_below(&runner.backups(), ".sha256") == 2);
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there").success());
    finish(child).succeeded();
    assert_identical(&numbered(0, 1000..1030), &restored(kafka, &runner, &format!("{topic}@2")));
}

fn back_up(kafka: &Kafka, runner: &Runner, backup: &Path, topic: &str, numbers: std::ops::Range<i64>) -> Vec<Record> {
    let records = [numbered(0, numbers.clone()), numbered(1, numbers)].concat();
    kafka.produce(topic, &records);
    runner.back_up(backup);
    records
}

fn create_again(kafka: &Kafka, topic: &str) {
    create_again_with(kafka, topic, 2);
}

fn create_again_with(kafka: &Kafka, topic: &str, partitions: i32) {
    kafka.delete_topic(topic);
    kafka.create_topic_named(topic, partitions, &[]);
}

#[test]
fn partitions_added_between_backups_are_backed_up_and_come_back() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("wider", 2, &[]);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    kafka.produce(&topic, &[numbered(0, 0..20), numbered(1, 0..20)].concat());
    runner.back_up(&backup);
    // One of them stays empty, and still exists.
    kafka.add_partitions(&topic, 5);
    kafka.produce(&topic, &[numbered(1, 20..30), numbered(2, 0..20), numbered(3, 0..20)].concat());
    let outcome = runner.run([Path::new("backup"), &backup, Path::new("--until-caught-up")]).succeeded();
    assert!(outcome.stderr.contains("partitions were added: 2 before, 5 now"), "{}", outcome.stderr);
    assert_restorable(&kafka, &runner, &backup, &topic);
}

#[test]
fn partitions_added_during_a_backup() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("widening", 2, &[]);
    kafka.bulk(&topic, 40_000, 100);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 200}));
    let mut child = runner.spawn([Path::new("backup"), &backup, Path::new("--until-caught-up")]);
    until_it_has(&mut child, || files_below(&runner.backups(), ".sha256") >= 3);
    kafka.add_partitions(&topic, 4);
    kafka.produce(&topic, &[numbered(2, 0..20), numbered(3, 0..20)].concat());
    finish(child).succeeded();
    runner.back_up(&backup);
    assert_restorable(&kafka, &runner, &backup, &topic);
}

/// Without this, an empty topic would not exist after a disaster.
#[test]
fn an_empty_topic_is_in_the_bucket_and_comes_back() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("empty", 3, &[("min.insync.replicas", "1")]);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    runner.back_up(&backup);
    let json = std::fs::read(runner.backups().join(&topic).join("topic.json")).expect("it was written");
    let json: Value = serde_json::from_slice(&json).expect("it is JSON");
    assert_eq!((&json["partitions"], &json["replication_factor"]), (&json!(3), &json!(1)));
    assert!(json["cluster_id"].is_string() && json["topic_id"].is_string(), "{json}");
    assert_eq!(json["configs"]["min.insync.replicas"], "1");
    kafka.produce(&topic, &numbered(1, 0..20));
    runner.back_up(&backup);
    assert!(!runner.backups().join(format!("{topic}@2")).exists());
    assert_restorable(&kafka, &runner, &backup, &topic);
}
