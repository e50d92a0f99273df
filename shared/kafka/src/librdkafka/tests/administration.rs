//! What a cluster has in addition to records, against a real Kafka. Tests that need an authorizer
//! or Kafka's own tools are among the end-to-end tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use super::help::*;
use crate::librdkafka::errors::Doing;
use crate::librdkafka::native::Code;
use crate::{
    ClusterAdministration, CommittedOffset, EmbeddedBroker, GroupOffset, KafkaErrorKind, KafkaSettings, RdKafkaSource, SourceCluster,
    TopicPartition,
};

const A_MINUTE: Duration = Duration::from_secs(60);

/// Offsets with metadata from partition 0, as a client commits that is no member.
async fn commit(settings: &KafkaSettings, group: &str, topic: &str, offsets: &[(i64, &str)]) {
    let source = source(settings, group);
    for (partition, (offset, metadata)) in (0..).zip(offsets) {
        source.commit(&TopicPartition::new(topic, partition), &progress(*offset, metadata)).await.unwrap();
    }
}

/// Commits for any group, with one client.
async fn commit_for(source: &RdKafkaSource, group: &str, partition: &TopicPartition, offset: &CommittedOffset) {
    let mut tries = source.asker.tries(group, Doing::Commit);
    loop {
        let failure = match tries.handle().commit(group, [(partition, offset)], LONG).await {
            Ok(changed) => match changed[partition] {
                Ok(()) => return,
                // A broker that does not respond for a while is no coordinator after it.
                Err(code) => code.into(),
            },
            Err(failure) => failure,
        };
        tries.again(failure).await.unwrap();
    }
}

/// What a group committed, with all of its partitions reported.
async fn offsets_of(source: &RdKafkaSource, group: &str) -> BTreeMap<TopicPartition, GroupOffset> {
    let answer = source.group_offsets(&[group.to_owned()]).await.unwrap().remove(group).unwrap().unwrap();
    answer.into_iter().map(|(partition, offset)| (partition, offset.unwrap())).collect()
}

fn settled_offset(offset: i64, metadata: &str) -> GroupOffset {
    GroupOffset { offset, metadata: metadata.to_owned(), pending: false }
}

#[tokio::test]
async fn groups_of_each_kind_are_listed_with_what_they_committed() {
    let settings = real!();
    let topic = unique("kinds");
    create(&target(&settings), &topic, 3, &[]).await;
    let [live, modern, simple] = ["live", "modern", "simple"].map(unique);
    let member = |group: &str, properties: &[(&str, &str)]| {
        let properties: Vec<_> =
            [("group.id", group), ("enable.auto.commit", "false")].into_iter().chain(properties.iter().copied()).collect();
        let member: BaseConsumer = plain(&settings, &properties).create().unwrap();
        member.subscribe(&[&topic]).unwrap();
        while member.assignment().unwrap().count() == 0 {
            member.poll(Duration::from_millis(100));
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 1, Offset::Offset(7)).unwrap();
        member.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
        member
    };
    let classic = member(&live, &[]);
    let newer = member(&modern, &[("group.protocol", "consumer")]);
    commit(&settings, &simple, &topic, &[(3, "where: ü\""), (4, "")]).await;

    let source = source(&settings, "administration");
    let groups = source.groups().await.unwrap();
    assert!(groups.missing.is_empty(), "{:?}", groups.missing);
    let of = |groups: &crate::Groups, group: &str| {
        let listing = &groups.groups[group];
        (listing.kind.clone(), listing.state.clone(), listing.is_simple)
    };
    let row = |kind: &str, state: &str, is_simple| (kind.to_owned(), state.to_owned(), is_simple);
    assert_eq!(of(&groups, &live), row("Classic", "Stable", false));
    assert_eq!(of(&groups, &modern), row("Consumer", "Stable", false));
    assert_eq!(of(&groups, &simple), row("Classic", "Empty", true));
    for group in [&live, &modern] {
        assert_eq!(offsets_of(&source, group).await, BTreeMap::from([(TopicPartition::new(&topic, 1), settled_offset(7, ""))]), "{group}");
    }
    let expected = [(0, settled_offset(3, "where: ü\"")), (1, settled_offset(4, ""))];
    assert_eq!(offsets_of(&source, &simple).await, expected.map(|(at, offset)| (TopicPartition::new(&topic, at), offset)).into());

    drop((classic, newer));
    let empty = tokio::time::timeout(A_MINUTE, async {
        loop {
            let groups = source.groups().await.unwrap();
            if groups.groups[&live].state == "Empty" && groups.groups[&modern].state == "Empty" {
                break groups;
            }
        }
    });
    let groups = empty.await.expect("a group whose members left is empty");
    assert_eq!(of(&groups, &live), row("Classic", "Empty", false));
    assert_eq!(of(&groups, &modern), row("Consumer", "Empty", false));
}

