//! What is there to do: a few requests for all partitions, never one for each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{BackupCommit, TopicIdentity};
use archive::{Error, Result};
use futures::try_join;
use kafka::{KafkaError, KafkaErrorKind, OffsetRange, TopicFacts, TopicPartition};
use kernel::clock::{Millis, age, rfc3339};

use crate::report::BackupReport;
use crate::resume::Known;
use crate::{Backup, Invocation, Run};

/// Brokers end a transaction of a living producer after this time at most (`transaction.max.timeout.ms`, by default).
const LONGEST_TRANSACTION: Millis = 15 * 60_000;

/// A partition of which nothing was backed up for so many RETRY_UPLOAD_SECONDS, though an open transaction holds records, does not go on by itself.
const PAUSES_IN_PATIENCE: Millis = 3;

/// A partition with something to read.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) partition: TopicPartition,
    /// What the partition held when the invocation began; `end` is where it stops reading.
    pub(crate) range: OffsetRange,
    /// Our own last commit for this very topic. `None`: the bucket decides where to begin.
    pub(crate) commit: Option<BackupCommit>,
    /// This invocation has seen the commit's segment in the bucket.
    pub(crate) is_stored: bool,
    /// Nothing came of it for a while, and the others had their turn first.
    pub(crate) was_silent: bool,
}

impl Candidate {
    /// Offsets between the last backup and the end. Without a commit all of them, also those that are gone: the bucket knows what it has of
    /// them, and a new commit saves asking it again.
    pub(crate) fn pending(&self) -> i64 {
        (self.range.end - self.commit.as_ref().map_or(0, |commit| commit.next)).max(0)
    }

    /// The log ends below what was committed: it is not the log that was backed up.
    fn is_truncated(&self) -> bool {
        self.commit.as_ref().is_some_and(|commit| self.range.high_watermark < commit.next)
    }

    /// Whether a transaction that is open now holds it back for good, as it seems: there is nothing to back up before it, and there was none for long.
    fn is_stuck(&self, pause: Millis, now: Millis) -> bool {
        let patience = pause.saturating_mul(PAUSES_IN_PATIENCE).max(LONGEST_TRANSACTION);
        self.pending() == 0 && self.commit.as_ref().is_none_or(|commit| age(commit.at, now) >= patience)
    }

    /// The same partition behind a segment that was just written, or will be.
    pub(crate) fn after(&self, commit: &BackupCommit) -> Self {
        // Reading may have gone past what was the end when the invocation began.
        let high_watermark = self.range.high_watermark.max(commit.next);
        Self { commit: Some(commit.clone()), is_stored: true, range: OffsetRange { high_watermark, ..self.range }, ..self.clone() }
    }
}

/// What an invocation found.
pub(crate) struct Plan {
    /// Id of the cluster.
    pub(crate) cluster: Option<String>,
    pub(crate) topics: BTreeMap<String, TopicFacts>,
    /// What our own commits say of each topic, whichever partition they are of.
    pub(crate) known: BTreeMap<String, Known>,
    pub(crate) work: Vec<Candidate>,
    /// The first partition of each topic that holds nothing and has no commit of ours: its topic.json may not be written yet.
    pub(crate) empty: Vec<TopicPartition>,
    pub(crate) report: BackupReport,
}

