//! Validated settings. A value of these types is known to be good; the handlers require nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use archive::Times;
use archive::catalog::PartitionStrategy;
use archive::segment::Compression;
use kafka::{Delivery, Isolation, KafkaSettings, Selection};
use kernel::clock::Millis;
use store::StoreSettings;
use telemetry::LogLevel;

use super::TargetName;

/// What `backup-batch` requires.
#[derive(Debug, Clone)]
pub struct BackupSettings {
    /// The cluster to read.
    pub kafka: KafkaSettings,
    /// Where to write.
    pub store: StoreSettings,
    /// TOPIC_NAMES less EXCLUDE_TOPIC_NAMES.
    pub topics: Selection,
    /// GROUP_ID.
    pub group: String,
    /// Snapshots of the cluster; `None`: none.
    pub snapshots: Option<SnapshotSettings>,
    /// METRICS_MAX_TOPICS: how many topics have metrics of their own.
    pub metrics_max_topics: usize,
    /// NUMBER_OF_MESSAGE_PER_BACKUP_FILE, at least 1.
    pub records_per_segment: u64,
    /// RETRY_UPLOAD_SECONDS: a part-filled segment is written only when the partition's last backup is older; also the loop's pause.
    pub retry_upload: Duration,
    /// NUMBER_OF_KAFKA_THREADS: partitions worked on at once, at least 1.
    pub threads: usize,
    /// MAX_SEGMENTS_PER_INVOCATION; `None` (0) until caught up or the deadline.
    pub max_segments: Option<u64>,
    /// TIME_BUDGET_SECONDS: an invocation ends in good order before this; `None` leaves it to the platform's deadline.
    pub time_budget: Option<Duration>,
    /// BYTES_PER_SECOND: record bytes that move to or from Kafka in a second; `None` (0): any number.
    pub bytes_per_second: Option<u64>,
    /// MEMORY_LIMIT_MB in bytes: what the process may use; `None` leaves it to the platform's own limit.
    pub memory_limit: Option<u64>,
    /// ISOLATION_LEVEL.
    pub isolation: Isolation,
    /// COMPRESSION.
    pub compression: Compression,
    /// LOG_LEVEL.
    pub log_level: LogLevel,
}

/// Which snapshots of the cluster `backup-batch` takes.
#[derive(Debug, Clone)]
pub struct SnapshotSettings {
    /// SNAPSHOT_SECONDS, at least 1.
    pub every: Duration,
    /// CONSUMER_GROUPS less EXCLUDE_CONSUMER_GROUPS.
    pub groups: Selection,
}

/// What `restore-batch` requires.
#[derive(Debug, Clone)]
pub struct RestoreSettings {
    /// The cluster to write to.
    pub kafka: KafkaSettings,
    /// Where to read.
    pub store: StoreSettings,
    /// BACKUP_TOPIC_NAME less RESTORE_EXCLUDE_TOPIC_NAMES. A name may be of one generation: `orders` is the newest one, `orders@1` the first. In the
    /// seed's local example it is absent and FILESYSTEM_BACKUP_DIR is the topic's folder: then the validated store is the folder's parent and this is
    /// its name.
    pub topics: Selection,
    /// RESTORE_TOPIC_NAME.
    pub target: TargetName,
    /// BACKUP_CLUSTER: of which cluster, where a bucket has backups of several.
    pub backup_cluster: Option<String>,
    /// BACKUP_PARTITIONS, of a single topic; `None`: all.
    pub partitions: Option<BTreeSet<i32>>,
    /// RESTORE_AS_OF.
    pub as_of: Option<AsOf>,
    /// RESTORE_ID: names this restore in the bucket and in Kafka. When absent: `BACKUP_TOPIC_NAME-to-RESTORE_TOPIC_NAME` for the whole of a single
    /// topic; `None` for several topics, some partitions or RESTORE_AS_OF, where it is made of the choice and the target cluster.
    pub restore_id: Option<String>,
    /// DELIVERY.
    pub delivery: Delivery,
    /// RESTORE_PARTITION_STRATEGY, or its old spelling RESTORE_PARTITION.
    pub strategy: PartitionStrategy,
    /// RETRY_SECONDS: the loop's pause.
    pub retry: Duration,
    /// NUMBER_OF_KAFKA_THREADS: source partitions worked on at once.
    pub threads: usize,
    /// MAX_SEGMENTS_PER_INVOCATION; `None` (0) until caught up or the deadline.
    pub max_segments: Option<u64>,
    /// TIME_BUDGET_SECONDS: an invocation ends in good order before this; `None` leaves it to the platform's deadline.
    pub time_budget: Option<Duration>,
    /// BYTES_PER_SECOND: record bytes that move to or from Kafka in a second; `None` (0): any number.
    pub bytes_per_second: Option<u64>,
    /// MEMORY_LIMIT_MB in bytes; `None` leaves it to the platform's own limit.
    pub memory_limit: Option<u64>,
    /// RESTORE_REPLICATION_FACTOR of a topic that restore creates; `None` is the broker's default.
    pub replication_factor: Option<i16>,
    /// RESTORE_ANYWAY: checks that only warn: `retention`, `timestamps`, `compaction`, `not-empty`, `expired`, `missing`, `behind`,
    /// `lost-progress`, `group-offsets`, `configs`.
    pub anyway: Vec<String>,
    /// SKIP_DAMAGED: go on behind a damaged or missing segment, and record what was skipped.
    pub skip_damaged: bool,
    /// RESTORE_FROM and RESTORE_UNTIL.
    pub times: Times,
    /// RESTORE_GROUPS less RESTORE_EXCLUDE_GROUPS: consumer groups that `finish` gives their offsets.
    pub groups: Selection,
    /// RESTORE_FINISH: what a function does of `finish` once all is restored.
    pub finish: BTreeSet<FinishPart>,
    /// LOG_LEVEL.
    pub log_level: LogLevel,
}

/// A moment to which topics are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    /// That of the newest snapshot.
    Latest,
    /// That of the newest snapshot that is not later than this.
    Time(Millis),
}

/// A part of `finish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FinishPart {
    /// Offsets of consumer groups.
    Groups,
    /// Configs of topics.
    Configs,
    /// Access control lists.
    Acls,
}

impl FinishPart {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Groups, Self::Configs, Self::Acls];

    /// As RESTORE_FINISH has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Configs => "configs",
            Self::Acls => "acls",
        }
    }
}

impl RestoreSettings {
    /// Whether it can be of several topics: then it is of those that there are when it begins, and ends where they ended.
    pub fn is_of_several(&self) -> bool {
        self.topics.has_patterns() || self.topics.names().count() > 1
    }

    /// Whether RESTORE_ANYWAY names this check.
    pub fn is_allowed(&self, check: &str) -> bool {
        self.anyway.iter().any(|one| one == check)
    }
}
