//! One run: random steps, then quiet until each restore is finished or refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use backup_batch::Invocation as BackupInvocation;
use host::{Budget, Event};
use rand::RngExt;
use restore_batch::Invocation;
use tokio::task::JoinHandle;

use super::judge::End;
use super::recovery::{APP, Asked, COPIES, Recovery, shard};
use crate::cases::runtime;
use crate::chaos::Chaos;
use crate::quiet::TURNS;
use crate::verdict::{self, Verdict};
use crate::world::Entry;

/// This topic is usually empty when the restore begins.
const EMPTY: &str = "clicks";
const TOPICS: [&str; 3] = ["bills", EMPTY, "orders"];

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct RestoreSchedule {
    /// Decides everything.
    pub seed: u64,
    /// Random steps before the quiet end.
    pub steps: usize,
    /// Failed requests in a thousand.
    pub errors: u32,
}

/// What happened in a run. It shows that the runs reach the interesting cases.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOutcome {
    /// Invocations of restores before the quiet end.
    pub invocations: usize,
    /// Of those, ended by a kill.
    pub kills: usize,
    /// Restores that ended complete.
    pub finished: usize,
    /// Of those, before the quiet end.
    pub early: usize,
    /// Restores in which something was refused.
    pub refused: usize,
    /// Targets that were deleted.
    pub deleted: usize,
    /// Of those, during an invocation.
    pub spoilt: usize,
    /// Records that were backed up after the cuts were stored.
    pub later: usize,
    /// Records restored.
    pub restored: usize,
}

impl std::iter::Sum for RestoreOutcome {
    fn sum<I: Iterator<Item = Self>>(outcomes: I) -> Self {
        outcomes.fold(Self::default(), |sum, one| Self {
            invocations: sum.invocations + one.invocations,
            kills: sum.kills + one.kills,
            finished: sum.finished + one.finished,
            early: sum.early + one.early,
            refused: sum.refused + one.refused,
            deleted: sum.deleted + one.deleted,
            spoilt: sum.spoilt + one.spoilt,
            later: sum.later + one.later,
            restored: sum.restored + one.restored,
        })
    }
}

/// Runs a schedule.
///
/// # Errors
/// What is wrong. The same schedule finds it again.
pub fn run_restores(schedule: RestoreSchedule) -> Result<RestoreOutcome, String> {
    runtime()?.block_on(Run::new(schedule).run())
}

/// A running invocation, of a restore or of the backup.
struct Running {
    task: JoinHandle<Verdict>,
    chaos: Arc<Chaos>,
    restores: bool,
}

struct Run {
    schedule: RestoreSchedule,
    recovery: Recovery,
    asked: Vec<Asked>,
    alive: Vec<Running>,
    /// Objects that must never change, with their first content.
    fixed: BTreeMap<String, String>,
    spoilt: BTreeSet<String>,
    outcome: RestoreOutcome,
}

impl Run {
    fn new(schedule: RestoreSchedule) -> Self {
        let recovery = Recovery::new(schedule.seed);
        // Another restore into the same topics.
        let rivals = schedule.seed % 4 == 1;
        let asked = std::iter::once("drill").chain(rivals.then_some("rival")).map(Asked::of_all).collect();
        let (alive, fixed, spoilt) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { schedule, recovery, asked, alive, fixed, spoilt, outcome: RestoreOutcome::default() }
    }

    fn deletes(&self) -> bool {
        self.schedule.seed % 4 >= 2
    }

