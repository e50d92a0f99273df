//! From a configuration to a handler. Everything is validated before anything starts.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use backup_batch::Backup;
use config::{BackupSettings, ConfigError, Raw, RestoreSettings};
use host::{Budget, Function};
use kernel::Deadline;
use restore_batch::Restore;
use store::{ObjectStore, StoreKind, StoreSettings};
use telemetry::{LogFormat, LogLevel, LogStyle};

use crate::cli::BucketArgs;
use crate::output::Output;
use crate::progress::Bars;

/// CONFIG for standard input.
pub(crate) const STDIN: &str = "-";

/// What a command shows while it works.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen<'a> {
    pub(crate) output: Output,
    pub(crate) bars: Option<&'a Bars>,
}

impl Screen<'_> {
    /// Without bars.
    pub(crate) fn plain(output: &Output) -> Self {
        Self { output: *output, bars: None }
    }
}

/// Whether CONFIG is read from standard input.
pub(crate) fn is_stdin(config: Option<&Path>) -> bool {
    config == Some(Path::new(STDIN))
}

/// Reads a configuration and the environment. From here on, no log shows one of their secrets.
fn load(config: Option<&Path>) -> Result<Raw> {
    let raw = match is_stdin(config) {
        true => Raw::load_text("standard input", stdin()?, std::env::vars_os())?,
        false => Raw::load(config, std::env::vars_os())?,
    };
    telemetry::redact::hide(&raw.secrets());
    Ok(raw)
}

/// Standard input, which can be read only once: `verify --against-cluster` needs it twice.
fn stdin() -> Result<&'static [u8]> {
    static TEXT: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(text) = TEXT.get() {
        return Ok(text);
    }
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text).context("cannot read the configuration from standard input")?;
    Ok(TEXT.get_or_init(|| text))
}

/// Starts the log. On a terminal, its lines are for people, and alternate with the bars.
fn start_log(level: LogLevel, format: Option<LogFormat>, screen: Screen<'_>) {
    let Screen { output, bars } = screen;
    let level = if output.is_quiet() { level.max(LogLevel::Warning) } else { level };
    let style = style_of(format, !output.is_json() && std::io::stderr().is_terminal());
    match bars {
        Some(bars) => telemetry::init_with(level, style, bars.between()),
        None => telemetry::init(level, style),
    }
    telemetry::log_start("local-runner");
}

fn style_of(format: Option<LogFormat>, is_for_people: bool) -> LogStyle {
    match format {
        Some(LogFormat::Json) => LogStyle::PythonTool,
        None if !is_for_people => LogStyle::PythonTool,
        Some(LogFormat::Text) | None => LogStyle::Text { colors: std::io::stderr().is_terminal() && console::colors_enabled_stderr() },
    }
}

/// Starts the log of a command without a configuration.
pub(crate) fn start_log_alone(output: &Output) -> Result<()> {
    let raw = load(None)?;
    start_log(LogLevel::Warning, config::log_format(&raw)?, Screen::plain(output));
    Ok(())
}

/// Warns of values of the file that environment variables replace: a later error names only the
/// values in effect.
fn warn_of_replaced(raw: &Raw) {
    if let Some(line) = raw.replaced_by_environment() {
        tracing::warn!("{line}");
    }
}

/// Settings of `backup`. Starts the log.
pub(crate) fn backup_settings(config: Option<&Path>, screen: Screen<'_>) -> Result<BackupSettings> {
    let raw = load(config)?;
    let settings = BackupSettings::from_raw(&raw)?;
    start_log(settings.log_level, config::log_format(&raw)?, screen);
    warn_of_replaced(&raw);
    Ok(settings)
}

/// Settings of `restore`. Starts the log.
pub(crate) fn restore_settings(config: Option<&Path>, screen: Screen<'_>) -> Result<RestoreSettings> {
    let raw = load(config)?;
    let settings = RestoreSettings::from_raw(&raw)?;
    start_log(settings.log_level, config::log_format(&raw)?, screen);
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

/// The bucket of a command that reads it.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Only this topic, as people name it.
    pub(crate) topic: Option<String>,
    /// GROUP_ID, if the configuration has one.
    pub(crate) group: Option<String>,
    /// MEMORY_LIMIT_MB in bytes, if it is set, for commands that need much memory.
    pub(crate) memory_limit: Result<Option<u64>, ConfigError>,
}

impl Bucket {
    /// For messages about all of it: ` of "orders" at /backup/`.
    pub(crate) fn place(&self) -> String {
        let topic = self.topic.as_ref().map_or_else(String::new, |topic| format!(" of {topic:?}"));
        format!("{topic} at {}", self.store.location(""))
    }
}

/// The bucket of a configuration of either command, or a local folder. Starts the log.
pub(crate) async fn bucket(args: &BucketArgs, screen: Screen<'_>) -> Result<Bucket> {
    let folder = args.bucket.as_deref().filter(|path| !is_stdin(Some(path)) && path.is_dir());
    let (settings, topic, raw) = match folder {
        Some(folder) => (StoreSettings { kind: StoreKind::Folder(folder.to_owned()), prefix: String::new() }, None, None),
        None => {
            let raw = load(args.path())?;
            let (settings, topic) = config::bucket_settings(&raw)?;
            (settings, topic, Some(raw))
        }
    };
    let format = match &raw {
        Some(raw) => config::log_format(raw)?,
        None => config::log_format(&load(None)?)?,
    };
    start_log(LogLevel::Warning, format, screen);
    raw.iter().for_each(warn_of_replaced);
    let store = store::open(&settings, &Deadline::unset()).await?;
    let group = raw.as_ref().and_then(config::group);
    let memory_limit = raw.as_ref().map_or(Ok(None), config::memory_limit);
    Ok(Bucket { store, topic: args.topic.clone().or(topic), group, memory_limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_people_only_on_a_terminal_unless_log_format_decides() {
        let is_text = |format, is_for_people| matches!(style_of(format, is_for_people), LogStyle::Text { .. });
        assert!(is_text(None, true) && !is_text(None, false));
        assert!(is_text(Some(LogFormat::Text), false) && !is_text(Some(LogFormat::Json), true));
        assert_eq!(style_of(None, false), LogStyle::PythonTool);
    }
}
