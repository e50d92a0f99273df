//! Restores of several topics, and of a moment: what is decided when one begins, what it refuses,
//! and what each invocation costs.
#![allow(clippy::unwrap_used)]

mod finish;
mod latency;
mod requests;
mod targets;

use archive::catalog::{LogSnapshot, Packing, RestoreIdentity, RunEnds, Snapshot, names};
use archive::testing::{add_generation, add_segment, add_snapshot, generation, snapshot};
use config::{AsOf, TargetName};
use host::Budget;
use kafka::{Pattern, Selection};
use kernel::clock::Millis;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::testing::{Delete, Fault, FaultyStore, Operation};

use crate::{Invocation, Plan, Restore};
use targets::Targets;

fn selection(include: &[&str], exclude: &[&str]) -> Selection {
    let parse = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    Selection::new(parse(include), parse(exclude)).unwrap()
}

/// Three topics: `orders` with two partitions, `bills`, and `empty`.
async fn backed_up() -> Targets {
    let mut targets = Targets::new();
    targets.settings.topics = selection(&["*"], &[]);
    targets.settings.target = TargetName::new("copy-{topic}");
    for (topic, partitions) in [("orders", 2), ("bills", 1), ("empty", 3)] {
        add_generation(&targets.bucket, &archive::catalog::Generation { partitions, ..generation(topic) });
    }
    for (topic, partition, offsets) in [("orders", 0, 0..10), ("orders", 0, 10..15), ("orders", 1, 0..4), ("bills", 0, 0..7)] {
        add_segment(&targets.bucket, topic, partition, offsets, 0).await;
    }
    targets
}

#[tokio::test]
async fn each_topic_is_restored_up_to_where_it_was_when_the_restore_began() {
    let targets = backed_up().await;
    let report = targets.invoke().await;
    assert!(report.succeeded && report.caught_up && report.has_finished && report.records == 26, "{report:?}");
    let done = report.done.unwrap();
    assert_eq!((done.partitions_done, done.partitions_to_restore), (3, 3));
    let values = |topic: &str, partition| targets.values(topic, partition);
    assert_eq!((values("copy-orders", 0), values("copy-orders", 1), values("copy-bills", 0)), (15, 4, 7));
    assert_eq!(targets.partitions("copy-empty"), Some(3), "an empty topic is created");
    let noted = RestoreIdentity::load(targets.bucket.as_ref(), "drill").await.unwrap().unwrap();
    assert!(noted.is_cut() && noted.topics.len() == 3, "{noted:?}");

    // What is backed up later is not restored, and nothing is written twice.
    add_segment(&targets.bucket, "orders", 0, 15..20, 0).await;
    add_generation(&targets.bucket, &generation("later"));
    let report = targets.invoke().await;
    assert!(report.succeeded && report.caught_up && !report.has_finished && report.finished_at.is_some(), "{report:?}");
    assert_eq!((report.records, report.topics.iter().map(|topic| topic.records_in_all).sum::<u64>()), (0, 26));
    assert_eq!((values("copy-orders", 0), targets.partitions("copy-later")), (15, None));
}

#[tokio::test]
async fn one_bad_read_of_the_last_segment_makes_no_cut() {
    let mut targets = backed_up().await;
    targets.settings.skip_damaged = true;
    let last = names::segment("orders", 0, 10, Packing::Gzip);
    let is_first = AtomicBool::new(true);
    let faults = move |operation, name: &str| match operation {
        Operation::GetRange if name == last && is_first.swap(false, Ordering::Relaxed) => Fault::Damage,
        _ => Fault::None,
    };
    let store = Arc::new(FaultyStore::new(targets.bucket.clone(), faults));
    let (cluster, clock) = (Arc::new(targets.clone()), Arc::new(targets.clone()));
    let restore = Restore::new(cluster, store, targets.settings.clone(), clock).single_threaded();
    let report = restore.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
    assert!(report.has_finished && targets.values("copy-orders", 0) == 15, "{report:?}");
}

