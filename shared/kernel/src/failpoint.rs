//! Points at which a process can be killed or stopped, next to each durable step.
//! `tests/crash/at-failpoints` uses every point.
//!
//! Only with the feature `failpoints`; without it `failpoint!` and the rest of this file do
//! nothing. The variable FAILPOINTS sets what happens at which point, in the syntax of the crate
//! `fail`: `backup::segment::after=2*off->return(KILL)` kills at the third pass.

/// Every point. `before` and `after` are directly next to the step.
pub const NAMES: &[&str] = &[
    "backup::topic::before",
    "backup::topic::after",
    "backup::refresh::before",
    "backup::refresh::after",
    "backup::segment::before",
    "backup::segment::after",
    "backup::sidecar::before",
    "backup::sidecar::after",
    "backup::commit::before",
    "backup::commit::after",
    "backup::snapshot::before",
    "backup::snapshot::after",
    "backup::ends::before",
    "backup::ends::after",
    "folder::create::written",
    "folder::create::linked",
    "folder::replace::written",
    "folder::replace::renamed",
    "restore::topic::before",
    "restore::topic::after",
    "restore::identity::before",
    "restore::identity::after",
    "restore::binding::before",
    "restore::binding::after",
    "restore::claim::before",
    "restore::claim::after",
    "restore::init_transactions::before",
    "restore::init_transactions::after",
    "restore::begin::before",
    "restore::begin::after",
    "restore::produce::after",
    "restore::flush::before",
    "restore::flush::after",
    "restore::send_offsets::before",
    "restore::send_offsets::after",
    "restore::commit_transaction::before",
    "restore::commit_transaction::after",
    "restore::checkpoint_create::before",
    "restore::checkpoint_create::after",
    "restore::checkpoint_replace::before",
    "restore::checkpoint_replace::after",
    "restore::done::before",
    "restore::done::after",
    "restore::finished::before",
    "restore::finished::after",
];

/// A point of [`NAMES`].
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::failpoint::reach($name)
    };
}

/// A point of [`NAMES`]; nothing in this build.
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {};
}

#[cfg(feature = "failpoints")]
pub use active::{reach, set_up};

#[cfg(feature = "failpoints")]
mod active {
    use rustix::process::{Signal, getpid, kill_process};

    /// Reads FAILPOINTS, for the life of the process.
    pub fn set_up() {
        std::mem::forget(fail::FailScenario::setup());
    }

    /// Executes FAILPOINTS for this point: `return(KILL)` sends a real SIGKILL, `return(STOP)` a
    /// SIGSTOP, which SIGCONT ends.
    pub fn reach(name: &str) {
        fail::fail_point!(name, |signal: Option<String>| {
            let signal = if signal.as_deref() == Some("STOP") { Signal::STOP } else { Signal::KILL };
            // A process may always send itself a signal.
            let _ = kill_process(getpid(), signal);
            // Another thread may receive it; this one must not continue before all have stopped.
            std::thread::sleep(std::time::Duration::from_secs(1));
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    /// How often each name is used in the sources below `folder`.
    fn uses(folder: &Path, found: &mut BTreeMap<String, u32>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                uses(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                for rest in fs::read_to_string(&path).unwrap().split("failpoint!(\"").skip(1) {
                    *found.entry(rest.split('"').next().unwrap().to_owned()).or_default() += 1;
                }
            }
        }
    }

    #[test]
    fn every_point_is_listed_and_stands_at_one_place() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let mut found = BTreeMap::new();
        uses(&top.join("shared"), &mut found);
        uses(&top.join("functions"), &mut found);
        found.remove(""); // the search itself
        assert_eq!(found, super::NAMES.iter().map(|name| ((*name).to_owned(), 1)).collect());
    }
}
