//! `local-runner list --groups`: the consumer groups of a snapshot.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use archive::catalog::{GroupSnapshot, Moment, Snapshot, Snapshots, names};
use kernel::clock::{Clock, Millis, SystemClock, rfc3339};
use serde::Serialize;
use store::ObjectStore;

use crate::cli::BucketArgs;
use crate::output::{Output, Rows, counted, moment, table, with_lines};
use crate::setup::{self, Screen};
use crate::snapshots::{Column, series_of};

/// A consumer group in a snapshot.
#[derive(Debug, Serialize)]
struct Row {
    /// Its name.
    group: String,
    /// At the snapshot: `Stable`, `Empty`, …
    state: String,
    /// The moment of the snapshot, rounded up to a second: RESTORE_AS_OF at this time finds it.
    as_of: String,
    /// Name of the snapshot in the bucket.
    snapshot: String,
    /// Id of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    /// Offsets between its commits and the ends of the logs then, of the topics in the snapshot.
    lag: i64,
    /// The next offset to read, by topic and partition.
    offsets: BTreeMap<String, BTreeMap<i32, i64>>,
    /// Topics with commits that the snapshot does not have: they are not backed up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_backed_up: Vec<String>,
    /// Why its offsets, or some of them, are unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Lists the groups of the newest snapshot, or of the newest one that is not later than `as_of`.
pub(crate) async fn run(args: &BucketArgs, as_of: Option<Millis>, output: &Output) -> Result<bool> {
    let bucket = setup::bucket(args, Screen::plain(output)).await?;
    let topic = bucket.topic.as_deref().map(|only| names::parse_topic(only).map_or(only, |(topic, _)| topic));
    let found = snapshots(bucket.store.as_ref(), as_of, SystemClock.now()).await?;
    if found.is_empty() {
        let when = as_of.map_or_else(String::new, |time| format!(" of {} or before", rfc3339(time)));
        bail!("there is no snapshot{when} at {}: list --snapshots lists the existing ones", bucket.store.location(names::SNAPSHOTS));
    }
    let (mut rows, mut totals) = (Rows::new(*output), Vec::new());
    for (name, snapshot) in &found {
        let listed = rows_of(name, snapshot, topic);
        totals.push(total(name, snapshot, listed.len()));
        listed.into_iter().for_each(|row| rows.add(row));
    }
    let column = Column::of(found.iter().map(|(name, _)| series_of(name)));
    rows.end(|rows| rows_table(rows, column));
    // Below a table of groups, and alone where there are none.
    output.answer(with_lines(String::new(), "snapshot", &totals).trim_start());
    Ok(true)
}

/// The snapshot of each series at this time, with its name.
async fn snapshots(store: &dyn ObjectStore, as_of: Option<Millis>, now: Millis) -> Result<Vec<(String, Snapshot)>> {
    let mut found = Vec::new();
    for series in Snapshots::of(store).series().await? {
        if let Some((entry, _)) = Moment::newest(store, &series, as_of, now).await? {
            let snapshot = Snapshot::read(store, &entry.name).await?;
            found.push((entry.name, snapshot));
        }
    }
    Ok(found)
}

/// The groups of a snapshot; with `topic`, only those with commits on it, and only these commits.
fn rows_of(name: &str, snapshot: &Snapshot, topic: Option<&str>) -> Vec<Row> {
    let groups = snapshot.groups.known().into_iter().flatten();
    groups.filter_map(|(group, of)| Row::of(name, snapshot, group, of, topic)).collect()
}

impl Row {
    fn of(name: &str, snapshot: &Snapshot, group: &str, of: &GroupSnapshot, topic: Option<&str>) -> Option<Self> {
        let mut row = Self {
            group: group.to_owned(),
            state: of.state.clone(),
            as_of: moment(snapshot.until),
            snapshot: name.to_owned(),
            cluster_id: snapshot.cluster_id.clone(),
            lag: 0,
            offsets: BTreeMap::new(),
            not_backed_up: Vec::new(),
            why: of.why.clone(),
        };
        for (name, committed) in of.offsets.iter().filter(|(name, _)| topic.is_none_or(|only| only == *name)) {
            let offsets: BTreeMap<i32, i64> = committed.iter().map(|(number, at)| (*number, at.offset)).collect();
            match snapshot.topics.get(name) {
                Some(then) => {
                    let end = |number: &i32| then.partitions.get(number)?.log.map(|log| log.end);
                    row.lag += offsets.iter().filter_map(|(number, next)| Some((end(number)? - next).max(0))).sum::<i64>();
                }
                None => row.not_backed_up.push(name.clone()),
            }
            row.offsets.insert(name.clone(), offsets);
        }
        (topic.is_none() || !row.offsets.is_empty()).then_some(row)
    }

