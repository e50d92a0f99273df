//! Takes a snapshot of the cluster, once per SNAPSHOT_SECONDS.
//!
//! The order of reads makes its numbers consistent: groups, our own commits, the logs' offsets,
//! topic ids again, groups again. A group or a log can only have advanced since it was read.

mod assemble;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use archive::catalog::{Generation, RunEnds, Snapshot, names};
use archive::{Error, Result};
use kafka::{ClusterAdministration, KafkaError, KafkaErrorKind, NO_AUTHORIZER, TopicFacts};
use kernel::clock::{Millis, SKEW};
use kernel::{failpoint, in_full, lock};

pub(crate) use self::read::{may_see_all, why_groups_are_hidden};
use crate::recovery_point::seconds_since;
use crate::report::BackupReport;
use crate::{Backup, Invocation};

/// The note on a cluster whose brokers have [no authorizer](NO_AUTHORIZER).
pub(crate) const NO_ACLS: &str = "this cluster has no access control lists to back up: the brokers have no authorizer";

/// What this process knows of existing snapshots.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The time of the last one that was found or taken, and its series' name prefix.
    last: Option<(Millis, String)>,
    /// The one that the current invocation took, and when it began, if its series had no other.
    alone: Option<(String, Millis)>,
}

/// What is known before any request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) cluster: Option<&'a str>,
    /// All that TOPIC_NAMES selects.
    pub(crate) wanted: &'a BTreeSet<String>,
    /// Those of them that the cluster described.
    pub(crate) topics: &'a BTreeMap<String, TopicFacts>,
}

impl Backup {
    /// Stores a snapshot if this invocation should, and there is none of this time. Errors go to
    /// the report, and the backup continues.
    pub(crate) async fn take_snapshot(&self, invocation: &Invocation, started: Millis, scope: Scope<'_>, report: &mut BackupReport) {
        lock(&self.taken).alone = None;
        let Some((administration, every)) = self.is_to_take_snapshots(invocation) else { return };
        let prefix = names::snapshot_prefix(scope.cluster, &self.settings.group);
        match self.snapshot_if_due(administration, invocation, started, (every, &prefix), scope, report).await {
            Ok(name) => report.snapshot = name,
            Err(error) => report.fail_snapshot(&error),
        }
    }

    /// Stores how far the partitions are that this invocation extended: its snapshot is of before
    /// that, and the next invocation may never come. Errors go to the report.
    pub(crate) async fn store_ends(&self, cluster: Option<&str>, now: Millis, report: &mut BackupReport) {
        let ends = report.extended();
        if ends.is_empty() || self.administration.is_none() || self.settings.snapshots.is_none() {
            return;
        }
        failpoint!("backup::ends::before");
        let prefix = names::snapshot_prefix(cluster, &self.settings.group);
        let snapshot = lock(&self.taken).last.as_ref().filter(|(_, of)| *of == prefix).map(|(at, _)| names::snapshot(&prefix, *at));
        if let Err(error) = RunEnds::new(now, ends, snapshot).write(self.store.as_ref(), &prefix).await {
            report.fail_ends(&error);
        }
        failpoint!("backup::ends::after");
    }

    /// Only invocations of everything, and of several shards only the first one.
    fn is_to_take_snapshots(&self, invocation: &Invocation) -> Option<(&dyn ClusterAdministration, Millis)> {
        let event = &invocation.event;
        let is_of_all = event.topic.is_none() && event.partition.is_none() && event.shard.is_none_or(|(shard, _)| shard == 0);
        let every = Millis::try_from(self.settings.snapshots.as_ref()?.every.as_millis()).ok()?;
        self.administration.as_deref().filter(|_| is_of_all).map(|administration| (administration, every))
    }

    /// The name of the stored one.
    async fn snapshot_if_due(
        &self,
        administration: &dyn ClusterAdministration,
        invocation: &Invocation,
        started: Millis,
        (every, prefix): (Millis, &str),
        scope: Scope<'_>,
        report: &mut BackupReport,
    ) -> Result<Option<String>> {
        let now = round_up(self.clock.now(), every);
        if self.knows_snapshot(now, prefix) {
            return Ok(None);
        }
        let name = names::snapshot(prefix, now);
        if self.store.list(&name, "", 1).await?.objects.iter().any(|object| object.name == name) {
            self.remember_snapshot(now, prefix);
            return Ok(None);
        }
        let pace = Pace { backup: self, started, deadline: invocation.budget.deadline };
        let answers = self.read_cluster(administration, &pace, scope).await?;
        let mut snapshot = self.assemble(scope, answers, every);
        self.tell_what_is_absent(&snapshot, report);
        let at = round_up(snapshot.until, every);
        let name = names::snapshot(prefix, at);
        for error in snapshot.take_along(self.store.as_ref(), &name).await? {
            // `verify` names it, too.
            tracing::warn!("{}", in_full(&error));
        }
        let is_alone = snapshot.covers.is_empty() && self.first_snapshot(prefix, &name).await?.is_none();
        failpoint!("backup::snapshot::before");
        let is_ours = snapshot.write(self.store.as_ref(), &name).await?;
        failpoint!("backup::snapshot::after");
        self.remember_snapshot(at, prefix);
        lock(&self.taken).alone = Some((name.clone(), snapshot.from)).filter(|_| is_ours && is_alone);
        // Another invocation may have been faster: one is enough.
        Ok(is_ours.then_some(name))
    }

