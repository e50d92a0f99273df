//! `local-runner translate`: where readers that store offsets outside of Kafka continue in a
//! restored topic.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use config::ConfigError;
use host::Budget;
use kernel::Deadline;
use restore_batch::{Place, SourceOffset, TranslatedOffset};
use serde::Serialize;

use crate::output::{Output, Rows, table};
use crate::setup::{self, STDIN, Screen, is_stdin};

/// A translated offset.
#[derive(Debug, Serialize)]
struct Row {
    /// `orders/0:5120`, as given.
    source: String,
    /// `orders-restored/0:5131`; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// `exact`, `at-or-before` or `unknown`.
    certainty: &'static str,
    /// Upper bound of the records that may repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    may_repeat: Option<i64>,
    /// Why it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Translates offsets. Returns whether each of them is known.
pub(crate) async fn run(arguments: &[String], config: Option<&Path>, output: &Output) -> Result<bool> {
    let (config, offsets) = if config.is_some() { (config, arguments) } else { split(arguments) };
    if is_stdin(config) && reads_stdin(offsets) {
        let problem = "standard input is the configuration: give the offsets as arguments".to_owned();
        return Err(ConfigError { problems: vec![problem] }.into());
    }
    let offsets = read(offsets)?;
    let settings = setup::restore_settings(config, Screen::plain(output))?;
    let restore = setup::restore(settings.clone(), &Budget::unlimited(settings.memory_limit), &Deadline::unset()).await?;
    let (mut rows, mut is_known) = (Rows::new(*output), true);
    for translated in restore.translate_offsets(&offsets).await? {
        is_known &= !matches!(translated.place, Place::Unknown(_));
        rows.add(Row::of(translated));
    }
    rows.end(|rows| table(["SOURCE", "TARGET", "PLACE"], rows.iter().map(Row::cells)));
    Ok(is_known)
}

/// Separates CONFIG, which can only be the first argument, from the offsets.
fn split(arguments: &[String]) -> (Option<&Path>, &[String]) {
    match arguments {
        [first, offsets @ ..] if first != STDIN && first.parse::<SourceOffset>().is_err() => (Some(Path::new(first)), offsets),
        offsets => (None, offsets),
    }
}

fn reads_stdin(offsets: &[String]) -> bool {
    offsets.is_empty() || offsets.iter().any(|offset| offset == STDIN)
}

/// The offsets; without any, or for `-`, the lines of standard input.
fn read(arguments: &[String]) -> Result<Vec<SourceOffset>> {
    let mut lines = String::new();
    if reads_stdin(arguments) {
        std::io::stdin().lock().read_to_string(&mut lines).context("cannot read offsets from standard input")?;
    }
    let named = arguments.iter().map(String::as_str).filter(|argument| *argument != STDIN);
    let all = named.chain(lines.lines().map(str::trim).filter(|line| !line.is_empty()));
    let (mut offsets, mut problems) = (Vec::new(), Vec::new());
    for offset in all.map(str::parse) {
        match offset {
            Ok(offset) => offsets.push(offset),
            Err(problem) => problems.push(problem),
        }
    }
    if offsets.is_empty() && problems.is_empty() {
        problems.push("no offsets given: write TOPIC/PARTITION:OFFSET, for example orders/0:5120".to_owned());
    }
    if problems.is_empty() { Ok(offsets) } else { Err(ConfigError { problems }.into()) }
}

impl Row {
    fn of(TranslatedOffset { source, target, place }: TranslatedOffset) -> Self {
        let at = |at: i64| target.as_ref().map(|target| format!("{target}/{}:{at}", source.partition));
        let (target, certainty, may_repeat, why) = match place {
            Place::Exact(exact) => (at(exact), "exact", None, None),
            Place::AtOrBefore { at: before, may_repeat } => (at(before), "at-or-before", Some(may_repeat), None),
            Place::Unknown(why) => (None, "unknown", None, Some(why)),
        };
        Self { source: source.to_string(), target, certainty, may_repeat, why }
    }

    fn cells(&self) -> [String; 3] {
        let place = match (self.may_repeat, &self.why) {
            (Some(0), _) => "at or before; no record repeats".to_owned(),
            (Some(1), _) => "at or before; up to 1 record may repeat".to_owned(),
            (Some(records), _) => format!("at or before; up to {records} records may repeat"),
            (None, Some(why)) => format!("unknown: {why}"),
            (None, None) => self.certainty.to_owned(),
        };
        [self.source.clone(), self.target.clone().unwrap_or_else(|| "-".to_owned()), place]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn arguments(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn the_configuration_comes_first_and_is_optional() {
        for (given, config, offsets) in [
            (arguments(&["dr.json", "orders/0:5"]), Some("dr.json"), 1),
            (arguments(&["orders/0:5", "orders@1/1:7"]), None, 2),
            (arguments(&["-"]), None, 1),
            (arguments(&["dr.json"]), Some("dr.json"), 0),
        ] {
            assert_eq!(split(&given), (config.map(Path::new), &given[given.len() - offsets..]));
        }
    }

    #[test]
    fn every_bad_offset_is_named() {
        let error =
            read(&arguments(&["orders/0:5", "orders/0", "orders/00:5", "orders/0:-1", "a/b/0:5", "/0:5", "orders/0:+5"])).unwrap_err();
        assert_eq!(error.downcast_ref::<ConfigError>().unwrap().problems.len(), 6, "{error}");
        let read = read(&arguments(&["orders/0:5", "orders@2/11:9223372036854775807"])).unwrap();
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["orders/0:5", "orders@2/11:9223372036854775807"]);
    }

    #[test]
    fn a_row_has_its_certainty() {
        let cells = |place| {
            let source = "orders/0:5120".parse().unwrap();
            Row::of(TranslatedOffset { source, target: Some("orders-restored".to_owned()), place }).cells()
        };
        assert_eq!(cells(Place::Exact(5131)), ["orders/0:5120", "orders-restored/0:5131", "exact"]);
        let before = Place::AtOrBefore { at: 5100, may_repeat: 12 };
        assert_eq!(cells(before), ["orders/0:5120", "orders-restored/0:5100", "at or before; up to 12 records may repeat"]);
        assert_eq!(cells(Place::Unknown("gone".to_owned())), ["orders/0:5120", "-", "unknown: gone"]);
    }
}
