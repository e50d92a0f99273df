//! `local-runner list --snapshots`: the states of the cluster, and how much of each is in the
//! bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use archive::Error;
use archive::catalog::{BackedUp, Completeness, Inventory, PartitionStates, SnapshotEntry, SnapshotSummary, Snapshots, names, summaries};
use archive::segment::chain_ends;
use futures::future::ready;
use futures::stream::{self, StreamExt};
use kafka::TopicId;
use kernel::clock::{Clock, Millis, SystemClock};
use serde::Serialize;
use store::ObjectStore;

use crate::cli::BucketArgs;
use crate::output::{Output, Rows, bytes, moment, table, time, with_problems};
use crate::patience::Patience;
use crate::places::{CONCURRENT, folder_of, places};
use crate::setup::{self, Screen};

/// Every snapshot of this time is listed, and the newest of each earlier day.
const ALL_OF: Millis = 24 * 3_600_000;

/// A snapshot. Its contents are absent if it cannot be read.
#[derive(Debug, Default, Serialize)]
struct Row {
    /// Its name in the bucket.
    name: String,
    /// The time in its name: the end of its interval.
    time: String,
    /// Its moment, rounded up to a second: RESTORE_AS_OF at this time or later finds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    /// The cluster, and the GROUP_ID of the backup, as in the name.
    series: String,
    topics: Option<usize>,
    partitions: Option<usize>,
    /// Partitions whose log at that time is completely in the bucket.
    complete: Option<usize>,
    groups: Option<usize>,
    /// Why groups can be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_note: Option<String>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Partitions that no later snapshot knows to be backed up: index into `Listing::open`, and log
    /// end.
    #[serde(skip)]
    open: Vec<(usize, i64)>,
}

impl Row {
    /// Both have the same format, so they sort as text.
    fn shown_time(&self) -> &str {
        self.as_of.as_deref().unwrap_or(&self.time)
    }
}

/// The column that distinguishes the clusters, or the backups, of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) heading: &'static str,
    cell: fn(&str) -> String,
}

impl Column {
    /// For these series, as in the names of snapshots: cluster, then GROUP_ID. `None` if all are of
    /// one.
    pub(crate) fn of<'s>(series: impl IntoIterator<Item = &'s str>) -> Option<Self> {
        let all: BTreeSet<(&str, &str)> = series.into_iter().filter_map(|series| series.split_once('/')).collect();
        let clusters = all.iter().map(|(cluster, _)| cluster).collect::<BTreeSet<_>>().len();
        let groups = all.iter().map(|(_, group)| group).collect::<BTreeSet<_>>().len();
        let cluster: fn(&str) -> String = |series| series.split('/').next().unwrap_or_default().to_owned();
        let group: fn(&str) -> String = |series| series.split('/').nth(1).unwrap_or_default().to_owned();
        match (clusters, groups) {
            (..2, ..2) => None,
            (_, 1) => Some(Self { heading: "CLUSTER", cell: cluster }),
            (1, _) => Some(Self { heading: "GROUP_ID", cell: group }),
            _ => Some(Self { heading: "CLUSTER/GROUP_ID", cell: str::to_owned }),
        }
    }

    /// The cell of a series.
    pub(crate) fn cell(self, series: &str) -> String {
        (self.cell)(series)
    }
}

/// The series of a snapshot: cluster and GROUP_ID, as in its name.
pub(crate) fn series_of(snapshot: &str) -> &str {
    let series = names::parse_snapshot(snapshot).map_or("", |(series, _)| series);
    series.trim_start_matches(names::SNAPSHOTS).trim_end_matches('/')
}

/// Lists snapshots. Returns whether each of them could be read.
pub(crate) async fn run(args: &BucketArgs, all: bool, output: &Output) -> Result<bool> {
    let bucket = setup::bucket(args, Screen::plain(output)).await?;
    let topic = bucket.topic.as_deref().map(|only| names::parse_topic(only).map_or(only, |(topic, _)| topic));
    let mut patience = Patience::default();
    let mut listed = Rows::new(*output);
    let ended = list(&bucket.store, topic, all, SystemClock.now(), &mut patience, &mut listed).await;
    listed.end(rows_table);
    ended?;
    if listed.is_empty() {
        output.answer(&format!("no snapshots{}", bucket.place()));
    }
    Ok(patience.is_untried())
}

