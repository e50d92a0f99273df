//! A snapshot as an object: JSON in one gzip member, created once. Writing and reading use limited
//! memory, whatever its content.

use std::io::{self, BufReader, BufWriter, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Body, ObjectStore, StoreError, StoreErrorKind};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::catalog::Snapshot;
use crate::catalog::objects::check_version;
use crate::{Error, Result};

/// The largest object, in bytes.
pub(super) const LARGEST_OBJECT: u64 = 64 << 20;
/// The largest JSON in it, in bytes.
pub(super) const LARGEST_JSON: u64 = 1 << 30;
/// Size of the chunks of the object while it is built.
const CHUNK: usize = 1 << 20;
/// What is collected before it is compressed.
const BUFFER: usize = 64 << 10;

/// What a reader has to know of a snapshot, for any part of it, or of an object like one.
pub(super) trait SnapshotPart: DeserializeOwned {
    /// What the object is, for messages.
    const WHAT: &str = "a snapshot";
    /// The newest known format.
    const KNOWN: u32 = Snapshot::FORMAT;

    /// Its format.
    fn format_version(&self) -> u32;
}

impl SnapshotPart for Snapshot {
    fn format_version(&self) -> u32 {
        self.format_version
    }
}

impl Snapshot {
    /// Creates the object, all or nothing. False if the name is taken: another invocation took this
    /// snapshot. The JSON is never in memory as a whole: it is compressed while it is written.
    ///
    /// # Errors
    /// An error of the store. A snapshot that is too large is refused and never trimmed: a reader
    /// could not distinguish what was omitted from what never existed.
    pub async fn write(&self, store: &dyn ObjectStore, name: &str) -> Result<bool> {
        let body = self.compressed(LARGEST_JSON, LARGEST_OBJECT).map_err(|error| {
            Error::unfit(format!(
                "{}: the snapshot is not written: {error}. Select fewer topics (TOPIC_NAMES) or consumer groups \
                 (CONSUMER_GROUPS) for one backup, or set SNAPSHOT_SECONDS=0 to take no snapshots",
                store.location(name)
            ))
        })?;
        match store.create(name, body).await {
            Ok(_) => Ok(true),
            Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// An error of the store; or, with its name, a snapshot that is damaged, too large or of a
    /// newer version.
    pub async fn read(store: &dyn ObjectStore, name: &str) -> Result<Self> {
        read_part(store, name).await
    }

    fn compressed(&self, largest_json: u64, largest_object: u64) -> io::Result<Body> {
        pack(self, largest_json, largest_object)
    }
}

/// JSON in one gzip member. It is never in memory as a whole: it is compressed while it is written.
///
/// # Errors
/// It exceeds one of these limits, as JSON or compressed.
pub(super) fn pack<T: Serialize>(content: &T, largest_json: u64, largest_object: u64) -> io::Result<Body> {
    let sink = Bounded { inner: Chunks::default(), left: largest_object, what: "compressed, it has more than", most: largest_object };
    let gzip = GzEncoder::new(sink, Compression::default());
    let json = Bounded { inner: gzip, left: largest_json, what: "as JSON it has more than", most: largest_json };
    let mut json = BufWriter::with_capacity(BUFFER, json);
    serde_json::to_writer(&mut json, content)?;
    let json = json.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(json.inner.finish()?.inner.into_body())
}

/// Reads the fields of `T` from a snapshot; the rest is skipped without being stored.
pub(super) async fn read_part<T: SnapshotPart>(store: &dyn ObjectStore, name: &str) -> Result<T> {
    let damaged = |what: String| StoreError::new(StoreErrorKind::Damaged, store.location(name), what);
    let object = store.get_range(name, 0..LARGEST_OBJECT + 1).await?;
    if object.size > LARGEST_OBJECT {
        return Err(damaged(format!("it has {} bytes, and {} has at most {LARGEST_OBJECT}", object.size, T::WHAT)).into());
    }
    let found: T = unpack(&object.bytes, LARGEST_JSON).map_err(|error| damaged(format!("it cannot be read as {}: {error}", T::WHAT)))?;
    check_version(store, name, found.format_version(), T::KNOWN)?;
    Ok(found)
}

/// Unpacks the output of [`pack`] with at most this many bytes of JSON, and nothing after it.
pub(super) fn unpack<T: DeserializeOwned>(object: &[u8], most: u64) -> io::Result<T> {
    let mut gzip = GzDecoder::new(object);
    let found = {
        let json = Bounded { inner: &mut gzip, left: most, what: "as JSON it has more than", most };
        let mut json = serde_json::Deserializer::from_reader(BufReader::with_capacity(BUFFER, json));
        let found = T::deserialize(&mut json)?;
        json.end()?; // Also compares the checksum of the gzip member.
        found
    };
    if gzip.into_inner().is_empty() { Ok(found) } else { Err(io::Error::other("there is data after its end")) }
}

/// Limits how much is read at the same time: any number of snapshots fits into the memory of a
/// small function.
pub(super) struct Room(Semaphore);

impl Room {
    const KIB: u32 = 64 << 10;

    /// Waits until there is room for an object of this size.
    pub(super) async fn of(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(Self::KIB).clamp(1, Self::KIB);
        self.0.acquire_many(kib).await.ok() // Never closed.
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(Self::KIB as usize))
    }
}

/// Passes this many bytes, and fails at the next one.
struct Bounded<T> {
    inner: T,
    left: u64,
    what: &'static str,
    most: u64,
}

impl<T> Bounded<T> {
    fn take(&mut self, bytes: usize) -> io::Result<()> {
        let too_many = || io::Error::other(format!("{} {} bytes", self.what, self.most));
        self.left = self.left.checked_sub(bytes as u64).ok_or_else(too_many)?;
        Ok(())
    }
}

impl<T: Write> Write for Bounded<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.take(written)?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Bounded<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.take(read)?;
        Ok(read)
    }
}

