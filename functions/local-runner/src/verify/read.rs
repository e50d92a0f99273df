//! Reads the objects of partitions concurrently. Results are in the order of names.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use archive::Error;
use archive::catalog::{SegmentEntry, names};
use archive::segment::{PythonArchive, ReadAhead, ReadBudget, ReadOptions, SegmentReader, Sidecar};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, Stream, StreamExt};
use store::{Listed, ObjectStore, StoreErrorKind};
use tokio::task::JoinSet;

use super::options::Depth;
use super::plan::{Expected, Plan, Scope};
use super::resume::{Resume, Sound};
use crate::places::Place;

/// Objects that are read at the same time, within the memory budget: enough for a store with a
/// latency of 300 ms.
const OBJECTS: usize = 64;
/// Partitions to list ahead.
const PARTITIONS: usize = 16;
/// One request reads at most this part of the memory, so that several objects are read at the same
/// time.
const PARTS: u64 = 16;

/// Shared by all readers.
#[derive(Debug)]
pub(super) struct Reading {
    scope: Arc<Scope>,
    store: Arc<dyn ObjectStore>,
    pub(super) resume: Option<Resume>,
    options: ReadOptions,
    budget: ReadBudget,
    ahead: ReadAhead,
}

/// The results of a partition: its plan, then each of its segments, then each of its archives.
#[derive(Debug)]
pub(super) enum Found {
    Plan(Box<Plan>),
    Segment(Box<FoundSegment>),
    Archive(FoundArchive),
}

/// The result of a segment.
#[derive(Debug)]
pub(super) struct FoundSegment {
    pub(super) entry: SegmentEntry,
    pub(super) depth: Depth,
    pub(super) is_known: bool,
    pub(super) records: u64,
    pub(super) gap: Option<String>,
    pub(super) problems: Vec<String>,
    /// The next offset.
    pub(super) next: Answer<i64>,
}

/// The result of an archive of the Python tool.
#[derive(Debug)]
pub(super) struct FoundArchive {
    pub(super) size: u64,
    pub(super) depth: Depth,
    pub(super) is_known: bool,
    pub(super) records: Answer<u64>,
}

/// The answer of an object, if it was read.
#[derive(Debug)]
pub(super) enum Answer<T> {
    NotAsked(Option<T>),
    Asked(Result<T, Error>),
}

enum Step {
    Plan(Box<Plan>),
    Segment(SegmentEntry, Depth, Expected),
    Archive(Listed, Depth),
}

impl Reading {
    pub(super) fn new(scope: Scope, resume: Option<Resume>, memory: u64) -> Self {
        let options = ReadOptions::default();
        let options = ReadOptions { stretch: options.stretch.min(memory / PARTS), ..options };
        let budget = ReadBudget::new(memory);
        let ahead = ReadAhead::new(budget.clone());
        Self { store: scope.store.clone(), scope: Arc::new(scope), resume, options, budget, ahead }
    }

    /// The results of all of these places, in their order.
    pub(super) fn all(self: &Arc<Self>, places: Vec<Place>) -> impl Stream<Item = Found> + Send + use<> {
        let mut folder = String::new();
        let mut places_with_turn = Vec::with_capacity(places.len());
        for place in places {
            let is_first = place.folder != folder;
            folder.clone_from(&place.folder);
            places_with_turn.push((place, is_first));
        }
        let (scope, reading) = (Arc::clone(&self.scope), Arc::clone(self));
        let plan = move |(place, is_first)| spawned(Plan::make(Arc::clone(&scope), place, is_first));
        let plans = stream::iter(places_with_turn).map(plan).buffered(PARTITIONS);
        let steps = plans.flat_map(|plan| stream::iter(steps(plan)));
        steps.map(move |step| Arc::clone(&reading).step(step)).buffered(OBJECTS)
    }

