//! A function in its host, on any platform: created once, called for each invocation.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use archive::Error;
use config::{ConfigError, Raw};
use kernel::clock::{Clock, Millis};
use kernel::{Deadline, in_full};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};

use super::{BadEvent, Budget, Event, Function, Outcome, StopSignal};
use telemetry::{InvocationMetrics, WorkMetrics, redact};

/// A function, its configuration and its clients.
pub(super) struct Hosted<F: Function> {
    settings: Result<F::Settings, ConfigError>,
    /// Created by the first caller; after a failure, by the next one.
    function: OnceCell<F>,
    deadline: Deadline,
    /// Invocations are serialised: the memory budget and the deadline of the clients are per
    /// process.
    turn: Mutex<()>,
    time_budget: Option<Duration>,
    /// What the process may use, in bytes.
    memory: u64,
    stop: StopSignal,
    clock: Arc<dyn Clock>,
}

/// A completed invocation.
#[derive(Debug)]
pub(super) struct Done {
    /// The report, or why the invocation failed.
    pub(super) result: Result<Value, Failure>,
    pub(super) metrics: InvocationMetrics,
}

impl<F: Function> Hosted<F> {
    /// Validates the configuration, and connects to nothing. `platform_memory` is the platform's
    /// limit in bytes, if it reports one.
    pub(super) fn new(raw: &Raw, platform_memory: Option<u64>, stop: StopSignal, clock: Arc<dyn Clock>) -> Self {
        let settings = F::settings(raw);
        let limits = settings.as_ref().ok().map(F::limits);
        let memory = limits.and_then(|limits| limits.memory).into_iter().chain(platform_memory).min();
        Self {
            settings,
            function: OnceCell::new(),
            deadline: Deadline::unset(),
            turn: Mutex::new(()),
            time_budget: limits.and_then(|limits| limits.time_budget),
            memory: memory.unwrap_or(Budget::DEFAULT_MEMORY),
            stop,
            clock,
        }
    }

    /// Creates the clients, if that is not done yet.
    pub(super) async fn connect(&self) -> Result<&F, Failure> {
        let connect = || async {
            let settings = self.settings.clone()?;
            Ok(F::connect(settings, self.memory, &self.deadline).await?)
        };
        self.function.get_or_try_init(connect).await
    }

    /// Creates the clients before the first invocation. A failure is logged, and every invocation
    /// retries and returns it.
    pub(super) async fn warm_up(&self) {
        if let Err(failure) = self.connect().await {
            tracing::error!(critical = true, "cannot start: {failure}");
        }
    }

    /// Runs one invocation and logs its result. `platform_deadline` is when the platform ends it,
    /// if it reports that.
    ///
    /// The invocation has its own task, so it ends cleanly even if the caller does not wait, and a
    /// panic becomes a failure.
    pub(super) async fn invoke(self: &Arc<Self>, event: Result<Event, BadEvent>, platform_deadline: Option<Millis>) -> Done {
        let started = self.clock.now();
        let budget = self.budget(started, platform_deadline);
        let shard = event.as_ref().ok().and_then(Event::shard_name);
        let hosted = self.clone();
        let task = async move { hosted.handle(event, budget).await };
        let ended = tokio::spawn(tracing::Instrument::in_current_span(task)).await;
        let (result, work) = match ended {
            Ok(Ok(outcome)) => judge(outcome),
            Ok(Err(failure)) => (Err(failure), WorkMetrics::default()),
            Err(error) => (Err(Failure::new(FailureKind::Panicked, error.to_string())), WorkMetrics::default()),
        };
        let of_topics: u64 = work.topics.iter().map(|one| one.errors).sum();
        let errors = match &result {
            Ok(_) => 0,
            Err(failure) => {
                tracing::error!(critical = true, error_type = failure.kind.name(), "{failure}");
                failure.errors.saturating_sub(of_topics)
            }
        };
        let metrics = InvocationMetrics { succeeded: result.is_ok(), duration_ms: self.clock.now() - started, errors, shard, work };
        metrics.log(F::NAME);
        Done { result, metrics }
    }

    async fn handle(&self, event: Result<Event, BadEvent>, budget: Budget) -> Result<Outcome, Failure> {
        let event = event?;
        let _turn = self.turn.lock().await;
        let left = |deadline| Duration::from_millis(u64::try_from(deadline - self.clock.now()).unwrap_or(0));
        self.deadline.set_for_invocation(budget.deadline.map(left));
        Ok(self.connect().await?.handle(event, budget).await?)
    }

    /// The earlier of the platform's deadline and the configured time limit. A deadline in the past
    /// means that the platform does not know it.
    fn budget(&self, now: Millis, platform_deadline: Option<Millis>) -> Budget {
        let configured = self.time_budget.map(|length| Budget::end(now, length));
        let deadline = platform_deadline.filter(|deadline| *deadline > now).into_iter().chain(configured).min();
        Budget { deadline, memory: self.memory, stop: self.stop.clone() }
    }
}

