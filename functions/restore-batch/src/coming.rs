//! The next segments of a partition in the bucket: listed, opened and prefetched.
//!
//! A partition that was backed up every few minutes for a year has a hundred thousand small
//! segments. Such a restore takes as long as their sequential requests do. For large segments, the
//! store's latency should cost nothing if memory allows it.

use std::collections::VecDeque;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use archive::catalog::{Following, SegmentEntry, find_following};
use archive::segment::{AheadPermit, ReadAhead, ReadOptions, SegmentReader};
use archive::{Result, Times};
use store::ObjectStore;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

/// Objects in the first page of the listing; each next page is larger, up to the store's maximum.
const FIRST_PAGE: usize = 16;
const PAGE_GROWTH: usize = 4;

/// The most that opening a segment reads of it, unless its head is large, in bytes.
const HEAD: u64 = 64 << 10;
/// The records of a segment are also prefetched if they are not more than this part of a stretch.
const LOADED_AHEAD: u64 = 4;

/// Of a partition whose turn it is not yet, at most this part of the memory is fetched.
const OF_ANOTHER: u64 = 16;

/// The result of a listing.
type Listed = Option<std::result::Result<Result<Following>, JoinError>>;

/// The next segments of one partition.
#[derive(Debug)]
pub(crate) struct Coming {
    store: Arc<dyn ObjectStore>,
    folder: String,
    partition: i32,
    options: ReadOptions,
    /// How far to look ahead; `None`: not at all.
    ahead: Option<ReadAhead>,
    /// The time range.
    times: Times,
    /// Where the restore ends: nothing from there is prefetched.
    cut: Option<i64>,
    /// Listed, from the next one.
    listed: VecDeque<SegmentEntry>,
    page: usize,
    /// The listing of the following ones from this offset, in progress.
    listing: Option<(i64, JoinSet<Result<Following>>)>,
    /// Nothing followed these when they were listed.
    is_all: bool,
    /// Nothing started at this offset or above when it was listed.
    nothing_from: Option<i64>,
    /// Whether this invocation will need segments after the current one.
    pub(crate) looks_ahead: bool,
    /// Being opened, in order: those after the current one.
    opening: VecDeque<Opening>,
}

/// A segment that is opened ahead. Dropping it cancels that.
struct Opening {
    start: i64,
    task: JoinSet<Result<SegmentReader>>,
    opened: Option<Result<SegmentReader>>,
}

