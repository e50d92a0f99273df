//! The local adapter: runs the same handlers as the clouds do, for development and for people with no cloud.
//!
//! | file | what it does |
//! |---|---|
//! | `cli.rs` | the command line |
//! | `backup.rs`, `restore.rs`, `rounds.rs` | the handlers in a loop, once, or until caught up |
//! | `finish.rs` | what is left to do when a restore is at its end |
//! | `list.rs`, `snapshots.rs`, `verify/`, `show.rs` | what is in the bucket; which snapshots; is it whole; what is in a segment |
//! | `places.rs` | where something is, and where something should be, as topic.json and snapshots say |
//! | `against.rs` | the bucket beside Kafka |
//! | `status/` | how old what is safe is |
//! | `patience.rs` | which errors of those are noted, and which end them |
//! | `translate.rs` | where offsets of the source are in a restored topic |
//! | `cost/` | what a month costs: prices, formula, command |
//! | `demo.rs` | everything once, on an embedded broker and a temporary folder |
//! | `output.rs`, `progress.rs` | reports on stdout, progress bars on a terminal |

mod against;
mod backup;
mod check;
mod cli;
mod cost;
mod demo;
mod finish;
mod list;
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
use cli::Command;
use output::Output;

/// Exit code for bad usage or configuration; clap uses the same.
const USAGE: u8 = 2;

/// Exit code of a command that ran well, and whose answer is no.
const NO: u8 = 3;

/// Reads the command line, or returns the exit code that ends the program: after `--help`, `--version` and bad usage.
///
/// # Errors
/// There is nothing to run.
pub fn parse() -> Result<Cli, ExitCode> {
    let told = match Cli::try_parse() {
        Ok(cli) => return Ok(cli),
        Err(told) => told,
    };
    let printed = told.print();
    if told.use_stderr() {
        return Err(ExitCode::from(USAGE)); // A closed stderr is no failure.
    }
    output::note(printed);
    Err(if Output::new(false).is_unwritable() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs a command. 0: done; 1: failed; 2: bad usage or configuration, and nothing was started; 3: the answer is no.
pub async fn run(cli: Cli) -> ExitCode {
    let output = Output::new(cli.json);
    let done = match cli.command {
        None => demo::run(&output).await,
        Some(Command::Backup { config, mode }) => backup::run(config.as_deref(), mode.into(), &output).await,
        Some(Command::Check { config }) => check::run(config.as_deref(), &output).await,
        Some(Command::Plan { config, by_partition }) => restore::plan(config.as_deref(), by_partition, &output).await,
        Some(Command::Restore { config, by_partition, mode }) => restore::run(config.as_deref(), mode.into(), by_partition, &output).await,
        Some(Command::Finish(args)) => finish::run(&args, &output).await,
        Some(Command::List { bucket, snapshots: true, all, .. }) => snapshots::run(&bucket, all, &output).await,
        Some(Command::List { bucket, segments, .. }) => list::run(&bucket, segments, &output).await,
        Some(Command::Verify(args)) => verify::run(&args, &output).await,
        Some(Command::Status(args)) => match status::run(&args, &output).await {
            Ok(status::Answer::TooOld) if !output.is_unwritable() => return ExitCode::from(NO),
            other => other.map(|_| true),
        },
        Some(Command::Show { bucket, object, records }) => show::run(bucket, &object, records, &output).await,
        Some(Command::Translate { arguments }) => translate::run(&arguments, &output).await,
        Some(Command::Cost(args)) => cost::run(&args, &output),
    };
    match done {
        Ok(true) if !output.is_unwritable() => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output.error(&error);
            match error.downcast_ref::<ConfigError>() {
                Some(_) => ExitCode::from(USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}
