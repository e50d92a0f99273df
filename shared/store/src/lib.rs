//! The bucket: one small trait in domain words, its adapters and its decorators.
//!
//! | file | content |
//! |---|---|
//! | `settings.rs` | which bucket, and how to reach it |
//! | `folder/`, `s3/`, `azure/` | the adapters |
//! | `prefix.rs` | a path inside of a bucket as a store of its own |
//! | `policy.rs`, `retry.rs` | how often a request is tried, and its timeout |
//! | `throttle.rs` | one rate limit for all requests, when the store throttles |
//! | `names.rs`, `body.rs`, `error.rs` | what every adapter shares |
//! | `testing/` | stores for tests, and the conformance suite that each adapter passes; only with the feature `testing` |
//!
//! [`ObjectStore`] has the promises. They hold whatever process is killed, and whatever else writes
//! to the same bucket. No SDK type leaves an adapter, and nothing here knows what the objects mean.
//! No adapter deletes.
//!
//! Names are `/`-separated paths without a leading slash, for example
//! `orders/0/00000000000000000000.tar.gz`.

mod azure;
mod body;
mod error;
mod folder;
mod names;
mod policy;
mod prefix;
mod proxy;
mod retry;
mod s3;
mod settings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod throttle;

pub use azure::{AzureBlobStore, ConnectionString};
pub use body::Body;
pub use error::{StoreError, StoreErrorKind};
pub use folder::FolderStore;
pub use names::MAX_NAME;
pub use policy::RetryPolicy;
pub use prefix::PrefixStore;
pub use s3::S3BucketStore;
pub use settings::{AzureStore, S3Store, StoreKind, StoreSettings};

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use kernel::Deadline;
use serde::Serialize;

/// The result of a request to a store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An opaque token for one state of one object (an ETag on cloud stores). Only for comparison.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// A whole object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its content.
    pub body: Bytes,
    /// The state that was read.
    pub version: Version,
}

/// A range of an object.
#[derive(Debug, Clone)]
pub struct Part {
    /// The requested bytes; fewer only if the object ends.
    pub bytes: Bytes,
    /// Size of the whole object in bytes.
    pub size: u64,
    /// The state that was read.
    pub version: Version,
}

/// How a store throttled requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Throttling {
    /// Responses that throttled a request.
    pub answers: u64,
    /// How long requests waited because of them, in milliseconds: the sum over all requests,
    /// including those that waited at the same time.
    pub waited_ms: u64,
}

impl Throttling {
    /// The difference to an earlier state.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self { answers: self.answers - before.answers, waited_ms: self.waited_ms - before.waited_ms }
    }

    /// The number of throttled responses, if any: the value of a metric.
    pub fn answers_if_any(self) -> Option<u64> {
        Some(self.answers).filter(|answers| *answers > 0)
    }

    /// Whether no request was throttled.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Logs one line at the end of a throttled invocation.
    pub fn log(self) {
        let Self { answers, waited_ms } = self;
        if !self.is_none() {
            let seconds = waited_ms as f64 / 1000.0;
            tracing::warn!(answers, waited_ms, "the store throttled {answers} requests; requests waited {seconds:.1} s in total");
        }
    }
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The object's full name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// In ascending byte order of the names.
    pub objects: Vec<Listed>,
    /// Whether more objects follow this page.
    pub more: bool,
}

/// A bucket, container or folder, with an optional prefix that callers do not see.
///
/// The promise of a method holds whatever process is killed, and whatever else writes to the same
/// bucket. An adapter retries transient errors within the invocation's deadline. So an error that
/// it returns is final for this invocation.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync {
    /// The address of an object, for messages: `s3://bucket/prefix/name`, `/backup/name`.
    fn location(&self, name: &str) -> String;

    /// Identifies this bucket, prefix included. Progress that is stored elsewhere refers to it. Two
    /// spellings of one bucket may differ.
    fn identity(&self) -> String {
        self.location("")
    }

    /// How much this store has throttled requests so far, in the whole process. It only grows.
    fn throttling(&self) -> Throttling {
        Throttling::default()
    }

    /// Creates the object, all or nothing: no reader ever sees part of it, and an existing object
    /// is never touched.
    ///
    /// # Errors
    /// [`StoreErrorKind::AlreadyExists`] if another writer's object has the name. If a response is
    /// lost and the retry finds the object with the same bytes, the call succeeds.
    async fn create(&self, name: &str, body: Body) -> Result<Version>;

    /// Replaces the object, all or nothing, if it still is in the state `unchanged_since`.
    ///
    /// # Errors
    /// [`StoreErrorKind::Changed`] if it is in another state, or gone.
    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version>;

    /// Reads a whole object. For small objects; segments are read with [`ObjectStore::get_range`].
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`].
    async fn get(&self, name: &str) -> Result<Object>;

    /// Reads `range` (in bytes) of an object. A range that starts at or after the end returns no
    /// bytes, and the size.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`].
    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part>;

    /// Lists at most `limit` objects (1 to 1,000) whose names start with `prefix` and are greater
    /// than `after` (empty: from the first). Sends one request where the store supports it.
    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page>;

    /// The names of the folders directly under `prefix` (empty, or ending in `/`), without the
    /// trailing slash, in ascending order.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>>;
}

/// The store that the settings name, with its prefix. Sends no request.
///
/// # Errors
/// If the settings cannot be used: see the adapters.
pub async fn open(settings: &StoreSettings, deadline: &Deadline) -> Result<Arc<dyn ObjectStore>> {
    let store: Arc<dyn ObjectStore> = match &settings.kind {
        StoreKind::Folder(root) => Arc::new(FolderStore::open(root)),
        StoreKind::S3(bucket) => Arc::new(S3BucketStore::connect(bucket, RetryPolicy::default(), deadline).await?),
        StoreKind::Azure(container) => Arc::new(AzureBlobStore::connect(container, RetryPolicy::default(), deadline)?),
    };
    Ok(PrefixStore::wrap(store, &settings.prefix))
}
