#![allow(clippy::unwrap_used)]
//! Records → segment → the same records; and how reading handles everything else.

mod ahead;
mod damage;
mod layout;
mod python;

use std::sync::Arc;

use kafka::Isolation;
use kernel::record::{Record, TimestampType};
use proptest::prelude::*;
use store::StoreErrorKind;
use store::testing::{CountingStore, Fault, FaultyStore, Operation};

use super::testing::*;
use super::*;
use crate::catalog::{Gap, GapReason};

const NAME: &str = "orders/3/00000000000000000100.tar.gz";
const GZIP: Compression = Compression::Gzip(3);

fn options(workers: usize) -> ReadOptions {
    ReadOptions { workers, ..ReadOptions::default() }
}

/// Records of every shape, few enough to damage each byte of their segment.
fn few_records() -> Vec<Owned> {
    let headers = vec![(b"h".to_vec(), Some(b"1".to_vec())), (b"h".to_vec(), None), (vec![0xff, 0xfe], Some(Vec::new()))];
    vec![
        Owned { key: Some(b"k".to_vec()), headers, ..Owned::new(100, "value") },
        Owned { key: Some(Vec::new()), value: None, timestamp: -1, ..Owned::new(101, "") },
        Owned { timestamp: 0, ..Owned::new(107, "") },
        Owned { timestamp_type: TimestampType::LogAppendTime, ..Owned::new(108, "v") },
    ]
}

/// `count` records of 100 KB that compress well, about ten per member.
fn large_records(count: i64) -> Vec<Owned> {
    (0..count).map(|i| Owned::new(100 + 2 * i, format!("{i:010}").repeat(10_000))).collect()
}

