//! Which topics a restore with cuts includes: decided once, when it begins, and then recorded in
//! restore.json.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{Generations, RestoreIdentity, RestoredTopic, TopicThen, names, what_is_there};
use archive::{Error, Result};
use host::Event;
use kafka::{ClusterFacts, Selection};
use kernel::clock::Millis;
use kernel::in_full;

use crate::Restore;
use crate::missing::{END, first_of};
use crate::source::Source;
use crate::together::{at_once, try_at_once};

/// How many problems are reported one by one.
const MOST_TOLD: usize = 20;

/// What a restore with cuts would include.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Sorted by folder name, each with its cuts.
    pub(crate) topics: Vec<ScopedTopic>,
    /// The snapshots of the cuts, and their moments.
    pub(crate) snapshots: Vec<(String, Millis)>,
    pub(crate) findings: Findings,
    /// Notes for the reader.
    pub(crate) notes: Vec<String>,
}

/// A topic of a restore with cuts.
#[derive(Debug)]
pub(crate) struct ScopedTopic {
    pub(crate) source: Source,
    /// Its properties at the moment that is restored.
    pub(crate) then: Option<TopicThen>,
    /// Its accepted losses.
    pub(crate) accepted: Vec<String>,
}

/// Problems of what should be restored.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Why it cannot begin: what is missing, or not backed up that far.
    pub(crate) problems: Vec<String>,
    /// Those that were accepted.
    pub(crate) accepted: Vec<String>,
}

impl Restore {
    /// Whether it has an end: several topics, or a moment.
    pub(crate) fn has_cuts(&self) -> bool {
        self.settings.is_of_several() || self.settings.as_of.is_some()
    }

    /// Decides what is restored, and records it. Nothing begins if something is missing or an
    /// obstacle exists.
    pub(crate) async fn begin_with_cuts(&self, cluster: &ClusterFacts) -> Result<RestoreIdentity> {
        let scope = self.scope().await?;
        let in_the_way = match scope.findings.problems.is_empty() {
            true => self.in_the_way(&scope, cluster).await?.into_values().collect(),
            false => scope.findings.problems,
        };
        if !in_the_way.is_empty() {
            // Another invocation may have begun meanwhile: the obstacle can be its own.
            if let Some(noted) = self.noted().await? {
                noted.check(self.id(), &self.choice(cluster.id.clone()))?;
                return Ok(noted);
            }
            return Err(Error::lost(format!("{}. Nothing was written", told(&in_the_way))));
        }
        let of_topics = scope.topics.iter().flat_map(|topic| &topic.accepted);
        scope.notes.iter().chain(&scope.findings.accepted).chain(of_topics).for_each(|note| tracing::warn!("{note}"));
        let topics: Vec<RestoredTopic> = scope.topics.into_iter().map(RestoredTopic::from).collect();
        let count = topics.len();
        let noted = self.note(topics, scope.snapshots, scope.findings.accepted, cluster).await?;
        tracing::info!("restore {:?} is of {count} topics", self.id());
        Ok(noted)
    }

    /// What would be restored, according to the current bucket.
    ///
    /// # Errors
    /// The request is invalid for what exists, or an error of the store. Mere obstacles to a
    /// restore are in the scope.
    pub(crate) async fn scope(&self) -> Result<Scope> {
        self.inventory().await?;
        let mut scope = match self.settings.as_of {
            Some(as_of) => self.scope_as_of(as_of).await?,
            None => self.scope_of_all().await?,
        };
        for what in self.unreadable() {
            scope.findings.add(self, what, END);
        }
        // One series is named by many topics.
        let missing: BTreeMap<String, String> = scope.topics.iter().flat_map(|topic| self.missing_series(&topic.source)).collect();
        for what in missing.into_values() {
            scope.findings.add(self, what, END);
        }
        // A restore of nothing would be complete from the beginning.
        if scope.topics.is_empty() && scope.findings.problems.is_empty() {
            let why: Vec<&String> = scope.notes.iter().chain(&scope.findings.accepted).collect();
            return Err(Error::request(format!(
                "there is nothing to restore at {}: {why:?}; nothing was written",
                self.store.location("")
            )));
        }
        for ScopedTopic { source, .. } in &scope.topics {
            let topic = names::parse_topic_folder(&source.folder).map_or("", |(topic, _)| topic);
            self.settings
                .target
                .legal_of(topic)
                .map_err(|what| Error::request(format!("{what} (RESTORE_TOPIC_NAME); nothing was written")))?;
        }
        scope.topics.sort_by(|a, b| a.source.folder.cmp(&b.source.folder));
        if let Some(twice) = twice(&scope.topics) {
            return Err(Error::request(twice));
        }
        self.refuse_several_clusters(&scope)?;
        Ok(scope)
    }

    /// Every selected topic, as it is in the bucket now.
    async fn scope_of_all(&self) -> Result<Scope> {
        self.refuse_places_of_several_clusters()?;
        let selected = self.settings.topics.of(&self.topics_there().await?);
        let mut scope = Scope::default();
        scope.note_idle(&selected.idle, "the backup");
        if selected.names.is_empty() {
            let there = what_is_there(self.store.as_ref()).await?;
            return Err(Error::request(format!("BACKUP_TOPIC_NAME matches no topic at {}; {there}", self.store.location(""))));
        }
        let everything = Event::default();
        let names = self.of_this_cluster(selected.names).await?;
        if names.is_empty() {
            scope.notes.push("no topic that BACKUP_TOPIC_NAME matches belongs to the cluster in BACKUP_CLUSTER".to_owned());
        }
        let sources = names.iter().map(|name| self.source(name, &everything, None));
        let mut whole: Vec<Source> = Vec::new();
        for source in at_once(sources.collect()).await {
            match source {
                Ok(source) => whole.push(source),
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => scope.findings.problems.push(in_full(&error)),
            }
        }
        self.cut_at_ends(&mut scope, whole).await?;
        Ok(scope)
    }

