//! The handler, as its hosts use it.

use std::sync::Arc;

use archive::catalog::PartitionStrategy;
use archive::{Error, Result};
use async_trait::async_trait;
use config::{ConfigError, Raw, RestoreSettings};
use host::{Budget, Event, Function, Limits, Outcome};
use kafka::RdKafkaTarget;
use kernel::{Deadline, clock};
use telemetry::{RestoreLeft, TopicMetrics, WorkMetrics};

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
        // Half: queued records exist twice while they are sent, as records and as a batch, and a
        // stretch of a segment is decompressed at the same time.
        let queue = Budget::unlimited(Some(memory)).queue_bytes(settings.threads) / 2;
        let spreads = settings.strategy != PartitionStrategy::Same;
        let target = Arc::new(RdKafkaTarget::connect(&settings.kafka, queue)?.spreading(spreads).until(deadline));
        Ok(Self::new(target.clone(), store, settings, clock::system()).with_administration(target))
    }

    async fn handle(&self, event: Event, budget: Budget) -> Result<Outcome> {
        // One of all invocations does the work at the end.
        let is_first = event.shard.is_none_or(|(shard, _)| shard == 0) && event.topic.is_none();
        let report = self.invoke(&Invocation { event, ..Invocation::new(budget) }).await?;
        let mut outcome = outcome(&report)?;
        if report.finished_at.is_some() && is_first {
            self.finish_once(&report.run, &mut outcome).await?;
        }
        Ok(outcome)
    }
}

impl Restore {
    /// Does what RESTORE_FINISH names. What is left is an error of each invocation until an
    /// operator acts.
    async fn finish_once(&self, run: &str, outcome: &mut Outcome) -> Result<()> {
        let Some(finish) = self.finisher() else { return Ok(()) };
        let Some(report) = finish.run_once(run).await? else { return Ok(()) };
        let report = report.short();
        outcome.errors.extend(report.left.iter().map(|what| format!("finish: {what}")));
        outcome.retryable &= report.succeeded;
        let told = serde_json::to_value(report).map_err(|error| Error::bug(format!("cannot write the report: {error}")))?;
        if let Some(fields) = outcome.report.as_object_mut() {
            fields.insert("finish".to_owned(), told);
        }
        Ok(())
    }
}

fn outcome(report: &RestoreReport) -> Result<Outcome> {
    let mut errors = Vec::new();
    let mut retryable = true;
    for topic in &report.topics {
        let of_topic = topic.error.as_deref().map(|error| (topic.source.clone(), error, topic.retryable));
        let failed = topic.partitions.iter().filter_map(|one| Some((one.partition, one.error.as_deref()?, one.retryable)));
        let failed = failed.map(|(partition, error, retryable)| (format!("{}/{partition}", topic.source), error, retryable));
        for (what, error, is_retryable) in of_topic.into_iter().chain(failed) {
            errors.push(format!("{what}: {error}"));
            retryable &= is_retryable == Some(true);
        }
    }
    let metrics = report.topics.iter().map(|topic| {
        let failed = topic.partitions.iter().filter(|one| one.error.is_some()).count() as u64;
        TopicMetrics {
            topic: topic.target.clone(),
            records: topic.records,
            // The segments ahead contain their record counts, so only zero is known.
            lag_records: topic.caught_up.then_some(0),
            partitions_behind: topic.partitions.iter().filter(|one| !one.caught_up).count() as u64,
            errors: failed + u64::from(topic.error.is_some()),
            ..TopicMetrics::default()
        }
    });
    let topics = metrics.collect();
    let left = report.done.map(|done| RestoreLeft {
        partitions: done.partitions_to_restore - done.partitions_done,
        offsets: report.offsets_left.unwrap_or(0),
        has_finished: report.has_finished,
    });
    Ok(Outcome {
        report: serde_json::to_value(report).map_err(|error| Error::bug(format!("cannot write the report: {error}")))?,
        errors,
        retryable,
        metrics: WorkMetrics {
            topics,
            // Each metric of a topic is billed. A restore ends, and its reports have all topics.
            most_topics: Some(0),
            throttled: report.throttling.answers_if_any(),
            left,
            ..WorkMetrics::default()
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{PartitionReport, TopicReport};

    #[test]
    fn what_is_left_is_known_only_when_it_is_nothing() {
        let done = PartitionReport { caught_up: true, ..PartitionReport::default() };
        let failed = PartitionReport { partition: 1, error: Some("damaged".into()), retryable: Some(false), ..PartitionReport::default() };
        let topic = TopicReport { source: "orders".into(), caught_up: true, partitions: vec![done.clone()], ..TopicReport::default() };
        let of = |topic: TopicReport| RestoreReport { topics: vec![topic], ..RestoreReport::default() };
        let outcome_of_done = outcome(&of(topic.clone())).unwrap();
        assert_eq!((outcome_of_done.errors.len(), outcome_of_done.metrics.topics[0].lag_records), (0, Some(0)));

        let outcome = outcome(&of(TopicReport { caught_up: false, partitions: vec![done, failed], ..topic })).unwrap();
        assert_eq!((outcome.errors, outcome.retryable), (vec!["orders/1: damaged".to_owned()], false));
        let metrics = &outcome.metrics.topics[0];
        assert_eq!((metrics.lag_records, metrics.partitions_behind, metrics.errors), (None, 1, 1));
        assert_eq!(outcome.metrics.most_topics, Some(0), "no topic has billed metrics of its own");
    }
}
