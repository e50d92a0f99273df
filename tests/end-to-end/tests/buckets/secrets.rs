//! No secret in anything the program prints, at LOG_LEVEL 10, when all goes well and when nothing does.

use end_to_end::awkward;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::proxy::Proxy;
use end_to_end::runner::{Runner, Store};
use end_to_end::services::{Sasl, require_kafka, require_sasl};
use serde_json::{Value, json};

#[test]
fn no_secret_of_minio_in_a_log() {
    if let (Some(kafka), Some(sasl), Some(store)) = (require_kafka(), require_sasl(), crate::buckets::minio()) {
        no_secret_in_a_log(&kafka, &sasl, &store);
    }
}

#[test]
fn no_secret_of_azurite_in_a_log() {
    if let (Some(kafka), Some(sasl), Some(store)) = (require_kafka(), require_sasl(), crate::buckets::azurite()) {
        no_secret_in_a_log(&kafka, &sasl, &store);
    }
}

fn no_secret_in_a_log(kafka: &Kafka, sasl: &Sasl, store: &Store) {
    let topic = kafka.create_topic("secret", 3, &[]);
    kafka.produce(&topic, &awkward::records(44, 3, 300));
    let (behind, _proxy) = store.behind(|upstream, dialect| Proxy::hostile(upstream, dialect, 44));
    let runner = Runner::on(kafka, behind);
    let more = level_10(sasl, &sasl.password);
    let backup = runner.backup_config(&[&topic], merged(more.clone(), crate::buckets::small_segments()));
    let restore = runner.restore_config(&topic, &unique("copy"), more);
    let mut log = runner.until_it_succeeds("backup", &backup).1;
    log += &runner.until_it_succeeds("restore", &restore).1;
    assert!(log.contains("\"DEBUG\"") && log.contains("retrying"), "the log is of level 10, and something went wrong");
    unseen(&log, &[sasl.password.clone(), store.secret()]);

    // The wrong secrets are secrets as well: a typing error away from the right ones.
    let (password, wrong) = ("wrong-password-x7", with_a_wrong_secret(store));
    let refused = Runner::on(kafka, wrong.clone());
    let configs = [level_10(sasl, &sasl.password), level_10(sasl, password)].map(|more| refused.backup_config(&[&topic], more));
    for config in configs {
        let outcome = refused.run(["backup".as_ref(), config.as_path(), "--once".as_ref()]);
        assert!(!outcome.status.success(), "{}", outcome.stdout);
        unseen(&(outcome.stdout + &outcome.stderr), &[sasl.password.clone(), password.to_owned(), wrong.secret()]);
    }
}

fn level_10(sasl: &Sasl, password: &str) -> Value {
    json!({
        "LOG_LEVEL": 10,
        "BOOTSTRAP_SERVERS": sasl.bootstrap,
        "KAFKA_PROPERTIES": {
            "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "admin", "sasl.password": password,
        },
    })
}

fn merged(mut all: Value, more: Value) -> Value {
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

fn with_a_wrong_secret(store: &Store) -> Store {
    let mut wrong = store.clone();
    match &mut wrong {
        Store::Minio(minio, _) | Store::S3(minio, ..) => minio.secret_key = "kafka-backup-wrong".to_owned(),
        Store::Azurite(azurite, _) => azurite.connection_string = azurite.connection_string.replace("AccountKey=Eby8", "AccountKey=Ebz9"),
        Store::Folder(_) => {}
    }
    wrong
}

/// Neither whole, nor so much of it that the rest could have been written in another way.
#[track_caller]
fn unseen(log: &str, secrets: &[String]) {
    assert!(!log.is_empty());
    for secret in secrets {
        let part = &secret[..secret.len().min(20)];
        if let Some(line) = log.lines().find(|line| line.contains(part)) {
            panic!("{} shows a secret", line.replace(part, "…"));
        }
    }
}
