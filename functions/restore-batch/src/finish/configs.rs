//! Configs of topics: those of the originals, instead of those that a topic needed while it was
//! restored.

use std::collections::BTreeMap;

use archive::Result;
use archive::catalog::{Change, RestoredTopic};
use kafka::{KafkaError, TopicConfigs};
use kernel::in_full;

use super::answers::configs_of;
use super::report::{ConfigReport, FinishReport, State};
use super::retention::{DELETING, Retention};
use super::{Finish, Known};
use crate::configs;
use crate::target::{KEPT, WHILE_RESTORING};
use crate::together::at_once;

/// The configs that a topic gets.
#[derive(Debug)]
pub(super) struct ConfigPlan {
    topic: String,
    /// Those that delete no records.
    harmless: BTreeMap<String, Change<String>>,
    /// The others: only if they delete nothing that was restored, or were requested.
    deleting: BTreeMap<String, Change<String>>,
}

pub(super) fn intents(plans: &[ConfigPlan]) -> BTreeMap<String, BTreeMap<String, Change<String>>> {
    let of = |plan: &ConfigPlan| plan.harmless.iter().chain(&plan.deleting).map(|(name, change)| (name.clone(), change.clone())).collect();
    let all = plans.iter().map(|plan| (plan.topic.clone(), of(plan)));
    all.filter(|(_, changes): &(_, BTreeMap<_, _>)| !changes.is_empty()).collect()
}

impl Finish {
    /// What each topic should get. Changes nothing.
    pub(super) async fn plan_configs(&self, known: &Known, report: &mut FinishReport) -> Result<Vec<ConfigPlan>> {
        let topics: Vec<&RestoredTopic> = known.noted.topics.iter().filter(|topic| !known.gone.contains_key(&topic.target)).collect();
        let targets: Vec<String> = topics.iter().map(|topic| topic.target.clone()).collect();
        let mut now = self.admin.topic_configs(&targets).await?;
        let facts = self.restore.cluster.find_all(&targets).await?;
        let sources = self.restore.sources_of(topics.iter().copied()).await?;
        let (mut plans, mut unknown) = (Vec::new(), BTreeMap::<&str, Vec<String>>::new());
        for (topic, source) in topics.into_iter().zip(sources) {
            let target = &topic.target;
            let Some(has) = configs_of(target, &mut now, report) else { continue };
            let replicas = facts.get(target).and_then(|facts| facts.replication_factor);
            let change = configs::Change::between(source.generation.as_ref(), &has.own, replicas);
            report.notes.extend(change.notes);
            if let Some(why) = source.why_without_configs() {
                unknown.entry(why).or_default().push(format!("{target:?}"));
            }
            let set = change.set.into_iter().map(|(name, value)| (name, Some(value)));
            let delete = change.delete.into_iter().map(|name| (name, None));
            let mut plan = ConfigPlan { topic: target.clone(), harmless: BTreeMap::new(), deleting: BTreeMap::new() };
            for (name, after) in set.chain(delete) {
                match self.change_config(&name, after, &has, known.before.configs.get(target)) {
                    Ok(change) if DELETING.contains(&name.as_str()) => _ = plan.deleting.insert(name, change),
                    Ok(change) => _ = plan.harmless.insert(name, change),
                    Err((after, why)) => {
                        let from = has.own.get(&name).cloned();
                        report.configs.push(ConfigReport {
                            topic: target.clone(),
                            name,
                            from,
                            to: after,
                            state: State::Left,
                            why: Some(why),
                        });
                    }
                }
            }
            self.look_at_retention(known, &mut plan, &has, report).await?;
            for (name, change) in plan.harmless.iter().chain(&plan.deleting) {
                let (from, to) = (change.before.clone(), change.after.clone());
                report.configs.push(ConfigReport { topic: target.clone(), name: name.clone(), from, to, ..ConfigReport::default() });
            }
            plans.push(plan);
        }
        for (why, topics) in unknown {
            let topics = topics.join(", ");
            report.notes.push(format!("the backup has no configs of the original of {topics}: {why}. Each gets the brokers' values"));
        }
        Ok(plans)
    }

