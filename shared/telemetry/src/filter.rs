//! Who may say what at which LOG_LEVEL.

use tracing::{Level, Metadata};

use crate::LogLevel;

/// The crates of this project.
const OWN: [&str; 12] = [
    "kernel",
    "telemetry",
    "store",
    "kafka",
    "archive",
    "config",
    "host",
    "shared",
    "backup_batch",
    "restore_batch",
    "local_runner",
    "tests",
];
/// librdkafka's own lines (what it says at debug level is chosen by its property `debug`), and its binding's.
const KAFKA: [&str; 2] = ["librdkafka", "rdkafka"];

/// Whether the target belongs to this project.
pub(super) fn is_own(target: &str) -> bool {
    OWN.contains(&crate_of(target))
}

/// The level of an event as LOG_LEVEL counts; `None` for tracing's lowest, which Python's logging does not have.
pub(super) fn level_of(level: Level) -> Option<LogLevel> {
    match level {
        Level::ERROR => Some(LogLevel::Error),
        Level::WARN => Some(LogLevel::Warning),
        Level::INFO => Some(LogLevel::Info),
        Level::DEBUG => Some(LogLevel::Debug),
        Level::TRACE => None,
    }
}

/// Whether an event can be shown, or a span's fields be kept. Spans of others are not: an SDK's hold what nobody asked for.
pub(super) fn is_enabled(metadata: &Metadata<'_>, log_level: LogLevel) -> bool {
    let own = is_own(metadata.target());
    if metadata.is_span() {
        return own;
    }
    let least = if own { log_level } else { least_of_others(metadata.target(), log_level) };
    // Whether an error is a critical one shows only when it is there.
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
