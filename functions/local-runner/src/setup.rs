//! From a configuration file to a handler. Everything is checked before anything is started.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use backup_batch::Backup;
use config::{BackupSettings, ConfigError, Raw, RestoreSettings};
use host::{Budget, Function};
use kernel::Deadline;
use restore_batch::Restore;
use store::{ObjectStore, StoreKind, StoreSettings};
use telemetry::LogLevel;

use crate::cli::BucketArgs;
use crate::progress::Bars;

/// Reads a configuration file and the environment; from here on no log shows one of their secrets.
fn load(config: Option<&Path>) -> Result<Raw> {
    let raw = Raw::load(config, std::env::vars_os())?;
    telemetry::redact::hide(&raw.secrets());
    Ok(raw)
}

/// Starts the log; its lines and the bars take turns on a terminal.
fn start_log(level: LogLevel, bars: Option<&Bars>) {
    match bars {
        Some(bars) => telemetry::init_with(level, telemetry::LogStyle::PythonTool, bars.between()),
        None => telemetry::init(level, telemetry::LogStyle::PythonTool),
    }
    telemetry::log_start("local-runner");
}

/// Names what of the file does not hold: a later error names only the values that do.
fn warn_of_replaced(raw: &Raw) {
    if let Some(line) = raw.replaced_by_environment() {
        tracing::warn!("{line}");
    }
}

/// Settings of `backup` from a file and the environment; starts the log.
pub(crate) fn backup_settings(config: Option<&Path>, bars: Option<&Bars>) -> Result<BackupSettings> {
    let raw = load(config)?;
    let settings = BackupSettings::from_raw(&raw)?;
    start_log(settings.log_level, bars);
    warn_of_replaced(&raw);
    Ok(settings)
}

/// Settings of `restore` from a file and the environment; starts the log.
pub(crate) fn restore_settings(config: Option<&Path>, bars: Option<&Bars>) -> Result<RestoreSettings> {
    let raw = load(config)?;
    let settings = RestoreSettings::from_raw(&raw)?;
    start_log(settings.log_level, bars);
    warn_of_replaced(&raw);
    Ok(settings)
}

/// A backup handler on the configured cluster and store.
pub(crate) async fn backup(settings: BackupSettings, budget: &Budget, deadline: &Deadline) -> Result<Backup> {
    Backup::check_memory(&settings, budget.memory)?;
    Ok(Backup::connect(settings, budget.memory, deadline).await?)
}

/// A restore handler on the configured cluster and store.
pub(crate) async fn restore(settings: RestoreSettings, budget: &Budget, deadline: &Deadline) -> Result<Restore> {
    Ok(Restore::connect(settings, budget.memory, deadline).await?)
}

/// What a command looks into.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Only this topic, as people name it.
    pub(crate) topic: Option<String>,
    /// GROUP_ID, where a configuration of backup names one.
    pub(crate) group: Option<String>,
    /// MEMORY_LIMIT_MB in bytes, where it is set, for commands that need much.
    pub(crate) memory_limit: Result<Option<u64>, ConfigError>,
}

impl Bucket {
    /// For messages about all of it: ` of "orders" at /backup/`.
    pub(crate) fn place(&self) -> String {
        let topic = self.topic.as_ref().map_or_else(String::new, |topic| format!(" of {topic:?}"));
        format!("{topic} at {}", self.store.location(""))
    }
}

/// The store of a configuration file of either command, or a local folder.
pub(crate) async fn bucket(args: &BucketArgs, bars: Option<&Bars>) -> Result<Bucket> {
    let (settings, topic, raw) = match &args.bucket {
        Some(folder) if folder.is_dir() => (StoreSettings { kind: StoreKind::Folder(folder.clone()), prefix: String::new() }, None, None),
        config => {
            let raw = load(config.as_deref())?;
            let (settings, topic) = config::bucket_settings(&raw)?;
            (settings, topic, Some(raw))
        }
    };
    start_log(LogLevel::Warning, bars);
    raw.iter().for_each(warn_of_replaced);
    let store = store::open(&settings, &Deadline::unset()).await?;
    let group = raw.as_ref().and_then(config::group);
    let memory_limit = raw.as_ref().map_or(Ok(None), config::memory_limit);
    Ok(Bucket { store, topic: args.topic.clone().or(topic), group, memory_limit })
}
