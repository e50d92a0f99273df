//! What Azure's error codes mean, and what to do about each. Codes:
//! <https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

use azure_core::error::ErrorKind;
use azure_core::http::headers::{ERROR_CODE, HeaderName, Headers};
use azure_core::http::{Etag, RawResponse, StatusCode};
use azure_core::time::{Duration, OffsetDateTime, parse_rfc7231};
use kernel::in_full;

use crate::{Result, StoreError, StoreErrorKind as Kind, Version, proxy};

/// The clock difference above which Azure refuses a signature.
const CLOCK_TOLERANCE: Duration = Duration::minutes(15);

/// What messages need to know about the container.
#[derive(Debug)]
pub(super) struct Site {
    /// The container's URL, without a signature.
    pub(super) url: String,
    /// The account's URL.
    pub(super) endpoint: String,
    /// The proxy that requests use.
    pub(super) proxy: Option<String>,
    pub(super) account: String,
    pub(super) container: String,
    pub(super) sign_in: SignIn,
    /// Whether Azure ever answered a request. If so, the endpoint and the identity exist, and a
    /// missing answer or token is transient.
    pub(super) answered: AtomicBool,
}

/// How requests are authorised, for hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignIn {
    Key,
    /// With its expiry, as written in the signature.
    Sas(Option<String>),
    Identity,
}

