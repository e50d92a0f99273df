//! Two backups of one cluster into one bucket, while everything around them changes. Invocations of
//! everything and of shards run at the same time, on machines whose clocks differ. The tests check
//! whether the snapshots are true.
//!
//! The schedules of `schedule.rs` stay unchanged: their seeds find known mistakes.
//!
//! | file | what it holds |
//! |---|---|
//! | `process.rs` | a process of a backup, and its invocations |
//! | `steps.rs` | what happens in the cluster |
//! | `history.rs` | what was true when |
//! | `witness.rs` | who wrote which snapshot, by which clock |
//! | `check.rs` | what must be true of a snapshot |
//! | `chains.rs` | what must be true of the bucket, by the snapshots |
//! | `scripted.rs` | cases that schedules seldom reach |

mod chains;
mod check;
mod history;
mod process;
mod scripted;
mod steps;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archive::catalog::{BackedUp, Completeness, Inventory, PartitionStates, Snapshot, Told, names};
use backup_batch::BackupReport;
use kafka::{Pattern, Selection};
use kernel::clock::{Clock, Millis};
use kernel::lock;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use store::testing::MemoryStore;

use super::chaos::{Chaos, SimClock};
use super::quiet::{BEGINS_AGAIN, LOOKS_AGAIN, SECOND_LOOK, TURNS};
use super::world::World;
use chains::{Chains, end_of_chain};
use check::Compared;
use history::History;
use process::{Process, Shard};
pub use scripted::{
    a_group_commits_while_the_cluster_is_read, a_log_is_cut_and_grows_a_little, a_slot_is_named_by_its_end,
    a_topic_is_created_again_while_it_is_read, an_event_takes_no_snapshot,
};
use steps::Cut;
use witness::{Attempt, Attempts};

/// Id of the cluster.
const CLUSTER: &str = "kafka-1";
/// GROUP_IDs of the two backups.
const GROUPS: [&str; 2] = ["backup", "other-backup"];
/// The prefix of the groups of restores.
const RESTORES: &str = "kafka-backup-restore.";
/// The limit of invocations until everything is caught up. A run that needs more never ends.
const PATIENCE: usize = 500;

/// Whether it is the group of a backup or of a restore.
fn is_own_group(name: &str) -> bool {
    GROUPS.contains(&name) || name.starts_with(RESTORES)
}

/// TOPIC_NAMES and EXCLUDE_TOPIC_NAMES of a backup. The two backups share some topics.
fn selection(backup: usize) -> Selection {
    let (include, exclude): (&[&str], &[&str]) = if backup == 0 { (&["*"], &["tmp-*", "b-*"]) } else { (&["b-*", "orders*"], &[]) };
    patterns(include, exclude)
}

fn patterns(include: &[&str], exclude: &[&str]) -> Selection {
    let parse = |texts: &[&str]| texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
    Selection::new(parse(include), parse(exclude)).unwrap_or_default()
}

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotSchedule {
    /// Decides everything.
    pub seed: u64,
    /// Random steps before the quiet end.
    pub steps: usize,
    /// Failed requests in a thousand.
    pub errors: u32,
}

/// What happened in a run. It shows that the runs reach the interesting cases.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotOutcome {
    /// Invocations before the quiet end.
    pub invocations: usize,
    /// Processes that were killed.
    pub kills: usize,
    /// Snapshots in the bucket.
    pub snapshots: usize,
    /// Of those, written by a clock that differs from the true one.
    pub skewed: usize,
    /// Snapshots that another invocation had taken already.
    pub beaten: usize,
    /// Topics that were deleted, or created again.
    pub recreations: usize,
    /// Logs that lost their end.
    pub truncations: usize,
    /// Times that the user lost rights.
    pub shrinks: usize,
    /// Topics in a snapshot without offsets, because they were deleted or created again meanwhile.
    pub changed: usize,
    /// Offsets of groups that had moved at the second read.
    pub moved: usize,
    /// Offsets with an open transaction.
    pub pending: usize,
    /// Offsets above the end of a log.
    pub foreign: usize,
    /// Snapshots that report that they do not have all groups.
    pub partial: usize,
    /// Partitions of snapshots that later snapshots call complete.
    pub complete: usize,
    /// Partitions that no snapshot calls complete.
    pub open: usize,
    /// Partitions whose log had lost its end.
    pub diverged: usize,
}

