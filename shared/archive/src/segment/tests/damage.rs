//! Everything that is not what was written is an error with its position.

use super::*;

async fn read_whole(store: &store::testing::MemoryStore) -> crate::Result<(Vec<Owned>, Sidecar)> {
    read(Arc::new(store.clone()), NAME, options(1), None).await
}

/// The kind and the message of the error when reading this segment.
async fn refusal(segment: &FinishedSegment) -> (SegmentErrorKind, String) {
    match read_whole(&stored(segment, NAME)).await {
        Err(crate::Error::Segment(error)) => {
            assert!(error.to_string().starts_with(&format!("memory://{NAME}: ")), "{error}");
            (error.kind, error.what)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_flipped_bit_is_found_and_without_a_sidecar_every_one_that_matters() {
    for compression in [GZIP, Compression::Zstd(3)] {
        let segment = write(spec(100, compression), 1, &few_records(), 110).await;
        let object = segment.body.to_bytes();
        let store = stored(&segment, NAME);
        let alone = store::testing::MemoryStore::new();
        for at in 0..object.len() {
            for bit in 0..8 {
                let mut damaged = object.to_vec();
                damaged[at] ^= 1 << bit;
                store.overwrite(NAME, damaged.clone());
                let error = read_whole(&store).await.expect_err(&format!("byte {at} of {}", object.len()));
                assert!(error.to_string().contains(NAME), "{error}");
                alone.overwrite(NAME, damaged);
                if let Ok((records, _)) = read_whole(&alone).await {
                    assert_eq!(records, few_records(), "byte {at} of {}", object.len());
                }
            }
        }
    }
}

#[tokio::test]
async fn every_truncation_is_found_with_and_without_a_sidecar() {
    for compression in [GZIP, Compression::Zstd(3)] {
        let segment = write(spec(100, compression), 1, &few_records(), 110).await;
        let object = segment.body.to_bytes();
        let (store, alone) = (stored(&segment, NAME), store::testing::MemoryStore::new());
        for len in 0..object.len() {
            for store in [&store, &alone] {
                store.overwrite(NAME, object.slice(..len));
                assert!(read_whole(store).await.is_err(), "cut at {len} of {}", object.len());
            }
        }
        for more in [&b"\0"[..], &object] {
            alone.overwrite(NAME, [&object, more].concat());
            assert!(read_whole(&alone).await.is_err());
        }
    }
}

#[tokio::test]
async fn damage_in_a_later_stretch_names_the_member_and_its_place() {
    let segment = write(spec(100, GZIP), 1, &large_records(300), 1000).await;
    let mut object = segment.body.to_bytes().to_vec();
    let place = object.len() - 200;
    object[place] ^= 1;
    let store = stored(&segment, NAME);
    store.overwrite(NAME, object);
    for (workers, from) in [(1, None), (2, None), (2, Some(690))] {
        let error = read(Arc::new(store.clone()), NAME, options(workers), from).await.unwrap_err();
        let crate::Error::Segment(error) = error else { panic!("{error}") };
        assert_eq!(error.kind, SegmentErrorKind::Damaged);
        assert!(error.what.starts_with("member 30 of 30, at byte "), "{}", error.what);
    }
    let sound = read(Arc::new(store), NAME, options(1), Some(699)).await;
    assert!(sound.is_ok(), "nothing is read of a member that is not wanted");
}

#[tokio::test]
async fn every_change_of_the_sidecar_is_found() {
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    let store = stored(&segment, NAME);
    for at in 0..64 {
        for bit in 0..8 {
            let mut digest = segment.sha256.clone().into_bytes();
            digest[at] ^= 1 << bit;
            store.overwrite(&format!("{NAME}.sha256"), digest);
            let Err(crate::Error::Segment(error)) = read_whole(&store).await else { panic!("digit {at}, bit {bit}") };
            assert!(matches!(error.kind, SegmentErrorKind::ChecksumMismatch | SegmentErrorKind::Damaged), "{error}");
        }
        store.overwrite(&format!("{NAME}.sha256"), segment.sha256[..at].to_owned());
        assert!(read_whole(&store).await.is_err(), "cut at {at}");
    }
}

#[tokio::test]
async fn an_object_replaced_while_it_is_read_is_found() {
    let segment = write(spec(100, GZIP), 1, &noisy_records(100), 5000).await;
    let store = stored(&segment, NAME);
    let mut reader = SegmentReader::open(Arc::new(store.clone()), NAME, options(1)).await.unwrap();
    assert!(reader.next_group().await.unwrap().is_some());
    store.overwrite(NAME, segment.body.to_bytes());
    let error = loop {
        match reader.next_group().await {
            Ok(group) => assert!(group.is_some()),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("replaced while it was read"), "{error}");
}

#[tokio::test]
async fn a_segment_under_another_name_is_misplaced() {
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    let reader = SegmentReader::open(Arc::new(stored(&segment, NAME)), NAME, options(1)).await.unwrap();
    for folder in ["orders", "orders@2"] {
        reader.belongs_to(folder, None, 3, 100).unwrap();
    }
    for (folder, partition, start) in [("order", 3, 100), ("orders@x", 3, 100), ("orders", 2, 100), ("orders", 3, 101)] {
        assert_eq!(reader.belongs_to(folder, None, partition, start).unwrap_err().kind, SegmentErrorKind::Misplaced);
    }
    let (own, other) = (reader.manifest().topic_id.clone(), "BBBBBBBBBBBBBBBBBBBBBB".parse().unwrap());
    assert!(own.is_some());
    reader.belongs_to("orders", own.as_ref(), 3, 100).unwrap();
    let error = reader.belongs_to("orders", Some(&other), 3, 100).unwrap_err();
    assert_eq!(error.kind, SegmentErrorKind::Misplaced, "a topic that was created again, in the folder of the old one");
}

#[tokio::test]
async fn a_newer_format_says_so_whatever_else_is_in_it() {
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    let newer = with_manifest(&segment, |manifest| manifest.format_version = FORMAT_VERSION + 1);
    assert_eq!(refusal(&newer).await.0, SegmentErrorKind::UnknownVersion);
    let mut head = vec![0; 512];
    let json = br#"{"format_version":2,"all":"new"}"#;
    let mut header = tar::Header::new_gnu();
    header.set_size(json.len() as u64);
    head.copy_from_slice(header.as_bytes());
    head.extend_from_slice(json);
    assert_eq!(refusal(&with_head(&segment, &head)).await.0, SegmentErrorKind::UnknownVersion);
}

/// The segment with one more field in its manifest.
fn with_added_field(segment: &FinishedSegment, field: &str) -> FinishedSegment {
    let head = archive::head(&segment.manifest);
    let header = |at: usize, size: u64| {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&head[at..at + 512]);
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let json = serde_json::to_string(&segment.manifest).unwrap().replacen('{', &format!("{{ {field},"), 1);
    let mut changed = [header(0, json.len() as u64), json.into_bytes()].concat();
    changed.resize(changed.len().next_multiple_of(512), 0);
    changed.extend(header(head.len() - 512, segment.manifest.log_bytes));
    with_head(segment, &changed)
}

#[tokio::test]
async fn a_field_that_a_later_version_adds_is_ignored() {
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    let added = with_added_field(&segment, r#""added": [1, 2]"#);
    assert_eq!(read_whole(&stored(&added, NAME)).await.unwrap(), (few_records(), Sidecar::Matches));
}

#[tokio::test]
async fn a_head_larger_than_the_first_request_is_read_in_more() {
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    let noise: String = noisy_records(5).iter().flat_map(|record| record.value.iter().flatten()).map(|b| format!("{b:02x}")).collect();
    let large = with_added_field(&segment, &format!(r#""added": "{noise}""#));
    let counting = CountingStore::new(Arc::new(stored(&large, NAME)));
    assert!(large.body.len() > 300_000);
    assert_eq!(read(Arc::new(counting.clone()), NAME, options(1), None).await.unwrap(), (few_records(), Sidecar::Matches));
    assert_eq!(counting.counts().total(), 4, "64 KiB, 256 KiB, the rest, the sidecar");

    let store = store::testing::MemoryStore::new();
    store.overwrite(NAME, large.body.to_bytes().slice(..200_000));
    let error = read_whole(&store).await.unwrap_err();
    assert!(error.to_string().ends_with("end inside the head"), "{error}");
}

/// Each with a matching head, checksums and sidecar: only the contradiction shows it.
#[tokio::test]
async fn a_manifest_that_contradicts_itself_or_the_log_is_refused() {
    type Change = fn(&mut Manifest);
    let changes: &[(&str, Change)] = &[
        ("version 0", |m| m.format_version = 0),
        ("topic", |m| m.topic = "../etc".to_owned()),
        ("no topic", |m| m.topic.clear()),
        ("partition", |m| m.partition = -1),
        ("created_at", |m| m.created_at = "today".to_owned()),
        ("negative start", |m| m.start = -1),
        ("lowest start", |m| m.start = i64::MIN),
        ("start above first", |m| m.start = 101),
        ("next not above last", |m| m.next = 108),
        ("next at the lowest", |m| m.next = i64::MIN),
        ("one record more", |m| m.records += 1),
        ("no record", |m| m.records = 0),
        ("no first offset", |m| m.first_offset = None),
        ("another last offset", |m| m.last_offset = Some(109)),
        ("gap elsewhere", |m| m.gap = Some(Gap { from: 99, to: 100, reason: GapReason::LogStartMoved })),
        ("empty gap", |m| m.gap = Some(Gap { from: 100, to: 100, reason: GapReason::LogStartMoved })),
        ("gap over records", |m| m.gap = Some(Gap { from: 100, to: 101, reason: GapReason::LogStartMoved })),
        ("timestamps", |m| m.min_timestamp = Some(i64::MAX)),
        ("no timestamp", |m| m.max_timestamp = None),
        ("no timestamp type", |m| m.timestamp_types.clear()),
        ("timestamp types", |m| m.timestamp_types = vec![TimestampType::CreateTime; 2]),
        ("zero timestamps", |m| m.zero_timestamps = 5),
        ("small largest record", |m| m.largest_record = 60),
        ("large largest record", |m| m.largest_record = u64::MAX),
        ("log size", |m| m.log_bytes += 1),
        ("no members", |m| m.members.clear()),
        ("member twice", |m| m.members.push(m.members[0].clone())),
        ("member's first offset", |m| m.members[0].first_offset = 99),
        ("member's last offset", |m| m.members[0].last_offset = 109),
        ("member's records", |m| m.members[0].records = 3),
        ("all records", |m| (m.records, m.members[0].records) = (3, 3)),
        ("all first offsets", |m| (m.first_offset, m.members[0].first_offset) = (Some(101), 101)),
        ("member's size", |m| m.members[0].bytes += 1),
        ("all sizes", |m| (m.log_bytes, m.members[0].bytes) = (m.log_bytes + 1, m.members[0].bytes + 1)),
        ("no size", |m| m.members[0].bytes = 0),
        ("endless size", |m| m.members[0].bytes = u64::MAX),
        ("member's stored size", |m| m.members[0].stored -= 1),
        ("no stored size", |m| m.members[0].stored = 0),
        ("endless stored size", |m| m.members[0].stored = u64::MAX),
        ("member's crc", |m| m.members[0].crc32c ^= 1),
    ];
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    for (name, change) in changes {
        let changed = with_manifest(&segment, change);
        let (kind, what) = refusal(&changed).await;
        assert_eq!(kind, SegmentErrorKind::Damaged, "{name}: {what}");
    }
}

#[tokio::test]
async fn a_bomb_is_refused_before_memory_is_taken_for_it() {
    let segment = write(spec(100, GZIP), 1, &few_records(), 110).await;
    let bomb = with_manifest(&segment, |manifest| {
        manifest.members[0].bytes = 200 << 20;
        manifest.log_bytes = 200 << 20;
        manifest.largest_record = 200 << 20;
    });
    let (kind, what) = refusal(&bomb).await;
    assert_eq!(kind, SegmentErrorKind::Damaged);
    assert!(what.contains("cannot contain"), "{what}");

    let (kind, what) = refusal(&with_head(&segment, &vec![b' '; 65 << 20])).await;
    assert_eq!(kind, SegmentErrorKind::Damaged);
    assert!(what.contains("more than"), "{what}");
}

#[tokio::test]
async fn other_files_are_no_segments() {
    let store = store::testing::MemoryStore::new();
    for other in [&b""[..], b"\x1f", b"\x1f\x8b\x08\x08 named.gz", b"\x28\xb5\x2f\xfd", b"plain text", &[0; 2000]] {
        store.overwrite(NAME, other.to_vec());
        let Err(crate::Error::Segment(error)) = read_whole(&store).await else { panic!("{other:?}") };
        assert_eq!(error.kind, SegmentErrorKind::Damaged, "{error}");
    }
    let python = include_bytes!("../../../testdata/python-archives/orders/0/20261123-072349.tar.gz");
    store.overwrite(NAME, python.to_vec());
    assert!(read_whole(&store).await.is_err());
}
