//! What a restore would do, before it does anything: read-only.

use std::collections::BTreeMap;

use archive::Result;
use archive::catalog::{AllSegments, Binding, Done, RestoreIdentity};
use kafka::TopicFacts;
use kernel::clock::Millis;
use serde::Serialize;

use crate::Restore;
use crate::identity::Bound;
use crate::newer::Newer;
use crate::scope::{Scope, ScopedTopic};
use crate::source::Source;
use crate::together::try_at_once;

/// What a restore would do, or has left to do. Serialises to the JSON that users get.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Plan {
    /// RESTORE_ID.
    pub restore_id: String,
    /// Id of the target cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Its brokers that are up.
    pub brokers: i32,
    /// Whether this restore has begun: then the cuts are those from its beginning.
    pub has_begun: bool,
    /// Whether it follows the backup permanently.
    pub is_endless: bool,
    /// The snapshots that define the cuts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<PlannedSnapshot>,
    /// Each topic.
    pub topics: Vec<PlannedTopic>,
    /// Problems of all of it that have to be solved before it can begin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Notes for the reader.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A snapshot of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedSnapshot {
    /// Full name of the object.
    pub name: String,
    /// Its moment; absent if the restore was begun by a version that did not record it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Millis>,
}

/// A topic of a plan.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PlannedTopic {
    /// The topic, with its generation if there are several.
    pub source: String,
    /// The target topic.
    pub target: String,
    /// Whether the target exists already.
    pub target_exists: bool,
    /// Partitions that the target gets, or needs.
    pub partitions: i32,
    /// Partitions with something to restore.
    pub partitions_to_restore: u64,
    /// Those of them that are at their cut already.
    pub partitions_done: u64,
    /// Offsets from the first segment to the cut: at most this many records.
    pub offsets: i64,
    /// Bytes of the segments to read.
    pub bytes: u64,
    /// The cut of each partition (exclusive).
    pub cuts: BTreeMap<i32, i64>,
    /// Why it cannot begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Plan {
    /// Whether it can begin.
    pub fn can_begin(&self) -> bool {
        self.problems.is_empty() && self.topics.iter().all(|topic| topic.problem.is_none())
    }
}

impl Restore {
    /// What the next invocations would do. Writes nothing, neither to the bucket nor to Kafka.
    ///
    /// # Errors
    /// The request is invalid, RESTORE_ID belongs to another restore, Kafka or the bucket is
    /// unreachable. Other obstacles are in the plan.
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
        let (there, mut in_the_way, done) = match &noted {
            Some(noted) => {
                let Bound { bound, there } = self.bound(noted).await?;
                let in_the_way = self.not_bound(noted, &bound, &there);
                (there, in_the_way, Done::read(self.store.as_ref(), self.id(), &noted.run).await?)
            }
            None => {
                let targets: Vec<String> = scope.topics.iter().map(|topic| topic.source.target.clone()).collect();
                (self.cluster.find_all(&targets).await?, self.in_the_way(&scope, &cluster).await?, Done::default())
            }
        };
        let mut notes: Vec<String> = scope.notes.into_iter().chain(scope.findings.accepted).collect();
        let mut topics = Vec::new();
        for ScopedTopic { source, accepted, .. } in &scope.topics {
            notes.extend(accepted.iter().cloned());
            let mut planned = self.planned(source, &done).await?;
            planned.target_exists = there.contains_key(&source.target);
            planned.problem = in_the_way.remove(&source.folder).or(planned.problem);
            topics.push(planned);
        }
        let mut snapshots: Vec<PlannedSnapshot> =
            scope.snapshots.into_iter().map(|(name, until)| PlannedSnapshot { name, until: Some(until) }).collect();
        if let Some(noted) = &noted {
            let moments = noted.moments.iter().copied().map(Some).chain(std::iter::repeat(None));
            snapshots = noted.snapshots.iter().cloned().zip(moments).map(|(name, until)| PlannedSnapshot { name, until }).collect();
        }
        let mut problems = scope.findings.problems;
        if self.is_of_latest() {
            let used: Vec<String> = snapshots.iter().map(|one| one.name.clone()).collect();
            let sources: Vec<&Source> = scope.topics.iter().map(|topic| &topic.source).collect();
            let is_done = noted.is_some() && topics.iter().all(|topic| topic.partitions_done >= topic.partitions_to_restore);
            match self.newer(&used, &sources).await? {
                // The request is not what this restore would do: nothing.
                Some(newer @ Newer::Snapshot(_)) if is_done => problems.push(newer.text().to_owned()),
                newer => notes.extend(newer.map(|newer| newer.text().to_owned())),
            }
        }
        Ok(Plan {
            restore_id: self.id().to_owned(),
            cluster_id: cluster.id,
            brokers: cluster.brokers,
            has_begun: noted.is_some(),
            is_endless: !self.has_cuts(),
            snapshots,
            topics,
            problems,
            notes,
        })
    }

    /// Targets that are not the original topics any more.
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
        let sources = self.sources_of(&noted.topics).await?.into_iter().zip(&noted.topics);
        let topics = sources.map(|(source, topic)| ScopedTopic { source, then: topic.then.clone(), accepted: topic.accepted.clone() });
        Ok(Scope { topics: topics.collect(), ..Scope::default() })
    }

    /// Of one topic that is followed: up to its current ends.
    async fn scope_of_one(&self, noted: Option<&RestoreIdentity>) -> Result<Scope> {
        let mut scope = Scope::default();
        let source = self.source_of_one(&host::Event::default(), noted).await?;
        self.cut_at_ends(&mut scope, vec![source]).await?;
        Ok(scope)
    }

    /// Offsets from the first segment to the cut, bytes of the segments with them, and the first
    /// one missing in between, according to names.
    async fn size(&self, source: &Source, number: i32, cut: i64) -> Result<(i64, u64, Option<String>)> {
        let all = AllSegments::of(self.store.as_ref(), &source.folder_of(number), number).await?;
        let below = all.entries.iter().filter(|segment| segment.start < cut);
        let first = all.entries.first().map_or(cut, |first| first.start.min(cut));
        let missing = all.missing_in_chain().find(|(start, _)| *start < cut).map(|(_, name)| self.store.location(name));
        Ok((cut - first, below.map(|segment| segment.size).sum(), missing))
    }

    async fn planned(&self, source: &Source, done: &Done) -> Result<PlannedTopic> {
        let cuts = source.cuts.clone().unwrap_or_default();
        let to_restore: Vec<(i32, i64)> = cuts.iter().map(|(number, cut)| (*number, *cut)).filter(|(_, cut)| *cut > 0).collect();
        let sizes = to_restore.iter().map(|(number, cut)| self.size(source, *number, *cut));
        let sizes: Vec<(i64, u64, Option<String>)> = try_at_once(sizes.collect()).await?;
        let missing = sizes.iter().find_map(|(.., missing)| missing.as_ref()).filter(|_| !self.settings.skip_damaged);
        let missing =
            missing.map(|segment| format!("{segment} is missing: only its .sha256 exists. Restore it; SKIP_DAMAGED=true skips it"));
        Ok(PlannedTopic {
            source: source.name.clone(),
            target: source.target.clone(),
            target_exists: false,
            partitions: source.partition_count().max(1),
            partitions_to_restore: to_restore.len() as u64,
            partitions_done: to_restore.iter().filter(|(number, _)| done.has(&source.folder, *number)).count() as u64,
            offsets: sizes.iter().map(|(offsets, ..)| offsets).sum(),
            bytes: sizes.iter().map(|(_, bytes, _)| bytes).sum(),
            cuts,
            problem: missing,
        })
    }
}
