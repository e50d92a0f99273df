//! The demo: backup, damage, restore and comparison, on an embedded broker and a temporary folder.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use archive::Times;
use archive::catalog::PartitionStrategy;
use archive::segment::Compression;
use backup_batch::{Backup, Invocation as BackupInvocation};
use config::{BackupSettings, RestoreSettings, TargetName};
use host::Budget;
use kafka::{
    Delivery, EmbeddedBroker, Isolation, Queued, RdKafkaSource, RdKafkaTarget, Selection, SourceCluster, TargetCluster, TopicPartition,
    WriterName,
};
use kernel::record::{Header, Record, TimestampType};
use kernel::{Deadline, clock};
use restore_batch::{Invocation as RestoreInvocation, Restore};
use store::{ObjectStore, StoreKind, StoreSettings};
use telemetry::LogLevel;

use crate::output::{Output, bytes};
use crate::verify::{Verdict, Verify, verdicts_table};
use crate::{backup, restore, setup};

const TOPIC: &str = "orders";
const RESTORED: &str = "orders-restored";
const PARTITIONS: i32 = 3;
const RECORDS: i64 = 12_000;
const QUEUE: usize = 16 << 20;

/// Runs the demo. Returns whether the restored topic is equal to the original.
pub(crate) async fn run(output: &Output) -> Result<bool> {
    setup::start_log_alone(output)?;
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let broker = EmbeddedBroker::start()?;
    for topic in [TOPIC, RESTORED] {
        broker.create_topic(topic, PARTITIONS)?;
    }
    output.say(&format!("1. Start an embedded Kafka broker at {}", broker.bootstrap_servers()));
    let written = fill(&broker).await?;
    output.say(&format!(
        "   {written} records in {PARTITIONS} partitions of topic {TOPIC:?}: keys, headers, tombstones, binary, old and out-of-order timestamps\n"
    ));

    output.say(&format!("2. Back up to {}", folder.path().display()));
    let settings = StoreSettings { kind: StoreKind::Folder(folder.path().to_owned()), prefix: String::new() };
    let store = store::open(&settings, &Deadline::unset()).await?;
    back_up(&broker, store.clone(), &settings, output).await?;

    output.say("\n3. Verify: checksums, record batches, no missing segment");
    let verdicts = verdicts(&store).await?;
    output.result(&verdicts, |verdicts| verdicts_table(verdicts));
    ensure!(verdicts.iter().all(|verdict| verdict.problems.is_empty()), "verify found a problem in a segment that was just written");

    output.say("\n4. Flip one byte of a segment; verify must find it");
    damage(&store, folder.path(), output).await?;

    output.say(&format!("\n5. Restore to topic {RESTORED:?}, exactly once"));
    replay(&broker, store, settings, output).await?;

    output.say("\n6. Compare both topics, record by record");
    let compared = compare(&broker).await?;
    ensure!(compared == written, "{compared} records were compared, {written} were written");
    output.say(&format!("   {compared} records are identical: order, keys, values, headers, timestamps\n"));
    output.say("Next: write a configuration (README.md has one), then run  local-runner backup CONFIG --until-caught-up");
    Ok(true)
}

/// Writes records with every edge case. Returns their number.
async fn fill(broker: &EmbeddedBroker) -> Result<u64> {
    let target = RdKafkaTarget::connect(&broker.settings(), QUEUE)?;
    let name = WriterName { topic: TOPIC.to_owned(), id: "demo".to_owned() };
    let mut writer = target.open(&name, Delivery::AtLeastOnce).await?;
    for number in 0..RECORDS {
        let partition = i32::try_from(number % i64::from(PARTITIONS))?;
        let key = format!("customer-{}", number % 97);
        let value =
            format!("{{\"order\":{number},\"customer\":\"customer-{}\",\"total\":{}.{:02}}}", number % 97, number % 500, number % 100);
        let headers = [
            Header { key: b"trace", value: Some(b"\x00\xff\xfe") },
            Header { key: b"trace", value: None },
            Header { key: b"", value: Some(b"") },
            Header { key: b"\xffnot utf-8", value: Some(b"kept") },
        ];
        let record = Record {
            offset: number,
            timestamp: 1_600_000_000_000 + (number * 7_919) % 100_000,
            timestamp_type: TimestampType::CreateTime,
            key: (number % 5 != 0).then_some(key.as_bytes()),
            value: match number % 11 {
                0 => None,
                1 => Some(b""),
                2 => Some(b"\x00\x01\xff binary"),
                _ => Some(value.as_bytes()),
            },
            headers: &headers[..usize::try_from(number % 5)?],
        };
        while writer.write(partition, &record)? == Queued::Full {
            writer.room().await?;
        }
    }
    let written = writer.flush().await?;
    Ok(written.iter().map(|run| run.count.unsigned_abs()).sum())
}

