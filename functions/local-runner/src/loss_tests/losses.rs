//! What is deleted or damaged.

use std::fs;
use std::path::PathBuf;

use super::site::Site;

/// A loss, the words by which a message names it, and the commands that may not see it.
pub(super) struct Loss {
    pub(super) what: &'static str,
    /// What a message names: one of these.
    place: &'static [&'static str],
    pub(super) happens: fn(&Site),
    /// Commands that end with 0 and do not name it, and the letter of the reason.
    pub(super) unseen: &'static [(char, &'static [&'static str])],
}

impl Loss {
    const fn of(
        what: &'static str,
        place: &'static [&'static str],
        happens: fn(&Site),
        unseen: &'static [(char, &'static [&'static str])],
    ) -> Self {
        Self { what, place, happens, unseen }
    }

    /// Whether a line of the output says that something is wrong there.
    pub(super) fn is_named_by(&self, line: &str) -> bool {
        const WRONG: [&str; 7] =
            ["missing", "was backed up", "its backup reaches", "no segment of", "no snapshot of", "bytes end inside", "do not begin like"];
        self.place.iter().any(|place| line.contains(place)) && WRONG.iter().any(|word| line.contains(word))
    }
}

const STATUS: &[&str] = &["status"];
const LIST: &[&str] = &["list"];
const PLAN: &[&str] = &["plan latest", "plan all"];
const RESTORE: &[&str] = &["plan latest", "plan all", "restore latest", "restore all"];
const BACKUP: &[&str] = &["backup"];
const AFTER: &[&str] = &["verify after it"];
const READERS: &[&str] =
    &["verify", "verify --quick", "list", "status", "plan latest", "restore latest", "plan all", "restore all", "verify after it"];

/// The losses, in the order of the table.
pub(super) const LOSSES: &[Loss] = &[
    Loss::of("nothing", &[], |_| (), &[]),
    Loss::of(
        "a segment in the middle",
        &["busy/0"],
        |site| delete_segment(site, "busy/0", 3),
        &[('a', STATUS), ('b', LIST), ('c', PLAN), ('d', BACKUP)],
    ),
    Loss::of(
        "the first segment",
        &["busy/0"],
        |site| delete_segment(site, "busy/0", 0),
        &[('a', STATUS), ('b', LIST), ('c', PLAN), ('d', BACKUP)],
    ),
    Loss::of("the last segment", &["busy/0"], |site| delete_segment(site, "busy/0", 12), &[('a', STATUS)]),
    Loss::of("the last segment of `idle`", &["idle/0"], |site| delete_segment(site, "idle/0", 3), &[('a', STATUS), ('d', BACKUP)]),
    Loss::of(
        "a `.sha256` alone",
        &["busy/0"],
        |site| delete(&segment(site, "busy/0", 3).with_extension("gz.sha256")),
        &[('a', STATUS), ('b', LIST), ('f', RESTORE), ('d', BACKUP)],
    ),
    Loss::of("a segment, but not its `.sha256`", &["busy/0"], |site| delete(&segment(site, "busy/0", 3)), &[('a', STATUS), ('d', BACKUP)]),
    Loss::of(
        "a segment is truncated",
        &["busy/0"],
        |site| truncate(&segment(site, "busy/0", 3), 200),
        &[('a', STATUS), ('b', LIST), ('c', PLAN), ('d', BACKUP)],
    ),
    Loss::of(
        "a segment is emptied",
        &["busy/0"],
        |site| truncate(&segment(site, "busy/0", 3), 0),
        &[('a', STATUS), ('b', LIST), ('c', PLAN), ('d', BACKUP)],
    ),
    Loss::of("the last segment is truncated", &["busy/0"], |site| truncate(&segment(site, "busy/0", 12), 200), &[('d', BACKUP)]),
    Loss::of("a partition's folder", &["busy/1", "partition=1"], |site| delete(&site.path().join("busy/1")), &[('a', STATUS)]),
    Loss::of("the folder of `busy`", &["busy/"], |site| delete(&site.path().join("busy")), &[]),
    Loss::of("the folder of `idle`", &["idle/"], |site| delete(&site.path().join("idle")), &[]),
    Loss::of("`topic.json` of `busy`", &["busy/topic.json"], |site| delete(&site.path().join("busy/topic.json")), &[('a', STATUS)]),
    Loss::of(
        "`topic.json` of `idle`",
        &["idle/topic.json"],
        |site| delete(&site.path().join("idle/topic.json")),
        &[('a', STATUS), ('d', BACKUP)],
    ),
    Loss::of("the newest snapshot", &["Z.json.gz"], delete_newest_snapshot, &[('g', BACKUP), ('g', AFTER)]),
    Loss::of("all snapshots", &["snapshot"], |site| snapshots(site).iter().for_each(delete), &[('g', AFTER)]),
    Loss::of("all of `ends/`", &["/ends/"], |site| ends(site).iter().for_each(delete), &[('e', READERS), ('d', BACKUP)]),
    Loss::of(
        "the newest snapshot, and all of `ends/`",
        &["/ends/", "Z.json.gz"],
        |site| {
            delete_newest_snapshot(site);
            ends(site).iter().for_each(delete);
        },
        &[('e', READERS), ('g', BACKUP)],
    ),
    Loss::of(
        "the last segment, and the only one of `ends/` that lists it",
        &["/ends/", "busy/0"],
        |site| {
            ends(site).last().into_iter().for_each(delete);
            delete_segment(site, "busy/0", 12);
        },
        &[('e', &["verify", "verify --quick", "list", "status", "plan all", "restore all"])],
    ),
    Loss::of("all of `@cluster/`", &["snapshot"], |site| delete(&site.path().join("@cluster")), &[('g', AFTER)]),
];

fn segment(site: &Site, partition: &str, start: u64) -> PathBuf {
    site.path().join(format!("{partition}/{start:020}.tar.gz"))
}

fn delete_segment(site: &Site, partition: &str, start: u64) {
    let segment = segment(site, partition, start);
    delete(&segment.with_extension("gz.sha256"));
    delete(&segment);
}

/// A file or a folder, which must exist.
fn delete(path: &PathBuf) {
    let deleted = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    deleted.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn truncate(path: &PathBuf, bytes: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn snapshots(site: &Site) -> Vec<PathBuf> {
    let files = site.files("@cluster");
    files.into_iter().filter(|file| !file.to_string_lossy().contains("/ends/")).collect()
}

fn delete_newest_snapshot(site: &Site) {
    let all = snapshots(site);
    assert_eq!(all.len(), 2, "{all:?}");
    delete(&all[1]);
}

/// How far the runs came, the oldest first.
fn ends(site: &Site) -> Vec<PathBuf> {
    let files = site.files("@cluster");
    let ends: Vec<PathBuf> = files.into_iter().filter(|file| file.to_string_lossy().contains("/ends/")).collect();
    assert_eq!(ends.len(), 2, "{ends:?}");
    ends
}
