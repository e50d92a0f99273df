//! Objects too large for one request:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>. An object becomes
//! visible when its upload is completed, and the upload completes only if the name is still free.

use std::ops::Range;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};
use futures::{StreamExt, TryStreamExt, stream};

use super::put::{WRITE_ID, new_write_id};
use super::{S3BucketStore, feature, payload, version};
use crate::{Body, Result, StoreError, StoreErrorKind, Version};

/// The most parts of an upload.
const MOST_PARTS: usize = 10_000;
/// Parts uploaded in parallel.
const PARTS_AT_ONCE: usize = 4;
/// The most uploads started for one object.
const UPLOADS: usize = 3;

/// The size above which a body is uploaded in parts, and the size of a part. In bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartSizes {
    pub(super) largest_single: usize,
    /// At least 5 MiB, which S3 requires of all parts but the last.
    pub(super) part: usize,
}

impl Default for PartSizes {
    fn default() -> Self {
        Self { largest_single: 64 << 20, part: 16 << 20 }
    }
}

/// How an upload can end without an error.
enum End {
    Created(Version),
    /// It has to start again: another process aborted it, or S3 reported a conflict (409), after
    /// which it requires all parts again.
    Again(StoreError),
}

/// An upload in progress.
struct Upload<'a> {
    store: &'a S3BucketStore,
    name: &'a str,
    body: &'a Body,
    upload_id: String,
    write_id: &'a str,
    /// Whether no earlier upload can have created the object.
    is_first: bool,
}

impl S3BucketStore {
    /// Creates an object in parts. Removes the parts that earlier, killed uploads of the same name
    /// left.
    pub(super) async fn create_in_parts(&self, name: &str, body: &Body) -> Result<Version> {
        // One for all uploads of this object: whichever created it, it is ours.
        let write_id = new_write_id();
        let mut conflict = None;
        for _ in 0..UPLOADS {
            let upload = Upload::begin(self, name, body, &write_id, conflict.is_none()).await?;
            match upload.finish().await {
                Ok(End::Created(version)) => {
                    self.abort_others(name).await;
                    return Ok(version);
                }
                Ok(End::Again(error)) => {
                    upload.abort().await;
                    conflict = Some(error);
                }
                Err(error) => {
                    upload.abort().await;
                    return Err(error);
                }
            }
        }
        Err(conflict.unwrap_or_else(|| StoreError::new(StoreErrorKind::Other, self.url(name), "no upload was started")))
    }

    /// The name is taken now, so no other upload of it can ever complete. Best effort: without the
    /// permission to list uploads, the bucket's lifecycle rules clean up.
    async fn abort_others(&self, name: &str) {
        let list = self.client.list_multipart_uploads().bucket(&self.site.bucket).prefix(name).send();
        let Ok(Ok(listed)) = tokio::time::timeout(self.retry.policy.try_time, list).await else { return };
        for upload in listed.uploads().iter().filter(|upload| upload.key() == Some(name)) {
            self.abort(name, upload.upload_id().unwrap_or_default()).await;
        }
    }

    async fn abort(&self, name: &str, upload_id: &str) {
        let abort = || self.client.abort_multipart_upload().bucket(&self.site.bucket).key(name).upload_id(upload_id).send();
        let asked = self.asked("s3:AbortMultipartUpload", name, StoreErrorKind::Other);
        let done = self.retry.run(&asked.location, 0, |_| async { self.site.answer(&asked, abort().await) }).await;
        if let Err(error) = done.map(drop).or_else(|error| if error.kind == StoreErrorKind::NotFound { Ok(()) } else { Err(error) }) {
            tracing::warn!("{error}; parts of an unfinished upload remain until the bucket's lifecycle rule removes them");
        }
    }
}

impl<'a> Upload<'a> {
    async fn begin(store: &'a S3BucketStore, name: &'a str, body: &'a Body, write_id: &'a str, is_first: bool) -> Result<Self> {
        let storage_class = store.storage_class(body);
        let special = [feature::CHECKSUM_ALGORITHM, feature::CHECKSUM_TYPE].into_iter().chain(store.special(storage_class.as_ref()));
        let asked = store.asked("s3:PutObject", name, StoreErrorKind::Other).carrying(special);
        let begin = |_| async {
            let request = store
                .client
                .create_multipart_upload()
                .bucket(&store.site.bucket)
                .key(name)
                .checksum_algorithm(ChecksumAlgorithm::Crc32C)
                .checksum_type(ChecksumType::FullObject)
                .metadata(WRITE_ID, write_id)
                .set_server_side_encryption(store.encryption())
                .set_ssekms_key_id(store.kms_key.clone())
                .set_storage_class(storage_class.clone());
            let begun = store.site.answer(&asked, request.send().await)?;
            begun.upload_id.ok_or_else(|| StoreError::new(StoreErrorKind::Other, &asked.location, "S3 returned no upload id"))
        };
        let upload_id = store.retry.run(&asked.location, 0, begin).await?;
        Ok(Self { store, name, body, upload_id, write_id, is_first })
    }

