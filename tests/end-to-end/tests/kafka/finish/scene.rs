//! A cluster of eleven topics and more groups that is backed up and lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use end_to_end::awkward;
use end_to_end::cluster::Cluster;
use end_to_end::groups::{Commit, Protocol};
use end_to_end::kafka::{Kafka, Read};
use end_to_end::record::{Record, Step, Transaction};
use end_to_end::runner::Runner;
use serde_json::{Value, json};

use crate::kafka::whole_cluster::for_each;
use crate::kafka::{LONG_AGO, numbered};

pub(super) const ORDERS: &str = "orders";
pub(super) const COMPACTED: &str = "orders.compacted";
/// Has records of committed and of aborted transactions.
const PAYMENTS: &str = "payments";
/// Its oldest records were deleted.
pub(super) const WIDE: &str = "wide";
const EMPTY: &str = "empty";
/// All of its records were deleted before they were backed up, as Kafka Streams does with a
/// repartition topic.
const PURGED: &str = "purged";
pub(super) const CONFIGURED: &str = "configured";
/// With records of now, and the brokers' retention.
const FRESH: &str = "fresh";
/// Its retention is a week, and its records are older. The brokers of these tests do not apply it.
pub(super) const OLD: &str = "old";
/// With a transaction at its end that stays open.
const OPEN: &str = "open";
/// Has many segments, so that a restore can be killed while it writes them.
pub(super) const LONG: &str = "long";
/// Backed up, and not restored.
pub(super) const SCRATCH: &str = "scratch";

/// Those that are restored.
pub(super) const TOPICS: [&str; 11] = [ORDERS, COMPACTED, PAYMENTS, WIDE, EMPTY, PURGED, CONFIGURED, FRESH, OLD, OPEN, LONG];

/// Brokers of these tests must not delete by age.
pub(super) const WITHOUT_RETENTION: &str = "log.retention.check.interval.ms=3600000";
const AUTHORIZER: [&str; 2] =
    ["authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS"];

/// A user with access control lists who is no SCRAM user.
pub(super) const FOREIGN: &str = "User:CN=billing,O=shop";

pub(super) fn partitions(topic: &str) -> i32 {
    match topic {
        WIDE => 6,
        ORDERS | PAYMENTS => 3,
        COMPACTED | FRESH | PURGED => 2,
        _ => 1,
    }
}

/// A cluster with an authorizer that keeps old records.
pub(super) fn start(shared: &Kafka) -> Cluster {
    Cluster::start_with(shared, 1, &[AUTHORIZER[0], AUTHORIZER[1], WITHOUT_RETENTION])
}

/// The lost cluster, as it was when it was backed up.
pub(super) struct Scene {
    /// The runner of its backup.
    pub(super) runner: Runner,
    /// What groups had committed.
    pub(super) commits: Vec<Commit>,
    /// All records of each topic, with offsets.
    pub(super) records: BTreeMap<String, Vec<Record>>,
    /// See [`Kafka::state`].
    pub(super) state: Value,
}

impl Scene {
    /// Fills the cluster, backs it up, and lets its producers and groups continue.
    pub(super) fn backed_up(kafka: &Kafka) -> Self {
        let names: Vec<String> = TOPICS.iter().copied().chain([SCRATCH]).map(str::to_owned).collect();
        for_each(&names, |name| fill(kafka, name));
        let records: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), kafka.dump_with_offsets(name, Read::Committed))).collect();
        let commits = commits(kafka, &records);
        kafka.commit(&commits);
        allow(kafka);
        let (runner, state) = (Runner::on_folder(kafka), kafka.state());
        let keys = json!({"GROUP_ID": "shop-backup", "SNAPSHOT_SECONDS": 1, "NUMBER_OF_KAFKA_THREADS": 4, "MAX_SEGMENTS_PER_INVOCATION": 0,
            // Groups are in the middle of segments, and at their ends.
            "NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 25});
        runner.run([Path::new("backup"), &runner.backup_config(&["*"], keys), Path::new("--until-caught-up")]).succeeded();

        kafka.produce(ORDERS, &all_partitions(ORDERS, |partition| numbered(partition, 60..70)));
        let later = Commit { offset: 70, ..commits.iter().find(|commit| commit.topic == ORDERS).expect("one").clone() };
        kafka.commit(&[Commit { partition: 0, ..later }]);
        Self { runner, commits, records, state }
    }

    /// The configuration for a restore of these topics into the cluster `to`.
    pub(super) fn config(&self, to: &Kafka, id: &str, into: &str, more: Value) -> PathBuf {
        let mut keys = json!({
            "BACKUP_TOPIC_NAME": ["*"], "RESTORE_EXCLUDE_TOPIC_NAMES": [SCRATCH], "RESTORE_AS_OF": "latest", "RESTORE_ID": id,
            "RESTORE_EXCLUDE_GROUPS": ["console-consumer-*"], "BOOTSTRAP_SERVERS": to.bootstrap, "NUMBER_OF_KAFKA_THREADS": 4,
            "LOG_LEVEL": "WARNING",
        });
        keys.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.runner.restore_config("*", into, keys)
    }

    /// The commits of these topics that are restored.
    pub(super) fn restored(&self, topics: &[&str]) -> impl Iterator<Item = &Commit> {
        let is_restored = |commit: &&Commit| topics.contains(&&*commit.topic) && !commit.group.starts_with("console-consumer-");
        self.commits.iter().filter(is_restored)
    }

    /// The records that a group had not read yet.
    pub(super) fn unread(&self, commit: &Commit) -> Vec<Record> {
        let is_unread =
            |record: &&Record| record.partition == commit.partition && record.offset.is_some_and(|offset| offset >= commit.offset);
        self.records[&commit.topic].iter().filter(is_unread).cloned().collect()
    }
}

