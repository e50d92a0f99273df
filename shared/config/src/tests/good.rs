//! What must be accepted, and what it means.

use std::time::Duration;

use archive::Times;
use archive::catalog::PartitionStrategy;
use archive::segment::Compression;
use kafka::{Delivery, Isolation};
use serde_json::json;
use store::{S3Store, StoreKind, StoreSettings};
use telemetry::LogLevel;

use super::*;
use crate::{Section, bucket_settings, known_keys, store_settings};
use telemetry::LogFormat;

/// What every command finds in its environment, for tables about something else.
const SECRETS: [(&str, &str); 2] = [("MINIO_ACCESS_KEY", "minio"), ("MINIO_SECRET_KEY", "hunter2hunter2")];

fn s3(store: &StoreSettings) -> &S3Store {
    match &store.kind {
        StoreKind::S3(s3) => s3,
        other => panic!("{other:?}"),
    }
}

fn one_topic(settings: &RestoreSettings) -> &str {
    settings.topics.names().next().unwrap_or_default()
}

fn folder(store: &StoreSettings) -> &Path {
    match &store.kind {
        StoreKind::Folder(path) => path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_local_backup_example_of_the_python_tool() {
    let settings = backup(BACKUP, &[]).unwrap();
    assert_eq!(settings.kafka.bootstrap_servers, "kafka01:9092,kafka02:9092,kafka03:9092");
    assert!(settings.kafka.properties.is_empty());
    assert_eq!(settings.topics.names().collect::<Vec<_>>(), ["davinder.test"]);
    assert_eq!(settings.group, "Kafka-BackUp-Consumer-Group");
    assert_eq!(folder(&settings.store), Path::new("/tmp/"));
    assert_eq!(settings.store.prefix, "");
    assert_eq!(settings.records_per_segment, 1000);
    assert_eq!(settings.retry_upload, Duration::from_secs(100));
    assert_eq!(settings.threads, 3);
    assert_eq!(settings.log_level, LogLevel::Info);
    assert_eq!((settings.max_segments, settings.time_budget, settings.memory_limit), (Some(1), None, None));
    assert_eq!((settings.isolation, settings.compression), (Isolation::ReadCommitted, Compression::Gzip(3)));
}

#[test]
fn bytes_per_second_is_a_number_and_nothing_means_no_limit() {
    for (value, bytes) in [(json!(0), None), (json!("5000000"), Some(5_000_000)), (json!(1), Some(1))] {
        let settings = backup(&changed(BACKUP, &json!({"BYTES_PER_SECOND": value}), &[]), &[]).unwrap();
        assert_eq!(settings.bytes_per_second, bytes);
    }
    assert_eq!(backup(BACKUP, &[]).unwrap().bytes_per_second, None);
    let problems = backup(&changed(BACKUP, &json!({"BYTES_PER_SECOND": "10MB"}), &[]), &[]).unwrap_err().problems;
    assert!(problems.len() == 1 && problems[0].contains("BYTES_PER_SECOND") && problems[0].contains("whole number"), "{problems:?}");
}

/// Its S3 example names no bucket, so it could not run there either: only BUCKET_NAME has to be
/// added.
#[test]
fn the_s3_backup_example_of_the_python_tool_needs_its_bucket() {
    let text = BACKUP.replace("LINUX", "S3");
    let problems = backup(&text, &[]).unwrap_err().problems;
    assert_eq!(problems, ["BUCKET_NAME is missing: FILESYSTEM_TYPE=S3 requires the bucket's name: add BUCKET_NAME"]);

    let settings = backup(&changed(&text, &json!({"BUCKET_NAME": "kafka-backup"}), &[]), &[]).unwrap();
    let store = s3(&settings.store);
    assert_eq!((store.bucket.as_str(), &store.endpoint, &store.region, store.path_style), ("kafka-backup", &None, &None, false));
    assert!(store.credentials.is_none());
}

/// Its restore examples write both strategies with a slash: only one has to be chosen.
#[test]
fn the_local_restore_example_of_the_python_tool() {
    let problems = restore(RESTORE, &[]).unwrap_err().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("RESTORE_PARTITION_STRATEGY = \"same/random\"") && problems[0].contains("write one of"), "{problems:?}");

    let settings = restore(&RESTORE.replace("same/random", "same"), &[]).unwrap();
    assert_eq!((folder(&settings.store), one_topic(&settings)), (Path::new("/tmp"), "davinder.test"));
    assert_eq!(settings.target.as_str(), "davinder-restore.test");
    assert_eq!(settings.restore_id.as_deref(), Some("davinder.test-to-davinder-restore.test"));
    assert_eq!((settings.strategy, settings.delivery), (PartitionStrategy::Same, Delivery::ExactlyOnce));
    assert_eq!(settings.retry, Duration::from_secs(100));
    assert_eq!((settings.replication_factor, settings.skip_damaged, settings.anyway.len()), (None, false, 0));
}

#[test]
fn the_s3_restore_example_of_the_python_tool() {
    let text = r#"{
      "BOOTSTRAP_SERVERS": "kafka01:9092,kafka02:9092,kafka03:9092",
      "BACKUP_TOPIC_NAME": "davinder.test",
      "RESTORE_TOPIC_NAME": "davinder-restore.test",
      "FILESYSTEM_TYPE": "S3",
      "BUCKET_NAME": "davinder-test-kafka-backup",
      "FILESYSTEM_BACKUP_DIR": "/tmp",
      "RETRY_SECONDS": 100,
      "RESTORE_PARTITION_STRATEGY": "same/random"
    }"#;
    let settings = restore(&text.replace("same/random", "random"), &[]).unwrap();
    assert_eq!(s3(&settings.store).bucket, "davinder-test-kafka-backup");
    assert_eq!(one_topic(&settings), "davinder.test");
    assert_eq!(settings.strategy, PartitionStrategy::Random);
}

