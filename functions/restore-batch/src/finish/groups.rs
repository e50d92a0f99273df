//! Consumer groups: each at exactly the next record that it has to read.

use std::collections::{BTreeMap, BTreeSet};

use archive::Result;
use archive::catalog::{Change, GroupPlace, GroupSnapshot, Moment, OffsetSnapshot, RestoredTopic, Snapshot, Snapshots, names};
use kafka::{GroupOffset, GroupOffsets, TopicId, TopicPartition};
use kernel::in_full;

use super::answers::{committed_by, of_each};
use super::report::{FinishReport, GroupReport, OffsetReport, State};
use super::{Finish, Known};
use crate::Restore;
use crate::together::{at_once, try_at_once};
use crate::translate::{Asked, Place, Places};

/// States of groups without members, as Kafka's tools write them.
const WITHOUT_MEMBERS: [&str; 3] = ["Empty", "Dead", "Unknown"];

/// A group that gets offsets.
#[derive(Debug)]
pub(super) struct GroupPlan {
    name: String,
    /// The values to write, and the current ones.
    to_do: BTreeMap<TopicPartition, Change<GroupPlace>>,
}

/// An offset of a group, to be translated.
#[derive(Debug)]
struct Wanted<'k> {
    topic: &'k RestoredTopic,
    then: OffsetSnapshot,
}

/// Those of a group, by topic and partition of the target.
type WantedOf<'k> = BTreeMap<(&'k str, i32), Wanted<'k>>;

/// Those of all groups.
type AllWanted<'k> = BTreeMap<&'k str, WantedOf<'k>>;

/// Where offsets of a partition went, and the end of what was restored.
#[derive(Debug)]
struct Restored {
    places: Places,
    end: Option<i64>,
}

/// A group in the target cluster.
struct Now<'n> {
    committed: &'n GroupOffsets,
    /// Why nothing can be committed for it.
    blocked: Option<&'n str>,
    /// Whether an earlier run has set all of its offsets.
    was_given: bool,
}

pub(super) fn intents(groups: &[GroupPlan]) -> BTreeMap<String, BTreeMap<String, BTreeMap<i32, Change<GroupPlace>>>> {
    let mut intents: BTreeMap<_, BTreeMap<_, BTreeMap<_, _>>> = BTreeMap::new();
    for group in groups {
        for (partition, change) in &group.to_do {
            let topics = intents.entry(group.name.clone()).or_default();
            topics.entry(partition.topic.clone()).or_default().insert(partition.partition, change.clone());
        }
    }
    intents
}

impl Finish {
    /// The snapshots with the commits of groups: those of the restore, or those that an earlier run
    /// used; otherwise the newest.
    pub(super) async fn snapshots(&self, known: &Known, report: &mut FinishReport) -> Result<Vec<(String, Snapshot)>> {
        let (store, settings) = (self.restore.store.as_ref(), &self.restore.settings);
        let mut chosen = known.noted.snapshots.clone();
        if chosen.is_empty() {
            chosen.clone_from(&known.before.snapshots);
        }
        if chosen.is_empty() {
            for series in Snapshots::of(store).series().await? {
                if settings.backup_cluster.as_deref().is_none_or(|cluster| names::is_series_of(&series, cluster)) {
                    let newest = Moment::newest(store, &series, None, self.restore.clock.now()).await?;
                    chosen.extend(newest.map(|(entry, _)| entry.name));
                }
            }
            if !chosen.is_empty() {
                report.notes.push("this restore is not as of a snapshot: the offsets of groups are those in the newest one".to_owned());
            }
        }
        if chosen.is_empty() {
            report.leave(format!(
                "there is no snapshot of the cluster at {}: the offsets of groups, and the access control lists, are \
                 unknown. A backup stores one every SNAPSHOT_SECONDS",
                store.location(names::SNAPSHOTS)
            ));
        }
        let read = |name: String| async move { Snapshot::read(store, &name).await.map(|snapshot| (name, snapshot)) };
        let mut snapshots = try_at_once(chosen.into_iter().map(read).collect()).await?;
        // The later one is more complete for a group that two backups have.
        snapshots.sort_by_key(|(_, snapshot)| snapshot.until);
        report.snapshots = snapshots.iter().map(|(name, _)| name.clone()).collect();
        Ok(snapshots)
    }

