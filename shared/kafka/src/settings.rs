//! How to reach a cluster: validated already.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::Secret;

use crate::Login;

/// How to reach Kafka.
#[derive(Debug, Clone, Default)]
pub struct KafkaSettings {
    /// BOOTSTRAP_SERVERS.
    pub bootstrap_servers: String,
    /// KAFKA_PROPERTIES and KAFKA_* variables: any librdkafka property, none of which contradicts what this project promises.
    pub properties: BTreeMap<String, Secret>,
    /// KAFKA_AUTH and KAFKA_SECRET_ARN: a login that properties alone do not say.
    pub login: Login,
}

impl KafkaSettings {
    /// How long brokers let a transaction be open, unless the user says otherwise. A killed one blocks readers of the target no longer than this.
    pub const TRANSACTION_TIMEOUT: (&str, &str) = ("transaction.timeout.ms", "300000");

    /// How long brokers let a transaction be open.
    pub fn transaction_timeout(&self) -> Duration {
        let (name, default) = Self::TRANSACTION_TIMEOUT;
        let millis = self.properties.get(name).map_or(default, Secret::reveal).parse();
        Duration::from_millis(millis.unwrap_or(60_000))
    }

    /// Whether writers compress: they do, unless the user says otherwise.
    pub fn compresses(&self) -> bool {
        let codecs = ["compression.codec", "compression.type"].into_iter().filter_map(|name| self.properties.get(name));
        !codecs.into_iter().any(|codec| codec.reveal() == "none")
    }
}

/// Whether the value of that property must never be shown.
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "passphrase", "secret", "key.pem", "ssl_key", "oauthbearer.config", "jaas"].iter().any(|part| name.contains(part))
}
