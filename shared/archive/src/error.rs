use kafka::KafkaError;
use store::StoreError;

use crate::segment::SegmentError;

/// The errors of an invocation. Each concern has its own error with its own hint; this type only
/// combines them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bucket refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kafka refused or failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A segment does not match its name or manifest.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The bucket and Kafka contradict each other, or the request is invalid for them.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What an invocation refuses, and why: nothing is broken, but to continue would be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// Its kind.
    pub kind: RefusalKind,
    /// What happened, to what, and what to do.
    pub what: String,
}

/// Why an invocation is refused, and so who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request names something that does not exist, or is invalid: change the request.
    Request,
    /// Something is missing from the bucket or from Kafka: restore it, or accept the loss.
    Lost,
    /// It belongs to another topic or restore.
    Taken,
    /// The store or the target topic cannot keep what would be written.
    Unfit,
    /// Another invocation changed it at the same moment: retry later.
    Raced,
    /// A defect of this program.
    Bug,
}

impl Error {
    /// Whether the same invocation can succeed later without any change by the operator.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Kafka(error) => error.is_retryable(),
            Self::Refused(refusal) => refusal.kind == RefusalKind::Raced,
            Self::Segment(_) => false,
        }
    }

    /// See [`RefusalKind::Request`].
    pub fn request(what: impl Into<String>) -> Self {
        Self::refused(RefusalKind::Request, what)
    }

    /// See [`RefusalKind::Lost`].
    pub fn lost(what: impl Into<String>) -> Self {
        Self::refused(RefusalKind::Lost, what)
    }

    /// See [`RefusalKind::Taken`].
    pub fn taken(what: impl Into<String>) -> Self {
        Self::refused(RefusalKind::Taken, what)
    }

    /// See [`RefusalKind::Unfit`].
    pub fn unfit(what: impl Into<String>) -> Self {
        Self::refused(RefusalKind::Unfit, what)
    }

    /// See [`RefusalKind::Raced`].
    pub fn raced(what: impl Into<String>) -> Self {
        Self::refused(RefusalKind::Raced, what)
    }

    /// See [`RefusalKind::Bug`]: the message says that it is a defect, because only the project can
    /// fix it.
    pub fn bug(what: impl Into<String>) -> Self {
        Self::refused(RefusalKind::Bug, format!("{}. This is a defect of this program: please report it", what.into()))
    }

    fn refused(kind: RefusalKind, what: impl Into<String>) -> Self {
        Self::Refused(Refusal { kind, what: what.into() })
    }
}

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use std::io;

    use kernel::in_full;
    use store::StoreErrorKind;

    use super::*;

    #[test]
    fn what_another_invocation_did_heals_and_what_somebody_has_to_do_does_not() {
        assert!(Error::raced("x").is_retryable());
        for refused in [Error::request("x"), Error::lost("x"), Error::taken("x"), Error::unfit("x"), Error::bug("x")] {
            assert!(!refused.is_retryable(), "{refused:?}");
        }
        assert_eq!(Error::lost("orders/0: gone").to_string(), "orders/0: gone");
    }

    #[test]
    fn causes_follow_each_once() {
        let cause = io::Error::other(StoreError::new(StoreErrorKind::Other, "inner", "the disk\n  is broken"));
        let error: Error = StoreError::new(StoreErrorKind::Other, "/backup/x", "cannot read or write").caused_by(cause).into();
        assert_eq!(in_full(&error), "/backup/x: cannot read or write: inner: the disk is broken");

        let said =
            StoreError::new(StoreErrorKind::Other, "x", "failed (Input/output error)").caused_by(io::Error::other("Input/output error"));
        assert_eq!(in_full(&said), "x: failed (Input/output error)");
    }
}
