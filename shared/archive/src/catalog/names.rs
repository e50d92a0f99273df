//! Names in the bucket. All of them are built and parsed here and nowhere else.
//!
//! ```text
//! <topic>/topic.json
//! <topic>/<partition>/<start offset, 20 digits>.tar.gz          or .tar.zst
//! <topic>/<partition>/<start offset, 20 digits>.tar.gz.sha256
//! <topic>@2/…                                                   the second generation of the name
//! @cluster/<cluster id>/<GROUP_ID>/<YYYY>/<MM>/<DD>/<HHMMSS>Z.json.gz   a snapshot of the cluster
//! @cluster/<cluster id>/<GROUP_ID>/ends/<time>-<hash>.json.gz           how far a run came
//! @check/create-only                                            whether the store refuses to create it again
//! @restore/<restore id>/restore.json                            what the restore id stands for
//! @restore/<restore id>/@topic/<folder>.json                    which topic a folder is restored into
//! @restore/<restore id>/@progress/<folder>/<partition>.json     how far one source partition is
//! @restore/<restore id>/@progress/<folder>/<partition>-spans/<source offset, 20 digits>-<hash>.json
//! @restore/<restore id>/@done/<run>/<folder>/<partition>        empty: it is restored up to its cut
//! @restore/<restore id>/@finished.json                          all of them are, and what was restored
//! @restore/<restore id>/@finish/intents.json.gz                 what finish changes in the cluster, and what was there before
//! @restore/<restore id>/@finish/done.json                       a function has done all of it
//! @restore/@target/<cluster id>/<topic id, else name>.json      which restore a target topic belongs to
//! ```

use kafka::TopicId;
use kernel::clock::{Millis, rfc3339};

use crate::catalog::Packing;

/// The folder of a generation of a topic: `orders`, `orders@2`. `@` is not legal in a topic name.
pub fn topic_folder(topic: &str, generation: u32) -> String {
    if generation <= 1 { topic.to_owned() } else { format!("{topic}@{generation}") }
}

/// Splits the folder of a generation: `orders@2` is the second one of `orders`. `None` if it cannot
/// be one.
pub fn parse_topic_folder(folder: &str) -> Option<(&str, u32)> {
    match folder.split_once('@') {
        None => Some((folder, 1)),
        Some(("", _)) => None,
        Some((topic, number)) => {
            let generation: u32 = number.parse().ok()?;
            (generation >= 2 && topic_folder(topic, generation) == folder).then_some((topic, generation))
        }
    }
}

/// Splits a topic as people write it: `orders` is its newest generation (`None`), `orders@1` the
/// first, whose folder is `orders`. `None` if it is no name.
pub fn parse_topic(name: &str) -> Option<(&str, Option<u32>)> {
    match name.split_once('@') {
        None => Some((name, None)),
        Some((topic, "1")) => (!topic.is_empty()).then_some((topic, Some(1))),
        Some(_) => parse_topic_folder(name).map(|(topic, number)| (topic, Some(number))),
    }
}

/// A generation as people write it, with a number for the first one too: `orders@1`.
pub fn generation(topic: &str, number: u32) -> String {
    format!("{topic}@{number}")
}

/// The prefix of the names of all generations except the first.
pub fn generation_prefix(topic: &str) -> String {
    format!("{topic}@")
}

/// A name that sorts after everything in a folder, and before everything in the folders after it.
pub fn after_folder(folder: &str) -> String {
    format!("{folder}0") // '0' follows '/'
}

/// `topic.json` of a generation.
pub fn topic_json(folder: &str) -> String {
    format!("{folder}/topic.json")
}

/// The folder of a partition, with a trailing slash.
pub fn partition_prefix(folder: &str, partition: i32) -> String {
    format!("{folder}/{partition}/")
}

/// The partition of a folder name (without a slash): its number, written as Kafka does. `None` for
/// `00`, `+1`, `-1` and words.
pub fn parse_partition(folder: &str) -> Option<i32> {
    folder.parse().ok().filter(|number: &i32| *number >= 0 && number.to_string() == folder)
}

