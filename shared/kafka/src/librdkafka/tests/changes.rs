//! Changes of a cluster other than records, against a real Kafka. Tests that need an authorizer or
//! Kafka's own tools are among the end-to-end tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::task::JoinSet;

use super::help::*;
use crate::{
    Acl, ClusterAdministration, ClusterChanges, CommittedOffset, Delivery, EmbeddedBroker, GroupOffset, KafkaErrorKind, KafkaSettings,
    RdKafkaTarget, SourceCluster, TopicConfigs, TopicPartition,
};

type Offsets = BTreeMap<TopicPartition, CommittedOffset>;

fn offsets(topic: &str, all: &[(i32, i64, &str)]) -> Offsets {
    all.iter().map(|(partition, next, metadata)| (TopicPartition::new(topic, *partition), progress(*next, metadata))).collect()
}

/// A group's commits, as our own client reads them.
async fn committed(target: &RdKafkaTarget, group: &str) -> Offsets {
    let answer = target.group_offsets(&[group.to_owned()]).await.unwrap().remove(group).unwrap().unwrap();
    let told = |offset: GroupOffset| CommittedOffset { next: offset.offset, metadata: offset.metadata };
    answer.into_iter().map(|(partition, offset)| (partition, told(offset.unwrap()))).collect()
}

/// As another client reads them, for these partitions.
fn committed_elsewhere(settings: &KafkaSettings, group: &str, partitions: impl IntoIterator<Item = TopicPartition>) -> Offsets {
    let client: BaseConsumer = plain(settings, &[("group.id", group)]).create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    let list = client.committed_offsets(list, LONG).unwrap();
    let some = list.elements().into_iter().filter_map(|element| match element.offset() {
        Offset::Offset(next) => Some((TopicPartition::new(element.topic(), element.partition()), progress(next, element.metadata()))),
        _ => None,
    });
    some.collect()
}

/// A live member of `group` that reads `topic`.
fn member(settings: &KafkaSettings, group: &str, topic: &str, protocol: &str) -> BaseConsumer {
    let properties = [("group.id", group), ("group.protocol", protocol), ("enable.auto.commit", "false")];
    let member: BaseConsumer = plain(settings, &properties).create().unwrap();
    member.subscribe(&[topic]).unwrap();
    while member.assignment().unwrap().count() == 0 {
        member.poll(Duration::from_millis(100));
    }
    member
}

#[tokio::test]
async fn a_group_is_made_with_offsets_and_metadata_as_they_were() {
    let settings = real!();
    let (topic, group) = (unique("committed"), unique("committed"));
    let target = target(&settings);
    create(&target, &topic, 3, &[]).await;
    let long = "ü".repeat(2_000);
    let wanted = offsets(&topic, &[(0, 7, "where: ü\""), (1, 0, ""), (2, 9_000_000_000, &long)]);
    let each = target.commit_group(&group, &wanted).await.unwrap();
    assert!(each.len() == 3 && each.values().all(Result::is_ok), "{each:?}");
    assert_eq!(committed(&target, &group).await, wanted);
    assert_eq!(committed_elsewhere(&settings, &group, wanted.keys().cloned()), wanted);
    assert!(target.groups().await.unwrap().groups[&group].is_simple);

    // Back, and of one partition: the others do not change.
    let each = target.commit_group(&group, &offsets(&topic, &[(0, 3, "")])).await.unwrap();
    assert!(each.len() == 1 && each.values().all(Result::is_ok), "{each:?}");
    assert_eq!(committed(&target, &group).await[&TopicPartition::new(&topic, 0)], progress(3, ""));
    assert_eq!(committed(&target, &group).await.len(), 3);
}

