//! Tests without a server: both handlers in a simulated world, under thousands of schedules of
//! faults, and every reader on random bytes.
//!
//! | module | what it holds |
//! |---|---|
//! | `world` | the state of the simulated Kafka: logs, transactions, group offsets; and the truth it remembers about them |
//! | `administration` | consumer groups, rights, and what else a snapshot of the cluster is read from |
//! | `source`, `target` | the domain traits over that world |
//! | `changes` | groups, configs and access control lists of the cluster that is restored into |
//! | `chaos` | what can happen at an await point; the simulated clock |
//! | `bucket` | the domain trait over a store in memory, with the same chaos |
//! | `schedule`, `quiet` | one run: random steps, then quiet until everything is caught up |
//! | `explore`, `gate` | a small instance with every order of requests and at most one kill |
//! | `generations` | scripted cases: two clusters, logs that lose their ends, empty topics |
//! | `cases` | scripted cases that random schedules do not reach |
//! | `snapshots` | schedules of their own: two backups that take snapshots, and whether these are true |
//! | `restores` | schedules of their own: restores of several topics up to cuts, and of moments; and `finish` |
//! | [`FaultlessCluster`] | the same world without faults, for tests of other crates |
//! | `slow_line` | a scripted case: uploads that take longer than the margin at the deadline |
//! | `verdict` | what an invocation may end with |
//! | `oracle`, `translation` | what must be true at the end: of segments and records, of translated offsets |
//! | [`fuzz`] | what must hold for any bytes in the bucket or a configuration |
//!
//! Everything random comes from one seed, and everything runs on one thread: a seed is a run.

mod administration;
mod bucket;
mod cases;
mod changes;
mod chaos;
mod explore;
mod faultless;
pub mod fuzz;
mod gate;
mod generations;
mod oracle;
mod quiet;
mod restores;
mod schedule;
mod slow_line;
mod snapshots;
mod source;
mod target;
mod translation;
mod verdict;
mod world;

pub use cases::{ahead, deleted, expired, lost_whole, one_id_in_two_buckets, overtaken, set_back, silence, without_ids};
pub use explore::{Explored, Instance, explore};
pub use faultless::FaultlessCluster;
pub use generations::{
    cut_while_read, empty_topic, lost_end, newest, newest_of_two_clusters, one_of_two_lost_its_end, set_back_with_its_group, two_clusters,
};
pub use restores::{
    FinishOutcome, MomentOutcome, RestoreOutcome, RestoreSchedule, a_finish_of_another_id, a_finish_that_is_killed_at_each_request,
    a_finished_restore_is_followed, a_kill_at_each_request, a_target_is_deleted_beside_the_last_step, run_finishes, run_moments,
    run_restores, two_at_once, what_was_there_first_comes_back,
};
pub use schedule::{Outcome, Schedule, run};
pub use slow_line::slow_line;
pub use snapshots::{
    SnapshotOutcome, SnapshotSchedule, a_group_commits_while_the_cluster_is_read, a_log_is_cut_and_grows_a_little,
    a_slot_is_named_by_its_end, a_topic_is_created_again_while_it_is_read, an_event_takes_no_snapshot, run_with_snapshots,
};