    /// What each group should get. Changes nothing.
    pub(super) async fn plan_groups(
        &self,
        known: &Known,
        snapshots: &[(String, Snapshot)],
        report: &mut FinishReport,
    ) -> Result<Vec<GroupPlan>> {
        let mut wanted: AllWanted<'_> = BTreeMap::new();
        let restored = restored_topics(known);
        let ids = self.ids_of(&restored, snapshots).await?;
        for (name, snapshot) in snapshots {
            if let Some(why) = snapshot.groups.why() {
                report.leave(format!("the snapshot {name} does not have all groups: {why}"));
            }
            for (group, of) in
                snapshot.groups.known().into_iter().flatten().filter(|(group, _)| self.restore.settings.groups.takes_group(group))
            {
                wanted.entry(group).or_default().extend(self.wanted_of(group, of, snapshot, (&restored, &ids), report));
            }
        }
        wanted.retain(|_, of| !of.is_empty());
        tell_of_unrest(&wanted, report);
        let places = self.places(known, &wanted).await?;
        let names: Vec<String> = wanted.keys().map(|name| (*name).to_owned()).collect();
        let there = self.admin.groups().await?;
        for why in there.missing {
            report.notes.push(format!("not every broker reported its groups: {why}"));
        }
        let mut now = self.admin.group_offsets(&names).await?;
        let mut plans = Vec::new();
        for (group, of) in wanted {
            let members = there.groups.get(group).filter(|there| !WITHOUT_MEMBERS.contains(&there.state.as_str()));
            let members = members.map(|there| {
                format!(
                    "it has members in the target cluster (state {}), and Kafka sets no offsets for such a group: stop its \
                     consumers, and run this again",
                    there.state
                )
            });
            let (committed, unknown) = committed_by(group, &mut now);
            let blocked = members.or(unknown);
            let now = Now { committed: &committed, blocked: blocked.as_deref(), was_given: known.before.given.contains(group) };
            let plan = self.plan_group(group, of, &places, &now, report);
            if !plan.to_do.is_empty() {
                plans.push(plan);
            }
        }
        Ok(plans)
    }

    /// By name, the ids of restored topics whose folder is not in the snapshot: they had no backup
    /// yet, and the restored one may be another topic of that name.
    async fn ids_of(
        &self,
        restored: &BTreeMap<&str, &RestoredTopic>,
        snapshots: &[(String, Snapshot)],
    ) -> Result<BTreeMap<String, TopicId>> {
        let has_no_folder = |name: &str| {
            snapshots.iter().filter_map(|(_, snapshot)| snapshot.topics.get(name)).any(|then| then.folder.is_none() && then.id.is_some())
        };
        let unknown = restored.iter().filter(|(name, _)| has_no_folder(name)).map(|(name, topic)| async move {
            let source = self.restore.source_with_cuts(topic, Vec::new()).await?;
            Ok(source.generation.and_then(|generation| generation.topic_id).map(|id| ((*name).to_owned(), id)))
        });
        Ok(try_at_once(unknown.collect()).await?.into_iter().flatten().collect())
    }

