//! Records as librdkafka holds them, without copies.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::slice;

use kernel::record::{Header, Record, TimestampType};
use rdkafka_sys::{
    rd_kafka_message_destroy, rd_kafka_message_produce_errstr, rd_kafka_message_t, rd_kafka_message_timestamp, rd_kafka_timestamp_type_t,
};

use super::super::backlog::Size;
use super::code::{Code, Failure};
use super::header::{self, Malformed};
use super::layout::Layout;
use super::text;

/// A message from a queue: a record, or an event of the partition.
#[repr(transparent)]
pub(crate) struct Message(pub(super) NonNull<rd_kafka_message_t>);

// SAFETY: a message is not bound to a thread; it belongs to this value alone.
unsafe impl Send for Message {}

/// The content of a message.
pub(crate) enum Entry<'a> {
    /// A record of the partition.
    Record(&'a Message),
    /// The end of the partition, for the reader's isolation level: nothing to visit is before this
    /// offset.
    End(i64),
    /// Something went wrong.
    Failed(Failure),
}

impl Message {
    /// Its content.
    pub(crate) fn entry(&self) -> Entry<'_> {
        // SAFETY: a valid message.
        match unsafe { code(self.0.as_ptr()) } {
            Code::NO_ERROR => Entry::Record(self),
            Code::PARTITION_EOF => Entry::End(self.offset()),
            code => {
                // SAFETY: the payload of an error is its text.
                let words = unsafe { bytes((*self.0.as_ptr()).payload, (*self.0.as_ptr()).len) };
                let words = words.map_or_else(|| code.describe(), |words| String::from_utf8_lossy(words).into_owned());
                Entry::Failed(Failure::new(code, words.trim_end_matches('\0')))
            }
        }
    }

    /// Offset of the record.
    pub(crate) fn offset(&self) -> i64 {
        // SAFETY: a valid message.
        unsafe { (*self.0.as_ptr()).offset }
    }

    /// Whether the record is of message format v0 or v1. librdkafka misreads such records from
    /// brokers that support flexible versions of Fetch (`probe.rs`). Only these formats have no
    /// headers: a record of v2 has at least their count.
    pub(crate) fn is_of_old_format(&self) -> bool {
        self.raw_headers().is_ok_and(<[u8]>::is_empty)
    }

    /// Appends the record's headers to `into`.
    pub(crate) fn headers<'a>(&'a self, into: &mut Vec<Header<'a>>) -> Result<(), Malformed> {
        header::parse(self.raw_headers()?, into)
    }

    /// The raw headers of the record. `Malformed` if the message is not built as `layout.rs` says,
    /// by a modified librdkafka of the same version: then its timestamp is not where it should be.
    fn raw_headers(&self) -> Result<&[u8], Malformed> {
        // SAFETY: a valid message. Every message is a `Layout` of this version, without which no
        // client starts. The headers are null or have the length next to them, and belong to the
        // message, which the result borrows.
        let raw = unsafe {
            let message = self.0.as_ptr().cast_const().cast::<Layout>();
            if (*message).timestamp != rd_kafka_message_timestamp(self.0.as_ptr(), std::ptr::null_mut()) {
                return Err(Malformed);
            }
            bytes((*message).raw_headers.cast(), usize::try_from((*message).raw_headers_length).unwrap_or(0))
        };
        Ok(raw.unwrap_or_default())
    }

    /// The record, with these headers.
    pub(crate) fn record<'a>(&'a self, headers: &'a [Header<'a>]) -> Record<'a> {
        let mut kind = rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a valid message whose key and payload are null or have as many bytes as their
        // lengths say, and belong to the message, which the record borrows.
        unsafe {
            let message = self.0.as_ptr();
            let timestamp = rd_kafka_message_timestamp(message, &raw mut kind);
            let timestamp_type = match kind {
                rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            };
            // Records of format v0 have no timestamp, which other clients read as -1; librdkafka
            // returns 0.
            let timestamp = if kind == rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE { -1 } else { timestamp };
            let key = bytes((*message).key, (*message).key_len);
            let value = bytes((*message).payload, (*message).len);
            Record { offset: (*message).offset, timestamp, timestamp_type, key, value, headers }
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once.
        unsafe { rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// The content of a delivery report.
pub(super) struct Report {
    pub(super) code: Code,
    pub(super) text: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// The size that was counted when the record was queued.
    pub(super) size: Size,
}

/// Reads a delivery report.
///
/// # Safety
/// `message` points to a message of a delivery report.
pub(super) unsafe fn read_report(message: *const rd_kafka_message_t) -> Report {
    // SAFETY: the caller's promise.
    unsafe {
        let code = code(message);
        let words = match code {
            Code::NO_ERROR => String::new(),
            _ => format!("{}: {}", code.describe(), text(rd_kafka_message_produce_errstr(message))),
        };
        let size = Size { memory: (*message)._private.addr(), bytes: (*message).len + (*message).key_len };
        Report { code, text: words, partition: (*message).partition, offset: (*message).offset, size }
    }
}

/// The code of a message, read as the integer that C has: see `code.rs`.
///
/// # Safety
/// `message` points to a message.
unsafe fn code(message: *const rd_kafka_message_t) -> Code {
    // SAFETY: the caller's promise; the field is a C enum, an int.
    Code(unsafe { (&raw const (*message).err).cast::<c_int>().read() })
}

/// Null or bytes.
///
/// # Safety
/// `start` is null or points to `size` bytes that live, unchanged, for `'a`.
unsafe fn bytes<'a>(start: *const c_void, size: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast::<u8>(), size) })
}
