//! A user and password in a secret of AWS Secrets Manager.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::error::display::DisplayErrorContext;
use kernel::{Secret, lock};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::Password;
use crate::{KafkaError, KafkaErrorKind, Result};
use telemetry::redact;

/// Timeout of reading the secret, all tries together.
const LIMIT: Duration = Duration::from_secs(10);

/// The login in a secret: read when first needed, cached, and read again when the cluster refuses
/// it.
pub struct SecretLogin {
    arn: String,
    client: OnceCell<Client>,
    current: Mutex<Option<Password>>,
}

/// The format of such a secret for MSK; other members are ignored.
#[derive(Deserialize)]
struct Content {
    username: String,
    password: String,
}

impl SecretLogin {
    pub(super) fn new(arn: &str) -> Self {
        Self { arn: arn.to_owned(), client: OnceCell::new(), current: Mutex::default() }
    }

    /// With an existing client.
    #[cfg(test)]
    pub(crate) fn over(arn: &str, client: Client) -> Self {
        Self { client: OnceCell::new_with(Some(client)), ..Self::new(arn) }
    }

    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// The last value read.
    pub(super) fn current(&self) -> Option<Password> {
        lock(&self.current).clone()
    }

    /// Reads the secret, unless that is done.
    pub(super) async fn prepare(&self) -> Result<()> {
        if self.current().is_none() {
            self.renew().await?;
        }
        Ok(())
    }

    /// Reads the secret again.
    pub(crate) async fn renew(&self) -> Result<Password> {
        let password = self.read().await?;
        redact::known().hide(&password.password);
        *lock(&self.current) = Some(password.clone());
        Ok(password)
    }

    async fn read(&self) -> Result<Password> {
        let client = self.client.get_or_init(|| connect(&self.arn)).await;
        let answer = client.get_secret_value().secret_id(&self.arn).send().await.map_err(|error| self.unread(error))?;
        parse(answer.secret_string().unwrap_or_default()).map_err(|what| KafkaError::new(KafkaErrorKind::Credentials, &self.arn, what))
    }

    fn unread<E: ProvideErrorMetadata + std::error::Error + 'static, R: fmt::Debug + 'static>(&self, error: SdkError<E, R>) -> KafkaError {
        let (kind, what) = match error.as_service_error().map(|refusal| refusal.code().unwrap_or_default()) {
            Some("AccessDeniedException") => (
                KafkaErrorKind::Denied,
                "access denied: the role needs secretsmanager:GetSecretValue on it, and kms:Decrypt if it has its own key",
            ),
            Some("ResourceNotFoundException") => {
                (KafkaErrorKind::Credentials, "does not exist, or has no value yet: correct KAFKA_SECRET_ARN, or store the login in it")
            }
            Some("DecryptionFailure") => (KafkaErrorKind::Denied, "cannot be decrypted: the role needs kms:Decrypt on its key"),
            Some(_) => (KafkaErrorKind::Credentials, "cannot be read"),
            None => (
                KafkaErrorKind::Unavailable,
                "cannot be read: Secrets Manager did not respond. A VPC requires an interface endpoint or a NAT gateway; \
                 with HTTPS_PROXY or ALL_PROXY, the request uses that proxy unless NO_PROXY contains the host",
            ),
        };
        KafkaError::new(kind, &self.arn, format!("the secret {what}: {}", DisplayErrorContext(&error)))
    }
}

/// A client for the region in the ARN.
async fn connect(arn: &str) -> Client {
    let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
    let timeout = TimeoutConfig::builder().operation_timeout(LIMIT).build();
    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region)).timeout_config(timeout).load().await;
    Client::new(&config)
}

/// Without the content: that is the secret.
fn parse(content: &str) -> std::result::Result<Password, String> {
    let shape = r#"the secret must hold the text {"username": "…", "password": "…"}"#;
    let Content { username, password } = serde_json::from_str(content).map_err(|_| format!("{shape}, and it does not"))?;
    // A trailing newline comes from the file that the secret was created from.
    let [username, password] = [username, password].map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    if username.is_empty() || password.is_empty() || username.contains('\0') || password.contains('\0') {
        return Err(format!("{shape}; one of them is empty or contains a NUL"));
    }
    Ok(Password { user: username, password: Secret::new(password) })
}

impl fmt::Debug for SecretLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretLogin").field("arn", &self.arn).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_sdk_secretsmanager::config::http::HttpResponse;
    use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[test]
    fn a_secret_holds_user_and_password_and_is_never_shown() {
        let login = parse(r#"{"username": "backup", "password": "hunter22", "engine": "kafka"}"#).unwrap();
        assert_eq!((login.user.as_str(), login.password.reveal()), ("backup", "hunter22"));
        let login = parse("{\"username\": \"backup\\n\", \"password\": \" hunter22 \\r\\n\"}").unwrap();
        assert_eq!((login.user.as_str(), login.password.reveal()), ("backup", " hunter22 "), "spaces can be part of it");
        for bad in ["", "hunter22", r#"{"user": "backup", "password": "hunter22"}"#, r#"{"username": "", "password": "hunter22"}"#] {
            let what = parse(bad).unwrap_err();
            assert!(what.contains(r#"{"username": "…", "password": "…"}"#) && !what.contains("hunter22"), "{what}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_the_arn() {
        let arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_backup-AbCdEf";
        for (code, kind, advice) in [
            ("AccessDeniedException", KafkaErrorKind::Denied, "secretsmanager:GetSecretValue"),
            ("ResourceNotFoundException", KafkaErrorKind::Credentials, "KAFKA_SECRET_ARN"),
            ("DecryptionFailure", KafkaErrorKind::Denied, "kms:Decrypt"),
        ] {
            let refusal = GetSecretValueError::generic(ErrorMetadata::builder().code(code).build());
            let response = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
            let error = SecretLogin::new(arn).unread(SdkError::service_error(refusal, response));
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().starts_with(arn) && error.what.contains(advice), "{error}");
        }
        let error = SecretLogin::new(arn).unread(SdkError::<GetSecretValueError, HttpResponse>::timeout_error("slow"));
        assert!(error.is_retryable() && error.what.contains("endpoint"), "{error}");
    }
}
