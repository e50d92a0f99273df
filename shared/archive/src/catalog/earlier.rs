//! Which snapshots of a day have to be read to know everything that they show in the bucket: one,
//! if clocks agree.
//!
//! A snapshot includes what the others of its day show, and names those (`covers`). A reader goes
//! from the newest name to the oldest, and skips snapshots that are covered by one that it has
//! read. So nothing depends on clocks: a snapshot that its successors did not know is read as well.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use futures::{Stream, StreamExt, stream};
use kernel::clock::Millis;
use serde::Deserialize;
use store::{ObjectStore, StoreError, StoreErrorKind};

use crate::catalog::snapshot_object::{Room, SnapshotPart, read_part};
use crate::catalog::snapshots::AT_ONCE;
use crate::catalog::{BackedUpEnds, Covered, RunEnds, Snapshot, SnapshotEntry, Snapshots, names, run_ends};
use crate::{Error, Result};

/// The most snapshots that are read for a new one. It does not cover the others, so a reader reads
/// them.
const MOST: usize = 16;

/// The part of a snapshot that shows what was in the bucket.
#[derive(Debug, Deserialize)]
pub(super) struct Part {
    format_version: u32,
    /// Everything that was committed before this time is in it.
    pub(super) from: Millis,
    pub(super) interval_seconds: u64,
    topics: BTreeMap<String, TopicPart>,
    #[serde(default)]
    earlier: BackedUpEnds,
    #[serde(default)]
    covers: Covered,
}

#[derive(Debug, Deserialize)]
struct TopicPart {
    #[serde(default)]
    folder: Option<String>,
    #[serde(default)]
    partitions: BTreeMap<i32, PartitionPart>,
}

#[derive(Debug, Deserialize)]
struct PartitionPart {
    #[serde(default)]
    folder: Option<String>,
    #[serde(default)]
    backed_up: Option<i64>,
}

impl SnapshotPart for Part {
    fn format_version(&self) -> u32 {
        self.format_version
    }
}

impl Part {
    async fn read(store: &dyn ObjectStore, name: &str) -> Result<Self> {
        let part: Self = read_part(store, name).await?;
        // A folder that is not the topic's own could lead anywhere.
        for (topic, of) in &part.topics {
            let mut folders = of.partitions.values().filter_map(|partition| partition.folder.as_ref()).chain(&of.folder);
            let is_foreign = |folder: &&String| names::parse_topic_folder(folder).is_none_or(|(of, _)| of != topic);
            if let Some(folder) = folders.find(is_foreign) {
                let what = format!("it puts topic {topic:?} into folder {folder:?}, which is not the topic's");
                return Err(StoreError::new(StoreErrorKind::Damaged, store.location(name), what).into());
            }
        }
        Ok(part)
    }

    /// What it shows in the bucket, including what it took from others.
    pub(super) fn into_ends(self) -> BackedUpEnds {
        let mut ends = self.earlier;
        for of in self.topics.into_values() {
            for (partition, kept) in of.partitions {
                let Some(folder) = kept.folder.or_else(|| of.folder.clone()) else { continue };
                let partitions = ends.entry(folder).or_default();
                if let Some(backed_up) = kept.backed_up {
                    let known = partitions.entry(partition).or_default();
                    *known = backed_up.max(*known);
                }
            }
            if let Some(folder) = of.folder {
                ends.entry(folder).or_default();
            }
        }
        ends
    }
}

/// A snapshot, and what it shows in the bucket.
pub(super) type PartRead = (SnapshotEntry, Result<Part>);

/// Reads what all snapshots of a day show in the bucket, the newest first. One listing, and one
/// request for each snapshot that is not covered.
pub(super) fn of_day<'a>(store: &'a dyn ObjectStore, room: &'a Room, day: String) -> impl Stream<Item = Result<PartRead>> + 'a {
    let listed = stream::once(async move { Snapshots::of(store).of_day(&day).await });
    listed.flat_map(move |listed| match listed {
        Ok(entries) => uncovered(store, room, entries).map(Ok).left_stream(),
        Err(error) => stream::once(ready(Err(error))).right_stream(),
    })
}

