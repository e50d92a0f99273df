//! `local-runner cost`: the monthly cost of backups on each platform.
//!
//! | file | what it does |
//! |---|---|
//! | `prices.rs` | the file of prices and assumptions, with its date |
//! | `model.rs` | workload → bill |
//! | `objects.rs` | the cost of the number of objects |
//! | `docs.rs` | a test: the docs have the tables that this command prints |

#[cfg(test)]
mod docs;
mod model;
mod objects;
mod prices;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::output::{Output, counted, table};
use model::{Bill, Load};
use objects::Objects;
use prices::{Assumptions, Prices, Workload};

const HEADINGS: [&str; 10] = [
    "per day",
    "platform",
    "compute",
    "requests",
    "storage",
    "cross-zone traffic",
    "monitoring (metrics, logs, alarms, key)",
    "per month",
    "largest part",
    "monitoring with the free tier",
];

/// The workload. Absent options are as in the assumptions of the price list, which the command
/// prints.
#[derive(Debug, Args)]
pub struct CostArgs {
    /// Records per day, in GB (10^9 bytes) before compression
    #[arg(long, value_name = "GB", value_parser = positive)]
    gb_per_day: Option<f64>,
    /// The platform
    #[arg(long, value_enum, default_value_t = PlatformArg::Both)]
    platform: PlatformArg,
    /// Topics [default: those of the next larger example; the same for partitions and shards]
    #[arg(long, value_parser = positive)]
    topics: Option<f64>,
    /// Partitions of all topics together
    #[arg(long, value_parser = positive)]
    partitions: Option<f64>,
    /// Parallel invocations, each for a part of the partitions
    #[arg(long, value_parser = positive)]
    shards: Option<f64>,
    /// Seconds from one invocation to the next
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    interval: Option<f64>,
    /// Size of a record, in bytes
    #[arg(long, value_name = "BYTES", value_parser = positive)]
    record_bytes: Option<f64>,
    /// NUMBER_OF_MESSAGE_PER_BACKUP_FILE
    #[arg(long, value_name = "RECORDS", value_parser = positive)]
    records_per_segment: Option<f64>,
    /// Size of a segment divided by that of its records: 0.25 is a quarter
    #[arg(long, value_name = "PART", value_parser = positive)]
    stored_part: Option<f64>,
    /// Days until a segment is deleted
    #[arg(long, value_name = "DAYS", value_parser = positive)]
    keep_days: Option<f64>,
    /// Part of the records that is read from a broker in another zone: 0 with rack-aware fetching
    /// (client.rack)
    #[arg(long, value_name = "PART", value_parser = part)]
    other_zone_part: Option<f64>,
    /// Topics with CloudWatch metrics of their own (METRICS_MAX_TOPICS) [default: 0, as in the
    /// Terraform module]
    #[arg(long, value_name = "TOPICS", value_parser = not_negative)]
    metrics_max_topics: Option<f64>,
    /// Include a CloudWatch dashboard
    #[arg(long)]
    dashboard: bool,
    /// Memory of a function, in GB
    #[arg(long, value_name = "GB", value_parser = positive)]
    memory: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlatformArg {
    Aws,
    Azure,
    Both,
}

/// The monthly cost on one platform, in the currency of the price list.
#[derive(Debug, Serialize)]
struct Estimate {
    platform: &'static str,
    prices_of: String,
    currency: String,
    gb_per_day: f64,
    topics: f64,
    partitions: f64,
    shards: f64,
    compute: f64,
    requests: f64,
    storage: f64,
    traffic: f64,
    monitoring: f64,
    monitoring_with_free_tier: f64,
    total: f64,
    dominates: &'static str,
    dominating_part: f64,
    /// The objects for this NUMBER_OF_MESSAGE_PER_BACKUP_FILE, and for others.
    objects: Vec<Objects>,
}

/// Prints the estimates.
pub(crate) fn run(args: &CostArgs, output: &Output) -> Result<bool> {
    let prices = Prices::read()?;
    let (estimates, assumed) = (estimates(args, &prices)?, args.assumptions(&prices));
    if output.is_json() {
        estimates.iter().for_each(|estimate| output.result(estimate, |_| String::new()));
    } else {
        output.result(&estimates, |estimates| table(HEADINGS, estimates.iter().map(Estimate::row)));
        output.answer(&format!("\n{}", table(objects::HEADINGS, estimates.iter().flat_map(Estimate::object_rows))));
        output.say(&notes(args.platform, &prices, &assumed));
    }
    Ok(true)
}

fn estimates(args: &CostArgs, prices: &Prices) -> Result<Vec<Estimate>> {
    let assumed = args.assumptions(prices);
    let mut estimates = Vec::new();
    for workload in args.workloads(&prices.assumptions) {
        let load = Load::of(&workload, &assumed);
        let shards = load.shards_needed(&workload, &assumed);
        if assumed.seconds_per_run >= assumed.interval_seconds || workload.shards < shards {
            bail!(
                "{} GB per day is too much for {} and one invocation every {} seconds: use --shards {} or more, or a longer --interval",
                workload.gb_per_day,
                counted(workload.shards, "shard"),
                assumed.interval_seconds,
                shards.max(workload.shards + 1.0)
            );
        }
        for (name, platform, list, memory_gb) in [
            ("AWS", PlatformArg::Aws, &prices.aws, assumed.aws_memory_gb),
            ("Azure", PlatformArg::Azure, &prices.azure, assumed.azure_memory_gb),
        ] {
            if args.platform == platform || args.platform == PlatformArg::Both {
                let objects = Objects::compared(&workload, &assumed, list);
                estimates.push(Estimate::new(name, prices, &workload, Bill::of(&load, &workload, memory_gb, &assumed, list), objects));
            }
        }
    }
    Ok(estimates)
}

impl CostArgs {
    fn assumptions(&self, prices: &Prices) -> Assumptions {
        let file = prices.assumptions.clone();
        Assumptions {
            interval_seconds: self.interval.unwrap_or(file.interval_seconds),
            record_bytes: self.record_bytes.unwrap_or(file.record_bytes),
            records_per_segment: self.records_per_segment.unwrap_or(file.records_per_segment),
            stored_part: self.stored_part.unwrap_or(file.stored_part),
            kept_days: self.keep_days.unwrap_or(file.kept_days),
            other_zone_part: self.other_zone_part.unwrap_or(file.other_zone_part),
            metrics_max_topics: self.metrics_max_topics.unwrap_or(file.metrics_max_topics),
            dashboards: if self.dashboard { 1.0 } else { file.dashboards },
            aws_memory_gb: self.memory.unwrap_or(file.aws_memory_gb),
            azure_memory_gb: self.memory.unwrap_or(file.azure_memory_gb),
            ..file
        }
    }

