//! What librdkafka reports by itself: log lines, problems with brokers, delivery reports.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kernel::{Secret, lock};
use tokio::sync::Notify;

use super::backlog::{Backlog, Size};
use super::errors::COORDINATOR_CODES;
use super::native::{Code, Failure};
use super::signs::Signs;
use crate::Written;

/// Refused credentials can mean a broker that is still starting: they count as transient for this
/// long.
const CREDENTIALS_GRACE: Duration = Duration::from_secs(3);

/// Listens to one client instance. Its methods are called from librdkafka's threads.
#[derive(Default)]
pub(crate) struct Observer {
    /// Values that must not appear in a log line.
    secrets: Vec<Secret>,
    problem: Mutex<Option<(Failure, Instant)>>,
    /// Whether there is one: checked for each delivered record.
    has_problem: AtomicBool,
    reports: Mutex<Reports>,
    /// The client's login needs attention.
    login: Notify,
    /// A refused login is such a case too: the secret may have been changed.
    login_changes: bool,
    /// The secret has a login that this client cannot take.
    is_outdated: AtomicBool,
    /// No broker could be reached since the cluster last answered.
    is_unreachable: AtomicBool,
    /// How long that is waited for to end, if not as long as a request may take.
    patience: Option<Duration>,
    /// What was queued and has no report yet.
    backlog: Backlog,
    /// What debug lines showed about reading.
    signs: Mutex<Signs>,
}

/// Delivery reports since they were last taken.
#[derive(Default)]
pub(crate) struct Reports {
    /// The offsets of the records, as runs, for each partition.
    pub(crate) written: BTreeMap<i32, Vec<Written>>,
    /// The first record that was not delivered: its partition, and why.
    pub(crate) failed: Option<(i32, Failure)>,
    /// For each partition, the number that the next record of a batch with unknown offsets gets.
    unknown: BTreeMap<i32, i64>,
}

impl Observer {
    /// An observer that keeps `secrets` out of the log. `login_changes`: a refused login is worth a
    /// look.
    pub(crate) fn new(secrets: Vec<Secret>, login_changes: bool) -> Self {
        Self { secrets, login_changes, ..Self::default() }
    }

    /// The same; who waits for a cluster of which no broker can be reached gives up after so long.
    pub(crate) fn giving_up_after(self, patience: Option<Duration>) -> Self {
        Self { patience, ..self }
    }

    /// A log line, with syslog's levels.
    pub(crate) fn log(&self, level: i32, facility: &str, line: &str) {
        if level > 6 {
            lock(&self.signs).learn(facility, line);
        }
        if is_early_end(facility, line) {
            // "[thrd:NAME]: NAME: Disconnected: …"
            self.problem(Code::TRANSPORT, line.split_once("]: ").map_or(line, |(_, reason)| reason));
        }
        let line = self.redact(line);
        match level {
            // Readers and writers share settings, and librdkafka warns about each that is not for
            // this kind of client. The list itself shows which access control entries librdkafka
            // does not know.
            _ if ["CONFWARN", "DESCRIBEACLSRESPONSE"].contains(&facility) || is_handled(facility, &line) => {
                tracing::debug!(target: "librdkafka", facility, "{line}")
            }
            ..=4 => tracing::warn!(target: "librdkafka", facility, "{line}"),
            5..=6 => tracing::info!(target: "librdkafka", facility, "{line}"),
            _ => tracing::debug!(target: "librdkafka", facility, "{line}"),
        }
    }

