//! The position of a stretch of a segment: consecutive members that are fetched in one request.

use std::ops::Range;

use super::object::Segment;

/// Consecutive members; the trailer belongs to the last ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) members: Range<usize>,
    /// Position in the object.
    pub(super) at: u64,
}

impl Stretch {
    /// As many members as fit into one stretch, but at least one if there is one left.
    pub(super) fn at(segment: &Segment, first: usize, at: u64) -> Self {
        let (mut stored, mut unpacked, mut end) = (0, 0, first);
        for member in &segment.manifest.members[first..] {
            stored += member.stored;
            unpacked += member.bytes;
            if end > first && stored.max(unpacked) > segment.options.stretch {
                break;
            }
            end += 1;
        }
        Self { members: first..end, at }
    }

    /// The next stretch; `None` after the trailer.
    pub(super) fn following(&self, segment: &Segment) -> Option<Self> {
        (!self.is_last(segment)).then(|| Self::at(segment, self.members.end, self.range(segment).end))
    }

    /// Whether the trailer follows it.
    pub(super) fn is_last(&self, segment: &Segment) -> bool {
        self.members.end == segment.manifest.members.len()
    }

    /// Its bytes in the object, with the trailer if that follows.
    pub(super) fn range(&self, segment: &Segment) -> Range<u64> {
        let stored = || segment.manifest.members[self.members.clone()].iter().map(|member| member.stored).sum::<u64>();
        self.at..if self.is_last(segment) { segment.size } else { self.at + stored() }
    }
}
