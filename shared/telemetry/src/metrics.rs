//! An invocation in numbers: for the log of every platform, and for CloudWatch as an embedded metric.

use kernel::clock::Millis;
use serde_json::{Map, Value, json};

/// What an invocation did for one topic, and what it left. A number that a function cannot know is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicMetrics {
    /// The topic read from, or written to.
    pub topic: String,
    /// Records moved.
    pub records: u64,
    /// Bytes written to the bucket.
    pub bytes: Option<u64>,
    /// Segments written.
    pub segments: Option<u64>,
    /// Offsets left to do. In a backup also those that open transactions hold back.
    pub lag_records: Option<u64>,
    /// Offsets that no reader of committed records gets yet, because a transaction is open. A part of the lag.
    pub held_by_transactions: Option<u64>,
    /// Partitions with something left to do.
    pub partitions_behind: u64,
    /// Stretches that retention deleted before they were read.
    pub gaps: u64,
    /// Offsets in them.
    pub gap_records: u64,
    /// Errors: partitions that failed, or the topic as a whole.
    pub errors: u64,
}

/// An invocation in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvocationMetrics {
    /// Whether nothing failed.
    pub succeeded: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: Millis,
    /// Errors that belong to no topic.
    pub errors: u64,
    /// Each topic that it looked after.
    pub topics: Vec<TopicMetrics>,
}

/// CloudWatch's namespace of them all.
const NAMESPACE: &str = "KafkaBackup";

impl InvocationMetrics {
    /// Says the numbers in the log, as `backup report` or `restore report` (the alarms on Azure read these lines): one line for each topic, and one
    /// without a topic for what belongs to none.
    pub fn log(&self, function: &str) {
        let what = function.trim_end_matches("-batch");
        for one in &self.topics {
            tracing::info!(
                function,
                topic = one.topic,
                records = one.records,
                bytes = one.bytes,
                segments = one.segments,
                lag_records = one.lag_records,
                held_by_transactions = one.held_by_transactions,
                gaps = one.gaps,
                errors = one.errors,
                succeeded = one.errors == 0,
                duration_ms = self.duration_ms,
                "{what} report"
            );
        }
        if self.topics.is_empty() || self.errors > 0 {
            let succeeded = self.succeeded;
            tracing::info!(
                function,
                records = 0,
                segments = 0,
                gaps = 0,
                errors = self.errors,
                succeeded,
                duration_ms = self.duration_ms,
                "{what} report"
            );
        }
    }

    /// The lines of CloudWatch's [embedded metric format]: one for the invocation, by function, and one for each topic, by function and by
    /// function and topic. Each is a JSON object without a line break.
    ///
    /// A sum over a function is that of its topics; the largest LagRecords of a function is that of its slowest topic, as far as one shard sees it.
    ///
    /// [embedded metric format]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    pub fn embedded(&self, function: &str, request_id: &str, now: Millis) -> Vec<String> {
        let succeeded = u64::from(self.succeeded);
        let duration = u64::try_from(self.duration_ms).unwrap_or(0);
        let of_all = [("Succeeded", "Count", succeeded), ("DurationMs", "Milliseconds", duration), ("Errors", "Count", self.errors)];
        let mut lines = vec![Embedded { now, function, request_id, topic: None }.line(&of_all)];
        for one in &self.topics {
            let known = [
                ("Bytes", "Bytes", one.bytes),
                ("Segments", "Count", one.segments),
                ("LagRecords", "Count", one.lag_records),
                ("HeldByTransactions", "Count", one.held_by_transactions),
            ];
            let mut of_topic = vec![
                ("Records", "Count", one.records),
                ("PartitionsBehind", "Count", one.partitions_behind),
                ("Gaps", "Count", one.gaps),
                ("GapRecords", "Count", one.gap_records),
                ("Errors", "Count", one.errors),
            ];
            of_topic.extend(known.into_iter().filter_map(|(name, unit, value)| Some((name, unit, value?))));
            lines.push(Embedded { now, function, request_id, topic: Some(&one.topic) }.line(&of_topic));
        }
        lines
    }
}

/// One line of the embedded metric format, without its metrics.
struct Embedded<'a> {
    now: Millis,
    function: &'a str,
    request_id: &'a str,
    topic: Option<&'a str>,
}

impl Embedded<'_> {
    fn line(&self, metrics: &[(&str, &str, u64)]) -> String {
        let dimensions = if self.topic.is_some() { json!([["Function"], ["Function", "Topic"]]) } else { json!([["Function"]]) };
        let definitions: Vec<Value> = metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions});
        line.insert("_aws".into(), json!({"Timestamp": self.now, "CloudWatchMetrics": [directive]}));
        line.insert("Function".into(), self.function.into());
        if let Some(topic) = self.topic {
            line.insert("Topic".into(), topic.into());
        }
        line.insert("requestId".into(), self.request_id.into());
        line.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), (*value).into())));
        Value::Object(line).to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn metrics() -> InvocationMetrics {
        let orders = TopicMetrics { topic: "orders".into(), records: 7, bytes: Some(70), lag_records: Some(0), ..TopicMetrics::default() };
        InvocationMetrics { succeeded: true, duration_ms: 12, errors: 0, topics: vec![orders] }
    }

    /// What CloudWatch's specification asks of a line: every metric and every dimension is a member at the root, of the right type.
    #[test]
    fn embedded_lines_hold_what_they_declare() {
        let lines = metrics().embedded("my-backup", "id-1", 1_700_000_000_000);
        assert_eq!(lines.len(), 2);
        for line in &lines {
            assert!(!line.contains('\n'));
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!((&line["_aws"]["Timestamp"], &line["requestId"]), (&json!(1_700_000_000_000_u64), &json!("id-1")));
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            assert_eq!(directive["Namespace"], "KafkaBackup");
            for metric in directive["Metrics"].as_array().unwrap() {
                assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{metric}: {line}");
            }
            for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}: {line}");
            }
        }
        let of_topic: Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!((&of_topic["Topic"], &of_topic["Records"], &of_topic["LagRecords"]), (&json!("orders"), &json!(7), &json!(0)));
        assert_eq!(of_topic["Segments"], Value::Null, "what is not known is not a zero");
    }
}
