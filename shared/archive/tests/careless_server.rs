//! An S3 that ignores If-None-Match.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use kernel::{Deadline, Secret};
use store::testing::server::{Reply, Request, Server};
use store::{RetryPolicy, S3BucketStore, S3Store};

use archive::catalog::{Generation, Generations};

async fn store(endpoint: &str, tries: u32) -> S3BucketStore {
    let settings = S3Store {
        bucket: "bucket".into(),
        endpoint: Some(endpoint.into()),
        region: None,
        path_style: true,
        credentials: Some(("key".into(), Secret::new("secret"))),
        kms_key: None,
        storage_class: None,
    };
    let policy = RetryPolicy { tries, first_pause: Duration::ZERO, ..RetryPolicy::default() };
    S3BucketStore::connect(&settings, policy, &Deadline::unset()).await.unwrap()
}

/// A HEAD response about an object that was written as `id`.
fn head(id: &str) -> Reply {
    Reply::Answer(200, vec![("etag", "\"found\"".into()), ("x-amz-meta-write-id", id.into())], String::new())
}

fn is_head(request: &Request) -> bool {
    request.line.starts_with("HEAD ")
}

/// A server that ignores If-None-Match, as several did at some time: beginning a generation finds
/// out.
#[tokio::test]
async fn a_server_that_ignores_if_none_match_is_refused() {
    const TOPIC: &str =
        r#"{"format_version":1,"topic":"orders","generation":1,"partitions":1,"configs":{},"packing":"gzip","reason":"first","at":0}"#;
    let begun: Generation = serde_json::from_str(TOPIC).unwrap();
    let prove = async |script: fn(&Request, &[Request]) -> Reply| {
        let server = Server::start(script).await;
        let store = store(&server.url, 3).await;
        let generations = Generations::of(&store, "orders");
        generations.begin(begun.clone()).await.unwrap();
        let proved = generations.prove(&begun).await;
        let bodies: Vec<_> = server.requests().into_iter().filter(|request| !is_head(request)).map(|request| request.body).collect();
        (proved, bodies)
    };
    let (proved, bodies) = prove(|_, _| Reply::ok("1")).await;
    assert!(proved.unwrap_err().to_string().contains("If-None-Match"));
    assert_ne!(bodies[0], bodies[1], "the same bytes would be taken for a first answer that was lost");

    // One that honours it; also if the response to the first create was lost.
    let (proved, _) = prove(|_, before| if before.is_empty() { Reply::ok("1") } else { Reply::error(412, "PreconditionFailed") }).await;
    proved.unwrap();
    let script = |request: &Request, before: &[Request]| match before.len() {
        0 => Reply::Close,
        2 if is_head(request) => head(before[0].header("x-amz-meta-write-id")),
        _ => Reply::error(412, "PreconditionFailed"),
    };
    prove(script).await.0.unwrap();
}
