//! The inventory: what was backed up, according to snapshots. `verify`, `list` and `restore`
//! compare it with the bucket.
//!
//! It is the union of all snapshots, and of what the runs after the newest one stored
//! (`run_ends.rs`). Of each day the newest snapshot is read, which includes what the others show,
//! and those that it does not cover (`earlier.rs`). A user who sees fewer topics today, a topic
//! that was deleted last month, a backup with another selection, clocks that differ: none of these
//! hides what an older snapshot shows. A snapshot only shows what must exist; more may have been
//! added since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use kernel::clock::{Millis, age, rfc3339};
use store::ObjectStore;

use crate::catalog::earlier::{self, Part};
use crate::catalog::snapshot_object::Room;
use crate::catalog::snapshots::AT_ONCE;
use crate::catalog::{BackedUpEnds, Generation, RunEnds, SnapshotEntry, Snapshots, names, run_ends};
use crate::{Error, Result};

/// Of a day, as many snapshots are read lately. Where clocks agree, one includes all.
const MOST_LATELY: usize = 4;

/// What was backed up, by folder.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The name prefixes of all series with a snapshot.
    pub series: BTreeSet<String>,
    /// By folder of the topic's generation.
    pub folders: BTreeMap<String, FolderKept>,
    /// Unreadable snapshots and ends of runs, and a missing newest snapshot: their content is not
    /// included.
    pub unreadable: Vec<(String, Error)>,
    /// Snapshots with a time in the future.
    pub warnings: Vec<String>,
}

/// What was backed up of a generation of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderKept {
    /// The time of the last snapshot, or end of a run, that includes it.
    pub last_seen: Millis,
    /// The name of that object.
    pub snapshot: Arc<str>,
    /// By number.
    pub partitions: BTreeMap<i32, PartitionKept>,
}

/// How far a partition was backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKept {
    /// Everything below this offset was in the bucket.
    pub backed_up: i64,
    /// The first object that shows it.
    pub snapshot: Arc<str>,
}

/// What is missing of a partition that was backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// No segment exists. Otherwise the end of the chain is missing, which expiry of old objects
    /// does not explain.
    pub is_all: bool,
    /// What is missing, and which snapshot shows that it existed.
    pub what: String,
}

/// The newest snapshot of a series.
#[derive(Debug, Default)]
struct Newest {
    /// The time in its name.
    at: Option<Millis>,
    /// What was committed before this time is in a snapshot.
    from: Option<Millis>,
}

impl Inventory {
    /// Reads it from all series, of all topics or of one name. For a year two requests per day, 16
    /// in parallel; more for days on which clocks differed.
    ///
    /// A snapshot with a time in the future is named in `warnings`, and its content counts: see
    /// [`Snapshots::newest_of_each_day`].
    ///
    /// # Errors
    /// An error of the store when listing names, or if it is unavailable. An unreadable snapshot is
    /// recorded in the inventory, and hides no other.
    pub async fn read(store: &dyn ObjectStore, topic: Option<&str>, now: Millis) -> Result<Self> {
        let snapshots = Snapshots::of(store);
        let (mut days, mut newest) = (Vec::new(), BTreeMap::new());
        for series in snapshots.series().await? {
            days.extend(snapshots.days(&series).await?);
            newest.insert(series, Newest::default());
        }
        Self::of_days(store, (days, usize::MAX), newest, topic, now).await
    }

    /// The part of one series from the last two of its [days](Snapshots::days), and from the runs
    /// since. A few requests, whatever the age of the backup. Omits what was last backed up before.
    ///
    /// # Errors
    /// As [`Inventory::read`].
    pub async fn lately(store: &dyn ObjectStore, series: &str, days: &[String], now: Millis) -> Result<Self> {
        let days = days[days.len().saturating_sub(2)..].to_vec();
        Self::of_days(store, (days, MOST_LATELY), [(series.to_owned(), Newest::default())].into(), None, now).await
    }

