//! The cluster that backup reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kernel::{Deadline, lock};
use rdkafka::Offset;

use super::errors::{self, Doing, few_of};
use super::native::{Code, Committed, Failure, Handle, Stream};
use super::probe::Prober;
use super::reader::Reader;
use super::reading::ReadingClient;
use super::tries::{Asker, Tries};
use super::waiting::watched;
use super::{configs, coordinator};
use crate::{
    CommittedOffset, Isolation, KafkaErrorKind, KafkaSettings, OffsetRange, PartitionReader, Result, Right, Rights, SourceCluster,
    TopicFacts, TopicId, TopicPartition,
};

/// With fewer tries left than this, a partition is taken as leaderless.
const LEADERLESS: usize = 4;

/// A source cluster, through librdkafka. One client sends requests and another serves all readers,
/// so that no request waits for a broker that waits for records.
#[derive(Debug)]
pub struct RdKafkaSource {
    settings: Arc<KafkaSettings>,
    group: String,
    isolation: Isolation,
    pub(super) asker: Asker,
    reading: Arc<ReadingClient>,
    /// Id of the cluster that responded last.
    cluster: Mutex<Option<String>>,
}

impl RdKafkaSource {
    /// A client for the cluster of `settings`. Connects when first used.
    ///
    /// `group` is the consumer group that stores the progress. `prefetch` limits the bytes of
    /// records that are prefetched per partition; librdkafka's bookkeeping and a response in
    /// transit are in addition.
    ///
    /// # Errors
    /// [`KafkaErrorKind::Config`]: properties contradict each other, or name a file that cannot be
    /// read.
    pub fn connect(settings: &KafkaSettings, group: &str, isolation: Isolation, prefetch: usize) -> Result<Self> {
        let asker = Asker::new(settings, Some(group))?;
        let settings = Arc::new(settings.clone());
        let reading = Arc::new(ReadingClient::new(&settings, isolation, prefetch));
        Ok(Self { settings, group: group.to_owned(), isolation, asker, reading, cluster: Mutex::default() })
    }

    /// With this limit of memory for a response for one partition, instead of the prefetch limit.
    pub fn unpacking(self, bytes: usize) -> Self {
        // Nothing was opened yet, so there is no other owner.
        let reading = Arc::into_inner(self.reading).expect("no reader was opened");
        Self { reading: Arc::new(reading.unpacking(bytes)), ..self }
    }

    /// With requests that end in time for the invocation that `deadline` limits.
    pub fn until(self, deadline: &Deadline) -> Self {
        Self { asker: self.asker.until(deadline), ..self }
    }

