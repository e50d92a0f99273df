//! Translations of offsets of a small restore.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use archive::Times;
use archive::catalog::{Checkpoint, PartitionStrategy, names};
use host::Budget;
use kafka::{Delivery, Selection};
use store::testing::{CountingStore, Delete, Fault, FaultyStore, Operation};
use store::{ObjectStore, StoreErrorKind};

use super::{Place, SourceOffset};
use crate::testing::{Fake, NOTHING};
use crate::{Invocation, Restore};

const CHECKPOINT: &str = "@restore/drill/@progress/orders/0.json";

async fn places_by(restore: &Restore, offsets: impl Iterator<Item = i64>) -> Vec<Place> {
    let asked: Vec<_> = offsets.map(|offset| SourceOffset { topic: "orders".to_owned(), partition: 0, offset }).collect();
    restore.translate_offsets(&asked).await.unwrap().into_iter().map(|answer| answer.place).collect()
}

async fn places(fake: &Fake, offsets: impl Iterator<Item = i64>) -> Vec<Place> {
    places_by(&fake.restore(), offsets).await
}

async fn place(fake: &Fake, offset: i64) -> Place {
    places(fake, offset..offset + 1).await.remove(0)
}

/// Where the first record at or after an offset is; after the last one if there is none.
fn truth(fake: &Fake, offset: i64) -> i64 {
    let topic = fake.topic();
    let next = topic.records.iter().position(|value| *value >= offset && *value != NOTHING);
    let behind = || topic.records.iter().rposition(|value| *value != NOTHING).map_or(0, |last| topic.place(last) + 1);
    next.map_or_else(behind, |number| topic.place(number))
}

/// Every offset up to `end` is exact.
async fn check_exact(fake: &Fake, end: i64) {
    for (offset, place) in (0..=end).zip(places(fake, 0..=end).await) {
        assert_eq!(place, Place::Exact(truth(fake, offset)), "offset {offset}");
    }
}

fn error_of<T: std::fmt::Debug>(translated: archive::Result<T>) -> String {
    translated.unwrap_err().to_string()
}

#[tokio::test]
async fn the_end_is_behind_the_last_restored_record_whatever_others_write() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    fake.topic().records.extend([NOTHING; 5]);
    check_exact(&fake, 10).await;
    assert_eq!(place(&fake, 10).await, Place::Exact(10));
    let Place::Unknown(why) = place(&fake, 11).await else { panic!("nothing of that was restored") };
    assert!(why.contains("not restored yet"), "{why}");
    fake.segment(10..20).await;
    fake.invoke().await;
    check_exact(&fake, 20).await;
    assert_eq!((place(&fake, 10).await, place(&fake, 20).await), (Place::Exact(15), Place::Exact(25)));
}

#[tokio::test]
async fn records_are_counted_between_holes() {
    let fake = Fake::new();
    fake.segment_with_holes(0..100, |offset| offset % 3 != 1 && offset > 5).await;
    fake.segment_with_holes(100..140, |offset| offset % 4 == 2).await;
    fake.segment_with_holes(140..200, |_| false).await;
    fake.invoke().await;
    check_exact(&fake, 200).await;
    let counting = CountingStore::new(fake.bucket.clone());
    let restore = fake.restore_from(Arc::new(counting.clone()));
    places_by(&restore, 200..201).await;
    let before = counting.counts();
    places_by(&restore, 0..6).await;
    assert_eq!(counting.counts().of(Operation::GetRange), before.of(Operation::GetRange), "no segment is read for what spans know");
    let before = counting.counts();
    places_by(&restore, 6..100).await;
    let all = counting.counts().of(Operation::GetRange) - before.of(Operation::GetRange);
    let before = counting.counts();
    places_by(&restore, 50..51).await;
    assert_eq!(all, counting.counts().of(Operation::GetRange) - before.of(Operation::GetRange), "once for all offsets");
}

#[tokio::test]
async fn segments_that_are_not_as_they_were_say_nothing() {
    let fake = Fake::new();
    fake.segment_with_holes(0..50, |offset| offset % 2 == 0).await;
    let second = fake.segment_with_holes(50..100, |offset| offset % 2 == 0).await;
    fake.invoke().await;
    check_exact(&fake, 100).await;
    fake.bucket.delete(&second).await.unwrap();
    for offset in 1..99 {
        assert_eq!(place(&fake, offset).await, Place::AtOrBefore { at: 0, may_repeat: offset.min(50) });
    }
    assert_eq!(
        (place(&fake, 0).await, place(&fake, 99).await, place(&fake, 100).await),
        (Place::Exact(0), Place::Exact(50), Place::Exact(50))
    );
}

