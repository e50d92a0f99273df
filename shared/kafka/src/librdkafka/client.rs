//! From settings to client instances.
//!
//! Properties are set in three rounds, and the last one takes precedence: defaults for this
//! project's work, the user's properties, and the properties that this project's promises require.
//! (The crate `config` refuses the latter from users, with the reason.)

use std::sync::Arc;
use std::time::Duration;

use kernel::Secret;

use super::attend::attend;
use super::backlog::Batch;
use super::errors::THREADS_ADVICE;
use super::native::{self, Code, Conf, Failure, Handle, Kind};
use super::observer::Observer;
use crate::is_sensitive;
use crate::login::{Credentials, Login};
use crate::{Delivery, Isolation, KafkaError, KafkaErrorKind, KafkaSettings, Result};

/// Fewer requests and a quieter log. A lost connection is restored soon: invocations are short.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "kafka-backup"),
    // A function is idle between its invocations, and network devices (a NAT, Azure's load
    // balancer) silently drop idle connections after 240 to 350 seconds. librdkafka would keep them
    // permanently. So connections are closed cleanly before, and opened again.
    ("connections.max.idle.ms", "180000"),
    ("enable.metrics.push", "false"),
    // Nothing else reports why a connection ended. The observer reads these lines and keeps them
    // out of the log.
    ("log.connection.close", "true"),
    // When all brokers were replaced and none is reachable, the bootstrap servers are asked again
    // after this time.
    ("metadata.recovery.rebootstrap.trigger.ms", "30000"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
];

/// How long a connection may take, TLS and login included.
const CONNECTING: &str = "socket.connection.setup.timeout.ms";

const READING_DEFAULTS: &[(&str, &str)] = &[
    // How long a broker waits before it returns an empty response. The end of a partition is known
    // only after this, and requests for other partitions of the same broker wait meanwhile. Reading
    // stops soon after the end of a partition, so frequent requests cost little.
    ("fetch.wait.max.ms", "10"),
    // How soon a full queue is checked again. With librdkafka's default, a second would be idle
    // after each emptying of a small queue.
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.error.backoff.ms", "100"),
    // Small records use more memory in librdkafka's bookkeeping than in bytes, so their number is
    // limited too.
    ("queued.min.messages", "20000"),
];

const READING: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "false"),
    ("auto.commit.enable", "false"),
    ("auto.offset.reset", "error"),
    ("check.crcs", "true"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
    // The largest response of a broker: a record of any size is read.
    ("receive.message.max.bytes", "2147483647"),
];

const WRITING_DEFAULTS: &[(&str, &str)] = &[
    // A restored topic should not use several times the space and the traffic of the original; lz4
    // is the cheapest codec that every broker supports.
    ("compression.codec", "lz4"),
    // Batches are complete (`backlog.rs`), and partial ones are sent when they are waited for
    // (`nudges.rs`). A thread with records older than this spins until it can send them. Shorter if
    // batches are not complete: see `LINGER_SPREAD`.
    ("linger.ms", "60000"),
    (KafkaSettings::TRANSACTION_TIMEOUT.0, KafkaSettings::TRANSACTION_TIMEOUT.1),
];

/// The default of `linger.ms` in milliseconds.
const LINGER: u128 = 60_000;
/// The default for a writer of many partitions: they can fill the queue without a complete batch of
/// any.
const LINGER_SPREAD: u128 = 20;

const WRITING: &[(&str, &str)] = &[
    ("acks", "all"),
    // A topic that was deleted during a restore stays deleted, even if the brokers would create it
    // for a producer.
    ("allow.auto.create.topics", "false"),
    ("delivery.report.only.error", "false"),
    ("enable.idempotence", "true"),
    // The broker keeps the order of records for up to five.
    ("max.in.flight", "5"),
    // The topic's own limit applies.
    ("message.max.bytes", "1000000000"),
    // The queue is limited by bytes here (`native/producer.rs`), so that one larger record still
    // passes.
    ("queue.buffering.max.kbytes", "2147483647"),
    ("queue.buffering.max.messages", "0"),
];

/// Names of the properties that this project's promises require: the configuration refuses them
/// from users.
pub fn own_properties() -> impl Iterator<Item = &'static str> {
    READING.iter().chain(WRITING).map(|(name, _)| *name)
}

/// Names of the properties that users may set, and clients have a default for.
pub fn default_properties() -> impl Iterator<Item = &'static str> {
    DEFAULTS.iter().chain(READING_DEFAULTS).chain(WRITING_DEFAULTS).map(|(name, _)| *name)
}

/// A client for requests about topics, and about `group` if there is one. It never joins the group.
/// `which_requests`: it learns which requests the brokers support ([`Signs`](super::signs::Signs)).
pub(super) fn asking(settings: &KafkaSettings, group: Option<&str>, which_requests: bool) -> Result<Arc<Handle>> {
    let mut fixed = READING.to_vec();
    fixed.extend(which_requests.then_some(("debug", "feature")));
    // Waits for offsets that a transaction is about to change.
    fixed.push(("isolation.level", "read_committed"));
    fixed.extend(group.map(|group| ("group.id", group)));
    start(Kind::Consumer, settings, &[], &[], &fixed)
}