    /// A problem of the cluster as a whole, mostly an unreachable broker. librdkafka retries.
    pub(crate) fn problem(&self, code: Code, reason: &str) {
        let reason = self.redact(reason);
        // A broker that refuses a certificate reports it after the handshake (TLS 1.3), where
        // librdkafka takes it for a lost connection.
        let code = if code == Code::TRANSPORT && reason.contains("SSL alert number") { Code::SSL } else { code };
        if self.login_changes && [Code::AUTHENTICATION, Code::SASL_AUTHENTICATION_FAILED, Code::SSL].contains(&code) {
            self.want_login();
        }
        tracing::debug!(target: "librdkafka", ?code, "{reason}");
        let mut problem = lock(&self.problem);
        if code == Code::ALL_BROKERS_DOWN {
            self.is_unreachable.store(true, Ordering::Relaxed);
        }
        // "All brokers are down" comes last and says least.
        if code != Code::ALL_BROKERS_DOWN || problem.is_none() {
            *problem = Some((Failure::new(code, reason), Instant::now()));
            self.has_problem.store(true, Ordering::Relaxed);
        }
    }

    /// The client wants a token, was refused, or is gone. One request is remembered.
    pub(crate) fn want_login(&self) {
        self.login.notify_one();
    }

    /// Waits for [`Observer::want_login`].
    pub(crate) async fn login_wanted(&self) {
        self.login.notified().await;
    }

    /// From now on another client should be asked: the secret has a login that this one cannot
    /// take.
    pub(super) fn outdate(&self) {
        self.is_outdated.store(true, Ordering::Relaxed);
    }

    /// Whether another client should be asked.
    pub(super) fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }

    /// The last problem since the cluster last answered.
    pub(crate) fn last_problem(&self) -> Option<Failure> {
        lock(&self.problem).as_ref().map(|(problem, _)| problem.clone())
    }

    /// The cluster responded.
    pub(crate) fn answered(&self) {
        if self.has_problem.load(Ordering::Relaxed) {
            self.has_problem.store(false, Ordering::Relaxed);
            self.is_unreachable.store(false, Ordering::Relaxed);
            *lock(&self.problem) = None;
        }
    }

    /// A permanent problem, for a caller that waits since `start`. A connection that is lost during
    /// the login looks like a refused login; then a new one follows soon, and the cluster responds.
    pub(crate) fn hopeless(&self, start: Instant) -> Option<Failure> {
        if self.is_unreachable.load(Ordering::Relaxed) && self.patience.is_some_and(|patience| start.elapsed() >= patience) {
            // Why none can be reached, the last problem says.
            return Some(Code::TIMED_OUT.into());
        }
        let last = lock(&self.problem).clone();
        let hopeless = [
            Code::AUTHENTICATION,
            // A broker thread could not be started.
            Code::CRIT_SYS_RESOURCE,
            Code::SASL_AUTHENTICATION_FAILED,
            Code::SSL,
            Code::UNSUPPORTED_SASL_MECHANISM,
        ];
        let is_hopeless = |problem: &Failure, at: Instant| hopeless.contains(&problem.code) && start.max(at).elapsed() >= CREDENTIALS_GRACE;
        last.filter(|(problem, at)| self.is_outdated() || is_hopeless(problem, *at)).map(|(problem, _)| problem)
    }

    /// What debug lines showed about reading.
    pub(crate) fn signs(&self) -> Signs {
        *lock(&self.signs)
    }

    /// Queued records without a report yet.
    pub(super) fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// Memory of queued records without a report yet.
    pub(super) fn outstanding(&self) -> usize {
        self.backlog.memory()
    }

    /// A record was delivered, or not. Its offset is unknown if a retry got the response that the
    /// broker has it already: that response has -1 for the first record of the batch, and
    /// librdkafka counts from there. Such records are runs without an offset.
    pub(super) fn delivered(&self, partition: i32, offset: i64, size: Size, outcome: Result<(), Failure>) {
        self.backlog.remove(partition, size);
        if outcome.is_ok() {
            self.answered();
        }
        let mut reports = lock(&self.reports);
        match outcome {
            Err(failure) => {
                reports.failed.get_or_insert((partition, failure));
            }
            Ok(()) => {
                let is_unknown = offset < 0 || reports.unknown.get(&partition) == Some(&offset);
                if is_unknown {
                    reports.unknown.insert(partition, offset + 1);
                }
                let place = (!is_unknown).then_some(offset);
                Written::add(reports.written.entry(partition).or_default(), partition, place);
            }
        }
    }

    /// Takes the delivery reports.
    pub(crate) fn take_reports(&self) -> Reports {
        std::mem::take(&mut lock(&self.reports))
    }

    fn redact(&self, line: &str) -> String {
        let hide = |line: String, secret: &Secret| if line.contains(secret.reveal()) { line.replace(secret.reveal(), "***") } else { line };
        self.secrets.iter().fold(line.to_owned(), hide)
    }
}

