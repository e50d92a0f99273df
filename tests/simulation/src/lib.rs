//! What needs no server: both handlers in a simulated world, under thousands of schedules of faults, and every reader on random bytes.
//!
//! | module | what it holds |
//! |---|---|
//! | `world` | the state of the simulated Kafka: logs, transactions, group offsets; and the truth it remembers about them |
//! | `source`, `target` | the domain traits over that world |
//! | `chaos` | what can happen at an await point; the simulated clock |
//! | `bucket` | the domain trait over a store in memory, with the same chaos |
//! | `schedule`, `quiet` | one run: random steps, then quiet until everything is caught up |
//! | `explore`, `gate` | a small instance with every order of requests and at most one kill |
//! | `generations` | scripted cases: two clusters, logs that lose their ends, empty topics |
//! | `cases` | scripted cases that random schedules do not reach |
//! | `slow_line` | a scripted case: uploads that take longer than the margin at the deadline |
//! | `verdict` | what an invocation may end with |
//! | `oracle` | what must be true at the end |
//! | [`fuzz`] | what must hold for any bytes in the bucket or a configuration |
//!
//! Everything random comes from one seed, and everything runs on one thread: a seed is a run.

mod bucket;
mod cases;
mod chaos;
mod explore;
pub mod fuzz;
mod gate;
mod generations;
mod oracle;
mod quiet;
mod schedule;
mod slow_line;
mod source;
mod target;
mod verdict;
mod world;

pub use cases::{ahead, deleted, expired, lost_whole, one_id_in_two_buckets, overtaken, set_back, silence, without_ids};
pub use explore::{Explored, Instance, explore};
pub use generations::{
    cut_while_read, empty_topic, lost_end, newest, newest_of_two_clusters, one_of_two_lost_its_end, set_back_with_its_group, two_clusters,
};
pub use schedule::{Outcome, Schedule, run};
pub use slow_line::slow_line;
