use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;

use super::*;
use crate::testing::server::{Reply, Server};

/// The error of reading an object, requested once, when the server responds with `reply`.
async fn read(reply: Reply) -> StoreError {
    let server = Server::start(move |_, _| reply.clone()).await;
    store(&server.url, 1).await.get("orders/topic.json").await.unwrap_err()
}

#[tokio::test]
async fn codes_become_kinds() {
    use StoreErrorKind as Kind;
    for (status, code, kind) in [
        (404, "NoSuchKey", Kind::NotFound),
        (404, "NoSuchBucket", Kind::NoBucket),
        (403, "AccessDenied", Kind::Denied),
        (400, "KMS.DisabledException", Kind::Denied),
        (403, "InvalidAccessKeyId", Kind::Credentials),
        (403, "SignatureDoesNotMatch", Kind::Credentials),
        (400, "ExpiredToken", Kind::Credentials),
        (403, "RequestTimeTooSkewed", Kind::ClockSkew),
        (301, "PermanentRedirect", Kind::WrongEndpoint),
        (400, "AuthorizationHeaderMalformed", Kind::WrongEndpoint),
        (503, "SlowDown", Kind::Throttled),
        (503, "SlowDownRead", Kind::Throttled),
        (429, "TooManyRequests", Kind::Throttled),
        (429, "SomethingNew", Kind::Throttled),
        (500, "InternalError", Kind::Unavailable),
        (503, "ServiceUnavailable", Kind::Throttled),
        (503, "SomethingNew", Kind::Throttled),
        (503, "", Kind::Throttled),
        (400, "RequestTimeout", Kind::Unavailable),
        (409, "ConditionalRequestConflict", Kind::Unavailable),
        (400, "KeyTooLongError", Kind::BadName),
        (507, "XMinioStorageFull", Kind::Other),
        (501, "NotImplemented", Kind::Other),
        (501, "SomethingNew", Kind::Other),
        (501, "", Kind::Other),
        (400, "FeatureNotSupported", Kind::Other),
        (403, "InvalidObjectState", Kind::Other),
        (418, "SomethingNew", Kind::Other),
    ] {
        let error = read(Reply::error(status, code)).await;
        assert_eq!(error.kind, kind, "{status} {code}: {error}");
        assert!(error.to_string().starts_with("s3://bucket/orders/topic.json: "), "{error}");
    }
}

#[tokio::test]
async fn an_error_says_what_to_do() {
    let error = read(Reply::error(403, "AccessDenied")).await;
    assert!(error.what.contains("allow s3:GetObject on the bucket bucket"), "{error}");

    let elsewhere = vec![("x-amz-bucket-region", "eu-west-1".to_owned())];
    let error = read(Reply::Answer(301, elsewhere, String::new())).await;
    assert_eq!(error.kind, StoreErrorKind::WrongEndpoint);
    assert!(error.what.contains("set S3_REGION=eu-west-1"), "{error}");

    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>";
    let error = read(Reply::Answer(400, vec![], body.into())).await;
    assert!(error.what.contains("set S3_REGION=eu-north-1"), "{error}");
}

