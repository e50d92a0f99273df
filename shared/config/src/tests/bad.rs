//! What must be refused, and how.

use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Deserialize)]
struct Table {
    good: Value,
    bad: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    command: String,
    text: Option<String>,
    #[serde(default)]
    with: Value,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    env: std::collections::BTreeMap<String, String>,
    problems: Option<usize>,
    says: Vec<String>,
    #[serde(default)]
    hides: Vec<String>,
}

#[test]
fn every_bad_configuration_is_refused_with_a_message_to_act_on() {
    let table: Table = serde_json::from_str(include_str!("../../testdata/bad-configs.json")).unwrap();
    assert!(table.bad.len() >= 25);
    for row in table.bad {
        let without: Vec<&str> = row.without.iter().map(String::as_str).collect();
        let text = row.text.unwrap_or_else(|| changed(&table.good[&row.command].to_string(), &row.with, &without));
        let env: Vec<(&str, &str)> = row.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let refused = match row.command.as_str() {
            "backup" => backup(&text, &env).map(drop),
            _ => restore(&text, &env).map(drop),
        };
        let ConfigError { problems } = refused.expect_err(&row.name);
        let message = problems.join("\n");
        assert_eq!(problems.len(), row.problems.unwrap_or(1), "{}: {message}", row.name);
        row.says.iter().for_each(|piece| assert!(message.contains(piece), "{}: {piece:?} is not in {message}", row.name));
        row.hides.iter().for_each(|piece| assert!(!message.contains(piece), "{}: {piece:?} is in {message}", row.name));
    }
}

#[test]
fn the_good_files_of_the_table_are_good() {
    let table: Table = serde_json::from_str(include_str!("../../testdata/bad-configs.json")).unwrap();
    backup(&table.good["backup"].to_string(), &[]).unwrap();
    restore(&table.good["restore"].to_string(), &[]).unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.json");
    let message = load_path(&missing, &[]).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: cannot be read: ", missing.display())), "{message}");

    let message = load_path(folder.path(), &[]).unwrap_err().to_string();
    assert!(message.contains("cannot be read"), "{message}");

    let latin1 = folder.path().join("latin1.json");
    std::fs::write(&latin1, b"{\"GROUP_ID\": \"caf\xe9\"}").unwrap();
    let message = load_path(&latin1, &[]).unwrap_err().to_string();
    assert!(message.ends_with("latin1.json: is not UTF-8 at byte 17"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_refused_and_others_are_nobodys_business() {
    use std::os::unix::ffi::OsStringExt;
    let garbage = || OsString::from_vec(vec![0xff]);
    let raw = Raw::load(None, [("GROUP_ID".into(), garbage()), ("OTHER".into(), garbage()), (garbage(), garbage())]).unwrap();
    let problems = BackupSettings::from_raw(&raw).unwrap_err().problems;
    assert_eq!(problems.iter().filter(|problem| problem.contains("UTF-8")).count(), 1);
    assert!(problems.contains(&"GROUP_ID (environment): is not UTF-8".to_owned()), "{problems:?}");
}

#[test]
fn the_problem_names_where_the_value_stands() {
    let text = changed(BACKUP, &serde_json::json!({"LOG_LEVEL": 7}), &[]);
    let message = backup(&text, &[]).unwrap_err().to_string();
    assert!(message.contains("config.json): must be one of"), "{message}");
    let message = backup(BACKUP, &[("LOG_LEVEL", "7")]).unwrap_err().to_string();
    assert!(message.starts_with("LOG_LEVEL = \"7\" (environment): must be one of"), "{message}");
}
