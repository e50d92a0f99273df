//! A login that is in a secret: of AWS Secrets Manager, or given by the platform.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::error::display::DisplayErrorContext;
use kernel::{Secret, lock};
use tokio::sync::OnceCell;

use super::credentials::Credentials;
use crate::{KafkaError, KafkaErrorKind, Result};
use telemetry::redact;

/// Timeout of reading the secret, all tries together.
const LIMIT: Duration = Duration::from_secs(10);

/// The name of a secret that the platform gives.
const GIVEN: &str = "KAFKA_SECRET";

/// The login in a secret: read when it is first needed, kept, and read again when the cluster
/// refuses it.
pub struct SecretLogin {
    /// Its ARN, or the variable that it is in.
    name: String,
    /// Reads it again; none for one that the platform gives.
    client: OnceCell<Client>,
    /// What the configuration says of the login.
    properties: BTreeMap<String, Secret>,
    current: Mutex<Option<Credentials>>,
}

impl SecretLogin {
    pub(super) fn new(arn: &str, properties: &BTreeMap<String, Secret>) -> Self {
        Self { name: arn.to_owned(), client: OnceCell::new(), properties: properties.clone(), current: Mutex::default() }
    }

    /// One whose text the platform gives.
    ///
    /// # Errors
    /// What is missing in it, or contradicts `properties`.
    pub(super) fn given(text: &str, properties: &BTreeMap<String, Secret>) -> std::result::Result<Self, String> {
        let login = Credentials::choose(text, properties)?;
        Ok(Self { current: Mutex::new(Some(login)), ..Self::new(GIVEN, properties) })
    }

    /// The same as [`SecretLogin::new`] with a client that is there already.
    #[cfg(test)]
    pub(crate) fn over(arn: &str, properties: &BTreeMap<String, Secret>, client: Client) -> Self {
        Self { client: OnceCell::new_with(Some(client)), ..Self::new(arn, properties) }
    }

    /// Its ARN, or the variable that it is in.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What was read last.
    pub(super) fn current(&self) -> Option<Credentials> {
        lock(&self.current).clone()
    }

    /// Reads the secret, unless that is done.
    pub(super) async fn prepare(&self) -> Result<()> {
        if self.current().is_none() {
            self.renew().await?;
        }
        Ok(())
    }

    /// Reads the secret again. One that the platform gives stays as it is.
    pub(crate) async fn renew(&self) -> Result<Credentials> {
        if let Some(given) = self.current().filter(|_| self.name == GIVEN) {
            return Ok(given);
        }
        let login = self.read().await?;
        login.masked().for_each(|value| redact::known().hide(value));
        *lock(&self.current) = Some(login.clone());
        Ok(login)
    }

    async fn read(&self) -> Result<Credentials> {
        let client = self.client.get_or_init(|| connect(&self.name)).await;
        let answer = client.get_secret_value().secret_id(&self.name).send().await.map_err(|error| self.unread(error))?;
        let login = Credentials::choose(answer.secret_string().unwrap_or_default(), &self.properties);
        login.map_err(|what| KafkaError::new(KafkaErrorKind::Credentials, &self.name, what))
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
        KafkaError::new(kind, &self.name, format!("the secret {what}: {}", DisplayErrorContext(&error)))
    }
}

/// A client for the region in the ARN.
async fn connect(arn: &str) -> Client {
    let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
    let timeout = TimeoutConfig::builder().operation_timeout(LIMIT).build();
    let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region)).timeout_config(timeout).load().await;
    Client::new(&config)
}

impl fmt::Debug for SecretLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretLogin").field("name", &self.name).finish_non_exhaustive()
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
    fn what_is_missing_is_told_with_the_arn() {
        let arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:AmazonMSK_backup-AbCdEf";
        for (code, kind, advice) in [
            ("AccessDeniedException", KafkaErrorKind::Denied, "secretsmanager:GetSecretValue"),
            ("ResourceNotFoundException", KafkaErrorKind::Credentials, "KAFKA_SECRET_ARN"),
            ("DecryptionFailure", KafkaErrorKind::Denied, "kms:Decrypt"),
        ] {
            let refusal = GetSecretValueError::generic(ErrorMetadata::builder().code(code).build());
            let response = HttpResponse::new(400.try_into().unwrap(), SdkBody::empty());
            let error = SecretLogin::new(arn, &BTreeMap::new()).unread(SdkError::service_error(refusal, response));
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().starts_with(arn) && error.what.contains(advice), "{error}");
        }
        let error = SecretLogin::new(arn, &BTreeMap::new()).unread(SdkError::<GetSecretValueError, HttpResponse>::timeout_error("slow"));
        assert!(error.is_retryable() && error.what.contains("endpoint"), "{error}");
    }
}
