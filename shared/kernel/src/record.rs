//! A Kafka record: borrowed bytes, not interpreted, not normalised.

/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

/// A record of a partition. Null and empty are distinct: `None` is null, `Some(&[])` is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in the source partition.
    pub offset: i64,
    /// Milliseconds since the epoch; -1 if the record has none.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// The key; need not be UTF-8.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone on a compacted topic.
    pub value: Option<&'a [u8]>,
    /// Headers in their order, duplicates included.
    pub headers: &'a [Header<'a>],
}

impl Record<'_> {
    /// Bytes of key, value and headers together: its size in memory, without framing.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|h| h.key.len() + h.value.map_or(0, <[u8]>::len)).sum();
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + headers
    }
}

/// A record header. The key can be empty and need not be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Name of the header, as bytes.
    pub key: &'a [u8],
    /// `None` is null, which is distinct from empty.
    pub value: Option<&'a [u8]>,
}

/// Who set a record's timestamp (`message.timestamp.type` at the time of writing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, on append: every record of the batch has the batch's time.
    LogAppendTime,
}
