//! Which bucket, and how to reach it. Validated.

use std::path::PathBuf;

use kernel::Secret;

/// Where segments are stored.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Which store.
    pub kind: StoreKind,
    /// STORAGE_PREFIX: empty, or a path without a leading or trailing slash.
    pub prefix: String,
}

/// FILESYSTEM_TYPE, with the settings of that store.
#[derive(Debug, Clone)]
pub enum StoreKind {
    /// LINUX: a folder (FILESYSTEM_BACKUP_DIR).
    Folder(PathBuf),
    /// S3 and MINIO.
    S3(S3Store),
    /// AZURE.
    Azure(AzureStore),
}

/// An S3 bucket, or one on MinIO.
#[derive(Debug, Clone)]
pub struct S3Store {
    /// BUCKET_NAME.
    pub bucket: String,
    /// MINIO_URL with its scheme, or AWS_ENDPOINT_URL_S3 / AWS_ENDPOINT_URL; `None` is Amazon's own
    /// endpoint.
    pub endpoint: Option<String>,
    /// S3_REGION; `None`: from the SDK's default chain (`us-east-1` on MinIO).
    pub region: Option<String>,
    /// S3_PATH_STYLE; true on MinIO.
    pub path_style: bool,
    /// MINIO_ACCESS_KEY and MINIO_SECRET_KEY; `None`: from the SDK's default credential chain.
    pub credentials: Option<(String, Secret)>,
    /// S3_SSE_KMS_KEY_ID: encrypt with this key.
    pub kms_key: Option<String>,
    /// S3_STORAGE_CLASS of segments.
    pub storage_class: Option<String>,
}

/// An Azure Blob container.
#[derive(Debug, Clone)]
pub struct AzureStore {
    /// CONTAINER_NAME.
    pub container: String,
    /// AZURE_STORAGE_CONNECTION_STRING; `None` means managed or workload identity with
    /// `account_url`.
    pub connection_string: Option<Secret>,
    /// AZURE_STORAGE_ACCOUNT_URL (`https://NAME.blob.core.windows.net`), or derived from
    /// AZURE_STORAGE_ACCOUNT_NAME.
    pub account_url: Option<String>,
}
