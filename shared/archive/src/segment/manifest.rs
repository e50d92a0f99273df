//! `manifest.json`, the first entry of a segment.

use kafka::{Isolation, TopicId};
use kernel::record::TimestampType;
use serde::{Deserialize, Serialize};

use crate::Times;
use crate::catalog::Gap;

/// Version of the segment format. A reader refuses a higher one; additions that old readers can
/// ignore do not increase it.
pub const FORMAT_VERSION: u32 = 1;

/// The content of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Topic of the records.
    pub topic: String,
    /// Its id, if the cluster has ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// Partition of the records.
    pub partition: i32,
    /// The segment covers offsets from this one…
    pub start: i64,
    /// …up to this one, exclusive, which is the start of the next segment.
    pub next: i64,
    /// Number of records.
    pub records: u64,
    /// Offset of the first record; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_offset: Option<i64>,
    /// Offset of the last record; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_offset: Option<i64>,
    /// Smallest timestamp (records can be out of order) of the records that have one; absent if
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_timestamp: Option<i64>,
    /// Largest timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_timestamp: Option<i64>,
    /// The types of timestamps that occur, without duplicates.
    pub timestamp_types: Vec<TimestampType>,
    /// Records with timestamp 0, which many clients take as none.
    #[serde(default)]
    pub zero_timestamps: u64,
    /// Size in bytes of the largest record as the broker counts it (in its own record batch), for
    /// `max.message.bytes`.
    pub largest_record: u64,
    /// Which records of transactions are in it.
    pub isolation_level: Isolation,
    /// Set if the segment starts with offsets that were deleted before they could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// Size of the log entry in bytes.
    pub log_bytes: u64,
    /// The gzip members (or zstd frames) of the log, in order.
    pub members: Vec<Member>,
    /// When it was written, RFC 3339.
    pub created_at: String,
}

impl Manifest {
    /// The smallest and largest timestamp, of the records that have one.
    pub fn times(&self) -> Option<(i64, i64)> {
        self.min_timestamp.zip(self.max_timestamp)
    }

    /// Whether none of its records is in the time range.
    pub fn is_out_of(&self, wanted: Times) -> bool {
        self.times().is_some_and(|times| wanted.part_of(times).is_none())
    }
}

/// One compressed member: a group of record batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Number of records.
    pub records: u64,
    /// Size in the log in bytes.
    pub bytes: u64,
    /// Size in the object in bytes. Members are consecutive, so positions are sums.
    pub stored: u64,
    /// CRC-32C of the bytes in the object.
    pub crc32c: u32,
}
