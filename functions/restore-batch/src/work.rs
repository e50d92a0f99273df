//! A running invocation: its workers take partitions of all topics off one queue.

use std::collections::{BTreeMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use archive::catalog::{Binding, Done, RestoreIdentity, RestoredTopic};
use archive::segment::ReadAhead;
use archive::{Error, Result};
use host::{Event, work_together};
use kafka::{ClusterFacts, TopicFacts};
use kernel::clock::{Millis, age};
use kernel::{in_full, lock};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::identity::Bound;
use crate::partition::PartitionRestore;
use crate::ready::Ready;
use crate::report::{DonePartitions, RestoreReport, TopicReport};
use crate::source::{is_for, is_name_of};
use crate::together::at_once;
use crate::topic::TopicRestore;
use crate::{Invocation, Restore, writers};

/// So many of the next partitions are looked up ahead.
const LOOKED_UP: usize = 4;
/// What was looked up longer ago is looked up again, in milliseconds: other invocations may be
/// further.
const STALE: Millis = 60_000;

/// The topic of a schema registry, which readers of other topics need.
const SCHEMAS: &str = "_schemas";

/// What this invocation and its workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) restore: Restore,
    pub(crate) invocation: Invocation,
    pub(crate) started: Millis,
    /// What all partitions share for prefetching.
    pub(crate) ahead: Option<ReadAhead>,
    pub(crate) cluster: ClusterFacts,
    /// Nothing of the restore was in the bucket when the invocation began.
    pub(crate) is_new: bool,
    /// The choice of the restore id, once recorded.
    pub(crate) identity: OnceCell<Arc<RestoreIdentity>>,
    /// Partitions that are restored up to their cuts.
    done: AtomicU64,
    /// The state when the invocation began; `None` if the restore has no end.
    counts: Option<Counts>,
}

/// The progress of a restore with cuts.
#[derive(Debug, Clone, Copy)]
struct Counts {
    done: u64,
    all: u64,
    /// The sum of the cuts of those that are not done.
    offsets: u64,
}

impl Shared {
    pub(crate) fn is_spent(&self) -> bool {
        self.invocation.budget.is_spent(self.started, self.restore.clock.as_ref())
    }

    /// One more partition is restored up to its cut.
    pub(crate) fn count_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> Option<DonePartitions> {
        let done = self.done.load(Ordering::Relaxed);
        self.counts.map(|counts| DonePartitions { partitions_to_restore: counts.all, partitions_done: done })
    }
}

/// One topic of the invocation.
#[derive(Debug)]
struct Slot {
    topic: RestoredTopic,
    /// Its partitions of this invocation.
    pending: Vec<i32>,
    /// Created when the first of them is taken.
    restore: OnceCell<Arc<TopicRestore>>,
    /// Why this invocation can restore nothing of it.
    error: Mutex<Option<Error>>,
}

/// One invocation.
#[derive(Debug)]
pub(crate) struct Work {
    shared: Arc<Shared>,
    slots: Vec<Slot>,
    queue: Mutex<VecDeque<(usize, i32)>>,
    /// Being looked up: what is first in the queue.
    coming: Mutex<BTreeMap<(usize, i32), LookedUp>>,
}

/// What is being looked up of a partition, and since when.
#[derive(Debug)]
struct LookedUp {
    since: Millis,
    task: JoinSet<Result<Ready>>,
}

impl Work {
    /// Of one topic, without an end.
    pub(crate) async fn of_one(
        restore: &Restore,
        invocation: &Invocation,
        noted: Option<RestoreIdentity>,
        cluster: ClusterFacts,
        started: Millis,
    ) -> Result<Self> {
        let source = restore.source_of_one(&invocation.event, noted.as_ref()).await?;
        let accepted = restore.compare(&source, noted.as_ref()).await?;
        if noted.is_none() && !restore.settings.times.are_all() {
            restore.refuse_archives_without_times(&source).await?;
        }
        let shared = Shared::new(restore, invocation, started, cluster, noted, None);
        let topic = source.followed();
        let pending = source.partitions.clone();
        let prepared = TopicRestore::prepare(shared.clone(), source, accepted).await?;
        let slot = Slot { topic, pending, restore: OnceCell::from(Arc::new(prepared)), error: Mutex::default() };
        Ok(Self::new(shared, vec![slot]))
    }

