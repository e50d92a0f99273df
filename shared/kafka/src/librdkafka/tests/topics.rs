//! Many topics of a target at the same time, through one client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::help::*;
use crate::{EmbeddedBroker, Extent, NewTopic, RdKafkaTarget, TargetCluster};

/// The embedded broker takes a quarter of a second for each.
const SOME: usize = 8;
const EMPTY: Extent = Extent { start: 0, end: 0 };

fn topics_of(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

/// Does the same for each topic, for all at the same time.
async fn for_each<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    target: &Arc<RdKafkaTarget>,
    topics: &[String],
    work: impl Fn(Arc<RdKafkaTarget>, String) -> F,
) -> Vec<T> {
    let tasks: JoinSet<T> = topics.iter().map(|topic| work(Arc::clone(target), topic.clone())).collect();
    tasks.join_all().await
}

async fn extents_of_each(target: &Arc<RdKafkaTarget>, topics: &[String], partitions: i32) {
    let extents = for_each(target, topics, move |target, topic| async move { target.extents(&topic, partitions).await.unwrap() }).await;
    assert_eq!(extents, vec![vec![EMPTY; partitions as usize]; topics.len()]);
}

#[tokio::test]
async fn those_that_exist_are_found() {
    let broker = EmbeddedBroker::start().unwrap();
    broker.create_topic("orders", 3).unwrap();
    broker.create_topic("payments", 2).unwrap();
    let target = target(&broker.settings());
    let names = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect::<Vec<String>>();
    let found = target.find_all(&names(&["orders", "absent", "payments", "orders"])).await.unwrap();
    let partitions: Vec<(&str, i32)> = found.iter().map(|(name, facts)| (name.as_str(), facts.partitions)).collect();
    assert_eq!(partitions, [("orders", 3), ("payments", 2)]);
    assert!(target.find_all(&names(&["absent"])).await.unwrap().is_empty());
    let (found, requests) = broker.count_requests(target.find_all(&[])).await;
    assert!(found.unwrap().is_empty() && requests == 0, "{requests}");
}

#[tokio::test]
async fn all_are_found_with_one_request() {
    let broker = EmbeddedBroker::start().unwrap();
    let topics = topics_of("topic", SOME);
    topics.iter().for_each(|topic| broker.create_topic(topic, 1).unwrap());
    let target = target(&broker.settings());
    target.find_all(&topics[..1]).await.unwrap();
    let (found, requests) = broker.count_requests(target.find_all(&topics)).await;
    assert_eq!((found.unwrap().len(), requests), (SOME, 1));
}

#[tokio::test]
async fn no_topic_waits_for_the_answer_about_another() {
    const ANSWER: Duration = Duration::from_millis(200);
    let broker = EmbeddedBroker::start().unwrap();
    let topics = topics_of("topic", SOME);
    topics.iter().for_each(|topic| broker.create_topic(topic, 2).unwrap());
    let target = Arc::new(target(&broker.settings()));
    extents_of_each(&target, &topics[..1], 2).await;
    [0, 1].iter().for_each(|number| broker.broker().delay(*number, ANSWER));
    let start = Instant::now();
    extents_of_each(&target, &topics, 2).await;
    // Each sends two requests, so sequentially they take 3.2 s.
    let alone = 2 * ANSWER * u32::try_from(SOME).unwrap();
    assert!(start.elapsed() < alone / 2, "{:?}", start.elapsed());
}

#[tokio::test]
async fn topics_whose_leaders_are_yet_to_be_found_are_waited_for() {
    let broker = EmbeddedBroker::start().unwrap();
    let topics = topics_of("topic", SOME);
    let lead = |leader: i32| topics.iter().for_each(|topic| broker.broker().lead(topic, 0, leader));
    topics.iter().for_each(|topic| broker.create_topic(topic, 1).unwrap());
    lead(-1);
    let target = Arc::new(target(&broker.settings()));
    let elected = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        lead(1);
    };
    tokio::join!(elected, extents_of_each(&target, &topics, 1));
}

#[tokio::test]
async fn one_new_client_serves_all_that_need_one() {
    let broker = EmbeddedBroker::start().unwrap();
    let source = source(&broker.settings(), "backup");
    let old = source.asker.handle();
    source.asker.renew_from(&old).unwrap();
    let new = source.asker.handle();
    source.asker.renew_from(&old).unwrap();
    assert!(!Arc::ptr_eq(&old, &new) && Arc::ptr_eq(&new, &source.asker.handle()));
    source.asker.renew().unwrap();
    assert!(!Arc::ptr_eq(&new, &source.asker.handle()));
}

#[tokio::test]
async fn many_are_created_at_the_same_time() {
    let settings = real!();
    let topics = topics_of(&unique("together"), 20);
    let target = Arc::new(target(&settings));
    let create = async |target: Arc<RdKafkaTarget>, name: String| {
        let new = NewTopic { name, partitions: 3, replication_factor: None, configs: Default::default() };
        target.create(&new).await.unwrap();
    };
    for_each(&target, &topics, create).await;
    extents_of_each(&target, &topics, 3).await;
    let found = target.find_all(&topics).await.unwrap();
    assert!(found.len() == topics.len() && found.values().all(|facts| facts.partitions == 3 && facts.id.is_some()), "{found:?}");
}
