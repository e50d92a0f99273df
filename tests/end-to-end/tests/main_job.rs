//! The main job on a real Kafka. To a reader that is not our code, a restored topic equals the
//! original, record for record.

use std::collections::BTreeMap;

use end_to_end::awkward;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::{Record, Step, Transaction};
use end_to_end::round_trip::round_trip;
use end_to_end::runner::{Runner, Store};
use end_to_end::services::{require_azurite, require_kafka, require_locked_minio, require_minio};
use serde_json::{Value, json};

fn small_segments() -> Value {
    json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 50, "NUMBER_OF_KAFKA_THREADS": 2})
}

fn awkward_topic(kafka: &Kafka, seed: u64) -> String {
    let topic = kafka.create_topic("awkward", 3, &[]);
    kafka.produce(&topic, &awkward::records(seed, 3, 300));
    topic
}

#[test]
fn awkward_records_through_a_folder() {
    let Some(kafka) = require_kafka() else { return };
    let topic = awkward_topic(&kafka, 11);
    round_trip(&kafka, &Runner::on_folder(&kafka), &topic, small_segments());
}

#[test]
fn awkward_records_through_minio() {
    let (Some(kafka), Some(minio)) = (require_kafka(), require_minio()) else { return };
    let topic = awkward_topic(&kafka, 12);
    round_trip(&kafka, &Runner::on(&kafka, Store::Minio(minio, unique("prefix"))), &topic, small_segments());
}

/// The bucket as the Terraform module creates it: versioned, with object lock and a default
/// retention. Backup and restore overwrite what they must, and never need the right to delete.
#[test]
fn awkward_records_through_a_locked_bucket() {
    let (Some(kafka), Some(minio)) = (require_kafka(), require_locked_minio()) else { return };
    let topic = awkward_topic(&kafka, 18);
    round_trip(&kafka, &Runner::on(&kafka, Store::Minio(minio, unique("prefix"))), &topic, small_segments());
}

#[test]
fn awkward_records_through_azurite() {
    let (Some(kafka), Some(azurite)) = (require_kafka(), require_azurite()) else { return };
    let topic = awkward_topic(&kafka, 13);
    round_trip(&kafka, &Runner::on(&kafka, Store::Azurite(azurite, unique("prefix"))), &topic, small_segments());
}

#[test]
fn committed_records_come_back_and_aborted_ones_never() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("transactions", 3, &[]);
    let steps = awkward::transactions(14, 3);
    kafka.play(&topic, &steps, &[]);
    let copy = round_trip(&kafka, &Runner::on_folder(&kafka), &topic, json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 7}));
    assert_identical(&awkward::committed(&steps), &kafka.dump(&copy, Read::Committed));
}

#[test]
fn aborted_records_are_kept_when_asked_for() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("uncommitted", 1, &[]);
    kafka.play(&topic, &awkward::transactions(15, 1), &[]);
    let runner = Runner::on_folder(&kafka);
    let copy = unique("copy");
    runner.back_up(&runner.backup_config(&[&topic], json!({"ISOLATION_LEVEL": "read_uncommitted"})));
    runner.restore(&runner.restore_config(&topic, &copy, Value::Null));
    assert_identical(&kafka.dump(&topic, Read::Uncommitted), &kafka.dump(&copy, Read::Uncommitted));
}

/// A partition that contains only aborted records and their markers: it is covered, and not fetched
/// repeatedly.
#[test]
fn a_partition_of_aborted_records_only() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("aborted", 2, &[]);
    let producer = unique("aborting");
    let transaction = |what| Step::Transaction { producer: producer.clone(), what };
    let record = Record::new(0, 1_780_000_000_000).value("never seen");
    let sends = (0..5).map(|_| Step::SendIn { producer: producer.clone(), record: record.clone() });
    let steps: Vec<_> = [transaction(Transaction::Begin)].into_iter().chain(sends).chain([transaction(Transaction::Abort)]).collect();
    kafka.play(&topic, &steps, &[]);
    round_trip(&kafka, &Runner::on_folder(&kafka), &topic, Value::Null);
}

#[test]
fn a_compacted_topic_comes_back_with_its_holes_closed_and_its_tombstones() {
    let Some(kafka) = require_kafka() else { return };
    let configs = [("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.001")];
    let topic = kafka.create_topic("compacted", 2, &configs);
    kafka.produce(&topic, &awkward::overwritten_keys(16, 2, 50));
    kafka.await_compaction(&topic, 2);
    let copy = round_trip(&kafka, &Runner::on_folder(&kafka), &topic, small_segments());
    assert!(kafka.dump(&copy, Read::Committed).iter().any(|record| record.value.is_none()), "tombstones are records");
}

#[test]
fn empty_partitions_and_an_empty_topic() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("half-empty", 4, &[]);
    kafka.produce(&topic, &[Record::new(2, 1_780_000_000_000).key("only").value("one")]);
    round_trip(&kafka, &Runner::on_folder(&kafka), &topic, Value::Null);
}

