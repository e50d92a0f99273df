//! Every key. The parser, the hints, `docs/configuration.md` and the Terraform tests read this
//! table.

use Commands::{Backup, Both, Restore};

/// The name and the meaning of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name, the same in the file and in the environment.
    pub name: &'static str,
    /// Which commands read it. Others accept and ignore it: one file or environment can serve both
    /// functions.
    pub used_by: Commands,
    /// The heading in the documentation.
    pub section: Section,
    /// One line: meaning, unit and range.
    pub help: &'static str,
    /// The value if it is absent, as a value or in words.
    pub default: &'static str,
    /// A valid value.
    pub example: &'static str,
    /// Whether its value is secret, so that it is never shown.
    pub secret: bool,
    /// Whether a cloud SDK reads it, from the environment only. Refused in a file.
    pub environment_only: bool,
}

/// Which commands read a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands {
    /// `backup`.
    Backup,
    /// `restore`.
    Restore,
    /// Both.
    Both,
}

/// Headings of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// The cluster.
    Kafka,
    /// What is backed up.
    Backup,
    /// What is restored, and how.
    Restore,
    /// The shape and size of an invocation.
    Invocation,
    /// Which store, and keys for all stores.
    Storage,
    /// S3.
    S3,
    /// MinIO.
    Minio,
    /// Azure Blob.
    Azure,
}

/// Every key, in the order of the documentation.
pub fn known_keys() -> &'static [Key] {
    KEYS
}

/// Keys that people try, which do not exist and resemble a wrong key: what to use instead.
pub(super) const NOT_KEYS: [(&str, &str); 21] = [
    ("RESTORE_PARTITIONS", SOME_PARTITIONS),
    ("RESTORE_PARTITION_NUMBERS", SOME_PARTITIONS),
    ("BACKUP_PARTITION", SOME_PARTITIONS),
    ("RESTORE_TOPICS", TOPICS_OF_A_RESTORE),
    ("RESTORE_TOPIC_NAMES", TOPICS_OF_A_RESTORE),
    ("RESTORE_TOPIC", TOPICS_OF_A_RESTORE),
    ("BACKUP_TOPICS", TOPICS_OF_A_RESTORE),
    ("BACKUP_TOPIC_NAMES", TOPICS_OF_A_RESTORE),
    ("BACKUP_TOPIC", TOPICS_OF_A_RESTORE),
    ("BACKUP_EXCLUDE_TOPIC_NAMES", EXCLUDED),
    ("EXCLUDE_BACKUP_TOPIC_NAMES", EXCLUDED),
    ("EXCLUDE_BACKUP_TOPIC_NAME", EXCLUDED),
    ("EXCLUDE_RESTORE_TOPIC_NAMES", EXCLUDED),
    ("RESTORE_EXCLUDE_TOPICS", EXCLUDED),
    ("RESTORE_CLUSTER", CLUSTERS),
    ("RESTORE_CLUSTER_ID", CLUSTERS),
    ("BACKUP_CLUSTER_ID", CLUSTERS),
    ("RESTORE_TIME", MOMENTS),
    ("RESTORE_TO", MOMENTS),
    ("RESTORE_SNAPSHOT", MOMENTS),
    ("BACKUP_AS_OF", MOMENTS),
];

const SOME_PARTITIONS: &str = "BACKUP_PARTITIONS selects the partitions of a topic to restore (0,4-7; without it all), and RESTORE_PARTITION_STRATEGY \
                               the target partitions. A topic that restore creates has as many as the original";
const TOPICS_OF_A_RESTORE: &str = "BACKUP_TOPIC_NAME selects the topics to restore (names and patterns), and RESTORE_TOPIC_NAME names the targets, with \
                                   {topic} for the name of each; TOPIC_NAMES is for backup";
const EXCLUDED: &str = "RESTORE_EXCLUDE_TOPIC_NAMES excludes topics from patterns of BACKUP_TOPIC_NAME in a restore, and EXCLUDE_TOPIC_NAMES \
                        from patterns of TOPIC_NAMES in a backup";
const CLUSTERS: &str = "BOOTSTRAP_SERVERS is the cluster to restore into, and BACKUP_CLUSTER the id of the one that was backed up";
const MOMENTS: &str = "RESTORE_AS_OF restores topics as of a snapshot of the cluster (a time, or latest); RESTORE_FROM and RESTORE_UNTIL choose records \
                       by their own timestamps";

