//! One run: a cluster is used and restored. Then several `finish` and undo run, with kills, while
//! consumers and producers start.

use std::collections::BTreeSet;
use std::sync::Arc;

use archive::catalog::{Snapshot, names};
use backup_batch::Invocation as BackupInvocation;
use host::{Budget, Event};
use kafka::CommittedOffset;
use kernel::clock::Millis;
use rand::RngExt;
use restore_batch::FinishReport;
use tokio::task::JoinHandle;

use super::afterwards::{Goal, end_of};
use super::applications::{Applications, request};
use super::judge::End;
use super::recovery::{APP, Recovery, SNAPSHOTS};
use crate::cases::runtime;
use crate::chaos::Chaos;
use crate::world::Entry;

const TOPICS: [&str; 3] = ["bills", "clicks", "orders"];
const GROUPS: [&str; 4] = ["app-1", "app-2", "app-3", "app-4"];
/// Configs that someone sets.
const CONFIGS: [&str; 3] = ["flush.ms", "retention.ms", "segment.ms"];

/// What happened in a run. It shows that the runs reach the interesting cases.
#[derive(Debug, Clone, Copy, Default)]
pub struct FinishOutcome {
    /// Runs in which everything was restored.
    pub restored: usize,
    /// `finish` and undo begun with faults.
    pub commands: usize,
    /// Of those, ended by a kill.
    pub kills: usize,
    /// Offsets that groups got.
    pub offsets: usize,
    /// Of those, after the last record.
    pub at_the_end: usize,
    /// Offsets of groups that were active when the snapshot was taken.
    pub moving: usize,
    /// Offsets with records that may be read again.
    pub inexact: usize,
    /// Offsets of another log.
    pub refused: usize,
    /// Offsets of consumers that started.
    pub own: usize,
    /// Configs that someone has set.
    pub set: usize,
    /// Targets that were deleted.
    pub gone: usize,
}

impl std::iter::Sum for FinishOutcome {
    fn sum<I: Iterator<Item = Self>>(outcomes: I) -> Self {
        outcomes.fold(Self::default(), |sum, one| Self {
            restored: sum.restored + one.restored,
            commands: sum.commands + one.commands,
            kills: sum.kills + one.kills,
            offsets: sum.offsets + one.offsets,
            at_the_end: sum.at_the_end + one.at_the_end,
            moving: sum.moving + one.moving,
            inexact: sum.inexact + one.inexact,
            refused: sum.refused + one.refused,
            own: sum.own + one.own,
            set: sum.set + one.set,
            gone: sum.gone + one.gone,
        })
    }
}

/// Runs a schedule.
///
/// # Errors
/// What is wrong. The same seed finds it again.
pub fn run_finishes(seed: u64) -> Result<FinishOutcome, String> {
    runtime()?.block_on(async {
        let mut recovery = Recovery::new(seed);
        let topics = TOPICS.map(|topic| (topic, recovery.rng.random_range(1..4)));
        let applications = Applications::new(recovery, &topics);
        let mut run = Run {
            seed,
            errors: [0, 20, 100][usize::try_from(seed % 3).unwrap_or(0)],
            applications,
            alive: Vec::new(),
            outcome: FinishOutcome::default(),
        };
        run.live().await?;
        if run.restore().await? {
            run.finish().await?;
        }
        Ok(run.outcome)
    })
}

/// A running `finish` or undo.
struct Command {
    task: JoinHandle<archive::Result<FinishReport>>,
    chaos: Arc<Chaos>,
}

/// A running schedule.
struct Run {
    seed: u64,
    errors: u32,
    applications: Applications,
    alive: Vec<Command>,
    outcome: FinishOutcome,
}

