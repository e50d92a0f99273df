//! What every crate may use.
//!
//! | file | content |
//! |---|---|
//! | [`record`] | a Kafka record: borrowed bytes, not interpreted |
//! | [`clock`] | the time, injected |
//! | `deadline.rs` | when the requests of an invocation have to be complete |
//! | `secret.rs` | a value that never reaches a log |
//! | `lock.rs` | a mutex that stays usable after a panic |
//! | `terminal.rs`, [`shell`] | untrusted text on a terminal, and in a command that is pasted into a shell |
//! | `causes.rs` | an error with its causes, in one line |
//! | [`mod@failpoint`] | where tests kill the process; nothing in a build for users |
//!
//! It knows neither Kafka's protocol nor the bucket, and imports no other crate of this project.

mod causes;
pub mod clock;
mod deadline;
pub mod failpoint;
mod lock;
pub mod record;
mod secret;
pub mod shell;
mod terminal;

pub use causes::in_full;
pub use deadline::Deadline;
pub use lock::lock;
pub use secret::Secret;
pub use terminal::{visible, visible_json, visible_lines};
