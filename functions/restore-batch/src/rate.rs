//! BYTES_PER_SECOND: after a record was written, its partition waits. That never keeps a
//! transaction open for longer than it may last.

use std::time::Duration;

use kernel::clock::Millis;

use crate::partition::PartitionRestore;

/// How often the invocation's time is checked.
const SLICE: Duration = Duration::from_millis(250);

impl PartitionRestore<'_> {
    /// Whether to commit the open transaction before the wait for the rate limit: the wait would
    /// make it last too long.
    pub(crate) fn would_outlast(&mut self) -> bool {
        let left = Millis::try_from(self.paced.left().as_millis()).unwrap_or(Millis::MAX);
        left > 0 && self.open.records > 0 && self.open.waited.saturating_add(left) >= self.pace.lasts
    }

    /// Waits until more may be written. Returns whether the invocation's time was up before.
    ///
    /// A transaction's wait counts for the size of the next one, as waiting for brokers does:
    /// `pace.rs` finds out how many records fit.
    pub(crate) async fn keep_to_rate(&mut self) -> bool {
        let clock = &self.topic.restore.clock;
        while !self.paced.left().is_zero() {
            if self.topic.shared.is_spent() {
                return true;
            }
            let before = clock.now();
            self.paced.wait(SLICE).await;
            if self.open.records > 0 {
                self.open.waited += clock.now() - before;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use host::{Budget, RateLimit};
    use kernel::clock::Clock;
    use tokio::time::Instant;

    use super::*;
    use crate::testing::Fake;
    use crate::{Invocation, Restore};

    /// Tokio's.
    #[derive(Debug)]
    struct Virtual(Instant);

    impl Clock for Virtual {
        fn now(&self) -> Millis {
            self.0.elapsed().as_millis().try_into().unwrap()
        }
    }

    async fn backup_of(records: i64) -> Fake {
        let fake = Fake::new();
        fake.segment_of(0..records, 1_000).await;
        fake
    }

    fn restore(fake: &Fake, bytes_per_second: u64) -> Restore {
        Restore { rate: RateLimit::new(Some(bytes_per_second)), clock: Arc::new(Virtual(Instant::now())), ..fake.restore() }
    }

    #[tokio::test(start_paused = true)]
    async fn writing_keeps_to_bytes_per_second_and_the_report_says_so() {
        let (fake, start) = (backup_of(300).await, Instant::now());
        let report = restore(&fake, 10_000).invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!((report.records, report.succeeded), (300, true), "{report:?}");
        assert!((27.0..33.0).contains(&seconds), "{seconds} s");
        assert!(
            report.rate_limited_ms >= 27_000 && report.notes.iter().any(|note| note.contains("BYTES_PER_SECOND (10000)")),
            "{report:?}"
        );
        // Ten seconds are the longest that a transaction may last: 100 records.
        let transactions = &fake.topic().transactions;
        assert!(transactions.iter().all(|records| *records <= 101) && transactions.len() >= 3, "{transactions:?}");
    }

    /// Each record takes twice as long as a transaction may last.
    #[tokio::test(start_paused = true)]
    async fn no_transaction_is_open_while_a_long_wait_lasts() {
        let (fake, start) = (backup_of(5).await, Instant::now());
        let report = restore(&fake, 50).invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
        assert_eq!((report.records, report.succeeded), (5, true), "{report:?}");
        assert!(start.elapsed() >= Duration::from_secs(80), "{:?}", start.elapsed());
        assert_eq!(fake.topic().transactions, [1; 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_invocation_ends_in_time_and_the_next_one_goes_on() {
        let fake = backup_of(10).await;
        for _ in 0..5 {
            let start = Instant::now();
            let budget = Budget { deadline: Some(40_000), ..Budget::unlimited(None) };
            let report = restore(&fake, 100).invoke(&Invocation::new(budget)).await.unwrap();
            assert!(report.succeeded && start.elapsed() < Duration::from_secs(40), "{report:?}");
        }
        assert_eq!(fake.topic().records, (0..10).collect::<Vec<_>>());
    }
}