/// The prefix of a partition's segments, and of nothing else: an offset has at most 19 digits, so a
/// 20-digit name begins with 0, which no archive of the Python tool (`2026…`) does.
pub fn segment_prefix(folder: &str, partition: i32) -> String {
    format!("{folder}/{partition}/0")
}

/// A segment.
pub fn segment(folder: &str, partition: i32, start: i64, packing: Packing) -> String {
    format!("{folder}/{partition}/{start:020}.{}", packing.extension())
}

/// A name that sorts before every segment that starts at `start`, and after all that start below.
pub fn before_segment(folder: &str, partition: i32, start: i64) -> String {
    format!("{folder}/{partition}/{start:020}.")
}

/// The suffix of a segment's `.sha256`, after the segment's own name.
pub const SIDECAR: &str = ".sha256";

/// A segment's `.sha256`.
pub fn sidecar(segment: &str) -> String {
    format!("{segment}{SIDECAR}")
}

/// Start offset and packing of a segment, from the last component of its name. `None` for anything
/// else, a `.sha256` included.
pub fn parse_segment(file: &str) -> Option<(i64, Packing)> {
    let (digits, extension) = file.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, Packing::from_extension(extension)?))
}

/// The last component of a name.
pub fn file_name(name: &str) -> &str {
    name.rsplit_once('/').map_or(name, |(_, file)| file)
}

/// What `check` creates, and tries to create again.
pub const CREATE_ONLY: &str = "@check/create-only";

/// Where snapshots of all clusters are.
pub const SNAPSHOTS: &str = "@cluster/";

/// The name prefix of a cluster's snapshots by the backup with this GROUP_ID.
pub fn snapshot_prefix(cluster_id: Option<&str>, group_id: &str) -> String {
    format!("{SNAPSHOTS}{}/{}/", encoded(cluster_id.unwrap_or(NO_ID)), encoded(group_id))
}

/// Whether a series of snapshots belongs to a cluster: to one of its backups.
pub fn is_series_of(prefix: &str, cluster_id: &str) -> bool {
    cluster_of(prefix) == encoded(cluster_id)
}

/// The cluster of a series of snapshots, as written in its name.
pub fn cluster_of(prefix: &str) -> &str {
    prefix.strip_prefix(SNAPSHOTS).and_then(|rest| rest.split_once('/')).map_or("", |(cluster, _)| cluster)
}

/// The snapshot of this time, in whole seconds.
pub fn snapshot(prefix: &str, at: Millis) -> String {
    let time = rfc3339(at); // 2026-11-29T13:05:00Z
    let (date, clock) = time.split_once('T').unwrap_or((&time, ""));
    let clock = clock.get(..8).unwrap_or_default();
    format!("{prefix}{}/{}Z.json.gz", date.replace('-', "/"), clock.replace(':', ""))
}

/// Splits the name of a snapshot: its series' prefix, and its time. `None` for all other names
/// there.
pub fn parse_snapshot(name: &str) -> Option<(&str, Millis)> {
    let day = &name[..name.rfind('/')?];
    let (at, _) = day.rmatch_indices('/').nth(2)?;
    let prefix = &name[..=at];
    let mut parts = name[prefix.len()..].split('/').chain(["", "", ""]);
    let (year, month, date) = (parts.next()?, parts.next()?, parts.next()?);
    let time = parts.next()?.strip_suffix("Z.json.gz").filter(|time| time.len() == 6 && time.is_ascii())?;
    let time = format!("{year}-{month}-{date}T{}:{}:{}Z", &time[..2], &time[2..4], &time[4..]);
    let at = time.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    (prefix.starts_with(SNAPSHOTS) && snapshot(prefix, at) == name).then_some((prefix, at))
}

/// Where it is stored how far the runs of a backup came. `series`: the name prefix of its
/// snapshots.
pub fn run_ends_prefix(series: &str) -> String {
    format!("{series}ends/")
}

