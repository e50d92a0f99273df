//! The requests of an invocation to Kafka and the bucket when there is little or nothing to do.
//! They do not depend on the number of partitions.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::sync::Arc;

use backup_batch::{Backup, BackupReport, Invocation};
use config::{BackupSettings, Raw};
use host::Budget;
use kafka::{Delivery, EmbeddedBroker, Queued, RdKafkaSource, RdKafkaTarget, TargetCluster, WriterName};
use kernel::clock;
use kernel::record::{Record, TimestampType};
use store::testing::{CountingStore, MemoryStore};

const TOPIC: &str = "orders";
const QUEUE: usize = 4 << 20;
/// The embedded cluster's.
const BROKERS: usize = 2;

/// One embedded cluster with one topic, and the backup of it.
struct Scene {
    broker: EmbeddedBroker,
    store: Arc<CountingStore>,
    backup: Backup,
}

/// The requests of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    store: u64,
    kafka: usize,
}

impl Scene {
    fn new(partitions: i32) -> Self {
        let broker = EmbeddedBroker::start().unwrap();
        broker.create_topic(TOPIC, partitions).unwrap();
        let store = Arc::new(CountingStore::new(Arc::new(MemoryStore::new())));
        let config = [
            ("BOOTSTRAP_SERVERS", broker.bootstrap_servers().as_str()),
            ("TOPIC_NAMES", TOPIC),
            ("GROUP_ID", "ticks"),
            ("FILESYSTEM_TYPE", "LINUX"),
            ("FILESYSTEM_BACKUP_DIR", "/not/used"),
            ("MAX_SEGMENTS_PER_INVOCATION", "0"),
        ]
        .map(|(key, value)| (key.into(), value.into()));
        let settings = BackupSettings::from_raw(&Raw::load(None, config).unwrap()).unwrap();
        let source = RdKafkaSource::connect(&settings.kafka, &settings.group, settings.isolation, QUEUE).unwrap();
        let backup = Backup::new(Arc::new(source), store.clone(), settings, clock::system());
        Self { broker, store, backup }
    }

    /// Writes a record to each of the first partitions.
    async fn write(&self, partitions: i32) {
        let target = RdKafkaTarget::connect(&self.broker.settings(), QUEUE).unwrap();
        let name = WriterName { topic: TOPIC.to_owned(), id: "ticks".to_owned() };
        let mut writer = target.open(&name, Delivery::AtLeastOnce).await.unwrap();
        for partition in 0..partitions {
            let value = Some(&b"one of ten"[..]);
            let record = Record { offset: 0, timestamp: 1, timestamp_type: TimestampType::CreateTime, key: None, value, headers: &[] };
            assert_eq!(writer.write(partition, &record).unwrap(), Queued::Taken);
        }
        writer.flush().await.unwrap();
    }

    async fn tick(&self) -> (BackupReport, Asked) {
        let before = self.store.counts();
        let invocation = Invocation { flush: true, ..Invocation::new(Budget::unlimited(None)) };
        let (report, kafka) = self.broker.count_requests(self.backup.invoke(&invocation)).await;
        let report = report.unwrap();
        assert!(report.succeeded, "{report:?}");
        (report, Asked { store: self.store.counts().since(&before).total(), kafka })
    }
}

/// A topic.json is written into an empty folder, and the commit of offset 0 records that.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_in_which_nothing_is_asks_the_bucket_once() {
    let scene = Scene::new(100);
    let (report, first) = scene.tick().await;
    // topic.json: whether it exists, its write, and whether the store would overwrite it.
    assert_eq!((report.segments, first.store), (0, 3));
    let (report, second) = scene.tick().await;
    assert_eq!((report.segments, second), (0, Asked { store: 0, kafka: 2 + 3 * BROKERS }));
    assert!(report.is_caught_up());
    scene.write(2).await;
    let (report, due) = scene.tick().await;
    // topic.json, that of a newer generation, and for a first segment only itself and its .sha256.
    // The partition without a commit costs one more listing.
    assert_eq!((report.records, due.store), (2, 2 + 2 + 3), "{due:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_do_not_grow_with_partitions() {
    let (mut idle, mut due) = (Vec::new(), Vec::new());
    for partitions in [1, 100, 1000] {
        let scene = Scene::new(partitions);
        scene.write(partitions.min(10)).await;
        scene.tick().await;
        let (report, nothing) = scene.tick().await;
        assert_eq!(report.records, 0);
        let segments = u64::from(partitions.min(10).unsigned_abs());
        scene.write(partitions.min(10)).await;
        let (report, learns) = scene.tick().await;
        // topic.json is updated once with the partitions that have segments.
        assert_eq!((report.records, learns.store), (segments, 2 + 3 * segments + 1));
        scene.write(partitions.min(10)).await;
        let (report, ten) = scene.tick().await;
        assert_eq!(report.records, segments);
        println!("{partitions} partitions: nothing to do: {nothing:?}; a record in each of {}: {ten:?}", partitions.min(10));
        idle.push(nothing);
        due.push((ten, segments));
    }
    // For one broker: DescribeTopics, OffsetFetch, and ListOffsets three times. Each further broker
    // that leads partitions costs three of its own.
    let most = Asked { store: 0, kafka: 2 + 3 * BROKERS };
    assert!(idle.iter().all(|asked| asked.store <= most.store && asked.kafka <= most.kafka), "{idle:?}");
    // topic.json, that of a newer generation, and for each segment: whether the previous one
    // exists, itself, its .sha256.
    assert!(due.iter().all(|(asked, segments)| asked.store == 2 + 3 * segments), "{due:?}");
}
