//! Amazon MSK's IAM login: a token is a presigned URL, signed with the credentials of the
//! function's role.

use std::fmt;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_types::error::display::DisplayErrorContext;
use kernel::Secret;
use kernel::clock::Millis;
use tokio::sync::OnceCell;

use super::{Token, TokenSource};

/// Signs tokens for the clusters of a region.
pub(super) struct MskIam {
    region: String,
    /// Where the AWS SDK finds credentials; looked up for the first token.
    provider: OnceCell<SharedCredentialsProvider>,
}

impl MskIam {
    pub(super) fn new(region: &str) -> Self {
        Self { region: region.to_owned(), provider: OnceCell::new() }
    }

    async fn credentials(&self) -> Result<Credentials, String> {
        let find = || async {
            let config = aws_config::defaults(BehaviorVersion::latest()).region(Region::new(self.region.clone())).load().await;
            config.credentials_provider().ok_or("the AWS SDK is configured without credentials")
        };
        let provider = self.provider.get_or_try_init(find).await?;
        let found = provider.provide_credentials().await;
        found.map_err(|error| {
            let cause = DisplayErrorContext(&error);
            format!("no AWS credentials to sign a token with (give the function a role, or set AWS_PROFILE or AWS_ACCESS_KEY_ID): {cause}")
        })
    }
}

#[async_trait]
impl TokenSource for MskIam {
    async fn token(&self) -> Result<Token, String> {
        sign(&self.region, self.credentials().await?).await
    }
}

impl fmt::Debug for MskIam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MskIam").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A token is valid no longer than the credentials that signed it: it expires with the earlier of
/// the two.
async fn sign(region: &str, credentials: Credentials) -> Result<Token, String> {
    let end_of_credentials = credentials.expiry().and_then(|at| Some(at.duration_since(UNIX_EPOCH).ok()?.as_millis() as Millis));
    let provider = SharedCredentialsProvider::new(credentials);
    let signed = aws_msk_iam_sasl_signer::generate_auth_token_from_credentials_provider(Region::new(region.to_owned()), provider).await;
    let (value, end) = signed.map_err(|error| format!("cannot sign the token for MSK in {region}: {error}"))?;
    Ok(Token { value: Secret::new(value), expires: end_of_credentials.map_or(end, |of_credentials| end.min(of_credentials)) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use base64::Engine;

    use super::*;

    fn credentials(expires: Option<SystemTime>) -> Credentials {
        Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", Some("session".to_owned()), expires, "test")
    }

    /// MSK's contract: base64url without padding of a presigned GET of kafka-cluster:Connect, valid
    /// for 15 minutes.
    #[tokio::test]
    async fn a_token_is_a_presigned_url() {
        let token = sign("eu-central-1", credentials(None)).await.unwrap();
        let url = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(token.value.reveal()).unwrap();
        let url = String::from_utf8(url).unwrap();
        assert!(url.starts_with("https://kafka.eu-central-1.amazonaws.com/?Action=kafka-cluster%3AConnect&"), "{url}");
        for part in
            ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Expires=900", "X-Amz-Security-Token=session", "X-Amz-Signature=", "User-Agent="]
        {
            assert!(url.contains(part), "{part} is missing: {url}");
        }
        assert!(url.contains("%2Feu-central-1%2Fkafka-cluster%2Faws4_request") && !url.contains("wJalrXUtnFEMI"), "{url}");
        assert!(!format!("{token:?}").contains(token.value.reveal()));
    }

    #[tokio::test]
    async fn a_token_ends_with_the_credentials_that_signed_it() {
        let soon = SystemTime::now() + Duration::from_secs(60);
        let token = sign("eu-central-1", credentials(Some(soon))).await.unwrap();
        assert_eq!(token.expires, soon.duration_since(UNIX_EPOCH).unwrap().as_millis() as Millis);
        let later = sign("eu-central-1", credentials(Some(soon + Duration::from_secs(86_400)))).await.unwrap();
        assert!(later.expires > token.expires && later.expires < token.expires + 900_000);
    }
}
