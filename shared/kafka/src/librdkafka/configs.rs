//! Configs of topics, for source, target and administration.

use std::collections::{BTreeMap, BTreeSet};

use super::errors::{self, Doing, few_of};
use super::native::{Code, ConfigEntry, Failure};
use super::tries::Asker;
use crate::{KafkaErrorKind, Result, TopicConfigs};

/// Topics per request: a response has some kilobytes for each.
const BATCH: usize = 200;

/// DescribeConfigs of a topic: the entries for which `wanted` is true, given whether they are its
/// own. `None` if the cluster does not report them, or not to this user: neither backup nor restore
/// depends on them.
pub(super) async fn of_topic(asker: &Asker, topic: &str, wanted: fn(bool) -> bool) -> Result<Option<BTreeMap<String, String>>> {
    let mut tries = asker.tries(topic, Doing::DescribeConfigs);
    let name = [topic.to_owned()];
    loop {
        let entries = match tries.handle().describe_configs(&name, tries.limit()).await {
            Ok(mut described) => described.remove(topic).unwrap_or(Ok(Vec::new())),
            Err(failure) => Err(failure),
        };
        match entries {
            Ok(entries) => {
                let some = entries.into_iter().filter(|entry| wanted(entry.own) || is_more_than_the_default(entry));
                return Ok(Some(some.map(|entry| (entry.name, entry.value)).collect()));
            }
            Err(failure) => match errors::kind(&failure) {
                KafkaErrorKind::Unsupported => return Ok(None),
                KafkaErrorKind::Denied => {
                    tracing::warn!("continuing without the topic's configs: {}", tries.error(failure));
                    return Ok(None);
                }
                _ => tries.again(failure).await?,
            },
        }
    }
}

/// DescribeConfigs of each of these topics that exists, or why the cluster refuses it. One request
/// per [`BATCH`].
///
/// # Errors
/// No broker responds, or the cluster does not support the request.
pub(super) async fn of_topics(asker: &Asker, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
    let once: BTreeSet<&String> = topics.iter().collect();
    let once: Vec<String> = once.into_iter().cloned().collect();
    let mut found = BTreeMap::new();
    for batch in once.chunks(BATCH) {
        found.extend(of_batch(asker, batch).await?);
    }
    Ok(found)
}

/// Broker configs with several names that apply to topics without their own value. Kafka 4.1 omits
/// them from the description of a topic. The first one that a broker has applies.
const SEVERAL_NAMES: [(&str, &[&str]); 4] = [
    ("retention.ms", &["log.retention.ms", "log.retention.minutes", "log.retention.hours"]),
    ("segment.ms", &["log.roll.ms", "log.roll.hours"]),
    ("segment.jitter.ms", &["log.roll.jitter.ms", "log.roll.jitter.hours"]),
    ("flush.ms", &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]),
];

/// Adds what topics inherit, if their descriptions omit it. A request or two if something is
/// missing. It stays absent if the cluster does not report it, or not to this user (it requires
/// DescribeConfigs on the cluster).
///
/// # Errors
/// No broker responds.
pub(super) async fn add_inherited(asker: &Asker, topics: &mut BTreeMap<String, Result<TopicConfigs>>) -> Result<()> {
    let lacks = |topic: &TopicConfigs, name: &str| topic.own.contains_key(name) && !topic.inherited.contains_key(name);
    let is_lacking = |topic: &TopicConfigs| SEVERAL_NAMES.iter().any(|(name, _)| lacks(topic, name));
    if !topics.values().flatten().any(is_lacking) {
        return Ok(());
    }
    let Some(broker) = any_broker(asker).await? else { return Ok(()) };
    for topic in topics.values_mut().flatten() {
        for (name, of_broker) in SEVERAL_NAMES.iter().filter(|(name, _)| lacks(topic, name)).collect::<Vec<_>>() {
            let held = of_broker.iter().find_map(|of_broker| in_millis(name, of_broker, broker.get(*of_broker)?));
            topic.inherited.extend(held.map(|value| ((*name).to_owned(), value)));
        }
    }
    Ok(())
}

/// Configs of one of the brokers; `None` if the cluster does not report them, or not to this user.
async fn any_broker(asker: &Asker) -> Result<Option<BTreeMap<String, String>>> {
    let mut tries = asker.tries("the cluster", Doing::DescribeConfigs);
    loop {
        let (handle, limit) = (tries.handle(), tries.limit());
        let described = match handle.describe_cluster(false, limit).await {
            Ok(cluster) => match cluster.brokers.first() {
                Some(broker) => handle.describe_broker_configs(broker.id, limit).await,
                None => return Ok(None),
            },
            Err(failure) => Err(failure),
        };
        match described {
            Ok(entries) => return Ok(Some(entries.into_iter().map(|entry| (entry.name, entry.value)).collect())),
            Err(failure) => match errors::kind(&failure) {
                KafkaErrorKind::Denied | KafkaErrorKind::Unsupported => {
                    tracing::debug!("continuing without the brokers' defaults for topics: {failure}");
                    return Ok(None);
                }
                _ => tries.again(failure).await?,
            },
        }
    }
}

