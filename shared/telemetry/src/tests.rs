//! Lines as an operator sees them.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use kernel::Secret;
use kernel::clock::{Clock, Millis};
use serde_json::{Value, json};
use tracing_subscriber::layer::SubscriberExt;

use super::redact::Redactor;
use super::{LogLevel, LogLine, LogStyle};

/// 2020-06-08T10:56:34.557Z, the moment of the Python tool's first example line.
#[derive(Debug)]
struct Then;

impl Clock for Then {
    fn now(&self) -> Millis {
        1_591_613_794_557
    }
}

/// What `speak` logs at that level.
fn lines(level: LogLevel, style: LogStyle, speak: impl FnOnce()) -> Vec<String> {
    lines_masked(level, style, &[], speak)
}

fn lines_masked(level: LogLevel, style: LogStyle, secrets: &[&str], speak: impl FnOnce()) -> Vec<String> {
    let redactor = Redactor::default();
    secrets.iter().for_each(|secret| redactor.hide(&Secret::new(*secret)));
    let written = Arc::new(Mutex::new(Vec::new()));
    let memory = written.clone();
    let sink = Box::new(move |_, line: &str| memory.lock().unwrap().push(line.to_owned()));
    let log = LogLine::new(level, style, Arc::new(Then), Arc::new(redactor), sink);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log), speak);
    let written = written.lock().unwrap().clone();
    for line in &written {
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        if !matches!(style, LogStyle::Text { .. }) {
            assert!(line.ends_with(" }\n"), "{line:?}");
            serde_json::from_str::<Value>(line).unwrap();
        }
    }
    written
}

fn messages(level: LogLevel, speak: impl FnOnce()) -> Vec<String> {
    let message = |line: &String| serde_json::from_str::<Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
    lines(level, LogStyle::PythonTool, speak).iter().map(message).collect()
}

/// One event of each level under one target.
macro_rules! all_levels {
    ($target:literal) => {
        tracing::trace!(target: $target, "trace");
        tracing::debug!(target: $target, "debug");
        tracing::info!(target: $target, "info");
        tracing::warn!(target: $target, "warn");
        tracing::error!(target: $target, "error");
        tracing::error!(target: $target, critical = true, "critical");
    };
}

#[test]
fn the_line_of_the_python_tool() {
    let lines = lines(LogLevel::Info, LogStyle::PythonTool, || {
        let _span = tracing::info_span!("consumer", thread = "Kafka Consumer 0").entered();
        tracing::info!("started polling on davinder.test");
    });
    let seed = r#"{ "@timestamp": "2020-06-08 10:56:34,557","level": "INFO","thread": "Kafka Consumer 0","name": "root","message": "started polling on davinder.test" }"#;
    assert_eq!(lines, [format!("{seed}\n")]);
}

#[test]
fn a_line_is_json_whatever_it_holds() {
    let nasty = "\"quoted\" \\ back\nline\r\ttab \u{0} \u{1b}[31m \u{7f} \u{2028} ü 🦀 }";
    let lines = lines(LogLevel::Info, LogStyle::PythonTool, || {
        tracing::info!(thread = nasty, topic = nasty, debug = ?nasty, "{nasty}");
        tracing::info!("{}", "");
        tracing::info!(only = "a field");
    });
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&line["message"], &line["thread"], &line["topic"]), (&json!(nasty), &json!(nasty), &json!(nasty)));
    assert!(!lines[0].contains('\u{1b}'));
    assert_eq!(serde_json::from_str::<Value>(&lines[2]).unwrap()["message"], "");
}

#[test]
fn fields_follow_behind_the_message() {
    let error = std::io::Error::other("connection reset");
    let lines = lines(LogLevel::Info, LogStyle::PythonTool, || {
        let _outer = tracing::info_span!("backup", topic = "orders", partition = 1, bytes = tracing::field::Empty).entered();
        let inner = tracing::info_span!("segment", partition = 2, thread = "Kafka Consumer 1").entered();
        tracing::Span::current().record("partition", 3);
        tracing::info!(records = 5_u64, ratio = 0.5, done = true, none = f64::NAN, error = &error as &dyn std::error::Error, "written");
        drop(inner);
        tracing::info!(partition = 4, "after");
    });
    let head =
        r#"{ "@timestamp": "2020-06-08 10:56:34,557","level": "INFO","thread": "Kafka Consumer 1","name": "root","message": "written","#;
    let tail = r#""records": 5,"ratio": 0.5,"done": true,"none": null,"error": "connection reset","partition": 3,"topic": "orders" }"#;
    assert_eq!(lines[0], format!("{head}{tail}\n"));
    let after: Value = serde_json::from_str(&lines[1]).unwrap();
    assert_eq!((&after["partition"], &after["topic"]), (&json!(4), &json!("orders")));
}

