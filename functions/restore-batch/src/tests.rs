//! The steps of a restore one by one: where a partition continues, what is replayed, and what is
//! refused.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use archive::Times;
use host::{Budget, Event};
use kafka::{ClusterFacts, Selection};
use store::ObjectStore;
use store::testing::{Fault, FaultyStore, Operation};

use crate::testing::Fake;
use crate::{Invocation, RestoreReport};

#[tokio::test]
async fn partition_goes_on_behind_its_progress() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    assert_eq!(fake.invoke().await.records, 10);
    fake.segment(10..15).await;
    assert_eq!(fake.invoke().await.records, 5);
    assert_eq!(fake.invoke().await.records, 0, "all of it is there");
    assert_eq!(fake.topic().records, (0..15).collect::<Vec<_>>());
}

#[tokio::test]
async fn partition_goes_by_the_transaction_where_the_checkpoint_is_behind() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    let checkpoint = "@restore/drill/@progress/orders/0.json";
    let old = fake.bucket.get(checkpoint).await.unwrap().body;
    fake.segment(10..20).await;
    fake.invoke().await;
    // As a kill between the transaction and the checkpoint leaves it.
    fake.bucket.overwrite(checkpoint, old.to_vec());
    assert_eq!(fake.invoke().await.records, 0);
    assert_eq!(fake.topic().records.len(), 20);
}

#[tokio::test]
async fn partition_refuses_a_hole_in_the_chain() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.segment(15..20).await;
    let report = fake.invoke().await;
    assert!(!report.succeeded && report.topics[0].partitions[0].error.as_ref().unwrap().contains("10 to 15"), "{report:?}");
    assert_eq!(fake.topic().records.len(), 10);
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    let mut other = fake.clone();
    other.settings.restore_id = Some("another".to_owned());
    let report = other.invoke().await;
    assert!(!report.succeeded && report.topics[0].partitions[0].error.is_some(), "{report:?}");
    assert_eq!(fake.topic().records.len(), 10);
}

#[tokio::test]
async fn a_target_is_not_taken_over_before_all_that_its_restore_continues_is_there() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    // Partition 1 begins in the second generation, and partition 0 stays where it is.
    fake.bucket.overwrite(
        "orders@2/topic.json",
        r#"{"format_version":1,"topic":"orders","generation":2,"partitions":1,"configs":{},"packing":"gzip","reason":"truncated","begins":[1],"at":0}"#,
    );
    let (mut first, mut other) = (fake.clone(), fake.clone());
    first.settings.topics = Selection::of_names(["orders@2"]);
    (other.settings.restore_id, other.settings.anyway) = (Some("another".to_owned()), vec!["not-empty".to_owned()]);
    assert_eq!(first.invoke().await.records, 10);
    fake.segment(10..15).await;
    let report = other.invoke().await;
    assert!(!report.succeeded && report.topics[0].partitions[0].error.as_ref().unwrap().contains("is not finished"), "{report:?}");
    assert_eq!(first.invoke().await.records, 5);
    // The other restore has another name.
    other.topic().progress = None;
    assert_eq!(other.invoke().await.records, 15);
}

/// The second generation has one partition more, and nothing of the first.
fn begin_again(fake: &Fake) {
    fake.bucket.overwrite(
        "orders@2/topic.json",
        r#"{"format_version":1,"topic":"orders","generation":2,"partitions":2,"configs":{},"packing":"gzip","reason":"recreated","at":0}"#,
    );
}

#[tokio::test]
async fn a_restore_names_its_generation_once_there_are_two() {
    let mut fake = Fake::new();
    fake.segment(0..10).await;
    assert_eq!(fake.invoke().await.topics[0].source, "orders");
    begin_again(&fake);
    let report = fake.invoke().await;
    assert_eq!(report.topics[0].source, "orders@1", "it continues with the one that it began with");
    assert!(
        report.topics[0].notes[0].contains("\"orders@1\"") && report.topics[0].notes[0].contains("BACKUP_TOPIC_NAME=orders@2"),
        "{:?}",
        report.topics[0].notes
    );
    fake.settings.topics = Selection::of_names(["orders@1"]);
    assert!(fake.invoke().await.succeeded, "the same by its number");
    fake.settings.topics = Selection::of_names(["orders@2"]);
    let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string();
    assert!(error.contains("is the restore of \"orders@1\" into \"restored\""), "{error}");
    (fake.settings.topics, fake.settings.restore_id) = (Selection::of_names(["orders"]), Some("another".to_owned()));
    let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string();
    assert!(error.contains("orders@2, is empty") && error.contains("BACKUP_TOPIC_NAME=orders@1"), "{error}");
    fake.settings.topics = Selection::of_names(["orders@2"]);
    let report = fake.invoke().await;
    assert_eq!((report.topics[0].source.as_str(), report.topics[0].partitions.len()), ("orders@2", 0), "the empty topic, as asked for");
    assert!(report.topics[0].notes[0].contains("Older ones are in the bucket: orders@1"), "{:?}", report.topics[0].notes);
}