#[test]
fn minio_and_azure_as_for_the_python_tool() {
    let minio =
        json!({"FILESYSTEM_TYPE": "MINIO", "MINIO_URL": "localhost:9000", "IS_MINIO_SECURE": "False", "BUCKET_NAME": "kafka-backup"});
    let settings = backup(&changed(BACKUP, &minio, &[]), &SECRETS).unwrap();
    let store = s3(&settings.store);
    assert_eq!(store.endpoint.as_deref(), Some("http://localhost:9000"));
    assert_eq!((store.region.as_deref(), store.path_style), (Some("us-east-1"), true));
    let (access_key, secret_key) = store.credentials.as_ref().unwrap();
    assert_eq!((access_key.as_str(), secret_key.reveal()), ("minio", "hunter2hunter2"));

    let azure = json!({"FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": "kafka-backup"});
    let connection = "DefaultEndpointsProtocol=https;AccountName=backups;AccountKey=aHVudGVyMg==;EndpointSuffix=core.windows.net";
    let settings = backup(&changed(BACKUP, &azure, &[]), &[("AZURE_STORAGE_CONNECTION_STRING", connection)]).unwrap();
    let StoreKind::Azure(store) = &settings.store.kind else { panic!() };
    assert_eq!((store.container.as_str(), &store.account_url), ("kafka-backup", &None));
    assert_eq!(store.connection_string.as_ref().unwrap().reveal(), connection);
}

#[test]
fn where_the_store_is() {
    let minio = json!({"FILESYSTEM_TYPE": "minio", "BUCKET_NAME": "b-1"});
    let endpoints = [
        (json!({"MINIO_URL": "https://m:9000/"}), "https://m:9000"),
        (json!({"MINIO_URL": "http://m"}), "http://m"),
        (json!({"MINIO_URL": "m:9000"}), "https://m:9000"),
        (json!({"MINIO_URL": "m:9000", "IS_MINIO_SECURE": true}), "https://m:9000"),
        (json!({"MINIO_URL": "http://m:9000", "IS_MINIO_SECURE": "FALSE"}), "http://m:9000"),
        (json!({"MINIO_URL": "[::1]:9000", "IS_MINIO_SECURE": "FALSE"}), "http://[::1]:9000"),
    ];
    for (with, expected) in endpoints {
        let settings = backup(&changed(&changed(BACKUP, &minio, &[]), &with, &[]), &SECRETS).unwrap();
        assert_eq!(s3(&settings.store).endpoint.as_deref(), Some(expected), "{with}");
    }

    let aws = json!({"FILESYSTEM_TYPE": "S3", "BUCKET_NAME": "b-1", "AWS_ENDPOINT_URL": "http://all:1", "S3_STORAGE_CLASS": "standard_ia"});
    let settings = backup(&changed(BACKUP, &aws, &[]), &[("AWS_ENDPOINT_URL_S3", "http://s3:2")]).unwrap();
    assert_eq!(s3(&settings.store).endpoint.as_deref(), Some("http://s3:2"));
    assert_eq!(s3(&settings.store).storage_class.as_deref(), Some("STANDARD_IA"));

    let azure = json!({"FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": "kafka-backup", "AZURE_STORAGE_ACCOUNT_NAME": "backups"});
    let StoreKind::Azure(store) = backup(&changed(BACKUP, &azure, &[]), &[]).unwrap().store.kind else { panic!() };
    assert_eq!(store.account_url.as_deref(), Some("https://backups.blob.core.windows.net"));

    for (written, meant) in [("/a/b/", "a/b"), ("a", "a"), ("", ""), ("/", "")] {
        assert_eq!(backup(BACKUP, &[("STORAGE_PREFIX", written)]).unwrap().store.prefix, meant);
    }
}