    fn step(self: Arc<Self>, step: Step) -> BoxFuture<'static, Found> {
        match step {
            Step::Plan(plan) => std::future::ready(Found::Plan(plan)).boxed(),
            Step::Segment(entry, depth, expected) => {
                spawned(async move { Found::Segment(Box::new(self.segment(entry, depth, expected).await)) }).boxed()
            }
            Step::Archive(archive, depth) => spawned(async move { Found::Archive(self.archive(archive, depth).await) }).boxed(),
        }
    }

    async fn segment(&self, entry: SegmentEntry, depth: Depth, expected: Expected) -> FoundSegment {
        let known = self.resume.as_ref().and_then(|resume| resume.known(&entry.name, entry.size)).cloned();
        let next = Answer::NotAsked(known.as_ref().map(|known| known.next));
        let (records, gap) = known.as_ref().map_or((0, None), |known| (known.records, known.gap.clone()));
        let mut found = FoundSegment { depth, is_known: known.is_some(), records, gap, problems: Vec::new(), next, entry };
        if found.is_known || depth == Depth::Name {
            match self.has_sidecar(&found.entry).await {
                Ok(true) => {}
                Ok(false) => found.problems.push(self.sidecar_missing(&found.entry)),
                Err(error) => found.next = Answer::Asked(Err(error)),
            }
            return found;
        }
        found.next = Answer::Asked(self.read(&expected, &mut found).await);
        if let (Some(resume), Depth::Whole, Answer::Asked(Ok(next)), []) = (&self.resume, depth, &found.next, &found.problems[..]) {
            let sound = Sound { size: found.entry.size, records: found.records, next: *next, gap: found.gap.clone() };
            resume.note(&found.entry.name, &sound);
        }
        found
    }

    /// Returns the next offset.
    async fn read(&self, expected: &Expected, found: &mut FoundSegment) -> Result<i64, Error> {
        let mut reader = SegmentReader::open(self.store.clone(), &found.entry.name, self.options).await?;
        let Expected { folder, partition, topic_id } = expected;
        if let Err(misplaced) = reader.belongs_to(folder, topic_id.as_ref(), *partition, found.entry.start) {
            found.problems.push(misplaced.to_string());
        }
        let has_sidecar = if found.depth == Depth::Whole {
            let _memory = self.budget.take(reader.memory()).await;
            reader.read_ahead(self.ahead.for_whole());
            while let Some(group) = reader.next_group().await? {
                let mut records = group.records();
                while records.next()?.is_some() {
                    found.records += 1;
                }
            }
            reader.sidecar() != Sidecar::Missing
        } else {
            found.records = reader.manifest().records;
            self.has_sidecar(&found.entry).await?
        };
        if !has_sidecar {
            found.problems.push(self.sidecar_missing(&found.entry));
        }
        let gap = reader.manifest().gap.as_ref();
        found.gap = gap.map(|gap| format!("{} to {}: {}", gap.from, gap.to, gap.reason));
        Ok(reader.manifest().next)
    }

    fn sidecar_missing(&self, entry: &SegmentEntry) -> String {
        let location = self.store.location(&entry.name);
        format!("{location}: its .sha256 is missing; the next backup writes it if this is the last segment")
    }

    /// The listing shows it, unless a page ends between the two.
    async fn has_sidecar(&self, entry: &SegmentEntry) -> Result<bool, Error> {
        if entry.sidecar {
            return Ok(true);
        }
        match self.store.get_range(&names::sidecar(&entry.name), 0..1).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn archive(&self, Listed { name, size }: Listed, depth: Depth) -> FoundArchive {
        if depth != Depth::Whole {
            return FoundArchive { size: 0, depth, is_known: false, records: Answer::NotAsked(None) };
        }
        // The tool still appends to current.bin: its size alone does not identify it.
        let resume = self.resume.as_ref().filter(|_| !name.ends_with(".bin"));
        if let Some(known) = resume.and_then(|resume| resume.known(&name, size)) {
            return FoundArchive { size, depth, is_known: true, records: Answer::NotAsked(Some(known.records)) };
        }
        let _memory = self.budget.take(size).await;
        // Unpacking is slow: it has a thread of its own.
        let options = ReadOptions { workers: 2, ..self.options };
        let opened = PythonArchive::open(self.store.as_ref(), &name, options).await;
        if let (Some(resume), Ok(archive)) = (resume, &opened) {
            resume.note(&name, &Sound { size, records: archive.records(), next: 0, gap: None });
        }
        FoundArchive { size, depth, is_known: false, records: Answer::Asked(opened.map(|archive| archive.records())) }
    }
}

fn steps(mut plan: Plan) -> impl Iterator<Item = Step> {
    let (segments, archives) = plan.take_objects();
    let expected = plan.expected();
    let segments = segments.into_iter().map(move |(entry, depth)| Step::Segment(entry, depth, expected.clone()));
    let archives = archives.into_iter().map(|(archive, depth)| Step::Archive(archive, depth));
    std::iter::once(Step::Plan(Box::new(plan))).chain(segments).chain(archives)
}

/// Runs on another thread. Ends when nothing waits for it.
fn spawned<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> impl Future<Output = T> + Send {
    let mut task = JoinSet::new();
    task.spawn(work);
    async move {
        match task.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(error)) => resume_unwind(error.into_panic()),
            None => unreachable!("there is one"),
        }
    }
}
