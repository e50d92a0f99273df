//! The cluster that restore writes to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::{Deadline, lock};
use rdkafka::Offset;

use super::backlog::Batch;
use super::client;
use super::errors::{self, Doing};
use super::native::{NativeNewTopic, Producer};
use super::tries::{Asker, PAUSES};
use super::writer::Writer;
use super::{configs, source};
use crate::{
    ClusterFacts, Delivery, Extent, KafkaError, KafkaErrorKind, KafkaSettings, NewTopic, RecordWriter, Result, TargetCluster, TopicFacts,
    TopicPartition, WriterName,
};

/// The topic config that limits a batch, and its default if the cluster does not report it.
const MAX_MESSAGE_BYTES: (&str, usize) = ("max.message.bytes", 1_048_588);

/// How long the brokers may need to learn of a topic that was just created, and to elect leaders
/// for all its partitions.
const KNOWN_TO_ALL: Duration = Duration::from_secs(30);
/// Like [`KNOWN_TO_ALL`], for a topic that may not be new.
const KNOWN_TO_MOST: Duration = Duration::from_secs(4);

/// The group of a client that only requests others. It is never joined, and has no commits.
const ASKING_GROUP: &str = "kafka-backup-restore.asks";

/// The shortest transaction timeout that is tried.
const SHORTEST_TRANSACTION: Duration = Duration::from_secs(1);

/// A target cluster, through librdkafka.
#[derive(Debug)]
pub struct RdKafkaTarget {
    settings: KafkaSettings,
    pub(super) asker: Arc<Asker>,
    /// Bytes that each writer may queue.
    queue: usize,
    /// Whether each writer writes to many partitions.
    spreads: bool,
    /// The largest batch of each described topic.
    batches: Mutex<BTreeMap<String, usize>>,
    /// Topics that were just created, of which not all leaders have responded yet.
    created: Mutex<BTreeSet<String>>,
    /// How long the brokers allow a transaction to be open, if that is less than requested.
    timeout: Mutex<Option<Duration>>,
}

impl RdKafkaTarget {
    /// A client for the cluster of `settings`. Connects when first used.
    ///
    /// `queue` limits the bytes of records that each writer holds until the brokers have them.
    ///
    /// # Errors
    /// [`crate::KafkaErrorKind::Config`]: properties contradict each other, or name a file that
    /// cannot be read.
    pub fn connect(settings: &KafkaSettings, queue: usize) -> Result<Self> {
        let asker = Arc::new(Asker::new(settings, None)?);
        Ok(Self {
            settings: settings.clone(),
            asker,
            queue,
            spreads: false,
            batches: Mutex::default(),
            created: Mutex::default(),
            timeout: Mutex::default(),
        })
    }

    /// With writers that each write to many partitions, or mostly to one.
    #[must_use]
    pub fn spreading(self, spreads: bool) -> Self {
        Self { spreads, ..self }
    }

    /// With requests that end in time for the invocation that `deadline` limits. Call it before a
    /// writer is opened.
    pub fn until(self, deadline: &Deadline) -> Self {
        // Not shared yet, so it is not lost.
        let asker = Arc::into_inner(self.asker).expect("no writer was opened").until(deadline);
        Self { asker: Arc::new(asker), ..self }
    }

    /// Requests offsets of any group.
    pub(super) fn about_groups(&self) -> Result<Arc<Asker>> {
        self.asker.about_groups(ASKING_GROUP)
    }

    /// How long to wait for a topic.
    fn wait_of(&self, topic: &str) -> Wait {
        let is_new = lock(&self.created).contains(topic);
        Wait::new(&self.asker, if is_new { KNOWN_TO_ALL } else { KNOWN_TO_MOST })
    }

    /// Waits until the broker that is asked knows a topic. The controller responds first, and each
    /// broker learns of a new topic in its own time.
    async fn wait_for(&self, topic: &str, mut wait: Wait) -> Result<Option<TopicFacts>> {
        loop {
            let found = source::describe(&self.asker, &[topic.to_owned()]).await?.remove(topic);
            if found.is_some() || !wait.again().await {
                return Ok(found);
            }
        }
    }

    /// The start and end of all these partitions, or one of them that has no leader. A broker that
    /// does not respond is waited for once.
    async fn extents_now(&self, all: &[TopicPartition]) -> Result<Result<Vec<Extent>, TopicPartition>> {
        let mut offsets = Vec::new();
        for offset in [Offset::Beginning, Offset::End] {
            let found = source::list(&self.asker, all, offset, false).await?;
            if let Some(leaderless) = all.iter().find(|partition| !found.contains_key(partition)) {
                return Ok(Err(leaderless.clone()));
            }
            offsets.push(found);
        }
        Ok(Ok(all.iter().map(|partition| Extent { start: offsets[0][partition], end: offsets[1][partition] }).collect()))
    }

