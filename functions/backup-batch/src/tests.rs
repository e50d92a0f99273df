//! The steps of an invocation one by one: what to do, where to start, how far to read, and what is
//! made durable.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archive::catalog::{BackupCommit, Doubt, GapReason, Packing, names};
use config::BackupSettings;
use host::{Budget, RateLimit};
use store::testing::{Fault, FaultyStore, Operation};
use store::{ObjectStore, StoreErrorKind};
use tokio::time::Instant;

use crate::compressors::Compressors;
use crate::testing::Fake;
use crate::{Backup, Invocation};

#[tokio::test]
async fn plan_waits_for_a_full_segment_or_for_the_pause() {
    let fake = Fake::default();
    fake.write(3);
    assert_eq!(fake.invoke().await.segments, 1, "nothing was backed up yet");
    fake.write(9);
    assert_eq!(fake.invoke().await.segments, 0, "neither full nor old enough");
    fake.write(1);
    assert_eq!(fake.invoke().await.segments, 1, "full");
    fake.write(1);
    fake.advance(60_000);
    assert_eq!(fake.invoke().await.segments, 1, "old enough");
    assert_eq!(fake.segments(), [0, 3, 13]);
}

#[tokio::test]
async fn resume_goes_by_the_bucket_where_the_commit_is_gone() {
    let fake = Fake::default();
    fake.write(5);
    fake.invoke().await;
    fake.log().commit = None;
    fake.write(2);
    fake.invoke().await;
    assert_eq!(fake.segments(), [0, 5]);
    assert_eq!(fake.log().commit.as_ref().unwrap().next, 7);
}

#[tokio::test]
async fn resume_does_not_go_on_behind_another_log_where_the_commit_is_gone() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    fake.write(10);
    (fake.log().commit, fake.log().is_other_from) = (None, Some(5));
    let report = fake.invoke().await;
    assert!(!report.succeeded && fake.segments() == [0], "{report:?}");
    let report = fake.invoke().await;
    assert!(report.succeeded, "{report:?}");
    assert_eq!((fake.segments(), fake.segments_in("orders@2")), (vec![0], vec![0, 10]));
}

/// The rest of the new log starts long after the old commit, and is shorter than the range in
/// between.
#[tokio::test]
async fn a_log_that_was_cut_and_has_lost_its_beginning_since_is_read() {
    let fake = Fake::default();
    fake.write(8);
    fake.invoke().await;
    let mut commit: BackupCommit = serde_json::from_str(&fake.log().commit.as_ref().unwrap().metadata).unwrap();
    commit.doubt = Some(Doubt { at: 0, cut: Some(5), next: None });
    {
        let mut log = fake.log();
        (log.records, log.start, log.end, log.high_watermark) = (vec![30], 30, 31, 31);
        log.commit = Some(commit.to_committed());
    }
    let report = fake.invoke().await;
    assert!(report.succeeded && report.lag_records == 0, "{report:?}");
    assert_eq!((fake.segments(), fake.segments_in("orders@2")), (vec![0], vec![0]));
}

#[tokio::test]
async fn resume_goes_on_where_retention_took_what_could_be_compared() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    fake.write(10);
    (fake.log().commit, fake.log().start) = (None, 12);
    fake.log().records.retain(|offset| *offset >= 12);
    fake.invoke().await;
    assert_eq!((fake.segments(), fake.segments_in("orders@2")), (vec![0, 10], vec![]));
}

#[tokio::test]
async fn resume_tells_a_loss_where_segments_and_commit_are_gone() {
    let fake = Fake::default();
    for _ in 0..2 {
        fake.write(10);
        fake.invoke().await;
    }
    for name in fake.bucket.snapshot().into_keys().filter(|name| name.starts_with("orders/0/")) {
        fake.delete(&name).await;
    }
    (fake.log().commit, fake.log().start) = (None, 5);
    let report = fake.invoke().await;
    let gap = &report.partitions[0].gaps[0];
    assert_eq!((gap.from, gap.to, gap.reason), (0, 5, GapReason::LogStartMoved), "it was not the first backup");
}

