//! `local-runner list`: what is in the bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use archive::Error;
use archive::catalog::{Generation, Generations, Lineage, SegmentEntry, list_segments, names, partition_folders, places_of, what_is_there};
use archive::segment::{Manifest, PythonName, ReadOptions, SegmentReader};
use kafka::TopicId;
use serde::Serialize;
use store::ObjectStore;

use crate::cli::BucketArgs;
use crate::output::{Output, Rows, bytes, table, with_problems};
use crate::patience::Patience;
use crate::setup;

/// What a partition has in the bucket.
#[derive(Debug, Default, Serialize)]
struct Row {
    folder: String,
    /// The generation as `--topic` and BACKUP_TOPIC_NAME take it: `orders` where it is the only one, else `orders@1`.
    name: String,
    /// Absent where the partitions of a topic cannot be listed.
    partition: Option<i32>,
    segments: u64,
    stored_bytes: u64,
    /// Covered offsets.
    from: Option<i64>,
    next: Option<i64>,
    /// When the last segment was written.
    last_backup: Option<String>,
    python_archives: u64,
    /// What could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A segment. What stands in its manifest is absent when that cannot be read.
#[derive(Debug, Default, Serialize)]
struct SegmentRow {
    /// Its name in the bucket; that of a folder where its segments cannot be listed.
    name: String,
    start: Option<i64>,
    next: Option<i64>,
    records: Option<u64>,
    bytes: u64,
    /// What could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Where there is something, or should be.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) folder: String,
    /// The generation that the folder is of, as people name it: the first one with its number, too, once there are several.
    pub(crate) name: String,
    /// Or why those of a topic cannot be listed.
    pub(crate) partition: Result<i32, Error>,
    /// The topic's `topic.json` says that there were segments.
    pub(crate) has_begun: bool,
    pub(crate) is_compacted: bool,
    /// What `topic.json` says of the topic's id.
    pub(crate) topic_id: Option<TopicId>,
}

impl Place {
    fn unreadable(folder: &str, name: String, error: Error) -> Self {
        Self { folder: folder.to_owned(), name, partition: Err(error), has_begun: false, is_compacted: false, topic_id: None }
    }

