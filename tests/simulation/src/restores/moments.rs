//! Restores as of several times, of a cluster in which topics are created and deleted. Records are
//! written all the time, some with timestamps decades ahead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archive::catalog::{Snapshot, list_segments, names};
use backup_batch::Invocation as BackupInvocation;
use config::TargetName;
use host::Budget;
use kafka::TopicId;
use kernel::clock::{Clock, Millis};
use rand::RngExt;
use tokio::task::JoinHandle;

use super::judge::End;
use super::recovery::{APP, Asked, COPIES, Recovery, SNAPSHOTS};
use crate::cases::runtime;
use crate::chaos::Chaos;
use crate::oracle;
use crate::world::{Entry, Log, MOST_PARTITIONS, Topic};

/// The number of restores in a run.
const MOMENTS: usize = 3;

/// What happened in a run. It shows that the runs reach the interesting cases.
#[derive(Debug, Clone, Copy, Default)]
pub struct MomentOutcome {
    /// Restores that ended complete.
    pub finished: usize,
    /// Restores that were refused: not everything in the snapshot was backed up.
    pub behind: usize,
    /// Restores for which no snapshot is early enough.
    pub too_early: usize,
    /// Records restored.
    pub restored: usize,
    /// Records in the backup at or above the cuts.
    pub above: usize,
    /// Cuts between two offsets of one segment.
    pub inside: usize,
    /// Restored topics that have since been deleted or created again.
    pub gone: usize,
    /// Topics that are not restored, because they were created later.
    pub later: usize,
}

impl std::iter::Sum for MomentOutcome {
    fn sum<I: Iterator<Item = Self>>(outcomes: I) -> Self {
        outcomes.fold(Self::default(), |sum, one| Self {
            finished: sum.finished + one.finished,
            behind: sum.behind + one.behind,
            too_early: sum.too_early + one.too_early,
            restored: sum.restored + one.restored,
            above: sum.above + one.above,
            inside: sum.inside + one.inside,
            gone: sum.gone + one.gone,
            later: sum.later + one.later,
        })
    }
}

/// Runs a schedule.
///
/// # Errors
/// What is wrong. The same seed finds it again.
pub fn run_moments(seed: u64) -> Result<MomentOutcome, String> {
    runtime()?.block_on(async {
        let (history, alive) = (Vec::new(), Vec::new());
        let mut run = Moments { seed, recovery: Recovery::new(seed), history, alive, outcome: MomentOutcome::default() };
        run.live().await?;
        let (first, last) = (run.history[0].0, run.recovery.clock.now());
        for restore in 0..MOMENTS {
            // Requests are milliseconds apart. RESTORE_AS_OF usually has whole seconds.
            let time = run.recovery.rng.random_range(first - SNAPSHOTS..=last + SNAPSHOTS);
            let time = if run.recovery.rng.random_bool(0.5) { time / 1000 * 1000 } else { time };
            run.restore_as_of(restore, time).await.map_err(|problem| format!("as of {time}: {problem}"))?;
        }
        Ok(run.outcome)
    })
}

/// The ends of the source's logs.
type Ends = BTreeMap<(TopicId, usize), i64>;

struct Moments {
    seed: u64,
    recovery: Recovery,
    /// The times of changes, and the state from then on.
    history: Vec<(Millis, Ends)>,
    /// Invocations of the backup.
    alive: Vec<(JoinHandle<()>, Arc<Chaos>)>,
    outcome: MomentOutcome,
}

/// The expected choice of a restore as of a moment.
#[derive(Debug, Default)]
struct Expected {
    from: Millis,
    until: Millis,
    /// By folder, with the topic's name and id.
    topics: BTreeMap<String, (String, TopicId, BTreeMap<i32, i64>)>,
    /// Partitions with records that the backup lacks.
    lacking: Vec<String>,
}

impl Moments {
    fn note(&mut self) {
        let logs = |topic: Topic| topic.logs.into_iter().enumerate().map(move |(number, log)| ((topic.id.clone(), number), log.stable()));
        let ends = self.recovery.sources().into_values().flat_map(logs).collect();
        self.history.push((self.recovery.clock.now(), ends));
    }

    /// The end of a partition's log at `time`, or when it was deleted.
    fn end_at(&self, time: Millis, partition: &(TopicId, usize)) -> i64 {
        let mut then = self.history.iter().rev().skip_while(|(since, _)| *since > time);
        then.find_map(|(_, ends)| ends.get(partition)).copied().unwrap_or(0)
    }

