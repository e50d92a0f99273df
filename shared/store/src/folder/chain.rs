use std::io;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fsync, mkdirat, openat, statat};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open folder with the open folders above it, from the root down. Each was opened in its
/// parent, and none through a symbolic link. So nothing done in it can happen outside of the root,
/// whatever is moved meanwhile.
pub(super) struct Chain(Vec<OwnedFd>);

impl Chain {
    /// The root alone. Fails with `ENOENT` if it does not exist.
    pub(super) fn root(root: &Path) -> io::Result<Self> {
        Ok(Self(vec![openat(CWD, root, FOLDER, Mode::empty())?]))
    }

    /// Descends a `/`-separated path; an empty one stays here.
    ///
    /// # Errors
    /// `ENOENT`; `ENOTDIR` if a file is in the path; `ELOOP` if a symbolic link is.
    pub(super) fn down(mut self, path: &str) -> io::Result<Self> {
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let next = open_folder(self.leaf(), part)?;
            self.0.push(next);
        }
        Ok(self)
    }

    /// Like [`Chain::down`], and creates missing folders. Not durable before [`Chain::sync`].
    pub(super) fn make_down(mut self, path: &str) -> io::Result<Self> {
        for part in path.split('/').filter(|part| !part.is_empty()) {
            match mkdirat(self.leaf(), part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => self.0.push(open_folder(self.leaf(), part)?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self)
    }

    /// The last folder of the path.
    pub(super) fn leaf(&self) -> &OwnedFd {
        self.0.last().expect("a chain starts with its root")
    }

    /// The last folder of the path, without the others.
    pub(super) fn into_leaf(mut self) -> OwnedFd {
        self.0.pop().expect("a chain starts with its root")
    }

    /// Makes the names in it durable, and the names of its parent folders.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.iter().rev().try_for_each(sync_folder)
    }
}

/// Opens the folder `name` in `parent`; errors as [`Chain::down`].
pub(super) fn open_folder(parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    match openat(parent, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
        // The error for a symbolic link depends on the system.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let link = file_type(parent, name)? == FileType::Symlink;
            Err(if link { Errno::LOOP } else { Errno::NOTDIR }.into())
        }
        opened => Ok(opened?),
    }
}

/// The type of `name`, without following a link.
pub(super) fn file_type(parent: &OwnedFd, name: &str) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode))
}

/// Makes the names in a folder durable, if its file system supports that.
pub(super) fn sync_folder(folder: &OwnedFd) -> io::Result<()> {
    match fsync(folder) {
        Ok(()) | Err(Errno::INVAL | Errno::ROFS | Errno::OPNOTSUPP | Errno::BADF) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
