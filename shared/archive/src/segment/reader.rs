//! Reads a segment from a store by ranges, from any offset.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kafka::TopicId;
use store::ObjectStore;
use tokio::task::JoinSet;

use super::ahead::{Fetch, ReadAhead};
use super::budget::ReadPermit;
use super::group::RecordGroup;
use super::manifest::Manifest;
use super::object::{ReadOptions, Segment};
use super::sidecar::Sidecar;
use super::stretch::Stretch;
use super::window::{Loaded, Whole, Window};
use super::writer::joined;
use super::{Result, SegmentError, SegmentErrorKind};
use crate::catalog::names;

/// Reads one segment.
///
/// It returns what was written: every member's CRC-32C, gzip CRC-32 and batches' CRC-32Cs are
/// compared before any of its records is returned. When reading from start to end, the SHA-256 of
/// the object is compared with its `.sha256` before the last stretch is returned. So a caller that
/// commits after [`next_group`](Self::next_group) returned `None` commits verified records.
///
/// Memory: about two stretches ([`ReadOptions::stretch`]), stored and decompressed, or one larger
/// record; and what [`ReadAhead`] allows.
pub struct SegmentReader {
    segment: Arc<Segment>,
    from: i64,
    /// What to load next; `None` after the trailer.
    next: Option<Window>,
    groups: VecDeque<RecordGroup>,
    /// The next stretch, being decompressed.
    unpacking: JoinSet<crate::Result<Loaded>>,
    /// Whether its bytes have arrived.
    has_arrived: Option<Arc<AtomicBool>>,
    whole: Option<Whole>,
    ahead: Option<ReadAhead>,
    /// Requested stretches after it, in order.
    fetching: VecDeque<Fetch>,
    /// What to request next.
    to_fetch: Option<Stretch>,
    /// Shared memory of what was loaded.
    memory: Vec<ReadPermit>,
}

impl SegmentReader {
    /// Reads and verifies the head: one request for nearly every segment.
    ///
    /// # Errors
    /// An error of the store; or the object is not a segment, or not a complete one.
    pub async fn open(store: Arc<dyn ObjectStore>, name: &str, options: ReadOptions) -> crate::Result<Self> {
        let segment = Arc::new(Segment::open(store, name, options).await?);
        let mut reader = Self {
            segment,
            from: i64::MIN,
            next: None,
            groups: VecDeque::new(),
            unpacking: JoinSet::new(),
            has_arrived: None,
            whole: None,
            ahead: None,
            fetching: VecDeque::new(),
            to_fetch: None,
            memory: Vec::new(),
        };
        reader.seek(i64::MIN);
        Ok(reader)
    }

    /// Allows prefetching.
    pub fn read_ahead(&mut self, ahead: ReadAhead) {
        self.ahead = Some(ahead);
    }

    /// Keeps a permit as long as this reader: for what it has prefetched.
    pub fn keep(&mut self, memory: Option<ReadPermit>) {
        self.memory.extend(memory);
    }

    /// What the segment holds.
    pub fn manifest(&self) -> &Manifest {
        &self.segment.manifest
    }

    /// Memory that reading its records uses at any time, in bytes: its largest stretch, stored and
    /// decompressed.
    pub fn memory(&self) -> u64 {
        self.segment.memory()
    }

