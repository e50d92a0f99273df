//! One partition being read.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::record::{Header, Record};

use super::errors::{self, Doing, Errors};
use super::native::{Code, Entry, Failure, Malformed, Stream};
use super::probe::{self, Probe, Prober, SUSPICIOUS};
use super::reading::ReadingClient;
use crate::{KafkaErrorKind, PartitionReader, Result, TopicPartition};

/// Target size of one batch of records, in bytes.
const BATCH: usize = 4 << 20;
/// Most records of one batch, and of the first one, before their size is known.
const MOST: usize = 10_000;
const FIRST: usize = 100;

/// How often the findings of a probe are checked.
const LOOK: Duration = Duration::from_millis(20);

/// Reads one partition from librdkafka's memory, without copies.
pub(super) struct Reader {
    stream: Stream,
    /// How many of the stream's messages were visited.
    visited: usize,
    /// How many of them may be: those after a failure may not.
    visitable: usize,
    position: i64,
    /// Records to take at a time.
    limit: usize,
    /// A failure after what is visitable. It stays: nothing is read past it.
    failed: Option<Failure>,
    /// Offset of the next record, of an old format, if it is unknown whether it was read correctly.
    doubtful: Option<i64>,
    /// Records of old formats are read correctly.
    trusts_old_formats: bool,
    prober: Prober,
    /// Probes the partition while something is strange.
    probe: Option<Probe>,
    /// The silence was investigated already.
    is_probed: bool,
    /// When something arrived last.
    quiet_since: Instant,
    /// The problem that was logged last.
    told: Option<Failure>,
    partition: TopicPartition,
    errors: Errors,
    reading: Arc<ReadingClient>,
}

impl Reader {
    pub(super) fn new(
        stream: Stream,
        partition: TopicPartition,
        from: i64,
        errors: Errors,
        prober: Prober,
        reading: Arc<ReadingClient>,
    ) -> Self {
        Self {
            stream,
            visited: 0,
            visitable: 0,
            position: from,
            limit: FIRST,
            failed: None,
            doubtful: None,
            trusts_old_formats: false,
            prober,
            probe: None,
            is_probed: false,
            quiet_since: Instant::now(),
            told: None,
            partition,
            errors,
            reading,
        }
    }

    /// Takes the available messages. True if there is something: a record, the end, a failure.
    fn take(&mut self) -> bool {
        self.visited = 0;
        self.visitable = 0;
        for message in self.stream.take(self.limit) {
            if let Entry::Failed(failure) = message.entry() {
                if errors::kind(&failure) != KafkaErrorKind::Unavailable {
                    self.failed = Some(failure);
                    break;
                }
                tracing::debug!(partition = %self.partition, %failure, "reading continues when the cluster is available again");
            }
            self.visitable += 1;
        }
        let something = self.visitable > 0 || self.failed.is_some();
        if something {
            (self.probe, self.is_probed) = (None, false);
            self.quiet_since = Instant::now();
            self.stream.handle().observer().answered();
        }
        something
    }

    fn failure(&self) -> Result<()> {
        match &self.failed {
            Some(failure) => Err(self.errors.error(&self.partition, Doing::Read, failure.clone(), None)),
            None => Ok(()),
        }
    }