#[tokio::test]
async fn two_that_begin_at_once_restore_one_generation() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    let late = fake.restore();
    let source = late.source_of_one(&Event::default(), None).await.unwrap();
    begin_again(&fake);
    let mut other = fake.clone();
    other.settings.topics = Selection::of_names(["orders@2"]);
    other.invoke().await;
    // The other one looked before there was a second generation.
    let error = late.note_one(&source, &ClusterFacts { id: Some("memory".to_owned()), brokers: 1 }).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("orders@2"), "{error}");
}

#[tokio::test]
async fn the_folder_of_a_topic_is_told_from_a_place_of_backups() {
    let mut fake = Fake::new();
    fake.bucket.overwrite("topic.json", "{}");
    fake.bucket.overwrite("0/00000000000000000000.tar.gz", "a segment");
    fake.settings.topics = Selection::of_names(["0"]);
    let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string();
    assert!(error.contains("folder of one topic") && error.contains("FILESYSTEM_BACKUP_DIR") && !error.contains("there are"), "{error}");
}

#[tokio::test]
async fn where_the_target_ended_before_the_first_record_is_never_forgotten() {
    let mut fake = Fake::new();
    fake.settings.anyway = vec!["not-empty".to_owned()];
    fake.segment(0..10).await;
    fake.invoke().await;
    let binding = fake.bucket.get("@restore/drill/@topic/orders.json").await.unwrap().body;
    let mut other = fake.clone();
    other.settings.restore_id = Some("another".to_owned());
    other.topic().progress = None;
    assert_eq!(other.invoke().await.records, 10);
    fake.segment(10..12).await;
    other.invoke().await;
    fake.topic().progress = None;
    assert_eq!(fake.invoke().await.records, 2, "it takes the target back");
    assert_eq!(fake.bucket.get("@restore/drill/@topic/orders.json").await.unwrap().body, binding);
}

#[tokio::test]
async fn an_event_with_a_partition_that_is_not_there_is_refused() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    let event = Event { partition: Some(1), ..Event::default() };
    let error = fake.restore().invoke(&Invocation { event, ..Invocation::new(Budget::unlimited(None)) }).await.unwrap_err().to_string();
    assert!(error.contains("partition 1"), "{error}");
}

#[tokio::test]
async fn replay_leaves_out_records_of_other_times() {
    let mut fake = Fake::new();
    fake.settings.times = Times { from: Some(3), until: Some(12) };
    for start in [0, 10, 20] {
        fake.segment(start..start + 10).await;
    }
    let report = fake.invoke().await;
    assert_eq!((report.records, fake.topic().records.clone()), (9, (3..12).collect()));
}

/// Three thousand partitions cost as many requests: none of them is waited for before the first
/// record.
#[tokio::test]
async fn an_archive_without_times_is_refused_at_its_partitions_turn() {
    let mut fake = Fake::new();
    fake.settings.times = Times { from: Some(3), until: None };
    fake.settings.strategy = archive::catalog::PartitionStrategy::Random;
    fake.segment(0..10).await;
    fake.bucket.overwrite("orders/1/20240101-000000.tar.gz", "an archive");
    let report = fake.invoke().await;
    let [first, second] = &report.topics[0].partitions[..] else { panic!("{report:?}") };
    assert!(first.error.is_none() && fake.topic().records == (3..10).collect::<Vec<_>>(), "{report:?}");
    assert!(second.error.as_ref().unwrap().contains("kept no timestamps") && second.retryable == Some(false), "{report:?}");
    assert!(fake.topic().writers.iter().all(|id| id.ends_with(".0")), "{:?}", fake.topic().writers);
}

#[tokio::test]
async fn an_archive_without_times_is_refused_before_a_topic_is_created() {
    let mut fake = Fake::new();
    fake.settings.times = Times { from: Some(3), until: None };
    fake.bucket.overwrite("orders/0/20240101-000000.tar.gz", "an archive");
    let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string();
    assert!(error.contains("kept no timestamps") && fake.bucket.get("@restore/drill/restore.json").await.is_err(), "{error}");
}

#[tokio::test]
async fn replay_takes_small_segments_together() {
    let fake = Fake::new();
    for start in [0, 10, 20] {
        fake.segment(start..start + 10).await;
    }
    fake.invoke().await;
    assert_eq!(fake.topic().transactions, [30]);
}

