//! The command line: the same handlers as the cloud functions, and commands that read the bucket.
//!
//! | file | what it does |
//! |---|---|
//! | `cli.rs`, `help.rs` | the command line, its groups and examples |
//! | `generate.rs` | shell completions, manual pages |
//! | `setup.rs` | configuration → handler; starts the log |
//! | `backup.rs`, `restore.rs`, `rounds.rs` | the handlers in a loop, once, or until caught up |
//! | `check.rs`, `finish.rs`, `translate.rs` | before a backup, after a restore, offsets of the source |
//! | `list.rs`, `snapshots.rs`, `groups.rs`, `show.rs` | what is in the bucket |
//! | `verify/`, `against.rs` | whether it is intact; compared with Kafka |
//! | `status/` | recovery points |
//! | `places.rs`, `patience.rs` | where objects should be; which errors end a command |
//! | `cost/` | the monthly cost: prices, formula, command |
//! | `demo.rs` | all of it on an embedded broker and a temporary folder |
//! | `output.rs`, `progress.rs` | results on stdout, progress bars on a terminal |

mod against;
mod backup;
mod check;
mod cli;
mod cost;
mod demo;
mod finish;
mod generate;
mod groups;
mod help;
mod list;
#[cfg(test)]
mod loss_tests;
mod output;
mod patience;
mod places;
mod progress;
mod restore;
mod rounds;
mod setup;
mod show;
mod snapshots;
mod status;
#[cfg(test)]
mod testing;
mod translate;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use config::ConfigError;

pub use cli::Cli;
use cli::{BucketArgs, Command};
use output::Output;

/// Exit code for bad usage or configuration; clap uses the same.
const USAGE: u8 = 2;

/// Exit code of `status` if a recovery point is too old.
const TOO_OLD: u8 = 3;

/// Parses the command line.
///
/// # Errors
/// There is nothing to run: the exit code after `--help`, `--version` or bad usage.
pub fn parse() -> Result<Cli, ExitCode> {
    let refused = match Cli::try_parse() {
        Ok(cli) => return Ok(cli),
        Err(refused) => refused,
    };
    let printed = refused.print();
    if refused.use_stderr() {
        return Err(ExitCode::from(USAGE)); // A closed stderr is no failure.
    }
    output::note(printed);
    Err(if Output::new(false).is_unwritable() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs a command. Exit codes: 0 done; 1 failed, damaged or missing; 2 bad usage or configuration,
/// nothing was started; 3 `status` found a recovery point that is too old.
pub async fn run(cli: Cli) -> ExitCode {
    let output = Output::new(cli.json).quiet(cli.quiet);
    let done = match cli.command {
        None => demo::run(&output).await,
        Some(Command::Backup { config, mode }) => backup::run(config.path(), mode.into(), &output).await,
        Some(Command::Check(config)) => check::run(config.path(), &output).await,
        Some(Command::Plan { config, by_partition }) => restore::plan(config.path(), by_partition, &output).await,
        Some(Command::Restore { config, by_partition, mode }) => restore::run(config.path(), mode.into(), by_partition, &output).await,
        Some(Command::Finish(args)) => finish::run(&args, &output).await,
        Some(Command::List { bucket, groups: true, as_of, .. }) => groups::run(&bucket, as_of, &output).await,
        Some(Command::List { bucket, snapshots: true, all, .. }) => snapshots::run(&bucket, all, &output).await,
        Some(Command::List { bucket, segments, .. }) => list::run(&bucket, segments, &output).await,
        Some(Command::Verify(args)) => verify::run(&args, &output).await,
        Some(Command::Status(args)) => match status::run(&args, &output).await {
            Ok(status::Answer::TooOld) if !output.is_unwritable() => return ExitCode::from(TOO_OLD),
            other => other.map(|answer| answer != status::Answer::Missing),
        },
        Some(Command::Show { bucket, object, records, config }) => {
            show::run(&BucketArgs { bucket, config, topic: None }, &object, records, &output).await
        }
        Some(Command::Translate { arguments, config }) => translate::run(&arguments, config.as_deref(), &output).await,
        Some(Command::Cost(args)) => cost::run(&args, &output),
        Some(Command::Completions { shell }) => generate::completions(shell, &output),
        Some(Command::Man { out }) => generate::man(out.as_deref(), &output),
    };
    match done {
        Ok(true) if !output.is_unwritable() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            output.error(&error);
            match error.downcast_ref::<ConfigError>() {
                Some(_) => ExitCode::from(USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}
