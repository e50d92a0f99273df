//! A fake runtime API in the test, and the function in its own process: this test binary again, in
//! the environment of a container.

#![allow(clippy::unwrap_used, unreachable_pub)]

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use kernel::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, watch};

use crate::fake::{CONFIGURATION, Fake};
use crate::http::{self, Answer, Request};

/// The function, when the tests below start it; on its own it does nothing.
#[test]
fn function_process() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        crate::run::<Fake>();
    }
}

/// What the function sent to the runtime API, and what it wrote.
struct Seen {
    /// `response` or `error`, the body's error type, and the body, in the order of the events.
    answers: Vec<(String, Option<String>, Value)>,
    stdout: Vec<Value>,
    stderr: Vec<Value>,
}

/// Sends these events to a fresh container, one by one, each with this deadline.
async fn invoke(events: &[&str], deadline: i64, keys: &[(&str, &str)]) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let waiting: Arc<Mutex<VecDeque<String>>> = Arc::new(Mutex::new(events.iter().map(|event| (*event).to_owned()).collect()));
    let (answered, mut answers) = mpsc::unbounded_channel();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(http::serve(listener, move |request| api(request, waiting.clone(), answered.clone(), deadline), stopped));

    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["lambda::tests::function_process", "--exact", "--nocapture"])
        .env_clear()
        .envs(CONFIGURATION)
        .envs(keys.iter().copied())
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "my-backup")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdout = tokio::spawn(json_lines(process.stdout.take().unwrap()));
    let stderr = tokio::spawn(json_lines(process.stderr.take().unwrap()));
    let mut seen = Vec::new();
    while seen.len() < events.len() {
        seen.push(answers.recv().await.unwrap());
    }
    process.kill().await.unwrap();
    Seen { answers: seen, stdout: stdout.await.unwrap(), stderr: stderr.await.unwrap() }
}

type Answered = mpsc::UnboundedSender<(String, Option<String>, Value)>;

async fn api(request: Request, waiting: Arc<Mutex<VecDeque<String>>>, answered: Answered, deadline: i64) -> Answer {
    if request.path.ends_with("/invocation/next") {
        let event = waiting.lock().unwrap().pop_front();
        let Some(event) = event else { return std::future::pending().await };
        let headers = vec![
            ("lambda-runtime-aws-request-id", "8476a536".to_owned()),
            ("lambda-runtime-deadline-ms", deadline.to_string()),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:1:function:my-backup".to_owned()),
        ];
        return Answer { headers, ..Answer::new(200, event) };
    }
    let kind = request.path.rsplit('/').next().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let error_type = body["errorType"].as_str().map(str::to_owned);
    answered.send((kind, error_type, body)).unwrap();
    Answer::new(202, "{}")
}

/// The lines that are JSON objects; the rest is the test binary's own.
async fn json_lines(stream: impl AsyncRead + Unpin) -> Vec<Value> {
    let mut lines = BufReader::new(stream).lines();
    let mut objects = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        objects.extend(line.find('{').and_then(|at| serde_json::from_str(&line[at..]).ok()));
    }
    objects
}

