//! The identity of this program for Kafka, if properties alone do not define it: tokens that
//! expire, a password that rotates.
//!
//! Nothing is looked up before [`Login::prepare`] or a client's request, so what is not configured
//! costs nothing.

mod msk;
mod secret;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use kernel::Secret;
use kernel::clock::Millis;

use super::{KafkaError, KafkaErrorKind, Result};
pub use secret::SecretLogin;

use msk::MskIam;

/// How clients log in.
#[derive(Debug, Clone, Default)]
pub enum Login {
    /// As the properties define it.
    #[default]
    Properties,
    /// OAUTHBEARER, with tokens that are renewed before they expire.
    Tokens(Arc<dyn TokenSource>),
    /// The user and password in a secret, which is read again when the cluster refuses them.
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

    /// KAFKA_SECRET_ARN: a secret of AWS Secrets Manager with `{"username": …, "password": …}`.
    pub fn secret(arn: &str) -> Self {
        Self::Secret(Arc::new(SecretLogin::new(arn)))
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

    /// The user and password that are not in the properties.
    pub(super) fn password(&self) -> Result<Option<Password>> {
        let Self::Secret(secret) = self else { return Ok(None) };
        let unread = || KafkaError::new(KafkaErrorKind::Config, secret.arn(), "was not read before the first client was created");
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
                "compare the secret of KAFKA_SECRET_ARN with the user's password, and KAFKA_SASL_MECHANISM with the \
                 mechanisms of the cluster. A changed secret is read again automatically"
            }
        }
    }
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Password {
    pub(super) user: String,
    pub(super) password: Secret,
}
