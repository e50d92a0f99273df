use super::*;
use crate::testing::server::{Reply, Request, Server};

const BEGUN: &str = "<InitiateMultipartUploadResult><UploadId>up-1</UploadId></InitiateMultipartUploadResult>";
const DONE: &str = "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
const NONE_LEFT: &str = "<ListMultipartUploadsResult></ListMultipartUploadsResult>";

/// The steps of an upload, as the requests show them.
fn step(request: &Request) -> &'static str {
    let (method, query) = (request.line.split(' ').next().unwrap(), request.line.split('?').nth(1).unwrap_or_default());
    match method {
        "POST" if query.contains("uploads") => "begin",
        "POST" => "complete",
        "PUT" => "part",
        "DELETE" => "abort",
        "HEAD" => "head",
        _ => "list",
    }
}

/// All succeeds, except what a test changes.
fn usual(request: &Request) -> Reply {
    match step(request) {
        "begin" => Reply::xml(BEGUN),
        "complete" => Reply::xml(DONE),
        "list" => Reply::xml(NONE_LEFT),
        "abort" => Reply::Answer(204, vec![], String::new()),
        _ => Reply::ok("part"),
    }
}

/// The object is that of the first upload.
fn ours(before: &[Request]) -> Reply {
    let id = before.iter().find(|request| step(request) == "begin").unwrap().header("x-amz-meta-write-id");
    Reply::Answer(200, vec![("etag", "\"ours\"".into()), ("x-amz-meta-write-id", id.into())], String::new())
}

fn count(requests: &[Request], name: &str) -> usize {
    requests.iter().filter(|request| step(request) == name).count()
}

/// Creates an object of three parts.
async fn create(server: &Server, tries: u32) -> Result<Version> {
    let mut store = store(&server.url, tries).await;
    store.part_sizes = PartSizes { largest_single: 10, part: 10 };
    store.create("x", [&b"0123456"[..], b"789abcdef", b"ghijklmno"].into_iter().map(Bytes::from_static).collect()).await
}

#[tokio::test]
async fn parts_are_cut_from_the_pieces_and_completed_create_only() {
    let server = Server::start(|request, _| usual(request)).await;
    assert_eq!(create(&server, 1).await.unwrap().0, "\"whole\"");
    let requests = server.requests();
    let mut parts: Vec<&[u8]> = requests.iter().filter(|request| step(request) == "part").map(|request| &request.body[..]).collect();
    parts.sort_unstable();
    assert_eq!(parts, [&b"0123456789"[..], b"abcdefghij", b"klmno"]);
    let complete = requests.iter().find(|request| step(request) == "complete").unwrap();
    assert_eq!(complete.header("if-none-match"), "*");
    let whole = payload::crc32c(&Bytes::from_static(b"0123456789abcdefghijklmno").into());
    assert_eq!((complete.header("x-amz-checksum-crc32c"), complete.header("x-amz-checksum-type")), (whole.as_str(), "FULL_OBJECT"));
    assert_eq!(count(&requests, "abort"), 0);
}

#[tokio::test]
async fn a_lost_race_leaves_no_parts_behind() {
    let server = Server::start(|request, _| match step(request) {
        "complete" => Reply::error(412, "PreconditionFailed"),
        _ => usual(request),
    })
    .await;
    assert_eq!(create(&server, 5).await.unwrap_err().kind, StoreErrorKind::AlreadyExists);
    assert_eq!(count(&server.requests(), "abort"), 1);
}

#[tokio::test]
async fn a_failure_leaves_no_parts_behind() {
    let server = Server::start(|request, _| match step(request) {
        "part" => Reply::error(403, "AccessDenied"),
        _ => usual(request),
    })
    .await;
    assert_eq!(create(&server, 5).await.unwrap_err().kind, StoreErrorKind::Denied);
    assert_eq!(count(&server.requests(), "abort"), 1);
}

#[tokio::test]
async fn after_a_conflict_everything_is_sent_again() {
    let server = Server::start(|request, before| match step(request) {
        "complete" if count(before, "complete") == 0 => Reply::error(409, "ConditionalRequestConflict"),
        _ => usual(request),
    })
    .await;
    create(&server, 5).await.unwrap();
    let requests = server.requests();
    assert_eq!((count(&requests, "begin"), count(&requests, "part"), count(&requests, "complete")), (2, 6, 2));
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_recognised() {
    for second in [Reply::error(404, "NoSuchUpload"), Reply::error(412, "PreconditionFailed")] {
        let server = Server::start(move |request, before| match step(request) {
            "complete" if count(before, "complete") == 0 => Reply::Close,
            "complete" => second.clone(),
            "head" => ours(before),
            _ => usual(request),
        })
        .await;
        assert_eq!(create(&server, 5).await.unwrap().0, "\"ours\"");
    }
}

/// Ours was completed, its response lost; the next try met a conflict, so all was sent again and
/// found the object there.
#[tokio::test]
async fn what_an_earlier_upload_of_ours_created_is_recognised() {
    let server = Server::start(|request, before| match (step(request), count(before, "complete")) {
        ("complete", 0) => Reply::Close,
        ("complete", 1) => Reply::error(409, "ConditionalRequestConflict"),
        ("complete", _) => Reply::error(412, "PreconditionFailed"),
        ("head", _) => ours(before),
        _ => usual(request),
    })
    .await;
    assert_eq!(create(&server, 5).await.unwrap().0, "\"ours\"");
    assert_eq!(count(&server.requests(), "begin"), 2);
}

#[tokio::test]
async fn an_upload_ended_by_the_winner_has_lost() {
    let server = Server::start(|request, _| match step(request) {
        "part" => Reply::error(404, "NoSuchUpload"),
        "head" => Reply::Answer(200, vec![("etag", "\"theirs\"".into())], String::new()),
        _ => usual(request),
    })
    .await;
    assert_eq!(create(&server, 5).await.unwrap_err().kind, StoreErrorKind::AlreadyExists);
}

#[tokio::test]
async fn an_error_inside_an_answer_of_success_is_one() {
    let server = Server::start(|request, before| match step(request) {
        "complete" if count(before, "complete") == 0 => Reply::xml("<Error><Code>InternalError</Code></Error>"),
        _ => usual(request),
    })
    .await;
    assert_eq!(create(&server, 5).await.unwrap().0, "\"whole\"");
}
