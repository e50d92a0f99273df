//! A slow line to the bucket.

use backup_batch::{Backup, Invocation};
use host::Budget;
use kernel::clock::{Clock, Millis};

use super::bucket::Speed;
use super::cases::runtime;
use super::chaos::Chaos;
use super::schedule::Simulation;

/// The time of an invocation. A third of it is always reserved for uploads.
const TIME: Millis = 30_000;

/// Bytes of a record.
const SIZE: usize = 20_000;

/// All records are read in a moment, and fit into one segment.
const RECORDS: usize = 1_000;

/// A backup over a slow line makes progress in each invocation, in one long-lived process or in a
/// new one each time. Reading ends in time for the upload. On a line slower than any speed that
/// requests are tried on, this holds once the process has learned the speed.
///
/// # Errors
/// If an invocation makes no progress, or the end is never reached.
pub fn slow_line() -> Result<(), String> {
    for (bytes_a_second, lives_on, failures) in [(300 << 10, false, 0), (300 << 10, true, 0), (100 << 10, true, 2)] {
        let backed_up = runtime()?.block_on(back_up_over(bytes_a_second, lives_on, failures));
        backed_up.map_err(|problem| format!("{problem} at {bytes_a_second} bytes a second ({lives_on})"))?;
    }
    Ok(())
}

/// Backs up everything. At most `failures` invocations may make no progress.
async fn back_up_over(bytes_a_second: u64, lives_on: bool, failures: usize) -> Result<(), String> {
    let mut simulation = Simulation::small();
    simulation.write(0, RECORDS);
    simulation.padding = SIZE;
    simulation.take_records(RECORDS as u64 * 2);
    simulation.take_any_number_of_segments();
    let mut handler = handler(&mut simulation);
    let (mut reached, mut failed) = (0, 0);
    for _ in 0..100 {
        if !lives_on {
            handler = self::handler(&mut simulation);
        }
        let next = invoke(&simulation, &handler, bytes_a_second).await?;
        failed += usize::from(next == reached);
        if failed > failures {
            return Err(format!("{failed} invocations made no progress after offset {reached}"));
        }
        reached = next;
        if reached == RECORDS as i64 + 4 {
            return Ok(());
        }
    }
    Err(format!("in 100 invocations {reached} records are backed up"))
}

fn handler(simulation: &mut Simulation) -> Backup {
    let chaos = Chaos::new(1, simulation.clock.clone(), None, 0);
    simulation.backup(chaos)
}

/// The backed-up offset after one more invocation.
async fn invoke(simulation: &Simulation, handler: &Backup, bytes_a_second: u64) -> Result<i64, String> {
    let deadline = Some(simulation.clock.now() + TIME);
    simulation.line.set(Speed { bytes_a_second: Some(bytes_a_second), deadline });
    let invocation = Invocation { flush: true, ..Invocation::new(Budget { deadline, ..Budget::unlimited(None) }) };
    handler.invoke(&invocation).await.map_err(|error| error.to_string())?;
    let state = simulation.world.lock();
    Ok(state.groups.values().map(|committed| committed.next).max().unwrap_or(0))
}
