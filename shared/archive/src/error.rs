use kafka::KafkaError;
use store::StoreError;

use crate::segment::SegmentError;

/// What an invocation can fail with. Each concern has its own error with its own hint; this one only gathers them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bucket refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kafka refused or failed.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A segment is not what its name and manifest promise.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The state of the bucket and of Kafka contradict each other, or the request makes no sense for them.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// What an invocation does not do, and why: nothing is broken, but it would not be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Refusal {
    /// Of which kind it is.
    pub kind: RefusalKind,
    /// What happened, to what, and what to do.
    pub what: String,
}

/// Why an invocation is refused, and so who has to do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// What was asked for is not there, or makes no sense: ask for something else.
    Request,
    /// What should be in the bucket, or in Kafka, is not: put it back, or accept the loss.
    Lost,
    /// It belongs to another topic or restore.
    Taken,
    /// The store or the target topic cannot keep what would be written.
    Unfit,
    /// Another invocation changed it at the same moment: a later one can succeed.
    Raced,
    /// A defect of this program.
    Bug,
}

impl Error {
    /// Whether the same invocation, started again later, can succeed without anybody doing something.
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

    /// See [`RefusalKind::Bug`]: says so, because nobody but us can do something.
    pub fn bug(what: impl Into<String>) -> Self {
        Self::refused(RefusalKind::Bug, format!("{}. This is a defect of this program: please report it", what.into()))
    }

    fn refused(kind: RefusalKind, what: impl Into<String>) -> Self {
        Self::Refused(Refusal { kind, what: what.into() })
    }
}

/// Short for results of handlers.
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
