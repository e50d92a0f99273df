//! How to reach a cluster. Validated.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::Secret;

use crate::Login;

/// How to reach Kafka.
#[derive(Debug, Clone, Default)]
pub struct KafkaSettings {
    /// BOOTSTRAP_SERVERS.
    pub bootstrap_servers: String,
    /// KAFKA_PROPERTIES and KAFKA_* variables: any librdkafka property that contradicts no promise
    /// of this project.
    pub properties: BTreeMap<String, Secret>,
    /// KAFKA_AUTH, KAFKA_SECRET_ARN and KAFKA_SECRET: a login that properties alone do not say.
    pub login: Login,
    /// How long a request waits while no broker can be reached. `None`: as long as any request may
    /// take, because a cluster can be restarting.
    pub patience: Option<Duration>,
}

impl KafkaSettings {
    /// The default time that brokers allow a transaction to be open. A killed one blocks readers of
    /// the target no longer than this.
    pub const TRANSACTION_TIMEOUT: (&str, &str) = ("transaction.timeout.ms", "300000");

    /// `security.protocol` in capitals, also where a secret decides it.
    pub(crate) fn security_protocol(&self) -> String {
        let of_secret = self.login.credentials().ok().flatten();
        let of_secret = of_secret.as_ref().and_then(|login| login.properties().find(|(name, _)| *name == "security.protocol"));
        let set = self.properties.get("security.protocol").or_else(|| of_secret.map(|(_, value)| value));
        set.map_or("PLAINTEXT", Secret::reveal).to_uppercase()
    }

    /// How long brokers let a transaction be open.
    pub fn transaction_timeout(&self) -> Duration {
        let (name, default) = Self::TRANSACTION_TIMEOUT;
        let millis = self.properties.get(name).map_or(default, Secret::reveal).parse();
        Duration::from_millis(millis.unwrap_or(60_000))
    }

    /// Whether writers compress: true unless the user disables it.
    pub fn compresses(&self) -> bool {
        let codecs = ["compression.codec", "compression.type"].into_iter().filter_map(|name| self.properties.get(name));
        !codecs.into_iter().any(|codec| codec.reveal() == "none")
    }
}

/// Whether the value of that property is secret.
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "passphrase", "secret", "key.pem", "ssl_key", "oauthbearer.config", "jaas"].iter().any(|part| name.contains(part))
}