    async fn rights_on_topics(&self, topics: &[String]) -> Result<BTreeMap<String, Option<BTreeSet<Right>>>> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut tries = self.asker.tries("all topics", Doing::DescribeTopic);
        loop {
            match tries.handle().rights_on_topics(topics, tries.limit()).await {
                Ok(rights) => return Ok(rights),
                // The brokers do not support the request.
                Err(failure) if errors::kind(&failure) == KafkaErrorKind::Unsupported => {
                    let seen = describe_each(&self.asker, topics).await?;
                    return Ok(seen.into_iter().filter(|(_, facts)| facts.is_ok()).map(|(topic, _)| (topic, None)).collect());
                }
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    /// A group that may not even be described gives no permission.
    async fn rights_on_group(&self) -> Result<Option<BTreeSet<Right>>> {
        let mut tries = self.asker.tries(self.group_subject(), Doing::DescribeGroup);
        loop {
            match tries.handle().rights_on_group(&self.group, tries.limit()).await {
                Ok(rights) => return Ok(rights),
                Err(failure) => match errors::kind(&failure) {
                    KafkaErrorKind::Denied => return Ok(Some(BTreeSet::new())),
                    // The brokers do not support the request.
                    KafkaErrorKind::Unsupported => return Ok(None),
                    _ => tries.again(failure).await?,
                },
            }
        }
    }

    fn group_subject(&self) -> String {
        format!("consumer group {}", self.group)
    }
}

#[async_trait]
impl SourceCluster for RdKafkaSource {
    async fn describe(&self, topics: &[String]) -> Result<BTreeMap<String, Result<TopicFacts>>> {
        let described = describe_each(&self.asker, topics).await?;
        // A client that was just renewed has no response yet.
        if let Some(id) = self.asker.cluster_id() {
            *lock(&self.cluster) = Some(id);
        }
        self.reading.described(&described);
        Ok(described)
    }

    async fn names(&self) -> Result<BTreeSet<String>> {
        let mut tries = self.asker.tries("all topics", Doing::ListTopics);
        loop {
            let (handle, limit, start) = (tries.handle(), tries.limit(), Instant::now());
            let asked = Arc::clone(&handle);
            let hinders = || handle.observer().hopeless(start);
            match watched(&handle, hinders, move || asked.topic_names(limit)).await {
                Ok(names) => return Ok(names),
                Err(failure) => tries.again(hinders().filter(|_| failure.code == Code::TIMED_OUT).unwrap_or(failure)).await?,
            }
        }
    }

    async fn rights(&self, topics: &[String]) -> Result<Rights> {
        Ok(Rights { topics: self.rights_on_topics(topics).await?, group: self.rights_on_group().await? })
    }

    fn cluster_id(&self) -> Option<String> {
        lock(&self.cluster).clone()
    }

    async fn configs(&self, topic: &str) -> Result<Option<BTreeMap<String, String>>> {
        configs::of_topic(&self.asker, topic, |own| own).await
    }

    async fn offsets(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, Result<OffsetRange>>> {
        // In this order none of the later offsets can be smaller than an earlier one. A broker that
        // does not respond is waited for once.
        let log_start = list_each(&self.asker, partitions, Offset::Beginning, false).await?;
        let led: Vec<TopicPartition> = log_start.iter().filter(|(_, offset)| offset.is_ok()).map(|(led, _)| led.clone()).collect();
        let mut end = match self.isolation {
            Isolation::ReadCommitted => Some(list_each(&self.asker, &led, Offset::End, true).await?),
            Isolation::ReadUncommitted => None,
        };
        let mut high_watermark = list_each(&self.asker, &led, Offset::End, false).await?;
        let mut range = |partition: &TopicPartition, log_start: Result<i64>| -> Result<Option<OffsetRange>> {
            let log_start = log_start?;
            let Some(high_watermark) = high_watermark.remove(partition).transpose()? else { return Ok(None) };
            let end = match &mut end {
                Some(end) => end.remove(partition).transpose()?,
                None => Some(high_watermark),
            };
            Ok(end.map(|end| OffsetRange { log_start, end, high_watermark }))
        };
        let ranges = log_start.into_iter().filter_map(|(partition, log_start)| {
            let range = range(&partition, log_start).transpose()?;
            Some((partition, range))
        });
        let ranges = ranges.collect();
        self.reading.listed(&ranges);
        Ok(ranges)
    }

    fn ask_anew(&self) -> Result<()> {
        self.asker.renew()
    }

    async fn committed(&self, partitions: &[TopicPartition]) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
        committed(&self.asker, self.group_subject(), partitions).await
    }

    async fn commit(&self, partition: &TopicPartition, offset: &CommittedOffset) -> Result<()> {
        let mut tries = self.asker.tries(format!("{} on {partition}", self.group_subject()), Doing::Commit).twice();
        loop {
            let answer = tries.handle().commit(&self.group, [(partition, offset)], tries.limit()).await;
            match answer.and_then(|mut changed| Ok(changed.remove(partition).unwrap_or(Err(Code::FAIL))?)) {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    if let Err(error) = tries.again(failure).await {
                        return Err(coordinator::explained(&self.asker, Doing::Commit, error).await);
                    }
                }
            }
        }
    }

    async fn open(&self, partition: &TopicPartition, from: i64) -> Result<Box<dyn PartitionReader>> {
        let (handle, claim) = self.reading.claim(partition).await?;
        let stream = Stream::start(&handle, &partition.topic, partition.partition, from, claim)
            .map_err(|failure| self.asker.errors().error(partition, Doing::Read, failure, None))?;
        let prober = Prober { settings: Arc::clone(&self.settings), isolation: self.isolation };
        Ok(Box::new(Reader::new(stream, partition.clone(), from, self.asker.errors().clone(), prober, Arc::clone(&self.reading))))
    }
}

/// One offset of each partition, as [`list_each`] returns them.
///
/// # Errors
/// No broker responds, or one refuses to report a partition.
pub(super) async fn list(
    asker: &Asker,
    partitions: &[TopicPartition],
    offset: Offset,
    read_committed: bool,
) -> Result<BTreeMap<TopicPartition, i64>> {
    let each = list_each(asker, partitions, offset, read_committed).await?;
    each.into_iter().map(|(partition, offset)| Ok((partition, offset?))).collect()
}

/// One offset of each partition, or its leader's permanent error. A partition whose leader is
/// missing or does not respond is absent, after some tries; a try that used up its timeout is the
/// last one.
///
/// # Errors
/// No broker responds.
pub(super) async fn list_each(
    asker: &Asker,
    partitions: &[TopicPartition],
    offset: Offset,
    read_committed: bool,
) -> Result<BTreeMap<TopicPartition, Result<i64>>> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut tries = asker.tries(topics(partitions), Doing::ListOffsets);
    let (start, limit) = (Instant::now(), tries.limit());
    loop {
        let handle = tries.handle();
        let answer = handle.list_offsets(partitions, offset, read_committed, tries.limit()).await;
        let is_last = tries.left() < LEADERLESS || start.elapsed() >= limit * 9 / 10;
        let failure = match answer {
            // None of the partitions has a leader, or exists.
            Err(failure) if failure.code == Code::NOENT && is_last => return Ok(BTreeMap::new()),
            Err(failure) => failure,
            Ok(answer) => {
                let failures: Vec<Code> = answer.values().filter_map(|offset| offset.err()).filter(|code| !is_absent(*code)).collect();
                match failures.iter().find(|code| errors::is_transient(**code)) {
                    Some(code) if !is_last => (*code).into(),
                    Some(code) if failures.iter().all(|code| *code == Code::TRANSPORT) && answer.values().all(Result::is_err) => {
                        return Err(tries.error((*code).into()));
                    }
                    _ => return Ok(answer.into_iter().filter_map(|(partition, offset)| of_partition(&tries, partition, offset)).collect()),
                }
            }
        };
        let knows_no_leader = [Code::NOENT, Code::LEADER_NOT_AVAILABLE].contains(&failure.code);
        tries.again(failure).await?;
        // librdkafka remembers that there was no leader, and asks no broker: the last try uses a
        // new client.
        if knows_no_leader && tries.left() < LEADERLESS {
            asker.renew_from(&handle)?;
        }
    }
}