#[tokio::test]
async fn a_cut_inside_of_a_segment_is_kept_to() {
    let mut targets = backed_up().await;
    add_snapshot(targets.bucket.as_ref(), &seen(1_000_000, &[("orders", 0, 12), ("orders", 1, 0), ("bills", 0, 7)])).await;
    add_snapshot(targets.bucket.as_ref(), &seen(2_000_000, &[("orders", 0, 15), ("orders", 1, 4), ("bills", 0, 7)])).await;
    targets.settings.as_of = Some(AsOf::Time(1_999_999));
    let report = targets.invoke().await;
    assert!(report.succeeded && report.caught_up && report.records == 19, "{report:?}");
    assert_eq!((targets.values("copy-orders", 0), targets.values("copy-orders", 1), targets.values("copy-bills", 0)), (12, 0, 7));
    assert_eq!(targets.partitions("copy-empty"), None, "it did not exist then");
    assert!(report.snapshots[0].contains("@cluster/kafka-1/backup/") && report.as_of.is_some(), "{report:?}");
    assert_eq!(report.moments, [1_000_000], "what is restored is older than what was requested");
    assert_eq!(targets.invoke().await.moments, [1_000_000], "a finished restore knows it, too");
    // Newer snapshots change nothing once it has begun.
    add_snapshot(targets.bucket.as_ref(), &seen(1_500_000, &[("orders", 0, 14), ("orders", 1, 2), ("bills", 0, 7)])).await;
    let plan = targets.restore().plan().await.unwrap();
    assert!(plan.has_begun && plan.snapshots.iter().map(|one| one.until).eq([Some(1_000_000)]), "{plan:?}");
}

/// `latest` is the newest snapshot of the moment at which the restore began.
#[tokio::test]
async fn what_is_newer_than_the_latest_snapshot_is_reported() {
    let mut targets = backed_up().await;
    add_snapshot(targets.bucket.as_ref(), &seen(1_000_000, &[("orders", 0, 12), ("orders", 1, 4), ("bills", 0, 7)])).await;
    targets.settings.as_of = Some(AsOf::Latest);
    let notes = |plan: Plan| (plan.can_begin(), plan.notes.concat() + &plan.problems.concat());
    let (can_begin, told) = notes(targets.restore().plan().await.unwrap());
    assert!(can_begin && !told.contains("after this snapshot"), "{told}");
    let series = names::snapshot_prefix(Some("kafka-1"), "backup");
    let ends = [("orders".to_owned(), [(0, 15), (1, 4)].into())].into();
    RunEnds::new(1_100_000, ends, None).write(targets.bucket.as_ref(), &series).await.unwrap();
    let (can_begin, told) = notes(targets.restore().plan().await.unwrap());
    assert!(can_begin && told.contains("3 offsets in 1 partition(s) were backed up after this snapshot"), "{told}");
    let mut report = targets.invoke().await;
    assert!(report.finished_at.is_some(), "{report:?}");
    targets.restore().tell_of_newer(&mut report).await;
    assert!(report.notes.iter().any(|note| note.contains("3 offsets in 1 partition(s)")), "{report:?}");

    add_snapshot(targets.bucket.as_ref(), &seen(1_500_000, &[("orders", 0, 15), ("orders", 1, 4), ("bills", 0, 7)])).await;
    let (can_begin, told) = notes(targets.restore().plan().await.unwrap());
    assert!(!can_begin && told.contains("is newer, as of 1970-01-01T00:25:00Z") && told.contains("another RESTORE_ID"), "{told}");
    let mut report = targets.invoke().await;
    targets.restore().tell_of_newer(&mut report).await;
    assert!(report.succeeded && report.notes.iter().any(|note| note.contains("is newer, as of")), "{report:?}");

    // An older one is not newer, if the one of this restore was deleted.
    let mut report = targets.invoke().await;
    for name in targets.bucket.snapshot().into_keys().filter(|name| names::parse_snapshot(name).is_some()) {
        targets.bucket.delete(&name).await.unwrap();
    }
    add_snapshot(targets.bucket.as_ref(), &seen(500_000, &[("orders", 0, 10), ("orders", 1, 4), ("bills", 0, 7)])).await;
    targets.restore().tell_of_newer(&mut report).await;
    assert!(!report.notes.iter().any(|note| note.contains("is newer")), "{report:?}");
}

