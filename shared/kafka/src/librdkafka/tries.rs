//! When a request is retried.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kernel::{Deadline, lock};

use super::client;
use super::errors::{self, Doing, Errors};
use super::native::{Code, Failure, Handle};
use crate::{KafkaError, KafkaSettings, Result};

/// Timeout of a request, the search for a broker included, unless the user set `socket.timeout.ms`.
const LIMIT: Duration = Duration::from_secs(30);
/// The least timeout of a request, however near the deadline is: what is durable should be
/// committed.
const LEAST: Duration = Duration::from_millis(500);
/// If a new client may help, the first try gets this part of the time.
const FIRST: u32 = 3;
/// Pauses before the second try and the following ones.
pub(super) const PAUSES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Requests about topics and groups.
#[derive(Debug)]
pub(super) struct Asker {
    settings: KafkaSettings,
    group: Option<String>,
    /// See [`client::asking`].
    which_requests: bool,
    errors: Errors,
    deadline: Deadline,
    handle: Mutex<Arc<Handle>>,
    /// Requests groups, once needed.
    about_groups: Mutex<Option<Arc<Self>>>,
}

impl Asker {
    /// Requests topics, and `group` if there is one.
    pub(super) fn new(settings: &KafkaSettings, group: Option<&str>) -> Result<Self> {
        Self::start(settings, group, false)
    }

    fn start(settings: &KafkaSettings, group: Option<&str>, which_requests: bool) -> Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            group: group.map(str::to_owned),
            which_requests,
            errors: Errors::new(settings),
            deadline: Deadline::unset(),
            handle: Mutex::new(client::asking(settings, group, which_requests)?),
            about_groups: Mutex::default(),
        })
    }

    /// Requests any group of the same cluster: one client for all callers, however many groups
    /// there are. librdkafka crashes if a client without a group of its own does that (its issue
    /// 5040), and it sends some requests only if it knows which ones the brokers support. `own`: a
    /// group that this user may see. The client has that of the first call, never joins it, and
    /// commits nothing for it.
    pub(super) fn about_groups(&self, own: &str) -> Result<Arc<Self>> {
        let mut known = lock(&self.about_groups);
        if let Some(asker) = &*known {
            return Ok(Arc::clone(asker));
        }
        let asker = Arc::new(Self::start(&self.settings, Some(own), true)?.until(&self.deadline));
        *known = Some(Arc::clone(&asker));
        Ok(asker)
    }

    /// Ends requests and tries early enough to report a failure before the deadline.
    pub(super) fn until(self, deadline: &Deadline) -> Self {
        Self { deadline: deadline.clone(), ..self }
    }

    /// The group of the client.
    pub(super) fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Tries for one request.
    pub(super) fn tries(&self, subject: impl ToString, doing: Doing) -> Tries<'_> {
        let used = Mutex::new(self.handle());
        Tries {
            asker: self,
            used,
            subject: subject.to_string(),
            doing,
            since: Instant::now(),
            pauses: PAUSES.iter(),
            is_first_of_two: false,
        }
    }

    /// Timeout of one request.
    pub(super) fn limit(&self) -> Duration {
        let wanted = self.settings.properties.get("socket.timeout.ms").and_then(|millis| millis.reveal().parse().ok());
        let limit = wanted.map_or(LIMIT, Duration::from_millis);
        self.deadline.remaining().map_or(limit, |left| limit.min(left * 3 / 4).max(LEAST.min(limit)))
    }

    /// Timeout of a call with several requests, whose coordinator writes to other brokers: twice
    /// that of one. Early enough to report a failure before the deadline.
    pub(super) fn long_limit(&self) -> Duration {
        let limit = 2 * self.limit();
        self.left().map_or(limit, |left| limit.min((left * 3 / 5).max(LEAST)))
    }

    /// The time left in the invocation; `None` without a limit.
    pub(super) fn left(&self) -> Option<Duration> {
        self.deadline.remaining()
    }

    /// Converts failures to errors.
    pub(super) fn errors(&self) -> &Errors {
        &self.errors
    }

    /// Id of the cluster that answered.
    pub(super) fn cluster_id(&self) -> Option<String> {
        self.handle().cluster_id()
    }

    /// The client. One with a login that has changed is replaced, if another one can be started.
    pub(super) fn handle(&self) -> Arc<Handle> {
        let handle = Arc::clone(&lock(&self.handle));
        if handle.observer().is_outdated() && self.renew_from(&handle).is_ok() {
            return Arc::clone(&lock(&self.handle));
        }
        handle
    }

    /// A new client without old state: librdkafka's requests stay with a coordinator or leader that
    /// has moved until its metadata expire.
    pub(super) fn renew(&self) -> Result<()> {
        self.renew_from(&self.handle())
    }

    /// Like `renew`, unless another caller did it since `old` was the client: one new client serves
    /// all concurrent callers.
    pub(super) fn renew_from(&self, old: &Arc<Handle>) -> Result<()> {
        let is_old = |handle: &Arc<Handle>| Arc::ptr_eq(handle, old);
        if !is_old(&lock(&self.handle)) {
            return Ok(());
        }
        let new = client::asking(&self.settings, self.group.as_deref(), self.which_requests)?;
        let mut handle = lock(&self.handle);
        let unused = if is_old(&handle) { std::mem::replace(&mut *handle, new) } else { new };
        // Unused clients are dropped when no other request waits for the lock.
        drop(handle);
        drop(unused);
        Ok(())
    }
}

