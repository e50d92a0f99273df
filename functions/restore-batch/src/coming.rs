//! What comes next of a partition in the bucket: listed a page at a time, and opened ahead.
//!
//! A partition that was backed up every few minutes for a year has a hundred thousand small segments. What each of them costs in requests that
//! are waited for is what such a restore takes.

use std::collections::VecDeque;
use std::sync::Arc;

use archive::catalog::{SegmentEntry, find_following};
use archive::segment::{ReadOptions, SegmentReader};
use archive::{Result, Times};
use store::ObjectStore;
use tokio::task::JoinSet;
use tracing::Instrument;

/// Objects in a page of the listing, which is so many times larger than the one before, up to what a store gives.
const FIRST_PAGE: usize = 4;
const PAGE_GROWTH: usize = 4;

/// Segments that are opened ahead while one is replayed.
const AHEAD: usize = 4;
/// Of larger ones, in bytes of the object, only the next: of those the records are what takes time.
const SMALL: u64 = 64 << 10;
/// The records of one are loaded ahead, too, when they are not more than this part of what is unpacked in one go.
const LOADED_AHEAD: u64 = 4;

/// The segments that follow in one partition.
#[derive(Debug)]
pub(crate) struct Coming {
    store: Arc<dyn ObjectStore>,
    folder: String,
    partition: i32,
    options: ReadOptions,
    /// Of which time records are wanted.
    times: Times,
    /// Listed, from the next one on.
    listed: VecDeque<SegmentEntry>,
    page: usize,
    /// Whether segments behind the current one will be wanted by this invocation.
    pub(crate) looks_ahead: bool,
    /// Being opened: the first of those behind the current one.
    opening: VecDeque<(i64, JoinSet<Result<SegmentReader>>)>,
}

impl Coming {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, folder: &str, partition: i32, options: ReadOptions, times: Times) -> Self {
        let (listed, opening) = (VecDeque::new(), VecDeque::new());
        Self { store, folder: folder.to_owned(), partition, options, times, listed, page: FIRST_PAGE, looks_ahead: true, opening }
    }

    /// The first segment that starts at `from` or above. What was listed before counts only for one that starts just there: segments never go,
    /// but they can be put back.
    pub(crate) async fn segment(&mut self, from: i64) -> Result<Option<SegmentEntry>> {
        while self.listed.front().is_some_and(|entry| entry.start < from) {
            self.listed.pop_front();
        }
        if self.listed.front().is_none_or(|entry| entry.start != from) {
            self.listed = find_following(self.store.as_ref(), &self.folder, self.partition, from, self.page).await?.into();
            self.page = self.page.saturating_mul(PAGE_GROWTH);
        }
        Ok(self.listed.front().cloned())
    }

    /// Opens a segment, and begins to open those behind it.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub(crate) async fn open(&mut self, entry: &SegmentEntry) -> Result<SegmentReader> {
        while self.opening.front().is_some_and(|(start, _)| *start != entry.start) {
            self.opening.pop_front();
        }
        let opening = self.opening.pop_front();
        self.open_ahead(entry.start);
        let opened = match opening {
            Some((_, mut opening)) => opening.join_next().await,
            None => None,
        };
        match opened {
            Some(Ok(Ok(reader))) => Ok(reader),
            Some(Err(ended)) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
            // What failed a while ago may succeed now.
            _ => SegmentReader::open(self.store.clone(), &entry.name, self.options).await,
        }
    }

    fn open_ahead(&mut self, behind: i64) {
        if self.options.workers < 2 || !self.looks_ahead {
            return;
        }
        let following = self.listed.iter().filter(|entry| entry.start > behind).take(AHEAD).enumerate();
        // Of segments of another time the manifest is all that is read.
        let is_quick = |entry: &SegmentEntry| entry.size <= SMALL || !self.times.are_all();
        for (_, entry) in following.take_while(|(place, entry)| *place == 0 || is_quick(entry)).skip(self.opening.len()) {
            let (store, name, options, times) = (self.store.clone(), entry.name.clone(), self.options, self.times);
            let open = async move {
                let mut reader = SegmentReader::open(store, &name, options).await?;
                let manifest = reader.manifest();
                if manifest.log_bytes <= options.stretch / LOADED_AHEAD && !manifest.is_out_of(times) {
                    reader.load().await?;
                }
                Ok(reader)
            };
            let mut opening = JoinSet::new();
            opening.spawn(open.in_current_span());
            self.opening.push_back((entry.start, opening));
        }
    }
}
