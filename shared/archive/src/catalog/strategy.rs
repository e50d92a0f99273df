use serde::{Deserialize, Serialize};

/// RESTORE_PARTITION_STRATEGY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionStrategy {
    /// Into the partition it came from, in its order; the default.
    Same,
    /// Into any, evenly, as in the Python tool: records with the same key lose their order.
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
