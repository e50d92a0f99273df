//! RESTORE_AS_OF: each partition as of a snapshot, cut by offset, independent of timestamps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, UNIX_EPOCH};

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::Record;
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{LONG_AGO, numbered, of_partition};

const MINUTE: i64 = 60_000;

fn now() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("before the year 292 million")
}

/// Records with current timestamps, half an hour ahead and long ago, in turn.
fn out_of_order(partitions: i32, what: &str) -> Vec<Record> {
    let at = |n: i64| [now(), now() + 30 * MINUTE, LONG_AGO - n * MINUTE][usize::try_from(n % 3).expect("small")];
    let of = |partition| (0..40).map(move |n| Record::new(partition, at(n)).key(format!("key {n}")).value(format!("{what} {n}")));
    (0..partitions).flat_map(of).collect()
}

/// A moment after a snapshot, and the content of the topics at that time.
struct Moment {
    at: String,
    topics: BTreeMap<String, Vec<Record>>,
}

/// Three topics. One is created later and one is deleted.
struct Workload<'k> {
    kafka: &'k Kafka,
    runner: Runner,
    ours: String,
    config: PathBuf,
}

impl<'k> Workload<'k> {
    fn new(kafka: &'k Kafka) -> Self {
        let (runner, ours) = (Runner::on_folder(kafka), unique("moments"));
        // A run stores one segment, so most segments have the records of several moments.
        let config = runner.backup_config(&[&format!("{ours}-*")], json!({"GROUP_ID": ours, "SNAPSHOT_SECONDS": 1}));
        Self { kafka, runner, ours, config }
    }

    fn name(&self, topic: &str) -> String {
        format!("{}-{topic}", self.ours)
    }

    /// Takes a snapshot, and returns the current content.
    fn moment(&self, mode: &str, topics: &[&str]) -> Moment {
        // There is at most one snapshot a second.
        sleep(Duration::from_millis(1100));
        self.runner.run([Path::new("backup"), &self.config, Path::new(mode)]).succeeded();
        let at = jiff::Timestamp::from_millisecond(now()).expect("a time").to_string();
        let dump = |topic: &&str| ((*topic).to_owned(), self.kafka.dump(&self.name(topic), Read::Committed));
        Moment { at, topics: topics.iter().map(dump).collect() }
    }

    fn restore(&self, copy: &str, more: Value) -> PathBuf {
        let mut keys = json!({"BACKUP_TOPIC_NAME": [format!("{}-*", self.ours)]});
        keys.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.runner.restore_config("*", &format!("{copy}-{{topic}}"), keys)
    }

    /// Topics of the cluster whose names begin with `copy`.
    fn created(&self, copy: &str) -> BTreeSet<String> {
        let listed = self.kafka.admin("TopicCommand", ["--list"]);
        listed.lines().filter(|name| name.starts_with(copy)).map(str::to_owned).collect()
    }
}

