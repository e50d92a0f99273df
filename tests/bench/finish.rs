//! What `finish` costs after the restore of a large cluster. Each of GROUPS groups has committed on
//! all of PARTITIONS partitions, ten to a topic. The bucket is in memory and Kafka is a stand-in. A
//! request to either takes MILLISECONDS. Every tenth partition has holes, so its segments are
//! counted.
//!
//! Prints one JSON object a line for each of: the plan, the changes, a second run with nothing to
//! do, and the undo. Each has seconds, CPU seconds, peak memory, and requests to the bucket and to
//! Kafka.
//!
//!     bench-finish GROUPS PARTITIONS MILLISECONDS

#![allow(clippy::print_stdout)]

mod memory;
mod stand_in;
mod usage;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use archive::catalog::{
    Generation, GroupSnapshot, LogSnapshot, OffsetSnapshot, Packing, PartitionSnapshot, Snapshot, Told, TopicSnapshot, names,
};
use archive::segment::SegmentWriter;
use archive::testing::{add_generation, add_snapshot, generation, snapshot, spec};
use config::{FinishPart, Raw, RestoreSettings};
use host::Budget;
use kernel::clock;
use kernel::record::{Record, TimestampType};
use restore_batch::{FinishRequest, Invocation, Restore};
use store::ObjectStore;
use store::testing::{CountingStore, Fault, FaultyStore, MemoryStore};

use memory::peak_megabytes;
use stand_in::Target;
use usage::cpu_seconds;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PARTITIONS_OF_A_TOPIC: i32 = 10;
/// Offsets of a partition.
const OFFSETS: i64 = 100;
/// In partitions with holes, one offset in this many has a record.
const STEP: i64 = 3;
/// The number of holes in such a partition.
const HOLES: usize = 10;

fn topic(number: usize) -> String {
    format!("topic-with-a-name-of-usual-length-{number}")
}

/// A topic and its segments, as a backup leaves them.
async fn back_up(store: &MemoryStore, number: usize) -> Result<TopicSnapshot> {
    let name = topic(number);
    add_generation(store, &Generation { partitions: PARTITIONS_OF_A_TOPIC, ..generation(&name) });
    let mut partitions = BTreeMap::new();
    for partition in 0..PARTITIONS_OF_A_TOPIC {
        let has_holes = usize::try_from(partition)?.is_multiple_of(HOLES);
        let mut writer = SegmentWriter::new(spec(&name, partition, 0), 1);
        for offset in (0..OFFSETS).step_by(usize::try_from(if has_holes { STEP } else { 1 })?) {
            let (timestamp, timestamp_type) = (offset, TimestampType::CreateTime);
            writer.append(&Record { offset, timestamp, timestamp_type, key: None, value: Some(b"value"), headers: &[] })?;
        }
        let finished = writer.finish(OFFSETS).await?;
        let segment = names::segment(&name, partition, 0, Packing::Gzip);
        store.overwrite(&segment, finished.body.to_bytes());
        store.overwrite(&names::sidecar(&segment), finished.sha256);
        let log = Some(LogSnapshot { log_start: 0, end: OFFSETS, high_watermark: OFFSETS });
        partitions.insert(partition, PartitionSnapshot { folder: None, backed_up: Some(OFFSETS), log, diverged: false, why: None });
    }
    Ok(TopicSnapshot {
        folder: Some(name),
        id: None,
        partition_count: PARTITIONS_OF_A_TOPIC,
        replication_factor: Some(3),
        configs: Told::All(BTreeMap::from([("retention.ms".to_owned(), "604800000".to_owned())])),
        effective: BTreeMap::new(),
        partitions,
        why: None,
    })
}

