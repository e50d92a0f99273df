//! The state of a cluster except records, as this program reads it and as Kafka's own tools list
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};

use end_to_end::cluster::Cluster;
use end_to_end::kafka::{Kafka, unique};
use end_to_end::services::{Sasl, require_kafka, require_sasl};
use kafka::{Acl, ClusterAdministration, Groups, Isolation, KafkaErrorKind, KafkaSettings, RdKafkaSource, Right, TopicPartition};

use crate::kafka::acls::READER;

const GROUPS: &str = "consumer.group.ConsumerGroupCommand";

fn connect(settings: &KafkaSettings) -> RdKafkaSource {
    RdKafkaSource::connect(settings, "administration", Isolation::ReadCommitted, 1 << 20).expect("a client")
}

/// Everything is allowed there.
fn as_anybody(kafka: &Kafka) -> RdKafkaSource {
    connect(&KafkaSettings { bootstrap_servers: kafka.bootstrap.clone(), ..KafkaSettings::default() })
}

/// The user who has only the rights of ACLs.
fn as_reader(sasl: &Sasl) -> RdKafkaSource {
    connect(&sasl.as_reader())
}

/// Commits offset 3 of partition 0 for a group without members.
fn commit(kafka: &Kafka, group: &str, topic: &str) {
    kafka.move_offset(group, topic, 3);
}

/// The entries that `kafka-acls.sh --list` prints, each as the line in which it prints one.
pub(crate) fn listed_acls(kafka: &Kafka) -> BTreeSet<String> {
    let printed = kafka.admin("AclCommand", ["--list"]);
    let (mut found, mut resource) = (BTreeSet::new(), "");
    for line in printed.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("Current ACLs for resource `") {
            resource = rest.trim_end_matches(':').trim().trim_end_matches('`');
        } else if line.starts_with('(') {
            found.insert(format!("{resource} {line}"));
        }
    }
    found
}

/// The same for an entry that we read.
pub(crate) fn as_listed(acl: &Acl) -> String {
    let Acl { resource, name, pattern, principal, host, operation, permission } = acl;
    format!(
        "ResourcePattern(resourceType={resource}, name={name}, patternType={pattern}) \
         (principal={principal}, host={host}, operation={operation}, permissionType={permission})"
    )
}

#[tokio::test]
async fn access_control_lists_and_users_are_those_that_kafkas_tools_list() {
    let (Some(kafka), Some(_)) = (require_kafka(), require_sasl()) else { return };
    let ours = unique("listed");
    kafka.allow("User:alice", &["Read", "Describe"], &format!("--topic={ours}"));
    kafka.allow("User:alice", &["All"], &format!("--group={ours} --resource-pattern-type=prefixed --allow-host=10.0.0.1"));
    kafka.allow("User:bob", &["IdempotentWrite"], "--cluster");
    kafka.allow("User:bob", &["Write"], &format!("--transactional-id={ours}"));
    let deny = ["--add", "--deny-principal", "User:bob", "--operation", "Read", "--topic", &ours];
    kafka.admin("AclCommand", deny);
    let users = ["a", "b"].map(|user| format!("{ours}-{user}"));
    // Kafka accepts one mechanism of a user at a time.
    let scram = [(0, "SCRAM-SHA-512=[iterations=5000,password=x]"), (1, "SCRAM-SHA-256=[password=x]"), (1, "SCRAM-SHA-512=[password=x]")];
    for (user, mechanism) in scram {
        kafka.admin("ConfigCommand", ["--alter", "--entity-type", "users", "--entity-name", &users[user], "--add-config", mechanism]);
    }
    // librdkafka knows neither the resource nor the operations; both entries are there.
    kafka.allow("User:carol", &["CreateTokens", "DescribeTokens"], &format!("--user-principal=User:{ours}"));

    let source = as_anybody(&kafka);
    let mine = |lines: BTreeSet<String>| -> BTreeSet<String> {
        lines.into_iter().filter(|line| line.contains(&ours) || line.contains("User:bob")).collect()
    };
    let acls = source.acls(None).await.expect("the lists");
    let (unknown, known): (Vec<_>, Vec<_>) = acls.iter().partition(|acl| acl.principal == "User:carol");
    let read = mine(known.into_iter().map(as_listed).collect());
    assert_eq!(read, mine(listed_acls(&kafka)).into_iter().filter(|line| !line.contains("User:carol")).collect());
    let unknown: Vec<_> = unknown.into_iter().filter(|acl| acl.name.contains(&ours)).collect();
    assert_eq!(unknown.len(), 2, "{unknown:?}");
    assert!(unknown.iter().all(|acl| acl.resource == "UNKNOWN" && acl.operation == "UNKNOWN"), "{unknown:?}");
    assert!(read.len() >= 6, "{read:?}");
    let found: BTreeMap<_, _> = source.users(None).await.expect("the users").into_iter().map(|user| (user.name, user.mechanisms)).collect();
    let mechanisms =
        |all: &[(&str, i32)]| all.iter().map(|(name, iterations)| ((*name).to_owned(), *iterations)).collect::<BTreeMap<_, _>>();
    assert_eq!(found[&users[0]], mechanisms(&[("SCRAM-SHA-512", 5000)]));
    assert_eq!(found[&users[1]], mechanisms(&[("SCRAM-SHA-256", 4096), ("SCRAM-SHA-512", 4096)]));
    let cluster = source.cluster().await.expect("the cluster");
    assert!(cluster.rights.is_some_and(|rights| rights.contains(&Right::Describe)));
}

