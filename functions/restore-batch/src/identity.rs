//! Whether a restore may begin, and that it stays the same one.
//!
//! Objects are created in this order: `restore.json` (what is restored), the target topic, the
//! binding (which topic it is, and its ends before), the claim (this restore owns it). Only then is
//! a record written. Records of this restore are in the target only if the claim is its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use archive::catalog::{
    Binding, Checkpoint, Claim, Finished, Generations, RESTORE_FORMAT, RestoreChoice, RestoreIdentity, RestoreProgress, RestoredTopic,
    find_next, names, places_of,
};
use archive::{Error, Result};
use config::AsOf;
use kafka::{ClusterFacts, Extent, TopicFacts};
use kernel::clock::{Millis, rfc3339};
use kernel::lock;
use store::Version;

use crate::Restore;
use crate::archives::Archive;
use crate::source::Source;
use crate::target::TargetTopic;
use crate::together::try_at_once;
use crate::topic::TopicRestore;

/// How often a claim is read again that another invocation has changed meanwhile.
const TRIES: usize = 5;

/// A restore that has begun.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) identity: Arc<RestoreIdentity>,
    pub(crate) binding: Binding,
}

/// The target topics of a restore, as recorded and as they are.
#[derive(Debug)]
pub(crate) struct Bound {
    /// In the order of restore.json. `None`: nothing of the folder is in any topic.
    pub(crate) bound: Vec<Option<Binding>>,
    /// Existing topics, by name.
    pub(crate) there: BTreeMap<String, TopicFacts>,
}

impl Restore {
    /// The recorded choice of the restore id. Does not check whether this invocation may continue
    /// it.
    pub(crate) async fn noted(&self) -> Result<Option<RestoreIdentity>> {
        RestoreIdentity::load(self.store.as_ref(), self.id()).await
    }

    /// What this restore should do.
    pub(crate) fn choice(&self, cluster_id: Option<String>) -> RestoreChoice {
        let settings = &self.settings;
        let (topics, excluded) = settings.topics.entries();
        let as_of = settings.as_of.map(|as_of| match as_of {
            AsOf::Latest => "latest".to_owned(),
            AsOf::Time(at) => rfc3339(at),
        });
        RestoreChoice {
            topics,
            excluded,
            backup_cluster: settings.backup_cluster.clone(),
            partitions: settings.partitions.clone(),
            as_of,
            target: settings.target.as_str().to_owned(),
            cluster_id,
            strategy: settings.strategy,
            times: settings.times,
        }
    }

    /// Records the choice of the restore id. If another invocation was faster, returns its record.
    pub(crate) async fn note(
        &self,
        topics: Vec<RestoredTopic>,
        snapshots: Vec<(String, Millis)>,
        accepted: Vec<String>,
        cluster: &ClusterFacts,
    ) -> Result<RestoreIdentity> {
        let at = self.clock.now();
        let (snapshots, moments) = snapshots.into_iter().unzip();
        let choice = self.choice(cluster.id.clone());
        let run = format!("{at}-{}", self.store_id);
        let now = RestoreIdentity { format_version: RESTORE_FORMAT, choice: choice.clone(), accepted, snapshots, moments, topics, run, at };
        let noted = now.begin(self.store.as_ref(), self.id()).await?;
        noted.check(self.id(), &choice)?;
        Ok(noted)
    }

    /// For a topic without cuts.
    pub(crate) async fn note_one(&self, source: &Source, cluster: &ClusterFacts) -> Result<Arc<RestoreIdentity>> {
        let noted = self.note(vec![source.followed()], Vec::new(), Vec::new(), cluster).await?;
        self.check_generation(&noted, source)?;
        Ok(Arc::new(noted))
    }

    /// Another invocation may have recorded another generation of the topic meanwhile.
    fn check_generation(&self, noted: &RestoreIdentity, source: &Source) -> Result<()> {
        match &noted.topics[..] {
            [one] if one.folder == source.folder => Ok(()),
            others => Err(Error::raced(format!(
                "another invocation has just begun restore {:?}, with the generation in {:?}; the next invocation \
                 continues it",
                self.id(),
                others.first().map_or("", |other| &other.folder)
            ))),
        }
    }

