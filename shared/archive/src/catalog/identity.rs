//! The choice of a restore id: one object for the whole restore, created before anything else of it
//! and never replaced.

use std::collections::{BTreeMap, BTreeSet};

use kernel::clock::Millis;
use kernel::failpoint;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind};

use crate::catalog::objects::{check_version, read_json, short_hash, write_json};
use crate::catalog::{PartitionStrategy, RESTORE_FORMAT, names};
use crate::{Error, Result, Times};

/// What a restore should do. A restore id permanently belongs to one choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreChoice {
    /// BACKUP_TOPIC_NAME, as written.
    pub topics: Vec<String>,
    /// RESTORE_EXCLUDE_TOPIC_NAMES.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// BACKUP_CLUSTER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_cluster: Option<String>,
    /// BACKUP_PARTITIONS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<BTreeSet<i32>>,
    /// RESTORE_AS_OF: a time, or `latest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// RESTORE_TOPIC_NAME, as written.
    pub target: String,
    /// The target cluster, if clusters have ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// How records are placed.
    pub strategy: PartitionStrategy,
    /// The time range.
    #[serde(default, skip_serializing_if = "Times::are_all")]
    pub times: Times,
}

/// The content of `@restore/<restore id>/restore.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreIdentity {
    /// See [`RESTORE_FORMAT`].
    pub format_version: u32,
    /// The choice.
    pub choice: RestoreChoice,
    /// What was known to be missing, of no topic in particular, and was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
    /// The snapshots of the cuts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Their moments, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Millis>,
    /// The restored topics, sorted by folder name.
    pub topics: Vec<RestoredTopic>,
    /// Distinguishes this restore from others with the same id: checkpoints and the progress inside
    /// of transactions contain it.
    pub run: String,
    /// When it began.
    pub at: Millis,
}

/// A topic of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredTopic {
    /// Folder of the generation that is restored.
    pub folder: String,
    /// The target topic.
    pub target: String,
    /// For each partition the offset at which its restore ends (exclusive): includes every
    /// partition that is restored. `None`: everything that is backed up is restored, without an
    /// end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuts: Option<BTreeMap<i32, i64>>,
    /// The topic's properties at the moment that is restored; `None`: those in `topic.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<TopicThen>,
    /// What was known to be missing of it, and was accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
}

/// A topic's properties at some moment, from a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicThen {
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each partition, if the cluster reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Configs that differed from the brokers' defaults; `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configs: Option<BTreeMap<String, String>>,
}

impl RestoreChoice {
    /// The single topic that is restored, as written; `None`: there can be several.
    pub fn only(&self) -> Option<&str> {
        match &self.topics[..] {
            [only] if names::parse_topic(only).is_some_and(|(topic, _)| !topic.contains(['*', '?', '^'])) => Some(only),
            _ => None,
        }
    }

    /// Eight digits that identify this choice.
    pub fn digits(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        short_hash(&text, 4)
    }
}

