//! `local-runner verify`: reads the backup and checks it.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | the selection: how much of each object is read |
//! | `plan.rs` | the objects of a partition |
//! | `read.rs` | reads objects concurrently; results are in the order of names |
//! | `verdict.rs` | the result of a partition |
//! | `resume.rs` | objects that an earlier run found intact |
//! | `memory.rs` | the memory budget |

mod memory;
mod options;
mod plan;
mod read;
mod resume;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Result;
use archive::Error;
use archive::catalog::{Inventory, SegmentEntry, what_is_there};
use futures::stream::{Stream, StreamExt};
use kernel::clock::{Clock, SystemClock};
use store::ObjectStore;

use crate::against;
use crate::cli::VerifyArgs;
use crate::output::{Output, Rows};
use crate::patience::Patience;
use crate::places::{Place, Topics, inventory, older, places_among};
use crate::progress::{Bars, VerifyBar};
use crate::setup::{self, Screen};
use options::{Choice, Depth};
use plan::{Flaw, Objects, Plan, Scope, cost};
use read::{Answer, Found, FoundArchive, FoundSegment, Reading};
use resume::Resume;
use verdict::{LeftOut, Total, left_out_lines};
pub(crate) use verdict::{Verdict, verdicts_table};

/// Verifies the bucket. Returns whether all of it is intact.
pub(crate) async fn run(args: &VerifyArgs, output: &Output) -> Result<bool> {
    let bars = Bars::new(*output);
    let screen = Screen { output: *output, bars: bars.as_ref() };
    // First: a bad configuration is reported before hours of reading.
    let backup = if args.against_cluster { Some(against::connect(&args.bucket, screen).await?) } else { None };
    let bucket = setup::bucket(&args.bucket, screen).await?;
    let memory = memory::for_reading(bucket.memory_limit.clone()?);
    let resume = args.resume.as_ref().map(|file| Resume::open(file, &bucket.store.identity())).transpose()?;
    let mut verify = Verify {
        from_oldest: args.from_oldest,
        choice: Choice::new(args, SystemClock.now()),
        resume,
        memory,
        bars: bars.clone(),
        ..Verify::new(&bucket.store)
    };
    let (mut rows, mut total) = (Rows::new(*output), Total::default());
    let mut tell = |verdict: Verdict| {
        total.add(&verdict);
        rows.add(verdict);
    };
    let ended = verify.each(bucket.topic.as_deref(), &mut tell).await;
    if let Some(bars) = &bars {
        bars.clear();
    }
    rows.end(verdicts_table);
    ended?;
    let left_out = LeftOut { not_verified: std::mem::take(&mut verify.left_out) };
    if !left_out.not_verified.is_empty() {
        output.result(&left_out, left_out_lines);
    }
    // If an option excluded everything, that was reported above.
    if total.is_empty() && left_out.not_verified.is_empty() {
        let there = what_is_there(bucket.store.as_ref()).await?;
        anyhow::bail!("no backup{}: nothing was verified; {there}", bucket.place());
    }
    if let Some(older) = older(bucket.store.as_ref(), bucket.topic.as_deref()).await? {
        output.say(&older);
    }
    if let Some(unknown) = verify.unknown_partitions() {
        anyhow::bail!("--partitions: no topic{} has {unknown}", bucket.place());
    }
    output.answer(&total.line(!left_out.not_verified.is_empty()));
    let is_like_kafka = match backup {
        Some(backup) => against::run(&backup, output).await?,
        None => true,
    };
    Ok(total.is_intact() && is_like_kafka)
}

/// Reads every segment and archive, or a selection.
#[derive(Debug)]
pub(crate) struct Verify<'a> {
    store: &'a Arc<dyn ObjectStore>,
    /// Whether the oldest segments may be missing.
    from_oldest: bool,
    choice: Choice,
    resume: Option<Resume>,
    /// Memory budget for reading, in bytes.
    memory: u64,
    bars: Option<Bars>,
    patience: Patience,
    /// What an option excluded, in words.
    left_out: Vec<String>,
    counts: Counts,
    /// Partitions that exist.
    seen: BTreeSet<i32>,
}

/// Segments and archives, by reason for not reading them.
#[derive(Debug, Default)]
struct Counts {
    chosen: u64,
    not_read: u64,
    known: u64,
}

