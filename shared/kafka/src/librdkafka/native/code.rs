//! Error codes and errors.

use std::ffi::{c_char, c_int};
use std::fmt;

use rdkafka_sys::{
    rd_kafka_error_destroy, rd_kafka_error_is_fatal, rd_kafka_error_is_retriable, rd_kafka_error_string, rd_kafka_error_t,
    rd_kafka_error_txn_requires_abort, rd_kafka_resp_err_t as raw,
};

use super::text;

// rdkafka-sys declares these with a Rust enum for the code. A broker newer than librdkafka sends
// codes that the enum does not have, and an enum with an unknown value is undefined behaviour. So
// these are the same functions, with C's integer.
unsafe extern "C" {
    fn rd_kafka_err2str(code: c_int) -> *const c_char;
    fn rd_kafka_error_code(error: *const rd_kafka_error_t) -> c_int;
}

/// An error code of Kafka's protocol (positive) or of librdkafka itself (negative).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Code(pub(super) c_int);

macro_rules! codes {
    ($($name:ident = $raw:ident),* $(,)?) => {
        impl Code { $(pub(crate) const $name: Self = Self(raw::$raw as c_int);)* }
    };
}

codes! {
    NO_ERROR = RD_KAFKA_RESP_ERR_NO_ERROR,
    ALL_BROKERS_DOWN = RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
    AUTHENTICATION = RD_KAFKA_RESP_ERR__AUTHENTICATION,
    AUTO_OFFSET_RESET = RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
    BAD_COMPRESSION = RD_KAFKA_RESP_ERR__BAD_COMPRESSION,
    BAD_MSG = RD_KAFKA_RESP_ERR__BAD_MSG,
    BROKER_NOT_AVAILABLE = RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
    CLUSTER_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    CONCURRENT_TRANSACTIONS = RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
    COORDINATOR_LOAD_IN_PROGRESS = RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    COORDINATOR_NOT_AVAILABLE = RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    CRIT_SYS_RESOURCE = RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE,
    FAIL = RD_KAFKA_RESP_ERR__FAIL,
    FENCED = RD_KAFKA_RESP_ERR__FENCED,
    FENCED_INSTANCE_ID = RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
    FENCED_LEADER_EPOCH = RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
    FENCED_MEMBER_EPOCH = RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH,
    GROUP_ID_NOT_FOUND = RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND,
    GROUP_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    ILLEGAL_GENERATION = RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    GROUP_SUBSCRIBED_TO_TOPIC = RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC,
    INVALID_ARG = RD_KAFKA_RESP_ERR__INVALID_ARG,
    INVALID_CONFIG = RD_KAFKA_RESP_ERR_INVALID_CONFIG,
    INVALID_PRODUCER_EPOCH = RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    INVALID_RECORD = RD_KAFKA_RESP_ERR_INVALID_RECORD,
    INVALID_TIMESTAMP = RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
    INVALID_TOPIC = RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
    INVALID_DIFFERENT_RECORD = RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD,
    INVALID_TRANSACTION_TIMEOUT = RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
    KAFKA_STORAGE_ERROR = RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    LEADER_NOT_AVAILABLE = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    LISTENER_NOT_FOUND = RD_KAFKA_RESP_ERR_LISTENER_NOT_FOUND,
    LOG_TRUNCATION = RD_KAFKA_RESP_ERR__LOG_TRUNCATION,
    MSG_SIZE_TOO_LARGE = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    MSG_TIMED_OUT = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
    NETWORK_EXCEPTION = RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    NOENT = RD_KAFKA_RESP_ERR__NOENT,
    NON_EMPTY_GROUP = RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP,
    NOT_CONTROLLER = RD_KAFKA_RESP_ERR_NOT_CONTROLLER,
    NOT_COORDINATOR = RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    NOT_ENOUGH_REPLICAS = RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    NOT_LEADER_OR_FOLLOWER = RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    OFFSET_METADATA_TOO_LARGE = RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
    OFFSET_NOT_AVAILABLE = RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
    OFFSET_OUT_OF_RANGE = RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
    PARTITION_EOF = RD_KAFKA_RESP_ERR__PARTITION_EOF,
    POLICY_VIOLATION = RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
    PRODUCER_FENCED = RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
    PURGE_INFLIGHT = RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
    PURGE_QUEUE = RD_KAFKA_RESP_ERR__PURGE_QUEUE,
    QUEUE_FULL = RD_KAFKA_RESP_ERR__QUEUE_FULL,
    REBALANCE_IN_PROGRESS = RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
    RECORD_LIST_TOO_LARGE = RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
    REPLICA_NOT_AVAILABLE = RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
    REQUEST_TIMED_OUT = RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RESOLVE = RD_KAFKA_RESP_ERR__RESOLVE,
    SASL_AUTHENTICATION_FAILED = RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
    SSL = RD_KAFKA_RESP_ERR__SSL,
    STALE_MEMBER_EPOCH = RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH,
    THROTTLING_QUOTA_EXCEEDED = RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
    SECURITY_DISABLED = RD_KAFKA_RESP_ERR_SECURITY_DISABLED,
    TIMED_OUT = RD_KAFKA_RESP_ERR__TIMED_OUT,
    TIMED_OUT_QUEUE = RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
    TOPIC_ALREADY_EXISTS = RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
    TOPIC_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    TRANSPORT = RD_KAFKA_RESP_ERR__TRANSPORT,
    UNKNOWN_LEADER_EPOCH = RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH,
    UNKNOWN_MEMBER_ID = RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    UNKNOWN_PARTITION = RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
    UNKNOWN_TOPIC = RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
    UNKNOWN_TOPIC_ID = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID,
    UNKNOWN_TOPIC_OR_PART = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    UNSTABLE_OFFSET_COMMIT = RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
    UNSUPPORTED_FEATURE = RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE,
    UNSUPPORTED_FOR_MESSAGE_FORMAT = RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
    UNSUPPORTED_SASL_MECHANISM = RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM,
    UNSUPPORTED_VERSION = RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,
    WAIT_COORD = RD_KAFKA_RESP_ERR__WAIT_COORD,
}

