//! The source side of the simulated Kafka.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kafka::{
    CommittedOffset, KafkaError, KafkaErrorKind, OffsetRange, PartitionReader, Result, Rights, SourceCluster, TopicFacts, TopicPartition,
};
use kernel::clock::{Clock, Millis};
use kernel::record::Record;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::chaos::{Area, Chaos, Fate, Request};
use super::world::{Content, Entry, Log, World};

/// The number of offsets in one fetch.
const FETCHED: i64 = 7;

#[derive(Debug)]
pub(crate) struct SimSource {
    world: World,
    chaos: Arc<Chaos>,
    group: String,
    /// Partitions with a reader: librdkafka's client has one for each.
    reading: Arc<Mutex<BTreeSet<TopicPartition>>>,
    /// Partitions that return no records for this long after they are opened.
    silent: BTreeMap<TopicPartition, Millis>,
    /// The number of incompressible bytes after each record's value.
    padding: usize,
}

pub(crate) fn unavailable(what: &str) -> KafkaError {
    KafkaError::new(KafkaErrorKind::Unavailable, "simulation", what)
}

impl SimSource {
    pub(crate) fn new(world: World, chaos: Arc<Chaos>, group: &str, silent: BTreeMap<TopicPartition, Millis>) -> Self {
        Self { world, chaos, group: group.to_owned(), reading: Arc::default(), silent, padding: 0 }
    }

    /// The same with larger records than the oracle knows.
    pub(crate) fn with_padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// One offset of each partition, at this moment. Sometimes a partition has no leader.
    async fn list(&self, partitions: &[TopicPartition], offset: fn(&Log) -> i64) -> Result<BTreeMap<TopicPartition, i64>> {
        self.read(Area::Source, || {
            let mut state = self.world.lock();
            let mut one = |partition: &TopicPartition| {
                let highest = state.highest_end.unwrap_or(i64::MAX);
                let offset = state.log(partition).map(|log| offset(log))?.min(highest);
                (!self.chaos.is_late()).then(|| (partition.clone(), offset))
            };
            partitions.iter().filter_map(&mut one).collect()
        })
        .await
    }

    /// A request that only reads: without an answer nothing happened.
    async fn read<T>(&self, area: Area, what: impl FnOnce() -> T) -> Result<T> {
        let fate = self.chaos.request(Request::read(area, &self.group)).await;
        let answer = what();
        self.chaos.answered().await;
        if fate == Fate::Answered { Ok(answer) } else { Err(unavailable("no answer")) }
    }
}

