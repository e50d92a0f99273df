#![allow(clippy::unwrap_used)]
use std::sync::Arc;
use std::time::Duration;

use archive::catalog::{Inventory, OffsetSnapshot, Told};
use config::SnapshotSettings;
use host::Budget;
use kafka::{Broker, GroupListing, GroupOffset, KafkaError, Pattern, Right, Selection, TopicPartition};

use super::*;
use crate::testing::Fake;

/// A snapshot every five minutes.
pub(crate) fn backup(fake: &Fake, selection: Selection, groups: Selection) -> Backup {
    let mut backup = fake.backup_of(selection).with_snapshots_of(Arc::new(fake.clone()));
    Arc::get_mut(&mut backup.settings).unwrap().snapshots = Some(SnapshotSettings { every: Duration::from_secs(300), groups });
    backup
}

fn patterns(include: &[&str], exclude: &[&str]) -> Selection {
    let parse = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    Selection::new(parse(include), parse(exclude)).unwrap()
}

fn orders(fake: &Fake) -> Backup {
    backup(fake, patterns(&["*"], &[]), patterns(&["*"], &["tmp-*"]))
}

fn all() -> Invocation {
    Invocation::new(Budget::unlimited(None))
}

/// The names of all snapshots.
fn names_of(fake: &Fake) -> Vec<String> {
    fake.bucket.snapshot().into_keys().filter(|name| names::parse_snapshot(name).is_some()).collect()
}

/// How many objects store how far a run came.
fn run_ends(fake: &Fake) -> usize {
    fake.bucket.snapshot().into_keys().filter(|name| name.starts_with("@cluster/memory/backup/ends/")).count()
}

async fn read(fake: &Fake, name: &str) -> Snapshot {
    Snapshot::read(fake.bucket.as_ref(), name).await.unwrap()
}

fn add_group(fake: &Fake, name: &str, offsets: &[(&str, i64, &str)]) {
    let offsets = offsets.iter().map(|(topic, offset, metadata)| {
        let offset = GroupOffset { offset: *offset, metadata: (*metadata).to_owned(), pending: false };
        (TopicPartition::new(*topic, 0), offset)
    });
    let listing = GroupListing { state: "Empty".into(), kind: "Classic".into(), is_simple: false };
    fake.log().groups.insert(name.to_owned(), (listing, offsets.collect()));
}