impl Coming {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        folder: &str,
        partition: i32,
        options: ReadOptions,
        ahead: Option<ReadAhead>,
        times: Times,
        cut: Option<i64>,
    ) -> Self {
        Self {
            store,
            folder: folder.to_owned(),
            partition,
            options,
            ahead,
            times,
            cut,
            listed: VecDeque::new(),
            page: FIRST_PAGE,
            listing: None,
            is_all: false,
            nothing_from: None,
            looks_ahead: true,
            opening: VecDeque::new(),
        }
    }

    /// The first segment that starts at `from` or above. An earlier listing counts only if it has
    /// one that starts exactly there: segments are never deleted, but an operator can restore
    /// missing ones. The end counts once, if it was listed during the replay of the last segment.
    pub(crate) async fn segment(&mut self, from: i64) -> Result<Option<SegmentEntry>> {
        self.forget_before(from);
        if self.listed.is_empty()
            && let Some((start, mut listing)) = self.listing.take()
        {
            let listed = listing.join_next().await;
            self.add_listed(start, listed);
            self.forget_before(from);
        }
        if self.listed.is_empty() && self.nothing_from.take().is_some_and(|start| start <= from) {
            return Ok(None);
        }
        if self.listed.front().is_none_or(|entry| entry.start != from) {
            let Following { entries, is_all } = self.list(from).await?;
            self.nothing_from = entries.is_empty().then_some(from);
            (self.listed, self.is_all, self.listing) = (entries.into(), is_all, None);
        }
        Ok(self.listed.front().cloned())
    }

    /// Gives up all that was asked for.
    pub(crate) fn give_up(&mut self) {
        self.opening.clear();
        self.listing = None;
    }

    /// How many segments are left to be restored, as far as all of them are listed.
    pub(crate) fn left(&self) -> Option<usize> {
        let is_all = self.is_all || self.listed.back().is_some_and(|last| !self.is_wanted(last));
        is_all.then(|| self.listed.iter().filter(|entry| self.is_wanted(entry)).count())
    }

    fn forget_before(&mut self, from: i64) {
        while self.listed.front().is_some_and(|entry| entry.start < from) {
            self.listed.pop_front();
        }
    }

    /// The next page.
    fn list(&mut self, from: i64) -> impl Future<Output = Result<Following>> + Send + 'static {
        let (store, folder, partition, page) = (self.store.clone(), self.folder.clone(), self.partition, self.page);
        self.page = self.page.saturating_mul(PAGE_GROWTH);
        async move { find_following(store.as_ref(), &folder, partition, from, page).await }
    }

    /// Takes a listing from `start` that was prefetched. A failure is ignored: it is listed again
    /// when needed.
    fn add_listed(&mut self, start: i64, listed: Listed) {
        self.listing = None;
        let Some(Ok(Ok(Following { entries, is_all }))) = listed else { return };
        self.is_all = is_all;
        self.nothing_from = entries.is_empty().then_some(start);
        let last = self.listed.back().map_or(i64::MIN, |last| last.start);
        self.listed.extend(entries.into_iter().filter(|entry| entry.start > last));
    }

    /// Begins to open a segment from its start, before its partition's turn, if there is room; the
    /// first of it is fetched too.
    pub(crate) fn begin(&mut self, entry: &SegmentEntry) {
        if let Some(ahead) = &self.ahead
            && let Some(permit) = ahead.permit(entry.size.min(HEAD))
        {
            self.begin_to_open(entry.clone(), Some(permit), ahead.clone(), ahead.memory() / OF_ANOTHER);
        }
    }

    /// Keeps a segment that was opened and not read, and fetches the beginning of it meanwhile if
    /// that is wanted: `from` this offset on.
    pub(crate) fn keep(&mut self, entry: &SegmentEntry, mut reader: SegmentReader, from: i64) {
        if from <= entry.start && !reader.manifest().is_out_of(self.times) {
            reader.request_ahead();
        }
        self.opening.push_front(Opening { start: entry.start, task: JoinSet::new(), opened: Some(Ok(reader)) });
    }

    /// Opens a segment, and starts to open the next ones.
    ///
    /// # Errors
    /// As [`SegmentReader::open`].
    pub(crate) async fn open(&mut self, entry: &SegmentEntry) -> Result<SegmentReader> {
        while self.opening.front().is_some_and(|opening| opening.start != entry.start) {
            self.opening.pop_front();
        }
        let opening = self.opening.pop_front();
        let opened = match opening {
            Some(mut opening) => {
                if !opening.is_open() {
                    self.ahead.iter().for_each(ReadAhead::note_wait);
                }
                self.open_ahead(entry.start);
                opening.wait().await
            }
            None => {
                self.open_ahead(entry.start);
                None
            }
        };
        match opened {
            Some(Ok(reader)) => Ok(reader),
            // What failed a while ago may succeed now.
            _ => {
                let mut reader = SegmentReader::open(self.store.clone(), &entry.name, self.options).await?;
                self.ahead.iter().for_each(|ahead| reader.read_ahead(ahead.clone()));
                Ok(reader)
            }
        }
    }

    /// Once all of the current segment was requested: prefetches the next ones, in order.
    pub(crate) fn read_ahead(&mut self, current: &mut SegmentReader) {
        if !self.looks_ahead || !current.request_ahead() {
            return;
        }
        for opening in &mut self.opening {
            if !opening.is_open() {
                return;
            }
            let Some(Ok(reader)) = &mut opening.opened else { return };
            if !reader.manifest().is_out_of(self.times) && !reader.request_ahead() {
                return;
            }
        }
    }

    fn open_ahead(&mut self, behind: i64) {
        let Some(ahead) = self.ahead.clone().filter(|_| self.looks_ahead) else { return };
        self.list_ahead(behind, ahead.depth());
        let mut bytes = 0_u64;
        let following = self.listed.iter().filter(|entry| entry.start > behind && self.is_wanted(entry));
        let following: Vec<SegmentEntry> = following.take(ahead.depth()).cloned().collect();
        for (place, entry) in following.into_iter().enumerate() {
            // Of segments outside the time range only the manifest is read.
            bytes = bytes.saturating_add(if self.times.are_all() { entry.size } else { entry.size.min(HEAD) });
            if place > 0 && bytes > ahead.memory() {
                return;
            }
            if place < self.opening.len() {
                continue;
            }
            let permit = ahead.permit(entry.size.min(HEAD));
            // At least the next one: that much was always prefetched.
            if permit.is_none() && place > 0 {
                return;
            }
            self.begin_to_open(entry, permit, ahead.clone(), 0);
        }
    }

    fn is_wanted(&self, entry: &SegmentEntry) -> bool {
        self.cut.is_none_or(|cut| entry.start < cut)
    }

    /// `first`: so many bytes of its records may be fetched immediately.
    fn begin_to_open(&mut self, entry: SegmentEntry, permit: Option<AheadPermit>, ahead: ReadAhead, first: u64) {
        let (store, options, times, start) = (self.store.clone(), self.options, self.times, entry.start);
        let open = async move {
            let mut reader = SegmentReader::open(store, &entry.name, options).await?;
            reader.keep(permit.map(AheadPermit::answered));
            reader.read_ahead(ahead.clone());
            let manifest = reader.manifest();
            if manifest.log_bytes <= options.stretch / LOADED_AHEAD
                && !manifest.is_out_of(times)
                && let Some(room) = ahead.room(manifest.log_bytes)
            {
                reader.keep(Some(room));
                reader.load().await?;
            } else if !manifest.is_out_of(times) {
                reader.request_first(first);
            }
            Ok(reader)
        };
        let mut task = JoinSet::new();
        task.spawn(open.in_current_span());
        self.opening.push_back(Opening { start, task, opened: None });
    }

    /// Lists the following ones if too few are left to open ahead; after the last one, when its
    /// replay begins.
    fn list_ahead(&mut self, behind: i64, depth: usize) {
        if let Some((start, listing)) = &mut self.listing
            && let Some(done) = listing.try_join_next()
        {
            let start = *start;
            self.add_listed(start, Some(done));
        }
        let left = self.listed.iter().filter(|entry| entry.start > behind).count();
        let enough = if self.is_all { 1 } else { depth };
        let Some(last) = self.listed.back().filter(|last| left < enough && self.listing.is_none() && self.is_wanted(last)) else { return };
        let start = last.start + 1;
        if self.nothing_from != Some(start) {
            let listing = self.list(start);
            self.listing.insert((start, JoinSet::new())).1.spawn(listing.in_current_span());
        }
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("start", &self.start).finish_non_exhaustive()
    }
}

