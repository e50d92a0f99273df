//! On Lambda: repeated invocations, many at the same time, duplicates, and invalid events.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use end_to_end::function::Function;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::lambda::{Answer, Emulator, Lambda, StandIn};
use end_to_end::runner::Runner;
use end_to_end::services::require_cargo_lambda;
use serde_json::{Value, json};

use crate::functions::{is_backed_up, is_restored, on_minio};

const MINUTE: Duration = Duration::from_secs(60);

/// On cargo-lambda's emulator: one segment an invocation, until everything is backed up.
#[test]
fn a_topic_comes_back_by_repeated_invocations() {
    let (Some((kafka, runner)), Some(cargo_lambda)) = (on_minio(), require_cargo_lambda()) else { return };
    let topic = kafka.create_topic("lambda", 2, &[]);
    kafka.bulk(&topic, 10_000, 300);
    let copy = unique("copy");
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 1000}));
    let restore = runner.restore_config(&topic, &copy, Value::Null);
    let (backup, restore) = (runner.variables(&backup), runner.variables(&restore));
    let lambda = Lambda::start(Emulator::start(&cargo_lambda), Function::Backup, &backup, 1, 512);
    let reports = lambda.invoke_until("{}", is_backed_up);
    assert_eq!(reports.len(), 10, "one segment each");
    let lambda = Lambda::start(Emulator::start(&cargo_lambda), Function::Restore, &restore, 1, 512);
    let reports = lambda.invoke_until("{}", is_restored);
    assert!(reports.len() >= 10, "one segment each: {}", reports.len());
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
}

/// On the emulator: each is refused by name, before any request to Kafka or the bucket.
#[test]
fn a_malformed_event_does_nothing() {
    let (Some((kafka, runner)), Some(cargo_lambda)) = (on_minio(), require_cargo_lambda()) else { return };
    let (topic, backup) = small_topic(&kafka, &runner, 1);
    let lambda = Lambda::start(Emulator::start(&cargo_lambda), Function::Backup, &runner.variables(&backup), 1, 512);
    for (event, names) in [
        ("[]", "not an object"),
        ("7", "not an object"),
        (r#"{"shards":1}"#, "shards"),
        (r#"{"shard":4,"of":4}"#, "from 0 to 3"),
        (r#"{"shard":0}"#, "used together"),
        (r#"{"partition":-1}"#, "negative"),
        (r#"{"topic":["orders"]}"#, "string"),
        (r#"{"Records":[{"s3":{}}]}"#, "Records"),
    ] {
        let Answer { error, body } = lambda.invoke(event);
        assert_eq!(error.as_deref(), Some("BadEvent"), "{event}: {body}");
        assert!(body["errorMessage"].as_str().is_some_and(|message| message.contains(names)), "{event}: {body}");
    }
    assert_eq!(committed(&kafka, &topic), 0, "nothing was committed");
    let report = lambda.invoke("{}").report();
    assert_eq!((&report["segments"], &report["records"]), (&json!(1), &json!(100)), "nothing was written before: {report}");
}

/// Four schedules, twelve partitions, at the same moment: each partition belongs to one of them.
#[test]
fn four_shards_share_twelve_partitions() {
    let Some((kafka, runner)) = on_minio() else { return };
    let (topic, backup) = small_topic(&kafka, &runner, 12);
    let lambda = Lambda::start(StandIn::start(MINUTE), Function::Backup, &runner.variables(&backup), 4, 512);
    let reports: Vec<Value> = thread::scope(|scope| {
        let shards: Vec<_> = (0..4)
            .map(|shard| {
                let lambda = &lambda;
                scope.spawn(move || lambda.invoke(&json!({"shard": shard, "of": 4}).to_string()).report())
            })
            .collect();
        shards.into_iter().map(|shard| shard.join().expect("it reports")).collect()
    });
    let mut seen = Vec::new();
    for report in &reports {
        let of_shard = report["partitions"].as_array().expect("a list");
        assert_eq!(of_shard.len(), 3, "evenly: {report}");
        assert_eq!((&report["segments"], &report["lag_records"]), (&json!(3), &json!(0)), "{report}");
        assert!(of_shard.iter().all(|partition| partition["adopted"].is_null()), "nothing was done twice: {report}");
        seen.extend(of_shard.iter().map(|partition| partition["partition"].as_i64().expect("a number")));
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 12, "each once: {seen:?}");
    assert_eq!(runner.list(&backup).iter().map(|partition| partition["segments"].as_u64().unwrap_or(0)).sum::<u64>(), 12);
    assert_eq!(committed(&kafka, &topic), 1200);
}

/// Lambda delivers at least once. Two containers get the same event: one segment, and both succeed.
#[test]
fn two_deliveries_of_an_event_make_one_segment() {
    let Some((kafka, runner)) = on_minio() else { return };
    let (topic, backup) = small_topic(&kafka, &runner, 1);
    let lambda = Lambda::start(StandIn::start(MINUTE), Function::Backup, &runner.variables(&backup), 2, 512);
    let event = json!({"topic": topic, "partition": 0}).to_string();
    let (one, other) = thread::scope(|scope| {
        let one = scope.spawn(|| lambda.invoke(&event).report());
        (lambda.invoke(&event).report(), one.join().expect("it reports"))
    });
    assert_eq!(one["segments"].as_u64().unwrap_or(0) + other["segments"].as_u64().unwrap_or(0), 1, "{one}\n{other}");
    assert_eq!(runner.list(&backup)[0]["segments"], 1);
    assert_eq!(committed(&kafka, &topic), 100);
}

/// A topic with a hundred records in each partition, and the configuration that backs all of it up
/// in one invocation.
fn small_topic(kafka: &Kafka, runner: &Runner, partitions: i32) -> (String, std::path::PathBuf) {
    let topic = kafka.create_topic("events", partitions, &[]);
    kafka.bulk(&topic, 100 * u64::try_from(partitions).expect("positive"), 200);
    let backup = runner.backup_config(&[&topic], json!({"MAX_SEGMENTS_PER_INVOCATION": 0}));
    (topic, backup)
}

/// The sum of the group's committed offsets, as Kafka's own tool prints them.
fn committed(kafka: &Kafka, topic: &str) -> i64 {
    let group = format!("backup-of-{topic}");
    let groups = kafka.admin("consumer.group.ConsumerGroupCommand", ["--list"]);
    if !groups.lines().any(|line| line.trim() == group) {
        return 0;
    }
    let table = kafka.admin("consumer.group.ConsumerGroupCommand", ["--describe", "--group", &group]);
    // GROUP TOPIC PARTITION CURRENT-OFFSET …
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| row.get(1) == Some(&topic));
    rows.map(|row| row[3].parse::<i64>().expect("an offset")).sum()
}