/// What a store lacks once it lacks in a retry too: it gets one request, and the message names the
/// header and the setting.
#[tokio::test]
async fn what_a_store_lacks_is_asked_for_once_and_named() {
    let error = |header: &str, message: &str| {
        let header = if header.is_empty() { String::new() } else { format!("<Header>{header}</Header>") };
        let body = format!("<Error><Code>NotImplemented</Code><Message>{message}</Message>{header}</Error>");
        Reply::Answer(501, vec![("content-type", "application/xml".into())], body)
    };
    let general = "A header you provided implies functionality that is not implemented";
    let with_key = |url: &str| S3Store { kms_key: Some("key".into()), storage_class: Some("GLACIER_IR".into()), ..settings(url) };
    for (reply, says, says_not) in [
        (error("x-amz-checksum-crc32c", general), "lacks the header x-amz-checksum-crc32c: a checksum", "conditional"),
        (
            error("", "Header 'x-amz-checksum-crc32c' with value 'x' not implemented"),
            "lacks the header x-amz-checksum-crc32c",
            "conditional",
        ),
        (
            error("If-None-Match", general),
            "lacks the header If-None-Match: conditional requests keep concurrent runs apart",
            "checksum-crc32c",
        ),
        (error("x-amz-server-side-encryption", general), "remove S3_SSE_KMS_KEY_ID", "conditional"),
        (error("x-amz-storage-class", general), "remove S3_STORAGE_CLASS", "conditional"),
        (error("x-amz-\u{1b}[31m", general), "lacks the header \"x-amz-\\u{1b}[31m\"", "\u{1b}"),
        (error("", general), "If-None-Match (conditional requests keep concurrent runs apart", "the header If"),
        (Reply::Answer(501, vec![], String::new()), "x-amz-checksum-crc32c (a checksum", "its response"),
    ] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let store = S3BucketStore::connect(&with_key(&server.url), policy(8), &Deadline::unset()).await.unwrap();
        let error = store.create("x", vec![0; 200 << 10].into()).await.unwrap_err();
        assert_eq!((error.kind, server.requests().len()), (StoreErrorKind::Other, 1), "{error}");
        assert!(error.what.contains(says) && !error.what.contains(says_not), "{says}: {error}");
    }
    let server = Server::start(|_, _| Reply::Answer(501, vec![], String::new())).await;
    let error = store(&server.url, 8).await.list("", "", 10).await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "{error}");
    assert!(error.what.contains("does not support this s3:ListBucket request (HTTP 501): it lacks the request itself"), "{error}");
}

#[tokio::test]
async fn what_does_not_speak_s3_is_a_wrong_endpoint() {
    let page = "<html><body>Welcome</body></html>";
    for status in [200, 400, 404, 405] {
        let server = Server::start(move |_, _| Reply::Answer(status, vec![("content-type", "text/html".into())], page.into())).await;
        let error = store(&server.url, 1).await.list("orders/", "", 10).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::WrongEndpoint, "{status}: {error}");
    }
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_a_wrong_endpoint() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for endpoint in [format!("http://{free}"), "http://no-such-host.invalid:9000".to_owned()] {
        let error = store(&endpoint, 1).await.get("x").await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::WrongEndpoint, "{error}");
        assert!(error.what.contains(&endpoint) && error.what.contains("MINIO_URL"), "{error}");
    }
}