impl Site {
    pub(super) fn location(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// The result of a request, with its error explained.
    pub(super) fn answer<T>(&self, name: &str, result: azure_core::Result<T>) -> Result<T> {
        match result {
            Ok(answer) => {
                self.answered.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            Err(error) => Err(self.explain(name, error)),
        }
    }

    /// The account's URL, and the proxy if there is one.
    fn way(&self) -> String {
        let proxy = self.proxy.as_ref().map_or_else(String::new, |proxy| format!(" through {proxy}"));
        format!("{}{proxy}", self.endpoint)
    }

    /// The version in an answer.
    pub(super) fn version(&self, name: &str, etag: Option<Etag>) -> Result<Version> {
        etag.map(|etag| Version(etag.into())).ok_or_else(|| StoreError::new(Kind::Other, self.location(name), "the response has no ETag"))
    }

    fn explain(&self, name: &str, error: azure_core::Error) -> StoreError {
        let answered = self.answered.load(Ordering::Relaxed);
        let (kind, what) = match error.kind() {
            ErrorKind::HttpResponse { status, raw_response, .. } => return self.refused(name, *status, raw_response.as_deref()),
            ErrorKind::Connection if !answered && self.proxy.is_some() => {
                (Kind::WrongEndpoint, format!("cannot connect to {}: {}", self.way(), proxy::HINT))
            }
            ErrorKind::Connection if !answered => (
                Kind::WrongEndpoint,
                format!("cannot connect to {}: check the account's name or BlobEndpoint, and the network route", self.endpoint),
            ),
            // The SDK does not distinguish a proxy that is down from a lost connection.
            ErrorKind::Connection | ErrorKind::Io if !answered && self.proxy.is_some() => {
                (Kind::Unavailable, format!("no complete response from {}: {}", self.way(), proxy::HINT))
            }
            ErrorKind::Connection | ErrorKind::Io => (Kind::Unavailable, format!("no complete response from {}", self.way())),
            ErrorKind::Credential if answered || is_passing(&error) => {
                (Kind::Unavailable, "the identity endpoint returned no token".into())
            }
            ErrorKind::Credential => (Kind::Credentials, NO_TOKEN.into()),
            _ => (Kind::Other, format!("cannot parse the response from {}", self.endpoint)),
        };
        StoreError::new(kind, self.location(name), what).caused_by(redacted(&error))
    }

    fn refused(&self, name: &str, status: StatusCode, answer: Option<&RawResponse>) -> StoreError {
        let nothing = Headers::new();
        let headers = answer.map_or(&nothing, RawResponse::headers);
        let code = headers.get_optional_str(&ERROR_CODE).unwrap_or_default();
        let mut kind = kind(u16::from(status), code);
        if !code.is_empty() {
            self.answered.store(true, Ordering::Relaxed);
        }
        if kind == Kind::Credentials && clock_difference(headers).is_some_and(|by| by.abs() > CLOCK_TOLERANCE) {
            kind = Kind::ClockSkew;
        }
        let request = headers.get_optional_str(&HeaderName::from_static("x-ms-request-id")).unwrap_or("unknown");
        let code = if code.is_empty() { "no error code" } else { code };
        let mut advice = self.advice(kind, code, headers);
        if kind == Kind::Other {
            advice += &answer.map(|answer| named_in(answer.body().as_ref())).unwrap_or_default();
        }
        let what = format!("{advice} ({code}, HTTP {}, request {request})", u16::from(status));
        let retry_after = headers.get_optional_str(&HeaderName::from_static("retry-after"));
        StoreError::new(kind, self.location(name), what).asking_to_wait(retry_after)
    }

    fn advice(&self, kind: Kind, code: &str, headers: &Headers) -> String {
        let Self { account, container, endpoint, .. } = self;
        match (kind, code) {
            (Kind::NotFound, _) => "object not found".into(),
            (Kind::AlreadyExists, _) => "the object already exists".into(),
            (Kind::Changed, _) => "the object changed since it was read".into(),
            (Kind::BadName, _) => "Azure does not accept this name of a container or object".into(),
            (Kind::NoBucket, "ContainerBeingDeleted") => {
                format!("the container {container} is being deleted: create it again in a minute")
            }
            (Kind::NoBucket, _) => format!("the container {container} does not exist; create it with `{}`", self.create_command()),
            (Kind::ClockSkew, _) => {
                let by = clock_difference(headers).unwrap_or_default().whole_minutes();
                format!(
                    "this machine's clock differs by {by} minutes from Azure's, so Azure refuses its signatures: synchronise \
                    the clock"
                )
            }
            (Kind::Credentials, "KeyBasedAuthenticationNotPermitted") => format!(
                "the account {account} does not allow keys: remove AZURE_STORAGE_CONNECTION_STRING, set AZURE_STORAGE_ACCOUNT_NAME, and give the \
                 identity of this machine the role Storage Blob Data Contributor"
            ),
            (Kind::Credentials, _) => self.sign_in_advice(),
            (Kind::Denied, "BlobImmutableDueToPolicy") => "an immutability policy or a legal hold protects the object".into(),
            (Kind::Denied, "AccountIsDisabled") => format!("the account {account} is disabled"),
            (Kind::Denied, "AuthorizationFailure" | "AuthorizationSourceIPMismatch") => {
                // Azurite also returns this for a wrong key.
                format!(
                    "not allowed: the network rules of the account {account} block this machine, or the key or signature \
                     belongs to another resource"
                )
            }
            (Kind::Denied, _) => self.permission_advice(),
            (Kind::Throttled, _) => "Azure throttles requests".into(),
            (Kind::Damaged, _) => "the upload was damaged in transit, and refused".into(),
            (Kind::Unavailable, _) => "internal error of Azure".into(),
            (Kind::WrongEndpoint, "AccountRequiresHttps") => {
                format!("the account {account} accepts only https: correct its endpoint {endpoint}")
            }
            (Kind::WrongEndpoint, _) => format!("the server at {} is not Azure Blob Storage of a supported version", self.way()),
            (Kind::Other, "BlobArchived" | "BlobBeingRehydrated") => {
                "the object is archived: rehydrate it to an online tier (this takes hours)".into()
            }
            (Kind::Other, _) => format!("{endpoint} refused the request permanently"),
        }
    }

    fn create_command(&self) -> String {
        let Self { account, container, .. } = self;
        let at = match self.is_public() {
            true => String::new(),
            false => format!(" --blob-endpoint {}", self.endpoint),
        };
        let mode = if self.sign_in == SignIn::Identity { " --auth-mode login" } else { "" };
        format!("az storage container create --name {container} --account-name {account}{at}{mode}")
    }

    /// Whether the endpoint is the default one of the account's name.
    fn is_public(&self) -> bool {
        self.endpoint.starts_with(&format!("https://{}.blob.", self.account))
    }

    fn sign_in_advice(&self) -> String {
        match &self.sign_in {
            SignIn::Key => format!(
                "the AccountKey in AZURE_STORAGE_CONNECTION_STRING is not a current key of the account {}: replace it",
                self.account
            ),
            SignIn::Sas(Some(end)) => format!(
                "the SharedAccessSignature in AZURE_STORAGE_CONNECTION_STRING was refused; it is valid until {end}, \
                 unless its key was rotated: create a new one"
            ),
            SignIn::Sas(None) => "the SharedAccessSignature in AZURE_STORAGE_CONNECTION_STRING was refused: create a new one".into(),
            SignIn::Identity => {
                format!(
                    "the account {} does not accept the token of this machine's identity: check that both belong to the same \
                    tenant",
                    self.account
                )
            }
        }
    }

    fn permission_advice(&self) -> String {
        match self.sign_in {
            SignIn::Identity => format!(
                "the identity lacks a permission: assign it the role Storage Blob Data Contributor on the container {} \
                 (effective after a few minutes)",
                self.container
            ),
            SignIn::Sas(_) => SAS_LACKS.into(),
            SignIn::Key => format!("the account {} does not allow this operation", self.account),
        }
    }
}

pub(super) const SAS_LACKS: &str = "the SharedAccessSignature lacks a permission: it needs read, create, write and list (sp=rcwl)";

const NO_TOKEN: &str = "could not get a token for a managed or workload identity: check that this machine has one \
    (AZURE_CLIENT_ID selects it), or set AZURE_STORAGE_CONNECTION_STRING";

fn kind(status: u16, code: &str) -> Kind {
    match (code, status) {
        ("BlobNotFound" | "ResourceNotFound", _) => Kind::NotFound,
        // Azure returns this for an existing blob if the signature does not allow overwriting.
        ("BlobAlreadyExists" | "UnauthorizedBlobOverwrite", _) => Kind::AlreadyExists,
        // Azure discards the blocks of an upload when another writer completes a blob of the same
        // name.
        ("InvalidBlockList", _) => Kind::AlreadyExists,
        ("ConditionNotMet", _) => Kind::Changed,
        ("ContainerNotFound" | "ContainerBeingDeleted", _) => Kind::NoBucket,
        (
            "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation" | "KeyBasedAuthenticationNotPermitted",
            _,
        ) => Kind::Credentials,
        ("InvalidResourceName" | "InvalidUri" | "OutOfRangeInput", _) => Kind::BadName,
        ("Md5Mismatch" | "Crc64Mismatch", _) => Kind::Damaged,
        // Azure also returns this, with 500, when a partition of the account is overloaded.
        ("OperationTimedOut", _) => Kind::Throttled,
        ("BlobImmutableDueToPolicy" | "ContainerDisabled", _) => Kind::Denied,
        ("AccountRequiresHttps", _) => Kind::WrongEndpoint,
        // What is unsupported now is unsupported in a retry too.
        (
            "FeatureVersionMismatch" | "FeatureNotSupported" | "UnsupportedHeader" | "UnsupportedQueryParameter" | "UnsupportedHttpVerb",
            _,
        ) => Kind::Other,
        (_, 501 | 505) => Kind::Other,
        (_, 429 | 503) => Kind::Throttled,
        (_, 408 | 500..) => Kind::Unavailable,
        // Azure Blob Storage sends an error code with every refusal.
        ("", _) => Kind::WrongEndpoint,
        ("InvalidHeaderValue", 400) => Kind::WrongEndpoint,
        (_, 401) => Kind::Credentials,
        (_, 403) => Kind::Denied,
        _ => Kind::Other,
    }
}

/// The header or query parameter that an error document names.
fn named_in(document: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = String::from_utf8_lossy(document);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.chars().take(LONGEST).collect::<String>())
    };
    let named = [("header", "HeaderName"), ("parameter", "QueryParameterName")]
        .into_iter()
        .find_map(|(what, name)| Some(format!(", because of the {what} {:?}", element(name)?)));
    named.unwrap_or_default()
}

/// How far this machine's clock is ahead of the response's `Date`.
fn clock_difference(headers: &Headers) -> Option<Duration> {
    let theirs = headers.get_optional_str(&HeaderName::from_static("date"))?;
    Some(OffsetDateTime::now_utc() - parse_rfc7231(theirs).ok()?)
}

/// Whether a missing token is transient: the token service returned 5xx or 429.
fn is_passing(error: &azure_core::Error) -> bool {
    chain(error).filter_map(|cause| cause.downcast_ref::<azure_core::Error>()).any(|cause| match cause.http_status().map(u16::from) {
        Some(status) => status == 429 || status >= 500,
        None => false,
    })
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// An error and its causes in one line, with shared access signatures in URLs removed.
fn redacted(error: &(dyn Error + 'static)) -> String {
    let text = in_full(error);
    let mut parts = text.split("sig=");
    let mut safe = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|byte: char| !(byte.is_ascii_alphanumeric() || "%+/=-_".contains(byte))).unwrap_or(part.len());
        safe += "sig=***";
        safe += &part[end..];
    }
    safe
}
