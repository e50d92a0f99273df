//! `local-runner backup`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use backup_batch::{BackupReport, Invocation, PartitionReport};
use host::{Budget, stop_on_signals};
use kernel::Deadline;
use kernel::clock::{self, Millis};

use crate::cli::Mode;
use crate::output::{Output, bytes, counted, table, time, with_lines};
use crate::progress::Bars;
use crate::rounds::{Failure, Round, Rounds};
use crate::setup::{self, Screen};

/// Runs the backup. Returns whether everything succeeded.
pub(crate) async fn run(config: Option<&Path>, mode: Mode, output: &Output) -> Result<bool> {
    let bars = Bars::new(*output);
    let mut settings = setup::backup_settings(config, Screen { output: *output, bars: bars.as_ref() })?;
    if mode != Mode::Once {
        settings.max_segments = None; // An invocation continues while something is due, or until TIME_BUDGET_SECONDS.
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
    let mut total = Total::default();
    let tell = |report: BackupReport| {
        total.add(&report);
        let round = Round { failure: Failure::of(report.succeeded, true), moved: report.has_moved(), caught_up: report.is_caught_up() };
        match (mode, round) {
            (_, Round { failure: Failure::None, .. }) if output.hides_success() && !has_notes(&report) => {}
            (Mode::Loop, Round { moved: false, failure: Failure::None, .. }) => output.say(&idle_line(&report, clock::system().now())),
            (Mode::Loop, _) => output.result(&report, changes_table),
            // The line at the end says the same.
            (Mode::UntilCaughtUp, Round { moved: false, caught_up: true, failure: Failure::None })
                if total.invocations > 1 && !has_notes(&report) && !output.is_json() => {}
            _ => output.result(&report, report_table),
        }
        round
    };
    let succeeded = rounds.run(&budget, bars.as_ref(), invoke, tell).await?;
    if succeeded && mode == Mode::UntilCaughtUp {
        output.say(&total.line());
    }
    Ok(succeeded)
}

/// What all invocations did together.
#[derive(Debug, Default)]
struct Total {
    invocations: u64,
    partitions: usize,
    segments: u64,
    records: u64,
    held: i64,
}

impl Total {
    fn add(&mut self, report: &BackupReport) {
        self.invocations += 1;
        self.partitions = report.partitions.len();
        self.segments += report.segments;
        self.records += report.records;
        self.held = report.partitions.iter().map(|one| one.held_by_transactions).sum();
    }

    /// The last line of a run that caught up.
    fn line(&self) -> String {
        let (partitions, records) = (counted(self.partitions, "partition"), counted(self.records, "record"));
        let held = if self.held > 0 { format!("; {} held by open transactions", counted(self.held, "offset")) } else { String::new() };
        format!("done: {partitions} caught up, {records} in {} stored{held}", counted(self.segments, "segment"))
    }
}

pub(crate) fn report_table(report: &BackupReport) -> String {
    table_of(report, &report.partitions.iter().collect::<Vec<_>>())
}

/// Whether a report of success has something that an operator must see.
fn has_notes(report: &BackupReport) -> bool {
    !report.notes.is_empty() || report.partitions.iter().any(|one| !one.gaps.is_empty())
}

/// The report of an invocation of a loop: partitions that were written or failed, and a count of
/// the others.
fn changes_table(report: &BackupReport) -> String {
    let has_news = |one: &&PartitionReport| one.has_moved() || one.error.is_some();
    let (news, others): (Vec<_>, Vec<_>) = report.partitions.iter().partition(has_news);
    let text = table_of(report, &news);
    if others.is_empty() {
        return text;
    }
    let lag: i64 = others.iter().map(|one| one.lag_records).sum();
    format!("{text}\n{} unchanged, lag {}", counted(others.len(), "other partition"), counted(lag, "record"))
}

/// The line of an invocation without work.
fn idle_line(report: &BackupReport, now: Millis) -> String {
    let (partitions, lag) = (report.partitions.len(), report.lag_records);
    format!("{}  nothing due: {}, lag {}", time(now), counted(partitions, "partition"), counted(lag, "record"))
}

fn table_of(report: &BackupReport, partitions: &[&PartitionReport]) -> String {
    let rows = partitions.iter().map(|one| {
        [
            format!("{}/{}", one.folder.as_deref().unwrap_or(&one.topic), one.partition),
            one.segments.to_string(),
            one.records.to_string(),
            bytes(one.stored_bytes),
            // A commit at 0: nothing was stored yet, as without a commit.
            one.next.filter(|next| *next > 0).map_or_else(|| "-".to_owned(), |next| next.to_string()),
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
    notes.extend(one.gaps.iter().map(|gap| format!("offsets {} to {} were deleted before they could be read", gap.from, gap.to)));
    if one.adopted > 0 {
        notes.push("already written by another invocation".to_owned());
    }
    if one.held_by_transactions > 0 {
        notes.push(format!("{} offsets held by an open transaction", one.held_by_transactions));
    }
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use archive::catalog::{Gap, GapReason};

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
        assert!(text.ends_with("120 other partitions unchanged, lag 120 records"), "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        let line = idle_line(&report(false), 1_700_000_000_000);
        assert_eq!(line, "2023-11-14T22:13:20Z  nothing due: 122 partitions, lag 122 records");
    }
    #[test]
    fn a_partition_of_which_nothing_was_stored_has_no_next_offset() {
        let mut all = report(false);
        all.partitions.truncate(3);
        (all.partitions[1].next, all.partitions[2].next) = (Some(0), Some(7));
        let text = report_table(&all);
        let next: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_whitespace().rev().nth(1)).collect();
        assert_eq!(next, ["-", "-", "7"], "{text}");
    }

    #[test]
    fn the_last_line_counts_all_invocations() {
        let mut first = report(true);
        (first.segments, first.records, first.partitions[0].held_by_transactions) = (1, 9, 7);
        let mut total = Total::default();
        total.add(&first);
        assert_eq!(total.line(), "done: 122 partitions caught up, 9 records in 1 segment stored; 7 offsets held by open transactions");
        total.add(&report(false));
        assert_eq!(total.line(), "done: 122 partitions caught up, 9 records in 1 segment stored");
    }

    #[test]
    fn quiet_hides_no_gap_and_no_note() {
        assert!(!has_notes(&report(true)));
        let mut with_gap = report(true);
        with_gap.partitions[0].gaps.push(Gap { from: 0, to: 7, reason: GapReason::LogStartMoved });
        assert!(has_notes(&with_gap));
        let mut with_note = report(true);
        with_note.notes.push("a pattern matches no topic".to_owned());
        assert!(has_notes(&with_note));
    }
}
