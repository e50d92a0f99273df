//! The command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use config::FinishPart;
use jiff::Timestamp;
use kernel::clock::Millis;

use crate::cost::CostArgs;
use crate::help;

/// Back up Kafka topics to object storage; restore them exactly once
///
/// Without a command: a demo on an embedded broker. It needs no configuration and no server.
#[derive(Debug, Parser)]
#[command(
    name = "local-runner",
    version,
    max_term_width = 100,
    help_template = help::template(&Command::augment_subcommands(clap::Command::new("commands"))),
    after_help = help::AFTER
)]
pub struct Cli {
    /// Print reports as JSON, one object per line, instead of tables
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only results, warnings and errors: no progress bars, no reports of success
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands. `help::GROUPS` has each of them in one group.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check topics, rights and bucket before a backup
    ///
    /// Shows which topics CONFIG selects, which rights are missing, and whether the bucket refuses
    /// to overwrite objects. Reads no records. Writes one small object, @check/create-only. Exit
    /// code 1: something is missing.
    #[command(after_help = help::CHECK)]
    Check(ConfigArgs),
    /// Back up topics to object storage
    ///
    /// Runs continuously, every RETRY_UPLOAD_SECONDS, unless --once or --until-caught-up is given.
    /// Ctrl-C or SIGTERM completes the segments in progress, then exits.
    #[command(after_help = help::BACKUP)]
    Backup {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// How long.
        #[command(flatten)]
        mode: ModeArgs,
    },
    /// Show what a restore would do, and what is in the way
    ///
    /// Writes nothing. Exit code 1: something is in the way.
    #[command(after_help = help::PLAN)]
    Plan {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// Show the cut of each partition: the offset at which its restore ends
        #[arg(long)]
        by_partition: bool,
    },
    /// Restore a backup into Kafka, exactly once
    ///
    /// Several topics, or RESTORE_AS_OF: runs until all of it is restored. One topic without
    /// RESTORE_AS_OF: follows the backup, every RETRY_SECONDS, unless --once or --until-caught-up
    /// is given. Killed? Run the same command again: it resumes after the last committed
    /// transaction.
    #[command(after_help = help::RESTORE)]
    Restore {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// Show a row for each partition, not only for each topic
        #[arg(long)]
        by_partition: bool,
        /// How long.
        #[command(flatten)]
        mode: ModeArgs,
    },
    /// Set consumer groups, configs and ACLs after a restore
    ///
    /// Shows what it would change; --apply changes it. Exit code 1: something could not be changed.
    #[command(after_help = help::FINISH)]
    Finish(FinishArgs),
    /// Translate source offsets into offsets of the restored topics
    ///
    /// For readers that store their offsets outside of Kafka: Flink, Spark, Connect sinks. An
    /// offset is the next one that the reader would have read. Exit code 1: an offset cannot be
    /// translated; 2: an offset is malformed.
    #[command(override_usage = "local-runner translate [OPTIONS] [CONFIG] [TOPIC/PARTITION:OFFSET]...", after_help = help::TRANSLATE)]
    Translate {
        /// Configuration of the restore, then offsets: orders/0:5120, orders@1/0:5120. Without
        /// offsets, or with -: reads them from standard input, one per line
        #[arg(value_name = "CONFIG | TOPIC/PARTITION:OFFSET")]
        arguments: Vec<String>,
        /// Configuration of the restore: a JSON file, or - for standard input
        #[arg(long, value_name = "CONFIG")]
        config: Option<PathBuf>,
    },
    /// List partitions, segments, snapshots or groups in the bucket
    ///
    /// Shows how far the backup of each partition reaches. Exit code 1: something is unreadable, or
    /// was backed up and is missing.
    #[command(after_help = help::LIST)]
    List {
        /// Where.
        #[command(flatten)]
        bucket: BucketArgs,
        /// List each segment with its offsets, records and bytes. Also reports segments that are
        /// missing in the middle of a partition
        #[arg(long)]
        segments: bool,
        /// List snapshots of the cluster: those of the last 24 hours, and the newest of each
        /// earlier day
        #[arg(long, conflicts_with = "segments")]
        snapshots: bool,
        /// With --snapshots: list all snapshots. Reads each of them
        #[arg(long, requires = "snapshots")]
        all: bool,
        /// List the consumer groups in the newest snapshot. With --topic: those with offsets in it
        #[arg(long, conflicts_with_all = ["segments", "snapshots"])]
        groups: bool,
        /// With --groups: the newest snapshot at or before TIME: 2026-11-27T14:00:00Z
        #[arg(long, value_name = "TIME", value_parser = moment, requires = "groups")]
        as_of: Option<Millis>,
    },
    /// Show the manifest and the records of a segment
    #[command(allow_missing_positional = true, after_help = help::SHOW)]
    Show {
        /// Configuration of backup or restore, or a local folder with backups
        #[arg(value_name = "CONFIG | FOLDER")]
        bucket: Option<PathBuf>,
        /// Name of the segment, as list --segments prints it: orders/0/00000000000000000000.tar.gz
        object: String,
        /// Print the first N records, one JSON object per line
        #[arg(long, value_name = "N", default_value_t = 0)]
        records: u64,
        /// Configuration of backup or restore: a JSON file, or - for standard input
        #[arg(long, value_name = "CONFIG", conflicts_with = "bucket")]
        config: Option<PathBuf>,
    },
    /// Show the recovery point of each topic
    ///
    /// Reads only the bucket, so it also works when the cluster is lost. Exit code 1: there is no
    /// snapshot, or the newest one or the folder of a topic is missing. Exit code 3: a recovery
    /// point is older than --max-age.
    #[command(after_help = help::STATUS)]
    Status(StatusArgs),
    /// Read the backup and check it for damage and missing segments
    ///
    /// Checks checksums and record batches, and that each partition is complete: from offset 0,
    /// without a gap, to the end that the snapshots recorded. Exit code 1: damaged or missing.
    #[command(after_help = help::VERIFY)]
    Verify(VerifyArgs),
    /// Estimate the monthly cost on AWS and Azure
    ///
    /// Without --gb-per-day: for 1 GB, 100 GB and 1 TB a day.
    #[command(after_help = help::COST)]
    Cost(CostArgs),
    /// Print a completion script for a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands
    #[command(after_help = help::MAN)]
    Man {
        /// Write one page for each command into this folder
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
}

/// A configuration, as an argument or as an option.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// A JSON file, or - for standard input. Environment variables take precedence over it; without
    /// CONFIG they are the configuration
    config: Option<PathBuf>,
    /// The same as CONFIG
    #[arg(id = "config_option", long = "config", value_name = "CONFIG", conflicts_with = "config")]
    option: Option<PathBuf>,
}

