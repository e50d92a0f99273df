//! Against the embedded broker, with faults.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use kernel::Deadline;
use rdkafka_sys::rd_kafka_resp_err_t::{self as code, *};

use super::help::*;
use crate::{
    ClusterAdministration, Delivery, EmbeddedBroker, Extent, KafkaErrorKind, KafkaSettings, OffsetRange, SourceCluster, TargetCluster,
    TopicPartition, WriterName,
};

// Numbers of requests in Kafka's protocol.
const FETCH: i16 = 1;
const LIST_OFFSETS: i16 = 2;
const OFFSET_COMMIT: i16 = 8;
const OFFSET_FETCH: i16 = 9;
const FIND_COORDINATOR: i16 = 10;

/// A broker with one topic of one partition.
pub(super) fn broker() -> (EmbeddedBroker, KafkaSettings) {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 1).unwrap();
    let settings = broker.settings();
    (broker, settings)
}

/// That partition.
fn partition() -> TopicPartition {
    TopicPartition::new("topic", 0)
}

#[tokio::test]
async fn what_time_heals_is_tried_again() {
    let (broker, settings) = broker();
    let (source, target) = (source(&settings, "backup"), target(&settings));
    write(&target, "topic", 0, &odd_records()[..2]).await;
    let loading = [RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR];
    broker.broker().fail(OFFSET_COMMIT, &loading);
    source.commit(&partition(), &progress(2, "x")).await.unwrap();
    broker.broker().fail(OFFSET_FETCH, &loading);
    assert_eq!(source.committed(&[partition()]).await.unwrap()[&partition()], progress(2, "x"));
    broker.broker().fail(LIST_OFFSETS, &[RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT]);
    let end = async || source.offsets(&[partition()]).await.unwrap()[&partition()].as_ref().unwrap().end;
    assert_eq!(end().await, 2);
    for leader in [0, 1, 0] {
        broker.broker().lead("topic", 0, leader);
        assert_eq!(end().await, 2, "leader {leader}");
        assert_eq!(read_all(&source, "topic", 0).await.len(), 2, "leader {leader}");
    }
}

#[tokio::test]
async fn what_time_heals_is_tried_again_for_the_groups_that_it_concerns() {
    let (broker, settings) = broker();
    let source = source(&settings, "backup");
    let groups: Vec<String> = (0..20).map(|number| format!("group-{number}")).collect();
    broker.broker().fail(OFFSET_FETCH, &[RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR]);
    let offsets = source.group_offsets(&groups).await.unwrap();
    assert!(offsets.len() == 20 && offsets.values().all(Result::is_ok), "{offsets:?}");
    broker.broker().fail(OFFSET_FETCH, &[RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED]);
    let refused: Vec<_> = source.group_offsets(&groups).await.unwrap().into_values().filter_map(Result::err).collect();
    let [refused] = &refused[..] else { panic!("{refused:?}") };
    assert!(refused.kind == KafkaErrorKind::Denied && refused.subject.starts_with("consumer group group-"), "{refused}");
}

