//! Keys and values as people write them, from a file and from the environment. Not validated here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{ConfigError, json, keys, variables};

/// Not a key: editors find the JSON schema by it.
const SCHEMA: &str = "$schema";

/// A configuration before validation: what
/// [`BackupSettings::from_raw`](super::BackupSettings::from_raw) and its like read.
pub struct Raw {
    entries: BTreeMap<String, Entry>,
    /// The file's values of keys that the environment overrides.
    replaced: BTreeMap<String, Entry>,
    /// Names of variables that are not keys, for hints.
    bystanders: Vec<String>,
    problems: Vec<String>,
}

/// A value and its origin.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File(Arc<str>),
    Environment,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Environment => f.write_str("environment"),
        }
    }
}

impl Raw {
    /// Reads the JSON file, if there is one. Environment variables take precedence over it. Pass
    /// [`std::env::vars_os`]; nothing else in this module reads the process's environment.
    ///
    /// # Errors
    /// The file cannot be read (with its path) or is not a JSON object (with line and column). Keys
    /// and values are validated later.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let of_file = |path: &Path| {
            let read = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"));
            let values = read.and_then(|bytes| Self::of_text(&path.to_string_lossy(), &bytes));
            values.map_err(|problem| ConfigError { problems: vec![format!("{}: {problem}", path.display())] })
        };
        Ok(file.map(of_file).transpose()?.unwrap_or_else(Self::empty).with(environment))
    }

    /// The same with the text of a file that was read already, from standard input for example.
    /// Messages call it `name`.
    ///
    /// # Errors
    /// It is not a JSON object (with line and column).
    pub fn load_text(name: &str, text: &[u8], environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let raw = Self::of_text(name, text).map_err(|problem| ConfigError { problems: vec![format!("{name}: {problem}")] })?;
        Ok(raw.with(environment))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The file's value of a key that the environment overrides.
    pub(super) fn replaced(&self, name: &str) -> Option<&Entry> {
        self.replaced.get(name)
    }

    /// Names of variables that are set and were not read.
    pub(super) fn bystanders(&self) -> impl Iterator<Item = &str> {
        self.bystanders.iter().map(String::as_str)
    }

    /// Problems found while reading.
    pub(super) fn problems(&self) -> &[String] {
        &self.problems
    }

    fn empty() -> Self {
        Self { entries: BTreeMap::new(), replaced: BTreeMap::new(), bystanders: Vec::new(), problems: Vec::new() }
    }

    fn of_text(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8 at byte {}", error.valid_up_to()))?;
        let origin = Origin::File(name.into());
        let mut values = json::parse_object(text)?;
        // With it, an editor finds docs/config.schema.json.
        values.remove(SCHEMA);
        let entries = values.into_iter().map(|(name, value)| (name, Entry { value, origin: origin.clone() })).collect();
        Ok(Self { entries, ..Self::empty() })
    }

    fn with(mut self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        environment.into_iter().for_each(|(name, value)| self.add_variable(name, value));
        self
    }

    fn add_variable(&mut self, name: OsString, value: OsString) {
        let Ok(name) = name.into_string() else { return };
        if keys::find(&name).is_none() && !variables::is_variable(&name) {
            self.bystanders.push(name);
            return;
        }
        match value.into_string() {
            Ok(value) => {
                let of_file = self.entries.insert(name.clone(), Entry { value: value.into(), origin: Origin::Environment });
                self.replaced.extend(of_file.map(|of_file| (name, of_file)));
            }
            Err(_) => self.problems.push(format!("{name} (environment): is not UTF-8")),
        }
    }
}

/// Shows names only.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
