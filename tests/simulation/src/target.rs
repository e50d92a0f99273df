//! The target side of the simulated Kafka: transactions with their progress, and fencing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kafka::{
    ClusterFacts, CommittedOffset, Delivery, Extent, KafkaError, KafkaErrorKind, NewTopic, Queued, RecordWriter, Result, TargetCluster,
    TopicFacts, TopicPartition, WriterName, Written,
};
use kernel::clock::{Clock, Millis};
use kernel::record::Record;

use super::chaos::{Area, Chaos, Fate, Request};
use super::source::unavailable;
use super::world::{Content, Entry, Log, State, Topic, World, offset};

/// The id of the cluster.
pub(crate) const CLUSTER: &str = "simulated";

/// How long a transaction may be open before the brokers abort it, in milliseconds.
const TIMEOUT: Millis = 300_000;

/// The time that a slow target needs for a record, in milliseconds. Three workers process a full
/// queue in less time than the transaction timeout.
const SLOW: Millis = 12_000;

/// The name of a request for the ends of a topic's logs.
pub(crate) fn ends_of(topic: &str) -> String {
    format!("{topic} ends")
}

fn facts(topic: &Topic, has_ids: bool) -> TopicFacts {
    TopicFacts {
        id: has_ids.then(|| topic.id.clone()),
        partitions: i32::try_from(topic.logs.len()).unwrap_or(i32::MAX),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
    }
}

/// Records that a writer queues before it reports that it is full.
const QUEUE: usize = 5;

