//! A target that accepts records slowly, as with a quota.

use end_to_end::kafka::unique;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::records_in;

const RECORDS: u64 = 3_000;

/// All of it in one transaction would exceed the transaction timeout of brokers by far. Each run
/// makes progress, and none is fenced.
#[test]
fn a_target_with_a_quota_gets_transactions_that_it_takes_in_time() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 1, &[]);
    kafka.bulk(&topic, RECORDS, 300);
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 3_000})));
    let (copy, client) = (unique("copy"), unique("throttled"));
    kafka.throttle(&client, 20_000);
    let properties = json!({"client.id": client, "transaction.timeout.ms": "20000", "compression.codec": "none"});
    let restore = runner.restore_config(&topic, &copy, json!({"KAFKA_PROPERTIES": properties}));
    let reports = runner.restore(&restore);
    assert_eq!(records_in(&reports), RECORDS);
    assert!(reports.iter().all(|report| report["topics"][0]["partitions"][0]["error"] == Value::Null), "{reports:?}");
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
}
