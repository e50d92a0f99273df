//! Reading, writing and describing topics, behind traits in domain words.
//!
//! | file | what it holds |
//! |---|---|
//! | `lib.rs` | the traits: backup sees a [`SourceCluster`] and its [`PartitionReader`]s, restore a [`TargetCluster`] and its [`RecordWriter`]s |
//! | `topic.rs` | what there is to know of a topic |
//! | `administration.rs` | what there is in a cluster beside records: groups, configs, access control lists, users |
//! | `changes.rs` | what of that can be changed |
//! | `rights.rs` | what a user may do |
//! | `selection.rs` | which topics: names, globs, regular expressions |
//! | `settings.rs` | how to reach a cluster |
//! | `login/` | who this program is to Kafka |
//! | `error.rs` | what Kafka refused, and whether a retry helps |
//! | `librdkafka/` | the one adapter to real clusters, and a broker for demo and tests |
//!
//! It promises that no type of librdkafka leaves its folder, and that nothing in here joins a consumer group. It knows neither the bucket nor a
//! segment.

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
pub use login::{Login, SecretLogin, Token, TokenSource};
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

/// Short for results of Kafka.
pub type Result<T, E = KafkaError> = std::result::Result<T, E>;

/// The cluster that backup reads, with the consumer group whose committed offsets hold its progress.
///
/// No method joins the group, so none causes a rebalance.
#[async_trait]
pub trait SourceCluster: Debug + Send + Sync {
    /// Partition count and topic id of each of `topics` that exists, or why the cluster does not tell them of this one; those that do not exist
    /// are absent. One request for all.
    async fn describe(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicFacts>>>;

    /// Names of all topics that this user may see, Kafka's own included. One request.
    async fn names(&self) -> Result<BTreeSet<String>>;

    /// What this user may do with these topics, none of which stands there twice, and with the group. A few requests for all. Topics that it may not
    /// even see are absent.
    async fn rights(&self, topics: &[String]) -> Result<Rights>;

    /// Id of the cluster that answered the last [`describe`](Self::describe); `None` where it has none, and before. No request.
    fn cluster_id(&self) -> Option<String>;

    /// The topic's configs that differ from the broker's defaults, and `min.insync.replicas` where it differs from Kafka's; `None` when the cluster
    /// does not tell, or not this user.
    async fn configs(&self, topic: &str) -> Result<Option<BTreeMap<String, String>>>;

    /// What each partition holds now, or why its leader does not tell. A few requests for all, never one for each. A partition without a leader
    /// is absent.
    async fn offsets(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, Result<OffsetRange>>>;

    /// Forgets which broker leads what: the next requests find it out again.
    fn ask_anew(&self) -> Result<()>;

    /// The group's committed offsets with their metadata; a partition without one is absent. One request for all.
    async fn committed(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, CommittedOffset>>;

    /// Commits for the group. Progress advances only after what it points at is durable: call this last.
    ///
    /// # Errors
    /// [`KafkaErrorKind::GroupInUse`] when the group has live members.
    async fn commit(&self, partition: &TopicPartition, offset: &CommittedOffset) -> Result<()>;

    /// Starts to read at offset `from`.
    async fn open(&self, partition: &TopicPartition, from: i64) -> Result<Box<dyn PartitionReader>>;
}

/// Reads one partition in order. Dropping it ends the reading.
#[async_trait]
pub trait PartitionReader: Debug + Send {
    /// Waits at most `wait` until there is something to [`drain`](Self::drain). A part of the wait can be used up even when there is.
    ///
    /// # Errors
    /// [`KafkaErrorKind::OffsetOutOfRange`] when the log no longer (or not yet) holds the position: retention overtook us, or the topic was
    /// truncated or created again. Never a silent jump. [`KafkaErrorKind::Truncated`] when what was read, or was to be read next, was cut off.
    async fn fetch(&mut self, wait: Duration) -> Result<()>;

    /// Hands what was fetched to `visit`, in order, until nothing is left or `visit` breaks. The record for which it breaks counts as
    /// visited; the next call continues behind it. With `read_committed`, aborted records and control records are never visited.
    fn drain(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>);

    /// Every offset below this one was visited or holds nothing to visit. At the end of the partition this is the end, also when the
    /// partition ends in control records or compacted ones.
    fn position(&self) -> i64;
}

/// The cluster that restore writes to.
#[async_trait]
pub trait TargetCluster: Debug + Send + Sync {
    /// The cluster's id and its number of brokers.
    async fn cluster(&self) -> Result<ClusterFacts>;

    /// Partition count, id and configs (defaults included) of a topic, if it exists.
    async fn describe(&self, topic: &str) -> Result<Option<TopicFacts>>;

    /// The configs that were set for this topic, and not for the cluster. `None` when the cluster does not tell, or not this user.
    async fn own_configs(&self, _topic: &str) -> Result<Option<BTreeMap<String, String>>> {
        Ok(None)
    }

    /// What [`describe`](Self::describe) gives without configs, of a topic that has to be there: it is waited for, as whoever created it may have been answered before the broker
    /// that is asked here learned of it.
    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>>;

    /// What [`describe`](Self::describe) gives without configs, of those of `topics` that there are: they are not waited for. One request for all.
    ///
    /// # Errors
    /// What the cluster says; why it does not tell of one of them.
    async fn find_all(&self, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>>;

    /// Creates a topic.
    ///
    /// # Errors
    /// [`KafkaErrorKind::TopicExists`].
    async fn create(&self, topic: &NewTopic) -> Result<()>;

    /// Where the logs of the first `partitions` partitions of a topic begin and end, open and aborted transactions included.
    async fn extents(&self, topic: &str, partitions: i32) -> Result<Vec<Extent>>;

    /// Opens a writer. With [`Delivery::ExactlyOnce`] this first settles what a killed writer of the same name left, and fences one that
    /// still runs.
    async fn open(&self, writer: &WriterName, delivery: Delivery) -> Result<Box<dyn RecordWriter>>;
}

/// Names of one writer of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterName {
    /// The topic it writes to.
    pub topic: String,
    /// `transactional.id`, and the consumer group that holds its progress: names the restore and the source partition.
    pub id: String,
}

/// How a restore delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Transactions, with the progress inside.
    ExactlyOnce,
    /// An idempotent producer; after a kill the records since the last checkpoint come twice.
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
/// `write` any number of records, `flush`, then `commit`: with [`Delivery::ExactlyOnce`] either the records and the progress are there, or
/// neither. Dropping a writer before `commit` leaves nothing visible; with [`Delivery::AtLeastOnce`] records are visible once written.
#[async_trait]
pub trait RecordWriter: Debug + Send {
    /// How long the brokers let a transaction be open before they abort it.
    fn transaction_timeout(&self) -> Duration;

    /// The progress that the last committed transaction of this name left, on partition 0 of the target. `None` at the first time, and
    /// always with [`Delivery::AtLeastOnce`].
    async fn progress(&mut self) -> Result<Option<CommittedOffset>>;

    /// Queues a record for `partition` with its bytes, headers and timestamp unchanged. Never waits: on [`Queued::Full`] the record was
    /// *not* taken; call [`room`](Self::room), then again.
    fn write(&mut self, partition: i32, record: &Record<'_>) -> Result<Queued>;

    /// Waits until the queue has room again.
    async fn room(&mut self) -> Result<()>;

    /// Waits until the brokers have every queued record, and returns where they went, in the order of writing for each partition. All of
    /// them: those of unknown place are in it, where they were written.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Fenced`] when a newer writer of the same name took over: stop, write nothing more.
    async fn flush(&mut self) -> Result<Vec<Written>>;

    /// Commits the flushed records and the progress together.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Fenced`] as for [`flush`](Self::flush).
    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()>;
}

/// What became of a record given to [`RecordWriter::write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Queued {
    /// It was taken.
    Taken,
    /// It was not taken: the queue is full.
    Full,
}

/// `count` records that were written one after another to `partition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Partition of the target.
    pub partition: i32,
    /// Offset of the first; the others follow it without a hole. `None`: no broker said where they are.
    pub first: Option<i64>,
    /// How many.
    pub count: i64,
}

impl Written {
    /// The offset after the last of them, where that is known.
    pub fn end(&self) -> Option<i64> {
        self.first.map(|first| first + self.count)
    }

    /// Adds one more record to the last of these runs, or begins another: `offset` is where it is, where that is known.
    pub fn add(runs: &mut Vec<Self>, partition: i32, offset: Option<i64>) {
        match runs.last_mut() {
            Some(run) if run.partition == partition && run.end() == offset => run.count += 1,
            _ => runs.push(Self { partition, first: offset, count: 1 }),
        }
    }
}
