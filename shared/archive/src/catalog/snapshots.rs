//! Which snapshots exist. A series is those of one cluster by one backup: they share a name prefix.

use futures::{StreamExt, TryStreamExt, stream};
use kernel::clock::{Millis, age};
use store::ObjectStore;

use crate::Result;
use crate::catalog::names;

/// Parallel requests: a year has 365 folders of a day.
pub(super) const AT_ONCE: usize = 16;
/// The largest SNAPSHOT_SECONDS: a snapshot can be so much older than its name.
pub(super) const LONGEST: Millis = 86_400_000;

/// A snapshot in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// Full name of the object.
    pub name: String,
    /// The time in its name.
    pub at: Millis,
    /// Size of the object in bytes.
    pub size: u64,
}

impl SnapshotEntry {
    /// Whether the time in its name is in the future. Its moment can still be past: the name is
    /// rounded up to SNAPSHOT_SECONDS, which is a day at most.
    pub fn is_to_come(&self, now: Millis) -> bool {
        age(self.at, now) == Millis::MAX
    }

    /// Whether its moment is in the future, too: the clock that wrote it was ahead.
    pub fn is_of_the_future(&self, now: Millis) -> bool {
        age(self.at.saturating_sub(LONGEST), now) == Millis::MAX
    }
}

/// The snapshots in a bucket. Other names are skipped.
#[derive(Debug, Clone, Copy)]
pub struct Snapshots<'a> {
    pub(super) store: &'a dyn ObjectStore,
}

impl<'a> Snapshots<'a> {
    /// Those in this bucket.
    pub fn of(store: &'a dyn ObjectStore) -> Self {
        Self { store }
    }

    /// The name prefix of each series, in order. One request more than there are clusters.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn series(&self) -> Result<Vec<String>> {
        self.under(vec![names::SNAPSHOTS.to_owned()], 2).await
    }

    /// The folders of the days of a series, in order, with a trailing slash. One request per year
    /// and month.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn days(&self, series: &str) -> Result<Vec<String>> {
        let years = folders(self.store, series.to_owned()).await?;
        let is_year = |year: &String| year[series.len()..].starts_with(|first: char| first.is_ascii_digit());
        self.under(years.into_iter().filter(is_year).collect(), 2).await
    }

    /// The snapshots of a day, sorted by time.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn of_day(&self, day: &str) -> Result<Vec<SnapshotEntry>> {
        list_day(self.store, day.to_owned()).await
    }

    /// The newest snapshot of each day of a series, in order. One request per day, 16 in parallel.
    ///
    /// A time in the future comes from a clock that was ahead. Such a snapshot still shows what was
    /// backed up when it was taken, so it is included. But it would pass for the newest until its
    /// time has come, so the newest one that is not in the future is returned as well. The clock of
    /// this machine decides: to detect that an object is older than its name, every listing would
    /// need the objects' times, and copying a bucket changes those.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn newest_of_each_day(&self, series: &str, now: Millis) -> Result<Vec<SnapshotEntry>> {
        let store = self.store;
        let days = stream::iter(self.days(series).await?).map(|day| list_day(store, day));
        let days: Vec<Vec<SnapshotEntry>> = days.buffered(AT_ONCE).try_collect().await?;
        Ok(days.into_iter().flat_map(|day| newest_of(day, now)).collect())
    }

    /// The folders this many levels below these, in order.
    async fn under(&self, mut prefixes: Vec<String>, levels: usize) -> Result<Vec<String>> {
        for _ in 0..levels {
            let store = self.store;
            let found = stream::iter(prefixes).map(|prefix| folders(store, prefix));
            let found: Vec<Vec<String>> = found.buffered(AT_ONCE).try_collect().await?;
            prefixes = found.into_iter().flatten().collect();
        }
        Ok(prefixes)
    }
}

async fn folders(store: &dyn ObjectStore, prefix: String) -> Result<Vec<String>> {
    let found = store.folders(&prefix).await?;
    Ok(found.iter().map(|folder| format!("{prefix}{}/", names::file_name(folder))).collect())
}

