//! One partition being read.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::{
    rd_kafka_consume_batch_queue, rd_kafka_consume_start_queue, rd_kafka_consume_stop, rd_kafka_topic_destroy, rd_kafka_topic_new,
    rd_kafka_topic_t,
};

use super::close::Later;
use super::code::{Code, Failure};
use super::handle::Handle;
use super::message::Message;
use super::queue::Queue;

/// A topic handle of an instance.
pub(super) struct Topic {
    topic: NonNull<rd_kafka_topic_t>,
    /// After `topic`: destroyed after it.
    _handle: Arc<Handle>,
}

// SAFETY: topics may be used from any thread (rdkafka.h, "Thread-safety").
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Topic {
    pub(super) fn new(handle: &Arc<Handle>, name: &str) -> Result<Self, Failure> {
        let invalid = || Failure::new(Code::INVALID_TOPIC, format!("{name:?} is not a topic name"));
        let name = CString::new(name).map_err(|_| invalid())?;
        // SAFETY: a valid instance and a C string; null takes the instance's own topic properties.
        // The reference belongs to this value.
        let topic = unsafe { rd_kafka_topic_new(handle.as_ptr(), name.as_ptr(), std::ptr::null_mut()) };
        NonNull::new(topic).map(|topic| Self { topic, _handle: Arc::clone(handle) }).ok_or_else(invalid)
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_topic_t {
        self.topic.as_ptr()
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: an owned reference, released once.
        unsafe { rd_kafka_topic_destroy(self.as_ptr()) }
    }
}

/// Messages of one partition from a given offset, without a consumer group. Reading ends soon after
/// this is dropped.
pub(crate) struct Stream(Later<Reading>);

struct Reading {
    /// Taken from the queue, not yet released. The first field: destroyed before what they come
    /// from.
    messages: Vec<Message>,
    queue: Queue,
    topic: Topic,
    partition: i32,
    /// Dropped when reading has ended.
    _until: Box<dyn Send + Sync>,
}

impl Stream {
    /// Starts to read `partition` at `offset`. An instance reads a partition at most once at the
    /// same time: `until` is dropped when reading has ended.
    pub(crate) fn start(
        handle: &Arc<Handle>,
        topic: &str,
        partition: i32,
        offset: i64,
        until: impl Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let topic = Topic::new(handle, topic)?;
        let queue = Queue::new(handle);
        // SAFETY: a valid topic and queue of the same instance; both live as long as the value
        // below, which stops the reading when dropped.
        if unsafe { rd_kafka_consume_start_queue(topic.as_ptr(), partition, offset, queue.as_ptr()) } != 0 {
            return Err(Failure::new(Code::INVALID_ARG, format!("partition {partition} cannot be read from offset {offset}")));
        }
        Ok(Self(Later::new(Reading { messages: Vec::new(), queue, topic, partition, _until: Box::new(until) })))
    }

    /// Takes up to `limit` available messages, without waiting. Releases those taken before.
    pub(crate) fn take(&mut self, limit: usize) -> &[Message] {
        let Reading { messages, queue, .. } = self.0.get_mut();
        messages.clear();
        messages.reserve(limit);
        // SAFETY: a valid queue, and room for `limit` pointers. `Message` is a transparent wrapper
        // of the pointer; the call writes as many of them as it returns, and gives them to us.
        unsafe {
            let taken = rd_kafka_consume_batch_queue(queue.as_ptr(), 0, messages.as_mut_ptr().cast(), limit);
            messages.set_len(usize::try_from(taken).unwrap_or(0));
        }
        messages
    }

    /// The messages of [`take`](Self::take).
    pub(crate) fn messages(&self) -> &[Message] {
        &self.0.messages
    }

    /// Releases the messages.
    pub(crate) fn give_up(&mut self) {
        self.0.get_mut().messages.clear();
    }

    /// Waits at most `wait` for more messages.
    pub(crate) async fn filled(&mut self, wait: Duration) {
        self.0.get_mut().queue.filled(wait).await;
    }

    /// The instance it reads with.
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        self.0.queue.handle()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        // SAFETY: a valid topic whose partition was started, once, and is stopped once. Answered by
        // librdkafka's own thread, not by a broker.
        unsafe { rd_kafka_consume_stop(self.topic.as_ptr(), self.partition) };
    }
}
