//! Variables that are librdkafka properties, by their names.

use super::keys;

/// The key that holds properties as a JSON object.
pub(super) const KEY: &str = "KAFKA_PROPERTIES";
const PREFIX: &str = "KAFKA_";

/// Whether a variable of that name is a property. Names of other programs and of Kubernetes are
/// not.
pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(PREFIX) && name != PREFIX && keys::find(name).is_none() && !is_foreign(name)
}

/// `KAFKA_SASL_USERNAME` → `sasl.username`. The few names with an underscore keep it.
pub(super) fn name_of(variable: &str) -> String {
    let name = variable.trim_start_matches(PREFIX).to_lowercase();
    if ["log_level", "enabled_events"].contains(&name.as_str()) { name } else { name.replace('_', ".") }
}

/// Variables of Kafka's own scripts, of other programs and of Kubernetes services: never
/// properties.
fn is_foreign(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_CLUSTER_ID",
        "KAFKA_DEBUG",
        "KAFKA_GC_LOG_OPTS",
        "KAFKA_HEAP_OPTS",
        "KAFKA_HOME",
        "KAFKA_JVM_PERFORMANCE_OPTS",
        "KAFKA_OPTS",
        "KAFKA_PORT",
        "KAFKA_SCALA_VERSION",
        "KAFKA_VERSION",
    ];
    const PREFIXES: [&str; 5] = ["KAFKA_CFG_", "KAFKA_JMX_", "KAFKA_LOG4J", "KAFKA_PORT_", "KAFKA_SERVICE_"];
    // A service named kafka-headless sets KAFKA_HEADLESS_SERVICE_HOST and
    // KAFKA_HEADLESS_PORT_9092_TCP_ADDR.
    let of_service = name.ends_with("_SERVICE_HOST")
        || name.ends_with("_PORT")
        || name.contains("_SERVICE_PORT")
        || name.contains("_TCP_") && name.contains("_PORT_")
        || name.ends_with("_TCP");
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || of_service
}