/// A client that reads records. `prefetch` limits the bytes that are prefetched per partition, and
/// `unpacked` the memory of a response for one partition.
pub(super) fn reading(settings: &KafkaSettings, isolation: Isolation, prefetch: usize, unpacked: usize) -> Result<Arc<Handle>> {
    read_with(settings, isolation, (prefetch, unpacked), &[])
}

fn read_with(
    settings: &KafkaSettings,
    isolation: Isolation,
    (prefetch, unpacked): (usize, usize),
    more: Properties<'_>,
) -> Result<Arc<Handle>> {
    let level = match isolation {
        Isolation::ReadCommitted => "read_committed",
        Isolation::ReadUncommitted => "read_uncommitted",
    };
    let kilobytes = (prefetch / 1000).clamp(1, 2_097_151).to_string();
    let (fetch, response) = sizes(prefetch, unpacked);
    let (fetch, response) = (fetch.to_string(), response.to_string());
    let sized = [
        ("queued.max.messages.kbytes", kilobytes.as_str()),
        ("fetch.message.max.bytes", &fetch),
        // librdkafka requires the limit not to be below it.
        ("message.max.bytes", "131072"),
        ("fetch.max.bytes", &response),
    ];
    let mut fixed = READING.to_vec();
    fixed.push(("isolation.level", level));
    fixed.extend(more);
    start(Kind::Consumer, settings, READING_DEFAULTS, &sized, &fixed)
}

/// A client that reads records to learn how librdkafka reads them (`probe.rs`), and holds
/// `prefetch` bytes of them.
pub(super) fn probing(settings: &KafkaSettings, isolation: Isolation, prefetch: usize) -> Result<Arc<Handle>> {
    read_with(settings, isolation, (prefetch, prefetch), &[("debug", "protocol")])
}

/// Limits of a broker's response: per partition, and in total.
fn sizes(prefetch: usize, unpacked: usize) -> (usize, usize) {
    // Compressed: the decompressed response stays within its limit even if its records compress to
    // a five hundredth. A larger batch arrives alone. A broker is asked again only after its
    // response, so with the latency this limits the throughput.
    let fetch = (unpacked / 512).clamp(16 << 10, 1 << 20);
    // librdkafka doubles its requests for a partition as long as the responses contain no records
    // (all of an aborted transaction), and never reduces them again: up to this size of a response,
    // at which aborted records are skipped quickly.
    (fetch, (prefetch / 64).clamp(128 << 10, 8 << 20).max(fetch))
}

/// A client that writes; `spreads`: to many partitions. A transaction may be open for `timeout`,
/// which is not more than the settings say.
pub(super) fn writing(
    settings: &KafkaSettings,
    id: &str,
    delivery: Delivery,
    (batch, spreads): (Batch, bool),
    timeout: Duration,
) -> Result<Arc<Handle>> {
    let (bytes, records, millis) = (batch.bytes.to_string(), batch.records.to_string(), timeout.as_millis().to_string());
    let linger = linger(settings, spreads, timeout).map(|linger| linger.to_string());
    let mut sized = vec![("batch.size", bytes.as_str()), ("batch.num.messages", records.as_str())];
    sized.extend(linger.as_deref().map(|linger| ("linger.ms", linger)));
    let mut fixed = WRITING.to_vec();
    fixed.push(match delivery {
        Delivery::ExactlyOnce => ("transactional.id", id),
        // One batch at a time. With several, if a new leader refuses a sequence number, librdkafka
        // starts a new epoch and sends again what the old leader had accepted (its issue 4953). In
        // a transaction that ends in an abort.
        Delivery::AtLeastOnce => ("max.in.flight", "1"),
    });
    if timeout < settings.transaction_timeout() {
        fixed.push((KafkaSettings::TRANSACTION_TIMEOUT.0, &millis));
        // librdkafka requires these not to be longer.
        let is_longer = |name: &str| {
            settings.properties.get(name).is_some_and(|set| set.reveal().parse().is_ok_and(|set: u128| set > timeout.as_millis()))
        };
        let longer = ["socket.timeout.ms", "message.timeout.ms", "delivery.timeout.ms"].into_iter().filter(|name| is_longer(name));
        fixed.extend(longer.map(|name| (name, millis.as_str())));
    }
    start(Kind::Producer, settings, WRITING_DEFAULTS, &sized, &fixed)
}

/// `linger.ms` if our default is too long: librdkafka requires it to be shorter than records may
/// take (`message.timeout.ms`, which is not longer than a transaction).
fn linger(settings: &KafkaSettings, spreads: bool, timeout: Duration) -> Option<u128> {
    let millis = |name: &str| settings.properties.get(name).and_then(|set| set.reveal().parse::<u128>().ok()).filter(|millis| *millis > 0);
    let set = ["message.timeout.ms", "delivery.timeout.ms"].into_iter().filter_map(millis);
    let shortest = set.chain([timeout.as_millis()]).min()?;
    let most = if spreads { LINGER_SPREAD } else { LINGER };
    Some(most.min(shortest / 2)).filter(|linger| *linger < LINGER)
}

