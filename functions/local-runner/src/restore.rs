//! `local-runner restore` and `local-runner plan`.

use std::path::Path;

use anyhow::Result;
use host::{Budget, stop_on_signals};
use kernel::Deadline;
use kernel::clock::rfc3339;
use restore_batch::{Invocation, PartitionReport, Plan, PlannedTopic, RestoreReport, TopicReport};

use crate::cli::Mode;
use crate::output::{Output, bytes, counted, table, with_lines};
use crate::progress::Bars;
use crate::rounds::{Failure, Round, Rounds};
use crate::setup::{self, Screen};

/// Runs the restore. Returns whether everything succeeded.
pub(crate) async fn run(config: Option<&Path>, mode: Mode, by_partition: bool, output: &Output) -> Result<bool> {
    let bars = Bars::new(*output);
    let mut settings = setup::restore_settings(config, Screen { output: *output, bars: bars.as_ref() })?;
    if mode != Mode::Once {
        settings.max_segments = None; // An invocation continues while work is left, or until TIME_BUDGET_SECONDS.
    }
    let (time_budget, pause) = (settings.time_budget, settings.retry);
    let deadline = Deadline::unset();
    let stop = stop_on_signals(|| ())?;
    let budget = Budget { stop: stop.clone(), ..Budget::unlimited(settings.memory_limit) };
    let restore = setup::restore(settings, &budget, &deadline).await?;
    let rounds = Rounds { mode, ends: restore.ends_by_itself(), pause, time_budget, stop, deadline };
    let mut invocation = Invocation::new(budget.clone());
    if let Some(bars) = &bars {
        // Only for the total of the bar: the first invocation reports its errors.
        let plan = if restore.ends_by_itself() { restore.plan().await.ok() } else { None };
        let offsets = plan.as_ref().map(offsets_left);
        invocation.progress = Some(bars.of_restore(offsets));
    }
    let mut reached = Vec::new();
    let invoke = async |budget| {
        let mut report = restore.invoke(&Invocation { budget, ..invocation.clone() }).await?;
        if report.finished_at.is_some() {
            restore.tell_of_newer(&mut report).await;
            if !report.has_finished {
                restore.tell_of_configs(&mut report).await?;
                restore.tell_of_finish(&mut report).await;
            }
        }
        Ok(report)
    };
    let tell = |report: RestoreReport| {
        let has_news = report.records > 0 || !report.caught_up || mode != Mode::Loop || !report.succeeded || report.finished_at.is_some();
        if has_news && !(output.hides_success() && is_plain_success(&report)) {
            output.result(&report, |report| report_table(report, by_partition) + &next(report, config));
        }
        let before = std::mem::replace(&mut reached, report.all_partitions().map(progress_of).collect());
        let moved = report.succeeded && !report.caught_up && reached != before;
        Round { failure: Failure::of(report.succeeded, report.heals()), moved, caught_up: report.caught_up }
    };
    rounds.run(&budget, bars.as_ref(), invoke, tell).await
}

/// Shows what the restore would do. Returns whether nothing is in the way.
pub(crate) async fn plan(config: Option<&Path>, by_partition: bool, output: &Output) -> Result<bool> {
    let settings = setup::restore_settings(config, Screen::plain(output))?;
    let restore = setup::restore(settings.clone(), &Budget::unlimited(settings.memory_limit), &Deadline::unset()).await?;
    let plan = restore.plan().await?;
    output.result(&plan, |plan| plan_table(plan, &settings.kafka.bootstrap_servers, by_partition));
    Ok(plan.can_begin())
}

/// For the estimate of plan: stored bytes per second of one function with a few threads. Clusters
/// differ.
const RATE: u64 = 20 << 20;

/// Whether a report has nothing that an operator must see: no end of the restore, no note, no
/// skipped segment, no gap, no command to run.
fn is_plain_success(report: &RestoreReport) -> bool {
    let is_plain =
        |topic: &TopicReport| topic.notes.is_empty() && topic.skipped.is_empty() && topic.commands.is_empty() && topic.gap_offsets == 0;
    let has_news = |one: &PartitionReport| !one.skipped.is_empty() || one.gap_offsets > 0;
    report.succeeded
        && report.finished_at.is_none()
        && report.notes.is_empty()
        && report.topics.iter().all(is_plain)
        && !report.all_partitions().any(|(_, one)| has_news(one))
}