#[test]
fn the_topics_own_folder_stands_for_the_topic() {
    let table = [
        ("/tmp/davinder.test", "/tmp", "davinder.test"),
        ("/tmp/orders@2/", "/tmp", "orders@2"),
        ("orders", ".", "orders"),
        ("backup/orders", "backup", "orders"),
    ];
    for (written, store, topic) in table {
        let text = changed(RESTORE, &json!({"FILESYSTEM_BACKUP_DIR": written, "RESTORE_PARTITION_STRATEGY": "same"}), &[]);
        let settings = restore(&text, &[]).unwrap();
        assert_eq!((folder(&settings.store), one_topic(&settings)), (Path::new(store), topic));
    }
    let settings = restore(RESTORE, &[("BACKUP_TOPIC_NAME", "a"), ("RESTORE_PARTITION_STRATEGY", "key")]).unwrap();
    assert_eq!((folder(&settings.store), one_topic(&settings)), (Path::new("/tmp/davinder.test"), "a"));
}

#[test]
fn one_value_is_written_in_many_ways() {
    let same = [
        ("NUMBER_OF_MESSAGE_PER_BACKUP_FILE", vec![json!(5), json!("5"), json!(" 5 ")]),
        ("LOG_LEVEL", vec![json!(30), json!("30"), json!("WARNING"), json!("warn")]),
        ("TOPIC_NAMES", vec![json!(["a", "b"]), json!("a,b"), json!("a, b"), json!("[\"a\", \"b\"]")]),
        ("FILESYSTEM_TYPE", vec![json!("LINUX"), json!("linux"), json!(" Linux")]),
        ("BOOTSTRAP_SERVERS", vec![json!("a:1,b,[::1]:2"), json!(["a:1", "b", "[::1]:2"]), json!("a:1, b, [::1]:2")]),
        ("COMPRESSION", vec![json!("gzip:3"), json!("GZIP"), json!("gzip: 3")]),
        ("ISOLATION_LEVEL", vec![json!("read_uncommitted"), json!("READ-UNCOMMITTED")]),
        ("MAX_SEGMENTS_PER_INVOCATION", vec![json!(0), json!("0")]),
        ("GROUP_ID", vec![json!(7), json!("7")]),
    ];
    for (key, ways) in same {
        let read = |way: &Value| format!("{:?}", backup(&changed(BACKUP, &json!({ key: way }), &[]), &[]).unwrap());
        let first = read(&ways[0]);
        ways.iter().for_each(|way| assert_eq!(read(way), first, "{key} = {way}"));
        for text in ways.iter().filter_map(Value::as_str) {
            assert_eq!(format!("{:?}", backup(BACKUP, &[(key, text)]).unwrap()), first, "{key} = {text} in the environment");
        }
    }
    for (written, meant) in [("TRUE", true), ("True", true), ("1", true), ("false", false), ("No", false)] {
        let env = [("SKIP_DAMAGED", written), ("RESTORE_PARTITION_STRATEGY", "same")];
        assert_eq!(restore(RESTORE, &env).unwrap().skip_damaged, meant);
    }
    let anyway = restore(RESTORE, &[("RESTORE_ANYWAY", "NOT_EMPTY, retention"), ("RESTORE_PARTITION_STRATEGY", "same")]).unwrap().anyway;
    assert_eq!(anyway, ["not-empty", "retention"]);
    let until = restore(RESTORE, &[("RESTORE_UNTIL", "2026-11-27T15:00:00+01:00"), ("RESTORE_PARTITION_STRATEGY", "same")]).unwrap().times;
    assert_eq!(until, Times { from: None, until: Some(1_795_788_000_000) });
}

