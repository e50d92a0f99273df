//! Undoes the changes of `finish`, the last first: a value that is still ours becomes the one
//! before, and any other stays.

use std::collections::{BTreeMap, BTreeSet};

use archive::Result;
use archive::catalog::{Change, GroupPlace, Intents};
use config::FinishPart;
use kafka::{Acl, TopicPartition};
use kernel::in_full;

use super::answers::{committed_by, configs_of, of_each};
use super::report::{ConfigReport, FinishReport, GroupReport, OffsetReport, State};
use super::retention::DELETING;
use super::{Finish, FinishRequest, Known, acls, configs, groups};
use crate::Restore;
use crate::together::at_once;

/// What to undo for a group.
struct GroupUndo<'k> {
    name: &'k str,
    /// Its value before: `None` is nothing.
    back: BTreeMap<TopicPartition, Option<GroupPlace>>,
}

/// What to undo for a topic's configs.
struct ConfigUndo<'k> {
    topic: &'k str,
    back: BTreeMap<String, Change<String>>,
}

impl Finish {
    pub(super) async fn undo(&self, known: &Known, request: &FinishRequest, report: &mut FinishReport) -> Result<()> {
        let has = |part| request.parts.contains(&part);
        let groups = if has(FinishPart::Groups) { self.undo_of_groups(known, report).await? } else { Vec::new() };
        let configs = if has(FinishPart::Configs) { self.undo_of_configs(known, report).await? } else { Vec::new() };
        let acls = if has(FinishPart::Acls) { self.undo_of_acls(known, report).await? } else { Vec::new() };
        if known.before.is_empty() {
            report.notes.push("finish has changed nothing for this restore".to_owned());
        }
        if request.apply {
            let is_given = !known.before.given.is_empty() || groups.iter().any(|group| !group.back.is_empty());
            if is_given {
                self.forget_given(known, false).await?;
            }
            self.take_configs_back(&configs, |name| DELETING.contains(&name), report).await;
            self.take_acls_back(&acls, report).await;
            self.take_configs_back(&configs, |name| !DELETING.contains(&name), report).await;
            self.take_groups_back(&groups, report).await;
            // Everything that a concurrent finish has set is undone as well.
            let whole = request.parts.len() == FinishPart::ALL.len() && report.is_whole();
            if is_given || (whole && known.before.has_more_to_undo()) {
                self.forget_given(known, whole).await?;
            }
        }
        Ok(())
    }

    async fn forget_given(&self, known: &Known, whole: bool) -> Result<()> {
        let Restore { store, clock, .. } = &self.restore;
        Intents::forget_given(store.as_ref(), self.restore.id(), &known.noted.run, whole, clock.now()).await.map(drop)
    }

