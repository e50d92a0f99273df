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

#[allow(clippy::trivially_copy_pass_by_ref)] // serde requires it
fn is_zero(count: &u64) -> bool {
    *count == 0
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
        0 if one.partition.is_some() && one.segments == 0 && one.python_archives == 0 => "nothing stored".to_owned(),
        0 if !one.warnings.is_empty() => counted(one.warnings.len() as u64, "WARNING").to_uppercase(),
        0 if one.not_read > 0 => format!("intact, {} not read", one.not_read),
        0 => "intact".to_owned(),
        problems => counted(problems as u64, "PROBLEM").to_uppercase(),
    }
}
