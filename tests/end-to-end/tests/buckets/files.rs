//! The configuration files of the Python tool's manual work unchanged, except for addresses and
//! names. Its own examples leave two things to the reader: the bucket of the S3 example, and the
//! choice in "same/random".

use std::fs;
use std::path::Path;

use end_to_end::awkward;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::runner::{finish, local_runner};
use end_to_end::services::{require_azurite, require_kafka, require_minio};
use std::process::Stdio;
use tempfile::TempDir;

/// The store settings in the files of backup and of restore.
struct Files<'a> {
    backup: &'a str,
    restore: &'a str,
    environment: &'a [(&'a str, &'a str)],
}

const BACKUP: &str = r#"{
  "BOOTSTRAP_SERVERS": "kafka01:9092,kafka02:9092,kafka03:9092",
  "TOPIC_NAMES": ["davinder.test"],
  "GROUP_ID": "Kafka-BackUp-Consumer-Group",
  @STORE@
  "FILESYSTEM_BACKUP_DIR": "/tmp/",
  "NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 1000,
  "RETRY_UPLOAD_SECONDS": 100,
  "NUMBER_OF_KAFKA_THREADS": 3,
  "LOG_LEVEL": 20
}"#;

const RESTORE: &str = r#"{
  "BOOTSTRAP_SERVERS": "kafka01:9092,kafka02:9092,kafka03:9092",
  "BACKUP_TOPIC_NAME": "davinder.test",
  "RESTORE_TOPIC_NAME": "davinder-restore.test",
  @STORE@
  "FILESYSTEM_BACKUP_DIR": "/tmp",
  "RETRY_SECONDS": 100,
  "RESTORE_PARTITION_STRATEGY": "same"
}"#;

#[test]
fn the_files_for_s3() {
    let (Some(kafka), Some(minio)) = (require_kafka(), require_minio()) else { return };
    let environment = [
        ("AWS_ACCESS_KEY_ID", minio.access_key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &minio.secret_key),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", &minio.endpoint),
        ("BUCKET_NAME", &minio.bucket),
    ];
    let restore = format!(r#""FILESYSTEM_TYPE": "S3", "BUCKET_NAME": "{}","#, minio.bucket);
    start(&kafka, &Files { backup: r#""FILESYSTEM_TYPE": "S3","#, restore: &restore, environment: &environment });
}

#[test]
fn the_files_for_minio() {
    let (Some(kafka), Some(minio)) = (require_kafka(), require_minio()) else { return };
    let address = minio.endpoint.trim_start_matches("http://");
    let store =
        format!(r#""FILESYSTEM_TYPE": "MINIO", "MINIO_URL": "{address}", "IS_MINIO_SECURE": "False", "BUCKET_NAME": "{}","#, minio.bucket);
    let environment = [("MINIO_ACCESS_KEY", minio.access_key.as_str()), ("MINIO_SECRET_KEY", &minio.secret_key)];
    start(&kafka, &Files { backup: &store, restore: &store, environment: &environment });
}

#[test]
fn the_files_for_azure() {
    let (Some(kafka), Some(azurite)) = (require_kafka(), require_azurite()) else { return };
    let store = format!(r#""FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": "{}","#, azurite.container);
    let environment = [("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string.as_str())];
    start(&kafka, &Files { backup: &store, restore: &store, environment: &environment });
}

/// Backs up and restores with these files.
fn start(kafka: &Kafka, files: &Files<'_>) {
    let topic = kafka.create_topic("davinder.test", 3, &[]);
    kafka.produce(&topic, &awkward::records(43, 3, 100));
    let copy = unique("davinder-restore.test");
    let folder = TempDir::new().expect("a temporary folder");
    for (command, file, store) in [("backup", BACKUP, files.backup), ("restore", RESTORE, files.restore)] {
        let text = file
            .replace("@STORE@", store)
            .replace("kafka01:9092,kafka02:9092,kafka03:9092", &kafka.bootstrap)
            .replace("\"davinder.test\"", &format!("\"{topic}\""))
            .replace("\"davinder-restore.test\"", &format!("\"{copy}\""));
        run(command, &folder.path().join(command), &text, files.environment);
    }
    assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));
}

fn run(command: &str, config: &Path, text: &str, environment: &[(&str, &str)]) {
    fs::write(config, text).expect("the temporary folder can be written");
    let mut program = local_runner();
    program.arg(command).arg(config).arg("--until-caught-up").envs(environment.iter().copied());
    finish(program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("local-runner starts")).succeeded();
}