async fn list(
    store: &Arc<dyn ObjectStore>,
    topic: Option<&str>,
    all: bool,
    now: Millis,
    patience: &mut Patience,
    listed: &mut Rows<Row>,
) -> Result<(), Error> {
    let mut entries = Vec::new();
    for series in Snapshots::of(store.as_ref()).series().await? {
        entries.extend(of_series(store.as_ref(), &series, all, now).await?);
    }
    if entries.is_empty() {
        // topic.json records that there were some: then their loss is reported.
        for place in places(store.as_ref(), topic, Some(&Inventory::default())).await? {
            if let Err(error) = place.partition {
                let name = place.folder;
                patience.settle(Err::<(), _>(error), |error| listed.add(Row { name, error: Some(error), ..Row::default() }))?;
            }
        }
        return Ok(());
    }
    // Newest first: a later snapshot can complete an earlier one.
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    let (mut listing, mut found) = (Listing { topic, ..Listing::default() }, Vec::new());
    let show = |entry: SnapshotEntry, summary: Result<SnapshotSummary, Error>| {
        let row = listing.row(&entry, summary.as_ref().ok());
        found.push((row, summary.map(drop)));
    };
    summaries(store.as_ref(), entries, show).await;
    let ends = listing.ends(store).await;
    // Names of several series, or of two intervals, do not order moments.
    found.sort_by(|(one, _), (other, _)| other.shown_time().cmp(one.shown_time()));
    for (mut row, read) in found.into_iter().rev() {
        let is_backed_up = |(partition, end): &&(usize, i64)| matches!(ends.get(partition), Some(next) if next >= end);
        row.complete = row.complete.map(|known| known + row.open.iter().filter(is_backed_up).count());
        let settled = patience.settle(read, |error| row.error = Some(error));
        listed.add(row);
        settled?;
    }
    Ok(())
}

/// The snapshots of a series that are listed.
async fn of_series(store: &dyn ObjectStore, series: &str, all: bool, now: Millis) -> Result<Vec<SnapshotEntry>, Error> {
    let snapshots = Snapshots::of(store);
    let mut found = if all { Vec::new() } else { snapshots.newest_of_each_day(series, now).await? };
    // Days are sorted by name, so the wanted ones are the last.
    let since = now.saturating_sub(ALL_OF);
    let first = names::snapshot(series, since);
    for day in snapshots.days(series).await? {
        // `first` is in the folder of its day.
        if all || first.starts_with(&day) || day > first {
            found.extend(snapshots.of_day(&day).await?.into_iter().filter(|entry| all || entry.at > since));
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found.dedup();
    Ok(found)
}

/// What later snapshots say, while earlier ones are read.
#[derive(Debug, Default)]
struct Listing<'t> {
    /// Only this topic counts.
    topic: Option<&'t str>,
    backed_up: BackedUp,
    /// Folders of topics in the snapshots that were read: the oldest one that knows it.
    folders: BTreeMap<Topic, String>,
    numbers: BTreeMap<(Folder, i32), usize>,
    /// Partitions whose chains must be read, by index.
    open: Vec<(Folder, i32)>,
}

/// A topic of a series, whatever its folder.
type Topic = (String, String, Option<TopicId>);

/// A folder, or the topic of a snapshot that does not know it yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Folder {
    Known(String),
    Of(Topic),
}

