//! The simulated Kafka, and the truth it remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka::{CommittedOffset, TopicId, TopicPartition};
use kernel::record::{Header, Record, TimestampType};

use super::administration::Surroundings;

/// A topic gets no more partitions than this.
pub(crate) const MOST_PARTITIONS: usize = 5;

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// A record that every reader sees.
    Record(u64),
    /// A record of a transaction that is still open.
    Open(u64, String),
    /// A record that compaction removed: visible before, not any more.
    Compacted(u64),
    /// Has an offset and is never visible: a control record or an aborted one.
    Hole,
}

/// A partition's log. Offsets are positions from 0. Everything below `start` is deleted but
/// remembered.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    pub(crate) start: i64,
    /// The offsets at which it lost its end. Each begins a leader epoch.
    pub(crate) cuts: Vec<i64>,
}

impl Log {
    pub(crate) fn end(&self) -> i64 {
        offset(self.entries.len())
    }

    /// Last stable offset.
    pub(crate) fn stable(&self) -> i64 {
        self.entries.iter().position(|entry| matches!(entry, Entry::Open(..))).map_or(self.end(), offset)
    }

    /// Loses its end, as with an unclean election.
    pub(crate) fn cut(&mut self, to: i64) {
        self.entries.truncate(usize::try_from(to).unwrap_or(0));
        self.cuts.push(to);
    }

    pub(crate) fn entry(&self, at: i64) -> Option<&Entry> {
        self.entries.get(usize::try_from(at).ok()?)
    }
}

pub(crate) fn offset(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// One incarnation of a topic.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) logs: Vec<Log>,
}

/// A `transactional.id` as the coordinator knows it.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Producer {
    pub(crate) epoch: u64,
    /// Without transactions: the first record (by value, which grows with the offset) that was sent
    /// before the brokers last acknowledged everything. The checkpoint follows, so it can lag this
    /// far, and no further.
    checkpoint: u64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) topics: BTreeMap<String, Topic>,
    /// Deleted incarnations, for the oracle.
    pub(crate) buried: Vec<(String, Topic)>,
    pub(crate) groups: BTreeMap<(String, TopicPartition), CommittedOffset>,
    /// The values before the last commit, for stale answers.
    pub(crate) groups_before: BTreeMap<(String, TopicPartition), CommittedOffset>,
    pub(crate) producers: BTreeMap<String, Producer>,
    /// The state except logs.
    pub(crate) around: Surroundings,
    /// Records that were written again although a checkpoint covered them, or with other bytes than
    /// the backup.
    pub(crate) wrong: Vec<String>,
    /// Folder and partition of restores that stopped because Kafka forgot their progress.
    pub(crate) lost: BTreeSet<(String, i32)>,
    /// An isolated leader answers with no higher end than this.
    pub(crate) highest_end: Option<i64>,
    /// Id of the cluster.
    pub(crate) cluster: String,
    /// Folders whose target was deleted.
    pub(crate) deleted: BTreeSet<String>,
    /// Those of them whose restore cannot continue.
    pub(crate) dead: BTreeSet<String>,
    /// The target's topics have no ids, as with brokers before 2.8.
    pub(crate) has_no_ids: bool,
    /// The brokers belong to another cluster.
    pub(crate) is_another_cluster: bool,
    /// The seed that selects the records whose offset the target does not report.
    pub(crate) hides_places: Option<u64>,
    /// The target needs time for each record.
    pub(crate) is_slow: bool,
    /// Transactions that were aborted because they were open for too long.
    pub(crate) timed_out: usize,
    pub(crate) ids: u32,
    values: u64,
}

impl State {
    pub(crate) fn create(&mut self, name: &str, partitions: usize) {
        self.ids += 1;
        let id = format!("{:022}", self.ids).parse().unwrap_or_else(|_| unreachable!("22 digits are a topic id"));
        let topic = Topic { id, logs: vec![Log::default(); partitions] };
        self.around.configs.remove(name);
        self.around.configs_before.remove(name);
        if let Some(old) = self.topics.insert(name.to_owned(), topic) {
            self.buried.push((name.to_owned(), old));
        }
    }

