//! Creates, fills and reads topics with Kafka's own client and tools (`java/`), never with the code
//! under test.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;

use crate::record::{Record, Step};

/// A Kafka cluster.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// BOOTSTRAP_SERVERS.
    pub bootstrap: String,
    /// The folder with Kafka's jars.
    pub libs: PathBuf,
    /// The folder that `services/kafka` requires to kill a broker and to start it again.
    pub dir: PathBuf,
}

/// Which records of transactions to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Only those of committed transactions.
    Committed,
    /// All.
    Uncommitted,
}

/// A partition's records in one number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Digest {
    /// The partition.
    pub partition: i32,
    /// How many records it has.
    pub records: u64,
    /// Over all of them, in order, without their offsets.
    pub sha256: String,
}

impl Kafka {
    /// Creates a topic with a unique name that begins with `name`. It has no retention unless
    /// `configs` set one, because the records of tests are old.
    pub fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
        let name = unique(name);
        self.create_topic_named(&name, partitions, configs);
        name
    }

    /// Creates a topic with exactly this name.
    pub fn create_topic_named(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs: BTreeMap<_, _> = [("retention.ms", "-1")].into_iter().chain(configs.iter().copied()).collect();
        let configs = configs.iter().flat_map(|(key, value)| ["--config".to_owned(), format!("{key}={value}")]);
        let arguments = ["--create", "--topic", name, "--partitions", &partitions.to_string()].map(str::to_owned);
        self.admin("TopicCommand", arguments.into_iter().chain(configs));
    }

    /// Whether there is a topic of this name.
    pub fn topic_exists(&self, name: &str) -> bool {
        self.admin("TopicCommand", ["--list"]).lines().any(|line| line == name)
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) {
        self.admin("TopicCommand", ["--delete", "--topic", name]);
    }

    /// Runs one of Kafka's own tools (`TopicCommand`, `ConfigCommand`, `DeleteRecordsCommand`,
    /// `consumer.group.ConsumerGroupCommand`…) and returns its output.
    pub fn admin(&self, tool: &str, arguments: impl IntoIterator<Item = impl Into<String>>) -> String {
        let class = if tool == "ConfigCommand" { format!("kafka.admin.{tool}") } else { format!("org.apache.kafka.tools.{tool}") };
        let mut command = self.java(&class);
        command.args(["--bootstrap-server", &self.bootstrap]).args(arguments.into_iter().map(Into::into));
        output(command)
    }

    /// Writes records, in their order.
    pub fn produce(&self, topic: &str, records: &[Record]) {
        let steps: Vec<_> = records.iter().cloned().map(Step::Send).collect();
        self.play(topic, &steps, &[]);
    }

    /// Writes records and transactions in their order. `properties` configure the producers, for
    /// example `compression.type=zstd`.
    pub fn play(&self, topic: &str, steps: &[Step], properties: &[&str]) {
        let mut command = self.java("Produce");
        command.arg(topic).args(properties).stdin(Stdio::piped());
        let mut child = command.spawn().expect("java/run starts");
        let mut lines = BufWriter::new(child.stdin.take().expect("piped"));
        for step in steps {
            serde_json::to_writer(&mut lines, step).expect("Produce reads on");
            lines.write_all(b"\n").expect("Produce reads on");
        }
        drop(lines.into_inner().expect("Produce reads on"));
        assert!(child.wait().expect("it was started").success(), "Produce failed, see above");
    }

    /// Fills a topic quickly with JSON-like records of about `bytes` bytes, round-robin over its
    /// partitions.
    pub fn bulk(&self, topic: &str, records: u64, bytes: usize) {
        self.bulk_with(topic, records, bytes, &[]);
    }

    /// The same with options of `Bulk`: properties of the producer, and `content=zeros` for records
    /// that compress to almost nothing.
    pub fn bulk_with(&self, topic: &str, records: u64, bytes: usize, options: &[&str]) {
        let mut command = self.java("Bulk");
        command.args([topic, &records.to_string(), &bytes.to_string()]).args(options);
        output(command);
    }

    /// Every record of a topic, ordered by partition and offset.
    pub fn dump(&self, topic: &str, read: Read) -> Vec<Record> {
        self.dump_lines(topic, read, &[])
    }

    /// The same with offsets.
    pub fn dump_with_offsets(&self, topic: &str, read: Read) -> Vec<Record> {
        self.dump_lines(topic, read, &["--offsets"])
    }

    /// A digest of [`Kafka::dump`], for millions of records.
    pub fn digest(&self, topic: &str) -> Vec<Digest> {
        self.dump_lines(topic, Read::Committed, &["--digest"])
    }

    fn dump_lines<T: for<'de> Deserialize<'de>>(&self, topic: &str, read: Read, options: &[&str]) -> Vec<T> {
        let mut command = self.java("Dump");
        command.arg(topic).args(options).args((read == Read::Uncommitted).then_some("--uncommitted"));
        output(command).lines().map(|line| serde_json::from_str(line).expect("a line of Dump")).collect()
    }

    /// What Kafka's `DumpLogSegments` prints about a log file.
    pub fn dump_log(&self, log: &Path) -> String {
        let mut command = self.java("kafka.tools.DumpLogSegments");
        command.args(["--deep-iteration", "--files"]).arg(log);
        output(command)
    }

    /// The command for a class of `java/run`.
    pub fn java(&self, class: &str) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../java/run"));
        command.env("KAFKA_BOOTSTRAP_SERVERS", &self.bootstrap).env("TEST_KAFKA_LIBS", &self.libs).arg(class);
        command
    }
}

/// `name` with a suffix that no other test and no other run has.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
    format!("{name}-{:x}-{}-{}", nanos & 0xffff_ffff, std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The output of a program that must succeed.
pub(crate) fn output(mut command: Command) -> String {
    let output = command.stderr(Stdio::piped()).output().expect("java/run starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("Kafka's tools print UTF-8")
}
