//! What a secret contains, and which of it logs in.

use std::collections::{BTreeMap, BTreeSet};

use kernel::Secret;
use serde_json::Value;

/// The fields of a secret, and the properties of librdkafka that they become. Other fields are
/// ignored.
const FIELDS: [(&str, &str); 11] = [
    ("username", "sasl.username"),
    ("password", "sasl.password"),
    ("certificate", "ssl.certificate.pem"),
    ("privateKey", "ssl.key.pem"),
    ("privateKeyPassword", "ssl.key.password"),
    ("ca", "ssl.ca.pem"),
    ("clientId", "sasl.oauthbearer.client.id"),
    ("clientSecret", "sasl.oauthbearer.client.secret"),
    ("tokenEndpoint", "sasl.oauthbearer.token.endpoint.url"),
    ("scope", "sasl.oauthbearer.scope"),
    ("extensions", "sasl.oauthbearer.extensions"),
];
/// Fields whose values are masked in the log. The others are public, or so short that their text is
/// in many harmless lines.
const MASKED: [&str; 6] = ["password", "certificate", "privateKey", "privateKeyPassword", "clientId", "clientSecret"];

const PASSWORD: [&str; 2] = ["username", "password"];
const CERTIFICATE: [&str; 2] = ["certificate", "privateKey"];
const TOKEN: [&str; 3] = ["clientId", "clientSecret", "tokenEndpoint"];
const SHAPES: &str = r#"{"username": "…", "password": "…"}, {"certificate": "…", "privateKey": "…"} or {"clientId": "…", "clientSecret": "…", "tokenEndpoint": "…"}"#;

/// Other properties that say the same as a field, each with one that the field becomes.
const SAME: [(&str, &str); 10] = [
    ("ssl.certificate.pem", "ssl.certificate.location"),
    ("ssl.certificate.pem", "ssl.keystore.location"),
    ("ssl.key.pem", "ssl.key.location"),
    ("ssl.ca.pem", "ssl.ca.location"),
    ("ssl.ca.pem", "ssl.ca.certificate.stores"),
    ("sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"),
    ("sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"),
    ("sasl.oauthbearer.method", "sasl.oauthbearer.method"),
    ("sasl.oauthbearer.method", "sasl.oauthbearer.config"),
    ("sasl.oauthbearer.method", "enable.sasl.oauthbearer.unsecure.jwt"),
];

/// A login as properties of librdkafka. Its `Debug` shows names only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    properties: BTreeMap<&'static str, Secret>,
}

impl Credentials {
    /// Chooses from the text of a secret what `security.protocol` and `sasl.mechanism` of
    /// `properties` need. Where those are absent, the secret decides, with TLS and SCRAM-SHA-512.
    ///
    /// # Errors
    /// What is missing or contradicts: names of fields and properties, and never a value of the
    /// secret.
    pub(super) fn choose(text: &str, properties: &BTreeMap<String, Secret>) -> Result<Self, String> {
        let held = parse(text)?;
        let chosen = Choice::new(&held, properties)?;
        let mut problems = chosen.missing(&held);
        problems.extend(malformed(&held, &chosen.fields));
        let mut login = BTreeMap::from([("security.protocol", chosen.protocol.to_owned())]);
        login.extend(chosen.mechanism.map(|mechanism| ("sasl.mechanism", mechanism)));
        if chosen.fields.contains("clientId") {
            login.insert("sasl.oauthbearer.method", "oidc".to_owned());
        }
        login.extend(FIELDS.iter().filter(|(field, _)| chosen.fields.contains(field)).filter_map(|(field, property)| {
            let value = held.get(field)?.clone();
            Some((*property, value))
        }));
        problems.extend(login.keys().flat_map(|name| twice(name, properties)));
        if problems.is_empty() {
            Ok(Self { properties: login.into_iter().map(|(name, value)| (name, Secret::new(value))).collect() })
        } else {
            Err(problems.join("; "))
        }
    }

    /// As librdkafka takes them.
    pub(crate) fn properties(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        self.properties.iter().map(|(name, value)| (*name, value))
    }

    /// What must not appear in a log.
    pub(crate) fn masked(&self) -> impl Iterator<Item = &Secret> {
        let masked = FIELDS.iter().filter(|(field, _)| MASKED.contains(field));
        masked.filter_map(|(_, property)| self.properties.get(property))
    }

