//! The committed offsets of many groups: one request per group, some in parallel, within a time
//! limit for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::coordinator;
use super::errors::{self, Doing};
use super::native::{Code, Failure, Offsets};
use super::tries::{Asker, Tries};
use crate::{CommittedOffset, GroupOffset, GroupOffsets, KafkaErrorKind, Result, TopicPartition};

/// Groups that are requested in parallel.
const IN_FLIGHT: usize = 16;
/// After this many timeouts in a row, the coordinator is taken as gone, and the other requests get
/// only this timeout. So they do not use up the time of groups whose coordinators respond.
const SILENT: (usize, Duration) = (IN_FLIGHT, Duration::from_millis(500));
/// How long to wait for the transactions of all groups, and how often to check.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));

/// The committed offsets of each of these groups, or why its coordinator does not report them.
///
/// Transient errors are retried, for the groups that they concern. All together take no longer than
/// one request may; then the remaining ones time out. If a transactional commit is in progress, its
/// partition is requested again for [`PATIENCE`], and then reported as before the commit.
pub(super) async fn read(asker: &Asker, groups: &[String]) -> BTreeMap<String, Result<GroupOffsets>> {
    let mut tries = asker.tries("consumer groups", Doing::FetchCommitted).twice();
    let until = Instant::now() + asker.limit();
    let mut open: BTreeSet<String> = groups.iter().cloned().collect();
    let mut found = BTreeMap::new();
    let mut unsettled = BTreeMap::new();
    let mut patience = None;
    while !open.is_empty() {
        let (mut failed, mut moving) = (BTreeMap::new(), BTreeMap::new());
        for (group, answer) in ask(&tries, open, &unsettled, until).await {
            match answer {
                Ok(offsets) => match moving_ones(&offsets) {
                    some if some.is_empty() || unsettled.contains_key(&group) => {
                        let offsets = told(&tries, &group, offsets, unsettled.get(&group));
                        found.insert(group, Ok(offsets));
                    }
                    some => _ = moving.insert(group, some),
                },
                // It was deleted, or is not a group that commits offsets.
                Err(failure) if failure.code == Code::GROUP_ID_NOT_FOUND => _ = found.insert(group, Ok(GroupOffsets::new())),
                Err(failure) if errors::is_transient(failure.code) => _ = failed.insert(group, failure),
                Err(failure) => {
                    let error = tries.error_of(subject(&group), failure);
                    found.insert(group, Err(error));
                }
            }
        }
        if let Some(failure) = worst(&failed)
            && tries.again(failure).await.is_err()
        {
            let errors = std::mem::take(&mut failed).into_iter().map(|(group, failure)| {
                let error = tries.error_of(subject(&group), failure);
                (group, Err(error))
            });
            found.extend(errors);
        }
        open = failed.keys().chain(moving.keys()).cloned().collect();
        if !moving.is_empty() {
            if Instant::now() < *patience.get_or_insert_with(|| Instant::now() + PATIENCE.0) {
                tokio::time::sleep(PATIENCE.1).await;
            } else {
                unsettled.extend(moving);
            }
        }
    }
    found
}

