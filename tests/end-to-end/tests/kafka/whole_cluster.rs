//! A cluster of forty topics is lost, and restored into an empty one: one backup, one restore that
//! is killed repeatedly, and no script around them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use end_to_end::awkward;
use end_to_end::cluster::Cluster;
use end_to_end::compare::assert_identical;
use end_to_end::kafka::{Kafka, Read};
use end_to_end::record::{Record, Step};
use end_to_end::runner::{Outcome, Runner, finish, local_runner};
use end_to_end::services::require_kafka;
use serde_json::{Value, json};

use crate::kafka::patterns::forty_names;
use crate::kafka::{LONG_AGO, files_below, numbered, until_it_has};

/// Kills of one restore, and how many of them must come before its end.
const KILLS: usize = 6;
const FEWEST_KILLS: usize = 3;
/// Kafka tools that run at the same time.
const AT_ONCE: usize = 4;

/// A producer writes to it before, during and after the backup.
const BUSY: &str = "shop-orders-0";
const COMPACTED: &str = "shop.pay.1";
/// Records of 5 MB.
const LARGE: &str = "shop_by_name_2";
/// Has records of committed and of aborted transactions.
const TRANSACTIONS: &str = "shop-orders-4";
const WIDE: &str = "shop.pay.5";
const SCHEMAS: &str = "_schemas";
/// Backed up, and not restored.
const SCRATCH: &str = "scratch";

/// The forty that are restored. Those that end in `-tmp` are empty.
fn names() -> Vec<String> {
    let mut names = forty_names("shop");
    names.pop();
    names.push(SCHEMAS.to_owned());
    names
}

fn partitions(name: &str) -> i32 {
    match name {
        WIDE => 24,
        BUSY | TRANSACTIONS => 3,
        COMPACTED => 2,
        SCHEMAS | LARGE | SCRATCH => 1,
        _ => 1 + i32::try_from(name.len() % 3).expect("small"),
    }
}

/// Calls `act` for each name, a few at the same time.
pub(crate) fn for_each(names: &[String], act: impl Fn(&str) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(name);
                }
            });
        }
    });
}

fn fill(kafka: &Kafka, name: &str) {
    let compacted = ("cleanup.policy", "compact");
    let configs: &[(&str, &str)] = match name {
        COMPACTED => &[compacted, ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.001")],
        SCHEMAS => &[compacted],
        LARGE => &[("max.message.bytes", "6000000")],
        _ => &[("min.insync.replicas", "1")],
    };
    let width = partitions(name);
    kafka.create_topic_named(name, width, configs);
    match name {
        BUSY => produce_more(kafka, 0),
        COMPACTED => {
            kafka.produce(name, &awkward::overwritten_keys(1, width, 40));
            kafka.await_compaction(name, width);
        }
        LARGE => {
            let value = |n: usize| (0..5_000_000).map(|at: usize| ((at + n).wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<u8>>();
            let steps: Vec<Step> = (0..2).map(|n| Step::Send(Record::new(0, LONG_AGO).key("large").value(value(n)))).collect();
            kafka.play(name, &steps, &["max.request.size=10000000"]);
        }
        TRANSACTIONS => kafka.play(name, &awkward::transactions(4, width), &[]),
        WIDE => {
            let numbered = (0..width).flat_map(|partition| numbered(partition, 0..50));
            kafka.produce(name, &numbered.chain(awkward::records(5, 2, 50)).collect::<Vec<_>>());
        }
        _ if name.ends_with("-tmp") => {}
        _ => kafka.produce(name, &(0..width).flat_map(|partition| numbered(partition, 0..30)).collect::<Vec<_>>()),
    }
}

fn produce_more(kafka: &Kafka, from: i64) {
    let records: Vec<Record> = (0..partitions(BUSY)).flat_map(|partition| numbered(partition, from..from + 400)).collect();
    kafka.produce(BUSY, &records);
}

/// One command, while a producer writes.
fn back_up(kafka: &Kafka, runner: &Runner) {
    let keys = json!({
        "GROUP_ID": "shop-backup", "SNAPSHOT_SECONDS": 1, "NUMBER_OF_KAFKA_THREADS": 4, "MAX_SEGMENTS_PER_INVOCATION": 0,
        "NUMBER_OF_MESSAGE_PER_BACKUP_FILE": 1000,
    });
    let config = runner.backup_config(&["*"], keys);
    let is_over = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            let mut from = 400;
            // The last records are written after the backup has ended.
            while !is_over.load(Ordering::Relaxed) {
                produce_more(kafka, from);
                from += 400;
            }
            produce_more(kafka, from);
        });
        let outcome = runner.run([Path::new("backup"), &config, Path::new("--once")]);
        is_over.store(true, Ordering::Relaxed);
        outcome
    });
    outcome.succeeded();
    runner.verify(&config).succeeded();
}

/// Starts the restore and kills it with SIGKILL, each time at another moment: first near its
/// beginning, then each time it has progressed a little.
fn kill_again_and_again(runner: &Runner, config: &Path) {
    let noted = || files_below(&runner.backups().join("@restore"), ".json");
    for kill in 0..KILLS {
        let (more, pause) =
            if kill == 0 { (0, rand::random_range(0..500)) } else { (rand::random_range(1..15), rand::random_range(0..60)) };
        let files = noted() + more;
        let mut child = runner.spawn([Path::new("restore"), config]);
        until_it_has(&mut child, || noted() >= files);
        sleep(Duration::from_millis(pause));
        child.kill().expect("a child of ours");
        let Outcome { status, stdout, stderr } = finish(child);
        if status.success() && kill >= FEWEST_KILLS {
            return;
        }
        assert_eq!(status.signal(), Some(9), "{status}, before kill {kill}, with {} objects in the bucket: {stdout}{stderr}", noted());
    }
}

