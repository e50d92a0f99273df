//! Configs of topics, for source, target and administration.

use std::collections::{BTreeMap, BTreeSet};

use super::errors::{self, Doing, few_of};
use super::native::{Code, ConfigEntry, Failure};
use super::tries::Asker;
use crate::{KafkaErrorKind, Result, TopicConfigs};

/// How many topics one request asks about: an answer has some kilobytes for each.
const BATCH: usize = 200;

/// DescribeConfigs of a topic: of the entries that are its own or not, those that `wanted` wants. `None` from a cluster that does not tell, or not
/// this user: neither backup nor restore depends on them.
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
                    tracing::warn!("going on without the topic's configs: {}", tries.error(failure));
                    return Ok(None);
                }
                _ => tries.again(failure).await?,
            },
        }
    }
}

/// DescribeConfigs of each of these topics that is there, or why the cluster refuses them. A request for each [`BATCH`].
///
/// # Errors
/// Nobody answers, or the cluster does not know the request.
pub(super) async fn of_topics(asker: &Asker, topics: &[String]) -> Result<BTreeMap<String, Result<TopicConfigs>>> {
    let once: BTreeSet<&String> = topics.iter().collect();
    let once: Vec<String> = once.into_iter().cloned().collect();
    let mut found = BTreeMap::new();
    for batch in once.chunks(BATCH) {
        found.extend(of_batch(asker, batch).await?);
    }
    Ok(found)
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
            None => Err(tries.error_of(topic, Failure::new(Code::FAIL, "the cluster's answer leaves the topic out"))),
        };
        Some((topic.clone(), configs))
    };
    Ok(topics.iter().filter_map(of).collect())
}

fn split(entries: Vec<ConfigEntry>) -> TopicConfigs {
    let mut configs = TopicConfigs::default();
    for entry in entries {
        if entry.own || is_more_than_the_default(&entry) {
            configs.own.insert(entry.name.clone(), entry.value.clone());
        }
        configs.effective.insert(entry.name, entry.value);
    }
    configs
}

/// Whether it is how many replicas must have a record, and the cluster says more than Kafka does: with the defaults of another cluster a topic
/// would silently be less safe.
fn is_more_than_the_default(entry: &ConfigEntry) -> bool {
    entry.name == "min.insync.replicas" && entry.value != "1"
}
