//! What waits for the brokers: how much memory it uses, and how much of it each partition has.
//!
//! The limit per partition follows from how librdkafka's broker thread works (2.12.1,
//! rdkafka_broker.c, `rd_kafka_toppar_producer_serve`):
//! - An idempotent producer sends the next request for a partition when fewer than five *records*
//!   of it are in flight. So with records of ordinary size one request is in flight, whatever
//!   `max.in.flight` allows.
//! - The thread computes its wake-up time before it checks that. Once a whole batch waits, or a
//!   record for longer than `linger.ms`, the wake-up time is now. Then it polls without waiting
//!   until the request in flight has its response, and wastes a whole core. The same happens with a
//!   broker that throttles.
//!
//! So a partition may have the request in flight and most of the next one ([`Batch::is_ahead`]).
//! The next one is complete as soon as the response has made room. And `linger.ms` is long: the
//! writer sends partial batches when it waits for them (`nudges.rs`).

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::KafkaSettings;

/// librdkafka's memory for a record or a header in addition to its bytes, roughly: most of the
/// memory of a queue of small records.
pub(super) const OVERHEAD: usize = 200;

/// librdkafka's own limits of a batch.
const MOST: Batch = Batch { bytes: 1_000_000, records: 10_000 };

/// The limit of a partition with large records: librdkafka has this many in flight, and waits for a
/// sixth without spinning.
const IN_FLIGHT: usize = 5;

/// How many partitions are counted separately. Those that share a place share one limit.
const PLACES: usize = 64;

/// What one record uses of the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Memory: its bytes, and librdkafka's own.
    pub(super) memory: usize,
    /// Bytes that librdkafka counts to fill a batch: key and value.
    pub(super) bytes: usize,
}

/// Records of a partition without a delivery report yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// The most that a request contains of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    /// `batch.size`.
    pub(super) bytes: usize,
    /// `batch.num.messages`.
    pub(super) records: usize,
}

impl Batch {
    /// The largest batch that the topic accepts, if two fit into a queue of `room` bytes: one that
    /// does not fit would never be complete. Users can override it.
    pub(super) fn new(settings: &KafkaSettings, topic: usize, room: usize) -> Self {
        let set = |name: &str| settings.properties.get(name).and_then(|set| set.reveal().parse::<usize>().ok());
        Self {
            bytes: set("batch.size").unwrap_or_else(|| MOST.bytes.min(topic).min(room / 4)).max(1),
            records: set("batch.num.messages").unwrap_or_else(|| MOST.records.min(room / 4 / OVERHEAD)).max(1),
        }
    }

    /// Whether a partition has reached its limit: a request in flight, and three quarters of the
    /// next one. Less than the whole, because the one in flight frees fewer bytes than it counts
    /// (up to 36 per record less).
    pub(super) fn is_ahead(self, waiting: Waiting) -> bool {
        Self { bytes: self.bytes + self.bytes / 4 * 3, records: self.records + self.records / 4 * 3 }.is_whole(waiting)
    }

    /// Whether a request for the partition is in flight, or is sent without a nudge.
    pub(super) fn is_whole(self, waiting: Waiting) -> bool {
        waiting.records >= IN_FLIGHT && (waiting.bytes >= self.bytes || waiting.records >= self.records)
    }
}

/// Queued records without a delivery report yet.
pub(super) struct Backlog {
    memory: AtomicUsize,
    places: [Place; PLACES],
}

#[derive(Default)]
struct Place {
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { memory: AtomicUsize::default(), places: std::array::from_fn(|_| Place::default()) }
    }
}

impl Backlog {
    fn place(&self, partition: i32) -> &Place {
        &self.places[usize::try_from(partition).unwrap_or(0) % PLACES]
    }