/// The cut of each partition, from the bucket.
fn cuts(runner: &Runner) -> BTreeMap<String, BTreeMap<i32, i64>> {
    let noted = std::fs::read(runner.backups().join("@restore/dr/restore.json")).expect("it has begun");
    let noted: Value = serde_json::from_slice(&noted).expect("JSON");
    let of = |topic: &Value| {
        let cuts = serde_json::from_value(topic["cuts"].clone()).expect("offsets by partition");
        (topic["folder"].as_str().expect("a folder").to_owned(), cuts)
    };
    noted["topics"].as_array().expect("topics").iter().map(of).collect()
}

/// The topics of a cluster and how many partitions they have, without Kafka's own.
fn widths(kafka: &Kafka) -> BTreeMap<String, i32> {
    let described = kafka.admin("TopicCommand", ["--describe"]);
    let field = |line: &str, name: &str| line.split('\t').find_map(|field| Some(field.strip_prefix(name)?.trim().to_owned()));
    let of = |line: &str| Some((field(line, "Topic:")?, field(line, "PartitionCount:")?.parse().ok()?));
    described.lines().filter_map(of).filter(|(name, _)| !name.starts_with("__")).collect()
}

/// Asserts that each topic equals the original up to its cuts, to a reader that is not ours.
fn assert_the_same(from: &Kafka, to: &Kafka, cuts: &BTreeMap<String, BTreeMap<i32, i64>>, reported: &BTreeMap<String, u64>) {
    for_each(&names(), |name| {
        let all = from.dump_with_offsets(name, Read::Committed);
        let is_below = |record: &&Record| record.offset.is_some_and(|offset| offset < cuts[name][&record.partition]);
        let wanted: Vec<Record> = all.iter().filter(is_below).cloned().collect();
        assert_eq!(wanted.len() < all.len(), name == BUSY, "{name}: only what came later is left out");
        assert_eq!(wanted.is_empty(), name.ends_with("-tmp"), "{name}");
        assert_identical(&wanted, &to.dump(name, Read::Committed));
        assert_eq!(reported[name], wanted.len() as u64, "{name}");
    });
}

fn records_in_all(report: &Value) -> BTreeMap<String, u64> {
    let topics = report["topics"].as_array().expect("topics").iter();
    topics
        .map(|topic| (topic["source"].as_str().expect("a name").to_owned(), topic["records_in_all"].as_u64().expect("a number")))
        .collect()
}

fn restore_config(runner: &Runner, to: &Kafka) -> PathBuf {
    let keys = json!({
        "BACKUP_TOPIC_NAME": ["*"], "RESTORE_EXCLUDE_TOPIC_NAMES": [SCRATCH], "RESTORE_ID": "dr", "BOOTSTRAP_SERVERS": to.bootstrap,
        "NUMBER_OF_KAFKA_THREADS": 4, "LOG_LEVEL": "WARNING",
    });
    runner.restore_config("*", "{topic}", keys)
}

#[test]
fn forty_topics_come_back_in_an_empty_cluster_whenever_the_restore_is_killed() {
    let Some(shared) = require_kafka() else { return };
    let authorizer = ["authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users=User:ANONYMOUS"];
    let (lost, empty) = thread::scope(|scope| {
        let lost = scope.spawn(|| Cluster::start_with(&shared, 1, &authorizer));
        (Cluster::start(&shared, 1), lost.join().expect("it starts"))
    });
    let (from, to) = (&lost.kafka, &empty.kafka);
    let runner = Runner::on_folder(from);
    for_each(&[names(), vec![SCRATCH.to_owned()]].concat(), |name| fill(from, name));
    back_up(from, &runner);
    let restore = restore_config(&runner, to);

    let plan = runner.run([Path::new("plan"), &restore]).succeeded().reports().remove(0);
    assert_eq!((plan["topics"].as_array().map(Vec::len), &plan["has_begun"]), (Some(40), &json!(false)), "{plan}");
    assert!(widths(to).is_empty(), "a plan creates nothing");

    kill_again_and_again(&runner, &restore);
    let cuts = cuts(&runner);
    let last = runner.run([Path::new("restore"), &restore]).succeeded().reports().pop().expect("a report");
    assert!(last["finished_at"].is_i64() && last["caught_up"] == true, "{last}");
    assert_eq!(last["partitions_done"], last["partitions_to_restore"]);
    let all: BTreeSet<String> = names().into_iter().collect();
    assert_eq!(cuts.keys().cloned().collect::<BTreeSet<_>>(), all);
    assert_eq!(widths(to), names().iter().map(|name| (name.clone(), partitions(name))).collect());
    let reported = records_in_all(&last);
    assert_the_same(from, to, &cuts, &reported);

    // Everything is done, and reported as done.
    let ends = || names().iter().map(|name| to.high_watermarks(name)).collect::<Vec<_>>();
    let before = ends();
    let again = runner.run([Path::new("restore"), &restore]).succeeded().reports();
    assert_eq!(again.iter().map(|report| report["records"].as_u64()).collect::<Vec<_>>(), [Some(0)]);
    assert_eq!(again[0]["finished_at"], last["finished_at"]);
    let shown = local_runner().arg("restore").arg(&restore).output().expect("local-runner starts");
    let said = String::from_utf8_lossy(&shown.stdout).into_owned();
    let all = reported.values().sum::<u64>();
    assert!(shown.status.success() && said.contains("done") && said.contains(&format!("40 topics, {all} records")), "{said}");
    assert_eq!(ends(), before, "no record more");
}
