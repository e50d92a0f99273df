use kernel::record::{Header, Record, TimestampType};

use super::*;

/// Bytes that are not record batches as this project writes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {what}")]
pub struct BatchError {
    /// Position from the start of the batches, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

impl BatchError {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

/// The content of the headers of some batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchSummary {
    /// Number of records.
    pub records: u64,
    /// Offset of the first record; -1 if there is none.
    pub first_offset: i64,
    /// Offset of the last record; -1 if there is none.
    pub last_offset: i64,
}

/// Checks lengths, fixed fields, order and CRC-32C of all batches in `bytes`, without parsing
/// records.
///
/// # Errors
/// The first batch that is not as written.
pub fn check(bytes: &[u8]) -> Result<BatchSummary, BatchError> {
    let mut summary = BatchSummary { records: 0, first_offset: -1, last_offset: -1 };
    let mut at = 0;
    while at < bytes.len() {
        let batch = BatchHeader::parse(bytes, at, summary.last_offset)?;
        let stored = u32::from_be_bytes(field(&bytes[at..], CRC));
        let actual = crc32c::crc32c(&bytes[at + ATTRIBUTES..batch.end]);
        if stored != actual {
            return Err(BatchError::new(at, format!("the batch's CRC-32C is {stored:08x}, but its bytes have {actual:08x}")));
        }
        if summary.records == 0 {
            summary.first_offset = batch.base_offset;
        }
        summary.last_offset = batch.last_offset;
        summary.records += u64::from(batch.records);
        at = batch.end;
    }
    Ok(summary)
}

/// Reads records from record batches, one after another, borrowed from the bytes. Any bytes are
/// safe to read; [`check`] compares CRCs.
#[derive(Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    from: i64,
    batch: BatchHeader,
    /// The unread part of the current batch.
    rest: &'a [u8],
    /// Its unread records.
    left: u32,
    /// Offset of the last record, including skipped ones.
    last_offset: i64,
    headers: Vec<Header<'a>>,
}

/// A record without its headers, which are in [`Records::headers`].
struct Parsed<'a> {
    offset: i64,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Records<'a> {
    /// Reads the records with offset `from` and above.
    pub fn new(bytes: &'a [u8], from: i64) -> Self {
        let batch = BatchHeader::default();
        Self { bytes, from, batch, rest: &[], left: 0, last_offset: -1, headers: Vec::new() }
    }

    /// The next record, `None` after the last one. It is valid until the next call.
    ///
    /// # Errors
    /// The bytes are not what this project writes; nothing more can be read.
    #[allow(clippy::should_implement_trait)] // It lends: no Iterator can.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, BatchError> {
        while self.left > 0 || self.next_batch()? {
            let Some(record) = self.parse() else {
                let at = self.batch.end - self.rest.len();
                (self.left, self.batch.end) = (0, self.bytes.len());
                return Err(BatchError::new(at, format!("no valid record follows offset {}", self.last_offset)));
            };
            if record.offset >= self.from {
                return Ok(Some(Record {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    timestamp_type: self.batch.timestamp_type,
                    key: record.key,
                    value: record.value,
                    headers: &self.headers,
                }));
            }
        }
        Ok(None)
    }

    /// Moves to the next batch that can contain a wanted record.
    fn next_batch(&mut self) -> Result<bool, BatchError> {
        while self.batch.end < self.bytes.len() {
            let at = self.batch.end;
            self.batch = BatchHeader::parse(self.bytes, at, self.last_offset).inspect_err(|_| self.batch.end = self.bytes.len())?;
            if self.batch.last_offset >= self.from {
                self.rest = &self.bytes[at + BATCH_HEADER..self.batch.end];
                self.left = self.batch.records;
                return Ok(true);
            }
            self.last_offset = self.batch.last_offset;
        }
        Ok(false)
    }

    /// Takes the next record of the batch and checks its place in it. `None`: it is invalid.
    fn parse(&mut self) -> Option<Parsed<'a>> {
        let body = take_bytes(&mut self.rest)??;
        let record = parse_body(body, &self.batch, &mut self.headers)?;
        let first = self.left == self.batch.records;
        self.left -= 1;
        let in_order = if first { record.offset == self.batch.base_offset } else { record.offset > self.last_offset };
        let ends_well = self.left > 0 || (record.offset == self.batch.last_offset && self.rest.is_empty());
        self.last_offset = record.offset;
        (in_order && ends_well).then_some(record)
    }
}

