//! What the backup never had of a partition, as its segments record it. A restore reports it,
//! because nothing else reads a segment again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Gaps that are stored one by one: a checkpoint stays small however often retention was faster
/// than the backup.
const MOST: usize = 50;

/// Unreadable offsets `[from, to)` at the beginning of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First missing offset: the segment's start.
    pub from: i64,
    /// The log start offset when it was found.
    pub to: i64,
    /// Why.
    pub reason: GapReason,
}

/// Why a segment starts with a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The log started later when the partition was first backed up; nothing that a backup could
    /// have had is missing.
    BeforeFirstBackup,
    /// Retention or DeleteRecords removed records before they were read: the backup has lost them.
    LogStartMoved,
}

impl fmt::Display for GapReason {
    /// As in a manifest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeFirstBackup => "before-first-backup",
            Self::LogStartMoved => "log-start-moved",
        })
    }
}

/// The gaps of one source partition, up to some offset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gaps {
    /// Offsets that were deleted from the topic after the first backup and before they were read.
    pub lost: i64,
    /// All gaps below this offset are counted.
    pub upto: i64,
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<Gap>,
}

impl Gaps {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// Counts a gap; they come in order of offsets. Returns whether it is new: a segment that is
    /// restored again has the same gap.
    pub fn note(&mut self, gap: &Gap) -> bool {
        if gap.to <= self.upto {
            return false;
        }
        if gap.reason == GapReason::LogStartMoved {
            self.lost += gap.to - gap.from.max(self.upto);
        }
        self.upto = gap.to;
        self.count += 1;
        if self.first.len() < MOST {
            self.first.push(gap.clone());
        }
        true
    }

    /// The union of the counts of two invocations of one restore.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if other.upto > self.upto { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: i64, to: i64) -> Gap {
        Gap { from, to, reason: if from == 0 { GapReason::BeforeFirstBackup } else { GapReason::LogStartMoved } }
    }

    #[test]
    fn each_gap_counts_once_and_few_are_kept() {
        let mut gaps = Gaps::default();
        assert!(gaps.note(&gap(0, 10)) && gaps.note(&gap(20, 25)) && !gaps.note(&gap(20, 25)));
        assert_eq!((gaps.lost, gaps.upto, gaps.count), (5, 25, 2));
        let before = gaps.clone();
        (3..200).for_each(|n| assert!(gaps.note(&gap(10 * n, 10 * n + 1))));
        assert_eq!((gaps.lost, gaps.count, gaps.first.len()), (202, 199, MOST));
        assert_eq!(before.merge(gaps.clone()), gaps);
    }
}
