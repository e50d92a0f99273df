//! The available servers: `services/with` starts them and sets the variables.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

use ::kafka::KafkaSettings;
use kernel::Secret;

use crate::kafka::Kafka;

/// A Kafka listener that authenticates clients: `admin`, or `reader`, who has only the rights of
/// ACLs.
#[derive(Debug, Clone)]
pub struct Sasl {
    /// BOOTSTRAP_SERVERS.
    pub bootstrap: String,
    /// The password of `admin`.
    pub password: String,
    /// The password of `reader`.
    pub reader_password: String,
}

impl Sasl {
    /// Settings for a client of the user who has only the rights of ACLs.
    pub fn as_reader(&self) -> KafkaSettings {
        let properties = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "reader"),
            ("sasl.password", &self.reader_password),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), Secret::new(value)));
        KafkaSettings {
            bootstrap_servers: self.bootstrap.clone(),
            properties: properties.into_iter().collect(),
            ..KafkaSettings::default()
        }
    }
}

/// A Kafka listener for clients with a certificate.
#[derive(Debug, Clone)]
pub struct Tls {
    /// BOOTSTRAP_SERVERS.
    pub bootstrap: String,
    /// The folder with the certificates, see `services/kafka`.
    pub dir: PathBuf,
    /// The password of `client-encrypted.key`.
    pub key_password: String,
}

impl Tls {
    /// The text of a secret (KAFKA_SECRET) with the certificate of this name and this key.
    ///
    /// # Panics
    /// There is none.
    pub fn secret(&self, certificate: &str, key: &str) -> serde_json::Value {
        let pem = |name: &str| std::fs::read_to_string(self.dir.join(name)).expect("services/kafka made it");
        serde_json::json!({
            "certificate": pem(certificate), "privateKey": pem(key), "privateKeyPassword": self.key_password, "ca": pem("ca.pem"),
        })
    }
}

/// MinIO, with its bucket.
#[derive(Debug, Clone)]
pub struct Minio {
    /// With its scheme.
    pub endpoint: String,
    /// MINIO_ACCESS_KEY.
    pub access_key: String,
    /// MINIO_SECRET_KEY.
    pub secret_key: String,
    /// The bucket, which exists.
    pub bucket: String,
    /// The data folder of MinIO.
    pub data: PathBuf,
}

/// Azurite, with its container.
#[derive(Debug, Clone)]
pub struct Azurite {
    /// AZURE_STORAGE_CONNECTION_STRING.
    pub connection_string: String,
    /// The container, which exists.
    pub container: String,
}

/// The Kafka cluster, or `None` if there is none and tests may be skipped.
///
/// # Panics
/// Without one under `CI=true`.
pub fn require_kafka() -> Option<Kafka> {
    let [bootstrap, libs, dir] = required("Kafka", ["KAFKA_BOOTSTRAP_SERVERS", "TEST_KAFKA_LIBS", "TEST_KAFKA_DIR"])?;
    Some(Kafka { bootstrap, libs: PathBuf::from(libs), dir: PathBuf::from(dir) })
}

/// The same cluster's listener with SASL/PLAIN, or `None` if there is none and tests may be
/// skipped.
///
/// # Panics
/// Without one under `CI=true`.
pub fn require_sasl() -> Option<Sasl> {
    let [bootstrap, password, reader_password] =
        required("Kafka with SASL", ["TEST_KAFKA_SASL_SERVERS", "TEST_KAFKA_ADMIN_PASSWORD", "TEST_KAFKA_READER_PASSWORD"])?;
    Some(Sasl { bootstrap, password, reader_password })
}

/// The same cluster's listener for clients with a certificate, or `None` if there is none and tests
/// may be skipped.
///
/// # Panics
/// Without one under `CI=true`.
pub fn require_tls() -> Option<Tls> {
    let [bootstrap, dir, key_password] =
        required("Kafka with TLS", ["TEST_KAFKA_TLS_SERVERS", "TEST_KAFKA_TLS_DIR", "TEST_KAFKA_KEY_PASSWORD"])?;
    Some(Tls { bootstrap, dir: PathBuf::from(dir), key_password })
}

/// MinIO, or `None` if there is none and tests may be skipped.
///
/// # Panics
/// Without one under `CI=true`.
pub fn require_minio() -> Option<Minio> {
    let [endpoint, access_key, secret_key, bucket, data] =
        required("MinIO", ["S3_TEST_ENDPOINT", "S3_TEST_ACCESS_KEY", "S3_TEST_SECRET_KEY", "S3_TEST_BUCKET", "TEST_MINIO_DIR"])?;
    Some(Minio { endpoint, access_key, secret_key, bucket, data: PathBuf::from(data) })
}

/// MinIO with a versioned bucket with object lock and a default retention. `None` if there is none
/// and tests may be skipped.
///
/// # Panics
/// Without one under `CI=true`.
pub fn require_locked_minio() -> Option<Minio> {
    let [bucket] = required("MinIO with object lock", ["S3_TEST_LOCKED_BUCKET"])?;
    Some(Minio { bucket, ..require_minio()? })
}

/// Azurite, or `None` if there is none and tests may be skipped.
///
/// # Panics
/// Without one under `CI=true`.
pub fn require_azurite() -> Option<Azurite> {
    let [connection_string, container] = required("Azurite", ["AZURE_TEST_CONNECTION_STRING", "AZURE_TEST_CONTAINER"])?;
    Some(Azurite { connection_string, container })
}

fn required<const N: usize>(server: &str, variables: [&str; N]) -> Option<[String; N]> {
    let values = variables.map(|variable| env::var(variable).ok().filter(|value| !value.is_empty()));
    if values.iter().all(Option::is_some) {
        return Some(values.map(|value| value.expect("just looked")));
    }
    not_run(server, is_ci());
    None
}

/// cargo-lambda, or `None` if there is none and tests may be skipped.
///
/// # Panics
/// Without one under `CI=true`.
pub fn require_cargo_lambda() -> Option<PathBuf> {
    let program = env::var_os("CARGO_LAMBDA").filter(|value| !value.is_empty());
    if program.is_none() {
        not_run("cargo-lambda, named by CARGO_LAMBDA: infra/packages/cargo-lambda prints where it is", is_ci());
    }
    program.map(PathBuf::from)
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Reports a skipped test past the test runner's capturing.
fn not_run(server: &str, ci: bool) {
    assert!(!ci, "there is no {server}, and under CI=true every test runs: start this with tests/services/with");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "NOT RUN: {test}: needs {server}; run tests/services/with --all -- cargo test");
}

#[cfg(test)]
mod tests {
    use super::not_run;

    #[test]
    #[should_panic(expected = "under CI=true every test runs")]
    fn a_missing_server_fails_in_ci() {
        not_run("Kafka", true);
    }
}
