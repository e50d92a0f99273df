//! The partitions of a generation: what exists of them in the bucket, and what should.

use std::collections::BTreeMap;

use store::ObjectStore;

use crate::Result;
use crate::catalog::{Generation, Generations, Lineage, names};

/// Where a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder of its generation.
    pub folder: String,
    /// Whether the folder contains anything of it.
    pub is_there: bool,
    /// Whether it had a segment according to `topic.json`: if nothing of it exists, it was lost.
    pub has_begun: bool,
}

/// The partitions of one generation, each with its folder: those that `topic.json` counts, and
/// those that have a folder. Without `topic.json` (`None`), only the latter. One request per
/// folder.
///
/// # Errors
/// An error of the store.
pub async fn places_of(store: &dyn ObjectStore, folder: &str, lineage: Option<&Lineage>) -> Result<BTreeMap<i32, Place>> {
    let found = partition_folders(store, folder).await?;
    places_beside(store, folder, found, lineage).await
}

impl Generations<'_> {
    /// A generation, with the older ones that partitions of it are in, and where each partition is.
    /// What does not depend on each other is asked for at the same time.
    ///
    /// # Errors
    /// As [`lineage`](Self::lineage).
    pub async fn with_places(&self, generation: u32) -> Result<(Option<Lineage>, BTreeMap<i32, Place>)> {
        let folder = names::topic_folder(self.topic, generation);
        let (lineage, found) = futures::join!(self.lineage(generation), partition_folders(self.store, &folder));
        let lineage = lineage?;
        let places = places_beside(self.store, &folder, found?, lineage.as_ref()).await?;
        Ok((lineage, places))
    }
}

/// The same where these partitions were found in the folder.
async fn places_beside(store: &dyn ObjectStore, folder: &str, found: Vec<i32>, lineage: Option<&Lineage>) -> Result<BTreeMap<i32, Place>> {
    let mut places: BTreeMap<i32, Place> = BTreeMap::new();
    for (partition, folder, has_begun) in lineage.into_iter().flat_map(Lineage::counted) {
        places.insert(partition, Place { folder, is_there: false, has_begun });
    }
    let mut all = vec![(folder.to_owned(), found)];
    for older in lineage.into_iter().flat_map(Lineage::all).map(Generation::folder).filter(|older| older != folder) {
        let found = partition_folders(store, &older).await?;
        all.push((older, found));
    }
    for (folder, found) in all {
        for partition in found {
            if lineage.is_some_and(|lineage| lineage.of(partition).folder() != folder) {
                continue;
            }
            let place = places.entry(partition).or_insert_with(|| Place { folder: folder.clone(), is_there: true, has_begun: false });
            place.is_there = true;
        }
    }
    Ok(places)
}

/// The partitions that have a folder in a topic's folder, in order of their names.
///
/// # Errors
/// An error of the store.
pub async fn partition_folders(store: &dyn ObjectStore, folder: &str) -> Result<Vec<i32>> {
    let found = store.folders(&format!("{folder}/")).await?;
    Ok(found.iter().filter_map(|name| names::parse_partition(names::file_name(name))).collect())
}
