//! `local-runner verify`: reads everything and checks it.

use std::sync::Arc;

use anyhow::Result;
use archive::Error;
use archive::catalog::{AllSegments, Generations, Inventory, SegmentEntry, names, what_is_there};
use archive::segment::{Manifest, PythonArchive, ReadOptions, SegmentReader, Sidecar};
use kafka::TopicId;
use serde::Serialize;
use store::ObjectStore;

use crate::against;
use crate::cli::BucketArgs;
use crate::list::{python_archives, sidecar_alone};
use crate::output::{Output, Rows, table, with_lines, with_problems};
use crate::patience::Patience;
use crate::places::{inventory, older, places};
use crate::progress::Bars;
use crate::setup;

/// What was found in one partition.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    pub(crate) folder: String,
    /// The generation as `--topic` and BACKUP_TOPIC_NAME take it.
    pub(crate) name: String,
    /// Absent where the partitions of a topic cannot be listed.
    pub(crate) partition: Option<i32>,
    pub(crate) segments: u64,
    pub(crate) records: u64,
    pub(crate) python_archives: u64,
    /// Offsets that a backup could not read any more when it came to them: recorded, and no fault of the bucket.
    pub(crate) recorded_gaps: Vec<String>,
    /// What is no fault of the bucket, and what a restore will not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// What is damaged or missing.
    pub(crate) problems: Vec<String>,
}

/// Verifies what is in the bucket. Whether all of it is sound.
pub(crate) async fn run(args: &BucketArgs, from_oldest: bool, against_cluster: bool, output: &Output) -> Result<bool> {
    let bars = Bars::new(output.is_json());
    // First: what is wrong with its configuration is said before hours of reading.
    let backup = if against_cluster { Some(against::connect(args, bars.as_ref()).await?) } else { None };
    let bucket = setup::bucket(args, bars.as_ref()).await?;
    let mut verify = Verify { from_oldest, bars: bars.clone(), ..Verify::new(&bucket.store) };
    let (mut rows, mut found, mut sound) = (Rows::new(*output), false, true);
    let mut tell = |verdict: Verdict| {
        (found, sound) = (true, sound && verdict.problems.is_empty());
        rows.add(verdict);
    };
    let ended = verify.each(bucket.topic.as_deref(), &mut tell).await;
    if let Some(bars) = &bars {
        bars.clear();
    }
    rows.end(verdicts_table);
    ended?;
    if !found {
        let there = what_is_there(bucket.store.as_ref()).await?;
        anyhow::bail!("there is no backup{}: nothing was verified; {there}", bucket.place());
    }
    if let Some(older) = older(bucket.store.as_ref(), bucket.topic.as_deref()).await? {
        output.say(&older);
    }
    if let Some(backup) = backup {
        sound &= against::run(&backup, output).await?;
    }
    Ok(sound)
}

/// Reads every segment and archive.
#[derive(Debug)]
pub(crate) struct Verify<'a> {
    store: &'a Arc<dyn ObjectStore>,
    /// Whether a chain may begin behind offset 0.
    from_oldest: bool,
    bars: Option<Bars>,
    patience: Patience,
}

impl<'a> Verify<'a> {
    pub(crate) fn new(store: &'a Arc<dyn ObjectStore>) -> Self {
        Self { store, from_oldest: false, bars: None, patience: Patience::default() }
    }

