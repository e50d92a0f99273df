//! The expected final state, read only with Kafka's own client.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::groups::{Commit, Resumed};
use end_to_end::kafka::Kafka;
use end_to_end::record::Record;
use serde_json::{Map, Value};

use super::scene::{SCRATCH, Scene, TOPICS};
use crate::kafka::whole_cluster::for_each;

/// What producers write to each partition of a restored topic before `finish`.
pub(super) const NEW: &str = "written after the restore";

/// Producers write new records to the target, to each partition of these topics.
pub(super) fn produce_new(kafka: &Kafka, topics: &[&str], into: &str) {
    let targets: Vec<String> = topics.iter().map(|topic| target(into, topic)).collect();
    for_each(&targets, |target| {
        let new =
            kafka.high_watermarks(target).into_keys().map(|partition| Record::new(partition, crate::kafka::LONG_AGO).key(NEW).value(NEW));
        kafka.produce(target, &new.collect::<Vec<_>>());
    });
}

pub(super) fn target(into: &str, topic: &str) -> String {
    into.replace("{topic}", topic)
}

/// A record without the fields that differ in a copy: its offset and its timestamp type.
fn bare(record: &Record) -> Record {
    Record { offset: None, timestamp_type: String::new(), ..record.clone() }
}

/// Every group reads exactly the records that it had not read: 0 are skipped, 0 are repeated. If it
/// had read everything, it reads the first record that producers wrote afterwards. It has its old
/// metadata, and no offset on a topic or partition where it had none.
#[track_caller]
pub(super) fn assert_groups_go_on(scene: &Scene, kafka: &Kafka, topics: &[&str], into: &str) {
    for (at, commit, records) in resumed(scene, kafka, topics, into) {
        let unread = scene.unread(commit);
        assert_eq!(records.first().map(bare), unread.first().map(bare), "the next record of {at}");
        assert_eq!(records.len(), unread.len(), "records to read of {at}");
        assert!(records.iter().map(bare).eq(unread.iter().map(bare)), "other records of {at}");
    }
}

/// The same for topics that have records twice. No group skips one. At most as many records as
/// `finish` reported are before its next record, 0 for most groups.
#[track_caller]
pub(super) fn assert_groups_skip_nothing(scene: &Scene, kafka: &Kafka, topics: &[&str], into: &str, report: &Value) {
    let groups = report["groups"].as_array().expect("groups");
    let may_repeat = |commit: &Commit| {
        let target = target(into, &commit.topic);
        let of = groups.iter().find(|of| of["group"] == *commit.group && of["target"] == *target).expect("an entry of the group");
        let one = of["offsets"].as_array().expect("offsets").iter().find(|one| one["partition"] == commit.partition).expect("an entry");
        usize::try_from(one["may_repeat"].as_u64().unwrap_or(0)).expect("a number")
    };
    for (at, commit, records) in resumed(scene, kafka, topics, into) {
        let (unread, most) = (scene.unread(commit), may_repeat(commit));
        let found: Vec<Record> = records.iter().map(bare).collect();
        let next = unread.first().map_or(Some(found.len()), |next| found.iter().position(|record| *record == bare(next)));
        assert!(next.is_some_and(|next| next <= most), "{at}: the next record is after {next:?} others, and not after at most {most}");
        assert!(unread.iter().all(|record| found.contains(&bare(record))), "{at}: a record is skipped");
    }
}

/// The restored records that each group reads, and then the one that was written since.
#[track_caller]
fn resumed<'s>(scene: &'s Scene, kafka: &Kafka, topics: &[&str], into: &str) -> Vec<(String, &'s Commit, Vec<Record>)> {
    let commits: BTreeMap<_, &Commit> =
        scene.restored(topics).map(|commit| ((commit.group.clone(), target(into, &commit.topic), commit.partition), commit)).collect();
    let groups: BTreeSet<&str> = scene.commits.iter().map(|commit| commit.group.as_str()).collect();
    let targets: BTreeSet<String> = topics.iter().map(|topic| target(into, topic)).collect();
    let found: BTreeMap<_, Resumed> = kafka
        .resumed(&groups.into_iter().collect::<Vec<_>>())
        .into_iter()
        .filter(|one| targets.contains(&one.topic))
        .map(|one| ((one.group.clone(), one.topic.clone(), one.partition), one))
        .collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), commits.keys().collect::<Vec<_>>(), "groups, topics and partitions with offsets");
    let mut all = Vec::new();
    for (at, commit) in commits {
        let Resumed { committed, metadata, records, .. } = &found[&at];
        let what = format!("{at:?}, which had committed {} and begins at {committed}", commit.offset);
        assert_eq!(metadata, &commit.metadata, "{what}");
        let (new, restored) = records.split_last().expect("a record was written since");
        assert_eq!(new.key.as_ref().map(|key| &key.0[..]), Some(NEW.as_bytes()), "{what}");
        all.push((what, commit, restored.to_vec()));
    }
    all
}

/// The expected final [`Kafka::state`] of the target, which was `before` at first: topics with the
/// configs of the originals, and all access control lists except those of what was not restored.
pub(super) fn finished(scene: &Scene, before: &Value, groups: &Value) -> Value {
    let mut state = before.clone();
    for topic in TOPICS {
        state["configs"][topic] = scene.state["configs"][topic].clone();
    }
    let lists = |state: &Value| -> BTreeSet<String> {
        state["acls"].as_array().expect("lists").iter().filter_map(|acl| acl.as_str().map(str::to_owned)).collect()
    };
    let wanted = lists(&scene.state).into_iter().filter(|acl| !acl.contains(&format!("name={SCRATCH},")));
    state["acls"] = wanted.chain(lists(before)).collect::<BTreeSet<_>>().into_iter().collect();
    state["groups"] = groups.clone();
    state
}

/// Asserts that both have the same groups, configs and access control lists.
#[track_caller]
pub(super) fn assert_state(expected: &Value, found: &Value) {
    let none = Map::new();
    for part in ["groups", "configs"] {
        let [expected, found] = [expected, found].map(|state| state[part].as_object().unwrap_or(&none));
        for name in expected.keys().chain(found.keys()) {
            assert_eq!(expected.get(name), found.get(name), "{part} of {name:?}: expected, and found");
        }
    }
    assert_eq!(expected["acls"], found["acls"], "access control lists: expected, and found");
}
