//! From S3's error codes to what a user can do about them. Codes:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>, and those of MinIO, which
//! begin with `XMinio`.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_checksums::body::validate::Error as ChecksumError;

use super::feature;
use crate::proxy;
use crate::{StoreError, StoreErrorKind};

/// The bucket's address, for error messages.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
    /// The proxy that requests use.
    pub(super) proxy: Option<String>,
    /// Whether a server ever answered there. If not, the address and the credentials are taken as
    /// wrong, rather than the network as down.
    pub(super) answered: AtomicBool,
}

/// What was requested.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// The required permission, as policies name it.
    pub(super) action: &'static str,
    pub(super) location: String,
    /// What a failed condition of the request means.
    pub(super) refusal: StoreErrorKind,
    /// The headers of the request that not every store supports.
    pub(super) special: Vec<&'static str>,
}

impl Asked {
    /// With the headers of the request that not every store supports.
    pub(super) fn carrying(mut self, headers: impl IntoIterator<Item = &'static str>) -> Self {
        self.special.extend(headers);
        self
    }
}

type Told = (StoreErrorKind, String);

impl Site {
    /// The result of a request, with its error explained.
    pub(super) fn answer<T, E>(&self, asked: &Asked, result: Result<T, SdkError<E>>) -> Result<T, StoreError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match result {
            Ok(answer) => {
                self.answered.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            Err(error) => Err(self.explain(asked, error)),
        }
    }

    fn explain<E>(&self, asked: &Asked, error: SdkError<E>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let retry_after = error.raw_response().and_then(|raw| raw.headers().get("retry-after")).map(str::to_owned);
        let (kind, what) = match &error {
            SdkError::ServiceError(failed) => {
                self.answered.store(true, Ordering::Relaxed);
                let raw = failed.raw();
                let region = raw.headers().get("x-amz-bucket-region").map(str::to_owned).or_else(|| region_in(raw.body().bytes()?));
                let (code, status) = (failed.err().code().unwrap_or_default(), raw.status().as_u16());
                match feature::is_lacking(code, status) {
                    true => (StoreErrorKind::Other, self.lacking(asked, code, status, raw.body().bytes().unwrap_or_default())),
                    false => self.refused(asked, code, status, region),
                }
            }
            // A proxy's page.
            SdkError::ResponseError(failed) if matches!(failed.raw().status().as_u16(), 429 | 503) => {
                self.by_status(asked, "", failed.raw().status().as_u16(), None)
            }
            SdkError::ResponseError(failed) if failed.raw().body().bytes().is_some() => self.foreign(),
            SdkError::DispatchFailure(failed) => {
                let connecting = failed.as_connector_error().and_then(|error| find::<hyper_util::client::legacy::Error>(error));
                self.not_sent(&error, !connecting.is_some_and(|error| error.is_connect()))
            }
            SdkError::ConstructionFailure(_) if find::<CredentialsError>(&error).is_none() => {
                (StoreErrorKind::WrongEndpoint, "cannot build the request: check BUCKET_NAME, S3_REGION and the endpoint".into())
            }
            _ => self.not_sent(&error, true),
        };
        let told = StoreError::new(kind, &asked.location, what).asking_to_wait(retry_after.as_deref());
        match error.into_source() {
            Ok(source) => told.caused_by(source),
            Err(error) => told.caused_by(error),
        }
    }

    /// The error for a response body that did not arrive completely, or not as stored.
    pub(super) fn broken_off(&self, asked: &Asked, error: impl Error + Send + Sync + 'static) -> StoreError {
        let (kind, what) = match find::<ChecksumError>(&error) {
            Some(_) => (StoreErrorKind::Damaged, "checksum mismatch: the bytes received are not the bytes stored"),
            None => (StoreErrorKind::Unavailable, "connection lost while reading the object"),
        };
        StoreError::new(kind, &asked.location, what).caused_by(error)
    }

