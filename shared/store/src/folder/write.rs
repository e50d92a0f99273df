use std::ffi::CStr;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kernel::failpoint;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, linkat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::PRIVATE;
use super::chain::{Chain, file_type};
use super::read::{open, split, version};
use crate::{Body, Version};

const LOCK: &str = "lock";
/// How often the lock is tried, ten milliseconds apart.
pub(super) const LOCK_TRIES: u32 = 1_000;
/// The age at which a temporary file belongs to no living process.
const STALE_SECONDS: i64 = 24 * 60 * 60;
/// How often `create` makes the folder again after another process removed it as empty.
const TRIES: usize = 100;

/// Writes a temporary file, syncs it, then links it to its name, durably too.
///
/// # Errors
/// `EEXIST`. The existing object is durable then, so a caller may rely on it.
pub(super) fn create(root: &Path, name: &str, body: &Body) -> io::Result<Version> {
    let temp = Temp::write(root, body)?;
    let version = version(&temp.file)?;
    failpoint!("folder::create::written");
    let (folder, leaf) = split(name);
    for _ in 0..TRIES {
        let chain = match Chain::root(root)?.make_down(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            made => made?,
        };
        match linkat(&temp.folder, &temp.name, chain.leaf(), leaf, AtFlags::empty()) {
            Ok(()) => {
                failpoint!("folder::create::linked");
                return chain.sync().map(|()| version);
            }
            Err(Errno::NOENT) => continue,
            Err(Errno::EXIST) if file_type(chain.leaf(), leaf).is_ok_and(|found| found == FileType::Directory) => {
                return Err(Errno::ISDIR.into());
            }
            Err(Errno::EXIST) => return chain.sync().and(Err(Errno::EXIST.into())),
            // The errno of link(2) on a file system without hard links.
            Err(Errno::PERM) => return Err(Errno::OPNOTSUPP.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("the folder, or the temporary file, was removed repeatedly"))
}

/// Replaces the object under the lock; `None` if it is not in the state `expected`.
pub(super) fn replace(root: &Path, name: &str, body: &Body, expected: &Version) -> io::Result<Option<Version>> {
    let (folder, leaf) = split(name);
    let _lock = lock(root, LOCK_TRIES)?;
    let found = Chain::root(root)?.down(folder).and_then(|chain| Ok((version(&open(chain.leaf(), leaf)?)?, chain)));
    let chain = match found {
        Ok((found, chain)) if found == *expected => chain,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let temp = Temp::write(root, body)?;
    let version = version(&temp.file)?;
    failpoint!("folder::replace::written");
    renameat(&temp.folder, &temp.name, chain.leaf(), leaf)?;
    failpoint!("folder::replace::renamed");
    chain.sync()?;
    Ok(Some(version))
}

/// Removes the temporary files of killed processes. Best effort: a file that cannot be removed is
/// no reason to refuse a backup.
pub(super) fn sweep(root: &Path) {
    let Ok(private) = Chain::root(root).and_then(|chain| chain.down(PRIVATE)) else { return };
    let Ok(entries) = Dir::read_from(private.leaf()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_bytes() != LOCK.as_bytes() && is_stale(private.leaf(), name) {
            let _ = unlinkat(private.leaf(), name, AtFlags::empty());
        }
    }
}

fn is_stale(folder: &OwnedFd, name: &CStr) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| now - stat.st_mtime > STALE_SECONDS)
}

/// Held until dropped; the system releases it immediately if the process is killed.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`], without an errno, if another process holds it all the time.
pub(super) fn lock(root: &Path, tries: u32) -> io::Result<File> {
    let private = Chain::root(root)?.make_down(PRIVATE)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(openat(private.leaf(), LOCK, flags, Mode::from_raw_mode(0o666))?);
    for _ in 0..tries {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

/// A finished, durable file without its final name; removed when dropped.
struct Temp {
    folder: OwnedFd,
    name: String,
    file: File,
}

impl Temp {
    fn write(root: &Path, body: &Body) -> io::Result<Self> {
        let private = Chain::root(root)?.make_down(PRIVATE)?;
        let name = format!("{}-{:016x}", std::process::id(), rand::random::<u64>());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = File::from(openat(private.leaf(), &name, flags, Mode::from_raw_mode(0o666))?);
        let mut temp = Self { folder: private.into_leaf(), name, file };
        body.chunks().iter().try_for_each(|chunk| temp.file.write_all(chunk))?;
        temp.file.sync_all()?;
        Ok(temp)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        // After a rename it no longer exists. `sweep` removes a file that stays.
        let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}
