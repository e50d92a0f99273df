use archive::segment::{BatchSummary, Compression, Records, check_batches};

use super::parts::repair_batches;
use super::{expect_same, wait_for, writer};

/// Record batches are either refused, or consistent: they have as many records as their headers
/// say, begin and end at the same offsets, and survive a segment. The first byte chooses whether
/// their CRCs are repaired. Without the repair, reading them must still be safe.
pub fn batches(input: &[u8]) {
    let Some((choices, log)) = input.split_first() else { return };
    let mut log = log.to_vec();
    if choices & 1 == 0 {
        repair_batches(&mut log);
    }
    let checked = check_batches(&log);
    let mut records = Records::new(&log, 0);
    let (mut found, mut written) = (BatchSummary { records: 0, first_offset: -1, last_offset: -1 }, Vec::new());
    let mut again = writer(0, Compression::Gzip(1));
    loop {
        match records.next() {
            Ok(Some(record)) => {
                found.first_offset = if found.records == 0 { record.offset } else { found.first_offset };
                (found.records, found.last_offset) = (found.records + 1, record.offset);
                written.push(format!("{record:?}"));
                // The highest possible offset has no next one.
                assert!(again.append(&record).is_ok() || record.offset == i64::MAX, "{record:?} was read and cannot be written");
            }
            Ok(None) => break,
            Err(_) => return assert!(matches!(records.next(), Ok(None)), "something follows an error"),
        }
    }
    let Ok(summary) = checked else { return };
    assert_eq!(found, summary, "the records are not what the headers say");
    if found.records > 0 && found.last_offset < i64::MAX {
        wait_for(expect_same(again, found.last_offset + 1, &written));
    }
}