#[tokio::test]
async fn the_time_for_many_groups_is_bounded_for_all_together() {
    let (broker, settings) = broker();
    let source = source(&with(&settings, &[("socket.timeout.ms", "1500")]), "backup");
    let groups: Vec<String> = (0..500).map(|number| format!("group-{number}")).collect();
    broker.broker().down(true);
    let offsets = tokio::time::timeout(LONG, source.group_offsets(&groups)).await.expect("a bounded time").unwrap();
    assert_eq!(offsets.len(), 500);
    for offsets in offsets.into_values() {
        assert_eq!(offsets.unwrap_err().kind, KafkaErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_partition_without_a_leader_is_absent() {
    let (broker, settings) = broker();
    broker.broker().lead("topic", 0, -1);
    assert!(source(&settings, "backup").offsets(&[partition()]).await.unwrap().is_empty());
}

/// librdkafka reports no error for the partitions of a broker that did not respond, and -1001 as
/// their offset.
#[tokio::test]
async fn a_partition_whose_leader_is_away_is_absent_and_no_other() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 2).unwrap();
    let settings = with(&broker.settings(), &[("socket.timeout.ms", "5000")]);
    let both = [0, 1].map(|partition| TopicPartition::new("topic", partition));
    let (source, target) = (source(&settings, "backup"), target(&settings));
    for (partition, leader) in [(0, 0), (1, 1)] {
        broker.broker().lead("topic", partition, leader);
    }
    write(&target, "topic", 0, &odd_records()[..2]).await;
    assert_eq!(source.offsets(&both).await.unwrap().len(), 2);
    broker.broker().take_down(1);
    let mut ranges = source.offsets(&both).await.unwrap();
    let range = ranges.remove(&both[0]).unwrap().unwrap();
    assert_eq!((range, ranges.len()), (OffsetRange { log_start: 0, end: 2, high_watermark: 2 }, 0));
    let error = source.offsets(&both[1..]).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
    assert!(error.what.contains("listing offsets failed") && error.what.contains(&settings.bootstrap_servers), "{error}");
}

/// Whichever broker is asked first returns this, for the partition that it leads.
#[tokio::test]
async fn a_partition_that_is_refused_fails_and_no_other() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 2).unwrap();
    let both = [0, 1].map(|partition| TopicPartition::new("topic", partition));
    let source = source(&broker.settings(), "backup");
    for (partition, leader) in [(0, 0), (1, 1)] {
        broker.broker().lead("topic", partition, leader);
    }
    broker.broker().fail(LIST_OFFSETS, &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let (answered, refused): (Vec<_>, Vec<_>) = source.offsets(&both).await.unwrap().into_iter().partition(|(_, range)| range.is_ok());
    assert_eq!((answered.len(), refused.len()), (1, 1), "{answered:?} {refused:?}");
    let (partition, error) = (&refused[0].0, refused[0].1.as_ref().unwrap_err());
    assert_eq!((error.kind, &error.subject), (KafkaErrorKind::Denied, &partition.to_string()), "{error}");
    assert!(source.offsets(&both).await.unwrap().values().all(Result::is_ok));
}

#[tokio::test]
async fn a_target_of_which_a_part_is_away_does_not_pass_for_empty() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 2).unwrap();
    let target = target(&with(&broker.settings(), &[("socket.timeout.ms", "5000")]));
    for (partition, leader) in [(0, 0), (1, 1)] {
        broker.broker().lead("topic", partition, leader);
    }
    assert!(target.extents("topic", 2).await.unwrap().iter().all(Extent::is_empty));
    broker.broker().take_down(1);
    let error = target.extents("topic", 2).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
}

/// A new topic with many partitions gets its leaders one after another.
#[tokio::test]
async fn the_leaders_of_a_target_are_waited_for() {
    let (broker, settings) = broker();
    let target = target(&settings);
    broker.broker().lead("topic", 0, -1);
    let led = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        broker.broker().lead("topic", 0, 1);
    };
    let (extents, ()) = tokio::join!(target.extents("topic", 1), led);
    assert!(extents.unwrap().iter().all(Extent::is_empty));
    broker.broker().lead("topic", 0, -1);
    let error = target.extents("topic", 1).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("topic/0: it has no leader, so its records are unknown"), "{error}");
}

/// A cluster that has just started takes longer than the pauses between tries.
#[tokio::test]
async fn a_coordinator_that_starts_is_waited_for() {
    let (broker, settings) = broker();
    let source = source(&settings, "backup");
    broker.broker().fail(OFFSET_COMMIT, &[RD_KAFKA_RESP_ERR_NOT_COORDINATOR; 8]);
    source.commit(&partition(), &progress(2, "x")).await.unwrap();
    let source = super::help::source(&with(&settings, &[("socket.timeout.ms", "4000")]), "backup");
    broker.broker().fail(OFFSET_COMMIT, &[RD_KAFKA_RESP_ERR_NOT_COORDINATOR; 50]);
    let error = source.commit(&partition(), &progress(2, "x")).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
    assert!(error.what.contains("Not coordinator"), "{error}");
}