fn all_partitions(topic: &str, of: impl Fn(i32) -> Vec<Record>) -> Vec<Record> {
    (0..partitions(topic)).flat_map(of).collect()
}

fn fill(kafka: &Kafka, topic: &str) {
    let compacted = ("cleanup.policy", "compact");
    let configs: &[(&str, &str)] = match topic {
        COMPACTED => &[compacted, ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.001")],
        CONFIGURED => &[
            ("max.message.bytes", "2000000"),
            ("segment.ms", "600000"),
            ("retention.bytes", "1000000000"),
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "zstd"),
        ],
        OLD => &[("retention.ms", "604800000")],
        _ => &[],
    };
    let width = partitions(topic);
    kafka.create_topic_named(topic, width, configs);
    match topic {
        COMPACTED => {
            // Some keys occur once, and stay, so there are holes at the start, at the end and in
            // between.
            let once = |at: usize| {
                (0..width).map(move |partition| Record::new(partition, 1_780_000_000_000).key(format!("once {at}")).value("once"))
            };
            let overwritten = awkward::overwritten_keys(1, width, 20);
            let parts = overwritten.chunks(64).enumerate().flat_map(|(at, part)| part.iter().cloned().chain(once(at)));
            kafka.produce(topic, &parts.collect::<Vec<_>>());
            kafka.await_compaction(topic, width);
        }
        PAYMENTS => kafka.play(topic, &awkward::transactions(4, width), &[]),
        EMPTY => {}
        LONG => kafka.produce(topic, &numbered(0, 0..2000)),
        PURGED => {
            kafka.produce(topic, &all_partitions(topic, |partition| numbered(partition, 0..30)));
            (0..width).for_each(|partition| kafka.delete_records(topic, partition, 30));
        }
        WIDE => {
            kafka.produce(topic, &all_partitions(topic, |partition| numbered(partition, 0..40)));
            kafka.delete_records(topic, 0, 10);
        }
        FRESH => {
            let now = i64::try_from(UNIX_EPOCH.elapsed().expect("after 1970").as_millis()).expect("before the year 292 million");
            let fresh = |partition| (0..20).map(|n| Record::new(partition, now + n).value(format!("fresh {n}"))).collect();
            kafka.produce(topic, &all_partitions(topic, fresh));
            kafka.admin("ConfigCommand", ["--alter", "--entity-type", "topics", "--entity-name", topic, "--delete-config", "retention.ms"]);
        }
        OPEN => {
            let send = || Step::SendIn { producer: topic.to_owned(), record: Record::new(0, LONG_AGO).value("open") };
            let step = |what| Step::Transaction { producer: topic.to_owned(), what };
            let whole = [step(Transaction::Begin), send(), send(), step(Transaction::Commit)];
            let open = [step(Transaction::Begin), send(), send(), step(Transaction::Leave)];
            let plain = numbered(0, 0..9).into_iter().map(Step::Send);
            kafka.play(topic, &plain.chain(whole).chain(open).collect::<Vec<_>>(), &["transaction.timeout.ms=600000"]);
        }
        _ => kafka.produce(topic, &all_partitions(topic, |partition| numbered(partition, 0..60))),
    }
}

