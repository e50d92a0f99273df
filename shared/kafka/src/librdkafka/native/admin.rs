//! Requests about topics and groups: how to send one and await the response.

use std::ffi::{CString, c_char, c_int};
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::{Offset, TopicPartitionList};
use rdkafka_sys::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_isolation_level,
    rd_kafka_AdminOptions_set_request_timeout, rd_kafka_AdminOptions_t, rd_kafka_IsolationLevel_t, rd_kafka_admin_op_t,
    rd_kafka_event_destroy, rd_kafka_event_error_string, rd_kafka_event_t, rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_t,
};

use super::code::{Code, Failure};
use super::handle::Handle;
use super::queue::Queue;
use super::text;
use crate::{CommittedOffset, TopicPartition};

// See `code.rs`.
unsafe extern "C" {
    fn rd_kafka_event_error(event: *mut rd_kafka_event_t) -> c_int;
}

/// How often a waiting request checks whether waiting still makes sense.
const LOOK: Duration = Duration::from_millis(200);

/// Options of a request.
pub(super) struct Options(NonNull<rd_kafka_AdminOptions_t>);

impl Options {
    /// Options with a time limit.
    pub(super) fn new(handle: &Handle, operation: rd_kafka_admin_op_t, timeout: Duration) -> Self {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        let mut error = [0 as c_char; 128];
        // SAFETY: a valid instance; the new object belongs to this value. A time limit out of range
        // leaves librdkafka's own.
        unsafe {
            let options = NonNull::new(rd_kafka_AdminOptions_new(handle.as_ptr(), operation)).expect("librdkafka allocates or aborts");
            rd_kafka_AdminOptions_set_request_timeout(options.as_ptr(), millis, error.as_mut_ptr(), error.len());
            Self(options)
        }
    }

    /// Offsets for this isolation level.
    pub(super) fn read_committed(self, committed: bool) -> Result<Self, Failure> {
        let level = match committed {
            true => rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            false => rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        };
        // SAFETY: valid options; the error, if any, is ours.
        unsafe { Failure::check(rd_kafka_AdminOptions_set_isolation_level(self.as_ptr(), level))? };
        Ok(self)
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_AdminOptions_t {
        self.0.as_ptr()
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once.
        unsafe { rd_kafka_AdminOptions_destroy(self.as_ptr()) }
    }
}

/// A request in progress.
pub(super) struct Pending(Queue);

impl Pending {
    /// Sends a request: `send` gets the instance, the options and the queue for the response.
    pub(super) fn send(
        handle: &Arc<Handle>,
        options: &Options,
        send: impl FnOnce(*mut rd_kafka_t, *const rd_kafka_AdminOptions_t, *mut rd_kafka_queue_t),
    ) -> Self {
        let queue = Queue::new(handle);
        send(handle.as_ptr(), options.as_ptr(), queue.as_ptr());
        Self(queue)
    }

    /// Waits for the response. Dropping the future gives up the request.
    ///
    /// # Errors
    /// The request as a whole failed; librdkafka ends it at its timeout. Refused credentials end it
    /// earlier.
    pub(super) async fn answer(self) -> Result<Event, Failure> {
        let start = Instant::now();
        let observer = Arc::clone(self.0.handle().observer());
        loop {
            // SAFETY: a valid queue; the event, if there is one, is ours.
            let event = NonNull::new(unsafe { rd_kafka_queue_poll(self.0.as_ptr(), 0) }).map(Event);
            if let Some(event) = event {
                event.check()?;
                observer.answered();
                return Ok(event);
            }
            self.0.handle().serve();
            if let Some(problem) = observer.hopeless(start) {
                return Err(problem);
            }
            self.0.filled(LOOK).await;
        }
    }
}

/// The response to a request.
pub(super) struct Event(NonNull<rd_kafka_event_t>);

// SAFETY: an event is not bound to a thread; it belongs to this value alone.
unsafe impl Send for Event {}

impl Event {
    fn check(&self) -> Result<(), Failure> {
        // SAFETY: a valid event, which keeps the text.
        unsafe {
            let code = Code(rd_kafka_event_error(self.as_ptr()));
            if code == Code::NO_ERROR { Ok(()) } else { Err(Failure::new(code, text(rd_kafka_event_error_string(self.as_ptr())))) }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_event_t {
        self.0.as_ptr()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once. Nothing that was read from it is kept: all results are
        // copies.
        unsafe { rd_kafka_event_destroy(self.as_ptr()) }
    }
}

/// An array that librdkafka returned, as a slice.
///
/// # Safety
/// `array` is null or has `count` elements that live, unchanged, for `'a`.
pub(super) unsafe fn array<'a, T>(array: *const T, count: usize) -> &'a [T] {
    // SAFETY: the caller's promise.
    if array.is_null() { &[] } else { unsafe { slice::from_raw_parts(array, count) } }
}

/// A C string of a name.
pub(super) fn c_string(name: &str) -> Result<CString, Failure> {
    CString::new(name).map_err(|_| Failure::new(Code::INVALID_ARG, format!("{name:?} contains a NUL byte")))
}

/// A list for a request, with the same offset or offset specification for all.
pub(super) fn list(partitions: &[TopicPartition], offset: Offset) -> Result<TopicPartitionList, Failure> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        add(&mut list, partition, offset, "")?;
    }
    Ok(list)
}

/// A list of offsets to be committed.
pub(super) fn commit_list<'o>(
    offsets: impl IntoIterator<Item = (&'o TopicPartition, &'o CommittedOffset)>,
) -> Result<TopicPartitionList, Failure> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        add(&mut list, partition, Offset::Offset(offset.next), &offset.metadata)?;
    }
    Ok(list)
}

fn add(list: &mut TopicPartitionList, to_add: &TopicPartition, offset: Offset, metadata: &str) -> Result<(), Failure> {
    c_string(&to_add.topic)?;
    let mut element = list.add_partition(&to_add.topic, to_add.partition);
    element.set_offset(offset).map_err(|error| Failure::new(Code::INVALID_ARG, error.to_string()))?;
    if !metadata.is_empty() {
        element.set_metadata(metadata);
    }
    Ok(())
}
