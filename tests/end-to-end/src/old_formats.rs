//! Logs in the message formats v0 and v1, as brokers before Kafka 0.11 wrote them. No current
//! client writes them, but every broker keeps them.

use std::io::Write;

use flate2::{Compression, Crc, write::GzEncoder};

use crate::record::Record;

const GZIP: u8 = 1;

/// One of the formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Without timestamps.
    V0,
    /// With timestamps.
    V1,
}

impl Format {
    /// A log with these records, starting at offset `first`.
    pub fn log(self, first: i64, records: &[Record]) -> Vec<u8> {
        self.messages(first, records).concat()
    }

    /// The same, with all records compressed into one message, the wrapper. The wrapper has the
    /// offset of its last record. In v1 the offsets inside count from 0.
    pub fn compressed_log(self, first: i64, records: &[Record]) -> Vec<u8> {
        let inner = self.log(if self == Self::V0 { first } else { 0 }, records);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&inner).expect("memory takes it");
        let wrapper = encoder.finish().expect("memory takes it");
        let timestamp = records.iter().map(|record| record.timestamp).max().unwrap_or(-1);
        self.message(first + records.len() as i64 - 1, GZIP, timestamp, None, Some(&wrapper))
    }

    fn messages(self, first: i64, records: &[Record]) -> Vec<Vec<u8>> {
        let numbered = (first..).zip(records);
        numbered
            .map(|(offset, record)| {
                let (key, value) = (record.key.as_ref().map(|key| &key.0[..]), record.value.as_ref().map(|value| &value.0[..]));
                self.message(offset, 0, record.timestamp, key, value)
            })
            .collect()
    }

    fn message(self, offset: i64, attributes: u8, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
        let mut body = vec![if self == Self::V0 { 0 } else { 1 }, attributes];
        if self == Self::V1 {
            body.extend(timestamp.to_be_bytes());
        }
        for bytes in [key, value] {
            body.extend(bytes.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
            body.extend(bytes.unwrap_or_default());
        }
        let mut crc = Crc::new();
        crc.update(&body);
        let size = body.len() as i32 + 4;
        [&offset.to_be_bytes()[..], &size.to_be_bytes(), &crc.sum().to_be_bytes(), &body].concat()
    }
}
