//! The selection of what is verified.

use archive::catalog::SegmentEntry;
use kernel::clock::{Millis, rfc3339};
use sha2::{Digest, Sha256};

use crate::cli::{Partitions, VerifyArgs};

/// How much of an object is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Its name and its `.sha256`.
    Name,
    /// Also the manifest.
    Head,
    /// All of it.
    Whole,
}

/// The part of each partition that is verified. By default, all of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    pub(super) partitions: Option<Partitions>,
    pub(super) since: Option<Millis>,
    pub(super) sample: Option<Sample>,
    pub(super) quick: bool,
}

/// A part of the segments, in percent. It changes every day.
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

    /// How much of each segment of a partition is read. `since`: the first one that --since
    /// selects. Of the last segment, at least the manifest: without the end of a chain, nothing
    /// could be compared with the inventory.
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

    /// The indexes of the names that are read.
    pub(super) fn sampled<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<usize> {
        let Some(Sample { percent, day }) = self.sample else { return (0..names.count()).collect() };
        let mut places: Vec<([u8; 32], usize)> = names.enumerate().map(|(place, name)| (lot(name, day), place)).collect();
        places.sort_unstable();
        let count = (places.len() as f64 * percent / 100.0).ceil() as usize;
        places.into_iter().take(count).map(|(_, place)| place).collect()
    }

    /// The options that exclude something, in words.
    pub(super) fn reasons(&self) -> String {
        let since = self.since.map(|since| format!("--since {}", rfc3339(since)));
        let sample = self.sample.map(|sample| format!("--sample {}%, of {}", sample.percent, &rfc3339(sample.day * 86_400_000)[..10]));
        let quick = self.quick.then(|| "--quick".to_owned());
        [since, sample, quick].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Pseudo-random, and the same for the same name and day.
fn lot(name: &str, day: i64) -> [u8; 32] {
    Sha256::new().chain_update(day.to_be_bytes()).chain_update(name).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use archive::catalog::Packing;

    use super::*;

    #[test]
    fn a_sample_is_of_each_partition_and_changes_from_day_to_day() {
        let entry = |start| SegmentEntry { name: format!("a/0/{start:020}.tar.gz"), start, packing: Packing::Gzip, size: 1, sidecar: true };
        let entries: Vec<_> = (0..1_000).map(entry).collect();
        let of = |percent, day, count: usize| {
            let choice = Choice { sample: Some(Sample { percent, day }), ..Choice::default() };
            let depths = choice.depths(&entries[..count], 0);
            let read: Vec<usize> = (0..count).filter(|place| depths[*place] == Depth::Whole).collect();
            assert!(depths[count - 1] != Depth::Name, "the end is always read");
            read
        };
        assert_eq!((of(5.0, 1, 1_000).len(), of(5.0, 1, 3).len(), of(100.0, 1, 7).len()), (50, 1, 7));
        assert_eq!(of(5.0, 1, 1_000), of(5.0, 1, 1_000));
        assert_ne!(of(5.0, 1, 1_000), of(5.0, 2, 1_000));
        let hundred_days: BTreeSet<usize> = (0..100).flat_map(|day| of(5.0, day, 1_000)).collect();
        assert!(hundred_days.len() > 980, "{}", hundred_days.len());
    }
}
