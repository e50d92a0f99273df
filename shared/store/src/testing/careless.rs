use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Body, Object, ObjectStore, Page, Part, Result, StoreError, StoreErrorKind, Throttling, Version};

/// A store that does not honour create-only: it replaces what exists, like some S3-compatible
/// servers that ignored `If-None-Match`. For tests.
#[derive(Debug, Clone)]
pub struct CarelessStore(Arc<dyn ObjectStore>);

impl CarelessStore {
    /// The same objects, without that check.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self(inner)
    }
}

#[async_trait]
impl ObjectStore for CarelessStore {
    fn location(&self, name: &str) -> String {
        self.0.location(name)
    }

    fn identity(&self) -> String {
        self.0.identity()
    }

    fn throttling(&self) -> Throttling {
        self.0.throttling()
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        match self.0.create(name, body.clone()).await {
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => {
                let there = self.0.get(name).await?;
                self.0.replace(name, body.to_bytes(), &there.version).await
            }
            other => other,
        }
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.0.replace(name, body, unchanged_since).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.0.get(name).await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.0.get_range(name, range).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        self.0.list(prefix, after, limit).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.0.folders(prefix).await
    }
}
