//! DescribeUserScramCredentials.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::*;

use super::admin::{Options, array};
use super::code::{Code, Failure};
use super::handle::Handle;
use super::queue::Queue;
use super::text;
use crate::ScramUser;

// See `code.rs`.
unsafe extern "C" {
    fn rd_kafka_event_error(event: *mut rd_kafka_event_t) -> c_int;
    fn rd_kafka_ScramCredentialInfo_mechanism(info: *const rd_kafka_ScramCredentialInfo_t) -> c_int;
}

impl Handle {
    /// DescribeUserScramCredentials of all users: one request. Blocks, even if its caller has
    /// stopped waiting: see below.
    ///
    /// When a broker refuses the request, librdkafka 2.12.1 leaves a pointer to foreign memory in
    /// the response, and destroying that response, or its queue, frees it: the process crashes. So
    /// a thread that nothing ends waits for the response. A response with an error is never
    /// destroyed, and its text is never read.
    pub(crate) fn scram_users(self: &Arc<Self>, wait: Duration) -> Result<Vec<ScramUser>, Failure> {
        let queue = ManuallyDrop::new(Queue::new(self));
        let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEUSERSCRAMCREDENTIALS, wait);
        // SAFETY: a valid instance, options and queue; no array for no names, which means all
        // users. librdkafka answers at the time limit at the latest.
        let event = unsafe {
            rd_kafka_DescribeUserScramCredentials(self.as_ptr(), ptr::null_mut(), 0, options.as_ptr(), queue.as_ptr());
            rd_kafka_queue_poll(queue.as_ptr(), -1)
        };
        let event = NonNull::new(event).ok_or(Code::TIMED_OUT)?.as_ptr();
        // The response is out of it.
        drop(ManuallyDrop::into_inner(queue));
        // SAFETY: an event of this request. Only one without an error is read and destroyed, once,
        // after all was copied.
        unsafe {
            Code(rd_kafka_event_error(event)).check()?;
            self.observer().answered();
            let users = users(event);
            rd_kafka_event_destroy(event);
            users
        }
    }
}

/// # Safety
/// `event` is an answer without an error.
unsafe fn users(event: *mut rd_kafka_event_t) -> Result<Vec<ScramUser>, Failure> {
    let (mut count, mut users) = (0, Vec::new());
    // SAFETY: the caller's promise; what is read belongs to the event and is copied.
    unsafe {
        let result = rd_kafka_event_DescribeUserScramCredentials_result(event);
        for user in array(rd_kafka_DescribeUserScramCredentials_result_descriptions(result, &raw mut count), count) {
            let error = rd_kafka_UserScramCredentialsDescription_error(*user);
            if !error.is_null() && Failure::read(error).code != Code::NO_ERROR {
                return Err(Failure::read(error));
            }
            let credentials = rd_kafka_UserScramCredentialsDescription_scramcredentialinfo_count(*user);
            let mechanisms: BTreeMap<String, i32> = (0..credentials)
                .map(|at| rd_kafka_UserScramCredentialsDescription_scramcredentialinfo(*user, at))
                .map(|info| (mechanism(rd_kafka_ScramCredentialInfo_mechanism(info)), rd_kafka_ScramCredentialInfo_iterations(info)))
                .collect();
            users.push(ScramUser { name: text(rd_kafka_UserScramCredentialsDescription_user(*user)), mechanisms });
        }
    }
    users.sort();
    Ok(users)
}

/// In the words of Kafka's tools.
fn mechanism(number: c_int) -> String {
    match number {
        1 => "SCRAM-SHA-256".to_owned(),
        2 => "SCRAM-SHA-512".to_owned(),
        other => other.to_string(),
    }
}