/// Collects bytes in chunks that are never copied together.
#[derive(Default)]
struct Chunks {
    body: Body,
    open: Vec<u8>,
}

impl Chunks {
    fn into_body(mut self) -> Body {
        self.body.push(Bytes::from(self.open));
        self.body
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open.extend_from_slice(bytes);
        if self.open.len() >= CHUNK {
            self.body.push(Bytes::from(std::mem::take(&mut self.open)));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::testing::MemoryStore;

    use super::*;
    use crate::testing::snapshot;

    const NAME: &str = "@cluster/kafka-1/backup/2026/11/29/130500Z.json.gz";

    fn gzip(json: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(json).unwrap();
        gzip.finish().unwrap()
    }

    #[tokio::test]
    async fn a_snapshot_is_read_back_and_never_replaced() {
        let store = MemoryStore::new();
        let (first, second) = (snapshot(1_795_957_400_000, [("orders", "orders", 0, 7)]), snapshot(1_795_957_400_001, []));
        assert!(first.write(&store, NAME).await.unwrap());
        assert!(!second.write(&store, NAME).await.unwrap(), "another one took it");
        assert_eq!(Snapshot::read(&store, NAME).await.unwrap(), first);
    }

    #[test]
    fn a_large_one_is_made_in_pieces() {
        let mut large = snapshot(0, []);
        large.topic_names = (0..600_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let body = large.compressed(LARGEST_JSON, LARGEST_OBJECT).unwrap();
        assert!(body.chunks().len() > 3 && body.chunks().iter().all(|chunk| chunk.len() < 2 * CHUNK), "{}", body.chunks().len());
        assert_eq!(unpack::<Snapshot>(&body.to_bytes(), LARGEST_JSON).unwrap(), large);
    }

    #[test]
    fn one_that_is_too_large_fails_and_is_never_trimmed() {
        let snapshot = snapshot(0, [("orders", "orders", 0, 7)]);
        let json = serde_json::to_vec(&snapshot).unwrap().len() as u64;
        let object = snapshot.compressed(json, LARGEST_OBJECT).unwrap().len() as u64;
        assert!(snapshot.compressed(json, object).is_ok());
        let error = snapshot.compressed(json - 1, object).unwrap_err().to_string();
        assert!(error.contains("as JSON it has more than"), "{error}");
        let error = snapshot.compressed(json, object - 1).unwrap_err().to_string();
        assert!(error.contains("compressed, it has more than"), "{error}");
    }

    #[tokio::test]
    async fn damage_is_told_with_the_objects_name() {
        let sound = snapshot(0, [("orders", "orders", 0, 7)]).compressed(LARGEST_JSON, LARGEST_OBJECT).unwrap().to_bytes().to_vec();
        let (mut flipped, mut longer) = (sound.clone(), sound.clone());
        let middle = flipped.len() - 6; // of the checksum
        flipped[middle] ^= 1;
        longer.push(0);
        let bad = [Vec::new(), b"no gzip".to_vec(), gzip(b"{}"), sound[..sound.len() - 3].to_vec(), flipped, longer];
        for bad in bad {
            let store = MemoryStore::new();
            store.overwrite(NAME, bad);
            let error = Snapshot::read(&store, NAME).await.unwrap_err();
            assert!(matches!(&error, Error::Store(error) if error.kind == StoreErrorKind::Damaged), "{error:?}");
            assert!(error.to_string().contains(NAME), "{error}");
        }
    }

    #[tokio::test]
    async fn one_of_a_newer_version_is_refused() {
        let store = MemoryStore::new();
        let newer = Snapshot { format_version: Snapshot::FORMAT + 1, ..snapshot(0, []) };
        newer.write(&store, NAME).await.unwrap();
        let error = Snapshot::read(&store, NAME).await.unwrap_err().to_string();
        assert!(error.contains("newer version") && error.contains(NAME), "{error}");
    }

    #[test]
    fn a_bomb_ends_at_the_bound() {
        let mut json = br#"{"program":""#.to_vec();
        json.resize(4 << 20, b'a');
        let error = unpack::<serde::de::IgnoredAny>(&gzip(&json), 1 << 20).unwrap_err().to_string();
        assert!(error.contains("as JSON it has more than 1048576 bytes"), "{error}");
    }
}
