//! The snapshots of a series, newest first. Days are listed and snapshots are read on demand.

use std::sync::Arc;

use archive::Result;
use archive::catalog::{Snapshot, SnapshotEntry, Snapshots};
use kernel::clock::{self, Millis};
use store::ObjectStore;

#[derive(Debug)]
pub(super) struct History<'a> {
    store: &'a dyn ObjectStore,
    now: Millis,
    /// Days that are not listed yet, the newest last.
    days: Vec<String>,
    /// The newest two.
    newest_days: Vec<String>,
    entries: Vec<SnapshotEntry>,
    /// Those with a name in the future and a moment in the past, the oldest moment first.
    early: Vec<(Millis, SnapshotEntry)>,
    /// The snapshot that was read last.
    last: Option<(usize, Arc<Snapshot>)>,
    to_come: usize,
    notes: Vec<String>,
}

impl<'a> History<'a> {
    pub(super) async fn of(store: &'a dyn ObjectStore, series: &str, now: Millis) -> Result<Self> {
        let days = Snapshots::of(store).days(series).await?;
        let newest_days = days[days.len().saturating_sub(2)..].to_vec();
        Ok(Self { store, now, days, newest_days, entries: Vec::new(), early: Vec::new(), last: None, to_come: 0, notes: Vec::new() })
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

    /// The newest two days with snapshots.
    pub(super) fn newest_days(&self) -> &[String] {
        &self.newest_days
    }

    /// Anomalies, for people.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    async fn list_another_day(&mut self) -> Result<bool> {
        let Some(day) = self.days.pop() else {
            let rest = !self.early.is_empty();
            self.entries.extend(self.early.drain(..).rev().map(|(_, entry)| entry));
            return Ok(rest);
        };
        for entry in Snapshots::of(self.store).of_day(&day).await?.into_iter().rev() {
            if entry.is_to_come(self.now) {
                self.place_early(entry).await?;
                continue;
            }
            while let Some((_, early)) = self.early.pop_if(|(until, _)| *until > entry.at) {
                self.entries.push(early);
            }
            self.entries.push(entry);
        }
        Ok(true)
    }

    /// A name is rounded up to SNAPSHOT_SECONDS, so the moment of one in the future must be read.
    async fn place_early(&mut self, entry: SnapshotEntry) -> Result<()> {
        if !entry.is_of_the_future(self.now) {
            let until = Snapshot::read(self.store, &entry.name).await?.until;
            if clock::age(until, self.now) != Millis::MAX {
                self.early.push((until, entry));
                self.early.sort_by_key(|(until, _)| *until);
                return Ok(());
            }
        }
        self.to_come += 1;
        if self.to_come == 1 {
            self.notes.push(format!(
                "{} is ignored: its time is in the future, because the clock that wrote it was ahead",
                self.store.location(&entry.name)
            ));
        }
        Ok(())
    }
}
