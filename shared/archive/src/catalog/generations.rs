//! The generations of a topic in the bucket: which belongs to which topic, how one begins, and
//! whether the store keeps create-only objects.

use std::collections::BTreeSet;

use kafka::TopicFacts;
use kernel::failpoint;
use store::{ObjectStore, StoreError, StoreErrorKind, Version};

use super::generation::Likeness;
use crate::catalog::create_only::replaced;
use crate::catalog::{Generation, Lineage, NewReason, TopicIdentity, names};
use crate::{Error, Result};

/// The result of a search for a topic's generation.
#[derive(Debug, Default)]
pub struct Found {
    /// The generations to continue, and the state of the newest one's topic.json.
    pub ours: Option<(Lineage, Version)>,
    /// An older generation that contains some of our partitions was not among those checked.
    is_incomplete: bool,
    /// Number of the newest generation of the name, of any topic; 0 if there is none.
    pub newest: u32,
    /// Why another generation would begin.
    pub reason: Option<NewReason>,
}

impl Found {
    /// Selects among all generations of a name, in order. Several of one topic differ in a lost
    /// end: the newest of them counts. If an id is missing, only the newest one that can be of this
    /// cluster counts.
    fn among(mut all: Vec<(Generation, Version)>, topic: &TopicIdentity) -> Self {
        let newest = all.last().map_or(0, |(generation, _)| generation.generation);
        let is_of_others = !all.is_empty() && all.iter().all(|(generation, _)| generation.is_of_another_cluster(topic));
        let reason = match (newest, is_of_others) {
            (0, _) => NewReason::First,
            (_, true) => NewReason::AnotherCluster,
            _ => NewReason::Recreated,
        };
        let mut is_newest_of_cluster = true;
        let mut ours = None;
        for (index, (generation, _)) in all.iter().enumerate().rev() {
            match generation.likeness(topic) {
                Likeness::Unknown if is_newest_of_cluster => ours = Some(index),
                Likeness::Same => ours = Some(index),
                Likeness::AnotherCluster => {}
                Likeness::Unknown | Likeness::AnotherTopic => is_newest_of_cluster = false,
            }
            if ours.is_some() {
                break;
            }
        }
        let Some(index) = ours else { return Self { newest, reason: Some(reason), ..Self::default() } };
        let mut until = all.drain(..=index).rev();
        let lineage = until.next().and_then(|(generation, version)| {
            let older = until.filter(|(older, _)| older.is(topic)).map(|(older, _)| older);
            Some((Lineage::new(generation, older)?, version))
        });
        Self { is_incomplete: lineage.is_none(), ours: lineage, newest, reason: Some(reason) }
    }
}

/// The generations of one topic in the bucket.
#[derive(Debug, Clone, Copy)]
pub struct Generations<'a> {
    pub(super) store: &'a dyn ObjectStore,
    pub(super) topic: &'a str,
}

impl<'a> Generations<'a> {
    /// Those of `topic`.
    pub fn of(store: &'a dyn ObjectStore, topic: &'a str) -> Self {
        Self { store, topic }
    }

    /// Reads one generation. `None` if there is none of that number.
    ///
    /// # Errors
    /// An error of the store. An unreadable `topic.json` is never treated as missing.
    pub async fn get(&self, generation: u32) -> Result<Option<(Generation, Version)>> {
        let name = names::topic_json(&names::topic_folder(self.topic, generation));
        let object = match self.store.get(&name).await {
            Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => return Ok(None),
            other => other?,
        };
        let damaged = |what: String| StoreError::new(StoreErrorKind::Damaged, self.store.location(&name), what);
        let found: Generation = serde_json::from_slice(&object.body).map_err(|error| damaged(format!("cannot be read: {error}")))?;
        if found.format_version > Generation::FORMAT {
            return Err(damaged(format!("written by a newer version (format {}); use that version", found.format_version)).into());
        }
        if (found.topic.as_str(), found.generation) != (self.topic, generation) {
            return Err(damaged(format!(
                "belongs to topic {:?}, generation {}, not to the folder that it is in: the folder was copied or renamed. \
                 It is neither read nor written. Rename the folder back, or move it out of the bucket",
                found.topic, found.generation
            ))
            .into());
        }
        if !found.is_create_only {
            return Err(replaced(self.store, &name));
        }
        Ok(Some((found, object.version)))
    }

