//! Where the restore of each partition ends, if it has an end: at the end of its chain of segments,
//! or at its end in a snapshot.

use std::collections::BTreeMap;
use std::iter::repeat_with;

use archive::catalog::{PartitionSnapshot, TopicSnapshot, find_last, names};
use archive::segment::chain_ends;
use archive::{Error, Result};

use crate::Restore;
use crate::archives::Archive;
use crate::missing::{ALL, BEHIND, END};
use crate::scope::{Findings, Scope};
use crate::source::Source;
use crate::together::try_at_once;

/// By partition, the end of its chain; `None`: it has no segment.
pub(crate) type Ends = BTreeMap<i32, Option<i64>>;

impl Restore {
    /// Cuts these topics at the ends of their chains.
    pub(crate) async fn cut_at_ends(&self, scope: &mut Scope, sources: Vec<Source>) -> Result<()> {
        let ends = self.ends_of(&sources).await?;
        for (mut source, (ends, mut findings)) in sources.into_iter().zip(ends) {
            let mut cuts = BTreeMap::new();
            for partition in (0..source.partition_count()).filter(|number| self.is_chosen(*number)) {
                let end = ends.get(&partition).copied().flatten();
                self.find_loss(&mut findings, &source, partition, end);
                cuts.insert(partition, end.unwrap_or(0));
            }
            source.cuts = Some(cuts);
            scope.notes.extend(source.note_on_emptiness(&self.settings));
            scope.add(source, None, findings);
        }
        Ok(())
    }

    /// Whether BACKUP_PARTITIONS includes it.
    pub(crate) fn is_chosen(&self, partition: i32) -> bool {
        self.settings.partitions.as_ref().is_none_or(|chosen| chosen.contains(&partition))
    }

    /// Reports what was backed up of a partition and is missing. Returns whether there was any.
    fn find_loss(&self, findings: &mut Findings, source: &Source, partition: i32, end: Option<i64>) -> bool {
        let Some(what) = self.loss(source, partition, end) else { return false };
        let what = if end.is_none() { format!("{what}{}", source.compaction_advice()) } else { what };
        findings.add(self, what, if end.is_none() { ALL } else { END });
        true
    }

    fn loss(&self, source: &Source, partition: i32, end: Option<i64>) -> Option<String> {
        let missing = self.inventory_so_far()?.missing(&source.folder_of(partition), partition, end);
        missing.map(|missing| missing.what).or_else(|| source.what_is_lost(partition).filter(|_| end.is_none()))
    }

    /// The ends of the chains of all partitions with segments. Archives of the Python tool have no
    /// offsets at which they could be cut.
    pub(crate) async fn ends_of(&self, sources: &[Source]) -> Result<Vec<(Ends, Findings)>> {
        let asked: Vec<(usize, i32, String)> = sources
            .iter()
            .enumerate()
            .flat_map(|(index, source)| source.all_partitions.iter().map(move |number| (index, *number, source.folder_of(*number))))
            .filter(|(_, number, _)| self.is_chosen(*number))
            .collect();
        let found = chain_ends(&self.store, asked.iter().map(|(_, number, folder)| (folder.clone(), *number, 0)).collect()).await;
        // Only a restore with cuts cannot include them.
        let looked_for = asked.iter().filter(|_| self.has_cuts());
        let archives = looked_for.map(|(_, number, folder)| Archive::find_next(self.store.as_ref(), folder, *number, None));
        let archives = try_at_once(archives.collect()).await?;
        let mut ends: Vec<(Ends, Findings)> = sources.iter().map(|_| Default::default()).collect();
        for (((index, number, folder), found), archive) in
            asked.into_iter().zip(found).zip(archives.into_iter().chain(repeat_with(|| None)))
        {
            let (ends, findings) = &mut ends[index];
            if archive.is_some() {
                findings.problems.push(format!(
                    "{folder}/{number} has archives of the Python tool, which have no offsets at which they could be cut: \
                     restore {folder:?} separately, and exclude it here (RESTORE_EXCLUDE_TOPIC_NAMES)"
                ));
            }
            let end = match found {
                Err(Error::Segment(_)) if self.settings.skip_damaged => {
                    // A cut is permanent, so one bad read is not enough.
                    match chain_ends(&self.store, vec![(folder.clone(), number, 0)]).await.pop() {
                        // Reading the segment finds and reports the damage again.
                        Some(Err(Error::Segment(_))) | None => {
                            find_last(self.store.as_ref(), &folder, number, 0).await?.map(|last| last.start + 1)
                        }
                        Some(again) => again?,
                    }
                }
                Err(Error::Segment(damage)) => {
                    findings.problems.push(format!("{damage}. SKIP_DAMAGED=true skips it"));
                    None
                }
                other => other?,
            };
            ends.insert(number, end);
        }
        Ok(ends)
    }

    /// Where a partition is cut to be as in this snapshot.
    pub(crate) fn cut_as_of(&self, findings: &mut Findings, source: &Source, topic: &TopicSnapshot, number: i32, end: Option<i64>) -> i64 {
        let (of, chain) = (topic.partitions.get(&number), end.unwrap_or(0));
        let name = names::parse_topic_folder(&source.folder).map_or(source.folder.as_str(), |(topic, _)| topic);
        let Some((of, log)) = of.and_then(|of| Some((of, of.log?))) else {
            let why = of.and_then(|of| of.why.as_deref()).or(topic.why.as_deref()).unwrap_or("the snapshot does not contain it");
            findings.add(self, format!("the end of {name}/{number} is unknown: {why}"), BEHIND);
            return of.and_then(|of: &PartitionSnapshot| of.backed_up).unwrap_or(0).min(chain);
        };
        if of.diverged {
            let backed_up = of.backed_up.unwrap_or(0);
            let what = format!(
                "{name}/{number} had lost the end of its log: it ended at offset {}, and the backup had records up to \
                 {backed_up} of the older log",
                log.end
            );
            findings.add(self, what, BEHIND);
        } else if chain < log.end && log.log_start < log.end && !self.find_loss(findings, source, number, end) {
            // What was backed up exists, but was incomplete. An earlier snapshot may be complete.
            let what = format!(
                "{name}/{number} ended at offset {}, and its backup reaches {chain} (`list --snapshots` shows which \
                 snapshots are complete)",
                log.end
            );
            findings.add(self, what, BEHIND);
        }
        log.end.min(chain)
    }
}
