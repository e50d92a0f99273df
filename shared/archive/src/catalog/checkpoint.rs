//! The progress of a restore: one object per source partition, and the same progress inside each
//! Kafka transaction.

use std::cmp::max;

use futures::{StreamExt, TryStreamExt, stream};
use kafka::CommittedOffset;
use kernel::clock::Millis;
use kernel::failpoint;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind, Version};

use crate::Result;
use crate::catalog::{Gaps, KeptSpans, Spans, names};

/// Version of checkpoints and of the progress in the metadata of committed offsets.
pub const RESTORE_FORMAT: u32 = 1;

/// Brokers accept 4,096 bytes of metadata with an offset (`offset.metadata.max.bytes`).
const LARGEST_METADATA: usize = 4000;

/// Objects with spans that are read in parallel.
const READS_AT_ONCE: usize = 8;

/// What has been restored of one source partition. It only ever grows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RestoreProgress {
    /// Every record of our segments below this source offset is in the target, if it is in the
    /// restored time range.
    pub next: i64,
    /// Start of the segment that contains `next`, if `next` is inside one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<i64>,
    /// The same for the Python tool's archives, which have no offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archives: Option<ArchiveCursor>,
}

impl RestoreProgress {
    /// The larger of two states of one restore, each field separately.
    pub fn merge(self, other: Self) -> Self {
        let archives = max(self.archives.clone(), other.archives.clone());
        let further = if other.next > self.next { other } else { self };
        Self { archives, ..further }
    }
}

/// A position in the Python tool's archives of a partition: archives in the order of their names,
/// `current.bin` last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArchiveCursor {
    /// The archive's file name.
    pub archive: String,
    /// Lines of it that are in the target.
    pub lines: u64,
    /// Whether that is all of it.
    pub done: bool,
}

/// The checkpoint object of one source partition. Written after its transaction, so it can be
/// behind, never ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// See [`RESTORE_FORMAT`].
    pub format_version: u32,
    /// Partition of the source.
    pub partition: i32,
    /// The restore that it belongs to:
    /// [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    pub run: String,
    /// The progress.
    pub progress: RestoreProgress,
    /// Nothing is committed after this checkpoint. So it is enough to resume from if Kafka has
    /// forgotten its progress (`offsets.retention.minutes`). Unset while an invocation works on the
    /// partition.
    #[serde(default)]
    pub settled: bool,
    /// Records written, as far as this checkpoint knows.
    pub records: u64,
    /// Their bytes, each in its own batch and without compression. The target's logs usually use
    /// less.
    #[serde(default)]
    pub bytes: u64,
    /// Segments, archives or offset ranges that were skipped because they are damaged or missing,
    /// as the user asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What the backup had lost before reading it, up to this progress.
    #[serde(default, skip_serializing_if = "Gaps::is_none")]
    pub gaps: Gaps,
    /// Where source offsets went, for the translation of consumer groups' offsets: the newest
    /// spans; the others are in their own objects ([`KeptSpans`]). Empty unless every record went
    /// to its own partition.
    #[serde(default, skip_serializing_if = "Spans::is_empty")]
    pub spans: Spans,
    /// When it was written.
    pub at: Millis,
}

impl Checkpoint {
    /// The checkpoint of a partition without any restored record.
    pub fn new(partition: i32) -> Self {
        Self {
            format_version: RESTORE_FORMAT,
            partition,
            run: String::new(),
            progress: RestoreProgress::default(),
            settled: true,
            records: 0,
            bytes: 0,
            skipped: vec![],
            gaps: Gaps::default(),
            spans: Spans::default(),
            at: 0,
        }
    }

