//! The target topic: created from `topic.json` if it does not exist, checked and never altered if
//! it does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use archive::catalog::{Claim, PartitionStrategy, names};
use archive::segment::Manifest;
use archive::{Error, Result};
use kafka::{ClusterFacts, Extent, KafkaError, KafkaErrorKind, NewTopic, TopicFacts};
use kernel::clock::Millis;
use kernel::{failpoint, in_full};

use crate::Restore;
use crate::scope::Scope;
use crate::source::Source;
use crate::together::try_at_once;
use crate::work::Shared;

/// The target as this invocation found or created it.
#[derive(Debug, Clone)]
pub(crate) struct TargetTopic {
    pub(crate) facts: TopicFacts,
    /// Its cluster.
    pub(crate) cluster: ClusterFacts,
    /// Configs of the original that the restored topic does not have yet.
    pub(crate) wanted_configs: BTreeMap<String, String>,
}

/// Configs of the original that a restored topic gets immediately: they decide what it accepts. All
/// others wait until the restore is verified.
pub(crate) const KEPT: [&str; 2] = ["compression.type", MIN_INSYNC];

/// How many replicas must have a record before it counts as written.
pub(crate) const MIN_INSYNC: &str = "min.insync.replicas";

/// The size limit of a batch, compressed.
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// Room for every record. The original's limit is for what its producers sent, compressed as they
/// chose. Here a record is compressed in another way, and alone.
const ROOM: &str = "2147483647";

/// What a topic needs so that old records survive in it and none is refused.
pub(crate) const WHILE_RESTORING: [(&str, &str); 7] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    ("message.timestamp.type", "CreateTime"),
    ("message.timestamp.before.max.ms", NO_LIMIT),
    ("message.timestamp.after.max.ms", NO_LIMIT),
    (MAX_MESSAGE_BYTES, ROOM),
];

/// One less than the largest number, which brokers from 3.6 to 3.9 take as "not set": then the
/// cluster's `log.message.timestamp.difference.max.ms` applies
/// (`LogConfig.messageTimestampBeforeMaxMs`).
const NO_LIMIT: &str = "9223372036854775806";

impl Restore {
    /// Finds the target topic, or creates it for a restore without any record yet.
    pub(crate) async fn target(&self, source: &Source, shared: &Shared) -> Result<TargetTopic> {
        let binding = match shared.identity.get() {
            Some(identity) => self.binding(&source.folder, identity).await?.map(|(binding, _)| binding),
            None => None,
        };
        if let Some(binding) = &binding
            && let Some(what) = binding.differs(self.cluster.find(&binding.topic).await?.as_ref())
        {
            return Err(self.another_topic(&what));
        }
        let facts = match (self.cluster.describe(&source.target).await?, binding) {
            (Some(facts), _) => facts,
            (None, Some(binding)) => return Err(self.another_topic(&binding.differs(None).unwrap_or_default())),
            (None, None) => {
                shared.identity.get_or_try_init(|| self.note_one(source, &shared.cluster)).await?;
                self.create_target(source, &shared.cluster).await?
            }
        };
        Ok(TargetTopic::new(source, facts, shared.cluster.clone()))
    }

    /// Which of these topics exist. Waits for those that are `known` to have existed: a broker can
    /// learn of a topic later than another one.
    pub(crate) async fn there(&self, targets: &[String], known: &BTreeSet<&str>) -> Result<BTreeMap<String, TopicFacts>> {
        let mut there = self.cluster.find_all(targets).await?;
        let late = targets.iter().filter(|target| known.contains(target.as_str()) && !there.contains_key(*target));
        let find = late.map(|target| async move { Ok((target, self.cluster.find(target).await?)) });
        for (target, facts) in try_at_once(find.collect()).await? {
            there.extend(facts.map(|facts| (target.clone(), facts)));
        }
        Ok(there)
    }

