//! Writes records, with transactions.

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use kernel::record::Record;
use rdkafka_sys::*;

use super::super::backlog::{Batch, OVERHEAD, Size};
use super::admin::{c_string, commit_list};
use super::close::Later;
use super::code::{Code, Failure};
use super::handle::Handle;
use super::header::Headers;
use super::layout::Layout;
use super::queue::Queue;
use super::stream::Topic;
use crate::{CommittedOffset, TopicPartition};

// See `code.rs`. As a variadic function it also needs no array of unions for each record.
unsafe extern "C" {
    fn rd_kafka_producev(rk: *mut rd_kafka_t, ...) -> c_int;
    fn rd_kafka_flush(rk: *mut rd_kafka_t, timeout_ms: c_int) -> c_int;
    fn rd_kafka_fatal_error(rk: *mut rd_kafka_t, errstr: *mut c_char, errstr_size: usize) -> c_int;
}

/// The result of sending a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// librdkafka has a copy.
    Taken,
    /// There is no room for it now.
    Full,
}

/// Writes to one topic. Records that are queued when it is dropped are discarded.
pub(crate) struct Producer {
    parts: Later<Parts>,
    handle: Arc<Handle>,
    /// Memory limit of the queue; one record is always accepted.
    room: usize,
    /// The limit per partition.
    batch: Batch,
}

struct Parts {
    topic: Topic,
    main: Queue,
}

impl Producer {
    /// A producer whose queue holds at most `room` bytes, or a single larger record, and per
    /// partition no more than useful with batches of this size.
    pub(in crate::librdkafka) fn new(handle: Arc<Handle>, topic: &str, room: usize, batch: Batch) -> Result<Self, Failure> {
        Ok(Self { parts: Later::new(Parts { topic: Topic::new(&handle, topic)?, main: Queue::main(&handle) }), handle, room, batch })
    }

    /// The instance it writes with.
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Whether it is too early to continue after the queue was full for a partition: enough is left
    /// that requests are in flight, or are sent without a nudge.
    pub(crate) fn is_crowded(&self, partition: i32) -> bool {
        let backlog = self.handle.observer().backlog();
        self.batch.is_whole(backlog.of(partition)) || backlog.memory() > self.room / 2
    }

    /// Queues a copy of the record, its bytes, headers and timestamp unchanged.
    pub(crate) fn send(&self, partition: i32, record: &Record<'_>) -> Result<Sent, Failure> {
        let observer = self.handle.observer();
        let size = size(record);
        if !self.fits(partition, size) {
            // Waiting reports make room, too.
            self.handle.serve();
            if !self.fits(partition, size) {
                return Ok(Sent::Full);
            }
        }
        let headers = (!record.headers.is_empty()).then(|| Headers::new(record.headers));
        let timestamp = if record.timestamp == 0 { INSTEAD_OF_ZERO } else { record.timestamp };
        observer.backlog().add(partition, size);
        // SAFETY: tags and arguments as rdkafka.h lists them, the last tag ends them. Key and value
        // are copied (MSG_F_COPY), headers are taken over on success. The opaque pointer is a
        // number that comes back in the delivery report.
        let answer = Code(unsafe {
            rd_kafka_producev(
                self.handle.as_ptr(),
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT,
                self.parts.topic.as_ptr(),
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION,
                partition,
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                RD_KAFKA_MSG_F_COPY as c_int,
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                start(record.value),
                record.value.map_or(0, <[u8]>::len),
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY,
                start(record.key),
                record.key.map_or(0, <[u8]>::len),
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE,
                ptr::without_provenance_mut::<c_void>(size.memory),
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp,
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS,
                headers.as_ref().map_or(ptr::null_mut(), Headers::as_ptr),
                rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            )
        });
        if answer == Code::NO_ERROR {
            if let Some(headers) = headers {
                headers.release();
            }
            return Ok(Sent::Taken);
        }
        observer.backlog().remove(partition, size);
        if answer == Code::QUEUE_FULL { Ok(Sent::Full) } else { Err(self.fatal().unwrap_or(answer.into())) }
    }

    fn fits(&self, partition: i32, size: Size) -> bool {
        let backlog = self.handle.observer().backlog();
        let outstanding = backlog.memory();
        outstanding == 0 || (outstanding + size.memory <= self.room && !self.batch.is_ahead(backlog.of(partition)))
    }

    /// The error that made the instance useless, if one did.
    pub(crate) fn fatal(&self) -> Option<Failure> {
        let mut words = [0 as c_char; 512];
        // SAFETY: a valid instance, and a buffer with its size, which was zeroed and is ended in
        // NUL.
        unsafe {
            let code = Code(rd_kafka_fatal_error(self.handle.as_ptr(), words.as_mut_ptr(), words.len()));
            (code != Code::NO_ERROR).then(|| Failure { fatal: true, ..Failure::new(code, super::text(words.as_ptr())) })
        }
    }

    /// Waits until a delivery report came, at most `wait`, and serves it.
    pub(crate) async fn reported(&self, wait: Duration) {
        self.parts.main.filled(wait).await;
        self.handle.serve();
    }

