//! What happens in the cluster between any two requests.

use std::sync::atomic::Ordering;

use kafka::{CommittedOffset, TopicId, TopicPartition};
use kernel::clock::Clock;
use rand::RngExt;

use super::chains::{end_of_chain, generations};
use super::{CLUSTER, Cluster, RESTORES};
use crate::world::{Entry, MOST_PARTITIONS};

const TOPICS: [&str; 5] = ["orders", "orders-1", "users", "b-logs", "tmp-x"];
/// The cluster has at most this many additional topics.
const MORE_TOPICS: usize = 3;
const APPLICATIONS: [&str; 5] = ["app-0", "app-1", "app-2", "app-3", "tmp-app"];

/// A log that lost its end. It may not grow past what was backed up of it before it begins again:
/// after that the loss cannot be detected.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    partition: TopicPartition,
    id: TopicId,
    to: i64,
    /// The number of the newest generation then.
    newest: u32,
    /// Invocations that began before.
    serial: usize,
}

impl Cluster {
    /// Creates the initial cluster.
    pub(super) fn build(&mut self) {
        let mut state = self.world.lock();
        state.cluster = CLUSTER.to_owned();
        for topic in TOPICS {
            state.create(topic, self.rng.random_range(1..3));
        }
        state.around.idle.insert("app-idle".to_owned());
        for (number, restore) in ["drill", "dr.orders"].into_iter().enumerate() {
            let place = (format!("{RESTORES}{restore}.0"), TopicPartition::new("orders", 0));
            let progress = CommittedOffset { next: 0, metadata: r#"{"kafka-restore":2,"run":"x"}"#.to_owned() };
            // The second one has committed nothing yet.
            if number == 0 { drop(state.groups.insert(place, progress)) } else { drop(state.around.pending.insert(place, progress)) }
        }
        self.history.note(self.clock.now(), &state);
    }

    pub(super) async fn step(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..100) {
            0..24 => self.append().await?,
            24..46 => {
                let number = self.rng.random_range(0..self.processes.len());
                self.start(number);
            }
            46..50 => (0..self.processes.len()).for_each(|number| self.start(number)),
            50..66 => self.commit(),
            66..75 => self.clock.advance(self.rng.random_range(0..self.interval)),
            75..78 => self.end_transaction().await?,
            78..82 => self.trim(),
            82..87 => self.truncate().await?,
            87..90 => self.create_again(),
            90..93 => self.delete_or_create(),
            93..95 => self.add_partition(),
            95..97 => self.shrink(),
            97..98 => self.change_groups(),
            _ => self.correct_a_clock(),
        }
        Ok(())
    }

    fn some_topic(&mut self) -> Option<String> {
        let topics: Vec<String> = self.world.lock().topics.keys().cloned().collect();
        (!topics.is_empty()).then(|| topics[self.rng.random_range(0..topics.len())].clone())
    }

    fn some_partition(&mut self) -> Option<TopicPartition> {
        let topic = self.some_topic()?;
        let partitions = self.world.lock().topics.get(&topic)?.logs.len();
        let number = self.rng.random_range(0..partitions);
        Some(TopicPartition::new(topic, i32::try_from(number).ok()?))
    }

    /// Writes to a random partition: plain records, records of a transaction, aborted ones.
    async fn append(&mut self) -> Result<(), String> {
        let Some(partition) = self.some_partition() else { return Ok(()) };
        let count = self.rng.random_range(1..10).min(self.room(&partition).await?);
        let kind = self.rng.random_range(0..10);
        let mut state = self.world.lock();
        for _ in 0..count {
            let value = state.value();
            let entry = match kind {
                0 => Entry::Hole,
                1 => Entry::Open(value, partition.to_string()),
                _ => Entry::Record(value),
            };
            if let Some(log) = state.log(&partition) {
                log.entries.push(entry);
            }
        }
        Ok(())
    }

    /// The number of entries that may be added to a log.
    async fn room(&mut self, partition: &TopicPartition) -> Result<i64, String> {
        let Some((id, end)) = self.id_and_end(partition) else { return Ok(0) };
        let Some(at) = self.cuts.iter().position(|cut| cut.partition == *partition && cut.id == id) else { return Ok(i64::MAX) };
        let cut = self.cuts[at].clone();
        let mut chain = 0;
        for generation in generations(&self.bucket, &partition.topic).await?.iter().filter(|one| one.topic_id.as_ref() == Some(&id)) {
            if generation.generation > cut.newest && generation.begins(partition.partition) {
                self.cuts.remove(at);
                return Ok(i64::MAX);
            }
            chain = chain.max(end_of_chain(&self.bucket, &generation.folder(), partition.partition).await?);
        }
        if chain > cut.to {
            return Ok((chain - 1 - end).max(0));
        }
        // No backed-up record was lost, but a process may still have read it.
        if self.processes.iter().any(|process| process.began_before(cut.serial)) {
            return Ok(0);
        }
        self.cuts.remove(at);
        Ok(i64::MAX)
    }

    fn id_and_end(&self, partition: &TopicPartition) -> Option<(TopicId, i64)> {
        let mut state = self.world.lock();
        let end = state.log(partition)?.end();
        Some((state.topics.get(&partition.topic)?.id.clone(), end))
    }

    async fn end_transaction(&mut self) -> Result<(), String> {
        let Some(partition) = self.some_partition() else { return Ok(()) };
        // It takes an offset.
        if self.room(&partition).await? > 0 {
            let commit = self.rng.random_bool(0.5);
            self.world.lock().end_transaction(&partition.to_string(), commit);
        }
        Ok(())
    }

