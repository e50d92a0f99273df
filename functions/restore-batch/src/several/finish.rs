//! What is left to do when all of it is restored: shown, done, repeated after each kill, and
//! undone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archive::catalog::{GroupSnapshot, LogSnapshot, OffsetSnapshot, Snapshot, Told, names};
use archive::testing::add_snapshot;
use config::{AsOf, FinishPart, TargetName};
use kafka::{Acl, CommittedOffset, GroupListing, KafkaErrorKind, ScramUser, TopicPartition};
use kernel::clock::Millis;
use store::testing::Delete;

use super::targets::Targets;
use super::{backed_up, seen, selection};
use crate::finish::{Finish, FinishReport, FinishRequest, State};
use crate::target::WHILE_RESTORING;
use crate::testing::admin::{CHANGES, FakeAdmin, FakeGroup, FakeTopic, Fault};

const WEEK: Millis = 7 * 24 * 60 * 60 * 1000;

fn acl(resource: &str, name: &str, principal: &str) -> Acl {
    let [resource, name, principal] = [resource, name, principal].map(str::to_owned);
    let [pattern, host, operation, permission] = ["LITERAL", "*", "READ", "ALLOW"].map(str::to_owned);
    Acl { resource, name, pattern, principal, host, operation, permission }
}

fn group(offsets: &[(&str, i32, i64, &str)]) -> GroupSnapshot {
    let mut group =
        GroupSnapshot { state: "Empty".to_owned(), kind: "Classic".to_owned(), simple: false, offsets: BTreeMap::new(), why: None };
    for (topic, partition, offset, metadata) in offsets {
        let offset = OffsetSnapshot { offset: *offset, metadata: (*metadata).to_owned(), pending: false, moved: false, foreign: false };
        group.offsets.entry((*topic).to_owned()).or_default().insert(*partition, offset);
    }
    group
}

