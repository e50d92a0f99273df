//! The file of --resume: objects that an earlier run of verify found intact. Another run continues
//! there.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use kernel::clock::{Clock, SystemClock, rfc3339};
use serde::{Deserialize, Serialize};

/// Version of the format.
const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    verified_with_version: u32,
    bucket: String,
    since: String,
}

/// The result of an intact object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) size: u64,
    pub(super) records: u64,
    /// The next offset after the segment.
    pub(super) next: i64,
    pub(super) gap: Option<String>,
}

/// A line: name, size, records, next, gap.
type Line = (String, u64, u64, i64, Option<String>);

/// The file. Lines are only appended, so runs can share it, and a kill leaves at most one
/// incomplete line.
#[derive(Debug)]
pub(super) struct Resume {
    path: PathBuf,
    file: File,
    known: HashMap<Box<str>, Sound>,
    since: String,
    has_failed: AtomicBool,
}

impl Resume {
    /// Reads the file, or creates it.
    ///
    /// # Errors
    /// It cannot be read or written, or belongs to another bucket or program.
    pub(super) fn open(path: &Path, bucket: &str) -> Result<Self> {
        let of = |what: &str| format!("--resume {}: {what}", path.display());
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).with_context(|| of("cannot be opened"))?;
        let (mut known, mut since) = (HashMap::new(), None);
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).with_context(|| of("cannot be read"))? > 0 {
            if since.is_none() {
                since = Some(header(&line, bucket).with_context(|| of("cannot be used"))?);
            } else if let Ok((name, size, records, next, gap)) = serde_json::from_slice::<Line>(&line) {
                known.insert(name.into(), Sound { size, records, next, gap });
            }
            line.clear();
        }
        let mut resume = Self { path: path.to_owned(), file, known, since: String::new(), has_failed: AtomicBool::new(false) };
        resume.since = match since {
            Some(since) => {
                resume.end_cut_line().with_context(|| of("cannot be continued"))?;
                since
            }
            None => {
                let header = Header { verified_with_version: VERSION, bucket: bucket.to_owned(), since: rfc3339(SystemClock.now()) };
                resume.write(&header).with_context(|| of("cannot be written"))?;
                header.since
            }
        };
        Ok(resume)
    }

    /// Ends an incomplete line that a kill left, so that the next line is not part of it.
    fn end_cut_line(&self) -> Result<()> {
        let mut last = [0];
        let mut file = &self.file;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
        Ok(())
    }

    fn write(&self, line: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(line)? + "\n";
        Ok((&self.file).write_all(line.as_bytes())?)
    }

    /// The earlier result of an object of this name and size.
    pub(super) fn known(&self, name: &str, size: u64) -> Option<&Sound> {
        self.known.get(name).filter(|sound| sound.size == size)
    }

    /// Records that an object is intact. A failure is only a warning: a later run reads it again.
    pub(super) fn note(&self, name: &str, sound: &Sound) {
        let Sound { size, records, next, gap } = sound;
        if let Err(error) = self.write(&(name, size, records, next, gap))
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            tracing::warn!("--resume {}: cannot be written: {error}. A later run will read these objects again", self.path.display());
        }
    }

    /// The file and its start time, for people.
    pub(super) fn name(&self) -> String {
        format!("--resume {}, started {}", self.path.display(), self.since)
    }
}

/// The start time in the first line of the file.
fn header(line: &[u8], bucket: &str) -> Result<String> {
    let Ok(header) = serde_json::from_slice::<Header>(line) else {
        bail!("it was not written by verify: use another file");
    };
    if header.verified_with_version != VERSION {
        bail!("it was written by another version of verify: use another file");
    }
    if header.bucket != bucket {
        bail!("it belongs to bucket {}, not to {bucket}: use another file", header.bucket);
    }
    Ok(header.since)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BUCKET: &str = "s3://backups/";

    fn sound(size: u64) -> Sound {
        Sound { size, records: 7, next: 10, gap: Some("0 to 3: before-first-backup".to_owned()) }
    }

    #[test]
    fn only_an_incomplete_line_of_a_killed_run_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let resume = Resume::open(&path, BUCKET).unwrap();
        ["a", "b"].into_iter().for_each(|name| resume.note(name, &sound(1)));
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let resume = Resume::open(&path, BUCKET).unwrap();
        assert_eq!((resume.known("a", 1), resume.known("a", 2), resume.known("b", 1)), (Some(&sound(1)), None, None));
        resume.note("c", &sound(3));
        let resume = Resume::open(&path, BUCKET).unwrap();
        assert_eq!((resume.known("a", 1), resume.known("c", 3)), (Some(&sound(1)), Some(&sound(3))));
        assert_eq!(resume.known.len(), 2);
    }

    #[test]
    fn a_file_of_another_bucket_or_program_is_refused_and_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        drop(Resume::open(&path, "s3://others/"));
        let error = format!("{:#}", Resume::open(&path, BUCKET).unwrap_err());
        assert!(error.contains("s3://others/") && error.contains("use another file"), "{error}");
        let other = folder.path().join("config.json");
        std::fs::write(&other, "{\"TOPIC_NAMES\": \"*\"}\n").unwrap();
        assert!(format!("{:#}", Resume::open(&other, BUCKET).unwrap_err()).contains("not written by verify"));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "{\"TOPIC_NAMES\": \"*\"}\n");
    }
}
