//! The `.sha256` next to a segment or an archive of the Python tool: the SHA-256 of the object in
//! 64 hex digits.

use sha2::{Digest, Sha256};
use store::{ObjectStore, Part, StoreErrorKind};

use super::{SegmentError, SegmentErrorKind};
use crate::catalog::names;

/// More than a digest and a file name need.
const LONGEST: u64 = 4096;

/// Whether an object has the SHA-256 in its sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// Not compared: the object was not read from its beginning to its end.
    NotRead,
    /// They agree.
    Matches,
    /// There is none. A backup that was killed between the two writes leaves this; the next one
    /// repairs it.
    Missing,
}

/// Compares an object's SHA-256 with its sidecar.
///
/// # Errors
/// [`SegmentErrorKind::ChecksumMismatch`] if they differ, [`SegmentErrorKind::Damaged`] if the
/// sidecar contains no digest.
pub(super) async fn compare(store: &dyn ObjectStore, name: &str, actual: &str) -> crate::Result<Sidecar> {
    match fetch(store, name).await? {
        Some(part) => compare_with(store, name, &part, actual),
        None => Ok(Sidecar::Missing),
    }
}

/// An object's sidecar; `None` if there is none.
pub(super) async fn fetch(store: &dyn ObjectStore, name: &str) -> crate::Result<Option<Part>> {
    match store.get_range(&names::sidecar(name), 0..LONGEST).await {
        Ok(part) => Ok(Some(part)),
        Err(error) if error.kind == StoreErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Like [`compare`], with a sidecar that was fetched.
pub(super) fn compare_with(store: &dyn ObjectStore, name: &str, part: &Part, actual: &str) -> crate::Result<Sidecar> {
    let sidecar = names::sidecar(name);
    let Some(wanted) = parse(&part.bytes).filter(|_| part.size <= LONGEST) else {
        let what = "contains no SHA-256 (64 hex digits)";
        return Err(SegmentError::new(SegmentErrorKind::Damaged, store.location(&sidecar), what).into());
    };
    if wanted == actual {
        return Ok(Sidecar::Matches);
    }
    let what = format!("its SHA-256 is {actual}, but its .sha256 has {wanted}: one of the two was altered");
    Err(SegmentError::new(SegmentErrorKind::ChecksumMismatch, store.location(name), what).into())
}

/// The digest in a sidecar: 64 hex digits, or a line of `sha256sum` (digits, white space, file
/// name). Upper case means damage: no program here writes it.
pub fn parse(content: &[u8]) -> Option<&str> {
    let line = str::from_utf8(content).ok()?.trim_end_matches(['\r', '\n']);
    let (digest, rest) = line.split_at_checked(64)?;
    let named = rest.is_empty() || (rest.starts_with([' ', '\t']) && !rest.contains(['\r', '\n']));
    (named && is_digest(digest)).then_some(digest)
}

/// Whether this is a SHA-256 as we write it: 64 lower-case hex digits.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A finished SHA-256 in hex.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_a_digest_alone_or_a_line_of_sha256sum() {
        let digest = "94777d7cfa86e8bdce9a3536af299f4d0f46b144893bb982e7e430288699a38b";
        for good in [digest.to_owned(), format!("{digest}\n"), format!("{digest}  a.tar.gz\n"), format!("{digest} *b\r\n")] {
            assert_eq!(parse(good.as_bytes()), Some(digest), "{good:?}");
        }
        let short = &digest[..63];
        for bad in [
            "",
            short,
            &digest.to_uppercase(),
            &format!("{short}g"),
            &format!("{digest}0"),
            &format!(" {digest}"),
            &format!("{digest}  a\n{digest}  b\n"),
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(parse(&[0xff; 64]), None);
        assert_eq!(hex(Sha256::new()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
