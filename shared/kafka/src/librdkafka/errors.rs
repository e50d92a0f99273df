//! From librdkafka's codes to errors that say what to do.

use super::native::{Code, Failure};
use crate::{KafkaError, KafkaErrorKind, KafkaSettings};

/// What to do if the process can start no more threads.
pub(super) const THREADS_ADVICE: &str =
    "Lower NUMBER_OF_KAFKA_THREADS, or raise the limit of threads of this process (ulimit -u, or the pids limit of its container)";

/// The operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    DescribeCluster,
    ListTopics,
    DescribeGroup,
    ListGroups,
    DescribeAcls,
    DescribeUsers,
    DescribeTopic,
    DescribeConfigs,
    ListOffsets,
    FetchCommitted,
    Commit,
    CommitForGroup,
    ForgetOffsets,
    AlterConfigs,
    CreateAcls,
    DeleteAcls,
    Read,
    CreateTopic,
    InitTransactions,
    Write,
    CommitTransaction,
}

impl Doing {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::DescribeCluster => "describing the cluster",
            Self::ListTopics => "listing the topics",
            Self::DescribeGroup => "describing the group",
            Self::ListGroups => "listing the consumer groups",
            Self::DescribeAcls => "reading the access control lists",
            Self::DescribeUsers => "reading the SCRAM users",
            Self::DescribeTopic => "describing the topic",
            Self::DescribeConfigs => "reading the topic's configs",
            Self::ListOffsets => "listing offsets",
            Self::FetchCommitted => "reading committed offsets",
            Self::Commit => "committing an offset",
            Self::CommitForGroup => "committing the group's offsets",
            Self::ForgetOffsets => "deleting the group's offsets",
            Self::AlterConfigs => "altering the topic's configs",
            Self::CreateAcls => "adding the access control entry",
            Self::DeleteAcls => "deleting the access control entry",
            Self::Read => "reading",
            Self::CreateTopic => "creating the topic",
            Self::InitTransactions => "taking over the transactional id",
            Self::Write => "writing",
            Self::CommitTransaction => "committing the transaction",
        }
    }

    /// The ACL operations that it requires.
    fn acls(self) -> &'static str {
        match self {
            Self::DescribeCluster | Self::ListGroups | Self::DescribeAcls | Self::DescribeUsers => "Describe on the cluster",
            Self::ListTopics | Self::DescribeTopic | Self::ListOffsets => "Describe on the topic",
            Self::DescribeConfigs => "DescribeConfigs on the topic",
            Self::DescribeGroup => "Describe on the group",
            Self::FetchCommitted => "Describe on the group and on the topic",
            Self::Commit | Self::CommitForGroup => "Read on the group and on the topic",
            Self::ForgetOffsets => "Delete on the group, and Read on the topic",
            Self::AlterConfigs => "AlterConfigs on the topic",
            Self::CreateAcls | Self::DeleteAcls => "Alter on the cluster",
            Self::Read => "Read on the topic",
            Self::CreateTopic => "Create on the topic or on the cluster",
            Self::InitTransactions => "Write and Describe on the transactional id",
            Self::Write => "Write on the topic, and IdempotentWrite on the cluster for brokers before 2.8",
            Self::CommitTransaction => "Write on the transactional id, and Read on the group of the same name and on the topic",
        }
    }
}

/// Converts failures of one cluster to errors.
#[derive(Debug, Clone)]
pub(super) struct Errors {
    servers: String,
    /// `security.protocol`, in capitals.
    protocol: String,
    /// What to do if the login is refused.
    login: &'static str,
}

impl Errors {
    /// Errors that name the brokers if none of them responds.
    pub(super) fn new(settings: &KafkaSettings) -> Self {
        Self { servers: settings.bootstrap_servers.clone(), protocol: settings.security_protocol(), login: settings.login.advice() }
    }

    /// The error for `failure`. `problem` is the last one with a broker: it explains why none
    /// responded.
    pub(super) fn error(&self, subject: impl ToString, doing: Doing, failure: Failure, problem: Option<Failure>) -> KafkaError {
        let mut kind = kind(&failure);
        let cause = problem.filter(|_| is_silence(failure.code));
        if let Some(cause) = &cause
            && self::kind(cause) == KafkaErrorKind::Credentials
        {
            kind = KafkaErrorKind::Credentials;
        }
        let told = cause.as_ref().map_or(&failure.text, |cause| &cause.text);
        let advice = match kind {
            KafkaErrorKind::Unavailable if is_silence(failure.code) => self.silent(cause.as_ref()),
            _ => self.advice(kind, doing, failure.code),
        };
        let what = format!("{} failed: {}{advice}", doing.words(), told.trim_end_matches('.'));
        KafkaError::new(kind, subject.to_string(), what).caused_by(failure)
    }

