//! librdkafka's own validation of a property.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// Why librdkafka refuses a property.
#[derive(Debug)]
pub enum PropertyError {
    /// It has no property of that name.
    Unknown,
    /// In its own words, which contain the value.
    Value(String),
}

/// Asks librdkafka whether it accepts a property of the user. Files that a value names are not
/// opened.
///
/// # Errors
/// Why it does not.
pub fn check_property(name: &str, value: &str) -> Result<(), PropertyError> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => Err(PropertyError::Unknown),
        Err(KafkaError::ClientConfig(_, why, ..)) => Err(PropertyError::Value(why)),
        Err(error) => Err(PropertyError::Value(error.to_string())),
    }
}

/// Names for hints: the most common ones.
pub const COMMON_PROPERTIES: [&str; 30] = [
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
