//! A worker's turn at a partition: some consecutive segments, for which it is opened once.

use std::fmt;

use kafka::{PartitionReader, TopicPartition};

/// Approximate bytes of record batches in one turn. What librdkafka has prefetched at its end is
/// fetched again in the next one, so turns are long compared to that; and short enough that no
/// partition waits long for another one that is far behind.
const TURN: u64 = 256 << 20;

/// Keeps the reader between segments.
#[derive(Default)]
pub(crate) struct Turn {
    partition: Option<TopicPartition>,
    reader: Option<Box<dyn PartitionReader>>,
    bytes: u64,
    /// Size of the largest record so far.
    largest_record: u64,
    is_silent: bool,
}

impl Turn {
    /// Starts or continues with a partition.
    pub(crate) fn at(&mut self, partition: &TopicPartition) {
        if self.partition.as_ref() != Some(partition) {
            *self = Self { partition: Some(partition.clone()), ..Self::default() };
        }
    }

    /// The reader, if it is at this offset.
    pub(crate) fn take(&mut self, from: i64) -> Option<Box<dyn PartitionReader>> {
        self.reader.take().filter(|reader| reader.position() == from)
    }

    /// Keeps the reader for the next segment, after one of this size.
    pub(crate) fn keep(&mut self, reader: Box<dyn PartitionReader>, bytes: u64) {
        self.reader = Some(reader);
        self.bytes += bytes;
    }

    /// Size of the largest record so far.
    pub(crate) fn largest_record(&self) -> u64 {
        self.largest_record
    }

    /// Records a record of this size, and returns the size of the largest.
    pub(crate) fn note_record(&mut self, bytes: u64) -> u64 {
        self.largest_record = self.largest_record.max(bytes);
        self.largest_record
    }

    /// Ends, because no records arrive.
    pub(crate) fn end_in_silence(&mut self) {
        *self = Self { is_silent: true, ..Self::default() };
    }

    /// Whether it has just ended for that reason.
    pub(crate) fn has_ended_in_silence(&mut self) -> bool {
        std::mem::take(&mut self.is_silent)
    }

    /// Ends, if it is at this partition, so that the next worker can open it.
    pub(crate) fn leave(&mut self, partition: &TopicPartition) {
        if self.partition.as_ref() == Some(partition) {
            *self = Self::default();
        }
    }

    /// Whether it is the turn of others now; then the reader is gone.
    pub(crate) fn is_over(&mut self) -> bool {
        let over = self.reader.is_none() || self.bytes >= TURN;
        if over {
            *self = Self::default();
        }
        over
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("partition", &self.partition).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
