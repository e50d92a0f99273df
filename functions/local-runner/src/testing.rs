//! Buckets for the tests of what looks into them.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archive::catalog::{Generation, NewReason, Packing, names};
use archive::segment::{Compression, SegmentSpec, SegmentWriter};
use kafka::Isolation;
use kernel::record::{Record, TimestampType};
use store::ObjectStore;
use store::testing::{Fault, FaultyStore, MemoryStore, Operation};

/// A `topic.json` in its place.
pub(crate) fn add_topic(store: &MemoryStore, topic: &str) {
    add_topic_with(store, topic, |_| {});
}

/// The same, changed by `change`.
pub(crate) fn add_topic_with(store: &MemoryStore, topic: &str, change: impl FnOnce(&mut Generation)) {
    let mut generation = Generation {
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
    };
    change(&mut generation);
    store.overwrite(&names::topic_json(topic), serde_json::to_vec(&generation).unwrap());
}

/// A segment with a record for each of these offsets, and its `.sha256`. Its name.
pub(crate) async fn add_segment(store: &MemoryStore, topic: &str, partition: i32, offsets: std::ops::Range<i64>) -> String {
    let spec = SegmentSpec {
        topic: topic.to_owned(),
        topic_id: None,
        partition,
        start: offsets.start,
        isolation: Isolation::ReadCommitted,
        gap: None,
        compression: Compression::Gzip(1),
        created_at: "2026-11-23T00:00:00Z".to_owned(),
    };
    let mut writer = SegmentWriter::new(spec, 1);
    for offset in offsets.clone() {
        let (timestamp, timestamp_type) = (1_700_000_000_000, TimestampType::CreateTime);
        writer.append(&Record { offset, timestamp, timestamp_type, key: None, value: Some(b"value"), headers: &[] }).unwrap();
    }
    let finished = writer.finish(offsets.end).await.unwrap();
    let name = names::segment(topic, partition, offsets.start, Packing::Gzip);
    store.overwrite(&name, finished.body.to_bytes());
    store.overwrite(&names::sidecar(&name), finished.sha256);
    name
}

/// The same store, whose calls fail as `faults` decides.
pub(crate) fn failing(store: MemoryStore, faults: impl Fn(Operation, &str) -> Fault + Send + Sync + 'static) -> Arc<dyn ObjectStore> {
    Arc::new(FaultyStore::new(Arc::new(store), faults))
}
