//! A partition's segments in the bucket. Each starts where the previous one ends, so a start offset
//! is enough to find one.

use store::{Listed, ObjectStore};

use crate::catalog::{Packing, names};
use crate::{Error, Result};

/// Objects per page: the maximum of every store.
const PAGE: usize = 1000;

/// Objects requested to find one segment: the segment, and the objects that can be before and next
/// to it.
const FEW: usize = 4;

/// A segment in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Full name of the object.
    pub name: String,
    /// Its start offset.
    pub start: i64,
    /// How it is packed.
    pub packing: Packing,
    /// Size of the object in bytes.
    pub size: u64,
    /// Whether its `.sha256` follows it in the listing. Only known if the page did not end between
    /// the two.
    pub sidecar: bool,
}

/// The first segment that starts at `from` or above; at most two requests.
///
/// # Errors
/// An error of the store.
pub async fn find_next(store: &dyn ObjectStore, folder: &str, partition: i32, from: i64) -> Result<Option<SegmentEntry>> {
    Ok(find_following(store, folder, partition, from, FEW).await?.entries.into_iter().next())
}

/// The first segments that start at `from` or above: those among about `objects` objects (at most
/// 1,000), but at least one if there is one.
///
/// # Errors
/// An error of the store.
pub async fn find_following(store: &dyn ObjectStore, folder: &str, partition: i32, from: i64, objects: usize) -> Result<Following> {
    let mut after = names::before_segment(folder, partition, from);
    loop {
        // A sidecar can be first if `from` is just above its segment; the next segment follows
        // immediately.
        let page = store.list(&names::segment_prefix(folder, partition), &after, objects.clamp(FEW, PAGE)).await?;
        let entries = entries(&page.objects);
        match page.objects.last() {
            Some(last) if entries.is_empty() && page.more => after = last.name.clone(),
            _ => return Ok(Following { entries, is_all: !page.more }),
        }
    }
}

/// Segments that follow each other.
#[derive(Debug, Default)]
pub struct Following {
    /// In order.
    pub entries: Vec<SegmentEntry>,
    /// Whether these were all that there were.
    pub is_all: bool,
}

/// The last segment that starts at `offset` or below. It searches backwards in growing strides: a
/// few requests, however long the chain is.
///
/// # Errors
/// An error of the store.
pub async fn find_at(store: &dyn ObjectStore, folder: &str, partition: i32, offset: i64) -> Result<Option<SegmentEntry>> {
    let mut back: i64 = 1_000;
    loop {
        let from = offset.saturating_sub(back).max(0);
        let (mut found, mut after) = (None, Some(names::before_segment(folder, partition, from)));
        while let Some(name) = after {
            let (entries, more) = list_segments(store, folder, partition, &name).await?;
            let is_past = entries.last().is_some_and(|last| last.start > offset);
            found = entries.into_iter().rfind(|entry| entry.start <= offset).or(found);
            after = more.filter(|_| !is_past);
        }
        if found.is_some() || from == 0 {
            return Ok(found);
        }
        back = back.saturating_mul(16);
    }
}

/// One page of segments that start at `from` or above, and where to continue.
///
/// # Errors
/// An error of the store.
pub async fn list_segments(
    store: &dyn ObjectStore,
    folder: &str,
    partition: i32,
    after: &str,
) -> Result<(Vec<SegmentEntry>, Option<String>)> {
    let page = store.list(&names::segment_prefix(folder, partition), after, PAGE).await?;
    let go_on = page.objects.last().filter(|_| page.more).map(|last| last.name.clone());
    Ok((entries(&page.objects), go_on))
}

/// All segments of a partition, by the names in its folder.
#[derive(Debug, Default)]
pub struct AllSegments {
    /// Existing segments, in order.
    pub entries: Vec<SegmentEntry>,
    /// Missing segments, in order, as start offset and name: only the `.sha256` of each exists,
    /// which backup writes after the segment.
    pub missing: Vec<(i64, String)>,
}

impl AllSegments {
    /// Lists a partition. One request per 1,000 objects; twice as many if a segment is missing,
    /// because a listing during a write can include the second of two objects without the first.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn of(store: &dyn ObjectStore, folder: &str, partition: i32) -> Result<Self> {
        let seen = Self::list(store, folder, partition).await?;
        if seen.missing.is_empty() {
            return Ok(seen);
        }
        let mut again = Self::list(store, folder, partition).await?;
        again.missing.retain(|missing| seen.missing.contains(missing));
        Ok(again)
    }

    async fn list(store: &dyn ObjectStore, folder: &str, partition: i32) -> Result<Self> {
        let (mut all, mut after, mut segment) = (Self::default(), String::new(), String::new());
        loop {
            let page = store.list(&names::segment_prefix(folder, partition), &after, PAGE).await?;
            for object in &page.objects {
                if names::parse_segment(names::file_name(&object.name)).is_some() {
                    segment.clone_from(&object.name);
                }
                let Some(of) = object.name.strip_suffix(names::SIDECAR).filter(|of| *of != segment) else { continue };
                all.missing.extend(names::parse_segment(names::file_name(of)).map(|(start, _)| (start, of.to_owned())));
            }
            all.entries.extend(entries(&page.objects));
            match page.objects.last() {
                Some(last) if page.more => after.clone_from(&last.name),
                _ => return Ok(all),
            }
        }
    }

    /// The missing segments that expiry of old objects does not explain: an earlier segment exists.
    /// Of the oldest ones the `.sha256` may expire last.
    pub fn missing_in_chain(&self) -> impl Iterator<Item = &(i64, String)> {
        let first = self.entries.first().map(|entry| entry.start);
        self.missing.iter().filter(move |(start, _)| first.is_some_and(|first| *start > first))
    }
}

