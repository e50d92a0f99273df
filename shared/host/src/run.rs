//! From the start of a process to its platform.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use config::Raw;
use kernel::{clock, visible_json};
use telemetry::{LogFormat, LogLevel, LogStyle};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::Instrument;

use super::hosted::{FailureKind, Hosted};
use super::{Event, Function, StopSignal, azure, keep_freed_memory, lambda, stop_on_signals};

/// Where this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Platform {
    /// AWS_LAMBDA_RUNTIME_API is set.
    Lambda {
        /// AWS_LAMBDA_FUNCTION_MEMORY_SIZE, in bytes.
        memory: Option<u64>,
    },
    /// FUNCTIONS_CUSTOMHANDLER_PORT is set.
    AzureFunctions {
        /// Its value.
        port: u16,
    },
    /// None of these: one invocation, then exit. So a cron job or a container can run the function
    /// too.
    Process,
}

/// How long exit waits for Kafka clients to close, and for transactions that are aborted.
pub const CLOSING: Duration = Duration::from_secs(6);

/// Runs a function on the platform that the environment shows. Exit code 0: success; 1: failure; 2:
/// the configuration was refused.
pub fn run<F: Function>() -> ExitCode {
    keep_freed_memory();
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let variable = |name: &str| environment.iter().find(|(other, _)| other == name).and_then(|(_, value)| value.to_str());
    let platform = match Platform::recognise(variable) {
        Ok(platform) => platform,
        Err(problem) => return ends_with(2, &problem),
    };
    if let Some(problem) = misuse(platform, F::NAME, std::env::args_os().skip(1).collect()) {
        return ends_with(2, &problem);
    }
    let raw = match Raw::load(None, environment.iter().cloned()) {
        Ok(raw) => raw,
        Err(error) => return ends_with(2, &error.to_string()),
    };
    telemetry::redact::hide(&raw.secrets());
    telemetry::init(config::log_level(&raw), platform.log_style(config::log_format(&raw).ok().flatten()));
    telemetry::log_start(F::NAME);
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve::<F>(platform, &raw)),
        Err(error) => ends_with(1, &format!("cannot start the async runtime: {error}")),
    };
    kafka::wait_until_closed(CLOSING);
    code
}

async fn serve<F: Function>(platform: Platform, raw: &Raw) -> ExitCode {
    let (asked, stop) = watch::channel(false);
    let signal = match platform {
        // Lambda ends containers between invocations; there, signals keep their default action.
        Platform::Lambda { .. } => Ok(StopSignal::default()),
        // Servers also accept no more invocations.
        _ => stop_on_signals(move || _ = asked.send_replace(true)),
    };
    let signal = match signal {
        Ok(signal) => signal,
        Err(error) => return ends_with(1, &format!("cannot handle signals: {error}")),
    };
    let memory = if let Platform::Lambda { memory } = platform { memory } else { None };
    let hosted = Arc::new(Hosted::<F>::new(raw, memory, signal, clock::system()));
    match platform {
        Platform::Lambda { .. } => match lambda::run(hosted).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => ends_with(1, &format!("the runtime API failed: {error}")),
        },
        Platform::AzureFunctions { port } => match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                azure::serve(listener, hosted, stop).await;
                ExitCode::SUCCESS
            }
            Err(error) => ends_with(1, &format!("FUNCTIONS_CUSTOMHANDLER_PORT = {port}: cannot listen: {error}")),
        },
        Platform::Process => once(&hosted).await,
    }
}

/// Runs one invocation of everything configured, and prints its report to stdout.
async fn once<F: Function>(hosted: &Arc<Hosted<F>>) -> ExitCode {
    let span = tracing::info_span!("invocation", request_id = std::process::id());
    let done = hosted.invoke(Ok(Event::default()), None).instrument(span).await;
    match done.result {
        Ok(report) => match print(&report.to_string()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => ends_with(1, &format!("cannot write to stdout, so the report is lost; its work is done: {error}")),
        },
        Err(failure) if failure.kind == FailureKind::BadConfiguration => ExitCode::from(2),
        Err(_) => ExitCode::FAILURE,
    }
}

impl Platform {
    fn recognise<'v>(variable: impl Fn(&str) -> Option<&'v str>) -> Result<Self, String> {
        if variable("AWS_LAMBDA_RUNTIME_API").is_some() {
            let memory = variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|mib| mib.parse::<u64>().ok());
            return Ok(Self::Lambda { memory: memory.map(|mib| mib << 20) });
        }
        match variable("FUNCTIONS_CUSTOMHANDLER_PORT").map(str::parse) {
            None => Ok(Self::Process),
            Some(Ok(port)) => Ok(Self::AzureFunctions { port }),
            Some(Err(_)) => Err("FUNCTIONS_CUSTOMHANDLER_PORT is not a port".to_owned()),
        }
    }

    /// Platforms that read the lines get the ones they know, whatever LOG_FORMAT is.
    fn log_style(self, format: Option<LogFormat>) -> LogStyle {
        match self {
            Self::Lambda { .. } => LogStyle::Lambda,
            Self::AzureFunctions { .. } => LogStyle::AzureHost,
            Self::Process if format == Some(LogFormat::Text) => LogStyle::Text { colors: false },
            Self::Process => LogStyle::PythonTool,
        }
    }
}

/// Someone who tries `--help` must not start a backup. Arguments of a platform are ignored.
fn misuse(platform: Platform, function: &str, arguments: Vec<OsString>) -> Option<String> {
    let first = arguments.first().filter(|_| platform == Platform::Process)?;
    Some(format!(
        "{function} takes no arguments, found {first:?}: configure it with environment variables \
         (docs/configuration.md); every start is an invocation. For commands and a configuration file, use \
         local-runner. Nothing was started"
    ))
}

/// Writes a line to stdout in one write. A closed pipe is no failure.
///
/// # Errors
/// The line is lost, for example because the disk is full.
pub(super) fn print(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(format!("{}\n", visible_json(line)).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Logs a problem outside of an invocation, even before the log was initialised.
fn ends_with(code: u8, problem: &str) -> ExitCode {
    telemetry::init(LogLevel::Info, LogStyle::PythonTool);
    tracing::error!(critical = true, "{problem}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_environment_shows_the_platform() {
        let recognise = |variables: &[(&'static str, &'static str)]| {
            Platform::recognise(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| *value))
        };
        assert_eq!(recognise(&[]), Ok(Platform::Process));
        assert_eq!(recognise(&[("FUNCTIONS_CUSTOMHANDLER_PORT", "8123")]), Ok(Platform::AzureFunctions { port: 8123 }));
        assert!(recognise(&[("FUNCTIONS_CUSTOMHANDLER_PORT", "http")]).unwrap_err().contains("FUNCTIONS_CUSTOMHANDLER_PORT"));
        let lambda = recognise(&[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")]);
        assert_eq!(lambda, Ok(Platform::Lambda { memory: Some(128 << 20) }));
    }

    #[test]
    fn arguments_start_nothing() {
        let misuse = |platform, arguments: &[&str]| misuse(platform, "backup-batch", arguments.iter().map(OsString::from).collect());
        let problem = misuse(Platform::Process, &["--help", "x"]).unwrap();
        assert!(
            problem.starts_with("backup-batch takes no arguments, found \"--help\": configure it with environment variables"),
            "{problem}"
        );
        assert_eq!(misuse(Platform::Process, &[]), None);
        assert_eq!(misuse(Platform::Lambda { memory: None }, &["handler"]), None);
    }
}
