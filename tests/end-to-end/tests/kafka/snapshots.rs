//! Snapshots of a real cluster, compared with what Kafka's own tools list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use archive::catalog::{OffsetSnapshot, Snapshot, Told};
use end_to_end::admin::Member;
use end_to_end::cluster::Cluster;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::record::{Record, Step, Transaction};
use end_to_end::runner::Runner;
use end_to_end::services::{require_kafka, require_sasl};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use store::testing::MemoryStore;

use crate::kafka::administration::{as_listed, listed_acls};
use crate::kafka::patterns::{forty_names, thirty_of};
use crate::kafka::{acls, group_of, numbered};

const GROUPS: &str = "consumer.group.ConsumerGroupCommand";
const A_MINUTE: Duration = Duration::from_secs(60);

/// All snapshots in the folder, in order.
fn snapshots(runner: &Runner) -> Vec<Snapshot> {
    let mut files = Vec::new();
    let mut folders = vec![runner.backups().join("@cluster")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.path() {
                runs if runs.ends_with("ends") => {}
                folder if folder.is_dir() => folders.push(folder),
                file => files.push(file),
            }
        }
    }
    files.sort();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let store = MemoryStore::new();
        let mut found = Vec::new();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "gz")) {
            store.overwrite("snapshot", std::fs::read(file).expect("a snapshot"));
            found.push(Snapshot::read(&store, "snapshot").await.expect("a snapshot"));
        }
        found
    })
}

/// Offsets as Kafka's tool prints them: group, topic, partition.
fn described(kafka: &Kafka, groups: &BTreeSet<String>) -> BTreeMap<(String, String, i32), i64> {
    let arguments = ["--describe"].into_iter().chain(groups.iter().flat_map(|group| ["--group", group.as_str()]));
    let printed = kafka.admin(GROUPS, arguments);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [group, topic, partition, offset, ..] = fields[..] else { return None };
        Some(((group.to_owned(), topic.to_owned(), partition.parse().ok()?), offset.parse().ok()?))
    };
    printed.lines().filter_map(row).collect()
}

/// A commit inside of a transaction that stays open until the value is dropped.
fn pending_commit(kafka: &Kafka, group: &str, topic: &str, offset: i64) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap);
    let member: BaseConsumer = config.clone().set("group.id", group).create().expect("a consumer");
    let producer: BaseProducer =
        config.set("transactional.id", group).set("transaction.timeout.ms", "600000").create().expect("a producer");
    producer.init_transactions(A_MINUTE).expect("a transactional producer");
    producer.begin_transaction().expect("a transaction");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).expect("an offset");
    producer.send_offsets_to_transaction(&list, &member.group_metadata().expect("a group"), A_MINUTE).expect("a pending commit");
    producer
}

/// A cluster with 40 topics, 12 groups, access control lists and two SCRAM users. All names begin
/// with `ours`.
struct Scene {
    kafka: Kafka,
    ours: String,
    /// The topics in the backup's selection.
    topics: BTreeSet<String>,
    groups: BTreeSet<String>,
}

impl Scene {
    fn group(&self, name: &str) -> String {
        format!("{}-group-{name}", self.ours)
    }

    /// The topic that all groups have committed on.
    fn orders(&self) -> String {
        format!("{}-orders-0", self.ours)
    }

    /// The topic with an open transaction at its end.
    fn open(&self) -> String {
        format!("{}-orders-4", self.ours)
    }

    fn new(kafka: Kafka) -> Self {
        let mut scene = Self { kafka, ours: unique("cluster"), topics: BTreeSet::new(), groups: BTreeSet::new() };
        scene.create_topics();
        let Self { kafka, ours, .. } = &scene;
        kafka.allow("User:alice", &["Read"], &format!("--topic={ours}"));
        kafka.allow("User:alice", &["Read"], &format!("--group={ours} --resource-pattern-type=prefixed"));
        for user in ["a", "b"].map(|user| format!("{ours}-{user}")) {
            let mechanism = "SCRAM-SHA-512=[iterations=5000,password=x]";
            kafka.admin("ConfigCommand", ["--alter", "--entity-type", "users", "--entity-name", &user, "--add-config", mechanism]);
        }
        scene
    }

