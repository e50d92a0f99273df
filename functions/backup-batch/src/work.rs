//! A running invocation, and its workers. Each takes one partition after another off the queue, and
//! reads the next one while it makes segments durable (`settling.rs`). Nothing durable follows from
//! reading, so what was read in vain is discarded.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};

use archive::{Error, Result};
use kafka::TopicPartition;
use kernel::clock::Millis;
use kernel::{in_full, lock};

use crate::candidate::Candidate;
use crate::generation::TopicState;
use crate::lost_end::is_truncation;
use crate::plan::Plan;
use crate::publish::{Published, Stored};
use crate::read::{Ready, nothing_came};
use crate::report::BackupReport;
use crate::settling::{Settled, Settling};
use crate::turn::Turn;
use crate::uploads::Held;
use crate::{Backup, Invocation};

/// A running invocation, shared by its workers.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) backup: Backup,
    pub(crate) invocation: Invocation,
    pub(crate) started: Millis,
    topics: HashMap<String, TopicState>,
    pub(crate) queue: Mutex<VecDeque<Candidate>>,
    pub(crate) report: Mutex<BackupReport>,
    /// Partitions whose logs lost their ends while they were read.
    pub(crate) cut: Mutex<BTreeSet<TopicPartition>>,
    /// What all workers hold.
    pub(crate) held: Held,
}

impl Run {
    pub(crate) fn new(backup: Backup, invocation: Invocation, started: Millis, plan: Plan) -> Self {
        let Plan { cluster, topics, mut known, work, report, .. } = plan;
        let topics = topics.into_iter().map(|(name, facts)| {
            let state = TopicState::new(&name, cluster.clone(), facts, known.remove(&name).unwrap_or_default());
            (name, state)
        });
        let topics = topics.collect();
        let (queue, report) = (Mutex::new(work.into()), Mutex::new(report));
        Self { backup, invocation, started, topics, queue, report, cut: Mutex::default(), held: Held::default() }
    }

    pub(crate) fn topic(&self, name: &str) -> Result<&TopicState> {
        self.topics.get(name).ok_or_else(|| Error::bug(format!("topic {name:?} is not part of this invocation")))
    }

    pub(crate) fn fail(&self, partition: &TopicPartition, error: &Error) {
        tracing::error!(topic = partition.topic, partition = partition.partition, "{}", in_full(error));
        lock(&self.report).fail(partition, error);
    }

    /// Whether no time is left to read: the rest of it is needed to upload what all workers hold.
    pub(crate) fn is_spent(&self) -> bool {
        let upload = self.backup.uploads.time_for(self.held.bytes());
        self.invocation.budget.is_spent_with(self.started, self.backup.clock.as_ref(), upload)
    }

    /// Whether no time is left for what was read, either.
    pub(crate) fn is_late(&self) -> bool {
        self.invocation.budget.is_spent(self.started, self.backup.clock.as_ref())
    }
}

/// Reads and publishes, one partition after another.
pub(crate) struct Worker {
    run: Arc<Run>,
    /// Segments that it may still write (MAX_SEGMENTS_PER_INVOCATION).
    left: u64,
    turn: Turn,
    /// Read, and not being uploaded yet.
    ready: Option<Ready>,
    settling: Settling,
    /// What to read next after it.
    behind: Option<Candidate>,
    /// Partitions without records. They come last, whatever was written.
    silent: Vec<Candidate>,
}

impl Worker {
    pub(crate) fn new(run: Arc<Run>) -> Self {
        let left = run.backup.settings.max_segments.unwrap_or(u64::MAX);
        let settling = Settling::new(run.clone());
        Self { run, left, turn: Turn::default(), ready: None, settling, behind: None, silent: Vec::new() }
    }

    /// Works until the queue is empty, the budget is spent, or MAX_SEGMENTS_PER_INVOCATION segments
    /// are written.
    pub(crate) async fn work(mut self) {
        loop {
            let candidate = self.choose();
            if candidate.is_none() && self.ready.is_none() && self.settling.is_empty() {
                return;
            }
            if let Some(ready) = self.ready.take() {
                self.settling.begin(ready);
            }
            let (settled, mut read) = self.settle_and_read(candidate.as_ref()).await;
            for Settled { ready, published, is_late } in settled {
                let partition = ready.candidate.partition.clone();
                let is_as_read = self.note(ready, published).await;
                // What was read after it, or was to be, does not start where the chain ends.
                let is_void = |other: &Candidate| !is_as_read && other.partition == partition;
                self.behind.take_if(|other| is_void(other));
                // The remaining time, when it is late, was for the previous segment. But the
                // cluster reports a truncation only to a reader that read before it.
                let is_void = candidate.as_ref().is_some_and(is_void);
                read = read.filter(|read| match read {
                    Ok(_) => !is_late && !is_void,
                    Err(error) => !is_void || is_truncation(error),
                });
            }
            if let Some((candidate, read)) = candidate.zip(read) {
                self.keep(candidate, read).await;
            }
        }
    }

