//! Where `list` and `verify` look: folders that exist, and folders that should exist.

use std::collections::{BTreeMap, BTreeSet};

use archive::Error;
use archive::catalog::{Generation, Generations, Inventory, Lineage, names, partition_folders, places_of};
use futures::stream::{self, StreamExt};
use kafka::TopicId;
use kernel::clock::{Clock, SystemClock};
use store::ObjectStore;

/// Topics that are listed at the same time.
pub(crate) const CONCURRENT: usize = 16;

/// A partition that has objects, or should have some.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: String,
    /// The generation of the folder, as people name it. The first one has its number once there are
    /// several.
    pub(crate) name: String,
    /// The error if the partitions of a topic cannot be listed.
    pub(crate) partition: Result<i32, Error>,
    /// `topic.json` records that there were segments.
    pub(crate) has_begun: bool,
    pub(crate) is_compacted: bool,
    /// The topic's id in `topic.json`.
    pub(crate) topic_id: Option<TopicId>,
    /// Whether `topic.json` exists. Segments always have one.
    pub(crate) has_topic_json: bool,
}

impl Place {
    fn unreadable(folder: &str, name: String, error: Error) -> Self {
        Self {
            folder: folder.to_owned(),
            name,
            partition: Err(error),
            has_begun: false,
            is_compacted: false,
            topic_id: None,
            has_topic_json: true,
        }
    }

    /// The problem if there is no segment.
    pub(crate) fn loss(&self, inventory: Option<&Inventory>) -> Option<String> {
        let partition = *self.partition.as_ref().ok()?;
        if let Some(missing) = inventory.and_then(|inventory| inventory.missing(&self.folder, partition, None)) {
            return Some(missing.what);
        }
        self.has_begun.then(|| format!("every segment of {}/{partition} is missing: topic.json records that it had some", self.folder))
    }
}

/// The folders of topics, with each partition in order.
pub(crate) type Places = Vec<Place>;

/// The inventory of all topics or of one, and the snapshots that cannot be read. It is read before
/// any partition is listed, so that a backup in the meantime does not look like a loss. `None` if
/// the snapshots cannot be listed.
pub(crate) async fn inventory(store: &dyn ObjectStore, only: Option<&str>) -> (Option<Inventory>, Places) {
    let topic = only.map(|only| names::parse_topic(only).map_or(only, |(topic, _)| topic));
    let of_snapshots = |name: &str, error| Place::unreadable(name.trim_end_matches('/'), name.trim_end_matches('/').to_owned(), error);
    match Inventory::read(store, topic, SystemClock.now()).await {
        Ok(mut inventory) => {
            inventory.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            let unreadable = std::mem::take(&mut inventory.unreadable);
            (Some(inventory), unreadable.into_iter().map(|(name, error)| of_snapshots(&name, error)).collect())
        }
        Err(error) => (None, vec![of_snapshots(names::SNAPSHOTS, error)]),
    }
}

/// The folders of all topics or of one, each with its name for people. A name with a number selects
/// that generation, another one the newest of each cluster.
async fn folders(store: &dyn ObjectStore, only: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    folders_among(store, store.folders("").await?, only).await
}

async fn folders_among(store: &dyn ObjectStore, mut folders: Vec<String>, only: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    let mut generations: BTreeMap<String, usize> = BTreeMap::new();
    for (topic, _) in folders.iter().filter_map(|folder| names::parse_topic_folder(folder)) {
        *generations.entry(topic.to_owned()).or_default() += 1;
    }
    if let Some((topic, number)) = only.and_then(names::parse_topic) {
        let wanted = match number {
            Some(number) => BTreeSet::from([number]),
            None => Generations::of(store, topic).newest_of_each_cluster().await?,
        };
        folders.retain(|folder| names::parse_topic_folder(folder).is_some_and(|(of, number)| of == topic && wanted.contains(&number)));
    } else if only.is_some() {
        folders.clear();
    }
    let named = folders.into_iter().filter_map(|folder| {
        let (topic, number) = names::parse_topic_folder(&folder)?;
        let is_alone = number == 1 && generations.get(topic) == Some(&1);
        let name = if is_alone { topic.to_owned() } else { names::generation(topic, number) };
        Some((folder, name))
    });
    Ok(named.collect())
}

