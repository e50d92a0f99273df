//! The program under test, `local-runner`: its configuration files, its runs, and kills.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use config::Raw;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kafka::Kafka;
use crate::proxy::{Dialect, Proxy};
use crate::services::{Azurite, Minio};

/// The store of the backups.
#[derive(Debug, Clone)]
pub enum Store {
    /// A folder.
    Folder(PathBuf),
    /// MinIO, under this STORAGE_PREFIX.
    Minio(Minio, String),
    /// MinIO configured as S3, under this STORAGE_PREFIX, with this session token.
    S3(Minio, String, String),
    /// Azurite, under this STORAGE_PREFIX.
    Azurite(Azurite, String),
}

impl Store {
    /// The same store behind the proxy that `start` puts in front of its address.
    ///
    /// # Panics
    /// For a folder, and for an address that is not of this machine's network.
    pub fn behind(&self, start: impl FnOnce(SocketAddr, Dialect) -> Proxy) -> (Self, Proxy) {
        let (url, dialect) = match self {
            Self::Folder(path) => panic!("no requests go to {}", path.display()),
            Self::Minio(minio, _) | Self::S3(minio, ..) => (&minio.endpoint, Dialect::S3),
            Self::Azurite(azurite, _) => (&azurite.connection_string, Dialect::Azure),
        };
        let (_, rest) = url.split_once("http://").expect("an address");
        let authority = rest.split(['/', ';']).next().unwrap_or(rest).to_owned();
        let proxy = start(authority.parse().expect("an IP address and a port"), dialect);
        let mut store = self.clone();
        let url = match &mut store {
            Self::Azurite(azurite, _) => &mut azurite.connection_string,
            Self::Minio(Minio { endpoint, .. }, _) | Self::S3(Minio { endpoint, .. }, ..) => endpoint,
            Self::Folder(_) => return (store, proxy),
        };
        *url = url.replace(&authority, &proxy.address.to_string());
        (store, proxy)
    }

    /// The secret that must never appear in a log.
    pub fn secret(&self) -> String {
        match self {
            Self::Folder(_) => String::new(),
            Self::Minio(minio, _) | Self::S3(minio, ..) => minio.secret_key.clone(),
            Self::Azurite(azurite, _) => {
                let key = azurite.connection_string.split(';').find_map(|part| part.strip_prefix("AccountKey="));
                key.expect("a connection string with a key").to_owned()
            }
        }
    }

    /// The keys of a configuration file.
    fn keys(&self) -> Value {
        match self {
            Self::Folder(path) => json!({"FILESYSTEM_TYPE": "LINUX", "FILESYSTEM_BACKUP_DIR": path}),
            Self::Minio(minio, prefix) => json!({
                "FILESYSTEM_TYPE": "MINIO", "MINIO_URL": minio.endpoint, "BUCKET_NAME": minio.bucket, "STORAGE_PREFIX": prefix,
            }),
            Self::S3(minio, prefix, _) => json!({"FILESYSTEM_TYPE": "S3", "BUCKET_NAME": minio.bucket, "STORAGE_PREFIX": prefix}),
            Self::Azurite(azurite, prefix) => {
                json!({"FILESYSTEM_TYPE": "AZURE", "CONTAINER_NAME": azurite.container, "STORAGE_PREFIX": prefix})
            }
        }
    }

    /// The variables with the credentials.
    fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Folder(_) => Vec::new(),
            Self::Minio(minio, _) => {
                vec![("MINIO_ACCESS_KEY", minio.access_key.clone()), ("MINIO_SECRET_KEY", minio.secret_key.clone())]
            }
            Self::S3(minio, _, token) => vec![
                ("AWS_ENDPOINT_URL_S3", minio.endpoint.clone()),
                ("S3_PATH_STYLE", "true".to_owned()),
                ("AWS_REGION", "us-east-1".to_owned()),
                ("AWS_ACCESS_KEY_ID", minio.access_key.clone()),
                ("AWS_SECRET_ACCESS_KEY", minio.secret_key.clone()),
                ("AWS_SESSION_TOKEN", token.clone()),
            ],
            Self::Azurite(azurite, _) => vec![("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string.clone())],
        }
    }
}

