//! Which restore owns a target topic: two restores never write to one topic at the same time.

use kernel::clock::Millis;
use kernel::failpoint;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, Version};

use crate::Result;
use crate::catalog::objects::{check_version, read_json, write_json};

/// The content of `@restore/@target/<cluster id>/<topic id, else name>.json`. Created before the
/// first record; replaced only when another restore follows a finished one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// See [`Claim::FORMAT`].
    pub format_version: u32,
    /// RESTORE_ID of its owner.
    pub restore_id: String,
    /// Which restore of that id: [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    pub run: String,
    /// The topic's name.
    pub topic: String,
    /// When it was written.
    pub at: Millis,
}

impl Claim {
    /// The current version.
    pub const FORMAT: u32 = 1;

    /// Reads it, with the version to replace. `None`: no restore has written to this topic.
    ///
    /// # Errors
    /// An error of the store. An unreadable claim is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, name: &str) -> Result<Option<(Self, Version)>> {
        let Some((found, version)) = read_json::<Self>(store, name).await? else { return Ok(None) };
        check_version(store, name, found.format_version, Self::FORMAT)?;
        Ok(Some((found, version)))
    }

    /// Whether it belongs to this restore.
    pub fn is_of(&self, restore_id: &str, run: &str) -> bool {
        self.restore_id == restore_id && self.run == run
    }

    /// Creates it, or replaces the one that was read. False if another invocation was faster.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn write(&self, store: &dyn ObjectStore, name: &str, unchanged_since: Option<&Version>) -> Result<bool> {
        failpoint!("restore::claim::before");
        let written = write_json(self, store, name, unchanged_since).await?;
        failpoint!("restore::claim::after");
        Ok(written)
    }
}
