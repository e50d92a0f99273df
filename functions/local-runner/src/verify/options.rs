//! What of a bucket is verified.

use std::collections::BTreeSet;
use std::path::PathBuf;

use archive::catalog::SegmentEntry;
use clap::Args;
use jiff::Timestamp;
use kernel::clock::{Millis, rfc3339};

use crate::cli::BucketArgs;

/// More partitions than a topic has.
const MOST: usize = 100_000;

/// What is verified, and how.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Where.
    #[command(flatten)]
    pub bucket: BucketArgs,
    /// Accept chains that begin behind offset 0, as an expiry rule of the bucket leaves them: check from the oldest segment on.
    #[arg(long)]
    pub from_oldest: bool,
    /// Compare with Kafka, too: topics, ids, partitions, configs, ends. CONFIG is that of a backup. Run it with rights to describe all: topics that
    /// this user may not describe are not seen.
    #[arg(long)]
    pub against_cluster: bool,
    /// Only these partitions of each topic, for example 0,4-7.
    #[arg(long, value_name = "PARTITIONS", value_parser = partitions)]
    pub partitions: Option<Partitions>,
    /// Read only segments that were written to the bucket at TIME or later (2026-11-27T14:00:00Z). Clocks differ: those of the hour before are read,
    /// too. Timestamps of records do not matter.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Millis>,
    /// Read only so many of the segments of each partition, at least one. They are the same for a day (UTC), and others on the next day.
    #[arg(long, value_name = "5%", value_parser = percent)]
    pub sample: Option<f64>,
    /// Read no records: names, sizes, manifests, whether each segment continues the one before, whether each .sha256 is there, and the inventory.
    #[arg(long, conflicts_with_all = ["sample", "resume"])]
    pub quick: bool,
    /// Note in FILE what is sound, and read nothing again that FILE says is sound. To continue after an interruption: delete FILE to start over.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

/// How much of an object is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its name and its `.sha256`.
    Name,
    /// The manifest, too.
    Head,
    /// All of it.
    Whole,
}

/// What of each partition is verified; all of it unless an option says otherwise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    pub(super) partitions: Option<Partitions>,
    pub(super) since: Option<Millis>,
    pub(super) sample: Option<Sample>,
    pub(super) quick: bool,
}

/// A part of the segments, in percent, another one each day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) percent: f64,
    /// Days since 1970.
    pub(super) day: i64,
}

impl Choice {
    pub(super) fn new(args: &VerifyArgs, now: Millis) -> Self {
        let sample = args.sample.map(|percent| Sample { percent, day: now.div_euclid(86_400_000) });
        Self { partitions: args.partitions.clone(), since: args.since, sample, quick: args.quick }
    }

    /// How much is looked at of each of a partition's segments, of which those from `since` on were written since the time that was asked for. Of the last
    /// one it is at least the manifest: without the end of a chain, nothing could be compared with the inventory.
    pub(super) fn depths(&self, entries: &[SegmentEntry], since: usize) -> Vec<Depth> {
        let read = if self.quick { Depth::Head } else { Depth::Whole };
        let mut depths = vec![Depth::Name; entries.len()];
        let names = entries[since..].iter().map(|entry| entry.name.as_str());
        for place in self.sampled(names) {
            depths[since + place] = read;
        }
        if let Some(last) = depths.last_mut().filter(|last| **last == Depth::Name) {
            *last = Depth::Head;
        }
        depths
    }

    /// The places of those that are read.
    pub(super) fn sampled<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<usize> {
        let Some(Sample { percent, day }) = self.sample else { return (0..names.count()).collect() };
        let mut places: Vec<(u64, usize)> = names.enumerate().map(|(place, name)| (lot(name, day), place)).collect();
        places.sort_unstable();
        let count = (places.len() as f64 * percent / 100.0).ceil() as usize;
        places.into_iter().take(count).map(|(_, place)| place).collect()
    }

    /// Why something is left out, in words.
    pub(super) fn reasons(&self) -> String {
        let since = self.since.map(|since| format!("--since {}", rfc3339(since)));
        let sample = self.sample.map(|sample| format!("--sample {}%, that of {}", sample.percent, &rfc3339(sample.day * 86_400_000)[..10]));
        let quick = self.quick.then(|| "--quick".to_owned());
        [since, sample, quick].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// A number that is the same for a name and a day, and as good as random: FNV-1a, whose bits are then mixed as in MurmurHash3.
fn lot(name: &str, day: i64) -> u64 {
    let bytes = day.to_be_bytes().into_iter().chain(name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Partitions that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions(pub(super) BTreeSet<i32>);

fn partitions(text: &str) -> Result<Partitions, String> {
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let refused = || format!("{part:?} is no partition and no range of them: write 0,4-7");
        let number = |text: &str| text.trim().parse::<i32>().ok().filter(|number| *number >= 0 && !text.contains('+'));
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = number(first).zip(number(last)).filter(|(first, last)| first <= last).ok_or_else(refused)?;
        if last.abs_diff(first) as usize >= MOST {
            return Err(format!("{part:?} is more than {MOST} partitions"));
        }
        all.extend(first..=last);
    }
    Ok(Partitions(all))
}

fn moment(text: &str) -> Result<Millis, String> {
    let refused = |_| "write a time with its offset from UTC, as in 2026-11-27T14:00:00Z".to_owned();
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(refused)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    number.filter(|number| *number > 0.0 && *number <= 100.0).ok_or_else(|| "write a part of the segments as 5% or 0.1%".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use archive::catalog::Packing;

    use super::*;

    #[test]
    fn partitions_percentages_and_times_are_read() {
        assert_eq!(partitions("0,4-6, 9").unwrap(), Partitions([0, 4, 5, 6, 9].into()));
        for bad in ["", "x", "-1", "4-", "7-4", "1-2-3", "+3", "0-2147483647"] {
            assert!(partitions(bad).is_err(), "{bad}");
        }
        assert_eq!((percent("5%"), percent("0.5%"), percent("100%")), (Ok(5.0), Ok(0.5), Ok(100.0)));
        for bad in ["5", "0%", "101%", "-1%", "NaN%", "inf%", "%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        assert!(moment("2026-11-27T14:00:00Z").is_ok() && moment("2026-11-27").is_err());
    }

    #[test]
    fn a_sample_is_of_each_partition_and_changes_from_day_to_day() {
        let entry = |start| SegmentEntry { name: format!("a/0/{start:020}.tar.gz"), start, packing: Packing::Gzip, size: 1, sidecar: true };
        let entries: Vec<_> = (0..1_000).map(entry).collect();
        let of = |percent, day, count: usize| {
            let choice = Choice { sample: Some(Sample { percent, day }), ..Choice::default() };
            let depths = choice.depths(&entries[..count], 0);
            let read: Vec<usize> = (0..count).filter(|place| depths[*place] == Depth::Whole).collect();
            assert!(depths[count - 1] != Depth::Name, "the end is always known");
            read
        };
        assert_eq!((of(5.0, 1, 1_000).len(), of(5.0, 1, 3).len(), of(100.0, 1, 7).len()), (50, 1, 7));
        assert_eq!(of(5.0, 1, 1_000), of(5.0, 1, 1_000));
        assert_ne!(of(5.0, 1, 1_000), of(5.0, 2, 1_000));
        let hundred_days: BTreeSet<usize> = (0..100).flat_map(|day| of(5.0, day, 1_000)).collect();
        assert!(hundred_days.len() > 980, "{}", hundred_days.len());
    }
}
