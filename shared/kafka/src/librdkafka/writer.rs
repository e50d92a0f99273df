//! Records out, in batches that become visible together with their progress.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::failpoint;
use kernel::record::Record;

use super::coordinator;
use super::errors::{self, Doing, Errors};
use super::native::{Code, Failure, INSTEAD_OF_ZERO, Producer, Sent, elsewhere};
use super::nudges::{self, Nudges};
use super::tries::Asker;
use super::waiting::{blocking, watched};
use super::{group_offsets, source};
use crate::{CommittedOffset, Delivery, KafkaError, KafkaErrorKind, Queued, RecordWriter, Result, TopicPartition, WriterName, Written};

/// One step of a call that resumes when repeated: between two steps the wait can be ended.
const STEP: Duration = Duration::from_millis(200);
/// The step of taking over the transactional id. librdkafka looks for a broker immediately when
/// called again, otherwise only every half second.
const INIT_STEP: Duration = Duration::from_millis(50);
/// In one step: for a call that starts over when repeated.
const WHOLE: Duration = Duration::MAX;
/// Timeout of an abort. Without it the broker aborts at transaction.timeout.ms, or the next writer
/// does.
const ABORT: Duration = Duration::from_secs(5);
/// With less than this left of the invocation, or than a quarter of its time, waiting for the
/// brokers ends: giving up takes time, too.
const MARGIN: Duration = Duration::from_secs(2);

/// Without a report for this long, check whether the topic still exists: librdkafka keeps the
/// records of a topic that was deleted just before they came, permanently and without an error.
const SILENT: Duration = Duration::from_secs(15);

/// How long no queued record was reported.
struct Silence {
    outstanding: usize,
    since: Instant,
    asked: Instant,
}

impl Silence {
    fn of(outstanding: usize) -> Self {
        let now = Instant::now();
        Self { outstanding, since: now, asked: now }
    }

    /// Whether it is time to check.
    fn is_long(&mut self, outstanding: usize) -> bool {
        if outstanding != self.outstanding {
            *self = Self::of(outstanding);
        }
        let is_long = self.asked.elapsed() >= SILENT;
        if is_long {
            self.asked = Instant::now();
        }
        is_long
    }
}

/// Writes to one topic through librdkafka.
pub(super) struct Writer {
    producer: Arc<Producer>,
    asker: Arc<Asker>,
    id: String,
    /// Where the progress is stored.
    kept: TopicPartition,
    delivery: Delivery,
    /// Since when a transaction is open, if one is.
    begun: Option<Instant>,
    /// How long brokers allow one to be open.
    timeout: Duration,
    /// The partition for which there was no room.
    full: i32,
}

impl Writer {
    /// A writer; with exactly-once the only one of its name from now on. `None`: the brokers do not
    /// allow a transaction to be open for so long.
    pub(super) async fn open(
        producer: Producer,
        name: &WriterName,
        delivery: Delivery,
        timeout: Duration,
        asker: Arc<Asker>,
    ) -> Result<Option<Self>> {
        let kept = TopicPartition::new(&name.topic, 0);
        let writer = Self { producer: Arc::new(producer), asker, id: name.id.clone(), kept, delivery, begun: None, timeout, full: 0 };
        if delivery == Delivery::ExactlyOnce {
            failpoint!("restore::init_transactions::before");
            if let Err(failure) = writer.settle(INIT_STEP, Producer::init_transactions).await {
                let failure = writer.producer.fatal().unwrap_or(failure);
                if failure.code == Code::INVALID_TRANSACTION_TIMEOUT {
                    return Ok(None);
                }
                let error = writer.error(Doing::InitTransactions, failure);
                return Err(coordinator::explained(&writer.asker, Doing::InitTransactions, error).await);
            }
            failpoint!("restore::init_transactions::after");
        }
        Ok(Some(writer))
    }

