//! The log line: the Python tool's, as valid JSON.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use kernel::clock::{Clock, Millis};
use kernel::{visible, visible_json};
use serde_json::Value;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::fields::{Fields, text_of};
use super::filter;
use super::redact::Redactor;
use crate::LogLevel;

/// Who reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStyle {
    /// The Python tool's line, on stderr.
    PythonTool,
    /// The Python tool's line with the fields of Lambda's JSON logging, on stderr: `timestamp` (RFC
    /// 3339), and `level` in Lambda's words (WARN, FATAL). Lambda counts a line without a valid
    /// `timestamp` and `level` as INFO.
    Lambda,
    /// The Python tool's line for the Azure Functions host: warnings and errors on stderr, the rest
    /// on stdout.
    AzureHost,
    /// Time, level and message for people, on stderr.
    Text {
        /// The level in colour, and fields dim: only for a terminal.
        colors: bool,
    },
}

/// LOG_FORMAT: how lines look where no platform decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Receives a whole line with its newline.
pub type Sink = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

/// A [`Layer`] that writes `{ "@timestamp": "2020-06-08 10:56:34,557","level": "INFO","thread":
/// "Kafka Consumer 0","name": "root","message": "…" }`.
///
/// Every line is one JSON object, whatever the message contains, and controls no terminal
/// ([`LogStyle::Text`] is for people: time, level, message). Times
/// are UTC (the Python tool wrote local time). `name` is `root` for this project and the module's
/// path for a library. Fields follow the message; none can replace one of the line's own.
pub struct LogLine {
    level: LogLevel,
    style: LogStyle,
    clock: Arc<dyn Clock>,
    redactor: Arc<Redactor>,
    sink: Sink,
}

impl LogLine {
    /// Writes events that `level` allows to `sink`.
    pub fn new(level: LogLevel, style: LogStyle, clock: Arc<dyn Clock>, redactor: Arc<Redactor>, sink: Sink) -> Self {
        Self { level, style, clock, redactor, sink }
    }

    fn line(&self, level: LogLevel, target: &str, fields: Fields) -> String {
        match self.style {
            LogStyle::Text { colors } => self.text_line(level, target, fields, colors),
            _ => self.json_line(level, target, fields),
        }
    }

    /// `2020-06-08T10:56:34Z  WARNING  message  topic=orders`. The thread is left out: a person
    /// reads the message.
    fn text_line(&self, level: LogLevel, target: &str, mut fields: Fields, colors: bool) -> String {
        let paint = |style: &str, text: &str| if colors { format!("\u{1b}[{style}m{text}\u{1b}[0m") } else { text.to_owned() };
        let safe = |text: &str| visible(&self.redactor.mask(text)).into_owned();
        let time = timestamp(self.clock.now()).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let name = format!("{:<8}", level_name(level, self.style));
        let message = fields.take("message").map_or(String::new(), text_of);
        _ = fields.take("thread");
        let library = if filter::is_own(target) { String::new() } else { format!("{}: ", target.replace("::", ".")) };
        let mut line = format!("{}  {} {library}{}", paint(DIM, &time), paint(color_of(level), &name), safe(&message));
        for (name, value) in fields.iter() {
            let value = match value {
                Value::String(text) if is_one_word(text) => text.clone(),
                other => other.to_string(),
            };
            line = format!("{line}  {}", paint(DIM, &format!("{name}={}", safe(&value))));
        }
        line.push('\n');
        line
    }

