//! Configurations as people write them, good and bad, and the documentation that lists the keys.
#![allow(clippy::unwrap_used)]

mod bad;
mod docs;
mod good;
mod login;
mod precedence;
mod properties;
mod schema;
mod scope;

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use super::{BackupSettings, ConfigError, Raw, RestoreSettings};

const BACKUP: &str = r#"{
  "BOOTSTRAP_SERVERS": "kafka01:9092,kafka02:9092,kafka03:9092",
  "TOPIC_NAMES": ["davinder.test"],
  "GROUP_ID": "Kafka-BackUp-Consumer-Group",
  "FILESYSTEM_TYPE": "LINUX",
  "FILESYSTEM_BACKUP_DIR": "/tmp/",
  "NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 1000,
  "RETRY_UPLOAD_SECONDS": 100,
  "NUMBER_OF_KAFKA_THREADS": 3,
  "LOG_LEVEL": 20
}"#;

const RESTORE: &str = r#"{
  "BOOTSTRAP_SERVERS": "localhost:9092",
  "RESTORE_TOPIC_NAME": "davinder-restore.test",
  "FILESYSTEM_TYPE": "LINUX",
  "FILESYSTEM_BACKUP_DIR": "/tmp/davinder.test",
  "RETRY_SECONDS": 100,
  "RESTORE_PARTITION_STRATEGY": "same/random"
}"#;

/// Reads a file of that text, named `config.json`, with that environment and no other.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Raw, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    load_path(&path, environment)
}

fn load_path(path: &Path, environment: &[(&str, &str)]) -> Result<Raw, ConfigError> {
    Raw::load(Some(path), environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn backup(text: &str, environment: &[(&str, &str)]) -> Result<BackupSettings, ConfigError> {
    load(text, environment).and_then(|raw| BackupSettings::from_raw(&raw))
}

fn restore(text: &str, environment: &[(&str, &str)]) -> Result<RestoreSettings, ConfigError> {
    load(text, environment).and_then(|raw| RestoreSettings::from_raw(&raw))
}

/// `text` with some keys set and others removed.
fn changed(text: &str, with: &Value, without: &[&str]) -> String {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
    object.extend(with.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    object.retain(|name, _| !without.contains(&name.as_str()));
    Value::Object(object).to_string()
}
