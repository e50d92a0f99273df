//! `local-runner backup`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use backup_batch::{BackupReport, Invocation, PartitionReport};
use host::{Budget, stop_on_signals};
use kernel::Deadline;
use kernel::clock::{self, Millis};

use crate::cli::Mode;
use crate::output::{Output, bytes, table, time, with_lines};
use crate::progress::Bars;
use crate::rounds::{Failure, Round, Rounds};
use crate::setup;

/// Runs the backup. Whether everything succeeded.
pub(crate) async fn run(config: Option<&Path>, mode: Mode, output: &Output) -> Result<bool> {
    let bars = Bars::new(output.is_json());
    let mut settings = setup::backup_settings(config, bars.as_ref())?;
    if mode != Mode::Once {
        settings.max_segments = None; // Only TIME_BUDGET_SECONDS ends an invocation from outside: it goes on while there is something due.
    }
    let (time_budget, pause) = (mode.time_budget(settings.time_budget), settings.retry_upload);
    let rounds = Rounds { mode, ends: false, pause, time_budget, stop: stop_on_signals(|| ())?, deadline: Deadline::unset() };
    let budget = Budget { stop: rounds.stop.clone(), ..Budget::unlimited(settings.memory_limit) };
    let backup = setup::backup(settings, &budget, &rounds.deadline).await?;
    let mut invocation = Invocation::new(budget.clone());
    invocation.progress = bars.as_ref().map(Bars::of_backup);
    if mode == Mode::UntilCaughtUp {
        invocation.flush = true;
        invocation.up_to = Some(Arc::new(backup.ends().await?));
    }
    let invoke = async |budget| backup.invoke(&Invocation { budget, ..invocation.clone() }).await;
    let tell = |report: BackupReport| {
        let round = Round { failure: Failure::of(report.succeeded, true), moved: report.has_moved(), caught_up: report.is_caught_up() };
        match (mode, round) {
            (Mode::Loop, Round { moved: false, failure: Failure::None, .. }) => output.say(&idle_line(&report, clock::system().now())),
            (Mode::Loop, _) => output.result(&report, changes_table),
            _ => output.result(&report, report_table),
        }
        round
    };
    rounds.run(&budget, bars.as_ref(), invoke, tell).await
}

pub(crate) fn report_table(report: &BackupReport) -> String {
    table_of(report, &report.partitions.iter().collect::<Vec<_>>())
}

/// What an invocation of a loop did: the partitions that it wrote or that failed, and how many others there are.
fn changes_table(report: &BackupReport) -> String {
    let has_news = |one: &&PartitionReport| one.has_moved() || one.error.is_some();
    let (news, others): (Vec<_>, Vec<_>) = report.partitions.iter().partition(has_news);
    let text = table_of(report, &news);
    if others.is_empty() {
        return text;
    }
    let lag: i64 = others.iter().map(|one| one.lag_records).sum();
    format!("{text}\nand {} other partitions without a change, {lag} records behind", others.len())
}

/// The line of an invocation that had nothing to do.
fn idle_line(report: &BackupReport, now: Millis) -> String {
    let (partitions, lag) = (report.partitions.len(), report.lag_records);
    format!("{}  nothing was due: {partitions} partitions, {lag} records behind", time(now))
}

fn table_of(report: &BackupReport, partitions: &[&PartitionReport]) -> String {
    let rows = partitions.iter().map(|one| {
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
    let text = table(["PARTITION", "SEGMENTS", "RECORDS", "STORED", "NEXT OFFSET", "LAG", "NOTES"], rows);
    with_lines(with_lines(text, "note", &report.notes), "error", &report.errors)
}

fn notes(one: &PartitionReport) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(moved: bool) -> BackupReport {
        let partition = |partition| {
            let mut one = PartitionReport::default();
            (one.topic, one.partition, one.lag_records) = ("orders".into(), partition, 1);
            one.segments = u64::from(moved && partition == 7);
            one.error = (moved && partition == 9).then(|| "no leader".to_owned());
            one
        };
        let mut report = BackupReport::default();
        (report.partitions, report.lag_records, report.succeeded) = ((0..122).map(partition).collect(), 122, !moved);
        report
    }

    #[test]
    fn a_loop_shows_what_changed_and_a_line_when_nothing_did() {
        let text = changes_table(&report(true));
        assert!(text.contains("orders/7") && text.contains("failed: no leader"), "{text}");
        assert!(text.ends_with("and 120 other partitions without a change, 120 records behind"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        let line = idle_line(&report(false), 1_700_000_000_000);
        assert_eq!(line, "2023-11-14T22:13:20Z  nothing was due: 122 partitions, 122 records behind");
    }
}
