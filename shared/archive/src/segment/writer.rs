//! From records to the bytes of a segment.

use std::collections::VecDeque;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::FutureExt;
use kafka::{Isolation, TopicId};
use kernel::lock;
use kernel::record::{NO_TIMESTAMP, Record};
use sha2::{Digest, Sha256};
use store::Body;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

use super::archive;
use super::batch::{BatchBuilder, Sized};
use super::codec::Compressor;
use super::manifest::{FORMAT_VERSION, Manifest, Member};
use super::{Compression, GROUP_BYTES, LARGEST_RECORD, Result, SegmentError, SegmentErrorKind, sidecar};
use crate::catalog::Gap;

/// What is known of a segment before its first record.
#[derive(Debug, Clone)]
pub struct SegmentSpec {
    /// Topic of the records.
    pub topic: String,
    /// Its id, if the cluster has ids.
    pub topic_id: Option<TopicId>,
    /// Partition of the records.
    pub partition: i32,
    /// The segment covers offsets from this one.
    pub start: i64,
    /// Which records of transactions are in it.
    pub isolation: Isolation,
    /// Set if it starts with offsets that are no longer readable.
    pub gap: Option<Gap>,
    /// Codec and level.
    pub compression: Compression,
    /// Time of writing, RFC 3339.
    pub created_at: String,
}

/// A segment, ready to be stored.
#[derive(Debug, Clone)]
pub struct FinishedSegment {
    /// The object.
    pub body: Body,
    /// SHA-256 of the object, 64 hex digits: the content of its `.sha256`.
    pub sha256: String,
    /// The manifest in it.
    pub manifest: Manifest,
}

/// Writes one segment in memory.
///
/// The same spec and records result in the same bytes. It holds the compressed bytes of the whole
/// segment, because the manifest comes first, and in addition a few groups, if the caller stops
/// feeding while [`is_busy`](Self::is_busy).
pub struct SegmentWriter {
    workers: usize,
    compression: Compression,
    /// Filled in as far as it is known; members and stored bytes grow together.
    manifest: Manifest,
    stored: Body,
    batches: BatchBuilder,
    group: Option<Group>,
    lanes: Lanes,
    /// Groups being compressed, in order.
    pressing: VecDeque<JoinHandle<Pressed>>,
    /// Their size before compression.
    pressing_bytes: usize,
}

/// The content of the buffer.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_offset: i64,
    last_offset: i64,
    records: u64,
}

/// Buffers and tables for one group in progress; created once for each group in flight and reused.
struct Lane {
    raw: Vec<u8>,
    compression: Compression,
    compressor: Compressor,
}

/// Compressors for reuse by later writers: some megabytes for each group that ever was in flight.
/// Clones share it.
#[derive(Clone, Default)]
pub struct Lanes(Arc<Mutex<Vec<Lane>>>);

impl Lanes {
    fn take(&self, compression: Compression) -> Lane {
        let idle = self.lock().pop();
        let raw = match idle {
            Some(lane) if lane.compression == compression => return lane,
            Some(lane) => lane.raw,
            None => Vec::new(),
        };
        Lane { raw, compression, compressor: Compressor::new(compression) }
    }

    fn put(&self, mut lane: Lane) {
        lane.raw.clear();
        self.lock().push(lane);
    }

    /// Lanes are only pushed and popped, so a panic elsewhere leaves them consistent.
    fn lock(&self) -> MutexGuard<'_, Vec<Lane>> {
        lock(&self.0)
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lanes").field(&self.lock().len()).finish()
    }
}

struct Pressed {
    lane: Lane,
    member: Member,
    stored: Bytes,
}

impl SegmentWriter {
    /// Begins a segment. With more than one of `workers`, groups are compressed on as many blocking
    /// threads of the tokio runtime; otherwise immediately by the caller.
    pub fn new(spec: SegmentSpec, workers: usize) -> Self {
        Self::with_lanes(spec, workers, Lanes::default())
    }

