//! Another invocation begins a newer generation of a topic while one still writes to the older one. Random schedules do not come there: a log
//! loses its end only while nobody reads it.

use std::sync::Arc;

use backup_batch::Invocation;
use shared::catalog::{BackupCommit, bucket_id, names};
use shared::host::Budget;

use super::chaos::Chaos;
use super::quiet::TURNS;
use super::schedule::{GROUP, Simulation, TOPIC};

/// The older invocation ends, however many segments it may write.
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