fn offsets_left(plan: &Plan) -> u64 {
    plan.topics.iter().map(|topic| u64::try_from(topic.offsets).unwrap_or(0)).sum()
}

/// Changes with every step of a partition.
fn progress_of((topic, partition): (&TopicReport, &PartitionReport)) -> (String, i32, i64, u64, u64, bool) {
    let PartitionReport { partition, next, records_in_all, python_archives, caught_up, .. } = *partition;
    (topic.source.clone(), partition, next, records_in_all, python_archives, caught_up)
}

pub(crate) fn plan_table(plan: &Plan, servers: &str, by_partition: bool) -> String {
    let cluster = plan.cluster_id.as_deref().unwrap_or("(no id)");
    let of = plan.snapshots.iter().map(|snapshot| {
        let until = snapshot.until.map_or_else(String::new, |until| format!("as of {}, ", rfc3339(until)));
        format!("{until}{}", snapshot.name)
    });
    let begun = if plan.has_begun { " (started)" } else { "" };
    let brokers = counted(plan.brokers, "broker");
    let mut text = format!("restore {}{begun}, into {servers} (cluster {cluster}, {brokers})", plan.restore_id);
    text = with_lines(text, "snapshot", &of.collect::<Vec<_>>());
    text.push('\n');
    let cells = |topic: &PlannedTopic, target: String| {
        let done = if topic.partitions_done > 0 { format!(" ({} done)", topic.partitions_done) } else { String::new() };
        [topic.source.clone(), format!("{}{done}", topic.partitions), topic.offsets.to_string(), bytes(topic.bytes), target]
    };
    let mut rows: Vec<[String; 5]> = Vec::new();
    for topic in &plan.topics {
        let state = if topic.target_exists { "exists" } else { "new" };
        rows.push(cells(topic, format!("{}: {state}", topic.target)));
        if by_partition {
            let cut = |(number, cut): (&i32, &i64)| {
                [format!("  {}/{number}", topic.source), String::new(), String::new(), String::new(), format!("up to offset {cut}")]
            };
            rows.extend(topic.cuts.iter().map(cut));
        }
    }
    let sum = |of: fn(&PlannedTopic) -> u64| plan.topics.iter().map(of).sum::<u64>();
    rows.push([
        format!("total {}", plan.topics.len()),
        sum(|topic| u64::try_from(topic.partitions).unwrap_or(0)).to_string(),
        sum(|topic| u64::try_from(topic.offsets).unwrap_or(0)).to_string(),
        bytes(sum(|topic| topic.bytes)),
        String::new(),
    ]);
    text.push_str(&table(["TOPIC", "PARTITIONS", "OFFSETS", "STORED", "TARGET"], rows));
    text = with_lines(text, "time", time_left(plan).as_slice());
    if plan.is_endless {
        text = with_lines(text, "note", &["it has no end: it also restores what is backed up later".to_owned()]);
    }
    let in_the_way: Vec<String> =
        plan.topics.iter().filter_map(|topic| topic.problem.clone()).chain(plan.problems.iter().cloned()).collect();
    text = with_lines(text, "note", &plan.notes);
    match in_the_way.is_empty() {
        true => with_lines(text, "in the way", &["nothing".to_owned()]),
        false => with_lines(text, "in the way", &in_the_way),
    }
}

/// How long it takes; `None` if nothing is left.
fn time_left(plan: &Plan) -> Option<String> {
    let sum = |of: fn(&PlannedTopic) -> u64| plan.topics.iter().map(of).sum::<u64>();
    if !plan.is_endless && sum(|topic| topic.partitions_done) >= sum(|topic| topic.partitions_to_restore) {
        return None;
    }
    let minutes = match sum(|topic| topic.bytes).div_ceil(RATE * 60) {
        0 | 1 => "under 1".to_owned(),
        minutes => format!("about {minutes}"),
    };
    Some(format!("{minutes} min at {}/s of stored bytes", bytes(RATE)))
}

