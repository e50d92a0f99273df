//! What was backed up, according to snapshots, and is missing: reported before the first record is
//! written.

use std::collections::BTreeMap;

use archive::catalog::{Generation, Inventory, RestoreIdentity, names};
use archive::segment::missing_ends;
use archive::{Error, Result};
use kernel::in_full;
use tokio::sync::{Mutex, OnceCell};

use crate::Restore;
use crate::source::Source;

/// How many losses are reported one by one.
const MOST_TOLD: usize = 10;

/// What this process knows of the backup. It is read once, because a restore that follows a backup
/// checks for new segments every few seconds. What is backed up later is no loss of this restore.
#[derive(Debug, Default)]
pub(crate) struct Known {
    inventory: OnceCell<Inventory>,
    /// The folder that was compared, and its accepted losses.
    compared: Mutex<Option<(String, Vec<String>)>>,
}

/// Something that is missing.
struct Loss {
    what: String,
    /// The words of RESTORE_ANYWAY that accept it; SKIP_DAMAGED accepts losses with more than one.
    accepted_by: &'static [&'static str],
}

/// Expiry of old segments does not explain a missing end.
pub(crate) const END: &[&str] = &["missing"];
/// All of a partition can have expired.
pub(crate) const ALL: &[&str] = &["expired", "missing"];
/// What was not backed up yet is no loss.
pub(crate) const BEHIND: &[&str] = &["behind"];

impl Restore {
    /// What snapshots show about the restored topic, or all topics. Empty if they cannot be read
    /// and that was accepted.
    pub(crate) async fn inventory(&self) -> Result<&Inventory> {
        let read = || async {
            let only = self.settings.topics.names().next().filter(|_| !self.settings.is_of_several());
            let only = only.and_then(names::parse_topic).map(|(topic, _)| topic);
            match Inventory::read(self.store.as_ref(), only, self.clock.now()).await {
                Ok(inventory) => {
                    inventory.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                    Ok(inventory)
                }
                Err(error) if !error.is_retryable() && self.settings.is_allowed("missing") => {
                    Ok(Inventory { unreadable: vec![(names::SNAPSHOTS.to_owned(), error)], ..Inventory::default() })
                }
                Err(error) => Err(error),
            }
        };
        self.known.inventory.get_or_try_init(read).await
    }

    /// What a process has read of snapshots: nothing at first.
    pub(crate) fn inventory_so_far(&self) -> Option<&Inventory> {
        self.known.inventory.get()
    }

    /// Compares what will be restored with what was backed up, once per process. Returns the
    /// accepted losses, for the report.
    ///
    /// # Errors
    /// What is missing. This invocation wrote nothing.
    pub(crate) async fn compare(&self, source: &Source, noted: Option<&RestoreIdentity>) -> Result<Vec<String>> {
        let mut compared = self.known.compared.lock().await;
        if let Some((_, accepted)) = compared.as_ref().filter(|(folder, _)| *folder == source.folder) {
            return Ok(accepted.clone());
        }
        let (accepted, refused): (Vec<Loss>, Vec<Loss>) =
            self.losses(source, noted).await?.into_iter().partition(|loss| self.accepts(loss.accepted_by));
        if !refused.is_empty() {
            return Err(Error::lost(format!("{}. Nothing was written", told(&refused))));
        }
        accepted.iter().for_each(|loss| tracing::warn!(topic = source.folder, "{}", loss.what));
        let accepted: Vec<String> = accepted.into_iter().map(|loss| loss.what).collect();
        *compared = Some((source.folder.clone(), accepted.clone()));
        Ok(accepted)
    }

