//! What must be true of the targets of a restore, and of its objects in the bucket.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{Claim, Finished, Generation, RestoreIdentity, RestoredTopic, names};
use kafka::TopicId;
use restore_batch::RestoreReport;
use store::ObjectStore;

use super::recovery::{Asked, PATIENCE, Recovery, below, shard};
use crate::target;
use crate::translation::{self, Whole};
use crate::world::{Entry, offset};

/// How a restore ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// Everything is restored.
    Finished,
    /// It stopped: the error by target. An empty name is the whole restore.
    Refused(BTreeMap<String, String>),
}

impl Recovery {
    /// Quiet invocations, of everything and of shards, until a restore is finished or refused.
    /// After that nothing is written.
    pub(super) async fn finish(&mut self, asked: &Asked) -> Result<End, String> {
        let events = [host::Event::default(), shard(0), shard(1)];
        for number in 0..PATIENCE {
            let (quiet, event) = (self.quiet(), events[number % 3].clone());
            let (before, is_of_all) = (self.digest(), event.shard.is_none());
            let report = match self.invoke(quiet, asked, event).await {
                Some(Ok(report)) => report,
                Some(Err(error)) if error.is_retryable() => continue,
                Some(Err(error)) => return Ok(End::Refused(BTreeMap::from([(String::new(), error.to_string())]))),
                None => return Err("a quiet restore was killed".to_owned()),
            };
            if report.finished_at.is_some() {
                return self.stays_finished(asked, &report).await;
            }
            let refused = refusals(&report);
            if is_of_all && !refused.is_empty() && self.digest() == before {
                return Ok(End::Refused(refused));
            }
        }
        Err(format!("the restore {} never ends", asked.id))
    }

    async fn stays_finished(&mut self, asked: &Asked, first: &RestoreReport) -> Result<End, String> {
        let before = self.digest();
        let mut end = End::Finished;
        for event in [host::Event::default(), shard(0), shard(1)] {
            let quiet = self.quiet();
            let report = self.invoke(quiet, asked, event).await.ok_or("a quiet restore was killed")?.map_err(|error| error.to_string())?;
            let refused = refusals(&report);
            if report.finished_at.is_none() || report.records > 0 || report.succeeded != refused.is_empty() {
                return Err(format!("{} was finished, and is not: {report:?}", asked.id));
            }
            if first.finished_at != report.finished_at && !first.has_finished {
                return Err(format!("{} was finished at two times: {:?}, {:?}", asked.id, first.finished_at, report.finished_at));
            }
            // Nothing changed in between.
            if first.succeeded && !refused.is_empty() {
                return Err(format!("{} was called complete when it ended, and is not: {refused:?}", asked.id));
            }
            if !refused.is_empty() {
                end = End::Refused(refused);
            }
        }
        if self.digest() == before { Ok(end) } else { Err(format!("{} was finished, and something was written after that", asked.id)) }
    }

    pub(super) async fn noted(&self, id: &str) -> Result<Option<RestoreIdentity>, String> {
        RestoreIdentity::load(self.bucket.as_ref(), id).await.map_err(|error| error.to_string())
    }

    /// Judges restores into the same topics. `spoilt` targets are not checked: they were deleted
    /// during an invocation. What it wrote before it noticed may be in the new topic of that name.
    pub(super) async fn judge(&self, ends: &[(Asked, End)], spoilt: &BTreeSet<String>) -> Result<(), String> {
        if let Some(problem) = self.world.lock().wrong.first() {
            return Err(problem.clone());
        }
        let mut targets: BTreeMap<String, Vec<(&str, RestoredTopic)>> = BTreeMap::new();
        for (asked, end) in ends {
            let Some(noted) = self.noted(&asked.id).await? else {
                if matches!(end, End::Finished) {
                    return Err(format!("{} is finished, and no restore.json is there", asked.id));
                }
                continue;
            };
            for topic in &noted.topics {
                targets.entry(topic.target.clone()).or_default().push((asked.id.as_str(), topic.clone()));
            }
            self.judge_end(asked, end, &noted, spoilt).await?;
        }
        for (target, restores) in targets.into_iter().filter(|(target, _)| !spoilt.contains(target)) {
            self.judge_target(&target, &restores).await?;
        }
        for (asked, end) in ends.iter().filter(|(_, end)| matches!(end, End::Finished)) {
            self.judge_translations(asked, spoilt).await.map_err(|problem| format!("{} ({end:?}): {problem}", asked.id))?;
        }
        Ok(())
    }

    /// Asserts that offsets of every partition are translated to the right offsets.
    async fn judge_translations(&self, asked: &Asked, spoilt: &BTreeSet<String>) -> Result<(), String> {
        let noted = self.noted(&asked.id).await?.ok_or("no restore.json")?;
        let restore = self.restore_with(self.quiet(), asked, 1, None);
        for topic in noted.topics.iter().filter(|topic| !spoilt.contains(&topic.target)) {
            if self.owner(&topic.target).await.as_deref() != Some(&asked.id) {
                continue;
            }
            let incarnation = self.incarnations().remove(&self.topic_id(&topic.folder).await?).ok_or("a generation of no topic")?;
            for (partition, cut) in topic.cuts.iter().flatten().filter(|(_, cut)| **cut > 0) {
                let partition = usize::try_from(*partition).map_err(|error| error.to_string())?;
                let entries = incarnation.logs[partition].entries.iter().enumerate();
                let records = entries.filter_map(|(at, entry)| match entry {
                    Entry::Record(value) if offset(at) < *cut => Some((offset(at), *value)),
                    _ => None,
                });
                let (folder, target, records) = (topic.folder.clone(), topic.target.clone(), records.collect());
                let whole = Whole { folder, target, partition, records, end: *cut, is_cut: true };
                translation::check(&restore, &self.world, &whole, true).await?;
            }
        }
        Ok(())
    }