#[tokio::test]
async fn a_partition_that_is_not_there_is_an_error_of_its_own() {
    let settings = real!();
    let (topic, absent, group) = (unique("there"), unique("absent"), unique("partly"));
    let target = target(&settings);
    create(&target, &topic, 1, &[]).await;
    let too_long = "x".repeat(5_000);
    let mut wanted = offsets(&topic, &[(0, 1, "m"), (1, 2, "m")]);
    wanted.extend(offsets(&absent, &[(0, 3, "m")]));
    let each = target.commit_group(&group, &wanted).await.unwrap();
    assert_eq!(each.len(), 3);
    for (partition, outcome) in &each {
        match outcome {
            Ok(()) => assert_eq!(partition, &TopicPartition::new(&topic, 0)),
            Err(error) => {
                assert_eq!(error.kind, KafkaErrorKind::UnknownTopic, "{error}");
                assert!(error.subject.contains(&group) && error.subject.ends_with(&partition.to_string()), "{error}");
            }
        }
    }
    assert_eq!(committed(&target, &group).await, offsets(&topic, &[(0, 1, "m")]));
    let each = target.commit_group(&group, &offsets(&topic, &[(0, 2, &too_long)])).await.unwrap();
    let error = each.into_values().next().unwrap().unwrap_err();
    assert!(error.what.contains("offset.metadata.max.bytes"), "{error}");
    assert_eq!(committed(&target, &group).await, offsets(&topic, &[(0, 1, "m")]));
}

#[tokio::test]
async fn a_group_with_a_live_member_is_refused_and_keeps_what_it_has() {
    let settings = real!();
    let target = target(&settings);
    for protocol in ["classic", "consumer"] {
        let (topic, group) = (unique("live"), unique("live"));
        create(&target, &topic, 2, &[]).await;
        let member = member(&settings, &group, &topic, protocol);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Offset(7)).unwrap();
        member.commit(&list, rdkafka::consumer::CommitMode::Sync).unwrap();
        let error = target.commit_group(&group, &offsets(&topic, &[(0, 1, ""), (1, 2, "")])).await.unwrap_err();
        assert_eq!(error.kind, KafkaErrorKind::GroupInUse, "{protocol}: {error}");
        assert!(error.subject.contains(&group) && error.what.contains("Stop its members"), "{error}");
        let at = TopicPartition::new(&topic, 0);
        let error = match target.forget_offsets(&group, std::slice::from_ref(&at)).await {
            Ok(mut each) => each.remove(&at).unwrap().unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind, KafkaErrorKind::GroupInUse, "{protocol}: {error}");
        assert_eq!(committed(&target, &group).await, offsets(&topic, &[(0, 7, "")]), "{protocol}");
    }
}

