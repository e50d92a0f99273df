//! A fake function for the tests of the hosts: its report contains its input.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use archive::{Error, Result};
use async_trait::async_trait;
use config::{BackupSettings, ConfigError, Raw};
use kernel::Deadline;
use kernel::clock::{self, Millis};
use serde_json::json;

use super::hosted::Hosted;
use super::{Budget, Event, Function, Limits, Outcome, StopSignal};
use telemetry::{TopicMetrics, WorkMetrics};

pub(super) struct Fake {
    deadline: Deadline,
    calls: AtomicU64,
    /// Invocations in progress.
    running: AtomicU64,
}

/// A valid configuration; none of its addresses is ever contacted.
pub(super) const CONFIGURATION: [(&str, &str); 5] = [
    ("BOOTSTRAP_SERVERS", "kafka.invalid:9092"),
    ("TOPIC_NAMES", "orders"),
    ("GROUP_ID", "backup"),
    ("FILESYSTEM_TYPE", "LINUX"),
    ("FILESYSTEM_BACKUP_DIR", "/nowhere"),
];

/// The fake in a host, with these keys in addition to [`CONFIGURATION`].
pub(super) fn hosted<F: Function>(keys: &[(&str, &str)]) -> Arc<Hosted<F>> {
    hosted_until(keys, StopSignal::default())
}

pub(super) fn hosted_until<F: Function>(keys: &[(&str, &str)], stop: StopSignal) -> Arc<Hosted<F>> {
    let environment = CONFIGURATION.iter().chain(keys).map(|(name, value)| (name.into(), value.into()));
    let raw = Raw::load(None, environment).expect("no file is read");
    Arc::new(Hosted::new(&raw, Some(512 << 20), stop, clock::system()))
}

#[async_trait]
impl Function for Fake {
    const NAME: &'static str = "backup-batch";
    type Settings = BackupSettings;

    fn settings(raw: &Raw) -> Result<BackupSettings, ConfigError> {
        BackupSettings::from_raw(raw)
    }

    fn limits(settings: &BackupSettings) -> Limits {
        Limits { time_budget: settings.time_budget, memory: settings.memory_limit }
    }

    async fn connect(_: BackupSettings, _: u64, deadline: &Deadline) -> Result<Self> {
        Ok(Self { deadline: deadline.clone(), calls: AtomicU64::new(0), running: AtomicU64::new(0) })
    }

    async fn handle(&self, event: Event, budget: Budget) -> Result<Outcome> {
        let others = self.running.fetch_add(1, Ordering::SeqCst);
        let calls = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        tracing::info!("handling");
        let topic = event.topic.unwrap_or_else(|| "orders".to_owned());
        let mut metrics = TopicMetrics { topic: topic.clone(), records: 3, lag_records: Some(0), ..TopicMetrics::default() };
        let mut errors = Vec::new();
        match topic.as_str() {
            "is-refused" => return Err(Error::request("the topic is not what it was".to_owned())),
            "panics" => panic!("a defect"),
            "lingers" => {
                assert_eq!(others, 0, "invocations of one process take turns");
                tokio::task::yield_now().await;
            }
            "waits-for-stop" => {
                while !budget.stop.is_set() {
                    tokio::task::yield_now().await;
                }
            }
            "fails" => {
                metrics.errors = 1;
                errors.push("fails/0: the broker is unavailable".to_owned());
            }
            _ => {}
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        let requests_end = self.deadline.remaining().map(|left| clock::system().now() + Millis::try_from(left.as_millis()).unwrap_or(0));
        let report = json!({
            "calls": calls,
            "topic": topic,
            "shard": event.shard,
            "partition": event.partition,
            "deadline": budget.deadline,
            "memory": budget.memory,
            "requests_end": requests_end,
        });
        let metrics = WorkMetrics { topics: vec![metrics], recovery_point_seconds: Some(41), ..WorkMetrics::default() };
        Ok(Outcome { report, errors, retryable: true, metrics })
    }
}
