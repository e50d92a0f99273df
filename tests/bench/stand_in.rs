//! A target cluster in memory: it keeps counts of records, groups' offsets and configs, and delays
//! each request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kafka::{
    Acl, ClusterAdministration, ClusterChanges, ClusterDescription, ClusterFacts, CommittedOffset, Delivery, EachPartition, Extent,
    GroupListing, GroupOffset, GroupOffsets, Groups, NewTopic, Queued, RecordWriter, Result, Right, ScramUser, TargetCluster, TopicConfigs,
    TopicFacts, TopicPartition, WriterName, Written,
};
use kernel::clock::Millis;
use kernel::lock;
use kernel::record::Record;

/// Parallel requests about groups, as in the adapter.
const AT_ONCE: usize = 16;

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<String, (NewTopic, Vec<i64>)>,
    groups: BTreeMap<String, BTreeMap<TopicPartition, CommittedOffset>>,
    progress: BTreeMap<String, CommittedOffset>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    state: Arc<Mutex<State>>,
    requests: Arc<AtomicUsize>,
    /// In milliseconds.
    pause: Arc<AtomicU64>,
}

impl Target {
    /// An empty cluster.
    pub(crate) fn new(pause: Arc<AtomicU64>) -> Self {
        Self { state: Arc::default(), requests: Arc::default(), pause }
    }

    /// The number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    async fn request(&self, count: usize) {
        self.requests.fetch_add(count, Ordering::Relaxed);
        let waves = u32::try_from(count.div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
        let pause = Duration::from_millis(self.pause.load(Ordering::Relaxed));
        if !pause.is_zero() {
            tokio::time::sleep(pause * waves).await;
        }
    }

    fn facts(&self, topic: &str) -> Option<TopicFacts> {
        let state = lock(&self.state);
        let (new, partitions) = state.topics.get(topic)?;
        let partitions = i32::try_from(partitions.len()).ok()?;
        Some(TopicFacts { id: None, partitions, replication_factor: Some(3), configs: new.configs.clone() })
    }
}

#[async_trait]
impl TargetCluster for Target {
    async fn cluster(&self) -> Result<ClusterFacts> {
        self.request(1).await;
        Ok(ClusterFacts { id: Some("bench".to_owned()), brokers: 3 })
    }

    async fn describe(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.request(2).await;
        Ok(self.facts(topic))
    }

    async fn find(&self, topic: &str) -> Result<Option<TopicFacts>> {
        self.request(1).await;
        Ok(self.facts(topic))
    }

    async fn find_all(&self, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>> {
        self.request(1).await;
        Ok(topics.iter().filter_map(|topic| Some((topic.clone(), self.facts(topic)?))).collect())
    }

    async fn create(&self, new: &NewTopic) -> Result<()> {
        self.request(1).await;
        let partitions = vec![0; usize::try_from(new.partitions).unwrap_or(0)];
        lock(&self.state).topics.insert(new.name.clone(), (new.clone(), partitions));
        Ok(())
    }

    async fn extents(&self, topic: &str, _partitions: i32) -> Result<Vec<Extent>> {
        self.request(2).await;
        let state = lock(&self.state);
        Ok(state.topics.get(topic).into_iter().flat_map(|(_, ends)| ends).map(|end| Extent { start: 0, end: *end }).collect())
    }

    async fn open(&self, writer: &WriterName, _delivery: Delivery) -> Result<Box<dyn RecordWriter>> {
        Ok(Box::new(Writer { target: self.clone(), name: writer.clone(), open: BTreeMap::new() }))
    }
}

#[derive(Debug)]
struct Writer {
    target: Target,
    name: WriterName,
    open: BTreeMap<i32, i64>,
}

#[async_trait]
impl RecordWriter for Writer {
    fn transaction_timeout(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn progress(&mut self) -> Result<Option<CommittedOffset>> {
        Ok(lock(&self.target.state).progress.get(&self.name.id).cloned())
    }

    fn write(&mut self, partition: i32, _record: &Record<'_>) -> Result<Queued> {
        *self.open.entry(partition).or_default() += 1;
        Ok(Queued::Taken)
    }

    async fn room(&mut self) -> Result<()> {
        Ok(())
    }

    async fn flush(&mut self) -> Result<Vec<Written>> {
        let mut state = lock(&self.target.state);
        let Some((_, ends)) = state.topics.get_mut(&self.name.topic) else { return Ok(Vec::new()) };
        let mut written = Vec::new();
        for (partition, count) in std::mem::take(&mut self.open) {
            let end = usize::try_from(partition).ok().and_then(|index| ends.get_mut(index));
            written.push(Written { partition, first: end.as_deref().copied(), count });
            if let Some(end) = end {
                *end += count;
            }
        }
        Ok(written)
    }

    async fn commit(&mut self, progress: &CommittedOffset) -> Result<()> {
        lock(&self.target.state).progress.insert(self.name.id.clone(), progress.clone());
        Ok(())
    }
}

#[async_trait]
impl ClusterAdministration for Target {
    async fn cluster(&self) -> Result<ClusterDescription> {
        self.request(1).await;
        Ok(ClusterDescription { id: Some("bench".to_owned()), brokers: Vec::new(), rights: Some([Right::Describe].into()) })
    }