    /// User and password, if `before` differs from these in nothing else: a client that lives can
    /// take them.
    pub(crate) fn password_instead_of(&self, before: &Self) -> Option<(&str, &Secret)> {
        let without = |of: &Self| {
            let others = of.properties.iter().filter(|(name, _)| !["sasl.username", "sasl.password"].contains(name));
            others.map(|(name, value)| (*name, value.clone())).collect::<Vec<_>>()
        };
        let (user, password) = (self.properties.get("sasl.username")?, self.properties.get("sasl.password")?);
        (without(self) == without(before)).then_some((user.reveal(), password))
    }
}

/// Every value of such a secret that must not appear in a log, whether or not the secret is good.
pub fn values_of_secret(text: &str) -> Vec<Secret> {
    let held = parse(text).unwrap_or_default();
    let values = MASKED.iter().filter_map(|field| held.get(field).cloned());
    std::iter::once(text.to_owned()).chain(values).map(Secret::new).collect()
}

/// PEM with its line ends, where `\n` stood for them.
pub fn lines_of_pem(text: &str) -> String {
    text.replace("\\r", "").replace("\\n", "\n").replace('\r', "")
}

/// Whether a text is certificates in PEM, and nothing else.
pub fn is_certificates(text: &str) -> bool {
    let begins = text.matches("-----BEGIN ").count();
    let certificates = text.matches("-----BEGIN CERTIFICATE-----\n").count();
    certificates > 0 && begins == certificates && text.matches("\n-----END CERTIFICATE-----").count() == certificates
}

type Held = BTreeMap<&'static str, String>;

/// The fields that have a value. Without the text in an error: that is the secret.
fn parse(text: &str) -> Result<Held, String> {
    let shape = || format!("the secret must contain a JSON object such as {SHAPES}, and it does not");
    if text.trim_start().starts_with("@Microsoft.KeyVault(") {
        return Err("is a reference to Key Vault that the platform did not resolve. Compare the names of the vault and the secret, and give the app's \
                    identity the role Key Vault Secrets User"
            .to_owned());
    }
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return Err(shape()) };
    let mut held = Held::new();
    for (field, _) in FIELDS {
        let value = match object.get(field) {
            None | Some(Value::Null) => continue,
            Some(Value::String(value)) => value.clone(),
            Some(Value::Object(pairs)) if field == "extensions" => pairs_of(pairs).ok_or("the secret's extensions must be texts")?,
            Some(_) => return Err(format!("the secret's {field} must be a text")),
        };
        if value.contains('\0') {
            return Err(format!("the secret's {field} contains a NUL"));
        }
        let value = match field {
            "certificate" | "privateKey" | "ca" => lines_of_pem(&value),
            // A line break at the end is that of the file which the secret was made of.
            _ => value.trim_end_matches(['\r', '\n']).to_owned(),
        };
        if !value.is_empty() {
            held.insert(field, value);
        }
    }
    Ok(held)
}

fn pairs_of(pairs: &serde_json::Map<String, Value>) -> Option<String> {
    let pairs: Option<Vec<String>> = pairs.iter().map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    pairs.map(|pairs| pairs.join(","))
}

/// How to log in.
struct Choice {
    /// `security.protocol`, in capitals.
    protocol: &'static str,
    /// As it was written, if the protocol is one of SASL.
    mechanism: Option<String>,
    /// The fields that are used, if they are there.
    fields: BTreeSet<&'static str>,
    /// What asks for fields, and which ones.
    needs: Vec<(String, &'static [&'static str])>,
}

