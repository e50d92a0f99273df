use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use kernel::lock;

use crate::{KafkaError, KafkaErrorKind, Result, TopicPartition};

/// The right to read a partition: librdkafka reads each at most once with one client.
#[derive(Debug)]
pub(super) struct Claim {
    reading: Arc<Mutex<BTreeSet<TopicPartition>>>,
    partition: TopicPartition,
}

impl Claim {
    pub(super) fn new(reading: &Arc<Mutex<BTreeSet<TopicPartition>>>, partition: &TopicPartition) -> Result<Self> {
        if lock(reading).insert(partition.clone()) {
            Ok(Self { reading: Arc::clone(reading), partition: partition.clone() })
        } else {
            Err(KafkaError::new(KafkaErrorKind::Other, partition.to_string(), "is being read already; drop the first reader before"))
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.reading).remove(&self.partition);
    }
}
