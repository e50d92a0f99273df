//! `local-runner finish`: sets groups, configs and ACLs after all records are restored.

use anyhow::{Context, Result};
use config::FinishPart;
use host::Budget;
use kernel::Deadline;
use restore_batch::{AclsReport, FinishReport, FinishRequest, GroupReport, OffsetReport, State};

use crate::cli::FinishArgs;
use crate::output::{Output, counted, table, with_lines};
use crate::setup::{self, Screen};

/// Shows the changes, or makes them. Returns whether nothing is left.
pub(crate) async fn run(args: &FinishArgs, output: &Output) -> Result<bool> {
    let settings = setup::restore_settings(args.config.path(), Screen::plain(output))?;
    let budget = Budget::unlimited(settings.memory_limit);
    let restore = setup::restore(settings, &budget, &Deadline::unset()).await?;
    let parts = if args.only.is_empty() { FinishPart::ALL.into() } else { args.only.iter().copied().collect() };
    let finish = restore.finisher().context("this restore has no cluster to change")?;
    let report = finish.run(&FinishRequest { parts, apply: args.apply, undo: args.undo }).await?;
    output.result(&report, |report| report_text(report, args.by_partition));
    Ok(report.succeeded)
}

fn report_text(report: &FinishReport, by_partition: bool) -> String {
    let mut parts = Vec::new();
    if !report.groups.is_empty() {
        parts.push(if by_partition { offsets_table(report) } else { groups_table(report) });
    }
    if !report.configs.is_empty() {
        parts.push(configs_table(report, by_partition));
    }
    parts.extend(acls(&report.acls, report.undo));
    let text = with_lines(parts.join("\n"), "note", &report.notes);
    let text = with_lines(text, "left", &report.left);
    let text = report.commands.iter().fold(text, |text, command| format!("{text}\n  {command}"));
    with_lines(text, end(report), &[summary(report)]).trim_start_matches('\n').to_owned()
}

fn end(report: &FinishReport) -> &'static str {
    match (report.applied, report.succeeded) {
        (false, _) => "nothing was changed",
        (true, true) => "done",
        (true, false) => "incomplete",
    }
}

fn summary(report: &FinishReport) -> String {
    let offsets = report.groups.iter().flat_map(|group| &group.offsets);
    let count = |wanted: State| offsets.clone().filter(|one| one.state == wanted).count();
    let configs = |wanted: State| report.configs.iter().filter(|one| one.state == wanted).count();
    let acls = |wanted: State| if report.acls.state == wanted { report.acls.changed } else { 0 };
    let of = |state: State| {
        let (count, configs, acls) = (count(state), configs(state), acls(state));
        let acls = if acls == 1 { "1 ACL entry".to_owned() } else { format!("{acls} ACL entries") };
        format!("{}, {}, {acls}", counted(count, "group offset"), counted(configs, "config"))
    };
    let what = if report.undo { "would undo" } else { "would set" };
    let left = if report.left.is_empty() { String::new() } else { format!("; {} left, see above", report.left.len()) };
    if report.applied { of(State::Done) + &left } else { format!("{what} {}{left}. Add --apply to change them", of(State::ToDo)) }
}

fn state(state: State, why: Option<&str>) -> String {
    match (state, why) {
        (State::AsItShouldBe, _) => "already correct".to_owned(),
        (State::ToDo, _) => "to do".to_owned(),
        (State::Done, _) => "done".to_owned(),
        (State::Left, why) => format!("left: {}", why.unwrap_or("see below")),
    }
}

fn state_of(one: &OffsetReport) -> String {
    let repeated = if one.may_repeat > 0 { format!("; up to {} records may repeat", one.may_repeat) } else { String::new() };
    state(one.state, one.why.as_deref()) + &repeated
}

/// A row for each group on each topic.
fn groups_table(report: &FinishReport) -> String {
    let rows = report.groups.iter().filter(|group| !group.offsets.is_empty()).map(|group| {
        let lag: i64 = group.offsets.iter().map(|one| one.lag).sum();
        match &group.offsets[..] {
            [one] => [group.group.clone(), from(group, one), to(group, one), lag.to_string(), state_of(one)],
            all => {
                let count = all.len();
                [group.group.clone(), format!("{}: {count} partitions", source(group)), group.target.clone(), lag.to_string(), summed(all)]
            }
        }
    });
    table(["GROUP", "FROM", "TO", "LAG", "STATE"], rows)
}

