//! No output of the program contains a secret, at LOG_LEVEL 10, in success and in failure.

use end_to_end::awkward;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::proxy::Proxy;
use end_to_end::runner::{Runner, Store};
use end_to_end::services::{Sasl, require_kafka, require_sasl, require_tls};
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

    // Wrong secrets are secret too: they may differ from the right ones only by a typing error.
    let (password, wrong) = ("wrong-password-x7", with_a_wrong_secret(store));
    let refused = Runner::on(kafka, wrong.clone());
    let configs = [level_10(sasl, &sasl.password), level_10(sasl, password)].map(|more| refused.backup_config(&[&topic], more));
    for config in configs {
        let outcome = refused.run(["backup".as_ref(), config.as_path(), "--once".as_ref()]);
        assert!(!outcome.status.success(), "{}", outcome.stdout);
        unseen(&(outcome.stdout + &outcome.stderr), &[sasl.password.clone(), password.to_owned(), wrong.secret()]);
    }
}

/// Login with a client certificate: backup and restore with everything that librdkafka can log,
/// then with a certificate that the cluster does not know.
#[test]
fn no_certificate_in_a_log() {
    let (Some(kafka), Some(tls)) = (require_kafka(), require_tls()) else { return };
    let topic = kafka.create_topic("certificate", 1, &[]);
    kafka.produce(&topic, &awkward::records(46, 1, 100));
    let runner = Runner::on_folder(&kafka);
    let with = |secret: &Value| json!({"LOG_LEVEL": 10, "BOOTSTRAP_SERVERS": tls.bootstrap, "KAFKA_SECRET": secret, "KAFKA_PROPERTIES": {"debug": "all"}});
    let secret = tls.secret("client.pem", "client-encrypted.key");
    let copy = unique("copy");
    let mut log = String::new();
    for (command, config) in
        [("backup", runner.backup_config(&[&topic], with(&secret))), ("restore", runner.restore_config(&topic, &copy, with(&secret)))]
    {
        let outcome = runner.run([command.as_ref(), config.as_path(), "--until-caught-up".as_ref()]).succeeded();
        log += &(outcome.stdout + &outcome.stderr);
    }
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
    assert!(log.contains("Loading private key from string"), "librdkafka says what it does");
    unseen(&log, &lines_of(&secret));

    let stranger = tls.secret("stranger.pem", "stranger.key");
    let refused = runner.backup_config(&[&topic], with(&stranger));
    let outcome = runner.run(["check".as_ref(), refused.as_path()]);
    assert!(!outcome.status.success(), "{}", outcome.stdout);
    unseen(&(outcome.stdout + &outcome.stderr), &lines_of(&stranger));
}

/// Values of a secret. For PEM, its lines except the last, which can be so short that other texts
/// contain it.
fn lines_of(secret: &Value) -> Vec<String> {
    let values = ["certificate", "privateKey", "privateKeyPassword"].map(|field| secret[field].as_str().unwrap_or_default());
    let is_telling = |line: &&str| !line.starts_with("-----") && (line.len() >= 20 || *line == values[2]);
    values.iter().flat_map(|value| value.lines()).filter(is_telling).map(str::to_owned).collect()
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

/// Neither the whole secret, nor its first 20 characters, in case the rest is encoded differently.
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
