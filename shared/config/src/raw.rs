//! Keys and values as people write them, from a file and from the environment. Not validated here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::{ConfigError, json, keys, variables};

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
        let mut raw = Self { entries: BTreeMap::new(), replaced: BTreeMap::new(), bystanders: Vec::new(), problems: Vec::new() };
        if let Some(path) = file {
            raw.add_file(path).map_err(|problem| ConfigError { problems: vec![format!("{}: {problem}", path.display())] })?;
        }
        for (name, value) in environment {
            raw.add_variable(name, value);
        }
        Ok(raw)
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

    fn add_file(&mut self, path: &Path) -> Result<(), String> {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
        let text = std::str::from_utf8(&bytes).map_err(|error| format!("is not UTF-8 at byte {}", error.valid_up_to()))?;
        let origin = Origin::File(path.to_string_lossy().into());
        let values = json::parse_object(text)?;
        self.entries.extend(values.into_iter().map(|(name, value)| (name, Entry { value, origin: origin.clone() })));
        Ok(())
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
