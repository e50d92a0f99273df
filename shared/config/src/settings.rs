//! Validated settings. The handlers require nothing else.

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
    /// TOPIC_NAMES minus EXCLUDE_TOPIC_NAMES.
    pub topics: Selection,
    /// GROUP_ID.
    pub group: String,
    /// Snapshots of the cluster; `None`: none.
    pub snapshots: Option<SnapshotSettings>,
    /// METRICS_MAX_TOPICS: how many topics have their own metrics.
    pub metrics_max_topics: usize,
    /// NUMBER_OF_MESSAGE_PER_BACKUP_FILE, at least 1.
    pub records_per_segment: u64,
    /// RETRY_UPLOAD_SECONDS: a segment that is not full is written only if the partition's last
    /// backup is older. Also the loop's pause.
    pub retry_upload: Duration,
    /// NUMBER_OF_KAFKA_THREADS: partitions processed in parallel, at least 1.
    pub threads: usize,
    /// MAX_SEGMENTS_PER_INVOCATION; `None` (0): until caught up or the deadline.
    pub max_segments: Option<u64>,
    /// TIME_BUDGET_SECONDS: time limit of an invocation; `None`: the platform's deadline.
    pub time_budget: Option<Duration>,
    /// BYTES_PER_SECOND: limit of record bytes to or from Kafka per second; `None` (0): no limit.
    pub bytes_per_second: Option<u64>,
    /// MEMORY_LIMIT_MB in bytes: what the process may use; `None`: the platform's limit.
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
    /// CONSUMER_GROUPS minus EXCLUDE_CONSUMER_GROUPS.
    pub groups: Selection,
}

/// What `restore-batch` requires.
#[derive(Debug, Clone)]
pub struct RestoreSettings {
    /// The cluster to write to.
    pub kafka: KafkaSettings,
    /// Where to read.
    pub store: StoreSettings,
    /// BACKUP_TOPIC_NAME minus RESTORE_EXCLUDE_TOPIC_NAMES. A name may have a generation: `orders`
    /// is the newest one, `orders@1` the first. In the seed's local example the key is absent and
    /// FILESYSTEM_BACKUP_DIR is the topic's folder. Then the validated store is the parent folder,
    /// and this is the folder's name.
    pub topics: Selection,
    /// RESTORE_TOPIC_NAME.
    pub target: TargetName,
    /// BACKUP_CLUSTER: the source cluster, if the bucket has backups of several.
    pub backup_cluster: Option<String>,
    /// BACKUP_PARTITIONS, of a single topic; `None`: all.
    pub partitions: Option<BTreeSet<i32>>,
    /// RESTORE_AS_OF.
    pub as_of: Option<AsOf>,
    /// RESTORE_ID: names this restore in the bucket and in Kafka. Default for the whole of a single
    /// topic: `BACKUP_TOPIC_NAME-to-RESTORE_TOPIC_NAME`. `None` for several topics, some partitions
    /// or RESTORE_AS_OF: then it is derived from the choice and the target cluster.
    pub restore_id: Option<String>,
    /// DELIVERY.
    pub delivery: Delivery,
    /// RESTORE_PARTITION_STRATEGY, or its old spelling RESTORE_PARTITION.
    pub strategy: PartitionStrategy,
    /// RETRY_SECONDS: the loop's pause.
    pub retry: Duration,
    /// NUMBER_OF_KAFKA_THREADS: source partitions processed in parallel.
    pub threads: usize,
    /// MAX_SEGMENTS_PER_INVOCATION; `None` (0): until caught up or the deadline.
    pub max_segments: Option<u64>,
    /// TIME_BUDGET_SECONDS: time limit of an invocation; `None`: the platform's deadline.
    pub time_budget: Option<Duration>,
    /// BYTES_PER_SECOND: limit of record bytes to or from Kafka per second; `None` (0): no limit.
    pub bytes_per_second: Option<u64>,
    /// MEMORY_LIMIT_MB in bytes; `None`: the platform's limit.
    pub memory_limit: Option<u64>,
    /// RESTORE_REPLICATION_FACTOR of topics that restore creates; `None`: the broker's default.
    pub replication_factor: Option<i16>,
    /// RESTORE_ANYWAY: checks that only warn: `retention`, `timestamps`, `compaction`, `not-empty`,
    /// `expired`, `missing`, `behind`, `lost-progress`, `group-offsets`, `configs`.
    pub anyway: Vec<String>,
    /// SKIP_DAMAGED: skip damaged or missing segments, and record each.
    pub skip_damaged: bool,
    /// RESTORE_FROM and RESTORE_UNTIL.
    pub times: Times,
    /// RESTORE_GROUPS minus RESTORE_EXCLUDE_GROUPS: consumer groups whose offsets `finish` sets.
    pub groups: Selection,
    /// RESTORE_FINISH: the parts of `finish` that a function runs after the last record.
    pub finish: BTreeSet<FinishPart>,
    /// LOG_LEVEL.
    pub log_level: LogLevel,
}

/// The moment whose state is restored.
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

    /// The name in RESTORE_FINISH.
    pub fn name(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Configs => "configs",
            Self::Acls => "acls",
        }
    }
}

impl RestoreSettings {
    /// Whether the restore can include several topics. Then its topics and ends are fixed when it
    /// begins.
    pub fn is_of_several(&self) -> bool {
        self.topics.has_patterns() || self.topics.names().count() > 1
    }

    /// Whether RESTORE_ANYWAY names this check.
    pub fn is_allowed(&self, check: &str) -> bool {
        self.anyway.iter().any(|one| one == check)
    }
}
