//! Fields of events and spans as JSON values.

use std::error::Error;
use std::fmt;

use kernel::in_full;
use serde_json::Value;
use tracing::field::{Field, Visit};

/// Fields in their order, each name once.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Sets a field; replaces one of the same name.
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, value));
    }

    /// Sets a field unless there is one of that name.
    pub(super) fn set_if_absent(&mut self, name: &'static str, value: &Value) {
        if self.0.iter().all(|(other, _)| *other != name) {
            self.0.push((name, value.clone()));
        }
    }

    /// Removes a field and returns it.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(other, _)| *other == name)?;
        Some(self.0.remove(at).1)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// The text of a value, without the quotes of JSON.
pub(super) fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinity: it becomes null.
        self.set(field.name(), value.into());
    }

    /// An error with all its causes.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field.name(), in_full(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }
}
