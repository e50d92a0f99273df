//! Partitions that do not advance while others do: a shard whose schedule stopped shows nothing
//! else.

use anyhow::Result;
use archive::catalog::Snapshot;
use host::Event;
use kafka::TopicPartition;
use kernel::clock::Millis;

use super::history::History;
use super::reached::Reached;
use crate::output::counted;

/// Part-filled segments are written after RETRY_UPLOAD_SECONDS, so a partition that is incomplete
/// for this number of snapshots is late.
const SNAPSHOTS: usize = 3;
/// The largest number of shards to recognise.
const SHARDS: u32 = 64;
/// The number of partitions to name.
const NAMED: usize = 5;

/// A note if some partitions do not advance.
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
    let what = format!("records of {}{more} from {minutes} minutes before the newest snapshot are not in the bucket yet", named.join(", "));
    let others = if moving.is_empty() {
        "no other partition advanced: is the backup failing, or too slow?".to_owned()
    } else {
        match shard(&still, &moving) {
            Some((shard, of)) => {
                format!("they are all in shard {shard} of {of}, and other shards advanced: does the schedule of that shard run?")
            }
            None => format!("{} advanced: do these fail, or is a shard not running?", counted(moving.len() as u64, "other partition")),
        }
    };
    Ok(Some(format!("{what}; {others}")))
}

/// The shard that contains all of `still` and none of `moving`. One partition alone proves nothing.
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
