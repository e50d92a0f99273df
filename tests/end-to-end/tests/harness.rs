//! The harness itself: what Kafka's own client writes, it reads again unchanged. Without this, a comparison would prove little.

use end_to_end::awkward;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::Read;
use end_to_end::record::{Record, Step};
use end_to_end::services::require_kafka;

#[test]
fn awkward_records_are_written_as_they_are() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("awkward", 3, &[]);
    let mut records = awkward::records(1, 3, 200);
    records.extend(awkward::unsendable_timestamps(2));
    kafka.produce(&topic, &records);
    assert_identical(&records, &kafka.dump(&topic, Read::Committed));
}

#[test]
fn aborted_records_are_in_the_log_and_not_read() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("transactions", 2, &[]);
    let steps = awkward::transactions(2, 2);
    kafka.play(&topic, &steps, &[]);
    assert_identical(&awkward::committed(&steps), &kafka.dump(&topic, Read::Committed));

    let every = |step: &Step| match step {
        Step::Send(record) | Step::SendIn { record, .. } => Some(record.clone()),
        Step::Transaction { .. } => None,
    };
    let written: Vec<Record> = steps.iter().filter_map(every).collect();
    assert_identical(&written, &kafka.dump(&topic, Read::Uncommitted));
    assert!(awkward::committed(&steps).len() < written.len(), "some were aborted");
}

#[test]
fn bulk_records_are_the_same_every_time() {
    let Some(kafka) = require_kafka() else { return };
    let [one, other] = ["one", "other"].map(|name| kafka.create_topic(name, 4, &[]));
    kafka.bulk(&one, 10_000, 100);
    kafka.bulk(&other, 10_000, 100);
    let digest = kafka.digest(&one);
    assert_eq!(digest, kafka.digest(&other));
    assert_eq!(digest.iter().map(|partition| partition.records).collect::<Vec<_>>(), [2_500; 4]);
}
