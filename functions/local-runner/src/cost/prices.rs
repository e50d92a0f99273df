//! The prices and assumptions of `data/prices-2026-09.json`.

use anyhow::{Context, Result};
use serde::Deserialize;

const FILE: &str = include_str!("../../data/prices-2026-09.json");

/// The file.
#[derive(Debug, Deserialize)]
pub(super) struct Prices {
    /// The month of the prices: 2026-09.
    pub(super) date: String,
    pub(super) currency: String,
    pub(super) aws: PriceList,
    pub(super) azure: PriceList,
    #[serde(rename = "model")]
    pub(super) assumptions: Assumptions,
}

/// The list prices of a platform. An absent price is not billed.
#[derive(Debug, Deserialize)]
pub(super) struct PriceList {
    pub(super) region: String,
    pub(super) compute_gb_second: Price,
    pub(super) invocations_million: Price,
    pub(super) writes_thousand: Price,
    pub(super) reads_thousand: Price,
    pub(super) storage_gb_month: Price,
    pub(super) traffic_gb: Price,
    pub(super) alarm_month: Price,
    /// Alarms that the module creates for a backup.
    pub(super) alarms: f64,
    /// Additional alarms for each shard.
    #[serde(default)]
    pub(super) alarms_per_shard: f64,
    #[serde(default)]
    pub(super) metric_alarm_month: Price,
    /// Additional metric alarms.
    #[serde(default)]
    pub(super) metric_alarms: f64,
    #[serde(default)]
    pub(super) dashboard_month: Price,
    #[serde(default)]
    pub(super) metric_month: Price,
    #[serde(default)]
    pub(super) key_month: Price,
    #[serde(default)]
    pub(super) log_gb: Price,
    /// Monitoring that the platform does not bill.
    pub(super) free: FreeMonitoring,
    pub(super) uploads: Uploads,
}

/// Free monitoring of an account in a month. Other programs in the account share it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct FreeMonitoring {
    #[serde(default)]
    pub(super) metrics: f64,
    #[serde(default)]
    pub(super) alarms: f64,
    #[serde(default)]
    pub(super) dashboards: f64,
    #[serde(default)]
    pub(super) log_gb: f64,
}

/// How large objects are uploaded to the platform's store.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Uploads {
    /// Up to this size, one request is enough.
    pub(super) largest_single_bytes: f64,
    /// Size of the parts of a larger object.
    pub(super) part_bytes: f64,
    /// Requests before the parts.
    pub(super) requests_to_begin: f64,
}

/// A price in the file's currency.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Price {
    pub(super) price: f64,
    /// The billed unit.
    pub(super) what: String,
    /// Whether it was checked against the platform's price list.
    pub(super) checked: bool,
}

/// The assumptions of an estimate. Bytes are decimal: 1 GB is 10^9.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Assumptions {
    /// Days of a month.
    pub(super) days: f64,
    /// From the start of an invocation to the start of the next.
    pub(super) interval_seconds: f64,
    pub(super) record_bytes: f64,
    /// NUMBER_OF_MESSAGE_PER_BACKUP_FILE.
    pub(super) records_per_segment: f64,
    /// Size of a segment divided by that of its records: 0.25 is a quarter.
    pub(super) stored_part: f64,
    pub(super) kept_days: f64,
    /// Part of the records that is read from a broker in another zone.
    pub(super) other_zone_part: f64,
    /// Time limit of an invocation: a function has 15 minutes.
    pub(super) longest_run_seconds: f64,
    /// Until the first record: start, connection, metadata.
    pub(super) seconds_per_run: f64,
    pub(super) seconds_per_segment: f64,
    /// Bytes of records read per second, in one invocation.
    pub(super) bytes_per_second: f64,
    /// The segment and its checksum.
    pub(super) writes_per_segment: f64,
    pub(super) metrics_per_function: f64,
    pub(super) metrics_per_shard: f64,
    pub(super) metrics_per_topic: f64,
    /// METRICS_MAX_TOPICS; 0 is the default of the Terraform module.
    pub(super) metrics_max_topics: f64,
    /// 0 is the default of the Terraform module.
    pub(super) dashboards: f64,
    pub(super) log_bytes_per_run: f64,
    pub(super) aws_memory_gb: f64,
    pub(super) azure_memory_gb: f64,
    /// Workloads of growing size.
    pub(super) examples: Vec<Workload>,
}

