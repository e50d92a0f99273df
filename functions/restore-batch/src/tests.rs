//! The steps of a restore one by one: where a partition goes on, what is replayed, and what is refused.
#![allow(clippy::unwrap_used)]

use archive::Times;
use host::{Budget, Event};
use store::ObjectStore;

use crate::Invocation;
use crate::testing::Fake;

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
    let checkpoint = "@restore/drill/0.json";
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
    assert!(!report.succeeded && report.partitions[0].error.as_ref().unwrap().contains("10 to 15"), "{report:?}");
    assert_eq!(fake.topic().records.len(), 10);
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    let mut other = fake.clone();
    other.settings.restore_id = "another".to_owned();
    let report = other.invoke().await;
    assert!(!report.succeeded && report.partitions[0].error.is_some(), "{report:?}");
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
    first.settings.backup_topic = "orders@2".to_owned();
    (other.settings.restore_id, other.settings.anyway) = ("another".to_owned(), vec!["not-empty".to_owned()]);
    assert_eq!(first.invoke().await.records, 10);
    fake.segment(10..15).await;
    let report = other.invoke().await;
    assert!(!report.succeeded && report.partitions[0].error.as_ref().unwrap().contains("is not finished"), "{report:?}");
    assert_eq!(first.invoke().await.records, 5);
    // That of the other restore has another name.
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
    assert_eq!(fake.invoke().await.source, "orders");
    begin_again(&fake);
    let report = fake.invoke().await;
    assert_eq!(report.source, "orders@1", "it goes on with the one that it began with");
    assert!(report.notes[0].contains("\"orders@1\"") && report.notes[0].contains("BACKUP_TOPIC_NAME=orders@2"), "{:?}", report.notes);
    fake.settings.backup_topic = "orders@1".to_owned();
    assert!(fake.invoke().await.succeeded, "the same by its number");
    fake.settings.backup_topic = "orders@2".to_owned();
    let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string();
    assert!(error.contains("is the restore of \"orders@1\" into \"restored\""), "{error}");
    (fake.settings.backup_topic, fake.settings.restore_id) = ("orders".to_owned(), "another".to_owned());
    let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string();
    assert!(error.contains("orders@2, has nothing in it") && error.contains("BACKUP_TOPIC_NAME=orders@1"), "{error}");
    fake.settings.backup_topic = "orders@2".to_owned();
    let report = fake.invoke().await;
    assert_eq!((report.source.as_str(), report.partitions.len()), ("orders@2", 0), "the empty topic, as asked for");
    assert!(report.notes[0].contains("Older ones are in the bucket: orders@1"), "{:?}", report.notes);
}

#[tokio::test]
async fn two_that_begin_at_once_restore_one_generation() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    let late = fake.restore();
    let source = late.source(&Event::default(), None).await.unwrap();
    begin_again(&fake);
    let mut other = fake.clone();
    other.settings.backup_topic = "orders@2".to_owned();
    other.invoke().await;
    // The other one had looked before there was a second generation.
    let error = late.note_identity(&source, Some("memory")).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("orders@2"), "{error}");
}

#[tokio::test]
async fn the_folder_of_a_topic_is_told_from_a_place_of_backups() {
    let mut fake = Fake::new();
    fake.bucket.overwrite("topic.json", "{}");
    fake.bucket.overwrite("0/00000000000000000000.tar.gz", "a segment");
    fake.settings.backup_topic = "0".to_owned();
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
    other.settings.restore_id = "another".to_owned();
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
