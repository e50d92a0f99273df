//! The interface between a host and a function.

use std::time::Duration;

use archive::Result;
use async_trait::async_trait;
use config::{ConfigError, Raw};
use kernel::Deadline;
use serde_json::Value;

use super::{Budget, Event};
use telemetry::WorkMetrics;

/// A function as its hosts use it: created from a configuration once per process, then called any
/// number of times. Calls are serialised: the memory budget is per process.
#[async_trait]
pub trait Function: Send + Sync + Sized + 'static {
    /// Its name in reports, and the last part of its URL on Azure: `backup-batch`.
    const NAME: &'static str;

    /// Its validated configuration.
    type Settings: Clone + Send + Sync + 'static;

    /// Validates a configuration.
    ///
    /// # Errors
    /// All its problems.
    fn settings(raw: &Raw) -> Result<Self::Settings, ConfigError>;

    /// The host's part of the settings.
    fn limits(settings: &Self::Settings) -> Limits;

    /// Creates the clients, for a process with `memory` bytes. The host sets `deadline` to that of
    /// the current invocation.
    ///
    /// # Errors
    /// The settings cannot be used. Whether Kafka and the bucket respond shows later.
    async fn connect(settings: Self::Settings, memory: u64, deadline: &Deadline) -> Result<Self>;

    /// Runs one invocation, within its budget.
    ///
    /// # Errors
    /// Nothing could be done. Errors of single partitions are in the [`Outcome`].
    async fn handle(&self, event: Event, budget: Budget) -> Result<Outcome>;
}

/// The host's part of a function's settings.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// TIME_BUDGET_SECONDS.
    pub time_budget: Option<Duration>,
    /// MEMORY_LIMIT_MB, in bytes.
    pub memory: Option<u64>,
}

/// The result of an invocation.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The function's report: the response of the invocation.
    pub report: Value,
    /// What failed, each with its topic or partition. Empty means success, even if there was
    /// nothing to do.
    pub errors: Vec<String>,
    /// Whether the errors are transient: another invocation can succeed without any change by the
    /// operator.
    pub retryable: bool,
    /// What it did and what is left, as numbers.
    pub metrics: WorkMetrics,
}
