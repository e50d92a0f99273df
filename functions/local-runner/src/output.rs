//! Results on stdout: a table for people, or one JSON object per line with `--json`. Errors on
//! stderr. Everything that is printed goes through here, so that no known secret is in it, and
//! names and messages of others cannot act on a terminal.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use config::ConfigError;
use console::{Style, Term};
use kernel::clock::{Millis, rfc3339};
use kernel::{visible, visible_json, visible_lines};
use serde::Serialize;
use telemetry::redact;

/// Set when the reader of stdout has gone (`… | head`). The command then completes without
/// printing. That is no failure.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Set when a result could not be written, for example because a disk is full. That is a failure of
/// every command: its caller would read an incomplete answer.
static UNWRITABLE: AtomicBool = AtomicBool::new(false);

/// Narrower than this, columns would have a few letters each.
const NARROWEST: u16 = 60;

/// Spaces around a cell.
const PADDING: u16 = 2;

/// Where results go.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, quiet: false }
    }

    /// The same, with --quiet or without it.
    pub(crate) fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether reports of success are left out. JSON is for programs, which get all of them.
    pub(crate) fn hides_success(self) -> bool {
        self.quiet && !self.json
    }

    /// Whether no one reads results any more: a command that only prints can end.
    pub(crate) fn is_closed(self) -> bool {
        CLOSED.load(Ordering::Relaxed) || self.is_unwritable()
    }

    /// Whether a result was lost because stdout could not be written.
    pub(crate) fn is_unwritable(self) -> bool {
        UNWRITABLE.load(Ordering::Relaxed)
    }

    /// A result: the object itself, or its `table`.
    pub(crate) fn result<T: Serialize>(self, result: &T, table: impl FnOnce(&T) -> String) {
        if !self.json {
            return print(&painted(&visible_lines(&redact::known().mask(&table(result))), has_colors()));
        }
        match serde_json::to_string(result) {
            Ok(line) => print(&visible_json(&redact::known().mask_json(&line))),
            Err(error) => self.error(&error.into()),
        }
    }

    /// One JSON object with or without --json: the user's data, not a message of ours.
    pub(crate) fn data(self, object: &serde_json::Value) {
        print(&visible_json(&object.to_string()));
    }

    /// Text that this program generated, byte for byte.
    pub(crate) fn raw(self, text: &[u8]) {
        let mut stdout = io::stdout().lock();
        note(stdout.write_all(text).and_then(|()| stdout.flush()));
    }

    /// A hint for people. Not part of the JSON, and hidden by --quiet.
    pub(crate) fn say(self, line: &str) {
        if !self.quiet {
            self.answer(line);
        }
    }

    /// An answer for people, which JSON gives in another way.
    pub(crate) fn answer(self, line: &str) {
        if !self.json {
            print(&painted(&visible_lines(&redact::known().mask(line)), has_colors()));
        }
    }

    /// What failed, with its causes.
    pub(crate) fn error(self, error: &anyhow::Error) {
        // A closed stderr is no failure.
        let has_colors = io::stderr().is_terminal() && console::colors_enabled_stderr();
        _ = writeln!(io::stderr().lock(), "{}", painted(&text_of(error), has_colors));
    }
}

/// Whether stdout is a terminal with colours, and NO_COLOR is not set.
fn has_colors() -> bool {
    io::stdout().is_terminal() && console::colors_enabled()
}

/// The same text. On a terminal, the words with which its lines begin are in colour: no line begins
/// with text of others.
fn painted(text: &str, has_colors: bool) -> String {
    const RED: [&str; 6] = ["error", "problem", "not ready", "too old", "incomplete", "not intact"];
    const YELLOW: [&str; 2] = ["warning", "not verified"];
    if !has_colors {
        return text.to_owned();
    }
    let style = Style::new().force_styling(true).bold();
    let begins = |line: &str, words: &[&'static str]| {
        words.iter().copied().find(|word| line.strip_prefix(word).is_some_and(|rest| rest.starts_with(':')))
    };
    let painted = text.split('\n').map(|line| match (begins(line, &RED), begins(line, &YELLOW)) {
        (Some(word), _) => format!("{}{}", style.clone().red().apply_to(word), &line[word.len()..]),
        (None, Some(word)) => format!("{}{}", style.clone().yellow().apply_to(word), &line[word.len()..]),
        (None, None) => line.to_owned(),
    });
    painted.collect::<Vec<_>>().join("\n")
}

/// Results that come one by one: with `--json` each is printed immediately, otherwise all of them
/// in one table at the end.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    output: Output,
    pub(crate) kept: Vec<T>,
    added: usize,
}

impl<T: Serialize> Rows<T> {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, kept: Vec::new(), added: 0 }
    }

    pub(crate) fn add(&mut self, row: T) {
        self.added += 1;
        if self.output.json {
            self.output.result(&row, |_| String::new());
        } else {
            self.kept.push(row);
        }
    }

    /// Whether there was none.
    pub(crate) fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Whether no one reads results any more.
    pub(crate) fn are_unread(&self) -> bool {
        self.output.is_closed()
    }

    /// Prints the table, unless it is empty.
    pub(crate) fn end(&self, table: impl FnOnce(&[T]) -> String) {
        if !self.kept.is_empty() {
            self.output.result(&self.kept, |rows| table(rows));
        }
    }
}

