//! An invocation in numbers, for the log of every platform, and for CloudWatch as an embedded
//! metric.

use std::cmp::Reverse;

use kernel::clock::Millis;
use serde_json::{Map, Value, json};

use crate::VERSION;

/// What an invocation did for one topic, and what is left. A number that a function cannot know is
/// absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicMetrics {
    /// The topic read from, or written to.
    pub topic: String,
    /// Records read or written.
    pub records: u64,
    /// Bytes written to the bucket.
    pub bytes: Option<u64>,
    /// Segments written.
    pub segments: Option<u64>,
    /// Offsets left to do. In a backup this includes those that open transactions hold back.
    pub lag_records: Option<u64>,
    /// Offsets that are not yet readable for consumers of committed records, because of an open
    /// transaction. Part of the lag.
    pub held_by_transactions: Option<u64>,
    /// Partitions with something left to do.
    pub partitions_behind: u64,
    /// Offset ranges that retention deleted before they were read.
    pub gaps: u64,
    /// Offsets in them.
    pub gap_records: u64,
    /// Errors: partitions that failed, or the topic as a whole.
    pub errors: u64,
}

impl TopicMetrics {
    /// Adds the numbers of another topic, or of a part of this one.
    fn add(&mut self, other: &Self) {
        let sum = |one: Option<u64>, other: Option<u64>| one.map_or(other, |one| Some(one + other.unwrap_or(0)));
        self.records += other.records;
        self.bytes = sum(self.bytes, other.bytes);
        self.segments = sum(self.segments, other.segments);
        self.lag_records = sum(self.lag_records, other.lag_records);
        self.held_by_transactions = sum(self.held_by_transactions, other.held_by_transactions);
        self.partitions_behind += other.partitions_behind;
        self.gaps += other.gaps;
        self.gap_records += other.gap_records;
        self.errors += other.errors;
    }

    /// The metrics of one topic or of a sum, for CloudWatch.
    fn embedded(&self) -> Vec<Metric> {
        let known = [
            ("Bytes", "Bytes", self.bytes),
            ("Segments", "Count", self.segments),
            ("LagRecords", "Count", self.lag_records),
            ("HeldByTransactions", "Count", self.held_by_transactions),
        ];
        let mut metrics = vec![
            ("Records", "Count", self.records),
            ("PartitionsBehind", "Count", self.partitions_behind),
            ("Gaps", "Count", self.gaps),
            ("GapRecords", "Count", self.gap_records),
            ("Errors", "Count", self.errors),
        ];
        metrics.extend(known.into_iter().filter_map(|(name, unit, value)| Some((name, unit, value?))));
        metrics
    }
}

/// What a function did and what is left, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkMetrics {
    /// The topics that it processed.
    pub topics: Vec<TopicMetrics>,
    /// How many topics have their own metrics; `None`: all. The sums always include all.
    pub most_topics: Option<usize>,
    /// The recovery point of the oldest partition, in seconds.
    pub recovery_point_seconds: Option<u64>,
    /// The age of the newest snapshot of the cluster, in seconds.
    pub snapshot_age_seconds: Option<u64>,
    /// Throttled responses of the bucket's service; `None` if there were none.
    pub throttled: Option<u64>,
    /// For a restore with an end: what is left for all its shards.
    pub left: Option<RestoreLeft>,
}

/// What is left of a restore with an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreLeft {
    /// Partitions that are not at their cuts.
    pub partitions: u64,
    /// Source offsets up to their cuts. An upper bound: the progress of other shards in an
    /// unfinished partition is unknown.
    pub offsets: u64,
    /// Whether this invocation found that nothing is left. Exactly one of all invocations does.
    pub has_finished: bool,
}

impl WorkMetrics {
    /// The topics with their own metrics. If there are too many: those with errors or gaps first,
    /// then those with the largest lag.
    fn own(&self) -> Vec<&TopicMetrics> {
        let mut topics: Vec<&TopicMetrics> = self.topics.iter().collect();
        if let Some(most) = self.most_topics.filter(|most| *most < topics.len()) {
            topics.sort_by_key(|one| Reverse((one.errors + one.gaps > 0, one.lag_records)));
            topics.truncate(most);
        }
        topics
    }

