//! A stretch of a segment that is fetched in one request, and verified and decompressed together.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use store::Part;

use super::ahead::{Fetch, Fetched};
use super::codec::{self, Decompressor, FirstMember};
use super::group::RecordGroup;
use super::object::Segment;
use super::sidecar::{self, Sidecar};
use super::stretch::Stretch;
use super::{Result, archive};

/// A stretch, and what reading it needs of the previous ones.
#[derive(Clone)]
pub(super) struct Window {
    pub(super) stretch: Stretch,
    /// SHA-256 of the object before this; `None` if reading did not begin at the start.
    hash: Option<Sha256>,
}

/// A verified stretch.
pub(super) struct Loaded {
    pub(super) groups: VecDeque<RecordGroup>,
    /// The next stretch; `None` after the trailer.
    pub(super) next: Option<Window>,
    /// Set after the last one, if reading began at the start.
    pub(super) whole: Option<Whole>,
}

/// An object that was read from its beginning to its end, and verified.
pub(super) struct Whole {
    pub(super) sha256: String,
    pub(super) sidecar: Sidecar,
}

impl Window {
    /// The first one with records at offset `from` or above, or only the trailer.
    pub(super) fn first(segment: &Segment, from: i64) -> Self {
        let members = &segment.manifest.members;
        let first = members.partition_point(|member| member.last_offset < from);
        let skipped: u64 = members[..first].iter().map(|member| member.stored).sum();
        Self { stretch: Stretch::at(segment, first, segment.head_bytes + skipped), hash: (first == 0).then(|| segment.hash_of_head()) }
    }

    /// Whether all of the object is read, from its beginning.
    pub(super) fn is_of_whole(&self) -> bool {
        self.hash.is_some()
    }

    /// Fetches it, unless that has begun, verifies and decompresses. At the end of the object it
    /// also compares its SHA-256, if reading began at the start.
    pub(super) async fn load(self, segment: Arc<Segment>, from: i64, fetch: Option<Fetch>) -> crate::Result<Loaded> {
        segment.check_limits()?;
        let fetched = match fetch {
            Some(fetch) => fetch.wait().await,
            None => None,
        };
        let fetched = match fetched {
            Some(fetched) => fetched,
            None => Fetched::now(segment.fetch(self.stretch.range(&segment)).await?),
        };
        let (unpacking, stored) = (Arc::clone(&segment), fetched.bytes.clone());
        let (window, groups) = segment.offload(move || self.unpack(&unpacking, &stored, from)).await?;
        if let Some(stretch) = window.stretch.following(&segment) {
            let next = Some(Self { stretch, hash: window.hash });
            return Ok(Loaded { groups, next, whole: None });
        }
        let whole = match window.hash {
            Some(hash) => Some(compare(&segment, hash, fetched.sidecar.as_ref()).await?),
            None => None,
        };
        Ok(Loaded { groups, next: None, whole })
    }

    fn unpack(mut self, segment: &Segment, stored: &Bytes, from: i64) -> Result<(Self, VecDeque<RecordGroup>)> {
        let mut decompressor = Decompressor::new(segment.packing);
        let mut groups = VecDeque::with_capacity(self.stretch.members.len());
        if let Some(hash) = &mut self.hash {
            hash.update(stored);
        }
        let mut rest = &stored[..];
        for number in self.stretch.members.clone() {
            let member = &segment.manifest.members[number];
            let at = self.stretch.at + (stored.len() - rest.len()) as u64;
            let place = format!("member {} of {}, at byte {at}", number + 1, segment.manifest.members.len());
            let bytes = rest.split_off(..member.stored as usize).ok_or_else(|| segment.damaged(format!("{place}: it is truncated")))?;
            if crc32c::crc32c(bytes) != member.crc32c {
                return Err(segment.damaged(format!("{place}: its CRC-32C is not the one in the manifest")));
            }
            let batches =
                decompressor.decompress(bytes, member.bytes as usize).map_err(|what| segment.damaged(format!("{place}: {what}")))?;
            groups.push_back(RecordGroup::new(batches, member, from, Arc::clone(&segment.object), place)?);
        }
        if self.stretch.is_last(segment) {
            check_trailer(segment, rest)?;
        }
        Ok((self, groups))
    }
}

fn check_trailer(segment: &Segment, stored: &[u8]) -> Result<()> {
    let trailer = archive::trailer(segment.manifest.log_bytes);
    match codec::first_member(segment.packing, stored, trailer.len() as u64) {
        Ok(FirstMember::Whole(found, len)) if found == trailer && len == stored.len() => Ok(()),
        Ok(FirstMember::Whole(..)) => Err(segment.damaged("trailer: it is not the end of a tar archive, or there is data after it")),
        Ok(FirstMember::Cut) => Err(segment.damaged("trailer: it is truncated")),
        Err(what) => Err(segment.damaged(format!("trailer: {what}"))),
    }
}

async fn compare(segment: &Segment, hash: Sha256, fetched: Option<&Part>) -> crate::Result<Whole> {
    let sha256 = sidecar::hex(hash);
    let sidecar = segment.compare_sidecar(&sha256, fetched).await?;
    Ok(Whole { sha256, sidecar })
}
