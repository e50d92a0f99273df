//! What must be true after `finish`, and after its undo.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{Generation, Intents, RestoreIdentity, RestoredTopic, Snapshot, names};
use kafka::{Acl, CommittedOffset, TopicPartition};
use restore_batch::{FinishReport, OffsetReport, State};
use store::ObjectStore;

use super::applications::{Applications, Content, Place};
use super::recovery::Recovery;
use crate::world::{Entry, Log, offset};

/// What a group must read next on a partition.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The first record that it had not committed. `None`: the first record that is written after
    /// the restored ones.
    next: Option<u64>,
    metadata: String,
    /// The records before it.
    processed: BTreeSet<u64>,
    /// All restored records.
    restored: BTreeSet<u64>,
}

/// What applications must find.
#[derive(Debug, Default)]
pub(super) struct Goal {
    pub(super) offsets: BTreeMap<Place, Wanted>,
    /// The expected configs of each target, if they are known.
    configs: BTreeMap<String, BTreeMap<String, String>>,
    /// Entries that `finish` adds.
    acls: BTreeSet<Acl>,
    /// The number of offsets of another log than the restored one.
    pub(super) refused: usize,
    /// The number of offsets of groups that were active.
    pub(super) moving: usize,
    /// The snapshot is incomplete.
    is_partial: bool,
}

impl Goal {
    /// The number of offsets after the last record.
    pub(super) fn at_the_end(&self) -> usize {
        self.offsets.values().filter(|wanted| wanted.next.is_none()).count()
    }
}

impl Applications {
    /// The goal by the snapshot, and the truth about the records.
    pub(super) async fn goal(&self) -> Result<Goal, String> {
        let noted = self.recovery.noted(&self.asked.id).await?.ok_or("no restore.json")?;
        let (mut goal, snapshot) = (Goal::default(), self.snapshot(&noted).await?);
        goal.is_partial = snapshot.groups.why().is_some() || snapshot.acls.why().is_some();
        for topic in noted.topics.iter().filter(|topic| !self.gone.contains(&topic.target)) {
            let (name, generation) = (source_of(topic), self.generation(&topic.folder).await?);
            let then = topic.then.as_ref().and_then(|then| then.configs.clone());
            goal.configs.insert(topic.target.clone(), then.unwrap_or_else(|| generation.configs.clone()));
            self.want_offsets_of(topic, &generation, &snapshot, &mut goal)?;
            let of_topic = snapshot.acls.known().into_iter().flatten().filter(|acl| acl.resource == "TOPIC" && acl.name == name);
            goal.acls.extend(of_topic.map(|acl| Acl { name: topic.target.clone(), ..acl.clone() }));
        }
        goal.acls.extend(snapshot.acls.known().into_iter().flatten().filter(|acl| acl.resource == "GROUP").cloned());
        Ok(goal)
    }

    fn want_offsets_of(&self, topic: &RestoredTopic, generation: &Generation, snapshot: &Snapshot, goal: &mut Goal) -> Result<(), String> {
        let (name, id) = (source_of(topic), generation.topic_id.as_ref().ok_or("a generation without a topic id")?);
        let logs = self.recovery.incarnations().remove(id).ok_or("a generation of no topic")?.logs;
        let then = snapshot.topics.get(name).and_then(|then| then.id.as_ref());
        let (is_same, is_other) = (then == Some(id), then.is_some_and(|then| then != id));
        for (group, of) in snapshot.groups.known().into_iter().flatten() {
            goal.is_partial |= of.why.is_some();
            for (partition, then) in of.offsets.get(name).into_iter().flatten() {
                // Also of a partition that only the other log has.
                if is_other {
                    goal.refused += 1;
                    continue;
                }
                let Some(cut) = topic.cuts.as_ref().and_then(|cuts| cuts.get(partition)) else { continue };
                if then.foreign || !is_same {
                    goal.refused += 1;
                    continue;
                }
                goal.moving += usize::from(then.moved || then.pending);
                let restored =
                    logs.get(usize::try_from(*partition).unwrap_or(usize::MAX)).map_or_else(BTreeMap::new, |log| up_to(log, *cut));
                let wanted = Wanted {
                    next: restored.range(then.offset..).next().map(|(_, value)| *value),
                    metadata: then.metadata.clone(),
                    processed: restored.range(..then.offset).map(|(_, value)| *value).collect(),
                    restored: restored.into_values().collect(),
                };
                goal.offsets.insert((group.clone(), TopicPartition::new(&topic.target, *partition)), wanted);
            }
        }
        Ok(())
    }

    /// The snapshot that was restored, otherwise the one that the first `finish` took, otherwise
    /// the newest.
    async fn snapshot(&self, noted: &RestoreIdentity) -> Result<Snapshot, String> {
        let store = self.recovery.bucket.as_ref();
        let taken = Intents::load(store, &self.asked.id, &noted.run).await.map_err(|error| error.to_string())?;
        let taken = taken.and_then(|intents| intents.snapshots.first().cloned());
        let objects = self.recovery.bucket.snapshot();
        let newest = objects.keys().rfind(|name| names::parse_snapshot(name).is_some()).cloned();
        let name = noted.snapshots.first().cloned().or(taken).or(newest).ok_or("no snapshot")?;
        Snapshot::read(store, &name).await.map_err(|error| error.to_string())
    }

