//! Typed access to a [`Raw`] configuration: lenient in how a value is written, strict in what it
//! means. Records every problem.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use kafka::Pattern;
use serde_json::Value;

use super::raw::{Entry, Origin, Raw};
use super::{ConfigError, json, keys, variables};

/// Reads keys and collects problems. A getter returns `None` for a key that is absent or bad; only
/// a bad one is a problem.
pub(super) struct Reader<'a> {
    raw: &'a Raw,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Starts with the problems of every command: keys that do not exist or are in the wrong place.
    pub(super) fn new(raw: &'a Raw) -> Self {
        let mut reader = Self { raw, problems: raw.problems().to_vec() };
        for (name, entry) in raw.entries() {
            reader.problems.extend(misplaced(name, entry));
        }
        reader
    }

    /// The settings, or all problems.
    pub(super) fn finish<T>(self, settings: Option<T>) -> Result<T, ConfigError> {
        match settings {
            Some(settings) if self.problems.is_empty() => Ok(settings),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }

    pub(super) fn raw(&self) -> &'a Raw {
        self.raw
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Records what is wrong with the value of a key.
    pub(super) fn refuse(&mut self, key: &str, what: &str) {
        let problem = match self.raw.get(key) {
            Some(entry) => format!("{key} = {} ({}): {what}", shown(key, &entry.value), entry.origin),
            None => format!("{key}: {what}"),
        };
        self.problems.push(problem);
    }

    /// Records that a key is missing, with the most similar variable that is set and was not read.
    pub(super) fn missing(&mut self, key: &str, what: &str) {
        let hint = self.raw.bystanders().filter_map(|name| Some((similarity(name, key)?, name))).max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match hint {
            _ if key == "BOOTSTRAP_SERVERS" && self.raw.bystanders().any(|name| name == "KAFKA_BOOTSTRAP_SERVERS") => {
                "; KAFKA_BOOTSTRAP_SERVERS is set, but is not a key".to_owned()
            }
            Some((_, name)) => format!("; {name} is set: did you mean that?"),
            None => String::new(),
        };
        self.problems.push(format!("{key} is missing: {what}{hint}"));
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.raw.get(key).is_some()
    }

    /// A value that `parse` accepts. An empty value is refused.
    pub(super) fn parsed<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        debug_assert!(keys::find(key).is_some(), "{key} is not in the table of keys");
        let entry = self.raw.get(key)?;
        let parsed = text_of(&entry.value).and_then(|text| parse(&text));
        parsed.map_err(|what| self.refuse(key, &what)).ok()
    }

    /// Like `parsed`, and an absent key is a problem; `why` says what to write.
    pub(super) fn required<T>(&mut self, key: &str, why: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if !self.is_set(key) {
            self.missing(key, why);
        }
        self.parsed(key, parse)
    }

    /// Like `parsed`, with a default if the key is absent. `None` only for a bad value.
    pub(super) fn or<T>(&mut self, key: &str, default: T, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if self.is_set(key) { self.parsed(key, parse) } else { Some(default) }
    }

    /// An optional value: `None` if it is bad, `Some(None)` if it is absent.
    pub(super) fn optional<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<Option<T>> {
        self.or(key, None, |text| parse(text).map(Some))
    }

    /// Several values: a JSON array, or text separated by commas. `None` if the key is absent or
    /// bad.
    pub(super) fn list(&mut self, key: &str) -> Option<Vec<String>> {
        debug_assert!(keys::find(key).is_some(), "{key} is not in the table of keys");
        let entry = self.raw.get(key)?;
        items_of(&entry.value).map_err(|what| self.refuse(key, &what)).ok()
    }
}

/// A list with each entry as `check` returns it; every bad entry is a problem.
pub(super) fn each<T>(read: &mut Reader<'_>, key: &str, check: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
    let checked: Vec<Result<T, String>> = read.list(key)?.iter().map(|item| check(item)).collect();
    checked.iter().filter_map(|item| item.as_ref().err()).for_each(|what| read.refuse(key, what));
    checked.into_iter().map(Result::ok).collect()
}

/// Names, globs and regular expressions, each once.
pub(super) fn patterns(read: &mut Reader<'_>, key: &str, one: fn(&str) -> Result<Pattern, String>) -> Option<Vec<Pattern>> {
    let patterns = each(read, key, one)?;
    let mut seen = BTreeSet::new();
    match patterns.iter().find(|pattern| !seen.insert(pattern.as_str())) {
        Some(twice) => {
            read.refuse(key, &format!("contains {} twice", twice.as_str()));
            None
        }
        None => Some(patterns),
    }
}

/// Like `patterns`, for a key that may be absent.
pub(super) fn patterns_if_any(read: &mut Reader<'_>, key: &str, one: fn(&str) -> Result<Pattern, String>) -> Option<Vec<Pattern>> {
    if read.is_set(key) { patterns(read, key, one) } else { Some(Vec::new()) }
}

/// A whole number in `range`.
pub(super) fn number(range: RangeInclusive<u64>) -> impl FnOnce(&str) -> Result<u64, String> {
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ if *range.end() > u64::from(u32::MAX) => Err(format!("must be a whole number, at least {}", range.start())),
        _ => Err(format!("must be a whole number from {} to {}", range.start(), range.end())),
    }
}

