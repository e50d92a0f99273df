//! A segment as an object: its head, and the bytes after it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use store::{ObjectStore, Part, Version};
use tokio::task::spawn_blocking;

use super::codec::{self, FirstMember};
use super::manifest::{Manifest, Member};
use super::sidecar::{self, Sidecar};
use super::writer::joined;
use super::{LARGEST_RECORD, Result, SegmentError, SegmentErrorKind, archive};
use crate::catalog::Packing;

/// First request: the head of nearly every segment, and all of a small one.
const FIRST_REQUEST: u64 = 64 << 10;
/// Limit of a head, in the object or decompressed: 600,000 members.
const LARGEST_HEAD: u64 = 64 << 20;
/// Compressed, the trailer has a few dozen bytes.
const LARGEST_TRAILER: u64 = 1 << 10;

/// Limits of reading.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// With more than one, the next stretch is fetched and decompressed on another thread while the
    /// caller processes the last one.
    pub workers: usize,
    /// What is fetched and decompressed at a time, in bytes, before and after. At least one member.
    pub stretch: u64,
    /// A record larger than this, in bytes, is refused before memory is allocated for it.
    pub largest_record: u64,
    /// Archives of the Python tool larger than this in the store, in bytes, are refused: they are
    /// held in memory.
    pub largest_archive: u64,
    /// They are also refused if they decompress to more bytes than this, although they are never
    /// decompressed in memory.
    pub largest_unpacked: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { workers: 1, stretch: 4 << 20, largest_record: LARGEST_RECORD, largest_archive: 256 << 20, largest_unpacked: 16 << 30 }
    }
}

/// What does not change while a segment is read.
pub(super) struct Segment {
    store: Arc<dyn ObjectStore>,
    name: String,
    /// For messages.
    pub(super) object: Arc<str>,
    pub(super) packing: Packing,
    pub(super) manifest: Manifest,
    /// The start of the object, head included.
    beginning: Bytes,
    pub(super) head_bytes: u64,
    pub(super) size: u64,
    version: Version,
    pub(super) options: ReadOptions,
}

impl Segment {
    pub(super) async fn open(store: Arc<dyn ObjectStore>, name: &str, options: ReadOptions) -> crate::Result<Self> {
        let object: Arc<str> = store.location(name).into();
        let damaged = |what: String| SegmentError::new(SegmentErrorKind::Damaged, &*object, what);
        let Part { mut bytes, size, version } = store.get_range(name, 0..FIRST_REQUEST).await?;
        let packing = codec::detect(&bytes).ok_or_else(|| damaged(format!("its {size} bytes do not begin like a segment")))?;
        let (head, head_bytes) = loop {
            match codec::first_member(packing, &bytes, LARGEST_HEAD).map_err(|what| damaged(format!("head: {what}")))? {
                FirstMember::Whole(head, len) => break (head, len as u64),
                FirstMember::Cut if (bytes.len() as u64) < size.min(LARGEST_HEAD) => {
                    let more = bytes.len() as u64..size.min(4 * bytes.len() as u64);
                    let part = store.get_range(name, more.clone()).await?;
                    same_object(&part, &more, size, &version).map_err(damaged)?;
                    bytes = [bytes, part.bytes].concat().into();
                }
                FirstMember::Cut => return Err(damaged(format!("its {} bytes end inside the head", bytes.len())).into()),
            }
        };
        let manifest = archive::parse_head(&head, &object)?;
        let trailer = manifest.members.iter().try_fold(size.saturating_sub(head_bytes), |rest, member| rest.checked_sub(member.stored));
        if !trailer.is_some_and(|trailer| (1..=LARGEST_TRAILER).contains(&trailer)) {
            let members: u64 = manifest.members.iter().map(|member| member.stored).sum();
            let what = format!("it has {size} bytes, but its head has {head_bytes} and its members {members}, and a trailer must follow");
            return Err(damaged(what).into());
        }
        Ok(Self { store, name: name.to_owned(), object, packing, manifest, beginning: bytes, head_bytes, size, version, options })
    }

    /// Refuses a segment whose records are too large to be read here; its manifest can still be
    /// read.
    pub(super) fn check_limits(&self) -> Result<()> {
        let (largest, limit) = (self.manifest.largest_record, self.options.largest_record);
        if largest > limit {
            let what = format!("it has a record of {largest} bytes, and the limit is {limit}");
            return Err(SegmentError::new(SegmentErrorKind::TooLarge, &*self.object, what));
        }
        Ok(())
    }

    /// Memory of one stretch in bytes, stored and decompressed. A larger member is a stretch of its
    /// own.
    pub(super) fn memory(&self) -> u64 {
        let members = &self.manifest.members;
        let of = |member: &Member| member.stored.saturating_add(member.bytes);
        let largest = members.iter().map(of).max().unwrap_or_default();
        let all = members.iter().fold(0_u64, |sum, member| sum.saturating_add(of(member)));
        largest.max(all.min(self.options.stretch.saturating_mul(2)))
    }

    /// Exactly the bytes of `range`.
    pub(super) async fn fetch(&self, range: Range<u64>) -> crate::Result<Bytes> {
        if range.end <= self.beginning.len() as u64 {
            return Ok(self.beginning.slice(range.start as usize..range.end as usize));
        }
        let part = self.store.get_range(&self.name, range.clone()).await?;
        same_object(&part, &range, self.size, &self.version).map_err(|what| self.damaged(what))?;
        Ok(part.bytes)
    }

    /// SHA-256 of the object before the first member.
    pub(super) fn hash_of_head(&self) -> Sha256 {
        Sha256::new_with_prefix(&self.beginning[..self.head_bytes as usize])
    }

    /// The object's sidecar; `None` if there is none.
    pub(super) async fn fetch_sidecar(&self) -> crate::Result<Option<Part>> {
        sidecar::fetch(&*self.store, &self.name).await
    }

    /// Compares the object's SHA-256 with its sidecar, which may have been prefetched. One that did
    /// not exist then is requested again.
    pub(super) async fn compare_sidecar(&self, sha256: &str, fetched: Option<&Part>) -> crate::Result<Sidecar> {
        match fetched {
            Some(part) => sidecar::compare_with(&*self.store, &self.name, part, sha256),
            None => sidecar::compare(&*self.store, &self.name, sha256).await,
        }
    }

    /// Runs `work` where it does not block other tasks, if there is such a place.
    pub(super) async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        if self.options.workers > 1 { joined(spawn_blocking(work).await) } else { work() }
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> SegmentError {
        SegmentError::new(SegmentErrorKind::Damaged, &*self.object, what)
    }
}

/// Checks that the response has the complete range, from the object that was opened.
pub(super) fn same_object(part: &Part, range: &Range<u64>, size: u64, version: &Version) -> Result<(), String> {
    if part.size != size || part.version != *version {
        return Err("it was replaced while it was read; this program never changes a segment, so another program did".to_owned());
    }
    if part.bytes.len() as u64 != range.end - range.start {
        return Err(format!("bytes {range:?} were requested, and {} received", part.bytes.len()));
    }
    Ok(())
}