#[test]
fn an_error_brings_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot write the segment")]
    struct Outer(#[source] std::io::Error);
    let error = Outer(std::io::Error::other("disk full"));
    let lines = lines(LogLevel::Info, LogStyle::PythonTool, || tracing::error!(error = &error as &dyn std::error::Error, "failed"));
    assert!(lines[0].contains(r#""error": "cannot write the segment: disk full""#), "{lines:?}");
}

#[test]
fn no_field_hides_what_belongs_to_the_line() {
    let lines = lines(LogLevel::Info, LogStyle::Lambda, || tracing::info!(name = "a", level = "b", timestamp = "c", "message"));
    let line: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&line["name"], &line["level"], &line["timestamp"]), (&json!("root"), &json!("INFO"), &json!("2020-06-08T10:56:34.557Z")));
    assert_eq!((&line["name_"], &line["level_"], &line["timestamp_"]), (&json!("a"), &json!("b"), &json!("c")));
}

#[test]
fn levels_have_the_words_of_their_reader() {
    let level_of = |line: &String| serde_json::from_str::<Value>(line).unwrap()["level"].as_str().unwrap().to_owned();
    let words = |style| {
        lines(LogLevel::Debug, style, || {
            all_levels!("archive");
        })
        .iter()
        .map(level_of)
        .collect::<Vec<_>>()
    };
    assert_eq!(words(LogStyle::PythonTool), ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]);
    assert_eq!(words(LogStyle::AzureHost), ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]);
    assert_eq!(words(LogStyle::Lambda), ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"]);
}