    /// Every topic that has objects in the bucket, or should have.
    pub(crate) async fn topics_there(&self) -> Result<BTreeSet<String>> {
        let folders = self.store.folders("").await?;
        let known = self.inventory_so_far().into_iter().flat_map(|inventory| inventory.folders.keys());
        let topics = folders.iter().chain(known).filter_map(|folder| names::parse_topic_folder(folder));
        Ok(topics.map(|(topic, _)| topic.to_owned()).collect())
    }

    /// Without those that a pattern selects and that belong to other clusters than BACKUP_CLUSTER.
    async fn of_this_cluster(&self, names: BTreeSet<String>) -> Result<BTreeSet<String>> {
        let Some(cluster) = &self.settings.backup_cluster else { return Ok(names) };
        let look = names.into_iter().map(|name| async move {
            let generations = Generations::of(self.store.as_ref(), &name);
            let is_of =
                self.settings.topics.has_name(&name) || generations.newest_of(cluster, &generations.later().await?).await?.is_some();
            Ok(is_of.then_some(name))
        });
        Ok(try_at_once(look.collect()).await?.into_iter().flatten().collect())
    }

    /// The snapshots show immediately that a bucket has several clusters.
    fn refuse_places_of_several_clusters(&self) -> Result<()> {
        let series = self.inventory_so_far().into_iter().flat_map(|inventory| &inventory.series);
        let clusters: BTreeSet<&str> = series.map(|series| names::cluster_of(series)).collect();
        if self.settings.backup_cluster.is_some() || clusters.len() < 2 {
            return Ok(());
        }
        let clusters: Vec<String> = clusters.into_iter().map(|cluster| format!("{cluster:?}")).collect();
        Err(which_cluster(&format!("the backups at {} are", self.store.location("")), &clusters))
    }

    /// A bucket may have the backups of several clusters. The user has to choose one.
    fn refuse_several_clusters(&self, scope: &Scope) -> Result<()> {
        let mut clusters: BTreeMap<&str, &str> = BTreeMap::new();
        for ScopedTopic { source, .. } in &scope.topics {
            let cluster = source.generation.as_ref().and_then(|generation| generation.cluster_id.as_deref());
            if let Some(cluster) = cluster {
                clusters.entry(cluster).or_insert(&source.name);
            }
        }
        if clusters.len() < 2 {
            return Ok(());
        }
        let each: Vec<String> = clusters.iter().map(|(cluster, topic)| format!("{cluster:?} (for example {topic:?})")).collect();
        Err(which_cluster("the topics are", &each))
    }
}

impl From<ScopedTopic> for RestoredTopic {
    fn from(ScopedTopic { source, then, accepted }: ScopedTopic) -> Self {
        Self { folder: source.folder, target: source.target, cuts: source.cuts, then, accepted }
    }
}

impl Scope {
    /// Reports patterns without a match.
    pub(crate) fn note_idle(&mut self, idle: &[String], what: &str) {
        self.notes.extend(idle.iter().map(|pattern| format!("BACKUP_TOPIC_NAME {pattern:?} matches nothing in {what}")));
    }

    /// Adds a topic, and its findings.
    pub(crate) fn add(&mut self, source: Source, then: Option<TopicThen>, findings: Findings) {
        self.findings.problems.extend(findings.problems);
        let accepted = source.accepted.iter().cloned().chain(findings.accepted).collect();
        self.topics.push(ScopedTopic { source, then, accepted });
    }
}

impl Findings {
    /// A problem, or an accepted one: `words` are those of RESTORE_ANYWAY that accept it, of which
    /// the last one is named.
    pub(crate) fn add(&mut self, restore: &Restore, what: String, words: &[&str]) {
        match words.last() {
            Some(word) if !restore.accepts(words) => {
                self.problems.push(format!("{what}. RESTORE_ANYWAY={word} restores what exists"));
            }
            _ => self.accepted.push(what),
        }
    }
}

/// A bucket has several clusters, and none was chosen.
pub(crate) fn which_cluster(what: &str, clusters: &[String]) -> Error {
    let (count, clusters) = (clusters.len(), clusters.join(", "));
    Error::request(format!("{what} of {count} clusters: {clusters}. Set BACKUP_CLUSTER to the one to restore; nothing was written"))
}

/// Two sources for one target.
fn twice(topics: &[ScopedTopic]) -> Option<String> {
    let mut targets: BTreeMap<&str, &str> = BTreeMap::new();
    topics.iter().find_map(|ScopedTopic { source, .. }| {
        let first = targets.insert(&source.target, &source.name)?;
        Some(format!(
            "{first:?} and {:?} would be restored into one topic, {:?}: exclude one (RESTORE_EXCLUDE_TOPIC_NAMES), or \
             restore it separately",
            source.name, source.target
        ))
    })
}

/// The problems, no more than a reader can use.
pub(crate) fn told(problems: &[String]) -> String {
    first_of(problems.iter().map(String::as_str), MOST_TOLD, "; ", " (`plan` lists them all)")
}

/// Plain names that are not among these.
pub(crate) fn absent<'s>(selection: &'s Selection, there: &BTreeSet<String>) -> Vec<&'s str> {
    selection.names().filter(|name| !there.contains(*name)).collect()
}
