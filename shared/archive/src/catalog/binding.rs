//! Which topic a folder of the backup is restored into: created before the first record and never
//! replaced after it. From then on the restore writes to this topic and no other, whatever topic
//! gets its name.

use kafka::{Extent, TopicFacts, TopicId};
use kernel::clock::Millis;
use kernel::failpoint;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, Version};

use crate::Result;
use crate::catalog::names;
use crate::catalog::objects::{check_version, read_json, write_json};

/// The content of `@restore/<restore id>/@topic/<folder>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// See [`Binding::FORMAT`].
    pub format_version: u32,
    /// The restore that it belongs to:
    /// [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    pub run: String,
    /// The target topic.
    pub topic: String,
    /// Its id, if the cluster has ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// Its number of partitions: records are placed by it, even if the topic gets more.
    pub partitions: i32,
    /// The end of each partition before the first record of this restore.
    pub ends: Vec<i64>,
    /// When it was created.
    pub at: Millis,
}

impl Binding {
    /// The current version.
    pub const FORMAT: u32 = 1;

    /// Reads it, with the version to replace. `None`: nothing of the folder was restored.
    ///
    /// # Errors
    /// An error of the store. An unreadable binding is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str, folder: &str) -> Result<Option<(Self, Version)>> {
        let name = names::binding(restore_id, folder);
        let Some((found, version)) = read_json::<Self>(store, &name).await? else { return Ok(None) };
        check_version(store, &name, found.format_version, Self::FORMAT)?;
        Ok(Some((found, version)))
    }

    /// Creates it, or replaces the one that was read. False if another invocation was faster.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn write(&self, store: &dyn ObjectStore, restore_id: &str, folder: &str, unchanged_since: Option<&Version>) -> Result<bool> {
        failpoint!("restore::binding::before");
        let written = write_json(self, store, &names::binding(restore_id, folder), unchanged_since).await?;
        failpoint!("restore::binding::after");
        Ok(written)
    }

    /// What is wrong if the topic of that name is now (`now`) another one, or missing: the restored
    /// records were deleted with the old one.
    pub fn differs(&self, now: Option<&TopicFacts>) -> Option<String> {
        match (&self.topic_id, now.map(|now| &now.id)) {
            (_, None) => Some(format!("restored into a topic {:?} that no longer exists: name the cluster that has it", self.topic)),
            (Some(then), Some(Some(now))) if then != now => Some(format!(
                "restored into a topic {:?} that was deleted since; the current topic of that name is another one and is \
                 not changed",
                self.topic
            )),
            _ => None,
        }
    }

    /// Whether a topic with these logs cannot be the one that records were written to: no log is
    /// longer than before the first of them.
    pub fn is_as_before(&self, now: &[Extent]) -> bool {
        self.ends.iter().zip(now).all(|(then, now)| now.end <= *then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_nothing_was_written_to_is_known_by_its_ends() {
        let binding =
            Binding { format_version: 1, run: "a".into(), topic: "t".into(), topic_id: None, partitions: 2, ends: vec![0, 7], at: 0 };
        let ends = |ends: [i64; 2]| ends.map(|end| Extent { start: end, end });
        assert!(binding.is_as_before(&ends([0, 7])) && binding.is_as_before(&ends([0, 0])));
        assert!(!binding.is_as_before(&ends([0, 8])), "also when all of it was deleted since");
    }
}