    /// From the current value to the original's.
    ///
    /// # Errors
    /// Why it is not changed.
    fn change_config(
        &self,
        name: &str,
        after: Option<String>,
        has: &TopicConfigs,
        earlier: Option<&BTreeMap<String, Change<String>>>,
    ) -> Result<Change<String>, (Option<String>, String)> {
        if !has.effective.contains_key(name) {
            // One unknown config makes Kafka refuse all of a topic's.
            return Err((after, "the target cluster does not know this config".to_owned()));
        }
        let before = has.own.get(name).cloned();
        let is_of_restore = |value: &String| WHILE_RESTORING.contains(&(name, value)) || KEPT.contains(&name) || configs::may_be_set(name);
        let is_ours = match earlier.and_then(|earlier| earlier.get(name)) {
            Some(earlier) => before == earlier.before,
            None => before.as_ref().is_none_or(is_of_restore),
        };
        if !is_ours && !self.restore.settings.is_allowed("configs") {
            let now = before.as_deref().unwrap_or("the brokers' value").to_owned();
            return Err((
                after,
                format!("it is {now}, which neither this restore nor this command has set (RESTORE_ANYWAY=configs replaces it)"),
            ));
        }
        Ok(Change::new(before, after))
    }

    /// Leaves out configs that would delete what was restored.
    async fn look_at_retention(&self, known: &Known, plan: &mut ConfigPlan, has: &TopicConfigs, report: &mut FinishReport) -> Result<()> {
        if plan.deleting.is_empty() {
            return Ok(());
        }
        let retention = Retention::after(&plan.deleting, has);
        let Some(what) = self.would_delete(known, &plan.topic, &retention).await? else { return Ok(()) };
        if self.restore.settings.is_allowed("retention") {
            report.notes.push(format!("topic {:?}: {what} (RESTORE_ANYWAY=retention)", plan.topic));
            return Ok(());
        }
        for (name, change) in std::mem::take(&mut plan.deleting) {
            let why = format!("{what}; RESTORE_ANYWAY=retention sets it anyway");
            let (from, to) = (change.before, change.after);
            report.configs.push(ConfigReport { topic: plan.topic.clone(), name, from, to, state: State::Left, why: Some(why) });
        }
        Ok(())
    }

    pub(super) async fn set_harmless(&self, plans: &[ConfigPlan], report: &mut FinishReport) {
        let set = plans.iter().map(|plan| async move { (plan, self.set(&plan.topic, wanted(&plan.harmless)).await) });
        for (plan, refused) in at_once(set.collect()).await {
            note_outcomes(report, &plan.topic, &plan.harmless, &refused);
        }
    }

    /// All of a topic's at the same time: retention and what it applies to belong together.
    pub(super) async fn set_deleting(&self, plans: &[ConfigPlan], report: &mut FinishReport) {
        let set = plans.iter().map(|plan| async move {
            let refused = match plan.deleting.is_empty() {
                true => Ok(()),
                false => self.admin.alter_configs(&plan.topic, &wanted(&plan.deleting)).await,
            };
            (plan, refused)
        });
        for (plan, refused) in at_once(set.collect()).await {
            let each = |error: KafkaError| plan.deleting.keys().map(|name| (name.clone(), in_full(&error))).collect();
            note_outcomes(report, &plan.topic, &plan.deleting, &refused.map_or_else(each, |()| BTreeMap::new()));
        }
    }

    /// Sets configs of a topic, and returns which were refused, and why. Kafka accepts all or none:
    /// if it refuses, halves are tried, and their halves.
    pub(super) async fn set(&self, topic: &str, changes: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
        let mut refused = BTreeMap::new();
        let mut open = vec![changes];
        while let Some(changes) = open.pop().filter(|changes| !changes.is_empty()) {
            match self.admin.alter_configs(topic, &changes).await {
                Ok(()) => {}
                Err(error) if changes.len() == 1 || error.is_retryable() => {
                    refused.extend(changes.into_keys().map(|name| (name, in_full(&error))));
                }
                Err(_) => {
                    let mut rest = changes;
                    let middle = rest.keys().nth(rest.len() / 2).cloned().unwrap_or_default();
                    let half = rest.split_off(&middle);
                    open.extend([half, rest]);
                }
            }
        }
        refused
    }
}

fn wanted(changes: &BTreeMap<String, Change<String>>) -> BTreeMap<String, Option<String>> {
    changes.iter().map(|(name, change)| (name.clone(), change.after.clone())).collect()
}

/// Records the results of configs of a topic.
pub(super) fn note_outcomes(
    report: &mut FinishReport,
    topic: &str,
    changes: &BTreeMap<String, Change<String>>,
    refused: &BTreeMap<String, String>,
) {
    for one in report.configs.iter_mut().filter(|one| one.topic == topic && one.state == State::ToDo && changes.contains_key(&one.name)) {
        match refused.get(&one.name) {
            Some(why) => (one.state, one.why) = (State::Left, Some(why.clone())),
            None => one.state = State::Done,
        }
    }
}
