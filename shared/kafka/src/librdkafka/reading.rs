//! The client that reads. It reads each partition once at the same time, and is replaced if
//! partitions get stuck in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kernel::lock;

use super::client;
use super::native::Handle;
use crate::{Isolation, KafkaError, KafkaErrorKind, KafkaSettings, OffsetRange, Result, TopicFacts, TopicId, TopicPartition};

/// A partition with more to read and no records for this long is silent.
const SILENT: Duration = Duration::from_millis(900);
/// The minimum interval between two replacements because of silence. A partition can be silent
/// because its broker is slow, or because of a long aborted transaction.
const PAUSE: Duration = Duration::from_secs(60);
/// How long to wait for the previous reading to end, and how often to check.
const LIMIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

type Partitions = Arc<Mutex<BTreeSet<TopicPartition>>>;

/// The client that reads. A partition can get stuck in one without an error: when its topic is
/// created again with a lower leader epoch (librdkafka's issue 4898), when its leader moves back
/// and forth (5593), when it has no leader for a moment (5430). So the client is replaced when the
/// id of a topic changes, and after silence. Existing readers continue with the old one.
#[derive(Debug)]
pub(super) struct ReadingClient {
    settings: Arc<KafkaSettings>,
    isolation: Isolation,
    prefetch: usize,
    unpacked: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// From the first reader on, with the partitions that it reads.
    current: Option<(Arc<Handle>, Partitions)>,
    /// When silence last caused a replacement.
    renewed: Option<Instant>,
    /// Of the topics that were described last.
    ids: BTreeMap<String, TopicId>,
    /// The ends of partitions at the last request.
    ends: BTreeMap<TopicPartition, i64>,
}

impl ReadingClient {
    pub(super) fn new(settings: &Arc<KafkaSettings>, isolation: Isolation, prefetch: usize) -> Self {
        Self { settings: Arc::clone(settings), isolation, prefetch, unpacked: prefetch, state: Mutex::default() }
    }

    /// With this limit of memory for a response for one partition.
    pub(super) fn unpacking(self, unpacked: usize) -> Self {
        Self { unpacked, ..self }
    }

