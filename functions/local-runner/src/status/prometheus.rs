//! The status in the text format of Prometheus, for the textfile collector of node_exporter.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use super::{Status, TopicStatus};

/// Replaces the file atomically: a reader sees the old one or the new one.
pub(super) fn write(file: &Path, all: &[Status]) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = (|| {
        let mut new = NamedTempFile::new_in(folder)?;
        new.write_all(text(all).as_bytes())?;
        make_readable(&new)?;
        new.persist(file).map_err(|error| error.error)?;
        std::io::Result::Ok(())
    })();
    written.with_context(|| format!("{}: cannot write the metrics", file.display()))
}

/// The collector runs as another user, and only the owner can read a temporary file.
#[cfg(unix)]
fn make_readable(file: &NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_file: &NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

fn text(all: &[Status]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, of_topics: Option<fn(&TopicStatus) -> i64>, of_all: fn(&Status) -> i64| {
        _ = write!(text, "# HELP kafka_backup_{name} {help}\n# TYPE kafka_backup_{name} gauge\n");
        for status in all {
            let labels = format!(
                "cluster=\"{}\",group=\"{}\"",
                escaped(status.cluster_id.as_deref().unwrap_or_default()),
                escaped(&status.group_id)
            );
            let Some(of_topic) = of_topics else {
                _ = writeln!(text, "kafka_backup_{name}{{{labels}}} {}", of_all(status));
                continue;
            };
            for topic in &status.topics {
                _ = writeln!(text, "kafka_backup_{name}{{{labels},topic=\"{}\"}} {}", escaped(&topic.topic), of_topic(topic));
            }
        }
    };
    family("snapshot_age_seconds", "Seconds since the newest snapshot of the cluster.", None, |status| status.snapshot_age_seconds);
    family("topics", "Topics in the newest snapshot.", None, |status| i64::try_from(status.topics.len()).unwrap_or(i64::MAX));
    family("missing_objects", "Folders of topics, and snapshots, that were backed up and are missing.", None, |status| {
        i64::try_from(status.problems.len()).unwrap_or(i64::MAX)
    });
    let none: fn(&Status) -> i64 = |_| 0;
    let point: fn(&TopicStatus) -> i64 = |topic| topic.recovery_point_seconds;
    family("recovery_point_seconds", "Age of the recovery point of the topic.", Some(point), none);
    family(
        "recovery_point_known",
        "1 if a snapshot of the topic is complete in the bucket.",
        Some(|topic| topic.recovery_point.is_some().into()),
        none,
    );
    family("lag_records", "Offsets not in the bucket.", Some(|topic| topic.lag_records), none);
    family("held_by_transactions", "Offsets held by open transactions.", Some(|topic| topic.held_by_transactions), none);
    family("lost_records", "Offsets deleted from the log before they were backed up.", Some(|topic| topic.lost_records), none);
    let info = "# HELP kafka_backup_build_info The version of the program.\n# TYPE kafka_backup_build_info gauge\n";
    _ = writeln!(text, "{info}kafka_backup_build_info{{version=\"{}\"}} 1", telemetry::VERSION);
    text
}

/// Escapes the value of a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn status() -> Status {
        let topic = TopicStatus {
            topic: "orders".into(),
            partitions: 3,
            recovery_point: Some("2026-11-29T13:00:00Z".into()),
            recovery_point_seconds: 41,
            lag_records: 7,
            held_by_transactions: 2,
            lost_records: 0,
            notes: vec![],
        };
        Status {
            series: "@cluster/a/b/".into(),
            cluster_id: Some("a".into()),
            group_id: "b\"\\\n".into(),
            last_snapshot: "2026-11-29T13:00:00Z".into(),
            snapshot_age_seconds: 12,
            recovery_point_seconds: 41,
            lag_records: 7,
            held_by_transactions: 2,
            topics: vec![topic],
            notes: vec![],
            problems: vec!["orders/ is missing".into()],
        }
    }

    #[test]
    fn each_line_is_in_the_text_format() {
        let text = text(&[status()]);
        assert!(text.contains("# TYPE kafka_backup_recovery_point_seconds gauge\n"), "{text}");
        let line = r#"kafka_backup_recovery_point_seconds{cluster="a",group="b\"\\\n",topic="orders"} 41"#;
        assert!(text.lines().any(|one| one == line), "{text}");
        assert!(text.contains("kafka_backup_missing_objects{cluster=\"a\",group=\"b\\\"\\\\\\n\"} 1\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(line.starts_with("kafka_backup_") && value.parse::<i64>().is_ok(), "{line}");
        }
    }

    #[test]
    fn the_file_is_replaced_atomically_and_is_readable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kafka.prom");
        for _ in 0..2 {
            write(&file, &[status()]).unwrap();
            assert!(std::fs::read_to_string(&file).unwrap().ends_with('\n'));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = format!("{:#}", write(&folder.path().join("no/such/folder.prom"), &[status()]).unwrap_err());
        assert!(error.contains("folder.prom: cannot write the metrics"), "{error}");
    }
}
