//! Where records of a restore went, for the translation of consumer groups' offsets: a list of spans for each source partition.
//!
//! Every transaction ends with a marker that takes an offset of the target, so each begins a span of its own. The newest spans stand in the
//! checkpoint; from time to time the older ones move to an object of their own, so that a checkpoint stays small however long a restore is.

use kafka::Written;
use serde::{Deserialize, Serialize};

/// Source offsets `[from, to)` went to `count` target offsets from `target` on. Where `count` is `to - from` the two go in step; otherwise
/// the source has holes in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First source offset.
    pub from: i64,
    /// One past the last source offset.
    pub to: i64,
    /// Partition of the target.
    pub partition: i32,
    /// First target offset.
    pub target: i64,
    /// Number of records.
    pub count: i64,
}

impl Span {
    fn is_in_step(&self) -> bool {
        self.count == self.to - self.from
    }

    pub(super) fn continues(&self, before: &Self) -> bool {
        self.partition == before.partition
            && self.from == before.to
            && self.target == before.target + before.count
            && self.is_in_step()
            && before.is_in_step()
    }

    /// What of it lies behind `known` source offsets. Of a span with holes nobody can say which of its records those are.
    pub(super) fn behind(self, known: i64) -> Option<Self> {
        let ahead = known - self.from;
        match ahead {
            ..=0 => Some(self),
            _ if known < self.to && self.is_in_step() => {
                Some(Self { from: known, target: self.target + ahead, count: self.count - ahead, ..self })
            }
            _ => None,
        }
    }
}

/// Pairs source offsets, as (first, count) where they follow each other, with where they went. Both are in the order of writing. Nothing when
/// they are not of the same number of records: then some broker did not say where a record went.
pub fn pair(sources: &[(i64, i64)], written: &[Written]) -> Vec<Span> {
    if sources.iter().map(|(_, count)| count).sum::<i64>() != written.iter().map(|chunk| chunk.count).sum::<i64>() {
        return Vec::new();
    }
    let mut spans = Vec::new();
    let mut sources = sources.iter().copied();
    let mut open: Option<(i64, i64)> = sources.next();
    for chunk in written {
        let (mut left, mut from, mut to) = (chunk.count, None, 0);
        while left > 0 {
            let Some((first, count)) = open else { break };
            let take = count.min(left);
            from.get_or_insert(first);
            to = first + take;
            left -= take;
            open = if take < count { Some((first + take, count - take)) } else { sources.next() };
        }
        if let Some(from) = from {
            spans.push(Span { from, to, partition: chunk.partition, target: chunk.first, count: chunk.count });
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64, target: i64, count: i64) -> Span {
        Span { from, to, partition: 0, target, count }
    }

    #[test]
    fn source_and_target_are_paired_across_holes_on_both_sides() {
        let written = |first, count| Written { partition: 0, first, count };
        assert_eq!(pair(&[(0, 10)], &[written(100, 10)]), [span(0, 10, 100, 10)]);
        assert_eq!(pair(&[(0, 4), (8, 2)], &[written(100, 6)]), [span(0, 10, 100, 6)]);
        assert_eq!(pair(&[(0, 10)], &[written(100, 3), written(105, 7)]), [span(0, 3, 100, 3), span(3, 10, 105, 7)]);
        assert_eq!(pair(&[], &[]), []);
    }

    #[test]
    fn a_record_whose_place_is_unknown_shifts_no_other() {
        let written = |first, count| Written { partition: 0, first, count };
        assert_eq!(pair(&[(0, 10)], &[written(100, 3), written(104, 6)]), []);
    }
}
