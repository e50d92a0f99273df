use kernel::record::{Record, TimestampType};

use super::*;

/// Writes records as record batches into one buffer.
///
/// Offsets keep their distances, so holes stay holes. Every record has its own timestamp in a
/// `CreateTime` batch. In a `LogAppendTime` batch all have the batch's, so a new time starts a new
/// batch.
#[derive(Debug, Default)]
pub(in crate::segment) struct BatchBuilder {
    log: Vec<u8>,
    open: Option<OpenBatch>,
    last_offset: Option<i64>,
}

/// The batch at the end of the buffer; its header is written when it is closed.
#[derive(Debug)]
struct OpenBatch {
    at: usize,
    base_offset: i64,
    base_timestamp: i64,
    max_timestamp: i64,
    timestamp_type: TimestampType,
    records: i32,
}

impl BatchBuilder {
    /// Bytes since the last [`take`](Self::take).
    pub(in crate::segment) fn len(&self) -> usize {
        self.log.len()
    }

    /// Appends a record.
    ///
    /// # Errors
    /// Why it cannot be stored: its offset is not above the previous one (in any group), or it has
    /// more than 2 GiB. Nothing was written.
    pub(in crate::segment) fn push(&mut self, sized: Sized<'_>) -> Result<(), String> {
        let record = sized.record;
        let offset = record.offset;
        if offset < 0 || self.last_offset.is_some_and(|last| offset <= last) {
            return Err(format!("offset {offset} after offset {}: offsets must increase", self.last_offset.unwrap_or(-1)));
        }
        let size = sized.alone();
        if size > i32::MAX as usize {
            return Err(format!("the record at offset {offset} has {size} bytes: a record batch can have at most 2 GiB"));
        }
        let fits = self.open.as_ref().is_some_and(|open| self.log.len() - open.at + size <= BATCH_BYTES && open.takes(record));
        if !fits {
            self.close();
            self.begin(record);
        }
        self.last_offset = Some(offset);
        if let Some(open) = &mut self.open {
            self.log.reserve(size);
            open.append(&mut self.log, sized);
        }
        Ok(())
    }

    /// Closes the batch and returns the buffer, which `next` replaces.
    pub(in crate::segment) fn take(&mut self, mut next: Vec<u8>) -> Vec<u8> {
        self.close();
        next.clear();
        std::mem::replace(&mut self.log, next)
    }

    fn begin(&mut self, record: &Record<'_>) {
        self.open = Some(OpenBatch {
            at: self.log.len(),
            base_offset: record.offset,
            base_timestamp: record.timestamp,
            max_timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
            records: 0,
        });
        self.log.extend_from_slice(&[0; BATCH_HEADER]);
    }

    fn close(&mut self) {
        let (Some(open), Some(last)) = (self.open.take(), self.last_offset) else { return };
        let batch = &mut self.log[open.at..];
        let length = (batch.len() - LEADER_EPOCH) as i32;
        let attributes = if open.timestamp_type == TimestampType::LogAppendTime { LOG_APPEND_TIME } else { 0 };
        put(batch, 0, open.base_offset.to_be_bytes());
        put(batch, BATCH_LENGTH, length.to_be_bytes());
        put(batch, LEADER_EPOCH, EPOCH_AND_MAGIC);
        put(batch, ATTRIBUTES, attributes.to_be_bytes());
        put(batch, LAST_OFFSET_DELTA, ((last - open.base_offset) as i32).to_be_bytes());
        put(batch, BASE_TIMESTAMP, open.base_timestamp.to_be_bytes());
        put(batch, MAX_TIMESTAMP, open.max_timestamp.to_be_bytes());
        put(batch, PRODUCER_ID, NO_PRODUCER);
        put(batch, RECORDS_COUNT, open.records.to_be_bytes());
        let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
        put(batch, CRC, crc.to_be_bytes());
    }
}

impl OpenBatch {
    fn takes(&self, record: &Record<'_>) -> bool {
        record.timestamp_type == self.timestamp_type
            && (self.timestamp_type == TimestampType::CreateTime || record.timestamp == self.base_timestamp)
            && record.offset - self.base_offset <= i64::from(i32::MAX)
    }

    fn append(&mut self, log: &mut Vec<u8>, Sized { record, len }: Sized<'_>) {
        self.records += 1;
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        // Wraps like Kafka's own, so that any two timestamps can share a batch.
        let timestamp_delta = record.timestamp.wrapping_sub(self.base_timestamp);
        let offset_delta = record.offset - self.base_offset;
        let body = len + varint::len(timestamp_delta) + varint::len(offset_delta);
        varint::put(log, body as i64);
        log.push(0);
        varint::put(log, timestamp_delta);
        varint::put(log, offset_delta);
        put_bytes(log, record.key);
        put_bytes(log, record.value);
        varint::put(log, record.headers.len() as i64);
        for header in record.headers {
            put_bytes(log, Some(header.key));
            put_bytes(log, header.value);
        }
    }
}

/// A record and its length, which is computed once.
#[derive(Clone, Copy)]
pub(in crate::segment) struct Sized<'a> {
    record: &'a Record<'a>,
    /// Of the body, without its two deltas.
    len: usize,
}

impl<'a> Sized<'a> {
    pub(in crate::segment) fn new(record: &'a Record<'a>) -> Self {
        Self { record, len: len_without_deltas(record) }
    }

    /// Size of a batch with only this record, in bytes: what a broker compares with
    /// `max.message.bytes`.
    pub(in crate::segment) fn alone(self) -> usize {
        let body = self.len + 2;
        BATCH_HEADER + varint::len(body as i64) + body
    }
}

/// Length of a record's body without its two deltas.
fn len_without_deltas(record: &Record<'_>) -> usize {
    let headers: usize = record.headers.iter().map(|header| bytes_len(Some(header.key)) + bytes_len(header.value)).sum();
    1 + bytes_len(record.key) + bytes_len(record.value) + varint::len(record.headers.len() as i64) + headers
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::len(bytes.len() as i64) + bytes.len())
}

fn put_bytes(log: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put(log, -1),
        Some(bytes) => {
            varint::put(log, bytes.len() as i64);
            log.extend_from_slice(bytes);
        }
    }
}

fn put<const N: usize>(batch: &mut [u8], at: usize, field: [u8; N]) {
    batch[at..at + N].copy_from_slice(&field);
}
