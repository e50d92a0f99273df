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

    /// A bar for a known number of objects.
    pub(crate) fn counted(&self, name: &str, count: u64) -> ProgressBar {
        let bar = self.bar(name, "{prefix:24} {bar:30} {pos}/{len} segments");
        bar.set_length(count);
        bar
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
