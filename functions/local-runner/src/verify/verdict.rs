//! What was found in one partition, and how it is shown.

use serde::Serialize;

use crate::output::{table, with_lines, with_problems};

/// What was found in one partition.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    pub(crate) folder: String,
    /// The generation as `--topic` and BACKUP_TOPIC_NAME take it.
    pub(crate) name: String,
    /// Absent where the partitions of a topic cannot be listed.
    pub(crate) partition: Option<i32>,
    pub(crate) segments: u64,
    pub(crate) records: u64,
    pub(crate) python_archives: u64,
    /// Segments and archives whose records were not read, because an option says so.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) not_read: u64,
    /// Offsets that a backup could not read any more when it came to them: recorded, and no fault of the bucket.
    pub(crate) recorded_gaps: Vec<String>,
    /// What is no fault of the bucket, and what a restore will not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// What is damaged or missing.
    pub(crate) problems: Vec<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What an option left out.
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
        0 if one.partition.is_some() && one.segments == 0 && one.python_archives == 0 => "nothing stored".to_owned(),
        0 if !one.warnings.is_empty() => format!("{} WARNINGS", one.warnings.len()),
        0 if one.not_read > 0 => format!("sound, {} not read", one.not_read),
        0 => "sound".to_owned(),
        problems => format!("{problems} PROBLEMS"),
    }
}
