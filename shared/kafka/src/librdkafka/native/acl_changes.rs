//! CreateAcls and DeleteAcls.

use std::ffi::{CString, c_char, c_int};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys::*;

use super::acls::{OPERATIONS, PATTERNS, PERMISSIONS, RESOURCES, number};
use super::admin::{Options, Pending, array, c_string};
use super::code::{Code, Failure};
use super::handle::Handle;
use super::text;
use crate::Acl;

/// Creates an entry or a filter.
type Make = unsafe extern "C" fn(
    c_int,
    *const c_char,
    c_int,
    *const c_char,
    *const c_char,
    c_int,
    c_int,
    *mut c_char,
    usize,
) -> *mut rd_kafka_AclBinding_t;

// See `code.rs`.
unsafe extern "C" {
    fn rd_kafka_AclBinding_new(
        resource: c_int,
        name: *const c_char,
        pattern: c_int,
        principal: *const c_char,
        host: *const c_char,
        operation: c_int,
        permission: c_int,
        error: *mut c_char,
        error_size: usize,
    ) -> *mut rd_kafka_AclBinding_t;
    fn rd_kafka_AclBindingFilter_new(
        resource: c_int,
        name: *const c_char,
        pattern: c_int,
        principal: *const c_char,
        host: *const c_char,
        operation: c_int,
        permission: c_int,
        error: *mut c_char,
        error_size: usize,
    ) -> *mut rd_kafka_AclBinding_t;
}

/// An entry in librdkafka's numbers.
#[derive(Debug)]
pub(crate) struct Known {
    numbers: [c_int; 4],
    name: CString,
    principal: CString,
    host: CString,
}

impl Known {
    /// The entry, if librdkafka can send it exactly.
    ///
    /// # Errors
    /// The word without a number; [`Code::UNSUPPORTED_FEATURE`].
    pub(crate) fn of(acl: &Acl) -> Result<Self, Failure> {
        let unsupported = |(what, word)| Failure::new(Code::UNSUPPORTED_FEATURE, format!("librdkafka does not know the {what} {word}"));
        if let Some(unknown) = acl.unknown_word() {
            return Err(unsupported(unknown));
        }
        let number = |what: &'static str, words: &[&str], word| number(words, word).ok_or_else(|| unsupported((what, word)));
        let numbers = [
            number("resource", RESOURCES, &acl.resource)?,
            number("pattern", PATTERNS, &acl.pattern)?,
            number("operation", OPERATIONS, &acl.operation)?,
            number("permission", PERMISSIONS, &acl.permission)?,
        ];
        Ok(Self { numbers, name: c_string(&acl.name)?, principal: c_string(&acl.principal)?, host: c_string(&acl.host)? })
    }

    /// librdkafka's object, created by `make`.
    fn native(&self, make: Make) -> Result<Entry, Failure> {
        let [resource, pattern, operation, permission] = self.numbers;
        let mut error = [0 as c_char; 128];
        // SAFETY: numbers that librdkafka's enums have; C strings, which the object copies; a
        // buffer with its size, which was zeroed, and in which librdkafka ends what it writes in
        // NUL.
        unsafe {
            let (name, principal, host) = (self.name.as_ptr(), self.principal.as_ptr(), self.host.as_ptr());
            let new = make(resource, name, pattern, principal, host, operation, permission, error.as_mut_ptr(), error.len());
            NonNull::new(new).map(Entry).ok_or_else(|| Failure::new(Code::INVALID_ARG, text(error.as_ptr())))
        }
    }
}

/// An entry or filter; both are the same to librdkafka.
struct Entry(NonNull<rd_kafka_AclBinding_t>);

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: owned, destroyed once; requests copy it.
        unsafe { rd_kafka_AclBinding_destroy(self.0.as_ptr()) }
    }
}

/// The result of each entry of a request, in order.
pub(crate) type Outcomes = Vec<Result<(), Failure>>;

