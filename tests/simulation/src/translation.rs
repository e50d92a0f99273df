//! Checks translated offsets against the truth.

use std::collections::BTreeMap;

use restore_batch::{Place, Restore, SourceOffset};

use super::world::{Entry, Log, World, offset};

/// A partition that is restored completely.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    /// The folder of its generation.
    pub(crate) folder: String,
    /// The target topic.
    pub(crate) target: String,
    pub(crate) partition: usize,
    /// The restored records, by source offset.
    pub(crate) records: BTreeMap<i64, u64>,
    /// The source offset at which it ends.
    pub(crate) end: i64,
    /// Nothing is ever restored after that.
    pub(crate) is_cut: bool,
}

/// The true target offsets of a partition's records.
struct Truth<'t> {
    whole: &'t Whole,
    /// The target offsets of each value.
    places: BTreeMap<u64, Vec<i64>>,
    /// By source offset: every record there and above is at or after this place of the target.
    first_needed: BTreeMap<i64, i64>,
    /// Each record is in the target once.
    once: bool,
    /// The brokers reported the offset of each record.
    are_known: bool,
}

/// Translates every offset of a partition. Returns how many were not exact.
pub(crate) async fn check(restore: &Restore, world: &World, whole: &Whole, once: bool) -> Result<usize, String> {
    let number = i32::try_from(whole.partition).unwrap_or(i32::MAX);
    let (log, are_known) = {
        let state = world.lock();
        let log = state.topics.get(&whole.target).and_then(|topic| topic.logs.get(whole.partition)).cloned();
        (log.unwrap_or_default(), state.hides_places.is_none())
    };
    let truth = Truth::new(whole, &log, once, are_known);
    let asked: Vec<SourceOffset> =
        (0..=whole.end + 2).map(|offset| SourceOffset { topic: whole.folder.clone(), partition: number, offset }).collect();
    let place = format!("{}/{number} in {}", whole.folder, whole.target);
    let answers = restore.translate_offsets(&asked).await.map_err(|error| format!("{place} is not translated: {error}"))?;
    let mut inexact = 0;
    for answer in answers {
        let from = answer.source.offset;
        truth
            .compare(from, &answer.place)
            .map_err(|problem| format!("{place}: offset {from} is translated to {:?}: {problem}", answer.place))?;
        inexact += usize::from(from <= whole.end && !matches!(answer.place, Place::Exact(_)));
    }
    Ok(inexact)
}

impl<'t> Truth<'t> {
    fn new(whole: &'t Whole, log: &Log, once: bool, are_known: bool) -> Self {
        let mut places: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for (at, entry) in log.entries.iter().enumerate() {
            if let Entry::Record(value) = entry {
                places.entry(*value).or_default().push(offset(at));
            }
        }
        let (mut first_needed, mut least) = (BTreeMap::new(), i64::MAX);
        for (from, value) in whole.records.iter().rev() {
            least = least.min(places.get(value).and_then(|places| places.last()).copied().unwrap_or(i64::MIN));
            first_needed.insert(*from, least);
        }
        Self { whole, places, first_needed, once, are_known }
    }

    fn compare(&self, from: i64, place: &Place) -> Result<(), String> {
        let Whole { records, end, is_cut, .. } = self.whole;
        match place {
            Place::Unknown(_) if from > *end && !is_cut => Ok(()),
            Place::Unknown(_) => Err("it was restored".to_owned()),
            _ if from > *end && !is_cut => Err("nothing of that was restored".to_owned()),
            // After a killed restore it is unknown whether more was committed, until there is more
            // to restore.
            Place::AtOrBefore { may_repeat, .. } if self.are_known && (*may_repeat > 0 || from < self.last_needed()) => {
                Err("every place is known".to_owned())
            }
            Place::Exact(at) => {
                let next = records.range(from..).next().map(|(_, value)| &self.places[value]);
                let behind = || records.last_key_value().map(|(_, value)| self.places[value].iter().map(|at| at + 1).collect::<Vec<_>>());
                match next.cloned().or_else(behind) {
                    Some(exact) if exact.contains(at) => self.skips_none(from, *at),
                    Some(exact) => Err(format!("it is at {exact:?}")),
                    None => Ok(()),
                }
            }
            Place::AtOrBefore { at, may_repeat } => {
                let comes_again = |value: &&u64| self.places[value].iter().any(|place| place >= at);
                let repeated = offset(records.range(..from).map(|(_, value)| value).filter(comes_again).count());
                if self.once && repeated > *may_repeat {
                    return Err(format!("{repeated} records are read again"));
                }
                self.skips_none(from, *at)
            }
        }
    }

    /// One past the last source offset with a record.
    fn last_needed(&self) -> i64 {
        self.whole.records.last_key_value().map_or(0, |(from, _)| from + 1)
    }

    /// Every record at or after the offset is at or after the place.
    fn skips_none(&self, from: i64, at: i64) -> Result<(), String> {
        match self.first_needed.range(from..).next() {
            Some((_, needed)) if *needed < at => Err(format!("the record at {needed} is skipped")),
            _ => Ok(()),
        }
    }
}
