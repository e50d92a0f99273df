//! Azure Functions: a [custom
//! handler](https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers).
//!
//! The Functions host starts this program with a port, polls `/` until it gets any response, and
//! sends `POST /{FunctionName}` at each tick of the timer. It passes no deadline, so
//! TIME_BUDGET_SECONDS must be below `functionTimeout` of host.json.
//!
//! A timer's payload cannot name a shard, so the function's name does: `backup-batch-0-of-4` to
//! `backup-batch-3-of-4` are four functions of one app.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::Instrument;

use super::hosted::{Done, FailureKind, Hosted};
use super::http::{self, Answer, Request};
use super::{BadEvent, Event, Function};
use telemetry::{InvocationMetrics, TopicMetrics};

/// Serves until `stop` becomes true; invocations in progress end cleanly.
pub(super) async fn serve<F: Function>(listener: TcpListener, hosted: Arc<Hosted<F>>, stop: watch::Receiver<bool>) {
    // The host waits for the first response, so the clients connect in the background. An early
    // invocation waits for them.
    let warm_up = tokio::spawn({
        let hosted = hosted.clone();
        async move { hosted.warm_up().await }
    });
    http::serve(listener, move |request| answer(hosted.clone(), request), stop).await;
    warm_up.abort();
}

async fn answer<F: Function>(hosted: Arc<Hosted<F>>, request: Request) -> Answer {
    let path = request.path.as_str();
    if path == "/" {
        return Answer::new(200, full_object(vec![]));
    }
    let Some(shard) = shard_of(path, F::NAME) else {
        let (name, what) = (F::NAME, "rename the function's folder to one of those");
        return Answer::new(
            404,
            full_object(vec![format!("{path} is not served here, only /{name}, and /{name}-0-of-4 for a shard: {what}")]),
        );
    };
    if request.method != "POST" {
        return Answer::new(405, full_object(vec![format!("an invocation is a POST, not a {}", request.method)]));
    }
    let payload = serde_json::from_slice(&request.body).map_err(|error| BadEvent(format!("the body is not JSON: {error}")));
    let span = tracing::info_span!("invocation", request_id = request_id(&request, payload.as_ref().ok()));
    let event = payload.and_then(|payload: Value| event(&payload)).and_then(|event| of_function(event, shard));
    let done = hosted.invoke(event, None).instrument(span).await;
    answer_of(F::NAME, &done)
}

/// The shard that a function's name names: `backup-batch-0-of-4`. The function without one is
/// `Some(None)`; any other name is `None`. Names of functions have no case on Azure.
fn shard_of(path: &str, name: &str) -> Option<Option<(u32, u32)>> {
    let called = path.trim_matches('/').to_ascii_lowercase();
    let rest = called.strip_prefix(name)?;
    if rest.is_empty() {
        return Some(None);
    }
    let (shard, of) = rest.strip_prefix('-')?.split_once("-of-")?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Some(Some((number(shard)?, number(of)?)))
}

/// What a function does: its shard, unless the event names something itself.
fn of_function(event: Event, shard: Option<(u32, u32)>) -> Result<Event, BadEvent> {
    match shard {
        Some((shard, of)) if event == Event::default() => Event::parse(&json!({"shard": shard, "of": of})),
        _ => Ok(event),
    }
}

/// The id of this invocation in the host's log.
fn request_id(request: &Request, payload: Option<&Value>) -> String {
    let guid = || payload?.pointer("/Metadata/sys/RandGuid")?.as_str();
    request.header("x-azure-functions-invocationid").or_else(guid).unwrap_or("unknown").to_owned()
}

fn answer_of(function: &str, done: &Done) -> Answer {
    let mut logs = summary(function, &done.metrics);
    let status = match &done.result {
        Ok(_) => 200,
        Err(failure) => {
            logs.push(format!("{}: {failure}", failure.kind.name()));
            if failure.kind == FailureKind::BadEvent { 400 } else { 500 }
        }
    };
    Answer::new(status, full_object(logs))
}

/// One line per topic, for the function's page in the portal. (The alarms read the log.)
fn summary(function: &str, metrics: &InvocationMetrics) -> Vec<String> {
    let shard = metrics.shard.as_deref().filter(|shard| *shard != "all").map_or_else(String::new, |shard| format!(" (shard {shard})"));
    let of_topic = |one: &TopicMetrics| {
        let lag = one.lag_records.map_or("an unknown number".to_owned(), |lag| lag.to_string());
        format!(
            "{function}{shard}: {}: {} records done, {lag} left to do, {} gaps, {} errors",
            one.topic, one.records, one.gaps, one.errors
        )
    };
    metrics.work.topics.iter().map(of_topic).collect()
}

/// The host never completes an invocation whose response is not a complete object.
fn full_object(logs: Vec<String>) -> String {
    json!({"Outputs": {}, "Logs": logs, "ReturnValue": null}).to_string()
}

/// The event in an invocation: `{"Data":{"<binding>":<timer or event>},"Metadata":{…}}`. A timer
/// means everything. An event that was sent by hand means what it names. Either can be JSON in a
/// string.
fn event(payload: &Value) -> Result<Event, BadEvent> {
    let bad = |what: &str| Err(BadEvent(what.to_owned()));
    let Some(data) = payload.get("Data").and_then(Value::as_object) else {
        return bad("the body has no object \"Data\" with the trigger's binding");
    };
    let mut bindings = data.values();
    match (bindings.next(), bindings.next()) {
        (Some(value), None) => event_of(value),
        (None, _) => bad("\"Data\" is empty"),
        (Some(_), Some(_)) => bad("\"Data\" has more than one binding"),
    }
}

fn event_of(value: &Value) -> Result<Event, BadEvent> {
    match value {
        Value::String(text) if text.trim().is_empty() => Ok(Event::default()),
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::String(_)) | Err(_) => Err(BadEvent(format!("the binding's text is not a JSON object: {value}"))),
            Ok(inner) => event_of(&inner),
        },
        Value::Object(object) if is_timer(object) => Ok(Event::default()),
        other => Event::parse(other),
    }
}

fn is_timer(object: &Map<String, Value>) -> bool {
    const FIELDS: [&str; 3] = ["schedule", "scheduleStatus", "isPastDue"];
    !object.is_empty() && object.keys().all(|key| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(key)))
}

#[cfg(test)]
#[path = "azure_tests.rs"]
mod tests;
