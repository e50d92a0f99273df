use std::io;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use rustix::io::Errno;

use super::PRIVATE;
use super::chain::{Chain, file_type, open_folder, sync_folder};
use super::read::split;
use crate::{Listed, Page, names};

/// Names are in byte order: a folder sorts as its name with a slash, where its objects belong
/// (`a.b`, `a/b`, `a0`). Folders in which no name can match are not read.
pub(super) fn list(root: &Path, prefix: &str, after: &str, limit: usize) -> io::Result<Page> {
    let (folder, _) = split(prefix);
    let Some(chain) = descend(root, folder)? else { return Ok(Page::default()) };
    let base = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut walk = Walk { prefix, after, limit, page: Page::default() };
    walk.folder(chain.leaf(), &base)?;
    // A writer can be killed after linking an object to its name, before that is durable. Its
    // readers make it durable.
    chain.sync()?;
    Ok(walk.page)
}

/// The folders directly under `prefix`.
pub(super) fn folders(root: &Path, prefix: &str) -> io::Result<Vec<String>> {
    let Some(chain) = descend(root, prefix.trim_end_matches('/'))? else { return Ok(Vec::new()) };
    let entries = entries(chain.leaf(), prefix)?;
    let mut folders: Vec<String> = entries.iter().filter_map(|entry| Some(entry.strip_suffix('/')?.to_owned())).collect();
    folders.sort_unstable();
    Ok(folders)
}

/// The folder in which a listing starts; `None` if there is nothing to list.
fn descend(root: &Path, folder: &str) -> io::Result<Option<Chain>> {
    let chain = Chain::root(root)?;
    if !folder.is_empty() && names::check(folder, String::new).is_err() {
        return Ok(None);
    }
    match chain.down(folder) {
        Ok(chain) => Ok(Some(chain)),
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR)) => Ok(None),
        Err(error) => Err(error),
    }
}

struct Walk<'a> {
    prefix: &'a str,
    after: &'a str,
    limit: usize,
    page: Page,
}

impl Walk<'_> {
    /// Adds the contents of `folder`, whose objects' names start with `base`, until the page is
    /// full.
    fn folder(&mut self, folder: &OwnedFd, base: &str) -> io::Result<()> {
        let mut wanted: Vec<String> = entries(folder, base)?.into_iter().map(|entry| format!("{base}{entry}")).collect();
        wanted.retain(|name| self.can_match(name));
        wanted.sort_unstable();
        for name in wanted {
            if self.page.more {
                break;
            }
            let leaf = &name[base.len()..];
            match leaf.strip_suffix('/') {
                None => self.file(folder, &name, leaf)?,
                Some(leaf) => self.below(folder, &name, leaf)?,
            }
        }
        Ok(())
    }

    /// Whether the object `name` belongs to the listing; or, if it ends in a slash, any object in
    /// it.
    fn can_match(&self, name: &str) -> bool {
        let is_folder = name.ends_with('/');
        let with_prefix = name.starts_with(self.prefix) || (is_folder && self.prefix.starts_with(name));
        with_prefix && (name > self.after || (is_folder && self.after.starts_with(name)))
    }

    fn file(&mut self, folder: &OwnedFd, name: &str, leaf: &str) -> io::Result<()> {
        match statat(folder, leaf, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) if self.page.objects.len() == self.limit => self.page.more = true,
            Ok(stat) => self.page.objects.push(Listed { name: name.to_owned(), size: stat.st_size as u64 }),
            // Deleted since its folder was read.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn below(&mut self, folder: &OwnedFd, name: &str, leaf: &str) -> io::Result<()> {
        let below = match open_folder(folder, leaf) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        self.folder(&below, name)?;
        sync_folder(&below)
    }
}

/// The files and, with a trailing slash, the folders in a folder, unordered. Links, pipes and names
/// that are not UTF-8 are not objects.
fn entries(folder: &OwnedFd, base: &str) -> io::Result<Vec<String>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") || (base.is_empty() && name == PRIVATE) {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => file_type(folder, name)?,
            known => known,
        };
        match kind {
            FileType::RegularFile => entries.push(name.to_owned()),
            FileType::Directory => entries.push(format!("{name}/")),
            _ => {}
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_only_when_a_name_in_it_can_match() {
        let cases = [
            ("", "", "a/", true),
            ("", "a/5", "a/", true),
            ("", "a0", "a/", false),
            ("", "a.b", "a/", true),
            ("b", "", "a/", false),
            ("a/b/c", "", "a/", true),
            ("a/b/c", "", "a/b/", true),
            ("a/b/c", "", "a/bc/", false),
            ("a/b", "", "a/bc/", true),
            ("a/", "a/b0", "a/b/", false),
        ];
        for (prefix, after, folder, read) in cases {
            let walk = Walk { prefix, after, limit: 1, page: Page::default() };
            assert_eq!(walk.can_match(folder), read, "{folder} for {prefix:?} after {after:?}");
        }
    }
}
