//! What a list of snapshots shows for each: its counts, and what its completeness depends on.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use kafka::TopicId;
use kernel::clock::Millis;
use serde::Deserialize;
use serde::de::IgnoredAny;
use store::ObjectStore;

use crate::Result;
use crate::catalog::snapshot_object::{Room, SnapshotPart, read_part};
use crate::catalog::snapshots::AT_ONCE;
use crate::catalog::{LogRange, MOST_PARTITIONS, PartitionState, PartitionStates, SnapshotEntry, Told};

/// A snapshot without the names in it.
#[derive(Debug, Deserialize)]
pub struct SnapshotSummary {
    format_version: u32,
    /// See [`Snapshot::from`](crate::catalog::Snapshot::from).
    pub from: Millis,
    /// See [`Snapshot::until`](crate::catalog::Snapshot::until).
    pub until: Millis,
    /// By name.
    pub topics: BTreeMap<String, TopicSummary>,
    groups: Told<BTreeMap<String, IgnoredAny>>,
}

/// A topic of a snapshot.
#[derive(Debug, Deserialize)]
pub struct TopicSummary {
    /// See [`TopicSnapshot::folder`](crate::catalog::TopicSnapshot::folder).
    #[serde(default)]
    pub folder: Option<String>,
    /// See [`TopicSnapshot::id`](crate::catalog::TopicSnapshot::id).
    #[serde(default)]
    pub id: Option<TopicId>,
    /// Number of partitions.
    pub partition_count: i32,
    #[serde(default)]
    partitions: BTreeMap<i32, PartitionSummary>,
}

#[derive(Debug, Deserialize)]
struct PartitionSummary {
    #[serde(default)]
    folder: Option<String>,
    #[serde(default)]
    backed_up: Option<i64>,
    #[serde(default)]
    log_start: Option<i64>,
    #[serde(default)]
    end: Option<i64>,
    #[serde(default)]
    diverged: bool,
}

impl SnapshotPart for SnapshotSummary {
    fn format_version(&self) -> u32 {
        self.format_version
    }
}

impl SnapshotSummary {
    /// How many consumer groups, and why there can be more.
    pub fn groups(&self) -> (Option<usize>, Option<&str>) {
        (self.groups.known().map(BTreeMap::len), self.groups.why())
    }
}

impl PartitionStates for TopicSummary {
    fn states(&self) -> impl Iterator<Item = PartitionState<'_>> {
        (0..self.partition_count.min(MOST_PARTITIONS)).map(|partition| {
            let of = self.partitions.get(&partition);
            PartitionState {
                folder: of.and_then(|of| of.folder.as_deref()).or(self.folder.as_deref()),
                partition,
                backed_up: of.and_then(|of| of.backed_up),
                log: of.and_then(|of| Some(LogRange { start: of.log_start?, end: of.end? })),
                diverged: of.is_some_and(|of| of.diverged),
            }
        })
    }
}

impl PartitionStates for SnapshotSummary {
    fn states(&self) -> impl Iterator<Item = PartitionState<'_>> {
        self.topics.values().flat_map(PartitionStates::states)
    }
}

/// Reads these snapshots, 16 in parallel, and shows them in this order. An unreadable one hides no
/// other.
pub async fn summaries(store: &dyn ObjectStore, entries: Vec<SnapshotEntry>, mut show: impl FnMut(SnapshotEntry, Result<SnapshotSummary>)) {
    let room = Room::default();
    let read = |entry: SnapshotEntry| {
        let room = &room;
        async move {
            let _room = room.of(entry.size).await;
            let read = read_part(store, &entry.name).await;
            (entry, read)
        }
    };
    let mut read = stream::iter(entries).map(read).buffered(AT_ONCE);
    while let Some((entry, read)) = read.next().await {
        show(entry, read);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;
    use crate::catalog::{LogSnapshot, Snapshots};
    use crate::testing::{add_snapshot, snapshot};

    #[tokio::test]
    async fn a_summary_counts_what_is_in_a_snapshot() {
        let store = MemoryStore::new();
        let mut of =
            snapshot(1_000, [("orders", "orders@2", 1, 4), ("orders", "orders", 0, 7), ("bills", "bills", 0, 1), ("gone", "gone", 0, 2)]);
        of.groups = Told::Partial { known: BTreeMap::new(), why: "no right".to_owned() };
        let partitions = &mut of.topics.get_mut("orders").unwrap().partitions;
        for (partition, end, diverged) in [(0, 9, false), (1, 3, true)] {
            let partition = partitions.get_mut(&partition).unwrap();
            partition.log = Some(LogSnapshot { log_start: 0, end, high_watermark: end });
            partition.diverged = diverged;
        }
        let gone = of.topics.get_mut("gone").unwrap().partitions.get_mut(&0).unwrap();
        gone.log = Some(LogSnapshot { log_start: 8, end: 8, high_watermark: 8 });
        add_snapshot(&store, &of).await;
        store.overwrite("@cluster/kafka-1/backup/1970/01/01/001000Z.json.gz", "damaged");
        let entries = Snapshots::of(&store).of_day("@cluster/kafka-1/backup/1970/01/01/").await.unwrap();
        let mut shown = Vec::new();
        summaries(&store, entries, |entry, summary| shown.push((entry.at, summary))).await;
        let [(300_000, Ok(found)), (600_000, Err(_))] = &shown[..] else { panic!("{shown:?}") };
        assert_eq!((found.until, found.topics.len(), found.groups()), (1_000, 3, (Some(0), Some("no right"))));
        assert!(found.states().eq(of.states()), "{found:?} is not {of:?}");
    }
    /// Anyone who can write to the bucket can change a snapshot.
    #[test]
    fn a_topic_has_no_more_partitions_than_any_topic_whatever_a_snapshot_says() {
        let mut of = snapshot(1_000, [("orders", "orders", 0, 7)]);
        of.topics.get_mut("orders").unwrap().partition_count = i32::MAX;
        let summary: SnapshotSummary = serde_json::from_value(serde_json::to_value(&of).unwrap()).unwrap();
        let most = usize::try_from(MOST_PARTITIONS).unwrap();
        assert_eq!((of.states().count(), summary.states().count()), (most, most));
    }
}