#[tokio::test]
async fn resume_refuses_a_commit_whose_segment_is_gone() {
    let fake = Fake::default();
    for _ in 0..2 {
        fake.write(10);
        fake.invoke().await;
    }
    for name in ["orders/0/00000000000000000010.tar.gz", "orders/0/00000000000000000010.tar.gz.sha256"] {
        fake.delete(name).await;
    }
    fake.write(10);
    let report = fake.invoke().await;
    assert!(!report.succeeded && report.partitions[0].error.as_ref().unwrap().contains("is missing"), "{report:?}");
    assert_eq!(fake.segments(), [0], "a segment behind a hole would be lost in a restore");
}

#[tokio::test]
async fn read_ends_where_reading_ended_and_not_at_the_last_record() {
    let fake = Fake::default();
    fake.write(10);
    fake.log().records.retain(|offset| offset % 4 == 0);
    let report = fake.invoke().await;
    assert_eq!((report.records, report.partitions[0].next), (3, Some(10)), "offsets 9 and 10 hold control records, or were compacted");
}

#[tokio::test]
async fn read_ends_at_the_records_of_a_segment() {
    let fake = Fake::default();
    fake.write(25);
    fake.invoke().await;
    assert_eq!(fake.segments(), [0, 10], "the rest is neither full nor old enough");
}

/// What is being compressed shrinks: reading waits for it, and a segment holds as much as the
/// memory allows.
#[tokio::test]
async fn read_waits_for_what_is_being_compressed() {
    for compressors in [1, 3] {
        let fake = Fake::default();
        fake.write(10);
        fake.log().size = 5 << 20;
        let mut backup = fake.backup();
        // The README's three threads, at 128 MB.
        let compressors = Compressors { each: compressors, tables: 0 };
        (backup.compressors, backup.settings) = (compressors, Arc::new(BackupSettings { threads: 3, ..(*backup.settings).clone() }));
        let report = backup.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
        let limit = Budget::unlimited(None).segment_bytes(3) as u64;
        assert!(report.records >= 5 && report.stored_bytes >= limit * 2 / 3, "{compressors:?}: {report:?}");
        assert!(report.stored_bytes < limit + (5 << 20), "{compressors:?}: {report:?}");
    }
}

/// Before anything was compressed its final size is unknown: two records seem to be more than a
/// slow line can transfer in time.
#[tokio::test]
async fn read_does_not_take_large_records_for_more_than_they_are() {
    let fake = Fake::default();
    fake.write(10);
    fake.log().size = 5 << 20;
    // Sixteen seconds of the slowest line are four MiB, and each record becomes two.
    let budget = Budget { deadline: Some(24_000), ..Budget::unlimited(None) };
    let report = fake.backup().invoke(&Invocation::new(budget)).await.unwrap();
    assert!(report.partitions[0].next.unwrap() >= 2 && fake.segments().get(1).is_none_or(|second| *second >= 2), "{:?}", fake.segments());
}

/// Kafka's client holds two records of any size in addition.
#[tokio::test]
async fn read_leaves_memory_for_what_holds_large_records() {
    for (mib, segments) in [(128, vec![0, 1, 2, 3]), (512, vec![0])] {
        let fake = Fake::default();
        fake.write(4);
        fake.log().size = 24 << 20;
        let invocation = Invocation { flush: true, ..Invocation::new(Budget::unlimited(Some(mib << 20))) };
        let report = fake.backup().invoke(&invocation).await.unwrap();
        assert_eq!((report.records, fake.segments()), (4, segments), "{mib}");
    }
}

