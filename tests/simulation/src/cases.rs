//! Cases that random schedules do not reach.

use std::sync::Arc;

use archive::catalog::{BackupCommit, bucket_id, names};
use backup_batch::{BackupReport, Invocation};
use host::Budget;
use kafka::TopicPartition;
use kernel::clock::{Clock, Millis};
use restore_batch::Invocation as RestoreInvocation;
use store::ObjectStore;
use store::testing::Delete;

use super::chaos::Chaos;
use super::quiet::TURNS;
use super::schedule::{GROUP, Simulation, TOPIC, restore_id, restored};
use super::world::MOST_PARTITIONS;

/// Another invocation begins a newer generation of a topic while one still writes to the older one.
/// The older invocation ends, even with no limit on segments. (In schedules a log loses its end
/// only while no process reads it.)
///
/// # Errors
/// If it does not end, or fails.
pub fn overtaken() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        simulation.take_any_number_of_segments();
        let world = simulation.world.clone();
        let newer = BackupCommit {
            version: BackupCommit::VERSION,
            next: 1,
            folder: names::topic_folder(TOPIC, 2),
            segment: 0,
            at: 0,
            topic_id: None,
            cluster_id: None,
            store: bucket_id(simulation.bucket.as_ref()),
            doubt: None,
        };
        let backup = simulation.backup(Chaos::new(1, simulation.clock.clone(), None, 0));
        let mut invocation = Invocation::new(Budget::unlimited(None));
        invocation.flush = true;
        // It commits whenever the older one has read something.
        invocation.progress =
            Some(Arc::new(move |step| world.lock().commit((GROUP.to_owned(), step.partition.clone()), newer.to_committed())));
        let older = tokio::spawn(async move { backup.invoke(&invocation).await });
        for _ in 0..TURNS {
            if older.is_finished() {
                let report = older.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
                return if report.succeeded { Ok(()) } else { Err(format!("{:?}", report.partitions)) };
            }
            tokio::task::yield_now().await;
        }
        Err("it processes the older generation repeatedly".to_owned())
    })
}

/// Some partitions return no records for 100 seconds, as during an aborted transaction. The others
/// are backed up first. If there is time, the invocation waits until the silence ends.
///
/// # Errors
/// If a report differs.
pub fn silence() -> Result<(), String> {
    // With 300 seconds both are backed up, with 100 or 30 one of them. An invocation of 21 seconds
    // does not wait for all the others' silence.
    for (seconds, silent, backed_up) in [(300, 1, 2), (100, 1, 1), (30, 1, 1), (300, 20, 1)] {
        let mut simulation = Simulation::small();
        for partition in 0..silent {
            simulation.add_full_partition();
            simulation.silent.insert(TopicPartition::new(TOPIC, partition), 100_000);
        }
        let report = runtime()?.block_on(invoke(&mut simulation, Some(seconds * 1000)))?;
        let told = |error: Option<&str>| error.is_some_and(|error| error.contains("no records received"));
        let (done, left): (Vec<_>, Vec<_>) = report.partitions.iter().partition(|one| one.segments > 0);
        let last = report.partitions.last().is_some_and(|one| one.segments > 0);
        if !last || done.len() != backed_up || !left.iter().all(|one| told(one.error.as_deref())) {
            return Err(format!("in {seconds} s, {silent} silent: {:?}", report.partitions));
        }
    }
    Ok(())
}

/// Kafka expired the commits of idle partitions. An invocation of one segment writes the segment
/// that is due, and commits the offsets of the idle partitions too.
///
/// # Errors
/// If it does not.
pub fn expired() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        (0..9).for_each(|_| simulation.add_full_partition());
        simulation.back_up_everything().await?;
        simulation.world.lock().groups.clear();
        simulation.write(9, 2);
        simulation.take_segments(1);
        let report = invoke(&mut simulation, None).await?;
        match (report.segments, report.partitions[9].segments, simulation.world.lock().groups.len()) {
            (1, 1, 10) => Ok(()),
            other => Err(format!("{other:?}: {:?}", report.partitions)),
        }
    })
}