    async fn judge_target(&self, target: &str, restores: &[(&str, RestoredTopic)]) -> Result<(), String> {
        let there = self.records(target);
        let owner = self.owner(target).await;
        let owned = restores.iter().find(|(id, _)| owner.as_deref() == Some(id));
        let Some((id, topic)) = owned else {
            return match there.values().all(Vec::is_empty) {
                true => Ok(()),
                false => Err(format!("{target} is of no restore ({owner:?}), and holds {there:?}")),
            };
        };
        let expected = self.expected(topic).await?;
        for (partition, there) in &there {
            let expected = expected.get(partition).cloned().unwrap_or_default();
            if *there != expected {
                return Err(format!("{id}: {target}/{partition} holds {there:?}, not {expected:?} up to {:?}", topic.cuts));
            }
        }
        let lacking = expected.iter().find(|(partition, values)| !values.is_empty() && !there.contains_key(partition));
        lacking.map_or(Ok(()), |lacking| Err(format!("{id}: {target} does not have {lacking:?}")))
    }

    /// The expected content of a target: the records of the source up to the cuts.
    pub(super) async fn expected(&self, topic: &RestoredTopic) -> Result<BTreeMap<usize, Vec<u64>>, String> {
        let incarnation = self.incarnations().remove(&self.topic_id(&topic.folder).await?).ok_or("a generation of no topic")?;
        let cuts = topic.cuts.as_ref().ok_or("a topic without cuts")?;
        let logs = incarnation.logs.iter().enumerate();
        Ok(logs.map(|(partition, log)| (partition, below(log, cuts.get(&number(partition)).copied().unwrap_or(0)))).collect())
    }

    /// The id of the topic of a folder.
    pub(super) async fn topic_id(&self, folder: &str) -> Result<TopicId, String> {
        let object = self.bucket.get(&names::topic_json(folder)).await.map_err(|error| error.to_string())?;
        let generation: Generation = serde_json::from_slice(&object.body).map_err(|error| error.to_string())?;
        generation.topic_id.ok_or_else(|| "a generation without a topic id".to_owned())
    }

    /// The restore that has claimed the topic of this name.
    pub(super) async fn owner(&self, target: &str) -> Option<String> {
        let id = self.world.lock().topics.get(target)?.id.clone();
        let object = self.bucket.get(&names::claim(Some(target::CLUSTER), Some(&id), target)).await.ok()?;
        serde_json::from_slice(&object.body).ok().map(|claim: Claim| claim.restore_id)
    }

    /// Asserts that the recorded end of a restore is true.
    async fn judge_end(&self, asked: &Asked, end: &End, noted: &RestoreIdentity, spoilt: &BTreeSet<String>) -> Result<(), String> {
        let finished = Finished::load(self.bucket.as_ref(), &asked.id).await.map_err(|error| error.to_string())?;
        let refused = match end {
            End::Refused(refused) => refused.clone(),
            End::Finished => BTreeMap::new(),
        };
        let Some(finished) = finished else {
            return if refused.is_empty() { Err(format!("{} is finished, and that is not noted", asked.id)) } else { Ok(()) };
        };
        if finished.run != noted.run || finished.topics.len() != noted.topics.len() {
            return Err(format!("{}: {finished:?} is not of {noted:?}", asked.id));
        }
        for topic in finished.topics.iter().filter(|topic| !spoilt.contains(&topic.target) && !refused.contains_key(&topic.target)) {
            let there = self.records(&topic.target);
            let id = self.world.lock().topics.get(&topic.target).map(|topic| topic.id.clone());
            let owner = self.owner(&topic.target).await;
            let records: usize = there.values().map(Vec::len).sum();
            let is_owner = owner.as_deref() == Some(&asked.id);
            // It was empty when this restore began, so the topic belongs to the restore that has
            // records for it.
            if topic.partitions == 0 && topic.records == 0 && owner.is_some() && !is_owner {
                continue;
            }
            if topic.target_id != id || topic.records != records as u64 || (topic.records > 0 && !is_owner) {
                return Err(format!("{} is finished with {topic:?}, and {records} records are in {id:?} of {owner:?}", asked.id));
            }
        }
        Ok(())
    }
}

pub(super) fn number(partition: usize) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// Permanent errors, by target.
pub(super) fn refusals(report: &RestoreReport) -> BTreeMap<String, String> {
    let mut refused = BTreeMap::new();
    for topic in &report.topics {
        let of_topic = topic.error.iter().filter(|_| topic.retryable != Some(true));
        let of_partitions = topic.partitions.iter().filter(|one| one.retryable != Some(true)).filter_map(|one| one.error.as_ref());
        if let Some(error) = of_topic.chain(of_partitions).next() {
            refused.insert(topic.target.clone(), error.clone());
        }
    }
    refused
}