    /// What to do if no broker responds. `cause` is the last problem with one of them.
    fn silent(&self, cause: Option<&Failure>) -> String {
        let Some(cause) = cause else { return format!(". Check that this machine can reach {}", self.servers) };
        let servers = &self.servers;
        // In the words of librdkafka 2.12.1, which `faults.rs` and the end-to-end tests verify.
        let is_ended_in = |state: &str| cause.text.contains(": Disconnected") && cause.text.contains(state);
        if is_ended_in("in state APIVERSION_QUERY") && !self.protocol.contains("SSL") {
            let wanted = if self.protocol.starts_with("SASL") { "SASL_SSL" } else { "SSL or SASL_SSL" };
            return format!(
                ". {servers} closed the connection immediately. It may require TLS: set security.protocol to {wanted} (KAFKA_PROPERTIES)"
            );
        }
        let is_answered_in_plain = cause.text.contains("PLAINTEXT broker listener") || is_ended_in("in state SSL_HANDSHAKE");
        if is_answered_in_plain && self.protocol.contains("SSL") {
            let wanted = if self.protocol.starts_with("SASL") { "SASL_PLAINTEXT" } else { "PLAINTEXT or SASL_PLAINTEXT" };
            return format!(". {servers} may not use TLS: set security.protocol to {wanted} (KAFKA_PROPERTIES)");
        }
        if is_ended_in("in state UP") && !self.protocol.starts_with("SASL") {
            let wanted = if self.protocol.contains("SSL") { "SASL_SSL" } else { "SASL_SSL or SASL_PLAINTEXT" };
            return format!(
                ". {servers} closed the connection without a response. It may require a login: set security.protocol to \
                 {wanted} and sasl.* (KAFKA_PROPERTIES), or KAFKA_AUTH"
            );
        }
        match advertised(&cause.text).filter(|address| !servers.split(',').any(|server| server.trim() == *address)) {
            Some(address) => format!(
                ". {servers} responded, and named a broker at {address}, which cannot be reached from this machine. Set \
                 that broker's advertised.listeners to a reachable address, or make {address} reachable (name resolution, \
                 routes, firewalls)"
            ),
            None => format!(". Check that this machine can reach {servers}"),
        }
    }

    fn advice(&self, kind: KafkaErrorKind, doing: Doing, code: Code) -> String {
        let advice = match kind {
            KafkaErrorKind::Denied => return format!(". Missing ACL: this user needs {}", denied(doing, code)),
            KafkaErrorKind::Unavailable if code == Code::CRIT_SYS_RESOURCE => return format!(". {THREADS_ADVICE}"),
            KafkaErrorKind::GroupInUse if [Doing::CommitForGroup, Doing::ForgetOffsets].contains(&doing) => {
                "stop its members first: while it has members, Kafka allows only them to change its offsets"
            }
            KafkaErrorKind::GroupInUse => "stop its members, or set a GROUP_ID that only the backup uses",
            KafkaErrorKind::Credentials => self.login,
            KafkaErrorKind::Unsupported if doing == Doing::InitTransactions => {
                "set DELIVERY=at-least-once for a target without transactions"
            }
            KafkaErrorKind::Fenced => "a newer run of the same restore continues its work",
            KafkaErrorKind::Unsupported if [Doing::CreateAcls, Doing::DeleteAcls].contains(&doing) && code == Code::UNSUPPORTED_FEATURE => {
                "do it with kafka-acls.sh"
            }
            KafkaErrorKind::Other if code == Code::OFFSET_METADATA_TOO_LARGE => {
                "raise offset.metadata.max.bytes of the brokers, or let the application commit less metadata"
            }
            KafkaErrorKind::RecordRefused => "compare the topic's message.timestamp.*.max.ms with the records",
            KafkaErrorKind::RecordTooLarge => "raise the topic's max.message.bytes",
            KafkaErrorKind::UnknownTopic => "check that it exists, and that it has this partition",
            KafkaErrorKind::Other if [Code::BAD_MSG, Code::BAD_COMPRESSION].contains(&code) => "the broker's log is damaged here",
            _ => return String::new(),
        };
        format!(". {}{}", advice[..1].to_uppercase(), &advice[1..])
    }
}

