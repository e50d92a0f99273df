//! Against a real Azurite (3.37 or newer), named by AZURE_TEST_CONNECTION_STRING and
//! AZURE_TEST_CONTAINER.

use std::io::{Write, stderr};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::{env, fmt, thread};

use azure_core::base64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use kernel::Secret;
use sha2::Sha256;
use tracing::field::Field;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::meddler::{Fault, Meddler};
use super::script::at_once;
use crate::azure::connect::Login;
use crate::azure::connection_string::Access;
use crate::azure::{AzureBlobStore, ConnectionString};
use crate::testing::{Delete, conformance};
use crate::{Body, ObjectStore, StoreErrorKind};

/// The test container, created if necessary, over a transport that can be manipulated, and the
/// test's own folder. Without the variables the tests cannot run, which CI does not accept.
async fn azurite() -> Option<(AzureBlobStore, Arc<Meddler>, String)> {
    let (text, container) = variables()?;
    let meddler = Meddler::new(&[]);
    let parsed = ConnectionString::parse(&text).unwrap();
    let store = AzureBlobStore::open(&container, &parsed.endpoint, Login::Access(parsed.access), at_once(), Some(meddler.transport()));
    let store = store.unwrap();
    store.container.create(None).await.ok();
    meddler.requests();
    Some((store, meddler, format!("test-{:016x}", rand::random::<u64>())))
}

fn variables() -> Option<(String, String)> {
    let variables = env::var("AZURE_TEST_CONNECTION_STRING").ok().zip(env::var("AZURE_TEST_CONTAINER").ok());
    if variables.is_none() {
        let what = "AZURE_TEST_CONNECTION_STRING and AZURE_TEST_CONTAINER are not set";
        assert!(env::var("CI").as_deref() != Ok("true"), "{what}, and in CI every test runs");
        // Not with eprintln!, which the test harness would capture.
        writeln!(stderr(), "NOT RUN: {}: {what}", thread::current().name().unwrap_or_default()).unwrap();
    }
    variables
}

fn open(container: &str, endpoint: &str, access: Access) -> AzureBlobStore {
    AzureBlobStore::open(container, endpoint, Login::Access(access), at_once(), None).unwrap()
}

/// An account signature for an hour that began five minutes ago, as documented in
/// <https://learn.microsoft.com/rest/api/storageservices/create-account-sas>.
fn signature(access: &Access, permissions: &str) -> Access {
    let Access::Key { account, key } = access else { panic!("a key is needed to make a signature") };
    let end = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_hours(1)).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let text = format!("{account}\n{permissions}\nb\nco\n\n{end}\n\n\n2022-11-02\n\n");
    let mut mac = Hmac::<Sha256>::new_from_slice(&base64::decode(key.reveal()).unwrap()).unwrap();
    mac.update(text.as_bytes());
    let sig = base64::encode(mac.finalize().into_bytes()).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    Access::Sas(Secret::new(format!("sv=2022-11-02&ss=b&srt=co&sp={permissions}&se={}&sig={sig}", end.replace(':', "%3A"))))
}

#[tokio::test]
async fn conformance_with_an_account_key() {
    let Some((store, _, folder)) = azurite().await else { return };
    let store = Arc::new(store);
    conformance::run(store.clone(), store, &folder).await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test]
async fn conformance_with_a_shared_access_signature() {
    let Some((_, _, folder)) = azurite().await else { return };
    let (text, container) = variables().unwrap();
    let ConnectionString { endpoint, access } = ConnectionString::parse(&text).unwrap();
    let store = open(&container, &endpoint, signature(&access, "rwdlac"));
    let store = Arc::new(store);
    conformance::run(store.clone(), store, &folder).await.unwrap_or_else(|failures| panic!("{failures}"));
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_recognised_as_our_own() {
    let Some((store, meddler, folder)) = azurite().await else { return };
    let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![7; 20 << 20]));
    for (name, body) in [(format!("{folder}/small"), &small), (format!("{folder}/large"), &large)] {
        // The large one: three blocks, then the list of them.
        meddler.plan(if body.len() > 100 { &[Fault::LoseAnswer; 4] } else { &[Fault::LoseAnswer] });
        let version = store.create(&name, body.clone().into()).await.unwrap();
        let object = store.get(&name).await.unwrap();
        assert!(object.body == *body && object.version == version);
        meddler.plan(&[]);
        assert_eq!(store.create(&name, body.clone().into()).await.unwrap_err().kind, StoreErrorKind::AlreadyExists);

        meddler.plan(&[Fault::LoseAnswer]);
        let replaced = store.replace(&name, "new".into(), &version).await.unwrap();
        assert_eq!(store.get(&name).await.unwrap().version, replaced);
        assert_eq!(store.replace(&name, "newer".into(), &version).await.unwrap_err().kind, StoreErrorKind::Changed);
        store.delete(&name).await.unwrap();
    }
}

