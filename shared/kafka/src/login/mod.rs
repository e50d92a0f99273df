//! Who this program is to Kafka, where properties alone do not say it: tokens that expire, a secret
//! that rotates.
//!
//! Nothing is looked up before [`Login::prepare`] or a client's request, so what is not configured
//! costs nothing.

mod credentials;
mod msk;
mod secret;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::Secret;
use kernel::clock::Millis;

use super::{KafkaError, KafkaErrorKind, Result};
pub use credentials::{is_certificates, lines_of_pem, values_of_secret};
pub use secret::SecretLogin;

pub(super) use credentials::Credentials;
use msk::MskIam;

/// How clients log in.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// As the properties define it.
    #[default]
    Properties,
    /// OAUTHBEARER, with tokens that are renewed before they expire.
    Tokens(Arc<dyn TokenSource>),
    /// What a secret contains, which is read again when the cluster refuses it: user and password,
    /// a client certificate, or a client of a token endpoint.
    Secret(Arc<SecretLogin>),
}

/// Creates tokens for OAUTHBEARER.
#[async_trait]
pub trait TokenSource: Debug + Send + Sync {
    /// A new token.
    ///
    /// # Errors
    /// What is missing and what to do, without secrets.
    async fn token(&self) -> std::result::Result<Token, String>;
}

/// A token for OAUTHBEARER.
#[derive(Debug, Clone)]
pub struct Token {
    /// The value sent to the broker.
    pub value: Secret,
    /// The broker refuses it from then on.
    pub expires: Millis,
}

impl Login {
    /// KAFKA_AUTH=MSK_IAM, for a cluster in `region`, with the credentials that the AWS SDK finds.
    pub fn msk_iam(region: &str) -> Self {
        Self::Tokens(Arc::new(MskIam::new(region)))
    }

    /// KAFKA_SECRET_ARN: a secret of AWS Secrets Manager. Which of its fields log in is a matter of
    /// `properties`, too.
    pub fn secret(arn: &str, properties: &BTreeMap<String, Secret>) -> Self {
        Self::Secret(Arc::new(SecretLogin::new(arn, properties)))
    }

    /// KAFKA_SECRET: the same text, from the platform.
    ///
    /// # Errors
    /// What is missing in it, or contradicts `properties`: names, and never a value.
    pub fn given_secret(text: &str, properties: &BTreeMap<String, Secret>) -> std::result::Result<Self, String> {
        Ok(Self::Secret(Arc::new(SecretLogin::given(text, properties)?)))
    }

    /// Fetches what clients need to start. Call it before creating the first client.
    ///
    /// # Errors
    /// The secret cannot be read, or contains no login.
    pub async fn prepare(&self) -> Result<()> {
        match self {
            Self::Secret(secret) => secret.prepare().await,
            Self::Properties | Self::Tokens(_) => Ok(()),
        }
    }

    /// What a secret adds to the properties.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>> {
        let Self::Secret(secret) = self else { return Ok(None) };
        let unread = || KafkaError::new(KafkaErrorKind::Config, secret.name(), "was not read before the first client was made");
        secret.current().ok_or_else(unread).map(Some)
    }

    /// What to do when the cluster refuses it.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Properties => "check security.protocol, sasl.*, ssl.* and the user's password",
            Self::Tokens(_) => {
                "check that the function has AWS credentials, that their role is allowed kafka-cluster:Connect on this cluster, and that \
                 BOOTSTRAP_SERVERS has the cluster's IAM port (9098)"
            }
            Self::Secret(_) => {
                "compare the secret of KAFKA_SECRET_ARN or KAFKA_SECRET with what the cluster knows of this user, and KAFKA_SASL_MECHANISM with what it \
                 offers. A secret in Secrets Manager that was changed is read again by itself"
            }
        }
    }
}
