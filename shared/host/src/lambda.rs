//! AWS Lambda: events from the runtime API, the report as the response, metrics as lines on stdout.
//!
//! The clients are created while the container starts, and serve all its invocations.

use std::sync::Arc;
use std::task::{Context, Poll};

use kernel::clock::{Clock, Millis, SystemClock};
use lambda_runtime::tower::layer::layer_fn;
use lambda_runtime::{Diagnostic, LambdaEvent, LambdaInvocation, Runtime, Service, service_fn};
use serde_json::Value;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use super::hosted::{Failure, Hosted};
use super::{Event, Function, print};

/// Serves invocations for the life of the container. An error is one of the runtime API; errors of
/// the function are responses.
pub(super) async fn run<F: Function>(hosted: Arc<Hosted<F>>) -> Result<(), lambda_runtime::Error> {
    hosted.warm_up().await;
    let handler = service_fn(move |event: LambdaEvent<Value>| answer(hosted.clone(), event));
    Runtime::new(handler).layer(layer_fn(|inner| Correlated { inner })).run().await
}

async fn answer<F: Function>(hosted: Arc<Hosted<F>>, event: LambdaEvent<Value>) -> Result<Value, Failure> {
    let (payload, context) = event.into_parts();
    let deadline = Millis::try_from(context.deadline).ok();
    let done = hosted.invoke(Event::parse(&payload), deadline).await;
    let function = &context.env_config.function_name;
    for line in done.metrics.embedded(function, &context.request_id, SystemClock.now()) {
        if let Err(error) = print(&line) {
            tracing::warn!("cannot write to stdout, so the metrics of this invocation are lost: {error}");
        }
    }
    done.result
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.name().to_owned(), error_message: failure.to_string() }
    }
}

/// Adds Lambda's request id to the span of each invocation, including the runtime's own log lines.
struct Correlated<S> {
    inner: S,
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for Correlated<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let span = tracing::info_span!("invocation", request_id = invocation.context.request_id);
        span.in_scope(|| self.inner.call(invocation)).instrument(span)
    }
}

#[cfg(test)]
#[path = "lambda_tests.rs"]
mod tests;