/// A duration in whole seconds, at least `least`, at most a year.
pub(super) fn seconds(least: u64) -> impl FnOnce(&str) -> Result<Duration, String> {
    const YEAR: u64 = 366 * 24 * 60 * 60;
    move |text| number(least..=YEAR)(text).map(Duration::from_secs).map_err(|what| format!("{what} (seconds)"))
}

/// True or false, in any common spelling.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// One of a few words, in any case; `-` and `_` are equal.
pub(super) fn choice<T: Clone>(choices: &[(&str, T)]) -> impl FnOnce(&str) -> Result<T, String> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    move |text| match choices.iter().find(|(name, _)| plain(name) == plain(text)) {
        Some((_, value)) => Ok(value.clone()),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let near = nearest(text, names.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near}?"));
            Err(format!("must be one of {}{near}", names.join(", ")))
        }
    }
}

/// The most similar of `names`, if one is similar.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names.filter_map(|other| Some((similarity(name, other)?, other))).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, other)| other)
}

/// Text in double quotes, control characters escaped, length limited.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 120;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", Value::from(&text[..end])),
        None => Value::from(text).to_string(),
    }
}

fn similarity(one: &str, other: &str) -> Option<f64> {
    const ENOUGH: f64 = 0.87;
    let similarity = strsim::jaro_winkler(&one.to_uppercase(), &other.to_uppercase());
    (similarity >= ENOUGH).then_some(similarity)
}

/// What is wrong with a key whatever its value. The value of an unknown key is not shown: it can be
/// a misspelt secret.
fn misplaced(name: &str, entry: &Entry) -> Option<String> {
    let origin = &entry.origin;
    match keys::find(name) {
        Some(key) if key.environment_only && *origin != Origin::Environment => {
            Some(format!("{name} ({origin}): is read by the cloud's SDK, from the environment only: export it there"))
        }
        Some(_) => None,
        None if variables::is_variable(name) => None,
        None if name.contains('.') => {
            Some(format!("{name} ({origin}): is not a key; put librdkafka properties into KAFKA_PROPERTIES: {{\"{name}\": …}}"))
        }
        None => Some(format!("{name} ({origin}): is not a key; {}", instead_of(name))),
    }
}

/// What to write instead of an unknown key. Old spellings are never proposed. The hint includes the
/// meaning, because similar names can have different meanings.
fn instead_of(name: &str) -> String {
    if let Some((_, why)) = keys::NOT_KEYS.iter().find(|(not_key, _)| name.eq_ignore_ascii_case(not_key)) {
        return (*why).to_owned();
    }
    let known = keys::known_keys().iter().filter(|key| !key.help.starts_with("old spelling"));
    match nearest(name, known.map(|key| key.name)).and_then(keys::find) {
        Some(near) => format!("did you mean {}? ({})", near.name, near.help),
        None => "docs/configuration.md lists all keys".to_owned(),
    }
}

/// A value for messages.
pub(super) fn shown(key: &str, value: &Value) -> String {
    match value {
        _ if is_secret(key) => "***".to_owned(),
        Value::String(text) => quote(&without_userinfo(text)),
        Value::Object(_) => json::shape(value).to_owned(),
        Value::Array(values) => format!("[{}]", values.iter().map(|value| shown(key, value)).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// `https://user:password@host` → `https://***@host`; also removes the query, which can be a
/// signature.
fn without_userinfo(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let rest = rest.rsplit_once('@').map_or(rest.to_owned(), |(_, host)| format!("***@{host}"));
    let rest = rest.split_once('?').map_or(rest.clone(), |(path, _)| format!("{path}?***"));
    format!("{scheme}://{rest}")
}

fn text_of(value: &Value) -> Result<String, String> {
    let text = match json::scalar(value) {
        Some(text) => text.trim().to_owned(),
        None if value.is_null() => return Err("has no value: write one, or remove the key".to_owned()),
        None => return Err("must be one value, not several".to_owned()),
    };
    match text.chars().find(|c| c.is_control()) {
        _ if text.is_empty() => Err("is empty: write a value, or remove the key".to_owned()),
        Some(c) => Err(format!("contains a control character, U+{:04X}", u32::from(c))),
        None => Ok(text),
    }
}

/// Whether a key's value must never be shown.
pub(super) fn is_secret(key: &str) -> bool {
    keys::find(key).map_or_else(|| kafka::is_sensitive(&variables::name_of(key)), |key| key.secret)
}

pub(super) fn items_of(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Array(values) if values.is_empty() => Err("is an empty list".to_owned()),
        Value::Array(values) => values.iter().map(|value| text_of(value).map_err(|what| format!("one entry {what}"))).collect(),
        Value::String(text) if text.trim_start().starts_with('[') => match serde_json::from_str(text) {
            Ok(value @ Value::Array(_)) => items_of(&value),
            _ => Err("begins like a JSON array, but is not valid JSON".to_owned()),
        },
        other => text_of(other)?.split(',').map(|item| non_empty(item.trim())).collect(),
    }
}

fn non_empty(item: &str) -> Result<String, String> {
    if item.is_empty() { Err("has an empty entry between its commas".to_owned()) } else { Ok(item.to_owned()) }
}
