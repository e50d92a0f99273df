//! What must be true of every manifest, whatever program wrote it.

use super::batch::BATCH_HEADER;
use super::manifest::{FORMAT_VERSION, Manifest};
use super::{GROUP_BYTES, Result, SegmentError, SegmentErrorKind};

/// A group may have this size if no single record does: room for later versions to choose other
/// groups.
const LARGEST_GROUP: u64 = 4 * GROUP_BYTES as u64;
/// A batch header and the smallest record.
const SMALLEST_RECORD: u64 = BATCH_HEADER as u64 + 7;
/// A broker cannot store a larger batch.
const LARGEST_BATCH: u64 = i32::MAX as u64 + 12;

impl Manifest {
    /// Checks that the manifest is consistent: its users can rely on sums, order and limits.
    ///
    /// # Errors
    /// [`SegmentErrorKind::UnknownVersion`] or [`SegmentErrorKind::Damaged`], about `object`.
    pub fn check(&self, object: &str) -> Result<()> {
        if self.format_version > FORMAT_VERSION {
            let what = format!("format version {} is newer than {FORMAT_VERSION}: use a newer version to read it", self.format_version);
            return Err(SegmentError::new(SegmentErrorKind::UnknownVersion, object, what));
        }
        self.contradiction().map_or(Ok(()), |what| {
            let what = format!("manifest.json contradicts itself: {what}");
            Err(SegmentError::new(SegmentErrorKind::Damaged, object, what))
        })
    }

    fn contradiction(&self) -> Option<String> {
        let all = [self.wrong_identity(), self.wrong_range(), self.wrong_facts(), self.wrong_members()];
        all.into_iter().flatten().next()
    }

    fn wrong_identity(&self) -> Option<String> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        first_false([
            (self.format_version >= 1, "there is no format version 0"),
            (!self.topic.is_empty() && self.topic.len() <= 249 && self.topic.bytes().all(legal), "topic is not a legal topic name"),
            (self.topic_id.as_ref().is_none_or(|id| id.to_string().parse::<kafka::TopicId>().is_ok()), "topic_id is invalid"),
            (self.partition >= 0, "partition is negative"),
            (self.created_at.parse::<jiff::Timestamp>().is_ok(), "created_at is not an RFC 3339 time"),
        ])
    }

    fn wrong_range(&self) -> Option<String> {
        let Self { start, next, .. } = *self;
        let empty = self.records == 0;
        let (first, last) = (self.first_offset.unwrap_or(start), self.last_offset.unwrap_or(start));
        let gap_ends = self.gap.as_ref().map_or(start, |gap| gap.to);
        first_false([
            (0 <= start && start < next, "start and next are not a range"),
            (self.first_offset.is_none() == empty && self.last_offset.is_none() == empty, "first_offset and last_offset require a record"),
            (start <= first && first <= last && last < next, "first_offset and last_offset are outside of start and next"),
            (empty || span(first, last) >= self.records, "there are more records than offsets"),
            (self.gap.as_ref().is_none_or(|gap| gap.from == start && gap.to > start), "the gap does not begin at start"),
            (gap_ends <= if empty { next } else { first }, "the gap contains records"),
        ])
    }

    fn wrong_facts(&self) -> Option<String> {
        let empty = self.records == 0;
        let mut types = self.timestamp_types.clone();
        types.dedup();
        let largest = if empty { 0..=0 } else { SMALLEST_RECORD..=LARGEST_BATCH };
        first_false([
            (self.min_timestamp.is_none() == self.max_timestamp.is_none(), "one of min_timestamp and max_timestamp is missing"),
            (!empty || self.min_timestamp.is_none(), "timestamps require a record"),
            (self.min_timestamp <= self.max_timestamp, "min_timestamp is above max_timestamp"),
            (types.len() == self.timestamp_types.len() && types.len() <= 2 && types.is_empty() == empty, "timestamp_types"),
            (self.zero_timestamps <= self.records, "zero_timestamps is more than records"),
            (largest.contains(&self.largest_record), "largest_record is impossible"),
        ])
    }

    fn wrong_members(&self) -> Option<String> {
        let (mut records, mut bytes, mut after) = (0_u64, 0_u64, self.start.saturating_sub(1));
        for (number, member) in self.members.iter().enumerate() {
            let sound = member.first_offset > after
                && member.first_offset <= member.last_offset
                && (1..=span(member.first_offset, member.last_offset)).contains(&member.records)
                && (SMALLEST_RECORD..=LARGEST_GROUP.max(self.largest_record)).contains(&member.bytes)
                && (1..=2 * member.bytes).contains(&member.stored);
            if !sound {
                return Some(format!("member {number} does not follow the previous one, or its sizes are impossible"));
            }
            after = member.last_offset;
            records = records.saturating_add(member.records);
            bytes = bytes.saturating_add(member.bytes);
        }
        first_false([
            (self.members.first().map(|m| m.first_offset) == self.first_offset, "the first member does not begin at first_offset"),
            (self.members.last().map(|m| m.last_offset) == self.last_offset, "the last member does not end at last_offset"),
            (records == self.records, "the members' records do not add up to records"),
            (bytes == self.log_bytes, "the members' sizes do not add up to log_bytes"),
        ])
    }
}

/// Number of offsets from `first` to `last`, inclusive; 0 if they are not a range.
fn span(first: i64, last: i64) -> u64 {
    last.checked_sub(first).and_then(|distance| u64::try_from(distance).ok()).map_or(0, |distance| distance.saturating_add(1))
}

fn first_false<const N: usize>(claims: [(bool, &str); N]) -> Option<String> {
    claims.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what.to_owned())
}
