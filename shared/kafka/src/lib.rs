//! Reads, writes and describes topics, through traits in domain words.
//!
//! | file | content |
//! |---|---|
//! | `lib.rs` | the traits: backup uses a [`SourceCluster`] and its [`PartitionReader`]s, restore a [`TargetCluster`] and its [`RecordWriter`]s |
//! | `topic.rs` | facts about topics |
//! | `administration.rs` | what a cluster has in addition to records: groups, configs, access control lists, users |
//! | `changes.rs` | what of that can be changed |
//! | `rights.rs` | the permissions of a user |
//! | `selection.rs` | which topics: names, globs, regular expressions |
//! | `settings.rs` | how to reach a cluster |
//! | `login/` | the identity of this program for Kafka |
//! | `error.rs` | what Kafka refused, and whether a retry helps |
//! | `librdkafka/` | the only adapter to real clusters, and a broker for demo and tests |
//!
//! No type of librdkafka leaves its folder, and nothing here joins a consumer group. This crate
//! knows neither the bucket nor segments.

mod administration;
mod changes;
mod error;
mod librdkafka;
mod login;
mod rights;
mod selection;
mod settings;
mod topic;

pub use administration::{
    Acl, Broker, ClusterAdministration, ClusterDescription, GroupListing, GroupOffset, GroupOffsets, Groups, NO_AUTHORIZER, ScramUser,
    TopicConfigs,
};
pub use changes::{ClusterChanges, EachPartition};
pub use error::{KafkaError, KafkaErrorKind};
pub use librdkafka::{
    COMMON_PROPERTIES, EmbeddedBroker, PropertyError, RdKafkaSource, RdKafkaTarget, check_property, default_properties, own_properties,
    wait_until_closed,
};
pub use login::{Login, SecretLogin, Token, TokenSource, is_certificates, lines_of_pem, values_of_secret};
pub use rights::{Right, Rights};
pub use selection::{Pattern, Selected, Selection, is_internal};
pub use settings::{KafkaSettings, is_sensitive};
pub use topic::{ClusterFacts, CommittedOffset, Extent, NewTopic, OffsetRange, TopicFacts, TopicId, TopicPartition};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::time::Duration;

use async_trait::async_trait;
use kernel::record::Record;

/// The result of a request to Kafka.
pub type Result<T, E = KafkaError> = std::result::Result<T, E>;