    /// What to say when there is nothing.
    pub(crate) fn loss(&self) -> Option<String> {
        let partition = self.partition.as_ref().ok().filter(|_| self.has_begun)?;
        Some(format!("every segment of {}/{partition} is missing: topic.json says that there were some", self.folder))
    }
}

/// The topics' folders, with each partition in order.
pub(crate) type Places = Vec<Place>;

/// Lists partitions, or segments. Whether all of it could be read: what cannot be is named in its row, and hides no other.
pub(crate) async fn run(args: &BucketArgs, segments: bool, output: &Output) -> Result<bool> {
    let bucket = setup::bucket(args, None).await?;
    let store = &bucket.store;
    let places = places(store.as_ref(), bucket.topic.as_deref()).await?;
    if places.is_empty() {
        let there = what_is_there(store.as_ref()).await?;
        anyhow::ensure!(bucket.topic.is_none(), "no backup{}; {there}", bucket.place());
        output.say(&format!("no backups{}; {there}", bucket.place()));
    }
    let mut patience = Patience::default();
    if segments {
        let mut rows = Rows::new(*output);
        let ended = list_segments_of(store, places, &mut patience, &mut rows).await;
        rows.end(segments_table);
        ended?;
    } else {
        let mut rows = Rows::new(*output);
        let ended = list_partitions(store, places, &mut patience, &mut rows).await;
        rows.end(rows_table);
        ended?;
    }
    if let Some(older) = older(store.as_ref(), bucket.topic.as_deref()).await? {
        output.say(&older);
    }
    Ok(patience.is_untried())
}

/// The folders of all topics, or those that a topic's name means: of one with a number this generation, else the newest of each cluster. With the
/// name that people give each of them.
async fn folders(store: &dyn ObjectStore, only: Option<&str>) -> Result<Vec<(String, String)>, Error> {
    let mut folders = store.folders("").await?;
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

/// Which generations a topic's name without a number leaves out, in words.
pub(crate) async fn older(store: &dyn ObjectStore, only: Option<&str>) -> Result<Option<String>, Error> {
    let Some((topic, None)) = only.and_then(names::parse_topic) else { return Ok(None) };
    let (all, wanted) = (folders(store, None).await?, folders(store, only).await?);
    let left_out =
        all.into_iter().filter(|one| names::parse_topic_folder(&one.0).is_some_and(|(of, _)| of == topic) && !wanted.contains(one));
    let left_out: Vec<String> = left_out.map(|(_, name)| name).collect();
    let text =
        || format!("only the newest generation of {topic:?}; older ones: {}. --topic with such a name looks at it", left_out.join(", "));
    Ok((!left_out.is_empty()).then(text))
}

/// All of them, or those that a topic's name means, each partition in the folder that it is in. Partitions that topic.json counts are among them,
/// whether there is anything of them or not.
pub(crate) async fn places(store: &dyn ObjectStore, only: Option<&str>) -> Result<Places, Error> {
    let mut folders = Vec::new();
    for (folder, name) in self::folders(store, only).await? {
        let generation = generation(store, &folder).await;
        folders.push((folder, name, generation));
    }
    // What a generation counts is in its own folder or in those that it continues, whose topic.json is not kept up to date any more.
    let mut counted: BTreeMap<String, BTreeMap<i32, bool>> = BTreeMap::new();
    for (partition, folder, has_begun) in folders.iter().flat_map(|(_, _, generation)| counted_by(generation)) {
        *counted.entry(folder).or_default().entry(partition).or_default() |= has_begun;
    }
    let mut places = Vec::new();
    for (folder, name, generation) in folders {
        let (lineage, newest) = match generation {
            Ok(lineage) => (lineage.clone(), lineage.map(|lineage| lineage.newest().clone())),
            // The one in which the others are is missing.
            Err((error, newest)) => {
                places.push(Place::unreadable(&folder, name.clone(), error));
                (None, newest)
            }
        };
        let found = match &lineage {
            Some(lineage) if only.is_some() => {
                let found = places_of(store, &folder, Some(lineage)).await;
                found.map(|found| found.into_iter().map(|(partition, place)| (partition, place.folder, place.has_begun)).collect())
            }
            _ => partitions_in(store, &folder, counted.remove(&folder).unwrap_or_default()).await,
        };
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
            })),
            Err(error) => places.push(Place::unreadable(&folder, name, error)),
        }
    }
    Ok(places)
}

/// What topic.json says, and the generations that it continues. Where one of those is missing: the error, and topic.json alone, if that can be read.
type Known = Result<Option<Lineage>, (Error, Option<Generation>)>;

async fn generation(store: &dyn ObjectStore, folder: &str) -> Known {
    let Some((topic, number)) = names::parse_topic_folder(folder) else { return Ok(None) };
    let generations = Generations::of(store, topic);
    match generations.lineage(number).await {
        Ok(lineage) => Ok(lineage),
        Err(error) => Err((error, generations.get(number).await.ok().flatten().map(|(alone, _)| alone))),
    }
}

/// The partitions that a generation counts, each with its folder, and whether a segment of it was known. Of topic.json alone, those that began in it.
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

/// The partitions in one folder, and those that are `expected` there.
async fn partitions_in(
    store: &dyn ObjectStore,
    folder: &str,
    mut expected: BTreeMap<i32, bool>,
) -> Result<Vec<(i32, String, bool)>, Error> {
    for partition in partition_folders(store, folder).await? {
        expected.entry(partition).or_default();
    }
    Ok(expected.into_iter().map(|(partition, has_begun)| (partition, folder.to_owned(), has_begun)).collect())
}

