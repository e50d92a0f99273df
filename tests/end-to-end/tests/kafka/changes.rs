//! What a restore changes in addition to records, as Kafka's own tools see it, and the rights that
//! each change requires.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use end_to_end::cluster::Cluster;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::services::{Sasl, require_kafka, require_sasl};
use kafka::{
    Acl, ClusterAdministration, ClusterChanges, CommittedOffset, KafkaError, KafkaErrorKind, KafkaSettings, RdKafkaTarget, TopicConfigs,
    TopicPartition,
};

use crate::kafka::acls::READER;
use crate::kafka::administration::{as_listed, listed_acls};

fn connect(settings: &KafkaSettings) -> RdKafkaTarget {
    RdKafkaTarget::connect(settings, 1 << 20).expect("a client")
}

/// Everything is allowed there.
fn as_anybody(kafka: &Kafka) -> RdKafkaTarget {
    connect(&KafkaSettings { bootstrap_servers: kafka.bootstrap.clone(), ..KafkaSettings::default() })
}

/// The user who has only the rights of ACLs.
fn as_reader(sasl: &Sasl) -> RdKafkaTarget {
    connect(&sasl.as_reader())
}

fn acl(resource: &str, name: &str, pattern: &str, operation: &str, permission: &str) -> Acl {
    let [resource, pattern, operation, permission] = [resource, pattern, operation, permission].map(str::to_owned);
    Acl { resource, name: name.to_owned(), pattern, principal: "User:alice".to_owned(), host: "*".to_owned(), operation, permission }
}

fn offsets(topic: &str, all: &[(i32, i64, &str)]) -> BTreeMap<TopicPartition, CommittedOffset> {
    let one = |(partition, next, metadata): &(i32, i64, &str)| {
        (TopicPartition::new(topic, *partition), CommittedOffset { next: *next, metadata: (*metadata).to_owned() })
    };
    all.iter().map(one).collect()
}

fn is_denied(error: &KafkaError, subject: &str, right: &str) {
    assert_eq!(error.kind, KafkaErrorKind::Denied, "{error}");
    assert!(error.subject.contains(subject) && error.what.contains(&format!("Missing ACL: this user needs {right}")), "{error}");
}

