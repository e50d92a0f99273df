//! A seeded simulation of both handlers: a small world with a Kafka and a bucket in it, in which invocations run at the same time, are killed at
//! any await point, get errors instead of answers or lose answers, while topics are written, trimmed, created again and partitions added.
//!
//! | file | what it is |
//! |---|---|
//! | `world.rs` | the state of the simulated Kafka: logs, transactions, group offsets; and the truth it remembers about them |
//! | `source.rs`, `target.rs` | the domain traits over that world |
//! | `chaos.rs` | what can happen at an await point; the simulated clock |
//! | `bucket.rs` | the domain trait over a store in memory, with the same chaos |
//! | `schedule.rs`, `quiet.rs` | one run: random steps, then quiet until everything is caught up |
//! | `explore.rs`, `gate.rs` | a small instance with every order of requests and at most one kill; who decides what comes next |
//! | `cases.rs` | what random schedules do not come to |
//! | `verdict.rs` | what an invocation may end with |
//! | `oracle.rs` | what must be true at the end |
//!
//! Everything random comes from one seed, and everything runs on one thread: a seed is a run.

mod bucket;
mod cases;
mod chaos;
mod explore;
mod gate;
mod oracle;
mod quiet;
mod schedule;
mod source;
mod target;
mod verdict;
mod world;

pub use cases::{expired, overtaken, set_back, silence};
pub use explore::{Explored, Instance, explore};
pub use schedule::{Outcome, Schedule, run};
