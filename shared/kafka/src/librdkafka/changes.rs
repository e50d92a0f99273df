//! Changes of a cluster other than records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::clock::Millis;
use rdkafka::Offset;

use super::errors::{self, Doing};
use super::native::{Changed, Code, Failure, Handle, Known, NO_SUCH_RECORD, Outcomes};
use super::target::RdKafkaTarget;
use super::tries::{Asker, Tries};
use super::{coordinator, source};
use crate::{Acl, ClusterChanges, CommittedOffset, EachPartition, KafkaError, KafkaErrorKind, Result, TopicPartition};

/// Bytes of one commit: the coordinator writes it as one batch, and Kafka's offsets topic accepts a
/// mebibyte.
const COMMIT: usize = 400_000;
/// Bytes of an offset in it, without names and metadata.
const OFFSET: usize = 80;
/// Entries of one request: a controller accepts up to 10,000 changes at a time.
const ACLS: usize = 500;

#[async_trait]
impl ClusterChanges for RdKafkaTarget {
    async fn commit_group(&self, group: &str, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> Result<EachPartition> {
        let all: Vec<TopicPartition> = offsets.keys().cloned().collect();
        GroupChange { asker: &self.asker, group, commit: Some(offsets) }.make(&all).await
    }

    async fn forget_offsets(&self, group: &str, partitions: &[TopicPartition]) -> Result<EachPartition> {
        GroupChange { asker: &*self.about_groups()?, group, commit: None }.make(&once(partitions)).await
    }

    async fn alter_configs(&self, topic: &str, changes: &BTreeMap<String, Option<String>>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut tries = self.asker.tries(topic, Doing::AlterConfigs);
        loop {
            match tries.handle().alter_topic_configs(topic, changes, tries.limit()).await {
                Ok(()) => return Ok(()),
                Err(failure) => tries.again(failure).await?,
            }
        }
    }

    async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        change_acls(&self.asker, acls, Doing::CreateAcls).await
    }

    async fn delete_acls(&self, acls: &[Acl]) -> Result<Vec<Result<()>>> {
        change_acls(&self.asker, acls, Doing::DeleteAcls).await
    }

    async fn offsets_at(&self, partitions: &[TopicPartition], time: Millis) -> Result<EachPartition<Option<i64>>> {
        let all = once(partitions);
        // Values below 0 have other meanings in the protocol: Kafka's index does not include
        // records without a timestamp.
        let found = source::list_each(&self.asker, &all, Offset::Offset(time.max(0)), false).await?;
        let absent: Vec<&TopicPartition> = all.iter().filter(|partition| !found.contains_key(partition)).collect();
        let absent = why_absent(&self.asker, &absent).await?;
        let found = found.into_iter().map(|(partition, offset)| {
            let offset = offset.map(|offset| Some(offset).filter(|offset| *offset != NO_SUCH_RECORD));
            (partition, offset)
        });
        Ok(found.chain(absent.into_iter().map(|(partition, error)| (partition, Err(error)))).collect())
    }
}

/// Why the leaders of these partitions do not report them.
async fn why_absent(asker: &Asker, absent: &[&TopicPartition]) -> Result<Vec<(TopicPartition, KafkaError)>> {
    let topics: BTreeSet<&String> = absent.iter().map(|partition| &partition.topic).collect();
    let topics: Vec<String> = topics.into_iter().cloned().collect();
    let there = source::describe_each(asker, &topics).await?;
    let why = |partition: &&TopicPartition| {
        let error = match there.get(&partition.topic) {
            Some(Ok(facts)) if partition.partition < facts.partitions => KafkaError::new(
                KafkaErrorKind::Unavailable,
                partition.to_string(),
                "the partition has no leader that responds, so its offsets are unknown: try again later",
            ),
            Some(Err(error)) => KafkaError::new(error.kind, partition.to_string(), error.what.clone()),
            _ => asker.errors().error(partition, Doing::ListOffsets, Code::UNKNOWN_TOPIC_OR_PART.into(), None),
        };
        ((*partition).clone(), error)
    };
    Ok(absent.iter().map(why).collect())
}

/// A change of a group's offsets.
struct GroupChange<'a> {
    asker: &'a Asker,
    group: &'a str,
    /// The offsets to commit; `None`: delete offsets.
    commit: Option<&'a BTreeMap<TopicPartition, CommittedOffset>>,
}