    /// The sum of all topics.
    fn sum(&self) -> TopicMetrics {
        let mut sum = TopicMetrics::default();
        self.topics.iter().for_each(|topic| sum.add(topic));
        sum
    }
}

/// An invocation in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InvocationMetrics {
    /// Whether nothing failed.
    pub succeeded: bool,
    /// Duration in milliseconds.
    pub duration_ms: Millis,
    /// Errors that belong to no topic.
    pub errors: u64,
    /// The shard: `0/4`, or `all`. Absent if the event names a topic or partition.
    pub shard: Option<String>,
    /// What it did.
    pub work: WorkMetrics,
}

/// CloudWatch's namespace of all metrics.
const NAMESPACE: &str = "KafkaBackup";

/// Name, unit and value.
type Metric = (&'static str, &'static str, u64);

impl InvocationMetrics {
    /// Logs the numbers (the alarms on Azure read these lines). `backup report` or `restore
    /// report`: one line for each topic, and one without a topic for what belongs to none. `backup
    /// summary` or `restore summary`: the invocation as a whole.
    ///
    /// Each topic has its line, however many have metrics: a topic without a line would be missing
    /// in silence.
    pub fn log(&self, function: &str) {
        let what = function.trim_end_matches("-batch");
        let Self { succeeded, duration_ms, errors, shard, work } = self;
        for one in &work.topics {
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
                duration_ms,
                "{what} report"
            );
        }
        if work.topics.is_empty() || *errors > 0 {
            tracing::info!(function, records = 0, segments = 0, gaps = 0, errors, succeeded, duration_ms, "{what} report");
        }
        let sum = work.sum();
        tracing::info!(
            function,
            version = VERSION,
            shard,
            topics = work.topics.len(),
            records = sum.records,
            bytes = sum.bytes,
            segments = sum.segments,
            lag_records = sum.lag_records,
            held_by_transactions = sum.held_by_transactions,
            recovery_point_seconds = work.recovery_point_seconds,
            snapshot_age_seconds = work.snapshot_age_seconds,
            throttled = work.throttled,
            partitions_left = work.left.map(|left| left.partitions),
            offsets_left = work.left.map(|left| left.offsets),
            finished = work.left.map(|left| left.has_finished),
            partitions_behind = sum.partitions_behind,
            gaps = sum.gaps,
            gap_records = sum.gap_records,
            errors = sum.errors + errors,
            succeeded,
            duration_ms,
            "{what} summary"
        );
    }

    /// The lines of CloudWatch's [embedded metric format]: one for the invocation, by function and,
    /// in part, by function and shard; then one for each topic with its own metrics, by function
    /// and topic. Each is a JSON object without a line break.
    ///
    /// The numbers of the invocation are sums over all topics, including those without their own
    /// metrics.
    ///
    /// [embedded metric format]:
    /// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    pub fn embedded(&self, function: &str, request_id: &str, now: Millis) -> Vec<String> {
        let line = Embedded { now, function, request_id };
        let (by_function, by_shard): (Vec<Metric>, Vec<Metric>) =
            self.metrics().into_iter().partition(|(name, ..)| self.shard.is_none() || !BY_SHARD.contains(name));
        let mut lines = vec![line.write(
            self.shard.as_deref().map(|shard| ("Shard", shard)),
            &[(json!([["Function"]]), by_function), (json!([["Function"], ["Function", "Shard"]]), by_shard)],
        )];
        for one in self.work.own() {
            lines.push(line.write(Some(("Topic", &one.topic)), &[(json!([["Function", "Topic"]]), one.embedded())]));
        }
        lines
    }

    /// The metrics of the invocation as a whole.
    fn metrics(&self) -> Vec<Metric> {
        let mut sum = self.work.sum();
        sum.errors += self.errors;
        let known = [("RecoveryPointSeconds", self.work.recovery_point_seconds), ("SnapshotAgeSeconds", self.work.snapshot_age_seconds)];
        let mut metrics = vec![
            ("Succeeded", "Count", u64::from(self.succeeded)),
            ("DurationMs", "Milliseconds", u64::try_from(self.duration_ms).unwrap_or(0)),
        ];
        metrics.extend(known.into_iter().filter_map(|(name, value)| Some((name, "Seconds", value?))));
        metrics.extend(self.work.throttled.map(|answers| ("StoreThrottled", "Count", answers)));
        if let Some(RestoreLeft { partitions, offsets, has_finished }) = self.work.left {
            let left = [("PartitionsLeft", partitions), ("OffsetsLeft", offsets), ("Finished", u64::from(has_finished))];
            metrics.extend(left.map(|(name, value)| (name, "Count", value)));
        }
        // Without a topic, a sum of records means nothing.
        metrics.extend(sum.embedded().into_iter().filter(|(name, ..)| *name == "Errors" || !self.work.topics.is_empty()));
        metrics
    }
}

