//! What must be true of a snapshot, compared with the history of the cluster.

use archive::catalog::{GroupSnapshot, LogSnapshot, OffsetSnapshot, PartitionSnapshot, Snapshot, Told, TopicSnapshot, names};
use kafka::{Selection, TopicPartition};
use kernel::clock::Millis;

use super::history::{History, Moment};
use super::witness::Attempt;
use super::{CLUSTER, GROUPS, is_own_group};

type Check = Result<(), String>;

/// A snapshot, and everything to compare it with.
pub(super) struct Compared<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) attempt: &'a Attempt,
    pub(super) history: &'a History,
    pub(super) interval: Millis,
    pub(super) topics: &'a Selection,
    pub(super) groups: &'a Selection,
}

impl Compared<'_> {
    pub(super) fn check(&self) -> Check {
        let wrong = |what: String| format!("{}: {what}", self.attempt.name);
        self.check_name().map_err(wrong)?;
        self.check_selection().map_err(wrong)?;
        for (name, topic) in &self.snapshot.topics {
            self.check_topic(name, topic).map_err(|what| wrong(format!("topic {name}: {what}")))?;
        }
        self.check_groups().map_err(wrong)?;
        self.check_rights().map_err(wrong)
    }

    /// The states of the cluster while it was read.
    fn moments(&self) -> &[Moment] {
        self.history.between(self.snapshot.from - self.attempt.ahead, self.snapshot.until - self.attempt.ahead)
    }

    /// The same from the start of the invocation, which listed topics first.
    fn all_moments(&self) -> &[Moment] {
        self.history.between(self.attempt.started, self.snapshot.until - self.attempt.ahead)
    }

    /// Its name is the time of its writer's clock, rounded up: nothing in it is later than its
    /// name.
    fn check_name(&self) -> Check {
        let Snapshot { from, until, group_id, .. } = self.snapshot;
        let slot = (until + self.interval - 1).div_euclid(self.interval) * self.interval;
        let expected = names::snapshot(&names::snapshot_prefix(Some(CLUSTER), GROUPS[self.attempt.backup]), slot);
        let is_timed = from <= until && from - self.attempt.ahead >= self.attempt.started;
        if expected == self.attempt.name && is_timed && group_id == GROUPS[self.attempt.backup] {
            return Ok(());
        }
        Err(format!("of group {group_id}, read from {from} until {until}: it should be {expected}"))
    }

    /// It has every topic of the selection that existed all the time, and no topic of another
    /// selection.
    fn check_selection(&self) -> Check {
        if let Some(other) = self.snapshot.topics.keys().find(|name| !self.topics.takes(name)) {
            return Err(format!("topic {other} is not of the selection"));
        }
        let moments = self.all_moments();
        let Some(first) = moments.first() else { return Err("it was taken before the world began".to_owned()) };
        for (name, then) in first.topics.iter().filter(|(name, _)| self.topics.takes(name)) {
            let was_there = moments.iter().all(|moment| moment.visible(name).is_some_and(|topic| topic.id == then.id));
            let topic = self.snapshot.topics.get(name);
            if was_there && topic.is_none_or(|topic| topic.id.as_ref() != Some(&then.id) || topic.why.is_some()) {
                return Err(format!("topic {name} was there with id {} all the time: {topic:?}", then.id));
            }
            if was_there && topic.is_some_and(|topic| topic.partitions.len() < then.logs.len()) {
                return Err(format!("topic {name} had {} partitions: {topic:?}", then.logs.len()));
            }
        }
        Ok(())
    }

    fn check_topic(&self, name: &str, topic: &TopicSnapshot) -> Check {
        let moments = self.all_moments();
        if topic.id.is_some() && !moments.iter().any(|then| then.visible(name).map(|then| &then.id) == topic.id.as_ref()) {
            return Err(format!("it never had id {:?}", topic.id));
        }
        if topic.why.is_some() && !topic.partitions.is_empty() {
            return Err("it has numbers, and a reason why it has none".to_owned());
        }
        for (number, partition) in &topic.partitions {
            let wrong = |what: String| format!("partition {number}: {what}: {partition:?}");
            self.check_log(name, topic, *number, partition).map_err(wrong)?;
            self.check_backed_up(topic, *number, partition).map_err(wrong)?;
        }
        Ok(())
    }

    /// Its offsets were those of the topic with this id, read in order.
    fn check_log(&self, name: &str, topic: &TopicSnapshot, number: i32, partition: &PartitionSnapshot) -> Check {
        let Some(LogSnapshot { log_start, end, high_watermark }) = partition.log else {
            return partition.why.as_ref().map(|_| ()).ok_or_else(|| "no numbers, and no reason why".to_owned());
        };
        let logs = || {
            let of_id =
                move |moment: &Moment| moment.topics.get(name).filter(|then| Some(&then.id) == topic.id.as_ref())?.log(number).copied();
            self.moments().iter().filter_map(of_id)
        };
        let (mut left, was_cut) = (logs().peekable(), logs().any(|log| log.life > 0));
        let mut skip = |is: &dyn Fn(&super::history::LogThen) -> bool| {
            while let Some(log) = left.peek() {
                if is(log) {
                    return true;
                }
                left.next();
            }
            false
        };
        let is_true = skip(&|log| log.start == log_start) && skip(&|log| log.stable == end) && skip(&|log| log.end == high_watermark);
        if !is_true {
            return Err(format!("no log of a topic with id {:?} ever had these numbers, one after the other", topic.id));
        }
        if partition.diverged && !was_cut {
            return Err("its log never lost its end".to_owned());
        }
        Ok(())
    }

    /// What it calls backed up was in the bucket, in a generation of this id, and not beyond the
    /// log's end.
    fn check_backed_up(&self, topic: &TopicSnapshot, number: i32, partition: &PartitionSnapshot) -> Check {
        let Some(backed_up) = partition.backed_up else {
            return if partition.diverged { Err("nothing is backed up that could differ".to_owned()) } else { Ok(()) };
        };
        if let Some(log) = partition.log
            && partition.diverged != (backed_up > log.end.min(log.high_watermark))
        {
            return Err("whether its log ends below what is backed up is reported wrongly".to_owned());
        }
        let folder = topic.folder_of(partition).ok_or("backed up in no folder")?;
        if backed_up == 0 || self.attempt.last_segments.contains_key(&format!("{folder}/{number}")) {
            return Ok(());
        }
        Err("no segment of it was in the bucket".to_owned())
    }

    fn check_groups(&self) -> Check {
        for (name, group) in self.snapshot.groups.known().into_iter().flatten() {
            self.check_group(name, group).map_err(|what| format!("group {name}: {what}: {group:?}"))?;
        }
        let Told::All(groups) = &self.snapshot.groups else { return Ok(()) };
        let moments = self.moments();
        let was_there = |name: &&String| moments.iter().all(|moment| moment.groups.contains(*name)) && self.groups.takes_group(name);
        match moments.iter().flat_map(|moment| &moment.groups).find(|name| was_there(name) && !groups.contains_key(*name)) {
            Some(missing) => Err(format!("all groups are reported, but not {missing}, which was there all the time")),
            None => Ok(()),
        }
    }

    fn check_group(&self, name: &str, group: &GroupSnapshot) -> Check {
        // A backup's group looks like an application's as long as its offsets are not known.
        if (is_own_group(name) && !(GROUPS.contains(&name) && group.offsets.is_empty())) || !self.groups.takes_group(name) {
            return Err("it should not be there".to_owned());
        }
        let moments = self.moments();
        for (topic, offsets) in &group.offsets {
            for (number, offset) in offsets {
                let place = (name.to_owned(), TopicPartition::new(topic.as_str(), *number));
                self.check_offset(&place, offset).map_err(|what| format!("{topic}/{number}: {what}"))?;
            }
        }
        let stayed = |place: &&(String, TopicPartition)| {
            let is_known = |moment: &Moment| moment.offsets.contains_key(*place) && !moment.hidden.contains(&place.1.topic);
            place.0 == name && moments.iter().all(is_known)
        };
        let is_told = |place: &(String, TopicPartition)| {
            group.offsets.get(&place.1.topic).is_some_and(|offsets| offsets.contains_key(&place.1.partition))
        };
        let missing = moments.first().and_then(|first| first.offsets.keys().filter(stayed).find(|place| !is_told(place)));
        match missing {
            Some(missing) if group.why.is_none() => Err(format!("the offset of {} is not reported, and no reason is", missing.1)),
            _ => Ok(()),
        }
    }

    /// It is what the group had before the logs were read, and not from a log without that offset.
    fn check_offset(&self, place: &(String, TopicPartition), offset: &OffsetSnapshot) -> Check {
        let moments = self.moments();
        let is_it = |moment: &&Moment| {
            let committed = moment.offsets.get(place);
            let is_pending = moment.pending.contains(place);
            committed.is_some_and(|committed| committed.next == offset.offset && committed.metadata == offset.metadata)
                && is_pending == offset.pending
        };
        let Some(first) = moments.iter().position(|moment| is_it(&moment)) else {
            return Err("it never had this offset".to_owned());
        };
        let Some(topic) = self.snapshot.topics.get(&place.1.topic) else { return Ok(()) };
        let Some(log) = topic.partitions.get(&place.1.partition).and_then(|partition| partition.log) else { return Ok(()) };
        let now = |moment: &Moment| moment.topics.get(&place.1.topic).and_then(|topic| topic.log(place.1.partition)).copied();
        let last = moments.iter().rposition(|moment| now(moment).is_some_and(|now| now.end == log.high_watermark));
        if last < Some(first) {
            return Err("the log was looked at before the group".to_owned());
        }
        if (offset.offset > log.high_watermark) != offset.foreign {
            return Err(format!("whether it is of this log, which ends at {}, is reported wrongly", log.high_watermark));
        }
        let was_cut = moments.iter().filter_map(now).any(|now| now.life > 0);
        if offset.foreign && !was_cut {
            return Err(format!("it is above {}, and the log never lost its end", log.high_watermark));
        }
        Ok(())
    }

    /// A part is complete only if the user could see all of it.
    fn check_rights(&self) -> Check {
        let could_see = self.all_moments().iter().any(|moment| !moment.is_confined);
        let whole = [
            ("groups", self.snapshot.groups.why().is_none()),
            ("acls", self.snapshot.acls.why().is_none()),
            ("users", self.snapshot.users.why().is_none()),
        ];
        match whole.into_iter().find(|(_, is_whole)| *is_whole && !could_see) {
            Some((part, _)) => Err(format!("all {part} are reported, though this user may not see them")),
            None => Ok(()),
        }
    }
}