async fn back_up(broker: &EmbeddedBroker, store: Arc<dyn ObjectStore>, to: &StoreSettings, output: &Output) -> Result<()> {
    let settings = BackupSettings {
        kafka: broker.settings(),
        store: to.clone(),
        topics: Selection::of_names([TOPIC]),
        group: "kafka-backup-demo".to_owned(),
        snapshots: None,
        metrics_max_topics: 50,
        records_per_segment: 1000,
        retry_upload: Duration::from_secs(60),
        threads: 2,
        max_segments: None,
        bytes_per_second: None,
        memory_limit: None,
        time_budget: None,
        isolation: Isolation::ReadCommitted,
        compression: Compression::Gzip(3),
        log_level: LogLevel::Warning,
    };
    let source = RdKafkaSource::connect(&settings.kafka, &settings.group, settings.isolation, QUEUE)?;
    let handler = Backup::new(Arc::new(source), store, settings, clock::system());
    let report = handler.invoke(&BackupInvocation { flush: true, ..BackupInvocation::new(Budget::unlimited(None)) }).await?;
    output.result(&report, backup::report_table);
    ensure!(report.succeeded, "the backup failed");
    output.say(&format!(
        "   {} of records stored as {} in {} segments",
        bytes(report.log_bytes),
        bytes(report.stored_bytes),
        report.segments
    ));
    Ok(())
}

async fn verdicts(store: &Arc<dyn ObjectStore>) -> Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    Verify::new(store).each(None, &mut |verdict| verdicts.push(verdict)).await?;
    Ok(verdicts)
}

async fn damage(store: &Arc<dyn ObjectStore>, folder: &Path, output: &Output) -> Result<()> {
    let victim = folder.join(TOPIC).join("1").join("00000000000000000000.tar.gz");
    let sound = std::fs::read(&victim).with_context(|| victim.display().to_string())?;
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    std::fs::write(&victim, &damaged)?;
    let verdicts = verdicts(store).await?;
    std::fs::write(&victim, &sound)?;
    match verdicts.iter().flat_map(|verdict| &verdict.problems).next() {
        Some(problem) => output.say(&format!("   found: {problem}")),
        None => bail!("verify did not find the damage"),
    }
    Ok(())
}

async fn replay(broker: &EmbeddedBroker, store: Arc<dyn ObjectStore>, from: StoreSettings, output: &Output) -> Result<()> {
    let settings = RestoreSettings {
        kafka: broker.settings(),
        store: from,
        topics: Selection::of_names([TOPIC]),
        target: TargetName::new(RESTORED),
        backup_cluster: None,
        partitions: None,
        as_of: None,
        restore_id: Some("demo".to_owned()),
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
        groups: Selection::of_names(["billing"]),
        finish: std::collections::BTreeSet::new(),
        skip_damaged: false,
        log_level: LogLevel::Warning,
    };
    let target = RdKafkaTarget::connect(&settings.kafka, QUEUE)?;
    let handler = Restore::new(Arc::new(target), store, settings, clock::system());
    let report = handler.invoke(&RestoreInvocation::new(Budget::unlimited(None))).await?;
    output.result(&report, |report| restore::report_table(report, true));
    ensure!(report.succeeded && report.caught_up, "the restore failed");
    Ok(())
}

/// A record without its offset: a restore changes it.
type Content = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

/// Compares the topics. Returns the number of equal records; the first difference is an error.
async fn compare(broker: &EmbeddedBroker) -> Result<u64> {
    let source = RdKafkaSource::connect(&broker.settings(), "kafka-backup-demo-compare", Isolation::ReadCommitted, QUEUE)?;
    let mut same = 0;
    for partition in 0..PARTITIONS {
        let original = read(&source, TOPIC, partition).await?;
        let copy = read(&source, RESTORED, partition).await?;
        for (number, pair) in original.iter().zip(&copy).enumerate() {
            ensure!(pair.0 == pair.1, "partition {partition}: record {number} differs: {:?} and {:?}", pair.0, pair.1);
        }
        ensure!(
            original.len() == copy.len(),
            "partition {partition}: {} records in the original, {} in the copy",
            original.len(),
            copy.len()
        );
        same += original.len() as u64;
    }
    Ok(same)
}

async fn read(source: &RdKafkaSource, topic: &str, partition: i32) -> Result<Vec<Content>> {
    let place = TopicPartition::new(topic, partition);
    let range = source.offsets(std::slice::from_ref(&place)).await?.remove(&place).context("the partition has no leader")??;
    let mut reader = source.open(&place, range.log_start).await?;
    let mut found: Vec<Content> = Vec::new();
    while reader.position() < range.end {
        reader.fetch(Duration::from_millis(500)).await?;
        reader.drain(&mut |record| {
            let headers = record.headers.iter().map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec))).collect();
            found.push((record.timestamp, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), headers));
            ControlFlow::Continue(())
        });
    }
    Ok(found)
}
