//! A kill at each request of a restore, and what follows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use archive::catalog::Binding;
use host::Event;

use super::judge::End;
use super::recovery::{Asked, COPIES, Recovery, shard};
use crate::cases::runtime;
use crate::chaos::Chaos;

/// More await points than any of these invocations has.
const MOST: i64 = 2_000;

/// What happens after the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Nothing,
    Deleted,
    MadeAgain,
}

/// An invocation is killed at each point, between each two of restore.json, topics, bindings,
/// claims, records, marks and the end. More is backed up, and in turn a target is deleted or
/// created again. Quiet invocations restore all of it, or report which topic was deleted.
///
/// # Errors
/// The first kill with a wrong result.
pub fn a_kill_at_each_request() -> Result<(), String> {
    for then in [Then::Nothing, Then::Deleted, Then::MadeAgain] {
        let shards = (then == Then::Nothing).then(|| shard(1));
        for first in std::iter::once(Event::default()).chain(shards) {
            let mut kill_at = 0;
            while killed_at(kill_at, then, first.clone())
                .map_err(|problem| format!("killed at {kill_at}, {then:?}, {first:?}: {problem}"))?
            {
                // A missing topic is noticed sooner than a replaced one.
                kill_at += if then == Then::Deleted { 3 } else { 1 };
                if kill_at > MOST {
                    return Err("it never ends".to_owned());
                }
            }
        }
    }
    Ok(())
}

/// Returns whether it was killed.
fn killed_at(kill_at: i64, then: Then, event: Event) -> Result<bool, String> {
    runtime()?.block_on(async {
        let mut recovery = Recovery::small().await?;
        let asked = Asked::of_all("drill");
        let chaos = Chaos::new(1, recovery.clock.clone(), Some(kill_at), 0);
        drop(recovery.invoke(chaos.clone(), &asked, event).await);
        let noted = recovery.noted(&asked.id).await?;
        for (topic, partition) in [("orders", 0), ("orders", 1), ("clicks", 0)] {
            recovery.write(topic, partition, 3);
        }
        recovery.back_up_everything().await?;
        // Takes each topic in turn. If a topic is done while others are not, takes that one.
        let in_turn = ["orders", "bills", "orders", "clicks"][usize::try_from(kill_at % 4).unwrap_or(0)];
        let done = [("bills", 0), ("orders", 0)].into_iter().find(|(topic, partition)| recovery.is_done(&asked.id, topic, *partition));
        let topic = done.map_or(in_turn, |(topic, _)| topic);
        let target = format!("{COPIES}{topic}");
        let bound = Binding::load(recovery.bucket.as_ref(), &asked.id, topic).await.map_err(|error| error.to_string())?;
        let was_finished = recovery.is_marked(&asked.id);
        if then != Then::Nothing {
            recovery.delete(&target, then == Then::MadeAgain);
        }
        let end = recovery.finish(&asked).await?;
        let again = recovery.noted(&asked.id).await?.ok_or("no restore.json")?;
        if noted.is_some_and(|noted| noted != again) {
            return Err("restore.json has changed".to_owned());
        }
        let was_known = bound.is_some() || was_finished;
        match &end {
            End::Finished if then != Then::Nothing && was_known => return Err(format!("{target} was deleted, and all is there")),
            End::Refused(words)
                if then == Then::Nothing
                    || words.len() != 1
                    || !was_known
                    || !words.get(&target).is_some_and(|words| words.contains("deleted since") || words.contains("no longer exists")) =>
            {
                return Err(format!("{words:?}"));
            }
            _ => {}
        }
        recovery.judge(&[(asked, end)], &BTreeSet::new()).await?;
        Ok(chaos.is_killed())
    })
}

/// Two invocations begin at the same time, each of everything or of a shard. One of them is killed
/// at each point. The backup continues.
///
/// # Errors
/// The first kill with a wrong result.
pub fn two_at_once() -> Result<(), String> {
    for (number, events) in [[Event::default(), Event::default()], [shard(0), shard(1)]].into_iter().enumerate() {
        let mut kill_at = 0;
        loop {
            let (asked, seed) = (Asked::of_all("drill"), u64::try_from(kill_at).unwrap_or(0));
            let run = async {
                let (mut recovery, chaos) = two(kill_at, seed, &events, &asked).await?;
                let end = recovery.finish(&asked).await?;
                match &end {
                    End::Finished => recovery.judge(&[(asked, end)], &BTreeSet::new()).await?,
                    End::Refused(words) => return Err(format!("{words:?}")),
                }
                Ok(chaos.is_killed())
            };
            if !runtime()?.block_on(run).map_err(|problem| format!("killed at {kill_at}, {number}: {problem}"))? {
                break;
            }
            kill_at += 1;
        }
    }
    Ok(())
}

