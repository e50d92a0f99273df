//! From the configs of a topic while it is restored to those of the original: Kafka's own command,
//! for use after the restore is verified.

use std::collections::BTreeMap;

use archive::catalog::Generation;
use kernel::{in_full, shell};

use crate::Restore;
use crate::report::TopicReport;
use crate::source::Source;
use crate::target::{KEPT, MIN_INSYNC, TargetTopic, WHILE_RESTORING};

/// Of brokers before 3.6.
const BOTH_TIMES: &str = "message.timestamp.difference.max.ms";

/// Set while restoring only in some cases.
const MAY_BE_SET: [&str; 2] = [BOTH_TIMES, "max.message.bytes"];

/// Whether restore sets it temporarily in some cases.
pub(crate) fn may_be_set(name: &str) -> bool {
    MAY_BE_SET.contains(&name)
}

/// What is left to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Configs to set.
    pub(crate) set: BTreeMap<String, String>,
    /// Configs to delete, so that the cluster's defaults apply.
    pub(crate) delete: Vec<String>,
    /// What cannot be done, and why.
    pub(crate) notes: Vec<String>,
}

impl Restore {
    /// Adds to the report of a topic the commands that set the configs of the original.
    pub(crate) async fn tell_of_configs_of(&self, source: &Source, target: &TargetTopic, report: &mut TopicReport) {
        let (commands, notes) = self.configs_to_give_back(source, target).await;
        report.commands = commands;
        report.notes.extend(notes);
    }

    /// The configs to report at the end: commands, and notes. Requests which configs are set on the
    /// topic.
    async fn configs_to_give_back(&self, source: &Source, target: &TargetTopic) -> (Vec<String>, Vec<String>) {
        let name = &source.target;
        let own = match self.cluster.own_configs(name).await {
            Ok(Some(own)) => own,
            Ok(None) => return (Vec::new(), vec![unknown(name, "the cluster does not report them to this user")]),
            // The records are restored all the same.
            Err(error) => return (Vec::new(), vec![unknown(name, &in_full(&error))]),
        };
        let mut change = Change::between(source.generation.as_ref(), &own, target.facts.replication_factor).for_a_shell();
        if let Some(why) = source.why_without_configs().filter(|_| !change.delete.is_empty()) {
            change.notes.push(format!(
                "the backup has no configs of the original topic: {why}. {name:?} gets the brokers' defaults when finish, \
                 or the kafka-configs.sh command if one is printed, removes the configs that restore set"
            ));
        }
        let command = change.command(&self.settings.kafka.bootstrap_servers, name);
        (command.into_iter().collect(), change.notes)
    }
}

fn unknown(topic: &str, why: &str) -> String {
    format!(
        "the configs of {topic:?} are unknown ({why}), so there is no command that sets those of the original. A \
         topic that restore created has cleanup.policy=delete and no limits of age, size and timestamps: compare \
         kafka-configs.sh --describe with topic.json in the bucket"
    )
}

impl Change {
    /// From a topic's `own` configs to those of the original.
    pub(crate) fn between(original: Option<&Generation>, own: &BTreeMap<String, String>, replicas: Option<i32>) -> Self {
        let mut change = Self::default();
        let had = original.map(|original| &original.configs);
        for (name, value) in had.into_iter().flatten().filter(|(name, value)| own.get(*name) != Some(value)) {
            if let Some(why) = too_few(name, value, replicas) {
                change.notes.push(why);
            } else {
                change.set.insert(name.clone(), value.clone());
            }
        }
        let is_of_restore = |name: &str| {
            WHILE_RESTORING.iter().map(|(of, _)| of).chain(&KEPT).chain(&MAY_BE_SET).any(|of| *of == name) && name != MIN_INSYNC
        };
        let is_extra = |name: &&String| is_of_restore(name) && had.is_none_or(|had| !had.contains_key(*name));
        change.delete = own.keys().filter(is_extra).cloned().collect();
        change
    }

    /// Without those that cannot be passed to kafka-configs.sh.
    fn for_a_shell(mut self) -> Self {
        let notes = &mut self.notes;
        self.set.retain(|name, value| {
            let why = unsafe_for_a_shell(name, value);
            let is_safe = why.is_none();
            notes.extend(why);
            is_safe
        });
        self
    }

    fn command(&self, servers: &str, topic: &str) -> Option<String> {
        if self.set.is_empty() && self.delete.is_empty() {
            return None;
        }
        let servers = shell::quote(servers)?;
        let mut command =
            format!("kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {}", shell::quote(topic)?);
        if !self.set.is_empty() {
            let set: Vec<String> = self.set.iter().map(|(name, value)| entry(name, value)).collect();
            command = format!("{command} --add-config {}", shell::quote(&set.join(","))?);
        }
        if !self.delete.is_empty() {
            command = format!("{command} --delete-config {}", shell::quote(&self.delete.join(","))?);
        }
        Some(command)
    }
}