    /// Deletes a topic, with the commits of groups on it.
    pub(crate) fn delete(&mut self, name: &str) {
        self.topics.remove(name);
        self.groups.retain(|(_, place), _| place.topic != name);
    }

    pub(crate) fn commit(&mut self, place: (String, TopicPartition), offset: CommittedOffset) {
        if let Some(before) = self.groups.insert(place.clone(), offset) {
            self.groups_before.insert(place, before);
        }
    }

    /// The brokers have acknowledged everything of a writer without transactions, from this record.
    /// A checkpoint follows.
    pub(crate) fn settle(&mut self, producer: &str, first: u64) {
        self.producers.entry(producer.to_owned()).or_default().checkpoint = first;
    }

    /// A record may be written again only if it was written after the last checkpoint.
    pub(crate) fn note_repetition(&mut self, producer: &str, place: &TopicPartition, value: u64) {
        let checkpoint = self.producers.entry(producer.to_owned()).or_default().checkpoint;
        if value < checkpoint {
            self.wrong.push(format!("{place}: record {value} of {producer} was written again, below a checkpoint at {checkpoint}"));
        }
    }

    /// A value that no other record has.
    pub(crate) fn value(&mut self) -> u64 {
        self.values += 1;
        self.values
    }

    pub(crate) fn log(&mut self, partition: &TopicPartition) -> Option<&mut Log> {
        self.topics.get_mut(&partition.topic)?.logs.get_mut(usize::try_from(partition.partition).ok()?)
    }

    /// Ends the open transaction of a producer everywhere.
    pub(crate) fn end_transaction(&mut self, producer: &str, commit: bool) {
        for log in self.topics.values_mut().flat_map(|topic| &mut topic.logs) {
            let mut touched = false;
            for entry in &mut log.entries {
                if let Entry::Open(value, owner) = entry
                    && owner == producer
                {
                    *entry = if commit { Entry::Record(*value) } else { Entry::Hole };
                    touched = true;
                }
            }
            if touched {
                log.entries.push(Entry::Hole);
            }
        }
    }
}

/// The world that all invocations of a run share.
#[derive(Debug, Clone, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

impl World {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content of a simulated record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// When the records were written.
pub(crate) const EPOCH: i64 = 1_600_000_000_000;

/// XOR with a value changes the order. Applied twice, it restores the value.
const DISORDER: u64 = 0b101;

/// The timestamp of a value's record: near its position, and out of order.
pub(crate) fn time_of(value: u64) -> i64 {
    EPOCH + i64::try_from(value ^ DISORDER).unwrap_or(0)
}

impl Content {
    /// The record of a value. Every third record has a key, every fifth is a tombstone with one,
    /// every seventh has headers, one of them twice.
    pub(crate) fn of(value: u64) -> Self {
        let key = (value.is_multiple_of(3) || value.is_multiple_of(5)).then(|| value.to_be_bytes().to_vec());
        let body = (!value.is_multiple_of(5)).then(|| format!("value {value}").into_bytes());
        let headers = [Some(value.to_string().into_bytes()), None, Some(Vec::new())].map(|header| (b"key".to_vec(), header));
        let headers = if value.is_multiple_of(7) { headers.to_vec() } else { Vec::new() };
        Self { timestamp: time_of(value), key, value: body, headers }
    }

    pub(crate) fn copy(record: &Record<'_>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let headers = record.headers.iter().map(|header| (header.key.to_vec(), owned(header.value))).collect();
        Self { timestamp: record.timestamp, key: owned(record.key), value: owned(record.value), headers }
    }

    /// The value with this content.
    ///
    /// # Errors
    /// It is not that of any: something was lost or changed.
    pub(crate) fn known(&self) -> Result<u64, String> {
        let value = u64::try_from(self.timestamp - EPOCH).unwrap_or(0) ^ DISORDER;
        let truth = Self::of(value);
        if *self == truth { Ok(value) } else { Err(format!("{self:?} should be {truth:?}")) }
    }

    /// Passes it to `visit` as the record at `offset`.
    pub(crate) fn lend<T>(&self, offset: i64, visit: impl FnOnce(&Record<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        visit(&Record {
            offset,
            timestamp: self.timestamp,
            timestamp_type: TimestampType::CreateTime,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        })
    }
}
