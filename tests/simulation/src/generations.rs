//! Cases of generations: in which one a topic's segments are stored.

use std::sync::Arc;

use archive::catalog::{Generations, RestoreIdentity, names};
use backup_batch::{BackupReport, Invocation};
use host::Budget;
use kafka::TopicPartition;
use restore_batch::{Invocation as RestoreInvocation, RestoreReport};
use store::ObjectStore;
use store::testing::Delete;

use super::cases::{invoke, runtime};
use super::chaos::Chaos;
use super::quiet::{LOOKS_AGAIN, SECOND_LOOK};
use super::schedule::{Handler, Simulation, TOPIC};
use super::world::{Entry, State, World};

/// Two clusters with a topic of the same name share a bucket, as when an old cluster returns with
/// its schedule. Each continues its own generation, and copies nothing twice.
///
/// # Errors
/// If they begin generations repeatedly, or records are lost.
pub fn two_clusters() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        let mut worlds = [simulation.world.clone(), World::default()];
        {
            let mut other = worlds[1].lock();
            (other.cluster, other.ids) = ("another".to_owned(), 1_000);
            other.create(TOPIC, 1);
        }
        let mut copied = [0, 0];
        for round in 0..4 {
            for (number, world) in worlds.iter_mut().enumerate() {
                simulation.world = world.clone();
                simulation.write(0, 3);
                if round == 2 {
                    world.lock().groups.clear();
                }
                loop {
                    let report = invoke(&mut simulation, None).await?;
                    if !report.succeeded {
                        return Err(format!("{:?}", report.partitions));
                    }
                    copied[number] += report.records;
                    if !report.has_moved() {
                        break;
                    }
                }
            }
        }
        let generations = simulation.generations().await;
        let of = Generations::of(simulation.bucket.as_ref(), TOPIC);
        let second = of.get(2).await.map_err(|error| error.to_string())?.and_then(|(generation, _)| generation.cluster_id);
        match (copied, generations, second.as_deref()) {
            ([16, 12], 2, Some("another")) => Ok(()),
            other => Err(format!("records copied, generations, cluster of the second: {other:?}")),
        }
    })
}

/// An isolated leader reports once that the log ends below what was backed up: nothing is copied
/// again. A log that really lost its end begins a generation. It may have grown past the old end
/// before the next check.
///
/// # Errors
/// If one answer is believed, or a lost end is not.
pub fn lost_end() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        simulation.back_up_everything().await?;
        simulation.write(0, 2);
        simulation.world.lock().highest_end = Some(1);
        for _ in 0..2 {
            refused(&invoke(&mut simulation, None).await?)?;
        }
        simulation.world.lock().highest_end = None;
        simulation.clock.advance(SECOND_LOOK);
        let report = invoke(&mut simulation, None).await?;
        if !report.succeeded || report.records != 2 || simulation.generations().await != 1 {
            return Err(format!("after a wrong answer: {:?}", report.partitions));
        }
        simulation.finish().await?;

        // After the same doubt: a log that stays too short, and one that grew again, each with the
        // commit and without.
        for (grows_by, has_commit) in [(0, true), (9, true), (0, false), (9, false)] {
            let mut simulation = Simulation::small();
            simulation.back_up_everything().await?;
            if !has_commit {
                simulation.world.lock().groups.clear();
            }
            cut(&mut simulation.world.lock(), 1);
            refused(&invoke(&mut simulation, None).await?)?;
            simulation.write(0, grows_by);
            simulation.back_up_everything().await?;
            if simulation.generations().await != 2 {
                return Err(format!("a log that lost its end and grew by {grows_by} did not begin a generation"));
            }
            simulation.finish().await?;
        }
        Ok(())
    })
}

