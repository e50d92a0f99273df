//! `local-runner backup`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use backup_batch::{BackupReport, Invocation};
use host::{Budget, stop_on_signals};
use kernel::Deadline;

use crate::cli::Mode;
use crate::output::{Output, bytes, table};
use crate::progress::Bars;
use crate::rounds::{Round, Rounds};
use crate::setup;

/// Runs the backup. Whether everything succeeded.
pub(crate) async fn run(config: Option<&Path>, mode: Mode, output: &Output) -> Result<bool> {
    let bars = Bars::new(output.is_json());
    let mut settings = setup::backup_settings(config, bars.as_ref())?;
    if mode != Mode::Once {
        settings.max_segments = None; // Only TIME_BUDGET_SECONDS ends an invocation from outside: it goes on while there is something due.
    }
    let (time_budget, pause) = (settings.time_budget, settings.retry_upload);
    let rounds = Rounds { mode, pause, time_budget, stop: stop_on_signals(|| ())?, deadline: Deadline::unset() };
    let budget = Budget { stop: rounds.stop.clone(), ..Budget::unlimited(settings.memory_limit) };
    let backup = setup::backup(settings, &budget, &rounds.deadline).await?;
    let mut invocation = Invocation::new(budget);
    invocation.progress = bars.as_ref().map(Bars::of_backup);
    if mode == Mode::UntilCaughtUp {
        invocation.flush = true;
        invocation.up_to = Some(Arc::new(backup.ends().await?));
    }
    loop {
        rounds.begin(&mut invocation.budget);
        let report = backup.invoke(&invocation).await;
        if let Some(bars) = &bars {
            bars.clear();
        }
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                rounds.failed(error).await?;
                continue;
            }
        };
        let round = Round { succeeded: report.succeeded, moved: report.has_moved(), caught_up: report.is_caught_up() };
        if round.moved || mode != Mode::Loop || !round.succeeded {
            output.result(&report, report_table);
        }
        if let Some(succeeded) = rounds.after(round).await? {
            return Ok(succeeded);
        }
    }
}

pub(crate) fn report_table(report: &BackupReport) -> String {
    let rows = report.partitions.iter().map(|one| {
        [
            format!("{}/{}", one.folder.as_deref().unwrap_or(&one.topic), one.partition),
            one.segments.to_string(),
            one.records.to_string(),
            bytes(one.stored_bytes),
            one.next.map_or_else(|| "-".to_owned(), |next| next.to_string()),
            one.lag_records.to_string(),
            notes(one),
        ]
    });
    let mut text = table(["PARTITION", "SEGMENTS", "RECORDS", "STORED", "NEXT OFFSET", "LAG", "NOTES"], rows);
    for note in &report.notes {
        text.push_str("\nnote: ");
        text.push_str(note);
    }
    for error in &report.errors {
        text.push_str("\nerror: ");
        text.push_str(error);
    }
    text
}

fn notes(one: &backup_batch::PartitionReport) -> String {
    let mut notes = Vec::new();
    if let Some(error) = &one.error {
        notes.push(format!("failed: {error}"));
    }
    notes.extend(one.gaps.iter().map(|gap| format!("offsets {} to {} were gone before they could be read", gap.from, gap.to)));
    if one.adopted > 0 {
        notes.push("another run had written it already".to_owned());
    }
    if one.held_by_transactions > 0 {
        notes.push(format!("{} offsets wait for an open transaction", one.held_by_transactions));
    }
    notes.join("; ")
}
