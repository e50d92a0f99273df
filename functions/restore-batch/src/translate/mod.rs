//! Where offsets of the source are in the target: a committed offset S is translated to the offset
//! of the first restored record at or after S.
//!
//! | file | content |
//! |---|---|
//! | `count.rs` | counts records of segments, if a span has holes |
//! | `asked.rs` | offsets to translate: `translate topic/partition:offset` |

mod asked;
mod count;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{Checkpoint, Done, FoundSpan, PartitionStrategy, RestoreIdentity, RestoredTopic, Span, Spans, names};
use archive::{Error, Result};
use kernel::{in_full, shell};

use crate::Restore;
use crate::together::try_at_once;
pub use asked::{SourceOffset, TranslatedOffset};

/// Where a reader that had committed a source offset has to continue in the target. It is never
/// past the first record that it had not processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here: no record is skipped, and none is repeated.
    Exact(i64),
    /// The exact position is unknown. Here no record is skipped, and some may be repeated.
    AtOrBefore {
        /// The last certain position at or before it.
        at: i64,
        /// At most this many records.
        may_repeat: i64,
    },
    /// No position is known, and why.
    Unknown(String),
}

/// What was restored of a partition.
struct Restored {
    spans: Spans,
    /// The source offset where it ends.
    to: i64,
    /// Whether no record follows, up to a cut or until more is backed up.
    is_over: bool,
    /// Whether the source has nothing after that.
    is_cut: bool,
    /// The target's end before the first restored record.
    before: i64,
}

/// Source offsets of a partition.
pub(crate) type Asked<'r> = (&'r RestoredTopic, i32, BTreeSet<i64>);

/// The position of each of them, or why none is known for the partition.
pub(crate) type Places = Result<BTreeMap<i64, Place>, String>;

