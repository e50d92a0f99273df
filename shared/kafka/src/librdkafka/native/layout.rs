//! librdkafka's private structures that this folder uses.
//!
//! Two requirements of a backup have no public function. First, the headers of a consumed record as
//! sent: librdkafka returns keys as C strings, which end at the first NUL, copies each header, and
//! omits all of them if there are more than 100,000. Second, a timestamp of 0 for a record to be
//! sent: librdkafka takes 0 for 'now'. Both are fields of the structure that every message points
//! to. Its layout is known for exactly one version of librdkafka, the one that is built in. With
//! another one no client starts.

use std::ffi::{c_int, c_void};

use rdkafka_sys::{rd_kafka_headers_t, rd_kafka_message_t, rd_kafka_version};

/// 2.12.1, as [`rd_kafka_version`] writes it.
const KNOWN: c_int = 0x020c_01ff;

/// The start of `struct rd_kafka_msg_s` (rdkafka_msg.h) for consumed messages. Up to the timestamp
/// it is the same for messages to be sent.
#[repr(C)]
pub(super) struct Layout {
    message: rd_kafka_message_t,
    link: [*mut c_void; 2],
    flags: c_int,
    timestamp_type: c_int,
    pub(super) timestamp: i64,
    headers: *mut rd_kafka_headers_t,
    status: c_int,
    broker: i32,
    /// Bytes at `raw_headers`.
    pub(super) raw_headers_length: i32,
    /// The headers as in the record batch; in the memory of the fetched batch, which the message
    /// keeps.
    pub(super) raw_headers: *const u8,
}

/// Pointer sizes and alignments of 64 bit: on other machines the layout differs.
const _: () = assert!(size_of::<usize>() == 8 && std::mem::offset_of!(Layout, timestamp) == 96 && size_of::<Layout>() == 136);

/// Whether the structure is the known one.
///
/// # Errors
/// The version that is built in.
pub(super) fn check() -> Result<(), String> {
    // SAFETY: no arguments.
    let version = unsafe { rd_kafka_version() };
    if version == KNOWN {
        Ok(())
    } else {
        Err(format!("librdkafka {version:#010x} is not {KNOWN:#010x}: compare native/layout.rs with its source"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn the_structure_is_that_of_the_librdkafka_that_is_built_in() {
        super::check().unwrap();
    }
}
