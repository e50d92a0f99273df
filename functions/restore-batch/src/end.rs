//! The end of a restore with cuts: recorded once, so that all later invocations cost a few
//! requests.

use archive::catalog::{Done, Finished, FinishedTopic, RestoreIdentity, RestoredTopic};
use archive::{Error, Result};
use kernel::clock::Millis;

use crate::Restore;
use crate::identity::Bound;
use crate::report::{DonePartitions, RestoreReport, TopicReport};
use crate::together::try_at_once;
use crate::work::to_restore;

/// How many skipped items of a topic are stored.
const MOST_SKIPPED: usize = 50;

impl Restore {
    /// The report of a finished restore. `None`: something is left.
    ///
    /// # Errors
    /// An error of the bucket or of Kafka. A target topic that is another one now is in the report.
    pub(crate) async fn finished(&self, noted: &RestoreIdentity, started: Millis) -> Result<Option<RestoreReport>> {
        if !noted.is_cut() {
            return Ok(None);
        }
        let Some(finished) = Finished::load(self.store.as_ref(), self.id()).await? else { return Ok(None) };
        if finished.run != noted.run {
            return Err(Error::taken(format!("RESTORE_ID {:?}: another restore with this id is finished; choose a new one", self.id())));
        }
        let targets: Vec<String> = finished.topics.iter().map(|topic| topic.target.clone()).collect();
        let there = self.there(&targets, &targets.iter().map(String::as_str).collect()).await?;
        let mut report = RestoreReport::new(self, Some(noted));
        for topic in &finished.topics {
            let mut of = TopicReport::of_finished(topic);
            let now = there.get(&topic.target);
            if now.is_none_or(|now| topic.target_id.is_some() && now.id.is_some() && now.id != topic.target_id) {
                of.finish(Some(&Error::lost(format!(
                    "RESTORE_ID {:?} restored {:?} into topic {:?}, which was deleted since. Choose a new RESTORE_ID to restore all of it again",
                    self.id(),
                    topic.folder,
                    topic.target
                ))));
            }
            report.topics.push(of);
        }
        report.finish(started, self.clock.now());
        let all = finished.topics.iter().map(|topic| topic.partitions).sum();
        report.done = Some(DonePartitions { partitions_to_restore: all, partitions_done: all });
        report.finished_at = Some(finished.at);
        report.offsets_left = Some(0);
        Ok(Some(report))
    }

    /// Records that everything is restored, if it is: other shards may still be running.
    ///
    /// # Errors
    /// A target topic that is another one now; an error of the bucket or of Kafka.
    pub(crate) async fn finish(&self, noted: &RestoreIdentity, report: &mut RestoreReport) -> Result<()> {
        let done = Done::read(self.store.as_ref(), self.id(), &noted.run).await?;
        let all = noted.topics.iter().flat_map(|topic| to_restore(topic).map(|number| done.has(&topic.folder, number)));
        let (all, left) = all.fold((0, 0), |(all, left), is_done| (all + 1, left + u64::from(!is_done)));
        report.done = Some(DonePartitions { partitions_to_restore: all, partitions_done: all - left });
        if left > 0 {
            return Ok(());
        }
        // Topics that this invocation did not work on were checked when it began, and can be others
        // by now.
        let Bound { bound, there } = self.bound(noted).await?;
        let mut topics = Vec::new();
        for (topic, bound) in noted.topics.iter().zip(bound) {
            let now = there.get(&topic.target);
            self.check_bound(bound.as_ref(), now)?;
            let target_id = bound.map_or_else(|| now.and_then(|facts| facts.id.clone()), |bound| bound.topic_id);
            topics.push(FinishedTopic { target_id, ..self.summary(noted, topic).await? });
        }
        let finished = Finished { format_version: Finished::FORMAT, run: noted.run.clone(), topics, at: self.clock.now() };
        report.has_finished = finished.create(self.store.as_ref(), self.id()).await?;
        report.finished_at = Some(finished.at);
        report.offsets_left = Some(0);
        for (of, topic) in report.topics.iter_mut().zip(&finished.topics) {
            of.sum_up(topic);
        }
        Ok(())
    }

    /// What was restored of a topic, according to its checkpoints.
    async fn summary(&self, noted: &RestoreIdentity, topic: &RestoredTopic) -> Result<FinishedTopic> {
        let load = |number| self.checkpoint(self.id(), &noted.run, &topic.folder, number);
        let checkpoints = try_at_once(to_restore(topic).map(load).collect()).await?;
        let mut summary = FinishedTopic {
            folder: topic.folder.clone(),
            target: topic.target.clone(),
            target_id: None,
            partitions: checkpoints.len() as u64,
            records: 0,
            gap_offsets: 0,
            skipped: topic.accepted.clone(),
        };
        for checkpoint in checkpoints.into_iter().flatten() {
            summary.records += checkpoint.records;
            summary.gap_offsets += checkpoint.gaps.lost;
            summary.skipped.extend(checkpoint.skipped);
        }
        summary.skipped.truncate(MOST_SKIPPED);
        Ok(summary)
    }
}
