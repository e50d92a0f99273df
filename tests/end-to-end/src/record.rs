//! A record as Kafka's own client sees it, and one line of JSON for it: the same in both directions
//! (`java/Lines.java`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes, in base64 on a line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.0.len().min(40);
        write!(f, "b\"{}\"", self.0[..shown].escape_ascii())?;
        if shown < self.0.len() { write!(f, "… ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}

impl<T: AsRef<[u8]>> From<T> for Bytes {
    fn from(bytes: T) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

/// A record. `None` is null, which is not the same as empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The partition it is in.
    pub partition: i32,
    /// Its offset, if it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// `CreateTime` or `LogAppendTime`.
    #[serde(default = "create_time")]
    pub timestamp_type: String,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Keys and values of the headers, in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Record {
    /// A record of this partition with neither key nor value nor headers.
    pub fn new(partition: i32, timestamp: i64) -> Self {
        Self { partition, offset: None, timestamp, timestamp_type: create_time(), key: None, value: None, headers: Vec::new() }
    }

    /// The same with a key.
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same with a value.
    pub fn value(mut self, value: impl Into<Bytes>) -> Self {
        self.value = Some(value.into());
        self
    }

    /// The same with one more header.
    pub fn header(mut self, key: impl Into<Bytes>, value: Option<&[u8]>) -> Self {
        self.headers.push((key.into(), value.map(Bytes::from)));
        self
    }
}

fn create_time() -> String {
    "CreateTime".to_owned()
}

/// The input of `java/Produce.java`, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// Send a record outside transactions.
    Send(Record),
    /// Send a record inside the transaction of this `transactional.id`.
    SendIn {
        /// The `transactional.id`.
        #[serde(rename = "as")]
        producer: String,
        /// The record.
        #[serde(flatten)]
        record: Record,
    },
    /// Begin, commit or abort a transaction.
    Transaction {
        /// The `transactional.id`.
        #[serde(rename = "as")]
        producer: String,
        /// What to do.
        #[serde(rename = "do")]
        what: Transaction,
    },
}

/// A step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transaction {
    /// It begins.
    Begin,
    /// Its records become visible.
    Commit,
    /// Its records never become visible.
    Abort,
    /// The producer is killed: the transaction stays open until its timeout.
    Leave,
}
