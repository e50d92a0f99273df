//! The embedded broker: librdkafka's mock cluster.

use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;

use rdkafka_sys::{
    rd_kafka_mock_broker_add, rd_kafka_mock_clear_requests, rd_kafka_mock_cluster_bootstraps, rd_kafka_mock_cluster_destroy,
    rd_kafka_mock_cluster_new, rd_kafka_mock_cluster_t, rd_kafka_mock_get_requests, rd_kafka_mock_request_api_key,
    rd_kafka_mock_request_destroy_array, rd_kafka_mock_start_request_tracking, rd_kafka_mock_topic_create,
};

use super::code::{Code, Failure};
use super::conf::Conf;
use super::handle::{Handle, Kind};
use super::{start, text};
use crate::librdkafka::observer::Observer;

/// Two brokers inside this process.
pub(crate) struct Broker {
    cluster: NonNull<rd_kafka_mock_cluster_t>,
    /// After `cluster`: destroyed after it.
    _handle: Arc<Handle>,
}

// SAFETY: the mock cluster runs in a thread of its own, and takes commands from any thread through
// a locked queue (rdkafka_mock.c); its bootstrap servers are a string that never changes.
unsafe impl Send for Broker {}
// SAFETY: as above.
unsafe impl Sync for Broker {}

impl Broker {
    /// Starts the brokers 0 and 1. The mock cluster names broker 0 as its controller, but has it
    /// only when asked for.
    pub(crate) fn start() -> Result<Self, Failure> {
        let handle = start(Kind::Producer, Conf::new(), Arc::new(Observer::default()), false)?;
        // SAFETY: a valid instance, which outlives the cluster.
        unsafe {
            let cluster = NonNull::new(rd_kafka_mock_cluster_new(handle.as_ptr(), 1));
            let broker = Self { cluster: cluster.ok_or(Code::FAIL)?, _handle: handle };
            Code(rd_kafka_mock_broker_add(broker.as_ptr(), 0) as i32).check()?;
            Ok(broker)
        }
    }

    /// Creates a topic.
    pub(crate) fn create_topic(&self, name: &str, partitions: i32) -> Result<(), Failure> {
        let name = CString::new(name).map_err(|_| Failure::from(Code::INVALID_TOPIC))?;
        // SAFETY: a valid cluster and a C string, which is copied.
        Code(unsafe { rd_kafka_mock_topic_create(self.as_ptr(), name.as_ptr(), partitions, 1) } as i32).check()
    }

    /// Its address.
    pub(crate) fn bootstrap_servers(&self) -> String {
        // SAFETY: a valid cluster, which keeps the string.
        unsafe { text(rd_kafka_mock_cluster_bootstraps(self.as_ptr())) }
    }

    /// Forgets the requests so far.
    pub(crate) fn track(&self) {
        // SAFETY: a valid cluster.
        unsafe {
            rd_kafka_mock_start_request_tracking(self.as_ptr());
            rd_kafka_mock_clear_requests(self.as_ptr());
        }
    }

    /// The numbers of the APIs of the requests since [`track`](Self::track).
    pub(crate) fn requests(&self) -> Vec<i16> {
        let mut count = 0;
        // SAFETY: a valid cluster; the array has `count` requests and is ours.
        unsafe {
            let requests = rd_kafka_mock_get_requests(self.as_ptr(), &raw mut count);
            let keys = (0..count).map(|index| rd_kafka_mock_request_api_key(*requests.add(index))).collect();
            rd_kafka_mock_request_destroy_array(requests, count);
            keys
        }
    }

    fn as_ptr(&self) -> *mut rd_kafka_mock_cluster_t {
        self.cluster.as_ptr()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once, before the instance it runs on.
        unsafe { rd_kafka_mock_cluster_destroy(self.as_ptr()) }
    }
}

/// For tests.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod faults {
    use std::time::Duration;

    use rdkafka_sys::{
        rd_kafka_mock_broker_push_request_error_rtts, rd_kafka_mock_broker_set_down, rd_kafka_mock_broker_set_rtt,
        rd_kafka_mock_broker_set_up, rd_kafka_mock_clear_request_errors, rd_kafka_mock_coordinator_set, rd_kafka_mock_partition_set_leader,
        rd_kafka_mock_push_request_errors_array, rd_kafka_resp_err_t,
    };

    use super::*;

    impl Broker {
        /// The next requests of this kind (number of the API) get these errors.
        pub(crate) fn fail(&self, api: i16, errors: &[rd_kafka_resp_err_t]) {
            // SAFETY: a valid cluster, and an array with its length, which is copied.
            unsafe { rd_kafka_mock_push_request_errors_array(self.as_ptr(), api, errors.len(), errors.as_ptr()) }
        }

        /// Requests of this kind succeed again.
        pub(crate) fn forget_failures(&self, api: i16) {
            // SAFETY: a valid cluster.
            unsafe { rd_kafka_mock_clear_request_errors(self.as_ptr(), api) }
        }

        /// Stops all brokers, or starts them again.
        pub(crate) fn down(&self, down: bool) {
            // SAFETY: a valid cluster.
            unsafe {
                match down {
                    true => rd_kafka_mock_broker_set_down(self.as_ptr(), -1),
                    false => rd_kafka_mock_broker_set_up(self.as_ptr(), -1),
                };
            }
        }

        /// Stops one broker.
        pub(crate) fn take_down(&self, broker: i32) {
            // SAFETY: a valid cluster.
            unsafe { rd_kafka_mock_broker_set_down(self.as_ptr(), broker) };
        }

        /// Delays the responses of a broker.
        pub(crate) fn delay(&self, broker: i32, by: Duration) {
            // SAFETY: a valid cluster.
            unsafe { rd_kafka_mock_broker_set_rtt(self.as_ptr(), broker, i32::try_from(by.as_millis()).unwrap()) };
        }

        /// Delays the next response of each broker to this kind of request.
        pub(crate) fn hold(&self, api: i16, by: Duration) {
            for broker in [0, 1] {
                let (no_error, by) = (rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR, i32::try_from(by.as_millis()).unwrap());
                // SAFETY: a valid cluster, and one pair of an error and a time.
                unsafe { rd_kafka_mock_broker_push_request_error_rtts(self.as_ptr(), broker, api, 1, no_error, by) };
            }
        }

        /// Moves the leader of a partition; -1 leaves it without one.
        pub(crate) fn lead(&self, topic: &str, partition: i32, broker: i32) {
            let topic = CString::new(topic).unwrap();
            // SAFETY: a valid cluster and a C string, which is copied.
            unsafe { rd_kafka_mock_partition_set_leader(self.as_ptr(), topic.as_ptr(), partition, broker) };
        }

        /// Moves the coordinator of a transactional id.
        pub(crate) fn coordinate(&self, transactional_id: &str, broker: i32) {
            let id = CString::new(transactional_id).unwrap();
            // SAFETY: a valid cluster and two C strings, which are copied.
            unsafe { rd_kafka_mock_coordinator_set(self.as_ptr(), c"transaction".as_ptr(), id.as_ptr(), broker) };
        }
    }
}
