//! What must hold for any bytes, from any author: no panic, no endless loop, bounded memory.
//! Everything that can be read is the same after it is written again. Each function takes one
//! input. `tests/fuzz` lets libFuzzer generate inputs, and `tests/fuzz.rs` changes the kept ones at
//! random.
//!
//! | file | what reads the input |
//! |---|---|
//! | `segment.rs`, `parts.rs` | the reader of segments; the parts of an input, put together with checksums that agree |
//! | `batches.rs` | the decoder of record batches |
//! | `manifest.rs` | `manifest.json` |
//! | `objects.rs` | the other JSON objects of a bucket: `topic.json`, snapshots, what a restore keeps |
//! | `configuration.rs` | a configuration file and an environment |
//! | `python.rs` | the archives of the Python tool |
//!
//! Checksums would end nearly every random change at the first comparison, so most inputs are the
//! data below them.
#![allow(clippy::expect_used, clippy::panic)]

mod batches;
mod configuration;
mod manifest;
mod objects;
mod parts;
mod python;
mod segment;

pub use batches::batches;
pub use configuration::configuration;
pub use manifest::manifest;
pub use objects::objects;
pub use python::python;
pub use segment::segment;

use std::sync::Arc;

use archive::segment::{ReadOptions, SegmentReader, SegmentSpec, SegmentWriter};
use store::testing::MemoryStore;

/// A target: its name, which is also its folder in `tests/fuzz/corpus`, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("segment", segment),
    ("batches", batches),
    ("manifest", manifest),
    ("objects", objects),
    ("configuration", configuration),
    ("python", python),
];

/// Small, so that exceeding a limit shows in the memory of the fuzzer.
fn options(workers: usize) -> ReadOptions {
    ReadOptions { workers, largest_record: 1 << 20, largest_archive: 1 << 20, largest_unpacked: 4 << 20, ..ReadOptions::default() }
}

/// Runs a future on the runtime of this thread, which the readers require.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers needs nothing");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// The records of a segment in the store, from an offset, as text with everything about them.
/// `visit` gets each record.
async fn read_segment(
    store: &MemoryStore,
    name: &str,
    workers: usize,
    from: Option<i64>,
    mut visit: impl FnMut(&kernel::record::Record<'_>),
) -> archive::Result<Vec<String>> {
    let mut reader = SegmentReader::open(Arc::new(store.clone()), name, options(workers)).await?;
    if let Some(from) = from {
        reader.seek(from);
    }
    let mut found = Vec::new();
    while let Some(group) = reader.next_group().await? {
        let mut records = group.records();
        while let Some(record) = records.next()? {
            found.push(format!("{record:?}"));
            visit(&record);
        }
    }
    Ok(found)
}

/// A writer of a segment from this offset on.
fn writer(start: i64, compression: archive::segment::Compression) -> SegmentWriter {
    SegmentWriter::new(SegmentSpec { compression, ..archive::testing::spec("orders", 0, start) }, 1)
}

/// Ends a segment, reads it, and compares its records with those that were written.
async fn expect_same(writer: SegmentWriter, next: i64, written: &[String]) {
    let segment = writer.finish(next).await.expect("what was read can be written");
    let store = MemoryStore::new();
    store.overwrite("again", segment.body.to_bytes());
    let again = read_segment(&store, "again", 1, None, |_| {}).await.expect("what was written can be read");
    assert_eq!(again, written, "the records changed on their way through a segment");
}