impl Opening {
    /// Whether it is available without waiting.
    fn is_open(&mut self) -> bool {
        if self.opened.is_none()
            && let Some(done) = self.task.try_join_next()
        {
            self.opened = Some(done.unwrap_or_else(|ended| resume_unwind(ended.into_panic())));
        }
        self.opened.is_some()
    }

    async fn wait(mut self) -> Option<Result<SegmentReader>> {
        if self.opened.is_none() {
            let done = self.task.join_next().await?;
            self.opened = Some(done.unwrap_or_else(|ended| resume_unwind(ended.into_panic())));
        }
        self.opened
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use archive::segment::ReadBudget;
    use archive::testing::{DistantStore, add_segment, add_segment_of};
    use store::testing::{Delete, MemoryStore};

    use super::*;

    /// Reads them as a restore does. Returns the number of records, and the time.
    async fn replay(store: &DistantStore, memory: Option<u64>) -> (u64, Duration) {
        let options = ReadOptions { workers: 1, ..ReadOptions::default() };
        let ahead = memory.map(|memory| ReadAhead::new(ReadBudget::new(memory)));
        let mut coming = Coming::new(Arc::new(store.clone()), "a", 0, options, ahead, Times::default(), None);
        let all = async {
            let (mut next, mut count) = (0, 0);
            while let Some(entry) = coming.segment(next).await.unwrap() {
                assert_eq!(entry.start, next);
                let mut reader = coming.open(&entry).await.unwrap();
                reader.check_if_short().await.unwrap();
                while let Some(group) = reader.next_group().await.unwrap() {
                    coming.read_ahead(&mut reader);
                    let mut records = group.records();
                    while records.next().unwrap().is_some() {
                        count += 1;
                    }
                }
                next = reader.manifest().next;
            }
            count
        };
        store.time(all).await
    }

    /// Each takes two requests: sequentially, 1,000 segments at 30 ms took a minute, and four in
    /// parallel a quarter of that.
    #[tokio::test]
    async fn many_small_segments_are_opened_ahead_as_far_as_the_store_is_slow() {
        let store = MemoryStore::new();
        for start in 0..1_000 {
            add_segment(&store, "a", 0, start * 10..start * 10 + 10, 0).await;
        }
        let distant = DistantStore::new(Arc::new(store), Duration::from_millis(30));
        let (count, took) = replay(&distant, Some(64 << 20)).await;
        assert_eq!(count, 10_000);
        // 20,000 of them: 20 times as long, 90 s at most.
        assert!(took <= Duration::from_millis(4_500), "{took:?}");
        assert!(distant.most_under_way() <= 66, "{}", distant.most_under_way());
    }

    /// Without memory to prefetch, one is still opened ahead, and nothing waits permanently.
    #[tokio::test]
    async fn without_memory_it_goes_on_one_by_one() {
        let store = MemoryStore::new();
        for start in 0..10 {
            add_segment_of(&store, "a", 0, start * 10..start * 10 + 10, 0, 60_000).await;
        }
        let distant = DistantStore::new(Arc::new(store), Duration::from_millis(300));
        let (count, alone) = replay(&distant, None).await;
        let (of_little, little) = replay(&distant, Some(0)).await;
        let (of_much, much) = replay(&distant, Some(64 << 20)).await;
        assert_eq!([count, of_little, of_much], [100; 3]);
        assert!(little <= alone / 2 + Duration::from_millis(300) && much <= alone / 2, "{alone:?} {little:?} {much:?}");
        assert!(little <= Duration::from_millis(3_600) && much <= Duration::from_millis(2_400), "{alone:?} {little:?} {much:?}");
    }

    /// A listing ahead hides no restored segment, and skips no missing one.
    #[tokio::test]
    async fn a_hole_is_seen_and_what_is_put_back_is_found() {
        let store = MemoryStore::new();
        for start in 0..200 {
            add_segment(&store, "a", 0, start * 10..start * 10 + 10, 0).await;
        }
        let name = "a/0/00000000000000000300.tar.gz";
        let bytes = store.snapshot()[name].clone();
        store.delete(name).await.unwrap();
        let ahead = ReadAhead::new(ReadBudget::new(64 << 20));
        let options = ReadOptions { workers: 1, ..ReadOptions::default() };
        let mut coming = Coming::new(Arc::new(store.clone()), "a", 0, options, Some(ahead), Times::default(), None);
        for start in 0..30 {
            let entry = coming.segment(start * 10).await.unwrap().unwrap();
            coming.open(&entry).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(coming.segment(300).await.unwrap().unwrap().start, 310);
        store.overwrite(name, bytes);
        assert_eq!(coming.segment(300).await.unwrap().unwrap().start, 300);
        assert_eq!(coming.segment(310).await.unwrap().unwrap().start, 310);
    }
}