#[tokio::test]
async fn offsets_are_forgotten_one_by_one_and_twice_is_no_error() {
    let settings = real!();
    let (topic, group) = (unique("forgotten"), unique("forgotten"));
    let target = target(&settings);
    create(&target, &topic, 3, &[]).await;
    let each = target.commit_group(&group, &offsets(&topic, &[(0, 1, ""), (1, 2, "m"), (2, 3, "")])).await.unwrap();
    assert!(each.len() == 3 && each.values().all(Result::is_ok), "{each:?}");
    let [zero, two] = [0, 2].map(|partition| TopicPartition::new(&topic, partition));
    let gone = TopicPartition::new(unique("absent"), 0);
    for _ in 0..2 {
        let each = target.forget_offsets(&group, &[zero.clone(), two.clone(), gone.clone(), zero.clone()]).await.unwrap();
        assert!(each.len() == 3 && each.values().all(Result::is_ok), "{each:?}");
        assert_eq!(committed(&target, &group).await, offsets(&topic, &[(1, 2, "m")]));
    }
    let each = target.forget_offsets(&unique("never-there"), std::slice::from_ref(&zero)).await.unwrap();
    assert!(each[&zero].is_ok());
    assert!(
        target.forget_offsets(&group, &[]).await.unwrap().is_empty()
            && target.commit_group(&group, &Offsets::new()).await.unwrap().is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_groups_are_committed_for_at_the_same_time_on_one_client() {
    let settings = real!();
    let (topic, of) = (unique("many"), unique("many"));
    let target = Arc::new(target(&settings));
    create(&target, &topic, 100, &[]).await;
    let metadata = "m".repeat(3_000);
    let of_group = |number: i64| -> Offsets {
        // Those of the last groups are too large for one batch.
        let metadata = if number < 48 { "" } else { &metadata };
        (0..100)
            .map(|partition| (TopicPartition::new(&topic, partition), progress(number * 1_000 + i64::from(partition), metadata)))
            .collect()
    };
    let mut running = JoinSet::new();
    for number in 0..50 {
        let (target, group, wanted) = (Arc::clone(&target), format!("{of}-{number}"), of_group(number));
        running.spawn(async move { target.commit_group(&group, &wanted).await });
    }
    for each in running.join_all().await {
        let each = each.unwrap();
        assert!(each.len() == 100 && each.values().all(Result::is_ok), "{each:?}");
    }
    let groups: Vec<String> = (0..50).map(|number| format!("{of}-{number}")).collect();
    let mut read = target.group_offsets(&groups).await.unwrap();
    for (number, group) in (0..).zip(&groups) {
        let found = read.remove(group).unwrap().unwrap().into_iter().map(|(partition, offset)| {
            let GroupOffset { offset, metadata, .. } = offset.unwrap();
            (partition, CommittedOffset { next: offset, metadata })
        });
        assert!(found.collect::<Offsets>() == of_group(number), "{group}");
    }
}

/// No test of time: run by hand, it prints how long many groups take.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_thousand_groups_of_a_thousand_partitions() {
    let settings = real!();
    let (topic, of) = (unique("thousand"), unique("thousand"));
    let target = Arc::new(target(&settings));
    create(&target, &topic, 1_000, &[]).await;
    let wanted: Arc<Offsets> =
        Arc::new((0..1_000).map(|number| (TopicPartition::new(&topic, number), progress(number.into(), ""))).collect());
    for round in ["made", "again"] {
        let (start, mut running, mut groups) = (Instant::now(), JoinSet::new(), 0..1_000);
        loop {
            while running.len() < 16
                && let Some(number) = groups.next()
            {
                let (target, wanted, group) = (Arc::clone(&target), Arc::clone(&wanted), format!("{of}-{number}"));
                running.spawn(async move { target.commit_group(&group, &wanted).await });
            }
            let Some(each) = running.join_next().await else { break };
            assert!(each.unwrap().unwrap().values().all(Result::is_ok));
        }
        let _ = writeln!(std::io::stderr(), "1,000 groups of 1,000 partitions, {round}: {:?}", start.elapsed());
    }
}

fn changes(all: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    all.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
}

/// The topic's configs, once they are as expected: brokers learn of them after the controller's
/// answer.
async fn configs_once(target: &RdKafkaTarget, topic: &str, is_so: impl Fn(&TopicConfigs) -> bool) -> TopicConfigs {
    let until = async {
        loop {
            let configs = target.topic_configs(&[topic.to_owned()]).await.unwrap().remove(topic).unwrap().unwrap();
            if is_so(&configs) {
                return configs;
            }
        }
    };
    tokio::time::timeout(LONG, until).await.expect("configs as they were set")
}

#[tokio::test]
async fn configs_are_set_and_deleted_all_or_none() {
    let settings = real!();
    let topic = unique("altered");
    let target = target(&settings);
    create(&target, &topic, 1, &[("retention.ms", "-1"), ("cleanup.policy", "compact")]).await;
    target.alter_configs(&topic, &changes(&[("retention.ms", Some("1234")), ("max.message.bytes", Some("5000"))])).await.unwrap();
    let configs = configs_once(&target, &topic, |configs| configs.own.contains_key("max.message.bytes")).await;
    let own: Vec<_> = configs.own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(own, [("cleanup.policy", "compact"), ("max.message.bytes", "5000"), ("retention.ms", "1234")]);
    // For a broker whose own max.message.bytes is not Kafka's default.
    let inherited: Vec<_> = configs.inherited.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(inherited, [("cleanup.policy", "delete"), ("max.message.bytes", "2097164"), ("retention.ms", "604800000")]);

    let wrong = [
        (("nobody.knows", Some("1")), "nobody.knows"),
        (("retention.ms", Some("soon")), "soon"),
        (("cleanup.policy", Some("never")), "never"),
    ];
    for (wrong, word) in wrong {
        let error = target.alter_configs(&topic, &changes(&[("segment.bytes", Some("2000000")), wrong])).await.unwrap_err();
        assert_eq!(error.kind, KafkaErrorKind::InvalidConfig, "{error}");
        assert!(error.subject == topic && error.what.contains(word), "{error}");
    }
    // One that is not set, and one that no broker knows, can be deleted.
    let deleted = changes(&[("retention.ms", None), ("max.message.bytes", None), ("segment.bytes", None)]);
    for _ in 0..2 {
        target.alter_configs(&topic, &deleted).await.unwrap();
        let configs = configs_once(&target, &topic, |configs| !configs.own.contains_key("max.message.bytes")).await;
        assert_eq!(configs.own, BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]));
    }
    target.alter_configs(&topic, &BTreeMap::new()).await.unwrap();
    let error = target.alter_configs(&unique("absent"), &deleted).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::UnknownTopic, "{error}");
}

