//! What is where in the bucket, and what it means.
//!
//! | file | what it knows |
//! |---|---|
//! | `names.rs` | names in the bucket |
//! | `chain.rs` | a partition's segments, found with one listing, or without a known offset in a number of listings that grows with the logarithm |
//! | `generation.rs` | `topic.json`: one generation of a topic for each topic id |
//! | `lineage.rs` | which generation each partition is in |
//! | `partitions.rs` | the partitions of a generation: what is there of them, and what should be |
//! | `commit.rs` | what stands beside a committed offset |
//! | `identity.rs` | what a restore id stands for |
//! | `checkpoint.rs` | how far a restore is |
//! | `runs.rs` | where records of a restore went |

mod binding;
mod chain;
mod checkpoint;
mod claim;
mod commit;
mod gaps;
mod generation;
mod identity;
mod lineage;
pub mod names;
mod partitions;
mod runs;

pub use binding::Binding;
pub use chain::{SegmentEntry, find_following, find_last, find_next, list_segments};
pub use checkpoint::{ArchiveCursor, Checkpoint, RESTORE_FORMAT, RestoreCommit, RestoreProgress};
pub use claim::Claim;
pub use commit::{BackupCommit, Doubt, bucket_id};
pub use gaps::Gaps;
pub use generation::{Found, Generation, Generations, NewReason, TopicIdentity};
pub use identity::RestoreIdentity;
pub use lineage::Lineage;
pub use partitions::{Place, partition_folders, places_of};
pub use runs::{Run, pair};
