use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::Delete;
use crate::{Body, Listed, Object, ObjectStore, Page, Part, Result, StoreError, StoreErrorKind, Version, names};

/// A store in memory, for tests. Clones share their objects; nothing in it waits, so a simulation
/// on one thread is deterministic.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    writes: u64,
}

impl State {
    fn write(&mut self, name: &str, body: Bytes) -> Version {
        self.writes += 1;
        let version = Version(self.writes.to_string());
        self.objects.insert(name.to_owned(), Object { body, version: version.clone() });
        version
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes an object whatever existed before, like another tool or a bad disk.
    pub fn overwrite(&self, name: &str, body: impl Into<Bytes>) {
        self.state().write(name, body.into());
    }

    /// Everything that it has at this moment.
    pub fn snapshot(&self) -> BTreeMap<String, Bytes> {
        self.state().objects.iter().map(|(name, object)| (name.clone(), object.body.clone())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: StoreErrorKind, name: &str, what: &str) -> StoreError {
        StoreError::new(kind, self.location(name), what)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("objects", &self.state().objects.len()).finish()
    }
}

#[async_trait]
impl ObjectStore for MemoryStore {
    fn location(&self, name: &str) -> String {
        format!("memory://{name}")
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        names::check(name, || self.location(name))?;
        let mut state = self.state();
        if state.objects.contains_key(name) {
            return Err(self.error(StoreErrorKind::AlreadyExists, name, "the object already exists"));
        }
        Ok(state.write(name, body.to_bytes()))
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        names::check(name, || self.location(name))?;
        let mut state = self.state();
        if state.objects.get(name).is_none_or(|object| object.version != *unchanged_since) {
            return Err(self.error(StoreErrorKind::Changed, name, "the object changed since it was read"));
        }
        Ok(state.write(name, body))
    }

    async fn get(&self, name: &str) -> Result<Object> {
        names::check(name, || self.location(name))?;
        self.state().objects.get(name).cloned().ok_or_else(|| self.error(StoreErrorKind::NotFound, name, "object not found"))
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        let Object { body, version } = self.get(name).await?;
        let end = range.end.min(body.len() as u64) as usize;
        let start = range.start.min(end as u64) as usize;
        Ok(Part { bytes: body.slice(start..end), size: body.len() as u64, version })
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let Some(after) = names::start_within(prefix, after) else { return Ok(Page::default()) };
        let from = if after.is_empty() { Bound::Included(prefix) } else { Bound::Excluded(after) };
        let state = self.state();
        let mut found = state.objects.range::<str, _>((from, Bound::Unbounded)).take_while(|(name, _)| name.starts_with(prefix));
        let objects =
            found.by_ref().take(limit).map(|(name, object)| Listed { name: name.clone(), size: object.body.len() as u64 }).collect();
        Ok(Page { objects, more: found.next().is_some() })
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        let state = self.state();
        let under =
            state.objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).map_while(|(name, _)| name.strip_prefix(prefix));
        let mut folders: Vec<String> = under.filter_map(|rest| Some(rest.split_once('/')?.0.to_owned())).collect();
        folders.sort();
        folders.dedup();
        Ok(folders)
    }
}

#[async_trait]
impl Delete for MemoryStore {
    async fn delete(&self, name: &str) -> Result<()> {
        names::check(name, || self.location(name))?;
        self.state().objects.remove(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::PrefixStore;
    use crate::testing::{Under, conformance};

    #[tokio::test]
    async fn conforms() {
        let store = Arc::new(MemoryStore::new());
        conformance::run(store.clone(), store, "conformance").await.unwrap_or_else(|failures| panic!("{failures}"));
    }

    #[tokio::test]
    async fn conforms_under_a_prefix() {
        let whole = MemoryStore::new();
        whole.overwrite("backups", "an object next to the prefix");
        whole.overwrite("backups/x0", "another");
        let store = PrefixStore::wrap(Arc::new(whole.clone()), "backups/x");
        conformance::run(store, Arc::new(Under(Arc::new(whole.clone()), "backups/x")), "conformance")
            .await
            .unwrap_or_else(|failures| panic!("{failures}"));
        assert_eq!(whole.snapshot().into_keys().collect::<Vec<_>>(), ["backups", "backups/x0"]);
    }
}
