//! The input of an invocation, as a schedule sends it.

use kafka::TopicPartition;
use serde::Deserialize;
use serde_json::Value;

/// The partitions of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// This shard of so many; `None`: all.
    pub shard: Option<(u32, u32)>,
    /// Only this topic.
    pub topic: Option<String>,
    /// Only this partition (of each topic, or of `topic`).
    pub partition: Option<i32>,
}

/// An invalid event. Nothing was read, nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid event: {0}; expected {{}}, {{\"shard\":0,\"of\":4}} or {{\"topic\":\"orders\",\"partition\":3}}")]
pub struct BadEvent(pub String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    shard: Option<u32>,
    of: Option<u32>,
    topic: Option<String>,
    partition: Option<i32>,
}

/// The fields of EventBridge's envelope around an event. All are ignored.
const ENVELOPE: [&str; 9] = ["version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"];

impl Event {
    /// Parses a schedule's input. EventBridge's envelope is accepted; its `detail`, if it is an
    /// object, is the event.
    ///
    /// # Errors
    /// [`BadEvent`] says what is wrong.
    pub fn parse(input: &Value) -> Result<Self, BadEvent> {
        let object = match input {
            Value::Null => return Ok(Self::default()),
            Value::Object(object) => object,
            other => return Err(BadEvent(format!("{other} is not an object"))),
        };
        if object.contains_key("detail-type") && object.keys().all(|key| ENVELOPE.contains(&key.as_str())) {
            return Self::parse(object.get("detail").unwrap_or(&Value::Null));
        }
        let fields: Fields = serde_json::from_value(input.clone()).map_err(|error| BadEvent(error.to_string()))?;
        let shard = match (fields.shard, fields.of) {
            (None, None) => None,
            (Some(shard), Some(of)) if shard < of => Some((shard, of)),
            (Some(shard), Some(of)) => {
                return Err(BadEvent(format!("shard {shard} of {of}: shards are numbered from 0 to {}", i64::from(of) - 1)));
            }
            _ => return Err(BadEvent("\"shard\" and \"of\" must be used together".into())),
        };
        if let Some(partition) = fields.partition.filter(|partition| *partition < 0) {
            return Err(BadEvent(format!("partition {partition} is negative")));
        }
        Ok(Self { shard, topic: fields.topic, partition: fields.partition })
    }

    /// The name of the shard in metrics: `0/4`, or `all`. `None` for an event that names a topic or
    /// partition.
    pub fn shard_name(&self) -> Option<String> {
        if self.topic.is_some() || self.partition.is_some() {
            return None;
        }
        Some(self.shard.map_or_else(|| "all".to_owned(), |(shard, of)| format!("{shard}/{of}")))
    }

    /// Whether the event includes this partition. The partitions of a topic are distributed
    /// round-robin, starting at a shard that depends on the topic. So they are even for one topic
    /// and for many, and the same in every invocation.
    pub fn includes(&self, partition: &TopicPartition) -> bool {
        let begin = || partition.topic.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
        self.topic.as_ref().is_none_or(|topic| *topic == partition.topic)
            && self.partition.is_none_or(|number| number == partition.partition)
            && self.shard.is_none_or(|(shard, of)| {
                let partition = u64::try_from(partition.partition).unwrap_or(0);
                (begin() % u64::from(of) + partition) % u64::from(of) == u64::from(shard)
            })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn events_that_schedules_send() {
        assert_eq!(Event::parse(&json!({})).unwrap(), Event::default());
        assert_eq!(Event::parse(&Value::Null).unwrap(), Event::default());
        assert_eq!(Event::parse(&json!({"shard": 0, "of": 4})).unwrap().shard, Some((0, 4)));
        let envelope = json!({"version": "0", "id": "x", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "1",
            "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "resources": [], "detail": {"topic": "t", "partition": 3}});
        assert_eq!(Event::parse(&envelope).unwrap(), Event { shard: None, topic: Some("t".into()), partition: Some(3) });
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for (event, names) in [
            (json!([]), "not an object"),
            (json!({"shards": 1}), "shards"),
            (json!({"shard": 4, "of": 4}), "from 0 to 3"),
            (json!({"shard": 0, "of": 0}), "shard 0 of 0"),
            (json!({"shard": 1}), "used together"),
            (json!({"partition": -1}), "negative"),
            (json!({"partition": "3"}), "string"),
        ] {
            let error = Event::parse(&event).unwrap_err().to_string();
            assert!(error.contains(names), "{event}: {error}");
        }
    }

    #[test]
    fn a_part_of_everything_has_a_name() {
        let name = |event: Value| Event::parse(&event).unwrap().shard_name();
        assert_eq!(name(json!({})).as_deref(), Some("all"));
        assert_eq!(name(json!({"shard": 0, "of": 4})).as_deref(), Some("0/4"));
        for single in [json!({"topic": "t"}), json!({"partition": 3}), json!({"shard": 0, "of": 4, "topic": "t"})] {
            assert_eq!(name(single.clone()), None, "{single}");
        }
    }

    #[test]
    fn shards_are_even_and_complete() {
        for of in [1, 3, 4, 7] {
            for partition in 0..12 {
                let partition = TopicPartition::new("orders", partition);
                let taken = (0..of).filter(|shard| Event { shard: Some((*shard, of)), ..Event::default() }.includes(&partition)).count();
                assert_eq!(taken, 1);
            }
        }
    }
}