    /// Why a restore of these topics cannot begin, by folder: the content, settings and owner of
    /// existing targets.
    ///
    /// # Errors
    /// An error of Kafka or of the bucket.
    pub(crate) async fn in_the_way(&self, scope: &Scope, cluster: &ClusterFacts) -> Result<BTreeMap<String, String>> {
        let targets: Vec<String> = scope.topics.iter().map(|topic| topic.source.target.clone()).collect();
        let there = self.cluster.find_all(&targets).await?;
        let look = scope.topics.iter().map(|topic| &topic.source).filter(|source| there.contains_key(&source.target));
        let look = look.map(|source| async move {
            match self.check_as_it_is(source, cluster).await {
                Ok(()) => Ok(None),
                Err(error) if error.is_retryable() => Err(error),
                Err(error) => Ok(Some((source.folder.clone(), in_full(&error)))),
            }
        });
        let found: Vec<Option<(String, String)>> = try_at_once(look.collect()).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Refuses an existing topic that cannot take the restore. One that a restore of this id
    /// already owns is left to that.
    async fn check_as_it_is(&self, source: &Source, cluster: &ClusterFacts) -> Result<()> {
        let Some(facts) = self.cluster.describe(&source.target).await? else { return Ok(()) };
        let name = names::claim(cluster.id.as_deref(), facts.id.as_ref(), &source.target);
        let target = TargetTopic::new(source, facts, cluster.clone());
        self.check_target(source, &target)?;
        let extents = self.cluster.extents(&source.target, target.facts.partitions).await?;
        // Read after the logs: their records may be from another invocation of this restore, which
        // has just begun.
        match Claim::load(self.store.as_ref(), &name).await? {
            Some((claim, _)) if claim.restore_id == self.id() => return Ok(()),
            Some((claim, _)) => self.check_claim(&claim, &name, &source.target).await?,
            None => {}
        }
        if extents.iter().all(Extent::is_empty) { Ok(()) } else { self.refuse_unless_empty(&source.target) }
    }

    async fn create_target(&self, source: &Source, cluster: &ClusterFacts) -> Result<TopicFacts> {
        let name = &source.target;
        let topic = self.new_topic(source, cluster);
        let partitions = topic.partitions;
        failpoint!("restore::topic::before");
        let created = self.create_as_allowed(topic, source).await;
        match created {
            Ok(()) => {
                failpoint!("restore::topic::after");
                tracing::info!("created topic {name} with {partitions} partitions and retention off");
            }
            // Of two concurrent invocations the other one was faster.
            Err(KafkaError { kind: KafkaErrorKind::TopicExists, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.cluster.describe(name).await?.ok_or_else(|| {
            KafkaError::new(KafkaErrorKind::Unavailable, name, "was just created and is not visible yet; the next invocation continues")
                .into()
        })
    }

    /// Creates the topic. A cluster can refuse what it does not support (older brokers), or does
    /// not allow (a policy): then without that.
    async fn create_as_allowed(&self, topic: NewTopic, source: &Source) -> kafka::Result<()> {
        let own_limit = source.generation.as_ref().and_then(|original| original.configs.get(MAX_MESSAGE_BYTES));
        let older = without_newer_configs(topic.clone());
        let (small, small_older) = (without_room(topic.clone(), own_limit), without_room(older.clone(), own_limit));
        let mut first_refusal = None;
        for topic in [topic, older, small, small_older] {
            match self.cluster.create(&topic).await {
                Err(error) if error.kind == KafkaErrorKind::InvalidConfig => _ = first_refusal.get_or_insert(error),
                other => return other,
            }
        }
        first_refusal.map_or(Ok(()), Err)
    }

    /// The target to create: as safe as the original, as far as the cluster has brokers for that.
    fn new_topic(&self, source: &Source, cluster: &ClusterFacts) -> NewTopic {
        let original = source.generation.as_ref();
        let configs = original.map(|generation| generation.configs.clone()).unwrap_or_default();
        let mut configs: BTreeMap<String, String> = configs.into_iter().filter(|(key, _)| KEPT.contains(&key.as_str())).collect();
        configs.extend(WHILE_RESTORING.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let recorded = original.and_then(|generation| generation.replication_factor).map(|factor| factor.min(cluster.brokers.max(1)));
        let replication_factor = self.settings.replication_factor.or_else(|| recorded.and_then(|factor| i16::try_from(factor).ok()));
        // A higher value than the number of replicas would refuse every record.
        if let (Some(factor), Some(least)) = (replication_factor, configs.get_mut(MIN_INSYNC))
            && least.parse().is_ok_and(|least: i32| least > i32::from(factor))
        {
            *least = factor.to_string();
        }
        NewTopic { name: source.target.clone(), partitions: source.partition_count().max(1), replication_factor, configs }
    }

    /// What can be known before the first write. Records that the target would refuse or delete
    /// immediately are not written at all.
    pub(crate) fn check_target(&self, source: &Source, target: &TargetTopic) -> Result<()> {
        let (has, needs) = (target.facts.partitions, source.partition_count());
        let mut problems = self.problems(&source.target);
        if self.settings.strategy == PartitionStrategy::Same && has < needs {
            problems.add(format!(
                "it has {has} partitions and the backup has {needs}, and each record goes to the partition that it came from \
                 (RESTORE_PARTITION_STRATEGY=same, the default): add partitions (kafka-topics.sh --bootstrap-server {} --alter --topic {} --partitions {needs}), or set \
                 RESTORE_PARTITION_STRATEGY=key, which keeps the order of records with the same key, or random, which does not",
                kernel::shell::quote(&self.settings.kafka.bootstrap_servers).unwrap_or("BOOTSTRAP_SERVERS".into()),
                kernel::shell::quote(&source.target).unwrap_or("RESTORE_TOPIC_NAME".into())
            ));
        }
        if target.config("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
            problems.add_unless(
                "compaction",
                "it is compacted (cleanup.policy), which can remove restored records before they are verified: set cleanup.policy=delete until then",
            );
        }
        if target.config("message.timestamp.type") == Some("LogAppendTime") {
            problems.add_unless(
                "timestamps",
                "it sets timestamps to the time of appending (message.timestamp.type=LogAppendTime), so those of the \
                 records would be lost: set CreateTime",
            );
        }
        if let Some(limit) = target.number("retention.bytes").filter(|limit| target.deletes() && *limit >= 0) {
            problems.add_unless(
                "retention",
                format!(
                    "it keeps at most {limit} bytes of a partition (retention.bytes), and deletes the rest during the \
                     restore. Set retention.bytes=-1 until the restore is verified"
                ),
            );
        }
        problems.refuse()
    }

    /// What can be known from a segment's manifest before any of its records is written.
    pub(crate) fn check_segment(&self, source: &Source, target: &TargetTopic, manifest: &Manifest, now: Millis) -> Result<()> {
        if manifest.is_out_of(self.settings.times) {
            return Ok(());
        }
        self.check_largest(source, target, manifest.largest_record)?;
        let mut problems = self.problems(&source.target);
        if let Some((min, max)) = manifest.times().and_then(|times| self.settings.times.part_of(times)) {
            check_times(target, min, max, now, &mut problems);
        }
        problems.refuse()
    }

    /// Refuses a record that is certainly too large. The limit is for a compressed batch, so a
    /// record that is written with compression may fit: the broker decides.
    pub(crate) fn check_largest(&self, source: &Source, target: &TargetTopic, largest: u64) -> Result<()> {
        let limit = target.largest_batch().filter(|limit| largest > *limit && !self.settings.kafka.compresses());
        let Some(limit) = limit else { return Ok(()) };
        let mut problems = self.problems(&source.target);
        problems.add(format!(
            "it accepts records up to {limit} bytes, one of these has {largest}, and KAFKA_PROPERTIES turn \
             compression off: set {MAX_MESSAGE_BYTES}={largest}, or remove compression.codec=none"
        ));
        problems.refuse()
    }

    /// What to do about a record that the broker found too large: none of those seen has more than
    /// `largest` bytes.
    pub(crate) fn too_large(&self, source: &Source, target: &TargetTopic, largest: u64, refused: KafkaError) -> KafkaError {
        if let Some(file) = target.number("segment.bytes").and_then(|bytes| u64::try_from(bytes).ok()).filter(|file| *file < largest) {
            let what = format!(
                "{}. A record has up to {largest} bytes, and a log file of topic {:?} has at most {file} (segment.bytes): \
                 set segment.bytes={}. The next run continues with this record",
                refused.what,
                source.target,
                largest.saturating_mul(2)
            );
            return KafkaError { what, ..refused };
        }
        let limit = target.largest_batch().map(|limit| format!(" ({limit} bytes)")).unwrap_or_default();
        let what = format!(
            "{}. A record has up to {largest} bytes, and compressed it is still larger than {MAX_MESSAGE_BYTES} of topic {:?}{limit}: set \
             {MAX_MESSAGE_BYTES}={largest}. The next run continues with this record",
            refused.what, source.target
        );
        KafkaError { what, ..refused }
    }

    /// Records that this restore did not write, or may not have written.
    pub(crate) fn refuse_unless_empty(&self, topic: &str) -> Result<()> {
        let mut problems = self.problems(topic);
        problems.add_unless(
            "not-empty",
            format!(
                "it is not empty, and restore {:?} did not write to it before: its records would be mixed with the \
                 restored ones, or duplicated. Set another RESTORE_TOPIC_NAME, or the RESTORE_ID that wrote to it",
                self.id()
            ),
        );
        problems.refuse()
    }

    /// A target that another restore has written to, or will.
    pub(crate) fn refuse_unless_unclaimed(&self, claim: &Claim, topic: &str) -> Result<()> {
        let mut problems = self.problems(topic);
        problems.add_unless(
            "not-empty",
            format!(
                "it belongs to restore {:?}: the records would be mixed with those of that restore, or duplicated. Set \
                 another RESTORE_TOPIC_NAME, or that RESTORE_ID. To have the records of both, let that restore complete \
                 first",
                claim.restore_id
            ),
        );
        problems.refuse()
    }

    fn problems<'r>(&'r self, topic: &'r str) -> Problems<'r> {
        Problems { topic, anyway: &self.settings.anyway, found: Vec::new() }
    }
}

/// For brokers before 3.6, which limit both directions by one config.
fn without_newer_configs(mut topic: NewTopic) -> NewTopic {
    topic.configs.retain(|name, _| !name.starts_with("message.timestamp.before.") && !name.starts_with("message.timestamp.after."));
    topic.configs.insert("message.timestamp.difference.max.ms".to_owned(), i64::MAX.to_string());
    topic
}

/// With the limit of the original, or the broker's.
fn without_room(mut topic: NewTopic, own_limit: Option<&String>) -> NewTopic {
    topic.configs.remove(MAX_MESSAGE_BYTES);
    topic.configs.extend(own_limit.map(|limit| (MAX_MESSAGE_BYTES.to_owned(), limit.clone())));
    topic
}

fn check_times(target: &TargetTopic, min: Millis, max: Millis, now: Millis, problems: &mut Problems<'_>) {
    let age = now.saturating_sub(min);
    if let Some((limit, config)) = target.limit("message.timestamp.before.max.ms").filter(|(limit, _)| age > *limit) {
        problems.add(format!("it refuses records older than {limit} ms and the oldest here has {age} ms: raise {config}"));
    }
    let ahead = max.saturating_sub(now);
    if let Some((limit, config)) = target.limit("message.timestamp.after.max.ms").filter(|(limit, _)| ahead > *limit) {
        problems.add(format!("it refuses records {limit} ms ahead of its clock and one here is {ahead} ms ahead: raise {config}"));
    }
    if let Some(limit) = target.number("retention.ms").filter(|limit| target.deletes() && *limit >= 0 && age > *limit) {
        problems.add_unless(
            "retention",
            format!(
                "it deletes records older than {limit} ms (retention.ms) and the oldest here has {age} ms: they would be \
                 deleted soon after the restore. Set retention.ms=-1 until they are no longer needed"
            ),
        );
    }
}

impl TargetTopic {
    pub(crate) fn new(source: &Source, facts: TopicFacts, cluster: ClusterFacts) -> Self {
        let original = source.generation.as_ref().map(|generation| generation.configs.clone()).unwrap_or_default();
        let wanted_configs = original.into_iter().filter(|(key, value)| facts.configs.get(key).is_some_and(|now| now != value)).collect();
        Self { facts, cluster, wanted_configs }
    }

    fn config(&self, key: &str) -> Option<&str> {
        self.facts.configs.get(key).map(String::as_str)
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.config(key)?.parse().ok()
    }

    /// How far a timestamp may be from the broker's clock in one direction, and the config for
    /// that. Before 3.6 one config was for both directions, and up to 3.9 it applies if the newer
    /// one is not set.
    fn limit<'n>(&self, newer: &'n str) -> Option<(i64, &'n str)> {
        const BOTH: &str = "message.timestamp.difference.max.ms";
        let set = |name: &'n str| self.number(name).filter(|limit| *limit != i64::MAX).map(|limit| (limit, name));
        set(newer).or_else(|| set(BOTH))
    }

    /// The largest batch that it accepts, if known.
    fn largest_batch(&self) -> Option<u64> {
        self.config(MAX_MESSAGE_BYTES)?.parse().ok()
    }

    /// Whether retention applies.
    fn deletes(&self) -> bool {
        self.config("cleanup.policy").is_none_or(|policy| policy.contains("delete"))
    }
}

/// Why the target cannot take the restore.
struct Problems<'r> {
    topic: &'r str,
    /// RESTORE_ANYWAY.
    anyway: &'r [String],
    found: Vec<String>,
}

impl Problems<'_> {
    fn add(&mut self, problem: String) {
        self.found.push(problem);
    }

    /// A problem, or a warning if RESTORE_ANYWAY names its check.
    fn add_unless(&mut self, check: &str, problem: impl fmt::Display) {
        if self.anyway.iter().any(|one| one == check) {
            tracing::warn!(topic = self.topic, "{problem}; continuing anyway (RESTORE_ANYWAY={check})");
        } else {
            self.add(format!("{problem}, or RESTORE_ANYWAY={check}"));
        }
    }

    fn refuse(self) -> Result<()> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(Error::unfit(format!("topic {:?} cannot take the restore: {}", self.topic, self.found.join("; "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Defaults of brokers, and the settings of a cluster.
    #[test]
    fn the_limit_of_a_timestamp_is_the_one_that_the_broker_keeps_to() {
        const MAX: &str = "9223372036854775807";
        const BOTH: &str = "message.timestamp.difference.max.ms";
        const BEFORE: &str = "message.timestamp.before.max.ms";
        let limit = |configs: &[(&str, &str)]| {
            let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            TargetTopic {
                facts: TopicFacts { id: None, partitions: 1, replication_factor: None, configs },
                cluster: ClusterFacts::default(),
                wanted_configs: BTreeMap::new(),
            }
            .limit(BEFORE)
        };
        assert_eq!(limit(&[(BOTH, MAX)]), None, "3.5");
        assert_eq!(limit(&[(BOTH, "604800000")]), Some((604_800_000, BOTH)), "3.5, a week");
        assert_eq!(limit(&[(BOTH, MAX), (BEFORE, MAX)]), None, "3.7");
        assert_eq!(limit(&[(BOTH, "604800000"), (BEFORE, MAX)]), Some((604_800_000, BOTH)), "3.7, the older one set");
        let made = limit(&[(BOTH, "604800000"), (BEFORE, NO_LIMIT)]);
        assert_eq!(made, Some((i64::MAX - 1, BEFORE)), "3.7, made by a restore");
        assert_eq!(limit(&[(BEFORE, "3600000")]), Some((3_600_000, BEFORE)), "4.1, an hour");
    }
}
