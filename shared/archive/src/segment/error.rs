use std::fmt;

/// A segment is not valid: names the object and the position.
#[derive(Debug)]
pub struct SegmentError {
    /// The class of the damage. Code matches on this, never on the text.
    pub kind: SegmentErrorKind,
    /// The object, as the store's `location` names it.
    pub object: String,
    /// Where in the object, and what is wrong there.
    pub what: String,
}

/// Classes of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentErrorKind {
    /// Bytes differ from those written: checksum, truncation, structure.
    Damaged,
    /// The SHA-256 of the object is not that in its `.sha256`.
    ChecksumMismatch,
    /// The manifest is valid but belongs elsewhere: another topic, partition or start offset.
    Misplaced,
    /// Written by a newer version of this project.
    UnknownVersion,
    /// It decompresses to more than the limit.
    TooLarge,
    /// A record cannot be stored in a segment (offsets that decrease).
    Unstorable,
}

impl SegmentError {
    /// An error of this class for this object.
    pub fn new(kind: SegmentErrorKind, object: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind, object: object.into(), what: what.into() }
    }
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.what)
    }
}

impl std::error::Error for SegmentError {}
