//! Source offsets are translated to the offsets at which Kafka's own client reads the records.

use std::path::{Path, PathBuf};

use end_to_end::awkward;
use end_to_end::kafka::{Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::numbered;

fn offsets(records: &[Record], partition: i32) -> Vec<i64> {
    records.iter().filter(|record| record.partition == partition).filter_map(|record| record.offset).collect()
}

/// With markers and aborted records in the source, markers in the target, several runs, and other
/// producers that write to the target afterwards.
#[test]
fn every_offset_leads_to_the_first_record_at_or_after_it() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("translated", 2, &[]);
    let target = unique("translated-copy");
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 15}));
    let restore = runner.restore_config(&topic, &target, Value::Null);
    for seed in [1, 2] {
        kafka.play(&topic, &awkward::transactions(seed, 2), &[]);
        runner.back_up(&backup);
        runner.restore(&restore);
    }
    let (source, copy) = (kafka.dump_with_offsets(&topic, Read::Committed), kafka.dump_with_offsets(&target, Read::Committed));
    kafka.produce(&target, &[numbered(0, 0..10), numbered(1, 0..10)].concat());
    let translate = |offsets: &[String]| {
        let arguments = [PathBuf::from("translate"), restore.clone()].into_iter().chain(offsets.iter().map(PathBuf::from));
        runner.run(arguments)
    };
    for partition in 0..2 {
        let (from, to) = (offsets(&source, partition), offsets(&copy, partition));
        assert!(from.len() == to.len() && from.len() > 20, "{from:?} {to:?}");
        let end = from[from.len() - 1];
        let asked: Vec<String> = (0..=end + 1).map(|offset| format!("{topic}/{partition}:{offset}")).collect();
        for (offset, answer) in (0..).zip(translate(&asked).succeeded().reports()) {
            let next = from.iter().position(|at| *at >= offset);
            let expected = next.map_or(to[to.len() - 1] + 1, |index| to[index]);
            let expected =
                json!({"source": asked[offset as usize], "target": format!("{target}/{partition}:{expected}"), "certainty": "exact"});
            assert_eq!(answer, expected);
        }
    }
    let outcome = translate(&[format!("{topic}/0:9000"), format!("{topic}/0:0")]);
    assert_eq!(outcome.status.code(), Some(1), "{outcome:?}");
    assert!(outcome.reports()[0]["why"].as_str().is_some_and(|why| why.contains("not restored yet")), "{outcome:?}");
    assert_eq!(translate(&[format!("{topic}/0")]).status.code(), Some(2));
    assert_eq!(runner.run([Path::new("translate"), &restore, Path::new("\u{1b}[2J/0:5")]).status.code(), Some(1));
}
