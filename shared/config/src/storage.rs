//! FILESYSTEM_TYPE and what each store needs.

use kernel::Secret;
use store::{AzureStore, ConnectionString, S3Store, StoreKind, StoreSettings};

use super::raw::Raw;
use super::read::{Reader, choice, flag};
use super::{ConfigError, names};

/// Only where the segments are: for commands that read the bucket and do not use Kafka.
///
/// # Errors
/// All problems.
pub fn store_settings(raw: &Raw) -> Result<StoreSettings, ConfigError> {
    let mut read = Reader::new(raw);
    let settings = store(&mut read);
    read.finish(settings)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Linux,
    S3,
    Minio,
    Azure,
}

const TYPES: [(&str, Type); 4] = [("LINUX", Type::Linux), ("S3", Type::S3), ("MINIO", Type::Minio), ("AZURE", Type::Azure)];

/// Whether the store is a local folder, even if it has other problems.
pub(super) fn is_folder(read: &Reader<'_>) -> bool {
    let kind = read.raw().get("FILESYSTEM_TYPE").and_then(|entry| entry.value.as_str());
    kind.is_some_and(|kind| matches!(choice(&TYPES)(kind.trim()), Ok(Type::Linux)))
}

/// Reads the store's keys. `None` if a problem was recorded.
pub(super) fn store(read: &mut Reader<'_>) -> Option<StoreSettings> {
    let kind = match read.required("FILESYSTEM_TYPE", "write LINUX, S3, MINIO or AZURE", choice(&TYPES)) {
        Some(Type::Linux) => folder(read),
        Some(Type::S3) => s3(read),
        Some(Type::Minio) => minio(read),
        Some(Type::Azure) => azure(read),
        None => None,
    };
    // An empty prefix is the same as none.
    let empty = read.raw().get("STORAGE_PREFIX").is_some_and(|entry| entry.value == "");
    let prefix = if empty { Some(String::new()) } else { read.or("STORAGE_PREFIX", String::new(), names::prefix) };
    Some(StoreSettings { kind: kind?, prefix: prefix? })
}

fn folder(read: &mut Reader<'_>) -> Option<StoreKind> {
    read.required("FILESYSTEM_BACKUP_DIR", "FILESYSTEM_TYPE=LINUX requires the folder of the backup", names::folder).map(StoreKind::Folder)
}

fn s3(read: &mut Reader<'_>) -> Option<StoreKind> {
    let common = bucket(read, "S3");
    let given = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].into_iter().find(|key| read.is_set(key));
    let endpoint = given.map_or(Some(None), |key| read.optional(key, |url| names::endpoint(url, "https")));
    let path_style = read.or("S3_PATH_STYLE", false, flag);
    Some(StoreKind::S3(S3Store { endpoint: endpoint?, path_style: path_style?, ..common? }))
}

fn minio(read: &mut Reader<'_>) -> Option<StoreKind> {
    let common = bucket(read, "MINIO");
    let endpoint = minio_endpoint(read);
    let path_style = read.or("S3_PATH_STYLE", true, flag);
    let access_key = read.required("MINIO_ACCESS_KEY", "FILESYSTEM_TYPE=MINIO requires it", |key| Ok(key.to_owned()));
    let secret_key = read.required("MINIO_SECRET_KEY", "FILESYSTEM_TYPE=MINIO requires it", |key| Ok(Secret::new(key)));
    let common = common?;
    Some(StoreKind::S3(S3Store {
        endpoint: Some(endpoint?),
        region: common.region.or_else(|| Some("us-east-1".to_owned())),
        path_style: path_style?,
        credentials: Some((access_key?, secret_key?)),
        ..common
    }))
}