/// The last segment of a partition, searched from `from`.
///
/// Stores list forward only. So this jumps ahead in strides that double, and then bisects. The
/// number of requests grows with the logarithm of the number of pages (about twice that), and is at
/// most 128.
///
/// # Errors
/// An error of the store.
pub async fn find_last(store: &dyn ObjectStore, folder: &str, partition: i32, from: i64) -> Result<Option<SegmentEntry>> {
    // Where a rule has deleted only large objects, a page can have nothing but `.sha256` objects.
    let page = async |start: i64| {
        let mut after = names::before_segment(folder, partition, start);
        loop {
            match list_segments(store, folder, partition, &after).await? {
                (found, Some(rest)) if found.is_empty() => after = rest,
                page => return Ok::<_, Error>(page),
            }
        }
    };
    let (first_page, mut more) = page(from).await?;
    let Some(mut last) = first_page.last().cloned() else { return Ok(None) };
    let mut stride = (last.start - first_page[0].start).max(1);
    let mut nothing_from = None;
    while more.is_some() {
        let probe = match nothing_from {
            None => last.start.saturating_add(stride),
            Some(end) if end <= last.start + 1 => break,
            Some(end) => last.start + (end - last.start) / 2,
        };
        stride = stride.saturating_mul(2);
        match page(probe).await? {
            (found, rest) if !found.is_empty() => {
                last = found[found.len() - 1].clone();
                more = rest;
            }
            _ => nothing_from = Some(probe),
        }
    }
    Ok(Some(last))
}

fn entries(objects: &[Listed]) -> Vec<SegmentEntry> {
    let mut found: Vec<SegmentEntry> = Vec::new();
    for object in objects {
        if let Some((start, packing)) = names::parse_segment(names::file_name(&object.name)) {
            found.push(SegmentEntry { name: object.name.clone(), start, packing, size: object.size, sidecar: false });
        } else if let Some(last) = found.last_mut()
            && object.name == names::sidecar(&last.name)
        {
            last.sidecar = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use store::testing::{Delete, Fault, FaultyStore, MemoryStore, Operation};

    use super::*;

    /// Segments of ten offsets, each with its `.sha256`.
    fn chain(segments: i64) -> MemoryStore {
        let store = MemoryStore::new();
        for start in (0..segments).map(|number| number * 10) {
            let name = names::segment("orders", 0, start, Packing::Gzip);
            store.overwrite(&names::sidecar(&name), "a checksum");
            store.overwrite(&name, "a segment");
        }
        store
    }

    async fn without(store: &MemoryStore, start: i64) {
        store.delete(&names::segment("orders", 0, start, Packing::Gzip)).await.unwrap();
    }

    async fn starts(store: &dyn ObjectStore) -> (usize, Vec<i64>, Vec<i64>) {
        let all = AllSegments::of(store, "orders", 0).await.unwrap();
        let in_chain = all.missing_in_chain().map(|(start, _)| *start).collect();
        (all.entries.len(), all.missing.iter().map(|(start, _)| *start).collect(), in_chain)
    }

    #[tokio::test]
    async fn a_sidecar_alone_shows_that_there_was_a_segment() {
        let store = chain(1_203);
        assert_eq!(starts(&store).await, (1_203, vec![], vec![]), "also where a page ends between the two");
        for start in [0, 10, 30, 5_000, 12_020] {
            without(&store, start).await;
        }
        let missing = vec![0, 10, 30, 5_000, 12_020];
        assert_eq!(starts(&store).await, (1_198, missing, vec![30, 5_000, 12_020]), "the oldest ones may have expired");
    }

    /// A kill between the two leaves this.
    #[tokio::test]
    async fn a_segment_alone_is_none_that_is_missing() {
        let store = chain(3);
        store.delete(&names::sidecar(&names::segment("orders", 0, 20, Packing::Gzip))).await.unwrap();
        assert_eq!(starts(&store).await, (3, vec![], vec![]));
    }

    /// Lifecycle rules of S3 can be for large objects only.
    #[tokio::test]
    async fn the_last_segment_is_found_after_any_number_of_sidecars_whose_segments_expired() {
        let store = chain(2_500);
        for number in 0..2_498 {
            without(&store, number * 10).await;
        }
        for from in [0, 10_000, 24_980] {
            let last = find_last(&store, "orders", 0, from).await.unwrap();
            assert_eq!(last.map(|last| last.start), Some(24_990), "{from}");
        }
        without(&store, 24_980).await;
        without(&store, 24_990).await;
        assert_eq!(find_last(&store, "orders", 0, 0).await.unwrap(), None);
    }

    #[tokio::test]
    async fn nothing_is_missed_that_is_written_while_it_is_listed() {
        let store = chain(3);
        without(&store, 20).await;
        let written = store.clone();
        let lists = std::sync::atomic::AtomicU32::new(0);
        let late = FaultyStore::new(Arc::new(store), move |operation, _| {
            if operation == Operation::List && lists.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
                written.overwrite(&names::segment("orders", 0, 20, Packing::Gzip), "a segment");
            }
            Fault::None
        });
        assert_eq!(starts(&late).await, (3, vec![], vec![]));
    }
}
