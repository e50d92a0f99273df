use std::ffi::OsString;
use std::io::Write;

use config::{BackupSettings, ConfigError, Raw, RestoreSettings};

/// The value of every secret key of the environment. No output may contain it.
const PLANTED: &str = "planted-s3cr3t";
const SECRETS: [&str; 3] = ["AWS_SECRET_ACCESS_KEY", "MINIO_SECRET_KEY", "KAFKA_SASL_PASSWORD"];

/// A configuration file, and variables (`NAME=value`) after a zero byte each. They are accepted, or
/// refused with reasons. No secret is shown.
pub fn configuration(input: &[u8]) {
    let mut parts = input.split(|byte| *byte == 0);
    let text = parts.next().unwrap_or_default();
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text).expect("a temporary file can be written");
    let planted = SECRETS.map(|name| (OsString::from(name), OsString::from(PLANTED)));
    let variables = parts.filter_map(|variable| {
        let (name, value) = std::str::from_utf8(variable).ok()?.split_once('=')?;
        Some((OsString::from(name), OsString::from(value)))
    });
    let raw = match Raw::load(Some(file.path()), planted.into_iter().chain(variables)) {
        Ok(raw) => raw,
        Err(error) => return expect_reasons(input, &error),
    };
    show(input, &format!("{raw:?}{:?}", raw.secrets()));
    judge(input, BackupSettings::from_raw(&raw));
    judge(input, RestoreSettings::from_raw(&raw));
}

fn judge<S: std::fmt::Debug>(input: &[u8], settings: Result<S, ConfigError>) {
    match settings {
        Ok(settings) => show(input, &format!("{settings:?}")),
        Err(error) => expect_reasons(input, &error),
    }
}

fn expect_reasons(input: &[u8], error: &ConfigError) {
    assert!(!error.problems.is_empty(), "refused without a reason");
    show(input, &error.to_string());
}

/// Output must not contain the secret, unless the input has it in a key that is not secret.
fn show(input: &[u8], text: &str) {
    let known = input.windows(PLANTED.len()).any(|window| window == PLANTED.as_bytes());
    assert!(known || !text.contains(PLANTED), "a secret is shown");
}