/// The committed offset of a group for a partition, with no transaction in progress that could
/// change it. `None` if there is none.
///
/// # Errors
/// The coordinator does not report it; or a transaction did not end within the timeout of a
/// request.
pub(super) async fn settled(asker: &Asker, group: &str, partition: &TopicPartition) -> Result<Option<CommittedOffset>> {
    let mut tries = asker.tries(subject(group), Doing::FetchCommitted).twice();
    let until = Instant::now() + asker.limit();
    loop {
        let answer = tries.handle().group_offsets(group, Some(partition), true, tries.limit()).await;
        let failure = match answer.map(|mut offsets| offsets.remove(partition)) {
            Ok(Some(Ok((..0, _)))) => return Ok(None),
            Ok(Some(Ok((next, metadata)))) => return Ok(Some(CommittedOffset { next, metadata })),
            Ok(Some(Err(Code::UNSTABLE_OFFSET_COMMIT))) if Instant::now() < until => {
                tokio::time::sleep(PATIENCE.1).await;
                continue;
            }
            // The topic was deleted, and the offset with it.
            Ok(Some(Err(code))) if errors::kind(&code.into()) == KafkaErrorKind::UnknownTopic => return Ok(None),
            Ok(Some(Err(code))) => code.into(),
            Ok(None) => Failure::new(Code::FAIL, "the response omits the partition"),
            // It was deleted, or has no commits.
            Err(failure) if failure.code == Code::GROUP_ID_NOT_FOUND => return Ok(None),
            Err(failure) => failure,
        };
        if let Err(error) = tries.again(failure).await {
            return Err(coordinator::explained(asker, Doing::FetchCommitted, error).await);
        }
    }
}

/// Requests each of these groups once, with stable offsets except for the `unsettled`.
async fn ask(
    tries: &Tries<'_>,
    groups: BTreeSet<String>,
    unsettled: &BTreeMap<String, BTreeSet<TopicPartition>>,
    until: Instant,
) -> Vec<(String, Result<Offsets, Failure>)> {
    let (handle, limit) = (tries.handle(), tries.limit());
    let (mut groups, mut asked, mut answers, mut silent) = (groups.into_iter(), JoinSet::new(), Vec::new(), 0);
    loop {
        while asked.len() < IN_FLIGHT
            && let Some(group) = groups.next()
        {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                answers.push((group, Err(Code::TIMED_OUT.into())));
                continue;
            }
            let limit = if silent < SILENT.0 { limit } else { limit.min(SILENT.1) }.min(left);
            let (handle, stable) = (Arc::clone(&handle), !unsettled.contains_key(&group));
            asked.spawn(async move {
                let answer = handle.group_offsets(&group, None, stable, limit).await;
                (group, answer)
            });
        }
        let Some(answer) = asked.join_next().await else { return answers };
        let (group, answer) = answer.expect("a request does not panic, and nothing aborts it");
        silent = if answer.as_ref().is_err_and(|failure| failure.code == Code::TIMED_OUT) { silent + 1 } else { silent };
        answers.push((group, answer));
    }
}

/// The partitions for which a transaction is about to commit.
fn moving_ones(offsets: &Offsets) -> BTreeSet<TopicPartition> {
    let is_moving = |offset: &Result<_, Code>| offset.as_ref().is_err_and(|code| *code == Code::UNSTABLE_OFFSET_COMMIT);
    offsets.iter().filter(|(_, offset)| is_moving(offset)).map(|(partition, _)| partition.clone()).collect()
}

/// A response in domain words; `pending` are the partitions for which a transaction was about to
/// commit at the last request.
fn told(tries: &Tries<'_>, group: &str, offsets: Offsets, pending: Option<&BTreeSet<TopicPartition>>) -> GroupOffsets {
    let of = |(partition, offset): (TopicPartition, Result<(i64, String), Code>)| {
        let offset = match offset {
            Ok((..0, _)) => return None,
            Ok((offset, metadata)) => {
                Ok(GroupOffset { offset, metadata, pending: pending.is_some_and(|pending| pending.contains(&partition)) })
            }
            Err(code) => Err(tries.error_of(format!("{} on {partition}", subject(group)), code.into())),
        };
        Some((partition, offset))
    };
    offsets.into_iter().filter_map(of).collect()
}

fn subject(group: &str) -> String {
    format!("consumer group {group}")
}

/// The failure that decides how to continue: a timeout or a coordinator that has moved requires a
/// new client.
fn worst(failed: &BTreeMap<String, Failure>) -> Option<Failure> {
    let with = |code| failed.values().find(|failure| failure.code == code);
    with(Code::TIMED_OUT).or_else(|| with(Code::NOT_COORDINATOR)).or_else(|| failed.values().next()).cloned()
}
