//! Records that exceed max.message.bytes of their topics. Brokers compare that limit with what
//! producers send: compressed data.

use std::path::{Path, PathBuf};

use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read, unique};
use end_to_end::record::{Record, Step};
use end_to_end::runner::Runner;
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

/// The max.message.bytes of every topic here, unless a test sets another.
const LIMIT: &str = "20000";

/// A value of this many bytes that zstd compresses well, and lz4 less so.
fn repetitive(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| ((n % 60_000).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A value that no codec compresses.
fn random(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// A topic with this limit and these values, and its backup.
fn backed_up(kafka: &Kafka, limit: &str, codec: &str, values: &[Vec<u8>]) -> (String, Runner) {
    let topic = kafka.create_topic("large", 1, &[("max.message.bytes", limit)]);
    let steps: Vec<_> = values.iter().map(|value| Step::Send(Record::new(0, crate::kafka::LONG_AGO).key("large").value(value))).collect();
    kafka.play(&topic, &steps, &[codec]);
    let runner = Runner::on_folder(kafka);
    runner.back_up(&runner.backup_config(&[&topic], Value::Null));
    (topic, runner)
}

fn limit_of(kafka: &Kafka, topic: &str) -> String {
    let configs = kafka.admin("ConfigCommand", ["--describe", "--all", "--entity-type", "topics", "--entity-name", topic]);
    let (_, rest) = configs.split_once("max.message.bytes=").expect("every topic has one");
    rest.split(' ').next().unwrap_or_default().to_owned()
}

fn once(runner: &Runner, restore: &Path) -> end_to_end::runner::Outcome {
    runner.run([Path::new("restore"), restore, Path::new("--once")])
}

/// For an original with its own limit, and for one with the brokers' limit.
#[test]
fn a_target_that_restore_creates_takes_what_the_original_took() {
    let Some(kafka) = require_kafka() else { return };
    for own_limit in [true, false] {
        let (topic, runner) = backed_up(&kafka, "70000", "compression.type=zstd", &[repetitive(3_700_000), random(30_000)]);
        if !own_limit {
            let more = ["--alter", "--entity-type", "topics", "--entity-name", &topic, "--delete-config", "max.message.bytes"];
            kafka.admin("ConfigCommand", more);
            std::fs::remove_dir_all(runner.backups()).and_then(|()| std::fs::create_dir(runner.backups())).expect("its own folder");
            let anew = json!({"GROUP_ID": unique("another")});
            runner.back_up(&runner.backup_config(&[&topic], anew));
        }
        let copy = unique("copy");
        let reports = runner.restore(&runner.restore_config(&topic, &copy, Value::Null));
        assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&copy, Read::Uncommitted));
        assert_eq!(limit_of(&kafka, &copy), "2147483647");
        let (wanted, commands) =
            (reports[0]["topics"][0]["wanted_configs"]["max.message.bytes"].as_str(), reports[0]["topics"][0]["commands"].to_string());
        assert_eq!(wanted, own_limit.then_some("70000"));
        let (set, deleted) = commands.split_once("--delete-config").expect("one command that sets and deletes");
        assert_eq!((set.contains("max.message.bytes=70000"), deleted.contains("max.message.bytes")), (own_limit, !own_limit), "{commands}");
    }
}

#[test]
fn a_target_that_takes_a_record_only_compressed_gets_it() {
    let Some(kafka) = require_kafka() else { return };
    let (topic, runner) = backed_up(&kafka, LIMIT, "compression.type=lz4", &[vec![0; 1_000_000]]);
    let target = kafka.create_topic("small", 1, &[("max.message.bytes", LIMIT)]);
    runner.restore(&runner.restore_config(&topic, &target, Value::Null));
    assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&target, Read::Uncommitted));
}

/// Without compression the manifest shows it before the first record, with compression the broker
/// refuses it. Each error names the config and its value.
#[test]
fn a_record_that_the_target_does_not_take_is_told_with_what_to_set() {
    let Some(kafka) = require_kafka() else { return };
    let (topic, runner) = backed_up(&kafka, "2000000", "compression.type=none", &[vec![1; 10], random(30_000), vec![2; 10]]);
    let target = kafka.create_topic("small", 1, &[("max.message.bytes", LIMIT)]);
    let config = |codec: &str| -> PathBuf {
        let more = json!({"KAFKA_PROPERTIES": {"compression.codec": codec}, "RESTORE_ID": target});
        runner.restore_config(&topic, &target, more)
    };
    once(&runner, &config("none")).failed_with(&["accepts records up to 20000 bytes", "set max.message.bytes=30", &target]);
    assert_eq!(kafka.high_watermarks(&target)[&0], 0, "nothing was written, not even a transaction");

    let outcome =
        once(&runner, &config("lz4")).failed_with(&["larger than max.message.bytes", "(20000 bytes)", "set max.message.bytes=30", &target]);
    let (_, advice) = outcome.stdout.split_once("set max.message.bytes=").expect("just looked");
    let limit: String = advice.chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(kafka.dump(&target, Read::Committed).len(), 0);

    // The value in the message is enough, and no larger than needed.
    for (limit, fits) in [(limit.parse::<u32>().expect("digits") - 1, false), (limit.parse().expect("digits"), true)] {
        let limit = format!("max.message.bytes={limit}");
        kafka.admin("ConfigCommand", ["--alter", "--entity-type", "topics", "--entity-name", &target, "--add-config", &limit]);
        assert_eq!(once(&runner, &config("lz4")).status.success(), fits, "{limit}");
    }
    assert_identical(&kafka.dump(&topic, Read::Committed), &kafka.dump(&target, Read::Committed));
}