#[tokio::test]
async fn offsets_are_found_by_time_and_a_partition_that_is_not_there_is_named() {
    let settings = real!();
    let topic = unique("times");
    let target = target(&settings);
    // Of the year 1970: a broker would delete them.
    create(&target, &topic, 2, &[("retention.ms", "-1")]).await;
    let records: Vec<Owned> = [100, 300, 200, 500].map(|timestamp| Owned::new(timestamp, None, Some(b"x"))).into();
    // Without transactions: their markers have timestamps, too.
    let mut writer = open(&target, &topic, &unique("writer"), Delivery::AtLeastOnce).await;
    queue(&mut *writer, 0, &records).await;
    writer.flush().await.unwrap();
    let [full, empty, absent] = [0, 1, 2].map(|partition| TopicPartition::new(&topic, partition));
    let nowhere = TopicPartition::new(unique("absent"), 0);
    for (time, first) in
        [(i64::MIN, Some(0)), (0, Some(0)), (100, Some(0)), (101, Some(1)), (301, Some(3)), (500, Some(3)), (501, None), (i64::MAX, None)]
    {
        let mut found = target.offsets_at(&[full.clone(), empty.clone(), full.clone()], time).await.unwrap();
        assert_eq!(found.remove(&full).unwrap().unwrap(), first, "{time}");
        assert_eq!(found.remove(&empty).unwrap().unwrap(), None, "{time}");
    }
    for all in [vec![full.clone(), absent.clone(), nowhere.clone()], vec![absent.clone(), nowhere.clone()]] {
        let found = target.offsets_at(&all, 0).await.unwrap();
        assert_eq!(found.len(), all.len());
        for partition in [&absent, &nowhere] {
            let error = found[partition].as_ref().unwrap_err();
            assert_eq!(error.kind, KafkaErrorKind::UnknownTopic, "{error}");
            assert_eq!(error.subject, partition.to_string());
        }
    }
    assert!(target.offsets_at(&[], 0).await.unwrap().is_empty());
}

/// What the embedded broker does not support, like some other clusters.
#[tokio::test]
async fn a_cluster_that_cannot_be_changed_so_is_said_to() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 1).unwrap();
    let target = target(&broker.settings());
    let at = TopicPartition::new("topic", 0);
    let acl = |resource: &str| {
        let [name, pattern, principal] = ["topic", "LITERAL", "User:alice"].map(str::to_owned);
        let [host, operation, permission] = ["*", "READ", "ALLOW"].map(str::to_owned);
        Acl { resource: resource.to_owned(), name, pattern, principal, host, operation, permission }
    };
    let refused = [
        target.forget_offsets("group", std::slice::from_ref(&at)).await.map(drop).unwrap_err(),
        target.alter_configs("topic", &changes(&[("retention.ms", None)])).await.unwrap_err(),
        target.create_acls(&[acl("TOPIC")]).await.map(drop).unwrap_err(),
        target.delete_acls(&[acl("TOPIC")]).await.map(drop).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind, KafkaErrorKind::Unsupported, "{error}");
    }
    // Nothing is sent for entries that cannot be sent: otherwise the whole call would fail.
    for outcomes in [target.create_acls(&[acl("USER"), acl("UNKNOWN")]).await, target.delete_acls(&[acl("DELEGATION_TOKEN")]).await] {
        for outcome in outcomes.unwrap() {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind, KafkaErrorKind::Unsupported, "{error}");
            assert!(error.subject.contains("ALLOW READ on LITERAL") && error.what.contains("Do it with kafka-acls.sh"), "{error}");
        }
    }
    assert!(target.create_acls(&[]).await.unwrap().is_empty());
    target.commit_group("group", &BTreeMap::from([(at.clone(), progress(7, "m"))])).await.unwrap();
    // That broker does not report partitions that it is not asked about.
    let source = source(&broker.settings(), "group");
    assert_eq!(source.committed(std::slice::from_ref(&at)).await.unwrap(), BTreeMap::from([(at, progress(7, "m"))]));
}