impl GroupChange<'_> {
    /// Changes all of these partitions (no duplicates): with one request, or a few if one would be
    /// too large.
    ///
    /// # Errors
    /// An error of the group, not of a partition.
    async fn make(&self, all: &[TopicPartition]) -> Result<EachPartition> {
        let mut each = EachPartition::new();
        let mut rest = all;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(fitting(rest, |partition| self.size(partition)));
            self.make_some(some, &mut each).await?;
            rest = others;
        }
        Ok(each)
    }

    /// Like `make`, with one request. Transient errors are retried, for the partitions that they
    /// concern.
    async fn make_some(&self, some: &[TopicPartition], each: &mut EachPartition) -> Result<()> {
        let mut tries = self.asker.tries(format!("consumer group {}", self.group), self.doing()).twice();
        let mut open = some.to_vec();
        while !open.is_empty() {
            let failure = match self.ask(&tries.handle(), &open, tries.limit()).await {
                Err(failure) => failure,
                Ok(changed) => match self.note(&tries, &mut open, changed, each)? {
                    Some(code) => code.into(),
                    None => return Ok(()),
                },
            };
            if let Err(error) = tries.again(failure).await {
                return Err(coordinator::explained(self.asker, self.doing(), error).await);
            }
        }
        Ok(())
    }

    async fn ask(&self, handle: &Arc<Handle>, some: &[TopicPartition], limit: Duration) -> Result<Changed, Failure> {
        if let Some(offsets) = self.commit {
            return handle.commit(self.group, some.iter().filter_map(|partition| offsets.get_key_value(partition)), limit).await;
        }
        let gone = |partition: &TopicPartition| (partition.clone(), Ok(()));
        if !has_offset_delete(handle, limit).await? {
            return Err(Failure::new(Code::UNSUPPORTED_FEATURE, "the brokers do not support OffsetDelete: it requires Kafka 2.4 or newer"));
        }
        match handle.delete_offsets(self.group, some, limit).await {
            Ok(changed) => Ok(changed.into_iter().map(|(partition, outcome)| (partition, outcome.or_else(unless_gone))).collect()),
            Err(failure) if failure.code == Code::GROUP_ID_NOT_FOUND => Ok(some.iter().map(gone).collect()),
            Err(failure) => Err(failure),
        }
    }

    /// Records the results of the open partitions. Those with a transient error stay open.
    ///
    /// # Errors
    /// An error of the group.
    fn note(
        &self,
        tries: &Tries<'_>,
        open: &mut Vec<TopicPartition>,
        mut changed: Changed,
        each: &mut EachPartition,
    ) -> Result<Option<Code>> {
        if let Some(code) = changed.values().find_map(|outcome| outcome.err().filter(|code| is_of_group(*code))) {
            return Err(tries.error(code.into()));
        }
        let mut passing = None;
        for partition in std::mem::take(open) {
            let subject = || format!("consumer group {} on {partition}", self.group);
            let outcome = match changed.remove(&partition) {
                Some(Err(code)) if errors::is_transient(code) => {
                    passing = Some(code);
                    open.push(partition);
                    continue;
                }
                Some(outcome) if outcome != Err(Code::FAIL) => outcome.map_err(|code| tries.error_of(subject(), code.into())),
                _ => Err(tries.error_of(subject(), Failure::new(Code::FAIL, "the coordinator's response omits the partition"))),
            };
            each.insert(partition, outcome);
        }
        Ok(passing)
    }

    fn doing(&self) -> Doing {
        if self.commit.is_some() { Doing::CommitForGroup } else { Doing::ForgetOffsets }
    }

    fn size(&self, partition: &TopicPartition) -> usize {
        let metadata = self.commit.and_then(|offsets| offsets.get(partition)).map_or(0, |offset| offset.metadata.len());
        OFFSET + self.group.len() + partition.topic.len() + metadata
    }
}

/// Whether the brokers support OffsetDelete. Without it, librdkafka ends the process (its issue
/// 3663). A client learns it on each of its connections, before anything is answered.
async fn has_offset_delete(handle: &Arc<Handle>, limit: Duration) -> Result<bool, Failure> {
    let is_known = || handle.observer().signs().has_offset_delete;
    if !is_known() {
        handle.describe_cluster(false, limit).await?;
    }
    Ok(is_known())
}

