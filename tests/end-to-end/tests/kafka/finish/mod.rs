//! A lost cluster is restored and finished, with kills at any moment. Every group resumes at
//! exactly its next record, topics have their configs, and the cluster has its access control
//! lists. All of it can be undone.

mod judge;
mod scene;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use end_to_end::groups::{Commit, Protocol};
use end_to_end::kafka::Kafka;
use end_to_end::runner::{Outcome, Runner, finish};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{files_below, until_it_has};
use judge::{assert_groups_go_on, assert_groups_skip_nothing, assert_state, finished, produce_new};
use scene::{COMPACTED, CONFIGURED, FOREIGN, LONG, OLD, ORDERS, Scene, TOPICS, WIDE, partitions};

/// Kills of each command, before it may run to its end.
const KILLS: usize = 4;

/// Kills it with SIGKILL at random moments: the first time at any moment, then when this folder of
/// the bucket has something new. Finally it runs to its end.
fn whatever_is_killed(runner: &Runner, arguments: &[&Path], folder: &str, longest: Duration) -> Outcome {
    let written = || files_below(&runner.backups().join(folder), "");
    for kill in 0..KILLS {
        let mut child = runner.spawn(arguments);
        if kill > 0 {
            let enough = written() + usize::from(written() == 0) + rand::random_range(0..2);
            let begin = Instant::now();
            until_it_has(&mut child, || written() >= enough || begin.elapsed() > longest);
        }
        sleep(longest.mul_f64(rand::random_range(0.0..1.0) / if kill == 0 { 1.0 } else { 3.0 }));
        child.kill().expect("a child of ours");
        child.wait().expect("a child of ours");
    }
    runner.run(arguments)
}

/// Runs `finish CONFIG OPTION…`, which must end with this exit code. Returns its report.
#[track_caller]
fn finish_with(runner: &Runner, config: &Path, options: &[&str], code: i32) -> Value {
    let arguments = [Path::new("finish"), config].into_iter().chain(options.iter().map(Path::new));
    report(runner.run(arguments), code)
}

#[track_caller]
fn report(outcome: Outcome, code: i32) -> Value {
    assert_eq!(outcome.status.code(), Some(code), "{outcome:?}");
    outcome.reports().pop().expect("a report")
}

/// Restores everything, with kills.
fn restore(scene: &Scene, config: &Path, id: &str) {
    let folder = format!("@restore/{id}");
    whatever_is_killed(&scene.runner, &[Path::new("restore"), config], &folder, Duration::from_secs(1)).succeeded();
}

/// The texts of a list of a report.
fn texts(report: &Value, list: &str) -> Vec<String> {
    serde_json::from_value(report[list].clone()).unwrap_or_else(|_| panic!("no {list} in {report}"))
}

/// Asserts that one of these texts has all of the words.
#[track_caller]
fn assert_named(texts: &[String], words: &[&str]) {
    assert!(texts.iter().any(|text| words.iter().all(|word| text.contains(word))), "nothing names {words:?}: {texts:#?}");
}

/// Gives the target a topic, a group, and access control lists of its own. The lost cluster had one
/// of those lists, too.
fn furnish(to: &Kafka) {
    to.create_topic_named("theirs", 1, &[("segment.ms", "700000")]);
    to.produce("theirs", &crate::kafka::numbered(0, 0..5));
    to.move_offset("their-group", "theirs", 3);
    to.allow("User:alice", &["Read"], "--topic=orders");
    to.allow("User:bob", &["Read"], "--topic=theirs");
}

