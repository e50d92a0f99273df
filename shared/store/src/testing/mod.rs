//! What tests need of a bucket. Nothing of it is in the product: it requires the feature `testing`,
//! which only tests enable.
//!
//! | file | content |
//! |---|---|
//! | `conformance/` | what every store must do |
//! | `memory.rs` | a store in memory |
//! | `fault.rs`, `careless.rs` | stores that fail, or replace what they must only create |
//! | `counting.rs`, `operation.rs` | a store that counts its calls |
//! | `delete.rs` | deletes objects, which the product never does |
//! | `server.rs` | an HTTP server with scripted responses |

mod careless;
pub mod conformance;
mod counting;
mod delete;
mod fault;
mod memory;
mod operation;
pub mod server;

pub use careless::CarelessStore;
pub use counting::{CountingStore, Counts};
pub use delete::{Delete, Under};
pub use fault::{Fault, Faults, FaultyStore};
pub use memory::MemoryStore;
pub use operation::Operation;