#[test]
fn three_moments_come_back_as_they_were_and_a_bad_deploy_does_not() {
    let Some(kafka) = require_kafka() else { return };
    let before = jiff::Timestamp::from_millisecond(now()).expect("a time").to_string();
    let workload = Workload::new(&kafka);
    let [orders, gone, late] = ["orders", "gone", "late"].map(|topic| workload.name(topic));
    kafka.create_topic_named(&orders, 3, &[]);
    kafka.create_topic_named(&gone, 1, &[]);
    kafka.produce(&orders, &out_of_order(3, "good"));
    kafka.produce(&gone, &out_of_order(1, "good"));
    let first = workload.moment("--once", &["orders", "gone"]);

    kafka.produce(&orders, &out_of_order(3, "garbage"));
    kafka.create_topic_named(&late, 2, &[]);
    kafka.produce(&late, &out_of_order(2, "late"));
    let second = workload.moment("--once", &["orders", "gone", "late"]);

    // Some other partitions that the first moments need are backed up only now.
    kafka.add_partitions(&orders, 4);
    kafka.produce(&orders, &out_of_order(4, "later"));
    kafka.produce(&gone, &out_of_order(1, "later"));
    workload.runner.back_up(&workload.config);
    kafka.delete_topic(&gone);
    let third = workload.moment("--until-caught-up", &["orders", "late"]);

    let is_start = |offset: i64| (0..3).any(|n| workload.runner.backups().join(format!("{orders}/{n}/{offset:020}.tar.gz")).exists());
    assert!(!is_start(80), "the cut of the second moment is inside of segments");
    for (number, Moment { at, topics }) in [first, second, third].into_iter().enumerate() {
        let copy = unique(&format!("as-of-{number}"));
        let restore = workload.restore(&copy, json!({"RESTORE_AS_OF": at}));
        let report = workload.runner.run([Path::new("restore"), &restore]).succeeded().reports().pop().expect("a report");
        assert!(report["finished_at"].is_i64() && report["as_of"] == at.as_str(), "{report}");
        let expected: BTreeSet<String> = topics.keys().map(|topic| format!("{copy}-{}", workload.name(topic))).collect();
        assert_eq!(workload.created(&copy), expected, "moment {number}");
        for (topic, records) in &topics {
            let name = format!("{copy}-{}", workload.name(topic));
            assert_identical(records, &kafka.dump(&name, Read::Uncommitted));
            assert!(number > 0 || records.iter().all(|record| record.value.as_ref().is_some_and(|value| value.0.starts_with(b"good"))));
        }
        let width = kafka.high_watermarks(&format!("{copy}-{orders}")).len();
        assert_eq!(width, if number == 2 { 4 } else { 3 }, "partitions of then");
    }
    let restore = workload.restore(&unique("too-early"), json!({"RESTORE_AS_OF": before}));
    workload.runner.run([Path::new("restore"), &restore]).failed_with(&["there is no snapshot", &before[..19], "list --snapshots"]);
}

/// A snapshot has the ends of the logs, which the backup had not reached yet.
#[test]
fn a_partition_that_was_behind_is_refused_by_name() {
    let Some(kafka) = require_kafka() else { return };
    let workload = Workload::new(&kafka);
    let [whole, behind] = ["whole", "behind"].map(|topic| workload.name(topic));
    kafka.create_topic_named(&whole, 1, &[]);
    kafka.produce(&whole, &numbered(0, 0..20));
    workload.runner.back_up(&workload.config);
    kafka.create_topic_named(&behind, 1, &[]);
    kafka.produce(&behind, &numbered(0, 0..25));
    sleep(Duration::from_millis(1100));
    let keys = json!({"GROUP_ID": workload.ours, "SNAPSHOT_SECONDS": 1, "NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10});
    let config = workload.runner.backup_config(&[&format!("{}-*", workload.ours)], keys);
    workload.runner.run([Path::new("backup"), &config, Path::new("--once")]).succeeded();

    let copy = unique("behind");
    let restore = workload.restore(&copy, json!({"RESTORE_AS_OF": "latest"}));
    let says = [format!("{behind}/0"), "ended at offset 25, and its backup reaches 10".to_owned(), "RESTORE_ANYWAY=behind".to_owned()];
    let says: Vec<&str> = says.iter().map(String::as_str).collect();
    for command in ["plan", "restore"] {
        let outcome = workload.runner.run([Path::new(command), &restore]).failed_with(&says);
        let said = outcome.stdout + &outcome.stderr;
        assert!(!said.contains(&format!("{whole}/0 ended")), "only that one: {said}");
    }
    assert!(workload.created(&copy).is_empty() && !workload.runner.backups().join("@restore").exists(), "nothing was written");

    let restore = workload.restore(&copy, json!({"RESTORE_AS_OF": "latest", "RESTORE_ANYWAY": "behind"}));
    let outcome = workload.runner.run([Path::new("restore"), &restore]).succeeded();
    assert!(outcome.stderr.contains(says[1]), "{}", outcome.stderr);
    for (topic, records) in [(&whole, numbered(0, 0..20)), (&behind, numbered(0, 0..10))] {
        assert_identical(&records, &kafka.dump(&format!("{copy}-{topic}"), Read::Uncommitted));
    }
    assert_eq!(of_partition(&outcome.reports(), 0)["caught_up"], true);
}
