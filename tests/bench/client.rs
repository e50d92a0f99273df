//! The baselines for our CPU seconds: bare librdkafka, and the codec alone. Each command measures
//! its own step only. It prints wall and CPU seconds (user and system, all threads) and bytes as
//! one JSON object.

#![allow(clippy::print_stdout)]

mod usage;

use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use archive::catalog::Packing;
use archive::segment::{Compression, Compressor, Decompressor, Manifest, Records};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use usage::cpu_seconds;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WAIT: Duration = Duration::from_secs(60);
/// Bytes of one transaction, as in restore.
const TRANSACTION: usize = 16 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["consume", topic, partitions, records] => consume(topic, partitions.parse()?, records.parse()?),
        ["codec", folder, codec] => codec_alone(Path::new(folder), codec),
        ["produce", topic, folder] => produce(topic, Path::new(folder), None),
        ["transact", topic, folder] => produce(topic, Path::new(folder), Some(topic)),
        _ => Err("consume TOPIC PARTITIONS RECORDS | codec FOLDER gzip:N|zstd:N | produce TOPIC FOLDER | transact TOPIC FOLDER".into()),
    }
}

/// A measured interval.
struct Stretch {
    wall: Instant,
    cpu: f64,
}

impl Stretch {
    fn begin() -> Result<Self> {
        Ok(Self { wall: Instant::now(), cpu: cpu_seconds()? })
    }

    fn end(&self, name: &str, bytes: usize) -> Result<()> {
        let (wall, cpu) = (self.wall.elapsed().as_secs_f64(), cpu_seconds()? - self.cpu);
        println!("{{\"name\":\"{name}\",\"wall\":{wall:.3},\"cpu\":{cpu:.2},\"bytes\":{bytes}}}");
        Ok(())
    }
}

fn config() -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", std::env::var("KAFKA_BOOTSTRAP_SERVERS")?);
    Ok(config)
}

/// Reads every record once, and looks only at its length in bytes. CRCs are checked, as in a
/// backup.
fn consume(topic: &str, partitions: i32, records: usize) -> Result<()> {
    let stretch = Stretch::begin()?;
    let consumer: BaseConsumer =
        config()?.set("group.id", "bench").set("enable.auto.commit", "false").set("check.crcs", "true").create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let (mut count, mut bytes) = (0, 0);
    while count < records {
        let message = consumer.poll(WAIT).ok_or("no record came for a minute")??;
        count += 1;
        bytes += message.payload_len() + message.key_len();
    }
    stretch.end("consume", bytes)
}

/// Compresses and decompresses the content of the segments under `folder`, member by member, on one
/// core.
fn codec_alone(folder: &Path, codec: &str) -> Result<()> {
    let (compression, packing) = match codec.split_once(':').ok_or("CODEC:LEVEL")? {
        ("gzip", level) => (Compression::Gzip(level.parse()?), Packing::Gzip),
        ("zstd", level) => (Compression::Zstd(level.parse()?), Packing::Zstd),
        _ => return Err("gzip:N or zstd:N".into()),
    };
    let members: Vec<Vec<u8>> = segments(folder)?.into_iter().map(|segment| members(&segment)).collect::<Result<Vec<_>>>()?.concat();
    let mut compressor = Compressor::new(compression);
    let mut stored = Vec::with_capacity(members.len());
    let stretch = Stretch::begin()?;
    for member in &members {
        stored.push(compressor.compress(member));
    }
    stretch.end("compress", stored.iter().map(|stored| stored.len()).sum())?;
    let mut decompressor = Decompressor::new(packing);
    let stretch = Stretch::begin()?;
    let mut bytes = 0;
    for (stored, member) in stored.iter().zip(&members) {
        bytes += decompressor.decompress(stored, member.len())?.len();
    }
    stretch.end("decompress", bytes)
}

/// Delivery reports: none may be an error.
struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            panic!("a record was not delivered: {error}");
        }
    }
}

/// Writes all records of the segments under `folder` to their original partitions, idempotently or
/// in transactions of 16 MiB. The segments are read into memory first. Compression and lingering
/// are those of a restore.
fn produce(topic: &str, folder: &Path, transactional_id: Option<&str>) -> Result<()> {
    let mut logs = Vec::new();
    for segment in segments(folder)? {
        let partition: i32 = segment.parent().and_then(Path::file_name).and_then(|name| name.to_str()).ok_or("no partition")?.parse()?;
        logs.push((partition, members(&segment)?));
    }
    let stretch = Stretch::begin()?;
    let mut config = config()?;
    config.set("enable.idempotence", "true").set("compression.codec", "lz4").set("linger.ms", "20");
    if let Some(id) = transactional_id {
        config.set("transactional.id", id);
    }
    let producer: BaseProducer<Reports> = config.create_with_context(Reports)?;
    if transactional_id.is_some() {
        producer.init_transactions(WAIT)?;
        producer.begin_transaction()?;
    }
    let (mut open, mut total) = (0, 0);
    for (partition, log) in &logs {
        for member in log {
            open += send_member(&producer, topic, *partition, member)?;
            if transactional_id.is_some() && open >= TRANSACTION {
                producer.commit_transaction(WAIT)?;
                producer.begin_transaction()?;
                (total, open) = (total + open, 0);
            }
        }
    }
    match transactional_id {
        Some(_) => producer.commit_transaction(WAIT)?,
        None => producer.flush(WAIT)?,
    }
    stretch.end(if transactional_id.is_some() { "transact" } else { "produce" }, total + open)
}

fn send_member(producer: &BaseProducer<Reports>, topic: &str, partition: i32, member: &[u8]) -> Result<usize> {
    let mut records = Records::new(member, 0);
    while let Some(record) = records.next()? {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for header in record.headers {
            headers = headers.insert(Header { key: std::str::from_utf8(header.key)?, value: header.value });
        }
        let mut message = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).timestamp(record.timestamp).headers(headers);
        (message.key, message.payload) = (record.key, record.value);
        while let Err((error, refused)) = producer.send(message) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            message = refused;
            producer.poll(Duration::from_millis(10));
        }
        producer.poll(Duration::ZERO);
    }
    Ok(member.len())
}

/// The segments of all partitions, in order.
fn segments(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for partition in fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?.iter().filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(partition.path())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "gz" || extension == "zst") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The unpacked members of a segment.
fn members(segment: &Path) -> Result<Vec<Vec<u8>>> {
    let file = fs::File::open(segment)?;
    let unpacked: Box<dyn Read> = match segment.extension().is_some_and(|extension| extension == "gz") {
        true => Box::new(flate2::read::MultiGzDecoder::new(file)),
        false => Box::new(zstd::stream::read::Decoder::new(file)?),
    };
    let mut archive = tar::Archive::new(unpacked);
    let mut entries = archive.entries()?;
    let manifest: Manifest = serde_json::from_reader(entries.next().ok_or("no manifest")??)?;
    let mut log = entries.next().ok_or("no log")??;
    let mut members = Vec::with_capacity(manifest.members.len());
    for member in &manifest.members {
        let mut bytes = vec![0; usize::try_from(member.bytes)?];
        log.read_exact(&mut bytes)?;
        members.push(bytes);
    }
    Ok(members)
}
