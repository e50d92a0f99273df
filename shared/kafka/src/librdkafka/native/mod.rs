//! The unsafe code of the project, except one call (`host/memory.rs`): librdkafka's C interface,
//! made safe for the rest of this folder.
//!
//! The `rdkafka` crate is not used for records: its safe access to headers panics on keys that are
//! not UTF-8, its end-of-partition error drops the offset, and it has neither ListOffsets nor
//! DescribeTopics. Everything here waits asynchronously: librdkafka calls back when a queue fills,
//! so no thread blocks while nothing happens.
//!
//! | file | what it makes safe |
//! |---|---|
//! | `code.rs` | error codes and errors |
//! | `conf.rs` | properties |
//! | `start.rs` | from properties to a client instance |
//! | `close.rs` | slow work, such as closing a client, in the background |
//! | `handle.rs` | a client instance and its callbacks |
//! | `login.rs` | tokens and passwords that change |
//! | `queue.rs` | a queue that can be awaited |
//! | `message.rs`, `header.rs` | records as librdkafka holds them, without copies |
//! | `layout.rs` | librdkafka's private structures that are used |
//! | `stream.rs` | one partition being read |
//! | `admin.rs`, `admin_ops.rs` | requests about topics and groups |
//! | `metadata.rs`, `rights.rs` | which topics exist; the permissions of this user |
//! | `cluster.rs`, `configs.rs`, `groups.rs`, `acls.rs`, `users.rs` | brokers, configs, consumer groups, access control lists, SCRAM users |
//! | `group_changes.rs`, `acl_changes.rs` | changes of groups and access control lists; of configs: `configs.rs` |
//! | `producer.rs` | writes records, with transactions |
//! | `broker.rs` | the embedded broker |
#![allow(unsafe_code)]

mod acl_changes;
mod acls;
mod admin;
mod admin_ops;
mod broker;
mod close;
mod cluster;
mod code;
mod conf;
mod configs;
mod group_changes;
mod groups;
mod handle;
mod header;
mod layout;
mod login;
mod message;
mod metadata;
mod producer;
mod queue;
mod rights;
mod start;
mod stream;
mod users;

pub(crate) use acl_changes::{Known, Outcomes};
pub(crate) use admin_ops::{Committed, NO_SUCH_RECORD, NativeNewTopic};
pub(crate) use broker::Broker;
pub(crate) use close::elsewhere;
pub use close::wait_until_closed;
pub(crate) use code::{Code, Failure};
pub(crate) use conf::Conf;
pub(crate) use configs::Entry as ConfigEntry;
pub(crate) use group_changes::Changed;
pub(crate) use groups::{Listed, Offsets};
pub(crate) use handle::{Handle, Kind};
pub(crate) use header::Malformed;
pub(crate) use message::Entry;
pub(crate) use producer::{INSTEAD_OF_ZERO, Producer, Sent};
pub(crate) use start::start;
pub(crate) use stream::Stream;

use std::ffi::{CStr, c_char};

/// A copy of a C string; null gives an empty one.
///
/// # Safety
/// `text` is null or points to a string that ends in NUL.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
