//! What of a partition the backup never had, as its segments record it: told by a restore, for nobody else looks at a segment again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Gaps that are kept one by one: a checkpoint stays small however often retention was faster than the backup.
const MOST: usize = 50;

/// Offsets `[from, to)` at the beginning of a segment that nobody can read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// First missing offset: the segment's start.
    pub from: i64,
    /// The log start offset when it was found.
    pub to: i64,
    /// Why.
    pub reason: GapReason,
}

/// Why a segment opens with a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The log began later when the partition was first backed up; nothing that a backup could have had is missing.
    BeforeFirstBackup,
    /// Retention or DeleteRecords removed records before they were read: they are lost to the backup.
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

    /// Counts a gap; they come in the order of offsets. Whether it is a new one: a segment that is restored again has the same.
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

    /// What two invocations of one restore have counted.
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
