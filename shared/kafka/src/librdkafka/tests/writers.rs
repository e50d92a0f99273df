//! Writers against the embedded broker, with faults.

use std::time::Duration;

use kernel::Deadline;
use rdkafka_sys::rd_kafka_resp_err_t::*;

use super::faults::broker;
use super::help::*;
use crate::{Delivery, KafkaErrorKind, Queued, RdKafkaTarget, TargetCluster, WriterName, Written};

// Numbers of requests in Kafka's protocol.
const PRODUCE: i16 = 0;
const OFFSET_FETCH: i16 = 9;
const INIT_PRODUCER_ID: i16 = 22;
const ADD_PARTITIONS_TO_TXN: i16 = 24;
const ADD_OFFSETS_TO_TXN: i16 = 25;
const END_TXN: i16 = 26;
const TXN_OFFSET_COMMIT: i16 = 28;

#[tokio::test]
async fn a_writer_survives_its_brokers() {
    let (broker, settings) = broker();
    let (source, target) = (source(&settings, "backup"), target(&settings));
    let mut writer = open(&target, "topic", "restore-0", Delivery::ExactlyOnce).await;
    broker.broker().fail(PRODUCE, &[RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS]);
    queue(&mut *writer, 0, &odd_records()[..3]).await;
    assert_eq!(writer.flush().await.unwrap().len(), 1);
    broker.broker().fail(ADD_OFFSETS_TO_TXN, &[RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR]);
    broker.broker().fail(TXN_OFFSET_COMMIT, &[RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS]);
    broker.broker().fail(END_TXN, &[RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR]);
    writer.commit(&progress(3, "")).await.unwrap();
    assert_eq!(read_all(&source, "topic", 0).await.len(), 3);
}

#[tokio::test]
async fn a_transaction_that_fails_is_given_up() {
    for (api, failure, kind) in [
        (ADD_OFFSETS_TO_TXN, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, KafkaErrorKind::Denied),
        (END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, KafkaErrorKind::Fenced),
        (END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, KafkaErrorKind::Fenced),
        (TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, KafkaErrorKind::GroupInUse),
        (TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, KafkaErrorKind::Aborted),
    ] {
        let (broker, settings) = broker();
        let settings = with(&settings, &[("socket.timeout.ms", "2000")]);
        let mut writer = open(&target(&settings), "topic", "restore-0", Delivery::ExactlyOnce).await;
        queue(&mut *writer, 0, &odd_records()[..2]).await;
        writer.flush().await.unwrap();
        broker.broker().fail(api, &[failure; 10]);
        let error = writer.commit(&progress(2, "")).await.unwrap_err();
        assert_eq!(error.kind, kind, "{failure:?}: {error}");
        assert!(!error.what.contains("reach"), "{error}");
    }
}