pub(crate) fn report_table(report: &RestoreReport, by_partition: bool) -> String {
    let is_by_topic = report.done.is_some() && !by_partition;
    let mut text = if is_by_topic { topics_table(report) } else { partitions_table(report) };
    for topic in &report.topics {
        let what = if report.topics.len() > 1 { format!("note on {}", topic.target) } else { "note".to_owned() };
        text = with_lines(text, &what, &topic.notes);
        text = with_lines(text, &format!("skipped in {}", topic.source), &topic.skipped);
    }
    text = with_lines(text, "note", &report.notes);
    // `finish` does the same for a restore that has an end.
    let has_no_end = |_: &&TopicReport| report.done.is_none();
    let commands: Vec<&String> = report.topics.iter().filter(has_no_end).flat_map(|topic| &topic.commands).collect();
    if !commands.is_empty() {
        text = format!(
            "{text}\nAfter you verified the restore, set the original configs (add --command-config FILE if the cluster requires a login):"
        );
        // Not escaped: that would change a command. None contains invisible characters.
        commands.into_iter().for_each(|command| text = format!("{text}\n  {command}"));
    }
    match report.done {
        Some(done) => with_lines(text, if report.finished_at.is_some() { "done" } else { "so far" }, &[total(report, done)]),
        None => text,
    }
}

/// The next step after a complete restore.
fn next(report: &RestoreReport, config: Option<&Path>) -> String {
    if report.finished_at.is_none() || !report.succeeded {
        return String::new();
    }
    let command = format!("local-runner finish{}", config.map_or_else(String::new, |config| format!(" {}", config.display())));
    match report.finish_applied_at {
        Some(at) => format!("\nfinish: last applied at {}. What is left of it, if anything: {command}", rfc3339(at)),
        None => format!("\nnext: {command}"),
    }
}

/// The result of the whole restore, in a line.
fn total(report: &RestoreReport, done: restore_batch::DonePartitions) -> String {
    let records: u64 = report.topics.iter().map(|topic| topic.records_in_all).sum();
    let skipped: usize = report.topics.iter().map(|topic| topic.skipped.len()).sum();
    let has_failed = |topic: &&TopicReport| topic.error.is_some() || topic.partitions.iter().any(|one| one.error.is_some());
    let failed = report.topics.iter().filter(has_failed).count();
    let topics = report.topics.len();
    if let Some(at) = report.finished_at {
        let failed = if failed > 0 { format!(", {failed} of the topics no longer exist") } else { String::new() };
        let topics = counted(topics, "topic");
        return format!("{topics}{}, {records} records, {skipped} skipped, at {}{failed}", as_of(report), rfc3339(at));
    }
    let (of, done) = (done.partitions_to_restore, done.partitions_done);
    let topics = counted(topics, "topic");
    format!("{done} of {of} partitions of {topics} restored; {} records in this invocation, {failed} topics failed", report.records)
}

/// The moments that are restored, and the request for them.
fn as_of(report: &RestoreReport) -> String {
    let Some(asked) = &report.as_of else { return String::new() };
    let moments: Vec<String> = report.moments.iter().map(|moment| rfc3339(*moment)).collect();
    match &moments[..] {
        [] => format!(" as of {asked}"),
        [moment] if moment == asked => format!(" as of {asked}"),
        _ if asked == "latest" => format!(" as of {} (latest)", moments.join(" and ")),
        _ => format!(" as of {} (asked for {asked})", moments.join(" and ")),
    }
}

fn topics_table(report: &RestoreReport) -> String {
    let rows = report.topics.iter().map(|topic| {
        let failed: Vec<String> =
            topic.partitions.iter().filter_map(|one| Some(format!("{}: {}", one.partition, one.error.as_ref()?))).collect();
        let left = topic.partitions.iter().filter(|one| !one.caught_up).count();
        let state = match (&topic.error, &failed[..]) {
            (Some(error), _) => format!("failed: {error}"),
            (None, [_, ..]) => format!("failed: partition {}", failed.join("; partition ")),
            (None, []) if left > 0 => format!("{left} partitions left"),
            (None, []) if !topic.skipped.is_empty() => "complete, except what was skipped".to_owned(),
            (None, []) => "complete".to_owned(),
        };
        let gaps = gaps(topic.gap_offsets);
        [topic.source.clone(), topic.target.clone(), topic.records.to_string(), topic.records_in_all.to_string(), state + &gaps]
    });
    table(["FROM", "TO", "RECORDS", "TOTAL", "STATE"], rows)
}

