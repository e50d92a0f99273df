//! A kill at each request of `finish`, and of its undo.

use archive::catalog::names;
use kafka::CommittedOffset;
use store::testing::Delete;

use super::applications::Applications;
use super::judge::End;
use super::recovery::{APP, Recovery, SNAPSHOTS};
use crate::cases::runtime;
use crate::chaos::Chaos;
use crate::world::Entry;

/// More await points than a `finish` has.
const MOST: i64 = 5_000;

/// A group is at every position of the logs, and `finish` is killed at each request, before it and
/// after it. Another run does the rest, or undoes everything. The undo is killed in the same way.
///
/// # Errors
/// The first kill with a wrong result.
pub fn a_finish_that_is_killed_at_each_request() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut applications = small().await?;
        let goal = applications.goal().await?;
        let mut is_killed = [true; 2];
        for kill_at in 0..MOST {
            if is_killed == [false; 2] {
                return Ok(());
            }
            for undo_at_once in [false, true] {
                let run = async {
                    let mut was_killed = [false; 2];
                    for (undo, was_killed) in [false, true].into_iter().zip(&mut was_killed) {
                        let chaos = Chaos::new(1, applications.recovery.clock.clone(), Some(kill_at), 0);
                        let report = applications.run(chaos.clone(), undo).await;
                        report.transpose().map_err(|error| error.to_string())?;
                        *was_killed = chaos.is_killed();
                        applications.judge_values(&goal)?;
                        if undo_at_once && !undo {
                            continue;
                        }
                        let report = applications.run_quietly(undo).await?;
                        if undo {
                            applications.judge_undone()?;
                        } else {
                            applications.judge_done(&goal, &report).await?;
                        }
                        applications.judge_repeated(undo).await?;
                    }
                    Ok::<_, String>(was_killed)
                };
                let words = if undo_at_once { "undone immediately" } else { "repeated" };
                is_killed = run.await.map_err(|problem| format!("killed at {kill_at}, {words}: {problem}"))?;
                applications.forget_intents().await?;
            }
        }
        Err("it never ends".to_owned())
    })
}

/// Undo restores what a group had before the first `finish`, also if a consumer committed in
/// between and `finish` overwrote that, too.
///
/// # Errors
/// If the undo restores something else.
pub fn what_was_there_first_comes_back() -> Result<(), String> {
    runtime()?.block_on(async {
        let mut applications = small().await?;
        let at = Recovery::place(&applications.asked.target_of("orders"), 0);
        applications.commit("app-3", at.clone(), 1, "first");
        applications.before = applications.content();
        let goal = applications.goal().await?;
        let report = applications.run_quietly(false).await?;
        applications.judge_done(&goal, &report).await?;
        let place = ("app-3".to_owned(), at.clone());
        let kept = applications.content().offsets.remove(&place);
        if kept != Some(CommittedOffset { next: 1, metadata: "first".to_owned() }) {
            return Err(format!("it was a consumer's own, and is {kept:?}"));
        }
        applications.asked.anyway.push("group-offsets".to_owned());
        for consumer in [false, true] {
            if consumer {
                applications.commit("app-3", at.clone(), 0, "second");
            }
            let report = applications.run_quietly(false).await?;
            applications.judge_done(&goal, &report).await?;
        }
        applications.run_quietly(true).await?;
        applications.judge_undone()
    })
}

