//! Progress bars on a terminal: totals, bytes, rate and time left. Nothing elsewhere.

use std::collections::HashMap;
use std::fmt::Write as FmtWrite;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use indicatif::{BinaryBytes, HumanCount, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use kernel::{lock, visible};
use telemetry::Sink;

use crate::output::Output;

/// A partition of a backup. Offsets are no bytes, so bytes have a count of their own.
const BACKUP: &str = "{prefix:24} {bar:30} {percent:>3}%  {human_pos}/{human_len} offsets  {bytes_done}  {bytes_rate}  {time_left}";
/// All partitions of a backup.
const BACKUP_TOTAL: &str = "{prefix:24} {msg}  {human_pos} offsets  {bytes_done}  {bytes_rate}  {elapsed}";
/// A partition of a restore without an end.
const FOLLOW: &str = "{prefix:24} {spinner} {human_pos} records  {bytes_done}  {bytes_rate}  {msg}";
/// A restore with an end, all of it.
const RESTORE: &str = "{prefix} {bar:30} {percent:>3}%  {human_pos}/{human_len} offsets  {bytes_done}  {bytes_rate}  {time_left}  {msg}";
const VERIFY: &str = "{prefix} {bar:30} {percent:>3}%  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {time_left}  {msg}";

/// A bar with a count of bytes.
#[derive(Debug, Clone)]
struct Bar {
    bar: ProgressBar,
    bytes: Arc<AtomicU64>,
}

impl Bar {
    /// `template` may use `bytes_done`, `bytes_rate` and `time_left`.
    fn new(template: &str, name: &str) -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let (done, rate) = (Arc::clone(&bytes), Arc::clone(&bytes));
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style
            .with_key("bytes_done", move |_: &ProgressState, text: &mut dyn FmtWrite| {
                _ = write!(text, "{}", BinaryBytes(done.load(Ordering::Relaxed)));
            })
            .with_key("bytes_rate", move |state: &ProgressState, text: &mut dyn FmtWrite| {
                // A bar begins with its first step, which took time before.
                let seconds = state.elapsed().as_secs_f64().max(1.0);
                _ = write!(text, "{}/s", BinaryBytes((rate.load(Ordering::Relaxed) as f64 / seconds) as u64));
            })
            .with_key("time_left", |state: &ProgressState, text: &mut dyn FmtWrite| {
                let left = state.eta();
                // No step yet to estimate it from.
                _ = if left.is_zero() { write!(text, "… left") } else { write!(text, "{:#} left", HumanDuration(left)) };
            });
        Self { bar: ProgressBar::no_length().with_style(style).with_prefix(visible(name).into_owned()), bytes }
    }

    fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// One bar for all that is verified, in bytes. The total is extrapolated until all partitions are
/// listed.
#[derive(Debug)]
pub(crate) struct VerifyBar {
    bar: ProgressBar,
    partitions: u64,
    listed: AtomicU64,
    listed_bytes: AtomicU64,
    ended: AtomicU64,
}

impl VerifyBar {
    /// One more partition, with this many bytes to read.
    pub(crate) fn listed(&self, bytes: u64) {
        let listed = self.listed.fetch_add(1, Ordering::Relaxed) + 1;
        let listed_bytes = self.listed_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let others = self.partitions.saturating_sub(listed);
        self.bar.set_length(listed_bytes.saturating_add((listed_bytes / listed).saturating_mul(others)));
    }

    /// This many bytes of a partition were read.
    pub(crate) fn read(&self, partition: &str, bytes: u64) {
        self.bar.inc(bytes);
        let ended = self.ended.load(Ordering::Relaxed);
        self.bar.set_message(format!("{}/{} partitions, {}", HumanCount(ended), HumanCount(self.partitions), visible(partition)));
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
    by_name: Arc<Mutex<HashMap<String, Bar>>>,
}

/// Of all partitions of a backup that were begun.
#[derive(Debug, Default)]
struct Begun {
    /// Offset reached and end, by partition.
    partitions: HashMap<String, (u64, u64)>,
}

impl Bars {
    /// Bars, if stderr is a terminal, and neither --json nor --quiet is given.
    pub(crate) fn new(output: Output) -> Option<Self> {
        let wanted = !output.is_json() && !output.is_quiet() && std::io::stderr().is_terminal();
        wanted.then(|| Self::on(ProgressDrawTarget::stderr()))
    }

    fn on(target: ProgressDrawTarget) -> Self {
        Self { all: MultiProgress::with_draw_target(target), by_name: Arc::default() }
    }

    /// A bar for each partition in progress, and a line for all of them. The backup handler calls
    /// it.
    pub(crate) fn of_backup(&self) -> backup_batch::ProgressFn {
        let (bars, begun) = (self.clone(), Mutex::new(Begun::default()));
        let total = self.bar("total", BACKUP_TOTAL);
        Arc::new(move |step: &backup_batch::Progress<'_>| {
            let [position, end] = [step.position, step.end].map(|offset| u64::try_from(offset).unwrap_or(0));
            let (name, position) = (step.partition.to_string(), position.min(end));
            let mut begun = lock(&begun);
            // A segment that is read again counts once.
            let before = begun.partitions.get(&name).map_or(position, |(before, _)| *before);
            let position = position.max(before);
            begun.partitions.insert(name.clone(), (position, end));
            let ended = begun.partitions.values().filter(|(position, end)| position >= end).count();
            total.add_bytes(step.bytes);
            total.bar.inc(position.saturating_sub(before));
            total.bar.set_message(format!("{}/{} partitions", HumanCount(ended as u64), HumanCount(begun.partitions.len() as u64)));
            if position >= end {
                return bars.remove(&name);
            }
            let bar = bars.bar_before(&name, BACKUP, &total);
            bar.add_bytes(step.bytes);
            bar.bar.set_length(end);
            // What was there before this run has no part in the rate and the time left.
            if bar.bar.position() == 0 {
                bar.bar.set_position(before);
                bar.bar.reset_eta();
            }
            bar.bar.set_position(position);
        })
    }

    /// `offsets`: the total, if the restore has an end. The restore handler calls it.
    pub(crate) fn of_restore(&self, offsets: Option<u64>) -> restore_batch::ProgressFn {
        let bars = self.clone();
        let Some(offsets) = offsets else {
            return Arc::new(move |step| {
                let bar = bars.bar(&format!("{}/{}", step.topic, step.partition), FOLLOW);
                bar.add_bytes(step.bytes);
                bar.bar.inc(step.records);
                bar.bar.set_message(visible(step.object).into_owned());
            });
        };
        Arc::new(move |step| {
            // One for all of it: there can be thousands of partitions.
            let bar = bars.bar("restore", RESTORE);
            bar.add_bytes(step.bytes);
            bar.bar.set_length(offsets);
            bar.bar.inc(step.offsets);
            let done = step.done.map_or_else(String::new, |done| {
                format!("{}/{} partitions, ", HumanCount(done.partitions_done), HumanCount(done.partitions_to_restore))
            });
            bar.bar.set_message(format!("{done}{}/{}", visible(step.topic), step.partition));
        })
    }

    /// Where log lines go while bars are on the screen: the bars make room for each.
    pub(crate) fn between(&self) -> Sink {
        let all = self.all.clone();
        Box::new(move |_, line| all.suspend(|| _ = std::io::stderr().lock().write_all(line.as_bytes())))
    }

    /// The bar of verify, for this many partitions.
    pub(crate) fn of_verify(&self, partitions: u64) -> VerifyBar {
        let bar = self.bar("verify", VERIFY).bar;
        VerifyBar { bar, partitions, listed: AtomicU64::new(0), listed_bytes: AtomicU64::new(0), ended: AtomicU64::new(0) }
    }

    fn bar(&self, name: &str, template: &str) -> Bar {
        self.bar_at(name, template, |bar| self.all.add(bar))
    }

    fn bar_before(&self, name: &str, template: &str, below: &Bar) -> Bar {
        self.bar_at(name, template, |bar| self.all.insert_before(&below.bar, bar))
    }

    fn bar_at(&self, name: &str, template: &str, place: impl FnOnce(ProgressBar) -> ProgressBar) -> Bar {
        let mut by_name = lock(&self.by_name);
        if let Some(bar) = by_name.get(name) {
            return bar.clone();
        }
        let Bar { bar, bytes } = Bar::new(template, name);
        let bar = Bar { bar: place(bar), bytes };
        by_name.insert(name.to_owned(), bar.clone());
        bar
    }

    /// Removes a bar from the screen: only what is in progress is there.
    fn remove(&self, name: &str) {
        if let Some(Bar { bar, .. }) = lock(&self.by_name).remove(name) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Removes all bars from the screen, before a report is printed.
    pub(crate) fn clear(&self) {
        let _ = self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use indicatif::TermLike;
    use kafka::TopicPartition;

    use super::*;

    /// A terminal of 200 columns that keeps all that was written to it.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn take(&self) -> String {
            std::mem::take(&mut lock(&self.0))
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            200
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            lock(&self.0).push_str(&format!("{text}\n"));
            Ok(())
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            lock(&self.0).push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bars() -> (Bars, Screen) {
        let screen = Screen::default();
        (Bars::on(ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255)), screen)
    }

    /// No digits after a point but those of a unit: "107,969,109.9992/s" helps no one.
    fn assert_is_short(text: &str) {
        for word in text.split_whitespace() {
            let digits = word.split_once('.').map_or(0, |(_, rest)| rest.chars().take_while(char::is_ascii_digit).count());
            assert!(digits <= 2, "{word} in {text}");
        }
    }

    #[test]
    fn a_backup_shows_offsets_bytes_rate_and_time_left() {
        let (bars, screen) = bars();
        let tell = bars.of_backup();
        let partition = TopicPartition::new("orders", 3);
        let step = |position, bytes| tell(&backup_batch::Progress { partition: &partition, position, end: 9_000_000, bytes });
        step(1_000_000, 0);
        std::thread::sleep(std::time::Duration::from_millis(20));
        step(4_000_000, 5 << 20);
        let text = screen.take();
        assert!(text.contains("orders/3") && text.contains("4,000,000/9,000,000 offsets"), "{text}");
        assert!(text.contains("5.00 MiB  ") && text.contains("MiB/s") && text.contains(" left"), "{text}");
        assert!(text.contains("0/1 partitions  3,000,000 offsets"), "{text}");
        assert_is_short(&text);
        step(3_000_000, 0);
        step(9_000_000, 0);
        assert!(!lock(&bars.by_name).contains_key("orders/3"), "only what is in progress is shown");
        assert!(screen.take().contains("1/1 partitions  8,000,000 offsets"), "what is read again counts once");
    }

    #[test]
    fn a_restore_shows_all_of_it_in_one_bar() {
        let (bars, screen) = bars();
        let tell = bars.of_restore(Some(228_238));
        let done = Some(restore_batch::DonePartitions { partitions_to_restore: 36, partitions_done: 11 });
        let step = restore_batch::Progress {
            topic: "orders",
            partition: 4,
            records: 60_000,
            bytes: 18 << 20,
            offsets: 61_624,
            object: "orders/4/00000000000000000000.tar.gz",
            done,
        };
        std::thread::sleep(std::time::Duration::from_millis(20));
        tell(&step);
        let text = screen.take();
        let says = ["restore ", " 27%  61,624/228,238 offsets  18.00 MiB  ", "MiB/s", " left  11/36 partitions, orders/4"];
        assert!(says.iter().all(|says| text.contains(says)), "{text}");
        assert_is_short(&text);

        let tell = bars.of_restore(None);
        tell(&step);
        let text = screen.take();
        assert!(text.contains("orders/4") && text.contains("60,000 records  18.00 MiB"), "{text}");
        assert_is_short(&text);
    }

    #[test]
    fn verify_shows_bytes_of_all() {
        let (bars, screen) = bars();
        let bar = bars.of_verify(2);
        bar.listed(10 << 20);
        bar.read("orders/0", 5 << 20);
        let text = screen.take();
        assert!(text.contains(" 25%  5.00 MiB/20.00 MiB  ") && text.contains("0/2 partitions, orders/0"), "{text}");
        assert_is_short(&text);
    }

    #[test]
    fn names_of_others_move_no_cursor() {
        let (bars, screen) = bars();
        bars.of_verify(1).read("\u{1b}[2Jorders\r\n", 1);
        assert!(!screen.take().contains("\u{1b}[2J"));
    }
}