    /// The source partitions of a folder for which a restore has a checkpoint.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn partitions(store: &dyn ObjectStore, restore_id: &str, folder: &str) -> Result<Vec<i32>> {
        let (prefix, mut found, mut after) = (names::checkpoints(restore_id, folder), Vec::new(), String::new());
        loop {
            let page = store.list(&prefix, &after, 1000).await?;
            let names = page.objects.iter().filter_map(|object| object.name.strip_prefix(&prefix)?.strip_suffix(".json"));
            found.extend(names.filter_map(names::parse_partition));
            match page.objects.last() {
                Some(last) if page.more => after.clone_from(&last.name),
                _ => return Ok(found),
            }
        }
    }

    /// Reads a checkpoint, with the version to replace.
    ///
    /// # Errors
    /// An error of the store. An unreadable checkpoint is never treated as missing.
    pub async fn load(store: &dyn ObjectStore, restore_id: &str, folder: &str, partition: i32) -> Result<Option<(Self, Version)>> {
        let name = names::checkpoint(restore_id, folder, partition);
        let object = match store.get(&name).await {
            Err(StoreError { kind: StoreErrorKind::NotFound, .. }) => return Ok(None),
            other => other?,
        };
        let damaged = |what: String| StoreError::new(StoreErrorKind::Damaged, store.location(&name), what);
        let checkpoint: Self = serde_json::from_slice(&object.body).map_err(|error| {
            damaged(format!("this restore checkpoint cannot be read ({error}); with a new RESTORE_ID the restore starts again"))
        })?;
        if checkpoint.format_version > RESTORE_FORMAT {
            return Err(damaged(format!("written by a newer version (format {}); use that version", checkpoint.format_version)).into());
        }
        Ok(Some((checkpoint, object.version)))
    }

    /// Writes it, and replaces only the state that was read (`None`: there was none).
    ///
    /// # Errors
    /// [`StoreErrorKind::Changed`] or [`StoreErrorKind::AlreadyExists`] if another invocation wrote
    /// one in between.
    pub async fn save(
        &self,
        store: &dyn ObjectStore,
        restore_id: &str,
        folder: &str,
        unchanged_since: Option<&Version>,
    ) -> Result<Version, StoreError> {
        let name = names::checkpoint(restore_id, folder, self.partition);
        let body = serde_json::to_vec_pretty(self)
            .map_err(|error| StoreError::new(StoreErrorKind::Other, store.location(&name), error.to_string()))?;
        let Some(expected) = unchanged_since else {
            failpoint!("restore::checkpoint_create::before");
            let created = store.create(&name, body.into()).await?;
            failpoint!("restore::checkpoint_create::after");
            return Ok(created);
        };
        failpoint!("restore::checkpoint_replace::before");
        let replaced = store.replace(&name, body.into(), expected).await?;
        failpoint!("restore::checkpoint_replace::after");
        Ok(replaced)
    }

    /// Moves older spans into objects of this many each, which are never replaced. The last span
    /// stays, since it may still grow.
    ///
    /// # Errors
    /// An error of the store; then the spans stay.
    pub async fn put_spans_away(&mut self, store: &dyn ObjectStore, restore_id: &str, folder: &str, each: usize) -> Result<(), StoreError> {
        while self.spans.len() > each.max(1) {
            KeptSpans::put(&self.run, self.spans.first(each.max(1)), store, restore_id, folder, self.partition).await?;
            self.spans.take_first(each.max(1));
        }
        Ok(())
    }

    /// All known spans: those in the checkpoint, and in the objects next to it. Read the checkpoint
    /// first, since spans move from it to those.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn all_spans(&self, store: &dyn ObjectStore, restore_id: &str, folder: &str) -> Result<Spans> {
        let names = KeptSpans::names(store, restore_id, folder, self.partition).await?;
        let load = names.into_iter().map(|name| async move { KeptSpans::load(store, &name).await });
        let kept: Vec<KeptSpans> = stream::iter(load).buffered(READS_AT_ONCE).try_collect().await?;
        let mut all = self.spans.clone();
        kept.iter().filter(|kept| kept.run == self.run).for_each(|kept| all.unite(&kept.spans));
        Ok(all)
    }
}

/// The metadata of a committed offset, inside the transaction: the progress of the restore.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RestoreCommit {
    /// See [`RESTORE_FORMAT`].
    #[serde(rename = "kafka-restore")]
    version: u32,
    /// The restore that it belongs to:
    /// [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    run: String,
    /// The progress.
    #[serde(flatten)]
    pub progress: RestoreProgress,
    /// Records written until then, as far as the previous checkpoint knew.
    #[serde(default)]
    pub records: u64,
    /// Their bytes: see [`Checkpoint::bytes`].
    #[serde(default)]
    pub bytes: u64,
    /// Spans since the last checkpoint: a kill between the transaction and the checkpoint loses
    /// none of those that fit.
    #[serde(default, skip_serializing_if = "Spans::is_empty")]
    pub spans: Spans,
}

