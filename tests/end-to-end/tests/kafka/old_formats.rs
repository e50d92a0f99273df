//! Records of message formats from before Kafka 0.11: refused, never stored as something else.

use std::path::Path;

use end_to_end::cluster::Cluster;
use end_to_end::kafka::{Kafka, Read};
use end_to_end::old_formats::Format;
use end_to_end::record::Record;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{assert_restorable, files_below, numbered, of_partition};

const WORDS: &str = "message format v0 or v1";

/// One topic for each case, with a log in an old format.
struct Cases {
    cluster: Cluster,
    topics: Vec<(String, i64)>,
}

impl Cases {
    /// A case is a name, a number of records in the current format, and bytes. Partition 0 has
    /// these records, and then the bytes. Partition 1 has ten records in the current format.
    fn new(shared: &Kafka, cases: &[(&str, i64, Vec<u8>)]) -> Self {
        let cluster = Cluster::start(shared, 1);
        let topics: Vec<_> = cases.iter().map(|(name, first, _)| (cluster.kafka.create_topic(name, 2, &[]), *first)).collect();
        for (topic, first) in &topics {
            cluster.kafka.produce(topic, &[numbered(0, 0..*first), numbered(1, 0..10)].concat());
        }
        cluster.kill(1);
        for ((topic, _), (.., log)) in topics.iter().zip(cases) {
            cluster.append_to_log(1, topic, 0, log);
        }
        cluster.resume(1);
        Self { cluster, topics }
    }
}

fn keyless(records: Vec<Record>) -> Vec<Record> {
    records.into_iter().map(|record| Record { key: None, ..record }).collect()
}

#[test]
fn records_of_old_formats_are_refused_before_anything_is_stored() {
    let Some(shared) = require_kafka() else { return };
    let records = numbered(0, 0..20);
    let cases = Cases::new(
        &shared,
        &[
            ("one-of-v0", 0, Format::V0.log(0, &records[..1])),
            ("one-of-v1", 0, Format::V1.log(0, &records[..1])),
            ("v0", 0, Format::V0.log(0, &records)),
            ("v1", 0, Format::V1.log(0, &records)),
            ("v1-without-keys", 0, Format::V1.log(0, &keyless(records.clone()))),
            ("v0-compressed", 0, Format::V0.compressed_log(0, &records)),
            ("v1-compressed", 0, Format::V1.compressed_log(0, &records)),
            ("v2-then-v1", 5, Format::V1.log(5, &records[5..])),
            ("v2-then-v1-compressed", 5, Format::V1.compressed_log(5, &records[5..])),
        ],
    );
    let kafka = &cases.cluster.kafka;
    let runner = Runner::on_folder(kafka);
    for (topic, first) in &cases.topics {
        let backup = runner.backup_config(&[topic], json!({"TIME_BUDGET_SECONDS": 60}));
        // The first run stores everything before it, and may end before it reports the reason.
        let runs = if *first == 0 { 1 } else { 2 };
        let outcomes: Vec<_> = (0..runs).map(|_| runner.run([Path::new("backup"), &backup, Path::new("--until-caught-up")])).collect();
        let reports = outcomes.into_iter().last().expect("it ran").failed_with(&[topic, WORDS, &format!("offset {first} ")]).reports();
        let bad = of_partition(&reports, 0);
        assert_eq!(bad["retryable"], json!(false), "{topic}");
        assert_eq!(bad["next"].as_i64().unwrap_or(0), *first, "{topic}");
        assert_eq!(of_partition(&reports, 1)["next"], json!(10), "{topic}: the other partition continues");
        assert_eq!(files_below(&runner.backups().join(topic).join("0"), ".tar.gz"), usize::from(*first > 0), "{topic}");
    }
}

/// The workaround that the message names.
#[test]
fn behind_deleted_records_of_an_old_format_the_backup_goes_on() {
    let Some(shared) = require_kafka() else { return };
    let old = numbered(0, 0..20);
    let cases = Cases::new(&shared, &[("v1-then-v2", 0, Format::V1.log(0, &old))]);
    let (kafka, (topic, _)) = (&cases.cluster.kafka, &cases.topics[0]);
    kafka.produce(topic, &numbered(0, 20..40));
    assert_eq!(kafka.dump(topic, Read::Committed).len(), 50, "Kafka's own client reads all of it");
    let runner = Runner::on_folder(kafka);
    let backup = runner.backup_config(&[topic], Value::Null);
    runner.run([Path::new("backup"), &backup, Path::new("--until-caught-up")]).failed_with(&[topic, WORDS, "offset 0 "]);
    kafka.delete_records(topic, 0, 20);
    runner.back_up(&backup);
    assert_restorable(kafka, &runner, &backup, topic);
}
