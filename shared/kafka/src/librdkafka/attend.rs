//! Keeps the login of a client valid as long as the client lives.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::native::Handle;
use super::observer::Observer;
use crate::login::{Login, Password, SecretLogin, TokenSource};
use crate::{KafkaError, KafkaErrorKind, Result};

/// Timeout of creating a token.
const LIMIT: Duration = Duration::from_secs(10);
/// The pause between two reads of the secret while the cluster refuses its login.
const PAUSE: Duration = Duration::from_secs(10);

/// Starts to attend `handle`; ends by itself after it.
///
/// # Errors
/// There is no runtime for it.
pub(super) fn attend(login: &Login, handle: &Arc<Handle>) -> Result<()> {
    if let Login::Properties = login {
        return Ok(());
    }
    let no_runtime = |error| KafkaError::new(KafkaErrorKind::Config, "Kafka login", "requires a running tokio runtime").caused_by(error);
    let runtime = tokio::runtime::Handle::try_current().map_err(no_runtime)?;
    let (login, observer, handle) = (login.clone(), Arc::clone(handle.observer()), Arc::downgrade(handle));
    let mut held = login.password()?;
    runtime.spawn(async move {
        loop {
            observer.login_wanted().await;
            if handle.strong_count() == 0 {
                return;
            }
            match &login {
                Login::Properties => return,
                Login::Tokens(source) => renew_token(&**source, &handle).await,
                Login::Secret(secret) => renew_password(secret, &mut held, &handle, &observer).await,
            }
        }
    });
    Ok(())
}

async fn renew_token(source: &dyn TokenSource, handle: &Weak<Handle>) {
    let token = tokio::time::timeout(LIMIT, source.token()).await;
    let token = token.unwrap_or_else(|_| Err(format!("timeout after {} s while creating a token", LIMIT.as_secs())));
    let Some(handle) = handle.upgrade() else { return };
    let set = token.and_then(|token| handle.set_token(&token.value, token.expires).map_err(|failure| failure.text));
    match set {
        Ok(()) => tracing::debug!("a new token for Kafka"),
        Err(reason) => {
            tracing::warn!("no token for Kafka: {reason}");
            handle.no_token(&reason);
        }
    }
}

/// The cluster refused the client's password: perhaps it was changed.
async fn renew_password(secret: &SecretLogin, held: &mut Option<Password>, handle: &Weak<Handle>, observer: &Observer) {
    match secret.renew().await {
        Ok(now) if Some(&now) != held.as_ref() => {
            let Some(handle) = handle.upgrade() else { return };
            match handle.set_password(&now.user, &now.password) {
                Ok(()) => {
                    tracing::info!(secret = secret.arn(), "the secret has another login now: trying it");
                    *held = Some(now);
                    return observer.answered();
                }
                Err(failure) => tracing::warn!(secret = secret.arn(), "the new login cannot be used: {failure}"),
            }
        }
        Ok(_) => tracing::debug!(secret = secret.arn(), "the cluster refuses the login, and the secret has no other: update the secret"),
        Err(error) => tracing::warn!("{error}"),
    }
    tokio::time::sleep(PAUSE).await;
}