/// A report with errors fails its invocation, so that alarms and dead-letter queues notice. The
/// report itself is logged.
fn judge(outcome: Outcome) -> (Result<Value, Failure>, WorkMetrics) {
    /// The most errors in the message; the report has all.
    const NAMED: usize = 10;
    if outcome.errors.is_empty() {
        return (Ok(masked(outcome.report)), outcome.metrics);
    }
    tracing::error!(report = %outcome.report, "the invocation failed; its report in the log has the errors");
    let kind = if outcome.retryable { FailureKind::Retryable } else { FailureKind::Refused };
    let mut message = outcome.errors.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("\n");
    if outcome.errors.len() > NAMED {
        message.push_str(&format!("\nand {} more; the log has the whole report", outcome.errors.len() - NAMED));
    }
    (Err(Failure { errors: outcome.errors.len() as u64, ..Failure::new(kind, message) }), outcome.metrics)
}

/// Masks a report, because it leaves the process.
fn masked(report: Value) -> Value {
    serde_json::from_str(&redact::known().mask_json(&report.to_string())).unwrap_or(report)
}

/// Why an invocation failed. Its text is masked, because it leaves the process.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Failure {
    pub(super) kind: FailureKind,
    message: String,
    /// How many errors it represents.
    errors: u64,
}

/// What a platform or an alarm has to distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// The event is invalid. Nothing was read, nothing was written.
    BadEvent,
    /// The configuration was refused. Nothing was started.
    BadConfiguration,
    /// Transient: another invocation can succeed without any change by the operator.
    Retryable,
    /// The operator has to act; the message says how.
    Refused,
    /// A defect of this program.
    Panicked,
}

impl FailureKind {
    /// The error type in responses and logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BadEvent => "BadEvent",
            Self::BadConfiguration => "BadConfiguration",
            Self::Retryable => "Retryable",
            Self::Refused => "Refused",
            Self::Panicked => "Panicked",
        }
    }
}

impl Failure {
    fn new(kind: FailureKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: redact::known().mask(message.as_ref()).into_owned(), errors: 1 }
    }
}

/// Short: runtimes log it next to the message.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the invocation failed ({})", self.kind.name())
    }
}

impl From<BadEvent> for Failure {
    fn from(error: BadEvent) -> Self {
        Self::new(FailureKind::BadEvent, error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(FailureKind::BadConfiguration, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = if error.is_retryable() { FailureKind::Retryable } else { FailureKind::Refused };
        Self::new(kind, in_full(&error))
    }
}

#[cfg(test)]
mod tests {
    use store::{StoreError, StoreErrorKind};

    use super::*;
    use crate::fake::{Fake, hosted};

    #[tokio::test]
    async fn the_earlier_deadline_counts_and_one_in_the_past_is_unknown() {
        let limited: Arc<Hosted<Fake>> = hosted(&[("TIME_BUDGET_SECONDS", "10")]);
        assert_eq!(limited.budget(1_000, None).deadline, Some(11_000));
        assert_eq!(limited.budget(1_000, Some(4_000)).deadline, Some(4_000));
        assert_eq!(limited.budget(1_000, Some(40_000)).deadline, Some(11_000));
        let free: Arc<Hosted<Fake>> = hosted(&[]);
        assert_eq!(free.budget(1_000, None).deadline, None);
        assert_eq!(free.budget(1_790_000_000_000, Some(600_000)).deadline, None);
    }

    #[tokio::test]
    async fn the_smaller_memory_counts() {
        let hosted: Arc<Hosted<Fake>> = hosted(&[("MEMORY_LIMIT_MB", "256")]);
        assert_eq!(hosted.budget(0, None).memory, 256 << 20);
    }

    /// "cannot connect" does not help a user whose authority is not trusted.
    #[test]
    fn a_failure_names_its_root_cause() {
        let cause = std::io::Error::other("invalid peer certificate: UnknownIssuer");
        let error = StoreError::new(StoreErrorKind::WrongEndpoint, "s3://backups", "cannot connect").caused_by(cause);
        let failure = Failure::from(Error::from(error));
        assert_eq!(failure.to_string(), "s3://backups: cannot connect: invalid peer certificate: UnknownIssuer");
    }

    /// What failed is in the response and in the numbers, each error once.
    #[tokio::test]
    async fn failures_have_a_kind_and_are_counted() {
        let hosted: Arc<Hosted<Fake>> = hosted(&[]);
        for (topic, kind, of_none) in
            [("fails", FailureKind::Retryable, 0), ("is-refused", FailureKind::Refused, 1), ("panics", FailureKind::Panicked, 1)]
        {
            let event = Event { topic: Some(topic.into()), ..Event::default() };
            let done = hosted.invoke(Ok(event), None).await;
            assert_eq!(done.result.map_err(|failure| failure.kind), Err(kind), "{topic}");
            assert_eq!((done.metrics.succeeded, done.metrics.errors), (false, of_none), "{topic}");
        }
        let done = hosted.invoke(Ok(Event::default()), None).await;
        assert!(done.result.is_ok() && done.metrics.succeeded);
    }
}
