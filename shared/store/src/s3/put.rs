use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};

use super::{S3BucketStore, feature, payload, version};
use crate::{Body, Result, StoreErrorKind, Version};

/// The metadata key of a number that is unique to a write. It identifies a write whose response was
/// lost.
pub(super) const WRITE_ID: &str = "write-id";
/// Objects below this size stay in the standard class: other classes bill at least this much, and
/// frequently read objects are smaller. In bytes.
const SMALLEST_CLASSED: usize = 128 << 10;

/// The condition of a write on the name.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    Absent,
    Still(&'a Version),
}

impl Condition<'_> {
    fn refusal(self) -> StoreErrorKind {
        match self {
            Self::Absent => StoreErrorKind::AlreadyExists,
            Self::Still(_) => StoreErrorKind::Changed,
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Absent => feature::IF_NONE_MATCH,
            Self::Still(_) => feature::IF_MATCH,
        }
    }
}

pub(super) fn new_write_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl S3BucketStore {
    /// Writes an object in one request, with retries.
    pub(super) async fn write(&self, name: &str, body: &Body, condition: Condition<'_>) -> Result<Version> {
        let id = new_write_id();
        let id = id.as_str();
        let once = |number: u32| async move {
            match self.put(name, body, id, condition).await {
                // Perhaps an earlier try of ours wrote it, and its response was lost.
                Err(refused) if number > 1 && refused.kind == condition.refusal() => self.written_as(name, id).await?.ok_or(refused),
                done => done,
            }
        };
        self.retry.run(&self.url(name), body.len() as u64, once).await
    }

    async fn put(&self, name: &str, body: &Body, id: &str, condition: Condition<'_>) -> Result<Version> {
        let storage_class = match condition {
            Condition::Absent => self.storage_class(body),
            Condition::Still(_) => None,
        };
        let special = [condition.header(), feature::CHECKSUM].into_iter().chain(self.special(storage_class.as_ref()));
        let asked = self.asked("s3:PutObject", name, condition.refusal()).carrying(special);
        let request = self
            .client
            .put_object()
            .bucket(&self.site.bucket)
            .key(name)
            .content_length(body.len() as i64)
            .checksum_crc32_c(payload::crc32c(body))
            .metadata(WRITE_ID, id)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .body(payload::stream(body));
        let request = match condition {
            Condition::Absent => request.if_none_match("*").set_storage_class(storage_class),
            Condition::Still(version) => request.if_match(&version.0),
        };
        match self.site.answer(&asked, request.send().await) {
            Ok(done) => version(&asked, done.e_tag),
            // If-Match on an object that no longer exists.
            Err(mut error) if error.kind == StoreErrorKind::NotFound => {
                error.kind = StoreErrorKind::Changed;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The object's version if the write `id` created it; `None` if another did, or it is gone.
    pub(super) async fn written_as(&self, name: &str, id: &str) -> Result<Option<Version>> {
        let asked = self.asked("s3:GetObject", name, StoreErrorKind::Other);
        let head = self.client.head_object().bucket(&self.site.bucket).key(name).send().await;
        match self.site.answer(&asked, head) {
            Ok(head) if head.metadata().and_then(|metadata| metadata.get(WRITE_ID)).is_some_and(|found| found == id) => {
                version(&asked, head.e_tag).map(Some)
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The configured headers that not every store supports.
    pub(super) fn special(&self, storage_class: Option<&StorageClass>) -> impl Iterator<Item = &'static str> {
        let encryption = self.kms_key.as_ref().map(|_| feature::ENCRYPTION);
        encryption.into_iter().chain(storage_class.map(|_| feature::STORAGE_CLASS))
    }

    pub(super) fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key.is_some().then_some(ServerSideEncryption::AwsKms)
    }

    pub(super) fn storage_class(&self, body: &Body) -> Option<StorageClass> {
        self.storage_class.clone().filter(|_| body.len() >= SMALLEST_CLASSED)
    }
}
