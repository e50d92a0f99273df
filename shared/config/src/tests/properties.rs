//! Which properties of librdkafka users may set, and which they may not.

use super::*;

fn refusal(name: &str, value: &str) -> String {
    let properties = serde_json::json!({name: value}).to_string();
    let raw = Raw::load(None, [("KAFKA_PROPERTIES".into(), properties.into())]).unwrap();
    BackupSettings::from_raw(&raw).unwrap_err().to_string()
}

#[test]
fn users_decide_how_long_connections_are_kept() {
    const NAME: &str = "connections.max.idle.ms";
    assert!(kafka::default_properties().any(|name| name == NAME));
    let refused = refusal(NAME, "0");
    assert!(!refused.contains(NAME), "{refused}");
}

#[test]
fn what_promises_rest_on_is_refused_from_users() {
    for name in kafka::own_properties() {
        let refused = refusal(name, "1");
        assert!(refused.contains(&format!("KAFKA_PROPERTIES {name} = \"1\"")), "{name}: {refused}");
    }
}