/// A snapshot with these ends of logs; all of it was backed up when it was taken.
fn seen(until: Millis, ends: &[(&str, i32, i64)]) -> Snapshot {
    let mut all = snapshot(until, []);
    for (topic, partition, end) in ends {
        let of = snapshot(until, [(*topic, *topic, *partition, *end)]);
        let mut of = of.topics[*topic].clone();
        of.partitions.get_mut(partition).unwrap().log = Some(LogSnapshot { log_start: 0, end: *end, high_watermark: *end });
        let known = all.topics.entry((*topic).to_owned()).or_insert_with(|| of.clone());
        known.partition_count = known.partition_count.max(partition + 1);
        known.partitions.insert(*partition, of.partitions[partition].clone());
    }
    all
}

#[tokio::test]
async fn what_was_not_backed_up_that_far_is_refused_and_named() {
    let mut targets = backed_up().await;
    let mut behind = seen(1_000_000, &[("orders", 0, 15), ("orders", 1, 9), ("bills", 0, 7)]);
    behind.topics.get_mut("orders").unwrap().partitions.get_mut(&1).unwrap().backed_up = Some(4);
    add_snapshot(targets.bucket.as_ref(), &behind).await;
    targets.settings.as_of = Some(AsOf::Latest);
    let error = targets.refused().await;
    assert!(error.contains("orders/1 ended at offset 9, and its backup reaches 4") && error.contains("RESTORE_ANYWAY=behind"), "{error}");
    assert!(targets.partitions("copy-orders").is_none(), "nothing has begun");
    targets.settings.anyway = vec!["behind".to_owned()];
    for _ in 0..2 {
        let report = targets.invoke().await;
        assert!(report.succeeded && targets.values("copy-orders", 1) == 4, "{report:?}");
        let skipped: Vec<&String> = report.topics.iter().flat_map(|topic| &topic.skipped).collect();
        assert!(
            skipped.len() == 1 && skipped[0].contains("orders/1 ended at offset 9"),
            "what was accepted is reported, also later: {report:?}"
        );
    }
    targets.settings.as_of = Some(AsOf::Time(10));
    targets.settings.restore_id = Some("earlier".to_owned());
    assert!(targets.refused().await.contains("there is no snapshot of 1970-01-01T00:00:00"));
    targets.settings.as_of = Some(AsOf::Time(4_000_000_000_000));
    let plan = targets.restore().plan().await.unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("in the future")), "{plan:?}");
    targets.settings.as_of = Some(AsOf::Latest);
    targets.settings.topics = selection(&["order"], &[]);
    let error = targets.refused().await;
    assert!(error.contains("had no topic order. It had bills, orders"), "{error}");
    targets.settings.topics = selection(&["*"], &[]);
    targets.settings.backup_cluster = Some("nope".to_owned());
    assert!(targets.refused().await.contains("There are snapshots of kafka-1"));
}

/// Exit code 0 would mean that all of it exists.
#[tokio::test]
async fn what_a_snapshot_has_and_the_bucket_does_not_is_told_also_where_nothing_of_it_is_lost() {
    let mut targets = backed_up().await;
    let mut of = seen(1_000_000, &[("orders", 0, 15), ("orders", 1, 4), ("fresh", 0, 0)]);
    of.topics.get_mut("fresh").unwrap().folder = None;
    add_snapshot(targets.bucket.as_ref(), &of).await;
    targets.settings.as_of = Some(AsOf::Latest);
    for _ in 0..2 {
        let report = targets.invoke().await;
        assert!(report.succeeded && report.notes.iter().any(|note| note.contains("\"fresh\" was empty")), "{report:?}");
    }
    targets.settings.restore_id = Some("fresh alone".to_owned());
    targets.settings.topics = selection(&["fresh"], &[]);
    let error = targets.refused().await;
    assert!(error.contains("nothing to restore") && error.contains("was empty"), "{error}");
    targets.settings.topics = selection(&["orders"], &[]);
    targets.settings.target = TargetName::new("two");
    targets.settings.partitions = Some(BTreeSet::from([1, 2]));
    add_generation(&targets.bucket, &archive::catalog::Generation { partitions: 3, ..generation("orders") });
    assert!(targets.refused().await.contains("names partition 2, which orders"));
}

