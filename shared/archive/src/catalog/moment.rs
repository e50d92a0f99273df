//! The snapshot of a moment: the newest one that is not later.

use std::collections::BTreeMap;

use kernel::clock::Millis;
use serde::Deserialize;
use store::ObjectStore;

use crate::Result;
use crate::catalog::snapshot_object::{SnapshotPart, read_part};
use crate::catalog::{SnapshotEntry, Snapshots, TopicSnapshot};

/// The topics of a snapshot.
#[derive(Debug, Deserialize)]
pub struct Moment {
    format_version: u32,
    /// See [`Snapshot::cluster_id`](crate::catalog::Snapshot::cluster_id).
    #[serde(default)]
    pub cluster_id: Option<String>,
    /// See [`Snapshot::until`](crate::catalog::Snapshot::until): its moment.
    pub until: Millis,
    /// By name.
    pub topics: BTreeMap<String, TopicSnapshot>,
}

impl SnapshotPart for Moment {
    fn format_version(&self) -> u32 {
        self.format_version
    }
}

impl Moment {
    /// The newest snapshot of a series whose offsets had all been read by this time; with `None`,
    /// the newest one that is not in the future. Reads at most two snapshots, and lists as many
    /// days as have none.
    ///
    /// # Errors
    /// An error of the store; or the snapshot cannot be read.
    pub async fn newest(
        store: &dyn ObjectStore,
        series: &str,
        not_after: Option<Millis>,
        now: Millis,
    ) -> Result<Option<(SnapshotEntry, Self)>> {
        let snapshots = Snapshots::of(store);
        let days = snapshots.days(series).await?;
        let Some(time) = not_after else {
            for day in days.iter().rev() {
                let entries = snapshots.of_day(day).await?;
                if let Some(entry) = entries.into_iter().rev().find(|entry| !entry.is_to_come(now)) {
                    let moment = read_part(store, &entry.name).await?;
                    return Ok(Some((entry, moment)));
                }
            }
            return Ok(None);
        };
        // A name is a time rounded up, so of those named later only the first can be of a time that
        // is not later.
        let mut first_later = None;
        for day in days.iter().rev() {
            let (not_later, later): (Vec<_>, Vec<_>) = snapshots.of_day(day).await?.into_iter().partition(|entry| entry.at < time);
            first_later = later.into_iter().next().or(first_later);
            let Some(last) = not_later.into_iter().next_back() else { continue };
            if let Some(entry) = first_later {
                let moment: Self = read_part(store, &entry.name).await?;
                if moment.until <= time {
                    return Ok(Some((entry, moment)));
                }
            }
            let moment = read_part(store, &last.name).await?;
            return Ok(Some((last, moment)));
        }
        let Some(entry) = first_later else { return Ok(None) };
        let moment: Self = read_part(store, &entry.name).await?;
        Ok((moment.until <= time).then_some((entry, moment)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;
    use crate::testing::{add_snapshot, snapshot};

    const DAY: Millis = 86_400_000;
    /// 2026-11-29T13:05:00Z
    const NOW: Millis = 1_795_957_500_000;

    #[tokio::test]
    async fn the_newest_that_is_not_later_is_chosen_by_the_moment_that_it_is_of_and_not_by_its_name() {
        let store = MemoryStore::new();
        let untils = [NOW - 3 * DAY, NOW - 3 * DAY + 600_000, NOW - 1, NOW + 400 * DAY];
        let mut series = String::new();
        for until in untils {
            let name = add_snapshot(&store, &snapshot(until, [("orders", "orders", 0, 7)])).await;
            series = crate::catalog::names::parse_snapshot(&name).unwrap().0.to_owned();
        }
        let newest = async |at: Option<Millis>| Moment::newest(&store, &series, at, NOW).await.unwrap().map(|(_, moment)| moment.until);
        assert_eq!(newest(None).await, Some(NOW - 1), "the one of a clock far ahead has not come");
        assert_eq!(newest(Some(NOW - 1)).await, Some(NOW - 1), "its name is later");
        assert_eq!(newest(Some(NOW - 2)).await, Some(NOW - 3 * DAY + 600_000));
        assert_eq!(newest(Some(NOW - 3 * DAY + 599_999)).await, Some(NOW - 3 * DAY));
        assert_eq!(newest(Some(NOW - 3 * DAY)).await, Some(NOW - 3 * DAY));
        assert_eq!(newest(Some(NOW - 3 * DAY - 1)).await, None);
    }
}
