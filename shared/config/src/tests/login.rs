//! Ways to log in to Kafka.

use kafka::Login;

use super::*;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_backup-AbCdEf";
const CA: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/// The login and the properties that result from these variables.
fn kafka(environment: &[(&str, &str)]) -> (Login, Vec<(String, String)>) {
    let kafka = backup(BACKUP, environment).unwrap().kafka;
    (kafka.login, kafka.properties.into_iter().map(|(name, value)| (name, value.reveal().to_owned())).collect())
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn msk_iam_brings_its_properties_and_finds_its_region() {
    let of_cluster = "b-1.orders.abcdef.c2.kafka.eu-west-3.amazonaws.com:9098,b-2.orders.abcdef.c2.kafka.eu-west-3.amazonaws.com:9098";
    let serverless = "boot-abc.c1.kafka-serverless.us-east-2.amazonaws.com:9098";
    for (servers, region) in [(of_cluster, "eu-west-3"), (serverless, "us-east-2"), ("kafka.internal:9098", "eu-central-1")] {
        let (login, properties) = kafka(&[("KAFKA_AUTH", "MSK_IAM"), ("BOOTSTRAP_SERVERS", servers), ("AWS_REGION", "eu-central-1")]);
        assert!(matches!(login, Login::Tokens(_)) && format!("{login:?}").contains(region), "{login:?}");
        assert_eq!(properties, owned(&[("sasl.mechanism", "OAUTHBEARER"), ("security.protocol", "SASL_SSL")]));
    }
}

/// What it contains decides the rest; see the tests of [`kafka::Login`].
#[test]
fn a_secret_leaves_the_properties_as_they_are() {
    let (login, properties) = kafka(&[("KAFKA_SECRET_ARN", ARN)]);
    assert!(matches!(login, Login::Secret(_)) && format!("{login:?}").contains(ARN), "{login:?}");
    assert_eq!(properties, []);
    let told = [("KAFKA_SECRET_ARN", ARN), ("KAFKA_SASL_MECHANISM", "PLAIN"), ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")];
    assert_eq!(kafka(&told).1, owned(&[("sasl.mechanism", "PLAIN"), ("security.protocol", "SASL_PLAINTEXT")]));
    assert_eq!(kafka(&[("KAFKA_SECRET_ARN", ARN), ("KAFKA_CA_PEM", CA)]).1, owned(&[("ssl.ca.pem", CA)]), "TLS is the default of a secret");
}

/// As a reference to Key Vault gives it, and as an object in a file.
#[test]
fn the_text_of_a_secret_can_be_given() {
    const TEXT: &str = r#"{"clientId": "backup", "clientSecret": "hunter2", "tokenEndpoint": "https://login.example.com/token"}"#;
    let (login, _) = kafka(&[("KAFKA_SECRET", TEXT)]);
    assert!(matches!(login, Login::Secret(_)) && format!("{login:?}").contains("KAFKA_SECRET"), "{login:?}");
    let in_file = changed(BACKUP, &serde_json::json!({"KAFKA_SECRET": serde_json::from_str::<Value>(TEXT).unwrap()}), &[]);
    let settings = backup(&in_file, &[]).unwrap();
    assert!(matches!(settings.kafka.login, Login::Secret(_)));
    assert!(!format!("{settings:?}").contains("hunter2"));
    let raw = load(&in_file, &[]).unwrap();
    assert!(raw.secrets().iter().any(|secret| secret.reveal() == "hunter2"), "it is masked in the log");
}

#[test]
fn an_authority_can_stand_in_one_line() {
    for ca in [CA, &CA.replace('\n', "\\n"), &CA.replace('\n', "\r\n"), &CA.replace('\n', "\\r\\n")] {
        let (_, properties) = kafka(&[("KAFKA_SECURITY_PROTOCOL", "SSL"), ("KAFKA_CA_PEM", ca)]);
        assert_eq!(properties, owned(&[("security.protocol", "SSL"), ("ssl.ca.pem", CA)]));
    }
}

/// docs/platforms.md names these properties for Azure Event Hubs.
#[test]
fn event_hubs_is_a_matter_of_properties() {
    let connection = "Endpoint=sb://hub.servicebus.windows.net/;SharedAccessKeyName=backup;SharedAccessKey=aHVudGVyMg==";
    let environment = [
        ("BOOTSTRAP_SERVERS", "hub.servicebus.windows.net:9093"),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
        ("KAFKA_SASL_MECHANISM", "PLAIN"),
        ("KAFKA_SASL_USERNAME", "$ConnectionString"),
        ("KAFKA_SASL_PASSWORD", connection),
    ];
    let (login, properties) = kafka(&environment);
    assert!(matches!(login, Login::Properties));
    let expected = [
        ("sasl.mechanism", "PLAIN"),
        ("sasl.password", connection),
        ("sasl.username", "$ConnectionString"),
        ("security.protocol", "SASL_SSL"),
    ];
    assert_eq!(properties, owned(&expected));
    let settings = backup(BACKUP, &environment).unwrap();
    assert!(!format!("{settings:?}").contains("aHVudGVyMg"));
}