    /// The client for a new reader of this partition, once no other reader has it with that client.
    pub(super) async fn claim(self: &Arc<Self>, partition: &TopicPartition) -> Result<(Arc<Handle>, Claim)> {
        let start = Instant::now();
        loop {
            let (handle, partitions) = self.current()?;
            if lock(&partitions).insert(partition.clone()) {
                return Ok((handle, Claim { partitions, partition: partition.clone() }));
            }
            if start.elapsed() >= LIMIT {
                self.leave(&handle);
                return Err(KafkaError::new(
                    KafkaErrorKind::Unavailable,
                    partition.to_string(),
                    "its last reader has not ended yet: the next invocation retries",
                ));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn current(&self) -> Result<(Arc<Handle>, Partitions)> {
        let mut state = lock(&self.state);
        let current = match state.current.take().filter(|(handle, _)| !handle.observer().is_outdated()) {
            Some(current) => current,
            None => (client::reading(&self.settings, self.isolation, self.prefetch, self.unpacked)?, Partitions::default()),
        };
        Ok(state.current.insert(current).clone())
    }

    /// New readers get another client.
    fn leave(&self, handle: &Arc<Handle>) {
        let mut state = lock(&self.state);
        state.current = state.current.take().filter(|(current, _)| !Arc::ptr_eq(current, handle));
    }

    /// Updates the topic ids.
    pub(super) fn described(&self, topics: &BTreeMap<String, Result<TopicFacts>>) {
        let mut state = lock(&self.state);
        for (name, facts) in topics {
            let Some(id) = facts.as_ref().ok().and_then(|facts| facts.id.clone()) else { continue };
            let before = state.ids.insert(name.clone(), id.clone());
            if before.is_some_and(|before| before != id) && state.current.take().is_some() {
                tracing::debug!(topic = name, "the topic has another id now: reading it with a new client");
            }
        }
    }

    /// Updates the ends of partitions.
    pub(super) fn listed(&self, ranges: &BTreeMap<TopicPartition, Result<OffsetRange>>) {
        let ends = ranges.iter().filter_map(|(partition, range)| Some((partition.clone(), range.as_ref().ok()?.end)));
        lock(&self.state).ends.extend(ends);
    }

    /// Records how a reader ended: its position, and since when nothing had arrived.
    pub(super) fn ended(&self, handle: &Arc<Handle>, partition: &TopicPartition, position: i64, quiet: Duration) {
        if quiet < SILENT {
            return;
        }
        let mut state = lock(&self.state);
        let has_more = state.ends.get(partition).is_some_and(|end| *end > position);
        let is_due = state.renewed.is_none_or(|last| last.elapsed() >= PAUSE);
        if has_more && is_due && state.current.as_ref().is_some_and(|(current, _)| Arc::ptr_eq(current, handle)) {
            tracing::debug!(%partition, position, "no records received for {} s: the next reader gets a new client", quiet.as_secs());
            (state.current, state.renewed) = (None, Some(Instant::now()));
        }
    }
}

/// The permission to read a partition: librdkafka reads each at most once per client.
#[derive(Debug)]
pub(super) struct Claim {
    partitions: Partitions,
    partition: TopicPartition,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.partitions).remove(&self.partition);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn client() -> Arc<ReadingClient> {
        let settings = KafkaSettings { bootstrap_servers: "127.0.0.1:1".to_owned(), ..KafkaSettings::default() };
        Arc::new(ReadingClient::new(&Arc::new(settings), Isolation::ReadCommitted, 1 << 20))
    }

    fn partition() -> TopicPartition {
        TopicPartition::new("orders", 3)
    }

    #[tokio::test]
    async fn another_id_of_a_topic_makes_another_client_and_the_same_one_does_not() {
        let client = client();
        let described = |id| {
            let facts = TopicFacts { id: TopicId::from_halves((1, id)), partitions: 4, replication_factor: None, configs: BTreeMap::new() };
            client.described(&[("orders".to_owned(), Ok(facts))].into());
        };
        described(7);
        let (first, _claim) = client.claim(&partition()).await.unwrap();
        described(7);
        assert!(Arc::ptr_eq(&first, &client.current().unwrap().0));
        described(8);
        // The reader of the old client is no obstacle.
        let (second, _claim) = client.claim(&partition()).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
    }

    #[tokio::test]
    async fn silence_of_a_partition_with_more_to_read_makes_another_client_but_not_again_and_again() {
        let client = client();
        let (first, _) = client.claim(&partition()).await.unwrap();
        let is_current = |handle: &Arc<Handle>| Arc::ptr_eq(handle, &client.current().unwrap().0);
        let range = OffsetRange { log_start: 0, end: 10, high_watermark: 10 };
        client.ended(&first, &partition(), 5, SILENT);
        assert!(is_current(&first), "it is unknown whether there is more");
        client.listed(&[(partition(), Ok(range))].into());
        client.ended(&first, &partition(), 10, SILENT);
        client.ended(&first, &partition(), 5, SILENT / 2);
        assert!(is_current(&first));
        client.ended(&first, &partition(), 5, SILENT);
        let (second, _) = client.claim(&partition()).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        client.ended(&first, &partition(), 5, SILENT);
        client.ended(&second, &partition(), 5, SILENT);
        assert!(is_current(&second), "too soon");
        let long_ago = Instant::now().checked_sub(PAUSE).unwrap();
        lock(&client.state).renewed = Some(long_ago);
        client.ended(&first, &partition(), 5, SILENT);
        assert!(is_current(&second), "the silence was that of another client");
        client.ended(&second, &partition(), 5, SILENT);
        assert!(!is_current(&second));
    }
}
