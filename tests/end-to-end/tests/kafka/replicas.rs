//! A restored topic has as many replicas as the original, if its cluster has enough brokers.

use end_to_end::cluster::Cluster;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::json;

use crate::kafka::numbered;

#[test]
fn the_replication_factor_comes_back() {
    let Some(small) = require_kafka() else { return };
    let large = Cluster::start(&small, 3);
    let topic = unique("replicated");
    // Not the defaults of the cluster.
    let configs = ["--config", "min.insync.replicas=2", "--config", "retention.ms=-1"];
    let arguments = ["--create", "--topic", &topic, "--partitions", "1", "--replication-factor", "2"];
    large.kafka.admin("TopicCommand", arguments.into_iter().chain(configs));
    large.kafka.produce(&topic, &numbered(0, 0..10));
    let runner = Runner::on_folder(&large.kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({})));

    let same = unique("same");
    let reports = runner.restore(&runner.restore_config(&topic, &same, json!({})));
    assert_described(&large.kafka, &same, 2, 2);
    assert!(!reports[0].to_string().contains("replicas"), "{reports:?}");

    // Fewer brokers: as many replicas as they allow, with a note.
    let fewer = unique("fewer");
    let reports = runner.restore(&runner.restore_config(&topic, &fewer, json!({"BOOTSTRAP_SERVERS": small.bootstrap})));
    assert_described(&small, &fewer, 1, 1);
    let notes = reports[0]["topics"][0]["notes"].to_string();
    assert!(notes.contains("1 replicas of each partition, and the original had 2: the cluster has 1 brokers"), "{notes}");

    // The user's setting takes precedence.
    let own = unique("own");
    runner.restore(&runner.restore_config(&topic, &own, json!({"RESTORE_REPLICATION_FACTOR": 3})));
    assert_described(&large.kafka, &own, 3, 2);
}

#[track_caller]
fn assert_described(kafka: &Kafka, topic: &str, replicas: u32, insync: u32) {
    let described = kafka.admin("TopicCommand", ["--describe", "--topic", topic]);
    assert!(described.contains(&format!("ReplicationFactor: {replicas}")), "{described}");
    let configs = kafka.admin("ConfigCommand", ["--describe", "--all", "--entity-type", "topics", "--entity-name", topic]);
    assert!(configs.contains(&format!("min.insync.replicas={insync} ")), "{configs}");
}