    /// With the buffers of earlier writers.
    pub fn with_lanes(spec: SegmentSpec, workers: usize, lanes: Lanes) -> Self {
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            topic: spec.topic,
            topic_id: spec.topic_id,
            partition: spec.partition,
            start: spec.start,
            next: spec.start,
            records: 0,
            first_offset: None,
            last_offset: None,
            min_timestamp: None,
            max_timestamp: None,
            timestamp_types: Vec::new(),
            zero_timestamps: 0,
            largest_record: 0,
            isolation_level: spec.isolation,
            gap: spec.gap,
            log_bytes: 0,
            members: Vec::new(),
            created_at: spec.created_at,
        };
        Self {
            workers,
            compression: spec.compression,
            manifest,
            stored: Body::new(),
            batches: BatchBuilder::default(),
            group: None,
            lanes,
            pressing: VecDeque::new(),
            pressing_bytes: 0,
        }
    }

    /// Appends a record. Does not wait.
    ///
    /// # Errors
    /// [`SegmentErrorKind::TooLarge`]: no reader would accept it. [`SegmentErrorKind::Unstorable`]:
    /// its offset is not above the last one or outside of the segment. The segment is unchanged.
    ///
    /// # Panics
    /// With more than one worker, outside of a tokio runtime.
    pub fn append(&mut self, record: &Record<'_>) -> Result<()> {
        let begins = self.manifest.gap.as_ref().map_or(self.manifest.start, |gap| gap.to);
        if record.offset < begins {
            return Err(self.unstorable(format!("the record at offset {} is below {begins}, the start of the segment", record.offset)));
        }
        let sized = Sized::new(record);
        if sized.alone() as u64 > LARGEST_RECORD {
            return Err(self.too_large(record.offset, sized.alone()));
        }
        if self.batches.len() > 0 && self.batches.len() + sized.alone() > GROUP_BYTES {
            self.hand_over();
        }
        self.batches.push(sized).map_err(|what| self.unstorable(what))?;
        let group = self.group.get_or_insert(Group { first_offset: record.offset, last_offset: record.offset, records: 0 });
        group.last_offset = record.offset;
        group.records += 1;
        self.note(record, sized.alone());
        Ok(())
    }

    /// Whether enough groups wait for compression: append nothing more before
    /// [`settle`](Self::settle).
    pub fn is_busy(&self) -> bool {
        self.pressing.len() > self.workers
    }

    /// Waits until the writer is not busy.
    pub async fn settle(&mut self) {
        while self.is_busy() {
            self.await_oldest().await;
        }
    }

    /// Memory that grows with the segment, in bytes: what is compressed, and twice what is not yet
    /// (the result needs room, too).
    pub fn held_bytes(&self) -> usize {
        self.stored.len() + 2 * (self.pressing_bytes + self.batches.len())
    }

    /// Whether [`shrink`](Self::shrink) frees some of it: groups are being compressed, or one
    /// record is larger than a group.
    pub fn can_shrink(&self) -> bool {
        !self.pressing.is_empty() || self.batches.len() > GROUP_BYTES
    }

    /// Compresses the rest, a group at a time, and waits for it.
    pub async fn shrink(&mut self) {
        if self.pressing.is_empty() {
            self.hand_over();
        }
        self.await_oldest().await;
    }

    /// The expected size of the segment if it ended now, in bytes: what waits for compression is
    /// assumed to compress like the rest.
    pub fn expected_bytes(&self) -> u64 {
        let (stored, waiting) = (self.stored.len() as u64, (self.pressing_bytes + self.batches.len()) as u64);
        let compressed = self.manifest.log_bytes - self.pressing_bytes as u64;
        if compressed == 0 {
            return waiting;
        }
        let ratio = stored as f64 / compressed as f64;
        stored + (waiting as f64 * ratio) as u64
    }

    /// Number of records so far.
    pub fn records(&self) -> u64 {
        self.manifest.records
    }

    /// Size of the largest record so far, alone in its batch.
    pub fn largest_record(&self) -> u64 {
        self.manifest.largest_record
    }

    /// Size of the log so far, before compression.
    pub fn raw_bytes(&self) -> u64 {
        self.manifest.log_bytes + self.batches.len() as u64
    }

    /// Ends the segment before offset `next`, and waits for its bytes.
    ///
    /// # Errors
    /// [`SegmentErrorKind::Unstorable`] if `next` is not above the start and the last record, or is
    /// inside the gap.
    pub async fn finish(mut self, next: i64) -> Result<FinishedSegment> {
        self.hand_over();
        while !self.pressing.is_empty() {
            self.await_oldest().await;
        }
        self.manifest.next = next;
        self.manifest.check("").map_err(|error| self.unstorable(error.what))?;

        let mut lane = self.lanes.take(self.compression);
        let mut body = Body::from(lane.compressor.compress(&archive::head(&self.manifest)));
        self.stored.chunks().iter().for_each(|chunk| body.push(chunk.clone()));
        body.push(lane.compressor.compress(&archive::trailer(self.manifest.log_bytes)));
        self.lanes.put(lane);
        let sha256 = if self.workers > 1 {
            let body = body.clone();
            joined(spawn_blocking(move || sha256(&body)).await)
        } else {
            sha256(&body)
        };
        Ok(FinishedSegment { body, sha256, manifest: self.manifest })
    }

    /// Adds a record to the manifest.
    fn note(&mut self, record: &Record<'_>, size: usize) {
        let manifest = &mut self.manifest;
        manifest.records += 1;
        manifest.first_offset.get_or_insert(record.offset);
        manifest.last_offset = Some(record.offset);
        if record.timestamp != NO_TIMESTAMP {
            let (min, max) = (manifest.min_timestamp.unwrap_or(i64::MAX), manifest.max_timestamp.unwrap_or(i64::MIN));
            manifest.min_timestamp = Some(min.min(record.timestamp));
            manifest.max_timestamp = Some(max.max(record.timestamp));
        }
        manifest.zero_timestamps += u64::from(record.timestamp == 0);
        manifest.largest_record = manifest.largest_record.max(size as u64);
        if !manifest.timestamp_types.contains(&record.timestamp_type) {
            manifest.timestamp_types.push(record.timestamp_type);
        }
    }

    /// Passes the group in the buffer to compression.
    fn hand_over(&mut self) {
        let Some(group) = self.group.take() else { return };
        self.collect_ready();
        let mut lane = self.lanes.take(self.compression);
        lane.raw = self.batches.take(std::mem::take(&mut lane.raw));
        self.manifest.log_bytes += lane.raw.len() as u64;
        self.pressing_bytes += lane.raw.len();
        if self.workers > 1 {
            self.pressing.push_back(spawn_blocking(move || lane.press(group)));
        } else {
            let pressed = lane.press(group);
            self.collect(pressed);
        }
    }

    async fn await_oldest(&mut self) {
        if let Some(oldest) = self.pressing.front_mut() {
            let pressed = joined(oldest.await);
            self.pressing.pop_front();
            self.collect(pressed);
        }
    }

    /// Takes what is compressed already, without waiting.
    fn collect_ready(&mut self) {
        while let Some(result) = self.pressing.front_mut().and_then(FutureExt::now_or_never) {
            self.pressing.pop_front();
            self.collect(joined(result));
        }
    }

    fn collect(&mut self, pressed: Pressed) {
        let Pressed { lane, member, stored } = pressed;
        self.pressing_bytes -= member.bytes as usize;
        self.manifest.members.push(member);
        self.stored.push(stored);
        self.lanes.put(lane);
    }

    fn too_large(&self, offset: i64, bytes: usize) -> SegmentError {
        let Manifest { topic, partition, .. } = &self.manifest;
        let what = format!(
            "the record at offset {offset} has {bytes} bytes before compression, and the limit of a backup is \
             {LARGEST_RECORD} (256 MiB): it could not be restored. This partition is backed up to that record, and no \
             further; others are not affected. To skip it, delete the records up to offset {} \
             (kafka-delete-records.sh), or exclude the topic from TOPIC_NAMES",
            offset + 1
        );
        SegmentError::new(SegmentErrorKind::TooLarge, format!("{topic}/{partition}"), what)
    }

    fn unstorable(&self, what: String) -> SegmentError {
        let Manifest { topic, partition, start, .. } = &self.manifest;
        SegmentError::new(SegmentErrorKind::Unstorable, format!("{topic}/{partition}, segment from offset {start}"), what)
    }
}

impl Lane {
    fn press(mut self, group: Group) -> Pressed {
        let stored = self.compressor.compress(&self.raw);
        let member = Member {
            first_offset: group.first_offset,
            last_offset: group.last_offset,
            records: group.records,
            bytes: self.raw.len() as u64,
            stored: stored.len() as u64,
            crc32c: crc32c::crc32c(&stored),
        };
        if self.raw.capacity() > 2 * GROUP_BYTES {
            self.raw = Vec::new(); // A giant record's buffer is not kept for the others, nor until its result is needed.
        }
        Pressed { lane: self, member, stored }
    }
}

fn sha256(body: &Body) -> String {
    let mut hash = Sha256::new();
    body.chunks().iter().for_each(|chunk| hash.update(chunk));
    sidecar::hex(hash)
}

/// The result of a task that is never aborted; its panic continues here.
pub(super) fn joined<T>(result: Result<T, JoinError>) -> T {
    result.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}