/// What was backed up and no longer exists is lost, whatever snapshot is requested.
#[tokio::test]
async fn a_lost_end_is_not_taken_for_a_backup_that_was_behind() {
    let mut targets = backed_up().await;
    let lost = add_segment(&targets.bucket, "bills", 0, 7..9, 0).await;
    add_snapshot(targets.bucket.as_ref(), &seen(1_000_000, &[("orders", 0, 15), ("orders", 1, 4), ("bills", 0, 9)])).await;
    targets.bucket.delete(&lost).await.unwrap();
    targets.settings.as_of = Some(AsOf::Latest);
    targets.settings.anyway = vec!["behind".to_owned()];
    let plan = targets.restore().plan().await.unwrap();
    assert!(!plan.can_begin() && plan.notes.iter().any(|note| note.contains("which have a backup: empty")), "{plan:?}");
    let error = targets.refused().await;
    assert!(error.contains("offsets 7 to 9 of bills/0 are missing at its end") && error.contains("RESTORE_ANYWAY=missing"), "{error}");
}

#[tokio::test]
async fn of_two_clusters_in_one_place_the_one_that_is_named_is_restored() {
    let mut targets = backed_up().await;
    let of = |topic: &str, number, cluster: &str| archive::catalog::Generation {
        cluster_id: Some(cluster.to_owned()),
        generation: number,
        ..generation(topic)
    };
    // What was restored was backed up again, by the new cluster. `bills` no longer exists.
    for (topic, number, cluster) in [("orders", 1, "a"), ("orders", 2, "b"), ("bills", 1, "a"), ("empty", 1, "a"), ("empty", 2, "b")] {
        add_generation(&targets.bucket, &of(topic, number, cluster));
    }
    targets.settings.backup_cluster = Some("b".to_owned());
    let report = targets.invoke().await;
    let names: Vec<&str> = report.topics.iter().map(|topic| topic.source.as_str()).collect();
    assert_eq!(names, ["empty@2", "orders@2"]);
    targets.settings.restore_id = Some("by name".to_owned());
    targets.settings.backup_cluster = Some("c".to_owned());
    let error = targets.refused().await;
    assert!(error.contains("nothing to restore") && error.contains("BACKUP_CLUSTER"), "a restore of nothing is not complete: {error}");
    targets.settings.backup_cluster = Some("b".to_owned());
    targets.settings.topics = selection(&["bills"], &[]);
    assert!(targets.refused().await.contains("no generation of topic \"bills\""));
}

#[tokio::test]
async fn nothing_begins_when_something_of_it_is_missing_or_in_the_way() {
    let targets = backed_up().await;
    let known = [("orders", "orders", 0, 15), ("bills", "bills", 0, 9), ("gone", "gone", 0, 3)];
    add_snapshot(targets.bucket.as_ref(), &snapshot(0, known)).await;
    let error = targets.refused().await;
    assert!(error.contains("offsets 7 to 9 of bills/0") && error.contains("gone/ is missing"), "all problems in one error: {error}");
    let mut others = targets.clone();
    others.settings.topics = selection(&["orders", "empty"], &[]);
    others.put("copy-orders", 2, 5);
    let error = others.refused().await;
    assert!(error.contains("copy-orders") && error.contains("is not empty"), "{error}");
    assert!(RestoreIdentity::load(targets.bucket.as_ref(), "drill").await.unwrap().is_none());
    let plan = others.restore().plan().await.unwrap();
    assert!(
        !plan.can_begin() && plan.topics.iter().any(|topic| topic.problem.as_ref().is_some_and(|problem| problem.contains("not empty")))
    );
    others.settings.topics = selection(&["*"], &["orders", "bills", "gone"]);
    assert!(others.invoke().await.succeeded);
}