#[test]
fn every_group_goes_on_at_its_next_record_whatever_is_killed() {
    let Some(shared) = require_kafka() else { return };
    let (lost, empty) = thread::scope(|scope| {
        let lost = scope.spawn(|| {
            let lost = scene::start(&shared);
            let scene = Scene::backed_up(&lost.kafka);
            (lost, scene)
        });
        let empty = scene::start(&shared);
        furnish(&empty.kafka);
        (lost.join().expect("it is backed up"), empty)
    });
    let ((lost, scene), to) = (lost, &empty.kafka);
    drop(lost);
    let config = scene.config(to, "dr", "{topic}", json!({"RESTORE_ANYWAY": "retention"}));
    restore(&scene, &config, "dr");
    produce_new(to, &TOPICS, "{topic}");

    let before = to.state();
    let begin = Instant::now();
    let plan = finish_with(&scene.runner, &config, &[], 0);
    let took = begin.elapsed();
    assert_state(&before, &to.state());
    assert_eq!((&plan["applied"], &plan["left"]), (&json!(false), &json!([])), "{plan}");

    let apply = [Path::new("finish"), &config, Path::new("--apply")];
    report(whatever_is_killed(&scene.runner, &apply, "@restore/dr/@finish", took), 0);
    assert_groups_go_on(&scene, to, &TOPICS, "{topic}");
    let after = to.state();
    assert_state(&finished(&scene, &before, &after["groups"]), &after);
    let again = finish_with(&scene.runner, &config, &["--apply"], 0);
    assert_eq!(again["acls"]["changed"], 0, "{again}");
    assert_state(&after, &to.state());

    let undo = [Path::new("finish"), &config, Path::new("--undo"), Path::new("--apply")];
    finish_with(&scene.runner, &config, &["--undo"], 0);
    assert_state(&after, &to.state());
    report(whatever_is_killed(&scene.runner, &undo, "@restore/dr/@finish", took), 0);
    assert_state(&before, &to.state());

    what_cannot_be_done_is_named_and_holds_up_nothing_else(&scene, to, &before);
    groups_go_on_in_other_topics(&scene, to);
}

/// An active group, and a group that has committed in the target itself. A config that the target
/// does not know, and access control lists of another user. Retention that would delete restored
/// records.
fn what_cannot_be_done_is_named_and_holds_up_nothing_else(scene: &Scene, to: &Kafka, before: &Value) {
    let config = scene.config(to, "dr", "{topic}", json!({}));
    // As if the lost cluster had run a newer Kafka.
    let noted = scene.runner.backups().join("@restore/dr/restore.json");
    let known = fs::read(&noted).expect("restore.json");
    let mut content: Value = serde_json::from_slice(&known).expect("JSON");
    let topics = content["topics"].as_array_mut().expect("topics");
    let configured = topics.iter_mut().find(|topic| topic["folder"] == CONFIGURED).expect("it is restored");
    configured["then"]["configs"]["config.of.tomorrow"] = "1".into();
    fs::write(&noted, content.to_string()).expect("the bucket is a folder");
    let alive = to.join("some-partitions", WIDE);
    let own = Commit {
        group: "overtaken".to_owned(),
        protocol: Protocol::Simple,
        topic: WIDE.to_owned(),
        partition: 0,
        offset: 1,
        metadata: String::new(),
    };
    to.commit(&[own]);

    let report = finish_with(&scene.runner, &config, &["--apply"], 1);
    let left = texts(&report, "left");
    assert_named(&left, &["some-partitions", WIDE, "members"]);
    assert_named(&left, &["overtaken", "it has committed 1 itself", "RESTORE_ANYWAY=group-offsets"]);
    assert_named(&left, &["config.of.tomorrow", CONFIGURED, "does not know"]);
    assert_named(&left, &["retention.ms", OLD, "would delete what is older than", "RESTORE_ANYWAY=retention"]);
    assert_named(&texts(&report, "notes"), &["no SCRAM users", FOREIGN]);
    assert_named(&texts(&report, "commands"), &["--entity-type users", "alice"]);
    let state = to.state();
    let wanted = finished(scene, before, &state["groups"]);
    assert_eq!(state["acls"], wanted["acls"]);
    for topic in TOPICS.into_iter().filter(|topic| ![OLD, CONFIGURED].contains(topic)) {
        assert_eq!(state["configs"][topic], wanted["configs"][topic], "{topic}");
    }
    assert_eq!(state["configs"][CONFIGURED]["segment.ms"], "600000");
    assert_eq!(state["groups"]["overtaken"], json!({"wide/0": [1, ""]}));
    assert_eq!(state["groups"].get("some-partitions"), None);

    // The remedies.
    drop(alive);
    fs::write(&noted, known).expect("the bucket is a folder");
    let config = scene.config(to, "dr", "{topic}", json!({"RESTORE_ANYWAY": "retention,group-offsets"}));
    until_no_member_is_left(&scene.runner, &config);
    assert_groups_go_on(scene, to, &TOPICS, "{topic}");
    let after = to.state();
    assert_state(&finished(scene, before, &after["groups"]), &after);
    what_is_not_ours_any_more_stays(scene, to, before, &config);
}

