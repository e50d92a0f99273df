//! Spans that no longer fit into a checkpoint, in objects of their own next to it.

use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind};

use super::Spans;
use crate::Result;
use crate::catalog::names;
use crate::catalog::objects::{check_version, read_json, short_hash};

/// Spans of one source partition of a restore. Its name contains a hash of its content, so an
/// existing one has the same content. Invocations that split the list at different places write
/// different objects. The known spans are the union of all of them and of the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSpans {
    /// See [`KeptSpans::FORMAT`].
    pub format_version: u32,
    /// The restore that it belongs to:
    /// [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    pub run: String,
    /// The spans.
    pub spans: Spans,
}

impl KeptSpans {
    /// The current version.
    pub const FORMAT: u32 = 1;

    /// Writes them.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn put(
        run: &str,
        spans: Spans,
        store: &dyn ObjectStore,
        restore_id: &str,
        folder: &str,
        partition: i32,
    ) -> Result<(), StoreError> {
        let from = spans.iter().next().map_or(0, |span| span.from);
        let kept = Self { format_version: Self::FORMAT, run: run.to_owned(), spans };
        let unwritable = |error: serde_json::Error| StoreError::new(StoreErrorKind::Other, restore_id, error.to_string());
        let body = serde_json::to_vec(&kept).map_err(unwritable)?;
        let hash = short_hash(&body, 8);
        match store.create(&names::spans(restore_id, folder, partition, from, &hash), body.into()).await {
            Ok(_) | Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The names of those of a partition, sorted by first source offset; includes those of other
    /// restores with the same id. List them after reading the checkpoint: what it lost since is
    /// then in an object.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn names(store: &dyn ObjectStore, restore_id: &str, folder: &str, partition: i32) -> Result<Vec<String>> {
        let (prefix, mut found, mut after) = (names::spans_prefix(restore_id, folder, partition), Vec::new(), String::new());
        loop {
            let page = store.list(&prefix, &after, 1000).await?;
            if let Some(last) = page.objects.last() {
                after.clone_from(&last.name);
            }
            found.extend(page.objects.into_iter().map(|object| object.name));
            if !page.more {
                return Ok(found);
            }
        }
    }

    /// Reads one. None of them is ever deleted, so one that disappeared since the listing counts as
    /// unreadable.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn load(store: &dyn ObjectStore, name: &str) -> Result<Self> {
        let gone = || StoreError::new(StoreErrorKind::NotFound, store.location(name), "existed and is gone; run again".to_owned());
        let (found, _) = read_json::<Self>(store, name).await?.ok_or_else(gone)?;
        check_version(store, name, found.format_version, Self::FORMAT)?;
        Ok(found)
    }
}
