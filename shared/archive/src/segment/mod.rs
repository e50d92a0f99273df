//! The segment: everything of a partition in offsets `[start, next)`, as an ordinary tar.gz (or
//! tar.zst).
//!
//! | file | content |
//! |---|---|
//! | `manifest.rs`, `manifest_check.rs` | the first entry: the content of the segment, the index of its members; what must be true of it |
//! | `batch/` | record batches, format v2 (Kafka protocol guide, KIP-98) |
//! | `codec.rs` | one member, compressed and decompressed in one call |
//! | `compression.rs` | the codec and level of new segments |
//! | `archive.rs` | the tar around manifest and log |
//! | `sidecar.rs` | the `.sha256` |
//! | `writer.rs` | from records to the bytes of the object |
//! | `reader.rs`, `object.rs`, `stretch.rs`, `window.rs`, `group.rs` | reads from a store by ranges, from any offset: the object, a stretch of it, the records of a member |
//! | `ahead.rs`, `budget.rs` | how far readers read ahead; the memory that they share |
//! | `ends.rs` | which backed-up ends of chains are missing |
//! | `python.rs`, `python_tar.rs`, `lines.rs` | the archives of the Python tool |
//!
//! ```text
//! object   = head member · log member … · trailer member          each one gzip member or zstd frame
//! head     = tar header of manifest.json · manifest · padding · tar header of <start>.log
//! log      = record batches, about 1 MiB a member
//! trailer  = padding · two empty tar blocks
//! ```

mod ahead;
mod archive;
mod batch;
mod budget;
mod codec;
mod compression;
mod ends;
mod error;
mod group;
mod lines;
mod manifest;
mod manifest_check;
mod object;
mod python;
mod python_tar;
mod reader;
mod sidecar;
mod stretch;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod window;
mod writer;

pub use ahead::{AheadPermit, ReadAhead};
pub use batch::{BatchError, BatchSummary, Records, check as check_batches};
pub use budget::{ReadBudget, ReadPermit};
pub use codec::{Compressor, Decompressor};
pub use compression::Compression;
pub use ends::{chain_ends, missing_ends};
pub use error::{SegmentError, SegmentErrorKind};
pub use group::{GroupRecords, RecordGroup};
pub use manifest::{FORMAT_VERSION, Manifest, Member};
pub use object::ReadOptions;
pub use python::{PythonArchive, PythonName, PythonRecords};
pub use reader::SegmentReader;
pub use sidecar::{Sidecar, parse as parse_sidecar};
pub use writer::{FinishedSegment, Lanes, SegmentSpec, SegmentWriter};

/// Bytes of record batches that share a member: enough to compress well, few enough to hold
/// several.
const GROUP_BYTES: usize = 1 << 20;

/// The largest record of a segment, in bytes before compression, in its own batch: writers refuse
/// what readers would refuse.
pub const LARGEST_RECORD: u64 = 256 << 20;

/// The result of an operation on a segment.
pub type Result<T, E = SegmentError> = std::result::Result<T, E>;
