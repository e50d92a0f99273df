//! New topics, and topics that were backed up and whose folder is missing. Records show the loss of
//! a folder when they are to continue in it; an idle topic has none.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use archive::catalog::{Inventory, Snapshots, names};
use archive::{Error, Result};
use kernel::lock;

use crate::Backup;
use crate::plan::Plan;

/// What is known of the folders of topics.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    /// Those that existed when this process began, until they are compared with the commits.
    there: Option<BTreeSet<String>>,
    /// Topics that were not there, or were not selected, before; and whether that is worth a note:
    /// of a first backup, all are new.
    new: BTreeMap<String, bool>,
    /// Topics whose folder was missing in the last invocation.
    missing: BTreeSet<String>,
}

impl Folders {
    /// The folders of topics in the bucket, at the beginning of this process.
    pub(crate) fn of_process(there: Vec<String>) -> Self {
        Self { there: Some(there.into_iter().collect()), ..Self::default() }
    }

    /// Keeps a topic for [`Backup::tell_new`].
    pub(crate) fn add_new(&mut self, topic: &str, is_noted: bool) {
        self.new.insert(topic.to_owned(), is_noted);
    }
}

impl Backup {
    /// Reports new topics. A topic that was backed up here and has no folder any more is an error,
    /// which this process repeats until the folder is back. No request without such a topic.
    pub(crate) async fn tell_new(&self, plan: &mut Plan) {
        let Folders { there, new, missing } = mem::take(&mut lock(&self.seen).folders);
        let is_doubtful =
            |topic: &String, folder: &String| missing.contains(topic) || there.as_ref().is_some_and(|there| !there.contains(folder));
        let busy: BTreeSet<&String> = plan.work.iter().map(|candidate| &candidate.partition.topic).collect();
        let mut gone = BTreeSet::new();
        for (topic, newest) in plan.known.iter().filter_map(|(topic, known)| Some((topic, known.newest?))) {
            let folder = names::topic_folder(topic, newest);
            if is_doubtful(topic, &folder) && !self.has_objects(&folder).await {
                gone.insert(topic.clone());
                // The worker that is to continue in it reports it, too.
                if !busy.contains(topic) {
                    plan.report.fail_topic(&self.not_the_bucket(topic, newest));
                }
            }
        }
        let is_first = there.is_some();
        lock(&self.seen).folders.missing.extend(gone.iter().cloned());
        let new: Vec<(String, bool)> = new.into_iter().filter(|(topic, _)| !gone.contains(topic)).collect();
        let before = match is_first && !new.is_empty() {
            true => self.backed_up_lately(plan.cluster.as_deref()).await,
            false => BTreeSet::new(),
        };
        for (topic, is_noted) in new {
            let is_known = plan.known.get(&topic).is_some_and(|known| known.newest.is_some());
            let lost = before.iter().find(|folder| names::parse_topic_folder(folder).is_some_and(|(of, _)| of == topic));
            match lost.filter(|_| !is_known) {
                Some(folder) if !self.has_objects(folder).await => plan.report.fail_topic(&self.begins_again(&topic, folder)),
                _ if is_noted => {
                    let what = format!("topic {topic:?} is new: it is backed up from now on");
                    tracing::info!(topic, "{what}");
                    plan.report.notes.push(what);
                }
                _ => {}
            }
        }
    }

    /// Whether a folder exists. An error counts as a yes: the backup does not depend on it.
    async fn has_objects(&self, folder: &str) -> bool {
        let listed = self.store.list(&format!("{folder}/"), "", 1).await;
        listed.map_or(true, |page| !page.objects.is_empty())
    }

    /// The folders that the newest snapshots, and the runs since, show. They are read only where a
    /// topic looks new.
    async fn backed_up_lately(&self, cluster: Option<&str>) -> BTreeSet<String> {
        let read = async || -> Result<BTreeSet<String>> {
            if self.settings.snapshots.is_none() {
                return Ok(BTreeSet::new());
            }
            let (store, series) = (self.store.as_ref(), names::snapshot_prefix(cluster, &self.settings.group));
            let days = Snapshots::of(store).days(&series).await?;
            let inventory = Inventory::lately(store, &series, &days, self.clock.now()).await?;
            Ok(inventory.folders.into_keys().collect())
        };
        read().await.unwrap_or_else(|error| {
            tracing::warn!("could not read whether new topics were backed up before: {error}");
            BTreeSet::new()
        })
    }

    /// Continuing after missing segments would leave a hole that no one sees before a restore.
    pub(crate) fn not_the_bucket(&self, topic: &str, newest: u32) -> Error {
        let place = self.store.location(&names::topic_json(&names::topic_folder(topic, newest)));
        Error::lost(format!(
            "consumer group {:?} shows that {topic:?} was backed up here, but {place} is missing; nothing was read. Check \
             that this is the right bucket or folder, and that it is mounted. To start a new backup here, choose a new \
             GROUP_ID",
            self.settings.group
        ))
    }