impl std::iter::Sum for SnapshotOutcome {
    fn sum<I: Iterator<Item = Self>>(outcomes: I) -> Self {
        outcomes.fold(Self::default(), |sum, one| Self {
            invocations: sum.invocations + one.invocations,
            kills: sum.kills + one.kills,
            snapshots: sum.snapshots + one.snapshots,
            skewed: sum.skewed + one.skewed,
            beaten: sum.beaten + one.beaten,
            recreations: sum.recreations + one.recreations,
            truncations: sum.truncations + one.truncations,
            shrinks: sum.shrinks + one.shrinks,
            changed: sum.changed + one.changed,
            moved: sum.moved + one.moved,
            pending: sum.pending + one.pending,
            foreign: sum.foreign + one.foreign,
            partial: sum.partial + one.partial,
            complete: sum.complete + one.complete,
            open: sum.open + one.open,
            diverged: sum.diverged + one.diverged,
        })
    }
}

/// Runs a schedule.
///
/// # Errors
/// What is wrong. The same schedule finds it again.
pub fn run_with_snapshots(schedule: SnapshotSchedule) -> Result<SnapshotOutcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    runtime.block_on(Cluster::new(schedule).run())
}

/// The cluster, its two backups, and their history.
struct Cluster {
    schedule: SnapshotSchedule,
    rng: SmallRng,
    world: World,
    bucket: Arc<MemoryStore>,
    clock: Arc<SimClock>,
    history: History,
    attempts: Attempts,
    processes: Vec<Process>,
    cuts: Vec<Cut>,
    /// SNAPSHOT_SECONDS in milliseconds.
    interval: Millis,
    /// CONSUMER_GROUPS less EXCLUDE_CONSUMER_GROUPS.
    groups: Selection,
    /// Snapshots that were checked, by name.
    seen: BTreeMap<String, (Attempt, Snapshot)>,
    outcome: SnapshotOutcome,
}

impl Cluster {
    fn new(schedule: SnapshotSchedule) -> Self {
        let mut rng = SmallRng::seed_from_u64(schedule.seed);
        let interval = 1000 * [5, 10, 30, 60][rng.random_range(0..4)];
        let mut cluster = Self {
            schedule,
            rng,
            world: World::default(),
            bucket: Arc::new(MemoryStore::new()),
            clock: Arc::default(),
            history: History::default(),
            attempts: Attempts::default(),
            processes: Vec::new(),
            cuts: Vec::new(),
            interval,
            groups: patterns(&["*"], &["tmp-*"]),
            seen: BTreeMap::new(),
            outcome: SnapshotOutcome::default(),
        };
        cluster.build();
        cluster
    }

    async fn run(mut self) -> Result<SnapshotOutcome, String> {
        let shards = (0..4).map(|shard| (0, Some((shard, 4))));
        let processes: Vec<(usize, Shard)> = [(0, None), (0, None), (1, None), (1, None)].into_iter().chain(shards).collect();
        for (backup, shard) in processes {
            let process = self.process(backup, shard);
            self.processes.push(process);
        }
        for _ in 0..self.schedule.steps {
            self.step().await?;
            self.history.note(self.clock.now(), &self.world.lock());
            for _ in 0..self.rng.random_range(0..25) {
                tokio::task::yield_now().await;
            }
            self.judge_the_ended().await?;
            self.check_new().await?;
        }
        self.quiet().await?;
        self.check_new().await?;
        self.finish().await
    }

