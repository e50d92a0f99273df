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
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Whether the same invocation, started again later, can succeed without anybody doing something.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Kafka(error) => error.is_retryable(),
            Self::Segment(_) | Self::Refused(_) => false,
        }
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
    fn causes_follow_each_once() {
        let cause = io::Error::other(StoreError::new(StoreErrorKind::Other, "inner", "the disk\n  is broken"));
        let error: Error = StoreError::new(StoreErrorKind::Other, "/backup/x", "reading or writing failed").caused_by(cause).into();
        assert_eq!(in_full(&error), "/backup/x: reading or writing failed: inner: the disk is broken");

        let said =
            StoreError::new(StoreErrorKind::Other, "x", "failed (Input/output error)").caused_by(io::Error::other("Input/output error"));
        assert_eq!(in_full(&said), "x: failed (Input/output error)");
    }
}