#[tokio::test]
async fn a_coordinator_that_is_slow_or_moves_is_waited_for() {
    let (broker, settings) = broker();
    let mut writer = open(&target(&settings), "topic", "restore-0", Delivery::ExactlyOnce).await;
    broker.broker().fail(TXN_OFFSET_COMMIT, &[RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE]);
    for broker_id in [0, 1] {
        broker.broker().delay(broker_id, Duration::from_millis(400));
    }
    for coordinator in [0, 1, 0] {
        broker.broker().coordinate("restore-0", coordinator);
        queue(&mut *writer, 0, &odd_records()[..2]).await;
        writer.flush().await.unwrap();
        writer.commit(&progress(2, "")).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_transaction_was_given_up_for_is_tried_again_by_the_next_invocation() {
    let (broker, settings) = broker();
    for failure in [
        RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
        RD_KAFKA_RESP_ERR_INVALID_REQUEST,
    ] {
        let mut writer = open(&target(&settings), "topic", &unique("restore"), Delivery::ExactlyOnce).await;
        broker.broker().fail(PRODUCE, &[failure]);
        queue(&mut *writer, 0, &odd_records()[..2]).await;
        let error = writer.flush().await.unwrap_err();
        assert_eq!(error.kind, KafkaErrorKind::Aborted, "{failure:?}: {error}");
        assert!(error.is_retryable() && error.to_string().starts_with("topic/0: writing failed"), "{error}");
    }
}

/// The record's own report contains only that it was purged.
#[tokio::test]
async fn a_transaction_says_what_it_failed_for_and_is_not_committed_to_learn_it() {
    let (broker, settings) = broker();
    let mut writer = open(&target(&settings), "topic", "restore-0", Delivery::ExactlyOnce).await;
    broker.broker().track();
    broker.broker().fail(ADD_PARTITIONS_TO_TXN, &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    queue(&mut *writer, 0, &odd_records()[..2]).await;
    let error = writer.flush().await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Denied, "{error}");
    assert!(error.what.contains("Write on the topic"), "{error}");
    assert!(!broker.broker().requests().contains(&PRODUCE));
}

#[tokio::test]
async fn a_record_that_the_broker_has_already_is_counted_at_no_place() {
    let (broker, settings) = broker();
    let mut writer = open(&target(&settings), "topic", "restore-0", Delivery::ExactlyOnce).await;
    queue(&mut *writer, 0, &odd_records()[..1]).await;
    assert_eq!(writer.flush().await.unwrap().iter().map(|run| run.count).sum::<i64>(), 1);
    broker.broker().fail(PRODUCE, &[RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER]);
    queue(&mut *writer, 0, &odd_records()[1..3]).await;
    // Two sources are never paired with the one reported position.
    assert_eq!(writer.flush().await.unwrap(), [Written { partition: 0, first: None, count: 2 }]);
    writer.commit(&progress(3, "")).await.unwrap();
}

#[tokio::test]
async fn a_writer_that_is_dropped_ends_its_transaction() {
    let (broker, settings) = broker();
    let mut writer = open(&target(&settings), "topic", "restore-0", Delivery::ExactlyOnce).await;
    queue(&mut *writer, 0, &odd_records()[..2]).await;
    writer.flush().await.unwrap();
    broker.broker().track();
    drop(writer);
    let ended = async {
        while !broker.broker().requests().contains(&END_TXN) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, ended).await.expect("an end of the transaction");
}

/// Until then the brokers' absence does not end the wait: records are retried for minutes.
#[tokio::test]
async fn what_the_brokers_do_not_take_in_time_is_given_up_before_the_deadline() {
    let (broker, settings) = broker();
    for (delivery, is_full) in [(Delivery::ExactlyOnce, false), (Delivery::ExactlyOnce, true), (Delivery::AtLeastOnce, false)] {
        let deadline = Deadline::unset();
        let target = RdKafkaTarget::connect(&settings, 100_000).unwrap().until(&deadline);
        let mut writer = open(&target, "topic", &unique("restore"), delivery).await;
        deadline.set(Some(Duration::from_secs(6)));
        broker.broker().down(true);
        let mut write = || odd_records()[7].lend(|record| writer.write(0, record)).unwrap();
        assert_eq!(write(), Queued::Taken);
        let error = if is_full {
            assert_eq!(write(), Queued::Full);
            writer.room().await.unwrap_err()
        } else {
            writer.flush().await.unwrap_err()
        };
        assert_eq!(error.kind, KafkaErrorKind::Unavailable, "{error}");
        assert!(deadline.remaining().unwrap() > Duration::ZERO, "the failure came after the deadline");
        broker.broker().down(false);
    }
}

#[tokio::test]
async fn a_writer_without_the_acl_says_so() {
    let (broker, settings) = broker();
    let target = target(&settings);
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let mut writer = open(&target, "topic", &unique("restore"), delivery).await;
        broker.broker().fail(PRODUCE, &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
        queue(&mut *writer, 0, &odd_records()[..2]).await;
        let error = writer.flush().await.unwrap_err();
        assert_eq!(error.kind, KafkaErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("topic/0") && error.what.contains("Write on the topic"), "{error}");
    }
    broker.broker().fail(INIT_PRODUCER_ID, &[RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED]);
    let name = WriterName { topic: "topic".to_owned(), id: "restore-of-mine".to_owned() };
    let error = target.open(&name, Delivery::ExactlyOnce).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("restore-of-mine") && error.what.contains("Write and Describe"), "{error}");
}

#[tokio::test]
async fn what_is_queued_when_the_brokers_are_gone_does_not_keep_a_writer_alive() {
    let (broker, settings) = broker();
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let mut writer = open(&target(&settings), "topic", "restore-0", delivery).await;
        broker.broker().down(true);
        queue(&mut *writer, 0, &odd_records()).await;
        drop(writer);
        broker.broker().down(false);
    }
}

/// Brokers have their own limit, transaction.max.timeout.ms, which can be below our default.
#[tokio::test]
async fn a_transaction_is_as_long_as_the_brokers_allow() {
    let (broker, settings) = broker();
    let longer = with(&settings, &[("socket.timeout.ms", "300000"), ("message.timeout.ms", "290000")]);
    for settings in [settings, longer] {
        let target = target(&settings);
        broker.broker().fail(INIT_PRODUCER_ID, &[RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT; 2]);
        for partition in ["restore-0", "restore-1"] {
            let writer = open(&target, "topic", partition, Delivery::ExactlyOnce).await;
            assert_eq!(writer.transaction_timeout(), Duration::from_secs(75));
        }
    }
}

#[tokio::test]
async fn brokers_that_allow_no_transaction_are_told_of_with_their_config() {
    let (broker, settings) = broker();
    let target = target(&with(&settings, &[("transaction.timeout.ms", "2000")]));
    broker.broker().fail(INIT_PRODUCER_ID, &[RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT; 2]);
    let name = WriterName { topic: "topic".to_owned(), id: "restore-0".to_owned() };
    let error = target.open(&name, Delivery::ExactlyOnce).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Unsupported, "{error}");
    assert!(error.what.contains("do not allow a transaction of 1000 ms: raise their transaction.max.timeout.ms"), "{error}");
}

/// Uncertain progress is never reported as no progress: records would be written twice.
#[tokio::test]
async fn progress_that_a_transaction_may_change_is_waited_for_and_a_refusal_is_no_answer() {
    let (broker, settings) = broker();
    let settings = with(&settings, &[("socket.timeout.ms", "2000")]);
    let mut writer = open(&target(&settings), "topic", "restore-0", Delivery::ExactlyOnce).await;
    broker.broker().fail(OFFSET_FETCH, &[RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT; 3]);
    broker.broker().track();
    assert_eq!(writer.progress().await.unwrap(), None);
    assert_eq!(broker.broker().requests().into_iter().filter(|api| *api == OFFSET_FETCH).count(), 4);
    for (failure, kind) in [
        (RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT, KafkaErrorKind::Unavailable),
        (RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, KafkaErrorKind::Denied),
        (RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, KafkaErrorKind::Denied),
    ] {
        broker.broker().fail(OFFSET_FETCH, &[failure; 100]);
        let error = writer.progress().await.unwrap_err();
        assert_eq!(error.kind, kind, "{failure:?}: {error}");
        broker.broker().forget_failures(OFFSET_FETCH);
    }
}
