//! DescribeAcls.

use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::*;

use super::admin::{Options, Pending, array};
use super::code::{Code, Failure};
use super::handle::Handle;
use super::text;
use crate::Acl;

// See `code.rs`.
unsafe extern "C" {
    fn rd_kafka_AclBinding_restype(acl: *const rd_kafka_AclBinding_t) -> c_int;
    fn rd_kafka_AclBinding_resource_pattern_type(acl: *const rd_kafka_AclBinding_t) -> c_int;
    fn rd_kafka_AclBinding_operation(acl: *const rd_kafka_AclBinding_t) -> c_int;
    fn rd_kafka_AclBinding_permission_type(acl: *const rd_kafka_AclBinding_t) -> c_int;
}

/// The words of Kafka's tools, by the numbers of its protocol; librdkafka has 0 for each that it
/// does not know.
pub(super) const RESOURCES: &[&str] = &["UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER"];
pub(super) const PATTERNS: &[&str] = &["UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED"];
pub(super) const OPERATIONS: &[&str] = &[
    "UNKNOWN",
    "ANY",
    "ALL",
    "READ",
    "WRITE",
    "CREATE",
    "DELETE",
    "ALTER",
    "DESCRIBE",
    "CLUSTER_ACTION",
    "DESCRIBE_CONFIGS",
    "ALTER_CONFIGS",
    "IDEMPOTENT_WRITE",
    "CREATE_TOKENS",
    "DESCRIBE_TOKENS",
    "TWO_PHASE_COMMIT",
];
pub(super) const PERMISSIONS: &[&str] = &["UNKNOWN", "ANY", "DENY", "ALLOW"];

impl Handle {
    /// DescribeAcls of all entries: one request. librdkafka drops the error of the response, so a
    /// refusal, and a cluster without an authorizer, look like one without entries. Entries with
    /// words that it does not know are included, each as often as in the response.
    pub(crate) async fn acls(self: &Arc<Self>, timeout: Duration) -> Result<Vec<Acl>, Failure> {
        let pending = {
            let all = all()?;
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBEACLS, timeout);
            // SAFETY: a valid filter, which the request copies; destroyed once, as the entry that
            // it is to librdkafka.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                rd_kafka_DescribeAcls(rk, all.as_ptr(), options, queue);
                rd_kafka_AclBinding_destroy(all.as_ptr());
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        unsafe {
            let result = rd_kafka_event_DescribeAcls_result(event.as_ptr());
            let mut acls: Vec<Acl> =
                array(rd_kafka_DescribeAcls_result_acls(result, &raw mut count), count).iter().map(|entry| acl(*entry)).collect();
            acls.sort();
            Ok(acls)
        }
    }
}

/// A filter that lets everything through.
fn all() -> Result<NonNull<rd_kafka_AclBindingFilter_t>, Failure> {
    let mut error = [0 as c_char; 128];
    // SAFETY: null for any name, principal and host; a buffer with its size, which was zeroed, and
    // in which librdkafka ends what it writes in NUL.
    unsafe {
        let filter = rd_kafka_AclBindingFilter_new(
            rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_ANY,
            ptr::null(),
            rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_ANY,
            ptr::null(),
            ptr::null(),
            rd_kafka_AclOperation_t::RD_KAFKA_ACL_OPERATION_ANY,
            rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ANY,
            error.as_mut_ptr(),
            error.len(),
        );
        NonNull::new(filter).ok_or_else(|| Failure::new(Code::INVALID_ARG, text(error.as_ptr())))
    }
}

/// # Safety
/// `entry` points to an entry.
unsafe fn acl(entry: *const rd_kafka_AclBinding_t) -> Acl {
    // SAFETY: the caller's promise; names are C strings, or null.
    unsafe {
        Acl {
            resource: word(RESOURCES, rd_kafka_AclBinding_restype(entry)),
            name: text(rd_kafka_AclBinding_name(entry)),
            pattern: word(PATTERNS, rd_kafka_AclBinding_resource_pattern_type(entry)),
            principal: text(rd_kafka_AclBinding_principal(entry)),
            host: text(rd_kafka_AclBinding_host(entry)),
            operation: word(OPERATIONS, rd_kafka_AclBinding_operation(entry)),
            permission: word(PERMISSIONS, rd_kafka_AclBinding_permission_type(entry)),
        }
    }
}

fn word(words: &[&str], number: c_int) -> String {
    let word = usize::try_from(number).ok().and_then(|number| words.get(number));
    word.map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

/// The number of a word.
pub(super) fn number(words: &[&str], word: &str) -> Option<c_int> {
    words.iter().zip(0..).find(|(known, _)| **known == word).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_the_words_of_kafkas_tools() {
        assert_eq!(word(RESOURCES, 4), "CLUSTER");
        assert_eq!(word(OPERATIONS, 12), "IDEMPOTENT_WRITE");
        assert_eq!(word(PATTERNS, 4), "PREFIXED");
        assert_eq!(word(PERMISSIONS, 2), "DENY");
        assert_eq!((number(RESOURCES, "CLUSTER"), number(OPERATIONS, "17")), (Some(4), None));
        assert_eq!((word(RESOURCES, 99), word(RESOURCES, -1)), ("99".to_owned(), "-1".to_owned()));
    }
}
