//! What the tests have in common.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kernel::Secret;
use kernel::record::{Header, Record, TimestampType};
use rdkafka::ClientConfig;

use crate::{
    CommittedOffset, Delivery, Isolation, KafkaSettings, NewTopic, OffsetRange, PartitionReader, Queued, RdKafkaSource, RdKafkaTarget,
    RecordWriter, SourceCluster, TargetCluster, TopicPartition, WriterName, Written,
};

/// A wait that ends early in every test that passes.
pub(super) const LONG: Duration = Duration::from_secs(30);
const MIB: usize = 1 << 20;

/// A record that owns its bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) timestamp_type: TimestampType,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Owned {
    pub(super) fn new(timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let timestamp_type = TimestampType::CreateTime;
        Self { offset: 0, timestamp, timestamp_type, key: owned(key), value: owned(value), headers: Vec::new() }
    }

    pub(super) fn header(mut self, key: &[u8], value: Option<&[u8]>) -> Self {
        self.headers.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        self
    }

    pub(super) fn copy(record: &Record<'_>) -> Self {
        let headers = record.headers.iter().map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec))).collect();
        let new = Self::new(record.timestamp, record.key, record.value);
        Self { offset: record.offset, timestamp_type: record.timestamp_type, headers, ..new }
    }

    pub(super) fn lend<T>(&self, call: impl FnOnce(&Record<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> = self.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        call(&Record {
            offset: self.offset,
            timestamp: self.timestamp,
            timestamp_type: self.timestamp_type,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        })
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |bytes: &[u8]| format!("{} bytes {:?}", bytes.len(), String::from_utf8_lossy(&bytes[..bytes.len().min(20)]));
        let optional = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(short);
        let headers: Vec<_> = self.headers.iter().map(|(key, value)| (short(key), optional(value))).collect();
        write!(f, "{}@{} {:?} ", self.offset, self.timestamp, self.timestamp_type)?;
        write!(f, "{:?} = {:?} {headers:?}", optional(&self.key), optional(&self.value))
    }
}

/// All kinds of records.
pub(super) fn odd_records() -> Vec<Owned> {
    static NOW: OnceLock<i64> = OnceLock::new();
    let now = *NOW.get_or_init(now);
    let binary: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..900_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        Owned::new(now, Some(b"key"), Some(b"value")),
        Owned::new(now + 1, None, None),
        Owned::new(now - 1, Some(b""), Some(b"")),
        Owned::new(now, None, Some(b"")),
        Owned::new(now, Some(b""), None),
        Owned::new(now, Some(&binary), Some(&binary)),
        Owned::new(now, Some(b"large"), Some(&large)),
        Owned::new(now, Some(&large[..300_000]), None),
        Owned::new(1, None, Some(b"old")),
        Owned::new(0, None, Some(b"at the epoch")),
        Owned::new(-1, None, Some(b"without a timestamp")),
        Owned::new(4_102_444_800_000, None, Some(b"in 2100")),
        Owned::new(now, None, None)
            .header(b"k", Some(b"1"))
            .header(b"k", Some(b"2"))
            .header(b"k", Some(b"1"))
            .header(b"null", None)
            .header(b"empty", Some(b""))
            .header(b"", Some(b"empty key"))
            .header(b"", None)
            .header(b"\xff\xfe", Some(b"not UTF-8"))
            .header(b"nul\0in\0key", Some(b"\0"))
            .header(b"nul\0in\0key", None)
            .header(&binary, Some(&binary)),
    ]
}

pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A name that no other test and no earlier run uses.
pub(super) fn unique(name: &str) -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{name}-{}-{nanos}", std::process::id())
}

pub(super) fn with(settings: &KafkaSettings, properties: &[(&str, &str)]) -> KafkaSettings {
    let mut settings = settings.clone();
    settings.properties.extend(properties.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))));
    settings
}

pub(super) fn source(settings: &KafkaSettings, group: &str) -> RdKafkaSource {
    RdKafkaSource::connect(settings, group, Isolation::ReadCommitted, 4 * MIB).unwrap()
}

pub(super) fn target(settings: &KafkaSettings) -> RdKafkaTarget {
    RdKafkaTarget::connect(settings, 4 * MIB).unwrap()
}

/// Another client, for what this project does not do.
pub(super) fn plain(settings: &KafkaSettings, properties: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &settings.bootstrap_servers);
    for (name, value) in properties {
        config.set(*name, *value);
    }
    config
}

/// Creates a topic; without configs one that accepts any timestamp.
pub(super) async fn create(target: &RdKafkaTarget, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let any_timestamp = [("message.timestamp.after.max.ms", "9223372036854775807")];
    let configs = if configs.is_empty() { &any_timestamp } else { configs };
    let configs: BTreeMap<_, _> = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    target.create(&NewTopic { name: name.to_owned(), partitions, replication_factor: None, configs }).await.unwrap();
    // A broker that is slow learns of it later.
    target.extents(name, partitions).await.unwrap();
}

pub(super) async fn open(target: &RdKafkaTarget, topic: &str, id: &str, delivery: Delivery) -> Box<dyn RecordWriter> {
    target.open(&WriterName { topic: topic.to_owned(), id: id.to_owned() }, delivery).await.unwrap()
}

/// Queues records, and waits for room if there is none.
pub(super) async fn queue(writer: &mut dyn RecordWriter, partition: i32, records: &[Owned]) {
    for record in records {
        while record.lend(|record| writer.write(partition, record)).unwrap() == Queued::Full {
            writer.room().await.unwrap();
        }
    }
}

/// Writes records to a partition in one transaction.
pub(super) async fn write(target: &RdKafkaTarget, topic: &str, partition: i32, records: &[Owned]) -> Vec<Written> {
    let mut writer = open(target, topic, &unique("writer"), Delivery::ExactlyOnce).await;
    queue(&mut *writer, partition, records).await;
    let written = writer.flush().await.unwrap();
    writer.commit(&progress(records.len() as i64, "")).await.unwrap();
    written
}

pub(super) fn progress(next: i64, metadata: &str) -> CommittedOffset {
    CommittedOffset { next, metadata: metadata.to_owned() }
}

/// Reads until everything below `end` was visited.
pub(super) async fn read_to(reader: &mut dyn PartitionReader, end: i64) -> Vec<Owned> {
    let mut records = Vec::new();
    while reader.position() < end {
        reader.fetch(LONG).await.unwrap();
        reader.drain(&mut |record| {
            records.push(Owned::copy(record));
            ControlFlow::Continue(())
        });
    }
    records
}

/// The content of a partition, once no transaction is open: a commit has its response before its
/// markers are written.
pub(super) async fn settled(source: &RdKafkaSource, partition: &TopicPartition) -> OffsetRange {
    loop {
        let range = source.offsets(std::slice::from_ref(partition)).await.unwrap().remove(partition).unwrap().unwrap();
        if range.end == range.high_watermark {
            return range;
        }
    }
}

/// Reads a whole partition.
pub(super) async fn read_all(source: &RdKafkaSource, topic: &str, partition: i32) -> Vec<Owned> {
    let partition = TopicPartition::new(topic, partition);
    let range = settled(source, &partition).await;
    let mut reader = source.open(&partition, range.log_start).await.unwrap();
    read_to(&mut *reader, range.end).await
}

/// The same records at offsets `from`, `from + 1` and so on.
pub(super) fn at(from: i64, records: &[Owned]) -> Vec<Owned> {
    (from..).zip(records).map(|(offset, record)| Owned { offset, ..record.clone() }).collect()
}