/// A cluster is restored to an older state together with the group's offsets, and its log grows
/// again. The new log does not continue the chain of the old one, whether the group or the bucket
/// gives the start. All partitions begin in one generation.
///
/// # Errors
/// If records of the current log are in no backup.
pub fn set_back_with_its_group() -> Result<(), String> {
    for (grows_by, has_group) in [1, 4, 9].into_iter().flat_map(|grows_by| [(grows_by, true), (grows_by, false)]) {
        runtime()?.block_on(async {
            let mut simulation = Simulation::small();
            simulation.add_full_partition();
            simulation.back_up_everything().await?;
            let (before, logs) = {
                let state = simulation.world.lock();
                (state.groups.clone(), state.topics[TOPIC].logs.clone())
            };
            for partition in [0, 1] {
                simulation.write(partition, 4);
            }
            simulation.back_up_everything().await?;
            {
                let mut state = simulation.world.lock();
                let topic = state.topics[TOPIC].clone();
                state.buried.push((TOPIC.to_owned(), topic));
                state.topics.get_mut(TOPIC).into_iter().for_each(|topic| topic.logs.clone_from(&logs));
                state.groups = if has_group { before } else { Default::default() };
            }
            for partition in [0, 1] {
                simulation.write(partition, grows_by);
            }
            simulation.back_up_everything().await?;
            let generations = simulation.generations().await;
            if generations != 2 {
                return Err(format!("grown by {grows_by}, {has_group}: {generations} generations"));
            }
            simulation.finish().await.map(drop).map_err(|problem| format!("grown by {grows_by}, {has_group}: {problem}"))
        })?;
    }
    Ok(())
}

/// Only the partition that lost its end begins again. The other one keeps its folder and is backed
/// up there, and a restore of the new generation has both. After a kill at any point, and growth
/// past the old end, none of the new log is taken for the old one.
///
/// # Errors
/// If more is copied, or something is missing.
pub fn one_of_two_lost_its_end() -> Result<(), String> {
    for kill_at in (0..60).map(Some).chain([None]) {
        runtime()?.block_on(async {
            let mut simulation = Simulation::small();
            simulation.add_full_partition();
            simulation.back_up_everything().await?;
            cut(&mut simulation.world.lock(), 1);
            refused(&invoke(&mut simulation, None).await?)?;
            simulation.clock.advance(SECOND_LOOK);
            let chaos = Chaos::new(1, simulation.clock.clone(), kill_at, 0);
            let begins = simulation.start(Handler::Backup, chaos.clone());
            while !begins.is_finished() && !chaos.is_killed() {
                tokio::task::yield_now().await;
            }
            begins.abort();
            simulation.write(0, 9);
            simulation.write(1, 3);
            simulation.back_up_everything().await?;
            let folder = names::topic_folder(TOPIC, 2);
            let others = names::partition_prefix(&folder, 1);
            let copied = simulation.bucket.snapshot().into_keys().filter(|name| name.starts_with(&others)).count();
            if simulation.generations().await != 2 || copied > 0 {
                return Err(format!("killed at {kill_at:?}: {copied} objects of the partition that lost nothing are in {folder}"));
            }
            simulation.finish().await.map(drop).map_err(|problem| format!("killed at {kill_at:?}: {problem}"))
        })?;
    }
    Ok(())
}

fn refused(report: &BackupReport) -> Result<(), String> {
    let error = report.partitions[0].error.as_deref().unwrap_or_default();
    let is_right = error.contains(LOOKS_AGAIN) && report.records == 0 && report.partitions[0].retryable == Some(true);
    if is_right { Ok(()) } else { Err(format!("the first low end: {:?}", report.partitions)) }
}

