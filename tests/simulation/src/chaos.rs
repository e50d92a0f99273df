//! What can happen at an await point.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use kernel::clock::{Clock, Millis};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::gate::Gate;

/// The simulated time. It advances a little at every await point, and a lot when a task waits.
#[derive(Debug, Default)]
pub(crate) struct SimClock(AtomicI64);

impl SimClock {
    pub(crate) fn advance(&self, by: Millis) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Millis {
        1_700_000_000_000 + self.0.load(Ordering::Relaxed)
    }
}

/// What the point decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    /// The request is carried out and answered.
    Answered,
    /// The request never arrived.
    Lost,
    /// The request is carried out, and the answer is lost.
    AnswerLost,
}

/// The target of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Area {
    /// The source cluster: topics and logs.
    Source,
    /// The group's committed offsets.
    Group,
    /// The bucket.
    Bucket,
    /// The target cluster.
    Target,
}

/// A request: what it reads or changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Request {
    pub(crate) area: Area,
    /// An object or a prefix of objects, a group, a topic, a `transactional.id`.
    pub(crate) name: String,
    pub(crate) writes: bool,
    /// It writes only what does not exist yet.
    pub(crate) creates: bool,
}

impl Request {
    pub(crate) fn read(area: Area, name: &str) -> Self {
        Self { area, name: name.to_owned(), writes: false, creates: false }
    }

    pub(crate) fn create(area: Area, name: &str) -> Self {
        Self { creates: true, ..Self::write(area, name) }
    }

    pub(crate) fn write(area: Area, name: &str) -> Self {
        Self { area, name: name.to_owned(), writes: true, creates: false }
    }
}

/// The faults of one invocation.
#[derive(Debug)]
pub(crate) struct Chaos {
    rng: Mutex<SmallRng>,
    pub(crate) clock: Arc<SimClock>,
    /// The invocation is killed at this many points from now; negative: never.
    points_left: AtomicI64,
    killed: AtomicBool,
    /// Errors in a thousand requests.
    errors: u32,
    /// Of a thousand requests, this many are delayed by half a minute. Of a thousand answers, this
    /// many are stale.
    late: u32,
    /// If there is one, it decides instead of chance.
    gate: Option<Arc<Gate>>,
}

impl Chaos {
    /// An invocation that is killed at its `kill_at`-th await point. Of a thousand requests
    /// `errors` fail.
    pub(crate) fn new(seed: u64, clock: Arc<SimClock>, kill_at: Option<i64>, errors: u32) -> Arc<Self> {
        Arc::new(Self::luck(seed, clock, kill_at, errors))
    }

    fn luck(seed: u64, clock: Arc<SimClock>, kill_at: Option<i64>, errors: u32) -> Self {
        let rng = Mutex::new(SmallRng::seed_from_u64(seed));
        let (points_left, killed) = (AtomicI64::new(kill_at.unwrap_or(-1)), AtomicBool::new(false));
        Self { rng, clock, points_left, killed, errors, late: errors / 4, gate: None }
    }

    /// An invocation whose fate a gate decides.
    pub(crate) fn gated(clock: Arc<SimClock>, gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self { gate: Some(gate), ..Self::luck(0, clock, None, 0) })
    }

    /// Whether the invocation was killed: nothing it still does may have an effect.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }

    /// An await point before a request: other tasks run, and time passes. The invocation can be
    /// killed here and never returns.
    pub(crate) async fn request(&self, request: Request) -> Fate {
        if let Some(gate) = &self.gate {
            let Some(fate) = gate.pass(request).await else {
                self.killed.store(true, Ordering::Relaxed);
                return std::future::pending().await;
            };
            return fate;
        }
        if self.is_late() {
            self.clock.advance(30_000);
        }
        let (yields, fate) = {
            let mut rng = self.lock();
            let fate = match rng.random_range(0..1000) {
                n if n < self.errors / 2 => Fate::Lost,
                n if n < self.errors => Fate::AnswerLost,
                _ => Fate::Answered,
            };
            (rng.random_range(0..4), fate)
        };
        self.pass(yields).await;
        fate
    }

    /// An await point after a request.
    pub(crate) async fn answered(&self) {
        if self.gate.is_some() {
            return;
        }
        let yields = self.lock().random_range(0..3);
        self.pass(yields).await;
    }

    async fn pass(&self, yields: u32) {
        self.clock.advance(1);
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        if self.points_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.killed.store(true, Ordering::Relaxed);
        }
        if self.is_killed() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn is_late(&self) -> bool {
        self.chance(self.late)
    }

    pub(crate) fn chance(&self, in_thousand: u32) -> bool {
        in_thousand > 0 && self.gate.is_none() && self.lock().random_range(0..1000) < in_thousand
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SmallRng> {
        self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