    fn begins_again(&self, topic: &str, folder: &str) -> Error {
        Error::lost(format!(
            "according to snapshots, {topic:?} was backed up, but {} is missing with everything in it, and consumer group \
             {:?} has no commit of it. What Kafka still has is backed up again; the rest is lost unless you restore the \
             folder. Find out what deleted it",
            self.store.location(&format!("{folder}/")),
            self.settings.group
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::time::Duration;

    use archive::catalog::Snapshot;
    use archive::testing::{add_snapshot, snapshot};
    use config::SnapshotSettings;
    use host::Budget;
    use kafka::{Pattern, Selection};

    use super::*;
    use crate::testing::Fake;
    use crate::{BackupReport, Invocation};

    /// A new process, of all topics.
    fn process(fake: &Fake) -> Backup {
        let mut backup = fake.backup_of(Selection::new(vec![Pattern::parse("*").unwrap()], Vec::new()).unwrap());
        let snapshots = SnapshotSettings { every: Duration::from_secs(300), groups: Selection::default() };
        Arc::make_mut(&mut backup.settings).snapshots = Some(snapshots);
        backup
    }

    async fn invoke(backup: &Backup) -> BackupReport {
        backup.invoke(&Invocation { flush: true, ..Invocation::new(Budget::unlimited(None)) }).await.unwrap()
    }

    /// `orders` with ten records and `users` with none, backed up.
    async fn backed_up() -> Fake {
        let fake = Fake::default();
        fake.log().others = ["users".to_owned()].into();
        fake.write(10);
        assert!(invoke(&process(&fake)).await.succeeded);
        fake
    }

    async fn delete_folder(fake: &Fake, folder: &str) {
        for name in fake.bucket.snapshot().keys().filter(|name| name.starts_with(folder)) {
            fake.delete(name).await;
        }
    }

    #[tokio::test]
    async fn an_idle_topic_whose_folder_is_missing_is_an_error_until_it_is_back() {
        let fake = backed_up().await;
        let before = fake.bucket.snapshot();
        delete_folder(&fake, "orders/").await;
        let backup = process(&fake);
        for _ in 0..2 {
            let report = invoke(&backup).await;
            assert!(!report.succeeded && report.notes.is_empty() && report.errors.len() == 1, "{report:?}");
            assert!(report.errors[0].contains("\"orders\" was backed up here, but") && report.errors[0].contains("orders/topic.json"));
        }
        before.into_iter().for_each(|(name, body)| fake.bucket.overwrite(&name, body));
        assert!(invoke(&backup).await.succeeded);
        assert!(invoke(&process(&fake)).await.succeeded);
    }

    /// The worker reports it: once is enough.
    #[tokio::test]
    async fn a_topic_with_new_records_is_named_once() {
        let fake = backed_up().await;
        delete_folder(&fake, "orders/").await;
        fake.write(10);
        let report = invoke(&process(&fake)).await;
        let errors = report.partitions.iter().filter_map(|one| one.error.as_ref()).chain(&report.errors);
        assert_eq!(errors.filter(|error| error.contains("was backed up here, but")).count(), 1, "{report:?}");
    }

    /// Kafka forgets the commits of a topic without records after a week.
    #[tokio::test]
    async fn without_a_commit_a_snapshot_shows_that_it_was_backed_up() {
        let fake = backed_up().await;
        let taken = Snapshot { cluster_id: Some("memory".to_owned()), ..snapshot(0, [("orders", "orders", 0, 10)]) };
        add_snapshot(fake.bucket.as_ref(), &taken).await;
        delete_folder(&fake, "orders/").await;
        fake.log().commit = None;
        fake.log().others.insert("fresh".to_owned());
        let report = invoke(&process(&fake)).await;
        assert!(!report.succeeded && report.records == 10, "what Kafka still has is backed up again: {report:?}");
        assert!(report.errors.len() == 1 && report.errors[0].contains("\"orders\" was backed up, but"), "{report:?}");
        assert_eq!(report.notes, ["topic \"fresh\" is new: it is backed up from now on"]);
        let report = invoke(&process(&fake)).await;
        assert!(report.succeeded && report.notes.is_empty(), "{report:?}");

        // All folders.
        for folder in ["orders/", "users/", "fresh/"] {
            delete_folder(&fake, folder).await;
        }
        fake.log().commit = None;
        let report = invoke(&process(&fake)).await;
        assert!(report.errors.len() == 1 && report.notes.is_empty(), "{report:?}");
    }
}
