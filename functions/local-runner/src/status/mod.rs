//! `local-runner status`: the recovery point of each topic. Reads only the bucket, so it also works
//! when the cluster is lost.
//!
//! The recovery point of a topic is the time of the newest snapshot whose log ends are in the
//! bucket. What was backed up lately is compared with the names of the topics' folders and of the
//! newest snapshot.
//!
//! | file | what it does |
//! |---|---|
//! | `history.rs` | the snapshots of a series, newest first |
//! | `missing.rs` | what was backed up lately and is missing by name |
//! | `reached.rs` | how far each chain reaches, compared with a snapshot |
//! | `still.rs` | partitions that do not advance while others do |
//! | `prometheus.rs` | the metrics as a file for node_exporter |

mod history;
mod missing;
mod prometheus;
mod reached;
mod still;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use anyhow::{Result, bail};
use archive::catalog::{Snapshot, Snapshots};
use kernel::clock::{self, Millis};
use serde::Serialize;
use store::ObjectStore;

use self::history::History;
use self::missing::Losses;
use self::reached::{Reached, Verdict};
use crate::cli::StatusArgs;
use crate::output::{Output, counted, moment, table, with_lines, with_problems};
use crate::setup::{self, Screen};

/// Whether the backup is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing is known to be missing, and no recovery point is older than --max-age.
    Safe,
    /// At least one is older.
    TooOld,
    /// Something that was backed up is missing.
    Missing,
}

/// The backups of one cluster by one GROUP_ID.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    /// Prefix of the names of its snapshots.
    pub(crate) series: String,
    /// Id of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster_id: Option<String>,
    /// GROUP_ID of the backup.
    pub(crate) group_id: String,
    /// Moment of the newest snapshot, rounded up to a second: the last known run of this backup.
    pub(crate) last_snapshot: String,
    /// Seconds since then.
    pub(crate) snapshot_age_seconds: i64,
    /// Age of the oldest recovery point of all topics.
    pub(crate) recovery_point_seconds: i64,
    /// Offsets not in the bucket, by the newest snapshot and the chains.
    pub(crate) lag_records: i64,
    /// Offsets held by open transactions.
    pub(crate) held_by_transactions: i64,
    /// One for each topic.
    pub(crate) topics: Vec<TopicStatus>,
    /// What the reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// What was backed up and is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
}

/// A topic.
#[derive(Debug, Serialize)]
pub(crate) struct TopicStatus {
    /// Its name.
    pub(crate) topic: String,
    /// Its partitions.
    pub(crate) partitions: i32,
    /// The moment of the newest snapshot of which everything is in the bucket, rounded up to a
    /// second: RESTORE_AS_OF at this time finds it. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recovery_point: Option<String>,
    /// Seconds since then; without a recovery point, since the first snapshot of the topic.
    pub(crate) recovery_point_seconds: i64,
    /// Offsets not in the bucket.
    pub(crate) lag_records: i64,
    /// Offsets held by open transactions. Not part of the lag.
    pub(crate) held_by_transactions: i64,
    /// Offsets deleted from the log before they were backed up.
    pub(crate) lost_records: i64,
    /// What the reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// Shows the recovery points.
pub(crate) async fn run(args: &StatusArgs, output: &Output) -> Result<Answer> {
    let bucket = setup::bucket(&args.bucket_args(), Screen::plain(output)).await?;
    let now = clock::system().now();
    let all = look(&bucket.store, bucket.group.as_deref(), now).await?;
    if all.is_empty() {
        let of = bucket.group.as_ref().map_or_else(String::new, |group| format!(" by GROUP_ID {group:?}"));
        bail!(
            "no snapshot of a cluster{of} at {}. backup stores one every SNAPSHOT_SECONDS: did it run with this bucket?",
            bucket.store.location("")
        );
    }
    if let Some(file) = &args.prometheus {
        prometheus::write(file, &all)?;
    }
    for status in &all {
        output.result(status, text);
    }
    if all.iter().any(|status| !status.problems.is_empty()) {
        return Ok(Answer::Missing);
    }
    let oldest = all.iter().map(|status| status.recovery_point_seconds).max().unwrap_or(i64::MAX);
    let limit = args.max_age.map_or(i64::MAX, |limit| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX));
    if oldest > limit {
        output.answer(&format!("too old: the oldest recovery point is {}, and --max-age is {}", age(oldest), age(limit)));
    }
    Ok(if oldest > limit { Answer::TooOld } else { Answer::Safe })
}

