//! The snapshots of a series, newest first. Days are listed and snapshots are read on demand.

use std::sync::Arc;

use archive::Result;
use archive::catalog::{Snapshot, SnapshotEntry, Snapshots};
use kernel::clock::Millis;
use store::ObjectStore;

#[derive(Debug)]
pub(super) struct History<'a> {
    store: &'a dyn ObjectStore,
    now: Millis,
    /// Days that are not listed yet, the newest last.
    days: Vec<String>,
    entries: Vec<SnapshotEntry>,
    /// The snapshot that was read last.
    last: Option<(usize, Arc<Snapshot>)>,
    to_come: usize,
    notes: Vec<String>,
}

impl<'a> History<'a> {
    pub(super) async fn of(store: &'a dyn ObjectStore, series: &str, now: Millis) -> Result<Self> {
        let days = Snapshots::of(store).days(series).await?;
        Ok(Self { store, now, days, entries: Vec::new(), last: None, to_come: 0, notes: Vec::new() })
    }

    /// The snapshot at this index, 0 for the newest; `None` after the oldest.
    ///
    /// # Errors
    /// The store fails, or the snapshot is damaged.
    pub(super) async fn read(&mut self, at: usize) -> Result<Option<Arc<Snapshot>>> {
        if let Some((_, last)) = self.last.as_ref().filter(|(of, _)| *of == at) {
            return Ok(Some(Arc::clone(last)));
        }
        while self.entries.len() <= at && self.list_another_day().await? {}
        let Some(entry) = self.entries.get(at) else { return Ok(None) };
        let snapshot = Arc::new(Snapshot::read(self.store, &entry.name).await?);
        self.last = Some((at, Arc::clone(&snapshot)));
        Ok(Some(snapshot))
    }

    /// The number of snapshots.
    ///
    /// # Errors
    /// The store fails.
    pub(super) async fn len(&mut self) -> Result<usize> {
        while self.list_another_day().await? {}
        Ok(self.entries.len())
    }

    /// Anomalies, for people.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    async fn list_another_day(&mut self) -> Result<bool> {
        let Some(day) = self.days.pop() else { return Ok(false) };
        for entry in Snapshots::of(self.store).of_day(&day).await?.into_iter().rev() {
            if entry.is_to_come(self.now) {
                self.to_come += 1;
                if self.to_come == 1 {
                    self.notes.push(format!(
                        "{} is ignored: its time is in the future, because the clock that wrote it was ahead",
                        self.store.location(&entry.name)
                    ));
                }
            } else {
                self.entries.push(entry);
            }
        }
        Ok(true)
    }
}
