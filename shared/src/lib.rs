//! Everything the functions share, one folder a concern:
//!
//! | module | what it holds |
//! |---|---|
//! | [`record`] | a Kafka record as this project sees it: borrowed bytes, nothing interpreted |
//! | [`kafka`] | reading, writing and describing topics, behind traits in domain words |
//! | [`segment`] | record batches, the archive, its manifest, and the Python tool's archives |
//! | [`store`] | the bucket: one small trait and its adapters |
//! | [`catalog`] | names in the bucket, the chain of segments, topic identity, checkpoints |
//! | [`config`] | keys as people write them, and the validated settings the rest requires |
//! | [`host`] | what starts an invocation, and the budget it gives |
//! | [`telemetry`] | log line, metrics, redaction |
//! | [`clock`] | the time, injected |
//! | [`mod@failpoint`] | where tests kill the process; nothing in a build for users |
//!
//! The handlers in `functions/` see Kafka and the bucket only through the traits in [`kafka`] and [`store`].

pub mod catalog;
pub mod config;
mod error;
pub mod host;
pub mod segment;

pub use error::{Error, Result};
