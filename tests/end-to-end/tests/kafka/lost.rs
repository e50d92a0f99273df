//! Objects that are missing in a bucket, and objects that were never in it.

use std::fs;
use std::path::Path;

use end_to_end::kafka::unique;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{numbered, of_partition};

#[test]
fn a_lost_partition_is_told_from_an_empty_one() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("lost", 3, &[]);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    for round in 0..2 {
        kafka.produce(&topic, &[numbered(0, round * 10..round * 10 + 10), numbered(2, round * 10..round * 10 + 10)].concat());
        runner.back_up(&backup);
    }
    runner.verify(&backup).succeeded();
    assert_eq!(runner.list(&backup).iter().map(|row| row["segments"].clone()).collect::<Vec<_>>(), [json!(2), json!(0), json!(2)]);

    let folder = runner.backups().join(&topic);
    fs::remove_dir_all(folder.join("2")).expect("a backup");
    let loss = format!("every segment of {topic}/2 is missing");
    runner.verify(&backup).failed_with(&[&loss]);
    runner.run([Path::new("list"), &backup]).failed_with(&[&loss]);
    let copy = unique("copy");
    let restore = |more| runner.restore_config(&topic, &copy, more);
    let outcome = runner.run([Path::new("restore"), &restore(Value::Null), Path::new("--until-caught-up")]).failed_with(&[&loss]);
    assert_eq!(of_partition(&outcome.reports(), 0)["next"], json!(20), "the others are restored");
    let reports = runner.restore(&restore(json!({"SKIP_DAMAGED": true})));
    let last = reports.last().expect("a report");
    assert!(last["topics"][0]["notes"].to_string().contains("never written to: 1. In the target they are empty"), "{last}");
    assert!(of_partition(&reports, 2)["skipped"].to_string().contains(&loss), "{last}");

    fs::remove_file(folder.join("topic.json")).expect("a backup");
    let copy = unique("copy");
    let config = runner.restore_config(&topic, &copy, Value::Null);
    runner.run([Path::new("restore"), &config, Path::new("--once")]).failed_with(&["topic.json is missing", "SKIP_DAMAGED"]);
    assert!(!kafka.topic_exists(&copy));
    let typo = runner.run([Path::new("list"), &backup, Path::new("--topic"), Path::new("typo")]);
    typo.failed_with(&["no backup of \"typo\"", &format!("there are: {topic:?}")]);
}

/// The snapshot of a run is older than the records of the run, and there may be no next run.
#[test]
fn what_the_last_run_stored_is_missed() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("last", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..20));
    let runner = Runner::on_folder(&kafka);
    let keys = json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10, "SNAPSHOT_SECONDS": 300, "CONSUMER_GROUPS": [&topic]});
    let backup = runner.backup_config(&[&topic], keys);
    runner.back_up(&backup);
    runner.verify(&backup).succeeded();
    for name in ["00000000000000000010.tar.gz", "00000000000000000010.tar.gz.sha256"] {
        fs::remove_file(runner.backups().join(&topic).join("0").join(name)).expect("a backup");
    }
    let loss = format!("offsets 10 to 20 of {topic}/0 are missing at its end");
    runner.verify(&backup).failed_with(&[&loss]);
    for more in ["--quick", "--against-cluster"] {
        runner.run([Path::new("verify"), &backup, Path::new(more)]).failed_with(&[&loss]);
    }
    runner.run([Path::new("list"), &backup]).failed_with(&[&loss]);
    let config = runner.restore_config(&topic, &unique("copy"), Value::Null);
    runner.run([Path::new("restore"), &config, Path::new("--until-caught-up")]).failed_with(&[&loss]);
}

#[test]
fn the_expired_beginning_of_a_compacted_topic_is_warned_of() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("compacted", 1, &[("cleanup.policy", "compact")]);
    kafka.produce(&topic, &numbered(0, 0..20));
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10}));
    runner.back_up(&backup);
    for name in ["00000000000000000000.tar.gz", "00000000000000000000.tar.gz.sha256"] {
        fs::remove_file(runner.backups().join(&topic).join("0").join(name)).expect("a backup");
    }
    let words = "compacted: keys whose last value was in them are lost";
    let verified = runner.run([Path::new("verify"), &backup, Path::new("--from-oldest")]).succeeded();
    let warning = "the oldest segments of a compacted topic are missing: keys whose last value was in them are lost";
    assert!(verified.reports()[0]["warnings"].to_string().contains(warning), "{}", verified.stdout);
    let copy = unique("copy");
    let config = runner.restore_config(&topic, &copy, Value::Null);
    runner.run([Path::new("restore"), &config, Path::new("--until-caught-up")]).failed_with(&[words, "RESTORE_ANYWAY=expired"]);
    let reports = runner.restore(&runner.restore_config(&topic, &copy, json!({"RESTORE_ANYWAY": "expired"})));
    assert!(of_partition(&reports, 0)["skipped"].to_string().contains(words), "{reports:?}");
}
