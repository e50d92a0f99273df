//! The Python tool's archives: older than our segments, without offsets, keys, headers or
//! timestamps.

use archive::catalog::{ArchiveCursor, names};
use archive::segment::{PythonArchive, PythonName};
use archive::{Error, Result};
use kernel::lock;
use kernel::record::Record;
use store::ObjectStore;

use crate::Restore;
use crate::partition::PartitionRestore;
use crate::source::Source;
use crate::strategy::Chooser;

/// Objects listed to find the next archive: each is followed by a `.sha256`.
const PAGE: usize = 8;

/// An archive to restore from a line.
#[derive(Debug)]
pub(crate) struct Archive {
    name: String,
    from_line: u64,
}

impl Archive {
    /// The first archive that is not completely restored.
    pub(crate) async fn find_next(
        store: &dyn ObjectStore,
        folder: &str,
        partition: i32,
        done: Option<&ArchiveCursor>,
    ) -> Result<Option<Self>> {
        let prefix = names::partition_prefix(folder, partition);
        // Every segment of ours begins with 0 and sorts before. An archive in progress must be
        // found again: its own name minus one character.
        let mut after = match done {
            None => format!("{prefix}1"),
            Some(cursor) if cursor.done => format!("{prefix}{}", cursor.archive),
            Some(cursor) => format!("{prefix}{}", cursor.archive.strip_suffix(|_: char| true).unwrap_or_default()),
        };
        loop {
            let page = store.list(&prefix, &after, PAGE).await?;
            for object in &page.objects {
                let file = names::file_name(&object.name);
                if PythonName::parse(file).is_some() && done.is_none_or(|cursor| !cursor.done || file > cursor.archive.as_str()) {
                    let from_line = done.filter(|cursor| cursor.archive == file).map_or(0, |cursor| cursor.lines);
                    return Ok(Some(Self { name: object.name.clone(), from_line }));
                }
            }
            match page.objects.last() {
                Some(last) if page.more => after.clone_from(&last.name),
                _ => return Ok(None),
            }
        }
    }
}

impl Restore {
    /// Before a topic is created in vain: refuses archives if only a time range is requested,
    /// because their records have no time. Checks one partition only, because each costs a request;
    /// the others are refused when it is their turn.
    pub(crate) async fn refuse_archives_without_times(&self, source: &Source) -> Result<()> {
        let Some(partition) = source.partitions.first() else { return Ok(()) };
        match Archive::find_next(self.store.as_ref(), &source.folder_of(*partition), *partition, None).await? {
            Some(archive) => self.refuse_without_times(&archive),
            None => Ok(()),
        }
    }

    /// Refuses an archive if only a time range is requested.
    pub(crate) fn refuse_without_times(&self, archive: &Archive) -> Result<()> {
        if self.settings.times.are_all() { Ok(()) } else { Err(self.without_times(archive)) }
    }

    fn without_times(&self, archive: &Archive) -> Error {
        Error::request(format!(
            "{} is an archive of the Python tool, which kept no timestamps: it is unknown which of its records are \
             {}. Restore all of it, without RESTORE_FROM and RESTORE_UNTIL, into a new topic with a new RESTORE_ID; or \
             only the segments, from a copy of the backup without archives",
            self.store.location(&archive.name),
            self.settings.times
        ))
    }
}

impl PartitionRestore<'_> {
    /// Replays an archive, one record per line, from the next line.
    pub(crate) async fn replay_archive(&mut self, archive: &Archive) -> Result<()> {
        self.topic.restore.refuse_without_times(archive)?;
        // Lines have no source offsets: they do not share a transaction with records that have.
        self.commit_open().await?;
        let topic = self.topic;
        let store = topic.restore.store.as_ref();
        let location = store.location(&archive.name);
        let file = names::file_name(&archive.name).to_owned();
        if PythonName::parse(&file) == Some(PythonName::Current) {
            tracing::warn!(
                "{location} is the Python tool's open file and is restored in its current state: stop that tool before a \
                restore"
            );
        }
        let open = async || PythonArchive::open(store, &archive.name, topic.restore.read_options(&topic.shared.invocation.budget)).await;
        let contents = match open().await {
            // It is skipped permanently, so one bad read is not enough.
            Err(Error::Segment(damage)) if topic.may_skip(&damage) => {
                tracing::warn!(partition = self.partition, "{damage}; reading it a second time before it is skipped");
                open().await
            }
            other => other,
        };
        let contents = match contents {
            Err(Error::Segment(damage)) if topic.may_skip(&damage) => {
                self.committed.skip(format!("{damage}"));
                let cursor = ArchiveCursor { archive: file, lines: archive.from_line, done: true };
                self.reached.archives = Some(cursor);
                return Ok(());
            }
            other => other?,
        };
        topic.restore.check_largest(&topic.source, &topic.target, contents.largest_record())?;
        self.largest = self.largest.max(contents.largest_record());
        let chooser = Chooser::new(topic.known().await?, self.partition);
        let mut line = archive.from_line;
        let mut records = contents.records_from(archive.from_line)?;
        while let Some(kept) = records.next()? {
            // The tool kept no timestamps; like its own restore, ours sets the current time.
            let record = Record { timestamp: topic.restore.clock.now(), ..kept };
            let partition = chooser.choose(record.offset, None);
            self.write(partition, &record).await?;
            line += 1;
            let spent = topic.shared.is_spent();
            if self.open.is_full(self.pace, topic.restore.clock.now()) || self.would_outlast() || spent {
                self.commit_lines(&archive.name, line, false).await?;
            }
            if spent || self.is_overtaken {
                return Ok(());
            }
            self.keep_to_rate().await;
        }
        self.open.finished.push(location);
        self.commit_lines(&archive.name, line, true).await
    }

    async fn commit_lines(&mut self, name: &str, lines: u64, done: bool) -> Result<()> {
        self.reached.archives = Some(ArchiveCursor { archive: names::file_name(name).to_owned(), lines, done });
        self.open.sources.clear();
        name.clone_into(&mut self.open.last);
        self.commit().await?;
        lock(&self.topic.report).read_archive(self.partition, done);
        Ok(())
    }
}