/// What failed, with its causes, one line each. Only the problems of a configuration have several
/// lines of their own: others' text is quoted in them.
fn text_of(error: &anyhow::Error) -> String {
    let line = |text: String| {
        let text = redact::known().mask(&text);
        if error.is::<ConfigError>() { visible_lines(&text).into_owned() } else { visible(&text).into_owned() }
    };
    let mut text = format!("error: {}", line(error.to_string()));
    for cause in error.chain().skip(1).map(|cause| line(cause.to_string())) {
        if !text.contains(&cause) {
            text = format!("{text}\n  because: {cause}");
        }
    }
    text
}

fn print(text: &str) {
    #[cfg(test)]
    if crate::testing::is_kept(text) {
        return;
    }
    let mut stdout = io::stdout().lock();
    note(stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()));
}

/// Notes whether stdout could be written. A failure is reported once: a loop prints often.
pub(crate) fn note(written: io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => CLOSED.store(true, Ordering::Relaxed),
        Err(error) if !UNWRITABLE.swap(true, Ordering::Relaxed) => {
            _ = writeln!(io::stderr().lock(), "error: stdout cannot be written, so the results are incomplete: {error}");
        }
        Err(_) => {}
    }
}

/// A table with these headings. On a terminal it is no wider than that: long cells wrap.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let width = if io::stdout().is_terminal() { Term::stdout().size_checked().map(|(_, columns)| columns) } else { None };
    table_within(width, headings, rows)
}

fn table_within<const N: usize>(width: Option<u16>, headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headings);
    for row in rows {
        table.add_row(row.map(|cell| in_line(&cell)));
    }
    if let Some(width) = width.map(|width| width.max(NARROWEST)) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        // No heading is broken in the middle of a word, if there is room for all of them.
        let words = headings.map(|heading| heading.split(' ').map(str::len).max().unwrap_or_default() as u16 + PADDING);
        if words.iter().sum::<u16>() <= width {
            let least = words.map(|word| ColumnConstraint::LowerBoundary(Width::Fixed(word)));
            table.column_iter_mut().zip(least).for_each(|(column, least)| _ = column.set_constraint(least));
        }
    }
    table.trim_fmt()
}

/// A table with its problems below it, one line each.
pub(crate) fn with_problems<'p>(table: String, problems: impl Iterator<Item = &'p String>) -> String {
    with_lines(table, "problem", problems)
}

/// Text with lines below it. Each begins with `what`.
pub(crate) fn with_lines<'l>(text: String, what: &str, lines: impl IntoIterator<Item = &'l String>) -> String {
    lines.into_iter().fold(text, |text, line| format!("{text}\n{what}: {}", in_line(line)))
}

/// Part of a line. Known secrets are masked first: escaping could change them.
fn in_line(text: &str) -> String {
    visible(&redact::known().mask(text)).into_owned()
}

/// `1 topic`, `2 topics`.
pub(crate) fn counted<N: Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    format!("{count} {what}{}", if count == N::from(1) { "" } else { "s" })
}

/// Bytes for people: 1.4 GiB.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// The moment of a snapshot: UTC, rounded up to a second. So RESTORE_AS_OF at this time finds it.
pub(crate) fn moment(millis: Millis) -> String {
    time(millis.saturating_add(999))
}

/// Time for people: UTC, to the second, in the format of RESTORE_FROM.
pub(crate) fn time(millis: Millis) -> String {
    rfc3339(millis.div_euclid(1000).saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_begin_no_line_and_move_no_cursor() {
        let hostile = "\u{1b}[2Ja\nproblem: none\r\u{9b}8m".to_owned();
        let text = with_problems(table(["NAME"], [[hostile.clone()]]), std::iter::once(&hostile));
        assert_eq!(text.lines().count(), 3, "{text}");
        let error = text_of(&anyhow::anyhow!("{hostile}").context(hostile.clone()));
        assert_eq!(error.lines().count(), 1, "{error}");
        for text in [text, error] {
            assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
        }
        let error = text_of(&ConfigError { problems: vec!["one".to_owned(), "two".to_owned()] }.into());
        assert!(error.lines().count() > 1, "{error}");
    }
    #[test]
    fn a_table_fits_the_terminal() {
        let note = "offsets 100 to 2100 were deleted before they could be read; another invocation wrote this segment".to_owned();
        let rows = || [["orders/0".to_owned(), "12".to_owned(), note.clone()]];
        let narrow = table_within(Some(70), ["PARTITION", "SEGMENTS", "NOTES"], rows());
        assert!(narrow.lines().count() > 2 && narrow.lines().all(|line| line.chars().count() <= 70), "{narrow}");
        assert!(narrow.contains("orders/0") && narrow.contains("PARTITION"), "{narrow}");
        let wide = table_within(None, ["PARTITION", "SEGMENTS", "NOTES"], rows());
        assert_eq!(wide.lines().count(), 2, "{wide}");
    }

    #[test]
    fn only_the_word_that_begins_a_line_is_in_colour() {
        let text = "PARTITION  VERDICT\nproblem: orders/0: problem: 1\n problem: indented";
        assert_eq!(painted(text, false), text);
        let painted = painted(text, true);
        assert!(painted.contains("\nproblem".replace("problem", "\u{1b}[31m").as_str()), "{painted:?}");
        assert_eq!(painted.matches("\u{1b}[0m").count(), 1, "{painted:?}");
        assert_eq!(console::strip_ansi_codes(&painted), text);
    }

    #[test]
    fn quiet_hides_success_from_people_and_nothing_from_programs() {
        assert!(Output::new(false).quiet(true).hides_success());
        assert!(!Output::new(true).quiet(true).hides_success() && !Output::new(false).hides_success());
    }
}
