//! RESTORE_FROM and RESTORE_UNTIL: exactly the records of a time range, in whatever order they are.

use std::fs;
use std::path::Path;

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::{Runner, copy_folder};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{LONG_AGO, of_partition, records_in};

const MINUTE: i64 = 60_000;

/// One record a minute in each of two partitions. Every seventh is half an hour late, and one has a
/// different time.
fn out_of_order() -> Vec<Record> {
    let late = |n: i64| if n % 7 == 3 { n - 30 } else { n };
    let minutes = (0..120).map(|n| LONG_AGO + late(n) * MINUTE).chain([LONG_AGO + 1_000 * MINUTE]);
    let of = |partition| minutes.clone().enumerate().map(move |(n, at)| Record::new(partition, at).key(format!("key {n}")).value("value"));
    (0..2).flat_map(of).collect()
}

fn moment(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).expect("a time").to_string()
}

/// A topic, backed up in 12 segments a partition.
fn backed_up(kafka: &Kafka) -> (Runner, String, Vec<Record>) {
    let topic = kafka.create_topic("times", 2, &[]);
    kafka.produce(&topic, &out_of_order());
    let runner = Runner::on_folder(kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10})));
    let records = kafka.dump(&topic, Read::Committed);
    (runner, topic, records)
}

#[test]
fn the_records_of_some_time_come_back_and_no_others() {
    let Some(kafka) = require_kafka() else { return };
    let (runner, topic, records) = backed_up(&kafka);
    let [from, until] = [35, 95].map(|minute| LONG_AGO + minute * MINUTE);
    for (from, until) in [(Some(from), None), (None, Some(until)), (Some(from), Some(until))] {
        let copy = unique("copy");
        let mut keys = json!({"RESTORE_ID": copy});
        from.inspect(|from| keys["RESTORE_FROM"] = moment(*from).into());
        until.inspect(|until| keys["RESTORE_UNTIL"] = moment(*until).into());
        let restore = runner.restore_config(&topic, &copy, keys);
        // An invocation may replay one segment. Segments outside the range are skipped and do not
        // count.
        let first = runner.run([Path::new("restore"), &restore, Path::new("--once")]).succeeded().reports();
        assert!(records_in(&first) > 0, "{first:?}");
        let reports = runner.restore(&restore);
        let wanted =
            |record: &Record| from.is_none_or(|from| from <= record.timestamp) && until.is_none_or(|until| record.timestamp < until);
        let (wanted, others): (Vec<_>, Vec<_>) = records.iter().cloned().partition(wanted);
        assert_identical(&wanted, &kafka.dump(&copy, Read::Uncommitted));
        let left_out = |report: &Value| {
            let partitions = report["topics"][0]["partitions"].as_array().expect("partitions").iter();
            partitions.filter_map(|partition| partition["left_out"].as_u64()).sum::<u64>()
        };
        assert_eq!(first.iter().chain(&reports).map(left_out).sum::<u64>(), others.len() as u64);
        assert_eq!(of_partition(&reports, 0)["next"], 121);
        assert_eq!(records_in(&runner.restore(&restore)), 0, "a second run adds nothing");
    }
}

/// The choice of an id is fixed: another time range is another restore.
#[test]
fn a_restore_keeps_to_its_time() {
    let Some(kafka) = require_kafka() else { return };
    let (runner, topic, _) = backed_up(&kafka);
    let copy = unique("copy");
    let until = |minute| json!({"RESTORE_UNTIL": moment(LONG_AGO + minute * MINUTE)});
    runner.restore(&runner.restore_config(&topic, &copy, until(20)));
    let before = kafka.dump(&copy, Read::Uncommitted);
    let identity = fs::read(runner.backups().join(format!("@restore/{topic}-to-{copy}/restore.json"))).expect("it has begun");
    let identity: Value = serde_json::from_slice(&identity).expect("JSON");
    assert_eq!(identity["choice"]["times"], json!({"until": LONG_AGO + 20 * MINUTE}), "the restore is of these for good");
    for other in [until(40), Value::Null] {
        let restore = runner.restore_config(&topic, &copy, other);
        let outcome = runner.run([Path::new("restore"), &restore, Path::new("--once")]);
        outcome.failed_with(&["restores records before 2026-01-01T00:20:00Z, and not", "choose a new RESTORE_ID"]);
    }
    assert_identical(&before, &kafka.dump(&copy, Read::Uncommitted));
}

/// Lines without a timestamp cannot be assigned to a time range.
#[test]
fn archives_of_the_python_tool_have_no_time() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/archive/testdata/python-archives/orders");
    copy_folder(&samples, &runner.backups().join("orders"));
    let copy = unique("copy");
    let restore = runner.restore_config("orders", &copy, json!({"RESTORE_UNTIL": moment(LONG_AGO)}));
    let outcome = runner.run([Path::new("restore"), &restore, Path::new("--once")]);
    outcome.failed_with(&["archive of the Python tool, which kept no timestamps", "into a new topic with a new RESTORE_ID"]);
    assert!(kafka.dump(&copy, Read::Uncommitted).is_empty());
    assert!(!fs::exists(runner.backups().join(format!("@restore/orders-to-{copy}"))).expect("a folder"), "nothing has begun");
}
