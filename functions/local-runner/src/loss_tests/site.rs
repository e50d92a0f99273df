//! Two clusters, and a bucket with two runs of a backup.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use archive::Times;
use archive::catalog::PartitionStrategy;
use archive::segment::Compression;
use backup_batch::{Backup, BackupReport, Invocation};
use config::{AsOf, BackupSettings, RestoreSettings, SnapshotSettings, TargetName};
use host::Budget;
use kafka::{Delivery, Isolation, KafkaSettings, Pattern, Selection};
use kernel::Deadline;
use kernel::clock::{self, Millis};
use restore_batch::Restore;
use simulation::FaultlessCluster;
use store::{ObjectStore, StoreKind, StoreSettings};
use telemetry::LogLevel;

const MINUTE: Millis = 60_000;

/// `busy` gets records before each backup, `idle` only before the first one.
pub(super) struct Site {
    folder: tempfile::TempDir,
    pub(super) source: FaultlessCluster,
    target: FaultlessCluster,
    /// TOPIC_NAMES.
    topics: Selection,
}

pub(super) fn all() -> Selection {
    Selection::new(vec![Pattern::parse("*").unwrap()], Vec::new()).unwrap()
}

impl Site {
    /// Segments of three records:
    ///
    /// | partition | first backup | second backup |
    /// |---|---|---|
    /// | busy/0 | 0, 3, 6 | 9, 12 |
    /// | busy/1 | 0, 3 | 4 |
    /// | idle/0 | 0, 3 | |
    pub(super) async fn backed_up() -> Self {
        Self::backed_up_as(all()).await
    }

    pub(super) async fn backed_up_as(topics: Selection) -> Self {
        let began = clock::system().now() - 60 * MINUTE;
        let clusters = ["kafka-1", "kafka-2"].map(|id| FaultlessCluster::new(id, began));
        let [source, target] = clusters;
        let site = Self { folder: tempfile::tempdir().unwrap(), source, target, topics };
        site.source.create("busy", 2);
        site.source.create("idle", 1);
        for (topic, partition, count) in [("busy", 0, 9), ("busy", 1, 4), ("idle", 0, 6)] {
            site.source.write(topic, partition, count);
        }
        assert!(site.back_up().await.succeeded);
        site.continue_writing();
        assert!(site.back_up().await.succeeded);
        site
    }

    /// Time passes, and `busy` gets records.
    pub(super) fn continue_writing(&self) {
        self.source.advance(10 * MINUTE);
        self.source.write("busy", 0, 6);
        self.source.write("busy", 1, 3);
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The files in a folder of the bucket and in the folders in it, in order.
    pub(super) fn files(&self, folder: &str) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.path().join(folder)], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    fn settings(&self) -> StoreSettings {
        StoreSettings { kind: StoreKind::Folder(self.path().to_owned()), prefix: String::new() }
    }

    async fn store(&self) -> Arc<dyn ObjectStore> {
        store::open(&self.settings(), &Deadline::unset()).await.unwrap()
    }

    /// A new process, and one invocation of it.
    pub(super) async fn back_up(&self) -> BackupReport {
        let settings = BackupSettings {
            kafka: KafkaSettings::default(),
            store: self.settings(),
            topics: self.topics.clone(),
            group: "backup".to_owned(),
            snapshots: Some(SnapshotSettings { every: Duration::from_secs(300), groups: all() }),
            metrics_max_topics: 50,
            records_per_segment: 3,
            retry_upload: Duration::from_secs(60),
            threads: 2,
            max_segments: None,
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            isolation: Isolation::ReadCommitted,
            compression: Compression::Gzip(1),
            log_level: LogLevel::Error,
        };
        let (source, store) = (self.source.source(&settings.group), self.store().await);
        let backup = Backup::new(source, store, settings, self.source.clock()).single_threaded();
        let invocation = Invocation { flush: true, ..Invocation::new(Budget::unlimited(None)) };
        backup.with_snapshots_of(self.source.administration()).invoke(&invocation).await.unwrap()
    }

    /// A restore of all topics, as of the newest snapshot or of everything.
    pub(super) async fn restore(&self, as_of: Option<AsOf>) -> Restore {
        let name = if as_of.is_some() { "latest" } else { "all" };
        let settings = RestoreSettings {
            kafka: KafkaSettings::default(),
            store: self.settings(),
            topics: all(),
            target: TargetName::new(format!("{name}-{}", TargetName::TOPIC)),
            backup_cluster: None,
            partitions: None,
            as_of,
            restore_id: Some(name.to_owned()),
            delivery: Delivery::ExactlyOnce,
            strategy: PartitionStrategy::Same,
            retry: Duration::from_secs(60),
            threads: 2,
            max_segments: None,
            bytes_per_second: None,
            memory_limit: None,
            time_budget: None,
            replication_factor: None,
            anyway: Vec::new(),
            times: Times::default(),
            groups: all(),
            finish: std::collections::BTreeSet::new(),
            skip_damaged: false,
            log_level: LogLevel::Error,
        };
        self.target.advance(self.source.clock().now() - self.target.clock().now());
        Restore::new(self.target.target(), self.store().await, settings, self.target.clock()).single_threaded()
    }
}