    async fn generation(&self, folder: &str) -> Result<Generation, String> {
        let object = self.recovery.bucket.get(&names::topic_json(folder)).await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&object.body).map_err(|error| error.to_string())
    }

    fn target_log(&self, at: &TopicPartition) -> Log {
        self.recovery.world.lock().log(at).cloned().unwrap_or_default()
    }

    /// Whether a group that resumes there reads everything that it had not read. Returns the number
    /// of records that it reads again.
    fn compare(&self, at: &TopicPartition, from: i64, wanted: &Wanted) -> Result<usize, String> {
        let log = self.target_log(at);
        if from > log.end() {
            return Err(format!("it is above the end of the log, which is {}", log.end()));
        }
        let Wanted { next, processed, restored, .. } = wanted;
        // Records that are not restored were written after all restored ones.
        if let Some(skipped) = up_to(&log, from).values().find(|value| !processed.contains(value)) {
            return Err(format!("the record {skipped} is skipped"));
        }
        let following = up_to(&log, log.end()).split_off(&from);
        let first = following.values().next();
        let is_right = match next {
            Some(next) => first == Some(next),
            None => first.is_none_or(|first| !restored.contains(first)),
        };
        let again = following.values().filter(|value| processed.contains(value)).count();
        match is_right == (again == 0) {
            true => Ok(again),
            false => Err(format!("the next record is {first:?}, and not {next:?}")),
        }
    }

    /// Whether every value is the previous one, the one of `finish`, or one that a consumer or
    /// someone else has set.
    pub(super) fn judge_values(&self, goal: &Goal) -> Result<(), String> {
        let now = self.content();
        for (place, offset) in &now.offsets {
            if self.before.offsets.get(place) == Some(offset) || self.own.get(place) == Some(offset) {
                continue;
            }
            let wanted = goal.offsets.get(place).ok_or_else(|| format!("{place:?} has {offset:?}, which no one has committed"))?;
            self.judge_offset(place, offset, wanted)?;
        }
        for (place, own) in &self.own {
            if now.offsets.get(place) != Some(own) && self.stays() {
                return Err(format!("{place:?}: a consumer has committed {own:?}, and now it is {:?}", now.offsets.get(place)));
            }
        }
        for (topic, configs) in &now.configs {
            let known: Vec<_> = [self.before.configs.get(topic), goal.configs.get(topic)].into_iter().flatten().collect();
            for (name, value) in configs {
                let is_set = self.set.get(&(topic.clone(), name.clone())) == Some(value);
                if !is_set && known.iter().all(|known| known.get(name) != Some(value)) {
                    return Err(format!("{name} of {topic} is {value}, which no one has set"));
                }
            }
        }
        for ((topic, name), value) in &self.set {
            if now.configs.get(topic).is_some_and(|configs| configs.get(name) != Some(value)) {
                return Err(format!("{name} of {topic}: someone has set {value}, and it is {:?}", now.configs[topic].get(name)));
            }
        }
        let strange = now.acls.iter().find(|acl| !self.before.acls.contains(acl) && !goal.acls.contains(acl));
        let gone = self.before.acls.difference(&now.acls).next();
        strange.or(gone).map_or(Ok(()), |acl| Err(format!("{acl:?} came or went")))
    }

    fn judge_offset(&self, place: &Place, offset: &CommittedOffset, wanted: &Wanted) -> Result<usize, String> {
        let again = self.compare(&place.1, offset.next, wanted).map_err(|problem| format!("{place:?} resumes at {offset:?}: {problem}"))?;
        if again > 0 && self.recovery.world.lock().hides_places.is_none() {
            return Err(format!("{place:?} resumes at {offset:?}, and {again} records are read again"));
        }
        if offset.metadata != wanted.metadata {
            return Err(format!("{place:?} has {offset:?}, without {:?}", wanted.metadata));
        }
        Ok(again)
    }

    /// Whether `finish` keeps the groups' own commits.
    fn stays(&self) -> bool {
        !self.asked.anyway.iter().any(|what| what == "group-offsets")
    }

    /// Asserts the final state. Returns the number of offsets that are not exact.
    pub(super) async fn judge_done(&self, goal: &Goal, report: &FinishReport) -> Result<usize, String> {
        self.judge_values(goal)?;
        let (now, mut inexact) = (self.content(), 0);
        let given = self.given().await?;
        for (place, wanted) in &goal.offsets {
            let of = told_of(report, place).ok_or_else(|| format!("{place:?} is not in the report"))?;
            let is_own = self.stays() && (self.own.contains_key(place) || self.before.offsets.contains_key(place));
            let is_done = matches!(of.state, State::Done | State::AsItShouldBe);
            if is_own {
                let is_new = self.began.contains(place) && !self.is_mixed;
                if is_done && (is_new || !given.contains(&place.0)) {
                    return Err(format!("{place:?} is a consumer's own, and that is not said: {of:?}"));
                }
                continue;
            }
            let committed = now.offsets.get(place).ok_or_else(|| format!("{place:?} was committed, and is not: {of:?}"))?;
            let again = self.judge_offset(place, committed, wanted)?;
            if !is_done || offset(again) > of.may_repeat {
                return Err(format!("{place:?} has {committed:?}, {again} records are read again, and the report has: {of:?}"));
            }
            inexact += usize::from(of.may_repeat > 0);
        }
        for (topic, configs) in &now.configs {
            let Some(wanted) = goal.configs.get(topic) else { continue };
            let mut wanted = wanted.clone();
            let set = self.set.iter().filter(|((of, _), _)| of == topic);
            wanted.extend(set.map(|((_, name), value)| (name.clone(), value.clone())));
            if *configs != wanted {
                return Err(format!("{topic} has {configs:?}, and not {wanted:?}"));
            }
        }
        let wanted: BTreeSet<Acl> = self.before.acls.union(&goal.acls).cloned().collect();
        if now.acls != wanted {
            return Err(format!("{:?} are not {wanted:?}", now.acls));
        }
        let is_disturbed = !self.own.is_empty() || !self.before.offsets.is_empty() || !self.set.is_empty() || !self.gone.is_empty();
        if !report.succeeded && !is_disturbed && goal.refused == 0 && !goal.is_partial {
            return Err(format!("something is left: {:?}", report.left));
        }
        if report.succeeded && (goal.refused > 0 || !self.gone.is_empty()) {
            return Err("nothing is left, and not everything was done".to_owned());
        }
        Ok(inexact)
    }

    /// A repetition changes nothing.
    pub(super) async fn judge_repeated(&self, undo: bool) -> Result<(), String> {
        let (before, objects) = (self.content(), self.recovery.bucket.snapshot());
        let report = self.run_quietly(undo).await?;
        let is_done = |of: &OffsetReport| matches!(of.state, State::Done | State::ToDo);
        let busy = report.groups.iter().flat_map(|group| &group.offsets).any(is_done)
            || report.configs.iter().any(|config| matches!(config.state, State::Done | State::ToDo));
        match !busy && before == self.content() && objects == self.recovery.bucket.snapshot() {
            true => Ok(()),
            false => Err(format!("all was done, and once more it is not: {report:?}")),
        }
    }

    /// Everything is as it was.
    pub(super) fn judge_undone(&self) -> Result<(), String> {
        let mut before = self.before.clone();
        before.offsets.extend(self.own.clone());
        for ((topic, name), value) in &self.set {
            if let Some(configs) = before.configs.get_mut(topic) {
                configs.insert(name.clone(), value.clone());
            }
        }
        let now = self.content();
        if now == before { Ok(()) } else { Err(format!("it was {}", difference(&before, &now))) }
    }

    /// Groups that have continued from the offsets that they were given.
    async fn given(&self) -> Result<BTreeSet<String>, String> {
        let noted = self.recovery.noted(&self.asked.id).await?.ok_or("no restore.json")?;
        let found = Intents::load(self.recovery.bucket.as_ref(), &self.asked.id, &noted.run).await.map_err(|error| error.to_string())?;
        Ok(found.map(|intents| intents.given).unwrap_or_default())
    }
}

