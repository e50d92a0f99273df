//! The archives of the Python tool that this project replaces:
//! `<topic>/<partition>/YYYYMMDD-HHMMSS.tar.gz` with one file in it, and `current.bin`, the file
//! that was not packed yet.
//!
//! One line is the value of one record, without the newline that the tool added. Keys, headers,
//! timestamps and offsets were not kept. That tool split a value with newlines in it, and it cannot
//! be rejoined: each of its lines is restored as a record.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use kernel::record::{Record, TimestampType};
use sha2::{Digest, Sha256};
use store::{ObjectStore, Part};
use tokio::task::spawn_blocking;

use super::batch::Sized;
use super::lines::{Lines, count_lines};
use super::object::{ReadOptions, same_object};
use super::python_tar::{Refusal, find_file};
use super::sidecar::{self, Sidecar};
use super::writer::joined;
use super::{Result, SegmentError, SegmentErrorKind};
use crate::catalog::names;

/// The first request; few archives are larger.
const FIRST_REQUEST: u64 = 1 << 20;

/// The files of the Python tool, in the order of their records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PythonName {
    /// `YYYYMMDD-HHMMSS.tar.gz`: the time without the rest.
    Archive(String),
    /// `current.bin`: newer than all archives next to it.
    Current,
}

impl PythonName {
    /// Parses the last component of a name. `None` for anything else, a `.sha256` included.
    pub fn parse(file: &str) -> Option<Self> {
        if file == "current.bin" {
            return Some(Self::Current);
        }
        let time = file.strip_suffix(".tar.gz")?;
        let shaped = time.len() == 15 && time.bytes().enumerate().all(|(at, b)| if at == 8 { b == b'-' } else { b.is_ascii_digit() });
        (shaped && jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", time).is_ok()).then(|| Self::Archive(time.to_owned()))
    }
}

/// One archive, verified to its last byte. Holds it in memory as stored.
#[derive(Debug)]
pub struct PythonArchive {
    content: Content,
    found: Lines,
    sidecar: Sidecar,
}

/// Where the lines are.
#[derive(Debug, Clone)]
struct Content {
    object: Arc<str>,
    bytes: Bytes,
    packed: bool,
    /// Position of the file in the tar archive.
    at: u64,
    size: u64,
}

impl PythonArchive {
    /// Fetches an archive, compares it with its `.sha256`, and decompresses it once to verify it
    /// and to count its lines.
    ///
    /// # Errors
    /// An error of the store, or what is wrong with the archive: damaged, not matching its
    /// `.sha256`, larger than `options` allow, or with anything in it except one file with a plain
    /// name.
    pub async fn open(store: &dyn ObjectStore, name: &str, options: ReadOptions) -> crate::Result<Self> {
        let object: Arc<str> = store.location(name).into();
        let bytes = fetch(store, name, options.largest_archive).await?;
        let packed = PythonName::parse(names::file_name(name)) != Some(PythonName::Current);
        // The digest first: it distinguishes a damaged archive from one that was never valid.
        let sidecar = if packed { compare(store, name, &bytes).await? } else { Sidecar::Missing };
        let work = move || inspect(object, bytes, packed, options);
        let (content, found) = if options.workers > 1 { joined(spawn_blocking(work).await) } else { work() }?;
        Ok(Self { content, found, sidecar })
    }

    /// Number of lines, and so of records.
    pub fn records(&self) -> u64 {
        self.found.count
    }

    /// Size in bytes of the largest record as the broker counts it (in its own record batch), for
    /// `max.message.bytes`; 0 without records.
    pub fn largest_record(&self) -> u64 {
        let framing = Sized::new(&value_only(0, &[])).alone() as u64;
        // A length uses at most four bytes more than that of an empty value, once for the value and
        // once for the record.
        if self.found.count == 0 { 0 } else { framing + 8 + self.found.longest }
    }

    /// Whether the archive could be compared with its `.sha256`; `current.bin` has none.
    pub fn sidecar(&self) -> Sidecar {
        self.sidecar
    }