/// The missing ACL: the code says of which resource, which can be less than `doing` requires.
fn denied(doing: Doing, code: Code) -> &'static str {
    match (code, doing) {
        (Code::GROUP_AUTHORIZATION_FAILED, Doing::FetchCommitted) => "Describe on the group",
        (Code::GROUP_AUTHORIZATION_FAILED, Doing::ForgetOffsets) => "Delete on the group",
        (Code::GROUP_AUTHORIZATION_FAILED, _) => "Read on the group",
        (Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, _) => "Write and Describe on the transactional id",
        (Code::CLUSTER_AUTHORIZATION_FAILED, Doing::CreateTopic) => "Create on the cluster",
        (
            Code::CLUSTER_AUTHORIZATION_FAILED,
            Doing::ListGroups | Doing::DescribeAcls | Doing::DescribeUsers | Doing::CreateAcls | Doing::DeleteAcls,
        ) => doing.acls(),
        // Checked when a producer starts: newer brokers accept Write on any topic instead.
        (Code::CLUSTER_AUTHORIZATION_FAILED, _) => Doing::Write.acls(),
        (Code::TOPIC_AUTHORIZATION_FAILED, Doing::CommitTransaction | Doing::CommitForGroup | Doing::ForgetOffsets) => "Read on the topic",
        _ => doing.acls(),
    }
}

/// The class of a failure.
pub(super) fn kind(failure: &Failure) -> KafkaErrorKind {
    use KafkaErrorKind as Kind;
    match failure.code {
        Code::UNKNOWN_TOPIC_OR_PART | Code::UNKNOWN_TOPIC | Code::UNKNOWN_PARTITION | Code::UNKNOWN_TOPIC_ID => Kind::UnknownTopic,
        Code::TOPIC_ALREADY_EXISTS => Kind::TopicExists,
        Code::INVALID_CONFIG | Code::POLICY_VIOLATION => Kind::InvalidConfig,
        Code::AUTO_OFFSET_RESET | Code::LOG_TRUNCATION if failure.text.contains(TRUNCATED) => {
            Kind::Truncated { end: cut_at(&failure.text) }
        }
        Code::AUTO_OFFSET_RESET | Code::OFFSET_OUT_OF_RANGE | Code::LOG_TRUNCATION => Kind::OffsetOutOfRange,
        Code::FENCED | Code::PRODUCER_FENCED | Code::INVALID_PRODUCER_EPOCH => Kind::Fenced,
        Code::UNKNOWN_MEMBER_ID
        | Code::ILLEGAL_GENERATION
        | Code::REBALANCE_IN_PROGRESS
        | Code::STALE_MEMBER_EPOCH
        | Code::FENCED_MEMBER_EPOCH
        | Code::FENCED_INSTANCE_ID
        | Code::GROUP_SUBSCRIBED_TO_TOPIC
        | Code::NON_EMPTY_GROUP => Kind::GroupInUse,
        Code::TOPIC_AUTHORIZATION_FAILED
        | Code::GROUP_AUTHORIZATION_FAILED
        | Code::CLUSTER_AUTHORIZATION_FAILED
        | Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => Kind::Denied,
        Code::AUTHENTICATION | Code::SASL_AUTHENTICATION_FAILED | Code::SSL | Code::UNSUPPORTED_SASL_MECHANISM => Kind::Credentials,
        Code::SECURITY_DISABLED | Code::UNSUPPORTED_FEATURE | Code::UNSUPPORTED_VERSION | Code::UNSUPPORTED_FOR_MESSAGE_FORMAT => {
            Kind::Unsupported
        }
        Code::MSG_SIZE_TOO_LARGE | Code::RECORD_LIST_TOO_LARGE => Kind::RecordTooLarge,
        Code::INVALID_TIMESTAMP | Code::INVALID_RECORD | Code::INVALID_DIFFERENT_RECORD => Kind::RecordRefused,
        Code::CRIT_SYS_RESOURCE => Kind::Unavailable,
        code if is_transient(code) => Kind::Unavailable,
        _ if failure.abort && !failure.fatal => Kind::Aborted,
        _ => Kind::Other,
    }
}

/// How librdkafka 2.12.1 reports a truncation (KIP-320): the code is always that of an offset out
/// of range; only the text differs.
const TRUNCATED: &str = "Partition log truncation detected";