/// The key of that name. `KAFKA_SASL_USERNAME` and the like are not keys: see
/// [`super::properties`].
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[rustfmt::skip] // one key, one row: name, commands, heading, default, example, then help
const KEYS: &[Key] = &[
    key("BOOTSTRAP_SERVERS", Both, Section::Kafka, "required", "kafka01:9092,kafka02:9092",
        "backup: brokers of the cluster to back up. restore, plan and finish: of the cluster to restore into. host:port, several separated by commas; the client finds the others"),
    key("KAFKA_PROPERTIES", Both, Section::Kafka, "none", r#"{"security.protocol": "SASL_SSL"}"#,
        "any librdkafka property, as a JSON object; see below for KAFKA_* variables").secret(),
    key("KAFKA_AUTH", Both, Section::Kafka, "none", "MSK_IAM",
        "MSK_IAM: log in to Amazon MSK with the AWS credentials of the process (sets SASL_SSL and OAUTHBEARER)"),
    key("KAFKA_SECRET_ARN", Both, Section::Kafka, "none", "arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_backup-AbCdEf",
        "secret of AWS Secrets Manager: user and password, a client certificate, or a client of a token endpoint (docs/platforms.md); SASL_SSL or SSL, and SCRAM-SHA-512, unless set"),
    key("KAFKA_SECRET", Both, Section::Kafka, "none", r#"{"username": "backup", "password": "XXXX"}"#,
        "the text of such a secret itself, for example by a reference to Key Vault").secret(),
    key("KAFKA_CA_PEM", Both, Section::Kafka, "the system's authorities", "-----BEGIN CERTIFICATE-----\\nMIIB…\\n-----END CERTIFICATE-----",
        "certificates of a private authority in PEM, with line ends or \\n; needs TLS"),
    key("TOPIC_NAMES", Backup, Section::Backup, "required", r#"["davinder.test"]"#,
        "topics to back up, as a JSON array or separated by commas: names, globs (* and ?) and regular expressions of whole names (^orders-[0-9]+). *: all topics except internal ones (__...)"),
    key("EXCLUDE_TOPIC_NAMES", Backup, Section::Backup, "none", r#"["*-test"]"#,
        "topics that patterns of TOPIC_NAMES skip, written in the same way"),
    key("GROUP_ID", Backup, Section::Backup, "required", "Kafka-BackUp-Consumer-Group",
        "consumer group whose committed offsets store the progress; use it for nothing else"),
    key("NUMBER_OF_MESSAGE_PER_BACKUP_FILE", Backup, Section::Backup, "1000", "100000",
        "records in a full segment, at least 1"),
    key("RETRY_UPLOAD_SECONDS", Backup, Section::Backup, "60", "100",
        "age of a partition's last segment, in seconds, after which one that is not full is written; also the pause of the local loop"),
    key("COMPRESSION", Backup, Section::Backup, "gzip:3", "gzip:6",
        "codec and level of segments: gzip:1 to gzip:12, zstd:1 to zstd:19; high levels need more memory (docs/platforms.md)"),
    key("ISOLATION_LEVEL", Backup, Section::Backup, "read_committed", "read_committed",
        "read_committed (records of committed transactions only) or read_uncommitted"),
    key("SNAPSHOT_SECONDS", Backup, Section::Backup, "300", "900",
        "how often a snapshot of the cluster is stored (topics, offsets, groups, configs, ACLs, users); 0: never"),
    key("CONSUMER_GROUPS", Backup, Section::Backup, "*", r#"["orders-*"]"#,
        "consumer groups whose offsets are in snapshots, written as TOPIC_NAMES"),
    key("EXCLUDE_CONSUMER_GROUPS", Backup, Section::Backup, "none", r#"["console-consumer-*"]"#,
        "consumer groups that are not in snapshots, written in the same way"),
    key("METRICS_MAX_TOPICS", Backup, Section::Backup, "50", "0",
        "topics with their own CloudWatch metrics, 0 to 1000: those with errors or gaps first, then those with the largest lag; the sums always include all topics"),
    key("BACKUP_TOPIC_NAME", Restore, Section::Restore, "required", r#"["*"]"#,
        "topics to restore, written as TOPIC_NAMES: orders is its newest generation, orders@1 the first; with LINUX it may be absent: then FILESYSTEM_BACKUP_DIR is the topic's own folder"),
    key("RESTORE_EXCLUDE_TOPIC_NAMES", Restore, Section::Restore, "none", r#"["*-test"]"#,
        "topics that patterns of BACKUP_TOPIC_NAME skip, written in the same way"),
    key("RESTORE_TOPIC_NAME", Restore, Section::Restore, "required", "{topic}-restored",
        "target topic, created from the backup's topic.json if it does not exist. {topic} is the original's name; required for several topics"),
    key("RESTORE_AS_OF", Restore, Section::Restore, "the end of the backup", "2026-11-27T14:00:00Z",
        "a time (RFC 3339 with Z or +01:00), or latest. Restores the state of the newest snapshot at or before it: each partition up to its offset then. plan prints which snapshot that is"),
    key("BACKUP_PARTITIONS", Restore, Section::Restore, "all", "0,4-7",
        "partitions to restore, of a single topic: numbers and ranges"),
    key("BACKUP_CLUSTER", Restore, Section::Restore, "none", "J8_sWPg5TBqGX9dvEPxFyA",
        "id of the cluster that was backed up; required if the bucket has backups of several"),
    key("RESTORE_ID", Restore, Section::Restore, "BACKUP_TOPIC_NAME-to-RESTORE_TOPIC_NAME; with several topics, RESTORE_AS_OF or BACKUP_PARTITIONS made of the choice and the target cluster", "drill-2026-11",
        "name of this restore in the bucket and in Kafka, not beginning with @; a new id starts from the beginning. Set your own if this Kafka user has ACLs on transactional ids and groups by prefix (kafka-backup-restore.RESTORE_ID.)"),
    key("RESTORE_PARTITION_STRATEGY", Restore, Section::Restore, "same", "same",
        "same (the partition it came from), random (any, evenly) or key (by the key's hash, for another partition count)"),
    key("RESTORE_PARTITION", Restore, Section::Restore, "none", "same",
        "old spelling of RESTORE_PARTITION_STRATEGY"),
    key("RESTORE_FROM", Restore, Section::Restore, "the beginning", "2026-11-01T00:00:00Z",
        "restore only records with this timestamp or later: RFC 3339 with Z or +01:00"),
    key("RESTORE_UNTIL", Restore, Section::Restore, "the end", "2026-11-27T14:00:00+01:00",
        "restore only records with an earlier timestamp: RFC 3339 with Z or +01:00"),
    key("DELIVERY", Restore, Section::Restore, "exactly-once", "exactly-once",
        "exactly-once (transactions) or at-least-once (for targets without transactions)"),
    key("RETRY_SECONDS", Restore, Section::Restore, "60", "100",
        "pause of the local loop between two looks for new segments, in seconds"),
    key("RESTORE_REPLICATION_FACTOR", Restore, Section::Restore, "the original's, or the number of brokers if that is lower", "3",
        "replication factor of a topic that restore creates, at least 1"),
    key("RESTORE_GROUPS", Restore, Section::Restore, "*", r#"["billing", "shop-*"]"#,
        "consumer groups whose offsets finish sets, written as TOPIC_NAMES"),
    key("RESTORE_EXCLUDE_GROUPS", Restore, Section::Restore, "none", r#"["console-consumer-*"]"#,
        "consumer groups that finish skips, written in the same way"),
    key("RESTORE_FINISH", Restore, Section::Restore, "none", "groups,configs",
        "parts of finish that a function runs after the last record: groups, configs, acls or all; on the command line: local-runner finish"),
    key("RESTORE_ANYWAY", Restore, Section::Restore, "none", "retention,not-empty",
        "checks that warn and do not refuse: retention, timestamps, compaction, not-empty (of the target), expired, missing and behind (of the backup), lost-progress; of finish: retention, group-offsets and configs (that someone else set)"),
    key("SKIP_DAMAGED", Restore, Section::Restore, "false", "true",
        "true: skip damaged or missing segments, and report each"),
    key("NUMBER_OF_KAFKA_THREADS", Both, Section::Invocation, "1", "3",
        "partitions processed in parallel, 1 to 1000"),
    key("MAX_SEGMENTS_PER_INVOCATION", Both, Section::Invocation, "1", "0",
        "segments per invocation, for each of NUMBER_OF_KAFKA_THREADS; 0: until caught up or out of time. Segments outside RESTORE_FROM and RESTORE_UNTIL do not count"),
    key("TIME_BUDGET_SECONDS", Both, Section::Invocation, "none; 300 in the loop of `local-runner backup`", "240",
        "time limit per invocation, in seconds, at least 1; on Azure below functionTimeout; on Lambda its own deadline also applies"),
    key("MEMORY_LIMIT_MB", Both, Section::Invocation, "Lambda's limit, else 128", "256",
        "memory the process may use in MiB, at least 64"),
    key("BYTES_PER_SECOND", Both, Section::Invocation, "0", "10000000",
        "limit of record bytes (uncompressed) that a process reads from Kafka or writes to it per second, over all threads; 0: no limit"),
    key("LOG_LEVEL", Both, Section::Invocation, "20", "20",
        "10, 20, 30, 40, 50 or DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    key("LOG_FORMAT", Both, Section::Invocation, "local-runner on a terminal: text; otherwise json", "json",
        "text (time, level and message, for people) or json (one object a line); Lambda and Azure Functions always log json"),
    key("FILESYSTEM_TYPE", Both, Section::Storage, "required", "S3",
        "LINUX (a folder), S3, MINIO or AZURE"),
    key("FILESYSTEM_BACKUP_DIR", Both, Section::Storage, "required with LINUX", "/backup",
        "the folder, with FILESYSTEM_TYPE=LINUX. It must exist: it is not created. Otherwise accepted and ignored (nothing is written to a local disk)"),
    key("STORAGE_PREFIX", Both, Section::Storage, "empty", "kafka/production",
        "prefix of every name in the store"),
    key("BUCKET_NAME", Both, Section::S3, "required with S3 and MINIO", "davinder-test-kafka-backup",
        "the bucket, also of MinIO"),
    key("S3_REGION", Both, Section::S3, "the SDK's own: AWS_REGION, profile, instance; us-east-1 with MINIO", "eu-central-1",
        "the bucket's region"),
    key("S3_PATH_STYLE", Both, Section::S3, "false; true with MINIO", "true",
        "true: the bucket's name in the path, not in the host name"),
    key("S3_SSE_KMS_KEY_ID", Both, Section::S3, "the bucket's own setting", "alias/kafka-backup",
        "encrypt objects with this KMS key: id, alias or ARN"),
    key("S3_STORAGE_CLASS", Both, Section::S3, "STANDARD", "STANDARD_IA",
        "storage class of segments; it must allow immediate reads"),
    key("AWS_ENDPOINT_URL_S3", Both, Section::S3, "none", "https://s3.example.com",
        "endpoint other than Amazon's own, with FILESYSTEM_TYPE=S3"),
    key("AWS_ENDPOINT_URL", Both, Section::S3, "none", "http://localhost:4566",
        "the same for all AWS services; AWS_ENDPOINT_URL_S3 takes precedence"),
    sdk("AWS_ACCESS_KEY_ID", Section::S3, "AKIAIOSFODNN7EXAMPLE", "credentials, if there is no role"),
    sdk("AWS_SECRET_ACCESS_KEY", Section::S3, "XXXXXXXXXXXXXXX", "the same").secret(),
    sdk("AWS_SESSION_TOKEN", Section::S3, "XXXXXXXXXXXXXXX", "of temporary credentials").secret(),
    sdk("AWS_PROFILE", Section::S3, "backup", "profile of the AWS configuration files"),
    sdk("AWS_REGION", Section::S3, "eu-central-1", "region, if S3_REGION is absent"),
    key("MINIO_URL", Both, Section::Minio, "required with MINIO", "localhost:9000",
        "MinIO's address, with or without http:// or https://"),
    key("IS_MINIO_SECURE", Both, Section::Minio, "the scheme of MINIO_URL, else true", "TRUE",
        "true: https; must match the scheme of MINIO_URL, if that has one"),
    key("MINIO_ACCESS_KEY", Both, Section::Minio, "required with MINIO", "kafka-backup",
        "access key"),
    key("MINIO_SECRET_KEY", Both, Section::Minio, "required with MINIO", "XXXXXXXXXXXXXXX",
        "secret key").secret(),
    key("CONTAINER_NAME", Both, Section::Azure, "required with AZURE", "kafka-backup",
        "the container"),
    key("AZURE_STORAGE_CONNECTION_STRING", Both, Section::Azure, "none", "DefaultEndpointsProtocol=https;AccountName=backups;AccountKey=XXXX;EndpointSuffix=core.windows.net",
        "with an account key or a SAS; absent: managed or workload identity, which needs one of the following two").secret(),
    key("AZURE_STORAGE_ACCOUNT_URL", Both, Section::Azure, "made from AZURE_STORAGE_ACCOUNT_NAME", "https://backups.blob.core.windows.net",
        "the storage account's blob endpoint"),
    key("AZURE_STORAGE_ACCOUNT_NAME", Both, Section::Azure, "none", "backups",
        "the storage account's name, in the public cloud"),
    sdk("AZURE_CLIENT_ID", Section::Azure, "00000000-0000-0000-0000-000000000000", "which managed or workload identity, if there are several"),
    sdk("AZURE_TENANT_ID", Section::Azure, "00000000-0000-0000-0000-000000000000", "of a workload identity"),
    sdk("AZURE_FEDERATED_TOKEN_FILE", Section::Azure, "/var/run/secrets/azure/tokens/azure-identity-token", "of a workload identity"),
];

const fn key(
    name: &'static str,
    used_by: Commands,
    section: Section,
    default: &'static str,
    example: &'static str,
    help: &'static str,
) -> Key {
    Key { name, used_by, section, help, default, example, secret: false, environment_only: false }
}

const fn sdk(name: &'static str, section: Section, example: &'static str, help: &'static str) -> Key {
    Key { environment_only: true, ..key(name, Both, section, "none", example, help) }
}

impl Key {
    const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }
}
