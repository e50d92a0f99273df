//! A process of one of the backups, and its invocations.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use archive::Result as Answer;
use archive::catalog::names;
use archive::segment::Compression;
use backup_batch::{Backup, BackupReport, Invocation};
use config::{BackupSettings, SnapshotSettings};
use host::{Budget, Event};
use kafka::{Isolation, KafkaSettings};
use kernel::clock::{Clock, Millis};
use rand::RngExt;
use store::{StoreKind, StoreSettings};
use telemetry::LogLevel;
use tokio::task::JoinHandle;

use super::witness::{SkewedClock, WitnessedBucket};
use super::{CLUSTER, Cluster, GROUPS, selection};
use crate::administration::SimAdministration;
use crate::bucket::{Line, SimBucket};
use crate::chaos::Chaos;
use crate::source::SimSource;
use crate::verdict;

const MINUTE: Millis = 60_000;
const YEAR: Millis = 365 * 24 * 60 * MINUTE;

/// Words of permanent errors that a schedule can cause.
const ALLOWED: [&str; 6] =
    ["no answer", "another cluster responds", "TOPIC_NAMES", "the event names", "is gone", "does not exist in the cluster"];

/// The shard and the number of shards. `None`: everything.
pub(super) type Shard = Option<(u32, u32)>;

/// A process: it runs one invocation after another, until it is killed.
pub(super) struct Process {
    backup: usize,
    shard: Shard,
    handler: Backup,
    chaos: Arc<Chaos>,
    pub(super) clock: Arc<SkewedClock>,
    started: Arc<AtomicI64>,
    running: Option<Running>,
}

struct Running {
    task: JoinHandle<Answer<BackupReport>>,
    event: Event,
    serial: usize,
}

impl Process {
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether an invocation is running that began before that one.
    pub(super) fn began_before(&self, serial: usize) -> bool {
        self.running.as_ref().is_some_and(|running| running.serial < serial) && !self.chaos.is_killed()
    }

    /// An invocation of everything.
    pub(super) async fn invoke(&self) -> Answer<BackupReport> {
        self.invoke_with(Event::default()).await
    }

    pub(super) async fn invoke_with(&self, event: Event) -> Answer<BackupReport> {
        self.started.store(self.clock.clock.now(), Ordering::Relaxed);
        let mut invocation = Invocation::new(Budget::unlimited(None));
        (invocation.event, invocation.flush) = (event, true);
        self.handler.invoke(&invocation).await
    }
}

impl Cluster {
    /// A new process, with its own faults and its own clock.
    pub(super) fn process(&mut self, backup: usize, shard: Shard) -> Process {
        let kill_at = self.rng.random_bool(0.5).then(|| self.rng.random_range(0..200));
        let chaos = Chaos::new(self.rng.random(), self.clock.clone(), kill_at, self.schedule.errors);
        let ahead = self.some_skew();
        self.process_with(backup, shard, chaos, ahead)
    }

    /// How far a clock is ahead: minutes at most. In some seeds the clock of one machine is a year
    /// ahead.
    fn some_skew(&mut self) -> Millis {
        match self.rng.random_range(0..10) {
            0..4 => 0,
            9 if self.schedule.seed % 5 == 3 => YEAR,
            _ => self.rng.random_range(-3 * MINUTE..3 * MINUTE),
        }
    }

    pub(super) fn process_with(&mut self, backup: usize, shard: Shard, chaos: Arc<Chaos>, ahead: Millis) -> Process {
        let clock = Arc::new(SkewedClock { clock: self.clock.clone(), ahead: AtomicI64::new(ahead) });
        let started = Arc::new(AtomicI64::new(0));
        let bucket = WitnessedBucket {
            inner: SimBucket { store: self.bucket.clone(), chaos: chaos.clone(), line: Line::default() },
            clock: clock.clone(),
            started: started.clone(),
            backup,
            attempts: self.attempts.clone(),
        };
        let source = SimSource::new(self.world.clone(), chaos.clone(), GROUPS[backup], std::collections::BTreeMap::new());
        let administration = SimAdministration { world: self.world.clone(), chaos: chaos.clone() };
        let every = Duration::from_millis(u64::try_from(self.interval).unwrap_or(1000));
        let settings = BackupSettings {
            kafka: KafkaSettings { bootstrap_servers: "simulation:9092".to_owned(), ..KafkaSettings::default() },
            store: StoreSettings { kind: StoreKind::Folder("/simulation".into()), prefix: String::new() },
            topics: selection(backup),
            group: GROUPS[backup].to_owned(),
            snapshots: Some(SnapshotSettings { every, groups: self.groups.clone() }),
            records_per_segment: self.rng.random_range(1..12),
            retry_upload: Duration::from_secs(60),
            threads: self.rng.random_range(1..4),
            max_segments: self.rng.random_bool(0.5).then(|| self.rng.random_range(1..6)),
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            metrics_max_topics: 50,
            isolation: Isolation::ReadCommitted,
            compression: Compression::Zstd(1),
            log_level: LogLevel::Error,
        };
        let handler = Backup::new(Arc::new(source), Arc::new(bucket), settings, clock.clone())
            .single_threaded()
            .with_snapshots_of(Arc::new(administration));
        Process { backup, shard, handler, chaos, clock, started, running: None }
    }