impl Code {
    /// librdkafka's name for it.
    pub(crate) fn describe(self) -> String {
        // SAFETY: the function takes any integer and returns a string that it keeps (for unknown
        // codes, in a thread-local buffer).
        unsafe { text(rd_kafka_err2str(self.0)) }
    }

    /// The failure, if it is one.
    pub(crate) fn check(self) -> Result<(), Failure> {
        if self == Self::NO_ERROR { Ok(()) } else { Err(self.into()) }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.describe())
    }
}

/// librdkafka's description of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Its code; decisions use this.
    pub(crate) code: Code,
    /// Its text, for people.
    pub(crate) text: String,
    /// The same call can succeed when repeated.
    pub(crate) retriable: bool,
    /// The current transaction must be aborted.
    pub(crate) abort: bool,
    /// The client instance is no longer usable.
    pub(crate) fatal: bool,
}

impl Failure {
    /// A failure from a code and a text.
    pub(crate) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), retriable: false, abort: false, fatal: false }
    }

    /// The result of a call; null is success. Takes ownership of the error.
    ///
    /// # Safety
    /// `error` is null or an error that the caller owns.
    pub(super) unsafe fn check(error: *mut rd_kafka_error_t) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not null, so it is an error object, owned by the caller, who hands it over; it is
        // destroyed once and not used again.
        unsafe {
            let failure = Self::read(error);
            rd_kafka_error_destroy(error);
            Err(failure)
        }
    }

    /// Reads an error that another owner keeps.
    ///
    /// # Safety
    /// `error` points to an error object.
    pub(super) unsafe fn read(error: *const rd_kafka_error_t) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            Self {
                code: Code(rd_kafka_error_code(error)),
                text: text(rd_kafka_error_string(error)),
                retriable: rd_kafka_error_is_retriable(error) != 0,
                abort: rd_kafka_error_txn_requires_abort(error) != 0,
                fatal: rd_kafka_error_is_fatal(error) != 0,
            }
        }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::new(code, code.describe())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.text, self.code.0)
    }
}

impl std::error::Error for Failure {}
