//! S3 and MinIO, on Amazon's SDK.

mod errors;
mod feature;
mod list;
mod multipart;
mod payload;
mod put;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::StorageClass;
use bytes::Bytes;
use kernel::Deadline;

use self::errors::{Asked, Site};
use self::multipart::PartSizes;
use self::put::Condition;
use super::retry::{LARGEST_STRETCH, Retry, SMALL_OBJECT};
use super::{Body, Object, ObjectStore, Page, Part, Result, RetryPolicy, StoreError, StoreErrorKind, Throttling, Version, names, proxy};
use crate::S3Store;

/// A general purpose bucket of S3, or one of MinIO or another S3-compatible server with conditional
/// writes.
///
/// Every upload carries a CRC32C of the whole object, so S3 refuses one that was damaged in
/// transit. Reading a whole object compares a CRC. Requests that fail with a transient error are
/// retried with exponential backoff, until the deadline.
#[derive(Debug)]
pub struct S3BucketStore {
    client: Client,
    site: Site,
    retry: Retry,
    part_sizes: PartSizes,
    kms_key: Option<String>,
    storage_class: Option<StorageClass>,
}

impl S3BucketStore {
    /// The bucket that `settings` name. Sends no request; credentials are looked up (and renewed)
    /// when needed.
    ///
    /// # Errors
    /// [`StoreErrorKind::WrongEndpoint`] if no region is configured, [`StoreErrorKind::NoBucket`]
    /// for a directory bucket.
    pub async fn connect(settings: &S3Store, policy: RetryPolicy, deadline: &Deadline) -> Result<Self> {
        if settings.bucket.ends_with("--x-s3") {
            let what = "a directory bucket does not list its objects in order: use a general purpose bucket";
            return Err(StoreError::new(StoreErrorKind::NoBucket, format!("s3://{}", settings.bucket), what));
        }
        Self::over(&load(settings).await, settings, policy, deadline)
    }

    fn over(shared: &SdkConfig, settings: &S3Store, policy: RetryPolicy, deadline: &Deadline) -> Result<Self> {
        let Some(region) = shared.region() else {
            let what = "no region is configured: set S3_REGION or AWS_REGION";
            return Err(StoreError::new(StoreErrorKind::WrongEndpoint, format!("s3://{}", settings.bucket), what));
        };
        let site = Site {
            bucket: settings.bucket.clone(),
            region: region.to_string(),
            endpoint: settings.endpoint.clone(),
            proxy: proxy::of(
                &settings.endpoint.clone().unwrap_or_else(|| format!("https://{}.s3.{region}.amazonaws.com", settings.bucket)),
            ),
            answered: AtomicBool::new(false),
        };
        let config = aws_sdk_s3::config::Builder::from(shared)
            .force_path_style(settings.path_style)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(policy.try_time / 4).build())
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            site,
            retry: Retry::new(policy, deadline),
            part_sizes: PartSizes::default(),
            kms_key: settings.kms_key.clone(),
            storage_class: settings.storage_class.as_deref().map(StorageClass::from),
        })
    }

    fn url(&self, name: &str) -> String {
        format!("s3://{}/{name}", self.site.bucket)
    }

    fn asked(&self, action: &'static str, name: &str, refusal: StoreErrorKind) -> Asked {
        Asked { action, location: self.url(name), refusal, special: Vec::new() }
    }

    fn check(&self, name: &str) -> Result<()> {
        names::check(name, || self.url(name))
    }

    fn read(&self, name: &str) -> (Asked, GetObjectFluentBuilder) {
        (self.asked("s3:GetObject", name, StoreErrorKind::Other), self.client.get_object().bucket(&self.site.bucket).key(name))
    }

    async fn head(&self, name: &str) -> Result<HeadObjectOutput> {
        let asked = self.asked("s3:GetObject", name, StoreErrorKind::Other);
        let head = |_| async { self.site.answer(&asked, self.client.head_object().bucket(&self.site.bucket).key(name).send().await) };
        self.retry.run(&asked.location, 0, head).await
    }

    /// The result for a range without bytes, which S3 cannot be asked for.
    async fn nothing_of(&self, name: &str) -> Result<Part> {
        let head = self.head(name).await?;
        let size = head.content_length().unwrap_or(0) as u64;
        let asked = self.asked("s3:GetObject", name, StoreErrorKind::Other);
        Ok(Part { bytes: Bytes::new(), size, version: version(&asked, head.e_tag)? })
    }

    /// Reads a range that is not empty; `None` if it starts at or after the end.
    async fn part(&self, name: &str, range: &Range<u64>) -> Result<Option<Part>> {
        let (asked, request) = self.read(name);
        let got = request.range(format!("bytes={}-{}", range.start, (range.end - 1).min(i64::MAX as u64))).send().await;
        if got.as_ref().is_err_and(|error| error.raw_response().is_some_and(|raw| raw.status().as_u16() == 416)) {
            return Ok(None);
        }
        let got = self.site.answer(&asked, got)?;
        // `bytes 0-9/100`
        let size = got.content_range().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let size =
            size.ok_or_else(|| StoreError::new(StoreErrorKind::Other, &asked.location, "the response to a range request names no range"))?;
        let bytes = got.body.collect().await.map_err(|error| self.site.broken_off(&asked, error))?.into_bytes();
        Ok(Some(Part { bytes, size, version: version(&asked, got.e_tag)? }))
    }

    async fn whole(&self, name: &str) -> Result<Object> {
        let (asked, request) = self.read(name);
        let got = self.site.answer(&asked, request.send().await)?;
        let body = got.body.collect().await.map_err(|error| self.site.broken_off(&asked, error))?.into_bytes();
        Ok(Object { body, version: version(&asked, got.e_tag)? })
    }
}