    fn notes(&self) -> String {
        let not_backed_up = format!("not backed up: {}", self.not_backed_up.join(", "));
        let not_backed_up = Some(not_backed_up).filter(|_| !self.not_backed_up.is_empty());
        self.why.iter().cloned().chain(not_backed_up).collect::<Vec<_>>().join("; ")
    }
}

fn rows_table(rows: &[Row], column: Option<Column>) -> String {
    let cells = |row: &Row| {
        [
            row.group.clone(),
            row.state.clone(),
            row.offsets.len().to_string(),
            row.offsets.values().map(BTreeMap::len).sum::<usize>().to_string(),
            row.lag.to_string(),
            row.notes(),
        ]
    };
    let Some(column) = column else {
        return table(["GROUP", "STATE", "TOPICS", "PARTITIONS", "LAG", "NOTES"], rows.iter().map(cells));
    };
    let with_series = |row: &Row| {
        let [group, state, topics, partitions, lag, notes] = cells(row);
        [group, column.cell(series_of(&row.snapshot)), state, topics, partitions, lag, notes]
    };
    table(["GROUP", column.heading, "STATE", "TOPICS", "PARTITIONS", "LAG", "NOTES"], rows.iter().map(with_series))
}

/// The line of a snapshot below the table.
fn total(name: &str, snapshot: &Snapshot, groups: usize) -> String {
    let of = format!("as of {}, {name}", moment(snapshot.until));
    match (snapshot.groups.known(), snapshot.groups.why()) {
        (Some(_), None) => format!("{} {of}", counted(groups, "consumer group")),
        (Some(_), Some(why)) => format!("{} {of}; there can be more: {why}", counted(groups, "consumer group")),
        (None, why) => format!("no consumer groups {of}: {}", why.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use archive::catalog::{LogSnapshot, OffsetSnapshot, Told};
    use archive::testing::{self, add_snapshot};
    use store::testing::MemoryStore;

    use super::*;

    /// 2026-11-29T13:05:00Z
    const NOW: Millis = 1_795_957_500_000;

    fn group(offsets: &[(&str, i32, i64)]) -> GroupSnapshot {
        let mut group =
            GroupSnapshot { state: "Stable".to_owned(), kind: "Classic".to_owned(), simple: false, offsets: BTreeMap::new(), why: None };
        for (topic, number, offset) in offsets {
            let at = OffsetSnapshot { offset: *offset, metadata: String::new(), pending: false, moved: false, foreign: false };
            group.offsets.entry((*topic).to_owned()).or_default().insert(*number, at);
        }
        group
    }

    /// `orders` ends at 10, and these are the groups.
    fn seen(until: Millis, groups: &[(&str, GroupSnapshot)]) -> Snapshot {
        let mut seen = testing::snapshot(until, [("orders", "orders", 0, 10), ("bills", "bills", 0, 0)]);
        let log = LogSnapshot { log_start: 0, end: 10, high_watermark: 10 };
        seen.topics.get_mut("orders").unwrap().partitions.get_mut(&0).unwrap().log = Some(log);
        seen.groups = Told::All(groups.iter().map(|(name, group)| ((*name).to_owned(), group.clone())).collect());
        seen
    }

    #[tokio::test]
    async fn the_groups_of_the_newest_snapshot_or_of_a_moment_are_listed() {
        let store = MemoryStore::new();
        add_snapshot(&store, &seen(NOW - 600_000, &[("old", group(&[]))])).await;
        add_snapshot(&store, &seen(NOW - 300_001, &[("billing", group(&[("orders", 0, 7), ("other", 3, 5)])), ("idle", group(&[]))])).await;
        let listed = async |as_of, topic| {
            let found = snapshots(&store, as_of, NOW).await.unwrap();
            found.iter().flat_map(|(name, snapshot)| rows_of(name, snapshot, topic)).collect::<Vec<_>>()
        };
        let names = |rows: &[Row]| rows.iter().map(|row| row.group.clone()).collect::<Vec<_>>();
        let newest = listed(None, None).await;
        assert_eq!(names(&newest), ["billing", "idle"]);
        assert_eq!(
            (newest[0].lag, newest[0].as_of.as_str(), newest[0].notes().as_str()),
            (3, "2026-11-29T13:00:00Z", "not backed up: other")
        );
        assert_eq!(newest[0].offsets["orders"], BTreeMap::from([(0, 7)]));
        assert_eq!(names(&listed(None, Some("orders")).await), ["billing"]);
        assert_eq!(names(&listed(Some(NOW - 400_000), None).await), ["old"]);
        assert!(listed(Some(1), None).await.is_empty());
        let found = snapshots(&store, None, NOW).await.unwrap();
        let line = total(&found[0].0, &found[0].1, 2);
        assert!(line.starts_with("2 consumer groups as of 2026-11-29T13:00:00Z, @cluster/kafka-1/backup/2026/11/29/"), "{line}");
    }

    #[tokio::test]
    async fn of_two_clusters_each_row_has_its_cluster() {
        let store = MemoryStore::new();
        for cluster in ["one", "two"] {
            let seen = Snapshot { cluster_id: Some(cluster.to_owned()), ..seen(NOW - 300_000, &[("billing", group(&[]))]) };
            add_snapshot(&store, &seen).await;
        }
        let found = snapshots(&store, None, NOW).await.unwrap();
        let rows: Vec<Row> = found.iter().flat_map(|(name, snapshot)| rows_of(name, snapshot, None)).collect();
        let text = rows_table(&rows, Column::of(found.iter().map(|(name, _)| series_of(name))));
        let cells: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
        assert_eq!(cells, [["GROUP", "CLUSTER"], ["billing", "one"], ["billing", "two"]], "{text}");
    }

    #[test]
    fn a_name_from_the_bucket_moves_no_cursor_and_groups_that_were_not_told_have_a_reason() {
        let mut seen = seen(NOW, &[("\u{1b}[2Jevil\nready: all", group(&[("orders", 0, 7)]))]);
        let text = rows_table(&rows_of("x", &seen, None), None);
        assert!(text.lines().count() == 2 && !text.contains('\u{1b}'), "{text:?}");
        seen.groups = Told::Partial { known: BTreeMap::new(), why: "no right".to_owned() };
        assert!(total("x", &seen, 0).ends_with("x; there can be more: no right"));
        seen.groups = Told::Absent("no right".to_owned());
        assert!(total("x", &seen, 0).starts_with("no consumer groups as of"));
    }
}