    async fn live(&mut self) -> Result<(), String> {
        for topic in ["bills", "clicks", "orders"] {
            let partitions = self.recovery.rng.random_range(1..3);
            self.recovery.world.lock().create(topic, partitions);
        }
        self.note();
        for _ in 0..self.recovery.rng.random_range(10..60) {
            self.step().await?;
            self.note();
            for _ in 0..self.recovery.rng.random_range(0..60) {
                tokio::task::yield_now().await;
            }
        }
        self.settle().await;
        // In every second run the last records are not backed up.
        if self.seed.is_multiple_of(2) {
            self.recovery.world.lock().end_transaction(APP, true);
            self.note();
            self.recovery.back_up_everything().await?;
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), String> {
        match self.recovery.rng.random_range(0..100) {
            0..45 => self.append(),
            45..68 => self.start_backup(),
            68..83 => {
                let by = self.recovery.rng.random_range(0..2 * SNAPSHOTS);
                self.recovery.clock.advance(by);
            }
            83..88 => {
                let commit = self.recovery.rng.random_bool(0.7);
                self.recovery.world.lock().end_transaction(APP, commit);
            }
            88..92 if !self.recovery.sources().contains_key("late") => self.recovery.world.lock().create("late", 2),
            92..95 => {
                let topic = self.some_topic();
                let mut state = self.recovery.world.lock();
                let logs = state.topics.get_mut(&topic).map(|topic| &mut topic.logs);
                logs.into_iter().filter(|logs| logs.len() < MOST_PARTITIONS).for_each(|logs| logs.push(Log::default()));
            }
            95..98 if self.seed.is_multiple_of(3) => self.take_away().await?,
            _ => {}
        }
        Ok(())
    }

    fn some_topic(&mut self) -> String {
        let topics: Vec<String> = self.recovery.sources().into_keys().collect();
        topics[self.recovery.rng.random_range(0..topics.len())].clone()
    }

    fn append(&mut self) {
        let topic = self.some_topic();
        let (partitions, rng) = (self.recovery.sources()[&topic].logs.len(), &mut self.recovery.rng);
        let (kind, count, partition) = (rng.random_range(0..10), rng.random_range(1..12), rng.random_range(0..partitions));
        for _ in 0..count {
            let value = self.recovery.value();
            let entry = match kind {
                0 => Entry::Hole,
                1 | 2 => Entry::Open(value, APP.to_owned()),
                _ => Entry::Record(value),
            };
            self.recovery.world.lock().log(&Recovery::place(&topic, partition)).into_iter().for_each(|log| log.entries.push(entry.clone()));
        }
    }

    /// Starts a backup that is often killed, or leaves records for the next one.
    fn start_backup(&mut self) {
        let rng = &mut self.recovery.rng;
        let (kill_at, max_segments) = (rng.random_bool(0.3).then(|| rng.random_range(0..150)), rng.random_bool(0.5).then_some(1));
        let chaos = Chaos::new(rng.random(), self.recovery.clock.clone(), kill_at, 0);
        let backup = self.recovery.backup(chaos.clone(), max_segments);
        let mut invocation = BackupInvocation::new(Budget::unlimited(None));
        invocation.flush = self.recovery.rng.random_bool(0.7);
        self.alive.push((tokio::spawn(async move { drop(backup.invoke(&invocation).await) }), chaos));
    }

    /// Lets all invocations end.
    async fn settle(&mut self) {
        for (task, chaos) in std::mem::take(&mut self.alive) {
            while !task.is_finished() && !chaos.is_killed() {
                tokio::task::yield_now().await;
            }
            task.abort();
        }
    }

    /// A topic is deleted, or created again, once all of it is backed up.
    async fn take_away(&mut self) -> Result<(), String> {
        self.settle().await;
        self.recovery.back_up_everything().await?;
        let topic = self.some_topic();
        if self.recovery.rng.random_bool(0.5) {
            self.recovery.world.lock().create(&topic, 1);
        } else if self.recovery.sources().len() > 1 {
            self.recovery.delete(&topic, false);
        }
        Ok(())
    }

    async fn restore_as_of(&mut self, number: usize, time: Millis) -> Result<(), String> {
        let target = format!("{COPIES}{number}-{}", TargetName::TOPIC);
        let mut asked = Asked { target, as_of: Some(time), ..Asked::of_all(&format!("as-of-{number}")) };
        let mut end = self.recovery.finish(&asked).await?;
        let Some(expected) = self.expected(time).await? else {
            self.outcome.too_early += 1;
            return refused(&end, &["there is no snapshot".to_owned()]);
        };
        if expected.topics.is_empty() && expected.lacking.is_empty() {
            return Ok(());
        }
        if !expected.lacking.is_empty() {
            self.outcome.behind += 1;
            refused(&end, &expected.lacking)?;
            if self.recovery.noted(&asked.id).await?.is_some() {
                return Err("it was refused, and is noted".to_owned());
            }
            asked.anyway = vec!["behind".to_owned()];
            if expected.topics.is_empty() {
                return Ok(());
            }
            end = self.recovery.finish(&asked).await?;
        }
        if !matches!(end, End::Finished) {
            return Err(format!("it is not finished: {end:?}"));
        }
        self.compare(&asked, &expected, time).await?;
        self.recovery.judge(&[(asked, end)], &BTreeSet::new()).await?;
        self.outcome.finished += 1;
        Ok(())
    }

    /// The expected restore: the newest snapshot that is not later, and its records in the bucket.
    async fn expected(&self, time: Millis) -> Result<Option<Expected>, String> {
        let (objects, mut newest) = (self.recovery.bucket.snapshot(), None::<Snapshot>);
        for name in objects.keys().filter(|name| names::parse_snapshot(name).is_some()) {
            let snapshot = Snapshot::read(self.recovery.bucket.as_ref(), name).await.map_err(|error| error.to_string())?;
            if snapshot.until <= time && newest.as_ref().is_none_or(|newest| newest.until < snapshot.until) {
                newest = Some(snapshot);
            }
        }
        let Some(snapshot) = newest else { return Ok(None) };
        let mut folders = BTreeMap::new();
        for folder in objects.keys().filter_map(|name| name.strip_suffix("/topic.json")) {
            folders.insert(self.recovery.topic_id(folder).await?, folder.to_owned());
        }
        let mut expected = Expected { from: snapshot.from, until: snapshot.until, ..Expected::default() };
        for (name, topic) in snapshot.topics {
            let id = topic.id.ok_or("a topic without an id")?;
            let Some(folder) = folders.get(&id) else {
                let held = topic.partitions.values().filter_map(|of| of.log).any(|log| log.end > log.log_start);
                expected.lacking.extend(held.then(|| format!("{name:?} had records")));
                continue;
            };
            let mut cuts = BTreeMap::new();
            for partition in 0..topic.partition_count {
                let chain = self.chain_end(folder, partition).await?;
                let log = topic.partitions.get(&partition).and_then(|of| of.log);
                match log {
                    None => expected.lacking.push(format!("the end of {name}/{partition} is unknown")),
                    Some(log) if chain < log.end => expected.lacking.push(format!("{name}/{partition} ended at offset {}", log.end)),
                    Some(_) => {}
                }
                cuts.insert(partition, log.map_or(0, |log| log.end.min(chain)));
            }
            expected.topics.insert(folder.clone(), (name, id, cuts));
        }
        Ok(Some(expected))
    }

    async fn chain_end(&self, folder: &str, partition: i32) -> Result<i64, String> {
        let found = list_segments(self.recovery.bucket.as_ref(), folder, partition, "").await.map_err(|error| error.to_string())?;
        match found.0.last() {
            Some(last) => oracle::read(&self.recovery.bucket, &last.name).await.map(|(manifest, _, _)| manifest.next),
            None => Ok(0),
        }
    }

    /// The cuts are those of the snapshot, and the snapshot is true: it has everything that was
    /// written before it, and nothing from after the moment.
    async fn compare(&mut self, asked: &Asked, expected: &Expected, time: Millis) -> Result<(), String> {
        let noted = self.recovery.noted(&asked.id).await?.ok_or("no restore.json")?;
        let cuts: BTreeMap<_, _> =
            noted.topics.iter().map(|topic| (topic.folder.as_str(), topic.cuts.clone().unwrap_or_default())).collect();
        let wanted: BTreeMap<_, _> = expected.topics.iter().map(|(folder, (_, _, cuts))| (folder.as_str(), cuts.clone())).collect();
        if cuts != wanted {
            return Err(format!("the cuts are {cuts:?}, and the snapshot of {} saw {wanted:?}", expected.until));
        }
        let now = self.recovery.sources();
        for (folder, (name, id, cuts)) in &expected.topics {
            for (partition, cut) in cuts {
                let place = (id.clone(), usize::try_from(*partition).unwrap_or(0));
                let (least, most) = (self.end_at(expected.from, &place), self.end_at(time, &place));
                let is_whole = expected.lacking.is_empty();
                if *cut > most || (is_whole && *cut < least) {
                    return Err(format!(
                        "{folder}/{partition} is cut at {cut}, and ended at {least} before the snapshot and at {most} then"
                    ));
                }
                let starts =
                    list_segments(self.recovery.bucket.as_ref(), folder, *partition, "").await.map_err(|error| error.to_string())?;
                let chain = self.chain_end(folder, *partition).await?;
                self.outcome.above += usize::try_from(chain - cut).unwrap_or(0);
                self.outcome.inside += usize::from(*cut != chain && starts.0.iter().all(|entry| entry.start != *cut));
            }
            self.outcome.restored += self.recovery.records(&asked.target_of(name)).values().map(Vec::len).sum::<usize>();
            self.outcome.gone += usize::from(now.get(name).is_none_or(|now| now.id != *id));
        }
        let is_restored = |topic: &Topic| expected.topics.values().any(|(_, id, _)| *id == topic.id);
        self.outcome.later += now.values().filter(|topic| !is_restored(topic)).count();
        Ok(())
    }
}

/// Asserts that nothing was restored, and that the error has each of these words.
fn refused(end: &End, what: &[String]) -> Result<(), String> {
    match end {
        End::Refused(words) if words.get("").is_some_and(|words| what.iter().all(|what| words.contains(what.as_str()))) => Ok(()),
        other => Err(format!("{what:?} is not said: {other:?}")),
    }
}
