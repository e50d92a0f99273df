//! Which errors concern one object, and which the whole bucket.

use archive::Error;
use kernel::in_full;
use store::StoreErrorKind;

/// After this number of consecutive unavailable objects, each retried, the store counts as
/// unavailable.
const MOST: u32 = 3;

/// Lets a command continue after a bad object, and ends it if the bucket itself is unavailable.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    unanswered: u32,
    tried: bool,
}

impl Patience {
    /// The result of an object, or `None` if it could not be read: then `note` gets the reason.
    ///
    /// # Errors
    /// The error itself, which is noted too, if the next object would fail as well.
    pub(crate) fn settle<T>(&mut self, read: Result<T, Error>, note: impl FnOnce(String)) -> Result<Option<T>, Error> {
        use StoreErrorKind::{ClockSkew, Credentials, NoBucket, WrongEndpoint};
        let error = match read {
            Ok(found) => {
                self.unanswered = 0;
                return Ok(Some(found));
            }
            Err(error) => error,
        };
        self.tried = true;
        self.unanswered = if error.is_retryable() { self.unanswered + 1 } else { 0 };
        note(in_full(&error));
        match &error {
            Error::Store(of) if matches!(of.kind, ClockSkew | Credentials | NoBucket | WrongEndpoint) => Err(error),
            _ if self.unanswered >= MOST => Err(error),
            _ => Ok(None),
        }
    }

    /// Whether everything could be read so far.
    pub(crate) fn is_untried(&self) -> bool {
        !self.tried
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use archive::segment::{SegmentError, SegmentErrorKind};
    use store::StoreError;

    use super::*;

    fn of_store(kind: StoreErrorKind) -> Result<(), Error> {
        Err(StoreError::new(kind, "x", "y").into())
    }

    #[test]
    fn a_bad_object_is_skipped_and_a_bad_bucket_is_not() {
        let mut patience = Patience::default();
        assert!(patience.is_untried());
        let mut noted = Vec::new();
        for kind in [StoreErrorKind::NotFound, StoreErrorKind::Denied, StoreErrorKind::Other, StoreErrorKind::Damaged] {
            assert_eq!(patience.settle(of_store(kind), |text| noted.push(text)).unwrap(), None, "{kind:?}");
        }
        let damaged = Err::<(), _>(SegmentError::new(SegmentErrorKind::Damaged, "x", "y").into());
        assert_eq!(patience.settle(damaged, |text| noted.push(text)).unwrap(), None);
        assert!(patience.settle(of_store(StoreErrorKind::NoBucket), |text| noted.push(text)).is_err());
        assert_eq!((noted, patience.is_untried()), (vec!["x: y".to_owned(); 6], false));
    }

    #[test]
    fn an_unavailable_store_ends_the_command() {
        let mut patience = Patience::default();
        let mut away = |times: u32| (0..times).any(|_| patience.settle(of_store(StoreErrorKind::Unavailable), drop).is_err());
        assert!(!away(2));
        assert!(away(1));
        patience.settle(Ok(()), drop).unwrap();
        assert!(patience.settle(of_store(StoreErrorKind::Unavailable), drop).is_ok());
    }
}
