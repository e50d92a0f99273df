//! A segment out of a store, by ranges, starting anywhere.

use std::collections::VecDeque;
use std::sync::Arc;

use kafka::TopicId;
use store::ObjectStore;
use tokio::task::JoinSet;

use super::group::RecordGroup;
use super::manifest::Manifest;
use super::object::{ReadOptions, Segment};
use super::sidecar::Sidecar;
use super::window::{Loaded, Whole, Window};
use super::writer::joined;
use super::{Result, SegmentError, SegmentErrorKind};
use crate::catalog::names;

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

    /// Bytes of memory that reading its records takes at any time: its largest stretch, in the store and unpacked.
    pub fn memory(&self) -> u64 {
        self.segment.memory()
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
            Some(id) => format!("topic id {id}, and topic.json {}", topic_id.map(ToString::to_string).unwrap_or_default()),
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