impl ConfigArgs {
    /// The file that was named.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.option.as_deref().or(self.config.as_deref())
    }
}

/// What finish does.
#[derive(Debug, Args)]
pub struct FinishArgs {
    /// The configuration of the restore.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Make the changes. Without it, they are only shown
    #[arg(long, visible_alias = "execute")]
    pub apply: bool,
    /// Only these parts
    #[arg(long, value_name = "groups,configs,acls", value_delimiter = ',', value_parser = part)]
    pub only: Vec<FinishPart>,
    /// Restore the values before finish, where no one changed them since. With --apply; without it,
    /// they are only shown
    #[arg(long)]
    pub undo: bool,
    /// Show a row for each partition of each group, and for each config of each topic
    #[arg(long)]
    pub by_partition: bool,
}

fn part(text: &str) -> Result<FinishPart, String> {
    FinishPart::ALL.into_iter().find(|part| part.name() == text).ok_or_else(|| "write groups, configs or acls".to_owned())
}

/// Where the bucket is.
#[derive(Debug, Default, Args)]
pub struct BucketArgs {
    /// Configuration of backup or restore (a JSON file, or - for standard input), or a local folder
    /// with backups. Without it, environment variables are the configuration
    #[arg(value_name = "CONFIG | FOLDER")]
    pub bucket: Option<PathBuf>,
    /// Configuration of backup or restore
    #[arg(long, value_name = "CONFIG", conflicts_with = "bucket")]
    pub config: Option<PathBuf>,
    /// Only this topic: its newest generation of each cluster. orders@1 is the first generation
    #[arg(long)]
    pub topic: Option<String>,
}

impl BucketArgs {
    /// The file or folder that was named.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.config.as_deref().or(self.bucket.as_deref())
    }
}

/// What is verified, and how.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Where.
    #[command(flatten)]
    pub bucket: BucketArgs,
    /// Allow missing oldest segments (for example expired by a lifecycle rule): check from the
    /// oldest segment that exists
    #[arg(long)]
    pub from_oldest: bool,
    /// Also compare with Kafka: topics, ids, partitions, configs, ends. CONFIG is that of a backup.
    /// Topics that this user may not describe are not compared
    #[arg(long)]
    pub against_cluster: bool,
    /// Only these partitions of each topic: 0,4-7
    #[arg(long, value_name = "PARTITIONS", value_parser = partitions)]
    pub partitions: Option<Partitions>,
    /// Read only segments written to the bucket at or after TIME: 2026-11-27T14:00:00Z. Also reads
    /// those of the hour before, because clocks differ. Ignores timestamps of records
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Millis>,
    /// Read only this part of the segments of each partition, at least one. The sample changes
    /// every day (UTC)
    #[arg(long, value_name = "5%", value_parser = percent)]
    pub sample: Option<f64>,
    /// Read no records: check names, sizes, manifests, .sha256 objects, and that nothing is missing
    #[arg(long, conflicts_with_all = ["sample", "resume"])]
    pub quick: bool,
    /// Record intact objects in FILE, and skip those that FILE lists. Resumes an interrupted run;
    /// delete FILE to start over
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
}

