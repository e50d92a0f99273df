//! Which topics a restore with cuts is of: decided once, when it begins, and then noted in restore.json.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{RestoreIdentity, RestoredTopic, TopicThen, names, what_is_there};
use archive::{Error, Result};
use host::Event;
use kafka::{ClusterFacts, Selection};
use kernel::clock::Millis;
use kernel::in_full;

use crate::Restore;
use crate::source::Source;
use crate::work::at_once;

/// So many problems are told one by one.
const MOST_TOLD: usize = 20;

/// What a restore with cuts would be of.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// In the order of the folders' names, each with its cuts.
    pub(crate) topics: Vec<ScopedTopic>,
    /// The snapshots that the cuts are of, and the moments that those are of.
    pub(crate) snapshots: Vec<(String, Millis)>,
    /// Why it cannot begin: what is missing, what is not backed up that far.
    pub(crate) problems: Vec<String>,
    /// What was accepted, and what one should know.
    pub(crate) notes: Vec<String>,
}

/// A topic of a restore with cuts.
#[derive(Debug)]
pub(crate) struct ScopedTopic {
    pub(crate) source: Source,
    /// What it was at the moment to which it is restored.
    pub(crate) then: Option<TopicThen>,
}

impl Restore {
    /// Whether it ends by itself: of several topics, or of a moment.
    pub(crate) fn has_cuts(&self) -> bool {
        self.settings.is_of_several() || self.settings.as_of.is_some()
    }

    /// Decides what is restored, and notes it. Nothing begins when something is missing of it, or in the way of it.
    pub(crate) async fn begin_with_cuts(&self, cluster: &ClusterFacts) -> Result<RestoreIdentity> {
        let scope = self.scope().await?;
        let in_the_way = match scope.problems.is_empty() {
            true => self.in_the_way(&scope, cluster).await?.into_values().collect(),
            false => scope.problems,
        };
        if !in_the_way.is_empty() {
            // Another invocation may have begun meanwhile: what is in the way can be its own.
            if let Some(noted) = self.noted().await? {
                noted.check(self.id(), &self.choice(cluster.id.clone()))?;
                return Ok(noted);
            }
            return Err(Error::lost(format!("{}. Nothing was written", told(&in_the_way))));
        }
        scope.notes.iter().for_each(|note| tracing::warn!("{note}"));
        let topics: Vec<RestoredTopic> = scope.topics.into_iter().map(RestoredTopic::from).collect();
        let snapshots = scope.snapshots.into_iter().map(|(name, _)| name).collect();
        let count = topics.len();
        let noted = self.note(topics, snapshots, cluster).await?;
        tracing::info!("restore {:?} is of {count} topics", self.id());
        Ok(noted)
    }

    /// What would be restored, as the bucket is now.
    ///
    /// # Errors
    /// What is asked for makes no sense for what is there, or what the store says. What only stands in the way of a restore is in the scope.
    pub(crate) async fn scope(&self) -> Result<Scope> {
        let inventory = self.inventory().await?;
        let mut scope = match self.settings.as_of {
            Some(as_of) => self.scope_as_of(as_of).await?,
            None => self.scope_of_all().await?,
        };
        let inventory = inventory
            .unreadable
            .iter()
            .map(|(_, error)| format!("what was backed up is not known, because snapshots cannot be read: {}", in_full(error)));
        for what in inventory {
            self.accept(&mut scope, what, "missing");
        }
        let series: BTreeSet<String> = scope.topics.iter().flat_map(|topic| self.missing_series(&topic.source)).collect();
        for what in series {
            self.accept(&mut scope, what, "missing");
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

    /// A problem, or a note where RESTORE_ANYWAY has this word.
    pub(crate) fn accept(&self, scope: &mut Scope, what: String, word: &str) {
        if self.settings.is_allowed(word) {
            scope.notes.push(what);
        } else {
            scope.problems.push(format!("{what}, or RESTORE_ANYWAY={word}"));
        }
    }

    /// Every topic that is meant, as it is in the bucket now.
    async fn scope_of_all(&self) -> Result<Scope> {
        let folders = self.store.folders("").await?;
        let known = self.inventory_so_far().into_iter().flat_map(|inventory| inventory.folders.keys());
        let all: BTreeSet<String> =
            folders.iter().chain(known).filter_map(|folder| names::parse_topic_folder(folder)).map(|(topic, _)| topic.to_owned()).collect();
        let selected = self.settings.topics.of(&all);
        let mut scope = Scope::default();
        scope.notes.extend(selected.idle.iter().map(|pattern| format!("BACKUP_TOPIC_NAME {pattern:?} matches nothing in the backup")));
        if selected.names.is_empty() {
            let there = what_is_there(self.store.as_ref()).await?;
            return Err(Error::request(format!("BACKUP_TOPIC_NAME matches no topic at {}; {there}", self.store.location(""))));
        }
        let everything = Event::default();
        let sources = selected.names.iter().map(|name| self.source(name, &everything, None));
        let mut whole: Vec<Source> = Vec::new();
        for source in at_once(sources.collect()).await {
            match source {
                Ok(source) => whole.push(source),
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => scope.problems.push(in_full(&error)),
            }
        }
        self.cut_at_ends(&mut scope, whole).await?;
        Ok(scope)
    }

    /// In one place may be the backups of several clusters. Which of them is meant has to be said.
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
        let each: Vec<String> = clusters.iter().map(|(cluster, topic)| format!("{cluster:?} (of which is {topic:?})")).collect();
        Err(Error::request(format!(
            "the topics are of {} clusters: {}. Set BACKUP_CLUSTER to the one to restore; nothing was written",
            clusters.len(),
            each.join(", ")
        )))
    }
}

impl From<ScopedTopic> for RestoredTopic {
    fn from(ScopedTopic { source, then }: ScopedTopic) -> Self {
        Self { folder: source.folder, target: source.target, cuts: source.cuts, then }
    }
}

/// Two sources for one target.
fn twice(topics: &[ScopedTopic]) -> Option<String> {
    let mut targets: BTreeMap<&str, &str> = BTreeMap::new();
    topics.iter().find_map(|ScopedTopic { source, .. }| {
        let first = targets.insert(&source.target, &source.name)?;
        Some(format!(
            "{first:?} and {:?} would be restored into one topic, {:?}: leave one out (RESTORE_EXCLUDE_TOPIC_NAMES), or restore it on its own",
            source.name, source.target
        ))
    })
}

/// The problems, of which not more than a reader takes in.
pub(crate) fn told(problems: &[String]) -> String {
    let mut text: Vec<&str> = problems.iter().take(MOST_TOLD).map(String::as_str).collect();
    let more = format!("and {} more (`plan` lists them all)", problems.len().saturating_sub(MOST_TOLD));
    text.extend((problems.len() > MOST_TOLD).then_some(more.as_str()));
    text.join("; ")
}

/// Names that are written out and are not among these.
pub(crate) fn absent<'s>(selection: &'s Selection, there: &BTreeSet<String>) -> Vec<&'s str> {
    selection.names().filter(|name| !there.contains(*name)).collect()
}
