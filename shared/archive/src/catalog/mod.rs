//! The objects in the bucket, and what they mean.
//!
//! | file | content |
//! |---|---|
//! | `names.rs` | names in the bucket |
//! | `objects.rs` | how objects that are JSON are read and written |
//! | `chain.rs` | a partition's segments, found with one listing, or without a known offset in a number of listings that grows with the logarithm |
//! | `generation.rs`, `generations.rs` | `topic.json`: one generation of a topic for each topic id; all of them |
//! | `newest.rs` | which generation a name without a number means |
//! | `lineage.rs` | which generation each partition is in |
//! | `partitions.rs` | the partitions of a generation: what exists of them, and what should |
//! | `packing.rs` | the codec of a segment, and so its name's suffix |
//! | `gaps.rs` | what the backup never had of a partition |
//! | `create_only.rs` | whether the store refuses to create existing objects |
//! | `commit.rs` | the metadata of a committed offset |
//! | `identity.rs`, `strategy.rs` | the choice of a restore id, and how it places records |
//! | `binding.rs`, `claim.rs` | the target topic of a restore, and the owner of a target topic |
//! | `snapshot.rs` | the state of a cluster at one moment, and the progress of its backup |
//! | `snapshot_object.rs` | how a snapshot is written and read, with limited memory |
//! | `snapshots.rs` | which snapshots exist |
//! | `moment.rs` | the snapshot of a moment |
//! | `run_ends.rs` | how far the runs after the newest snapshot came |
//! | `summary.rs` | what a list shows of each snapshot |
//! | `earlier.rs`, `covered.rs` | which snapshots of a day have to be read, because each includes what others show |
//! | `inventory.rs` | what was backed up, according to snapshots |
//! | `completeness.rs` | whether the bucket has everything that a snapshot saw |
//! | `checkpoint.rs` | the progress of a restore |
//! | `finished.rs` | that a partition, or the whole restore, is complete |
//! | `intents.rs` | what `finish` changes in the cluster, and the values before |
//! | `spans/` | where records of a restore went |

mod binding;
mod chain;
mod checkpoint;
mod claim;
mod commit;
mod completeness;
mod covered;
mod create_only;
mod earlier;
mod finished;
mod gaps;
mod generation;
mod generations;
mod identity;
mod intents;
mod inventory;
mod lineage;
mod moment;
pub mod names;
mod newest;
mod objects;
mod packing;
mod partitions;
mod run_ends;
mod snapshot;
mod snapshot_object;
mod snapshots;
mod spans;
mod strategy;
mod summary;

pub use binding::Binding;
pub use chain::{AllSegments, Following, SegmentEntry, find_at, find_following, find_last, find_next, list_segments};
pub use checkpoint::{ArchiveCursor, Checkpoint, RESTORE_FORMAT, RestoreCommit, RestoreProgress};
pub use claim::Claim;
pub use commit::{BackupCommit, Doubt, bucket_id};
pub use completeness::{BackedUp, Completeness, LogRange, PartitionState, PartitionStates};
pub use covered::Covered;
pub use create_only::check_create_only;
pub use finished::{Done, Finished, FinishedTopic};
pub use gaps::{Gap, GapReason, Gaps};
pub use generation::{Generation, MOST_PARTITIONS, NewReason, TopicIdentity};
pub use generations::{Found, Generations};
pub use identity::{RestoreChoice, RestoreIdentity, RestoredTopic, TopicThen};
pub use intents::{Change, FinishDone, GroupPlace, Intents};
pub use inventory::{FolderKept, Inventory, Missing, PartitionKept};
pub use lineage::Lineage;
pub use moment::Moment;
pub use newest::what_is_there;
pub use packing::Packing;
pub use partitions::{Place, partition_folders, places_of};
pub use run_ends::RunEnds;
pub use snapshot::{BackedUpEnds, GroupSnapshot, LogSnapshot, OffsetSnapshot, PartitionSnapshot, Snapshot, Told, TopicSnapshot};
pub use snapshots::{SnapshotEntry, Snapshots};
pub use spans::{Found as FoundSpan, KeptSpans, Span, Spans, pair};
pub use strategy::PartitionStrategy;
pub use summary::{SnapshotSummary, TopicSummary, summaries};