/// The store was restored to an older state, so the group's offset is ahead of the bucket. Nothing
/// is written after the missing segments. After the group's offset is deleted, what Kafka still has
/// is backed up again. A missing `.sha256` is repaired, and a bucket may be empty because its
/// objects expired.
///
/// # Errors
/// If there is a hole, or a report differs.
pub fn set_back() -> Result<(), String> {
    let [first, last] = [0, 2].map(|start| names::segment(TOPIC, 0, start, archive::catalog::Packing::Gzip));
    let sidecars = [names::sidecar(&first), names::sidecar(&last)];
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        simulation.back_up_everything().await?;
        take_away(&simulation, &[&last, &sidecars[1]]).await?;
        simulation.write(0, 2);
        let report = invoke(&mut simulation, None).await?;
        let error = report.partitions[0].error.clone().unwrap_or_default();
        if report.segments > 0 || !error.contains(&last) || !error.contains("--delete-offsets") {
            return Err(format!("a missing segment is not refused: {:?}", report.partitions));
        }
        simulation.world.lock().groups.clear();
        simulation.back_up_everything().await?;
        simulation.finish().await?;

        let mut simulation = Simulation::small();
        simulation.back_up_everything().await?;
        take_away(&simulation, &[&sidecars[1]]).await?;
        simulation.write(0, 2);
        simulation.back_up_everything().await?;
        simulation.finish().await?;

        let mut simulation = Simulation::small();
        simulation.back_up_everything().await?;
        take_away(&simulation, &[&first, &last, &sidecars[0], &sidecars[1]]).await?;
        simulation.write(0, 2);
        let report = invoke(&mut simulation, None).await?;
        if report.partitions[0].next == Some(6) && report.records == 2 { Ok(()) } else { Err(format!("{:?}", report.partitions)) }
    })
}

/// The clock of a machine was ahead when it backed up. Later records are still backed up, and its
/// commit counts again.
///
/// # Errors
/// If they are not.
pub fn ahead() -> Result<(), String> {
    const YEAR: Millis = 365 * 86_400_000;
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        simulation.clock.advance(YEAR);
        simulation.back_up_everything().await?;
        simulation.clock.advance(-YEAR);
        // The second segment is as young as its commit says.
        for segments in [1, 0] {
            simulation.write(0, 1);
            let report = invoke_with(&mut simulation, Invocation::new(Budget::unlimited(None))).await?;
            if report.segments != segments {
                return Err(format!("{} segments, not {segments}: {:?}", report.segments, report.partitions));
            }
        }
        Ok(())
    })
}

/// Someone deletes the target of a running restore, and perhaps creates another topic with that
/// name. The running invocation reports this, and calls nothing complete.
///
/// # Errors
/// If it does not.
pub fn deleted() -> Result<(), String> {
    for makes_another in [false, true] {
        runtime()?.block_on(async {
            let mut simulation = Simulation::small();
            simulation.back_up_everything().await?;
            let world = simulation.world.clone();
            let restore = simulation.restore(Chaos::new(1, simulation.clock.clone(), None, 0), TOPIC, &restore_id(TOPIC));
            let mut invocation = restore_batch::Invocation::new(Budget::unlimited(None));
            invocation.progress = Some(Arc::new(move |_| {
                let mut state = world.lock();
                state.delete(&restored(TOPIC));
                if makes_another {
                    state.create(&restored(TOPIC), MOST_PARTITIONS);
                }
            }));
            match restore.invoke(&invocation).await {
                Err(error) if error.to_string().contains("Choose a new RESTORE_ID") => Ok(()),
                other => Err(format!("a deleted target is not reported: {other:?}")),
            }
        })?;
    }
    Ok(())
}

/// A target without topic ids. A completed restore is not complete in an empty topic of the same
/// name, nor in another cluster.
///
/// # Errors
/// If it is.
pub fn without_ids() -> Result<(), String> {
    runtime()?.block_on(async {
        for (says, has_more) in [("has none of them now", false), ("has none of them now", true), ("restores into cluster", false)] {
            let mut simulation = Simulation::small();
            simulation.world.lock().has_no_ids = true;
            simulation.back_up_everything().await?;
            let restore = simulation.restore(Chaos::new(1, simulation.clock.clone(), None, 0), TOPIC, &restore_id(TOPIC));
            let invoke = async || restore.invoke(&restore_batch::Invocation::new(Budget::unlimited(None))).await;
            let whole = |report: &restore_batch::RestoreReport| report.succeeded && report.caught_up;
            for _ in 0..2 {
                invoke().await.ok().filter(|report| report.succeeded).ok_or("a restore without ids fails")?;
            }
            invoke().await.ok().filter(whole).ok_or("a restore without ids is never complete")?;
            if says.contains("cluster") {
                simulation.world.lock().is_another_cluster = true;
            } else {
                let mut state = simulation.world.lock();
                state.delete(&restored(TOPIC));
                state.create(&restored(TOPIC), MOST_PARTITIONS);
            }
            if has_more {
                simulation.write(0, 2);
                simulation.back_up_everything().await?;
            }
            match invoke().await {
                Err(error) if error.to_string().contains(says) => {}
                other => return Err(format!("an empty target is not reported ({has_more}): {other:?}")),
            }
            let state = simulation.world.lock();
            if state.topics[&restored(TOPIC)].logs.iter().any(|log| says.contains("none") && !log.entries.is_empty()) {
                return Err("an empty target was written to".to_owned());
            }
        }
        Ok(())
    })
}