/// A log loses its end while it is read, and the reader is notified. What was read of the old log
/// is discarded. If more was backed up than remained after the cut, a generation begins, however
/// long the log is by then.
///
/// # Errors
/// If something of the old log after the cut is published.
pub fn cut_while_read() -> Result<(), String> {
    // Records backed up before; where the log is cut; generations at the end.
    for (backed_up, to, generations) in [(false, 3, 1), (true, 9, 1), (true, 3, 2)] {
        runtime()?.block_on(async {
            let mut simulation = Simulation::small();
            simulation.take_records(40);
            if backed_up {
                simulation.back_up_everything().await?;
            }
            simulation.write(0, 20);
            let world = simulation.world.clone();
            let backup = simulation.backup(Chaos::new(1, simulation.clock.clone(), None, 0));
            let mut invocation = Invocation { flush: true, ..Invocation::new(Budget::unlimited(None)) };
            let is_done = std::sync::atomic::AtomicBool::new(false);
            invocation.progress = Some(std::sync::Arc::new(move |_| {
                if !is_done.swap(true, std::sync::atomic::Ordering::Relaxed) {
                    let mut state = world.lock();
                    cut(&mut state, to);
                    let values: Vec<_> = (0..50).map(|_| super::world::Entry::Record(state.value())).collect();
                    state.log(&TopicPartition::new(TOPIC, 0)).into_iter().for_each(|log| log.entries.extend(values.clone()));
                }
            }));
            backup.invoke(&invocation).await.map_err(|error| error.to_string())?;
            simulation.back_up_everything().await?;
            if generations == 1 {
                // No segment is from the old log: there is only one log.
                simulation.world.lock().buried.clear();
            }
            let found = simulation.generations().await;
            if found != generations {
                return Err(format!("cut at {to}: {found} generations rather than {generations}"));
            }
            simulation.finish().await.map(drop).map_err(|problem| format!("cut at {to}: {problem}"))
        })?;
    }
    Ok(())
}

/// An empty topic: its topic.json is written once, and later records are in the same generation.
///
/// # Errors
/// If it is missing, or the bucket is asked again.
pub fn empty_topic() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        simulation.world = World::default();
        simulation.world.lock().create(TOPIC, 2);
        invoke(&mut simulation, None).await?;
        let name = names::topic_json(TOPIC);
        simulation.bucket.get(&name).await.map_err(|error| error.to_string())?;
        simulation.bucket.delete(&name).await.map_err(|error| error.to_string())?;
        invoke(&mut simulation, None).await?;
        if simulation.generations().await != 0 {
            return Err("the bucket is asked again".to_owned());
        }
        simulation.world.lock().groups.clear();
        invoke(&mut simulation, None).await?;
        simulation.write(1, 3);
        simulation.write(0, 3);
        simulation.back_up_everything().await?;
        if simulation.generations().await == 1 { simulation.finish().await.map(drop) } else { Err("another generation".to_owned()) }
    })
}

/// Cuts the log of the only partition, and keeps the old content for the oracle.
fn cut(state: &mut State, to: i64) {
    let topic = state.topics[TOPIC].clone();
    state.buried.push((TOPIC.to_owned(), topic));
    if let Some(log) = state.log(&TopicPartition::new(TOPIC, 0)) {
        log.cut(to);
    }
}

