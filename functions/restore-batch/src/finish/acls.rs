//! Access control lists: entries of the source cluster that the target cluster does not have.
//! Entries are only added.

use std::collections::{BTreeMap, BTreeSet};

use archive::Result;
use archive::catalog::Snapshot;
use kafka::{Acl, KafkaErrorKind, NO_AUTHORIZER, ScramUser};
use kernel::{in_full, shell};

use super::groups::restored_topics;
use super::report::{FinishReport, PrincipalReport, State};
use super::{Finish, Known};

impl Finish {
    /// The missing entries. Changes nothing.
    pub(super) async fn plan_acls(&self, known: &Known, snapshots: &[(String, Snapshot)], report: &mut FinishReport) -> Result<Vec<Acl>> {
        let wanted = self.wanted_acls(known, snapshots, report);
        self.tell_of_users(snapshots, &wanted, report).await?;
        if wanted.is_empty() {
            report.acls.state = State::AsItShouldBe;
            return Ok(Vec::new());
        }
        let there = match self.admin.acls(None).await {
            Ok(there) => there.into_iter().collect::<BTreeSet<_>>(),
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(error) => {
                let count = wanted.len();
                let what = if error.kind == KafkaErrorKind::Unsupported { "cannot be added" } else { "are not added" };
                report.leave(format!("{count} access control entries {what}: {}", in_full(&error)));
                report.acls.state = State::Left;
                return Ok(Vec::new());
            }
        };
        let missing: Vec<Acl> = wanted.difference(&there).cloned().collect();
        report.acls.as_they_should_be = (wanted.len() - missing.len()) as u64;
        report.acls.changed = missing.len() as u64;
        report.acls.state = if missing.is_empty() { State::AsItShouldBe } else { State::ToDo };
        report.acls.principals = principals(&missing);
        let of = |acl: &Acl| (acl.resource.clone(), acl.pattern.clone(), acl.name.clone());
        let known: BTreeSet<_> = there.iter().map(of).collect();
        let is_first = |acl: &&Acl| acl.permission == "ALLOW" && !known.contains(&of(acl));
        let first: BTreeSet<String> =
            missing.iter().filter(is_first).map(|acl| format!("{} {}", acl.resource.to_lowercase(), acl.name)).collect();
        if !first.is_empty() {
            report.notes.push(format!(
                "if the brokers have allow.everyone.if.no.acl.found=true, the first entry of a resource excludes everyone \
                 else: {} get their first",
                told(&first)
            ));
        }
        Ok(missing)
    }

    /// The source cluster's entries for the restored topics, their groups, and everything else.
    fn wanted_acls(&self, known: &Known, snapshots: &[(String, Snapshot)], report: &mut FinishReport) -> BTreeSet<Acl> {
        let restored = restored_topics(known);
        let has_other_names = restored.iter().any(|(name, topic)| *name != topic.target);
        let (mut wanted, mut elsewhere, mut unknown, mut prefixes) = (BTreeSet::new(), 0_u64, 0_u64, BTreeSet::new());
        for (name, snapshot) in snapshots {
            if let Some(why) = snapshot.acls.why() {
                if why.contains(NO_AUTHORIZER) {
                    report.notes.push(format!("the original cluster had no access control lists: {why}"));
                } else {
                    report.leave(format!("the snapshot {name} has no access control lists, or not all: {why}"));
                }
            }
            for acl in snapshot.acls.known().into_iter().flatten() {
                if acl.unknown_word().is_some() {
                    unknown += 1;
                    continue;
                }
                let mut name = acl.name.clone();
                match (acl.resource.as_str(), acl.pattern.as_str(), acl.name.as_str()) {
                    // The target's name of the topic.
                    ("TOPIC", "LITERAL", topic) if topic != "*" => {
                        match restored.get(topic).filter(|of| !known.gone.contains_key(&of.target)) {
                            Some(topic) => name.clone_from(&topic.target),
                            None => {
                                elsewhere += 1;
                                continue;
                            }
                        }
                    }
                    ("TOPIC", "PREFIXED", prefix) if has_other_names => _ = prefixes.insert(prefix.to_owned()),
                    ("GROUP", "LITERAL", group) if group != "*" && !self.restore.settings.groups.takes_group(group) => {
                        elsewhere += 1;
                        continue;
                    }
                    _ => {}
                }
                wanted.insert(Acl { name, ..acl.clone() });
            }
        }
        if unknown > 0 {
            report.leave(format!(
                "{unknown} access control entries are of a kind that this program cannot write (for users or delegation \
                 tokens, or of a newer Kafka): compare kafka-acls.sh --list with the snapshot"
            ));
        }
        if !prefixes.is_empty() {
            report.notes.push(format!(
                "entries for all topics whose names begin with {} are not changed: the restored topics have other names",
                told(&prefixes)
            ));
        }
        if elsewhere > 0 {
            report
                .notes
                .push(format!("{elsewhere} access control entries are for topics and groups that are not restored: they are not added"));
        }
        wanted
    }