fn difference(before: &Content, now: &Content) -> String {
    let of = |one: &Content, other: &Content| {
        let offsets: Vec<_> = one.offsets.iter().filter(|(place, offset)| other.offsets.get(place) != Some(offset)).collect();
        let configs: Vec<_> = one.configs.iter().filter(|(topic, configs)| other.configs.get(*topic) != Some(configs)).collect();
        format!("{offsets:?} {configs:?} {:?}", one.acls.difference(&other.acls).collect::<Vec<_>>())
    };
    format!("{}, and is {}", of(before, now), of(now, before))
}

fn told_of<'r>(report: &'r FinishReport, (group, at): &Place) -> Option<&'r OffsetReport> {
    let mut of = report.groups.iter().filter(|of| of.group == *group && of.target == at.topic).flat_map(|of| &of.offsets);
    of.find(|of| of.partition == at.partition)
}

/// The name of the source topic.
fn source_of(topic: &RestoredTopic) -> &str {
    names::parse_topic_folder(&topic.folder).map_or(&topic.folder, |(name, _)| name)
}

/// The records of a log below `end`, by offset.
fn up_to(log: &Log, end: i64) -> BTreeMap<i64, u64> {
    let entries = log.entries.iter().enumerate().map(|(at, entry)| (offset(at), entry)).take_while(|(at, _)| *at < end);
    entries.filter_map(|(at, entry)| if let Entry::Record(value) = entry { Some((at, *value)) } else { None }).collect()
}

/// Where a log ends.
pub(super) fn end_of(recovery: &Recovery, at: &TopicPartition) -> i64 {
    recovery.world.lock().log(at).map_or(0, |log| log.end())
}
