//! Refused configurations: exit code 2, a message that says what to do, and nothing started. The
//! table is `bad-configs.json` of the crate `config`. No server is needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use end_to_end::runner::local_runner;
use serde::Deserialize;
use serde_json::{Map, Value};
use tempfile::TempDir;

#[derive(Deserialize)]
struct Table {
    good: BTreeMap<String, Map<String, Value>>,
    bad: Vec<Bad>,
}

/// A change to the good file of its command, and the expected result.
#[derive(Deserialize)]
#[serde(default)]
struct Bad {
    name: String,
    command: String,
    text: Option<String>,
    with: Map<String, Value>,
    without: Vec<String>,
    env: BTreeMap<String, String>,
    says: Vec<String>,
    hides: Vec<String>,
}

impl Default for Bad {
    fn default() -> Self {
        let (with, env) = (Map::new(), BTreeMap::new());
        Self { name: String::new(), command: String::new(), text: None, with, without: vec![], env, says: vec![], hides: vec![] }
    }
}

impl Bad {
    fn file(&self, good: &Map<String, Value>) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let mut keys = good.clone();
        keys.extend(self.with.clone());
        self.without.iter().for_each(|key| _ = keys.remove(key));
        Value::Object(keys).to_string()
    }

    /// How the program's reaction differs from the expected result.
    fn complaints(&self, config: &Path) -> Vec<String> {
        let output = local_runner().arg(&self.command).arg(config).arg("--once").envs(&self.env).output().expect("local-runner starts");
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let mut complaints = Vec::new();
        if output.status.code() != Some(2) {
            complaints.push(format!("exit code {:?}", output.status.code()));
        }
        if !stdout.is_empty() {
            complaints.push(format!("a report: {stdout}"));
        }
        let missing = self.says.iter().filter(|words| !stderr.contains(*words));
        complaints.extend(missing.map(|words| format!("does not say {words:?}")));
        let shown = self.hides.iter().filter(|secret| stderr.contains(*secret));
        complaints.extend(shown.map(|secret| format!("shows {secret:?}")));
        if !complaints.is_empty() {
            complaints.push(format!("it said:\n{stderr}"));
        }
        complaints
    }
}

#[test]
fn each_is_refused_with_a_message_one_can_act_on() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/config/testdata/bad-configs.json");
    let table: Table = serde_json::from_slice(&fs::read(table).expect("the table is there")).expect("it is a table");
    assert!(table.bad.len() >= 25);
    let dir = TempDir::new().expect("a temporary folder");
    let config = dir.path().join("config.json");
    let mut failures = Vec::new();
    for bad in &table.bad {
        fs::write(&config, bad.file(&table.good[&bad.command])).expect("the temporary folder can be written");
        let complaints = bad.complaints(&config);
        if !complaints.is_empty() {
            failures.push(format!("{}: {}", bad.name, complaints.join("; ")));
        }
    }
    assert!(failures.is_empty(), "{} of {} bad configurations:\n{}", failures.len(), table.bad.len(), failures.join("\n"));
}

#[test]
fn bad_usage_is_refused_too() {
    for arguments in
        [&["backup"][..], &["backup", "a.json", "--once", "--until-caught-up"], &["restor", "a.json"], &["backup", "--nonsense"]]
    {
        let output = local_runner().args(arguments).output().expect("local-runner starts");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_configuration_that_does_not_exist_is_refused_by_its_name() {
    let output = local_runner().args(["backup", "/nowhere/backup.json", "--once"]).output().expect("local-runner starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/backup.json"));
}
