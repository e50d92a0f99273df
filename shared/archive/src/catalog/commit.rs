//! The metadata of a committed offset: enough to trust it, to find the segment that made it
//! durable, and to know its age.

use kafka::{CommittedOffset, TopicId};
use kernel::clock::Millis;
use serde::{Deserialize, Serialize};
use store::ObjectStore;

use crate::catalog::objects::short_hash;
use crate::catalog::{TopicIdentity, names};

/// The metadata of an offset that a backup committed. Short: brokers accept 4,096 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupCommit {
    /// Version of this metadata.
    #[serde(rename = "kafka-backup")]
    pub version: u32,
    /// The committed offset again: detects metadata that are left from another commit.
    pub next: i64,
    /// Folder of the generation.
    pub folder: String,
    /// Start of the segment that ends at `next`.
    pub segment: i64,
    /// When that segment was written.
    pub at: Millis,
    /// Id of the topic it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<TopicId>,
    /// Id of the cluster it was read from: tools that copy groups between clusters copy metadata
    /// too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Identifies the bucket without revealing it: another bucket with the same group is another
    /// backup.
    pub store: String,
    /// Set while it is uncertain whether the log still is the one that was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
}

/// Why a log may have lost its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// When an invocation began to doubt.
    pub at: Millis,
    /// Where the log was truncated, as the leader of a newer epoch reported: then it is certain.
    /// `None`: the log only seemed to end too low.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<i64>,
    /// What the log has to reach, if the bucket is ahead of the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// Identifies a bucket in progress that is stored elsewhere, without revealing it.
pub fn bucket_id(store: &dyn ObjectStore) -> String {
    short_hash(store.identity().as_bytes(), 6)
}

impl BackupCommit {
    /// The current version.
    pub const VERSION: u32 = 1;

    /// Parses the metadata of a committed offset. `None` if they are missing, from another program
    /// or bucket, or from a topic with another id: then the bucket decides.
    pub fn read(committed: &CommittedOffset, store: &str, topic: &TopicIdentity) -> Option<Self> {
        let commit: Self = serde_json::from_str(&committed.metadata).ok()?;
        let is_ours = commit.version == Self::VERSION && commit.next == committed.next && commit.store == store;
        (is_ours && commit.is_of(topic)).then_some(commit)
    }

    /// Number of its generation.
    pub fn generation(&self) -> u32 {
        names::parse_topic_folder(&self.folder).map_or(0, |(_, number)| number)
    }

    /// Whether a backup into another store committed it: another bucket, folder, endpoint or
    /// prefix.
    pub fn is_of_another(committed: &CommittedOffset, store: &str) -> bool {
        serde_json::from_str(&committed.metadata).is_ok_and(|commit: Self| commit.next == committed.next && commit.store != store)
    }

    /// Whether these are the metadata of a backup's offset, of any version.
    pub fn is_one(metadata: &str) -> bool {
        #[derive(Deserialize)]
        struct Mark {
            #[serde(rename = "kafka-backup")]
            _version: u32,
        }
        serde_json::from_str::<Mark>(metadata).is_ok()
    }

    /// Whether it can belong to this topic, as far as ids are known.
    fn is_of(&self, topic: &TopicIdentity) -> bool {
        fn differ<T: PartialEq>(mine: Option<&T>, theirs: Option<&T>) -> bool {
            matches!((mine, theirs), (Some(mine), Some(theirs)) if mine != theirs)
        }
        !differ(self.topic_id.as_ref(), topic.topic.as_ref()) && !differ(self.cluster_id.as_ref(), topic.cluster.as_ref())
    }

    /// What to commit.
    pub fn to_committed(&self) -> CommittedOffset {
        CommittedOffset { next: self.next, metadata: serde_json::to_string(self).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_our_own_commit_of_this_bucket_is_believed() {
        let commit = BackupCommit {
            version: 1,
            next: 10,
            folder: "orders@2".into(),
            segment: 4,
            at: 1,
            topic_id: Some("AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()),
            cluster_id: None,
            store: "ab12".into(),
            doubt: None,
        };
        let committed = commit.to_committed();
        let read = |committed: &CommittedOffset, store: &str| BackupCommit::read(committed, store, &TopicIdentity::default());
        assert_eq!(read(&committed, "ab12"), Some(commit));
        assert_eq!(read(&committed, "other"), None);
        let another = TopicIdentity { cluster: None, topic: Some("BBBBBBBBBBBBBBBBBBBBBB".parse().unwrap()) };
        assert_eq!(BackupCommit::read(&committed, "ab12", &another), None, "the topic was deleted and created again");
        assert!(BackupCommit::is_of_another(&committed, "other") && !BackupCommit::is_of_another(&committed, "ab12"));
        assert_eq!(read(&CommittedOffset { next: 3, ..committed.clone() }, "ab12"), None, "moved by another program");
        assert_eq!(read(&CommittedOffset { metadata: String::new(), ..committed }, "ab12"), None);
    }
}
