//! Two clusters with a topic of the same name back up into the same bucket. Each continues its own
//! generation.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use archive::catalog::{Generation, Generations, NewReason};
use backup_batch::{Backup, BackupReport, Invocation};
use config::{BackupSettings, Raw};
use host::Budget;
use kafka::{Delivery, EmbeddedBroker, Queued, RdKafkaSource, RdKafkaTarget, TargetCluster, WriterName};
use kernel::clock;
use kernel::record::{Record, TimestampType};
use store::testing::MemoryStore;

const TOPIC: &str = "orders";
const QUEUE: usize = 4 << 20;

/// An embedded cluster and the backup of it.
struct Cluster {
    broker: EmbeddedBroker,
    backup: Backup,
}

impl Cluster {
    fn new(store: &MemoryStore) -> Self {
        let broker = EmbeddedBroker::start().unwrap();
        broker.create_topic(TOPIC, 1).unwrap();
        let config = [
            ("BOOTSTRAP_SERVERS", broker.bootstrap_servers().as_str()),
            ("TOPIC_NAMES", TOPIC),
            ("GROUP_ID", "clusters"),
            ("FILESYSTEM_TYPE", "LINUX"),
            ("FILESYSTEM_BACKUP_DIR", "/not/used"),
        ]
        .map(|(key, value)| (key.into(), value.into()));
        let settings = BackupSettings::from_raw(&Raw::load(None, config).unwrap()).unwrap();
        let source = RdKafkaSource::connect(&settings.kafka, &settings.group, settings.isolation, QUEUE).unwrap();
        let backup = Backup::new(Arc::new(source), Arc::new(store.clone()), settings, clock::system());
        Self { broker, backup }
    }

    async fn write(&self) {
        let target = RdKafkaTarget::connect(&self.broker.settings(), QUEUE).unwrap();
        let name = WriterName { topic: TOPIC.to_owned(), id: "clusters".to_owned() };
        let mut writer = target.open(&name, Delivery::AtLeastOnce).await.unwrap();
        let value = Some(&b"one"[..]);
        let record = Record { offset: 0, timestamp: 1, timestamp_type: TimestampType::CreateTime, key: None, value, headers: &[] };
        assert_eq!(writer.write(0, &record).unwrap(), Queued::Taken);
        writer.flush().await.unwrap();
    }

    async fn back_up(&self) -> BackupReport {
        let invocation = Invocation { flush: true, ..Invocation::new(Budget::unlimited(None)) };
        self.backup.invoke(&invocation).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_continues_its_own_generation_and_copies_nothing_twice() {
    let store = MemoryStore::new();
    let clusters = [Cluster::new(&store), Cluster::new(&store)];
    for _ in 0..3 {
        for (cluster, folder) in clusters.iter().zip(["orders", "orders@2"]) {
            cluster.write().await;
            let report = cluster.back_up().await;
            assert!(report.succeeded, "{report:?}");
            assert_eq!((report.records, report.partitions[0].folder.as_deref()), (1, Some(folder)));
        }
    }
    let generations = Generations::of(&store, TOPIC);
    let [mut first, mut second]: [Option<Generation>; 2] = Default::default();
    for (number, place) in [(1, &mut first), (2, &mut second)] {
        *place = generations.get(number).await.unwrap().map(|(generation, _)| generation);
    }
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(generations.get(3).await.unwrap().is_none());
    assert!(first.cluster_id.is_some() && second.cluster_id.is_some() && first.cluster_id != second.cluster_id, "{first:?} {second:?}");
    assert_eq!((first.reason, second.reason), (NewReason::First, NewReason::AnotherCluster));
    assert_eq!(first.replication_factor, second.replication_factor);
    assert!(first.replication_factor.is_some());
}