    async fn run(mut self) -> Result<RestoreOutcome, String> {
        for topic in TOPICS {
            let partitions = self.recovery.rng.random_range(1..4);
            self.recovery.world.lock().create(topic, partitions);
        }
        for _ in 0..self.recovery.rng.random_range(1..12) {
            self.append(false);
        }
        self.recovery.world.lock().end_transaction(APP, true);
        self.recovery.back_up_everything().await?;
        for _ in 0..self.schedule.steps {
            self.step();
            for _ in 0..self.recovery.rng.random_range(0..60) {
                tokio::task::yield_now().await;
            }
            self.judge_the_ended().await?;
            self.check_fixed()?;
        }
        self.quiet().await?;
        let mut ends = Vec::new();
        for asked in self.asked.clone() {
            let end = self.recovery.finish(&asked).await?;
            self.check_fixed()?;
            match &end {
                End::Finished => self.outcome.finished += 1,
                End::Refused(words) => self.check_words(&asked, words).await?,
            }
            ends.push((asked, end));
        }
        self.recovery.judge(&ends, &self.spoilt).await?;
        if ends.iter().all(|(_, end)| matches!(end, End::Refused(_))) && !self.deletes() && ends.len() < 2 {
            return Err(format!("nothing explains it: {ends:?}"));
        }
        self.count().await?;
        Ok(self.outcome)
    }

    async fn count(&mut self) -> Result<(), String> {
        for topic in TOPICS {
            let copied: usize = self.recovery.records(&format!("{COPIES}{topic}")).values().map(Vec::len).sum();
            let there: usize = self.recovery.records(topic).values().map(Vec::len).sum();
            self.outcome.restored += copied;
            self.outcome.later += there.saturating_sub(copied);
        }
        Ok(())
    }

    /// Asserts that every permanent refusal has a known reason.
    async fn check_words(&mut self, asked: &Asked, refused: &BTreeMap<String, String>) -> Result<(), String> {
        self.outcome.refused += 1;
        let has_rival = self.asked.len() > 1;
        for (target, words) in refused {
            let of_deletion = ["was deleted since", "no longer exists"];
            let is_deleted = self.deletes() && of_deletion.iter().any(|reason| words.contains(reason));
            let is_spoilt = words.contains("RESTORE_ANYWAY=not-empty") && (has_rival || self.spoilt.contains(target));
            let is_taken = has_rival && words.contains("belongs to restore");
            let owner = self.recovery.owner(target).await;
            if !(is_deleted || is_spoilt || is_taken) || (owner.as_deref() == Some(&asked.id) && !self.spoilt.contains(target)) {
                return Err(format!("{} of {owner:?} is refused to {}: {words}", target, asked.id));
            }
        }
        Ok(())
    }

    fn step(&mut self) {
        match self.recovery.rng.random_range(0..100) {
            0..18 => self.append(true),
            18..30 => self.start_backup(),
            30..66 => self.start_restore(),
            66..72 => {
                let commit = self.recovery.rng.random_bool(0.5);
                self.recovery.world.lock().end_transaction(APP, commit);
            }
            72..86 => {
                let by = self.recovery.rng.random_range(0..30_000);
                self.recovery.clock.advance(by);
            }
            86..92 if self.deletes() => self.delete_target(),
            // The source is created again, with records.
            92..94 if self.schedule.seed.is_multiple_of(5) => {
                let (topic, partitions) = (TOPICS[self.recovery.rng.random_range(0..3)], self.recovery.rng.random_range(1..4));
                self.recovery.world.lock().create(topic, partitions);
                (0..partitions).for_each(|partition| self.recovery.write(topic, partition, 2));
            }
            _ => {}
        }
    }

    /// Writes to a random partition: plain records, records of a transaction, aborted ones.
    fn append(&mut self, also_to_the_empty: bool) {
        let rng = &mut self.recovery.rng;
        let (kind, count, topic) = (rng.random_range(0..10), rng.random_range(1..12), TOPICS[rng.random_range(0..3)]);
        if topic == EMPTY && !also_to_the_empty {
            return;
        }
        let partitions = self.recovery.world.lock().topics[topic].logs.len();
        let place = Recovery::place(topic, self.recovery.rng.random_range(0..partitions));
        for _ in 0..count {
            let value = self.recovery.value();
            let entry = match kind {
                0 => Entry::Hole,
                1 | 2 => Entry::Open(value, APP.to_owned()),
                _ => Entry::Record(value),
            };
            self.recovery.world.lock().log(&place).into_iter().for_each(|log| log.entries.push(entry.clone()));
        }
    }

