use std::fmt;
use std::time::Duration;

/// What went wrong with an object, and what the operator can do.
#[derive(Debug)]
pub struct StoreError {
    /// The class of the failure. Code matches on this, never on the text.
    pub kind: StoreErrorKind,
    /// Which object or bucket, as [`super::ObjectStore::location`] names it.
    pub location: String,
    /// What happened, and if it helps, what to do next.
    pub what: String,
    /// How long the store asks to wait before the next request, if it does.
    pub retry_after: Option<Duration>,
    /// The cause, where there is one.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Classes of store failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// There is no object of that name.
    NotFound,
    /// Create-only, and the name is taken.
    AlreadyExists,
    /// Replace-if-unchanged, and it changed.
    Changed,
    /// The name is invalid in this store.
    BadName,
    /// The credentials are valid but do not allow this.
    Denied,
    /// The credentials are missing, wrong or expired.
    Credentials,
    /// The bucket, container or folder does not exist.
    NoBucket,
    /// Wrong region or endpoint.
    WrongEndpoint,
    /// This machine's clock differs too much for the signature.
    ClockSkew,
    /// The store throttles requests.
    Throttled,
    /// Connection lost, timeout or 5xx: transient.
    Unavailable,
    /// The bytes received are not the bytes stored.
    Damaged,
    /// Anything else.
    Other,
}

impl StoreError {
    /// An error without a cause.
    pub fn new(kind: StoreErrorKind, location: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind, location: location.into(), what: what.into(), retry_after: None, source: None }
    }

    /// With the header `Retry-After`, in seconds. (Dates are ignored: no store sends one.)
    pub(super) fn asking_to_wait(mut self, retry_after: Option<&str>) -> Self {
        self.retry_after = retry_after.and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        self
    }

    /// With its cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the error is transient: the same request can succeed later without any change by the
    /// operator.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Throttled | StoreErrorKind::Unavailable)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.what)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