impl RestoreCommit {
    /// The prefix of the names of groups that store a restore's progress, and of its transactional
    /// ids.
    pub const GROUPS: &str = "kafka-backup-restore.";

    /// The progress of the restore `run`, without spans.
    pub fn new(run: &str, progress: RestoreProgress, records: u64, bytes: u64) -> Self {
        Self { version: RESTORE_FORMAT, run: run.to_owned(), progress, records, bytes, spans: Spans::default() }
    }

    /// With the spans that are in no checkpoint yet.
    #[must_use]
    pub fn with(self, spans: Spans) -> Self {
        Self { spans, ..self }
    }

    /// Whether all of it fits the brokers' limit. If not, write a checkpoint first, and include
    /// only the spans of this commit.
    pub fn fits(&self) -> bool {
        self.metadata().len() <= LARGEST_METADATA
    }

    fn metadata(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What to commit. If not all spans fit, as many as do, the first ones. If no checkpoint
    /// follows, the source offsets of the others are unknown permanently. About 600 fit. A
    /// transaction has one or two, and two more each time that others wrote to the partition in
    /// between.
    pub fn to_committed(&self) -> CommittedOffset {
        let (next, metadata) = (self.progress.next, self.metadata());
        if metadata.len() <= LARGEST_METADATA {
            return CommittedOffset { next, metadata };
        }
        let (mut fits, mut too_many) = (0, self.spans.len());
        while fits + 1 < too_many {
            let middle = fits.midpoint(too_many);
            if self.clone().with(self.spans.first(middle)).fits() { fits = middle } else { too_many = middle }
        }
        CommittedOffset { next, metadata: self.clone().with(self.spans.first(fits)).metadata() }
    }

    /// Whether these are the metadata of a restore's progress, of any version.
    pub fn is_one(metadata: &str) -> bool {
        #[derive(Deserialize)]
        struct Mark {
            #[serde(rename = "kafka-restore")]
            _version: u32,
        }
        serde_json::from_str::<Mark>(metadata).is_ok()
    }

    /// Parses the output of [`to_committed`](Self::to_committed). `None` if it does not belong to
    /// the restore `run`.
    pub fn read(committed: &CommittedOffset, run: &str) -> Option<Self> {
        let commit: Self = serde_json::from_str(&committed.metadata).ok()?;
        (commit.version == RESTORE_FORMAT && commit.run == run && commit.progress.next == committed.next).then_some(commit)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use store::testing::MemoryStore;

    use super::*;
    use crate::catalog::{FoundSpan, Span};

    fn span(from: i64, to: i64, target: i64, count: i64) -> Span {
        Span { from, to, target, count }
    }

    #[test]
    fn progress_survives_a_commit() {
        let progress = RestoreProgress {
            next: 7,
            inside: Some(4),
            archives: Some(ArchiveCursor { archive: "current.bin".into(), lines: 3, done: false }),
        };
        let commit = RestoreCommit::new("a", progress, 5, 500).with([span(0, 7, 100, 7)].into_iter().collect());
        let committed = commit.to_committed();
        assert_eq!(RestoreCommit::read(&committed, "a"), Some(commit));
        assert_eq!(RestoreCommit::read(&committed, "b"), None, "another restore had this id");
        assert_eq!(RestoreCommit::read(&CommittedOffset { next: 8, ..committed }, "a"), None);
    }

    #[test]
    fn hundreds_of_spans_fit_beside_a_committed_offset() {
        let spans = (0..500).map(|number| span(5_000_000 + 1_000 * number, 5_001_000 + 1_000 * number, 7_000_000 + 1_001 * number, 1_000));
        let commit = RestoreCommit::new("run", RestoreProgress::default(), 1 << 40, 1 << 50).with(spans.collect());
        assert_eq!(commit.spans.len(), 500);
        assert!(commit.fits());
    }

    #[test]
    fn no_metadata_is_larger_than_brokers_take_and_the_first_spans_are_in_it() {
        let largest = i64::MAX - 1;
        // Each far from the previous one, and with a hole.
        let spans: Spans =
            (0..1_000).map(|number| span(largest / 1_000 * number, largest / 1_000 * (number + 1) - 5, largest - number, 1)).collect();
        let progress = RestoreProgress { next: i64::MAX, ..RestoreProgress::default() };
        let commit = RestoreCommit::new("run", progress.clone(), u64::MAX, u64::MAX).with(spans.clone());
        assert!(!commit.fits());
        let committed = commit.to_committed();
        assert!(committed.metadata.len() <= 4096, "{}", committed.metadata.len());
        let read = RestoreCommit::read(&committed, "run").unwrap();
        assert!((20..1_000).contains(&read.spans.len()), "{}", read.spans.len());
        assert_eq!((read.progress, &read.spans), (progress, &spans.first(read.spans.len())));
    }

    #[test]
    fn current_bin_stands_behind_every_archive() {
        let cursor = |archive: &str| ArchiveCursor { archive: archive.into(), lines: 0, done: false };
        assert!(cursor("20261123-072346.tar.gz") < cursor("20261123-072403.tar.gz"));
        assert!(cursor("20991231-235959.tar.gz") < cursor("current.bin"));
    }

    #[tokio::test]
    async fn a_checkpoint_stays_small_however_many_transactions_there_were() {
        let (store, mut checkpoint) = (MemoryStore::new(), Checkpoint { run: "a".into(), ..Checkpoint::new(3) });
        let of_number = |number: i64| span(number, number + 1, 2 * number, 1);
        for number in 0..1_234 {
            checkpoint.spans.add(of_number(number));
            checkpoint.put_spans_away(&store, "drill", "orders", 500).await.unwrap();
        }
        assert_eq!(checkpoint.spans.len(), 234);
        assert_eq!(KeptSpans::names(&store, "drill", "orders", 3).await.unwrap().len(), 2);
        assert_eq!(checkpoint.all_spans(&store, "drill", "orders").await.unwrap(), (0..1_234).map(of_number).collect());
    }

    /// Of ten thousand transactions, by two alternating invocations, each with the checkpoint that
    /// the other left.
    #[tokio::test]
    async fn ten_thousand_spans_are_all_found_again() {
        let store = MemoryStore::new();
        let of_number = |number: i64| span(10 * number, 10 * number + 10, 11 * number, if number % 3 == 0 { 9 } else { 10 });
        let mut checkpoints = [0, 1].map(|_| Checkpoint { run: "a".into(), ..Checkpoint::new(0) });
        for number in 0..10_000 {
            let turn = usize::from(number % 700 > 350);
            checkpoints[turn].spans.add(of_number(number));
            if number % 50 == 0 {
                let each = [1_000, 333][turn];
                checkpoints[turn].put_spans_away(&store, "drill", "orders", each).await.unwrap();
                let other = checkpoints[turn].spans.clone();
                checkpoints[1 - turn].spans.unite(&other);
            }
        }
        let other = checkpoints[0].spans.clone();
        checkpoints[1].spans.unite(&other);
        let all = checkpoints[1].all_spans(&store, "drill", "orders").await.unwrap();
        assert_eq!(all, (0..10_000).map(of_number).collect());
        assert_eq!(all.find(54_320, 100_000), FoundSpan::Exact(59_752));
    }

    /// Two invocations that split the list at different places, and another restore with the same
    /// id.
    #[tokio::test]
    async fn what_others_put_away_is_neither_lost_nor_taken_for_the_same() {
        let store = MemoryStore::new();
        let of_number = |number: i64| span(number, number + 1, 2 * number, 1);
        let put = async |run: &str, numbers: std::ops::Range<i64>, shift: i64| {
            let spans = numbers.map(|number| Span { target: 2 * number + shift, ..of_number(number) }).collect();
            KeptSpans::put(run, spans, &store, "drill", "orders", 0).await.unwrap();
        };
        put("a", 0..500, 0).await;
        put("a", 0..500, 0).await;
        put("a", 0..700, 0).await;
        put("before", 0..2_000, 77).await;
        let checkpoint = Checkpoint { run: "a".into(), spans: (690..800).map(of_number).collect(), ..Checkpoint::new(0) };
        assert_eq!(KeptSpans::names(&store, "drill", "orders", 0).await.unwrap().len(), 3);
        assert_eq!(checkpoint.all_spans(&store, "drill", "orders").await.unwrap(), (0..800).map(of_number).collect());
    }
}
