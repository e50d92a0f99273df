//! Whether configs would delete what was restored, and how much of it.

use std::collections::BTreeMap;
use std::time::Duration;

use archive::Result;
use archive::catalog::{Change, Checkpoint};
use kafka::{TopicConfigs, TopicPartition};
use kernel::in_full;

use super::{Finish, Known};
use crate::together::try_at_once;
use crate::work::to_restore;

/// Configs that delete records, or decide whether any are deleted.
pub(super) const DELETING: [&str; 3] = ["cleanup.policy", "retention.bytes", "retention.ms"];

/// The effective values once they are set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Retention {
    /// Age at which records are deleted, in milliseconds; `None`: never.
    age: Option<i64>,
    /// Size in bytes to which a partition is truncated; `None`: never.
    bytes: Option<i64>,
    /// A limit that the brokers do not report: it may delete everything.
    unknown: Option<&'static str>,
}

/// The most bytes of a record in a log in addition to its key, value and headers: alone in a batch
/// (61), with all of its varints, and part of a marker.
const FRAME: u64 = 200;

impl Retention {
    /// After these changes.
    pub(super) fn after(changes: &BTreeMap<String, Change<String>>, has: &TopicConfigs) -> Self {
        let value = |name: &str| match changes.get(name) {
            Some(Change { after: Some(after), .. }) => Some(after),
            Some(Change { after: None, .. }) => has.inherited.get(name),
            None => has.effective.get(name),
        };
        // An unknown policy is assumed to delete.
        let deletes = value("cleanup.policy").is_none_or(|policy| policy.split(',').any(|one| one.trim() == "delete"));
        let limit = |name: &str| value(name).and_then(|value| value.parse::<i64>().ok());
        let bounded = |name: &str| limit(name).filter(|limit| deletes && *limit >= 0);
        let unknown =
            ["retention.ms", "retention.bytes"].into_iter().find(|name| deletes && changes.contains_key(*name) && limit(name).is_none());
        Self { age: bounded("retention.ms"), bytes: bounded("retention.bytes"), unknown }
    }
}

impl Finish {
    /// What would be deleted of a topic. `None`: nothing.
    pub(super) async fn would_delete(&self, known: &Known, topic: &str, retention: &Retention) -> Result<Option<String>> {
        if *retention == (Retention { age: None, bytes: None, unknown: None }) {
            return Ok(None);
        }
        let Some(facts) = self.restore.cluster.find(topic).await? else { return Ok(None) };
        let extents = self.restore.cluster.extents(topic, facts.partitions).await?;
        let held: i64 = extents.iter().map(|extent| extent.end - extent.start).sum();
        if let Some(name) = retention.unknown.filter(|_| held > 0) {
            return Ok(Some(format!(
                "it is unknown how much it would delete: the brokers do not report what the topic inherits as {name}, or not to this user \
                 (DescribeConfigs on the cluster)"
            )));
        }
        let mut parts = Vec::new();
        if let Some(age) = retention.age {
            let all: Vec<TopicPartition> = (0..facts.partitions).map(|number| TopicPartition::new(topic, number)).collect();
            let mut found = self.admin.offsets_at(&all, self.restore.clock.now().saturating_sub(age)).await?;
            let (mut old, mut held) = (0, 0);
            for (at, extent) in all.iter().zip(&extents) {
                let first_kept = match found.remove(at) {
                    Some(Ok(first)) => first.unwrap_or(extent.end),
                    Some(Err(error)) => return Ok(Some(format!("it is unknown how much it would delete: {at}: {}", in_full(&error)))),
                    None => extent.end,
                };
                old += (first_kept - extent.start).max(0);
                held += extent.end - extent.start;
            }
            if old > 0 {
                let age = Duration::from_millis(age.unsigned_abs());
                // The first transaction of the restore is followed by a marker with its own time,
                // so this is not all.
                parts.push(format!("would delete what is older than {}, as at least {old} of {held} offsets are", days(age)));
            }
        }
        if let Some(most) = retention.bytes {
            let largest = self.largest_partition(topic, known).await?;
            if held > 0 && largest.is_none_or(|largest| largest > most.unsigned_abs()) {
                parts.push(format!("would delete the oldest of {held} offsets if a partition has more than {most} bytes"));
            }
        }
        Ok((!parts.is_empty()).then(|| parts.join(", and ")))
    }
}