#[async_trait]
impl SourceCluster for SimSource {
    async fn describe(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicFacts>>> {
        self.read(Area::Source, || {
            let state = self.world.lock();
            let facts = |name: &String| {
                let topic = state.topics.get(name).filter(|_| !state.around.hidden.contains(name))?;
                let partitions = i32::try_from(topic.logs.len()).unwrap_or(i32::MAX);
                Some((
                    name.clone(),
                    Ok(TopicFacts { id: Some(topic.id.clone()), partitions, replication_factor: Some(1), configs: BTreeMap::new() }),
                ))
            };
            topics.iter().filter_map(facts).collect()
        })
        .await
    }

    async fn names(&self) -> Result<BTreeSet<String>> {
        self.read(Area::Source, || {
            let state = self.world.lock();
            state.topics.keys().filter(|name| !state.around.hidden.contains(*name)).cloned().collect()
        })
        .await
    }

    async fn rights(&self, _topics: &[String]) -> Result<Rights> {
        Ok(Rights::default())
    }

    fn cluster_id(&self) -> Option<String> {
        Some(self.world.lock().cluster.clone())
    }

    fn ask_anew(&self) -> Result<()> {
        Ok(())
    }

    async fn configs(&self, topic: &str) -> Result<Option<BTreeMap<String, String>>> {
        self.read(Area::Source, || Some(self.world.lock().around.configs.get(topic).cloned().unwrap_or_default())).await
    }

    async fn offsets(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, Result<OffsetRange>>> {
        // Three requests, at three moments.
        let log_start = self.list(partitions, |log| log.start).await?;
        let led: Vec<_> = log_start.keys().cloned().collect();
        let end = self.list(&led, Log::stable).await?;
        let high_watermark = self.list(&led, Log::end).await?;
        let range = |(partition, log_start): (TopicPartition, i64)| {
            let (end, high_watermark) = (*end.get(&partition)?, *high_watermark.get(&partition)?);
            Some((partition, Ok(OffsetRange { log_start, end, high_watermark })))
        };
        Ok(log_start.into_iter().filter_map(range).collect())
    }

    async fn committed(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
        self.read(Area::Group, || {
            let state = self.world.lock();
            let is_stale = self.chaos.is_late();
            let one = |partition: &TopicPartition| {
                let place = (self.group.clone(), partition.clone());
                let before = state.groups_before.get(&place).filter(|_| is_stale);
                Some((partition.clone(), before.or_else(|| state.groups.get(&place))?.clone()))
            };
            partitions.iter().filter_map(one).collect()
        })
        .await
    }

    async fn commit(&self, partition: &TopicPartition, offset: &CommittedOffset) -> Result<()> {
        let fate = self.chaos.request(Request::write(Area::Group, &self.group)).await;
        if fate != Fate::Lost {
            self.world.lock().commit((self.group.clone(), partition.clone()), offset.clone());
        }
        self.chaos.answered().await;
        if fate == Fate::Answered { Ok(()) } else { Err(unavailable("commit without an answer")) }
    }

    async fn open(&self, partition: &TopicPartition, from: i64) -> Result<Box<dyn PartitionReader>> {
        let reading = Arc::clone(&self.reading);
        if !reading.lock().unwrap_or_else(PoisonError::into_inner).insert(partition.clone()) {
            return Err(KafkaError::new(KafkaErrorKind::Other, partition.to_string(), "is being read already"));
        }
        let silence = self.silent.get(partition).copied().unwrap_or(0);
        let reader = SimReader {
            silent_until: self.chaos.clock.now() + silence,
            world: self.world.clone(),
            chaos: self.chaos.clone(),
            reading,
            partition: partition.clone(),
            position: from,
            fetched: VecDeque::new(),
            fetched_to: from,
            epoch: None,
            told: None,
            padding: self.padding,
        };
        Ok(Box::new(reader))
    }
}

/// A fetched item that waits to be drained.
#[derive(Debug, Clone, Copy)]
enum Fetched {
    /// Offset and value.
    Record(i64, u64),
    /// The end of the partition.
    End(i64),
}

#[derive(Debug)]
struct SimReader {
    silent_until: Millis,
    world: World,
    chaos: Arc<Chaos>,
    reading: Arc<Mutex<BTreeSet<TopicPartition>>>,
    partition: TopicPartition,
    position: i64,
    fetched: VecDeque<Fetched>,
    fetched_to: i64,
    /// The epoch of the leader that the records came from.
    epoch: Option<usize>,
    /// The end that was reported last. Each end is reported once.
    told: Option<i64>,
    padding: usize,
}

impl Drop for SimReader {
    fn drop(&mut self) {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.partition);
    }
}

#[async_trait]
impl PartitionReader for SimReader {
    async fn fetch(&mut self, wait: Duration) -> Result<()> {
        let fate = self.chaos.request(Request::read(Area::Source, &self.partition.topic)).await;
        if fate != Fate::Answered {
            return if self.chaos.chance(300) { Err(unavailable("fetch failed")) } else { Ok(()) };
        }
        if self.chaos.clock.now() < self.silent_until {
            self.chaos.clock.advance(i64::try_from(wait.as_millis()).unwrap_or(0));
            return Ok(());
        }
        let mut state = self.world.lock();
        let out_of_range = || KafkaError::new(KafkaErrorKind::OffsetOutOfRange, self.partition.to_string(), "offset out of range");
        let log = state.log(&self.partition).ok_or_else(out_of_range)?;
        if !self.fetched.is_empty() {
            return Ok(());
        }
        // Only a reader with records knows their epoch and can detect a truncation.
        if let Some(end) = self.epoch.and_then(|epoch| log.cuts.get(epoch..)?.iter().copied().min()).filter(|end| *end < self.fetched_to) {
            return Err(KafkaError::new(KafkaErrorKind::Truncated { end }, self.partition.to_string(), "truncation detected"));
        }
        if self.fetched_to < log.start || self.fetched_to > log.end() {
            return Err(out_of_range());
        }
        let stable = log.stable();
        if stable <= self.fetched_to && self.told != Some(self.fetched_to) {
            self.told = Some(self.fetched_to);
            self.fetched.push_back(Fetched::End(self.fetched_to));
        }
        let end = stable.min(self.fetched_to + FETCHED);
        for at in self.fetched_to..end {
            if let Some(Entry::Record(value)) = log.entry(at) {
                self.fetched.push_back(Fetched::Record(at, *value));
            }
        }
        if end > self.fetched_to {
            self.epoch = Some(log.cuts.len());
        }
        self.fetched_to = end.max(self.fetched_to);
        if self.fetched.is_empty() {
            // Omitted records raise no event. Only a reader that looks closer detects them.
            self.chaos.clock.advance(i64::try_from(wait.as_millis()).unwrap_or(0));
            if self.chaos.chance(200) {
                self.position = self.fetched_to;
            }
        }
        Ok(())
    }

    fn drain(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>) {
        let mut enough = false;
        while let Some(fetched) = self.fetched.front().copied() {
            match fetched {
                Fetched::Record(..) if enough => return,
                Fetched::Record(offset, value) => {
                    self.position = offset + 1;
                    let mut content = Content::of(value);
                    pad(&mut content, value, self.padding);
                    enough = content.lend(offset, |record| visit(record).is_break());
                }
                Fetched::End(end) => self.position = end.max(self.position),
            }
            self.fetched.pop_front();
        }
    }

    fn position(&self) -> i64 {
        self.position
    }
}

fn pad(content: &mut Content, value: u64, padding: usize) {
    if padding > 0 {
        let mut noise = vec![0; padding];
        SmallRng::seed_from_u64(value).fill(&mut noise[..]);
        content.value.get_or_insert_default().extend(noise);
    }
}
