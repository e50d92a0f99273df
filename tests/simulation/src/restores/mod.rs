//! Restores of several topics at the same time, each up to a cut, during a backup; restores of
//! moments (RESTORE_AS_OF); and `finish` afterwards.
//!
//! The schedules of `schedule.rs` stay unchanged: their seeds find known mistakes.
//!
//! | file | what it holds |
//! |---|---|
//! | `recovery.rs` | a cluster, its backup, and its restores |
//! | `steps.rs` | one run: random steps, then quiet until each restore is finished or refused |
//! | `judge.rs` | what must be true of the targets and of what is stored in the bucket |
//! | `kills.rs` | a kill at each request, and what follows it |
//! | `moments.rs` | restores as of some times, of a cluster that changes |
//! | `applications.rs` | a restored cluster whose applications must be able to continue: groups, configs, access control lists |
//! | `afterwards.rs` | what must be true of these after `finish`, and after its undo |
//! | `finish_kills.rs` | a kill at each request of `finish` |
//! | `finish_steps.rs` | one run: several `finish` and undo, while consumers and producers run |

mod afterwards;
mod applications;
mod finish_kills;
mod finish_steps;
mod judge;
mod kills;
mod moments;
mod recovery;
mod steps;

pub use finish_kills::{a_finish_of_another_id, a_finish_that_is_killed_at_each_request, what_was_there_first_comes_back};
pub use finish_steps::{FinishOutcome, run_finishes};
pub use kills::{a_finished_restore_is_followed, a_kill_at_each_request, a_target_is_deleted_beside_the_last_step, two_at_once};
pub use moments::{MomentOutcome, run_moments};
pub use steps::{RestoreOutcome, RestoreSchedule, run_restores};
