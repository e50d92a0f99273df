//! What verify finds, and what options exclude.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use archive::testing::{self, DistantStore};
use store::StoreErrorKind;
use store::testing::{Delete, Fault, MemoryStore};

use super::verdict::verdict_of;
use super::*;
use crate::testing::{add_segment, add_snapshot, add_topic, add_topic_with, failing};

/// Verdicts, and how it ended.
async fn verify(store: Arc<dyn ObjectStore>, from_oldest: bool) -> (Vec<Verdict>, Result<(), Error>) {
    let mut verdicts = Vec::new();
    let ended = Verify { from_oldest, ..Verify::new(&store) }.each(None, &mut |verdict| verdicts.push(verdict)).await;
    (verdicts, ended)
}

fn problems(verdicts: &[Verdict]) -> Vec<&str> {
    verdicts.iter().flat_map(|one| &one.problems).map(String::as_str).collect()
}

fn line(verdicts: &[Verdict], is_selection: bool) -> String {
    let mut total = verdict::Total::default();
    verdicts.iter().for_each(|one| total.add(one));
    total.line(is_selection)
}

/// Two topics of three segments of ten records.
async fn backups() -> MemoryStore {
    let store = MemoryStore::new();
    for topic in ["a", "b"] {
        add_topic(&store, topic);
        for start in [0, 10, 20] {
            add_segment(&store, topic, 0, start..start + 10).await;
        }
    }
    store
}

#[tokio::test]
async fn an_intact_bucket_is_intact() {
    let (verdicts, ended) = verify(Arc::new(backups().await), false).await;
    ended.unwrap();
    assert_eq!(problems(&verdicts), [""; 0]);
    assert_eq!(verdicts.iter().map(|one| (one.segments, one.records)).collect::<Vec<_>>(), [(3, 30), (3, 30)]);
    assert_eq!(line(&verdicts, false), "intact: 2 partitions, 60 records");
    assert_eq!(line(&verdicts, true), "intact as far as it was read: 2 partitions, 60 records");
    let (empty, gap, warning) = (
        Verdict { partition: Some(1), ..Verdict::default() },
        Verdict { partition: Some(2), segments: 1, records: 1, recorded_gaps: vec!["0 to 5".to_owned()], ..Verdict::default() },
        Verdict { partition: Some(3), segments: 1, warnings: vec!["a warning".to_owned()], ..Verdict::default() },
    );
    assert_eq!(line(&[empty, gap, warning], false), "intact: 3 partitions, 1 record; 1 empty; 1 recorded gap; 1 warning, see above");
}

/// Missing oldest segments are a problem, unless the operator allows them.
#[tokio::test]
async fn offsets_that_are_missing_in_front_are_a_problem() {
    let store = MemoryStore::new();
    add_topic(&store, "a");
    for start in [10, 20] {
        add_segment(&store, "a", 0, start..start + 10).await;
    }
    let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
    let found = problems(&verdicts);
    assert!(found.len() == 1 && found[0].contains("offsets 0 to 10 are missing at the start"), "{found:?}");
    assert!(found[0].contains("--from-oldest") && found[0].contains("expire_days"), "{found:?}");
    assert_eq!(problems(&verify(Arc::new(store), true).await.0), [""; 0]);
}

/// Partition 0 lost its folder, 1 its last segment; 2 never had one.
#[tokio::test]
async fn a_loss_is_distinguished_from_an_empty_partition() {
    let store = MemoryStore::new();
    add_topic_with(&store, "a", |topic| (topic.partitions, topic.begun) = (3, [0, 1].into()));
    let mut names = Vec::new();
    for start in [0, 10] {
        names.push(add_segment(&store, "a", 1, start..start + 10).await);
    }
    store.delete(&names[1]).await.unwrap();
    let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
    let found = problems(&verdicts);
    assert!(found.len() == 2 && found[0].contains("every segment of a/0 is missing") && found[1].contains(&names[1]), "{found:?}");
    let rows: Vec<_> = verdicts.iter().map(|one| (one.partition, one.problems.len(), verdict_of(one))).collect();
    assert_eq!((rows[2].0, rows[2].1, rows[2].2.as_str()), (Some(2), 0, "empty"));
    assert_eq!(line(&verdicts, false), "not intact: 2 problems, see above; 3 partitions looked at");
    // A lifecycle rule can delete all segments of a quiet partition, but never one in the middle.
    let (verdicts, _) = verify(Arc::new(store), true).await;
    let found = problems(&verdicts);
    assert!(found.len() == 1 && found[0].contains(&names[1]) && verdicts[0].warnings.len() == 1, "{verdicts:?}");
}