    /// Tells the verdict on each partition of every topic (or of one) as soon as there is one.
    ///
    /// # Errors
    /// What the bucket says when there is no point in going on; what was verified until then is told.
    pub(crate) async fn each(&mut self, only: Option<&str>, tell: &mut impl FnMut(Verdict)) -> Result<(), Error> {
        // What is wrong with the topic.json of the folder under way, until it is told.
        let mut of_topic: (String, Option<Flaw>) = Default::default();
        let (inventory, unreadable) = inventory(self.store.as_ref(), only).await;
        let places = places(self.store.as_ref(), only, inventory.as_ref()).await?;
        for place in places.into_iter().chain(unreadable) {
            let loss = place.loss(inventory.as_ref());
            let partition = place.partition.as_ref().ok().copied();
            let mut verdict = Verdict { partition, folder: place.folder, name: place.name, ..Verdict::default() };
            let verified = match place.partition {
                Ok(partition) => {
                    let expected =
                        Expected { loss, is_compacted: place.is_compacted, topic_id: place.topic_id, inventory: inventory.as_ref() };
                    self.partition(partition, expected, &mut verdict).await
                }
                Err(error) => Err(error),
            };
            let settled = self.patience.settle(verified, |problem| verdict.problems.push(problem));
            if settled.is_ok() && of_topic.0 != verdict.folder {
                of_topic = (verdict.folder.clone(), topic_json(self.store.as_ref(), &verdict.folder).await);
            }
            // The Python tool wrote none, so where only its archives are, none is missing.
            if let Some(flaw) = of_topic.1.take_if(|flaw| !flaw.is_missing || verdict.segments > 0) {
                // It can be what the place says, too.
                if !verdict.problems.contains(&flaw.what) {
                    verdict.problems.push(flaw.what);
                }
            }
            tell(verdict);
            settled?;
        }
        Ok(())
    }

    async fn partition(&mut self, partition: i32, expected_of: Expected<'_>, verdict: &mut Verdict) -> Result<(), Error> {
        let Expected { loss, is_compacted, topic_id, inventory } = expected_of;
        let all = AllSegments::of(self.store.as_ref(), &verdict.folder, partition).await?;
        let missing: Vec<_> = if self.from_oldest { all.missing_in_chain().collect() } else { all.missing.iter().collect() };
        verdict.problems.extend(missing.into_iter().map(|(_, name)| sidecar_alone(self.store.as_ref(), name)));
        let entries = all.entries;
        let first = entries.first().map(|entry| entry.start);
        let bar = self.bars.as_ref().map(|bars| bars.counted(&format!("{}/{partition}", verdict.folder), entries.len() as u64));
        let mut expected = if self.from_oldest { None } else { Some(0) };
        for entry in &entries {
            verdict.segments += 1;
            self.check_start(entry, expected, verdict);
            let read = read_all(self.store, entry, partition, topic_id.as_ref(), verdict).await;
            expected = self.patience.settle(read, |problem| verdict.problems.push(problem))?.map(|manifest| manifest.next);
            if let Some(bar) = &bar {
                bar.inc(1);
            }
        }
        let end = expected.filter(|_| verdict.segments > 0);
        let missing = end.and_then(|end| inventory?.missing(&verdict.folder, partition, Some(end)));
        verdict.problems.extend(
            missing.map(|missing| format!("{}. Put the segments back; a restore without them: RESTORE_ANYWAY=missing", missing.what)),
        );
        for name in python_archives(self.store.as_ref(), &verdict.folder, partition).await? {
            verdict.python_archives += 1;
            let opened = PythonArchive::open(self.store.as_ref(), &name, ReadOptions::default()).await;
            let archive = self.patience.settle(opened, |problem| verdict.problems.push(problem))?;
            verdict.records += archive.map_or(0, |archive| archive.records());
        }
        let is_lost = verdict.segments == 0 && loss.is_some();
        let told = if self.from_oldest { &mut verdict.warnings } else { &mut verdict.problems };
        told.extend(loss.filter(|_| is_lost));
        if is_compacted && (is_lost || first.is_some_and(|first| first > 0)) {
            verdict.warnings.push(format!(
                "{}/{partition}: its oldest segments are missing, and the topic is compacted: keys whose last value was in them are lost. No expiry \
                 by age should delete from the backup of such a topic",
                verdict.folder
            ));
        }
        Ok(())
    }

    /// A chain begins at offset 0, and each segment where the one before ended. Behind one that cannot be read nothing is known.
    fn check_start(&self, entry: &SegmentEntry, expected: Option<i64>, verdict: &mut Verdict) {
        let start = entry.start;
        let what = match expected {
            Some(0) if start > 0 && verdict.segments == 1 => format!(
                "offsets 0 to {start} are missing in front, and a restore refuses that. If an expiry rule of the bucket (bucket.expire_days) deleted \
                 them, accept it: verify --from-oldest, and restore with RESTORE_ANYWAY=expired"
            ),
            Some(expected) if expected < start => format!("offsets {expected} to {start} are missing: a segment was taken away"),
            Some(expected) if expected > start => format!("begins at {start}, but the one before ends at {expected}"),
            _ => return,
        };
        verdict.problems.push(format!("{}: {what}", self.store.location(&entry.name)));
    }
}