    /// Whether RESTORE_ANYWAY or SKIP_DAMAGED accepts it.
    pub(crate) fn accepts(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.settings.is_allowed(word)) || (words.len() > 1 && self.settings.skip_damaged)
    }

    /// A loss that was found at the end of a partition that is restored up to `next`: what it is,
    /// and whether it was accepted.
    pub(crate) fn loss_at_end(&self, source: &Source, partition: i32, next: i64) -> Option<Result<String>> {
        let loss = match source.cut_of(partition) {
            Some(cut) if next >= cut => return None,
            Some(cut) => {
                let what = format!(
                    "offsets {next} to {cut} of {}/{partition} are missing at its end: they existed when this restore began",
                    source.folder_of(partition)
                );
                Loss { what, accepted_by: END }
            }
            None => {
                let inventory = self.inventory_so_far()?;
                let missing = inventory.missing(&source.folder_of(partition), partition, (next > 0).then_some(next))?;
                Loss { what: missing.what, accepted_by: if missing.is_all { ALL } else { END } }
            }
        };
        // What was missing at the start was refused then: SKIP_DAMAGED is for an unreadable last
        // segment.
        let is_accepted = self.accepts(loss.accepted_by) || self.settings.skip_damaged;
        Some(if is_accepted { Ok(loss.what) } else { Err(Error::lost(told(&[loss]))) })
    }

    async fn losses(&self, source: &Source, noted: Option<&RestoreIdentity>) -> Result<Vec<Loss>> {
        let inventory = self.inventory().await?;
        let of_snapshots = self.unreadable().chain(self.missing_series(source).into_values());
        let mut losses: Vec<Loss> = of_snapshots.map(|what| Loss { what, accepted_by: END }).collect();
        let folders: Vec<String> = match source.generation {
            Some(_) => source.generations().map(Generation::folder).collect(),
            None => vec![source.folder.clone()],
        };
        let expected = folders.iter().flat_map(|folder| inventory.partitions(folder).map(|partition| (folder.clone(), partition)));
        let expected: Vec<(String, i32)> = expected.filter(|(folder, partition)| source.folder_of(*partition) == *folder).collect();
        for (folder, partition, missing) in missing_ends(&self.store, inventory, expected).await? {
            if self.is_restored(inventory, &folder, partition, noted).await? {
                continue;
            }
            let (advice, accepted_by) = if missing.is_all { (source.compaction_advice(), ALL) } else { ("", END) };
            losses.push(Loss { what: format!("{}{advice}", missing.what), accepted_by });
        }
        Ok(losses)
    }

    /// Snapshots that cannot be read or are missing: a message for each.
    pub(crate) fn unreadable(&self) -> impl Iterator<Item = String> {
        let unreadable = self.inventory_so_far().into_iter().flat_map(|inventory| &inventory.unreadable);
        unreadable.map(|(_, error)| {
            format!("it is unknown what was backed up, because snapshots cannot be read or are missing: {}", in_full(error))
        })
    }

    /// Series of snapshots that the topic should have, and that are missing: a message for each.
    pub(crate) fn missing_series(&self, source: &Source) -> BTreeMap<String, String> {
        let Some(inventory) = self.inventory_so_far().filter(|inventory| inventory.unreadable.is_empty()) else { return BTreeMap::new() };
        // Generations of one topic name the same series.
        let missing =
            source.generations().filter_map(|generation| Some((generation.snapshots.clone()?, inventory.missing_series(generation)?)));
        missing.collect()
    }

    /// Whether all that was backed up of a partition is in the target: then it may be missing, for
    /// example because of a lifecycle rule.
    async fn is_restored(&self, inventory: &Inventory, folder: &str, partition: i32, noted: Option<&RestoreIdentity>) -> Result<bool> {
        let Some(noted) = noted else { return Ok(false) };
        let checkpoint = self.checkpoint(self.id(), &noted.run, folder, partition).await?;
        Ok(checkpoint.is_some_and(|found| inventory.missing(folder, partition, Some(found.progress.next)).is_none()))
    }
}

/// The first of these, and how many more there are: no more than a reader can use.
pub(crate) fn first_of<'t>(all: impl ExactSizeIterator<Item = &'t str>, most: usize, between: &str, hint: &str) -> String {
    let more = all.len().saturating_sub(most);
    let first = all.take(most).collect::<Vec<_>>().join(between);
    if more > 0 { format!("{first}{between}and {more} more{hint}") } else { first }
}

