//! `docs/config.schema.json`: the keys for editors, made from the same table as the documentation.

use serde_json::{Map, Value, json};

use super::{BACKUP, RESTORE, backup, changed, restore};
use crate::{Commands, Key, known_keys};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.schema.json");

/// What a key's value is, for an editor. The parser is lenient: numbers and flags can be text, and
/// a list can be text with commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number {
        least: u64,
    },
    Flag,
    List,
    Object,
    /// One of these; the parser ignores case.
    Choice(&'static [&'static str]),
}

fn kind_of(name: &str) -> Kind {
    match name {
        "NUMBER_OF_MESSAGE_PER_BACKUP_FILE" | "RESTORE_REPLICATION_FACTOR" | "NUMBER_OF_KAFKA_THREADS" | "TIME_BUDGET_SECONDS" => {
            Kind::Number { least: 1 }
        }
        "RETRY_UPLOAD_SECONDS"
        | "SNAPSHOT_SECONDS"
        | "METRICS_MAX_TOPICS"
        | "RETRY_SECONDS"
        | "MAX_SEGMENTS_PER_INVOCATION"
        | "BYTES_PER_SECOND" => Kind::Number { least: 0 },
        "MEMORY_LIMIT_MB" => Kind::Number { least: 64 },
        "SKIP_DAMAGED" | "S3_PATH_STYLE" => Kind::Flag,
        "BOOTSTRAP_SERVERS"
        | "TOPIC_NAMES"
        | "EXCLUDE_TOPIC_NAMES"
        | "CONSUMER_GROUPS"
        | "EXCLUDE_CONSUMER_GROUPS"
        | "BACKUP_TOPIC_NAME"
        | "RESTORE_EXCLUDE_TOPIC_NAMES"
        | "BACKUP_PARTITIONS"
        | "RESTORE_GROUPS"
        | "RESTORE_EXCLUDE_GROUPS"
        | "RESTORE_FINISH"
        | "RESTORE_ANYWAY" => Kind::List,
        "KAFKA_PROPERTIES" | "KAFKA_SECRET" => Kind::Object,
        "KAFKA_AUTH" => Kind::Choice(&["MSK_IAM"]),
        "ISOLATION_LEVEL" => Kind::Choice(&["read_committed", "read_uncommitted"]),
        "RESTORE_PARTITION_STRATEGY" => Kind::Choice(&["same", "random", "key"]),
        "DELIVERY" => Kind::Choice(&["exactly-once", "at-least-once"]),
        "LOG_LEVEL" => Kind::Choice(&["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]),
        "LOG_FORMAT" => Kind::Choice(&["text", "json"]),
        "FILESYSTEM_TYPE" => Kind::Choice(&["LINUX", "S3", "MINIO", "AZURE"]),
        _ => Kind::Text,
    }
}

/// Other spellings of LOG_LEVEL, which an editor accepts and does not offer.
const LEVELS: [&str; 7] = ["WARN", "FATAL", "10", "20", "30", "40", "50"];

/// A pattern for a word as the parser reads it: in any case, `-` and `_` alike.
fn any_case(word: &str) -> String {
    let letter = |letter: char| match letter {
        '-' | '_' => "[-_]".to_owned(),
        letter if letter.is_ascii_alphabetic() => format!("[{}{}]", letter.to_ascii_uppercase(), letter.to_ascii_lowercase()),
        other => other.to_string(),
    };
    word.chars().map(letter).collect()
}

/// What an editor offers, and what it accepts: never less than the parser does.
fn schema_of(key: &Key) -> Value {
    let mut schema = match kind_of(key.name) {
        Kind::Text => json!({"type": ["string", "number", "boolean"]}),
        Kind::Number { least } => json!({"type": ["integer", "string"], "minimum": least, "pattern": r"^\s*\+?[0-9]+\s*$"}),
        Kind::Flag => {
            json!({"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|[Yy][Ee][Ss]|[Nn][Oo]|0|1)\s*$"}]})
        }
        Kind::List => {
            json!({"anyOf": [{"type": "array", "minItems": 1, "items": {"type": ["string", "number", "boolean"]}}, {"type": ["string", "number"]}]})
        }
        Kind::Object => json!({"type": ["object", "string"]}),
        Kind::Choice(choices) => {
            let also: &[&str] = if key.name == "LOG_LEVEL" { &LEVELS } else { &[] };
            let words = choices.iter().chain(also).map(|word| any_case(word)).collect::<Vec<_>>();
            let pattern = format!(r"^\s*({})\s*$", words.join("|"));
            let numbers: Vec<u64> = also.iter().filter_map(|word| word.parse().ok()).collect();
            let mut any = vec![json!({"enum": choices}), json!({"type": "string", "pattern": pattern})];
            any.extend((!numbers.is_empty()).then(|| json!({"enum": numbers})));
            json!({"anyOf": any})
        }
    };
    let Key { name, used_by, help, default, example, secret, .. } = key;
    let used_by = match used_by {
        Commands::Backup => "For backup.",
        Commands::Restore => "For restore.",
        Commands::Both => "For backup and restore.",
    };
    let absent =
        if let Some(when) = default.strip_prefix("required") { format!("Required{when}") } else { format!("When absent: {default}") };
    let secret = if *secret { " Secret: put it into the environment." } else { "" };
    let fields = schema.as_object_mut().unwrap();
    fields.insert("description".to_owned(), format!("{help}. {absent}. {used_by}{secret}").into());
    let example = match kind_of(name) {
        Kind::Number { .. } => example.parse::<u64>().map_or_else(|_| Value::from(*example), Value::from),
        Kind::Flag | Kind::List | Kind::Object => serde_json::from_str(example).unwrap_or_else(|_| Value::from(*example)),
        Kind::Text | Kind::Choice(_) => Value::from(*example),
    };
    fields.insert("examples".to_owned(), json!([example]));
    schema
}

