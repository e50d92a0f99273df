#![allow(clippy::unwrap_used)]

use std::ops::Range;

use archive::catalog::{LogSnapshot, RunEnds, names};
use archive::testing::{add_snapshot, snapshot};
use host::Event;
use kafka::TopicPartition;
use store::testing::{CountingStore, Delete, MemoryStore};

use super::*;
use crate::testing::{add_segment, add_topic};

/// 2026-11-29T13:00:00Z
const NOW: Millis = 1_795_957_200_000;
const MINUTE: Millis = 60_000;

/// A partition in a snapshot: topic, number, `backed_up`, end, high watermark.
type Row<'a> = (&'a str, i32, i64, i64, i64);

/// Adds a snapshot from this many minutes ago.
async fn add(store: &MemoryStore, minutes: i64, rows: &[Row<'_>]) {
    let mut taken = snapshot(NOW - minutes * MINUTE, []);
    for (topic, number, backed_up, end, high_watermark) in rows.iter().copied() {
        let one = snapshot(0, [(topic, topic, number, backed_up)]).topics.remove(topic).unwrap();
        let of = taken.topics.entry(topic.to_owned()).or_insert_with(|| one.clone());
        of.partition_count = of.partition_count.max(number + 1);
        let mut partition = one.partitions[&number].clone();
        partition.log = Some(LogSnapshot { log_start: 0, end, high_watermark });
        of.partitions.insert(number, partition);
    }
    add_snapshot(store, &taken).await;
}

async fn status(store: &MemoryStore) -> Status {
    let store: Arc<dyn ObjectStore> = Arc::new(store.clone());
    look(&store, None, NOW).await.unwrap().remove(0)
}

async fn with_segments(segments: &[(&str, Range<i64>)]) -> MemoryStore {
    let store = MemoryStore::new();
    for (topic, offsets) in segments {
        if offsets.start == 0 {
            add_topic(&store, topic);
        }
        add_segment(&store, topic, 0, offsets.clone()).await;
    }
    store
}

fn topic<'a>(status: &'a Status, name: &str) -> &'a TopicStatus {
    status.topics.iter().find(|topic| topic.topic == name).unwrap()
}

/// An operator must be able to distinguish these.
#[tokio::test]
async fn five_similar_states_are_distinguished() {
    let store = with_segments(&[("busy", 0..20), ("busy", 20..30), ("idle", 0..10), ("held", 0..5), ("fresh", 0..1)]).await;
    add(&store, 12, &[("busy", 0, 5, 10, 10), ("idle", 0, 10, 10, 10), ("held", 0, 5, 5, 8)]).await;
    add(&store, 7, &[("busy", 0, 10, 20, 20), ("idle", 0, 10, 10, 10), ("held", 0, 5, 5, 9)]).await;
    add(&store, 2, &[("busy", 0, 20, 40, 40), ("idle", 0, 10, 10, 10), ("held", 0, 5, 5, 9), ("fresh", 0, 1, 3, 3)]).await;
    let found = status(&store).await;
    let seconds = |name| topic(&found, name).recovery_point_seconds;
    // The chain continued after the newest snapshot, up to 30: the snapshot before is complete.
    assert_eq!((seconds("busy"), topic(&found, "busy").lag_records), (7 * 60, 10));
    assert_eq!((seconds("idle"), topic(&found, "idle").lag_records), (2 * 60, 0), "no one writes to it");
    let held = topic(&found, "held");
    assert_eq!((held.recovery_point_seconds, held.held_by_transactions, held.lag_records), (2 * 60, 4, 0));
    assert!(held.notes[0].contains("open transaction holds 4"), "{held:?}");
    let fresh = topic(&found, "fresh");
    assert_eq!((fresh.recovery_point.as_ref(), fresh.recovery_point_seconds, fresh.lag_records), (None, 2 * 60, 2));
    let why = "no snapshot of it is complete in the bucket: partition 0 ended at offset 3, and its backup reaches 1. The topic is new, its \
               backup has not caught up, or segments are missing: run verify";
    assert_eq!(fresh.notes, [why]);
    assert_eq!((found.recovery_point_seconds, found.lag_records, found.snapshot_age_seconds), (7 * 60, 12, 2 * 60));
    assert_eq!(found.notes, [""; 0]);
}