/// Waits until Kafka's tools list what is expected for these names. Brokers learn of a change after
/// the answer.
async fn listed(kafka: &Kafka, ours: &str, expected: &BTreeSet<String>) {
    let until = async {
        while listed_acls(kafka).into_iter().filter(|line| line.contains(ours)).collect::<BTreeSet<_>>() != *expected {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let found = || listed_acls(kafka).into_iter().filter(|line| line.contains(ours)).collect::<Vec<_>>();
    tokio::time::timeout(Duration::from_secs(60), until).await.unwrap_or_else(|_| panic!("{:#?} is not {expected:#?}", found()));
}

#[tokio::test]
async fn entries_are_added_once_and_just_these_are_deleted() {
    let (Some(kafka), Some(_)) = (require_kafka(), require_sasl()) else { return };
    let (ours, target) = (unique("entries"), as_anybody(&kafka));
    let others = [
        acl("TOPIC", &ours, "PREFIXED", "READ", "ALLOW"),
        acl("TOPIC", &ours, "LITERAL", "READ", "DENY"),
        acl("TOPIC", &ours, "LITERAL", "DESCRIBE", "ALLOW"),
        acl("TOPIC", &format!("{ours}-2"), "LITERAL", "READ", "ALLOW"),
        acl("GROUP", &ours, "LITERAL", "READ", "ALLOW"),
        acl("TRANSACTIONAL_ID", &ours, "PREFIXED", "ALL", "ALLOW"),
        Acl { principal: format!("User:{ours}"), ..acl("CLUSTER", "kafka-cluster", "LITERAL", "IDEMPOTENT_WRITE", "ALLOW") },
        Acl { host: "10.0.0.1".to_owned(), ..acl("TOPIC", &ours, "LITERAL", "READ", "ALLOW") },
    ];
    let one = acl("TOPIC", &ours, "LITERAL", "READ", "ALLOW");
    let unknown = acl("USER", &ours, "LITERAL", "CREATE_TOKENS", "ALLOW");
    let refused = acl("CLUSTER", &ours, "LITERAL", "READ", "ALLOW");
    let all: Vec<Acl> = others.iter().chain([&unknown, &one, &refused]).cloned().collect();
    for _ in 0..2 {
        let outcomes = target.create_acls(&all).await.expect("an answer");
        let failed: Vec<_> = all.iter().zip(&outcomes).filter_map(|(acl, outcome)| Some((acl, outcome.as_ref().err()?))).collect();
        assert_eq!(failed.iter().map(|(acl, _)| *acl).collect::<Vec<_>>(), [&unknown, &refused], "{failed:?}");
        assert_eq!(failed[0].1.kind, KafkaErrorKind::Unsupported);
        assert!(failed[1].1.subject.contains(&ours), "{failed:?}");
        let expected = others.iter().chain([&one]).map(as_listed).collect();
        listed(&kafka, &ours, &expected).await;
    }
    let read = target.acls(None).await.expect("the lists");
    assert!(read.contains(&one) && others.iter().all(|acl| read.contains(acl)), "{read:?}");
    for _ in 0..2 {
        let outcomes = target.delete_acls(&[one.clone(), unknown.clone()]).await.expect("an answer");
        assert!(outcomes[0].is_ok() && outcomes[1].as_ref().is_err_and(|error| error.kind == KafkaErrorKind::Unsupported), "{outcomes:?}");
        listed(&kafka, &ours, &others.iter().map(as_listed).collect()).await;
    }
    assert!(target.delete_acls(&others).await.expect("an answer").iter().all(Result::is_ok));
    listed(&kafka, &ours, &BTreeSet::new()).await;
}

#[tokio::test]
async fn each_right_that_a_change_lacks_is_named() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let [topic, closed] = ["changed", "closed"].map(|name| kafka.create_topic(name, 1, &[("retention.ms", "-1")]));
    let (group, target) = (format!("group-{topic}"), as_reader(&sasl));
    let (on_topic, on_group) = (format!("--topic={topic}"), format!("--group={group}"));
    let [at, at_closed] = [&topic, &closed].map(|topic| TopicPartition::new(topic, 0));
    let mut wanted = offsets(&topic, &[(0, 3, "m")]);
    wanted.extend(offsets(&closed, &[(0, 4, "m")]));

    is_denied(&target.commit_group(&group, &wanted).await.expect_err("a refusal"), &group, "Read on the group");
    kafka.allow(READER, &["Read"], &on_group);
    let until_allowed = async {
        loop {
            match target.commit_group(&group, &wanted).await {
                Ok(each) => return each,
                Err(error) => is_denied(&error, &group, "Read on the group"),
            }
        }
    };
    let each = tokio::time::timeout(Duration::from_secs(60), until_allowed).await.expect("a right");
    for partition in [&at, &at_closed] {
        is_denied(each[partition].as_ref().expect_err("a refusal"), &partition.to_string(), "Read on the topic");
    }
    kafka.allow(READER, &["Read", "DescribeConfigs"], &on_topic);
    let until_allowed = async {
        loop {
            let each = target.commit_group(&group, &wanted).await.expect("an answer");
            is_denied(each[&at_closed].as_ref().expect_err("a refusal"), &closed, "Read on the topic");
            if each[&at].is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), until_allowed).await.expect("a right");
    // Through a client whose own group no ACL covers.
    let mut read = target.group_offsets(slice::from_ref(&group)).await.expect("an answer");
    let read = read.remove(&group).expect("an answer").expect("offsets");
    assert_eq!(read[&at].as_ref().expect("an offset").offset, 3);

    is_denied(&target.forget_offsets(&group, slice::from_ref(&at)).await.expect_err("a refusal"), &group, "Delete on the group");
    let change = BTreeMap::from([("retention.ms".to_owned(), None)]);
    is_denied(&target.alter_configs(&topic, &change).await.expect_err("a refusal"), &topic, "AlterConfigs on the topic");
    let entry = acl("TOPIC", &topic, "LITERAL", "READ", "ALLOW");
    for outcomes in [target.create_acls(slice::from_ref(&entry)).await, target.delete_acls(slice::from_ref(&entry)).await] {
        is_denied(outcomes.expect("an answer")[0].as_ref().expect_err("a refusal"), &topic, "Alter on the cluster");
    }
    is_denied(
        target.offsets_at(slice::from_ref(&at_closed), 0).await.expect("an answer")[&at_closed].as_ref().expect_err("a refusal"),
        &closed,
        "Describe on the topic",
    );
    // Broker configs require a right on the cluster: they are absent, and not wrong.
    let configs =
        target.topic_configs(slice::from_ref(&topic)).await.expect("an answer").remove(&topic).expect("an answer").expect("configs");
    assert_eq!((configs.own["retention.ms"].as_str(), configs.inherited.get("retention.ms")), ("-1", None));
}

/// The stored commit, as Kafka's own formatter prints it.
#[tokio::test]
async fn a_commit_keeps_its_metadata_and_has_no_leader_epoch() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("formatted", 2, &[]);
    let group = format!("group-{topic}");
    let wanted = offsets(&topic, &[(0, 7, "where: ü"), (1, 0, "")]);
    let each = as_anybody(&kafka).commit_group(&group, &wanted).await.expect("an answer");
    assert!(each.values().all(Result::is_ok), "{each:?}");
    let formatter = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter";
    let options = ["--topic", "__consumer_offsets", "--from-beginning", "--timeout-ms", "5000", "--formatter", formatter];
    let printed = kafka.admin("consumer.ConsoleConsumer", options);
    let mut found = BTreeMap::new();
    // One after another, with nothing between them.
    for record in serde_json::Deserializer::from_str(&printed).into_iter::<serde_json::Value>() {
        let record = record.expect("what the formatter prints");
        let (key, value) = (&record["key"]["data"], &record["value"]["data"]);
        if key["group"] == group.as_str() && !key["partition"].is_null() {
            found.insert(key["partition"].as_i64(), (value["offset"].as_i64(), value["metadata"].clone(), value["leaderEpoch"].as_i64()));
        }
    }
    let row = |offset, metadata: &str| (Some(offset), serde_json::Value::from(metadata), Some(-1));
    assert_eq!(found, BTreeMap::from([(Some(0), row(7, "where: ü")), (Some(1), row(0, ""))]), "{printed}");
}

