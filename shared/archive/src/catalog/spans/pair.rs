//! The spans of one commit.

use std::ops::Range;

use kafka::Written;

use super::Span;

/// Tiles the source offsets that a commit covers. `sources`: its records, as (first, count) of
/// consecutive ones; `written`: where the records went. Both in the order of writing. Records whose
/// position no broker reported have no span.
///
/// Empty if the two do not have the same records: then something is wrong, and no position is
/// certain.
pub fn pair(covered: Range<i64>, sources: &[(i64, i64)], written: &[Written]) -> Vec<Span> {
    if !are_in(&covered, sources) || number_of(sources) != written.iter().map(|run| run.count).sum::<i64>() {
        return Vec::new();
    }
    let mut spans = Vec::new();
    let mut sources = Sources { rest: sources, taken: 0 };
    let mut known_to = covered.start;
    for run in filled_in(written) {
        let Some((from, to)) = sources.take(run.count) else { return Vec::new() };
        // Each record is in a run, so nothing was written in between.
        spans.extend((known_to < from).then(|| Span::nothing(known_to, from)));
        spans.extend(run.first.map(|target| Span { from, to, target, count: run.count }));
        known_to = to;
    }
    spans.extend((known_to < covered.end).then(|| Span::nothing(known_to, covered.end)));
    spans
}

fn number_of(sources: &[(i64, i64)]) -> i64 {
    sources.iter().map(|(_, count)| count).sum()
}

/// Whether these are in order, and within the offsets that the commit covers.
fn are_in(covered: &Range<i64>, sources: &[(i64, i64)]) -> bool {
    let mut from = covered.start;
    covered.start <= covered.end
        && sources.iter().all(|(first, count)| {
            let is_next = *first >= from && *count > 0;
            from = first + count;
            is_next && from <= covered.end
        })
}

/// The runs, with positions that are certain although no broker reported them: `n` records that
/// were written between two known positions with room for exactly `n` fill it. Adjacent runs are
/// merged.
fn filled_in(written: &[Written]) -> Vec<Written> {
    let mut filled: Vec<Written> = Vec::new();
    for (index, run) in written.iter().enumerate() {
        let before = filled.last().and_then(Written::end);
        let after = written.get(index + 1).and_then(|next| next.first);
        let is_certain = run.first.is_none() && before.is_some() && before.map(|before| before + run.count) == after;
        let first = if is_certain { before } else { run.first };
        match filled.last_mut() {
            Some(last) if last.end() == first => last.count += run.count,
            _ => filled.push(Written { first, ..*run }),
        }
    }
    filled
}

/// Source offsets that are not paired yet.
struct Sources<'s> {
    rest: &'s [(i64, i64)],
    /// Paired records of the first range.
    taken: i64,
}

impl Sources<'_> {
    /// The first of this many records, and one past the last.
    fn take(&mut self, count: i64) -> Option<(i64, i64)> {
        let from = self.rest.first().map(|(first, _)| first + self.taken)?;
        let (mut left, mut to) = (count, from);
        while left > 0 {
            let (first, length) = self.rest.first()?;
            let take = left.min(length - self.taken);
            (left, self.taken) = (left - take, self.taken + take);
            to = first + self.taken;
            if self.taken == *length {
                (self.rest, self.taken) = (&self.rest[1..], 0);
            }
        }
        (count > 0).then_some((from, to))
    }
}