fn minio_endpoint(read: &mut Reader<'_>) -> Option<String> {
    let secure = read.optional("IS_MINIO_SECURE", flag);
    let scheme = if matches!(secure, Some(Some(false))) { "http" } else { "https" };
    let url = read.required("MINIO_URL", "write MinIO's address, for example localhost:9000", |url| names::endpoint(url, scheme));
    let (secure, url) = (secure?, url?);
    if secure.is_some_and(|secure| secure != url.starts_with("https://")) {
        read.refuse("IS_MINIO_SECURE", &format!("contradicts MINIO_URL, which is {url}"));
        return None;
    }
    Some(url)
}

/// What S3 and MinIO have in common; the caller adds the rest.
fn bucket(read: &mut Reader<'_>, kind: &str) -> Option<S3Store> {
    let why = format!("FILESYSTEM_TYPE={kind} requires the bucket's name: add BUCKET_NAME");
    let bucket = read.required("BUCKET_NAME", &why, names::bucket);
    let region = read.optional("S3_REGION", |region| {
        let legal = region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if legal { Ok(region.to_owned()) } else { Err("is not a region; an example is eu-central-1".to_owned()) }
    });
    let kms_key = read.optional("S3_SSE_KMS_KEY_ID", |key| Ok(key.to_owned()));
    let storage_class = read.optional("S3_STORAGE_CLASS", storage_class);
    Some(S3Store {
        bucket: bucket?,
        endpoint: None,
        region: region?,
        path_style: false,
        credentials: None,
        kms_key: kms_key?,
        storage_class: storage_class?,
    })
}

/// Classes with immediate access: a backup reads its own segments when it adopts them.
fn storage_class(class: &str) -> Result<String, String> {
    const READABLE: [&str; 6] = ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"];
    const ARCHIVES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];
    let upper = class.to_uppercase();
    if ARCHIVES.contains(&upper.as_str()) {
        return Err(format!("{upper} does not allow immediate reads; write GLACIER_IR, or let a lifecycle rule move old segments"));
    }
    choice(&READABLE.map(|name| (name, name.to_owned())))(&upper)
}

fn azure(read: &mut Reader<'_>) -> Option<StoreKind> {
    let container = read.required("CONTAINER_NAME", "FILESYSTEM_TYPE=AZURE requires the container's name", names::container);
    let connection_string = read.optional("AZURE_STORAGE_CONNECTION_STRING", connection_string);
    let account_url = read.optional("AZURE_STORAGE_ACCOUNT_URL", |url| names::endpoint(url, "https"));
    let account_name = read.optional("AZURE_STORAGE_ACCOUNT_NAME", names::account);
    let (connection_string, account_url) = (connection_string?, one_account(read, account_url?, account_name?)?);
    match (&connection_string, &account_url) {
        (None, None) => read.missing(
            "AZURE_STORAGE_CONNECTION_STRING",
            "set it, or set AZURE_STORAGE_ACCOUNT_NAME or AZURE_STORAGE_ACCOUNT_URL to use a managed or workload identity",
        ),
        (Some(_), Some(_)) => read.refuse(
            "AZURE_STORAGE_CONNECTION_STRING",
            "names the account; AZURE_STORAGE_ACCOUNT_URL and AZURE_STORAGE_ACCOUNT_NAME do too, for an identity: \
             keep one",
        ),
        _ => return Some(StoreKind::Azure(AzureStore { container: container?, connection_string, account_url })),
    }
    None
}

fn one_account(read: &mut Reader<'_>, url: Option<String>, name: Option<String>) -> Option<Option<String>> {
    let made = name.map(|name| format!("https://{name}.blob.core.windows.net"));
    match (url, made) {
        (Some(url), Some(made)) if url != made => {
            read.refuse("AZURE_STORAGE_ACCOUNT_URL", &format!("contradicts AZURE_STORAGE_ACCOUNT_NAME, whose account is {made}: keep one"));
            None
        }
        (url, made) => Some(url.or(made)),
    }
}

/// Checks the form only. Whether the account accepts it shows at the first request.
fn connection_string(text: &str) -> Result<Secret, String> {
    ConnectionString::parse(text).map(|_| Secret::new(text))
}
