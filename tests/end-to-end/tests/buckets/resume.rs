//! What a killed `verify` reads again.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use end_to_end::awkward;
use end_to_end::proxy::Proxy;
use end_to_end::runner::{Runner, finish};
use end_to_end::services::require_kafka;

/// Objects that verify reads at the same time.
const AT_THE_SAME_TIME: usize = 64;

/// SIGKILL in the middle. The file has what was verified until then, in that order. Only work in
/// progress is read again.
#[test]
fn a_verify_that_is_killed_reads_only_what_was_under_way_again() {
    let (Some(kafka), Some(store)) = (require_kafka(), crate::buckets::minio()) else { return };
    let topic = kafka.create_topic("resumed", 3, &[]);
    kafka.produce(&topic, &awkward::records(45, 3, 15_000));
    let runner = Runner::on(&kafka, store.clone());
    let config = runner.backup_config(&[&topic], crate::buckets::small_segments());
    runner.back_up(&config);

    let (behind, proxy) = store.behind(Proxy::slow);
    let slow = Runner::on(&kafka, behind);
    let config = slow.backup_config(&[&topic], crate::buckets::small_segments());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("state");
    let arguments = [Path::new("verify"), &config, Path::new("--resume"), &file];
    let mut verify = slow.spawn(arguments);
    let start = Instant::now();
    while noted(&file).len() < 80 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing is noted");
        assert!(verify.try_wait().expect("it was started").is_none(), "it ended before it was killed");
        thread::sleep(Duration::from_millis(5));
    }
    verify.kill().expect("SIGKILL");
    let killed = finish(verify);
    assert_eq!(killed.status.code(), None, "{}", killed.stderr);
    let (known, first) = (noted(&file), segments(proxy.take_read()));
    assert!(known.is_subset(&first), "what is noted was read");

    slow.run(arguments).succeeded();
    let (all, second) = (noted(&file), segments(proxy.take_read()));
    let again: Vec<&String> = first.intersection(&second).collect();
    println!("{} segments: {} noted before the kill, {} under way then, which were read again", all.len(), known.len(), again.len());
    assert!(all.len() > known.len() + AT_THE_SAME_TIME, "{} segments are too few to judge", all.len());
    assert!(second.is_disjoint(&known), "what was noted is not read again");
    assert_eq!(&first | &second, all, "and everything was read");
    assert!(again.len() <= AT_THE_SAME_TIME, "{again:?}");

    slow.run(arguments).succeeded();
    assert!(segments(proxy.take_read()).is_empty(), "a third run reads no segment");
}

/// The names of segments in the file of `--resume`. An incomplete line does not count.
fn noted(file: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| serde_json::from_str::<(String, u64, u64, i64, Option<String>)>(line).ok();
    text.lines().skip(1).filter_map(|text| Some(name_of(&line(text)?.0))).collect()
}

/// Partition and file, the common part of a path and a name.
fn name_of(path: &str) -> String {
    path.rsplit('/').take(2).collect::<Vec<_>>().join(" of ")
}

fn segments(paths: BTreeSet<String>) -> BTreeSet<String> {
    paths.iter().filter(|path| path.ends_with(".tar.gz")).map(|path| name_of(path)).collect()
}
