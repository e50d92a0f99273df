//! The monthly cost: a handful of multiplications.

use super::prices::{Assumptions, FreeMonitoring, Price, PriceList, Uploads, Workload};

/// The items of a monthly bill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bill {
    /// The functions: time, memory and invocations.
    pub(super) compute: f64,
    /// Writes to the bucket.
    pub(super) requests: f64,
    pub(super) storage: f64,
    /// Records read from a broker in another zone.
    pub(super) traffic: f64,
    /// Metrics, logs, alarms, dashboard and the key.
    pub(super) monitoring: f64,
    /// The same if nothing else in the account uses the platform's free tier. Not an item of the
    /// bill: it is the part of `monitoring` that is left then.
    pub(super) monitoring_with_free_tier: f64,
}

/// The work of the functions in a month.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// Of records.
    pub(super) bytes: f64,
    pub(super) invocations: f64,
    pub(super) segments: f64,
    /// Size of a segment as it is stored.
    pub(super) segment_bytes: f64,
    /// Of all invocations together.
    pub(super) seconds: f64,
}

impl Load {
    pub(super) fn of(workload: &Workload, assumed: &Assumptions) -> Self {
        let runs = assumed.days * 86_400.0 / assumed.interval_seconds;
        let invocations = runs * workload.shards;
        let bytes = workload.gb_per_day * 1e9 * assumed.days;
        let records = bytes / assumed.record_bytes / runs / workload.partitions; // of a partition, in a run
        let segments = runs * workload.partitions * records.min((records / assumed.records_per_segment).ceil());
        Self {
            bytes,
            invocations,
            segments,
            segment_bytes: bytes * assumed.stored_part / segments,
            seconds: invocations * assumed.seconds_per_run + segments * assumed.seconds_per_segment + bytes / assumed.bytes_per_second,
        }
    }

    /// Write requests. The last one of a multipart upload counts as the write of the segment.
    pub(super) fn writes(&self, assumed: &Assumptions, uploads: &Uploads) -> f64 {
        let is_single = self.segment_bytes <= uploads.largest_single_bytes;
        let upload = if is_single { 0.0 } else { uploads.requests_to_begin + (self.segment_bytes / uploads.part_bytes).ceil() };
        self.segments * (assumed.writes_per_segment + upload)
    }

    /// The number of shards that is enough: with fewer, the lag grows.
    pub(super) fn shards_needed(&self, workload: &Workload, assumed: &Assumptions) -> f64 {
        let starting = self.invocations * assumed.seconds_per_run;
        let runs = self.invocations / workload.shards;
        let reading = assumed.interval_seconds.min(assumed.longest_run_seconds) - assumed.seconds_per_run; // in one run, at the most
        ((self.seconds - starting) / (runs * reading)).ceil()
    }
}

impl Bill {
    /// `memory_gb`: memory of a function.
    pub(super) fn of(load: &Load, workload: &Workload, memory_gb: f64, assumed: &Assumptions, prices: &PriceList) -> Self {
        Self {
            compute: load.seconds * memory_gb * prices.compute_gb_second.price + load.invocations / 1e6 * prices.invocations_million.price,
            requests: load.writes(assumed, &prices.uploads) / 1000.0 * prices.writes_thousand.price,
            storage: workload.gb_per_day * assumed.kept_days * assumed.stored_part * prices.storage_gb_month.price,
            traffic: load.bytes / 1e9 * assumed.other_zone_part * prices.traffic_gb.price,
            monitoring: monitoring(load, workload, assumed, prices, &FreeMonitoring::default()),
            monitoring_with_free_tier: monitoring(load, workload, assumed, prices, &prices.free),
        }
    }

    pub(super) fn positions(&self) -> [(&'static str, f64); 5] {
        [
            ("compute", self.compute),
            ("requests", self.requests),
            ("storage", self.storage),
            ("traffic", self.traffic),
            ("monitoring", self.monitoring),
        ]
    }

    pub(super) fn total(&self) -> f64 {
        self.positions().iter().map(|(_, price)| price).sum()
    }

    /// The largest item, and its part of the total.
    pub(super) fn dominating(&self) -> (&'static str, f64) {
        let largest = self.positions().into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        largest.map_or(("nothing", 0.0), |(name, price)| (name, price / self.total()))
    }
}

/// Price of monitoring beyond the free part.
fn monitoring(load: &Load, workload: &Workload, assumed: &Assumptions, prices: &PriceList, free: &FreeMonitoring) -> f64 {
    let metrics = assumed.metrics_per_function
        + assumed.metrics_per_shard * workload.shards
        + assumed.metrics_per_topic * workload.topics.min(assumed.metrics_max_topics);
    let alarms = prices.alarms + prices.alarms_per_shard * workload.shards;
    let log_gb = load.invocations * assumed.log_bytes_per_run / 1e9;
    let billed = |used: f64, free: f64, price: &Price| (used - free).max(0.0) * price.price;
    billed(metrics, free.metrics, &prices.metric_month)
        + billed(log_gb, free.log_gb, &prices.log_gb)
        + billed(alarms, free.alarms, &prices.alarm_month)
        + billed(assumed.dashboards, free.dashboards, &prices.dashboard_month)
        + prices.metric_alarms * prices.metric_alarm_month.price
        + prices.key_month.price
}

#[cfg(test)]
mod tests {
    use super::super::prices::Prices;
    use super::*;