#[tokio::test]
async fn a_lost_connection_is_no_wrong_endpoint() {
    let error = read(Reply::Close).await;
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    let error = read(Reply::CutOff(100, "half of it".into())).await;
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_listing_that_breaks_off_is_asked_for_again() {
    let listing = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let script = move |_: &_, before: &[_]| if before.is_empty() { Reply::CutOff(500, listing.into()) } else { Reply::xml(listing) };
    let server = Server::start(script).await;
    assert_eq!(store(&server.url, 2).await.list("", "", 10).await.unwrap(), Page::default());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_range_that_breaks_off_is_read_again() {
    let script = |_: &_, before: &[_]| match before.len() {
        0 => Reply::CutOff(10, "01234".into()),
        1 => Reply::error(503, "SlowDown"),
        _ => Reply::Answer(206, vec![("etag", "\"1\"".into()), ("content-range", "bytes 0-9/20".into())], "0123456789".into()),
    };
    let server = Server::start(script).await;
    let policy = RetryPolicy { patience: Duration::from_secs(60), ..policy(2) };
    let store = S3BucketStore::connect(&settings(&server.url), policy, &Deadline::unset()).await.unwrap();
    let part = store.get_range("x", 0..10).await.unwrap();
    assert_eq!((&part.bytes[..], part.size), (&b"0123456789"[..], 20));
    assert_eq!((server.requests().len(), store.throttling().answers), (3, 1));
}

#[tokio::test]
async fn a_whole_object_that_is_not_what_was_stored_is_damaged() {
    let good = payload::crc32c(&Bytes::from_static(b"stored").into());
    let script =
        move |_: &_, _: &[_]| Reply::Answer(200, vec![("etag", "\"1\"".into()), ("x-amz-checksum-crc32c", good.clone())], "stOred".into());
    let server = Server::start(script).await;
    let error = store(&server.url, 8).await.get("x").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    assert_eq!(server.requests().len(), 3, "damage on the way would pass, so it is read again, a limited number of times");
    assert_eq!(server.requests()[0].header("x-amz-checksum-mode"), "ENABLED");
}

#[tokio::test]
async fn throttling_that_does_not_end_is_told_as_such() {
    let server = Server::start(|_, _| Reply::error(503, "SlowDown")).await;
    let error = store(&server.url, 5).await.get("x").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Throttled);
    assert_eq!(server.requests().len(), 1);
}

/// The header, even with the page of a proxy that does not speak S3.
#[tokio::test]
async fn a_server_says_how_long_to_wait() {
    let seconds = |value: &str| Reply::Answer(503, vec![("retry-after", value.into())], "<html>busy</html>".into());
    for (reply, wait) in [(seconds("17"), Some(17)), (seconds("Wed, 21 Oct 2015 07:28:00 GMT"), None), (Reply::error(429, ""), None)] {
        let error = read(reply).await;
        assert_eq!((error.kind, error.retry_after), (StoreErrorKind::Throttled, wait.map(Duration::from_secs)), "{error}");
    }
}

#[tokio::test]
async fn nothing_waits_beyond_the_deadline() {
    let server = Server::start(|_, _| Reply::Hang).await;
    let deadline = Deadline::unset();
    let store = S3BucketStore::connect(&settings(&server.url), policy(8), &deadline).await.unwrap();
    deadline.set(Some(Duration::from_millis(50)));
    let error = store.get("x").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
}

/// What is read as a whole is small: a silent server is given up after `try_time`, not after the
/// time of a large object.
#[tokio::test]
async fn reading_a_small_object_waits_for_no_large_one() {
    let server = Server::start(|_, _| Reply::Hang).await;
    // A line of 64 MiB/s: a second for the largest stretch, nothing for a small object.
    let policy = RetryPolicy { try_time: Duration::from_millis(20), slowest_line: 64 << 20, ..policy(1) };
    let store = S3BucketStore::connect(&settings(&server.url), policy, &Deadline::unset()).await.unwrap();
    let error = store.get("x").await.unwrap_err();
    assert!(error.what.contains("timeout after 0.0 s"), "{error}");
}

/// Credentials that are fetched for each request: valid the first times, then this failure.
#[derive(Debug)]
struct Failing(AtomicU32, fn() -> CredentialsError);

impl aws_credential_types::provider::ProvideCredentials for Failing {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let good = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        let expired = Some(SystemTime::UNIX_EPOCH);
        Provided::ready(if good { Ok(Credentials::new("key", "secret", None, expired, "test")) } else { Err(self.1()) })
    }
}

async fn failing(url: &str, good: u32, failure: fn() -> CredentialsError) -> S3BucketStore {
    let shared = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Failing(good.into(), failure)))
        .endpoint_url(url)
        .build();
    S3BucketStore::over(&shared, &settings(url), policy(1), &Deadline::unset()).unwrap()
}

#[tokio::test]
async fn missing_credentials_are_told() {
    for failure in [
        || CredentialsError::not_loaded("none configured"),
        || CredentialsError::provider_error("refused"),
        || CredentialsError::unhandled("what is this"),
    ] {
        let error = failing("http://127.0.0.1:9", 0, failure).await.get("x").await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Credentials, "{error}");
        assert!(error.what.contains("AWS_ACCESS_KEY_ID"), "{error}");
    }
}

/// A metadata service or STS that fails for a moment is transient: the next invocation can succeed.
#[tokio::test]
async fn credentials_that_cannot_be_renewed_are_a_passing_trouble() {
    let server = Server::start(|_, _| Reply::ok("1")).await;
    for failure in [|| CredentialsError::provider_error("503 from the metadata service"), || CredentialsError::unhandled("cut off")] {
        let store = failing(&server.url, 1, failure).await;
        store.get("x").await.unwrap();
        let error = store.get("x").await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn no_region_and_directory_buckets_are_refused() {
    let shared = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    let error = S3BucketStore::over(&shared, &settings("http://127.0.0.1:9"), policy(1), &Deadline::unset()).unwrap_err();
    assert!(error.what.contains("S3_REGION"), "{error}");
    let directory = S3Store { bucket: "backup--use1-az4--x-s3".into(), ..settings("http://127.0.0.1:9") };
    let error = S3BucketStore::connect(&directory, policy(1), &Deadline::unset()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NoBucket);
}
