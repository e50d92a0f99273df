use std::iter;

/// An error with those of its causes that add something. An error's own text has the place and what
/// to do; the root cause ("Input/output error", "invalid peer certificate: UnknownIssuer") is often
/// only in its last source.
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
