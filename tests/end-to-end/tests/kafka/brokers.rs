//! Brokers that are killed during the work.

use std::path::Path;

use end_to_end::cluster::Cluster;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::runner::{Runner, finish};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::{files_below, until_it_has};

const RECORDS: u64 = 60_000;

/// All brokers are unavailable for a while. The run that meets this may fail; the next ones finish.
#[test]
fn the_only_broker_killed_during_backup_and_restore() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start(&shared, 1);
    let work = Work::new(&cluster.kafka);
    work.disturbed("backup", &work.backup, ".sha256", || {
        cluster.kill(1);
        cluster.resume(1);
    });
    work.disturbed("restore", &work.restore, ".json", || {
        cluster.kill(1);
        cluster.resume(1);
    });
    work.assert_done();
}

/// The leader is killed, and with it a third of all leaders and coordinators. Two in-sync replicas
/// remain, so the run itself continues.
#[test]
fn a_leader_killed_during_backup_and_restore() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start(&shared, 3);
    let work = Work::new(&cluster.kafka);
    let first = cluster.leader(&work.topic);
    work.disturbed("backup", &work.backup, ".sha256", || cluster.kill(first));
    cluster.resume(first);
    cluster.kafka.create_topic_named(&work.copy, 3, &[]);
    let second = cluster.leader(&work.copy);
    work.disturbed("restore", &work.restore, ".json", || cluster.kill(second));
    work.assert_done();
}

/// A topic, its backup and its copy.
struct Work<'a> {
    kafka: &'a Kafka,
    runner: Runner,
    topic: String,
    copy: String,
    backup: std::path::PathBuf,
    restore: std::path::PathBuf,
}

impl<'a> Work<'a> {
    fn new(kafka: &'a Kafka) -> Self {
        let topic = kafka.create_topic("bereft", 3, &[]);
        kafka.bulk(&topic, RECORDS, 200);
        let runner = Runner::on_folder(kafka);
        let copy = unique("copy");
        let backup = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 500}));
        let restore = runner.restore_config(&topic, &copy, Value::Null);
        Self { kafka, runner, topic, copy, backup, restore }
    }

    /// Runs a command. Calls `disturb` when it has written another file with this ending. Lets it
    /// finish, and runs it again if needed.
    fn disturbed(&self, command: &str, config: &Path, ending: &str, disturb: impl FnOnce()) {
        let files = || files_below(&self.runner.backups(), ending);
        let before = files();
        let mut child = self.runner.spawn([Path::new(command), config, Path::new("--until-caught-up")]);
        until_it_has(&mut child, || files() > before);
        assert!(child.try_wait().expect("it was started").is_none(), "{command} was done before it could be disturbed");
        disturb();
        // It may fail after its retries. A scheduler runs it again.
        finish(child);
        self.runner.until_it_succeeds(command, config);
    }

    /// Asserts that the bucket is sound, and that source and copy are the same.
    fn assert_done(&self) {
        self.runner.verify(&self.backup).succeeded();
        let [source, copy] = [&self.topic, &self.copy].map(|topic| self.kafka.digest(topic));
        assert_eq!(source.iter().map(|partition| partition.records).sum::<u64>(), RECORDS);
        assert_eq!(source, copy);
    }
}
