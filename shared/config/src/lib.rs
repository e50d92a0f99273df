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
//! | file | what it holds |
//! |---|---|
//! | `keys.rs` | the one table of keys, which `docs/configuration.md` shows |
//! | `raw.rs`, `json.rs` | file and environment, laid over each other, not judged |
//! | `precedence.rs` | what of a file the environment replaces |
//! | `secrets.rs` | what of it must never be shown |
//! | `variables.rs` | which variables are properties of librdkafka |
//! | `read.rs` | typed getters that note every problem |
//! | `validate.rs`, `cluster.rs`, `storage.rs`, `properties.rs`, `names.rs`, `times.rs` | what each key may say |
//! | `scope.rs` | of what a restore is: topics, partitions, moment, targets, and its id |
//! | `settings.rs` | the validated settings of each function, made of the types of the crates below |
//!
//! It promises to be lenient in how a value is written (`"TRUE"`, `true`, `"1000"`, `1000`) and strict in what it says: unknown keys, missing
//! ones, bad values and contradictions are refused before anything starts, all of them at once. Only hosts, functions and the runner import it.

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

/// Everything that is wrong with a configuration, all at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    /// One line for each problem: key, value, what is wrong, what is right.
    pub problems: Vec<String>,
}
