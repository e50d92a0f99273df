//! The topics of an invocation: those of the event, or all that TOPIC_NAMES selects of the
//! cluster's current topics.

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::names::parse_topic_folder;
use archive::{Error, Result};
use kafka::{Selected, TopicFacts, TopicId, TopicPartition};
use kernel::lock;

use crate::folders::Folders;
use crate::report::BackupReport;
use crate::{Backup, Invocation};

/// The cluster's description of each topic.
type Described = BTreeMap<String, kafka::Result<TopicFacts>>;

/// The end of each partition when a run began, for [`Invocation::up_to`].
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// The end of each partition; the largest number if it is unknown.
    pub(crate) offsets: BTreeMap<TopicPartition, i64>,
    /// All topics that were checked, with their ids if they could be described and have one.
    pub(crate) topics: BTreeMap<String, Option<TopicId>>,
}

/// What earlier invocations saw, so that a change is logged once.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of this process, or, before its first invocation, the topics with a backup: a function can
    /// be a new process each time.
    topics: Option<BTreeSet<String>>,
    said: BTreeSet<String>,
    /// The folders of topics, and topics without one.
    pub(crate) folders: Folders,
}

impl Seen {
    /// Whether this was not logged before.
    pub(crate) fn is_news(&mut self, what: &str) -> bool {
        self.said.insert(what.to_owned())
    }
}

impl Backup {
    /// The topics of this invocation. Plain names need not exist.
    ///
    /// # Errors
    /// The event names another topic, or there is none.
    pub(crate) async fn wanted(&self, invocation: &Invocation, report: &mut BackupReport) -> Result<BTreeSet<String>> {
        let selection = &self.settings.topics;
        if let Some(topic) = &invocation.event.topic {
            if selection.takes(topic) {
                return Ok([topic.clone()].into());
            }
            return Err(Error::request(format!("the event names topic {topic:?}, which is not in TOPIC_NAMES; nothing was read")));
        }
        let selected = self.selected().await?;
        if selection.has_patterns() {
            self.remember_stored().await;
            self.tell(&selected, report);
        }
        Ok(selected.names)
    }

    /// The current selection of TOPIC_NAMES. One request if it has patterns.
    ///
    /// # Errors
    /// It matches no existing topic.
    pub(crate) async fn selected(&self) -> Result<Selected> {
        let selection = &self.settings.topics;
        let all = if selection.has_patterns() { self.source.names().await? } else { BTreeSet::new() };
        let selected = selection.of(&all);
        if selected.names.is_empty() {
            let what = if selected.excluded.is_empty() {
                format!("none of the {} topics that this user may see", all.len())
            } else {
                format!("only topics that EXCLUDE_TOPIC_NAMES excludes, {} of them", selected.excluded.len())
            };
            return Err(Error::request(format!(
                "TOPIC_NAMES ({}) matches {what}; nothing was read. Topics that this user may not describe are invisible",
                selected.idle.join(", ")
            )));
        }
        Ok(selected)
    }

    /// The first time: the topics in the bucket that TOPIC_NAMES selects. One listing.
    async fn remember_stored(&self) {
        if lock(&self.seen).topics.is_some() {
            return;
        }
        let folders = match self.store.folders("").await {
            Ok(folders) => folders,
            Err(error) => {
                // The backup of existing topics does not depend on it.
                tracing::warn!("could not list the topics with a backup, so deleted and missing ones are not reported: {error}");
                lock(&self.seen).topics.get_or_insert_default();
                return;
            }
        };
        let topics = folders.iter().filter_map(|folder| parse_topic_folder(folder)).map(|(topic, _)| topic);
        let topics: BTreeSet<String> = topics.filter(|topic| self.settings.topics.takes(topic)).map(str::to_owned).collect();
        let mut seen = lock(&self.seen);
        if seen.topics.is_none() {
            (seen.topics, seen.folders) = (Some(topics), Folders::of_process(folders));
        }
    }