/// A topic is created again after it was lost, or its log loses its end, during a restore. The
/// restore continues with the generation that it began, killed or not. The next restore takes the
/// newest one, completely.
///
/// # Errors
/// If a restore has the wrong generation, or not all of it.
pub fn newest() -> Result<(), String> {
    for (is_truncated, kill_at) in [true, false].into_iter().flat_map(|how| (0..50).map(Some).chain([None]).map(move |at| (how, at))) {
        runtime()?.block_on(async {
            let mut simulation = Simulation::small();
            simulation.take_segments(1);
            simulation.add_full_partition();
            simulation.back_up_everything().await?;
            let first = values(&simulation.world, TOPIC, 0);
            let began = Chaos::new(1, simulation.clock.clone(), kill_at, 0);
            drop(restore(&mut simulation, began, TOPIC, "drill").await);
            let noted = RestoreIdentity::load(simulation.bucket.as_ref(), "drill").await.map_err(|error| error.to_string())?;
            if is_truncated {
                cut(&mut simulation.world.lock(), 1);
                refused(&invoke(&mut simulation, None).await?)?;
                simulation.clock.advance(SECOND_LOOK);
            } else {
                simulation.world.lock().create(TOPIC, 2);
                simulation.write(1, 4);
            }
            simulation.back_up_everything().await?;
            simulation.write(0, 3);
            simulation.back_up_everything().await?;
            if simulation.generations().await != 2 {
                return Err("no second generation".to_owned());
            }
            let second = [0, 1].map(|partition| values(&simulation.world, TOPIC, partition));
            let expected = if noted.is_some() { &first } else { &second[0] };
            for (asked, id, expected) in [(TOPIC, "drill", expected), ("orders@1", "of-the-first", &first), (TOPIC, "another", &second[0])]
            {
                let report = whole(&mut simulation, asked, id).await.map_err(|problem| format!("{asked} as {id}: {problem}"))?;
                let there = values(&simulation.world, id, 0);
                if there != *expected || report.topics[0].notes.iter().all(|note| !note.contains("orders@1") && !note.contains("orders@2"))
                {
                    return Err(format!(
                        "killed at {kill_at:?}, {asked} as {id}: {there:?}, not {expected:?}; {:?}",
                        report.topics[0].notes
                    ));
                }
            }
            let other = values(&simulation.world, "another", 1);
            if other == second[1] { Ok(()) } else { Err(format!("the partition that is in the first: {other:?}, not {:?}", second[1])) }
        })?;
    }
    Ok(())
}

/// If generations are from two clusters, none of them is the newest. A restore lists them, and
/// takes the one that is configured.
///
/// # Errors
/// If it takes one by itself, or a different one than configured.
pub fn newest_of_two_clusters() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        simulation.back_up_everything().await?;
        let first = values(&simulation.world, TOPIC, 0);
        simulation.world.lock().cluster = "another".to_owned();
        simulation.world.lock().create(TOPIC, 1);
        simulation.write(0, 3);
        simulation.back_up_everything().await?;
        let quiet = Chaos::new(1, simulation.clock.clone(), None, 0);
        match restore(&mut simulation, quiet, TOPIC, "drill").await {
            Err(error)
                if !error.is_retryable() && error.to_string().contains("of 2 clusters") && error.to_string().contains("orders@1 of") => {}
            other => return Err(format!("{other:?}")),
        }
        whole(&mut simulation, "orders@1", "drill").await?;
        let there = values(&simulation.world, "drill", 0);
        if there == first { Ok(()) } else { Err(format!("{there:?}, not {first:?}")) }
    })
}

async fn restore(simulation: &mut Simulation, chaos: Arc<Chaos>, asked: &str, id: &str) -> Result<RestoreReport, archive::Error> {
    let restore = simulation.restore_into(chaos.clone(), asked, id, id);
    let under_way = tokio::spawn(async move { restore.invoke(&RestoreInvocation::new(Budget::unlimited(None))).await });
    while !under_way.is_finished() && !chaos.is_killed() {
        tokio::task::yield_now().await;
    }
    under_way.abort();
    under_way.await.unwrap_or_else(|_| Err(archive::Error::raced("killed")))
}

/// Invocations until everything is restored.
async fn whole(simulation: &mut Simulation, asked: &str, id: &str) -> Result<RestoreReport, String> {
    for _ in 0..50 {
        let quiet = Chaos::new(1, simulation.clock.clone(), None, 0);
        let report = restore(simulation, quiet, asked, id).await.map_err(|error| error.to_string())?;
        if !report.succeeded {
            return Err(format!("{:?}", report.topics));
        }
        if report.caught_up {
            return Ok(report);
        }
    }
    Err("it never catches up".to_owned())
}

/// The records of a partition.
fn values(world: &World, topic: &str, partition: usize) -> Vec<u64> {
    let state = world.lock();
    let entries = state.topics.get(topic).and_then(|topic| topic.logs.get(partition)).map(|log| log.entries.as_slice());
    entries.unwrap_or_default().iter().filter_map(|entry| if let Entry::Record(value) = entry { Some(*value) } else { None }).collect()
}