/// The commits of the groups, each at a different offset.
fn groups(count: usize, topics: usize) -> BTreeMap<String, GroupSnapshot> {
    let offset = |group: usize, partition: i32| OffsetSnapshot {
        offset: (i64::try_from(group).unwrap_or(0) * 7 + i64::from(partition)) % (OFFSETS + 1),
        metadata: String::new(),
        pending: false,
        moved: false,
        foreign: false,
    };
    let of = |group: usize| {
        let partitions = || (0..PARTITIONS_OF_A_TOPIC).map(|partition| (partition, offset(group, partition))).collect();
        let offsets = (0..topics).map(|number| (topic(number), partitions())).collect();
        GroupSnapshot { state: "Empty".to_owned(), kind: "Classic".to_owned(), simple: false, offsets, why: None }
    };
    (0..count).map(|group| (format!("group-{group}"), of(group))).collect()
}

fn settings() -> Result<RestoreSettings> {
    let keys = [
        ("BOOTSTRAP_SERVERS", "bench:9092"),
        ("BACKUP_TOPIC_NAME", "*"),
        ("RESTORE_TOPIC_NAME", "{topic}"),
        ("RESTORE_ID", "bench"),
        ("RESTORE_AS_OF", "latest"),
        ("RESTORE_ANYWAY", "retention"),
        ("NUMBER_OF_KAFKA_THREADS", "4"),
        ("MAX_SEGMENTS_PER_INVOCATION", "0"),
        ("FILESYSTEM_TYPE", "LINUX"),
        ("FILESYSTEM_BACKUP_DIR", "/not/used"),
    ];
    Ok(RestoreSettings::from_raw(&Raw::load(None, keys.map(|(key, value)| (key.into(), value.into())))?)?)
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, partitions, latency] = &arguments[..] else { return Err("bench-finish GROUPS PARTITIONS MILLISECONDS".into()) };
    let topics = partitions.parse::<usize>()?.div_ceil(usize::try_from(PARTITIONS_OF_A_TOPIC)?);
    let memory = Arc::new(MemoryStore::new());
    let mut seen: Snapshot = snapshot(clock::system().now(), []);
    for number in 0..topics {
        seen.topics.insert(topic(number), back_up(&memory, number).await?);
    }
    seen.groups = Told::All(groups(count.parse()?, topics));
    add_snapshot(memory.as_ref(), &seen).await;
    drop(seen);

    // Only `finish` is measured, so the restore has no delays.
    let pause = Arc::new(AtomicU64::new(0));
    let slow = {
        let pause = pause.clone();
        FaultyStore::new(memory, move |_, _| match pause.load(Ordering::Relaxed) {
            0 => Fault::None,
            pause => Fault::Delay(Duration::from_millis(pause)),
        })
    };
    let store = Arc::new(CountingStore::new(Arc::new(slow)));
    let target = Arc::new(Target::new(pause.clone()));
    let bucket: Arc<dyn ObjectStore> = store.clone();
    let restore = || {
        Ok::<_, Box<dyn Error>>(
            Restore::new(target.clone(), bucket.clone(), settings()?, clock::system()).with_administration(target.clone()),
        )
    };
    let report = restore()?.invoke(&Invocation::new(Budget::unlimited(None))).await?;
    if !report.has_finished {
        return Err("the restore is not at its end".into());
    }
    println!("{{\"name\":\"before (with the bucket in memory)\",\"wall\":0,\"cpu\":0,\"memory\":{:.1}}}", peak_megabytes()?);
    pause.store(latency.parse()?, Ordering::Relaxed);
    for (name, apply, undo) in [("plan", false, false), ("apply", true, false), ("apply again", true, false), ("undo", true, true)] {
        let (begin, cpu, asked, objects) = (Instant::now(), cpu_seconds()?, target.requests(), store.counts());
        // Each run has its own process.
        let finish = restore()?.finisher().ok_or("a restore without an administration")?;
        let report = finish.run(&FinishRequest { parts: FinishPart::ALL.into(), apply, undo }).await?;
        if !report.succeeded {
            return Err(format!("{name}: {:?}", report.left).into());
        }
        println!(
            "{{\"name\":\"{name}\",\"wall\":{:.3},\"cpu\":{:.2},\"memory\":{:.1},\"requests\":{},\"bucket\":{}}}",
            begin.elapsed().as_secs_f64(),
            cpu_seconds()? - cpu,
            peak_megabytes()?,
            target.requests() - asked,
            store.counts().since(&objects).total(),
        );
    }
    Ok(())
}
