//! The errors that users see.

use std::sync::Arc;

use azure_core::time::{Duration, OffsetDateTime, to_rfc7231};
use kernel::{Deadline, Secret};

use super::script::{Reply, Script, ok, refusal};
use crate::azure::AzureBlobStore;
use crate::azure::connect::Login;
use crate::azure::connection_string::Access;
use crate::{AzureStore, ObjectStore, RetryPolicy, StoreError, StoreErrorKind as Kind};

const SECRET: &str = "c2VjcmV0";

fn key() -> Login {
    Login::Access(Access::Key { account: "acme".into(), key: Secret::new(SECRET) })
}

fn sas() -> Login {
    Login::Access(Access::Sas(Secret::new(format!("sv=2022-11-02&se=2027-01-31T00%3A00%3A00Z&sp=r&sig={SECRET}%2B%3D"))))
}

fn identity() -> Login {
    #[derive(Debug)]
    struct Someone;
    #[async_trait::async_trait]
    impl azure_core::credentials::TokenCredential for Someone {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<azure_core::credentials::TokenRequestOptions<'_>>,
        ) -> azure_core::Result<azure_core::credentials::AccessToken> {
            Ok(azure_core::credentials::AccessToken::new(SECRET, OffsetDateTime::now_utc() + Duration::hours(1)))
        }
    }
    Login::Identity(Arc::new(Someone))
}

async fn error(login: Login, reply: Reply) -> StoreError {
    let error = Script::replies(vec![reply]).store(login).get("orders/topic.json").await.unwrap_err();
    let everything = format!("{error} {error:?}");
    assert!(!everything.contains(SECRET), "{everything}");
    error
}

#[tokio::test]
async fn every_refusal_has_a_kind_and_says_what_to_do() {
    for (login, reply, kind, says) in [
        (key(), refusal(404, "BlobNotFound"), Kind::NotFound, "object not found"),
        (key(), refusal(404, "ContainerNotFound"), Kind::NoBucket, "`az storage container create --name backups --account-name acme`"),
        (identity(), refusal(404, "ContainerNotFound"), Kind::NoBucket, "--account-name acme --auth-mode login`"),
        (key(), refusal(409, "ContainerBeingDeleted"), Kind::NoBucket, "in a minute"),
        (key(), refusal(403, "AuthenticationFailed"), Kind::Credentials, "the AccountKey in AZURE_STORAGE_CONNECTION_STRING"),
        (sas(), refusal(403, "AuthenticationFailed"), Kind::Credentials, "valid until 2027-01-31T00:00:00Z"),
        (identity(), refusal(401, "InvalidAuthenticationInfo"), Kind::Credentials, "same tenant"),
        (key(), refusal(403, "KeyBasedAuthenticationNotPermitted"), Kind::Credentials, "AZURE_STORAGE_ACCOUNT_NAME"),
        (
            identity(),
            refusal(403, "AuthorizationPermissionMismatch"),
            Kind::Denied,
            "Storage Blob Data Contributor on the container backups",
        ),
        (sas(), refusal(403, "AuthorizationPermissionMismatch"), Kind::Denied, "sp=rcwl"),
        (key(), refusal(403, "AuthorizationFailure"), Kind::Denied, "network rules of the account acme"),
        (key(), refusal(409, "BlobImmutableDueToPolicy"), Kind::Denied, "immutability policy"),
        (key(), refusal(503, "ServerBusy"), Kind::Throttled, "Azure throttles requests"),
        (key(), refusal(500, "OperationTimedOut"), Kind::Throttled, "Azure throttles requests"),
        (key(), refusal(500, "InternalError"), Kind::Unavailable, "internal error of Azure"),
        (key(), refusal(400, "Crc64Mismatch"), Kind::Damaged, "damaged in transit"),
        (key(), refusal(400, "InvalidResourceName"), Kind::BadName, "name"),
        (key(), refusal(409, "BlobArchived"), Kind::Other, "archived"),
        (key(), refusal(400, "SomethingNew"), Kind::Other, "SomethingNew"),
        (key(), refusal(409, "FeatureVersionMismatch"), Kind::Other, "refused the request permanently"),
        (key(), ok(501, &[], ""), Kind::Other, "HTTP 501"),
        (
            key(),
            ok(501, &[("x-ms-error-code", "UnsupportedHeader")], "<Error><HeaderName>x-ms-content-crc64</HeaderName></Error>"),
            Kind::Other,
            "because of the header \"x-ms-content-crc64\"",
        ),
        (key(), refusal(400, "InvalidHeaderValue"), Kind::WrongEndpoint, "https://acme.blob.core.windows.net"),
        (key(), ok(404, &[], "<html>not found</html>"), Kind::WrongEndpoint, "is not Azure Blob Storage"),
        (key(), ok(301, &[("location", "https://example.com")], ""), Kind::WrongEndpoint, "is not Azure Blob Storage"),
        (sas(), Reply::NoConnection, Kind::WrongEndpoint, "cannot connect to https://acme.blob.core.windows.net"),
        (sas(), Reply::Lost, Kind::Unavailable, "no complete response"),
    ] {
        let error = error(login, reply).await;
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.location, "https://acme.blob.core.windows.net/backups/orders/topic.json");
    }
}

