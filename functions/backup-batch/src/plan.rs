//! What there is to do: a few requests for all partitions, never one per partition.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{BackupCommit, TopicIdentity};
use archive::{Error, Result};
use futures::try_join;
use kafka::{CommittedOffset, KafkaError, KafkaErrorKind, OffsetRange, TopicFacts, TopicPartition};
use kernel::clock::{Millis, age};

use crate::candidate::Candidate;
use crate::generation::Known;
use crate::report::BackupReport;
use crate::snapshot::Scope;
use crate::topics::partitions_of;
use crate::{Backup, Invocation};

/// What an invocation found.
pub(crate) struct Plan {
    /// Id of the cluster.
    pub(crate) cluster: Option<String>,
    pub(crate) topics: BTreeMap<String, TopicFacts>,
    /// What our own commits show of each topic, whatever partition they belong to.
    pub(crate) known: BTreeMap<String, Known>,
    pub(crate) work: Vec<Candidate>,
    /// The first partition of each topic that is empty and has no commit of ours: its topic.json
    /// may not be written yet.
    pub(crate) empty: Vec<TopicPartition>,
    pub(crate) report: BackupReport,
}

/// What our own commits show.
#[derive(Default)]
pub(crate) struct Commits {
    pub(crate) of: BTreeMap<TopicPartition, BackupCommit>,
    known: BTreeMap<String, Known>,
}

impl Backup {
    /// Finds the partitions of this event that have something to read, the one longest without a
    /// backup first.
    pub(crate) async fn plan(&self, invocation: &Invocation, now: Millis) -> Result<Plan> {
        let mut report = BackupReport::new();
        let wanted = self.wanted(invocation, &mut report).await?;
        let topics = self.described(&wanted, invocation, &mut report).await?;
        let cluster = self.source.cluster_id();
        let scope = Scope { cluster: cluster.as_deref(), wanted: &wanted, topics: &topics };
        self.take_snapshot(invocation, now, scope, &mut report).await;
        let all = partitions_of(&topics);
        if let Some(number) = invocation.event.partition
            && topics.len() == wanted.len()
            && !all.iter().any(|partition| partition.partition == number)
        {
            let what =
                format!("the event names partition {number}, but none of its topics has a partition of that number; nothing was read");
            return Err(Error::request(what));
        }
        let asked = self.clock.now();
        self.see_undescribed(invocation, &wanted, &topics, asked, &mut report);
        let partitions: Vec<TopicPartition> = all
            .iter()
            .filter(|partition| invocation.event.includes(partition))
            .filter(|partition| invocation.up_to.as_ref().is_none_or(|up_to| up_to.offsets.contains_key(*partition)))
            .cloned()
            .collect();
        // Commits of all partitions, including those of other shards: one of them can name a
        // generation that this shard has not begun with.
        let (mut ranges, committed) = try_join!(self.source.offsets(&partitions), self.source.committed(&all))?;
        let commits = self.our_commits(committed, &topics, cluster.as_deref());
        let mut plan = Plan { cluster, topics, known: commits.known, work: Vec::new(), empty: Vec::new(), report };
        let mut commits = commits.of;
        for partition in partitions {
            let range = ranges.remove(&partition).unwrap_or_else(|| Err(leaderless(&partition)));
            let commit = commits.remove(&partition);
            let topic_id = plan.topics.get(&partition.topic).and_then(|facts| facts.id.as_ref());
            let end = range.as_ref().ok().map(|range| range.end);
            self.see_end(&partition, topic_id, end, commit.as_ref().map(|commit| commit.at), asked);
            match range {
                Ok(range) => {
                    self.look_at(partition, range, commit, invocation, now, &mut plan);
                }
                Err(error) => plan.report.fail(&partition, &error.into()),
            }
        }
        plan.work.sort_by_key(|candidate| Reverse(candidate.commit.as_ref().map_or(Millis::MAX, |commit| age(commit.at, now))));
        self.tell_new(&mut plan).await;
        Ok(plan)
    }

    /// The commits of the group that belong to this backup and these topics.
    pub(crate) fn our_commits(
        &self,
        committed: BTreeMap<TopicPartition, CommittedOffset>,
        topics: &BTreeMap<String, TopicFacts>,
        cluster: Option<&str>,
    ) -> Commits {
        let (mut commits, mut elsewhere) = (Commits::default(), BTreeSet::new());
        for (partition, committed) in committed {
            let id = topics.get(&partition.topic).and_then(|facts| facts.id.clone());
            let topic = TopicIdentity { cluster: cluster.map(str::to_owned), topic: id };
            if let Some(commit) = BackupCommit::read(&committed, &self.store_id, &topic) {
                commits.known.entry(partition.topic.clone()).or_default().add(partition.partition, &commit);
                commits.of.insert(partition, commit);
            } else if BackupCommit::is_of_another(&committed, &self.store_id) && elsewhere.insert(partition.topic.clone()) {
                tracing::warn!(
                    topic = partition.topic,
                    "the progress of consumer group {:?} belongs to another bucket, folder, endpoint or prefix, and is \
                     ignored: this backup continues after its own last segment, or starts again at the beginning of the log. \
                     Two backups require two GROUP_IDs",
                    self.settings.group
                );
            }
        }
        commits
    }

    /// Adds a partition to the work, if it is due.
    fn look_at(
        &self,
        partition: TopicPartition,
        mut range: OffsetRange,
        commit: Option<BackupCommit>,
        invocation: &Invocation,
        now: Millis,
        plan: &mut Plan,
    ) {
        let held = range.held_by_transactions();
        if let Some(end) = invocation.up_to.as_ref().and_then(|up_to| up_to.offsets.get(&partition)) {
            range.end = range.end.min(*end);
        }
        if commit.as_ref().is_some_and(|commit| self.is_surely_cut(commit, &range, now)) {
            plan.known.entry(partition.topic.clone()).or_default().cut.insert(partition.partition);
        }
        let candidate = Candidate { partition, range, commit, is_stored: false, was_silent: false };
        plan.report.see(&candidate.partition, &range, held, candidate.commit.as_ref());
        self.tell_held(&candidate, held, now);
        if self.is_due(&candidate, invocation, now) {
            plan.work.push(candidate);
        } else if candidate.partition.partition == 0 && range.end == 0 && !plan.known.contains_key(&candidate.partition.topic) {
            plan.empty.push(candidate.partition);
        }
    }
}

fn leaderless(partition: &TopicPartition) -> KafkaError {
    let what = "the partition has no leader; the next invocation retries";
    KafkaError::new(KafkaErrorKind::Unavailable, partition.to_string(), what)
}
