//! The cluster that restore writes to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::{Deadline, lock};
use rdkafka::Offset;

use super::client;
use super::errors::{self, Doing};
use super::native::{NativeNewTopic, Producer};
use super::source;
use super::tries::{Asker, PAUSES};
use super::writer::Writer;
use crate::{
    ClusterFacts, Delivery, Extent, KafkaError, KafkaErrorKind, KafkaSettings, NewTopic, RecordWriter, Result, TargetCluster, TopicFacts,
    TopicPartition, WriterName,
};

/// The topic config that bounds a batch, and what it is where the cluster does not tell.
const MAX_MESSAGE_BYTES: (&str, usize) = ("max.message.bytes", 1_048_588);

/// How long the brokers may take to learn of a topic that was just made.
const KNOWN_TO_ALL: Duration = Duration::from_secs(30);

/// A cluster to be restored into, through librdkafka.
#[derive(Debug)]
pub struct RdKafkaTarget {
    settings: KafkaSettings,
    asker: Arc<Asker>,
    /// Bytes that each writer may queue.
    queue: usize,
    /// The largest batch of each topic that was described.
    batches: Mutex<BTreeMap<String, usize>>,
    /// Topics that were made just now.
    created: Mutex<BTreeSet<String>>,
}

impl RdKafkaTarget {
    /// A client for the cluster of `settings`. Connects when there is something to ask.
    ///
    /// `queue` bounds the bytes of records that each writer holds until the brokers have them.
    ///
    /// # Errors
    /// [`crate::KafkaErrorKind::Config`]: properties contradict each other, or name a file that cannot be read.
    pub fn connect(settings: &KafkaSettings, queue: usize) -> Result<Self> {
        let asker = Arc::new(Asker::new(settings, None)?);
        Ok(Self { settings: settings.clone(), asker, queue, batches: Mutex::default(), created: Mutex::default() })
    }

    /// The same; requests end in time for the invocation that `deadline` bounds. Say so before a writer is opened.
    pub fn until(self, deadline: &Deadline) -> Self {
        // Not shared yet, so it is not lost.
        let asker = Arc::into_inner(self.asker).expect("no writer was opened").until(deadline);
        Self { asker: Arc::new(asker), ..self }
    }

    /// Waits until a topic that was just created, by this client or another, is known to whichever broker is asked: each learns of it in its own time.
    async fn wait_longer_for(&self, topic: &str) -> Result<Option<TopicFacts>> {
        let since = Instant::now();
        loop {
            let found = self.wait_for(topic).await?;
            if found.is_some() || since.elapsed() >= KNOWN_TO_ALL {
                return Ok(found);
            }
        }
    }

    /// Waits until a topic that was just created is known to the broker that is asked: the controller answers before. For a few seconds;
    /// a broker that takes longer makes the next request fail.
    async fn wait_for(&self, topic: &str) -> Result<Option<TopicFacts>> {
        let mut pauses = PAUSES.iter();
        loop {
            let found = source::describe(&self.asker, &[topic.to_owned()]).await?.remove(topic);
            match pauses.next() {
                Some(pause) if found.is_none() => tokio::time::sleep(*pause).await,
                _ => return Ok(found),
            }
        }
    }

    async fn configs(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let configs = source::configs(&self.asker, topic, |_| true).await?.unwrap_or_default();
        let batch = configs.get(MAX_MESSAGE_BYTES.0).and_then(|value| value.parse().ok()).unwrap_or(MAX_MESSAGE_BYTES.1);
        lock(&self.batches).insert(topic.to_owned(), batch);
        Ok(configs)
    }

    async fn batch(&self, topic: &str) -> Result<usize> {
        let known = || lock(&self.batches).get(topic).copied();
        if known().is_none() {
            self.configs(topic).await?;
        }
        Ok(known().unwrap_or(MAX_MESSAGE_BYTES.1))
    }
}

#[async_trait]
impl TargetCluster for RdKafkaTarget {
    async fn cluster(&self) -> Result<ClusterFacts> {
        let mut tries = self.asker.tries("the target cluster", Doing::DescribeCluster);
        loop {
            match tries.handle().describe_cluster(tries.limit()).await {
                Ok((id, brokers)) => return Ok(ClusterFacts { id, brokers: i32::try_from(brokers).unwrap_or(i32::MAX) }),
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    async fn describe(&self, topic: &str) -> Result<Option<TopicFacts>> {
        let facts = match source::describe(&self.asker, &[topic.to_owned()]).await?.remove(topic) {
            None if lock(&self.created).contains(topic) => self.wait_longer_for(topic).await?,
            facts => facts,
        };
        let Some(facts) = facts else { return Ok(None) };
        Ok(Some(TopicFacts { configs: self.configs(topic).await?, ..facts }))
    }

    async fn own_configs(&self, topic: &str) -> Result<Option<BTreeMap<String, String>>> {
        source::configs(&self.asker, topic, |own| own).await
    }

    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.wait_for(topic).await
    }

    async fn create(&self, topic: &NewTopic) -> Result<()> {
        let native = NativeNewTopic {
            name: &topic.name,
            partitions: topic.partitions,
            replication_factor: topic.replication_factor.map_or(-1, i32::from),
            configs: &topic.configs,
        };
        let mut tries = self.asker.tries(&topic.name, Doing::CreateTopic);
        loop {
            match tries.handle().create_topic(&native, tries.limit()).await {
                Ok(()) => {
                    lock(&self.created).insert(topic.name.clone());
                    return self.wait_for(&topic.name).await.map(drop);
                }
                Err(failure) => {
                    if errors::kind(&failure) == KafkaErrorKind::TopicExists {
                        lock(&self.created).insert(topic.name.clone());
                    }
                    tries.again(failure).await?;
                }
            }
        }
    }

    async fn extents(&self, topic: &str, partitions: i32) -> Result<Vec<Extent>> {
        let all: Vec<_> = (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
        // A broker that does not answer is waited for once.
        let list = async |offset| {
            let found = source::list(&self.asker, &all, offset, false).await?;
            match all.iter().find(|partition| !found.contains_key(partition)) {
                Some(silent) => {
                    let what = "it has no leader now, so nobody knows what it holds; the next invocation tries again";
                    Err(KafkaError::new(KafkaErrorKind::Unavailable, silent.to_string(), what))
                }
                None => Ok(found),
            }
        };
        let (starts, ends) = (list(Offset::Beginning).await?, list(Offset::End).await?);
        Ok(all.iter().map(|partition| Extent { start: starts[partition], end: ends[partition] }).collect())
    }

    async fn open(&self, writer: &WriterName, delivery: Delivery) -> Result<Box<dyn RecordWriter>> {
        let batch = self.batch(&writer.topic).await?;
        let handle = client::writing(&self.settings, &writer.id, delivery, batch)?;
        let producer = Producer::new(handle, &writer.topic, self.queue)
            .map_err(|failure| self.asker.errors().error(&writer.topic, Doing::Write, failure, None))?;
        Ok(Box::new(Writer::open(producer, writer, delivery, self.settings.transaction_timeout(), Arc::clone(&self.asker)).await?))
    }
}
