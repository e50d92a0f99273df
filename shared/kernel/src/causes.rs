use std::iter;

/// What went wrong: the error, then each of its causes that says something new. An error's own text names the place and what to
/// do; the root cause ("Input/output error", "invalid peer certificate: UnknownIssuer") often stands in the last of its sources only.
pub fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    for cause in iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}
