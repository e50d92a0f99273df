//! Invocations one after another: one, until caught up, or for ever. A signal ends all of them in good order.

use std::time::Duration;

use anyhow::{Result, bail};
use archive::Error;
use host::{Budget, StopSignal};
use kernel::{Deadline, clock, in_full};

use crate::cli::Mode;
use crate::progress::Bars;

/// What decides whether another invocation follows.
#[derive(Debug, Clone)]
pub(crate) struct Rounds {
    pub(crate) mode: Mode,
    /// Whether the work has an end: a loop ends there, too.
    pub(crate) ends: bool,
    /// Before a loop looks for new work.
    pub(crate) pause: Duration,
    /// TIME_BUDGET_SECONDS: each invocation ends in good order before this.
    pub(crate) time_budget: Option<Duration>,
    pub(crate) stop: StopSignal,
    /// Bounds the requests of the invocation under way.
    pub(crate) deadline: Deadline,
}

/// What an invocation came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) failure: Failure,
    /// Whether it got further, so that another one at once can get further still.
    pub(crate) moved: bool,
    /// Whether nothing is left.
    pub(crate) caught_up: bool,
}

/// Whether anything failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    None,
    /// What can succeed later without anybody doing something, or may.
    Passing,
    /// What somebody has to do something about.
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
    /// One invocation after another, each with a budget of its own, until there is to be none any more: whether all succeeded. `tell` prints a report.
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

    /// Begins an invocation: its time runs from now on.
    fn begin(&self, budget: &mut Budget) {
        budget.deadline = self.time_budget.map(|length| Budget::end(clock::system().now(), length));
        self.deadline.set_for_invocation(self.time_budget);
    }

    /// What follows an invocation: `None` is another one, otherwise whether all succeeded. A loop pauses in here.
    ///
    /// # Errors
    /// `--until-caught-up` ends with something left: exit code 0 would say that there is nothing.
    async fn after(&self, round: Round) -> Result<Option<bool>> {
        match self.mode {
            Mode::Once => return Ok(Some(round.succeeded())),
            Mode::UntilCaughtUp if !round.succeeded() => return Ok(Some(false)),
            Mode::UntilCaughtUp if self.stop.is_set() && !round.caught_up => {
                bail!("stopped with work left; the same command goes on from here");
            }
            Mode::UntilCaughtUp if !round.moved && !round.caught_up => bail!("{}", self.stuck()),
            Mode::UntilCaughtUp => return Ok((self.stop.is_set() || !round.moved).then_some(true)),
            Mode::Loop if self.ends && round.succeeded() && round.caught_up => return Ok(Some(true)),
            Mode::Loop if self.ends && round.failure == Failure::Lasting && !round.moved => return Ok(Some(false)),
            Mode::Loop if !round.moved && !self.stop.is_set() => self.wait().await,
            Mode::Loop => {}
        }
        Ok(self.stop.is_set().then_some(round.succeeded()))
    }

    /// An invocation that could not do anything. A loop outlives a cluster or a bucket that is away for a while: it pauses in here, and another
    /// one follows; once and until-caught-up say so and end.
    ///
    /// # Errors
    /// The error, when nothing follows.
    async fn failed(&self, error: Error) -> Result<()> {
        if self.mode != Mode::Loop || !error.is_retryable() || self.stop.is_set() {
            return Err(error.into());
        }
        tracing::error!("{}; trying again in {} s", in_full(&error), self.pause.as_secs());
        self.wait().await;
        if self.stop.is_set() { Err(error.into()) } else { Ok(()) }
    }

    fn stuck(&self) -> String {
        let advice = match self.time_budget {
            Some(length) => format!("nothing of it could be done within TIME_BUDGET_SECONDS ({}): raise it", length.as_secs()),
            None => "the last invocation did none of it: run the same command again".to_owned(),
        };
        format!("not caught up, and {advice}")
    }

    /// Waits (a second at least: a loop never spins), but no longer than until a stop is asked for.
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
    async fn until_caught_up_goes_on_while_something_moves() {
        let rounds = rounds(Mode::UntilCaughtUp);
        assert_eq!(rounds.after(MORE).await.unwrap(), None);
        assert_eq!(rounds.after(Round { caught_up: true, ..MORE }).await.unwrap(), None);
        assert_eq!(rounds.after(DONE).await.unwrap(), Some(true));
        assert_eq!(rounds.after(Round { failure: Failure::Passing, ..MORE }).await.unwrap(), Some(false));
    }

    /// A script that runs `--until-caught-up` and then deletes the topic must not be told that all of it is safe.
    #[tokio::test]
    async fn until_caught_up_is_no_success_while_something_is_left() {
        let left = Round { moved: false, ..MORE };
        for round in [MORE, left] {
            let error = stopped(Mode::UntilCaughtUp).after(round).await.unwrap_err().to_string();
            assert!(error.contains("stopped with work left") && error.contains("the same command goes on"), "{error}");
        }
        assert_eq!(stopped(Mode::UntilCaughtUp).after(Round { caught_up: true, ..MORE }).await.unwrap(), Some(true));

        let short = Rounds { time_budget: Some(Duration::from_secs(1)), ..rounds(Mode::UntilCaughtUp) };
        let error = short.after(left).await.unwrap_err().to_string();
        assert!(error.contains("TIME_BUDGET_SECONDS (1)"), "{error}");
    }

    #[tokio::test]
    async fn a_stopped_loop_ends_with_what_its_last_invocation_came_to() {
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