/// In words: the generations that a topic's name without a number does not select.
pub(crate) async fn older(store: &dyn ObjectStore, only: Option<&str>) -> Result<Option<String>, Error> {
    let Some((topic, None)) = only.and_then(names::parse_topic) else { return Ok(None) };
    let (all, wanted) = (folders(store, None).await?, folders(store, only).await?);
    let left_out =
        all.into_iter().filter(|one| names::parse_topic_folder(&one.0).is_some_and(|(of, _)| of == topic) && !wanted.contains(one));
    let left_out: Vec<String> = left_out.map(|(_, name)| name).collect();
    let text = || format!("only the newest generation of {topic:?} is shown; older ones: {}. Select one with --topic", left_out.join(", "));
    Ok((!left_out.is_empty()).then(text))
}

/// The topics in the bucket, before the comparison with the inventory.
pub(crate) struct Topics {
    /// All folders.
    there: BTreeSet<String>,
    of: Vec<Topic>,
}

/// A folder of a topic.
struct Topic {
    folder: String,
    name: String,
    generation: Known,
    /// The partitions that have a folder in it. `None` if they are listed later, with those of
    /// older generations.
    partitions: Option<Result<Vec<i32>, Error>>,
}

impl Topics {
    /// Looks at all topics or at one. Independent requests are concurrent. An error of one topic is
    /// kept with it.
    pub(crate) async fn look(store: &dyn ObjectStore, only: Option<&str>) -> Result<Self, Error> {
        let there = store.folders("").await?;
        let folders = folders_among(store, there.clone(), only).await?;
        let look = |(folder, name): (String, String)| async move {
            let listed = async { if only.is_none() { Some(partition_folders(store, &folder).await) } else { None } };
            let (generation, partitions) = futures::join!(generation(store, &folder), listed);
            Topic { folder, name, generation, partitions }
        };
        let of = stream::iter(folders).map(look).buffered(CONCURRENT).collect().await;
        Ok(Self { there: there.into_iter().collect(), of })
    }
}

/// The partitions of all topics or of one, each in its folder. Includes partitions without objects
/// that topic.json or the inventory know.
pub(crate) async fn places(store: &dyn ObjectStore, only: Option<&str>, inventory: Option<&Inventory>) -> Result<Places, Error> {
    places_among(store, Topics::look(store, only).await?, only, inventory).await
}

/// The partitions of these topics.
pub(crate) async fn places_among(
    store: &dyn ObjectStore,
    topics: Topics,
    only: Option<&str>,
    inventory: Option<&Inventory>,
) -> Result<Places, Error> {
    // The partitions of a generation are in its own folder or in those that it continues. The
    // topic.json of those is no longer updated.
    let mut counted: BTreeMap<String, BTreeMap<i32, bool>> = BTreeMap::new();
    for (partition, folder, has_begun) in topics.of.iter().flat_map(|topic| counted_by(&topic.generation)) {
        *counted.entry(folder).or_default().entry(partition).or_default() |= has_begun;
    }
    for Topic { folder, .. } in &topics.of {
        for partition in inventory.into_iter().flat_map(|inventory| inventory.partitions(folder)) {
            counted.entry(folder.clone()).or_default().entry(partition).or_default();
        }
    }
    let listings = topics.of.into_iter().map(|Topic { folder, name, generation, partitions }| {
        let expected = counted.remove(&folder).unwrap_or_default();
        async move {
            let found = match (generation.as_ref().ok().and_then(Option::as_ref), partitions) {
                (Some(lineage), None) => partitions_of(store, &folder, lineage, inventory).await,
                (None, None) => partition_folders(store, &folder).await.map(|found| partitions_in(&folder, found, expected)),
                (_, Some(listed)) => listed.map(|found| partitions_in(&folder, found, expected)),
            };
            (folder, name, generation, found)
        }
    });
    let listings: Vec<_> = stream::iter(listings.collect::<Vec<_>>()).buffered(CONCURRENT).collect().await;
    let mut places = gone(store, topics.there, only, inventory).await?;
    let mut series: BTreeMap<String, Generation> = BTreeMap::new();
    for (folder, name, generation, found) in listings {
        let has_topic_json = !matches!(generation, Ok(None));
        let (lineage, newest) = match generation {
            Ok(lineage) => (lineage.clone(), lineage.map(|lineage| lineage.newest().clone())),
            // A generation that this one continues is missing.
            Err((error, newest)) => {
                places.push(Place::unreadable(&folder, name.clone(), error));
                (None, newest)
            }
        };
        for generation in lineage.iter().flat_map(Lineage::all).chain(&newest) {
            series.extend(generation.snapshots.clone().map(|prefix| (prefix, generation.clone())));
        }
        let known = |partition| {
            let lineage = lineage.as_ref().map(|lineage| lineage.of(partition));
            lineage.or(newest.as_ref()).filter(|generation| generation.begins(partition))
        };
        // A partition can be in the folder of an older generation.
        let name_of = |of: &str| match names::parse_topic_folder(of) {
            Some((topic, number)) if of != folder => names::generation(topic, number),
            _ => name.clone(),
        };
        match found {
            Ok(found) => places.extend(found.into_iter().map(|(partition, folder, has_begun)| Place {
                name: name_of(&folder),
                folder,
                partition: Ok(partition),
                has_begun,
                is_compacted: newest.as_ref().is_some_and(Generation::is_compacted),
                topic_id: known(partition).and_then(|generation| generation.topic_id.clone()),
                has_topic_json,
            })),
            Err(error) => places.push(Place::unreadable(&folder, name, error)),
        }
    }
    for (prefix, generation) in series {
        let missing = inventory.and_then(|inventory| inventory.missing_series(&generation));
        let prefix = prefix.trim_end_matches('/');
        places.extend(missing.map(|what| Place::unreadable(prefix, prefix.to_owned(), Error::lost(what))));
    }
    Ok(places)
}