    fn chaos(&mut self) -> Arc<Chaos> {
        let rng = &mut self.recovery.rng;
        let kill_at = rng.random_bool(0.5).then(|| rng.random_range(0..200));
        self.outcome.kills += usize::from(kill_at.is_some());
        Chaos::new(rng.random(), self.recovery.clock.clone(), kill_at, self.schedule.errors)
    }

    fn start_backup(&mut self) {
        let chaos = self.chaos();
        let max_segments = self.recovery.rng.random_bool(0.5).then_some(2);
        let backup = self.recovery.backup(chaos.clone(), max_segments);
        let mut invocation = BackupInvocation::new(Budget::unlimited(None));
        invocation.flush = true;
        let task = tokio::spawn(async move {
            let mut report = backup.invoke(&invocation).await;
            // A snapshot that was not stored is reported, and taken the next time.
            report.iter_mut().for_each(|report| report.errors.retain(|error| !error.contains("no answer")));
            verdict::of_backup(report)
        });
        self.alive.push(Running { task, chaos, restores: false });
    }

    fn start_restore(&mut self) {
        let chaos = self.chaos();
        let asked = self.asked[self.recovery.rng.random_range(0..self.asked.len())].clone();
        let event = match self.recovery.rng.random_range(0..4) {
            number @ 0..2 => shard(number),
            _ => Event::default(),
        };
        let invocation = Invocation { event, ..Invocation::new(Budget::unlimited(None)) };
        let restore = self.recovery.restore(chaos.clone(), &asked);
        let task = tokio::spawn(async move { verdict::of_restore(restore.invoke(&invocation).await) });
        self.outcome.invocations += 1;
        self.alive.push(Running { task, chaos, restores: true });
    }

    fn is_restoring(&self) -> bool {
        self.alive.iter().any(|one| one.restores && !one.task.is_finished() && !one.chaos.is_killed())
    }

    /// In half of the schedules only while no restore runs.
    fn delete_target(&mut self) {
        let target = format!("{COPIES}{}", TOPICS[self.recovery.rng.random_range(0..3)]);
        let (is_busy, makes_another) = (self.is_restoring(), self.recovery.rng.random_bool(0.5));
        let is_there = self.recovery.world.lock().topics.contains_key(&target);
        if !is_there || (is_busy && self.schedule.seed.is_multiple_of(2)) {
            return;
        }
        self.recovery.delete(&target, makes_another);
        self.outcome.deleted += 1;
        if is_busy {
            self.outcome.spoilt += 1;
            self.spoilt.insert(target);
        }
    }

    async fn judge_the_ended(&mut self) -> Result<(), String> {
        for mut one in std::mem::take(&mut self.alive) {
            if one.task.is_finished() {
                verdict::of_ended(&mut one.task).await?;
            } else {
                self.alive.push(one);
            }
        }
        Ok(())
    }

    /// Asserts that objects that are written once do not change.
    fn check_fixed(&mut self) -> Result<(), String> {
        let is_fixed = |name: &str| name.ends_with("/restore.json") || name.ends_with("/@finished.json") || name.contains("/@done/");
        for (name, body) in self.recovery.bucket.snapshot().into_iter().filter(|(name, _)| is_fixed(name)) {
            let body = String::from_utf8_lossy(&body).into_owned();
            let first = self.fixed.entry(name.clone()).or_insert_with(|| body.clone());
            if *first != body {
                return Err(format!("{name} was {first}, and is {body}"));
            }
        }
        Ok(())
    }

    /// No more faults: running invocations end, and the backup catches up.
    async fn quiet(&mut self) -> Result<(), String> {
        self.outcome.early += self.fixed.keys().filter(|name| name.ends_with("/@finished.json")).count();
        for mut one in std::mem::take(&mut self.alive) {
            for _ in 0..TURNS {
                if one.task.is_finished() || one.chaos.is_killed() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            match one.chaos.is_killed() {
                true => one.task.abort(),
                false if !one.task.is_finished() => return Err("an invocation never ends".to_owned()),
                false => {}
            }
            verdict::of_ended(&mut one.task).await?;
        }
        self.recovery.world.lock().end_transaction(APP, true);
        self.recovery.back_up_everything().await
    }
}