impl<'a> Verify<'a> {
    pub(crate) fn new(store: &'a Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            from_oldest: false,
            choice: Choice::default(),
            resume: None,
            memory: memory::for_reading(None),
            bars: None,
            patience: Patience::default(),
            left_out: Vec::new(),
            counts: Counts::default(),
            seen: BTreeSet::new(),
        }
    }

    /// Calls `tell` with the verdict on each partition of every topic (or of one), in their order,
    /// as soon as it is known. Reads many objects at the same time.
    ///
    /// # Errors
    /// The bucket is unavailable. `tell` was called for everything that was verified until then.
    pub(crate) async fn each(&mut self, only: Option<&str>, tell: &mut impl FnMut(Verdict)) -> Result<(), Error> {
        let store = self.store.as_ref();
        let ((inventory, unreadable), topics) = futures::join!(inventory(store, only), Topics::look(store, only));
        let places = places_among(store, topics?, only, inventory.as_ref()).await?;
        let places = self.chosen(places.into_iter().chain(unreadable).collect());
        let bar = self.bars.as_ref().map(|bars| bars.of_verify(places.len() as u64));
        let (choice, resume) = (self.choice.clone(), self.resume.take());
        let scope = Scope { store: self.store.clone(), from_oldest: self.from_oldest, choice };
        let reading = Arc::new(Reading::new(scope, resume, self.memory));
        let mut found = pin!(reading.all(places));
        // The problem of the topic.json of the current folder, until it is reported.
        let mut of_topic: Option<Flaw> = None;
        while let Some(next) = found.next().await {
            let Found::Plan(mut plan) = next else { return Err(Error::bug("an object without its partition")) };
            let mut verdict = Verdict { folder: plan.place.folder.clone(), name: plan.place.name.clone(), ..Verdict::default() };
            verdict.partition = plan.place.partition.as_ref().ok().copied();
            let looked = plan.topic_json.take();
            let verified = self.partition(*plan, inventory.as_ref(), &mut verdict, &mut found, bar.as_ref()).await;
            let settled = self.patience.settle(verified, |problem| verdict.problems.push(problem));
            if let (Ok(_), Some(looked)) = (&settled, looked) {
                of_topic = looked;
            }
            // The Python tool wrote no topic.json, so next to its archives alone none is missing.
            if let Some(flaw) = of_topic.take_if(|flaw| !flaw.is_missing || verdict.segments > 0) {
                // The place can have the same problem.
                if !verdict.problems.contains(&flaw.what) {
                    verdict.problems.push(flaw.what);
                }
            }
            tell(verdict);
            settled?;
        }
        self.note_left_out(reading.resume.as_ref());
        Ok(())
    }

    /// The places of the partitions of --partitions, and those whose partitions cannot be listed.
    fn chosen(&mut self, mut places: Vec<Place>) -> Vec<Place> {
        let Some(partitions) = &self.choice.partitions else { return places };
        let all = places.len();
        places.retain(|place| place.partition.as_ref().map_or(true, |partition| partitions.0.contains(partition)));
        self.seen = places.iter().filter_map(|place| place.partition.as_ref().ok().copied()).collect();
        if places.len() < all {
            self.left_out.push(format!("{} of {all} partitions (--partitions)", all - places.len()));
        }
        places
    }

    /// Partitions of --partitions that no topic has.
    fn unknown_partitions(&self) -> Option<String> {
        let asked = &self.choice.partitions.as_ref()?.0;
        let unknown: Vec<String> = asked.difference(&self.seen).map(|partition| format!("partition {partition}")).collect();
        let more = unknown.len().saturating_sub(3);
        let first = unknown.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        (!unknown.is_empty()).then(|| if more > 0 { format!("{first} and {more} more") } else { first })
    }

    fn note_left_out(&mut self, resume: Option<&Resume>) {
        let Counts { chosen, not_read, known } = self.counts;
        let all = chosen + not_read;
        if not_read > 0 {
            let how = if self.choice.quick {
                "checked only names, sizes, manifests and .sha256 objects; of Python archives, only names"
            } else {
                "checked only names and .sha256 objects. A segment missing between two of them is found only if its .sha256 still exists"
            };
            self.left_out.push(format!("records of {not_read} of {all} segments and archives ({}): {how}", self.choice.reasons()));
        }
        if let Some(resume) = resume.filter(|_| known > 0) {
            self.left_out.push(format!("{known} of {all} segments and archives: found intact before ({})", resume.name()));
        }
    }

    async fn partition(
        &mut self,
        plan: Plan,
        inventory: Option<&Inventory>,
        verdict: &mut Verdict,
        found: &mut (impl Stream<Item = Found> + Unpin),
        bar: Option<&VerifyBar>,
    ) -> Result<(), Error> {
        let Plan { place, objects, .. } = plan;
        let loss = place.loss(inventory);
        let partition = place.partition?;
        let Objects { missing, first, segments, bytes, archives, .. } =
            objects.ok_or_else(|| Error::bug("a partition without a listing"))??;
        let name = format!("{}/{partition}", verdict.folder);
        let tick = |bytes| bar.into_iter().for_each(|bar| bar.read(&name, bytes));
        bar.into_iter().for_each(|bar| bar.listed(bytes));
        verdict.problems.extend(missing);
        let mut expected = if self.from_oldest { None } else { Some(0) };
        for _ in 0..segments {
            let Some(Found::Segment(segment)) = found.next().await else { return Err(Error::bug("a segment that was not looked at")) };
            tick(cost(segment.entry.size, segment.depth));
            expected = self.segment(*segment, expected, verdict)?;
        }
        let end = expected.filter(|_| verdict.segments > 0);
        let missing = end.and_then(|end| inventory?.missing(&verdict.folder, partition, Some(end)));
        verdict.problems.extend(
            missing.map(|missing| format!("{}. Put the segments back, or restore without them: RESTORE_ANYWAY=missing", missing.what)),
        );
        for _ in 0..archives? {
            let Some(Found::Archive(archive)) = found.next().await else { return Err(Error::bug("an archive that was not looked at")) };
            tick(archive.size);
            self.archive(archive, verdict)?;
        }
        bar.into_iter().for_each(VerifyBar::end_partition);
        let is_lost = verdict.segments == 0 && loss.is_some();
        let losses = if self.from_oldest { &mut verdict.warnings } else { &mut verdict.problems };
        losses.extend(loss.filter(|_| is_lost));
        if place.is_compacted && (is_lost || first.is_some_and(|first| first > 0)) {
            verdict.warnings.push(format!(
                "{}/{partition}: the oldest segments of a compacted topic are missing: keys whose last value was in them are lost. Exclude \
                 compacted topics from lifecycle rules",
                verdict.folder
            ));
        }
        Ok(())
    }

    /// Returns where the next segment is expected to start.
    fn segment(&mut self, segment: FoundSegment, expected: Option<i64>, verdict: &mut Verdict) -> Result<Option<i64>, Error> {
        let FoundSegment { entry, depth, is_known, records, gap, problems, next } = segment;
        verdict.segments += 1;
        self.check_start(&entry, expected, verdict);
        self.count(depth, is_known, verdict);
        verdict.records += records;
        verdict.problems.extend(problems);
        verdict.recorded_gaps.extend(gap);
        match next {
            Answer::NotAsked(next) => Ok(next),
            Answer::Asked(next) => self.patience.settle(next, |problem| verdict.problems.push(problem)),
        }
    }

    fn archive(&mut self, archive: FoundArchive, verdict: &mut Verdict) -> Result<(), Error> {
        let FoundArchive { depth, is_known, records, .. } = archive;
        verdict.python_archives += 1;
        self.count(depth, is_known, verdict);
        let records = match records {
            Answer::NotAsked(records) => records,
            Answer::Asked(records) => self.patience.settle(records, |problem| verdict.problems.push(problem))?,
        };
        verdict.records += records.unwrap_or_default();
        Ok(())
    }

    fn count(&mut self, depth: Depth, is_known: bool, verdict: &mut Verdict) {
        let is_read = depth == Depth::Whole || is_known;
        self.counts.chosen += u64::from(is_read);
        self.counts.not_read += u64::from(!is_read);
        self.counts.known += u64::from(is_known);
        verdict.not_read += u64::from(!is_read);
    }

    /// A chain starts at offset 0, and each segment where the previous one ends. After an
    /// unreadable segment, the expected start is unknown.
    fn check_start(&self, entry: &SegmentEntry, expected: Option<i64>, verdict: &mut Verdict) {
        let start = entry.start;
        let what = match expected {
            Some(0) if start > 0 && verdict.segments == 1 => format!(
                "offsets 0 to {start} are missing at the start, and a restore refuses that. If a lifecycle rule of the bucket (bucket.expire_days) \
                 deleted them: verify --from-oldest, and restore with RESTORE_ANYWAY=expired"
            ),
            Some(expected) if expected < start => format!("offsets {expected} to {start} are missing: a segment was deleted"),
            Some(expected) if expected > start => format!("starts at {start}, but the previous segment ends at {expected}"),
            _ => return,
        };
        verdict.problems.push(format!("{}: {what}", self.store.location(&entry.name)));
    }
}