fn summed(all: &[OffsetReport]) -> String {
    let count = |state: State| all.iter().filter(|one| one.state == state).count();
    let states = [(State::ToDo, "to do"), (State::Done, "done"), (State::AsItShouldBe, "already correct"), (State::Left, "left")];
    let words = states.into_iter().filter(|(state, _)| count(*state) > 0).map(|(state, words)| format!("{} {words}", count(state)));
    let repeated: i64 = all.iter().map(|one| one.may_repeat).sum();
    let repeated = if repeated > 0 { format!("; up to {repeated} records may repeat") } else { String::new() };
    words.collect::<Vec<_>>().join(", ") + &repeated
}

fn offsets_table(report: &FinishReport) -> String {
    let rows = report.groups.iter().flat_map(|group| {
        group.offsets.iter().map(move |one| [group.group.clone(), from(group, one), to(group, one), one.lag.to_string(), state_of(one)])
    });
    table(["GROUP", "FROM", "TO", "LAG", "STATE"], rows)
}

/// An undo has no source: what it restores was in the target.
fn source(group: &GroupReport) -> &str {
    if group.source.is_empty() { &group.target } else { &group.source }
}

fn from(group: &GroupReport, one: &OffsetReport) -> String {
    format!("{}/{} {}", source(group), one.partition, one.from)
}

fn to(group: &GroupReport, one: &OffsetReport) -> String {
    one.to.map_or_else(|| "-".to_owned(), |to| format!("{}/{} {to}", group.target, one.partition))
}

/// A row for each change. Without `each`, the same change of several topics is one row: mostly
/// restore's own configs, which all topics lose. What is left is never summed.
fn configs_table(report: &FinishReport, each: bool) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(broker default)".to_owned());
    let mut rows: Vec<(Vec<&str>, [String; 4])> = Vec::new();
    for one in &report.configs {
        let change = [one.name.clone(), value(&one.from), value(&one.to), state(one.state, one.why.as_deref())];
        let is_summed = !each && one.state != State::Left;
        match rows.iter_mut().find(|(_, same)| is_summed && *same == change) {
            Some((topics, _)) => topics.push(&one.topic),
            None => rows.push((vec![one.topic.as_str()], change)),
        }
    }
    let topics = |topics: &[&str]| match topics {
        [one] => (*one).to_owned(),
        several => counted(several.len(), "topic"),
    };
    let rows = rows.into_iter().map(|(of, [name, from, to, state])| [topics(&of), name, from, to, state]);
    table(["TOPIC", "CONFIG", "FROM", "TO", "STATE"], rows)
}

fn acls(acls: &AclsReport, undo: bool) -> Option<String> {
    if acls.changed == 0 && acls.as_they_should_be == 0 {
        return None;
    }
    let sign = if undo { '-' } else { '+' };
    let rest = if acls.as_they_should_be > 0 { format!(", {} already correct", acls.as_they_should_be) } else { String::new() };
    let text = format!("ACL entries: {sign}{}{rest}: {}", acls.changed, state(acls.state, None));
    let rows = acls.principals.iter().map(|one| [one.principal.clone(), one.hosts.join(" "), format!("{sign}{}", one.entries)]);
    Some(if acls.principals.is_empty() { text } else { format!("{}\n{text}", table(["PRINCIPAL", "HOSTS", "ENTRIES"], rows)) })
}

#[cfg(test)]
mod tests {
    use restore_batch::ConfigReport;

    use super::*;

    #[test]
    fn the_same_change_of_several_topics_is_one_row_unless_it_is_left() {
        let of = |topic: &str, name: &str, state: State| ConfigReport {
            topic: topic.to_owned(),
            name: name.to_owned(),
            from: Some("-1".to_owned()),
            state,
            ..ConfigReport::default()
        };
        let configs = vec![
            of("orders", "retention.ms", State::ToDo),
            of("bills", "retention.ms", State::ToDo),
            of("orders", "retention.bytes", State::Left),
            of("bills", "retention.bytes", State::Left),
        ];
        let report = FinishReport { configs, ..FinishReport::default() };
        let text = configs_table(&report, false);
        assert_eq!((text.lines().count(), text.matches("2 topics").count()), (4, 1), "{text}");
        let each = configs_table(&report, true);
        assert_eq!((each.lines().count(), each.matches("2 topics").count()), (5, 0), "{each}");
    }
}