#[tokio::test]
async fn of_two_block_uploads_one_wins() {
    let Some((store, _, folder)) = azurite().await else { return };
    let name = format!("{folder}/object");
    let (one, two) = (Bytes::from(vec![1; 20 << 20]), Bytes::from(vec![2; 21 << 20]));
    let (first, second) = tokio::join!(store.create(&name, one.clone().into()), store.create(&name, two.clone().into()));
    let (winner, loser) = if first.is_ok() { (one, second) } else { (two, first) };
    assert_eq!(loser.unwrap_err().kind, StoreErrorKind::AlreadyExists);
    assert!(store.get(&name).await.unwrap().body == winner);
    store.delete(&name).await.unwrap();
}

#[tokio::test]
async fn what_a_killed_upload_left_is_no_object() {
    let Some((store, _, folder)) = azurite().await else { return };
    let name = format!("{folder}/object");
    store.stage(&name, vec![b'0'; 48], Body::from(vec![1; 100])).await.unwrap();
    assert_eq!(store.get(&name).await.unwrap_err().kind, StoreErrorKind::NotFound);
    assert!(store.list(&folder, "", 10).await.unwrap().objects.is_empty());
    assert!(!store.folders("").await.unwrap().contains(&folder));
    let body = Bytes::from(vec![2; 17 << 20]);
    store.create(&name, body.clone().into()).await.unwrap();
    assert!(store.get(&name).await.unwrap().body == body);
    store.delete(&name).await.unwrap();
}

#[tokio::test]
async fn a_damaged_upload_is_refused() {
    let Some((store, meddler, folder)) = azurite().await else { return };
    let name = format!("{folder}/object");
    for body in [Body::from(vec![7; 100]), Body::from(vec![7; 17 << 20])] {
        // A block is tried three times, and the other blocks are uploaded in between.
        meddler.plan(&[Fault::Damage; 9]);
        let error = store.create(&name, body.clone()).await.expect_err("what was damaged on its way was accepted");
        assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
        meddler.plan(&[]);
        assert_eq!(store.get(&name).await.unwrap_err().kind, StoreErrorKind::NotFound);
        meddler.plan(&[Fault::Damage]);
        store.create(&name, body).await.unwrap();
        store.delete(&name).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let Some((store, meddler, folder)) = azurite().await else { return };
    let name = format!("{folder}/object");
    let body = Bytes::from((0..100_000).map(|index| index as u8).collect::<Vec<_>>());
    store.create(&name, body.clone().into()).await.unwrap();
    meddler.plan(&[Fault::BreakAnswer, Fault::LoseAnswer]);
    assert!(store.get(&name).await.unwrap().body == body);
    meddler.plan(&[Fault::BreakAnswer, Fault::LoseAnswer]);
    assert!(store.get_range(&name, 10..90_000).await.unwrap().bytes == body.slice(10..90_000));
    meddler.plan(&[Fault::BreakAnswer, Fault::LoseAnswer]);
    assert_eq!(store.list(&folder, "", 10).await.unwrap().objects.len(), 1);
    store.delete(&name).await.unwrap();
}

#[tokio::test]
async fn listing_takes_one_request_however_many_objects_there_are() {
    let Some((store, meddler, folder)) = azurite().await else { return };
    let name = |offset: usize| format!("{folder}/{:020}.tar.gz", offset * 1000);
    let mut count = 0;
    for objects in [10, 400] {
        for offset in count..objects {
            store.create(&name(offset), Body::from(vec![1])).await.unwrap();
        }
        count = objects;
        meddler.requests();
        let next = store.list(&format!("{folder}/"), &name(objects / 2), 1).await.unwrap();
        assert_eq!((next.objects[0].name.as_str(), next.more), (name(objects / 2 + 1).as_str(), true));
        let end = store.list(&format!("{folder}/"), &name(objects - 1), 1).await.unwrap();
        assert!(end.objects.is_empty() && !end.more);
        assert_eq!(store.folders("").await.unwrap().iter().filter(|found| **found == folder).count(), 1);
        assert_eq!(meddler.requests(), 3, "with {objects} objects");
    }
    for offset in 0..count {
        store.delete(&name(offset)).await.unwrap();
    }
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let Some((_, _, folder)) = azurite().await else { return };
    let (text, container) = variables().unwrap();
    let ConnectionString { endpoint, access } = ConnectionString::parse(&text).unwrap();
    let Access::Key { account, .. } = &access else { panic!("a key is needed") };
    let name = format!("{folder}/object");

    let wrong = Access::Key { account: account.clone(), key: Secret::new("d3Jvbmc=") };
    let error = open(&container, &endpoint, wrong).get(&name).await.unwrap_err();
    // Azurite returns AuthorizationFailure where Azure returns AuthenticationFailed.
    assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");

    let nowhere = open("no-such-container", &endpoint, access.clone());
    let command = format!("`az storage container create --name no-such-container --account-name {account} --blob-endpoint {endpoint}`");
    for error in [
        nowhere.create(&name, Body::from(vec![1])).await.unwrap_err(),
        nowhere.create(&name, Body::from(vec![1; 17 << 20])).await.unwrap_err(),
        nowhere.get(&name).await.unwrap_err(),
        nowhere.get_range(&name, 0..0).await.unwrap_err(),
        nowhere.list("", "", 1).await.unwrap_err(),
        nowhere.folders("").await.unwrap_err(),
        nowhere.delete(&name).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::NoBucket, "{error}");
        assert!(error.to_string().contains(&command), "{error}");
    }

    let read_only = open(&container, &endpoint, signature(&access, "r"));
    let error = read_only.create(&name, Body::from(vec![1])).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("sp=rcwl"), "{error}");
}

