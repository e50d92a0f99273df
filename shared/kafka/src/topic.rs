//! Facts about topics, in domain words.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// A partition of a topic.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// The id that a topic gets when it is created (KIP-516): another id under the same name is another
/// topic. Written as Kafka's tools write it: 22 characters of URL-safe base64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicId(String);

impl FromStr for TopicId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if legal { Ok(Self(text.to_owned())) } else { Err(format!("{text:?} is not a topic id (22 characters of URL-safe base64)")) }
    }
}

impl TopicId {
    /// The id whose 128 bits are these two halves. Kafka gives no topic the id 0: it means none.
    pub(crate) fn from_halves((high, low): (i64, i64)) -> Option<Self> {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = (u128::from(high.cast_unsigned()) << 64) | u128::from(low.cast_unsigned());
        // 21 digits of 6 bits, and one with the last 2 bits in front.
        let digit = |index: u32| DIGITS[if index < 21 { (bits >> (122 - 6 * index)) & 63 } else { (bits << 4) & 63 } as usize];
        (bits != 0).then(|| Self((0..22).map(|index| char::from(digit(index))).collect()))
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A cluster's description of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    /// `None` on brokers older than 2.8.
    pub id: Option<TopicId>,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each partition, the largest number if they differ; `None` if the cluster does
    /// not report it.
    pub replication_factor: Option<i32>,
    /// Configs by name; empty if not requested, or if the cluster does not report them.
    pub configs: BTreeMap<String, String>,
}

/// A cluster's description of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterFacts {
    /// `None` if the cluster has none.
    pub id: Option<String>,
    /// Number of brokers that are up.
    pub brokers: i32,
}

/// The start and end of a partition's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Log start offset.
    pub start: i64,
    /// High watermark.
    pub end: i64,
}

impl Extent {
    /// Whether it has no records.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// The topic's name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replication factor; `None` is the broker's default.
    pub replication_factor: Option<i16>,
    /// Configs that differ from the broker's defaults.
    pub configs: BTreeMap<String, String>,
}

/// The offsets of a partition at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetRange {
    /// Log start offset: the first one still in the log.
    pub log_start: i64,
    /// Where a reader of the configured isolation level stops: the last stable offset
    /// (`read_committed`) or the high watermark.
    pub end: i64,
    /// High watermark.
    pub high_watermark: i64,
}

impl OffsetRange {
    /// Offsets that such a reader does not get yet, because of an open transaction.
    pub fn held_by_transactions(&self) -> i64 {
        (self.high_watermark - self.end).max(0)
    }
}

/// A committed offset with its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub next: i64,
    /// At most 4,096 bytes (`offset.metadata.max.bytes`); empty if there are none.
    pub metadata: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_is_written_as_kafka_writes_it() {
        // org.apache.kafka.common.Uuid: METADATA_TOPIC_ID, and two with all bits or a digit of each
        // end of the alphabet.
        let text = |high: i64, low: i64| TopicId::from_halves((high, low)).map(|id| id.to_string());
        assert_eq!(text(0, 1).as_deref(), Some("AAAAAAAAAAAAAAAAAAAAAQ"));
        assert_eq!(text(-1, -1).as_deref(), Some("_____________________w"));
        assert_eq!(text(i64::MIN | 0x0fbe_0000_0000_0000, 0).as_deref(), Some("j74AAAAAAAAAAAAAAAAAAA"));
        assert_eq!(text(0, 0), None);
        assert!("_____________________w".parse::<TopicId>().is_ok());
        assert!("_____________________+".parse::<TopicId>().is_err());
    }
}
