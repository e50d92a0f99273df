//! Targets that would refuse restored records, or lose them: detected before the first write.

use std::path::Path;
use std::time::UNIX_EPOCH;

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

/// A topic's configs, the message about them, and the RESTORE_ANYWAY value that allows them.
struct Case {
    configs: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
    anyway: Option<&'static str>,
}

const fn case(configs: &'static [(&'static str, &'static str)], says: &'static [&'static str]) -> Case {
    Case { configs, says, anyway: None }
}

const CASES: [Case; 6] = [
    case(
        &[("message.timestamp.before.max.ms", "3600000")],
        &["refuses records older than 3600000 ms", "raise message.timestamp.before.max.ms"],
    ),
    case(&[("message.timestamp.after.max.ms", "3600000")], &["refuses records 3600000 ms ahead", "raise message.timestamp.after.max.ms"]),
    Case {
        anyway: Some("retention"),
        ..case(&[("retention.ms", "3600000")], &["deletes records older than 3600000 ms", "Set retention.ms=-1"])
    },
    Case {
        anyway: Some("retention"),
        ..case(&[("retention.bytes", "100000000")], &["keeps at most 100000000 bytes of a partition", "Set retention.bytes=-1"])
    },
    Case {
        anyway: Some("compaction"),
        ..case(&[("cleanup.policy", "compact")], &["compacted (cleanup.policy)", "set cleanup.policy=delete"])
    },
    Case {
        anyway: Some("timestamps"),
        ..case(&[("message.timestamp.type", "LogAppendTime")], &["message.timestamp.type=LogAppendTime", "set CreateTime"])
    },
];

/// Configs that accept everything, unless a case sets others.
const ANYTHING: [(&str, &str); 2] = [("max.message.bytes", "2000000"), ("message.timestamp.after.max.ms", "9223372036854775807")];

#[test]
fn a_target_that_cannot_take_the_records_is_refused_before_the_first_write() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("demanding", 1, &ANYTHING);
    kafka.produce(&topic, &demanding());
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    for Case { configs, says, anyway } in &CASES {
        let configs: Vec<_> = ANYTHING.iter().chain(*configs).copied().collect();
        let target = kafka.create_topic("refused", 1, &configs);
        let restore = runner.restore_config(&topic, &target, Value::Null);
        let outcome = runner.run([Path::new("restore"), &restore, Path::new("--once")]);
        outcome.failed_with(&[says, &[target.as_str()][..]].concat());
        assert_eq!(kafka.high_watermarks(&target)[&0], 0, "nothing was written, not even a transaction: {configs:?}");
        if let Some(anyway) = anyway {
            take_it_anyway(&kafka, &runner, &topic, &target, anyway);
        }
    }
}

/// Restored records would be mixed with others, or be there twice.
#[test]
fn a_target_with_records_of_somebody_else_is_refused() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 1, &[("retention.ms", "-1")]);
    kafka.produce(
        &topic,
        &[Record::new(0, crate::kafka::LONG_AGO).key("a").value("1"), Record::new(0, crate::kafka::LONG_AGO).key("b").value("2")],
    );
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    let target = kafka.create_topic("taken", 1, &[("retention.ms", "-1")]);
    kafka.produce(&target, &[Record::new(0, crate::kafka::LONG_AGO).key("of").value("another")]);
    let before = kafka.high_watermarks(&target)[&0];
    let restore = runner.restore_config(&topic, &target, Value::Null);
    let outcome = runner.run([Path::new("restore"), &restore, Path::new("--once")]);
    outcome.failed_with(&["is not empty", "RESTORE_ANYWAY=not-empty", &target]);
    assert_eq!(kafka.high_watermarks(&target)[&0], before, "nothing was written");
    take_it_anyway(&kafka, &runner, &topic, &target, "not-empty");
}

/// One record each: old, with a different time, large.
fn demanding() -> Vec<Record> {
    let now = now();
    let value = |bytes: usize| (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<u8>>();
    vec![
        Record::new(0, crate::kafka::LONG_AGO).key("old").value("record"),
        Record::new(0, now + 86_400_000).key("of").value("tomorrow"),
        Record::new(0, now).key("large").value(value(100_000)),
    ]
}

fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("before the year 292 million")
}

/// RESTORE_ANYWAY allows it, with a warning.
fn take_it_anyway(kafka: &Kafka, runner: &Runner, topic: &str, target: &str, anyway: &str) {
    let restore = runner.restore_config(topic, target, json!({"RESTORE_ANYWAY": anyway}));
    let outcome = runner.run([Path::new("restore"), &restore, Path::new("--until-caught-up")]).succeeded();
    assert!(outcome.stderr.contains("continuing anyway"), "{}", outcome.stderr);
    assert!(kafka.high_watermarks(target)[&0] >= 3);
}

#[test]
fn a_target_that_takes_them_gets_them() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("demanding", 1, &ANYTHING);
    kafka.produce(&topic, &demanding());
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    let target = kafka.create_topic("taking", 1, &ANYTHING);
    runner.restore(&runner.restore_config(&topic, &target, Value::Null));
    assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&target, Read::Uncommitted));
}

/// Someone deletes the restored topic while the schedule of the restore still runs. The topic stays
/// deleted, and no run reports success.
#[test]
fn a_restored_topic_that_was_deleted_is_not_made_again() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 1, &[]);
    kafka.produce(&topic, &[Record::new(0, now()).key("a").value("1")]);
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    let target = unique("copy");
    let restore = runner.restore_config(&topic, &target, Value::Null);
    runner.restore(&restore);
    kafka.delete_topic(&target);
    let outcome = runner.run([Path::new("restore"), &restore, Path::new("--once")]);
    outcome.failed_with(&["no longer exists", "choose a new RESTORE_ID"]);
    assert!(!kafka.topic_exists(&target));
}
