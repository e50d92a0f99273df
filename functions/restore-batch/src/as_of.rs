//! RESTORE_AS_OF: topics as a snapshot saw them. Each partition is cut at its offset, whatever
//! timestamps it has.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{Generations, MOST_PARTITIONS, Moment, Snapshots, TopicIdentity, TopicSnapshot, TopicThen, names};
use archive::{Error, Result};
use config::AsOf;
use host::Event;
use kernel::clock::rfc3339;
use kernel::in_full;

use crate::Restore;
use crate::missing::{BEHIND, first_of};
use crate::scope::{Scope, absent, which_cluster};
use crate::source::Source;
use crate::together::at_once;

/// How many topics are listed if one is missing.
const MOST_NAMES: usize = 20;

/// A topic of a snapshot, in a cluster.
struct Then {
    cluster: Option<String>,
    topic: TopicSnapshot,
}

impl Restore {
    /// The scope from the newest snapshot that is not later. Those of several backups of one
    /// cluster are combined.
    pub(crate) async fn scope_as_of(&self, as_of: AsOf) -> Result<Scope> {
        let (mut scope, then) = self.topics_as_of(as_of).await?;
        let selected = self.selected_as_of(&mut scope, &then.keys().cloned().collect()).await?;
        let (mut sources, mut thens) = (Vec::new(), Vec::new());
        let then: Vec<(String, Then)> = then.into_iter().filter(|(name, _)| selected.contains(name)).collect();
        let found = at_once(then.iter().map(|(name, then)| self.source_as_of(name, then)).collect()).await;
        for ((name, then), source) in then.into_iter().zip(found) {
            match source {
                Ok(Some(source)) => {
                    sources.push(source);
                    thens.push(then.topic);
                }
                Ok(None) if then.topic.partitions.values().filter_map(|of| of.log).any(|log| log.end > log.log_start) => {
                    let what = format!("topic {name:?} had records, but nothing of it is in the bucket");
                    scope.findings.add(self, what, BEHIND);
                }
                // It is in each report: the source cluster had it, and the target does not get it.
                Ok(None) => {
                    scope.findings.accepted.push(format!("topic {name:?} was empty, and its backup had not begun: it is not created"))
                }
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => scope.findings.problems.push(in_full(&error)),
            }
        }
        let ends = self.ends_of(&sources).await?;
        for ((mut source, (ends, mut findings)), topic) in sources.into_iter().zip(ends).zip(thens) {
            // Anyone who can write to the bucket can change a snapshot.
            let numbers = (0..topic.partition_count.min(MOST_PARTITIONS)).filter(|number| self.is_chosen(*number));
            let unknown = self.settings.partitions.iter().flatten().find(|number| **number >= topic.partition_count);
            if let Some(number) = unknown {
                let what = format!("BACKUP_PARTITIONS names partition {number}, which {} did not have then", source.name);
                findings.problems.push(what);
            }
            let mut cut = |number: i32| {
                let end = ends.get(&number).copied().flatten();
                (number, self.cut_as_of(&mut findings, &source, &topic, number, end))
            };
            let cuts = numbers.map(&mut cut).collect();
            source.cuts = Some(cuts);
            let then = TopicThen {
                partitions: topic.partition_count,
                replication_factor: topic.replication_factor,
                configs: topic.configs.known().cloned(),
            };
            scope.add(source.back_to(&then), Some(then), findings);
        }
        Ok(scope)
    }

    /// Which of the topics of that moment are selected.
    async fn selected_as_of(&self, scope: &mut Scope, all: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        let (shown, selection) = (self.moments_told(scope), &self.settings.topics);
        let missing = absent(selection, all);
        if !missing.is_empty() {
            let numbered =
                if missing.iter().any(|name| name.contains('@')) { ". With RESTORE_AS_OF write names without a number" } else { "" };
            return Err(Error::request(format!(
                "{shown} had no topic {}{numbered}. It had {}. Nothing was written",
                missing.join(", "),
                first_of(all.iter().map(String::as_str), MOST_NAMES, ", ", "")
            )));
        }
        let selected = selection.of(all);
        scope.note_idle(&selected.idle, &shown);
        if selected.names.is_empty() {
            return Err(Error::request(format!("BACKUP_TOPIC_NAME matches no topic of {shown}; nothing was written")));
        }
        let others: Vec<String> = selection.of(&self.topics_there().await?).names.into_iter().filter(|name| !all.contains(name)).collect();
        if !others.is_empty() {
            scope.notes.push(format!(
                "{shown} did not have these topics, which have a backup: {}. They were deleted before, or created later, \
                 or belong to another backup. They are not restored",
                others.join(", ")
            ));
        }
        Ok(selected.names)
    }