#[tokio::test]
async fn a_pending_transactional_commit_is_told_with_the_offset_before_it() {
    let settings = real!();
    let (topic, group) = (unique("pending"), unique("pending"));
    create(&target(&settings), &topic, 3, &[]).await;
    commit(&settings, &group, &topic, &[(5, "before"), (6, "other")]).await;
    let producer: BaseProducer = plain(&settings, &[("transactional.id", &group)]).create().unwrap();
    producer.init_transactions(A_MINUTE).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<(), str>::to(&topic).partition(0).payload("x")).map_err(|(error, _)| error).unwrap();
    let member: BaseConsumer = plain(&settings, &[("group.id", &group)]).create().unwrap();
    let mut list = TopicPartitionList::new();
    // Partition 2 has no earlier commit.
    for partition in [0, 2] {
        list.add_partition_offset(&topic, partition, Offset::Offset(9)).unwrap();
    }
    producer.send_offsets_to_transaction(&list, &member.group_metadata().unwrap(), A_MINUTE).unwrap();

    let source = source(&settings, "administration");
    let start = Instant::now();
    let at = |partition| TopicPartition::new(&topic, partition);
    let pending = GroupOffset { pending: true, ..settled_offset(5, "before") };
    assert_eq!(offsets_of(&source, &group).await, BTreeMap::from([(at(0), pending), (at(1), settled_offset(6, "other"))]));
    assert!(start.elapsed() >= Duration::from_secs(1), "it was waited for");
    producer.commit_transaction(A_MINUTE).unwrap();
    let after = [(at(0), settled_offset(9, "")), (at(1), settled_offset(6, "other")), (at(2), settled_offset(9, ""))];
    // The markers follow the response.
    while offsets_of(&source, &group).await != BTreeMap::from(after.clone()) {}
}

#[tokio::test]
async fn many_groups_are_told_at_once_and_those_that_are_not_there_have_nothing() {
    let settings = real!();
    let (topic, of) = (unique("many"), unique("many"));
    create(&target(&settings), &topic, 1, &[]).await;
    let source = source(&settings, "administration");
    let mut groups: Vec<String> = (0..200).map(|number| format!("{of}-{number}")).collect();
    for (offset, group) in (0..).zip(&groups) {
        let partition = TopicPartition::new(&topic, 0);
        commit_for(&source, group, &partition, &progress(offset, group)).await;
    }
    let listed = source.groups().await.unwrap();
    let lacks: Vec<_> = groups.iter().filter(|group| listed.groups.get(*group).is_none_or(|listing| !listing.is_simple)).collect();
    assert!(lacks.is_empty(), "{} of {}, for example {:?}: {:?}", lacks.len(), groups.len(), lacks[0], listed.missing);
    groups.push(unique("never-there"));
    let offsets = source.group_offsets(&groups).await.unwrap();
    assert_eq!(offsets.len(), 201);
    for (offset, group) in (0..).zip(&groups[..200]) {
        let found = offsets[group].as_ref().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[&TopicPartition::new(&topic, 0)].as_ref().unwrap(), &settled_offset(offset, group));
    }
    assert!(offsets[&groups[200]].as_ref().unwrap().is_empty());
}