/// Each series that has a snapshot.
pub(crate) async fn look(store: &Arc<dyn ObjectStore>, group: Option<&str>, now: Millis) -> Result<Vec<Status>> {
    let mut found = Vec::new();
    for series in Snapshots::of(store.as_ref()).series().await? {
        let mut history = History::of(store.as_ref(), &series, now).await?;
        let Some(newest) = history.read(0).await? else { continue };
        if group.is_none_or(|group| newest.group_id == group) {
            found.push(status_of(store, series, history, newest, now).await?);
        }
    }
    Ok(found)
}

async fn status_of(
    store: &Arc<dyn ObjectStore>,
    series: String,
    mut history: History<'_>,
    newest: Arc<Snapshot>,
    now: Millis,
) -> Result<Status> {
    let reached = Reached::of(store, &newest).await?;
    let points = recovery_points(&mut history, &reached).await?;
    let losses = Losses::look(store.as_ref(), &series, history.newest_days(), now).await?;
    let seconds = |at: Millis| (now - at).max(0) / 1000;
    let mut topics = Vec::new();
    for (name, topic) in &newest.topics {
        let mut point = points.get(name).copied().unwrap_or(Point { reached: None, known_since: newest.until });
        let is_lost = losses.folders_of(topic).next().is_some();
        point.reached = point.reached.filter(|_| !is_lost);
        let (lag, held, lost, mut notes) = reached.numbers(name);
        notes.extend(topic.why.clone());
        notes.extend(losses.folders_of(topic).map(|folder| format!("{folder}/ is missing")));
        if point.reached.is_none() && !is_lost {
            notes.push(format!("no snapshot of it is complete in the bucket: {}", why_none(&reached, name)));
        }
        topics.push(TopicStatus {
            topic: name.clone(),
            partitions: topic.partition_count,
            recovery_point: point.reached.map(moment),
            recovery_point_seconds: seconds(point.reached.unwrap_or(point.known_since)),
            lag_records: lag,
            held_by_transactions: held,
            lost_records: lost,
            notes,
        });
    }
    let mut notes: Vec<String> = history.notes().to_vec();
    let (snapshot_age, every) = (seconds(newest.until), i64::try_from(newest.interval_seconds).unwrap_or(i64::MAX));
    if snapshot_age > every.saturating_mul(2).saturating_add(60) {
        notes.push(format!(
            "the newest snapshot is {} old, and one is due every {}: is the backup running?",
            age(snapshot_age),
            age(every)
        ));
    }
    notes.extend(still::note(&mut history, &newest, &reached).await?);
    Ok(Status {
        series,
        cluster_id: newest.cluster_id.clone(),
        group_id: newest.group_id.clone(),
        last_snapshot: moment(newest.until),
        snapshot_age_seconds: snapshot_age,
        recovery_point_seconds: topics.iter().map(|topic| topic.recovery_point_seconds).max().unwrap_or(snapshot_age),
        lag_records: topics.iter().map(|topic| topic.lag_records).sum(),
        held_by_transactions: topics.iter().map(|topic| topic.held_by_transactions).sum(),
        topics,
        notes,
        problems: losses.told(),
    })
}

/// Why a topic has no recovery point. Lost segments and a backup that has not caught up look alike:
/// both end before the log did.
fn why_none(reached: &Reached, topic: &str) -> String {
    let behind = reached.behind(topic).map_or_else(String::new, |behind| format!("{behind}. "));
    format!("{behind}The topic is new, its backup has not caught up, or segments are missing: run verify")
}

/// The recovery point of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    /// The time of the newest snapshot whose log ends are reached.
    reached: Option<Millis>,
    /// The time of the oldest snapshot of the topic that was read.
    known_since: Millis,
}

