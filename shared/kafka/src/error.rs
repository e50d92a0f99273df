use std::fmt;

/// What went wrong with Kafka, and what the operator can do.
#[derive(Debug)]
pub struct KafkaError {
    /// The class of the failure. Code matches on this, never on the text.
    pub kind: KafkaErrorKind,
    /// Which topic, partition, group or cluster.
    pub subject: String,
    /// What happened, and if it helps, what to do next.
    pub what: String,
    /// The cause, where there is one.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Classes of Kafka failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KafkaErrorKind {
    /// The topic or partition does not exist.
    UnknownTopic,
    /// The topic exists already.
    TopicExists,
    /// The log does not contain the requested offset.
    OffsetOutOfRange,
    /// The log lost its end while it was read, as the leader of a newer epoch reports. Everything
    /// read from offset `end` is no longer in it.
    Truncated {
        /// Where the log was truncated.
        end: i64,
    },
    /// A newer writer of the same name took over.
    Fenced,
    /// The consumer group has live members.
    GroupInUse,
    /// An ACL is missing.
    Denied,
    /// Authentication or TLS failed.
    Credentials,
    /// The cluster or the client does not support this request.
    Unsupported,
    /// A record was refused, for example because its timestamp is out of bounds.
    RecordRefused,
    /// A record was refused because it is too large.
    RecordTooLarge,
    /// Brokers are unreachable, a leader is moving, or a timeout: transient.
    Unavailable,
    /// The transaction must be aborted; the next invocation starts it again.
    Aborted,
    /// The brokers do not know a topic config, or they or their policy refuse its value.
    InvalidConfig,
    /// A librdkafka property is invalid.
    Config,
    /// Anything else.
    Other,
}

impl KafkaError {
    /// An error without a cause.
    pub fn new(kind: KafkaErrorKind, subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), what: what.into(), source: None }
    }

    /// With its cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the error is transient: an invocation can succeed later without any change by the
    /// operator.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            KafkaErrorKind::Unavailable
                | KafkaErrorKind::Aborted
                | KafkaErrorKind::OffsetOutOfRange
                | KafkaErrorKind::Truncated { .. }
                | KafkaErrorKind::Fenced
        )
    }
}

impl fmt::Display for KafkaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

impl std::error::Error for KafkaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