#[tokio::test]
async fn expired_segments_of_a_compacted_topic_are_a_warning() {
    let store = MemoryStore::new();
    for (topic, policy) in [("a", "compact,delete"), ("b", "delete")] {
        add_topic_with(&store, topic, |topic| _ = topic.configs.insert("cleanup.policy".to_owned(), policy.to_owned()));
        add_segment(&store, topic, 0, 10..20).await;
    }
    let (verdicts, _) = verify(Arc::new(store), true).await;
    assert_eq!(problems(&verdicts), [""; 0]);
    assert!(verdicts[0].warnings[0].contains("compacted") && verdicts[1].warnings.is_empty(), "{verdicts:?}");
}

#[tokio::test]
async fn one_bad_object_hides_no_other() {
    let middle = "a/0/00000000000000000010.tar.gz";
    for kind in [StoreErrorKind::Denied, StoreErrorKind::Unavailable, StoreErrorKind::Other] {
        let faults = move |_, name: &str| if name == middle { Fault::Before(kind) } else { Fault::None };
        let (verdicts, ended) = verify(failing(backups().await, faults), false).await;
        ended.unwrap();
        let found = problems(&verdicts);
        assert!(found.len() == 1 && found[0].contains(middle), "{kind:?}: {found:?}");
        assert_eq!(verdicts.iter().map(|one| one.records).collect::<Vec<_>>(), [20, 30]);
    }
}

#[tokio::test]
async fn an_unavailable_bucket_ends_it_and_keeps_the_results() {
    let faults = |_, name: &str| if name.starts_with("b/") { Fault::Before(StoreErrorKind::Credentials) } else { Fault::None };
    let (verdicts, ended) = verify(failing(backups().await, faults), false).await;
    assert!(ended.is_err());
    assert_eq!(verdicts[0].records, 30);
    assert_eq!(problems(&verdicts[..1]), [""; 0]);
}

#[tokio::test]
async fn what_a_snapshot_knows_and_is_not_there_is_a_problem() {
    let store = backups().await;
    let snapshot = add_snapshot(&store, [("a", 0, 30), ("a", 1, 10), ("a", 2, 0), ("b", 0, 40), ("c", 0, 10)]).await;
    let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
    let found = problems(&verdicts);
    let says = ["c/ is missing with everything in it", "every segment of a/1 is missing", "offsets 30 to 40 of b/0 are missing at its end"];
    assert!(found.len() == 3 && found.iter().zip(says).all(|(found, says)| found.contains(says) && found.contains(&snapshot)), "{found:?}");
    assert!(found[2].contains("RESTORE_ANYWAY=missing"), "{found:?}");
    // All segments of a partition can expire; an end alone cannot, and no rule for segments deletes
    // topic.json.
    let (verdicts, _) = verify(Arc::new(store.clone()), true).await;
    let found = problems(&verdicts);
    assert!(found.len() == 2 && found[0].contains("c/ is missing") && found[1].contains("b/0"), "{found:?}");
    assert_eq!(verdicts.iter().map(|one| one.warnings.len()).sum::<usize>(), 1, "{verdicts:?}");
    // Of one topic only its own part counts.
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let mut of_one = Vec::new();
    Verify::new(&store).each(Some("a"), &mut |verdict| of_one.push(verdict)).await.unwrap();
    assert_eq!(problems(&of_one).len(), 1, "{of_one:?}");
}