    fn create_topics(&mut self) {
        let Self { kafka, ours, topics, .. } = self;
        for (number, name) in (0..).zip(forty_names(ours)) {
            kafka.create_topic_named(&name, 1 + number % 3, &[("max.message.bytes", "2000000")]);
            if number < 8 {
                kafka.produce(&name, &numbered(0, 0..9));
            }
            if !name.ends_with("-tmp") {
                topics.insert(name);
            }
        }
        // Two records of a transaction that never ends: a consumer with read_uncommitted commits an
        // offset above the last stable offset.
        let producer = format!("{ours}-open");
        let send = || Step::SendIn { producer: producer.clone(), record: Record::new(0, crate::kafka::LONG_AGO).value("open") };
        let step = |what| Step::Transaction { producer: producer.clone(), what };
        let steps = [step(Transaction::Begin), send(), send(), step(Transaction::Leave)];
        self.kafka.play(&self.open(), &steps, &["transaction.timeout.ms=600000"]);
    }

    /// Groups of all kinds. Those with members, and the pending commit, live as long as the
    /// returned values.
    fn create_groups(&mut self) -> ([Member; 2], BaseProducer) {
        let names = ["a", "b", "c", "d", "e", "f", "live", "left", "newer", "pending", "beyond", "tmp"];
        self.groups = names.map(|name| self.group(name)).into();
        let (kafka, orders) = (&self.kafka, self.orders());
        for (at, name) in ["a", "b", "c", "d", "e", "f", "tmp", "pending"].into_iter().enumerate() {
            kafka.move_offset(&self.group(name), &orders, i64::try_from(at).expect("small"));
        }
        kafka.move_offset(&self.group("beyond"), &self.open(), 11);
        let live = kafka.subscribe(&self.group("live"), &orders);
        kafka.subscribe(&self.group("left"), &orders).leave();
        let newer = kafka.subscribe_with(&self.group("newer"), &orders, &["group.protocol=consumer"]);
        // Consumers commit a few seconds after they have joined.
        let members: BTreeSet<String> = [self.group("live"), self.group("newer")].into();
        while described(kafka, &members).len() < 2 {
            sleep(Duration::from_millis(200));
        }
        let pending = pending_commit(kafka, &self.group("pending"), &orders, 8);
        ([live, newer], pending)
    }

    /// The configuration that backs all of it up, by names, globs and a regular expression.
    fn config(&self, runner: &Runner) -> PathBuf {
        let (ours, topics) = (&self.ours, thirty_of(&self.ours));
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let keys = json!({
            "GROUP_ID": ours, "EXCLUDE_TOPIC_NAMES": ["*-tmp"], "SNAPSHOT_SECONDS": 1,
            "CONSUMER_GROUPS": [format!("{ours}*")], "EXCLUDE_CONSUMER_GROUPS": ["*-tmp"],
        });
        runner.backup_config(&topics, keys)
    }

    fn assert_topics(&self, snapshot: &Snapshot) {
        assert_eq!(snapshot.topics.keys().cloned().collect::<BTreeSet<_>>(), self.topics);
        for (name, topic) in &snapshot.topics {
            let ends: BTreeMap<i32, i64> =
                topic.partitions.iter().map(|(number, partition)| (*number, partition.log.expect("a log").high_watermark)).collect();
            assert_eq!(ends, self.kafka.high_watermarks(name), "{name}");
            assert_eq!(topic.configs.known().expect("configs")["max.message.bytes"], "2000000");
            assert_eq!(topic.effective["cleanup.policy"], "delete");
        }
        let orders = self.orders();
        let described = self.kafka.admin("TopicCommand", ["--describe", "--topic", &orders]);
        let id = snapshot.topics[&orders].id.as_ref().expect("an id").to_string();
        assert!(described.contains(&format!("TopicId: {id}")), "{described}");
        let log = snapshot.topics[&self.open()].partitions[&0].log.expect("a log");
        assert_eq!((log.end, log.high_watermark), (9, 11), "an open transaction");
    }

