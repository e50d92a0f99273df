#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

const CERTIFICATE_PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIBhunter2certificate\n-----END CERTIFICATE-----\n";
const KEY_PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIEhunter2privatekey\n-----END PRIVATE KEY-----\n";
const ENCRYPTED_PEM: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIEhunter2encrypted\n-----END ENCRYPTED PRIVATE KEY-----\n";
const CA_PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIBhunter2authority\n-----END CERTIFICATE-----\n";

fn configured(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect()
}

/// The properties that a login becomes.
fn chosen(secret: &Value, properties: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let login = Credentials::choose(&secret.to_string(), &configured(properties)).unwrap();
    login.properties().map(|(name, value)| (name, value.reveal().to_owned())).collect()
}

fn owned(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn user_and_password_are_scram_over_tls_unless_configured_otherwise() {
    let secret = json!({"username": "backup\n", "password": " hunter2 \r\n", "engine": "kafka"});
    let login = |mechanism, protocol| {
        owned(&[
            ("sasl.mechanism", mechanism),
            ("sasl.password", " hunter2 "),
            ("sasl.username", "backup"),
            ("security.protocol", protocol),
        ])
    };
    assert_eq!(chosen(&secret, &[]), login("SCRAM-SHA-512", "SASL_SSL"));
    let plain = [("sasl.mechanisms", "PLAIN"), ("security.protocol", "sasl_plaintext")];
    assert_eq!(chosen(&secret, &plain), login("PLAIN", "SASL_PLAINTEXT"));
}

#[test]
fn a_certificate_alone_is_tls_and_one_with_a_password_is_both() {
    let certificate = json!({"certificate": CERTIFICATE_PEM, "privateKey": ENCRYPTED_PEM.replace('\n', "\\n"), "privateKeyPassword": "hunter2", "ca": CA_PEM});
    let tls = [
        ("security.protocol", "SSL"),
        ("ssl.ca.pem", CA_PEM),
        ("ssl.certificate.pem", CERTIFICATE_PEM),
        ("ssl.key.password", "hunter2"),
        ("ssl.key.pem", ENCRYPTED_PEM),
    ];
    assert_eq!(chosen(&certificate, &[]), owned(&tls));
    let mut both = json!({"username": "backup", "password": "hunter2"});
    both.as_object_mut().unwrap().extend(certificate.as_object().unwrap().clone());
    assert_eq!(chosen(&both, &[("security.protocol", "ssl")]), owned(&tls), "the protocol decides");
    let names: Vec<&str> = chosen(&both, &[]).iter().map(|(name, _)| *name).collect();
    assert!(names.contains(&"sasl.password") && names.contains(&"ssl.key.pem"), "{names:?}");
}

#[test]
fn a_client_of_a_token_endpoint_is_oauthbearer() {
    let secret = json!({"clientId": "backup", "clientSecret": "hunter2", "tokenEndpoint": "https://login/token", "scope": "kafka",
        "extensions": {"logicalCluster": "lkc-1", "identityPoolId": "pool-2"}});
    let expected = [
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.oauthbearer.client.id", "backup"),
        ("sasl.oauthbearer.client.secret", "hunter2"),
        ("sasl.oauthbearer.extensions", "identityPoolId=pool-2,logicalCluster=lkc-1"),
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.scope", "kafka"),
        ("sasl.oauthbearer.token.endpoint.url", "https://login/token"),
        ("security.protocol", "SASL_SSL"),
    ];
    assert_eq!(chosen(&secret, &[]), owned(&expected));
    let mut two = secret;
    two["username"] = json!("backup");
    two["password"] = json!("hunter2");
    assert_eq!(chosen(&two, &[("sasl.mechanism", "OAUTHBEARER")]), owned(&expected), "the mechanism decides");
    assert_eq!(chosen(&two, &[("sasl.mechanism", "PLAIN")]).len(), 4);
}

/// librdkafka knows every property, and takes such values.
#[test]
fn librdkafka_has_the_properties() {
    for (_, property) in FIELDS {
        assert!(crate::check_property(property, "a=b").is_ok(), "{property}");
    }
    assert!(crate::check_property("sasl.oauthbearer.method", "oidc").is_ok());
    for (property, other) in SAME {
        assert!(!matches!(crate::check_property(property, "x"), Err(crate::PropertyError::Unknown)), "{property}");
        assert!(!matches!(crate::check_property(other, "x"), Err(crate::PropertyError::Unknown)), "{other}");
    }
}

/// A secret, the configured properties, and a part of the refusal.
type Refused<'a> = (Value, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn what_is_missing_or_contradicts_is_named_and_no_value_is_shown() {
    let (certificate, key) = (CERTIFICATE_PEM, KEY_PEM);
    let table: &[Refused<'_>] = &[
        (
            json!({"user": "hunter2", "password": "hunter2"}),
            &[],
            "has no username, or an empty one: sasl.mechanism=SCRAM-SHA-512 needs username, password",
        ),
        (json!({"username": "hunter2", "password": ""}), &[], "has no password"),
        (json!({"username": "hunter2", "password": 7}), &[], "password must be a text"),
        (json!({"username": "hunter2", "password": "hunter2\0"}), &[], "password contains a NUL"),
        (json!({"token": "hunter2"}), &[], "contains no login: it must have {\"username\""),
        (json!("hunter2"), &[], "must contain a JSON object such as {\"username\": \"…\", \"password\": \"…\"}"),
        (json!({"username": "hunter2", "password": "hunter2"}), &[("security.protocol", "SSL")], "has no certificate and no privateKey"),
        (json!({"certificate": certificate}), &[], "has no privateKey"),
        (json!({"privateKey": key, "privateKeyPassword": "hunter2"}), &[], "has no certificate"),
        (json!({"certificate": certificate, "privateKey": ENCRYPTED_PEM}), &[], "has no privateKeyPassword: its privateKey is encrypted"),
        (json!({"certificate": key, "privateKey": key}), &[], "certificate must be certificates in PEM"),
        (json!({"certificate": certificate, "privateKey": certificate}), &[], "privateKey must be one private key in PEM"),
        (json!({"certificate": certificate, "privateKey": "hunter2"}), &[], "privateKey must be one private key in PEM"),
        (json!({"certificate": certificate, "privateKey": key, "ca": "hunter2"}), &[], "ca must be certificates in PEM"),
        (json!({"certificate": certificate, "privateKey": key}), &[("sasl.mechanism", "PLAIN")], "has no username and no password"),
        (
            json!({"certificate": certificate, "privateKey": key}),
            &[("ssl.key.location", "/key")],
            "the property ssl.key.location: keep one",
        ),
        (json!({"certificate": certificate, "privateKey": key, "ca": CA_PEM}), &[("ssl.ca.pem", "x")], "the property ssl.ca.pem: keep one"),
        (json!({"clientId": "hunter2", "tokenEndpoint": "hunter2"}), &[], "has no clientSecret"),
        (json!({"clientId": "hunter2"}), &[], "has no clientSecret and no tokenEndpoint"),
        (
            json!({"username": "hunter2", "password": "hunter2"}),
            &[("sasl.mechanism", "OAUTHBEARER")],
            "has no clientId and no clientSecret and no tokenEndpoint",
        ),
        (json!({"clientId": "hunter2", "password": "hunter2"}), &[], "set sasl.mechanism to choose"),
        (
            json!({"clientId": "hunter2", "clientSecret": "hunter2", "tokenEndpoint": "hunter2"}),
            &[("sasl.oauthbearer.config", "hunter2")],
            "the property sasl.oauthbearer.config: keep one",
        ),
        (
            json!({"username": "hunter2", "password": "hunter2"}),
            &[("security.protocol", "PLAINTEXT")],
            "contradicts security.protocol=PLAINTEXT",
        ),
        (
            json!({"username": "hunter2", "password": "hunter2", "ca": CA_PEM}),
            &[("security.protocol", "SASL_PLAINTEXT")],
            "need TLS: set security.protocol to SASL_SSL",
        ),
        (json!({"clientId": "hunter2", "extensions": {"a": 7}}), &[], "extensions must be texts"),
    ];
    for (secret, properties, says) in table {
        let what = Credentials::choose(&secret.to_string(), &configured(properties)).unwrap_err();
        assert!(what.contains(says), "{says:?} is not in {what}");
        assert!(!what.contains("hunter2"), "{what}");
    }
    let what = Credentials::choose("@Microsoft.KeyVault(VaultName=hunter2;SecretName=kafka)", &configured(&[])).unwrap_err();
    assert!(what.contains("did not resolve") && !what.contains("hunter2"), "{what}");
}

