//! The end of a run: nothing goes wrong any more, everything is caught up, and the oracle judges.

use std::collections::BTreeSet;

use backup_batch::Invocation as BackupInvocation;
use restore_batch::Invocation as RestoreInvocation;
use shared::host::Budget;
use shared::store::ObjectStore;

use super::chaos::Chaos;
use super::oracle;
use super::schedule::{APP, Outcome, Simulation, TOPIC};
use super::verdict;

/// Invocations until everything is caught up; a run that needs more never ends.
const PATIENCE: usize = 3000;
/// Words of a backup that is not sure yet whether a log lost its end, and how long after the first look the second counts.
pub(super) const LOOKS_AGAIN: &str = "looks again";
pub(super) const SECOND_LOOK: i64 = 60_000;
/// Turns that an invocation has to come to its end when nothing new happens any more.
pub(super) const TURNS: usize = 1_000_000;

impl Simulation {
    /// Gets quiet, catches up, and asks the oracle.
    pub(crate) async fn finish(mut self) -> Result<Outcome, String> {
        self.quiet().await?;
        oracle::check(&self.world, &self.bucket, self.schedule.delivery, self.times, &mut self.outcome).await?;
        Ok(self.outcome)
    }

    /// Nothing goes wrong any more: whoever is alive ends, and what is left is done.
    async fn quiet(&mut self) -> Result<(), String> {
        for (mut task, chaos, _) in std::mem::take(&mut self.alive) {
            for _ in 0..TURNS {
                if task.is_finished() || chaos.is_killed() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if !task.is_finished() && !chaos.is_killed() {
                return Err("an invocation goes on for ever".to_owned());
            }
            task.abort();
            verdict::of_ended(&mut task).await?;
        }
        self.world.lock().end_transaction(APP, true);
        self.back_up_everything().await?;
        for generation in 1.. {
            let folder = shared::catalog::names::topic_folder(TOPIC, generation);
            if self.bucket.get(&shared::catalog::names::topic_json(&folder)).await.is_err() {
                break;
            }
            self.restore_everything(&folder).await?;
        }
        Ok(())
    }

    pub(crate) async fn back_up_everything(&mut self) -> Result<(), String> {
        for _ in 0..PATIENCE {
            let chaos = Chaos::new(1, self.clock.clone(), None, 0);
            let mut invocation = BackupInvocation::new(Budget::unlimited(None));
            invocation.flush = true;
            let report = self.backup(chaos).invoke(&invocation).await.map_err(|error| format!("a quiet backup failed: {error}"))?;
            if let Some(error) = report.partitions.iter().find_map(|partition| partition.error.clone()) {
                if error.contains(LOOKS_AGAIN) {
                    self.clock.advance(SECOND_LOOK);
                    continue;
                }
                return Err(format!("a quiet backup failed: {error}"));
            }
            if !report.has_moved() {
                return Ok(());
            }
        }
        Err("the backup never catches up".to_owned())
    }

    async fn restore_everything(&mut self, folder: &str) -> Result<(), String> {
        for _ in 0..PATIENCE {
            let chaos = Chaos::new(1, self.clock.clone(), None, 0);
            let restore = self.restore(chaos, folder);
            let report = restore
                .invoke(&RestoreInvocation::new(Budget::unlimited(None)))
                .await
                .map_err(|error| format!("a quiet restore failed: {error}"))?;
            // Kafka forgot the progress of a restore that was killed: it goes no further, rather than write a record twice.
            let is_lost = |error: &str| error.contains("RESTORE_ANYWAY=lost-progress");
            let lost = report.partitions.iter().filter(|partition| partition.error.as_deref().is_some_and(is_lost));
            let lost: BTreeSet<i32> = lost.map(|partition| partition.partition).collect();
            let mut left = report.partitions.iter().filter(|partition| !lost.contains(&partition.partition));
            if let Some(error) = left.clone().find_map(|partition| partition.error.clone()) {
                return Err(format!("a quiet restore of {folder} failed: {error}"));
            }
            if left.all(|partition| partition.caught_up) {
                self.world.lock().lost.extend(lost.into_iter().map(|partition| (folder.to_owned(), partition)));
                return Ok(());
            }
        }
        Err(format!("the restore of {folder} never catches up"))
    }
}
