//! `verify` detects every damaged byte of a backup, and damaged data is never restored.

use std::fs;
use std::path::{Path, PathBuf};

use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::{Runner, copy_folder, local_runner};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

/// A partition of `count` records, backed up in segments of 3. Returns the topic and its segments
/// in order.
fn backed_up(kafka: &Kafka, runner: &Runner, count: i64) -> (String, Vec<PathBuf>) {
    let topic = kafka.create_topic("damage", 1, &[]);
    let records: Vec<_> = (0..count).map(|n| Record::new(0, 1_780_000_000_000 + n).key("key").value(format!("value {n}"))).collect();
    kafka.produce(&topic, &records);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 3})));
    let files = fs::read_dir(runner.backups().join(&topic).join("0")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<_> = files.filter(|path| path.to_string_lossy().ends_with(".tar.gz")).collect();
    segments.sort_unstable();
    (topic, segments)
}

fn verify(backups: &Path) -> Option<i32> {
    local_runner().arg("verify").arg(backups).output().expect("local-runner starts").status.code()
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let (_, segments) = backed_up(&kafka, &runner, 3);
    let backups = runner.backups();
    assert_eq!(verify(&backups), Some(0), "sound before");

    let segment = segments[0].strip_prefix(&backups).expect("a file of the backups");
    let sidecar = PathBuf::from(format!("{}.sha256", segment.display()));
    let missed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                scope.spawn({
                    let (backups, files) = (&backups, [segment, &sidecar]);
                    move || undetected(backups, files, worker)
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    assert!(missed.is_empty(), "verify found nothing wrong with {missed:?}");
}

/// Damages a copy of the backups in every way assigned to this worker. Returns those that `verify`
/// did not detect.
fn undetected(backups: &Path, files: [&Path; 2], worker: usize) -> Vec<String> {
    let copy = backups.with_file_name(format!("copy-{worker}"));
    copy_folder(backups, &copy);
    let mut missed = Vec::new();
    for file in files {
        let sound = fs::read(copy.join(file)).expect("a file of the backups");
        for at in (worker..sound.len()).step_by(2) {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << (at % 5); // not 5, which only changes the case of a digit in the .sha256
            for (how, damaged) in [("flipped", &flipped[..]), ("truncated", &sound[..at])] {
                fs::write(copy.join(file), damaged).expect("the copy can be written");
                if verify(&copy) != Some(1) {
                    missed.push(format!("{} {how} at {at}", file.display()));
                }
            }
        }
        fs::write(copy.join(file), &sound).expect("the copy can be written");
    }
    assert_eq!(verify(&copy), Some(0), "sound again");
    missed
}

#[test]
fn a_damaged_segment_is_not_restored() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let (topic, segments) = backed_up(&kafka, &runner, 3);
    let sound = fs::read(&segments[0]).expect("a segment");
    for (how, at) in [("the gzip header", 3), ("the manifest", 40), ("the middle", sound.len() / 2), ("the trailer", sound.len() - 3)] {
        let mut damaged = sound.clone();
        damaged[at] ^= 1;
        fs::write(&segments[0], damaged).expect("it can be written");
        assert_refused(&kafka, &runner, &topic, 0, how);
    }
    fs::write(&segments[0], &sound[..sound.len() - 20]).expect("it can be written");
    assert_refused(&kafka, &runner, &topic, 0, "truncated");
}

/// Everything before the damage is restored, nothing after it.
#[test]
fn restore_stops_at_a_missing_segment() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let (topic, segments) = backed_up(&kafka, &runner, 9);
    fs::remove_file(&segments[1]).expect("it was there");
    assert_eq!(verify(&runner.backups()), Some(1));
    assert_refused(&kafka, &runner, &topic, 3, "without the segment in the middle");
}

