use serde::{Deserialize, Serialize};

/// RESTORE_PARTITION_STRATEGY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionStrategy {
    /// Into the partition it came from.
    Same,
    /// Into any, evenly; the default, as in the Python tool.
    Random,
    /// By the hash of its key, as Kafka's own producer does (murmur2): for another partition count. Records without a key go anywhere.
    Key,
}

impl PartitionStrategy {
    /// As it is written in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Random => "random",
            Self::Key => "key",
        }
    }
}