#[test]
fn topics_are_names_globs_and_regular_expressions() {
    let settings = |include: Value, exclude: Value| {
        backup(&changed(BACKUP, &json!({"TOPIC_NAMES": include, "EXCLUDE_TOPIC_NAMES": exclude}), &[]), &[]).unwrap().topics
    };
    let topics = settings(json!(["orders", "pay*", r"^users-\d{1,3}"]), json!("*-test, ^.*-tmp"));
    for (name, taken) in [
        ("orders", true),
        ("orders-1", false),
        ("payments", true),
        ("payments-test", false),
        ("users-12", true),
        ("users-1234", false),
        ("pay-tmp", false),
        ("__pay", false),
    ] {
        assert_eq!(topics.takes(name), taken, "{name}");
    }
    assert!(settings(json!("ALL"), json!("x")).takes("ALL"), "a name like any other");
}

#[test]
fn the_environment_wins_and_needs_no_file() {
    let settings = backup(BACKUP, &[("GROUP_ID", "other"), ("TOPIC_NAMES", "x,y")]).unwrap();
    assert_eq!((settings.group.as_str(), settings.topics.names().collect::<Vec<_>>()), ("other", vec!["x", "y"]));

    let all = [("BOOTSTRAP_SERVERS", "k"), ("TOPIC_NAMES", "t"), ("GROUP_ID", "g"), ("FILESYSTEM_TYPE", "S3"), ("BUCKET_NAME", "b-1")];
    let raw = Raw::load(None, all.map(|(name, value)| (name.into(), value.into()))).unwrap();
    assert_eq!(BackupSettings::from_raw(&raw).unwrap().group, "g");
    assert_eq!(s3(&store_settings(&raw).unwrap()).bucket, "b-1");
}

#[test]
fn one_file_serves_both_commands() {
    let both = changed(BACKUP, &serde_json::from_str(&RESTORE.replace("same/random", "same")).unwrap(), &[]);
    backup(&both, &[]).unwrap();
    restore(&both, &[]).unwrap();
}

#[test]
fn both_spellings_of_the_strategy_count() {
    let text = changed(RESTORE, &json!({}), &["RESTORE_PARTITION_STRATEGY"]);
    let strategy = |env: &[(&str, &str)]| restore(&text, env).unwrap().strategy;
    assert_eq!(strategy(&[]), PartitionStrategy::Same, "the order of keys is kept unless the user changes that");
    assert_eq!(strategy(&[("RESTORE_PARTITION", "SAME")]), PartitionStrategy::Same);
    assert_eq!(strategy(&[("RESTORE_PARTITION", "same"), ("RESTORE_PARTITION_STRATEGY", "same")]), PartitionStrategy::Same);
}

#[test]
fn properties_from_everywhere() {
    let text = changed(
        BACKUP,
        &json!({
            "KAFKA_PROPERTIES": {"security.protocol": "ssl", "socket.timeout.ms": 1000, "log.connection.close": false, "acks": "all"},
            "KAFKA_CLIENT_RACK": "file"
        }),
        &[],
    );
    let env = [
        ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
        ("KAFKA_SASL_PASSWORD", "hunter2,=\"x"),
        ("KAFKA_LOG_LEVEL", "7"),
        ("KAFKA_CLIENT_RACK", "a"),
        ("KAFKA_SSL_CA_PEM", "-----BEGIN\nx\n"),
    ];
    let settings = backup(&text, &env).unwrap();
    let properties: Vec<(&str, &str)> = settings.kafka.properties.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    let expected = [
        ("acks", "all"),
        ("client.rack", "a"),
        ("log.connection.close", "false"),
        ("log_level", "7"),
        ("sasl.password", "hunter2,=\"x"),
        ("security.protocol", "SASL_SSL"),
        ("socket.timeout.ms", "1000"),
        ("ssl.ca.pem", "-----BEGIN\nx\n"),
    ];
    assert_eq!(properties, expected);

    let env = [("KAFKA_PROPERTIES", "{\"client.rack\": \"b\"}")];
    let settings = backup(&text, &env).unwrap();
    assert_eq!(settings.kafka.properties.len(), 1, "the environment's KAFKA_PROPERTIES stands for the file's");
    assert_eq!(settings.kafka.properties["client.rack"].reveal(), "b", "and goes before a file's KAFKA_CLIENT_RACK");
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("KAFKA_HOME", "/opt/kafka"),
        ("KAFKA_OPTS", "-Dx"),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
        ("KAFKA_LOG4J_OPTS", "-Dlog4j"),
        ("KAFKA_JVM_PERFORMANCE_OPTS", "-server"),
        ("KAFKA_JMX_OPTS", "x"),
        ("KAFKA_GC_LOG_OPTS", "x"),
        ("KAFKA_DEBUG", "y"),
        ("KAFKA_CLUSTER_ID", "x"),
        ("KAFKA_VERSION", "4.1.0"),
        ("KAFKA_BOOTSTRAP_SERVERS", "x"),
        ("KAFKA_CFG_NODE_ID", "1"),
        ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
        ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("KAFKA_SERVICE_HOST", "10.0.0.1"),
        ("KAFKA_SERVICE_PORT_TCP_CLIENT", "9092"),
        ("KAFKA_HEADLESS_SERVICE_HOST", "10.0.0.1"),
        ("KAFKA_HEADLESS_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
        ("KAFKA_HEADLESS_PORT_9092_TCP_PROTO", "tcp"),
        ("PATH", "/bin"),
    ];
    assert!(backup(BACKUP, &others).unwrap().kafka.properties.is_empty());
}

