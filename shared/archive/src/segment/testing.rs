#![allow(clippy::unwrap_used)]
//! What the tests of segments share: records that own their bytes, any records, segments to damage.

use std::sync::Arc;

use kernel::record::{Header, Record, TimestampType};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use store::testing::MemoryStore;
use store::{Body, ObjectStore};

use super::*;
use crate::catalog::names;

type Bin = Vec<u8>;

/// A record that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) timestamp_type: TimestampType,
    pub(super) key: Option<Bin>,
    pub(super) value: Option<Bin>,
    pub(super) headers: Vec<(Bin, Option<Bin>)>,
}

impl Owned {
    pub(super) fn new(offset: i64, value: impl Into<Bin>) -> Self {
        let timestamp_type = TimestampType::CreateTime;
        Self { offset, timestamp: 1_700_000_000_000, timestamp_type, key: None, value: Some(value.into()), headers: Vec::new() }
    }

    pub(super) fn of(record: &Record<'_>) -> Self {
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
            key: record.key.map(Bin::from),
            value: record.value.map(Bin::from),
            headers: record.headers.iter().map(|h| (h.key.into(), h.value.map(Bin::from))).collect(),
        }
    }

    pub(super) fn lend<T>(&self, borrower: impl FnOnce(&Record<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        borrower(&Record {
            offset: self.offset,
            timestamp: self.timestamp,
            timestamp_type: self.timestamp_type,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        })
    }
}

/// Any records that a partition can have, with holes in their offsets.
pub(super) fn any_records() -> impl Strategy<Value = Vec<Owned>> {
    let bin = || vec(any::<u8>(), 0..48);
    let timestamp = || prop_oneof![Just(-1), Just(0), Just(7), 0..i64::MAX, any::<i64>()];
    let distance = prop_oneof![8 => Just(1_i64), 2 => 2..1000_i64, 1 => 1_i64 << 30..1_i64 << 33];
    let headers = prop_oneof![3 => Just(Vec::new()), 1 => vec((bin(), option::of(bin())), 0..5)];
    let record = (distance, timestamp(), any::<bool>(), option::of(bin()), option::of(bin()), headers);
    (0..1_i64 << 40, vec(record, 0..40)).prop_map(|(start, records)| {
        let mut offset = start;
        records
            .into_iter()
            .map(|(distance, timestamp, appended, key, value, headers)| {
                offset += distance;
                let timestamp_type = if appended { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
                Owned { offset, timestamp, timestamp_type, key, value, headers }
            })
            .collect()
    })
}

pub(super) fn spec(start: i64, compression: Compression) -> SegmentSpec {
    let topic_id = Some("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap());
    SegmentSpec { topic_id, compression, ..crate::testing::spec("orders", 3, start) }
}

pub(super) async fn write(spec: SegmentSpec, workers: usize, records: &[Owned], next: i64) -> FinishedSegment {
    let mut writer = SegmentWriter::new(spec, workers);
    for record in records {
        record.lend(|record| writer.append(record)).unwrap();
        if writer.is_busy() {
            writer.settle().await;
        }
    }
    writer.finish(next).await.unwrap()
}

/// Everything from `from`, as a restore reads it: nothing is returned unless all of it is valid.
pub(super) async fn read(
    store: Arc<dyn ObjectStore>,
    name: &str,
    options: ReadOptions,
    from: Option<i64>,
) -> crate::Result<(Vec<Owned>, Sidecar)> {
    let mut reader = SegmentReader::open(store, name, options).await?;
    // Half of the tests prefetch, within little memory.
    if options.workers > 1 {
        reader.read_ahead(ReadAhead::new(ReadBudget::new(64 << 10)));
    }
    if let Some(from) = from {
        reader.seek(from);
    }
    let mut found = Vec::new();
    while let Some(group) = reader.next_group().await? {
        let mut records = group.records();
        while let Some(record) = records.next()? {
            found.push(Owned::of(&record));
        }
    }
    Ok((found, reader.sidecar()))
}

/// A store that holds this object and its sidecar.
pub(super) fn stored(segment: &FinishedSegment, name: &str) -> MemoryStore {
    let store = MemoryStore::new();
    store.overwrite(name, segment.body.to_bytes());
    store.overwrite(&names::sidecar(name), segment.sha256.clone());
    store
}

/// The segment with another, otherwise consistent manifest: head and SHA-256 match it.
pub(super) fn with_manifest(segment: &FinishedSegment, change: impl FnOnce(&mut Manifest)) -> FinishedSegment {
    let mut changed = segment.clone();
    change(&mut changed.manifest);
    with_head(&changed, &archive::head(&changed.manifest))
}

/// The segment with another head.
pub(super) fn with_head(segment: &FinishedSegment, head: &[u8]) -> FinishedSegment {
    let head = Compressor::new(Compression::Gzip(3)).compress(head);
    let body: Body = std::iter::once(head).chain(segment.body.chunks()[1..].iter().cloned()).collect();
    let sha256 = sidecar::hex(Sha256::new_with_prefix(body.to_bytes()));
    FinishedSegment { body, sha256, manifest: segment.manifest.clone() }
}