impl RestoreIdentity {
    /// Reads it. `None`: no restore of this id has begun.
    ///
    /// # Errors
    /// An error of the store. An unreadable object is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str) -> Result<Option<Self>> {
        let name = names::restore_json(restore_id);
        let Some((found, _)) = read_json::<Self>(store, &name).await? else { return Ok(None) };
        check_version(store, &name, found.format_version, RESTORE_FORMAT)?;
        // A folder is part of names, so an invalid one could lead anywhere.
        let is_path = |name: &str| name.is_empty() || name.contains(['/', '\\']) || matches!(name, "." | "..");
        let is_bad =
            |topic: &&RestoredTopic| names::parse_topic_folder(&topic.folder).is_none_or(|(of, _)| is_path(of)) || is_path(&topic.target);
        if let Some(bad) = found.topics.iter().find(is_bad) {
            let what = format!("it names the folder {:?} and the target {:?}, of which one is not a valid topic", bad.folder, bad.target);
            return Err(StoreError::new(StoreErrorKind::Damaged, store.location(&name), what).into());
        }
        Ok(Some(found))
    }

    /// Creates it. If another invocation was faster, returns its object.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn begin(self, store: &dyn ObjectStore, restore_id: &str) -> Result<Self> {
        let name = names::restore_json(restore_id);
        failpoint!("restore::identity::before");
        if write_json(&self, store, &name, None).await? {
            failpoint!("restore::identity::after");
            return Ok(self);
        }
        let gone = || Error::raced(format!("{}: existed and is gone; run again", store.location(&name)));
        Self::load(store, restore_id).await?.ok_or_else(gone)
    }

    /// Whether it has an end: everything that it restores is known.
    pub fn is_cut(&self) -> bool {
        self.topics.iter().all(|topic| topic.cuts.is_some())
    }

    /// Refuses another choice for this restore.
    ///
    /// # Errors
    /// What differs, and what to do.
    pub fn check(&self, restore_id: &str, now: &RestoreChoice) -> Result<()> {
        let then = &self.choice;
        match (then.only(), now.only()) {
            (Some(_), Some(asked)) => self.check_only(restore_id, asked, &now.target)?,
            _ if are_same(&then.topics, &now.topics) && are_same(&then.excluded, &now.excluded) && then.target == now.target => {}
            _ => {
                let excluded = if then.excluded.is_empty() { String::new() } else { format!(" less {:?}", then.excluded) };
                let what = format!(
                    "is the restore of {:?}{excluded} into {:?}: set these (BACKUP_TOPIC_NAME, RESTORE_EXCLUDE_TOPIC_NAMES, \
                     RESTORE_TOPIC_NAME)",
                    then.topics, then.target
                );
                return other(restore_id, what);
            }
        }
        if let Some((then, now)) = then.cluster_id.as_deref().zip(now.cluster_id.as_deref()).filter(|(then, now)| then != now) {
            return other(
                restore_id,
                format!("restores into cluster {then:?}, and this is cluster {now:?}: set BOOTSTRAP_SERVERS to the first"),
            );
        }
        if then.strategy != now.strategy {
            let what =
                format!("began with RESTORE_PARTITION_STRATEGY={0}, and another one would misplace records: set {0}", then.strategy.name());
            return other(restore_id, what);
        }
        if then.times != now.times {
            return other(
                restore_id,
                format!("restores records {}, and not {}: set RESTORE_FROM and RESTORE_UNTIL as before", then.times, now.times),
            );
        }
        let as_of = |choice: &RestoreChoice| choice.as_of.clone().unwrap_or_else(|| "none".to_owned());
        if then.as_of != now.as_of {
            let what = format!("began with RESTORE_AS_OF {}, and not {}: set it as before", as_of(then), as_of(now));
            return other(restore_id, what);
        }
        if then.partitions != now.partitions {
            return other(restore_id, "began with other BACKUP_PARTITIONS: set them as before".to_owned());
        }
        if then.backup_cluster != now.backup_cluster {
            let what = format!("began with BACKUP_CLUSTER {}: set it as before", then.backup_cluster.as_deref().unwrap_or("none"));
            return other(restore_id, what);
        }
        Ok(())
    }

    /// The same restore can be named `orders` and `orders@2`: without a number it means the
    /// generation with which the restore began.
    fn check_only(&self, restore_id: &str, asked: &str, target: &str) -> Result<()> {
        let [RestoredTopic { folder, target: then, .. }] = &self.topics[..] else {
            return Err(Error::bug(format!("restore {restore_id:?} of one topic has {}", self.topics.len())));
        };
        let of = names::parse_topic_folder(folder);
        let is_of_this = names::parse_topic(asked)
            .zip(of)
            .is_some_and(|((asked, asked_number), (of, number))| asked == of && asked_number.is_none_or(|asked| asked == number));
        let into = of.map_or_else(|| target.to_owned(), |(topic, _)| target.replace("{topic}", topic));
        if is_of_this && *then == into {
            return Ok(());
        }
        let of = of.map_or_else(|| folder.clone(), |(topic, number)| names::generation(topic, number));
        other(restore_id, format!("is the restore of {of:?} into {then:?}: set these two (BACKUP_TOPIC_NAME, RESTORE_TOPIC_NAME)"))
    }
}

/// Whether two lists have the same items, in any order.
fn are_same(one: &[String], other: &[String]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
}

