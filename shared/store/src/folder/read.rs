use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::chain::Chain;
use crate::{Part, Version};

/// Up to this size in bytes, an object's version is a hash of its content.
const HASHED: u64 = 1 << 20;

/// Splits a name into its folder (empty for the root) and its last part.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

pub(super) fn range(root: &Path, name: &str, range: Range<u64>) -> io::Result<Part> {
    let (folder, leaf) = split(name);
    // If a file has the name of the folder, there is no object of that name.
    let chain = Chain::root(root)?.down(folder).map_err(|error| not_found_if(error, Errno::NOTDIR))?;
    let file = open(chain.leaf(), leaf)?;
    let size = file.metadata()?.len();
    let end = range.end.min(size);
    let bytes = read(&file, range.start.min(end)..end)?;
    Ok(Part { bytes, size, version: version(&file)? })
}

/// Opens an object's file.
///
/// # Errors
/// `ENOENT`, also if the name is a folder or anything else that is not a file; `ELOOP` if it is a
/// symbolic link.
pub(super) fn open(folder: &OwnedFd, leaf: &str) -> io::Result<File> {
    // Non-blocking: opening a named pipe would block.
    let file = File::from(openat(folder, leaf, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(Errno::NOENT.into()) }
}

/// The state of an open file. A small file can be replaced, so its state is its content. A large
/// one is only ever created, so its state is its inode.
pub(super) fn version(file: &File) -> io::Result<Version> {
    let metadata = file.metadata()?;
    if metadata.len() > HASHED {
        let (device, inode, seconds, nanos) = (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        return Ok(Version(format!("file:{device}-{inode}-{seconds}.{nanos:09}-{}", metadata.len())));
    }
    let digest = Sha256::digest(read(file, 0..metadata.len())?);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Version(format!("sha256:{hex}")))
}

fn read(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

/// Returns `ENOENT` instead of `errno`, and any other error as it is.
pub(super) fn not_found_if(error: io::Error, errno: Errno) -> io::Error {
    if Errno::from_io_error(&error) == Some(errno) { Errno::NOENT.into() } else { error }
}