impl Handle {
    /// CreateAcls: one request, of at least one entry.
    pub(crate) async fn create_acls(self: &Arc<Self>, acls: &[&Known], timeout: Duration) -> Result<Outcomes, Failure> {
        let pending = {
            let entries = acls.iter().map(|acl| acl.native(rd_kafka_AclBinding_new)).collect::<Result<Vec<Entry>, _>>()?;
            let mut pointers: Vec<*mut rd_kafka_AclBinding_t> = entries.iter().map(|entry| entry.0.as_ptr()).collect();
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATEACLS, timeout);
            // SAFETY: an array of valid entries with its length, which the request copies.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                rd_kafka_CreateAcls(rk, pointers.as_mut_ptr(), pointers.len(), options, queue);
            })
        };
        let event = pending.answer().await?;
        let mut count = 0;
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        let outcomes = unsafe {
            let result = rd_kafka_event_CreateAcls_result(event.as_ptr());
            let results = array(rd_kafka_CreateAcls_result_acls(result, &raw mut count), count);
            results.iter().map(|result| outcome(rd_kafka_acl_result_error(*result))).collect()
        };
        of_all(acls, outcomes)
    }

    /// DeleteAcls of exactly these entries: one request, of at least one filter. An entry that does
    /// not exist counts as deleted.
    pub(crate) async fn delete_acls(self: &Arc<Self>, acls: &[&Known], timeout: Duration) -> Result<Outcomes, Failure> {
        let pending = {
            let filters = acls.iter().map(|acl| acl.native(rd_kafka_AclBindingFilter_new)).collect::<Result<Vec<Entry>, _>>()?;
            let mut pointers: Vec<*mut rd_kafka_AclBinding_t> = filters.iter().map(|filter| filter.0.as_ptr()).collect();
            let options = Options::new(self, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETEACLS, timeout);
            // SAFETY: an array of valid filters with its length, which the request copies.
            Pending::send(self, &options, |rk, options, queue| unsafe {
                rd_kafka_DeleteAcls(rk, pointers.as_mut_ptr(), pointers.len(), options, queue);
            })
        };
        let event = pending.answer().await?;
        let (mut count, mut of_one) = (0, 0);
        // SAFETY: an event of this request; what is read belongs to it and is copied.
        let outcomes = unsafe {
            let result = rd_kafka_event_DeleteAcls_result(event.as_ptr());
            let responses = array(rd_kafka_DeleteAcls_result_responses(result, &raw mut count), count);
            let outcome = |response: &*const rd_kafka_DeleteAcls_result_response_t| {
                outcome(rd_kafka_DeleteAcls_result_response_error(*response))?;
                let matching = array(rd_kafka_DeleteAcls_result_response_matching_acls(*response, &raw mut of_one), of_one);
                matching.iter().try_for_each(|acl| outcome(rd_kafka_AclBinding_error(*acl)))
            };
            responses.iter().map(outcome).collect()
        };
        of_all(acls, outcomes)
    }
}

/// # Safety
/// `error` is null or points to an error.
unsafe fn outcome(error: *const rd_kafka_error_t) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    if error.is_null() { Ok(()) } else { Err(unsafe { Failure::read(error) }) }
}

fn of_all(acls: &[&Known], outcomes: Outcomes) -> Result<Outcomes, Failure> {
    if outcomes.len() == acls.len() {
        return Ok(outcomes);
    }
    Err(Failure::new(Code::FAIL, format!("the cluster's response has {} of {} entries", outcomes.len(), acls.len())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn acl(words: [&str; 4]) -> Acl {
        let [resource, pattern, operation, permission] = words.map(str::to_owned);
        let [name, principal, host] = ["orders", "User:alice", "*"].map(str::to_owned);
        Acl { resource, name, pattern, principal, host, operation, permission }
    }

    #[test]
    fn an_entry_that_librdkafka_cannot_send_as_it_is_names_the_word() {
        let whole = ["TOPIC", "LITERAL", "READ", "ALLOW"];
        assert_eq!(Known::of(&acl(whole)).unwrap().numbers, [2, 3, 3, 3]);
        assert_eq!(Known::of(&acl(["TRANSACTIONAL_ID", "PREFIXED", "IDEMPOTENT_WRITE", "DENY"])).unwrap().numbers, [5, 4, 12, 2]);
        let refused = [
            (0, "UNKNOWN"),
            (0, "ANY"),
            (0, "USER"),
            (0, "DELEGATION_TOKEN"),
            (0, "17"),
            (1, "MATCH"),
            (1, "ANY"),
            (2, "ANY"),
            (2, "UNKNOWN"),
            (2, "CREATE_TOKENS"),
            (2, "TWO_PHASE_COMMIT"),
            (3, "ANY"),
            (3, ""),
        ];
        for (at, word) in refused {
            let mut words = whole;
            words[at] = word;
            let failure = Known::of(&acl(words)).unwrap_err();
            assert!(failure.code == Code::UNSUPPORTED_FEATURE && failure.text.ends_with(word), "{failure}");
        }
        assert_eq!(Known::of(&Acl { name: "a\0b".to_owned(), ..acl(whole) }).unwrap_err().code, Code::INVALID_ARG);
    }

    #[test]
    fn what_is_known_is_made_into_entries_and_filters() {
        for resource in &RESOURCES[2..=5] {
            for pattern in &PATTERNS[3..] {
                for operation in &OPERATIONS[2..=12] {
                    for permission in &PERMISSIONS[2..] {
                        let known = Known::of(&acl([resource, pattern, operation, permission])).unwrap();
                        known.native(rd_kafka_AclBinding_new).map(drop).unwrap();
                        known.native(rd_kafka_AclBindingFilter_new).map(drop).unwrap();
                    }
                }
            }
        }
    }
}