/// The whole folder of a partition is missing in the bucket, or `topic.json`. A restore reports
/// this, and does not take the topic for a smaller one.
///
/// # Errors
/// If it does not.
pub fn lost_whole() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut simulation = Simulation::small();
        simulation.add_full_partition();
        simulation.back_up_everything().await?;
        // The next backup writes the partitions to topic.json.
        simulation.write(0, 2);
        simulation.back_up_everything().await?;
        let all: Vec<String> = simulation.bucket.snapshot().keys().cloned().collect();
        let of_partition: Vec<&str> = all.iter().map(String::as_str).filter(|name| name.starts_with("orders/1/")).collect();
        take_away(&simulation, &of_partition).await?;
        simulation.take_any_number_of_segments();
        let chaos = Chaos::new(1, simulation.clock.clone(), None, 0);
        let restore = simulation.restore(chaos, TOPIC, &restore_id(TOPIC));
        let invocation = RestoreInvocation::new(Budget::unlimited(None));
        let report = restore.invoke(&invocation).await.map_err(|error| error.to_string())?;
        let error = report.topics[0].partitions.get(1).and_then(|one| one.error.clone()).unwrap_or_default();
        if report.succeeded || !error.contains("every segment of orders/1 is missing") || report.topics[0].partitions[0].records != 6 {
            return Err(format!("{:?}", report.topics));
        }
        take_away(&simulation, &["orders/topic.json"]).await?;
        match restore.invoke(&invocation).await {
            Err(error) if error.to_string().contains("topic.json is missing") => Ok(()),
            other => Err(format!("without topic.json: {other:?}")),
        }
    })
}

/// By mistake, two restores have one RESTORE_ID at the same time, from two buckets into two topics.
/// Neither affects the other.
///
/// # Errors
/// If one fences the other, or adopts its progress.
pub fn one_id_in_two_buckets() -> Result<(), String> {
    runtime()?.block_on(async {
        for seed in 0..20 {
            let mut simulation = Simulation::small();
            simulation.take_any_number_of_segments();
            simulation.back_up_everything().await?;
            let mut other = Simulation::small();
            other.take_any_number_of_segments();
            other.world = simulation.world.clone();
            other.target = Some("elsewhere".to_owned());
            other.clock.advance(1_000_000);
            for (name, body) in simulation.bucket.snapshot() {
                other.bucket.overwrite(&name, body);
            }
            let restore = |simulation: &mut Simulation, seed| {
                simulation.restore(Chaos::new(seed, simulation.clock.clone(), None, 0), TOPIC, &restore_id(TOPIC))
            };
            let (one, two) = (restore(&mut simulation, seed), restore(&mut other, seed + 1_000));
            let invocation = RestoreInvocation::new(Budget::unlimited(None));
            let (one, two) = tokio::join!(one.invoke(&invocation), two.invoke(&invocation));
            for report in [one, two] {
                let report = report.map_err(|error| error.to_string())?;
                if !report.succeeded || report.records != 4 {
                    return Err(format!("seed {seed}: {:?}", report.topics));
                }
            }
        }
        Ok(())
    })
}

async fn take_away(simulation: &Simulation, names: &[&str]) -> Result<(), String> {
    for name in names {
        simulation.bucket.get(name).await.map_err(|error| error.to_string())?;
        simulation.bucket.delete(name).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())
}

/// An invocation without faults.
pub(super) async fn invoke(simulation: &mut Simulation, time: Option<Millis>) -> Result<BackupReport, String> {
    let deadline = time.map(|time| simulation.clock.now() + time);
    let invocation = Invocation { flush: true, ..Invocation::new(Budget { deadline, ..Budget::unlimited(None) }) };
    invoke_with(simulation, invocation).await
}

async fn invoke_with(simulation: &mut Simulation, invocation: Invocation) -> Result<BackupReport, String> {
    let backup = simulation.backup(Chaos::new(1, simulation.clock.clone(), None, 0));
    backup.invoke(&invocation).await.map_err(|error| error.to_string())
}