#[tokio::test]
async fn replay_writes_nothing_of_a_damaged_segment() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    let name = fake.segment(10..20).await;
    let mut body = fake.bucket.get(&name).await.unwrap().body.to_vec();
    let middle = body.len() - 20;
    body[middle] ^= 1;
    fake.bucket.overwrite(&name, body);
    let report = fake.invoke().await;
    assert!(!report.succeeded, "{report:?}");
    assert!(fake.topic().records.len() <= 10, "{:?}", fake.topic().records);
}

/// A restore with SKIP_DAMAGED whose reads of this object, counted from 0, arrive damaged if
/// `damages` returns true.
async fn with_bad_reads(fake: &Fake, name: &str, damages: fn(u32) -> bool) -> RestoreReport {
    let (mut fake, name, reads) = (fake.clone(), name.to_owned(), AtomicU32::new(0));
    fake.settings.skip_damaged = true;
    let faults = move |operation, read: &str| match operation {
        Operation::GetRange if read == name && damages(reads.fetch_add(1, Ordering::Relaxed)) => Fault::Damage,
        _ => Fault::None,
    };
    let store = Arc::new(FaultyStore::new(fake.bucket.clone(), faults));
    fake.restore_from(store).invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap()
}

/// A bit that flips in transit or in memory.
#[tokio::test]
async fn a_segment_is_left_out_only_when_it_is_damaged_twice() {
    let (small, large) = (10, 5_000);
    for (records, bytes) in [(small, 1), (large, 2_000)] {
        let fake = Fake::new();
        fake.segment(0..small).await;
        let end = small + records;
        let name = fake.segment_of(small..end, bytes).await;
        fake.segment(end..end + small).await;
        // The target check comes first, so nothing is skipped.
        let report = with_bad_reads(&fake, &name, |read| read == 0).await;
        assert!(report.succeeded && report.topics[0].partitions[0].skipped.is_empty(), "{:?}", report.topics);
        assert_eq!(fake.topic().records, (0..end + small).collect::<Vec<_>>());
        // A part of the large one was written before the damage, and is dropped with its writer.
        assert_eq!(fake.topic().writers.len(), if records == large { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_segment_that_stays_damaged_is_left_out() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    let name = fake.segment(10..20).await;
    fake.segment(20..30).await;
    let report = with_bad_reads(&fake, &name, |_| true).await;
    let skipped = &report.topics[0].partitions[0].skipped;
    assert!(report.succeeded && skipped.len() == 1 && skipped[0].contains("offsets 10 to 20"), "{skipped:?}");
    assert_eq!(fake.topic().records, (0..10).chain(20..30).collect::<Vec<_>>());
}

/// What was read once without damage exists: nothing of it may be skipped.
#[tokio::test]
async fn a_segment_that_is_damaged_now_and_then_fails_and_is_not_left_out() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    let name = fake.segment(10..20).await;
    let report = with_bad_reads(&fake, &name, |read| read.is_multiple_of(2)).await;
    let partition = &report.topics[0].partitions[0];
    assert!(partition.error.is_some() && partition.skipped.is_empty(), "{partition:?}");
    assert_eq!(fake.topic().records.len(), 10);
    assert_eq!(fake.invoke().await.records, 10);
}

/// A restore with the same RESTORE_ID from another bucket, by mistake: it fences no writer of the
/// first one.
#[tokio::test]
async fn only_invocations_of_one_restore_fence_each_other() {
    let (fake, other) = (Fake::new(), Fake::new());
    for restore in [&fake, &fake, &other] {
        let end = i64::try_from(restore.topic().records.len()).unwrap();
        restore.segment(end..end + 10).await;
        // Two restores that begin within a millisecond are not distinguished.
        restore.clock.fetch_add(if std::ptr::eq(restore, &other) { 5 } else { 0 }, Ordering::Relaxed);
        assert_eq!(restore.invoke().await.records, 10);
    }
    let (ours, others) = (fake.topic().writers.clone(), other.topic().writers.clone());
    assert!(ours[0] == ours[1] && !ours.contains(&others[0]), "{ours:?} {others:?}");
    assert!(ours[0].starts_with("kafka-backup-restore.drill."), "for ACLs that name a prefix: {ours:?}");
}

#[tokio::test]
async fn a_target_has_room_for_records_that_compression_made_small_where_the_cluster_allows_it() {
    for (refuses, limit) in [(None, Some("2147483647")), (Some(("max.message.bytes", "2147483647")), Some("50000"))] {
        let fake = Fake::new();
        fake.bucket.overwrite(
            "orders/topic.json",
            r#"{"format_version":1,"topic":"orders","generation":1,"partitions":1,"configs":{"max.message.bytes":"50000"},"packing":"gzip","reason":"first","at":0}"#,
        );
        fake.topic().refuses = refuses;
        fake.segment(0..10).await;
        assert_eq!(fake.invoke().await.records, 10);
        assert_eq!(fake.topic().created.get("max.message.bytes").map(String::as_str), limit);
    }
}
