use std::fmt;

#[cfg(doc)]
use crate::ObjectStore;

/// The methods of a store that reach the bucket, for counts and faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`ObjectStore::create`]
    Create,
    /// [`ObjectStore::replace`]
    Replace,
    /// [`ObjectStore::get`]
    Get,
    /// [`ObjectStore::get_range`]
    GetRange,
    /// [`ObjectStore::list`]
    List,
    /// [`ObjectStore::folders`]
    Folders,
}

impl Operation {
    /// Each of them, in the order of their declaration.
    pub const ALL: [Self; 6] = [Self::Create, Self::Replace, Self::Get, Self::GetRange, Self::List, Self::Folders];

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Get => "get",
            Self::GetRange => "get_range",
            Self::List => "list",
            Self::Folders => "folders",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
