//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use config::FinishPart;

use crate::cost::CostArgs;
use crate::verify::VerifyArgs;

/// Backs up Apache Kafka topics into object storage and restores them. Without a command: a demo that needs no file and no server.
#[derive(Debug, Parser)]
#[command(
    name = "local-runner",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 bad usage or configuration (nothing was started), 3 the answer is no (status: too old)."
)]
pub struct Cli {
    /// Print reports as one JSON object a line instead of tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Back up the topics of CONFIG; without an option again and again, every RETRY_UPLOAD_SECONDS.
    Backup {
        /// A JSON file with the configuration; environment variables of the same names win, and can be all of it.
        config: Option<PathBuf>,
        /// How long.
        #[command(flatten)]
        mode: ModeArgs,
    },
    /// Look whether a backup of CONFIG would work: which topics it takes, what this user may not do, whether the bucket refuses to replace. Reads no
    /// record. Exit code 1 when something is missing.
    Check {
        /// A JSON file with the configuration; environment variables of the same names win, and can be all of it.
        config: Option<PathBuf>,
    },
    /// Show what a restore would do, and what is in the way of it. Writes nothing. Exit code 1 when something is in the way.
    Plan {
        /// A JSON file with the configuration; environment variables of the same names win, and can be all of it.
        config: Option<PathBuf>,
        /// Show where each partition is cut.
        #[arg(long)]
        by_partition: bool,
    },
    /// Restore a backup. One topic without RESTORE_AS_OF: what is backed up later, too, again and again, every RETRY_SECONDS. Several topics, or with
    /// RESTORE_AS_OF: until all of it is restored.
    Restore {
        /// A JSON file with the configuration; environment variables of the same names win, and can be all of it.
        config: Option<PathBuf>,
        /// Show each partition of several topics, and not only each topic.
        #[arg(long)]
        by_partition: bool,
        /// How long.
        #[command(flatten)]
        mode: ModeArgs,
    },
    /// Show what is left to do when a restore is at its end: offsets of consumer groups, configs of topics, access control lists. With --apply, do it.
    /// Exit code 1 when something is left that cannot be done.
    Finish(FinishArgs),
    /// List topics, partitions and how far their backups reach. Exit code 1 when something could not be read, or was backed up and is missing.
    List {
        /// Where.
        #[command(flatten)]
        bucket: BucketArgs,
        /// List each segment: its name, the offsets it covers, its records and bytes. Exit code 1, too, when one in the middle is missing.
        #[arg(long)]
        segments: bool,
        /// List snapshots of the cluster: the newest of each day and all of the last 24 hours.
        #[arg(long, conflicts_with = "segments")]
        snapshots: bool,
        /// With --snapshots: all of them. Each is read.
        #[arg(long, requires = "snapshots")]
        all: bool,
    },
    /// Read everything and check it: checksums, record batches, chains from offset 0 on without a gap and up to what snapshots say was backed up.
    /// Exit code 1 when something is damaged or missing.
    Verify(VerifyArgs),
    /// Show how old what is safe is, topic by topic, from the snapshots in the bucket: no cluster is asked. Exit code 3 when it is older than --max-age.
    Status(StatusArgs),
    /// Show what is in a segment.
    #[command(allow_missing_positional = true)]
    Show {
        /// A configuration file of backup or restore, or a local folder of backups; without it the environment has to say all.
        bucket: Option<PathBuf>,
        /// The segment's name in the bucket, as `list --segments` prints it: orders/0/00000000000000000000.tar.gz
        object: String,
        /// Print so many of its records, one JSON object a line.
        #[arg(long, value_name = "N", default_value_t = 0)]
        records: u64,
    },
    /// Translate offsets of the source into offsets of the restored topic, for readers that keep them outside of Kafka (Flink, Spark, Connect's sinks). An
    /// offset is the one that the reader would have read next. Exit code 1 when one cannot be translated, 2 when one is not well-formed.
    #[command(override_usage = "local-runner translate [OPTIONS] [CONFIG] [TOPIC/PARTITION:OFFSET]...")]
    Translate {
        /// The configuration of the restore, where it is not in the environment, then offsets: orders/0:5120, orders@1/0:5120. Without any, or for -:
        /// lines of stdin.
        #[arg(value_name = "CONFIG | TOPIC/PARTITION:OFFSET")]
        arguments: Vec<String>,
    },
    /// Estimate what a month of backups costs on AWS and Azure. Without an option: for 1 GB, 100 GB and 1 TB a day.
    Cost(CostArgs),
}

/// What finish does.
#[derive(Debug, Args)]
pub struct FinishArgs {
    /// The configuration of the restore: a JSON file; environment variables of the same names win, and can be all of it.
    pub config: Option<PathBuf>,
    /// Change it. Without this, nothing is changed.
    #[arg(long, visible_alias = "execute")]
    pub apply: bool,
    /// Only these parts.
    #[arg(long, value_name = "groups,configs,acls", value_delimiter = ',', value_parser = part)]
    pub only: Vec<FinishPart>,
    /// Take back what was changed, where it still is as finish has made it. With --apply; without, show it.
    #[arg(long)]
    pub undo: bool,
    /// Show each partition of each group.
    #[arg(long)]
    pub by_partition: bool,
}

fn part(text: &str) -> Result<FinishPart, String> {
    FinishPart::ALL.into_iter().find(|part| part.name() == text).ok_or_else(|| "write groups, configs or acls".to_owned())
}

/// Where the bucket is.
#[derive(Debug, Args)]
pub struct BucketArgs {
    /// A configuration file of backup or restore, or a local folder of backups; without it the environment has to say all.
    pub bucket: Option<PathBuf>,
    /// Only this topic: the newest generation, of each cluster; orders@1 is the first.
    #[arg(long)]
    pub topic: Option<String>,
}

/// What status looks at.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A configuration file of backup, whose GROUP_ID it looks at, or a local folder of backups; without it the environment has to say all.
    pub bucket: Option<PathBuf>,
    /// End with exit code 3 when the recovery point of a topic is older than this: 90s, 15m, 2h.
    #[arg(long, value_name = "AGE", value_parser = duration)]
    pub max_age: Option<Duration>,
    /// Write it in the text format of Prometheus, too, for node_exporter's textfile collector. The file is replaced as a whole.
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
}

impl StatusArgs {
    /// Where the bucket is.
    pub(crate) fn bucket_args(&self) -> BucketArgs {
        BucketArgs { bucket: self.bucket.clone(), topic: None }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no length of time: write 90s, 15m or 2h");
    let length: jiff::SignedDuration = text.parse().map_err(|_| refused())?;
    Duration::try_from(length).map_err(|_| refused())
}

/// How long to run.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct ModeArgs {
    /// Exactly one invocation.
    #[arg(long)]
    once: bool,
    /// Until nothing is left of what was there at the start, part-filled segments included.
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
    /// The time of one invocation of a loop, where TIME_BUDGET_SECONDS says nothing: a partition that returns no records holds its worker for no
    /// longer.
    const OF_A_LOOP: Duration = Duration::from_secs(300);

    /// How long one invocation of a backup may take.
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
    use super::*;

    #[test]
    fn only_a_loop_has_a_time_budget_of_its_own() {
        let [some, five_minutes] = [7, 300].map(|seconds| Some(Duration::from_secs(seconds)));
        let budgets = [Mode::Loop, Mode::Once, Mode::UntilCaughtUp].map(|mode| [mode.time_budget(None), mode.time_budget(some)]);
        assert_eq!(budgets, [[five_minutes, some], [None, some], [None, some]]);
    }
}