#[tokio::test]
async fn there_is_one_in_each_slot_named_by_its_end_rounded_up() {
    let fake = Fake::default();
    fake.advance(7_000);
    fake.write(25);
    let backup = orders(&fake);
    let report = backup.invoke(&all()).await.unwrap();
    assert!(report.succeeded, "{report:?}");
    assert_eq!(names_of(&fake), ["@cluster/memory/backup/1970/01/01/000500Z.json.gz"]);
    assert_eq!(report.snapshot.as_ref(), names_of(&fake).first());
    // Names are rounded up, so that a new one has a time in the future.
    for (now, count, age) in [(100_000, 1, 0), (300_000, 1, 0), (300_001, 2, 0), (600_000, 2, 0), (901_000, 3, 0)] {
        fake.log().now = now;
        assert_eq!(backup.invoke(&all()).await.unwrap().snapshot_age_seconds, Some(age));
        assert_eq!(names_of(&fake).len(), count, "{now}");
    }
    let topic_json = String::from_utf8(fake.bucket.snapshot()["orders/topic.json"].to_vec()).unwrap();
    assert!(topic_json.contains(r#""snapshots": "@cluster/memory/backup/""#), "so that it is seen when all are gone: {topic_json}");
    let taken = read(&fake, "@cluster/memory/backup/1970/01/01/000500Z.json.gz").await;
    let partition = &taken.topics["orders"].partitions[&0];
    assert_eq!((partition.backed_up, partition.log.unwrap().end), (None, 25), "before the work");
    let later = read(&fake, "@cluster/memory/backup/1970/01/01/001000Z.json.gz").await;
    let topic = &later.topics["orders"];
    assert_eq!((topic.folder.as_deref(), topic.partitions[&0].backed_up), (Some("orders"), Some(25)));
    assert_eq!((topic.partitions[&0].diverged, topic.partitions[&0].folder.is_none()), (false, true));
}

/// The snapshot of a run is of before its records, and there may be no next run.
#[tokio::test]
async fn what_a_run_stored_is_missed_before_the_next_snapshot() {
    let fake = Fake::default();
    fake.write(25);
    let backup = orders(&fake);
    let mut event = all();
    event.event.topic = Some("orders".to_owned());
    assert!(backup.invoke(&event).await.unwrap().succeeded);
    assert_eq!((names_of(&fake).len(), run_ends(&fake)), (0, 1), "each run that stored something, whatever it was asked for");
    fake.write(5);
    fake.advance(60_000);
    for _ in 0..2 {
        assert!(backup.invoke(&all()).await.unwrap().succeeded);
        assert_eq!((names_of(&fake).len(), run_ends(&fake)), (1, 2), "an idle run stores none");
    }
    let now = fake.log().now;
    let inventory = Inventory::read(fake.bucket.as_ref(), None, now).await.unwrap();
    assert_eq!(inventory.missing("orders", 0, Some(30)), None);
    let missing = inventory.missing("orders", 0, Some(25)).unwrap();
    assert!(missing.what.contains("offsets 25 to 30 of orders/0") && missing.what.contains("/ends/"), "{missing:?}");

    let mut without = orders(&fake);
    Arc::get_mut(&mut without.settings).unwrap().snapshots = None;
    fake.write(10);
    fake.advance(60_000);
    assert_eq!((without.invoke(&all()).await.unwrap().records, run_ends(&fake)), (10, 2), "SNAPSHOT_SECONDS=0");
}

/// The memory of the process is checked first, then the bucket, and only then Kafka.
#[tokio::test]
async fn one_that_is_there_is_not_taken_again_by_another_process() {
    let fake = Fake::default();
    orders(&fake).invoke(&all()).await.unwrap();
    let asked = fake.log().asked;
    assert!(asked > 0);
    let other = orders(&fake);
    for _ in 0..2 {
        assert_eq!(other.invoke(&all()).await.unwrap().snapshot, None);
    }
    assert_eq!((fake.log().asked, names_of(&fake).len()), (asked, 1));
    assert!(other.snapshots_taken().is_some());
}

#[tokio::test]
async fn it_is_always_of_everything() {
    let fake = Fake::default();
    fake.log().others = ["users".to_owned()].into();
    let backup = orders(&fake);
    for (topic, partition, shard) in [(Some("orders"), None, None), (None, Some(0), None), (None, None, Some((1, 2)))] {
        let mut invocation = all();
        invocation.event = host::Event { topic: topic.map(str::to_owned), partition, shard };
        let report = backup.invoke(&invocation).await.unwrap();
        assert!(report.succeeded && report.snapshot_age_seconds.is_none(), "{report:?}");
        assert_eq!(names_of(&fake), [""; 0]);
    }
    let mut first = all();
    first.event.shard = Some((0, 2));
    backup.invoke(&first).await.unwrap();
    assert_eq!(read(&fake, &names_of(&fake)[0]).await.topics.into_keys().collect::<Vec<_>>(), ["orders", "users"]);
}

#[tokio::test]
async fn groups_are_there_with_what_they_committed_and_our_own_are_not() {
    let fake = Fake::default();
    fake.write(10);
    add_group(&fake, "billing", &[("orders", 7, "here"), ("elsewhere", 3, "")]);
    add_group(&fake, "ahead", &[("orders", 11, "")]);
    add_group(&fake, "idle", &[]);
    add_group(&fake, "tmp-1", &[("orders", 1, "")]);
    add_group(&fake, "backup", &[("orders", 1, "")]);
    add_group(&fake, "another-backup", &[("orders", 10, r#"{"kafka-backup":1,"next":10}"#)]);
    add_group(&fake, "a-restore", &[("orders", 10, r#"{"kafka-restore":2,"run":"x"}"#)]);
    orders(&fake).invoke(&all()).await.unwrap();
    let Told::All(groups) = read(&fake, &names_of(&fake)[0]).await.groups else { panic!("all were reported") };
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["ahead", "billing", "idle"]);
    let offset =
        |offset, metadata: &str| OffsetSnapshot { offset, metadata: metadata.into(), pending: false, moved: false, foreign: false };
    assert_eq!(groups["billing"].offsets["orders"][&0], offset(7, "here"));
    assert_eq!(groups["billing"].offsets["elsewhere"][&0], offset(3, ""), "of topics that are not backed up, too");
    assert_eq!(groups["ahead"].offsets["orders"][&0], OffsetSnapshot { foreign: true, ..offset(11, "") });
    assert!(groups["idle"].offsets.is_empty() && groups["idle"].why.is_none());
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_marked() {
    let fake = Fake::default();
    fake.write(20);
    orders(&fake).invoke(&all()).await.unwrap();
    fake.advance(400_000);
    {
        let mut log = fake.log();
        (log.end, log.high_watermark) = (12, 12);
        log.records.truncate(12);
    }
    _ = orders(&fake).invoke(&all()).await.unwrap();
    let partition = read(&fake, &names_of(&fake)[1]).await.topics.remove("orders").unwrap().partitions.remove(&0).unwrap();
    assert!(partition.diverged && partition.backed_up == Some(20), "{partition:?}");
}

/// Only the newest snapshot of each day is read to know what was backed up.
#[tokio::test]
async fn what_an_earlier_one_of_the_day_said_is_taken_along() {
    let fake = Fake::default();
    fake.write(10);
    let backup = orders(&fake);
    for now in [0, 300_001] {
        fake.log().now = now;
        backup.invoke(&all()).await.unwrap();
    }
    // Created again: its folder is another one, and nothing shows any more that the first one was
    // backed up.
    fake.log().id = 1;
    for now in [600_001, 900_001, 1_200_001] {
        fake.log().now = now;
        backup.invoke(&all()).await.unwrap();
    }
    let names = names_of(&fake);
    let last = read(&fake, names.last().unwrap()).await;
    assert_eq!(last.earlier, [("orders".to_owned(), [(0, 10)].into())].into(), "{names:?}");
    assert_eq!(last.topics["orders"].folder.as_deref(), Some("orders@2"));
}

/// A topic that is created again while it is read has no numbers, and the commits of groups on it
/// belong to no known log.
#[tokio::test]
async fn no_numbers_stand_under_an_id_that_they_are_not_of() {
    let fake = Fake::default();
    fake.write(10);
    add_group(&fake, "billing", &[("orders", 7, "")]);
    fake.log().created_again_when_committed_is_asked = true;
    _ = orders(&fake).invoke(&all()).await.unwrap();
    let snapshot = read(&fake, &names_of(&fake)[0]).await;
    let topic = &snapshot.topics["orders"];
    assert!(topic.partitions.is_empty() && topic.why.as_ref().is_some_and(|why| why.contains("created again")), "{topic:?}");
    assert!(snapshot.groups.known().unwrap()["billing"].offsets["orders"][&0].foreign);
}

#[tokio::test]
async fn what_this_user_may_not_read_is_absent_with_its_reason_and_said_once() {
    let fake = Fake::default();
    add_group(&fake, "billing", &[]);
    fake.log().rights = Some([Right::DescribeConfigs].into());
    fake.log().refuses = true;
    let backup = orders(&fake);
    let report = backup.invoke(&all()).await.unwrap();
    assert!(report.succeeded && report.notes.len() == 1, "{report:?}");
    for part in ["consumer groups", "access control lists", "SCRAM users"] {
        assert!(report.notes[0].contains(part), "{report:?}");
    }
    let snapshot = read(&fake, &names_of(&fake)[0]).await;
    assert!(matches!(snapshot.groups, Told::Partial { .. }), "{:?}", snapshot.groups);
    assert!(matches!((&snapshot.acls, &snapshot.users), (Told::Absent(_), Told::Absent(_))));
    assert_eq!(snapshot.brokers, Told::All(vec![broker()]));
    fake.advance(400_000);
    assert!(backup.invoke(&all()).await.unwrap().notes.is_empty());
}

#[tokio::test]
async fn a_cluster_without_an_authorizer_lacks_nothing() {
    let fake = Fake::default();
    fake.log().has_no_acls = Some(NO_AUTHORIZER);
    let backup = orders(&fake);
    assert_eq!(
        backup.check().await.unwrap().notes.iter().filter(|note| note.contains("access control lists")).collect::<Vec<_>>(),
        [NO_ACLS]
    );
    assert_eq!(backup.invoke(&all()).await.unwrap().notes, [NO_ACLS]);
    let snapshot = read(&fake, &names_of(&fake)[0]).await;
    assert!(snapshot.acls.why().is_some_and(|why| why.contains(NO_AUTHORIZER)), "{snapshot:?}");
    fake.log().refuses = true;
    assert!(backup.check().await.unwrap().notes.iter().any(|note| note.contains("SCRAM users")), "other refusals are still named");
}

/// The records take precedence.
#[tokio::test]
async fn a_snapshot_that_takes_half_of_the_time_is_given_up_and_the_backup_goes_on() {
    let fake = Fake::default();
    fake.write(10);
    fake.log().each_request_takes = 1_300;
    let mut invocation = all();
    invocation.budget.deadline = Some(10_000);
    let report = orders(&fake).invoke(&invocation).await.unwrap();
    assert!(!report.succeeded && report.is_retryable() && report.errors[0].contains("SNAPSHOT_SECONDS=0"), "{report:?}");
    assert_eq!((names_of(&fake), report.records), (vec![], 10));
}

#[tokio::test]
async fn the_age_is_that_of_the_newest_one_that_is_there() {
    let fake = Fake::default();
    let backup = orders(&fake);
    fake.advance(7_000);
    assert_eq!(backup.invoke(&all()).await.unwrap().snapshot_age_seconds, Some(0));
    fake.log().now = 400_000;
    fake.log().each_request_takes = 1_300;
    let mut invocation = all();
    invocation.budget.deadline = Some(410_000);
    let report = backup.invoke(&invocation).await.unwrap();
    assert!(!report.succeeded && report.snapshot_age_seconds.is_some_and(|age| age >= 100), "{report:?}");
    assert_eq!(orders(&fake).invoke(&invocation).await.unwrap().snapshot_age_seconds, None, "another process knows of none");
}

#[test]
fn times_are_rounded_up() {
    assert_eq!([0, 1, 299_999, 300_000, 300_001].map(|at| round_up(at, 300_000)), [0, 300_000, 300_000, 300_000, 600_000]);
}

pub(crate) fn broker() -> Broker {
    Broker { id: 1, host: "kafka-1".into(), port: 9092, rack: None }
}

/// The error of a user without the permission.
pub(crate) fn denied(what: &str) -> KafkaError {
    KafkaError::new(KafkaErrorKind::Denied, what, "this user may not")
}

#[tokio::test]
async fn a_loss_of_all_snapshots_is_an_error_of_the_backup_that_takes_the_next_one() {
    let fake = Fake::default();
    fake.write(10);
    let first = orders(&fake);
    for _ in 0..2 {
        assert!(first.invoke(&all()).await.unwrap().succeeded, "of a first backup there are none");
        fake.advance(60_000);
        fake.write(10);
    }
    assert!(orders(&fake).invoke(&all()).await.unwrap().succeeded);
    for without in ["@cluster/memory/backup/1970/", "@cluster/"] {
        for name in fake.bucket.snapshot().keys().filter(|name| name.starts_with(without)) {
            fake.delete(name).await;
        }
        fake.advance(1_200_000);
        fake.write(10);
        let report = orders(&fake).invoke(&all()).await.unwrap();
        assert!(!report.succeeded && report.records == 10 && report.errors.len() == 1, "{report:?}");
        assert!(report.errors[0].contains("all earlier snapshots of") && report.errors[0].contains("orders/topic.json"), "{report:?}");
        fake.advance(1_200_000);
        fake.write(10);
        assert!(orders(&fake).invoke(&all()).await.unwrap().succeeded);
    }
    // The first one of another day.
    fake.advance(86_400_000);
    fake.write(10);
    assert!(orders(&fake).invoke(&all()).await.unwrap().succeeded);
}
