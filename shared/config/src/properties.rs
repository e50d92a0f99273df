//! KAFKA_PROPERTIES and KAFKA_* variables: any librdkafka property that breaks no promise of this
//! project.
//!
//! librdkafka validates names and values, so a property of a later version requires no change here.

use std::collections::BTreeMap;

use kafka::{COMMON_PROPERTIES, PropertyError, check_property, is_sensitive};
use kernel::Secret;
use serde_json::Value;

use super::json;
use super::raw::{Entry, Origin, Raw};
use super::read::{Reader, nearest, quote};
use super::variables::{KEY, is_variable, name_of};

/// Reads and validates all properties. `None` if a problem was recorded.
pub(super) fn read(read: &mut Reader<'_>) -> Option<BTreeMap<String, Secret>> {
    let mut properties = BTreeMap::new();
    let mut good = check_key(read);
    for property in written(read.raw()) {
        match property.check() {
            Ok(value) => _ = properties.insert(property.name, Secret::new(value)),
            Err(problem) => {
                read.problem(problem);
                good = false;
            }
        }
    }
    for (one, other) in ALIASES.iter().filter(|(one, other)| properties.contains_key(*one) && properties.contains_key(*other)) {
        read.problem(format!("{KEY}: {one} and {other} are two names of one property: keep one"));
        good = false;
    }
    good.then_some(properties)
}

/// A property as written, before validation.
pub(super) struct Written {
    pub(super) name: String,
    /// The variable or key that contains it.
    key: String,
    entry: Entry,
}

/// All properties, each name once. KAFKA_* variables take precedence over KAFKA_PROPERTIES.
pub(super) fn written(raw: &Raw) -> Vec<Written> {
    let mut found = BTreeMap::new();
    if let Some(entry) = raw.get(KEY) {
        for (name, value) in object(&entry.value).unwrap_or_default() {
            let entry = Entry { value, origin: entry.origin.clone() };
            found.insert(name.clone(), Written { name, key: KEY.to_owned(), entry });
        }
    }
    // The environment also takes precedence over a file if the two write a property in different
    // ways.
    let in_file = |entry: &Entry| entry.origin != Origin::Environment;
    let variables = raw.entries().filter(|(key, _)| is_variable(key));
    for (key, entry) in variables {
        let name = name_of(key);
        let beaten = found.get(&name).is_some_and(|other| in_file(entry) && !in_file(&other.entry));
        if !beaten {
            found.insert(name.clone(), Written { name, key: key.to_owned(), entry: entry.clone() });
        }
    }
    found.into_values().collect()
}

impl Written {
    /// The value for librdkafka. A single trailing newline is that of a file (a mounted secret), as
    /// with every other secret, and is removed. Certificates keep their newlines, and passwords
    /// their spaces.
    pub(super) fn text(&self) -> Option<String> {
        let text = json::scalar(&self.entry.value)?;
        let line = text.trim_end_matches(['\r', '\n']);
        Some(if line.contains('\n') { text } else { line.to_owned() })
    }

    fn check(&self) -> Result<String, String> {
        let Some(text) = self.text() else { return Err(self.problem("must be a text, a number, true or false")) };
        let lower = text.to_lowercase();
        if let Some(fixed) = FIXED.iter().find(|fixed| fixed.name == self.name && !fixed.allowed.contains(&lower.as_str())) {
            return Err(self.problem(&fixed.refusal()));
        }
        match check_property(&self.name, &text) {
            Ok(()) => Ok(text),
            Err(PropertyError::Unknown) => Err(self.unknown()),
            Err(PropertyError::Value(_)) if self.name.contains("jaas") => {
                Err(self.problem("is a property of Kafka's Java client; set sasl.username and sasl.password"))
            }
            Err(PropertyError::Value(_)) if is_sensitive(&self.name) => Err(self.problem("librdkafka refuses the value")),
            Err(PropertyError::Value(why)) => Err(self.problem(&why)),
        }
    }

    fn problem(&self, what: &str) -> String {
        let value = match self.text() {
            _ if is_sensitive(&self.name) => "***".to_owned(),
            Some(text) => quote(&text),
            // It can contain a secret, under any name: {"sasl": {"password": …}}.
            None => json::shape(&self.entry.value).to_owned(),
        };
        format!("{} = {value} ({}): {what}", self.label(), self.entry.origin)
    }

    /// Without the value, which can be a secret under a misspelt name.
    fn unknown(&self) -> String {
        let hint = match nearest(&self.name, COMMON_PROPERTIES.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => "unset it if it is meant for another program".to_owned(),
        };
        format!("{} ({}): librdkafka has no property {}; {hint}", self.label(), self.entry.origin, self.name)
    }

    fn label(&self) -> String {
        if self.key == KEY { format!("{KEY} {}", self.name) } else { self.key.clone() }
    }
}