#[tokio::test]
async fn the_report_is_the_answer_and_one_container_serves_many_events() {
    let deadline = SystemClock.now() + 900_000;
    let envelope = r#"{"version":"0","id":"x","detail-type":"Scheduled Event","source":"aws.scheduler","account":"1",
        "time":"2026-01-01T00:00:00Z","region":"eu-west-1","resources":[],"detail":{}}"#;
    let seen = invoke(&["{}", r#"{"shard":1,"of":4}"#, r#"{"topic":"payments","partition":3}"#, envelope], deadline, &[]).await;
    assert!(seen.answers.iter().all(|(kind, error, _)| kind == "response" && error.is_none()), "{:?}", seen.answers);
    let reports: Vec<&Value> = seen.answers.iter().map(|(_, _, report)| report).collect();
    let calls: Vec<&Value> = reports.iter().map(|report| &report["calls"]).collect();
    assert_eq!(calls, [1, 2, 3, 4], "the clients were made once");
    assert_eq!((&reports[1]["shard"], &reports[2]["partition"], &reports[2]["topic"]), (&json!([1, 4]), &json!(3), &json!("payments")));
    for report in reports {
        assert_eq!((&report["deadline"], &report["memory"]), (&json!(deadline), &json!(128 << 20)));
        let left = deadline - report["requests_end"].as_i64().unwrap();
        assert!((900..=1100).contains(&left), "{left} ms are left for the report when a store hangs");
    }
}

#[tokio::test]
async fn a_deadline_in_the_past_is_unknown() {
    let seen = invoke(&["{}"], 600_000, &[]).await;
    assert_eq!((&seen.answers[0].2["deadline"], &seen.answers[0].2["requests_end"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn every_malformed_event_is_refused_by_name_and_nothing_is_done() {
    let events = [
        ("[]", "not an object"),
        ("7", "not an object"),
        (r#""{}""#, "not an object"),
        (r#"{"shards":1}"#, "shards"),
        (r#"{"shard":4,"of":4}"#, "from 0 to 3"),
        (r#"{"shard":1}"#, "used together"),
        (r#"{"partition":-1}"#, "negative"),
        (r#"{"topic":["a"]}"#, "string"),
        (r#"{"Records":[{"s3":{}}]}"#, "Records"),
    ];
    let sent: Vec<&str> = events.iter().map(|(event, _)| *event).chain(["{}"]).collect();
    let mut seen = invoke(&sent, SystemClock.now() + 60_000, &[]).await;
    let good = seen.answers.pop().unwrap();
    assert_eq!(good.2["calls"], 1, "the function saw none of the others");
    for ((event, names), (kind, error_type, body)) in events.iter().zip(&seen.answers) {
        assert_eq!((kind.as_str(), error_type.as_deref()), ("error", Some("BadEvent")), "{event}");
        assert!(body["errorMessage"].as_str().unwrap().contains(names), "{event}: {body}");
    }
}

#[tokio::test]
async fn failures_answer_with_a_type_and_the_container_goes_on() {
    let events = [r#"{"topic":"fails"}"#, r#"{"topic":"is-refused"}"#, r#"{"topic":"panics"}"#, "{}"];
    let seen = invoke(&events, SystemClock.now() + 60_000, &[]).await;
    let types: Vec<Option<&str>> = seen.answers.iter().map(|(_, error_type, _)| error_type.as_deref()).collect();
    assert_eq!(types, [Some("Retryable"), Some("Refused"), Some("Panicked"), None]);
    assert!(seen.stderr.iter().any(|line| line["report"].is_string()), "the report of a failed invocation is in the log");
}

/// LOG_LEVEL=50 keeps a log short, but still reports a failed invocation.
#[tokio::test]
async fn a_failed_invocation_is_told_at_every_log_level() {
    for (event, keys, expected) in [
        (r#"{"topic":"is-refused"}"#, &[("LOG_LEVEL", "50")][..], &["the topic is not what it was"][..]),
        ("{}", &[("LOG_LEVEL", "50"), ("COMPRESSION", "zip")], &["cannot start: ", "COMPRESSION"]),
    ] {
        let seen = invoke(&[event], SystemClock.now() + 60_000, keys).await;
        for words in expected {
            let says = |line: &&Value| line["level"] == "FATAL" && line["message"].as_str().is_some_and(|message| message.contains(words));
            assert!(seen.stderr.iter().any(|line| says(&line)), "{words}: {:?}", seen.stderr);
        }
        assert!(seen.stderr.iter().all(|line| line["level"] == "FATAL"), "{:?}", seen.stderr);
    }
}

#[tokio::test]
async fn a_refused_configuration_is_the_answer() {
    let seen = invoke(&["{}"], SystemClock.now() + 60_000, &[("COMPRESSION", "zip")]).await;
    let (_, error_type, body) = &seen.answers[0];
    assert_eq!(error_type.as_deref(), Some("BadConfiguration"));
    assert!(body["errorMessage"].as_str().unwrap().contains("COMPRESSION"), "{body}");
}

#[tokio::test]
async fn metrics_are_pure_lines_and_log_lines_have_the_request_id() {
    let seen = invoke(&["{}", r#"{"topic":"is-refused"}"#], SystemClock.now() + 60_000, &[]).await;
    let metrics: Vec<&Value> = seen.stdout.iter().filter(|line| line.get("_aws").is_some()).collect();
    assert_eq!(metrics.len(), 3, "invocation and topic, then a failed invocation: {:?}", seen.stdout);
    assert_eq!((&metrics[0]["Function"], &metrics[0]["Succeeded"], &metrics[0]["Errors"]), (&json!("my-backup"), &json!(1), &json!(0)));
    assert_eq!((&metrics[0]["Shard"], &metrics[0]["RecoveryPointSeconds"], &metrics[0]["Records"]), (&json!("all"), &json!(41), &json!(3)));
    assert_eq!((&metrics[1]["Topic"], &metrics[1]["Records"]), (&json!("orders"), &json!(3)));
    assert_eq!((&metrics[2]["Shard"], &metrics[2]["Records"]), (&Value::Null, &Value::Null), "a topic is no shard: {:?}", metrics[2]);
    assert_eq!((&metrics[2]["Succeeded"], &metrics[2]["Errors"]), (&json!(0), &json!(1)));

    let of = |message: &str| seen.stderr.iter().filter(move |line| line["message"] == message).collect::<Vec<_>>();
    assert_eq!(of("handling").len(), 2);
    assert_eq!(of("backup report").len(), 2);
    let summary = of("backup summary")[0];
    assert_eq!((&summary["shard"], &summary["recovery_point_seconds"], &summary["lag_records"]), (&json!("all"), &json!(41), &json!(0)));
    assert_eq!((of("backup summary").len(), &summary["topics"], &summary["succeeded"]), (2, &json!(1), &json!(true)));
    // The first line is about the process: which program, and its version.
    assert_eq!((&seen.stderr[0]["version"], &seen.stderr[0]["requestId"]), (&json!(telemetry::VERSION), &Value::Null));
    for line in &seen.stderr {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    for line in &seen.stderr[1..] {
        assert_eq!(line["requestId"], "8476a536", "{line}");
    }
    let report = of("backup report")[0];
    assert_eq!((&report["topic"], &report["records"], &report["succeeded"]), (&json!("orders"), &json!(3), &json!(true)));
    assert_eq!((&report["function"], &report["lag_records"], &report["gaps"]), (&json!("backup-batch"), &json!(0), &json!(0)));
}
