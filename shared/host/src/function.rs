//! What a host runs.

use std::time::Duration;

use archive::Result;
use async_trait::async_trait;
use config::{ConfigError, Raw};
use kernel::Deadline;
use serde_json::Value;

use super::{Budget, Event};
use telemetry::WorkMetrics;

/// A function as its hosts see it: made from a configuration once for a process, then called any number of times, one after another:
/// the memory of the process is for one invocation.
#[async_trait]
pub trait Function: Send + Sync + Sized + 'static {
    /// What reports call it, and the last part of its URL on Azure: `backup-batch`.
    const NAME: &'static str;

    /// Its validated configuration.
    type Settings: Clone + Send + Sync + 'static;

    /// Judges a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn settings(raw: &Raw) -> Result<Self::Settings, ConfigError>;

    /// What the settings say to the host.
    fn limits(settings: &Self::Settings) -> Limits;

    /// Makes the clients, in `memory` bytes for the process. The host keeps `deadline` at that of the running invocation.
    ///
    /// # Errors
    /// The settings cannot be used. Whether Kafka and the bucket answer shows later.
    async fn connect(settings: Self::Settings, memory: u64, deadline: &Deadline) -> Result<Self>;

    /// Does the work of one invocation, within its budget.
    ///
    /// # Errors
    /// Nothing could be done at all. What concerns single partitions stands in the [`Outcome`].
    async fn handle(&self, event: Event, budget: Budget) -> Result<Outcome>;
}

/// What a function's settings say to its host.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// TIME_BUDGET_SECONDS.
    pub time_budget: Option<Duration>,
    /// MEMORY_LIMIT_MB, in bytes.
    pub memory: Option<u64>,
}

/// What an invocation came to.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The function's report: the answer of the invocation.
    pub report: Value,
    /// What failed, each with its topic or partition. Empty is success: also that of an invocation that found nothing to do.
    pub errors: Vec<String>,
    /// Whether another invocation can do what failed, without anybody doing something.
    pub retryable: bool,
    /// What it did and left, in numbers.
    pub metrics: WorkMetrics,
}