/// The result of a ListOffsets for a partition. `None`: it does not exist, or has no leader.
fn of_partition(tries: &Tries<'_>, partition: TopicPartition, offset: Result<i64, Code>) -> Option<(TopicPartition, Result<i64>)> {
    let offset = match offset {
        Err(code) if is_absent(code) || errors::is_transient(code) => return None,
        Err(code) => Err(tries.error_of(&partition, code.into())),
        Ok(offset) => Ok(offset),
    };
    Some((partition, offset))
}

/// DescribeTopics, as [`describe_each`] returns them.
///
/// # Errors
/// No broker responds, or one of the topics cannot be described.
pub(super) async fn describe(asker: &Asker, topics: &[String]) -> Result<BTreeMap<String, TopicFacts>> {
    describe_each(asker, topics).await?.into_iter().map(|(name, facts)| Ok((name, facts?))).collect()
}

/// DescribeTopics: the facts of each topic that exists, or why the cluster does not report them.
/// Transient errors are retried for all of them.
///
/// # Errors
/// No broker responds.
pub(super) async fn describe_each(asker: &Asker, topics: &[String]) -> Result<BTreeMap<String, Result<TopicFacts>>> {
    let once: BTreeSet<&String> = topics.iter().collect();
    let once: Vec<String> = once.into_iter().cloned().collect();
    if once.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut tries = asker.tries(few_of(once.iter().map(String::as_str).collect()), Doing::DescribeTopic);
    loop {
        let described = match tries.handle().describe_topics(&once, tries.limit()).await {
            Ok(described) => described,
            Err(failure) => {
                tries.again(failure).await?;
                continue;
            }
        };
        let mut passing = described.values().filter_map(|topic| topic.as_ref().err()).filter(|failure| errors::is_transient(failure.code));
        if let Some(failure) = passing.next()
            && tries.again(failure.clone()).await.is_ok()
        {
            continue;
        }
        let facts = described.into_iter().filter_map(|(name, topic)| {
            let facts = match topic {
                Err(failure) if errors::kind(&failure) == KafkaErrorKind::UnknownTopic => return None,
                Err(failure) => Err(tries.error_of(&name, failure)),
                Ok(topic) => {
                    let partitions = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
                    let replication_factor = i32::try_from(topic.replicas).ok().filter(|replicas| *replicas > 0);
                    Ok(TopicFacts { id: TopicId::from_halves(topic.id), partitions, replication_factor, configs: BTreeMap::new() })
                }
            };
            Some((name, facts))
        });
        return Ok(facts.collect());
    }
}

