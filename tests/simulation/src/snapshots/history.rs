//! The history: the simulated cluster at every moment, and the content of each log.

use std::collections::{BTreeMap, BTreeSet};

use kafka::{CommittedOffset, TopicId, TopicPartition};
use kernel::clock::Millis;

use super::is_own_group;
use crate::world::{Entry, State};

/// A group, and a partition on which it has an offset.
type Place = (String, TopicPartition);

/// The cluster from this time until the next moment.
#[derive(Debug)]
pub(super) struct Moment {
    at: Millis,
    pub(super) topics: BTreeMap<String, TopicThen>,
    /// Of applications.
    pub(super) offsets: BTreeMap<Place, CommittedOffset>,
    pub(super) pending: BTreeSet<Place>,
    /// Of applications.
    pub(super) groups: BTreeSet<String>,
    pub(super) hidden: BTreeSet<String>,
    pub(super) is_confined: bool,
}

impl Moment {
    /// The topic, if the user saw it.
    pub(super) fn visible(&self, topic: &str) -> Option<&TopicThen> {
        self.topics.get(topic).filter(|_| !self.hidden.contains(topic))
    }
}

#[derive(Debug)]
pub(super) struct TopicThen {
    pub(super) id: TopicId,
    pub(super) logs: Vec<LogThen>,
}

impl TopicThen {
    pub(super) fn log(&self, partition: i32) -> Option<&LogThen> {
        self.logs.get(usize::try_from(partition).ok()?)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct LogThen {
    pub(super) start: i64,
    pub(super) stable: i64,
    pub(super) end: i64,
    /// How many times it had lost its end.
    pub(super) life: usize,
}

/// A log until it lost its end.
type Life = (TopicId, i32, usize);

#[derive(Debug, Default)]
pub(super) struct History {
    moments: Vec<Moment>,
    lives: BTreeMap<Life, Vec<Entry>>,
    /// The offsets at which each log was cut.
    cuts: BTreeMap<(TopicId, i32), Vec<i64>>,
}

impl History {
    /// Records the state, which may have changed.
    pub(super) fn note(&mut self, at: Millis, state: &State) {
        let log = |log: &crate::world::Log| LogThen { start: log.start, stable: log.stable(), end: log.end(), life: log.cuts.len() };
        let topics = state
            .topics
            .iter()
            .map(|(name, topic)| (name.clone(), TopicThen { id: topic.id.clone(), logs: topic.logs.iter().map(log).collect() }));
        let is_of_application = |(group, _): &&Place| !is_own_group(group);
        self.moments.push(Moment {
            at,
            topics: topics.collect(),
            offsets: state.groups.iter().filter(|(place, _)| is_of_application(place)).map(|(p, o)| (p.clone(), o.clone())).collect(),
            pending: state.around.pending.keys().filter(is_of_application).cloned().collect(),
            groups: state.group_names().into_iter().filter(|group| !is_own_group(group)).collect(),
            hidden: state.around.hidden.clone(),
            is_confined: state.around.is_confined,
        });
    }

    /// The moments that overlap this time range, in order.
    pub(super) fn between(&self, from: Millis, to: Millis) -> &[Moment] {
        let begin = self.moments.partition_point(|moment| moment.at < from).saturating_sub(1);
        let end = self.moments.partition_point(|moment| moment.at <= to);
        &self.moments[begin.min(end)..end]
    }

    /// Remembers the logs of a topic: before it is deleted, before one of them loses its end, and
    /// at the end of the run.
    pub(super) fn remember(&mut self, state: &State, topic: &str) {
        let Some(topic) = state.topics.get(topic) else { return };
        for (number, log) in (0..).zip(&topic.logs) {
            self.lives.insert((topic.id.clone(), number, log.cuts.len()), log.entries.clone());
            self.cuts.insert((topic.id.clone(), number), log.cuts.clone());
        }
    }

    /// What a log held, and what it held after it lost its end only above this offset: nothing
    /// distinguishes the two.
    pub(super) fn lives_from(&self, id: &TopicId, partition: i32, life: usize, backed_up: i64) -> impl Iterator<Item = &[Entry]> {
        let cuts = self.cuts.get(&(id.clone(), partition)).map_or(&[][..], Vec::as_slice);
        let later = cuts.iter().skip(life).take_while(move |to| **to >= backed_up).count();
        (life..=life + later).map(move |life| self.life(id, partition, life))
    }

    /// The contents of a log, each up to the time when it lost its end.
    pub(super) fn all_lives(&self, id: &TopicId, partition: i32) -> Vec<&[Entry]> {
        let count = self.cuts.get(&(id.clone(), partition)).map_or(0, Vec::len);
        (0..=count).map(|life| self.life(id, partition, life)).collect()
    }

    /// The content of a log.
    fn life(&self, id: &TopicId, partition: i32, life: usize) -> &[Entry] {
        self.lives.get(&(id.clone(), partition, life)).map_or(&[], Vec::as_slice)
    }
}