    /// Opens a writer whose transactions may last this long. `None`: the brokers do not allow that.
    async fn open_for(&self, name: &WriterName, delivery: Delivery, timeout: Duration) -> Result<Option<Writer>> {
        let batch = self.batch(&name.topic).await?;
        let batch = Batch::new(&self.settings, batch, self.queue);
        let handle = client::writing(&self.settings, &name.id, delivery, (batch, self.spreads), timeout)?;
        let producer = Producer::new(handle, &name.topic, self.queue, batch)
            .map_err(|failure| self.asker.errors().error(&name.topic, Doing::Write, failure, None))?;
        Writer::open(producer, name, delivery, timeout, Arc::clone(&self.asker)).await
    }

    /// Records how long transactions may last. Later writers do not ask for more.
    fn note_timeout(&self, allowed: Duration) {
        let wanted = self.settings.transaction_timeout();
        let is_news = lock(&self.timeout).replace(allowed).is_none_or(|before| allowed < before);
        if is_news && allowed < wanted {
            tracing::warn!(
                "the target's brokers do not allow transaction.timeout.ms={} (their transaction.max.timeout.ms is \
                 smaller): using {}",
                wanted.as_millis(),
                allowed.as_millis()
            );
        }
    }

    async fn configs(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let configs = configs::of_topic(&self.asker, topic, |_| true).await?.unwrap_or_default();
        let number = |name: &str| configs.get(name).and_then(|value| value.parse::<usize>().ok());
        // A batch must also fit into one log segment file.
        let batch = number(MAX_MESSAGE_BYTES.0).unwrap_or(MAX_MESSAGE_BYTES.1).min(number("segment.bytes").unwrap_or(usize::MAX));
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
            match tries.handle().describe_cluster(false, tries.limit()).await {
                Ok(cluster) => {
                    return Ok(ClusterFacts { id: cluster.id, brokers: i32::try_from(cluster.brokers.len()).unwrap_or(i32::MAX) });
                }
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    async fn describe(&self, topic: &str) -> Result<Option<TopicFacts>> {
        let facts = match source::describe(&self.asker, &[topic.to_owned()]).await?.remove(topic) {
            None if lock(&self.created).contains(topic) => self.wait_for(topic, self.wait_of(topic)).await?,
            facts => facts,
        };
        let Some(facts) = facts else { return Ok(None) };
        Ok(Some(TopicFacts { configs: self.configs(topic).await?, ..facts }))
    }

    async fn own_configs(&self, topic: &str) -> Result<Option<BTreeMap<String, String>>> {
        configs::of_topic(&self.asker, topic, |own| own).await
    }

    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.wait_for(topic, self.wait_of(topic)).await
    }

    async fn find_all(&self, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>> {
        source::describe(&self.asker, topics).await
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
                    return self.wait_for(&topic.name, Wait::new(&self.asker, KNOWN_TO_MOST)).await.map(drop);
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
        let mut wait = self.wait_of(topic);
        loop {
            let handle = self.asker.handle();
            let leaderless = match self.extents_now(&all).await? {
                Ok(extents) => {
                    lock(&self.created).remove(topic);
                    return Ok(extents);
                }
                Err(leaderless) => leaderless,
            };
            tracing::debug!("{leaderless} has no leader yet");
            if !wait.again().await {
                let what = "it has no leader, so its records are unknown: the next invocation retries";
                return Err(KafkaError::new(KafkaErrorKind::Unavailable, leaderless.to_string(), what));
            }
            // librdkafka remembers that there was no leader, or no such partition. One new client
            // is enough for all waiting topics.
            self.asker.renew_from(&handle)?;
        }
    }

    async fn open(&self, writer: &WriterName, delivery: Delivery) -> Result<Box<dyn RecordWriter>> {
        let known = *lock(&self.timeout);
        let mut timeout = known.unwrap_or_else(|| self.settings.transaction_timeout());
        loop {
            if let Some(writer) = self.open_for(writer, delivery, timeout).await? {
                self.note_timeout(timeout);
                return Ok(Box::new(writer));
            }
            if timeout <= SHORTEST_TRANSACTION {
                let what = format!(
                    "the target's brokers do not allow a transaction of {} ms: raise their transaction.max.timeout.ms, or set \
                     DELIVERY=at-least-once",
                    timeout.as_millis()
                );
                return Err(KafkaError::new(KafkaErrorKind::Unsupported, format!("transactional id {}", writer.id), what));
            }
            timeout = (timeout / 2).max(SHORTEST_TRANSACTION);
        }
    }
}

/// Checks repeatedly, with pauses, for a limited time.
struct Wait {
    asker: Arc<Asker>,
    until: Instant,
    pauses: std::slice::Iter<'static, Duration>,
}

impl Wait {
    fn new(asker: &Arc<Asker>, limit: Duration) -> Self {
        Self { asker: Arc::clone(asker), until: Instant::now() + limit, pauses: PAUSES.iter() }
    }

    /// Pauses, unless the time is over: of this wait, or of the invocation.
    async fn again(&mut self) -> bool {
        let pause = self.pauses.next().copied().unwrap_or(PAUSES[PAUSES.len() - 1]);
        let has_time = Instant::now() + pause < self.until && self.asker.left().is_none_or(|left| pause < left);
        if has_time {
            tokio::time::sleep(pause).await;
        }
        has_time
    }
}
