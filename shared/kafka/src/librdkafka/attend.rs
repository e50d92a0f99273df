//! Keeps the login of a client valid as long as the client lives.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::native::Handle;
use super::observer::Observer;
use crate::login::{Credentials, Login, SecretLogin, TokenSource};
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
    let mut held = login.credentials()?;
    runtime.spawn(async move {
        loop {
            observer.login_wanted().await;
            if handle.strong_count() == 0 {
                return;
            }
            match &login {
                Login::Properties => return,
                Login::Tokens(source) => renew_token(&**source, &handle).await,
                Login::Secret(secret) => renew_secret(secret, &mut held, &handle, &observer).await,
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

/// The cluster refused the login that the client has: it was changed, perhaps. A client can take
/// another password. For a certificate, or a client of a token endpoint, another client takes its
/// place.
async fn renew_secret(secret: &SecretLogin, held: &mut Option<Credentials>, handle: &Weak<Handle>, observer: &Observer) {
    match secret.renew().await {
        Ok(now) if Some(&now) != held.as_ref() => {
            let Some(handle) = handle.upgrade() else { return };
            let password = held.as_ref().and_then(|held| now.password_instead_of(held));
            let set = password.map(|(user, password)| handle.set_password(user, password));
            *held = Some(now.clone());
            match set {
                Some(Err(failure)) => tracing::warn!(secret = secret.name(), "the new login cannot be used: {failure}"),
                Some(Ok(())) => {
                    tracing::info!(secret = secret.name(), "the secret has another login now; trying that");
                    return observer.answered();
                }
                None => {
                    tracing::info!(secret = secret.name(), "the secret has another login now; trying that with a new client");
                    observer.outdate();
                }
            }
        }
        Ok(_) => tracing::debug!(secret = secret.name(), "the cluster refuses the login, and the secret contains no other"),
        Err(error) => tracing::warn!("{error}"),
    }
    tokio::time::sleep(PAUSE).await;
}