/// The Python tool's local example of a restore names the topic's own folder; its backup's names
/// the folder of all topics.
#[test]
fn the_bucket_of_either_command_is_found() {
    let of_bucket = |text: &str, with: &Value| {
        let (store, topic) = bucket_settings(&load(&changed(text, with, &[]), &[]).unwrap()).unwrap();
        let StoreKind::Folder(folder) = store.kind else { panic!("{store:?}") };
        (folder.display().to_string(), topic)
    };
    assert_eq!(of_bucket(BACKUP, &json!({})), ("/tmp/".into(), None));
    assert_eq!(of_bucket(RESTORE, &json!({})), ("/tmp".into(), Some("davinder.test".into())));
    let named = json!({"FILESYSTEM_BACKUP_DIR": "/backup", "BACKUP_TOPIC_NAME": "davinder.test"});
    assert_eq!(of_bucket(RESTORE, &named), ("/backup".into(), None));
    assert_eq!(of_bucket(BACKUP, &json!({"RESTORE_TOPIC_NAME": "copy"})), ("/tmp/".into(), None));

    let wrong = changed(RESTORE, &json!({"STORAGE_PREFIX": "a"}), &[]);
    let problems = bucket_settings(&load(&wrong, &[]).unwrap()).unwrap_err().problems;
    assert!(problems.len() == 1 && problems[0].contains("BACKUP_TOPIC_NAME"), "{problems:?}");
}

#[test]
fn no_secret_is_shown_and_all_are_known_to_the_redaction() {
    let connection = "AccountName=backups;AccountKey=a2V5a2V5;SharedAccessSignature=sv=1&sig=c2ln";
    let text = changed(BACKUP, &json!({"KAFKA_PROPERTIES": {"ssl.key.password": "property-secret", "client.id": "not-secret"}}), &[]);
    let env = [
        ("AZURE_STORAGE_CONNECTION_STRING", connection),
        ("MINIO_SECRET_KEY", "minio-secret"),
        ("AWS_SECRET_ACCESS_KEY", "aws-secret"),
        ("KAFKA_SASL_PASSWORD", "variable-secret"),
        ("KAFKA_SASL_USERNAME", "user"),
    ];
    let raw = load(&text, &env).unwrap();
    let shown = format!("{raw:?} {:?}", BackupSettings::from_raw(&raw).unwrap());
    let mut secrets: Vec<String> = raw.secrets().iter().map(|secret| secret.reveal().to_owned()).collect();
    secrets.iter().for_each(|secret| assert!(!shown.contains(secret.as_str()), "{secret} in {shown}"));
    secrets.sort();
    let expected = [connection, "a2V5a2V5", "aws-secret", "c2ln", "minio-secret", "property-secret", "sv=1&sig=c2ln", "variable-secret"];
    assert_eq!(secrets, expected);
}

#[test]
fn secrets_are_known_to_the_redaction_however_they_are_written() {
    let connection = "accountname=backups; ACCOUNTKEY = a2V5a2V5";
    let with = json!({"MINIO_SECRET_KEY": 12_345_678, "KAFKA_PROPERTIES": {"sasl.password": 87_654_321}});
    let raw = load(&changed(BACKUP, &with, &[]), &[("AZURE_STORAGE_CONNECTION_STRING", connection)]).unwrap();
    let secrets = raw.secrets();
    for secret in ["12345678", "87654321", "a2V5a2V5"] {
        assert!(secrets.iter().any(|known| known.reveal() == secret), "{secret}");
    }
}

