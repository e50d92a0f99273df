//! From a [`Raw`] configuration to the settings of a command, or to all its problems.

use std::collections::BTreeSet;
use std::time::Duration;

use archive::catalog::PartitionStrategy;
use archive::segment::Compression;
use kafka::{Delivery, Isolation, Pattern, Selection};
use store::StoreSettings;
use telemetry::{LogFormat, LogLevel};

use super::raw::Raw;
use super::read::{Reader, choice, each, flag, number, patterns, patterns_if_any, seconds};
use super::{BackupSettings, ConfigError, FinishPart, RestoreSettings, SnapshotSettings, cluster::cluster, names, scope, storage, times};

impl BackupSettings {
    /// Validates the keys of `backup`; keys of `restore` are ignored.
    ///
    /// # Errors
    /// All problems.
    pub fn from_raw(raw: &Raw) -> Result<Self, ConfigError> {
        let mut read = Reader::new(raw);
        let settings = backup(&mut read);
        read.finish(settings)
    }
}

impl RestoreSettings {
    /// Validates the keys of `restore`; keys of `backup` are ignored.
    ///
    /// # Errors
    /// All problems.
    pub fn from_raw(raw: &Raw) -> Result<Self, ConfigError> {
        let mut read = Reader::new(raw);
        let settings = restore(&mut read);
        read.finish(settings)
    }
}

/// Where the segments are, for commands that read the bucket and do not use Kafka. Accepts a file
/// of either command. Includes the topic's folder if the file is for a restore from a topic's own
/// folder.
///
/// # Errors
/// All problems.
pub fn bucket_settings(raw: &Raw) -> Result<(StoreSettings, Option<String>), ConfigError> {
    let mut read = Reader::new(raw);
    let is_restore = read.is_set("RESTORE_TOPIC_NAME") && !read.is_set("TOPIC_NAMES");
    let found = if is_restore && !read.is_set("BACKUP_TOPIC_NAME") && storage::is_folder(&read) {
        scope::own_folder(&mut read).map(|(store, topic)| (store, Some(topic)))
    } else {
        storage::store(&mut read).map(|store| (store, None))
    };
    read.finish(found)
}

/// Only GROUP_ID, if it is set.
pub fn group(raw: &Raw) -> Option<String> {
    Reader::new(raw).optional("GROUP_ID", |group| Ok(group.to_owned())).flatten()
}

/// Only MEMORY_LIMIT_MB, in bytes, if it is set.
///
/// # Errors
/// It is not a number of megabytes.
pub fn memory_limit(raw: &Raw) -> Result<Option<u64>, ConfigError> {
    let mut read = Reader::new(raw);
    let found = memory(&mut read);
    read.finish(found)
}

/// Only LOG_LEVEL; [`LogLevel::Info`] if it is absent or bad, so that other problems can be logged.
pub fn log_level(raw: &Raw) -> LogLevel {
    level(&mut Reader::new(raw)).unwrap_or(LogLevel::Info)
}

/// Only LOG_FORMAT; `None` if it is absent.
///
/// # Errors
/// It is neither `text` nor `json`.
pub fn log_format(raw: &Raw) -> Result<Option<LogFormat>, ConfigError> {
    let mut read = Reader::new(raw);
    let found = format(&mut read);
    read.finish(found)
}

/// Reads every key before the first `?`, so that every problem is recorded.
fn backup(read: &mut Reader<'_>) -> Option<BackupSettings> {
    const ISOLATION: [(&str, Isolation); 2] =
        [("read_committed", Isolation::ReadCommitted), ("read_uncommitted", Isolation::ReadUncommitted)];
    let kafka = cluster(read);
    let topics = topics(read);
    let group = read.required("GROUP_ID", "write the consumer group that stores the progress", |group| Ok(group.to_owned()));
    let snapshots = snapshots(read);
    let metrics_max_topics = read.or("METRICS_MAX_TOPICS", 50, number(0..=1000));
    let store = storage::store(read);
    let records_per_segment = read.or("NUMBER_OF_MESSAGE_PER_BACKUP_FILE", 1000, number(1..=i64::MAX as u64));
    let retry_upload = read.or("RETRY_UPLOAD_SECONDS", Duration::from_secs(60), seconds(0));
    let isolation = read.or("ISOLATION_LEVEL", Isolation::ReadCommitted, choice(&ISOLATION));
    let compression = read.or("COMPRESSION", Compression::Gzip(3), compression);
    let limits = limits(read);
    let limits = limits?;
    Some(BackupSettings {
        kafka: kafka?,
        store: store?,
        topics: topics?,
        group: group?,
        snapshots: snapshots?,
        metrics_max_topics: metrics_max_topics? as usize,
        records_per_segment: records_per_segment?,
        retry_upload: retry_upload?,
        threads: limits.threads,
        max_segments: limits.max_segments,
        time_budget: limits.time_budget,
        bytes_per_second: limits.bytes_per_second,
        memory_limit: limits.memory_limit,
        isolation: isolation?,
        compression: compression?,
        log_level: limits.log_level,
    })
}

