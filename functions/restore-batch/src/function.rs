//! The handler as its hosts see it.

use std::sync::Arc;

use archive::{Error, Result};
use async_trait::async_trait;
use config::{ConfigError, Raw, RestoreSettings};
use host::{Budget, Event, Function, Limits, Outcome};
use kafka::RdKafkaTarget;
use kernel::{Deadline, clock};
use telemetry::{TopicMetrics, WorkMetrics};

use crate::{Invocation, Restore, RestoreReport};

#[async_trait]
impl Function for Restore {
    const NAME: &'static str = "restore-batch";
    type Settings = RestoreSettings;

    fn settings(raw: &Raw) -> Result<RestoreSettings, ConfigError> {
        RestoreSettings::from_raw(raw)
    }

    fn limits(settings: &RestoreSettings) -> Limits {
        Limits { time_budget: settings.time_budget, memory: settings.memory_limit }
    }

    async fn connect(settings: RestoreSettings, memory: u64, deadline: &Deadline) -> Result<Self> {
        let store = store::open(&settings.store, deadline).await?;
        settings.kafka.login.prepare().await?;
        // The half: what is queued is there twice while it is sent, as records and as a batch, and a stretch of a segment is unpacked beside it.
        let queue = Budget::unlimited(Some(memory)).queue_bytes(settings.threads) / 2;
        let target = RdKafkaTarget::connect(&settings.kafka, queue)?.until(deadline);
        Ok(Self::new(Arc::new(target), store, settings, clock::system()))
    }

    async fn handle(&self, event: Event, budget: Budget) -> Result<Outcome> {
        let report = self.invoke(&Invocation { event, ..Invocation::new(budget) }).await?;
        outcome(&report)
    }
}

fn outcome(report: &RestoreReport) -> Result<Outcome> {
    let failed = report.partitions.iter().filter_map(|one| Some((one.partition, one.error.as_deref()?)));
    let errors: Vec<String> = failed.map(|(partition, error)| format!("{}/{partition}: {error}", report.source)).collect();
    let metrics = TopicMetrics {
        topic: report.target.clone(),
        records: report.records,
        // How many records the segments ahead hold stands inside of them: only nothing is known.
        lag_records: report.caught_up.then_some(0),
        partitions_behind: report.partitions.iter().filter(|one| !one.caught_up).count() as u64,
        errors: errors.len() as u64,
        ..TopicMetrics::default()
    };
    Ok(Outcome {
        report: serde_json::to_value(report).map_err(|error| Error::bug(format!("the report cannot be written: {error}")))?,
        errors,
        retryable: report.partitions.iter().all(|one| one.error.is_none() || one.retryable == Some(true)),
        metrics: WorkMetrics { topics: vec![metrics], ..WorkMetrics::default() },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::PartitionReport;

    #[test]
    fn what_is_left_is_known_only_when_it_is_nothing() {
        let done = PartitionReport { caught_up: true, ..PartitionReport::default() };
        let failed = PartitionReport { partition: 1, error: Some("damaged".into()), retryable: Some(false), ..PartitionReport::default() };
        let report = RestoreReport { source: "orders".into(), caught_up: true, partitions: vec![done.clone()], ..RestoreReport::default() };
        let outcome_of_done = outcome(&report).unwrap();
        assert_eq!((outcome_of_done.errors.len(), outcome_of_done.metrics.topics[0].lag_records), (0, Some(0)));

        let outcome = outcome(&RestoreReport { caught_up: false, partitions: vec![done, failed], ..report }).unwrap();
        assert_eq!((outcome.errors, outcome.retryable), (vec!["orders/1: damaged".to_owned()], false));
        let metrics = &outcome.metrics.topics[0];
        assert_eq!((metrics.lag_records, metrics.partitions_behind, metrics.errors), (None, 1, 1));
    }
}
