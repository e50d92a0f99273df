//! A cluster of fifty topics, backed up and restored with the output of the AWS module: the
//! functions' environment, and the events of its schedules.
//!
//! `infra/terraform/tests/fifty-topics` writes `fifty-topics.json`. It also fails if the module's
//! output differs.

use std::collections::BTreeMap;
use std::thread;

use end_to_end::function::{Function, Variables};
use end_to_end::groups::{Commit, Protocol};
use end_to_end::kafka::Kafka;
use end_to_end::lambda::{Emulator, Lambda};
use end_to_end::record::Record;
use end_to_end::services::{Minio, require_cargo_lambda, require_kafka, require_minio};
use serde::Deserialize;
use serde_json::Value;

/// Partitions of each topic, and records of each partition: three segments, because the module's
/// environment says 40.
const PARTITIONS: u8 = 2;
const RECORDS: u64 = 100;
const GROUP: &str = "fifty-readers";
/// Kafka tools that run at the same time.
const AT_ONCE: usize = 4;

#[derive(Deserialize)]
struct Module {
    resources: u32,
    backup: Role,
    restore: Role,
}

#[derive(Deserialize)]
struct Role {
    memory_mb: u64,
    concurrency: usize,
    events: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl Role {
    /// The module's environment with the addresses of the test's servers, and with the credentials
    /// of a role on Lambda. MinIO has no key management, so no key encrypts the objects.
    fn variables(&self, kafka: &Kafka, minio: &Minio) -> Variables {
        let mut all = self.environment.clone();
        assert!(all.remove("S3_SSE_KMS_KEY_ID").is_some(), "the module names a key");
        for (name, value) in [
            ("BOOTSTRAP_SERVERS", kafka.bootstrap.as_str()),
            ("BUCKET_NAME", &minio.bucket),
            ("AWS_ENDPOINT_URL_S3", &minio.endpoint),
            ("S3_PATH_STYLE", "true"),
            ("AWS_ACCESS_KEY_ID", &minio.access_key),
            ("AWS_SECRET_ACCESS_KEY", &minio.secret_key),
        ] {
            all.insert(name.to_owned(), value.to_owned());
        }
        all.into_iter().collect()
    }

    /// Each schedule starts its shard, all at the same time, until a report is the last one.
    /// Returns all reports, by round.
    fn rounds(&self, lambda: &Lambda<Emulator>, is_last: impl Fn(&[Value]) -> bool) -> Vec<Vec<Value>> {
        let mut rounds = Vec::new();
        while rounds.len() < 20 {
            let reports: Vec<Value> = thread::scope(|scope| {
                let shards: Vec<_> = self.events.iter().map(|event| scope.spawn(|| lambda.invoke(event).report())).collect();
                shards.into_iter().map(|shard| shard.join().expect("it reports")).collect()
            });
            rounds.push(reports);
            if is_last(&rounds[rounds.len() - 1]) {
                return rounds;
            }
        }
        panic!("not done after {} rounds: {:?}", rounds.len(), rounds.last());
    }
}

fn sum<'a>(rounds: impl IntoIterator<Item = &'a Vec<Value>>, field: &str) -> u64 {
    rounds.into_iter().flatten().map(|report| report[field].as_u64().unwrap_or_default()).sum()
}

/// Calls `act` for each name, a few at the same time.
fn for_each(names: &[&str], act: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for part in names.chunks(names.len().div_ceil(AT_ONCE)) {
            scope.spawn(|| part.iter().for_each(|name| act(name)));
        }
    });
}

fn fill(kafka: &Kafka, names: &[&str]) {
    for_each(names, |name| {
        kafka.create_topic_named(name, i32::from(PARTITIONS), &[("max.message.bytes", "2000000")]);
        kafka.bulk(name, RECORDS * u64::from(PARTITIONS), 200);
    });
    let commit = |name: &&str| Commit {
        group: GROUP.to_owned(),
        protocol: Protocol::Simple,
        topic: (*name).to_owned(),
        partition: 1,
        offset: 60,
        metadata: String::new(),
    };
    kafka.commit(&names.iter().map(commit).collect::<Vec<_>>());
}

#[test]
fn fifty_topics_come_back_with_the_environment_of_the_aws_module() {
    let (Some(kafka), Some(minio), Some(cargo_lambda)) = (require_kafka(), require_minio(), require_cargo_lambda()) else { return };
    let Module { resources, backup, restore } = serde_json::from_str(include_str!("fifty-topics.json")).expect("the file is current");
    let names: Vec<&str> = backup.environment["TOPIC_NAMES"].split(',').collect();
    assert_eq!((names.len(), backup.events.len(), restore.events.len()), (50, 4, 4));
    fill(&kafka, &names);

    let variables = backup.variables(&kafka, &minio);
    let lambda = Lambda::start(Emulator::start(&cargo_lambda), Function::Backup, &variables, backup.concurrency, backup.memory_mb);
    let backed_up = backup.rounds(&lambda, |reports| reports.iter().all(|report| report["lag_records"] == 0));
    drop(lambda);

    let variables = restore.variables(&kafka, &minio);
    let lambda = Lambda::start(Emulator::start(&cargo_lambda), Function::Restore, &variables, restore.concurrency, restore.memory_mb);
    let restored = restore.rounds(&lambda, |reports| reports.iter().any(|report| report["finished_at"].is_i64()));
    let after = restore.rounds(&lambda, |_| true);

    let records = names.len() as u64 * RECORDS * u64::from(PARTITIONS);
    assert_eq!(sum(&backed_up, "records"), records, "all are backed up, once");
    assert_eq!(sum(&restored, "records"), records, "all are restored, once");
    assert_eq!(sum(&after, "records"), 0, "a finished restore writes nothing");
    for (shard, report) in restored[0].iter().enumerate() {
        assert!(report["records"].as_u64() > Some(0), "shard {shard} does its part: {report}");
    }
    for_each(&names, |name| assert_eq!(kafka.digest(name), kafka.digest(&format!("{name}.restored")), "{name}"));
    assert_finished(&kafka, &names);
    println!(
        "{} topics, {} partitions, {records} records: {resources} resources; backup: {} shards, {} invocations, {} segments; restore: {} shards, {} invocations",
        names.len(),
        names.len() * usize::from(PARTITIONS),
        backup.events.len(),
        backed_up.iter().map(Vec::len).sum::<usize>(),
        sum(&backed_up, "segments"),
        restore.events.len(),
        restored.iter().map(Vec::len).sum::<usize>(),
    );
}

/// RESTORE_FINISH: the group continues in the copies at its next record, and the copies have the
/// configs of the originals.
fn assert_finished(kafka: &Kafka, names: &[&str]) {
    let next: BTreeMap<String, Vec<Record>> = kafka.resumed(&[GROUP]).into_iter().map(|resumed| (resumed.topic, resumed.records)).collect();
    let of = |topic: &str| next[topic].iter().cloned().map(|record| Record { offset: None, ..record }).collect::<Vec<_>>();
    for name in names {
        let copy = format!("{name}.restored");
        assert_eq!((of(name).len(), of(&copy)), (40, of(name)), "{copy}");
    }
    // Each description starts a program.
    for copy in [names[0], names[names.len() - 1]].map(|name| format!("{name}.restored")) {
        let configs = kafka.admin("ConfigCommand", ["--describe", "--entity-type", "topics", "--entity-name", copy.as_str()]);
        assert!(configs.contains("max.message.bytes=2000000") && configs.contains("retention.ms=-1"), "{configs}");
    }
}
