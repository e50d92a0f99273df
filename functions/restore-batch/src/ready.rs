//! What is known of a partition before anything is written: looked up while the one before is still
//! restored, so that a slow store is waited for once.

use archive::catalog::{Checkpoint, RestoreProgress};
use archive::segment::ReadAhead;
use archive::{Error, Result};
use store::Version;

use crate::archives::Archive;
use crate::coming::Coming;
use crate::partition::Archives;
use crate::topic::TopicRestore;

/// A partition whose turn it is, or will be.
pub(crate) struct Ready {
    /// Its checkpoint, with the version to replace.
    pub(crate) checkpoint: Checkpoint,
    pub(crate) version: Option<Version>,
    pub(crate) archives: Archives,
    pub(crate) coming: Coming,
}

impl TopicRestore {
    /// Looks up what comes next of a partition: checkpoint, archives and segments. Writes nothing.
    /// The requests depend on each other only where the restore has begun before.
    ///
    /// # Errors
    /// What the bucket says; a checkpoint of another restore.
    pub(crate) async fn make_ready(&self, partition: i32) -> Result<Ready> {
        let mut coming = self.coming(partition);
        let checkpoint = self.checkpoint_of(partition);
        let nothing = RestoreProgress::default();
        let ((checkpoint, version), listed) = if self.shared.is_new {
            // As a rule there is no checkpoint.
            let (checkpoint, listed) = futures::join!(checkpoint, self.list(partition, &nothing, &mut coming));
            (checkpoint?, Some(listed))
        } else {
            (checkpoint.await?, None)
        };
        let archives = match listed {
            Some(archives) if checkpoint.progress == nothing => archives?,
            _ => self.list(partition, &checkpoint.progress, &mut coming).await?,
        };
        Ok(Ready { checkpoint, version, archives, coming })
    }

    /// Looks up the next archive and lists the next segments.
    async fn list(&self, partition: i32, progress: &RestoreProgress, coming: &mut Coming) -> Result<Archives> {
        if self.source.cut_of(partition).is_some_and(|cut| progress.next >= cut) {
            return Ok(Archives::ToFind);
        }
        let (store, folder) = (self.restore.store.as_ref(), &self.source.folder_of(partition));
        let archives = async {
            if progress.inside.is_some() {
                return Ok(Archives::ToFind);
            }
            let found = Archive::find_next(store, folder, partition, progress.archives.as_ref()).await?;
            Ok::<_, Error>(found.map_or(Archives::Done, Archives::Found))
        };
        let segments = coming.segment(progress.inside.unwrap_or(progress.next));
        // What comes first is what fails first.
        let (archives, segments) = futures::join!(archives, segments);
        let archives = archives?;
        if !matches!(archives, Archives::Found(_))
            && let Some(entry) = segments?
            && progress.inside.is_none()
        {
            coming.begin(&entry);
        }
        Ok(archives)
    }

    fn coming(&self, partition: i32) -> Coming {
        Coming::new(
            self.restore.store.clone(),
            &self.source.folder_of(partition),
            partition,
            self.restore.read_options(&self.shared.invocation.budget),
            self.shared.ahead.as_ref().map(ReadAhead::for_another),
            self.restore.settings.times,
            self.source.cut_of(partition),
        )
    }
}
