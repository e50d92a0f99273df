//! Which records of a topic are restored, by their own timestamps.

use std::fmt;

use kernel::clock::{Millis, rfc3339};
use kernel::record::NO_TIMESTAMP;
use serde::{Deserialize, Serialize};

/// Records from one moment, and before another one. Each record is judged by its own timestamp, in
/// any order. One without a timestamp (-1) is in no time range, and is only included if there is
/// none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// RESTORE_FROM: the first millisecond that is restored; `None` is the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Millis>,
    /// RESTORE_UNTIL: the first millisecond that is not restored any more; `None` is the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

impl Times {
    /// Whether no record is excluded.
    pub fn are_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a record of this time is restored.
    pub fn include(&self, timestamp: Millis) -> bool {
        let is_between = self.from.is_none_or(|from| from <= timestamp) && self.until.is_none_or(|until| timestamp < until);
        self.are_all() || timestamp != NO_TIMESTAMP && is_between
    }

    /// The restored part of records with this first and last time: the first and last time of the
    /// rest, or nothing.
    pub fn part_of(&self, (min, max): (Millis, Millis)) -> Option<(Millis, Millis)> {
        let min = self.from.map_or(min, |from| from.max(min));
        let max = self.until.map_or(max, |until| until.saturating_sub(1).min(max));
        (min <= max).then_some((min, max))
    }
}

impl fmt::Display for Times {
    /// To be written after "records".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from.map(rfc3339), self.until.map(rfc3339)) {
            (Some(from), Some(until)) => write!(f, "from {from} and before {until}"),
            (Some(from), None) => write!(f, "from {from}"),
            (None, Some(until)) => write!(f, "before {until}"),
            (None, None) => f.write_str("of all times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_beginning_and_not_its_end() {
        let times = Times { from: Some(10), until: Some(20) };
        assert_eq!([-1, 9, 10, 19, 20].map(|at| times.include(at)), [false, false, true, true, false]);
        assert_eq!(
            [(0, 9), (0, 10), (12, 14), (5, 30), (20, 25)].map(|of| times.part_of(of)),
            [None, Some((10, 10)), Some((12, 14)), Some((10, 19)), None]
        );
        let until = Times { from: None, until: Some(20) };
        assert!(until.include(0) && until.include(-5) && !until.include(-1), "no time is of no time, and there is a time before 1970");
        assert!(!Times { from: Some(-1_000), until: None }.include(-1));
        assert!(Times::default().include(-1) && Times::default().are_all() && !times.are_all());
        assert_eq!(times.to_string(), "from 1970-01-01T00:00:00.01Z and before 1970-01-01T00:00:00.02Z");
    }
}