#[tokio::test]
async fn of_places_that_no_broker_says_the_last_certain_one_counts() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    fake.topic().hides_places = true;
    fake.segment(10..20).await;
    fake.invoke().await;
    fake.topic().hides_places = false;
    fake.topic().records.push(NOTHING);
    fake.segment(20..30).await;
    fake.invoke().await;
    assert_eq!(place(&fake, 9).await, Place::Exact(9));
    for offset in 10..20 {
        assert_eq!(place(&fake, offset).await, Place::AtOrBefore { at: 10, may_repeat: offset - 10 });
    }
    assert_eq!((place(&fake, 20).await, place(&fake, 30).await), (Place::Exact(21), Place::Exact(31)));
}

#[tokio::test]
async fn what_only_the_transaction_tells_is_not_lost() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    let old = fake.bucket.get(CHECKPOINT).await.unwrap().body;
    fake.topic().records.push(NOTHING);
    fake.segment(10..20).await;
    fake.invoke().await;
    // As a kill between the transaction and the checkpoint leaves it.
    fake.bucket.overwrite(CHECKPOINT, old.to_vec());
    fake.segment(20..25).await;
    fake.invoke().await;
    check_exact(&fake, 25).await;
}

#[tokio::test]
async fn places_of_an_aborted_transaction_are_forgotten() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    fake.segment(10..20).await;
    fake.topic().aborts = true;
    assert!(!fake.invoke().await.succeeded);
    check_exact(&fake, 9).await;
    fake.invoke().await;
    check_exact(&fake, 20).await;
    assert_eq!(place(&fake, 10).await, Place::Exact(11));
}

/// Each record is far from the one before, so that spans fill the metadata that brokers accept with
/// an offset.
async fn scattered(scatter: i64, fails: impl Fn(u32) -> bool + Send + Sync + 'static) -> (Fake, u32) {
    let fake = Fake::new();
    fake.topic().scatter = scatter;
    fake.segment_of(0..1_000, 200).await;
    let replaced = Arc::new(AtomicU32::new(0));
    let count = replaced.clone();
    let faults = move |operation: Operation, name: &str| match operation {
        Operation::Replace if name == CHECKPOINT && fails(count.fetch_add(1, Ordering::Relaxed)) => {
            Fault::Before(StoreErrorKind::Unavailable)
        }
        _ => Fault::None,
    };
    let store: Arc<dyn ObjectStore> = Arc::new(FaultyStore::new(fake.bucket.clone(), faults));
    _ = fake.restore_from(store).invoke(&Invocation::new(Budget::unlimited(None))).await;
    (fake, replaced.load(Ordering::Relaxed))
}

#[tokio::test]
async fn spans_that_do_not_fit_beside_an_offset_are_in_a_checkpoint() {
    let (fake, checkpoints) = scattered(1_000_000_000_000, |_| false).await;
    assert!(fake.topic().transactions.len() > 2 && checkpoints > 2, "{:?}, {checkpoints} checkpoints", fake.topic().transactions);
    check_exact(&fake, 1_000).await;
}

/// The checkpoint that a commit needs is written before it: without it nothing is committed.
#[tokio::test]
async fn no_span_that_fits_is_lost_whichever_checkpoint_fails() {
    for failing in 0..6 {
        // The first transaction fits, but not together with the second.
        let (fake, _) = scattered(100, move |number| number >= failing).await;
        fake.invoke().await;
        check_exact(&fake, 1_000).await;
    }
}

#[tokio::test]
async fn spans_put_away_are_found() {
    let fake = Fake::new();
    fake.topic().scatter = 7;
    fake.segment_of(0..1_000, 200).await;
    let restore = fake.restore().with_spans_per_object(64);
    restore.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
    let (checkpoint, _) = Checkpoint::load(fake.bucket.as_ref(), "drill", "orders", 0).await.unwrap().unwrap();
    assert!(checkpoint.spans.len() <= 64, "{}", checkpoint.spans.len());
    assert!(checkpoint.bytes >= 200_000 && checkpoint.bytes < 400_000, "{}", checkpoint.bytes);
    check_exact(&fake, 1_000).await;
}

#[tokio::test]
async fn what_was_skipped_as_damaged_is_a_hole() {
    let mut fake = Fake::new();
    fake.settings.skip_damaged = true;
    fake.segment(0..10).await;
    let damaged = fake.segment(10..20).await;
    fake.segment(20..30).await;
    let mut body = fake.bucket.get(&damaged).await.unwrap().body.to_vec();
    let middle = body.len() / 2;
    body[middle] ^= 0xff;
    fake.bucket.overwrite(&damaged, body);
    let report = fake.invoke().await;
    assert_eq!(report.topics[0].skipped.len() + report.topics[0].partitions[0].skipped.len(), 1, "{report:?}");
    check_exact(&fake, 30).await;
    assert_eq!(place(&fake, 12).await, Place::Exact(10));
}

#[tokio::test]
async fn a_missing_segment_that_was_passed_is_a_hole() {
    let mut fake = Fake::new();
    fake.settings.skip_damaged = true;
    fake.segment(0..10).await;
    fake.segment(20..30).await;
    fake.invoke().await;
    check_exact(&fake, 30).await;
}

