//! What must be there in the end, told by Kafka's own client alone.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::groups::{Commit, Resumed};
use end_to_end::kafka::Kafka;
use end_to_end::record::Record;
use serde_json::{Map, Value};

use super::scene::{SCRATCH, Scene, TOPICS};
use crate::whole_cluster::for_each;

/// What producers write to each partition of a restored topic before anybody finishes the restore.
pub(super) const NEW: &str = "written after the restore";

/// What a group may have to read besides the records that it had not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    /// Nothing.
    Exact,
    /// A restore with at-least-once was killed: records that are in the topic twice. The next record is exact all the same.
    WithRepeats,
}

/// Producers of the target go on, in each partition of these topics.
pub(super) fn produce_new(kafka: &Kafka, topics: &[&str], into: &str) {
    let targets: Vec<String> = topics.iter().map(|topic| target(into, topic)).collect();
    for_each(&targets, |target| {
        let new = kafka.high_watermarks(target).into_keys().map(|partition| Record::new(partition, crate::LONG_AGO).key(NEW).value(NEW));
        kafka.produce(target, &new.collect::<Vec<_>>());
    });
}

pub(super) fn target(into: &str, topic: &str) -> String {
    into.replace("{topic}", topic)
}

/// A record without what a copy has of its own: its offset, and who set its timestamp.
fn bare(record: &Record) -> Record {
    Record { offset: None, timestamp_type: String::new(), ..record.clone() }
}

/// Every group reads next what it had not read, and no more: 0 records are skipped, 0 are repeated. Where it had read everything, the first record
/// that producers wrote since. It has the metadata that it had, and no offset of a topic or partition on which it had none.
#[track_caller]
pub(super) fn assert_groups_go_on(scene: &Scene, kafka: &Kafka, topics: &[&str], into: &str, copy: Copy) {
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
    for (at, commit) in commits {
        let Resumed { committed, metadata, records, .. } = &found[&at];
        assert_eq!(metadata, &commit.metadata, "{at:?}");
        let (new, restored): (Vec<&Record>, _) =
            records.iter().partition(|record| record.key.as_ref().is_some_and(|key| key.0 == NEW.as_bytes()));
        let restored: Vec<Record> = restored.into_iter().map(bare).collect();
        let unread: Vec<Record> = scene.unread(commit).iter().map(bare).collect();
        let what = || format!("{at:?}: had committed {}, and begins at {committed}", commit.offset);
        assert_eq!(restored.first(), unread.first(), "the next record of {}", what());
        let is_same = restored.len() == unread.len() || copy == Copy::WithRepeats;
        assert!(is_same, "{}: {} records to read, and not {}", what(), restored.len(), unread.len());
        assert!(copy == Copy::WithRepeats || restored == unread, "{}: other records", what());
        assert!(new.len() == 1 && records.last() == new.first().copied(), "{}: {new:?}", what());
    }
}

/// What [`Kafka::state`] is to say of the target in the end, where it said `before` at first: topics with the configs of the originals, and all
/// access control lists that are not of what was not restored.
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

/// Both are the same, in groups, configs and access control lists.
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