#[test]
fn no_value_is_in_the_debug_output_and_all_that_matter_are_masked() {
    let secret = json!({"username": "admin", "password": "hunter2a", "certificate": CERTIFICATE_PEM, "privateKey": KEY_PEM,
        "privateKeyPassword": "hunter2b", "ca": CA_PEM, "clientId": "hunter2c", "clientSecret": "hunter2d", "tokenEndpoint": "https://hunter2"});
    let login = Credentials::choose(&secret.to_string(), &configured(&[("sasl.mechanism", "OAUTHBEARER")])).unwrap();
    assert!(!format!("{login:?}").contains("hunter2"), "{login:?}");
    let redactor = telemetry::redact::Redactor::default();
    values_of_secret(&secret.to_string()).iter().for_each(|value| redactor.hide(value));
    for value in
        ["hunter2a", "hunter2b", "hunter2c", "hunter2d", KEY_PEM, "MIIEhunter2privatekey", "MIIBhunter2certificate", &secret.to_string()]
    {
        assert!(!redactor.mask(&format!("x {value} y")).contains(value), "{value}");
    }
    let masked: Vec<&str> = login.masked().map(Secret::reveal).collect();
    assert_eq!(masked, [CERTIFICATE_PEM, KEY_PEM, "hunter2b", "hunter2c", "hunter2d"]);
}

#[test]
fn a_client_can_take_another_password_and_nothing_else() {
    let of = |secret: Value| Credentials::choose(&secret.to_string(), &configured(&[])).unwrap();
    let before = of(json!({"username": "a", "password": "one"}));
    let after = of(json!({"username": "b", "password": "two"}));
    let (user, password) = after.password_instead_of(&before).unwrap();
    assert_eq!((user, password.reveal()), ("b", "two"));
    let certificate =
        |certificate: &str| of(json!({"username": "a", "password": "one", "certificate": certificate, "privateKey": KEY_PEM}));
    assert!(certificate(CA_PEM).password_instead_of(&certificate(CERTIFICATE_PEM)).is_none());
    assert!(certificate(CA_PEM).password_instead_of(&before).is_none());
}
