//! Logins that change while clients live: tokens that expire, passwords that rotate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::{Client, Config};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use kernel::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::help::*;
use super::real::{sasl, tls};
use crate::librdkafka::backlog::Batch;
use crate::librdkafka::client;
use crate::librdkafka::native::Producer;
use crate::librdkafka::tries::Asker;
use crate::librdkafka::writer::Writer;
use crate::{Delivery, EmbeddedBroker, KafkaErrorKind, KafkaSettings, Login, SecretLogin, SourceCluster, Token, TokenSource, WriterName};

/// Unsigned tokens for the user admin, as Kafka's own handler for tests accepts them.
#[derive(Debug)]
struct Unsigned {
    lifetime_ms: i64,
    made: watch::Sender<usize>,
}

#[async_trait]
impl TokenSource for Unsigned {
    async fn token(&self) -> Result<Token, String> {
        self.made.send_modify(|made| *made += 1);
        let (now, expires) = (now(), now() + self.lifetime_ms);
        // Kafka reads seconds, with a fraction.
        let claims = format!(r#"{{"sub":"admin","iat":{},"exp":{}}}"#, now as f64 / 1000.0, expires as f64 / 1000.0);
        let [header, claims] = [r#"{"alg":"none"}"#, &claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        Ok(Token { value: Secret::new(format!("{header}.{claims}.")), expires })
    }
}

#[derive(Debug)]
struct Without;

#[async_trait]
impl TokenSource for Without {
    async fn token(&self) -> Result<Token, String> {
        Err("no AWS credentials to sign a token with".to_owned())
    }
}

fn logged_in(settings: &KafkaSettings, mechanism: &str, login: Login) -> KafkaSettings {
    let settings = with(settings, &[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", mechanism)]);
    KafkaSettings { login, ..settings }
}

/// The broker ends a connection whose token has expired, so everything here outlives a token of
/// each client. A token is renewed when a fifth of its time is left. A broker refuses a second
/// token of a connection within a second, which happens with short tokens on a busy machine.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_before_they_expire_also_while_nobody_polls() {
    let Some(settings) = sasl() else { return };
    let (made, mut watched) = watch::channel(0);
    let settings = logged_in(&settings, "OAUTHBEARER", Login::Tokens(Arc::new(Unsigned { lifetime_ms: 12_000, made })));
    let topic = unique("tokens");
    let (source, target) = (source(&settings, &unique("tokens")), target(&settings));
    create(&target, &topic, 1, &[]).await;
    let mut writer = open(&target, &topic, &unique("restore"), Delivery::ExactlyOnce).await;
    queue(&mut *writer, 0, &odd_records()[..3]).await;
    writer.flush().await.unwrap();
    // At most four clients are alive: by now each has had two, and the first one of one of them has
    // expired.
    watched.wait_for(|made| *made > 8).await.unwrap();
    queue(&mut *writer, 0, &odd_records()[3..5]).await;
    writer.flush().await.unwrap();
    writer.commit(&progress(5, "")).await.unwrap();
    assert_eq!(read_all(&source, &topic, 0).await, at(0, &odd_records()[..5]));
    let partition = crate::TopicPartition::new(&topic, 0);
    source.commit(&partition, &progress(5, "")).await.unwrap();
}

/// A current-thread runtime, which nothing else drives while a client is dropped.
#[tokio::test]
async fn a_token_that_cannot_be_made_is_told_as_such() {
    let broker = EmbeddedBroker::start().unwrap();
    let settings = logged_in(&broker.settings(), "OAUTHBEARER", Login::Tokens(Arc::new(Without)));
    let error = source(&settings, "group").describe(&["orders".to_owned()]).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Credentials, "{error}");
    assert!(error.what.contains("no AWS credentials to sign a token with") && error.what.contains("kafka-cluster:Connect"), "{error}");
}

/// The client that writes is not the one that asked before.
#[tokio::test]
async fn a_writer_says_that_its_login_is_refused() {
    let broker = EmbeddedBroker::start().unwrap();
    let settings = with(&broker.settings(), &[("socket.timeout.ms", "5000")]);
    let asker = Arc::new(Asker::new(&settings, None).unwrap());
    let refused = logged_in(&settings, "OAUTHBEARER", Login::Tokens(Arc::new(Without)));
    let name = WriterName { topic: "topic".to_owned(), id: "restore-0".to_owned() };
    let timeout = settings.transaction_timeout();
    let batch = Batch::new(&refused, 1_000_000, 1_000_000);
    let handle = client::writing(&refused, &name.id, Delivery::ExactlyOnce, (batch, false), timeout).unwrap();
    let producer = Producer::new(handle, &name.topic, 1_000_000, batch).unwrap();
    let error = Writer::open(producer, &name, Delivery::ExactlyOnce, timeout, asker).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Credentials, "{error}");
    assert!(error.what.contains("no AWS credentials to sign a token with"), "{error}");
}

/// A Secrets Manager with one secret, which is another at each reading, the last one from then on.
async fn secrets_manager(secrets: Vec<serde_json::Value>) -> (Client, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 << 10];
            let size = stream.read(&mut request).await.unwrap();
            assert!(String::from_utf8_lossy(&request[..size]).contains("secretsmanager.GetSecretValue"));
            let read = counted.fetch_add(1, Ordering::SeqCst);
            let secret = secrets[read.min(secrets.len() - 1)].to_string();
            let body = serde_json::json!({"ARN": "arn", "SecretString": secret}).to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", None, None, "test"))
        .endpoint_url(endpoint);
    (Client::from_conf(config.build()), reads)
}

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:1:secret:kafka";

