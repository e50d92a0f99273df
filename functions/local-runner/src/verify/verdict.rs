//! The result of one partition, and its row.

use serde::Serialize;

use crate::output::{counted, table, with_lines, with_problems};

/// The result of one partition.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    pub(crate) folder: String,
    /// The generation as in `--topic` and BACKUP_TOPIC_NAME.
    pub(crate) name: String,
    /// Absent if the partitions of a topic cannot be listed.
    pub(crate) partition: Option<i32>,
    pub(crate) segments: u64,
    pub(crate) records: u64,
    pub(crate) python_archives: u64,
    /// Segments and archives whose records an option excluded.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) not_read: u64,
    /// Offsets that were deleted from Kafka before a backup could read them. Recorded in the
    /// manifests; the bucket is not damaged.
    pub(crate) recorded_gaps: Vec<String>,
    /// What a restore will not have, although the bucket is not damaged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// Damaged or missing objects.
    pub(crate) problems: Vec<String>,
}

impl Verdict {
    /// Whether nothing was stored of it, and as far as is known nothing is missing.
    fn is_empty(&self) -> bool {
        let says_nothing = self.problems.is_empty() && self.warnings.is_empty();
        says_nothing && self.partition.is_some() && self.segments == 0 && self.python_archives == 0
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde requires it
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The sum of all verdicts.
#[derive(Debug, Default)]
pub(super) struct Total {
    rows: u64,
    partitions: u64,
    empty: u64,
    records: u64,
    gaps: usize,
    warnings: usize,
    problems: usize,
}

impl Total {
    pub(super) fn add(&mut self, one: &Verdict) {
        self.rows += 1;
        self.partitions += u64::from(one.partition.is_some());
        self.empty += u64::from(one.is_empty());
        self.records += one.records;
        self.gaps += one.recorded_gaps.len();
        self.warnings += one.warnings.len();
        self.problems += one.problems.len();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn is_intact(&self) -> bool {
        self.problems == 0
    }

    /// The last line: the verdict on the bucket. `is_selection`: an option excluded something.
    pub(super) fn line(&self, is_selection: bool) -> String {
        let partitions = counted(self.partitions, "partition");
        if !self.is_intact() {
            return format!("not intact: {}, see above; {partitions} looked at", counted(self.problems, "problem"));
        }
        let verdict = if is_selection { "intact as far as it was read" } else { "intact" };
        let mut line = format!("{verdict}: {partitions}, {}", counted(self.records, "record"));
        if self.empty > 0 {
            line += &format!("; {} empty", self.empty);
        }
        if self.gaps > 0 {
            line += &format!("; {}", counted(self.gaps, "recorded gap"));
        }
        if self.warnings > 0 {
            line += &format!("; {}, see above", counted(self.warnings, "warning"));
        }
        line
    }
}

/// What an option excluded.
#[derive(Debug, Default, Serialize)]
pub(crate) struct LeftOut {
    /// In words, with the option.
    pub(crate) not_verified: Vec<String>,
}

pub(crate) fn left_out_lines(left_out: &LeftOut) -> String {
    left_out.not_verified.iter().map(|line| format!("not verified: {line}")).collect::<Vec<_>>().join("\n")
}

pub(crate) fn verdicts_table(verdicts: &[Verdict]) -> String {
    let text = table(
        ["PARTITION", "SEGMENTS", "PYTHON ARCHIVES", "RECORDS", "RECORDED GAPS", "VERDICT"],
        verdicts.iter().map(|one| {
            [
                one.partition.map_or_else(|| one.name.clone(), |partition| format!("{}/{partition}", one.name)),
                one.segments.to_string(),
                one.python_archives.to_string(),
                one.records.to_string(),
                one.recorded_gaps.join(", "),
                verdict_of(one),
            ]
        }),
    );
    let text = with_lines(text, "warning", verdicts.iter().flat_map(|one| &one.warnings));
    with_problems(text, verdicts.iter().flat_map(|one| &one.problems))
}

pub(super) fn verdict_of(one: &Verdict) -> String {
    match one.problems.len() {
        0 if one.is_empty() => "empty".to_owned(),
        0 if !one.warnings.is_empty() => counted(one.warnings.len() as u64, "warning"),
        0 if one.not_read > 0 => format!("intact, {} not read", one.not_read),
        0 => "intact".to_owned(),
        problems => counted(problems as u64, "problem"),
    }
}