/// A workload.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Workload {
    pub(super) gb_per_day: f64,
    pub(super) topics: f64,
    pub(super) partitions: f64,
    /// Parallel invocations, each for a part of the partitions.
    pub(super) shards: f64,
}

impl Prices {
    pub(super) fn read() -> Result<Self> {
        serde_json::from_str(FILE).context("the embedded price list is invalid")
    }
}

impl PriceList {
    /// The units whose prices were not checked.
    pub(super) fn unchecked(&self) -> Vec<&str> {
        let all = [
            &self.compute_gb_second,
            &self.invocations_million,
            &self.writes_thousand,
            &self.reads_thousand,
            &self.storage_gb_month,
            &self.traffic_gb,
            &self.alarm_month,
            &self.metric_alarm_month,
            &self.dashboard_month,
            &self.metric_month,
            &self.key_month,
            &self.log_gb,
        ];
        all.into_iter().filter(|price| price.price > 0.0 && !price.checked).map(|price| price.what.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use telemetry::{InvocationMetrics, TopicMetrics, WorkMetrics};

    use super::*;

    /// CloudWatch bills each metric for each set of dimensions.
    #[test]
    fn as_many_metrics_are_counted_as_a_backup_has() {
        let known = Some(0);
        let topic =
            TopicMetrics { bytes: known, segments: known, lag_records: known, held_by_transactions: known, ..TopicMetrics::default() };
        let work =
            WorkMetrics { topics: vec![topic], recovery_point_seconds: known, snapshot_age_seconds: known, ..WorkMetrics::default() };
        let lines = InvocationMetrics { shard: Some("0/1".into()), work, ..InvocationMetrics::default() }.embedded("backup", "1", 0);
        let mut metrics = BTreeSet::new();
        for line in lines {
            let line: Value = serde_json::from_str(&line).expect("a line of JSON");
            for directive in line["_aws"]["CloudWatchMetrics"].as_array().expect("a list") {
                let items = |what: &str| directive[what].as_array().expect("a list").clone();
                for dimensions in items("Dimensions") {
                    metrics.extend(items("Metrics").iter().map(|metric| (dimensions.to_string(), metric["Name"].to_string())));
                }
            }
        }
        let counted = |dimensions: &str| metrics.iter().filter(|(of, _)| of == dimensions).count() as f64;
        let assumed = Prices::read().expect("prices").assumptions;
        assert_eq!(assumed.metrics_per_function, counted(r#"["Function"]"#), "{metrics:?}");
        assert_eq!(assumed.metrics_per_shard, counted(r#"["Function","Shard"]"#), "{metrics:?}");
        assert_eq!(assumed.metrics_per_topic, counted(r#"["Function","Topic"]"#), "{metrics:?}");
    }

    #[test]
    fn topics_and_dashboard_are_watched_as_the_module_does_by_default() {
        let module = |file: &str| {
            std::fs::read_to_string(format!("{}/../../infra/terraform/modules/aws/{file}", env!("CARGO_MANIFEST_DIR"))).expect(file)
        };
        let assumed = Prices::read().expect("prices").assumptions;
        let variables = module("variables.tf");
        let topics = format!("metrics_max_topics      = optional(number, {})", assumed.metrics_max_topics);
        assert!(variables.contains(&topics), "{topics}");
        let alarms = module("variables-alarms.tf");
        let (_, dashboard) = alarms.split_once("variable \"dashboard\"").expect("a variable");
        assert_eq!(dashboard.contains("default     = false"), assumed.dashboards == 0.0, "{dashboard}");
    }

    #[test]
    fn uploads_are_those_of_the_stores() {
        let source =
            |file: &str| std::fs::read_to_string(format!("{}/../../shared/store/src/{file}", env!("CARGO_MANIFEST_DIR"))).expect(file);
        let mib = |bytes: f64| format!("{} << 20", bytes / f64::from(1 << 20));
        let Prices { aws, azure, .. } = Prices::read().expect("prices");
        let s3 = format!("largest_single: {}, part: {}", mib(aws.uploads.largest_single_bytes), mib(aws.uploads.part_bytes));
        assert!(source("s3/multipart.rs").contains(&s3), "{s3}");
        for (name, bytes) in [("ONE_REQUEST", azure.uploads.largest_single_bytes), ("BLOCK", azure.uploads.part_bytes)] {
            let line = format!("const {name}: usize = {};", mib(bytes));
            assert!(source("azure/upload.rs").contains(&line), "{line}");
        }
    }
}