/// The offset in the middle of the longest range of offsets, between two records of a partition,
/// that no reader sees.
fn unseen(records: &[Record], partition: i32) -> i64 {
    let edges: Vec<i64> = records.iter().filter(|record| record.partition == partition).filter_map(|record| record.offset).collect();
    let longest = edges.windows(2).map(|pair| (pair[0], pair[1])).max_by_key(|(from, to)| to - from).expect("records");
    assert!(longest.1 > longest.0 + 1, "no reader misses an offset of partition {partition}");
    (longest.0 + 1).midpoint(longest.1)
}

/// What each group commits.
fn commits(kafka: &Kafka, records: &BTreeMap<String, Vec<Record>>) -> Vec<Commit> {
    let ends: BTreeMap<&str, BTreeMap<i32, i64>> = records.keys().map(|topic| (topic.as_str(), kafka.high_watermarks(topic))).collect();
    let mut commits = Vec::new();
    let mut commit = |group: &str, protocol, topic: &str, partition, offset, metadata: &str| {
        let (group, topic, metadata) = (group.to_owned(), topic.to_owned(), metadata.to_owned());
        commits.push(Commit { group, protocol, topic, partition, offset, metadata });
    };
    for (topic, ends) in &ends {
        for (partition, end) in ends {
            let start = if (*topic, *partition) == (WIDE, 0) { 10 } else { 0 };
            let whose = format!("{topic}/{partition} of {end}");
            commit("at-the-start", Protocol::Simple, topic, *partition, start, "");
            commit("in-the-middle", Protocol::Simple, topic, *partition, start.midpoint(*end), &whose);
            commit("at-the-end", Protocol::Simple, topic, *partition, *end, "");
        }
    }
    for partition in 0..3 {
        commit("in-aborted", Protocol::Simple, PAYMENTS, partition, unseen(&records[PAYMENTS], partition), "");
        commit("newer", Protocol::Consumer, ORDERS, partition, 7 + i64::from(partition), "KIP-848");
        // At the end of a segment of the backup, one before and one after it.
        commit("at-edges", Protocol::Simple, ORDERS, partition, 24 + i64::from(partition), "");
    }
    for partition in 0..2 {
        commit("in-holes", Protocol::Simple, COMPACTED, partition, unseen(&records[COMPACTED], partition), "");
        commit("classic", Protocol::Classic, FRESH, partition, 5, "");
    }
    for at in 1..10 {
        commit(&format!("long-{at}"), Protocol::Simple, LONG, 0, 203 * at, "");
    }
    commit("some-partitions", Protocol::Simple, WIDE, 2, 3, "");
    commit("some-partitions", Protocol::Simple, WIDE, 5, 39, "");
    commit("overtaken", Protocol::Simple, WIDE, 0, 5, "deleted before it was read");
    commit("beyond", Protocol::Simple, OPEN, 0, ends[OPEN][&0], "");
    commit("with-metadata", Protocol::Simple, ORDERS, 1, 30, &format!("\"schlüssel\" 鍵 🔑 \\ {}", "x".repeat(1000)));
    commit("elsewhere", Protocol::Simple, SCRATCH, 0, 1, "");
    commit("console-consumer-17", Protocol::Simple, ORDERS, 0, 1, "");
    commits
}

/// Access control lists and a SCRAM user.
fn allow(kafka: &Kafka) {
    let entries = [
        ("User:alice", "Read", "--topic=orders"),
        ("User:alice", "All", "--topic=orders. --resource-pattern-type=prefixed --allow-host=10.0.0.1"),
        ("User:alice", "Read", "--group=newer"),
        (FOREIGN, "Write", "--topic=payments"),
        (FOREIGN, "Write", "--transactional-id=billing --resource-pattern-type=prefixed"),
        (FOREIGN, "IdempotentWrite", "--cluster"),
        ("User:*", "Describe", "--topic=*"),
        ("User:alice", "Read", "--topic=scratch"),
    ];
    for (principal, operation, resource) in entries {
        kafka.allow(principal, &[operation], resource);
    }
    kafka.admin("AclCommand", ["--add", "--deny-principal", "User:mallory", "--operation", "All", "--topic", "payments"]);
    let scram = "SCRAM-SHA-512=[iterations=5000,password=x]";
    kafka.admin("ConfigCommand", ["--alter", "--entity-type", "users", "--entity-name", "alice", "--add-config", scram]);
}
