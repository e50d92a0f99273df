//! What many groups have committed: one request for each, a few at once, within a bounded time for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::coordinator;
use super::errors::{self, Doing};
use super::native::{Code, Failure, Offsets};
use super::tries::{Asker, Tries};
use crate::{CommittedOffset, GroupOffset, GroupOffsets, KafkaErrorKind, Result, TopicPartition};

/// Groups that are asked about at once.
const IN_FLIGHT: usize = 16;
/// After so many time-outs in a row of requests a coordinator is taken to be gone, and the others are waited for only so long: they must not use up
/// the time of the groups whose coordinators answer.
const SILENT: (usize, Duration) = (IN_FLIGHT, Duration::from_millis(500));
/// How long the transactions of all groups are waited for, and how often.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(100));

/// What each of these groups has committed, or why its coordinator does not tell.
///
/// What time heals is tried again, for the groups that it concerns. All together takes no longer than one request may, and then those that are left
/// have timed out. With transactional commits under way, a partition is asked for again for [`PATIENCE`], and then told as it was before them.
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
                // It is gone, or no group that commits offsets.
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

/// What a group has committed for a partition, with no transaction under way that could change it. `None`: nothing, as its coordinator says.
///
/// # Errors
/// The coordinator does not tell; or a transaction did not end within the time of a request.
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
            // The topic is gone, and the offset with it.
            Ok(Some(Err(code))) if errors::kind(&code.into()) == KafkaErrorKind::UnknownTopic => return Ok(None),
            Ok(Some(Err(code))) => code.into(),
            Ok(None) => Failure::new(Code::FAIL, "the answer leaves the partition out"),
            // It is gone, or has committed nothing.
            Err(failure) if failure.code == Code::GROUP_ID_NOT_FOUND => return Ok(None),
            Err(failure) => failure,
        };
        if let Err(error) = tries.again(failure).await {
            return Err(coordinator::explained(asker, Doing::FetchCommitted, error).await);
        }
    }
}

/// Asks about each of these groups once; with stable offsets, but for the `unsettled`.
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
        let (group, answer) = answer.expect("a request does not panic, and nobody aborts it");
        silent = if answer.as_ref().is_err_and(|failure| failure.code == Code::TIMED_OUT) { silent + 1 } else { silent };
        answers.push((group, answer));
    }
}

/// The partitions for which a transaction is about to commit.
fn moving_ones(offsets: &Offsets) -> BTreeSet<TopicPartition> {
    let is_moving = |offset: &Result<_, Code>| offset.as_ref().is_err_and(|code| *code == Code::UNSTABLE_OFFSET_COMMIT);
    offsets.iter().filter(|(_, offset)| is_moving(offset)).map(|(partition, _)| partition.clone()).collect()
}

/// An answer in domain words; `pending` are the partitions for which a transaction was about to commit when that was last asked.
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

/// The failure that decides how to go on: a time-out or a coordinator that has moved ask for a new client.
fn worst(failed: &BTreeMap<String, Failure>) -> Option<Failure> {
    let with = |code| failed.values().find(|failure| failure.code == code);
    with(Code::TIMED_OUT).or_else(|| with(Code::NOT_COORDINATOR)).or_else(|| failed.values().next()).cloned()
}