    /// Round numbers, to check expectations by hand: 30 invocations a month, one a day.
    fn round() -> (Workload, Assumptions) {
        let assumed = Prices::read().expect("prices").assumptions;
        let assumed = Assumptions {
            interval_seconds: 86_400.0,
            record_bytes: 1000.0,
            records_per_segment: 100_000.0,
            stored_part: 0.5,
            seconds_per_run: 2.0,
            seconds_per_segment: 0.1,
            bytes_per_second: 1e8,
            writes_per_segment: 2.0,
            metrics_max_topics: 50.0,
            dashboards: 1.0,
            ..assumed
        };
        (Workload { gb_per_day: 1.0, topics: 2.0, partitions: 4.0, shards: 2.0 }, assumed)
    }

    #[test]
    fn full_segments_are_cut_by_their_records_and_uploaded_in_parts() {
        let (workload, assumed) = round();
        // 250,000 records of a partition in a run: 3 segments of 41.7 MB stored.
        let load = Load::of(&workload, &assumed);
        assert_eq!((load.invocations, load.segments, load.bytes), (60.0, 360.0, 30e9));
        assert_eq!(load.seconds, 60.0 * 2.0 + 36.0 + 300.0);
        // In 5 parts: their beginning, end and the checksum.
        let uploads = Uploads { largest_single_bytes: 2e7, part_bytes: 1e7, requests_to_begin: 1.0 };
        assert_eq!(load.writes(&assumed, &uploads), 360.0 * (2.0 + 6.0));
        assert_eq!(load.writes(&assumed, &Uploads { requests_to_begin: 0.0, ..uploads.clone() }), 360.0 * (2.0 + 5.0));
        assert_eq!(load.writes(&assumed, &Uploads { largest_single_bytes: 5e7, ..uploads }), 360.0 * 2.0);
    }

    #[test]
    fn a_partition_with_less_than_a_record_a_run_writes_no_empty_segments() {
        let (workload, assumed) = round();
        let load = Load::of(&Workload { gb_per_day: 2e-6, ..workload }, &assumed); // 2 records a day, in 4 partitions
        let uploads = Prices::read().expect("prices").aws.uploads;
        assert_eq!((load.segments, load.writes(&assumed, &uploads)), (60.0, 120.0));
    }

    #[test]
    fn positions_are_what_was_used_by_its_price() {
        let (workload, assumed) = round();
        let prices = Prices::read().expect("prices");
        let load = Load { bytes: 30e9, invocations: 1e6, segments: 500.0, segment_bytes: 1e6, seconds: 1e6 };
        let bill = Bill::of(&load, &workload, 2.0, &assumed, &prices.aws);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        near(bill.compute, 2e6 * 0.000_013_333_4 + 0.20);
        near(bill.requests, 0.005);
        near(bill.storage, 15.0 * 0.023);
        near(bill.traffic, 30.0 * 0.667 * 0.02);
        near(bill.monitoring, (13.0 + 2.0 * 5.0 + 2.0 * 9.0) * 0.30 + 4.0 * 0.50 + (6.0 + 2.0 * 3.0) * 0.10 + 3.00 + 1.00);
        // 10 metrics, 10 alarms, all of the logs and the dashboard are free.
        near(bill.monitoring_with_free_tier, (13.0 + 2.0 * 5.0 + 2.0 * 9.0 - 10.0) * 0.30 + 2.0 * 0.10 + 1.00);
        near(bill.total(), bill.compute + bill.requests + bill.storage + bill.traffic + bill.monitoring);
        assert_eq!(bill.dominating().0, "compute");
        let azure = Bill::of(&load, &workload, 2.0, &assumed, &prices.azure);
        near(azure.monitoring, 4.0 * 2.30 + 7.0 * 0.50 + 0.10);
        near(azure.monitoring_with_free_tier, 7.0 * 0.50 + 0.10);
    }

    #[test]
    fn a_load_says_how_many_shards_can_do_it() {
        let (workload, assumed) = round();
        let needed = |gb_per_day| {
            let workload = Workload { gb_per_day, ..workload.clone() };
            Load::of(&workload, &assumed).shards_needed(&workload, &assumed)
        };
        assert_eq!(needed(1.0), 1.0);
        // A day's 200,000 s of reading and 20,000 s for 200,000 segments, in runs of 838 s.
        assert_eq!(needed(20_000.0), 263.0);
    }
}