/// Reads every key before the first `?`, so that every problem is recorded.
fn restore(read: &mut Reader<'_>) -> Option<RestoreSettings> {
    const DELIVERY: [(&str, Delivery); 2] = [("exactly-once", Delivery::ExactlyOnce), ("at-least-once", Delivery::AtLeastOnce)];
    let kafka = cluster(read);
    let scope = scope::scope(read);
    let delivery = read.or("DELIVERY", Delivery::ExactlyOnce, choice(&DELIVERY));
    let strategy = strategy(read);
    let retry = read.or("RETRY_SECONDS", Duration::from_secs(60), seconds(0));
    let replication_factor = read.optional("RESTORE_REPLICATION_FACTOR", |text| number(1..=i16::MAX as u64)(text).map(|n| n as i16));
    let anyway = anyway(read);
    let skip_damaged = read.or("SKIP_DAMAGED", false, flag);
    let times = times::times(read);
    let groups = restored_groups(read);
    let finish = finish(read);
    let limits = limits(read);
    let (scope, limits) = (scope?, limits?);
    let has_end = scope.as_of.is_some() || scope.topics.has_patterns() || scope.topics.names().count() > 1;
    if !has_end && finish.as_ref().is_some_and(|parts| !parts.is_empty()) {
        read.refuse("RESTORE_FINISH", "this restore has no end: it follows its topic's backup. Set RESTORE_AS_OF, for example to latest");
        return None;
    }
    Some(RestoreSettings {
        kafka: kafka?,
        store: scope.store,
        restore_id: scope.restore_id,
        topics: scope.topics,
        target: scope.target,
        backup_cluster: scope.backup_cluster,
        partitions: scope.partitions,
        as_of: scope.as_of,
        delivery: delivery?,
        strategy: strategy?,
        retry: retry?,
        threads: limits.threads,
        max_segments: limits.max_segments,
        time_budget: limits.time_budget,
        bytes_per_second: limits.bytes_per_second,
        memory_limit: limits.memory_limit,
        replication_factor: replication_factor?,
        anyway: anyway?,
        skip_damaged: skip_damaged?,
        times: times?,
        groups: groups?,
        finish: finish?,
        log_level: limits.log_level,
    })
}

/// RESTORE_GROUPS minus RESTORE_EXCLUDE_GROUPS; default: all.
fn restored_groups(read: &mut Reader<'_>) -> Option<Selection> {
    let include = match read.is_set("RESTORE_GROUPS") {
        true => patterns(read, "RESTORE_GROUPS", Pattern::parse),
        false => Pattern::parse("*").ok().map(|all| vec![all]),
    };
    let exclude = patterns_if_any(read, "RESTORE_EXCLUDE_GROUPS", Pattern::parse);
    Selection::new(include?, exclude?).map_err(|what| read.refuse("RESTORE_EXCLUDE_GROUPS", &what)).ok()
}

/// RESTORE_FINISH: `all`, or some parts.
fn finish(read: &mut Reader<'_>) -> Option<BTreeSet<FinishPart>> {
    if !read.is_set("RESTORE_FINISH") {
        return Some(BTreeSet::new());
    }
    let [groups, configs, acls] = FinishPart::ALL.map(|part| (part.name(), vec![part]));
    let all = ("all", FinishPart::ALL.to_vec());
    let parts = each(read, "RESTORE_FINISH", |part| choice(&[groups.clone(), configs.clone(), acls.clone(), all.clone()])(part))?;
    Some(parts.into_iter().flatten().collect())
}

fn topics(read: &mut Reader<'_>) -> Option<Selection> {
    if !read.is_set("TOPIC_NAMES") {
        read.missing("TOPIC_NAMES", "write the topics to back up, for example [\"orders\"]");
    }
    let include = patterns(read, "TOPIC_NAMES", names::topic_pattern);
    let exclude = patterns_if_any(read, "EXCLUDE_TOPIC_NAMES", names::topic_pattern);
    Selection::new(include?, exclude?).map_err(|what| read.refuse("EXCLUDE_TOPIC_NAMES", &what)).ok()
}

/// The outer `None`: there is a problem. Reads every key, so that every problem is recorded.
fn snapshots(read: &mut Reader<'_>) -> Option<Option<SnapshotSettings>> {
    let every = read.or("SNAPSHOT_SECONDS", Duration::from_secs(300), seconds(0));
    let include = match read.is_set("CONSUMER_GROUPS") {
        true => patterns(read, "CONSUMER_GROUPS", Pattern::parse),
        false => Pattern::parse("*").ok().map(|all| vec![all]),
    };
    let exclude = patterns_if_any(read, "EXCLUDE_CONSUMER_GROUPS", Pattern::parse);
    let (every, include, exclude) = (every?, include?, exclude?);
    if every > Duration::from_secs(24 * 60 * 60) {
        read.refuse("SNAPSHOT_SECONDS", "must be at most 86400 (a day)");
        return None;
    }
    let groups = Selection::new(include, exclude).map_err(|what| read.refuse("EXCLUDE_CONSUMER_GROUPS", &what)).ok()?;
    Some((!every.is_zero()).then_some(SnapshotSettings { every, groups }))
}

