//! Whether a store refuses to create an existing object. All concurrency of invocations relies on
//! that.

use std::time::SystemTime;

use store::{ObjectStore, StoreError, StoreErrorKind};

use crate::catalog::names;
use crate::{Error, Result};

/// Proves it with an object of its own, which stays: `@check/create-only`. Also proves that this
/// user may write and read there.
///
/// # Errors
/// The store replaced the object, or an error of the store.
pub async fn check_create_only(store: &dyn ObjectStore) -> Result<()> {
    // Different bytes each time: equal ones look like a lost first response.
    let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    for number in 0..2 {
        match store.create(names::CREATE_ONLY, format!("{{\"by\":{at},\"number\":{number}}}").into_bytes().into()).await {
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => {
                store.get(names::CREATE_ONLY).await?;
                return Ok(());
            }
            Ok(_) if number == 0 => {}
            Ok(_) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Err(replaced(store, names::CREATE_ONLY))
}

/// The error for a store that replaced an object.
pub(super) fn replaced(store: &dyn ObjectStore, name: &str) -> Error {
    Error::unfit(format!(
        "{}: the store replaced this object although the request forbids that (If-None-Match: *). Two concurrent \
         backups would destroy each other's segments, so nothing is backed up to it. Use a store that supports \
         conditional writes, or a newer version of this one; then delete this object, and the backup starts",
        store.location(name)
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use store::testing::{CarelessStore, MemoryStore};

    use super::*;

    #[tokio::test]
    async fn a_store_that_refuses_passes_any_number_of_times_and_one_that_replaces_never() {
        let store = MemoryStore::new();
        for _ in 0..3 {
            check_create_only(&store).await.unwrap();
        }
        assert_eq!(store.snapshot().len(), 1);
        let store = CarelessStore::new(Arc::new(MemoryStore::new()));
        for _ in 0..2 {
            let error = check_create_only(&store).await.unwrap_err().to_string();
            assert!(error.contains(names::CREATE_ONLY) && error.contains("If-None-Match"), "{error}");
        }
    }
}