#[async_trait]
impl ObjectStore for S3BucketStore {
    fn location(&self, name: &str) -> String {
        self.url(name)
    }

    fn identity(&self) -> String {
        format!("{}{}", self.site.endpoint.as_deref().unwrap_or_default(), self.url(""))
    }

    fn throttling(&self) -> Throttling {
        self.retry.throttling()
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        self.check(name)?;
        if body.len() > self.part_sizes.largest_single {
            return self.create_in_parts(name, &body).await;
        }
        self.write(name, &body, Condition::Absent).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        self.check(name)?;
        self.write(name, &body.into(), Condition::Still(unchanged_since)).await
    }

    async fn get(&self, name: &str) -> Result<Object> {
        self.check(name)?;
        self.retry.run(&self.url(name), SMALL_OBJECT, |_| self.whole(name)).await
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.check(name)?;
        if range.is_empty() {
            return self.nothing_of(name).await;
        }
        let bytes = (range.end - range.start).min(LARGEST_STRETCH);
        match self.retry.run(&self.url(name), bytes, |_| self.part(name, &range)).await? {
            Some(part) => Ok(part),
            None => self.nothing_of(name).await,
        }
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let Some(after) = names::start_within(prefix, after) else { return Ok(Page::default()) };
        if self.site.endpoint.is_some() && list::leads_into_a_folder(prefix, after) {
            return self.list_from_the_start(prefix, after, limit).await;
        }
        self.list_after(prefix, after, limit).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.all_folders(prefix).await
    }
}

/// What the SDK finds in the environment, the profile and the machine's metadata, unless the
/// settings override it.
async fn load(settings: &S3Store) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    let region = settings.region.clone().or_else(|| settings.endpoint.as_ref().map(|_| "us-east-1".to_owned()));
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some((key, secret)) = &settings.credentials {
        let fixed = Credentials::new(key, secret.reveal(), None, None, "configuration");
        loader = loader.credentials_provider(SharedCredentialsProvider::new(fixed));
    }
    loader.load().await
}

/// A response's ETag as a version. Every response of S3 has one.
fn version(asked: &Asked, etag: Option<String>) -> Result<Version> {
    etag.map(Version).ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, &asked.location, "the response has no ETag"))
}