    fn refused(&self, asked: &Asked, code: &str, status: u16, region: Option<String>) -> Told {
        use StoreErrorKind as Kind;
        let Self { bucket, .. } = self;
        let action = asked.action;
        match code {
            "PreconditionFailed" if asked.refusal == Kind::AlreadyExists => (Kind::AlreadyExists, "the object already exists".into()),
            "PreconditionFailed" => (asked.refusal, "the object changed since it was read".into()),
            "ConditionalRequestConflict" | "OperationAborted" => {
                (Kind::Unavailable, "another write of the same object is in progress: nothing was written".into())
            }
            "NoSuchKey" | "NotFound" | "NoSuchVersion" => (Kind::NotFound, "object not found".into()),
            "NoSuchUpload" => (Kind::NotFound, "another process aborted the multipart upload".into()),
            "NoSuchBucket" | "InvalidBucketName" => {
                (Kind::NoBucket, format!("there is no bucket {bucket} at {}: check BUCKET_NAME, or create it", self.address()))
            }
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "Forbidden" => (Kind::Denied, self.denied(action)),
            "InvalidObjectState" => (Kind::Other, "the object is archived: restore it to a class with immediate access".into()),
            "ExpiredToken" | "TokenRefreshRequired" | "RequestExpired" => {
                (Kind::Credentials, "the credentials have expired: renew them, or use a role, which renews itself".into())
            }
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidSecurity" | "NotSignedUp" => (
                Kind::Credentials,
                format!("{} does not know the credentials ({code}): check the access key and the secret key", self.address()),
            ),
            "RequestTimeTooSkewed" => (
                Kind::ClockSkew,
                "this machine's clock differs too much: synchronise it by NTP, because signatures include the time".into(),
            ),
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "Redirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => (Kind::WrongEndpoint, self.elsewhere(region)),
            "SlowDown"
            | "SlowDownRead"
            | "SlowDownWrite"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestLimitExceeded"
            | "TooManyRequests"
            | "BandwidthLimitExceeded"
            | "ServiceUnavailable" => (Kind::Throttled, format!("{} throttles requests ({code})", self.address())),
            "BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" => {
                (Kind::Damaged, format!("the upload was damaged in transit, and refused ({code})"))
            }
            "RequestTimeout" | "IncompleteBody" | "InternalError" => (Kind::Unavailable, self.failing(code)),
            "KeyTooLongError" | "InvalidURI" | "XMinioInvalidObjectName" | "XMinioObjectExistsAsDirectory" | "XMinioParentIsObject" => {
                (Kind::BadName, format!("the bucket cannot hold an object of this name ({code})"))
            }
            "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "QuotaExceeded" => {
                (Kind::Other, format!("{} has no space left for this bucket ({code}): free space, or raise its quota", self.address()))
            }
            _ if code.starts_with("KMS.") => {
                (Kind::Denied, format!("the KMS key of the bucket or of S3_SSE_KMS_KEY_ID cannot be used ({code})"))
            }
            _ => self.by_status(asked, code, status, region),
        }
    }

    /// The message for a store that does not support a request. That is permanent, so it is not
    /// retried.
    fn lacking(&self, asked: &Asked, code: &str, status: u16, answer: &[u8]) -> String {
        let code = if code.is_empty() { String::new() } else { format!("{code}, ") };
        let what = feature::lacking(&asked.special, answer);
        format!("{} does not support this {} request ({code}HTTP {status}): it lacks {what}", self.address(), asked.action)
    }

    /// For responses without a code (to a HEAD request, or from a proxy), and codes not listed
    /// above.
    fn by_status(&self, asked: &Asked, code: &str, status: u16, region: Option<String>) -> Told {
        use StoreErrorKind as Kind;
        match status {
            301 | 302 | 307 | 308 => (Kind::WrongEndpoint, self.elsewhere(region)),
            401 => (Kind::Credentials, format!("{} does not accept the credentials", self.address())),
            403 => (Kind::Denied, self.denied(asked.action)),
            412 => (asked.refusal, "the condition of the request does not hold".into()),
            429 => (Kind::Throttled, format!("{} throttles requests", self.address())),
            503 => (Kind::Throttled, format!("{} is overloaded ({})", self.way(), format!("HTTP {status} {code}").trim_end())),
            408 | 500.. => (Kind::Unavailable, self.failing(&format!("HTTP {status} {code}"))),
            _ if code.is_empty() => self.foreign(),
            _ => (Kind::Other, format!("{} refused {} ({code}, HTTP {status})", self.address(), asked.action)),
        }
    }

    /// For requests that got no response, or an incomplete one.
    fn not_sent(&self, error: &(dyn Error + 'static), connected: bool) -> Told {
        match find::<CredentialsError>(error) {
            Some(CredentialsError::ProviderTimedOut(_)) => {
                return (StoreErrorKind::Unavailable, "timeout of the credentials provider".into());
            }
            // There were credentials before, so this failure of their provider is transient.
            Some(CredentialsError::ProviderError(_) | CredentialsError::Unhandled(_)) if self.answered.load(Ordering::Relaxed) => {
                return (StoreErrorKind::Unavailable, "the credentials provider returned no credentials".into());
            }
            Some(_) => {
                let what = "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run with a role";
                return (StoreErrorKind::Credentials, what.into());
            }
            None => {}
        }
        if connected || self.answered.load(Ordering::Relaxed) {
            return (StoreErrorKind::Unavailable, format!("no complete response from {}", self.way()));
        }
        let hint = match &self.endpoint {
            _ if self.proxy.is_some() => proxy::HINT,
            Some(_) => "check MINIO_URL, IS_MINIO_SECURE or AWS_ENDPOINT_URL",
            None => "check S3_REGION and the network (a VPC without internet access requires a gateway endpoint for S3)",
        };
        (StoreErrorKind::WrongEndpoint, format!("cannot connect to {}: {hint}", self.way()))
    }

    fn denied(&self, action: &str) -> String {
        let hint = match action {
            "s3:GetObject" => ". Without s3:ListBucket, S3 also returns 403 for a missing object",
            "s3:PutObject" => ", and with a KMS key kms:GenerateDataKey and kms:Decrypt",
            _ => "",
        };
        format!("access denied: allow {action} on the bucket {} for this identity{hint}", self.bucket)
    }

    fn elsewhere(&self, region: Option<String>) -> String {
        let Self { bucket, region: ours, .. } = self;
        match region {
            Some(region) => format!("the bucket {bucket} is in region {region}, not in {ours}: set S3_REGION={region}"),
            None => format!("the bucket {bucket} is not in region {ours}: set S3_REGION to its region"),
        }
    }

    fn failing(&self, how: &str) -> String {
        format!("{} failed ({})", self.way(), how.trim_end())
    }

    fn foreign(&self) -> Told {
        (StoreErrorKind::WrongEndpoint, format!("the server at {} does not speak S3: check the address and the port", self.way()))
    }

    /// The address, and the proxy if there is one.
    fn way(&self) -> String {
        let proxy = self.proxy.as_ref().map_or_else(String::new, |proxy| format!(" through {proxy}"));
        self.address() + &proxy
    }

    fn address(&self) -> String {
        self.endpoint.clone().unwrap_or_else(|| format!("S3 in {}", self.region))
    }
}

/// The element `Region` of an error document: the bucket's region.
fn region_in(document: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    let (_, rest) = text.split_once("<Region>")?;
    Some(rest.split_once("</Region>")?.0.to_owned())
}

/// The first cause of type `T`.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