/// Everything that is logged, at all levels of every crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = format!("{} ", event.metadata().target());
        event.record(&mut |field: &Field, value: &dyn fmt::Debug| line += &format!("{field}={value:?} "));
        *self.0.lock().unwrap() += &(line + "\n");
    }
}

/// In its own process: a subscriber is for the whole process, and other tests change it.
#[test]
fn no_secret_is_in_any_line_of_the_log() {
    if variables().is_none() {
        return;
    }
    let name = format!("{}::logged_without_secrets", module_path!().split_once("::").unwrap().1);
    let child = Command::new(env::current_exe().unwrap()).args(["--exact", &name, "--ignored"]).output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "run by no_secret_is_in_any_line_of_the_log"]
async fn logged_without_secrets() {
    azurite().await.unwrap();
    let (text, container) = variables().unwrap();
    let ConnectionString { endpoint, access } = ConnectionString::parse(&text).unwrap();
    let Access::Key { account, key } = &access else { panic!("a key is needed") };
    let Access::Sas(sas) = signature(&access, "rl") else { panic!("a signature was asked for") };
    let (_, sig) = sas.reveal().split_once("sig=").unwrap();
    let plain_sig = sig.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");

    let log = Log::default();
    let logging = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    for access in [Access::Key { account: account.clone(), key: key.clone() }, Access::Sas(sas.clone())] {
        let store = open(&container, &endpoint, access.clone());
        store.get("no-such-object").await.unwrap_err();
        store.list("no-such-prefix", "", 1).await.unwrap();
        store.create("no-such-folder/x", Body::from(vec![1])).await.ok();
        store.delete("no-such-folder/x").await.ok();
        // No server listens there.
        open(&container, "http://127.0.0.1:9/", access).get("x").await.unwrap_err();
    }
    drop(logging);
    let log = log.0.lock().unwrap().clone();
    assert!(log.contains("reqwest") && log.contains("no-such-object"), "nothing was logged: {log}");
    for secret in [key.reveal(), sig, &plain_sig, "SharedKey "] {
        assert!(!log.contains(secret), "{}", log.lines().find(|line| line.contains(secret)).unwrap());
    }
}