    /// The offsets of a group in a snapshot that belong to restored partitions.
    fn wanted_of<'k>(
        &self,
        name: &str,
        group: &GroupSnapshot,
        snapshot: &Snapshot,
        (restored, ids): (&BTreeMap<&str, &'k RestoredTopic>, &BTreeMap<String, TopicId>),
        report: &mut FinishReport,
    ) -> WantedOf<'k> {
        if let Some(why) = &group.why {
            report.leave(format!("group {name:?}: the snapshot does not have all of its offsets: {why}"));
        }
        let mut wanted = BTreeMap::new();
        for (topic, partitions) in &group.offsets {
            let Some(of) = restored.get(topic.as_str()) else { continue };
            // Offsets belong to one log: a topic that was created again has others.
            let then = snapshot.topics.get(topic);
            if let Some(other) = then.and_then(|then| then.folder.as_ref()).filter(|folder| **folder != of.folder) {
                report.leave(format!("group {name:?}: its offsets on {topic:?} belong to {other:?}, and {:?} was restored", of.folder));
                continue;
            }
            if let Some((now, was)) = then.and_then(|then| then.id.as_ref()).zip(ids.get(topic)).filter(|(now, was)| now != was) {
                report.leave(format!(
                    "group {name:?}: its offsets on {topic:?} belong to a topic with id {now}, and {:?} was restored, which \
                     has id {was}",
                    of.folder
                ));
                continue;
            }
            for (partition, offset) in partitions {
                // BACKUP_PARTITIONS excludes it.
                if cut_of(of, *partition).is_none() {
                    continue;
                }
                wanted.insert((of.target.as_str(), *partition), Wanted { topic: of, then: offset.clone() });
            }
        }
        wanted
    }

    /// The positions of all these offsets: the spans of each partition are read once for all
    /// groups.
    async fn places(&self, known: &Known, wanted: &AllWanted<'_>) -> Result<BTreeMap<TopicPartition, Restored>> {
        let mut asked: BTreeMap<(&str, i32), (&RestoredTopic, BTreeSet<i64>)> = BTreeMap::new();
        let is_there = |target: &str, one: &Wanted<'_>| !known.gone.contains_key(target) && !one.then.foreign;
        for ((target, partition), one) in wanted.values().flatten().filter(|((target, _), one)| is_there(target, one)) {
            let (_, offsets) = asked.entry((target, *partition)).or_insert_with(|| (one.topic, BTreeSet::new()));
            offsets.insert(one.then.offset);
            offsets.extend(cut_of(one.topic, *partition));
        }
        let questions: Vec<Asked<'_>> = asked.into_iter().map(|((_, partition), (topic, offsets))| (topic, partition, offsets)).collect();
        let places = self.restore.translate(&known.noted, &questions).await?;
        let restored = questions.into_iter().zip(places).map(|((topic, partition, _), places)| {
            let end = match (&places, cut_of(topic, partition)) {
                (Ok(each), Some(cut)) => each.get(&cut).and_then(|place| if let Place::Exact(end) = place { Some(*end) } else { None }),
                _ => None,
            };
            (TopicPartition::new(&topic.target, partition), Restored { places, end })
        });
        Ok(restored.collect())
    }

    fn plan_group(
        &self,
        group: &str,
        wanted: WantedOf<'_>,
        places: &BTreeMap<TopicPartition, Restored>,
        now: &Now<'_>,
        report: &mut FinishReport,
    ) -> GroupPlan {
        let mut plan = GroupPlan { name: group.to_owned(), to_do: BTreeMap::new() };
        let mut reports: BTreeMap<&str, GroupReport> = BTreeMap::new();
        for ((target, partition), one) in wanted {
            let at = TopicPartition::new(target, partition);
            let mut of = OffsetReport { partition, from: one.then.offset, ..OffsetReport::default() };
            match self.change(&one, places.get(&at), now.committed.get(&at), &mut of) {
                // It was given its offsets, and has continued.
                Err(_) if now.was_given && now.committed.contains_key(&at) => of.state = State::AsItShouldBe,
                Err(why) => (of.state, of.why) = (State::Left, Some(why)),
                Ok(None) => of.state = State::AsItShouldBe,
                Ok(Some(_)) if now.blocked.is_some() => (of.state, of.why) = (State::Left, now.blocked.map(str::to_owned)),
                Ok(Some(change)) => _ = plan.to_do.insert(at, change),
            }
            let of_topic = reports.entry(target).or_insert_with(|| GroupReport {
                group: group.to_owned(),
                source: source_of(one.topic).to_owned(),
                target: target.to_owned(),
                offsets: Vec::new(),
            });
            of_topic.offsets.push(of);
        }
        report.groups.extend(reports.into_values());
        plan
    }

    /// The change of an offset. `None`: none.
    ///
    /// # Errors
    /// Why it is not changed.
    fn change(
        &self,
        one: &Wanted<'_>,
        restored: Option<&Restored>,
        now: Option<&kafka::Result<GroupOffset>>,
        report: &mut OffsetReport,
    ) -> Result<Option<Change<GroupPlace>>, String> {
        if one.then.foreign {
            return Err("it was committed for another log: the topic was created again, or lost its end".to_owned());
        }
        let Some(restored) = restored else { return Err("the topic no longer exists".to_owned()) };
        let offset = match restored.places.as_ref().map_err(Clone::clone)?.get(&one.then.offset) {
            Some(Place::Exact(offset)) => *offset,
            Some(Place::AtOrBefore { at, may_repeat }) => {
                report.may_repeat = *may_repeat;
                *at
            }
            Some(Place::Unknown(why)) => return Err(why.clone()),
            None => return Err("its position in the target is unknown".to_owned()),
        };
        report.to = Some(offset);
        report.lag = restored.end.map_or(0, |end| (end - offset).max(0));
        let after = GroupPlace { offset, metadata: one.then.metadata.clone() };
        let before = match now {
            None => None,
            Some(Err(error)) => return Err(in_full(error)),
            Some(Ok(now)) => Some(GroupPlace::from(now)),
        };
        match before {
            Some(before) if before == after => Ok(None),
            Some(before) if !self.restore.settings.is_allowed("group-offsets") => Err(format!(
                "it has committed {} itself, in the target cluster; this would set it to {offset} \
                 (RESTORE_ANYWAY=group-offsets)",
                before.offset
            )),
            before => Ok(Some(Change::new(before, Some(after)))),
        }
    }

    /// Records the groups that have all of their offsets: later commits are their own.
    pub(super) async fn note_given(&self, known: &Known, report: &FinishReport) -> Result<()> {
        let mut given: BTreeSet<String> = report.groups.iter().map(|of| of.group.clone()).collect();
        for of in report.groups.iter().filter(|of| !of.offsets.iter().all(|one| matches!(one.state, State::Done | State::AsItShouldBe))) {
            given.remove(&of.group);
        }
        if given.is_subset(&known.before.given) {
            return Ok(());
        }
        let Restore { store, clock, .. } = &self.restore;
        known.before.note_given(store.as_ref(), self.restore.id(), &given, clock.now()).await.map(drop)
    }

    /// Commits the planned offsets.
    pub(super) async fn commit_groups(&self, groups: &[GroupPlan], report: &mut FinishReport) {
        let commit = groups.iter().map(|group| async move {
            let offsets = group.to_do.iter().filter_map(|(at, change)| Some((at.clone(), change.after.as_ref()?.to_committed()))).collect();
            (group, self.admin.commit_group(&group.name, &offsets).await)
        });
        for (group, committed) in at_once(commit.collect()).await {
            let outcomes = of_each(group.to_do.keys(), &committed);
            note_outcomes(report, &group.name, &outcomes);
        }
    }
}