/// What topic.json and the inventory say of a partition.
struct Expected<'i> {
    /// What to say when there is nothing.
    loss: Option<String>,
    is_compacted: bool,
    topic_id: Option<TopicId>,
    inventory: Option<&'i Inventory>,
}

/// What is wrong with a topic.json.
struct Flaw {
    what: String,
    is_missing: bool,
}

async fn topic_json(store: &dyn ObjectStore, folder: &str) -> Option<Flaw> {
    let (topic, number) = names::parse_topic_folder(folder)?;
    let location = || store.location(&names::topic_json(folder));
    let (what, is_missing) = match Generations::of(store, topic).get(number).await {
        Ok(Some(_)) => return None,
        Ok(None) => (format!("{}: missing", location()), true),
        Err(error) => (kernel::in_full(&error), false),
    };
    Some(Flaw { what, is_missing })
}

async fn read_all(
    store: &Arc<dyn ObjectStore>,
    entry: &SegmentEntry,
    partition: i32,
    topic_id: Option<&TopicId>,
    verdict: &mut Verdict,
) -> Result<Manifest, Error> {
    let mut reader = SegmentReader::open(store.clone(), &entry.name, ReadOptions::default()).await?;
    let manifest = reader.manifest().clone();
    let location = store.location(&entry.name);
    if let Err(misplaced) = reader.belongs_to(&verdict.folder, topic_id, partition, entry.start) {
        verdict.problems.push(misplaced.to_string());
    }
    while let Some(group) = reader.next_group().await? {
        let mut records = group.records();
        while records.next()?.is_some() {
            verdict.records += 1;
        }
    }
    if reader.sidecar() == Sidecar::Missing {
        verdict.problems.push(format!("{location}: its .sha256 is missing; the next backup writes it when this is the last segment"));
    }
    if let Some(gap) = &manifest.gap {
        verdict.recorded_gaps.push(format!("{} to {}: {}", gap.from, gap.to, gap.reason));
    }
    Ok(manifest)
}

pub(crate) fn verdicts_table(verdicts: &[Verdict]) -> String {
    let text = table(
        ["PARTITION", "SEGMENTS", "PYTHON ARCHIVES", "RECORDS", "RECORDED GAPS", "VERDICT"],
        verdicts.iter().map(|one| {
            [
                one.partition.map_or_else(|| one.name.clone(), |partition| format!("{}/{partition}", one.name)),
                one.segments.to_string(),
                one.python_archives.to_string(),
                one.records.to_string(),
                one.recorded_gaps.join(", "),
                verdict_of(one),
            ]
        }),
    );
    let text = with_lines(text, "warning", verdicts.iter().flat_map(|one| &one.warnings));
    with_problems(text, verdicts.iter().flat_map(|one| &one.problems))
}

