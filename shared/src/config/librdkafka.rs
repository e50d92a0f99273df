//! librdkafka's own judgement of a property.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// Why librdkafka refuses a property.
pub(super) enum Refused {
    /// It has no property of that name.
    Unknown,
    /// In its own words, which name the value.
    Value(String),
}

/// Asks librdkafka. Files that a value names are not opened.
pub(super) fn check(name: &str, value: &str) -> Result<(), Refused> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => Err(Refused::Unknown),
        Err(KafkaError::ClientConfig(_, why, ..)) => Err(Refused::Value(why)),
        Err(error) => Err(Refused::Value(error.to_string())),
    }
}

/// Names for hints: those that people set most.
pub(super) const NAMES: [&str; 30] = [
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "compression.type",
    "debug",
    "enable.ssl.certificate.verification",
    "fetch.max.bytes",
    "linger.ms",
    "max.partition.fetch.bytes",
    "message.max.bytes",
    "request.timeout.ms",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
];
