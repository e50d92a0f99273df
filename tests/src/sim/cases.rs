//! Cases that random schedules do not come to.

use std::sync::Arc;

use backup_batch::Invocation;
use shared::catalog::{BackupCommit, bucket_id, names};
use shared::clock::Clock;
use shared::host::Budget;
use shared::kafka::TopicPartition;

use super::chaos::Chaos;
use super::quiet::TURNS;
use super::schedule::{GROUP, Simulation, TOPIC};

/// Another invocation begins a newer generation of a topic while one still writes to the older one: that ends, however many segments it may
/// write. (In schedules a log loses its end only while nobody reads it.)
///
/// # Errors
/// It does not, or it fails.
pub fn overtaken() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
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
            store: bucket_id(simulation.bucket.as_ref()),
        };
        let backup = simulation.backup(Chaos::new(1, simulation.clock.clone(), None, 0));
        let mut invocation = Invocation::new(Budget::unlimited(None));
        invocation.flush = true;
        // It commits whenever the older one has read something.
        invocation.progress =
            Some(Arc::new(move |partition, _, _| world.lock().commit((GROUP.to_owned(), partition.clone()), newer.to_committed())));
        let older = tokio::spawn(async move { backup.invoke(&invocation).await });
        for _ in 0..TURNS {
            if older.is_finished() {
                let report = older.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
                return if report.succeeded { Ok(()) } else { Err(format!("{:?}", report.partitions)) };
            }
            tokio::task::yield_now().await;
        }
        Err("it goes over the older generation again and again".to_owned())
    })
}

/// Nothing comes of a partition for 100 seconds, as when an aborted transaction is read: the other one is backed up first, and where there is
/// time the silence is waited out.
///
/// # Errors
/// A report is another one.
pub fn silence() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    // With 300 seconds both are backed up, with 120 one of them: the other one says why not.
    for (seconds, expected) in [(300, [true, true]), (120, [false, true])] {
        let mut simulation = Simulation::small();
        simulation.add_full_partition();
        simulation.silent = Some((TopicPartition::new(TOPIC, 0), 100_000));
        let backup = simulation.backup(Chaos::new(1, simulation.clock.clone(), None, 0));
        let deadline = Some(simulation.clock.now() + seconds * 1000);
        let mut invocation = Invocation::new(Budget { deadline, ..Budget::unlimited(None) });
        invocation.flush = true;
        let report = runtime.block_on(backup.invoke(&invocation)).map_err(|error| error.to_string())?;
        let done: Vec<bool> = report.partitions.iter().map(|one| one.segments > 0).collect();
        let told = report.partitions.first().and_then(|one| one.error.as_deref()).is_some_and(|error| error.contains("nothing came"));
        if done != expected || told == expected[0] {
            return Err(format!("in {seconds} s: {:?}", report.partitions));
        }
    }
    Ok(())
}