/// The segment is restored days later, and Kafka has forgotten the progress of the restore. The
/// restore still resumes, because the stopped run reported its progress.
#[test]
fn a_restore_that_stopped_goes_on_when_kafka_has_forgotten_it() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let (topic, segments) = backed_up(&kafka, &runner, 12);
    let missing = fs::read(&segments[2]).expect("a segment");
    fs::remove_file(&segments[2]).expect("it was there");
    let copy = kafka.create_topic("stopped", 1, &[]);
    let config = runner.restore_config(&topic, &copy, json!({"RESTORE_ID": copy}));
    let stopped = runner.run([Path::new("restore"), &config, Path::new("--until-caught-up")]);
    stopped.failed_with(&["offsets 6 to 9", "Restore the missing segments"]);
    assert_eq!(values(&kafka, &copy), written(0..6), "the segments before the damage are restored");
    kafka.forget_restore(&copy);
    fs::write(&segments[2], missing).expect("it can be put back");
    let reports = runner.restore(&config);
    assert_eq!(reports.last().expect("a report")["topics"][0]["partitions"][0]["records_in_all"], 12, "{reports:?}");
    assert_eq!(values(&kafka, &copy), written(0..12));
}

/// A killed restore is further than its checkpoint says. Segments that it has already restored and
/// that a lifecycle rule expired are no hole.
#[test]
fn what_is_restored_already_may_be_missing() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let (topic, segments) = backed_up(&kafka, &runner, 12);
    let copy = unique("further");
    let config = runner.restore_config(&topic, &copy, json!({"RESTORE_ID": copy, "MAX_SEGMENTS_PER_INVOCATION": 1}));
    runner.run([Path::new("restore"), &config, Path::new("--once")]).succeeded();
    let checkpoint = runner.backups().join(format!("@restore/{copy}/@progress/{topic}/0.json"));
    let behind = fs::read(&checkpoint).expect("a checkpoint");
    runner.restore(&config);
    fs::write(&checkpoint, behind).expect("it can be written");
    segments[1..3].iter().for_each(|segment| fs::remove_file(segment).expect("it was there"));
    let reports = runner.restore(&config);
    let partition = &reports.last().expect("a report")["topics"][0]["partitions"][0];
    assert_eq!((&partition["next"], &partition["records_in_all"]), (&json!(12), &json!(12)), "{reports:?}");
    assert_eq!(values(&kafka, &copy), written(0..12));
}

#[test]
fn damage_is_skipped_when_told_to_and_reported() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let (topic, segments) = backed_up(&kafka, &runner, 9);
    let mut damaged = fs::read(&segments[1]).expect("a segment");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&segments[1], damaged).expect("it can be written");
    let copy = unique("skipped");
    let reports = runner.restore(&runner.restore_config(&topic, &copy, json!({"SKIP_DAMAGED": true})));
    assert!(reports.iter().any(|report| report["topics"][0]["partitions"][0]["skipped"][0].is_string()), "{reports:?}");
    assert_eq!(values(&kafka, &copy), written([0, 1, 2, 6, 7, 8]));
}

/// Asserts that restore fails, and writes exactly the first `good` records.
#[track_caller]
fn assert_refused(kafka: &Kafka, runner: &Runner, topic: &str, good: usize, how: &str) {
    let copy = kafka.create_topic("refused", 1, &[]);
    let config = runner.restore_config(topic, &copy, Value::Null);
    let outcome = runner.run([Path::new("restore"), &config, Path::new("--until-caught-up")]);
    assert_eq!(outcome.status.code(), Some(1), "{how}: {outcome:?}");
    assert_eq!(values(kafka, &copy), written(0..good), "{how}");
}

/// The values of the records with these numbers.
fn written(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| format!("value {n}")).collect()
}

fn values(kafka: &Kafka, topic: &str) -> Vec<String> {
    let text = |record: Record| String::from_utf8(record.value.expect("a value").0).expect("text");
    kafka.dump(topic, Read::Uncommitted).into_iter().map(text).collect()
}
