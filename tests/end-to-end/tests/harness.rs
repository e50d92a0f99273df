//! The harness itself: Kafka's own client reads what it writes unchanged. Without this, a
//! comparison would prove little.

use std::io::Write;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use end_to_end::awkward;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::Read;
use end_to_end::record::{Record, Step};
use end_to_end::services::require_kafka;

#[test]
fn awkward_records_are_written_as_they_are() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("awkward", 3, &[]);
    let mut records = awkward::records(1, 3, 200);
    records.extend(awkward::unsendable_timestamps(2));
    kafka.produce(&topic, &records);
    assert_identical(&records, &kafka.dump(&topic, Read::Committed));
}

#[test]
fn aborted_records_are_in_the_log_and_not_read() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("transactions", 2, &[]);
    let steps = awkward::transactions(2, 2);
    kafka.play(&topic, &steps, &[]);
    assert_identical(&awkward::committed(&steps), &kafka.dump(&topic, Read::Committed));

    let every = |step: &Step| match step {
        Step::Send(record) | Step::SendIn { record, .. } => Some(record.clone()),
        Step::Transaction { .. } => None,
    };
    let written: Vec<Record> = steps.iter().filter_map(every).collect();
    assert_identical(&written, &kafka.dump(&topic, Read::Uncommitted));
    assert!(awkward::committed(&steps).len() < written.len(), "some were aborted");
}

/// All programs share one JVM, which must end a program whose client was killed.
#[test]
fn a_killed_program_writes_no_more() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("killed", 1, &[]);
    let mut bulk = kafka.java("Bulk").args([&topic, "1000000000", "100"]).spawn().expect("java/run starts");
    let began = Instant::now();
    while kafka.high_watermarks(&topic)[&0] == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "Bulk writes nothing");
    }
    bulk.kill().expect("it runs");
    bulk.wait().expect("it was started");

    // Requests in flight may still arrive. A running Bulk would write in each of these seconds.
    let mut before = kafka.high_watermarks(&topic);
    for _ in 0..30 {
        sleep(Duration::from_secs(1));
        let now = kafka.high_watermarks(&topic);
        if now == before {
            return;
        }
        before = now;
    }
    panic!("Bulk was killed but still writes: {before:?}");
}

#[test]
fn a_failing_program_reports_it_and_stops_no_other() {
    let Some(kafka) = require_kafka() else { return };
    let topic = kafka.create_topic("failing", 1, &[]);
    let mut waiting = kafka.java("Produce").arg(&topic).stdin(Stdio::piped()).spawn().expect("java/run starts");
    for (arguments, code, message) in [
        (&["Dump"][..], 1, "Exception in thread \"main\" java.lang.ArrayIndexOutOfBoundsException"),
        (&["NoSuchProgram"], 1, "Could not find or load main class NoSuchProgram"),
        (&["org.apache.kafka.tools.TopicCommand", "--nonsense"], 1, "nonsense is not a recognized option"),
    ] {
        let output = kafka.java(arguments[0]).args(&arguments[1..]).output().expect("java/run starts");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
    let records = awkward::records(3, 1, 1);
    let mut lines = waiting.stdin.take().expect("piped");
    for record in &records {
        writeln!(lines, "{}", serde_json::to_string(record).expect("a record")).expect("Produce reads");
    }
    drop(lines);
    assert!(waiting.wait().expect("it was started").success());
    assert_identical(&records, &kafka.dump(&topic, Read::Committed));
}

#[test]
fn bulk_records_are_the_same_every_time() {
    let Some(kafka) = require_kafka() else { return };
    let [one, other] = ["one", "other"].map(|name| kafka.create_topic(name, 4, &[]));
    kafka.bulk(&one, 10_000, 100);
    kafka.bulk(&other, 10_000, 100);
    let digest = kafka.digest(&one);
    assert_eq!(digest, kafka.digest(&other));
    assert_eq!(digest.iter().map(|partition| partition.records).collect::<Vec<_>>(), [2_500; 4]);
}
