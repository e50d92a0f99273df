//! What writing costs: processor time while a broker lets it wait. Each test measures a process of its own.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::faults::broker;
use super::help::*;
use crate::{Delivery, RdKafkaTarget};

/// Set in the process that measures itself.
const ALONE: &str = "KAFKA_TEST_ALONE";

/// Runs a test of this file again, in a process of its own. False: this is that process.
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

/// It answers half a second after each request, as one that throttles does, or one that is far away. More records than it takes are there all the time.
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
