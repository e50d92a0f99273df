//! Clusters that have just started, or whose configuration is in the way: what the program waits
//! for, what it does without asking, and what it names.

use std::path::Path;

use end_to_end::cluster::Cluster;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::{Outcome, Runner};
use end_to_end::services::{require_kafka, require_sasl};
use serde_json::{Value, json};

use crate::kafka::LONG_AGO;

const PARTITIONS: i32 = 24;

/// A topic with a record in each of many partitions, and its backup.
fn backed_up(kafka: &Kafka) -> (String, Runner) {
    let topic = kafka.create_topic("source", PARTITIONS, &[]);
    let records: Vec<_> = (0..PARTITIONS).map(|partition| Record::new(partition, LONG_AGO).value(format!("value {partition}"))).collect();
    kafka.produce(&topic, &records);
    let runner = Runner::on_folder(kafka);
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    (topic, runner)
}

/// With shorter request timeouts than the default.
fn impatient(servers: &str, more: Value) -> Value {
    let mut properties = json!({"socket.timeout.ms": "4000"});
    if let (Some(all), Value::Object(more)) = (properties.as_object_mut(), more) {
        all.extend(more);
    }
    json!({"BOOTSTRAP_SERVERS": servers, "KAFKA_PROPERTIES": properties})
}

fn once(runner: &Runner, command: &str, config: &Path) -> Outcome {
    runner.run([Path::new(command), config, Path::new("--once")])
}

/// Nothing has used its coordinators before, and its limit for transactions is shorter than the
/// default that is requested.
#[test]
fn a_cluster_that_has_just_started_is_restored_into_at_once() {
    let Some(shared) = require_kafka() else { return };
    let (topic, runner) = backed_up(&shared);
    let fresh = Cluster::start_with(&shared, 1, &["transaction.max.timeout.ms=20000"]);
    let copy = unique("copy");
    let restore = runner.restore_config(&topic, &copy, json!({"BOOTSTRAP_SERVERS": fresh.kafka.bootstrap, "NUMBER_OF_KAFKA_THREADS": 3}));
    let outcome = runner.run([Path::new("restore"), &restore, Path::new("--until-caught-up")]).succeeded();
    assert_identical(&shared.dump(&topic, Read::Committed), &fresh.kafka.dump(&copy, Read::Committed));
    let warnings: Vec<&str> = outcome.stderr.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("transaction.max.timeout.ms") && warnings[0].contains("using 18750"), "{warnings:#?}");
}

/// Kafka's own topics have three replicas by default, and a single broker can never create them.
#[test]
fn a_single_broker_with_the_default_replication_of_internal_topics_is_told_of() {
    let Some(shared) = require_kafka() else { return };
    let three = ["offsets.topic.replication.factor=3", "transaction.state.log.replication.factor=3", "transaction.state.log.min.isr=2"];
    let single = Cluster::start_with(&shared, 1, &three);
    let both = ["offsets.topic.replication.factor=1", "transaction.state.log.replication.factor=1", "the cluster has 1 broker"];
    let servers = impatient(&single.kafka.bootstrap, Value::Null);

    let topic = single.kafka.create_topic("source", 1, &[]);
    let runner = Runner::on_folder(&single.kafka);
    let outcome = once(&runner, "backup", &runner.backup_config(&[&topic], servers.clone()));
    outcome.failed_with(&both).failed_with(&["__consumer_offsets does not exist"]);

    let (topic, runner) = backed_up(&shared);
    let outcome = once(&runner, "restore", &runner.restore_config(&topic, &unique("copy"), servers));
    assert!(!outcome.stdout.contains("Check that this machine can reach"), "{}", outcome.stdout);
    outcome.failed_with(&both).failed_with(&["__transaction_state does not exist"]);
}

/// The configured address answers, but advertises an address that does not.
#[test]
fn an_advertised_address_that_does_not_answer_is_told_from_the_one_that_does() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start_with(&shared, 1, &["advertised.listeners=PLAINTEXT://127.0.0.1:1"]);
    let runner = Runner::on_folder(&shared);
    let backup = runner.backup_config(&["orders"], impatient(&cluster.kafka.bootstrap, Value::Null));
    let outcome = once(&runner, "backup", &backup);
    outcome.failed_with(&[&cluster.kafka.bootstrap, "127.0.0.1:1", "advertised.listeners"]);
}

#[test]
fn a_client_without_a_login_is_told_which_property_to_look_at() {
    let (Some(shared), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let runner = Runner::on_folder(&shared);
    let backup = runner.backup_config(&["orders"], impatient(&sasl.bootstrap, Value::Null));
    once(&runner, "backup", &backup).failed_with(&[&sasl.bootstrap, "security.protocol", "SASL"]);
    // The reverse: a login to a listener without authentication.
    let login =
        json!({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": "admin", "sasl.password": "wrong"});
    let backup = runner.backup_config(&["orders"], impatient(&shared.bootstrap, login));
    once(&runner, "backup", &backup).failed_with(&[&shared.bootstrap, "security.protocol"]);
    // TLS to a port without it.
    let backup = runner.backup_config(&["orders"], impatient(&shared.bootstrap, json!({"security.protocol": "SSL"})));
    once(&runner, "backup", &backup).failed_with(&[&shared.bootstrap, "security.protocol"]);
}