/// Where the log was truncated, from the same text. If unknown, all of it may be another log.
fn cut_at(text: &str) -> i64 {
    let number = text.split_once("broker end offset is ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
    number.and_then(|number| number.parse().ok()).filter(|end: &i64| *end >= 0).unwrap_or(0)
}

/// The address in a problem with a broker that another one named. librdkafka writes HOST:PORT/ID
/// for it, and HOST:PORT/bootstrap for one of bootstrap.servers. A coordinator is
/// `GroupCoordinator: HOST:PORT`.
fn advertised(problem: &str) -> Option<&str> {
    let mut names = problem.split_whitespace().filter_map(|word| word.strip_suffix(':')?.rsplit_once('/'));
    let named = names.find(|(_, id)| !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit())).map(|(address, _)| address);
    let of_coordinator = || {
        let rest = ["GroupCoordinator: ", "TxnCoordinator: "].iter().find_map(|of| problem.strip_prefix(of))?;
        rest.split_whitespace().next()?.strip_suffix(':')
    };
    let address = named.or_else(of_coordinator)?;
    Some(address.rsplit_once("://").map_or(address, |(_, address)| address))
}

/// Whether there was no response, rather than a response with an error.
fn is_silence(code: Code) -> bool {
    let silences = [Code::ALL_BROKERS_DOWN, Code::MSG_TIMED_OUT, Code::RESOLVE, Code::TIMED_OUT, Code::TIMED_OUT_QUEUE, Code::TRANSPORT];
    silences.contains(&code)
}

/// Names for an error: a pattern can select thousands of topics.
pub(super) fn few_of(mut topics: Vec<&str>) -> String {
    const FEW: usize = 5;
    let others = topics.len().saturating_sub(FEW);
    topics.truncate(FEW);
    let names = topics.join(", ");
    if others == 0 { names } else { format!("{names} and {others} other topics") }
}

/// There is no coordinator now, or it is still starting.
pub(super) const COORDINATOR_CODES: [Code; 3] =
    [Code::COORDINATOR_LOAD_IN_PROGRESS, Code::COORDINATOR_NOT_AVAILABLE, Code::NOT_COORDINATOR];