    /// Finds the generation of a topic among all of its name. `known` is one of the same topic,
    /// which its commits name: older ones are not requested. One request more than there are
    /// generations from there on.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn find(&self, topic: &TopicIdentity, known: Option<u32>) -> Result<Found> {
        let known = known.unwrap_or(1).max(1);
        let mut found = Found::among(self.all_from(known).await?, topic);
        // The bucket of a commit has what the commit names; an empty bucket is reported as such.
        if found.ours.is_none() && known > 1 && found.newest > 0 {
            let all = Found::among(self.all_from(1).await?, topic);
            // If an older one is missing, the newer ones are not found from there.
            found = if all.newest < found.newest { found } else { all };
        }
        if found.is_incomplete { Err(self.incomplete(found.newest)) } else { Ok(found) }
    }

    /// A generation, with the older ones that contain some of its partitions. `None` if there is
    /// none of that number.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn lineage(&self, generation: u32) -> Result<Option<Lineage>> {
        let Some((newest, _)) = self.get(generation).await? else { return Ok(None) };
        let topic = TopicIdentity { cluster: newest.cluster_id.clone(), topic: newest.topic_id.clone() };
        let (mut older, mut is_whole) = (Vec::new(), newest.begins.is_none());
        for number in (1..generation).rev() {
            if is_whole {
                break;
            }
            match self.get(number).await? {
                Some((found, _)) if found.is(&topic) => {
                    is_whole = found.begins.is_none();
                    older.push(found);
                }
                Some(_) => {}
                // Numbers are consecutive: partitions may have begun in the missing one, and an
                // older log must not pass for theirs.
                None => return Err(self.incomplete(generation)),
            }
        }
        Lineage::new(newest, older).map(Some).ok_or_else(|| self.incomplete(generation))
    }

    fn incomplete(&self, newest: u32) -> Error {
        let location = self.store.location(&names::topic_json(&names::topic_folder(self.topic, newest)));
        Error::lost(format!(
            "{location}: only partitions whose logs lost their ends begin in this generation or those before it, and \
             the topic.json of the one that contains the others is missing. Restore it"
        ))
    }

    async fn all_from(&self, first: u32) -> Result<Vec<(Generation, Version)>> {
        let mut all = Vec::new();
        for generation in first.. {
            match self.get(generation).await? {
                Some(found) => all.push(found),
                None => break,
            }
        }
        Ok(all)
    }

    /// Begins a generation. If another invocation was faster, returns its generation. Call
    /// [`prove`](Self::prove) before writing anything to it.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn begin(&self, new: Generation) -> Result<Generation> {
        let name = names::topic_json(&new.folder());
        let body = serde_json::to_vec_pretty(&new).map_err(|error| Error::bug(error.to_string()))?;
        failpoint!("backup::topic::before");
        match self.store.create(&name, body.into()).await {
            Ok(_) => {
                failpoint!("backup::topic::after");
                Ok(new)
            }
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => self
                .get(new.generation)
                .await?
                .map(|(found, _)| found)
                .ok_or_else(|| Error::raced(format!("{}: existed and is gone; run again", self.store.location(&name)))),
            Err(error) => Err(error.into()),
        }
    }

    /// Proves that the store refuses to create existing objects, by trying it with the `topic.json`
    /// of a generation that has begun. With a store that replaces it, two concurrent backups would
    /// destroy each other's segments. It writes other bytes, because equal ones look like a lost
    /// first response. These bytes record what happened, so that no later invocation trusts such a
    /// store.
    ///
    /// # Errors
    /// The store replaced the object, or an error of the store.
    pub async fn prove(&self, begun: &Generation) -> Result<()> {
        let name = names::topic_json(&begun.folder());
        let other = Generation { is_create_only: false, ..begun.clone() };
        let body = serde_json::to_vec_pretty(&other).map_err(|error| Error::bug(error.to_string()))?;
        match self.store.create(&name, body.into()).await {
            Ok(_) => Err(replaced(self.store, &name)),
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Updates what is needed to create the topic again: partitions that were added or have
    /// `begun`, changed configs, and ids that it got since. Also the name prefix of `snapshots`
    /// once some were taken, so that their loss is noticed. No request if all is up to date. Losing
    /// a race does no harm.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn refresh(
        &self,
        known: &Generation,
        version: &Version,
        topic: &TopicIdentity,
        facts: &TopicFacts,
        begun: &BTreeSet<i32>,
        snapshots: Option<String>,
    ) -> Result<()> {
        let mut fresh = known.clone();
        fresh.snapshots = fresh.snapshots.or(snapshots);
        fresh.partitions = fresh.partitions.max(facts.partitions);
        fresh.replication_factor = facts.replication_factor.or(fresh.replication_factor);
        fresh.begun.extend(begun);
        fresh.configs.clone_from(&facts.configs);
        fresh.topic_id = fresh.topic_id.or_else(|| topic.topic.clone());
        fresh.cluster_id = fresh.cluster_id.or_else(|| topic.cluster.clone());
        self.replace(known, version, &fresh).await
    }

    async fn replace(&self, known: &Generation, version: &Version, fresh: &Generation) -> Result<()> {
        if fresh == known {
            return Ok(());
        }
        let body = serde_json::to_vec_pretty(fresh).map_err(|error| Error::bug(error.to_string()))?;
        failpoint!("backup::refresh::before");
        match self.store.replace(&names::topic_json(&known.folder()), body.into(), version).await {
            Ok(_) | Err(StoreError { kind: StoreErrorKind::Changed, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        failpoint!("backup::refresh::after");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use store::testing::{CarelessStore, CountingStore, Delete, Fault, FaultyStore, MemoryStore, Operation};

    use super::*;

    fn identity(cluster: Option<&str>, topic: Option<u32>) -> TopicIdentity {
        TopicIdentity { cluster: cluster.map(str::to_owned), topic: topic.map(|id| format!("{id:022}").parse().unwrap()) }
    }

    fn generation(number: u32, of: &TopicIdentity) -> Generation {
        let (topic_id, cluster_id) = (of.topic.clone(), of.cluster.clone());
        Generation { generation: number, topic_id, cluster_id, ..crate::testing::generation("orders") }
    }

    async fn find(all: &[TopicIdentity], topic: &TopicIdentity, known: Option<u32>) -> (Option<u32>, Option<NewReason>) {
        let store = MemoryStore::new();
        let generations = Generations::of(&store, "orders");
        for (number, of) in (1..).zip(all) {
            generations.begin(generation(number, of)).await.unwrap();
        }
        let found = generations.find(topic, known).await.unwrap();
        assert_eq!(found.newest, u32::try_from(all.len()).unwrap());
        (found.ours.map(|(ours, _)| ours.newest().generation), found.reason)
    }

    #[tokio::test]
    async fn the_generation_of_a_cluster_and_topic_id_is_found_whichever_number_it_has() {
        let (a, b) = (identity(Some("a"), Some(1)), identity(Some("b"), Some(2)));
        let all = [a.clone(), b.clone(), b.clone(), a.clone(), b.clone()];
        for known in [None, Some(1)] {
            assert_eq!(find(&all, &a, known).await.0, Some(4), "of truncated ones the newest");
            assert_eq!(find(&all, &b, known).await.0, Some(5));
        }
        assert_eq!(find(&all, &a, Some(4)).await.0, Some(4));
        assert_eq!(find(&all[..3], &a, Some(2)).await.0, Some(1), "a commit that names another one leads nowhere");
        assert_eq!(find(&all, &identity(Some("a"), Some(3)), None).await, (None, Some(NewReason::Recreated)));
        assert_eq!(find(&all, &identity(Some("c"), Some(1)), None).await, (None, Some(NewReason::AnotherCluster)));
        assert_eq!(find(&[], &a, None).await, (None, Some(NewReason::First)));
    }

    #[tokio::test]
    async fn partitions_that_lost_nothing_stay_where_they_are() {
        let (store, of) = (MemoryStore::new(), identity(Some("a"), Some(1)));
        let generations = Generations::of(&store, "orders");
        generations.begin(generation(1, &of)).await.unwrap();
        generations.begin(Generation { begins: Some([2, 3].into()), ..generation(2, &of) }).await.unwrap();
        generations.begin(generation(3, &identity(Some("b"), Some(2)))).await.unwrap();
        generations.begin(Generation { begins: Some([3].into()), ..generation(4, &of) }).await.unwrap();
        let places = |lineage: &Lineage| [0, 2, 3, 9].map(|partition| lineage.of(partition).generation);
        let found = generations.find(&of, Some(2)).await.unwrap();
        assert_eq!(places(&found.ours.unwrap().0), [1, 2, 4, 1]);
        for (number, expected) in [(1, [1, 1, 1, 1]), (2, [1, 2, 2, 1]), (4, [1, 2, 4, 1])] {
            assert_eq!(places(&generations.lineage(number).await.unwrap().unwrap()), expected);
        }
        store.delete("orders/topic.json").await.unwrap();
        for error in [generations.find(&of, Some(2)).await.unwrap_err(), generations.lineage(4).await.unwrap_err()] {
            assert!(!error.is_retryable(), "{error}");
        }
    }

    #[tokio::test]
    async fn without_ids_the_cluster_and_the_name_decide() {
        let (a, b) = (identity(Some("a"), None), identity(Some("b"), None));
        let all = [a.clone(), b.clone()];
        assert_eq!(find(&all, &a, None).await.0, Some(1));
        assert_eq!(find(&all, &identity(Some("a"), Some(7)), None).await.0, Some(1), "brokers that learned of ids");
        assert_eq!(find(&all, &identity(Some("c"), None), None).await.0, None);
        assert_eq!(find(&[identity(None, None)], &a, None).await.0, Some(1), "an older topic.json");
        let recreated = [identity(None, None), identity(Some("a"), Some(1))];
        assert_eq!(find(&recreated, &identity(Some("a"), Some(2)), None).await.0, None, "not the first one, whose ids are unknown");
    }

    #[tokio::test]
    async fn that_snapshots_were_taken_is_noted_once_and_replaces_nothing_newer() {
        let store = CountingStore::new(Arc::new(MemoryStore::new()));
        let generations = Generations::of(&store, "orders");
        let of = identity(Some("a"), Some(1));
        generations.begin(generation(1, &of)).await.unwrap();
        let (known, version) = generations.get(1).await.unwrap().unwrap();
        let facts = TopicFacts { id: None, partitions: known.partitions, replication_factor: None, configs: known.configs.clone() };
        let note = async |known: &Generation, version: &Version, series: &str| {
            generations.refresh(known, version, &of, &facts, &BTreeSet::new(), Some(series.to_owned())).await.unwrap();
        };
        note(&known, &version, "@cluster/a/b/").await;
        let (noted, newer) = generations.get(1).await.unwrap().unwrap();
        assert_eq!(noted, Generation { snapshots: Some("@cluster/a/b/".to_owned()), ..known.clone() });
        note(&known, &version, "@cluster/a/c/").await;
        assert_eq!(generations.get(1).await.unwrap().unwrap(), (noted.clone(), newer.clone()), "another one was faster");
        let before = store.counts();
        note(&noted, &newer, "@cluster/a/b/").await;
        assert_eq!(store.counts(), before);
    }

    #[tokio::test]
    async fn a_generation_that_is_missing_in_between_is_not_skipped() {
        let (store, topic) = (MemoryStore::new(), identity(Some("a"), Some(1)));
        let generations = Generations::of(&store, "orders");
        for (number, begins) in [(1, None), (2, Some([1].into())), (3, Some([2].into()))] {
            generations.begin(Generation { begins, ..generation(number, &topic) }).await.unwrap();
        }
        let lineage = generations.lineage(3).await.unwrap().unwrap();
        assert_eq!([0, 1, 2].map(|partition| lineage.of(partition).generation), [1, 2, 3]);
        store.delete("orders@2/topic.json").await.unwrap();
        let error = generations.lineage(3).await.unwrap_err().to_string();
        assert!(error.contains("Restore it"), "{error}");
    }

    #[tokio::test]
    async fn a_topic_json_is_of_its_own_folder_only() {
        let store = MemoryStore::new();
        let body = serde_json::to_vec(&generation(1, &TopicIdentity::default())).unwrap();
        for (topic, number) in [("copy", 1), ("orders", 2)] {
            let name = names::topic_json(&names::topic_folder(topic, number));
            store.overwrite(&name, body.clone());
            let error = Generations::of(&store, topic).get(number).await.unwrap_err().to_string();
            assert!(error.contains(&name) && error.contains("copied or renamed"), "{error}");
        }
        store.overwrite("orders/topic.json", body);
        assert!(Generations::of(&store, "orders").get(1).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_store_that_replaces_what_it_was_told_to_create_is_refused_for_good() {
        let begun = generation(1, &TopicIdentity::default());
        let sound = MemoryStore::new();
        let generations = Generations::of(&sound, "orders");
        generations.begin(begun.clone()).await.unwrap();
        generations.prove(&begun).await.unwrap();
        assert_eq!(generations.get(1).await.unwrap().unwrap().0, begun, "it stays as it was");

        let careless = CarelessStore::new(Arc::new(MemoryStore::new()));
        let generations = Generations::of(&careless, "orders");
        generations.begin(begun.clone()).await.unwrap();
        for error in [generations.prove(&begun).await.unwrap_err(), generations.get(1).await.unwrap_err()] {
            assert!(!error.is_retryable() && error.to_string().contains("orders/topic.json: the store replaced this object"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_asked_is_not_proved() {
        let faults =
            |operation, _: &str| if operation == Operation::Create { Fault::Before(StoreErrorKind::Unavailable) } else { Fault::None };
        let store = FaultyStore::new(Arc::new(MemoryStore::new()), faults);
        assert!(Generations::of(&store, "orders").prove(&generation(1, &TopicIdentity::default())).await.unwrap_err().is_retryable());
    }
}
