//! All that is in the bucket.
//!
//! | file | what it holds |
//! |---|---|
//! | [`segment`] | the format: record batches, the archive around them, its manifest; the Python tool's archives |
//! | [`catalog`] | names, the chain of segments, generations of a topic, commits; what restores note |
//! | `times.rs` | which records of a topic are restored, by their time |
//! | `error.rs` | what an invocation can fail with |
//! | `testing.rs` | what tests put into a bucket; only with the feature `testing` |
//!
//! It promises that what it gives out is what was stored: bytes whose checksum differs, objects of another place and those of a newer version are
//! refused, never guessed. It writes create-only, or replaces what is still as it was read. `segment` imports `catalog`, never the other way round.

pub mod catalog;
mod error;
pub mod segment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod times;

pub use error::{Error, Refusal, RefusalKind, Result};
pub use times::Times;
