//! Which names are valid: the same in every store, so that a backup can be copied from one to
//! another.

use super::{Result, StoreError, StoreErrorKind};

/// The longest name in bytes, prefix included: the limit of S3, which is the lowest of the stores.
pub const MAX_NAME: usize = 1024;

/// Refuses a name that a store could not hold, or would read as another one.
///
/// # Errors
/// [`StoreErrorKind::BadName`], at `location`.
pub(super) fn check(name: &str, location: impl FnOnce() -> String) -> Result<()> {
    match fault(name) {
        None => Ok(()),
        Some(what) => Err(StoreError::new(StoreErrorKind::BadName, location(), format!("invalid name {name:?}: {what}"))),
    }
}

fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > MAX_NAME {
        return Some("it is longer than 1,024 bytes");
    }
    if name.contains(char::is_control) {
        return Some("it contains a control character");
    }
    if name.contains('\\') {
        return Some("it contains a backslash, which some stores read as a slash");
    }
    name.split('/').find_map(|part| match part {
        "" => Some("it starts or ends with a slash, or has two in a row"),
        "." | ".." => Some("a part of it is `.` or `..`"),
        _ => None,
    })
}

/// Where a listing of `prefix` has to start to return only names greater than `after`: empty for
/// its beginning, `None` if no name with that prefix is greater. Stores treat an `after` outside of
/// the prefix differently, so no store gets one.
pub(super) fn start_within<'a>(prefix: &str, after: &'a str) -> Option<&'a str> {
    if after.starts_with(prefix) {
        Some(after)
    } else if after < prefix {
        Some("")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_a_backup_are_good() {
        for name in ["orders/0/00000000000000000000.tar.gz", "orders@2/topic.json", "@restore/a b/0.json", "ä/…", ".hidden/..x"] {
            assert_eq!(fault(name), None, "{name}");
        }
    }

    #[test]
    fn names_that_leave_the_store_or_mean_another_are_bad() {
        let long = "x".repeat(MAX_NAME + 1);
        for name in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\0b", "a\nb", "a\\b", &long] {
            assert!(fault(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn an_after_outside_the_prefix_is_the_beginning_or_the_end() {
        assert_eq!(start_within("b/", ""), Some(""));
        assert_eq!(start_within("b/", "a"), Some(""));
        assert_eq!(start_within("b/", "b"), Some(""));
        assert_eq!(start_within("b/", "b/x"), Some("b/x"));
        assert_eq!(start_within("b/", "b0"), None);
        assert_eq!(start_within("", "x"), Some("x"));
    }
}