#[tokio::test]
async fn damaged_or_missing_snapshots_are_reported_once() {
    let store = backups().await;
    for topic in ["a", "b"] {
        add_topic_with(&store, topic, |topic| topic.snapshots = Some("@cluster/kafka-1/backup/".to_owned()));
    }
    let snapshot = add_snapshot(&store, [("a", 0, 30)]).await;
    assert_eq!(problems(&verify(Arc::new(store.clone()), false).await.0), [""; 0]);
    store.overwrite(&snapshot, "damaged");
    let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
    assert!(problems(&verdicts).len() == 1 && problems(&verdicts)[0].contains(&snapshot), "{verdicts:?}");
    store.delete(&snapshot).await.unwrap();
    let (verdicts, _) = verify(Arc::new(store.clone()), true).await;
    assert!(problems(&verdicts).len() == 1 && problems(&verdicts)[0].contains("all snapshots of @cluster/kafka-1/backup/"), "{verdicts:?}");
    // Without the right to list them, their loss is unknown.
    let faults = |_, name: &str| if name.starts_with("@cluster/") { Fault::Before(StoreErrorKind::Denied) } else { Fault::None };
    let (verdicts, _) = verify(failing(store, faults), false).await;
    assert!(problems(&verdicts).len() == 1 && !problems(&verdicts)[0].contains("all snapshots"), "{verdicts:?}");
}

/// A missing topic.json is reported next to segments, not next to archives of the Python tool.
#[tokio::test]
async fn a_missing_topic_json_is_reported_next_to_segments() {
    let store = MemoryStore::new();
    for name in ["a/0/20261123-072346.tar.gz", "python/0/20261123-072346.tar.gz"] {
        store.overwrite(name, "no archive");
    }
    add_segment(&store, "a", 1, 0..10).await;
    let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
    let missing = |verdict: &Verdict| verdict.problems.iter().filter(|problem| problem.contains("topic.json: missing")).count();
    assert_eq!(verdicts.iter().map(missing).collect::<Vec<_>>(), [0, 1, 0]);

    store.overwrite("python/topic.json", "{");
    let (verdicts, _) = verify(Arc::new(store), false).await;
    assert!(verdicts[2].problems.iter().any(|problem| problem.contains("python/topic.json: cannot be read")), "{verdicts:?}");
}

const LATENCY: Duration = Duration::from_millis(300);

/// The same store with a latency of 300 ms.
fn distant(store: MemoryStore) -> DistantStore {
    DistantStore::new(Arc::new(store), LATENCY)
}

/// Eight partitions of 25 segments, two requests each, and the listings: not 400 sequential
/// requests.
#[tokio::test]
async fn a_slow_store_is_read_concurrently_and_each_object_once() {
    let store = MemoryStore::new();
    add_topic_with(&store, "a", |topic| topic.partitions = 8);
    for partition in 0..8 {
        for start in 0..25 {
            add_segment(&store, "a", partition, start * 10..start * 10 + 10).await;
        }
    }
    let store = distant(store);
    let ((verdicts, ended), took) = store.time(verify(Arc::new(store.clone()), false)).await;
    ended.unwrap();
    assert_eq!((verdicts.len(), verdicts.iter().map(|one| one.records).sum::<u64>()), (8, 2_000));
    assert!(verdicts.iter().enumerate().all(|(number, one)| one.partition == i32::try_from(number).ok()), "in their order");
    assert!(took <= LATENCY * 20 && store.most_under_way() > 40, "{took:?}");
    let of_segments: Vec<u32> = store.reads().into_iter().filter(|(name, _)| name.contains(".tar.gz")).map(|(_, times)| times).collect();
    assert_eq!(of_segments, [1; 400], "each segment and each .sha256");
}

/// Folders and snapshots, then topic.json and partitions, then segments and archives, then what is
/// in the segments, then each `.sha256`.
#[tokio::test]
async fn what_does_not_depend_on_each_other_is_asked_for_at_the_same_time() {
    let store = MemoryStore::new();
    add_topic_with(&store, "a", |topic| topic.partitions = 4);
    for (partition, start) in (0..4).flat_map(|partition| (0..5).map(move |start| (partition, start * 10))) {
        add_segment(&store, "a", partition, start..start + 10).await;
    }
    let store = distant(store);
    let ((verdicts, ended), took) = store.time(verify(Arc::new(store.clone()), false)).await;
    ended.unwrap();
    assert_eq!((verdicts.len(), problems(&verdicts)), (4, vec![]));
    assert_eq!(took, LATENCY * 5);
}

/// A topic whose first backup ends between the listing of the folders and the reading of snapshots
/// is not missing.
#[tokio::test]
async fn a_topic_that_appears_meanwhile_is_not_missing() {
    let store = backups().await;
    add_snapshot(&store, [("a", 0, 30), ("b", 0, 30), ("c", 0, 10)]).await;
    let late = store.clone();
    let faults = move |_, name: &str| {
        if name.starts_with("@cluster/") && name.ends_with(".json.gz") {
            add_topic(&late, "c");
        }
        Fault::None
    };
    let store = DistantStore::new(failing(store, faults), LATENCY);
    let ((verdicts, ended), _) = store.time(verify(Arc::new(store.clone()), false)).await;
    ended.unwrap();
    assert_eq!(problems(&verdicts), [""; 0], "{verdicts:?}");
}