/// `count` records of 100 KB that do not compress, ten per member: a member is about as large as
/// its records.
fn noisy_records(count: i64) -> Vec<Owned> {
    let mut random = 1_u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random.to_be_bytes()
    };
    (0..count).map(|i| Owned::new(100 + i, (0..12_500).flat_map(|_| noise()).collect::<Vec<_>>())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_records_come_back(records in any_records(), zstd in any::<bool>(), workers in 1..3_usize, from in any::<prop::sample::Index>()) {
        let compression = if zstd { Compression::Zstd(1) } else { GZIP };
        let start = records.first().map_or(5, |record| record.offset);
        let next = records.last().map_or(start, |record| record.offset) + 3;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let segment = write(spec(start, compression), workers, &records, next).await;
            let store = Arc::new(stored(&segment, NAME));
            let (found, sidecar) = read(store.clone(), NAME, options(workers), None).await.unwrap();
            prop_assert_eq!(&found, &records);
            prop_assert_eq!(sidecar, Sidecar::Matches);

            let from = start + from.index((next - start) as usize) as i64;
            let (found, _) = read(store, NAME, options(workers), Some(from)).await.unwrap();
            let wanted: Vec<_> = records.iter().filter(|record| record.offset >= from).cloned().collect();
            prop_assert_eq!(found, wanted);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn the_bytes_do_not_depend_on_the_number_of_workers() {
    for compression in [GZIP, Compression::Zstd(3)] {
        let alone = write(spec(100, compression), 1, &large_records(60), 1000).await;
        let together = write(spec(100, compression), 3, &large_records(60), 1000).await;
        assert_eq!(alone.body.to_bytes(), together.body.to_bytes());
        assert_eq!((&alone.sha256, alone.manifest.members.len()), (&together.sha256, 6));
        let store = Arc::new(stored(&together, NAME));
        store.overwrite(&format!("{NAME}.sha256"), together.sha256.clone() + "  a name\n");
        for workers in [1, 2] {
            assert_eq!(read(store.clone(), NAME, options(workers), None).await.unwrap().0, large_records(60));
        }
    }
}

#[tokio::test]
async fn a_record_larger_than_a_group_has_a_member_of_its_own() {
    let mut records = large_records(3);
    records.insert(1, Owned::new(101, vec![7; 5 * GROUP_BYTES]));
    let segment = write(spec(100, GZIP), 2, &records, 200).await;
    assert_eq!(segment.manifest.members.iter().map(|m| m.records).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(segment.manifest.members[1].bytes, segment.manifest.largest_record);
    assert_eq!(read(Arc::new(stored(&segment, NAME)), NAME, options(1), None).await.unwrap().0, records);

    let limited = ReadOptions { largest_record: 5 << 20, ..options(1) };
    let error = read(Arc::new(stored(&segment, NAME)), NAME, limited, None).await.unwrap_err();
    assert!(matches!(&error, crate::Error::Segment(error) if error.kind == SegmentErrorKind::TooLarge), "{error}");
}

/// What readers refuse is refused by writers, before memory is allocated for it.
#[test]
fn what_could_not_be_read_is_not_written() {
    let mut writer = SegmentWriter::new(spec(100, GZIP), 1);
    let value = vec![0; LARGEST_RECORD as usize];
    let record =
        Record { offset: 100, timestamp: 0, timestamp_type: TimestampType::CreateTime, key: None, value: Some(&value), headers: &[] };
    let error = writer.append(&record).unwrap_err();
    assert_eq!(error.kind, SegmentErrorKind::TooLarge, "{error}");
    assert_eq!((writer.records(), writer.held_bytes()), (0, 0));
    assert_eq!(ReadOptions::default().largest_record, LARGEST_RECORD);
}

/// The memory that budgets assume is what the codec uses, even for a record much larger than a
/// group.
#[test]
fn tables_take_no_more_memory_than_is_reckoned_with() {
    let noise: Vec<u8> = (0..5 * GROUP_BYTES as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    for level in 1..=19 {
        let mut compressor = Compressor::new(Compression::Zstd(level));
        for raw in [&noise[..GROUP_BYTES], &noise] {
            compressor.compress(raw);
            let (taken, reckoned) = (compressor.table_bytes(), Compression::Zstd(level).table_bytes());
            assert!(taken <= reckoned && reckoned <= 2 * taken.max(1 << 20), "zstd:{level}: {taken} bytes, not {reckoned}");
        }
    }
}

#[tokio::test]
async fn a_segment_without_records_is_whole() {
    let segment = write(spec(100, GZIP), 1, &[], 140).await;
    assert_eq!((segment.manifest.records, segment.manifest.log_bytes, segment.manifest.next), (0, 0, 140));
    let store = Arc::new(stored(&segment, NAME));
    assert_eq!(read(store, NAME, options(2), None).await.unwrap(), (Vec::new(), Sidecar::Matches));
}

#[tokio::test]
async fn the_manifest_says_what_is_in_the_segment() {
    let gap = Gap { from: 90, to: 99, reason: GapReason::LogStartMoved };
    let segment = write(SegmentSpec { gap: Some(gap.clone()), ..spec(90, GZIP) }, 1, &few_records(), 120).await;
    let Manifest { members, .. } = segment.manifest.clone();
    let expected = Manifest {
        format_version: FORMAT_VERSION,
        topic: "orders".to_owned(),
        topic_id: Some("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()),
        partition: 3,
        start: 90,
        next: 120,
        records: 4,
        first_offset: Some(100),
        last_offset: Some(108),
        min_timestamp: Some(0),
        max_timestamp: Some(1_700_000_000_000),
        timestamp_types: vec![TimestampType::CreateTime, TimestampType::LogAppendTime],
        zero_timestamps: 1,
        // 61 for the batch, then: length, attributes, two deltas, key, value, number of headers,
        // three headers.
        largest_record: 61 + 1 + 3 + 2 + 6 + 1 + (4 + 3 + 4),
        isolation_level: Isolation::ReadCommitted,
        gap: Some(gap),
        log_bytes: members.iter().map(|member| member.bytes).sum(),
        members,
        created_at: "2026-11-23T07:24:01Z".to_owned(),
    };
    assert_eq!(segment.manifest, expected);
    let reader = SegmentReader::open(Arc::new(stored(&segment, NAME)), NAME, options(1)).await.unwrap();
    assert_eq!(*reader.manifest(), expected);
}

#[tokio::test]
async fn a_missing_sidecar_is_reported_and_can_be_made_again() {
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    let store = store::testing::MemoryStore::new();
    store.overwrite(NAME, segment.body.to_bytes());
    let mut reader = SegmentReader::open(Arc::new(store), NAME, options(1)).await.unwrap();
    assert_eq!((reader.sidecar(), reader.sha256()), (Sidecar::NotRead, None));
    while reader.next_group().await.unwrap().is_some() {}
    assert_eq!((reader.sidecar(), reader.sha256()), (Sidecar::Missing, Some(segment.sha256.as_str())));
}

#[tokio::test]
async fn a_small_segment_takes_two_requests_and_a_seek_fetches_nothing_before_it() {
    let small = CountingStore::new(Arc::new(stored(&write(spec(100, GZIP), 1, &few_records(), 110).await, NAME)));
    read(Arc::new(small.clone()), NAME, options(1), None).await.unwrap();
    assert_eq!((small.counts().of(Operation::GetRange), small.counts().total()), (2, 2), "the segment and its sidecar");

    let records = noisy_records(100);
    let segment = write(spec(100, GZIP), 2, &records, 200).await;
    let last = segment.manifest.members.last().unwrap().clone();
    let large = CountingStore::new(Arc::new(stored(&segment, NAME)));
    let (found, sidecar) = read(Arc::new(large.clone()), NAME, options(2), Some(last.first_offset + 1)).await.unwrap();
    assert_eq!(sidecar, Sidecar::NotRead);
    assert!(found == records[(last.first_offset - 99) as usize..]);
    assert_eq!(large.counts().total(), 2, "the head and the last member");
    assert!(large.counts().bytes_read < (64 << 10) + last.stored + 100);

    let before = large.counts();
    read(Arc::new(large.clone()), NAME, options(2), None).await.unwrap();
    assert_eq!(large.counts().since(&before).total(), 1 + 3 + 1, "the head, 10 MB in stretches of 4 MiB, the sidecar");
}

#[tokio::test]
async fn seeking_goes_back_too_and_then_everything_is_compared() {
    let segment = write(spec(100, GZIP), 1, &large_records(200), 1000).await;
    let mut reader = SegmentReader::open(Arc::new(stored(&segment, NAME)), NAME, options(2)).await.unwrap();
    reader.seek(900);
    assert!(reader.next_group().await.unwrap().is_none());
    assert_eq!(reader.sidecar(), Sidecar::NotRead);
    reader.seek(300);
    let group = reader.next_group().await.unwrap().unwrap();
    assert_eq!(group.records().next().unwrap().unwrap().offset, 300);
    reader.seek(101);
    let mut records = 0;
    while let Some(group) = reader.next_group().await.unwrap() {
        let mut found = group.records();
        while found.next().unwrap().is_some() {
            records += 1;
        }
    }
    assert_eq!((records, reader.sidecar()), (199, Sidecar::Matches));
}

#[tokio::test]
async fn a_failed_request_can_be_tried_again() {
    for workers in [1, 2] {
        let segment = write(spec(100, GZIP), 1, &noisy_records(100), 1000).await;
        let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let faults = move |_: Operation, _: &str| match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 3 {
            1 => Fault::Before(StoreErrorKind::Unavailable),
            _ => Fault::None,
        };
        let store = FaultyStore::new(Arc::new(stored(&segment, NAME)), faults);
        let mut reader = SegmentReader::open(Arc::new(store), NAME, options(workers)).await.unwrap();
        let (mut failures, mut found) = (0, Vec::new());
        loop {
            match reader.next_group().await {
                Ok(None) => break,
                Ok(Some(group)) => {
                    let mut records = group.records();
                    while let Some(record) = records.next().unwrap() {
                        found.push(Owned::of(&record));
                    }
                }
                Err(error) => {
                    assert!(error.is_retryable(), "{error}");
                    failures += 1;
                }
            }
        }
        assert_eq!(failures, 2);
        assert_eq!((found == noisy_records(100), reader.sidecar()), (true, Sidecar::Matches));
    }
}

#[tokio::test]
async fn records_that_do_not_belong_into_the_segment_are_refused() {
    let gap = Gap { from: 100, to: 104, reason: GapReason::LogStartMoved };
    let mut writer = SegmentWriter::new(SegmentSpec { gap: Some(gap), ..spec(100, GZIP) }, 1);
    let mut append = |offset| Owned::new(offset, "v").lend(|record| writer.append(record));
    for offset in [99, 103] {
        assert_eq!(append(offset).unwrap_err().kind, SegmentErrorKind::Unstorable);
    }
    append(104).unwrap();
    assert_eq!(append(104).unwrap_err().kind, SegmentErrorKind::Unstorable);
    assert_eq!(writer.records(), 1);
    let error = writer.finish(104).await.unwrap_err();
    assert_eq!(error.kind, SegmentErrorKind::Unstorable, "{error}");
    assert!(error.to_string().starts_with("orders/3, segment from offset 100: "), "{error}");
}

#[tokio::test]
async fn memory_is_bounded_while_the_caller_heeds_is_busy() {
    let mut writer = SegmentWriter::new(spec(100, GZIP), 2);
    let mut most = 0;
    for record in large_records(400) {
        record.lend(|record| writer.append(record)).unwrap();
        most = most.max(writer.held_bytes());
        if writer.is_busy() {
            writer.settle().await;
            assert!(!writer.is_busy());
        }
    }
    assert_eq!(writer.records(), 400);
    assert!(writer.raw_bytes() > 40_000_000);
    assert!(most < 2 * 4 * GROUP_BYTES + 4_000_000, "{most}");
}