/// How far a run came that ended at this time. `hash` distinguishes runs of one moment.
pub fn run_ends(series: &str, at: Millis, hash: &str) -> String {
    format!("{}-{hash}.json.gz", before_run_ends(series, at))
}

/// Sorts before the [`run_ends`] of this time, and after all earlier ones.
pub fn before_run_ends(series: &str, at: Millis) -> String {
    let seconds = rfc3339(at.div_euclid(1_000).saturating_mul(1_000)); // 2026-11-29T13:05:00Z
    let digits: String = seconds.chars().filter(|char| !matches!(char, '-' | ':' | 'Z')).collect();
    format!("{}{digits}{:03}Z", run_ends_prefix(series), at.rem_euclid(1_000))
}

/// The choice of a restore id.
pub fn restore_json(restore_id: &str) -> String {
    format!("@restore/{restore_id}/restore.json")
}

/// Which topic a folder of the backup is restored into.
pub fn binding(restore_id: &str, folder: &str) -> String {
    format!("@restore/{restore_id}/@topic/{folder}.json")
}

/// Which restore owns a target topic. No RESTORE_ID begins with `@`.
pub fn claim(cluster_id: Option<&str>, topic_id: Option<&TopicId>, topic: &str) -> String {
    let cluster = encoded(cluster_id.unwrap_or(NO_ID));
    let topic = topic_id.map_or_else(|| topic.to_owned(), ToString::to_string);
    format!("@restore/@target/{cluster}/{topic}.json")
}

/// Replaces the id of a cluster that has none.
const NO_ID: &str = "@unknown";

/// Names of clusters and groups are not trusted as part of a path: everything except letters,
/// digits, `_` and `-` is written as `%` and its bytes in hex.
fn encoded(name: &str) -> String {
    let encode = |byte: u8| {
        let legal = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if legal { char::from(byte).to_string() } else { format!("%{byte:02x}") }
    };
    name.bytes().map(encode).collect()
}

/// The name prefix of the checkpoints of a folder's partitions.
pub fn checkpoints(restore_id: &str, folder: &str) -> String {
    format!("@restore/{restore_id}/@progress/{folder}/")
}

/// The checkpoint of one source partition of a restore.
pub fn checkpoint(restore_id: &str, folder: &str, partition: i32) -> String {
    format!("{}{partition}.json", checkpoints(restore_id, folder))
}

/// The name prefix of the spans of a partition that are in their own objects.
pub fn spans_prefix(restore_id: &str, folder: &str, partition: i32) -> String {
    format!("{}{partition}-spans/", checkpoints(restore_id, folder))
}

/// Where records of one source partition went, from this source offset; `hash` is that of the
/// object's content.
pub fn spans(restore_id: &str, folder: &str, partition: i32, from: i64, hash: &str) -> String {
    format!("{}{from:020}-{hash}.json", spans_prefix(restore_id, folder, partition))
}

/// The name prefix of all marks of a restore, each for a partition that is restored up to its cut.
/// Another restore with the same id has none of them.
pub fn done_prefix(restore_id: &str, run: &str) -> String {
    format!("@restore/{restore_id}/@done/{}/", encoded(run))
}

/// One partition is restored up to its cut.
pub fn done(restore_id: &str, run: &str, folder: &str, partition: i32) -> String {
    format!("{}{folder}/{partition}", done_prefix(restore_id, run))
}

/// Every partition is restored, and what was restored.
pub fn finished(restore_id: &str) -> String {
    format!("@restore/{restore_id}/@finished.json")
}

/// What finish changes in the cluster, and the values before.
pub fn intents(restore_id: &str) -> String {
    format!("@restore/{restore_id}/@finish/intents.json.gz")
}