fn other(restore_id: &str, what: String) -> Result<()> {
    Err(Error::taken(format!("RESTORE_ID {restore_id:?} {what}, or choose a new RESTORE_ID to begin another restore; nothing was written")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;

    fn choice(topics: &[&str], target: &str) -> RestoreChoice {
        RestoreChoice {
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            excluded: Vec::new(),
            backup_cluster: None,
            partitions: None,
            as_of: None,
            target: target.to_owned(),
            cluster_id: Some("dr".to_owned()),
            strategy: PartitionStrategy::Same,
            times: Times::default(),
        }
    }

    fn identity(choice: RestoreChoice, folders: &[(&str, &str)]) -> RestoreIdentity {
        let topic = |(folder, target): &(&str, &str)| RestoredTopic {
            folder: (*folder).to_owned(),
            target: (*target).to_owned(),
            cuts: Some(BTreeMap::from([(0, 7)])),
            then: None,
            accepted: Vec::new(),
        };
        let topics = folders.iter().map(topic).collect();
        RestoreIdentity {
            format_version: RESTORE_FORMAT,
            choice,
            accepted: Vec::new(),
            snapshots: Vec::new(),
            moments: Vec::new(),
            topics,
            run: "1-a".to_owned(),
            at: 0,
        }
    }

    fn refused(noted: &RestoreIdentity, now: &RestoreChoice) -> String {
        noted.check("drill", now).unwrap_err().to_string()
    }

    #[test]
    fn one_topic_may_be_named_with_and_without_its_generation() {
        let noted = identity(choice(&["orders"], "copy"), &[("orders@2", "copy")]);
        for (asked, target) in [("orders", "copy"), ("orders@2", "copy")] {
            noted.check("drill", &choice(&[asked], target)).unwrap();
        }
        for (asked, target) in [("orders@1", "copy"), ("bills", "copy"), ("orders", "other")] {
            let error = refused(&noted, &choice(&[asked], target));
            assert!(error.contains("is the restore of \"orders@2\" into \"copy\""), "{error}");
        }
        let noted = identity(choice(&["orders"], "{topic}"), &[("orders", "orders")]);
        noted.check("drill", &choice(&["orders"], "orders")).unwrap();
        assert!(refused(&noted, &choice(&["*"], "{topic}")).contains("BACKUP_TOPIC_NAME"), "other topics may be meant tomorrow");
    }

    #[test]
    fn several_topics_are_the_same_in_any_order_and_nothing_else_may_differ() {
        let asked = choice(&["a*", "b"], "{topic}");
        let noted = identity(asked.clone(), &[("a1", "a1"), ("b", "b")]);
        noted.check("drill", &choice(&["b", "a*"], "{topic}")).unwrap();
        let others: [(RestoreChoice, &str); 7] = [
            (RestoreChoice { excluded: vec!["a2".to_owned()], ..asked.clone() }, "RESTORE_EXCLUDE_TOPIC_NAMES"),
            (RestoreChoice { as_of: Some("latest".to_owned()), ..asked.clone() }, "RESTORE_AS_OF"),
            (RestoreChoice { partitions: Some(BTreeSet::from([1])), ..asked.clone() }, "BACKUP_PARTITIONS"),
            (RestoreChoice { backup_cluster: Some("prod".to_owned()), ..asked.clone() }, "BACKUP_CLUSTER"),
            (RestoreChoice { cluster_id: Some("other".to_owned()), ..asked.clone() }, "this is cluster \"other\""),
            (RestoreChoice { strategy: PartitionStrategy::Key, ..asked.clone() }, "RESTORE_PARTITION_STRATEGY=same"),
            (RestoreChoice { times: Times { from: Some(1), until: None }, ..asked.clone() }, "RESTORE_FROM"),
        ];
        for (now, what) in others {
            let error = refused(&noted, &now);
            assert!(error.contains(what) && error.contains("choose a new RESTORE_ID"), "{error}");
            assert_ne!(now.digits(), asked.digits(), "{what}");
        }
    }

    /// A folder is part of the names of objects, and anyone who can write to the bucket can change
    /// restore.json.
    #[tokio::test]
    async fn a_folder_that_leads_elsewhere_is_damage() {
        let store = MemoryStore::new();
        for folder in ["../secrets", "a/b", "@restore", "orders@1", "..", ""] {
            let noted = identity(choice(&["*"], "{topic}"), &[(folder, "x")]);
            store.overwrite(&names::restore_json("drill"), serde_json::to_vec(&noted).unwrap());
            let error = RestoreIdentity::load(&store, "drill").await.unwrap_err();
            assert!(error.to_string().contains("of which one is not a valid topic"), "{folder}: {error}");
        }
        let noted = identity(choice(&["*"], "{topic}"), &[("orders@2", "orders")]);
        store.overwrite(&names::restore_json("drill"), serde_json::to_vec(&noted).unwrap());
        assert_eq!(RestoreIdentity::load(&store, "drill").await.unwrap(), Some(noted));
    }
}
