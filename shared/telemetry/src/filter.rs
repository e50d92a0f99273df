//! Which crates may log at which LOG_LEVEL.

use tracing::{Level, Metadata};

use crate::LogLevel;

/// The crates of this project, and its tests.
#[rustfmt::skip] // one folder, one row
const OWN: &[&str] = &[
    "archive", "config", "host", "kafka", "kernel", "store", "telemetry",
    "backup_batch", "local_runner", "restore_batch",
    "tests",
];
/// librdkafka's own lines (its property `debug` selects those of level debug), and its binding's.
const KAFKA: [&str; 2] = ["librdkafka", "rdkafka"];

/// Whether the target belongs to this project.
pub(super) fn is_own(target: &str) -> bool {
    OWN.contains(&crate_of(target))
}

/// The level of an event in terms of LOG_LEVEL; `None` for tracing's lowest, which Python's logging
/// does not have.
pub(super) fn level_of(level: Level) -> Option<LogLevel> {
    match level {
        Level::ERROR => Some(LogLevel::Error),
        Level::WARN => Some(LogLevel::Warning),
        Level::INFO => Some(LogLevel::Info),
        Level::DEBUG => Some(LogLevel::Debug),
        Level::TRACE => None,
    }
}

/// Whether to log an event, or to keep a span's fields. Spans of other crates are not kept: an
/// SDK's fields can contain anything.
pub(super) fn is_enabled(metadata: &Metadata<'_>, log_level: LogLevel) -> bool {
    let own = is_own(metadata.target());
    if metadata.is_span() {
        return own;
    }
    let least = if own { log_level } else { least_of_others(metadata.target(), log_level) };
    // Whether an error is critical shows only in the event itself.
    level_of(*metadata.level()).is_some_and(|level| level >= least.min(LogLevel::Error))
}

fn least_of_others(target: &str, log_level: LogLevel) -> LogLevel {
    match log_level {
        LogLevel::Debug if KAFKA.contains(&crate_of(target)) => LogLevel::Debug,
        LogLevel::Debug => LogLevel::Info,
        other => other.max(LogLevel::Warning),
    }
}

fn crate_of(target: &str) -> &str {
    target.split("::").next().unwrap_or(target)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::path::Path;

    /// A crate that is not listed would be silent below WARNING.
    #[test]
    fn every_crate_is_listed() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let packages =
            ["functions", "shared"].into_iter().flat_map(|folder| fs::read_dir(top.join(folder)).unwrap()).map(|entry| entry.unwrap());
        let found = packages.filter(|package| package.path().join("Cargo.toml").exists());
        let mut names: Vec<String> = found.map(|package| package.file_name().into_string().unwrap().replace('-', "_")).collect();
        names.push("tests".to_owned());
        names.sort();
        let mut listed = super::OWN.to_vec();
        listed.sort_unstable();
        assert_eq!(listed, names);
    }
}