#[tokio::test]
async fn two_topics_into_one_and_topics_of_two_clusters_are_refused() {
    let mut targets = backed_up().await;
    targets.settings.target = TargetName::new("one");
    assert!(targets.refused().await.contains("would be restored into one topic"));
    targets.settings.target = TargetName::new("{topic}");
    for (topic, cluster) in [("orders", "a"), ("bills", "b")] {
        let of = archive::catalog::Generation { cluster_id: Some(cluster.to_owned()), partitions: 2, ..generation(topic) };
        add_generation(&targets.bucket, &of);
    }
    let error = targets.refused().await;
    assert!(error.contains("of 2 clusters") && error.contains("BACKUP_CLUSTER"), "{error}");
    targets.settings.topics = selection(&["nothing-*"], &[]);
    assert!(targets.refused().await.contains("there are: \"bills\", \"empty\", \"orders\""));
}

#[tokio::test]
async fn a_topic_that_fails_stops_no_other() {
    let targets = backed_up().await;
    let doomed = add_segment(&targets.bucket, "bills", 0, 7..9, 0).await;
    targets.break_after_noting(&doomed).await;
    let report = targets.invoke().await;
    assert!(!report.succeeded && !report.caught_up && report.finished_at.is_none(), "{report:?}");
    let of = |name: &str| report.topics.iter().find(|topic| topic.source == name).unwrap();
    assert!(of("bills").partitions[0].error.as_ref().unwrap().contains("offsets 7 to 9 of bills/0 are missing"), "{report:?}");
    assert!(of("orders").caught_up && targets.values("copy-orders", 0) == 15);
    // A deleted target is reported, also of a topic that is done.
    targets.delete("copy-orders");
    let report = targets.invoke().await;
    let of = |name: &str| report.topics.iter().find(|topic| topic.source == name).unwrap();
    assert!(of("orders").error.as_ref().unwrap().contains("no longer exists"), "{report:?}");
    assert!(targets.partitions("copy-orders").is_none());
}

#[tokio::test]
async fn one_choice_has_one_name_and_another_has_another() {
    let mut targets = backed_up().await;
    targets.settings.restore_id = None;
    let report = targets.invoke().await;
    assert!(report.restore_id.starts_with("cluster-") && report.restore_id.len() == 16, "{}", report.restore_id);
    assert_eq!(targets.invoke().await.records, 0, "the same choice is the same restore");
    targets.settings.topics = selection(&["*"], &["bills"]);
    let error = targets.refused().await;
    assert!(error.contains("belongs to restore"), "{error}");
}

#[tokio::test]
async fn a_restore_id_stays_with_its_choice() {
    let mut targets = backed_up().await;
    targets.invoke().await;
    targets.settings.topics = selection(&["*"], &["bills"]);
    assert!(targets.refused().await.contains("RESTORE_EXCLUDE_TOPIC_NAMES"));
    targets.settings.topics = selection(&["*"], &[]);
    targets.settings.as_of = Some(AsOf::Latest);
    assert!(targets.refused().await.contains("RESTORE_AS_OF none"));
}

#[tokio::test]
async fn a_finished_restore_notices_that_a_target_is_gone() {
    let targets = backed_up().await;
    assert!(targets.invoke().await.finished_at.is_some());
    targets.delete("copy-empty");
    let report = targets.invoke().await;
    assert!(!report.succeeded, "{report:?}");
    let gone: Vec<&str> = report.topics.iter().filter(|topic| topic.error.is_some()).map(|topic| topic.target.as_str()).collect();
    assert_eq!(gone, ["copy-empty"]);
    // Marks and records of another restore with this id do not count.
    targets.bucket.delete(&names::restore_json("drill")).await.unwrap();
    targets.clock.fetch_add(5, Ordering::Relaxed);
    assert!(targets.refused().await.contains("another restore"));
}
