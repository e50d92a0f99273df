//! Tells whether records of the message formats v0 and v1 are read as they are.
//!
//! librdkafka 2.5 to 2.15 takes the lengths of their keys and values for the compact ones of the flexible versions of Fetch (12 and later): what
//! it hands out has neither key nor value, or nothing comes at all, because a null key looks like one of 256 MiB. No property makes it ask with an
//! earlier version. Brokers before 2.7 know only earlier ones, and there these records are right.
//!
//! librdkafka says both in its debug lines only, so a client of its own looks at the one partition, and only when something is strange.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client;
use super::native::{Code, Failure, Stream};
use super::signs::Signs;
use crate::{Isolation, KafkaSettings, Result, TopicPartition};

/// After so long without a record a partition is looked at. Aborted transactions are read in silence, too; then nothing comes of it.
pub(super) const SUSPICIOUS: Duration = Duration::from_millis(700);

/// A probe looks for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that a probe holds.
const HELD: usize = 1 << 20;

/// What a probe needs.
#[derive(Debug, Clone)]
pub(super) struct Prober {
    pub(super) settings: Arc<KafkaSettings>,
    pub(super) isolation: Isolation,
}

impl Prober {
    /// Looks at a partition from this offset on.
    pub(super) fn start(&self, partition: &TopicPartition, from: i64) -> Result<Probe, Failure> {
        let handle = client::probing(&self.settings, self.isolation, HELD).map_err(|error| Failure::new(Code::FAIL, error.to_string()))?;
        let stream = Stream::start(&handle, &partition.topic, partition.partition, from, ())?;
        Ok(Probe { stream, until: Instant::now() + PATIENCE })
    }
}

/// A client that reads one partition only to see how.
pub(super) struct Probe {
    stream: Stream,
    until: Instant,
}

impl Probe {
    /// Whether records of old formats are read as they are, once it is known. When there was no telling for long they are taken not to be.
    pub(super) fn are_right(&mut self) -> Option<bool> {
        self.look().are_right().or_else(|| self.is_over().then_some(false))
    }

    /// Whether nothing comes because the next record is of an old format.
    pub(super) fn is_misread(&mut self) -> bool {
        let signs = self.look();
        signs.is_misread && signs.are_right() != Some(true)
    }

    /// Whether it has looked for long enough.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    fn look(&mut self) -> Signs {
        self.stream.take(100);
        self.stream.handle().serve();
        self.stream.handle().observer().signs()
    }
}

/// Why a record is refused.
pub(super) fn refused(offset: i64) -> Failure {
    let what = format!(
        "offset {offset} holds records of message format v0 or v1, from before Kafka 0.11. librdkafka reads them wrongly from brokers of version 2.7 \
         and later, so they cannot be backed up; nothing from this offset on was stored. Copy the topic into a new one with Kafka's own Java client \
         (MirrorMaker 2, for example), which writes format v2, and back that up. If the old records are not needed, delete them with \
         kafka-delete-records.sh or wait for retention, and the backup continues behind them"
    );
    Failure::new(Code::UNSUPPORTED_FOR_MESSAGE_FORMAT, what)
}
