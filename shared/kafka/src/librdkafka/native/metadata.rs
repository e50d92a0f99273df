//! The Metadata request of all topics.

use std::collections::BTreeSet;
use std::ffi::c_int;
use std::ptr;
use std::time::Duration;

use rdkafka_sys::*;

use super::code::{Code, Failure};
use super::handle::Handle;
use super::text;

impl Handle {
    /// Names of all topics that this client's user may see. Blocks. Includes topics for which the
    /// broker reports an error: they exist.
    pub(crate) fn topic_names(&self, wait: Duration) -> Result<BTreeSet<String>, Failure> {
        let millis = c_int::try_from(wait.as_millis()).unwrap_or(c_int::MAX);
        let mut metadata = ptr::null();
        // SAFETY: a valid instance, no topic handle, and a place for the answer, which is ours when
        // there is no error.
        Code(unsafe { rd_kafka_metadata(self.as_ptr(), 1, ptr::null_mut(), &raw mut metadata, millis) } as c_int).check()?;
        // SAFETY: an answer of this call with its count; names are copied before it is freed, once.
        unsafe {
            let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
            let names = (0..count).map(|at| text((*(*metadata).topics.add(at)).topic)).collect();
            rd_kafka_metadata_destroy(metadata);
            Ok(names)
        }
    }
}
