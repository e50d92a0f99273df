//! What a restore as of the newest snapshot does not include: what was stored after that snapshot,
//! and newer snapshots.

use std::collections::BTreeMap;

use archive::Result;
use archive::catalog::{Inventory, Moment, names};
use config::AsOf;
use kernel::clock::{Millis, rfc3339};
use kernel::in_full;

use crate::source::Source;
use crate::{Restore, RestoreReport};

/// What is newer in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Newer {
    /// A snapshot: the request is the newest one, and this restore began with an older one.
    Snapshot(String),
    /// Only records.
    Records(String),
}

impl Newer {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Snapshot(text) | Self::Records(text) => text,
        }
    }
}

impl Restore {
    /// Adds to the report of a finished restore what is newer in the bucket. Not being able to tell
    /// is a note, too.
    pub async fn tell_of_newer(&self, report: &mut RestoreReport) {
        if !self.is_of_latest() {
            return;
        }
        let newer = async {
            let Some(noted) = self.noted().await? else { return Ok(None) };
            let sources = self.sources_of(&noted.topics).await?;
            self.newer(&noted.snapshots, &sources.iter().collect::<Vec<_>>()).await
        };
        match newer.await {
            Ok(newer) => report.notes.extend(newer.map(|newer| newer.text().to_owned())),
            Err(error) => report.notes.push(format!("it is unknown whether the bucket has newer records: {}", in_full(&error))),
        }
    }

    /// Whether the newest snapshot was requested.
    pub(crate) fn is_of_latest(&self) -> bool {
        self.settings.as_of == Some(AsOf::Latest)
    }

    /// What is newer than these snapshots, whose cuts the sources have.
    ///
    /// # Errors
    /// An error of the bucket.
    pub(crate) async fn newer(&self, snapshots: &[String], sources: &[&Source]) -> Result<Option<Newer>> {
        let used: BTreeMap<&str, Millis> = snapshots.iter().filter_map(|name| names::parse_snapshot(name)).collect();
        for (series, at) in used {
            let newest = Moment::newest(self.store.as_ref(), series, None, self.clock.now()).await?;
            if let Some((entry, moment)) = newest.filter(|(entry, _)| entry.at > at) {
                return Ok(Some(Newer::Snapshot(format!(
                    "{} is newer, as of {}. This restore began with an older snapshot and stays with it. To restore the newer one, set \
                     another RESTORE_ID; its target topics must not exist",
                    entry.name,
                    rfc3339(moment.until)
                ))));
            }
        }
        let inventory = self.inventory().await?;
        let left: Vec<i64> = sources.iter().flat_map(|source| left_out(inventory, source)).collect();
        let text = match left.iter().copied().fold(0, i64::saturating_add) {
            0 => return Ok(None),
            offsets => format!(
                "{offsets} offsets in {} partition(s) were backed up after this snapshot, and are not restored. A restore without \
                 RESTORE_AS_OF includes them: decide before you begin, because target topics must not exist",
                left.len()
            ),
        };
        Ok(Some(Newer::Records(text)))
    }
}

/// For each partition that was backed up beyond its cut, how far.
fn left_out(inventory: &Inventory, source: &Source) -> Vec<i64> {
    let of = |(partition, cut): (&i32, &i64)| {
        let kept = inventory.folders.get(&source.folder_of(*partition))?.partitions.get(partition)?;
        Some(kept.backed_up.saturating_sub(*cut)).filter(|left| *left > 0)
    };
    source.cuts.iter().flatten().filter_map(of).collect()
}