fn map(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A cluster with groups, configs and access control lists.
fn seen_whole() -> Snapshot {
    let mut seen = seen(1_000_000, &[("orders", 0, 15), ("orders", 1, 4), ("bills", 0, 7)]);
    seen.topics.get_mut("orders").unwrap().configs = Told::All(map(&[("flush.ms", "1000"), ("retention.ms", "86400000")]));
    // Nothing was ever written to it, and a group has read that.
    let mut empty = seen.topics["bills"].clone();
    empty.folder = Some("empty".to_owned());
    empty.partitions.get_mut(&0).unwrap().backed_up = None;
    empty.partitions.get_mut(&0).unwrap().log = Some(LogSnapshot { log_start: 9, end: 9, high_watermark: 9 });
    seen.topics.insert("empty".to_owned(), empty);
    seen.topics.get_mut("bills").unwrap().configs = Told::All(map(&[("cleanup.policy", "compact")]));
    seen.groups = Told::All(BTreeMap::from([
        (
            "billing".to_owned(),
            group(&[("orders", 0, 12, "beside"), ("orders", 1, 0, ""), ("bills", 0, 7, ""), ("elsewhere", 0, 9, ""), ("empty", 0, 9, "")]),
        ),
        ("shipping".to_owned(), group(&[("orders", 0, 15, "")])),
        ("console".to_owned(), group(&[("orders", 0, 3, "")])),
    ]));
    seen.acls =
        Told::All(vec![acl("TOPIC", "orders", "User:alice"), acl("TOPIC", "other", "User:alice"), acl("GROUP", "billing", "User:CN=x")]);
    seen.users = Told::All(vec![ScramUser { name: "alice".to_owned(), mechanisms: BTreeMap::from([("SCRAM-SHA-512".to_owned(), 4096)]) }]);
    seen
}

/// All of it restored, and the cluster as restore has left it.
async fn restored() -> (Targets, Arc<FakeAdmin>) {
    restored_from(|_| ()).await
}

/// With other content of the snapshot.
async fn restored_from(change: impl FnOnce(&mut Snapshot)) -> (Targets, Arc<FakeAdmin>) {
    let mut targets = backed_up().await;
    targets.settings.groups = selection(&["*"], &["console*"]);
    targets.settings.as_of = Some(AsOf::Latest);
    let mut seen = seen_whole();
    change(&mut seen);
    add_snapshot(targets.bucket.as_ref(), &seen).await;
    let report = targets.invoke().await;
    assert!(report.finished_at.is_some(), "{report:?}");
    let admin = Arc::new(FakeAdmin::default());
    {
        let mut state = admin.state();
        state.defaults.extend(map(&WHILE_RESTORING));
        state.defaults.extend(map(&[("retention.ms", "604800000"), ("flush.ms", "9")]));
        for (topic, counts) in [("copy-orders", &[15, 4][..]), ("copy-bills", &[7]), ("copy-empty", &[0])] {
            let partitions = counts.iter().map(|count| vec![1_795_957_500_000 - WEEK; *count]).collect();
            state.topics.insert(topic.to_owned(), FakeTopic { partitions, own: map(&WHILE_RESTORING) });
        }
    }
    (targets, admin)
}

fn request(apply: bool, undo: bool) -> FinishRequest {
    FinishRequest { parts: FinishPart::ALL.into(), apply, undo }
}

async fn run(targets: &Targets, admin: &Arc<FakeAdmin>, apply: bool, undo: bool) -> FinishReport {
    Finish::new(targets.restore(), admin.clone()).run(&request(apply, undo)).await.unwrap()
}

/// Offsets of groups, configs of topics, access control lists.
type Content = (BTreeMap<String, BTreeMap<TopicPartition, CommittedOffset>>, BTreeMap<String, BTreeMap<String, String>>, BTreeSet<Acl>);

/// What is compared.
fn content(admin: &FakeAdmin) -> Content {
    let state = admin.state();
    let groups = state.groups.iter().map(|(name, group)| (name.clone(), group.offsets.clone())).filter(|(_, offsets)| !offsets.is_empty());
    (groups.collect(), state.topics.iter().map(|(name, topic)| (name.clone(), topic.own.clone())).collect(), state.acls.clone())
}

fn offset(admin: &FakeAdmin, group: &str, topic: &str, partition: i32) -> Option<(i64, String)> {
    let state = admin.state();
    let found = state.groups.get(group)?.offsets.get(&TopicPartition::new(topic, partition))?;
    Some((found.next, found.metadata.clone()))
}

#[tokio::test]
async fn it_is_shown_then_done_and_then_taken_back() {
    let (mut targets, admin) = restored().await;
    targets.settings.anyway = vec!["retention".to_owned()];
    let before = content(&admin);
    let shown = run(&targets, &admin, false, false).await;
    assert!(shown.succeeded && !shown.applied, "{shown:?}");
    assert_eq!((content(&admin), admin.state().calls.get(CHANGES)), (before.clone(), None), "nothing was changed");
    assert!(
        targets.bucket.snapshot().keys().cloned().collect::<Vec<_>>().iter().all(|name| !name.contains("@finish/")),
        "nor in the bucket"
    );
    assert!(shown.commands.len() == 1 && shown.commands[0].contains("SCRAM-SHA-512=[iterations=4096,password=PASSWORD]"), "{shown:?}");
    assert!(shown.notes.iter().any(|note| note.contains("User:CN=x")), "{shown:?}");

    let done = run(&targets, &admin, true, false).await;
    assert!(done.succeeded && done.applied, "{done:?}");
    let of = |group: &str, topic: &str, partition| offset(&admin, group, topic, partition);
    assert_eq!(of("billing", "copy-orders", 0), Some((12, "beside".to_owned())));
    assert_eq!(of("billing", "copy-orders", 1), Some((0, String::new())));
    assert_eq!((of("billing", "copy-bills", 0), of("shipping", "copy-orders", 0)), (Some((7, String::new())), Some((15, String::new()))));
    assert_eq!(of("billing", "copy-empty", 0), Some((0, String::new())), "whatever comes is new to it");
    assert!(!admin.state().groups.contains_key("console"));
    let after = content(&admin);
    assert_eq!(after.1["copy-orders"], map(&[("flush.ms", "1000"), ("retention.ms", "86400000")]), "nothing of restore's own is left");
    assert_eq!(after.1["copy-bills"], map(&[("cleanup.policy", "compact")]));
    assert_eq!(after.2, BTreeSet::from([acl("TOPIC", "copy-orders", "User:alice"), acl("GROUP", "billing", "User:CN=x")]));

    let again = run(&targets, &admin, true, false).await;
    assert!(
        again.succeeded && again.groups.iter().flat_map(|group| &group.offsets).all(|one| one.state == State::AsItShouldBe),
        "{again:?}"
    );
    assert_eq!(content(&admin), after);
    let back = run(&targets, &admin, false, true).await;
    assert!(back.succeeded && content(&admin) == after, "shown: {back:?}");
    let back = run(&targets, &admin, true, true).await;
    assert!(back.succeeded && content(&admin) == before, "{back:?}");
    assert_eq!(applied_at(&targets).await, None, "all of it was undone");
    let once_more = run(&targets, &admin, true, false).await;
    assert!(once_more.succeeded && content(&admin) == after, "{once_more:?}");
    assert!(applied_at(&targets).await.is_some());
}

/// What a later run of the restore reports of `finish`.
async fn applied_at(targets: &Targets) -> Option<Millis> {
    let mut report = targets.invoke().await;
    targets.restore().tell_of_finish(&mut report).await;
    assert!(report.notes.iter().all(|note| !note.contains("unknown")), "{report:?}");
    report.finish_applied_at
}

#[tokio::test]
async fn unreadable_intents_of_finish_are_a_note_of_the_restore() {
    let (targets, admin) = restored().await;
    assert_eq!(applied_at(&targets).await, None);
    run(&targets, &admin, true, false).await;
    targets.bucket.overwrite(&names::intents("drill"), "damaged");
    let mut report = targets.invoke().await;
    targets.restore().tell_of_finish(&mut report).await;
    assert!(report.succeeded && report.notes.iter().any(|note| note.contains("unknown whether finish was applied")), "{report:?}");
}

/// With the answer lost, and with the request lost.
#[tokio::test]
async fn killed_at_any_change_it_is_the_same_in_the_end_and_taken_back_in_the_same_way() {
    for (nth, is_done) in (1..=10).flat_map(|nth| [(nth, false), (nth, true)]) {
        let (mut targets, admin) = restored().await;
        targets.settings.anyway = vec!["retention".to_owned()];
        let before = content(&admin);
        for undo in [false, true] {
            admin.state().calls.clear();
            admin.state().faults = vec![Fault { of: CHANGES, nth, kind: KafkaErrorKind::Unavailable, is_done }];
            let first = run(&targets, &admin, true, undo).await;
            let was_met = admin.state().calls[CHANGES] >= nth;
            assert_eq!(first.succeeded, !was_met, "{nth}: {first:?}");
            admin.state().faults.clear();
            let second = run(&targets, &admin, true, undo).await;
            assert!(second.succeeded, "{nth}: {second:?}");
            match undo {
                true => assert_eq!(content(&admin), before, "{nth}"),
                false => assert_eq!(offset(&admin, "billing", "copy-orders", 0), Some((12, "beside".to_owned())), "{nth}"),
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_named_and_holds_nothing_else_up() {
    let (targets, admin) = restored().await;
    {
        let mut state = admin.state();
        let listing = GroupListing { state: "Stable".to_owned(), kind: "Classic".to_owned(), is_simple: false };
        state.groups.insert("shipping".to_owned(), FakeGroup { listing, offsets: BTreeMap::new() });
        let at = TopicPartition::new("copy-bills", 0);
        let mine = BTreeMap::from([(at, CommittedOffset { next: 5, metadata: String::new() })]);
        state.groups.insert("billing".to_owned(), FakeGroup { offsets: mine, ..FakeGroup::default() });
        state.defaults.remove("flush.ms");
        state.foreign.insert("User:CN=x".to_owned());
        state.topics.get_mut("copy-bills").unwrap().own.insert("cleanup.policy".to_owned(), "compact,delete".to_owned());
    }
    let report = run(&targets, &admin, true, false).await;
    assert!(!report.succeeded, "{report:?}");
    let named = |what: &str| assert!(report.left.iter().any(|left| left.contains(what)), "{what}: {:#?}", report.left);
    named("\"shipping\" on \"copy-orders\": it has members");
    named("\"billing\" on \"copy-bills\": it has committed 5 itself");
    named("flush.ms of \"copy-orders\": the target cluster does not know this config");
    named("retention.ms of \"copy-orders\": would delete what is older than 1 days, as at least 19 of 19 offsets are");
    named("cleanup.policy of \"copy-bills\": it is compact,delete, which neither");
    named("for \"User:CN=x\" from \"*\" is not added");
    assert_eq!(offset(&admin, "billing", "copy-orders", 0), Some((12, "beside".to_owned())));
    assert_eq!(offset(&admin, "shipping", "copy-orders", 0), None);
    assert_eq!(offset(&admin, "billing", "copy-bills", 0), Some((5, String::new())));
    let own = admin.state().topics["copy-orders"].own.clone();
    assert_eq!(own, map(&[("cleanup.policy", "delete"), ("retention.bytes", "-1"), ("retention.ms", "-1")]), "those belong together");
    assert!(admin.state().acls.contains(&acl("TOPIC", "copy-orders", "User:alice")));
}

/// Kafka 4.1 reports what a topic inherits only with DescribeConfigs on the cluster. It can be an
/// hour.
#[tokio::test]
async fn a_retention_that_the_brokers_do_not_report_is_not_inherited() {
    let (targets, admin) = restored_from(|seen| seen.topics.get_mut("bills").unwrap().configs = Told::All(BTreeMap::new())).await;
    admin.state().defaults.insert("retention.ms".to_owned(), "3600000".to_owned());
    admin.state().hidden.insert("retention.ms".to_owned());
    let report = run(&targets, &admin, true, false).await;
    let why = "retention.ms of \"copy-bills\": it is unknown how much it would delete";
    assert!(report.left.iter().any(|left| left.contains(why) && left.contains("DescribeConfigs on the cluster")), "{:#?}", report.left);
    assert_eq!(admin.state().topics["copy-bills"].own["retention.ms"], "-1");
}

/// Configs are in the restore's record, and nothing else of a snapshot is requested.
#[tokio::test]
async fn configs_alone_need_no_snapshot_and_those_that_nobody_told_are_named() {
    let (mut targets, admin) = restored_from(|seen| {
        seen.topics.get_mut("bills").unwrap().configs = Told::Absent("access denied".to_owned());
        seen.users = Told::Absent("users denied".to_owned());
    })
    .await;
    targets.settings.anyway = vec!["retention".to_owned()];
    let all = run(&targets, &admin, false, false).await;
    assert!(all.notes.iter().any(|note| note.contains("users denied")), "{all:?}");
    let snapshots: Vec<String> = targets.bucket.snapshot().keys().filter(|name| name.starts_with("@cluster/")).cloned().collect();
    for name in &snapshots {
        targets.bucket.delete(name).await.unwrap();
    }
    let configs = FinishRequest { parts: BTreeSet::from([FinishPart::Configs]), apply: true, undo: false };
    let report = Finish::new(targets.restore(), admin.clone()).run(&configs).await.unwrap();
    assert!(report.succeeded && !snapshots.is_empty(), "{report:?}");
    let named: Vec<&String> = report.notes.iter().filter(|note| note.contains("has no configs")).collect();
    assert!(named.len() == 1 && named[0].contains("\"copy-bills\"") && !named[0].contains("copy-orders"), "{report:?}");
    assert!(named[0].contains("could not read them") && !named[0].contains("none of its own"), "{report:?}");
}

/// topic.json has no reason. So both are possible.
#[tokio::test]
async fn without_a_moment_a_topic_without_configs_may_have_had_none() {
    let (mut targets, admin) = restored().await;
    targets.settings.as_of = None;
    targets.settings.restore_id = Some("all".to_owned());
    targets.settings.target = TargetName::new("all-{topic}");
    assert!(targets.invoke().await.finished_at.is_some());
    let copied = admin.state().topics["copy-bills"].clone();
    admin.state().topics.insert("all-bills".to_owned(), copied);
    let configs = FinishRequest { parts: BTreeSet::from([FinishPart::Configs]), apply: false, undo: false };
    let report = Finish::new(targets.restore(), admin.clone()).run(&configs).await.unwrap();
    let named: Vec<&String> = report.notes.iter().filter(|note| note.contains("has no configs")).collect();
    assert!(named.len() == 1 && named[0].contains("\"all-bills\"") && named[0].contains("none of its own, or"), "{report:?}");
}

/// A user that could not read them has not seen a cluster without any.
#[tokio::test]
async fn access_control_lists_that_the_snapshot_could_not_read_are_left_and_those_of_no_authorizer_are_none() {
    for (why, is_left) in [("access denied", true), ("the brokers have no authorizer (authorizer.class.name), so there are none", false)] {
        let (mut targets, admin) = restored_from(|seen| seen.acls = Told::Absent(why.to_owned())).await;
        targets.settings.anyway = vec!["retention".to_owned()];
        let report = run(&targets, &admin, true, false).await;
        assert_eq!((report.left.len(), report.succeeded), (usize::from(is_left), !is_left), "{report:?}");
        assert!(report.left.iter().chain(&report.notes).any(|told| told.contains(why)), "{report:?}");
        assert_eq!(report.notes.iter().any(|note| note.starts_with("the original cluster had no access control lists")), !is_left);
    }
}

/// With room for everything restored, nothing is deleted.
#[tokio::test]
async fn a_limit_of_size_is_compared_with_what_was_restored() {
    for (limit, is_left) in [("100", true), ("1000000", false)] {
        let (targets, admin) = restored_from(|seen| {
            seen.topics.get_mut("orders").unwrap().configs = Told::All(map(&[("retention.bytes", limit), ("retention.ms", "-1")]));
        })
        .await;
        let report = run(&targets, &admin, true, false).await;
        let named =
            report.left.iter().any(|left| left.contains("retention.bytes of \"copy-orders\": would delete the oldest of 19 offsets"));
        assert_eq!(named, is_left, "{limit}: {report:?}");
        assert_eq!(admin.state().topics["copy-orders"].own["retention.bytes"] == limit, !is_left, "{limit}");
    }
}

#[tokio::test]
async fn one_config_that_a_policy_refuses_stops_no_other() {
    let (targets, admin) = restored().await;
    admin.state().refused.insert("flush.ms".to_owned());
    let report = Finish::new(targets.restore(), admin.clone())
        .run(&FinishRequest { parts: BTreeSet::from([FinishPart::Configs]), apply: true, undo: false })
        .await
        .unwrap();
    assert!(report.groups.is_empty() && report.left.iter().any(|left| left.contains("config flush.ms of \"copy-orders\"")), "{report:?}");
    assert!(!admin.state().topics["copy-orders"].own.contains_key("message.timestamp.type"), "the others of its half are set");
}

#[tokio::test]
async fn what_somebody_has_set_since_stays_when_it_is_taken_back() {
    let (mut targets, admin) = restored().await;
    targets.settings.anyway = vec!["retention".to_owned()];
    run(&targets, &admin, true, false).await;
    {
        let mut state = admin.state();
        let at = TopicPartition::new("copy-orders", 0);
        state.groups.get_mut("billing").unwrap().offsets.insert(at, CommittedOffset { next: 14, metadata: String::new() });
        state.topics.get_mut("copy-orders").unwrap().own.insert("flush.ms".to_owned(), "7".to_owned());
    }
    let report = run(&targets, &admin, true, true).await;
    assert!(!report.succeeded && report.left.len() == 2, "{report:?}");
    assert_eq!(offset(&admin, "billing", "copy-orders", 0).unwrap().0, 14);
    assert_eq!((offset(&admin, "billing", "copy-orders", 1), offset(&admin, "shipping", "copy-orders", 0)), (None, None));
    assert_eq!(admin.state().topics["copy-orders"].own["flush.ms"], "7");
    assert!(admin.state().acls.is_empty());
}

#[tokio::test]
async fn a_group_that_has_gone_on_is_left_in_peace_until_its_offsets_were_taken_back() {
    let (mut targets, admin) = restored().await;
    targets.settings.anyway = vec!["retention".to_owned()];
    run(&targets, &admin, true, false).await;
    let goes_on = |to: i64| {
        let at = TopicPartition::new("copy-orders", 0);
        admin.state().groups.get_mut("shipping").unwrap().offsets.insert(at, CommittedOffset { next: to, metadata: String::new() });
    };
    goes_on(20);
    let report = run(&targets, &admin, true, false).await;
    assert!(report.succeeded && offset(&admin, "shipping", "copy-orders", 0).unwrap().0 == 20, "{report:?}");
    goes_on(15);
    assert!(run(&targets, &admin, true, true).await.succeeded);
    // It starts by itself, without commits: that is not what it was given.
    goes_on(3);
    let report = run(&targets, &admin, true, false).await;
    assert!(!report.succeeded && report.left.len() == 1 && report.left[0].contains("it has committed 3 itself"), "{report:?}");
}

#[tokio::test]
async fn a_function_does_it_once() {
    let (mut targets, admin) = restored().await;
    let finish = |targets: &Targets| Finish::new(targets.restore(), admin.clone());
    let run = targets.invoke().await.run;
    assert!(finish(&targets).run_once(&run).await.unwrap().is_none(), "RESTORE_FINISH is not set");
    targets.settings.finish = FinishPart::ALL.into();
    let report = finish(&targets).run_once(&run).await.unwrap().unwrap();
    assert!(!report.succeeded && !report.left.is_empty(), "retention would delete: {report:?}");
    targets.settings.anyway = vec!["retention".to_owned()];
    assert!(finish(&targets).run_once(&run).await.unwrap().unwrap().succeeded);
    let calls = admin.state().calls.clone();
    assert!(finish(&targets).run_once(&run).await.unwrap().is_none());
    assert_eq!(admin.state().calls, calls, "and then sends no request");
    assert!(targets.bucket.snapshot().keys().cloned().collect::<Vec<_>>().contains(&names::finish_done("drill")));
}

#[tokio::test]
async fn a_restore_that_is_not_at_its_end_has_no_end_or_lost_a_target_is_told_so() {
    let mut targets = backed_up().await;
    let admin = Arc::new(FakeAdmin::default());
    let refused =
        async |targets: &Targets| Finish::new(targets.restore(), admin.clone()).run(&request(true, false)).await.unwrap_err().to_string();
    assert!(refused(&targets).await.contains("nothing was restored as \"drill\""));
    targets.settings.max_segments = Some(1);
    targets.invoke().await;
    assert!(refused(&targets).await.contains("is not finished"));
    let (targets, admin) = restored().await;
    targets.delete("copy-bills");
    let report = run(&targets, &admin, true, false).await;
    assert!(report.left.iter().any(|left| left.contains("copy-bills") && left.contains("deleted")), "{report:?}");
    assert_eq!(offset(&admin, "billing", "copy-orders", 0), Some((12, "beside".to_owned())));
    assert_eq!(admin.state().topics["copy-bills"].own, map(&WHILE_RESTORING), "nothing is changed of what has its name now");
}
