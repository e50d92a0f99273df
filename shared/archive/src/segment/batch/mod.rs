//! Record batches, format v2 (magic 2), exactly as a broker stores them. The layout is that of the
//! Kafka documentation ("Implementation", "Message Format") and of KIP-98:
//!
//! ```text
//! batch:  baseOffset i64, batchLength i32, partitionLeaderEpoch i32, magic i8, crc u32 | attributes i16, lastOffsetDelta i32,
//!         baseTimestamp i64, maxTimestamp i64, producerId i64, producerEpoch i16, baseSequence i32, recordsCount i32, records…
//! record: length, attributes i8, timestampDelta, offsetDelta, key, value, headersCount, (header key, header value)…
//! ```
//!
//! A batch's numbers are big-endian; a record's lengths, deltas and counts are varints, and a
//! length of -1 is null. `batchLength` counts what follows it, `crc` is the CRC-32C of what follows
//! it (right of the bar).
//!
//! Batches here are never compressed, and belong to no producer and no transaction: they contain
//! only committed records. The leader epoch is unknown (-1).

mod build;
mod read;
#[cfg(test)]
mod tests;
mod varint;

pub(super) use build::{BatchBuilder, Sized};
pub use read::{BatchError, BatchSummary, Records, check};

/// Size of a batch without records; positions of its fields follow.
pub(super) const BATCH_HEADER: usize = 61;
const BATCH_LENGTH: usize = 8;
const LEADER_EPOCH: usize = 12;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const BASE_TIMESTAMP: usize = 27;
const MAX_TIMESTAMP: usize = 35;
const PRODUCER_ID: usize = 43;
const RECORDS_COUNT: usize = 57;

/// partitionLeaderEpoch -1 and magic 2.
const EPOCH_AND_MAGIC: [u8; 5] = [0xff, 0xff, 0xff, 0xff, 2];
/// producerId, producerEpoch and baseSequence of a batch without a producer: all -1.
const NO_PRODUCER: [u8; 14] = [0xff; 14];
/// The attribute bit of a batch whose timestamps the broker set.
const LOG_APPEND_TIME: i16 = 1 << 3;

/// The size at which a batch accepts no more records. Only a single record can make a batch larger.
pub(super) const BATCH_BYTES: usize = 1 << 20;
