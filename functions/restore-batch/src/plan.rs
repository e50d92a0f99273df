//! What a restore would do, before it does anything: reads only.

use std::collections::BTreeMap;

use archive::Result;
use archive::catalog::{Binding, Done, RestoreIdentity, list_segments};
use kafka::TopicFacts;
use kernel::clock::Millis;
use serde::Serialize;

use crate::Restore;
use crate::scope::{Scope, ScopedTopic};
use crate::source::Source;
use crate::work::try_at_once;

/// What a restore would do, or has left to do. Serialises to the JSON that users get.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// RESTORE_ID.
    pub restore_id: String,
    /// Id of the cluster that is written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Brokers of it that are up.
    pub brokers: i32,
    /// Whether this restore has begun: then the cuts are those with which it did.
    pub has_begun: bool,
    /// Whether it goes on with whatever is backed up, for ever.
    pub is_endless: bool,
    /// The snapshots that say where each partition is cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<PlannedSnapshot>,
    /// Each topic.
    pub topics: Vec<PlannedTopic>,
    /// What concerns all of it and has to be done before it can begin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What the reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A snapshot of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedSnapshot {
    /// Full name of the object.
    pub name: String,
    /// The moment that it is of, where that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

/// A topic of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedTopic {
    /// The topic, with its generation where there are several.
    pub source: String,
    /// The topic that it goes into.
    pub target: String,
    /// Whether that is there already.
    pub target_exists: bool,
    /// Partitions that the target gets, or needs.
    pub partitions: i32,
    /// Partitions with something to restore.
    pub partitions_to_restore: u64,
    /// Of those, how many are at their cut already.
    pub partitions_done: u64,
    /// Offsets from the first segment to the cut: records at most.
    pub offsets: i64,
    /// Bytes of the segments that are read.
    pub bytes: u64,
    /// Where each partition is cut (exclusive).
    pub cuts: BTreeMap<i32, i64>,
    /// What is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Plan {
    /// Whether nothing is in the way.
    pub fn can_begin(&self) -> bool {
        self.problems.is_empty() && self.topics.iter().all(|topic| topic.problem.is_none())
    }
}

impl Restore {
    /// What the next invocations would do. Writes nothing, neither to the bucket nor to Kafka.
    ///
    /// # Errors
    /// What is asked for makes no sense, RESTORE_ID is that of another restore, Kafka or the bucket cannot be reached. What is in the way of it stands in the plan.
    pub async fn plan(&self) -> Result<Plan> {
        let cluster = self.cluster.cluster().await?;
        self.name(&cluster);
        let noted = self.noted().await?;
        if let Some(noted) = &noted {
            noted.check(self.id(), &self.choice(cluster.id.clone()))?;
        }
        self.inventory().await?;
        let scope = match &noted {
            Some(noted) if noted.is_cut() => self.scope_that_began(noted).await?,
            _ if self.has_cuts() => self.scope().await?,
            _ => self.scope_of_one(noted.as_ref()).await?,
        };
        let targets: Vec<String> = scope.topics.iter().map(|topic| topic.source.target.clone()).collect();
        let bound = match &noted {
            Some(noted) => self.bindings(noted).await?,
            None => Vec::new(),
        };
        let known = bound.iter().flatten().map(|binding| binding.topic.as_str());
        let there = self.there(&targets, &known.collect()).await?;
        let mut in_the_way = match &noted {
            None => self.in_the_way(&scope, &cluster).await?,
            Some(noted) => self.not_bound(noted, &bound, &there),
        };
        let done = match &noted {
            Some(noted) => Done::read(self.store.as_ref(), self.id(), &noted.run).await?,
            None => Done::default(),
        };
        let mut topics = Vec::new();
        for ScopedTopic { source, .. } in &scope.topics {
            let mut planned = self.planned(source, &done).await?;
            planned.target_exists = there.contains_key(&source.target);
            planned.problem = in_the_way.remove(&source.folder);
            topics.push(planned);
        }
        let mut snapshots: Vec<PlannedSnapshot> =
            scope.snapshots.into_iter().map(|(name, until)| PlannedSnapshot { name, until: Some(until) }).collect();
        if let Some(noted) = &noted {
            snapshots = noted.snapshots.iter().map(|name| PlannedSnapshot { name: name.clone(), until: None }).collect();
        }
        Ok(Plan {
            restore_id: self.id().to_owned(),
            cluster_id: cluster.id,
            brokers: cluster.brokers,
            has_begun: noted.is_some(),
            is_endless: !self.has_cuts(),
            snapshots,
            topics,
            problems: scope.problems,
            notes: scope.notes,
        })
    }