/// No test of time: run by hand, it prints how long many groups take.
#[tokio::test]
#[ignore = "a measurement"]
async fn a_thousand_groups_of_ten_partitions() {
    let settings = real!();
    let (topic, of) = (unique("thousand"), unique("thousand"));
    create(&target(&settings), &topic, 10, &[]).await;
    let source = source(&settings, "administration");
    let groups: Vec<String> = (0..1000).map(|number| format!("{of}-{number}")).collect();
    for group in &groups {
        for partition in 0..10 {
            let partition = TopicPartition::new(&topic, partition);
            commit_for(&source, group, &partition, &progress(partition.partition.into(), group)).await;
        }
    }
    for _ in 0..2 {
        let start = Instant::now();
        let listed = source.groups().await.unwrap().groups.len();
        let listing = start.elapsed();
        let start = Instant::now();
        let offsets = source.group_offsets(&groups).await.unwrap();
        let committed: usize = offsets.values().map(|offsets| offsets.as_ref().unwrap().len()).sum();
        let (took, groups) = (start.elapsed(), groups.len());
        let _ = writeln!(std::io::stderr(), "listing {listed} groups: {listing:?}; {committed} offsets of {groups} groups: {took:?}");
    }
}

#[tokio::test]
async fn configs_of_many_topics_are_told_apart() {
    let settings = real!();
    let target = target(&settings);
    let [with, without] = ["with", "without"].map(unique);
    create(&target, &with, 1, &[("retention.ms", "1234"), ("cleanup.policy", "compact")]).await;
    create(&target, &without, 1, &[("retention.ms", "604800000")]).await;
    let source = source(&settings, "administration");
    let configs = source.topic_configs(&[with.clone(), unique("absent"), without.clone(), with.clone()]).await.unwrap();
    assert_eq!(configs.len(), 2);
    let configs = configs[&with].as_ref().unwrap();
    assert_eq!(configs.own["retention.ms"], "1234");
    assert_eq!((configs.effective["cleanup.policy"].as_str(), configs.effective["max.message.bytes"].as_str()), ("compact", "2097164"));
    assert!(!configs.own.contains_key("max.message.bytes"));
    assert_eq!(Some(configs.own.clone()), source.configs(&with).await.unwrap());
}

/// Freeing the text of that refusal crashes librdkafka.
#[tokio::test]
async fn a_refusal_of_users_is_an_error_and_no_crash() {
    let (Some(settings), Ok(password)) = (super::real::sasl(), std::env::var("TEST_KAFKA_READER_PASSWORD")) else { return };
    let login =
        [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "reader"), ("sasl.password", &password)];
    let source = source(&with(&settings, &login), "administration");
    for _ in 0..3 {
        let handle = source.asker.handle();
        let failure = tokio::task::spawn_blocking(move || handle.scram_users(LONG)).await.unwrap().unwrap_err();
        assert_eq!(failure.code, Code::CLUSTER_AUTHORIZATION_FAILED, "{failure}");
    }
}

/// What the embedded broker does not support, like some other clusters.
#[tokio::test]
async fn a_cluster_that_lacks_the_requests_is_said_to() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 1).unwrap();
    let source = source(&broker.settings(), "backup");
    let cluster = source.cluster().await.unwrap();
    assert_eq!(cluster.brokers.len(), 2);
    let refused = [
        source.groups().await.map(drop).unwrap_err(),
        source.topic_configs(&["topic".to_owned()]).await.map(drop).unwrap_err(),
        source.acls(Some(&cluster)).await.map(drop).unwrap_err(),
        source.users(None).await.map(drop).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind, KafkaErrorKind::Unsupported, "{error}");
    }
    let rights = source.rights(&["topic".to_owned(), "absent".to_owned()]).await.unwrap();
    assert_eq!(rights.topics, BTreeMap::from([("topic".to_owned(), None)]));
    assert_eq!(rights.group, None);
    let partition = TopicPartition::new("topic", 0);
    source.commit(&partition, &progress(7, "m")).await.unwrap();
    let source = super::help::source(&broker.settings(), "other");
    assert!(offsets_of(&source, "none").await.is_empty());
}
