//! On a real server, if the environment names one: S3_TEST_ENDPOINT, S3_TEST_ACCESS_KEY,
//! S3_TEST_SECRET_KEY, S3_TEST_BUCKET, and S3_TEST_LOCKED_BUCKET: versioned, with object lock and a
//! default retention, as the Terraform module creates it.

use std::env;
use std::io::{Write, stderr};
use std::sync::Arc;

use futures::future::join_all;

use super::*;
use crate::testing::{Delete, conformance};

/// The variables with the two buckets.
const PLAIN: &str = "S3_TEST_BUCKET";
const LOCKED: &str = "S3_TEST_LOCKED_BUCKET";

/// The bucket to test on; `None`, with a message on stderr, if there is none, which is a failure in
/// CI.
fn settings(test: &str, bucket: &str) -> Option<S3Store> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let Some(endpoint) = variable("S3_TEST_ENDPOINT") else {
        assert!(variable("CI").is_none_or(|ci| ci != "true"), "S3_TEST_ENDPOINT is not set, and in CI every test runs");
        // Not with eprintln!, which the test harness would capture.
        writeln!(stderr(), "NOT RUN: {test}: S3_TEST_ENDPOINT names no server").unwrap();
        return None;
    };
    let required = |name| variable(name).unwrap_or_else(|| panic!("S3_TEST_ENDPOINT is set, but {name} is not"));
    Some(S3Store {
        bucket: required(bucket),
        endpoint: Some(endpoint),
        region: None,
        path_style: true,
        credentials: Some((required("S3_TEST_ACCESS_KEY"), Secret::new(required("S3_TEST_SECRET_KEY")))),
        kms_key: None,
        storage_class: None,
    })
}

async fn connect(settings: &S3Store) -> S3BucketStore {
    S3BucketStore::connect(settings, RetryPolicy::default(), &Deadline::unset()).await.unwrap()
}

/// A folder no other run uses.
fn folder() -> String {
    format!("conformance-{:016x}", rand::random::<u64>())
}

async fn conforms(store: S3BucketStore) {
    let store = Arc::new(store);
    conformance::run(store.clone(), store, &folder()).await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_conforms() {
    let Some(settings) = settings("s3::tests::real::a_bucket_conforms", PLAIN) else { return };
    conforms(connect(&settings).await).await;
}

/// All of it except one thing, which must fail in a known way: in a versioned bucket MinIO still
/// lists a folder when all of its objects are deleted. S3 does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_bucket_conforms() {
    let Some(settings) = settings("s3::tests::real::a_locked_bucket_conforms", LOCKED) else { return };
    let store = Arc::new(connect(&settings).await);
    let failures = conformance::run(store.clone(), store, &folder()).await.unwrap_err();
    assert_eq!(failures, r#"folders_directly_under_a_prefix: with all objects of one deleted: ["0", "1", "10"]"#);
}

/// Otherwise the tests on it would show nothing: each version is kept, and none can be deleted.
#[tokio::test]
async fn the_locked_bucket_keeps_every_version() {
    let Some(settings) = settings("s3::tests::real::the_locked_bucket_keeps_every_version", LOCKED) else { return };
    let store = connect(&settings).await;
    let name = format!("{}/kept", folder());
    let first = store.create(&name, Bytes::from_static(b"first").into()).await.unwrap();
    store.replace(&name, Bytes::from_static(b"second"), &first).await.unwrap();
    let listed = store.client.list_object_versions().bucket(&store.site.bucket).prefix(&name).send().await.unwrap();
    assert_eq!(listed.versions().len(), 2);
    for version in listed.versions() {
        let asked = store.client.delete_object().bucket(&store.site.bucket).key(&name).set_version_id(version.version_id.clone());
        asked.send().await.expect_err("the version is locked");
    }
    assert_eq!(store.get(&name).await.unwrap().body, Bytes::from_static(b"second"));
}

/// Uploads of `name` that were neither completed nor aborted.
async fn uploads(store: &S3BucketStore, name: &str) -> usize {
    let listed = store.client.list_multipart_uploads().bucket(&store.site.bucket).prefix(name).send().await.unwrap();
    listed.uploads().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_four_uploads_in_parts_one_wins_and_nothing_stays_behind() {
    let test = "s3::tests::real::of_four_uploads_in_parts_one_wins_and_nothing_stays_behind";
    for bucket in [PLAIN, LOCKED] {
        let Some(settings) = settings(test, bucket) else { return };
        of_four_uploads_in_parts_one_wins(connect(&settings).await).await;
    }
}

async fn of_four_uploads_in_parts_one_wins(mut store: S3BucketStore) {
    store.part_sizes = PartSizes { largest_single: 1 << 20, part: 5 << 20 };
    let name = format!("{}/large", folder());
    let killed = store.client.create_multipart_upload().bucket(&store.site.bucket).key(&name).send().await.unwrap();
    assert!(killed.upload_id.is_some());
    assert_eq!(uploads(&store, &name).await, 1);

    let bodies: Vec<Bytes> = (0..4u8).map(|creator| vec![creator; (12 << 20) + usize::from(creator)].into()).collect();
    let tries = join_all(bodies.iter().map(|body| store.create(&name, body.clone().into()))).await;
    let object = store.get(&name).await.unwrap();
    let winners: Vec<usize> = (0..4).filter(|&creator| tries[creator].is_ok()).collect();
    let [winner] = winners[..] else { panic!("{tries:?}") };
    assert!(object.body == bodies[winner] && object.version == *tries[winner].as_ref().unwrap());
    for lost in tries.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(lost.kind, StoreErrorKind::AlreadyExists, "{lost}");
    }
    assert_eq!(uploads(&store, &name).await, 0);
    store.delete(&name).await.unwrap();
}

#[tokio::test]
async fn a_damaged_upload_is_refused_by_the_server() {
    for bucket in [PLAIN, LOCKED] {
        let Some(settings) = settings("s3::tests::real::a_damaged_upload_is_refused_by_the_server", bucket) else { return };
        a_damaged_upload_is_refused(connect(&settings).await).await;
    }
}

async fn a_damaged_upload_is_refused(store: S3BucketStore) {
    let name = format!("{}/damaged", folder());
    let other = payload::crc32c(&Bytes::from_static(b"stored").into());
    let request = store.client.put_object().bucket(&store.site.bucket).key(&name).checksum_crc32_c(other);
    let sent = request.body(payload::stream(&Bytes::from_static(b"stOred").into())).send().await;
    let asked = store.asked("s3:PutObject", &name, StoreErrorKind::Other);
    let refused = store.site.answer(&asked, sent).unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Damaged, "{refused}");
    assert_eq!(store.get(&name).await.unwrap_err().kind, StoreErrorKind::NotFound);
}

#[tokio::test]
async fn wrong_bucket_and_wrong_keys_are_told() {
    let Some(settings) = settings("s3::tests::real::wrong_bucket_and_wrong_keys_are_told", PLAIN) else { return };
    let missing = S3Store { bucket: "no-such-bucket-0123456789".into(), ..settings.clone() };
    let error = connect(&missing).await.create("x", Body::new()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::NoBucket, "{error}");
    for credentials in
        [("wrong".to_owned(), Secret::new("wrong-secret")), (settings.credentials.clone().unwrap().0, Secret::new("wrong-secret"))]
    {
        let wrong = S3Store { credentials: Some(credentials), ..settings.clone() };
        let error = connect(&wrong).await.list("", "", 1).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Credentials, "{error}");
    }
}
