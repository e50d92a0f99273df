//! The costs of writing: processor time while a broker delays it, threads and open files. Each test
//! measures its own process.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::faults::broker;
use super::help::*;
use crate::{Delivery, RdKafkaTarget};

/// Set in the process that measures itself.
const ALONE: &str = "KAFKA_TEST_ALONE";

/// Runs a test of this file again, in its own process. False: this is that process.
fn is_run_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return false;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("librdkafka::tests::costs::{test}"), "--nocapture"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}: {}", child.status, String::from_utf8_lossy(&child.stderr));
    true
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Threads of librdkafka's clients, and open files.
fn threads_and_files() -> (usize, usize) {
    let entries = |folder: &str| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    // One that ends meanwhile has no name any more.
    let name = |task: std::path::PathBuf| std::fs::read_to_string(task.join("comm")).unwrap_or_default();
    let threads = entries("/proc/self/task").into_iter().map(name).filter(|name| name.starts_with("rdk:")).count();
    (threads, entries("/proc/self/fd").len())
}

/// Seconds of processor time that this process has used (proc(5): fields 14 and 15, in hundredths).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// It responds half a second after each request, like one that throttles, or a distant one. More
/// records than it accepts are queued all the time.
#[test]
fn a_slow_broker_costs_no_processor_time() {
    if is_run_alone("a_slow_broker_costs_no_processor_time") {
        return;
    }
    runtime().block_on(async {
        let (broker, settings) = broker();
        let target = RdKafkaTarget::connect(&settings, 8 << 20).unwrap();
        let record = Owned::new(now(), Some(b"key"), Some(&[7; 1_000]));
        let records = vec![record; 4_000];
        for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
            let mut writer = open(&target, "topic", "restore-0", delivery).await;
            queue(&mut *writer, 0, &records[..1]).await;
            writer.flush().await.unwrap();
            for one in [0, 1] {
                broker.broker().delay(one, Duration::from_millis(500));
            }
            let (wall, used) = (Instant::now(), processor_seconds());
            queue(&mut *writer, 0, &records).await;
            writer.flush().await.unwrap();
            let (wall, used) = (wall.elapsed().as_secs_f64(), processor_seconds() - used);
            for one in [0, 1] {
                broker.broker().delay(one, Duration::ZERO);
            }
            writer.commit(&progress(1, "")).await.unwrap();
            assert!(wall > 1.5, "{delivery:?}: the broker was not slow: {wall:.2} s");
            assert!(used < wall / 4.0, "{delivery:?}: {used:.2} s of processor time in {wall:.2} s");
        }
    });
}

/// What `writers.rs` of restore relies on: a thread for each of the two brokers and three more, in
/// total; and two files for each of those that may connect (a pipe to wake it up), in addition to
/// connections, of which both ends are in this process here.
#[test]
fn a_writer_has_few_threads_and_files() {
    const MORE: usize = 8;
    if is_run_alone("a_writer_has_few_threads_and_files") {
        return;
    }
    runtime().block_on(async {
        let (_broker, settings) = broker();
        let target = target(&settings);
        let (mut writers, mut before) = (Vec::new(), (0, 0));
        for number in 0..=MORE {
            let mut writer = open(&target, "topic", &format!("restore-{number}"), Delivery::ExactlyOnce).await;
            writer.progress().await.unwrap();
            queue(&mut *writer, 0, &odd_records()[..2]).await;
            writer.flush().await.unwrap();
            writer.commit(&progress(2, "")).await.unwrap();
            writers.push(writer);
            if number == 0 {
                before = threads_and_files();
            }
        }
        let after = threads_and_files();
        let (threads, files) = (after.0 - before.0, after.1 - before.1);
        assert!((MORE..=MORE * 5).contains(&threads), "{threads} threads of {MORE} writers");
        assert!(files <= MORE * 16, "{files} files of {MORE} writers");
    });
}
