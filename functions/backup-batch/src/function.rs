//! The handler, as its hosts use it.

use std::collections::BTreeMap;
use std::sync::Arc;

use archive::catalog::GapReason;
use archive::{Error, Result};
use async_trait::async_trait;
use config::{BackupSettings, ConfigError, Raw};
use host::{Budget, Event, Function, Limits, Outcome, RateLimit};
use kafka::RdKafkaSource;
use kernel::{Deadline, clock};
use telemetry::{TopicMetrics, WorkMetrics};

use crate::compressors::Compressors;
use crate::{Backup, BackupReport, Invocation, PartitionReport, processors};

#[async_trait]
impl Function for Backup {
    const NAME: &'static str = "backup-batch";
    type Settings = BackupSettings;

    fn settings(raw: &Raw) -> Result<BackupSettings, ConfigError> {
        BackupSettings::from_raw(raw)
    }

    fn limits(settings: &BackupSettings) -> Limits {
        Limits { time_budget: settings.time_budget, memory: settings.memory_limit }
    }

    async fn connect(settings: BackupSettings, memory: u64, deadline: &Deadline) -> Result<Self> {
        Self::check_memory(&settings, memory).map_err(|refused| Error::request(refused.to_string()))?;
        let compressors = Compressors::fitting(&settings, processors(), memory);
        let store = store::open(&settings.store, deadline).await?;
        settings.kafka.login.prepare().await?;
        let budget = Budget::unlimited(Some(memory)).without(compressors.tables);
        // A broker's response is compressed, so it may be larger than what is prefetched.
        let ahead = RateLimit::new(settings.bytes_per_second).read_ahead(settings.threads);
        let (queue, response) = (budget.queue_bytes(settings.threads), budget.response_bytes(settings.threads));
        let (queue, response) = (queue.min(ahead), response.min(ahead.saturating_mul(128)));
        let source = RdKafkaSource::connect(&settings.kafka, &settings.group, settings.isolation, queue)?;
        let source = Arc::new(source.unpacking(response).until(deadline));
        let backup = Self::new(source.clone(), store, settings, clock::system()).with_snapshots_of(source);
        Ok(Self { compressors, ..backup })
    }

    async fn handle(&self, event: Event, budget: Budget) -> Result<Outcome> {
        let report = self.invoke(&Invocation { event, ..Invocation::new(budget) }).await?;
        outcome(&report, self.settings.metrics_max_topics)
    }
}

fn outcome(report: &BackupReport, most_topics: usize) -> Result<Outcome> {
    let failed = report.partitions.iter().filter_map(|one| Some((one, one.error.as_deref()?)));
    let errors = failed.map(|(one, error)| format!("{}/{}: {error}", one.topic, one.partition));
    let mut metrics: BTreeMap<&str, TopicMetrics> = BTreeMap::new();
    for one in &report.partitions {
        metrics.entry(&one.topic).or_default().add(one);
    }
    let named = metrics.into_iter().map(|(topic, of_topic)| TopicMetrics { topic: topic.to_owned(), ..of_topic });
    Ok(Outcome {
        report: serde_json::to_value(report).map_err(|error| Error::bug(format!("cannot write the report: {error}")))?,
        errors: report.errors.iter().cloned().chain(errors).collect(),
        retryable: report.is_retryable(),
        metrics: WorkMetrics {
            topics: named.collect(),
            most_topics: Some(most_topics),
            recovery_point_seconds: report.recovery_point_seconds,
            snapshot_age_seconds: report.snapshot_age_seconds,
            throttled: report.throttling.answers_if_any(),
            left: None,
        },
    })
}

/// Adds a partition's numbers to its topic's.
trait Add {
    fn add(&mut self, partition: &PartitionReport);
}

impl Add for TopicMetrics {
    fn add(&mut self, partition: &PartitionReport) {
        let lag = u64::try_from(partition.lag_records).unwrap_or(0);
        let lost = || partition.gaps.iter().filter(|gap| gap.reason == GapReason::LogStartMoved);
        self.records += partition.records;
        self.bytes = Some(self.bytes.unwrap_or(0) + partition.stored_bytes);
        self.segments = Some(self.segments.unwrap_or(0) + partition.segments);
        self.lag_records = Some(self.lag_records.unwrap_or(0) + lag);
        self.held_by_transactions =
            Some(self.held_by_transactions.unwrap_or(0) + u64::try_from(partition.held_by_transactions).unwrap_or(0));
        self.partitions_behind += u64::from(lag > 0);
        self.gaps += lost().count() as u64;
        self.gap_records += lost().map(|gap| u64::try_from(gap.to - gap.from).unwrap_or(0)).sum::<u64>();
        self.errors += u64::from(partition.error.is_some());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use archive::catalog::Gap;

    use super::*;

    fn partition(topic: &str, number: i32) -> PartitionReport {
        PartitionReport {
            topic: topic.into(),
            partition: number,
            segments: 1,
            records: 10,
            stored_bytes: 100,
            ..PartitionReport::default()
        }
    }

    fn report(partitions: Vec<PartitionReport>, errors: Vec<String>) -> BackupReport {
        let mut report = BackupReport::new();
        (report.partitions, report.errors) = (partitions, errors);
        report
    }

    #[test]
    fn numbers_are_added_up_by_topic() {
        let gaps =
            vec![Gap { from: 0, to: 5, reason: GapReason::BeforeFirstBackup }, Gap { from: 20, to: 27, reason: GapReason::LogStartMoved }];
        let behind = PartitionReport { lag_records: 4, held_by_transactions: 8, gaps, ..partition("orders", 1) };
        let failed = PartitionReport { error: Some("away".into()), retryable: Some(true), ..partition("payments", 0) };
        let mut report = report(vec![partition("orders", 0), behind, failed], vec![]);
        (report.recovery_point_seconds, report.snapshot_age_seconds) = (Some(41), Some(7));
        report.throttling.answers = 3;
        let outcome = outcome(&report, 50).unwrap();
        assert_eq!((outcome.errors, outcome.retryable), (vec!["payments/0: away".to_owned()], true));
        let orders = TopicMetrics {
            topic: "orders".into(),
            records: 20,
            bytes: Some(200),
            segments: Some(2),
            lag_records: Some(4),
            held_by_transactions: Some(8),
            partitions_behind: 1,
            gaps: 1,
            gap_records: 7,
            errors: 0,
        };
        assert_eq!(outcome.metrics.topics[0], orders);
        assert_eq!((outcome.metrics.recovery_point_seconds, outcome.metrics.snapshot_age_seconds), (Some(41), Some(7)));
        assert_eq!(outcome.metrics.throttled, Some(3));
        assert_eq!((outcome.metrics.topics[1].topic.as_str(), outcome.metrics.topics[1].errors), ("payments", 1));
    }

    #[test]
    fn one_failure_that_needs_somebody_makes_the_invocation_one() {
        let failed = |retryable| PartitionReport { error: Some("bad".into()), retryable, ..PartitionReport::default() };
        for other in [Some(false), None] {
            let report = report(vec![failed(Some(true)), failed(other)], vec![]);
            let outcome = outcome(&report, 50).unwrap();
            assert_eq!((outcome.retryable, outcome.metrics.throttled), (false, None));
        }
        let report = report(vec![], vec!["topic \"orders\" does not exist".into()]);
        assert!(!outcome(&report, 50).unwrap().retryable);
    }
}