/// The tries of one request. Transient failures are retried for a few seconds.
#[derive(Debug)]
pub(super) struct Tries<'a> {
    asker: &'a Asker,
    /// The client of the last try.
    used: Mutex<Arc<Handle>>,
    subject: String,
    doing: Doing,
    since: Instant,
    pauses: std::slice::Iter<'a, Duration>,
    /// If this try times out, a new client gets another one.
    is_first_of_two: bool,
}

impl Tries<'_> {
    /// For a request that can wait in vain for a coordinator that has left the cluster
    /// (librdkafka's issue 5511): the first try gets part of the time, and a new client the rest.
    pub(super) fn twice(self) -> Self {
        Self { is_first_of_two: true, ..self }
    }

    /// The client for the next try.
    pub(super) fn handle(&self) -> Arc<Handle> {
        let handle = self.asker.handle();
        *lock(&self.used) = Arc::clone(&handle);
        handle
    }

    /// A new client for the next try, unless another request with the same one has created it.
    fn renew(&self) -> Result<()> {
        let used = Arc::clone(&lock(&self.used));
        self.asker.renew_from(&used)
    }

    /// Timeout of the next try.
    pub(super) fn limit(&self) -> Duration {
        let limit = self.asker.limit();
        if self.is_first_of_two { (limit / FIRST).max(LEAST.min(limit)) } else { limit }
    }

    /// How many tries are left.
    pub(super) fn left(&self) -> usize {
        self.pauses.len()
    }

    /// Pauses before the next try.
    ///
    /// # Errors
    /// The failure, if another try does not help or there were enough of them.
    pub(super) async fn again(&mut self, failure: Failure) -> Result<()> {
        if lock(&self.used).observer().is_outdated() {
            return self.renew();
        }
        if self.is_first_of_two && failure.code == Code::TIMED_OUT {
            tracing::debug!(subject = self.subject, doing = ?self.doing, %failure, "retrying with a new client");
            self.is_first_of_two = false;
            return self.renew();
        }
        // A timeout has used up the time of all tries.
        let helps = errors::is_transient(failure.code) && failure.code != Code::TIMED_OUT;
        // A cluster that has just started needs time for its coordinators.
        let is_starting = errors::COORDINATOR_CODES.contains(&failure.code) && self.since.elapsed() < self.limit();
        let pause = self.pauses.next().or_else(|| PAUSES.last().filter(|_| is_starting)).copied();
        let Some(pause) = pause.filter(|pause| helps && self.asker.deadline.remaining().is_none_or(|left| *pause < left)) else {
            return Err(self.error(failure));
        };
        tracing::debug!(subject = self.subject, doing = ?self.doing, %failure, "retrying");
        tokio::time::sleep(pause).await;
        if [Code::NOT_COORDINATOR, Code::NOT_LEADER_OR_FOLLOWER, Code::FENCED_LEADER_EPOCH].contains(&failure.code) {
            self.renew()?;
        }
        Ok(())
    }

    /// The error for a failure.
    pub(super) fn error(&self, failure: Failure) -> KafkaError {
        self.error_of(&self.subject, failure)
    }

    /// The error for the failure of a part of the request.
    pub(super) fn error_of(&self, subject: impl ToString, failure: Failure) -> KafkaError {
        let problem = lock(&self.used).observer().last_problem();
        self.asker.errors.error(subject, self.doing, failure, problem)
    }
}
