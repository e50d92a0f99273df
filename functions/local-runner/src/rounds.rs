//! Runs invocations: one, until caught up, or continuously. A signal ends each of them cleanly.

use std::time::Duration;

use anyhow::{Result, bail};
use archive::Error;
use host::{Budget, StopSignal};
use kernel::{Deadline, clock, in_full};

use crate::cli::Mode;
use crate::progress::Bars;

/// Decides whether another invocation follows.
#[derive(Debug, Clone)]
pub(crate) struct Rounds {
    pub(crate) mode: Mode,
    /// Whether the work has an end. A loop also ends there.
    pub(crate) ends: bool,
    /// Time before a loop looks for new work.
    pub(crate) pause: Duration,
    /// TIME_BUDGET_SECONDS: the time limit of each invocation.
    pub(crate) time_budget: Option<Duration>,
    pub(crate) stop: StopSignal,
    /// Bounds the requests of the current invocation.
    pub(crate) deadline: Deadline,
}

/// The result of an invocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) failure: Failure,
    /// Whether it made progress, so that another one immediately after can make more.
    pub(crate) moved: bool,
    /// Whether nothing is left.
    pub(crate) caught_up: bool,
}

/// Whether anything failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    None,
    /// It may succeed later without an operator.
    Passing,
    /// It needs an operator.
    Lasting,
}

impl Failure {
    pub(crate) fn of(succeeded: bool, heals: bool) -> Self {
        match (succeeded, heals) {
            (true, _) => Self::None,
            (false, true) => Self::Passing,
            (false, false) => Self::Lasting,
        }
    }
}

impl Round {
    fn succeeded(self) -> bool {
        self.failure == Failure::None
    }
}

impl Rounds {
    /// Runs invocations, each with a budget of its own, until the mode is satisfied. Returns
    /// whether all succeeded. `tell` prints a report.
    ///
    /// # Errors
    /// As [`Rounds::after`] and [`Rounds::failed`].
    pub(crate) async fn run<R>(
        &self,
        budget: &Budget,
        bars: Option<&Bars>,
        mut invoke: impl AsyncFnMut(Budget) -> archive::Result<R>,
        mut tell: impl FnMut(R) -> Round,
    ) -> Result<bool> {
        loop {
            let mut budget = budget.clone();
            self.begin(&mut budget);
            let done = invoke(budget).await;
            if let Some(bars) = bars {
                bars.clear();
            }
            match done {
                Ok(report) => {
                    if let Some(succeeded) = self.after(tell(report)).await? {
                        return Ok(succeeded);
                    }
                }
                Err(error) => self.failed(error).await?,
            }
        }
    }

    /// Starts the time of an invocation.
    fn begin(&self, budget: &mut Budget) {
        budget.deadline = self.time_budget.map(|length| Budget::end(clock::system().now(), length));
        self.deadline.set_for_invocation(self.time_budget);
    }

    /// Decides what follows an invocation: `None` for another one, otherwise whether all succeeded.
    /// The pause of a loop is in here.
    ///
    /// # Errors
    /// `--until-caught-up` ends with work left: exit code 0 would promise that nothing is.
    async fn after(&self, round: Round) -> Result<Option<bool>> {
        match self.mode {
            Mode::Once => return Ok(Some(round.succeeded())),
            Mode::UntilCaughtUp if !round.succeeded() => return Ok(Some(false)),
            Mode::UntilCaughtUp if self.stop.is_set() && !round.caught_up => {
                bail!("stopped with work left: run the same command again to resume");
            }
            Mode::UntilCaughtUp if !round.moved && !round.caught_up => bail!("{}", self.stuck()),
            Mode::UntilCaughtUp => return Ok((self.stop.is_set() || !round.moved).then_some(true)),
            Mode::Loop if self.ends && self.stop.is_set() && !round.caught_up => {
                bail!("stopped with work left: run the same command again to resume");
            }
            Mode::Loop if self.ends && round.succeeded() && round.caught_up => return Ok(Some(true)),
            Mode::Loop if self.ends && round.failure == Failure::Lasting && !round.moved => return Ok(Some(false)),
            Mode::Loop if !round.moved && !self.stop.is_set() => self.wait().await,
            Mode::Loop => {}
        }
        Ok(self.stop.is_set().then_some(round.succeeded()))
    }

    /// Handles an invocation that failed as a whole. A loop survives an unavailable cluster or
    /// bucket: it pauses in here and retries. Once and until-caught-up end.
    ///
    /// # Errors
    /// The error, if no invocation follows.
    async fn failed(&self, error: Error) -> Result<()> {
        if self.mode != Mode::Loop || !error.is_retryable() || self.stop.is_set() {
            return Err(error.into());
        }
        tracing::error!("{}; retrying in {} s", in_full(&error), self.pause.as_secs());
        self.wait().await;
        if self.stop.is_set() { Err(error.into()) } else { Ok(()) }
    }

