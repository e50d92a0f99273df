//! `local-runner list`: what is in the bucket.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use archive::Error;
use archive::catalog::{AllSegments, Inventory, SegmentEntry, names, what_is_there};
use archive::segment::{Manifest, PythonName, ReadOptions, SegmentReader};
use serde::Serialize;
use store::{Listed, ObjectStore};

use crate::cli::BucketArgs;
use crate::output::{Output, Rows, bytes, table, with_problems};
use crate::patience::Patience;
use crate::places::{Places, Topics, inventory, older, places_among};
use crate::setup::{self, Screen};

/// A plain list reads only the last manifest of a partition.
const NOT_CHECKED: &str = "list does not check that each segment continues the previous one: use list --segments or verify";

/// A partition in the bucket.
#[derive(Debug, Default, Serialize)]
struct Row {
    folder: String,
    /// The generation as in `--topic` and BACKUP_TOPIC_NAME: `orders` if it is the only one,
    /// otherwise `orders@1`.
    name: String,
    /// Absent if the partitions of a topic cannot be listed.
    partition: Option<i32>,
    segments: u64,
    stored_bytes: u64,
    /// The covered offsets.
    from: Option<i64>,
    next: Option<i64>,
    /// The time at which the last segment was written.
    last_backup: Option<String>,
    python_archives: u64,
    /// Why something could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A segment. Fields of its manifest are absent if that cannot be read.
#[derive(Debug, Default, Serialize)]
struct SegmentRow {
    /// Its name in the bucket, or that of a folder whose segments cannot be listed.
    name: String,
    start: Option<i64>,
    next: Option<i64>,
    records: Option<u64>,
    bytes: u64,
    /// Why something could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Lists partitions or segments. Returns whether all of it could be read. An object that cannot be
/// read is named in its row, and does not end the list.
pub(crate) async fn run(args: &BucketArgs, segments: bool, output: &Output) -> Result<bool> {
    let bucket = setup::bucket(args, Screen::plain(output)).await?;
    let store = &bucket.store;
    let only = bucket.topic.as_deref();
    let ((inventory, unreadable), topics) = futures::join!(inventory(store.as_ref(), only), Topics::look(store.as_ref(), only));
    let mut places = places_among(store.as_ref(), topics?, only, inventory.as_ref()).await?;
    places.extend(unreadable);
    let known = inventory.as_ref();
    if places.is_empty() {
        let there = what_is_there(store.as_ref()).await?;
        anyhow::ensure!(bucket.topic.is_none(), "no backup{}; {there}", bucket.place());
        output.answer(&format!("no backups{}; {there}", bucket.place()));
    }
    let mut patience = Patience::default();
    if segments {
        let mut rows = Rows::new(*output);
        let ended = list_segments_of(store, places, known, &mut patience, &mut rows).await;
        rows.end(segments_table);
        ended?;
    } else {
        let mut rows = Rows::new(*output);
        let ended = list_partitions(store, places, known, &mut patience, &mut rows).await;
        rows.end(rows_table);
        ended?;
        if rows.kept.iter().any(|row| row.segments > 1) {
            output.say(NOT_CHECKED);
        }
    }
    if let Some(older) = older(store.as_ref(), bucket.topic.as_deref()).await? {
        output.say(&older);
    }
    Ok(patience.is_untried())
}

async fn list_partitions(
    store: &Arc<dyn ObjectStore>,
    places: Places,
    inventory: Option<&Inventory>,
    patience: &mut Patience,
    rows: &mut Rows<Row>,
) -> Result<(), Error> {
    let mut without = BTreeSet::new();
    for place in places {
        let loss = place.loss(inventory);
        let is_alone = !place.has_topic_json;
        let mut row = Row { folder: place.folder, name: place.name, partition: place.partition.as_ref().ok().copied(), ..Row::default() };
        let mut missing = None;
        let filled = match place.partition {
            Ok(partition) => fill(store, partition, &mut row).await.map(|found| missing = found),
            Err(error) => Err(error),
        };
        let filled = filled.and_then(|()| match loss {
            Some(loss) if row.segments == 0 => Err(Error::lost(loss)),
            _ => check_end(inventory, &row.folder, row.partition, row.next),
        });
        let filled = filled.and(missing.map_or(Ok(()), |missing| Err(Error::lost(missing))));
        let filled = filled.and_then(|()| match is_alone && row.segments > 0 && without.insert(row.folder.clone()) {
            true => Err(no_topic_json(store.as_ref(), &row.folder)),
            false => Ok(()),
        });
        let settled = patience.settle(filled, |error| row.error = Some(error));
        rows.add(row);
        settled?;
    }
    Ok(())
}

/// Segments always have a topic.json. The Python tool wrote none.
fn no_topic_json(store: &dyn ObjectStore, folder: &str) -> Error {
    Error::lost(format!("{}: missing", store.location(&names::topic_json(folder))))
}

/// Compares the end of a chain with the inventory.
fn check_end(inventory: Option<&Inventory>, folder: &str, partition: Option<i32>, next: Option<i64>) -> Result<(), Error> {
    let (Some(inventory), Some(partition), Some(next)) = (inventory, partition, next) else { return Ok(()) };
    inventory.missing(folder, partition, Some(next)).map_or(Ok(()), |missing| Err(Error::lost(missing.what)))
}

/// Fills in the row. Returns which segments are missing, as far as names show it.
async fn fill(store: &Arc<dyn ObjectStore>, partition: i32, row: &mut Row) -> Result<Option<String>, Error> {
    let all = AllSegments::of(store.as_ref(), &row.folder, partition).await?;
    row.segments = all.entries.len() as u64;
    row.stored_bytes = all.entries.iter().map(|entry| entry.size).sum();
    row.from = all.entries.first().map(|entry| entry.start);
    row.python_archives = python_archives(store.as_ref(), &row.folder, partition).await?.len() as u64;
    if let Some(last) = all.entries.last() {
        let manifest = manifest(store, last).await?;
        row.next = Some(manifest.next);
        row.last_backup = Some(manifest.created_at);
    }
    let mut missing = all.missing_in_chain();
    let first = missing.next().map(|(_, name)| sidecar_alone(store.as_ref(), name));
    Ok(first.map(|first| match missing.count() {
        0 => first,
        more => format!("{first}; and {more} more"),
    }))
}

async fn list_segments_of(
    store: &Arc<dyn ObjectStore>,
    places: Places,
    inventory: Option<&Inventory>,
    patience: &mut Patience,
    rows: &mut Rows<SegmentRow>,
) -> Result<(), Error> {
    let mut without = BTreeSet::new();
    for place in places {
        let (loss, is_alone) = (place.loss(inventory), !place.has_topic_json);
        let (folder, number) = (place.folder, place.partition.as_ref().ok().copied());
        let (name, listed) = match place.partition {
            Ok(partition) => (names::partition_prefix(&folder, partition), AllSegments::of(store.as_ref(), &folder, partition).await),
            Err(error) => (format!("{folder}/"), Err(error)),
        };
        let listed = listed.and_then(|all| match loss {
            Some(loss) if all.entries.is_empty() => Err(Error::lost(loss)),
            _ => Ok(all),
        });
        let of_all = |error: String| SegmentRow { name: name.clone(), error: Some(error), ..SegmentRow::default() };
        let all = patience.settle(listed, |error| rows.add(of_all(error)))?.unwrap_or_default();
        if is_alone && !all.entries.is_empty() && without.insert(folder.clone()) {
            patience.settle(Err::<(), _>(no_topic_json(store.as_ref(), &folder)), |error| rows.add(of_all(error)))?;
        }
        let mut next = None;
        for entry in &all.entries {
            if rows.are_unread() {
                return Ok(());
            }
            let mut row = SegmentRow { name: entry.name.clone(), start: Some(entry.start), bytes: entry.size, ..SegmentRow::default() };
            let settled = patience.settle(manifest(store, entry).await, |error| row.error = Some(error));
            if let Ok(Some(manifest)) = &settled {
                (row.next, row.records) = (Some(manifest.next), Some(manifest.records));
            }
            let hole = next
                .filter(|next| *next != entry.start)
                .map(|next| format!("it does not start at {next}, where the previous segment ends"));
            let settled =
                settled.and_then(|_| patience.settle(hole.map_or(Ok(()), |hole| Err(Error::lost(hole))), |error| row.error = Some(error)));
            next = row.next;
            rows.add(row);
            settled?;
        }
        for (start, name) in all.missing_in_chain() {
            let missing = Err::<(), _>(Error::lost(sidecar_alone(store.as_ref(), name)));
            let row = |error| SegmentRow { name: name.clone(), start: Some(*start), error: Some(error), ..SegmentRow::default() };
            patience.settle(missing, |error| rows.add(row(error)))?;
        }
        patience.settle(check_end(inventory, &folder, number, next), |error| rows.add(of_all(error)))?;
    }
    Ok(())
}

async fn manifest(store: &Arc<dyn ObjectStore>, entry: &SegmentEntry) -> Result<Manifest, Error> {
    Ok(SegmentReader::open(store.clone(), &entry.name, ReadOptions::default()).await?.manifest().clone())
}

/// The problem of a segment that is missing while its `.sha256` exists.
pub(crate) fn sidecar_alone(store: &dyn ObjectStore, segment: &str) -> String {
    format!("{}: missing; only its .sha256 exists", store.location(segment))
}

/// The Python tool's archives of a partition, in their order. `current.bin` is the last.
pub(crate) async fn python_archives(store: &dyn ObjectStore, folder: &str, partition: i32) -> Result<Vec<Listed>, Error> {
    let prefix = names::partition_prefix(folder, partition);
    let (mut found, mut after) = (Vec::new(), format!("{prefix}1"));
    loop {
        let page = store.list(&prefix, &after, 1000).await?;
        let archives = page.objects.iter().filter(|object| PythonName::parse(names::file_name(&object.name)).is_some());
        found.extend(archives.cloned());
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
    use crate::places::places;
    use crate::testing::{add_segment, add_snapshot, add_topic_with, failing};

    async fn store() -> MemoryStore {
        let store = MemoryStore::new();
        for (topic, partition, start) in [("a", 0, 0), ("a", 0, 10), ("a", 1, 0), ("b", 0, 5)] {
            add_segment(&store, topic, partition, start..start + 10).await;
        }
        store
    }

    async fn rows(store: Arc<dyn ObjectStore>) -> (Vec<Row>, bool) {
        let (mut patience, mut rows) = (Patience::default(), Rows::new(Output::new(false)));
        let (inventory, unreadable) = inventory(store.as_ref(), None).await;
        let mut places = places(store.as_ref(), None, inventory.as_ref()).await.unwrap();
        places.extend(unreadable);
        list_partitions(&store, places, inventory.as_ref(), &mut patience, &mut rows).await.unwrap();
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
    async fn partitions_without_objects_are_listed() {
        let store = store().await;
        add_topic_with(&store, "a", |topic| (topic.partitions, topic.begun) = (4, [0, 3].into()));
        let (found, sound) = rows(Arc::new(store)).await;
        let facts: Vec<_> = found.iter().map(|row| (row.partition, row.segments, row.error.is_some())).collect();
        assert_eq!(facts[..4], [(Some(0), 2, false), (Some(1), 1, false), (Some(2), 0, false), (Some(3), 0, true)]);
        assert!(!sound);
    }

    #[tokio::test]
    async fn a_missing_topic_is_an_error_that_names_the_existing_ones() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("orders/0")).unwrap();
        let args = BucketArgs { bucket: Some(dir.path().to_owned()), config: None, topic: Some("ordres".to_owned()) };
        let error = run(&args, false, &Output::new(true)).await.unwrap_err().to_string();
        assert!(error.contains("\"ordres\"") && error.contains("there are: \"orders\""), "{error}");
    }

    /// A partition that was added after another one had lost its end: it begins in the first
    /// generation, and only the second one counts it.
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
    async fn what_a_snapshot_knows_and_is_missing_is_in_its_row() {
        let store = store().await;
        ["a", "b"].iter().for_each(|topic| crate::testing::add_topic(&store, topic));
        let snapshot = add_snapshot(&store, [("a", 0, 30), ("a", 1, 10), ("b", 1, 10), ("c", 0, 10)]).await;
        let (found, sound) = rows(Arc::new(store)).await;
        let facts: Vec<_> = found.iter().map(|row| (row.folder.as_str(), row.partition, row.error.is_some())).collect();
        assert_eq!(facts, [("c", None, true), ("a", Some(0), true), ("a", Some(1), false), ("b", Some(0), false), ("b", Some(1), true)]);
        assert!(!sound && found.iter().filter_map(|row| row.error.as_ref()).all(|error| error.contains(&snapshot)), "{found:?}");
        assert_eq!((found[1].next, found[1].segments), (Some(20), 2), "what exists is listed as well");
    }

    #[tokio::test]
    async fn a_segment_that_is_deleted_without_its_sha256_is_missed() {
        let store = store().await;
        ["a", "b"].iter().for_each(|topic| crate::testing::add_topic(&store, topic));
        for start in [20, 30, 40] {
            add_segment(&store, "a", 0, start..start + 10).await;
        }
        for start in [10, 30] {
            store.delete(&format!("a/0/{start:020}.tar.gz")).await.unwrap();
        }
        let (found, sound) = rows(Arc::new(store)).await;
        let error = found[0].error.as_deref().unwrap_or_default();
        assert!(!sound && error.contains("a/0/00000000000000000010.tar.gz: missing") && error.contains("1 more"), "{error}");
        assert_eq!((found[0].segments, found[0].next), (3, Some(50)), "what exists is listed as well");
    }

    #[tokio::test]
    async fn segments_without_a_topic_json_are_reported_once() {
        let (found, sound) = rows(Arc::new(store().await)).await;
        let errors: Vec<_> = found.iter().map(|row| row.error.as_deref().unwrap_or_default()).collect();
        assert!(!sound && errors[0].contains("a/topic.json: missing") && errors[2].contains("b/topic.json: missing"), "{errors:?}");
        assert_eq!(errors[1], "");
    }

    #[tokio::test]
    async fn a_hole_between_segments_is_reported_by_the_list_of_segments() {
        let store = store().await;
        crate::testing::add_topic(&store, "a");
        add_segment(&store, "a", 0, 30..40).await;
        add_snapshot(&store, [("a", 0, 50)]).await;
        let (store, mut patience): (Arc<dyn ObjectStore>, _) = (Arc::new(store), Patience::default());
        let mut rows = Rows::new(Output::new(false));
        let (inventory, _) = inventory(store.as_ref(), Some("a")).await;
        let places = places(store.as_ref(), Some("a"), inventory.as_ref()).await.unwrap();
        list_segments_of(&store, places, inventory.as_ref(), &mut patience, &mut rows).await.unwrap();
        let errors: Vec<_> = rows.kept.iter().filter_map(|row| Some((row.name.as_str(), row.error.as_ref()?))).collect();
        assert!(errors.len() == 2 && errors[0].0.ends_with("30.tar.gz") && errors[0].1.contains("does not start at 20"), "{errors:?}");
        assert!(errors[1].0 == "a/0/" && errors[1].1.contains("40 to 50"), "{errors:?}");
    }

    #[tokio::test]
    async fn segments_are_listed_by_the_names_that_show_accepts() {
        let store = store().await;
        ["a", "b"].iter().for_each(|topic| crate::testing::add_topic(&store, topic));
        store.overwrite("a/1/00000000000000000000.tar.gz", "no segment");
        let (store, mut patience): (Arc<dyn ObjectStore>, _) = (Arc::new(store), Patience::default());
        let mut rows = Rows::new(Output::new(false));
        let places = places(store.as_ref(), None, None).await.unwrap();
        list_segments_of(&store, places, None, &mut patience, &mut rows).await.unwrap();
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