/// The source cluster, with the consumer group whose committed offsets store the progress.
///
/// No method joins the group, so none causes a rebalance.
#[async_trait]
pub trait SourceCluster: Debug + Send + Sync {
    /// Partition count and topic id of each of `topics` that exists, or why the cluster does not
    /// report them. Topics that do not exist are absent. One request in total.
    async fn describe(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicFacts>>>;

    /// Names of all topics that this user may see, Kafka's internal ones included. One request.
    async fn names(&self) -> Result<BTreeSet<String>>;

    /// The permissions of this user on these topics (no duplicates) and on the group. A few
    /// requests in total. Topics that this user may not see are absent.
    async fn rights(&self, topics: &[String]) -> Result<Rights>;

    /// Id of the cluster that responded to the last [`describe`](Self::describe); `None` if it has
    /// none, or before the first call. No request.
    fn cluster_id(&self) -> Option<String>;

    /// The topic's configs that differ from the broker's defaults, and `min.insync.replicas` if it
    /// differs from Kafka's default; `None` if the cluster does not report them, or not to this
    /// user.
    async fn configs(&self, topic: &str) -> Result<Option<BTreeMap<String, String>>>;

    /// The current offsets of each partition, or why its leader does not report them. A few
    /// requests in total, never one per partition. A partition without a leader is absent.
    async fn offsets(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, Result<OffsetRange>>>;

    /// Discards the known leaders: the next requests look them up again.
    fn ask_anew(&self) -> Result<()>;

    /// The group's committed offsets with their metadata; a partition without one is absent. One
    /// request in total.
    async fn committed(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, CommittedOffset>>;

    /// Commits for the group. Progress advances only after the data are durable: call this last.
    ///
    /// # Errors
    /// [`KafkaErrorKind::GroupInUse`] if the group has live members.
    async fn commit(&self, partition: &TopicPartition, offset: &CommittedOffset) -> Result<()>;

    /// Starts to read at offset `from`.
    async fn open(&self, partition: &TopicPartition, from: i64) -> Result<Box<dyn PartitionReader>>;
}

/// Reads one partition in order. Dropping it ends the reading.
#[async_trait]
pub trait PartitionReader: Debug + Send {
    /// Waits at most `wait` until there is something to [`drain`](Self::drain). May use up part of
    /// the wait even if there is.
    ///
    /// # Errors
    /// [`KafkaErrorKind::OffsetOutOfRange`] if the log no longer (or not yet) contains the
    /// position: retention was faster, or the topic was truncated or created again. Never a silent
    /// jump. [`KafkaErrorKind::Truncated`] if records already read, or the next one, were
    /// truncated.
    async fn fetch(&mut self, wait: Duration) -> Result<()>;

    /// Passes the fetched records to `visit`, in order, until none is left or `visit` breaks. The
    /// record for which it breaks counts as visited; the next call continues after it. With
    /// `read_committed`, aborted records and control records are never visited.
    fn drain(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>);

    /// Every offset below this one was visited or has nothing to visit. At the end of the partition
    /// this is the end, even if the partition ends in control records or compacted ones.
    fn position(&self) -> i64;
}

/// The cluster that restore writes to.
#[async_trait]
pub trait TargetCluster: Debug + Send + Sync {
    /// The cluster's id and its number of brokers.
    async fn cluster(&self) -> Result<ClusterFacts>;

    /// Partition count, id and configs (defaults included) of a topic, if it exists.
    async fn describe(&self, topic: &str) -> Result<Option<TopicFacts>>;

    /// The configs that were set for this topic, not for the cluster. `None` if the cluster does
    /// not report them, or not to this user.
    async fn own_configs(&self, _topic: &str) -> Result<Option<BTreeMap<String, String>>> {
        Ok(None)
    }

    /// Like [`describe`](Self::describe) without configs, for a topic that has to exist. Waits for
    /// it: its creator may have got a response before this broker learned of it.
    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>>;

    /// Like [`describe`](Self::describe) without configs, for those of `topics` that exist. Does
    /// not wait for them. One request in total.
    ///
    /// # Errors
    /// The cluster's error, or why it does not report one of them.
    async fn find_all(&self, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>>;

    /// Creates a topic.
    ///
    /// # Errors
    /// [`KafkaErrorKind::TopicExists`].
    async fn create(&self, topic: &NewTopic) -> Result<()>;

    /// The start and end of the logs of the first `partitions` partitions, open and aborted
    /// transactions included.
    async fn extents(&self, topic: &str, partitions: i32) -> Result<Vec<Extent>>;

    /// Opens a writer. With [`Delivery::ExactlyOnce`] this first settles what a killed writer of
    /// the same name left, and fences one that still runs.
    async fn open(&self, writer: &WriterName, delivery: Delivery) -> Result<Box<dyn RecordWriter>>;
}

/// Names of one writer of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterName {
    /// The topic it writes to.
    pub topic: String,
    /// `transactional.id`, and the consumer group that stores its progress: names the restore and
    /// the source partition.
    pub id: String,
}

/// How a restore delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Transactions that include the progress.
    ExactlyOnce,
    /// An idempotent producer; after a kill the records since the last checkpoint are written
    /// twice.
    AtLeastOnce,
}

/// Which records of transactions a reader sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Only those of committed transactions, up to the last stable offset.
    #[default]
    ReadCommitted,
    /// All, up to the high watermark.
    ReadUncommitted,
}

/// Writes records in order, in batches that become visible together with their progress.
///
/// Call `write` for any number of records, then `flush`, then `commit`. With
/// [`Delivery::ExactlyOnce`], records and progress appear together or not at all. Dropping a writer
/// before `commit` leaves nothing visible. With [`Delivery::AtLeastOnce`], records are visible once
/// written.
#[async_trait]
pub trait RecordWriter: Debug + Send {
    /// How long the brokers allow a transaction to be open before they abort it.
    fn transaction_timeout(&self) -> Duration;

    /// The progress of the last committed transaction of this name, on partition 0 of the target.
    /// `None` the first time, and always with [`Delivery::AtLeastOnce`].
    async fn progress(&mut self) -> Result<Option<CommittedOffset>>;

    /// Queues a record for `partition` with its bytes, headers and timestamp unchanged. Never
    /// waits: on [`Queued::Full`] the record was *not* queued; call [`room`](Self::room), then
    /// retry.
    fn write(&mut self, partition: i32, record: &Record<'_>) -> Result<Queued>;

    /// Waits until the queue has room again.
    async fn room(&mut self) -> Result<()>;

    /// Waits until the brokers have every queued record. Returns where they went, in the order of
    /// writing for each partition. Records of unknown offset are included in their place.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Fenced`] if a newer writer of the same name took over: stop, write nothing
    /// more.
    async fn flush(&mut self) -> Result<Vec<Written>>;

    /// Commits the flushed records and the progress together.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Fenced`] as for [`flush`](Self::flush).
    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()>;
}

/// The result of [`RecordWriter::write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Queued {
    /// It was queued.
    Taken,
    /// It was not queued: the queue is full.
    Full,
}

/// `count` records that were written consecutively to `partition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Partition of the target.
    pub partition: i32,
    /// Offset of the first; the others follow without a hole. `None`: no broker reported it.
    pub first: Option<i64>,
    /// How many.
    pub count: i64,
}

impl Written {
    /// The offset after the last of them, if known.
    pub fn end(&self) -> Option<i64> {
        self.first.map(|first| first + self.count)
    }

    /// Adds one record to the last of these runs, or starts a new one. `offset` is its offset, if
    /// known.
    pub fn add(runs: &mut Vec<Self>, partition: i32, offset: Option<i64>) {
        match runs.last_mut() {
            Some(run) if run.partition == partition && run.end() == offset => run.count += 1,
            _ => runs.push(Self { partition, first: offset, count: 1 }),
        }
    }
}
