//! The end of a run: no more faults, everything catches up, and the oracle judges.

use std::collections::BTreeSet;

use archive::catalog::Binding;
use backup_batch::Invocation as BackupInvocation;
use host::Budget;
use kafka::Delivery;
use restore_batch::Invocation as RestoreInvocation;
use store::ObjectStore;

use super::chaos::Chaos;
use super::oracle;
use super::schedule::{APP, NEWEST, Outcome, Simulation, TOPIC, folder_of, owner, restore_id, restored, rival_id};
use super::{translation, verdict};

/// The limit of invocations until everything is caught up. A run that needs more never ends.
const PATIENCE: usize = 3000;
/// A backup that is not sure yet whether a log lost its end logs these words. The second check
/// counts this long after the first.
pub(super) const LOOKS_AGAIN: &str = "checks again";
pub(super) const SECOND_LOOK: i64 = 60_000;
/// A backup that is sure logs these words, and leaves the rest to the next one.
pub(super) const BEGINS_AGAIN: &str = "The next invocation begins a new generation";
/// The number of turns in which an invocation must end when nothing new happens.
pub(super) const TURNS: usize = 1_000_000;

impl Simulation {
    /// Stops the faults, catches up, and asks the oracle.
    pub(crate) async fn finish(mut self) -> Result<Outcome, String> {
        self.quiet().await?;
        self.outcome.timed_out += self.world.lock().timed_out;
        let whole = oracle::check(&self.world, &self.bucket, self.schedule.delivery, self.times, &mut self.outcome).await?;
        for (folder, id, whole) in whole {
            let restore = self.restore(Chaos::new(1, self.clock.clone(), None, 0), &folder, &id);
            let once = self.schedule.delivery == Delivery::ExactlyOnce;
            self.outcome.inexact += translation::check(&restore, &self.world, &whole, once).await?;
            self.outcome.translated += 1;
        }
        Ok(self.outcome)
    }

    /// No more faults: running invocations end, and the remaining work is done.
    async fn quiet(&mut self) -> Result<(), String> {
        for (mut task, chaos, _) in std::mem::take(&mut self.alive) {
            for _ in 0..TURNS {
                if task.is_finished() || chaos.is_killed() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if !task.is_finished() && !chaos.is_killed() {
                return Err("an invocation never ends".to_owned());
            }
            task.abort();
            verdict::of_ended(&mut task).await?;
        }
        self.world.lock().end_transaction(APP, true);
        self.back_up_everything().await?;
        for generation in 1.. {
            let folder = archive::catalog::names::topic_folder(TOPIC, generation);
            if self.bucket.get(&archive::catalog::names::topic_json(&folder)).await.is_err() {
                break;
            }
            self.restore_everything(&folder).await?;
        }
        self.restore_everything(NEWEST).await
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
                if error.contains(BEGINS_AGAIN) {
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
        let Some(id) = self.who_goes_on(folder).await? else {
            self.bury(folder);
            return Ok(());
        };
        self.outcome.rivals += usize::from(id == rival_id(folder));
        for _ in 0..PATIENCE {
            let chaos = Chaos::new(1, self.clock.clone(), None, 0);
            let restore = self.restore(chaos, folder, &id);
            let report = restore
                .invoke(&RestoreInvocation::new(Budget::unlimited(None)))
                .await
                .map_err(|error| format!("a quiet restore failed: {error}"));
            let is_spoilt = |error: &str| error.contains("RESTORE_ANYWAY=not-empty") && self.world.lock().deleted.contains(folder);
            let spoilt = match &report {
                Ok(report) => report.all_partitions().filter_map(|(_, one)| one.error.as_deref()).any(is_spoilt),
                Err(error) => is_spoilt(error),
            };
            if folder == NEWEST && report.as_ref().is_err_and(|error| error.contains(verdict::NEWEST_IS_EMPTY)) {
                self.bury(folder);
                return Ok(());
            }
            // An invocation wrote to the topic that followed a deleted target, before it noticed.
            if spoilt {
                self.bury(folder);
                return Ok(());
            }
            let report = report?;
            // Kafka forgot the progress of a killed restore. It stops, rather than write a record
            // twice.
            let is_lost = |error: &str| error.contains("RESTORE_ANYWAY=lost-progress");
            let lost = report.all_partitions().map(|(_, one)| one).filter(|partition| partition.error.as_deref().is_some_and(is_lost));
            let lost: BTreeSet<i32> = lost.map(|partition| partition.partition).collect();
            let mut left = report.all_partitions().map(|(_, one)| one).filter(|partition| !lost.contains(&partition.partition));
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

    /// The restore that has claimed the target of a folder, or can still claim it. One whose target
    /// was deleted does not continue, and does not report success.
    async fn who_goes_on(&mut self, folder: &str) -> Result<Option<String>, String> {
        let mut able = owner(&self.world, &self.bucket, folder).await;
        // Without a folder nothing is bound.
        let bound_as = folder_of(&self.bucket, folder).await.unwrap_or_else(|| folder.to_owned());
        // A rival restore of the newest generation may have begun with a different generation.
        let rival = (folder != NEWEST).then(|| rival_id(folder));
        for id in std::iter::once(restore_id(folder)).chain(rival) {
            let bound = Binding::load(self.bucket.as_ref(), &id, &bound_as).await.map_err(|error| error.to_string())?;
            let now = self.world.lock().topics.get(&restored(folder)).map(|topic| topic.id.clone());
            if bound.is_none_or(|(bound, _)| bound.topic_id == now) {
                able = able.or(Some(id));
                continue;
            }
            let chaos = Chaos::new(1, self.clock.clone(), None, 0);
            match self.restore(chaos, folder, &id).invoke(&RestoreInvocation::new(Budget::unlimited(None))).await {
                Err(error) if !error.is_retryable() => {}
                other => return Err(format!("the target of {folder} was deleted, and {id} continues: {other:?}")),
            }
        }
        Ok(able)
    }

    fn bury(&mut self, folder: &str) {
        self.outcome.dead += 1;
        self.world.lock().dead.insert(folder.to_owned());
    }
}
