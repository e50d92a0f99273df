//! A segment out of a store, by ranges, starting anywhere.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use kafka::TopicId;
use sha2::{Digest, Sha256};
use store::{ObjectStore, Part, Version};
use tokio::task::{JoinSet, spawn_blocking};

use super::archive;
use super::codec::{self, FirstMember};
use super::group::RecordGroup;
use super::manifest::Manifest;
use super::sidecar::{self, Sidecar};
use super::window::{Loaded, Whole, Window};
use super::writer::joined;
use super::{Result, SegmentError, SegmentErrorKind};
use crate::catalog::{Packing, names};

/// First request: the head of nearly every segment, and all of a small one.
const FIRST_REQUEST: u64 = 64 << 10;
/// A head is never larger than this, in the object or unpacked: 600,000 members.
const LARGEST_HEAD: u64 = 64 << 20;
/// Compressed, the trailer is a few dozen bytes.
const LARGEST_TRAILER: u64 = 1 << 10;

/// What reading may use.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// With more than one, the next stretch is fetched and unpacked on another thread while the caller works on the last one.
    pub workers: usize,
    /// What is fetched and unpacked in one go, in bytes, before and after. Never less than one member.
    pub stretch: u64,
    /// A record larger than this, in bytes, is refused before memory is taken for it.
    pub largest_record: u64,
    /// Archives of the Python tool larger than this in the store, in bytes, are refused: they are held in memory.
    pub largest_archive: u64,
    /// They are refused, too, when they unpack to more bytes than this, though they are never unpacked in memory.
    pub largest_unpacked: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { workers: 1, stretch: 4 << 20, largest_record: 256 << 20, largest_archive: 256 << 20, largest_unpacked: 16 << 30 }
    }
}

/// Reads one segment.
///
/// What it gives is what was written: every member's CRC-32C, gzip CRC-32 and batches' CRC-32Cs are compared before one of its records
/// is seen. When reading goes from the start to the end, the SHA-256 of the object is compared with its `.sha256`
/// before the last stretch is given out; so whoever commits after [`next_group`](Self::next_group) said `None` commits verified records.
///
/// Memory: about two stretches ([`ReadOptions::stretch`]), in the store and unpacked, or one larger record.
pub struct SegmentReader {
    segment: Arc<Segment>,
    from: i64,
    /// What to load next; `None` after the trailer.
    next: Option<Window>,
    groups: VecDeque<RecordGroup>,
    ahead: JoinSet<crate::Result<Loaded>>,
    whole: Option<Whole>,
}

/// What does not change while a segment is read.
pub(super) struct Segment {
    store: Arc<dyn ObjectStore>,
    name: String,
    /// For messages.
    pub(super) object: Arc<str>,
    pub(super) packing: Packing,
    pub(super) manifest: Manifest,
    /// The beginning of the object, head included.
    beginning: Bytes,
    pub(super) head_bytes: u64,
    pub(super) size: u64,
    version: Version,
    pub(super) options: ReadOptions,
}

impl SegmentReader {
    /// Reads and checks the head: one request for nearly every segment.
    ///
    /// # Errors
    /// What the store says, or that the object is not a segment, or not all of one.
    pub async fn open(store: Arc<dyn ObjectStore>, name: &str, options: ReadOptions) -> crate::Result<Self> {
        let segment = Arc::new(Segment::open(store, name, options).await?);
        let next = Some(Window::first(&segment, i64::MIN));
        let (groups, ahead) = (VecDeque::new(), JoinSet::new());
        Ok(Self { segment, from: i64::MIN, next, groups, ahead, whole: None })
    }

    /// What the segment holds.
    pub fn manifest(&self) -> &Manifest {
        &self.segment.manifest
    }

    /// Checks that the segment belongs where it was found: in the folder of its topic (or of a generation of it: `orders@2`), of the topic with
    /// this id as far as both are known, and under the name of its partition and start.
    ///
    /// # Errors
    /// [`SegmentErrorKind::Misplaced`].
    pub fn belongs_to(&self, folder: &str, topic_id: Option<&TopicId>, partition: i32, start: i64) -> Result<()> {
        let manifest = self.manifest();
        let topic = names::parse_topic_folder(folder).map_or(folder, |(topic, _)| topic);
        let is_there = (manifest.topic.as_str(), manifest.partition, manifest.start) == (topic, partition, start);
        let other_id = manifest.topic_id.as_ref().filter(|id| topic_id.is_some_and(|expected| expected != *id));
        let what = match other_id {
            _ if !is_there => format!("{}/{} from offset {}", manifest.topic, manifest.partition, manifest.start),
            Some(id) => format!("topic id {id}, and topic.json another one"),
            None => return Ok(()),
        };
        let what = format!("its manifest says {what}: the object was renamed or put here by mistake");
        Err(SegmentError::new(SegmentErrorKind::Misplaced, &*self.segment.object, what))
    }