    /// Sends the queue without lingering, and waits at most `wait` until all of it is reported.
    /// Blocks. True if nothing is left. Keep it short: meanwhile librdkafka's broker threads spin.
    pub(crate) fn flush(&self, wait: Duration) -> bool {
        // SAFETY: a valid instance.
        Code(unsafe { rd_kafka_flush(self.handle.as_ptr(), millis(wait)) }) == Code::NO_ERROR
    }

    /// Fences older producers of the same name and settles what they left. Blocks. Resumes when
    /// repeated after a timeout.
    pub(crate) fn init_transactions(&self, wait: Duration) -> Result<(), Failure> {
        // SAFETY: a valid instance; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_init_transactions(self.handle.as_ptr(), millis(wait))) }
    }

    /// Begins a transaction. Local: never waits.
    pub(crate) fn begin(&self) -> Result<(), Failure> {
        // SAFETY: a valid instance; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_begin_transaction(self.handle.as_ptr())) }
    }

    /// Makes a committed offset of `group`, which has no members, part of the transaction. Blocks,
    /// even longer than `wait` while a request is in progress. Starts over when repeated, and a
    /// timeout can mean that the transaction has to be aborted: give it all the available time.
    pub(crate) fn send_offset(
        &self,
        group: &str,
        partition: &TopicPartition,
        offset: &CommittedOffset,
        wait: Duration,
    ) -> Result<(), Failure> {
        let (group, list) = (c_string(group)?, commit_list([(partition, offset)])?);
        // SAFETY: a C string, a valid instance and list; the group metadata is ours and destroyed
        // after use; the error, if any, is ours.
        unsafe {
            let metadata = rd_kafka_consumer_group_metadata_new(group.as_ptr());
            let error = rd_kafka_send_offsets_to_transaction(self.handle.as_ptr(), list.ptr(), metadata, millis(wait));
            rd_kafka_consumer_group_metadata_destroy(metadata);
            Failure::check(error)
        }
    }

    /// Commits the transaction. Blocks. Resumes when repeated after a timeout.
    pub(crate) fn commit(&self, wait: Duration) -> Result<(), Failure> {
        // SAFETY: a valid instance; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_commit_transaction(self.handle.as_ptr(), millis(wait))) }
    }

    /// Aborts the transaction. Blocks.
    pub(crate) fn abort(&self, wait: Duration) -> Result<(), Failure> {
        // SAFETY: a valid instance; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_abort_transaction(self.handle.as_ptr(), millis(wait))) }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let handle = self.main.handle();
        // SAFETY: a valid instance. Nothing waits for these records any more.
        unsafe { rd_kafka_purge(handle.as_ptr(), (RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT) as c_int) };
        handle.serve();
    }
}

fn size(record: &Record<'_>) -> Size {
    let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    Size { memory: record.size() + OVERHEAD * (1 + record.headers.len()), bytes: of(record.key) + of(record.value) }
}

fn start(bytes: Option<&[u8]>) -> *const c_void {
    bytes.map_or(ptr::null(), |bytes| bytes.as_ptr().cast())
}

fn millis(wait: Duration) -> c_int {
    c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX)
}

// librdkafka takes a timestamp of 0 for 'now'. But an interceptor sees each record after its
// timestamp was set and before it is queued. So records with timestamp 0 are sent with a timestamp
// that no record has, and the interceptor replaces it by 0.

/// The timestamp that is sent for 0. No record may have it.
pub(crate) const INSTEAD_OF_ZERO: i64 = i64::MIN;

/// Installs the interceptor.
///
/// # Safety
/// `conf` points to a valid conf.
pub(super) unsafe fn keep_timestamp_zero(conf: *mut rd_kafka_conf_t) {
    // SAFETY: the caller's promise; librdkafka copies the name.
    unsafe { rd_kafka_conf_interceptor_add_on_new(conf, c"timestamp-zero".as_ptr(), Some(on_new), ptr::null_mut()) };
}

unsafe extern "C" fn on_new(
    rk: *mut rd_kafka_t,
    _: *const rd_kafka_conf_t,
    _: *mut c_void,
    _: *mut c_char,
    _: usize,
) -> rd_kafka_resp_err_t {
    // SAFETY: librdkafka passes the new instance, and copies the name.
    unsafe { rd_kafka_interceptor_add_on_send(rk, c"timestamp-zero".as_ptr(), Some(on_send), ptr::null_mut()) }
}

unsafe extern "C" fn on_send(_: *mut rd_kafka_t, message: *mut rd_kafka_message_t, _: *mut c_void) -> rd_kafka_resp_err_t {
    // SAFETY: librdkafka passes a new message of its own, not yet queued, so nothing else reads it.
    // It is a `Layout` of this version, without which no client starts.
    unsafe {
        let message = message.cast::<Layout>();
        if (*message).timestamp == INSTEAD_OF_ZERO {
            (*message).timestamp = 0;
        }
    }
    rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}