impl Run {
    /// Topics get records, groups continue, and all of it is backed up meanwhile.
    async fn live(&mut self) -> Result<(), String> {
        let mut backups: Vec<(JoinHandle<()>, Arc<Chaos>)> = Vec::new();
        for _ in 0..self.applications.recovery.rng.random_range(8..40) {
            match self.applications.recovery.rng.random_range(0..100) {
                0..40 => self.write(),
                40..70 => self.commit(),
                70..85 => backups.push(self.back_up()),
                85..92 => {
                    let by = self.applications.recovery.rng.random_range(0..SNAPSHOTS);
                    self.applications.recovery.clock.advance(by);
                }
                92..97 => {
                    let commit = self.applications.recovery.rng.random_bool(0.5);
                    self.applications.recovery.world.lock().end_transaction(APP, commit);
                }
                _ if self.seed.is_multiple_of(4) => {
                    settle(&mut backups).await;
                    self.create_again().await?;
                }
                _ => {}
            }
            for _ in 0..self.applications.recovery.rng.random_range(0..40) {
                tokio::task::yield_now().await;
            }
        }
        settle(&mut backups).await;
        self.applications.recovery.world.lock().end_transaction(APP, true);
        self.applications.recovery.clock.advance(if self.seed.is_multiple_of(5) { 0 } else { SNAPSHOTS });
        self.applications.recovery.back_up_everything().await
    }

    fn write(&mut self) {
        let (topic, partition) = self.some_partition();
        let (kind, count) = (self.applications.recovery.rng.random_range(0..10), self.applications.recovery.rng.random_range(1..8));
        for _ in 0..count {
            let value = self.applications.recovery.value();
            let entry = match kind {
                0 => Entry::Hole,
                1 => Entry::Open(value, APP.to_owned()),
                2..5 if value.is_multiple_of(3) => Entry::Compacted(value),
                _ => Entry::Record(value),
            };
            self.applications.append(topic, partition, [entry]);
        }
    }

    fn some_partition(&mut self) -> (&'static str, usize) {
        let topic = TOPICS[self.applications.recovery.rng.random_range(0..3)];
        let partitions = self.applications.recovery.world.lock().topics[topic].logs.len();
        (topic, self.applications.recovery.rng.random_range(0..partitions))
    }

    /// A group commits a later offset, in a transaction or without.
    fn commit(&mut self) {
        let group = GROUPS[self.applications.recovery.rng.random_range(0..GROUPS.len())];
        let (topic, partition) = self.some_partition();
        let place = (group.to_owned(), Recovery::place(topic, partition));
        let recovery = &mut self.applications.recovery;
        let (end, is_pending) = (end_of(recovery, &place.1), recovery.rng.random_bool(0.2));
        let mut state = recovery.world.lock();
        if let Some(offset) = state.around.pending.remove(&place) {
            return state.commit(place, offset);
        }
        let before = state.groups.get(&place).map_or(0, |offset| offset.next);
        let next = recovery.rng.random_range(before.min(end)..=end);
        let offset = CommittedOffset { next, metadata: if next % 3 == 0 { format!("m{next}") } else { String::new() } };
        match is_pending {
            true => _ = state.around.pending.insert(place, offset),
            false => state.commit(place, offset),
        }
    }

    fn back_up(&mut self) -> (JoinHandle<()>, Arc<Chaos>) {
        let rng = &mut self.applications.recovery.rng;
        let (kill_at, max_segments) = (rng.random_bool(0.3).then(|| rng.random_range(0..200)), rng.random_bool(0.5).then_some(2));
        let chaos = Chaos::new(rng.random(), self.applications.recovery.clock.clone(), kill_at, self.errors);
        let backup = self.applications.recovery.backup(chaos.clone(), max_segments);
        let mut invocation = BackupInvocation::new(Budget::unlimited(None));
        invocation.flush = self.applications.recovery.rng.random_bool(0.7);
        (tokio::spawn(async move { drop(backup.invoke(&invocation).await) }), chaos)
    }

    /// A topic is created again once all of it is backed up. Its groups start again.
    async fn create_again(&mut self) -> Result<(), String> {
        let recovery = &mut self.applications.recovery;
        recovery.world.lock().end_transaction(APP, true);
        recovery.back_up_everything().await?;
        let topic = TOPICS[recovery.rng.random_range(0..3)];
        recovery.delete(topic, false);
        recovery.world.lock().around.pending.retain(|(_, at), _| at.topic != topic);
        let partitions = recovery.rng.random_range(1..4);
        recovery.world.lock().create(topic, partitions);
        self.applications.configure(topic);
        Ok(())
    }