    /// Checks that the segment belongs where it was found: in the folder of its topic (or of a
    /// generation of it: `orders@2`), of the topic with this id if both are known, and under the
    /// name of its partition and start.
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
            Some(id) => format!("topic id {id}, and topic.json {}", topic_id.map(ToString::to_string).unwrap_or_default()),
            None => return Ok(()),
        };
        let what = format!("its manifest has {what}: the object was renamed or put here by mistake");
        Err(SegmentError::new(SegmentErrorKind::Misplaced, &*self.segment.object, what))
    }

    /// Seeks to `offset`: only records at or above it are returned, and members below it are not
    /// fetched. Without the first member, the SHA-256 cannot be compared.
    pub fn seek(&mut self, offset: i64) {
        self.from = offset;
        self.next = Some(Window::first(&self.segment, offset));
        self.groups.clear();
        self.whole = None;
        self.give_up_ahead();
    }

    /// Discards prefetched stretches.
    fn give_up_ahead(&mut self) {
        (self.unpacking, self.has_arrived) = (JoinSet::new(), None);
        self.fetching.clear();
        self.to_fetch = self.next.as_ref().map(|next| next.stretch.clone());
    }

    /// The next records; `None` when all were returned and everything that can be compared was
    /// compared. After an error the same stretch is retried.
    ///
    /// # Errors
    /// An error of the store, or what is damaged and where.
    pub async fn next_group(&mut self) -> crate::Result<Option<RecordGroup>> {
        self.load_wanted().await?;
        Ok(self.groups.pop_front())
    }

    /// Fetches the next records, unless they are loaded, without returning them.
    ///
    /// # Errors
    /// As [`next_group`](Self::next_group).
    pub async fn load(&mut self) -> crate::Result<()> {
        while self.groups.is_empty() {
            let Some(window) = self.next.clone() else { break };
            self.request_ahead();
            let loaded = match self.unpacking.join_next().await {
                Some(result) => joined(result),
                None => {
                    let fetch = self.take_fetch(&window.stretch);
                    window.load(Arc::clone(&self.segment), self.from, fetch).await
                }
            };
            // Discards what was prefetched after a failure, so that the same stretch is retried.
            let loaded = loaded.inspect_err(|_| self.give_up_ahead())?;
            self.groups = loaded.groups;
            self.next = loaded.next;
            self.whole = loaded.whole;
            self.has_arrived = None;
            self.unpack_ahead();
            self.request_ahead();
        }
        Ok(())
    }

    /// Like [`load`](Self::load) for records that are needed now: if their bytes have not arrived,
    /// it was not far enough ahead.
    async fn load_wanted(&mut self) -> crate::Result<()> {
        if self.groups.is_empty() && self.next.is_some() {
            let arrived = self.has_arrived.clone().or_else(|| self.fetching.front().map(Fetch::has_arrived));
            if let (Some(ahead), false) = (&self.ahead, arrived.is_none_or(|arrived| arrived.load(Ordering::Relaxed))) {
                ahead.note_wait();
            }
        }
        self.load().await
    }

    /// If one stretch is left: verifies it, down to single records, before any of them is returned.
    /// Returns whether it is.
    ///
    /// # Errors
    /// As [`next_group`](Self::next_group), and as
    /// [`GroupRecords::next`](super::GroupRecords::next).
    pub async fn check_if_short(&mut self) -> crate::Result<bool> {
        if self.next.as_ref().is_some_and(|next| !(self.groups.is_empty() && next.stretch.is_last(&self.segment))) {
            return Ok(false);
        }
        self.load_wanted().await?;
        for group in &self.groups {
            let mut records = group.records();
            while records.next()?.is_some() {}
        }
        Ok(true)
    }

    /// Whether the object could be compared with its `.sha256`; known once everything was returned.
    pub fn sidecar(&self) -> Sidecar {
        self.whole.as_ref().map_or(Sidecar::NotRead, |whole| whole.sidecar)
    }

    /// The object's SHA-256 in 64 hex digits, once all of it was returned and verified: the content
    /// of a missing `.sha256`.
    pub fn sha256(&self) -> Option<&str> {
        self.whole.as_ref().map(|whole| whole.sha256.as_str())
    }

    /// Prefetches as far as there is room. Returns whether all of the segment was requested.
    pub fn request_ahead(&mut self) -> bool {
        let Some(ahead) = self.ahead.as_ref().filter(|_| self.segment.check_limits().is_ok()) else { return false };
        let is_whole = self.next.as_ref().is_some_and(Window::is_of_whole);
        while let Some(stretch) = self.to_fetch.clone().filter(|_| self.fetching.len() < ahead.depth()) {
            let following = stretch.following(&self.segment);
            let Some(fetch) = Fetch::begin(&self.segment, stretch, is_whole, ahead) else { break };
            self.fetching.push_back(fetch);
            self.to_fetch = following;
        }
        self.to_fetch.is_none()
    }

    /// Asks for the first of it if that takes no more than so many bytes, and there is room.
    pub fn request_first(&mut self, most: u64) {
        let Some(ahead) = self.ahead.as_ref().filter(|_| self.segment.check_limits().is_ok()) else { return };
        let is_whole = self.next.as_ref().is_some_and(Window::is_of_whole);
        let Some(stretch) = self.to_fetch.clone().filter(|_| self.fetching.is_empty()) else { return };
        let range = stretch.range(&self.segment);
        let following = stretch.following(&self.segment);
        if range.end - range.start <= most
            && let Some(fetch) = Fetch::begin(&self.segment, stretch, is_whole, ahead)
        {
            self.fetching.push_back(fetch);
            self.to_fetch = following;
        }
    }

    /// The prefetch request for a stretch that is needed, if there was one.
    fn take_fetch(&mut self, stretch: &Stretch) -> Option<Fetch> {
        let fetch = self.fetching.pop_front_if(|fetch| fetch.stretch == *stretch);
        if fetch.is_none() {
            self.fetching.clear();
            self.to_fetch = stretch.following(&self.segment);
        }
        fetch
    }

    /// With more than one worker, the next stretch is decompressed while the caller processes the
    /// last one.
    fn unpack_ahead(&mut self) {
        if self.segment.options.workers > 1
            && let Some(window) = self.next.clone()
        {
            let fetch = self.take_fetch(&window.stretch);
            self.has_arrived = fetch.as_ref().map(Fetch::has_arrived);
            self.unpacking.spawn(window.load(Arc::clone(&self.segment), self.from, fetch));
        }
    }
}