    /// Reports deleted topics, and patterns without a match; logs each once per process. New topics
    /// are reported once their commits are known: `folders.rs`.
    fn tell(&self, selected: &Selected, report: &mut BackupReport) {
        let mut seen = lock(&self.seen);
        for pattern in &selected.idle {
            let what = takes_nothing(pattern);
            if seen.is_news(&what) {
                tracing::warn!("{what}; topics that this user may not describe are invisible");
            }
            report.notes.push(what);
        }
        for (pattern, name) in &selected.ambiguous {
            let what = is_a_glob(pattern, name);
            if seen.is_news(&what) {
                tracing::warn!("{what}");
            }
        }
        let before = seen.topics.replace(selected.names.clone()).unwrap_or_default();
        for gone in before.difference(&selected.names) {
            let what = format!("topic {gone:?} was deleted, or this user may not see it any more: it is no longer read. Its backup stays");
            tracing::warn!(topic = gone, "{what}");
            report.notes.push(what);
        }
        let has_backups = !before.is_empty();
        selected.names.difference(&before).for_each(|name| seen.folders.add_new(name, has_backups));
    }

    /// Those of `wanted` that the cluster describes. The others are errors in the report, unless a
    /// pattern matched them and they were deleted meanwhile.
    pub(crate) async fn described(
        &self,
        wanted: &BTreeSet<String>,
        invocation: &Invocation,
        report: &mut BackupReport,
    ) -> Result<BTreeMap<String, TopicFacts>> {
        let names: Vec<String> = wanted.iter().cloned().collect();
        let described = self.source.describe(&names).await?;
        let by_name = |topic: &String| self.settings.topics.has_name(topic) || invocation.event.topic.as_ref() == Some(topic);
        for missing in wanted.iter().filter(|topic| !described.contains_key(*topic) && by_name(topic)) {
            let all = if missing.eq_ignore_ascii_case("all") { ". For all topics, did you mean \"*\"?" } else { "" };
            let what = format!("topic {missing:?} does not exist in the cluster; create it or remove it from TOPIC_NAMES{all}");
            report.fail_topic(&Error::request(what));
        }
        self.compare_with_start(invocation, &described, report);
        let mut topics = BTreeMap::new();
        for (name, facts) in described {
            match facts {
                Ok(facts) => drop(topics.insert(name, facts)),
                Err(error) => report.fail_topic(&error.into()),
            }
        }
        Ok(topics)
    }

    /// A topic that was unknown when the ends were read, or is unknown now, would be omitted in
    /// silence.
    fn compare_with_start(&self, invocation: &Invocation, described: &Described, report: &mut BackupReport) {
        let Some(up_to) = &invocation.up_to else { return };
        let known = described.iter().filter(|(_, facts)| facts.is_ok()).map(|(name, _)| name);
        for name in known.filter(|name| !up_to.offsets.keys().any(|known| known.topic == **name)) {
            if self.settings.topics.has_name(name) || up_to.topics.contains_key(name) {
                let what = format!(
                    "topic {name:?} did not exist, or was invisible, when this run began: nothing was read of it. Start \
                     another run for it"
                );
                report.fail_topic(&Error::request(what));
            } else {
                report.notes.push(format!("topic {name:?} was created after this run began: the next run reads it"));
            }
        }
        let is_gone = |name: &&String| !described.contains_key(*name) && !self.settings.topics.has_name(name);
        for name in up_to.topics.keys().filter(is_gone).filter(|_| invocation.event.topic.is_none()) {
            let what = format!(
                "topic {name:?} existed when this run began, and was deleted or is invisible now: what was not read of it \
                 by then is not in the backup"
            );
            report.fail_topic(&Error::request(what));
        }
        for (name, facts) in described.iter().filter_map(|(name, facts)| Some((name, facts.as_ref().ok()?))) {
            let before = up_to.topics.get(name).and_then(Option::as_ref);
            let is_another = before.zip(facts.id.as_ref()).is_some_and(|(before, now)| before != now);
            let has_fewer = up_to.offsets.keys().any(|known| known.topic == *name && known.partition >= facts.partitions);
            if is_another || has_fewer {
                let what = format!(
                    "topic {name:?} was created again after this run began: what was not read of the old one by then is not in the backup"
                );
                report.fail_topic(&Error::request(what));
            }
        }
    }

