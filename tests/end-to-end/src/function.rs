//! `backup-batch` and `restore-batch` as processes, in the environment of a platform.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::runner::program;

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `backup-batch`.
    Backup,
    /// `restore-batch`.
    Restore,
}

impl Function {
    /// The program's name, which is also that of the function.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup-batch",
            Self::Restore => "restore-batch",
        }
    }

    /// The program, with an empty environment.
    pub fn command(self) -> Command {
        let mut command = Command::new(self.program());
        command.env_clear().stdin(Stdio::null());
        command
    }

    /// FUNCTION_PROGRAMS is a folder with the programs, for example of a package. Without it they
    /// are built.
    fn program(self) -> PathBuf {
        std::env::var_os("FUNCTION_PROGRAMS").map_or_else(|| program(self.name()), |folder| PathBuf::from(folder).join(self.name()))
    }
}

/// The environment variables of a function.
pub type Variables = Vec<(String, String)>;

/// A running function. It is killed when dropped. During a panic its log is shown.
#[derive(Debug)]
pub struct Process {
    child: Child,
    folder: TempDir,
    /// When it was started.
    pub started: Instant,
}

impl Process {
    /// Starts the function with these variables and no others.
    pub fn start(function: Function, variables: &Variables, of_the_platform: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = |name: &str| File::create(folder.path().join(name)).expect("the temporary folder can be written");
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let mut command = function.command();
        command.envs(variables.iter().cloned()).envs(of_the_platform.iter().copied()).stdout(stdout).stderr(stderr);
        let started = Instant::now();
        let child = command.spawn().expect("the function starts");
        Self { child, folder, started }
    }

    /// Everything it has written to stdout and stderr so far.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("stdout") + &read("stderr")
    }

    /// The most memory it ever had resident, in bytes (VmHWM of proc_pid_status(5)).
    ///
    /// # Panics
    /// When it has ended.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the function runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a running process has memory");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Asks it to stop, and waits for its end. Returns whether it exited with 0.
    pub fn stop(&mut self) -> bool {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill starts");
        assert!(asked.success(), "the function has ended already");
        self.child.wait().expect("it was started").success()
    }

    /// Kills it, as a platform does at the deadline.
    pub fn kill(&mut self) {
        // It may have ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Process {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the function's log:\n{}", self.log());
        }
    }
}

/// A port that no process uses at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has ports");
    listener.local_addr().expect("it is bound").port()
}

/// Polls `ready` until it is true.
///
/// # Panics
/// After a minute.
#[track_caller]
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
}