impl Listing<'_> {
    fn row(&mut self, entry: &SnapshotEntry, summary: Option<&SnapshotSummary>) -> Row {
        let series = series_of(&entry.name).to_owned();
        let mut row = Row { name: entry.name.clone(), time: time(entry.at), series, bytes: entry.size, ..Row::default() };
        let Some(summary) = summary else { return row };
        row.as_of = Some(moment(summary.until));
        let (groups, why) = summary.groups();
        row.groups = groups;
        row.groups_note = why.map(|why| format!("{}: {why}", if groups.is_some() { "partial" } else { "absent" }));
        let topics: Vec<_> = summary.topics.iter().filter(|(topic, _)| self.topic.is_none_or(|only| only == *topic)).collect();
        self.backed_up.add(summary);
        let (mut partitions, mut complete) = (0, 0);
        for (name, topic) in &topics {
            let key = || (row.series.clone(), (*name).clone(), topic.id.clone());
            if let Some(folder) = &topic.folder {
                self.folders.insert(key(), folder.clone());
            }
            for state in topic.states() {
                partitions += 1;
                match self.backed_up.judge(state) {
                    Completeness::Complete => complete += 1,
                    Completeness::Open => {
                        let folder = state.folder.map_or_else(|| self.folder_of(key()), |folder| Folder::Known(folder.to_owned()));
                        row.open.extend(state.log.map(|log| (self.number((folder, state.partition)), log.end)));
                    }
                    Completeness::Diverged | Completeness::Unknown => {}
                }
            }
        }
        (row.topics, row.partitions, row.complete) = (Some(topics.len()), Some(partitions), Some(complete));
        row
    }

    /// A snapshot of a first backup has no folder yet. The next one does.
    fn folder_of(&self, topic: Topic) -> Folder {
        self.folders.get(&topic).map_or_else(|| Folder::Of(topic.clone()), |folder| Folder::Known(folder.clone()))
    }

    /// How far the chains reach, by index. Those that cannot be read, and folders that do not
    /// exist, are left out: the partitions do not count as complete.
    async fn ends(self, store: &Arc<dyn ObjectStore>) -> BTreeMap<usize, i64> {
        let topics: BTreeSet<&Topic> =
            self.open.iter().filter_map(|(folder, _)| if let Folder::Of(topic) = folder { Some(topic) } else { None }).collect();
        let look = |topic: &'_ Topic| {
            let topic = topic.clone();
            async move {
                let found = folder_of(store.as_ref(), &topic.1, topic.2.as_ref()).await;
                Some((topic, found.ok()??))
            }
        };
        let found: BTreeMap<Topic, String> = stream::iter(topics).map(look).buffer_unordered(CONCURRENT).filter_map(ready).collect().await;
        let places = self.open.iter().enumerate().filter_map(|(index, (folder, partition))| {
            let folder = match folder {
                Folder::Known(folder) => folder,
                Folder::Of(topic) => found.get(topic)?,
            };
            Some((index, (folder.clone(), *partition, 0)))
        });
        let (numbers, places): (Vec<usize>, Vec<_>) = places.unzip();
        let ends = numbers.into_iter().zip(chain_ends(store, places).await);
        ends.filter_map(|(number, end)| Some((number, end.ok()??))).collect()
    }

    fn number(&mut self, key: (Folder, i32)) -> usize {
        let next = self.open.len();
        let number = *self.numbers.entry(key.clone()).or_insert(next);
        if number == next {
            self.open.push(key);
        }
        number
    }
}