fn configs_of(target: &RdKafkaTarget, topic: &str) -> impl Future<Output = TopicConfigs> {
    let name = topic.to_owned();
    async move { target.topic_configs(slice::from_ref(&name)).await.expect("an answer").remove(&name).expect("a topic").expect("configs") }
}

/// The cluster has just started, so no group has a coordinator yet. Its brokers have defaults of
/// their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_cluster_takes_many_groups_and_tells_what_topics_inherit() {
    let Some(shared) = require_kafka() else { return };
    let defaults = [
        "log.retention.hours=-1",
        "log.retention.minutes=90",
        "log.roll.hours=3",
        "log.roll.jitter.hours=1",
        "log.cleanup.policy=compact,delete",
        "min.insync.replicas=1",
        "log.retention.bytes=123456789",
        "log.flush.interval.ms=60000",
    ];
    let cluster = Cluster::start_with(&shared, 1, &defaults);
    let kafka = &cluster.kafka;
    let target = Arc::new(as_anybody(kafka));
    let own = [
        ("retention.ms", "-1"),
        ("segment.ms", "7000"),
        ("segment.jitter.ms", "1"),
        ("flush.ms", "5"),
        ("cleanup.policy", "delete"),
        ("retention.bytes", "-1"),
        ("max.message.bytes", "1000"),
        ("min.insync.replicas", "2"),
        ("compression.type", "zstd"),
    ];
    let (with, without) = (kafka.create_topic("with", 1, &own), unique("without"));
    kafka.admin("TopicCommand", ["--create", "--topic", &without]);
    let mut running = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (target, wanted) = (Arc::clone(&target), offsets(&with, &[(0, number, "m")]));
        running.spawn(async move { target.commit_group(&format!("group-{number}"), &wanted).await });
    }
    for each in running.join_all().await {
        assert!(each.expect("a coordinator").values().all(Result::is_ok));
    }
    let names: Vec<String> = (0..50).map(|number| format!("group-{number}")).collect();
    let read = target.group_offsets(&names).await.expect("the offsets");
    assert!(read.values().all(|of_group| of_group.as_ref().is_ok_and(|offsets| offsets.len() == 1)), "{read:?}");

    let of_brokers = "min.insync.replicas=1";
    kafka.admin("ConfigCommand", ["--alter", "--entity-type", "brokers", "--entity-default", "--add-config", of_brokers]);
    let compare = async || {
        let (with, without) = (configs_of(&target, &with).await, configs_of(&target, &without).await);
        for (name, value) in &own {
            assert_eq!(with.own[*name], *value);
            assert_eq!(with.inherited.get(*name), without.effective.get(*name), "{name}");
        }
        with.inherited
    };
    let inherited = compare().await;
    let found = ["retention.ms", "segment.ms", "cleanup.policy"].map(|name| inherited[name].as_str());
    assert_eq!(found, ["5400000", "10800000", "compact,delete"]);
    // A config of the cluster takes precedence over the brokers' files.
    let of_cluster = "log.retention.ms=4444444,log.cleanup.policy=compact";
    kafka.admin("ConfigCommand", ["--alter", "--entity-type", "brokers", "--entity-default", "--add-config", of_cluster]);
    while configs_of(&target, &without).await.effective["retention.ms"] != "4444444" {}
    let inherited = compare().await;
    assert_eq!(["retention.ms", "cleanup.policy"].map(|name| inherited[name].as_str()), ["4444444", "compact"]);
}