impl Backup {
    /// Finds the partitions of this event that have something to read, the one longest without a backup first.
    pub(crate) async fn plan(&self, invocation: &Invocation, now: Millis) -> Result<Plan> {
        let wanted: Vec<String> = self
            .settings
            .topics
            .iter()
            .filter(|topic| invocation.event.topic.as_ref().is_none_or(|only| only == *topic))
            .cloned()
            .collect();
        if wanted.is_empty() {
            let topic = invocation.event.topic.as_deref().unwrap_or_default();
            return Err(Error::Refused(format!("the event names topic {topic:?}, which TOPIC_NAMES does not have; nothing was read")));
        }
        let described = self.source.describe(&wanted).await?;
        let cluster = self.source.cluster_id();
        let mut report = BackupReport::new();
        for missing in wanted.iter().filter(|topic| !described.contains_key(*topic)) {
            let what = format!("topic {missing:?} does not exist in the cluster; create it or take it out of TOPIC_NAMES");
            report.fail_topic(&Error::Refused(what));
        }
        let mut topics = BTreeMap::new();
        for (name, facts) in described {
            match facts {
                Ok(facts) => drop(topics.insert(name, facts)),
                Err(error) => report.fail_topic(&error.into()),
            }
        }
        if let Some(up_to) = &invocation.up_to {
            for name in topics.keys().filter(|name| !up_to.keys().any(|known| known.topic == **name)) {
                let what =
                    format!("topic {name:?} was not there, or could not be seen, when this run began: nothing was read of it; run again");
                report.fail_topic(&Error::Refused(what));
            }
        }
        let all = partitions_of(&topics);
        if let Some(number) = invocation.event.partition
            && topics.len() == wanted.len()
            && !all.iter().any(|partition| partition.partition == number)
        {
            let what = format!("the event names partition {number}, and none of its topics has one of that number; nothing was read");
            return Err(Error::Refused(what));
        }
        let partitions: Vec<TopicPartition> = all
            .iter()
            .filter(|partition| invocation.event.includes(partition))
            .filter(|partition| invocation.up_to.as_ref().is_none_or(|up_to| up_to.contains_key(*partition)))
            .cloned()
            .collect();
        // Commits of all partitions, those of other shards too: one of them can tell of a generation that this shard has not begun with.
        let (mut ranges, committed) = try_join!(self.source.offsets(&partitions), self.source.committed(&all))?;
        let mut commits = BTreeMap::new();
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        let mut elsewhere = BTreeSet::new();
        for (partition, committed) in committed {
            let topic_id = topics.get(&partition.topic).and_then(|facts| facts.id.as_ref());
            let topic = TopicIdentity { cluster: cluster.clone(), topic: topic_id.cloned() };
            if let Some(commit) = BackupCommit::read(&committed, &self.store_id, &topic) {
                let known = known.entry(partition.topic.clone()).or_default();
                known.add(commit.generation());
                // The commit of offset 0 says that topic.json is written, and names no segment.
                if commit.next > 0 {
                    known.begun.insert(partition.partition, commit.generation());
                }
                commits.insert(partition, commit);
            } else if BackupCommit::is_of_another(&committed, &self.store_id) && elsewhere.insert(partition.topic.clone()) {
                tracing::warn!(
                    topic = partition.topic,
                    "the progress of consumer group {:?} is of another bucket, folder, endpoint or prefix, and does not count here: this backup \
                     goes on behind the last segment of this one, or begins anew where the log begins. Two backups take two GROUP_IDs",
                    self.settings.group
                );
            }
        }
        let (mut work, mut empty) = (Vec::new(), Vec::new());
        for partition in partitions {
            let leaderless = || {
                let what = "the partition has no leader now; the next invocation tries again";
                Err(KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what))
            };
            let mut range = match ranges.remove(&partition).unwrap_or_else(leaderless) {
                Ok(range) => range,
                Err(error) => {
                    report.fail(&partition, &error.into());
                    continue;
                }
            };
            let held = range.held_by_transactions();
            if let Some(end) = invocation.up_to.as_ref().and_then(|up_to| up_to.get(&partition)) {
                range.end = range.end.min(*end);
            }
            let commit = commits.remove(&partition);
            if commit.as_ref().is_some_and(|commit| self.is_surely_cut(commit, &range, now)) {
                known.entry(partition.topic.clone()).or_default().cut.insert(partition.partition);
            }
            let candidate = Candidate { partition, range, commit, is_stored: false, was_silent: false };
            report.see(&candidate.partition, &range, held, candidate.commit.as_ref());
            self.tell_held(&candidate, held, now);
            if self.is_due(&candidate, invocation, now) {
                work.push(candidate);
            } else if candidate.partition.partition == 0 && range.end == 0 && !known.contains_key(&candidate.partition.topic) {
                empty.push(candidate.partition);
            }
        }
        work.sort_by_key(|candidate| Reverse(candidate.commit.as_ref().map_or(Millis::MAX, |commit| age(commit.at, now))));
        Ok(Plan { cluster, topics, known, work, empty, report })
    }

    /// Whether a segment of this partition should be written now: a full one always, a part-filled one when the last is old enough.
    fn is_due(&self, candidate: &Candidate, invocation: &Invocation, now: Millis) -> bool {
        let pending = candidate.pending();
        let is_old = || {
            let pause = Millis::try_from(self.settings.retry_upload.as_millis()).unwrap_or(Millis::MAX);
            candidate.commit.as_ref().is_none_or(|commit| age(commit.at, now) >= pause)
        };
        let is_full = u64::try_from(pending).unwrap_or(0) >= self.settings.records_per_segment;
        if candidate.commit.as_ref().is_some_and(|commit| commit.doubt.is_some()) {
            candidate.range.end > candidate.range.log_start
        } else if candidate.is_truncated() {
            true
        } else {
            pending > 0 && (is_full || invocation.flush || is_old())
        }
    }

    /// Names the offsets that an open transaction holds back: nobody who reads committed records can read them yet. Most are over in a moment. One
    /// that hangs lets nothing of the partition be backed up any more, and in time retention deletes what waits.
    fn tell_held(&self, candidate: &Candidate, held: i64, now: Millis) {
        if held <= 0 {
            return;
        }
        let Candidate { partition, range, commit, .. } = candidate;
        let waiting = format!(
            "offsets {} to {} wait for an open transaction. If this stays: kafka-transactions.sh find-hanging, then abort",
            range.high_watermark - held,
            range.high_watermark
        );
        let (topic, number) = (partition.topic.as_str(), partition.partition);
        let pause = Millis::try_from(self.settings.retry_upload.as_millis()).unwrap_or(Millis::MAX);
        if !candidate.is_stuck(pause, now) {
            tracing::info!(topic, partition = number, "{waiting}");
        } else {
            let since = commit.as_ref().map_or_else(|| "yet".to_owned(), |commit| format!("since {}", rfc3339(commit.at)));
            tracing::warn!(
                topic,
                partition = number,
                "nothing of this partition was backed up {since}: {waiting}. Else retention deletes them"
            );
        }
    }

    /// Where each partition ends now, for [`Invocation::up_to`]. One without a leader has no known end: it stays in the invocation, which says so.
    /// So does a topic that cannot be described, but its partitions are not known.
    ///
    /// # Errors
    /// As [`Backup::invoke`], and where time heals why a topic cannot be described: it must not come back unseen.
    pub async fn ends(&self) -> Result<BTreeMap<TopicPartition, i64>> {
        let mut topics = BTreeMap::new();
        for (name, facts) in self.source.describe(&self.settings.topics).await? {
            match facts {
                Ok(facts) => drop(topics.insert(name, facts)),
                Err(error) if error.is_retryable() => return Err(error.into()),
                Err(_) => {}
            }
        }
        let partitions = partitions_of(&topics);
        let ranges = self.source.offsets(&partitions).await?;
        let known = |partition: &TopicPartition| ranges.get(partition)?.as_ref().ok();
        let end = |partition: &TopicPartition| known(partition).map_or(i64::MAX, |range| range.end);
        Ok(partitions.into_iter().map(|partition| (partition.clone(), end(&partition))).collect())
    }
}

