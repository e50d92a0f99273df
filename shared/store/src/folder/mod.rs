//! A local folder as a bucket, on any POSIX file system with hard links.

mod chain;
#[cfg(test)]
mod delete;
mod list;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::io::Errno;

use super::{Body, Object, ObjectStore, Page, Part, Result, StoreError, StoreErrorKind, Version, names};

/// The folder under the root for temporary files and the lock of `replace`. It is never listed, and
/// no object can have a name in it.
const PRIVATE: &str = ".@tmp";

/// A store in a local folder. Any number of processes can use it at the same time.
///
/// An object is written to a temporary file, synced, and then linked to its name. So a name never
/// shows part of an object, and never changes its content. What [`ObjectStore::list`] returns is
/// durable too, even if its writer was killed before it synced the name.
///
/// Symbolic links below the root are not followed: listings skip them, and names that lead through
/// one are refused. (The root itself may be one.) As in any folder, an object and a folder cannot
/// have the same name.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: Arc<Path>,
    swept: Arc<AtomicBool>,
}

impl FolderStore {
    /// The store in `root`. Reads and writes nothing yet. The folder must exist, as a bucket must:
    /// if it is missing, its volume may not be mounted, and a new one would fill another disk.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into().into(), swept: Arc::default() }
    }

    fn check(&self, name: &str) -> Result<()> {
        names::check(name, || self.location(name))?;
        if name.split('/').next() == Some(PRIVATE) {
            return Err(self.error(StoreErrorKind::BadName, name, format!("{PRIVATE} is reserved for temporary files of this store")));
        }
        Ok(())
    }

    fn error(&self, kind: StoreErrorKind, name: &str, what: impl Into<String>) -> StoreError {
        StoreError::new(kind, self.location(name), what)
    }

    /// Runs `work` on a thread that may block.
    async fn blocking<T: Send + 'static>(&self, name: &str, work: impl FnOnce(&Path, &str) -> io::Result<T> + Send + 'static) -> Result<T> {
        let (root, owned) = (self.root.clone(), name.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&root, &owned)).await.map_err(io::Error::other);
        done.flatten().map_err(|cause| self.explain(name, cause))
    }

    async fn reading<T: Send + 'static>(&self, name: &str, work: impl FnOnce(&Path, &str) -> io::Result<T> + Send + 'static) -> Result<T> {
        self.check(name)?;
        self.blocking(name, work).await
    }

    async fn writing<T: Send + 'static>(&self, name: &str, work: impl FnOnce(&Path, &str) -> io::Result<T> + Send + 'static) -> Result<T> {
        self.check(name)?;
        let sweep = !self.swept.swap(true, Ordering::Relaxed);
        self.blocking(name, move |root, name| {
            if sweep {
                write::sweep(root);
            }
            work(root, name)
        })
        .await
    }

    fn explain(&self, name: &str, cause: io::Error) -> StoreError {
        use StoreErrorKind as Kind;
        let (kind, what) = match Errno::from_io_error(&cause) {
            Some(Errno::NOENT | Errno::NOTDIR) if !self.root.is_dir() => {
                let what = "the backup folder does not exist, or is not a folder, and is not created: its volume may not be mounted. \
                            Check FILESYSTEM_BACKUP_DIR; for a new backup, create it (mkdir -p)";
                (Kind::NoBucket, what)
            }
            Some(Errno::NOENT) => (Kind::NotFound, "object not found"),
            Some(Errno::EXIST) => (Kind::AlreadyExists, "the object already exists"),
            Some(Errno::NOTDIR | Errno::ISDIR) => (Kind::BadName, "an object and a folder cannot have the same name"),
            Some(Errno::LOOP) => (Kind::BadName, "the path contains a symbolic link, and links are not followed: use a real folder"),
            Some(Errno::NAMETOOLONG) => (Kind::BadName, "the name is too long for this file system"),
            Some(Errno::ACCESS | Errno::PERM) => (Kind::Denied, "permission denied: allow this user to read and write the folder"),
            Some(Errno::ROFS) => (Kind::Denied, "the file system is mounted read-only"),
            Some(Errno::NOSPC | Errno::DQUOT) => (Kind::Other, "the disk is full, or the quota is used up: free space"),
            Some(Errno::XDEV) => (Kind::Other, "another file system is mounted below the folder: mount it over the whole folder"),
            Some(Errno::OPNOTSUPP | Errno::MLINK) => {
                (Kind::Other, "this file system has no hard links, which atomic writes require: use another file system")
            }
            Some(Errno::TIMEDOUT | Errno::STALE | Errno::AGAIN) => (Kind::Unavailable, "timeout of the file system"),
            None if cause.kind() == io::ErrorKind::WouldBlock => {
                (Kind::Unavailable, "another process has held the folder's lock (.@tmp/lock) for ten seconds: nothing was changed")
            }
            _ if cause.kind() == io::ErrorKind::UnexpectedEof => (Kind::Damaged, "the file was truncated while it was read"),
            _ => (Kind::Other, "cannot read or write"),
        };
        self.error(kind, name, what).caused_by(cause)
    }
}

#[async_trait]
impl ObjectStore for FolderStore {
    fn location(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    async fn create(&self, name: &str, body: Body) -> Result<Version> {
        self.writing(name, move |root, name| write::create(root, name, &body)).await
    }

    async fn replace(&self, name: &str, body: Bytes, unchanged_since: &Version) -> Result<Version> {
        let expected = unchanged_since.clone();
        let replaced = self.writing(name, move |root, name| write::replace(root, name, &body.into(), &expected)).await?;
        replaced.ok_or_else(|| self.error(StoreErrorKind::Changed, name, "the object changed since it was read"))
    }

    async fn get(&self, name: &str) -> Result<Object> {
        let part = self.get_range(name, 0..u64::MAX).await?;
        Ok(Object { body: part.bytes, version: part.version })
    }

    async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Part> {
        self.reading(name, move |root, name| read::range(root, name, range)).await
    }

    async fn list(&self, prefix: &str, after: &str, limit: usize) -> Result<Page> {
        let Some(after) = names::start_within(prefix, after).map(str::to_owned) else { return Ok(Page::default()) };
        self.blocking(prefix, move |root, prefix| list::list(root, prefix, &after, limit)).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>> {
        self.blocking(prefix, list::folders).await
    }
}