/// A record that could not be restored is not stored, and is reported; what comes before it is
/// backed up.
#[tokio::test]
async fn read_ends_before_a_record_that_could_not_be_restored() {
    let fake = Fake::default();
    fake.write(10);
    fake.log().giant = Some(4);
    let report = fake.invoke().await;
    assert_eq!((fake.segments(), report.partitions[0].next), (vec![0], Some(4)), "{report:?}");
    for _ in 0..2 {
        fake.advance(60_000);
        let report = fake.invoke().await;
        let error = report.partitions[0].error.clone().unwrap();
        assert!(error.contains("orders/0: the record at offset 4 has") && error.contains("up to offset 5"), "{error}");
        assert_eq!((report.succeeded, report.partitions[0].retryable, fake.segments()), (false, Some(false), vec![0]));
    }
    // As the message says: the records up to the next offset are deleted.
    fake.log().start = 5;
    fake.log().records.retain(|offset| *offset >= 5);
    let report = fake.invoke().await;
    assert_eq!((report.succeeded, report.records, fake.segments()), (true, 5, vec![0, 4]), "{report:?}");
}

#[tokio::test]
async fn read_notes_what_retention_took_and_begins_where_the_segment_before_ended() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    fake.write(10);
    fake.log().start = 15;
    fake.log().records.retain(|offset| *offset >= 15);
    fake.advance(60_000);
    let report = fake.invoke().await;
    assert_eq!(fake.segments(), [0, 10], "{report:?}");
    assert_eq!((report.records, report.partitions[0].gaps.len()), (5, 1), "{report:?}");
}

#[tokio::test]
async fn publish_adopts_a_segment_that_is_there_and_mends_its_sidecar() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    let sidecar = "orders/0/00000000000000000000.tar.gz.sha256";
    let digest = fake.bucket.get(sidecar).await.unwrap().body;
    // As a kill between segment and sidecar leaves it.
    fake.delete(sidecar).await;
    assert_eq!(fake.bucket.get(sidecar).await.unwrap_err().kind, StoreErrorKind::NotFound);
    fake.log().commit = None;
    let report = fake.invoke().await;
    assert!(report.succeeded && report.records == 0, "{report:?}");
    assert_eq!(fake.bucket.get(sidecar).await.unwrap().body, digest);
    assert_eq!(fake.log().commit.as_ref().unwrap().next, 10);
}

/// A cluster that was restored to an older state together with the group's offsets, and has grown
/// since: a little, or past its old end.
#[tokio::test]
async fn publish_does_not_adopt_what_another_log_had() {
    for (grown, says) in [(5, "a later invocation checks again"), (10, "differ from those in the log")] {
        let fake = Fake::default();
        fake.write(10);
        fake.invoke().await;
        let before = fake.log().commit.clone();
        fake.write(10);
        fake.invoke().await;
        {
            let mut log = fake.log();
            (log.commit, log.is_other_from) = (before, Some(10));
            (log.high_watermark, log.end) = (10 + grown, 10 + grown);
            log.records.retain(|offset| *offset < 10 + grown);
        }
        fake.advance(60_000);
        let report = fake.invoke().await;
        let error = report.partitions[0].error.clone().unwrap_or_default();
        assert!(error.contains(says) && fake.segments_in("orders@2").is_empty(), "{report:?}");
        fake.advance(60_000);
        let report = fake.invoke().await;
        assert!(report.succeeded, "{report:?}");
        assert_eq!(fake.segments_in("orders@2")[0], 0);
    }
}

/// Offsets 10 to 13 held an aborted transaction, and nothing was there to be stored. After the
/// cluster was restored to an older state they hold records.
#[tokio::test]
async fn records_where_the_segment_has_none_are_of_another_log() {
    for has_commit in [true, false] {
        let fake = Fake::default();
        fake.write(10);
        fake.invoke().await;
        let before = fake.log().commit.clone().filter(|_| has_commit);
        fake.write(4);
        fake.log().records.truncate(10);
        fake.advance(60_000);
        fake.invoke().await;
        assert_eq!(fake.segments(), [0, 10]);
        (fake.log().commit, fake.log().high_watermark) = (before, 10);
        fake.write(12);
        fake.advance(60_000);
        let report = fake.invoke().await;
        assert!(!report.succeeded && fake.segments() == [0, 10], "{report:?}");
        assert!(fake.invoke().await.succeeded);
        assert_eq!(fake.segments_in("orders@2"), [0, 10]);
    }
}