    /// With kills, and then until everything is restored. Returns false if it is refused, because
    /// no snapshot has the whole topic.
    async fn restore(&mut self) -> Result<bool, String> {
        let applications = &mut self.applications;
        let snapshots = applications.snapshots().await?;
        if snapshots.is_empty() {
            return Ok(false);
        }
        if applications.recovery.rng.random_bool(0.6) {
            applications.asked.as_of = Some(snapshots[applications.recovery.rng.random_range(0..snapshots.len())]);
        }
        let asked = applications.asked.clone();
        for _ in 0..applications.recovery.rng.random_range(0..3) {
            let kill_at = Some(applications.recovery.rng.random_range(0..200));
            let chaos = Chaos::new(applications.recovery.rng.random(), applications.recovery.clock.clone(), kill_at, self.errors);
            drop(applications.recovery.invoke(chaos, &asked, Event::default()).await);
        }
        if let End::Refused(_) = applications.recovery.finish(&asked).await? {
            return Ok(false);
        }
        // The source cluster still exists, and continues.
        if self.applications.recovery.rng.random_bool(0.4) {
            self.live().await?;
        }
        self.outcome.restored += 1;
        Ok(true)
    }

    async fn finish(&mut self) -> Result<(), String> {
        self.at_work_before();
        self.applications.before = self.applications.content();
        let mut goal = self.applications.goal().await?;
        self.applications.is_mixed = self.seed.is_multiple_of(3);
        for _ in 0..self.applications.recovery.rng.random_range(2..14) {
            self.step(&mut goal).await?;
            for _ in 0..self.applications.recovery.rng.random_range(0..60) {
                tokio::task::yield_now().await;
            }
            self.end_the_ended().await?;
            self.applications.judge_values(&goal)?;
        }
        self.settle_commands().await?;
        for undo in [false, true, false] {
            for _ in 0..self.applications.recovery.rng.random_range(0..2) {
                self.start(undo);
                self.settle_commands().await?;
            }
            let report = self.applications.run_quietly(undo).await?;
            let phase = |problem| format!("undo: {undo}: {problem}");
            if undo {
                self.applications.judge_undone().map_err(phase)?;
            } else {
                self.outcome.inexact += self.applications.judge_done(&goal, &report).await.map_err(phase)?;
            }
            self.applications.judge_repeated(undo).await.map_err(phase)?;
            if undo && self.applications.recovery.rng.random_bool(0.5) {
                self.consume();
                self.settle_commands().await?;
            }
        }
        self.count(&goal);
        Ok(())
    }

    fn count(&mut self, goal: &Goal) {
        self.outcome.offsets += goal.offsets.len();
        self.outcome.at_the_end += goal.at_the_end();
        self.outcome.refused += goal.refused;
        self.outcome.moving += goal.moving;
        self.outcome.own += self.applications.own.len();
        self.outcome.set += self.applications.set.len();
        self.outcome.gone += self.applications.gone.len();
    }

    /// What happens in the restored cluster before the first `finish`.
    fn at_work_before(&mut self) {
        for _ in 0..self.applications.recovery.rng.random_range(0..4) {
            match self.applications.recovery.rng.random_range(0..10) {
                0..6 => self.produce(),
                6..8 => self.consume(),
                _ => self.set_config(),
            }
        }
        self.applications.recovery.world.lock().around.members.clear();
    }

    async fn step(&mut self, goal: &mut Goal) -> Result<(), String> {
        let is_quiet = self.alive.iter().all(|one| one.task.is_finished() || one.chaos.is_killed());
        match self.applications.recovery.rng.random_range(0..100) {
            0..45 => {
                let undo = self.applications.is_mixed && self.applications.recovery.rng.random_bool(0.4);
                self.start(undo);
            }
            45..65 => self.produce(),
            65..80 => self.consume(),
            // A commit is unconditional: a commit in flight would overwrite what a consumer, which
            // has left, has committed meanwhile.
            80..88 if is_quiet => self.applications.recovery.world.lock().around.members.clear(),
            88..94 if is_quiet => self.set_config(),
            94..96 if is_quiet && self.seed.is_multiple_of(5) => {
                self.delete_target();
                *goal = self.applications.goal().await?;
            }
            _ => self.applications.recovery.clock.advance(500),
        }
        Ok(())
    }

    fn start(&mut self, undo: bool) {
        let rng = &mut self.applications.recovery.rng;
        let kill_at = rng.random_bool(0.5).then(|| rng.random_range(0..150));
        let chaos = Chaos::new(rng.random(), self.applications.recovery.clock.clone(), kill_at, self.errors);
        let command = self.applications.command(&chaos);
        self.outcome.commands += 1;
        let task = tokio::spawn(async move { command.run(&request(undo)).await });
        self.alive.push(Command { task, chaos });
    }