    /// A record was queued.
    pub(super) fn add(&self, partition: i32, size: Size) {
        let place = self.place(partition);
        self.memory.fetch_add(size.memory, Ordering::Relaxed);
        place.records.fetch_add(1, Ordering::Relaxed);
        place.bytes.fetch_add(size.bytes, Ordering::Relaxed);
    }

    /// A record was reported, or not queued after all.
    pub(super) fn remove(&self, partition: i32, size: Size) {
        let place = self.place(partition);
        self.memory.fetch_sub(size.memory, Ordering::Relaxed);
        place.records.fetch_sub(1, Ordering::Relaxed);
        place.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
    }

    /// Memory of all of them.
    pub(super) fn memory(&self) -> usize {
        self.memory.load(Ordering::Relaxed)
    }

    /// How many partitions have some; those that share a place count as one.
    pub(super) fn partitions(&self) -> usize {
        self.places.iter().filter(|place| place.records.load(Ordering::Relaxed) > 0).count()
    }

    /// Those of a partition.
    pub(super) fn of(&self, partition: i32) -> Waiting {
        let place = self.place(partition);
        Waiting { records: place.records.load(Ordering::Relaxed), bytes: place.bytes.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Secret;

    fn waiting(records: usize, each: usize) -> Waiting {
        Waiting { records, bytes: records * each }
    }

    #[test]
    fn a_partition_may_have_a_request_in_flight_and_most_of_the_next() {
        let batch = Batch::new(&KafkaSettings::default(), 1_048_588, 8 << 20);
        assert_eq!(batch, MOST);
        assert!(!batch.is_ahead(waiting(1_749, 1_000)) && batch.is_ahead(waiting(1_750, 1_000)));
        assert!(!batch.is_ahead(waiting(17_499, 10)) && batch.is_ahead(waiting(17_500, 10)), "small records fill a batch by their number");
        assert!(!batch.is_ahead(waiting(4, 5_000_000)) && batch.is_ahead(waiting(5, 5_000_000)), "five large ones are in flight");
    }

    /// When the one in flight has its response, the rest has room for the rest of a batch, or is
    /// one.
    #[test]
    fn nobody_waits_for_a_batch_that_is_not_whole() {
        let batch = Batch::new(&KafkaSettings::default(), 1_048_588, 8 << 20);
        for (records, each) in [(1_000, 1_000), (10_000, 10), (10_000, 100), (5, 200_000), (5, 5_000_000)] {
            assert!(batch.is_whole(waiting(records, each)) && !batch.is_whole(waiting(records - 1, each)), "{records} of {each}");
        }
    }

    #[test]
    fn two_batches_fit_into_a_small_queue() {
        for room in [1 << 20, 4 << 20, 8 << 20] {
            let batch = Batch::new(&KafkaSettings::default(), 1_048_588, room);
            assert!(2 * (batch.bytes + batch.records * OVERHEAD) <= room, "{room}: {batch:?}");
        }
        assert_eq!(Batch::new(&KafkaSettings::default(), 300, 8 << 20).bytes, 300, "the topic takes no more");
    }

    #[test]
    fn what_the_user_set_is_what_a_batch_is() {
        let set = [("batch.size", "5000"), ("batch.num.messages", "7")];
        let properties = set.map(|(name, value)| (name.to_owned(), Secret::new(value))).into();
        let settings = KafkaSettings { properties, ..KafkaSettings::default() };
        assert_eq!(Batch::new(&settings, 1_048_588, 8 << 20), Batch { bytes: 5_000, records: 7 });
    }

    #[test]
    fn what_is_reported_waits_no_longer() {
        let (backlog, size) = (Backlog::default(), Size { memory: 210, bytes: 10 });
        backlog.add(3, size);
        backlog.add(3, size);
        backlog.add(4, size);
        backlog.remove(3, size);
        assert_eq!((backlog.memory(), backlog.of(3), backlog.of(4)), (420, waiting(1, 10), waiting(1, 10)));
        assert_eq!(backlog.partitions(), 2);
    }
}