#[tokio::test]
async fn a_doubt_is_noted_where_the_group_is_in_an_older_generation() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    let old = fake.log().commit.clone();
    // Restored to an older state twice: the first time the second generation began.
    fake.log().is_other_from = Some(0);
    fake.write(10);
    fake.log().commit = None;
    fake.invoke().await;
    fake.invoke().await;
    assert_eq!(fake.segments_in("orders@2"), [0, 10]);
    {
        let mut log = fake.log();
        (log.commit, log.high_watermark, log.end, log.is_other_from) = (old, 15, 15, Some(1));
        log.records.retain(|offset| *offset < 15);
    }
    fake.advance(60_000);
    assert!(!fake.invoke().await.succeeded);
    fake.advance(60_000);
    assert!(fake.invoke().await.succeeded);
    assert_eq!(fake.segments_in("orders@3")[0], 0);
}

#[tokio::test]
async fn a_commit_of_a_topic_that_was_created_again_counts_nowhere() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    let mut old = fake.log().commit.clone().unwrap();
    (old.metadata, old.next) = (old.metadata.replace("000001", "000002").replace("\"next\":10", "\"next\":50"), 50);
    fake.log().commit = Some(old);
    fake.write(10);
    fake.invoke().await;
    assert_eq!(fake.log().commit.as_ref().unwrap().next, 20, "it is no progress of this topic");
}

#[tokio::test]
async fn what_an_event_or_a_run_does_not_find_is_an_error() {
    let fake = Fake::default();
    fake.write(10);
    let mut invocation = Invocation::new(Budget::unlimited(None));
    invocation.event.partition = Some(1);
    let error = fake.backup().invoke(&invocation).await.unwrap_err().to_string();
    assert!(error.contains("partition 1"), "{error}");
    let up_to = Some(Arc::default());
    let report = fake.backup().invoke(&Invocation { up_to, ..Invocation::new(Budget::unlimited(None)) }).await.unwrap();
    assert!(!report.succeeded && fake.segments().is_empty(), "a topic that was not seen at the start: {report:?}");
}

/// With a slow store those of several partitions are uploaded at the same time.
#[tokio::test]
async fn publish_does_not_wait_for_other_partitions() {
    let fake = Fake::default();
    fake.log().more_partitions = 2;
    fake.write(10);
    let begun: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = begun.clone();
    let slow = FaultyStore::new(fake.bucket.clone(), move |operation, name| {
        if operation != Operation::Create {
            return Fault::None;
        }
        seen.lock().unwrap().push(name.to_owned());
        Fault::Delay(Duration::from_millis(200))
    });
    let report = Backup { store: Arc::new(slow), ..fake.backup() }.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
    assert!(report.succeeded && report.segments == 3, "{report:?}");
    let begun = begun.lock().unwrap().clone();
    let at = |name: &str| begun.iter().position(|one| one == name).unwrap();
    let segment = |partition: i32| names::segment("orders", partition, 0, Packing::Gzip);
    for partition in 0..3 {
        assert!(at(&segment(partition)) < at(&names::sidecar(&segment(partition))), "{begun:?}");
        assert!(at(&segment(partition)) < at(&names::sidecar(&segment(0))), "each waited for the first: {begun:?}");
    }
}