fn check_key(read: &mut Reader<'_>) -> bool {
    let Some(entry) = read.raw().get(KEY) else { return true };
    let origin = entry.origin.clone();
    match object(&entry.value) {
        Ok(_) => true,
        Err(why) => {
            read.problem(format!("{KEY} ({origin}): {why}; write {{\"security.protocol\": \"SASL_SSL\"}}"));
            false
        }
    }
}

pub(super) fn object(value: &Value) -> Result<serde_json::Map<String, Value>, String> {
    match value {
        Value::Object(object) => Ok(object.clone()),
        Value::String(text) => json::parse_object(text),
        _ => Err("is not a JSON object".to_owned()),
    }
}

/// A property that this project sets.
pub(super) struct Fixed {
    pub(super) name: &'static str,
    /// Values that are equivalent to ours; others are refused.
    pub(super) allowed: &'static [&'static str],
    /// What to do instead, or which promise it would break.
    pub(super) why: &'static str,
}

impl Fixed {
    fn refusal(&self) -> String {
        if self.allowed.is_empty() { self.why.to_owned() } else { format!("must be {}: {}", self.allowed.join(" or "), self.why) }
    }
}

const fn fixed(name: &'static str, allowed: &'static [&'static str], why: &'static str) -> Fixed {
    Fixed { name, allowed, why }
}

#[rustfmt::skip] // one property, one row
pub(super) const FIXED: &[Fixed] = &[
    fixed("bootstrap.servers", &[], "use BOOTSTRAP_SERVERS"),
    fixed("metadata.broker.list", &[], "use BOOTSTRAP_SERVERS"),
    fixed("group.id", &[], "use GROUP_ID"),
    fixed("group.instance.id", &[], "partitions are assigned by hand; no invocation joins the group"),
    fixed("group.protocol", &[], "partitions are assigned by hand; no invocation joins the group"),
    fixed("isolation.level", &[], "use ISOLATION_LEVEL"),
    fixed("transactional.id", &[], "use RESTORE_ID; the transactional id names the restore and the partition"),
    fixed("auto.offset.reset", &["error"], "it is always error: a lost position is recorded as a gap, never skipped in silence"),
    fixed("enable.auto.commit", &["false"], "an offset is committed only after its segment is durable"),
    fixed("auto.commit.enable", &["false"], "an offset is committed only after its segment is durable"),
    fixed("enable.auto.offset.store", &["false"], "an offset is committed only after its segment is durable"),
    fixed("offset.store.method", &["broker"], "progress is stored in Kafka and in the bucket only"),
    fixed("enable.partition.eof", &["true"], "only this event marks the end of a partition"),
    fixed("check.crcs", &["true"], "records are checked before they are backed up"),
    fixed("api.version.request", &["true"], "without it brokers send an old record format, which has no headers"),
    fixed("api.version.fallback.ms", &["0"], "an old record format has no headers"),
    fixed("allow.auto.create.topics", &["false"], "a misspelt topic must be an error, not a new topic"),
    fixed("enable.idempotence", &["true"], "without it a retry can duplicate or reorder records"),
    fixed("acks", &["all", "-1"], "a record counts as restored when all in-sync replicas have it"),
    fixed("request.required.acks", &["all", "-1"], "a record counts as restored when all in-sync replicas have it"),
    fixed("queuing.strategy", &["fifo"], "records keep their order"),
    fixed("max.in.flight", &["5"], "a higher value would not keep the order of records"),
    fixed("max.in.flight.requests.per.connection", &["5"], "a higher value would not keep the order of records"),
    fixed("delivery.report.only.error", &["false"], "restore records the offsets of restored records"),
    fixed("message.max.bytes", &[], "it is as large as possible; the topic's own limit applies"),
    fixed("receive.message.max.bytes", &[], "it is as large as possible; the topic's own limit applies"),
    fixed("queue.buffering.max.kbytes", &[], "it is derived from the available memory; use MEMORY_LIMIT_MB"),
    fixed("queue.buffering.max.messages", &[], "it is derived from the available memory; use MEMORY_LIMIT_MB"),
    fixed("log.queue", &[], "this project reads librdkafka's log already; use LOG_LEVEL"),
    fixed("plugin.library.paths", &[], "plugins are not loaded"),
    fixed("test.mock.num.brokers", &[], "it replaces the cluster by an empty mock"),
];

/// Aliases. librdkafka takes whichever is set last, and these properties have no order.
const ALIASES: [(&str, &str); 9] = [
    ("sasl.mechanism", "sasl.mechanisms"),
    ("fetch.message.max.bytes", "max.partition.fetch.bytes"),
    ("linger.ms", "queue.buffering.max.ms"),
    ("message.send.max.retries", "retries"),
    ("compression.codec", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.id"),
    ("sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.client.secret"),
    ("acks", "request.required.acks"),
];