fn strategy(read: &mut Reader<'_>) -> Option<PartitionStrategy> {
    const KEYS: [&str; 2] = ["RESTORE_PARTITION_STRATEGY", "RESTORE_PARTITION"];
    let [new, old] = KEYS.map(|key| read.optional(key, partition_strategy));
    match (new?, old?) {
        (Some(new), Some(old)) if new != old => {
            read.refuse(KEYS[1], "contradicts RESTORE_PARTITION_STRATEGY, its new spelling: keep one");
            None
        }
        (new, old) => Some(new.or(old).unwrap_or(PartitionStrategy::Same)),
    }
}

fn partition_strategy(text: &str) -> Result<PartitionStrategy, String> {
    const STRATEGIES: [PartitionStrategy; 3] = [PartitionStrategy::Same, PartitionStrategy::Random, PartitionStrategy::Key];
    if text.contains(['/', '|']) {
        return Err("write one of same, random or key".to_owned());
    }
    choice(&STRATEGIES.map(|strategy| (strategy.name(), strategy)))(text)
}

fn anyway(read: &mut Reader<'_>) -> Option<Vec<String>> {
    const CHECKS: [&str; 10] =
        ["retention", "timestamps", "compaction", "not-empty", "expired", "missing", "behind", "lost-progress", "group-offsets", "configs"];
    if !read.is_set("RESTORE_ANYWAY") {
        return Some(Vec::new());
    }
    each(read, "RESTORE_ANYWAY", |check| choice(&CHECKS.map(|name| (name, name.to_owned())))(check))
}

/// Settings of both commands.
struct Limits {
    threads: usize,
    max_segments: Option<u64>,
    time_budget: Option<Duration>,
    bytes_per_second: Option<u64>,
    memory_limit: Option<u64>,
    log_level: LogLevel,
}

fn limits(read: &mut Reader<'_>) -> Option<Limits> {
    let threads = read.or("NUMBER_OF_KAFKA_THREADS", 1, number(1..=1000));
    let max_segments = read.or("MAX_SEGMENTS_PER_INVOCATION", 1, number(0..=i64::MAX as u64));
    let time_budget = read.optional("TIME_BUDGET_SECONDS", seconds(1));
    let bytes_per_second = read.or("BYTES_PER_SECOND", 0, number(0..=i64::MAX as u64));
    let memory_limit = memory(read);
    let (log_level, log_format) = (level(read), format(read));
    log_format?;
    Some(Limits {
        threads: threads? as usize,
        max_segments: max_segments.map(|most| (most > 0).then_some(most))?,
        time_budget: time_budget?,
        bytes_per_second: bytes_per_second.map(|bytes| (bytes > 0).then_some(bytes))?,
        memory_limit: memory_limit?,
        log_level: log_level?,
    })
}

/// MEMORY_LIMIT_MB. The outer `None`: it is bad.
fn memory(read: &mut Reader<'_>) -> Option<Option<u64>> {
    const MIB: u64 = 1024 * 1024;
    read.optional("MEMORY_LIMIT_MB", |text| number(64..=16 * MIB)(text).map(|mib| mib * MIB))
}

fn level(read: &mut Reader<'_>) -> Option<LogLevel> {
    const LEVELS: [(&str, LogLevel); 10] = [
        ("10", LogLevel::Debug),
        ("20", LogLevel::Info),
        ("30", LogLevel::Warning),
        ("40", LogLevel::Error),
        ("50", LogLevel::Critical),
        ("DEBUG", LogLevel::Debug),
        ("INFO", LogLevel::Info),
        ("WARNING", LogLevel::Warning),
        ("ERROR", LogLevel::Error),
        ("CRITICAL", LogLevel::Critical),
    ];
    read.or("LOG_LEVEL", LogLevel::Info, |text| match text.to_uppercase().as_str() {
        "WARN" => Ok(LogLevel::Warning),
        "FATAL" => Ok(LogLevel::Critical),
        other => choice(&LEVELS)(other),
    })
}

/// LOG_FORMAT. The outer `None`: it is bad.
fn format(read: &mut Reader<'_>) -> Option<Option<LogFormat>> {
    read.optional("LOG_FORMAT", choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]))
}

fn compression(text: &str) -> Result<Compression, String> {
    let (codec, level) = text.split_once(':').map_or((text, None), |(codec, level)| (codec, Some(level)));
    let level = |highest: u8, default: u8| match level.map_or(Ok(default), |level| level.trim().parse()) {
        Ok(level) if (1..=highest).contains(&level) => Ok(level),
        _ => Err(format!("the level of {codec} must be a whole number from 1 to {highest}, as in {codec}:{default}")),
    };
    match codec.trim().to_lowercase().as_str() {
        "gzip" => level(12, 3).map(Compression::Gzip),
        "zstd" => level(19, 3).map(Compression::Zstd),
        _ => Err("must be gzip:1 to gzip:12 or zstd:1 to zstd:19".to_owned()),
    }
}
