//! The command line.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use config::FinishPart;
use jiff::Timestamp;
use kernel::clock::Millis;

use crate::cost::CostArgs;

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

/// What is verified, and how.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Where.
    #[command(flatten)]
    pub bucket: BucketArgs,
    /// Accept chains that begin behind offset 0, as an expiry rule of the bucket leaves them: check from the oldest segment on.
    #[arg(long)]
    pub from_oldest: bool,
    /// Compare with Kafka, too: topics, ids, partitions, configs, ends. CONFIG is that of a backup. Run it with rights to describe all: topics that
    /// this user may not describe are not seen.
    #[arg(long)]
    pub against_cluster: bool,
    /// Only these partitions of each topic, for example 0,4-7.
    #[arg(long, value_name = "PARTITIONS", value_parser = partitions)]
    pub partitions: Option<Partitions>,
    /// Read only segments that were written to the bucket at TIME or later (2026-11-27T14:00:00Z). Clocks differ: those of the hour before are read,
    /// too. Timestamps of records do not matter.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Millis>,
    /// Read only so many of the segments of each partition, at least one. They are the same for a day (UTC), and others on the next day.
    #[arg(long, value_name = "5%", value_parser = percent)]
    pub sample: Option<f64>,
    /// Read no records: names, sizes, manifests, whether each segment continues the one before, whether each .sha256 is there, and the inventory.
    #[arg(long, conflicts_with_all = ["sample", "resume"])]
    pub quick: bool,
    /// Note in FILE what is sound, and read nothing again that FILE says is sound. To continue after an interruption: delete FILE to start over.
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
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

/// Partitions that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partitions(pub(crate) BTreeSet<i32>);

fn partitions(text: &str) -> Result<Partitions, String> {
    /// More than a topic has.
    const MOST: usize = 100_000;
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let refused = || format!("{part:?} is no partition and no range of them: write 0,4-7");
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
    let refused = |_| "write a time with its offset from UTC, as in 2026-11-27T14:00:00Z".to_owned();
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(refused)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    number.filter(|number| *number > 0.0 && *number <= 100.0).ok_or_else(|| "write a part of the segments as 5% or 0.1%".to_owned())
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
