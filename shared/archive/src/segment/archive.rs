//! The tar archive of a segment: two headers, two paddings and the end.
//!
//! Head (first member): header of `manifest.json`, the manifest, padding, header of the log. Then
//! the log, in its own members. Trailer (last member): padding of the log, and two empty blocks.
//! Every byte of head and trailer follows from the manifest, so a reader verifies them by building
//! them again.

use serde::Deserialize;

use super::manifest::{FORMAT_VERSION, Manifest};
use super::{Result, SegmentError, SegmentErrorKind};

const BLOCK: usize = 512;

/// The head of a segment with this manifest.
pub(super) fn head(manifest: &Manifest) -> Vec<u8> {
    let mut json = serde_json::to_vec_pretty(manifest).expect("a manifest has nothing that JSON cannot hold");
    json.push(b'\n');
    head_around(&json, manifest)
}

/// The content of the last member.
pub(super) fn trailer(log_bytes: u64) -> Vec<u8> {
    vec![0; padding(log_bytes) + 2 * BLOCK]
}

/// The manifest in a head, verified.
///
/// # Errors
/// [`SegmentErrorKind::UnknownVersion`], or [`SegmentErrorKind::Damaged`] if it is not as this
/// project writes it.
pub(super) fn parse_head(head: &[u8], object: &str) -> Result<Manifest> {
    let damaged = |what: String| SegmentError::new(SegmentErrorKind::Damaged, object, format!("head: {what}"));
    let json = manifest_entry(head).ok_or_else(|| damaged("manifest.json is not the first entry of the archive".to_owned()))?;

    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let Version { format_version } = serde_json::from_slice(json).map_err(|error| damaged(format!("manifest.json: {error}")))?;
    if format_version > FORMAT_VERSION {
        let what = format!("has format version {format_version}, and this program supports {FORMAT_VERSION}: use a newer one to read it");
        return Err(SegmentError::new(SegmentErrorKind::UnknownVersion, object, what));
    }
    let manifest: Manifest = serde_json::from_slice(json).map_err(|error| damaged(format!("manifest.json: {error}")))?;
    manifest.check(object)?;
    if head_around(json, &manifest) != head {
        return Err(damaged("the tar headers do not match its manifest".to_owned()));
    }
    Ok(manifest)
}

/// Name of the log in the archive.
fn log_name(start: i64) -> String {
    format!("{start:020}.log")
}

fn manifest_entry(head: &[u8]) -> Option<&[u8]> {
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(head.get(..BLOCK)?);
    let len = usize::try_from(header.entry_size().ok()?).ok()?;
    head.get(BLOCK..)?.get(..len)
}

fn head_around(json: &[u8], manifest: &Manifest) -> Vec<u8> {
    let modified = manifest.created_at.parse::<jiff::Timestamp>().map_or(0, |at| u64::try_from(at.as_second()).unwrap_or(0));
    let mut head = Vec::with_capacity(json.len() + 3 * BLOCK);
    head.extend_from_slice(header("manifest.json", json.len() as u64, modified).as_bytes());
    head.extend_from_slice(json);
    head.resize(head.len() + padding(json.len() as u64), 0);
    head.extend_from_slice(header(&log_name(manifest.start), manifest.log_bytes, modified).as_bytes());
    head
}

/// A ustar header; a size of 8 GiB or more is in base 256, as GNU tar and bsdtar write and read it.
fn header(name: &str, size: u64, modified: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).expect("the name is short and has no odd component");
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(modified);
    header.set_cksum();
    header
}

fn padding(len: u64) -> usize {
    (len.next_multiple_of(BLOCK as u64) - len) as usize
}