    fn assert_groups(&self, snapshot: &Snapshot) {
        let Told::All(found) = &snapshot.groups else { panic!("{:?}", snapshot.groups) };
        let mut listed = self.groups.clone();
        listed.remove(&self.group("tmp"));
        assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), listed);
        let mut offsets = BTreeMap::new();
        for (name, group) in found {
            for (topic, partitions) in &group.offsets {
                offsets.extend(partitions.iter().map(|(number, offset)| ((name.clone(), topic.clone(), *number), offset.offset)));
            }
        }
        assert_eq!(offsets, described(&self.kafka, &listed));
        let one = |name: &str, topic: &str| -> &OffsetSnapshot { &found[&self.group(name)].offsets[topic][&0] };
        let (pending, beyond) = (one("pending", &self.orders()), one("beyond", &self.open()));
        assert!(pending.pending && pending.offset == 7, "{pending:?}");
        assert!(beyond.offset == 11 && !beyond.foreign, "{beyond:?}");
        let group = |name: &str| &found[&self.group(name)];
        assert_eq!([&group("newer").kind, &group("live").state, &group("left").state], ["Consumer", "Stable", "Empty"]);
        assert!(group("a").simple && !group("left").simple);
    }

    fn assert_lists(&self, snapshot: &Snapshot) {
        let mine = |lines: BTreeSet<String>| -> BTreeSet<String> { lines.into_iter().filter(|line| line.contains(&self.ours)).collect() };
        let read = mine(snapshot.acls.known().expect("the lists").iter().map(as_listed).collect());
        assert_eq!((read.len(), &read), (2, &mine(listed_acls(&self.kafka))));
        let users = snapshot.users.known().expect("the users").iter().filter(|user| user.name.starts_with(&self.ours));
        assert_eq!(users.map(|user| user.mechanisms["SCRAM-SHA-512"]).collect::<Vec<_>>(), [5000, 5000]);
    }
}

#[test]
fn one_command_backs_up_a_cluster_and_its_snapshot_is_what_kafkas_tools_list() {
    let (Some(kafka), Some(_)) = (require_kafka(), require_sasl()) else { return };
    let mut scene = Scene::new(kafka);
    let alive = scene.create_groups();
    let runner = Runner::on_folder(&scene.kafka);
    let config = scene.config(&runner);
    runner.run([Path::new("backup"), &config, Path::new("--once")]).succeeded();
    let first = snapshots(&runner).pop().expect("a snapshot");
    scene.assert_topics(&first);
    scene.assert_groups(&first);
    scene.assert_lists(&first);

    let (later, later_group) = (format!("{}-orders-later", scene.ours), scene.group("later"));
    scene.kafka.create_topic_named(&later, 1, &[]);
    scene.kafka.produce(&later, &numbered(0, 0..3));
    scene.kafka.move_offset(&later_group, &later, 2);
    sleep(Duration::from_secs(1));
    runner.run([Path::new("backup"), &config, Path::new("--once")]).succeeded();
    let next = snapshots(&runner).pop().expect("a snapshot");
    assert_eq!(next.groups.known().expect("groups")[&later_group].offsets[&later][&0].offset, 2);
    assert_eq!(next.topics[&later].partitions[&0].log.map(|log| log.end), Some(3));
    assert_eq!(next.topics[&scene.orders()].partitions[&0].backed_up, Some(9), "the run before has backed it up");
    drop(alive);
}