#[test]
fn lambda_gets_its_timestamp_and_every_line_its_request() {
    let speak = || {
        let _span = tracing::info_span!("invocation", request_id = "8286a188").entered();
        tracing::warn!(topic = "orders", "slow");
    };
    let line = &lines(LogLevel::Info, LogStyle::Lambda, speak)[0];
    let tail = r#""message": "slow","timestamp": "2020-06-08T10:56:34.557Z","requestId": "8286a188","topic": "orders" }"#;
    assert!(line.contains(r#""level": "WARN""#) && line.trim_end().ends_with(tail), "{line}");
    assert!(lines(LogLevel::Info, LogStyle::PythonTool, speak)[0].contains(r#""message": "slow","requestId": "8286a188""#));
}

#[test]
fn log_level_says_what_is_shown() {
    let own = [
        (LogLevel::Debug, &["debug", "info", "warn", "error", "critical"][..]),
        (LogLevel::Info, &["info", "warn", "error", "critical"]),
        (LogLevel::Warning, &["warn", "error", "critical"]),
        (LogLevel::Error, &["error", "critical"]),
        (LogLevel::Critical, &["critical"]),
    ];
    for (level, expected) in own {
        assert_eq!(
            messages(level, || {
                all_levels!("backup_batch::choose");
            }),
            expected,
            "{level:?}"
        );
    }
}

#[test]
fn libraries_speak_up_from_warning_on() {
    for level in [LogLevel::Info, LogLevel::Warning] {
        assert_eq!(
            messages(level, || {
                all_levels!("aws_smithy_runtime::client");
            }),
            ["warn", "error", "critical"]
        );
        assert_eq!(
            messages(level, || {
                all_levels!("librdkafka");
            }),
            ["warn", "error", "critical"]
        );
    }
    assert_eq!(
        messages(LogLevel::Critical, || {
            all_levels!("archive_of_others");
        }),
        ["critical"]
    );
}

/// SDKs log whole requests at DEBUG and TRACE, with their authorization headers: no LOG_LEVEL shows
/// those.
#[test]
fn no_level_shows_what_sdks_say_below_info() {
    let expected = ["info", "warn", "error", "critical"];
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("aws_sdk_s3");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("aws_sigv4::http_request");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("azure_core::http");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("typespec_client_core");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("hyper::proto::h1");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("reqwest::connect");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("rustls::client");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("any_other");
        }),
        expected
    );
    assert_eq!(
        messages(LogLevel::Debug, || {
            all_levels!("librdkafka");
        }),
        ["debug", "info", "warn", "error", "critical"]
    );
}

#[test]
fn spans_of_libraries_leave_nothing_behind() {
    let lines = lines(LogLevel::Debug, LogStyle::PythonTool, || {
        let _span = tracing::info_span!(target: "aws_sdk_s3", "request", authorization = "AWS4-HMAC-SHA256").entered();
        tracing::info!("ours");
    });
    assert!(!lines[0].contains("authorization") && !lines[0].contains("AWS4"), "{lines:?}");
}

#[test]
fn fields_of_spans_stand_in_errors_at_every_level() {
    let lines = lines(LogLevel::Error, LogStyle::PythonTool, || {
        let _span = tracing::info_span!("invocation", request_id = "1", thread = "Kafka Producer").entered();
        tracing::error!("failed");
    });
    assert!(lines[0].contains(r#""thread": "Kafka Producer""#) && lines[0].contains(r#""requestId": "1""#), "{lines:?}");
}

#[test]
fn a_library_speaks_under_its_own_name() {
    let lines = lines(LogLevel::Info, LogStyle::PythonTool, || tracing::warn!(target: "aws_config::imds", "slow"));
    assert!(lines[0].contains(r#""name": "aws_config.imds""#), "{lines:?}");
}

#[test]
fn threads_have_names() {
    let named = |name: &str| {
        let thread = std::thread::Builder::new().name(name.to_owned());
        let line =
            thread.spawn(|| lines(LogLevel::Info, LogStyle::PythonTool, || tracing::info!("hello"))).unwrap().join().unwrap().remove(0);
        serde_json::from_str::<Value>(&line).unwrap()["thread"].as_str().unwrap().to_owned()
    };
    assert_eq!(named("S3 Upload"), "S3 Upload");
    assert_eq!(named("main"), "MainThread");
    assert_eq!(named("tokio-runtime-worker"), "MainThread");
}

#[test]
fn no_secret_leaves_the_process_in_a_line() {
    let secret = "hunter2\"\\hunter2";
    let lines = lines_masked(LogLevel::Debug, LogStyle::Lambda, &[secret], || {
        let _span = tracing::info_span!("connect", request_id = secret, thread = secret, uri = secret).entered();
        tracing::error!(password = secret, config = ?Some(secret), "cannot log in with {secret}");
        tracing::warn!(target: "librdkafka", "SASL: {}", serde_json::json!({ "password": secret }));
    });
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert!(!line.contains("hunter2"), "{line}");
        assert!(line.matches("***").count() >= 3, "{line}");
    }
}

#[test]
fn a_line_for_people_is_time_level_and_message() {
    let speak = || {
        let _span = tracing::info_span!("consumer", thread = "Kafka Consumer 0", topic = "orders").entered();
        tracing::info!("started polling on orders");
        tracing::warn!(target: "aws_config::imds", wait = 2, why = "no answer", "slow");
    };
    let plain = [
        "2020-06-08T10:56:34Z  INFO     started polling on orders  topic=orders\n",
        "2020-06-08T10:56:34Z  WARNING  aws_config.imds: slow  wait=2  why=\"no answer\"  topic=orders\n",
    ];
    assert_eq!(lines(LogLevel::Info, LogStyle::Text { colors: false }, speak), plain);
    let colored = &lines(LogLevel::Info, LogStyle::Text { colors: true }, speak)[1];
    assert!(colored.contains("\u{1b}[33mWARNING \u{1b}[0m aws_config.imds: slow"), "{colored:?}");
}

#[test]
fn a_line_for_people_holds_no_secret_and_moves_no_cursor() {
    let hostile = "hunter2hunter2 \u{1b}[2J\nERROR forged \u{9b}8m";
    let lines = lines_masked(LogLevel::Info, LogStyle::Text { colors: false }, &["hunter2hunter2"], || {
        tracing::info!(topic = hostile, debug = ?hostile, "{hostile}");
    });
    assert!(!lines[0].contains("hunter2") && lines[0].matches("***").count() == 3, "{lines:?}");
    assert!(!lines[0].trim_end_matches('\n').contains(char::is_control), "{lines:?}");
}

/// Lines of several threads reach the sink as a whole.
#[test]
fn lines_do_not_mix() {
    let redactor = Arc::new(Redactor::default());
    let written = Arc::new(Mutex::new(Vec::new()));
    let memory = written.clone();
    let sink = Box::new(move |_, line: &str| memory.lock().unwrap().push(line.to_owned()));
    let log = LogLine::new(LogLevel::Info, LogStyle::PythonTool, Arc::new(Then), redactor, sink);
    let subscriber: tracing::Dispatch = tracing_subscriber::registry().with(log).into();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let subscriber = &subscriber;
            scope.spawn(move || {
                tracing::dispatcher::with_default(subscriber, || (0..100).for_each(|line| tracing::info!(thread, line, "said")));
            });
        }
    });
    let written = written.lock().unwrap();
    assert_eq!(written.len(), 400);
    written.iter().for_each(|line| assert!(serde_json::from_str::<Value>(line).is_ok()));
}
