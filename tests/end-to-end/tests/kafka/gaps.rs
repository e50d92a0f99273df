//! Records that are deleted before they are read: recorded, never skipped in silence.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::runner::{Runner, finish, local_runner};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{files_below, numbered, of_partition, records_in, restored, until_it_has};

#[test]
fn what_retention_deleted_is_a_recorded_gap() {
    let Some(kafka) = require_kafka() else { return };
    a_lost_stretch_is_recorded(&kafka, |topic| {
        kafka.set(topic, "retention.ms=1000");
        while kafka.log_starts(topic)[&0] < 160 {
            sleep(Duration::from_millis(200));
        }
        kafka.set(topic, "retention.ms=-1");
    });
}

#[test]
fn what_delete_records_took_is_a_recorded_gap() {
    let Some(kafka) = require_kafka() else { return };
    a_lost_stretch_is_recorded(&kafka, |topic| kafka.delete_records(topic, 0, 160));
}

/// 100 records are backed up. `lose` deletes 60, so the log starts at 160. 40 records follow.
fn a_lost_stretch_is_recorded(kafka: &Kafka, lose: impl Fn(&str)) {
    let topic = kafka.create_topic("losing", 1, &[]);
    let runner = Runner::on_folder(kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    kafka.produce(&topic, &numbered(0, 0..100));
    runner.back_up(&backup);
    kafka.produce(&topic, &numbered(0, 100..160));
    lose(&topic);
    kafka.produce(&topic, &numbered(0, 160..200));

    let outcome = runner.run([Path::new("backup"), &backup, Path::new("--until-caught-up")]).succeeded();
    let gap = json!({"from": 100, "to": 160, "reason": "log-start-moved"});
    let reports = outcome.reports();
    let told = reports.iter().find(|report| report["gap_records"] != 0).expect("a report with the gap");
    assert_eq!((&told["gap_records"], &of_partition(std::slice::from_ref(told), 0)["gaps"]), (&json!(60), &json!([gap])));
    assert!(outcome.stderr.contains("offsets 100 to 160 were deleted from the topic"), "{}", outcome.stderr);

    let verdict = runner.verify(&backup).succeeded().reports();
    assert_eq!(verdict[0]["recorded_gaps"], json!(["100 to 160: log-start-moved"]));
    let kept = [numbered(0, 0..100), numbered(0, 160..200)].concat();
    assert_identical(&kept, &restored(kafka, &runner, &topic));
    assert_eq!(records_in(&runner.back_up(&backup)), 0, "the gap is reported once");

    // A restore is complete without them, and reports the gap each time.
    let restore = runner.restore_config(&topic, &unique("copy"), Value::Null);
    let outcome = runner.run([Path::new("restore"), &restore, Path::new("--until-caught-up")]).succeeded();
    assert!(outcome.stderr.contains("offsets 100 to 160 are not in the backup"), "{}", outcome.stderr);
    for reports in [outcome.reports(), runner.restore(&restore)] {
        let told = of_partition(&reports, 0);
        assert_eq!((&told["gap_offsets"], &told["gaps"]), (&json!(60), &json!([gap])));
        assert_eq!(reports[0]["gap_offsets"], 60);
    }
    let output = local_runner().arg("restore").arg(&restore).arg("--once").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("complete; 60 offsets were deleted from the topic before they were backed up"), "{text}");
}

#[test]
fn what_was_gone_before_the_first_backup_is_no_loss() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("late", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..100));
    kafka.delete_records(&topic, 0, 30);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    let reports = runner.back_up(&backup);
    assert!(reports.iter().all(|report| report["gap_records"] == 0), "{reports:?}");
    let verdict = runner.verify(&backup).succeeded().reports();
    assert_eq!(verdict[0]["recorded_gaps"], json!(["0 to 30: before-first-backup"]));
    assert_identical(&numbered(0, 30..100), &restored(&kafka, &runner, &topic));
    let reports = runner.restore(&runner.restore_config(&topic, &unique("copy"), Value::Null));
    let told = of_partition(&reports, 0);
    assert_eq!((&told["gap_offsets"], &told["gaps"][0]["reason"]), (&Value::Null, &json!("before-first-backup")));
}

/// The log start overtakes a running backup: what it has read stays, a gap follows, and then the
/// rest.
#[test]
fn records_deleted_during_a_backup() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("overtaken", 1, &[]);
    kafka.bulk(&topic, 60_000, 100);
    let source = kafka.dump_with_offsets(&topic, Read::Committed);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 100}));
    let mut child = runner.spawn([Path::new("backup"), &backup, Path::new("--until-caught-up")]);
    until_it_has(&mut child, || files_below(&runner.backups(), ".sha256") >= 3);
    kafka.delete_records(&topic, 0, 59_950);
    let reports = finish(child).succeeded().reports();
    let gaps: Vec<(i64, i64)> = reports
        .iter()
        .flat_map(|report| of_partition(std::slice::from_ref(report), 0)["gaps"].as_array().cloned().unwrap_or_default())
        .map(|gap| (gap["from"].as_i64().expect("an offset"), gap["to"].as_i64().expect("an offset")))
        .collect();
    runner.verify(&backup).succeeded();
    let is_lost = |offset: i64| gaps.iter().any(|(from, to)| (*from..*to).contains(&offset));
    let kept: Vec<_> = source.into_iter().filter(|record| !record.offset.is_some_and(is_lost)).collect();
    assert_identical(&kept, &restored(&kafka, &runner, &topic));
}