fn gaps(offsets: i64) -> String {
    if offsets > 0 { format!("; {offsets} offsets were deleted from the topic before they were backed up") } else { String::new() }
}

fn partitions_table(report: &RestoreReport) -> String {
    let of_topics = report.topics.iter().filter_map(|topic| {
        let error = topic.error.as_ref()?;
        let empty = String::new;
        Some([topic.source.clone(), topic.target.clone(), empty(), empty(), empty(), format!("failed: {error}")])
    });
    let rows = report.all_partitions().map(|(topic, one)| {
        let state = match (&one.error, one.caught_up) {
            (Some(error), _) => format!("failed: {error}"),
            (None, true) => "complete".to_owned(),
            (None, false) => "in progress".to_owned(),
        };
        let left_out = if one.left_out > 0 {
            format!("; {} records outside of RESTORE_FROM and RESTORE_UNTIL in this invocation", one.left_out)
        } else {
            String::new()
        };
        let skipped = one.skipped.iter().map(|what| format!("; skipped {what}")).collect::<String>();
        [
            format!("{}/{}", topic.source, one.partition),
            topic.target.clone(),
            one.records.to_string(),
            one.records_in_all.to_string(),
            one.next.to_string(),
            state + &gaps(one.gap_offsets) + &left_out + &skipped,
        ]
    });
    table(["FROM", "TO", "RECORDS", "TOTAL", "NEXT OFFSET", "STATE"], of_topics.chain(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_the_moment_that_was_restored_and_the_request() {
        let done = restore_batch::DonePartitions { partitions_to_restore: 1, partitions_done: 1 };
        let of = |as_of: Option<&str>, moments: &[i64]| {
            let mut report = RestoreReport::default();
            (report.as_of, report.moments, report.finished_at) = (as_of.map(str::to_owned), moments.to_vec(), Some(9_000));
            total(&report, done)
        };
        let whole = "0 topics as of 1970-01-01T00:00:01.5Z (latest), 0 records, 0 skipped, at 1970-01-01T00:00:09Z";
        assert_eq!(of(Some("latest"), &[1_500]), whole);
        let asked = of(Some("1970-01-01T00:00:03Z"), &[1_500, 2_000]);
        let expected = "as of 1970-01-01T00:00:01.5Z and 1970-01-01T00:00:02Z (asked for 1970-01-01T00:00:03Z),";
        assert!(asked.contains(expected), "{asked}");
        let exact = of(Some("1970-01-01T00:00:03Z"), &[3_000]);
        assert!(exact.contains("as of 1970-01-01T00:00:03Z, 0 records"), "{exact}");
        assert!(!of(None, &[]).contains("as of"));
    }

    #[test]
    fn the_next_step_is_finish_until_it_was_applied() {
        let of = |finished_at, applied_at| {
            let mut report = RestoreReport::default();
            (report.succeeded, report.finished_at, report.finish_applied_at) = (true, finished_at, applied_at);
            next(&report, Some(Path::new("dr.json")))
        };
        assert_eq!(of(Some(1), None), "\nnext: local-runner finish dr.json");
        let applied = "\nfinish: last applied at 1970-01-01T00:00:02Z. What is left of it, if anything: local-runner finish dr.json";
        assert_eq!(of(Some(1), Some(2_000)), applied);
        assert_eq!(of(None, None), "");
    }

    #[test]
    fn a_plan_names_the_target_by_address_and_the_time_only_while_something_is_left() {
        let topic = |done, bytes| PlannedTopic { partitions_to_restore: 2, partitions_done: done, bytes, ..PlannedTopic::default() };
        let of = |done, bytes| {
            let plan = Plan { restore_id: "drill".into(), cluster_id: Some("dr".into()), brokers: 3, ..Plan::default() };
            plan_table(&Plan { topics: vec![topic(2, bytes), topic(done, bytes)], ..plan }, "dr01:9092", false)
        };
        let text = of(1, 600);
        assert!(text.starts_with("restore drill, into dr01:9092 (cluster dr, 3 brokers)\n"), "{text}");
        assert!(text.contains("\ntime: under 1 min at 20.00 MiB/s of stored bytes\n"), "{text}");
        assert!(of(0, RATE * 60).contains("time: about 2 min"), "{}", of(0, RATE * 60));
        assert!(!of(2, 600).contains("time:"), "nothing is left");
    }
}
