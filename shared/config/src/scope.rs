//! The scope of a restore: topics, cluster, partitions, moment, targets and id.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use archive::catalog::names::parse_topic;
use kafka::{Pattern, Selection};
use store::{StoreKind, StoreSettings};

use super::read::{Reader, patterns, patterns_if_any};
use super::{AsOf, TargetName, names, storage, target_name, times};

/// The keys of the scope.
pub(super) struct Scope {
    pub(super) store: StoreSettings,
    pub(super) topics: Selection,
    pub(super) target: TargetName,
    pub(super) backup_cluster: Option<String>,
    pub(super) partitions: Option<BTreeSet<i32>>,
    pub(super) as_of: Option<AsOf>,
    pub(super) restore_id: Option<String>,
}

/// Reads every key before the first `?`, so that every problem is recorded.
pub(super) fn scope(read: &mut Reader<'_>) -> Option<Scope> {
    let source = source(read);
    let exclude = patterns_if_any(read, "RESTORE_EXCLUDE_TOPIC_NAMES", names::topic_pattern);
    let why = "write the topic to restore into, or a name with {topic}, which stands for the original's name";
    let target = read.required("RESTORE_TOPIC_NAME", why, target_name::target);
    let backup_cluster = read.optional("BACKUP_CLUSTER", names::cluster_id);
    let partitions = partitions(read);
    let as_of = times::as_of(read);
    let restore_id = read.optional("RESTORE_ID", names::restore_id);

    let (store, include) = source?;
    let topics = Selection::new(include, exclude?).map_err(|what| read.refuse("RESTORE_EXCLUDE_TOPIC_NAMES", &what)).ok()?;
    let single = single(&topics).map(str::to_owned);
    let twice = two_generations(&topics);
    if let Some(what) = &twice {
        read.refuse("BACKUP_TOPIC_NAME", what);
    }
    let target = target.filter(|target| targets(read, &topics, target));
    if single.is_none() && partitions.as_ref().is_some_and(Option::is_some) {
        read.refuse("BACKUP_PARTITIONS", "selects partitions of a single topic: write one name in BACKUP_TOPIC_NAME");
        return None;
    }
    if twice.is_some() {
        return None;
    }
    let (target, partitions, as_of) = (target?, partitions?, as_of?);
    let restore_id = match (restore_id?, single) {
        (None, Some(topic)) if partitions.is_none() && as_of.is_none() => Some(default_restore_id(read, &topic, &target)?),
        (id, _) => id,
    };
    Some(Scope { store, topics, target, backup_cluster: backup_cluster?, partitions, as_of, restore_id })
}

/// The topic of a restore of a single, named topic.
fn single(topics: &Selection) -> Option<&str> {
    let mut names = topics.names();
    names.next().filter(|_| !topics.has_patterns() && names.next().is_none())
}

/// The store and BACKUP_TOPIC_NAME.
fn source(read: &mut Reader<'_>) -> Option<(StoreSettings, Vec<Pattern>)> {
    if !read.is_set("BACKUP_TOPIC_NAME") {
        let (store, topic) = own_folder(read)?;
        return Some((store, vec![Pattern::parse(&topic).ok()?]));
    }
    let store = storage::store(read);
    let topics = patterns(read, "BACKUP_TOPIC_NAME", names::generation_pattern);
    Some((store?, topics?))
}

/// The store and the topic's folder in it, for a restore without BACKUP_TOPIC_NAME. As in the
/// seed's local example, FILESYSTEM_BACKUP_DIR is that folder.
pub(super) fn own_folder(read: &mut Reader<'_>) -> Option<(StoreSettings, String)> {
    const OWN_FOLDER: &str = "without it FILESYSTEM_BACKUP_DIR must be the topic's own folder, and STORAGE_PREFIX empty";
    let store = storage::store(read);
    if !storage::is_folder(read) {
        read.missing("BACKUP_TOPIC_NAME", "write the topics to restore, for example [\"orders\"] or [\"*\"]");
    }
    let StoreSettings { kind: StoreKind::Folder(folder), prefix } = store? else { return None };
    let topic = folder.file_name().and_then(|name| names::generation(name.to_str()?).ok());
    // The first generation's folder has no number.
    let topic = topic.filter(|topic| prefix.is_empty() && !topic.ends_with("@1"));
    let Some(topic) = topic else {
        read.missing("BACKUP_TOPIC_NAME", OWN_FOLDER);
        return None;
    };
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((StoreSettings { kind: StoreKind::Folder(parent.to_path_buf()), prefix }, topic))
}

