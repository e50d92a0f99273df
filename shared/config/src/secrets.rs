//! Which parts of a configuration are secret.

use kafka::is_sensitive;
use kernel::Secret;

use super::raw::Raw;
use super::{json, keys, properties, variables};

impl Raw {
    /// Every secret value, for [`telemetry::redact`]. Available before validation.
    pub fn secrets(&self) -> Vec<Secret> {
        let keys = self.entries().filter(|(name, _)| keys::find(name).is_some_and(|key| key.secret && *name != variables::KEY));
        let values = keys.filter_map(|(_, entry)| json::scalar(&entry.value)).flat_map(|value| parts_of_secret(&value));
        let secret = self.get("KAFKA_SECRET").map(|entry| json::scalar(&entry.value).unwrap_or_else(|| entry.value.to_string()));
        let of_secret = secret.iter().flat_map(|text| kafka::values_of_secret(text));
        let properties = properties::written(self).into_iter().filter(|property| is_sensitive(&property.name));
        values.map(Secret::new).chain(of_secret).chain(properties.filter_map(|property| property.text().map(Secret::new))).collect()
    }
}

/// A secret and, for an Azure connection string, the parts that are secret on their own.
fn parts_of_secret(value: &str) -> Vec<String> {
    let fields = value.split(';').filter_map(|field| field.split_once('='));
    let is_secret = |name: &str| ["AccountKey", "SharedAccessSignature"].iter().any(|secret| secret.eq_ignore_ascii_case(name.trim()));
    let parts = fields.filter(|(name, _)| is_secret(name)).flat_map(|(_, part)| {
        let part = part.trim();
        let signature = part.split('&').filter_map(|pair| pair.strip_prefix("sig=")).map(str::to_owned);
        std::iter::once(part.to_owned()).chain(signature)
    });
    std::iter::once(value.to_owned()).chain(parts).collect()
}