/// kafka-configs.sh requires brackets around a value with commas.
fn entry(name: &str, value: &str) -> String {
    if value.contains(',') { format!("{name}=[{value}]") } else { format!("{name}={value}") }
}

/// Why a config is not in the command. Anyone who can write to the bucket can change topic.json.
fn unsafe_for_a_shell(name: &str, value: &str) -> Option<String> {
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'));
    // Separators between configs in --add-config.
    let is_value = shell::quote(value).is_some() && !value.contains(['=', '[', ']']) && value.trim() == value;
    (!is_name || !is_value).then(|| {
        let name: String = name.chars().take(100).collect();
        format!(
            "the config {name:?} of the original, in topic.json, is in no command: its name or value cannot be passed \
             safely to kafka-configs.sh. Check it there, and set it by hand if it is right"
        )
    })
}

/// Why a config is not set: no producer could write to the topic any more.
fn too_few(name: &str, value: &str, replicas: Option<i32>) -> Option<String> {
    let few = replicas.filter(|replicas| name == MIN_INSYNC && value.parse().is_ok_and(|least: i32| least > *replicas))?;
    Some(format!(
        "the original had {MIN_INSYNC}={value}, and the target has {few} replicas of each partition: with that \
         config no producer could write to it. Add replicas, then set it"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn original(configs: &[(&str, &str)]) -> Generation {
        let text =
            r#"{"format_version":1,"topic":"orders","generation":1,"partitions":1,"configs":{},"packing":"gzip","reason":"first","at":0}"#;
        Generation { configs: map(configs), ..serde_json::from_str(text).unwrap() }
    }

    fn map(configs: &[(&str, &str)]) -> BTreeMap<String, String> {
        configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn made() -> BTreeMap<String, String> {
        map(&WHILE_RESTORING)
    }

    #[test]
    fn what_restore_set_is_set_as_it_was_or_deleted() {
        let original = original(&[("cleanup.policy", "compact,delete"), ("segment.ms", "600000"), ("retention.bytes", "-1")]);
        let change = Change::between(Some(&original), &made(), Some(1));
        assert_eq!(change.set, map(&[("cleanup.policy", "compact,delete"), ("segment.ms", "600000")]));
        for gone in ["retention.ms", "message.timestamp.type", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms"] {
            assert!(change.delete.iter().any(|name| name == gone), "{gone}: {change:?}");
        }
        assert!(!change.delete.iter().any(|name| original.configs.contains_key(name)), "{change:?}");
        let command = change.command("kafka01:9092,kafka02:9092", "copy").unwrap();
        assert!(
            command.starts_with(
                "kafka-configs.sh --bootstrap-server kafka01:9092,kafka02:9092 --alter --entity-type topics --entity-name copy --add-config \
                 'cleanup.policy=[compact,delete],segment.ms=600000' --delete-config m"
            ),
            "{command}"
        );
        // After the command nothing is left to do, and what an administrator set stays.
        let after = map(&[("cleanup.policy", "compact,delete"), ("segment.ms", "600000"), ("retention.bytes", "-1"), ("flush.ms", "1")]);
        assert_eq!(Change::between(Some(&original), &after, Some(1)), Change::default());
        assert_eq!(Change::default().command("a", "b"), None);
    }

    #[test]
    fn what_the_bucket_says_does_not_get_into_a_shell_or_beside_other_configs() {
        let hostile = [
            ("retention.ms", "1'; echo injected; '"),
            ("segment.ms", "1,retention.ms=0"),
            ("segment.bytes", "1]"),
            ("flush.ms", "1\u{1b}[8m"),
            ("flush.messages", "1\nrm -r x"),
            ("x; echo injected", "1"),
        ];
        let change = Change::between(Some(&original(&hostile)), &BTreeMap::new(), None).for_a_shell();
        assert_eq!(change.set, map(&hostile[..1]));
        assert_eq!(change.notes.len(), 5, "{:?}", change.notes);
        let command = change.command("a:1", "copy").unwrap();
        assert!(command.ends_with(r"--add-config 'retention.ms=1'\''; echo injected; '\'''"), "{command}");
        assert!(change.notes.iter().all(|note| !note.contains(['\u{1b}', '\n'])), "{:?}", change.notes);
    }

    #[test]
    fn more_replicas_than_there_are_are_not_asked_for() {
        let original = original(&[(MIN_INSYNC, "2")]);
        let change = Change::between(Some(&original), &map(&[(MIN_INSYNC, "1")]), Some(1));
        assert!(change.set.is_empty() && change.notes[0].contains("Add replicas"), "{change:?}");
        assert_eq!(Change::between(Some(&original), &map(&[(MIN_INSYNC, "1")]), Some(3)).set, map(&[(MIN_INSYNC, "2")]));
    }
}
