//! `local-runner verify --against-cluster`: compares the bucket with Kafka.

use anyhow::Result;
use backup_batch::{Backup, Comparison, TopicComparison};
use host::Budget;
use kernel::Deadline;

use crate::cli::BucketArgs;
use crate::output::{Output, counted, table, with_lines, with_problems};
use crate::setup::{self, Screen};

/// Connects the backup whose cluster and bucket are compared.
pub(crate) async fn connect(args: &BucketArgs, screen: Screen<'_>) -> Result<Backup> {
    let settings = setup::backup_settings(args.path(), screen)?;
    let memory = settings.memory_limit;
    setup::backup(settings, &Budget::unlimited(memory), &Deadline::unset()).await
}

/// Compares them. Returns whether there is no problem.
pub(crate) async fn run(backup: &Backup, output: &Output) -> Result<bool> {
    let comparison = backup.compare().await?;
    output.result(&comparison, comparison_table);
    Ok(comparison.is_sound())
}

fn comparison_table(comparison: &Comparison) -> String {
    let verdict = |topic: &TopicComparison| match (topic.problems.len(), topic.notes.len()) {
        (0, 0) => "same".to_owned(),
        (0, notes) => counted(notes as u64, "note"),
        (problems, _) => counted(problems as u64, "problem"),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |topic: &TopicComparison| {
        let partitions = topic.partitions.map(|count| count.to_string());
        [topic.topic.clone(), or_dash(topic.folder.clone()), or_dash(partitions), topic.lag.to_string(), verdict(topic)]
    };
    let text = table(["TOPIC", "FOLDER", "PARTITIONS", "LAG", "COMPARED WITH KAFKA"], comparison.topics.iter().map(row));
    let named = |lines: fn(&TopicComparison) -> &Vec<String>| -> Vec<String> {
        let of = |topic| lines(topic).iter().map(move |line| format!("{}: {line}", topic.topic));
        comparison.topics.iter().flat_map(of).collect()
    };
    let text = with_lines(with_lines(text, "note", &comparison.notes), "note", &named(|topic| &topic.notes));
    with_problems(text, named(|topic| &topic.problems).iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_names_its_topic() {
        let of = |topic: &str, problems: &[&str]| TopicComparison {
            topic: topic.to_owned(),
            lag: 7,
            notes: vec!["retention.ms differs".to_owned()],
            problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
            ..TopicComparison::default()
        };
        let comparison = Comparison { topics: vec![of("orders", &[]), of("bills", &["no backup"])], ..Comparison::default() };
        let text = comparison_table(&comparison);
        let says = ["note: orders: retention.ms differs", "problem: bills: no backup", "1 note", "1 problem"];
        assert!(says.iter().all(|says| text.contains(says)) && !comparison.is_sound(), "{text}");
    }
}
