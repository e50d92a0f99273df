//! The one file in a tar archive of another program. Nothing in it ever becomes a path; a name is
//! only checked to be refused.

use std::io::{self, Read};

use super::SegmentErrorKind;
use super::lines::{Lines, count_lines};

/// An extended header contains a name and a time; a larger one is an attack on memory.
const LARGEST_EXTENSION: u64 = 64 << 10;
/// Headers before the file: Python writes one.
const MOST_HEADERS: usize = 8;
/// Zeros at the end: Python pads to 10 KiB.
const LARGEST_END: u64 = 1 << 20;

/// Why an archive is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: SegmentErrorKind,
    pub(super) what: String,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        damaged(format!("it cannot be unpacked: {error}"))
    }
}

fn damaged(what: impl Into<String>) -> Refusal {
    Refusal { kind: SegmentErrorKind::Damaged, what: what.into() }
}

/// Position, size and lines of the only file in `tar`, which is read to its end.
///
/// # Errors
/// There is not exactly one entry, or it is not a regular file, has a name that leads elsewhere or
/// more than `most` bytes.
pub(super) fn find_file(tar: impl Read, most: u64) -> Result<(u64, u64, Lines), Refusal> {
    let mut archive = tar::Archive::new(tar);
    let mut extended_name = None;
    let mut file = None;
    for (number, entry) in archive.entries()?.raw(true).enumerate() {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if number < MOST_HEADERS && file.is_none() && (kind.is_pax_local_extensions() || kind.is_gnu_longname()) {
            extended_name = read_extension(&mut entry, kind)?.or(extended_name);
            continue;
        }
        let name = extended_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        let name = String::from_utf8_lossy(&name);
        if file.is_some() {
            return Err(damaged(format!("it contains more than one file, the second being {name:?}; the Python tool packs one")));
        }
        if !kind.is_file() {
            return Err(damaged(format!("its entry {name:?} is not a regular file ({kind:?})")));
        }
        if name.is_empty() || name.ends_with('/') || name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..") {
            return Err(damaged(format!("its entry is named {name:?}, which leads elsewhere")));
        }
        let (at, size) = (entry.raw_file_position(), entry.size());
        if size > most {
            let what = format!("its entry {name:?} has {size} bytes, and the limit is {most}");
            return Err(Refusal { kind: SegmentErrorKind::TooLarge, what });
        }
        let mut content = entry.by_ref().take(size);
        let lines = count_lines(&mut content)?;
        if content.limit() > 0 {
            return Err(damaged(format!("it ends {} bytes before the end of its entry {name:?}", content.limit())));
        }
        file = Some((at, size, lines));
    }
    let found = file.ok_or_else(|| damaged("it contains no file"))?;
    check_end(archive.into_inner())?;
    Ok(found)
}

/// Reads to the end, so that the checksum of the gzip stream is compared.
fn check_end(tar: impl Read) -> Result<(), Refusal> {
    let mut end = Vec::new();
    tar.take(LARGEST_END).read_to_end(&mut end)?;
    if end.len() as u64 == LARGEST_END || end.iter().any(|byte| *byte != 0) {
        return Err(damaged("there is data after the end of the tar archive"));
    }
    Ok(())
}

/// The name that an extended header gives the next entry, if it does.
fn read_extension(entry: &mut tar::Entry<'_, impl Read>, kind: tar::EntryType) -> Result<Option<Vec<u8>>, Refusal> {
    if entry.size() > LARGEST_EXTENSION {
        return Err(damaged(format!("it has an extended header of {} bytes", entry.size())));
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    if kind.is_gnu_longname() {
        content.truncate(content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
        return Ok(Some(content));
    }
    let mut name = None;
    for extension in tar::PaxExtensions::new(&content) {
        let extension = extension?;
        match extension.key_bytes() {
            b"path" => name = Some(extension.value_bytes().to_vec()),
            b"size" => return Err(damaged("an extended header gives its entry another size")),
            key if key.starts_with(b"GNU.sparse.") => return Err(damaged("its entry is a sparse file")),
            _ => {}
        }
    }
    Ok(name)
}
