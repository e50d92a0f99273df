//! Progress bars on a terminal, one for each partition; nothing elsewhere.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kafka::TopicPartition;
use kernel::{lock, visible};
use telemetry::Sink;

/// One bar for all that is verified, in bytes. How many there are is known only of the partitions that were listed: the others are taken to have as many.
#[derive(Debug)]
pub(crate) struct VerifyBar {
    bar: ProgressBar,
    partitions: u64,
    begun: Instant,
    listed: AtomicU64,
    listed_bytes: AtomicU64,
    ended: AtomicU64,
}

impl VerifyBar {
    /// One more partition, with so many bytes to read.
    pub(crate) fn listed(&self, bytes: u64) {
        let listed = self.listed.fetch_add(1, Ordering::Relaxed) + 1;
        let listed_bytes = self.listed_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let others = self.partitions.saturating_sub(listed);
        self.bar.set_length(listed_bytes.saturating_add((listed_bytes / listed).saturating_mul(others)));
    }

    /// So many bytes of a partition were read.
    pub(crate) fn read(&self, partition: &str, bytes: u64) {
        self.bar.inc(bytes);
        let rate = self.bar.position() as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let ended = self.ended.load(Ordering::Relaxed);
        self.bar.set_message(format!(
            "{ended}/{} partitions, {}/s, {}",
            self.partitions,
            crate::output::bytes(rate as u64),
            visible(partition)
        ));
    }

    /// A partition is verified.
    pub(crate) fn end_partition(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The bars of one command.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    all: MultiProgress,
    by_name: Arc<Mutex<HashMap<String, ProgressBar>>>,
}

impl Bars {
    /// Bars, when stderr is a terminal and the user did not ask for JSON.
    pub(crate) fn new(json: bool) -> Option<Self> {
        let wanted = !json && std::io::stderr().is_terminal();
        wanted.then(|| Self { all: MultiProgress::new(), by_name: Arc::default() })
    }

    /// Told by the backup handler.
    pub(crate) fn of_backup(&self) -> backup_batch::ProgressFn {
        let bars = self.clone();
        Arc::new(move |partition: &TopicPartition, position, end| {
            let end = u64::try_from(end).unwrap_or(0);
            let bar = bars.bar(&partition.to_string(), "{prefix:24} {bar:30} {pos}/{len} offsets {per_sec}");
            bar.set_length(end);
            bar.set_position(u64::try_from(position).unwrap_or(0).min(end));
        })
    }

    /// Told by the restore handler. `offsets`: how many there are to go past, where the restore has an end.
    pub(crate) fn of_restore(&self, offsets: Option<u64>) -> restore_batch::ProgressFn {
        let bars = self.clone();
        let Some(offsets) = offsets else {
            return Arc::new(move |step| {
                let bar = bars.bar(&step.partition.to_string(), "partition {prefix:4} {spinner} {pos} records {per_sec} {msg}");
                bar.inc(step.records);
                bar.set_message(visible(step.object).into_owned());
            });
        };
        let (begun, written) = (Instant::now(), AtomicU64::new(0));
        Arc::new(move |step| {
            // One for all of it: there can be thousands of partitions.
            let bar = bars.bar("restore", "{prefix} {bar:30} {percent}% of offsets, {eta} left; {msg}");
            bar.set_length(offsets);
            bar.inc(step.offsets);
            let bytes = written.fetch_add(step.bytes, Ordering::Relaxed) + step.bytes;
            let rate = bytes as f64 / begun.elapsed().as_secs_f64().max(0.001);
            let done =
                step.done.map_or_else(String::new, |done| format!("{}/{} partitions, ", done.partitions_done, done.partitions_to_restore));
            let topic = visible(step.topic);
            bar.set_message(format!("{done}{}/s, {topic}/{}", crate::output::bytes(rate as u64), step.partition));
        })
    }

    /// Where log lines go while bars are on the screen: the bars make room for each.
    pub(crate) fn between(&self) -> Sink {
        let all = self.all.clone();
        Box::new(move |_, line| all.suspend(|| _ = std::io::stderr().lock().write_all(line.as_bytes())))
    }

    /// For verify, of so many partitions.
    pub(crate) fn of_verify(&self, partitions: u64) -> VerifyBar {
        let bar = self.bar("verify", "{prefix} {bar:30} {percent}%, {eta} left; {msg}");
        VerifyBar {
            bar,
            partitions,
            begun: Instant::now(),
            listed: AtomicU64::new(0),
            listed_bytes: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    fn bar(&self, name: &str, template: &str) -> ProgressBar {
        let mut by_name = lock(&self.by_name);
        let bar = by_name.entry(name.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.all.add(ProgressBar::no_length().with_style(style).with_prefix(visible(name).into_owned()))
        });
        bar.clone()
    }

    /// Takes the bars off the screen, before a report is printed.
    pub(crate) fn clear(&self) {
        let _ = self.all.clear();
    }
}
