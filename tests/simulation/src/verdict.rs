//! How an invocation may end while faults happen around it. Everything else is a mistake, above all
//! a panic.

use archive::{Error, Result};
use backup_batch::BackupReport;
use restore_batch::RestoreReport;
use tokio::task::JoinHandle;

/// Words of a restore that refuses an empty topic as the wanted state.
pub(super) const NEWEST_IS_EMPTY: &str = ", is empty: the topic was created again";

/// What is wrong with the end of an invocation.
pub(crate) type Verdict = std::result::Result<(), String>;

/// Permanent errors that a schedule can cause.
const ALLOWED: [&str; 8] = [
    // A restore of a generation that is not backed up yet, or of the newest one.
    "no backup of ",
    NEWEST_IS_EMPTY,
    // Kafka forgets the offsets of a killed restore before it resumes.
    "RESTORE_ANYWAY=lost-progress",
    // Another restore has the target.
    "belongs to restore",
    // The target was deleted, and another topic may have its name. A restore has written to that
    // topic before it noticed.
    "no longer exists",
    "was deleted since",
    "the topic is gone",
    "RESTORE_ANYWAY=not-empty",
];

pub(crate) fn of_backup(result: Result<BackupReport>) -> Verdict {
    let report = result.map_or_else(|error| of(&error).map(|()| BackupReport::default()), Ok)?;
    // Errors that concern whole topics. There always is a topic.
    report.errors.first().map_or(Ok(()), |error| Err(error.clone()))?;
    report.partitions.iter().try_for_each(|one| of_text(one.error.as_deref(), one.retryable))
}

pub(crate) fn of_restore(result: Result<RestoreReport>) -> Verdict {
    let report = result.map_or_else(|error| of(&error).map(|()| RestoreReport::default()), Ok)?;
    report.topics.iter().try_for_each(|one| of_text(one.error.as_deref(), one.retryable))?;
    report.all_partitions().try_for_each(|(_, one)| of_text(one.error.as_deref(), one.retryable))
}

/// The verdict about an invocation that has ended.
pub(crate) async fn of_ended(task: &mut JoinHandle<Verdict>) -> Verdict {
    match task.await {
        Ok(verdict) => verdict,
        Err(error) if error.is_cancelled() => Ok(()),
        Err(error) => Err(format!("an invocation panicked: {}", words(error.into_panic()))),
    }
}

fn of(error: &Error) -> Verdict {
    of_text(Some(&error.to_string()), Some(error.is_retryable()))
}

pub(crate) fn of_text(error: Option<&str>, retryable: Option<bool>) -> Verdict {
    match error {
        Some(error) if retryable != Some(true) && !ALLOWED.iter().any(|allowed| error.contains(allowed)) => {
            Err(format!("an invocation failed for good: {error}"))
        }
        _ => Ok(()),
    }
}

fn words(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast::<String>().ok().map(|text| *text)).unwrap_or_default()
}