    /// The target topics of these folders, in the order of restore.json. `None`: nothing of the
    /// folder is in any topic.
    async fn bindings(&self, noted: &RestoreIdentity) -> Result<Vec<Option<Binding>>> {
        let load = |topic| async move { Ok(self.binding(topic, noted).await?.map(|(binding, _)| binding)) };
        try_at_once(noted.topics.iter().map(|topic| load(topic.folder.as_str())).collect()).await
    }

    /// The bindings, and which of the targets exist.
    pub(crate) async fn bound(&self, noted: &RestoreIdentity) -> Result<Bound> {
        let bound = self.bindings(noted).await?;
        let targets: Vec<String> = noted.topics.iter().map(|topic| topic.target.clone()).collect();
        let known = bound.iter().flatten().map(|binding| binding.topic.as_str());
        let there = self.there(&targets, &known.collect()).await?;
        Ok(Bound { bound, there })
    }

    /// The target topic of this restore. `None`: none of its records is in any topic.
    pub(crate) async fn binding(&self, folder: &str, identity: &RestoreIdentity) -> Result<Option<(Binding, Version)>> {
        let id = self.id();
        let found = Binding::load(self.store.as_ref(), id, folder).await?;
        if found.as_ref().is_some_and(|(found, _)| found.run != identity.run) {
            let location = self.store.location(&names::binding(id, folder));
            return Err(Error::taken(format!("{location} belongs to another restore with the same RESTORE_ID; choose a new RESTORE_ID")));
        }
        Ok(found)
    }

    /// Refuses a target that is not the topic of the earlier invocations.
    pub(crate) fn check_binding(&self, binding: &Binding, target: &TargetTopic) -> Result<()> {
        self.check_bound(Some(binding), Some(&target.facts))
    }

    /// Like `check_binding`, if the binding or the topic may not exist.
    pub(crate) fn check_bound(&self, binding: Option<&Binding>, target: Option<&TopicFacts>) -> Result<()> {
        binding.and_then(|binding| binding.differs(target)).map_or(Ok(()), |what| Err(self.another_topic(&what)))
    }

    pub(crate) fn another_topic(&self, what: &str) -> Error {
        Error::taken(format!("RESTORE_ID {:?} {what}, or choose a new RESTORE_ID to begin another restore; nothing was written", self.id()))
    }