/// OffsetFetch of the group of `asker`, for source and target.
pub(super) async fn committed(
    asker: &Asker,
    subject: String,
    partitions: &[TopicPartition],
) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut tries = asker.tries(subject, Doing::FetchCommitted);
    loop {
        let failure = match wait_for_committed(&tries.handle(), partitions, tries.limit()).await {
            Err(failure) => failure,
            Ok(answer) => match answer.values().find_map(|offset| offset.as_ref().err().filter(|code| !is_absent(**code))) {
                Some(code) => (*code).into(),
                None => {
                    let some = answer.into_iter().filter_map(|(partition, offset)| Some((partition, offset.ok()??)));
                    return Ok(some.collect());
                }
            },
        };
        if let Err(error) = tries.again(failure).await {
            return Err(coordinator::explained(asker, Doing::FetchCommitted, error).await);
        }
    }
}

/// Waits for the response, and checks meanwhile for problems.
async fn wait_for_committed(
    handle: &Arc<Handle>,
    partitions: &[TopicPartition],
    limit: Duration,
) -> Result<BTreeMap<TopicPartition, Committed>, Failure> {
    let (start, partitions) = (Instant::now(), partitions.to_vec());
    let hinders = || {
        let clear = handle.group_failure().filter(|failure| !errors::is_transient(failure.code));
        clear.or_else(|| handle.observer().hopeless(start))
    };
    let asked = Arc::clone(handle);
    let answer = watched(handle, hinders, move || asked.committed(&partitions, limit)).await;
    // A search that has just ended may have reported why.
    answer.inspect(|_| handle.observer().answered()).map_err(|failure| match failure.code {
        Code::TIMED_OUT => hinders().unwrap_or(failure),
        _ => failure,
    })
}

/// Whether the result for a partition means that it does not exist.
fn is_absent(code: Code) -> bool {
    errors::kind(&code.into()) == KafkaErrorKind::UnknownTopic
}

fn topics(partitions: &[TopicPartition]) -> String {
    let topics: BTreeSet<&str> = partitions.iter().map(|partition| partition.topic.as_str()).collect();
    few_of(topics.into_iter().collect())
}