#[test]
fn every_example_of_the_table_is_accepted() {
    let common = json!({"BACKUP_TOPIC_NAME": "a", "RESTORE_TOPIC_NAME": "b-{topic}", "MINIO_ACCESS_KEY": "a", "MINIO_SECRET_KEY": "b"});
    let text = changed(BACKUP, &common, &[]);
    let environment = [("AWS_REGION", "eu-west-1"), ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")];
    for key in known_keys() {
        let store = match key.section {
            Section::Minio => json!({"FILESYSTEM_TYPE": "MINIO", "BUCKET_NAME": "b-1", "MINIO_URL": "m"}),
            Section::Azure if key.name.starts_with("AZURE_STORAGE") => json!({"FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": "c-1"}),
            Section::Azure => json!({"FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": "c-1", "AZURE_STORAGE_ACCOUNT_NAME": "acc"}),
            Section::S3 | Section::Storage => json!({"FILESYSTEM_TYPE": "S3", "BUCKET_NAME": "b-1"}),
            _ if key.name == "RESTORE_FINISH" => json!({"RESTORE_AS_OF": "latest"}),
            _ => json!({}),
        };
        let text = changed(&text, &store, &[]);
        let environment = [&environment[..], &[(key.name, key.example)]].concat();
        backup(&text, &environment).unwrap_or_else(|error| panic!("{}: {error}", key.name));
        restore(&text, &environment).unwrap_or_else(|error| panic!("{}: {error}", key.name));
    }
}

#[test]
fn the_defaults_of_the_table_are_the_defaults() {
    let backup_text = changed(BACKUP, &json!({}), &["RETRY_UPLOAD_SECONDS", "NUMBER_OF_KAFKA_THREADS"]);
    let restore_text = changed(RESTORE, &json!({}), &["RESTORE_PARTITION_STRATEGY", "RETRY_SECONDS"]);
    let read = |env: &[(&str, &str)]| format!("{:?} {:?}", backup(&backup_text, env).unwrap(), restore(&restore_text, env).unwrap());
    let in_words = ["required", "none", "empty", "STANDARD", "all"];
    let values = known_keys().iter().filter(|key| !key.default.contains(' ') && !in_words.contains(&key.default));
    let checked = values.map(|key| assert_eq!(read(&[(key.name, key.default)]), read(&[]), "{}", key.name)).count();
    assert!(checked >= 10, "{checked}");
}

#[test]
fn a_text_that_was_read_already_is_a_file_under_its_name() {
    let of = |text: &str| Raw::load_text("standard input", text.as_bytes(), [("GROUP_ID".into(), "mine".into())]);
    assert_eq!(BackupSettings::from_raw(&of(BACKUP).unwrap()).unwrap().group, "mine");
    let bad = changed(BACKUP, &json!({"LOG_LEVEL": "loud"}), &[]);
    let refused = BackupSettings::from_raw(&of(&bad).unwrap()).unwrap_err().to_string();
    assert!(refused.starts_with("LOG_LEVEL = \"loud\" (standard input): "), "{refused}");
    let broken = of("{").unwrap_err().to_string();
    assert!(broken.starts_with("standard input: is not valid JSON"), "{broken}");
}

#[test]
fn the_name_of_a_schema_is_for_editors() {
    let text = changed(BACKUP, &json!({"$schema": "../docs/config.schema.json"}), &[]);
    assert_eq!(format!("{:?}", backup(&text, &[]).unwrap()), format!("{:?}", backup(BACKUP, &[]).unwrap()));
}

#[test]
fn log_format_is_text_or_json() {
    let of = |value: &str| config_log_format(&changed(BACKUP, &json!({"LOG_FORMAT": value}), &[]));
    assert_eq!((of("text").unwrap(), of("JSON").unwrap()), (Some(LogFormat::Text), Some(LogFormat::Json)));
    assert_eq!(config_log_format(BACKUP).unwrap(), None);
    assert!(of("xml").is_err());
}

fn config_log_format(text: &str) -> Result<Option<LogFormat>, ConfigError> {
    crate::log_format(&load(text, &[])?)
}
