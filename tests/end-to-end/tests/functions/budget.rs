//! Deadlines and memory settings of Lambda.

use std::thread;
use std::time::Duration;

use end_to_end::function::Function;
use end_to_end::kafka::unique;
use end_to_end::lambda::{Lambda, StandIn};
use serde_json::{Value, json};

use crate::functions::{is_backed_up, is_restored, on_minio};

/// MiB, the smallest memory size of a function.
const SMALLEST: u64 = 128;

/// MiB. Allowance for a program without optimisation: it is larger, and slower than the incoming
/// data (20 to 30 measured). The packaged program, which FUNCTION_PROGRAMS names, must stay within
/// SMALLEST.
const UNOPTIMISED: u64 = 32;

/// Six seconds are not enough for the topic. Each invocation ends before its deadline, and what it
/// read is durable and committed. The next one resumes from there.
///
/// The duration of an upload is only estimated. If the machine pauses, an invocation may discard
/// what it read. It reports this in time too, and nothing is lost.
#[test]
fn each_invocation_ends_before_its_deadline() {
    let Some((kafka, runner)) = on_minio() else { return };
    let topic = kafka.create_topic("deadline", 1, &[]);
    kafka.bulk(&topic, 100_000, 1000);
    // One segment could contain all of it: only the deadline ends it.
    let backup =
        runner.backup_config(&[&topic], json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10_000_000, "MAX_SEGMENTS_PER_INVOCATION": 0}));
    let lambda = Lambda::start(StandIn::start(Duration::from_secs(6)), Function::Backup, &runner.variables(&backup), 1, 1769);
    let (mut next, mut invocations, mut given_up) = (0, 0, 0);
    loop {
        invocations += 1;
        let answer = lambda.invoke("{}");
        // RETRY_UPLOAD_SECONDS is 1: a segment that the deadline ended is not full, so the next one
        // waits that long.
        thread::sleep(Duration::from_secs(1));
        if answer.error.as_deref() == Some("Retryable") && given_up == 0 {
            given_up += 1;
            continue;
        }
        let report = answer.report();
        let now = report["partitions"][0]["next"].as_i64().expect("an offset");
        assert!(now > next, "a durable segment each: {report}");
        assert_eq!(runner.list(&backup)[0]["next"], now, "what the report says is in the bucket");
        next = now;
        if is_backed_up(&report) {
            break;
        }
    }
    println!("deadline of 6 s: {invocations} invocations for 100 MB, {given_up} given up");
    let copy = unique("copy");
    runner.restore(&runner.restore_config(&topic, &copy, Value::Null));
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
}

#[test]
fn the_smallest_function_takes_a_large_topic() {
    memory_holds("json", 1000, &[]);
}

/// Compressed data from the broker grows a hundredfold in memory.
#[test]
fn the_smallest_function_takes_records_that_compress_well() {
    memory_holds("compressible", 1000, &["content=zeros", "compression.type=zstd"]);
}

#[test]
fn the_smallest_function_takes_small_records_that_compress_well() {
    memory_holds("small-compressible", 100, &["content=zeros", "compression.type=zstd"]);
}

/// The broker sends no records of an aborted transaction. librdkafka fetches more each time, and
/// then live records follow.
#[test]
fn the_smallest_function_takes_records_behind_an_aborted_transaction() {
    memory_holds("aborted", 1000, &["compression.type=zstd", "transactional.id=aborts", "transaction.timeout.ms=600000", "end=abort"]);
}

/// Backs up and restores a topic of MEMORY_TEST_MB (200) in a function of 128 MB. Its memory must
/// never exceed that: `infra/packages/try`.
fn memory_holds(name: &str, bytes: usize, options: &[&str]) {
    let Some((kafka, runner)) = on_minio() else { return };
    let megabytes: u64 = std::env::var("MEMORY_TEST_MB").ok().map_or(200, |text| text.parse().expect("a number of megabytes"));
    let topic = kafka.create_topic(name, 2, &[]);
    let records = megabytes * 1_000_000 / bytes as u64;
    kafka.bulk_with(&topic, records, bytes, options);
    if options.contains(&"end=abort") {
        kafka.bulk_with(&topic, records, bytes, &options[..1]);
    }
    let copy = kafka.create_topic(&unique("copy"), 2, &[("max.message.bytes", "10000000")]);
    let keys = json!({"NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 10_000_000, "MAX_SEGMENTS_PER_INVOCATION": 0});
    let backup = runner.variables(&runner.backup_config(&[&topic], keys.clone()));
    let restore = runner.variables(&runner.restore_config(&topic, &copy, keys));
    let peaks = [(Function::Backup, backup), (Function::Restore, restore)].map(|(function, variables)| peak(function, &variables));
    println!(
        "{name}: {megabytes} MB in records of {bytes} B: peak memory {} MB in backup, {} MB in restore",
        peaks[0] >> 20,
        peaks[1] >> 20
    );
    assert_eq!(kafka.digest(&topic), kafka.digest(&copy));
    let is_packaged = std::env::var_os("FUNCTION_PROGRAMS").is_some();
    let limit = if is_packaged { SMALLEST } else { SMALLEST + UNOPTIMISED } << 20;
    assert!(peaks.iter().all(|peak| *peak < limit), "{name}: {peaks:?}");
}

fn peak(function: Function, variables: &Vec<(String, String)>) -> u64 {
    let lambda = Lambda::start(StandIn::start(Duration::from_secs(900)), function, variables, 1, SMALLEST);
    lambda.invoke_until("{}", if function == Function::Backup { is_backed_up } else { is_restored });
    lambda.peak_memory()
}