/// Folders that were backed up and do not exist. Those that were not `there` are listed again:
/// their first backup may have ended between the listing of the folders and the reading of the
/// snapshots.
async fn gone(
    store: &dyn ObjectStore,
    mut there: BTreeSet<String>,
    only: Option<&str>,
    inventory: Option<&Inventory>,
) -> Result<Places, Error> {
    let Some(inventory) = inventory else { return Ok(Vec::new()) };
    let is_meant = |folder: &str| match (only.map(names::parse_topic), names::parse_topic_folder(folder)) {
        (None, _) => true,
        (Some(Some((topic, wanted))), Some((of, number))) => topic == of && wanted.is_none_or(|wanted| wanted == number),
        _ => false,
    };
    if inventory.folders.keys().any(|folder| !there.contains(folder) && is_meant(folder)) {
        there.extend(store.folders("").await?);
    }
    let gone = inventory.folders.keys().filter(|folder| !there.contains(*folder) && is_meant(folder));
    let place = |folder: &String| {
        let what = inventory.missing_folder(folder)?;
        Some(Place::unreadable(folder, folder.clone(), Error::lost(what)))
    };
    Ok(gone.filter_map(place).collect())
}

/// The partitions of one generation, each in its folder.
async fn partitions_of(
    store: &dyn ObjectStore,
    folder: &str,
    lineage: &Lineage,
    inventory: Option<&Inventory>,
) -> Result<Vec<(i32, String, bool)>, Error> {
    let places = places_of(store, folder, Some(lineage)).await?;
    let mut found: BTreeMap<i32, (String, bool)> =
        places.into_iter().map(|(partition, place)| (partition, (place.folder, place.has_begun))).collect();
    for folder in lineage.all().map(Generation::folder) {
        for partition in inventory.into_iter().flat_map(|inventory| inventory.partitions(&folder)) {
            if lineage.of(partition).folder() == folder {
                found.entry(partition).or_insert_with(|| (folder.clone(), false));
            }
        }
    }
    Ok(found.into_iter().map(|(partition, (folder, has_begun))| (partition, folder, has_begun)).collect())
}

/// topic.json and the generations that it continues. If one of those is missing: the error, and
/// topic.json alone if it can be read.
type Known = Result<Option<Lineage>, (Error, Option<Generation>)>;

async fn generation(store: &dyn ObjectStore, folder: &str) -> Known {
    let Some((topic, number)) = names::parse_topic_folder(folder) else { return Ok(None) };
    let generations = Generations::of(store, topic);
    match generations.lineage(number).await {
        Ok(lineage) => Ok(lineage),
        Err(error) => Err((error, generations.get(number).await.ok().flatten().map(|(alone, _)| alone))),
    }
}