async fn list_partitions(store: &Arc<dyn ObjectStore>, places: Places, patience: &mut Patience, rows: &mut Rows<Row>) -> Result<(), Error> {
    for place in places {
        let loss = place.loss();
        let mut row = Row { folder: place.folder, name: place.name, partition: place.partition.as_ref().ok().copied(), ..Row::default() };
        let filled = match place.partition {
            Ok(partition) => fill(store, partition, &mut row).await,
            Err(error) => Err(error),
        };
        let filled = filled.and_then(|()| match loss {
            Some(loss) if row.segments == 0 => Err(Error::lost(loss)),
            _ => Ok(()),
        });
        let settled = patience.settle(filled, |error| row.error = Some(error));
        rows.add(row);
        settled?;
    }
    Ok(())
}

async fn fill(store: &Arc<dyn ObjectStore>, partition: i32, row: &mut Row) -> Result<(), Error> {
    let entries = segments(store.as_ref(), &row.folder, partition).await?;
    row.segments = entries.len() as u64;
    row.stored_bytes = entries.iter().map(|entry| entry.size).sum();
    row.from = entries.first().map(|entry| entry.start);
    row.python_archives = python_archives(store.as_ref(), &row.folder, partition).await?.len() as u64;
    if let Some(last) = entries.last() {
        let manifest = manifest(store, last).await?;
        row.next = Some(manifest.next);
        row.last_backup = Some(manifest.created_at);
    }
    Ok(())
}

async fn list_segments_of(
    store: &Arc<dyn ObjectStore>,
    places: Places,
    patience: &mut Patience,
    rows: &mut Rows<SegmentRow>,
) -> Result<(), Error> {
    for place in places {
        let loss = place.loss();
        let folder = place.folder;
        let (name, listed) = match place.partition {
            Ok(partition) => (names::partition_prefix(&folder, partition), segments(store.as_ref(), &folder, partition).await),
            Err(error) => (format!("{folder}/"), Err(error)),
        };
        let listed = listed.and_then(|entries| match loss {
            Some(loss) if entries.is_empty() => Err(Error::lost(loss)),
            _ => Ok(entries),
        });
        let listed = patience.settle(listed, |error| rows.add(SegmentRow { name, error: Some(error), ..SegmentRow::default() }))?;
        for entry in listed.unwrap_or_default() {
            if rows.are_unread() {
                return Ok(());
            }
            let mut row = SegmentRow { name: entry.name.clone(), start: Some(entry.start), bytes: entry.size, ..SegmentRow::default() };
            let settled = patience.settle(manifest(store, &entry).await, |error| row.error = Some(error));
            if let Ok(Some(manifest)) = &settled {
                (row.next, row.records) = (Some(manifest.next), Some(manifest.records));
            }
            rows.add(row);
            settled?;
        }
    }
    Ok(())
}

pub(crate) async fn manifest(store: &Arc<dyn ObjectStore>, entry: &SegmentEntry) -> Result<Manifest, Error> {
    Ok(SegmentReader::open(store.clone(), &entry.name, ReadOptions::default()).await?.manifest().clone())
}

/// The segments of a partition, in order.
pub(crate) async fn segments(store: &dyn ObjectStore, folder: &str, partition: i32) -> Result<Vec<SegmentEntry>, Error> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let (entries, go_on) = list_segments(store, folder, partition, &after).await?;
        found.extend(entries);
        match go_on {
            Some(name) => after = name,
            None => return Ok(found),
        }
    }
}

/// The Python tool's archives of a partition, in order, `current.bin` last.
pub(crate) async fn python_archives(store: &dyn ObjectStore, folder: &str, partition: i32) -> Result<Vec<String>, Error> {
    let prefix = names::partition_prefix(folder, partition);
    let (mut found, mut after) = (Vec::new(), format!("{prefix}1"));
    loop {
        let page = store.list(&prefix, &after, 1000).await?;
        found.extend(
            page.objects
                .iter()
                .filter(|object| PythonName::parse(names::file_name(&object.name)).is_some())
                .map(|object| object.name.clone()),
        );
        match page.objects.last() {
            Some(last) if page.more => after.clone_from(&last.name),
            _ => return Ok(found),
        }
    }
}