    /// Of everything in the scope, minus what is done.
    pub(crate) async fn go_on(
        restore: &Restore,
        invocation: &Invocation,
        noted: RestoreIdentity,
        cluster: ClusterFacts,
        started: Millis,
    ) -> Result<Self> {
        refuse_foreign(&invocation.event, &noted)?;
        let done = Done::read(restore.store.as_ref(), restore.id(), &noted.run).await?;
        let Bound { bound, there } = restore.bound(&noted).await?;
        let all = noted.topics.iter().map(|topic| to_restore(topic).count()).sum::<usize>();
        let (mut left, mut offsets) = (0, 0);
        for topic in &noted.topics {
            let open = topic.cuts.iter().flatten().filter(|(number, cut)| **cut > 0 && !done.has(&topic.folder, **number));
            open.for_each(|(_, cut)| (left, offsets) = (left + 1, offsets + cut.unsigned_abs()));
        }
        let counts = Counts { done: all as u64 - left, all: all as u64, offsets };
        let shared = Shared::new(restore, invocation, started, cluster, Some(noted.clone()), Some(counts));
        let slot = |(topic, bound): (RestoredTopic, Option<Binding>)| {
            let is_mine = |number: &i32| !done.has(&topic.folder, *number) && is_for(&invocation.event, &topic.folder, *number);
            let pending = to_restore(&topic).filter(is_mine).collect();
            let error = restore.check_bound(bound.as_ref(), there.get(&topic.target)).err();
            Slot { topic, pending, restore: OnceCell::new(), error: Mutex::new(error) }
        };
        let work = Self::new(shared, noted.topics.into_iter().zip(bound).map(slot).collect());
        work.create_topics(&there).await;
        Ok(work)
    }

    fn new(shared: Arc<Shared>, slots: Vec<Slot>) -> Self {
        let pending = slots.iter().enumerate().flat_map(|(index, slot)| slot.pending.iter().map(move |partition| (index, *partition)));
        // What others need to read theirs comes first.
        let (first, others): (Vec<_>, Vec<_>) = pending.partition(|(index, _)| is_name_of(SCHEMAS, &slots[*index].topic.folder));
        let queue = Mutex::new(first.into_iter().chain(turns(others, shared.started)).collect());
        Self { shared, slots, queue, coming: Mutex::default() }
    }

    /// Begins to look up the first partitions in the queue, each once. Nothing is written for that;
    /// what fails is tried again at its turn.
    fn look_ahead(self: &Arc<Self>) {
        if self.shared.ahead.is_none() || self.shared.is_spent() {
            return;
        }
        let first: Vec<(usize, i32)> = lock(&self.queue).iter().take(LOOKED_UP).copied().collect();
        let mut coming = lock(&self.coming);
        for (index, partition) in first {
            if self.slots[index].has_failed() || coming.contains_key(&(index, partition)) {
                continue;
            }
            let work = Arc::clone(self);
            let look = async move { work.prepared(&work.slots[index]).await?.make_ready(partition).await };
            let mut task = JoinSet::new();
            task.spawn(look.in_current_span());
            coming.insert((index, partition), LookedUp { since: self.shared.restore.clock.now(), task });
        }
    }

    /// What was looked up of a partition, unless that failed or is long ago.
    async fn looked_up(&self, one: (usize, i32)) -> Option<Ready> {
        let LookedUp { since, mut task } = lock(&self.coming).remove(&one)?;
        if age(since, self.shared.restore.clock.now()) > STALE {
            return None;
        }
        match task.join_next().await? {
            Ok(ready) => ready.ok(),
            Err(ended) => resume_unwind(ended.into_panic()),
        }
    }

