//! The verified records of one member, as a reader returns them.

use std::sync::Arc;

use kernel::record::Record;

use super::batch::{Records, check};
use super::manifest::Member;
use super::{Result, SegmentError, SegmentErrorKind};

/// The records of one member, in memory.
#[derive(Debug)]
pub struct RecordGroup {
    batches: Vec<u8>,
    /// Records below are skipped.
    from: i64,
    object: Arc<str>,
    place: String,
}

impl RecordGroup {
    /// Takes the batches of a member, if their CRCs and headers are consistent, also with the
    /// index.
    ///
    /// # Errors
    /// [`SegmentErrorKind::Damaged`].
    pub(super) fn new(batches: Vec<u8>, member: &Member, from: i64, object: Arc<str>, place: String) -> Result<Self> {
        let group = Self { batches, from, object, place };
        let found = check(&group.batches).map_err(|error| group.damaged(&error))?;
        if (found.records, found.first_offset, found.last_offset) != (member.records, member.first_offset, member.last_offset) {
            let what = format!(
                "{} records in offsets {} to {}, but the manifest has {} in {} to {}",
                found.records, found.first_offset, found.last_offset, member.records, member.first_offset, member.last_offset
            );
            return Err(group.damaged(&what));
        }
        Ok(group)
    }

    /// Its records, one after another.
    pub fn records(&self) -> GroupRecords<'_> {
        GroupRecords { records: Records::new(&self.batches, self.from), group: self }
    }

    fn damaged(&self, what: &dyn std::fmt::Display) -> SegmentError {
        SegmentError::new(SegmentErrorKind::Damaged, &*self.object, format!("{}: {what}", self.place))
    }
}

/// Lends the records of a group, one after another. Can be kept while waiting for room to write
/// them.
#[derive(Debug)]
pub struct GroupRecords<'a> {
    records: Records<'a>,
    group: &'a RecordGroup,
}

impl GroupRecords<'_> {
    /// The next record, valid until the next call; `None` after the last one.
    ///
    /// # Errors
    /// [`SegmentErrorKind::Damaged`]: the stored bytes are not a record, although all checksums
    /// match.
    #[allow(clippy::should_implement_trait)] // It lends: no Iterator can.
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        self.records.next().map_err(|error| self.group.damaged(&error))
    }
}