    fn some_target(&mut self) -> (&'static str, usize) {
        let recovery = &mut self.applications.recovery;
        (TOPICS[recovery.rng.random_range(0..3)], recovery.rng.random_range(0..3))
    }

    fn produce(&mut self) {
        let ((topic, partition), count) = (self.some_target(), self.applications.recovery.rng.random_range(1..4));
        self.applications.produce(topic, partition, count);
    }

    /// A consumer starts, and commits.
    fn consume(&mut self) {
        let group = GROUPS[self.applications.recovery.rng.random_range(0..GROUPS.len())];
        let (topic, partition) = self.some_target();
        let at = Recovery::place(&self.applications.asked.target_of(topic), partition);
        if self.applications.recovery.world.lock().log(&at).is_none() {
            return;
        }
        let end = end_of(&self.applications.recovery, &at);
        let next = self.applications.recovery.rng.random_range(0..=end);
        self.applications.recovery.world.lock().around.members.insert(group.to_owned());
        self.applications.commit_own(group, at, next);
    }

    fn set_config(&mut self) {
        let (topic, _) = self.some_target();
        let name = CONFIGS[self.applications.recovery.rng.random_range(0..CONFIGS.len())];
        self.applications.set_config(&self.applications.asked.target_of(topic), name);
    }

    fn delete_target(&mut self) {
        let (topic, _) = self.some_target();
        let (target, again) = (self.applications.asked.target_of(topic), self.applications.recovery.rng.random_bool(0.5));
        if !self.applications.recovery.world.lock().topics.contains_key(&target) {
            return;
        }
        self.applications.delete_target(&target, again);
    }

    async fn end_the_ended(&mut self) -> Result<(), String> {
        for one in std::mem::take(&mut self.alive) {
            if one.chaos.is_killed() {
                one.task.abort();
                self.outcome.kills += 1;
            } else if one.task.is_finished() {
                match one.task.await {
                    Err(error) if error.is_panic() => return Err("it panicked".to_owned()),
                    Ok(Err(error)) if !error.is_retryable() => return Err(format!("it failed for good: {error}")),
                    _ => {}
                }
            } else {
                self.alive.push(one);
            }
        }
        Ok(())
    }

    /// All commands end, and all consumers have left.
    async fn settle_commands(&mut self) -> Result<(), String> {
        while !self.alive.is_empty() {
            tokio::task::yield_now().await;
            self.end_the_ended().await?;
        }
        self.applications.recovery.world.lock().around.members.clear();
        Ok(())
    }
}

async fn settle(backups: &mut Vec<(JoinHandle<()>, Arc<Chaos>)>) {
    for (task, chaos) in std::mem::take(backups) {
        while !task.is_finished() && !chaos.is_killed() {
            tokio::task::yield_now().await;
        }
        task.abort();
    }
}

impl Applications {
    /// A producer writes to a restored topic.
    pub(super) fn produce(&self, topic: &str, partition: usize, count: usize) {
        let values: Vec<u64> = (0..count).map(|_| self.recovery.world.lock().value()).collect();
        self.append(&self.asked.target_of(topic), partition, values.into_iter().map(Entry::Record));
    }

    /// The times of all snapshots, in order.
    pub(super) async fn snapshots(&self) -> Result<Vec<Millis>, String> {
        let mut found = BTreeSet::new();
        for name in self.recovery.bucket.snapshot().keys().filter(|name| names::parse_snapshot(name).is_some()) {
            let snapshot = Snapshot::read(self.recovery.bucket.as_ref(), name).await.map_err(|error| error.to_string())?;
            found.insert(snapshot.until);
        }
        Ok(found.into_iter().collect())
    }

    /// Someone deletes a restored topic, and with it everything known about it.
    fn delete_target(&mut self, target: &str, makes_another: bool) {
        self.recovery.delete(target, makes_another);
        {
            let around = &mut self.recovery.world.lock().around;
            around.configs.remove(target);
            around.target_acls.retain(|acl| acl.resource != "TOPIC" || acl.name != target);
        }
        self.before.offsets.retain(|(_, at), _| at.topic != target);
        self.began.retain(|(_, at)| at.topic != target);
        self.before.configs.remove(target);
        self.own.retain(|(_, at), _| at.topic != target);
        self.set.retain(|(topic, _), _| topic != target);
        self.gone.insert(target.to_owned());
    }
}