    /// Creates missing targets, including those of topics without records. An error concerns only
    /// its topic.
    async fn create_topics(&self, there: &BTreeMap<String, TopicFacts>) {
        let is_missing = |slot: &&Slot| !there.contains_key(&slot.topic.target) && !slot.has_failed();
        let prepare = self.slots.iter().filter(is_missing).map(|slot| async move {
            if let Err(error) = self.prepared(slot).await {
                slot.fail(error);
            }
        });
        at_once(prepare.collect()).await;
    }

    async fn prepared<'s>(&self, slot: &'s Slot) -> Result<&'s Arc<TopicRestore>> {
        let prepare = || async {
            let source = self.shared.restore.source_with_cuts(&slot.topic, slot.pending.clone()).await?;
            Ok(Arc::new(TopicRestore::prepare(self.shared.clone(), source, Vec::new()).await?))
        };
        slot.restore.get_or_try_init(prepare).await
    }

    /// Works until nothing is left or the budget is spent.
    ///
    /// # Errors
    /// The error of a restore of one topic without an end; of any other, it is in the report of the
    /// topic.
    pub(crate) async fn run(self) -> Result<RestoreReport> {
        let work = Arc::new(self);
        let worker = |number| {
            let thread = if number == 0 { "Kafka Producer".to_owned() } else { format!("Kafka Producer {number}") };
            Self::work(work.clone()).instrument(tracing::info_span!("worker", thread))
        };
        let writers = writers::at_once(work.shared.restore.settings.threads, work.shared.cluster.brokers);
        work_together((0..writers).map(worker)).await;
        // Of those that are left nothing is asked any more.
        lock(&work.coming).clear();
        work.confirm_all().await?;
        work.report().await
    }

    /// Takes partitions off the queue until it is empty, the budget is spent, or
    /// MAX_SEGMENTS_PER_INVOCATION segments are replayed.
    async fn work(self: Arc<Self>) {
        let mut left = self.shared.restore.settings.max_segments.unwrap_or(u64::MAX);
        let nearly_done = || self.look_ahead();
        // The last one is settled while the next one is restored.
        let mut unsettled: Option<PartitionRestore<'_>> = None;
        while left > 0 && !self.shared.is_spent() {
            let Some((index, partition)) = lock(&self.queue).pop_front() else { break };
            let slot = &self.slots[index];
            let ready = self.looked_up((index, partition)).await;
            if slot.has_failed() {
                continue;
            }
            let restore = async {
                match self.prepared(slot).await {
                    Ok(topic) => topic.restore(partition, ready, &mut left, &nearly_done).await,
                    Err(error) => {
                        slot.fail(error);
                        None
                    }
                }
            };
            unsettled = futures::join!(restore, settle(unsettled.take())).0;
        }
        settle(unsettled).await;
    }

    /// Before the report calls anything complete.
    async fn confirm_all(&self) -> Result<()> {
        let begun = self.slots.iter().filter_map(|slot| Some((slot, slot.restore.get()?.clone())));
        let confirm = begun.map(|(slot, topic)| async move { (slot, topic.end().await) });
        for (slot, confirmed) in at_once(confirm.collect()).await {
            match confirmed {
                Err(error) if self.shared.counts.is_none() => return Err(error),
                Err(error) => slot.fail(error),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn report(&self) -> Result<RestoreReport> {
        let Shared { restore, started, .. } = &*self.shared;
        let mut report = RestoreReport::new(restore, self.shared.identity.get().map(Arc::as_ref));
        report.topics = self.slots.iter().map(Slot::report).collect();
        report.finish(*started, restore.clock.now());
        report.done = self.shared.done();
        // The state of partitions that this invocation did not check is unknown.
        let reached = report.all_partitions().map(|(_, one)| one.next.unsigned_abs()).sum::<u64>();
        report.offsets_left = self.shared.counts.map(|counts| counts.offsets.saturating_sub(reached));
        if let Some(noted) = self.shared.identity.get().filter(|noted| noted.is_cut() && report.caught_up && report.succeeded) {
            restore.finish(noted, &mut report).await?;
        }
        for (slot, of) in self.slots.iter().zip(&mut report.topics) {
            let is_whole = of.caught_up && of.error.is_none() && (self.shared.counts.is_none() || report.has_finished);
            // An earlier invocation may have restored all of it.
            if is_whole {
                let topic = self.prepared(slot).await?;
                restore.tell_of_configs_of(&topic.source, &topic.target, of).await;
            }
        }
        report.tell_of_groups();
        Ok(report)
    }
}

async fn settle(restored: Option<PartitionRestore<'_>>) {
    if let Some(restored) = restored {
        restored.topic.settle(restored).await;
    }
}

impl Slot {
    fn has_failed(&self) -> bool {
        lock(&self.error).is_some() || self.restore.get().is_some_and(|topic| topic.refusal().is_some())
    }

    fn fail(&self, error: Error) {
        tracing::error!(topic = self.topic.folder, "{}", in_full(&error));
        lock(&self.error).get_or_insert(error);
    }

    fn report(&self) -> TopicReport {
        let begun = self.restore.get().map(|topic| lock(&topic.report).clone());
        let mut report = begun.unwrap_or_else(|| TopicReport::of(&self.topic, &self.pending));
        let error = lock(&self.error);
        let refusal = self.restore.get().and_then(|topic| topic.refusal());
        report.finish(error.as_ref().or(refusal));
        report
    }
}

impl Shared {
    fn new(
        restore: &Restore,
        invocation: &Invocation,
        started: Millis,
        cluster: ClusterFacts,
        noted: Option<RestoreIdentity>,
        counts: Option<Counts>,
    ) -> Arc<Self> {
        Arc::new(Self {
            restore: restore.clone(),
            invocation: invocation.clone(),
            started,
            ahead: restore.read_ahead(&invocation.budget),
            cluster,
            is_new: noted.is_none(),
            identity: noted.map_or_else(OnceCell::new, |noted| OnceCell::from(Arc::new(noted))),
            done: AtomicU64::new(counts.map_or(0, |counts| counts.done)),
            counts,
        })
    }
}

/// The partitions of a topic with cuts that have something to restore.
pub(crate) fn to_restore(topic: &RestoredTopic) -> impl Iterator<Item = i32> {
    topic.cuts.iter().flatten().filter(|(_, cut)| **cut > 0).map(|(partition, _)| *partition)
}

/// An event for something that is not restored is a mistake.
fn refuse_foreign(event: &Event, noted: &RestoreIdentity) -> Result<()> {
    let is_one = |topic: &RestoredTopic| event.topic.as_ref().is_none_or(|only| is_name_of(only, &topic.folder));
    let mut named = noted.topics.iter().filter(|topic| is_one(topic)).peekable();
    if named.peek().is_none() {
        let only = event.topic.as_deref().unwrap_or_default();
        return Err(Error::request(format!("the event names topic {only:?}, which this restore does not have; nothing was read")));
    }
    match event.partition {
        Some(number) if !named.any(|topic| topic.cuts.as_ref().is_some_and(|cuts| cuts.contains_key(&number))) => {
            Err(Error::request(format!("the event names partition {number}, which this restore does not have; nothing was read")))
        }
        _ => Ok(()),
    }
}

/// The partitions, starting with another one each time: those that cannot be written just now do
/// not make the same others wait permanently.
fn turns(partitions: Vec<(usize, i32)>, now: Millis) -> VecDeque<(usize, i32)> {
    let mut turns: VecDeque<(usize, i32)> = partitions.into();
    // Schedules are as regular as clocks: the time is mixed (a step of SplitMix64).
    let stirred = now.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let by = usize::try_from(stirred).unwrap_or(0) % turns.len().max(1);
    turns.rotate_left(by);
    turns
}