    /// Topics that are not the ones any more that were restored into.
    fn not_bound(
        &self,
        noted: &RestoreIdentity,
        bound: &[Option<Binding>],
        there: &BTreeMap<String, TopicFacts>,
    ) -> BTreeMap<String, String> {
        let differs = noted.topics.iter().zip(bound).filter_map(|(topic, bound)| {
            let error = self.check_bound(bound.as_ref(), there.get(&topic.target)).err()?;
            Some((topic.folder.clone(), error.to_string()))
        });
        differs.collect()
    }

    async fn scope_that_began(&self, noted: &RestoreIdentity) -> Result<Scope> {
        let mut scope = Scope::default();
        for topic in &noted.topics {
            let source = self.source_with_cuts(topic, Vec::new()).await?;
            scope.topics.push(ScopedTopic { source, then: topic.then.clone() });
        }
        Ok(scope)
    }

    /// Of one topic that is followed: up to the ends that it has now.
    async fn scope_of_one(&self, noted: Option<&RestoreIdentity>) -> Result<Scope> {
        let mut scope = Scope::default();
        let source = self.source_of_one(&host::Event::default(), noted).await?;
        self.cut_at_ends(&mut scope, vec![source]).await?;
        // Archives have no offsets, and need none where nothing is cut.
        scope.problems.retain(|problem| !problem.contains("no offsets to be cut at"));
        Ok(scope)
    }

    /// Offsets from the first segment to the cut, and bytes of the segments that have them.
    async fn size(&self, source: &Source, number: i32, cut: i64) -> Result<(i64, u64)> {
        let (folder, mut first, mut bytes, mut after) = (source.folder_of(number), None, 0, Some(String::new()));
        while let Some(from) = after {
            let (segments, more) = list_segments(self.store.as_ref(), &folder, number, &from).await?;
            first = first.or(segments.first().map(|segment| segment.start));
            bytes += segments.iter().filter(|segment| segment.start < cut).map(|segment| segment.size).sum::<u64>();
            after = more.filter(|_| segments.last().is_none_or(|last| last.start < cut));
        }
        Ok((cut - first.unwrap_or(cut).min(cut), bytes))
    }

    async fn planned(&self, source: &Source, done: &Done) -> Result<PlannedTopic> {
        let cuts = source.cuts.clone().unwrap_or_default();
        let to_restore: Vec<(i32, i64)> = cuts.iter().map(|(number, cut)| (*number, *cut)).filter(|(_, cut)| *cut > 0).collect();
        let sizes = to_restore.iter().map(|(number, cut)| self.size(source, *number, *cut));
        let sizes: Vec<(i64, u64)> = try_at_once(sizes.collect()).await?;
        Ok(PlannedTopic {
            source: source.name.clone(),
            target: source.target.clone(),
            target_exists: false,
            partitions: source.partition_count().max(1),
            partitions_to_restore: to_restore.len() as u64,
            partitions_done: to_restore.iter().filter(|(number, _)| done.has(&source.folder, *number)).count() as u64,
            offsets: sizes.iter().map(|(offsets, _)| offsets).sum(),
            bytes: sizes.iter().map(|(_, bytes)| bytes).sum(),
            cuts,
            problem: None,
        })
    }
}
