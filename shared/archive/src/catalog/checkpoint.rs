//! How far a restore is: one object for each source partition, and the same progress inside each Kafka transaction.

use std::cmp::max;

use kafka::CommittedOffset;
use kernel::clock::Millis;
use kernel::failpoint;
use serde::{Deserialize, Serialize};
use store::{ObjectStore, StoreError, StoreErrorKind, Version};

use crate::Result;
use crate::catalog::{Gaps, Span, names};

/// Version of checkpoints and of the progress beside committed offsets.
pub const RESTORE_FORMAT: u32 = 1;

/// Brokers take 4,096 bytes beside an offset (`offset.metadata.max.bytes`).
const LARGEST_METADATA: usize = 4000;

/// Runs in an object of their own.
const SPANS: usize = 500;

/// What has been restored of one source partition. It only ever grows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RestoreProgress {
    /// Every record of our segments below this source offset is in the target, if it is of the time that is restored.
    pub next: i64,
    /// Start of the segment in which `next` lies, when it lies inside one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<i64>,
    /// The same for the Python tool's archives, which know no offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archives: Option<ArchiveCursor>,
}

impl RestoreProgress {
    /// The larger of two states of one restore, each part on its own.
    pub fn merge(self, other: Self) -> Self {
        let archives = max(self.archives.clone(), other.archives.clone());
        let further = if other.next > self.next { other } else { self };
        Self { archives, ..further }
    }
}

/// A place in the Python tool's archives of a partition: archives in the order of their names, `current.bin` behind all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ArchiveCursor {
    /// The archive's file name.
    pub archive: String,
    /// Lines of it that are in the target.
    pub lines: u64,
    /// Whether that is all of it.
    pub done: bool,
}

/// The checkpoint object of one source partition. Written after the transaction it tells of, so it can be behind, never ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// See [`RESTORE_FORMAT`].
    pub format_version: u32,
    /// Partition of the source.
    pub partition: i32,
    /// The restore it is of: [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    pub run: String,
    /// How far.
    pub progress: RestoreProgress,
    /// Nothing is committed behind this checkpoint: it is enough to go on from, should Kafka have forgotten the progress that it keeps
    /// (`offsets.retention.minutes`). Unset while an invocation is at work.
    #[serde(default)]
    pub settled: bool,
    /// Records written, as far as this checkpoint knows.
    pub records: u64,
    /// Segments, archives or stretches of offsets that were skipped because they are damaged or missing, when the user asked for that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// What the backup had lost before it read it, as far as this restore is.
    #[serde(default, skip_serializing_if = "Gaps::is_none")]
    pub gaps: Gaps,
    /// Where source offsets went, for the translation of consumer groups' offsets: the newest spans, the others stand in objects of their
    /// own. Empty unless every record went to its own partition.
    #[serde(rename = "runs", default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// When it was written.
    pub at: Millis,
}

impl Checkpoint {
    /// The checkpoint of a partition of which nothing was written yet.
    pub fn new(partition: i32) -> Self {
        Self {
            format_version: RESTORE_FORMAT,
            partition,
            run: String::new(),
            progress: RestoreProgress::default(),
            settled: true,
            records: 0,
            skipped: vec![],
            gaps: Gaps::default(),
            spans: vec![],
            at: 0,
        }
    }

    /// The source partitions of a folder of which a restore has a checkpoint.
    ///
    /// # Errors
    /// What the store says.
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
    /// What the store says; a checkpoint that cannot be read is never treated as missing.
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

    /// Writes it, replacing just the state that was read (`None`: there was none).
    ///
    /// # Errors
    /// [`StoreErrorKind::Changed`] or [`StoreErrorKind::AlreadyExists`] when another invocation wrote one in between.
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

    /// Notes where records went. Neighbours in step are joined; what is known already, because the metadata of a commit tells of it a second
    /// time, is not noted again.
    pub fn note(&mut self, spans: impl IntoIterator<Item = Span>) {
        for span in spans {
            let Some(last) = self.spans.last_mut() else {
                self.spans.push(span);
                continue;
            };
            let Some(span) = span.behind(last.to) else { continue };
            if span.continues(last) {
                last.to = span.to;
                last.count += span.count;
            } else {
                self.spans.push(span);
            }
        }
    }

    /// Moves older spans into objects of their own, which are never replaced: whoever does it finds the same spans. The last span stays, since it
    /// may still grow.
    ///
    /// # Errors
    /// What the store says; then the spans stay.
    pub async fn put_spans_away(&mut self, store: &dyn ObjectStore, restore_id: &str, folder: &str) -> Result<(), StoreError> {
        while self.spans.len() > SPANS {
            let name = names::spans(restore_id, folder, self.partition, self.spans[0].from);
            let body = serde_json::to_vec(&self.spans[..SPANS])
                .map_err(|error| StoreError::new(StoreErrorKind::Other, store.location(&name), error.to_string()))?;
            match store.create(&name, body.into()).await {
                Ok(_) | Err(StoreError { kind: StoreErrorKind::AlreadyExists, .. }) => {}
                Err(error) => return Err(error),
            }
            self.spans.drain(..SPANS);
        }
        Ok(())
    }
}

