//! Random logs, restored in random transactions: whatever is unknown, lost or merged, no offset is
//! ever placed past the first record at or after it.

use kafka::Written;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Found, Span, Spans, pair};

/// A transaction of a restore.
#[derive(Debug, Clone)]
struct Transaction {
    /// For each source offset that it covers, whether there is a record.
    offsets: Vec<bool>,
    /// Records of each batch, whether the broker says where it is, and how many records of others
    /// come before it.
    batches: Vec<(i64, bool, i64)>,
    /// Aborted: what was written is a hole in the target, and is written again.
    is_killed: bool,
    /// Which of two invocations knows of it; 3: both. 0: killed before the checkpoint, and its
    /// spans did not fit.
    known_by: u8,
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let known_by = prop_oneof![1 => Just(0u8), 8 => 1u8..4];
    let batch = (1i64..6, prop::bool::weighted(0.8), prop_oneof![4 => Just(0i64), 1 => 1i64..3]);
    (vec(prop::bool::weighted(0.8), 1..20), vec(batch, 1..8), prop::bool::weighted(0.2), known_by)
        .prop_map(|(offsets, batches, is_killed, known_by)| Transaction { offsets, batches, is_killed, known_by })
}

/// A partition that was restored.
#[derive(Debug, Default)]
struct Restored {
    /// By source offset: where its record is.
    places: Vec<Option<i64>>,
    target_end: i64,
    known: [Spans; 2],
    is_whole: bool,
}

impl Restored {
    fn of(transactions: &[Transaction]) -> Self {
        let mut restored = Self { target_end: 50, is_whole: true, ..Self::default() };
        for transaction in transactions {
            if transaction.is_killed {
                restored.target_end += 1 + i64::try_from(transaction.offsets.len()).unwrap_or(0);
            }
            restored.commit(transaction);
        }
        restored
    }

    fn commit(&mut self, transaction: &Transaction) {
        let start = i64::try_from(self.places.len()).unwrap_or(0);
        let (mut sources, mut written) = (Vec::<(i64, i64)>::new(), Vec::new());
        let mut batches = transaction.batches.iter().cycle();
        let (mut left, mut says) = (0, true);
        for (offset, has_record) in (start..).zip(&transaction.offsets) {
            if !has_record {
                self.places.push(None);
                continue;
            }
            if left == 0 {
                let Some((records, is_known, others)) = batches.next() else { return };
                (left, says) = (*records, *is_known);
                self.target_end += others;
            }
            left -= 1;
            Written::add(&mut written, 0, says.then_some(self.target_end));
            self.places.push(Some(self.target_end));
            self.target_end += 1;
            match sources.last_mut() {
                Some((first, count)) if *first + *count == offset => *count += 1,
                _ => sources.push((offset, 1)),
            }
        }
        let end = i64::try_from(self.places.len()).unwrap_or(0);
        self.is_whole &= transaction.known_by != 0 && written.iter().all(|run| run.first.is_some());
        let spans = pair(start..end, &sources, &written);
        for (index, known) in self.known.iter_mut().enumerate() {
            if transaction.known_by & (1 << index) != 0 {
                spans.iter().for_each(|span| known.add(*span));
            }
        }
        self.target_end += 1;
    }

    fn end(&self) -> i64 {
        i64::try_from(self.places.len()).unwrap_or(0)
    }

    /// Where the first record at or after a source offset is; behind the last one where there is
    /// none.
    fn truth(&self, offset: i64) -> i64 {
        let at = usize::try_from(offset.clamp(0, self.end())).unwrap_or(0);
        let behind = || self.places.iter().flatten().next_back().map_or(50, |last| last + 1);
        self.places[at..].iter().flatten().next().copied().unwrap_or_else(behind)
    }

    /// Records of source offsets below this one that are at or after a place of the target.
    fn repeated(&self, offset: i64, at: i64) -> i64 {
        let below = self.places.iter().take(usize::try_from(offset).unwrap_or(0));
        i64::try_from(below.flatten().filter(|place| **place >= at).count()).unwrap_or(0)
    }

    /// What a count of the records of a span says.
    fn count(&self, spans: &Spans, span: Span, offset: i64) -> Found {
        let below = (span.from..offset).filter(|at| self.places[usize::try_from(*at).unwrap_or(0)].is_some()).count();
        let below = i64::try_from(below).unwrap_or(0);
        if below < span.count { Found::Exact(span.target + below) } else { spans.find(span.to, self.end()) }
    }

    fn check(&self, spans: &Spans) -> Result<(), TestCaseError> {
        for offset in -1..self.end() + 2 {
            let found = match spans.find(offset, self.end()) {
                Found::Inside(span) => self.count(spans, span, offset),
                found => found,
            };
            match found {
                Found::Exact(at) => prop_assert_eq!(at, self.truth(offset), "offset {}", offset),
                Found::End { after, may_repeat: 0 } => prop_assert_eq!(after.unwrap_or(50), self.truth(offset), "offset {}", offset),
                Found::Unknown { after, may_repeat } | Found::End { after, may_repeat } => {
                    let at = after.unwrap_or(50);
                    prop_assert!(at <= self.truth(offset), "offset {} is placed at {}, past {}", offset, at, self.truth(offset));
                    prop_assert!(self.repeated(offset, at) <= may_repeat, "offset {}: more than {} records repeat", offset, may_repeat);
                    prop_assert!(!self.is_whole, "offset {}: all is known, but {:?}", offset, found);
                }
                Found::Inside(_) => prop_assert!(false, "counted, and still inside"),
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_offset_is_placed_past_its_record(transactions in vec(transaction(), 1..20), order in any::<bool>(), cut in any::<Index>()) {
        let restored = Restored::of(&transactions);
        let (one, other) = if order { (0, 1) } else { (1, 0) };
        let mut spans = restored.known[one].clone();
        // The beginning was put away, and stays known to another invocation.
        let away = spans.take_first(cut.index(spans.len() + 1));
        spans.unite(&restored.known[other]);
        spans.unite(&away);
        let read: Spans = spans.to_string().parse().map_err(TestCaseError::fail)?;
        prop_assert_eq!(&read, &spans);
        prop_assert!(spans.iter().zip(spans.iter().skip(1)).all(|(one, next)| one.to <= next.from));
        restored.check(&spans)?;
    }

    /// Whichever way facts are merged, they are the same.
    #[test]
    fn a_union_does_not_depend_on_the_order(transactions in vec(transaction(), 1..20)) {
        let restored = Restored::of(&transactions);
        let [one, other] = &restored.known;
        let (mut left, mut right) = (one.clone(), other.clone());
        left.unite(other);
        right.unite(one);
        prop_assert_eq!(&left, &right);
        let again = left.clone();
        left.unite(&again);
        prop_assert_eq!(left, again);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[0-9+@,-]{0,40}") {
        if let Ok(spans) = text.parse::<Spans>() {
            prop_assert_eq!(spans.to_string().parse::<Spans>(), Ok(spans));
        }
    }
}