/// Whether each topic has its own target, with a legal name. Names that only a pattern finds are
/// not known here.
fn targets(read: &mut Reader<'_>, topics: &Selection, target: &TargetName) -> bool {
    if single(topics).is_none() && !target.has_topic() {
        let what = "every topic would be restored into the same one. Write {topic} for the original's name: {topic}, or \
            copy-of-{topic}";
        read.refuse("RESTORE_TOPIC_NAME", what);
        return false;
    }
    let wrong: Vec<String> = topics.names().filter_map(|topic| target.legal_of(base(topic)).err()).collect();
    wrong.iter().for_each(|what| read.refuse("RESTORE_TOPIC_NAME", what));
    wrong.is_empty()
}

/// Two generations of a topic have the same target.
fn two_generations(topics: &Selection) -> Option<String> {
    let mut known = BTreeMap::new();
    for name in topics.names() {
        if let Some(other) = known.insert(base(name), name) {
            let what = "would be restored into the same topic: use one restore for each, with its own RESTORE_TOPIC_NAME";
            return Some(format!("{other} and {name} {what}"));
        }
    }
    let (topic, name) = known.into_iter().find(|(topic, name)| topic != name && topics.takes(topic))?;
    Some(format!(
        "{name} and the newest {topic}, which a pattern selects, would be restored into the same topic: write \
         {topic} into RESTORE_EXCLUDE_TOPIC_NAMES to restore {name} only"
    ))
}

/// The name of the topic, without its generation.
fn base(name: &str) -> &str {
    parse_topic(name).map_or(name, |(topic, _)| topic)
}

/// BACKUP_PARTITIONS. The outer `None`: it is bad.
fn partitions(read: &mut Reader<'_>) -> Option<Option<BTreeSet<i32>>> {
    /// More than a topic can have.
    const MOST: i64 = 100_000;
    if !read.is_set("BACKUP_PARTITIONS") {
        return Some(None);
    }
    let ranges = super::read::each(read, "BACKUP_PARTITIONS", range)?;
    let count: i64 = ranges.iter().map(|(first, last)| i64::from(*last) - i64::from(*first) + 1).sum();
    if count > MOST {
        read.refuse("BACKUP_PARTITIONS", &format!("has {count} partitions: at most {MOST} can be selected"));
        return None;
    }
    Some(Some(ranges.into_iter().flat_map(|(first, last)| first..=last).collect()))
}

/// `4` or `4-7`, inclusive.
fn range(text: &str) -> Result<(i32, i32), String> {
    let number = |text: &str| text.trim().parse::<u32>().ok().and_then(|number| i32::try_from(number).ok()).filter(|_| !text.contains('+'));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (Some(first), Some(last)) => Err(format!("{text} ends before it begins: write {last}-{first}")),
        _ => Err(format!("{text} is not a partition or a range (inclusive): write them as 0,4-7")),
    }
}

fn default_restore_id(read: &mut Reader<'_>, topic: &str, target: &TargetName) -> Option<String> {
    let id = format!("{topic}-to-{}", target.of(base(topic)));
    names::restore_id(&id)
        .map_err(|_| read.missing("RESTORE_ID", "the topics' names are too long for a default id: write a short one"))
        .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn partitions_are_numbers_and_ranges() {
        for (text, meant) in [("0", (0, 0)), ("4-7", (4, 7)), ("4 - 7", (4, 7)), ("7-7", (7, 7)), ("2147483647", (i32::MAX, i32::MAX))] {
            assert_eq!(range(text), Ok(meant), "{text}");
        }
        for bad in ["", "-", "-1", "4-", "7-4", "1-2-3", "+3", "0-+3", "x", "1.5", "2147483648", "0x3", "*"] {
            assert!(range(bad).is_err(), "{bad}");
        }
        assert!(range("7-4").unwrap_err().contains("4-7"));
    }
}
