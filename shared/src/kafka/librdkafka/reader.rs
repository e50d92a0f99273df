//! One partition being read.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::errors::{self, Doing, Errors};
use super::native::{Code, Entry, Failure, Malformed, Stream};
use super::source::Claim;
use crate::kafka::{KafkaErrorKind, PartitionReader, Result, TopicPartition};
use crate::record::{Header, Record};

/// Bytes of records that one batch aims at.
const BATCH: usize = 4 << 20;
/// Records of one batch at most, and of the first one, before it is known how large they are.
const MOST: usize = 10_000;
const FIRST: usize = 100;

/// Reads one partition, from librdkafka's memory, without copies.
pub(super) struct Reader {
    /// First of the fields: it ends before the claim does.
    stream: Stream,
    /// How many of the stream's messages were visited.
    visited: usize,
    /// How many of them may be: those behind a failure may not.
    visitable: usize,
    position: i64,
    /// Records to take at once.
    limit: usize,
    /// A failure behind what is visitable. It stays: nothing is read past it.
    failed: Option<Failure>,
    /// When something came last.
    quiet_since: Instant,
    /// The problem that was logged last.
    told: Option<Failure>,
    partition: TopicPartition,
    errors: Errors,
    _claim: Claim,
}

impl Reader {
    pub(super) fn new(stream: Stream, partition: TopicPartition, from: i64, errors: Errors, claim: Claim) -> Self {
        Self {
            stream,
            visited: 0,
            visitable: 0,
            position: from,
            limit: FIRST,
            failed: None,
            quiet_since: Instant::now(),
            told: None,
            partition,
            errors,
            _claim: claim,
        }
    }

    /// Takes what is there. True when it holds something: a record, the end, a failure.
    fn take(&mut self) -> bool {
        self.visited = 0;
        self.visitable = 0;
        for message in self.stream.take(self.limit) {
            if let Entry::Failed(failure) = message.entry() {
                if errors::kind(&failure) != KafkaErrorKind::Unavailable {
                    self.failed = Some(failure);
                    break;
                }
                tracing::debug!(partition = %self.partition, %failure, "reading goes on when the cluster does");
            }
            self.visitable += 1;
        }
        let something = self.visitable > 0 || self.failed.is_some();
        if something {
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

    /// What hinders the reading, when nothing comes.
    fn look_around(&mut self) -> Result<()> {
        let observer = self.stream.handle().observer();
        if let Some(problem) = observer.hopeless(self.quiet_since) {
            return Err(self.errors.error(&self.partition, Doing::Read, problem, None));
        }
        let problem = observer.last_problem();
        if problem != self.told {
            if let Some(problem) = &problem {
                tracing::warn!(partition = %self.partition, %problem, "nothing comes, perhaps because of this");
            }
            self.told = problem;
        }
        Ok(())
    }
}

#[async_trait]
impl PartitionReader for Reader {
    async fn fetch(&mut self, wait: Duration) -> Result<()> {
        if self.visited < self.visitable {
            return Ok(());
        }
        self.failure()?;
        let start = Instant::now();
        while !self.take() {
            self.stream.handle().serve();
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return self.look_around();
            }
            self.stream.filled(left).await;
        }
        if self.visitable == 0 { self.failure() } else { Ok(()) }
    }

    fn drain(&mut self, visit: &mut dyn FnMut(&Record<'_>) -> ControlFlow<()>) {
        let Self { stream, visited, visitable, position, failed, .. } = self;
        let mut headers: Vec<Header<'_>> = Vec::new();
        let (mut records, mut bytes) = (0_usize, 0_usize);
        let mut enough = false;
        for message in &stream.messages()[*visited..*visitable] {
            match message.entry() {
                Entry::Record(_) if enough => break,
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

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("partition", &self.partition).field("position", &self.position).finish_non_exhaustive()
    }
}
