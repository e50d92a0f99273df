//! `local-runner restore`.

use std::path::Path;

use anyhow::Result;
use host::{Budget, stop_on_signals};
use kernel::Deadline;
use restore_batch::{Invocation, PartitionReport, RestoreReport};

use crate::cli::Mode;
use crate::output::{Output, table, with_lines};
use crate::progress::Bars;
use crate::rounds::{Round, Rounds};
use crate::setup;

/// Runs the restore. Whether everything succeeded.
pub(crate) async fn run(config: Option<&Path>, mode: Mode, output: &Output) -> Result<bool> {
    let bars = Bars::new(output.is_json());
    let mut settings = setup::restore_settings(config, bars.as_ref())?;
    if mode != Mode::Once {
        settings.max_segments = None; // Only TIME_BUDGET_SECONDS ends an invocation from outside: it goes on while there is something left.
    }
    let (time_budget, pause) = (settings.time_budget, settings.retry);
    let rounds = Rounds { mode, pause, time_budget, stop: stop_on_signals(|| ())?, deadline: Deadline::unset() };
    let budget = Budget { stop: rounds.stop.clone(), ..Budget::unlimited(settings.memory_limit) };
    let restore = setup::restore(settings, &budget, &rounds.deadline).await?;
    let mut invocation = Invocation::new(budget.clone());
    invocation.progress = bars.as_ref().map(Bars::of_restore);
    let mut reached = Vec::new();
    let invoke = async |budget| restore.invoke(&Invocation { budget, ..invocation.clone() }).await;
    let tell = |report: RestoreReport| {
        if report.records > 0 || !report.caught_up || mode != Mode::Loop || !report.succeeded {
            output.result(&report, report_table);
        }
        let before = std::mem::replace(&mut reached, report.partitions.iter().map(progress_of).collect());
        let moved = report.succeeded && !report.caught_up && reached != before;
        Round { succeeded: report.succeeded, moved, caught_up: report.caught_up }
    };
    rounds.run(&budget, bars.as_ref(), invoke, tell).await
}

/// What grows with every step of a partition.
fn progress_of(partition: &PartitionReport) -> (i64, u64, u64) {
    (partition.next, partition.records_in_all, partition.python_archives)
}

pub(crate) fn report_table(report: &RestoreReport) -> String {
    let rows = report.partitions.iter().map(|one| {
        let state = match (&one.error, one.caught_up) {
            (Some(error), _) => format!("failed: {error}"),
            (None, true) => "complete".to_owned(),
            (None, false) => "more to come".to_owned(),
        };
        let left_out =
            if one.left_out > 0 { format!("; {} records of other times left out in this run", one.left_out) } else { String::new() };
        let gaps = if one.gap_offsets > 0 {
            format!("; {} offsets were deleted from the topic before they were backed up", one.gap_offsets)
        } else {
            String::new()
        };
        let skipped = one.skipped.iter().map(|what| format!("; skipped {what}")).collect::<String>();
        [
            format!("{}/{}", report.source, one.partition),
            report.target.clone(),
            one.records.to_string(),
            one.records_in_all.to_string(),
            one.next.to_string(),
            state + &gaps + &left_out + &skipped,
        ]
    });
    let mut text = table(["FROM", "TO", "RECORDS", "IN ALL", "NEXT OFFSET", "STATE"], rows);
    text = with_lines(text, "note", &report.notes);
    if !report.commands.is_empty() {
        text.push_str(
            "\nOnce the restore is verified, this gives the topic the configs of the original (add --command-config FILE where the cluster needs a \
             login):",
        );
        // As they are: a command in which something is escaped would be another one, and what cannot be seen is in none.
        report.commands.iter().for_each(|command| text = format!("{text}\n  {command}"));
    }
    text
}