async fn of_batch(asker: &Asker, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
    let mut tries = asker.tries(few_of(topics.iter().map(String::as_str).collect()), Doing::DescribeConfigs);
    let mut described = loop {
        let described = match tries.handle().describe_configs(topics, tries.limit()).await {
            Ok(described) => described,
            Err(failure) => {
                tries.again(failure).await?;
                continue;
            }
        };
        let passing =
            described.values().filter_map(|topic| topic.as_ref().err()).find(|failure| errors::is_transient(failure.code)).cloned();
        let Some(failure) = passing else { break described };
        if tries.again(failure).await.is_err() {
            break described;
        }
    };
    let of = |topic: &String| {
        let configs = match described.remove(topic) {
            Some(Ok(entries)) => Ok(split(entries)),
            Some(Err(failure)) if errors::kind(&failure) == KafkaErrorKind::UnknownTopic => return None,
            Some(Err(failure)) => Err(tries.error_of(topic, failure)),
            None => Err(tries.error_of(topic, Failure::new(Code::FAIL, "the cluster's response omits the topic"))),
        };
        Some((topic.clone(), configs))
    };
    Ok(topics.iter().filter_map(of).collect())
}

fn split(entries: Vec<ConfigEntry>) -> TopicConfigs {
    let mut configs = TopicConfigs::default();
    for entry in entries {
        if entry.own || is_more_than_the_default(&entry) {
            configs.inherited.extend(inherited(&entry).map(|value| (entry.name.clone(), value)));
            configs.own.insert(entry.name.clone(), entry.value.clone());
        }
        configs.effective.insert(entry.name, entry.value);
    }
    configs
}

/// The effective value without the topic's own. Brokers prefer milliseconds to minutes, and minutes
/// to hours, wherever each was set; of configs with the same name the first one applies.
fn inherited(entry: &ConfigEntry) -> Option<String> {
    if !entry.own {
        return Some(entry.value.clone());
    }
    let (of_broker, value) = entry.elsewhere.iter().min_by_key(|(of_broker, _)| unit(&entry.name, of_broker))?;
    in_millis(&entry.name, of_broker, value)
}

/// A broker's config as the topic's: hours and minutes become milliseconds if that is the topic's
/// unit.
fn in_millis(of_topic: &str, of_broker: &str, value: &str) -> Option<String> {
    match unit(of_topic, of_broker) {
        1 => Some(value.to_owned()),
        unit => match value.parse::<i64>().ok()? {
            // No limit, in any unit.
            ..0 => Some("-1".to_owned()),
            count => Some(count.checked_mul(unit)?.to_string()),
        },
    }
}

/// The unit of a broker's config in milliseconds, if the topic's has that unit:
/// `log.retention.hours` for `retention.ms`.
fn unit(of_topic: &str, of_broker: &str) -> i64 {
    let units = [(".minutes", 60_000), (".hours", 3_600_000)];
    let found = units.into_iter().find(|(suffix, _)| of_topic.ends_with(".ms") && of_broker.ends_with(suffix));
    found.map_or(1, |(_, millis)| millis)
}

/// Whether it is the number of required in-sync replicas, and the cluster requires more than
/// Kafka's default. Otherwise, with the defaults of another cluster a topic would silently be less
/// safe.
fn is_more_than_the_default(entry: &ConfigEntry) -> bool {
    entry.name == "min.insync.replicas" && entry.value != "1"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str, elsewhere: &[(&str, &str)]) -> ConfigEntry {
        let elsewhere = elsewhere.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ConfigEntry { name: name.to_owned(), value: value.to_owned(), own: true, elsewhere }
    }

    #[test]
    fn what_brokers_have_is_inherited_in_the_units_of_topics() {
        let of = |name: &str, elsewhere: &[(&str, &str)]| inherited(&entry(name, "1", elsewhere));
        assert_eq!(of("retention.ms", &[("log.retention.hours", "168")]).as_deref(), Some("604800000"));
        assert_eq!(of("retention.ms", &[("log.retention.minutes", "90"), ("log.retention.hours", "168")]).as_deref(), Some("5400000"));
        assert_eq!(of("retention.ms", &[("log.retention.hours", "1"), ("log.retention.ms", "7")]).as_deref(), Some("7"));
        assert_eq!(of("retention.ms", &[("log.retention.hours", "-1")]).as_deref(), Some("-1"));
        assert_eq!(of("segment.ms", &[("log.roll.ms", "5"), ("log.roll.ms", "6"), ("log.roll.hours", "168")]).as_deref(), Some("5"));
        assert_eq!(of("cleanup.policy", &[("log.cleanup.policy", "compact,delete")]).as_deref(), Some("compact,delete"));
        assert_eq!(of("retention.bytes", &[("log.retention.bytes", "-1")]).as_deref(), Some("-1"));
        assert_eq!(of("retention.ms", &[("log.retention.hours", "9223372036854775807")]), None);
        assert_eq!(of("follower.replication.throttled.replicas", &[]), None);
    }

    #[test]
    fn what_is_in_own_and_is_not_the_topics_is_inherited_too() {
        let more = ConfigEntry { own: false, ..entry("min.insync.replicas", "2", &[]) };
        let configs = split(vec![more, entry("retention.ms", "-1", &[("log.retention.hours", "1")])]);
        assert_eq!(configs.own.keys().collect::<Vec<_>>(), ["min.insync.replicas", "retention.ms"]);
        assert_eq!((configs.inherited["min.insync.replicas"].as_str(), configs.inherited["retention.ms"].as_str()), ("2", "3600000"));
    }
}