/// Their requests may be what those of the comparison wait for, with a store that throttles.
#[tokio::test(start_paused = true)]
async fn segments_proceed_while_that_of_another_partition_is_compared_with_the_log() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    let before = fake.log().commit.clone();
    fake.write(15);
    let mut other = fake.backup();
    Arc::get_mut(&mut other.settings).unwrap().records_per_segment = 15;
    other.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
    assert_eq!(fake.segments(), [0, 10]);
    fake.log().commit = before;
    fake.log().more_partitions = 1;
    let [theirs, ours] = [0, 1].map(|partition| names::segment("orders", partition, 10, Packing::Gzip));
    let (start, is_compared, done) = (Instant::now(), AtomicBool::new(false), Arc::new(Mutex::new(None)));
    let seen = done.clone();
    let slow = FaultyStore::new(fake.bucket.clone(), move |operation, name| {
        let seconds = match operation {
            Operation::Create if name == theirs => 10,
            Operation::Create if name == ours => 40,
            Operation::GetRange if name == theirs && is_compared.load(Ordering::Relaxed) => 100,
            _ => 0,
        };
        is_compared.fetch_or(operation == Operation::Get && name == names::sidecar(&theirs), Ordering::Relaxed);
        if operation == Operation::Create && name == names::sidecar(&ours) {
            *seen.lock().unwrap() = Some(start.elapsed());
        }
        Fault::Delay(Duration::from_secs(seconds))
    });
    let report = Backup { store: Arc::new(slow), ..fake.backup() }.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
    assert!(report.succeeded && start.elapsed() >= Duration::from_secs(110), "{report:?}");
    let done = done.lock().unwrap().unwrap();
    assert!(done < Duration::from_secs(50), "{done:?}");
}

/// The next invocation does not learn it from the cluster.
#[tokio::test(start_paused = true)]
async fn a_truncation_is_noted_even_if_the_time_is_up_when_the_segment_before_is_durable() {
    let fake = Fake::default();
    fake.write(30);
    fake.log().cut = Some((10, 5));
    let clock = fake.clone();
    let slow = FaultyStore::new(fake.bucket.clone(), move |operation, name| match operation {
        Operation::Create if name.ends_with(".tar.gz") => Fault::Delay(Duration::from_millis(200)),
        Operation::Create if name.ends_with(".sha256") => {
            clock.advance(60_000);
            Fault::None
        }
        _ => Fault::None,
    });
    let budget = Budget { deadline: Some(30_000), ..Budget::unlimited(None) };
    let report = Backup { store: Arc::new(slow), ..fake.backup() }.invoke(&Invocation::new(budget)).await.unwrap();
    assert!(!report.succeeded && fake.segments() == [0], "{report:?}");
    let commit: BackupCommit = serde_json::from_str(&fake.log().commit.as_ref().unwrap().metadata).unwrap();
    assert_eq!(commit.doubt.and_then(|doubt| doubt.cut), Some(5));
}

#[tokio::test]
async fn publish_never_commits_back() {
    let fake = Fake::default();
    fake.write(10);
    fake.invoke().await;
    let before = fake.log().commit.clone();
    fake.write(10);
    fake.invoke().await;
    let after = fake.log().commit.clone().unwrap();
    // A late look at the group: the plan sees the older commit, and the next segment exists
    // already.
    fake.log().commit = before;
    fake.invoke().await;
    assert_eq!(fake.log().commit.as_ref().unwrap().next, after.next);
    let read = BackupCommit::read(&after, &archive::catalog::bucket_id(fake.bucket.as_ref()), &Default::default()).unwrap();
    assert_eq!((read.segment, read.next, read.folder.as_str()), (10, 20, "orders"));
}

/// Over ten segments: what one of them has prefetched, the next one uses.
#[tokio::test(start_paused = true)]
async fn reading_keeps_to_bytes_per_second_and_the_report_says_so() {
    let fake = Fake::default();
    fake.log().size = 1_000;
    fake.write(100);
    let start = tokio::time::Instant::now();
    let backup = Backup { rate: RateLimit::new(Some(10_000)), ..fake.backup() };
    let report = backup.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((report.records, report.segments, report.succeeded), (100, 10, true), "{report:?}");
    assert!((9.0..11.0).contains(&seconds), "{seconds} s");
    assert!(report.rate_limited_ms >= 9_000 && report.notes.iter().any(|note| note.contains("BYTES_PER_SECOND (10000)")), "{report:?}");
}
