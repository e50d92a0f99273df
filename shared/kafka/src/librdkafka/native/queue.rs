//! A queue that can be awaited.

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::{
    rd_kafka_queue_cb_event_enable, rd_kafka_queue_destroy, rd_kafka_queue_get_main, rd_kafka_queue_new, rd_kafka_queue_t, rd_kafka_t,
};
use tokio::sync::Notify;

use super::handle::Handle;

/// One of librdkafka's queues. When it goes from empty to filled, [`Queue::filled`] wakes up.
pub(crate) struct Queue {
    queue: NonNull<rd_kafka_queue_t>,
    /// librdkafka's callback has a plain pointer to it. An `Arc`, because an older pointer must not
    /// reach a `Box` that moves.
    wake: Arc<Notify>,
    /// After `queue`: destroyed after it.
    handle: Arc<Handle>,
}

// SAFETY: queues may be used from any thread (rdkafka.h, "Thread-safety").
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new queue.
    pub(crate) fn new(handle: &Arc<Handle>) -> Self {
        // SAFETY: a valid instance; the reference belongs to this value.
        unsafe { Self::watch(rd_kafka_queue_new(handle.as_ptr()), handle) }
    }

    /// The instance's main queue, which receives delivery reports.
    pub(crate) fn main(handle: &Arc<Handle>) -> Self {
        // SAFETY: a valid instance; the reference belongs to this value.
        unsafe { Self::watch(rd_kafka_queue_get_main(handle.as_ptr()), handle) }
    }

    /// # Safety
    /// `queue` is a reference to a queue of `handle` that the caller owns.
    unsafe fn watch(queue: *mut rd_kafka_queue_t, handle: &Arc<Handle>) -> Self {
        let queue = NonNull::new(queue).expect("librdkafka allocates or aborts");
        let wake = Arc::new(Notify::new());
        // SAFETY: a valid queue. What `wake` points to stays where it is, and outlives the
        // callback, which `drop` removes first.
        unsafe { rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(on_filled), Arc::as_ptr(&wake).cast_mut().cast()) };
        Self { queue, wake, handle: Arc::clone(handle) }
    }

    /// Waits at most `wait` until the queue was filled since the last wait. Check the queue first:
    /// existing entries cause no wake-up.
    pub(crate) async fn filled(&self, wait: Duration) {
        let _ = tokio::time::timeout(wait, self.wake.notified()).await;
    }

    /// The instance it belongs to.
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_queue_t {
        self.queue.as_ptr()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once. librdkafka calls back under the queue's lock, which the
        // first call takes too: after it, no callback runs, and `wake` can go.
        unsafe {
            rd_kafka_queue_cb_event_enable(self.as_ptr(), None, ptr::null_mut());
            rd_kafka_queue_destroy(self.as_ptr());
        }
    }
}

unsafe extern "C" fn on_filled(_: *mut rd_kafka_t, wake: *mut c_void) {
    // SAFETY: the pointer that `watch` gave, to a `Notify` that lives until the callback is
    // removed.
    unsafe { &*wake.cast_const().cast::<Notify>() }.notify_one();
}
