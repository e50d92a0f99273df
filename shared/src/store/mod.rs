//! The bucket: one small trait in domain words, its adapters, and the conformance suite they all pass.
//!
//! Names are `/`-separated paths without a leading slash, for example `orders/0/00000000000000000000.tar.gz`.
//! An SDK type never leaves an adapter.

mod azure;
mod body;
mod careless;
pub mod conformance;
mod error;
mod fault;
mod folder;
mod memory;
mod metrics;
mod names;
mod prefix;
mod retry;
mod s3;

pub use azure::{AzureBlobStore, ConnectionString};
pub use body::Body;
pub use careless::CarelessStore;
pub use error::{StoreError, StoreErrorKind};
pub use fault::{Fault, Faults, FaultyStore};
pub use folder::FolderStore;
pub use kernel::Deadline;
pub use memory::MemoryStore;
pub use metrics::{CountingStore, Counts};
pub use names::MAX_NAME;
pub use prefix::PrefixStore;
pub use retry::RetryPolicy;
pub use s3::S3BucketStore;

use std::fmt::{self, Debug};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::config::{StoreKind, StoreSettings};

/// Short for results of stores.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// An opaque token for one state of one object (an ETag on cloud stores). Only good for comparing.
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

/// A stretch of an object.
#[derive(Debug, Clone)]
pub struct Part {
    /// The bytes asked for; shorter only where the object ends.
    pub bytes: Bytes,
    /// Size of the whole object in bytes.
    pub size: u64,
    /// The state that was read.
    pub version: Version,
}

/// One line of a listing.
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
    /// In ascending order of the names' bytes.
    pub objects: Vec<Listed>,
    /// Whether objects follow after the last one of this page.
    pub more: bool,
}

/// The methods of a store that reach the bucket, for counts and faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`ObjectStore::create`]
    Create,
    /// [`ObjectStore::replace`]
    Replace,
    /// [`ObjectStore::get`]
    Get,
    /// [`ObjectStore::get_range`]
    GetRange,
    /// [`ObjectStore::list`]
    List,
    /// [`ObjectStore::folders`]
    Folders,
    /// [`ObjectStore::delete`]
    Delete,
}

impl Operation {
    /// Each of them, in the order of their declaration.
    pub const ALL: [Self; 7] = [Self::Create, Self::Replace, Self::Get, Self::GetRange, Self::List, Self::Folders, Self::Delete];

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Get => "get",
            Self::GetRange => "get_range",
            Self::List => "list",
            Self::Folders => "folders",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A bucket, container or folder, with an optional prefix that callers do not see.
///
/// Every method is one promise that holds whatever is killed and whoever else works on the same bucket. An adapter retries what can be
/// retried, within the invocation's deadline; an error that leaves it is final for this invocation.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync {
    /// Where an object lives, for messages: `s3://bucket/prefix/name`, `/backup/name`.
    fn location(&self, name: &str) -> String;

    /// Tells this bucket, prefix included, from every other one: what progress that is kept outside of it refers to. Two spellings of one
    /// bucket may differ.
    fn identity(&self) -> String {
        self.location("")
    }

    /// Creates the object, all or nothing: no reader ever sees a part of it, and an existing object is never touched.
    ///
    /// # Errors
    /// [`StoreErrorKind::AlreadyExists`] when the name is taken by somebody else's object. When an answer is lost and the retry finds the
    /// object there with the same bytes, that is success.
    async fn create(&self, name: &str, body: Body) -> Result<Version>;

    /// Replaces the object, all or nothing, if it still is in the state `unchanged_since`.
    ///
    /// # Errors
    /// [`StoreErrorKind::Changed`] when it is in another state or gone.
    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version>;

    /// Reads a whole object. For small ones; segments are read with [`ObjectStore::get_range`].
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`].
    async fn get(&self, name: &str) -> Result<Object>;

    /// Reads `range` (in bytes) of an object. A range that starts at or behind the end gives no bytes, and the size.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotFound`].
    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part>;

    /// Lists objects whose names start with `prefix` and are greater than `after` (empty: from the first), at most `limit` of them
    /// (1 to 1,000), in one request where the store can.
    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page>;

    /// The names of the folders directly under `prefix` (which is empty or ends in `/`), without the trailing slash, in ascending order.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>>;

    /// Deletes the object; a name that does not exist is not an error.
    async fn delete(&self, name: &str) -> Result<()>;
}

/// The store that the settings name, with its prefix. No request is sent yet.
///
/// # Errors
/// When the settings cannot be used, each adapter's own.
pub async fn open(settings: &StoreSettings, deadline: &Deadline) -> Result<Arc<dyn ObjectStore>> {
    let store: Arc<dyn ObjectStore> = match &settings.kind {
        StoreKind::Folder(root) => Arc::new(FolderStore::open(root)),
        StoreKind::S3(bucket) => Arc::new(S3BucketStore::connect(bucket, RetryPolicy::default(), deadline).await?),
        StoreKind::Azure(container) => Arc::new(AzureBlobStore::connect(container, RetryPolicy::default(), deadline)?),
    };
    Ok(PrefixStore::wrap(store, &settings.prefix))
}
