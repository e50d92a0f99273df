//! Restores of several topics at the same time, each up to a cut, while the backup goes on; and of moments (RESTORE_AS_OF).
//!
//! The schedules of `schedule.rs` are left as they are: their seeds find known mistakes.
//!
//! | file | what it holds |
//! |---|---|
//! | `recovery.rs` | a cluster, its backup, and its restores |
//! | `steps.rs` | one run: random steps, then quiet until each restore is finished or refused |
//! | `judge.rs` | what must be true of the targets and of what is noted in the bucket |
//! | `kills.rs` | a kill at each request, and what follows it |
//! | `moments.rs` | restores as of some times, of a cluster that changes |

mod judge;
mod kills;
mod moments;
mod recovery;
mod steps;

pub use kills::{a_finished_restore_is_followed, a_kill_at_each_request, a_target_is_deleted_beside_the_last_step, two_at_once};
pub use moments::{MomentOutcome, run_moments};
pub use steps::{RestoreOutcome, RestoreSchedule, run_restores};
