//! `local-runner check`.

use std::path::Path;

use anyhow::Result;
use backup_batch::{CheckReport, TopicCheck};
use host::Budget;
use kernel::Deadline;

use crate::output::{Output, table};
use crate::setup;

/// Looks whether a backup with this configuration would work. Whether nothing is missing.
pub(crate) async fn run(config: Option<&Path>, output: &Output) -> Result<bool> {
    let settings = setup::backup_settings(config, None)?;
    let backup = setup::backup(settings.clone(), &Budget::unlimited(settings.memory_limit), &Deadline::unset()).await?;
    let report = backup.check().await?;
    output.result(&report, report_table);
    Ok(report.succeeded)
}

fn report_table(report: &CheckReport) -> String {
    let state = |topic: &TopicCheck| topic.error.as_ref().or(topic.note.as_ref()).map_or_else(|| "ready".to_owned(), Clone::clone);
    let partitions = |topic: &TopicCheck| topic.partitions.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let mut text = if report.topics.is_empty() {
        String::new()
    } else {
        table(["TOPIC", "PARTITIONS", "STATE"], report.topics.iter().map(|topic| [topic.topic.clone(), partitions(topic), state(topic)]))
            + "\n"
    };
    if !report.excluded.is_empty() {
        text.push_str(&format!("left out by EXCLUDE_TOPIC_NAMES: {}\n", report.excluded.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    for (kind, lines) in [("note", &report.notes), ("problem", &report.problems)] {
        lines.iter().for_each(|line| text.push_str(&format!("{kind}: {line}\n")));
    }
    let ready = report.topics.iter().filter(|topic| topic.error.is_none()).count();
    let cluster = report.cluster_id.as_deref().unwrap_or("(without an id)");
    text + &match report.succeeded {
        true => format!("ready: {ready} topics of cluster {cluster} can be backed up to {}", report.bucket),
        false => format!("not ready: {ready} of {} topics could be backed up to {}", report.topics.len(), report.bucket),
    }
}