/// The group's coordinator takes a moment to forget a member that has left.
fn until_no_member_is_left(runner: &Runner, config: &Path) {
    for _ in 0..20 {
        if runner.run([Path::new("finish"), config, Path::new("--apply")]).status.success() {
            return;
        }
        sleep(Duration::from_millis(200));
    }
    finish_with(runner, config, &["--apply"], 0);
}

/// An undo does not touch what others have changed since, and names it.
fn what_is_not_ours_any_more_stays(scene: &Scene, to: &Kafka, before: &Value, config: &Path) {
    to.move_offset("in-the-middle", ORDERS, 59);
    to.set(CONFIGURED, "segment.ms=800000");
    let report = finish_with(&scene.runner, config, &["--undo", "--apply"], 1);
    let left = texts(&report, "left");
    assert_named(&left, &["in-the-middle", ORDERS, "59"]);
    assert_named(&left, &["segment.ms", CONFIGURED, "800000"]);
    assert_eq!(left.len(), 2, "{left:#?}");
    let mut wanted = before.clone();
    wanted["groups"]["in-the-middle"] = json!({"orders/0": [59, ""]});
    wanted["groups"]["overtaken"] = json!({"wide/0": [1, ""]});
    wanted["configs"][CONFIGURED]["segment.ms"] = "800000".into();
    assert_state(&wanted, &to.state());
}

/// Under other names, in a topic with more partitions, and where a restore without transactions was
/// killed and resumed with them.
fn groups_go_on_in_other_topics(scene: &Scene, to: &Kafka) {
    let topics = [ORDERS, COMPACTED, WIDE, LONG];
    let config = |id: &str, more: Value| {
        let mut keys = json!({"BACKUP_TOPIC_NAME": topics});
        keys.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        scene.config(to, id, &format!("{id}-{{topic}}"), keys)
    };
    let restored_and_finished = |id: &str, config: &Path, options: &[&str]| {
        restore(scene, config, id);
        produce_new(to, &topics, &format!("{id}-{{topic}}"));
        finish_with(&scene.runner, config, options, 0)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            restored_and_finished("copy-of", &config("copy-of", json!({})), &["--apply"]);
            assert_groups_go_on(scene, to, &topics, "copy-of-{topic}");
            let state = to.state();
            for topic in topics {
                assert_eq!(state["configs"][format!("copy-of-{topic}")], scene.state["configs"][topic], "{topic}");
            }
            assert_named(&texts(&state, "acls"), &["name=copy-of-orders,", "patternType=LITERAL", "User:alice", "READ"]);
        });
        scope.spawn(|| {
            for topic in topics {
                to.create_topic_named(&format!("wider-{topic}"), 2 * partitions(topic), &[]);
            }
            restored_and_finished("wider", &config("wider", json!({})), &["--apply", "--only", "groups"]);
            assert_groups_go_on(scene, to, &topics, "wider-{topic}");
        });
        scope.spawn(|| {
            kill_while_it_writes(&scene.runner, &config("upgraded", json!({"DELIVERY": "at-least-once"})), "@restore/upgraded");
            // The position of records after a checkpoint is unknown, so some are written twice.
            let config = config("upgraded", json!({"RESTORE_ANYWAY": "lost-progress"}));
            let report = restored_and_finished("upgraded", &config, &["--apply", "--only", "groups"]);
            assert_groups_skip_nothing(scene, to, &topics, "upgraded-{topic}", &report);
        });
    });
}

/// Kills a restore several times, each time while it writes a topic of many segments, or a little
/// later.
fn kill_while_it_writes(runner: &Runner, config: &Path, folder: &str) {
    let binding = runner.backups().join(folder).join(format!("@topic/{LONG}.json"));
    for kill in 0..KILLS {
        let mut child = runner.spawn([Path::new("restore"), config]);
        until_it_has(&mut child, || binding.exists());
        let longest = if kill == 0 { 150 } else { 1000 };
        sleep(Duration::from_millis(rand::random_range(0..longest)));
        child.kill().expect("a child of ours");
        let outcome = finish(child);
        assert!(outcome.status.signal() == Some(9) || outcome.status.success(), "{outcome:?}");
    }
}