    /// The moments of the snapshots, for messages.
    fn moments_told(&self, scope: &Scope) -> String {
        let told: Vec<String> = scope.snapshots.iter().map(|(_, until)| rfc3339(*until)).collect();
        format!("the cluster as of {}", told.join(" and "))
    }

    /// The snapshots of that moment, and their topics.
    async fn topics_as_of(&self, as_of: AsOf) -> Result<(Scope, BTreeMap<String, Then>)> {
        let not_after = match as_of {
            AsOf::Latest => None,
            AsOf::Time(time) => Some(time),
        };
        let now = self.clock.now();
        let (store, mut found, mut clusters) = (self.store.as_ref(), Vec::new(), BTreeSet::new());
        let all_series = Snapshots::of(store).series().await?;
        for series in &all_series {
            let cluster = self.settings.backup_cluster.as_deref();
            if cluster.is_some_and(|cluster| !names::is_series_of(series, cluster)) {
                continue;
            }
            if let Some((entry, moment)) = Moment::newest(store, series, not_after, now).await? {
                clusters.insert(moment.cluster_id.clone().unwrap_or_default());
                found.push((entry.name, moment));
            }
        }
        if clusters.len() > 1 {
            let clusters: Vec<String> = clusters.iter().map(|cluster| format!("{cluster:?}")).collect();
            return Err(which_cluster("there are snapshots", &clusters));
        }
        if found.is_empty() {
            let when = not_after.map_or_else(String::new, |time| format!(" of {} or before", rfc3339(time)));
            if let Some(cluster) = self.settings.backup_cluster.as_ref().filter(|_| !all_series.is_empty()) {
                let clusters: BTreeSet<&str> = all_series.iter().map(|series| names::cluster_of(series)).collect();
                return Err(Error::request(format!(
                    "there is no snapshot{when} of cluster {cluster:?} (BACKUP_CLUSTER). There are snapshots of {}; nothing was written",
                    clusters.into_iter().collect::<Vec<_>>().join(", ")
                )));
            }
            return Err(Error::request(format!(
                "there is no snapshot{when} at {}: `list --snapshots` lists the existing ones. Without RESTORE_AS_OF \
                 everything that was backed up is restored",
                self.store.location(names::SNAPSHOTS)
            )));
        }
        found.sort_by_key(|(_, moment)| moment.until);
        let (mut scope, mut topics) = (Scope::default(), BTreeMap::new());
        // No error: this clock may be the wrong one.
        scope.notes.extend(not_after.filter(|time| *time > now).map(|time| {
            format!("RESTORE_AS_OF {} is in the future, because it is {} now: using the newest snapshot", rfc3339(time), rfc3339(now))
        }));
        for (name, moment) in found {
            scope.snapshots.push((name, moment.until));
            // The later one is more complete for a topic that two backups have.
            topics.extend(moment.topics.into_iter().map(|(topic, of)| (topic, Then { cluster: moment.cluster_id.clone(), topic: of })));
        }
        Ok((scope, topics))
    }

    /// The backup of a topic of a snapshot. `None`: nothing of it is in the bucket.
    async fn source_as_of(&self, name: &str, then: &Then) -> Result<Option<Source>> {
        let folder = match &then.topic.folder {
            Some(folder) => folder.clone(),
            // Its backup had not begun. It may have since.
            None => {
                let identity = TopicIdentity { cluster: then.cluster.clone(), topic: then.topic.id.clone() };
                let found = Generations::of(self.store.as_ref(), name).find(&identity, None).await?;
                let Some((lineage, _)) = found.ours else { return Ok(None) };
                lineage.newest().folder()
            }
        };
        let (of, number) = names::parse_topic_folder(&folder)
            .filter(|(of, _)| *of == name)
            .ok_or_else(|| Error::lost(format!("the snapshot puts topic {name:?} into folder {folder:?}, which is not the topic's")))?;
        self.source(&names::generation(of, number), &Event::default(), None).await.map(Some)
    }
}