/// A function has done all of it.
pub fn finish_done(restore_id: &str) -> String {
    format!("@restore/{restore_id}/@finish/done.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        assert_eq!(segment("orders", 3, 42, Packing::Gzip), "orders/3/00000000000000000042.tar.gz");
        assert_eq!(parse_segment("00000000000000000042.tar.gz"), Some((42, Packing::Gzip)));
        assert_eq!(parse_segment("00000000000000000042.tar.zst"), Some((42, Packing::Zstd)));
        for other in
            ["00000000000000000042.tar.gz.sha256", "42.tar.gz", "20261123-072346.tar.gz", "current.bin", "99999999999999999999.tar.gz"]
        {
            assert_eq!(parse_segment(other), None, "{other}");
        }
    }

    #[test]
    fn partitions_have_one_spelling() {
        assert_eq!(parse_partition("0"), Some(0));
        assert_eq!(parse_partition("120"), Some(120));
        for other in ["", "00", "+1", "-1", "-0", "1 ", "topic.json", "2147483648"] {
            assert_eq!(parse_partition(other), None, "{other}");
        }
    }

    #[test]
    fn generations_have_one_spelling() {
        assert_eq!(parse_topic_folder("orders"), Some(("orders", 1)));
        assert_eq!(parse_topic_folder("orders@2"), Some(("orders", 2)));
        for other in ["orders@1", "orders@02", "orders@", "orders@x", "@restore", "a@2@3"] {
            assert_eq!(parse_topic_folder(other), None, "{other}");
        }
    }

    #[test]
    fn a_topic_without_a_number_is_its_newest_generation() {
        assert_eq!(parse_topic("orders"), Some(("orders", None)));
        assert_eq!(parse_topic("orders@1"), Some(("orders", Some(1))));
        assert_eq!(parse_topic("orders@10"), Some(("orders", Some(10))));
        for other in ["orders@0", "orders@01", "orders@", "@1", "@2", "orders@x", "a@1@2"] {
            assert_eq!(parse_topic(other), None, "{other}");
        }
    }

    #[test]
    fn a_claim_stays_in_its_folder_whatever_a_cluster_calls_itself() {
        assert_eq!(claim(Some("kafka-backup-testsAAAA"), None, "copy"), "@restore/@target/kafka-backup-testsAAAA/copy.json");
        assert_eq!(claim(Some("../ä"), None, "copy"), "@restore/@target/%2e%2e%2f%c3%a4/copy.json");
        let id = "AAAAAAAAAAAAAAAAAAAAAQ".parse().ok();
        assert_eq!(claim(None, id.as_ref(), "copy"), "@restore/@target/%40unknown/AAAAAAAAAAAAAAAAAAAAAQ.json");
    }

    #[test]
    fn a_snapshot_is_named_by_its_time() {
        let prefix = snapshot_prefix(Some("kafka-1"), "Backup.Group/é");
        assert_eq!(snapshot(&prefix, 1_795_957_500_000), "@cluster/kafka-1/Backup%2eGroup%2f%c3%a9/2026/11/29/130500Z.json.gz");
        assert_eq!(parse_snapshot(&snapshot(&prefix, 1_795_957_500_000)), Some((prefix.as_str(), 1_795_957_500_000)));
        for other in [
            "@cluster/a/b/2026/11/29/130500Z.json",
            "@cluster/a/b/2026/11/29/1305Z.json.gz",
            "@cluster/a/b/2026/11/29/250500Z.json.gz",
            "@cluster/a/b/2026/02/30/130500Z.json.gz",
            "@cluster/a/b/2026/1/29/130500Z.json.gz",
            "@cluster/a/b/2026/11/29/é3050Z.json.gz",
            "@cluster/2026/11/29",
            "orders/0/2026/11/29/130500Z.json.gz",
            "130500Z.json.gz",
            "",
        ] {
            assert_eq!(parse_snapshot(other), None, "{other}");
        }
    }

    #[test]
    fn a_segment_sorts_behind_its_own_mark_and_before_the_next() {
        let mark = before_segment("t", 0, 7);
        assert!(mark < segment("t", 0, 7, Packing::Gzip) && mark < segment("t", 0, 7, Packing::Zstd));
        assert!(mark > sidecar(&segment("t", 0, 6, Packing::Zstd)));
    }
}
