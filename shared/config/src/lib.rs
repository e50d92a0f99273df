//! Keys as people write them, validated into the settings that the crates below require.
//!
//! ```no_run
//! # use config::{BackupSettings, Raw};
//! # fn main() -> Result<(), config::ConfigError> {
//! let raw = Raw::load(Some("backup.json".as_ref()), std::env::vars_os())?;
//! let settings = BackupSettings::from_raw(&raw)?;
//! # Ok(()) }
//! ```
//!
//! | file | content |
//! |---|---|
//! | `keys.rs` | the table of all keys, which `docs/configuration.md` shows |
//! | `raw.rs`, `json.rs` | file and environment, merged, not validated |
//! | `precedence.rs` | which keys of a file the environment overrides |
//! | `secrets.rs` | which parts are secret |
//! | `variables.rs` | which variables are properties of librdkafka |
//! | `read.rs` | typed getters that record every problem |
//! | `validate.rs`, `cluster.rs`, `storage.rs`, `properties.rs`, `names.rs`, `times.rs` | the valid values of each key |
//! | `scope.rs` | the scope of a restore: topics, partitions, moment, targets, and its id |
//! | `settings.rs` | the validated settings of each function, from types of the crates below |
//!
//! Lenient in how a value is written (`"TRUE"`, `true`, `"1000"`, `1000`) and strict in what it
//! means. Unknown keys, missing ones, bad values and contradictions are refused before anything
//! starts, all in one error. Only hosts, functions and the runner import this crate.

mod cluster;
mod json;
mod keys;
mod names;
mod precedence;
mod properties;
mod raw;
mod read;
mod scope;
mod secrets;
mod settings;
mod storage;
mod target_name;
#[cfg(test)]
mod tests;
mod times;
mod validate;
mod variables;

pub use keys::{Commands, Key, Section, known_keys};
pub use raw::Raw;
pub use settings::{AsOf, BackupSettings, FinishPart, RestoreSettings, SnapshotSettings};
pub use storage::store_settings;
pub use target_name::TargetName;
pub use validate::{bucket_settings, group, log_format, log_level, memory_limit};

/// All problems of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    /// One line for each problem: key, value, what is wrong, what is right.
    pub problems: Vec<String>,
}
