//! Each loss against each command: the exit code, and whether the loss is named. No servers: a
//! simulated cluster, a folder, and the commands as they are.
//!
//! docs/guarantees.md has the table. UPDATE_DOCS=1 writes it.
//!
//! | file | what it holds |
//! |---|---|
//! | `commands.rs` | the commands, and what each prints |
//! | `losses.rs` | what is deleted or damaged |
//! | `site.rs` | two clusters, and a bucket with two runs of a backup |

#![allow(clippy::unwrap_used)]

mod commands;
mod losses;
mod site;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use commands::{COMMANDS, Outcome};
use losses::{LOSSES, Loss};
use site::Site;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guarantees.md");

/// Why a command may end with 0 and not name a loss. A letter in the table refers to it.
const REASONS: [(char, &str); 7] = [
    ('a', "`status` reads no segment, only snapshots and the names of folders. Use `verify --quick`."),
    ('b', "`list` reads one segment of a partition, the last. Use `list --segments` or `verify`."),
    ('c', "`plan` reads no segment, only names and snapshots. `restore` finds it and stops there."),
    ('d', "A backup looks only at the `.sha256` that it continues after, and at the names of folders."),
    ('e', "Nothing else in the bucket lists it. Use versioning, and `verify --against-cluster`."),
    ('f', "No record is lost, and the segment has checksums of its own."),
    ('g', "The backup took a snapshot instead. Only RESTORE_AS_OF at the old moment is lost."),
];

fn reason_of(loss: &Loss, command: &str) -> Option<char> {
    loss.unseen.iter().find(|(_, commands)| commands.contains(&command)).map(|(letter, _)| *letter)
}

async fn outcomes(loss: &Loss) -> Vec<Outcome> {
    let site = Site::backed_up().await;
    (loss.happens)(&site);
    let mut outcomes = Vec::new();
    for (_, command) in COMMANDS {
        outcomes.push(command(&site).await);
    }
    outcomes
}

#[tokio::test]
async fn a_loss_that_a_command_does_not_name_is_in_the_docs() {
    let _log = commands::keep_log();
    let headings = COMMANDS.map(|(name, _)| format!("`{name}`"));
    let mut table = format!("| lost | {} |\n|{}\n", headings.join(" | "), " --- |".repeat(1 + COMMANDS.len()));
    let (mut wrong, mut used) = (String::new(), BTreeSet::new());
    for loss in LOSSES {
        _ = write!(table, "| {} |", loss.what);
        for ((name, _), Outcome { code, text }) in COMMANDS.iter().zip(outcomes(loss).await) {
            let named = text.lines().find(|line| loss.is_named_by(line));
            let reason = reason_of(loss, name);
            let cell = match (code, named, reason) {
                (0, None, Some(letter)) => format!("0 ({letter})"),
                (0, Some(_), None) => "0, noted".to_owned(),
                (0, None, None) if loss.what == "nothing" => "0".to_owned(),
                (code, Some(_), None) if code != 0 => code.to_string(),
                _ => format!("{code} {named:?} {reason:?}"),
            };
            if cell.contains("None") || cell.contains("Some") {
                _ = writeln!(wrong, "=== {}: {name}: {cell}\n{text}", loss.what);
            }
            used.extend(reason);
            _ = write!(table, " {cell} |");
        }
        table.push('\n');
    }
    assert!(wrong.is_empty(), "{wrong}\n{table}");
    for (letter, reason) in REASONS {
        assert!(used.contains(&letter), "({letter}) is not used");
        _ = write!(table, "\n- **({letter})** {reason}");
    }
    check(&format!("{table}\n\n"));
}

/// Compares the table in the docs. UPDATE_DOCS replaces it.
fn check(table: &str) {
    let written = std::fs::read_to_string(DOCS).unwrap();
    let (begin, end) = ("<!-- losses -->\n\n", "<!-- end of losses -->");
    let (before, rest) = written.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let generated = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(DOCS, generated).unwrap();
    } else {
        assert!(written == generated, "docs/guarantees.md has another table: UPDATE_DOCS=1 cargo test -p local-runner loss_tests\n{table}");
    }
}
