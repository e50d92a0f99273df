//! `docs/configuration.md` matches the tables.

use crate::properties::FIXED;
use crate::{Commands, Key, Section, known_keys};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");

/// The generated tables, each with the marker before it.
fn tables() -> Vec<(&'static str, String)> {
    let section = |name, section| (name, keys(section));
    vec![
        section("kafka", Section::Kafka),
        section("backup", Section::Backup),
        section("restore", Section::Restore),
        section("invocation", Section::Invocation),
        section("storage", Section::Storage),
        section("s3", Section::S3),
        section("minio", Section::Minio),
        section("azure", Section::Azure),
        ("properties", properties()),
    ]
}

fn keys(section: Section) -> String {
    let rows = known_keys().iter().filter(|key| key.section == section).map(row);
    let header = "| Key | For | Meaning | When absent | Example |\n|---|---|---|---|---|\n".to_owned();
    std::iter::once(header).chain(rows).collect()
}

fn row(key: &Key) -> String {
    let used_by = match key.used_by {
        Commands::Backup => "backup",
        Commands::Restore => "restore",
        Commands::Both => "both",
    };
    let place = if key.environment_only { "; environment only" } else { "" };
    let secret = if key.secret { "; secret" } else { "" };
    let Key { name, help, default, example, .. } = key;
    format!("| `{name}` | {used_by} | {help}{place}{secret} | {default} | `{example}` |\n")
}

fn properties() -> String {
    let rows = FIXED.iter().map(|fixed| {
        let allowed = if fixed.allowed.is_empty() { "–".to_owned() } else { format!("`{}`", fixed.allowed.join("`, `")) };
        format!("| `{}` | {allowed} | {} |\n", fixed.name, fixed.why)
    });
    let header = "| Property | Accepted | Why, or what to set instead |\n|---|---|---|\n".to_owned();
    std::iter::once(header).chain(rows).collect()
}

/// `text` with each table between its markers replaced.
fn with_tables(text: &str) -> String {
    tables().iter().fold(text.to_owned(), |text, (name, table)| {
        let (begin, end) = (format!("<!-- table: {name} -->\n"), "<!-- end -->");
        let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("docs/configuration.md has no line {begin}"));
        let (_, after) = rest.split_once(end).unwrap();
        format!("{before}{begin}{table}{end}{after}")
    })
}

#[test]
fn the_documentation_lists_every_key() {
    let written = std::fs::read_to_string(FILE).unwrap();
    let generated = with_tables(&written);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(FILE, generated).unwrap();
    }
    assert!(written == generated, "docs/configuration.md is behind shared/config/src: UPDATE_DOCS=1 cargo test -p config tests::docs");
}

#[test]
fn no_key_stands_twice() {
    let names: std::collections::BTreeSet<&str> = known_keys().iter().map(|key| key.name).collect();
    assert_eq!(names.len(), known_keys().len());
}
