//! Texts of `--help` that are not at a command or an option: the groups of commands, and the
//! examples.

use std::fmt::Write as _;

use clap::Command;
use clap::builder::Styles;

/// Each command in its group, in the order in which an operator needs them. A test compares it with
/// the commands that exist.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Back up", &["check", "backup"]),
    ("Restore", &["plan", "restore", "finish", "translate"]),
    ("Look", &["list", "show", "status", "verify"]),
    ("Operate", &["cost", "completions", "man", "help"]),
];

/// The help of `help`, which clap adds itself.
const HELP: &str = "Print this help, or the help of a command";

pub(crate) const AFTER: &str = "\
Examples:
  local-runner                                          # demo, needs nothing
  local-runner check backup.json
  local-runner backup backup.json --until-caught-up
  local-runner status backup.json --max-age 15m
  local-runner restore restore.json

Keys of the configuration: docs/configuration.md

Exit codes:
  0  done
  1  failed, damaged or missing
  2  bad usage or configuration; nothing was started
  3  status: a recovery point is older than --max-age";

pub(crate) const CHECK: &str = "\
Example:
  local-runner check backup.json";

pub(crate) const BACKUP: &str = "\
Examples:
  local-runner backup backup.json                       # continuously
  local-runner backup backup.json --until-caught-up     # from cron or a systemd timer
  vault-render backup.json | local-runner backup -      # configuration from standard input
  LOG_LEVEL=DEBUG local-runner backup backup.json --once";

pub(crate) const PLAN: &str = "\
Examples:
  local-runner plan restore.json
  RESTORE_AS_OF=2026-11-27T14:00:00Z local-runner plan restore.json --by-partition";

pub(crate) const RESTORE: &str = "\
Examples:
  local-runner plan restore.json                        # first: what it would do
  local-runner restore restore.json
  local-runner restore one-topic.json --until-caught-up";

pub(crate) const FINISH: &str = "\
Examples:
  local-runner finish restore.json                      # shows the changes
  local-runner finish restore.json --apply
  local-runner finish restore.json --only groups --apply
  local-runner finish restore.json --undo --apply";

pub(crate) const TRANSLATE: &str = "\
Examples:
  local-runner translate restore.json orders/0:5120 orders/1:4871
  local-runner translate restore.json < offsets.txt";

pub(crate) const LIST: &str = "\
Examples:
  local-runner list backup.json
  local-runner list /backup --topic orders --segments
  local-runner list restore.json --snapshots            # snapshots; RESTORE_AS_OF takes any time
  local-runner list backup.json --groups                # consumer groups in the newest snapshot";

pub(crate) const SHOW: &str = "\
Examples:
  local-runner show backup.json orders/0/00000000000000000000.tar.gz
  local-runner show /backup orders/0/00000000000000000000.tar.gz --records 10";

pub(crate) const STATUS: &str = "\
Examples:
  local-runner status backup.json
  local-runner status backup.json --max-age 15m         # for a probe: exit code 3 if older
  local-runner status backup.json --prometheus /var/lib/node_exporter/kafka-backup.prom";

pub(crate) const VERIFY: &str = "\
Examples:
  local-runner verify backup.json
  local-runner verify backup.json --quick               # reads no records
  local-runner verify backup.json --sample 5%           # another 5% every day
  local-runner verify backup.json --resume verify.state # continues after an interruption
  local-runner verify backup.json --against-cluster";

pub(crate) const COST: &str = "\
Examples:
  local-runner cost
  local-runner cost --gb-per-day 50 --platform aws --partitions 96";

pub(crate) const COMPLETIONS: &str = "\
Examples:
  local-runner completions bash > ~/.local/share/bash-completion/completions/local-runner
  local-runner completions zsh > ~/.zfunc/_local-runner
  local-runner completions fish > ~/.config/fish/completions/local-runner.fish";

pub(crate) const MAN: &str = "\
Examples:
  local-runner man | man -l -
  local-runner man --out ~/.local/share/man/man1";

/// The help of the program, with its `commands` in groups: clap lists them in one.
pub(crate) fn template(commands: &Command) -> String {
    let styles = Styles::styled();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let about =
        |name: &str| commands.find_subcommand(name).and_then(Command::get_about).map_or_else(|| HELP.to_owned(), ToString::to_string);
    let width = GROUPS.iter().flat_map(|(_, names)| *names).map(|name| name.len()).max().unwrap_or_default();
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        // Writing to a String does not fail.
        _ = write!(text, "\n{header}{group}:{header:#}\n");
        for name in names {
            let space = " ".repeat(width - name.len());
            _ = writeln!(text, "  {literal}{name}{literal:#}{space}  {}", about(name));
        }
    }
    _ = write!(text, "\n{header}Options:{header:#}\n{{options}}{{after-help}}");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory as _;

    use super::*;
    use crate::Cli;

    #[test]
    fn every_command_is_in_exactly_one_group() {
        let mut all = Cli::command();
        all.build();
        let mut commands: Vec<&str> = all.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name).collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        commands.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, commands);
    }

    #[test]
    fn the_help_describes_each_command_in_80_columns() {
        let help = Cli::command().render_long_help().to_string();
        for command in Cli::command().get_subcommands() {
            let about = command.get_about().unwrap().to_string();
            let line = help.lines().find(|line| line.trim_start().starts_with(&format!("{} ", command.get_name()))).unwrap();
            assert!(line.ends_with(&about) && line.chars().count() <= 80, "{line}");
            assert!(command.get_after_help().is_some_and(|help| help.to_string().starts_with("Example")), "{}", command.get_name());
        }
        assert!(help.contains("--quiet") && help.contains("Exit codes"), "{help}");
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(long.is_empty(), "{long:?}");
        assert!(!help.contains('{'), "{help}");
    }

    /// Examples that do not parse would teach the wrong thing.
    #[test]
    fn examples_parse() {
        let mut count = 0;
        let all = [AFTER, CHECK, BACKUP, PLAN, RESTORE, FINISH, TRANSLATE, LIST, SHOW, STATUS, VERIFY, COST, COMPLETIONS, MAN];
        for line in all.iter().flat_map(|text| text.lines()).filter(|line| line.contains("local-runner ")) {
            let (_, command) = line.split_once("local-runner ").unwrap();
            let command = command.split(['#', '<', '>']).next().unwrap().split(" | ").next().unwrap();
            let words = std::iter::once("local-runner").chain(command.split_whitespace());
            if let Err(error) = Cli::command().try_get_matches_from(words) {
                panic!("{line}: {error}");
            }
            count += 1;
        }
        assert!(count > 25, "{count}");
    }
}
