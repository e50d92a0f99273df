//! The adapter to real clusters: librdkafka, as the traits of [`super`].
//!
//! | file | what it does |
//! |---|---|
//! | `client.rs` | from settings to client instances, with the properties that this project relies on |
//! | `attend.rs` | renews the login of a client |
//! | `property.rs` | librdkafka's own validation of a property |
//! | `source.rs`, `reader.rs` | the source cluster |
//! | `administration.rs`, `group_offsets.rs`, `configs.rs` | what a cluster has in addition to records |
//! | `changes.rs` | changes of that |
//! | `reading.rs` | the client that reads, and when it is replaced |
//! | `probe.rs`, `signs.rs` | whether records of old message formats are read correctly |
//! | `target.rs`, `writer.rs` | the target cluster |
//! | `backlog.rs`, `nudges.rs` | what waits for the brokers, its limit, and when it is sent |
//! | `tries.rs` | when a request is retried |
//! | `waiting.rs` | calls that block |
//! | `loaded.rs` | whether all coordinators of groups respond |
//! | `coordinator.rs` | why a coordinator is not available |
//! | `errors.rs` | from librdkafka's codes to errors that say what to do |
//! | `observer.rs` | what librdkafka reports by itself |
//! | `embedded.rs` | a broker inside this process, for the demo and for tests |
//! | `native/` | the only unsafe code |

mod administration;
mod attend;
mod backlog;
mod changes;
mod client;
mod configs;
mod coordinator;
mod embedded;
mod errors;
mod group_offsets;
mod loaded;
mod native;
mod nudges;
mod observer;
mod probe;
mod property;
mod reader;
mod reading;
mod signs;
mod source;
mod target;
mod tries;
mod waiting;
mod writer;

pub use client::{default_properties, own_properties};
pub use embedded::EmbeddedBroker;
pub use native::wait_until_closed;
pub use property::{COMMON_PROPERTIES, PropertyError, check_property};
pub use source::RdKafkaSource;
pub use target::RdKafkaTarget;

#[cfg(test)]
mod tests;