#[tokio::test]
async fn what_time_does_not_heal_is_explained() {
    let (broker, settings) = broker();
    let source = source(&settings, "backup");
    let commit = async |code: code| {
        broker.broker().fail(OFFSET_COMMIT, &[code]);
        source.commit(&partition(), &progress(1, "")).await.unwrap_err()
    };
    let denied = commit(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED).await;
    assert_eq!(denied.kind, KafkaErrorKind::Denied);
    assert!(denied.to_string().contains("consumer group backup on topic/0") && denied.what.contains("Read on the group"), "{denied}");
    for code in [RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS] {
        assert_eq!(commit(code).await.kind, KafkaErrorKind::GroupInUse);
    }
    assert!(source.committed(&[partition()]).await.unwrap().is_empty());

    broker.broker().fail(FIND_COORDINATOR, &[RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 10]);
    let denied = super::help::source(&settings, "other").committed(&[partition()]).await.unwrap_err();
    assert_eq!(denied.kind, KafkaErrorKind::Denied);
    assert!(denied.to_string().contains("consumer group other") && denied.what.contains("Describe on the group"), "{denied}");
}

#[tokio::test]
async fn a_reader_survives_its_brokers() {
    let (broker, settings) = broker();
    let (source, target) = (source(&settings, "backup"), target(&settings));
    write(&target, "topic", 0, &odd_records()[..3]).await;
    let mut reader = source.open(&partition(), 0).await.unwrap();
    assert_eq!(read_to(&mut *reader, 3).await.len(), 3);
    broker.broker().down(true);
    reader.fetch(Duration::from_millis(300)).await.unwrap();
    reader.drain(&mut |record| panic!("{record:?}"));
    assert_eq!(reader.position(), 3);
    broker.broker().down(false);
    write(&target, "topic", 0, &odd_records()[3..5]).await;
    broker.broker().fail(FETCH, &[RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION]);
    assert_eq!(read_to(&mut *reader, 5).await, at(3, &odd_records()[3..5]));
}

#[tokio::test]
async fn a_reader_without_the_acl_says_so() {
    let (broker, settings) = broker();
    write(&target(&settings), "topic", 0, &odd_records()[..1]).await;
    broker.broker().fail(FETCH, &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 5]);
    let mut reader = source(&settings, "backup").open(&partition(), 0).await.unwrap();
    let error = reader.fetch(LONG).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("topic/0") && error.what.contains("Read on the topic"), "{error}");
}

#[tokio::test]
async fn records_before_a_failure_are_visited_first() {
    let (broker, settings) = broker();
    let (source, target) = (source(&settings, "backup"), target(&settings));
    write(&target, "topic", 0, &odd_records()[..3]).await;
    let mut reader = source.open(&partition(), 0).await.unwrap();
    reader.fetch(LONG).await.unwrap();
    broker.broker().fail(FETCH, &[RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE; 5]);
    let mut visited = 0;
    let error = loop {
        match reader.fetch(LONG).await {
            Ok(()) => reader.drain(&mut |_| {
                visited += 1;
                ControlFlow::Continue(())
            }),
            Err(error) => break error,
        }
    };
    assert_eq!((visited, reader.position(), error.kind), (3, 3, KafkaErrorKind::OffsetOutOfRange), "{error}");
}

#[tokio::test]
async fn committed_offsets_that_come_late_are_asked_for_once() {
    let (broker, settings) = broker();
    let source = source(&settings, "backup");
    assert!(source.committed(&[partition()]).await.unwrap().is_empty());
    for broker_id in [0, 1] {
        broker.broker().delay(broker_id, Duration::from_secs(1));
    }
    broker.broker().track();
    assert!(source.committed(&[partition()]).await.unwrap().is_empty());
    assert_eq!(broker.broker().requests().into_iter().filter(|api| *api == OFFSET_FETCH).count(), 1);
}

#[tokio::test]
async fn servers_that_do_not_answer_are_named() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = KafkaSettings { bootstrap_servers: format!("127.0.0.1:{port}"), ..KafkaSettings::default() };
    let settings = with(&settings, &[("socket.timeout.ms", "500")]);
    let error = source(&settings, "backup").describe(&["topic".to_owned()]).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
    assert!(error.what.contains("refused") && error.what.contains(&settings.bootstrap_servers), "{error}");
    let name = WriterName { topic: "topic".to_owned(), id: "restore-0".to_owned() };
    let error = target(&settings).open(&name, Delivery::ExactlyOnce).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
}

