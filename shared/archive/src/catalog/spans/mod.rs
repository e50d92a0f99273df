//! Where the records of a restored partition are, for the translation of offsets: spans, which tile
//! what was restored.
//!
//! Every committed transaction covers the source offsets from the progress before it to the
//! progress after it. Each of them is in one span, even if nothing was written (a hole in the log,
//! a skipped segment). An offset in no span is unknown: no broker reported where its record is, or
//! the span was lost. Only the commit that wrote the records can pair them; nothing is ever
//! inferred from the spans before and after.
//!
//! | file | content |
//! |---|---|
//! | `pair.rs` | the spans of one commit |
//! | `text.rs` | spans as text, in a few bytes each |
//! | `kept.rs` | the objects with spans that do not fit into a checkpoint |

mod kept;
mod pair;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod text;

pub use kept::KeptSpans;
pub use pair::pair;

/// Source offsets `[from, to)` went to `count` target offsets from `target`, in the partition with
/// the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First source offset. If `count` is not 0, it has a record.
    pub from: i64,
    /// One past the last source offset.
    pub to: i64,
    /// First target offset; 0 if `count` is 0.
    pub target: i64,
    /// Number of records.
    pub count: i64,
}

impl Span {
    /// Nothing was written for `[from, to)`.
    pub fn nothing(from: i64, to: i64) -> Self {
        Self { from, to, target: 0, count: 0 }
    }

    /// The target offset after the last record.
    pub fn end(&self) -> i64 {
        self.target + self.count
    }

    /// Whether each source offset has its target offset.
    pub fn is_in_step(&self) -> bool {
        self.count == self.to - self.from
    }

    fn is_continued_by(&self, next: &Self) -> bool {
        let are_nothing = self.count == 0 && next.count == 0;
        let are_in_step = self.is_in_step() && next.is_in_step() && self.end() == next.target;
        self.to == next.from && (are_nothing || are_in_step)
    }

    /// The certain part of a subrange: nothing of a span with holes, of which only the total is
    /// counted.
    fn part(self, from: i64, to: i64) -> Option<Self> {
        match self {
            _ if (from, to) == (self.from, self.to) => Some(self),
            _ if self.count == 0 => Some(Self::nothing(from, to)),
            _ if self.is_in_step() => Some(Self { from, to, target: self.target + from - self.from, count: to - from }),
            _ => None,
        }
    }
}

/// The spans of a partition, in order and without overlaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spans(Vec<Span>);

/// Where a source offset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The first record at or after it is at this target offset.
    Exact(i64),
    /// It is between the first and the last record of this span, which has holes: its records have
    /// to be counted.
    Inside(Span),
    /// It is in an unknown range, or only such a range follows it. The records before that range
    /// end at `after`, if there are any. At most `may_repeat` records below the offset follow that.
    Unknown {
        /// The target offset after the last record that is certainly below.
        after: Option<i64>,
        /// Unknown source offsets since then.
        may_repeat: i64,
    },
    /// No record at or after it was restored. Fields as above.
    End {
        /// The target offset after the last record that is certainly below.
        after: Option<i64>,
        /// Unknown source offsets since then.
        may_repeat: i64,
    },
}

impl Spans {
    /// In order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Span> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes and returns the first ones.
    pub fn take_first(&mut self, count: usize) -> Self {
        Self(self.0.drain(..count.min(self.0.len())).collect())
    }

    /// The first ones.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(self.0[..count.min(self.0.len())].to_vec())
    }

    /// Adds these. Known offsets do not change: two spans of the same offsets are equal, or one is
    /// of records that were written a second time (at-least-once), and both exist.
    pub fn unite(&mut self, others: &Self) {
        others.iter().for_each(|span| self.add(*span));
    }

    /// Adds one span. Of a span with holes that is known in part, the rest is uncertain.
    pub fn add(&mut self, span: Span) {
        if span.from >= span.to {
            return;
        }
        let first = self.0.partition_point(|known| known.to <= span.from);
        let after = self.0.partition_point(|known| known.from < span.to).max(first);
        let (mut united, mut from) = (Vec::new(), span.from);
        for known in &self.0[first..after] {
            if from < known.from {
                united.extend(span.part(from, known.from));
            }
            united.push(*known);
            from = from.max(known.to);
        }
        if from < span.to {
            united.extend(span.part(from, span.to));
        }
        // With a neighbour on each side, which it may continue.
        let (first, after) = (first.saturating_sub(1)..first, after..(after + 1).min(self.0.len()));
        let mut joined: Vec<Span> = Vec::new();
        for span in self.0[first.clone()].iter().chain(&united).chain(&self.0[after.clone()]) {
            match joined.last_mut().filter(|last| last.is_continued_by(span)) {
                Some(last) => (last.to, last.count) = (span.to, last.count + span.count),
                None => joined.push(*span),
            }
        }
        self.0.splice(first.start..after.end, joined);
    }

    /// Where a source offset is. `restored_to`: the end of what was restored.
    pub fn find(&self, offset: i64, restored_to: i64) -> Found {
        let offset = offset.min(restored_to).max(0);
        let index = self.0.partition_point(|span| span.to <= offset);
        let mut known_to = offset;
        for span in &self.0[index..] {
            match span {
                _ if span.from > known_to => break,
                Span { count: 0, .. } => known_to = span.to,
                _ if span.from >= offset => return Found::Exact(span.target),
                _ if span.is_in_step() => return Found::Exact(span.target + offset - span.from),
                _ => return Found::Inside(*span),
            }
        }
        let (after, may_repeat) = self.before(offset, index);
        if known_to >= restored_to { Found::End { after, may_repeat } } else { Found::Unknown { after, may_repeat } }
    }

    /// The target offset after the last record that is certainly below a source offset, and the
    /// unknown offsets from there. `index`: of the first span that ends above it.
    fn before(&self, offset: i64, index: usize) -> (Option<i64>, i64) {
        let around = self.0.get(index).filter(|span| span.from < offset);
        let (mut known_from, mut unknown) = (around.map_or(offset, |span| span.from), 0);
        for span in self.0[..index].iter().rev() {
            unknown += known_from - span.to;
            if span.count > 0 {
                return (Some(span.end()), unknown);
            }
            known_from = span.from;
        }
        (None, unknown + known_from)
    }
}

impl FromIterator<Span> for Spans {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut all = Self::default();
        spans.into_iter().for_each(|span| all.add(span));
        all
    }
}
