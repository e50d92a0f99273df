//! Whether a backup with these settings would work, before the first one: what would be backed up,
//! and what is missing.

use std::collections::BTreeSet;

use archive::catalog::check_create_only;
use archive::{Error, Result};
use kafka::{NO_AUTHORIZER, Right, Rights, Selected};
use kernel::in_full;
use serde::Serialize;

use crate::Backup;
use crate::snapshot::{NO_ACLS, may_see_all, why_groups_are_hidden};
use crate::topics::{is_a_glob, takes_nothing};

/// What [`Backup::check`] found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CheckReport {
    /// Whether nothing is missing.
    pub succeeded: bool,
    /// The cluster's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// What would be backed up.
    pub topics: Vec<TopicCheck>,
    /// Topics of a pattern that EXCLUDE_TOPIC_NAMES excludes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub excluded: BTreeSet<String>,
    /// The target of the backup.
    pub bucket: String,
    /// Problems that belong to no single topic.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Warnings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One topic that would be backed up.
#[derive(Debug, Clone, Serialize)]
pub struct TopicCheck {
    /// Its name.
    pub topic: String,
    /// Its partitions, if it can be described.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Why it cannot be backed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What would be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Backup {
    /// Connects to Kafka and to the bucket, and reports what is missing. Reads no record, commits
    /// nothing, and writes one small object, the same each time.
    ///
    /// # Errors
    /// Kafka is unreachable, or TOPIC_NAMES matches no topic.
    pub async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport { bucket: self.store.location(""), ..CheckReport::default() };
        // Both, so that one run reports everything to do.
        let (topics, store) = futures::join!(self.check_topics(&mut report), check_create_only(self.store.as_ref()));
        if let Err(error) = store {
            report.problems.push(in_full(&error));
        }
        match topics {
            Ok(()) => report.notes.extend(self.missing_in_snapshots().await),
            Err(error) => report.problems.push(in_full(&error)),
        }
        report.succeeded = report.problems.is_empty() && report.topics.iter().all(|topic| topic.error.is_none());
        Ok(report)
    }

    async fn check_topics(&self, report: &mut CheckReport) -> Result<()> {
        let selected = self.selected().await?;
        let names: Vec<String> = selected.names.iter().cloned().collect();
        let mut described = self.source.describe(&names).await?;
        let rights = self.source.rights(&names).await?;
        report.cluster_id = self.source.cluster_id();
        for topic in names {
            let (partitions, error) = match described.remove(&topic) {
                Some(Ok(facts)) => (Some(facts.partitions), None),
                Some(Err(error)) => (None, Some(in_full(&Error::from(error)))),
                None => (None, Some("it does not exist, or this user may not describe it".to_owned())),
            };
            let lacks = |right| lacks(&rights, &topic, right);
            let error = error.or_else(|| lacks(Right::Read).then(|| "missing ACL: this user needs Read on the topic".to_owned()));
            let note = lacks(Right::DescribeConfigs)
                .then(|| "its configs are not backed up. Missing ACL: this user needs DescribeConfigs on the topic".to_owned())
                .filter(|_| error.is_none());
            report.topics.push(TopicCheck { topic, partitions, error, note });
        }
        self.tell_selection(&selected, &rights, report);
        report.excluded = selected.excluded;
        Ok(())
    }

    /// What snapshots of the cluster will lack. No reason not to back up.
    async fn missing_in_snapshots(&self) -> Vec<String> {
        let Some(administration) = self.administration.as_deref().filter(|_| self.settings.snapshots.is_some()) else { return Vec::new() };
        let cluster = administration.cluster().await;
        let known = cluster.as_ref().ok();
        let (acls, users) = futures::join!(administration.acls(known), administration.users(known));
        let groups = match &cluster {
            Ok(_) => why_groups_are_hidden(may_see_all(&cluster)).map(str::to_owned),
            Err(error) => Some(in_full(error)),
        };
        let acls = acls.err().map(|error| in_full(&error));
        let (no_acls, acls): (Option<String>, Option<String>) = match acls {
            Some(why) if why.contains(NO_AUTHORIZER) => (Some(NO_ACLS.to_owned()), None),
            acls => (None, acls),
        };
        let parts =
            [("consumer groups", groups), ("access control lists", acls), ("SCRAM users", users.err().map(|error| in_full(&error)))];
        let missing = parts.into_iter().filter_map(|(part, why)| Some(format!("snapshots will lack some of the {part}: {}", why?)));
        no_acls.into_iter().chain(missing).collect()
    }

    fn tell_selection(&self, selected: &Selected, rights: &Rights, report: &mut CheckReport) {
        let group = &self.settings.group;
        match &rights.group {
            Some(rights) if !rights.contains(&Right::Read) => {
                let what = format!(
                    "this user may not commit for consumer group {group:?}, which stores the progress. Missing ACL: Read on \
                     the group"
                );
                report.problems.push(what);
            }
            None => report.notes.push(format!("the cluster does not report the permissions of this user on consumer group {group:?}")),
            Some(_) => {}
        }
        if rights.topics.values().any(Option::is_none) {
            report.notes.push(
                "the cluster does not report the permissions of this user on topics: the first backup shows whether it \
                 may read them"
                    .to_owned(),
            );
        }
        report.notes.extend(selected.idle.iter().map(|pattern| takes_nothing(pattern)));
        report.notes.extend(selected.ambiguous.iter().map(|(pattern, name)| is_a_glob(pattern, name)));
        if self.settings.topics.has_patterns() {
            report.notes.push("topics that this user may not describe are invisible, and no pattern matches them".to_owned());
        }
    }
}

