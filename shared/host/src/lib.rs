//! What starts an invocation, and its budget.
//!
//! | file | content |
//! |---|---|
//! | `event.rs`, `budget.rs` | what an invocation should do, and how much it may use |
//! | `function.rs` | the trait that the functions implement |
//! | `run.rs` | recognises the platform; the `main` of each function |
//! | `hosted.rs` | an invocation on any platform: deadline, report, metrics, failures |
//! | `workers.rs` | what runs in parallel in one invocation |
//! | `memory.rs` | what the allocator keeps |
//! | `rate.rs` | BYTES_PER_SECOND |
//! | `held_back.rs` | how a store that throttles, and that limit, slow down an invocation |
//! | `stop.rs` | SIGTERM and SIGINT |
//! | `lambda.rs`, `azure.rs`, `http.rs` | AWS Lambda's runtime API; the custom handler of Azure Functions |
//!
//! Invocations of one process are serialised. Each gets its deadline and memory. Each returns a
//! report, or a failure whose kind says whether a retry helps. This crate does not know what a
//! function does.

mod azure;
mod budget;
mod event;
#[cfg(test)]
mod fake;
mod function;
mod held_back;
mod hosted;
mod http;
mod lambda;
mod memory;
mod rate;
mod run;
mod stop;
mod workers;

pub use budget::{Budget, StopSignal};
pub use event::{BadEvent, Event};
pub use function::{Function, Limits, Outcome};
pub use held_back::HeldBack;
pub use memory::keep_freed_memory;
pub use rate::{Paced, RateLimit};
use run::print;
pub use run::{CLOSING, run};
pub use stop::stop_on_signals;
pub use workers::{processors, work_together};
