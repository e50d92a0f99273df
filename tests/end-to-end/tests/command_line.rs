//! The programs when used by hand. Only the last test needs a server.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use archive::catalog::Generation;
use archive::testing::{add_generation, add_segment, add_snapshot, generation, snapshot};
use end_to_end::function::Function;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::runner::{Runner, finish, local_runner};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};
use store::testing::MemoryStore;
use tempfile::TempDir;

/// `local-runner cost | head -0`
#[test]
fn a_reader_that_goes_away_is_nobodys_failure() {
    for json in [&["--json"][..], &[]] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let output = local_runner().arg("cost").args(json).stdout(writer).output().expect("local-runner starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    }
}

/// A script that reads the file afterwards would take a partial answer for the whole.
#[test]
#[cfg(target_os = "linux")]
fn a_result_that_cannot_be_written_is_a_failure_of_every_command() {
    let dir = backed_up_by_the_python_tool();
    let folder = dir.path().to_str().expect("a path");
    let commands = [&["list", folder][..], &["verify", folder], &["cost"], &["--help"], &["--version"]];
    for arguments in commands {
        for json in [&["--json"][..], &[]] {
            let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
            let output = local_runner().args(json).args(arguments).stdout(full).output().expect("local-runner starts");
            let stderr = String::from_utf8_lossy(&output.stderr);
            let said = stderr.matches("error: stdout cannot be written").count();
            assert_eq!((output.status.code(), said), (Some(1), 1), "{arguments:?} {json:?}: {stderr}");
        }
    }
}

/// Printed output is masked as well, not only logs.
#[test]
fn no_secret_is_in_an_error_of_the_runner() {
    let dir = TempDir::new().expect("a temporary folder");
    let config = dir.path().join("config.json");
    let keys =
        json!({"FILESYSTEM_TYPE": "LINUX", "FILESYSTEM_BACKUP_DIR": "/nowhere/hunter2hunter2", "MINIO_SECRET_KEY": "hunter2hunter2"});
    fs::write(&config, keys.to_string()).expect("a file");
    let output = local_runner().arg("verify").arg(&config).output().expect("local-runner starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("error: /nowhere/***") && !stderr.contains("hunter2"), "{stderr}");
}

/// A container platform sets CONTAINER_NAME, and the error that follows names only that one.
#[test]
fn a_variable_that_replaces_a_value_of_the_file_is_named_at_the_start() {
    let dir = TempDir::new().expect("a temporary folder");
    let config = dir.path().join("config.json");
    let keys = json!({"FILESYSTEM_TYPE": "LINUX", "FILESYSTEM_BACKUP_DIR": dir.path(), "STORAGE_PREFIX": "mine"});
    fs::write(&config, keys.to_string()).expect("a file");
    let list = |prefix: &str| local_runner().arg("list").arg(&config).env("STORAGE_PREFIX", prefix).output().expect("local-runner starts");
    let stderr = String::from_utf8_lossy(&list("theirs").stderr).into_owned();
    let named =
        stderr.contains("environment variables take precedence over") && stderr.contains("STORAGE_PREFIX = ") && stderr.contains("theirs");
    assert!(named && stderr.contains("mine") && stderr.lines().count() == 1, "{stderr}");
    assert!(list("mine").stderr.is_empty());
}

/// Both SDKs read proxy variables, so an unreachable proxy would be reported as an unreachable
/// store.
#[test]
fn a_proxy_that_is_down_is_named_and_not_the_store() {
    let dir = TempDir::new().expect("a temporary folder");
    let config = dir.path().join("config.json");
    let minio = json!({"FILESYSTEM_TYPE": "MINIO", "MINIO_URL": "http://minio.invalid:9000", "BUCKET_NAME": "backups",
        "MINIO_ACCESS_KEY": "key", "MINIO_SECRET_KEY": "secret"});
    let azure = json!({"FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": "backups",
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=acme;AccountKey=c2VjcmV0;BlobEndpoint=https://acme.invalid"});
    for (keys, variable) in [(minio, "HTTP_PROXY"), (azure, "HTTPS_PROXY")] {
        fs::write(&config, keys.to_string()).expect("a file");
        let list = |no_proxy: &str| {
            let mut command = local_runner();
            // Nothing listens there.
            command.arg("list").arg(&config).env(variable, "http://user:hunter22@127.0.0.1:9").env("NO_PROXY", no_proxy);
            String::from_utf8_lossy(&command.output().expect("local-runner starts").stderr).into_owned()
        };
        let stderr = list("elsewhere");
        assert!(stderr.contains(&format!("through the proxy http://127.0.0.1:9 ({variable}): check that proxy")), "{stderr}");
        assert!(!stderr.contains("hunter22"), "{stderr}");
        assert!(!list("invalid").contains("proxy"), "NO_PROXY holds");
    }
}

#[test]
fn a_function_takes_no_arguments_and_starts_nothing() {
    for function in [Function::Backup, Function::Restore] {
        let output = function.command().arg("--help").output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(output.stdout.is_empty() && stderr.contains("configure it with environment variables"), "{stderr}");
    }
}

/// A folder with one complete archive of the Python tool.
fn backed_up_by_the_python_tool() -> TempDir {
    let dir = TempDir::new().expect("a temporary folder");
    let archives = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/archive/testdata/python-archives/orders/1");
    let folder = dir.path().join("orders/1");
    fs::create_dir_all(&folder).expect("a folder");
    for entry in fs::read_dir(archives).expect("the test data") {
        let path = entry.expect("a file").path();
        fs::copy(&path, folder.join(path.file_name().expect("a name"))).expect("a copy");
    }
    dir
}

/// In the Python tool's restore.json FILESYSTEM_BACKUP_DIR is the topic's own folder.
#[test]
fn the_python_tools_restore_file_shows_its_topic_and_no_other() {
    let dir = TempDir::new().expect("a temporary folder");
    for topic in ["davinder.test", "other"] {
        fs::create_dir_all(dir.path().join(topic).join("0")).expect("a folder");
        fs::write(dir.path().join(topic).join("0/20261123-072346.tar.gz"), "never opened").expect("a file");
    }
    let keys = json!({
        "BOOTSTRAP_SERVERS": "localhost:9092", "RESTORE_TOPIC_NAME": "davinder-restore.test", "FILESYSTEM_TYPE": "LINUX",
        "FILESYSTEM_BACKUP_DIR": dir.path().join("davinder.test"), "RETRY_SECONDS": 100, "RESTORE_PARTITION_STRATEGY": "same",
    });
    let config = dir.path().join("restore.json");
    fs::write(&config, keys.to_string()).expect("a file");
    let output = local_runner().args(["--json", "list"]).arg(&config).output().expect("local-runner starts");
    let rows: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((&rows[0]["folder"], &rows[0]["python_archives"]), (&json!("davinder.test"), &json!(1)));
}

/// Deleted objects, and the expected messages.
struct Deleted {
    what: &'static str,
    /// Which objects.
    is_deleted: fn(&str) -> bool,
    /// The message of verify, list and restore.
    says: &'static str,
    /// `list` detects it from the names of objects and the ends of partitions. A hole whose
    /// `.sha256` is missing too is detected from manifests.
    list: &'static [&'static str],
    /// Whether restore detects it before it writes anything. It detects a hole in the middle only
    /// when it reaches it: `damage`.
    is_known_at_once: bool,
}

const DELETED: [Deleted; 7] = [
    Deleted {
        what: "a topic's folder",
        is_deleted: |name| name.starts_with("orders/"),
        says: "orders/ is missing with everything in it",
        list: &["list"],
        is_known_at_once: true,
    },
    Deleted {
        what: "a partition's folder",
        is_deleted: |name| name.starts_with("orders/1/"),
        says: "every segment of orders/1 is missing",
        list: &["list"],
        is_known_at_once: true,
    },
    Deleted {
        what: "the last segment",
        is_deleted: |name| name.starts_with("orders/0/00000000000000000020.tar.gz"),
        says: "offsets 20 to 30 of orders/0 are missing at its end",
        list: &["list"],
        is_known_at_once: true,
    },
    Deleted {
        what: "a middle one",
        is_deleted: |name| name.starts_with("orders/0/00000000000000000010.tar.gz"),
        says: "orders/0/00000000000000000020.tar.gz",
        list: &["list", "--segments"],
        is_known_at_once: false,
    },
    Deleted {
        what: "a middle one without its .sha256",
        is_deleted: |name| name == "orders/0/00000000000000000010.tar.gz",
        says: "orders/0/00000000000000000010.tar.gz: missing",
        list: &["list"],
        is_known_at_once: false,
    },
    Deleted {
        what: "topic.json",
        is_deleted: |name| name == "orders/topic.json",
        says: "orders/topic.json",
        list: &["list"],
        is_known_at_once: true,
    },
    Deleted {
        what: "all snapshots",
        is_deleted: |name| name.starts_with("@cluster/"),
        says: "all snapshots of @cluster/kafka-1/backup/ are missing",
        list: &["list"],
        is_known_at_once: true,
    },
];

/// Two partitions of three segments each, and a snapshot that contains them.
fn backed_up() -> TempDir {
    let store = MemoryStore::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let snapshots = Some("@cluster/kafka-1/backup/".to_owned());
        add_generation(&store, &Generation { partitions: 2, snapshots, ..generation("orders") });
        for (partition, start) in [(0, 0), (0, 10), (0, 20), (1, 0), (1, 10), (1, 20)] {
            add_segment(&store, "orders", partition, start..start + 10, 1_700_000_000_000).await;
        }
        add_snapshot(&store, &snapshot(1_700_000_000_000, [("orders", "orders", 0, 30), ("orders", "orders", 1, 30)])).await;
    });
    let dir = TempDir::new().expect("a temporary folder");
    for (name, body) in store.snapshot() {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, body).expect("a file");
    }
    dir
}

/// Deletes these objects, and folders that become empty.
fn delete(folder: &Path, under: &Path, is_deleted: fn(&str) -> bool) -> usize {
    let mut deleted = 0;
    for entry in fs::read_dir(under).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            deleted += delete(folder, &path, is_deleted);
            _ = fs::remove_dir(&path);
        } else if is_deleted(&path.strip_prefix(folder).expect("a part of it").to_string_lossy()) {
            fs::remove_file(&path).expect("it was there");
            deleted += 1;
        }
    }
    deleted
}

/// The exit code of a command, and all of its output.
fn run(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
    let output = local_runner().args(arguments).arg(config).output().expect("local-runner starts");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    (output.status.code(), said)
}

#[test]
fn what_was_backed_up_and_is_deleted_is_named_by_verify_and_list() {
    let none = Deleted { what: "nothing", is_deleted: |_| false, says: "", list: &["list", "--segments"], is_known_at_once: false };
    for Deleted { what, is_deleted, says, list, .. } in DELETED.into_iter().chain([none]) {
        let dir = backed_up();
        let is_none = delete(dir.path(), dir.path(), is_deleted) == 0;
        let code = Some(i32::from(!is_none));
        for arguments in [list, &["verify"], &["--json", "verify"]] {
            let (ended, said) = run(arguments, dir.path());
            assert!(ended == code && said.contains(says), "{what}, {arguments:?}: {ended:?} {said}");
        }
    }
}

/// `local-runner` with this text on standard input.
fn run_with_stdin(arguments: &[&str], text: &str) -> (Option<i32>, String, String) {
    let mut command = local_runner();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("local-runner starts");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it is read");
    let outcome = finish(child);
    (outcome.status.code(), outcome.stdout, outcome.stderr)
}

#[test]
fn a_configuration_is_read_from_standard_input() {
    let dir = backed_up();
    let keys = json!({"FILESYSTEM_TYPE": "LINUX", "FILESYSTEM_BACKUP_DIR": dir.path(), "$schema": "config.schema.json"}).to_string();
    for arguments in [&["--json", "list", "-"][..], &["--json", "list", "--config", "-"], &["--json", "verify", "--config", "-"]] {
        let (code, stdout, stderr) = run_with_stdin(arguments, &keys);
        assert_eq!((code, stdout.lines().count()), (Some(0), 2), "{arguments:?}: {stdout}{stderr}");
    }
    let (code, _, stderr) = run_with_stdin(&["list", "-"], "{\"FILESYSTEM_TYPE\": \"LINUX\",}");
    assert!(code == Some(2) && stderr.contains("standard input: is not valid JSON"), "{stderr}");
    let (code, _, stderr) = run_with_stdin(&["translate", "--config", "-"], &keys);
    assert!(code == Some(2) && stderr.contains("standard input is the configuration: give the offsets as arguments"), "{stderr}");
    let (code, _, stderr) = run_with_stdin(&["list", "backup.json", "--config", "-"], &keys);
    assert!(code == Some(2) && stderr.contains("cannot be used with"), "{stderr}");
}

/// No output of these is a terminal: JSON unless LOG_FORMAT decides otherwise, and never colours.
#[test]
fn log_format_decides_how_lines_look_and_another_value_is_refused() {
    let dir = backed_up();
    let config = dir.path().join("config.json");
    let keys = json!({"FILESYSTEM_TYPE": "LINUX", "FILESYSTEM_BACKUP_DIR": dir.path(), "STORAGE_PREFIX": "a"});
    fs::write(&config, keys.to_string()).expect("a file");
    let list = |format: &[(&str, &str)]| {
        let mut command = local_runner();
        // Replacing a value of the file is a warning.
        command.arg("list").arg(&config).env("STORAGE_PREFIX", "b").envs(format.iter().copied());
        let output = command.output().expect("local-runner starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for format in [&[][..], &[("LOG_FORMAT", "json")]] {
        let (code, stderr) = list(format);
        let line: Value = serde_json::from_str(stderr.trim()).expect("a JSON line");
        assert!(code == Some(0) && line["level"] == "WARNING", "{stderr}");
    }
    for colors in [&[("LOG_FORMAT", "text")][..], &[("LOG_FORMAT", "text"), ("CLICOLOR_FORCE", "1")]] {
        let (_, stderr) = list(colors);
        assert!(stderr.contains("Z  WARNING  environment variables take precedence") && !stderr.contains('\u{1b}'), "{stderr}");
    }
    let (code, stderr) = list(&[("LOG_FORMAT", "xml")]);
    assert!(code == Some(2) && stderr.contains("LOG_FORMAT = \"xml\" (environment): must be one of text, json"), "{stderr}");
    let output = local_runner().arg("list").arg(dir.path()).env("LOG_FORMAT", "xml").output().expect("local-runner starts");
    assert_eq!(output.status.code(), Some(2), "of a folder, too");
}

#[test]
fn help_is_in_groups_and_pages_and_completions_are_printed() {
    let output = |arguments: &[&str]| {
        let output = local_runner().args(arguments).output().expect("local-runner starts");
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for arguments in [&["help"][..], &["--help"], &["-h"]] {
        let help = output(arguments);
        let places = ["Back up:", "Restore:", "Look:", "Operate:", "Options:", "Exit codes:"].map(|heading| help.find(heading));
        assert!(places.iter().all(Option::is_some) && places.is_sorted() && !help.contains('\u{1b}'), "{help}");
    }
    assert!(output(&["backup", "--help"]).contains("local-runner backup backup.json --until-caught-up"));
    let completions = output(&["completions", "bash"]);
    assert!(completions.lines().any(|line| line.trim().starts_with("complete -F _") && line.ends_with(" local-runner")), "{completions}");
    assert!(output(&["man"]).contains(".TH local-runner 1"));
}

/// For one topic, and for all by a pattern; by the plan and by the restore.
#[test]
fn what_was_backed_up_and_is_deleted_is_named_before_a_restore_writes_anything() {
    let Some(kafka) = require_kafka() else { return };
    let config = TempDir::new().expect("a temporary folder");
    let path = config.path().join("restore.json");
    for Deleted { what, is_deleted, says, .. } in DELETED.into_iter().filter(|deleted| deleted.is_known_at_once) {
        let dir = backed_up();
        delete(dir.path(), dir.path(), is_deleted);
        for (from, command) in [("orders", &["restore", "--once"][..]), ("*", &["restore", "--once"]), ("*", &["plan"])] {
            let prefix = unique("copy");
            let keys = json!({
                "BOOTSTRAP_SERVERS": kafka.bootstrap, "BACKUP_TOPIC_NAME": from, "RESTORE_TOPIC_NAME": format!("{prefix}-{{topic}}"),
                "FILESYSTEM_TYPE": "LINUX", "FILESYSTEM_BACKUP_DIR": dir.path(),
            });
            fs::write(&path, keys.to_string()).expect("a file");
            let (ended, said) = run(command, &path);
            assert!(ended == Some(1) && said.contains(says), "{what}, {command:?} of {from}: {ended:?} {said}");
            let is_there = kafka.topic_exists(&format!("{prefix}-orders"));
            assert!(!is_there && !dir.path().join("@restore").exists(), "{what}, {command:?} of {from}");
        }
    }
}

/// `--until-caught-up && delete-the-topic` must not delete a topic that is not completely backed
/// up.
#[test]
fn a_stop_with_work_left_is_no_success_and_the_same_command_goes_on() {
    let Some(kafka) = require_kafka() else { return };
    let runner = Runner::on_folder(&kafka);
    let topic = filled(&kafka);
    let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 1000}));
    stop_after(&runner, "backup", &backup, "started polling");
    runner.back_up(&backup);
    let copy = unique("copy");
    let restore = runner.restore_config(&topic, &copy, Value::Null);
    stop_after(&runner, "restore", &restore, "restore successful");
    runner.restore(&restore);
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
}

/// A topic of sixty segments of about a megabyte. A restore commits sixteen of them together.
fn filled(kafka: &Kafka) -> String {
    let topic = kafka.create_topic("stopped", 1, &[]);
    kafka.bulk(&topic, 60_000, 1000);
    topic
}

/// Runs the command, stops it at the first log line that contains `word`, and asserts that it
/// reports what is left.
fn stop_after(runner: &Runner, command: &str, config: &Path, word: &str) {
    let mut child = runner.spawn([Path::new(command), config, Path::new("--until-caught-up")]);
    let mut log = BufReader::new(child.stderr.take().expect("it is piped")).lines().map(|line| line.expect("text"));
    assert!(log.any(|line| line.contains(word)), "{command} never says {word:?}");
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    assert!(asked.success(), "{command} has ended already");
    let rest: Vec<String> = log.collect();
    assert_eq!(finish(child).status.code(), Some(1), "{command}: {rest:?}");
    assert!(rest.iter().any(|line| line.contains("stopped with work left: run the same command again to resume")), "{command}: {rest:?}");
}