/// A backup and its restores: a temporary folder with the configuration files and, with
/// `Store::Folder`, the backups.
#[derive(Debug)]
pub struct Runner {
    dir: TempDir,
    store: Store,
    bootstrap: String,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code, or the signal that ended it.
    pub status: ExitStatus,
    /// Reports.
    pub stdout: String,
    /// Logs.
    pub stderr: String,
}

impl Outcome {
    /// The same if it exited with 0.
    ///
    /// # Panics
    /// With everything it printed, if not.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{}\nstdout:\n{}\nstderr:\n{}", self.status, self.stdout, self.stderr);
        self
    }

    /// The same if it failed and its output contains all of `words`.
    ///
    /// # Panics
    /// With everything it printed, if not.
    #[track_caller]
    pub fn failed_with(self, words: &[&str]) -> Self {
        let all = format!("{}\nstdout:\n{}\nstderr:\n{}", self.status, self.stdout, self.stderr);
        assert_eq!(self.status.code(), Some(1), "{all}");
        for word in words {
            assert!(all.contains(word), "nothing says {word:?}:\n{all}");
        }
        self
    }

    /// The reports, one for each line of stdout.
    ///
    /// # Panics
    /// When a line is not JSON.
    pub fn reports(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the report {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

impl Runner {
    /// With backups in its own folder.
    pub fn on_folder(kafka: &Kafka) -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let store = Store::Folder(dir.path().join("backups"));
        fs::create_dir(dir.path().join("backups")).expect("a folder in the temporary folder");
        Self { dir, store, bootstrap: kafka.bootstrap.clone() }
    }

    /// With backups in this store.
    pub fn on(kafka: &Kafka, store: Store) -> Self {
        Self { dir: TempDir::new().expect("a temporary folder"), store, bootstrap: kafka.bootstrap.clone() }
    }

    /// The folder that holds the topics' folders, with [`Runner::on_folder`].
    pub fn backups(&self) -> PathBuf {
        self.dir.path().join("backups")
    }

    /// Writes the configuration that backs up `topics` with a group named after the first. It takes
    /// no snapshots, because they would contain the groups of all other tests. `more` are further
    /// keys.
    pub fn backup_config(&self, topics: &[&str], more: Value) -> PathBuf {
        let group = format!("backup-of-{}", topics[0]);
        self.config(
            "backup.json",
            json!({"TOPIC_NAMES": topics, "GROUP_ID": group, "RETRY_UPLOAD_SECONDS": 1, "SNAPSHOT_SECONDS": 0}),
            more,
        )
    }

    /// Writes the configuration that restores `from` into `to`, partition by partition. `more` are
    /// further keys.
    pub fn restore_config(&self, from: &str, to: &str, more: Value) -> PathBuf {
        let keys = json!({
            "BACKUP_TOPIC_NAME": from, "RESTORE_TOPIC_NAME": to, "RESTORE_PARTITION_STRATEGY": "same", "RETRY_SECONDS": 1,
        });
        self.config(&format!("restore-{to}.json"), keys, more)
    }

    /// Writes the restore configuration from the manual of the Python tool, where
    /// FILESYSTEM_BACKUP_DIR is the topic's own folder.
    pub fn config_of_the_python_tool(&self, folder: &Path, to: &str) -> PathBuf {
        let keys = json!({"RESTORE_TOPIC_NAME": to, "RETRY_SECONDS": 100, "RESTORE_PARTITION_STRATEGY": "same"});
        self.config("restore.json", keys, json!({"FILESYSTEM_BACKUP_DIR": folder}))
    }

    fn config(&self, name: &str, keys: Value, more: Value) -> PathBuf {
        let mut all = json!({"BOOTSTRAP_SERVERS": self.bootstrap});
        for part in [keys, self.store.keys(), more] {
            if let (Some(all), Value::Object(part)) = (all.as_object_mut(), part) {
                all.extend(part);
            }
        }
        let path = self.dir.path().join(name);
        fs::write(&path, all.to_string()).expect("the temporary folder can be written");
        path
    }

    /// Runs `backup CONFIG --until-caught-up`, which must succeed. Returns its reports.
    #[track_caller]
    pub fn back_up(&self, config: &Path) -> Vec<Value> {
        self.run([Path::new("backup"), config, Path::new("--until-caught-up")]).succeeded().reports()
    }

    /// Runs `restore CONFIG --until-caught-up`, which must succeed. Returns its reports.
    #[track_caller]
    pub fn restore(&self, config: &Path) -> Vec<Value> {
        self.run([Path::new("restore"), config, Path::new("--until-caught-up")]).succeeded().reports()
    }

    /// `verify` of this configuration's bucket.
    pub fn verify(&self, config: &Path) -> Outcome {
        self.run([Path::new("verify"), config])
    }

    /// `list` of this configuration's bucket.
    #[track_caller]
    pub fn list(&self, config: &Path) -> Vec<Value> {
        self.run([Path::new("list"), config]).succeeded().reports()
    }

    /// The values that the program reads from this configuration.
    pub fn raw(&self, config: &Path) -> Raw {
        let environment = self.store.environment().into_iter().map(|(name, value)| (name.into(), value.into()));
        Raw::load(Some(config), environment).expect("a good configuration")
    }

    /// This configuration as environment variables, the only input of a function.
    pub fn variables(&self, config: &Path) -> Vec<(String, String)> {
        let keys: Value = serde_json::from_slice(&fs::read(config).expect("it was written here")).expect("it was written as JSON");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let keys = keys.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value)));
        keys.chain(self.store.environment().into_iter().map(|(name, value)| (name.to_owned(), value))).collect()
    }

    /// Runs `command CONFIG --until-caught-up` as a scheduler does, again after a failure. Returns
    /// the number of runs, and the output of all of them.
    ///
    /// # Panics
    /// If no run succeeds.
    #[track_caller]
    pub fn until_it_succeeds(&self, command: &str, config: &Path) -> (u32, String) {
        let mut log = String::new();
        for runs in 1..=20 {
            let outcome = self.run([Path::new(command), config, Path::new("--until-caught-up")]);
            log = log + &outcome.stdout + &outcome.stderr;
            if outcome.status.success() {
                return (runs, log);
            }
        }
        panic!("{command} failed 20 times:\n{log}");
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<Path>>) -> Outcome {
        finish(self.spawn(arguments))
    }

    /// Runs the program with these variables, and no others that it would read.
    pub fn run_with(&self, arguments: impl IntoIterator<Item = &'static str>, variables: &[(String, String)]) -> Outcome {
        let mut command = local_runner();
        command.arg("--json").args(arguments).envs(variables.iter().cloned());
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("local-runner starts"))
    }

    /// Starts the program with piped output.
    pub fn spawn(&self, arguments: impl IntoIterator<Item = impl AsRef<Path>>) -> Child {
        let mut command = local_runner();
        command.arg("--json").envs(self.store.environment());
        command.args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("local-runner starts")
    }
}