    /// The records from line `from`, the first being 0.
    ///
    /// # Errors
    /// None that opening it did not find.
    pub fn records_from(&self, from: u64) -> Result<PythonRecords> {
        let content = &self.content;
        let mut file: Box<dyn Read + Send> = if content.packed {
            Box::new(MultiGzDecoder::new(io::Cursor::new(content.bytes.clone())))
        } else {
            Box::new(io::Cursor::new(content.bytes.clone()))
        };
        let fail = |error: io::Error| content.damaged(error.to_string());
        io::copy(&mut file.by_ref().take(content.at), &mut io::sink()).map_err(fail)?;
        let lines = BufReader::with_capacity(64 << 10, file.take(content.size));
        let mut records = PythonRecords { lines, content: content.clone(), next: 0, line: Vec::new() };
        while records.next < from && records.advance()? {}
        Ok(records)
    }
}

/// Lends the records of an archive, one after another. Their offsets are their line numbers, from
/// 0.
pub struct PythonRecords {
    lines: BufReader<io::Take<Box<dyn Read + Send>>>,
    content: Content,
    next: u64,
    line: Vec<u8>,
}

impl PythonRecords {
    /// The next record, valid until the next call; `None` after the last one.
    ///
    /// # Errors
    /// None that opening the archive did not find.
    #[allow(clippy::should_implement_trait)] // It lends: no Iterator can.
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        let number = self.next;
        Ok(self.advance()?.then(|| value_only(number, &self.line)))
    }

    fn advance(&mut self) -> Result<bool> {
        self.line.clear();
        let read = self.lines.read_until(b'\n', &mut self.line).map_err(|error| self.content.damaged(error.to_string()))?;
        self.next += u64::from(read > 0);
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        Ok(read > 0)
    }
}

impl Content {
    fn damaged(&self, what: String) -> SegmentError {
        SegmentError::new(SegmentErrorKind::Damaged, &*self.object, what)
    }
}

/// A record of which only the value was kept.
fn value_only(line: u64, value: &[u8]) -> Record<'_> {
    let timestamp_type = TimestampType::CreateTime;
    Record { offset: line as i64, timestamp: -1, timestamp_type, key: None, value: Some(value), headers: &[] }
}

async fn compare(store: &dyn ObjectStore, name: &str, bytes: &[u8]) -> crate::Result<Sidecar> {
    sidecar::compare(store, name, &sidecar::hex(Sha256::new_with_prefix(bytes))).await
}

async fn fetch(store: &dyn ObjectStore, name: &str, most: u64) -> crate::Result<Bytes> {
    let Part { bytes, size, version } = store.get_range(name, 0..FIRST_REQUEST).await?;
    if size > most {
        let what = format!(
            "it has {size} bytes, and the limit is {most}, a quarter of the memory for each of NUMBER_OF_KAFKA_THREADS: raise MEMORY_LIMIT_MB"
        );
        return Err(SegmentError::new(SegmentErrorKind::TooLarge, store.location(name), what).into());
    }
    if bytes.len() as u64 == size {
        return Ok(bytes);
    }
    // Fetches all of it again: joining the two would need twice the memory.
    drop(bytes);
    let part = store.get_range(name, 0..size).await?;
    same_object(&part, &(0..size), size, &version)
        .map_err(|what| SegmentError::new(SegmentErrorKind::Damaged, store.location(name), what))?;
    Ok(part.bytes)
}

fn inspect(object: Arc<str>, bytes: Bytes, packed: bool, options: ReadOptions) -> Result<(Content, Lines)> {
    let size = bytes.len() as u64;
    let found = if packed {
        find_file(MultiGzDecoder::new(&bytes[..]), options.largest_unpacked)
    } else {
        count_lines(&mut &bytes[..]).map(|lines| (0, size, lines)).map_err(Refusal::from)
    };
    let too_large = |longest| format!("a line has {longest} bytes, and the limit is {}", options.largest_record);
    match found {
        Ok((.., lines)) if lines.longest > options.largest_record => {
            Err(SegmentError::new(SegmentErrorKind::TooLarge, &*object, too_large(lines.longest)))
        }
        Ok((at, size, lines)) => Ok((Content { object, bytes, packed, at, size }, lines)),
        Err(Refusal { kind, what }) => Err(SegmentError::new(kind, &*object, what)),
    }
}
