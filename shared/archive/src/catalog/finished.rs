//! The end of a restore: a mark for each partition that is restored up to its cut, and one object
//! when all of them are.

use std::collections::{BTreeMap, BTreeSet};

use kafka::TopicId;
use kernel::clock::Millis;
use kernel::failpoint;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind};

use crate::Result;
use crate::catalog::names;
use crate::catalog::objects::{check_version, read_json, write_json};

/// The partitions that are restored up to their cuts, by folder.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Done(BTreeMap<String, BTreeSet<i32>>);

impl Done {
    /// Those of the restore `run`. One request per thousand.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn read(store: &dyn ObjectStore, restore_id: &str, run: &str) -> Result<Self> {
        let (prefix, mut done, mut after) = (names::done_prefix(restore_id, run), Self::default(), String::new());
        loop {
            let page = store.list(&prefix, &after, 1000).await?;
            for object in &page.objects {
                let Some((folder, number)) = object.name.strip_prefix(&prefix).and_then(|name| name.split_once('/')) else { continue };
                if let Some(number) = names::parse_partition(number) {
                    done.0.entry(folder.to_owned()).or_default().insert(number);
                }
            }
            match page.objects.last() {
                Some(last) if page.more => after.clone_from(&last.name),
                _ => return Ok(done),
            }
        }
    }

    /// Marks a partition as complete: its records are in the target, and its checkpoint shows that.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn mark(store: &dyn ObjectStore, restore_id: &str, run: &str, folder: &str, partition: i32) -> Result<(), StoreError> {
        failpoint!("restore::done::before");
        let marked = store.create(&names::done(restore_id, run, folder, partition), Vec::new().into()).await;
        failpoint!("restore::done::after");
        match marked {
            Ok(_) | Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether one partition is marked: a request for only that one.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn is_marked(store: &dyn ObjectStore, restore_id: &str, run: &str, folder: &str, partition: i32) -> Result<bool, StoreError> {
        match store.get(&names::done(restore_id, run, folder, partition)).await {
            Ok(_) => Ok(true),
            Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a partition is marked.
    pub fn has(&self, folder: &str, partition: i32) -> bool {
        self.0.get(folder).is_some_and(|partitions| partitions.contains(&partition))
    }
}

/// The content of `@restore/<restore id>/@finished.json`: created once, when every partition is
/// restored up to its cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// See [`Finished::FORMAT`].
    pub format_version: u32,
    /// The restore that it belongs to:
    /// [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    pub run: String,
    /// All its topics, in the order of `restore.json`.
    pub topics: Vec<FinishedTopic>,
    /// When it was written.
    pub at: Millis,
}

/// What was restored of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedTopic {
    /// Folder of the generation.
    pub folder: String,
    /// The target topic.
    pub target: String,
    /// Its id, if the cluster has ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<TopicId>,
    /// How many partitions were restored.
    pub partitions: u64,
    /// Records written.
    pub records: u64,
    /// Offsets that are in no backup.
    #[serde(default)]
    pub gap_offsets: i64,
    /// What was skipped because it is damaged or missing, as the user asked; the first items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

impl Finished {
    /// The current version.
    pub const FORMAT: u32 = 1;

    /// Reads it. `None`: something is left to restore.
    ///
    /// # Errors
    /// An error of the store. An unreadable object is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str) -> Result<Option<Self>> {
        let name = names::finished(restore_id);
        let Some((found, _)) = read_json::<Self>(store, &name).await? else { return Ok(None) };
        check_version(store, &name, found.format_version, Self::FORMAT)?;
        Ok(Some(found))
    }

    /// Creates it. False if another invocation was faster.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn create(&self, store: &dyn ObjectStore, restore_id: &str) -> Result<bool> {
        failpoint!("restore::finished::before");
        let created = write_json(self, store, &names::finished(restore_id), None).await?;
        failpoint!("restore::finished::after");
        Ok(created)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn marks_are_of_one_restore_and_found_however_many_there_are() {
        let store = MemoryStore::new();
        for partition in 0..1_500 {
            Done::mark(&store, "drill", "1-a", "orders@2", partition).await.unwrap();
        }
        Done::mark(&store, "drill", "1-a", "orders@2", 7).await.unwrap();
        Done::mark(&store, "drill", "2-a", "bills", 0).await.unwrap();
        let done = Done::read(&store, "drill", "1-a").await.unwrap();
        assert!(Done::is_marked(&store, "drill", "1-a", "orders@2", 7).await.unwrap());
        assert!(!Done::is_marked(&store, "drill", "2-a", "orders@2", 7).await.unwrap());
        assert!((0..1_500).all(|partition| done.has("orders@2", partition)));
        assert!(!done.has("orders@2", 1_500) && !done.has("orders", 0) && !done.has("bills", 0), "of a restore that had the same id");
    }
}