#[tokio::test]
async fn what_a_user_may_not_read_is_refused_and_never_empty() {
    let (Some(kafka), Some(sasl)) = (require_kafka(), require_sasl()) else { return };
    let [open, closed] = ["open", "closed"].map(|name| kafka.create_topic(name, 1, &[]));
    for topic in [&open, &closed] {
        kafka.produce(topic, &crate::kafka::numbered(0, 0..5));
        for group in ["seen", "unseen"] {
            commit(&kafka, &format!("{group}-{open}"), topic);
        }
    }
    let [seen, unseen] = ["seen", "unseen"].map(|group| format!("{group}-{open}"));
    kafka.allow(READER, &["Describe"], &format!("--group={seen}"));
    kafka.allow(READER, &["Describe", "DescribeConfigs"], &format!("--topic={open}"));

    let source = as_reader(&sasl);
    let cluster = source.cluster().await.expect("the cluster");
    assert_eq!(cluster.rights, Some(BTreeSet::new()));
    for error in
        [source.acls(Some(&cluster)).await.map(drop).expect_err("a refusal"), source.users(None).await.map(drop).expect_err("a refusal")]
    {
        assert_eq!(error.kind, KafkaErrorKind::Denied, "{error}");
        assert!(error.what.contains("this user needs Describe on the cluster"), "{error}");
    }
    let groups = source.groups().await.expect("the groups");
    assert!(groups.groups.contains_key(&seen) && !groups.groups.contains_key(&unseen), "{groups:?}");
    let mut offsets = source.group_offsets(&[seen.clone(), unseen.clone()]).await.expect("the offsets");
    let denied = offsets.remove(&unseen).expect("an answer").expect_err("a refusal");
    assert_eq!(denied.kind, KafkaErrorKind::Denied, "{denied}");
    assert!(denied.to_string().contains(&unseen) && denied.what.contains("this user needs Describe on the group"), "{denied}");
    // Kafka leaves out topics that may not be described.
    let of_seen = offsets.remove(&seen).expect("an answer").expect("offsets");
    assert_eq!(of_seen.keys().collect::<Vec<_>>(), [&TopicPartition::new(&open, 0)]);
    let mut configs = source.topic_configs(&[open.clone(), closed.clone()]).await.expect("the configs");
    assert_eq!(configs.remove(&open).expect("an answer").expect("configs").own["retention.ms"], "-1");
    let denied = configs.remove(&closed).expect("an answer").expect_err("a refusal");
    assert_eq!(denied.kind, KafkaErrorKind::Denied, "{denied}");
}