/// Whether the cluster reports this permission as missing.
fn lacks(rights: &Rights, topic: &str, right: Right) -> bool {
    rights.topics.get(topic).and_then(Option::as_ref).is_some_and(|rights| !rights.contains(&right))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use kafka::{Pattern, Right, Selection};

    use crate::snapshot;
    use crate::testing::Fake;

    #[tokio::test]
    async fn check_says_all_that_is_missing_at_once() {
        let fake = Fake::default();
        fake.log().others = ["orders-1", "orders-tmp"].map(str::to_owned).into();
        let parse = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        let selection = |include: &[&str]| Selection::new(parse(include), parse(&["*-tmp"])).unwrap();
        let report = fake.backup_of(selection(&["orders*"])).check().await.unwrap();
        assert!(report.succeeded && report.topics.len() == 2, "{report:?}");
        assert_eq!(report.excluded, ["orders-tmp".to_owned()].into());
        assert_eq!(fake.bucket.snapshot().len(), 1, "one object of its own");
        let report = fake.backup_of(selection(&["orders", "gone", "x*"])).check().await.unwrap();
        let gone = report.topics.iter().find(|topic| topic.topic == "gone").unwrap();
        assert!(!report.succeeded && gone.error.as_ref().unwrap().contains("does not exist"), "{report:?}");
        assert!(report.notes.iter().any(|note| note.starts_with("x* of TOPIC_NAMES")), "{report:?}");
    }

    #[tokio::test]
    async fn what_snapshots_will_not_have_is_a_note() {
        let fake = Fake::default();
        let groups = Selection::new(vec![Pattern::parse("*").unwrap()], Vec::new()).unwrap();
        let backup = snapshot::tests::backup(&fake, Selection::of_names(["orders"]), groups);
        let of_snapshots =
            |notes: &[String]| notes.iter().filter(|note| note.starts_with("snapshots will lack")).cloned().collect::<Vec<_>>();
        assert_eq!(of_snapshots(&backup.check().await.unwrap().notes), [""; 0]);
        fake.log().rights = Some([Right::DescribeConfigs].into());
        fake.log().refuses = true;
        let report = backup.check().await.unwrap();
        let notes = of_snapshots(&report.notes);
        assert!(report.succeeded && notes.len() == 3, "{report:?}");
        assert!(notes[0].contains("consumer groups") && notes[0].contains("Describe on the cluster"), "{notes:?}");
    }
}