/// Each of these once, in order.
fn once(partitions: &[TopicPartition]) -> Vec<TopicPartition> {
    let once: BTreeSet<&TopicPartition> = partitions.iter().collect();
    once.into_iter().cloned().collect()
}

/// How many of these partitions fit into a request; at least one.
fn fitting(partitions: &[TopicPartition], size: impl Fn(&TopicPartition) -> usize) -> usize {
    let mut bytes = 0;
    let fits = |partition: &&TopicPartition| {
        bytes += size(partition);
        bytes <= COMMIT
    };
    partitions.iter().take_while(fits).count().max(1)
}

/// Whether the response for a partition concerns its group. (A topic that members are subscribed to
/// does not.)
fn is_of_group(code: Code) -> bool {
    let kind = errors::kind(&code.into());
    code == Code::GROUP_AUTHORIZATION_FAILED || kind == KafkaErrorKind::GroupInUse && code != Code::GROUP_SUBSCRIBED_TO_TOPIC
}

/// An offset of a topic that does not exist does not exist either.
fn unless_gone(code: Code) -> Result<(), Code> {
    if errors::kind(&code.into()) == KafkaErrorKind::UnknownTopic { Ok(()) } else { Err(code) }
}

/// Sends these entries, except those that librdkafka cannot send exactly.
async fn change_acls(asker: &Asker, acls: &[Acl], doing: Doing) -> Result<Vec<Result<()>>> {
    let known: Vec<Result<Known, Failure>> = acls.iter().map(Known::of).collect();
    let to_send: Vec<&Known> = known.iter().flatten().collect();
    let mut outcomes = Outcomes::new();
    for batch in to_send.chunks(ACLS) {
        outcomes.extend(change_batch(asker, batch, doing).await?);
    }
    let mut outcomes = outcomes.into_iter();
    let of = |(acl, known): (&Acl, Result<Known, Failure>)| {
        let outcome = known.and_then(|_| outcomes.next().expect("an outcome for each"));
        outcome.map_err(|failure| asker.errors().error(entry(acl), doing, failure, None))
    };
    Ok(acls.iter().zip(known).map(of).collect())
}

/// Transient errors are retried for the whole batch: what is done already is no error.
async fn change_batch(asker: &Asker, batch: &[&Known], doing: Doing) -> Result<Outcomes> {
    let mut tries = asker.tries(format!("{} access control entries", batch.len()), doing);
    loop {
        let (handle, limit) = (tries.handle(), tries.limit());
        let answer = match doing {
            Doing::CreateAcls => handle.create_acls(batch, limit).await,
            _ => handle.delete_acls(batch, limit).await,
        };
        let outcomes = match answer {
            Ok(outcomes) => outcomes,
            Err(failure) => {
                tries.again(failure).await?;
                continue;
            }
        };
        let passing = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).find(|failure| errors::is_transient(failure.code));
        let Some(failure) = passing.cloned() else { return Ok(outcomes) };
        if tries.again(failure).await.is_err() {
            return Ok(outcomes);
        }
    }
}

/// An entry in the words of Kafka's tools.
fn entry(acl: &Acl) -> String {
    let Acl { resource, name, pattern, principal, host, operation, permission } = acl;
    format!("{permission} {operation} on {pattern} {resource} {name} for {principal} from {host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_room_for_one_partition_at_least() {
        let partitions: Vec<_> = (0..10).map(|partition| TopicPartition::new("orders", partition)).collect();
        assert_eq!(fitting(&partitions, |_| 100), 10);
        assert_eq!(fitting(&partitions, |_| COMMIT / 3), 3);
        assert_eq!(fitting(&partitions, |_| COMMIT + 1), 1);
    }

    #[test]
    fn a_group_in_use_is_told_from_a_topic_in_use() {
        assert!(
            is_of_group(Code::UNKNOWN_MEMBER_ID) && is_of_group(Code::NON_EMPTY_GROUP) && is_of_group(Code::GROUP_AUTHORIZATION_FAILED)
        );
        assert!(!is_of_group(Code::GROUP_SUBSCRIBED_TO_TOPIC) && !is_of_group(Code::TOPIC_AUTHORIZATION_FAILED));
    }
}