/// Whether the error is transient: a broker that is down, a leader or coordinator that moves, a
/// timeout.
pub(super) fn is_transient(code: Code) -> bool {
    [
        Code::ALL_BROKERS_DOWN,
        Code::BROKER_NOT_AVAILABLE,
        Code::CONCURRENT_TRANSACTIONS,
        Code::COORDINATOR_LOAD_IN_PROGRESS,
        Code::COORDINATOR_NOT_AVAILABLE,
        Code::FENCED_LEADER_EPOCH,
        Code::KAFKA_STORAGE_ERROR,
        Code::LEADER_NOT_AVAILABLE,
        Code::LISTENER_NOT_FOUND,
        Code::MSG_TIMED_OUT,
        Code::NETWORK_EXCEPTION,
        Code::NOENT,
        Code::NOT_CONTROLLER,
        Code::NOT_COORDINATOR,
        Code::NOT_ENOUGH_REPLICAS,
        Code::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        Code::NOT_LEADER_OR_FOLLOWER,
        Code::OFFSET_NOT_AVAILABLE,
        Code::REPLICA_NOT_AVAILABLE,
        Code::REQUEST_TIMED_OUT,
        Code::RESOLVE,
        Code::THROTTLING_QUOTA_EXCEEDED,
        Code::TIMED_OUT,
        Code::TIMED_OUT_QUEUE,
        Code::TRANSPORT,
        Code::UNKNOWN_LEADER_EPOCH,
        Code::UNSTABLE_OFFSET_COMMIT,
        Code::WAIT_COORD,
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(doing: Doing, code: Code, problem: Option<Failure>) -> KafkaError {
        let settings = KafkaSettings { bootstrap_servers: "kafka-1:9092,kafka-2:9092".to_owned(), ..KafkaSettings::default() };
        Errors::new(&settings).error("orders/0", doing, code.into(), problem)
    }

    #[test]
    fn a_missing_acl_is_named() {
        let denied = error(Doing::Commit, Code::GROUP_AUTHORIZATION_FAILED, None);
        assert_eq!(denied.kind, KafkaErrorKind::Denied);
        assert!(denied.what.ends_with("Missing ACL: this user needs Read on the group"), "{denied}");
        for (doing, code, right) in [
            (Doing::CommitForGroup, Code::GROUP_AUTHORIZATION_FAILED, "Read on the group"),
            (Doing::CommitForGroup, Code::TOPIC_AUTHORIZATION_FAILED, "Read on the topic"),
            (Doing::ForgetOffsets, Code::GROUP_AUTHORIZATION_FAILED, "Delete on the group"),
            (Doing::AlterConfigs, Code::TOPIC_AUTHORIZATION_FAILED, "AlterConfigs on the topic"),
            (Doing::CreateAcls, Code::CLUSTER_AUTHORIZATION_FAILED, "Alter on the cluster"),
        ] {
            let denied = error(doing, code, None);
            assert!(denied.what.ends_with(&format!("Missing ACL: this user needs {right}")), "{denied}");
        }
        let denied = error(Doing::Read, Code::TOPIC_AUTHORIZATION_FAILED, None);
        assert!(denied.to_string().starts_with("orders/0: reading failed: "), "{denied}");
        assert!(denied.what.contains("Read on the topic"), "{denied}");
    }

    /// In librdkafka's words, from rd_kafka_handle_OffsetForLeaderEpoch and rd_kafka_offset_reset
    /// of exactly this version (rdkafka_offset.c). If another one is built in: look for the words
    /// there.
    #[test]
    fn a_truncation_is_told_from_an_offset_out_of_range() {
        assert_eq!(rdkafka_sys::RD_KAFKA_VERSION, 0x020c_01ff, "compare the words with this version's");
        let told = |text: &str| kind(&Failure::new(Code::AUTO_OFFSET_RESET, text));
        let cut = "Partition log truncation detected at offset 120 (leader epoch 3): broker end offset is 100 (offset leader epoch 2). Reset to \
                   INVALID.: Local: Log truncation detected (broker 2)";
        assert_eq!(told(cut), KafkaErrorKind::Truncated { end: 100 });
        assert_eq!(told("Partition log truncation detected"), KafkaErrorKind::Truncated { end: 0 });
        let out_of_range = "fetch failed due to requested offset not available on the broker: Broker: Offset out of range (broker 1)";
        assert_eq!(told(out_of_range), KafkaErrorKind::OffsetOutOfRange);
    }

    #[test]
    fn silence_is_explained_by_the_last_problem() {
        let refused = Failure::new(Code::TRANSPORT, "kafka-1:9092: connection refused");
        let unreachable = error(Doing::DescribeTopic, Code::TIMED_OUT, Some(refused));
        assert_eq!(unreachable.kind, KafkaErrorKind::Unavailable);
        assert!(
            unreachable.what.contains("connection refused. Check that this machine can reach kafka-1:9092,kafka-2:9092"),
            "{unreachable}"
        );

        let password = Failure::new(Code::AUTHENTICATION, "SASL authentication error: invalid credentials");
        let credentials = error(Doing::DescribeTopic, Code::TIMED_OUT, Some(password));
        assert_eq!(credentials.kind, KafkaErrorKind::Credentials);
        assert!(credentials.what.contains("invalid credentials. Check security.protocol"), "{credentials}");
    }

    /// In the words of librdkafka 2.12.1.
    #[test]
    fn silence_is_told_by_what_hinders_it() {
        let told = |problem: &str| error(Doing::DescribeTopic, Code::TIMED_OUT, Some(Failure::new(Code::TRANSPORT, problem))).what;
        for name in ["10.0.0.7:9092/3", "ssl://10.0.0.7:9092/3", "GroupCoordinator: 10.0.0.7:9092/3", "GroupCoordinator: 10.0.0.7:9092"] {
            let what = told(&format!("{name}: Connect to ipv4#10.0.0.7:9092 failed: Connection refused (after 0ms in state CONNECT)"));
            assert!(what.contains("kafka-1:9092,kafka-2:9092 responded, and named a broker at 10.0.0.7:9092,"), "{what}");
            assert!(what.contains("advertised.listeners"), "{what}");
        }
        for name in ["kafka-1:9092/bootstrap", "kafka-2:9092/2"] {
            let what =
                told(&format!("{name}: Connect to ipv4#10.0.0.1:9092 failed: Connection timed out (after 30000ms in state CONNECT)"));
            assert!(what.ends_with("Check that this machine can reach kafka-1:9092,kafka-2:9092"), "{what}");
        }
        let ended =
            |state: &str| told(&format!("kafka-1:9092/bootstrap: Disconnected: connection closed by peer (after 0ms in state {state})"));
        let what = ended("APIVERSION_QUERY");
        assert!(what.contains("set security.protocol to SSL or SASL_SSL"), "{what}");
        let what = ended("UP");
        assert!(what.contains("set security.protocol to SASL_SSL or SASL_PLAINTEXT"), "{what}");
    }

    #[test]
    fn a_problem_elsewhere_does_not_change_a_clear_answer() {
        let other = Failure::new(Code::TRANSPORT, "kafka-2:9092: connection refused");
        let clear = error(Doing::CreateTopic, Code::TOPIC_ALREADY_EXISTS, Some(other));
        assert_eq!(clear.kind, KafkaErrorKind::TopicExists);
        assert!(!clear.what.contains("refused"), "{clear}");
    }
}
