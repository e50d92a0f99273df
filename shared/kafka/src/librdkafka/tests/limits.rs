//! Clients that cannot start: no thread, a file that is no certificate.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use super::faults::broker;
use super::help::*;
use crate::librdkafka::backlog::Batch;
use crate::librdkafka::client;
use crate::{Delivery, KafkaErrorKind, KafkaSettings, TargetCluster, WriterName};

/// Set in the process that runs under the limit.
const UNDER_LIMIT: &str = "KAFKA_TEST_UNDER_LIMIT";

/// Runs a test of this file again, in a process whose threads need 1 GiB of address space each, of
/// which there are `gigabytes`.
fn under_limit(test: &str, gigabytes: u32) {
    let limits = format!("ulimit -S -s 1048576 && ulimit -v $(({gigabytes} * 1048576)) && exec \"$@\"");
    let child = Command::new("sh")
        .args(["-c", &limits, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("librdkafka::tests::limits::{test}"), "--nocapture"])
        .env(UNDER_LIMIT, "1")
        .env("RUST_MIN_STACK", (1_u64 << 30).to_string())
        .env("MALLOC_ARENA_MAX", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}: {}", child.status, String::from_utf8_lossy(&child.stderr));
}

#[test]
fn writers_without_threads_fail_and_the_others_write() {
    if std::env::var_os(UNDER_LIMIT).is_none() {
        return under_limit("writers_without_threads_fail_and_the_others_write", 150);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let start = Instant::now();
    runtime.block_on(async {
        let (_broker, settings) = broker();
        let target = Arc::new(target(&settings));
        target.describe("topic").await.unwrap();
        let writers: Vec<_> = (0..60)
            .map(|number| {
                let target = Arc::clone(&target);
                tokio::spawn(async move {
                    let name = WriterName { topic: "topic".to_owned(), id: format!("restore-{number}") };
                    let mut writer = target.open(&name, Delivery::ExactlyOnce).await?;
                    queue(&mut *writer, 0, &odd_records()[..2]).await;
                    writer.flush().await?;
                    writer.commit(&progress(2, "")).await?;
                    Ok::<_, crate::KafkaError>(writer)
                })
            })
            .collect();
        let mut good = Vec::new();
        let mut bad = 0;
        for writer in writers {
            match writer.await.unwrap() {
                Ok(writer) => good.push(writer),
                Err(error) => {
                    assert!(error.is_retryable(), "{:?}: {error}", error.kind);
                    assert!(error.what.contains("NUMBER_OF_KAFKA_THREADS"), "{error}");
                    bad += 1;
                }
            }
        }
        assert!(good.len() > 5 && bad > 5, "{} writers wrote, {bad} did not start", good.len());
    });
    drop(runtime);
    // A thread that hangs would be waited for in vain.
    crate::wait_until_closed(LONG);
    assert!(start.elapsed() < LONG, "took {:?}", start.elapsed());
}

/// A mounted secret that is replaced during a restore. librdkafka fails late, after it has taken
/// over the properties.
#[test]
fn a_client_whose_certificate_cannot_be_read_fails_each_time() {
    let file = std::env::temp_dir().join(unique("ca"));
    std::fs::write(&file, "not a certificate").unwrap();
    let servers = KafkaSettings { bootstrap_servers: "localhost:1".to_owned(), ..KafkaSettings::default() };
    let settings = with(&servers, &[("security.protocol", "ssl"), ("ssl.ca.location", file.to_str().unwrap())]);
    for _ in 0..20 {
        for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
            let error = client::writing(
                &settings,
                "restore-0",
                delivery,
                (Batch::new(&settings, 1_000_000, 1_000_000), false),
                settings.transaction_timeout(),
            )
            .unwrap_err();
            assert_eq!(error.kind, KafkaErrorKind::Config);
            assert!(error.what.contains("ssl.ca.location"), "{error}");
        }
        let error = client::asking(&settings, Some("group"), false).unwrap_err();
        assert!(error.what.contains("ssl.ca.location"), "{error}");
    }
    std::fs::remove_file(file).unwrap();
}
