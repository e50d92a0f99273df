//! Progress is stored outside of the bucket, under names that people choose. It never counts for
//! another bucket or another restore.

use std::fs;
use std::path::Path;

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Read, unique};
use end_to_end::runner::{Runner, copy_folder};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{assert_restorable, files_below, group_of, numbered, records_in};

const ONCE: &str = "--once";

/// A volume that is not mounted, or another MinIO under the same name. A backup that continued
/// there would leave a hole that only a restore detects.
#[test]
fn a_backup_that_is_not_there_is_not_gone_on_with() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("unmounted", 1, &[]);
    let runner = Runner::on_folder(&kafka);
    // The next 50 records fill a segment: a full one is written immediately, however young the last
    // one is.
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 50}));
    kafka.produce(&topic, &numbered(0, 0..100));
    runner.back_up(&backup);
    let aside = runner.backups().with_file_name("aside");
    fs::rename(runner.backups(), &aside).expect("a folder can be renamed");
    fs::create_dir(runner.backups()).expect("its name is free");
    kafka.produce(&topic, &numbered(0, 100..150));
    let outcome = runner.run([Path::new("backup"), &backup, Path::new(ONCE)]);
    outcome.failed_with(&["topic.json is missing", "that it is mounted", "new GROUP_ID"]);
    assert!(fs::read_dir(runner.backups()).expect("it was made").next().is_none(), "nothing was written");
    fs::remove_dir(runner.backups()).expect("it is empty");
    fs::rename(&aside, runner.backups()).expect("a folder can be renamed");
    assert_eq!(records_in(&runner.back_up(&backup)), 50);
    assert_restorable(&kafka, &runner, &backup, &topic);
}

/// The volume is restored from a snapshot, so the group's offset is ahead of the bucket. What was
/// backed up in between is not skipped in silence. After the group's offset is deleted, the backup
/// has everything that Kafka still has.
#[test]
fn a_backup_that_was_set_back_is_not_gone_on_with() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("set-back", 1, &[]);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 50}));
    kafka.produce(&topic, &numbered(0, 0..100));
    runner.back_up(&backup);
    let snapshot = runner.backups().with_file_name("snapshot");
    copy_folder(&runner.backups(), &snapshot);
    kafka.produce(&topic, &numbered(0, 100..150));
    runner.back_up(&backup);
    fs::remove_dir_all(runner.backups()).expect("it can be deleted");
    fs::rename(&snapshot, runner.backups()).expect("its name is free");
    kafka.produce(&topic, &numbered(0, 150..200));
    // topic.json may be updated: it lists the partitions with segments.
    let stored = || [".tar.gz", ".sha256", "topic.json"].map(|ending| files_below(&runner.backups(), ending));
    let before = stored();
    let outcome = runner.run([Path::new("backup"), &backup, Path::new(ONCE)]);
    let offsets = format!("--delete-offsets --group {} --topic {topic}:0", group_of(&topic));
    outcome.failed_with(&["00000000000000000100.tar.gz", "backed up to offset 150", "restored to an older state", &offsets]);
    assert_eq!(stored(), before, "nothing was written");
    kafka.delete_offsets(&group_of(&topic), &format!("{topic}:0"));
    assert_eq!(records_in(&runner.back_up(&backup)), 100);
    assert_restorable(&kafka, &runner, &backup, &topic);
}

/// Progress in another bucket under the same GROUP_ID: reported, then a separate backup begins.
#[test]
fn progress_in_another_bucket_is_named() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("elsewhere", 2, &[]);
    kafka.produce(&topic, &[numbered(0, 0..10), numbered(1, 0..10)].concat());
    let (one, other) = (Runner::on_folder(&kafka), Runner::on_folder(&kafka));
    one.back_up(&one.backup_config(&[&topic], Value::Null));
    let backup = other.backup_config(&[&topic], Value::Null);
    let outcome = other.run([Path::new("backup"), &backup, Path::new("--until-caught-up")]).succeeded();
    assert_eq!(outcome.stderr.matches("belongs to another bucket, folder, endpoint or prefix").count(), 1, "{}", outcome.stderr);
    assert_restorable(&kafka, &other, &backup, &topic);
}

/// Two buckets, one RESTORE_ID: the second restore starts at the beginning, although Kafka still
/// has the progress of the first.
#[test]
fn progress_of_another_restore_of_the_same_id_does_not_count() {
    let Some(kafka) = require_kafka() else { return };
    for records in [150, 20] {
        let topic = kafka.create_topic("source", 1, &[]);
        kafka.produce(&topic, &numbered(0, 0..records));
        let runner = Runner::on_folder(&kafka);
        runner.back_up(&runner.backup_config(&[&topic], Value::Null));
        let copy = unique("copy");
        let reports = runner.restore(&runner.restore_config(&topic, &copy, json!({"RESTORE_ID": "the-same-for-all"})));
        assert_eq!(records_in(&reports), u64::try_from(records).expect("few"));
        assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));
    }
}

/// One bucket, one RESTORE_ID: it stays the same restore, whichever partitions it had.
#[test]
fn a_restore_id_is_never_used_for_two() {
    let Some(kafka) = require_kafka() else { return };
    let (one, other) = (kafka.create_topic("one", 1, &[]), kafka.create_topic("other", 3, &[]));
    kafka.produce(&one, &numbered(0, 0..10));
    (0..3).for_each(|partition| kafka.produce(&other, &numbered(partition, 0..10)));
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&one, &other], Value::Null));
    let (copy, target) = (unique("copy"), kafka.create_topic("target", 3, &[]));
    let restore = runner.restore_config(&one, &copy, json!({"RESTORE_ID": "drill"}));
    runner.restore(&restore);
    for (more, says) in [
        (json!({"RESTORE_ID": "drill"}), "is the restore of"),
        (json!({"RESTORE_ID": "drill", "BACKUP_TOPIC_NAME": one, "RESTORE_TOPIC_NAME": target}), "is the restore of"),
        (
            json!({"RESTORE_ID": "drill", "BACKUP_TOPIC_NAME": one, "RESTORE_TOPIC_NAME": copy, "RESTORE_PARTITION_STRATEGY": "key"}),
            "set same",
        ),
    ] {
        let restore = runner.restore_config(&other, &target, more);
        runner.run([Path::new("restore"), &restore, Path::new(ONCE)]).failed_with(&[
            "RESTORE_ID \"drill\"",
            says,
            "choose a new RESTORE_ID",
        ]);
    }
    assert!(kafka.high_watermarks(&target).values().all(|end| *end == 0), "nothing was written");
    // A finished restore stays finished, also after Kafka has forgotten it. Later backups are
    // restored after it.
    kafka.forget_restore("drill");
    assert_eq!(records_in(&runner.restore(&restore)), 0);
    kafka.produce(&one, &numbered(0, 10..30));
    runner.back_up(&runner.backup_config(&[&one, &other], Value::Null));
    assert_eq!(records_in(&runner.restore(&restore)), 20);
    assert_identical(&kafka.dump(&one, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));
}
