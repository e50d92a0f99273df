//! The cluster: its brokers, its properties, and how to log in.

use std::collections::BTreeMap;

use kafka::{KafkaSettings, Login, is_certificates, lines_of_pem};
use kernel::Secret;

use super::raw::Origin;
use super::read::{Reader, each};
use super::{json, names, properties};

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
    let arn = read.optional("KAFKA_SECRET_ARN", secret_arn);
    let ca = ca(read);
    let (brokers, mut properties) = (brokers?, properties?);
    let way = way(read, msk_iam?.is_some(), arn?, &brokers, &mut properties);
    let trusted = trust(read, ca?, way.as_ref().is_some_and(Way::is_tls_by_default), &mut properties);
    trusted?;
    let login = way?.login(read, &properties)?;
    Some(KafkaSettings { bootstrap_servers: brokers.join(","), properties, login, patience: None })
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

/// The key that contains a secret.
const SECRET: &str = "KAFKA_SECRET";

/// How clients log in.
enum Way {
    Properties,
    MskIam { region: String },
    SecretsManager { arn: String },
    Secret { text: String, origin: Origin },
}

impl Way {
    fn is_tls_by_default(&self) -> bool {
        matches!(self, Self::SecretsManager { .. } | Self::Secret { .. })
    }

    fn login(self, read: &mut Reader<'_>, properties: &Properties) -> Option<Login> {
        match self {
            Self::Properties => Some(Login::Properties),
            Self::MskIam { region } => Some(Login::msk_iam(&region)),
            Self::SecretsManager { arn } => Some(Login::secret(&arn, properties)),
            Self::Secret { text, origin } => {
                let login = Login::given_secret(&text, properties);
                login.map_err(|what| read.problem(format!("{SECRET} ({origin}): {what}"))).ok()
            }
        }
    }
}

/// How clients log in; adds the properties that it takes and refuses those that contradict it.
fn way(read: &mut Reader<'_>, msk_iam: bool, arn: Option<String>, brokers: &[String], properties: &mut Properties) -> Option<Way> {
    let given =
        read.raw().get(SECRET).map(|entry| (json::scalar(&entry.value).unwrap_or_else(|| entry.value.to_string()), entry.origin.clone()));
    let secret = if arn.is_some() { "KAFKA_SECRET_ARN" } else { SECRET };
    match (msk_iam, arn, given) {
        (false, None, None) => Some(Way::Properties),
        (true, None, None) => {
            let fits = sasl(read, properties);
            let region = region(read, brokers);
            fits.then_some(Way::MskIam { region: region? })
        }
        (true, ..) => {
            read.refuse(secret, "contradicts KAFKA_AUTH=MSK_IAM, which uses no password: keep one");
            None
        }
        (false, Some(_), Some(_)) => {
            read.refuse(SECRET, "contradicts KAFKA_SECRET_ARN: keep one");
            None
        }
        (false, Some(arn), None) => fits_secret(read, secret, properties).then_some(Way::SecretsManager { arn }),
        (false, None, Some((text, origin))) => fits_secret(read, secret, properties).then_some(Way::Secret { text, origin }),
    }
}

/// Whether the properties leave the login to a secret, as far as can be said without reading it.
/// False when a problem was noted.
fn fits_secret(read: &mut Reader<'_>, key: &str, properties: &Properties) -> bool {
    const MECHANISMS: [&str; 4] = ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"];
    let mut contradictions = Vec::new();
    let of = |name: &str| properties.get(name).map(|value| value.reveal().to_uppercase());
    if of("security.protocol").is_some_and(|protocol| protocol == "PLAINTEXT") {
        contradictions.push("contradicts security.protocol=PLAINTEXT: remove that, or set it to SASL_SSL or SSL".to_owned());
    }
    for alias in ["sasl.mechanism", "sasl.mechanisms"] {
        let other = of(alias).filter(|mechanism| !MECHANISMS.contains(&mechanism.as_str()));
        contradictions.extend(
            other.map(|mechanism| format!("contradicts {alias}={mechanism}: remove that, or set it to {}", MECHANISMS.join(" or "))),
        );
    }
    contradictions.extend(both_log_in(properties, |name| ["sasl.username", "sasl.password"].contains(&name)));
    contradictions.iter().for_each(|what| read.refuse(key, what));
    contradictions.is_empty()
}

fn both_log_in(properties: &Properties, is_login: impl Fn(&str) -> bool) -> Vec<String> {
    let login = properties.keys().filter(|name| is_login(name));
    login.map(|name| format!("sets the login, and so does the property {name}: keep one")).collect()
}

/// Makes the properties those of MSK's tokens, over TLS unless told otherwise. False when a problem
/// was noted.
fn sasl(read: &mut Reader<'_>, properties: &mut Properties) -> bool {
    const KEY: &str = "KAFKA_AUTH";
    const MECHANISM: &str = "OAUTHBEARER";
    let protocol = properties.entry("security.protocol".to_owned()).or_insert_with(|| Secret::new("SASL_SSL")).reveal().to_uppercase();
    let alias = if properties.contains_key("sasl.mechanisms") { "sasl.mechanisms" } else { "sasl.mechanism" };
    let mechanism = properties.entry(alias.to_owned()).or_insert_with(|| Secret::new(MECHANISM)).reveal().to_uppercase();
    let mut contradictions = Vec::new();
    if !protocol.starts_with("SASL_") {
        contradictions.push(format!("contradicts security.protocol={protocol}: remove that, or set it to SASL_SSL"));
    }
    if mechanism != MECHANISM {
        contradictions.push(format!("contradicts {alias}={mechanism}: remove that, or set it to {MECHANISM}"));
    }
    let is_login = |name: &str| ["sasl.username", "sasl.password"].contains(&name) || name.starts_with("sasl.oauthbearer.");
    contradictions.extend(both_log_in(properties, is_login));
    contradictions.iter().for_each(|what| read.refuse(KEY, what));
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
    let text = lines_of_pem(entry.value.as_str().unwrap_or_default());
    let from: Origin = entry.origin.clone();
    if !is_certificates(&text) {
        // Without the value: what was put there by mistake can be a key.
        read.problem(format!("KAFKA_CA_PEM ({from}): {SHAPE}"));
        return None;
    }
    Some(Some(text))
}

/// Trusts these authorities. `None` when a problem was noted.
fn trust(read: &mut Reader<'_>, ca: Option<String>, is_tls_by_default: bool, properties: &mut Properties) -> Option<()> {
    let Some(ca) = ca else { return Some(()) };
    let tls = properties.get("security.protocol").map_or(is_tls_by_default, |protocol| protocol.reveal().to_uppercase().ends_with("SSL"));
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
