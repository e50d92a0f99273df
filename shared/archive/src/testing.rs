#![allow(clippy::unwrap_used)]
//! Test content of a bucket: a `topic.json`, segments and snapshots, as a backup writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kafka::Isolation;
use kernel::clock::Millis;
use kernel::record::{Record, TimestampType};
use store::ObjectStore;
use store::testing::MemoryStore;

use crate::catalog::{Covered, Generation, NewReason, Packing, PartitionSnapshot, Snapshot, Told, TopicSnapshot, names};
use crate::segment::{Compression, SegmentSpec, SegmentWriter};

mod distant;

pub use distant::DistantStore;

/// The first generation of a topic with one partition and no ids.
pub fn generation(topic: &str) -> Generation {
    Generation {
        format_version: Generation::FORMAT,
        topic: topic.to_owned(),
        generation: 1,
        topic_id: None,
        cluster_id: None,
        partitions: 1,
        replication_factor: None,
        begun: BTreeSet::new(),
        configs: BTreeMap::new(),
        packing: Packing::Gzip,
        reason: NewReason::First,
        at: 0,
        begins: None,
        snapshots: None,
        is_create_only: true,
    }
}

/// Writes a `topic.json`.
pub fn add_generation(store: &MemoryStore, generation: &Generation) {
    store.overwrite(&names::topic_json(&generation.folder()), serde_json::to_vec(generation).unwrap());
}

/// The segment that starts here, of a topic without an id.
pub fn spec(topic: &str, partition: i32, start: i64) -> SegmentSpec {
    SegmentSpec {
        topic: topic.to_owned(),
        topic_id: None,
        partition,
        start,
        isolation: Isolation::ReadCommitted,
        gap: None,
        compression: Compression::Gzip(1),
        created_at: "2026-11-23T07:24:01Z".to_owned(),
    }
}

/// Adds a segment and its `.sha256` to a topic's first generation, with a record for each of these
/// offsets. Its value is the offset in digits, and its time is that many milliseconds after
/// `since`. Returns its name.
pub async fn add_segment(store: &MemoryStore, topic: &str, partition: i32, offsets: Range<i64>, since: Millis) -> String {
    add_segment_of(store, topic, partition, offsets, since, 1).await
}

/// With values of at least this many bytes, padded with zeros before the digits.
pub async fn add_segment_of(store: &MemoryStore, topic: &str, partition: i32, offsets: Range<i64>, since: Millis, bytes: usize) -> String {
    let mut writer = SegmentWriter::new(spec(topic, partition, offsets.start), 1);
    for offset in offsets.clone() {
        let value = format!("{offset:0bytes$}");
        let (timestamp, timestamp_type) = (since + offset, TimestampType::CreateTime);
        writer.append(&Record { offset, timestamp, timestamp_type, key: None, value: Some(value.as_bytes()), headers: &[] }).unwrap();
    }
    let finished = writer.finish(offsets.end).await.unwrap();
    let name = names::segment(topic, partition, offsets.start, Packing::Gzip);
    store.overwrite(&name, finished.body.to_bytes());
    store.overwrite(&names::sidecar(&name), finished.sha256);
    name
}

/// A snapshot of cluster `kafka-1` by the backup with GROUP_ID `backup`, taken at this time: for
/// each topic, folder and partition the offset below which everything was in the bucket.
pub fn snapshot<const N: usize>(until: Millis, backed_up: [(&str, &str, i32, i64); N]) -> Snapshot {
    let mut topics: BTreeMap<String, TopicSnapshot> = BTreeMap::new();
    for (topic, folder, partition, backed_up) in backed_up {
        let topic = topics.entry(topic.to_owned()).or_insert_with(|| TopicSnapshot {
            folder: Some(folder.to_owned()),
            id: None,
            partition_count: 0,
            replication_factor: None,
            configs: Told::All(BTreeMap::new()),
            effective: BTreeMap::new(),
            partitions: BTreeMap::new(),
            why: None,
        });
        topic.partition_count = topic.partition_count.max(partition + 1);
        let folder = topic.folder.as_deref().is_some_and(|of| of != folder).then(|| folder.to_owned());
        let of = PartitionSnapshot { folder, backed_up: Some(backed_up), log: None, diverged: false, why: None };
        topic.partitions.insert(partition, of);
    }
    Snapshot {
        format_version: Snapshot::FORMAT,
        program: "test".to_owned(),
        cluster_id: Some("kafka-1".to_owned()),
        group_id: "backup".to_owned(),
        topic_names: vec!["*".to_owned()],
        exclude_topic_names: vec![],
        from: until - 1_000,
        until,
        interval_seconds: 300,
        topics,
        groups: Told::All(BTreeMap::new()),
        brokers: Told::All(vec![]),
        acls: Told::Absent("not asked for".to_owned()),
        users: Told::Absent("not asked for".to_owned()),
        earlier: BTreeMap::new(),
        covers: Covered::default(),
    }
}

/// Writes a snapshot where backup would. Returns its name.
pub async fn add_snapshot(store: &dyn ObjectStore, snapshot: &Snapshot) -> String {
    let interval = i64::try_from(snapshot.interval_seconds).unwrap() * 1_000;
    let at = (snapshot.until + interval - 1).div_euclid(interval) * interval;
    let name = names::snapshot(&names::snapshot_prefix(snapshot.cluster_id.as_deref(), &snapshot.group_id), at);
    assert!(snapshot.write(store, &name).await.unwrap(), "{name} is taken");
    name
}