/// Log ends only grow: if those of a snapshot are reached, so are those of all older ones. So an
/// exponential search, then a binary one. A snapshot is read once for all topics.
async fn recovery_points(history: &mut History<'_>, reached: &Reached) -> Result<BTreeMap<String, Point>> {
    let mut verdicts: BTreeMap<usize, Verdicts> = BTreeMap::new();
    let mut points = BTreeMap::new();
    for topic in reached.topics() {
        // Snapshots from `open` on are unknown. The one at `settled` ends the search: reached, of
        // another generation of the topic, or absent.
        let (mut open, mut leap, mut settled) = (0, 1, None);
        let mut known_since = None;
        while settled.is_none_or(|settled| open < settled) {
            let at = settled.map_or(open + leap - 1, |settled| usize::midpoint(open, settled));
            let Some(verdict) = verdict_at(history, reached, &mut verdicts, at, topic).await? else {
                // The series ends before it.
                settled = Some(history.len().await?);
                continue;
            };
            if verdict.0 == Verdict::NotReached {
                (open, leap, known_since) = (at + 1, leap * 2, Some(verdict.1));
            } else {
                settled = Some(at);
            }
        }
        let found = verdict_at(history, reached, &mut verdicts, open, topic).await?;
        let point = found.filter(|found| found.0 == Verdict::Reached).map(|found| found.1);
        let known_since = known_since.or(point).unwrap_or(reached.until);
        points.insert(topic.to_owned(), Point { reached: point, known_since });
    }
    Ok(points)
}

/// The verdict of a snapshot on each topic, and its time.
type Verdicts = (BTreeMap<String, Verdict>, Millis);

async fn verdict_at(
    history: &mut History<'_>,
    reached: &Reached,
    verdicts: &mut BTreeMap<usize, Verdicts>,
    at: usize,
    topic: &str,
) -> Result<Option<(Verdict, Millis)>> {
    if let Entry::Vacant(unknown) = verdicts.entry(at) {
        let Some(snapshot) = history.read(at).await? else { return Ok(None) };
        unknown.insert((reached.judge(&snapshot), snapshot.until));
    }
    Ok(verdicts.get(&at).map(|(of, until)| (of.get(topic).copied().unwrap_or(Verdict::Other), *until)))
}

fn text(status: &Status) -> String {
    let rows = status.topics.iter().map(|topic| {
        [
            topic.topic.clone(),
            topic.partitions.to_string(),
            match topic.recovery_point {
                Some(_) => age(topic.recovery_point_seconds),
                None => format!("none for {}", age(topic.recovery_point_seconds)),
            },
            topic.recovery_point.clone().unwrap_or_else(|| "-".to_owned()),
            topic.lag_records.to_string(),
            topic.held_by_transactions.to_string(),
            topic.lost_records.to_string(),
            topic.notes.join("; "),
        ]
    });
    let text = table(["TOPIC", "PARTITIONS", "RECOVERY POINT", "AS OF", "LAG", "HELD", "LOST", "NOTES"], rows);
    let text = with_problems(with_lines(text, "note", &status.notes), status.problems.iter());
    let safe = status.topics.iter().filter(|topic| topic.recovery_point.is_some()).count();
    let (all, point) = (status.topics.len(), age(status.recovery_point_seconds));
    let cluster = status.cluster_id.as_deref().unwrap_or("(no id)");
    let mut line = match safe == all {
        true => format!("{} safe, recovery point {point}", counted(all as u64, "topic")),
        false => format!("{safe} of {} safe; the others are incomplete in the bucket", counted(all as u64, "topic")),
    };
    if !status.problems.is_empty() {
        line += &format!("; {}, see above: run verify", counted(status.problems.len() as u64, "problem"));
    }
    let (last, ago) = (&status.last_snapshot, age(status.snapshot_age_seconds));
    let last = format!("cluster {cluster}, GROUP_ID {}: last snapshot {ago} ago, as of {last}", status.group_id);
    format!("{}\n{last}", with_lines(text, "status", &[line]))
}

/// `41 s`, `12 m`, `3 h 20 m`, `2 d 4 h`.
pub(crate) fn age(seconds: i64) -> String {
    let [minutes, hours, days] = [60, 3_600, 86_400].map(|unit| seconds / unit);
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} m"),
        7_200..172_800 => format!("{hours} h {} m", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests;
