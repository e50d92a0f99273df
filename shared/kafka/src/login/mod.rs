//! Who this program is to Kafka, where properties alone do not say it: tokens that expire, a password that rotates.
//!
//! Nothing is looked up before [`Login::prepare`] or a client asks, so what is not configured costs nothing.

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
    /// As the properties say.
    #[default]
    Properties,
    /// OAUTHBEARER, with tokens that are renewed before they expire.
    Tokens(Arc<dyn TokenSource>),
    /// The user and password of a secret, which is read again when the cluster refuses them.
    Secret(Arc<SecretLogin>),
}

/// Makes tokens for OAUTHBEARER.
#[async_trait]
pub trait TokenSource: Debug + Send + Sync {
    /// A new token.
    ///
    /// # Errors
    /// What is missing and what to do, in words for the user and without secrets.
    async fn token(&self) -> std::result::Result<Token, String>;
}

/// A token for OAUTHBEARER.
#[derive(Debug, Clone)]
pub struct Token {
    /// What the broker is shown.
    pub value: Secret,
    /// From then on the broker refuses it.
    pub expires: Millis,
}

impl Login {
    /// KAFKA_AUTH=MSK_IAM, for a cluster in `region`, with the credentials that the AWS SDK finds.
    pub fn msk_iam(region: &str) -> Self {
        Self::Tokens(Arc::new(MskIam::new(region)))
    }

    /// KAFKA_SECRET_ARN: a secret of AWS Secrets Manager that holds `{"username": …, "password": …}`.
    pub fn secret(arn: &str) -> Self {
        Self::Secret(Arc::new(SecretLogin::new(arn)))
    }

    /// Fetches what clients cannot start without. Call it before the first client is made.
    ///
    /// # Errors
    /// The secret cannot be read, or does not hold a login.
    pub async fn prepare(&self) -> Result<()> {
        match self {
            Self::Secret(secret) => secret.prepare().await,
            Self::Properties | Self::Tokens(_) => Ok(()),
        }
    }

    /// The user and password that properties do not hold.
    pub(super) fn password(&self) -> Result<Option<Password>> {
        let Self::Secret(secret) = self else { return Ok(None) };
        let unread = || KafkaError::new(KafkaErrorKind::Config, secret.arn(), "was not read before the first client was made");
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
                "compare the secret of KAFKA_SECRET_ARN with the user's password, and KAFKA_SASL_MECHANISM with what the cluster offers. A \
                 secret that was changed is read again by itself"
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
