//! What is left to do when all records are restored: sets the offsets of consumer groups, the
//! configs of the original topics, and the access control lists.
//!
//! | file | what it does |
//! |---|---|
//! | `mod.rs` | the order of all changes, and of undo |
//! | `groups.rs` | which offset each group gets, and sets it |
//! | `configs.rs`, `retention.rs` | which configs a topic gets, and whether one of them would delete restored records |
//! | `acls.rs` | which access control entries are missing |
//! | `undo.rs` | restores the values before |
//! | `answers.rs` | results for single items of a combined request |
//! | `report.rs` | what to do, what was done, and what is left |
//!
//! It first only reads. Then it stores the planned changes with the values before in the bucket
//! ([`Intents`](archive::catalog::Intents)), and only then makes the first change. So it can be
//! killed anywhere, repeated, and undone: a value that is neither the one before nor ours belongs
//! to someone else, and stays.
//!
//! The order is groups, harmless configs, access control lists, configs that delete. Access control
//! lists come after groups: they would let applications start, and the offsets of a group with
//! members cannot be set.

mod acls;
mod answers;
mod configs;
mod groups;
mod report;
mod retention;
mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use archive::catalog::{FinishDone, Intents, RestoreIdentity};
use archive::{Error, Result};
use config::FinishPart;
use kafka::ClusterChanges;
use kernel::clock::Millis;

use crate::Restore;
pub use report::{AclsReport, ConfigReport, FinishReport, GroupReport, OffsetReport, PrincipalReport, State};

/// What `finish` should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishRequest {
    /// Which parts.
    pub parts: BTreeSet<FinishPart>,
    /// Whether to make the changes.
    pub apply: bool,
    /// Whether to undo the changes.
    pub undo: bool,
}

/// The end of a restore: what is left to do for the applications.
#[derive(Debug, Clone)]
pub struct Finish {
    restore: Restore,
    admin: Arc<dyn ClusterChanges>,
}

/// A finished restore, and what is known of it.
#[derive(Debug)]
struct Known {
    noted: RestoreIdentity,
    /// Targets that must not be changed, and why.
    gone: BTreeMap<String, String>,
    /// What was changed already, or will be.
    before: Intents,
}

impl Finish {
    /// For this restore, in its target cluster.
    pub fn new(restore: Restore, admin: Arc<dyn ClusterChanges>) -> Self {
        Self { restore, admin }
    }

    /// Shows what to do; with [`FinishRequest::apply`], does it. What cannot be done is in the
    /// report, and does not block the rest.
    ///
    /// # Errors
    /// An error of all of it: the restore is not finished, Kafka or the bucket is unreachable. It
    /// can be repeated.
    pub async fn run(&self, request: &FinishRequest) -> Result<FinishReport> {
        if !request.undo {
            return self.run_forth(request).await;
        }
        let started = self.restore.clock.now();
        let (known, mut report) = self.begin(request, started).await?;
        self.undo(&known, request, &mut report).await?;
        report.end(started, self.restore.clock.now());
        Ok(report)
    }

    /// Without undo: functions do not need it, and it would enlarge their packages.
    async fn run_forth(&self, request: &FinishRequest) -> Result<FinishReport> {
        let started = self.restore.clock.now();
        let (known, mut report) = self.begin(request, started).await?;
        self.forth(&known, request, &mut report).await?;
        report.end(started, self.restore.clock.now());
        Ok(report)
    }

    async fn begin(&self, request: &FinishRequest, started: Millis) -> Result<(Known, FinishReport)> {
        let known = self.known(started).await?;
        let mut report = FinishReport::new(&self.restore, request);
        report.left.extend(known.gone.values().cloned());
        Ok((known, report))
    }

    /// For functions: does what RESTORE_FINISH names, once, when the restore `run` is finished.
    /// `None`: there is nothing to do. An idle invocation costs one request.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_once(&self, run: &str) -> Result<Option<FinishReport>> {
        let Restore { store, settings, clock, .. } = &self.restore;
        let parts: BTreeSet<String> = settings.finish.iter().map(|part| part.name().to_owned()).collect();
        if parts.is_empty() || FinishDone::has(store.as_ref(), self.restore.id(), run, &parts).await? {
            return Ok(None);
        }
        let report = self.run_forth(&FinishRequest { parts: settings.finish.clone(), apply: true, undo: false }).await?;
        if report.succeeded {
            let done = FinishDone { format_version: Intents::FORMAT, run: run.to_owned(), parts, at: clock.now() };
            done.write(store.as_ref(), self.restore.id()).await?;
        }
        Ok(Some(report))
    }

    /// A finished restore, in its target cluster.
    async fn known(&self, started: Millis) -> Result<Known> {
        let restore = &self.restore;
        let cluster = restore.cluster.cluster().await?;
        restore.name(&cluster);
        let (store, id) = (restore.store.as_ref(), restore.id());
        let noted = restore.noted().await?.ok_or_else(|| {
            Error::request(format!("nothing was restored as {id:?}: run `restore` first, with the same configuration; nothing was changed"))
        })?;
        noted.check(id, &restore.choice(cluster.id.clone()))?;
        if !noted.is_cut() {
            return Err(Error::request(format!(
                "restore {id:?} has no end: it follows its topic's backup. `translate` translates single offsets; to \
                 restore groups, configs and access control lists, restore with RESTORE_AS_OF. Nothing was changed"
            )));
        }
        let Some(report) = restore.finished(&noted, started).await? else {
            return Err(Error::request(format!("restore {id:?} is not finished: run `restore` until it is; nothing was changed")));
        };
        let gone = report.topics.iter().filter_map(|topic| Some((topic.target.clone(), topic.error.clone()?))).collect();
        let before = Intents::load(store, id, &noted.run).await?.unwrap_or_else(|| Intents::none(&noted.run));
        Ok(Known { noted, gone, before })
    }

    async fn forth(&self, known: &Known, request: &FinishRequest, report: &mut FinishReport) -> Result<()> {
        let has = |part| request.parts.contains(&part);
        // Configs are in restore.json, or in topic.json.
        let snapshots = match has(FinishPart::Groups) || has(FinishPart::Acls) {
            true => self.snapshots(known, report).await?,
            false => Vec::new(),
        };
        let groups = match has(FinishPart::Groups) {
            true => self.plan_groups(known, &snapshots, report).await?,
            false => Vec::new(),
        };
        let configs = match has(FinishPart::Configs) {
            true => self.plan_configs(known, report).await?,
            false => Vec::new(),
        };
        let acls = match has(FinishPart::Acls) {
            true => self.plan_acls(known, &snapshots, report).await?,
            false => Vec::new(),
        };
        if request.apply {
            let intents = Intents {
                snapshots: snapshots.iter().map(|(name, _)| name.clone()).collect(),
                groups: groups::intents(&groups),
                configs: configs::intents(&configs),
                acls: acls.iter().cloned().collect(),
                at: self.restore.clock.now(),
                ..Intents::none(&known.noted.run)
            };
            if !intents.is_empty() {
                intents.note(self.restore.store.as_ref(), self.restore.id()).await?;
            }
            self.commit_groups(&groups, report).await;
            self.note_given(known, report).await?;
            self.set_harmless(&configs, report).await;
            self.add_acls(&acls, report).await;
            self.set_deleting(&configs, report).await;
        }
        Ok(())
    }
}
