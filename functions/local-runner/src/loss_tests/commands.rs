//! The commands. Those of Kafka run their handler once, and print its report as the command does.

use std::cell::RefCell;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Result;
use config::AsOf;
use host::Budget;
use kernel::clock;
use restore_batch::Invocation;
use telemetry::{LogLevel, LogLine, LogStyle, redact};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

use super::site::Site;
use crate::cli::{BucketArgs, StatusArgs, VerifyArgs};
use crate::output::Output;
use crate::status::Answer;
use crate::{TOO_OLD, backup, list, restore, status, testing, verify};

/// The end of a command: the exit code, and everything that it printed or logged.
pub(super) struct Outcome {
    pub(super) code: u8,
    pub(super) text: String,
}

type Ends<'s> = Pin<Box<dyn Future<Output = Outcome> + 's>>;
type Command = for<'s> fn(&'s Site) -> Ends<'s>;

/// The commands, in the order of the table. Each one sees what those before it left.
pub(super) const COMMANDS: [(&str, Command); 10] = [
    ("verify", |site| Box::pin(of(run_verify(site, false)))),
    ("verify --quick", |site| Box::pin(of(run_verify(site, true)))),
    ("list", |site| Box::pin(of(run_list(site)))),
    ("status", |site| Box::pin(of(run_status(site)))),
    ("plan latest", |site| Box::pin(of(run_plan(site, Some(AsOf::Latest))))),
    ("restore latest", |site| Box::pin(of(run_restore(site, Some(AsOf::Latest))))),
    ("plan all", |site| Box::pin(of(run_plan(site, None)))),
    ("restore all", |site| Box::pin(of(run_restore(site, None)))),
    ("backup", |site| Box::pin(of(run_backup(site)))),
    ("verify after it", |site| Box::pin(of(run_verify(site, false)))),
];

thread_local! {
    static LOG: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps warnings of this thread, instead of the log of the process.
pub(super) fn keep_log() -> DefaultGuard {
    let keep = |_, line: &str| LOG.with_borrow_mut(|log| log.push_str(line));
    let log = LogLine::new(LogLevel::Warning, LogStyle::Text { colors: false }, clock::system(), redact::known(), Box::new(keep));
    tracing::subscriber::set_default(tracing_subscriber::registry().with(log))
}

async fn of(command: impl Future<Output = Result<u8>>) -> Outcome {
    LOG.take();
    let (code, mut text) = testing::kept(command).await;
    text += &LOG.take();
    let code = code.unwrap_or_else(|error| {
        text += &format!("error: {error:#}\n");
        1
    });
    Outcome { code, text }
}

fn code(succeeded: bool) -> u8 {
    u8::from(!succeeded)
}

fn bucket(site: &Site) -> BucketArgs {
    BucketArgs { bucket: Some(site.path().to_owned()), ..BucketArgs::default() }
}

async fn run_verify(site: &Site, quick: bool) -> Result<u8> {
    let args = VerifyArgs {
        bucket: bucket(site),
        from_oldest: false,
        against_cluster: false,
        partitions: None,
        since: None,
        sample: None,
        quick,
        resume: None,
    };
    verify::run(&args, &Output::new(false)).await.map(code)
}

async fn run_list(site: &Site) -> Result<u8> {
    list::run(&bucket(site), false, &Output::new(false)).await.map(code)
}

async fn run_status(site: &Site) -> Result<u8> {
    let args =
        StatusArgs { bucket: Some(site.path().to_owned()), config: None, max_age: Some(Duration::from_secs(26 * 3_600)), prometheus: None };
    Ok(match status::run(&args, &Output::new(false)).await? {
        Answer::Safe => 0,
        Answer::TooOld => TOO_OLD,
        Answer::Missing => 1,
    })
}

async fn run_plan(site: &Site, as_of: Option<AsOf>) -> Result<u8> {
    let plan = site.restore(as_of).await.plan().await?;
    Output::new(false).result(&plan, |plan| restore::plan_table(plan, "target:9092", false));
    Ok(code(plan.can_begin()))
}

async fn run_restore(site: &Site, as_of: Option<AsOf>) -> Result<u8> {
    let restore = site.restore(as_of).await;
    let mut report = restore.invoke(&Invocation::new(Budget::unlimited(None))).await?;
    if report.finished_at.is_some() {
        restore.tell_of_newer(&mut report).await;
    }
    Output::new(false).result(&report, |report| restore::report_table(report, false));
    Ok(code(report.succeeded && report.caught_up))
}

async fn run_backup(site: &Site) -> Result<u8> {
    site.continue_writing();
    let report = site.back_up().await;
    Output::new(false).result(&report, backup::report_table);
    Ok(code(report.succeeded))
}
