//! The cluster: its brokers, its properties, and how to log in.

use std::collections::BTreeMap;

use kafka::{KafkaSettings, Login};
use kernel::Secret;

use super::raw::Origin;
use super::read::{Reader, each};
use super::{names, properties};

type Properties = BTreeMap<String, Secret>;

/// Reads the keys of the cluster. `None` if a problem was recorded.
pub(super) fn cluster(read: &mut Reader<'_>) -> Option<KafkaSettings> {
    const WHY: &str = "write the brokers, for example kafka01:9092,kafka02:9092";
    if !read.is_set("BOOTSTRAP_SERVERS") {
        read.missing("BOOTSTRAP_SERVERS", WHY);
    }
    let brokers = each(read, "BOOTSTRAP_SERVERS", names::broker);
    let properties = properties::read(read);
    let msk_iam = read.optional("KAFKA_AUTH", auth);
    let secret = read.optional("KAFKA_SECRET_ARN", secret_arn);
    let ca = ca(read);
    let (brokers, mut properties) = (brokers?, properties?);
    let login = login(read, msk_iam?.is_some(), secret?, &brokers, &mut properties);
    let trusted = trust(read, ca?, &mut properties);
    trusted?;
    Some(KafkaSettings { bootstrap_servers: brokers.join(","), properties, login: login? })
}

fn auth(text: &str) -> Result<(), String> {
    match text.to_uppercase().replace('-', "_").as_str() {
        "MSK_IAM" => Ok(()),
        _ => Err("must be MSK_IAM; set any other login with security.protocol and sasl.* (KAFKA_PROPERTIES), or with \
            KAFKA_SECRET_ARN"
            .to_owned()),
    }
}

fn secret_arn(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(7, ':').collect();
    match parts[..] {
        ["arn", _, "secretsmanager", region, _, "secret", name] if !region.is_empty() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err("must be the ARN of a secret, arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME".to_owned()),
    }
}

/// How clients log in. Adds the properties that the login requires, and refuses those that
/// contradict it.
fn login(read: &mut Reader<'_>, msk_iam: bool, secret: Option<String>, brokers: &[String], properties: &mut Properties) -> Option<Login> {
    match (msk_iam, secret) {
        (false, None) => Some(Login::Properties),
        (true, Some(_)) => {
            read.refuse("KAFKA_SECRET_ARN", "contradicts KAFKA_AUTH=MSK_IAM, which uses no password: keep one");
            None
        }
        (true, None) => {
            let fits = sasl(read, "KAFKA_AUTH", properties, "OAUTHBEARER", &["OAUTHBEARER"], "sasl.oauthbearer.");
            let region = region(read, brokers);
            fits.then_some(Login::msk_iam(&region?))
        }
        (false, Some(arn)) => {
            let mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"];
            let fits = sasl(read, "KAFKA_SECRET_ARN", properties, "SCRAM-SHA-512", &mechanisms, "sasl.oauthbearer.");
            fits.then(|| Login::secret(&arn))
        }
    }
}

/// Sets the properties for SASL, over TLS unless they set otherwise. False if a problem was
/// recorded.
fn sasl(read: &mut Reader<'_>, key: &str, properties: &mut Properties, default: &str, mechanisms: &[&str], others: &str) -> bool {
    let protocol = properties.entry("security.protocol".to_owned()).or_insert_with(|| Secret::new("SASL_SSL")).reveal().to_uppercase();
    let alias = if properties.contains_key("sasl.mechanisms") { "sasl.mechanisms" } else { "sasl.mechanism" };
    let mechanism = properties.entry(alias.to_owned()).or_insert_with(|| Secret::new(default)).reveal().to_uppercase();
    let mut contradictions = Vec::new();
    if !protocol.starts_with("SASL_") {
        contradictions.push(format!("contradicts security.protocol={protocol}: remove that, or set it to SASL_SSL"));
    }
    if !mechanisms.contains(&mechanism.as_str()) {
        contradictions.push(format!("contradicts {alias}={mechanism}: remove that, or set it to {}", mechanisms.join(" or ")));
    }
    let login = properties.keys().filter(|name| ["sasl.username", "sasl.password"].contains(&name.as_str()) || name.starts_with(others));
    contradictions.extend(login.map(|name| format!("sets the login, and so does the property {name}: keep one")));
    contradictions.iter().for_each(|what| read.refuse(key, what));
    contradictions.is_empty()
}

/// The region in the names of MSK's brokers
/// (`b-1.orders.abcdef.c2.kafka.eu-central-1.amazonaws.com`), otherwise the function's own.
fn region(read: &mut Reader<'_>, brokers: &[String]) -> Option<String> {
    let named = brokers.iter().find_map(|broker| {
        let host = broker.rsplit_once(':').map_or(broker.as_str(), |(host, _)| host);
        let labels: Vec<&str> = host.split('.').collect();
        let at = labels.iter().position(|label| *label == "amazonaws")?;
        let service = at.checked_sub(2).and_then(|at| labels.get(at))?;
        ["kafka", "kafka-serverless"].contains(service).then(|| labels[at - 1].to_owned())
    });
    let own = read.optional("AWS_REGION", |region| Ok(region.to_owned()))?;
    let region = named.or(own);
    if region.is_none() {
        read.missing("AWS_REGION", "KAFKA_AUTH=MSK_IAM requires the cluster's region, which the brokers' names do not contain");
    }
    region
}

/// KAFKA_CA_PEM. Several lines, or `\n` in a variable that can hold only one line.
fn ca(read: &mut Reader<'_>) -> Option<Option<String>> {
    const SHAPE: &str = "must contain certificates in PEM, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----";
    let Some(entry) = read.raw().get("KAFKA_CA_PEM") else { return Some(None) };
    let text = entry.value.as_str().unwrap_or_default().replace("\\r", "").replace("\\n", "\n").replace('\r', "");
    let from: Origin = entry.origin.clone();
    let begins = text.matches("-----BEGIN ").count();
    let certificates = text.matches("-----BEGIN CERTIFICATE-----\n").count();
    if certificates == 0 || begins != certificates || text.matches("\n-----END CERTIFICATE-----").count() != certificates {
        // Without the value: it can be a key that was put there by mistake.
        read.problem(format!("KAFKA_CA_PEM ({from}): {SHAPE}"));
        return None;
    }
    Some(Some(text))
}

/// Trusts these authorities. `None` if a problem was recorded.
fn trust(read: &mut Reader<'_>, ca: Option<String>, properties: &mut Properties) -> Option<()> {
    let Some(ca) = ca else { return Some(()) };
    let tls = properties.get("security.protocol").is_some_and(|protocol| protocol.reveal().to_uppercase().ends_with("SSL"));
    let other = ["ssl.ca.pem", "ssl.ca.location"].into_iter().find(|name| properties.contains_key(*name));
    match other {
        Some(name) => read.problem(format!("KAFKA_CA_PEM: the property {name} has the same meaning: keep one")),
        None if !tls => {
            read.problem("KAFKA_CA_PEM: has an effect only with TLS: set KAFKA_SECURITY_PROTOCOL to SSL or SASL_SSL".to_owned())
        }
        None => {
            properties.insert("ssl.ca.pem".to_owned(), Secret::new(ca));
            return Some(());
        }
    }
    None
}
