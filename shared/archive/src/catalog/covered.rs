//! Compact times of snapshots: a day without a pause is a few bytes.

use std::collections::BTreeSet;

use kernel::clock::Millis;
use serde::{Deserialize, Serialize};

/// Snapshots of a day, by the times in their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered(Vec<Run>);

/// Times at a constant distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    first: Millis,
    last: Millis,
    step: Millis,
}

impl Covered {
    pub(super) fn of(times: &BTreeSet<Millis>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for at in times {
            match runs.last_mut() {
                Some(run) if run.first == run.last => (run.last, run.step) = (*at, *at - run.first),
                Some(run) if run.last + run.step == *at => run.last = *at,
                _ => runs.push(Run { first: *at, last: *at, step: 0 }),
            }
        }
        Self(runs)
    }

    /// Whether the snapshot of this time is one of them.
    pub(super) fn contains(&self, at: Millis) -> bool {
        let is_in = |run: &Run| {
            let from_first = at.checked_sub(run.first).and_then(|distance| distance.checked_rem(run.step));
            at == run.first || (run.first..=run.last).contains(&at) && from_first == Some(0)
        };
        self.0.iter().any(is_in)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_again_and_no_others() {
        for times in [&[][..], &[7], &[0, 5, 10, 15, 16, 30], &[3, 4, 6, 9, 10, 11]] {
            let times: BTreeSet<Millis> = times.iter().copied().collect();
            let covered = Covered::of(&times);
            assert!((-1..40).all(|at| covered.contains(at) == times.contains(&at)), "{times:?}: {covered:?}");
        }
        let day: BTreeSet<Millis> = (0..288).map(|slot| slot * 300_000).collect();
        assert_eq!(Covered::of(&day).0.len(), 1, "a day without a pause is one run");
    }

    #[test]
    fn a_run_that_nobody_wrote_breaks_nothing() {
        for (first, last, step) in [(i64::MIN, i64::MAX, 0), (i64::MIN, i64::MAX, -1), (i64::MAX, i64::MIN, i64::MIN), (0, 9, i64::MIN)] {
            let covered = Covered(vec![Run { first, last, step }]);
            for at in [i64::MIN, -1, 0, 1, i64::MAX] {
                covered.contains(at);
            }
        }
    }
}