    /// The examples, or the workload of the options.
    fn workloads(&self, file: &Assumptions) -> Vec<Workload> {
        let as_given = |example: &Workload| Workload {
            gb_per_day: self.gb_per_day.unwrap_or(example.gb_per_day),
            topics: self.topics.unwrap_or(example.topics),
            partitions: self.partitions.unwrap_or(example.partitions),
            shards: self.shards.unwrap_or(example.shards),
        };
        match self.gb_per_day {
            None => file.examples.iter().map(as_given).collect(),
            Some(gb) => {
                let similar = file.examples.iter().find(|example| example.gb_per_day >= gb).or(file.examples.last());
                similar.map(as_given).into_iter().collect()
            }
        }
    }
}

impl Estimate {
    fn new(platform: &'static str, prices: &Prices, workload: &Workload, bill: Bill, objects: Vec<Objects>) -> Self {
        let (dominates, dominating_part) = bill.dominating();
        Self {
            platform,
            prices_of: prices.date.clone(),
            currency: prices.currency.clone(),
            gb_per_day: workload.gb_per_day,
            topics: workload.topics,
            partitions: workload.partitions,
            shards: workload.shards,
            compute: bill.compute,
            requests: bill.requests,
            storage: bill.storage,
            traffic: bill.traffic,
            monitoring: bill.monitoring,
            monitoring_with_free_tier: bill.monitoring_with_free_tier,
            total: bill.total(),
            dominates,
            dominating_part,
            objects,
        }
    }

    fn object_rows(&self) -> impl Iterator<Item = [String; objects::HEADINGS.len()]> {
        let Self { gb_per_day, topics, partitions, shards, .. } = *self;
        self.objects.iter().map(move |objects| objects.row(&Workload { gb_per_day, topics, partitions, shards }, self.platform))
    }

    fn row(&self) -> [String; HEADINGS.len()] {
        let money = |price: f64| format!("${price:.2}");
        let Self { gb_per_day, topics, partitions, shards, .. } = self;
        [
            format!("{gb_per_day} GB; topics: {topics}, partitions: {partitions}, shards: {shards}"),
            self.platform.to_owned(),
            money(self.compute),
            money(self.requests),
            money(self.storage),
            money(self.traffic),
            money(self.monitoring),
            money(self.total),
            format!("{}, {:.0} %", self.dominates, self.dominating_part * 100.0),
            money(self.monitoring_with_free_tier),
        ]
    }
}

/// The assumptions, for people.
fn notes(platform: PlatformArg, prices: &Prices, assumed: &Assumptions) -> String {
    let mut lines = vec![
        String::new(),
        format!(
            "List prices of {} in {}, without free tiers (except in the last column), discounts or taxes.",
            prices.date, prices.currency
        ),
    ];
    for (name, one, list, memory) in [
        ("AWS", PlatformArg::Aws, &prices.aws, assumed.aws_memory_gb),
        ("Azure", PlatformArg::Azure, &prices.azure, assumed.azure_memory_gb),
    ] {
        if platform == one || platform == PlatformArg::Both {
            lines.push(format!(
                "{name}: {}, {memory} GB of memory. Not checked against the price list: {}.",
                list.region,
                list.unchecked().join("; ")
            ));
        }
    }
    let Assumptions { days, interval_seconds, record_bytes, records_per_segment, stored_part, kept_days, other_zone_part, .. } = assumed;
    lines.push(format!(
        "Assumed: {days} days; one invocation every {interval_seconds} seconds; segments of at most {records_per_segment} records; \
         records of {record_bytes} bytes, stored in {stored_part} of their size for {kept_days} days; {other_zone_part} of them read \
         from another zone; {} bytes of records read per second.",
        assumed.bytes_per_second
    ));
    lines.push("Not included: restores, listing and reading the bucket, snapshots, schedules, secrets, endpoints, NAT, traces.".to_owned());
    lines.push(format!(
        "Monitoring as in the Terraform modules: {} topics with metrics of their own, {} dashboards. The last column applies if nothing else in \
         the account uses its free tier: {} metrics, {} alarms and {} GB of logs on AWS, {} GB of logs on Azure.",
        assumed.metrics_max_topics,
        assumed.dashboards,
        prices.aws.free.metrics,
        prices.aws.free.alarms,
        prices.aws.free.log_gb,
        prices.azure.free.log_gb
    ));
    lines.join("\n")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number >= 0.0).ok_or_else(|| "must be a number, 0 or more".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    number(text).filter(|number| *number > 0.0).ok_or_else(|| "must be a number above 0".to_owned())
}

fn part(text: &str) -> Result<f64, String> {
    number(text).filter(|number| (0.0..=1.0).contains(number)).ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}