    /// Checks the new snapshots.
    async fn check_new(&mut self) -> Result<(), String> {
        let attempts = std::mem::take(&mut *lock(&self.attempts));
        let mut unfinished = Vec::new();
        for attempt in attempts {
            match self.bucket.snapshot().get(&attempt.name) {
                Some(body) if *body == attempt.body && !self.seen.contains_key(&attempt.name) => {}
                Some(_) => {
                    self.outcome.beaten += 1;
                    continue;
                }
                None => {
                    unfinished.push(attempt);
                    continue;
                }
            }
            let snapshot = Snapshot::read(self.bucket.as_ref(), &attempt.name).await.map_err(|error| error.to_string())?;
            let compared = Compared {
                snapshot: &snapshot,
                attempt: &attempt,
                history: &self.history,
                interval: self.interval,
                topics: &selection(attempt.backup),
                groups: &self.groups,
            };
            compared.check()?;
            self.count(&attempt, &snapshot);
            self.seen.insert(attempt.name.clone(), (attempt, snapshot));
        }
        lock(&self.attempts).extend(unfinished);
        let objects = self.bucket.snapshot();
        let unknown = objects.keys().find(|name| names::parse_snapshot(name).is_some() && !self.seen.contains_key(*name));
        unknown.map_or(Ok(()), |name| Err(format!("{name}: no process wrote this content")))
    }

    fn count(&mut self, attempt: &Attempt, snapshot: &Snapshot) {
        let outcome = &mut self.outcome;
        outcome.snapshots += 1;
        outcome.skewed += usize::from(attempt.ahead != 0);
        outcome.partial += usize::from(!matches!(snapshot.groups, Told::All(_)));
        outcome.changed += snapshot.topics.values().filter(|topic| topic.why.is_some()).count();
        let groups = snapshot.groups.known().into_iter().flatten();
        for offset in groups.flat_map(|(_, group)| group.offsets.values()).flat_map(BTreeMap::values) {
            outcome.moved += usize::from(offset.moved);
            outcome.pending += usize::from(offset.pending);
            outcome.foreign += usize::from(offset.foreign);
        }
    }

    /// No more faults: running invocations end, and the two backups catch up.
    async fn quiet(&mut self) -> Result<(), String> {
        for _ in 0..TURNS {
            self.judge_the_ended().await?;
            if self.processes.iter().all(|process| !process.is_running()) {
                break;
            }
            tokio::task::yield_now().await;
        }
        if self.processes.iter().any(Process::is_running) {
            return Err("an invocation never ends".to_owned());
        }
        self.settle();
        for backup in 0..GROUPS.len() {
            self.catch_up(backup).await?;
        }
        for backup in 0..GROUPS.len() {
            self.take_last(backup).await?;
        }
        Ok(())
    }

    async fn catch_up(&mut self, backup: usize) -> Result<(), String> {
        for _ in 0..PATIENCE {
            let report = self.invoke(backup).await?;
            self.check_gone(backup, &report).await?;
            match report.partitions.iter().find_map(|one| one.error.as_deref()) {
                Some(error) if error.contains(LOOKS_AGAIN) => self.clock.advance(SECOND_LOOK),
                Some(error) if error.contains(BEGINS_AGAIN) => {}
                Some(error) => return Err(format!("a quiet backup failed: {error}")),
                None if !report.has_moved() => return Ok(()),
                None => {}
            }
        }
        Err("the backup never catches up".to_owned())
    }

    /// An invocation of everything, by a new process with the true clock and without faults.
    async fn invoke(&mut self, backup: usize) -> Result<BackupReport, String> {
        let process = self.process_with(backup, None, Chaos::new(1, self.clock.clone(), None, 0), 0);
        let report = process.invoke().await.map_err(|error| format!("a quiet backup failed: {error}"))?;
        report.errors.first().map_or(Ok(report.clone()), |error| Err(format!("a quiet backup failed: {error}")))
    }