/// Segments that fill the memory budget are read one after another.
#[tokio::test]
async fn concurrent_reads_stay_within_the_memory_budget() {
    let store = MemoryStore::new();
    add_topic(&store, "a");
    for start in 0..8 {
        testing::add_segment_of(&store, "a", 0, start * 10..start * 10 + 10, 0, 60_000).await;
    }
    let distant = distant(store);
    let store: Arc<dyn ObjectStore> = Arc::new(distant.clone());
    let time = async |memory| {
        let mut verify = Verify { memory, ..Verify::new(&store) };
        let all = async { verify.each(None, &mut |verdict| assert_eq!((verdict.records, verdict.problems.len()), (80, 0))).await };
        let (ended, took) = distant.time(all).await;
        ended.unwrap();
        took
    };
    let (little, much) = (time(1 << 20).await, time(1 << 30).await);
    assert!(little >= much + LATENCY * 6, "{little:?} {much:?}");
}

async fn verify_some(store: &Arc<dyn ObjectStore>, choice: Choice) -> (Vec<Verdict>, Vec<String>) {
    let mut verdicts = Vec::new();
    let mut verify = Verify { choice, ..Verify::new(store) };
    verify.each(None, &mut |verdict| verdicts.push(verdict)).await.unwrap();
    (verdicts, verify.left_out)
}

/// A bucket whose first segment is damaged in its records, and whose second one lost its `.sha256`.
async fn damaged() -> (MemoryStore, [String; 2]) {
    let store = MemoryStore::new();
    add_topic(&store, "a");
    let mut names = Vec::new();
    for start in (0..10).map(|number| number * 10) {
        names.push(testing::add_segment_of(&store, "a", 0, start..start + 10, 0, 10_000).await);
    }
    let mut bytes = store.snapshot()[&names[0]].to_vec();
    let middle = bytes.len() - 60;
    bytes[middle] ^= 1;
    store.overwrite(&names[0], bytes);
    store.delete(&archive::catalog::names::sidecar(&names[1])).await.unwrap();
    (store, [names[0].clone(), names[1].clone()])
}

#[tokio::test]
async fn quick_reads_no_records_and_checks_the_chain() {
    let (store, [first, second]) = damaged().await;
    store.delete("a/0/00000000000000000050.tar.gz").await.unwrap();
    store.delete("a/0/00000000000000000050.tar.gz.sha256").await.unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let (verdicts, left_out) = verify_some(&store, Choice { quick: true, ..Choice::default() }).await;
    let found = problems(&verdicts);
    assert!(found.len() == 2 && found[0].contains(&second) && found[1].contains("offsets 50 to 60 are missing"), "{found:?}");
    assert_eq!((verdicts[0].not_read, verdicts[0].records), (9, 90));
    assert!(left_out.len() == 1 && left_out[0].contains("--quick") && left_out[0].contains("9 of 9"), "{left_out:?}");
    let (verdicts, left_out) = verify_some(&store, Choice::default()).await;
    assert!(problems(&verdicts)[0].contains(&first) && left_out.is_empty(), "{verdicts:?}");
}

#[tokio::test]
async fn a_sample_reports_what_it_excludes_and_finds_a_missing_end() {
    let (store, _) = damaged().await;
    add_snapshot(&store, [("a", 0, 110)]).await;
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let sample = |percent| Choice { sample: Some(options::Sample { percent, day: 20_000 }), ..Choice::default() };
    let (verdicts, left_out) = verify_some(&store, sample(20.0)).await;
    let one = &verdicts[0];
    assert_eq!((one.segments, one.not_read), (10, 8));
    assert!(problems(&verdicts).iter().any(|problem| problem.contains("offsets 100 to 110")), "{verdicts:?}");
    assert!(problems(&verdicts).iter().any(|problem| problem.contains(".sha256 is missing")), "{verdicts:?}");
    assert!(left_out[0].contains("8 of 10") && left_out[0].contains("--sample 20%, of 2024-10-04"), "{left_out:?}");
    assert_eq!(verify_some(&store, sample(100.0)).await.0[0].not_read, 0);
}

