//! A simulated cluster without faults, for tests of other crates.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka::{ClusterAdministration, SourceCluster, TargetCluster, TopicPartition};
use kernel::clock::{Clock, Millis};

use super::administration::SimAdministration;
use super::chaos::{Chaos, SimClock};
use super::source::SimSource;
use super::target::SimTarget;
use super::world::{Entry, World};

/// Topics, records and committed offsets in memory. Each request succeeds, and takes a millisecond.
#[derive(Debug, Clone)]
pub struct FaultlessCluster {
    world: World,
    chaos: Arc<Chaos>,
}

impl FaultlessCluster {
    /// A cluster with this id and without topics. Its clock shows this time.
    pub fn new(id: &str, now: Millis) -> Self {
        let clock = Arc::new(SimClock::default());
        clock.advance(now - clock.now());
        let world = World::default();
        id.clone_into(&mut world.lock().cluster);
        Self { world, chaos: Chaos::new(0, clock, None, 0) }
    }

    /// Creates a topic. One of that name is deleted first.
    pub fn create(&self, topic: &str, partitions: usize) {
        self.world.lock().create(topic, partitions);
    }

    /// Appends so many records to a partition.
    pub fn write(&self, topic: &str, partition: i32, count: usize) {
        let mut state = self.world.lock();
        let entries: Vec<Entry> = (0..count).map(|_| Entry::Record(state.value())).collect();
        if let Some(log) = state.log(&TopicPartition::new(topic, partition)) {
            log.entries.extend(entries);
        }
    }

    /// Deletes all that groups have committed, as `offsets.retention.minutes` does.
    pub fn forget_groups(&self) {
        self.world.lock().groups.clear();
    }

    /// Lets time pass.
    pub fn advance(&self, by: Millis) {
        self.chaos.clock.advance(by);
    }

    /// The clock of this cluster and of who works on it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.chaos.clock.clone()
    }

    /// As a backup with this GROUP_ID reads it.
    pub fn source(&self, group: &str) -> Arc<dyn SourceCluster> {
        Arc::new(SimSource::new(self.world.clone(), self.chaos.clone(), group, BTreeMap::new()))
    }

    /// As snapshots are taken of it.
    pub fn administration(&self) -> Arc<dyn ClusterAdministration> {
        Arc::new(SimAdministration { world: self.world.clone(), chaos: self.chaos.clone() })
    }

    /// As a restore writes to it.
    pub fn target(&self) -> Arc<dyn TargetCluster> {
        Arc::new(SimTarget { world: self.world.clone(), chaos: self.chaos.clone() })
    }
}
