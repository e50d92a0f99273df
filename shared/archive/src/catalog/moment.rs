//! The snapshot of a moment: the newest one that is not later.

use std::collections::BTreeMap;

use kernel::clock::{Millis, SKEW};
use serde::Deserialize;
use store::ObjectStore;

use crate::Result;
use crate::catalog::snapshot_object::{SnapshotPart, read_part};
use crate::catalog::snapshots::LONGEST;
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
    /// See [`Snapshot::interval_seconds`](crate::catalog::Snapshot::interval_seconds).
    #[serde(default)]
    interval_seconds: u64,
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
    /// the newest one that is not in the future. Reads one or two snapshots, a few more next to a
    /// change of SNAPSHOT_SECONDS, and lists as many days as have none.
    ///
    /// # Errors
    /// An error of the store; or a snapshot cannot be read.
    pub async fn newest(
        store: &dyn ObjectStore,
        series: &str,
        not_after: Option<Millis>,
        now: Millis,
    ) -> Result<Option<(SnapshotEntry, Self)>> {
        let mut search = Search { store, limit: not_after.unwrap_or(now.saturating_add(SKEW)), best: None };
        let snapshots = Snapshots::of(store);
        let mut later: Vec<SnapshotEntry> = Vec::new();
        'days: for day in snapshots.days(series).await?.iter().rev() {
            let (before, after): (Vec<_>, Vec<_>) = snapshots.of_day(day).await?.into_iter().partition(|entry| entry.at <= search.limit);
            later.splice(0..0, after.into_iter().filter(|entry| entry.at <= search.limit.saturating_add(LONGEST)));
            if !before.is_empty() && !later.is_empty() && search.best.is_none() {
                // A name is its moment rounded up to the interval.
                search.look_at(later.remove(0)).await?;
            }
            for entry in before.into_iter().rev() {
                if !search.may_be_better(&entry) {
                    break 'days;
                }
                search.look_at(entry).await?;
            }
        }
        if search.has_gap() {
            for entry in with_long_interval(later) {
                search.look_at(entry).await?;
            }
        }
        Ok(search.best)
    }
}

/// Of names later than a time, those that can still be of a moment before it. Where the interval is
/// short that is the first one. Names of a longer interval, from before a change of
/// SNAPSHOT_SECONDS, are full hours in practice.
fn with_long_interval(later: Vec<SnapshotEntry>) -> impl Iterator<Item = SnapshotEntry> {
    later.into_iter().enumerate().filter(|(index, entry)| *index < 8 || entry.at % 3_600_000 == 0).map(|(_, entry)| entry)
}

/// The newest moment up to a limit. Names alone do not order moments: each is rounded up to the
/// interval of its time.
struct Search<'a> {
    store: &'a dyn ObjectStore,
    limit: Millis,
    best: Option<(SnapshotEntry, Moment)>,
}

impl Search<'_> {
    /// A moment is never after its name.
    fn may_be_better(&self, entry: &SnapshotEntry) -> bool {
        self.best.as_ref().is_none_or(|(_, best)| entry.at > best.until)
    }

    async fn look_at(&mut self, entry: SnapshotEntry) -> Result<()> {
        let moment: Moment = read_part(self.store, &entry.name).await?;
        if moment.until <= self.limit && self.best.as_ref().is_none_or(|(_, best)| moment.until > best.until) {
            self.best = Some((entry, moment));
        }
        Ok(())
    }

    /// Whether a snapshot is missing shortly before the limit: one of a longer interval may have a
    /// later name.
    fn has_gap(&self) -> bool {
        self.best.as_ref().is_none_or(|(_, best)| {
            let interval = Millis::try_from(best.interval_seconds).unwrap_or(0).saturating_mul(1000).min(LONGEST);
            self.limit.saturating_sub(best.until) > interval.saturating_add(SKEW)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;
    use crate::catalog::Snapshot;
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

    /// The name of a daily snapshot is the end of its day.
    #[tokio::test]
    async fn of_a_long_interval_the_newest_is_used_long_before_the_time_in_its_name() {
        let store = MemoryStore::new();
        let midnight = NOW - NOW % DAY;
        let minute = 60_000;
        let add = async |until: Millis, seconds: u64| {
            add_snapshot(&store, &Snapshot { interval_seconds: seconds, ..snapshot(until, [("orders", "orders", 0, 7)]) }).await
        };
        let name = add(midnight - DAY + minute, 86_400).await;
        add(midnight + minute, 86_400).await;
        let series = crate::catalog::names::parse_snapshot(&name).unwrap().0.to_owned();
        let newest =
            async |at: Option<Millis>, now| Moment::newest(&store, &series, at, now).await.unwrap().map(|(_, moment)| moment.until);
        assert_eq!(newest(None, NOW).await, Some(midnight + minute));
        assert_eq!(newest(Some(NOW), NOW).await, Some(midnight + minute));
        assert_eq!(newest(Some(midnight), NOW).await, Some(midnight - DAY + minute));

        // At 8:00 the interval becomes five minutes: newer moments have earlier names.
        let changed = midnight + 480 * minute;
        for slot in 0..61 {
            add(changed + 5 * slot * minute + 1000, 300).await;
        }
        let last = changed + 300 * minute + 1000;
        assert_eq!(newest(None, NOW).await, Some(last));
        assert_eq!(newest(Some(last - 1), NOW).await, Some(last - 5 * minute));
        assert_eq!(newest(Some(changed), NOW).await, Some(midnight + minute), "its name is far behind others");
        assert_eq!(newest(None, midnight + DAY + minute).await, Some(last), "its name was the last for a moment");
    }
}