impl Finish {
    /// An upper bound of the bytes of restored records in a partition; `None` if unknown. Kafka
    /// reports the size of a log only to its own tools.
    async fn largest_partition(&self, target: &str, known: &Known) -> Result<Option<u64>> {
        let Some(topic) = known.noted.topics.iter().find(|topic| topic.target == target) else { return Ok(None) };
        let (restore, run) = (&self.restore, &known.noted.run);
        let load = to_restore(topic).map(|number| restore.checkpoint(restore.id(), run, &topic.folder, number));
        let all: Vec<Option<Checkpoint>> = try_at_once(load.collect()).await?;
        let bytes = |checkpoint: &Checkpoint| checkpoint.bytes.saturating_add(checkpoint.records.saturating_mul(FRAME));
        Ok(all.iter().flatten().map(bytes).max().or(Some(0)))
    }
}

fn days(age: Duration) -> String {
    let seconds = age.as_secs();
    match (seconds / 86_400, seconds / 3_600) {
        (1.., _) if seconds.is_multiple_of(86_400) => format!("{} days", seconds / 86_400),
        (_, 1..) if seconds.is_multiple_of(3_600) => format!("{} hours", seconds / 3_600),
        _ => format!("{} s", age.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(own: &[(&str, &str)], inherited: &[(&str, &str)]) -> TopicConfigs {
        let map = |of: &[(&str, &str)]| of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TopicConfigs { own: map(own), effective: map(own), inherited: map(inherited) }
    }

    fn changes(changes: &[(&str, Option<&str>)]) -> BTreeMap<String, Change<String>> {
        changes.iter().map(|(name, after)| ((*name).to_owned(), Change::new(None, after.map(str::to_owned)))).collect()
    }

    #[test]
    fn what_holds_in_the_end_counts() {
        let has = of(
            &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")],
            &[("cleanup.policy", "delete"), ("retention.ms", "604800000"), ("retention.bytes", "-1")],
        );
        let after = |of: &[(&str, Option<&str>)]| Retention::after(&changes(of), &has);
        let none = Retention { age: None, bytes: None, unknown: None };
        assert_eq!(after(&[]), none);
        assert_eq!(after(&[("retention.ms", None)]), Retention { age: Some(604_800_000), ..none }, "the brokers' holds");
        assert_eq!(
            after(&[("retention.ms", Some("1000")), ("retention.bytes", Some("5"))]),
            Retention { age: Some(1000), bytes: Some(5), unknown: None }
        );
        assert_eq!(after(&[("retention.ms", Some("1000")), ("cleanup.policy", Some("compact"))]), none, "only keys that came again go");
        assert_eq!(after(&[("retention.ms", None), ("cleanup.policy", Some("compact,delete"))]).age, Some(604_800_000));
    }

    /// Kafka 4.1 reports the brokers' values only to users with DescribeConfigs on the cluster.
    #[test]
    fn a_limit_that_is_not_told_may_delete_everything() {
        let has = of(&[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")], &[("cleanup.policy", "delete")]);
        let unknown = |of: &[(&str, Option<&str>)]| Retention::after(&changes(of), &has).unknown;
        assert_eq!(unknown(&[]), None);
        assert_eq!(unknown(&[("retention.ms", None)]), Some("retention.ms"));
        assert_eq!(unknown(&[("retention.ms", Some("1000")), ("retention.bytes", None)]), Some("retention.bytes"));
        assert_eq!(unknown(&[("retention.ms", None), ("cleanup.policy", Some("compact"))]), None, "the policy deletes nothing");
    }

    #[test]
    fn ages_are_told_in_whole_units() {
        assert_eq!([604_800_000, 7_200_000, 1_500].map(|age| days(Duration::from_millis(age))), ["7 days", "2 hours", "1.5 s"]);
    }
}