    /// `days`: with how many of each are read at most.
    async fn of_days(
        store: &dyn ObjectStore,
        (days, most): (Vec<String>, usize),
        mut newest: BTreeMap<String, Newest>,
        topic: Option<&str>,
        now: Millis,
    ) -> Result<Self> {
        let mut inventory = Self::default();
        let room = Room::default();
        let mut parts = stream::iter(days).flat_map_unordered(AT_ONCE, |day| earlier::of_day(store, &room, day).take(most).boxed());
        while let Some(read) = parts.next().await {
            let (entry, part) = read?;
            let series = names::parse_snapshot(&entry.name).map_or("", |(series, _)| series);
            inventory.series.insert(series.to_owned());
            let of_series = newest.entry(series.to_owned()).or_default();
            of_series.at = of_series.at.max(Some(entry.at));
            match part {
                Ok(part) => {
                    // One of a clock that is ahead does not include what comes until then.
                    of_series.from = of_series.from.max(Some(part.from).filter(|from| *from <= now));
                    inventory.add_snapshot(store, &entry, part, topic, now);
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => inventory.unreadable.push((entry.name, error)),
            }
        }
        inventory.read_run_ends(store, newest, topic).await?;
        // They arrive in any order.
        inventory.unreadable.sort_by(|(one, _), (other, _)| one.cmp(other));
        inventory.warnings.sort();
        Ok(inventory)
    }

    /// Adds what runs stored since the newest snapshot of their series. Of newer snapshots that
    /// they knew, the newest one of each series is looked for.
    async fn read_run_ends(&mut self, store: &dyn ObjectStore, newest: BTreeMap<String, Newest>, only: Option<&str>) -> Result<()> {
        let series: Vec<_> = newest.iter().map(|(series, newest)| (series.clone(), newest.from.unwrap_or(Millis::MIN))).collect();
        let listed = stream::iter(series).map(|(series, from)| async move {
            let listed = run_ends::since(store, &series, from).await?;
            Ok::<_, Error>((series, listed))
        });
        let mut names = Vec::new();
        for (series, (found, left_out)) in listed.buffered(AT_ONCE).try_collect::<Vec<_>>().await? {
            if left_out > 0 {
                self.warnings.push(format!(
                    "{}: of {} objects that no snapshot includes, the newest {} were read. The backup takes no snapshots (its log says why), or too rarely: set a shorter SNAPSHOT_SECONDS",
                    store.location(&names::run_ends_prefix(&series)),
                    found.len() + left_out,
                    found.len()
                ));
            }
            names.extend(found);
        }
        let mut read = stream::iter(names)
            .map(|name| async move {
                let ends = RunEnds::read(store, &name).await;
                (name, ends)
            })
            .buffered(AT_ONCE);
        // The newest one that a run knew, by series, and the object of that run.
        let mut known = BTreeMap::<String, (String, String)>::new();
        while let Some((name, ends)) = read.next().await {
            match ends {
                Ok(RunEnds { at, snapshot, ends, .. }) => {
                    self.add(&name, at, ends, only);
                    if let Some(snapshot) = snapshot
                        && let Some((series, _)) = names::parse_snapshot(&snapshot)
                    {
                        // Names of a series sort by time.
                        let of_series = known.entry(series.to_owned()).or_default();
                        *of_series = (snapshot, name).max(std::mem::take(of_series));
                    }
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => self.unreadable.push((name, error)),
            }
        }
        for (series, (snapshot, known_by)) in known {
            let at = names::parse_snapshot(&snapshot).map(|(_, at)| at);
            let is_newer = newest.get(&series).is_some_and(|newest| newest.at.is_some() && newest.at < at);
            // It may have been taken since they were listed.
            if is_newer && store.list(&snapshot, "", 1).await?.objects.iter().all(|object| object.name != snapshot) {
                let what = format!("{}: this snapshot is missing: it existed, according to {known_by}", store.location(&snapshot));
                self.unreadable.push((snapshot, Error::lost(what)));
            }
        }
        Ok(())
    }

    fn add_snapshot(&mut self, store: &dyn ObjectStore, entry: &SnapshotEntry, part: Part, only: Option<&str>, now: Millis) {
        let interval = i64::try_from(part.interval_seconds).unwrap_or(0).saturating_mul(1_000);
        if age(entry.at.saturating_sub(interval), now) == Millis::MAX {
            self.warnings.push(format!(
                "{}: the time is {} now, so the clock that named this snapshot was ahead; it does not count as the newest",
                store.location(&entry.name),
                rfc3339(now)
            ));
        }
        self.add(&entry.name, entry.at, part.into_ends(), only);
    }

    /// Adds what the object of this name and time shows.
    fn add(&mut self, name: &str, at: Millis, ends: BackedUpEnds, only: Option<&str>) {
        let snapshot: Arc<str> = name.into();
        let is_meant = |folder: &str| only.is_none_or(|only| names::parse_topic_folder(folder).is_some_and(|(topic, _)| topic == only));
        for (folder, partitions) in ends.into_iter().filter(|(folder, _)| is_meant(folder)) {
            let new = || FolderKept { last_seen: at, snapshot: snapshot.clone(), partitions: BTreeMap::new() };
            let kept = self.folders.entry(folder).or_insert_with(new);
            if (at, &snapshot) > (kept.last_seen, &kept.snapshot) {
                (kept.last_seen, kept.snapshot) = (at, snapshot.clone());
            }
            partitions.into_iter().for_each(|(partition, backed_up)| kept.keep(partition, backed_up, &snapshot));
        }
    }

    /// The partitions of a folder that must have segments.
    pub fn partitions(&self, folder: &str) -> impl Iterator<Item = i32> {
        let kept = self.folders.get(folder).into_iter().flat_map(|kept| &kept.partitions);
        kept.filter(|(_, kept)| kept.backed_up > 0).map(|(partition, _)| *partition)
    }

    /// What is missing of a partition whose last segment ends at `end`; `None`: it has no segment.
    pub fn missing(&self, folder: &str, partition: i32, end: Option<i64>) -> Option<Missing> {
        let PartitionKept { backed_up, snapshot } = self.folders.get(folder)?.partitions.get(&partition)?;
        if end.unwrap_or(0) >= *backed_up {
            return None;
        }
        let what = match end {
            None => format!("every segment of {folder}/{partition} is missing"),
            Some(end) => format!("offsets {end} to {backed_up} of {folder}/{partition} are missing at its end"),
        };
        let what = format!("{what}: everything below offset {backed_up} was backed up, according to {snapshot}");
        Some(Missing { is_all: end.is_none(), what })
    }

    /// The message for a folder without any object.
    pub fn missing_folder(&self, folder: &str) -> Option<String> {
        let FolderKept { snapshot, .. } = self.folders.get(folder)?;
        Some(format!("{folder}/ is missing with everything in it: it was backed up, according to {snapshot}"))
    }

    /// The message if `topic.json` names a series without any snapshot.
    pub fn missing_series(&self, generation: &Generation) -> Option<String> {
        let series = generation.snapshots.as_ref().filter(|series| !self.series.contains(*series))?;
        Some(format!(
            "all snapshots of {series} are missing: {} shows that some existed. Without them, other losses are not \
             detected. Restore them; the next backup takes a new one",
            names::topic_json(&generation.folder())
        ))
    }
}

impl FolderKept {
    fn keep(&mut self, partition: i32, backed_up: i64, snapshot: &Arc<str>) {
        let known = self.partitions.entry(partition);
        let known = known.or_insert_with(|| PartitionKept { backed_up, snapshot: snapshot.clone() });
        if backed_up > known.backed_up || backed_up == known.backed_up && *snapshot < known.snapshot {
            *known = PartitionKept { backed_up, snapshot: snapshot.clone() };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::StoreErrorKind;
    use store::testing::{Delete, Fault, FaultyStore, MemoryStore};

    use super::*;
    use crate::catalog::Snapshot;
    use crate::testing::{add_snapshot, generation, snapshot};

    const DAY: Millis = 86_400_000;
    /// 2026-11-29T13:05:00Z
    const NOW: Millis = 1_795_957_500_000;

    async fn read(store: &MemoryStore) -> Inventory {
        Inventory::read(store, None, NOW).await.unwrap()
    }

    fn backed_up(inventory: &Inventory, folder: &str, partition: i32) -> Option<i64> {
        Some(inventory.folders.get(folder)?.partitions.get(&partition)?.backed_up)
    }

    #[tokio::test]
    async fn what_an_older_snapshot_knew_does_not_vanish() {
        let store = MemoryStore::new();
        let old = [("orders", "orders", 0, 7), ("orders", "orders", 1, 3), ("bills", "bills", 0, 5)];
        let first = add_snapshot(&store, &snapshot(NOW - 40 * DAY, old)).await;
        add_snapshot(&store, &snapshot(NOW - 2 * DAY, [("orders", "orders", 0, 9)])).await;
        // In the newest one the topic was created again, and its other partitions are invisible.
        add_snapshot(&store, &snapshot(NOW, [("orders", "orders@2", 0, 1)])).await;
        let inventory = read(&store).await;
        let found = [("orders", 0), ("orders", 1), ("bills", 0), ("orders@2", 0), ("orders@2", 1)];
        let found = found.map(|(folder, partition)| backed_up(&inventory, folder, partition));
        assert_eq!(found, [Some(9), Some(3), Some(5), Some(1), None]);
        assert_eq!((inventory.folders["bills"].last_seen, &*inventory.folders["bills"].snapshot), (NOW - 40 * DAY, first.as_str()));
        let one = Inventory::read(&store, Some("bills"), NOW).await.unwrap();
        assert_eq!(one.folders.keys().collect::<Vec<_>>(), ["bills"]);
    }

    #[tokio::test]
    async fn several_clusters_and_backups_are_one_inventory() {
        let store = MemoryStore::new();
        add_snapshot(&store, &snapshot(NOW, [("orders", "orders", 0, 7)])).await;
        let other = Snapshot { cluster_id: None, ..snapshot(NOW - DAY, [("orders", "orders@2", 0, 8), ("bills", "bills", 0, 1)]) };
        add_snapshot(&store, &other).await;
        add_snapshot(&store, &Snapshot { group_id: "more".to_owned(), ..snapshot(NOW, [("orders", "orders", 0, 9)]) }).await;
        let inventory = read(&store).await;
        assert_eq!(inventory.series.len(), 3);
        assert_eq!(
            [("orders", 9), ("orders@2", 8), ("bills", 1)].map(|(folder, _)| backed_up(&inventory, folder, 0)),
            [Some(9), Some(8), Some(1)]
        );
    }

    #[tokio::test]
    async fn a_partition_that_lost_its_end_counts_for_the_folder_that_it_was_in() {
        let store = MemoryStore::new();
        let mut diverged = snapshot(NOW, [("orders", "orders@2", 1, 4), ("orders", "orders", 0, 50)]);
        diverged.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap().diverged = true;
        add_snapshot(&store, &diverged).await;
        let inventory = read(&store).await;
        assert_eq!((backed_up(&inventory, "orders", 0), backed_up(&inventory, "orders@2", 0)), (Some(50), None));
    }

    /// A run takes its snapshot before it stores records.
    #[tokio::test]
    async fn what_runs_stored_after_the_newest_snapshot_counts() {
        let store = MemoryStore::new();
        let series = names::snapshot_prefix(Some("kafka-1"), "backup");
        add_snapshot(&store, &snapshot(NOW - DAY, [("orders", "orders", 0, 7), ("bills", "bills", 0, 5)])).await;
        for (at, folder, end) in [(NOW - 2 * DAY, "gone", 3), (NOW - 60_000, "orders", 9), (NOW - 50_000, "orders", 12), (NOW, "new", 1)] {
            let ends = [(folder.to_owned(), [(0, end)].into())].into();
            RunEnds::new(at, ends, None).write(&store, &series).await.unwrap();
        }
        let inventory = read(&store).await;
        let found = [("orders", 12), ("bills", 5), ("new", 1)];
        assert_eq!(found.map(|(folder, _)| backed_up(&inventory, folder, 0)), found.map(|(_, end)| Some(end)));
        assert!(!inventory.folders.contains_key("gone"), "the snapshot includes what came before it");
        let missing = inventory.missing("orders", 0, Some(9)).unwrap();
        assert!(missing.what.contains("offsets 9 to 12 of orders/0") && missing.what.contains(&format!("{series}ends/")), "{missing:?}");
        let one = Inventory::read(&store, Some("new"), NOW).await.unwrap();
        assert_eq!(one.folders.keys().collect::<Vec<_>>(), ["new"]);

        // The snapshot of a clock that is ahead does not hide them.
        add_snapshot(&store, &snapshot(NOW + 3_600_000, [("orders", "orders", 0, 9)])).await;
        assert_eq!(backed_up(&read(&store).await, "orders", 0), Some(12));
        // The next snapshot includes them, and they are not read any more.
        add_snapshot(&store, &snapshot(NOW + 900_000, [("orders", "orders", 0, 12)])).await;
        store.overwrite(&names::run_ends(&series, NOW - 1_000, "00000000"), "damaged");
        let later = Inventory::read(&store, None, NOW + 900_000).await.unwrap();
        assert_eq!((backed_up(&later, "orders", 0), later.unreadable.len()), (Some(12), 0), "{later:?}");
        assert_eq!(read(&store).await.unreadable.len(), 1);
    }

    #[tokio::test]
    async fn a_missing_newest_snapshot_is_noticed_by_the_run_that_took_it() {
        let store = MemoryStore::new();
        let series = names::snapshot_prefix(Some("kafka-1"), "backup");
        add_snapshot(&store, &snapshot(NOW - 900_000, [("orders", "orders", 0, 7)])).await;
        let newest = add_snapshot(&store, &snapshot(NOW - 300_000, [("orders", "orders", 0, 7)])).await;
        let ends = [("orders".to_owned(), [(0, 9)].into())].into();
        RunEnds::new(NOW - 200_000, ends, Some(newest.clone())).write(&store, &series).await.unwrap();
        assert!(read(&store).await.unreadable.is_empty());
        store.delete(&newest).await.unwrap();
        let found = read(&store).await;
        let [(name, error)] = &found.unreadable[..] else { panic!("{found:?}") };
        assert!(*name == newest && !error.is_retryable(), "{error}");
        assert!(error.to_string().contains("this snapshot is missing") && error.to_string().contains("/ends/"), "{error}");
        // A later one includes what was in it.
        add_snapshot(&store, &snapshot(NOW, [("orders", "orders", 0, 9)])).await;
        assert!(read(&store).await.unreadable.is_empty());
    }

    /// `status` runs every few minutes.
    #[tokio::test]
    async fn of_a_series_the_newest_days_and_the_runs_since_cost_a_few_requests() {
        let store = MemoryStore::new();
        for day in (1..400).rev() {
            add_snapshot(&store, &snapshot(NOW - day * DAY, [("orders", "orders", 0, 500 - day)])).await;
        }
        add_snapshot(&store, &snapshot(NOW - 300 * DAY - 900_000, [("bills", "bills", 0, 5)])).await;
        let other = Snapshot { cluster_id: None, ..snapshot(NOW, [("users", "users", 0, 1)]) };
        add_snapshot(&store, &other).await;
        let series = names::snapshot_prefix(Some("kafka-1"), "backup");
        let gone = names::snapshot(&series, NOW - 600_000);
        let ends = [("new".to_owned(), [(0, 9)].into())].into();
        RunEnds::new(NOW - 500_000, ends, Some(gone.clone())).write(&store, &series).await.unwrap();
        let days = Snapshots::of(&store).days(&series).await.unwrap();
        let counting = store::testing::CountingStore::new(Arc::new(store));
        let lately = Inventory::lately(&counting, &series, &days, NOW).await.unwrap();
        assert_eq!(lately.folders.keys().collect::<Vec<_>>(), ["new", "orders"]);
        assert_eq!(lately.unreadable.iter().map(|(name, _)| name).collect::<Vec<_>>(), [&gone]);
        assert!(counting.counts().total() <= 8, "{:?}", counting.counts());
    }

    #[tokio::test]
    async fn what_is_missing_is_told_with_the_snapshot_that_knows() {
        let store = MemoryStore::new();
        let name = add_snapshot(&store, &snapshot(NOW, [("orders", "orders", 0, 7), ("orders", "orders", 1, 0)])).await;
        let inventory = read(&store).await;
        let missing = |partition, end| inventory.missing("orders", partition, end);
        assert_eq!([missing(0, Some(7)), missing(0, Some(900)), missing(1, None), missing(2, None)], [const { None }; 4]);
        let (all, end) = (missing(0, None).unwrap(), missing(0, Some(5)).unwrap());
        assert!(all.is_all && all.what.contains("every segment of orders/0") && all.what.contains(&name), "{all:?}");
        assert!(!end.is_all && end.what.contains("offsets 5 to 7 of orders/0") && end.what.contains(&name), "{end:?}");
        assert!(inventory.missing_folder("orders").unwrap().contains(&name));
        assert_eq!((inventory.missing_folder("bills"), inventory.partitions("orders").collect::<Vec<_>>()), (None, vec![0]));
    }

    #[tokio::test]
    async fn a_topic_without_a_record_has_a_folder_all_the_same() {
        let store = MemoryStore::new();
        let mut empty = snapshot(NOW, [("orders", "orders", 0, 0), ("new", "new", 0, 0)]);
        empty.topics.get_mut("new").unwrap().folder = None;
        empty.topics.get_mut("orders").unwrap().partitions.clear();
        add_snapshot(&store, &empty).await;
        assert_eq!(read(&store).await.folders.keys().collect::<Vec<_>>(), ["orders"]);
    }

    #[tokio::test]
    async fn a_clock_that_is_ahead_hides_nothing() {
        let store = MemoryStore::new();
        add_snapshot(&store, &snapshot(NOW + 300 * DAY, [("old", "old", 0, 7)])).await;
        add_snapshot(&store, &snapshot(NOW + 5 * 3_600_000, [("orders", "orders", 0, 7)])).await;
        add_snapshot(&store, &snapshot(NOW, [("orders", "orders", 0, 9)])).await;
        let inventory = read(&store).await;
        assert_eq!([("old", 7), ("orders", 9)].map(|(folder, _)| backed_up(&inventory, folder, 0)), [Some(7), Some(9)]);
        assert!(inventory.warnings.len() == 2 && inventory.warnings[0].contains("/180500Z.json.gz"), "{:?}", inventory.warnings);
    }

    #[tokio::test]
    async fn one_bad_snapshot_is_noted_and_hides_no_other() {
        let store = MemoryStore::new();
        add_snapshot(&store, &snapshot(NOW - DAY, [("orders", "orders", 0, 7)])).await;
        add_snapshot(&store, &snapshot(NOW - 2 * DAY, [("orders", "../bills", 0, 9)])).await;
        store.overwrite("@cluster/kafka-1/backup/2026/11/29/130500Z.json.gz", "damaged");
        let inventory = read(&store).await;
        assert_eq!(backed_up(&inventory, "orders", 0), Some(7));
        let bad: Vec<_> = inventory.unreadable.iter().map(|(name, _)| names::parse_snapshot(name).unwrap().1).collect();
        assert_eq!(bad, [NOW - 2 * DAY, NOW]);

        let away = |_, name: &str| if name.ends_with("130500Z.json.gz") { Fault::Before(StoreErrorKind::Unavailable) } else { Fault::None };
        let away = FaultyStore::new(Arc::new(store), away);
        assert!(Inventory::read(&away, None, NOW).await.unwrap_err().is_retryable());
    }

    #[tokio::test]
    async fn snapshots_that_are_all_gone_are_missed() {
        let store = MemoryStore::new();
        let name = add_snapshot(&store, &snapshot(NOW, [])).await;
        let of = Generation { snapshots: Some("@cluster/kafka-1/backup/".to_owned()), ..generation("orders") };
        assert_eq!(read(&store).await.missing_series(&of), None);
        store.delete(&name).await.unwrap();
        let inventory = read(&store).await;
        let told = inventory.missing_series(&of).unwrap();
        assert!(told.contains("@cluster/kafka-1/backup/") && told.contains("orders/topic.json"), "{told}");
        assert_eq!(inventory.missing_series(&generation("orders")), None);
    }
}
