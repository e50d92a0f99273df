//! Two local-runners on the same partition and bucket at the same time, while records arrive.

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use archive::catalog::list_segments;
use archive::segment::{Manifest, ReadOptions, SegmentReader};
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::runner::{Outcome, Runner, Store, finish};
use end_to_end::services::require_kafka;
use kernel::Deadline;
use serde_json::{Value, json};

#[test]
fn two_at_once_on_minio() {
    if let (Some(kafka), Some(store)) = (require_kafka(), crate::buckets::minio()) {
        two_at_once(&kafka, store);
    }
}

#[test]
fn two_at_once_on_azurite() {
    if let (Some(kafka), Some(store)) = (require_kafka(), crate::buckets::azurite()) {
        two_at_once(&kafka, store);
    }
}

/// A minute, or 20 seconds in CI.
fn duration() -> Duration {
    Duration::from_secs(if env::var("CI").is_ok_and(|ci| ci == "true") { 20 } else { 60 })
}

fn two_at_once(kafka: &Kafka, store: Store) {
    let topic = kafka.create_topic("raced", 1, &[]);
    let runner = Runner::on(kafka, store);
    let config = runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 20}));
    let loops = [(); 2].map(|()| {
        let running = runner.spawn(["backup".as_ref(), config.as_path()]);
        // A thread reads their output: a full pipe would block them.
        (running.id(), thread::spawn(|| finish(running)))
    });
    let (began, mut produced) = (Instant::now(), 0);
    while began.elapsed() < duration() {
        kafka.bulk(&topic, 100, 100);
        produced += 100;
    }
    let written: u64 = loops.map(stop).into_iter().sum();
    assert!(written > 0, "they wrote while records arrived");
    runner.back_up(&config);

    let manifests = manifests(&runner, &config, &topic);
    let mut next = 0;
    for manifest in &manifests {
        assert_eq!(manifest.start, next, "every offset in one segment, and none left out");
        assert!(manifest.gap.is_none());
        next = manifest.next;
    }
    assert_eq!(next, produced);
    eprintln!("{produced} records, {written} segments written by the two, {} in the chain", manifests.len());
    let copy = unique("copy");
    runner.restore(&runner.restore_config(&topic, &copy, Value::Null));
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
    assert_eq!(kafka.dump(&copy, Read::Uncommitted).len() as i64, produced);
}

/// Ends a loop cleanly. Returns the number of segments that it reports.
fn stop((id, running): (u32, JoinHandle<Outcome>)) -> u64 {
    let sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().expect("kill is there");
    assert!(sent.success() && !running.is_finished(), "it ran to the end");
    let reports = running.join().expect("it ends").succeeded().reports();
    assert!(reports.iter().all(|report| report["succeeded"] == true), "{reports:?}");
    reports.iter().filter_map(|report| report["segments"].as_u64()).sum()
}

/// The manifests of all segments in the bucket, in order.
fn manifests(runner: &Runner, config: &std::path::Path, topic: &str) -> Vec<Manifest> {
    let settings = config::store_settings(&runner.raw(config)).expect("a good configuration");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = store::open(&settings, &Deadline::unset()).await.expect("a good store");
        let (mut manifests, mut after) = (Vec::new(), Some(String::new()));
        while let Some(from) = after {
            let (entries, more) = list_segments(store.as_ref(), topic, 0, &from).await.expect("the bucket answers");
            after = more;
            for entry in entries {
                assert!(entry.sidecar || after.is_some(), "{} has its .sha256", entry.name);
                let reader = SegmentReader::open(Arc::clone(&store), &entry.name, ReadOptions::default()).await.expect("a whole segment");
                manifests.push(reader.manifest().clone());
            }
        }
        manifests
    })
}