/// Whether the offset of a record is not reported. It is not random, because a draw would change
/// all later ones.
fn is_hidden(seed: u64, epoch: u64, first: i64) -> bool {
    let stirred = (seed ^ (epoch << 20) ^ (first.unsigned_abs() / 3)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
    stirred < 60
}

#[derive(Debug)]
pub(crate) struct SimTarget {
    pub(crate) world: World,
    pub(crate) chaos: Arc<Chaos>,
}

#[async_trait]
impl TargetCluster for SimTarget {
    async fn cluster(&self) -> Result<ClusterFacts> {
        let fate = self.chaos.request(Request::read(Area::Source, "cluster")).await;
        let id = if self.world.lock().is_another_cluster { "another" } else { CLUSTER };
        let facts = ClusterFacts { id: Some(id.to_owned()), brokers: 1 };
        if fate == Fate::Answered { Ok(facts) } else { Err(unavailable("describe the cluster without an answer")) }
    }

    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.describe(topic).await
    }

    async fn describe(&self, topic: &str) -> Result<Option<TopicFacts>> {
        let fate = self.chaos.request(Request::read(Area::Target, topic)).await;
        let has_ids = !self.world.lock().has_no_ids;
        let facts = self.world.lock().topics.get(topic).map(|topic| facts(topic, has_ids));
        if fate == Fate::Answered { Ok(facts) } else { Err(unavailable("describe without an answer")) }
    }

    async fn find_all(&self, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>> {
        let fate = self.chaos.request(Request::read(Area::Target, "all topics")).await;
        let state = self.world.lock();
        let has_ids = !state.has_no_ids;
        let there = topics.iter().filter_map(|name| Some((name, state.topics.get(name)?)));
        let facts = there.map(|(name, topic)| (name.clone(), facts(topic, has_ids))).collect();
        if fate == Fate::Answered { Ok(facts) } else { Err(unavailable("describe without an answer")) }
    }

    async fn create(&self, topic: &NewTopic) -> Result<()> {
        let fate = self.chaos.request(Request::write(Area::Target, &topic.name)).await;
        {
            let mut state = self.world.lock();
            if fate != Fate::Lost {
                if state.topics.contains_key(&topic.name) {
                    return Err(KafkaError::new(KafkaErrorKind::TopicExists, &topic.name, "exists"));
                }
                // As many as the source may have in the end: an operator who adds partitions to a
                // source adds them to the restored topic too.
                state.create(&topic.name, usize::try_from(topic.partitions).unwrap_or(0).max(super::world::MOST_PARTITIONS));
                state.around.configs.insert(topic.name.clone(), topic.configs.clone());
            }
        }
        self.chaos.answered().await;
        if fate == Fate::Answered { Ok(()) } else { Err(unavailable("create without an answer")) }
    }

    async fn extents(&self, topic: &str, _partitions: i32) -> Result<Vec<Extent>> {
        let fate = self.chaos.request(Request::read(Area::Target, &ends_of(topic))).await;
        let extent = |log: &Log| Extent { start: log.start, end: log.end() };
        let extents = self.world.lock().topics.get(topic).map(|topic| topic.logs.iter().map(extent).collect());
        if fate == Fate::Answered { Ok(extents.unwrap_or_default()) } else { Err(unavailable("list offsets without an answer")) }
    }

    async fn open(&self, writer: &WriterName, delivery: Delivery) -> Result<Box<dyn RecordWriter>> {
        let fate = self.chaos.request(Request::write(Area::Target, &writer.id)).await;
        if fate == Fate::Lost {
            return Err(unavailable("init_transactions without an answer"));
        }
        let epoch = {
            let mut state = self.world.lock();
            if delivery == Delivery::ExactlyOnce {
                state.end_transaction(&writer.id, false);
            }
            let producer = state.producers.entry(writer.id.clone()).or_default();
            producer.epoch += 1;
            producer.epoch
        };
        self.chaos.answered().await;
        if fate == Fate::AnswerLost {
            return Err(unavailable("init_transactions lost its answer"));
        }
        Ok(Box::new(SimWriter {
            world: self.world.clone(),
            chaos: self.chaos.clone(),
            name: writer.clone(),
            delivery,
            epoch,
            queue: Vec::new(),
            written: Vec::new(),
            first: None,
            begun: None,
        }))
    }
}

#[derive(Debug)]
struct SimWriter {
    world: World,
    chaos: Arc<Chaos>,
    name: WriterName,
    delivery: Delivery,
    epoch: u64,
    queue: Vec<(i32, Content)>,
    written: Vec<Written>,
    /// The first record since the last commit.
    first: Option<u64>,
    /// When the open transaction began.
    begun: Option<Millis>,
}

/// A dropped writer ends its transaction in the background, unless the process ends before. A
/// killed writer does not.
impl Drop for SimWriter {
    fn drop(&mut self) {
        let mut state = self.world.lock();
        if self.delivery == Delivery::ExactlyOnce && !self.chaos.is_killed() && self.chaos.chance(500) && self.check_fence(&state).is_ok() {
            state.end_transaction(&self.name.id, false);
        }
    }
}

impl SimWriter {
    /// Refuses a writer after another one has taken its transactional.id. Without transactions
    /// there is no fencing.
    fn check_fence(&self, state: &State) -> Result<()> {
        let is_newest = state.producers.get(&self.name.id).is_some_and(|producer| producer.epoch == self.epoch);
        if is_newest || self.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        Err(KafkaError::new(KafkaErrorKind::Fenced, &self.name.id, "a newer writer took over"))
    }

    /// Aborts a transaction that is open for too long. Its writer is unusable after that.
    fn check_time(&self, state: &mut State) -> Result<()> {
        let is_late = self.begun.is_some_and(|begun| self.chaos.clock.now() - begun > TIMEOUT);
        if self.delivery == Delivery::AtLeastOnce || !is_late {
            return Ok(());
        }
        state.end_transaction(&self.name.id, false);
        state.timed_out += 1;
        Err(KafkaError::new(KafkaErrorKind::Aborted, &self.name.id, "the brokers ended a transaction that was open for too long"))
    }

    /// Sends queued records into the open transaction, if there is one.
    fn send(&mut self) -> Result<()> {
        let mut state = self.world.lock();
        self.check_fence(&state)?;
        self.begun.get_or_insert(self.chaos.clock.now());
        if state.is_slow {
            self.chaos.clock.advance(SLOW * offset(self.queue.len()));
        }
        self.check_time(&mut state)?;
        let hides = state.hides_places;
        for (partition, content) in self.queue.drain(..) {
            let place = TopicPartition::new(self.name.topic.as_str(), partition);
            let value = content.known().unwrap_or_else(|why| {
                state.wrong.push(format!("{place}: {why}"));
                0
            });
            if self.delivery == Delivery::AtLeastOnce {
                state.note_repetition(&self.name.id, &place, value);
                self.first.get_or_insert(value);
            }
            let Some(log) = state.log(&place) else {
                return Err(KafkaError::new(KafkaErrorKind::UnknownTopic, place.to_string(), "the topic is gone"));
            };
            let first = offset(log.entries.len());
            log.entries.push(match self.delivery {
                Delivery::ExactlyOnce => Entry::Open(value, self.name.id.clone()),
                Delivery::AtLeastOnce => Entry::Record(value),
            });
            let is_hidden = hides.is_some_and(|seed| is_hidden(seed, self.epoch, first));
            Written::add(&mut self.written, partition, (!is_hidden).then_some(first));
        }
        Ok(())
    }
}

#[async_trait]
impl RecordWriter for SimWriter {
    fn transaction_timeout(&self) -> Duration {
        Duration::from_millis(TIMEOUT.unsigned_abs())
    }

    async fn progress(&mut self) -> Result<Option<CommittedOffset>> {
        if self.delivery == Delivery::AtLeastOnce {
            return Ok(None);
        }
        let fate = self.chaos.request(Request::read(Area::Target, &self.name.id)).await;
        let place = TopicPartition::new(self.name.topic.as_str(), 0);
        let progress = self.world.lock().groups.get(&(self.name.id.clone(), place)).cloned();
        if fate == Fate::Answered { Ok(progress) } else { Err(unavailable("offset fetch without an answer")) }
    }

    fn write(&mut self, partition: i32, record: &Record<'_>) -> Result<Queued> {
        if self.queue.len() >= QUEUE {
            return Ok(Queued::Full);
        }
        self.queue.push((partition, Content::copy(record)));
        Ok(Queued::Taken)
    }

    async fn room(&mut self) -> Result<()> {
        self.chaos.request(Request::write(Area::Target, &self.name.id)).await;
        self.send()
    }

    async fn flush(&mut self) -> Result<Vec<Written>> {
        let fate = self.chaos.request(Request::write(Area::Target, &self.name.id)).await;
        if fate == Fate::Lost {
            return Err(unavailable("flush failed"));
        }
        self.send()?;
        self.chaos.answered().await;
        if fate == Fate::Answered { Ok(std::mem::take(&mut self.written)) } else { Err(unavailable("flush lost its answer")) }
    }

    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()> {
        if self.delivery == Delivery::AtLeastOnce {
            if let Some(first) = self.first.take() {
                self.world.lock().settle(&self.name.id, first);
            }
            return Ok(());
        }
        let fate = self.chaos.request(Request::write(Area::Target, &self.name.id)).await;
        if fate == Fate::Lost {
            return Err(unavailable("commit failed"));
        }
        {
            let mut state = self.world.lock();
            self.check_fence(&state)?;
            self.check_time(&mut state)?;
            self.begun = None;
            state.end_transaction(&self.name.id, true);
            let place = TopicPartition::new(self.name.topic.as_str(), 0);
            state.groups.insert((self.name.id.clone(), place), progress.clone());
        }
        self.chaos.answered().await;
        if fate == Fate::Answered { Ok(()) } else { Err(unavailable("commit lost its answer")) }
    }
}
