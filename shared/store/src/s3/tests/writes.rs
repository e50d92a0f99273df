use super::*;
use crate::Listed;
use crate::testing::server::{Reply, Request, Server};

fn body() -> Body {
    [&b"three"[..], b"pieces", b"here"].into_iter().map(Bytes::from_static).collect()
}

/// A HEAD response about an object that was written as `id`.
fn head(id: &str) -> Reply {
    Reply::Answer(200, vec![("etag", "\"found\"".into()), ("x-amz-meta-write-id", id.into())], String::new())
}

fn is_head(request: &Request) -> bool {
    request.line.starts_with("HEAD ")
}

#[tokio::test]
async fn a_create_sends_what_s3_needs_to_refuse_it() {
    let server = Server::start(|_, _| Reply::ok("1")).await;
    let settings = S3Store { kms_key: Some("key-1".into()), storage_class: Some("STANDARD_IA".into()), ..settings(&server.url) };
    let store = S3BucketStore::connect(&settings, policy(1), &Deadline::unset()).await.unwrap();
    let version = store.create("orders/0/1.tar.gz", body()).await.unwrap();
    assert_eq!(version.0, "\"1\"");
    store.create("large", vec![7; 200_000].into()).await.unwrap();
    let requests = server.requests();
    let sent = &requests[0];
    assert!(sent.line.starts_with("PUT /bucket/orders/0/1.tar.gz"), "{}", sent.line);
    assert_eq!(sent.body, b"threepieceshere");
    assert_eq!(sent.header("if-none-match"), "*");
    assert_eq!(sent.header("x-amz-checksum-crc32c"), payload::crc32c(&body()));
    assert_eq!(sent.header("x-amz-server-side-encryption"), "aws:kms");
    assert_eq!(sent.header("x-amz-server-side-encryption-aws-kms-key-id"), "key-1");
    assert_eq!(sent.header("x-amz-storage-class"), "", "other classes bill small objects as large ones");
    assert_eq!(requests[1].header("x-amz-storage-class"), "STANDARD_IA");
}

#[test]
fn the_checksum_is_s3s() {
    // The check value of CRC-32C, 0xE3069283, big-endian in base64.
    assert_eq!(payload::crc32c(&Bytes::from_static(b"123456789").into()), "4waSgw==");
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_recognised() {
    let script = |request: &Request, before: &[Request]| match before.len() {
        0 => Reply::Close,
        1 => Reply::error(412, "PreconditionFailed"),
        _ => head(if is_head(request) { before[0].header("x-amz-meta-write-id") } else { "" }),
    };
    let server = Server::start(script).await;
    let version = store(&server.url, 3).await.create("x", body()).await.unwrap();
    assert_eq!(version.0, "\"found\"");
    assert_eq!(server.requests()[1].body, b"threepieceshere", "the second try sends everything again");
}

#[tokio::test]
async fn somebody_elses_object_is_not_taken_for_our_own() {
    let script = |_: &Request, before: &[Request]| match before.len() {
        0 => Reply::error(500, "InternalError"),
        1 => Reply::error(412, "PreconditionFailed"),
        _ => head("another"),
    };
    let server = Server::start(script).await;
    let error = store(&server.url, 5).await.create("x", body()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::AlreadyExists, "{error}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_name_taken_at_the_first_try_costs_no_second_request() {
    let server = Server::start(|_, _| Reply::error(412, "PreconditionFailed")).await;
    let error = store(&server.url, 5).await.create("x", body()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::AlreadyExists, "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_conflict_is_tried_again() {
    let script =
        |_: &Request, before: &[Request]| if before.len() < 2 { Reply::error(409, "ConditionalRequestConflict") } else { Reply::ok("1") };
    let server = Server::start(script).await;
    store(&server.url, 5).await.create("x", body()).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_replace_whose_answer_was_lost_is_recognised() {
    let script = |_: &Request, before: &[Request]| match before.len() {
        0 => Reply::Close,
        1 => Reply::error(412, "PreconditionFailed"),
        _ => head(before[0].header("x-amz-meta-write-id")),
    };
    let server = Server::start(script).await;
    let version = store(&server.url, 3).await.replace("x", "new".into(), &Version("\"old\"".into())).await.unwrap();
    assert_eq!(version.0, "\"found\"");
    assert_eq!(server.requests()[0].header("if-match"), "\"old\"");
}

#[tokio::test]
async fn a_replace_of_what_is_gone_finds_it_changed() {
    for reply in [Reply::error(404, "NoSuchKey"), Reply::error(412, "PreconditionFailed")] {
        let server = Server::start(move |_, _| reply.clone()).await;
        let error = store(&server.url, 3).await.replace("x", "new".into(), &Version("\"old\"".into())).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Changed, "{error}");
    }
}

#[tokio::test]
async fn an_upload_that_was_damaged_is_sent_again() {
    let script = |_: &Request, before: &[Request]| if before.is_empty() { Reply::error(400, "BadDigest") } else { Reply::ok("1") };
    let server = Server::start(script).await;
    store(&server.url, 5).await.create("x", body()).await.unwrap();
}

#[tokio::test]
async fn folder_markers_are_no_objects() {
    let page = |key: &str, truncated: bool| {
        Reply::xml(&format!(
            "<ListBucketResult><IsTruncated>{truncated}</IsTruncated><Contents><Key>{key}</Key><Size>0</Size></Contents></ListBucketResult>"
        ))
    };
    let server = Server::start(move |_, before| if before.is_empty() { page("orders/0/", true) } else { page("orders/0/1", false) }).await;
    let listed = store(&server.url, 1).await.list("orders/0/", "", 1).await.unwrap();
    assert_eq!(listed, Page { objects: vec![Listed { name: "orders/0/1".into(), size: 0 }], more: false });
    assert!(server.lines()[1].contains("start-after=orders%2F0%2F"), "{:?}", server.lines());
}
