//! The cost of the number of objects, which depends on NUMBER_OF_MESSAGE_PER_BACKUP_FILE: each
//! object is written once, and listed and read by each verify and restore.

use serde::Serialize;

use super::model::Load;
use super::prices::{Assumptions, PriceList, Workload};

/// Objects that one request lists.
const LISTED: f64 = 1000.0;
/// Bytes of a segment that one request reads.
const READ_BYTES: f64 = 4_194_304.0;
/// Typical duration of a request, in seconds.
const REQUEST_SECONDS: f64 = 0.04;

pub(super) const HEADINGS: [&str; 8] = [
    "per day",
    "platform",
    "NUMBER_OF_MESSAGE_PER_BACKUP_FILE",
    "segment",
    "objects per year",
    "writes per month",
    "listing one year",
    "verify or restore of one year: requests, price, hours if sequential at 40 ms",
];

/// Values to compare: that of the Python tool, and larger ones.
const COMPARED: [f64; 3] = [1_000.0, 10_000.0, 100_000.0];

/// The objects of a workload for one NUMBER_OF_MESSAGE_PER_BACKUP_FILE.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Objects {
    /// NUMBER_OF_MESSAGE_PER_BACKUP_FILE.
    pub(super) records_per_segment: f64,
    /// Size of a segment as it is stored.
    pub(super) segment_bytes: f64,
    /// Segments and their checksums.
    pub(super) objects_a_year: f64,
    /// Price of the write requests of a month.
    pub(super) writes: f64,
    /// Requests that list the objects of a year.
    pub(super) list_requests: f64,
    /// Their price.
    pub(super) list: f64,
    /// Requests of one verify or restore of the objects of a year.
    pub(super) verify_requests: f64,
    /// Their price.
    pub(super) verify: f64,
}

impl Objects {
    pub(super) fn of(workload: &Workload, assumed: &Assumptions, prices: &PriceList) -> Self {
        let load = Load::of(workload, assumed);
        let segments = load.segments / assumed.days * 365.0;
        let objects = segments * assumed.writes_per_segment;
        let lists = (objects / LISTED).ceil();
        // The parts of a segment, and its checksum.
        let reads = segments * ((load.segment_bytes / READ_BYTES).ceil() + 1.0);
        // A list is billed as a write.
        let list = lists / 1000.0 * prices.writes_thousand.price;
        Self {
            records_per_segment: assumed.records_per_segment,
            segment_bytes: load.segment_bytes,
            objects_a_year: objects,
            writes: load.writes(assumed, &prices.uploads) / 1000.0 * prices.writes_thousand.price,
            list_requests: lists,
            list,
            verify_requests: lists + reads,
            verify: list + reads / 1000.0 * prices.reads_thousand.price,
        }
    }

    /// The comparison: fewer and more records per segment, and the assumed number.
    pub(super) fn compared(workload: &Workload, assumed: &Assumptions, prices: &PriceList) -> Vec<Self> {
        let mut numbers = COMPARED.to_vec();
        numbers.push(assumed.records_per_segment);
        numbers.sort_by(f64::total_cmp);
        numbers.dedup();
        let of = |records_per_segment| Self::of(workload, &Assumptions { records_per_segment, ..assumed.clone() }, prices);
        numbers.into_iter().map(of).collect()
    }

    pub(super) fn row(&self, workload: &Workload, platform: &str) -> [String; HEADINGS.len()] {
        [
            format!("{} GB; partitions: {}", workload.gb_per_day, workload.partitions),
            platform.to_owned(),
            format!("{:.0}", self.records_per_segment),
            size(self.segment_bytes),
            count(self.objects_a_year),
            format!("${:.2}", self.writes),
            format!("{} requests, ${:.2}", count(self.list_requests), self.list),
            format!("{}, ${:.2}, {:.1} h", count(self.verify_requests), self.verify, self.verify_requests * REQUEST_SECONDS / 3600.0),
        ]
    }
}

fn size(bytes: f64) -> String {
    if bytes < 1e6 { format!("{:.0} kB", bytes / 1e3) } else { format!("{:.1} MB", bytes / 1e6) }
}

fn count(number: f64) -> String {
    match number {
        small if small < 1e4 => format!("{small:.0}"),
        middle if middle < 1e6 => format!("{:.0} thousand", middle / 1e3),
        large => format!("{:.1} million", large / 1e6),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::prices::Prices;
    use super::*;

    /// 100 GB a day of 1 KB records in 10 partitions, a run a day: 10 million records of a
    /// partition and run.
    fn compared() -> Vec<Objects> {
        let prices = Prices::read().unwrap();
        let assumed = Assumptions {
            interval_seconds: 86_400.0,
            record_bytes: 1000.0,
            records_per_segment: 1e6,
            stored_part: 0.25,
            ..prices.assumptions
        };
        let workload = Workload { gb_per_day: 100.0, topics: 1.0, partitions: 10.0, shards: 1.0 };
        Objects::compared(&workload, &assumed, &prices.aws)
    }

    #[test]
    fn a_hundred_times_the_records_make_a_hundredth_of_the_objects() {
        let all = compared();
        assert_eq!(all.iter().map(|one| one.records_per_segment).collect::<Vec<_>>(), [1e3, 1e4, 1e5, 1e6]);
        // 100,000 segments a day of 250 kB.
        assert_eq!((all[0].objects_a_year.round(), all[0].segment_bytes.round()), (73e6, 250e3));
        assert_eq!((all[2].objects_a_year.round(), all[2].segment_bytes.round()), (730e3, 25e6));
        assert!((all[0].writes - all[2].writes * 100.0).abs() < 1e-6, "{all:?}");
    }

    #[test]
    fn each_object_of_a_year_is_listed_and_read_by_a_verify() {
        let small = compared()[0];
        assert_eq!(small.list_requests, 73e3);
        // The segment in one request, and its checksum.
        assert_eq!(small.verify_requests.round(), 73e3 + 73e6);
        assert!((small.verify - (73.0 * 0.005 + 73e3 * 0.0004)).abs() < 1e-6, "{small:?}");
        let large = compared()[2];
        assert_eq!(large.verify_requests.round(), 730.0 + 365e3 * 7.0, "six stretches of 4 MiB, and its checksum");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([size(12_345.0), size(2_500_000.0)], ["12 kB", "2.5 MB"]);
        assert_eq!([count(730.0), count(73_000.0), count(73e6)], ["730", "73 thousand", "73.0 million"]);
    }
}
