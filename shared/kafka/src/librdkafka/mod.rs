//! The adapter to real clusters: librdkafka, as the traits of [`super`].
//!
//! | file | what it does |
//! |---|---|
//! | `client.rs` | settings into client instances, with the properties this project relies on |
//! | `attend.rs` | renews the login of a client |
//! | `property.rs` | librdkafka's own judgement of a property |
//! | `source.rs`, `reader.rs` | the cluster that backup reads |
//! | `administration.rs`, `group_offsets.rs`, `configs.rs` | what there is in a cluster beside records |
//! | `changes.rs` | what is changed of that |
//! | `reading.rs` | the client that reads, and when another one takes its place |
//! | `probe.rs`, `signs.rs` | whether records of old message formats are read as they are |
//! | `target.rs`, `writer.rs` | the cluster that restore writes to |
//! | `backlog.rs`, `nudges.rs` | what waits for the brokers, how much of it may, and when it goes |
//! | `tries.rs` | when a request is sent again |
//! | `waiting.rs` | calls that block |
//! | `coordinator.rs` | why a coordinator is not available |
//! | `errors.rs` | librdkafka's codes into errors that say what to do |
//! | `observer.rs` | what librdkafka tells of its own accord |
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
