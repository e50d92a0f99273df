//! What the environment overrides, and how that is reported.

use store::StoreKind;

use super::*;

#[test]
fn what_the_environment_replaces_is_named() {
    let azure = serde_json::json!({
        "FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": "kafka-backup", "AZURE_STORAGE_CONNECTION_STRING": "AccountKey=c2VjcmV0",
        "KAFKA_PROPERTIES": {"sasl.password": "hunter22", "client.id": "one"},
    });
    let text = changed(BACKUP, &azure, &["FILESYSTEM_BACKUP_DIR"]);
    let said = |environment: &[(&str, &str)]| load(&text, environment).unwrap().replaced_by_environment();
    assert_eq!(said(&[("HOME", "/root"), ("STORAGE_PREFIX", "x")]), None, "nothing of the file is replaced");
    assert_eq!(said(&[("TOPIC_NAMES", "davinder.test"), ("LOG_LEVEL", "20"), ("CONTAINER_NAME", "kafka-backup")]), None, "the same");
    let line = said(&[("CONTAINER_NAME", "web")]).unwrap();
    assert!(line.starts_with("environment variables take precedence over /") && line.contains("config.json: "), "{line}");
    assert!(line.ends_with("CONTAINER_NAME = \"web\", not \"kafka-backup\""), "{line}");
    let line = said(&[
        ("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=b3RoZXI="),
        ("KAFKA_SASL_PASSWORD", "hunter23"),
        ("KAFKA_CLIENT_ID", "two"),
        ("TOPIC_NAMES", "a,b"),
    ])
    .unwrap();
    let keys = [
        "AZURE_STORAGE_CONNECTION_STRING (secret)",
        "KAFKA_SASL_PASSWORD (secret)",
        "KAFKA_CLIENT_ID = \"two\", not \"one\"",
        "TOPIC_NAMES = \"a,b\", not [\"davinder.test\"]",
    ];
    assert!(keys.iter().all(|key| line.contains(key)), "{line}");
    assert!(!["hunter", "c2Vj", "b3Ro"].iter().any(|secret| line.contains(secret)) && line.lines().count() == 1, "{line}");
}

/// As a mounted secret or `echo password | base64` leaves it. A password of Kafka can contain
/// spaces; those of clouds cannot.
#[test]
fn no_secret_keeps_the_line_break_at_its_end() {
    let environment = [("KAFKA_SASL_PASSWORD", " hunter22 \r\n"), ("KAFKA_SASL_USERNAME", "backup\n")];
    let settings = backup(BACKUP, &environment).unwrap();
    let property = |name: &str| settings.kafka.properties[name].reveal().to_owned();
    assert_eq!((property("sasl.password"), property("sasl.username")), (" hunter22 ".to_owned(), "backup".to_owned()));

    let of_minio = serde_json::json!({"FILESYSTEM_TYPE": "MINIO", "MINIO_URL": "localhost:9000", "BUCKET_NAME": "backups"});
    let keys = [("MINIO_ACCESS_KEY", "key\n"), ("MINIO_SECRET_KEY", "hunter22\n")];
    let settings = backup(&changed(BACKUP, &of_minio, &[]), &keys).unwrap();
    let StoreKind::S3(store) = settings.store.kind else { panic!("MinIO is S3") };
    let (key, secret) = store.credentials.unwrap();
    assert_eq!((key.as_str(), secret.reveal()), ("key", "hunter22"));
}