/// The partitions that a generation counts: folder, and whether it had a segment. For topic.json
/// alone, those that began in it.
fn counted_by(generation: &Known) -> Vec<(i32, String, bool)> {
    match generation {
        Ok(lineage) => lineage.iter().flat_map(Lineage::counted).collect(),
        Err((_, None)) => Vec::new(),
        Err((_, Some(alone))) => {
            let begun_here = alone.all_partitions().into_iter().filter(|partition| alone.begins(*partition));
            begun_here.map(|partition| (partition, alone.folder(), alone.begun.contains(&partition))).collect()
        }
    }
}

/// The partitions that were found in one folder, and those that are expected in it.
fn partitions_in(folder: &str, found: Vec<i32>, mut expected: BTreeMap<i32, bool>) -> Vec<(i32, String, bool)> {
    for partition in found {
        expected.entry(partition).or_default();
    }
    expected.into_iter().map(|(partition, has_begun)| (partition, folder.to_owned(), has_begun)).collect()
}

/// The folder of a topic of a snapshot without one, because its backup had not begun: that of the
/// newest generation with its id.
pub(crate) async fn folder_of(store: &dyn ObjectStore, name: &str, id: Option<&TopicId>) -> Result<Option<String>, Error> {
    let generations = Generations::of(store, name);
    for number in generations.later().await?.into_iter().rev().chain([1]) {
        if let Some((generation, _)) = generations.get(number).await?
            && (generation.topic_id.as_ref() == id || generation.topic_id.is_none() || id.is_none())
        {
            return Ok(Some(names::topic_folder(name, number)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::{Delete, MemoryStore};

    use super::*;
    use crate::testing::add_segment;

    #[tokio::test]
    async fn folders_that_are_no_partitions_are_not_listed() {
        let store = MemoryStore::new();
        for partition in [0, 1] {
            add_segment(&store, "a", partition, 0..10).await;
        }
        for name in ["a/00/x", "a/+1/x", "a/-1/x", "a/more/x"] {
            store.overwrite(name, "x");
        }
        let places = places(&store, Some("a"), None).await.unwrap();
        assert_eq!(places.into_iter().map(|place| place.partition.unwrap()).collect::<Vec<_>>(), [0, 1]);
    }

    /// One of two partitions lost its end.
    #[tokio::test]
    async fn a_generation_is_listed_with_the_partitions_that_stayed_in_the_one_before() {
        let store = MemoryStore::new();
        crate::testing::add_topic(&store, "a");
        for partition in [0, 1] {
            add_segment(&store, "a", partition, 0..10).await;
        }
        store.overwrite(
            "a@2/topic.json",
            r#"{"format_version":1,"topic":"a","generation":2,"partitions":2,"configs":{},"packing":"gzip","reason":"truncated","begins":[1],"at":0}"#,
        );
        store.overwrite("a@2/1/00000000000000000000.tar.gz", "a segment");
        let listed = async |only| {
            let places = places(&store, only, None).await.unwrap();
            places.into_iter().map(|place| format!("{}/{}", place.folder, place.partition.unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(listed(Some("a@2")).await, ["a/0", "a@2/1"]);
        assert_eq!(listed(Some("a@1")).await, ["a/0", "a/1"]);
        assert_eq!(listed(Some("a")).await, ["a/0", "a@2/1"], "without a number it is the newest");
        let named = places(&store, Some("a"), None).await.unwrap();
        assert_eq!(named.iter().map(|place| place.name.as_str()).collect::<Vec<_>>(), ["a@1", "a@2"]);
        assert_eq!(listed(None).await, ["a/0", "a/1", "a@2/1"]);
        let note = older(&store, Some("a")).await.unwrap().unwrap();
        assert!(note.contains("older ones: a@1."), "{note}");
        assert_eq!(older(&store, Some("a@2")).await.unwrap(), None);
        store.delete("a/topic.json").await.unwrap();
        let without = places(&store, Some("a@2"), None).await.unwrap();
        let [one, other] = &without[..] else { panic!("{without:?}") };
        assert!(one.partition.as_ref().is_err_and(|error| error.to_string().contains("Restore it")), "{without:?}");
        assert_eq!(other.partition.as_ref().ok(), Some(&1));
    }
}