    async fn finish(&self) -> Result<End> {
        let end = match self.send_parts().await {
            Ok(parts) => self.complete(parts).await,
            Err(error) => Err(error),
        };
        match end {
            // The upload is gone: a try of ours completed it and its response was lost, or the
            // writer that created the object aborted it.
            Err(gone) if gone.kind == StoreErrorKind::NotFound => self.outcome(gone).await,
            end => end,
        }
    }

    async fn outcome(&self, gone: StoreError) -> Result<End> {
        let asked = self.store.asked("s3:GetObject", self.name, StoreErrorKind::Other);
        if let Some(version) = self.store.retry.run(&asked.location, 0, |_| self.store.written_as(self.name, self.write_id)).await? {
            return Ok(End::Created(version));
        }
        match self.store.head(self.name).await {
            Ok(_) => Err(StoreError::new(StoreErrorKind::AlreadyExists, asked.location, "the object already exists")),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(End::Again(gone)),
            Err(error) => Err(error),
        }
    }

    async fn send_parts(&self) -> Result<Vec<CompletedPart>> {
        let ranges = part_ranges(self.body.len(), self.store.part_sizes.part);
        let parts = ranges.into_iter().zip(1..).map(|(range, number)| self.send_part(self.body.slice(range), number));
        stream::iter(parts).buffered(PARTS_AT_ONCE).try_collect().await
    }

    async fn send_part(&self, part: Body, number: i32) -> Result<CompletedPart> {
        let store = self.store;
        let asked = store.asked("s3:PutObject", self.name, StoreErrorKind::Other).carrying([feature::CHECKSUM]);
        let checksum = payload::crc32c(&part);
        let send = |_| async {
            let request = store
                .client
                .upload_part()
                .bucket(&store.site.bucket)
                .key(self.name)
                .upload_id(&self.upload_id)
                .part_number(number)
                .content_length(part.len() as i64)
                .checksum_crc32_c(&checksum)
                .body(payload::stream(&part));
            version(&asked, store.site.answer(&asked, request.send().await)?.e_tag)
        };
        let etag = store.retry.run(&asked.location, part.len() as u64, send).await?.0;
        Ok(CompletedPart::builder().part_number(number).e_tag(etag).checksum_crc32_c(checksum).build())
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> Result<End> {
        let store = self.store;
        let special = [feature::IF_NONE_MATCH, feature::CHECKSUM, feature::CHECKSUM_TYPE];
        let asked = store.asked("s3:PutObject", self.name, StoreErrorKind::AlreadyExists).carrying(special);
        let (asked, parts) = (&asked, &CompletedMultipartUpload::builder().set_parts(Some(parts)).build());
        let checksum = &payload::crc32c(self.body);
        let complete = |number: u32| async move {
            let request = store
                .client
                .complete_multipart_upload()
                .bucket(&store.site.bucket)
                .key(self.name)
                .upload_id(&self.upload_id)
                .multipart_upload(parts.clone())
                .checksum_crc32_c(checksum)
                .checksum_type(ChecksumType::FullObject)
                .mpu_object_size(self.body.len() as i64)
                .if_none_match("*");
            let sent = request.send().await;
            let conflict = sent.as_ref().is_err_and(|error| error.code() == Some("ConditionalRequestConflict"));
            match store.site.answer(asked, sent) {
                Ok(done) => version(asked, done.e_tag).map(End::Created),
                Err(error) if conflict => Ok(End::Again(error)),
                Err(refused) if (number > 1 || !self.is_first) && refused.kind == StoreErrorKind::AlreadyExists => {
                    store.written_as(self.name, self.write_id).await?.map(End::Created).ok_or(refused)
                }
                Err(error) => Err(error),
            }
        };
        store.retry.run(&asked.location, 0, complete).await
    }

    async fn abort(&self) {
        self.store.abort(self.name, &self.upload_id).await;
    }
}

/// Splits `length` bytes into parts of `part` bytes, or larger ones if there would be too many.
fn part_ranges(length: usize, part: usize) -> Vec<Range<usize>> {
    let part = part.max(length.div_ceil(MOST_PARTS));
    (0..length).step_by(part).map(|start| start..length.min(start + part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_body_and_are_never_too_many() {
        const MIB: usize = 1 << 20;
        assert_eq!(part_ranges(10, 4), [0..4, 4..8, 8..10]);
        assert_eq!(part_ranges(8, 4), [0..4, 4..8]);
        let many = part_ranges(1_000_000 * MIB, 16 * MIB);
        assert_eq!(many.len(), MOST_PARTS);
        assert_eq!(many.last().map(|last| last.end), Some(1_000_000 * MIB));
    }
}