    /// Waits until it is known whether the record at `offset`, of an old format, was read
    /// correctly. If not, nothing is read past it.
    async fn settle_doubt(&mut self, offset: i64, wait: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            match self.probe(offset)?.are_right() {
                Some(true) => (self.doubtful, self.trusts_old_formats) = (None, true),
                Some(false) => {
                    (self.doubtful, self.visitable) = (None, self.visited);
                    self.failed = Some(probe::refused(offset));
                }
                None if start.elapsed() >= wait => return Ok(()),
                None => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
            }
            self.probe = None;
            return self.failure();
        }
    }

    /// Finds out, if nothing arrived for a while, whether an old format is the reason.
    fn look_into_silence(&mut self) -> Result<()> {
        if self.is_probed || self.trusts_old_formats || self.quiet_since.elapsed() < SUSPICIOUS {
            return Ok(());
        }
        let position = self.position;
        let probe = self.probe(position)?;
        let (is_misread, is_over) = (probe.is_misread(), probe.is_over());
        if is_misread || is_over {
            (self.probe, self.is_probed) = (None, true);
        }
        if is_misread {
            self.failed = Some(probe::refused(position));
        }
        self.failure()
    }

    /// The probe for the records at `offset`.
    fn probe(&mut self, offset: i64) -> Result<&mut Probe> {
        let probe = match self.probe.take() {
            Some(probe) => probe,
            None => {
                let started = self.prober.start(&self.partition, offset);
                started.map_err(|failure| self.errors.error(&self.partition, Doing::Read, failure, None))?
            }
        };
        Ok(self.probe.insert(probe))
    }

    /// Logs what prevents reading, if nothing arrives.
    fn look_around(&mut self) -> Result<()> {
        let observer = self.stream.handle().observer();
        if let Some(problem) = observer.hopeless(self.quiet_since) {
            return Err(self.errors.error(&self.partition, Doing::Read, problem, None));
        }
        let problem = observer.last_problem();
        if problem != self.told {
            if let Some(problem) = &problem {
                tracing::warn!(partition = %self.partition, %problem, "no records received, perhaps because of this");
            }
            self.told = problem;
        }
        Ok(())
    }
}

#[async_trait]
impl PartitionReader for Reader {
    async fn fetch(&mut self, wait: Duration) -> Result<()> {
        if let Some(offset) = self.doubtful {
            return self.settle_doubt(offset, wait).await;
        }
        if self.visited < self.visitable {
            return Ok(());
        }
        self.failure()?;
        let start = Instant::now();
        while !self.take() {
            self.stream.handle().serve();
            self.look_into_silence()?;
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return self.look_around();
            }
            self.stream.filled(left).await;
        }
        if self.visitable == 0 { self.failure() } else { Ok(()) }
    }

    fn drain(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>) {
        let Self { stream, visited, visitable, position, failed, doubtful, trusts_old_formats, .. } = self;
        let mut headers: Vec<Header<'_>> = Vec::new();
        let (mut records, mut bytes) = (0_usize, 0_usize);
        let mut enough = false;
        for message in &stream.messages()[*visited..*visitable] {
            match message.entry() {
                Entry::Record(_) if enough => break,
                Entry::Record(record) if record.is_of_old_format() && !*trusts_old_formats => {
                    *doubtful = Some(record.offset());
                    break;
                }
                Entry::Record(record) => {
                    headers.clear();
                    if let Err(Malformed) = record.headers(&mut headers) {
                        let what = format!("the headers of offset {} do not follow the record format", record.offset());
                        *failed = Some(Failure::new(Code::BAD_MSG, what));
                        *visitable = *visited;
                        break;
                    }
                    let record = record.record(&headers);
                    *position = record.offset + 1;
                    records += 1;
                    bytes += record.size();
                    enough = visit(&record).is_break();
                }
                Entry::End(end) => *position = end.max(*position),
                Entry::Failed(_) => {}
            }
            *visited += 1;
        }
        drop(headers);
        if self.visited == self.visitable {
            self.stream.give_up();
            (self.visited, self.visitable) = (0, 0);
        }
        if let Some(average) = bytes.checked_div(records) {
            self.limit = (BATCH / average.max(1)).clamp(1, MOST);
        }
    }

    fn position(&self) -> i64 {
        self.position
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.failed.is_none() && self.visited == self.visitable {
            self.reading.ended(self.stream.handle(), &self.partition, self.position, self.quiet_since.elapsed());
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("partition", &self.partition).field("position", &self.position).finish_non_exhaustive()
    }
}