    /// The oldest snapshot of a series but this one. One request: names of snapshots come before
    /// those of the ends of runs.
    async fn first_snapshot(&self, series: &str, except: &str) -> Result<Option<String>> {
        let first = self.store.list(series, "", 10).await?.objects.into_iter().map(|object| object.name);
        Ok(first.filter(|name| names::parse_snapshot(name).is_some()).find(|name| name != except))
    }

    /// The error if this invocation took the only snapshot of a series, and an older `topic.json`
    /// shows that others existed. Once.
    pub(crate) async fn missing_snapshots(&self, generation: &Generation) -> Option<Error> {
        let series = generation.snapshots.as_ref()?;
        // Another process can note the new one in a `topic.json` that it begins now, by another
        // clock.
        let is_older = |from: Millis| generation.at.saturating_add(2 * SKEW) < from;
        let (own, _) = lock(&self.taken).alone.take_if(|(own, from)| own.starts_with(series) && is_older(*from))?;
        // It can also have taken one for another time.
        if self.first_snapshot(series, &own).await.ok()?.is_some() {
            return None;
        }
        Some(Error::lost(format!(
            "all earlier snapshots of {} are missing: {} shows that some existed. Restore them, or find out what deleted them. The new \
             one has only what is in the cluster now",
            self.store.location(series),
            names::topic_json(&generation.folder())
        )))
    }

    fn knows_snapshot(&self, at: Millis, prefix: &str) -> bool {
        // Not "or a newer one": a clock that was ahead is corrected in time, and snapshots
        // continue.
        lock(&self.taken).last.as_ref().is_some_and(|(last, of)| *last == at && of == prefix)
    }

    fn remember_snapshot(&self, at: Millis, prefix: &str) {
        lock(&self.taken).last = Some((at, prefix.to_owned()));
    }

    /// The name prefix of this backup's snapshots, once one is known to exist.
    pub(crate) fn snapshots_taken(&self) -> Option<String> {
        lock(&self.taken).last.as_ref().map(|(_, prefix)| prefix.clone())
    }

    /// The age of the newest known snapshot. `None`: this invocation takes none, or there is none.
    pub(crate) fn snapshot_age_seconds(&self, invocation: &Invocation, now: Millis) -> Option<u64> {
        self.is_to_take_snapshots(invocation)?;
        lock(&self.taken).last.as_ref().map(|(last, _)| seconds_since(*last, now))
    }

    /// Logs once per process what could not be read. A cluster without an authorizer has no access
    /// control lists: nothing is absent then.
    fn tell_what_is_absent(&self, snapshot: &Snapshot, report: &mut BackupReport) {
        let has_no_acls = snapshot.acls.why().is_some_and(|why| why.contains(NO_AUTHORIZER));
        if has_no_acls && lock(&self.seen).is_news(NO_ACLS) {
            tracing::info!("{NO_ACLS}");
            report.notes.push(NO_ACLS.to_owned());
        }
        let parts = [
            ("consumer groups", snapshot.groups.why()),
            ("brokers", snapshot.brokers.why()),
            ("access control lists", snapshot.acls.why().filter(|_| !has_no_acls)),
            ("SCRAM users", snapshot.users.why()),
        ];
        let absent: Vec<String> = parts.iter().filter_map(|(part, why)| Some(format!("{part}: {}", (*why)?))).collect();
        let what = format!("snapshots of the cluster are incomplete. {}", absent.join("; "));
        if !absent.is_empty() && lock(&self.seen).is_news(&what) {
            tracing::warn!("{what}");
            report.notes.push(what);
        }
    }
}

/// A snapshot must not use the time that the records need.
pub(crate) struct Pace<'a> {
    backup: &'a Backup,
    started: Millis,
    deadline: Option<Millis>,
}

impl Pace<'_> {
    /// # Errors
    /// Half of the invocation's time is over.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let (now, half) = (self.backup.clock.now(), (deadline - self.started) / 2);
        if now - self.started < half {
            return Ok(());
        }
        let what = format!(
            "it is not complete after half of the {} s of this invocation, and was abandoned, because the records \
             need the rest. Raise the time limit of the invocation, exclude groups (EXCLUDE_CONSUMER_GROUPS), or take \
             no snapshots (SNAPSHOT_SECONDS=0)",
            (deadline - self.started) / 1000
        );
        Err(KafkaError::new(KafkaErrorKind::Unavailable, "the snapshot of the cluster", what).into())
    }
}

/// The next full step of `every` milliseconds at or after `at`.
fn round_up(at: Millis, every: Millis) -> Millis {
    let every = every.max(1);
    at.saturating_add(every - 1).div_euclid(every).saturating_mul(every)
}

#[cfg(test)]
pub(crate) mod tests;
