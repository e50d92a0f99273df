//! A small instance, explored completely: two invocations, two segments, and at most one kill,
//! wherever it matters. The real handlers run with every order of their requests to shared state,
//! and the oracle judges each end. No request fails, and no answer is lost: random schedules
//! (`schedule.rs`) cover that.
//!
//! Each order runs again from its beginning, then continues by one more choice. A state that
//! another order has already reached is not explored a second time: the same bucket, group and
//! target, and the same answers for both invocations. A request that changes nothing, and whose
//! answer can no longer change, passes first: its position makes no difference to other requests
//! (`is_settled`).

use std::collections::HashSet;
use std::sync::Arc;

use store::testing::MemoryStore;
use tokio::task::JoinHandle;

use super::chaos::{Area, Chaos, Request};
use super::gate::{Gate, Step, Writes, digest};
use super::schedule::{Handler, Simulation, TOPIC, restored};
use super::target::ends_of;
use super::verdict::{self, Verdict};
use super::world::{Log, World};

/// What was explored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Explored {
    /// Orders that were run to a new state or to their end.
    pub runs: usize,
    /// Different states.
    pub states: usize,
    /// Different ends, each caught up in quiet and judged by the oracle.
    pub ends: usize,
}

/// Which small instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// Two backups of a partition that has records for two segments. The bucket is empty at first.
    Backup,
    /// Two restores of a partition with two segments, into a topic that does not exist yet.
    Restore,
}

type Choice = (usize, Step);

/// More turns than reading a segment of these instances requires.
const AHEAD: usize = 20;

/// Explores an instance.
///
/// # Errors
/// The first order that the oracle finds wrong.
pub fn explore(instance: Instance) -> Result<Explored, String> {
    let (mut explored, mut seen) = (Explored::default(), HashSet::new());
    let mut path: Vec<(Vec<Choice>, usize)> = Vec::new();
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        runtime.block_on(one_order(instance, &mut path, &mut seen, &mut explored)).map_err(|problem| {
            let order: Vec<_> = path.iter().map(|(choices, taken)| choices[*taken]).collect();
            format!("{problem}\nafter {order:?}")
        })?;
        explored.runs += 1;
        while path.last_mut().is_some_and(|(choices, taken)| {
            *taken += 1;
            *taken == choices.len()
        }) {
            path.pop();
        }
        if path.is_empty() {
            explored.states = seen.len();
            return Ok(explored);
        }
    }
}

/// Runs the choices of `path`, then the first choice of every state that is new.
async fn one_order(
    instance: Instance,
    path: &mut Vec<(Vec<Choice>, usize)>,
    seen: &mut HashSet<u64>,
    explored: &mut Explored,
) -> Result<(), String> {
    let mut table = Table::new(instance).await?;
    for (choices, taken) in &*path {
        table.settle().await?;
        table.take(choices[*taken]);
    }
    loop {
        table.settle().await?;
        if !seen.insert(table.state()) {
            return Ok(());
        }
        let choices = table.choices();
        let Some(first) = choices.first().copied() else {
            explored.ends += 1;
            return table.simulation.finish().await.map(|_| ());
        };
        path.push((choices, 0));
        table.take(first);
    }
}

/// An invocation.
struct Player {
    gate: Arc<Gate>,
    task: JoinHandle<Verdict>,
    is_judged: bool,
}

/// The instance at one moment.
struct Table {
    simulation: Simulation,
    world: World,
    bucket: Arc<MemoryStore>,
    players: Vec<Player>,
    /// The topic that is restored to.
    copy: String,
    writes: Writes,
    has_killed: bool,
    instance: Instance,
}

impl Table {
    async fn new(instance: Instance) -> Result<Self, String> {
        let mut simulation = Simulation::small();
        if instance == Instance::Restore {
            simulation.back_up_everything().await?;
        }
        let (handler, asks): (Handler, fn(&Request) -> bool) = match instance {
            Instance::Backup => (Handler::Backup, |request| matches!(request.area, Area::Bucket | Area::Group)),
            // The backup does not change any more.
            Instance::Restore => (Handler::Restore, |request| match request.area {
                Area::Bucket => request.name.starts_with("@restore"),
                area => area == Area::Target,
            }),
        };
        let players = (0..2)
            .map(|_| {
                let gate = Gate::new(asks);
                let chaos = Chaos::gated(simulation.clock.clone(), gate.clone());
                Player { gate, task: simulation.start(handler, chaos), is_judged: false }
            })
            .collect();
        let (world, bucket) = (simulation.world.clone(), simulation.bucket.clone());
        Ok(Self { simulation, world, bucket, players, copy: restored(TOPIC), writes: Writes::default(), has_killed: false, instance })
    }