    async fn undo_of_groups<'k>(&self, known: &'k Known, report: &mut FinishReport) -> Result<Vec<GroupUndo<'k>>> {
        let names: Vec<String> = known.before.groups.keys().cloned().collect();
        let mut now = self.admin.group_offsets(&names).await?;
        let mut all = Vec::new();
        for (group, topics) in &known.before.groups {
            let (now, unknown) = committed_by(group, &mut now);
            let mut undo = GroupUndo { name: group, back: BTreeMap::new() };
            for (target, partitions) in topics.iter().filter(|(target, _)| !known.gone.contains_key(*target)) {
                let mut of = GroupReport { group: group.clone(), target: target.clone(), ..GroupReport::default() };
                for (partition, change) in partitions {
                    let at = TopicPartition::new(target, *partition);
                    let is = match now.get(&at) {
                        Some(Ok(now)) => Ok(Some(GroupPlace::from(now))),
                        Some(Err(error)) => Err(in_full(error)),
                        None => unknown.clone().map_or(Ok(None), Err),
                    };
                    let mut one = OffsetReport {
                        partition: *partition,
                        to: change.before.as_ref().map(|place| place.offset),
                        ..OffsetReport::default()
                    };
                    if let Ok(Some(is)) = &is {
                        one.from = is.offset;
                    }
                    match is {
                        Err(why) => (one.state, one.why) = (State::Left, Some(why)),
                        Ok(is) if is == change.before => one.state = State::AsItShouldBe,
                        Ok(is) if is == change.after => _ = undo.back.insert(at, change.before.clone()),
                        Ok(is) => {
                            let is = is.map_or_else(|| "nothing".to_owned(), |is| is.offset.to_string());
                            (one.state, one.why) =
                                (State::Left, Some(format!("it has continued since and has committed {is}, which is kept")));
                        }
                    }
                    of.offsets.push(one);
                }
                report.groups.push(of);
            }
            all.push(undo);
        }
        Ok(all)
    }

    async fn take_groups_back(&self, groups: &[GroupUndo<'_>], report: &mut FinishReport) {
        let take =
            groups.iter().filter(|group| !group.back.is_empty()).map(|group| async move { (group, self.take_group_back(group).await) });
        for (group, outcomes) in at_once(take.collect()).await {
            groups::note_outcomes(report, group.name, &outcomes);
        }
    }

    async fn take_group_back(&self, group: &GroupUndo<'_>) -> BTreeMap<TopicPartition, Result<(), String>> {
        let committed = |(at, place): (&TopicPartition, &Option<GroupPlace>)| Some((at.clone(), place.as_ref()?.to_committed()));
        let offsets: BTreeMap<_, _> = group.back.iter().filter_map(committed).collect();
        let nothing: Vec<TopicPartition> = group.back.iter().filter(|(_, place)| place.is_none()).map(|(at, _)| at.clone()).collect();
        let mut outcomes = BTreeMap::new();
        if !offsets.is_empty() {
            let done = self.admin.commit_group(group.name, &offsets).await;
            outcomes.extend(of_each(offsets.keys(), &done));
        }
        if !nothing.is_empty() {
            let done = self.admin.forget_offsets(group.name, &nothing).await;
            outcomes.extend(of_each(nothing.iter(), &done));
        }
        outcomes
    }

    async fn undo_of_configs<'k>(&self, known: &'k Known, report: &mut FinishReport) -> Result<Vec<ConfigUndo<'k>>> {
        let topics: Vec<String> = known.before.configs.keys().filter(|topic| !known.gone.contains_key(*topic)).cloned().collect();
        let mut now = self.admin.topic_configs(&topics).await?;
        let mut all = Vec::new();
        for (topic, changes) in known.before.configs.iter().filter(|(topic, _)| !known.gone.contains_key(*topic)) {
            let Some(has) = configs_of(topic, &mut now, report) else { continue };
            let mut undo = ConfigUndo { topic, back: BTreeMap::new() };
            for (name, change) in changes {
                let is = has.own.get(name);
                let mut one = ConfigReport {
                    topic: topic.clone(),
                    name: name.clone(),
                    from: is.cloned(),
                    to: change.before.clone(),
                    ..ConfigReport::default()
                };
                if is == change.before.as_ref() {
                    one.state = State::AsItShouldBe;
                } else if is == change.after.as_ref() {
                    undo.back.insert(name.clone(), Change::new(is.cloned(), change.before.clone()));
                } else {
                    let is = is.map_or("the brokers' value", String::as_str);
                    (one.state, one.why) = (State::Left, Some(format!("it was set to {is} since, which is kept")));
                }
                report.configs.push(one);
            }
            all.push(undo);
        }
        Ok(all)
    }

    async fn take_configs_back(&self, all: &[ConfigUndo<'_>], which: impl Fn(&str) -> bool, report: &mut FinishReport) {
        let some = |undo: &ConfigUndo<'_>| {
            undo.back.iter().filter(|(name, _)| which(name)).map(|(name, change)| (name.clone(), change.clone())).collect()
        };
        let all: Vec<(&str, BTreeMap<String, Change<String>>)> = all.iter().map(|undo| (undo.topic, some(undo))).collect();
        let take = all.into_iter().map(|(topic, changes)| async move {
            let back = changes.iter().map(|(name, change)| (name.clone(), change.after.clone())).collect();
            let refused = self.set(topic, back).await;
            (topic, changes, refused)
        });
        for (topic, changes, refused) in at_once(take.collect()).await {
            configs::note_outcomes(report, topic, &changes, &refused);
        }
    }

    async fn undo_of_acls(&self, known: &Known, report: &mut FinishReport) -> Result<Vec<Acl>> {
        report.acls.state = State::AsItShouldBe;
        if known.before.acls.is_empty() {
            return Ok(Vec::new());
        }
        let there: BTreeSet<Acl> = self.admin.acls(None).await?.into_iter().collect();
        let ours: Vec<Acl> = known.before.acls.intersection(&there).cloned().collect();
        report.acls.as_they_should_be = (known.before.acls.len() - ours.len()) as u64;
        report.acls.changed = ours.len() as u64;
        if !ours.is_empty() {
            report.acls.state = State::ToDo;
        }
        Ok(ours)
    }

    async fn take_acls_back(&self, ours: &[Acl], report: &mut FinishReport) {
        if !ours.is_empty() {
            acls::note_outcomes(report, ours, self.admin.delete_acls(ours).await, "deleted");
        }
    }
}
