#![allow(clippy::unwrap_used)]

use kernel::record::TimestampType;
use proptest::prelude::*;

use super::*;
use crate::segment::testing::{Owned, any_records};

fn build(records: &[Owned]) -> Vec<u8> {
    let mut builder = BatchBuilder::default();
    for record in records {
        record.lend(|record| builder.push(Sized::new(record))).unwrap();
    }
    builder.take(Vec::new())
}

fn read(bytes: &[u8], from: i64) -> Result<Vec<Owned>, BatchError> {
    let mut records = Records::new(bytes, from);
    let mut found = Vec::new();
    while let Some(record) = records.next()? {
        found.push(Owned::of(&record));
    }
    Ok(found)
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The bytes are those that Kafka's own `MemoryRecordsBuilder` (kafka-clients 4.1.0) made of the
/// same records.
#[test]
fn a_create_time_batch_is_what_kafka_itself_writes() {
    let first = Owned {
        key: Some(b"k".to_vec()),
        headers: vec![(b"h".to_vec(), Some(b"1".to_vec())), (b"h".to_vec(), None), (Vec::new(), Some(Vec::new()))],
        ..Owned::new(1000, "value")
    };
    let second = Owned { timestamp: 1_699_999_999_000, ..Owned::new(1003, "") };
    let third = Owned { timestamp: -1, key: Some(Vec::new()), value: None, ..Owned::new(1300, "") };
    let records = [first, second, third];
    let kafka = hex(concat!(
        "00000000000003e80000005cffffffff02fd4045fb00000000012c0000018bcfe568000000018bcfe56800ffffffffffffffffffffffffffff",
        "000000032a000000026b0a76616c7565060268023102680100000e00cf0f06010000180081a0abfef962d804000100",
    ));
    assert_eq!(build(&records), kafka);
    assert_eq!(read(&kafka, 0).unwrap(), records);
    assert_eq!(check(&kafka).unwrap(), BatchSummary { records: 3, first_offset: 1000, last_offset: 1300 });
}

#[test]
fn a_log_append_time_batch_is_what_kafka_itself_writes() {
    let record = |offset, key: &str, value: &str| Owned {
        timestamp: 1_700_000_000_123,
        timestamp_type: TimestampType::LogAppendTime,
        key: Some(key.into()),
        ..Owned::new(offset, value)
    };
    let records = [record(7, "a", "b"), record(8, "c", "d")];
    let kafka = hex(concat!(
        "000000000000000700000043ffffffff0256eaf4320008000000010000018bcfe5687b0000018bcfe5687bffffffffffffffffffffffffffff",
        "00000002100000000261026200100000020263026400",
    ));
    assert_eq!(build(&records), kafka);
    assert_eq!(read(&kafka, 0).unwrap(), records);
}

#[test]
fn a_batch_ends_where_its_records_stop_sharing_it() {
    let at = |offset, timestamp, timestamp_type| Owned { timestamp, timestamp_type, ..Owned::new(offset, "v") };
    let (created, appended) = (TimestampType::CreateTime, TimestampType::LogAppendTime);
    let far = i64::from(i32::MAX);
    let records = [
        at(0, 5, created),
        at(1, 9, created),
        at(2, 9, appended),
        at(3, 9, appended),
        at(4, 10, appended),
        at(5, 10, created),
        at(5 + far, 10, created),
        at(6 + far, 10, created),
    ];
    let log = build(&records);
    let mut firsts = Vec::new();
    let mut rest = &log[..];
    while !rest.is_empty() {
        let (offset, length) = (i64::from_be_bytes(rest[..8].try_into().unwrap()), i32::from_be_bytes(rest[8..12].try_into().unwrap()));
        firsts.push(offset);
        rest = &rest[12 + length as usize..];
    }
    assert_eq!(firsts, [0, 2, 4, 5, 6 + far]);
    assert_eq!(read(&log, 0).unwrap(), records);
}

#[test]
fn a_full_batch_takes_no_further_record() {
    let records: Vec<_> = (0..3).map(|offset| Owned::new(offset, vec![b'x'; BATCH_BYTES / 2])).collect();
    let log = build(&records);
    assert_eq!(check(&log).unwrap().records, 3);
    assert_eq!(log.len(), records.iter().map(|r| r.lend(|record| Sized::new(record).alone())).sum::<usize>());
    assert_eq!(read(&log, 1).unwrap(), records[1..]);
}

#[test]
fn offsets_that_do_not_go_up_are_refused_and_nothing_is_written() {
    let mut builder = BatchBuilder::default();
    let mut push = |offset| Owned::new(offset, "v").lend(|record| builder.push(Sized::new(record)));
    assert!(push(-1).is_err());
    push(5).unwrap();
    assert!(push(5).is_err() && push(4).is_err());
    push(6).unwrap();
    let log = builder.take(Vec::new());
    assert_eq!(check(&log).unwrap().records, 2);
    assert!(Owned::new(6, "v").lend(|record| builder.push(Sized::new(record))).is_err(), "in the next group, too");
}

/// With a matching CRC, so that only the structure shows the damage.
#[test]
fn structures_that_this_project_does_not_write_are_refused() {
    let log = build(&[Owned::new(0, "a"), Owned::new(2, "b")]);
    let record = BATCH_HEADER..BATCH_HEADER + 8;
    assert_eq!(log[record.clone()], [14, 0, 0, 0, 1, 2, b'a', 0]);
    type Damage = fn(&mut Vec<u8>);
    let damages: &[(&str, Damage)] = &[
        ("compressed", |log| log[ATTRIBUTES + 1] = 1),
        ("transactional", |log| log[ATTRIBUTES + 1] = 1 << 4),
        ("control", |log| log[ATTRIBUTES + 1] = 1 << 5),
        ("magic 1", |log| log[LEADER_EPOCH + 4] = 1),
        ("a producer", |log| log[PRODUCER_ID] = 0),
        ("no records", |log| log[RECORDS_COUNT + 3] = 0),
        ("fewer records than there are", |log| log[RECORDS_COUNT + 3] = 1),
        ("more records than there are", |log| log[RECORDS_COUNT + 3] = 3),
        ("more records than offsets", |log| log[RECORDS_COUNT] = 0x7f),
        ("another last offset", |log| log[LAST_OFFSET_DELTA + 3] = 3),
        ("an offset that goes back", |log| log[BATCH_HEADER + 8 + 3] = 1),
        ("a negative base offset", |log| log[0] = 0xff),
        ("an offset above all", |log| log[..8].copy_from_slice(&(i64::MAX - 1).to_be_bytes())),
        ("a negative batch length", |log| log[BATCH_LENGTH] = 0xff),
        ("a short batch length", |log| log[BATCH_LENGTH + 3] -= 1),
        ("a long batch length", |log| log[BATCH_LENGTH + 3] += 1),
        ("record attributes", |log| log[BATCH_HEADER + 1] = 1),
        ("a long key", |log| log[BATCH_HEADER + 4] = 40),
        ("a negative value length", |log| log[BATCH_HEADER + 5] = 3),
        ("a header that is not there", |log| log[BATCH_HEADER + 7] = 2),
        ("a null record", |log| log[BATCH_HEADER] = 1),
        ("bytes behind the last record", |log| {
            log.push(0);
            log[BATCH_LENGTH + 3] += 1;
        }),
        ("bytes behind the last batch", |log| log.push(0)),
    ];
    assert_eq!(read(&log, 0).unwrap().len(), 2);
    for (name, damage) in damages {
        let mut damaged = log.clone();
        damage(&mut damaged);
        assert!(read(&damaged, 0).is_err(), "{name}");
    }
}

#[test]
fn every_flipped_bit_behind_the_crc_is_found() {
    let log = build(&[Owned::new(7, "a"), Owned { key: Some(b"k".to_vec()), ..Owned::new(9, "b") }]);
    for at in CRC * 8..log.len() * 8 {
        let mut damaged = log.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        assert!(check(&damaged).is_err(), "bit {at}");
    }
    for len in 1..log.len() {
        assert!(check(&log[..len]).is_err(), "cut at {len}");
        assert!(read(&log[..len], 0).is_err(), "cut at {len}");
    }
}

proptest! {
    #[test]
    fn any_records_come_back(records in any_records()) {
        let log = build(&records);
        let expected = BatchSummary {
            records: records.len() as u64,
            first_offset: records.first().map_or(-1, |r| r.offset),
            last_offset: records.last().map_or(-1, |r| r.offset),
        };
        prop_assert_eq!(check(&log).unwrap(), expected);
        prop_assert_eq!(read(&log, i64::MIN).unwrap(), &records[..]);
        if let Some(middle) = records.get(records.len() / 2) {
            prop_assert_eq!(read(&log, middle.offset).unwrap(), &records[records.len() / 2..]);
        }
    }

    #[test]
    fn any_bytes_are_safe_to_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = check(&bytes);
        let _ = read(&bytes, 0);
    }

    /// Damage after a valid header, which random bytes never reach.
    #[test]
    fn any_damaged_batch_is_safe_to_read(records in any_records(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut log = build(&records);
        if !log.is_empty() {
            let at = at.index(log.len());
            log[at] = byte;
            let _ = check(&log);
            let _ = read(&log, 0);
        }
    }
}
