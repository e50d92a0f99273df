//! A user with too few rights: each missing right is named, with its resource. Once it is granted,
//! the work resumes where it stopped.

use std::path::Path;

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::runner::{Runner, finish};
use end_to_end::services::{Sasl, require_kafka, require_sasl};
use serde_json::{Value, json};

use crate::kafka::numbered;

/// The user who has only the rights of ACLs.
pub(crate) const READER: &str = "User:reader";

/// The words of a run's error while a right is missing, and the right that is granted next.
struct Missing<'a> {
    says: Vec<String>,
    operations: &'a [&'a str],
    resource: String,
}

fn missing<'a>(says: &[&str], operations: &'a [&'a str], resource: impl Into<String>) -> Missing<'a> {
    Missing { says: says.iter().map(|word| (*word).to_owned()).collect(), operations, resource: resource.into() }
}

#[test]
fn each_right_that_a_backup_lacks_is_named() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let topic = kafka.create_topic("guarded", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..50));
    let group = crate::kafka::group_of(&topic);
    let (on_topic, on_group) = (format!("--topic={topic}"), format!("--group={group}"));
    let runner = Runner::on_folder(&kafka);
    let config = runner.backup_config(&[&topic], as_reader(&sasl, Value::Null));
    grant_one_by_one(
        &kafka,
        &runner,
        "backup",
        &config,
        &[
            missing(&[&topic, "this user needs Describe on the topic"], &["Describe"], &on_topic),
            missing(&[&group, "this user needs Describe on the group"], &["Describe"], &on_group),
            missing(&[&format!("{topic}/0"), "this user needs Read on the topic"], &["Read"], &on_topic),
            missing(&[&group, "this user needs Read on the group"], &["Read"], &on_group),
        ],
    );
    let copy = unique("copy");
    runner.restore(&runner.restore_config(&topic, &copy, Value::Null));
    assert_identical(&numbered(0, 0..50), &kafka.dump(&copy, Read::Uncommitted));
}

/// The other topics are backed up, immediately and for as long as the loop runs.
#[test]
fn a_topic_that_may_not_be_read_stops_no_other() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let [closed, open, unread] = ["closed", "open", "unread"].map(|name| kafka.create_topic(name, 1, &[]));
    for topic in [&closed, &open, &unread] {
        kafka.produce(topic, &numbered(0, 0..50));
    }
    let runner = Runner::on_folder(&kafka);
    let config = runner.backup_config(&[&closed, &open, &unread], as_reader(&sasl, json!({"MAX_SEGMENTS_PER_INVOCATION": 0})));
    kafka.allow(READER, &["Describe", "Read"], &format!("--topic={open}"));
    kafka.allow(READER, &["Describe"], &format!("--topic={unread}"));
    kafka.allow(READER, &["Describe", "Read"], &format!("--group={}", crate::kafka::group_of(&closed)));
    let outcome = runner.run([Path::new("backup"), &config, Path::new("--once")]);
    let [of_closed, of_unread] = [format!("{closed}: describing the topic failed"), format!("{unread}/0: reading failed")];
    let outcome =
        outcome.failed_with(&[&of_closed, "this user needs Describe on the topic", &of_unread, "this user needs Read on the topic"]);
    assert_eq!(crate::kafka::records_in(&outcome.reports()), 50);

    let mut looping = runner.spawn([Path::new("backup"), &config]);
    kafka.produce(&open, &numbered(0, 50..80));
    crate::kafka::until_it_has(&mut looping, || crate::kafka::files_below(&runner.backups(), ".sha256") == 2);
    assert!(looping.try_wait().expect("it was started").is_none(), "the loop continues");
    looping.kill().expect("it runs");
    let outcome = finish(looping);
    assert!(outcome.stderr.contains(&of_closed), "{}", outcome.stderr);
    let copy = unique("copy");
    runner.restore(&runner.restore_config(&open, &copy, Value::Null));
    assert_identical(&numbered(0, 0..80), &kafka.dump(&copy, Read::Uncommitted));
}