fn verdict_of(one: &Verdict) -> String {
    match one.problems.len() {
        0 if one.partition.is_some() && one.segments == 0 && one.python_archives == 0 => "nothing stored".to_owned(),
        0 if !one.warnings.is_empty() => format!("{} WARNINGS", one.warnings.len()),
        0 => "sound".to_owned(),
        problems => format!("{problems} PROBLEMS"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use store::StoreErrorKind;
    use store::testing::{Delete, Fault, MemoryStore};

    use super::*;
    use crate::testing::{add_segment, add_snapshot, add_topic, add_topic_with, failing};

    /// Verdicts, and how it ended.
    async fn verify(store: Arc<dyn ObjectStore>, from_oldest: bool) -> (Vec<Verdict>, Result<(), Error>) {
        let mut verdicts = Vec::new();
        let ended = Verify { from_oldest, ..Verify::new(&store) }.each(None, &mut |verdict| verdicts.push(verdict)).await;
        (verdicts, ended)
    }

    fn problems(verdicts: &[Verdict]) -> Vec<&str> {
        verdicts.iter().flat_map(|one| &one.problems).map(String::as_str).collect()
    }

    /// Two topics of three segments of ten records.
    async fn backups() -> MemoryStore {
        let store = MemoryStore::new();
        for topic in ["a", "b"] {
            add_topic(&store, topic);
            for start in [0, 10, 20] {
                add_segment(&store, topic, 0, start..start + 10).await;
            }
        }
        store
    }

    #[tokio::test]
    async fn a_sound_bucket_is_sound() {
        let (verdicts, ended) = verify(Arc::new(backups().await), false).await;
        ended.unwrap();
        assert_eq!(problems(&verdicts), [""; 0]);
        assert_eq!(verdicts.iter().map(|one| (one.segments, one.records)).collect::<Vec<_>>(), [(3, 30), (3, 30)]);
    }

    /// The oldest segments are as much a part of a backup as those in the middle, unless somebody says that they may be gone.
    #[tokio::test]
    async fn offsets_that_are_missing_in_front_are_a_problem() {
        let store = MemoryStore::new();
        add_topic(&store, "a");
        for start in [10, 20] {
            add_segment(&store, "a", 0, start..start + 10).await;
        }
        let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
        let found = problems(&verdicts);
        assert!(found.len() == 1 && found[0].contains("offsets 0 to 10 are missing in front"), "{found:?}");
        assert!(found[0].contains("--from-oldest") && found[0].contains("expire_days"), "{found:?}");
        assert_eq!(problems(&verify(Arc::new(store), true).await.0), [""; 0]);
    }

    /// Partition 0 lost its folder, 1 its last segment, 2 never had one; of 3 nobody has seen one yet.
    #[tokio::test]
    async fn what_is_gone_is_told_from_what_never_was() {
        let store = MemoryStore::new();
        add_topic_with(&store, "a", |topic| (topic.partitions, topic.begun) = (3, [0, 1].into()));
        let mut names = Vec::new();
        for start in [0, 10] {
            names.push(add_segment(&store, "a", 1, start..start + 10).await);
        }
        store.delete(&names[1]).await.unwrap();
        let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
        let found = problems(&verdicts);
        assert!(found.len() == 2 && found[0].contains("every segment of a/0 is missing") && found[1].contains(&names[1]), "{found:?}");
        let told: Vec<_> = verdicts.iter().map(|one| (one.partition, one.problems.len(), verdict_of(one))).collect();
        assert_eq!((told[2].0, told[2].1, told[2].2.as_str()), (Some(2), 0, "nothing stored"));
        // Expiry takes all of a quiet partition; what it leaves is in the middle of no chain.
        let (verdicts, _) = verify(Arc::new(store), true).await;
        let found = problems(&verdicts);
        assert!(found.len() == 1 && found[0].contains(&names[1]) && verdicts[0].warnings.len() == 1, "{verdicts:?}");
    }

    #[tokio::test]
    async fn the_expired_beginning_of_a_compacted_topic_is_no_old_news() {
        let store = MemoryStore::new();
        for (topic, policy) in [("a", "compact,delete"), ("b", "delete")] {
            add_topic_with(&store, topic, |topic| _ = topic.configs.insert("cleanup.policy".to_owned(), policy.to_owned()));
            add_segment(&store, topic, 0, 10..20).await;
        }
        let (verdicts, _) = verify(Arc::new(store), true).await;
        assert_eq!(problems(&verdicts), [""; 0]);
        assert!(verdicts[0].warnings[0].contains("compacted") && verdicts[1].warnings.is_empty(), "{verdicts:?}");
    }

    #[tokio::test]
    async fn one_bad_object_hides_no_other() {
        let middle = "a/0/00000000000000000010.tar.gz";
        for kind in [StoreErrorKind::Denied, StoreErrorKind::Unavailable, StoreErrorKind::Other] {
            let faults = move |_, name: &str| if name == middle { Fault::Before(kind) } else { Fault::None };
            let (verdicts, ended) = verify(failing(backups().await, faults), false).await;
            ended.unwrap();
            let found = problems(&verdicts);
            assert!(found.len() == 1 && found[0].contains(middle), "{kind:?}: {found:?}");
            assert_eq!(verdicts.iter().map(|one| one.records).collect::<Vec<_>>(), [20, 30]);
        }
    }

    #[tokio::test]
    async fn a_bucket_that_goes_away_ends_it_and_what_was_found_is_told() {
        let faults = |_, name: &str| if name.starts_with("b/") { Fault::Before(StoreErrorKind::Credentials) } else { Fault::None };
        let (verdicts, ended) = verify(failing(backups().await, faults), false).await;
        assert!(ended.is_err());
        assert_eq!(verdicts[0].records, 30);
        assert_eq!(problems(&verdicts[..1]), [""; 0]);
    }

    #[tokio::test]
    async fn what_a_snapshot_knows_and_is_not_there_is_a_problem() {
        let store = backups().await;
        let snapshot = add_snapshot(&store, [("a", 0, 30), ("a", 1, 10), ("a", 2, 0), ("b", 0, 40), ("c", 0, 10)]).await;
        let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
        let found = problems(&verdicts);
        let says =
            ["c/ is missing with all that was in it", "every segment of a/1 is missing", "offsets 30 to 40 of b/0 are missing at its end"];
        assert!(
            found.len() == 3 && found.iter().zip(says).all(|(found, says)| found.contains(says) && found.contains(&snapshot)),
            "{found:?}"
        );
        assert!(found[2].contains("RESTORE_ANYWAY=missing"), "{found:?}");
        // All segments of a partition can expire; an end alone cannot, and no rule for segments deletes topic.json.
        let (verdicts, _) = verify(Arc::new(store.clone()), true).await;
        let found = problems(&verdicts);
        assert!(found.len() == 2 && found[0].contains("c/ is missing") && found[1].contains("b/0"), "{found:?}");
        assert_eq!(verdicts.iter().map(|one| one.warnings.len()).sum::<usize>(), 1, "{verdicts:?}");
        // Of one topic only its own part counts.
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        let mut of_one = Vec::new();
        Verify::new(&store).each(Some("a"), &mut |verdict| of_one.push(verdict)).await.unwrap();
        assert_eq!(problems(&of_one).len(), 1, "{of_one:?}");
    }

    #[tokio::test]
    async fn snapshots_that_are_damaged_or_all_gone_are_told_once() {
        let store = backups().await;
        for topic in ["a", "b"] {
            add_topic_with(&store, topic, |topic| topic.snapshots = Some("@cluster/kafka-1/backup/".to_owned()));
        }
        let snapshot = add_snapshot(&store, [("a", 0, 30)]).await;
        assert_eq!(problems(&verify(Arc::new(store.clone()), false).await.0), [""; 0]);
        store.overwrite(&snapshot, "damaged");
        let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
        assert!(problems(&verdicts).len() == 1 && problems(&verdicts)[0].contains(&snapshot), "{verdicts:?}");
        store.delete(&snapshot).await.unwrap();
        let (verdicts, _) = verify(Arc::new(store.clone()), true).await;
        assert!(
            problems(&verdicts).len() == 1 && problems(&verdicts)[0].contains("all snapshots of @cluster/kafka-1/backup/"),
            "{verdicts:?}"
        );
        // Whoever may not list them knows nothing of them.
        let faults = |_, name: &str| if name.starts_with("@cluster/") { Fault::Before(StoreErrorKind::Denied) } else { Fault::None };
        let (verdicts, _) = verify(failing(store, faults), false).await;
        assert!(problems(&verdicts).len() == 1 && !problems(&verdicts)[0].contains("all snapshots"), "{verdicts:?}");
    }

    /// A topic.json is named whichever partition has segments; the Python tool wrote none.
    #[tokio::test]
    async fn a_missing_topic_json_is_told_beside_segments() {
        let store = MemoryStore::new();
        for name in ["a/0/20261123-072346.tar.gz", "python/0/20261123-072346.tar.gz"] {
            store.overwrite(name, "no archive");
        }
        add_segment(&store, "a", 1, 0..10).await;
        let (verdicts, _) = verify(Arc::new(store.clone()), false).await;
        let missing = |verdict: &Verdict| verdict.problems.iter().filter(|problem| problem.contains("topic.json: missing")).count();
        assert_eq!(verdicts.iter().map(missing).collect::<Vec<_>>(), [0, 1, 0]);

        store.overwrite("python/topic.json", "{");
        let (verdicts, _) = verify(Arc::new(store), false).await;
        assert!(verdicts[2].problems.iter().any(|problem| problem.contains("python/topic.json: cannot be read")), "{verdicts:?}");
    }
}