    /// Whether everything that the claim's restore will ever write is in the target, according to
    /// the current backup; or no invocation can continue it.
    async fn is_finished(&self, claim: &Claim) -> Result<bool> {
        let store = self.store.as_ref();
        let Some(other) = RestoreIdentity::load(store, &claim.restore_id).await?.filter(|other| other.run == claim.run) else {
            return Ok(true);
        };
        // An invocation that was killed after another one had finished the restore leaves a
        // checkpoint in progress.
        if Finished::load(store, &claim.restore_id).await?.is_some_and(|finished| finished.run == claim.run) {
            return Ok(true);
        }
        // Two topics are never restored into one.
        let is_chosen = |number: &i32| other.choice.partitions.as_ref().is_none_or(|chosen| chosen.contains(number));
        let Some(topic) = other.topics.iter().find(|topic| topic.target == claim.topic) else { return Ok(true) };
        let (of, number) = names::parse_topic_folder(&topic.folder).unwrap_or((&topic.folder, 1));
        let lineage = Generations::of(store, of).lineage(number).await?;
        for (partition, place) in
            places_of(store, &topic.folder, lineage.as_ref()).await?.into_iter().filter(|(number, _)| is_chosen(number))
        {
            let cut = topic.cuts.as_ref().map(|cuts| cuts.get(&partition).copied().unwrap_or(0));
            // Without a checkpoint none of its records was written.
            let checkpoint = self.checkpoint(&claim.restore_id, &claim.run, &topic.folder, partition).await?;
            let is_at_work = checkpoint.as_ref().is_some_and(|found| !found.settled);
            let progress = checkpoint.map_or_else(RestoreProgress::default, |found| found.progress);
            if is_at_work || progress.inside.is_some() {
                return Ok(false);
            }
            if cut.is_some_and(|cut| progress.next >= cut) {
                continue;
            }
            let next = find_next(store, &place.folder, partition, progress.next).await?;
            if next.is_some_and(|next| cut.is_none_or(|cut| next.start < cut))
                || Archive::find_next(store, &place.folder, partition, progress.archives.as_ref()).await?.is_some()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses a target that another restore owns: two concurrent restores would write records
    /// twice. A finished one may be followed by another.
    pub(crate) async fn check_claim(&self, claim: &Claim, name: &str, target: &str) -> Result<()> {
        self.refuse_unless_unclaimed(claim, target)?;
        if self.is_finished(claim).await? {
            return Ok(());
        }
        Err(Error::taken(format!(
            "topic {:?} belongs to restore {:?}, which is not finished: run that until it is complete, and then this \
             one again. If it is abandoned, delete {}; or set another RESTORE_TOPIC_NAME",
            claim.topic,
            claim.restore_id,
            self.store.location(name)
        )))
    }

    /// The progress of a restore in a partition; the checkpoint of an earlier restore with the same
    /// id does not count.
    pub(crate) async fn checkpoint(&self, restore_id: &str, run: &str, folder: &str, partition: i32) -> Result<Option<Checkpoint>> {
        let found = Checkpoint::load(self.store.as_ref(), restore_id, folder, partition).await?;
        Ok(found.map(|(found, _)| found).filter(|found| found.run == run))
    }
}

impl TopicRestore {
    /// Before the first record of an invocation: claims the target for this restore. Refuses a
    /// topic that belongs to another restore, or contains records already, because they would be
    /// mixed with the restored ones, or be the same ones. From then on the content of the target is
    /// known to be ours, whatever is killed.
    pub(crate) async fn begin(&self) -> Result<&Begun> {
        let begin = || async {
            let note = || self.restore.note_one(&self.source, &self.shared.cluster);
            let identity = self.shared.identity.get_or_try_init(note).await?;
            let binding = self.claim(identity).await?;
            Ok(Begun { identity: identity.clone(), binding })
        };
        self.begun.get_or_try_init(begin).await
    }

    async fn claim(&self, identity: &RestoreIdentity) -> Result<Binding> {
        let (store, id) = (&self.restore.store, self.restore.id());
        for _ in 0..TRIES {
            let bound = self.restore.binding(&self.source.folder, identity).await?;
            let topic_id = bound.as_ref().map_or(&self.target.facts.id, |(bound, _)| &bound.topic_id);
            let name = names::claim(self.shared.cluster.id.as_deref(), topic_id.as_ref(), &self.source.target);
            if let Some((bound, _)) = &bound {
                self.restore.check_binding(bound, &self.target)?;
                let claim = Claim::load(store.as_ref(), &name).await?;
                if claim.is_some_and(|(claim, _)| claim.is_of(id, &identity.run)) {
                    return Ok(bound.clone());
                }
            }
            if let Some(binding) = self.take(identity, bound, &name).await? {
                return Ok(binding);
            }
        }
        let topic = &self.source.target;
        Err(Error::raced(format!(
            "the claim on topic {topic:?} is written by other processes all the time: check whether several restores \
            into it are running"
        )))
    }

    /// Binds the restore to the target, and claims it. `None`: another invocation was faster.
    async fn take(&self, identity: &RestoreIdentity, bound: Option<(Binding, Version)>, name: &str) -> Result<Option<Binding>> {
        let Restore { cluster, store, clock, .. } = &self.restore;
        let (store, id, at, target) = (store.as_ref(), self.restore.id(), clock.now(), &self.source.target);
        let extents = cluster.extents(target, self.target.facts.partitions).await?;
        // Read after the logs: their records may be from another invocation of this restore, which
        // has just begun.
        let found = Claim::load(store, name).await?;
        match &found {
            Some((claim, _)) if claim.is_of(id, &identity.run) => return Ok(None),
            Some((claim, _)) => self.restore.check_claim(claim, name, target).await?,
            None => {}
        }
        if !extents.iter().all(Extent::is_empty) {
            self.restore.refuse_unless_empty(target)?;
        }
        let now = Binding {
            format_version: Binding::FORMAT,
            run: identity.run.clone(),
            topic: target.clone(),
            topic_id: self.target.facts.id.clone(),
            partitions: self.target.facts.partitions,
            ends: extents.iter().map(|extent| extent.end).collect(),
            at,
        };
        let binding = match bound {
            Some((bound, _)) if bound.ends == now.ends || self.has_written(identity).await? => bound,
            // From an attempt that lost against another restore: its ends are no longer true.
            bound => {
                if !now.write(store, id, &self.source.folder, bound.as_ref().map(|(_, version)| version)).await? {
                    return Ok(None);
                }
                now
            }
        };
        let claim =
            Claim { format_version: Claim::FORMAT, restore_id: id.to_owned(), run: identity.run.clone(), topic: target.clone(), at };
        Ok(claim.write(store, name, found.as_ref().map(|(_, version)| version)).await?.then_some(binding))
    }

    /// Whether records of this restore can be in the target: then its ends before the first of them
    /// are recorded permanently.
    async fn has_written(&self, identity: &RestoreIdentity) -> Result<bool> {
        let (restore, folder) = (&self.restore, &self.source.folder);
        for partition in Checkpoint::partitions(restore.store.as_ref(), restore.id(), folder).await? {
            if restore.checkpoint(restore.id(), &identity.run, folder, partition).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The restore of a checkpoint. Another invocation can have begun it since this one looked.
    pub(crate) async fn known(&self) -> Result<&Begun> {
        if let Some(begun) = self.begun.get() {
            return Ok(begun);
        }
        let id = self.restore.id();
        let missing = |what: &str| {
            Error::taken(format!("restore {id:?} has checkpoints in the bucket but no {what} next to them; choose a new RESTORE_ID"))
        };
        let load = || async {
            let identity = self.restore.noted().await?.ok_or_else(|| missing("restore.json"))?;
            identity.check(id, &self.restore.choice(self.shared.cluster.id.clone()))?;
            self.restore.check_generation(&identity, &self.source)?;
            Ok::<_, Error>(Arc::new(identity))
        };
        let look = || async {
            // With cuts it has a number for each partition: one copy of it is enough for all
            // topics.
            let identity = self.shared.identity.get_or_try_init(load).await?.clone();
            let binding = self.restore.binding(&self.source.folder, &identity).await?;
            let (binding, _) = binding.ok_or_else(|| missing("@topic"))?;
            self.restore.check_binding(&binding, &self.target)?;
            Ok(Begun { identity, binding })
        };
        self.found.get_or_try_init(look).await
    }

    /// At the end of an invocation, before its report calls anything complete.
    pub(crate) async fn confirm_at_the_end(&self) -> Result<()> {
        // A restore that was neither found nor begun has nothing in the target.
        if self.begun.get().or(self.found.get()).is_none() {
            return Ok(());
        }
        let records = lock(&self.report).partitions.iter().map(|one| one.records_in_all).sum();
        self.confirm(records).await
    }

    /// The error of a partition, or its root cause: records for a deleted topic are refused with
    /// various errors.
    pub(crate) async fn cause(&self, error: Error) -> Error {
        if !matches!(error, Error::Kafka(_)) || self.begun.get().is_none() {
            return error;
        }
        match self.confirm(0).await {
            Err(Error::Refused(gone)) => Error::Refused(gone),
            _ => error,
        }
    }

    /// Refuses to continue, or to call anything complete, if the topic is not the original target:
    /// it was deleted, and perhaps another one got its name. `records` of this restore are known to
    /// be in it.
    pub(crate) async fn confirm(&self, records: u64) -> Result<()> {
        let begun = self.known().await?;
        let binding = &begun.binding;
        let found = self.restore.cluster.find(&binding.topic).await?;
        let lost =
            |what: String| Error::lost(format!("RESTORE_ID {:?} {what}. Choose a new RESTORE_ID to restore all of it", self.restore.id()));
        if let Some(what) = binding.differs(found.as_ref()) {
            return Err(lost(what));
        }
        let has_ids = binding.topic_id.is_some() && found.is_some_and(|found| found.id.is_some());
        if records > 0 && !has_ids {
            let extents = self.restore.cluster.extents(&self.source.target, binding.partitions).await?;
            if binding.is_as_before(&extents) {
                return Err(lost(format!(
                    "restored {records} records into topic {:?}, which has none of them now: it was deleted and created again",
                    self.source.target
                )));
            }
        }
        Ok(())
    }
}