fn rows_table(rows: &[Row]) -> String {
    let text = table(
        ["PARTITION", "SEGMENTS", "STORED", "FROM", "NEXT OFFSET", "LAST BACKUP", "PYTHON ARCHIVES"],
        rows.iter().map(|row| {
            [
                row.partition.map_or_else(|| row.name.clone(), |partition| format!("{}/{partition}", row.name)),
                row.segments.to_string(),
                bytes(row.stored_bytes),
                or_dash(row.from),
                or_dash(row.next),
                or_dash(row.last_backup.as_ref()),
                row.python_archives.to_string(),
            ]
        }),
    );
    with_problems(text, rows.iter().filter_map(|row| row.error.as_ref()))
}

fn segments_table(rows: &[SegmentRow]) -> String {
    let text = table(
        ["SEGMENT", "START", "NEXT OFFSET", "RECORDS", "STORED"],
        rows.iter().map(|row| [row.name.clone(), or_dash(row.start), or_dash(row.next), or_dash(row.records), bytes(row.bytes)]),
    );
    with_problems(text, rows.iter().filter_map(|row| row.error.as_ref()))
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::StoreErrorKind;
    use store::testing::{Delete, Fault, MemoryStore};

    use super::*;
    use crate::testing::{add_segment, add_topic_with, failing};

    async fn store() -> MemoryStore {
        let store = MemoryStore::new();
        for (topic, partition, start) in [("a", 0, 0), ("a", 0, 10), ("a", 1, 0), ("b", 0, 5)] {
            add_segment(&store, topic, partition, start..start + 10).await;
        }
        store
    }

    async fn rows(store: Arc<dyn ObjectStore>) -> (Vec<Row>, bool) {
        let (mut patience, mut rows) = (Patience::default(), Rows::new(Output::new(false)));
        let places = places(store.as_ref(), None).await.unwrap();
        list_partitions(&store, places, &mut patience, &mut rows).await.unwrap();
        (rows.kept, patience.is_untried())
    }

    #[tokio::test]
    async fn one_bad_object_is_named_in_its_row_and_hides_no_other() {
        let damaged = store().await;
        damaged.overwrite("a/0/00000000000000000010.tar.gz", "no segment");
        let (found, sound) = rows(Arc::new(damaged)).await;
        assert!(!sound && found[0].error.as_ref().is_some_and(|error| error.contains("a/0/00000000000000000010.tar.gz")), "{found:?}");
        let facts: Vec<_> = found.iter().map(|row| (row.folder.as_str(), row.segments, row.from, row.next)).collect();
        assert_eq!(facts, [("a", 2, Some(0), None), ("a", 1, Some(0), Some(10)), ("b", 1, Some(5), Some(15))]);

        let faults = |_, name: &str| if name == "a/" { Fault::Before(StoreErrorKind::Denied) } else { Fault::None };
        let (found, sound) = rows(failing(store().await, faults)).await;
        assert!(!sound && found[0].partition.is_none() && found[0].error.is_some(), "{found:?}");
        assert_eq!((found.len(), found[1].next), (2, Some(15)));
    }

    #[tokio::test]
    async fn partitions_of_which_nothing_is_there_are_listed() {
        let store = store().await;
        add_topic_with(&store, "a", |topic| (topic.partitions, topic.begun) = (4, [0, 3].into()));
        let (found, sound) = rows(Arc::new(store)).await;
        let facts: Vec<_> = found.iter().map(|row| (row.partition, row.segments, row.error.is_some())).collect();
        assert_eq!(facts[..4], [(Some(0), 2, false), (Some(1), 1, false), (Some(2), 0, false), (Some(3), 0, true)]);
        assert!(!sound);
    }

    #[tokio::test]
    async fn a_topic_that_is_not_there_is_an_error_with_those_that_are() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("orders/0")).unwrap();
        let args = BucketArgs { bucket: Some(dir.path().to_owned()), topic: Some("ordres".to_owned()) };
        let error = run(&args, false, &Output::new(true)).await.unwrap_err().to_string();
        assert!(error.contains("\"ordres\"") && error.contains("there are: \"orders\""), "{error}");
    }

    #[tokio::test]
    async fn folders_that_are_no_partitions_are_not_listed() {
        let store = store().await;
        for name in ["a/00/x", "a/+1/x", "a/-1/x", "a/more/x"] {
            store.overwrite(name, "x");
        }
        let places = places(&store, Some("a")).await.unwrap();
        assert_eq!(places.into_iter().map(|place| place.partition.unwrap()).collect::<Vec<_>>(), [0, 1]);
    }

    /// Of two partitions one lost its end.
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
            let places = places(&store, only).await.unwrap();
            places.into_iter().map(|place| format!("{}/{}", place.folder, place.partition.unwrap())).collect::<Vec<_>>()
        };
        assert_eq!(listed(Some("a@2")).await, ["a/0", "a@2/1"]);
        assert_eq!(listed(Some("a@1")).await, ["a/0", "a/1"]);
        assert_eq!(listed(Some("a")).await, ["a/0", "a@2/1"], "without a number it is the newest");
        let named = places(&store, Some("a")).await.unwrap();
        assert_eq!(named.iter().map(|place| place.name.as_str()).collect::<Vec<_>>(), ["a@1", "a@2"]);
        assert_eq!(listed(None).await, ["a/0", "a/1", "a@2/1"]);
        let told = older(&store, Some("a")).await.unwrap().unwrap();
        assert!(told.contains("older ones: a@1."), "{told}");
        assert_eq!(older(&store, Some("a@2")).await.unwrap(), None);
        store.delete("a/topic.json").await.unwrap();
        let without = places(&store, Some("a@2")).await.unwrap();
        let [one, other] = &without[..] else { panic!("{without:?}") };
        assert!(one.partition.as_ref().is_err_and(|error| error.to_string().contains("Put it back")), "{without:?}");
        assert_eq!(other.partition.as_ref().ok(), Some(&1));
    }

    /// A partition that was added when another one had lost its end: it begins in the first generation, and only the second one counts it.
    #[tokio::test]
    async fn a_partition_is_missed_where_only_a_later_generation_knows_it() {
        let store = MemoryStore::new();
        crate::testing::add_topic(&store, "a");
        add_segment(&store, "a", 0, 0..10).await;
        store.overwrite(
            "a@2/topic.json",
            r#"{"format_version":1,"topic":"a","generation":2,"partitions":3,"begun":[2],"configs":{},"packing":"gzip","reason":"truncated","begins":[1],"at":0}"#,
        );
        let (found, sound) = rows(Arc::new(store)).await;
        let facts: Vec<_> = found.iter().map(|row| (row.folder.as_str(), row.partition, row.error.is_some())).collect();
        assert_eq!(facts, [("a", Some(0), false), ("a", Some(2), true), ("a@2", Some(1), false)]);
        assert!(!sound);
    }

    #[tokio::test]
    async fn segments_are_listed_by_the_names_that_show_takes() {
        let store = store().await;
        store.overwrite("a/1/00000000000000000000.tar.gz", "no segment");
        let (store, mut patience): (Arc<dyn ObjectStore>, _) = (Arc::new(store), Patience::default());
        let mut rows = Rows::new(Output::new(false));
        let places = places(store.as_ref(), None).await.unwrap();
        list_segments_of(&store, places, &mut patience, &mut rows).await.unwrap();
        let facts: Vec<_> = rows.kept.iter().map(|row| (row.name.as_str(), row.start, row.next, row.records)).collect();
        let expected = [
            ("a/0/00000000000000000000.tar.gz", Some(0), Some(10), Some(10)),
            ("a/0/00000000000000000010.tar.gz", Some(10), Some(20), Some(10)),
            ("a/1/00000000000000000000.tar.gz", Some(0), None, None),
            ("b/0/00000000000000000005.tar.gz", Some(5), Some(15), Some(10)),
        ];
        assert_eq!(facts, expected);
        assert!(rows.kept[2].error.is_some());
    }
}
