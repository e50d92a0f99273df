//! `local-runner check`.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use backup_batch::{CheckReport, TopicCheck};
use host::Budget;
use kernel::Deadline;

use crate::output::{Output, counted, table, with_lines};
use crate::setup::{self, Screen};

/// Someone waits for the answer. A cluster that can be reached has connections after less.
const PATIENCE: Duration = Duration::from_secs(8);

/// Checks whether a backup with this configuration would work. Returns whether it would.
pub(crate) async fn run(config: Option<&Path>, output: &Output) -> Result<bool> {
    let mut settings = setup::backup_settings(config, Screen::plain(output))?;
    settings.kafka.patience = Some(PATIENCE);
    let backup = setup::backup(settings.clone(), &Budget::unlimited(settings.memory_limit), &Deadline::unset()).await?;
    let report = backup.check().await?;
    output.result(&report, report_table);
    Ok(report.succeeded)
}

fn report_table(report: &CheckReport) -> String {
    let state = |topic: &TopicCheck| topic.error.as_ref().or(topic.note.as_ref()).map_or_else(|| "ready".to_owned(), Clone::clone);
    let partitions = |topic: &TopicCheck| topic.partitions.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let mut text =
        table(["TOPIC", "PARTITIONS", "STATE"], report.topics.iter().map(|topic| [topic.topic.clone(), partitions(topic), state(topic)]));
    if !report.excluded.is_empty() {
        let excluded: Vec<&str> = report.excluded.iter().map(String::as_str).collect();
        text = with_lines(text, "excluded by EXCLUDE_TOPIC_NAMES", &[excluded.join(", ")]);
    }
    text = with_lines(with_lines(text, "note", &report.notes), "problem", &report.problems);
    let ready = report.topics.iter().filter(|topic| topic.error.is_none()).count();
    let cluster = report.cluster_id.as_deref().unwrap_or("(no id)");
    let (all, bucket) = (report.topics.len(), &report.bucket);
    match report.succeeded {
        true => with_lines(text, "ready", &[format!("{} of cluster {cluster} can be backed up to {bucket}", counted(ready, "topic"))]),
        false if ready < all => {
            with_lines(text, "not ready", &[format!("{ready} of {} can be backed up to {bucket}", counted(all, "topic"))])
        }
        // Every topic is well, but not the bucket or the selection.
        false => with_lines(text, "not ready", &[format!("solve what is above, before anything is backed up to {bucket}")]),
    }
}