/// Reports the groups that were active during the snapshot.
fn tell_of_unrest(wanted: &AllWanted<'_>, report: &mut FinishReport) {
    let is_moving = |of: &&WantedOf<'_>| of.values().any(|one| one.then.moved || one.then.pending);
    let moving = wanted.values().filter(is_moving).count();
    if moving > 0 {
        report.notes.push(format!(
            "{moving} groups were active during the snapshot: they get their offsets from its start, and process \
             later records again, as far as they are restored"
        ));
    }
}

/// Records the results of offsets of a group.
pub(super) fn note_outcomes(report: &mut FinishReport, group: &str, outcomes: &BTreeMap<TopicPartition, Result<(), String>>) {
    // They are sorted by group, and there can be a hundred thousand.
    let first = report.groups.partition_point(|of| of.group.as_str() < group);
    for of in report.groups[first..].iter_mut().take_while(|of| of.group == group) {
        for one in &mut of.offsets {
            match outcomes.get(&TopicPartition::new(&of.target, one.partition)) {
                Some(Ok(())) => one.state = State::Done,
                Some(Err(why)) => (one.state, one.why) = (State::Left, Some(why.clone())),
                None => {}
            }
        }
    }
}

fn cut_of(topic: &RestoredTopic, partition: i32) -> Option<i64> {
    topic.cuts.as_ref()?.get(&partition).copied()
}

/// The name of the source topic.
pub(super) fn source_of(topic: &RestoredTopic) -> &str {
    names::parse_topic_folder(&topic.folder).map_or(&topic.folder, |(name, _)| name)
}

/// By the name of the source topic.
pub(super) fn restored_topics(known: &Known) -> BTreeMap<&str, &RestoredTopic> {
    known.noted.topics.iter().map(|topic| (source_of(topic), topic)).collect()
}