async fn list_day(store: &dyn ObjectStore, day: String) -> Result<Vec<SnapshotEntry>> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.list(&day, &after, 1000).await?;
        if let Some(last) = page.objects.last() {
            after.clone_from(&last.name);
        }
        let entries = page.objects.into_iter().filter_map(|object| {
            let (_, at) = names::parse_snapshot(&object.name)?;
            Some(SnapshotEntry { name: object.name, at, size: object.size })
        });
        found.extend(entries);
        if !page.more {
            return Ok(found);
        }
    }
}

fn newest_of(day: Vec<SnapshotEntry>, now: Millis) -> Vec<SnapshotEntry> {
    let come = day.iter().rev().find(|entry| !entry.is_to_come(now)).cloned();
    let last = day.into_iter().next_back().filter(|last| Some(last) != come.as_ref());
    come.into_iter().chain(last).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use store::testing::{CountingStore, MemoryStore};

    use super::*;

    const DAY: Millis = 86_400_000;
    /// 2026-11-29T13:05:00Z
    const NOW: Millis = 1_795_957_500_000;

    fn store(times: &[(&str, Millis)]) -> MemoryStore {
        let store = MemoryStore::new();
        for (series, at) in times {
            store.overwrite(&names::snapshot(series, *at), "a snapshot");
        }
        store
    }

    #[tokio::test]
    async fn series_and_days_are_found_and_other_objects_passed_over() {
        let (one, other) = (names::snapshot_prefix(Some("a"), "g"), names::snapshot_prefix(None, "G.1"));
        let store = store(&[(&one, NOW), (&one, NOW - DAY), (&other, NOW)]);
        for name in ["@cluster/x", "@cluster/a/g/2026/11/29/README", "@cluster/a/g/2026/11/29/240000Z.json.gz", "orders/0/x"] {
            store.overwrite(name, "x");
        }
        let snapshots = Snapshots::of(&store);
        assert_eq!(snapshots.series().await.unwrap(), [other, one.clone()]);
        let days = snapshots.days(&one).await.unwrap();
        assert_eq!(days, ["@cluster/a/g/2026/11/28/", "@cluster/a/g/2026/11/29/"]);
        let found: Vec<_> = snapshots.of_day(&days[1]).await.unwrap().into_iter().map(|entry| entry.name).collect();
        assert_eq!(found, ["@cluster/a/g/2026/11/29/130500Z.json.gz"]);
    }

    #[tokio::test]
    async fn of_each_day_the_newest_is_given_out_with_one_listing_a_day() {
        let series = names::snapshot_prefix(Some("a"), "g");
        let times: Vec<_> = (0..400 * 4).map(|quarter| (series.as_str(), NOW - quarter * DAY / 4)).collect();
        let store = CountingStore::new(Arc::new(store(&times)));
        let found = Snapshots::of(&store).newest_of_each_day(&series, NOW).await.unwrap();
        assert_eq!((found.len(), found.last().unwrap().at), (401, NOW));
        assert!(found.is_sorted_by_key(|entry| entry.at));
        assert!(store.counts().total() <= 401 + 1 + 3 + 15, "{:?}", store.counts());
    }

    #[tokio::test]
    async fn one_of_a_clock_that_is_ahead_does_not_hide_the_newest() {
        let series = names::snapshot_prefix(Some("a"), "g");
        let hour = 3_600_000;
        let times = [NOW - hour, NOW + 5 * hour, NOW + 6 * hour, NOW + 400 * DAY].map(|at| (series.as_str(), at));
        let found = Snapshots::of(&store(&times)).newest_of_each_day(&series, NOW).await.unwrap();
        let found: Vec<_> = found.iter().map(|entry| (entry.at - NOW, entry.is_to_come(NOW))).collect();
        assert_eq!(found, [(-hour, false), (6 * hour, true), (400 * DAY, true)]);
    }
}