/// Backup requires none of these rights, so it continues: exit code 0, a snapshot that lists what
/// it lacks, and one warning.
#[test]
fn what_a_user_may_not_see_is_absent_with_its_reason() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let topic = kafka.create_topic("narrow", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..9));
    let unseen = format!("{topic}-unseen");
    kafka.move_offset(&unseen, &topic, 3);
    for (operations, resource) in [(["Read"], format!("--topic={topic}")), (["Read"], format!("--group={}", group_of(&topic)))] {
        kafka.allow(acls::READER, &operations, &resource);
    }
    let runner = Runner::on_folder(&kafka);
    let keys = json!({"SNAPSHOT_SECONDS": 1, "CONSUMER_GROUPS": [format!("{topic}*")]});
    let config = runner.backup_config(&[&topic], acls::as_reader(&sasl, keys));
    let outcome = runner.run([Path::new("backup"), &config, Path::new("--once")]).succeeded();
    let report = outcome.reports().remove(0);
    assert_eq!((report["records"].as_u64(), report["notes"].as_array().map(Vec::len)), (Some(9), Some(1)), "{report}");
    assert_eq!(outcome.stderr.matches("snapshots of the cluster are incomplete").count(), 1, "{}", outcome.stderr);
    let snapshot = snapshots(&runner).pop().expect("a snapshot");
    assert_eq!(snapshot.topics[&topic].partitions[&0].log.map(|log| log.end), Some(9));
    let Told::Partial { known, why } = &snapshot.groups else { panic!("{:?}", snapshot.groups) };
    assert!(known.is_empty() && why.contains("Describe on the cluster"), "{why}");
    for (part, why) in [("lists", snapshot.acls.why()), ("users", snapshot.users.why())] {
        assert!(why.is_some_and(|why| why.contains("Describe on the cluster")), "{part}: {why:?}");
    }
    assert!(matches!(&snapshot.topics[&topic].configs, Told::Absent(why) if why.contains("DescribeConfigs")), "{:?}", snapshot.topics);

    // Now single groups may be described, but no answer guarantees that these are all.
    kafka.allow(acls::READER, &["Describe"], &format!("--group={unseen}"));
    sleep(Duration::from_secs(1));
    runner.run([Path::new("backup"), &config, Path::new("--once")]).succeeded();
    let snapshot = snapshots(&runner).pop().expect("a snapshot");
    let Told::Partial { known, .. } = &snapshot.groups else { panic!("{:?}", snapshot.groups) };
    assert_eq!(known[&unseen].offsets[&topic][&0].offset, 3);
}

#[test]
fn a_cluster_without_an_authorizer_says_that_it_has_no_lists() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start(&shared, 1);
    let kafka = &cluster.kafka;
    let topic = kafka.create_topic("open", 1, &[]);
    kafka.produce(&topic, &numbered(0, 0..9));
    let runner = Runner::on_folder(kafka);
    let config = runner.backup_config(&[&topic], json!({"SNAPSHOT_SECONDS": 300}));
    let outcome = runner.run([Path::new("backup"), &config, Path::new("--until-caught-up")]).succeeded();
    let notes: Vec<Value> = outcome.reports().into_iter().filter(|report| report["notes"].is_array()).collect();
    assert!(notes.len() == 1 && notes[0]["notes"].to_string().contains("no authorizer"), "{notes:?}");
    let all = snapshots(&runner);
    let snapshot = all.first().expect("a snapshot");
    assert_eq!((all.len(), matches!(&snapshot.groups, Told::All(groups) if groups.is_empty())), (1, true), "{snapshot:?}");
    assert!(snapshot.acls.why().is_some_and(|why| why.contains("no authorizer")) && snapshot.users.why().is_none(), "{snapshot:?}");
    assert_eq!(snapshot.brokers.known().map(Vec::len), Some(1));

    // Only from the folder, as after the loss of the cluster.
    let status = runner.run([Path::new("status"), &config]).succeeded().reports().remove(0);
    assert_eq!((status["topics"][0]["topic"].as_str(), status["lag_records"].as_i64()), (Some(topic.as_str()), Some(0)), "{status}");
    assert!(status["topics"][0]["recovery_point"].is_string(), "{status}");
    sleep(Duration::from_secs(2));
    let outcome = runner.run(["status", config.to_str().expect("UTF-8"), "--max-age", "1s"].map(Path::new));
    assert_eq!(outcome.status.code(), Some(3), "{}", outcome.stderr);
}