/// Whether a log line concerns something that this program waits for or handles, and reports if it
/// persists: connections that end, missing coordinators (a cluster that has just started has none
/// for seconds), and transactions that have to be shorter.
fn is_handled(facility: &str, line: &str) -> bool {
    let codes = COORDINATOR_CODES.iter().chain(&[Code::INVALID_TRANSACTION_TIMEOUT]);
    (facility == "FAIL" && line.contains(": Disconnected")) || codes.into_iter().any(|code| line.contains(&code.describe()))
}

/// Whether a log line reports a connection that a broker closed before its first use, as it does
/// for a client of another protocol.
fn is_early_end(facility: &str, line: &str) -> bool {
    let Some((_, after)) = line.split_once(": Disconnected").filter(|_| facility == "FAIL") else { return false };
    let millis = |(_, rest): (&str, &str)| rest.split_once("ms in state UP").and_then(|(millis, _)| millis.parse::<u32>().ok());
    after.contains("in state APIVERSION_QUERY") || after.rsplit_once("(after ").and_then(millis).is_some_and(|millis| millis < 2_000)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SIZE: Size = Size { memory: 210, bytes: 10 };

    #[test]
    fn reports_become_runs_that_end_at_a_hole() {
        let observer = Observer::default();
        for (partition, offset) in [(0, 5), (1, 0), (0, 6), (1, 1), (0, 8), (0, -1001), (0, 9)] {
            observer.backlog().add(partition, SIZE);
            observer.delivered(partition, offset, SIZE, Ok(()));
        }
        let written: Vec<_> = observer.take_reports().written.into_values().flatten().collect();
        let run = |partition, first, count| Written { partition, first, count };
        assert_eq!(written, [run(0, Some(5), 2), run(0, Some(8), 1), run(0, None, 1), run(0, Some(9), 1), run(1, Some(0), 2)]);
        assert_eq!(observer.outstanding(), 0);
        assert!(observer.take_reports().written.is_empty());
    }

    #[test]
    fn a_batch_without_a_known_place_is_a_run_without_one() {
        let observer = Observer::default();
        // A batch of three that the broker already had; then one that it had not, and one of
        // another partition.
        for (partition, offset) in [(0, -1), (0, 0), (0, 1), (0, 90), (1, 0)] {
            observer.backlog().add(partition, SIZE);
            observer.delivered(partition, offset, SIZE, Ok(()));
        }
        let written: Vec<_> = observer.take_reports().written.into_values().flatten().collect();
        let run = |partition, first, count| Written { partition, first, count };
        assert_eq!(written, [run(0, None, 3), run(0, Some(90), 1), run(1, Some(0), 1)]);
    }

    /// Lines of librdkafka 2.12.1 that a restore into a just started cluster printed by the dozen.
    #[test]
    fn what_is_waited_for_is_no_warning() {
        let is_handled = |reason: &str| {
            is_handled("GETPID", &format!("[thrd:main]: Failed to acquire transactional PID from broker TxnCoordinator/1: {reason}"))
        };
        assert!(is_handled("Broker: Not coordinator: retrying"));
        assert!(is_handled("Broker: Coordinator load in progress: retrying"));
        assert!(is_handled(&Code::INVALID_TRANSACTION_TIMEOUT.describe()));
        assert!(!is_handled("Broker: Cluster authorization failed"));
    }

    #[test]
    fn a_connection_that_ends_early_is_a_problem_and_another_is_not() {
        let observer = Observer::default();
        let of = |state: &str| format!("kafka:9092/1: Disconnected: connection closed by peer: receive 0 after POLLIN (after {state})");
        let log = |state: &str| observer.log(6, "FAIL", &format!("[thrd:kafka:9092/1]: {}", of(state)));
        log("60000ms in state UP");
        assert!(observer.last_problem().is_none());
        for state in ["0ms in state APIVERSION_QUERY", "12ms in state UP", "3ms in state UP, 1 identical error(s) suppressed"] {
            log(state);
            assert_eq!(observer.last_problem().unwrap().text, of(state));
        }
    }

    #[test]
    fn the_first_failure_is_kept() {
        let observer = Observer::default();
        observer.backlog().add(3, SIZE);
        observer.backlog().add(4, SIZE);
        observer.delivered(3, -1, SIZE, Err(Code::MSG_SIZE_TOO_LARGE.into()));
        observer.delivered(4, -1, SIZE, Err(Code::TIMED_OUT.into()));
        let (partition, failure) = observer.take_reports().failed.unwrap();
        assert_eq!((partition, failure.code), (3, Code::MSG_SIZE_TOO_LARGE));
    }

    /// A broker that restarts breaks connections in any state, even during the login.
    #[test]
    fn a_login_is_hopeless_until_the_cluster_takes_a_record() {
        let observer = Observer::default();
        let long_ago = Instant::now().checked_sub(2 * CREDENTIALS_GRACE).unwrap();
        observer.problem(Code::AUTHENTICATION, "the connection ended while it logged in");
        assert!(observer.hopeless(long_ago).is_none(), "it is too soon to tell");
        lock(&observer.problem).as_mut().unwrap().1 = long_ago;
        assert!(observer.hopeless(long_ago).is_some());
        assert!(observer.hopeless(Instant::now()).is_none(), "who has just begun to wait waits");
        observer.backlog().add(0, SIZE);
        observer.delivered(0, 5, SIZE, Ok(()));
        assert!(observer.hopeless(long_ago).is_none() && observer.last_problem().is_none());
    }

    #[test]
    fn a_cluster_of_which_no_broker_can_be_reached_is_waited_for_as_long_as_asked() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
        let of = |patience: Option<u64>| Observer::default().giving_up_after(patience.map(Duration::from_secs));
        let (patient, impatient) = (of(None), of(Some(8)));
        for observer in [&patient, &impatient] {
            observer.problem(Code::TRANSPORT, "kafka-1:9092: connection refused");
            assert!(observer.hopeless(long_ago).is_none(), "another broker may answer");
            observer.problem(Code::ALL_BROKERS_DOWN, "3/3 brokers are down");
            assert!(observer.hopeless(Instant::now()).is_none());
        }
        assert!(patient.hopeless(long_ago).is_none());
        assert_eq!(impatient.hopeless(long_ago).unwrap().code, Code::TIMED_OUT);
        impatient.answered();
        assert!(impatient.hopeless(long_ago).is_none());
    }

    #[test]
    fn a_login_that_has_changed_is_waited_for_no_longer() {
        let observer = Observer::new(Vec::new(), true);
        observer
            .problem(Code::TRANSPORT, "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42");
        assert!(observer.hopeless(Instant::now()).is_none());
        observer.outdate();
        assert!(observer.hopeless(Instant::now()).is_some());
    }

    #[test]
    fn the_problem_that_says_most_is_kept_until_the_cluster_answers() {
        let observer = Observer::new(vec![Secret::new("hunter2")], false);
        observer.problem(Code::TRANSPORT, "kafka:9092: connection refused, password hunter2");
        observer.problem(Code::ALL_BROKERS_DOWN, "1/1 brokers are down");
        let problem = observer.last_problem().unwrap();
        assert_eq!((problem.code, problem.text.as_str()), (Code::TRANSPORT, "kafka:9092: connection refused, password ***"));
        observer.answered();
        assert!(observer.last_problem().is_none());
    }
}
