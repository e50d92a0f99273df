//! Cases that schedules seldom reach.

use archive::catalog::Snapshot;
use host::Event;
use kafka::{CommittedOffset, TopicPartition};
use kernel::clock::Clock;

use super::{Cluster, SnapshotSchedule};
use crate::chaos::Chaos;
use crate::world::Entry;

/// An invocation has fewer turns than this, if there is little to back up.
const TURNS: usize = 400;

/// Nothing in a snapshot is later than its name.
///
/// # Errors
/// Something is.
pub fn a_slot_is_named_by_its_end() -> Result<(), String> {
    run(async {
        for advance in [1, 2_000, 4_999] {
            let mut cluster = calm();
            cluster.clock.advance(advance);
            cluster.take_one().await?;
        }
        Ok(())
    })
}

/// A consumer commits everything while records are written without pause. What it committed is
/// never above the log's end.
///
/// # Errors
/// If it is, or is taken for an offset of another log.
pub fn a_group_commits_while_the_cluster_is_read() -> Result<(), String> {
    run(async {
        for seed in 0..10 {
            let mut cluster = calm();
            cluster.run_and(seed, |cluster, _| cluster.write_and_commit("orders")).await?;
            if cluster.outcome.snapshots != 1 || cluster.outcome.moved == 0 {
                return Err(format!("the group did not commit meanwhile: {:?}", cluster.outcome));
            }
            cluster.finish().await?;
        }
        Ok(())
    })
}

/// Whenever a topic is created again, its offsets are never listed under the id of the old one.
///
/// # Errors
/// They do.
pub fn a_topic_is_created_again_while_it_is_read() -> Result<(), String> {
    run(async {
        let mut changed = 0;
        for turn in 0..60 {
            let mut cluster = calm();
            cluster.write("orders", 20);
            let step = |cluster: &mut Cluster, now: usize| {
                if now == turn {
                    cluster.delete("orders");
                    cluster.world.lock().create("orders", 1);
                    cluster.write("orders", 3);
                }
            };
            cluster.run_and(u64::try_from(turn).unwrap_or(0), step).await?;
            changed += cluster.outcome.changed;
            cluster.finish().await?;
        }
        if changed > 0 { Ok(()) } else { Err("it was never created again while its numbers were read".to_owned()) }
    })
}

/// An event with a topic or a partition sees only a part, which could pass for the whole.
///
/// # Errors
/// It takes a snapshot.
pub fn an_event_takes_no_snapshot() -> Result<(), String> {
    run(async {
        for event in [
            Event { topic: Some("orders".to_owned()), ..Event::default() },
            Event { partition: Some(0), ..Event::default() },
            Event { shard: Some((1, 4)), ..Event::default() },
        ] {
            let mut cluster = calm();
            let process = cluster.process_with(0, None, Chaos::new(1, cluster.clock.clone(), None, 0), 0);
            let report = process.invoke_with(event.clone()).await.map_err(|error| error.to_string())?;
            cluster.check_new().await?;
            if report.snapshot.is_some() || cluster.outcome.snapshots > 0 {
                return Err(format!("{event:?} took a snapshot"));
            }
        }
        Ok(())
    })
}

/// A log loses its end, and gets other records, but fewer than were backed up. The bucket lacks
/// what snapshots of that time saw.
///
/// # Errors
/// If they are called complete.
pub fn a_log_is_cut_and_grows_a_little() -> Result<(), String> {
    run(async {
        let mut cluster = calm();
        cluster.write("orders", 20);
        cluster.catch_up(0).await?;
        cluster.check_new().await?;
        {
            let mut state = cluster.world.lock();
            cluster.history.remember(&state, "orders");
            if let Some(log) = state.log(&TopicPartition::new("orders", 0)) {
                log.cut(8);
            }
        }
        cluster.write("orders", 4);
        for _ in 0..2 {
            cluster.clock.advance(cluster.interval);
            cluster.take_one().await?;
        }
        let last = cluster.seen.values().next_back().map(|(_, snapshot)| diverged(snapshot));
        let outcome = cluster.finish().await?;
        if last == Some(true) && outcome.diverged == 2 { Ok(()) } else { Err(format!("it is not reported: {outcome:?}")) }
    })
}

fn diverged(snapshot: &Snapshot) -> bool {
    snapshot.topics["orders"].partitions[&0].diverged
}

/// The cluster of a schedule without random faults.
fn calm() -> Cluster {
    let mut cluster = Cluster::new(SnapshotSchedule { seed: 0, steps: 0, errors: 0 });
    cluster.interval = 5_000;
    cluster
}

fn run(case: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?.block_on(case)
}

impl Cluster {
    /// Writes records to the first partition.
    fn write(&mut self, topic: &str, count: usize) {
        let mut state = self.world.lock();
        let entries: Vec<Entry> = (0..count).map(|_| Entry::Record(state.value())).collect();
        if let Some(log) = state.log(&TopicPartition::new(topic, 0)) {
            log.entries.extend(entries);
        }
        self.history.note(self.clock.now(), &state);
    }

    fn write_and_commit(&mut self, topic: &str) {
        self.write(topic, 1);
        let place = ("app-0".to_owned(), TopicPartition::new(topic, 0));
        let mut state = self.world.lock();
        let next = state.log(&place.1).map_or(0, |log| log.end());
        state.commit(place, CommittedOffset { next, metadata: String::new() });
        self.history.note(self.clock.now(), &state);
    }

    /// An invocation of everything, and the check of the snapshot that it takes.
    async fn take_one(&mut self) -> Result<(), String> {
        let before = self.outcome.snapshots;
        self.invoke(0).await?;
        self.check_new().await?;
        if self.outcome.snapshots == before + 1 { Ok(()) } else { Err("no snapshot was taken".to_owned()) }
    }

    /// An invocation of everything, with `step` at each of its turns.
    async fn run_and(&mut self, seed: u64, mut step: impl FnMut(&mut Self, usize)) -> Result<(), String> {
        let process = self.process_with(0, None, Chaos::new(seed, self.clock.clone(), None, 0), 0);
        self.processes = vec![process];
        self.start(0);
        for turn in 0.. {
            tokio::task::yield_now().await;
            self.judge_the_ended().await?;
            if !self.processes[0].is_running() {
                break;
            }
            if turn < TURNS {
                step(self, turn);
                self.history.note(self.clock.now(), &self.world.lock());
            }
        }
        self.check_new().await
    }
}
