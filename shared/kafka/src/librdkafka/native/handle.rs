//! A client instance and its callbacks.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rdkafka_sys::{
    rd_kafka_conf_set_dr_msg_cb, rd_kafka_conf_set_error_cb, rd_kafka_conf_set_log_cb, rd_kafka_conf_set_opaque, rd_kafka_destroy,
    rd_kafka_message_t, rd_kafka_new, rd_kafka_opaque, rd_kafka_poll, rd_kafka_t, rd_kafka_type_t,
};

use super::super::observer::Observer;
use super::close::Later;
use super::code::{Code, Failure};
use super::conf::Conf;
use super::{message, text};

/// What a client instance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads and requests.
    Consumer,
    /// Writing.
    Producer,
}

// As in `code.rs`.
unsafe extern "C" {
    fn rd_kafka_last_error() -> c_int;
}

/// A client instance: connections, threads, metadata. They close soon after it is dropped, in the
/// background.
pub(crate) struct Handle(Later<Instance>);

struct Instance {
    rk: NonNull<rd_kafka_t>,
    /// librdkafka's callbacks have a plain pointer to it, so it lives as long as the instance.
    observer: Arc<Observer>,
}

// SAFETY: librdkafka's functions may be called from any thread at the same time (rdkafka.h,
// "Thread-safety").
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl Handle {
    /// An instance with these properties; see [`start`](super::start).
    ///
    /// # Errors
    /// librdkafka's text, if properties contradict each other or name files that cannot be read.
    pub(super) fn new(kind: Kind, conf: Conf, observer: Arc<Observer>) -> Result<Self, Failure> {
        let native_kind = match kind {
            Kind::Consumer => rd_kafka_type_t::RD_KAFKA_CONSUMER,
            Kind::Producer => rd_kafka_type_t::RD_KAFKA_PRODUCER,
        };
        // SAFETY: a valid conf; the observer outlives the instance (see the field), so the
        // callbacks may use the pointer.
        unsafe {
            rd_kafka_conf_set_opaque(conf.as_ptr(), Arc::as_ptr(&observer).cast_mut().cast());
            rd_kafka_conf_set_log_cb(conf.as_ptr(), Some(on_log));
            rd_kafka_conf_set_error_cb(conf.as_ptr(), Some(on_error));
            if kind == Kind::Producer {
                rd_kafka_conf_set_dr_msg_cb(conf.as_ptr(), Some(on_delivery));
            }
        }
        let mut error = [0 as c_char; 512];
        // SAFETY: a valid conf, and a buffer with its size. The conf is released whatever comes.
        let rk = unsafe { rd_kafka_new(native_kind, conf.as_ptr(), error.as_mut_ptr(), error.len()) };
        // On success the instance owns the conf. On failure its owner is unknown. If a producer
        // fails late, part of it was freed already (librdkafka's issue 4142). If threads did not
        // start within a minute, others still use it and the observer (4100). So neither is used or
        // freed again.
        conf.release();
        let Some(rk) = NonNull::new(rk) else {
            std::mem::forget(observer);
            // SAFETY: no arguments; the code of this thread's last call. The buffer was zeroed, and
            // librdkafka ends what it writes in NUL.
            return Err(unsafe { Failure::new(Code(rd_kafka_last_error()), text(error.as_ptr())) });
        };
        Ok(Self(Later::new(Instance { rk, observer })))
    }

    /// Its observer.
    pub(crate) fn observer(&self) -> &Arc<Observer> {
        &self.0.observer
    }

    /// Serves waiting callbacks; never blocks.
    pub(crate) fn serve(&self) {
        // SAFETY: a valid instance.
        unsafe { rd_kafka_poll(self.as_ptr(), 0) };
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_t {
        self.0.rk.as_ptr()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: owned and destroyed once. Everything made from it keeps its handle alive by an
        // `Arc`. After the call no callback comes.
        unsafe { rd_kafka_destroy(self.rk.as_ptr()) }
        // The task that attends to its login notices that it is gone.
        self.observer.want_login();
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Handle").field(&self.as_ptr()).finish()
    }
}

/// The observer of an instance's opaque pointer.
///
/// # Safety
/// `opaque` is null or the pointer that [`Handle::new`] set, of an instance that still lives.
pub(super) unsafe fn observer<'a>(opaque: *mut c_void) -> Option<&'a Observer> {
    // SAFETY: the caller's promise; the observer is only used by shared reference, and is `Sync`.
    unsafe { opaque.cast_const().cast::<Observer>().as_ref() }
}

unsafe extern "C" fn on_log(rk: *const rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    // SAFETY: librdkafka passes its instance (null for a line about none) and two C strings that
    // live during the call.
    unsafe {
        let opaque = if rk.is_null() { ptr::null_mut() } else { rd_kafka_opaque(rk) };
        if let Some(observer) = observer(opaque) {
            observer.log(level, &text(facility), &text(line));
        }
    }
}

unsafe extern "C" fn on_error(_: *mut rd_kafka_t, code: c_int, reason: *const c_char, opaque: *mut c_void) {
    // SAFETY: librdkafka passes the opaque pointer of the instance, and a C string that lives
    // during the call.
    unsafe {
        if let Some(observer) = observer(opaque) {
            observer.problem(Code(code), &text(reason));
        }
    }
}

unsafe extern "C" fn on_delivery(_: *mut rd_kafka_t, message: *const rd_kafka_message_t, opaque: *mut c_void) {
    // SAFETY: librdkafka passes the opaque pointer of the instance, and a message that lives during
    // the call.
    unsafe {
        if let Some(observer) = observer(opaque) {
            let report = message::read_report(message);
            let outcome = if report.code == Code::NO_ERROR { Ok(()) } else { Err(Failure::new(report.code, report.text)) };
            observer.delivered(report.partition, report.offset, report.size, outcome);
        }
    }
}