    /// Lets both run until each waits at its gate, has ended or was killed.
    async fn settle(&mut self) -> Verdict {
        let rests = |Player { gate, task, .. }: &Player| gate.waiting().is_some() || gate.is_killed() || task.is_finished();
        while !self.players.iter().all(rests) {
            tokio::task::yield_now().await;
        }
        // Read-ahead passes no gate, so it ends meanwhile.
        for _ in 0..AHEAD {
            tokio::task::yield_now().await;
        }
        for player in self.players.iter_mut().filter(|player| player.task.is_finished() && !player.is_judged) {
            player.is_judged = true;
            verdict::of_ended(&mut player.task).await?;
        }
        Ok(())
    }

    /// Which invocations can continue, and how. A kill before a read is the same as a kill before
    /// the next write.
    fn choices(&self) -> Vec<Choice> {
        let is_settled = |player: &Player| player.gate.waiting().is_some_and(|request| self.is_settled(&request));
        if let Some(first) = self.players.iter().position(is_settled) {
            return vec![(first, Step::Go)];
        }
        let mut choices = Vec::new();
        for (number, player) in self.players.iter().enumerate() {
            let Some(request) = player.gate.waiting() else { continue };
            choices.push((number, Step::Go));
            if request.writes && !self.has_killed {
                choices.push((number, Step::Kill));
            }
        }
        choices
    }

    /// Whether a request changes nothing and its answer can no longer change: it creates what
    /// exists already, or reads what is written once. In these instances nothing is deleted, and
    /// only one restore claims the target.
    fn is_settled(&self, request: &Request) -> bool {
        let name = request.name.as_str();
        let is_written_once = || {
            let ends = [".tar.gz", ".tar.zst", ".sha256", "/restore.json"].iter().any(|end| name.ends_with(end));
            ends || name.contains("/@target/")
        };
        match request.area {
            // Two backups are few enough to let reads take turns, too.
            Area::Bucket => {
                (request.creates || !request.writes && self.instance == Instance::Restore && is_written_once())
                    && self.bucket.snapshot().contains_key(name)
            }
            // Whether it exists, and its id.
            Area::Target => !request.writes && name == self.copy && self.world.lock().topics.contains_key(name),
            Area::Source | Area::Group => false,
        }
    }

    fn take(&mut self, (number, step): Choice) {
        self.has_killed |= step == Step::Kill;
        let gate = &self.players[number].gate;
        let Some(request) = gate.waiting() else { return };
        let is_settled = self.is_settled(&request);
        gate.decide(step, digest(&(self.content(&request), self.writes.seen(&request))));
        if step == Step::Go && !is_settled {
            self.writes.count(&request);
        }
    }

    /// Exactly the state that decides the answer to a request. Two orders are one if no invocation
    /// can notice a difference.
    fn content(&self, request: &Request) -> u64 {
        let state = self.world.lock();
        match request.area {
            Area::Source => digest(&state.topics),
            Area::Group => digest(&state.groups),
            Area::Target if request.name == self.copy => digest(&state.topics.get(&self.copy).map(|topic| topic.id.clone())),
            Area::Target if request.name == ends_of(&self.copy) => {
                digest(&state.topics.get(&self.copy).map(|topic| topic.logs.iter().map(Log::end).collect::<Vec<_>>()))
            }
            Area::Target if request.writes => digest(&(&state.topics, &state.producers)),
            Area::Target => digest(&state.groups),
            Area::Bucket => {
                let objects = self.bucket.snapshot();
                let seen = objects.range(request.name.clone()..).take_while(|(name, _)| name.starts_with(&request.name));
                digest(&seen.collect::<Vec<_>>())
            }
        }
    }

    fn state(&self) -> u64 {
        // The answers that killed and finished invocations got no longer matter.
        let alive = |Player { gate, task, .. }: &Player| (!gate.is_killed() && !task.is_finished()).then(|| gate.history());
        let mut players: Vec<_> = self.players.iter().map(alive).collect();
        // The order of the two does not matter either.
        players.sort_unstable();
        let world = {
            let state = self.world.lock();
            digest(&(&state.topics, &state.groups, &state.producers))
        };
        digest(&(players, world, self.bucket.snapshot(), &self.writes, self.has_killed))
    }
}
