//! JSON objects: read, written unless another invocation was faster, and refused if a newer program
//! wrote them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use store::{ObjectStore, StoreError, StoreErrorKind, Version};

use crate::{Error, Result};

/// Reads an object of a restore. `None` if it does not exist.
pub(super) async fn read_json<T: DeserializeOwned>(store: &dyn ObjectStore, name: &str) -> Result<Option<(T, Version)>> {
    let object = match store.get(name).await {
        Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => return Ok(None),
        other => other?,
    };
    let damaged = |error| format!("it cannot be read ({error}); with a new RESTORE_ID the restore starts again");
    let found = serde_json::from_slice(&object.body)
        .map_err(|error| StoreError::new(StoreErrorKind::Damaged, store.location(name), damaged(error)))?;
    Ok(Some((found, object.version)))
}

/// Creates an object of a restore, or replaces the one that was read. False if another invocation
/// was faster.
pub(super) async fn write_json<T: Serialize>(
    object: &T,
    store: &dyn ObjectStore,
    name: &str,
    unchanged_since: Option<&Version>,
) -> Result<bool> {
    let body = serde_json::to_vec_pretty(object).map_err(|error| Error::bug(error.to_string()))?;
    let written = match unchanged_since {
        None => store.create(name, body.into()).await,
        Some(version) => store.replace(name, body.into(), version).await,
    };
    match written {
        Ok(_) => Ok(true),
        Err(StoreError { kind: StoreErrorKind::AlreadyExists | StoreErrorKind::Changed, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The first bytes of the SHA-256 of `content`, in hex.
pub(super) fn short_hash(content: &[u8], bytes: usize) -> String {
    Sha256::digest(content).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses an object of a newer program.
pub(super) fn check_version(store: &dyn ObjectStore, name: &str, found: u32, known: u32) -> Result<()> {
    if found <= known {
        return Ok(());
    }
    let what = format!("written by a newer version (format {found}); use that version");
    Err(StoreError::new(StoreErrorKind::Damaged, store.location(name), what).into())
}