/// Two invocations at the same time, the first of which is killed.
async fn two(kill_at: i64, seed: u64, events: &[Event; 2], asked: &Asked) -> Result<(Recovery, Arc<Chaos>), String> {
    let mut recovery = Recovery::small().await?;
    let chaos = Chaos::new(seed, recovery.clock.clone(), Some(kill_at), 0);
    let other = Chaos::new(seed + 1_000, recovery.clock.clone(), None, 0);
    let (one, two) = (recovery.restore(chaos.clone(), asked), recovery.restore(other, asked));
    let invocation =
        |event: &Event| restore_batch::Invocation { event: event.clone(), ..restore_batch::Invocation::new(host::Budget::unlimited(None)) };
    let (of_one, of_two) = (invocation(&events[0]), invocation(&events[1]));
    let one = tokio::spawn(async move { one.invoke(&of_one).await.map(drop) });
    let two = tokio::spawn(async move { two.invoke(&of_two).await.map(drop) });
    recovery.write("orders", 0, 3);
    recovery.back_up_everything().await?;
    while !(two.is_finished() && (one.is_finished() || chaos.is_killed())) {
        tokio::task::yield_now().await;
    }
    one.abort();
    for ended in [one.await, two.await] {
        match ended {
            Ok(Err(error)) if !error.is_retryable() => return Err(error.to_string()),
            Err(error) if error.is_panic() => return Err("it panicked".to_owned()),
            _ => {}
        }
    }
    Ok((recovery, chaos))
}

/// A finished restore no longer owns its topics, whatever a killed invocation of it left. With
/// RESTORE_ANYWAY=not-empty another restore may follow.
///
/// # Errors
/// If that one is refused.
pub fn a_finished_restore_is_followed() -> Result<(), String> {
    let mut kill_at = 0;
    loop {
        let (asked, seed) = (Asked::of_all("drill"), u64::try_from(kill_at).unwrap_or(0));
        let run = async {
            let (mut recovery, chaos) = two(kill_at, seed, &[Event::default(), Event::default()], &asked).await?;
            match recovery.finish(&asked).await? {
                End::Finished => {}
                End::Refused(words) => return Err(format!("{words:?}")),
            }
            if kill_at == 0 {
                recovery.leave_at_work(&asked.id, "orders", 0).await?;
            }
            let before = recovery.records(&asked.target_of("orders"));
            let refused = recovery.finish(&Asked::of_all("rival")).await?;
            match &refused {
                End::Refused(words) if words.values().all(|words| words.contains("RESTORE_ANYWAY=not-empty")) => {}
                other => return Err(format!("a second restore into the same topics: {other:?}")),
            }
            let follows = Asked { anyway: vec!["not-empty".to_owned()], ..Asked::of_all("follows") };
            match recovery.finish(&follows).await? {
                End::Finished => {}
                End::Refused(words) => return Err(format!("the restore that follows: {words:?}")),
            }
            let noted = recovery.noted("follows").await?.ok_or("no restore.json")?;
            let orders = noted.topics.iter().find(|topic| topic.folder == "orders").ok_or("no orders")?;
            for (partition, expected) in recovery.expected(orders).await? {
                let there = recovery.records(&asked.target_of("orders")).remove(&partition).unwrap_or_default();
                if there != [before[&partition].clone(), expected.clone()].concat() {
                    return Err(format!("partition {partition} holds {there:?}, which is not {:?} and {expected:?}", before[&partition]));
                }
            }
            Ok(chaos.is_killed())
        };
        if !runtime()?.block_on(run).map_err(|problem| format!("killed at {kill_at}: {problem}"))? {
            return Ok(());
        }
        kill_at += 1;
    }
}

/// A target is deleted, and created again, at each point of the invocation that ends a restore. The
/// restore is not finished then, or reports the deletion afterwards.
///
/// # Errors
/// If an empty topic passes for a restored one.
pub fn a_target_is_deleted_beside_the_last_step() -> Result<(), String> {
    for topic in ["bills", "orders"] {
        for point in 0.. {
            let run = async {
                let mut recovery = Recovery::small().await?;
                let (asked, target) = (Asked::of_all("drill"), format!("{COPIES}{topic}"));
                // Everything is restored, and the last step was killed.
                let mut kill_at = MOST;
                let quiet = recovery.quiet();
                while !recovery.is_marked(&asked.id) {
                    drop(recovery.invoke(quiet.clone(), &asked, Event::default()).await);
                    kill_at -= 1;
                    if kill_at == 0 {
                        return Err("it is never done".to_owned());
                    }
                }
                recovery.forget_the_end(&asked.id).await?;
                let chaos = Chaos::new(1, recovery.clock.clone(), None, 0);
                let restore = recovery.restore(chaos, &asked);
                let task =
                    tokio::spawn(async move { restore.invoke(&restore_batch::Invocation::new(host::Budget::unlimited(None))).await });
                for _ in 0..point {
                    tokio::task::yield_now().await;
                }
                let was_under_way = !task.is_finished();
                recovery.delete(&target, true);
                drop(task.await.map_err(|error| error.to_string())?);
                match recovery.finish(&asked).await? {
                    End::Refused(words) if words.get(&target).is_some_and(|words| words.contains("deleted since")) => Ok(was_under_way),
                    other => Err(format!("{target} is empty, and the restore ends with {other:?}")),
                }
            };
            if !runtime()?.block_on(run).map_err(|problem| format!("{topic}, after {point} turns: {problem}"))? {
                break;
            }
        }
    }
    Ok(())
}