#[tokio::test]
async fn since_a_time_only_what_was_written_then_is_read() {
    let store = MemoryStore::new();
    add_topic(&store, "a");
    for (start, hour) in (0..24).map(|hour| (hour * 10, hour)) {
        let spec = archive::segment::SegmentSpec { created_at: format!("2026-11-23T{hour:02}:30:00Z"), ..testing::spec("a", 0, start) };
        let finished = archive::segment::SegmentWriter::new(spec, 1).finish(start + 10).await.unwrap();
        let name = archive::catalog::names::segment("a", 0, start, archive::catalog::Packing::Gzip);
        store.overwrite(&name, finished.body.to_bytes());
        store.overwrite(&archive::catalog::names::sidecar(&name), finished.sha256);
    }
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let at = |text: &str| Some(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    for (since, not_read) in
        [("2026-11-23T10:00:00Z", 9), ("2026-11-20T10:00:00Z", 0), ("2026-11-24T00:29:00Z", 23), ("2026-11-30T00:00:00Z", 24)]
    {
        let (verdicts, left_out) = verify_some(&store, Choice { since: at(since), ..Choice::default() }).await;
        assert_eq!(verdicts[0].not_read, not_read, "{since}");
        assert_eq!(problems(&verdicts), [""; 0]);
        assert_eq!(left_out.len(), usize::from(not_read > 0), "{left_out:?}");
    }
}

#[tokio::test]
async fn partitions_are_selected_and_unknown_ones_are_named() {
    let store = MemoryStore::new();
    add_topic_with(&store, "a", |topic| topic.partitions = 3);
    for partition in 0..3 {
        add_segment(&store, "a", partition, 0..10).await;
    }
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    let choice = Choice { partitions: Some(crate::cli::Partitions([1, 7].into())), ..Choice::default() };
    let mut verify = Verify { choice, ..Verify::new(&store) };
    let mut verdicts = Vec::new();
    verify.each(None, &mut |verdict| verdicts.push(verdict)).await.unwrap();
    assert_eq!(verdicts.iter().map(|one| one.partition).collect::<Vec<_>>(), [Some(1)]);
    assert_eq!(verify.left_out, ["2 of 3 partitions (--partitions)"]);
    assert_eq!(verify.unknown_partitions().as_deref(), Some("partition 7"));
}

/// After an interruption, intact objects are not read again, damaged ones are, and the verdicts are
/// those of a single run.
#[tokio::test]
async fn intact_objects_are_not_read_again() {
    let (store, [first, _]) = damaged().await;
    let whole = verify(Arc::new(store.clone()), false).await.0;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    let run = async |store: &Arc<dyn ObjectStore>| {
        let mut verdicts = Vec::new();
        let mut verify = Verify { resume: Some(Resume::open(&file, "bucket").unwrap()), ..Verify::new(store) };
        let ended = verify.each(None, &mut |verdict| verdicts.push(verdict)).await;
        (verdicts, ended, verify.left_out)
    };
    let goes_away = |_, name: &str| if name.contains("0050.tar") { Fault::Before(StoreErrorKind::Credentials) } else { Fault::None };
    let (_, ended, _) = run(&failing(store.clone(), goes_away)).await;
    assert!(ended.is_err());
    let noted: Vec<String> = std::fs::read_to_string(&file).unwrap().lines().skip(1).map(str::to_owned).collect();
    assert!(noted.len() >= 3 && !noted.iter().any(|line| line.contains(&first)), "{noted:?}");

    let distant = distant(store);
    let again: Arc<dyn ObjectStore> = Arc::new(distant.clone());
    let ((verdicts, ended, left_out), _) = distant.time(run(&again)).await;
    ended.unwrap();
    assert_eq!(serde_json::to_value(&verdicts).unwrap(), serde_json::to_value(&whole).unwrap());
    assert!(left_out.len() == 1 && left_out[0].contains("found intact before"), "{left_out:?}");
    let read = distant.reads();
    let again = noted.iter().filter(|line| read.keys().any(|name| name.ends_with(".gz") && line.contains(&format!("\"{name}\"")))).count();
    assert!(again == 0 && read.contains_key(&first), "{read:?}");
}
