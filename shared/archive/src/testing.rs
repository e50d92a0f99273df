#![allow(clippy::unwrap_used)]
//! What tests put into a bucket: a `topic.json` and segments, as a backup writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kafka::Isolation;
use kernel::clock::Millis;
use kernel::record::{Record, TimestampType};
use store::testing::MemoryStore;

use crate::catalog::{Generation, NewReason, Packing, names};
use crate::segment::{Compression, SegmentSpec, SegmentWriter};

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
        is_create_only: true,
    }
}

/// Puts a `topic.json` in its place.
pub fn add_generation(store: &MemoryStore, generation: &Generation) {
    store.overwrite(&names::topic_json(&generation.folder()), serde_json::to_vec(generation).unwrap());
}

/// The segment of a topic without an id that begins here.
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

/// Adds a segment and its `.sha256` to a topic's first generation: a record for each of these offsets, whose value is the offset in digits and whose
/// time is as many milliseconds after `since`. Its name.
pub async fn add_segment(store: &MemoryStore, topic: &str, partition: i32, offsets: Range<i64>, since: Millis) -> String {
    let mut writer = SegmentWriter::new(spec(topic, partition, offsets.start), 1);
    for offset in offsets.clone() {
        let value = offset.to_string();
        let (timestamp, timestamp_type) = (since + offset, TimestampType::CreateTime);
        writer.append(&Record { offset, timestamp, timestamp_type, key: None, value: Some(value.as_bytes()), headers: &[] }).unwrap();
    }
    let finished = writer.finish(offsets.end).await.unwrap();
    let name = names::segment(topic, partition, offsets.start, Packing::Gzip);
    store.overwrite(&name, finished.body.to_bytes());
    store.overwrite(&names::sidecar(&name), finished.sha256);
    name
}
