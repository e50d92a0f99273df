//! Everything in the bucket.
//!
//! | file | content |
//! |---|---|
//! | [`segment`] | the format: record batches, the archive around them, its manifest; the Python tool's archives |
//! | [`catalog`] | names, the chain of segments, generations of a topic, commits; what restores record |
//! | `times.rs` | which records of a topic are restored, by their time |
//! | `error.rs` | the errors of an invocation |
//! | `testing.rs` | what tests put into a bucket; only with the feature `testing` |
//!
//! What it returns is what was stored: bytes with another checksum, objects of another place and
//! objects of a newer version are refused, never guessed. It writes create-only, or replaces only
//! the state that it has read. `segment` imports `catalog`, never the other way round.

pub mod catalog;
mod error;
pub mod segment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod times;

pub use error::{Error, Refusal, RefusalKind, Result};
pub use times::Times;
