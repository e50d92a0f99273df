//! From settings to a client.

use std::env;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::{ClientOptions, RetryOptions, Transport, Url};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential};
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};
use kernel::{Deadline, Secret};

use super::AzureBlobStore;
use super::connection_string::{Access, ConnectionString, endpoint};
use super::extras::ExtrasPolicy;
use super::failure::{SignIn, Site};
use super::shared_key::SharedKeyPolicy;
use crate::retry::Retry;
use crate::{AzureStore, Result, RetryPolicy, StoreError, StoreErrorKind, proxy};

/// How requests are authorised.
pub(super) enum Login {
    Access(Access),
    Identity(Arc<dyn TokenCredential>),
}

impl AzureBlobStore {
    /// The container that `settings` name. Sends no request.
    ///
    /// Without a connection string, requests use the workload identity of
    /// AZURE_FEDERATED_TOKEN_FILE. Without that file, they use a managed identity of this machine:
    /// the one in AZURE_CLIENT_ID, or the system-assigned one.
    ///
    /// # Errors
    /// [`StoreErrorKind::Credentials`] if the connection string is incomplete, or no identity can
    /// be set up without one. [`StoreErrorKind::WrongEndpoint`] if the account's URL is invalid.
    pub fn connect(settings: &AzureStore, policy: RetryPolicy, deadline: &Deadline) -> Result<Self> {
        let refused = |kind, what| StoreError::new(kind, format!("the container {}", settings.container), what);
        let (url, login) = match (&settings.connection_string, &settings.account_url) {
            (Some(text), _) => {
                let parsed = ConnectionString::parse(text.reveal())
                    .map_err(|what| refused(StoreErrorKind::Credentials, format!("AZURE_STORAGE_CONNECTION_STRING: {what}")))?;
                (parsed.endpoint, Login::Access(parsed.access))
            }
            (None, Some(url)) => {
                let identity =
                    identity().map_err(|error| refused(StoreErrorKind::Credentials, format!("cannot set up an identity: {error}")))?;
                (url.clone(), Login::Identity(identity))
            }
            (None, None) => {
                let what = "AZURE_STORAGE_CONNECTION_STRING is missing (or AZURE_STORAGE_ACCOUNT_NAME, to sign in with an identity)";
                return Err(refused(StoreErrorKind::Credentials, what.into()));
            }
        };
        let retry = Retry::new(policy, deadline);
        Self::open(&settings.container, &url, login, retry, None).map_err(|what| refused(StoreErrorKind::WrongEndpoint, what))
    }

    /// [`connect`] over the given transport (`None`: the SDK's).
    pub(super) fn open(
        container: &str,
        account_url: &str,
        login: Login,
        retry: Retry,
        transport: Option<Transport>,
    ) -> Result<Self, String> {
        let account_url = endpoint("AZURE_STORAGE_ACCOUNT_URL", account_url)?;
        let mut url = account_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(container);
        }
        let site = site(&account_url, &url, container, &login);

        let mut per_try_policies: Vec<Arc<dyn Policy>> = vec![Arc::new(ExtrasPolicy)];
        let mut token = None;
        match login {
            Login::Access(Access::Key { account, key }) => {
                per_try_policies.push(Arc::new(SharedKeyPolicy::new(account, key.reveal()).map_err(|error| error.to_string())?));
            }
            Login::Access(Access::Sas(sas)) => url.set_query(Some(sas.reveal())),
            Login::Identity(identity) => token = Some(identity),
        }
        let client_options = ClientOptions { per_try_policies, retry: RetryOptions::none(), transport, ..Default::default() };
        let options = BlobContainerClientOptions { client_options, ..Default::default() };
        let container = BlobContainerClient::new(url, token, Some(options)).map_err(|error| error.to_string())?;
        Ok(Self { container, site, retry })
    }
}

fn identity() -> azure_core::Result<Arc<dyn TokenCredential>> {
    if env::var_os("AZURE_FEDERATED_TOKEN_FILE").is_some() {
        return Ok(WorkloadIdentityCredential::new(None)?);
    }
    let user_assigned_id = env::var("AZURE_CLIENT_ID").ok().filter(|id| !id.is_empty()).map(UserAssignedId::ClientId);
    Ok(ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions { user_assigned_id, ..Default::default() }))?)
}

fn site(account_url: &Url, url: &Url, container: &str, login: &Login) -> Site {
    let (account, sign_in) = match login {
        Login::Access(Access::Key { account, .. }) => (account.clone(), SignIn::Key),
        Login::Access(Access::Sas(sas)) => (account_of(account_url), SignIn::Sas(end_of(sas))),
        Login::Identity(_) => (account_of(account_url), SignIn::Identity),
    };
    Site {
        url: url.to_string(),
        endpoint: account_url.as_str().trim_end_matches('/').to_owned(),
        proxy: proxy::of(account_url.as_str()),
        account,
        container: container.to_owned(),
        sign_in,
        answered: false.into(),
    }
}

/// The account in its URL: on an emulator the path, otherwise the first part of the host name.
fn account_of(url: &Url) -> String {
    let path = url.path().trim_matches('/');
    let host = url.host_str().unwrap_or_default();
    if path.is_empty() { host.split('.').next().unwrap_or_default() } else { path }.to_owned()
}

/// When the signature expires: its field `se`.
fn end_of(sas: &Secret) -> Option<String> {
    let mut fields = sas.reveal().split('&');
    fields.find_map(|field| field.strip_prefix("se=")).map(|end| end.replace("%3A", ":").replace("%3a", ":"))
}
