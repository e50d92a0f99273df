//! Logins that change while clients live: tokens that expire, passwords that rotate.

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
use super::real::sasl;
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

/// A Secrets Manager with one secret, whose password changes at each reading, up to the last one.
async fn secrets_manager(passwords: Vec<String>) -> (Client, Arc<AtomicUsize>) {
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
            let secret = serde_json::json!({"username": "admin", "password": passwords[read.min(passwords.len() - 1)]}).to_string();
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

#[tokio::test]
async fn a_secret_is_read_once_until_the_cluster_refuses_it_and_then_again() {
    let Some(settings) = sasl() else { return };
    let password = std::env::var("TEST_KAFKA_ADMIN_PASSWORD").unwrap();
    let (client, reads) = secrets_manager(vec!["rotated-away".to_owned(), password]).await;
    let login = Login::Secret(Arc::new(SecretLogin::over("arn:aws:secretsmanager:eu-central-1:1:secret:kafka", client)));
    login.prepare().await.unwrap();
    login.prepare().await.unwrap();
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    let settings = logged_in(&settings, "PLAIN", login);
    let source = source(&settings, "rotation");
    assert!(source.describe(&["absent".to_owned()]).await.unwrap().is_empty());
    assert_eq!(reads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_client_made_before_the_secret_was_read_is_refused() {
    let login = Login::secret("arn:aws:secretsmanager:eu-central-1:1:secret:kafka");
    let settings = logged_in(&KafkaSettings { bootstrap_servers: "127.0.0.1:9".to_owned(), ..KafkaSettings::default() }, "PLAIN", login);
    let error = crate::RdKafkaTarget::connect(&settings, 1).unwrap_err();
    assert_eq!(error.kind, KafkaErrorKind::Config, "{error}");
}