/// Those of these snapshots, sorted by time, that have to be read. An unreadable one covers none.
fn uncovered<'a>(store: &'a dyn ObjectStore, room: &'a Room, entries: Vec<SnapshotEntry>) -> impl Stream<Item = PartRead> + 'a {
    stream::unfold((entries, Vec::<Covered>::new()), move |(mut left, mut covered)| async move {
        let is_covered = |entry: &SnapshotEntry| covered.iter().any(|covered| covered.contains(entry.at));
        let entry = std::iter::from_fn(|| left.pop()).find(|entry| !is_covered(entry))?;
        let part = {
            let _room = room.of(entry.size).await;
            Part::read(store, &entry.name).await
        };
        covered.extend(part.as_ref().ok().map(|part| part.covers.clone()).filter(|covers| !covers.is_empty()));
        Some(((entry, part), (left, covered)))
    })
}

impl Snapshot {
    /// Includes what the snapshots of its day with earlier names show in the bucket, and how far
    /// the runs came that none of them includes: of a topic that was deleted since, nothing else
    /// shows it. Two listings, a request or two, at most 16, and one for each such run. Returns the
    /// unreadable ones, which it does not cover.
    ///
    /// # Errors
    /// An error of the store, if it is unavailable.
    pub async fn take_along(&mut self, store: &dyn ObjectStore, name: &str) -> Result<Vec<Error>> {
        let day = name.rsplit_once('/').map_or(name, |(day, _)| day);
        let mut entries = Snapshots::of(store).of_day(&format!("{day}/")).await?;
        entries.retain(|entry| entry.name.as_str() < name);
        let times: BTreeSet<Millis> = entries.iter().map(|entry| entry.at).collect();
        let (mut read, mut covered, mut unreadable) = (BTreeSet::new(), Vec::new(), Vec::new());
        let room = Room::default();
        let mut included = None;
        let mut parts = std::pin::pin!(uncovered(store, &room, entries).take(MOST));
        while let Some((entry, part)) = parts.next().await {
            match part {
                Ok(part) => {
                    included = included.max(Some(part.from).filter(|from| *from <= self.from));
                    read.insert(entry.at);
                    covered.push(part.covers.clone());
                    self.keep_earlier(part.into_ends());
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => unreadable.push(error),
            }
        }
        let is_covered = |at: &Millis| read.contains(at) || covered.iter().any(|covered| covered.contains(*at));
        self.covers = Covered::of(&times.into_iter().filter(is_covered).collect());
        if let Some((series, _)) = names::parse_snapshot(name) {
            let since = match included {
                Some(from) => from,
                None => self.included_before(store, series, day).await?,
            };
            unreadable.extend(self.take_ends_along(store, series, since).await?);
        }
        Ok(unreadable)
    }

    /// The time up to which the last snapshot before this day includes all runs.
    async fn included_before(&self, store: &dyn ObjectStore, series: &str, day: &str) -> Result<Millis> {
        let snapshots = Snapshots::of(store);
        let days = snapshots.days(series).await?;
        let Some(last) = days.iter().rfind(|other| other.trim_end_matches('/') < day) else { return Ok(Millis::MIN) };
        let Some(newest) = snapshots.of_day(last).await?.pop() else { return Ok(Millis::MIN) };
        match Part::read(store, &newest.name).await {
            Ok(part) if part.from <= self.from => Ok(part.from),
            Err(error) if error.is_retryable() => Err(error),
            _ => Ok(Millis::MIN),
        }
    }

    /// Returns the unreadable ones.
    async fn take_ends_along(&mut self, store: &dyn ObjectStore, series: &str, since: Millis) -> Result<Vec<Error>> {
        let (listed, left_out) = run_ends::since(store, series, since).await?;
        let mut ends = stream::iter(listed).map(|name| async move { RunEnds::read(store, &name).await }).buffered(AT_ONCE);
        let mut unreadable = Vec::new();
        if left_out > 0 {
            let what = format!(
                "{}: the oldest {left_out} objects since the last snapshot are not read, because there are too many: set a shorter SNAPSHOT_SECONDS",
                store.location(&names::run_ends_prefix(series))
            );
            unreadable.push(Error::unfit(what));
        }
        while let Some(found) = ends.next().await {
            match found {
                Ok(found) => self.keep_earlier(found.ends),
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => unreadable.push(error),
            }
        }
        Ok(unreadable)
    }

    /// Keeps another snapshot's value if this one shows less.
    fn keep_earlier(&mut self, before: BackedUpEnds) {
        for (folder, partitions) in before {
            let topic = names::parse_topic_folder(&folder).and_then(|(topic, _)| self.topics.get(topic));
            let own = |number: i32| {
                let topic = topic?;
                let partition = topic.partitions.get(&number)?;
                partition.backed_up.filter(|_| topic.folder_of(partition) == Some(folder.as_str()))
            };
            let kept = self.earlier.get(&folder);
            let known = |number: i32| own(number).max(kept.and_then(|kept| kept.get(&number)).copied());
            let more: Vec<_> = partitions.into_iter().filter(|(number, end)| known(*number).is_none_or(|known| known < *end)).collect();
            // A topic without records has a folder too.
            let is_own = topic.is_some_and(|topic| {
                let folders = topic.partitions.values().map(|partition| topic.folder_of(partition));
                folders.chain([topic.folder.as_deref()]).any(|of| of == Some(folder.as_str()))
            });
            if !more.is_empty() || !is_own {
                self.earlier.entry(folder).or_default().extend(more);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use store::testing::{CountingStore, MemoryStore, Operation};

    use super::*;
    use crate::catalog::Inventory;
    use crate::testing::snapshot;

    /// 2026-11-29T13:05:00Z
    const NOW: Millis = 1_795_957_500_000;
    const STEP: Millis = 300_000;
    const SERIES: &str = "@cluster/kafka-1/backup/";

    fn name(at: Millis) -> String {
        names::snapshot(SERIES, at)
    }

    /// As a backup adds one: it includes what the bucket has.
    async fn add(store: &dyn ObjectStore, at: Millis, folder: &str, end: i64) -> Snapshot {
        let topic = folder.split('@').next().unwrap();
        let mut snapshot = snapshot(at, [(topic, folder, 0, end)]);
        snapshot.take_along(store, &name(at)).await.unwrap();
        assert!(snapshot.write(store, &name(at)).await.unwrap());
        snapshot
    }

    /// The content of the inventory, and how many objects it read.
    async fn known(store: &MemoryStore) -> (Vec<(String, Option<i64>)>, u64) {
        let store = CountingStore::new(Arc::new(store.clone()));
        let inventory = Inventory::read(&store, None, NOW).await.unwrap();
        let ends =
            |(folder, kept): (&String, &crate::catalog::FolderKept)| (folder.clone(), kept.partitions.get(&0).map(|kept| kept.backed_up));
        (inventory.folders.iter().map(ends).collect(), store.counts().of(Operation::GetRange))
    }

    fn of(known: &[(&str, i64)]) -> Vec<(String, Option<i64>)> {
        known.iter().map(|(folder, end)| ((*folder).to_owned(), Some(*end))).collect()
    }

    #[tokio::test]
    async fn where_clocks_agree_one_is_read_whatever_is_in_the_others() {
        let store = MemoryStore::new();
        for slot in 0..40 {
            add(&store, NOW - (40 - slot) * STEP, "orders", slot).await;
        }
        add(&store, NOW - 41 * STEP, "bills", 5).await; // late, and before all others by its name
        add(&store, NOW, "orders@2", 1).await;
        let (found, reads) = known(&store).await;
        assert_eq!((found, reads), (of(&[("bills", 5), ("orders", 39), ("orders@2", 1)]), 1));
    }

    /// A slow clock: its snapshots sort before those that it knows, and those do not know them.
    #[tokio::test]
    async fn one_that_its_successor_does_not_know_is_read_too() {
        let store = MemoryStore::new();
        add(&store, NOW - 3 * STEP, "orders", 3).await;
        add(&store, NOW, "orders", 4).await;
        add(&store, NOW - STEP, "bills", 9).await;
        let (found, reads) = known(&store).await;
        assert_eq!((found, reads), (of(&[("bills", 9), ("orders", 4)]), 2));
        let next = add(&store, NOW + STEP, "orders", 5).await;
        assert_eq!(next.earlier, [("bills".to_owned(), [(0, 9)].into())].into(), "only what it does not say itself");
        assert_eq!(known(&store).await, (of(&[("bills", 9), ("orders", 5)]), 1));
    }

    #[tokio::test]
    async fn one_that_cannot_be_read_hides_none_before_it_and_stays_uncovered() {
        let store = MemoryStore::new();
        add(&store, NOW - 2 * STEP, "bills", 9).await;
        store.overwrite(&name(NOW - STEP), "damaged");
        let mut last = snapshot(NOW, [("orders", "orders", 0, 1)]);
        let unreadable = last.take_along(&store, &name(NOW)).await.unwrap();
        assert!(unreadable.len() == 1 && unreadable[0].to_string().contains(&name(NOW - STEP)), "{unreadable:?}");
        last.write(&store, &name(NOW)).await.unwrap();
        let inventory = Inventory::read(&store, None, NOW).await.unwrap();
        assert_eq!(inventory.folders.keys().collect::<Vec<_>>(), ["bills", "orders"]);
        assert_eq!(inventory.unreadable.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), [name(NOW - STEP)]);
        store.overwrite(&name(NOW), "damaged");
        assert_eq!(known(&store).await.0, of(&[("bills", 9)]));
    }

    /// Reading more than this many would take the time that the records need.
    #[tokio::test]
    async fn a_new_one_reads_so_many_and_covers_no_more() {
        let store = MemoryStore::new();
        let folders: Vec<String> = (0..40).map(|number| format!("t{number:02}")).collect();
        for (slot, folder) in (0..).zip(&folders) {
            let lone = snapshot(NOW - (50 - slot) * STEP, [(folder.as_str(), folder.as_str(), 0, 1)]);
            lone.write(&store, &name(NOW - (50 - slot) * STEP)).await.unwrap();
        }
        let counting = CountingStore::new(Arc::new(store.clone()));
        add(&counting, NOW, "orders", 1).await;
        assert_eq!(counting.counts().of(Operation::GetRange), MOST as u64);
        let (found, reads) = known(&store).await;
        assert_eq!((found.len(), reads), (41, 41 - MOST as u64));
    }

    /// The topic is deleted after the run, and with it the group's offsets.
    #[tokio::test]
    async fn what_a_run_stored_of_a_topic_that_is_gone_is_taken_along() {
        for before in [NOW - 40 * STEP, NOW - 3 * 86_400_000] {
            let store = MemoryStore::new();
            add(&store, before, "orders", 7).await;
            for (at, folder, end) in [(before - 86_400_000, "old", 1), (before + STEP, "orders", 9), (before + 2 * STEP, "new", 3)] {
                let ends = [(folder.to_owned(), [(0, end)].into())].into();
                RunEnds::new(at, ends, None).write(&store, SERIES).await.unwrap();
            }
            let next = add(&store, NOW, "bills", 5).await;
            assert_eq!(next.earlier.get("orders"), Some(&[(0, 9)].into()), "{next:?}");
            assert_eq!(known(&store).await.0, of(&[("bills", 5), ("new", 3), ("orders", 9)]));
        }
    }

    #[tokio::test]
    async fn a_topic_without_a_record_is_taken_along() {
        let store = MemoryStore::new();
        let mut empty = snapshot(NOW - STEP, [("orders", "orders", 0, 0)]);
        empty.topics.get_mut("orders").unwrap().partitions.clear();
        empty.write(&store, &name(NOW - STEP)).await.unwrap();
        add(&store, NOW, "bills", 5).await;
        assert_eq!(known(&store).await, (vec![("bills".to_owned(), Some(5)), ("orders".to_owned(), None)], 1));
    }
}
