//! When librdkafka is asked to send partial batches.

use std::time::{Duration, Instant};

/// How long librdkafka is asked to send everything, each time: long enough for its thread to wake
/// up and build a request. Meanwhile, a thread with records that cannot be sent yet spins.
const NUDGE: Duration = Duration::from_millis(5);
/// It builds one request after another: with many waiting partitions this is extended, up to this
/// limit.
const LONGEST_NUDGE: Duration = Duration::from_millis(50);
/// The pause before the next nudge, if the last one changed nothing; doubled each time.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest pause.
const LONGEST: Duration = Duration::from_millis(200);

/// How long to nudge, with records of this many partitions waiting.
pub(super) fn length(partitions: usize) -> Duration {
    LONGEST_NUDGE.min(NUDGE * u32::try_from(partitions.max(1)).unwrap_or(u32::MAX))
}

/// Decides when a caller that waits for reports has to nudge.
///
/// While a request is in flight nothing else can be sent. When it is reported, the waiting records
/// can.
pub(super) struct Nudges {
    outstanding: usize,
    /// How soon after a report.
    first: Duration,
    pause: Duration,
    next: Instant,
}

impl Nudges {
    /// For callers that want everything to be sent.
    pub(super) fn for_all(outstanding: usize) -> Self {
        Self::new(outstanding, Duration::ZERO)
    }

    /// For callers that expect complete batches, which are sent without a nudge.
    pub(super) fn for_the_rest(outstanding: usize) -> Self {
        Self::new(outstanding, PAUSE)
    }

    fn new(outstanding: usize, first: Duration) -> Self {
        Self { outstanding, first, pause: PAUSE, next: Instant::now() + first }
    }

    /// How long to wait for a report.
    pub(super) fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), LONGEST)
    }

    /// Whether it is time, with this much outstanding.
    pub(super) fn is_due(&mut self, outstanding: usize) -> bool {
        self.is_due_at(Instant::now(), outstanding)
    }

    fn is_due_at(&mut self, now: Instant, outstanding: usize) -> bool {
        if outstanding != self.outstanding {
            (self.outstanding, self.pause, self.next) = (outstanding, PAUSE, now + self.first);
        }
        let is_due = now >= self.next;
        if is_due {
            self.next = now + self.pause;
            self.pause = LONGEST.min(2 * self.pause);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// During one second without reports: how often, and when.
    fn times(mut nudges: Nudges) -> Vec<u128> {
        let start = Instant::now();
        let due = (0..1000).filter(|millis| nudges.is_due_at(start + Duration::from_millis(*millis), 10));
        due.map(u128::from).collect()
    }

    #[test]
    fn many_partitions_are_given_more_time() {
        assert_eq!([0, 1, 4, 10, 1_000].map(|partitions| length(partitions).as_millis()), [5, 5, 20, 50, 50]);
    }

    #[test]
    fn a_broker_that_is_silent_costs_little() {
        assert_eq!(times(Nudges::for_all(10)), [0, 20, 60, 140, 300, 500, 700, 900]);
        assert_eq!(times(Nudges::for_the_rest(10)).len(), 8);
    }

    #[test]
    fn what_waited_behind_a_request_goes_when_that_is_reported() {
        let (mut nudges, start) = (Nudges::for_all(10), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(nudges.is_due_at(at(0), 10) && !nudges.is_due_at(at(1), 10));
        assert!(nudges.is_due_at(at(2), 4), "a report came");
        assert!(!nudges.is_due_at(at(3), 4) && nudges.is_due_at(at(22), 4));
    }

    #[test]
    fn whole_batches_are_left_to_go_by_themselves() {
        let (mut nudges, start) = (Nudges::for_the_rest(10), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!((0..50).all(|number| !nudges.is_due_at(at(number * 10), 1_000 - usize::try_from(number).unwrap_or(0))));
    }
}