    /// Runs a blocking call, step by step, until it succeeds, fails permanently, or reaches its
    /// timeout.
    async fn settle(
        &self,
        step: Duration,
        call: impl Fn(&Producer, Duration) -> Result<(), Failure> + Clone + Send + 'static,
    ) -> Result<(), Failure> {
        let (start, limit) = (Instant::now(), self.asker.long_limit());
        loop {
            let (call, producer) = (call.clone(), Arc::clone(&self.producer));
            let wait = step.min(limit.saturating_sub(start.elapsed()));
            // librdkafka waits for a request in progress, even longer than it was asked to.
            let is_over = || (start.elapsed() > limit + STEP).then(|| Failure { retriable: true, ..Code::TIMED_OUT.into() });
            let hinders = || self.producer.handle().observer().hopeless(start).or_else(is_over);
            let Err(failure) = watched(self.producer.handle(), hinders, move || call(&producer, wait)).await else {
                self.producer.handle().observer().answered();
                return Ok(());
            };
            if let Some(problem) = self.producer.handle().observer().hopeless(start) {
                return Err(problem);
            }
            if !failure.retriable || failure.fatal || start.elapsed() >= limit {
                return Err(failure);
            }
            tracing::debug!(id = self.id, %failure, "continuing");
            // A timeout has waited already; other retriable failures return immediately.
            if failure.code != Code::TIMED_OUT {
                tokio::time::sleep(step.min(STEP)).await;
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        if self.delivery == Delivery::ExactlyOnce && self.begun.is_none() {
            failpoint!("restore::begin::before");
            self.producer.begin().map_err(|failure| self.error(Doing::Write, failure))?;
            failpoint!("restore::begin::after");
            self.begun = Some(Instant::now());
        }
        Ok(())
    }

    /// Aborts the open transaction, so that it does not block the target's readers.
    async fn abort(&mut self) {
        if let Some(abort) = self.take_abort() {
            blocking(abort).await;
            // Queued records come back as purged: they belong to the aborted transaction.
            self.producer.handle().observer().take_reports();
        }
    }

    /// What aborts the open transaction, if there is one. It blocks. If it cannot abort, because a
    /// commit is in progress, it does nothing.
    fn take_abort(&mut self) -> Option<impl FnOnce() + Send + 'static> {
        let (producer, id) = (Arc::clone(&self.producer), self.id.clone());
        let wait = self.asker.left().map_or(ABORT, |left| ABORT.min(left / 2));
        self.begun.take().map(|_| {
            move || {
                if let Err(failure) = producer.abort(wait) {
                    tracing::debug!(id, %failure, "the transaction stays open until its timeout");
                }
            }
        })
    }

    /// Computes when waiting for the brokers has to end. Call it when the wait begins.
    fn patience(&self) -> impl Fn() -> bool + Send + use<> {
        let asker = Arc::clone(&self.asker);
        let margin = asker.left().map(|left| MARGIN.min(left / 4));
        move || asker.left().zip(margin).is_some_and(|(left, margin)| left <= margin)
    }

    /// Ends the wait for a topic that no longer exists, and for a transaction that the brokers have
    /// aborted.
    async fn check_silence(&mut self, silence: &mut Silence) -> Result<()> {
        if !silence.is_long(self.producer.handle().observer().outstanding()) {
            return Ok(());
        }
        // If no broker responds, librdkafka reports that.
        let topics = source::describe(&self.asker, std::slice::from_ref(&self.kept.topic)).await;
        let is_gone = topics.is_ok_and(|topics| topics.is_empty());
        let is_over = self.delivery == Delivery::ExactlyOnce && silence.since.elapsed() > self.timeout + SILENT;
        let error = if is_gone {
            KafkaError::new(KafkaErrorKind::UnknownTopic, &self.kept.topic, "was deleted during the restore")
        } else if is_over {
            let what = format!("no broker has accepted a record for {} s", silence.since.elapsed().as_secs());
            given_up(self.error(Doing::Write, Failure::new(Code::TIMED_OUT, what)))
        } else {
            return Ok(());
        };
        self.abort().await;
        Err(error)
    }

    /// The invocation ends before the brokers have everything: the open transaction is aborted.
    async fn too_late(&mut self) -> KafkaError {
        let what = "the brokers had not accepted all records when the invocation's time was up";
        let error = self.error(Doing::Write, Failure::new(Code::TIMED_OUT, what));
        self.abort().await;
        error
    }

    /// Sends partial batches. True if nothing is left.
    async fn nudge(&self) -> bool {
        let producer = Arc::clone(&self.producer);
        let wait = nudges::length(producer.handle().observer().backlog().partitions());
        blocking(move || producer.flush(wait)).await
    }

    fn errors(&self) -> &Errors {
        self.asker.errors()
    }

    fn error(&self, doing: Doing, failure: Failure) -> KafkaError {
        let subject = match doing {
            Doing::InitTransactions | Doing::CommitTransaction => format!("transactional id {}", self.id),
            _ => self.kept.topic.clone(),
        };
        // The cause of a fatal error is more specific than the error of every later call.
        let failure = self.producer.fatal().unwrap_or(failure);
        self.told_apart(self.errors().error(subject, doing, failure, self.producer.handle().observer().last_problem()))
    }

    /// A broker that aborts a transaction because of its duration, and a newer writer that takes
    /// over, differ from here only in the time.
    fn told_apart(&self, error: KafkaError) -> KafkaError {
        let is_ended = self.begun.is_some_and(|begun| begun.elapsed() >= self.timeout);
        if error.kind != KafkaErrorKind::Fenced || !is_ended {
            return error;
        }
        let what = format!(
            "the brokers aborted a transaction that was open for longer than transaction.timeout.ms ({}), and its \
             records with it. The next run writes them again. If this happens repeatedly, raise transaction.timeout.ms \
             (KAFKA_PROPERTIES)",
            self.timeout.as_millis()
        );
        KafkaError { kind: KafkaErrorKind::Aborted, what, ..error }
    }

    fn refused(&self, partition: i32, record: &Record<'_>, why: &str) -> KafkaError {
        let subject = TopicPartition::new(&self.kept.topic, partition);
        KafkaError::new(KafkaErrorKind::RecordRefused, subject.to_string(), format!("the record of offset {}: {why}", record.offset))
    }

    /// A failed transaction purges its queued records: a record's report contains only that; the
    /// transaction has the reason.
    fn why_purged(&self, failure: Failure) -> Failure {
        let is_purged = [Code::PURGE_QUEUE, Code::PURGE_INFLIGHT].contains(&failure.code);
        if !is_purged || self.begun.is_none() {
            return failure;
        }
        // Starting a transaction within another one is refused; if that has failed, with its
        // reason. It changes nothing.
        self.producer.begin().err().filter(|cause| cause.abort).unwrap_or(Failure { abort: true, ..failure })
    }

    /// The first undelivered record, as an error.
    fn undelivered(&self, (partition, failure): (i32, Failure)) -> KafkaError {
        let subject = TopicPartition::new(&self.kept.topic, partition);
        let failure = self.producer.fatal().unwrap_or_else(|| self.why_purged(failure));
        let error = self.told_apart(self.errors().error(subject, Doing::Write, failure, self.producer.handle().observer().last_problem()));
        if self.begun.is_some() { given_up(error) } else { error }
    }
}

#[async_trait]
impl RecordWriter for Writer {
    fn transaction_timeout(&self) -> Duration {
        self.timeout
    }