impl Choice {
    fn new(held: &Held, properties: &BTreeMap<String, Secret>) -> Result<Self, String> {
        let property = |name: &str| properties.get(name).map(Secret::reveal);
        let has = |fields: &[&str]| fields.iter().any(|field| held.contains_key(field));
        let set = property("sasl.mechanism").or_else(|| property("sasl.mechanisms"));
        let is_sasl = set.is_some() || has(&PASSWORD) || has(&TOKEN);
        let protocol = match property("security.protocol").map(str::to_uppercase).as_deref() {
            None if is_sasl => "SASL_SSL",
            None | Some("SSL") => "SSL",
            Some("SASL_SSL") => "SASL_SSL",
            Some("SASL_PLAINTEXT") => "SASL_PLAINTEXT",
            Some(_) => return Err("contradicts security.protocol=PLAINTEXT: take that out".to_owned()),
        };
        let mut choice = Self { protocol, mechanism: None, fields: BTreeSet::new(), needs: Vec::new() };
        if protocol.starts_with("SASL_") {
            choice.log_in(set, has(&PASSWORD), has(&TOKEN))?;
        }
        if protocol == "SSL" && !has(&CERTIFICATE) && property("security.protocol").is_none() {
            return Err(format!("the secret contains no login: it must have {SHAPES}"));
        }
        if protocol == "SSL" || has(&CERTIFICATE) || held.contains_key("privateKeyPassword") {
            choice.need(format!("a client certificate with security.protocol={protocol}"), &CERTIFICATE, &["privateKeyPassword"]);
        }
        choice.fields.insert("ca");
        if protocol == "SASL_PLAINTEXT" && has(&["certificate", "privateKey", "privateKeyPassword", "ca"]) {
            return Err(
                "the secret's certificate, privateKey and ca need TLS: set security.protocol to SASL_SSL, or take them out".to_owned()
            );
        }
        Ok(choice)
    }

    fn log_in(&mut self, set: Option<&str>, has_password: bool, has_token: bool) -> Result<(), String> {
        let mechanism = match set {
            Some(mechanism) => mechanism,
            None if has_password && has_token => {
                return Err(
                    "the secret contains username or password, and clientId, clientSecret or tokenEndpoint: set sasl.mechanism to choose"
                        .to_owned(),
                );
            }
            None if has_token => "OAUTHBEARER",
            None => "SCRAM-SHA-512",
        };
        let why = format!("sasl.mechanism={mechanism}");
        match mechanism.to_uppercase().as_str() {
            "OAUTHBEARER" => self.need(why, &TOKEN, &["scope", "extensions"]),
            _ => self.need(why, &PASSWORD, &[]),
        }
        self.mechanism = Some(mechanism.to_owned());
        Ok(())
    }

    fn need(&mut self, why: String, fields: &'static [&'static str], others: &[&'static str]) {
        self.fields.extend(fields.iter().chain(others));
        self.needs.push((why, fields));
    }

    fn missing(&self, held: &Held) -> Vec<String> {
        let mut problems = Vec::new();
        for (why, fields) in &self.needs {
            let missing: Vec<&str> = fields.iter().filter(|field| !held.contains_key(**field)).copied().collect();
            if !missing.is_empty() {
                problems.push(format!(
                    "the secret has no {}, or an empty one: {why} needs {}",
                    missing.join(" and no "),
                    fields.join(", ")
                ));
            }
        }
        let is_encrypted = held.get("privateKey").is_some_and(|key| key.contains("ENCRYPTED"));
        if self.fields.contains("privateKey") && is_encrypted && !held.contains_key("privateKeyPassword") {
            problems.push("the secret has no privateKeyPassword: its privateKey is encrypted".to_owned());
        }
        problems
    }
}

/// What is not PEM.
fn malformed(held: &Held, fields: &BTreeSet<&'static str>) -> Vec<String> {
    let used = |field: &str| held.get(field).filter(|_| fields.contains(field));
    let is_key =
        |text: &str| text.lines().filter(|line| line.starts_with("-----BEGIN ") && line.ends_with("PRIVATE KEY-----")).count() == 1;
    let mut problems = Vec::new();
    for field in ["certificate", "ca"] {
        if used(field).is_some_and(|text| !is_certificates(text)) {
            problems.push(format!(
                "the secret's {field} must be certificates in PEM, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, with line ends or \\n"
            ));
        }
    }
    if used("privateKey").is_some_and(|text| !is_key(text)) {
        problems.push(
            "the secret's privateKey must be one private key in PEM, from -----BEGIN PRIVATE KEY-----, with line ends or \\n".to_owned(),
        );
    }
    problems
}

/// What the configuration says of the same.
fn twice(name: &'static str, properties: &BTreeMap<String, Secret>) -> Vec<String> {
    let others = SAME.iter().filter(|(property, _)| *property == name).map(|(_, other)| *other);
    let own = (!["security.protocol", "sasl.mechanism", "sasl.oauthbearer.method"].contains(&name)).then_some(name);
    let both = own.into_iter().chain(others).filter(|other| properties.contains_key(*other));
    both.map(|other| format!("the secret says the same as the property {other}: keep one")).collect()
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
