//! BYTES_PER_SECOND: a backup or a restore must not affect the cluster.

use std::time::{Duration, Instant};

use end_to_end::kafka::unique;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::records_in;

const RECORDS: u64 = 3_000;
const LIMIT: u64 = 200_000;

/// Two threads share the rate, over many segments and transactions. Both directions take at least
/// as long as the rate allows, report the reason, and lose nothing.
#[test]
fn backup_and_restore_keep_to_bytes_per_second() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 3, &[]);
    kafka.bulk(&topic, RECORDS, 300);
    let runner = Runner::on_folder(&kafka);
    let limited = json!({"BYTES_PER_SECOND": LIMIT, "NUMBER_OF_KAFKA_THREADS": 2, "NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 200});

    let start = Instant::now();
    let reports = runner.back_up(&runner.backup_config(&[&topic], limited.clone()));
    let took = start.elapsed();
    assert_eq!(records_in(&reports), RECORDS);
    // These bytes include framing, which does not count for the limit. Nothing waits for the last
    // bytes.
    let bytes: u64 = reports.iter().map(|report| report["log_bytes"].as_u64().expect("a report")).sum();
    let least = Duration::from_secs_f64(bytes as f64 * 0.8 / LIMIT as f64);
    assert!(least >= Duration::from_secs(2) && took >= least, "{bytes} bytes took {took:?}");
    tells_of_the_limit(&reports);

    let copy = unique("copy");
    let start = Instant::now();
    let reports = runner.restore(&runner.restore_config(&topic, &copy, limited));
    let took = start.elapsed();
    assert_eq!(records_in(&reports), RECORDS);
    assert!(took >= least, "{bytes} bytes took {took:?}");
    tells_of_the_limit(&reports);
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
}

/// Records that each take longer than the transaction timeout: each waits outside of a transaction.
#[test]
fn a_transaction_does_not_wait_for_the_rate_until_brokers_end_it() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("source", 1, &[]);
    kafka.bulk(&topic, 3, 90_000);
    let runner = Runner::on_folder(&kafka);
    runner.back_up(&runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 3})));
    let copy = unique("copy");
    let properties = json!({"transaction.timeout.ms": "6000"});
    let restore = runner.restore_config(&topic, &copy, json!({"BYTES_PER_SECOND": 12_000, "KAFKA_PROPERTIES": properties}));
    let reports = runner.restore(&restore);
    assert_eq!(records_in(&reports), 3);
    assert!(reports.iter().all(|report| report["topics"][0]["partitions"][0]["error"] == Value::Null), "{reports:?}");
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
}

fn tells_of_the_limit(reports: &[Value]) {
    let tells = |report: &Value| {
        let notes = report["notes"].as_array().is_some_and(|notes| notes.iter().any(|note| note.to_string().contains("BYTES_PER_SECOND")));
        notes && report["rate_limited_ms"].as_u64().is_some_and(|waited| waited > 0)
    };
    assert!(reports.iter().any(tells), "{reports:?}");
}