type Properties<'a> = &'a [(&'a str, &'a str)];

fn start(
    kind: Kind,
    settings: &KafkaSettings,
    defaults: Properties<'_>,
    sized: Properties<'_>,
    fixed: Properties<'_>,
) -> Result<Arc<Handle>> {
    let mut conf = Conf::new();
    let servers = [("bootstrap.servers", settings.bootstrap_servers.as_str())];
    for (name, value) in [DEFAULTS, defaults, sized].into_iter().flatten() {
        conf.set(name, value).map_err(|reason| refused(name, reason))?;
    }
    if let Some(patience) = settings.patience {
        let millis = patience.as_millis().to_string();
        conf.set(CONNECTING, &millis).map_err(|reason| refused(CONNECTING, reason))?;
    }
    for (name, value) in &settings.properties {
        conf.set(name, value.reveal()).map_err(|reason| refused(name, hide(name, reason)))?;
    }
    let login = settings.login.credentials()?;
    for (name, value) in login.iter().flat_map(Credentials::properties) {
        conf.set(name, value.reveal()).map_err(|_| refused(name, "librdkafka refused its value".to_owned()))?;
    }
    for (name, value) in fixed.iter().chain(&servers) {
        conf.set(name, value).map_err(|reason| refused(name, reason))?;
    }
    let hidden = secrets(settings).into_iter().chain(login.iter().flat_map(Credentials::masked).cloned()).collect();
    let observer = Observer::new(hidden, matches!(settings.login, Login::Secret(_)));
    let observer = Arc::new(observer.giving_up_after(settings.patience));
    let handle = native::start(kind, conf, observer, matches!(settings.login, Login::Tokens(_)))
        .map_err(|failure| not_started(settings, failure))?;
    attend(&settings.login, &handle)?;
    Ok(handle)
}

/// Properties contradict each other, or a file cannot be read; or there are not enough threads,
/// which is transient.
fn not_started(settings: &KafkaSettings, failure: Failure) -> KafkaError {
    let kind = if failure.code == Code::CRIT_SYS_RESOURCE { KafkaErrorKind::Unavailable } else { KafkaErrorKind::Config };
    let what = match kind {
        KafkaErrorKind::Unavailable => format!("cannot start a client: {}. {THREADS_ADVICE}", failure.text),
        _ => failure.text.clone(),
    };
    KafkaError::new(kind, &settings.bootstrap_servers, what).caused_by(failure)
}

fn refused(name: &str, reason: String) -> KafkaError {
    KafkaError::new(KafkaErrorKind::Config, format!("Kafka property {name}"), reason)
}

/// librdkafka's reasons quote the value.
fn hide(name: &str, reason: String) -> String {
    if is_sensitive(name) { "librdkafka refused the value".to_owned() } else { reason }
}

/// Values that must not appear in a log line. Masking very short ones would mask harmless text.
fn secrets(settings: &KafkaSettings) -> Vec<Secret> {
    let secret = |(name, value): &(&String, &Secret)| is_sensitive(name) && value.reveal().len() >= 4;
    settings.properties.iter().filter(secret).map(|(_, value)| value.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_linger_for_less_than_they_may_take() {
        let of = |name: &str, millis: &str, timeout: u64| {
            let properties = [(name.to_owned(), Secret::new(millis))].into();
            let settings = KafkaSettings { properties, ..KafkaSettings::default() };
            [false, true].map(|spreads| linger(&settings, spreads, Duration::from_millis(timeout)))
        };
        assert!(WRITING_DEFAULTS.contains(&("linger.ms", LINGER.to_string().as_str())));
        assert_eq!(of("client.id", "restore", 300_000), [None, Some(20)]);
        assert_eq!(of("message.timeout.ms", "0", 300_000), [None, Some(20)], "no limit");
        assert_eq!(of("message.timeout.ms", "5000", 300_000), [Some(2_500), Some(20)]);
        assert_eq!(of("delivery.timeout.ms", "300000", 1_000), [Some(500), Some(20)]);
    }

    /// In the smallest function, where a response and the queue have the same limit; in a larger
    /// one, where the queue has its maximum; and where a response has. The numbers are those in the
    /// tests of `host::Budget` for 128, 512, 1,769 and 10,240 MiB.
    #[test]
    fn what_a_broker_sends_at_once_grows_with_the_memory() {
        let of = |queue, response| {
            let (fetch, response) = sizes(queue, response);
            (fetch >> 10, response >> 10)
        };
        let found = [of(18_454_937, 18_454_937), of(33_554_432, 98_985_574), of(33_554_432, 362_597_580), of(33_554_432, 2_139_095_040)];
        assert_eq!(found, [(35, 281), (188, 512), (691, 691), (1024, 1024)]);
    }
}