#[test]
fn each_right_that_a_restore_lacks_is_named() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let (topic, runner) = backed_up(&kafka);
    let copy = unique("copy");
    let id = format!("kafka-backup-restore.{copy}.");
    let config = runner.restore_config(&topic, &copy, as_reader(&sasl, json!({"RESTORE_ID": copy})));
    let prefixed = |kind: &str| format!("--{kind}={id} --resource-pattern-type=prefixed");
    let (on_topic, on_group, on_id) = (format!("--topic={copy}"), prefixed("group"), prefixed("transactional-id"));
    grant_one_by_one(
        &kafka,
        &runner,
        "restore",
        &config,
        &[
            missing(&[&copy, "this user needs Describe on the topic"], &["Describe"], &on_topic),
            missing(&[&copy, "this user needs Create on the topic or on the cluster"], &["Create"], &on_topic),
            missing(&[&id, "this user needs Write and Describe on the transactional id"], &["Write", "Describe"], &on_id),
            missing(&[&id, "this user needs Describe on the group"], &["Describe"], &on_group),
            // Progress comes before the first record.
            missing(&[&id, "this user needs Read on the group"], &["Read"], &on_group),
            missing(&[&copy, "this user needs Read on the topic"], &["Read"], &on_topic),
            missing(&[&format!("{copy}/0"), "this user needs Write on the topic"], &["Write"], &on_topic),
        ],
    );
    assert_identical(&numbered(0, 0..50), &kafka.dump(&copy, Read::Committed));
}

/// Without transactions fewer rights are needed.
#[test]
fn each_right_that_a_restore_without_transactions_lacks_is_named() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let (topic, runner) = backed_up(&kafka);
    let copy = kafka.create_topic("copy", 1, &[]);
    // A producer may start if it may write to any topic at all. Without that right the error names
    // the cluster.
    let other = kafka.create_topic("other", 1, &[]);
    kafka.allow(READER, &["Write"], &format!("--topic={other}"));
    let on_topic = format!("--topic={copy}");
    let config = runner.restore_config(&topic, &copy, as_reader(&sasl, json!({"DELIVERY": "at-least-once"})));
    grant_one_by_one(
        &kafka,
        &runner,
        "restore",
        &config,
        &[
            missing(&[&copy, "this user needs Describe on the topic"], &["Describe"], &on_topic),
            missing(&[&format!("{copy}/0"), "this user needs Write on the topic"], &["Write"], &on_topic),
        ],
    );
    assert_identical(&numbered(0, 0..50), &kafka.dump(&copy, Read::Uncommitted));
}

/// A topic of 50 records, and the runner that has a backup of it.
fn backed_up(kafka: &Kafka) -> (String, Runner) {
    let topic = kafka.create_topic("guarded", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..50));
    let runner = Runner::on_folder(kafka);
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    (topic, runner)
}

/// Runs the command before each right is granted, and expects the missing right in its output. At
/// the end it succeeds.
fn grant_one_by_one(kafka: &Kafka, runner: &Runner, command: &str, config: &Path, rights: &[Missing<'_>]) {
    for Missing { says, operations, resource } in rights {
        let words: Vec<&str> = says.iter().map(String::as_str).collect();
        runner.run([Path::new(command), config, Path::new("--once")]).failed_with(&words);
        kafka.allow(READER, operations, resource);
    }
    runner.run([Path::new(command), config, Path::new("--until-caught-up")]).succeeded();
}

/// Keys with which the program logs in as this user, and `more` keys.
pub(crate) fn as_reader(sasl: &Sasl, more: Value) -> Value {
    let mut keys = json!({
        "BOOTSTRAP_SERVERS": sasl.bootstrap,
        "KAFKA_PROPERTIES": {
            "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "reader", "sasl.password": sasl.reader_password,
        },
    });
    if let (Some(keys), Value::Object(more)) = (keys.as_object_mut(), more) {
        keys.extend(more);
    }
    keys
}
