//! A segment built from the parts of an input. The checksums agree, whatever the parts are.

use archive::segment::{Compression, Compressor, Manifest};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A batch's CRC covers the bytes from here, and the CRC itself is at `CRC` (Kafka documentation,
/// "Message Format").
const ATTRIBUTES: usize = 21;
const CRC: std::ops::Range<usize> = 17..21;
const LENGTH: std::ops::Range<usize> = 8..12;
const BLOCK: usize = 512;

/// One byte of choices, the length of a manifest in two bytes, the manifest, and the log.
pub(super) struct Parts<'a> {
    choices: u8,
    manifest: &'a [u8],
    log: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn of(input: &'a [u8]) -> Option<Self> {
        let (head, rest) = input.split_first_chunk::<3>()?;
        let (manifest, log) = rest.split_at_checked(u16::from_be_bytes([head[1], head[2]]).into())?;
        Some(Self { choices: head[0], manifest, log })
    }

    fn chose(&self, bit: u8) -> bool {
        self.choices >> bit & 1 == 1
    }

    pub(super) fn compression(&self) -> Compression {
        if self.chose(0) { Compression::Zstd(1) } else { Compression::Gzip(1) }
    }

    pub(super) fn workers(&self) -> usize {
        1 + usize::from(self.chose(1))
    }

    /// Whether the object has a `.sha256`.
    pub(super) fn has_sidecar(&self) -> bool {
        self.chose(2)
    }

    /// The object. Some choices skip a repair, or all of them: then the log is the object.
    pub(super) fn object(&self) -> Vec<u8> {
        if self.chose(3) {
            return self.log.to_vec();
        }
        let mut compressor = Compressor::new(self.compression());
        let mut log = self.log.to_vec();
        if !self.chose(4) {
            repair_batches(&mut log);
        }
        let mut members = Vec::new();
        let manifest = if self.chose(5) { None } else { repaired(self.manifest, &log, &mut compressor, &mut members) };
        if manifest.is_none() {
            members.push(compressor.compress(&log).to_vec());
        }
        let head = head(&manifest.unwrap_or_else(|| self.manifest.to_vec()));
        let end = vec![0; log.len().next_multiple_of(BLOCK) - log.len() + 2 * BLOCK];
        [compressor.compress(&head).to_vec(), members.concat(), compressor.compress(&end).to_vec()].concat()
    }
}

/// Gives every batch the CRC-32C of its bytes.
pub(super) fn repair_batches(mut log: &mut [u8]) {
    while log.len() > ATTRIBUTES {
        let length: [u8; 4] = log[LENGTH].try_into().expect("four bytes");
        let end = usize::try_from(12 + i64::from(i32::from_be_bytes(length))).unwrap_or(0).min(log.len());
        if end <= ATTRIBUTES {
            return;
        }
        let crc = crc32c::crc32c(&log[ATTRIBUTES..end]);
        log[CRC].copy_from_slice(&crc.to_be_bytes());
        log = &mut log[end..];
    }
}

/// The manifest with the actual sizes and digests of the log, cut into members of the claimed
/// sizes.
fn repaired(json: &[u8], mut log: &[u8], compressor: &mut Compressor, members: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let mut manifest: Value = serde_json::from_slice(json).ok()?;
    *manifest.get_mut("log_bytes")? = log.len().into();
    let listed = manifest.get_mut("members")?.as_array_mut()?;
    let count = listed.len();
    for (number, member) in listed.iter_mut().enumerate() {
        let claimed = usize::try_from(member.get("bytes")?.as_u64()?).unwrap_or(usize::MAX);
        let (raw, rest) = log.split_at(if number + 1 == count { log.len() } else { claimed.min(log.len()) });
        let stored = compressor.compress(raw);
        *member.get_mut("bytes")? = raw.len().into();
        *member.get_mut("stored")? = stored.len().into();
        *member.get_mut("crc32c")? = crc32c::crc32c(&stored).into();
        members.push(stored.to_vec());
        log = rest;
    }
    serde_json::to_vec(&manifest).ok()
}

/// The head of a segment around any manifest.
fn head(json: &[u8]) -> Vec<u8> {
    let manifest: Option<Manifest> = serde_json::from_slice(json).ok();
    let about = |manifest: &Manifest| {
        let time = manifest.created_at.parse::<jiff::Timestamp>().map_or(0, |time| u64::try_from(time.as_second()).unwrap_or(0));
        (format!("{:020}.log", manifest.start), manifest.log_bytes, time)
    };
    let (log_name, log_bytes, time) = manifest.as_ref().map(about).unwrap_or_default();
    let mut head = header("manifest.json", json.len() as u64, time);
    head.extend_from_slice(json);
    head.resize(head.len().next_multiple_of(BLOCK), 0);
    head.extend(header(&log_name, log_bytes, time));
    head
}

fn header(name: &str, size: u64, time: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(time);
    header.set_cksum();
    header.as_bytes().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
