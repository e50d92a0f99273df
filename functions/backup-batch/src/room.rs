//! How much memory a segment may use while it is read.
//!
//! In addition to the segment, Kafka's client holds records: its queue, and the one that is being
//! copied. With small records that is its share of the memory. Of records that are large compared
//! to that share it holds two, which reduces the memory of the segment.

use archive::segment::SegmentWriter;
use host::Budget;
use tokio::sync::watch;

use crate::uploads::Share;
use crate::work::Run;

/// Bytes of the previous segment, until it is durable.
pub(crate) type HeldBefore = watch::Receiver<usize>;

/// What a segment shares the memory and the line with.
pub(crate) struct Room {
    pub(crate) before: HeldBefore,
    pub(crate) share: Share,
    part: Part,
    /// The largest record of the turn so far.
    largest: usize,
}

/// One worker's share of the memory, in bytes.
#[derive(Debug, Clone, Copy)]
struct Part {
    segment: usize,
    queue: usize,
    response: usize,
    /// Unassigned.
    spare: usize,
}

impl Room {
    fn new(budget: &Budget, threads: usize, before: HeldBefore, share: Share, largest: usize) -> Self {
        Self { before, share, part: Part::of(budget, threads), largest }
    }

    /// Whether the writer may append another record while the previous segment still holds `before`
    /// bytes.
    ///
    /// A record always fits if nothing else is held: it could not be read otherwise.
    pub(crate) fn has_room(&self, writer: &SegmentWriter, before: usize) -> bool {
        let held = before + writer.held_bytes();
        held == 0 || self.part.fits(held, self.largest.max(writer.largest_record() as usize))
    }

    /// Whether the segment is as large as the memory allows, whatever else is freed.
    pub(crate) fn is_full(&self, writer: &SegmentWriter) -> bool {
        !writer.can_shrink() && !self.has_room(writer, 0)
    }

    /// Waits for what uses memory: groups that are being compressed, then the previous segment.
    /// Returns whether there was anything to wait for.
    pub(crate) async fn wait(&mut self, writer: &mut SegmentWriter) -> bool {
        if writer.is_busy() {
            writer.settle().await;
        } else if self.has_room(writer, *self.before.borrow()) {
            return false;
        } else if writer.can_shrink() {
            writer.shrink().await;
        } else {
            // The memory is for both. An error means that nothing is held any more.
            _ = self.before.wait_for(|held| *held == 0).await;
        }
        true
    }
}

impl Part {
    fn of(budget: &Budget, threads: usize) -> Self {
        let (segment, queue, response) = (budget.segment_bytes(threads), budget.queue_bytes(threads), budget.response_bytes(threads));
        let all = usize::try_from(budget.for_records()).unwrap_or(usize::MAX) / threads.max(1);
        Self { segment, queue, response, spare: all.saturating_sub(segment + queue + response) }
    }

    /// Whether another record fits when `held` bytes are held and the largest record has `largest`.
    fn fits(self, held: usize, largest: usize) -> bool {
        // It is copied, and its compressed form needs room, too. For smaller ones there is spare
        // room.
        let next = if largest >= self.queue { largest.saturating_mul(2) } else { 0 };
        held.saturating_add(next) < self.limit(largest) || held < self.segment / 4
    }

    /// Bytes that a segment with this largest record may hold.
    fn limit(self, largest: usize) -> usize {
        // The client fetches more while its queue is below the limit, and one record is on loan to
        // the writer.
        let queued = if largest >= self.queue { largest } else { self.queue + largest };
        let reckoned = self.queue + self.response + self.spare;
        self.segment.saturating_sub(queued.saturating_add(largest).saturating_sub(reckoned))
    }
}

impl Run {
    /// The room for a segment, in a turn with this largest record so far.
    pub(crate) fn room(&self, before: HeldBefore, largest: u64) -> Room {
        let budget = self.invocation.budget.without(self.backup.compressors.tables);
        Room::new(&budget, self.backup.settings.threads, before, self.held.share(), usize::try_from(largest).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(mib: u64) -> Part {
        Part::of(&Budget::unlimited(Some(mib << 20)), 1)
    }

    /// What Kafka's client holds, what the segment holds, and what the next large record adds to
    /// it.
    #[test]
    fn records_of_any_size_fit_in_the_memory() {
        const STEP: usize = 100_000;
        for mib in [128, 256, 512, 1769] {
            let (part, for_records) = (part(mib), Budget::unlimited(Some(mib << 20)).for_records() as usize);
            for record in (1..=for_records / 4 / STEP).map(|steps| steps * STEP) {
                let most = (0..=part.segment / STEP).rev().map(|steps| steps * STEP).find(|held| part.fits(*held, record)).unwrap_or(0);
                let (client, next) = if record >= part.queue { (2 * record, 2 * record) } else { (part.queue + 2 * record, 0) };
                let is_least = most < part.segment / 4;
                assert!(is_least || client.max(part.queue + part.response) + most + next <= for_records, "{mib} {record} {most}");
            }
        }
    }

    #[test]
    fn small_records_have_the_whole_part() {
        let part = part(128);
        for record in [1000, 1 << 20, 5_000_000] {
            assert!(part.fits(part.segment - 1, record) && !part.fits(part.segment, record), "{record}");
        }
        assert!(!part.fits(part.segment - 1, 15_000_000), "two are in Kafka's client");
    }

    #[test]
    fn one_large_record_does_not_make_tiny_segments_of_those_behind_it() {
        let part = part(128);
        assert!(part.fits(part.segment / 4 - 1, 200_000_000) && !part.fits(part.segment / 4, 200_000_000));
    }
}
