//! Topics by name, glob and regular expression, and the output of `check` for them.

use std::collections::BTreeSet;
use std::path::Path;

use end_to_end::kafka::unique;
use end_to_end::runner::Runner;
use end_to_end::services::{require_kafka, require_sasl};
use serde_json::{Value, json};

use crate::kafka::{acls, group_of, numbered};

fn names(report: &Value) -> BTreeSet<&str> {
    report["topics"].as_array().expect("topics").iter().map(|topic| topic["topic"].as_str().expect("a name")).collect()
}

/// Names of 40 topics. Those that end in `-tmp` must be excluded.
pub(crate) fn forty_names(ours: &str) -> Vec<String> {
    let name = |number| match number % 4 {
        0 => format!("{ours}-orders-{number}"),
        1 => format!("{ours}.pay.{number}"),
        2 => format!("{ours}_by_name_{number}"),
        _ => format!("{ours}-orders-{number}-tmp"),
    };
    (0..40).map(name).collect()
}

/// TOPIC_NAMES for the 30 others, by a glob, a regular expression and by name. EXCLUDE_TOPIC_NAMES
/// excludes `*-tmp`.
pub(crate) fn thirty_of(ours: &str) -> Vec<String> {
    let by_name = forty_names(ours).into_iter().filter(|name| name.contains("by_name"));
    [format!("{ours}-orders-*"), format!("^{ours}\\.pay\\.\\d{{1,3}}")].into_iter().chain(by_name).collect()
}

#[test]
fn forty_topics_by_names_globs_and_a_regular_expression_and_those_that_come_later() {
    let Some(kafka) = require_kafka() else { return };
    let ours = unique("forty");
    for (number, name) in forty_names(&ours).iter().enumerate() {
        kafka.create_topic_named(name, 1, &[]);
        if number < 8 {
            kafka.produce(name, &numbered(0, 0..3));
        }
    }
    let mut expected: BTreeSet<String> = forty_names(&ours).into_iter().filter(|name| !name.ends_with("-tmp")).collect();
    kafka.create_topic_named(&format!("{ours}.pay.x"), 1, &[]);
    let mut topics = thirty_of(&ours);
    topics.push(format!("{ours}.pay-*"));
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let runner = Runner::on_folder(&kafka);
    let config = runner.backup_config(&topics, json!({"GROUP_ID": ours, "EXCLUDE_TOPIC_NAMES": ["*-tmp"]}));

    let report = runner.run([Path::new("check"), &config]).succeeded().reports().remove(0);
    assert_eq!(names(&report), expected.iter().map(String::as_str).collect());
    assert_eq!(report["excluded"].as_array().map(Vec::len), Some(10), "{report}");
    assert!(report["notes"].to_string().contains(&format!("{ours}.pay-* of TOPIC_NAMES matches no topic")), "{report}");

    runner.back_up(&config);
    let folders = || -> BTreeSet<String> {
        let listed = runner.list(&config);
        listed.iter().filter_map(|row| row["folder"].as_str().map(str::to_owned)).collect()
    };
    assert_eq!(folders(), expected);

    let later = format!("{ours}-orders-later");
    kafka.create_topic_named(&later, 1, &[]);
    kafka.produce(&later, &numbered(0, 0..3));
    runner.back_up(&config);
    expected.insert(later);
    assert_eq!(folders(), expected);
    runner.verify(&config).succeeded();
}

#[test]
fn check_says_what_this_user_may_not_do() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let ours = unique("rights");
    let topics = ["all", "unread", "unseen"].map(|name| format!("{ours}-{name}"));
    topics.iter().for_each(|topic| kafka.create_topic_named(topic, 2, &[]));
    let [all, unread, unseen] = topics;
    let runner = Runner::on_folder(&kafka);
    let config = runner.backup_config(&[&format!("{ours}-*")], acls::as_reader(&sasl, json!({"GROUP_ID": group_of(&all)})));
    runner.run([Path::new("check"), &config]).failed_with(&["matches none of the"]);
    kafka.allow(acls::READER, &["Read", "DescribeConfigs"], &format!("--topic={all}"));
    kafka.allow(acls::READER, &["Describe"], &format!("--topic={unread}"));
    let outcome =
        runner.run([Path::new("check"), &config]).failed_with(&["Missing ACL: Read on the group", "this user needs Read on the topic"]);
    let report = outcome.reports().remove(0);
    assert_eq!(names(&report), [all.as_str(), unread.as_str()].into(), "{unseen} is not seen");
    assert!(report["topics"][0].get("error").is_none() && report["topics"][0].get("note").is_none(), "{report}");

    kafka.allow(acls::READER, &["Read"], &format!("--topic={unread}"));
    kafka.allow(acls::READER, &["Read"], &format!("--group={}", group_of(&all)));
    let report = runner.run([Path::new("check"), &config]).succeeded().reports().remove(0);
    assert!(report["topics"][1]["note"].as_str().is_some_and(|note| note.contains("DescribeConfigs")), "{report}");
    runner.back_up(&config);
}

/// All of the configuration can be in the environment, as for a function.
#[test]
fn no_file_is_needed_where_the_environment_says_all() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("fileless", 1, &[]);
    let runner = Runner::on_folder(&kafka);
    let variables = runner.variables(&runner.backup_config(&[&topic], Value::Null));
    let report = runner.run_with(["check"], &variables).succeeded().reports().remove(0);
    assert_eq!(names(&report), [topic.as_str()].into());
    let outcome = runner.run_with(["check"], &[]);
    assert!(outcome.status.code() == Some(2) && outcome.stderr.contains("TOPIC_NAMES is missing"), "{}", outcome.stderr);
}