/// What the only run stored is lost. A run that was killed leaves nothing by which `verify` can
/// name it.
#[tokio::test]
async fn a_topic_of_which_everything_is_lost_is_told_by_its_ends() {
    let store = MemoryStore::new();
    let mut taken = snapshot(NOW - MINUTE, [("orders", "orders", 0, 0), ("orders", "orders", 1, 0)]);
    let topic = taken.topics.get_mut("orders").unwrap();
    topic.folder = None;
    for partition in topic.partitions.values_mut() {
        (partition.backed_up, partition.log) = (None, Some(LogSnapshot { log_start: 0, end: 150, high_watermark: 150 }));
    }
    add_snapshot(&store, &taken).await;
    let notes = &status(&store).await.topics[0].notes;
    assert!(notes[0].contains("partition 0 ended at offset 150, and its backup reaches 0 (and 1 more)"), "{notes:?}");
}

#[tokio::test]
async fn the_folder_of_a_topic_that_is_missing_is_a_problem_and_the_topic_is_not_safe() {
    let store = with_segments(&[("busy", 0..10), ("idle", 0..10)]).await;
    add(&store, 2, &[("busy", 0, 10, 10, 10), ("idle", 0, 10, 10, 10)]).await;
    assert_eq!(status(&store).await.problems, [""; 0]);
    for name in store.snapshot().keys().filter(|name| name.starts_with("idle/")) {
        store.delete(name).await.unwrap();
    }
    let found = status(&store).await;
    assert!(found.problems.len() == 1 && found.problems[0].contains("idle/ is missing"), "{found:?}");
    assert!(topic(&found, "busy").recovery_point.is_some() && topic(&found, "idle").recovery_point.is_none(), "{found:?}");
    assert_eq!(topic(&found, "idle").notes, ["idle/ is missing"]);
    let table = text(&found);
    assert!(table.contains("\nproblem: idle/ is missing") && table.contains("1 of 2 topics safe"), "{table}");
}

#[tokio::test]
async fn a_newest_snapshot_that_is_missing_is_a_problem() {
    let store = with_segments(&[("orders", 0..10)]).await;
    add(&store, 12, &[("orders", 0, 10, 10, 10)]).await;
    add(&store, 7, &[("orders", 0, 10, 10, 10)]).await;
    let newest = store.snapshot().into_keys().rfind(|name| names::parse_snapshot(name).is_some()).unwrap();
    let series = names::parse_snapshot(&newest).unwrap().0.to_owned();
    RunEnds::new(NOW - 6 * MINUTE, [].into(), Some(newest.clone())).write(&store, &series).await.unwrap();
    assert_eq!(status(&store).await.problems, [""; 0]);
    store.delete(&newest).await.unwrap();
    let found = status(&store).await;
    assert!(found.problems.len() == 1 && found.problems[0].contains(&newest), "{found:?}");
    assert!(text(&found).contains("recovery point 12 m; 1 problem, see above: run verify"), "{}", text(&found));
    add(&store, 2, &[("orders", 0, 10, 10, 10)]).await;
    assert_eq!(status(&store).await.problems, [""; 0], "the next one includes what was in it");
}

#[tokio::test]
async fn a_backup_that_stopped_is_recognised_by_its_last_snapshot() {
    let store = with_segments(&[("orders", 0..10)]).await;
    add(&store, 180, &[("orders", 0, 10, 10, 10)]).await;
    let found = status(&store).await;
    assert_eq!(found.recovery_point_seconds, 180 * 60);
    assert!(found.notes[0].contains("3 h 0 m old, and one is due every 5 m"), "{found:?}");
    let table = text(&found);
    assert!(table.contains("1 topic safe, recovery point 3 h 0 m"), "{table}");
    // Times are UTC, with a Z.
    assert!(table.contains("last snapshot 3 h 0 m ago, as of 2026-11-29T10:00:00Z"), "{table}");
    let row = table.lines().nth(1).unwrap();
    assert!(row.contains("orders  1           3 h 0 m         2026-11-29T10:00:00Z"), "{table}");
}