    /// An application commits an offset, usually a later one, in a transaction or without.
    fn commit(&mut self) {
        let Some(partition) = self.some_partition() else { return };
        let group = APPLICATIONS[self.rng.random_range(0..APPLICATIONS.len())].to_owned();
        let (resets, in_transaction, forward) = (self.rng.random_bool(0.1), self.rng.random_bool(0.3), self.rng.random_bool(0.6));
        let mut state = self.world.lock();
        let place = (group, partition);
        if let Some(offset) = state.around.pending.remove(&place) {
            if forward {
                state.commit(place, offset);
            }
            return;
        }
        let Some((start, end)) = state.log(&place.1).map(|log| (log.start, log.end())) else { return };
        let before = state.groups.get(&place).map_or(start, |committed| committed.next);
        let lowest = if resets { start } else { before.max(start) };
        if lowest > end {
            return;
        }
        let next = if forward { end } else { self.rng.random_range(lowest..=end) };
        let metadata = if next % 3 == 0 { format!("m{next}") } else { String::new() };
        let offset = CommittedOffset { next, metadata };
        if in_transaction {
            state.around.pending.insert(place, offset);
        } else {
            state.commit(place, offset);
        }
    }

    /// Retention or DeleteRecords.
    fn trim(&mut self) {
        let Some(partition) = self.some_partition() else { return };
        let mut state = self.world.lock();
        if let Some(log) = state.log(&partition) {
            log.start = self.rng.random_range(log.start..=log.stable());
        }
    }

    /// An unclean leader election: a log loses its end.
    async fn truncate(&mut self) -> Result<(), String> {
        let Some(partition) = self.some_partition() else { return Ok(()) };
        let newest = generations(&self.bucket, &partition.topic).await?.len();
        let mut state = self.world.lock();
        let Some(log) = state.log(&partition) else { return Ok(()) };
        let (start, end) = (log.start, log.end());
        if end - start < 2 {
            return Ok(());
        }
        let to = self.rng.random_range(start + 1..end);
        self.history.remember(&state, &partition.topic);
        if let Some(log) = state.log(&partition) {
            log.cut(to);
        }
        let Some(id) = state.topics.get(&partition.topic).map(|topic| topic.id.clone()) else { return Ok(()) };
        drop(state);
        self.outcome.truncations += 1;
        let before = self.cuts.iter().position(|cut| cut.partition == partition && cut.id == id).map(|at| self.cuts.remove(at));
        let to = before.map_or(to, |before| before.to.min(to));
        let newest = u32::try_from(newest).unwrap_or(u32::MAX);
        self.cuts.push(Cut { partition, id, to, newest, serial: self.outcome.invocations + 1 });
        Ok(())
    }

    fn create_again(&mut self) {
        let Some(topic) = self.some_topic() else { return };
        let partitions = self.rng.random_range(1..3);
        self.delete(&topic);
        self.world.lock().create(&topic, partitions);
    }

    pub(super) fn delete(&mut self, topic: &str) {
        let mut state = self.world.lock();
        self.history.remember(&state, topic);
        state.delete(topic);
        state.around.pending.retain(|(_, place), _| place.topic != topic);
        self.outcome.recreations += 1;
    }

    fn delete_or_create(&mut self) {
        let count = self.world.lock().topics.len();
        // Names in both selections stay, otherwise one of them has no topic.
        let gone = self.some_topic().filter(|topic| topic != "orders" && count > TOPICS.len() - 2 && self.rng.random_bool(0.5));
        match gone {
            Some(topic) => self.delete(&topic),
            None if count < TOPICS.len() + MORE_TOPICS => {
                let name = match self.rng.random_range(0..TOPICS.len() + MORE_TOPICS) {
                    known if known < TOPICS.len() => TOPICS[known].to_owned(),
                    more => format!("new-{more}"),
                };
                let partitions = self.rng.random_range(1..3);
                let mut state = self.world.lock();
                if !state.topics.contains_key(&name) {
                    state.create(&name, partitions);
                }
            }
            None => {}
        }
    }

    fn add_partition(&mut self) {
        let Some(name) = self.some_topic() else { return };
        let mut state = self.world.lock();
        if let Some(topic) = state.topics.get_mut(&name).filter(|topic| topic.logs.len() < MOST_PARTITIONS) {
            topic.logs.push(crate::world::Log::default());
        }
    }

    /// The user loses a right: to describe a topic, or the cluster. It does not get it back.
    fn shrink(&mut self) {
        let topic = self.some_topic().filter(|topic| topic != "orders" && self.rng.random_bool(0.6));
        let mut state = self.world.lock();
        match topic {
            Some(topic) => drop(state.around.hidden.insert(topic)),
            None => state.around.is_confined = true,
        }
        self.outcome.shrinks += 1;
    }

    /// A group is created, or deleted with all its commits.
    fn change_groups(&mut self) {
        let name = APPLICATIONS[self.rng.random_range(0..APPLICATIONS.len())];
        let mut state = self.world.lock();
        if self.rng.random_bool(0.5) {
            state.around.idle.insert(format!("{name}-idle"));
        } else {
            state.groups.retain(|(group, _), _| group != name);
            state.around.pending.retain(|(group, _), _| group != name);
        }
    }

    /// The clock of an idle machine is set.
    fn correct_a_clock(&mut self) {
        let number = self.rng.random_range(0..self.processes.len());
        if !self.processes[number].is_running() {
            self.processes[number].clock.ahead.store(0, Ordering::Relaxed);
        }
    }

    /// Open transactions end. No log gets longer: one that lost its end may not.
    pub(super) fn settle(&mut self) {
        let mut state = self.world.lock();
        for entry in state.topics.values_mut().flat_map(|topic| &mut topic.logs).flat_map(|log| &mut log.entries) {
            if let Entry::Open(value, _) = entry {
                *entry = Entry::Record(*value);
            }
        }
        self.history.note(self.clock.now(), &state);
    }
}
