//! Properties.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;

use rdkafka_sys::{rd_kafka_conf_destroy, rd_kafka_conf_new, rd_kafka_conf_res_t, rd_kafka_conf_set, rd_kafka_conf_t};

use super::text;

/// A set of properties, with librdkafka's defaults for the others.
pub(crate) struct Conf(NonNull<rd_kafka_conf_t>);

impl Conf {
    /// The defaults.
    pub(crate) fn new() -> Self {
        // SAFETY: no arguments; the new object belongs to this value.
        Self(NonNull::new(unsafe { rd_kafka_conf_new() }).expect("librdkafka allocates or aborts"))
    }

    /// Sets a property, of the client or of its topics.
    ///
    /// # Errors
    /// librdkafka's text: no such property, invalid value, not in this build.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let nul = |_| "contains a NUL byte".to_owned();
        let (name, value) = (CString::new(name).map_err(nul)?, CString::new(value).map_err(nul)?);
        let mut error = [0 as c_char; 512];
        // SAFETY: two C strings, and a buffer with its size, all alive during the call, which
        // copies what it keeps.
        let result = unsafe { rd_kafka_conf_set(self.0.as_ptr(), name.as_ptr(), value.as_ptr(), error.as_mut_ptr(), error.len()) };
        match result {
            rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            // SAFETY: the buffer was zeroed, and librdkafka ends what it writes in NUL.
            _ => Err(unsafe { text(error.as_ptr()) }),
        }
    }

    pub(super) fn as_ptr(&self) -> *mut rd_kafka_conf_t {
        self.0.as_ptr()
    }

    /// Gives up ownership, to a client that takes it.
    pub(super) fn release(self) {
        std::mem::forget(self);
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: owned, and destroyed once; `release` forgets the value.
        unsafe { rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}