fn rows_table(rows: &[Row]) -> String {
    let column = Column::of(rows.iter().map(|row| row.series.as_str()));
    let count = |count: Option<usize>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let complete = |row: &Row| match (row.complete, row.partitions) {
        (Some(complete), Some(partitions)) if complete == partitions => "all".to_owned(),
        (Some(complete), Some(partitions)) => format!("{complete} of {partitions}"),
        _ => "-".to_owned(),
    };
    let groups = |row: &Row| match (&row.groups_note, row.groups) {
        (Some(note), None) => note.split(':').next().unwrap_or_default().to_owned(),
        (Some(_), Some(groups)) => format!("{groups}, partial"),
        (None, groups) => count(groups),
    };
    let cells = |row: &Row| {
        let named = if row.time.is_empty() { &row.name } else { &row.time };
        let name = row.as_of.as_ref().unwrap_or(named).clone();
        [name, count(row.topics), count(row.partitions), complete(row), groups(row), bytes(row.bytes)]
    };
    let text = match column {
        None => table(["AS OF", "TOPICS", "PARTITIONS", "COMPLETE", "GROUPS", "STORED"], rows.iter().map(cells)),
        Some(column) => {
            let headings = ["AS OF", column.heading, "TOPICS", "PARTITIONS", "COMPLETE", "GROUPS", "STORED"];
            let with_series = |row: &Row| {
                let [name, topics, partitions, complete, groups, stored] = cells(row);
                [name, column.cell(&row.series), topics, partitions, complete, groups, stored]
            };
            table(headings, rows.iter().map(with_series))
        }
    };
    with_problems(text, rows.iter().filter_map(|row| row.error.as_ref()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use archive::catalog::{LogSnapshot, Snapshot, Told};
    use archive::testing;
    use store::testing::MemoryStore;

    use super::*;
    use crate::testing::{add_segment, add_topic_with};

    const DAY: Millis = 24 * 3_600_000;
    /// 2026-11-29T13:05:00Z
    const NOW: Millis = 1_795_957_500_000;

    /// Adds a snapshot of one partition with this committed offset and log end.
    async fn add(store: &MemoryStore, at: Millis, backed_up: i64, end: i64, change: impl FnOnce(&mut Snapshot)) -> String {
        let mut snapshot = testing::snapshot(at, [("orders", "orders", 0, backed_up)]);
        let partition = snapshot.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap();
        partition.log = Some(LogSnapshot { log_start: 0, end, high_watermark: end });
        change(&mut snapshot);
        testing::add_snapshot(store, &snapshot).await
    }

    async fn rows(store: &MemoryStore, all: bool) -> Vec<Row> {
        let (mut patience, mut rows) = (Patience::default(), Rows::new(Output::new(false)));
        let store: Arc<dyn ObjectStore> = Arc::new(store.clone());
        list(&store, None, all, NOW, &mut patience, &mut rows).await.unwrap();
        assert_eq!(patience.is_untried(), rows.kept.iter().all(|row| row.error.is_none()));
        rows.kept
    }

    #[tokio::test]
    async fn a_snapshot_is_complete_once_a_later_one_or_the_chain_has_reached_its_ends() {
        let store = MemoryStore::new();
        add_segment(&store, "orders", 0, 0..25).await;
        for (ago, backed_up, end) in [(3, 5, 10), (2, 10, 20), (1, 19, 25), (0, 19, 26)] {
            add(&store, NOW - ago * 300_000, backed_up, end, |_| {}).await;
        }
        let complete: Vec<_> = rows(&store, false).await.iter().map(|row| (row.partitions, row.complete)).collect();
        assert_eq!(complete, [1, 1, 1, 0].map(|complete| (Some(1), Some(complete))), "the last one is short of an offset");
    }

    /// A backup takes its snapshot first, then stores the records.
    #[tokio::test]
    async fn the_snapshot_of_a_first_backup_is_complete_once_its_records_are_stored() {
        let store = MemoryStore::new();
        let without_folder = |snapshot: &mut Snapshot| {
            let topic = snapshot.topics.get_mut("orders").unwrap();
            (topic.folder, topic.id) = (None, Some("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()));
            topic.partitions.get_mut(&0).unwrap().backed_up = None;
        };
        let complete = async || rows(&store, false).await.iter().map(|row| row.complete.unwrap()).collect::<Vec<_>>();
        add(&store, NOW - 900_000, 0, 10, without_folder).await;
        add(&store, NOW - 600_000, 0, 11, without_folder).await;
        assert_eq!(complete().await, [0, 0], "nothing was stored");
        add_topic_with(&store, "orders", |topic| topic.topic_id = Some("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()));
        add_segment(&store, "orders", 0, 0..10).await;
        assert_eq!(complete().await, [1, 0]);
        add_topic_with(&store, "orders", |topic| topic.topic_id = Some("BBBBBBBBBBBBBBBBBBBBBB".parse().unwrap()));
        assert_eq!(complete().await, [0, 0], "another topic has the name now");
        // A later snapshot knows the folder.
        add(&store, NOW - 300_000, 8, 10, |snapshot| {
            snapshot.topics.get_mut("orders").unwrap().id = Some("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap());
        })
        .await;
        assert_eq!(complete().await, [1, 0, 1]);
    }

    #[tokio::test]
    async fn a_log_that_is_another_one_is_never_complete() {
        let store = MemoryStore::new();
        add(&store, NOW, 9, 5, |snapshot| snapshot.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap().diverged = true).await;
        assert_eq!(rows(&store, false).await[0].complete, Some(0));
    }

    #[tokio::test]
    async fn of_older_days_the_newest_is_listed_and_all_of_them_when_asked() {
        let store = MemoryStore::new();
        for quarter in 0..40 {
            add(&store, NOW - quarter * DAY / 4, 1, 1, |_| {}).await;
        }
        let listed = rows(&store, false).await;
        assert_eq!((listed.len(), rows(&store, true).await.len()), (4 + 10 - 1, 40));
        assert!(listed.is_sorted_by_key(|row| row.time.clone()), "{listed:?}");
        assert_eq!(listed.last().unwrap().time, "2026-11-29T13:05:00Z");
    }

    #[tokio::test]
    async fn missing_groups_of_a_snapshot_are_shown() {
        let store = MemoryStore::new();
        add(&store, NOW, 1, 1, |snapshot| snapshot.groups = Told::Absent("no right".to_owned())).await;
        let partial = |snapshot: &mut Snapshot| {
            snapshot.group_id = "other".to_owned();
            snapshot.groups = Told::Partial { known: BTreeMap::new(), why: "no right".to_owned() };
        };
        let bad = add(&store, NOW - 300_000, 1, 1, partial).await;
        let text = rows_table(&rows(&store, false).await);
        assert!(text.contains("absent") && text.contains("0, partial"), "{text}");
        let cells: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!((cells[0][2], cells[1][1], cells[2][1]), ("GROUP_ID", "other", "backup"), "{text}");
        store.overwrite(&bad, "damaged");
        let listed = rows(&store, false).await;
        assert!(listed[0].error.as_ref().unwrap().contains(&bad) && listed[0].topics.is_none() && listed[1].error.is_none(), "{listed:?}");
    }

    #[tokio::test]
    async fn of_two_clusters_each_row_has_its_cluster_and_rows_are_in_the_order_of_moments() {
        let store = MemoryStore::new();
        let of = |cluster: &str, seconds: u64| {
            let cluster = cluster.to_owned();
            move |snapshot: &mut Snapshot| (snapshot.cluster_id, snapshot.interval_seconds) = (Some(cluster), seconds)
        };
        add(&store, NOW - 600_000, 1, 1, of("one", 3_600)).await;
        add(&store, NOW - 300_000, 1, 1, of("two", 300)).await;
        let text = rows_table(&rows(&store, false).await);
        let cells: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!((cells[0][2], cells[1][1], cells[2][1]), ("CLUSTER", "one", "two"), "{text}");
        let heading = |series: &[&str]| Column::of(series.iter().copied()).map(|column| column.heading);
        assert_eq!(heading(&["a/g", "a/g"]), None);
        assert_eq!(heading(&["a/g", "b/h"]), Some("CLUSTER/GROUP_ID"));
    }

    #[tokio::test]
    async fn a_loss_of_all_snapshots_is_reported() {
        let store = MemoryStore::new();
        assert!(rows(&store, false).await.is_empty());
        add_topic_with(&store, "orders", |topic| topic.snapshots = Some("@cluster/kafka-1/backup/".to_owned()));
        let listed = rows(&store, false).await;
        assert!(listed.len() == 1 && listed[0].error.as_ref().unwrap().contains("all snapshots"), "{listed:?}");
    }
}
