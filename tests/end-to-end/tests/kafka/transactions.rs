//! A transaction that no producer ends.

use std::path::Path;

use end_to_end::kafka::unique;
use end_to_end::record::{Record, Step, Transaction};
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{assert_restorable, numbered, of_partition, records_in};

#[test]
fn a_hanging_transaction_is_reported_and_waited_for() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("hanging", 2, &[]);
    let producer = unique("hanging-producer");
    let step = |what| Step::Transaction { producer: producer.clone(), what };
    let send = |record: Record| Step::SendIn { producer: producer.clone(), record };
    let plain = |records: Vec<Record>| records.into_iter().map(Step::Send);
    let mut steps: Vec<Step> = plain([numbered(0, 0..10), numbered(1, 0..10)].concat()).collect();
    steps.push(step(Transaction::Begin));
    steps.extend(numbered(0, 100..103).into_iter().map(send));
    steps.extend(plain([numbered(0, 10..15), numbered(1, 10..15)].concat()));
    steps.push(step(Transaction::Leave));
    kafka.play(&topic, &steps, &["transaction.timeout.ms=600000"]);

    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    let outcome = runner.run([Path::new("backup"), &backup, Path::new("--until-caught-up")]).succeeded();
    let reports = outcome.reports();
    let held = of_partition(&reports, 0);
    assert_eq!((&held["next"], &held["end"], &held["held_by_transactions"]), (&json!(10), &json!(10), &json!(8)));
    assert_eq!(held["lag_records"], json!(8), "what cannot be read yet is not in the bucket");
    assert_eq!(of_partition(&reports, 1)["held_by_transactions"], Value::Null);
    assert_eq!(records_in(&reports), 25);
    assert!(outcome.stderr.contains("offsets 10 to 18 wait for an open transaction"), "{}", outcome.stderr);

    // The next producer of this name ends it.
    kafka.play(&topic, &[step(Transaction::Begin), step(Transaction::Abort)], &[]);
    let reports = runner.back_up(&backup);
    assert_eq!(records_in(&reports), 5);
    assert_eq!(of_partition(&reports, 0)["held_by_transactions"], Value::Null);
    assert_restorable(&kafka, &runner, &backup, &topic);
}
