//! Finds out whether records of the message formats v0 and v1 are read correctly.
//!
//! librdkafka 2.5 to 2.15 reads the lengths of their keys and values as the compact ones of
//! flexible versions of Fetch (12 and later). Its records then have neither key nor value, or no
//! record arrives at all, because a null key looks like one of 256 MiB. No property makes it use an
//! earlier version. Brokers before 2.7 support only earlier ones, and with them these records are
//! right.
//!
//! librdkafka shows both only in its debug lines. So a separate client looks at the one partition,
//! and only if something is strange.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client;
use super::native::{Code, Failure, Stream};
use super::signs::Signs;
use crate::{Isolation, KafkaSettings, Result, TopicPartition};

/// A partition without records for this long is probed. Aborted transactions are silent too; then
/// the probe finds nothing.
pub(super) const SUSPICIOUS: Duration = Duration::from_millis(700);

/// Time limit of a probe.
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
    /// Probes a partition from this offset.
    pub(super) fn start(&self, partition: &TopicPartition, from: i64) -> Result<Probe, Failure> {
        let handle = client::probing(&self.settings, self.isolation, HELD).map_err(|error| Failure::new(Code::FAIL, error.to_string()))?;
        let stream = Stream::start(&handle, &partition.topic, partition.partition, from, ())?;
        Ok(Probe { stream, until: Instant::now() + PATIENCE })
    }
}

/// A client that reads one partition only to learn how.
pub(super) struct Probe {
    stream: Stream,
    until: Instant,
}

impl Probe {
    /// Whether records of old formats are read correctly, once known. After a long time without a
    /// result they count as misread.
    pub(super) fn are_right(&mut self) -> Option<bool> {
        self.look().are_right().or_else(|| self.is_over().then_some(false))
    }

    /// Whether no records arrive because the next one is of an old format.
    pub(super) fn is_misread(&mut self) -> bool {
        let signs = self.look();
        signs.is_misread && signs.are_right() != Some(true)
    }

    /// Whether its time limit is over.
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
        "offset {offset} has records of message format v0 or v1, from before Kafka 0.11. librdkafka misreads them \
         from brokers of version 2.7 and later, so they cannot be backed up; nothing from this offset was stored. \
         Copy the topic into a new one with Kafka's own Java client (MirrorMaker 2, for example), which writes \
         format v2, and back that up. If the old records are not needed, delete them with kafka-delete-records.sh \
         or wait for retention, and the backup continues after them"
    );
    Failure::new(Code::UNSUPPORTED_FOR_MESSAGE_FORMAT, what)
}