#[tokio::test]
async fn groups_are_those_that_kafkas_tools_list() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("grouped", 1, &[]);
    kafka.produce(&topic, &crate::kafka::numbered(0, 0..5));
    let [moved, live] = ["moved", "live"].map(|group| format!("{group}-{topic}"));
    commit(&kafka, &moved, &topic);
    let member = kafka.subscribe(&live, &topic);
    let listed = |groups: &[&str]| {
        let printed = kafka.admin(GROUPS, ["--list", "--state", "--type"]);
        let rows = printed.lines().map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let rows: BTreeSet<_> = rows.filter(|row| groups.contains(&row[0].as_str())).collect();
        rows
    };
    let source = as_anybody(&kafka);
    let found = source.groups().await.expect("the groups");
    assert!(found.missing.is_empty(), "{:?}", found.missing);
    // GROUP TYPE STATE
    let row = |group: &str| vec![group.to_owned(), found.groups[group].kind.clone(), found.groups[group].state.clone()];
    assert_eq!(BTreeSet::from([row(&moved), row(&live)]), listed(&[&moved, &live]));
    assert!(found.groups[&moved].is_simple && !found.groups[&live].is_simple);
    member.leave();
    let offsets =
        source.group_offsets(std::slice::from_ref(&moved)).await.expect("the offsets").remove(&moved).expect("an answer").expect("offsets");
    assert_eq!(offsets[&TopicPartition::new(&topic, 0)].as_ref().expect("an offset").offset, 3);
}

/// A program that is stopped when this value is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// librdkafka leaves share groups (and Streams groups) out of its list of consumer groups.
#[tokio::test]
async fn a_cluster_without_an_authorizer_with_racks_and_a_share_group() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start_with(&shared, 1, &["broker.rack=here"]);
    let kafka = &cluster.kafka;
    let source = as_anybody(kafka);
    let described = source.cluster().await.expect("the cluster");
    assert_eq!(described.brokers.len(), 1);
    let broker = &described.brokers[0];
    assert_eq!((broker.id, broker.rack.as_deref()), (1, Some("here")));
    assert_eq!(kafka.bootstrap, format!("{}:{}", broker.host, broker.port));
    assert!(described.id.is_some() && described.rights.is_some_and(|rights| rights.contains(&Right::Describe)));

    let error = source.acls(None).await.map(drop).expect_err("a refusal");
    assert_eq!(error.kind, KafkaErrorKind::Unsupported, "{error}");
    assert!(error.what.contains("no authorizer"), "{error}");
    assert!(source.users(None).await.expect("the users").is_empty());
    let none = source.groups().await.expect("the groups");
    assert!(none.groups.is_empty() && none.missing.is_empty(), "{none:?}");

    kafka.admin("FeatureCommand", ["upgrade", "--feature", "share.version=1"]);
    let topic = kafka.create_topic("shared", 1, &[]);
    kafka.produce(&topic, &crate::kafka::numbered(0, 0..5));
    let mut command = kafka.java("org.apache.kafka.tools.consumer.ConsoleShareConsumer");
    command.env("JAVA_TIERS", "1").args(["--bootstrap-server", &kafka.bootstrap, "--group", "sharing", "--topic", &topic]);
    let _consumer = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("java/run starts"));
    let groups = loop {
        let found = source.groups().await.expect("the groups");
        assert!(found.missing.is_empty(), "{found:?}");
        if found.groups.contains_key("sharing") {
            break found.groups;
        }
    };
    assert_eq!((groups["sharing"].kind.as_str(), groups["sharing"].is_simple), ("Unknown", false));
    let offsets = source.group_offsets(&["sharing".to_owned()]).await.expect("the offsets");
    assert!(offsets["sharing"].as_ref().expect("an answer").is_empty());
}

/// A broker that starts again loads its groups after it begins to respond.
#[tokio::test]
async fn a_list_of_groups_is_whole_or_says_that_it_is_not_while_their_coordinators_start() {
    let Some(shared) = require_kafka() else { return };
    let cluster = Cluster::start(&shared, 1);
    let topic = cluster.kafka.create_topic("loading", 1, &[]);
    let groups: BTreeSet<String> = (0..20).map(|number| format!("loading-{number}")).collect();
    for group in &groups {
        commit(&cluster.kafka, group, &topic);
    }
    let source = as_anybody(&cluster.kafka);
    let lacks = |found: &Groups| groups.iter().any(|group| !found.groups.contains_key(group));
    assert!(!lacks(&source.groups().await.expect("the groups")));
    cluster.kill(1);
    let resumed = tokio::task::spawn_blocking(move || {
        cluster.resume(1);
        cluster
    });
    while !resumed.is_finished() {
        match source.groups().await {
            Ok(found) => assert!(!lacks(&found) || !found.missing.is_empty(), "{} groups, and nothing missing", found.groups.len()),
            Err(error) => assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}"),
        }
    }
    assert!(!lacks(&source.groups().await.expect("the groups")));
}