    fn stuck(&self) -> String {
        let advice = match self.time_budget {
            Some(length) => format!("no progress within TIME_BUDGET_SECONDS ({}). Raise it", length.as_secs()),
            None => "the last invocation made no progress. Run the same command again".to_owned(),
        };
        format!("not caught up: {advice}")
    }

    /// Waits until the pause is over (at least a second, so that a loop never spins) or a stop is
    /// requested.
    async fn wait(&self) {
        let length = self.pause.max(Duration::from_secs(1));
        let until = tokio::time::Instant::now() + length;
        while !self.stop.is_set() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::{StoreError, StoreErrorKind};

    use super::*;

    const DONE: Round = Round { failure: Failure::None, moved: false, caught_up: true };
    const MORE: Round = Round { failure: Failure::None, moved: true, caught_up: false };

    fn rounds(mode: Mode) -> Rounds {
        let (stop, deadline) = (StopSignal::default(), Deadline::unset());
        Rounds { mode, ends: false, pause: Duration::ZERO, time_budget: None, stop, deadline }
    }

    fn stopped(mode: Mode) -> Rounds {
        let rounds = rounds(mode);
        rounds.stop.stop();
        rounds
    }

    #[tokio::test]
    async fn until_caught_up_continues_while_something_moves() {
        let rounds = rounds(Mode::UntilCaughtUp);
        assert_eq!(rounds.after(MORE).await.unwrap(), None);
        assert_eq!(rounds.after(Round { caught_up: true, ..MORE }).await.unwrap(), None);
        assert_eq!(rounds.after(DONE).await.unwrap(), Some(true));
        assert_eq!(rounds.after(Round { failure: Failure::Passing, ..MORE }).await.unwrap(), Some(false));
    }

    /// A script may delete the topic after `--until-caught-up` succeeds.
    #[tokio::test]
    async fn until_caught_up_is_no_success_while_something_is_left() {
        let left = Round { moved: false, ..MORE };
        for round in [MORE, left] {
            let error = stopped(Mode::UntilCaughtUp).after(round).await.unwrap_err().to_string();
            assert!(error.contains("stopped with work left") && error.contains("run the same command again to resume"), "{error}");
        }
        assert_eq!(stopped(Mode::UntilCaughtUp).after(Round { caught_up: true, ..MORE }).await.unwrap(), Some(true));

        let short = Rounds { time_budget: Some(Duration::from_secs(1)), ..rounds(Mode::UntilCaughtUp) };
        let error = short.after(left).await.unwrap_err().to_string();
        assert!(error.contains("TIME_BUDGET_SECONDS (1)"), "{error}");
    }

    #[tokio::test]
    async fn a_stopped_loop_ends_with_the_result_of_its_last_invocation() {
        assert_eq!(rounds(Mode::Loop).after(MORE).await.unwrap(), None);
        assert_eq!(stopped(Mode::Loop).after(MORE).await.unwrap(), Some(true));
        assert_eq!(stopped(Mode::Loop).after(Round { failure: Failure::Passing, ..DONE }).await.unwrap(), Some(false));
        assert_eq!(rounds(Mode::Once).after(MORE).await.unwrap(), Some(true));
    }

    #[tokio::test]
    async fn no_invocation_follows_a_stop_during_the_pause_of_an_outage() {
        let away = || Error::from(StoreError::new(StoreErrorKind::Unavailable, "s3://x", "away"));
        let waiting = Rounds { pause: Duration::from_secs(3600), ..rounds(Mode::Loop) };
        let (ended, ()) = tokio::join!(waiting.failed(away()), async { waiting.stop.stop() });
        assert!(ended.is_err());
        assert!(rounds(Mode::UntilCaughtUp).failed(away()).await.is_err());
        assert!(rounds(Mode::Loop).failed(Error::request("no")).await.is_err());
    }

    #[test]
    fn each_invocation_has_the_whole_time_budget() {
        let rounds = Rounds { time_budget: Some(Duration::from_secs(100)), ..rounds(Mode::Loop) };
        let mut budget = Budget::unlimited(None);
        rounds.begin(&mut budget);
        let left = budget.deadline.unwrap() - clock::system().now();
        assert!((90_000..=100_000).contains(&left), "{left}");
        assert!(rounds.deadline.remaining().is_some_and(|left| left <= Duration::from_secs(99)));
    }
}