/// The newest snapshot has a topic that was created again, and is backed up or not. The restore
/// took the previous topic.
///
/// # Errors
/// If its groups still get offsets.
pub fn a_finish_of_another_id() -> Result<(), String> {
    for is_backed_up in [true, false] {
        let run = async {
            let mut applications = Applications::new(Recovery::new(0), &[("bills", 1), ("orders", 1)]);
            applications.recovery.segment = Some(2);
            for topic in ["bills", "orders"] {
                applications.recovery.write(topic, 0, 5);
                applications.commit("app-1", Recovery::place(topic, 0), 3, "");
            }
            applications.recovery.back_up_everything().await?;
            applications.restore().await?;
            applications.recovery.delete("orders", true);
            if is_backed_up {
                applications.recovery.write("orders", 0, 5);
                applications.recovery.back_up_everything().await?;
            }
            applications.commit("app-1", Recovery::place("orders", 0), if is_backed_up { 2 } else { 0 }, "");
            applications.recovery.clock.advance(SNAPSHOTS);
            applications.take_snapshot().await?;
            applications.before = applications.content();
            let goal = applications.goal().await?;
            if goal.refused == 0 {
                return Err("no offset is of another log".to_owned());
            }
            let report = applications.run_quietly(false).await?;
            applications.judge_done(&goal, &report).await.map(drop)
        };
        runtime()?.block_on(run).map_err(|problem| format!("backed up: {is_backed_up}: {problem}"))?;
    }
    Ok(())
}

/// Groups at each kind of position: records, aborted and compacted ranges, holes at the end, an
/// open transaction, a partition without a record, an empty topic. Restored as of their snapshot;
/// producers have written to the logs since.
async fn small() -> Result<Applications, String> {
    let mut applications = Applications::new(Recovery::new(0), &[("bills", 1), ("clicks", 1), ("orders", 4)]);
    applications.recovery.segment = Some(3);
    // A record, an aborted one, a compacted one, and one of an open transaction.
    let logs = [("orders", 0, "rraarccrhr"), ("orders", 1, "rrahoo"), ("orders", 2, "ahc"), ("bills", 0, "crr")];
    for (topic, partition, entries) in logs {
        for kind in entries.chars() {
            let value = applications.recovery.value();
            let entry = match kind {
                'r' => Entry::Record(value),
                'c' => Entry::Compacted(value),
                'o' => Entry::Open(value, APP.to_owned()),
                _ => Entry::Hole,
            };
            applications.append(topic, partition, [entry]);
        }
        for next in 0..=entries.len() {
            let (group, next) = (format!("app-{next}"), i64::try_from(next).unwrap_or(0));
            let metadata = if next % 3 == 1 { format!("m{next}") } else { String::new() };
            applications.commit(&group, Recovery::place(topic, partition), next, &metadata);
        }
    }
    for (topic, partition) in [("orders", 3), ("clicks", 0)] {
        applications.commit("app-0", Recovery::place(topic, partition), 0, "beside");
    }
    applications.recovery.back_up_everything().await?;
    applications.recovery.clock.advance(SNAPSHOTS);
    applications.recovery.back_up_everything().await?;
    let snapshots: Vec<_> = applications.snapshots().await?;
    applications.asked.as_of = snapshots.last().copied();
    // The transaction is committed, and not part of it.
    applications.recovery.world.lock().end_transaction(APP, true);
    applications.recovery.back_up_everything().await?;
    applications.restore().await?;
    for (topic, partition) in [("orders", 0), ("orders", 1), ("orders", 2), ("orders", 3), ("bills", 0), ("clicks", 0)] {
        applications.produce(topic, partition, 2);
    }
    applications.before = applications.content();
    Ok(applications)
}

impl Applications {
    /// Restores until everything is restored.
    async fn restore(&mut self) -> Result<(), String> {
        match self.recovery.finish(&self.asked).await? {
            End::Finished => Ok(()),
            End::Refused(words) => Err(format!("{words:?}")),
        }
    }

    /// A backup of everything takes a snapshot before it takes a record.
    async fn take_snapshot(&mut self) -> Result<(), String> {
        let quiet = self.recovery.quiet();
        let invocation = backup_batch::Invocation::new(host::Budget::unlimited(None));
        let report = self.recovery.backup(quiet, None).invoke(&invocation).await.map_err(|error| error.to_string())?;
        report.snapshot.map(drop).ok_or_else(|| "no snapshot was taken".to_owned())
    }

    async fn forget_intents(&mut self) -> Result<(), String> {
        self.recovery.bucket.delete(&names::intents(&self.asked.id)).await.map_err(|error| error.to_string())
    }
}
