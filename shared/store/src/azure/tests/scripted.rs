//! What an Azurite does not do on request: refusals, lost answers, old servers, tokens that run
//! out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::headers::HeaderName;
use azure_core::http::{Method, Request};
use azure_core::time::{Duration, OffsetDateTime};
use bytes::Bytes;

use super::script::{Reply, Script, ok, refusal};
use crate::azure::connect::Login;
use crate::{Body, ObjectStore, StoreErrorKind as Kind, Version};

fn created() -> Reply {
    ok(201, &[("etag", "\"0x1\"")], "")
}

fn body(text: &'static str) -> Body {
    Bytes::from_static(text.as_bytes()).into()
}

/// A server on which the first write takes effect or not, its response is lost, and any further one
/// is refused with `refused`.
fn forgetful(took_place: bool, refused: Reply) -> Arc<Script> {
    let first = Mutex::new(None);
    Script::new(move |_, request| match request.method() {
        Method::Put => {
            let id = request.headers().get_optional_string(&HeaderName::from_static("x-ms-meta-write_id")).unwrap();
            let mut first = first.lock().unwrap();
            if first.is_some() {
                return refused.clone();
            }
            *first = Some(if took_place { id } else { "another".into() });
            Reply::Lost
        }
        _ => {
            let id = first.lock().unwrap().clone().unwrap();
            ok(200, &[("etag", "\"0x2\""), ("content-length", "4"), ("x-ms-meta-write_id", &id)], "")
        }
    })
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_then_called_busy() {
    let busy = [refusal(503, "ServerBusy"), refusal(429, "TooManyRequests"), refusal(500, "OperationTimedOut")];
    let script = Script::replies([vec![busy; 5].concat(), vec![refusal(500, "InternalError"), created()]].concat());
    let mut store = script.with_key();
    store.retry.policy.patience = std::time::Duration::from_secs(60);
    assert_eq!(store.create("a", body("x")).await.unwrap(), Version("\"0x1\"".into()));
    assert_eq!(script.requests().len(), 17);
    assert_eq!(store.throttling().answers, 15);

    let script = Script::replies(vec![refusal(503, "ServerBusy")]);
    let error = script.with_key().create("a", body("x")).await.unwrap_err();
    assert_eq!(error.kind, Kind::Throttled, "{error}");
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let script = Script::replies(vec![Reply::Never]);
    let mut store = script.with_key();
    store.retry.policy.try_time = std::time::Duration::ZERO;
    for error in [store.create("a", body("x")).await.unwrap_err(), store.list("", "", 1).await.unwrap_err()] {
        assert_eq!(error.kind, Kind::Unavailable, "{error}");
    }
    assert_eq!(script.requests().len(), 16);
}

#[tokio::test]
async fn each_try_is_signed_and_carries_the_checksum() {
    let script = Script::replies(vec![Reply::Lost, refusal(500, "InternalError"), created()]);
    script.with_key().create("a/b", body("123456789")).await.unwrap();
    assert_eq!(script.requests(), ["PUT https://acme.blob.core.windows.net/backups/a%2Fb"; 3]);
    assert_eq!(script.headers("x-ms-content-crc64"), ["iJh5CoYUi64="; 3]);
    assert_eq!(script.headers("if-none-match"), ["*"; 3]);
    assert!(script.headers("authorization").iter().all(|value| value.starts_with("SharedKey acme:")));
    assert_eq!(script.headers("authorization").len(), 3);
}

#[tokio::test]
async fn an_object_that_exists_is_our_own_only_after_a_lost_answer() {
    for refused in [refusal(409, "BlobAlreadyExists"), refusal(412, "ConditionNotMet"), refusal(403, "UnauthorizedBlobOverwrite")] {
        let script = forgetful(true, refused.clone());
        assert_eq!(script.with_key().create("a", body("mine")).await.unwrap(), Version("\"0x2\"".into()));
        assert_eq!(script.requests().len(), 3);

        let error = forgetful(false, refused.clone()).with_key().create("a", body("mine")).await.unwrap_err();
        assert_eq!(error.kind, Kind::AlreadyExists, "{error}");

        // Nothing was lost: nothing is looked up.
        let script = Script::replies(vec![refused]);
        assert_eq!(script.with_key().create("a", body("mine")).await.unwrap_err().kind, Kind::AlreadyExists);
        assert_eq!(script.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_replacement_is_our_own_only_after_a_lost_answer() {
    let read = Version("\"0x0\"".into());
    for refused in [refusal(412, "ConditionNotMet"), refusal(404, "BlobNotFound")] {
        let script = forgetful(true, refused.clone());
        assert_eq!(script.with_key().replace("a", "mine".into(), &read).await.unwrap(), Version("\"0x2\"".into()));
        assert_eq!(script.headers("if-match")[0], "\"0x0\"");

        for script in [forgetful(false, refused.clone()), Script::replies(vec![refused])] {
            let error = script.with_key().replace("a", "mine".into(), &read).await.unwrap_err();
            assert_eq!(error.kind, Kind::Changed, "{error}");
        }
    }
}

#[tokio::test]
async fn a_signature_that_may_not_overwrite_is_told_as_such() {
    let script = Script::replies(vec![refusal(403, "UnauthorizedBlobOverwrite")]);
    let error = script.with_key().replace("a", "mine".into(), &Version("\"0x0\"".into())).await.unwrap_err();
    assert_eq!(error.kind, Kind::Denied, "{error}");
    assert!(error.to_string().contains("sp=rcwl") && error.to_string().contains("UnauthorizedBlobOverwrite"), "{error}");
}

#[tokio::test]
async fn a_write_that_cannot_be_looked_up_is_not_known_to_be_ours() {
    let script = Script::new(|at, request| match (at, request.method()) {
        (0, _) => Reply::Lost,
        (_, Method::Put) => refusal(409, "BlobAlreadyExists"),
        _ => refusal(503, "ServerBusy"),
    });
    assert_eq!(script.with_key().create("a", body("mine")).await.unwrap_err().kind, Kind::Throttled);
}

#[tokio::test]
async fn blocks_that_another_writer_swept_away_mean_that_the_name_is_taken() {
    let script = Script::new(|_, request| match request.url().query() {
        Some(query) if query.contains("blocklist") => refusal(400, "InvalidBlockList"),
        _ => created(),
    });
    let error = script.with_key().create("a", Body::from(vec![0; 17 << 20])).await.unwrap_err();
    assert_eq!(error.kind, Kind::AlreadyExists, "{error}");
    assert_eq!(script.requests().len(), 4);
}

/// A server with the objects `00000` to `11999`, in pages of at most `page`, that does or does not
/// support `startFrom`.
fn server(knows_start_from: bool, page: usize) -> Arc<Script> {
    let parameter =
        |request: &Request, name: &str| request.url().query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    Script::new(move |_, request| {
        let from = parameter(request, "startFrom").filter(|_| knows_start_from).unwrap_or_default();
        let marker = parameter(request, "marker").unwrap_or_default();
        let lines: usize = parameter(request, "maxresults").unwrap().parse().unwrap();
        let names: Vec<String> = (0..12_000).map(|name| format!("{name:05}")).filter(|name| *name >= from && *name > marker).collect();
        let shown = &names[..names.len().min(lines).min(page)];
        let blobs: String = shown
            .iter()
            .map(|name| format!("<Blob><Name>{name}</Name><Properties><Content-Length>7</Content-Length></Properties></Blob>"))
            .collect();
        let next = if shown.len() < names.len() { shown.last().map_or(marker, String::clone) } else { String::new() };
        ok(200, &[], format!("<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"))
    })
}

#[tokio::test]
async fn a_listing_begins_behind_a_name() {
    for (knows, page, after, limit, requests) in [
        // One request, wherever it starts.
        (true, 5000, "", 3, 1),
        (true, 5000, "00001", 3, 1),
        (true, 5000, "11990", 1000, 1),
        (true, 5000, "11999", 3, 1),
        (true, 5000, "05000", 1000, 1),
        (true, 5000, "05000x", 1, 1),
        // Short responses with a marker, as Azure may send them.
        (true, 2, "05000", 3, 3),
        // A server without `startFrom` is read from its start, but in full pages.
        (false, 5000, "11990", 3, 4),
        (false, 5000, "11999", 3, 4),
        (false, 5000, "00001", 3, 2),
    ] {
        let script = server(knows, page);
        let found = script.with_key().list("", after, limit).await.unwrap();
        let all: Vec<String> = (0..12_000).map(|name| format!("{name:05}")).filter(|name| name.as_str() > after).collect();
        let names: Vec<String> = found.objects.into_iter().map(|object| object.name).collect();
        assert_eq!(names, all[..all.len().min(limit)], "after {after:?}");
        assert_eq!(found.more, all.len() > limit, "after {after:?}");
        assert_eq!(script.requests().len(), requests, "after {after:?} of a server that knows: {knows}");
    }
}

#[tokio::test]
async fn an_after_outside_the_prefix_is_never_sent() {
    let script = server(true, 5000);
    assert!(script.with_key().list("0", "1", 3).await.unwrap().objects.is_empty());
    assert!(script.requests().is_empty());
    script.with_key().list("1", "0", 3).await.unwrap();
    assert!(!script.requests()[0].contains("startFrom"));
}

#[tokio::test]
async fn folders_are_rolled_up_by_the_server() {
    let first = "<EnumerationResults><Prefix>a/</Prefix><Blobs><BlobPrefix><Name>a/x y/</Name></BlobPrefix><Blob><Name>a/xz</Name></Blob>\
                 <BlobPrefix><Name>a/é/</Name></BlobPrefix></Blobs><NextMarker>m</NextMarker></EnumerationResults>";
    let second = "<EnumerationResults><Blobs><Blob><Name>a/ö</Name><Properties/></Blob><BlobPrefix><Name>a/z&amp;/</Name></BlobPrefix></Blobs>\
                  <NextMarker/></EnumerationResults>";
    let script = Script::replies(vec![ok(200, &[], first), ok(200, &[], second)]);
    assert_eq!(script.with_key().folders("a/").await.unwrap(), ["x y", "z&", "é"]);
    assert!(script.requests().iter().all(|request| request.contains("delimiter=%2F") && request.contains("prefix=a%2F")));
    assert!(script.requests()[1].contains("marker=m"));

    let none = "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
    assert!(Script::replies(vec![ok(200, &[], none)]).with_key().folders("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_range_behind_the_end_gives_nothing_and_the_size() {
    let script = Script::new(|_, request| match request.method() {
        Method::Get => refusal(416, "InvalidRange"),
        _ => ok(200, &[("etag", "\"0x1\""), ("content-length", "10")], ""),
    });
    for range in [10..20, 11..12, 7..7] {
        let part = script.with_key().get_range("a", range).await.unwrap();
        assert_eq!((part.bytes.len(), part.size, part.version), (0, 10, Version("\"0x1\"".into())));
    }
    // It grew in between: nothing that would look like its end.
    script.with_key().get_range("a", 5..20).await.unwrap_err();
}

/// Returns the tokens 1, 2, … that expire within a given time, until it has none left.
#[derive(Debug)]
struct Tokens {
    given: AtomicUsize,
    of: usize,
    valid: Duration,
}

#[async_trait]
impl TokenCredential for Tokens {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let token = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        if token > self.of {
            return Err(azure_core::Error::with_message(ErrorKind::Credential, "no identity"));
        }
        Ok(AccessToken::new(format!("token-{token}"), OffsetDateTime::now_utc() + self.valid))
    }
}

fn tokens(of: usize, valid: Duration) -> Login {
    Login::Identity(Arc::new(Tokens { given: AtomicUsize::new(0), of, valid }))
}

#[tokio::test]
async fn a_token_is_kept_while_it_is_valid_and_then_renewed() {
    for (valid, second) in [(Duration::hours(1), "Bearer token-1"), (Duration::minutes(1), "Bearer token-2")] {
        let script = Script::replies(vec![created()]);
        let store = script.store(tokens(2, valid));
        store.create("a", body("x")).await.unwrap();
        store.create("b", body("x")).await.unwrap();
        assert_eq!(script.headers("authorization"), ["Bearer token-1", second]);
    }
}

#[tokio::test]
async fn an_identity_that_never_worked_is_a_mistake_and_one_that_did_is_a_passing_trouble() {
    let script = Script::replies(vec![created()]);
    let error = script.store(tokens(0, Duration::hours(1))).create("a", body("x")).await.unwrap_err();
    assert_eq!(error.kind, Kind::Credentials, "{error}");

    let store = script.store(tokens(1, Duration::minutes(-1)));
    store.create("a", body("x")).await.unwrap();
    let error = store.create("b", body("x")).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
}
