//! The permissions of a user, as the cluster reports them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An operation that access control lists allow or deny, if this project needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Read records, commit offsets.
    Read,
    /// Write records.
    Write,
    /// See that it exists.
    Describe,
    /// Read its configs.
    DescribeConfigs,
}

impl Right {
    /// By its number in Kafka's protocol (`AclOperation`). `None` for the others.
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

/// The permissions of the user on some topics and on the consumer group that stores the progress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// On each visible topic; `None` if the cluster does not report them, as versions before 2.3
    /// and some services.
    pub topics: BTreeMap<String, Option<BTreeSet<Right>>>,
    /// On the group.
    pub group: Option<BTreeSet<Right>>,
}
