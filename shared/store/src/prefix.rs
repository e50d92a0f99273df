use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Body, Object, ObjectStore, Page, Part, Result, Throttling, Version};

/// STORAGE_PREFIX: a path of another store as a store of its own. Only [`ObjectStore::location`]
/// shows the path.
#[derive(Debug)]
pub struct PrefixStore {
    inner: Arc<dyn ObjectStore>,
    prefix: String,
}

impl PrefixStore {
    /// `prefix` has no leading or trailing slash; an empty one returns `inner`.
    pub fn wrap(inner: Arc<dyn ObjectStore>, prefix: &str) -> Arc<dyn ObjectStore> {
        if prefix.is_empty() {
            return inner;
        }
        Arc::new(Self { inner, prefix: format!("{prefix}/") })
    }

    /// An empty name becomes one that ends in a slash, so the inner store refuses it as it would
    /// without a prefix.
    fn inside(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[async_trait]
impl ObjectStore for PrefixStore {
    fn location(&self, name: &str) -> String {
        self.inner.location(&self.inside(name))
    }

    fn identity(&self) -> String {
        format!("{}{}", self.inner.identity(), self.prefix)
    }

    fn throttling(&self) -> Throttling {
        self.inner.throttling()
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        self.inner.create(&self.inside(name), body).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.inner.replace(&self.inside(name), body, unchanged_since).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.inner.get(&self.inside(name)).await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.inner.get_range(&self.inside(name), range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let after = if after.is_empty() { String::new() } else { self.inside(after) };
        let mut page = self.inner.list(&self.inside(prefix), &after, limit).await?;
        for object in &mut page.objects {
            object.name.drain(..self.prefix.len());
        }
        Ok(page)
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.inner.folders(&self.inside(prefix)).await
    }
}