    async fn progress(&mut self) -> Result<Option<CommittedOffset>> {
        if self.delivery == Delivery::AtLeastOnce {
            return Ok(None);
        }
        group_offsets::settled(&*self.asker.about_groups(&self.id)?, &self.id, &self.kept).await
    }

    fn write(&mut self, partition: i32, record: &Record<'_>) -> Result<Queued> {
        if record.timestamp == INSTEAD_OF_ZERO {
            return Err(self.refused(partition, record, "its timestamp cannot be written"));
        }
        self.begin()?;
        match self.producer.send(partition, record) {
            Ok(Sent::Taken) => {
                failpoint!("restore::produce::after");
                Ok(Queued::Taken)
            }
            Ok(Sent::Full) => {
                self.full = partition;
                Ok(Queued::Full)
            }
            Err(failure) if [KafkaErrorKind::RecordRefused, KafkaErrorKind::RecordTooLarge].contains(&errors::kind(&failure)) => {
                Err(self.refused(partition, record, &failure.text))
            }
            // After a failed delivery, librdkafka accepts no more records for the transaction; the
            // delivery report has the reason.
            Err(failure) => Err(match self.producer.handle().observer().take_reports().failed {
                Some(undelivered) => self.undelivered(undelivered),
                None if self.begun.is_some() => given_up(self.error(Doing::Write, failure)),
                None => self.error(Doing::Write, failure),
            }),
        }
    }