    /// Goes to `offset`: only records there and above are given out, and members wholly below it are not fetched.
    /// Without the first member, the SHA-256 cannot be compared.
    pub fn seek(&mut self, offset: i64) {
        self.from = offset;
        self.next = Some(Window::first(&self.segment, offset));
        self.groups.clear();
        self.ahead = JoinSet::new();
        self.whole = None;
    }

    /// The next records; `None` when all were given out and everything that can be compared was. After an error the same stretch is
    /// tried again.
    ///
    /// # Errors
    /// What the store says, or what is damaged and where.
    pub async fn next_group(&mut self) -> crate::Result<Option<RecordGroup>> {
        self.load().await?;
        Ok(self.groups.pop_front())
    }

    /// Fetches the next records, without giving them out, unless they are there.
    ///
    /// # Errors
    /// As [`next_group`](Self::next_group).
    pub async fn load(&mut self) -> crate::Result<()> {
        while self.groups.is_empty() {
            let Some(window) = self.next.clone() else { break };
            let loaded = match self.ahead.join_next().await {
                Some(result) => joined(result)?,
                None => window.load(Arc::clone(&self.segment), self.from).await?,
            };
            self.groups = loaded.groups;
            self.next = loaded.next;
            self.whole = loaded.whole;
            self.load_ahead();
        }
        Ok(())
    }

    /// When all that is left is one stretch: checks it, down to its single records, before one of them is given out. Whether it is.
    ///
    /// # Errors
    /// As [`next_group`](Self::next_group), and as [`GroupRecords::next`](super::GroupRecords::next).
    pub async fn check_if_short(&mut self) -> crate::Result<bool> {
        if self.next.as_ref().is_some_and(|next| !(self.groups.is_empty() && next.is_last(&self.segment))) {
            return Ok(false);
        }
        self.load().await?;
        for group in &self.groups {
            let mut records = group.records();
            while records.next()?.is_some() {}
        }
        Ok(true)
    }

    /// Whether the object could be compared with its `.sha256`; known once everything was given out.
    pub fn sidecar(&self) -> Sidecar {
        self.whole.as_ref().map_or(Sidecar::NotRead, |whole| whole.sidecar)
    }

    /// The object's SHA-256 in 64 hex digits, once all of it was given out and found sound: what a missing `.sha256` must hold.
    pub fn sha256(&self) -> Option<&str> {
        self.whole.as_ref().map(|whole| whole.sha256.as_str())
    }

    fn load_ahead(&mut self) {
        if self.segment.options.workers > 1
            && let Some(window) = self.next.clone()
        {
            self.ahead.spawn(window.load(Arc::clone(&self.segment), self.from));
        }
    }
}

impl Segment {
    async fn open(store: Arc<dyn ObjectStore>, name: &str, options: ReadOptions) -> crate::Result<Self> {
        let object: Arc<str> = store.location(name).into();
        let damaged = |what: String| SegmentError::new(SegmentErrorKind::Damaged, &*object, what);
        let Part { mut bytes, size, version } = store.get_range(name, 0..FIRST_REQUEST).await?;
        let packing = codec::detect(&bytes).ok_or_else(|| damaged(format!("its {size} bytes do not begin as a segment does")))?;
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

    /// Refuses a segment whose records are too large to be read here; its manifest can be read all the same.
    pub(super) fn check_limits(&self) -> Result<()> {
        let (largest, limit) = (self.manifest.largest_record, self.options.largest_record);
        if largest > limit {
            let what = format!("it holds a record of {largest} bytes, and the limit is {limit}");
            return Err(SegmentError::new(SegmentErrorKind::TooLarge, &*self.object, what));
        }
        Ok(())
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

    /// Compares the object's SHA-256 with its sidecar.
    pub(super) async fn compare_sidecar(&self, sha256: &str) -> crate::Result<Sidecar> {
        sidecar::compare(&*self.store, &self.name, sha256).await
    }

    /// Runs `work` where it does not keep other tasks from running, if there is such a place.
    pub(super) async fn offload<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        if self.options.workers > 1 { joined(spawn_blocking(work).await) } else { work() }
    }

    pub(super) fn damaged(&self, what: impl Into<String>) -> SegmentError {
        SegmentError::new(SegmentErrorKind::Damaged, &*self.object, what)
    }
}

/// Checks that a range was answered in full, out of the object that was opened.
pub(super) fn same_object(part: &Part, range: &Range<u64>, size: u64, version: &Version) -> Result<(), String> {
    if part.size != size || part.version != *version {
        return Err("it was replaced while it was read; a segment never changes, so somebody else did this".to_owned());
    }
    if part.bytes.len() as u64 != range.end - range.start {
        return Err(format!("bytes {range:?} were asked for, and {} came", part.bytes.len()));
    }
    Ok(())
}
