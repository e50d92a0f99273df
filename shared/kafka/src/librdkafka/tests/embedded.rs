//! Against the embedded broker.

use super::help::*;
use crate::{Delivery, EmbeddedBroker, KafkaErrorKind, NewTopic, SourceCluster, TargetCluster, TopicPartition};

#[tokio::test]
async fn a_topic_is_read_and_written_into_another() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("from", 2).unwrap();
    broker.create_topic("to", 2).unwrap();
    let settings = broker.settings();
    let (source, target) = (source(&settings, "backup"), target(&settings));
    let written = write(&target, "from", 1, &odd_records()).await;
    assert_eq!(
        written.iter().map(|run| (run.partition, run.first, run.count)).collect::<Vec<_>>(),
        [(1, Some(0), odd_records().len() as i64)]
    );

    let read = read_all(&source, "from", 1).await;
    assert_eq!(read, at(0, &odd_records()));
    write(&target, "to", 1, &read).await;
    assert_eq!(read_all(&source, "to", 1).await, read);
    assert_eq!(read_all(&source, "to", 0).await, []);
}

#[tokio::test]
async fn what_the_broker_does_not_know_is_left_out_or_unsupported() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 3).unwrap();
    let (source, target) = (source(&broker.settings(), "backup"), target(&broker.settings()));
    let topics = source.describe(&["topic".to_owned(), "other".to_owned(), "topic".to_owned()]).await.unwrap();
    assert_eq!(topics.keys().collect::<Vec<_>>(), ["topic"]);
    assert_eq!(topics["topic"].as_ref().unwrap().partitions, 3);
    assert!(source.configs("topic").await.unwrap().is_none());
    assert_eq!(target.describe("topic").await.unwrap().unwrap().partitions, 3);
    assert_eq!(target.describe("other").await.unwrap(), None);
    let new = NewTopic { name: "new".to_owned(), partitions: 1, replication_factor: None, configs: Default::default() };
    assert_eq!(target.create(&new).await.unwrap_err().kind, KafkaErrorKind::Unsupported);
}

#[tokio::test]
async fn commits_come_back_with_their_metadata() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 2).unwrap();
    let source = source(&broker.settings(), "backup");
    let partitions = [0, 1].map(|partition| TopicPartition::new("topic", partition));
    assert!(source.committed(&partitions).await.unwrap().is_empty());
    source.commit(&partitions[1], &progress(7, r#"{"segment":"ü"}"#)).await.unwrap();
    let committed = source.committed(&partitions).await.unwrap();
    assert_eq!(committed.into_iter().collect::<Vec<_>>(), [(partitions[1].clone(), progress(7, r#"{"segment":"ü"}"#))]);
}

#[tokio::test]
async fn transactions_are_accepted_but_keep_no_progress() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("topic", 1).unwrap();
    let target = target(&broker.settings());
    let mut writer = open(&target, "topic", "restore-0", Delivery::ExactlyOnce).await;
    queue(&mut *writer, 0, &odd_records()).await;
    writer.flush().await.unwrap();
    writer.commit(&progress(5, "x")).await.unwrap();
    assert_eq!(writer.progress().await.unwrap(), None);
}
