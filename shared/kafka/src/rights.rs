//! What a user may do, as the cluster says it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An operation that access control lists allow or deny; those that this project needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read records, commit offsets.
    Read,
    /// Write records.
    Write,
    /// See that it is there.
    Describe,
    /// Read its configs.
    DescribeConfigs,
}

impl Right {
    /// By the number that Kafka's protocol has for it (`AclOperation`). `None` for the others.
    pub(crate) fn of(code: i32) -> Option<Self> {
        match code {
            3 => Some(Self::Read),
            4 => Some(Self::Write),
            8 => Some(Self::Describe),
            10 => Some(Self::DescribeConfigs),
            _ => None,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the user may do with some topics and with the consumer group that holds the progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Of each topic that may be seen; `None` where the cluster does not tell, as versions before 2.3 and some services.
    pub topics: BTreeMap<String, Option<BTreeSet<Right>>>,
    /// Of the group.
    pub group: Option<BTreeSet<Right>>,
}