    fn json_line(&self, level: LogLevel, target: &str, mut fields: Fields) -> String {
        let now = timestamp(self.clock.now());
        let message = fields.take("message").map_or(String::new(), text_of);
        let thread = fields.take("thread").map_or_else(thread_name, text_of);
        let name = if filter::is_own(target) { "root".to_owned() } else { target.replace("::", ".") };
        let request_id = fields.take("request_id").map(text_of);

        let mut line = Line::default();
        line.text("@timestamp", &now.strftime("%Y-%m-%d %H:%M:%S,%3f").to_string());
        line.text("level", level_name(level, self.style));
        line.text("thread", &self.redactor.mask(&thread));
        line.text("name", &name);
        line.text("message", &self.redactor.mask(&message));
        if self.style == LogStyle::Lambda {
            line.text("timestamp", &now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
        }
        if let Some(id) = request_id {
            line.text("requestId", &self.redactor.mask(&id));
        }
        for (name, value) in fields.iter() {
            match value {
                Value::String(text) => line.text(&free(name), &self.redactor.mask(text)),
                other => line.value(&free(name), other),
            }
        }
        line.finish()
    }
}

impl fmt::Debug for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLine").field("level", &self.level).field("style", &self.style).finish_non_exhaustive()
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for LogLine {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if filter::is_enabled(metadata, self.level) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        filter::is_enabled(metadata, self.level)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // At least INFO, for the fields of spans.
        Some(if self.level == LogLevel::Debug { LevelFilter::DEBUG } else { LevelFilter::INFO })
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let critical = own.take("critical") == Some(Value::Bool(true));
        let level = if critical { Some(LogLevel::Critical) } else { filter::level_of(*event.metadata().level()) };
        let Some(level) = level.filter(|level| *level >= self.level) else { return };

        // The event's own fields, then those of the spans, inner before outer; the nearest of a
        // name counts.
        let mut fields = own;
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                of_span.iter().for_each(|(name, value)| fields.set_if_absent(name, value));
            }
        }
        (self.sink)(level, &self.line(level, event.metadata().target(), fields));
    }
}

/// A JSON object in the Python tool's spacing.
#[derive(Default)]
struct Line(String);

impl Line {
    fn text(&mut self, name: &str, text: &str) {
        self.value(name, &Value::from(text));
    }

    fn value(&mut self, name: &str, value: &Value) {
        let separator = if self.0.is_empty() { "{ " } else { "," };
        // Writing to a String does not fail.
        _ = write!(self.0, "{separator}{}: {value}", Value::from(name));
    }

    fn finish(mut self) -> String {
        self.0.push_str(" }\n");
        match visible_json(&self.0) {
            Cow::Owned(visible) => visible,
            Cow::Borrowed(_) => self.0,
        }
    }
}

/// A field's name, changed if it is one of the line's own.
fn free(name: &str) -> String {
    const TAKEN: [&str; 7] = ["@timestamp", "level", "thread", "name", "message", "timestamp", "requestId"];
    if TAKEN.contains(&name) { format!("{name}_") } else { name.to_owned() }
}

fn level_name(level: LogLevel, style: LogStyle) -> &'static str {
    match (level, style) {
        (LogLevel::Debug, _) => "DEBUG",
        (LogLevel::Info, _) => "INFO",
        (LogLevel::Warning, LogStyle::Lambda) => "WARN",
        (LogLevel::Warning, _) => "WARNING",
        (LogLevel::Error, _) => "ERROR",
        (LogLevel::Critical, LogStyle::Lambda) => "FATAL",
        (LogLevel::Critical, _) => "CRITICAL",
    }
}

/// Escape codes of a terminal's colours.
const DIM: &str = "2";

fn color_of(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => DIM,
        LogLevel::Info => "32",
        LogLevel::Warning => "33",
        LogLevel::Error | LogLevel::Critical => "31;1",
    }
}

/// Whether a value needs no quotes.
fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"' || c == '=')
}

fn timestamp(now: Millis) -> Timestamp {
    Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The thread's name as Python would call it; workers of an async runtime have no useful name.
fn thread_name() -> String {
    match std::thread::current().name() {
        None | Some("main") => "MainThread".to_owned(),
        Some(name) if name.starts_with("tokio-") => "MainThread".to_owned(),
        Some(name) => name.to_owned(),
    }
}
