//! What operators see: the log line, without secrets.
//!
//! | file | content |
//! |---|---|
//! | `logline.rs`, `fields.rs` | one event as one line |
//! | `level.rs`, `filter.rs` | LOG_LEVEL, and which crates may log at which level |
//! | [`redact`] | masks known secrets |
//! | `metrics.rs` | an invocation in numbers |
//!
//! Each event is one line in one write (a JSON object, or text for people), and contains no known
//! secret.
//!
//! Everything logs through [`tracing`]; [`init`] sets the output once per process.
//!
//! ```
//! use telemetry::{LogLevel, LogStyle};
//!
//! telemetry::init(LogLevel::Info, LogStyle::PythonTool);
//! let _span = tracing::info_span!("consumer", thread = "Kafka Consumer 0").entered();
//! tracing::info!(topic = "orders", "started polling on orders");
//! // { "@timestamp": "2020-06-08 10:56:34,557","level": "INFO","thread": "Kafka Consumer 0","name": "root",
//! //   "message": "started polling on orders","topic": "orders" }      (in one line)
//! ```
//!
//! Conventions:
//! - the field `thread`, of an event or of a span around it, names the speaker, as the Python
//!   tool's thread names did;
//! - the field `request_id` of a span is the platform's correlation id, and is in every line of the
//!   span;
//! - an error with the field `critical = true` has the level CRITICAL;
//! - all other fields of events and spans follow the message.
//!
//! Libraries log from WARNING. LOG_LEVEL 10 shows all of librdkafka, and INFO of the others. Below
//! INFO, SDKs log whole requests with their authorization headers, and no setting here enables
//! that. As a last line of defence, [`redact`] masks every known secret in every line.

mod fields;
mod filter;
mod level;
mod logline;
mod metrics;
pub mod redact;
#[cfg(test)]
mod tests;

pub use level::LogLevel;
pub use logline::{LogFormat, LogLine, LogStyle, Sink};
pub use metrics::{InvocationMetrics, RestoreLeft, TopicMetrics, WorkMetrics};

use std::io::Write;

use kernel::clock;
use tracing_subscriber::layer::SubscriberExt;

/// The version of this program, the same for all crates of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Logs the program and its version: the first line of a process.
pub fn log_start(program: &str) {
    tracing::info!(version = VERSION, "{program} {VERSION}");
}

/// Sets the output of log lines by style, for the whole process. Only the first call counts.
pub fn init(level: LogLevel, style: LogStyle) {
    init_with(level, style, sink_of(style));
}

/// Like [`init`], with another output: a terminal with progress bars, or a test's memory.
pub fn init_with(level: LogLevel, style: LogStyle, sink: Sink) {
    let log = LogLine::new(level, style, clock::system(), redact::known(), sink);
    // An error means that there is a subscriber already: the first call counts.
    _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log));
}

/// Each line is one write, so that lines of several threads or processes do not mix. A closed
/// stream is ignored.
///
/// The Azure Functions host logs a line on stderr as an error if it contains the word, and never
/// one on stdout. So everything below a warning goes to stdout there.
fn sink_of(style: LogStyle) -> Sink {
    match style {
        LogStyle::PythonTool | LogStyle::Lambda | LogStyle::Text { .. } => {
            Box::new(|_, line| _ = std::io::stderr().lock().write_all(line.as_bytes()))
        }
        LogStyle::AzureHost => Box::new(|level, line| {
            if level >= LogLevel::Warning {
                _ = std::io::stderr().lock().write_all(line.as_bytes());
            } else {
                _ = std::io::stdout().lock().write_all(line.as_bytes());
            }
        }),
    }
}
