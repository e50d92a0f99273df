//! What operators see: the log line, and that no secret is in it.
//!
//! | file | what it holds |
//! |---|---|
//! | `logline.rs`, `fields.rs` | one event as one line |
//! | `level.rs`, `filter.rs` | LOG_LEVEL, and who may say what at which level |
//! | [`redact`] | masks known secrets |
//! | `metrics.rs` | an invocation in numbers |
//!
//! It promises that each event is one line in one write (a JSON object, or text for people), and that no secret which it was told of is in it.
//!
//! Everything logs through [`tracing`]; [`init`] decides once in a process what becomes of it.
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
//! - the field `thread`, of an event or of a span around it, says who speaks, as the Python tool's thread names did;
//! - the field `request_id` of a span is the platform's correlation id and stands in every line below it;
//! - an error with the field `critical = true` has the level CRITICAL;
//! - all other fields of events and spans follow behind the message.
//!
//! Libraries speak up from WARNING on. LOG_LEVEL 10 shows all of librdkafka, and of the others what they say at INFO: below that, SDKs write
//! whole requests with their authorization headers, and nothing makes them do it here. As a last line of defence, [`redact`] masks every
//! known secret in every line.

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

/// The version of this program: all crates of the workspace have the same.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Logs which program starts, and its version: the first line of a process.
pub fn log_start(program: &str) {
    tracing::info!(version = VERSION, "{program} {VERSION}");
}

/// Sends log lines where the style wants them, from now on and for the whole process. Only the first call counts.
pub fn init(level: LogLevel, style: LogStyle) {
    init_with(level, style, sink_of(style));
}

/// The same with another place for the lines: a terminal with progress bars, a test's memory.
pub fn init_with(level: LogLevel, style: LogStyle, sink: Sink) {
    let log = LogLine::new(level, style, clock::system(), redact::known(), sink);
    // An error says that there is a subscriber already: the first call counts.
    _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log));
}

/// Each line in one write, so that lines of several threads or processes do not mix. A closed stream is nobody's failure.
///
/// The Azure Functions host calls a line on stderr an error when the word occurs anywhere in it, and one on stdout never: what is no
/// warning goes to stdout there.
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