    async fn room(&mut self) -> Result<()> {
        let (start, is_late, observer) = (Instant::now(), self.patience(), Arc::clone(self.producer.handle().observer()));
        let before = observer.outstanding();
        let (mut silence, mut nudges) = (Silence::of(before), Nudges::for_the_rest(before));
        // So that each wait is followed by many records. At least some progress: one record can be
        // larger than half of the queue.
        while observer.outstanding() > 0 && (observer.outstanding() == before || self.producer.is_crowded(self.full)) {
            self.producer.reported(nudges.wait()).await;
            if nudges.is_due(observer.outstanding()) {
                self.nudge().await;
            }
            if let Some(failure) = self.producer.fatal().or_else(|| observer.hopeless(start)) {
                return Err(self.error(Doing::Write, failure));
            }
            if is_late() {
                return Err(self.too_late().await);
            }
            self.check_silence(&mut silence).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<Vec<Written>> {
        let (start, is_late) = (Instant::now(), self.patience());
        failpoint!("restore::flush::before");
        let observer = Arc::clone(self.producer.handle().observer());
        let (mut silence, mut nudges) = (Silence::of(observer.outstanding()), Nudges::for_all(observer.outstanding()));
        while observer.outstanding() > 0 {
            if nudges.is_due(observer.outstanding()) && self.nudge().await {
                break;
            }
            if let Some(failure) = self.producer.fatal().or_else(|| observer.hopeless(start)) {
                return Err(self.error(Doing::Write, failure));
            }
            if is_late() {
                return Err(self.too_late().await);
            }
            self.producer.reported(nudges.wait()).await;
            if observer.outstanding() > 0 {
                self.check_silence(&mut silence).await?;
            }
        }
        let reports = self.producer.handle().observer().take_reports();
        if let Some(undelivered) = reports.failed {
            let error = self.undelivered(undelivered);
            self.abort().await;
            return Err(error);
        }
        failpoint!("restore::flush::after");
        Ok(reports.written.into_values().flatten().collect())
    }

    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()> {
        if self.delivery == Delivery::AtLeastOnce {
            return Ok(());
        }
        self.begin()?;
        let (id, kept, offset) = (self.id.clone(), self.kept.clone(), progress.clone());
        failpoint!("restore::send_offsets::before");
        let sent = self.settle(WHOLE, move |producer, wait| producer.send_offset(&id, &kept, &offset, wait)).await;
        let is_ending = sent.is_ok();
        let committed = match sent {
            Ok(()) => {
                failpoint!("restore::send_offsets::after");
                failpoint!("restore::commit_transaction::before");
                self.settle(STEP, Producer::commit).await
            }
            Err(failure) => Err(failure),
        };
        let Err(failure) = committed else {
            failpoint!("restore::commit_transaction::after");
            self.begun = None;
            return Ok(());
        };
        let error = self.error(Doing::CommitTransaction, failure.clone());
        // A commit without a response may have happened: the next writer finds out.
        if is_ending && !failure.abort && !failure.fatal {
            return Err(error);
        }
        if !failure.fatal {
            self.abort().await;
        }
        Err(given_up(error))
    }
}

impl Drop for Writer {
    /// Aborts an open transaction: it would block the target's readers until
    /// transaction.timeout.ms. In the background, because a dropped writer has no caller that
    /// waits; the end of the program waits for it
    /// ([`wait_until_closed`](crate::wait_until_closed)).
    fn drop(&mut self) {
        if let Some(abort) = self.take_abort() {
            elsewhere(abort);
        }
    }
}

/// The error of an aborted transaction: if it is transient, or the next writer resolves it, the
/// next invocation starts the transaction again.
fn given_up(error: KafkaError) -> KafkaError {
    let kind = match error.kind {
        KafkaErrorKind::Unavailable | KafkaErrorKind::Other => KafkaErrorKind::Aborted,
        kind => kind,
    };
    KafkaError { kind, ..error }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("id", &self.id).field("topic", &self.kept.topic).finish_non_exhaustive()
    }
}
