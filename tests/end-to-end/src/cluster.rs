//! A cluster for one test, whose brokers it may kill.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::kafka::{Kafka, unique};

/// Brokers that no other test uses. They stop when this value is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// The address of all of them.
    pub kafka: Kafka,
}

impl Cluster {
    /// Starts a cluster. Its folder is inside that of `shared`, so `services/with` stops it if the
    /// test is killed.
    pub fn start(shared: &Kafka, brokers: u32) -> Self {
        Self::start_with(shared, brokers, &[])
    }

    /// The same with these properties of the brokers, for example `auto.create.topics.enable=true`.
    pub fn start_with(shared: &Kafka, brokers: u32, properties: &[&str]) -> Self {
        let dir = shared.dir.join(unique("own"));
        let kafka = Kafka { bootstrap: String::new(), libs: shared.libs.clone(), dir };
        let mut cluster = Self { kafka };
        let brokers = brokers.to_string();
        let properties = properties.iter().flat_map(|property| ["--property", property]);
        cluster.script("start", &["--brokers", &brokers].into_iter().chain(properties).collect::<Vec<_>>());
        let env = r#"source "$0/env" && echo -n "$KAFKA_BOOTSTRAP_SERVERS""#;
        cluster.kafka.bootstrap = run(Command::new("bash").args(["-c", env]).arg(&cluster.kafka.dir));
        cluster
    }

    /// SIGKILL to a broker, from 1 on.
    pub fn kill(&self, broker: u32) {
        self.script("kill", &[&broker.to_string()]);
    }

    /// Starts a killed broker again, and waits until it serves.
    pub fn resume(&self, broker: u32) {
        self.script("resume", &[&broker.to_string()]);
    }

    /// Appends bytes to the log of a partition, on the disk of a killed broker.
    pub fn append_to_log(&self, broker: u32, topic: &str, partition: i32, bytes: &[u8]) {
        let folder = self.kafka.dir.join(format!("{broker}/data/{topic}-{partition}"));
        let log = OpenOptions::new().append(true).open(folder.join("00000000000000000000.log"));
        log.and_then(|mut log| log.write_all(bytes)).expect("the log of a broker of our own");
        // Indexes and checkpoints of the old log. The broker creates them again.
        for file in folder.read_dir().expect("it was opened").flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|kind| ["index", "timeindex", "txnindex", "snapshot"].iter().any(|index| kind == *index)) {
                std::fs::remove_file(file).expect("a file of a broker of our own");
            }
        }
    }

    /// The broker that leads a topic's partition 0.
    pub fn leader(&self, topic: &str) -> u32 {
        let described = self.kafka.admin("TopicCommand", ["--describe", "--topic", topic]);
        let (_, leader) = described.split_once("Leader: ").unwrap_or_else(|| panic!("no leader in {described}"));
        leader.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no leader in {described}"))
    }

    fn script(&self, command: &str, more: &[&str]) {
        run(Command::new(script()).arg(command).arg(&self.kafka.dir).args(more));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Not through `run`: a panic here would hide the current one.
        let _ = Command::new(script()).arg("stop").arg(&self.kafka.dir).status();
        let _ = std::fs::remove_dir_all(&self.kafka.dir);
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/kafka")
}

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("bash starts");
    assert!(status.success(), "{command:?}: {status}\n{}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}