/// The name of a daily snapshot is the end of its day.
#[tokio::test]
async fn a_snapshot_of_a_long_interval_counts_long_before_the_time_in_its_name() {
    let store = with_segments(&[("orders", 0..10)]).await;
    let mut daily = snapshot(NOW - 700 * MINUTE, [("orders", "orders", 0, 10)]);
    daily.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap().log =
        Some(LogSnapshot { log_start: 0, end: 10, high_watermark: 10 });
    daily.interval_seconds = 86_400;
    add_snapshot(&store, &daily).await;
    let found = status(&store).await;
    assert_eq!((found.recovery_point_seconds, &found.notes), (700 * 60, &vec![]));

    // The interval becomes five minutes: the newest snapshot has an earlier name.
    add(&store, 12, &[("orders", 0, 10, 10, 10)]).await;
    add(&store, 7, &[("orders", 0, 10, 10, 10)]).await;
    assert_eq!(status(&store).await.recovery_point_seconds, 7 * 60);
}

/// One of four shards does not run.
#[tokio::test]
async fn a_shard_that_is_dead_is_named() {
    let store = MemoryStore::new();
    add_topic(&store, "orders");
    let event = Event { shard: Some((1, 4)), ..Event::default() };
    let is_dead = |number: i32| event.includes(&TopicPartition::new("orders", number));
    for step in 0..6 {
        let rows: Vec<Row<'_>> = (0..8)
            .map(|number| {
                let end = 10 * (step + 1);
                ("orders", number, if is_dead(number) { 10 } else { end }, end, end)
            })
            .collect();
        add(&store, 27 - 5 * step, &rows).await;
    }
    let found = status(&store).await;
    assert!(found.notes[0].contains("they are all in shard 1 of 4"), "{found:?}");
    assert_eq!(found.recovery_point_seconds, 27 * 60, "only the first one is complete");
}

#[tokio::test]
async fn a_topic_that_was_created_again_has_no_older_recovery_point() {
    let store = with_segments(&[("orders", 0..10)]).await;
    add(&store, 12, &[("orders", 0, 10, 10, 10)]).await;
    let mut newest = snapshot(NOW - 2 * MINUTE, [("orders", "orders@2", 0, 0)]);
    let orders = newest.topics.get_mut("orders").unwrap();
    orders.id = Some("AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap());
    orders.partitions.get_mut(&0).unwrap().log = Some(LogSnapshot { log_start: 0, end: 3, high_watermark: 3 });
    add_snapshot(&store, &newest).await;
    assert_eq!(topic(&status(&store).await, "orders").recovery_point, None);
}

/// Days of snapshots, without a request for each of them.
#[tokio::test]
async fn the_recovery_point_is_found_among_many_with_few_requests() {
    let memory = with_segments(&[("orders", 0..50), ("orders", 50..100)]).await;
    for step in 0..600 {
        add(&memory, 2 + 5 * step, &[("orders", 0, 50, 700 - step, 700 - step)]).await;
    }
    let store = Arc::new(CountingStore::new(Arc::new(memory)));
    let shared: Arc<dyn ObjectStore> = store.clone();
    let found = look(&shared, None, NOW).await.unwrap().remove(0);
    // The chain reaches 100, which completes no snapshot. Below, it completes one.
    assert_eq!((found.topics[0].recovery_point.as_ref(), found.recovery_point_seconds), (None, (2 + 5 * 599) * 60));
    assert!(store.counts().total() < 40, "{:?}", store.counts());

    let memory = with_segments(&[("orders", 0..50), ("orders", 50..450)]).await;
    for step in 0..600 {
        add(&memory, 2 + 5 * step, &[("orders", 0, 50, 700 - step, 700 - step)]).await;
    }
    assert_eq!(status(&memory).await.recovery_point_seconds, (2 + 5 * 250) * 60);
}

#[test]
fn ages_are_short() {
    assert_eq!([0, 119, 120, 7_199, 7_200, 172_800 + 7_200].map(age), ["0 s", "119 s", "2 m", "119 m", "2 h 0 m", "2 d 2 h"]);
}
