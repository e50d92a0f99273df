//! The part about configs in the report of a restore: a command that a shell and Kafka's own tool
//! accept, whatever the bucket contains.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use end_to_end::kafka::{Kafka, unique};
use end_to_end::record::Record;
use end_to_end::runner::{Runner, local_runner};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Restore creates a topic that keeps everything. The command at the end of the report makes it
/// equal to the original.
#[test]
fn the_printed_command_gives_the_target_the_configs_of_the_original() {
    let Some(kafka) = require_kafka() else { return };
    let some = [
        ("cleanup.policy", "compact,delete"),
        ("segment.ms", "600000"),
        ("max.message.bytes", "2000000"),
        ("retention.bytes", "1000000000"),
        ("message.timestamp.type", "LogAppendTime"),
    ];
    for (configs, has_retention) in [(&some[..], true), (&some[1..2], false), (&[], false)] {
        let topic = kafka.create_topic("configured", 1, configs);
        if !has_retention {
            kafka
                .admin("ConfigCommand", ["--alter", "--entity-type", "topics", "--entity-name", &topic, "--delete-config", "retention.ms"]);
        }
        kafka.produce(&topic, &[Record::new(0, crate::kafka::LONG_AGO).key("a").value("1")]);
        let runner = Runner::on_folder(&kafka);
        runner.back_up(&runner.backup_config(&[&topic], Value::Null));
        let target = unique("copy");
        let (text, commands) = restore(&runner, &runner.restore_config(&topic, &target, Value::Null));
        assert!(own_configs(&kafka, &target).contains("retention.ms=-1"), "nothing is deleted before the restore is verified");
        let [command] = &commands[..] else { panic!("{text}") };
        run(&kafka, command);
        assert_eq!(own_configs(&kafka, &target), own_configs(&kafka, &topic), "{command}");
        // Nothing is left to do, and nothing is reported.
        let (text, commands) = restore(&runner, &runner.restore_config(&topic, &target, Value::Null));
        assert!(commands.is_empty() && !text.contains("kafka-configs.sh"), "{text}");
    }
}

/// A writer to the bucket gets nothing into the shell or onto the terminal of the operator of a
/// restore.
#[test]
fn a_topic_json_of_somebody_hostile_runs_nothing() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("hostile", 1, &[]);
    kafka.produce(&topic, &[Record::new(0, crate::kafka::LONG_AGO).key("a").value("1")]);
    let runner = Runner::on_folder(&kafka);
    let backup = runner.backup_config(&[&topic], Value::Null);
    runner.back_up(&backup);
    let dir = TempDir::new().expect("a temporary folder");
    let proof = dir.path().join("injected");
    let touch = format!("touch {}", proof.display());
    let path = runner.backups().join(&topic).join("topic.json");
    let mut content: Value = serde_json::from_slice(&fs::read(&path).expect("topic.json")).expect("JSON");
    content["configs"] = json!({
        "segment.ms": format!("1'; {touch}; '"),
        "flush.ms": format!("$({touch})"),
        "x\n; id": "1",
        "segment.bytes": "1\u{1b}[2J\u{9b}31m\r",
    });
    content["cluster_id"] = "\u{1b}]0;owned\u{7}\nnote: all is well".into();
    fs::write(&path, content.to_string()).expect("topic.json can be written");
    fs::create_dir_all(runner.backups().join("evil\u{1b}[2J\nnote: all is well@2").join("0")).expect("a folder");

    let (text, commands) = restore(&runner, &runner.restore_config(&topic, &unique("copy"), Value::Null));
    let [command] = &commands[..] else { panic!("{text}") };
    arguments(command);
    assert!(!proof.exists(), "{command}");
    assert_harmless(&text);
    for arguments in [["list"].as_slice(), &["verify"], &["list", "--segments"]] {
        for json in [&[][..], &["--json"]] {
            let output = local_runner().args(json).arg(arguments[0]).arg(&backup).args(&arguments[1..]).output().expect("it runs");
            assert_harmless(&String::from_utf8_lossy(&output.stdout));
            assert_harmless(&String::from_utf8_lossy(&output.stderr));
        }
    }
    let unknown = runner.restore_config("none-of-this-name", "copy", Value::Null);
    let output = local_runner().arg("restore").arg(&unknown).arg("--once").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("there are:"), "{text}");
    assert_harmless(&text);
}

#[track_caller]
fn assert_harmless(text: &str) {
    assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
    assert!(!text.contains("\nnote: all is well"), "{text}");
}

/// Its output for people, and the commands in it.
#[track_caller]
fn restore(runner: &Runner, config: &Path) -> (String, Vec<String>) {
    _ = runner;
    let output = local_runner().arg("restore").arg(config).arg("--until-caught-up").output().expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    let last = text.rfind("FROM ").map_or("", |at| &text[at..]);
    let commands = last.lines().map(str::trim).filter(|line| line.starts_with("kafka-configs.sh ")).map(str::to_owned).collect();
    (text, commands)
}

/// The configs set on a topic, as Kafka's tool prints them.
fn own_configs(kafka: &Kafka, topic: &str) -> BTreeSet<String> {
    let described = kafka.admin("ConfigCommand", ["--describe", "--entity-type", "topics", "--entity-name", topic]);
    let lines = described.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(|line| line.split(" sensitive=").next().unwrap_or_default().to_owned()).collect()
}

/// Runs a printed command as an operator does who pastes it into a shell.
fn run(kafka: &Kafka, command: &str) {
    let arguments = arguments(command);
    assert_eq!(arguments[..2], ["--bootstrap-server".to_owned(), kafka.bootstrap.clone()]);
    kafka.admin("ConfigCommand", &arguments[2..]);
}

/// The arguments into which a shell splits a command.
fn arguments(command: &str) -> Vec<String> {
    let dir = TempDir::new().expect("a temporary folder");
    let tool = dir.path().join("kafka-configs.sh");
    fs::write(&tool, "#!/bin/sh\nprintf '%s\\0' \"$@\"\n").expect("a file");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("a path"));
    let output = Command::new("sh").arg("-c").arg(command).env("PATH", path).output().expect("a shell");
    assert!(output.status.success() && output.stderr.is_empty(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.strip_suffix('\0').unwrap_or_default().split('\0').map(str::to_owned).collect()
}