    /// The current end of each partition, for [`Invocation::up_to`]. A partition without a leader
    /// has no known end: it stays in the invocation, which reports it. So does a topic that cannot
    /// be described, but its partitions are unknown.
    ///
    /// # Errors
    /// As [`Backup::invoke`]; and a transient error of describing a topic: it must not come back
    /// unnoticed.
    pub async fn ends(&self) -> Result<Ends> {
        let selected = self.selected().await?.names;
        let names: Vec<String> = selected.iter().cloned().collect();
        let mut topics = BTreeMap::new();
        for (name, facts) in self.source.describe(&names).await? {
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
        let offsets = partitions.into_iter().map(|partition| (partition.clone(), end(&partition))).collect();
        let id = |name: &String| topics.get(name).and_then(|facts| facts.id.clone());
        Ok(Ends { offsets, topics: selected.into_iter().map(|name| (name.clone(), id(&name))).collect() })
    }
}

/// The message for a pattern of TOPIC_NAMES without a match.
pub(crate) fn takes_nothing(pattern: &str) -> String {
    format!("{pattern} of TOPIC_NAMES matches no topic now")
}

/// The message for a glob that Kafka's own tools would read as a regular expression, which also
/// matches this topic.
pub(crate) fn is_a_glob(pattern: &str, topic: &str) -> String {
    format!(
        "{pattern} of TOPIC_NAMES is a glob, in which a dot is a dot: it does not match {topic:?}, as the regular \
         expression ^{pattern} would"
    )
}

/// All partitions of these topics.
pub(crate) fn partitions_of(topics: &BTreeMap<String, TopicFacts>) -> Vec<TopicPartition> {
    let of_topic = |(topic, facts): (&String, &TopicFacts)| {
        let topic = topic.clone();
        (0..facts.partitions).map(move |partition| TopicPartition::new(topic.as_str(), partition))
    };
    topics.iter().flat_map(of_topic).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use host::Budget;
    use kafka::{Pattern, Selection};

    use super::*;
    use crate::testing::Fake;

    fn backup_of(fake: &Fake, include: &[&str], exclude: &[&str]) -> Backup {
        let parse = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        fake.backup_of(Selection::new(parse(include), parse(exclude)).unwrap())
    }

    fn all() -> Invocation {
        Invocation::new(Budget::unlimited(None))
    }

    fn topics_of(report: &BackupReport) -> Vec<&str> {
        report.partitions.iter().map(|one| one.topic.as_str()).collect()
    }

    #[tokio::test]
    async fn what_comes_and_goes_is_found_anew_in_each_invocation_and_said_once() {
        let fake = Fake::default();
        fake.log().others = ["orders-1", "orders-tmp", "users", "__consumer_offsets"].map(str::to_owned).into();
        let backup = backup_of(&fake, &["orders*"], &["*-tmp"]);
        let report = backup.invoke(&all()).await.unwrap();
        assert_eq!((topics_of(&report), report.succeeded, report.notes.is_empty()), (vec!["orders", "orders-1"], true, true), "{report:?}");
        fake.log().others = ["orders-2".to_owned()].into();
        let report = backup.invoke(&all()).await.unwrap();
        assert_eq!((topics_of(&report), report.succeeded), (vec!["orders", "orders-2"], true));
        let notes = report.notes.join("\n");
        assert!(notes.contains("\"orders-1\" was deleted") && notes.contains("\"orders-2\" is new") && report.notes.len() == 2, "{notes}");
        assert!(backup.invoke(&all()).await.unwrap().notes.is_empty());
    }

    /// A function is a new process at each cold start, and would never notice a deleted topic.
    #[tokio::test]
    async fn what_has_a_backup_and_is_gone_is_named_by_a_new_process_too() {
        let fake = Fake::default();
        fake.log().others = ["orders-1".to_owned()].into();
        backup_of(&fake, &["orders*"], &[]).invoke(&all()).await.unwrap();
        fake.log().others = ["users".to_owned()].into();
        let backup = backup_of(&fake, &["orders*", "users"], &[]);
        let report = backup.invoke(&all()).await.unwrap();
        assert!(report.succeeded && report.notes[0].contains("\"orders-1\" was deleted"), "{report:?}");
        assert!(backup.invoke(&all()).await.unwrap().notes.is_empty());
    }

    #[tokio::test]
    async fn a_pattern_that_takes_nothing_is_told_and_nothing_at_all_is_refused() {
        let fake = Fake::default();
        let report = backup_of(&fake, &["orders", "pay*"], &[]).invoke(&all()).await.unwrap();
        assert!(report.succeeded && report.notes == ["pay* of TOPIC_NAMES matches no topic now"], "{report:?}");
        for (include, exclude, says) in [("pay*", &[][..], "none of the 1 topics"), ("*", &["*"][..], "EXCLUDE_TOPIC_NAMES excludes")] {
            let error = backup_of(&fake, &[include], exclude).invoke(&all()).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[tokio::test]
    async fn all_is_a_name_and_may_be_meant_as_a_pattern() {
        let report = backup_of(&Fake::default(), &["orders", "ALL"], &[]).invoke(&all()).await.unwrap();
        assert!(!report.succeeded && report.errors[0].contains("did you mean \"*\"?"), "{report:?}");
    }

    #[tokio::test]
    async fn an_event_names_a_topic_that_a_pattern_takes() {
        let fake = Fake::default();
        fake.log().others = ["orders-1", "users"].map(str::to_owned).into();
        let backup = backup_of(&fake, &["orders*"], &["orders-tmp"]);
        let mut invocation = all();
        invocation.event.topic = Some("orders-1".to_owned());
        assert_eq!(topics_of(&backup.invoke(&invocation).await.unwrap()), ["orders-1"]);
        invocation.event.topic = Some("orders-9".to_owned());
        assert!(!backup.invoke(&invocation).await.unwrap().succeeded, "it is not there");
        for other in ["users", "orders-tmp"] {
            invocation.event.topic = Some(other.to_owned());
            let error = backup.invoke(&invocation).await.unwrap_err().to_string();
            assert!(error.contains("is not in TOPIC_NAMES"), "{error}");
        }
    }

    /// A caller that waits for "everything present at the start" must not miss a topic of it.
    #[tokio::test]
    async fn a_run_knows_which_topics_were_there_when_it_began() {
        let fake = Fake::default();
        fake.log().others = ["orders-1".to_owned()].into();
        let backup = backup_of(&fake, &["orders*"], &[]);
        let run = Invocation { up_to: Some(Arc::new(backup.ends().await.unwrap())), ..all() };
        assert!(backup.invoke(&run).await.unwrap().succeeded);
        fake.log().others = ["orders-1", "orders-2"].map(str::to_owned).into();
        let report = backup.invoke(&run).await.unwrap();
        assert!(
            report.succeeded && report.notes.iter().any(|note| note.contains("\"orders-2\" was created after this run began")),
            "{report:?}"
        );
        fake.log().others.clear();
        let report = backup.invoke(&run).await.unwrap();
        assert!(!report.succeeded && report.errors[0].contains("\"orders-1\" existed when this run began"), "{report:?}");
        fake.log().others = ["orders-1".to_owned()].into();
        fake.log().id = 2;
        let report = backup.invoke(&run).await.unwrap();
        assert!(
            !report.succeeded && report.errors.iter().all(|error| error.contains("was created again after this run began")),
            "{report:?}"
        );
    }
}
