//! A partition's segments in the bucket. Each begins where the one before ends, so a start offset is enough to find one.

use store::{Listed, ObjectStore};

use crate::Result;
use crate::catalog::{Packing, names};

/// Objects asked for in one page: as many as any store gives.
const PAGE: usize = 1000;

/// Objects asked for where one segment is wanted: it, and what can stand before and beside it.
const FEW: usize = 4;

/// A segment as a listing shows it.
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
    /// Whether its `.sha256` was listed behind it. Only known when the page did not end between the two.
    pub sidecar: bool,
}

/// The first segment that starts at `from` or above; two requests at most.
///
/// # Errors
/// What the store says.
pub async fn find_next(store: &dyn ObjectStore, folder: &str, partition: i32, from: i64) -> Result<Option<SegmentEntry>> {
    Ok(find_following(store, folder, partition, from, FEW).await?.into_iter().next())
}

/// The first segments that start at `from` or above: those among about `objects` objects (at most 1,000), but at least one if there is one.
///
/// # Errors
/// What the store says.
pub async fn find_following(store: &dyn ObjectStore, folder: &str, partition: i32, from: i64, objects: usize) -> Result<Vec<SegmentEntry>> {
    let mut after = names::before_segment(folder, partition, from);
    loop {
        // A sidecar can stand first when `from` is just above its segment; the segment behind it follows at once.
        let page = store.list(&names::segment_prefix(folder, partition), &after, objects.clamp(FEW, PAGE)).await?;
        let found = entries(&page.objects);
        match page.objects.last() {
            Some(last) if found.is_empty() && page.more => after = last.name.clone(),
            _ => return Ok(found),
        }
    }
}

/// One page of segments that start at `from` or above, and where to go on.
///
/// # Errors
/// What the store says.
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

/// The last segment of a partition; only those that start at `from` or above are looked at.
///
/// Stores list forward only, so this leaps ahead in strides that double, and then halves the stretch in which the end must be: the number
/// of requests grows with the logarithm of the number of pages (about twice that), and is at most 128.
///
/// # Errors
/// What the store says.
pub async fn find_last(store: &dyn ObjectStore, folder: &str, partition: i32, from: i64) -> Result<Option<SegmentEntry>> {
    let page = async |start: i64| list_segments(store, folder, partition, &names::before_segment(folder, partition, start)).await;
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
