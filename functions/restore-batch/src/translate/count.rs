//! How many records of a span with holes are below an offset, according to its segments.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{AllSegments, RestoredTopic, SegmentEntry, Span, find_at, find_following};
use archive::segment::SegmentReader;
use archive::{Error, Result};
use host::Budget;

use crate::Restore;
use crate::source::Source;

/// With more spans than this, a partition is listed completely.
const FEW: usize = 8;

/// Segments that are listed if a span can be in several.
const PAGE: usize = 64;

/// A span, and the offsets in it whose number of lower records is requested.
type Asked = (Span, BTreeSet<i64>);

/// By offset: its span, and how many of the span's records are below.
type Counted = BTreeMap<i64, (Span, Option<i64>)>;

impl Restore {
    /// Counts, reading each segment once. `None` if the segments do not have exactly the records
    /// that were written: one of them is damaged or missing, or was, and was restored.
    pub(super) async fn count(&self, topic: &RestoredTopic, partition: i32, asked: Vec<Asked>) -> Result<Counted> {
        let source = self.source_with_cuts(topic, Vec::new()).await?;
        let mut totals = vec![0; asked.len()];
        // For each offset, the records between it and the previous one.
        let mut since: BTreeMap<i64, i64> = BTreeMap::new();
        for segment in self.segments_of(&source.folder_of(partition), partition, &asked).await? {
            let spans = asked.iter().map(|(span, _)| *span);
            let there = match self.offsets_in(&source, partition, &segment, spans).await {
                Err(Error::Segment(damage)) => {
                    tracing::warn!(partition, "{damage}; the offsets in it are not counted");
                    continue;
                }
                other => other?,
            };
            for offset in there {
                let index = asked.partition_point(|(span, _)| span.to <= offset);
                let Some((_, offsets)) = asked.get(index).filter(|(span, _)| span.from <= offset) else { continue };
                totals[index] += 1;
                if let Some(above) = offsets.range(offset + 1..).next() {
                    *since.entry(*above).or_default() += 1;
                }
            }
        }
        let mut counted = Counted::new();
        for ((span, offsets), total) in asked.into_iter().zip(totals) {
            let mut below = 0;
            for offset in offsets {
                below += since.get(&offset).copied().unwrap_or(0);
                counted.insert(offset, (span, (total == span.count).then_some(below)));
            }
        }
        Ok(counted)
    }

    /// The segments of these spans, in order.
    async fn segments_of(&self, folder: &str, partition: i32, asked: &[Asked]) -> Result<Vec<SegmentEntry>> {
        let store = self.store.as_ref();
        let mut found: BTreeMap<i64, SegmentEntry> = BTreeMap::new();
        if asked.len() > FEW {
            let all = AllSegments::of(store, folder, partition).await?.entries;
            found.extend(all.into_iter().map(|entry| (entry.start, entry)));
        } else {
            for (span, _) in asked {
                found.extend(find_at(store, folder, partition, span.from).await?.map(|entry| (entry.start, entry)));
                let mut from = span.from + 1;
                while from < span.to {
                    let following = find_following(store, folder, partition, from, PAGE).await?.entries;
                    let Some(last) = following.last() else { break };
                    from = last.start + 1;
                    found.extend(following.into_iter().map(|entry| (entry.start, entry)));
                }
            }
        }
        let found: Vec<SegmentEntry> = found.into_values().collect();
        let ends = found.iter().skip(1).map(|next| next.start).chain([i64::MAX]).collect::<Vec<_>>();
        let holds = |start: i64, end: i64| asked.iter().any(|(span, _)| span.from < end && start < span.to);
        Ok(found.into_iter().zip(ends).filter(|(entry, end)| holds(entry.start, *end)).map(|(entry, _)| entry).collect())
    }

    /// The offsets of a segment's records within these spans.
    async fn offsets_in(
        &self,
        source: &Source,
        partition: i32,
        entry: &SegmentEntry,
        spans: impl Iterator<Item = Span> + Clone,
    ) -> Result<Vec<i64>> {
        let options = self.read_options(&Budget::unlimited(self.settings.memory_limit));
        let mut reader = SegmentReader::open(self.store.clone(), &entry.name, options).await?;
        reader.belongs_to(&source.folder_of(partition), source.topic_id_of(partition), partition, entry.start)?;
        let (start, end) = (entry.start, reader.manifest().next);
        let here = spans.filter(|span| span.from < end && start < span.to);
        let Some(from) = here.clone().map(|span| span.from).min() else { return Ok(Vec::new()) };
        let to = here.map(|span| span.to).max().unwrap_or(end);
        if from > start {
            reader.seek(from);
        }
        let mut offsets = Vec::new();
        while let Some(group) = reader.next_group().await? {
            let mut records = group.records();
            while let Some(record) = records.next()? {
                if record.offset >= to {
                    return Ok(offsets);
                }
                offsets.push(record.offset);
            }
        }
        Ok(offsets)
    }
}