    /// What to read next, if anything.
    fn choose(&mut self) -> Option<Candidate> {
        let promised = self.settling.segments() + u64::from(self.ready.as_ref().is_some_and(|ready| ready.is_segment));
        let next = if self.left > promised && !self.run.is_spent() {
            self.behind.take().or_else(|| lock(&self.run.queue).pop_front())
        } else {
            None
        };
        if next.is_some() || self.ready.is_some() || !self.settling.is_empty() {
            return next;
        }
        while let Some(last) = self.silent.pop() {
            if !self.run.is_spent() {
                return Some(last);
            }
            let from = last.commit.as_ref().map_or(0, |commit| commit.next);
            self.run.fail(&last.partition, &nothing_came(&last.partition, from, self.run.first_look()));
        }
        None
    }

    /// Reads `candidate`, and makes segments durable meanwhile. Returns those that are done by
    /// then: always the previous segment of the same partition, and at least one if all places are
    /// taken or there is nothing to read.
    async fn settle_and_read(&mut self, candidate: Option<&Candidate>) -> (Vec<Settled>, Option<Result<Option<Ready>>>) {
        let Self { run, settling, turn, .. } = self;
        let mut settled = Vec::new();
        let Some(candidate) = candidate else {
            settled.extend(settling.next().await);
            return (settled, None);
        };
        // The memory is for all of them.
        let mut read = pin!(run.read_segment(candidate, turn, settling.held()));
        let read = loop {
            tokio::select! {
                biased;
                Some(one) = settling.next() => settled.push(one),
                read = &mut read => break read,
            }
        };
        while settling.has(&candidate.partition) || settling.is_full() {
            settled.extend(settling.next().await);
        }
        (settled, Some(read))
    }

    /// Records the result of a segment; its partition goes back to the queue unless it is being
    /// read. Returns whether the chain ends where it was read to.
    async fn note(&mut self, ready: Ready, published: Result<Published>) -> bool {
        let partition = &ready.candidate.partition;
        let stored = match published {
            Ok(Published::Stored(stored)) => Ok(stored),
            Ok(Published::Unread(end)) => {
                self.turn.leave(partition);
                self.run.adopt_unread(&ready, &end).await
            }
            Err(error) => Err(error),
        };
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) => {
                self.run.fail(partition, &error);
                return false;
            }
        };
        // If only a commit was missing nothing was written: idle partitions do not use up the
        // others' invocations.
        self.left = self.left.saturating_sub(u64::from(ready.is_segment));
        lock(&self.run.report).add(partition, &stored);
        self.return_to_the_queue(&ready, &stored);
        stored.is_as_read
    }

    fn return_to_the_queue(&mut self, ready: &Ready, stored: &Stored) {
        if !stored.is_as_read {
            self.turn.leave(&ready.candidate.partition);
        } else if !ready.returns {
            return;
        }
        // If another invocation has begun a newer generation meanwhile, the next invocation starts
        // there; this one would read the old one again.
        let is_overtaken = stored.commit.folder != ready.commit.folder;
        let further = ready.candidate.after(&stored.commit);
        if !is_overtaken && self.run.is_due(&further) {
            lock(&self.run.queue).push_back(further);
        }
    }

    /// Keeps what was read, to be made durable next.
    async fn keep(&mut self, candidate: Candidate, read: Result<Option<Ready>>) {
        match read {
            Ok(Some(ready)) => self.continue_behind(ready),
            Ok(None) if self.turn.has_ended_in_silence() => self.silent.push(Candidate { is_stored: true, was_silent: true, ..candidate }),
            Ok(None) => {}
            Err(error) => {
                // By now the previous segment is committed, or discarded.
                if let Err(failed) = self.run.note_truncation(&candidate.partition, &error).await {
                    self.run.fail(&candidate.partition, &failed);
                }
                self.run.fail(&candidate.partition, &error);
            }
        }
    }

    /// The partition is read further immediately while its turn lasts, otherwise after it has
    /// passed the queue.
    fn continue_behind(&mut self, mut ready: Ready) {
        let further = ready.candidate.after(&ready.commit);
        match (self.run.is_due(&further), self.turn.is_over()) {
            (true, false) => self.behind = Some(further),
            (is_due, _) => ready.returns = is_due,
        }
        self.ready = Some(ready);
    }
}