#[tokio::test]
async fn a_restore_that_becomes_exactly_once_keeps_what_it_knew() {
    let mut fake = Fake::new();
    fake.settings.delivery = Delivery::AtLeastOnce;
    fake.segment(0..10).await;
    fake.invoke().await;
    fake.topic().progress = None;
    fake.topic().records.push(NOTHING);
    fake.settings.delivery = Delivery::ExactlyOnce;
    fake.segment(10..20).await;
    assert!(fake.invoke().await.succeeded);
    check_exact(&fake, 20).await;
}

#[tokio::test]
async fn forgotten_progress_hides_nothing_that_a_checkpoint_tells() {
    let mut fake = Fake::new();
    fake.settings.anyway = vec!["lost-progress".to_owned()];
    fake.segment(0..10).await;
    fake.invoke().await;
    let old = String::from_utf8(fake.bucket.get(CHECKPOINT).await.unwrap().body.to_vec()).unwrap();
    fake.segment(10..20).await;
    fake.invoke().await;
    fake.bucket.overwrite(CHECKPOINT, old.replace("\"settled\": true", "\"settled\": false"));
    fake.topic().progress = None;
    assert!(fake.invoke().await.succeeded);
    assert_eq!(fake.topic().records.len(), 30, "what is not known to be there comes twice");
    assert_eq!(
        (place(&fake, 9).await, place(&fake, 10).await, place(&fake, 20).await),
        (Place::Exact(9), Place::Exact(20), Place::Exact(30))
    );
}

#[tokio::test]
async fn what_cannot_be_translated_is_refused_with_the_second_best() {
    let asked = ["orders/0:5".parse::<SourceOffset>().unwrap()];
    let mut fake = Fake::new();
    fake.settings.strategy = PartitionStrategy::Random;
    fake.segment(0..10).await;
    assert!(error_of(fake.restore().translate_offsets(&asked).await).contains("has not begun"));
    fake.invoke().await;
    let error = error_of(fake.restore().translate_offsets(&asked).await);
    assert!(
        error.contains("RESTORE_PARTITION_STRATEGY=random") && error.contains("--topic restored --reset-offsets --to-datetime"),
        "{error}"
    );
    let mut fake = Fake::new();
    fake.settings.times = Times { from: Some(0), until: Some(5) };
    fake.segment(0..10).await;
    fake.invoke().await;
    let error = error_of(fake.restore().translate_offsets(&asked).await);
    assert!(error.contains("RESTORE_FROM, RESTORE_UNTIL") && error.contains("--to-datetime"), "{error}");
}

#[tokio::test]
async fn archives_of_the_python_tool_have_no_offsets() {
    let fake = Fake::new();
    fake.bucket.overwrite("orders/0/current.bin", "1\n2\n3\n");
    fake.segment(0..10).await;
    fake.invoke().await;
    assert_eq!(fake.topic().records.len(), 13);
    let (checkpoint, _) = Checkpoint::load(fake.bucket.as_ref(), "drill", "orders", 0).await.unwrap().unwrap();
    assert_eq!(checkpoint.spans.to_string(), "10@3", "of its lines nothing is noted");
    let Place::Unknown(why) = place(&fake, 5).await else { panic!("its lines are offsets of nothing") };
    assert!(why.contains("Python tool") && why.contains("--topic restored:0 --reset-offsets"), "{why}");
}

#[tokio::test]
async fn each_answer_stands_for_itself() {
    let fake = Fake::new();
    fake.segment(0..10).await;
    fake.invoke().await;
    let asked = ["orders/0:5", "bills/0:5", "orders@1/0:6", "orders/7:0", "orders/0:5"].map(|text| text.parse::<SourceOffset>().unwrap());
    let answers = fake.restore().translate_offsets(&asked).await.unwrap();
    assert_eq!(answers.iter().map(|answer| answer.source.clone()).collect::<Vec<_>>(), asked);
    let said = |place: &Place, what: &str| matches!(place, Place::Unknown(why) if why.contains(what));
    assert!(said(&answers[1].place, "is not part of restore") && answers[1].target.is_none(), "{answers:?}");
    assert!(said(&answers[3].place, "had no partition 7"), "{answers:?}");
    assert_eq!([0, 2, 4].map(|index: usize| answers[index].place.clone()), [5, 6, 5].map(Place::Exact));
    let mut other = fake.clone();
    other.settings.topics = Selection::of_names(["bills"]);
    assert!(error_of(other.restore().translate_offsets(&asked).await).contains("is the restore of"), "another restore has this id");
    let checkpoint = String::from_utf8(fake.bucket.get(CHECKPOINT).await.unwrap().body.to_vec()).unwrap();
    let run = checkpoint.split("\"run\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    fake.bucket.overwrite(&names::checkpoint("drill", "orders", 0), checkpoint.replace(&run, "other"));
    assert!(matches!(place(&fake, 5).await, Place::Unknown(why) if why.contains("another restore with the same RESTORE_ID")));
}
