//! A broker inside this process.

use std::fmt;

use super::native::{Broker, Failure};
use crate::{KafkaError, KafkaErrorKind, KafkaSettings, Result};

/// A Kafka cluster of two brokers inside this process (librdkafka's mock cluster), for the demo and
/// for tests. It ends when dropped.
///
/// Its limits: a partition keeps its newest 5 MiB or 100,000 records. There are no topic configs
/// and no request that creates a topic (see [`EmbeddedBroker::create_topic`]). Transactions are
/// accepted, but aborted records stay visible, and the progress inside a transaction is not stored.
pub struct EmbeddedBroker(Broker);

impl EmbeddedBroker {
    /// Starts it on free ports of this machine.
    pub fn start() -> Result<Self> {
        Broker::start().map(Self).map_err(failed)
    }

    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<()> {
        self.0.create_topic(name, partitions).map_err(failed)
    }

    /// BOOTSTRAP_SERVERS to reach it.
    pub fn bootstrap_servers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Settings to reach it.
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings { bootstrap_servers: self.bootstrap_servers(), ..KafkaSettings::default() }
    }

    /// Counts the requests to both brokers while `work` runs: for tests that promise a number.
    pub async fn count_requests<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        self.0.track();
        let result = work.await;
        (result, self.0.requests().len())
    }

    /// The mock cluster, for tests that make it fail.
    #[cfg(test)]
    pub(super) fn broker(&self) -> &Broker {
        &self.0
    }
}

fn failed(failure: Failure) -> KafkaError {
    KafkaError::new(KafkaErrorKind::Other, "embedded broker", failure.text.clone()).caused_by(failure)
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EmbeddedBroker").field(&self.bootstrap_servers()).finish()
    }
}
