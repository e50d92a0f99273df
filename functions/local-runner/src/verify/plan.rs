//! The objects of a partition, and how much of each is read.

use std::sync::Arc;

use archive::Error;
use archive::catalog::{AllSegments, Generations, SegmentEntry, names};
use archive::segment::{ReadOptions, SegmentReader};
use jiff::Timestamp;
use jiff::civil::DateTime;
use kafka::TopicId;
use kernel::clock::Millis;
use store::{Listed, ObjectStore};

use super::options::{Choice, Depth};
use crate::list::python_archives;
use crate::places::Place;

/// Clocks of writers differ by less.
const HOUR: Millis = 3_600_000;
/// The Python tool names archives by its local time.
const DAY: Millis = 24 * HOUR;

/// The bucket, and the selection.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) from_oldest: bool,
    pub(super) choice: Choice,
}

/// The expected identity of a segment.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) folder: Arc<str>,
    pub(super) partition: i32,
    pub(super) topic_id: Option<TopicId>,
}

/// A partition: its place, and its listing.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) place: Place,
    /// Only for the first partition of a folder: the problem of `topic.json`, if any.
    pub(super) topic_json: Option<Option<Flaw>>,
    /// `None` if the place has no partition.
    pub(super) objects: Option<Result<Objects, Error>>,
}

/// The objects of a partition.
#[derive(Debug)]
pub(super) struct Objects {
    /// Segments of which only the `.sha256` exists.
    pub(super) missing: Vec<String>,
    /// The first offset of the first segment.
    pub(super) first: Option<i64>,
    pub(super) segments: usize,
    /// Bytes to read.
    pub(super) bytes: u64,
    /// Number of archives of the Python tool.
    pub(super) archives: Result<usize, Error>,
    segments_to_read: Vec<(SegmentEntry, Depth)>,
    archives_to_read: Vec<(Listed, Depth)>,
}

/// Segments and archives, and how much of each is read.
pub(super) type ToRead = (Vec<(SegmentEntry, Depth)>, Vec<(Listed, Depth)>);

/// The problem of a topic.json.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) what: String,
    pub(super) is_missing: bool,
}

impl Plan {
    /// Lists a place.
    pub(super) async fn make(scope: Arc<Scope>, place: Place, is_first: bool) -> Self {
        let store = scope.store.as_ref();
        let objects = async {
            match &place.partition {
                Ok(partition) => Some(Objects::list(&scope, &place.folder, *partition).await),
                Err(_) => None,
            }
        };
        let topic_json = async { if is_first { Some(topic_json(store, &place.folder).await) } else { None } };
        let (objects, topic_json) = futures::join!(objects, topic_json);
        Self { place, topic_json, objects }
    }

    /// The objects. Empty at the second call.
    pub(super) fn take_objects(&mut self) -> ToRead {
        let Some(Ok(objects)) = &mut self.objects else { return Default::default() };
        (std::mem::take(&mut objects.segments_to_read), std::mem::take(&mut objects.archives_to_read))
    }

    /// The expected identity of the segments of this partition.
    pub(super) fn expected(&self) -> Expected {
        let Place { folder, partition, topic_id, .. } = &self.place;
        Expected { folder: folder.as_str().into(), partition: *partition.as_ref().unwrap_or(&-1), topic_id: topic_id.clone() }
    }
}

impl Objects {
    async fn list(scope: &Scope, folder: &str, partition: i32) -> Result<Self, Error> {
        let (store, choice) = (scope.store.as_ref(), &scope.choice);
        let (all, archives) = futures::join!(AllSegments::of(store, folder, partition), python_archives(store, folder, partition));
        let all = all?;
        let missing = |(_, name): &(i64, String)| crate::list::sidecar_alone(store, name);
        let missing =
            if scope.from_oldest { all.missing_in_chain().map(missing).collect() } else { all.missing.iter().map(missing).collect() };
        let since = match choice.since {
            Some(since) => first_since(scope, &all.entries, since - HOUR).await,
            None => 0,
        };
        let depths = choice.depths(&all.entries, since);
        let archives_to_read = archives.as_ref().map_or_else(|_| Vec::new(), |archives| depths_of(scope, archives));
        let first = all.entries.first().map(|entry| entry.start);
        let segments_to_read: Vec<_> = all.entries.into_iter().zip(depths).collect();
        let of_segments = segments_to_read.iter().map(|(entry, depth)| cost(entry.size, *depth));
        let of_archives = archives_to_read.iter().map(|(archive, depth)| cost(archive.size, *depth));
        let bytes = of_segments.chain(of_archives).sum();
        let archives = archives.map(|archives| archives.len());
        Ok(Self { missing, first, segments: segments_to_read.len(), bytes, archives, segments_to_read, archives_to_read })
    }
}

/// Approximate number of bytes to read of an object.
pub(super) fn cost(size: u64, depth: Depth) -> u64 {
    match depth {
        Depth::Name => 0,
        Depth::Head => size.min(64 << 10),
        Depth::Whole => size,
    }
}

fn depths_of(scope: &Scope, archives: &[Listed]) -> Vec<(Listed, Depth)> {
    let choice = &scope.choice;
    let is_wanted = |archive: &&Listed| choice.since.is_none_or(|since| packed_at(&archive.name).is_none_or(|at| at >= since - DAY));
    let wanted: Vec<&Listed> = archives.iter().filter(is_wanted).collect();
    let read = if choice.quick { Depth::Name } else { Depth::Whole };
    let sampled = choice.sampled(wanted.iter().map(|archive| archive.name.as_str()));
    let sampled: Vec<&str> = sampled.into_iter().map(|place| wanted[place].name.as_str()).collect();
    let depth = |archive: &Listed| if sampled.contains(&archive.name.as_str()) { read } else { Depth::Name };
    archives.iter().map(|archive| (archive.clone(), depth(archive))).collect()
}

/// The time at which the Python tool packed an archive, from its name.
fn packed_at(name: &str) -> Option<Millis> {
    let time = names::file_name(name).strip_suffix(".tar.gz")?;
    let at = DateTime::strptime("%Y%m%d-%H%M%S", time).ok()?;
    format!("{at}Z").parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// The first segment that was written at this time or later, by the manifests. An unreadable one
/// counts as later, so it is read.
async fn first_since(scope: &Scope, entries: &[SegmentEntry], since: Millis) -> usize {
    let (mut low, mut high) = (0, entries.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let opened = SegmentReader::open(scope.store.clone(), &entries[middle].name, ReadOptions::default()).await;
        let written = opened.ok().and_then(|reader| reader.manifest().created_at.parse::<Timestamp>().ok());
        if written.is_some_and(|written| written.as_millisecond() < since) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

async fn topic_json(store: &dyn ObjectStore, folder: &str) -> Option<Flaw> {
    let (topic, number) = names::parse_topic_folder(folder)?;
    let location = || store.location(&names::topic_json(folder));
    let (what, is_missing) = match Generations::of(store, topic).get(number).await {
        Ok(Some(_)) => return None,
        Ok(None) => (format!("{}: missing", location()), true),
        Err(error) => (kernel::in_full(&error), false),
    };
    Some(Flaw { what, is_missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_archive_is_in_its_name() {
        assert_eq!(packed_at("a/0/20261127-140000.tar.gz"), Some(1_795_788_000_000));
        assert_eq!((packed_at("a/0/current.bin"), packed_at("a/0/20261327-140000.tar.gz")), (None, None));
    }
}
