//! For tests only: the product deletes nothing.

use rustix::fs::{AtFlags, unlinkat};

use super::chain::Chain;
use super::read::split;
use super::write::{LOCK_TRIES, lock};
use super::*;
use crate::testing::Delete;

#[async_trait]
impl Delete for FolderStore {
    async fn delete(&self, name: &str) -> Result<()> {
        self.writing(name, delete).await
    }
}

/// Removes the object, and the folders that are empty without it.
fn delete(root: &Path, name: &str) -> io::Result<()> {
    let _lock = lock(root, LOCK_TRIES)?;
    let mut path = name;
    let mut flags = AtFlags::empty();
    while !path.is_empty() {
        let (folder, leaf) = split(path);
        let removed = Chain::root(root)?.down(folder).and_then(|chain| {
            unlinkat(chain.leaf(), leaf, flags)?;
            chain.sync()
        });
        match removed.as_ref().map_err(Errno::from_io_error) {
            Ok(()) | Err(Some(Errno::NOENT | Errno::NOTDIR)) => {}
            // Removing empty folders is best effort: a folder that is not empty is no error.
            Err(_) if flags == AtFlags::REMOVEDIR => return Ok(()),
            // The name is a folder, so there is no object.
            Err(Some(Errno::ISDIR | Errno::PERM)) if is_folder(root, path) => return Ok(()),
            Err(_) => return removed,
        }
        (path, flags) = (folder, AtFlags::REMOVEDIR);
    }
    Ok(())
}

fn is_folder(root: &Path, path: &str) -> bool {
    Chain::root(root).and_then(|chain| chain.down(path)).is_ok()
}