fn parse_body<'a>(mut body: &'a [u8], batch: &BatchHeader, headers: &mut Vec<Header<'a>>) -> Option<Parsed<'a>> {
    let body = &mut body;
    let attributes = body.split_off_first()?;
    let timestamp_delta = varint::get(body)?;
    let offset_delta = varint::get(body)?;
    let key = take_bytes(body)?;
    let value = take_bytes(body)?;
    let count = usize::try_from(varint::get(body)?).ok()?;
    headers.clear();
    for _ in 0..count {
        headers.push(Header { key: take_bytes(body)??, value: take_bytes(body)? });
    }
    let timestamp = match batch.timestamp_type {
        TimestampType::CreateTime => batch.base_timestamp.wrapping_add(timestamp_delta),
        TimestampType::LogAppendTime => batch.max_timestamp,
    };
    let offset = batch.base_offset.checked_add(offset_delta)?;
    (*attributes == 0 && body.is_empty()).then_some(Parsed { offset, timestamp, key, value })
}

/// Takes a length and that many bytes; `Some(None)` is null.
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match varint::get(bytes)? {
        -1 => Some(None),
        len => bytes.split_off(..usize::try_from(len).ok()?).map(Some),
    }
}

/// The header of a batch.
#[derive(Debug)]
struct BatchHeader {
    base_offset: i64,
    last_offset: i64,
    timestamp_type: TimestampType,
    base_timestamp: i64,
    max_timestamp: i64,
    records: u32,
    /// Where the batch ends.
    end: usize,
}

impl Default for BatchHeader {
    fn default() -> Self {
        let timestamp_type = TimestampType::CreateTime;
        Self { base_offset: -1, last_offset: -1, timestamp_type, base_timestamp: -1, max_timestamp: -1, records: 0, end: 0 }
    }
}

impl BatchHeader {
    /// Parses the header at `at` and checks that the batch is complete and is above offset `after`.
    fn parse(bytes: &[u8], at: usize, after: i64) -> Result<Self, BatchError> {
        let fail = |what: String| Err(BatchError::new(at, what));
        let rest = &bytes[at..];
        if rest.len() < BATCH_HEADER {
            return fail(format!("{} bytes are not a record batch", rest.len()));
        }
        let size = LEADER_EPOCH as i64 + i64::from(i32::from_be_bytes(field(rest, BATCH_LENGTH)));
        if size <= BATCH_HEADER as i64 || size > rest.len() as i64 {
            return fail(format!("a record batch of {size} bytes, but only {} follow", rest.len()));
        }
        let attributes = i16::from_be_bytes(field(rest, ATTRIBUTES));
        let as_written = field(rest, LEADER_EPOCH) == EPOCH_AND_MAGIC && field(rest, PRODUCER_ID) == NO_PRODUCER;
        if !as_written || attributes & !LOG_APPEND_TIME != 0 {
            return fail(format!("not a record batch as this project writes them (attributes {attributes:#06x})"));
        }
        let base_offset = i64::from_be_bytes(field(rest, 0));
        let last_delta = i64::from(i32::from_be_bytes(field(rest, LAST_OFFSET_DELTA)));
        let records = i64::from(i32::from_be_bytes(field(rest, RECORDS_COUNT)));
        let last_offset = base_offset.checked_add(last_delta).unwrap_or(-1);
        if base_offset <= after || last_offset < base_offset || !(1..=last_delta + 1).contains(&records) {
            return fail(format!("{records} records in offsets {base_offset} to {last_offset}, after offset {after}"));
        }
        let timestamp_type = if attributes == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime };
        let base_timestamp = i64::from_be_bytes(field(rest, BASE_TIMESTAMP));
        let max_timestamp = i64::from_be_bytes(field(rest, MAX_TIMESTAMP));
        let (records, end) = (records as u32, at + size as usize);
        Ok(Self { base_offset, last_offset, timestamp_type, base_timestamp, max_timestamp, records, end })
    }
}

/// The bytes of a header's field. The caller has checked that a whole header is there.
fn field<const N: usize>(batch: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&batch[at..at + N]);
    field
}