fn generated() -> String {
    let of_file = known_keys().iter().filter(|key| !key.environment_only);
    let properties: Map<String, Value> = of_file.map(|key| (key.name.to_owned(), schema_of(key))).collect();
    let mut properties = properties;
    properties.insert("$schema".to_owned(), json!({"type": "string", "description": "Where this schema is. Only editors read it."}));
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of local-runner, backup-batch and restore-batch",
        "description": "Generated from shared/config/src/keys.rs. docs/configuration.md says more.",
        "type": "object",
        "properties": properties,
        "patternProperties": {
            "^KAFKA_[A-Z0-9_]+$": {"description": "A property of librdkafka: KAFKA_SASL_USERNAME is sasl.username."},
        },
        "additionalProperties": false,
    });
    format!("{schema:#}\n")
}

#[test]
fn the_schema_lists_every_key_of_a_file() {
    let generated = generated();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(FILE, generated).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        written == generated,
        "docs/config.schema.json is older than shared/config/src/keys.rs: UPDATE_DOCS=1 cargo test -p config tests::schema"
    );
}

/// An editor must not underline what the program accepts, nor offer what it refuses.
#[test]
fn what_the_schema_offers_the_program_accepts_and_no_word_is_a_number() {
    let accepts = |name: &str, value: &Value| {
        let key = known_keys().iter().find(|key| key.name == name).unwrap();
        let text = match key.used_by {
            Commands::Restore => RESTORE,
            Commands::Backup | Commands::Both => BACKUP,
        };
        // Keys of S3 are read only with it.
        let store = json!({"FILESYSTEM_TYPE": "S3", "BUCKET_NAME": "backups", "BACKUP_TOPIC_NAME": "orders"});
        let text = if name.starts_with("S3_") { changed(text, &store, &[]) } else { text.to_owned() };
        let text = changed(&text, &json!({name: value}), &[]);
        let refused = if text.contains("RESTORE_TOPIC_NAME") { restore(&text, &[]).err() } else { backup(&text, &[]).err() };
        refused.is_none_or(|error| !error.problems.iter().any(|problem| problem.starts_with(&format!("{name} = "))))
    };
    for key in known_keys() {
        match kind_of(key.name) {
            Kind::Number { least } => {
                let below = least.checked_sub(1).is_none_or(|below| !accepts(key.name, &below.into()));
                assert!(accepts(key.name, &least.into()) && below && !accepts(key.name, &"x".into()), "{}", key.name);
            }
            Kind::Flag => assert!(accepts(key.name, &true.into()) && !accepts(key.name, &"x".into()), "{}", key.name),
            Kind::Choice(choices) => {
                let also: &[&str] = if key.name == "LOG_LEVEL" { &LEVELS } else { &[] };
                let all = choices.iter().chain(also);
                all.for_each(|choice| assert!(accepts(key.name, &(*choice).into()), "{} = {choice}", key.name));
                assert!(!accepts(key.name, &"no-such-choice".into()), "{}", key.name);
            }
            Kind::Text | Kind::List | Kind::Object => {}
        }
    }
}