    async fn groups(&self) -> Result<Groups> {
        self.request(3).await;
        let listing = GroupListing { state: "Empty".to_owned(), kind: "Classic".to_owned(), is_simple: true };
        let groups = lock(&self.state).groups.keys().map(|group| (group.clone(), listing.clone())).collect();
        Ok(Groups { groups, missing: Vec::new() })
    }

    async fn group_offsets(&self, groups: &[String]) -> Result<BTreeMap<String, Result<GroupOffsets>>> {
        self.request(groups.len()).await;
        let state = lock(&self.state);
        let offset = |of: &CommittedOffset| GroupOffset { offset: of.next, metadata: of.metadata.clone(), pending: false };
        let of = |group: &String| -> GroupOffsets {
            let offsets = state.groups.get(group).into_iter().flatten();
            offsets.map(|(at, of)| (at.clone(), Ok(offset(of)))).collect()
        };
        Ok(groups.iter().map(|group| (group.clone(), Ok(of(group)))).collect())
    }

    async fn topic_configs(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
        self.request(topics.len().div_ceil(100)).await;
        let state = lock(&self.state);
        let configs = |topic: &String| {
            let own = state.topics.get(topic).map(|(new, _)| new.configs.clone()).unwrap_or_default();
            let mut effective = BTreeMap::from([("retention.ms".to_owned(), "604800000".to_owned())]);
            effective.extend(own.clone());
            TopicConfigs { own, effective, inherited: BTreeMap::new() }
        };
        Ok(topics.iter().map(|topic| (topic.clone(), Ok(configs(topic)))).collect())
    }

    async fn acls(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<Acl>> {
        self.request(1).await;
        Ok(Vec::new())
    }

    async fn users(&self, _cluster: Option<&ClusterDescription>) -> Result<Vec<ScramUser>> {
        self.request(1).await;
        Ok(Vec::new())
    }
}

#[async_trait]
impl ClusterChanges for Target {
    async fn commit_group(&self, group: &str, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> Result<EachPartition> {
        self.request(1).await;
        lock(&self.state).groups.entry(group.to_owned()).or_default().extend(offsets.clone());
        Ok(offsets.keys().map(|at| (at.clone(), Ok(()))).collect())
    }

    async fn forget_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<EachPartition> {
        self.request(1).await;
        if let Some(offsets) = lock(&self.state).groups.get_mut(group) {
            partitions.iter().for_each(|at| _ = offsets.remove(at));
        }
        Ok(partitions.iter().map(|at| (at.clone(), Ok(()))).collect())
    }

    async fn alter_configs(&self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<()> {
        self.request(1).await;
        if let Some((new, _)) = lock(&self.state).topics.get_mut(topic) {
            for (name, value) in changes {
                match value {
                    Some(value) => _ = new.configs.insert(name.clone(), value.clone()),
                    None => _ = new.configs.remove(name),
                }
            }
        }
        Ok(())
    }

    async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        self.request(1).await;
        Ok(acls.iter().map(|_| Ok(())).collect())
    }

    async fn delete_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        self.request(1).await;
        Ok(acls.iter().map(|_| Ok(())).collect())
    }

    async fn offsets_at(&self, partitions: &[TopicPartition], _time: Millis) -> Result<EachPartition<Option<i64>>> {
        self.request(1).await;
        Ok(partitions.iter().map(|at| (at.clone(), Ok(None))).collect())
    }
}