/// What status looks at.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Configuration of backup (a JSON file, or - for standard input), whose GROUP_ID is shown, or
    /// a local folder with backups. Without it, environment variables are the configuration
    #[arg(value_name = "CONFIG | FOLDER")]
    pub bucket: Option<PathBuf>,
    /// Configuration of backup
    #[arg(long, value_name = "CONFIG", conflicts_with = "bucket")]
    pub config: Option<PathBuf>,
    /// Exit with code 3 if the recovery point of a topic is older than AGE: 90s, 15m, 2h
    #[arg(long, value_name = "AGE", value_parser = duration)]
    pub max_age: Option<Duration>,
    /// Also write the metrics to FILE in the Prometheus text format, for the textfile collector of
    /// node_exporter. FILE is replaced atomically
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
}

impl StatusArgs {
    /// Where the bucket is.
    pub(crate) fn bucket_args(&self) -> BucketArgs {
        BucketArgs { bucket: self.bucket.clone(), config: self.config.clone(), topic: None }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is not a duration: write 90s, 15m or 2h");
    let length: jiff::SignedDuration = text.parse().map_err(|_| refused())?;
    Duration::try_from(length).map_err(|_| refused())
}

/// The partitions of --partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions(pub(crate) BTreeSet<i32>);

fn partitions(text: &str) -> Result<Partitions, String> {
    /// More than a topic has.
    const MOST: usize = 100_000;
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let refused = || format!("{part:?} is not a partition or a range: write 0,4-7");
        let number = |text: &str| text.trim().parse::<i32>().ok().filter(|number| *number >= 0 && !text.contains('+'));
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = number(first).zip(number(last)).filter(|(first, last)| first <= last).ok_or_else(refused)?;
        if last.abs_diff(first) as usize >= MOST {
            return Err(format!("{part:?} is more than {MOST} partitions"));
        }
        all.extend(first..=last);
    }
    Ok(Partitions(all))
}

fn moment(text: &str) -> Result<Millis, String> {
    let refused = |_| "write a time with its offset from UTC: 2026-11-27T14:00:00Z".to_owned();
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(refused)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    number.filter(|number| *number > 0.0 && *number <= 100.0).ok_or_else(|| "write a percentage above 0: 5% or 0.1%".to_owned())
}

/// How long to run.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct ModeArgs {
    /// Run one invocation, then exit
    #[arg(long)]
    once: bool,
    /// Process everything present at start, then exit. A backup also writes segments that are not
    /// full
    #[arg(long)]
    until_caught_up: bool,
}

/// How long to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Loop,
    Once,
    UntilCaughtUp,
}

impl Mode {
    /// Limit of an invocation of the loop without TIME_BUDGET_SECONDS: a silent partition blocks
    /// its worker no longer.
    const OF_A_LOOP: Duration = Duration::from_secs(300);

    /// Time limit of one invocation of a backup.
    pub(crate) fn time_budget(self, configured: Option<Duration>) -> Option<Duration> {
        configured.or((self == Self::Loop).then_some(Self::OF_A_LOOP))
    }
}

impl From<ModeArgs> for Mode {
    fn from(args: ModeArgs) -> Self {
        match args {
            ModeArgs { once: true, .. } => Self::Once,
            ModeArgs { until_caught_up: true, .. } => Self::UntilCaughtUp,
            _ => Self::Loop,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn partitions_percentages_and_times_are_read() {
        assert_eq!(partitions("0,4-6, 9").unwrap(), Partitions([0, 4, 5, 6, 9].into()));
        for bad in ["", "x", "-1", "4-", "7-4", "1-2-3", "+3", "0-2147483647"] {
            assert!(partitions(bad).is_err(), "{bad}");
        }
        assert_eq!((percent("5%"), percent("0.5%"), percent("100%")), (Ok(5.0), Ok(0.5), Ok(100.0)));
        for bad in ["5", "0%", "101%", "-1%", "NaN%", "inf%", "%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        assert!(moment("2026-11-27T14:00:00Z").is_ok() && moment("2026-11-27").is_err());
    }

    #[test]
    fn only_a_loop_has_a_time_budget_of_its_own() {
        let [some, five_minutes] = [7, 300].map(|seconds| Some(Duration::from_secs(seconds)));
        let budgets = [Mode::Loop, Mode::Once, Mode::UntilCaughtUp].map(|mode| [mode.time_budget(None), mode.time_budget(some)]);
        assert_eq!(budgets, [[five_minutes, some], [None, some], [None, some]]);
    }
}
