//! Reports on stdout: a table for people, one JSON object a line with `--json`. Errors on stderr. No known secret is in either, and whatever names
//! and messages of others hold acts on no terminal: all of it goes through here.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{ContentArrangement, Table, presets};
use config::ConfigError;
use kernel::clock::{Millis, rfc3339};
use kernel::{visible, visible_json, visible_lines};
use serde::Serialize;
use telemetry::redact;

/// Set once the reader of stdout has gone (`… | head`). That is no failure: the command continues to its end and prints nothing more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Set once a result could not be written (a full disk). That is a failure of every command: its caller would read an answer that is not whole.
static UNWRITABLE: AtomicBool = AtomicBool::new(false);

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether no result arrives any more: a command that only prints can end.
    pub(crate) fn is_closed(self) -> bool {
        CLOSED.load(Ordering::Relaxed) || self.is_unwritable()
    }

    /// Whether a result was lost because stdout could not be written.
    pub(crate) fn is_unwritable(self) -> bool {
        UNWRITABLE.load(Ordering::Relaxed)
    }

    /// A result: the object itself, or what `table` makes of it.
    pub(crate) fn result<T: Serialize>(self, result: &T, table: impl FnOnce(&T) -> String) {
        if !self.json {
            return print(&visible_lines(&redact::known().mask(&table(result))));
        }
        match serde_json::to_string(result) {
            Ok(line) => print(&visible_json(&redact::known().mask_json(&line))),
            Err(error) => self.error(&error.into()),
        }
    }

    /// One JSON object in either way, as it is: data of the user's, not a message of ours.
    pub(crate) fn data(self, object: &serde_json::Value) {
        print(&visible_json(&object.to_string()));
    }

    /// A line for people; not part of the JSON.
    pub(crate) fn say(self, line: &str) {
        if !self.json {
            print(&visible_lines(&redact::known().mask(line)));
        }
    }

    /// What went wrong, with its causes.
    pub(crate) fn error(self, error: &anyhow::Error) {
        // A closed stderr is nobody's failure.
        _ = writeln!(io::stderr().lock(), "{}", text_of(error));
    }
}

/// Results that come one by one: with `--json` each is printed when it is made, otherwise all of them as one table at the end.
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

    /// Whether nobody reads any more.
    pub(crate) fn are_unread(&self) -> bool {
        self.output.is_closed()
    }

    /// Prints the table, if there is anything in it.
    pub(crate) fn end(&self, table: impl FnOnce(&[T]) -> String) {
        if !self.kept.is_empty() {
            self.output.result(&self.kept, |rows| table(rows));
        }
    }
}

/// What went wrong, a line each, of which others' text is a part only where it is quoted already: in what is wrong with a configuration.
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
    let mut stdout = io::stdout().lock();
    note(stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()));
}

/// Notes what writing to stdout came to. A failure is said once: a loop prints often.
pub(crate) fn note(written: io::Result<()>) {
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => CLOSED.store(true, Ordering::Relaxed),
        Err(error) if !UNWRITABLE.swap(true, Ordering::Relaxed) => {
            _ = writeln!(io::stderr().lock(), "error: stdout cannot be written, so the results are not complete: {error}");
        }
        Err(_) => {}
    }
}

/// A table with these headings.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(headings);
    for row in rows {
        table.add_row(row.map(|cell| in_line(&cell)));
    }
    table.to_string()
}

/// A table with what is wrong below it, a line each.
pub(crate) fn with_problems<'p>(table: String, problems: impl Iterator<Item = &'p String>) -> String {
    with_lines(table, "problem", problems)
}

/// Text with lines below it of which each begins with `what`.
pub(crate) fn with_lines<'l>(text: String, what: &str, lines: impl IntoIterator<Item = &'l String>) -> String {
    lines.into_iter().fold(text, |text, line| format!("{text}\n{what}: {}", in_line(line)))
}

/// Part of a line. Known secrets are masked before anything of them is escaped.
fn in_line(text: &str) -> String {
    visible(&redact::known().mask(text)).into_owned()
}

/// Bytes for people: 1.4 GiB.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// Time for people: UTC, to the second, as RESTORE_FROM takes it.
pub(crate) fn time(millis: Millis) -> String {
    rfc3339(millis.div_euclid(1000) * 1000)
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
}