    /// Asserts that a report names topics that have a backup and are not visible any more.
    async fn check_gone(&self, backup: usize, report: &BackupReport) -> Result<(), String> {
        let objects = self.bucket.snapshot();
        let stored = objects.keys().filter_map(|name| names::parse_topic_folder(name.strip_suffix("/topic.json")?)).map(|(topic, _)| topic);
        let stored: BTreeSet<&str> = stored.filter(|topic| selection(backup).takes(topic)).collect();
        let state = self.world.lock();
        let is_seen = |topic: &str| state.topics.contains_key(topic) && !state.around.hidden.contains(topic);
        let is_named = |topic: &str| report.notes.iter().any(|note| note.contains(&format!("{topic:?} was deleted")));
        match stored.into_iter().find(|topic| !is_seen(topic) && !is_named(topic)) {
            Some(gone) => Err(format!("{gone} has a backup and is not visible any more, and that is not reported: {:?}", report.notes)),
            None => Ok(()),
        }
    }

    /// Takes a last snapshot by the true clock, which must show that everything is in the bucket.
    async fn take_last(&mut self, backup: usize) -> Result<(), String> {
        for _ in 0..PATIENCE {
            self.clock.advance(self.interval);
            let Some(name) = self.invoke(backup).await?.snapshot else { continue };
            let last = Snapshot::read(self.bucket.as_ref(), &name).await.map_err(|error| error.to_string())?;
            let mut backed_up = BackedUp::default();
            backed_up.add(&last);
            for (topic, of) in &last.topics {
                for state in of.states().filter(|state| of.partitions.contains_key(&state.partition)) {
                    let verdict = backed_up.judge(state);
                    // For an empty log, no backup can learn whether it lost its end.
                    let is_empty = state.log.is_some_and(|log| log.end <= log.start);
                    if verdict != Completeness::Complete && !is_empty {
                        return Err(format!("{name}: {topic} is caught up, and called {verdict:?}: {state:?}"));
                    }
                }
            }
            return Ok(());
        }
        Err("no snapshot is taken any more".to_owned())
    }

    async fn finish(mut self) -> Result<SnapshotOutcome, String> {
        let topics: Vec<String> = self.world.lock().topics.keys().cloned().collect();
        for topic in &topics {
            self.history.remember(&self.world.lock(), topic);
        }
        let mut snapshots: Vec<(&Attempt, &Snapshot)> = self.seen.values().map(|(attempt, snapshot)| (attempt, snapshot)).collect();
        snapshots.sort_by_key(|(_, snapshot)| snapshot.until);
        let judged = Chains::new(&self.bucket, &self.history).check(&snapshots).await?;
        self.check_inventory().await?;
        (self.outcome.complete, self.outcome.open, self.outcome.diverged) = (judged.complete, judged.open, judged.diverged);
        Ok(self.outcome)
    }

    /// Everything in any snapshot is in the inventory, whatever happened later and whichever clock
    /// named it. Everything in the inventory is in the bucket.
    async fn check_inventory(&self) -> Result<(), String> {
        let inventory = Inventory::read(self.bucket.as_ref(), None, self.clock.now()).await.map_err(|error| error.to_string())?;
        if let Some((name, error)) = inventory.unreadable.first() {
            return Err(format!("{name} cannot be read for the inventory: {error}"));
        }
        for (folder, kept) in &inventory.folders {
            for number in kept.partitions.keys() {
                let end = end_of_chain(&self.bucket, folder, *number).await?;
                if let Some(missing) = inventory.missing(folder, *number, Some(end)) {
                    return Err(format!("nothing was deleted, and {}", missing.what));
                }
            }
        }
        for (name, (_, snapshot)) in &self.seen {
            for topic in snapshot.topics.values() {
                if let Some(folder) = topic.folder.as_ref().filter(|folder| !inventory.folders.contains_key(*folder)) {
                    return Err(format!("{name} says that {folder} was there, and the inventory nothing"));
                }
                for (number, partition) in &topic.partitions {
                    let (Some(folder), Some(backed_up)) = (topic.folder_of(partition), partition.backed_up) else { continue };
                    let known = inventory.folders.get(folder).and_then(|kept| kept.partitions.get(number));
                    if known.is_none_or(|known| known.backed_up < backed_up) {
                        return Err(format!(
                            "{name} says that {folder}/{number} was backed up to {backed_up}, and the inventory {known:?}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
