//! Lets a test decide which invocation's request is next, and what happens to it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chaos::{Area, Fate, Request};

/// The fate of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// It is sent, and answered.
    Go,
    /// Its invocation is killed before it is sent.
    Kill,
}

/// One invocation's place in front of the gate.
#[derive(Debug)]
pub(crate) struct Gate {
    /// False for requests whose answer no write can change. They pass without a decision.
    asks: fn(&Request) -> bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Option<Request>,
    step: Option<Step>,
    killed: bool,
    /// A digest of all requests and answers. Two invocations with the same one are at the same
    /// point in the same state.
    history: u64,
}

impl Gate {
    pub(crate) fn new(asks: fn(&Request) -> bool) -> Arc<Self> {
        Arc::new(Self { asks, state: Mutex::default() })
    }

    /// Waits for the decision about a request. `None`: the invocation is killed.
    pub(crate) async fn pass(&self, request: Request) -> Option<Fate> {
        if !(self.asks)(&request) {
            return Some(Fate::Answered);
        }
        // One request of an invocation at a time. Its parallel requests wait.
        while !self.stand(&request) {
            if self.is_killed() {
                return None;
            }
            tokio::task::yield_now().await;
        }
        loop {
            tokio::task::yield_now().await;
            if let Some(step) = self.lock().step.take() {
                return (step == Step::Go).then_some(Fate::Answered);
            }
        }
    }

    /// Takes the place in front of the gate, if it is free.
    fn stand(&self, request: &Request) -> bool {
        let mut state = self.lock();
        let is_free = state.waiting.is_none() && state.step.is_none() && !state.killed;
        if is_free {
            state.waiting = Some(request.clone());
        }
        is_free
    }

    /// The waiting request.
    pub(crate) fn waiting(&self) -> Option<Request> {
        self.lock().waiting.clone()
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.lock().killed
    }

    pub(crate) fn history(&self) -> u64 {
        self.lock().history
    }

    /// Decides about the waiting request. `seen` is the state that determines its answer.
    pub(crate) fn decide(&self, step: Step, seen: u64) {
        let mut state = self.lock();
        let request = state.waiting.take();
        state.history = digest(&(state.history, request, step, seen));
        state.killed = step == Step::Kill;
        state.step = Some(step);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often each object was written. For a client that compares versions, two states differ if an
/// object was written again, even with the same content.
#[derive(Debug, Default, Hash)]
pub(crate) struct Writes(BTreeMap<String, u32>);

impl Writes {
    pub(crate) fn count(&mut self, request: &Request) {
        if request.writes && request.area == Area::Bucket {
            *self.0.entry(request.name.clone()).or_default() += 1;
        }
    }

    /// A digest of the counts of everything that a request can see.
    pub(crate) fn seen(&self, request: &Request) -> u64 {
        let is_seen = |name: &str| request.area == Area::Bucket && name.starts_with(&request.name);
        digest(&self.0.iter().filter(|(name, _)| is_seen(name)).collect::<Vec<_>>())
    }
}

pub(crate) fn digest(content: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}
