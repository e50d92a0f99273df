//! Azure Blob Storage, on Microsoft's SDK.

mod connect;
mod connection_string;
mod extras;
mod failure;
mod listing;
mod shared_key;
mod upload;

#[cfg(test)]
mod tests;

pub use connection_string::ConnectionString;

use std::fmt;
use std::num::NonZero;
use std::ops::Range;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;
use azure_core::http::headers::HeaderName;
use azure_storage_blob::BlobContainerClient;
use azure_storage_blob::models::{BlobClientDownloadOptions, BlobClientGetPropertiesResultHeaders};
use bytes::Bytes;
use futures::TryStreamExt;

use self::failure::Site;
use self::upload::Condition;
use super::retry::{LARGEST_STRETCH, Retry, SMALL_OBJECT};
use super::{Body, Object, ObjectStore, Page, Part, Result, StoreError, StoreErrorKind, Throttling, Version, names};

/// How much of an object one request of [`ObjectStore::get`] reads, in bytes.
const READ_AT_ONCE: NonZero<usize> = NonZero::new(16 << 20).unwrap();
/// The most slash-separated parts that a name can have.
const MAX_PARTS: usize = 254;

/// A container of Azure Blob Storage, in an account with a flat namespace (the default).
///
/// Every upload carries a CRC-64, so Azure refuses one that was damaged in transit. Requests that
/// fail with a transient error are retried with exponential backoff, until the deadline. Tokens of
/// identities are renewed before they expire.
pub struct AzureBlobStore {
    container: BlobContainerClient,
    site: Site,
    retry: Retry,
}

impl fmt::Debug for AzureBlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the client: its URL can contain a signature.
        f.debug_struct("AzureBlobStore").field("site", &self.site).field("retry", &self.retry).finish_non_exhaustive()
    }
}

impl AzureBlobStore {
    fn check(&self, name: &str) -> Result<()> {
        names::check(name, || self.location(name))?;
        let what = if name.split('/').any(|part| part.ends_with('.')) {
            "Azure can drop a dot at the end of a name or before a slash"
        } else if name.split('/').count() > MAX_PARTS {
            "Azure allows at most 254 slash-separated parts"
        } else {
            return Ok(());
        };
        Err(StoreError::new(StoreErrorKind::BadName, self.location(name), format!("invalid name {name:?}: {what}")))
    }

    /// Reads an object, or a range of it that is not empty; `None` if the range starts at or after
    /// the end.
    async fn read(&self, name: &str, range: Option<&Range<u64>>) -> Result<Option<Part>> {
        let in_part = range.is_some();
        let at_once = range.and_then(|range| NonZero::new((range.end - range.start) as usize)).unwrap_or(READ_AT_ONCE);
        let range = range.cloned().map(Into::into);
        let options = BlobClientDownloadOptions { range, partition_size: Some(at_once), ..Default::default() };
        let answer = match self.container.blob_client(name).download(Some(options)).await {
            Err(error) if error.http_status() == Some(StatusCode::RequestedRangeNotSatisfiable) => return Ok(None),
            // Azurite's `Content-Range` of an empty object cannot be parsed: `bytes 0--1/0`.
            Err(error) if in_part && *error.kind() == ErrorKind::DataConversion => return Ok(None),
            answer => self.site.answer(name, answer)?,
        };
        let chunks: Vec<Bytes> = self.site.answer(name, answer.body.try_collect().await)?;
        let bytes = Body::from_iter(chunks).to_bytes();
        // `bytes 0-9/100`; an empty object has no such header.
        let range = answer.headers.get_optional_str(&HeaderName::from_static("content-range"));
        let size = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok()).unwrap_or(bytes.len() as u64);
        Ok(Some(Part { bytes, size, version: self.site.version(name, answer.properties.etag)? }))
    }

    /// The result for a range without bytes, which Azure cannot be asked for.
    async fn nothing_of(&self, name: &str) -> Result<Part> {
        let blob = self.container.blob_client(name);
        let found = self.retry.run(&self.location(name), 0, |_| async { self.site.answer(name, blob.get_properties(None).await) }).await?;
        let size = found.content_length().ok().flatten();
        let size = size.ok_or_else(|| StoreError::new(StoreErrorKind::Other, self.location(name), "the response has no size"))?;
        Ok(Part { bytes: Bytes::new(), size, version: self.site.version(name, found.etag().ok().flatten())? })
    }
}

#[async_trait]
impl ObjectStore for AzureBlobStore {
    fn location(&self, name: &str) -> String {
        self.site.location(name)
    }

    fn throttling(&self) -> Throttling {
        self.retry.throttling()
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        self.check(name)?;
        self.write(name, &body, Condition::Absent).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.check(name)?;
        self.write(name, &body.into(), Condition::Still(unchanged_since)).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.check(name)?;
        let whole = |_| async {
            match self.read(name, None).await {
                Ok(Some(Part { bytes, version, .. })) => Ok(Object { body: bytes, version }),
                // Replaced between the requests for two parts of it.
                Err(error) if error.kind == StoreErrorKind::Changed => Err(StoreError { kind: StoreErrorKind::Unavailable, ..error }),
                Err(error) => Err(error),
                Ok(None) => Err(StoreError::new(StoreErrorKind::Unavailable, self.location(name), "Azure did not return the whole object")),
            }
        };
        self.retry.run(&self.location(name), SMALL_OBJECT, whole).await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.check(name)?;
        if range.is_empty() {
            return self.nothing_of(name).await;
        }
        let range = &range;
        let bytes = (range.end - range.start).min(LARGEST_STRETCH);
        let part = self.retry.run(&self.location(name), bytes, |_| self.read(name, Some(range))).await?;
        match part {
            Some(part) => Ok(part),
            None => match self.nothing_of(name).await? {
                end if end.size <= range.start => Ok(end),
                _ => Err(StoreError::new(StoreErrorKind::Unavailable, self.location(name), "the object changed while it was read")),
            },
        }
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        self.page(prefix, after, limit).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.folders_under(prefix).await
    }
}
