//! What was backed up lately and is missing, as far as names show it: the newest snapshot, and the
//! folders of topics. One listing of the folders, and about six requests for a cluster.

use std::collections::BTreeSet;

use anyhow::Result;
use archive::catalog::{Inventory, TopicSnapshot};
use kernel::clock::Millis;
use kernel::in_full;
use store::ObjectStore;

/// What is missing.
#[derive(Debug)]
pub(super) struct Losses {
    inventory: Inventory,
    folders: BTreeSet<String>,
}

impl Losses {
    /// Compares what a series shows with the names in the bucket.
    pub(super) async fn look(store: &dyn ObjectStore, series: &str, days: &[String], now: Millis) -> Result<Self> {
        let inventory = Inventory::lately(store, series, days, now).await?;
        // After the inventory: the folder of a first backup is older than what lists it.
        let there: BTreeSet<String> = store.folders("").await?.into_iter().collect();
        let folders = inventory.folders.keys().filter(|folder| !there.contains(*folder)).cloned().collect();
        Ok(Self { inventory, folders })
    }

    /// The missing folders of a topic.
    pub(super) fn folders_of<'l>(&'l self, topic: &'l TopicSnapshot) -> impl Iterator<Item = &'l String> {
        let of_partitions = topic.partitions.values().filter_map(|partition| partition.folder.as_ref());
        let folders: BTreeSet<&String> = of_partitions.chain(&topic.folder).collect();
        self.folders.iter().filter(move |folder| folders.contains(folder))
    }

    /// Each of them, with the object that lists it.
    pub(super) fn told(&self) -> Vec<String> {
        let folders = self.folders.iter().filter_map(|folder| self.inventory.missing_folder(folder));
        self.inventory.unreadable.iter().map(|(_, error)| in_full(error)).chain(folders).collect()
    }
}