/// A listing that was not sent is no response.
#[tokio::test]
async fn a_listing_tells_a_wrong_endpoint_as_a_read_does() {
    let error = Script::replies(vec![Reply::NoConnection]).store(sas()).list("orders/", "", 10).await.unwrap_err();
    assert_eq!(error.kind, Kind::WrongEndpoint, "{error}");
}

#[tokio::test]
async fn an_endpoint_that_answered_before_is_not_wrong() {
    let script = Script::replies(vec![refusal(404, "BlobNotFound"), Reply::NoConnection]);
    let store = script.store(key());
    assert_eq!(store.get("a").await.unwrap_err().kind, Kind::NotFound);
    let error = store.get("a").await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_refused_signature_is_blamed_on_the_clock_when_it_is_off() {
    for (minutes, kind) in [(-20, Kind::ClockSkew), (-5, Kind::Credentials), (0, Kind::Credentials), (300, Kind::ClockSkew)] {
        // Half a minute more, because time passes.
        let ahead = Duration::minutes(minutes) + Duration::seconds(if minutes < 0 { -30 } else { 30 });
        let date = to_rfc7231(&(OffsetDateTime::now_utc() - ahead));
        let reply = ok(403, &[("x-ms-error-code", "AuthenticationFailed"), ("date", &date)], "");
        let error = error(key(), reply).await;
        assert_eq!(error.kind, kind, "{minutes}: {error}");
        assert!(kind != Kind::ClockSkew || error.to_string().contains(&format!("differs by {minutes} minutes")), "{error}");
    }
}

#[tokio::test]
async fn a_signature_goes_with_every_request_and_into_no_message() {
    let script = Script::replies(vec![ok(201, &[("etag", "\"0x1\"")], "")]);
    let store = script.store(sas());
    store.create("a", vec![1].into()).await.unwrap();
    store.create("b", vec![1; 17 << 20].into()).await.unwrap();
    let requests = script.requests();
    assert_eq!(requests.len(), 5);
    for request in requests {
        assert!(request.contains(&format!("sig={SECRET}%2B%3D")) && request.contains("se=2027-01-31T00%3A00%3A00Z"), "{request}");
    }
    let shown = format!("{store:?} {}", store.location("a"));
    assert!(shown.contains("https://acme.blob.core.windows.net/backups") && !shown.contains(SECRET), "{shown}");
}

#[test]
fn settings_that_lead_nowhere_are_refused() {
    let connect = |connection_string: Option<&str>, account_url: Option<&str>| {
        let connection_string = connection_string.map(Secret::new);
        let settings = AzureStore { container: "backups".into(), connection_string, account_url: account_url.map(str::to_owned) };
        AzureBlobStore::connect(&settings, RetryPolicy::default(), &Deadline::unset())
    };
    for (connection_string, account_url, kind, says) in [
        (None, None, Kind::Credentials, "AZURE_STORAGE_CONNECTION_STRING is missing"),
        (Some("AccountName=acme"), None, Kind::Credentials, "AZURE_STORAGE_CONNECTION_STRING: AccountKey is missing"),
        (None, Some("acme"), Kind::WrongEndpoint, "AZURE_STORAGE_ACCOUNT_URL is not a URL"),
        (None, Some("http://acme.blob.core.windows.net"), Kind::WrongEndpoint, "https"),
    ] {
        let error = connect(connection_string, account_url).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    let store = connect(None, Some("https://acme.blob.core.windows.net/")).unwrap();
    assert_eq!(store.location("a"), "https://acme.blob.core.windows.net/backups/a");
}