fn partitions_of(topics: &BTreeMap<String, TopicFacts>) -> Vec<TopicPartition> {
    let of_topic = |(topic, facts): (&String, &TopicFacts)| {
        let topic = topic.clone();
        (0..facts.partitions).map(move |partition| TopicPartition::new(topic.as_str(), partition))
    };
    topics.iter().flat_map(of_topic).collect()
}

impl Run {
    /// Whether another segment of this partition should follow in the same invocation.
    pub(crate) fn is_due(&self, candidate: &Candidate) -> bool {
        self.backup.is_due(candidate, &self.invocation, self.backup.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_stays_open_is_told_from_one_that_is_just_open() {
        const MINUTE: Millis = 60_000;
        let stuck = |next: i64, minutes: Millis, pause: Millis| {
            let (folder, store) = (String::from("orders"), String::new());
            let commit = BackupCommit {
                version: BackupCommit::VERSION,
                next,
                folder,
                segment: 0,
                at: 0,
                cluster_id: None,
                topic_id: None,
                store,
                doubt: None,
            };
            let range = OffsetRange { log_start: 0, end: 10, high_watermark: 20 };
            let partition = TopicPartition::new("orders", 0);
            let candidate = Candidate { partition, range, commit: Some(commit), is_stored: false, was_silent: false };
            candidate.is_stuck(pause * MINUTE, minutes * MINUTE)
        };
        assert!(!stuck(10, 14, 1), "a producer that lives may take this long");
        assert!(stuck(10, 15, 1) && stuck(10, 90, 30));
        assert!(!stuck(10, 89, 30), "backups are rare");
        assert!(!stuck(9, 90, 1), "there is something to read before it");
    }
}
