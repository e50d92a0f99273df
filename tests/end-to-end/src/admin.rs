//! What administrators and other programs do to a cluster, with Kafka's own tools.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::kafka::{Kafka, Read};
use crate::record::Record;

const GROUPS: &str = "consumer.group.ConsumerGroupCommand";

impl Kafka {
    /// Sets a config of a topic.
    pub fn set(&self, topic: &str, config: &str) {
        self.admin("ConfigCommand", ["--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", config]);
    }

    /// Limits clients of this name to `bytes` bytes a second.
    pub fn throttle(&self, client: &str, bytes: u32) {
        let quota = format!("producer_byte_rate={bytes}");
        self.admin("ConfigCommand", ["--alter", "--entity-type", "clients", "--entity-name", client, "--add-config", &quota]);
    }

    /// Adds partitions until there are `partitions`.
    pub fn add_partitions(&self, topic: &str, partitions: i32) {
        self.admin("TopicCommand", ["--alter", "--topic", topic, "--partitions", &partitions.to_string()]);
    }

    /// Deletes the records before an offset.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let dir = TempDir::new().expect("a temporary folder");
        let file = dir.path().join("offsets.json");
        let partitions = json!([{"topic": topic, "partition": partition, "offset": before}]);
        fs::write(&file, json!({"version": 1, "partitions": partitions}).to_string()).expect("the temporary folder can be written");
        self.admin("DeleteRecordsCommand", ["--offset-json-file", file.to_str().expect("UTF-8")]);
    }

    /// The log start offset of each partition.
    pub fn log_starts(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.offsets(topic, "earliest")
    }

    /// The high watermark of each partition.
    pub fn high_watermarks(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.offsets(topic, "latest")
    }

    fn offsets(&self, topic: &str, time: &str) -> BTreeMap<i32, i64> {
        let printed = self.admin("GetOffsetShell", ["--topic", topic, "--time", time]);
        let number = |text: &str| text.parse().expect("topic:partition:offset");
        let line = |line: &str| {
            let mut fields = line.rsplit(':').map(number);
            let offset = fields.next().expect("an offset");
            (i32::try_from(fields.next().expect("a partition")).expect("a partition"), offset)
        };
        printed.lines().map(line).collect()
    }

    /// Writes records until every partition of a compacted topic has a hole. Only closed segments
    /// are compacted, and only a record with a later timestamp closes one. After the return nothing
    /// more is compacted.
    ///
    /// # Panics
    /// When Kafka compacts nothing.
    pub fn await_compaction(&self, topic: &str, partitions: i32) {
        let has_hole = |offsets: &Vec<i64>| offsets.windows(2).any(|pair| pair[1] > pair[0] + 1);
        for round in 1..=60 {
            sleep(Duration::from_millis(1500));
            let at = 1_780_000_000_000 + 10_000 * round;
            let more: Vec<_> = (0..partitions).map(|partition| Record::new(partition, at).key("last").value("last")).collect();
            self.produce(topic, &more);
            let mut offsets: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
            for record in self.dump_with_offsets(topic, Read::Committed) {
                offsets.entry(record.partition).or_default().extend(record.offset);
            }
            if offsets.values().all(has_hole) {
                self.set(topic, "min.compaction.lag.ms=9223372036854775807");
                return;
            }
        }
        panic!("Kafka compacted nothing of {topic}");
    }

    /// Deletes a group's committed offsets of a topic.
    pub fn delete_offsets(&self, group: &str, topic: &str) {
        self.admin(GROUPS, ["--delete-offsets", "--group", group, "--topic", topic]);
    }

    /// Deletes a group.
    pub fn delete_group(&self, group: &str) {
        self.admin(GROUPS, ["--delete", "--group", group]);
    }

    /// Deletes all groups that hold the progress of a restore.
    ///
    /// # Panics
    /// There is none.
    pub fn forget_restore(&self, restore_id: &str) {
        let prefix = format!("kafka-backup-restore.{restore_id}.");
        let all = self.admin(GROUPS, ["--list"]);
        let groups: Vec<&str> = all.lines().filter(|group| group.starts_with(&prefix)).collect();
        assert!(!groups.is_empty(), "no group of {restore_id}: {all}");
        self.admin(GROUPS, ["--delete"].into_iter().chain(groups.into_iter().flat_map(|group| ["--group", group])));
    }

    /// Moves a group's offset in partition 0 forward or back, as an administrator does.
    pub fn move_offset(&self, group: &str, topic: &str, to: i64) {
        let (partition, to) = (format!("{topic}:0"), to.to_string());
        self.admin(GROUPS, ["--reset-offsets", "--execute", "--group", group, "--topic", &partition, "--to-offset", &to]);
    }

    /// A consumer that is a member of `group`, from the return until it is dropped.
    pub fn subscribe(&self, group: &str, topic: &str) -> Member {
        self.subscribe_with(group, topic, &[])
    }

    /// The same with properties of the consumer, for example `group.protocol=consumer`.
    pub fn subscribe_with(&self, group: &str, topic: &str, properties: &[&str]) -> Member {
        let mut command = self.java("org.apache.kafka.tools.consumer.ConsoleConsumer");
        command.args(["--bootstrap-server", &self.bootstrap, "--group", group, "--topic", topic]);
        command.args(properties.iter().flat_map(|property| ["--consumer-property", property]));
        let member = Member(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("java/run starts"));
        while !self.admin(GROUPS, ["--describe", "--members", "--group", group]).contains("console-consumer") {
            sleep(Duration::from_millis(200));
        }
        member
    }

    /// Allows `principal` operations on a resource. The resource is an option of `kafka-acls.sh`,
    /// for example `--topic=orders`, or `--group=orders --resource-pattern-type=prefixed`.
    pub fn allow(&self, principal: &str, operations: &[&str], resource: &str) {
        let operations = operations.iter().flat_map(|operation| ["--operation", operation]);
        let all = ["--add", "--allow-principal", principal].into_iter().chain(resource.split(' ')).chain(operations);
        self.admin("AclCommand", all);
    }
}

/// Another program that is a member of a consumer group.
#[derive(Debug)]
pub struct Member(Child);

impl Member {
    /// Lets it leave the group.
    pub fn leave(mut self) {
        // SIGTERM: it leaves the group, so the group does not wait for it.
        let told = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(told.is_ok_and(|status| status.success()), "the consumer runs");
        let _ = self.0.wait();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