    /// The users of the source cluster that this one lacks: only the commands, because Kafka
    /// reveals no passwords.
    async fn tell_of_users(&self, snapshots: &[(String, Snapshot)], wanted: &BTreeSet<Acl>, report: &mut FinishReport) -> Result<()> {
        let had: BTreeMap<&str, &ScramUser> = snapshots
            .iter()
            .flat_map(|(_, snapshot)| snapshot.users.known().into_iter().flatten())
            .map(|user| (user.name.as_str(), user))
            .collect();
        for (name, snapshot) in snapshots {
            if let Some(why) = snapshot.users.why() {
                report.notes.push(format!("the snapshot {name} has no SCRAM users, or not all: {why}"));
            }
        }
        let there: Option<BTreeSet<String>> = match self.admin.users(None).await {
            Ok(there) => Some(there.into_iter().map(|user| user.name).collect()),
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(error) => {
                report.notes.push(format!("the SCRAM users are unknown: {}", in_full(&error)));
                None
            }
        };
        let missing: Vec<&ScramUser> =
            had.values().copied().filter(|user| there.as_ref().is_none_or(|there| !there.contains(&user.name))).collect();
        if !missing.is_empty() {
            report.notes.push(format!(
                "{} SCRAM users have to be created, with passwords that only you have: see the commands. Quotas are in no \
                 snapshot: kafka-configs.sh --describe --entity-type users shows those of a cluster",
                missing.len()
            ));
        }
        let servers = &self.restore.settings.kafka.bootstrap_servers;
        report.commands.extend(missing.iter().filter_map(|user| command(servers, user)));
        // Certificate names and the like are no SCRAM users: only for information.
        let known = |name: &str| had.contains_key(name) || there.as_ref().is_some_and(|there| there.contains(name));
        let foreign: BTreeSet<String> = wanted
            .iter()
            .filter(|acl| acl.principal != "User:*" && !acl.principal.strip_prefix("User:").is_some_and(known))
            .map(|acl| acl.principal.clone())
            .collect();
        if !foreign.is_empty() {
            report
                .notes
                .push(format!("access control entries are for principals that are no SCRAM users of either cluster: {}", told(&foreign)));
        }
        Ok(())
    }

    pub(super) async fn add_acls(&self, missing: &[Acl], report: &mut FinishReport) {
        if !missing.is_empty() {
            note_outcomes(report, missing, self.admin.create_acls(missing).await, "added");
        }
    }
}

/// Records the results of entries that were to be `changed`: added, or deleted.
pub(super) fn note_outcomes(report: &mut FinishReport, acls: &[Acl], outcomes: kafka::Result<Vec<kafka::Result<()>>>, changed: &str) {
    report.acls.state = State::Done;
    let failed = match outcomes {
        Ok(each) => acls.iter().zip(each).filter_map(|(acl, one)| Some((shown(acl) + " is", one.err()?))).collect(),
        Err(error) => vec![(format!("{} access control entries are", acls.len()), error)],
    };
    for (what, error) in failed {
        report.acls.state = State::Left;
        report.leave(format!("{what} not {changed}: {}", in_full(&error)));
    }
}

/// An entry in words.
fn shown(acl: &Acl) -> String {
    let Acl { resource, name, pattern, principal, host, operation, permission } = acl;
    let prefix = if pattern == "PREFIXED" { "prefix " } else { "" };
    format!("the entry {permission} {operation} on {} {prefix}{name:?} for {principal:?} from {host:?}", resource.to_lowercase())
}

fn principals(missing: &[Acl]) -> Vec<PrincipalReport> {
    let mut by_name: BTreeMap<&str, (BTreeSet<String>, u64)> = BTreeMap::new();
    for acl in missing {
        let (hosts, entries) = by_name.entry(&acl.principal).or_default();
        hosts.insert(acl.host.clone());
        *entries += 1;
    }
    let report = |(principal, (hosts, entries)): (&str, (BTreeSet<String>, u64))| PrincipalReport {
        principal: principal.to_owned(),
        hosts: hosts.into_iter().collect(),
        entries,
    };
    by_name.into_iter().map(report).collect()
}

/// The command that creates a user, with a placeholder for its password.
fn command(servers: &str, user: &ScramUser) -> Option<String> {
    let of = |(mechanism, iterations): (&String, &i32)| format!("{mechanism}=[iterations={iterations},password=PASSWORD]");
    let mechanisms: Vec<String> = user.mechanisms.iter().map(of).collect();
    Some(format!(
        "kafka-configs.sh --bootstrap-server {} --alter --entity-type users --entity-name {} --add-config {}",
        shell::quote(servers)?,
        shell::quote(&user.name)?,
        shell::quote(&mechanisms.join(","))?
    ))
}

fn told(names: &BTreeSet<String>) -> String {
    const MOST: usize = 10;
    let first: Vec<String> = names.iter().take(MOST).map(|name| format!("{name:?}")).collect();
    let more = names.len().saturating_sub(MOST);
    if more > 0 { format!("{} and {more} more", first.join(", ")) } else { first.join(", ") }
}