/// The metrics of a shard: CloudWatch bills each of them per shard. Only one shard takes snapshots.
const BY_SHARD: [&str; 5] = ["Succeeded", "DurationMs", "Errors", "RecoveryPointSeconds", "HeldByTransactions"];

/// What all lines of an invocation have in common.
struct Embedded<'a> {
    now: Millis,
    function: &'a str,
    request_id: &'a str,
}

impl Embedded<'_> {
    /// A line of metrics, each group with its sets of dimensions. `dimension` is in addition to the
    /// function.
    fn write(&self, dimension: Option<(&str, &str)>, groups: &[(Value, Vec<Metric>)]) -> String {
        let directive = |(dimensions, metrics): &(Value, Vec<Metric>)| {
            let definitions: Vec<Value> = metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
            json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions})
        };
        let directives: Vec<Value> = groups.iter().filter(|(_, metrics)| !metrics.is_empty()).map(directive).collect();
        let mut line = Map::new();
        line.insert("_aws".into(), json!({"Timestamp": self.now, "CloudWatchMetrics": directives}));
        line.insert("Function".into(), self.function.into());
        line.extend(dimension.map(|(name, value)| (name.to_owned(), value.into())));
        line.insert("requestId".into(), self.request_id.into());
        line.insert("version".into(), VERSION.into()); // no dimension: each one would be billed
        let values = groups.iter().flat_map(|(_, metrics)| metrics);
        line.extend(values.map(|(name, _, value)| ((*name).to_owned(), (*value).into())));
        Value::Object(line).to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn topic(name: &str, lag: u64) -> TopicMetrics {
        TopicMetrics { topic: name.into(), records: 7, bytes: Some(70), lag_records: Some(lag), ..TopicMetrics::default() }
    }

    fn metrics() -> InvocationMetrics {
        let work = WorkMetrics {
            topics: vec![topic("orders", 0), topic("payments", 4)],
            recovery_point_seconds: Some(41),
            ..WorkMetrics::default()
        };
        InvocationMetrics { succeeded: true, duration_ms: 12, errors: 0, shard: Some("0/4".into()), work }
    }

    fn embedded(metrics: &InvocationMetrics) -> Vec<Value> {
        let lines = metrics.embedded("my-backup", "id-1", 1_700_000_000_000);
        assert!(lines.iter().all(|line| !line.contains('\n')));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The names of the metrics in each set of dimensions.
    fn names(line: &Value, dimensions: &Value) -> Vec<String> {
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter();
        let of_set = directives.filter(|directive| directive["Dimensions"].as_array().unwrap().contains(dimensions));
        of_set.flat_map(|one| one["Metrics"].as_array().unwrap()).map(|metric| metric["Name"].as_str().unwrap().to_owned()).collect()
    }

    /// What CloudWatch's specification asks of a line: every metric and every dimension is a member
    /// at the root, of the right type.
    #[test]
    fn embedded_lines_hold_what_they_declare() {
        let lines = embedded(&metrics());
        assert_eq!(lines.len(), 3);
        for line in &lines {
            assert_eq!((&line["_aws"]["Timestamp"], &line["requestId"]), (&json!(1_700_000_000_000_u64), &json!("id-1")));
            assert_eq!(line["version"], VERSION);
            for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
                assert_eq!(directive["Namespace"], "KafkaBackup");
                assert!(!directive["Metrics"].as_array().unwrap().is_empty(), "{line}");
                for metric in directive["Metrics"].as_array().unwrap() {
                    assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{metric}: {line}");
                }
                for dimension in directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
                    assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}: {line}");
                }
            }
        }
        assert_eq!((&lines[1]["Topic"], &lines[1]["Records"], &lines[1]["LagRecords"]), (&json!("orders"), &json!(7), &json!(0)));
        assert_eq!(lines[1]["Segments"], Value::Null, "what is not known is not a zero");
    }

    #[test]
    fn what_is_left_of_a_restore_is_told_and_its_end_once() {
        let left = RestoreLeft { partitions: 3, offsets: 70, has_finished: false };
        let work = WorkMetrics { left: Some(left), ..WorkMetrics::default() };
        let line = &embedded(&InvocationMetrics { work, ..metrics() })[0];
        assert_eq!((&line["PartitionsLeft"], &line["OffsetsLeft"], &line["Finished"]), (&json!(3), &json!(70), &json!(0)));
        assert!(embedded(&metrics())[0]["PartitionsLeft"].is_null(), "a restore without an end has none");
    }

    /// A metric is billed for each month in which it occurs: only if the store throttles.
    #[test]
    fn throttling_is_a_metric_only_when_it_happened() {
        let work = WorkMetrics { throttled: Some(12), ..metrics().work };
        let line = &embedded(&InvocationMetrics { work, ..metrics() })[0];
        assert_eq!(line["StoreThrottled"], 12);
        assert_eq!(names(line, &json!(["Function"])).iter().filter(|name| *name == "StoreThrottled").count(), 1);
        assert!(!names(line, &json!(["Function", "Shard"])).iter().any(|name| name == "StoreThrottled"));
        assert!(!metrics().embedded("my-backup", "id-1", 0).iter().any(|line| line.contains("StoreThrottled")));
    }

    #[test]
    fn a_shard_has_its_own_numbers_and_an_event_for_a_topic_none() {
        let shards = json!(["Function", "Shard"]);
        let line = &embedded(&metrics())[0];
        assert_eq!((&line["Shard"], &line["RecoveryPointSeconds"], &line["Records"]), (&json!("0/4"), &json!(41), &json!(14)));
        assert_eq!(names(line, &shards), ["Succeeded", "DurationMs", "RecoveryPointSeconds", "Errors"]);
        assert!(names(line, &json!(["Function"])).iter().any(|name| name == "RecoveryPointSeconds"), "{line}");
        let line = &embedded(&InvocationMetrics { shard: None, ..metrics() })[0];
        assert!(names(line, &shards).is_empty() && line["Shard"].is_null() && line["RecoveryPointSeconds"] == 41, "{line}");
    }

    /// Each metric of a topic is billed for each month; the sum is of all.
    #[test]
    fn some_topics_have_metrics_of_their_own_and_all_are_in_the_sum() {
        let gap = TopicMetrics { gaps: 1, ..topic("gap", 0) };
        let failed = TopicMetrics { errors: 1, lag_records: None, ..topic("failed", 0) };
        let topics = vec![topic("idle", 0), topic("late", 9), gap, topic("later", 90), failed];
        let shown = |most_topics| {
            let work = WorkMetrics { topics: topics.clone(), most_topics, ..WorkMetrics::default() };
            let lines = embedded(&InvocationMetrics { work, errors: 2, ..metrics() });
            let sum = ["Records", "LagRecords", "Gaps", "Errors"].map(|name| lines[0][name].as_u64().unwrap());
            assert_eq!(sum, [35, 99, 1, 3], "{most_topics:?}");
            lines[1..].iter().map(|line| line["Topic"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(Some(3)), ["gap", "failed", "later"]);
        assert_eq!(shown(Some(0)), [""; 0]);
        assert_eq!(shown(Some(5)), shown(None));
        assert_eq!(shown(None), ["idle", "late", "gap", "later", "failed"]);
    }

    /// A function that failed before it checked a topic did not back up nothing: its work is
    /// unknown.
    #[test]
    fn an_invocation_without_topics_has_no_sums() {
        let lines = embedded(&InvocationMetrics { errors: 1, ..InvocationMetrics::default() });
        assert_eq!((lines.len(), &lines[0]["Errors"], &lines[0]["Succeeded"]), (1, &json!(1), &json!(0)));
        assert!(lines[0]["Records"].is_null() && lines[0]["LagRecords"].is_null(), "{lines:?}");
    }
}