/// What is missing, and what to do.
fn told(losses: &[Loss]) -> String {
    let text = first_of(losses.iter().map(|loss| loss.what.as_str()), MOST_TOLD, "; ", "");
    let may_have_expired = losses.iter().all(|loss| loss.accepted_by.contains(&"expired"));
    let expired = if may_have_expired { "RESTORE_ANYWAY=expired if the bucket's lifecycle rules deleted them, otherwise " } else { "" };
    format!("{}. Restore them, or continue without them: {expired}RESTORE_ANYWAY=missing", text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use archive::catalog::{Generation, names};
    use archive::testing::{add_generation, add_segment, add_snapshot, generation, snapshot};
    use host::Budget;
    use kafka::Selection;
    use store::testing::Delete;

    use crate::Invocation;
    use crate::testing::Fake;

    /// Three segments of ten records, and a snapshot that includes them.
    async fn backed_up() -> (Fake, Vec<String>) {
        let fake = Fake::new();
        let mut names = Vec::new();
        for start in [0, 10, 20] {
            names.push(fake.segment(start..start + 10).await);
        }
        names.push(add_snapshot(fake.bucket.as_ref(), &snapshot(0, [("orders", "orders", 0, 30)])).await);
        (fake, names)
    }

    async fn delete(fake: &Fake, name: &str) {
        fake.bucket.delete(name).await.unwrap();
    }

    async fn refused(fake: &Fake) -> String {
        let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err();
        assert!(!error.is_retryable() && fake.topic().records.is_empty(), "{error}");
        error.to_string()
    }

    #[tokio::test]
    async fn an_end_that_is_missing_is_refused_before_the_first_record() {
        let (mut fake, names) = backed_up().await;
        delete(&fake, &names[2]).await;
        for word in ["", "expired"] {
            fake.settings.anyway = vec![word.to_owned()];
            fake.settings.skip_damaged = true;
            let error = refused(&fake).await;
            assert!(error.contains("offsets 20 to 30 of orders/0") && error.contains(&names[3]), "{error}");
            assert!(error.contains("RESTORE_ANYWAY=missing") && !error.contains("RESTORE_ANYWAY=expired"), "{error}");
        }
        (fake.settings.anyway, fake.settings.skip_damaged) = (vec!["missing".to_owned()], false);
        let report = fake.invoke().await;
        assert!(report.succeeded && report.records == 20, "{report:?}");
        assert!(
            report.topics[0].notes.iter().chain(&report.topics[0].partitions[0].skipped).filter(|told| told.contains("20 to 30")).count()
                == 2,
            "{report:?}"
        );
    }

    #[tokio::test]
    async fn a_partition_that_is_missing_may_have_expired() {
        let (mut fake, names) = backed_up().await;
        for name in &names[..3] {
            delete(&fake, name).await;
            delete(&fake, &names::sidecar(name)).await;
        }
        let error = refused(&fake).await;
        assert!(error.contains("every segment of orders/0") && error.contains("RESTORE_ANYWAY=expired"), "{error}");
        for word in ["expired", "missing"] {
            fake.settings.anyway = vec![word.to_owned()];
            assert!(fake.invoke().await.succeeded, "{word}");
        }
    }

    #[tokio::test]
    async fn what_comes_after_the_snapshot_is_no_loss_and_what_is_restored_may_expire() {
        let (fake, names) = backed_up().await;
        fake.segment(30..40).await;
        assert_eq!(fake.invoke().await.records, 40);
        for name in &names[..3] {
            delete(&fake, name).await;
        }
        delete(&fake, "orders/0/00000000000000000030.tar.gz").await;
        let report = fake.invoke().await;
        assert!(report.succeeded && report.topics[0].notes.iter().all(|note| !note.contains("missing")), "{report:?}");
    }

    #[tokio::test]
    async fn a_process_compares_once() {
        let (fake, names) = backed_up().await;
        let restore = fake.restore();
        restore.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
        delete(&fake, &names[3]).await;
        add_snapshot(fake.bucket.as_ref(), &snapshot(0, [("orders", "orders", 0, 99)])).await;
        let report = restore.invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap();
        assert!(report.succeeded, "{report:?}");
        assert!(fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string().contains("30 to 99"));
    }

    #[tokio::test]
    async fn a_topic_and_a_newer_generation_that_are_gone_are_named() {
        let (mut fake, names) = backed_up().await;
        add_snapshot(fake.bucket.as_ref(), &snapshot(300_000, [("orders", "orders@2", 0, 5)])).await;
        let error = refused(&fake).await;
        assert!(error.contains("orders@2/ is missing") && error.contains("BACKUP_TOPIC_NAME=orders@1"), "{error}");
        fake.settings.topics = Selection::of_names(["orders@1"]);
        assert_eq!(fake.invoke().await.records, 30);
        (fake.settings.topics, fake.settings.restore_id) = (Selection::of_names(["orders"]), Some("another".to_owned()));
        for name in names[..3].iter().flat_map(|name| [name.clone(), names::sidecar(name)]).chain(["orders/topic.json".to_owned()]) {
            delete(&fake, &name).await;
        }
        let error = fake.restore().invoke(&Invocation::new(Budget::unlimited(None))).await.unwrap_err().to_string();
        assert!(error.contains("orders@2/ is missing"), "{error}");
    }

    #[tokio::test]
    async fn snapshots_that_are_gone_or_damaged_are_refused() {
        let (mut fake, names) = backed_up().await;
        fake.bucket.overwrite(&names[3], "damaged");
        let error = refused(&fake).await;
        assert!(error.contains(&names[3]) && error.contains("RESTORE_ANYWAY=missing"), "{error}");
        delete(&fake, &names[3]).await;
        add_generation(&fake.bucket, &Generation { snapshots: Some("@cluster/kafka-1/backup/".to_owned()), ..generation("orders") });
        let error = refused(&fake).await;
        assert!(error.contains("all snapshots of @cluster/kafka-1/backup/ are missing"), "{error}");
        fake.settings.anyway = vec!["missing".to_owned()];
        let report = fake.invoke().await;
        assert!(report.records == 30 && report.topics[0].notes.iter().any(|note| note.contains("all snapshots")), "{report:?}");
    }

    #[tokio::test]
    async fn of_other_topics_nothing_is_asked() {
        let (fake, _) = backed_up().await;
        add_segment(&fake.bucket, "bills", 0, 0..10, 0).await;
        add_snapshot(fake.bucket.as_ref(), &snapshot(300_000, [("bills", "bills", 0, 99)])).await;
        assert_eq!(fake.invoke().await.records, 30);
    }
}
