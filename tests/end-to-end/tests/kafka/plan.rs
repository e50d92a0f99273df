//! What `plan` shows, and that it changes nothing. If one topic of several cannot be restored, the
//! restore stops before its first write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use end_to_end::kafka::{Kafka, unique};
use end_to_end::runner::Runner;
use end_to_end::services::{require_kafka, require_sasl};
use serde_json::{Value, json};

use crate::kafka::{acls, numbered};

/// Two topics of two partitions, and their backup.
fn backed_up(kafka: &Kafka) -> (String, Runner) {
    let ours = unique("planned");
    for name in ["a", "b"].map(|name| format!("{ours}-{name}")) {
        kafka.create_topic_named(&name, 2, &[]);
        kafka.produce(&name, &[numbered(0, 0..20), numbered(1, 0..10)].concat());
    }
    let runner = Runner::on_folder(kafka);
    runner.back_up(&runner.backup_config(&[&format!("{ours}-*")], json!({"GROUP_ID": ours, "SNAPSHOT_SECONDS": 1})));
    (ours, runner)
}

fn restore(runner: &Runner, ours: &str, copy: &str, more: Value) -> PathBuf {
    let mut keys = json!({"BACKUP_TOPIC_NAME": [format!("{ours}-*")]});
    keys.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    runner.restore_config("*", &format!("{copy}-{{topic}}"), keys)
}

/// All files below a folder, with the time of their last change and their content.
fn files(folder: &Path) -> BTreeMap<PathBuf, (SystemTime, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for path in folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            let changed = path.metadata().and_then(|of| of.modified()).expect("a file has a time");
            all.insert(path.clone(), (changed, std::fs::read(&path).expect("a file")));
        }
    }
    all
}

/// The topics and groups of the cluster whose names contain these words.
fn listed(kafka: &Kafka, words: [&str; 2]) -> BTreeSet<String> {
    let [topics, groups] = ["TopicCommand", "consumer.group.ConsumerGroupCommand"].map(|tool| kafka.admin(tool, ["--list"]));
    topics.lines().chain(groups.lines()).filter(|name| words.iter().any(|word| name.contains(word))).map(str::to_owned).collect()
}

#[test]
fn a_plan_changes_nothing_and_needs_no_right_to_change_anything() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let (ours, runner) = backed_up(&kafka);
    let copy = unique("copy");
    kafka.allow(acls::READER, &["Describe", "Read"], &format!("--topic={copy} --resource-pattern-type=prefixed"));
    let state = || (files(&runner.backups()), listed(&kafka, [&ours, &copy]));
    for as_of in [Value::Null, json!("latest")] {
        let before = state();
        let mut more = acls::as_reader(&sasl, Value::Null);
        if as_of.is_string() {
            more["RESTORE_AS_OF"] = as_of.clone();
        }
        let config = restore(&runner, &ours, &copy, more);
        let plan = runner.run([Path::new("plan"), &config]).succeeded().reports().remove(0);
        let [a, b] = ["a", "b"].map(|name| format!("{ours}-{name}"));
        let rows: Vec<_> =
            plan["topics"].as_array().expect("topics").iter().map(|row| (&row["source"], &row["target"], &row["cuts"])).collect();
        let cuts = json!({"0": 20, "1": 10});
        let targets = [&a, &b].map(|name| json!(format!("{copy}-{name}")));
        assert_eq!(rows, [(&json!(a), &targets[0], &cuts), (&json!(b), &targets[1], &cuts)], "{plan}");
        assert_eq!(plan["topics"][0]["target_exists"], false, "{plan}");
        assert_eq!(plan["snapshots"].as_array().map(Vec::len), as_of.is_string().then_some(1), "{plan}");
        assert_eq!(state(), before);
    }

    let taken = format!("{copy}-{ours}-b");
    kafka.create_topic_named(&taken, 2, &[]);
    kafka.produce(&taken, &numbered(0, 0..1));
    let before = state();
    let config = restore(&runner, &ours, &copy, acls::as_reader(&sasl, Value::Null));
    let outcome = runner.run([Path::new("plan"), &config]).failed_with(&[&taken, "is not empty"]);
    let plan = outcome.reports().remove(0);
    let problems: Vec<bool> = plan["topics"].as_array().expect("topics").iter().map(|row| row["problem"].is_string()).collect();
    assert_eq!(problems, [false, true], "{plan}");
    assert_eq!(state(), before);
}

/// A hash of keys, or a partition of the original, cannot be kept there. Refused before the restore
/// of any other topic begins.
#[test]
fn a_target_with_too_few_partitions_is_named_before_anything_is_written() {
    let Some(kafka) = require_kafka() else { return };
    let (ours, runner) = backed_up(&kafka);
    let copy = unique("copy");
    let narrow = format!("{copy}-{ours}-b");
    kafka.create_topic_named(&narrow, 1, &[]);
    let state = || (files(&runner.backups()), listed(&kafka, [&ours, &copy]));
    let before = state();
    let config = restore(&runner, &ours, &copy, Value::Null);
    for command in ["plan", "restore"] {
        runner.run([Path::new(command), &config]).failed_with(&[&narrow, "partition"]);
        assert_eq!(state(), before, "{command}");
    }
    kafka.add_partitions(&narrow, 2);
    runner.run([Path::new("restore"), &config]).succeeded();
    let ends = ["a", "b"].map(|name| kafka.digest(&format!("{copy}-{ours}-{name}")).iter().map(|one| one.records).collect::<Vec<_>>());
    assert_eq!(ends, [[20, 10], [20, 10]]);
}