/// What stands beside a committed offset, inside the transaction: how far the restore is with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RestoreCommit {
    /// See [`RESTORE_FORMAT`].
    #[serde(rename = "kafka-restore")]
    version: u32,
    /// The restore it is of: [`RestoreIdentity::run`](crate::catalog::RestoreIdentity::run).
    run: String,
    /// How far.
    #[serde(flatten)]
    pub progress: RestoreProgress,
    /// Records written until then, as far as the checkpoint before it knew.
    #[serde(default)]
    pub records: u64,
    /// Spans since the last checkpoint: a kill between the transaction and the checkpoint loses none.
    #[serde(rename = "runs", default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
}

impl RestoreCommit {
    /// What the names of groups that hold a restore's progress begin with, and its transactional ids.
    pub const GROUPS: &str = "kafka-backup-restore.";

    /// Of the restore `run`, which is so far, with the spans that no checkpoint tells of yet.
    pub fn new(run: &str, progress: RestoreProgress, records: u64, spans: &[Span]) -> Self {
        Self { version: RESTORE_FORMAT, run: run.to_owned(), progress, records, spans: spans.to_vec() }
    }

    /// What to commit. Of the spans as many as fit, for they only matter when the checkpoint does not follow.
    pub fn to_committed(mut self) -> CommittedOffset {
        loop {
            let metadata = serde_json::to_string(&self).unwrap_or_default();
            if metadata.len() <= LARGEST_METADATA || self.spans.is_empty() {
                return CommittedOffset { next: self.progress.next, metadata };
            }
            self.spans.truncate(self.spans.len() / 2);
        }
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

    /// Reads what [`to_committed`](Self::to_committed) wrote. `None` when it is not of the restore `run`.
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

    fn span(from: i64, to: i64, target: i64, count: i64) -> Span {
        Span { from, to, partition: 0, target, count }
    }

    #[test]
    fn progress_survives_a_commit() {
        let progress = RestoreProgress {
            next: 7,
            inside: Some(4),
            archives: Some(ArchiveCursor { archive: "current.bin".into(), lines: 3, done: false }),
        };
        let run = Span { from: 0, to: 7, partition: 0, target: 100, count: 7 };
        let commit = RestoreCommit::new("a", progress, 5, &[run]);
        let committed = commit.clone().to_committed();
        assert_eq!(RestoreCommit::read(&committed, "a"), Some(commit));
        assert_eq!(RestoreCommit::read(&committed, "b"), None, "another restore had this id");
        assert_eq!(RestoreCommit::read(&CommittedOffset { next: 8, ..committed }, "a"), None);
    }

    #[test]
    fn no_metadata_is_larger_than_brokers_take() {
        let run = Span { from: i64::MAX - 1, to: i64::MAX, partition: i32::MAX, target: i64::MAX - 1, count: 1 };
        let progress = RestoreProgress { next: i64::MAX, ..RestoreProgress::default() };
        let committed = RestoreCommit::new("run", progress.clone(), u64::MAX, &vec![run; 1000]).to_committed();
        assert!(committed.metadata.len() <= 4096, "{}", committed.metadata.len());
        assert_eq!(RestoreCommit::read(&committed, "run").map(|commit| commit.progress), Some(progress));
    }

    #[test]
    fn current_bin_stands_behind_every_archive() {
        let cursor = |archive: &str| ArchiveCursor { archive: archive.into(), lines: 0, done: false };
        assert!(cursor("20261123-072346.tar.gz") < cursor("20261123-072403.tar.gz"));
        assert!(cursor("20991231-235959.tar.gz") < cursor("current.bin"));
    }

    #[test]
    fn runs_in_step_are_joined_and_none_is_noted_twice() {
        let mut checkpoint = Checkpoint::new(0);
        checkpoint.note([span(0, 5, 100, 5), span(5, 9, 105, 4), span(5, 9, 105, 4), span(9, 20, 110, 3), span(20, 22, 113, 2)]);
        assert_eq!(checkpoint.spans, [span(0, 9, 100, 9), span(9, 20, 110, 3), span(20, 22, 113, 2)]);
        checkpoint.note([span(20, 25, 113, 5), span(18, 30, 50, 4)]);
        assert_eq!(checkpoint.spans[2..], [span(20, 25, 113, 5)], "what another invocation knew of is the beginning of this");
    }

    #[tokio::test]
    async fn a_checkpoint_stays_small_however_many_transactions_there_were() {
        let (store, mut checkpoint) = (MemoryStore::new(), Checkpoint::new(3));
        for number in 0..1_234 {
            checkpoint.note([span(number, number + 1, 2 * number, 1)]);
            checkpoint.put_spans_away(&store, "drill", "orders").await.unwrap();
        }
        assert_eq!((checkpoint.spans.len(), checkpoint.spans[0].from), (234, 1000));
        let mut all = Vec::new();
        for from in [0, 500] {
            let object = store.get(&names::spans("drill", "orders", 3, from)).await.unwrap();
            all.extend(serde_json::from_slice::<Vec<Span>>(&object.body).unwrap());
        }
        all.extend(&checkpoint.spans);
        assert_eq!(all, (0..1_234).map(|number| span(number, number + 1, 2 * number, 1)).collect::<Vec<_>>());
    }
}
