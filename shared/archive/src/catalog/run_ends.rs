//! How far a run of a backup came, stored when it ends.
//!
//! A run takes its snapshot first, so the snapshot does not show what the run stored itself; the
//! next one does. Until then these objects do: without them, the loss of what the last run stored
//! would look as if it had never been stored.

use std::collections::VecDeque;

use kernel::clock::{Millis, SKEW};
use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind};

use crate::catalog::objects::short_hash;
use crate::catalog::snapshot_object::{LARGEST_JSON, LARGEST_OBJECT, SnapshotPart, pack, read_part};
use crate::catalog::{BackedUpEnds, names};
use crate::{Error, Result};

/// The most objects of a series that are read. More exist only if the backup took no snapshot in so
/// many runs, which is an error of each of these.
const MOST: usize = 2_000;
/// How far two clocks may differ: one is ahead, the other one behind.
const MARGIN: Millis = 2 * SKEW;

/// The content of `@cluster/<cluster id>/<GROUP_ID>/ends/<time>-<hash>.json.gz`. Created once,
/// never replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnds {
    format_version: u32,
    /// The end of the run.
    pub(super) at: Millis,
    /// The newest snapshot that the run knew: its own, or one that it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<String>,
    /// Where the chains ended that this run extended.
    pub(super) ends: BackedUpEnds,
}

impl SnapshotPart for RunEnds {
    const WHAT: &str = "the ends of a run";
    const KNOWN: u32 = Self::FORMAT;

    fn format_version(&self) -> u32 {
        self.format_version
    }
}

impl RunEnds {
    /// The current version.
    pub const FORMAT: u32 = 1;

    /// Of a run that ended at this time. Everything below these offsets is in the bucket, and so is
    /// this snapshot.
    pub fn new(at: Millis, ends: BackedUpEnds, snapshot: Option<String>) -> Self {
        Self { format_version: Self::FORMAT, at, snapshot, ends }
    }

    /// Creates the object. `series`: the name prefix of the snapshots of this cluster and backup.
    ///
    /// # Errors
    /// An error of the store, or too many partitions for one object.
    pub async fn write(&self, store: &dyn ObjectStore, series: &str) -> Result<()> {
        let body = pack(self, LARGEST_JSON, LARGEST_OBJECT)
            .map_err(|error| Error::unfit(format!("the ends of this run are not written: {error}")))?;
        let json = serde_json::to_vec(&self.ends).map_err(|error| Error::bug(error.to_string()))?;
        // Runs that end in one millisecond, for example of several shards.
        match store.create(&names::run_ends(series, self.at, &short_hash(&json, 4)), body).await {
            Ok(_) | Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// An error of the store, or an object that is damaged, too large or of a newer version.
    pub(super) async fn read(store: &dyn ObjectStore, name: &str) -> Result<Self> {
        let found: Self = read_part(store, name).await?;
        // The store refuses names that lead out of it.
        if let Some(folder) = found.ends.keys().find(|folder| names::parse_topic_folder(folder).is_none()) {
            let what = format!("{folder:?} is not the folder of a topic");
            return Err(StoreError::new(StoreErrorKind::Damaged, store.location(name), what).into());
        }
        Ok(found)
    }
}

/// The objects of a series that a snapshot from this time may not include, and how many more are
/// left out because they are too many (the oldest ones).
///
/// # Errors
/// An error of the store.
pub(super) async fn since(store: &dyn ObjectStore, series: &str, time: Millis) -> Result<(Vec<String>, usize)> {
    let prefix = names::run_ends_prefix(series);
    let mut after = names::before_run_ends(series, time.saturating_sub(MARGIN).max(0));
    let (mut found, mut left_out) = (VecDeque::new(), 0);
    loop {
        let page = store.list(&prefix, &after, 1000).await?;
        for object in page.objects {
            after.clone_from(&object.name);
            found.push_back(object.name);
        }
        let excess = found.len().saturating_sub(MOST);
        left_out += found.drain(..excess).count();
        if !page.more {
            return Ok((found.into(), left_out));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;

    const SERIES: &str = "@cluster/kafka-1/backup/";
    /// 2026-11-29T13:05:00Z
    const NOW: Millis = 1_795_957_500_000;

    fn ends(end: i64) -> BackedUpEnds {
        [("orders".to_owned(), [(0, end)].into())].into()
    }

    #[tokio::test]
    async fn two_runs_of_one_moment_are_two_objects_and_the_same_one_twice_is_one() {
        let store = MemoryStore::new();
        for end in [7, 8, 8] {
            RunEnds::new(NOW + 45, ends(end), None).write(&store, SERIES).await.unwrap();
        }
        let (found, left_out) = since(&store, SERIES, NOW).await.unwrap();
        assert_eq!((found.len(), left_out), (2, 0), "{found:?}");
        assert!(found[0].starts_with("@cluster/kafka-1/backup/ends/20261129T130500045Z-"), "{found:?}");
        let mut read = Vec::new();
        for name in &found {
            read.push(RunEnds::read(&store, name).await.unwrap().ends);
        }
        read.sort();
        assert_eq!(read, [ends(7), ends(8)]);
    }

    #[tokio::test]
    async fn those_before_a_snapshot_are_passed_over_and_of_too_many_the_newest_are_read() {
        let store = MemoryStore::new();
        for run in 0..2_500 {
            store.overwrite(&names::run_ends(SERIES, NOW + run * 1_000, "00000000"), "ends");
        }
        let (found, left_out) = since(&store, SERIES, NOW + 2_000_000 + MARGIN).await.unwrap();
        assert_eq!((found.len(), left_out), (500, 0));
        assert_eq!(found[0], names::run_ends(SERIES, NOW + 2_000_000, "00000000"));
        let (found, left_out) = since(&store, SERIES, i64::MIN).await.unwrap();
        assert_eq!((found.len(), left_out), (MOST, 500));
        assert_eq!(found.last().unwrap(), &names::run_ends(SERIES, NOW + 2_499_000, "00000000"));
    }

    #[tokio::test]
    async fn one_that_leads_elsewhere_or_is_of_a_newer_version_is_refused() {
        let name = names::run_ends(SERIES, NOW, "00000000");
        for (content, says) in [
            (RunEnds::new(NOW, [("@restore/orders".to_owned(), [(0, 1)].into())].into(), None), "folder of a topic"),
            (RunEnds { format_version: 2, ..RunEnds::new(NOW, ends(1), None) }, "newer version"),
        ] {
            let store = MemoryStore::new();
            store.create(&name, pack(&content, LARGEST_JSON, LARGEST_OBJECT).unwrap()).await.unwrap();
            let error = RunEnds::read(&store, &name).await.unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(&name), "{error}");
        }
    }
}