    /// Starts an invocation of an idle process.
    pub(super) fn start(&mut self, number: usize) {
        if self.processes[number].is_running() {
            return;
        }
        let event = self.event_for(self.processes[number].backup, self.processes[number].shard);
        let mut invocation = Invocation::new(Budget::unlimited(None));
        (invocation.event, invocation.flush) = (event.clone(), self.rng.random_bool(0.5));
        self.outcome.invocations += 1;
        let serial = self.outcome.invocations;
        let process = &mut self.processes[number];
        let (handler, started, clock) = (process.handler.clone(), process.started.clone(), self.clock.clone());
        let task = tokio::spawn(async move {
            started.store(clock.now(), Ordering::Relaxed);
            handler.invoke(&invocation).await
        });
        process.running = Some(Running { task, event, serial });
    }

    /// The event of its shard. A process of everything sometimes gets only one topic or one
    /// partition.
    fn event_for(&mut self, backup: usize, shard: Shard) -> Event {
        let mut event = Event { shard, ..Event::default() };
        if shard.is_none() && self.rng.random_bool(0.15) {
            let topics: Vec<String> = self.world.lock().topics.keys().filter(|topic| selection(backup).takes(topic)).cloned().collect();
            if !topics.is_empty() && self.rng.random_bool(0.7) {
                event.topic = Some(topics[self.rng.random_range(0..topics.len())].clone());
            }
            if event.topic.is_none() || self.rng.random_bool(0.3) {
                event.partition = Some(0);
            }
        }
        event
    }

    /// An invocation that has ended failed only for a reason that a fault explains, and took a
    /// snapshot if one was due. Killed processes are replaced.
    pub(super) async fn judge_the_ended(&mut self) -> Result<(), String> {
        for number in 0..self.processes.len() {
            let process = &mut self.processes[number];
            if process.chaos.is_killed() {
                if let Some(running) = process.running.take() {
                    running.task.abort();
                }
                self.outcome.kills += 1;
                let (backup, shard) = (process.backup, process.shard);
                self.processes[number] = self.process(backup, shard);
                continue;
            }
            if process.running.as_ref().is_none_or(|running| !running.task.is_finished()) {
                continue;
            }
            let Some(running) = process.running.take() else { continue };
            let result = running.task.await.map_err(|error| format!("an invocation panicked: {error}"))?;
            self.judge(number, &running.event, result)?;
        }
        Ok(())
    }

    fn judge(&self, number: usize, event: &Event, result: Answer<BackupReport>) -> Result<(), String> {
        let is_allowed = |error: &str| ALLOWED.iter().any(|allowed| error.contains(allowed));
        let report = match result {
            Ok(report) => report,
            Err(error) if error.is_retryable() || is_allowed(&error.to_string()) => return Ok(()),
            Err(error) => return Err(format!("an invocation failed for good: {error}")),
        };
        if let Some(error) = report.errors.iter().find(|error| !is_allowed(error)) {
            return Err(format!("an invocation failed for good: {error}"));
        }
        report.partitions.iter().try_for_each(|one| verdict::of_text(one.error.as_deref(), one.retryable))?;
        let is_of_all = event.topic.is_none() && event.partition.is_none() && event.shard.is_none_or(|(shard, _)| shard == 0);
        if report.snapshot.is_some() && !is_of_all {
            return Err(format!("{event:?} took a snapshot"));
        }
        if is_of_all && report.errors.is_empty() { self.check_slot(&self.processes[number]) } else { Ok(()) }
    }

    /// Asserts that there is a snapshot for the time of an invocation.
    fn check_slot(&self, process: &Process) -> Result<(), String> {
        let slot = |at: Millis| (at + process.clock.ahead() + self.interval - 1).div_euclid(self.interval);
        let prefix = names::snapshot_prefix(Some(CLUSTER), GROUPS[process.backup]);
        let objects = self.bucket.snapshot();
        let (first, last) = (slot(process.started.load(Ordering::Relaxed)), slot(self.clock.now()));
        if (first..=last).any(|slot| objects.contains_key(&names::snapshot(&prefix, slot * self.interval))) {
            return Ok(());
        }
        Err(format!("no snapshot is there of slots {first} to {last}, in which an invocation of {prefix} ran"))
    }
}