/// Copies a folder of backups with its content into the folder `to`, or to the name `to` if it does
/// not exist.
///
/// # Panics
/// If it cannot be copied.
pub fn copy_folder(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").args([from, to]).status().expect("cp is installed").success());
}

/// Waits for the end of a program that was started with piped output.
pub fn finish(child: Child) -> Outcome {
    let output = child.wait_with_output().expect("it was started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("local-runner prints UTF-8");
    Outcome { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The program, without environment variables that it would read as configuration.
pub fn local_runner() -> Command {
    let mut command = Command::new(binary());
    let ours = |name: &str| ["PATH", "HOME", "TMPDIR", "LANG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"].contains(&name);
    command.env_clear().envs(env::vars().filter(|(name, _)| ours(name)));
    command.stdin(Stdio::null());
    command
}

/// LOCAL_RUNNER, or the one built here.
fn binary() -> PathBuf {
    env::var_os("LOCAL_RUNNER").map_or_else(|| program("local-runner"), PathBuf::from)
}

/// A program of the workspace, built from the current sources. It is in the folder of this test's
/// own executable.
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        if let Some(built) = env::var_os("TEST_PROGRAMS") {
            return PathBuf::from(built);
        }
        let test = env::current_exe().expect("this executable has a path");
        let profile = test.ancestors().nth(2).expect("tests are in target/PROFILE/deps");
        let release = profile.ends_with("release").then_some("--release");
        // For the whole workspace, so that dependencies keep the features of `cargo test
        // --workspace`.
        let build = ["build", "--quiet", "--workspace", "--bins"];
        let built: ExitStatus =
            Command::new(env!("CARGO")).args(build).args(release).current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo starts");
        assert!(built.success(), "the programs do not build");
        profile.to_owned()
    });
    folder.join(name)
}