/// A port that refuses, a name that does not exist, and an address that says nothing at all: no one
/// waits half a minute for them who asked not to.
#[tokio::test]
async fn who_asks_for_it_learns_soon_that_no_broker_can_be_reached() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Once so many connections wait, the kernel drops what comes.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let silent = socket.listen(1).unwrap();
    let address = silent.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).take(100).collect();
    assert!(waiting.len() < 100);
    for servers in [format!("127.0.0.1:{port}"), "kafka.invalid:9092".to_owned(), address.to_string()] {
        let patience = Some(Duration::from_secs(2));
        let settings = KafkaSettings { bootstrap_servers: servers.clone(), patience, ..KafkaSettings::default() };
        let start = std::time::Instant::now();
        let error = source(&settings, "backup").describe(&["topic".to_owned()]).await.unwrap_err();
        assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
        assert!(error.what.contains(&servers), "{error}");
        assert!(start.elapsed() < Duration::from_secs(15), "{servers}: {:?}", start.elapsed());
    }
}

/// Whatever a connection is stuck in: a new client has others.
#[tokio::test]
async fn a_commit_that_times_out_is_tried_again_with_a_new_client() {
    let (broker, settings) = broker();
    let settings = with(&settings, &[("socket.timeout.ms", "6000")]);
    let source = source(&settings, "backup");
    source.commit(&partition(), &progress(1, "")).await.unwrap();
    broker.broker().hold(OFFSET_COMMIT, LONG);
    source.commit(&partition(), &progress(2, "")).await.unwrap();
}

/// How a server that requires TLS treats a client without it: an alert, and the end.
#[tokio::test]
async fn a_port_that_wants_tls_is_told_of() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = KafkaSettings { bootstrap_servers: server.local_addr().unwrap().to_string(), ..KafkaSettings::default() };
    std::thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&[0x15, 3, 3, 0, 2, 2, 70]);
        }
    });
    let settings = with(&settings, &[("socket.timeout.ms", "3000")]);
    let name = WriterName { topic: "topic".to_owned(), id: "restore-0".to_owned() };
    let describing = source(&settings, "backup").describe(&["topic".to_owned()]).await.unwrap_err();
    let writing = target(&settings).open(&name, Delivery::ExactlyOnce).await.unwrap_err();
    for error in [describing, writing] {
        assert!(error.what.contains(&settings.bootstrap_servers) && error.what.contains("set security.protocol to SSL"), "{error}");
    }
}

/// Without a deadline a request takes half a minute. The remaining time shows which limit ended it:
/// a distant deadline is not reached.
#[tokio::test]
async fn a_request_ends_before_the_deadline() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = KafkaSettings { bootstrap_servers: silent.local_addr().unwrap().to_string(), ..KafkaSettings::default() };
    let deadline = Deadline::unset();
    let source = source(&settings, "backup").until(&deadline);
    let target = target(&settings).until(&deadline);
    deadline.set(Some(Duration::from_secs(8)));
    let error = source.describe(&["topic".to_owned()]).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
    assert!(error.what.contains(&settings.bootstrap_servers), "{error}");
    let left = deadline.remaining().unwrap();
    assert!(left > Duration::ZERO, "the failure came after the deadline");
    assert!(target.describe("topic").await.is_err());
}

#[tokio::test]
async fn requests_do_not_grow_with_partitions() {
    let broker = EmbeddedBroker::start().unwrap();
    let mut counts = Vec::new();
    for partitions in [2, 1000] {
        let topic = format!("topic-of-{partitions}");
        broker.create_topic(&topic, partitions).unwrap();
        let source = source(&broker.settings(), "backup");
        let all: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(&topic, partition)).collect();
        let look = async || {
            broker.broker().track();
            source.describe(std::slice::from_ref(&topic)).await.unwrap();
            assert_eq!(source.offsets(&all).await.unwrap().len(), all.len());
            source.committed(&all).await.unwrap();
            broker.broker().requests().len()
        };
        // The first check connects, the second one costs as much as an idle tick of a running
        // process.
        counts.push([look().await, look().await]);
    }
    assert_eq!(counts[0][1], counts[1][1]);
    // Metadata, ListOffsets three times to each of two brokers, OffsetFetch.
    assert_eq!(counts[0][1], 8, "{counts:?}");
}
