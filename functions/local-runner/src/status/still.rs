//! Which partitions stand still while others go on: a shard that does not run any more looks like that, and nothing else says so.

use anyhow::Result;
use archive::catalog::Snapshot;
use host::Event;
use kafka::TopicPartition;
use kernel::clock::Millis;

use super::history::History;
use super::reached::Reached;

/// Segments that are not full are written only so often, so what is open for this many snapshots is late.
const SNAPSHOTS: usize = 3;
/// At most so many shards are thought of.
const SHARDS: u32 = 64;
/// So many partitions are named.
const NAMED: usize = 5;

/// What to say, if some stand still.
pub(super) async fn note(history: &mut History<'_>, newest: &Snapshot, reached: &Reached) -> Result<Option<String>> {
    let Some(then) = history.read(SNAPSHOTS).await? else { return Ok(None) };
    let (mut still, mut moving) = (Vec::new(), Vec::new());
    for (topic, number, chain, before, has_reached) in reached.partitions(&then) {
        let partition = TopicPartition::new(topic, number);
        if !has_reached {
            still.push(partition);
        } else if before.backed_up.is_some_and(|before| before < chain.next) {
            moving.push(partition);
        }
    }
    if still.is_empty() {
        return Ok(None);
    }
    let minutes = (newest.until - then.until).max(0) / Millis::from(60_000_i32);
    let named: Vec<String> = still.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if still.len() > NAMED { format!(" and {} more", still.len() - NAMED) } else { String::new() };
    let what = format!("what {}{more} held {minutes} minutes before the newest snapshot is not in the bucket yet", named.join(", "));
    let others = if moving.is_empty() {
        "no other partition went on either: does the backup fail, or is it too slow?".to_owned()
    } else {
        match shard(&still, &moving) {
            Some((shard, of)) => {
                format!("all partitions of shard {shard} of {of} stand still and others go on: does the schedule of that shard run?")
            }
            None => format!("{} others went on: do these fail, or does a shard not run?", moving.len()),
        }
    };
    Ok(Some(format!("{what}; {others}")))
}

/// The shard that all of `still` are in and none of `moving`, where there are two at least to tell it by.
fn shard(still: &[TopicPartition], moving: &[TopicPartition]) -> Option<(u32, u32)> {
    let all = (2..=SHARDS).flat_map(|of| (0..of).map(move |shard| (shard, of)));
    let mut of_all = all.filter(|shard| {
        let event = Event { shard: Some(*shard), ..Event::default() };
        still.iter().all(|partition| event.includes(partition)) && !moving.iter().any(|partition| event.includes(partition))
    });
    of_all.next().filter(|_| still.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_known_by_its_partitions() {
        let all: Vec<TopicPartition> =
            ["orders", "users"].iter().flat_map(|topic| (0..8).map(|number| TopicPartition::new(*topic, number))).collect();
        let event = Event { shard: Some((2, 4)), ..Event::default() };
        let (still, moving): (Vec<_>, Vec<_>) = all.into_iter().partition(|partition| event.includes(partition));
        assert_eq!(shard(&still, &moving), Some((2, 4)));
        let mixed: Vec<TopicPartition> = still[1..].iter().chain(&moving[..1]).cloned().collect();
        assert_eq!(shard(&mixed, &still[..1]), None);
    }
}
