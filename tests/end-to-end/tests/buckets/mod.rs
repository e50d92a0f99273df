//! Real object stores, MinIO and Azurite: network faults, many objects, two writers, and
//! configuration files that people already have.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "measurements are for reading")]

mod counts;
mod files;
mod policies;
mod races;
mod resume;
mod secrets;

use std::sync::OnceLock;

use end_to_end::awkward;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::proxy::Proxy;
use end_to_end::runner::{Runner, Store};
use end_to_end::services::{require_azurite, require_kafka, require_minio};
use serde_json::{Value, json};

/// Records of the topic that is backed up through the proxy.
const RECORDS: usize = 100_000;

#[test]
fn through_a_faulty_network_to_minio() {
    if let (Some(kafka), Some(store)) = (require_kafka(), minio()) {
        through_a_faulty_network(&kafka, &store, 41);
    }
}

#[test]
fn through_a_faulty_network_to_azurite() {
    if let (Some(kafka), Some(store)) = (require_kafka(), azurite()) {
        through_a_faulty_network(&kafka, &store, 42);
    }
}

fn minio() -> Option<Store> {
    require_minio().map(|minio| Store::Minio(minio, unique("prefix")))
}

fn azurite() -> Option<Store> {
    require_azurite().map(|azurite| Store::Azurite(azurite, unique("prefix")))
}

/// Backs up, verifies and restores through the proxy until everything is complete. Each kind of
/// fault hits one in ten requests. If a run's own retries are not enough, the next run succeeds.
fn through_a_faulty_network(kafka: &Kafka, store: &Store, seed: u64) {
    let topic = awkward_topic(kafka);
    let copy = unique("copy");
    let (store, proxy) = store.behind(|upstream, dialect| Proxy::hostile(upstream, dialect, seed));
    let runner = Runner::on(kafka, store);
    let threads = json!({"NUMBER_OF_KAFKA_THREADS": 3});
    let (backups, _) = runner.until_it_succeeds("backup", &runner.backup_config(&[topic], threads.clone()));
    let (restores, _) = runner.until_it_succeeds("restore", &runner.restore_config(topic, &copy, threads));
    let tally = proxy.tally();
    eprintln!("seed {seed}: {backups} runs of backup, {restores} of restore, {} requests: {tally}", tally.requests());
    if kafka.digest(topic) != kafka.digest(&copy) {
        assert_identical(&kafka.dump(topic, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));
        panic!("the copy has records that are not committed");
    }
    assert_eq!(kafka.digest(&copy).iter().map(|partition| partition.records).sum::<u64>(), RECORDS as u64);
    tally.assert_hostile();
}

/// The same topic for both stores.
fn awkward_topic(kafka: &Kafka) -> &'static str {
    static TOPIC: OnceLock<String> = OnceLock::new();
    TOPIC.get_or_init(|| {
        let topic = kafka.create_topic("awkward", 3, &[]);
        let one_of_each = awkward::records(40, 3, 0).len();
        kafka.produce(&topic, &awkward::records(40, 3, RECORDS - one_of_each));
        topic
    })
}

fn small_segments() -> Value {
    json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 50, "NUMBER_OF_KAFKA_THREADS": 2})
}