fn with_secret(settings: &KafkaSettings, client: Client) -> KafkaSettings {
    let login = Login::Secret(Arc::new(SecretLogin::over(ARN, &settings.properties, client)));
    KafkaSettings { login, ..settings.clone() }
}

#[tokio::test]
async fn a_secret_is_read_once_until_the_cluster_refuses_it_and_then_again() {
    let Some(settings) = sasl() else { return };
    let password = std::env::var("TEST_KAFKA_ADMIN_PASSWORD").unwrap();
    let of = |password: &str| serde_json::json!({"username": "admin", "password": password});
    let (client, reads) = secrets_manager(vec![of("rotated-away"), of(&password)]).await;
    let settings = with_secret(&with(&settings, &[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")]), client);
    settings.login.prepare().await.unwrap();
    settings.login.prepare().await.unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    let source = source(&settings, "rotation");
    assert!(source.describe(&["absent".to_owned()]).await.unwrap().is_empty());
    assert_eq!(reads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_client_made_before_the_secret_was_read_is_refused() {
    let login = Login::secret(ARN, &BTreeMap::new());
    let settings = logged_in(&KafkaSettings { bootstrap_servers: "127.0.0.1:9".to_owned(), ..KafkaSettings::default() }, "PLAIN", login);
    let error = crate::RdKafkaTarget::connect(&settings, 1).unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Config, "{error}");
}

/// What the certificates of [`tls`] are called.
fn pem(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(&std::env::var("TEST_KAFKA_TLS_DIR").unwrap()).join(name)).unwrap()
}

/// All that a client certificate is used for: requests, a writer's transaction, a reader. No
/// property says anything of TLS.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_secret_logs_in_and_a_new_one_takes_its_place() {
    let Some(settings) = tls() else { return };
    let stranger = serde_json::json!({"certificate": pem("stranger.pem"), "privateKey": pem("stranger.key"), "ca": pem("ca.pem")});
    let password = std::env::var("TEST_KAFKA_KEY_PASSWORD").unwrap();
    let client = serde_json::json!({
        "certificate": pem("client.pem"), "privateKey": pem("client-encrypted.key"), "privateKeyPassword": password, "ca": pem("ca.pem"),
    });
    let (client, reads) = secrets_manager(vec![stranger, client]).await;
    let settings = with_secret(&settings, client);
    settings.login.prepare().await.unwrap();
    let (source, target) = (source(&settings, &unique("tls")), target(&settings));
    assert!(source.describe(&["absent".to_owned()]).await.unwrap().is_empty());
    assert_eq!(reads.load(Ordering::SeqCst), 2, "refused once");
    let topic = unique("tls");
    create(&target, &topic, 1, &[]).await;
    write(&target, &topic, 0, &odd_records()[..3]).await;
    assert_eq!(read_all(&source, &topic, 0).await, at(0, &odd_records()[..3]));
    for value in [pem("client-encrypted.key"), pem("client.pem"), password] {
        assert!(!telemetry::redact::known().mask(&value).contains(&value));
    }
}

/// The cluster refuses it, and Secrets Manager has no other.
#[tokio::test]
async fn a_certificate_that_is_refused_is_told_as_such() {
    let Some(settings) = tls() else { return };
    let stranger = serde_json::json!({"certificate": pem("stranger.pem"), "privateKey": pem("stranger.key"), "ca": pem("ca.pem")});
    let (client, _) = secrets_manager(vec![stranger]).await;
    let settings = with_secret(&with(&settings, &[("socket.timeout.ms", "6000")]), client);
    settings.login.prepare().await.unwrap();
    let error = source(&settings, "tls").describe(&["absent".to_owned()]).await.unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Credentials, "{error}");
    assert!(error.what.contains("KAFKA_SECRET_ARN"), "{error}");
}

/// A token endpoint that knows one client secret, and counts who asks.
async fn token_endpoint(client_secret: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/token", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        let (made, _) = watch::channel(0);
        let tokens = Unsigned { lifetime_ms: 3_600_000, made };
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 64 << 10];
            let size = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..size]).into_owned();
            counted.fetch_add(1, Ordering::SeqCst);
            let basic = base64::prelude::BASE64_STANDARD.encode(format!("backup:{client_secret}"));
            let (status, body) = if request.contains(&basic) {
                let token = tokens.token().await.unwrap();
                ("200 OK", serde_json::json!({"access_token": token.value.reveal(), "token_type": "Bearer", "expires_in": 3600}))
            } else {
                ("401 Unauthorized", serde_json::json!({"error": "invalid_client", "error_description": "unknown client"}))
            };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    (endpoint, asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_of_a_secret_gets_tokens_and_a_new_one_takes_its_place() {
    let Some(settings) = sasl() else { return };
    let (endpoint, asked) = token_endpoint("client-secret-2").await;
    let of = |secret: &str| serde_json::json!({"clientId": "backup", "clientSecret": secret, "tokenEndpoint": endpoint, "scope": "kafka"});
    let (client, reads) = secrets_manager(vec![of("client-secret-1"), of("client-secret-2")]).await;
    let settings = with_secret(&with(&settings, &[("security.protocol", "SASL_PLAINTEXT")]), client);
    settings.login.prepare().await.unwrap();
    let source = source(&settings, "tokens");
    assert!(source.describe(&["absent".to_owned()]).await.unwrap().is_empty());
    assert_eq!((reads.load(Ordering::SeqCst), asked.load(Ordering::SeqCst) >= 2), (2, true));
}