#[test]
fn every_codec_is_read() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("codecs", 1, &[]);
    let mut expected = Vec::new();
    for (seed, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let records: Vec<_> = (0..100).map(|n| Record::new(0, 1_780_000_000_000 + n).key(codec).value(format!("{seed} {n}"))).collect();
        let steps: Vec<_> = records.iter().cloned().map(Step::Send).collect();
        kafka.play(&topic, &steps, &[&format!("compression.type={codec}"), "linger.ms=50"]);
        expected.extend(records);
    }
    let copy = round_trip(&kafka, &Runner::on_folder(&kafka), &topic, Value::Null);
    assert_identical(&expected, &kafka.dump(&copy, Read::Committed));
}

/// The first millisecond of 1970, and no timestamp: clients confuse both with something else.
#[test]
fn timestamp_zero_and_no_timestamp_come_back_as_they_are() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("timeless", 1, &[]);
    let mut records = awkward::unsendable_timestamps(0);
    records.push(Record::new(0, 1_780_000_000_000).value("at another time"));
    kafka.produce(&topic, &records);
    let copy = round_trip(&kafka, &Runner::on_folder(&kafka), &topic, Value::Null);
    assert_identical(&records, &kafka.dump(&copy, Read::Committed));
}

/// Producers cannot set LogAppendTime: the times are restored as CreateTime.
#[test]
fn log_append_time_comes_back_as_create_time() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("appended", 1, &[("message.timestamp.type", "LogAppendTime")]);
    kafka.produce(&topic, &(0..20).map(|n| Record::new(0, n).value(n.to_string())).collect::<Vec<_>>());
    let runner = Runner::on_folder(&kafka);
    let copy = unique("copy");
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    runner.restore(&runner.restore_config(&topic, &copy, Value::Null));
    let mut source = kafka.dump(&topic, Read::Committed);
    assert!(source.iter().all(|record| record.timestamp_type == "LogAppendTime" && record.timestamp > 1_000_000));
    source.iter_mut().for_each(|record| record.timestamp_type = "CreateTime".to_owned());
    assert_identical(&source, &kafka.dump(&copy, Read::Committed));
}

/// Each backup continues where the previous one ended, and each restore too.
#[test]
fn a_topic_that_grows_between_backups() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("growing", 2, &[]);
    let runner = Runner::on_folder(&kafka);
    let copy = unique("copy");
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 25}));
    let restore = runner.restore_config(&topic, &copy, Value::Null);
    for round in 0..3 {
        let records: Vec<_> = (0..60 + round).map(|n| Record::new(n % 2, 1_780_000_000_000).value(format!("{round}/{n}"))).collect();
        kafka.produce(&topic, &records);
        runner.back_up(&backup);
        runner.restore(&restore);
        assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));
    }
    runner.verify(&backup).succeeded();
}

/// Into another number of partitions: every record once, those of one key in one partition and in
/// order.
#[test]
fn by_key_into_fewer_partitions() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("by-key", 4, &[]);
    kafka.bulk(&topic, 2_000, 100);
    let copy = kafka.create_topic("fewer", 3, &[]);
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 200})));
    runner.restore(&runner.restore_config(&topic, &copy, json!({"RESTORE_PARTITION_STRATEGY": "key"})));
    let (source, restored) = (kafka.dump(&topic, Read::Committed), kafka.dump(&copy, Read::Uncommitted));
    assert_eq!(sorted(&source), sorted(&restored));
    let mut homes = BTreeMap::new();
    for record in &restored {
        assert_eq!(*homes.entry(record.key.clone()).or_insert(record.partition), record.partition, "one key, one partition");
    }
    assert_eq!(kafka.digest(&copy).iter().filter(|partition| partition.records > 0).count(), 3);
}

#[test]
fn at_random_into_more_partitions() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("at-random", 1, &[]);
    kafka.bulk(&topic, 2_000, 100);
    let copy = kafka.create_topic("more", 3, &[]);
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 200})));
    runner.restore(&runner.restore_config(&topic, &copy, json!({"RESTORE_PARTITION_STRATEGY": "random"})));
    assert_eq!(sorted(&kafka.dump(&topic, Read::Committed)), sorted(&kafka.dump(&copy, Read::Uncommitted)));
    assert_eq!(kafka.digest(&copy).iter().filter(|partition| partition.records > 0).count(), 3);
}

#[test]
fn at_least_once_loses_nothing_either() {
    let Some(kafka) = require_kafka() else { return };
    let topic = awkward_topic(&kafka, 17);
    let runner = Runner::on_folder(&kafka);
    let copy = unique("copy");
    runner.back_up(&runner.backup_config(&[&topic], small_segments()));
    let restore = runner.restore_config(&topic, &copy, json!({"DELIVERY": "at-least-once"}));
    runner.restore(&restore);
    runner.restore(&restore);
    assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));
}

/// The records without partition and offset, in an order that does not depend on them.
fn sorted(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<_> = records
        .iter()
        .map(|record| serde_json::to_string(&Record { partition: 0, offset: None, ..record.clone() }).expect("it is text"))
        .collect();
    lines.sort_unstable();
    lines
}