impl Restore {
    /// Translates source offsets of any partitions; the results are in the order of the requests.
    ///
    /// # Errors
    /// Transient errors. All others concern a partition, and are its result.
    pub(crate) async fn translate(&self, noted: &RestoreIdentity, asked: &[Asked<'_>]) -> Result<Vec<Places>> {
        let topics: BTreeMap<&str, &RestoredTopic> = asked.iter().map(|(topic, ..)| (topic.folder.as_str(), *topic)).collect();
        let ends = topics.into_iter().map(|(folder, topic)| async move { Ok((folder, lasting(self.ends_before(noted, topic).await)?)) });
        let ends: BTreeMap<&str, Result<Vec<i64>, String>> = try_at_once(ends.collect()).await?.into_iter().collect();
        let translate = asked.iter().map(|(topic, partition, offsets)| {
            let ends = &ends[topic.folder.as_str()];
            async move {
                match ends {
                    Ok(ends) => lasting(self.translate_partition(noted, topic, ends, *partition, offsets).await),
                    Err(why) => Ok(Err(why.clone())),
                }
            }
        });
        try_at_once(translate.collect()).await
    }

    /// Translates source offsets of a partition of a target that had these `ends` before. Spans are
    /// read once, and a segment only if an offset is inside of a span with holes.
    ///
    /// # Errors
    /// All are refused: records were spread over other partitions, or skipped by time; they have no
    /// offsets (the Python tool's); nothing was restored, or only by another restore with the same
    /// id. An error of the bucket.
    async fn translate_partition(
        &self,
        noted: &RestoreIdentity,
        topic: &RestoredTopic,
        ends: &[i64],
        partition: i32,
        offsets: &BTreeSet<i64>,
    ) -> Result<BTreeMap<i64, Place>> {
        self.refuse_untranslatable(noted)?;
        let restored = match self.restored(noted, topic, ends, partition).await? {
            Ok(restored) => restored,
            Err(why) => return Ok(offsets.iter().map(|offset| (*offset, Place::Unknown(why.clone()))).collect()),
        };
        let mut places = BTreeMap::new();
        let mut inside: BTreeMap<i64, (Span, BTreeSet<i64>)> = BTreeMap::new();
        for offset in offsets {
            match restored.place(*offset) {
                Ok(place) => _ = places.insert(*offset, place),
                Err(span) => _ = inside.entry(span.from).or_insert_with(|| (span, BTreeSet::new())).1.insert(*offset),
            }
        }
        if inside.is_empty() {
            return Ok(places);
        }
        let counted = self.count(topic, partition, inside.values().cloned().collect()).await?;
        for (offset, (span, below)) in counted {
            places.insert(offset, restored.place_inside(offset, span, below));
        }
        Ok(places)
    }

    /// Refuses a restore of which no offset can be translated.
    pub(crate) fn refuse_untranslatable(&self, noted: &RestoreIdentity) -> Result<()> {
        let choice = &noted.choice;
        let why = match choice.strategy {
            PartitionStrategy::Same if choice.times.are_all() => return Ok(()),
            PartitionStrategy::Same => "it restored only a time range (RESTORE_FROM, RESTORE_UNTIL)".to_owned(),
            other => format!("its records were spread over the partitions (RESTORE_PARTITION_STRATEGY={})", other.name()),
        };
        let targets = noted.topics.iter().map(|topic| topic.target.as_str()).next().filter(|_| noted.topics.len() == 1);
        Err(Error::request(format!("offsets of restore {:?} cannot be translated: {why}. {}", self.id(), self.by_time(targets, None))))
    }

    /// The second best: a command that resets a group by time.
    fn by_time(&self, target: Option<&str>, partition: Option<i32>) -> String {
        let topic = target.and_then(shell::quote).unwrap_or("TOPIC".into());
        let partition = partition.map_or_else(String::new, |partition| format!(":{partition}"));
        let servers = shell::quote(&self.settings.kafka.bootstrap_servers).unwrap_or("SERVERS".into());
        format!(
            "Reset each group by time instead (docs/consumer-groups.md): kafka-consumer-groups.sh --bootstrap-server {servers} --group GROUP --topic \
             {topic}{partition} --reset-offsets --to-datetime TIME --execute"
        )
    }

    /// Where each partition of a target ended before the first restored record.
    async fn ends_before(&self, noted: &RestoreIdentity, topic: &RestoredTopic) -> Result<Vec<i64>> {
        let (folder, target) = (&topic.folder, &topic.target);
        if let Some((bound, _)) = self.binding(folder, noted).await? {
            return Ok(bound.ends);
        }
        if topic.cuts.is_none() {
            return Err(Error::request(format!(
                "nothing of {folder:?} was restored by {:?}, so none of its offsets can be translated",
                self.id()
            )));
        }
        // Nothing was ever written to it: all its records are still to be read.
        let Some(facts) = self.cluster.find(target).await? else { return Ok(Vec::new()) };
        Ok(self.cluster.extents(target, facts.partitions).await?.iter().map(|extent| extent.start).collect())
    }

    /// What was restored of a partition, or why that is unknown.
    async fn restored(
        &self,
        noted: &RestoreIdentity,
        topic: &RestoredTopic,
        ends: &[i64],
        partition: i32,
    ) -> Result<Result<Restored, String>> {
        let (store, id, folder) = (self.store.as_ref(), self.id(), &topic.folder);
        let place = format!("{folder}/{partition}");
        let cut = match &topic.cuts {
            None => None,
            Some(cuts) => match cuts.get(&partition) {
                None => return Ok(Err(format!("{place} is not part of restore {id:?}"))),
                some => some.copied(),
            },
        };
        let before = usize::try_from(partition).ok().and_then(|index| ends.get(index)).copied();
        let Some(before) = before else {
            return Ok(Err(format!("the target {:?} had no partition {partition} when restore {id:?} began", topic.target)));
        };
        let checkpoint = match Checkpoint::load(store, id, folder, partition).await? {
            Some((found, _)) if found.run == noted.run => found,
            Some(_) => {
                let location = store.location(&names::checkpoint(id, folder, partition));
                return Err(Error::taken(format!(
                    "{location} belongs to another restore with the same RESTORE_ID; choose a new RESTORE_ID"
                )));
            }
            None => Checkpoint::new(partition),
        };
        if checkpoint.progress.archives.is_some() {
            return Err(Error::request(format!(
                "{place} has records of the Python tool's archives, which kept no offsets: its offsets cannot be translated. {}",
                self.by_time(Some(&topic.target), Some(partition))
            )));
        }
        let spans = checkpoint.all_spans(store, id, folder).await?;
        let next = checkpoint.progress.next;
        let is_at_cut = cut.is_some_and(|cut| next >= cut);
        // The backup can end below its cut: the rest was lost, which was accepted, or was deleted
        // before the first backup.
        let is_cut = is_at_cut || (cut.is_some() && Done::is_marked(store, id, &noted.run, folder, partition).await?);
        let is_over = is_cut || (cut.is_none() && checkpoint.settled);
        let to = cut.filter(|_| is_at_cut).unwrap_or(next);
        Ok(Ok(Restored { spans, to, is_over, is_cut, before }))
    }
}

/// Permanent errors, as text.
///
/// # Errors
/// Transient errors.
fn lasting<T>(found: Result<T>) -> Result<Result<T, String>> {
    match found {
        Err(error) if error.is_retryable() => Err(error),
        other => Ok(other.map_err(|error| in_full(&error))),
    }
}

impl Restored {
    /// The position of an offset; for a span with holes, the span.
    fn place(&self, offset: i64) -> Result<Place, Span> {
        if offset > self.to && !self.is_cut {
            return Ok(self.not_yet(offset));
        }
        let or_before = |after: Option<i64>, may_repeat| Place::AtOrBefore { at: after.unwrap_or(self.before), may_repeat };
        Ok(match self.spans.find(offset, self.to) {
            FoundSpan::Exact(at) => Place::Exact(at),
            FoundSpan::Inside(span) => return Err(span),
            FoundSpan::Unknown { after, may_repeat } => or_before(after, may_repeat),
            // Not the end of the target's log: others may have written to it since.
            FoundSpan::End { after, may_repeat: 0 } if self.is_over => Place::Exact(after.unwrap_or(self.before)),
            // What a killed invocation has committed follows it.
            FoundSpan::End { after, may_repeat } => or_before(after, may_repeat),
        })
    }

    /// Inside of a span with holes that has `below` records below the offset; `None`: the segments
    /// do not have what was written.
    fn place_inside(&self, offset: i64, span: Span, below: Option<i64>) -> Place {
        match below {
            Some(below) if below < span.count => Place::Exact(span.target + below),
            // After its last record.
            Some(_) => self.place(span.to).unwrap_or_else(|next| Place::Exact(next.target)),
            None => Place::AtOrBefore { at: span.target, may_repeat: span.count.min(offset - span.from) },
        }
    }

    fn not_yet(&self, offset: i64) -> Place {
        Place::Unknown(format!("offset {offset} is not restored yet: the restore is at offset {}", self.to))
    }
}
