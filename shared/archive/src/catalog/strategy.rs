use serde::{Deserialize, Serialize};

/// RESTORE_PARTITION_STRATEGY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionStrategy {
    /// Into the partition that it came from, in its order; the default.
    Same,
    /// Into any partition, evenly, as in the Python tool: records with the same key lose their
    /// order.
    Random,
    /// By the hash of its key, like Kafka's own producer (murmur2), for another partition count.
    /// Records without a key go to any partition.
    Key,
}

impl PartitionStrategy {
    /// As written in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Random => "random",
            Self::Key => "key",
        }
    }
}
