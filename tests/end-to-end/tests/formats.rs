//! Segments are ordinary files: `tar` opens them, `sha256sum` agrees, and Kafka's own log reader
//! reads the log inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::awkward;
use end_to_end::kafka::Read;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};
use tempfile::TempDir;

#[test]
fn tar_sha256sum_and_dump_log_segments_read_every_segment() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("formats", 3, &[]);
    kafka.produce(&topic, &awkward::records(21, 3, 200));
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 60})));

    let mut in_all = 0;
    let segments = segments(&runner.backups().join(&topic));
    assert!(segments.len() > 3, "{segments:?}");
    for segment in &segments {
        assert_sha256sum_agrees(segment);
        let (manifest, log, _unpacked) = unpack(segment);
        let records = manifest["records"].as_u64().expect("a number");
        let printed = kafka.dump_log(&log);
        assert_eq!(records, printed.lines().filter(|line| line.starts_with("| offset:")).count() as u64, "{printed}");
        let batches: Vec<_> = printed.lines().filter(|line| line.starts_with("baseOffset:")).collect();
        assert!(!batches.is_empty() && batches.iter().all(|batch| batch.contains("isvalid: true")), "{printed}");
        in_all += records;
    }
    assert_eq!(in_all, kafka.dump(&topic, Read::Committed).len() as u64);
}

/// Every `.tar.gz` under a topic's folder.
fn segments(topic: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>();
    let partitions = entries(topic).into_iter().filter(|path| path.is_dir());
    partitions.flat_map(|partition| entries(&partition)).filter(|path| path.to_string_lossy().ends_with(".tar.gz")).collect()
}

fn assert_sha256sum_agrees(segment: &Path) {
    let output = Command::new("sha256sum").arg(segment).output().expect("sha256sum is installed");
    let sidecar = fs::read_to_string(format!("{}.sha256", segment.display())).expect("there is a .sha256");
    assert_eq!(sidecar.trim(), String::from_utf8_lossy(&output.stdout).split(' ').next().expect("a hash"), "{segment:?}");
}

/// Manifest and log of a segment, unpacked by `tar xzf` into their own folder.
fn unpack(segment: &Path) -> (Value, PathBuf, TempDir) {
    let dir = TempDir::new().expect("a temporary folder");
    let status = Command::new("tar").arg("xzf").arg(segment).current_dir(dir.path()).status().expect("tar is installed");
    assert!(status.success(), "tar xzf {segment:?}");
    let manifest = fs::read(dir.path().join("manifest.json")).expect("tar unpacked manifest.json");
    let start = segment.file_name().expect("a file").to_string_lossy().replace(".tar.gz", ".log");
    let log = dir.path().join(start);
    assert!(log.exists(), "tar unpacked {log:?}");
    (serde_json::from_slice(&manifest).expect("JSON"), log, dir)
}
